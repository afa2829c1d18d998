#include "adapters/swarm/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/swarm/shares.h"
#include "engine/rollout.h"
#include "engine/spec.h"

#define GRACE_MS 180000 /* from a pod's fall to the last write that may not know of it */

/* ---- reading the cluster -----------------------------------------------------------------------
 */

static int number_after(const char *text, char mark)
{
    const char *at = strchr(text, mark);
    long n = at ? strtol(at + 1, NULL, 10) : 0;

    return n > 0 && n < SWARM_VERSIONS_MAX ? (int)n : 0;
}

static int image_of(const cJSON *workload)
{
    const cJSON *list = json_at(workload, "spec", "template", "spec", "containers", NULL);

    return number_after(json_str_or(cJSON_GetArrayItem(list, 0), "image", ""), ':');
}

static const char *workloads(const struct judge *j)
{
    return j->plan->daemonset ? "daemonsets" : "deployments";
}

const cJSON *judge_workload(const struct judge *j, const char *name)
{
    return simkube_get(j->k, "apps", workloads(j), SWARM_NS, name);
}

static int config_of(const struct judge *j, const char *name)
{
    const cJSON *map = simkube_get(j->k, "", "configmaps", SWARM_NS, name);

    return number_after(json_str_or(json_get(map, "data"), "version", ""), 'v');
}

struct revision judge_revision(const struct judge *j, bool primary)
{
    struct revision r = {image_of(judge_workload(j, primary ? SWARM_NAME "-primary" : SWARM_NAME)),
                         0};

    if (j->plan->configs)
        r.config = config_of(j, primary ? SWARM_CONFIG "-primary" : SWARM_CONFIG);
    return r;
}

bool judge_is_bad(const struct judge *j, struct revision r)
{
    return j->bad_image[r.image] || j->bad_config[r.config];
}

static bool same(struct revision a, struct revision b)
{
    return a.image == b.image && a.config == b.config;
}

static size_t ready(const struct simkube *k, const char *app)
{
    cJSON *selector = cJSON_CreateObject();
    size_t count = 0;

    if (selector && json_set_str(selector, "app", app) == 0)
        count = simkube_ready_pods(k, SWARM_NS, selector);
    json_free(selector);
    return count;
}

static const cJSON *canary_of(const struct judge *j)
{
    return simkube_get(j->k, "flagger.app", "canaries", SWARM_NS, SWARM_NAME);
}

/* Pods that are wanted of a workload: a DaemonSet's way to none is a selector without nodes. */
static int64_t wanted(const cJSON *workload)
{
    const cJSON *selector = json_at(workload, "spec", "template", "spec", "nodeSelector", NULL);

    if (json_get(selector, "flagger.app/scale-to-zero"))
        return 0;
    return json_int(json_get(workload, "spec"), "replicas", 1);
}

/* ---- failing -----------------------------------------------------------------------------------
 */

void judge_fail(struct judge *j, const char *rule, const char *format, ...)
{
    struct swarm_result *r = j->result;
    va_list args;
    char line[500];

    if (r->failed)
        return;
    r->failed = true;
    snprintf(r->rule, sizeof(r->rule), "%s", rule);
    va_start(args, format);
    vsnprintf(r->text, sizeof(r->text), format, args);
    va_end(args);
    if (j->tell) {
        snprintf(line, sizeof(line), "BROKEN %s: %s", r->rule, r->text);
        j->tell(j->ctx, line);
    }
}

void judge_told(struct judge *j, const char *what, const char *text)
{
    struct swarm_result *r = j->result;
    const char *parts[] = {what, text};
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < 2; i++) {
        for (const char *c = parts[i]; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    }
    for (size_t i = 0; i < r->told_count; i++) {
        if (r->told[i].hash == hash)
            return;
    }
    if (r->told_count == SWARM_TOLD_MAX)
        return;
    r->told[r->told_count].hash = hash;
    snprintf(r->told[r->told_count].text, sizeof(r->told[0].text), "%s%.60s", what, text);
    r->told_count++;
}

/* ---- traffic -----------------------------------------------------------------------------------
 */

/* A side that is sent more traffic has ready pods, or had some when the write was decided. */
static bool may_serve(const struct judge *j, int side, size_t own, size_t other, int64_t now_ms)
{
    if (own > 0 || other == 0)
        return true;
    return swarm_plan_has(j->plan, ACT_UNREADY) && j->ready_ms[side] + GRACE_MS > now_ms;
}

static void judge_sides(struct judge *j, const struct shares *was, const struct shares *now,
                        int64_t at_ms)
{
    size_t canary = ready(j->k, SWARM_NAME), primary = ready(j->k, SWARM_NAME "-primary");

    if (now->canary > was->canary && !may_serve(j, 1, canary, primary, at_ms))
        judge_fail(j, "no traffic to a side without ready pods",
                   "canary weight %d -> %d, no canary pod ready, %zu primary", was->canary,
                   now->canary, primary);
    if (now->primary > was->primary && !may_serve(j, 0, primary, canary, at_ms))
        judge_fail(j, "no traffic to a side without ready pods",
                   "primary weight %d -> %d, no primary pod ready, %zu canary", was->primary,
                   now->primary, canary);
}

/*
 * After a promotion the primary may turn out broken, and while a rollout is taken back its pods may
 * be down: then the canary serves alone.
 */
static bool is_promoted(const struct judge *j)
{
    return same(judge_revision(j, false), judge_revision(j, true));
}

static void judge_weights(struct judge *j, const struct shares *was, const struct shares *now)
{
    bool down = now->weight <= was->weight;

    if (now->bad_sum)
        judge_fail(j, "weights sum to 100", "a rule of the routes sums to %d", now->bad_sum);
    if (j->plan->strategy != SWARM_CANARY ||
        (now->weight == 100 && (is_promoted(j) || swarm_plan_has(j->plan, ACT_UNREADY))))
        return;
    if (down && j->plan->promotion_step > 0 && (now->weight <= j->plan->max || is_promoted(j)))
        return; /* on its way to the primary, perhaps from a canary that held all */
    if (now->weight > j->plan->max || !shares_in_table(j->plan, now->weight))
        judge_fail(j, "weights stay in the step table", "canary weight %d -> %d, maxWeight %d",
                   was->weight, now->weight, (int)j->plan->max);
}

/* A cookie that users are given is in the status already: a crash would lose their session. */
static void judge_cookies(struct judge *j, const cJSON *routes)
{
    const char *cookie = json_str(json_get(canary_of(j), "status"), "sessionAffinityCookie");
    char *text = json_print(json_get(routes, "spec"));

    if (text && strstr(text, "Max-Age=86400") && (cookie == NULL || strstr(text, cookie) == NULL))
        judge_fail(j, "cookies are saved before they are used", "status has %s",
                   cookie ? cookie : "no cookie");
    free(text);
}

static void judge_routes(struct judge *j, const struct simkube_write *w)
{
    struct shares was = shares_of(j->plan, w->before), now = shares_of(j->plan, w->after);

    if (!now.known)
        return;
    judge_weights(j, &was, &now);
    if (now.weight < 100)
        j->held = false;
    judge_sides(j, &was, &now, w->at_ms);
    if (j->plan->affinity)
        judge_cookies(j, w->after);
}

/* ---- workloads ---------------------------------------------------------------------------------
 */

static unsigned checks_needed(const struct judge *j)
{
    const struct swarm_plan *p = j->plan;
    int64_t step = p->step < p->max ? p->step : p->max;

    if (p->strategy != SWARM_CANARY)
        return (unsigned)p->iterations;
    if (j->held)
        return 1;
    if (p->uneven)
        return step == p->max ? 1 : (p->max - step) / 2 > 0 ? 3 : 2;
    return (unsigned)((p->max + step - 1) / step);
}

static void judge_promotion(struct judge *j)
{
    struct revision r = judge_revision(j, true);

    if (j->plan->skip || swarm_plan_has(j->plan, ACT_PROMOTE) || same(r, j->installed))
        return;
    if (judge_is_bad(j, r))
        judge_fail(j, "promoted only after its checks passed", "podinfo:%d v%d, whose checks fail",
                   r.image, r.config);
    else if (j->checks[r.image][r.config] < checks_needed(j))
        judge_fail(j, "promoted only after its checks passed",
                   "podinfo:%d v%d, after %u good checks of %u", r.image, r.config,
                   j->checks[r.image][r.config], checks_needed(j));
    else if (j->plan->hooks & SWARM_HOOK(HOOK_CONFIRM_PROMOTION) &&
             !j->confirmed[r.image][r.config])
        judge_fail(j, "promoted only after its checks passed",
                   "podinfo:%d v%d, which confirm-promotion never allowed", r.image, r.config);
}

static const char *id_of(const cJSON *workload)
{
    return json_str_or(json_at(workload, "spec", "template", "metadata", "annotations", NULL),
                       "flagger-id", "");
}

static void judge_workloads(struct judge *j, const struct simkube_write *w)
{
    bool is_primary = strcmp(w->name, SWARM_NAME "-primary") == 0;
    struct shares s = shares_now(j);

    if (w->before && wanted(w->before) > 0 && wanted(w->after) == 0 && s.known &&
        (is_primary ? s.primary : s.canary) > 0)
        judge_fail(j, "a side with traffic is not scaled to zero", "%s has weight %d", w->name,
                   is_primary ? s.primary : s.canary);
    if (!is_primary)
        return;
    if (w->before == NULL)
        j->installed = judge_revision(j, true);
    else if (strcmp(id_of(w->before), id_of(w->after)) != 0)
        judge_promotion(j);
}

/* ---- the status --------------------------------------------------------------------------------
 */

static bool is_end(const char *phase)
{
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

static void judge_status(struct judge *j, const struct simkube_write *w)
{
    const cJSON *before = json_get(w->before, "status"), *after = json_get(w->after, "status");
    const char *phase = json_str_or(after, "phase", ""),
               *phase_before = json_str_or(before, "phase", "");
    int64_t was = json_int(before, "canaryWeight", 0), now = json_int(after, "canaryWeight", 0);
    int routes = judge_canary_weight(j);

    if (is_end(phase) && strcmp(phase, phase_before) != 0)
        j->ended_ms = w->at_ms;
    if (strcmp(phase, "Progressing") == 0 && strcmp(phase, phase_before) != 0)
        j->held = routes == 100 && (j->whole_ms == 0 || j->whole_ms + GRACE_MS > w->at_ms);
    if (j->plan->strategy == SWARM_CANARY && routes >= 0 && now != routes &&
        (was != now || j->settled))
        judge_fail(j, "the status says what the routes do", "status %d -> %d, routes %d (phase %s)",
                   (int)was, (int)now, routes, phase);
}

/* ---- whose object it is ------------------------------------------------------------------------
 */

static bool is_bookkeeping(const struct simkube_write *w)
{
    return strcmp(w->resource, "events") == 0 || strcmp(w->resource, "leases") == 0;
}

static bool is_ours(const struct simkube_write *w)
{
    static const char *const kinds[] = {"deployments",      "daemonsets",
                                        "services",         "virtualservices",
                                        "destinationrules", "httproutes",
                                        "httpproxies",      "traefikservices",
                                        "canaries",         "horizontalpodautoscalers"};

    if (strcmp(w->namespace_name, SWARM_NS) != 0 ||
        (w->verb == SIMKUBE_DELETED && strcmp(w->resource, "canaries") != 0))
        return false;
    if (strcmp(w->resource, "configmaps") == 0)
        return strcmp(w->name, SWARM_CONFIG "-primary") == 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(w->resource, kinds[i]) == 0)
            return strcmp(w->name, SWARM_NAME) == 0 ||
                   strcmp(w->name, SWARM_NAME "-primary") == 0 ||
                   strcmp(w->name, SWARM_NAME "-canary") == 0;
    }
    return false;
}

/* What the operator makes goes when the Canary goes. */
static void judge_owner(struct judge *j, const struct simkube_write *w)
{
    const cJSON *owner =
        cJSON_GetArrayItem(json_at(w->after, "metadata", "ownerReferences", NULL), 0);

    if (w->verb != SIMKUBE_CREATED)
        return;
    if (strcmp(json_str_or(owner, "kind", ""), "Canary") != 0 ||
        strcmp(json_str_or(owner, "name", ""), SWARM_NAME) != 0)
        judge_fail(j, "what is made belongs to the Canary", "%s/%s has %s owner", w->resource,
                   w->name, owner ? "another" : "no");
}

/* ---- order -------------------------------------------------------------------------------------
 */

static size_t object_index(struct judge *j, const struct simkube_write *w)
{
    char key[160];
    size_t i = 0;

    snprintf(key, sizeof(key), "%s/%s", w->resource, w->name);
    while (i < j->object_count && strcmp(j->objects[i].key, key) != 0)
        i++;
    if (i == j->object_count && i < JUDGE_OBJECTS_MAX) {
        memset(&j->objects[i], 0, sizeof(j->objects[i]));
        snprintf(j->objects[i].key, sizeof(key), "%s", key);
        j->object_count++;
    }
    return i;
}

/* Who was succeeded as the writer of an object writes it no more; nor does an older request land.
 */
static void judge_order(struct judge *j, const struct simkube_write *w, int writer)
{
    size_t i = object_index(j, w);

    if (i == JUDGE_OBJECTS_MAX)
        return;
    if (j->objects[i].banned & (1 << writer))
        judge_fail(j, "a deposed leader changes nothing after its successor",
                   "process %d wrote %s after process %d had succeeded it", writer,
                   j->objects[i].key, j->objects[i].writer);
    else if (j->objects[i].writer && j->objects[i].writer != writer)
        j->objects[i].banned |= 1 << j->objects[i].writer;
    j->objects[i].writer = writer;
    if (w->request < j->objects[i].request)
        judge_fail(j, "an older write never lands over a newer one",
                   "%s: request %llu took effect after request %llu", j->objects[i].key,
                   (unsigned long long)w->request, (unsigned long long)j->objects[i].request);
    else
        j->objects[i].request = w->request;
}

/* ---- every write -------------------------------------------------------------------------------
 */

static void tell_write(struct judge *j, const struct simkube_write *w)
{
    static const char *const verbs[] = {"created", "updated", "deleted"};
    const cJSON *c = canary_of(j);
    struct shares s = shares_now(j);
    char line[400];

    snprintf(line, sizeof(line), "%9lld %-14s %s %s/%s%s%s  [%s weight %lld; routes %d/%d; %d %d]",
             (long long)(w->at_ms % 100000000), w->user, verbs[w->verb], w->resource, w->name,
             *w->subresource ? "/" : "", w->subresource,
             json_str_or(json_get(c, "status"), "phase", "-"),
             (long long)json_int(json_get(c, "status"), "canaryWeight", 0), s.primary, s.canary,
             judge_revision(j, false).image, judge_revision(j, true).image);
    j->tell(j->ctx, line);
}

/* A canary that holds the traffic may go on holding it only while the primary is broken. */
static void note_whole(struct judge *j, const struct simkube_write *w)
{
    const cJSON *s = json_get(w->after, "status");
    bool daemons = j->plan->daemonset;
    int64_t all = daemons ? json_int(s, "desiredNumberScheduled", 0)
                          : json_int(json_get(w->after, "spec"), "replicas", 1),
            updated = json_int(s, daemons ? "updatedNumberScheduled" : "updatedReplicas", 0),
            there = json_int(s, daemons ? "numberAvailable" : "availableReplicas", 0);

    if (all == 0 || updated < all || there < all)
        j->whole_ms = 0;
    else if (j->whole_ms == 0)
        j->whole_ms = w->at_ms;
}

static void note_ready(struct judge *j, int64_t at_ms)
{
    if (ready(j->k, SWARM_NAME "-primary") > 0)
        j->ready_ms[0] = at_ms;
    if (ready(j->k, SWARM_NAME) > 0)
        j->ready_ms[1] = at_ms;
}

static void judge_write(struct judge *j, const struct simkube_write *w)
{
    const char *group, *routes;

    if (!is_ours(w)) {
        judge_fail(j, "no foreign object is touched", "%s/%s in %s", w->resource, w->name,
                   w->namespace_name);
        return;
    }
    if (w->verb == SIMKUBE_DELETED)
        return;
    judge_owner(j, w);
    judge_order(j, w, (int)strtol(w->user + strlen(SWARM_USER), NULL, 10));
    judge_routes_kind(j->plan, &group, &routes);
    if (strcmp(w->resource, workloads(j)) == 0)
        judge_workloads(j, w);
    if (strcmp(w->resource, "canaries") == 0 && strcmp(w->subresource, "status") == 0)
        judge_status(j, w);
    if (strcmp(w->resource, routes) == 0 && strcmp(w->name, SWARM_NAME) == 0)
        judge_routes(j, w);
}

static void on_write(void *ctx, const struct simkube_write *w)
{
    struct judge *j = ctx;
    bool pods = strcmp(w->resource, "pods") == 0;

    if (j->tell && !is_bookkeeping(w) && !pods)
        tell_write(j, w);
    if (pods && swarm_plan_has(j->plan, ACT_UNREADY))
        note_ready(j, w->at_ms);
    if (strcmp(w->resource, workloads(j)) == 0 && strcmp(w->name, SWARM_NAME "-primary") == 0)
        note_whole(j, w);
    if (strncmp(w->user, SWARM_USER, strlen(SWARM_USER)) != 0)
        return;
    j->result->writes++;
    if (!is_bookkeeping(w) && !j->gone)
        judge_write(j, w);
}

void judge_start(struct judge *j)
{
    simkube_observe(j->k, on_write, j);
}

void judge_stop(struct judge *j)
{
    simkube_unobserve(j->k, on_write, j);
}

/* ---- the rules of the end ----------------------------------------------------------------------
 */

/* Whether a release is promoted is then not its checks' alone to say. */
static bool others_decide(const struct swarm_plan *p)
{
    static const enum swarm_act acts[] = {ACT_PROMOTE, ACT_ABORT, ACT_CALL_BACK,
                                          ACT_REVERT,  ACT_CLOCK, ACT_UNREADY};

    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (swarm_plan_has(p, acts[i]))
            return true;
    }
    /* a hook or a query that fails is a failed check */
    if (p->hooks & (SWARM_HOOK(HOOK_ROLLOUT) | SWARM_HOOK(HOOK_PRE_ROLLOUT)) &&
        (p->hook_error > 0 || p->hook_late > 0))
        return true;
    return p->skip || p->metric_error > 0;
}

static void judge_deleted(struct judge *j)
{
    const cJSON *target = judge_workload(j, SWARM_NAME);

    snprintf(j->result->phase, sizeof(j->result->phase), "deleted");
    snprintf(j->result->end, sizeof(j->result->end), "deleted, target x%lld",
             (long long)wanted(target));
    if (canary_of(j))
        judge_fail(j, "every rollout ends once the faults stop", "the Canary is not deleted");
    else if (judge_workload(j, SWARM_NAME "-primary"))
        judge_fail(j, "what is made goes with the Canary", "%s-primary is left", SWARM_NAME);
    else if (j->plan->revert && wanted(target) == 0)
        judge_fail(j, "a deleted Canary gives its target back", "%s", j->result->end);
}

/* Did the primary fail? Then the canary's pods are kept, with the traffic if it can be moved. */
static bool is_lost(const struct judge *j)
{
    const char *text = json_str_or(json_at(canary_of(j), "metadata", "annotations", NULL),
                                   "coalmine.dev/state", "");
    cJSON *state = json_parse(text, strlen(text), NULL);
    bool lost = json_int(state, "memory", 0) & MEMORY_PRIMARY_LOST;

    json_free(state);
    return lost;
}

static void judge_rest(struct judge *j, const char *phase, int weight, int64_t status)
{
    struct revision last = judge_revision(j, false), runs = judge_revision(j, true);
    bool promoted = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Initialized") == 0,
         failed = strcmp(phase, "Failed") == 0,
         bad = judge_is_bad(j, last) && !same(last, j->installed);
    bool held = failed && is_lost(j) &&
                weight == (j->plan->provider == SWARM_KUBERNETES ? 0 : 100) && weight == status &&
                (swarm_plan_has(j->plan, ACT_UNREADY) || swarm_plan_has(j->plan, ACT_CLOCK));
    const char *end = j->result->end;

    if (!promoted && !failed)
        judge_fail(j, "every rollout ends once the faults stop", "%s", end);
    else if (!others_decide(j->plan) && (bad ? !failed : !promoted))
        judge_fail(j, "a rollout ends as its checks say", "%s", end);
    else if (promoted && !same(last, runs))
        judge_fail(j, "the primary runs what was promoted", "%s", end);
    else if (failed && same(last, runs) && !others_decide(j->plan))
        judge_fail(j, "the primary runs what was promoted", "%s", end);
    else if (!held && (weight != 0 || status != 0 || wanted(judge_workload(j, SWARM_NAME)) != 0))
        judge_fail(j, "at rest all traffic goes to the primary", "%s", end);
    else if (j->plan->hooks & SWARM_HOOK(HOOK_POST_ROLLOUT) && j->told_ms < j->ended_ms &&
             !swarm_plan_has(j->plan, ACT_REVERT))
        judge_fail(j, "the end of a rollout is told", "phase %s, no post-rollout hook", phase);
}

/* How often one looked at pods, and when, is chance. */
static bool is_told_by_chance(const char *message)
{
    return strstr(message, "not ready") != NULL;
}

static bool add_event(void *ctx, const cJSON *event)
{
    static const char combined[] = "(combined from similar events): ";
    struct judge *j = ctx;
    const char *message = json_str_or(event, "message", "");

    if (strncmp(message, combined, sizeof(combined) - 1) == 0)
        message += sizeof(combined) - 1;
    if (!is_told_by_chance(message))
        judge_told(j, "event ", message);
    return true;
}

void judge_end(struct judge *j)
{
    const cJSON *s = json_get(canary_of(j), "status");
    const char *phase = json_str_or(s, "phase", "");
    struct revision last = judge_revision(j, false), runs = judge_revision(j, true);
    int64_t status = json_int(s, "canaryWeight", 0);
    int weight = judge_canary_weight(j);

    simkube_each(j->k, "", "events", SWARM_NS, add_event, j);
    if (j->gone) {
        judge_deleted(j);
        return;
    }
    snprintf(j->result->phase, sizeof(j->result->phase), "%s", phase);
    snprintf(j->result->end, sizeof(j->result->end),
             "phase %s, weight %lld, routes %d, target podinfo:%d v%d x%lld, primary podinfo:%d "
             "v%d x%lld",
             phase, (long long)status, weight, last.image, last.config,
             (long long)wanted(judge_workload(j, SWARM_NAME)), runs.image, runs.config,
             (long long)wanted(judge_workload(j, SWARM_NAME "-primary")));
    judge_rest(j, phase, weight, status);
}
