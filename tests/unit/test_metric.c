#include "sim/metric.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* A hundred requests a second; version 2 fails every tenth, version 1 none. */
static const struct rate_step rates[] = {{0, 100}};
static struct version_model versions[2];
static struct traffic_model traffic;
static struct exposure exposure;
static struct metric_model model;

static void setup(void)
{
    const struct latency fast = {.count = 3, .q = {0, 0.5, 1}, .ms = {0, 100, 200}};

    memset(&exposure, 0, sizeof exposure);
    versions[0] = (struct version_model){
        .revision = 2, .errors = 0.1, .latency = fast, .onset_slowdown = 1, .warmup_slowdown = 1};
    versions[1] =
        (struct version_model){.latency = fast, .onset_slowdown = 1, .warmup_slowdown = 1};
    traffic = (struct traffic_model){.rates = rates,
                                     .rate_count = 1,
                                     .versions = versions,
                                     .version_count = 2,
                                     .outage_text = "away",
                                     .scrape_ms = 15000};
    metric_model_init(&model, &traffic, MODEL_SUCCESS_RATE);
}

/* From `at_ms` on the canary (version 2) gets this weight. */
static void weigh(ms_t at_ms, int weight)
{
    exposure_add(&exposure, &(struct exposure_step){.from_ms = at_ms,
                                                    .primary_weight = (int16_t)(100 - weight),
                                                    .canary_weight = (int16_t)weight,
                                                    .primary_up = true,
                                                    .canary_up = true,
                                                    .primary = 1,
                                                    .canary = 2});
}

static struct answer evaluate(ms_t now_ms, ms_t window_ms)
{
    struct answer answer = {0};
    struct rng rng = rng_init(1, 0, 0);
    struct metric_query query = {.now_ms = now_ms,
                                 .window_ms = window_ms,
                                 .kind = METRIC_RATE,
                                 .call = 1,
                                 .revision = 2,
                                 .exposure = &exposure,
                                 .rng = &rng};

    model.source.evaluate(&model.source, &query, &answer);
    return answer;
}

START_TEST(a_rate_is_that_of_the_version_under_test)
{
    struct answer a;

    setup();
    weigh(0, 10);
    a = evaluate(120000, 60000);
    ck_assert_int_eq(a.outcome, OUTCOME_OK);
    ck_assert_double_eq(a.value, 90);
    ck_assert_uint_eq(a.canary_requests, 450); /* samples at 75 s and 120 s: 45 s of 10 a second */
    ck_assert_uint_eq(a.canary_errors, 45);
    ck_assert_uint_eq(a.primary_requests, 4050);
    ck_assert_uint_eq(a.primary_errors, 0);
}
END_TEST

START_TEST(no_traffic_means_no_value_once_the_window_is_empty_and_not_before)
{
    setup();
    weigh(0, 10);
    weigh(120000, 0);
    ck_assert_int_eq(evaluate(120000, 60000).outcome, OUTCOME_OK);
    ck_assert_int_eq(evaluate(164000, 60000).outcome, OUTCOME_OK);
    ck_assert_int_eq(evaluate(180000, 60000).outcome, OUTCOME_NO_VALUE);
    ck_assert_str_eq(evaluate(180000, 60000).text, "no values found");
}
END_TEST

START_TEST(windows_overlap_so_one_burst_is_seen_by_several_checks)
{
    int seen = 0;

    setup();
    versions[0].errors = 0;
    versions[0].has_onset = true;
    versions[0].onset_ms = versions[0].onset_after_ms = MS_NEVER;
    versions[0].onset_weight = 20;
    versions[0].onset_errors = 1;
    weigh(0, 10);
    weigh(120000, 20); /* the fault lives at 20 % alone, for ten seconds */
    weigh(130000, 10);
    for (ms_t now = 100000; now <= 300000; now += 10000) {
        struct answer a = evaluate(now, 60000);

        ck_assert_int_eq(a.outcome, OUTCOME_OK);
        seen += a.value < 100;
    }
    ck_assert_int_eq(seen,
                     4); /* both scrapes around it, 120 s and 135 s, are in from 140 s to 170 s */
}
END_TEST

START_TEST(a_rate_needs_two_scrapes_in_its_window)
{
    setup();
    weigh(0, 10);
    traffic.scrape_ms = 60000;
    ck_assert_int_eq(evaluate(300000, 60000).outcome, OUTCOME_NO_VALUE);
    ck_assert_int_eq(evaluate(300000, 120000).outcome, OUTCOME_OK);
}
END_TEST

START_TEST(a_metric_server_that_is_away_is_an_error_not_a_missing_value)
{
    static const struct window outage = {60000, 120000};
    struct answer a;

    setup();
    weigh(0, 10);
    traffic.outages = &outage;
    traffic.outage_count = 1;
    a = evaluate(60000, 60000);
    ck_assert_int_eq(a.outcome, OUTCOME_FAILED);
    ck_assert_str_eq(a.text, "away");
    ck_assert_int_eq(evaluate(120000, 60000).outcome, OUTCOME_OK);
}
END_TEST

START_TEST(a_side_without_pods_fails_every_request)
{
    struct exposure_step step = {
        .canary_weight = 50, .primary_weight = 50, .primary_up = true, .primary = 1, .canary = 2};

    setup();
    exposure_add(&exposure, &step);
    ck_assert_double_eq(evaluate(120000, 60000).value, 0);
}
END_TEST

START_TEST(mirrored_requests_count_for_the_canary)
{
    struct exposure_step step = {.primary_weight = 100,
                                 .mirrored = true,
                                 .primary_up = true,
                                 .canary_up = true,
                                 .primary = 1,
                                 .canary = 2};

    setup();
    exposure_add(&exposure, &step);
    ck_assert_uint_eq(evaluate(120000, 60000).canary_requests, 4500);
    ck_assert_double_eq(evaluate(120000, 60000).value, 90);
}
END_TEST

START_TEST(a_quantile_is_read_off_the_lines_between_the_known_ones)
{
    setup();
    weigh(0, 10);
    model.value = MODEL_LATENCY;
    model.quantile = 0.5;
    ck_assert_double_eq_tol(evaluate(120000, 60000).value, 100, 0.01);
    model.quantile = 0.75;
    ck_assert_double_eq_tol(evaluate(120000, 60000).value, 150, 0.01);
    versions[0].warmup_ms = 600000;
    versions[0].warmup_slowdown = 3;
    ck_assert_double_gt(evaluate(120000, 60000).value, 300);
}
END_TEST

START_TEST(the_oldest_steps_of_the_past_are_dropped_first)
{
    setup();
    for (int i = 0; i < EXPOSURE_STEPS_MAX + 10; i++)
        weigh(i * 1000, i % 100);
    ck_assert_uint_eq(exposure.count, EXPOSURE_STEPS_MAX);
    ck_assert_int_eq(exposure_at(&exposure, 0)->from_ms, 10000);
    weigh((EXPOSURE_STEPS_MAX + 10) * 1000, (EXPOSURE_STEPS_MAX + 9) % 100); /* nothing new */
    ck_assert_int_eq(exposure_at(&exposure, EXPOSURE_STEPS_MAX - 1)->from_ms,
                     (EXPOSURE_STEPS_MAX + 9) * 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metric");
    TCase *tc = tcase_create("metric");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, a_rate_is_that_of_the_version_under_test);
    tcase_add_test(tc, no_traffic_means_no_value_once_the_window_is_empty_and_not_before);
    tcase_add_test(tc, windows_overlap_so_one_burst_is_seen_by_several_checks);
    tcase_add_test(tc, a_rate_needs_two_scrapes_in_its_window);
    tcase_add_test(tc, a_metric_server_that_is_away_is_an_error_not_a_missing_value);
    tcase_add_test(tc, a_side_without_pods_fails_every_request);
    tcase_add_test(tc, mirrored_requests_count_for_the_canary);
    tcase_add_test(tc, a_quantile_is_read_off_the_lines_between_the_known_ones);
    tcase_add_test(tc, the_oldest_steps_of_the_past_are_dropped_first);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
