/* sim/models_int.h — what the files of sim/models_run.h share: a case made ready, and a run of it.
 */
#ifndef COALMINE_SIM_MODELS_INT_H
#define COALMINE_SIM_MODELS_INT_H

#include "engine/judge.h"
#include "sim/models_run.h"
#include "sim/stat.h"

#define STREAM_TABLES 0x57484154u
#define STREAM_STEADY 0x57484155u
#define STREAM_CHANCE 0x57484156u
#define STREAM_PRIMARY 0x57484180u
#define BLOCKS_PER_CELL 64u /* of random bits: a cell's draws have a place of their own */
#define TICKS_LIMIT 20000u
#define RING_LIMIT (1u << 16)
#define COLUMNS (MODEL_BUCKETS + 1) /* failed requests, then requests by bucket of latency */

/* Requests of one weight in one cell of time, as tables. */
struct sampler {
    int16_t weight;
    bool mirrored, loaded;
    double mean, errors;                   /* requests the canary sees; share that fails */
    uint32_t live_ppk;                     /* thousandths of them that are users' */
    double spared;                         /* share of users not met within one interval */
    struct stat_table good[MODEL_BUCKETS]; /* requests that succeed, by bucket */
    struct stat_table failed[MODEL_BUCKETS];
};

struct whatif_case {
    const struct policy *policy;
    struct whatif_model model;
    bool stationary;
    ms_t interval_ms, unit_ms;
    uint32_t cells_per_tick, ring; /* cells kept: a power of two */
    uint32_t ticks_max;
    uint32_t bucket_count;
    double bounds[MODEL_BUCKETS];                            /* of the buckets; the last has none */
    double shares[MODEL_BUCKETS], old_shares[MODEL_BUCKETS]; /* of the new and the old version */
    uint32_t slow_from[POLICY_METRICS_MAX]; /* latency_counts: the first bucket over the bound */
    struct sampler *samplers;
    uint32_t sampler_count;
    uint32_t *sampler_of; /* per state; UINT32_MAX = nothing is served */
};

/* A metric of both sides, window by window, for judges that compare: the newest of them. */
#define SAMPLES_MAX 64
struct samples {
    uint32_t count;
    double canary[SAMPLES_MAX], primary[SAMPLES_MAX];
};

/* Sums since the start, of which the last `ring` cells are kept: a window is one difference. */
struct run {
    const struct whatif_case *c;
    uint64_t seed;
    uint32_t number;
    uint32_t cell;  /* of the next one to be drawn, from 1 */
    uint64_t *sums; /* [ring * columns] */
    uint64_t requests, bad;
    ms_t served_from_ms; /* when the canary first got traffic; MS_NEVER */
    double spared;       /* share of users who have not met the canary */
    struct scaler scaler;
    struct {
        ms_t at_ms, window_ms;
        uint64_t n, failed, buckets[MODEL_BUCKETS];
    } seen; /* the last window that was looked at: metrics often share it */
    struct judge_state judges[POLICY_METRICS_MAX];
    struct samples *samples; /* [POLICY_METRICS_MAX], where the policy compares */
};

/* The share of the live requests that the canary gets at this weight. */
double run_share(const struct whatif_case *c, int32_t weight);
/* Requests of a window that ends at a tick, their failures, and how many fell into each bucket. */
uint64_t run_look_back(const struct run *r, ms_t at_ms, ms_t window_ms, uint64_t *ret_failed,
                       uint64_t *ret_buckets);
bool metric_is_latency(const struct policy_metric *m);
double metric_bound_ms(const struct policy_metric *m);
bool metric_out_of_bounds(const struct threshold_range *b, double value);
/* What a metric answers for these counts, n > 0. */
double metric_of_counts(const struct whatif_case *c, uint32_t metric, uint64_t n, uint64_t failed,
                        const uint64_t *buckets);
/* `ppm` of the slots of time have `factor`; the others `otherwise`. */
double run_slot(const struct run *r, uint32_t ppm, ms_t slot_ms, ms_t at_ms, uint32_t what,
                double factor, double otherwise);
/* n requests by bucket of latency; `shares` sum up to 1. */
void run_spread(struct rng *rng, const struct whatif_case *c, const double *shares, uint64_t n,
                uint64_t *ret_buckets);
/* models_judge.c: what a judge says that compares the canary, n > 0, with the primary. */
enum check_digit run_judge(struct run *r, uint32_t metric, ms_t at_ms, uint32_t tick,
                           int32_t weight, uint64_t n, uint64_t failed);

#endif
