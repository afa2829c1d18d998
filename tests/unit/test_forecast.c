/* What a Canary will do. Expected figures come from the tick counts of docs/engine/semantics.md
 * §4.8: start-up, one tick per weight, promote, shift, finalise; and from §11 Q25: threshold
 * failing ticks, then one to roll back. */
#include <check.h>
#include <string.h>

#include "sim/forecast.h"

#define MINUTE 60000

static const struct metric_spec metric = {.name = "request-success-rate",
                                          .interval = "1m",
                                          .has_range = true,
                                          .range = {true, false, 99, 0}};

static struct spec canary(void)
{
    return (struct spec){
        .name = "podinfo",
        .ns = "test",
        .target_name = "podinfo",
        .target_kind_name = "Deployment",
        .provider = "istio",
        .metrics_provider = "istio",
        .progress_deadline_s = 600,
        .deviations = PROFILE_DEFAULT,
        .analysis = {.present = true,
                     .interval_ms = MINUTE,
                     .threshold = 5,
                     .max_weight = 50,
                     .step_weight = 10,
                     .primary_ready_threshold = 100,
                     .canary_ready_threshold = 100,
                     .metrics = &metric,
                     .metric_count = 1},
    };
}

static struct forecast make(const struct spec *spec)
{
    struct forecast f;

    ck_assert_int_eq(forecast_make(&f, spec), 0);
    return f;
}

START_TEST(a_linear_canary_takes_one_tick_per_weight_and_four_more)
{
    struct spec spec = canary();
    struct forecast f = make(&spec);
    static const int weights[] = {0, 10, 20, 30, 40, 50, 50, 0, 0};

    ck_assert(f.ended);
    ck_assert_uint_eq(f.tick_count, 9);
    ck_assert_int_eq(f.took_ms, 8 * MINUTE);
    for (size_t i = 0; i < 9; i++) {
        ck_assert_int_eq(f.ticks[i].canary, weights[i]);
        ck_assert_int_eq(f.ticks[i].at_ms, (ms_t)i * MINUTE);
    }
    ck_assert_int_eq(f.exposed, (10 + 20 + 30 + 40 + 50 + 50) * MINUTE);
    forecast_release(&f);
}
END_TEST

START_TEST(a_bad_release_is_back_after_threshold_ticks_and_one)
{
    struct spec spec = canary();
    struct forecast f = make(&spec);

    ck_assert(f.can_fail);
    ck_assert_uint_eq(f.bad_count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct forecast_bad *bad = &f.bads[i];
        ms_t set_ms = f.ticks[bad->from_tick].at_ms;
        ck_assert_int_eq(f.ticks[bad->from_tick].canary, 10 * (int)(i + 1));
        ck_assert(bad->caught);
        ck_assert_int_eq(bad->first_failed_ms, set_ms + MINUTE);
        ck_assert_int_eq(bad->back_ms, set_ms + (1 + 5) * MINUTE);
        ck_assert_int_eq(bad->exposed, 10 * (int)(i + 1) * 6 * MINUTE);
    }
    forecast_release(&f);
}
END_TEST

/* clang-format off */
static const int32_t uneven[] = {1, 2, 10, 80};
static const struct count_case {
    const char *name; int32_t step, max; const int32_t *steps; uint32_t step_count; int32_t promotion, iterations; bool mirror; size_t ticks;
} count_cases[] = {
    {"overshoots: 20 40 60", 20, 50, NULL, 0, 0, 0, false, 1 + 3 + 3},
    {"clamped: 30 60 90 100", 30, 100, NULL, 0, 0, 0, false, 1 + 4 + 3},
    {"a list", 0, 0, uneven, 4, 0, 0, false, 1 + 4 + 3},
    {"mirror first", 10, 50, NULL, 0, 0, 0, true, 1 + 1 + 5 + 3},
    {"back in steps of 25: 75 100", 50, 50, NULL, 0, 25, 0, false, 1 + 1 + 1 + 2 + 1},
    {"blue/green of 3", 0, 0, NULL, 0, 0, 3, false, 1 + 3 + 1 + 1 + 1 + 1},
};
/* clang-format on */

START_TEST(each_strategy_takes_its_ticks)
{
    const struct count_case *c = &count_cases[_i];
    struct spec spec = canary();

    spec.analysis.step_weight = c->step;
    spec.analysis.max_weight = c->max;
    spec.analysis.step_weights = c->steps;
    spec.analysis.step_weight_count = c->step_count;
    spec.analysis.step_weight_promotion = c->promotion;
    spec.analysis.iterations = c->iterations;
    spec.analysis.mirror = c->mirror;
    struct forecast f = make(&spec);
    ck_assert_msg(f.ended && f.tick_count == c->ticks, "%s: %zu ticks, want %zu", c->name,
                  f.tick_count, c->ticks);
    forecast_release(&f);
}
END_TEST

START_TEST(a_rollout_that_stands_still_is_told)
{
    static const int32_t falling[] = {10, 50, 20};
    struct spec spec = canary();

    spec.deviations = PROFILE_FLAGGER_1_44;
    spec.analysis.step_weight = 0;
    spec.analysis.step_weights = falling;
    spec.analysis.step_weight_count = 3;
    struct forecast f = make(&spec);
    ck_assert(!f.ended);
    ck_assert_int_eq(f.still_ms, 2 * MINUTE); /* 10 in tick 2, 50 in tick 3, then silence */
    forecast_release(&f);
}
END_TEST

START_TEST(without_a_check_nothing_can_stop_a_release)
{
    struct spec spec = canary();

    spec.analysis.metric_count = 0;
    struct forecast f = make(&spec);
    ck_assert(f.ended && !f.can_fail);
    ck_assert_uint_eq(f.bad_count, 0);
    forecast_release(&f);
}
END_TEST

START_TEST(rollout_webhooks_stop_a_release_where_there_is_no_metric)
{
    static const struct hook_spec hooks[] = {
        {.name = "smoke", .url = "http://x/", .type = HOOK_ROLLOUT, .timeout = ""},
        {.name = "switch", .url = "http://x/", .type = HOOK_ROLLBACK, .timeout = ""},
    };
    struct spec spec = canary();

    spec.analysis.metric_count = 0;
    spec.analysis.hooks = hooks;
    spec.analysis.hook_count = 2;
    struct forecast f = make(&spec);
    ck_assert(f.ended && f.can_fail);
    ck_assert_uint_eq(f.ticks[1].checks, 0); /* the first weight is set without a check */
    ck_assert_uint_eq(f.ticks[2].checks, 1);
    ck_assert(f.bads[0].caught);
    ck_assert_int_eq(f.bads[0].back_ms - f.bads[0].first_failed_ms, 5 * MINUTE);
    forecast_release(&f);
}
END_TEST

START_TEST(skipped_analysis_promotes_at_once)
{
    struct spec spec = canary();

    spec.skip_analysis = true;
    spec.deviations = PROFILE_FLAGGER_1_44;
    struct forecast f = make(&spec);
    ck_assert(f.ended && !f.can_fail);
    ck_assert_uint_eq(f.tick_count, 2);
    ck_assert_int_eq(f.exposed, 0);
    forecast_release(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forecast");
    TCase *tc = tcase_create("forecast");

    tcase_add_test(tc, a_linear_canary_takes_one_tick_per_weight_and_four_more);
    tcase_add_test(tc, a_bad_release_is_back_after_threshold_ticks_and_one);
    tcase_add_loop_test(tc, each_strategy_takes_its_ticks, 0,
                        sizeof count_cases / sizeof *count_cases);
    tcase_add_test(tc, a_rollout_that_stands_still_is_told);
    tcase_add_test(tc, without_a_check_nothing_can_stop_a_release);
    tcase_add_test(tc, rollout_webhooks_stop_a_release_where_there_is_no_metric);
    tcase_add_test(tc, skipped_analysis_promotes_at_once);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
