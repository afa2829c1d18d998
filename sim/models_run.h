/*
 * sim/models_run.h — many rollouts of one policy under one model: counted by Monte Carlo, and
 * summed exactly where checks are independent.
 */
#ifndef COALMINE_SIM_MODELS_RUN_H
#define COALMINE_SIM_MODELS_RUN_H

#include "sim/models_policy.h"

/* What many runs came to. Integers only: sums in any order are the same. */
struct whatif_tally {
    uint64_t runs, rolled_back, promoted, unfinished;
    uint64_t requests; /* of users, to the canary */
    uint64_t bad,
        bad_back;     /* thousandths of failed requests of users: all runs; those rolled back */
    uint64_t exposed; /* millionths of all users, summed over runs */
    /* with a capacity model: runs in which the primary fell short, for how long, thousandths of the
     * requests beyond its capacity; least capacity over load of each run in millionths, summed and
     * the worst */
    uint64_t short_runs, short_ms, over, least, worst;
    uint64_t *back, *promotion; /* [tick]: runs that ended there */
    uint64_t *detection;        /* [ticks]: from the onset to the rollback */
    uint64_t *weights; /* [tick * 101 + share]: runs under way in which the new version has so many
                          percent of the traffic after the tick; NULL = not wanted */
    uint32_t ticks_max;
};
int whatif_tally_init(struct whatif_tally *t, uint32_t ticks_max, bool weights);
void whatif_tally_add(struct whatif_tally *t, const struct whatif_tally *other);
void whatif_tally_clear(struct whatif_tally *t);
void whatif_tally_release(struct whatif_tally *t);
/* The least tick by which `share` of the runs counted in `ticks` had ended; 0 when there are none.
 */
uint32_t whatif_quantile(const uint64_t *ticks, uint32_t ticks_max, double share);

/* A policy and a model made ready: immutable, shared by threads. */
struct whatif_case;
int whatif_case_new(struct whatif_case **ret_case, const struct policy *policy,
                    const struct whatif_model *model);
void whatif_case_free(struct whatif_case *c);
/* Ticks after which a run is given up as unfinished. */
uint32_t whatif_ticks_max(const struct whatif_case *c);

/*
 * Play runs [first, first + count) and add them to `tally`. A run depends on its number and the
 * seed alone; the same number meets the same chance in every case (common random numbers).
 */
void whatif_play(const struct whatif_case *c, uint64_t seed, uint32_t first, uint32_t count,
                 struct whatif_tally *tally);
/* What one run did, tick by tick: state numbers and symbols, for tests. Returns the tick count. */
uint32_t whatif_trace(const struct whatif_case *c, uint64_t seed, uint32_t run,
                      uint32_t *ret_states, uint32_t *ret_symbols, uint32_t max);

/* Why the exact sum is an approximation, or not there at all. */
enum exact_flaw {
    EXACT_TRUE,    /* it is exact */
    EXACT_OVERLAP, /* windows are longer than the interval: one request is judged more than once */
    EXACT_WINDOWS, /* metrics have windows of different length: they share requests in part */
    EXACT_SAME_COUNTS, /* two metrics judge the same requests alike */
    EXACT_BUCKETS,     /* a bound lies within a bucket: interpolation is not summed */
    EXACT_UNSTEADY,    /* rates change with time: no sum */
    EXACT_SCRAPES,     /* windows are cut at scrapes: no sum */
    EXACT_JUDGES,      /* a judge remembers counts or samples: no sum */
};
const char *exact_flaw_text(enum exact_flaw flaw); /* NULL for EXACT_TRUE */
struct whatif_exact {
    bool known;
    enum exact_flaw flaw;
    double rollback, promote, unfinished;
    double bad; /* failed requests of users, mean over all runs */
};
/* The dynamic programme over (state, tick), as if each check drew its own requests. 0 or -ENOMEM.
 */
int whatif_sum(const struct whatif_case *c, struct whatif_exact *ret_exact);

#endif
