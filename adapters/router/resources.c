#include "adapters/router/resources.h"

const struct resource RESOURCE_SERVICE = {"", "v1", "services", "Service", false};
const struct resource RESOURCE_INGRESS = {"networking.k8s.io", "v1", "ingresses", "Ingress", false};
const struct resource RESOURCE_ISTIO_VIRTUAL_SERVICE = {"networking.istio.io", "v1beta1",
                                                        "virtualservices", "VirtualService", false};
const struct resource RESOURCE_ISTIO_DESTINATION_RULE = {
    "networking.istio.io", "v1beta1", "destinationrules", "DestinationRule", false};
const struct resource RESOURCE_SMI_V1ALPHA1 = {"split.smi-spec.io", "v1alpha1", "trafficsplits",
                                               "TrafficSplit", false};
const struct resource RESOURCE_SMI_V1ALPHA2 = {"split.smi-spec.io", "v1alpha2", "trafficsplits",
                                               "TrafficSplit", false};
const struct resource RESOURCE_SMI_V1ALPHA3 = {"split.smi-spec.io", "v1alpha3", "trafficsplits",
                                               "TrafficSplit", false};
const struct resource RESOURCE_APPMESH_V1BETA1_NODE = {"appmesh.k8s.aws", "v1beta1", "virtualnodes",
                                                       "VirtualNode", false};
const struct resource RESOURCE_APPMESH_V1BETA1_SERVICE = {
    "appmesh.k8s.aws", "v1beta1", "virtualservices", "VirtualService", false};
const struct resource RESOURCE_APPMESH_V1BETA2_NODE = {"appmesh.k8s.aws", "v1beta2", "virtualnodes",
                                                       "VirtualNode", false};
const struct resource RESOURCE_APPMESH_V1BETA2_ROUTER = {"appmesh.k8s.aws", "v1beta2",
                                                         "virtualrouters", "VirtualRouter", false};
const struct resource RESOURCE_APPMESH_V1BETA2_SERVICE = {
    "appmesh.k8s.aws", "v1beta2", "virtualservices", "VirtualService", false};
const struct resource RESOURCE_CONTOUR_HTTPPROXY = {"projectcontour.io", "v1", "httpproxies",
                                                    "HTTPProxy", false};
const struct resource RESOURCE_GLOO_UPSTREAM = {"gloo.solo.io", "v1", "upstreams", "Upstream",
                                                false};
const struct resource RESOURCE_GLOO_ROUTE_TABLE = {"gateway.solo.io", "v1", "routetables",
                                                   "RouteTable", false};
const struct resource RESOURCE_TRAEFIK_SERVICE = {"traefik.io", "v1alpha1", "traefikservices",
                                                  "TraefikService", false};
const struct resource RESOURCE_KUMA_TRAFFIC_ROUTE = {"kuma.io", "v1alpha1", "trafficroutes",
                                                     "TrafficRoute", true};
const struct resource RESOURCE_APISIX_ROUTE = {"apisix.apache.org", "v2", "apisixroutes",
                                               "ApisixRoute", false};
const struct resource RESOURCE_GATEWAY_V1_HTTPROUTE = {"gateway.networking.k8s.io", "v1",
                                                       "httproutes", "HTTPRoute", false};
const struct resource RESOURCE_GATEWAY_V1BETA1_HTTPROUTE = {"gateway.networking.k8s.io", "v1beta1",
                                                            "httproutes", "HTTPRoute", false};
const struct resource RESOURCE_KNATIVE_SERVICE = {"serving.knative.dev", "v1", "services",
                                                  "Service", false};

const struct resource *const router_resources[] = {
    &RESOURCE_SERVICE,
    &RESOURCE_INGRESS,
    &RESOURCE_ISTIO_VIRTUAL_SERVICE,
    &RESOURCE_ISTIO_DESTINATION_RULE,
    &RESOURCE_SMI_V1ALPHA1,
    &RESOURCE_SMI_V1ALPHA2,
    &RESOURCE_SMI_V1ALPHA3,
    &RESOURCE_APPMESH_V1BETA1_NODE,
    &RESOURCE_APPMESH_V1BETA1_SERVICE,
    &RESOURCE_APPMESH_V1BETA2_NODE,
    &RESOURCE_APPMESH_V1BETA2_ROUTER,
    &RESOURCE_APPMESH_V1BETA2_SERVICE,
    &RESOURCE_CONTOUR_HTTPPROXY,
    &RESOURCE_GLOO_UPSTREAM,
    &RESOURCE_GLOO_ROUTE_TABLE,
    &RESOURCE_TRAEFIK_SERVICE,
    &RESOURCE_KUMA_TRAFFIC_ROUTE,
    &RESOURCE_APISIX_ROUTE,
    &RESOURCE_GATEWAY_V1_HTTPROUTE,
    &RESOURCE_GATEWAY_V1BETA1_HTTPROUTE,
    &RESOURCE_KNATIVE_SERVICE,
    NULL,
};

void resource_api_version(const struct resource *r, struct strbuf *b)
{
    if (r->group[0] != '\0')
        strbuf_addf(b, "%s/", r->group);
    strbuf_adds(b, r->version);
}

void resource_not_found(const struct resource *r, const char *name, struct strbuf *b)
{
    strbuf_adds(b, r->plural);
    if (r->group[0] != '\0')
        strbuf_addf(b, ".%s", r->group);
    strbuf_addf(b, " \"%s\" not found", name);
}
