/*
 * adapters/swarm/swarm.h — lives of the whole operator in the simulated cluster, drawn from seeds.
 *
 * One seed draws a Canary, a cluster, releases, and faults: refused, lost, late and repeated calls,
 * broken watches, crashes, two operators at once, people who edit the same objects. A life has a
 * faulty phase and then a healed one. Every write is judged when it takes effect (judge.c); the end
 * is judged when the cluster rests. The same seed gives the same life.
 */
#ifndef COALMINE_SWARM_SWARM_H
#define COALMINE_SWARM_SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/kube/api.h"
#include "sim/kube/faults.h"

enum swarm_strategy { SWARM_CANARY, SWARM_AB, SWARM_BLUE_GREEN };

enum { SWARM_RELEASES_MAX = 3, SWARM_CRASHES_MAX = 3 };

/* What a seed draws. */
struct swarm_plan {
    uint64_t seed;
    enum swarm_strategy strategy;
    int replicas, max_weight, step_weight, iterations, threshold;
    bool hook;     /* a confirm-rollout hook */
    int operators; /* 1, or 2 with leader election */
    int releases;
    bool bad[SWARM_RELEASES_MAX];           /* the checks of this revision fail */
    int64_t release_ms[SWARM_RELEASES_MAX]; /* after the one before */
    int edits;                              /* of the Canary by a person, one a minute */
    int crashes;
    uint64_t crash_after[SWARM_CRASHES_MAX]; /* requests of the process started last */
    bool crash_before[SWARM_CRASHES_MAX];    /* before the request's effect, or after */
    int64_t faulty_ms;
    int64_t latency_ms, pod_start_ms;
    struct simkube_faults faults;
};

struct swarm_result {
    bool failed;
    char rule[64];  /* the rule that was broken */
    char text[400]; /* what was seen */
    char phase[24]; /* of the Canary at the end */
    char end[200];  /* status, routes and workloads at the end, to compare lives by */
    uint64_t requests, writes;
    int crashes; /* that happened */
    int64_t virtual_ms;
};

/* Where a life tells what happens; NULL = nowhere. */
typedef void swarm_tell(void *ctx, const char *line);

/* A cluster that has the CRDs, to fork lives from. NULL when memory is out. */
struct simkube *swarm_prototype(void);
void swarm_plan_draw(struct swarm_plan *plan, uint64_t seed);
/* One line. */
void swarm_plan_print(const struct swarm_plan *plan, char *out, size_t size);
/* Live it. `from` comes from swarm_prototype. 0, or -ENOMEM. */
int swarm_live(struct simkube *from, const struct swarm_plan *plan, swarm_tell *tell, void *ctx,
               struct swarm_result *ret_result);

#endif
