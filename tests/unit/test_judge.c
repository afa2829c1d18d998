#include "engine/judge.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/canary.h"
#include "sim/stat.h"
#include "sim/stat_math.h"

static const struct judge_spec anytime = {.kind = JUDGE_ANYTIME, .alpha = 0.01, .kappa = 10};

/* One look at errors that fall on the canary (share w of the requests) `ratio` times as often. */
static struct answer look_at(struct rng *r, double errors, double w, double ratio)
{
    struct answer a = {.outcome = OUTCOME_OK};
    double share = ratio * w / (ratio * w + 1 - w);
    uint64_t n = stat_poisson(r, errors);

    a.canary_errors = stat_binomial(r, n, share);
    a.primary_errors = n - a.canary_errors;
    a.canary_requests = (uint64_t)(10000 * w);
    a.primary_requests = 10000 - a.canary_requests;
    return a;
}

/* With a constant share the evidence is the beta mixture in closed form. */
START_TEST(evidence_is_the_beta_mixture_of_lindon_and_malek)
{
    struct rng r = rng_init(31, 0, 0);
    struct judge_state s = {0};
    double w = 0.1, a = 10 * w, b = 10 * (1 - w);

    for (int look = 0; look < 40; look++) {
        struct answer answer = look_at(&r, 7, w, 2);
        judge_look(&s, &anytime, false, &answer);
        double k = (double)s.canary_errors, n = k + (double)s.primary_errors;
        double want = lgamma(a + k) + lgamma(b + n - k) - lgamma(a + b + n) - lgamma(a) -
                      lgamma(b) + lgamma(a + b) - k * log(w) - (n - k) * log(1 - w);
        ck_assert_msg(fabs(s.log_e - want) < 1e-9 * (1 + n), "look %d: %g, want %g", look, s.log_e,
                      want);
    }
}
END_TEST

/* Shares climb from 5 to 50 %, thirty looks: no more false alarms than promised. */
START_TEST(anytime_test_keeps_its_promise_when_weights_change)
{
    enum { RUNS = 40000 };
    struct rng r = rng_init(32, 0, 0);
    int alarms = 0;

    for (int run = 0; run < RUNS; run++) {
        struct judge_state s = {0};
        bool alarm = false;
        for (int look = 0; look < 30 && !alarm; look++) {
            struct answer a = look_at(&r, 4, 0.05 * (1 + look / 3), 1);
            alarm = judge_look(&s, &anytime, false, &a) == VERDICT_FAIL;
        }
        alarms += alarm;
    }
    ck_assert_msg(alarms <= RUNS * 0.01 + 3 * sqrt(RUNS * 0.01 * 0.99), "%d of %d", alarms, RUNS);
    ck_assert_msg(alarms > RUNS / 5000, "%d of %d: the test never alarms", alarms, RUNS);
}
END_TEST

static const struct {
    double ratio, w;
    int median; /* total errors until detection, user-facing table of docs/whatif/judges.md */
} detections[] = {{2, 0.1, 189}, {5, 0.1, 29}, {10, 0.05, 19}, {5, 0.5, 28}};
START_TEST(anytime_test_finds_a_difference_in_time)
{
    enum { RUNS = 2001 };
    struct rng r = rng_init(33, (uint32_t)_i, 0);
    int counts[RUNS], below = 0, wanted = detections[_i].median;
    double w = detections[_i].w, ratio = detections[_i].ratio,
           share = ratio * w / (ratio * w + 1 - w);

    for (int run = 0; run < RUNS; run++) {
        struct judge_state s = {0};
        for (counts[run] = 1; counts[run] < 5000; counts[run]++) {
            struct answer a = {.canary_requests = (uint64_t)(1000 * w)};
            a.primary_requests = 1000 - a.canary_requests;
            a.canary_errors = rng_unit(&r) < share;
            a.primary_errors = 1 - a.canary_errors;
            if (judge_look(&s, &anytime, false, &a) == VERDICT_FAIL)
                break;
        }
        below += counts[run] <= wanted;
    }
    /* the published median of 4000 runs must be near ours */
    ck_assert_msg(below > RUNS * 0.44 && below < RUNS * 0.57, "%d of %d by %d errors", below, RUNS,
                  wanted);
}
END_TEST

START_TEST(hodges_lehmann_is_the_exact_median_of_differences)
{
    static const double x[] = {1, 5, 2.5, 9}, y[] = {0.5, 4, 7};
    /* differences: .5 -3 -6 4.5 1 -2 2 -1.5 -4.5 8.5 5 2; sorted middle: 0.5 and 1 */
    ck_assert(fabs(judge_shift(x, 4, y, 3) - 0.75) < 1e-15);
    ck_assert(judge_shift(x, 1, y, 1) == 0.5);
    static const double zeros[] = {0, 0, 0, 3}, others[] = {0, 0, 0, 0};
    ck_assert(judge_shift(zeros, 4, others, 4) == 0);
}
END_TEST

START_TEST(mann_whitney_keeps_its_level_and_has_power)
{
    enum { RUNS = 20000, N = 20 };
    struct judge_spec j = {.kind = JUDGE_MANN_WHITNEY, .alpha = 0.01};
    struct rng r = rng_init(34, 0, 0);
    int alarms = 0, found = 0;

    j.critical = stat_normal_quantile(0.99);
    for (int run = 0; run < RUNS; run++) {
        double x[N], y[N], worse[N];
        struct judge_state s = {0};
        for (int i = 0; i < N; i++) {
            x[i] = 100 + 20 * stat_normal(&r);
            y[i] = 100 + 20 * stat_normal(&r);
            worse[i] = x[i] * 1.3;
        }
        struct answer a = {.canary_samples = x,
                           .primary_samples = y,
                           .canary_sample_count = N,
                           .primary_sample_count = N};
        if (judge_look(&s, &j, false, &a) == VERDICT_FAIL) {
            alarms++;
            ck_assert(judge_shift(x, N, y, N) > 0);
        }
        if (run % 20 == 0) {
            a.canary_samples = worse;
            found += judge_look(&s, &j, false, &a) == VERDICT_FAIL;
        }
    }
    ck_assert_msg(alarms <= RUNS * 0.01 + 3 * sqrt(RUNS * 0.01 * 0.99) && alarms > RUNS / 400,
                  "%d of %d", alarms, RUNS);
    ck_assert_msg(found > 900, "%d of 1000 found", found);
}
END_TEST

START_TEST(tolerance_lets_a_small_shift_pass_and_few_samples_wait)
{
    double x[30], y[30];
    struct judge_spec j = {.kind = JUDGE_MANN_WHITNEY, .alpha = 0.01, .critical = 2.326};
    struct judge_state s = {0};
    struct answer a = {.canary_samples = x,
                       .primary_samples = y,
                       .canary_sample_count = 30,
                       .primary_sample_count = 30};

    for (int i = 0; i < 30; i++) {
        y[i] = 100 + i % 5;
        x[i] = 110 + i % 5;
    }
    ck_assert(judge_look(&s, &j, false, &a) == VERDICT_FAIL);
    j.tolerance = 0.25;
    ck_assert(judge_look(&s, &j, false, &a) == VERDICT_PASS);
    a.canary_sample_count = 1;
    ck_assert(judge_look(&s, &j, false, &a) == VERDICT_WAIT);
}
END_TEST

/* Of a success rate the lower one is the worse. */
START_TEST(which_way_is_worse_depends_on_the_metric)
{
    double low[20], high[20];
    struct judge_spec j = {.kind = JUDGE_MANN_WHITNEY, .alpha = 0.01, .critical = 2.326};
    struct judge_state s = {0};
    struct answer a = {.canary_sample_count = 20, .primary_sample_count = 20};

    for (int i = 0; i < 20; i++) {
        low[i] = 95 + i % 5 / 10.0;
        high[i] = 99 + i % 5 / 10.0;
    }
    for (int i = 0; i < 4; i++) {
        j.low_is_bad = i % 2 == 1;
        a.canary_samples = i < 2 ? low : high;
        a.primary_samples = i < 2 ? high : low;
        ck_assert((judge_look(&s, &j, false, &a) == VERDICT_FAIL) == ((i < 2) == j.low_is_bad));
    }
}
END_TEST

static const struct {
    const char *text, *error; /* NULL = fine */
    struct judge_spec want;
} annotations[] = {
    {"anytime alpha=0.05 kappa=20 min-samples=100",
     NULL,
     {.kind = JUDGE_ANYTIME, .alpha = 0.05, .kappa = 20, .min_samples = 100, .k = 3, .n = 5}},
    {"consecutive k=4",
     NULL,
     {.kind = JUDGE_CONSECUTIVE, .alpha = 0.01, .kappa = 10, .k = 4, .n = 5}},
    {"k-of-n k=2 n=6", NULL, {.kind = JUDGE_K_OF_N, .alpha = 0.01, .kappa = 10, .k = 2, .n = 6}},
    {"anytme", "no judge is called 'anytme'", {.k = 0}},
    {"k-of-n k=7 n=6", "k is more than n", {.k = 0}},
    {"anytime alpha=2", "'2' is no number from 1e-09 to 0.5", {.k = 0}},
    {"consecutive j=2", "'j=2' is no option of a judge", {.k = 0}},
    {"", "the judge is empty", {.k = 0}},
};
START_TEST(annotations_choose_the_judge)
{
    char text[1024];
    struct arena *arena = arena_new(0);
    struct canary_options options = {.deviations = PROFILE_DEFAULT};
    struct documents docs;
    struct canary canary;
    struct diags diags;
    const struct judge_spec *want = &annotations[_i].want, *got;

    snprintf(
        text, sizeof text,
        "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata:\n  name: a\n  annotations:\n"
        "    coalmine.dev/judge.request-success-rate: \"%s\"\nspec:\n  targetRef: {apiVersion: "
        "apps/v1, kind: Deployment, name: a}\n  service: {port: 80}\n  analysis:\n    interval: "
        "1m\n    threshold: 1\n    stepWeight: 10\n    metrics:\n      - name: "
        "request-success-rate\n        thresholdRange: {min: 99}\n        interval: 1m\n",
        annotations[_i].text);
    diags_init(&diags, arena);
    ck_assert_int_eq(node_parse_all(arena, &diags, "a.yaml", text, strlen(text), NULL, &docs), 0);
    int rc = canary_decode(arena, &diags, &docs.items[0], &options, &canary);
    if (annotations[_i].error) {
        ck_assert_int_ne(rc, 0);
        ck_assert_str_eq(diags.items[0].what, annotations[_i].error);
        ck_assert_uint_eq(diags.items[0].line, 6);
    } else {
        got = &canary.spec.analysis.metrics[0].judge;
        ck_assert_int_eq(rc, 0);
        ck_assert(got->kind == want->kind && got->k == want->k && got->n == want->n);
        ck_assert(got->min_samples == want->min_samples && fabs(got->alpha - want->alpha) < 1e-15 &&
                  fabs(got->kappa - want->kappa) < 1e-15);
    }
    diags_release(&diags);
    arena_free(arena);
}
END_TEST

#define QUERY_METRIC "{name: queue, query: \"avg(queue{pod=~'{{ target }}-.*'})\", interval: 30s}"
static const struct {
    const char *annotations, *provider, *interval, *metric, *error; /* NULL = fine */
    uint32_t line;
} fed[] = {
    {"judge.request-success-rate: anytime", "istio", "1m",
     "{name: request-success-rate, interval: 1m}", NULL, 0},
    {"judge.request-success-rate: anytime", "istio", "30s",
     "{name: request-success-rate, interval: 1m}",
     "anytime with a window of 1m, longer than the interval of 30s: windows overlap, one error is "
     "counted by several checks, and alpha no longer bounds the false alarms",
     6},
    /* no interval is a window of a minute */
    {"judge.request-success-rate: anytime", "istio", "30s", "{name: request-success-rate}",
     "anytime with a window of 1m, longer than the interval of 30s: windows overlap, one error is "
     "counted by several checks, and alpha no longer bounds the false alarms",
     6},
    {"judge.queue: anytime", "istio", "1m", QUERY_METRIC,
     "this judge needs to know how many requests there were, and no query for that follows from "
     "metric queue",
     6},
    {"judge.queue: anytime\n    coalmine.dev/judge-requests.queue: q", "istio", "1m", QUERY_METRIC,
     "this judge needs to know how many errors there were, and no query for that follows from "
     "metric queue",
     6},
    {"judge.queue: anytime\n    coalmine.dev/judge-requests.queue: q\n"
     "    coalmine.dev/judge-errors.queue: q",
     "istio", "1m", QUERY_METRIC, NULL, 0},
    {"judge.request-duration: anytime", "istio", "1m", "{name: request-duration}",
     "this judge needs to know how many errors there were, and no query for that follows from "
     "metric request-duration",
     6},
    {"judge.queue: consecutive k=2 min-samples=5", "istio", "1m", QUERY_METRIC,
     "this judge needs to know how many requests there were, and no query for that follows from "
     "metric queue",
     6},
    {"judge.queue: consecutive k=2", "istio", "10s", QUERY_METRIC, NULL, 0},
    {"judge.queue: mann-whitney", "istio", "10s", QUERY_METRIC, NULL, 0},
    {"judge.queue: mann-whitney", "istio", "1m", "{name: queue, query: avg(queue)}",
     "this judge compares the canary with the primary, and the query does not name {{ target }}: "
     "it would answer the same for both",
     6},
    {"judge.queue: mann-whitney\n    coalmine.dev/judge-primary.queue: q", "istio", "1m",
     "{name: queue, query: avg(queue)}", NULL, 0},
    {"judge.request-success-rate: anytime", "knative", "1m", "{name: request-success-rate}",
     "this judge compares the canary with the primary, and with Knative both are revisions of one "
     "service that no query can tell apart",
     6},
    {"judges.queue: anytime", "istio", "1m", QUERY_METRIC,
     "no annotation of judges is called 'coalmine.dev/judges'", 6},
    {"judge.qeue: anytime", "istio", "1m", QUERY_METRIC, "the analysis has no metric 'qeue'", 6},
};
START_TEST(a_judge_that_cannot_be_fed_is_refused)
{
    char text[2048];
    struct arena *arena = arena_new(0);
    struct canary_options options = {.deviations = PROFILE_DEFAULT};
    struct documents docs;
    struct canary canary;
    struct diags diags;

    snprintf(text, sizeof text,
             "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata:\n  name: a\n  annotations:\n"
             "    coalmine.dev/%s\nspec:\n  provider: %s\n  targetRef: {apiVersion: apps/v1, kind: "
             "Deployment, name: a}\n  service: {port: 80}\n  analysis:\n    interval: %s\n    "
             "threshold: 1\n    stepWeight: 10\n    metrics: [%s]\n",
             fed[_i].annotations, fed[_i].provider, fed[_i].interval, fed[_i].metric);
    diags_init(&diags, arena);
    ck_assert_int_eq(node_parse_all(arena, &diags, "a.yaml", text, strlen(text), NULL, &docs), 0);
    int rc = canary_decode(arena, &diags, &docs.items[0], &options, &canary);
    ck_assert_msg((rc == 0) == (fed[_i].error == NULL), "%s: %d", fed[_i].annotations, rc);
    if (fed[_i].error) {
        ck_assert_str_eq(diags.items[0].what, fed[_i].error);
        ck_assert_uint_eq(diags.items[0].line, fed[_i].line);
        ck_assert_uint_eq(diags.count, 1);
    }
    diags_release(&diags);
    /* Flagger knows no judges, nor does its profile */
    diags_init(&diags, arena);
    options.deviations = PROFILE_FLAGGER_1_44;
    ck_assert_int_eq(canary_decode(arena, &diags, &docs.items[0], &options, &canary), 0);
    ck_assert(canary.spec.analysis.metrics[0].judge.kind == JUDGE_THRESHOLD);
    diags_release(&diags);
    arena_free(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge");
    TCase *tc = tcase_create("judge");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, evidence_is_the_beta_mixture_of_lindon_and_malek);
    tcase_add_test(tc, anytime_test_keeps_its_promise_when_weights_change);
    tcase_add_loop_test(tc, anytime_test_finds_a_difference_in_time, 0, 4);
    tcase_add_test(tc, hodges_lehmann_is_the_exact_median_of_differences);
    tcase_add_test(tc, mann_whitney_keeps_its_level_and_has_power);
    tcase_add_test(tc, tolerance_lets_a_small_shift_pass_and_few_samples_wait);
    tcase_add_test(tc, which_way_is_worse_depends_on_the_metric);
    tcase_add_loop_test(tc, annotations_choose_the_judge, 0, 8);
    tcase_add_loop_test(tc, a_judge_that_cannot_be_fed_is_refused, 0, sizeof fed / sizeof *fed);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
