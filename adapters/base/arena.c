#include "adapters/base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16u
#define CHUNK_BYTES_MIN (8u * 1024u)
#define CHUNK_BYTES_MAX (1024u * 1024u)
#define LIMIT_DEFAULT ((size_t)1 << 30)

struct chunk {
    struct chunk *next;
    size_t cap;
    size_t used;
    size_t padding; /* keeps `bytes` aligned to ALIGNMENT */
    unsigned char bytes[];
};

struct arena {
    struct chunk *first;
    struct chunk *current;
    size_t limit;
    size_t used;
    size_t chunk_bytes; /* size of the next chunk */
    int failed;
};

struct arena *arena_new(size_t limit_bytes)
{
    struct arena *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->limit = limit_bytes ? limit_bytes : LIMIT_DEFAULT;
    a->chunk_bytes = CHUNK_BYTES_MIN;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct chunk *c = a->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(a);
}

void arena_clear(struct arena *a)
{
    for (struct chunk *c = a->first; c; c = c->next)
        c->used = 0;
    a->current = a->first;
    a->used = 0;
    a->failed = 0;
}

/* A chunk with room for `size`, put behind the current one. */
static struct chunk *add_chunk(struct arena *a, size_t size)
{
    size_t cap = size > a->chunk_bytes ? size : a->chunk_bytes;
    struct chunk *c = malloc(sizeof *c + cap);

    if (!c)
        return NULL;
    c->cap = cap;
    c->used = 0;
    if (a->current) {
        c->next = a->current->next;
        a->current->next = c;
    } else {
        c->next = NULL;
        a->first = c;
    }
    if (a->chunk_bytes < CHUNK_BYTES_MAX)
        a->chunk_bytes *= 2;
    return c;
}

static struct chunk *next_chunk(struct arena *a, size_t size)
{
    /* after arena_clear the chunks behind the current one are empty and may be used again */
    struct chunk *c = a->current ? a->current->next : NULL;

    if (c && c->used == 0 && c->cap >= size)
        return c;
    return add_chunk(a, size);
}

void *arena_take(struct arena *a, size_t size)
{
    struct chunk *c = a->current;
    void *p;

    if (a->failed || size > a->limit - a->used || size > SIZE_MAX - 2 * ALIGNMENT) {
        a->failed = 1;
        return NULL;
    }
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!c || c->cap - c->used < size) {
        c = next_chunk(a, size);
        if (!c) {
            a->failed = 1;
            return NULL;
        }
        a->current = c;
    }
    p = c->bytes + c->used;
    c->used += size;
    a->used = size > a->limit - a->used ? a->limit : a->used + size;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = arena_take(a, size);

    if (p)
        memset(p, 0, size);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_take(a, len + 1) : NULL;

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    char near[256]; /* most texts fit, and are formatted once */
    va_list args, again;
    char *text;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(near, sizeof(near), format, args);
    va_end(args);
    text = len < 0 ? NULL : arena_take(a, (size_t)len + 1);
    if (text && (size_t)len < sizeof(near))
        memcpy(text, near, (size_t)len + 1);
    else if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    if (!text)
        a->failed = 1;
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
