#include "sim/kube/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void simkube_set_faults(struct simkube *k, const struct simkube_faults *faults)
{
    k->has_faults = faults != NULL;
    if (faults)
        k->faults = *faults;
    else
        memset(&k->faults, 0, sizeof(k->faults));
    if (k->faults.late_ms_max <= 0)
        k->faults.late_ms_max = 120000;
}

const char *simkube_fate_name(enum simkube_fate_kind kind)
{
    static const char *const names[] = {
        [FATE_FINE] = "fine",
        [FATE_CONFLICT] = "conflict",
        [FATE_THROTTLE] = "throttle",
        [FATE_SERVER_ERROR] = "server error",
        [FATE_CUT_BEFORE] = "cut before",
        [FATE_CUT_AFTER] = "cut after",
        [FATE_LATE_EFFECT] = "late effect",
        [FATE_LATE_ANSWER] = "late answer",
        [FATE_STALE_LIST] = "stale list",
        [FATE_WATCH_BREAK] = "watch break",
    };
    return names[kind];
}

static bool is_read(const struct simkube_request *req)
{
    return strcmp(req->method, "GET") == 0;
}

static bool is_watch(const struct simkube_request *req)
{
    return strstr(req->target, "watch=true") || strstr(req->target, "watch=1");
}

/* Which fault a permille draw hits, in the order of the profile; kinds that do not fit the request
 * are fine. */
static enum simkube_fate_kind pick(const struct simkube_faults *f,
                                   const struct simkube_request *req, uint32_t draw)
{
    bool read = is_read(req), watch = is_watch(req);
    const struct {
        uint16_t rate;
        enum simkube_fate_kind kind;
        bool fits;
    } table[] = {
        {f->conflict, FATE_CONFLICT, !read && strcmp(req->method, "DELETE") != 0},
        {f->throttle, FATE_THROTTLE, true},
        {f->server_error, FATE_SERVER_ERROR, true},
        {f->cut_before, FATE_CUT_BEFORE, true},
        {f->cut_after, FATE_CUT_AFTER, !watch},
        {f->late_effect, FATE_LATE_EFFECT, !watch},
        {f->late_answer, FATE_LATE_ANSWER, !watch},
        {f->stale_list, FATE_STALE_LIST, read && !watch},
        {f->watch_break, FATE_WATCH_BREAK, watch},
    };
    uint32_t below = 0;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        below += table[i].rate;
        if (draw < below)
            return table[i].fits ? table[i].kind : FATE_FINE;
    }
    return FATE_FINE;
}

struct simkube_fate simkube_draw_fate(struct simkube *k, const struct simkube_request *req)
{
    struct simkube_fate fate = {FATE_FINE, ++k->fault_counter, 0, 0};
    const struct simkube_faults *f = &k->faults;
    uint64_t r, delay;

    if (!k->has_faults || (f->last && (fate.number < f->first || fate.number > f->last)) ||
        (f->user && strcmp(f->user, req->user ? req->user : "") != 0))
        return fate;
    r = sk_random_at(k, 0x1000 + f->seed, fate.number);
    delay = sk_random_at(k, 0x2000 + f->seed, fate.number);
    fate.draw = (uint32_t)(r >> 32);
    fate.kind = pick(f, req, (uint32_t)(r % 1000));
    if (fate.kind == FATE_LATE_EFFECT || fate.kind == FATE_LATE_ANSWER)
        fate.delay_ms = 1 + (int64_t)(delay % (uint64_t)f->late_ms_max);
    else if (fate.kind == FATE_WATCH_BREAK)
        fate.delay_ms = (int64_t)(delay % 60000);
    return fate;
}

static void refuse(struct simkube_reply *r, const struct simkube_fate *fate)
{
    if (fate->kind == FATE_CONFLICT) {
        sk_reply_status(r, 409, "Conflict", NULL,
                        "Operation cannot be fulfilled: the object has been modified; please apply "
                        "your changes to the latest "
                        "version and try again");
    } else if (fate->kind == FATE_THROTTLE) {
        cJSON *details = cJSON_CreateObject();

        r->retry_after_s = 1 + (int)(fate->draw % 3);
        json_set_int(details, "retryAfterSeconds", r->retry_after_s);
        sk_reply_status(
            r, 429, "TooManyRequests", details,
            "the server has received too many requests and has asked us to try again later");
        json_free(details);
    } else if (fate->draw % 2) {
        sk_reply_status(r, 503, "ServiceUnavailable", NULL,
                        "the server is currently unable to handle the request");
    } else {
        sk_reply_status(r, 500, "InternalError", NULL,
                        "Internal error occurred: etcdserver: request timed out");
    }
}

/*
 * A list as a lagging cache answers it: the same request at an older version still in the history.
 * A GET of one object takes no version and is answered as it stands.
 */
static void stale(struct simkube *k, int64_t now_ms, const struct simkube_fate *fate,
                  const struct simkube_request *req, struct simkube_reply *r)
{
    struct simkube_request older = *req;
    struct strbuf target = STRBUF_INIT;
    uint64_t back = 1 + fate->draw % 50;

    if (k->rv <= back || strstr(req->target, "resourceVersion") ||
        strstr(req->target, "continue=")) {
        simkube_call(k, now_ms, req, r);
        return;
    }
    strbuf_addf(&target, "%s%cresourceVersion=%llu&resourceVersionMatch=Exact", req->target,
                strchr(req->target, '?') ? '&' : '?', (unsigned long long)(k->rv - back));
    older.target = strbuf_str(&target);
    simkube_call(k, now_ms, &older, r);
    if (r->status == 410) {
        simkube_reply_release(r);
        simkube_call(k, now_ms, req, r);
    }
    strbuf_release(&target);
}

bool simkube_call_fated(struct simkube *k, int64_t now_ms, const struct simkube_fate *fate,
                        const struct simkube_request *req, struct simkube_reply *ret_reply)
{
    memset(ret_reply, 0, sizeof(*ret_reply));
    switch (fate->kind) {
    case FATE_CONFLICT:
    case FATE_THROTTLE:
    case FATE_SERVER_ERROR:
        simkube_advance(k, now_ms);
        refuse(ret_reply, fate);
        return true;
    case FATE_CUT_BEFORE:
        simkube_advance(k, now_ms);
        return false;
    case FATE_CUT_AFTER:
        simkube_call(k, now_ms, req, ret_reply);
        simkube_watch_close(k, ret_reply->watch);
        ret_reply->watch = NULL;
        strbuf_clear(&ret_reply->body);
        return false;
    case FATE_STALE_LIST:
        stale(k, now_ms, fate, req, ret_reply);
        return true;
    case FATE_WATCH_BREAK:
        simkube_call(k, now_ms, req, ret_reply);
        if (ret_reply->watch && ret_reply->watch->end_ms > k->now_ms + fate->delay_ms)
            ret_reply->watch->end_ms = k->now_ms + fate->delay_ms;
        return true;
    case FATE_FINE:
    case FATE_LATE_EFFECT:
    case FATE_LATE_ANSWER:
        break;
    }
    simkube_call(k, now_ms, req, ret_reply);
    return true;
}

/* ---- requests that arrive after their sender gave up
 * ---------------------------------------------------------- */

struct late_request {
    struct simkube_request request;
    char text[];
};

static char *keep(char **at, const char *s, size_t len)
{
    char *out = *at;

    if (!s)
        return NULL;
    memcpy(out, s, len);
    out[len] = '\0';
    *at += len + 1;
    return out;
}

static size_t length(const char *s)
{
    return s ? strlen(s) : 0;
}

int simkube_post_late(struct simkube *k, int64_t at_ms, const struct simkube_request *req)
{
    size_t size = length(req->user) + length(req->method) + length(req->target) +
                  length(req->accept) + length(req->content_type) + req->body_len + 6;
    struct late_request *late = malloc(sizeof(*late) + size);
    char *at;

    if (!late)
        return -ENOMEM;
    at = late->text;
    late->request = *req;
    late->request.user = keep(&at, req->user, length(req->user));
    late->request.method = keep(&at, req->method, length(req->method));
    late->request.target = keep(&at, req->target, length(req->target));
    late->request.accept = keep(&at, req->accept, length(req->accept));
    late->request.content_type = keep(&at, req->content_type, length(req->content_type));
    late->request.body = keep(&at, req->body, req->body ? req->body_len : 0);
    sk_task_add(k, at_ms, SK_TASK_LATE, NULL, "", late);
    return 0;
}
