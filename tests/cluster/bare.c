/*
 * tests/cluster/bare.c — the four requests of a tick under way, two queries and two writes, made by
 * libcurl alone, at the pace of a hundred Canaries: what no operator over libcurl can be below.
 * Prints the processor's time for each tick, in milliseconds.
 *
 *   bare METRICS_URL API_URL TOKEN CA_FILE TICKS     patches ConfigMap default/bare, adds Events
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WARM_UP 20
#define PAUSE_NS 90000000L /* between two ticks */

struct bare {
    CURL *metrics, *api;
    const char *metrics_url, *api_url;
    struct curl_slist *patch_headers, *post_headers;
    bool failed;
};

static size_t swallow(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * count;
}

static void perform(struct bare *b, CURL *easy, const char *url)
{
    long status = 0;
    CURLcode code;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status / 100 == 2)
        return;
    fprintf(stderr, "bare: %s: %s, status %ld\n", url, curl_easy_strerror(code), status);
    b->failed = true;
}

static void query(struct bare *b, int app)
{
    char url[1000];

    snprintf(url, sizeof url,
             "%s/api/v1/query?query=+histogram_quantile%%28+0.99%%2C+sum%%28+rate%%28+"
             "http_request_duration_seconds_bucket%%7B+kubernetes_namespace%%3D%%22fig%%22%%2C+"
             "kubernetes_pod_name%%3D~%%22app-%d-%%5B0-9a-zA-Z%%5D%%2B%%28-%%5B0-9a-zA-Z%%5D%%2B"
             "%%29%%22+%%7D%%5B1m%%5D+%%29+%%29+by+%%28le%%29+%%29",
             b->metrics_url, app);
    perform(b, b->metrics, url);
}

static void write_to(struct bare *b, const char *method, struct curl_slist *headers,
                     const char *path, const char *body)
{
    char url[1000];

    snprintf(url, sizeof url, "%s%s", b->api_url, path);
    curl_easy_setopt(b->api, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(b->api, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(b->api, CURLOPT_POSTFIELDS, body);
    perform(b, b->api, url);
}

static void tick(struct bare *b, int number)
{
    int app = 1 + number % 100;
    char body[1000];

    query(b, app);
    query(b, app);
    snprintf(body, sizeof body, "{\"data\":{\"iterations\":\"%d\"}}", number);
    write_to(b, "PATCH", b->patch_headers, "/api/v1/namespaces/default/configmaps/bare", body);
    snprintf(body, sizeof body,
             "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"generateName\":\"bare.\"},"
             "\"involvedObject\":{\"kind\":\"ConfigMap\",\"name\":\"bare\",\"namespace\":"
             "\"default\"},\"reason\":\"Synced\",\"type\":\"Normal\",\"message\":"
             "\"Advance app-%d.fig canary iteration %d/10\",\"source\":{\"component\":\"bare\"}}",
             app, number);
    write_to(b, "POST", b->post_headers, "/api/v1/namespaces/default/events", body);
}

static CURL *handle_new(void)
{
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        exit(4);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    return easy;
}

int main(int argc, char **argv)
{
    const struct timespec pause = {0, PAUSE_NS};
    struct bare b = {0};
    char authorization[300];
    clock_t from = 0;
    int ticks;

    if (argc != 6 || (ticks = atoi(argv[5])) <= 0) {
        fprintf(stderr, "usage: bare METRICS_URL API_URL TOKEN CA_FILE TICKS\n");
        return 2;
    }
    b.metrics_url = argv[1];
    b.api_url = argv[2];
    b.metrics = handle_new();
    b.api = handle_new();
    curl_easy_setopt(b.api, CURLOPT_CAINFO, argv[4]);
    curl_easy_setopt(b.api, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", argv[3]);
    b.patch_headers = curl_slist_append(NULL, authorization);
    b.patch_headers =
        curl_slist_append(b.patch_headers, "Content-Type: application/merge-patch+json");
    b.post_headers = curl_slist_append(NULL, authorization);
    b.post_headers = curl_slist_append(b.post_headers, "Content-Type: application/json");
    for (int i = -WARM_UP; i < ticks && !b.failed; i++) {
        if (i == 0)
            from = clock();
        tick(&b, i + WARM_UP);
        nanosleep(&pause, NULL);
    }
    if (!b.failed)
        printf("%.3f\n", (double)(clock() - from) * 1000 / CLOCKS_PER_SEC / ticks);
    curl_easy_cleanup(b.metrics);
    curl_easy_cleanup(b.api);
    curl_slist_free_all(b.patch_headers);
    curl_slist_free_all(b.post_headers);
    return b.failed ? 4 : 0;
}
