#include "adapters/simkube/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct client {
    struct http_client http; /* first: the address handed out */
    struct client *next;
    struct simworld *world;
    char *user;
    bool dead;
};

struct simworld {
    struct simworld_options options;
    struct tasks *tasks;
    struct clock clock;
    struct client *clients;
    struct follower *first, **last; /* who reads a watch, in the order they began */
    int64_t start_ms, wall_offset_ms;
    uint64_t random_counter, requests;
};

/* A task that hands the lines of a watch on; woken when there are some. */
struct follower {
    struct client *client;
    struct simkube_watch *watch;
    struct gate ready;
    struct follower *next;
};

/* ---- time
 * ----------------------------------------------------------------------------------------- */

static int64_t mono_ms(void *self)
{
    const struct simworld *w = self;

    return simkube_now(w->options.kube) - w->start_ms;
}

static int64_t wall_ms(void *self)
{
    const struct simworld *w = self;

    return simkube_now(w->options.kube) + w->wall_offset_ms;
}

static void sleep_ms(void *self, int64_t ms)
{
    struct simworld *w = self;

    task_sleep(w->tasks, ms);
}

static uint64_t next_random(void *self)
{
    struct simworld *w = self;
    uint64_t z = w->options.seed + 0x9e3779b97f4a7c15u * ++w->random_counter;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void wake_followers(struct simworld *w)
{
    for (struct follower *f = w->first; f; f = f->next) {
        if (f->ready.first && (f->client->dead || simkube_watch_ready(w->options.kube, f->watch)))
            gate_notify(w->tasks, &f->ready);
    }
}

/* Move virtual time to the next thing that is due, but not past `until_ms`. */
static int idle(void *self, int64_t until_ms)
{
    struct simworld *w = self;
    struct simkube *k = w->options.kube;
    int64_t next = simkube_next_at(k), until;

    if (until_ms <= mono_ms(w))
        return 0;
    if (w->options.limit_ms > 0 && mono_ms(w) > w->options.limit_ms)
        return -ETIME;
    until = until_ms == INT64_MAX ? INT64_MAX : until_ms + w->start_ms;
    if (next > until)
        next = until;
    if (next == INT64_MAX)
        return -EDEADLK;
    simkube_advance(k, next);
    wake_followers(w);
    return 0;
}

static void on_write(void *ctx, const struct simkube_write *write)
{
    struct simworld *w = ctx;

    (void)write;
    wake_followers(w);
}

/* ---- answers
 * --------------------------------------------------------------------------------------- */

struct storage {
    struct http_header headers[3];
    char type[64], retry[16], warning[256];
};

static void keep_text(char *out, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);

    memcpy(out, text, len);
    out[len] = '\0';
}

/* `body` is taken over; NULL when there was no memory for it. */
static int fill(struct http_response *r, int status, const char *type, int retry_s,
                const char *warning, char *body, size_t len)
{
    struct storage *s = malloc(sizeof(*s));

    memset(r, 0, sizeof(*r));
    if (!s || !body) {
        free(s);
        free(body);
        return -ENOMEM;
    }
    r->body = body;
    r->body_len = len;
    r->status = status;
    r->storage = s;
    r->headers = s->headers;
    keep_text(s->type, sizeof(s->type), type ? type : "text/plain");
    s->headers[r->header_count++] = (struct http_header){"Content-Type", s->type};
    if (retry_s > 0) {
        snprintf(s->retry, sizeof(s->retry), "%d", retry_s);
        s->headers[r->header_count++] = (struct http_header){"Retry-After", s->retry};
    }
    if (warning && *warning) {
        keep_text(s->warning, sizeof(s->warning), warning);
        s->headers[r->header_count++] = (struct http_header){"Warning", s->warning};
    }
    return 0;
}

/* The reply's own body becomes that of the answer. */
static int fill_from(struct http_response *r, struct simkube_reply *reply)
{
    size_t len = reply->body.len;

    return fill(r, reply->status, reply->content_type, reply->retry_after_s, reply->warning,
                strbuf_detach(&reply->body), len);
}

int simworld_respond(struct http_response *ret_response, int status, const char *type,
                     const char *body, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy) {
        memcpy(copy, body, len);
        copy[len] = '\0';
    }
    return fill(ret_response, status, type, 0, NULL, copy, len);
}

static int fail(struct http_response *r, int rc, const char *text)
{
    memset(r, 0, sizeof(*r));
    snprintf(r->error, sizeof(r->error), "%s", text);
    return rc;
}

/* ---- requests
 * ---------------------------------------------------------------------------------------- */

static const char *header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    }
    return NULL;
}

static bool is_api(const char *url)
{
    size_t len = strlen(SIMWORLD_API);

    return strncmp(url, SIMWORLD_API, len) == 0 && url[len] == '/';
}

static void translate(const struct client *c, const struct http_request *req,
                      struct simkube_request *out)
{
    memset(out, 0, sizeof(*out));
    out->user = c->user;
    out->method = req->method ? req->method : "GET";
    out->target = req->url + strlen(SIMWORLD_API);
    out->accept = header(req, "Accept");
    out->content_type = header(req, "Content-Type");
    out->body = req->body;
    out->body_len = req->body ? req->body_len : 0;
}

/* Let time pass for this task. False when it was cancelled or its process is dead. */
static bool pass(struct client *c, int64_t ms)
{
    return task_sleep(c->world->tasks, ms) == 0 && !c->dead;
}

static bool outlasts(const struct http_request *req, int64_t ms)
{
    return req->timeout_ms > 0 && ms >= req->timeout_ms;
}

/*
 * Ask the cluster under the fate drawn for this request. 0 with `reply` filled (to be released), or
 * -Exxx with response->error set and nothing to release in `reply`.
 */
static int ask(struct client *c, const struct http_request *req, struct simkube_reply *reply,
               struct http_response *response)
{
    struct simworld *w = c->world;
    struct simkube *k = w->options.kube;
    struct simkube_request request;
    struct simkube_fate fate;
    int64_t half = w->options.latency_ms / 2;

    translate(c, req, &request);
    request.number = ++w->requests;
    fate = simkube_draw_fate(k, &request);
    if (fate.kind == FATE_LATE_EFFECT && outlasts(req, fate.delay_ms)) {
        simkube_post_late(k, simkube_now(k) + fate.delay_ms, &request);
        if (!pass(c, req->timeout_ms))
            return fail(response, -ECANCELED, "context canceled");
        return fail(response, -ETIMEDOUT, "context deadline exceeded");
    }
    if (!pass(c, fate.kind == FATE_LATE_EFFECT ? fate.delay_ms : w->options.latency_ms - half))
        return fail(response, -ECANCELED, "context canceled");
    if (!simkube_call_fated(k, simkube_now(k), &fate, &request, reply)) {
        simkube_reply_release(reply);
        return fail(response, -ECONNRESET, "read: connection reset by peer");
    }
    if (fate.kind == FATE_LATE_ANSWER && outlasts(req, fate.delay_ms)) {
        bool alive = pass(c, req->timeout_ms);

        simkube_reply_release(reply);
        return alive ? fail(response, -ETIMEDOUT, "context deadline exceeded")
                     : fail(response, -ECANCELED, "context canceled");
    }
    if (!pass(c, fate.kind == FATE_LATE_ANSWER ? fate.delay_ms : half)) {
        simkube_watch_close(k, reply->watch);
        simkube_reply_release(reply);
        return fail(response, -ECANCELED, "context canceled");
    }
    return 0;
}

static int elsewhere(struct client *c, const struct http_request *req,
                     struct http_response *response)
{
    struct simworld *w = c->world;

    if (c->dead)
        return fail(response, -ECANCELED, "context canceled");
    if (!w->options.elsewhere)
        return fail(response, -EHOSTUNREACH, "dial tcp: no such host");
    return w->options.elsewhere(w->options.ctx, req, response);
}

static int perform(void *self, const struct http_request *req, struct http_response *ret_response)
{
    struct client *c = self;
    struct simkube_reply reply;
    int rc;

    memset(ret_response, 0, sizeof(*ret_response));
    if (!is_api(req->url))
        return elsewhere(c, req, ret_response);
    if (c->dead)
        return fail(ret_response, -ECANCELED, "context canceled");
    rc = ask(c, req, &reply, ret_response);
    if (rc)
        return rc;
    simkube_watch_close(c->world->options.kube, reply.watch);
    rc = fill_from(ret_response, &reply);
    simkube_reply_release(&reply);
    return rc;
}

static void unfollow(struct simworld *w, const struct follower *f)
{
    struct follower **at = &w->first;

    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    if (w->last == &f->next)
        w->last = at;
}

/* Hand the watch's lines on until it ends, breaks, or nobody wants it any more. */
static int follow(struct client *c, struct simkube_watch *watch, http_on_data *on_data, void *ctx)
{
    struct simworld *w = c->world;
    struct simkube *k = w->options.kube;
    struct follower f = {.client = c, .watch = watch};
    struct strbuf out = STRBUF_INIT;
    int rc = 0;

    *w->last = &f;
    w->last = &f.next;
    for (;;) {
        bool open = simkube_watch_read(k, simkube_now(k), watch, &out);

        if (out.len && !on_data(ctx, out.data, out.len))
            break;
        strbuf_clear(&out);
        if (!open) {
            rc = simkube_watch_was_cut(watch) ? -ECONNRESET : 0;
            break;
        }
        while (rc == 0 && !c->dead && !simkube_watch_ready(k, watch))
            rc = gate_wait(w->tasks, &f.ready, INT64_MAX);
        if (rc || c->dead) {
            rc = -ECANCELED;
            break;
        }
    }
    unfollow(w, &f);
    strbuf_release(&out);
    return rc;
}

static int stream(void *self, const struct http_request *req, http_on_data *on_data, void *ctx,
                  struct http_response *ret_response)
{
    struct client *c = self;
    struct simkube_reply reply;
    int rc;

    memset(ret_response, 0, sizeof(*ret_response));
    if (!is_api(req->url) || c->dead)
        return fail(ret_response, c->dead ? -ECANCELED : -EHOSTUNREACH, "no such stream");
    rc = ask(c, req, &reply, ret_response);
    if (rc)
        return rc;
    if (!reply.watch) {
        bool told = reply.status < 300 && reply.body.len;

        if (told) {
            on_data(ctx, strbuf_str(&reply.body), reply.body.len);
            strbuf_clear(&reply.body);
        }
        rc = fill_from(ret_response, &reply);
        simkube_reply_release(&reply);
        return rc;
    }
    strbuf_clear(&reply.body);
    rc = fill_from(ret_response, &reply);
    if (rc == 0)
        rc = follow(c, reply.watch, on_data, ctx);
    if (rc == -ECONNRESET)
        snprintf(ret_response->error, sizeof(ret_response->error), "unexpected EOF");
    else if (rc)
        snprintf(ret_response->error, sizeof(ret_response->error), "context canceled");
    simkube_watch_close(c->world->options.kube, reply.watch);
    simkube_reply_release(&reply);
    return rc;
}

/* ---- life cycle
 * ------------------------------------------------------------------------------------------ */

struct simworld *simworld_new(const struct simworld_options *options)
{
    struct simworld *w = calloc(1, sizeof(*w));
    struct tasks_options tasks = {.self = w,
                                  .mono_ms = mono_ms,
                                  .idle = idle,
                                  .live_max = options->live_max,
                                  .stack_bytes = options->stack_bytes,
                                  .pool = options->stacks};

    if (!w)
        return NULL;
    w->options = *options;
    if (w->options.latency_ms <= 0)
        w->options.latency_ms = 2;
    w->last = &w->first;
    w->start_ms = simkube_now(options->kube);
    w->clock = (struct clock){w, wall_ms, mono_ms, sleep_ms, next_random};
    w->tasks = tasks_new(&tasks);
    if (!w->tasks || simkube_observe(options->kube, on_write, w) != 0) {
        simworld_free(w);
        return NULL;
    }
    return w;
}

void simworld_free(struct simworld *w)
{
    if (!w)
        return;
    simkube_unobserve(w->options.kube, on_write, w);
    while (w->clients) {
        struct client *c = w->clients;

        w->clients = c->next;
        free(c->user);
        free(c);
    }
    tasks_free(w->tasks);
    free(w);
}

struct tasks *simworld_tasks(struct simworld *w)
{
    return w->tasks;
}

const struct clock *simworld_clock(struct simworld *w)
{
    return &w->clock;
}

struct http_client *simworld_client(struct simworld *w, const char *user)
{
    struct client *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->user = strdup(user);
    if (!c->user) {
        free(c);
        return NULL;
    }
    c->http = (struct http_client){c, perform, stream};
    c->world = w;
    c->next = w->clients;
    w->clients = c;
    return &c->http;
}

void simworld_jump_clock(struct simworld *w, int64_t by_ms)
{
    w->wall_offset_ms += by_ms;
}

void simworld_kill_client(struct http_client *client)
{
    struct client *c = client->self;

    c->dead = true;
    wake_followers(c->world);
}

uint64_t simworld_requests(const struct simworld *w)
{
    return w->requests;
}

int simworld_run(struct simworld *w)
{
    return tasks_run(w->tasks);
}
