/*
 * adapters/workload/workload.h — the target of a Canary and its `-primary` copy: Deployments,
 * DaemonSets, Services, Knative Services, with their ConfigMaps, Secrets and autoscalers.
 *
 * As the routers, these are builders: they read through a world and answer with a list of writes
 * (router_apply() performs them). Nothing here knows a clock, an API client or a random source but
 * those it is handed. Source: Flagger 1.44, pkg/canary; docs/engine/semantics.md, Appendix A.
 */
#ifndef COALMINE_WORKLOAD_WORKLOAD_H
#define COALMINE_WORKLOAD_WORKLOAD_H

#include "adapters/router/router.h"
#include "adapters/workload/quirks.h"

extern const struct resource RESOURCE_DEPLOYMENT;
extern const struct resource RESOURCE_DAEMONSET;
extern const struct resource RESOURCE_CONFIGMAP;
extern const struct resource RESOURCE_SECRET;
extern const struct resource RESOURCE_HPA;
extern const struct resource RESOURCE_SCALED_OBJECT;
extern const struct resource RESOURCE_KNATIVE_REVISION;

#define CONFIG_CHECKSUM_SIZE 17
/* What tracking wants to know of a ConfigMap or Secret. */
struct config_facts {
    bool tracked;                        /* not switched off, and a Secret's type is one we copy */
    char checksum[CONFIG_CHECKSUM_SIZE]; /* of its data */
};
/* Pure: the facts of an object. `with_binary`: binaryData counts where there is any. */
void config_facts_of(const cJSON *object, bool secret, bool with_binary,
                     struct config_facts *ret_facts);

struct workload_options {
    const char *const
        *selector_labels; /* NULL-terminated; NULL = app, name, app.kubernetes.io/name */
    const char *const *include_prefixes; /* -include-label-prefix; NULL = none */
    bool no_config_tracking;
    cluster_quirks quirks; /* defects of Flagger to reproduce */
    uint64_t (*random)(void *self);
    void *random_self;
    /*
     * Facts of a config from a cache, so that looking costs nothing; NULL = read the object. Errors
     * as router_world.get.
     */
    int (*config)(void *self, const struct resource *resource, const char *ns, const char *name,
                  struct config_facts *ret_facts, struct strbuf *reterr_text);
    void *config_self;
};

/* What every call borrows. */
struct workload_request {
    const cJSON *canary; /* as it is in the API, with its status */
    const struct workload_options *options;
    const struct router_world *world;
    int64_t now_ms; /* wall time */
};

/* How the target's pods are selected, and its pod spec (for port discovery). All the caller's. */
struct workload_metadata {
    char *label, *value; /* "" for Services and Knative */
    cJSON *pod_spec;     /* or NULL */
};
void workload_metadata_release(struct workload_metadata *m);

/*
 * Each clears `ret_result`, which the caller releases, and returns its code (0 or -Exxx, all of
 * them retriable); writes count only when it is 0.
 */
int workload_metadata(const struct workload_request *q, struct workload_metadata *ret_metadata,
                      struct router_result *ret_result);
/* Create the primary when there is none. */
int workload_initialize(const struct workload_request *q, struct router_result *ret_result);
/* Make the primary what the target is. */
int workload_promote(const struct workload_request *q, struct router_result *ret_result);
int workload_scale_up(const struct workload_request *q, struct router_result *ret_result);
int workload_scale_zero(const struct workload_request *q, struct router_result *ret_result);
/* revertOnDeletion: the target serves again. */
int workload_revert(const struct workload_request *q, struct router_result *ret_result);

enum workload_state { WORKLOAD_READY, WORKLOAD_NOT_YET, WORKLOAD_FAILED };
struct workload_readiness {
    enum workload_state state;
    bool no_pods; /* none are wanted */
    struct strbuf text;
};
/* `canary`: the target, else its primary. The text is released by the caller. */
void workload_ready(const struct workload_request *q, bool canary,
                    struct workload_readiness *ret_readiness);

#define WORKLOAD_HASH_SIZE 32
/* The text for status.lastAppliedSpec: a hash of what makes a revision of the target. */
int workload_revision(const struct workload_request *q, char ret_hash[WORKLOAD_HASH_SIZE],
                      struct strbuf *reterr_text);
/* Is this a text that workload_revision could have made? Flagger's own cannot be compared with it.
 */
bool workload_revision_is_ours(const char *hash);
/*
 * The value of status.trackedConfigs now: {"configmap/name": checksum}; *ret_configs NULL where
 * nothing is tracked (switched off, Service, Knative).
 */
int workload_configs(const struct workload_request *q, cJSON **ret_configs,
                     struct strbuf *reterr_text);

/*
 * What the primary was made of, as the two functions above found it at that moment: its annotation
 * says so. The target may have moved on since. -ENOENT when it does not say: another program made
 * it, or it is a copy of a Service.
 */
int workload_made_of(const struct workload_request *q, char ret_hash[WORKLOAD_HASH_SIZE],
                     cJSON **ret_configs);
#define MADE_OF_ANNOTATION "coalmine.dev/made-of"

/* ---- the autoscaler; all do nothing without one ------------------------------------------------
 */
int scaler_reconcile(const struct workload_request *q, bool init, struct router_result *ret_result);
int scaler_pause(const struct workload_request *q, struct router_result *ret_result);
int scaler_resume(const struct workload_request *q, struct router_result *ret_result);

#endif
