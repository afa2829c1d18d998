/*
 * adapters/router/features.h — what each provider can do, as data: the table behind the provider
 * rules of `coalmine check` and behind docs/reference/providers.md.
 *
 * Source: the behaviour of Flagger 1.44, provider by provider.
 * tests/unit/test_router_features.c against the builders.
 */
#ifndef COALMINE_ROUTER_FEATURES_H
#define COALMINE_ROUTER_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

/* Matcher forms of one header, query parameter or URI; bits. */
enum match_form {
    MATCH_EXACT = 1 << 0,
    MATCH_PREFIX = 1 << 1,
    MATCH_SUFFIX = 1 << 2,
    MATCH_REGEX = 1 << 3,
    MATCH_ALL_FORMS = MATCH_EXACT | MATCH_PREFIX | MATCH_SUFFIX | MATCH_REGEX
};

enum match_logic {
    MATCH_LOGIC_NONE,       /* A/B is not supported: everybody reaches the canary */
    MATCH_LOGIC_FULL,       /* entries are alternatives, headers of one entry must all match */
    MATCH_LOGIC_ALL_AND,    /* the headers of all entries must match together */
    MATCH_LOGIC_ONE_HEADER, /* one header in all; a second one makes the object invalid */
    MATCH_LOGIC_NGINX       /* one header (the last one wins) and one cookie name */
};

enum affinity_support { AFFINITY_NONE, AFFINITY_CANARY, AFFINITY_CANARY_AND_PRIMARY };

enum mirror_support {
    MIRROR_NONE,
    MIRROR_ITERATIONS_ONLY, /* blue/green; asked for with step weights the rollout never leaves
                               weight 0 */
    MIRROR_FULL
};

struct provider_features {
    const char *provider;   /* as in spec.provider */
    bool weights;           /* stepWeight, stepWeights, maxWeight, stepWeightPromotion */
    bool forced_blue_green; /* iterations become 10 when they are absent, analysis.match is dropped
                             */

    enum match_logic ab;
    unsigned ab_headers;      /* enum match_form bits a header of analysis.match may use */
    unsigned ab_query_params; /* the same for queryParams */
    bool ab_source_labels;
    bool ab_cookie_is_name; /* header `cookie` with `exact` names a cookie, not a header value */

    enum mirror_support mirror;
    bool mirror_weight;
    enum affinity_support affinity;
    bool tcp; /* appProtocol tcp routes; then no A/B, no mirror */

    /* fields of spec.service that have an effect */
    bool service_match;            /* more than the prefix of the first entry */
    bool service_match_prefix;     /* the uri.prefix of the first entry */
    unsigned service_uri;          /* enum match_form bits of uri */
    unsigned service_headers;      /* of headers */
    unsigned service_query_params; /* of queryParams */
    bool service_method;
    bool rewrite;        /* rewrite.uri */
    bool rewrite_prefix; /* rewrite.type ReplacePrefixMatch */
    bool rewrite_authority;
    bool retries;
    bool timeout;
    bool backend_timeout;
    bool headers;
    bool cors_policy;
    bool cors_allow_origins; /* corsPolicy.allowOrigins, the pattern form */
    bool service_mirror;     /* service.mirror[] */
    bool hosts;
    bool hosts_first_only;
    bool gateways;
    bool gateway_refs;
    bool delegation;
    bool traffic_policy;
    bool port_discovery; /* changes the mesh object */
    bool backends;
    bool apex_metadata; /* labels and annotations of service.apex reach the mesh object */

    /* what must be there */
    bool needs_gateway_refs;
    bool needs_mesh_name;
    bool needs_ingress_ref;
    bool needs_route_ref;
    bool needs_knative_target;
    bool upstream_ref;        /* spec.upstreamRef is used */
    bool object_outlives;     /* the object is not removed with the Canary */
    const char *object_kinds; /* kinds written, for people */
};

/*
 * The features of a provider string; suffixed forms (`smi:v1alpha1:istio`, `gloo:x`,
 * `gatewayapi:v1beta2`) resolve as Flagger resolves them. Unknown strings: NULL (Flagger would take
 * Istio).
 */
const struct provider_features *provider_features_find(const char *provider);
/* All of them, in the order of the CRD; ends with a NULL provider. */
extern const struct provider_features provider_features[];

#endif
