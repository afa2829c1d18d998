/* adapters/hook/hook_call.c — calls a webhook, with retries, and says what came of it. */
#include <errno.h>
#include <string.h>

#include "adapters/hook/hook.h"
#include "adapters/metrics/gotext.h"
#include "adapters/metrics/url.h"
#include "engine/num.h"

#define DEFAULT_TIMEOUT "10s"

static const char *text(struct arena *arena, const char *s)
{
    const char *copy = arena_strdup(arena, s);

    return copy ? copy : "out of memory";
}

/* Check what the user wrote. NULL when good. */
static const char *prepare(const struct hook_call *call, struct arena *arena,
                           struct http_request *req, struct http_tls *tls, struct http_header *type)
{
    const char *timeout = call->timeout ? call->timeout : "", *why = NULL;
    struct url u;
    int64_t ns;

    if (url_parse(arena, call->url, &u, &why) != 0)
        return why;
    if (!*timeout || (call->short_timeout_is_default && !timeout[1]))
        timeout = DEFAULT_TIMEOUT;
    if (go_parse_duration(arena, timeout, &ns, &why) != 0)
        return why;
    *type = (struct http_header){"Content-Type", "application/json"};
    *tls = (struct http_tls){.insecure = call->disable_tls};
    *req = (struct http_request){
        .method = "POST",
        .url = url_string(arena, &u, false),
        .headers = type,
        .header_count = 1,
        .body = call->body,
        .body_len = call->body_len,
        /* a limit of nothing is no limit to Go */
        .timeout_ms = ns <= 0 ? 0 : (ns + NS_PER_MS - 1) / NS_PER_MS,
        .body_max = HOOK_BODY_MAX,
        .follow_redirects = true,
        .no_proxy = call->disable_tls,
        .tls = call->disable_tls ? tls : NULL,
    };
    return NULL;
}

/* Retries are used up: the URL with its password hidden, the count, and the cause if nothing
 * answered. */
static const char *giving_up(struct arena *arena, const char *url, unsigned attempts,
                             const char *cause)
{
    const char *why = "", *shown = url, *out;
    struct url u;

    if (url_parse(arena, url, &u, &why) == 0)
        shown = url_string(arena, &u, true);
    out = arena_printf(arena, "POST %s giving up after %u attempt(s)%s%s", shown, attempts,
                       cause ? ": " : "", cause ? cause : "");
    return out ? out : "out of memory";
}

/* The server's own words, marked where they were cut. */
static const char *words(struct arena *arena, const struct http_response *r)
{
    const char *out =
        r->truncated ? arena_printf(arena, "%s" HOOK_CUT_MARK, r->body) : text(arena, r->body);

    return out ? out : "out of memory";
}

static void judge(const struct hook_call *call, struct arena *arena, int error,
                  const struct http_response *r, struct hook_answer *a)
{
    bool retried = hook_is_retried(error, r->status, r->error);

    a->status = error == 0 ? r->status : 0;
    if (error != 0 || retried) {
        a->text =
            giving_up(arena, call->url, a->attempts, error != 0 ? text(arena, r->error) : NULL);
        if (error == 0 && r->body)
            a->body = words(arena, r);
    } else if (r->status > 202) {
        a->from_body = true;
        a->text = words(arena, r);
    } else {
        a->ok = true;
        a->text = "";
    }
}

const char *hook_full_text(struct arena *arena, const struct hook_answer *a)
{
    const char *out = a->text;

    if (a->ok || a->from_body || a->status == 0)
        return out;
    out =
        arena_printf(arena, "%s: status %d%s%s", a->text, a->status, *a->body ? ": " : "", a->body);
    return out ? out : "out of memory";
}

void hook_perform(const struct hook_call *call, const struct http_client *http,
                  const struct clock *clock, struct arena *arena, struct hook_answer *ret_answer)
{
    struct hook_answer a = {.text = "", .body = ""};
    int64_t left = call->retries > 0 ? call->retries : 0, pause;
    struct http_header type;
    struct http_request req;
    struct http_tls tls;
    const char *why = prepare(call, arena, &req, &tls, &type);

    *ret_answer = a;
    ret_answer->text = why ? why : "";
    while (!why) {
        struct http_response r;
        const char *unusable = url_unusable(arena, "POST", req.url);
        bool done;
        int error;

        memset(&r, 0, sizeof r);
        if (unusable) {
            error = -EINVAL;
            strncpy(r.error, unusable, sizeof r.error - 1);
        } else {
            error = http->perform(http->self, &req, &r);
        }
        a.attempts++;
        done = left-- == 0 || !hook_is_retried(error, r.status, r.error);
        pause = hook_pause_ms(a.attempts - 1, error == 0 ? r.status : 0,
                              error == 0 ? http_response_header(&r, "Retry-After") : NULL,
                              clock->wall_ms(clock->self));
        if (done)
            judge(call, arena, error, &r, &a);
        http_response_release(&r);
        if (done)
            break;
        clock->sleep_ms(clock->self, pause);
    }
    if (!why)
        *ret_answer = a;
}
