#include "engine/decimal.h"

#include <string.h>

/* 10 * (2^59) fits in 64 bits, so this many bits are shifted at a time. */
#define SHIFT_MAX 59

static void trim(struct decimal *x)
{
    while (x->count > 0 && x->d[x->count - 1] == 0)
        x->count--;
    if (x->count == 0)
        x->point = 0;
}

void decimal_set(struct decimal *x, uint64_t value)
{
    uint8_t reversed[20];
    int32_t n = 0;

    for (; value > 0; value /= 10)
        reversed[n++] = (uint8_t)(value % 10);
    for (int32_t i = 0; i < n; i++)
        x->d[i] = reversed[n - 1 - i];
    x->count = n;
    x->point = n;
    x->cut = false;
    trim(x);
}

static void shift_right(struct decimal *x, uint32_t bits)
{
    uint64_t mask = ((uint64_t)1 << bits) - 1, n = 0;
    int32_t read = 0, write = 0;

    /* Take digits until the quotient starts. */
    for (; n >> bits == 0; read++) {
        if (read < x->count)
            n = n * 10 + x->d[read];
        else if (n == 0) {
            x->count = 0;
            x->point = 0;
            return;
        } else
            n *= 10;
    }
    x->point -= read - 1;
    for (; read < x->count; read++) {
        x->d[write++] = (uint8_t)(n >> bits);
        n = (n & mask) * 10 + x->d[read];
    }
    for (; n > 0; n = (n & mask) * 10) {
        uint8_t digit = (uint8_t)(n >> bits);
        if (write < DECIMAL_DIGITS)
            x->d[write++] = digit;
        else if (digit > 0)
            x->cut = true;
    }
    x->count = write;
    trim(x);
}

static void shift_left(struct decimal *x, uint32_t bits)
{
    uint8_t low[DECIMAL_DIGITS]; /* products, lowest digit first */
    uint8_t high[20];
    uint64_t carry = 0;
    int32_t high_count = 0, room, kept;

    if (x->count == 0)
        return;
    for (int32_t i = x->count - 1; i >= 0; i--) {
        carry += (uint64_t)x->d[i] << bits;
        low[i] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    for (; carry > 0; carry /= 10)
        high[high_count++] = (uint8_t)(carry % 10);
    room = DECIMAL_DIGITS - high_count;
    kept = x->count < room ? x->count : room;
    for (int32_t i = kept; i < x->count; i++)
        x->cut = x->cut || low[i] != 0;
    for (int32_t i = 0; i < high_count; i++)
        x->d[i] = high[high_count - 1 - i];
    memcpy(x->d + high_count, low, (size_t)kept);
    x->count = high_count + kept;
    x->point += high_count;
    trim(x);
}

void decimal_shift(struct decimal *x, int32_t power)
{
    while (x->count > 0 && power > 0) {
        int32_t step = power < SHIFT_MAX ? power : SHIFT_MAX;
        shift_left(x, (uint32_t)step);
        power -= step;
    }
    while (x->count > 0 && power < 0) {
        int32_t step = -power < SHIFT_MAX ? -power : SHIFT_MAX;
        shift_right(x, (uint32_t)step);
        power += step;
    }
}

static bool rounds_up(const struct decimal *x, int32_t count)
{
    if (count < 0 || count >= x->count)
        return false;
    if (x->d[count] == 5 && count + 1 == x->count && !x->cut)
        return count > 0 && x->d[count - 1] % 2 == 1;
    return x->d[count] >= 5;
}

static void round_up(struct decimal *x, int32_t count)
{
    for (int32_t i = count - 1; i >= 0; i--) {
        if (x->d[i] < 9) {
            x->d[i]++;
            x->count = i + 1;
            return;
        }
    }
    x->d[0] = 1;
    x->count = 1;
    x->point++;
}

static void round_down(struct decimal *x, int32_t count)
{
    x->count = count;
    trim(x);
}

void decimal_round(struct decimal *x, int32_t count)
{
    if (count < 0 || count >= x->count) {
        if (count < 0)
            x->count = 0;
        return;
    }
    if (rounds_up(x, count))
        round_up(x, count);
    else
        round_down(x, count);
}

/* The value of the first `count` digits, plus one in the last place if `up`. */
static double prefix_value(const struct decimal *x, int32_t count, bool up)
{
    struct decimal y;

    y.count = count < x->count ? count : x->count;
    y.point = x->point;
    y.cut = false;
    memcpy(y.d, x->d, (size_t)y.count);
    while (y.count < count)
        y.d[y.count++] = 0;
    if (up)
        round_up(&y, count);
    return decimal_to_double(&y, false);
}

/* Cut `x`, the digits of `value`, to `count` of them if that still reads back as `value`. */
static bool shorten_to(struct decimal *x, int32_t count, double value)
{
    bool down = prefix_value(x, count, false) == value, up = prefix_value(x, count, true) == value;

    if (down && up)
        decimal_round(x, count);
    else if (down)
        round_down(x, count);
    else if (up)
        round_up(x, count);
    return down || up;
}

void decimal_shortest(struct decimal *x, double value)
{
    bool negative;
    uint64_t mantissa;
    int32_t exponent, count = 1;

    double_split(value, &negative, &mantissa, &exponent);
    decimal_set(x, mantissa);
    decimal_shift(x, exponent);
    if (negative)
        value = -value;
    /*
     * Fifteen digits survive the way through any normal double, so when fifteen read back, every
     * shorter text that reads back is among their prefixes. Denormals hold fewer digits.
     */
    if (mantissa >> 52 != 0) {
        struct decimal short_enough = *x, consumed;
        decimal_round(&short_enough, 15);
        consumed = short_enough;
        if (decimal_to_double(&consumed, false) == value) {
            *x = short_enough;
            return;
        }
        count = 16;
    }
    while (count < 17 && count < x->count && !shorten_to(x, count, value))
        count++;
    if (count == 17)
        decimal_round(x, 17);
}

uint64_t decimal_integer(const struct decimal *x)
{
    uint64_t n = 0;
    int32_t i;

    if (x->point > 20)
        return UINT64_MAX;
    for (i = 0; i < x->point && i < x->count; i++)
        n = n * 10 + x->d[i];
    for (; i < x->point; i++)
        n *= 10;
    if (rounds_up(x, x->point))
        n++;
    return n;
}

void double_split(double value, bool *ret_negative, uint64_t *ret_mantissa, int32_t *ret_exponent)
{
    uint64_t bits;
    int32_t exponent;

    memcpy(&bits, &value, sizeof bits);
    *ret_negative = bits >> 63 != 0;
    exponent = (int32_t)(bits >> 52 & 0x7ff);
    *ret_mantissa = bits & (((uint64_t)1 << 52) - 1);
    if (exponent == 0)
        exponent = 1; /* denormal */
    else
        *ret_mantissa |= (uint64_t)1 << 52;
    *ret_exponent = exponent - 1075;
}

static double double_make(bool negative, uint64_t mantissa, int32_t exponent)
{
    uint64_t bits = mantissa & (((uint64_t)1 << 52) - 1);
    double value;

    if (mantissa >> 52 != 0)
        bits |= (uint64_t)(exponent + 1075) << 52;
    bits |= (uint64_t)negative << 63;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The power of two that brings a decimal with this point near to [0.5, 1). */
static int32_t power_for(int32_t point)
{
    static const uint8_t powers[] = {0, 3, 6, 9, 13, 16, 19, 23, 26};

    return point < (int32_t)sizeof powers ? powers[point] : 27;
}

double decimal_to_double(struct decimal *x, bool negative)
{
    const uint64_t infinity_bits = (uint64_t)0x7ff << 52;
    int32_t exponent = 0; /* value = x * 2^exponent, x moves to [0.5, 1) */
    uint64_t mantissa;

    if (x->count == 0 || x->point < -330)
        return negative ? -0.0 : 0.0;
    if (x->point > 310)
        goto infinite;
    while (x->point > 0) {
        int32_t n = power_for(x->point);
        decimal_shift(x, -n);
        exponent += n;
    }
    while (x->point < 0 || (x->point == 0 && x->d[0] < 5)) {
        int32_t n = x->point == 0 ? 1 : power_for(-x->point);
        decimal_shift(x, n);
        exponent -= n;
    }
    exponent -= 53; /* now value = mantissa * 2^exponent with 53 bits of mantissa */
    if (exponent > 971)
        goto infinite;
    if (exponent < -1074) { /* denormal: fewer bits */
        decimal_shift(x, exponent + 1074);
        exponent = -1074;
    }
    decimal_shift(x, 53);
    mantissa = decimal_integer(x);
    if (mantissa >> 53 != 0) {
        mantissa >>= 1;
        if (++exponent > 971)
            goto infinite;
    }
    return double_make(negative, mantissa, exponent);
infinite : {
    uint64_t bits = infinity_bits | (uint64_t)negative << 63;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
}
