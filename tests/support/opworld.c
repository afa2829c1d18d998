#include "tests/support/opworld.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/arena.h"
#include "adapters/manifest/node.h"

#define API "http://sim"

/* ---- time --------------------------------------------------------------------------------------
 */

static int64_t mono(void *self)
{
    const struct opworld *w = self;

    return w->now_ms;
}

static int64_t wall(void *self)
{
    const struct opworld *w = self;

    return w->start_ms + w->now_ms;
}

static void nap(void *self, int64_t ms)
{
    struct opworld *w = self;

    task_sleep(w->tasks, ms);
}

static uint64_t draw(void *self)
{
    struct opworld *w = self;

    w->random += 0x9e3779b97f4a7c15u;
    return w->random ^ w->random >> 29;
}

/* Everybody waits: go on to what happens next, here or in the cluster. */
static int idle(void *self, int64_t until_ms)
{
    struct opworld *w = self;
    int64_t next = simkube_next_at(w->k);

    if (next != SIMKUBE_NEVER && next - w->start_ms < until_ms)
        until_ms = next - w->start_ms;
    else if (until_ms > w->now_ms)
        w->timers++;
    if (until_ms == INT64_MAX)
        return -EDEADLK;
    if (until_ms > w->now_ms)
        w->now_ms = until_ms;
    simkube_advance(w->k, wall(w));
    gate_notify(w->tasks, &w->moved);
    return 0;
}

/* ---- the API -----------------------------------------------------------------------------------
 */

static const char *header_of(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (strcmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    }
    return NULL;
}

static void call(struct opworld *w, const struct http_request *req, struct simkube_reply *reply)
{
    struct simkube_request r = {.user = "admin",
                                .method = req->method ? req->method : "GET",
                                .target = req->url + strlen(API),
                                .accept = header_of(req, "Accept"),
                                .content_type = header_of(req, "Content-Type"),
                                .body = req->body,
                                .body_len = req->body ? req->body_len : 0};

    simkube_call(w->k, wall(w), &r, reply);
    gate_notify(w->tasks, &w->moved);
}

/* The process dies at a request: before it was sent, or with its answer on the way. */
static bool dies_here(struct opworld *w)
{
    if (!w->dead && w->kill_at != 0 && ++w->requests >= w->kill_at) {
        w->dead = true;
        operator_stop(w->op, 0);
    }
    return w->dead;
}

static int api_perform(void *self, const struct http_request *req,
                       struct http_response *ret_response)
{
    struct opworld *w = self;
    struct simkube_reply reply;
    bool was_dead = w->dead, dying = dies_here(w);
    int code = 0;

    memset(ret_response, 0, sizeof(*ret_response));
    if (was_dead || (dying && !w->kill_after))
        return -ECANCELED;
    call(w, req, &reply);
    if (dying)
        code = -ECANCELED; /* done, and nobody hears of it */
    else
        code = http_response_fill(ret_response, reply.status, NULL, 0, strbuf_str(&reply.body),
                                  reply.body.len);
    simkube_reply_release(&reply);
    if (code == 0)
        task_sleep(w->tasks, w->late_list && strstr(req->url, w->late_list) ? w->late_ms : 1);
    return code;
}

static int api_stream(void *self, const struct http_request *req, http_on_data *on_data, void *ctx,
                      struct http_response *ret_response)
{
    struct opworld *w = self;
    struct simkube_reply reply;
    struct strbuf text = STRBUF_INIT;
    bool open = true, wanted = true;
    int code = 0;

    memset(ret_response, 0, sizeof(*ret_response));
    if (w->dead)
        return -ECANCELED;
    call(w, req, &reply);
    if (reply.watch == NULL) {
        code = http_response_fill(ret_response, reply.status, NULL, 0, strbuf_str(&reply.body),
                                  reply.body.len);
        simkube_reply_release(&reply);
        return code;
    }
    strbuf_addf(&w->watches, "%s\n", req->url + strlen(API));
    while (open && wanted && code == 0) {
        strbuf_clear(&text);
        open = simkube_watch_read(w->k, wall(w), reply.watch, &text);
        if (text.len > 0)
            wanted = on_data(ctx, text.data, text.len);
        if (open && wanted)
            code = gate_wait(w->tasks, &w->moved, INT64_MAX) == -ECANCELED ? -ECANCELED : 0;
    }
    strbuf_addf(&w->watches, "- %s\n", req->url + strlen(API));
    simkube_watch_close(w->k, reply.watch);
    simkube_reply_release(&reply);
    strbuf_release(&text);
    if (code == 0)
        code = http_response_fill(ret_response, 200, NULL, 0, "", 0);
    return code;
}

/* ---- metric server and hooks -------------------------------------------------------------------
 */

static void hear_hook(struct opworld *w, const struct http_request *req)
{
    cJSON *body = req->body ? json_parse(req->body, req->body_len, NULL) : NULL;

    strbuf_addf(&w->hooks, "%s\n", json_str_or(body, "phase", "?"));
    json_free(body);
}

/* As Prometheus does: a sample for each step of the range, the newest of the given ones last. */
static void answer_range(struct opworld *w, const char *url, bool primary, struct strbuf *out)
{
    const double *samples = primary ? w->primary_samples : w->canary_samples;
    const char *start = strstr(url, "start="), *end = strstr(url, "end="),
               *step = strstr(url, "step=");
    size_t wanted, count = w->sample_count;

    ck_assert_msg(start && end && step, "no range: %s", url);
    wanted = (size_t)((atof(end + 4) - atof(start + 6)) / atof(step + 5) + 1.5);
    count = wanted < count ? wanted : count;
    strbuf_adds(out, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[");
    for (size_t i = 0; i < count; i++)
        strbuf_addf(out, "%s[%zu,\"%g\"]", i ? "," : "{\"metric\":{},\"values\":[", i * 60,
                    samples[w->sample_count - count + i]);
    strbuf_adds(out, count ? "]}]}}" : "]}}");
}

static double answer_of(const struct opworld *w, const char *url)
{
    const double *side = w->counts[strstr(url, "-primary") != NULL];

    if (strstr(url, "vector"))
        return 1;
    if (!strstr(url, "increase"))
        return w->metric;
    /* the good ones exclude 5xx, an error query counts them */
    if (strstr(url, "%21~"))
        return side[0] - side[1];
    return strstr(url, "5..") ? side[1] : side[0];
}

static int web_perform(void *self, const struct http_request *req,
                       struct http_response *ret_response)
{
    struct opworld *w = self;
    struct strbuf body = STRBUF_INIT;
    int code;

    memset(ret_response, 0, sizeof(*ret_response));
    if (w->dead)
        return -ECANCELED;
    task_sleep(w->tasks, 5);
    if (strstr(req->url, "://hook") != NULL || strstr(req->url, "@hook") != NULL) {
        hear_hook(w, req);
        if (w->hook_ms > 0 && (w->slow_hook == NULL || strstr(req->url, w->slow_hook)))
            task_sleep(w->tasks, w->hook_ms);
        if (w->on_hook)
            w->on_hook(w);
        return http_response_fill(ret_response, w->hooks_allow ? 200 : 403, NULL, 0, "no", 2);
    }
    strbuf_addf(&w->queries, "%s\n", req->url);
    if (strstr(req->url, "://chat") != NULL) {
        http_error_text(ret_response->error, sizeof(ret_response->error), "POST", req->url,
                        "dial tcp: connection refused");
        return -ECONNREFUSED;
    }
    if (strstr(req->url, "://leak") != NULL) { /* a server that quotes what it was sent */
        strbuf_addf(&body, "not allowed: %s",
                    header_of(req, "Authorization") ? header_of(req, "Authorization") : "nobody");
        code = http_response_fill(ret_response, 403, NULL, 0, strbuf_str(&body), body.len);
        strbuf_release(&body);
        return code;
    }
    if (strstr(req->url, "query_range"))
        answer_range(w, req->url, strstr(req->url, "primary") != NULL, &body);
    else
        strbuf_addf(&body,
                    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{"
                    "\"metric\":{},\"value\":[1,\"%.3f\"]}]}}",
                    answer_of(w, req->url));
    code = http_response_fill(ret_response, 200, NULL, 0, strbuf_str(&body), body.len);
    strbuf_release(&body);
    return code;
}

/* ---- objects -----------------------------------------------------------------------------------
 */

int opworld_try(struct opworld *w, const char *method, const char *path, const char *body)
{
    struct simkube_request r = {
        .user = "admin",
        .method = method,
        .target = path,
        .content_type = strcmp(method, "PATCH") == 0 ? "application/merge-patch+json" : NULL,
        .body = body,
        .body_len = body ? strlen(body) : 0};
    struct simkube_reply reply;
    int status;

    simkube_call(w->k, wall(w), &r, &reply);
    status = reply.status;
    simkube_reply_release(&reply);
    return status;
}

static int request(struct opworld *w, const char *method, const char *target, const char *type,
                   const char *body)
{
    struct simkube_request r = {.user = "admin",
                                .method = method,
                                .target = target,
                                .content_type = type,
                                .body = body,
                                .body_len = body ? strlen(body) : 0};
    struct simkube_reply reply;
    int status;

    simkube_call(w->k, wall(w), &r, &reply);
    status = reply.status;
    if (status >= 300 && status != 409)
        ck_abort_msg("%s %s: %d %s", method, target, status, strbuf_str(&reply.body));
    simkube_reply_release(&reply);
    return status;
}

static void path_of(const cJSON *object, char *out, size_t size)
{
    const char *kind = json_str_or(object, "kind", ""),
               *version = json_str_or(object, "apiVersion", ""),
               *ns = json_str(json_get(object, "metadata"), "namespace");
    size_t len = strlen(kind);
    char plural[80];

    snprintf(plural, sizeof(plural), "%.70s%s", kind,
             strcmp(kind, "Canary") == 0       ? ""
             : len > 0 && kind[len - 1] == 's' ? "es"
                                               : "s");
    if (strcmp(kind, "Canary") == 0)
        snprintf(plural, sizeof(plural), "canaries");
    for (char *p = plural; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
    snprintf(out, size, "/%s/%s%s%s/%s", strchr(version, '/') ? "apis" : "api", version,
             ns ? "/namespaces/" : "", ns ? ns : "", plural);
}

static void apply_text(struct opworld *w, const char *file, const char *text, size_t len)
{
    struct arena *arena = arena_new(0);
    struct documents docs = {0};
    struct diags diags;

    diags_init(&diags, arena);
    ck_assert_int_eq(node_parse_all(arena, &diags, file, text, len, NULL, &docs), 0);
    for (size_t i = 0; i < docs.count; i++) {
        cJSON *object = node_to_json(docs.items[i].root);
        char path[400], *body = json_print(object);

        path_of(object, path, sizeof(path));
        if (request(w, "POST", path, NULL, body) == 409) {
            strncat(path, "/", sizeof(path) - strlen(path) - 1);
            strncat(path, json_str_or(json_get(object, "metadata"), "name", ""),
                    sizeof(path) - strlen(path) - 1);
            request(w, "PATCH", path, "application/merge-patch+json", body);
        }
        free(body);
        json_free(object);
    }
    diags_release(&diags);
    arena_free(arena);
}

void opworld_apply(struct opworld *w, const char *yaml)
{
    apply_text(w, "text", yaml, strlen(yaml));
}

void opworld_apply_file(struct opworld *w, const char *path)
{
    struct arena *arena = arena_new(0);
    const char *text;
    size_t len;

    ck_assert_int_eq(file_read(arena, path, 0, &text, &len), 0);
    apply_text(w, path, text, len);
    arena_free(arena);
}

void opworld_patch(struct opworld *w, const char *path, const char *json)
{
    ck_assert_int_lt(request(w, "PATCH", path, "application/merge-patch+json", json), 300);
}

void opworld_delete(struct opworld *w, const char *path)
{
    ck_assert_int_lt(request(w, "DELETE", path, NULL, NULL), 300);
}

void opworld_delete_later(struct opworld *w, const char *path, int64_t ms)
{
    w->later_path = path;
    w->later_ms = ms;
}

static void do_later(void *arg)
{
    struct opworld *w = arg;

    task_sleep(w->tasks, w->later_ms);
    if (w->later_yaml)
        opworld_apply(w, w->later_yaml);
    else if (w->later_patch)
        opworld_patch(w, w->later_path, w->later_patch);
    else
        opworld_delete(w, w->later_path);
    gate_notify(w->tasks, &w->moved);
    w->later_path = w->later_patch = w->later_yaml = NULL;
}

void opworld_set_status(struct opworld *w, const char *member, const char *value)
{
    char body[300];

    snprintf(body, sizeof(body), "{\"status\":{\"%s\":\"%s\"}}", member, value);
    opworld_patch(w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo/status", body);
}

/* ---- life --------------------------------------------------------------------------------------
 */

static const char istio_crds[] =
    "apiVersion: apiextensions.k8s.io/v1\n"
    "kind: CustomResourceDefinition\n"
    "metadata: {name: virtualservices.networking.istio.io}\n"
    "spec:\n"
    "  group: networking.istio.io\n"
    "  scope: Namespaced\n"
    "  names: {plural: virtualservices, singular: virtualservice, kind: VirtualService}\n"
    "  versions: [{name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: "
    "object, x-kubernetes-preserve-unknown-fields: true}}}]\n"
    "---\n"
    "apiVersion: apiextensions.k8s.io/v1\n"
    "kind: CustomResourceDefinition\n"
    "metadata: {name: destinationrules.networking.istio.io}\n"
    "spec:\n"
    "  group: networking.istio.io\n"
    "  scope: Namespaced\n"
    "  names: {plural: destinationrules, singular: destinationrule, kind: DestinationRule}\n"
    "  versions: [{name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: "
    "object, x-kubernetes-preserve-unknown-fields: true}}}]\n"
    "---\n"
    "apiVersion: v1\n"
    "kind: Namespace\n"
    "metadata: {name: test}\n";

void opworld_init(struct opworld *w, uint64_t seed)
{
    struct simkube_config config = {.seed = seed, .start_ms = 1767225600000};

    memset(w, 0, sizeof(*w));
    w->start_ms = config.start_ms;
    w->metric = 100;
    w->hooks_allow = true;
    w->random = seed;
    w->k = simkube_new(&config);
    w->clock = (struct clock){w, wall, mono, nap, draw};
    w->api = (struct http_client){w, api_perform, api_stream};
    w->web = (struct http_client){w, web_perform, NULL};
    w->options = (struct operator_options){
        .deviations = PROFILE_DEFAULT, .metrics_server = "http://prometheus", .ticks_max = 16};
    opworld_apply_file(w, "crds/canary.yaml");
    opworld_apply_file(w, "crds/metrictemplate.yaml");
    opworld_apply_file(w, "crds/alertprovider.yaml");
    opworld_apply(w, istio_crds);
}

void opworld_release(struct opworld *w)
{
    simkube_free(w->k);
    strbuf_release(&w->hooks);
    strbuf_release(&w->queries);
    strbuf_release(&w->metrics);
    strbuf_release(&w->watches);
    strbuf_release(&w->log);
}

static void write_log(void *ctx, const char *line, size_t len)
{
    struct opworld *w = ctx;

    strbuf_add(&w->log, line, len);
}

struct deadline {
    struct opworld *w;
    int64_t until_ms;
};

static void stop_later(void *arg)
{
    const struct deadline *d = arg;

    task_sleep(d->w->tasks, d->until_ms - d->w->now_ms);
    operator_stop(d->w->op, 1000);
}

bool opworld_run(struct opworld *w, int64_t until_ms)
{
    struct tasks_options options = {.self = w, .mono_ms = mono, .idle = idle};
    struct kube_client_options client = {
        .qps = 100000, .burst = 100000, .dry_run = w->options.dry_run};
    struct deadline deadline = {w, until_ms};
    int code;

    w->dead = false;
    w->tasks = tasks_new(&options);
    w->config = kube_config_plain(API, NULL);
    w->kube = kube_client_new(w->config, &w->api, &w->clock, &client);
    w->options.tasks = w->tasks;
    w->options.clock = &w->clock;
    w->options.kube = w->kube;
    w->options.config = w->config;
    w->options.web = &w->web;
    w->options.write_log = write_log;
    w->options.log_ctx = w;
    w->op = operator_new(&w->options);
    operator_start(w->op);
    task_spawn(w->tasks, stop_later, &deadline);
    if (w->later_path || w->later_yaml)
        task_spawn(w->tasks, do_later, w);
    code = tasks_run(w->tasks);
    ck_assert_msg(code == 0, "tasks_run: %d\n%s", code, strbuf_str(&w->log));
    strbuf_clear(&w->metrics);
    operator_write_metrics(w->op, &w->metrics);
    operator_free(w->op);
    kube_client_free(w->kube);
    kube_config_free(w->config);
    tasks_free(w->tasks);
    return w->dead;
}

bool opworld_events_hold(struct opworld *w, const char *text)
{
    struct simkube_request r = {
        .user = "admin", .method = "GET", .target = "/api/v1/namespaces/test/events"};
    struct simkube_reply reply;
    bool found;

    simkube_call(w->k, wall(w), &r, &reply);
    found = strstr(strbuf_str(&reply.body), text) != NULL;
    simkube_reply_release(&reply);
    return found;
}

const char *opworld_status(struct opworld *w, const char *name, const char *member)
{
    const cJSON *canary = simkube_get(w->k, "flagger.app", "canaries", "test", name);

    return json_str_or(json_get(canary, "status"), member, "");
}

void opworld_run_for(struct opworld *w, int64_t ms)
{
    opworld_run(w, w->now_ms + ms);
}

bool opworld_said(const struct opworld *w, const char *text)
{
    return strstr(strbuf_str(&w->log), text) != NULL;
}

bool opworld_has(const struct opworld *w, const char *group, const char *resource, const char *name)
{
    return simkube_get(w->k, group, resource, "test", name) != NULL;
}

#define PODINFO                                                                                    \
    "apiVersion: apps/v1\n"                                                                        \
    "kind: Deployment\n"                                                                           \
    "metadata: {name: podinfo, namespace: test}\n"                                                 \
    "spec:\n"                                                                                      \
    "  replicas: 2\n"                                                                              \
    "  selector: {matchLabels: {app: podinfo}}\n"                                                  \
    "  template:\n"                                                                                \
    "    metadata: {labels: {app: podinfo}}\n"

const char opworld_podinfo[] =
    PODINFO "    spec: {containers: [{name: podinfo, image: \"podinfo:1\"}]}\n";

static const char podinfo_with_settings[] =
    PODINFO "    spec:\n"
            "      containers:\n"
            "      - name: podinfo\n"
            "        image: podinfo:1\n"
            "        envFrom: [{configMapRef: {name: settings}}]\n"
            "---\n"
            "apiVersion: v1\n"
            "kind: ConfigMap\n"
            "metadata: {name: settings, namespace: test}\n"
            "data: {color: red}\n";

void opworld_install(struct opworld *w, const char *provider, const char *strategy)
{
    char text[2000];

    opworld_apply(w, podinfo_with_settings);
    snprintf(text, sizeof(text),
             "apiVersion: flagger.app/v1beta1\n"
             "kind: Canary\n"
             "metadata: {name: podinfo, namespace: test}\n"
             "spec:\n"
             "  provider: %s\n"
             "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}\n"
             "  service: {port: 80}\n"
             "  analysis:\n"
             "    interval: 10s\n"
             "    threshold: 2\n"
             "%s"
             "    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, "
             "interval: 1m}]\n"
             "    webhooks: [{name: gate, type: confirm-rollout, url: "
             "\"http://hook/\"}]\n",
             provider, strategy);
    opworld_apply(w, text);
}

void opworld_set_image(struct opworld *w, const char *deployment, const char *image)
{
    const cJSON *d = simkube_get(w->k, "apps", "deployments", "test", deployment);
    cJSON *containers = json_copy(json_at(d, "spec", "template", "spec", "containers", NULL));
    struct strbuf path = STRBUF_INIT, patch = STRBUF_INIT;

    json_set_str(containers->child, "image", image);
    strbuf_addf(&path, "/apis/apps/v1/namespaces/test/deployments/%s", deployment);
    strbuf_adds(&patch, "{\"spec\":{\"template\":{\"spec\":{\"containers\":");
    json_add_to(&patch, containers);
    strbuf_adds(&patch, "}}}}");
    opworld_patch(w, strbuf_str(&path), strbuf_str(&patch));
    strbuf_release(&path);
    strbuf_release(&patch);
    json_free(containers);
}
