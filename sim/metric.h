/*
 * sim/metric.h — where simulated metric values come from.
 *
 * A source answers one evaluation of one metric. Sources nest: by version, by time, by number of
 * the check. They are immutable and shared by all runs of a plan; whatever is random comes from
 * query->rng. A statistical model plugs in as one more source: put a struct metric_source first and
 * set `evaluate`.
 */
#ifndef COALMINE_SIM_METRIC_H
#define COALMINE_SIM_METRIC_H

#include "engine/engine.h"
#include "sim/rng.h"

/*
 * Who served the requests, as steps in time: an entry holds from its time to that of the next.
 * Enough for a window of the past; older steps are dropped.
 */
#define EXPOSURE_STEPS_MAX 64
struct exposure_step {
    ms_t from_ms;
    int16_t primary_weight, canary_weight; /* percent of the live requests */
    bool mirrored;                         /* the canary gets a copy of each request too */
    bool primary_up, canary_up;            /* at least one ready pod */
    bool loaded;                /* a rollout is under way: load generators hit the canary */
    revision_t primary, canary; /* revisions on each side */
    ms_t primary_since_ms, canary_since_ms; /* since when that revision has been serving there */
};
struct exposure {
    struct exposure_step steps[EXPOSURE_STEPS_MAX];
    uint32_t first, count;
};
/* The n-th step from the oldest kept one. */
const struct exposure_step *exposure_at(const struct exposure *x, uint32_t n);
/* Note that the world is as `step` from step->from_ms on; equal to the last one: nothing is added.
 */
void exposure_add(struct exposure *x, const struct exposure_step *step);

struct metric_query {
    ms_t now_ms, epoch_ms; /* absolute; scenario time is their difference */
    ms_t window_ms;        /* of the metric; 60 s when it could not be read */
    const struct spec *spec;
    uint16_t index;      /* of the metric in the spec */
    uint8_t kind;        /* enum metric_ask */
    uint32_t call;       /* n-th evaluation of this metric in this run, from 1 */
    revision_t revision; /* under test */
    bool primary;        /* the primary's value is wanted instead; only of sources with `sides` */
    const struct exposure *exposure;
    struct rng *rng; /* of this metric and evaluation alone */
};

struct metric_source {
    /*
     * Fill outcome, value, text and, where known, the counts of both versions. A rate is in
     * percent, a duration in milliseconds (the world converts to what the provider answers in).
     */
    void (*evaluate)(const struct metric_source *self, const struct metric_query *query,
                     struct answer *out);
    bool counts; /* its values come with the counts of both versions */
    bool sides;  /* it can tell the primary's value too */
};

/* Always the same answer. */
struct metric_constant {
    struct metric_source source;
    double value;
    uint8_t outcome;  /* enum outcome */
    uint8_t cause;    /* enum metric_cause */
    const char *text; /* of an error */
};
void metric_constant_init(struct metric_constant *m, double value);
/* A query that fails, or NO_VALUE with a NULL text. */
void metric_failing_init(struct metric_constant *m, enum outcome outcome, enum metric_cause cause,
                         const char *text);

/*
 * Samples at equal distances, each holding until the next one is due; before the first and after
 * the last there is no value. A NaN sample is a value to a template metric and no value to
 * Prometheus.
 */
struct series_sample {
    double value;
    bool present;
};
struct metric_series {
    struct metric_source source;
    const struct series_sample *samples;
    size_t count;
    ms_t start_ms, interval_ms; /* scenario time */
};
void metric_series_init(struct metric_series *m, const struct series_sample *samples, size_t count,
                        ms_t start_ms, ms_t interval_ms);

/* Samples at given times, sorted; the latest one at or before now counts unless it is older than
 * lookback_ms. */
struct metric_point {
    ms_t at_ms; /* scenario time */
    double value;
};
struct metric_points {
    struct metric_source source;
    const struct metric_point *points;
    size_t count;
    ms_t lookback_ms;
    ms_t start_ms; /* scenario time of the points' zero */
};
void metric_points_init(struct metric_points *m, const struct metric_point *points, size_t count,
                        ms_t lookback_ms);

/* A source per evaluation: the n-th answers the n-th, the last one ever after. */
struct metric_calls {
    struct metric_source source;
    const struct metric_source *const *sources;
    size_t count;
};
void metric_calls_init(struct metric_calls *m, const struct metric_source *const *sources,
                       size_t count);

/* The first case that applies; none: no value. */
struct metric_case {
    ms_t from_ms, to_ms; /* scenario time, half open */
    revision_t revision; /* under test; 0 = any */
    const struct metric_source *source;
};
struct metric_switch {
    struct metric_source source;
    const struct metric_case *cases;
    size_t count;
};
void metric_switch_init(struct metric_switch *m, const struct metric_case *cases, size_t count);

/* The value of the canary; and what the primary's would have been, for judges that compare. */
struct metric_pair {
    struct metric_source source;
    const struct metric_source *canary, *primary;
};
void metric_pair_init(struct metric_pair *m, const struct metric_source *canary,
                      const struct metric_source *primary);

/*
 * The samples of one side for a judge that compares: the value of each window since `since_ms`
 * (absolute), newest first, without those that have none. Returns how many, at most `max`.
 */
uint32_t metric_samples(const struct metric_source *source, const struct metric_query *query,
                        bool primary, ms_t since_ms, double *ret_samples, uint32_t max);

/* ---- the traffic model: expected values of what users see, without noise
 * --------------------------- */

/* A latency distribution as straight lines between known quantiles, or between the bounds of a
 * recorded histogram; q rising from 0 to 1. */
#define LATENCY_KNOTS_MAX 66
struct latency {
    uint32_t count;
    double q[LATENCY_KNOTS_MAX], ms[LATENCY_KNOTS_MAX];
};

/* How a version behaves once its fault has set in (`onset`), and before. */
struct version_model {
    revision_t revision; /* 0 = every version not named */
    double errors;       /* share of requests that fail, 0..1 */
    struct latency latency;
    bool has_onset;
    ms_t onset_ms;         /* scenario time; MS_NEVER = not by time */
    ms_t onset_after_ms;   /* since it began to serve; MS_NEVER = not by age */
    int16_t onset_weight;  /* while the canary has at least this weight; 0 = not by weight */
    double onset_errors;   /* then */
    double onset_slowdown; /* then latency is multiplied by this; 1 = no change */
    ms_t warmup_ms;        /* after its start; the excess fades in equal steps per second */
    double warmup_errors, warmup_slowdown;
};
struct rate_step {
    ms_t at_ms;        /* scenario time */
    double per_second; /* requests */
};
struct window {
    ms_t from_ms, to_ms; /* scenario time, half open */
};
struct traffic_model {
    const struct rate_step *rates; /* sorted; before the first: none */
    uint32_t rate_count;
    double load_per_second; /* a load generator that hits the canary alone while a rollout is under
                               way */
    const struct version_model *versions;
    uint32_t version_count;
    const struct window *outages; /* of the metric server */
    uint32_t outage_count;
    const char *outage_text;
    ms_t scrape_ms; /* values change at its multiples only; windows are cut to it; >= 1000 */
};

enum model_value { MODEL_SUCCESS_RATE, MODEL_ERROR_RATE, MODEL_LATENCY, MODEL_REQUEST_RATE };
struct metric_model {
    struct metric_source source;
    const struct traffic_model *traffic;
    enum model_value value;
    double quantile; /* LATENCY */
    bool primary;    /* of the primary instead of the canary */
};
void metric_model_init(struct metric_model *m, const struct traffic_model *traffic,
                       enum model_value value);

/* Requests per second at a scenario time; *next becomes the time of the next change if that is
 * sooner. */
double traffic_rate(const struct traffic_model *t, ms_t at_ms, ms_t *next);
/* Expected requests and errors of each version in (from, to] (absolute), and the quantile of the
 * latency. */
struct traffic_sums {
    double canary_requests, canary_errors, primary_requests, primary_errors;
};
void traffic_sum(const struct traffic_model *t, const struct exposure *x, ms_t epoch_ms,
                 ms_t from_ms, ms_t to_ms, struct traffic_sums *out);

#endif
