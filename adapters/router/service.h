/*
 * adapters/router/service.h — the three core Services of a Deployment or DaemonSet target:
 * `<apex>`,
 * `<apex>-primary` and `<apex>-canary`.
 *
 * Builders as in router.h. The request's options say how pods are selected (selector_label,
 * selector_value). For a target of kind Service all of them do nothing.
 * Source: Flagger 1.44, pkg/router/kubernetes_default.go.
 */
#ifndef COALMINE_ROUTER_SERVICE_H
#define COALMINE_ROUTER_SERVICE_H

#include "adapters/router/router.h"

/*
 * Ports that portDiscovery finds in a pod spec beside the main one, in the order of the containers:
 * [{name, port, protocol}, …]; NULL when the Canary does not ask for them. The caller's.
 */
cJSON *service_discover_ports(const struct router_request *q, const cJSON *pod_spec);

/* Services `<apex>-canary`, then `<apex>-primary`. `ports` as above, or NULL. Returns the result's
 * code. */
int service_initialize(const struct router_request *q, const cJSON *ports,
                       struct router_result *ret_result);
/* Service `<apex>`, pointing at the primary. */
int service_reconcile(const struct router_request *q, const cJSON *ports,
                      struct router_result *ret_result);
/* Give an apex Service that is not the Canary's own back to the target's pods (revertOnDeletion).
 */
int service_finalize(const struct router_request *q, const cJSON *ports,
                     struct router_result *ret_result);

/*
 * For router_options.apex_metadata: spec.service.apex as Flagger has it in memory after the apex
 * Service was reconciled, {labels, annotations}. NULL when nothing leaks (default profile, or no
 * spec.service.apex). The caller's.
 */
cJSON *service_apex_metadata(const struct router_request *q);

#endif
