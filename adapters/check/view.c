#include <string.h>

#include "adapters/check/internal.h"
#include "engine/num.h"

struct slot {
    const char *key;
    size_t len;
    const struct node **node;
};

#define SLOT(key, node)                                                                            \
    {                                                                                              \
        key, sizeof key - 1, node                                                                  \
    }

/* One pass over a map, filling the slots of the members we know. */
static void collect(const struct node *map, const struct slot *slots, size_t count)
{
    if (map == NULL || map->kind != NODE_MAP)
        return;
    for (size_t i = 0; i < map->u.map.count; i++) {
        const struct member *m = &map->u.map.members[i];

        for (size_t k = 0; k < count; k++)
            if (m->key_len == slots[k].len && memcmp(m->key, slots[k].key, m->key_len) == 0) {
                *slots[k].node = m->value;
                break;
            }
    }
}
#define COLLECT(map, slots) collect(map, slots, sizeof slots / sizeof *slots)

static const struct node *list_or_null(const struct node *n)
{
    return n && n->kind == NODE_LIST ? n : NULL;
}

static void view_analysis(struct canary_view *v)
{
    const struct slot slots[] = {
        SLOT("interval", &v->interval),
        SLOT("threshold", &v->threshold),
        SLOT("stepWeight", &v->step_weight),
        SLOT("maxWeight", &v->max_weight),
        SLOT("metrics", &v->metrics),
        SLOT("webhooks", &v->webhooks),
        SLOT("iterations", &v->iterations),
        SLOT("stepWeights", &v->step_weights),
        SLOT("match", &v->match),
        SLOT("alerts", &v->alerts),
        SLOT("mirror", &v->mirror),
        SLOT("mirrorWeight", &v->mirror_weight),
        SLOT("stepWeightPromotion", &v->step_weight_promotion),
        SLOT("sessionAffinity", &v->affinity),
    };

    COLLECT(v->analysis, slots);
    v->step_weights = list_or_null(v->step_weights);
    v->match = list_or_null(v->match);
    v->metrics = list_or_null(v->metrics);
    v->alerts = list_or_null(v->alerts);
    v->webhooks = list_or_null(v->webhooks);
}

static size_t count_rollout_hooks(const struct canary_view *v)
{
    size_t count = 0;

    for (size_t i = 0; v->webhooks && i < v->webhooks->u.list.count; i++) {
        const char *type = check_str(node_get(v->webhooks->u.list.items[i], "type"));

        count += *type == 0 || strcmp(type, "rollout") == 0;
    }
    return count;
}

static void effective_values(struct check *c, struct canary_view *v)
{
    int64_t ms = 0;
    size_t matches = v->match ? v->match->u.list.count : 0;

    if (!check_duration(v->interval, &ms))
        ms = 60000;
    v->interval_ms = ms < 10000 ? 10000 : ms;
    v->fail_threshold = check_int(v->threshold, 1);
    if (v->fail_threshold <= 0)
        v->fail_threshold = 1;
    v->iteration_count = check_int(v->iterations, 0);
    if (v->features && v->features->forced_blue_green) {
        matches = 0;
        if (v->iteration_count < 1) {
            v->iteration_count = 10;
            v->forced_iterations = true;
        }
    }
    v->ab = v->iteration_count > 0 && matches > 0;
    v->blue_green = v->iteration_count > 0 && matches == 0;
    v->hook_rollout_count = count_rollout_hooks(v);
    v->ladder = v->analysis && !v->skip_analysis ? ladder_of(c, v) : NULL;
}

/*
 * Without spec.provider the operator's default counts. When nobody has told it, the references of
 * the Canary give it away: gatewayRefs with Istio would be a strange thing to write.
 */
static const char *default_provider(struct check *c, const struct canary_view *v)
{
    if (check_options(c)->provider_told)
        return check_options(c)->provider;
    if (node_get(v->service, "gatewayRefs"))
        return "gatewayapi:v1";
    if (v->ingress)
        return "nginx";
    if (v->route)
        return "apisix";
    if (v->upstream)
        return "gloo";
    if (node_get(v->service, "meshName"))
        return "appmesh";
    return check_options(c)->provider;
}

void view_canary(struct check *c, const struct node *root, struct canary_view *v)
{
    const struct node *provider = NULL, *skip = NULL, *alias = NULL;
    const struct slot root_slots[] = {SLOT("metadata", &v->metadata), SLOT("spec", &v->spec)};
    const struct slot spec_slots[] = {
        SLOT("provider", &provider),           SLOT("targetRef", &v->target),
        SLOT("autoscalerRef", &v->autoscaler), SLOT("service", &v->service),
        SLOT("analysis", &v->analysis),        SLOT("skipAnalysis", &skip),
        SLOT("ingressRef", &v->ingress),       SLOT("routeRef", &v->route),
        SLOT("upstreamRef", &v->upstream),     SLOT("canaryAnalysis", &alias),
    };

    memset(v, 0, sizeof *v);
    v->root = root;
    COLLECT(root, root_slots);
    COLLECT(v->spec, spec_slots);
    v->analysis_alias = v->analysis == NULL && alias != NULL;
    if (v->analysis_alias)
        v->analysis = alias;
    if (v->analysis && v->analysis->kind != NODE_MAP)
        v->analysis = NULL;
    v->name = check_str(node_get(v->metadata, "name"));
    v->ns = check_str(node_get(v->metadata, "namespace"));
    if (*v->ns == 0)
        v->ns = "default";
    v->target_name = check_str(node_get(v->target, "name"));
    v->target_kind = check_str(node_get(v->target, "kind"));
    v->apex = check_str(node_get(v->service, "name"));
    if (*v->apex == 0)
        v->apex = v->target_name;
    v->provider_given = *check_str(provider) != 0;
    v->provider = v->provider_given ? provider->text : default_provider(c, v);
    v->features = provider_features_find(v->provider);
    v->skip_analysis = check_bool(skip);
    view_analysis(v);
    effective_values(c, v);
}
