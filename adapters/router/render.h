/*
 * adapters/router/render.h — the objects that a Canary produces at a given step, without a cluster.
 */
#ifndef COALMINE_ROUTER_RENDER_H
#define COALMINE_ROUTER_RENDER_H

#include "adapters/router/router.h"

/* Where in the rollout; RENDER_WEIGHT takes `number` as the canary's weight, RENDER_STEP counts
 * from 1. */
enum render_at { RENDER_AT_REST, RENDER_AT_WEIGHT, RENDER_AT_STEP };

struct render_request {
    const cJSON *canary;  /* one Canary */
    const cJSON *objects; /* a list of other objects: the target, source Ingresses or ApisixRoutes;
                             or NULL */
    const char *provider; /* used where spec.provider is empty; NULL = istio */
    bool override_provider; /* use `provider` whatever the spec says */
    enum render_at at;
    int64_t number;
    router_quirks quirks;
    const char *ingress_class;
    /*
     * The workload copies (primary Deployment or DaemonSet, its autoscaler, ConfigMaps and
     * Secrets): appends them to the list. `target` may be NULL. NULL = none are rendered.
     */
    int (*workload)(void *self, const cJSON *canary, const cJSON *target, const cJSON *objects,
                    cJSON *list, struct strbuf *reterr_text);
    void *workload_self;
};

/*
 * The objects in the order in which they would be created, as they stand at that step. Returns 0
 * and a list that the caller frees; or -Exxx and the text of what is wrong (a step that does not
 * exist: -ERANGE).
 */
int render_objects(const struct render_request *q, cJSON **ret_list, struct strbuf *reterr_text);

/*
 * Where the traffic is after step `step` (from 1) of a Canary: weights and mirror as the rollout
 * sets them when every check passes. *ret_last is the number of steps. -ERANGE when there is no
 * such step.
 */
int render_step(const cJSON *canary, const char *provider, int64_t step,
                struct routing *ret_routing, int64_t *ret_last);

#endif
