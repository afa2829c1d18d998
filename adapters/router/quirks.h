/*
 * adapters/router/quirks.h — each defect of Flagger's routers that the default profile does not
 * share.
 *
 * A quirk that is on is reproduced. Profile flagger-1.44 has all of them on, the default profile
 * none.
 */
#ifndef COALMINE_ROUTER_QUIRKS_H
#define COALMINE_ROUTER_QUIRKS_H

#include <stddef.h>
#include <stdint.h>

enum router_quirk {
    QUIRK_RESET_WEIGHTS,          /* any drift puts the weights back to 100/0 */
    QUIRK_LOSE_UNKNOWN_FIELDS,    /* spec fields Flagger does not know vanish with an update */
    QUIRK_UNNAMED_PRIMARY_COOKIE, /* a primary cookie is made even without primaryCookieName */
    QUIRK_EMPTY_NAME_HIDES_DRIFT, /* without primaryCookieName no route with a match counts as drift
                                   */
    QUIRK_EMPTY_IS_DRIFT,         /* an empty list in the Canary is never equal to an absent one */
    QUIRK_TWIN_RULE,              /* without any cookie the weighted rule is written twice */
    QUIRK_BARE_DELETION_COOKIE,   /* the deletion cookie lacks Domain and Path */
    QUIRK_TWIN_RESPONSE_FILTER,   /* Gateway API: two ResponseHeaderModifier filters in one rule */
    QUIRK_MIRROR_ON_STICKY,       /* Istio: the mirror goes to the sticky rule */
    QUIRK_COOKIE_DROPS_HEADERS,   /* the cookie match replaces the header matches of spec.service */
    QUIRK_AB_DEFAULT_ZERO,        /* Istio A/B: the default route has the weight 0 */
    QUIRK_SNAPSHOT_OVERWRITTEN,   /* Istio: the stored original is replaced by later specs */
    QUIRK_DROP_ANALYSIS_MATCH,    /* Istio A/B: only headers and sourceLabels survive a merge */
    QUIRK_NO_DEFAULT_PATH,   /* Gateway API: a match without path is left for the server to complete
                              */
    QUIRK_NO_CORS_AGE,       /* Gateway API: a CORS filter without maxAge is left for the server to
                                complete */
    QUIRK_AFFINITY_MEETS_AB, /* Gateway API: affinity and A/B rules are mixed */
    QUIRK_SWALLOW_AB_ERROR, /* Gateway API: an A/B match that cannot be expressed matches everything
                             */
    QUIRK_SHARED_HEADERS,   /* Istio: the deletion cookie is added to the weighted rule too */
    QUIRK_LABELS_AS_ANNOTATIONS, /* App Mesh v1beta1: annotations are compared with labels */
    QUIRK_SELECT_BY_TARGET_NAME, /* App Mesh v1beta2: pods are selected by the target's name */
    QUIRK_REPEATED_PREFIX,       /* Contour A/B: every header condition repeats the prefix */
    QUIRK_REGEX_MATCHES_ALL,     /* Contour A/B: a regex header has no operator */
    QUIRK_BLANK_RETRY_ON,        /* Contour: no retryOn becomes one empty entry */
    QUIRK_UPSTREAM_NAMESPACE,    /* Gloo: upstreamRef.namespace has no default */
    QUIRK_EMPTY_PATCH,           /* Gloo: a vanished loadBalancerConfig is patched with nothing */
    QUIRK_NO_AB_FALLBACK,        /* Gloo A/B: no route for requests that do not match */
    QUIRK_STALE_ANNOTATIONS,     /* nginx A/B: annotations of an earlier match stay */
    QUIRK_FOREIGN_PATHS,     /* nginx: paths of other services are copied into the canary Ingress */
    QUIRK_NO_BACKEND_CHECK,  /* Skipper: a source Ingress without the service is accepted */
    QUIRK_REENABLE_ON_DRIFT, /* Skipper: an update switches the canary Ingress on again */
    QUIRK_COPY_ALL_METADATA, /* Skipper: uid, finalizers and managedFields travel along */
    QUIRK_EVEN_SPLIT,        /* Traefik: drift during a rollout splits 50/50 */
    QUIRK_MESH_FIXED,        /* Kuma: the mesh is set only on creation */
    QUIRK_COPY_STREAMS,      /* APISIX: stream routes are copied into the canary route */
    QUIRK_WHOLE_NUMBER_DRIFT, /* APISIX: a whole number in a plugin's config always counts as drift
                               */
    QUIRK_LATEST_IS_PRIMARY,  /* Knative: the latest revision may be read as the primary */
    QUIRK_SERVICE_FIXED,      /* core Services: trafficDistribution is set only on creation */
    QUIRK_PORT_COLLISION, /* core Services: discovered ports may repeat a name or number, and are
                             all TCP */
    QUIRK_LABEL_LEAK, /* the apex Service's labels reach the mesh object when service.apex is given
                       */
    QUIRK_COUNT
};

typedef uint64_t router_quirks;

#define ROUTER_QUIRK(q) ((router_quirks)1 << (q))
#define ROUTER_QUIRKS_FLAGGER (((router_quirks)1 << QUIRK_COUNT) - 1)

/* Name ("reset-weights") and the sentence for docs/reference/deviations.md. */
struct router_quirk_text {
    const char *name;
    const char *flagger; /* what Flagger 1.44 does */
    const char *ours;    /* what the default profile does */
};
extern const struct router_quirk_text router_quirk_texts[QUIRK_COUNT];

#endif
