/* When the operator runs ticks: at rest, in company, and what it keeps from one to the next. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/opworld.h"

static struct opworld w;

static void setup(void)
{
    opworld_init(&w, 11);
}

static void teardown(void)
{
    opworld_release(&w);
}

static const char *phase(void)
{
    return opworld_status(&w, "podinfo", "phase");
}

/* What /metrics of the last operator said at its end. */
static unsigned long counted(const char *series)
{
    const char *line = strbuf_str(&w.metrics);
    size_t len = strlen(series);

    while (line && !(strncmp(line, series, len) == 0 && line[len] == ' ')) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    ck_assert_msg(line != NULL, "no %s", series);
    return strtoul(line + len, NULL, 10);
}

/* Requests that an operator sends within so many ms, its start and end included. */
static uint64_t requests_within(int64_t ms)
{
    w.kill_at = UINT64_MAX; /* count, and never die */
    w.requests = 0;
    opworld_run_for(&w, ms);
    w.kill_at = 0;
    return w.requests;
}

START_TEST(a_canary_at_rest_costs_no_request)
{
    uint64_t one_minute, eleven_minutes;

    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    one_minute = requests_within(60000);
    eleven_minutes = requests_within(660000);
    /* watches are opened again after five to ten minutes: a stream is no request of a tick */
    ck_assert_uint_eq(eleven_minutes, one_minute);
}
END_TEST

/* How often a task's time came within so many ms, the operator's start and end included. */
static uint64_t timers_within(int64_t ms)
{
    w.timers = 0;
    opworld_run_for(&w, ms);
    return w.timers;
}

START_TEST(a_canary_at_rest_wakes_nobody)
{
    uint64_t one_minute, four_minutes;

    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    one_minute = timers_within(60000);
    four_minutes = timers_within(240000);            /* less than the shortest life of a watch */
    ck_assert_uint_le(four_minutes - one_minute, 6); /* and not one for each of 18 intervals */
}
END_TEST

/* When each tick of a canary that waits at its gate came to it. */
static int64_t gate_ms[64];
static int gate_count;

static void note_gate(struct opworld *world)
{
    if (gate_count < 64)
        gate_ms[gate_count++] = world->now_ms;
}

static void wait_at_the_gate(void)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60117);
    w.hooks_allow = false;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 60000);
    ck_assert_str_eq(phase(), "Waiting");
    w.on_hook = note_gate;
    gate_count = 0;
}

/* A second Canary, whose first tick is 137 ms after an operator's start. */
static const char second_canary[] =
    "apiVersion: flagger.app/v1beta1\n"
    "kind: Canary\n"
    "metadata: {name: second, namespace: test}\n"
    "spec:\n"
    "  provider: istio\n"
    "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: nobody}\n"
    "  service: {port: 80}\n"
    "  analysis: {interval: 10s, threshold: 2, iterations: 3}\n";

/* When its n-th tick (from 0) found no target, by the clock of the world; -1 = there was none. */
static int64_t second_ms(int n)
{
    const char *line = strbuf_str(&w.log), *end, *hit;

    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        int minutes;
        double seconds;

        hit = strstr(line, "nobody.test get query error");
        if (hit == NULL || hit > end || n-- > 0)
            continue;
        ck_assert_int_eq(
            sscanf(strstr(line, "\"ts\":"), "\"ts\":\"2026-01-01T00:%d:%lfZ", &minutes, &seconds),
            2);
        return minutes * 60000 + (int64_t)(seconds * 1000 + 0.5);
    }
    return -1;
}

START_TEST(ticks_begin_in_company)
{
    int64_t apart = _i == 0 ? 137 : 0;

    wait_at_the_gate();
    w.options.slack_ms = _i == 0 ? 0 : 250;
    w.later_yaml = second_canary;
    w.later_ms = 137;
    opworld_run_for(&w, 45000);
    ck_assert_int_eq(gate_count, 5);
    ck_assert_int_lt(llabs(second_ms(0) - gate_ms[0] - 137), 30); /* the first at once */
    for (int i = 1; i < gate_count; i++) {
        ck_assert_int_lt(llabs(gate_ms[i] - gate_ms[i - 1] - 10000), 30);
        ck_assert_int_lt(llabs(second_ms(i) - gate_ms[i] - apart), 30);
    }
}
END_TEST

START_TEST(only_so_many_specs_are_kept)
{
    w.options.specs_max = (size_t)_i; /* 0: as many as it will */
    wait_at_the_gate();
    w.later_yaml = second_canary;
    w.later_ms = 137;
    opworld_run_for(&w, 45000);
    ck_assert_uint_eq(counted("coalmine_specs"), _i == 1 ? 1 : 2);
    ck_assert_int_eq(gate_count, 5);
    w.hooks_allow = true;
    opworld_run_for(&w, 300000);
    ck_assert_str_eq(phase(), "Succeeded");
}
END_TEST

START_TEST(the_first_tick_waits_for_the_last_list_alone)
{
    int64_t began;

    wait_at_the_gate();
    w.late_list = "/apis/flagger.app/v1beta1/metrictemplates";
    w.late_ms = 137;
    began = w.now_ms;
    opworld_run_for(&w, 5000);
    ck_assert_int_eq(gate_count, 1);
    ck_assert_int_ge(gate_ms[0] - began, 137);
    ck_assert_int_lt(gate_ms[0] - began, 187);
}
END_TEST

/* Ticks run within five minutes at rest, in which something may be deleted. */
static unsigned long ticks_run_around(const char *deleted)
{
    if (deleted)
        opworld_delete_later(&w, deleted, 150000);
    opworld_run_for(&w, 300000);
    return counted("coalmine_ticks_total");
}

START_TEST(only_what_a_canary_reads_wakes_it)
{
    unsigned long rest;

    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_apply(&w,
                  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: strange, namespace: test}\n"
                  "---\n"
                  "apiVersion: v1\nkind: Service\nmetadata: {name: strange, namespace: test}\n"
                  "spec: {ports: [{port: 80}]}\n");
    opworld_run_for(&w, 60000);
    rest = ticks_run_around(NULL);
    ck_assert_uint_ge(rest, 1); /* a new process looks once */
    ck_assert_uint_lt(rest, 5);
    ck_assert_uint_eq(ticks_run_around("/api/v1/namespaces/test/services/strange"), rest);
    ck_assert_uint_eq(ticks_run_around("/api/v1/namespaces/test/configmaps/strange"), rest);
    ck_assert_uint_gt(ticks_run_around("/api/v1/namespaces/test/services/podinfo-canary"), rest);
    ck_assert(opworld_has(&w, "", "services", "podinfo-canary"));
}
END_TEST

START_TEST(the_ticks_that_a_deleted_canary_slept_stay_counted)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    opworld_delete_later(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo", 150000);
    opworld_run_for(&w, 160000);
    ck_assert(!opworld_has(&w, "flagger.app", "canaries", "podinfo"));
    ck_assert_uint_ge(counted("coalmine_ticks_skipped_total"), 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operator pace");
    TCase *tc = tcase_create("ticks");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_canary_at_rest_costs_no_request);
    tcase_add_test(tc, a_canary_at_rest_wakes_nobody);
    tcase_add_loop_test(tc, ticks_begin_in_company, 0, 2);
    tcase_add_loop_test(tc, only_so_many_specs_are_kept, 0, 3);
    tcase_add_test(tc, the_first_tick_waits_for_the_last_list_alone);
    tcase_add_test(tc, only_what_a_canary_reads_wakes_it);
    tcase_add_test(tc, the_ticks_that_a_deleted_canary_slept_stay_counted);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
