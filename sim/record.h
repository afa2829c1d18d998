/*
 * sim/record.h — what happened in a run, row by row, in the order it happened.
 *
 * One run is one flat sequence of typed rows. The simulator writes it, the operator's flight
 * recorder can write the same, and the timeline, the golden traces, the expectations and the
 * database all read it. Rows hold codes and numbers; texts are rendered when they are printed
 * (engine/render.h), never while a run goes on.
 *
 * Whoever runs a rollout gets a `struct sink` and calls it once per row. Texts in a row are
 * borrowed for the call; `struct record` is the sink that keeps everything.
 */
#ifndef COALMINE_SIM_RECORD_H
#define COALMINE_SIM_RECORD_H

#include "engine/engine.h"

enum row_kind {
    ROW_CANARY,      /* a Canary enters the run; before any other row of it */
    ROW_ROLLOUT,     /* a rollout begins: the tick that found the new revision started it */
    ROW_ROLLOUT_END, /* it ended: Succeeded, Failed, cancelled, superseded or gone */
    ROW_TICK,        /* a tick begins */
    ROW_TICK_END,
    ROW_CHECK,    /* one metric evaluated, with its verdict */
    ROW_HOOK,     /* one webhook called (event hooks are not) */
    ROW_EVENT,    /* note: enum event_id */
    ROW_ALERT,    /* note: enum alert_id */
    ROW_GAUGE,    /* note: enum gauge_id */
    ROW_LOG,      /* note: enum log_id */
    ROW_ROUTES,   /* weights written, or tried */
    ROW_WORKLOAD, /* promote, scale up, scale zero, scaler, services: an effect or a try of one */
    ROW_STATUS,   /* a status write, or a try */
    ROW_WORLD,    /* something that happened outside the engine: a deploy, a fault, a command */
    ROW_OUTAGE,   /* traffic begins or ceases to reach a side without a ready pod */
    ROW_ASK,      /* every ask with its answer; only for sinks that want it (flight record) */
    ROW_KIND_COUNT
};
const char *row_kind_name(enum row_kind kind); /* "check" */

enum check_verdict {
    VERDICT_PASS,
    VERDICT_FAIL,     /* a bound was crossed, or the judge said no */
    VERDICT_NO_VALUE, /* no values found: counts as a failed check unless a judge waits */
    VERDICT_ERROR,    /* the query failed */
    VERDICT_WAIT,     /* a judge wants more samples */
};
const char *check_verdict_name(enum check_verdict v); /* "pass" "fail" "none" "error" "wait" */

enum rollout_result {
    ROLLOUT_SUCCEEDED,
    ROLLOUT_FAILED,
    ROLLOUT_CANCELLED,
    ROLLOUT_SUPERSEDED,
    ROLLOUT_GONE
};
const char *rollout_result_name(enum rollout_result r);

struct check_row {
    uint16_t index;         /* of the metric in the spec */
    uint8_t metric;         /* enum metric_ask */
    uint8_t verdict;        /* enum check_verdict */
    uint8_t cause;          /* enum metric_cause, for VERDICT_ERROR */
    uint8_t event;          /* enum event_id that said so; EVENT_COUNT for a pass */
    bool has_value;         /* `value` counts */
    bool has_min, has_max;  /* bounds in force (deprecated thresholds included) */
    bool has_bound;         /* `bound` is the one that was crossed */
    int16_t canary_weight;  /* routed while it was evaluated */
    int64_t window_ms;      /* 0 = unknown */
    double value;           /* rate in percent, duration in ms, or as the source gave it */
    double min, max, bound; /* same unit as value */
    uint64_t canary_errors, canary_requests, primary_errors, primary_requests; /* 0 = unknown */
};

struct hook_row {
    uint16_t index;  /* of the hook in the spec */
    uint8_t phase;   /* payload phase */
    uint8_t outcome; /* enum outcome: OK, or anything else = refused or failed */
    uint16_t status; /* HTTP status of the last attempt, 0 = none */
    uint32_t call;   /* counts up from 1 per hook */
    int64_t took_ms;
};

struct routes_row {
    int16_t primary, canary;
    bool mirror;
    uint8_t outcome; /* enum outcome */
};

struct workload_row {
    uint8_t ask; /* enum ask_kind: PRIMARY_INIT, SCALE_UP, SCALE_ZERO, PROMOTE, SCALER_*, APEX,
                    REVERT_* … */
    bool flag;   /* as in the ask */
    uint8_t outcome;
};

struct status_row {
    struct save save;
    struct status after; /* as stored; unchanged when the write failed */
    uint8_t outcome;
};

struct outage_row {
    int16_t lost; /* percent of the requests that meet no ready pod; 0 = the outage has ended */
    bool primary, canary; /* which side they were sent to */
};

/* One row. `spec` was in force when it was made and outlives the record. */
struct row {
    uint8_t kind;     /* enum row_kind */
    uint16_t canary;  /* index of the Canary in the run */
    uint32_t rollout; /* counts up from 1 per Canary; 0 = none yet */
    uint32_t tick;    /* counts up from 1 per Canary; 0 = outside any tick */
    ms_t at_ms;       /* absolute; the run's epoch_ms is its zero */
    const struct spec *spec;
    /*
     * Borrowed for the call, copied by struct record; NULL = none.
     *   CHECK, HOOK, ROUTES, WORKLOAD, STATUS   the error text of the answer
     *   EVENT, ALERT, LOG                       note.text points to it
     *   WORLD                                   what happened, as a short sentence: "deploy v2"
     *   ROLLOUT                                 name of the new revision where the driver has one
     */
    const char *text;
    uint32_t text_len;
    union {
        struct {
            revision_t from, to; /* promoted revision, revision under test */
        } rollout;
        struct {
            uint8_t result; /* enum rollout_result */
        } rollout_end;
        struct {
            uint8_t kind;  /* enum tick_kind */
            uint8_t phase; /* at the beginning; of TICK_END: at the end */
        } tick;
        struct check_row check;
        struct hook_row hook;
        struct note note; /* EVENT, ALERT, GAUGE, LOG */
        struct routes_row routes;
        struct workload_row workload;
        struct status_row status;
        struct outage_row outage;
        struct {
            const struct ask *ask;       /* borrowed for the call; copied by struct record */
            const struct answer *answer; /* likewise, with text and samples */
        } ask;
    } u;
};

struct sink {
    void *self;
    void (*put)(void *self, const struct row *row); /* NULL = nobody listens */
    bool wants_asks;                                /* ROW_ASK too */
    bool wants_gauges;                              /* ROW_GAUGE too */
};

/* What a run was made of; texts belong to whoever made it and outlive the record. */
struct run_info {
    const char *name;    /* "good-release" */
    const char *file;    /* as the user typed it, NULL = none */
    const char *title;   /* NULL = none */
    const char *profile; /* "default", "flagger-1.44" or a name of the scenario's own */
    deviations_t deviations;
    uint64_t seed;
    ms_t epoch_ms; /* virtual or real time zero */
    ms_t end_ms;   /* absolute; set when the run has ended */
};

/* The sink that keeps everything: rows in order, texts copied. */
struct record {
    struct run_info info;
    struct row *rows;
    size_t count, cap;
    bool failed; /* memory was out: rows are missing */
    struct record_chunk *texts;
};

void record_init(struct record *r);
void record_release(struct record *r);
/* Forget the rows, keep the memory. */
void record_clear(struct record *r);
/* Append a copy of a row; `self` is a struct record. */
void record_put(void *self, const struct row *row);
/* A sink that fills `r`, without asks; gauges as said. */
struct sink record_sink(struct record *r, bool gauges);

#endif
