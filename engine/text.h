/*
 * engine/text.h — text built in the caller's buffer: no allocation, always NUL-terminated, cut at
 * the end of the buffer (then `cut` is set and `len` still counts what would have been written).
 */
#ifndef COALMINE_ENGINE_TEXT_H
#define COALMINE_ENGINE_TEXT_H

#include "engine/units.h"

struct text {
    char *data;
    size_t cap; /* bytes of data, at least 1 */
    size_t len; /* bytes wanted so far, without the NUL */
    bool cut;
};

void text_init(struct text *t, char *data, size_t cap);
void text_add(struct text *t, const char *bytes, size_t len);
void text_adds(struct text *t, const char *s); /* NULL adds nothing */
void text_addc(struct text *t, char c);
void text_add_int(struct text *t, int64_t value);
void text_add_uint(struct text *t, uint64_t value);
/* As Go prints a float64 with %v: shortest digits that read back, `1e+06`, `+Inf`, `NaN`. */
void text_add_float(struct text *t, double value);
/* As Go prints it with %.2f: two decimals, rounded from the exact binary value. */
void text_add_fixed2(struct text *t, double value);
/* As Go prints a time.Duration: `1m0s`, `1.515s`, `500ms`. */
void text_add_duration(struct text *t, int64_t nanoseconds);

#endif
