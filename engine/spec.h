/*
 * engine/spec.h — a Canary as the engine reads it: typed, checked, defaults already applied,
 * immutable.
 *
 * Made by adapters/manifest from a Canary object; shared by pointer between any number of rollouts.
 * All pointers belong to the maker and outlive the spec. Source: flagger.app/v1beta1 Canary; the
 * defaults and clamps of docs/engine/semantics.md §2 are the maker's duty where a comment here says
 * "effective".
 */
#ifndef COALMINE_ENGINE_SPEC_H
#define COALMINE_ENGINE_SPEC_H

#include "engine/deviation.h"
#include "engine/units.h"

enum target_kind { TARGET_DEPLOYMENT, TARGET_DAEMONSET, TARGET_SERVICE, TARGET_KNATIVE };
enum strategy { STRATEGY_CANARY, STRATEGY_AB, STRATEGY_BLUE_GREEN };

enum hook_type {
    HOOK_ROLLOUT, /* also the empty type */
    HOOK_CONFIRM_ROLLOUT,
    HOOK_PRE_ROLLOUT,
    HOOK_CONFIRM_TRAFFIC_INCREASE,
    HOOK_CONFIRM_PROMOTION,
    HOOK_POST_ROLLOUT,
    HOOK_ROLLBACK,
    HOOK_EVENT,
    HOOK_TYPE_COUNT
};
const char *hook_type_name(enum hook_type type);

struct pair {
    const char *name, *value;
};

struct hook_spec {
    const char *name;
    const char *url;
    enum hook_type type;
    const char *timeout; /* as written, "" when absent */
    int32_t retries;     /* as written; <= 0 is a single attempt */
    bool mute_alert;
    bool disable_tls;
    const struct pair *metadata; /* sorted by name */
    uint32_t metadata_count;
};

struct threshold_range {
    bool has_min, has_max;
    double min, max;
};

/* How a metric is judged beyond its bounds (annotations coalmine.dev/judge…). JUDGE_THRESHOLD =
 * Flagger's rule. */
enum judge_kind {
    JUDGE_THRESHOLD,
    JUDGE_CONSECUTIVE,
    JUDGE_K_OF_N,
    JUDGE_ANYTIME,
    JUDGE_MANN_WHITNEY
};
struct judge_spec {
    enum judge_kind kind;
    uint32_t k, n;        /* CONSECUTIVE: k in a row fail; K_OF_N: k of the last n (n <= 64) */
    uint64_t min_samples; /* requests of the canary needed for a verdict; 0 = none; fewer: wait */
    double alpha;         /* ANYTIME, MANN_WHITNEY: false alarm probability */
    double kappa;         /* ANYTIME: prior weight, 10 */
    double tolerance;     /* MANN_WHITNEY: allowed relative shift */
    double critical;      /* MANN_WHITNEY: the normal quantile of 1 - alpha */
    bool low_is_bad;      /* MANN_WHITNEY: of a metric that falls when things get worse */
};

struct metric_spec {
    const char *name;
    const char *query;              /* inline query or NULL */
    const char *template_name;      /* templateRef.name or NULL */
    const char *template_namespace; /* effective */
    const char *interval; /* window as text, effective ("1m" for builtin and inline; "" or "1m" for
                             templates) */
    bool has_range;       /* thresholdRange present */
    struct threshold_range range;
    double threshold;             /* the deprecated single threshold, 0 when absent */
    const struct pair *variables; /* templateVariables, sorted by name */
    uint32_t variable_count;
    struct judge_spec judge;
    /* Queries that feed it, NULL = those that follow from the metric: requests and errors of a
     * side in the window, and the primary's value. */
    const char *judge_requests, *judge_errors, *judge_primary;
    uint8_t
        checks; /* metric_checks_of() of this metric, or 0: it is then worked out at each look */
};

enum alert_severity { ALERT_INFO, ALERT_WARN, ALERT_ERROR };
struct alert_spec {
    const char *name;
    const char *provider_name, *provider_namespace; /* effective namespace */
    bool has_severity; /* absent: never sent by Flagger, info in the default profile */
    enum alert_severity severity;
};

struct analysis_spec {
    bool present;        /* spec.analysis, or the alias where it counts */
    ms_t interval_ms;    /* effective: 60 s default, at least 10 s */
    int32_t threshold;   /* effective: at least 1 */
    int32_t max_weight;  /* as written, 0 when absent */
    int32_t step_weight; /* as written, 0 when absent */
    const int32_t *step_weights;
    uint32_t step_weight_count;
    int32_t step_weight_promotion;
    int32_t iterations;
    bool mirror;
    int32_t mirror_weight;
    int32_t primary_ready_threshold, canary_ready_threshold; /* effective: 100 */
    uint32_t match_count;
    const struct metric_spec *metrics;
    uint32_t metric_count;
    const struct hook_spec *hooks;
    uint32_t hook_count;
    const struct alert_spec *alerts;
    uint32_t alert_count;
    bool has_session_affinity;
};

struct spec {
    const char *name, *ns;
    const char *target_name;
    const char *target_kind_name; /* spec.targetRef.kind as written: it is printed */
    enum target_kind target_kind;
    const char *provider; /* effective: spec.provider or the process default */
    const char
        *metrics_provider; /* label printed in "no values found" (docs/engine/semantics.md §7.2) */
    const char *
        metrics_server; /* spec.metricsServer or NULL: a client of its own is built for each pass */
    const char *cluster_name; /* of the process, NULL or "" = none */
    bool provider_is_kubernetes, provider_is_appmesh /* prefix */, provider_is_knative;
    bool skip_analysis; /* effective: also when there is no analysis */
    bool suspend;
    bool revert_on_deletion;
    bool has_autoscaler; /* an autoscalerRef of kind HorizontalPodAutoscaler or ScaledObject */
    bool tracks_configs; /* Deployment or DaemonSet with config tracking on */
    int32_t progress_deadline_s;
    struct analysis_spec analysis;
    deviations_t deviations;
};

static inline bool spec_deviates(const struct spec *s, enum deviation d)
{
    return (s->deviations >> d & 1) != 0;
}

/* Strategy selection: match and iterations > 0 → A/B; iterations > 0 → blue/green; else canary. */
enum strategy spec_strategy(const struct spec *s);
const char *strategy_name(enum strategy s); /* "canary", "ab-testing", "blue-green" */

int32_t spec_last_listed_weight(const struct spec *s); /* of stepWeights */
/* The weight at which promotion starts. */
static inline int32_t spec_max_weight(const struct spec *s)
{
    const struct analysis_spec *a = &s->analysis;

    if (a->step_weight_count > 0)
        return spec_last_listed_weight(s);
    if (a->max_weight <= 0 ||
        (a->max_weight > WEIGHT_TOTAL && spec_deviates(s, DEV_CLAMP_MAX_WEIGHT)))
        return WEIGHT_TOTAL;
    return a->max_weight;
}
int32_t spec_next_listed_step(const struct spec *s, int32_t weight); /* of stepWeights */
/* By how much the canary weight grows from `weight`; <= 0: no step. */
static inline int32_t spec_next_step(const struct spec *s, int32_t weight)
{
    const struct analysis_spec *a = &s->analysis;

    if (a->step_weight > 0 || a->step_weight_count == 0)
        return a->step_weight;
    return spec_next_listed_step(s, weight);
}
/* Is an alert of this severity sent to the n-th entry of analysis.alerts? */
bool spec_alert_wanted(const struct spec *s, uint32_t alert_index, enum alert_severity severity);
/* Which checks a metric takes part in: bit n for the n-th of enum metric_ask (engine/engine.h). */
#define METRIC_CHECKS 0x0fu
#define METRIC_CHECKS_KNOWN 0x80u
/* What a judge must be given besides the metric's value. */
enum judge_food {
    FOOD_REQUESTS = 1 << 0, /* of the canary */
    FOOD_COUNTS = 1 << 1,   /* requests and errors of both sides */
    FOOD_SAMPLES = 1 << 2,  /* the metric of both sides, one value for each window */
};
unsigned judge_food(const struct judge_spec *j);
uint8_t metric_checks_of(const struct metric_spec *m);
static inline unsigned metric_checks(const struct metric_spec *m)
{
    return m->checks ? m->checks : metric_checks_of(m);
}
/* Its window, 0 when it has none that can be read; it is then taken as a minute. */
#define METRIC_WINDOW_DEFAULT_MS 60000
ms_t metric_window_ms(const struct metric_spec *m);
/* A metric named like a built-in check. */
bool metric_is_success_rate(const struct metric_spec *m);
bool metric_is_duration(const struct metric_spec *m);

/*
 * The bounds that a metric is held to, as the engine compares them: thresholdRange, or the
 * deprecated threshold; those of the built-in duration cut to whole milliseconds.
 */
void metric_bounds(const struct metric_spec *m, struct threshold_range *ret_bounds);

#endif
