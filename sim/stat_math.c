#include "sim/stat_math.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LN2_HIGH 6.93147180369123816490e-01 /* ln 2 to 33 bits: products with exponents are exact  \
                                             */
#define LN2_LOW 1.90821492927058770002e-10
#define LN2_INVERSE 1.44269504088896338700
#define HALF_LN_2PI 0.91893853320467274178
#define INVERSE_SQRT_2PI 0.39894228040143267794

static uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static double power_of_two(int n) /* -1022 <= n <= 1023 */
{
    return double_of((uint64_t)(n + 1023) << 52);
}

double stat_exp(double x)
{
    static const double inverse[] = {1.0,
                                     1.0,
                                     1.0 / 2,
                                     1.0 / 6,
                                     1.0 / 24,
                                     1.0 / 120,
                                     1.0 / 720,
                                     1.0 / 5040,
                                     1.0 / 40320,
                                     1.0 / 362880,
                                     1.0 / 3628800,
                                     1.0 / 39916800,
                                     1.0 / 479001600,
                                     1.0 / 6227020800.0};
    int n;
    double r, sum = 0;

    if (x != x)
        return x;
    if (x > 709.782712893384)
        return INFINITY;
    if (x < -745.13)
        return 0;
    n = (int)(x * LN2_INVERSE + (x < 0 ? -0.5 : 0.5));
    r = (x - n * LN2_HIGH) - n * LN2_LOW;
    for (int i = 13; i >= 2; i--)
        sum = sum * r + inverse[i];
    sum = 1 + (r + sum * r * r);
    if (n > 1023)
        return sum * power_of_two(1023) * power_of_two(n - 1023);
    if (n < -1000)
        return sum * power_of_two(-1000) * power_of_two(n + 1000);
    return sum * power_of_two(n);
}

/* log of (1 + s) / (1 - s) without its first term, for small s. */
static double log_rest(double s)
{
    double z = s * s, sum = 0;

    for (int k = 23; k >= 3; k -= 2)
        sum = sum * z + 2.0 / k;
    return s * z * sum;
}

double stat_log(double x)
{
    uint64_t bits;
    int exponent = 0;
    double m, f, s;

    if (x != x || x < 0)
        return NAN;
    if (x == 0)
        return -INFINITY;
    if (x > 1.7976931348623157e308)
        return x;
    if (x < 2.2250738585072014e-308) {
        x *= 18014398509481984.0; /* 2^54 */
        exponent = -54;
    }
    bits = bits_of(x);
    exponent += (int)(bits >> 52) - 1023;
    m = double_of((bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    /* log m = f - f*s + rest, since 2s = f - f*s for s = f / (2 + f). */
    f = m - 1;
    s = f / (2 + f);
    return exponent * LN2_HIGH + (f - (f * s - (log_rest(s) + exponent * LN2_LOW)));
}

double stat_log1p(double x)
{
    double s;

    if (x > 0.4 || x < -0.29)
        return stat_log(1 + x);
    s = x / (2 + x);
    return x - (x * s - log_rest(s));
}

double stat_sqrt(double x)
{
    return sqrt(x); /* lint: ok, correctly rounded everywhere */
}

double stat_lgamma(double x)
{
    static const double series[] = {1.0 / 12,   -1.0 / 360,      1.0 / 1260, -1.0 / 1680,
                                    1.0 / 1188, -691.0 / 360360, 1.0 / 156};
    double shift = 1, sum = 0, z;

    if (x == 1 || x == 2)
        return 0;
    while (x < 16) {
        shift *= x;
        x += 1;
    }
    z = 1 / (x * x);
    for (int i = 6; i >= 0; i--)
        sum = sum * z + series[i];
    return (x - 0.5) * stat_log(x) - x + HALF_LN_2PI + sum / x - stat_log(shift);
}

double stat_normal_cdf(double x)
{
    double density = INVERSE_SQRT_2PI * stat_exp(-x * x / 2);

    if (x < 3 && x > -3) {
        double term = x, sum = x;
        for (int k = 3; k < 120; k += 2) {
            term = term * x * x / k;
            sum += term;
        }
        return 0.5 + sum * density;
    }
    double a = x < 0 ? -x : x, tail = a;
    for (int k = 120; k >= 1; k--)
        tail = a + k / tail;
    return x < 0 ? density / tail : 1 - density / tail;
}

double stat_normal_quantile(double p)
{
    double low = -40, high = 40;

    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;
        if (middle == low || middle == high)
            break;
        if (stat_normal_cdf(middle) < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}
