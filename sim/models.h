/*
 * sim/models.h — traffic, errors and latency of a release, as distributions.
 *
 * Requests reach the service at rate(t). The canary's are a thinning of them by its weight w: with
 * Poisson arrivals the canary gets Poisson(rate * w * dt) (thinning theorem), out of a recorded
 * count N it gets Binomial(N, w). Each of them fails with probability errors(t) and takes a time
 * drawn from the latency distribution, both independent. Time is milliseconds since the tick that
 * finds the new revision. Sources: docs/whatif/models.md.
 */
#ifndef COALMINE_SIM_MODELS_H
#define COALMINE_SIM_MODELS_H

#include "engine/engine.h"
#include "sim/capacity.h"
#include "sim/rng.h"

/* Upper bounds of Istio's istio_request_duration_milliseconds; the last bucket is +Inf. */
#define MODEL_BUCKETS 20
extern const double model_bucket_bounds[MODEL_BUCKETS - 1];

/* A recorded distribution of latency: straight lines between the bounds of its buckets. */
#define MODEL_HISTOGRAM_MAX 64
struct model_histogram {
    uint32_t count;
    double bounds_ms[MODEL_HISTOGRAM_MAX]; /* growing, above 0 */
    double shares[MODEL_HISTOGRAM_MAX];    /* of requests that take at most so long: growing to 1;
                                              what is left is longer than any bound */
};

/* Which requests a user may meet the new version with (docs/whatif/models.md, "Users"). */
enum model_sticky {
    STICKY_NONE,   /* each request is sent by the weight */
    STICKY_CANARY, /* who met the canary stays there: its share of traffic grows */
    STICKY_BOTH,   /* who met a side stays there: the share of users is the weight */
};

struct whatif_model {
    /* arrivals: rate(t) = rps * (1 + amplitude * sin(2 pi t / period)) * trace(t) */
    double rps;
    double diurnal_amplitude; /* 0..1 */
    ms_t diurnal_period_ms;
    ms_t diurnal_phase_ms; /* time of day of the first tick */
    const double *trace; /* requests per second of each slot, repeated from its start; NULL = none;
                            times rps where that is above 0, as recorded else */
    uint32_t trace_count;
    ms_t trace_slot_ms;
    uint32_t burst_ppm; /* chance per slot that its rate is multiplied */
    ms_t burst_slot_ms;
    double burst_factor;
    double load_rps;       /* a load generator that hits the canary alone */
    int32_t match_percent; /* A/B: share of the requests that match */

    /* errors */
    double errors;        /* share of the new version's requests that fail */
    double errors_before; /* ... until the fault sets in */
    double old_errors; /* of the old version, for judges that compare with it; < 0 = the least that
                          is swept */
    ms_t onset_ms;     /* the fault sets in so long after the canary first serves; 0 = at once */
    int16_t onset_weight; /* ... and only at this weight and above */
    ms_t ramp_ms;         /* it grows in a straight line for so long */
    ms_t warmup_ms;       /* errors of a cold start fade in a straight line */
    double warmup_errors;
    uint32_t blip_ppm; /* chance per slot that errors of any version are at least blip_errors */
    ms_t blip_slot_ms;
    double blip_errors;

    /* latency: log-normal by its median and 99th percentile, or a recorded histogram */
    bool latency, latency_counts; /* counts: requests over the bound, instead of buckets */
    double median_ms, p99_ms, slowdown;
    const struct model_histogram *histogram; /* NULL = log-normal */

    /* measurement */
    ms_t scrape_ms;      /* windows end and begin at scrapes; 0 = exact windows */
    uint32_t outage_ppm; /* chance that the metric server does not answer a check */
    ms_t outage_from_ms, outage_to_ms;

    enum model_sticky sticky;
    double user_rps; /* requests of one user per second */
    ms_t gate_ms;    /* confirm-promotion refuses until then */
    struct capacity_model capacity;
};

/* Healthy defaults: no latency fault, exact windows, constant arrivals. */
struct whatif_model whatif_model_default(void);
/* Do arrivals and errors depend on nothing but the weight? Then tables and exact sums apply. */
bool model_is_stationary(const struct whatif_model *m);
/* Requests per second to the service, without bursts. */
double model_rate(const struct whatif_model *m, ms_t at_ms);
/* Share of the canary's requests that fail. `served_ms`: since it first got traffic. */
double model_errors(const struct whatif_model *m, int32_t weight, ms_t served_ms);
/* Share of requests that take at most `bound_ms`. */
double model_latency_cdf(const struct whatif_model *m, double bound_ms);
/*
 * Prometheus' histogram_quantile over `count` buckets (not cumulated), the last without bound:
 * linear within the bucket that holds the rank. `total` > 0. Source: promql/quantile.go.
 */
double model_histogram_quantile(double q, const uint64_t *buckets, const double *bounds,
                                uint32_t count);
/*
 * Users exposed after being subject to weight w while making n requests, as a share of all: 1 minus
 * the chance to have been spared. Sticky on both sides: w.
 */
double model_users_spared(double weight, double requests);

#endif
