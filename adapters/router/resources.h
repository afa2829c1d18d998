/*
 * adapters/router/resources.h — the kinds that routers read and write.
 */
#ifndef COALMINE_ROUTER_RESOURCES_H
#define COALMINE_ROUTER_RESOURCES_H

#include "adapters/router/router.h"

extern const struct resource RESOURCE_SERVICE;
extern const struct resource RESOURCE_INGRESS;
extern const struct resource RESOURCE_ISTIO_VIRTUAL_SERVICE;
extern const struct resource RESOURCE_ISTIO_DESTINATION_RULE;
extern const struct resource RESOURCE_SMI_V1ALPHA1;
extern const struct resource RESOURCE_SMI_V1ALPHA2;
extern const struct resource RESOURCE_SMI_V1ALPHA3;
extern const struct resource RESOURCE_APPMESH_V1BETA1_NODE;
extern const struct resource RESOURCE_APPMESH_V1BETA1_SERVICE;
extern const struct resource RESOURCE_APPMESH_V1BETA2_NODE;
extern const struct resource RESOURCE_APPMESH_V1BETA2_ROUTER;
extern const struct resource RESOURCE_APPMESH_V1BETA2_SERVICE;
extern const struct resource RESOURCE_CONTOUR_HTTPPROXY;
extern const struct resource RESOURCE_GLOO_UPSTREAM;
extern const struct resource RESOURCE_GLOO_ROUTE_TABLE;
extern const struct resource RESOURCE_TRAEFIK_SERVICE;
extern const struct resource RESOURCE_KUMA_TRAFFIC_ROUTE;
extern const struct resource RESOURCE_APISIX_ROUTE;
extern const struct resource RESOURCE_GATEWAY_V1_HTTPROUTE;
extern const struct resource RESOURCE_GATEWAY_V1BETA1_HTTPROUTE;
extern const struct resource RESOURCE_KNATIVE_SERVICE;

/* All of them, ends with NULL. */
extern const struct resource *const router_resources[];
/* "group/version", or "v1" for the core group, as in apiVersion. */
void resource_api_version(const struct resource *r, struct strbuf *b);
/* `plural.group "name" not found`, as the API server words it. */
void resource_not_found(const struct resource *r, const char *name, struct strbuf *b);

#endif
