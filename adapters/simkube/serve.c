#include "adapters/simkube/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/http/server.h"

struct stream {
    struct stream *next;
    struct server_call *call;
    struct simkube_watch *watch;
};

struct simkube_host {
    struct loop *loop;
    struct simkube *k;
    struct server *server;
    struct stream *streams;
    struct gate moved; /* a request may have queued something sooner */
    uint64_t keeper;
    bool stopping;
};

static int64_t wall(const struct simkube_host *h)
{
    const struct clock *c = loop_clock(h->loop);

    return c->wall_ms(c->self);
}

/* ---- watches -------------------------------------------------------------------------------- */

static void drop(struct simkube_host *h, struct stream *s)
{
    struct stream **at = &h->streams;

    while (*at && *at != s)
        at = &(*at)->next;
    if (*at)
        *at = s->next;
    simkube_watch_close(h->k, s->watch);
    free(s);
}

static void on_gone(void *ctx, struct server_call *call)
{
    struct simkube_host *h = ctx;

    for (struct stream *s = h->streams; s; s = s->next) {
        if (s->call == call) {
            drop(h, s);
            return;
        }
    }
}

static void flush(struct simkube_host *h)
{
    struct stream *s, *next;

    for (s = h->streams; s; s = next) {
        struct strbuf out = STRBUF_INIT;
        bool open;

        next = s->next;
        if (!simkube_watch_ready(h->k, s->watch))
            continue;
        open = simkube_watch_read(h->k, wall(h), s->watch, &out);
        if (out.len)
            call_stream_write(s->call, out.data, out.len);
        if (!open) {
            struct server_call *call = s->call;

            drop(h, s);
            call_stream_end(call);
        }
        strbuf_release(&out);
    }
}

static void keep_time(void *arg)
{
    struct simkube_host *h = arg;
    struct tasks *tasks = loop_tasks(h->loop);
    int rc = 0;

    while (!h->stopping && rc != -ECANCELED) {
        int64_t now = wall(h), next;

        simkube_advance(h->k, now);
        flush(h);
        next = simkube_next_at(h->k);
        rc = gate_wait(tasks, &h->moved,
                       next == SIMKUBE_NEVER ? INT64_MAX : (next > now ? next - now : 1));
    }
    while (h->streams) {
        struct server_call *call = h->streams->call;

        drop(h, h->streams);
        call_stream_end(call);
    }
    server_stop(h->server);
    free(h);
}

/* ---- requests ----------------------------------------------------------------------------------
 */

/* The server hands out the query piece by piece; these are the pieces the API knows. */
static void rebuild_target(struct strbuf *b, const struct server_call *call)
{
    static const char *const known[] = {
        "allowWatchBookmarks",
        "continue",
        "dryRun",
        "fieldManager",
        "fieldSelector",
        "fieldValidation",
        "force",
        "gracePeriodSeconds",
        "includeObject",
        "labelSelector",
        "limit",
        "orphanDependents",
        "propagationPolicy",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        "watch",
    };
    const char *path = call_path(call);
    char sep = '?';

    strbuf_add_percent(b, path, strlen(path), "/:");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const char *value = call_query(call, known[i]);

        if (!value)
            continue;
        strbuf_addf(b, "%c%s=", sep, known[i]);
        strbuf_add_percent(b, value, strlen(value), "");
        sep = '&';
    }
}

static const char *user_of(const struct server_call *call)
{
    const char *authorization = call_header(call, "Authorization");
    const char *other = call_header(call, "Impersonate-User");

    if (authorization && strncmp(authorization, "Bearer ", 7) == 0 && authorization[7])
        return authorization + 7;
    return other && *other ? other : "admin";
}

static void answer(struct simkube_host *h, struct server_call *call, struct simkube_reply *reply)
{
    if (reply->warning[0])
        call_add_header(call, "Warning", reply->warning);
    if (reply->retry_after_s) {
        char seconds[16];

        snprintf(seconds, sizeof(seconds), "%d", reply->retry_after_s);
        call_add_header(call, "Retry-After", seconds);
    }
    if (reply->watch) {
        struct stream *s = calloc(1, sizeof(*s));

        if (s) {
            s->call = call;
            s->watch = reply->watch;
            s->next = h->streams;
            h->streams = s;
            call_stream_begin(call, 200, "application/json", on_gone, h);
            return;
        }
        simkube_watch_close(h->k, reply->watch);
    }
    call_answer(call, reply->status, reply->content_type ? reply->content_type : "text/plain",
                strbuf_str(&reply->body), reply->body.len);
}

static void handle(void *ctx, struct server_call *call)
{
    struct simkube_host *h = ctx;
    struct strbuf target = STRBUF_INIT;
    struct simkube_request req = {0};
    struct simkube_reply reply;

    rebuild_target(&target, call);
    req.user = user_of(call);
    req.method = call_method(call);
    req.target = strbuf_str(&target);
    req.accept = call_header(call, "Accept");
    req.content_type = call_header(call, "Content-Type");
    req.body = call_body(call, &req.body_len);
    simkube_call(h->k, wall(h), &req, &reply);
    answer(h, call, &reply);
    simkube_reply_release(&reply);
    strbuf_release(&target);
    gate_notify(loop_tasks(h->loop), &h->moved);
}

int simkube_host_start(struct loop *l, struct simkube *k, const char *address, uint16_t port,
                       struct simkube_host **ret_host)
{
    struct simkube_host *h = calloc(1, sizeof(*h));
    struct server_options options = {
        .address = address, .port = port, .handler = handle, .ctx = h, .body_max = 16u << 20};
    int rc;

    if (!h)
        return -ENOMEM;
    h->loop = l;
    h->k = k;
    rc = server_start_on_loop(l, &options, &h->server);
    if (rc == 0) {
        h->keeper = task_spawn(loop_tasks(l), keep_time, h);
        if (!h->keeper) {
            server_stop(h->server);
            rc = -ENOMEM;
        }
    }
    if (rc) {
        free(h);
        return rc;
    }
    *ret_host = h;
    return 0;
}

uint16_t simkube_host_port(const struct simkube_host *h)
{
    return server_port(h->server);
}

void simkube_host_stop(struct simkube_host *h)
{
    h->stopping = true;
    gate_notify(loop_tasks(h->loop), &h->moved);
}
