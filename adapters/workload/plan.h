/*
 * adapters/workload/plan.h — what the workload builders share: the names in use, filtered metadata
 * and the list of writes. Private to adapters/workload. Out of memory ends the process, as in
 * adapters/router/build.h.
 */
#ifndef COALMINE_WORKLOAD_PLAN_H
#define COALMINE_WORKLOAD_PLAN_H

#include "adapters/router/build.h"
#include "adapters/workload/workload.h"

enum workload_kind { KIND_DEPLOYMENT, KIND_DAEMONSET, KIND_SERVICE, KIND_KNATIVE };

/* A call in progress. */
struct plan {
    const struct workload_request *q;
    const struct workload_options *o;
    enum workload_kind kind;
    const cJSON *spec; /* of the Canary */
    const char *ns, *name, *target;
    char *primary;              /* "<target>-primary" */
    struct strbuf label, value; /* once plan_select found them */
    struct strbuf prefix;       /* before every error text */
    struct strbuf api_error;    /* text of the last failed read */
    struct router_result *result;
};

void plan_begin(struct plan *p, const struct workload_request *q, struct router_result *result);
/* Release what it holds; returns the result's code. */
int plan_end(struct plan *p);

/* The kind of the target, Deployment or DaemonSet, and its words. */
const struct resource *plan_pods_resource(const struct plan *p);
const char *plan_pods_word(const struct plan *p); /* "deployment", "daemonset" */

int plan_get(struct plan *p, const struct resource *r, const char *name, cJSON **ret_object);
const char *plan_api_error(const struct plan *p);
/* End the call with an error text (after the prefix); returns `code`. */
int plan_fail(struct plan *p, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Add a write; takes over `object`. The format makes the text before the API's message. */
void plan_write(struct plan *p, enum router_verb verb, const struct resource *r, const char *name,
                cJSON *object, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* A merge patch that lands only on the version it was made for. */
cJSON *plan_patch_of(const cJSON *live, const char *member, cJSON *value);

/* Find the selector label of a target: 0 with p->label and p->value, or the text in api_error. */
int plan_select(struct plan *p, const cJSON *target);
bool plan_is_selector_label(const struct plan *p, const char *key);

/* Metadata filters; each makes a new map. */
cJSON *filter_prefix(const struct plan *p, const cJSON *map);
cJSON *filter_strip(const cJSON *map);
cJSON *primary_labels(const struct plan *p, const cJSON *map);

/* ---- configs.c ---- */
/* {"configmap/name": checksum} of what the pod spec refers to and tracking covers. */
int configs_find(struct plan *p, const cJSON *pod_spec, cJSON **ret_refs);
/* Writes of the `-primary` copies. */
int configs_copy(struct plan *p, const cJSON *refs);
/* Point a pod spec at the copies, in place. */
void configs_rewrite(cJSON *pod_spec, const cJSON *refs);

/* ---- pods.c: Deployment and DaemonSet ---- */
int pods_initialize(struct plan *p);
int pods_promote(struct plan *p);
int pods_scale_up(struct plan *p);
int pods_scale_zero(struct plan *p);
int pods_revert(struct plan *p);
/* The part of a target that makes a revision of it, the caller's. */
cJSON *pods_revision_of(const struct plan *p, const cJSON *target);
/* The text for status.lastAppliedSpec of a Deployment or DaemonSet. */
void pods_revision_hash(const struct plan *p, const cJSON *target, char out[WORKLOAD_HASH_SIZE]);
#define SCALE_TO_ZERO_KEY "flagger.app/scale-to-zero"

/* ---- service.c, knative.c ---- */
int core_service_initialize(struct plan *p);
int core_service_promote(struct plan *p);
int knative_initialize(struct plan *p);
int knative_promote(struct plan *p);

#endif
