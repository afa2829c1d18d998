#include "adapters/swarm/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading the cluster -----------------------------------------------------------------------
 */

static int image_of(const cJSON *deployment)
{
    const cJSON *list = json_at(deployment, "spec", "template", "spec", "containers", NULL);
    const char *image = json_str_or(cJSON_GetArrayItem(list, 0), "image", "");
    const char *colon = strchr(image, ':');

    return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

int judge_image(const struct simkube *k, const char *deployment)
{
    return image_of(simkube_get(k, "apps", "deployments", SWARM_NS, deployment));
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

/* Percent to each side; the most any rule of the routes sends there. */
struct shares {
    bool known;
    int canary, primary;
    int bad_sum; /* a rule whose weights do not make 100, or 0 */
};

static void shares_of_rule(const cJSON *rule, struct shares *s)
{
    const cJSON *route;
    int sum = 0;

    cJSON_ArrayForEach(route, json_get(rule, "route"))
    {
        const char *host = json_str_or(json_get(route, "destination"), "host", "");
        int weight = (int)json_int(route, "weight", 100);
        int *side = strcmp(host, SWARM_NAME "-canary") == 0 ? &s->canary : &s->primary;

        sum += weight;
        if (weight > *side)
            *side = weight;
    }
    if (sum != 100)
        s->bad_sum = sum ? sum : -1;
}

static struct shares shares_of_routes(const cJSON *virtual_service)
{
    struct shares s = {0};
    const cJSON *rule;

    cJSON_ArrayForEach(rule, json_at(virtual_service, "spec", "http", NULL))
    {
        s.known = true;
        shares_of_rule(rule, &s);
    }
    return s;
}

static struct shares shares_of_service(const cJSON *service)
{
    const char *app = json_str(json_at(service, "spec", "selector", NULL), "app");
    struct shares s = {0};

    if (app) {
        s.known = true;
        *(strcmp(app, SWARM_NAME) == 0 ? &s.canary : &s.primary) = 100;
    }
    return s;
}

static struct shares shares_now(const struct judge *j)
{
    if (j->plan->strategy == SWARM_BLUE_GREEN)
        return shares_of_service(simkube_get(j->k, "", "services", SWARM_NS, SWARM_NAME));
    return shares_of_routes(
        simkube_get(j->k, "networking.istio.io", "virtualservices", SWARM_NS, SWARM_NAME));
}

int judge_canary_weight(const struct judge *j)
{
    struct shares s = shares_now(j);

    return s.known ? s.canary : -1;
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

/* ---- the rules of a write ----------------------------------------------------------------------
 */

static void judge_shares(struct judge *j, const struct shares *was, const struct shares *now)
{
    size_t canary = ready(j->k, SWARM_NAME), primary = ready(j->k, SWARM_NAME "-primary");

    if (!now->known)
        return;
    if (now->bad_sum)
        judge_fail(j, "weights sum to 100", "a rule of the routes sums to %d", now->bad_sum);
    if (now->canary > was->canary && canary == 0 && primary > 0)
        judge_fail(j, "no traffic to a side without ready pods",
                   "canary weight %d -> %d, no canary pod ready, %zu primary", was->canary,
                   now->canary, primary);
    if (now->primary > was->primary && primary == 0 && canary > 0)
        judge_fail(j, "no traffic to a side without ready pods",
                   "primary weight %d -> %d, no primary pod ready, %zu canary", was->primary,
                   now->primary, canary);
    if (j->plan->strategy == SWARM_CANARY && now->canary > j->plan->max_weight)
        judge_fail(j, "weights stay in the step table", "canary weight %d, maxWeight %d",
                   now->canary, j->plan->max_weight);
}

static void judge_deployment(struct judge *j, const struct simkube_write *w)
{
    bool is_primary = strcmp(w->name, SWARM_NAME "-primary") == 0;
    int64_t was = json_int(json_get(w->before, "spec"), "replicas", -1),
            now = json_int(json_get(w->after, "spec"), "replicas", -1);
    int image = image_of(w->after);
    struct shares s = shares_now(j);

    if (was > 0 && now == 0 && s.known && (is_primary ? s.primary : s.canary) > 0)
        judge_fail(j, "a side with traffic is not scaled to zero", "%s has weight %d", w->name,
                   is_primary ? s.primary : s.canary);
    if (!is_primary || w->before == NULL || image == image_of(w->before))
        return;
    if (image < 1 || image > SWARM_RELEASES_MAX + 1 || j->bad_image[image])
        judge_fail(j, "promoted only after its checks passed", "podinfo:%d, whose checks fail",
                   image);
    else if (image > 1 && j->checks[image] < 1)
        judge_fail(j, "promoted only after its checks passed", "podinfo:%d was never checked",
                   image);
}

static void judge_canary(struct judge *j, const struct simkube_write *w)
{
    int64_t was = json_int(json_get(w->before, "status"), "canaryWeight", 0),
            now = json_int(json_get(w->after, "status"), "canaryWeight", 0);
    int routes = judge_canary_weight(j);

    if (j->plan->strategy == SWARM_CANARY && was != now && routes >= 0 && now != routes)
        judge_fail(j, "the status says what the routes do", "status %d -> %d, routes %d (phase %s)",
                   (int)was, (int)now, routes,
                   json_str_or(json_get(w->after, "status"), "phase", ""));
}

static bool is_ours(const struct simkube_write *w)
{
    static const char *const kinds[] = {"deployments", "services", "virtualservices",
                                        "destinationrules", "canaries"};

    if (strcmp(w->resource, "events") == 0 || strcmp(w->resource, "leases") == 0)
        return true;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(w->resource, kinds[i]) == 0)
            return strcmp(w->namespace_name, SWARM_NS) == 0 &&
                   (strcmp(w->name, SWARM_NAME) == 0 ||
                    strcmp(w->name, SWARM_NAME "-primary") == 0 ||
                    strcmp(w->name, SWARM_NAME "-canary") == 0) &&
                   w->verb != SIMKUBE_DELETED;
    }
    return false;
}

/* Who was succeeded as the writer of an object writes it no more. */
static void judge_order(struct judge *j, const struct simkube_write *w, int writer)
{
    char key[160];
    size_t i = 0;

    if (strcmp(w->resource, "events") == 0 || strcmp(w->resource, "leases") == 0)
        return;
    snprintf(key, sizeof(key), "%s/%s", w->resource, w->name);
    while (i < j->object_count && strcmp(j->objects[i].key, key) != 0)
        i++;
    if (i == JUDGE_OBJECTS_MAX)
        return;
    if (i == j->object_count) {
        memset(&j->objects[i], 0, sizeof(j->objects[i]));
        snprintf(j->objects[i].key, sizeof(key), "%s", key);
        j->object_count++;
    }
    if (j->objects[i].oldest_banned & (1 << writer))
        judge_fail(j, "an older write never lands over a newer one",
                   "process %d wrote %s after process %d had succeeded it", writer, key,
                   j->objects[i].writer);
    else if (j->objects[i].writer && j->objects[i].writer != writer)
        j->objects[i].oldest_banned |= 1 << j->objects[i].writer;
    j->objects[i].writer = writer;
}

static void tell_write(struct judge *j, const struct simkube_write *w)
{
    static const char *const verbs[] = {"created", "updated", "deleted"};
    char line[400];
    struct shares s = shares_now(j);
    const cJSON *c = simkube_get(j->k, "flagger.app", "canaries", SWARM_NS, SWARM_NAME);

    snprintf(line, sizeof(line), "%9lld %-14s %s %s/%s%s%s  [%s weight %lld; routes %d/%d; %d %d]",
             (long long)(w->at_ms % 100000000), w->user, verbs[w->verb], w->resource, w->name,
             *w->subresource ? "/" : "", w->subresource,
             json_str_or(json_get(c, "status"), "phase", "-"),
             (long long)json_int(json_get(c, "status"), "canaryWeight", 0), s.primary, s.canary,
             judge_image(j->k, SWARM_NAME), judge_image(j->k, SWARM_NAME "-primary"));
    j->tell(j->ctx, line);
}

static void on_write(void *ctx, const struct simkube_write *w)
{
    struct judge *j = ctx;
    struct shares was, now;

    if (j->tell && strcmp(w->resource, "events") != 0 && strcmp(w->resource, "leases") != 0 &&
        strcmp(w->resource, "pods") != 0)
        tell_write(j, w);
    if (strncmp(w->user, SWARM_USER, strlen(SWARM_USER)) != 0)
        return;
    j->result->writes++;
    if (!is_ours(w)) {
        judge_fail(j, "no foreign object is touched", "%s/%s in %s", w->resource, w->name,
                   w->namespace_name);
        return;
    }
    judge_order(j, w, (int)strtol(w->user + strlen(SWARM_USER), NULL, 10));
    if (strcmp(w->resource, "deployments") == 0)
        judge_deployment(j, w);
    if (strcmp(w->resource, "canaries") == 0)
        judge_canary(j, w);
    if (strcmp(w->resource, "virtualservices") == 0) {
        was = shares_of_routes(w->before);
        now = shares_of_routes(w->after);
        judge_shares(j, &was, &now);
    }
    if (strcmp(w->resource, "services") == 0 && strcmp(w->name, SWARM_NAME) == 0 &&
        j->plan->strategy == SWARM_BLUE_GREEN) {
        was = shares_of_service(w->before);
        now = shares_of_service(w->after);
        judge_shares(j, &was, &now);
    }
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

void judge_end(struct judge *j)
{
    const cJSON *c = simkube_get(j->k, "flagger.app", "canaries", SWARM_NS, SWARM_NAME),
                *s = json_get(c, "status");
    const cJSON *target = simkube_get(j->k, "apps", "deployments", SWARM_NS, SWARM_NAME),
                *primary =
                    simkube_get(j->k, "apps", "deployments", SWARM_NS, SWARM_NAME "-primary");
    const char *phase = json_str_or(s, "phase", "");
    int last = image_of(target), runs = image_of(primary), weight = judge_canary_weight(j);
    int64_t status = json_int(s, "canaryWeight", 0),
            left = json_int(json_get(target, "spec"), "replicas", -1);
    bool promoted = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Initialized") == 0,
         failed = strcmp(phase, "Failed") == 0;

    snprintf(j->result->phase, sizeof(j->result->phase), "%s", phase);
    snprintf(j->result->end, sizeof(j->result->end),
             "phase %s, weight %lld, routes %d, target podinfo:%d x%lld, primary podinfo:%d x%lld",
             phase, (long long)status, weight, last, (long long)left, runs,
             (long long)json_int(json_get(primary, "spec"), "replicas", -1));
    if (!promoted && !failed)
        judge_fail(j, "every rollout ends once the faults stop", "%s", j->result->end);
    else if (j->bad_image[last] ? !failed : !promoted)
        judge_fail(j, "a rollout ends as its checks say", "%s", j->result->end);
    else if (promoted ? runs != last : runs == last)
        judge_fail(j, "the primary runs what was promoted", "%s", j->result->end);
    else if (weight != 0 || status != 0 || left != 0)
        judge_fail(j, "at rest all traffic goes to the primary", "%s", j->result->end);
}
