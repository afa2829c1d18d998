#include "engine/num.h"

#include <string.h>

#include "engine/decimal.h"
#include "engine/text.h"

bool num_is_nan(double value)
{
    return value != value;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool num_parse_int(const char *s, size_t len, int64_t *ret_value)
{
    bool negative = len > 0 && s[0] == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, n = 0;
    size_t i = len > 0 && (s[0] == '-' || s[0] == '+') ? 1 : 0;

    if (i == len)
        return false;
    for (; i < len; i++) {
        uint64_t digit = (uint64_t)(s[i] - '0');
        if (!is_digit(s[i]) || n > (limit - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *ret_value = negative ? (n == 0 ? 0 : -(int64_t)(n - 1) - 1) : (int64_t)n;
    return true;
}

static bool same_word(const char *s, size_t len, const char *lower)
{
    if (strlen(lower) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];
        if (c != lower[i])
            return false;
    }
    return true;
}

static bool parse_special(const char *s, size_t len, bool negative, double *ret_value)
{
    const uint64_t infinity = (uint64_t)0x7ff << 52;
    uint64_t bits;

    if (same_word(s, len, "inf") || same_word(s, len, "infinity"))
        bits = infinity | (uint64_t)negative << 63;
    else if (same_word(s, len, "nan"))
        bits = infinity | (uint64_t)1 << 51;
    else
        return false;
    memcpy(ret_value, &bits, sizeof bits);
    return true;
}

/* Digits and point into x; returns how many bytes were taken, 0 when there is no digit. */
static size_t parse_digits(const char *s, size_t len, struct decimal *x)
{
    bool seen_point = false, seen_digit = false;
    size_t i;

    x->count = 0;
    x->point = 0;
    x->cut = false;
    for (i = 0; i < len; i++) {
        if (s[i] == '.' && !seen_point) {
            seen_point = true;
            continue;
        }
        if (!is_digit(s[i]))
            break;
        seen_digit = true;
        if (s[i] == '0' && x->count == 0) {
            if (seen_point)
                x->point--;
            continue;
        }
        if (x->count < DECIMAL_DIGITS)
            x->d[x->count++] = (uint8_t)(s[i] - '0');
        else if (s[i] != '0')
            x->cut = true;
        if (!seen_point)
            x->point++;
    }
    while (x->count > 0 && x->d[x->count - 1] == 0)
        x->count--;
    return seen_digit ? i : 0;
}

static size_t parse_exponent(const char *s, size_t len, int32_t *ret_exponent)
{
    size_t i = 1;
    bool negative = false;
    int32_t n = 0;

    if (i < len && (s[i] == '+' || s[i] == '-'))
        negative = s[i++] == '-';
    if (i == len || !is_digit(s[i]))
        return 0;
    for (; i < len && is_digit(s[i]); i++)
        n = n < 100000 ? n * 10 + (s[i] - '0') : n;
    *ret_exponent = negative ? -n : n;
    return i;
}

/* Up to 15 digits and a small power of ten: both exact, so one operation rounds once. */
static bool parse_fast(const struct decimal *x, bool negative, double *ret_value)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int32_t power = x->point - x->count;
    uint64_t n = 0;
    double value;

    if (x->count > 15 || power < -22 || power > 22 || x->cut)
        return false;
    for (int32_t i = 0; i < x->count; i++)
        n = n * 10 + x->d[i];
    value = power < 0 ? (double)n / tens[-power] : (double)n * tens[power];
    *ret_value = negative ? -value : value;
    return true;
}

bool num_parse(const char *s, size_t len, double *ret_value)
{
    bool negative = len > 0 && s[0] == '-';
    struct decimal x;
    size_t used;
    int32_t exponent = 0;

    if (len > 0 && (s[0] == '-' || s[0] == '+')) {
        s++;
        len--;
    }
    if (parse_special(s, len, negative, ret_value))
        return true;
    used = parse_digits(s, len, &x);
    if (used == 0)
        return false;
    if (used < len) {
        size_t more =
            s[used] == 'e' || s[used] == 'E' ? parse_exponent(s + used, len - used, &exponent) : 0;
        if (more == 0 || used + more != len)
            return false;
    }
    x.point = x.count == 0 ? 0 : x.point + exponent;
    if (!parse_fast(&x, negative, ret_value))
        *ret_value = decimal_to_double(&x, negative);
    return true;
}

/* ---- Go durations
 * ---------------------------------------------------------------------------------- */

static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
    {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000},  {"h", 3600000000000},
};

static uint64_t unit_ns(const char *s, size_t len)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, s, len) == 0)
            return units[i].ns;
    }
    return 0;
}

struct group {
    uint64_t whole, fraction;
    double scale;
};

/* One decimal number; false when it is none or too large. Digits of the fraction past 2^63 are
 * dropped. */
static bool parse_group(const char **at, const char *end, struct group *g)
{
    const uint64_t limit = (uint64_t)1 << 63;
    const char *s = *at;
    bool digits = false, full = false;

    g->whole = 0;
    g->fraction = 0;
    g->scale = 1;
    for (; s < end && is_digit(*s); s++) {
        digits = true;
        if (g->whole > limit / 10)
            return false;
        g->whole = g->whole * 10 + (uint64_t)(*s - '0');
        if (g->whole > limit)
            return false;
    }
    if (s < end && *s == '.') {
        for (s++; s < end && is_digit(*s); s++) {
            uint64_t next;
            digits = true;
            if (full)
                continue;
            if (g->fraction > (limit - 1) / 10) {
                full = true;
                continue;
            }
            next = g->fraction * 10 + (uint64_t)(*s - '0');
            if (next > limit) {
                full = true;
                continue;
            }
            g->fraction = next;
            g->scale *= 10;
        }
    }
    *at = s;
    return digits;
}

enum duration_error duration_parse(const char *s, size_t len, int64_t *ret_nanoseconds,
                                   const char **reterr_unit, size_t *reterr_unit_len)
{
    const uint64_t limit = (uint64_t)1 << 63;
    const char *at = s, *end = s + len;
    bool negative = false;
    uint64_t sum = 0;

    if (at < end && (*at == '-' || *at == '+'))
        negative = *at++ == '-';
    if (end - at == 1 && *at == '0') {
        *ret_nanoseconds = 0;
        return DURATION_OK;
    }
    if (at == end)
        return DURATION_INVALID;
    while (at < end) {
        struct group g;
        const char *unit;
        uint64_t ns, value;

        if (!parse_group(&at, end, &g))
            return DURATION_INVALID;
        for (unit = at; at < end && *at != '.' && !is_digit(*at);)
            at++;
        if (at == unit)
            return DURATION_NO_UNIT;
        ns = unit_ns(unit, (size_t)(at - unit));
        if (ns == 0) {
            if (reterr_unit)
                *reterr_unit = unit;
            if (reterr_unit_len)
                *reterr_unit_len = (size_t)(at - unit);
            return DURATION_UNKNOWN_UNIT;
        }
        if (g.whole > limit / ns)
            return DURATION_INVALID;
        value = g.whole * ns;
        if (g.fraction > 0)
            value += (uint64_t)((double)g.fraction * ((double)ns / g.scale));
        if (value > limit || sum + value > limit)
            return DURATION_INVALID;
        sum += value;
    }
    if (!negative && sum > limit - 1)
        return DURATION_INVALID;
    *ret_nanoseconds = negative ? (sum == limit ? INT64_MIN : -(int64_t)sum) : (int64_t)sum;
    return DURATION_OK;
}

/* As package time of Go quotes: bytes beyond ASCII and controls by their number. */
static void add_quoted(struct text *t, const char *s, size_t len)
{
    static const char hex[] = "0123456789abcdef";

    text_addc(t, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c >= 0x80 || c < 0x20) {
            text_adds(t, "\\x");
            text_addc(t, hex[c >> 4]);
            text_addc(t, hex[c & 15]);
            continue;
        }
        if (c == '"' || c == '\\')
            text_addc(t, '\\');
        text_addc(t, (char)c);
    }
    text_addc(t, '"');
}

void duration_error_text(struct text *t, enum duration_error error, const char *s, size_t len,
                         const char *unit, size_t unit_len)
{
    switch (error) {
    case DURATION_OK:
        return;
    case DURATION_INVALID:
        text_adds(t, "time: invalid duration ");
        break;
    case DURATION_NO_UNIT:
        text_adds(t, "time: missing unit in duration ");
        break;
    case DURATION_UNKNOWN_UNIT:
        text_adds(t, "time: unknown unit ");
        add_quoted(t, unit, unit_len);
        text_adds(t, " in duration ");
        break;
    }
    add_quoted(t, s, len);
}
