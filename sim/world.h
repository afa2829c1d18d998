/*
 * sim/world.h — the simulated world of one Canary: its target and primary workloads, its routes,
 * its stored status, its webhooks and metric sources, and what goes wrong. It answers asks.
 */
#ifndef COALMINE_SIM_WORLD_H
#define COALMINE_SIM_WORLD_H

#include "sim/run.h"

#define WORLD_HOOKS_MAX 64
#define WORLD_METRICS_MAX 64
#define WORLD_TEXT_MAX 768
#define WORLD_SAMPLES_MAX 64 /* of a side, for judges that compare */

/* A workload: pods of the current revision replace older ones `surge` at a time. */
struct side {
    bool exists;
    uint8_t state; /* enum side_state */
    revision_t revision;
    int32_t desired; /* pods */
    int32_t old;     /* ready pods of the former revision when this one came */
    ms_t since_ms;   /* when the current pods were asked for */
    ms_t state_ms;   /* when `state` was entered */
    ms_t startup_ms; /* of a pod */
    int32_t surge;   /* 0 = all at once */
};

struct world {
    const struct canary_plan *plan;
    const struct spec *spec;   /* in force; a tick keeps the one that it began with */
    const struct spec *edited; /* what the Canary says now */
    uint64_t seed;
    uint32_t rollout_number, canary_index; /* key the randomness */
    ms_t epoch_ms, now_ms;

    struct status stored; /* as the API server holds it */
    uint32_t memory;
    revision_t target, configs;
    struct side primary, canary;
    int32_t primary_weight, canary_weight;
    bool mirrored;
    bool apex_on_primary;    /* the apex service selects the primary; before: the target */
    bool rolling;            /* a rollout is under way: load generators are at work */
    bool gone;               /* the Canary and what it owned are deleted */
    int32_t target_replicas; /* as its owner wants it; scaled to zero by the operator */

    uint32_t ask_calls[ASK_KIND_COUNT];
    uint32_t hook_calls[WORLD_HOOKS_MAX];
    uint32_t metric_calls[WORLD_METRICS_MAX];
    struct exposure exposure;
    ms_t counted_ms; /* until then the following are counted, see struct canary_result */
    int64_t exposed;
    double canary_requests, canary_errors;
    struct scaler scaler; /* of the primary, once `scaled` */
    bool scaled;

    /* Of the last answer. */
    uint16_t hook_status;
    uint32_t hook_call;
    char text[WORLD_TEXT_MAX]; /* where answers put their texts */
    double samples[2][WORLD_SAMPLES_MAX];
};

void world_init(struct world *w, const struct canary_plan *plan, uint32_t canary_index,
                const struct sim_options *options, ms_t epoch_ms);
/* The run is over: what was counted on the way, into the result. */
void world_conclude(struct world *w, struct canary_result *r);
/* Time passes. */
void world_advance(struct world *w, ms_t now_ms);
/*
 * Answer an ask at w->now_ms. `out` borrows texts from the world and the plan until the next
 * answer. Returns how long the answer takes, in ms.
 */
ms_t world_answer(struct world *w, const struct ask *ask, struct answer *out);
/* Does an ask of this kind have an effect? The others only read. */
bool world_is_changed_by(enum ask_kind kind);
/* A change of the timeline that concerns the world (all but commands, deletion and restarts). */
void world_change(struct world *w, const struct change_plan *change);
/* The Canary is deleted without its finalizer: what it owned goes with it. */
void world_collect(struct world *w);
/* Percent of the live requests that meet no ready pod, and where they were sent. */
struct outage_row world_outage(const struct world *w);
/* The next time at which pods become ready by themselves, MS_NEVER = none are starting. */
ms_t world_next_ready(const struct world *w);

#endif
