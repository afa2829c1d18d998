/* adapters/swarm/judge.h — the rules every life keeps, whatever happens to it. */
#ifndef COALMINE_SWARM_JUDGE_H
#define COALMINE_SWARM_JUDGE_H

#include "adapters/swarm/swarm.h"

#define SWARM_NS "test"
#define SWARM_NAME "podinfo"
#define SWARM_CONFIG "settings"
#define SWARM_USER "coalmine-" /* users of operators: this and the number of the process */

enum { JUDGE_OBJECTS_MAX = 64 };

/* A revision: the number behind podinfo: and that in the ConfigMap. */
struct revision {
    int image, config;
};

struct judge {
    const struct swarm_plan *plan;
    struct simkube *k;
    struct swarm_result *result;
    swarm_tell *tell;
    void *ctx;
    bool bad_image[SWARM_VERSIONS_MAX], bad_config[SWARM_VERSIONS_MAX];
    /* By image and config: good answers of the metric server, and what confirm-promotion allowed.
     */
    unsigned checks[SWARM_VERSIONS_MAX][SWARM_VERSIONS_MAX];
    bool confirmed[SWARM_VERSIONS_MAX][SWARM_VERSIONS_MAX];
    struct revision installed; /* what the primary was made of */
    bool settled;              /* the faults are over, and nothing of them is under way */
    bool gone;                 /* somebody deleted the Canary */
    int64_t ready_ms[2];       /* when a pod of the primary, of the canary was ready last */
    bool held;                 /* this rollout began while the canary held all traffic */
    int64_t whole_ms;          /* since when all pods of the primary are there; 0 = they are not */
    int64_t ended_ms;          /* when the status said so last ... */
    int64_t told_ms;           /* ... and when a post-rollout hook heard of it */
    struct {
        char key[160];
        int writer, banned; /* the process that wrote last; a bit for each that was succeeded */
        uint64_t request;   /* the youngest request that took effect */
    } objects[JUDGE_OBJECTS_MAX];
    size_t object_count;
};

/* Watch every write from now on. `j` holds plan, k and result. */
void judge_start(struct judge *j);
void judge_stop(struct judge *j);
/* Every rollout has ended, and the cluster is as it should be then. */
void judge_end(struct judge *j);
void judge_fail(struct judge *j, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A hook, a chat or an Event was told this. */
void judge_told(struct judge *j, const char *what, const char *text);
/* The Deployment or DaemonSet of that name. */
const cJSON *judge_workload(const struct judge *j, const char *name);
/* What the target is now, or its primary runs; 0 = none. */
struct revision judge_revision(const struct judge *j, bool primary);
bool judge_is_bad(const struct judge *j, struct revision r);
/* Percent of the traffic that goes to the canary at most, -1 = there are no routes. */
int judge_canary_weight(const struct judge *j);
/* The group and resource of the object that routes; for provider kubernetes that is a Service. */
void judge_routes_kind(const struct swarm_plan *plan, const char **ret_group,
                       const char **ret_resource);

#endif
