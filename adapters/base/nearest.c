#include "adapters/base/diag.h"

#include <string.h>

#define WORD_MAX 63u

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits that make `a` into `b`: insert, delete, replace, swap two neighbours. Three rows of the
 * table. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

const char *nearest_name(const char *word, size_t word_len, const char *const *names)
{
    const char *nearest = NULL;
    size_t best = 1 + word_len / 3 + 1;

    if (word_len > WORD_MAX)
        return NULL;
    for (; *names; names++) {
        size_t len = strlen(*names);
        if (len > WORD_MAX)
            continue;
        size_t distance = edit_distance(word, word_len, *names, len);
        if (distance < best) {
            best = distance;
            nearest = *names;
        }
    }
    return nearest;
}
