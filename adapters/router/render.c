#include "adapters/router/render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"
#include "adapters/router/objectmap.h"
#include "adapters/router/service.h"

#define STEPS_MAX 10000 /* a ladder that has not ended by then never will */

/* ---- steps
 * ------------------------------------------------------------------------------------------- */

struct ladder {
    const cJSON *analysis;
    int64_t step_weight, weight_max;
    const cJSON *weights; /* stepWeights, or NULL */
};

static int64_t at_most(int64_t value, int64_t limit)
{
    return value < limit ? value : limit;
}

static struct ladder ladder_of(const cJSON *analysis)
{
    struct ladder l = {analysis, json_int(analysis, "stepWeight", 0),
                       json_int(analysis, "maxWeight", 0), json_get(analysis, "stepWeights")};
    int64_t last;

    if (json_is_empty(l.weights))
        l.weights = NULL;
    if (l.weights != NULL &&
        json_as_int(cJSON_GetArrayItem(l.weights, cJSON_GetArraySize(l.weights) - 1), &last))
        l.weight_max = at_most(last, 100);
    else if (l.weight_max <= 0)
        l.weight_max = 100;
    return l;
}

/* The weight after `weight`; not more than `weight` when the ladder is stuck. */
static int64_t next_weight(const struct ladder *l, int64_t weight)
{
    int64_t value, following;

    if (l->step_weight > 0 || l->weights == NULL)
        return at_most(weight + l->step_weight, 100);
    if (weight == 0)
        return json_as_int(l->weights->child, &value) ? at_most(value, 100) : 0;
    for (const cJSON *w = l->weights->child; w->next != NULL; w = w->next) {
        if (json_as_int(w, &value) && value == weight)
            return json_as_int(w->next, &following) ? at_most(following, 100) : 0;
    }
    return 100;
}

/* Weighted steps; with `mirror` the first one mirrors. */
static int weighted_step(const struct ladder *l, bool mirror, int64_t step,
                         struct routing *ret_routing, int64_t *ret_last)
{
    int64_t weight = 0, count = mirror ? 1 : 0, found = mirror && step == 1 ? 0 : -1;

    while (weight < l->weight_max && count < STEPS_MAX) {
        int64_t next = next_weight(l, weight);

        if (next <= weight)
            break;
        weight = next;
        if (++count == step)
            found = weight;
    }
    *ret_last = count;
    if (found < 0)
        return -ERANGE;
    *ret_routing = (struct routing){100 - found, found, mirror && step == 1};
    return 0;
}

int render_step(const cJSON *canary, const char *provider, int64_t step,
                struct routing *ret_routing, int64_t *ret_last)
{
    const cJSON *spec = json_get(canary, "spec"), *analysis = json_get(spec, "analysis");
    struct ladder l;
    bool mirror, no_mesh = strcmp(provider, "kubernetes") == 0;
    int64_t iterations;

    if (analysis == NULL)
        analysis = json_get(spec, "canaryAnalysis");
    iterations = json_int(analysis, "iterations", 0);
    mirror = json_bool(analysis, "mirror", false);
    l = ladder_of(analysis);
    if (no_mesh && iterations < 1)
        iterations = 10; /* what the provider falls back to */
    if (iterations < 1)
        return weighted_step(&l, mirror, step, ret_routing, ret_last);

    bool ab = !no_mesh && !json_is_empty(json_get(analysis, "match"));

    *ret_last =
        ab || no_mesh ? iterations : iterations + 1; /* blue/green ends with a full switch */
    if (step < 1 || step > *ret_last)
        return -ERANGE;
    if (ab || no_mesh || step > iterations)
        *ret_routing = (struct routing){0, 100, false};
    else
        *ret_routing = (struct routing){100, 0, mirror};
    return 0;
}

/* ---- the world
 * --------------------------------------------------------------------------------------- */

struct rendering {
    const struct render_request *request;
    cJSON *canary; /* with a namespace and a status */
    const cJSON *target;
    struct objectmap map;
    cJSON *order; /* keys of what was written, in order of first mention */
    struct router_options options;
    struct router_world world;
    struct strbuf *error;
};

static const char *namespace_of(const cJSON *object)
{
    return json_str_or(json_get(object, "metadata"), "namespace", "default");
}

static const struct resource *resource_of(const cJSON *object)
{
    for (size_t i = 0; router_resources[i] != NULL; i++) {
        struct strbuf version = STRBUF_INIT;
        bool same;

        resource_api_version(router_resources[i], &version);
        same = strcmp(strbuf_str(&version), json_text(object, "apiVersion")) == 0 &&
               strcmp(router_resources[i]->kind, json_text(object, "kind")) == 0;
        strbuf_release(&version);
        if (same)
            return router_resources[i];
    }
    return NULL;
}

/* Objects of the user that a router may ask for. */
static void load_objects(struct rendering *r)
{
    const cJSON *objects = r->request->objects;

    for (const cJSON *o = objects == NULL ? NULL : objects->child; o != NULL; o = o->next) {
        const struct resource *resource = resource_of(o);

        if (resource != NULL)
            objectmap_put(&r->map, resource, resource->cluster_scoped ? "" : namespace_of(o),
                          json_text(json_get(o, "metadata"), "name"), build_copy(o));
    }
}

static const cJSON *find_target(const struct rendering *r)
{
    const cJSON *ref = json_at(r->canary, "spec", "targetRef", NULL),
                *objects = r->request->objects;

    for (const cJSON *o = objects == NULL ? NULL : objects->child; o != NULL; o = o->next) {
        if (strcmp(json_text(o, "kind"), json_text(ref, "kind")) == 0 &&
            strcmp(json_text(json_get(o, "metadata"), "name"), json_text(ref, "name")) == 0 &&
            strcmp(namespace_of(o), namespace_of(r->canary)) == 0)
            return o;
    }
    return NULL;
}

/* The label by which the target's pods are selected, when the target is at hand. */
static void find_selector(struct rendering *r)
{
    static const char *const keys[] = {"app", "name", "app.kubernetes.io/name"};
    const cJSON *labels = json_at(r->target, "spec", "selector", "matchLabels", NULL);

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *value = json_str(labels, keys[i]);

        if (value != NULL) {
            r->options.selector_label = keys[i];
            r->options.selector_value = value;
            return;
        }
    }
}

/* Perform a result on the map and note what was written. */
static int perform(struct rendering *r, struct router_result *result)
{
    struct router_writer writer = objectmap_writer(&r->map);
    cJSON *status = build_child(r->canary, "status");
    int code = router_apply(result, &writer, r->error);

    for (size_t i = 0; i < result->count; i++) {
        struct strbuf key = STRBUF_INIT;

        objectmap_key(&key, result->writes[i].resource, result->writes[i].ns,
                      result->writes[i].name);
        if (json_get(r->order, strbuf_str(&key)) == NULL)
            build_set(r->order, strbuf_str(&key), build_bool(true));
        strbuf_release(&key);
    }
    build_set(status, "sessionAffinityCookie", build_str(result->cookies.session));
    build_set(status, "previousSessionAffinityCookie", build_str(result->cookies.previous));
    build_set(status, "primarySessionAffinityCookie", build_str(result->cookies.primary));
    router_result_release(result);
    return code;
}

static struct router_request request_of(struct rendering *r)
{
    const char *provider = json_text(json_get(r->canary, "spec"), "provider");
    const char *otherwise = r->request->provider != NULL ? r->request->provider : "istio";

    if (provider[0] == '\0' || r->request->override_provider)
        provider = otherwise;
    return (struct router_request){r->canary, provider, &r->options, &r->world, NULL};
}

static int render_mesh(struct rendering *r)
{
    struct router_request q = request_of(r);
    struct router_result result;

    (void)router_reconcile(&q, &result);
    return perform(r, &result);
}

static int find_routing(struct rendering *r, struct routing *ret_routing)
{
    struct router_request q = request_of(r);
    int64_t last = 0;
    int code;

    if (r->request->at == RENDER_AT_WEIGHT) {
        if (r->request->number < 0 || r->request->number > 100) {
            strbuf_addf(r->error, "a weight is between 0 and 100");
            return -ERANGE;
        }
        *ret_routing = (struct routing){100 - r->request->number, r->request->number, false};
        return 0;
    }
    code = render_step(r->canary, q.provider, r->request->number, ret_routing, &last);
    if (code != 0)
        strbuf_addf(r->error, "the rollout has no step %lld; its last one is %lld",
                    (long long)r->request->number, (long long)last);
    return code;
}

static int render_routing(struct rendering *r)
{
    struct router_request q = request_of(r);
    struct router_result result;
    struct routing routing;
    int code;

    if (r->request->at == RENDER_AT_REST)
        return 0;
    code = find_routing(r, &routing);
    if (code != 0)
        return code;
    (void)router_set(&q, &routing, &result);
    return perform(r, &result);
}

static int render_services(struct rendering *r, const cJSON *ports, bool apex)
{
    struct router_request q = request_of(r);
    struct router_result result;

    if (apex)
        (void)service_reconcile(&q, ports, &result);
    else
        (void)service_initialize(&q, ports, &result);
    return perform(r, &result);
}

static int render_workload(struct rendering *r, cJSON *list)
{
    const struct render_request *q = r->request;

    if (q->workload == NULL)
        return 0;
    return q->workload(q->workload_self, r->canary, r->target, q->objects, list, r->error);
}

/* Everything in the order of a first tick, then the weights. */
static int render_all(struct rendering *r, cJSON *workloads)
{
    struct router_request q = request_of(r);
    cJSON *ports = service_discover_ports(&q, json_at(r->target, "spec", "template", "spec", NULL)),
          *apex = NULL;
    bool mesh_first = router_reconciles_first(q.provider);
    int code = render_services(r, ports, false);

    if (code == 0 && mesh_first)
        code = render_mesh(r);
    if (code == 0)
        code = render_workload(r, workloads);
    if (code == 0)
        code = render_services(r, ports, true);
    if (code == 0 && !mesh_first) {
        apex = service_apex_metadata(&q);
        r->options.apex_metadata = apex;
        code = render_mesh(r);
    }
    if (code == 0)
        code = render_routing(r);
    r->options.apex_metadata = NULL;
    json_free(apex);
    json_free(ports);
    return code;
}

/* A Canary out of a file has no uid; without one there is no owner to name. */
static void drop_unknown_owner(cJSON *object)
{
    cJSON *owners = json_at(object, "metadata", "ownerReferences", NULL);

    if (owners != NULL && json_text(owners->child, "uid")[0] == '\0')
        json_remove(json_get(object, "metadata"), "ownerReferences");
}

static cJSON *collect(struct rendering *r, const cJSON *workloads)
{
    cJSON *list = build_list(NULL);

    for (const cJSON *o = workloads->child; o != NULL; o = o->next)
        build_append(list, build_copy(o));
    for (const cJSON *key = r->order->child; key != NULL; key = key->next) {
        const cJSON *found = json_get(r->map.objects, key->string);

        if (found != NULL) {
            cJSON *object = build_copy(found);

            drop_unknown_owner(object);
            build_append(list, object);
        }
    }
    return list;
}

static void set_default(cJSON *object, const char *name, const char *value)
{
    if (json_get(object, name) == NULL)
        build_set(object, name, build_str(value));
}

/* What the API server fills into a Canary before anybody reads it (the CRD's defaults that routers
 * see). */
static void complete_canary(cJSON *canary)
{
    cJSON *service = json_at(canary, "spec", "service", NULL);
    cJSON *refs = json_get(service, "gatewayRefs"), *mirrors = json_get(service, "mirror");

    for (cJSON *ref = refs == NULL ? NULL : refs->child; ref != NULL; ref = ref->next) {
        set_default(ref, "group", "gateway.networking.k8s.io");
        set_default(ref, "kind", "Gateway");
    }
    for (cJSON *m = mirrors == NULL ? NULL : mirrors->child; m != NULL; m = m->next) {
        cJSON *backend = json_get(m, "backendRef");

        set_default(backend, "group", "");
        set_default(backend, "kind", "Service");
    }
}

/* A fixed sequence: a rendering is the same every time. */
static uint64_t no_randomness(void *self)
{
    (void)self;
    return 0;
}

int render_objects(const struct render_request *q, cJSON **ret_list, struct strbuf *reterr_text)
{
    struct rendering r = {.request = q, .canary = build_copy(q->canary), .error = reterr_text};
    cJSON *workloads = build_list(NULL);
    int code;

    build_set(build_child(r.canary, "metadata"), "namespace", build_str(namespace_of(q->canary)));
    build_set(build_child(r.canary, "status"), "phase", build_str("Progressing"));
    complete_canary(r.canary);
    objectmap_init(&r.map);
    r.order = build_object(NULL);
    r.world = objectmap_world(&r.map);
    r.target = find_target(&r);
    r.options = (struct router_options){
        .set_owner_references = true,
        .ingress_class = q->ingress_class,
        .quirks = q->quirks,
        .random = no_randomness,
    };
    find_selector(&r);
    load_objects(&r);
    code = render_all(&r, workloads);
    if (code == 0)
        *ret_list = collect(&r, workloads);
    json_free(workloads);
    json_free(r.order);
    json_free(r.canary);
    objectmap_release(&r.map);
    return code;
}
