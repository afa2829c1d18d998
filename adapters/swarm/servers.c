/* The servers around the cluster: metrics, hooks, chat. What goes wrong there is drawn by the call.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/swarm/life.h"
#include "engine/spec.h"

#define ANSWER_MS 5
#define LATE_MS 45000
#define STREAM 7 /* of the seed's randomness */

static bool goes_wrong(struct life *l, int64_t permille)
{
    struct rng r = rng_init(l->plan->seed, 0, STREAM);

    r.next = l->calls;
    return !l->healed && rng_chance(&r, (uint32_t)permille * 1000);
}

static int metric(struct life *l, const struct http_request *req, struct http_response *response)
{
    struct judge *j = &l->judge;
    struct revision now = judge_revision(j, false);
    bool probe = strstr(req->url, "vector") != NULL, bad = judge_is_bad(j, now);
    char body[256];

    task_sleep(l->tasks, ANSWER_MS);
    if (goes_wrong(l, l->plan->metric_error))
        return simworld_respond(response, 500, "text/plain", "overloaded", 10);
    if (!probe && !bad)
        j->checks[now.image][now.config]++;
    snprintf(body, sizeof(body),
             "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":"
             "{},\"value\":[1,\"%d\"]}]}}",
             probe ? 1
             : bad ? 50
                   : 100);
    return simworld_respond(response, 200, "application/json", body, strlen(body));
}

/* ---- hooks -------------------------------------------------------------------------------------
 */

static enum hook_type type_of(const char *url)
{
    const char *name = strstr(url, "://hook/") + strlen("://hook/");

    for (unsigned i = 0; i < HOOK_TYPE_COUNT; i++) {
        if (strcmp(name, hook_type_name((enum hook_type)i)) == 0)
            return (enum hook_type)i;
    }
    return HOOK_ROLLOUT;
}

static void note_phase(struct life *l, enum hook_type type, const struct http_request *req)
{
    cJSON *body = json_parse(req->body, req->body_len, NULL);
    char text[80];

    snprintf(text, sizeof(text), "%s %s", hook_type_name(type), json_str_or(body, "phase", ""));
    if (type != HOOK_EVENT)
        judge_told(&l->judge, "hook ", text);
    life_tell(l, text);
    json_free(body);
}

/* The hook's effect and its answer, as if it had just arrived. */
static bool hook_allows(struct life *l, enum hook_type type, const struct http_request *req)
{
    struct judge *j = &l->judge;
    struct revision now = judge_revision(j, false);

    note_phase(l, type, req);
    if (type == HOOK_ROLLBACK)
        return l->call_back;
    if (type == HOOK_CONFIRM_ROLLOUT || type == HOOK_CONFIRM_PROMOTION ||
        type == HOOK_CONFIRM_TRAFFIC_INCREASE) {
        if (l->gates_shut)
            return false;
        if (type == HOOK_CONFIRM_PROMOTION)
            j->confirmed[now.image][now.config] = true;
    }
    return true;
}

static int hook(struct life *l, const struct http_request *req, struct http_response *response)
{
    enum hook_type type = type_of(req->url);
    bool wrong = goes_wrong(l, l->plan->hook_error), late, allows;

    l->calls++;
    if (type == HOOK_POST_ROLLOUT)
        l->judge.told_ms = simkube_now(l->k);
    late = goes_wrong(l, l->plan->hook_late);
    task_sleep(l->tasks, ANSWER_MS);
    if (wrong)
        return simworld_respond(response, 503, "text/plain", "busy", 4);
    if (late && req->timeout_ms > 0 && req->timeout_ms < LATE_MS) {
        /* It heard, and says yes when nobody listens any more: that is no yes. */
        note_phase(l, type, req);
        task_sleep(l->tasks, req->timeout_ms);
        memset(response, 0, sizeof(*response));
        snprintf(response->error, sizeof(response->error), "context deadline exceeded");
        return -ETIMEDOUT;
    }
    allows = hook_allows(l, type, req);
    return simworld_respond(response, allows ? 200 : 403, "text/plain", allows ? "ok" : "no", 2);
}

static int chat(struct life *l, const struct http_request *req, struct http_response *response)
{
    char text[400];

    task_sleep(l->tasks, ANSWER_MS);
    snprintf(text, sizeof(text), "%.*s", (int)req->body_len, req->body ? req->body : "");
    judge_told(&l->judge, "chat ", text);
    return simworld_respond(response, 200, "text/plain", "ok", 2);
}

int servers_answer(void *life, const struct http_request *req, struct http_response *response)
{
    struct life *l = life;

    l->calls++;
    if (strstr(req->url, "://hook/"))
        return hook(l, req, response);
    if (strstr(req->url, "://chat"))
        return chat(l, req, response);
    return metric(l, req, response);
}

bool servers_answer_twice(void *life, enum ask_kind kind)
{
    struct life *l = life;

    if (kind != ASK_HOOK)
        return false;
    l->calls++;
    return goes_wrong(l, l->plan->hook_twice);
}
