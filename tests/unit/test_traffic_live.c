/*
 * Traffic as it really arrives: a server that counts its requests, a Prometheus that scrapes it,
 * and what its answers come to when they are read as traffic, as latency, and as samples for a
 * judge. RECORD=FILE keeps the answer of the range query: so
 * tests/golden/whatif/prometheus-range.json was made.
 */
#include <arpa/inet.h>
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "adapters/base/json.h"
#include "adapters/http/server.h"
#include "adapters/metrics/provider.h"
#include "adapters/whatif/histogram.h"
#include "adapters/whatif/trace.h"

static const char rate_query[] = "sum(rate(http_requests_total[4s]))";

static struct http_client *http;
static struct arena *arena;
static struct server *server;
static atomic_uint
    served; /* every tenth request fails, and takes a third of a second by its word */
static char dir[] = "/tmp/coalmine-test-XXXXXX", url[64];
static pid_t prometheus;
static int64_t first_ms;

/* ---- the server that is scraped ---- */

static void expose(struct server_call *c)
{
    unsigned n = atomic_load(&served), bad = n / 10;
    char text[1024];
    int len =
        snprintf(text, sizeof text,
                 "# TYPE http_requests_total counter\n"
                 "http_requests_total{code=\"200\"} %u\nhttp_requests_total{code=\"500\"} %u\n"
                 "# TYPE http_request_duration_seconds histogram\n"
                 "http_request_duration_seconds_bucket{le=\"0.05\"} %u\n"
                 "http_request_duration_seconds_bucket{le=\"0.5\"} %u\n"
                 "http_request_duration_seconds_bucket{le=\"+Inf\"} %u\n"
                 "http_request_duration_seconds_count %u\n"
                 "http_request_duration_seconds_sum %g\n",
                 n - bad, bad, n - bad, n, n, n, 0.02 * (n - bad) + 0.3 * bad);

    call_answer(c, 200, "text/plain; version=0.0.4", text, (size_t)len);
}

static void handle(void *ctx, struct server_call *c)
{
    (void)ctx;
    if (strcmp(call_path(c), "/metrics") == 0)
        expose(c);
    else
        call_answer(c, atomic_fetch_add(&served, 1) % 10 == 9 ? 500 : 200, "text/plain", "", 0);
}

/* ---- the Prometheus that scrapes ---- */

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void prometheus_start(void)
{
    char path[128], command[512];
    FILE *f;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/p.yml", dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f,
            "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: web\n"
            "    static_configs: [{targets: ['127.0.0.1:%u']}]\n",
            server_port(server));
    fclose(f);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", free_port());
    snprintf(command, sizeof command,
             "exec prometheus --config.file=%s --storage.tsdb.path=%s/data "
             "--web.listen-address=%s >%s/log 2>&1",
             path, dir, url + strlen("http://"), dir);
    prometheus = fork();
    ck_assert_int_ge(prometheus, 0);
    if (prometheus == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
}

static void setup(void)
{
    static const struct http_options options = {.reach = HTTP_REACH_NO_LINK_LOCAL};
    static const struct server_options here = {.address = "127.0.0.1", .handler = handle};

    arena = arena_new(0);
    http = http_client_curl_new_with(&options);
    ck_assert_ptr_nonnull(http);
    ck_assert_int_eq(server_start_thread(&here, &server), 0);
    prometheus_start();
}

static void teardown(void)
{
    char command[128];

    kill(prometheus, SIGKILL);
    waitpid(prometheus, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    server_stop(server);
    http_client_curl_free(http);
    arena_free(arena);
}

/* ---- asking ---- */

/* The body of the answer in the arena; NULL when nobody answers yet. */
static const char *get(const char *address)
{
    struct http_request req = {.method = "GET", .url = address, .timeout_ms = 5000};
    struct http_response r;
    const char *body = NULL;

    if (http->perform(http->self, &req, &r) == 0 && r.status == 200)
        body = arena_strndup(arena, r.body, r.body_len);
    http_response_release(&r);
    return body;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *ask_range(void)
{
    return get(arena_printf(arena,
                            "%s/api/v1/query_range?query=sum(rate(http_requests_total%%5B4s%%5D))"
                            "&start=%lld&end=%lld&step=1",
                            url, (long long)(first_ms / 1000), (long long)(now_ms() / 1000)));
}

static int samples_in(const char *answer)
{
    cJSON *root = answer ? json_parse(answer, strlen(answer), NULL) : NULL;
    int n = cJSON_GetArraySize(
        json_get(cJSON_GetArrayItem(json_at(root, "data", "result", NULL), 0), "values"));

    json_free(root);
    return n;
}

/* Real requests, until Prometheus has seen enough of them. */
static const char *load_until(int samples)
{
    char *page = arena_printf(arena, "http://127.0.0.1:%u/", server_port(server));
    struct timespec pause = {0, 100000000};
    const char *answer = NULL;

    first_ms = now_ms();
    while (samples_in(answer) < samples) {
        for (int i = 0; i < 5; i++) {
            struct http_request req = {.method = "GET", .url = page, .timeout_ms = 5000};
            struct http_response r;

            ck_assert_int_eq(http->perform(http->self, &req, &r), 0);
            http_response_release(&r);
        }
        nanosleep(&pause, NULL);
        answer = ask_range();
    }
    return answer;
}

static void keep(const char *answer)
{
    const char *path = getenv("RECORD");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (f) {
        fputs(answer, f);
        fputc('\n', f);
        fclose(f);
    }
}

/* ---- what the answers come to ---- */

static void check_trace(const char *answer, struct diags *diags)
{
    cJSON *root = json_parse(answer, strlen(answer), NULL);
    const cJSON *values =
        json_get(cJSON_GetArrayItem(json_at(root, "data", "result", NULL), 0), "values");
    int count = cJSON_GetArraySize(values);
    struct trace t;

    ck_assert_int_eq(trace_read(&t, arena, diags, "range", answer, strlen(answer)), 0);
    ck_assert(t.step_ms == 1000 && t.count >= (uint32_t)count);
    for (int i = 0; i < count; i++) {
        const cJSON *sample = cJSON_GetArrayItem(values, i), *first = cJSON_GetArrayItem(values, 0);
        double since =
            cJSON_GetArrayItem(sample, 0)->valuedouble - cJSON_GetArrayItem(first, 0)->valuedouble;
        double want = atof(cJSON_GetArrayItem(sample, 1)->valuestring);

        ck_assert(want > 0 && fabs(t.values[(int)(since + 0.5)] - want) < 1e-9 * want);
    }
    json_free(root);
}

static void check_histogram(struct diags *diags)
{
    const char *answer = get(arena_printf(arena,
                                          "%s/api/v1/query?query=sum%%20by(le)"
                                          "(http_request_duration_seconds_bucket)",
                                          url));
    struct whatif_model m = {.slowdown = 1};
    struct model_histogram h;

    ck_assert_ptr_nonnull(answer);
    ck_assert_int_eq(histogram_read(&h, arena, diags, "answer", answer, strlen(answer), 1000), 0);
    m.histogram = &h;
    ck_assert_uint_eq(h.count, 2);
    ck_assert(fabs(model_latency_cdf(&m, 50) - 0.9) < 0.05 && model_latency_cdf(&m, 500) >= 1);
    /* and what the server itself exposes, its name in it */
    answer = get(arena_printf(arena, "http://127.0.0.1:%u/metrics", server_port(server)));
    ck_assert_int_eq(histogram_read(&h, arena, diags, "metrics", answer, strlen(answer), 0), 0);
    ck_assert(h.count == 2 && h.bounds_ms[0] >= 50 && h.bounds_ms[0] <= 50);
}

/* A judge's samples: the operator's own range query against the real server. */
static void check_samples(void)
{
    struct metric_provider_spec spec = {.type = "prometheus", .address = url};
    struct metric_range range = {.start_ms = first_ms, .end_ms = now_ms(), .step_ms = 1000};
    struct metric_values values;
    const char *why = NULL;
    struct metric_provider *p = metric_provider_new(arena, &spec, &why);

    ck_assert_msg(p, "%s", why);
    metric_provider_range(p, http, rate_query, &range, arena, &values);
    ck_assert_msg(!values.error, "%s", values.error);
    ck_assert_uint_ge(values.count, 4);
    for (uint32_t i = 0; i < values.count; i++)
        ck_assert(values.values[i] > 0);
    metric_provider_range(p, http, "sum(nothing)", &range, arena, &values);
    ck_assert(!values.error && values.count == 0);
    metric_provider_range(p, http, "sum(", &range, arena, &values);
    ck_assert_ptr_nonnull(strstr(values.error, "error response: Status 400"));
}

START_TEST(traffic_that_a_real_prometheus_has_seen_is_read_back)
{
    const char *answer = load_until(getenv("RECORD") ? 60 : 5);
    struct diags diags;

    diags_init(&diags, arena);
    keep(answer);
    check_trace(answer, &diags);
    check_histogram(&diags);
    check_samples();
    /* one series for each code: which of them is traffic? */
    answer = get(arena_printf(arena,
                              "%s/api/v1/query_range?query=http_requests_total&start=%lld&end=%lld"
                              "&step=1",
                              url, (long long)(first_ms / 1000), (long long)(now_ms() / 1000)));
    struct trace t;
    ck_assert_int_ne(trace_read(&t, arena, &diags, "range", answer, strlen(answer)), 0);
    ck_assert_str_eq(diags.items[0].what, "the answer holds more than one series");
    diags_release(&diags);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("traffic_live");
    TCase *tc = tcase_create("prometheus");
    SRunner *r = srunner_create(s);
    int failed;

    if (system("command -v prometheus >/dev/null 2>&1") != 0) {
        puts("no Prometheus on this machine");
        srunner_free(r);
        return 77;
    }
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, setup, teardown);
    tcase_add_test(tc, traffic_that_a_real_prometheus_has_seen_is_read_back);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
