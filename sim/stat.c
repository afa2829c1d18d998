#include "sim/stat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/stat_math.h"

#define TWO_64 18446744073709551616.0

/* ---- exact probabilities
 * ---------------------------------------------------------------------------------- */

double stat_poisson_pmf(uint64_t k, double mean)
{
    double x = (double)k;

    if (mean <= 0)
        return k == 0;
    return stat_exp(x * stat_log(mean) - mean - stat_lgamma(x + 1));
}

double stat_binomial_pmf(uint64_t k, uint64_t n, double p)
{
    double x = (double)k, m = (double)n;

    if (k > n)
        return 0;
    if (p <= 0)
        return k == 0;
    if (p >= 1)
        return k == n;
    return stat_exp(stat_lgamma(m + 1) - stat_lgamma(x + 1) - stat_lgamma(m - x + 1) +
                    x * stat_log(p) + (m - x) * stat_log1p(-p));
}

/* The continued fraction of I_x(a, b), good for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), h;

    if (d < tiny && d > -tiny)
        d = tiny;
    d = 1 / d;
    h = d;
    for (int m = 1; m <= 100000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

        for (int half = 0; half < 2; half++) {
            double numerator = half == 0 ? even : odd;
            d = 1 + numerator * d;
            if (d < tiny && d > -tiny)
                d = tiny;
            c = 1 + numerator / c;
            if (c < tiny && c > -tiny)
                c = tiny;
            d = 1 / d;
            h *= d * c;
        }
        if (d * c - 1 < 1e-16 && d * c - 1 > -1e-16)
            break;
    }
    return h;
}

double stat_beta(double a, double b, double x)
{
    double front;

    if (x <= 0)
        return 0;
    if (x >= 1)
        return 1;
    front = stat_exp(stat_lgamma(a + b) - stat_lgamma(a) - stat_lgamma(b) + a * stat_log(x) +
                     b * stat_log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double stat_binomial_cdf(uint64_t k, uint64_t n, double p)
{
    if (k >= n || p <= 0)
        return 1;
    return stat_beta((double)(n - k), (double)k + 1, 1 - p);
}

double stat_rollback_closed_form(uint64_t checks, uint64_t threshold, double p)
{
    return stat_beta((double)threshold, (double)checks, p);
}

void stat_wilson(uint64_t k, uint64_t n, double z, double *ret_low, double *ret_high)
{
    double m = (double)n, share, centre, half, scale;

    *ret_low = 0;
    *ret_high = 1;
    if (n == 0)
        return;
    share = (double)k / m;
    scale = 1 + z * z / m;
    centre = (share + z * z / (2 * m)) / scale;
    half = z * stat_sqrt(share * (1 - share) / m + z * z / (4 * m * m)) / scale;
    if (k > 0)
        *ret_low = centre - half;
    if (k < n)
        *ret_high = centre + half;
}

/* ---- tables
 * --------------------------------------------------------------------------------------------------
 */

/* Integer thresholds out of weights; `weights` need not add up to 1. */
static int table_fill(struct stat_table *t, const double *weights)
{
    double total = 0, sum = 0;
    uint32_t k = 0, guides;

    t->guide_bits = 1;
    while (t->guide_bits < 16 && (1u << t->guide_bits) < 2 * t->count)
        t->guide_bits++;
    guides = 1u << t->guide_bits;
    t->cumulated = malloc(t->count * sizeof *t->cumulated);
    t->guide = malloc(guides * sizeof *t->guide);
    if (!t->cumulated || !t->guide) {
        stat_table_release(t);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < t->count; i++)
        total += weights[i];
    for (uint32_t i = 0; i < t->count; i++) {
        sum += weights[i];
        double scaled = sum / total * TWO_64;
        t->cumulated[i] = scaled >= TWO_64 ? UINT64_MAX : (uint64_t)scaled;
    }
    t->cumulated[t->count - 1] = UINT64_MAX;
    for (uint32_t g = 0; g < guides; g++) {
        uint64_t bits = (uint64_t)g << (64 - t->guide_bits);
        while (k + 1 < t->count && bits >= t->cumulated[k])
            k++;
        t->guide[g] = k;
    }
    return 0;
}

/* Room for the values within ten standard deviations of the mean, and their weights by `ratio`. */
static double *table_range(struct stat_table *t, double mean, double deviation, double greatest)
{
    double low = mean - 10 * deviation - 10, high = mean + 10 * deviation + 30;

    memset(t, 0, sizeof *t);
    if (low < 0)
        low = 0;
    if (high > greatest)
        high = greatest;
    t->first = (uint64_t)low;
    t->count = (uint32_t)((uint64_t)high - t->first + 1);
    return calloc(t->count, sizeof(double));
}

int stat_table_poisson(struct stat_table *t, double mean)
{
    double *w =
        table_range(t, mean > 0 ? mean : 0, stat_sqrt(mean > 0 ? mean : 0), mean > 0 ? 4e9 : 0);
    int rc;

    if (!w)
        return -ENOMEM;
    if (mean <= 0) {
        w[0] = 1;
    } else {
        /* from the mode outwards by the ratio of neighbours */
        uint32_t mode = (uint32_t)((uint64_t)mean - t->first);
        w[mode] = 1;
        for (uint32_t i = mode; i + 1 < t->count; i++)
            w[i + 1] = w[i] * mean / (double)(t->first + i + 1);
        for (uint32_t i = mode; i > 0; i--)
            w[i - 1] = w[i] * (double)(t->first + i) / mean;
    }
    rc = table_fill(t, w);
    free(w);
    return rc;
}

int stat_table_binomial(struct stat_table *t, uint64_t n, double p)
{
    double m = (double)n, mean = m * p;
    double *w = table_range(t, mean, stat_sqrt(mean * (1 - p)), m);
    int rc;

    if (!w)
        return -ENOMEM;
    for (uint32_t i = 0; i < t->count; i++)
        w[i] = stat_binomial_pmf(t->first + i, n, p);
    rc = table_fill(t, w);
    free(w);
    return rc;
}

void stat_table_release(struct stat_table *t)
{
    free(t->cumulated);
    free(t->guide);
    memset(t, 0, sizeof *t);
}

/* ---- samplers
 * ------------------------------------------------------------------------------------------------
 */

static double absolute(double x)
{
    return x < 0 ? -x : x;
}

static double whole(double x) /* floor for |x| < 2^62 */
{
    double cut = (double)(int64_t)x;

    return cut > x ? cut - 1 : cut;
}

static uint64_t poisson_large(struct rng *r, double mean)
{
    double log_mean = stat_log(mean);
    double b = 0.931 + 2.53 * stat_sqrt(mean), a = -0.059 + 0.02483 * b;
    double alpha = 1.1239 + 1.1328 / (b - 3.4), ceiling = 0.9277 - 3.6224 / (b - 2);

    for (;;) {
        double u = rng_unit(r) - 0.5;
        double v = 1 - rng_unit(r);
        double us = 0.5 - absolute(u), k = whole((2 * a / us + b) * u + mean + 0.43);

        if (us >= 0.07 && v <= ceiling)
            return (uint64_t)k;
        if (k < 0 || (us < 0.013 && v > us))
            continue;
        if (stat_log(v * alpha / (a / (us * us) + b)) <= k * log_mean - mean - stat_lgamma(k + 1))
            return (uint64_t)k;
    }
}

uint64_t stat_poisson(struct rng *r, double mean)
{
    double u, p;
    uint64_t k = 0;

    if (!(mean > 0))
        return 0;
    if (mean >= 30)
        return poisson_large(r, mean);
    u = rng_unit(r);
    for (p = stat_exp(-mean); u >= p && k < 400; p *= mean / (double)k) {
        u -= p;
        k++;
    }
    return k;
}

static uint64_t binomial_small(struct rng *r, uint64_t n, double p)
{
    double odds = p / (1 - p), u = rng_unit(r);
    double f = stat_exp((double)n * stat_log1p(-p));
    uint64_t k = 0;

    while (u >= f && k < n) {
        u -= f;
        k++;
        f *= odds * (double)(n - k + 1) / (double)k;
        if (k > 200)
            break;
    }
    return k;
}

static uint64_t binomial_large(struct rng *r, uint64_t n, double p)
{
    double m = (double)n, deviation = stat_sqrt(m * p * (1 - p));
    double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p;
    double c = m * p + 0.5, ceiling = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * deviation;
    double log_odds = stat_log(p / (1 - p)), mode = whole((m + 1) * p);
    double h = stat_lgamma(mode + 1) + stat_lgamma(m - mode + 1);

    for (;;) {
        double u = rng_unit(r) - 0.5;
        double v = 1 - rng_unit(r);
        double us = 0.5 - absolute(u), k = whole((2 * a / us + b) * u + c);

        if (k < 0 || k > m)
            continue;
        if (us >= 0.07 && v <= ceiling)
            return (uint64_t)k;
        v = stat_log(v * alpha / (a / (us * us) + b));
        if (v <= h - stat_lgamma(k + 1) - stat_lgamma(m - k + 1) + (k - mode) * log_odds)
            return (uint64_t)k;
    }
}

uint64_t stat_binomial(struct rng *r, uint64_t n, double p)
{
    bool mirrored = p > 0.5;
    double q = mirrored ? 1 - p : p;
    uint64_t k;

    if (n == 0 || p <= 0)
        return 0;
    if (p >= 1)
        return n;
    k = (double)n * q < 10 ? binomial_small(r, n, q) : binomial_large(r, n, q);
    return mirrored ? n - k : k;
}

double stat_normal(struct rng *r)
{
    double x, y, s;

    do {
        x = 2 * rng_unit(r) - 1;
        y = 2 * rng_unit(r) - 1;
        s = x * x + y * y;
    } while (s >= 1 || s == 0);
    return x * stat_sqrt(-2 * stat_log(s) / s);
}
