#include "adapters/swarm/shares.h"

#include <string.h>

/* Where each provider keeps its rules, the backends of a rule, and the name in a backend. */
static const struct shape {
    const char *group, *resource, *rules, *backends;
} shapes[] = {
    [SWARM_KUBERNETES] = {"", "services", NULL, NULL},
    [SWARM_ISTIO] = {"networking.istio.io", "virtualservices", "http", "route"},
    [SWARM_GATEWAY] = {"gateway.networking.k8s.io", "httproutes", "rules", "backendRefs"},
    [SWARM_CONTOUR] = {"projectcontour.io", "httpproxies", "routes", "services"},
    [SWARM_TRAEFIK] = {"traefik.io", "traefikservices", NULL, "services"},
};

void judge_routes_kind(const struct swarm_plan *plan, const char **ret_group,
                       const char **ret_resource)
{
    *ret_group = shapes[plan->provider].group;
    *ret_resource = shapes[plan->provider].resource;
}

static void add_rule(const cJSON *backends, struct shares *s)
{
    int64_t otherwise = cJSON_GetArraySize(backends) > 1 ? 0 : 100;
    const cJSON *b;
    int sum = 0, canary = 0, primary = 0;

    cJSON_ArrayForEach(b, backends)
    {
        const char *host = json_str(json_get(b, "destination"), "host");
        const char *name = host ? host : json_str_or(b, "name", "");
        int weight = (int)json_int(b, "weight", otherwise);

        sum += weight;
        *(strcmp(name, SWARM_NAME "-canary") == 0 ? &canary : &primary) += weight;
    }
    if (sum != 100)
        s->bad_sum = sum ? sum : -1;
    s->known = true;
    s->weight = canary;
    s->canary = canary > s->canary ? canary : s->canary;
    s->primary = primary > s->primary ? primary : s->primary;
}

static struct shares shares_of_service(const cJSON *service)
{
    const char *app = json_str(json_at(service, "spec", "selector", NULL), "app");
    struct shares s = {0};

    if (app) {
        s.known = true;
        *(strcmp(app, SWARM_NAME) == 0 ? &s.canary : &s.primary) = 100;
        s.weight = s.canary;
    }
    return s;
}

struct shares shares_of(const struct swarm_plan *plan, const cJSON *object)
{
    const struct shape *shape = &shapes[plan->provider];
    const cJSON *spec = json_get(object, "spec"), *rule;
    struct shares s = {0};

    if (object == NULL)
        return s;
    if (plan->provider == SWARM_KUBERNETES)
        return shares_of_service(object);
    if (plan->provider == SWARM_TRAEFIK) {
        add_rule(json_at(spec, "weighted", "services", NULL), &s);
        return s;
    }
    cJSON_ArrayForEach(rule, json_get(spec, shape->rules))
        add_rule(json_get(rule, shape->backends), &s);
    return s;
}

struct shares shares_now(const struct judge *j)
{
    const struct shape *shape = &shapes[j->plan->provider];

    return shares_of(j->plan,
                     simkube_get(j->k, shape->group, shape->resource, SWARM_NS, SWARM_NAME));
}

bool shares_in_table(const struct swarm_plan *plan, int weight)
{
    int64_t step = plan->step < plan->max ? plan->step : plan->max;

    if (weight == 0 || weight == plan->max)
        return true;
    if (plan->uneven)
        return weight == step || weight == step + (plan->max - step) / 2;
    return weight < plan->max && weight % step == 0;
}

int judge_canary_weight(const struct judge *j)
{
    struct shares s = shares_now(j);

    return !s.known ? -1 : j->plan->strategy == SWARM_CANARY ? s.weight : s.canary;
}
