/*
 * sim/plan.h — what a scenario is to the simulator: plain immutable data, shared by any number of
 * runs and threads. Made by adapters/scenario from YAML, or by hand. All times are scenario time:
 * milliseconds since the start of the run.
 */
#ifndef COALMINE_SIM_PLAN_H
#define COALMINE_SIM_PLAN_H

#include "sim/capacity.h"
#include "sim/metric.h"
#include "sim/record.h"

/* A revision of the target workload, and how its pods start. */
struct revision_plan {
    revision_t revision;
    const char *name; /* "v2" */
    ms_t startup_ms;  /* a pod is ready that long after it was created; MS_NEVER = it never
                            is; -1 = like revisions not named */
};

struct world_plan {
    int32_t replicas;              /* of the target, and of the primary copied from it */
    int32_t surge;                 /* pods replaced at a time; 0 = all at once */
    ms_t startup_ms;               /* of revisions not named */
    int32_t deployment_deadline_s; /* the Deployment's own progressDeadlineSeconds; 600 */
    const struct revision_plan *revisions;
    uint32_t revision_count;
    revision_t first;       /* the target holds it at the start */
    revision_t configs;     /* tracked configs at the start; 0 = none */
    bool initialized;       /* start with an initialised Canary that promoted `first` */
    bool mirror_unreported; /* the router accepts a mirror but does not report it */
    int32_t
        match_percent; /* A/B: share of the requests that match; the rest stays on the primary */
    int32_t scaler_min, scaler_max; /* of the autoscaler; 0 = none */
    struct capacity_model capacity; /* of the primary under it; pod_rps 0 = not counted */
};

/* What a webhook answers. Anything but a status of 200..202 without `error` refuses. */
struct hook_reply {
    uint16_t status;   /* 0 = no answer at all: then `error` says why */
    const char *body;  /* "" for none */
    const char *error; /* the whole error text, instead of the one made of status and body */
    ms_t took_ms;
};
struct hook_change {
    ms_t at_ms;
    struct hook_reply reply;
};
struct hook_plan {
    const char *name; /* of the hook in the spec */
    /* The first that has something to say: the n-th call, then chance, then the latest change. */
    const struct hook_reply *calls;
    uint32_t call_count; /* calls past the last one fall through */
    uint32_t chance_ppm; /* that `unlucky` is the answer */
    struct hook_reply unlucky;
    const struct hook_change *changes; /* sorted by time; before the first: 200 */
    uint32_t change_count;
};

/* Asks that go wrong. */
struct fault_plan {
    uint8_t ask;         /* enum ask_kind */
    ms_t from_ms, to_ms; /* half open */
    uint32_t call_from,
        call_to;         /* n-th ask of this kind in the run, from 1, both inclusive; 0 = any */
    uint32_t chance_ppm; /* 0 = certain */
    uint8_t outcome;     /* enum outcome: RETRY or FAILED */
    bool lands;          /* the effect happens all the same: only the answer is lost */
    const char *text;
};

struct metric_binding {
    const char *name; /* of the metric in the spec */
    const struct metric_source *source;
};

struct canary_plan {
    /* The first is in force at the start; edits of the timeline switch to another. */
    const struct spec *const *specs;
    uint32_t spec_count;
    struct world_plan world;
    const struct metric_binding
        *metrics; /* a metric without one is healthy (docs/reference/scenario.md) */
    uint32_t metric_count;
    const struct hook_plan *hooks; /* a hook without one answers 200 */
    uint32_t hook_count;
    const struct fault_plan *faults;
    uint32_t fault_count;
    ms_t born_ms; /* MS_NEVER: by a timeline event */
    /* What users send, without load generators: failed requests are then counted; NULL = unknown.
     */
    const struct traffic_model *users;
};

enum change_kind {
    CHANGE_DEPLOY,  /* revision: the target's */
    CHANGE_CONFIG,  /* revision: of the tracked configs */
    CHANGE_SPEC,    /* index: into specs */
    CHANGE_PRIMARY, /* state: enum side_state */
    CHANGE_CANARY,
    CHANGE_COMMAND, /* index: enum command */
    CHANGE_ROUTES,  /* by another hand: primary, canary, mirror */
    CHANGE_DELETE,  /* the Canary */
    CHANGE_RESTART, /* of the operator: memory is lost, the status stays */
    CHANGE_SCALE,   /* replicas: of the target, by another hand */
    CHANGE_NOTE,    /* nothing but a line in the record */
};

enum side_state {
    SIDE_AUTO, /* pods start and are ready in time */
    SIDE_DOWN, /* no pod is ready */
    SIDE_LOST, /* no pod is ready, and the progress deadline has passed */
};

struct change_plan {
    ms_t at_ms;
    uint16_t canary; /* UINT16_MAX = all */
    uint8_t kind;    /* enum change_kind */
    uint8_t state;
    uint32_t index;
    revision_t revision;
    int16_t primary, canary_weight;
    bool mirror;
    int32_t replicas;
    const char *text; /* for the record: "deploy v2" */
};

struct sim_plan {
    struct run_info info;
    const struct canary_plan *canaries;
    uint32_t canary_count;
    const struct change_plan *changes; /* sorted by time, ties in the order of the file */
    uint32_t change_count;
    ms_t until_ms;        /* the run ends here; MS_NEVER = when all is settled */
    ms_t limit_ms;        /* and never later than this */
    ms_t control_loop_ms; /* Flagger's scheduler pass; 10 s */
};

/* A revision for a name: 64-bit FNV-1a, never 0. */
revision_t revision_of(const char *name);

#endif
