/*
 * Queries, hooks and chat over real HTTP: a Prometheus of its own with made-up history, and a small
 * server that plays a hook receiver, a chat service and a protected Prometheus.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "adapters/base/json.h"
#include "adapters/hook/hook.h"
#include "adapters/http/server.h"
#include "adapters/metrics/builtin.h"
#include "adapters/metrics/provider.h"
#include "adapters/notify/notify.h"
#include "tests/support/certificates.h"

static struct http_client *http;
static struct arena *arena;

/* ---- a server that answers by path ------------------------------- */

static char last_body[4096], last_type[128], last_authorization[256];

static void answer_text(struct server_call *c, int status, const char *text)
{
    call_answer(c, status, "text/plain", text, strlen(text));
}

static void handle(void *ctx, struct server_call *c)
{
    static const char one[] =
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":"
        "[{\"metric\":{},\"value\":[1,\"1\"]}]}}";
    const char *path = call_path(c), *type = call_header(c, "Content-Type"),
               *auth = call_header(c, "Authorization");
    size_t len;

    (void)ctx;
    snprintf(last_body, sizeof last_body, "%s", call_body(c, &len));
    snprintf(last_type, sizeof last_type, "%s", type ? type : "");
    snprintf(last_authorization, sizeof last_authorization, "%s", auth ? auth : "");
    if (strcmp(path, "/open") == 0)
        answer_text(c, 200, "Approved");
    else if (strcmp(path, "/closed") == 0)
        answer_text(c, 403, "Forbidden");
    else if (strcmp(path, "/broken") == 0)
        answer_text(c, 500, "boom");
    else if (strcmp(path, "/prom/api/v1/query") == 0 &&
             strcmp(last_authorization, "Bearer tok") == 0)
        call_answer(c, 200, "application/json", one, sizeof one - 1);
    else if (strcmp(path, "/basic/api/v1/query") == 0 &&
             strcmp(last_authorization, "Basic YWRtaW46aHVzaA==") == 0 &&
             call_header(c, "X-Scope-OrgID") && strcmp(call_header(c, "X-Scope-OrgID"), "7") == 0)
        call_answer(c, 200, "application/json", one, sizeof one - 1);
    else
        answer_text(c, 401, "who are you?");
}

static struct server *server_with(const struct certificates *certs)
{
    struct server_options options = {.address = "127.0.0.1", .handler = handle};
    struct server *s = NULL;

    if (certs) {
        options.cert_pem = certs->server_cert;
        options.key_pem = certs->server_key;
    }

    ck_assert_int_eq(server_start_thread(&options, &s), 0);
    return s;
}

static struct server *server_new(void)
{
    return server_with(NULL);
}

/* Anything that is not about reach: loopback is allowed for manifests. */
static void setup(void)
{
    static const struct http_options options = {.reach = HTTP_REACH_NO_LINK_LOCAL};

    arena = arena_new(0);
    http = http_client_curl_new_with(&options);
    ck_assert_ptr_nonnull(http);
}

static void teardown(void)
{
    http_client_curl_free(http);
    arena_free(arena);
}

static struct hook_answer call_hook(const char *url, const char *body)
{
    struct hook_call c = {.url = url, .timeout = "5s", .body = body, .body_len = strlen(body)};
    struct hook_answer a;

    hook_perform(&c, http, clock_real(), arena, &a);
    return a;
}

START_TEST(a_gate_opens_and_closes)
{
    struct server *s = server_new();
    char url[128];
    struct hook_answer a;

    snprintf(url, sizeof url, "http://127.0.0.1:%u/open", server_port(s));
    a = call_hook(url, "{\"name\":\"podinfo\"}");
    ck_assert_msg(a.ok, "%s", a.text);
    ck_assert_str_eq(last_body, "{\"name\":\"podinfo\"}");
    ck_assert_str_eq(last_type, "application/json");
    snprintf(url, sizeof url, "http://127.0.0.1:%u/closed", server_port(s));
    a = call_hook(url, "{}");
    ck_assert(!a.ok && a.from_body);
    ck_assert_str_eq(a.text, "Forbidden");
    snprintf(url, sizeof url, "http://127.0.0.1:%u/broken", server_port(s));
    a = call_hook(url, "{}");
    ck_assert_str_eq(a.text, arena_printf(arena, "POST %s giving up after 1 attempt(s)", url));
    server_stop(s);
    a = call_hook(url, "{}");
    ck_assert(!a.ok);
    ck_assert_msg(strstr(a.text, "connection refused") != NULL, "%s", a.text);
    ck_assert(strncmp(a.text,
                      arena_printf(arena,
                                   "POST %s giving up after 1 attempt(s): Post \"%s\": ", url, url),
                      strlen(url) * 2 + 44) == 0);
}
END_TEST

START_TEST(metadata_services_are_out_of_reach)
{
    struct hook_answer a = call_hook("http://169.254.169.254/latest/meta-data", "{}");

    ck_assert(!a.ok);
    ck_assert_uint_eq(a.attempts, 1);
    a = call_hook("http://[fe80::1]/", "{}");
    ck_assert(!a.ok);
}
END_TEST

START_TEST(chat_gets_the_message_and_its_address_stays_secret)
{
    struct server *s = server_new();
    struct notify_message m = {
        .workload = "podinfo", .name_space = "test", .text = "hello", .severity = "error"};
    struct notify_target t = {
        .type = "slack", .token = "xoxb", .username = "flagger", .channel = "general"};
    const char *why;

    t.address = arena_printf(arena, "http://127.0.0.1:%u/open", server_port(s));
    ck_assert_ptr_null(notify_send(&t, &m, http, arena));
    ck_assert_str_eq(last_authorization, "Bearer xoxb");
    ck_assert_ptr_nonnull(strstr(
        last_body, "\"color\":\"danger\",\"author_name\":\"podinfo.test\",\"text\":\"hello\""));
    t.address = arena_printf(arena, "http://127.0.0.1:%u/T000/s3cret", server_port(s));
    why = notify_send(&t, &m, http, arena);
    ck_assert_str_eq(why,
                     "postMessage failed: sending notification bad response 401: who are you?");
    server_stop(s);
    why = notify_send(&t, &m, http, arena);
    ck_assert_ptr_nonnull(why);
    ck_assert_msg(strstr(why, "s3cret") == NULL && strstr(why, "refused") != NULL, "%s", why);
    t.address = "hooks.slack.com/s3cret";
    ck_assert_str_eq(notify_send(&t, &m, http, arena), "invalid Slack hook URL (hidden)");
}
END_TEST

START_TEST(a_protected_server_wants_its_token)
{
    static const struct metric_secret token[] = {{"token", "tok"}};
    struct server *s = server_new();
    struct metric_provider_spec spec = {
        .type = "prometheus", .has_secret = true, .secret = token, .secret_count = 1};
    struct metric_provider *p;
    const char *why = NULL;

    spec.address = arena_printf(arena, "http://127.0.0.1:%u/prom/", server_port(s));
    p = metric_provider_new(arena, &spec, &why);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(metric_provider_online(p, http, clock_real(), arena));
    spec.has_secret = false;
    p = metric_provider_new(arena, &spec, &why);
    ck_assert_str_eq(metric_provider_online(p, http, clock_real(), arena),
                     "running query failed: error response: Status 401 Unauthorized: who are you?");
    server_stop(s);
}
END_TEST

/* As a MetricTemplate says it: secretRef, headers, insecureSkipVerify. NULL = it let us in. */
static const char *ask_over_tls(const struct server *s, bool insecure, bool with_header,
                                bool with_secret)
{
    static const struct metric_secret pair[] = {{"username", "admin"}, {"password", "hush"}};
    static const struct http_header tenant = {"X-Scope-OrgID", "7"};
    struct metric_provider_spec spec = {.type = "prometheus",
                                        .has_secret = with_secret,
                                        .secret = pair,
                                        .secret_count = with_secret ? 2 : 0,
                                        .headers = &tenant,
                                        .header_count = with_header,
                                        .insecure_skip_verify = insecure};
    struct metric_provider *p;
    const char *why = NULL;

    spec.address = arena_printf(arena, "https://127.0.0.1:%u/basic", server_port(s));
    p = metric_provider_new(arena, &spec, &why);
    ck_assert_msg(p != NULL, "%s", why);
    return metric_provider_online(p, http, clock_real(), arena);
}

START_TEST(basic_auth_headers_and_tls_are_as_the_template_says)
{
    struct certificates certs = certificates_make("IP:127.0.0.1", false);
    struct server *s = server_with(&certs);
    const char *why = ask_over_tls(s, true, true, true);

    ck_assert_msg(why == NULL, "%s", why);
    ck_assert_ptr_nonnull(strstr(ask_over_tls(s, true, false, true), "401"));
    ck_assert_ptr_nonnull(strstr(ask_over_tls(s, true, true, false), "401"));
    why = ask_over_tls(s, false, true, true);
    ck_assert_msg(why != NULL && strstr(why, "certificate") != NULL, "%s", why ? why : "let in");
    ck_assert_ptr_null(strstr(why, "hush"));
    server_stop(s);
    certificates_release(&certs);
}
END_TEST

/* ---- a real Prometheus ------------------------------------------- */

static char dir[] = "/tmp/coalmine-prometheus-XXXXXX";
static char prometheus_url[96];
static pid_t prometheus;

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

/*
 * Ten minutes of counters up to now: 97 of 100 requests a second succeed; all take less than half a
 * second, half of them less than a quarter.
 */
static void write_history(const char *path)
{
    static const char labels[] =
        "kubernetes_namespace=\"prod\",kubernetes_pod_name=\"podinfo-5f4-abc\"";
    long long now = (long long)time(NULL);
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fprintf(f, "# TYPE http_request_duration_seconds histogram\n");
    for (int status = 200; status <= 500; status += 300) {
        for (int i = 0; i <= 120; i++) {
            long long n = (long long)i * 5 * (status == 200 ? 97 : 3), at = now - 600 + i * 5;

            fprintf(
                f, "http_request_duration_seconds_bucket{%s,status=\"%d\",le=\"0.25\"} %lld %lld\n",
                labels, status, n / 2, at);
            fprintf(f,
                    "http_request_duration_seconds_bucket{%s,status=\"%d\",le=\"0.5\"} %lld %lld\n",
                    labels, status, n, at);
            fprintf(
                f, "http_request_duration_seconds_bucket{%s,status=\"%d\",le=\"+Inf\"} %lld %lld\n",
                labels, status, n, at);
            fprintf(f, "http_request_duration_seconds_count{%s,status=\"%d\"} %lld %lld\n", labels,
                    status, n, at);
        }
    }
    fprintf(f, "# EOF\n");
    fclose(f);
}

static void run(const char *command)
{
    ck_assert_msg(system(command) == 0, "%s", command);
}

static void prometheus_start(void)
{
    char path[128], command[512], listen[64];
    uint16_t port = free_port();
    FILE *f;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/history.txt", dir);
    write_history(path);
    snprintf(command, sizeof command,
             "promtool tsdb create-blocks-from openmetrics %s %s/data >%s/log 2>&1", path, dir,
             dir);
    run(command);
    snprintf(path, sizeof path, "%s/p.yml", dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("global: {}\n", f);
    fclose(f);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", port);
    snprintf(prometheus_url, sizeof prometheus_url, "http://%s", listen);
    prometheus = fork();
    ck_assert_int_ge(prometheus, 0);
    if (prometheus == 0) {
        snprintf(command, sizeof command,
                 "exec prometheus --config.file=%s --storage.tsdb.path=%s/data "
                 "--web.listen-address=%s >%s/log 2>&1",
                 path, dir, listen, dir);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
}

static void prometheus_stop(void)
{
    char command[128];

    kill(prometheus, SIGKILL);
    waitpid(prometheus, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    run(command);
}

static struct metric_answer ask(const struct metric_provider *p, const char *query)
{
    struct metric_answer a;

    metric_provider_query(p, http, clock_real(), query, arena, &a);
    return a;
}

START_TEST(a_real_prometheus_answers)
{
    struct metric_model m = {"web",     "prod", "podinfo", "podinfo", "podinfo",
                             "podinfo", "1m",   NULL,      0};
    const struct builtin *b = builtin_find("kubernetes", BUILTIN_AS_FLAGGER);
    struct metric_provider_spec spec = {.type = "prometheus"};
    struct metric_provider *p;
    struct metric_answer a;
    const char *why, *query = NULL;

    spec.address = prometheus_url;
    p = metric_provider_new(arena, &spec, &why);
    why = "not asked";
    for (int i = 0; i < 400 && why; i++) { /* until it is up */
        struct timespec pause = {0, 50000000};

        why = metric_provider_online(p, http, clock_real(), arena);
        if (why)
            nanosleep(&pause, NULL);
    }
    ck_assert_msg(!why, "%s", why);

    ck_assert_int_eq(builtin_render(b, false, &m, arena, &query, &why), 0);
    a = ask(p, query);
    ck_assert_msg(a.outcome == ANSWER_VALUE && fabs(a.value - 97) < 1e-6, "%d %.17g %s",
                  (int)a.outcome, a.value, a.text);
    ck_assert_int_eq(builtin_render(b, true, &m, arena, &query, &why), 0);
    a = ask(p, query);
    ck_assert_int_eq(a.outcome, ANSWER_VALUE);
    /* 0.25 s + 0.25 s * 49 / 50, and what floating point makes of it, truncated */
    ck_assert(builtin_duration_ms(b, a.value) == 494 || builtin_duration_ms(b, a.value) == 495);

    m.target = "nobody";
    ck_assert_int_eq(builtin_render(b, false, &m, arena, &query, &why), 0);
    a = ask(p, query);
    ck_assert_int_eq(a.outcome, ANSWER_NONE);
    ck_assert_str_eq(a.text, "no values found");
    a = ask(p, "vector(0) / vector(0)");
    ck_assert_int_eq(a.outcome, ANSWER_NONE);
    a = ask(p, "http_request_duration_seconds_count[5m]");
    ck_assert_int_eq(a.outcome, ANSWER_MULTIPLE);
    a = ask(p, "sum(");
    ck_assert_int_eq(a.outcome, ANSWER_ERROR);
    ck_assert_msg(strncmp(a.text,
                          "error response: Status 400 Bad Request: "
                          "{\"status\":\"error\",\"errorType\":\"bad_data\"",
                          78) == 0,
                  "%s", a.text);
    a = ask(p, "1 / vector(0)");
    ck_assert(a.outcome == ANSWER_VALUE && isinf(a.value));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics_live");
    TCase *tc = tcase_create("http"), *live = tcase_create("prometheus");
    SRunner *r = srunner_create(s);
    bool found = false;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_gate_opens_and_closes);
    tcase_add_test(tc, metadata_services_are_out_of_reach);
    tcase_add_test(tc, chat_gets_the_message_and_its_address_stays_secret);
    tcase_add_test(tc, a_protected_server_wants_its_token);
    tcase_add_test(tc, basic_auth_headers_and_tls_are_as_the_template_says);
    suite_add_tcase(s, tc);
    tcase_set_timeout(live, 60);
    if (system("command -v prometheus promtool >/dev/null 2>&1") == 0)
        found = true;
    else
        puts("no Prometheus on this machine: its test is left out");
    if (found) {
        tcase_add_unchecked_fixture(live, prometheus_start, prometheus_stop);
        tcase_add_checked_fixture(live, setup, teardown);
        tcase_add_test(live, a_real_prometheus_answers);
    }
    suite_add_tcase(s, live);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
