/*
 * engine/decimal.h — exact decimal values of doubles, for printing and reading them without libc.
 *
 * A double is a binary integer times a power of two, so its decimal digits are finite; shifting a
 * decimal digit string by powers of two gives them all. Slow and right: the fast paths stand in
 * num.c and text.c.
 */
#ifndef COALMINE_ENGINE_DECIMAL_H
#define COALMINE_ENGINE_DECIMAL_H

#include "engine/units.h"

#define DECIMAL_DIGITS 1100 /* the longest double has 767 significant digits */

/* 0.d[0]d[1]…d[count-1] times ten to the point. */
struct decimal {
    int32_t count;
    int32_t point;
    bool cut; /* digits that were not zero fell off the end */
    uint8_t d[DECIMAL_DIGITS];
};

void decimal_set(struct decimal *x, uint64_t value);
/* Multiply by two to the `power` (negative: divide). */
void decimal_shift(struct decimal *x, int32_t power);
/* Keep `count` digits, rounding half to even. */
void decimal_round(struct decimal *x, int32_t count);
/* The digits of |value| (finite), cut to the shortest that still read back as it. */
void decimal_shortest(struct decimal *x, double value);
/* The nearest double, half to even; consumes x. */
double decimal_to_double(struct decimal *x, bool negative);
/* The nearest integer, half to even; UINT64_MAX when it is too large. */
uint64_t decimal_integer(const struct decimal *x);

/* Mantissa and exponent of a finite double: |value| = mantissa * 2^exponent. */
void double_split(double value, bool *ret_negative, uint64_t *ret_mantissa, int32_t *ret_exponent);

#endif
