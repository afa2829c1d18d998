/*
 * sim/run.h — a plan played in virtual time. Two hours take microseconds: the clock jumps from one
 * event to the next. No wall clock is read and nothing is random but what sim/rng.h gives for the
 * seed.
 */
#ifndef COALMINE_SIM_RUN_H
#define COALMINE_SIM_RUN_H

#include "sim/plan.h"

#define SIM_EPOCH_MS 1704067200000LL /* 2024-01-01T00:00:00Z: where virtual time begins */

struct sim_options {
    uint64_t seed;
    uint32_t rollout; /* number of the run among those of the same seed */
};

/* How one Canary ended. */
struct canary_result {
    struct status status;
    int32_t primary_weight, canary_weight; /* routed at the end */
    uint32_t ticks, rollouts, checks, failed_checks;
    uint32_t succeeded, failed; /* rollouts that ended so */
    ms_t settled_ms;            /* scenario time at which the phase changed last */
    ms_t outage_ms;             /* how long some requests met no ready pod */
    /* While rollouts were under way: percent of the traffic on the canary times ms; requests of
     * users that it served, and those that failed (expected values; 0 without a traffic model). */
    int64_t exposed;
    double canary_requests, canary_errors;
    /* With a capacity in the plan: the primary's over its load at the worst moment, how long it was
     * below 1, and the requests beyond it. */
    bool has_capacity;
    double capacity_least, capacity_over;
    ms_t capacity_short_ms;
    bool gone; /* deleted */
};

struct sim;
/* Memory for runs, used again from run to run; one per thread. NULL when memory is out. */
struct sim *sim_new(void);
void sim_free(struct sim *s);
/*
 * Play `plan` from its start to its end. Rows go to `sink` (may be NULL).
 *   ret_results   plan->canary_count entries of the caller's, or NULL
 *   ret_end_ms    scenario time at the end, or NULL
 * Returns 0 or -ENOMEM. The run ends at plan->until_ms, or when nothing is left to happen: all
 * changes made, every Canary idle (Initialized, Succeeded, Failed, suspended or gone) and quiet for
 * a tick.
 */
int sim_run(struct sim *s, const struct sim_plan *plan, const struct sim_options *options,
            const struct sink *sink, struct canary_result *ret_results, ms_t *ret_end_ms);

#endif
