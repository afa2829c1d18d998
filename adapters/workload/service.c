/* A core Service as target: it is the apex, and `<target>-primary`, `<target>-canary` are clones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/workload/plan.h"

/* Addresses and node ports belong to one Service alone; a clone gets its own, or keeps those it
 * has. */
static void own_addresses(const struct plan *p, cJSON *spec, const cJSON *live)
{
    static const char *const fields[] = {"clusterIP", "clusterIPs", "healthCheckNodePort"};
    const cJSON *live_spec = json_get(live, "spec");
    bool headless = strcmp(json_text(spec, "clusterIP"), "None") == 0;
    cJSON *ports = json_get(spec, "ports");

    (void)p;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        json_remove(spec, fields[i]);
        build_set(spec, fields[i], build_copy(json_get(live_spec, fields[i])));
    }
    if (headless && live == NULL)
        build_set(spec, "clusterIP", build_str("None"));
    for (cJSON *port = ports ? ports->child : NULL; port; port = port->next) {
        const cJSON *old = json_get(live_spec, "ports");

        json_remove(port, "nodePort");
        for (old = old ? old->child : NULL; old; old = old->next) {
            if (json_int(old, "port", 0) == json_int(port, "port", 0) &&
                json_int(old, "nodePort", 0) > 0)
                build_set(port, "nodePort", build_copy(json_get(old, "nodePort")));
        }
    }
}

static cJSON *clone_of(struct plan *p, const cJSON *target, const char *name, const cJSON *live)
{
    cJSON *spec = build_copy(json_get(target, "spec"));
    cJSON *annotations = build_copy(json_at(target, "metadata", "annotations", NULL));
    const char *distribution = json_text(json_get(p->spec, "service"), "trafficDistribution");
    cJSON *metadata;

    json_remove(annotations, "kubectl.kubernetes.io/last-applied-configuration");
    if (annotations != NULL && json_is_empty(annotations)) {
        json_free(annotations);
        annotations = NULL;
    }
    own_addresses(p, spec, live);
    if (*distribution != '\0')
        build_set(spec, "trafficDistribution", build_str(distribution));
    metadata = build_object("name", build_str(name), "namespace", build_str(p->ns), "labels",
                            build_copy(json_at(target, "metadata", "labels", NULL)), "annotations",
                            annotations, "ownerReferences", owner_references(p->q->canary), NULL);
    if (live != NULL)
        build_set(metadata, "resourceVersion",
                  build_str(json_str(json_get(live, "metadata"), "resourceVersion")));
    return build_object("apiVersion", build_str("v1"), "kind", build_str("Service"), "metadata",
                        metadata, "spec", spec, NULL);
}

static bool clone_is_current(const cJSON *clone, const cJSON *live)
{
    return json_equal(json_get(clone, "spec"), json_get(live, "spec")) &&
           maps_equal(json_at(clone, "metadata", "labels", NULL),
                      json_at(live, "metadata", "labels", NULL)) &&
           maps_equal(json_at(clone, "metadata", "annotations", NULL),
                      json_at(live, "metadata", "annotations", NULL));
}

/* Make the clone, or bring it up to the target where `follow`. */
static int reconcile_clone(struct plan *p, const cJSON *target, const char *suffix, bool follow)
{
    char *name = build_text("%s-%s", p->target, suffix);
    cJSON *live = NULL;
    int code = plan_get(p, &RESOURCE_SERVICE, name, &live);

    if (code == -ENOENT) {
        plan_write(p, ROUTER_POST, &RESOURCE_SERVICE, name, clone_of(p, target, name, NULL),
                   "creating service %s.%s query error: ", p->name, p->ns);
        code = 0;
    } else if (code != 0) {
        plan_fail(p, code, "service %s.%s get query error: %s", name, p->ns, plan_api_error(p));
    } else if (follow) {
        cJSON *clone = clone_of(p, target, name, live);

        if (clone_is_current(clone, live))
            json_free(clone);
        else
            plan_write(p, ROUTER_PUT, &RESOURCE_SERVICE, name, clone,
                       "updating service %s.%s failed: ", name, p->ns);
    }
    free(name);
    json_free(live);
    return code;
}

static int get_service(struct plan *p, cJSON **ret_target)
{
    int code = plan_get(p, &RESOURCE_SERVICE, p->target, ret_target);

    if (code != 0)
        plan_fail(p, code, "service %s.%s get query error: %s",
                  cluster_has(p->o->quirks, CLUSTER_PLAIN_TEXTS) ? p->primary : p->target, p->ns,
                  plan_api_error(p));
    return code;
}

int core_service_initialize(struct plan *p)
{
    cJSON *target = NULL;
    int code = get_service(p, &target);

    if (code != 0)
        return code;
    strbuf_adds(&p->prefix, "reconcileCanaryService failed: ");
    code = reconcile_clone(p, target, "canary", true);
    strbuf_clear(&p->prefix);
    strbuf_adds(&p->prefix, "reconcilePrimaryService failed: ");
    if (code == 0)
        code = reconcile_clone(p, target, "primary", false);
    json_free(target);
    return code;
}

int core_service_promote(struct plan *p)
{
    cJSON *target = NULL;
    int code;

    strbuf_addf(&p->prefix, "updating service %s.%s spec failed: ", p->primary, p->ns);
    code = get_service(p, &target);
    if (code == 0)
        code = reconcile_clone(p, target, "primary", true);
    json_free(target);
    return code;
}
