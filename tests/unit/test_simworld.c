#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/client.h"
#include "adapters/simkube/world.h"

/* Two programs with the real Kubernetes client, counting up one ConfigMap in a simulated cluster.
 */

enum { STEPS = 15 };

struct trial {
    struct simkube *k;
    struct simworld *w;
    struct http_client *http[2];
    struct kube_config *config;
    int confirmed, failed, running;
    int seen_last, seen_events; /* by the watcher */
    bool seen_backwards;
};

struct counter {
    struct trial *t;
    int which;
};

static int add_one(void *ctx, cJSON *object)
{
    cJSON *data = json_child_object(object, "data");
    char text[24];

    (void)ctx;
    snprintf(text, sizeof(text), "%d", atoi(json_str_or(data, "n", "0")) + 1);
    return json_set_str(data, "n", text);
}

static void count_up(void *arg)
{
    struct counter *c = arg;
    struct trial *t = c->t;
    struct kube_client *client =
        kube_client_new(t->config, t->http[c->which], simworld_clock(t->w), NULL);
    struct kube_error error;

    for (int i = 0; i < STEPS; i++) {
        int rc = kube_modify(client, &kube_configmaps, "default", "counter", false,
                             KUBE_RETRY_DEFAULT, add_one, NULL, NULL, &error);

        t->confirmed += rc == 0;
        t->failed += rc != 0;
        if (rc == -ECANCELED)
            break;
        task_sleep(simworld_tasks(t->w), 1000);
    }
    t->running--;
    kube_client_free(client);
}

static bool on_line(void *ctx, const char *bytes, size_t len)
{
    struct trial *t = ctx;
    const char *at = bytes, *n;

    for (; (n = strstr(at, "\"n\":\"")) != NULL && n < bytes + len; at = n + 1) {
        int value = atoi(n + 5);

        t->seen_backwards = t->seen_backwards || value < t->seen_last;
        t->seen_last = value;
        t->seen_events++;
    }
    return t->running > 0;
}

static void watch(void *arg)
{
    struct trial *t = arg;
    struct http_request req = {
        .url = SIMWORLD_API
        "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3Dcounter"};
    struct http_client *http = simworld_client(t->w, "admin");

    while (t->running > 0) {
        struct http_response response;

        http->stream(http->self, &req, on_line, t, &response);
        http_response_release(&response);
        task_sleep(simworld_tasks(t->w), 500);
    }
}

static int stored(const struct trial *t)
{
    return atoi(json_str_or(
        json_get(simkube_get(t->k, "", "configmaps", "default", "counter"), "data"), "n", "-1"));
}

static void run(struct trial *t, const struct simkube_faults *faults, uint64_t kill_at)
{
    static const char body[] = "{\"metadata\":{\"name\":\"counter\"},\"data\":{\"n\":\"0\"}}";
    struct simkube_config config = {.seed = 5, .start_ms = 1767225600000};
    struct simworld_options options = {.seed = 5};
    struct counter counters[2] = {{t, 0}, {t, 1}};
    struct simkube_request req = {.user = "admin",
                                  .method = "POST",
                                  .target = "/api/v1/namespaces/default/configmaps",
                                  .body = body,
                                  .body_len = sizeof(body) - 1};
    struct simkube_reply reply;

    memset(t, 0, sizeof(*t));
    t->k = options.kube = simkube_new(&config);
    simkube_call(t->k, config.start_ms, &req, &reply);
    simkube_reply_release(&reply);
    simkube_set_faults(t->k, faults);
    t->w = simworld_new(&options);
    t->config = kube_config_plain(SIMWORLD_API, NULL);
    t->http[0] = simworld_client(t->w, "admin");
    t->http[1] = simworld_client(t->w, "admin");
    if (kill_at)
        simworld_kill_client(t->http[0]);
    t->running = 2;
    task_spawn(simworld_tasks(t->w), count_up, &counters[0]);
    task_spawn(simworld_tasks(t->w), count_up, &counters[1]);
    task_spawn(simworld_tasks(t->w), watch, t);
    ck_assert_int_eq(simworld_run(t->w), 0);
}

static void end(struct trial *t)
{
    simworld_free(t->w);
    kube_config_free(t->config);
    simkube_free(t->k);
}

START_TEST(two_writers_lose_no_update)
{
    struct trial t;

    run(&t, NULL, 0);
    ck_assert_int_eq(t.failed, 0);
    ck_assert_int_eq(stored(&t), 2 * STEPS);
    ck_assert_int_eq(t.seen_last, 2 * STEPS);
    ck_assert(!t.seen_backwards);
    ck_assert_uint_gt(simworld_requests(t.w), 4 * STEPS); /* a GET and a PUT each, and conflicts */
    end(&t);
}
END_TEST

START_TEST(what_was_confirmed_is_stored_under_every_fault)
{
    struct simkube_faults faults = {.seed = 11,
                                    .conflict = 60,
                                    .throttle = 60,
                                    .server_error = 60,
                                    .cut_before = 60,
                                    .cut_after = 60,
                                    .late_effect = 30,
                                    .late_answer = 30,
                                    .watch_break = 300,
                                    .late_ms_max = 90000};
    struct trial t, again;

    faults.seed += (uint64_t)_i;
    run(&t, &faults, 0);
    ck_assert_int_ge(stored(&t), t.confirmed); /* a lost answer counts, a conflict does not */
    ck_assert_int_le(stored(&t), 2 * STEPS + 20);
    run(&again, &faults, 0);
    ck_assert_int_eq(stored(&t), stored(&again));
    ck_assert_uint_eq(simworld_requests(t.w), simworld_requests(again.w));
    ck_assert_int_eq(simkube_now(t.k), simkube_now(again.k));
    end(&t);
    end(&again);
}
END_TEST

START_TEST(a_dead_process_writes_nothing)
{
    struct trial t;

    run(&t, NULL, 1);
    ck_assert_int_eq(stored(&t), STEPS);
    ck_assert_int_eq(t.confirmed, STEPS);
    end(&t);
}
END_TEST

static void sleeper(void *arg)
{
    const struct clock *clock = arg;

    clock->sleep_ms(clock->self, 3600000);
}

START_TEST(an_hour_passes_in_no_time)
{
    struct simkube_config config = {.seed = 5, .start_ms = 1767225600000};
    struct simworld_options options = {.seed = 5};
    struct simworld *w;

    options.kube = simkube_new(&config);
    w = simworld_new(&options);
    simworld_jump_clock(w, -5000);
    task_spawn(simworld_tasks(w), sleeper, (void *)(uintptr_t)simworld_clock(w));
    ck_assert_int_eq(simworld_run(w), 0);
    ck_assert_int_eq(simkube_now(options.kube), config.start_ms + 3600000);
    ck_assert_int_eq(simworld_clock(w)->wall_ms(simworld_clock(w)->self),
                     config.start_ms + 3595000);
    ck_assert_int_eq(simworld_clock(w)->mono_ms(simworld_clock(w)->self), 3600000);
    simworld_free(w);
    simkube_free(options.kube);
}
END_TEST

static void waits_for_ever(void *arg)
{
    struct simworld *w = arg;

    while (task_sleep(simworld_tasks(w), 500) == 0)
        ;
}

START_TEST(a_world_has_an_end)
{
    struct simkube_config config = {.seed = 5, .start_ms = 1767225600000};
    struct simworld_options options = {.seed = 5, .limit_ms = 60000};
    struct simworld *w;
    uint64_t id;

    options.kube = simkube_new(&config);
    w = simworld_new(&options);
    id = task_spawn(simworld_tasks(w), waits_for_ever, w);
    ck_assert_int_eq(simworld_run(w), -ETIME);
    ck_assert_int_eq(simkube_now(options.kube), config.start_ms + 60500);
    task_cancel(simworld_tasks(w), id);
    ck_assert_int_eq(simworld_run(w), 0);
    simworld_free(w);
    simkube_free(options.kube);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("simworld");
    TCase *tc = tcase_create("world");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, two_writers_lose_no_update);
    tcase_add_loop_test(tc, what_was_confirmed_is_stored_under_every_fault, 0, 8);
    tcase_add_test(tc, a_dead_process_writes_nothing);
    tcase_add_test(tc, an_hour_passes_in_no_time);
    tcase_add_test(tc, a_world_has_an_end);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
