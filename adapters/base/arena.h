/*
 * adapters/base/arena.h — one allocation region per document, dropped whole.
 *
 * Everything read from one manifest, scenario or API answer lives in one arena. Nothing in it is
 * freed on its own. An arena has a byte limit, so that hostile input ends in an error and not in
 * swap.
 */
#ifndef COALMINE_BASE_ARENA_H
#define COALMINE_BASE_ARENA_H

#include <stddef.h>

struct arena;

/* A new arena that hands out at most `limit_bytes` in all (0 = 1 GiB). NULL when memory is out. */
struct arena *arena_new(size_t limit_bytes);
/* Drop everything. NULL is fine. */
void arena_free(struct arena *a);
/* Forget everything handed out and keep the memory for the next document. */
void arena_clear(struct arena *a);
/*
 * `size` zeroed bytes, aligned for any type. NULL when the limit or memory is reached;
 * arena_failed() then stays true, so that a parser may check once at its end.
 */
void *arena_alloc(struct arena *a, size_t size);
/* As arena_alloc, but the bytes are whatever they were: for callers that set them all. */
void *arena_take(struct arena *a, size_t size);
/* A NUL-terminated copy of `len` bytes. NULL as for arena_alloc. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
/* printf into the arena. NULL as for arena_alloc. */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
int arena_failed(const struct arena *a);
/* Bytes handed out since arena_new or arena_clear. */
size_t arena_used(const struct arena *a);

#endif
