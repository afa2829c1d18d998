#include "adapters/router/features.h"

#include <string.h>

#define SMI_FEATURES(name, with_gateways)                                                          \
    {                                                                                              \
        .provider = (name), .weights = true, .hosts = true, .hosts_first_only = true,              \
        .gateways = (with_gateways), .object_kinds = "TrafficSplit"                                \
    }

#define GATEWAY_FEATURES                                                                           \
    .weights = true, .ab = MATCH_LOGIC_FULL, .ab_headers = MATCH_EXACT | MATCH_REGEX,              \
    .ab_query_params = MATCH_EXACT | MATCH_REGEX, .mirror = MIRROR_ITERATIONS_ONLY,                \
    .service_match = true, .service_match_prefix = true,                                           \
    .service_uri = MATCH_EXACT | MATCH_PREFIX | MATCH_REGEX,                                       \
    .service_headers = MATCH_EXACT | MATCH_REGEX,                                                  \
    .service_query_params = MATCH_EXACT | MATCH_REGEX, .service_method = true, .rewrite = true,    \
    .rewrite_prefix = true, .rewrite_authority = true, .headers = true, .service_mirror = true,    \
    .hosts = true, .gateway_refs = true, .apex_metadata = true, .needs_gateway_refs = true,        \
    .object_kinds = "HTTPRoute"

const struct provider_features provider_features[] = {
    {.provider = "apisix", .weights = true, .needs_route_ref = true, .object_kinds = "ApisixRoute"},
    {
        .provider = "appmesh",
        .weights = true,
        .ab = MATCH_LOGIC_ALL_AND,
        .ab_headers = MATCH_ALL_FORMS,
        .service_match_prefix = true,
        .service_uri = MATCH_PREFIX,
        .retries = true,
        .timeout = true,
        .hosts = true,
        .backends = true,
        .apex_metadata = true,
        .needs_mesh_name = true,
        .object_kinds = "VirtualNode, VirtualService",
    },
    {
        .provider = "appmesh:v1beta2",
        .weights = true,
        .ab = MATCH_LOGIC_ALL_AND,
        .ab_headers = MATCH_ALL_FORMS,
        .service_match_prefix = true,
        .service_uri = MATCH_PREFIX,
        .retries = true,
        .timeout = true,
        .hosts = true,
        .backends = true,
        .apex_metadata = true,
        .object_kinds = "VirtualNode, VirtualRouter, VirtualService",
    },
    {
        .provider = "contour",
        .weights = true,
        .ab = MATCH_LOGIC_ONE_HEADER,
        .ab_headers = MATCH_EXACT | MATCH_PREFIX | MATCH_SUFFIX,
        .service_match_prefix = true,
        .service_uri = MATCH_PREFIX,
        .retries = true,
        .timeout = true,
        .apex_metadata = true,
        .object_kinds = "HTTPProxy",
    },
    {
        .provider = "gatewayapi:v1",
        GATEWAY_FEATURES,
        .affinity = AFFINITY_CANARY_AND_PRIMARY,
        .timeout = true,
        .backend_timeout = true,
        .cors_policy = true,
    },
    {
        .provider = "gatewayapi:v1beta1",
        GATEWAY_FEATURES,
        .affinity = AFFINITY_CANARY,
    },
    {
        .provider = "gloo",
        .weights = true,
        .ab = MATCH_LOGIC_ALL_AND,
        .ab_headers = MATCH_EXACT | MATCH_REGEX,
        .apex_metadata = true,
        .upstream_ref = true,
        .object_kinds = "Upstream, RouteTable",
    },
    {
        .provider = "istio",
        .weights = true,
        .ab = MATCH_LOGIC_FULL,
        .ab_headers = MATCH_ALL_FORMS,
        .ab_query_params = MATCH_EXACT | MATCH_PREFIX | MATCH_REGEX,
        .ab_source_labels = true,
        .mirror = MIRROR_FULL,
        .mirror_weight = true,
        .affinity = AFFINITY_CANARY_AND_PRIMARY,
        .tcp = true,
        .service_match = true,
        .service_match_prefix = true,
        .service_uri = MATCH_ALL_FORMS,
        .service_headers = MATCH_EXACT | MATCH_PREFIX | MATCH_REGEX,
        .service_query_params = MATCH_EXACT | MATCH_PREFIX | MATCH_REGEX,
        .service_method = true,
        .rewrite = true,
        .rewrite_authority = true,
        .retries = true,
        .timeout = true,
        .headers = true,
        .cors_policy = true,
        .cors_allow_origins = true,
        .hosts = true,
        .gateways = true,
        .delegation = true,
        .traffic_policy = true,
        .port_discovery = true,
        .apex_metadata = true,
        .object_kinds = "VirtualService, DestinationRule",
    },
    {
        .provider = "knative",
        .weights = true,
        .needs_knative_target = true,
        .object_outlives = true,
        .object_kinds = "",
    },
    {.provider = "kubernetes", .forced_blue_green = true, .object_kinds = ""},
    {
        .provider = "kuma",
        .weights = true,
        .apex_metadata = true,
        .object_outlives = true,
        .object_kinds = "TrafficRoute",
    },
    SMI_FEATURES("linkerd", false),
    {
        .provider = "nginx",
        .weights = true,
        .ab = MATCH_LOGIC_NGINX,
        .ab_headers = MATCH_EXACT | MATCH_REGEX,
        .ab_cookie_is_name = true,
        .needs_ingress_ref = true,
        .object_kinds = "Ingress",
    },
    SMI_FEATURES("osm", false),
    {.provider = "skipper", .weights = true, .needs_ingress_ref = true, .object_kinds = "Ingress"},
    SMI_FEATURES("smi:v1alpha1", true),
    SMI_FEATURES("smi:v1alpha2", true),
    SMI_FEATURES("smi:v1alpha3", true),
    {.provider = "traefik",
     .weights = true,
     .apex_metadata = true,
     .object_kinds = "TraefikService"},
    {.provider = NULL},
};

/* Prefixes in the order in which Flagger tests them (factory.go); the longer one comes first. */
static const struct provider_prefix {
    const char *prefix, *provider;
} provider_prefixes[] = {
    {"appmesh:v1beta2", "appmesh:v1beta2"},
    {"smi:v1alpha1", "smi:v1alpha1"},
    {"smi:v1alpha2", "smi:v1alpha2"},
    {"smi:v1alpha3", "smi:v1alpha3"},
    {"gloo", "gloo"},
    {"gatewayapi:v1beta1", "gatewayapi:v1beta1"},
    {"gatewayapi:v1", "gatewayapi:v1"},
};

static const struct provider_features *features_by_name(const char *name)
{
    for (const struct provider_features *f = provider_features; f->provider != NULL; f++) {
        if (strcmp(f->provider, name) == 0)
            return f;
    }
    return NULL;
}

const struct provider_features *provider_features_find(const char *provider)
{
    const struct provider_features *exact;

    if (provider == NULL)
        return NULL;
    exact = features_by_name(provider);
    if (exact != NULL)
        return exact;
    for (size_t i = 0; i < sizeof(provider_prefixes) / sizeof(provider_prefixes[0]); i++) {
        const struct provider_prefix *p = &provider_prefixes[i];

        if (strncmp(provider, p->prefix, strlen(p->prefix)) == 0)
            return features_by_name(p->provider);
    }
    return NULL;
}
