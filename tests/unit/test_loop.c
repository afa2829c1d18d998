#include "adapters/http/loop.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/http/server.h"
#include "tests/support/certificates.h"

/* Server and clients on one loop: whoever blocks it, hangs the test. */
static struct loop *loop;
static struct server *server;
static struct http_client *client;
static struct server_call *held;
static char log_text[1024];
static int streams_gone;

static void say(const char *text)
{
    strncat(log_text, text, sizeof log_text - strlen(log_text) - 1);
}

static void spawn_named(void (*run)(void *arg), const char *name)
{
    void *arg;

    memcpy(&arg, &name, sizeof name);
    ck_assert_uint_ne(task_spawn(loop_tasks(loop), run, arg), 0);
}

static void answer_later(void *arg)
{
    struct server_call *c = arg;

    task_sleep(loop_tasks(loop), 20);
    call_answer(c, 200, "text/plain", "slow", 4);
}

static void on_gone(void *ctx, struct server_call *c)
{
    (void)ctx;
    (void)c;
    streams_gone++;
}

static void handle(void *ctx, struct server_call *c)
{
    const char *path = call_path(c);

    (void)ctx;
    if (strcmp(path, "/slow") == 0) {
        task_spawn(loop_tasks(loop), answer_later, c);
    } else if (strcmp(path, "/hold") == 0) {
        held = c;
    } else if (strcmp(path, "/stream") == 0) {
        held = c;
        call_stream_begin(c, 200, "text/plain", on_gone, NULL);
    } else if (strncmp(path, "/old", 4) == 0) {
        call_add_header(c, "Location", "../echo/moved?q=here");
        call_answer(c, 302, "text/plain", "", 0);
    } else if (strncmp(path, "/echo", 5) == 0) {
        char text[100];
        const char *q = call_query(c, "q");

        snprintf(text, sizeof text, "%s|%s", path, q ? q : "(none)");
        call_answer(c, 200, "text/plain", text, strlen(text));
    } else {
        call_answer(c, 200, "text/plain", "fast", 4);
    }
}

static void setup(void)
{
    struct server_options o = {.address = "127.0.0.1", .handler = handle};

    loop = loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(server_start_on_loop(loop, &o, &server), 0);
    client = loop_http_new(loop, NULL);
    log_text[0] = '\0';
    streams_gone = 0;
    held = NULL;
}

static void teardown(void)
{
    server_stop(server);
    loop_free(loop);
}

static int get(const char *path, http_on_data *on_data, int64_t timeout_ms, int64_t idle_ms)
{
    char url[128];
    struct http_request req = {.url = url, .timeout_ms = timeout_ms, .idle_ms = idle_ms};
    struct http_response r;
    int rc;

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server_port(server), path);
    rc = on_data ? client->stream(client->self, &req, on_data, NULL, &r)
                 : client->perform(client->self, &req, &r);
    if (rc == 0 && !on_data)
        say(r.body);
    http_response_release(&r);
    return rc;
}

/* Status, path and query of the answer to a GET that follows redirects. */
static void follower(void *arg)
{
    char url[128], line[160];
    struct http_request req = {.url = url, .follow_redirects = true, .timeout_ms = 10000};
    struct http_response r;

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server_port(server), (const char *)arg);
    ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
    snprintf(line, sizeof line, "%d %s;", r.status, r.body);
    say(line);
    http_response_release(&r);
}

START_TEST(a_url_arrives_as_written_and_redirects_are_followed)
{
    static const char *const paths[] = {"/echo/a%20b?x&q=a%2Bb+%7B%22c%22%7D", "/echo/x?",
                                        "/echo/../echo/y?q=/./z", "/echo/a b?q=c d#e",
                                        "/old/one?q=gone"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        spawn_named(follower, paths[i]);
        ck_assert_int_eq(loop_run(loop), 0);
    }
    ck_assert_str_eq(log_text, "200 /echo/a b|a+b {\"c\"};200 /echo/x|(none);200 /echo/y|/./z;"
                               "200 /echo/a b|c d;200 /echo/moved|here;");
}
END_TEST

static void getter(void *arg)
{
    ck_assert_int_eq(get(arg, NULL, 0, 0), 0);
    say(";");
}

START_TEST(a_slow_answer_holds_nobody_else_up)
{
    spawn_named(getter, "/slow");
    spawn_named(getter, "/fast");
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(log_text, "fast;slow;");
}
END_TEST

static void expect_cancel(void *arg)
{
    ck_assert_int_eq(get(arg, NULL, 0, 0), -ECANCELED);
    ck_assert_int_eq(get("/fast", NULL, 0, 0), -ECANCELED);
    say("cancelled;");
}

static void cancel_when_held(void *arg)
{
    uint64_t *id = arg;

    while (!held)
        task_sleep(loop_tasks(loop), 1);
    task_cancel(loop_tasks(loop), *id);
}

START_TEST(a_cancelled_request_ends_at_once)
{
    char path[] = "/hold";
    uint64_t id = task_spawn(loop_tasks(loop), expect_cancel, path);

    task_spawn(loop_tasks(loop), cancel_when_held, &id);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(log_text, "cancelled;");
    call_answer(held, 200, NULL, "", 0);
}
END_TEST

static void expect_timeout(void *arg)
{
    ck_assert_int_eq(get(arg, NULL, 30, 0), -ETIMEDOUT);
    say("timeout;");
}

START_TEST(a_deadline_ends_a_request)
{
    spawn_named(expect_timeout, "/hold");
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(log_text, "timeout;");
}
END_TEST

static bool take(void *ctx, const char *bytes, size_t len)
{
    char copy[16] = "";

    (void)ctx;
    strncat(copy, bytes, len < 15 ? len : 15);
    say(copy);
    task_sleep(loop_tasks(loop), 1); /* a reader may wait */
    return bytes[len - 1] != '!';
}

static void read_stream(void *arg)
{
    const int *want = arg;

    ck_assert_int_eq(get("/stream", take, 10000, *want ? 50 : 10000), *want);
    say("|");
}

static void feed_three(void *arg)
{
    while (!held)
        task_sleep(loop_tasks(loop), 1);
    for (int i = 0; i < 3; i++) {
        char c = (char)('a' + i);
        call_stream_write(held, &c, 1);
        task_sleep(loop_tasks(loop), 5);
    }
    if (arg)
        call_stream_end(held);
}

START_TEST(a_stream_is_read_as_it_comes)
{
    int want = 0;

    task_spawn(loop_tasks(loop), read_stream, &want);
    spawn_named(feed_three, "");
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(log_text, "abc|");
}
END_TEST

START_TEST(a_silent_stream_is_given_up)
{
    int want = -ETIMEDOUT;

    task_spawn(loop_tasks(loop), read_stream, &want);
    task_spawn(loop_tasks(loop), feed_three, NULL);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(log_text, "abc|");
    server_stop(server); /* its end of the stream learns that we are gone */
    server = NULL;
    ck_assert_int_eq(streams_gone, 1);
}
END_TEST

/* A watch of objects that never change: the header comes, and for long nothing else. */
static void read_quiet_stream(void *arg)
{
    (void)arg;
    ck_assert_int_eq(get("/stream", take, 400, 0), 0);
    say("|");
}

static void feed_late(void *arg)
{
    (void)arg;
    while (!held)
        task_sleep(loop_tasks(loop), 1);
    task_sleep(loop_tasks(loop), 500);
    call_stream_write(held, "a", 1);
    call_stream_end(held);
}

START_TEST(a_stream_may_be_silent_once_its_header_came)
{
    task_spawn(loop_tasks(loop), read_quiet_stream, NULL);
    task_spawn(loop_tasks(loop), feed_late, NULL);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(log_text, "a|");
}
END_TEST

static void feed_much(void *arg)
{
    static char block[65536];

    (void)arg;
    memset(block, 'x', sizeof block);
    while (!held)
        task_sleep(loop_tasks(loop), 1);
    for (int i = 0; i < 100; i++)
        call_stream_write(held, block, sizeof block);
    call_stream_write(held, "!", 1);
    call_stream_end(held);
}

static size_t bulk;
static bool weigh(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    (void)bytes;
    bulk += len;
    task_sleep(loop_tasks(loop), 0);
    return true;
}

static void read_bulk(void *arg)
{
    (void)arg;
    ck_assert_int_eq(get("/stream", weigh, 1000, 5000), 0);
}

START_TEST(a_flood_is_taken_at_the_readers_pace_and_whole)
{
    bulk = 0;
    task_spawn(loop_tasks(loop), read_bulk, NULL);
    task_spawn(loop_tasks(loop), feed_much, NULL);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_uint_eq(bulk, 100 * 65536 + 1);
}
END_TEST

static void on_term(void *ctx, int signo)
{
    (void)ctx;
    ck_assert_int_eq(signo, SIGTERM);
    say("term;");
    tasks_cancel_all(loop_tasks(loop));
}

static void sleep_long(void *arg)
{
    (void)arg;
    kill(getpid(), SIGTERM);
    ck_assert_int_eq(task_sleep(loop_tasks(loop), 100000), -ECANCELED);
    say("woken;");
}

START_TEST(a_signal_is_handled_between_tasks)
{
    ck_assert_int_eq(loop_on_signal(loop, SIGTERM, on_term, NULL), 0);
    task_spawn(loop_tasks(loop), sleep_long, NULL);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(log_text, "term;woken;");
}
END_TEST

START_TEST(hundreds_of_requests_run_side_by_side)
{
    for (int i = 0; i < 300; i++)
        spawn_named(getter, "/fast");
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_uint_eq(strlen(log_text), sizeof log_text - 1);
}
END_TEST

/* Connections share their TLS sessions, and no trust: in turn, without looking and with whom to
 * trust. */
static void ask_with_less_and_more_trust(void *arg)
{
    const struct certificates *certs = arg;
    struct http_tls blind = {.insecure = true}, strict = {.ca_pem = NULL},
                    trusting = {.ca_pem = certs->ca};
    const struct http_tls *turns[] = {&blind, &strict, &trusting, &strict, &blind};
    char url[128];

    snprintf(url, sizeof url, "https://127.0.0.1:%u/fast", server_port(server));
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        struct http_request req = {.url = url, .tls = turns[i], .timeout_ms = 10000};
        struct http_response r;

        say(client->perform(client->self, &req, &r) == 0 ? "taken;" : "refused;");
        http_response_release(&r);
    }
}

START_TEST(a_session_is_resumed_by_equal_trust_alone)
{
    struct certificates certs = certificates_make("IP:127.0.0.1", false);
    struct server_options o = {.address = "127.0.0.1",
                               .handler = handle,
                               .cert_pem = certs.server_cert,
                               .key_pem = certs.server_key};

    server_stop(server);
    ck_assert_int_eq(server_start_on_loop(loop, &o, &server), 0);
    task_spawn(loop_tasks(loop), ask_with_less_and_more_trust, &certs);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(log_text, "taken;refused;taken;refused;taken;");
    certificates_release(&certs);
}
END_TEST

START_TEST(a_server_stops_with_calls_unanswered)
{
    spawn_named(expect_timeout, "/hold");
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_ptr_nonnull(held);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loop");
    TCase *tc = tcase_create("loop");
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, tc);
    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_slow_answer_holds_nobody_else_up);
    tcase_add_test(tc, a_url_arrives_as_written_and_redirects_are_followed);
    tcase_add_test(tc, a_cancelled_request_ends_at_once);
    tcase_add_test(tc, a_deadline_ends_a_request);
    tcase_add_test(tc, a_stream_is_read_as_it_comes);
    tcase_add_test(tc, a_silent_stream_is_given_up);
    tcase_add_test(tc, a_stream_may_be_silent_once_its_header_came);
    tcase_add_test(tc, a_flood_is_taken_at_the_readers_pace_and_whole);
    tcase_add_test(tc, a_signal_is_handled_between_tasks);
    tcase_add_test(tc, hundreds_of_requests_run_side_by_side);
    tcase_add_test(tc, a_session_is_resumed_by_equal_trust_alone);
    tcase_add_test(tc, a_server_stops_with_calls_unanswered);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
