/*
 * An API server that answers with whatever the input holds: a Canary, a Deployment, a Service, a
 * VirtualService, a MetricTemplate and a Secret, set apart by lines "=====". The operator lists and
 * reads them, takes the Canary up, ticks for a minute, writes (each write is answered with what it
 * sent), and ends. Nothing the API says makes it crash, hang or leak.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "adapters/http/task.h"
#include "adapters/kube/config.h"
#include "adapters/operator/operator.h"

static const char *const plurals[] = {"canaries",        "deployments",     "services",
                                      "virtualservices", "metrictemplates", "secrets"};
#define KINDS (sizeof plurals / sizeof *plurals)

static struct {
    const char *text[KINDS];
    size_t len[KINDS];
    int64_t now_ms;
    uint64_t random;
    struct tasks *tasks;
    struct operator* op;
} world;

/* ---- time --------------------------------------------------------------------------------------
 */

static int64_t mono(void *self)
{
    (void)self;
    return world.now_ms;
}

static int64_t wall(void *self)
{
    (void)self;
    return 1767225600000 + world.now_ms;
}

static void nap(void *self, int64_t ms)
{
    (void)self;
    task_sleep(world.tasks, ms);
}

static uint64_t draw(void *self)
{
    (void)self;
    return world.random += 0x9e3779b97f4a7c15u;
}

static int idle(void *self, int64_t until_ms)
{
    (void)self;
    if (until_ms == INT64_MAX)
        return -EDEADLK;
    if (until_ms > world.now_ms)
        world.now_ms = until_ms;
    return 0;
}

/* ---- the server --------------------------------------------------------------------------------
 */

static int kind_of(const char *url)
{
    for (size_t k = 0; k < KINDS; k++) {
        const char *at = strstr(url, plurals[k]);

        if (at && at[-1] == '/')
            return (int)k;
    }
    return -1;
}

/* A list with the one object there is, that object, or what was sent. */
static int api_perform(void *self, const struct http_request *req, struct http_response *ret)
{
    const char *at, *method = req->method ? req->method : "GET";
    int kind = kind_of(req->url), code;
    struct strbuf body = STRBUF_INIT;

    (void)self;
    task_sleep(world.tasks, 1);
    if (strcmp(method, "GET") != 0)
        return http_response_fill(ret, 200, NULL, 0, req->body ? req->body : "{}",
                                  req->body ? req->body_len : 2);
    if (kind < 0)
        return http_response_fill(ret, 404, NULL, 0, "{}", 2);
    at = strstr(req->url, plurals[kind]) + strlen(plurals[kind]);
    if (*at == '/') {
        strbuf_add(&body, world.text[kind], world.len[kind]);
    } else {
        strbuf_adds(&body, "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[");
        strbuf_add(&body, world.text[kind], world.len[kind]);
        strbuf_adds(&body, "]}");
    }
    code = http_response_fill(ret, 200, NULL, 0, strbuf_str(&body), body.len);
    strbuf_release(&body);
    return code;
}

static int api_stream(void *self, const struct http_request *req, http_on_data *on_data, void *ctx,
                      struct http_response *ret)
{
    (void)self;
    (void)req;
    (void)on_data;
    (void)ctx;
    memset(ret, 0, sizeof *ret);
    task_sleep(world.tasks, 3600000);
    return -ECANCELED;
}

static int web_perform(void *self, const struct http_request *req, struct http_response *ret)
{
    static const char one[] =
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":"
        "[{\"metric\":{},\"value\":[1,\"1\"]}]}}";

    (void)self;
    (void)req;
    task_sleep(world.tasks, 1);
    return http_response_fill(ret, 200, NULL, 0, one, strlen(one));
}

/* ---- one input ---------------------------------------------------------------------------------
 */

static void split(const char *data, size_t size)
{
    static const char mark[] = "\n=====\n";
    const char *at = data, *end = data + size;

    for (size_t k = 0; k < KINDS; k++) {
        const char *next = end;

        for (const char *p = at; p + strlen(mark) <= end; p++) {
            if (memcmp(p, mark, strlen(mark)) == 0) {
                next = p;
                break;
            }
        }
        world.text[k] = at;
        world.len[k] = (size_t)(next - at);
        at = next < end ? next + strlen(mark) : end;
    }
}

static void stop_later(void *arg)
{
    (void)arg;
    task_sleep(world.tasks, 65000);
    operator_stop(world.op, 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tasks_options options = {.mono_ms = mono, .idle = idle};
    struct clock clock = {NULL, wall, mono, nap, draw};
    struct http_client api = {NULL, api_perform, api_stream}, web = {NULL, web_perform, NULL};
    struct kube_config *config = kube_config_plain("http://api", NULL);
    struct kube_client_options fast = {.qps = 100000, .burst = 100000};
    struct kube_client *kube = kube_client_new(config, &api, &clock, &fast);
    struct operator_options o = {.kube = kube,
                                 .config = config,
                                 .web = &web,
                                 .clock = &clock,
                                 .deviations = PROFILE_DEFAULT,
                                 .mesh_provider = "istio"};
    struct strbuf metrics = STRBUF_INIT;
    int code;

    split((const char *)data, size);
    world.now_ms = 0;
    world.random = size;
    world.tasks = tasks_new(&options);
    o.tasks = world.tasks;
    world.op = operator_new(&o);
    operator_start(world.op);
    task_spawn(world.tasks, stop_later, NULL);
    code = tasks_run(world.tasks);
    assert(code == 0);
    assert(operator_has_ended(world.op));
    operator_write_metrics(world.op, &metrics);
    strbuf_release(&metrics);
    operator_free(world.op);
    tasks_free(world.tasks);
    kube_client_free(kube);
    kube_config_free(config);
    return 0;
}
