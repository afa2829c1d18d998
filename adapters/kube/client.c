#include "adapters/kube/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/peek.h"

#define QPS_DEFAULT 100.0
#define BURST_DEFAULT 250
#define TIMEOUT_MS_DEFAULT 30000
#define RETRIES_MAX 10
#define PAGE_SIZE_DEFAULT 100
#define ACCEPT_METADATA                                                                            \
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
#define ACCEPT_METADATA_LIST                                                                       \
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

/*
 * The rate limit is a clock of its own (GCRA): each request moves `next_us` on by one interval; a
 * request may run ahead of the real time by the burst. It needs no background refill, and those who
 * wait go in order.
 */
struct rate {
    int64_t interval_us, burst_us, next_us;
};

struct kube_client {
    struct kube_config *config; /* credentials rotate while we run */
    struct http_client *http;
    const struct clock *clock;
    struct kube_client_options options;
    struct rate rate;
    struct kube_counts counts;
    bool (*may_write)(void *ctx);
    void *guard_ctx;
    void (*observe)(void *ctx, enum kube_verb verb, const struct kube_resource *r, int status,
                    int64_t ms);
    void *observe_ctx;
    kube_recall *recall;
    void *recall_ctx;
};

/* One call as it goes over the wire. */
struct call {
    enum kube_verb verb;
    const struct kube_resource *resource; /* NULL for plain paths */
    const char *method;
    const char *path;
    const char *content_type; /* of the body */
    const char *accept;       /* NULL = JSON */
    char *body;               /* NULL = none */
    bool writes;
};

static const char *const verb_names[KUBE_VERB_COUNT] = {"get",    "list",  "watch", "create",
                                                        "update", "patch", "delete"};

const char *kube_verb_name(enum kube_verb verb)
{
    return verb_names[verb];
}

struct kube_client *kube_client_new(struct kube_config *config, struct http_client *http,
                                    const struct clock *clock,
                                    const struct kube_client_options *options)
{
    struct kube_client *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->config = config;
    c->http = http;
    c->clock = clock;
    if (options)
        c->options = *options;
    if (!(c->options.qps > 0))
        c->options.qps = QPS_DEFAULT;
    if (c->options.burst <= 0)
        c->options.burst = BURST_DEFAULT;
    if (c->options.timeout_ms <= 0)
        c->options.timeout_ms = TIMEOUT_MS_DEFAULT;
    if (!c->options.user_agent)
        c->options.user_agent = "coalmine";
    c->rate.interval_us = (int64_t)(1e6 / c->options.qps);
    c->rate.burst_us = c->rate.interval_us * (c->options.burst - 1);
    return c;
}

void kube_client_free(struct kube_client *c)
{
    free(c);
}

const struct kube_counts *kube_client_counts(const struct kube_client *c)
{
    return &c->counts;
}

const struct clock *kube_client_clock(const struct kube_client *c)
{
    return c->clock;
}

void kube_client_guard(struct kube_client *c, bool (*may_write)(void *ctx), void *ctx)
{
    c->may_write = may_write;
    c->guard_ctx = ctx;
}

void kube_client_observe(struct kube_client *c,
                         void (*observe)(void *ctx, enum kube_verb verb,
                                         const struct kube_resource *r, int status, int64_t ms),
                         void *ctx)
{
    c->observe = observe;
    c->observe_ctx = ctx;
}

void kube_client_recall(struct kube_client *c, kube_recall *recall, void *ctx)
{
    c->recall = recall;
    c->recall_ctx = ctx;
}

/* ---- one request
 * --------------------------------------------------------------------------------------- */

static void wait_for_turn(struct kube_client *c)
{
    int64_t now_us = c->clock->mono_ms(c->clock->self) * 1000;
    int64_t wait_ms;

    if (c->rate.next_us < now_us)
        c->rate.next_us = now_us;
    wait_ms = (c->rate.next_us - c->rate.burst_us - now_us + 999) / 1000;
    c->rate.next_us += c->rate.interval_us;
    if (wait_ms <= 0)
        return;
    c->counts.throttled++;
    c->counts.throttled_ms += wait_ms;
    c->clock->sleep_ms(c->clock->self, wait_ms);
}

static int fail(struct kube_error *e, enum kube_reason reason, int code, const char *text)
{
    memset(e, 0, sizeof *e);
    e->reason = reason;
    e->code = code;
    snprintf(e->message, sizeof e->message, "%s", text);
    return reason == KUBE_TRANSPORT ? code : kube_reason_errno(reason);
}

static void count(struct kube_client *c, const struct call *call, int status, int64_t started_ms)
{
    c->counts.requests[call->verb]++;
    if (status == 0 || status >= 400)
        c->counts.failures[call->verb]++;
    if (call->resource == &kube_leases)
        c->counts.lease_requests++;
    if (c->observe)
        c->observe(c->observe_ctx, call->verb, call->resource, status,
                   c->clock->mono_ms(c->clock->self) - started_ms);
}

static bool guard_refuses(const struct kube_client *c, const struct call *call)
{
    return call->writes && c->may_write && call->resource != &kube_leases &&
           !c->may_write(c->guard_ctx);
}

/* The parts of a request that only this file knows: address, identity, credentials. */
struct wire {
    struct http_header headers[4];
    struct http_request req;
    struct strbuf url, authorization;
};

static void wire_release(struct wire *w)
{
    strbuf_release(&w->url);
    strbuf_release(&w->authorization);
}

static int wire_prepare(struct kube_client *c, const struct call *call, struct wire *w,
                        struct kube_error *reterr)
{
    char text[512] = "";
    int r;

    memset(w, 0, sizeof *w);
    r = kube_config_authorize(c->config, c->clock, &w->authorization, text, sizeof text);
    if (r != 0)
        return fail(reterr, r == -ECANCELED ? KUBE_CANCELED : KUBE_TRANSPORT, r, text);
    strbuf_adds(&w->url, kube_config_server(c->config));
    strbuf_adds(&w->url, call->path);
    if (w->url.failed || w->authorization.failed)
        return fail(reterr, KUBE_TRANSPORT, -ENOMEM, "out of memory");
    w->req.method = call->method;
    w->req.url = w->url.data;
    w->req.body = call->body;
    w->req.body_len = call->body ? strlen(call->body) : 0;
    w->req.timeout_ms = c->options.timeout_ms;
    w->req.tls = kube_config_tls(c->config);
    w->req.proxy_url = kube_config_proxy_url(c->config);
    w->req.headers = w->headers;
    w->headers[w->req.header_count++] =
        (struct http_header){"Accept", call->accept ? call->accept : "application/json"};
    w->headers[w->req.header_count++] = (struct http_header){"User-Agent", c->options.user_agent};
    if (call->body)
        w->headers[w->req.header_count++] =
            (struct http_header){"Content-Type", call->content_type};
    if (w->authorization.len > 0)
        w->headers[w->req.header_count++] =
            (struct http_header){"Authorization", w->authorization.data};
    return 0;
}

/* 0 when the server answered with 2xx; the error is filled otherwise. */
static int send_once(struct kube_client *c, const struct call *call, struct http_response *ret,
                     struct kube_error *reterr)
{
    struct wire w;
    int64_t started_ms;
    int r;

    memset(ret, 0, sizeof *ret);
    r = wire_prepare(c, call, &w, reterr);
    if (r != 0)
        goto out;
    wait_for_turn(c);
    if (guard_refuses(c, call)) {
        r = fail(reterr, KUBE_REFUSED, 0, "not sent: this process is not the leader any more");
        goto out;
    }
    started_ms = c->clock->mono_ms(c->clock->self);
    r = c->http->perform(c->http->self, &w.req, ret);
    count(c, call, r == 0 ? ret->status : 0, started_ms);
    if (r != 0) {
        r = fail(reterr, r == -ECANCELED ? KUBE_CANCELED : KUBE_TRANSPORT, r, ret->error);
    } else if (ret->status / 100 != 2) {
        kube_error_parse(ret->status, ret->body, ret->body_len,
                         http_response_header(ret, "Retry-After"), call->path, reterr);
        r = kube_reason_errno(reterr->reason);
        if (ret->status == 401)
            kube_config_unauthorized(c->config);
    }
out:
    wire_release(&w);
    return r;
}

/*
 * How long to wait before sending the call again, -1 = do not. Turned away unperformed: any call.
 * Connection broken: only reads, as a write may have happened. A credential that has just expired:
 * once more with a fresh one.
 */
static int64_t retry_pause(const struct call *call, const struct kube_error *e, int attempt,
                           bool *unauthorized)
{
    if (attempt >= RETRIES_MAX)
        return -1;
    if (e->reason == KUBE_UNAUTHORIZED && !*unauthorized) {
        *unauthorized = true;
        return 0;
    }
    if (e->code == 429 || (e->code >= 500 && e->retry_after_ms > 0))
        return e->retry_after_ms > 0 ? e->retry_after_ms : 1000;
    if (e->reason == KUBE_TRANSPORT && e->code == -ECONNRESET && !call->writes && attempt == 0)
        return 0;
    return -1;
}

static int send_call(struct kube_client *c, const struct call *call, struct http_response *ret,
                     struct kube_error *reterr)
{
    bool unauthorized = false;
    int attempt;

    for (attempt = 0;; attempt++) {
        int64_t pause_ms;
        int r = send_once(c, call, ret, reterr);
        if (r == 0) {
            memset(reterr, 0, sizeof *reterr);
            return 0;
        }
        pause_ms = retry_pause(call, reterr, attempt, &unauthorized);
        http_response_release(ret);
        if (pause_ms < 0)
            return r;
        c->counts.retries++;
        if (pause_ms > 0)
            c->clock->sleep_ms(c->clock->self, pause_ms);
    }
}

/* The answer's object, where somebody holds it already. */
static cJSON *recall_object(const struct kube_client *c, const struct call *call,
                            const struct http_response *resp)
{
    struct peek p;

    if (!c->recall || !call->resource || resp->truncated ||
        !peek_object(resp->body, resp->body_len, &p))
        return NULL;
    return c->recall(c->recall_ctx, call->resource, p.ns, p.name, p.version);
}

static int parse_object(const struct kube_client *c, const struct call *call,
                        const struct http_response *resp, cJSON **ret_object,
                        struct kube_error *reterr)
{
    cJSON *object = recall_object(c, call, resp);
    bool changed;

    /* One odd object must not make a list unreadable, and with it all others. */
    if (object == NULL)
        object = json_parse_tolerant(resp->body, resp->body_len, &changed);
    if (resp->truncated || !cJSON_IsObject(object)) {
        json_free(object);
        return fail(reterr, KUBE_MALFORMED, resp->status,
                    resp->truncated ? "the server's answer is too large"
                                    : "the server's answer is no JSON object");
    }
    *ret_object = object;
    return 0;
}

/* Send, and read the answer when somebody wants it. Takes over `path` and call->body. */
static int run(struct kube_client *c, struct call *call, struct strbuf *path, cJSON **ret_object,
               struct kube_error *reterr)
{
    struct http_response resp;
    int r;

    memset(&resp, 0, sizeof resp);
    if (call->writes && c->options.dry_run)
        kube_path_add_query(path, "dryRun", "All");
    if (path->failed) {
        r = fail(reterr, KUBE_TRANSPORT, -ENOMEM, "out of memory");
    } else {
        call->path = path->data;
        r = send_call(c, call, &resp, reterr);
    }
    if (r == 0 && ret_object)
        r = parse_object(c, call, &resp, ret_object, reterr);
    http_response_release(&resp);
    strbuf_release(path);
    free(call->body);
    return r;
}

/* ---- reads
 * ------------------------------------------------------------------------------------------------
 */

int kube_get_path(struct kube_client *c, const char *path, cJSON **ret_object,
                  struct kube_error *reterr)
{
    struct call call = {.verb = KUBE_GET, .method = "GET"};
    struct strbuf b = STRBUF_INIT;

    strbuf_adds(&b, path);
    return run(c, &call, &b, ret_object, reterr);
}

int kube_get(struct kube_client *c, const struct kube_resource *r, const char *ns, const char *name,
             cJSON **ret_object, struct kube_error *reterr)
{
    struct call call = {.verb = KUBE_GET, .resource = r, .method = "GET"};
    struct strbuf path = STRBUF_INIT;

    kube_path(&path, r, ns, name, NULL);
    return run(c, &call, &path, ret_object, reterr);
}

static void list_path(struct strbuf *path, const struct kube_resource *r, const char *ns,
                      const struct kube_list_options *o, const char *continue_token)
{
    char limit[24];

    kube_path(path, r, ns, NULL, NULL);
    if (o->label_selector)
        kube_path_add_query(path, "labelSelector", o->label_selector);
    if (o->field_selector)
        kube_path_add_query(path, "fieldSelector", o->field_selector);
    snprintf(limit, sizeof limit, "%lld",
             (long long)(o->page_size > 0 ? o->page_size : PAGE_SIZE_DEFAULT));
    kube_path_add_query(path, "limit", limit);
    if (continue_token)
        kube_path_add_query(path, "continue", continue_token);
    else if (o->resource_version)
        kube_path_add_query(path, "resourceVersion", o->resource_version);
}

/* Items of a list come without apiVersion and kind. */
static void name_kind(const struct kube_resource *r, cJSON *item, bool metadata_only)
{
    char version[128];

    if (metadata_only)
        snprintf(version, sizeof version, "meta.k8s.io/v1");
    else if (r->group[0])
        snprintf(version, sizeof version, "%s/%s", r->group, r->version);
    else
        snprintf(version, sizeof version, "%s", r->version);
    if (!json_get(item, "apiVersion"))
        json_set_str(item, "apiVersion", version);
    if (!json_get(item, "kind"))
        json_set_str(item, "kind", metadata_only ? "PartialObjectMetadata" : r->kind);
}

/* Hand over the items of one page. False when on_item wants no more. */
static bool hand_over(const struct kube_resource *r, cJSON *page, bool metadata_only,
                      kube_on_item *on_item, void *ctx)
{
    cJSON *items = json_get(page, "items");
    cJSON *item, *next;

    for (item = items ? items->child : NULL; item; item = next) {
        next = item->next;
        if (!cJSON_IsObject(item))
            continue;
        cJSON_DetachItemViaPointer(items, item);
        name_kind(r, item, metadata_only);
        if (!on_item(ctx, item))
            return false;
    }
    return true;
}

static int list_page(struct kube_client *c, const struct kube_resource *r, const char *ns,
                     const struct kube_list_options *o, const char *continue_token,
                     cJSON **ret_page, struct kube_error *reterr)
{
    struct call call = {.verb = KUBE_LIST,
                        .resource = r,
                        .method = "GET",
                        .accept = o->metadata_only ? ACCEPT_METADATA_LIST : NULL};
    struct strbuf path = STRBUF_INIT;

    list_path(&path, r, ns, o, continue_token);
    return run(c, &call, &path, ret_page, reterr);
}

int kube_list(struct kube_client *c, const struct kube_resource *r, const char *ns,
              const struct kube_list_options *options, kube_on_item *on_item, void *ctx,
              char **ret_resource_version, struct kube_error *reterr)
{
    static const struct kube_list_options defaults = {0};
    const struct kube_list_options *o = options ? options : &defaults;
    char *token = NULL;
    bool more = true;
    int result = 0;

    while (more) {
        cJSON *page, *meta;
        const char *next, *version;
        result = list_page(c, r, ns, o, token, &page, reterr);
        free(token);
        token = NULL;
        if (result != 0)
            return result;
        meta = json_get(page, "metadata");
        next = json_str_or(meta, "continue", "");
        version = json_str_or(meta, "resourceVersion", "");
        token = *next ? strdup(next) : NULL;
        if (*next && !token)
            result = fail(reterr, KUBE_TRANSPORT, -ENOMEM, "out of memory");
        more = hand_over(r, page, o->metadata_only, on_item, ctx) && token;
        if (result == 0 && !more && ret_resource_version) {
            *ret_resource_version = strdup(version);
            if (!*ret_resource_version)
                result = fail(reterr, KUBE_TRANSPORT, -ENOMEM, "out of memory");
        }
        json_free(page);
    }
    free(token);
    return result;
}

int kube_stream(struct kube_client *c, const struct kube_resource *r, const char *path_and_query,
                bool metadata_only, int64_t idle_ms, http_on_data *on_data, void *ctx,
                struct kube_error *reterr)
{
    struct call call = {.verb = KUBE_WATCH,
                        .resource = r,
                        .method = "GET",
                        .path = path_and_query,
                        .accept = metadata_only ? ACCEPT_METADATA : NULL};
    struct http_response resp;
    struct wire w;
    int64_t started_ms;
    int result;

    memset(&resp, 0, sizeof resp);
    memset(reterr, 0, sizeof *reterr);
    result = wire_prepare(c, &call, &w, reterr);
    if (result != 0)
        goto out;
    w.req.idle_ms = idle_ms;
    wait_for_turn(c);
    started_ms = c->clock->mono_ms(c->clock->self);
    result = c->http->stream(c->http->self, &w.req, on_data, ctx, &resp);
    count(c, &call, result == 0 ? resp.status : 0, started_ms);
    if (result != 0) {
        result =
            fail(reterr, result == -ECANCELED ? KUBE_CANCELED : KUBE_TRANSPORT, result, resp.error);
    } else if (resp.status / 100 != 2) {
        kube_error_parse(resp.status, resp.body, resp.body_len,
                         http_response_header(&resp, "Retry-After"), path_and_query, reterr);
        result = kube_reason_errno(reterr->reason);
        if (resp.status == 401)
            kube_config_unauthorized(c->config);
    }
    http_response_release(&resp);
out:
    wire_release(&w);
    return result;
}

/* ---- writes
 * ------------------------------------------------------------------------------------------------
 */

static int write_object(struct kube_client *c, const struct kube_resource *r, enum kube_verb verb,
                        const char *subresource, const cJSON *object, cJSON **ret_object,
                        struct kube_error *reterr)
{
    const cJSON *meta = json_get(object, "metadata");
    struct call call = {.verb = verb,
                        .resource = r,
                        .method = verb == KUBE_CREATE ? "POST" : "PUT",
                        .content_type = "application/json",
                        .writes = true};
    struct strbuf path = STRBUF_INIT;
    const char *name = json_str(meta, "name");

    if (verb == KUBE_UPDATE && !name)
        return fail(reterr, KUBE_BAD_REQUEST, 0, "resource name may not be empty");
    call.body = json_print(object);
    if (!call.body)
        return fail(reterr, KUBE_TRANSPORT, -ENOMEM, "out of memory");
    kube_path(&path, r, json_str(meta, "namespace"), verb == KUBE_CREATE ? NULL : name,
              subresource);
    return run(c, &call, &path, ret_object, reterr);
}

int kube_create(struct kube_client *c, const struct kube_resource *r, const cJSON *object,
                cJSON **ret_object, struct kube_error *reterr)
{
    return write_object(c, r, KUBE_CREATE, NULL, object, ret_object, reterr);
}

int kube_update(struct kube_client *c, const struct kube_resource *r, const cJSON *object,
                cJSON **ret_object, struct kube_error *reterr)
{
    return write_object(c, r, KUBE_UPDATE, NULL, object, ret_object, reterr);
}

int kube_update_status(struct kube_client *c, const struct kube_resource *r, const cJSON *object,
                       cJSON **ret_object, struct kube_error *reterr)
{
    return write_object(c, r, KUBE_UPDATE, "status", object, ret_object, reterr);
}

int kube_patch(struct kube_client *c, const struct kube_resource *r, const char *ns,
               const char *name, const char *subresource, enum kube_patch kind, const cJSON *patch,
               cJSON **ret_object, struct kube_error *reterr)
{
    static const char *const types[] = {"application/merge-patch+json",
                                        "application/json-patch+json",
                                        "application/strategic-merge-patch+json"};
    struct call call = {.verb = KUBE_PATCH,
                        .resource = r,
                        .method = "PATCH",
                        .content_type = types[kind],
                        .body = json_print(patch),
                        .writes = true};
    struct strbuf path = STRBUF_INIT;

    if (!call.body)
        return fail(reterr, KUBE_TRANSPORT, -ENOMEM, "out of memory");
    kube_path(&path, r, ns, name, subresource);
    return run(c, &call, &path, ret_object, reterr);
}

int kube_delete(struct kube_client *c, const struct kube_resource *r, const char *ns,
                const char *name, const char *uid, const char *resource_version,
                const char *propagation, struct kube_error *reterr)
{
    struct call call = {.verb = KUBE_DELETE,
                        .resource = r,
                        .method = "DELETE",
                        .content_type = "application/json",
                        .writes = true};
    struct strbuf path = STRBUF_INIT;
    cJSON *options = cJSON_CreateObject();
    cJSON *preconditions = NULL;

    json_set_str(options, "apiVersion", "v1");
    json_set_str(options, "kind", "DeleteOptions");
    if (uid || resource_version)
        preconditions = json_child_object(options, "preconditions");
    if (uid)
        json_set_str(preconditions, "uid", uid);
    if (resource_version)
        json_set_str(preconditions, "resourceVersion", resource_version);
    if (propagation)
        json_set_str(options, "propagationPolicy", propagation);
    call.body = json_print(options);
    json_free(options);
    if (!call.body)
        return fail(reterr, KUBE_TRANSPORT, -ENOMEM, "out of memory");
    kube_path(&path, r, ns, name, NULL);
    return run(c, &call, &path, NULL, reterr);
}

int64_t kube_retry_pause_ms(enum kube_retry retry, int attempt, uint64_t random)
{
    static const int64_t backoff_ms[] = {10, 50, 250};
    int64_t base = -1;

    if (retry == KUBE_RETRY_DEFAULT && attempt >= 1 && attempt <= 4)
        base = 10;
    if (retry == KUBE_RETRY_BACKOFF && attempt >= 1 && attempt <= 3)
        base = backoff_ms[attempt - 1];
    return base < 0 ? -1 : base + (int64_t)(random % (uint64_t)(base / 10 + 1));
}

static int modify_once(struct kube_client *c, const struct kube_resource *r, const char *ns,
                       const char *name, bool status, kube_change *change, void *ctx,
                       cJSON **ret_object, struct kube_error *reterr)
{
    cJSON *object;
    int result = kube_get(c, r, ns, name, &object, reterr);

    if (result != 0)
        return result;
    object = json_own(object);
    if (!object)
        return fail(reterr, KUBE_TRANSPORT, -ENOMEM, "out of memory");
    result = change(ctx, object);
    if (result == 0) {
        result =
            write_object(c, r, KUBE_UPDATE, status ? "status" : NULL, object, ret_object, reterr);
    } else if (result > 0) {
        if (ret_object)
            *ret_object = object;
        else
            json_free(object);
        return 0;
    } else {
        fail(reterr, KUBE_OTHER, 0, "given up by the caller");
    }
    json_free(object);
    return result;
}

int kube_modify(struct kube_client *c, const struct kube_resource *r, const char *ns,
                const char *name, bool status, enum kube_retry retry, kube_change *change,
                void *ctx, cJSON **ret_object, struct kube_error *reterr)
{
    int attempt;

    for (attempt = 1;; attempt++) {
        int result = modify_once(c, r, ns, name, status, change, ctx, ret_object, reterr);
        int64_t pause_ms;
        if (result != -EBUSY || reterr->reason != KUBE_CONFLICT)
            return result;
        pause_ms = kube_retry_pause_ms(retry, attempt, c->clock->random(c->clock->self));
        if (pause_ms < 0)
            return result;
        c->clock->sleep_ms(c->clock->self, pause_ms);
    }
}
