#include "adapters/base/json_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "adapters/base/json.h"

#if JSON_POOLED

#define CHUNK_BYTES 16384u
#define HEAD_BYTES 64u /* of a chunk: blocks begin at a line of the cache */
#define STEP 16u       /* up to SMALL_MAX there is a size for each multiple of it */
#define SMALL_MAX 64u

static const size_t sizes[] = {16, 32, 48, 64, 96, 128, 192, 256, 512, 1024};
#define CLASS_COUNT (sizeof(sizes) / sizeof(sizes[0]))
#define CLASS_ALONE CLASS_COUNT /* a chunk for one block that is larger than all these */

struct chunk {
    struct chunk *next;
    _Atomic(const struct pool *) owner; /* the thread in whose list it is, or NULL */
    uint32_t class;
    uint32_t cut, free; /* blocks; the latter while json_trim counts */
};
_Static_assert(sizeof(struct chunk) <= HEAD_BYTES, "a chunk's head has room for it");
_Static_assert(sizeof(cJSON) <= SMALL_MAX, "a node is a small block");

struct block {
    struct block *next; /* while it is free */
};

struct pool {
    struct block *free[CLASS_COUNT];
    struct chunk *cutting[CLASS_COUNT]; /* new blocks are cut from these; NULL = from none yet */
    struct chunk *chunks;
    bool registered;
};

static _Thread_local struct pool pool;

/* What threads that have ended leave behind, for those that come. */
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *left_free[CLASS_COUNT];
static struct chunk *left_chunks;
static pthread_key_t thread_end;

static uint32_t class_of(size_t size)
{
    uint32_t class = SMALL_MAX / STEP;

    if (size <= SMALL_MAX)
        return size == 0 ? 0 : (uint32_t)((size - 1) / STEP);
    while (class < CLASS_COUNT && sizes[class] < size)
        class++;
    return class;
}

static struct chunk *chunk_of(void *block)
{
    return (struct chunk *)(void *)((char *)block - ((uintptr_t)block & (CHUNK_BYTES - 1)));
}

static bool is_cut_up(const struct chunk *c)
{
    return HEAD_BYTES + (c->cut + 1) * sizes[c->class] > CHUNK_BYTES;
}

/* ---- threads that end and begin */

static void append(struct block **list, struct block *more)
{
    while (*list)
        list = &(*list)->next;
    *list = more;
}

static void leave(void *ended)
{
    struct pool *p = ended;
    struct chunk **end = &p->chunks;

    pthread_mutex_lock(&left_lock);
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        append(&p->free[i], left_free[i]);
        left_free[i] = p->free[i];
    }
    for (; *end; end = &(*end)->next)
        (*end)->owner = NULL;
    *end = left_chunks;
    left_chunks = p->chunks;
    pthread_mutex_unlock(&left_lock);
    *p = (struct pool){0};
}

/* The first block of a thread: it takes over what is there. */
static void take_over(struct pool *p)
{
    p->registered = true;
    pthread_setspecific(thread_end, p);
    pthread_mutex_lock(&left_lock);
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        append(&p->free[i], left_free[i]);
        left_free[i] = NULL;
    }
    p->chunks = left_chunks;
    left_chunks = NULL;
    pthread_mutex_unlock(&left_lock);
    for (struct chunk *c = p->chunks; c; c = c->next) {
        c->owner = p;
        if (!is_cut_up(c))
            p->cutting[c->class] = c;
    }
}

__attribute__((constructor)) static void json_pool_init(void)
{
    pthread_key_create(&thread_end, leave);
}

/* ---- blocks */

static struct chunk *chunk_new(uint32_t class, size_t bytes)
{
    void *memory;
    struct chunk *c;

    if (posix_memalign(&memory, CHUNK_BYTES, bytes) != 0)
        return NULL;
    c = memory;
    c->next = NULL;
    atomic_init(&c->owner, NULL);
    c->class = class;
    c->cut = c->free = 0;
    return c;
}

/* A block larger than all sizes. */
static void *alone_new(size_t size)
{
    struct chunk *c = size < SIZE_MAX / 2 ? chunk_new(CLASS_ALONE, HEAD_BYTES + size) : NULL;

    return c ? (char *)c + HEAD_BYTES : NULL;
}

/* A block that was none before. */
static void *cut(struct pool *p, uint32_t class)
{
    struct chunk *c;

    if (!p->registered) {
        take_over(p);
        if (p->free[class]) {
            struct block *b = p->free[class];

            p->free[class] = b->next;
            return b;
        }
    }
    c = p->cutting[class];
    if (c == NULL || is_cut_up(c)) {
        c = chunk_new(class, CHUNK_BYTES);
        if (c == NULL)
            return NULL;
        c->owner = p;
        c->next = p->chunks;
        p->chunks = c;
        p->cutting[class] = c;
    }
    return (char *)c + HEAD_BYTES + c->cut++ * sizes[class];
}

void *json_block_new(size_t size)
{
    uint32_t class = class_of(size);
    struct pool *p = &pool;
    struct block *b;

    if (class == CLASS_ALONE)
        return alone_new(size);
    b = p->free[class];
    if (b == NULL)
        return cut(p, class);
    p->free[class] = b->next;
    return b;
}

void json_block_free(void *memory)
{
    struct block *b = memory;
    struct chunk *c;

    if (b == NULL)
        return;
    c = chunk_of(b);
    if (c->class == CLASS_ALONE) {
        free(c);
        return;
    }
    b->next = pool.free[c->class];
    pool.free[c->class] = b;
}

/* ---- giving back */

/* All its blocks are in this thread's lists. */
static bool is_idle(const struct pool *p, const struct chunk *c)
{
    return c->owner == p && c->free == c->cut;
}

static void count_free(struct pool *p)
{
    for (struct chunk *c = p->chunks; c; c = c->next)
        c->free = 0;
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        for (struct block *b = p->free[i]; b; b = b->next) {
            if (chunk_of(b)->owner == p)
                chunk_of(b)->free++;
        }
    }
}

void json_trim(void)
{
    struct pool *p = &pool;

    count_free(p);
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        struct block **at = &p->free[i];

        while (*at) {
            if (is_idle(p, chunk_of(*at)))
                *at = (*at)->next;
            else
                at = &(*at)->next;
        }
    }
    for (struct chunk **at = &p->chunks; *at;) {
        struct chunk *c = *at;

        if (is_idle(p, c)) {
            *at = c->next;
            if (p->cutting[c->class] == c)
                p->cutting[c->class] = NULL;
            free(c);
        } else {
            at = &c->next;
        }
    }
}

#else

void *json_block_new(size_t size)
{
    return malloc(size);
}

void json_block_free(void *block)
{
    free(block);
}

void json_trim(void)
{
}

#endif
