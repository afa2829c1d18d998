#include "engine/judge.h"

#include <string.h>

#define ERRORS_PER_LOOK_MAX 1000000u
#define SCALE 1.157920892373162e77 /* 2^256 */
#define LOG_SCALE 177.445678223346

static uint32_t count_bits(uint64_t bits)
{
    uint32_t n = 0;

    for (; bits != 0; bits &= bits - 1)
        n++;
    return n;
}

/* ---- anytime-valid test of counts
 * ----------------------------------------------------------------------------- */

/* Natural logarithm of a positive normal number: atanh series, the same bits everywhere. */
static double natural_log(double x)
{
    uint64_t bits;
    int exponent;
    double s, z, sum = 0;

    memcpy(&bits, &x, sizeof bits);
    exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
    memcpy(&x, &bits, sizeof x);
    s = (x - 1) / (x + 1);
    z = s * s;
    for (int k = 31; k >= 1; k -= 2)
        sum = sum * z + 1.0 / k;
    return exponent * 0.69314718055994530942 + 2 * s * sum;
}

/*
 * The factor by which the evidence grows when, of the next errors, `canary` fell on the canary and
 * `primary` on the primary: the product of predictive over null probability, error by error, from a
 * Beta(a, b) belief. Their order does not matter. The whole is the beta mixture
 * B(a+S, b+n-S) / B(a, b) / (theta^S (1-theta)^(n-S)). As a logarithm.
 */
static double evidence(double a, double b, double theta, uint64_t canary, uint64_t primary)
{
    double product = 1, log = 0, n = a + b;

    for (uint64_t i = 0; i < canary + primary; i++) {
        if (i < canary) {
            product *= a / n / theta;
            a += 1;
        } else {
            product *= b / n / (1 - theta);
            b += 1;
        }
        n += 1;
        if (product > SCALE) {
            product /= SCALE;
            log += LOG_SCALE;
        } else if (product < 1 / SCALE) {
            product *= SCALE;
            log -= LOG_SCALE;
        }
    }
    return log + natural_log(product);
}

/*
 * Lindon and Malek 2022. Under the null hypothesis the next error falls on the canary with
 * probability theta, its share of the requests. The share may change from look to look: the belief
 * that the past gives (an odds ratio) is carried to the new share before its errors are seen, so
 * the product stays a martingale and may be looked at whenever one likes (Ville's inequality).
 */
static enum verdict look_anytime(struct judge_state *s, const struct judge_spec *j,
                                 const struct answer *a)
{
    uint64_t canary = a->canary_errors, primary = a->primary_errors;
    double requests = (double)a->canary_requests + (double)a->primary_requests, theta, mean, odds;
    double past = (double)s->canary_errors + (double)s->primary_errors, share = 0;

    while (canary + primary > ERRORS_PER_LOOK_MAX) {
        canary /= 2;
        primary /= 2;
    }
    if (a->canary_requests > 0 && a->primary_requests > 0) {
        theta = mean = (double)a->canary_requests / requests;
        if (past > 0) {
            share = (double)s->canary_requests /
                    ((double)s->canary_requests + (double)s->primary_requests);
            mean = (j->kappa * share + (double)s->canary_errors) / (j->kappa + past);
            odds = mean / (1 - mean) / (share / (1 - share)) * theta / (1 - theta);
            mean = odds / (1 + odds);
        }
        s->log_e += evidence((j->kappa + past) * mean, (j->kappa + past) * (1 - mean), theta,
                             canary, primary);
        s->canary_errors += canary;
        s->primary_errors += primary;
        s->canary_requests += a->canary_requests;
        s->primary_requests += a->primary_requests;
    }
    past = (double)s->canary_errors + (double)s->primary_errors;
    requests = (double)s->canary_requests + (double)s->primary_requests;
    if (s->log_e < -natural_log(j->alpha) || past <= 0)
        return VERDICT_PASS;
    /* One-sided: the canary must be the worse one. */
    return (double)s->canary_errors * requests > (double)s->canary_requests * past ? VERDICT_FAIL
                                                                                   : VERDICT_PASS;
}

/* ---- Mann-Whitney
 * --------------------------------------------------------------------------------------------- */

/* Doubles in the order of their values as integers: bisection then ends at an exact one. */
static int64_t order_of(double x)
{
    int64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static double number_at(int64_t order)
{
    int64_t bits = order < 0 ? INT64_MIN - order : order;
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t count_up_to(const double *x, uint32_t m, const double *y, uint32_t n, double limit)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < m; i++)
        for (uint32_t k = 0; k < n; k++)
            count += x[i] - y[k] <= limit;
    return count;
}

/* The k-th smallest difference, k from 1: the least number that k differences do not exceed. */
static double difference_at(const double *x, uint32_t m, const double *y, uint32_t n, uint64_t k)
{
    int64_t low = order_of(-1.7976931348623157e308), high = order_of(1.7976931348623157e308);

    while (low < high) {
        int64_t middle = (low & high) + ((low ^ high) >> 1);
        if (count_up_to(x, m, y, n, number_at(middle)) >= k)
            high = middle;
        else
            low = middle + 1;
    }
    return number_at(high);
}

double judge_shift(const double *x, uint32_t m, const double *y, uint32_t n)
{
    uint64_t pairs = (uint64_t)m * n;
    double upper;

    if (pairs == 0)
        return 0;
    upper = difference_at(x, m, y, n, pairs / 2 + 1);
    if (pairs % 2 == 1)
        return upper;
    return (difference_at(x, m, y, n, pairs / 2) + upper) / 2;
}

/* Sum of t^3 - t over groups of equal values of both samples together, the first less `shift`. */
static double tie_sum(const double *x, uint32_t m, const double *y, uint32_t n, double shift)
{
    double sum = 0;

    /* Each member of a group of t adds t^2 - 1. */
    for (uint32_t i = 0; i < m + n; i++) {
        double v = i < m ? x[i] - shift : y[i - m], t = 0;
        for (uint32_t k = 0; k < m; k++)
            t += x[k] - shift >= v && x[k] - shift <= v;
        for (uint32_t k = 0; k < n; k++)
            t += y[k] >= v && y[k] <= v;
        sum += t * t - 1;
    }
    return sum;
}

bool judge_is_greater(const double *x, uint32_t m, const double *y, uint32_t n, double shift,
                      double critical)
{
    double u = 0, mn = (double)m * n, total = (double)m + n, variance, above;

    if (m == 0 || n == 0)
        return false;
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t k = 0; k < n; k++)
            u += x[i] - shift > y[k] ? 1 : x[i] - shift < y[k] ? 0 : 0.5;
    above = u - mn / 2 - 0.5;
    variance = mn / 12 * (total + 1 - tie_sum(x, m, y, n, shift) / (total * (total - 1)));
    return above > 0 && variance > 0 && above * above > critical * critical * variance;
}

static void insert_sorted(double *sorted, uint32_t count, double v)
{
    uint32_t i = count;

    for (; i > 0 && sorted[i - 1] > v; i--)
        sorted[i] = sorted[i - 1];
    sorted[i] = v;
}

static double median_of(const double *y, uint32_t n)
{
    double sorted[JUDGE_SAMPLES_MAX];

    for (uint32_t i = 0; i < n; i++)
        insert_sorted(sorted, i, y[i]);
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Fails when the canary lies on the worse side of the primary by more than the tolerated share of
 * its median. */
static enum verdict look_mann_whitney(const struct judge_spec *j, const struct answer *a)
{
    uint32_t m = a->canary_sample_count, n = a->primary_sample_count;
    double allowed;
    bool worse;

    m = m < JUDGE_SAMPLES_MAX ? m : JUDGE_SAMPLES_MAX;
    n = n < JUDGE_SAMPLES_MAX ? n : JUDGE_SAMPLES_MAX;
    if (m < 2 || n < 2 || !a->canary_samples || !a->primary_samples)
        return VERDICT_WAIT;
    allowed = median_of(a->primary_samples, n) * j->tolerance;
    if (j->low_is_bad)
        worse = judge_is_greater(a->primary_samples, n, a->canary_samples, m, allowed, j->critical);
    else
        worse = judge_is_greater(a->canary_samples, m, a->primary_samples, n, allowed, j->critical);
    return worse ? VERDICT_FAIL : VERDICT_PASS;
}

enum verdict judge_look(struct judge_state *state, const struct judge_spec *judge, bool outside,
                        const struct answer *answer)
{
    struct judge_state first;
    uint64_t window;

    if (!state) {
        memset(&first, 0, sizeof first);
        state = &first;
    }
    if (judge->min_samples > 0 && answer->canary_requests < judge->min_samples)
        return VERDICT_WAIT;
    state->looks++;
    switch (judge->kind) {
    case JUDGE_CONSECUTIVE:
        state->run = outside ? state->run + 1 : 0;
        return state->run >= judge->k ? VERDICT_FAIL : VERDICT_PASS;
    case JUDGE_K_OF_N:
        window = judge->n >= 64 ? UINT64_MAX : ((uint64_t)1 << judge->n) - 1;
        state->history = (state->history << 1 | outside) & window;
        return count_bits(state->history) >= judge->k ? VERDICT_FAIL : VERDICT_PASS;
    case JUDGE_ANYTIME:
        return look_anytime(state, judge, answer);
    case JUDGE_MANN_WHITNEY:
        return look_mann_whitney(judge, answer);
    case JUDGE_THRESHOLD:
        break;
    }
    return outside ? VERDICT_FAIL : VERDICT_PASS;
}
