#include "sim/stat.h"
#include "sim/stat_math.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static void close_to(const char *what, double x, double got, double want, double ulps)
{
    double tolerance = ulps * 2.3e-16 * (fabs(want) > 1e-290 ? fabs(want) : 1e-290);

    ck_assert_msg(fabs(got - want) <= tolerance, "%s(%.17g): got %.17g, libm %.17g", what, x, got,
                  want);
}

START_TEST(elementary_functions_agree_with_libm)
{
    struct rng r = rng_init(5, 0, 0);

    for (int i = 0; i < 200000; i++) {
        double x = (rng_unit(&r) - 0.5) * 1400;
        double y = exp((rng_unit(&r) - 0.5) * 1400);

        close_to("exp", x, stat_exp(x), exp(x), 2);
        close_to("log", y, stat_log(y), log(y), 2);
        x = rng_unit(&r) * 2 - 0.9;
        close_to("log1p", x, stat_log1p(x), log1p(x), 4);
        y = 0.01 + rng_unit(&r) * 100000;
        ck_assert_msg(fabs(stat_lgamma(y) - lgamma(y)) <= 2e-14 * (10 + fabs(lgamma(y))),
                      "lgamma(%.17g): %.17g, %.17g", y, stat_lgamma(y), lgamma(y));
        x = (rng_unit(&r) - 0.5) * 20;
        ck_assert_msg(fabs(stat_normal_cdf(x) - 0.5 * erfc(-x / sqrt(2))) < 2e-15, "cdf(%g)", x);
    }
    ck_assert(stat_exp(-800) == 0 && isinf(stat_exp(800)) && isinf(stat_log(0)));
    ck_assert(fabs(stat_normal_quantile(0.99) - 2.3263478740408408) < 1e-12);
}
END_TEST

/* Mean and variance of draws against their exact values, five standard errors wide. */
static void moments(const char *what, double mean, double variance, double fourth,
                    const double *sums, int n)
{
    double got = sums[0] / n, spread = sums[1] / n - got * got;

    ck_assert_msg(fabs(got - mean) < 5 * sqrt(variance / n), "%s: mean %g, want %g", what, got,
                  mean);
    ck_assert_msg(fabs(spread - variance) < 6 * sqrt((fourth - variance * variance) / n),
                  "%s: variance %g, want %g", what, spread, variance);
}

static const double means[] = {0.001, 0.24, 3, 29.9, 30, 300, 12345.6};
START_TEST(poisson_draws_have_the_right_mean_and_variance)
{
    double mean = means[_i], sampler[2] = {0}, table[2] = {0};
    struct rng r = rng_init(11, 0, 0);
    struct stat_table t;
    int n = 60000;

    ck_assert_int_eq(stat_table_poisson(&t, mean), 0);
    for (int i = 0; i < n; i++) {
        double a = (double)stat_poisson(&r, mean), b = (double)stat_table_draw(&t, rng_next(&r));

        sampler[0] += a;
        sampler[1] += a * a;
        table[0] += b;
        table[1] += b * b;
    }
    moments("sampler", mean, mean, mean + 3 * mean * mean, sampler, n);
    moments("table", mean, mean, mean + 3 * mean * mean, table, n);
    stat_table_release(&t);
}
END_TEST

static const struct {
    uint64_t n;
    double p;
} binomials[] = {{1, 0.3}, {50, 0.001}, {50, 0.5}, {99, 0.95}, {1000, 0.02}, {100000, 0.7}};
START_TEST(binomial_draws_have_the_right_mean_and_variance)
{
    uint64_t n = binomials[_i].n;
    double p = binomials[_i].p, m = (double)n, v = m * p * (1 - p);
    double fourth = v * (1 + 3 * (m - 2) * p * (1 - p)), sampler[2] = {0}, table[2] = {0};
    struct rng r = rng_init(12, 0, 0);
    struct stat_table t;
    int draws = 60000;

    ck_assert_int_eq(stat_table_binomial(&t, n, p), 0);
    for (int i = 0; i < draws; i++) {
        double a = (double)stat_binomial(&r, n, p), b = (double)stat_table_draw(&t, rng_next(&r));

        ck_assert(a <= m && b <= m);
        sampler[0] += a;
        sampler[1] += a * a;
        table[0] += b;
        table[1] += b * b;
    }
    moments("sampler", m * p, v, fourth, sampler, draws);
    moments("table", m * p, v, fourth, table, draws);
    stat_table_release(&t);
}
END_TEST

/* The large samplers are rejection methods: every value must come as often as its probability says.
 */
START_TEST(draws_follow_the_whole_distribution)
{
    enum { DRAWS = 300000, BINS = 120 };
    static int poisson[BINS], binomial[BINS];
    struct rng r = rng_init(13, 0, 0);
    double chi_p = 0, chi_b = 0;
    int bins = 0;

    for (int i = 0; i < DRAWS; i++) {
        uint64_t a = stat_poisson(&r, 40), b = stat_binomial(&r, 200, 0.2);
        poisson[a < BINS ? a : BINS - 1]++;
        binomial[b < BINS ? b : BINS - 1]++;
    }
    for (unsigned k = 20; k <= 60; k++, bins++) {
        double p = DRAWS * stat_poisson_pmf(k, 40), b = DRAWS * stat_binomial_pmf(k, 200, 0.2);
        chi_p += (poisson[k] - p) * (poisson[k] - p) / p;
        chi_b += (binomial[k] - b) * (binomial[k] - b) / b;
    }
    /* chi-square with 41 degrees of freedom exceeds 85 once in ten thousand */
    ck_assert_msg(chi_p < 85 && chi_b < 85, "%d bins: chi-square %g and %g", bins, chi_p, chi_b);
}
END_TEST

START_TEST(normal_draws_are_normal)
{
    struct rng r = rng_init(14, 0, 0);
    double sums[2] = {0};
    int n = 100000;

    for (int i = 0; i < n; i++) {
        double x = stat_normal(&r);
        sums[0] += x;
        sums[1] += x * x;
    }
    moments("normal", 0, 1, 3, sums, n);
}
END_TEST

START_TEST(tails_agree_with_sums_of_the_mass_function)
{
    static const double ps[] = {0.001, 0.05, 0.5, 0.93};
    static const uint64_t ns[] = {1, 7, 100, 2000};

    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            double sum = 0;
            for (uint64_t k = 0; k < ns[j]; k++) {
                sum += stat_binomial_pmf(k, ns[j], ps[i]);
                double cdf = stat_binomial_cdf(k, ns[j], ps[i]);
                ck_assert_msg(fabs(cdf - sum) < 1e-11, "n %d k %d p %g: %.15g, sum %.15g",
                              (int)ns[j], (int)k, ps[i], cdf, sum);
            }
        }
}
END_TEST

/* N passes before T failures: the recursion over (passes, failures), as a check of I_p(T, N). */
START_TEST(threshold_counting_agrees_with_its_recursion)
{
    static const struct {
        unsigned n, t;
        double p, want;
    } cases[] = {
        {10, 2, 0.1, 0.30}, {10, 5, 0.1, 0.009}, {25, 10, 0.1, 0.001}, {100, 10, 0.1, 0.66}};

    for (int i = 0; i < 4; i++) {
        double v[128][16] = {{0}}, p = cases[i].p;
        for (unsigned n = 0; n < cases[i].n + 1; n++)
            v[n][cases[i].t] = 1;
        for (unsigned n = cases[i].n; n-- > 0;)
            for (unsigned f = cases[i].t; f-- > 0;)
                v[n][f] = p * v[n][f + 1] + (1 - p) * (n + 1 == cases[i].n ? 0 : v[n + 1][f]);
        double closed = stat_rollback_closed_form(cases[i].n, cases[i].t, p);
        ck_assert_msg(fabs(closed - v[0][0]) < 1e-12, "%g, recursion %g", closed, v[0][0]);
        ck_assert_msg(fabs(closed - cases[i].want) < 0.006, "%g, published %g", closed,
                      cases[i].want);
    }
}
END_TEST

START_TEST(wilson_interval_matches_a_worked_example)
{
    double low, high;

    stat_wilson(8, 10, STAT_Z95, &low, &high); /* Brown, Cai, DasGupta 2001 give .49 to .94 */
    ck_assert(fabs(low - 0.4901625) < 1e-6 && fabs(high - 0.9433178) < 1e-6);
    stat_wilson(0, 100, STAT_Z95, &low, &high);
    ck_assert(low == 0 && fabs(high - 0.0369935) < 1e-6);
    stat_wilson(5, 5, STAT_Z95, &low, &high);
    ck_assert(high == 1 && low > 0.5);
    stat_wilson(0, 0, STAT_Z95, &low, &high);
    ck_assert(low == 0 && high == 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stat");
    TCase *tc = tcase_create("stat");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, elementary_functions_agree_with_libm);
    tcase_add_loop_test(tc, poisson_draws_have_the_right_mean_and_variance, 0, 7);
    tcase_add_loop_test(tc, binomial_draws_have_the_right_mean_and_variance, 0, 6);
    tcase_add_test(tc, draws_follow_the_whole_distribution);
    tcase_add_test(tc, normal_draws_are_normal);
    tcase_add_test(tc, tails_agree_with_sums_of_the_mass_function);
    tcase_add_test(tc, threshold_counting_agrees_with_its_recursion);
    tcase_add_test(tc, wilson_interval_matches_a_worked_example);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
