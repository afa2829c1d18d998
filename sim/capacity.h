/*
 * sim/capacity.h — the pods of a primary whose autoscaler follows what the canary leaves to it, and
 * how far they fall short when all traffic returns. Source: docs/whatif/models.md, "Capacity".
 */
#ifndef COALMINE_SIM_CAPACITY_H
#define COALMINE_SIM_CAPACITY_H

#include "engine/units.h"

/*
 * An autoscaler of the primary: it looks every 15 s, as
 * Kubernetes' does, wants ceil(load / (pod_rps * target)) pods within [min, max], and scales down
 * to the most it has wanted within hold_ms. New pods serve after start_ms. pod_rps 0 = none.
 */
struct capacity_model {
    int32_t min_replicas, max_replicas;
    double pod_rps, target; /* capacity of a pod; utilisation aimed at, 0..1 */
    ms_t start_ms, hold_ms; /* hold_ms at most CAPACITY_HOLD_MAX_MS */
};
#define CAPACITY_LOOK_MS 15000
#define CAPACITY_HOLD_MAX_MS 900000
#define CAPACITY_PODS_MAX 1000000

/* The primary's pods while a rollout runs. */
struct scaler {
    const struct capacity_model *model;
    ms_t now_ms, look_ms; /* of the next look */
    int32_t ready, total;
    struct {
        ms_t ready_ms;
        int32_t pods;
    } starting[16]; /* in order; the last also stands for what does not fit */
    uint32_t starting_count;
    int32_t wanted[CAPACITY_HOLD_MAX_MS / CAPACITY_LOOK_MS + 1]; /* of the last looks */
    uint32_t look_count;
    /* what became of it */
    double least;  /* capacity over load, at worst; 100 stands for more */
    ms_t short_ms; /* how long it was below 1 */
    double over;   /* requests beyond the capacity */
};
/* At rest under this load. */
void scaler_init(struct scaler *s, const struct capacity_model *model, double rps);
/* The load is `rps` until `to_ms`. */
void scaler_run(struct scaler *s, ms_t to_ms, double rps);
/*
 * The closed form for a primary that had settled while the canary carried `percent` of the load:
 * the least ratio of capacity to load when all of it returns at once, and how long it lies below 1
 * at most: until the autoscaler looks, and the pods have started (MS_NEVER: for good).
 */
double model_capacity_dip(const struct capacity_model *c, double rps, int32_t percent,
                          ms_t *ret_short_ms);

#endif
