/* adapters/swarm/judge.h — the rules every life keeps, whatever happens to it. */
#ifndef COALMINE_SWARM_JUDGE_H
#define COALMINE_SWARM_JUDGE_H

#include "adapters/swarm/swarm.h"

#define SWARM_NS "test"
#define SWARM_NAME "podinfo"
#define SWARM_USER "coalmine-" /* users of operators: this and the number of the process */

enum { JUDGE_OBJECTS_MAX = 64 };

struct judge {
    const struct swarm_plan *plan;
    struct simkube *k;
    struct swarm_result *result;
    swarm_tell *tell;
    void *ctx;
    bool bad_image[SWARM_RELEASES_MAX + 2];  /* by the number behind podinfo: */
    unsigned checks[SWARM_RELEASES_MAX + 2]; /* good answers of the metric server, by image */
    struct {
        char key[160];
        int writer, oldest_banned; /* processes; those up to the latter were succeeded */
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
/* The number behind "podinfo:" of a Deployment's first container, 0 = none. */
int judge_image(const struct simkube *k, const char *deployment);
/* Percent of the traffic that goes to the canary at most, -1 = there are no routes. */
int judge_canary_weight(const struct judge *j);

#endif
