#include "engine/text.h"

#include <string.h>

#include "engine/decimal.h"
#include "engine/num.h"

void text_init(struct text *t, char *data, size_t cap)
{
    t->data = data;
    t->cap = cap;
    t->len = 0;
    t->cut = false;
    data[0] = '\0';
}

void text_add(struct text *t, const char *bytes, size_t len)
{
    size_t room = t->len < t->cap - 1 ? t->cap - 1 - t->len : 0;
    size_t n = len < room ? len : room;

    if (n > 0) {
        memcpy(t->data + t->len, bytes, n);
        t->data[t->len + n] = '\0';
    }
    if (n < len)
        t->cut = true;
    t->len += len;
}

void text_adds(struct text *t, const char *s)
{
    if (s)
        text_add(t, s, strlen(s));
}

void text_addc(struct text *t, char c)
{
    text_add(t, &c, 1);
}

void text_add_uint(struct text *t, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_add(t, digits + at, sizeof digits - at);
}

void text_add_int(struct text *t, int64_t value)
{
    if (value < 0) {
        text_addc(t, '-');
        text_add_uint(t, (uint64_t)0 - (uint64_t)value);
    } else {
        text_add_uint(t, (uint64_t)value);
    }
}

/* NaN and the infinities. */
static bool add_special(struct text *t, double value)
{
    if (num_is_finite(value))
        return false;
    text_adds(t, num_is_nan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    return true;
}

static void add_digits(struct text *t, const struct decimal *x, int32_t from, int32_t to)
{
    for (int32_t i = from; i < to; i++)
        text_addc(t, i >= 0 && i < x->count ? (char)('0' + x->d[i]) : '0');
}

static void add_scientific(struct text *t, const struct decimal *x)
{
    int32_t exponent = x->point - 1;

    add_digits(t, x, 0, 1);
    if (x->count > 1) {
        text_addc(t, '.');
        add_digits(t, x, 1, x->count);
    }
    text_addc(t, 'e');
    text_addc(t, exponent < 0 ? '-' : '+');
    if (exponent < 0)
        exponent = -exponent;
    if (exponent < 10)
        text_addc(t, '0');
    text_add_int(t, exponent);
}

/* `decimals` digits after the point; 0 = none and no point. */
static void add_plain(struct text *t, const struct decimal *x, int32_t decimals)
{
    if (x->point > 0)
        add_digits(t, x, 0, x->point);
    else
        text_addc(t, '0');
    if (decimals > 0) {
        text_addc(t, '.');
        add_digits(t, x, x->point, x->point + decimals);
    }
}

/* Most values have few decimals: an integer below 2^53 over a power of ten up to 10^6 is exact
 * enough. */
static bool shortest_fast(struct decimal *x, double value)
{
    double scale = 1;

    if (!(value < 1e9))
        return false;
    for (int32_t decimals = 0; decimals <= 6; decimals++, scale *= 10) {
        double scaled = value * scale;
        uint64_t n = (uint64_t)scaled;
        /* Both operands are exact, so the quotient is the double nearest to n / 10^decimals. */
        if ((double)n == scaled && (double)n / scale == value) {
            decimal_set(x, n);
            if (n > 0)
                x->point -= decimals;
            return true;
        }
    }
    return false;
}

void text_add_float(struct text *t, double value)
{
    struct decimal x;
    bool negative;
    uint64_t mantissa;
    int32_t exponent;

    if (add_special(t, value))
        return;
    double_split(value, &negative, &mantissa, &exponent);
    if (negative) {
        text_addc(t, '-');
        value = -value;
    }
    if (mantissa == 0) {
        text_addc(t, '0');
        return;
    }
    if (!shortest_fast(&x, value))
        decimal_shortest(&x, value);
    if (x.point - 1 < -4 || x.point - 1 > 5)
        add_scientific(t, &x);
    else
        add_plain(t, &x, x.count > x.point ? x.count - x.point : 0);
}

void text_add_fixed2(struct text *t, double value)
{
    struct decimal x;
    bool negative;
    uint64_t mantissa;
    int32_t exponent;

    if (add_special(t, value))
        return;
    double_split(value, &negative, &mantissa, &exponent);
    if (negative)
        text_addc(t, '-');
    decimal_set(&x, mantissa);
    decimal_shift(&x, exponent);
    if (x.count > 0 && x.point + 2 < 0)
        x.count = 0; /* far below half a hundredth */
    else
        decimal_round(&x, x.point + 2);
    if (x.count == 0)
        x.point = 0;
    add_plain(t, &x, 2);
}

static void add_fraction(struct text *t, uint64_t value, uint64_t unit)
{
    text_add_uint(t, value / unit);
    value %= unit;
    if (value == 0)
        return;
    text_addc(t, '.');
    while (value > 0) {
        unit /= 10;
        text_addc(t, (char)('0' + value / unit));
        value %= unit;
    }
}

void text_add_duration(struct text *t, int64_t nanoseconds)
{
    uint64_t ns = nanoseconds < 0 ? (uint64_t)0 - (uint64_t)nanoseconds : (uint64_t)nanoseconds;
    const uint64_t second = NS_PER_S, minute = 60 * second, hour = 60 * minute;

    if (nanoseconds < 0)
        text_addc(t, '-');
    if (ns == 0) {
        text_adds(t, "0s");
    } else if (ns < 1000) {
        add_fraction(t, ns, 1);
        text_adds(t, "ns");
    } else if (ns < 1000000) {
        add_fraction(t, ns, 1000);
        text_adds(t, "\xc2\xb5s");
    } else if (ns < second) {
        add_fraction(t, ns, 1000000);
        text_adds(t, "ms");
    } else {
        if (ns >= hour) {
            text_add_uint(t, ns / hour);
            text_addc(t, 'h');
        }
        if (ns >= minute) {
            text_add_uint(t, ns % hour / minute);
            text_addc(t, 'm');
        }
        add_fraction(t, ns % minute, second);
        text_addc(t, 's');
    }
}
