/*
 * adapters/base/diag.h — what a user did wrong, where, and the way out. All of it, not only the
 * first.
 */
#ifndef COALMINE_BASE_DIAG_H
#define COALMINE_BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "adapters/base/arena.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_INFO };

struct diag {
    const char *id; /* stable, such as "CM102"; NULL = a plain reading error */
    enum severity severity;
    const char *file;   /* as the user typed it; "-" is standard input */
    uint32_t line, col; /* from 1, col in characters; 0 = unknown */
    uint32_t end_col;   /* one past the culprit on the same line, or 0 */
    const char *path;   /* ".spec.steps[2].weight", or NULL */
    const char *what;   /* "120 is more than 100": no capital, no full stop */
    const char *hint;   /* what to do about it, or NULL */
};

/* Findings in the order they were made; the texts live in `arena`. */
struct diags {
    struct arena *arena;
    struct diag *items;
    size_t count, cap;
    size_t errors, warnings;
    size_t dropped; /* findings past DIAGS_MAX, counted only */
};
#define DIAGS_MAX 10000u

void diags_init(struct diags *d, struct arena *arena);
/* Frees the list, not the arena. */
void diags_release(struct diags *d);
/* Append a copy; `what` and `hint` must live as long as the arena (arena_printf). */
void diags_add(struct diags *d, const struct diag *item);
/* Sort by file (in order of first mention), line, col, then order of finding. */
void diags_sort(struct diags *d);

/*
 * One finding as text, `file:line:col: error: path: what`, then the source line with a caret when
 * `source` (the whole file's bytes) is given, then `hint: …`. `color`: ANSI colours.
 */
void diag_print(FILE *out, const struct diag *d, const char *source, size_t source_len, bool color);

/*
 * The name in `names` (NULL-terminated) nearest to `word` by edit distance (with transpositions),
 * or NULL when none is near enough to be worth a guess (distance > 1 + length / 3).
 */
const char *nearest_name(const char *word, size_t word_len, const char *const *names);

#endif
