/*
 * sim/kube/controllers.h — the controllers of the simulated cluster and what a test may script of
 * them.
 *
 * Deployments, ReplicaSets, DaemonSets, HPAs, pods, namespaces and the garbage collector act as the
 * real ones do, each `controller_delay_ms` after the change that concerns it, in virtual time
 * (simkube_advance). Pods become ready `pod_start_ms` after they were created, never when labelled
 * `test/ready: never` or when the world says so.
 */
#ifndef COALMINE_SIM_KUBE_CONTROLLERS_H
#define COALMINE_SIM_KUBE_CONTROLLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/base/json.h"

struct simkube;

/* Hooks of the world around the cluster; any may be NULL. They must not write to the cluster. */
struct simkube_world {
    void *ctx;
    /*
     * Milliseconds from a pod's creation until it is ready, or a negative number: never. `pod` is
     * borrowed.
     */
    int64_t (*pod_start_ms)(void *ctx, const cJSON *pod, int64_t otherwise);
    /*
     * What an HPA sees of its target, in percent of the requested resource (average over pods), or
     * a negative number: no value. `metric` is the resource's name, such as "cpu".
     */
    int64_t (*utilisation)(void *ctx, const char *namespace_name, const cJSON *hpa,
                           const char *metric);
    /* Called at times ordered with simkube_wake_world. */
    void (*wake)(void *ctx, struct simkube *k, int64_t now_ms);
};

void simkube_set_world(struct simkube *k, const struct simkube_world *world);
/* Call world.wake at `at_ms`; the one hook that may write. */
void simkube_wake_world(struct simkube *k, int64_t at_ms);
/* Set a pod's readiness by hand (a container failing or recovering). Returns 0 or -ENOENT. */
int simkube_set_pod_ready(struct simkube *k, const char *namespace_name, const char *name,
                          bool ready);

#endif
