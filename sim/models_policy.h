/*
 * sim/models_policy.h — one spec as a table of states, worked out by the engine itself.
 *
 * The engine is pure and its state flat. So each state that a rollout can reach is found once, by
 * running the engine on copies under every outcome that its checks can have; a Monte Carlo run then
 * walks the table. Nothing of the engine's rules is written down a second time.
 */
#ifndef COALMINE_SIM_MODELS_POLICY_H
#define COALMINE_SIM_MODELS_POLICY_H

#include "sim/models.h"

/* What one metric answered in one check. */
enum check_digit {
    DIGIT_IN,    /* a value within the bounds */
    DIGIT_OUT,   /* a value beyond them */
    DIGIT_NONE,  /* no values found */
    DIGIT_ERROR, /* the query failed; only with outages */
    DIGIT_FEW,   /* fewer requests than the judge wants; only with min-samples */
    DIGIT_COUNT
};

enum policy_metric_kind {
    POLICY_PASSES,       /* not modelled: always within its bounds */
    POLICY_SUCCESS_RATE, /* percent of requests that succeed */
    POLICY_ERROR_RATE,   /* percent of requests that fail */
    POLICY_ERROR_SHARE,  /* the same as a share */
    POLICY_LATENCY,      /* quantile in milliseconds */
    POLICY_LATENCY_S,    /* in seconds */
};
const char *policy_metric_kind_name(enum policy_metric_kind kind);

#define POLICY_METRICS_MAX 6
struct policy_metric {
    const struct metric_spec *spec;
    enum policy_metric_kind kind;
    double quantile;
    ms_t window_ms;
    struct threshold_range bounds; /* effective */
    bool can_be_out;               /* some value breaks the bounds */
    bool judged; /* by counts or samples: runs ask the judge, OUT in the table is its no */
};

enum policy_end { END_NONE, END_PROMOTED, END_ROLLED_BACK };

struct policy_state {
    int16_t weight; /* routed to the canary until the next tick */
    bool mirrored;
    uint8_t phase, end; /* enum phase, enum policy_end */
    bool loaded;        /* load generators are at work: a rollout is under way */
    bool checks;        /* its tick asks metrics */
    int32_t failed_checks, iterations;
};

struct policy {
    const struct spec *spec;
    struct policy_metric metrics[POLICY_METRICS_MAX];
    uint32_t metric_count;
    uint8_t digits[DIGIT_COUNT]; /* those in use: a symbol is a number to this base */
    uint32_t base;
    uint32_t symbol_count;       /* base to the power of metric_count, times 2 for the gate */
    uint32_t gate_symbol;        /* added while the promotion gate is closed */
    bool gate;                   /* there is a confirm-promotion webhook */
    struct policy_state *states; /* the first: before the tick that finds the revision */
    uint32_t state_count;
    uint32_t *next;      /* [state * symbol_count + symbol] */
    uint8_t *failing;    /* likewise: the tick counted a failed check */
    bool compares;       /* some metric is judged against the primary */
    uint32_t best_ticks; /* ticks to the promotion when every check passes, 0 = never */
};

struct policy_options {
    enum policy_metric_kind kinds[POLICY_METRICS_MAX];
    double quantiles[POLICY_METRICS_MAX];
    bool outages;
};
/*
 * Returns 0, -ENOMEM, -E2BIG (more metrics or states than fit), -ENOTSUP (Mann-Whitney with windows
 * that do not divide the interval). `spec` is borrowed.
 */
int policy_make(struct policy *ret_policy, const struct spec *spec,
                const struct policy_options *options);
void policy_release(struct policy *p);
/* The symbol of one digit per metric. */
uint32_t policy_symbol(const struct policy *p, const uint8_t *digits, bool gate_closed);

/* One rollout stepped by the engine, as the table is made: for the test that the two agree. */
struct policy_walker {
    struct rollout rollout;
    struct hand hand;
    struct answer metrics[POLICY_METRICS_MAX];
    struct answer hooks[64];
};
void policy_walker_init(struct policy_walker *w, const struct spec *spec);
/* One tick; answers of metrics stand in w->metrics. */
void policy_walker_tick(struct policy_walker *w, const struct spec *spec, ms_t at_ms,
                        bool gate_closed, struct policy_state *ret_state);
/* The answer that stands for a digit. */
struct answer policy_answer(const struct policy_metric *m, enum check_digit digit);

#endif
