#include "sim/run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/render.h"

/* A linear canary on Istio, built by hand. */
static struct metric_spec metrics[2];
static struct spec spec;

static void make_spec(void)
{
    metrics[0] = (struct metric_spec){.name = "request-success-rate",
                                      .interval = "1m",
                                      .has_range = true,
                                      .range = {.has_min = true, .min = 99}};
    metrics[1] = (struct metric_spec){.name = "request-duration",
                                      .interval = "1m",
                                      .has_range = true,
                                      .range = {.has_max = true, .max = 500}};
    spec = (struct spec){
        .name = "podinfo",
        .ns = "test",
        .target_name = "podinfo",
        .target_kind_name = "Deployment",
        .provider = "istio",
        .metrics_provider = "istio",
        .progress_deadline_s = 600,
        .analysis = {.present = true,
                     .interval_ms = 60000,
                     .threshold = 2,
                     .max_weight = 50,
                     .step_weight = 10,
                     .primary_ready_threshold = 100,
                     .canary_ready_threshold = 100,
                     .metrics = metrics,
                     .metric_count = 2},
        .deviations = PROFILE_FLAGGER_1_44,
    };
}

struct setup {
    const struct spec *specs[1];
    struct canary_plan canary;
    struct change_plan change;
    struct sim_plan plan;
    struct metric_constant constant;
    struct metric_binding binding;
};

static void make_setup(struct setup *s)
{
    make_spec();
    memset(s, 0, sizeof *s);
    s->specs[0] = &spec;
    s->canary = (struct canary_plan){
        .specs = s->specs,
        .spec_count = 1,
        .world = {.replicas = 2,
                  .startup_ms = 10000,
                  .deployment_deadline_s = 600,
                  .match_percent = 10,
                  .first = revision_of("v1"),
                  .initialized = true},
    };
    s->change = (struct change_plan){
        .kind = CHANGE_DEPLOY, .revision = revision_of("v2"), .text = "deploy v2"};
    s->plan = (struct sim_plan){.info = {.name = "test", .epoch_ms = SIM_EPOCH_MS},
                                .canaries = &s->canary,
                                .canary_count = 1,
                                .changes = &s->change,
                                .change_count = 1,
                                .until_ms = MS_NEVER,
                                .limit_ms = 7200000,
                                .control_loop_ms = 10000};
}

static void run(const struct setup *s, struct record *record, struct canary_result *result)
{
    struct sim *sim = sim_new();
    struct sim_options options = {.seed = 1};
    struct sink sink = record_sink(record, false);

    ck_assert_int_eq(sim_run(sim, &s->plan, &options, &sink, result, NULL), 0);
    sim_free(sim);
}

/* The record as `minutes phase: canary weights routed`, for reading. */
static void weights_of(const struct record *r, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < r->count; i++)
        if (r->rows[i].kind == ROW_ROUTES)
            len += (size_t)snprintf(out + len, cap - len, "%s%lld:%d", len ? " " : "",
                                    (long long)(r->rows[i].at_ms - SIM_EPOCH_MS) / 1000,
                                    r->rows[i].u.routes.canary);
}

START_TEST(a_good_release_climbs_its_ladder_and_is_promoted)
{
    struct setup s;
    struct record record;
    struct canary_result result;
    char weights[256];

    make_setup(&s);
    record_init(&record);
    run(&s, &record, &result);
    weights_of(&record, weights, sizeof weights);
    ck_assert_str_eq(weights, "60:10 120:20 180:30 240:40 300:50 420:0");
    ck_assert_int_eq(result.status.phase, PHASE_SUCCEEDED);
    ck_assert_uint_eq(result.succeeded, 1);
    ck_assert_uint_eq(result.checks, 10);
    ck_assert_uint_eq(result.failed_checks, 0);
    ck_assert_int_eq(result.outage_ms, 0);
    ck_assert_int_eq(result.settled_ms, 480000);
    record_release(&record);
}
END_TEST

START_TEST(a_bad_release_is_rolled_back_one_tick_after_the_threshold)
{
    struct setup s;
    struct record record;
    struct canary_result result;
    char weights[256];

    make_setup(&s);
    metric_constant_init(&s.constant, 97);
    s.binding = (struct metric_binding){"request-success-rate", &s.constant.source};
    s.canary.metrics = &s.binding;
    s.canary.metric_count = 1;
    record_init(&record);
    run(&s, &record, &result);
    weights_of(&record, weights, sizeof weights);
    ck_assert_str_eq(weights, "60:10 240:0");
    ck_assert_int_eq(result.status.phase, PHASE_FAILED);
    ck_assert_uint_eq(result.failed, 1);
    ck_assert_uint_eq(result.failed_checks, 2);
    record_release(&record);
}
END_TEST

START_TEST(a_check_row_says_value_bound_and_verdict)
{
    struct setup s;
    struct record record;
    struct canary_result result;
    const struct check_row *check = NULL;

    make_setup(&s);
    metric_constant_init(&s.constant, 97);
    s.binding = (struct metric_binding){"request-success-rate", &s.constant.source};
    s.canary.metrics = &s.binding;
    s.canary.metric_count = 1;
    record_init(&record);
    run(&s, &record, &result);
    for (size_t i = 0; i < record.count && !check; i++)
        if (record.rows[i].kind == ROW_CHECK)
            check = &record.rows[i].u.check;
    ck_assert_ptr_nonnull(check);
    ck_assert_double_eq(check->value, 97);
    ck_assert_double_eq(check->bound, 99);
    ck_assert(check->has_bound);
    ck_assert_int_eq(check->verdict, VERDICT_FAIL);
    ck_assert_int_eq(check->event, EVENT_M_RATE_LOW);
    ck_assert_int_eq(check->window_ms, 60000);
    ck_assert_int_eq(check->canary_weight, 10);
    record_release(&record);
}
END_TEST

START_TEST(two_runs_of_a_plan_are_the_same)
{
    struct setup s;
    struct record a, b;
    struct canary_result result;

    make_setup(&s);
    record_init(&a);
    record_init(&b);
    run(&s, &a, &result);
    run(&s, &b, &result);
    ck_assert_uint_eq(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        ck_assert_int_eq(a.rows[i].kind, b.rows[i].kind);
        ck_assert_int_eq(a.rows[i].at_ms, b.rows[i].at_ms);
    }
    record_release(&a);
    record_release(&b);
}
END_TEST

START_TEST(pods_that_never_start_end_in_a_rollback_at_the_deadline)
{
    struct setup s;
    struct record record;
    struct canary_result result;
    struct revision_plan revision = {
        .revision = revision_of("v2"), .name = "v2", .startup_ms = MS_NEVER};

    make_setup(&s);
    s.canary.world.revisions = &revision;
    s.canary.world.revision_count = 1;
    record_init(&record);
    run(&s, &record, &result);
    ck_assert_int_eq(result.status.phase, PHASE_FAILED);
    ck_assert_int_eq(result.settled_ms / 60000, 10);
    ck_assert_int_eq(result.outage_ms, 0);
    record_release(&record);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim");
    TCase *tc = tcase_create("sim");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, a_good_release_climbs_its_ladder_and_is_promoted);
    tcase_add_test(tc, a_bad_release_is_rolled_back_one_tick_after_the_threshold);
    tcase_add_test(tc, a_check_row_says_value_bound_and_verdict);
    tcase_add_test(tc, two_runs_of_a_plan_are_the_same);
    tcase_add_test(tc, pods_that_never_start_end_in_a_rollback_at_the_deadline);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
