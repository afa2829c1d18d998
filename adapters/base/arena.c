#include "adapters/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (64u * 1024u)
#define LIMIT_DEFAULT ((size_t)1 << 30)

struct block {
    struct block *next; /* older blocks */
    size_t cap, used;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct block *head;
    size_t limit, used;
    int failed;
};

struct arena *arena_new(size_t limit_bytes)
{
    struct arena *a = calloc(1, sizeof *a);

    if (a)
        a->limit = limit_bytes > 0 ? limit_bytes : LIMIT_DEFAULT;
    return a;
}

static void free_blocks(struct block *b)
{
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    free_blocks(a->head);
    free(a);
}

void arena_clear(struct arena *a)
{
    if (a->head) {
        free_blocks(a->head->next);
        a->head->next = NULL;
        a->head->used = 0;
#ifdef ARENA_POISON
        memset(a->head->bytes, 0xa5, a->head->cap);
#endif
    }
    a->used = 0;
    a->failed = 0;
}

static struct block *add_block(struct arena *a, size_t size)
{
    size_t cap = size > BLOCK_BYTES / 4 ? size : BLOCK_BYTES;
    struct block *b = malloc(sizeof *b + cap);

    if (!b)
        return NULL;
    b->cap = cap;
    b->used = 0;
    if (a->head && cap == size && a->head->cap - a->head->used > BLOCK_BYTES / 4) {
        b->next = a->head->next; /* a big piece of its own; go on filling the head */
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    struct block *b = a->head;
    void *p;

    if (size > a->limit || a->limit - size < a->used) {
        a->failed = 1;
        return NULL;
    }
    size = (size + align - 1) / align * align;
    if (!b || b->cap - b->used < size)
        b = add_block(a, size);
    if (!b) {
        a->failed = 1;
        return NULL;
    }
    p = b->bytes + b->used;
    b->used += size;
    a->used += size;
    return memset(p, 0, size);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;

    if (copy && len > 0)
        memcpy(copy, s, len);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len >= 0)
        text = arena_alloc(a, (size_t)len + 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)len + 1, format, args);
        va_end(args);
    }
    return text;
}

int arena_failed(const struct arena *a)
{
    return a->failed;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
