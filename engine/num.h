/*
 * engine/num.h — numbers and durations out of text, the same on every machine and in every locale.
 */
#ifndef COALMINE_ENGINE_NUM_H
#define COALMINE_ENGINE_NUM_H

#include "engine/units.h"

/*
 * A decimal number: sign, digits, fraction, exponent; also Inf, +Inf, -Inf, Infinity and NaN
 * without regard to case. Correctly rounded. The whole text must be the number.
 */
bool num_parse(const char *s, size_t len, double *ret_value);
/* A decimal integer with optional sign that fits int64_t; the whole text. */
bool num_parse_int(const char *s, size_t len, int64_t *ret_value);

/* What is wrong with a duration, in the order Go's time.ParseDuration finds it. */
enum duration_error { DURATION_OK, DURATION_INVALID, DURATION_NO_UNIT, DURATION_UNKNOWN_UNIT };
/*
 * Go's duration syntax: optional sign, then <decimal><unit> groups, units ns us µs μs ms s m h; or
 * "0".
 *   ret_nanoseconds     set on success
 *   reterr_unit, _len   the culprit unit, set with DURATION_UNKNOWN_UNIT; NULL = not asked for
 */
enum duration_error duration_parse(const char *s, size_t len, int64_t *ret_nanoseconds,
                                   const char **reterr_unit, size_t *reterr_unit_len);
struct text;
/* Go's error text: `time: unknown unit "d" in duration "2d"`. */
void duration_error_text(struct text *t, enum duration_error error, const char *s, size_t len,
                         const char *unit, size_t unit_len);

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

/* Finite: neither NaN nor an infinity (no libm). */
static inline bool num_is_finite(double value)
{
    return value - value == 0; /* infinity less infinity is NaN */
}
bool num_is_nan(double value);

#endif
