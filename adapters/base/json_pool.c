#include "adapters/base/json_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#if JSON_POOLED

#define CHUNK_BYTES 16384u
#define NODE_BYTES 64u /* a line of the cache */
#define STEP 16u       /* of the sizes of blocks for texts, their head included */
#define TEXT_CLASSES 8u
#define CLASS_NODE TEXT_CLASSES
#define CLASS_COUNT (TEXT_CLASSES + 1)
#define CLASS_LARGE CLASS_COUNT /* malloc's */

/* At the start of each chunk; blocks of its class follow. */
struct chunk {
    struct chunk *next;
    _Atomic(const struct pool *) owner; /* the thread in whose list it is, or NULL */
    uint32_t class;
    uint32_t cut, free; /* blocks; the latter while json_trim counts */
};
_Static_assert(sizeof(struct chunk) <= NODE_BYTES, "a chunk's head takes the place of a node");
_Static_assert(sizeof(cJSON) <= NODE_BYTES, "a node fits");

/* Before each text. Texts begin behind it, eight bytes after a multiple of 16. */
struct head {
    uint64_t class;
};

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

static size_t block_bytes(uint32_t class)
{
    return class == CLASS_NODE ? NODE_BYTES : (class + 1) * STEP;
}

static struct chunk *chunk_of(void *block)
{
    return (struct chunk *)(void *)((char *)block - ((uintptr_t)block & (CHUNK_BYTES - 1)));
}

static bool is_cut_up(const struct chunk *c)
{
    return NODE_BYTES + (c->cut + 1) * block_bytes(c->class) > CHUNK_BYTES;
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

static struct chunk *chunk_new(uint32_t class)
{
    struct chunk *c = aligned_alloc(CHUNK_BYTES, CHUNK_BYTES);

    if (c == NULL)
        return NULL;
    c->next = NULL;
    atomic_init(&c->owner, NULL);
    c->class = class;
    c->cut = c->free = 0;
    return c;
}

/* A block that was none before. */
static void *cut(struct pool *p, uint32_t class)
{
    struct chunk *c = p->cutting[class];

    if (c == NULL || is_cut_up(c)) {
        c = chunk_new(class);
        if (c == NULL)
            return NULL;
        c->owner = p;
        c->next = p->chunks;
        p->chunks = c;
        p->cutting[class] = c;
    }
    return (char *)c + NODE_BYTES + c->cut++ * block_bytes(class);
}

static void *take(uint32_t class)
{
    struct pool *p = &pool;
    struct block *b = p->free[class];

    if (b == NULL && !p->registered) {
        take_over(p);
        b = p->free[class];
    }
    if (b == NULL)
        return cut(p, class);
    p->free[class] = b->next;
    __builtin_prefetch(b->next, 1); /* the next call reads it: what was free for long is not near */
    return b;
}

static void put(struct block *b, uint32_t class)
{
    b->next = pool.free[class];
    pool.free[class] = b;
}

cJSON *json_block_node(void)
{
    return take(CLASS_NODE);
}

char *json_block_text(size_t size)
{
    uint32_t class = CLASS_LARGE;
    struct head *h;

    if (size > TEXT_CLASSES * STEP - sizeof(*h)) {
        h = size < SIZE_MAX / 2 ? malloc(sizeof(*h) + size) : NULL;
    } else {
        class = (uint32_t)((size + sizeof(*h) - 1) / STEP);
        h = take(class);
    }
    if (h == NULL)
        return NULL;
    h->class = class;
    return (char *)(h + 1);
}

void *json_block_any(size_t size)
{
    return size == sizeof(cJSON) ? (void *)json_block_node() : json_block_text(size);
}

void json_block_free(void *block)
{
    struct head *h = block;

    if (block == NULL)
        return;
    if ((uintptr_t)block % NODE_BYTES == 0) {
        put(block, CLASS_NODE);
        return;
    }
    h--;
    if (h->class == CLASS_LARGE)
        free(h);
    else
        put((struct block *)(void *)h, (uint32_t)h->class);
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

cJSON *json_block_node(void)
{
    return malloc(sizeof(cJSON));
}

char *json_block_text(size_t size)
{
    return malloc(size);
}

void *json_block_any(size_t size)
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
