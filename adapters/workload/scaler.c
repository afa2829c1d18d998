/* The target's autoscaler and its copy for the primary: HPA v2 and KEDA ScaledObject. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/workload/plan.h"

#define PAUSED_KEY "autoscaling.keda.sh/paused-replicas"

enum scaler_kind { SCALER_NONE, SCALER_HPA, SCALER_KEDA };

static const cJSON *scaler_ref(const struct plan *p)
{
    return json_get(p->spec, "autoscalerRef");
}

static enum scaler_kind scaler_kind_of(const struct plan *p)
{
    const char *kind = json_text(scaler_ref(p), "kind");

    return strcmp(kind, "HorizontalPodAutoscaler") == 0 ? SCALER_HPA
           : strcmp(kind, "ScaledObject") == 0          ? SCALER_KEDA
                                                        : SCALER_NONE;
}

static int get_scaler(struct plan *p, enum scaler_kind kind, cJSON **ret_scaler)
{
    const char *name = json_text(scaler_ref(p), "name");
    int code =
        plan_get(p, kind == SCALER_HPA ? &RESOURCE_HPA : &RESOURCE_SCALED_OBJECT, name, ret_scaler);

    if (code != 0)
        plan_fail(p, code, "%s %s.%s get query error: %s",
                  kind == SCALER_HPA ? "HorizontalPodAutoscaler" : "Keda ScaledObject", name, p->ns,
                  plan_api_error(p));
    return code;
}

/* spec.autoscalerRef.primaryScalerReplicas. */
static void override_replicas(const struct plan *p, cJSON *spec, const char *minimum,
                              const char *maximum)
{
    const cJSON *replicas = json_get(scaler_ref(p), "primaryScalerReplicas");

    build_set(spec, minimum, build_copy(json_get(replicas, "minReplicas")));
    build_set(spec, maximum, build_copy(json_get(replicas, "maxReplicas")));
}

static cJSON *target_ref_of(const struct plan *p, const cJSON *spec)
{
    cJSON *ref = build_copy(json_get(spec, "scaleTargetRef"));

    if (ref == NULL)
        ref = build_object(NULL);
    build_set(ref, "name", build_str(p->primary));
    return ref;
}

static cJSON *new_scaler(const struct plan *p, const char *api_version, const struct resource *r,
                         const char *name, cJSON *labels, cJSON *annotations, cJSON *spec)
{
    return build_object("apiVersion", build_str(api_version), "kind", build_str(r->kind),
                        "metadata",
                        build_object("name", build_str(name), "namespace", build_str(p->ns),
                                     "labels", labels, "annotations", annotations,
                                     "ownerReferences", owner_references(p->q->canary), NULL),
                        "spec", spec, NULL);
}

/* Do the members of `wanted` stand in `live` as they are there? */
static bool covers(const cJSON *live, const cJSON *wanted)
{
    for (const cJSON *m = build_members(wanted); m; m = m->next) {
        if (!json_equal(json_get(live, m->string), m))
            return false;
    }
    return true;
}

static cJSON *with_spec(const cJSON *live, cJSON *spec)
{
    cJSON *object = build_copy(live), *old = build_child(object, "spec");

    for (cJSON *m = spec->child, *next; m; m = next) {
        next = m->next;
        build_set(old, m->string, build_copy(m));
    }
    json_free(spec);
    json_remove(object, "status");
    return object;
}

/* ---- HPA ---------------------------------------------------------------------------------------
 */

static cJSON *hpa_spec(const struct plan *p, const cJSON *hpa)
{
    static const char *const copied[] = {"minReplicas", "maxReplicas", "metrics", "behavior"};
    const cJSON *from = json_get(hpa, "spec");
    cJSON *spec = build_object("scaleTargetRef", target_ref_of(p, from), NULL);

    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        build_set(spec, copied[i], build_copy(json_get(from, copied[i])));
    override_replicas(p, spec, "minReplicas", "maxReplicas");
    return spec;
}

static cJSON *map_or_null(cJSON *map)
{
    if (!json_is_empty(map))
        return map;
    json_free(map);
    return NULL;
}

static int reconcile_hpa(struct plan *p, const cJSON *hpa, bool init)
{
    char *name = build_join(json_text(scaler_ref(p), "name"), "-primary");
    cJSON *live = NULL, *spec = hpa_spec(p, hpa);
    int code = plan_get(p, &RESOURCE_HPA, name, &live);

    if (code == -ENOENT) {
        plan_write(p, ROUTER_POST, &RESOURCE_HPA, name,
                   new_scaler(p, "autoscaling/v2", &RESOURCE_HPA, name,
                              map_or_null(filter_strip(json_at(hpa, "metadata", "labels", NULL))),
                              NULL, spec),
                   "creating HorizontalPodAutoscaler v2 %s.%s failed: ", name, p->ns);
        code = 0;
    } else if (code != 0) {
        json_free(spec);
        plan_fail(p, code, "HorizontalPodAutoscaler v2 %s.%s get query failed: %s",
                  cluster_has(p->o->quirks, CLUSTER_PLAIN_TEXTS) ? "" : name,
                  cluster_has(p->o->quirks, CLUSTER_PLAIN_TEXTS) ? "" : p->ns, plan_api_error(p));
    } else if (!init && !covers(json_get(live, "spec"), spec)) {
        plan_write(p, ROUTER_PUT, &RESOURCE_HPA, name, with_spec(live, spec),
                   "updating HorizontalPodAutoscaler v2 %s.%s failed: ", name, p->ns);
    } else {
        json_free(spec);
    }
    free(name);
    json_free(live);
    return code;
}

/* ---- KEDA --------------------------------------------------------------------------------------
 */

/* `<target>-canary` and `<target>` become `<target>-primary`. */
static cJSON *rewritten_query(const struct plan *p, const char *query)
{
    size_t len = strlen(p->target);
    struct strbuf out = STRBUF_INIT;
    cJSON *v;

    while (*query) {
        if (len == 0 || strncmp(query, p->target, len) != 0) {
            strbuf_addc(&out, *query++);
            continue;
        }
        query += len;
        if (strncmp(query, "-canary", 7) == 0)
            query += 7;
        else if (!cluster_has(p->o->quirks, CLUSTER_QUERY_SUFFIX) &&
                 strncmp(query, "-primary", 8) == 0)
            query += 8;
        strbuf_adds(&out, p->primary);
    }
    v = build_str(strbuf_str(&out));
    strbuf_release(&out);
    return v;
}

static void rewrite_triggers(const struct plan *p, cJSON *triggers)
{
    const cJSON *queries = json_get(scaler_ref(p), "primaryScalerQueries");

    if (!cluster_has(p->o->quirks, CLUSTER_EMPTY_QUERIES) && json_is_empty(queries))
        queries = NULL;
    for (cJSON *t = triggers ? triggers->child : NULL; t; t = t->next) {
        const char *query = json_str(json_get(t, "metadata"), "query");

        if (queries != NULL && json_get(queries, json_text(t, "name")) != NULL)
            build_set(build_child(t, "metadata"), "query",
                      build_copy(json_get(queries, json_text(t, "name"))));
        else if (queries == NULL && query != NULL)
            build_set(json_get(t, "metadata"), "query", rewritten_query(p, query));
    }
}

static cJSON *keda_spec(const struct plan *p, const cJSON *scaled)
{
    cJSON *spec = build_copy(json_get(scaled, "spec")), *config;

    if (spec == NULL)
        spec = build_object(NULL);
    build_set(spec, "scaleTargetRef", target_ref_of(p, spec));
    rewrite_triggers(p, json_get(spec, "triggers"));
    config = build_child(build_child(spec, "advanced"), "horizontalPodAutoscalerConfig");
    if (*json_text(config, "name") != '\0')
        build_set(config, "name", build_strf("%s-primary", json_text(config, "name")));
    override_replicas(p, spec, "minReplicaCount", "maxReplicaCount");
    return spec;
}

static int reconcile_keda(struct plan *p, const cJSON *scaled, bool init)
{
    char *name = build_join(json_text(scaler_ref(p), "name"), "-primary");
    cJSON *live = NULL, *spec = keda_spec(p, scaled), *annotations;
    int code = plan_get(p, &RESOURCE_SCALED_OBJECT, name, &live);

    if (code == -ENOENT) {
        annotations = filter_strip(json_at(scaled, "metadata", "annotations", NULL));
        if (!cluster_has(p->o->quirks, CLUSTER_DROP_PAUSE)) {
            json_remove(annotations, PAUSED_KEY);
            json_remove(annotations, "kubectl.kubernetes.io/last-applied-configuration");
        }
        plan_write(
            p, ROUTER_POST, &RESOURCE_SCALED_OBJECT, name,
            new_scaler(p, "keda.sh/v1alpha1", &RESOURCE_SCALED_OBJECT, name,
                       map_or_null(filter_strip(json_at(scaled, "metadata", "labels", NULL))),
                       map_or_null(annotations), spec),
            "creating Keda ScaledObject %s.%s failed: ", name, p->ns);
        code = 0;
    } else if (code != 0) {
        json_free(spec);
        plan_fail(p, code, "Keda ScaledObject %s.%s get query failed: %s", name, p->ns,
                  plan_api_error(p));
    } else if (!init && !covers(json_get(live, "spec"), spec)) {
        plan_write(p, ROUTER_PUT, &RESOURCE_SCALED_OBJECT, name, with_spec(live, spec),
                   "updating ScaledObject %s.%s failed: ", name, p->ns);
    } else {
        json_free(spec);
    }
    free(name);
    json_free(live);
    return code;
}

/* ---- the calls ---------------------------------------------------------------------------------
 */

int scaler_reconcile(const struct workload_request *q, bool init, struct router_result *ret_result)
{
    enum scaler_kind kind;
    cJSON *scaler = NULL;
    struct plan p;

    plan_begin(&p, q, ret_result);
    kind = scaler_kind_of(&p);
    if (kind != SCALER_NONE && get_scaler(&p, kind, &scaler) == 0)
        ret_result->code =
            kind == SCALER_HPA ? reconcile_hpa(&p, scaler, init) : reconcile_keda(&p, scaler, init);
    json_free(scaler);
    return plan_end(&p);
}

static int set_paused(const struct workload_request *q, bool paused,
                      struct router_result *ret_result)
{
    cJSON *scaler = NULL, *value;
    struct plan p;

    plan_begin(&p, q, ret_result);
    if (scaler_kind_of(&p) == SCALER_KEDA && get_scaler(&p, SCALER_KEDA, &scaler) == 0) {
        const char *now = json_str(json_at(scaler, "metadata", "annotations", NULL), PAUSED_KEY);

        if (paused ? now == NULL || strcmp(now, "0") != 0 : now != NULL) {
            value = paused ? build_str("0") : cJSON_CreateNull();
            value = build_object("annotations", build_object(PAUSED_KEY, value, NULL), NULL);
            plan_write(&p, ROUTER_PATCH, &RESOURCE_SCALED_OBJECT, json_text(scaler_ref(&p), "name"),
                       plan_patch_of(scaler, "metadata", value), "%s", "");
        }
    }
    json_free(scaler);
    return plan_end(&p);
}

int scaler_pause(const struct workload_request *q, struct router_result *ret_result)
{
    return set_paused(q, true, ret_result);
}

int scaler_resume(const struct workload_request *q, struct router_result *ret_result)
{
    return set_paused(q, false, ret_result);
}
