/*
 * adapters/router/router.h — what a Canary means for a mesh, an ingress or a gateway.
 *
 * A router is a set of pure object builders. It reads the objects it needs through `struct
 * router_world` and answers with a list of writes; it performs nothing, knows no clock, and draws
 * random letters (session cookies) only from the source it is handed. router_apply() (apply.h)
 * performs the writes. The operator, the renderer and the tests drive the same builders.
 *
 * One file per provider in this folder. Source: Flagger 1.44, pkg/router.
 */
#ifndef COALMINE_ROUTER_ROUTER_H
#define COALMINE_ROUTER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/json.h"
#include "adapters/base/strbuf.h"
#include "adapters/router/quirks.h"

/* A kind of the Kubernetes API. Compared by address: every one used here is a constant of
 * resources.h. */
struct resource {
    const char *group; /* "" = the core group */
    const char *version;
    const char *plural;
    const char *kind;
    bool cluster_scoped;
};

/* Percent of the traffic for each version, and whether requests are mirrored to the canary. */
struct routing {
    int64_t primary, canary;
    bool mirror;
};

/* Where a builder reads. The operator answers from its caches or the API, a test from a map. */
struct router_world {
    void *self;
    /*
     * A copy of the object, which the caller frees. `ns` is "" for cluster-scoped kinds. Returns 0;
     * -ENOENT with the server's message (`virtualservices.networking.istio.io "x" not found`) when
     * it does not exist; any other -Exxx with the server's message.
     */
    int (*get)(void *self, const struct resource *resource, const char *ns, const char *name,
               cJSON **ret_object, struct strbuf *reterr_text);
};

enum router_verb { ROUTER_POST, ROUTER_PUT, ROUTER_PATCH, ROUTER_DELETE };
const char *router_verb_name(enum router_verb verb);

/* One request to make. PUT carries the resourceVersion of the object it was built from. */
struct router_write {
    enum router_verb verb;
    const struct resource *resource;
    char *ns; /* "" for cluster-scoped kinds */
    char *name;
    cJSON
        *object; /* POST, PUT: the whole object; PATCH: a merge patch; DELETE: the DeleteOptions */
    char *before, *after; /* a failure reads: before, the server's message, after */
};

/* Session cookies as `name=value`; "" = none. They are status fields of the Canary. */
struct router_cookies {
    char *session, *previous, *primary;
};

/*
 * What a call wants done. Perform the writes in order and stop at the first that fails; only when
 * all have succeeded does `error` count. The cookies are the status values after the call whatever
 * happens to the writes.
 */
struct router_result {
    struct router_write *writes;
    size_t count, cap;
    int code;            /* 0, or -Exxx with `error` set */
    struct strbuf error; /* the text Flagger would put into the event */
    struct router_cookies cookies;
    bool cookies_changed;
    struct strbuf log; /* warnings without effect on the outcome, one a line */
};
void router_result_release(struct router_result *r);

struct router_options {
    bool set_owner_references;
    const char *ingress_class;              /* Contour; NULL or "" = none */
    const char *ingress_annotations_prefix; /* nginx; NULL = "nginx.ingress.kubernetes.io" */
    const char *selector_label; /* label key that selects the target's pods; NULL = "app" */
    const char *selector_value; /* its value on the target; NULL = the target's name */
    /* {labels, annotations} to use in place of spec.service.apex (service.h says why); NULL = as in
     * the spec */
    const cJSON *apex_metadata;
    router_quirks quirks;           /* Flagger's defects to reproduce; 0 = the default profile */
    uint64_t (*random)(void *self); /* 64 random bits; needed only where cookies are made */
    void *random_self;
};

struct router;

/*
 * The router of a provider string (spec.provider, or the process-wide default when that is empty).
 * Flagger takes Istio for an unknown string; so does this, and *ret_known, if asked for, becomes
 * false.
 */
const struct router *router_find(const char *provider, bool *ret_known);
/* "istio", "gatewayapi", … : one word per implementation, for messages. */
const char *router_name(const struct router *r);
/* Whether reconcile comes before the primary workload exists (App Mesh injects its sidecars then).
 */
bool router_reconciles_first(const char *provider);
/* Every provider string the Canary CRD accepts, ends with NULL. */
extern const char *const router_providers[];

/* What every call borrows. */
struct router_request {
    const cJSON *canary;  /* the Canary as it is in the API, with its status */
    const char *provider; /* effective provider string */
    const struct router_options *options;
    const struct router_world *world;
    const cJSON *spec; /* router_spec(canary), borrowed; NULL: each call makes its own */
};

/* The spec of a Canary as the calls read it; the caller frees it. */
cJSON *router_spec(const cJSON *canary);

/*
 * The four calls of the contract. Each clears `ret_result`, which the caller releases, and returns
 * its code. router_get() makes no writes; *ret_routing is set only when it returns 0.
 */
int router_reconcile(const struct router_request *q, struct router_result *ret_result);
int router_get(const struct router_request *q, struct routing *ret_routing,
               struct router_result *ret_result);
int router_set(const struct router_request *q, const struct routing *routing,
               struct router_result *ret_result);
int router_finalize(const struct router_request *q, struct router_result *ret_result);

/* The three Service names of a Canary: `<apex>`, `<apex>-primary`, `<apex>-canary`; each is the
 * caller's. */
struct service_names {
    char *apex, *primary, *canary;
};
void service_names_of(const cJSON *canary, struct service_names *ret_names);
void service_names_release(struct service_names *n);

#endif
