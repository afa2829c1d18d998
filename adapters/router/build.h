/*
 * adapters/router/build.h — what the builders of this folder share: making JSON, reading the
 * Canary, emitting writes. Private to adapters/router.
 *
 * A half-built route object must never reach a cluster. So where memory is out these helpers end
 * the process, as a kill would: all state is in the Canary and the next process goes on from there.
 */
#ifndef COALMINE_ROUTER_BUILD_H
#define COALMINE_ROUTER_BUILD_H

#include "adapters/router/resources.h"
#include "adapters/router/router.h"
#include "adapters/router/shape.h"

/* ---- making JSON
 * ------------------------------------------------------------------------------------- */

/* Members as name, value, …, NULL. A NULL value leaves its member out. Values are taken over. */
cJSON *build_object(const char *name, ...);
/* Items up to NULL, taken over. */
cJSON *build_list(cJSON *first, ...);
cJSON *build_str(const char *s); /* NULL gives NULL */
cJSON *build_strf(const char *format, ...) __attribute__((format(printf, 1, 2)));
cJSON *build_int(int64_t value);
cJSON *build_bool(bool value);
cJSON *build_copy(const cJSON *v); /* NULL gives NULL */
/* json_own: what was read, to be changed. NULL gives NULL. */
cJSON *build_own(cJSON *v);
/* Set or replace a member; a NULL value, or an `object` that is none, does nothing. Takes over
 * `value`. */
void build_set(cJSON *object, const char *name, cJSON *value);
void build_append(cJSON *list, cJSON *item);
/* The member `name` as an object; anything else that stands there is replaced by {}. */
cJSON *build_child(cJSON *object, const char *name);
/* The first member of an object, or NULL when `v` is none. */
const cJSON *build_members(const cJSON *v);
char *build_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One after the other. */
char *build_join(const char *a, const char *b);
char *build_dup(const char *s);
/* The members of an object in order of their names; the list is the caller's to free(). NULL when
 * empty. */
const cJSON **build_sorted(const cJSON *object, size_t *ret_count);

/* Equal maps of strings; absent, null and {} are the same. */
bool maps_equal(const cJSON *a, const cJSON *b);
bool json_is_empty(const cJSON *v); /* absent, null, [] or {} */
size_t json_count(const cJSON *v);  /* entries of a list or map; 0 when absent */
/* Member `name` as text; "" when absent. */
const char *json_text(const cJSON *v, const char *name);

/* ---- one call
 * ---------------------------------------------------------------------------------------- */

/* A call in progress: the request, the Canary in normal form, the names in use and the result so
 * far. */
struct call {
    const struct router *router;
    const struct router_request *request;
    const struct router_options *options;
    const char *provider;
    const cJSON *spec;     /* router_spec of the Canary */
    cJSON *own_spec;       /* the same, when the request brings none */
    const cJSON *service;  /* spec.service */
    const cJSON *analysis; /* spec.analysis, or spec.canaryAnalysis, or NULL */
    const cJSON *match;    /* analysis.match when it has entries, else NULL */
    const cJSON *affinity; /* spec.analysis.sessionAffinity or NULL */
    const char *ns, *name; /* of the Canary */
    const char *phase;     /* status.phase or "" */
    int64_t port;          /* spec.service.port */
    struct service_names names;
    struct strbuf label;     /* see call_label */
    const char *prefix;      /* put before every error text of the step */
    struct strbuf api_error; /* text of the last failed read */
    struct router_result *result;
};

/* Open a call and clear the result; release what it holds and return the result's code. */
void call_begin(struct call *c, const struct router_request *q, struct router_result *result);
int call_end(struct call *c);
/* Whether this defect of Flagger is reproduced. */
bool call_has(const struct call *c, enum router_quirk quirk);
/* 0 and the object (the caller's), or -Exxx with the message in c->api_error. */
int call_get(struct call *c, const struct resource *r, const char *name, cJSON **ret_object);
int call_get_in(struct call *c, const struct resource *r, const char *ns, const char *name,
                cJSON **ret_object);
/* End the call with an error text; returns `code`, which is negative. */
int call_fail(struct call *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The API's last message, for call_fail. */
const char *call_api_error(const struct call *c);
/* Name of the object in error texts; lives until the end of the call or the next call_label. */
const char *call_label(struct call *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Add a write. Takes over `object`. The format makes the text before the API's message. */
struct router_write *call_write(struct call *c, enum router_verb verb, const struct resource *r,
                                const char *name, cJSON *object, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void call_log(struct call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A new object: apiVersion, kind, metadata (with the owner reference where wanted), spec. Takes all
 * over. */
cJSON *call_new_object(struct call *c, const struct resource *r, const char *name, cJSON *labels,
                       cJSON *annotations, cJSON *spec);
/* The reference that makes the Canary the controller of an object. */
cJSON *owner_references(const cJSON *canary);
/* A copy of a live object with another spec (taken over); keeps unknown spec fields where that is
 * wanted. */
cJSON *call_with_spec(const struct call *c, const struct shape *shape, const cJSON *live,
                      cJSON *spec);
/* Replace metadata.labels and metadata.annotations, both taken over. */
void object_set_metadata(cJSON *object, cJSON *labels, cJSON *annotations);

/* Metadata that spec.service.apex asks for; annotations include the two that keep Flux away. */
cJSON *call_labels(const struct call *c);
cJSON *call_annotations(const struct call *c);
/* Add the two annotations that keep Flux from reverting an object. */
void annotations_add_flux(cJSON *annotations);
/* Whether the live metadata differs from the wanted labels and annotations. */
bool metadata_differs(const cJSON *live, const cJSON *labels, const cJSON *annotations);

/*
 * The common shape of a reconcile: one object whose spec is a function of two weights. The object
 * is made when absent; when it differs in anything but what `comparable` takes out, it is replaced,
 * at rest (the defect "reset-weights") or with the weights it has.
 */
struct simple_route {
    const struct resource *resource;
    const char *name;
    const struct shape *shape; /* of the spec */
    const char *label;         /* "TrafficSplit podinfo.test": begins every error text */
    bool manages_metadata;     /* labels and annotations of spec.service.apex */
    cJSON *(*make)(const struct call *c, int64_t primary, int64_t canary);
    /* Take out of a spec in normal form what a rollout changes. */
    void (*strip)(cJSON *spec);
    /* The weights in a spec in normal form; false when there are none. */
    bool (*read)(const struct call *c, const cJSON *spec, struct routing *ret_routing);
};
/*
 * `created`, a new object (call_new_object) in place of the plain one, may be NULL. It is taken
 * over and dropped when the object exists.
 */
int reconcile_simple(struct call *c, const struct simple_route *route, cJSON *created);
/* Write a live object back with another spec in normal form (taken over). */
void put_spec(struct call *c, const struct simple_route *route, const cJSON *live, cJSON *spec,
              const char *error);
/* Remove the member at the end of `path` (ends with NULL) wherever the path leads; lists are
 * walked. */
void strip_path(cJSON *v, const char *const *path);
/* Whether two normal forms differ; [] and absent are different only with the quirk. Takes both
 * over. */
bool specs_differ_strictly(const struct call *c, cJSON *a, cJSON *b);

/* The text of Go's %+v for a string matcher and a map of them; appended. */
void string_match_print(struct strbuf *b, const cJSON *match);
void string_match_map_print(struct strbuf *b, const cJSON *map);
/* uri.prefix of the first entry of service.match, else "/". */
const char *call_first_prefix(const struct call *c);

/* retryOn split at commas, or the single `otherwise`. */
cJSON *retry_events(const cJSON *retries, const char *otherwise);
/* A Go duration in whole milliseconds; false when it is none. */
bool duration_ms(const char *s, int64_t *ret_ms);

/* ---- the table
 * --------------------------------------------------------------------------------------- */

struct router {
    const char *name;
    int (*reconcile)(struct call *c);
    int (*get)(struct call *c, struct routing *ret_routing);
    int (*set)(struct call *c, const struct routing *routing);
    int (*finalize)(struct call *c);
};

int router_does_nothing(struct call *c);

extern const struct shape canary_shape;
extern const struct shape SHAPE_OF_STRING_MATCH;
extern const struct shape SHAPE_OF_STRING_MATCHES; /* by header name */
extern const struct shape SHAPE_OF_ISTIO_HEADERS;
extern const struct shape SHAPE_OF_ISTIO_MATCH; /* a list of HTTPMatchRequest */
extern const struct shape SHAPE_OF_ISTIO_RETRY;
extern const struct shape SHAPE_OF_ISTIO_CORS;
extern const struct shape SHAPE_OF_ISTIO_TRAFFIC_POLICY;
extern const struct shape SHAPE_OF_PARENT_REFS;
extern const struct shape SHAPE_OF_BACKEND_OBJECT;

extern const struct router router_istio, router_smi, router_appmesh, router_appmesh_v1beta2,
    router_contour, router_gloo, router_nginx, router_skipper, router_traefik, router_kuma,
    router_apisix, router_gateway, router_knative, router_kubernetes;

#endif
