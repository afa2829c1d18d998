/*
 * sim/kube/workload.h — what the workload controllers share.
 */
#ifndef COALMINE_SIM_KUBE_WORKLOAD_H
#define COALMINE_SIM_KUBE_WORKLOAD_H

#include "sim/kube/internal.h"

void sk_deployment_sync(struct simkube *k, const char *key);
void sk_replicaset_sync(struct simkube *k, const char *key);
void sk_daemonset_sync(struct simkube *k, const char *key);
void sk_pod_sync(struct simkube *k, const char *key);
void sk_hpa_sync(struct simkube *k, const char *key);

/* Members, their order and their values are the same; a quick check before json_equal. */
bool sk_same(const cJSON *a, const cJSON *b);
/* The i-th dependent of `uid` whose controller it is and which is of `kind`; *at moves on. NULL at
 * the end. */
struct sk_object *sk_next_owned(const struct simkube *k, const char *uid,
                                const struct sk_kind *kind, size_t *at);
const cJSON *sk_condition(const cJSON *tree, const char *type);
bool sk_condition_true(const cJSON *tree, const char *type);
/* Milliseconds until a pod that is ready has been so for `min_ready_s`; 0 = available, -1 = not
 * ready. */
int64_t sk_available_in(const struct simkube *k, const struct sk_object *pod, int64_t min_ready_s);
/* "25%" or a number, of `total`. */
int64_t sk_share(const cJSON *value, int64_t total, bool up, int64_t otherwise);
/* A new pod from a template, owned by `owner`; `label` and `hash` are added to its labels. */
void sk_create_pod(struct simkube *k, const char *actor, const struct sk_object *owner,
                   const cJSON *template, const char *label, const char *hash, const char *node);
/* Eight to ten characters that depend on the template alone. */
void sk_template_hash(const cJSON *template, uint64_t salt, char out[16]);
/* Set a count in a status; zero is left out when `omit_zero`. */
void sk_set_count(cJSON *status, const char *name, int64_t value, bool omit_zero);

#endif
