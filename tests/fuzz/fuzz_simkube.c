/*
 * Bytes become requests to a simulated cluster: each record is a choice of method, path, media type
 * and the time that passes, then a body. Whatever is asked, the server answers with a status, its
 * answers are JSON, its version never goes back, and memory is in order.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kube/api.h"
#include "sim/kube/faults.h"

static const char *const methods[] = {"GET",    "POST", "PUT",   "PATCH",
                                      "DELETE", "GET",  "PATCH", "POST"};
static const char *const types[] = {
    "application/json", "application/merge-patch+json", "application/json-patch+json",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml"};
static const char *const paths[] = {
    "/api/v1/namespaces/default/configmaps",
    "/api/v1/namespaces/default/configmaps/a",
    "/api/v1/namespaces/default/services",
    "/api/v1/namespaces/default/services/a",
    "/apis/apps/v1/namespaces/default/deployments",
    "/apis/apps/v1/namespaces/default/deployments/a",
    "/apis/apps/v1/namespaces/default/deployments/a/status",
    "/apis/apps/v1/namespaces/default/deployments/a/scale",
    "/apis/apps/v1/namespaces/default/deployments/a?fieldManager=f&force=true",
    "/apis/apps/v1/namespaces/default/daemonsets",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.test.dev",
    "/apis/test.dev/v1/namespaces/default/widgets",
    "/apis/test.dev/v1/namespaces/default/widgets/a",
    "/apis/test.dev/v1/namespaces/default/widgets/a/status",
    "/api/v1/namespaces",
    "/api/v1/namespaces/default",
    "/api/v1/pods?watch=1&allowWatchBookmarks=true",
    "/api/v1/configmaps?watch=1&labelSelector=a%3Db",
    "/api/v1/configmaps?limit=1",
    "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct simkube_watch *watches[4];

static void ask(struct simkube *k, int64_t now, const struct simkube_request *req, size_t n)
{
    struct simkube_reply reply;
    uint64_t before = simkube_version(k);
    cJSON *answer;

    simkube_call(k, now, req, &reply);
    assert(reply.status >= 200 && reply.status < 600);
    assert(simkube_version(k) >= before);
    if (reply.body.len && reply.content_type &&
        strcmp(reply.content_type, "application/json") == 0) {
        answer = json_parse(strbuf_str(&reply.body), reply.body.len, NULL);
        assert(answer);
        json_free(answer);
    }
    if (reply.watch) {
        simkube_watch_close(k, watches[n % COUNT(watches)]);
        watches[n % COUNT(watches)] = reply.watch;
    }
    simkube_reply_release(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct simkube_config config = {.seed = 1, .start_ms = 1767225600000, .history = 8};
    struct simkube *k = simkube_new(&config);
    int64_t now = config.start_ms;
    size_t n = 0;

    memset(watches, 0, sizeof(watches));
    while (size >= 4 && n < 64) {
        const uint8_t *end = memchr(data + 4, '\n', size - 4);
        size_t len = end ? (size_t)(end - data) - 4 : size - 4;
        char raw[300];
        struct simkube_request req = {
            .user = "admin",
            .method = methods[data[0] % COUNT(methods)],
            .target = paths[data[1] % COUNT(paths)],
            .content_type = types[data[2] % COUNT(types)],
            .accept = data[3] & 0x40 ? "application/json;as=Table;v=v1;g=meta.k8s.io" : NULL,
            .body = (const char *)data + 4,
            .body_len = len};

        now += (int64_t)(data[3] & 0x3f) * 50;
        if (data[3] & 0x80 && len < sizeof(raw) - 2) { /* the body is the path itself */
            raw[0] = '/';
            memcpy(raw + 1, data + 4, len);
            raw[len + 1] = '\0';
            req.target = raw;
            req.body_len = 0;
        }
        ask(k, now, &req, n++);
        data += 4 + len + (end != NULL);
        size -= 4 + len + (end != NULL);
    }
    simkube_advance(k, now + 5000);
    for (size_t i = 0; i < COUNT(watches); i++) {
        struct strbuf out = STRBUF_INIT;

        if (watches[i])
            simkube_watch_read(k, now + 5000, watches[i], &out);
        strbuf_release(&out);
    }
    simkube_free(k);
    return 0;
}
