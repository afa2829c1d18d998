#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/operator/log.h"
#include "adapters/operator/telemetry.h"

static const struct metric_spec metric = {.name = "request-duration"};
static const struct spec spec = {
    .name = "web",
    .ns = "test",
    .target_name = "podinfo",
    .analysis = {.metrics = &metric, .metric_count = 1, .iterations = 3}};

static struct note gauge(enum gauge_id id, int32_t a, int32_t b, double x)
{
    struct note n;

    memset(&n, 0, sizeof n);
    n.kind = NOTE_GAUGE;
    n.id = (uint8_t)id;
    n.a = a;
    n.b = b;
    n.x = x;
    return n;
}

static void expect_metrics(const struct telemetry *t, const char *want)
{
    struct strbuf b = STRBUF_INIT;

    telemetry_expose(t, &b);
    ck_assert_str_eq(strbuf_str(&b), want);
    strbuf_release(&b);
}

static void note(struct telemetry *t, struct note n)
{
    telemetry_note(t, &spec, &n, 0.03);
}

#define INFO_TEXT                                                                                  \
    "# HELP flagger_info Flagger version and mesh provider information\n# TYPE flagger_info "      \
    "gauge\n"                                                                                      \
    "flagger_info{mesh_provider=\"istio\",version=\"0.1.0\"} 1\n"

START_TEST(series_have_the_names_and_labels_of_the_dashboards)
{
    struct telemetry *t = telemetry_new("0.1.0", "istio");

    note(t, gauge(GAUGE_STATUS, 2, 0, 0));
    note(t, gauge(GAUGE_WEIGHT, 90, 10, 0));
    note(t, gauge(GAUGE_ANALYSIS, 0, 0, 0.515));
    note(t, gauge(GAUGE_FAILURES, ANALYSIS_COMPLETED, 0, 0));
    note(t, gauge(GAUGE_FAILURES, ANALYSIS_COMPLETED, 0, 0));
    telemetry_canaries(t, "test", 3);
    expect_metrics(
        t, "# HELP flagger_canary_failures_total Total number of canary failures\n"
           "# TYPE flagger_canary_failures_total counter\n"
           "flagger_canary_failures_total{analysis_status=\"completed\",deployment_strategy=\"blue-"
           "green\","
           "name=\"podinfo\",namespace=\"test\"} 2\n"
           "# HELP flagger_canary_metric_analysis Last canary analysis result per metric\n"
           "# TYPE flagger_canary_metric_analysis gauge\n"
           "flagger_canary_metric_analysis{metric=\"request-duration\",name=\"podinfo\",namespace="
           "\"test\"} 0.515\n"
           "# HELP flagger_canary_status Last canary analysis result\n"
           "# TYPE flagger_canary_status gauge\n"
           "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 2\n"
           "# HELP flagger_canary_total Total number of canary objects\n"
           "# TYPE flagger_canary_total gauge\n"
           "flagger_canary_total{namespace=\"test\"} 3\n"
           "# HELP flagger_canary_weight The virtual service destination weight current value\n"
           "# TYPE flagger_canary_weight gauge\n"
           "flagger_canary_weight{namespace=\"test\",workload=\"podinfo\"} 10\n"
           "flagger_canary_weight{namespace=\"test\",workload=\"podinfo-primary\"} 90\n" INFO_TEXT);
    telemetry_canaries(t, "test", 0);
    telemetry_forget(t, &spec);
    expect_metrics(t, INFO_TEXT);
    telemetry_free(t);
}
END_TEST

START_TEST(histograms_count_what_is_at_or_below_a_bound)
{
    struct telemetry *t = telemetry_new("0.1.0", "istio");
    struct strbuf b = STRBUF_INIT;

    note(t, gauge(GAUGE_DURATION, 0, 0, 0));
    telemetry_note(t, &spec, &(struct note){.kind = NOTE_GAUGE, .id = GAUGE_DURATION}, 0.005);
    telemetry_note(t, &spec, &(struct note){.kind = NOTE_GAUGE, .id = GAUGE_DURATION}, 60);
    telemetry_expose(t, &b);
    ck_assert_ptr_nonnull(strstr(
        strbuf_str(&b), "seconds_bucket{name=\"podinfo\",namespace=\"test\",le=\"0.005\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&b), "le=\"0.025\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&b), "le=\"0.05\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&b), "le=\"+Inf\"} 3\n"));
    ck_assert_ptr_nonnull(
        strstr(strbuf_str(&b), "seconds_sum{name=\"podinfo\",namespace=\"test\"} 60.035\n"));
    ck_assert_ptr_nonnull(
        strstr(strbuf_str(&b), "seconds_count{name=\"podinfo\",namespace=\"test\"} 3\n"));
    strbuf_release(&b);
    telemetry_free(t);
}
END_TEST

static int64_t fixed_ms(void *self)
{
    return *(int64_t *)self;
}

static void expect_line(int64_t ms, const char *want)
{
    struct clock clock = {&ms, fixed_ms, fixed_ms, NULL, NULL};
    char *text = NULL;
    size_t len = 0;
    struct log log = {open_memstream(&text, &len), &clock, LOG_INFO, 0};

    log_write(&log, LOG_DEBUG, "a/b/c.c:1", NULL, "not written");
    log_write(&log, LOG_INFO, "x/operator/emit.c:33", "web.test", "Advance \"%s\"", "web");
    fclose(log.out);
    ck_assert_str_eq(text, want);
    free(text);
}

START_TEST(log_lines_are_json_with_utc_times)
{
    expect_line(
        1767323045678,
        "{\"level\":\"info\",\"ts\":\"2026-01-02T03:04:05.678Z\",\"caller\":\"operator/emit.c:33\","
        "\"msg\":\"Advance \\\"web\\\"\",\"canary\":\"web.test\"}\n");
    expect_line(
        951782400000,
        "{\"level\":\"info\",\"ts\":\"2000-02-29T00:00:00.000Z\",\"caller\":\"operator/emit.c:33\","
        "\"msg\":\"Advance \\\"web\\\"\",\"canary\":\"web.test\"}\n");
}
END_TEST

START_TEST(unknown_levels_mean_info)
{
    ck_assert_int_eq(log_level_find("debug"), LOG_DEBUG);
    ck_assert_int_eq(log_level_find("warning"), LOG_INFO);
    ck_assert_int_eq(log_level_find("panic"), LOG_FATAL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("telemetry");
    TCase *tc = tcase_create("telemetry");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, series_have_the_names_and_labels_of_the_dashboards);
    tcase_add_test(tc, histograms_count_what_is_at_or_below_a_bound);
    tcase_add_test(tc, log_lines_are_json_with_utc_times);
    tcase_add_test(tc, unknown_levels_mean_info);
    suite_add_tcase(s, tc);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
