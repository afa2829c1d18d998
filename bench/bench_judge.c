/*
 * False alarms of every judge over a million null runs each: no more than promised, or than the
 * exact chance of its rule, plus three standard errors; and not far less than the exact chance
 * either. `bench_judge RUNS` plays fewer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/figure.h"
#include "engine/judge.h"
#include "sim/stat.h"
#include "sim/stat_math.h"

enum { LOOKS = 10, SAMPLES_MAX = 20 };
static const double alpha = 0.01;
static int runs = 1000000;
static bool all_good = true;

/* `exact`: `chance` is the rule's own, not a bound. */
static void tell(const char *name, int alarms, double chance, bool exact)
{
    double share = (double)alarms / runs, error = 3 * sqrt(chance * (1 - chance) / runs);
    bool good = share <= chance + error && (!exact || share >= chance - error);
    char most[32];

    figure_number(most, chance + error);
    figure_print(name, share, "share", chance, most, good); /* the limit: the chance itself */
    all_good = all_good && good;
}

/* Ten looks at five errors each, weights from 10 to 50 %, no difference. */
static void anytime(void)
{
    struct judge_spec judge = {.kind = JUDGE_ANYTIME, .alpha = alpha, .kappa = 10};
    struct stat_table errors;
    struct rng r = rng_init(1, 0, 0);
    int alarms = 0;

    if (stat_table_poisson(&errors, 5) != 0)
        exit(4);
    for (int run = 0; run < runs; run++) {
        struct judge_state s = {.looks = 0};
        bool alarm = false;

        for (unsigned look = 0; look < LOOKS && !alarm; look++) {
            uint64_t n = stat_table_draw(&errors, rng_next(&r)), percent = 10 * (1 + look / 2);
            struct answer a = {.canary_requests = 100 * percent,
                               .primary_requests = 100 * (100 - percent)};

            a.canary_errors = stat_binomial(&r, n, (double)percent / 100);
            a.primary_errors = n - a.canary_errors;
            alarm = judge_look(&s, &judge, false, &a) == VERDICT_FAIL;
        }
        alarms += alarm;
    }
    stat_table_release(&errors);
    tell("judge-anytime-false-alarms", alarms, alpha, false);
}

/* One look at two samples of one distribution: continuous, or in steps that tie. */
static void mann_whitney(uint32_t n, bool ties, const char *name)
{
    struct judge_spec judge = {.kind = JUDGE_MANN_WHITNEY, .alpha = alpha};
    struct rng r = rng_init(2, n, ties);
    double x[SAMPLES_MAX], y[SAMPLES_MAX];
    struct answer a = {.canary_samples = x,
                       .primary_samples = y,
                       .canary_sample_count = n,
                       .primary_sample_count = n};
    int alarms = 0;

    judge.critical = stat_normal_quantile(1 - alpha);
    for (int run = 0; run < runs; run++) {
        struct judge_state s = {.looks = 0};

        for (uint32_t i = 0; i < n; i++) {
            x[i] = stat_normal(&r);
            y[i] = stat_normal(&r);
            if (ties) {
                x[i] = floor(2 * x[i]);
                y[i] = floor(2 * y[i]);
            }
        }
        alarms += judge_look(&s, &judge, false, &a) == VERDICT_FAIL;
    }
    tell(name, alarms, alpha, false);
}

/* The chance that a rule over the last checks ever fails, summed over all histories. */
static double chance_of_rule(const struct judge_spec *judge, uint32_t bits, double p)
{
    double mass[1 << 6] = {1}, after[1 << 6], failed = 0;
    uint32_t states = 1u << bits, window = judge->kind == JUDGE_K_OF_N ? judge->n : judge->k;

    for (int look = 0; look < LOOKS; look++) {
        memset(after, 0, sizeof after);
        for (uint32_t h = 0; h < states; h++)
            for (uint32_t out = 0; out < 2; out++) {
                uint32_t next = (h << 1 | out) & (states - 1), seen = next & ((1u << window) - 1);
                uint32_t count = 0;

                for (uint32_t b = seen; b != 0; b &= b - 1)
                    count++;
                if (count >= judge->k)
                    failed += mass[h] * (out ? p : 1 - p);
                else
                    after[next] += mass[h] * (out ? p : 1 - p);
            }
        memcpy(mass, after, sizeof mass);
    }
    return failed;
}

/* Checks that are out of bounds by chance, one in ten. */
static void rule(const struct judge_spec *judge, const char *name)
{
    struct rng r = rng_init(3, (uint32_t)judge->kind, 0);
    struct answer none = {.outcome = OUTCOME_OK};
    int alarms = 0;

    for (int run = 0; run < runs; run++) {
        struct judge_state s = {.looks = 0};
        bool alarm = false;

        for (int look = 0; look < LOOKS && !alarm; look++)
            alarm = judge_look(&s, judge, rng_chance(&r, 100000), &none) == VERDICT_FAIL;
        alarms += alarm;
    }
    tell(name, alarms, chance_of_rule(judge, 6, 0.1), true);
}

/* Success rates of about eighty requests, one in a hundred fails, at least 95 % wanted: a window of
 * fewer than seventy waits. */
static void minimum(void)
{
    struct judge_spec judge = {.kind = JUDGE_THRESHOLD, .min_samples = 70};
    struct rng r = rng_init(4, 0, 0);
    double passes = 1, look = 0;
    int alarms = 0;

    for (uint64_t n = 70; n < 250; n++)
        look += stat_poisson_pmf(n, 80) * (1 - stat_binomial_cdf(n / 20, n, 0.01));
    for (int i = 0; i < LOOKS; i++)
        passes *= 1 - look;
    for (int run = 0; run < runs; run++) {
        struct judge_state s = {.looks = 0};
        bool alarm = false;

        for (int i = 0; i < LOOKS && !alarm; i++) {
            struct answer a = {.canary_requests = stat_poisson(&r, 80)};

            a.canary_errors = stat_binomial(&r, a.canary_requests, 0.01);
            alarm = judge_look(&s, &judge, 20 * a.canary_errors > a.canary_requests, &a) ==
                    VERDICT_FAIL;
        }
        alarms += alarm;
    }
    tell("judge-min-samples-false-alarms", alarms, 1 - passes, true);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        runs = atoi(argv[1]);
    if (runs < 1)
        return 2;
    anytime();
    mann_whitney(10, false, "judge-mann-whitney-10-false-alarms");
    mann_whitney(20, false, "judge-mann-whitney-20-false-alarms");
    mann_whitney(20, true, "judge-mann-whitney-20-ties-false-alarms");
    rule(&(struct judge_spec){.kind = JUDGE_CONSECUTIVE, .k = 3}, "judge-consecutive-false-alarms");
    rule(&(struct judge_spec){.kind = JUDGE_K_OF_N, .k = 3, .n = 5}, "judge-k-of-n-false-alarms");
    minimum();
    return all_good ? 0 : 1;
}
