/*
 * engine/rollout.h — the whole state of one rollout: a flat value without pointers. Assignment
 * forks it.
 */
#ifndef COALMINE_ENGINE_ROLLOUT_H
#define COALMINE_ENGINE_ROLLOUT_H

#include "engine/units.h"

enum phase {
    PHASE_NONE, /* "" : object just created */
    PHASE_INITIALIZING,
    PHASE_INITIALIZED,
    PHASE_WAITING,
    PHASE_PROGRESSING,
    PHASE_WAITING_PROMOTION,
    PHASE_PROMOTING,
    PHASE_FINALISING,
    PHASE_SUCCEEDED,
    PHASE_FAILED,
    PHASE_TERMINATING,
    PHASE_TERMINATED, /* never written */
    PHASE_COUNT
};
const char *phase_name(enum phase p); /* "" for PHASE_NONE */
bool phase_find(const char *name, size_t len, enum phase *ret_phase);

/* status of the one condition, type Promoted */
enum condition_status { CONDITION_NONE, CONDITION_TRUE, CONDITION_FALSE, CONDITION_UNKNOWN };

/* The Canary's status. Texts (hashes, configs, cookies) stay with the driver; here are their
 * hashes. */
struct status {
    int32_t failed_checks;
    int32_t canary_weight;
    int32_t iterations;       /* may be -1 */
    uint8_t phase;            /* enum phase */
    uint8_t condition;        /* enum condition_status */
    uint8_t condition_reason; /* enum phase: the reason is a phase name */
    uint8_t reserved;
    revision_t applied;  /* lastAppliedSpec */
    revision_t promoted; /* lastPromotedSpec */
    revision_t configs;  /* trackedConfigs; 0 = absent or empty, which compare alike */
    ms_t transition_ms;  /* lastTransitionTime: every write moves it; 0 = never */
    ms_t condition_update_ms, condition_transition_ms;
};

enum save_op {
    SAVE_SYNC,
    SAVE_PHASE,
    SAVE_FAILED_CHECKS,
    SAVE_WEIGHT,
    SAVE_ITERATIONS,
    SAVE_MEMORY
};

/*
 * What SYNC records as lastAppliedSpec, with the tracked configs: the target as it is by then; or,
 * where an end is of what was analysed, that, so that a release in between is seen as one.
 */
enum save_record { RECORD_TARGET, RECORD_APPLIED, RECORD_PROMOTED };

/* A status write. The same value can be applied again to a re-read status after a conflict. */
struct save {
    uint8_t op;     /* enum save_op */
    uint8_t phase;  /* SYNC, PHASE */
    uint8_t record; /* SYNC: enum save_record */
    /* SYNC: all; PHASE(WaitingPromotion): iterations, weight; PHASE(Promoting): weight, if not 0;
     * else the one field */
    int32_t weight, failed_checks, iterations;
    uint32_t memory; /* to be written with it (default profile) */
};

/*
 * What the default profile remembers beyond Flagger's status; kept in the annotation
 * coalmine.dev/state and written with the status. All zero in profile flagger-1.44.
 */
enum memory_flag {
    MEMORY_THRESHOLD_ALERTED = 1 << 0,
    MEMORY_PROMOTION_ALERTED = 1 << 1,
    MEMORY_DEADLINE_ALERTED = 1 << 2,
    MEMORY_PROMOTION_CONFIRMED = 1 << 3, /* confirm-promotion has passed for this promotion */
    MEMORY_MIRROR_TRIED = 1 << 4,        /* the mirror step was made, whatever the router reports */
    MEMORY_PRIMARY_LOST = 1 << 5,        /* a promotion failed: the canary holds the traffic */
    MEMORY_PAUSED = 1 << 6,              /* by a person */
    MEMORY_STEPS_WARNED = 1 << 7,
    MEMORY_ROLLING_BACK = 1 << 8, /* a rollback has begun and is not yet stored */
    MEMORY_RETRYING = 1 << 9,     /* what waits is a failed revision that a person wants again */
};

enum command {
    COMMAND_NONE,
    COMMAND_PROMOTE,
    COMMAND_ABORT,
    COMMAND_RETRY,
    COMMAND_PAUSE,
    COMMAND_RESUME
};
const char *command_name(enum command c);

/* Bounded sums of one judged metric. */
#define JUDGED_METRICS_MAX 8
struct judge_state {
    uint64_t history; /* K_OF_N: one bit per check, newest lowest */
    uint32_t run;     /* CONSECUTIVE: failures in a row */
    uint32_t looks;
    uint64_t canary_errors, canary_requests, primary_errors, primary_requests;
    double log_e; /* ANYTIME: log of the e-value so far */
};

struct rollout {
    struct status stored; /* as last saved, or as last loaded */
    uint32_t memory;      /* enum memory_flag; saved with the status */
    uint8_t command;      /* enum command waiting for the next tick */

    /* The tick under way. */
    uint8_t gate;         /* row of the table that asked */
    uint8_t after;        /* what follows the post-rollout hooks */
    uint8_t ask_kind;     /* of the open ask, ASK_NONE = idle */
    uint32_t ask_id;      /* of the open ask; counts up from 1, never reused */
    uint32_t facts;       /* which rows of the table apply */
    uint32_t cursor;      /* index of the hook or metric being asked */
    struct status status; /* "st": as read at the start of the tick; most writes leave it alone */
    struct save saving;   /* the open save */
    int32_t primary, canary; /* weights of the routes as read in this tick */
    int32_t next_primary, next_canary;
    bool mirrored;
    bool observed;      /* this tick observes the duration histogram when it ends */
    bool primary_ready; /* asked and ready in this tick */
    bool reverted;      /* the target went back to the promoted revision */
    bool match;         /* analysis.match counts in this tick */
    bool next_mirrored;
    uint8_t routed;     /* the canary's share that was told of, see routed_share (tell-first) */
    int32_t iterations; /* analysis.iterations of this tick */
    ms_t now_ms, began_ms;
    revision_t target, configs_now; /* as read in this tick */
    uint64_t ticks;
    struct judge_state judges[JUDGED_METRICS_MAX];
};

#endif
