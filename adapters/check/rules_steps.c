/* Weights, steps, iterations, mirroring: CM010, CM014, CM10x and CM11x. */
#include <string.h>

#include "adapters/check/internal.h"

static int64_t step_at(const struct canary_view *v, size_t i)
{
    return check_int(v->step_weights->u.list.items[i], 0);
}

static bool has_steps(const struct canary_view *v)
{
    return v->step_weights && v->step_weights->u.list.count > 0;
}

/* ---- shape: one strategy, complete
 * ------------------------------------------------------------------ */

static void strategy(struct check *c, const struct canary_view *v)
{
    bool step = v->step_weight != NULL, steps = v->step_weights != NULL,
         iterations = v->iterations != NULL;

    if (iterations && (step || steps))
        check_find(c, CM104, step ? v->step_weight : v->step_weights,
                   step ? ".spec.analysis.stepWeight" : ".spec.analysis.stepWeights",
                   "keep iterations for A/B and blue/green, or the steps for a canary",
                   "%s and iterations exclude each other", step ? "stepWeight" : "stepWeights");
    if (step && steps)
        check_find(c, CM105, v->step_weights, ".spec.analysis.stepWeights", "keep one of them",
                   "stepWeight and stepWeights exclude each other; the step would come from one "
                   "and the limit from the other");
    if (!step && !steps && !iterations)
        check_find(c, CM106, v->analysis, ".spec.analysis",
                   "add stepWeight or stepWeights for a canary, iterations for A/B or blue/green",
                   "there is neither stepWeight, stepWeights nor iterations");
    if (v->interval == NULL)
        check_find(c, CM004, v->analysis, ".spec.analysis.interval", "such as interval: 1m",
                   "'interval' is missing");
    if (v->threshold == NULL)
        check_find(c, CM004, v->analysis, ".spec.analysis.threshold", "such as threshold: 5",
                   "'threshold' is missing");
}

/* ---- numbers
 * ---------------------------------------------------------------------------------------- */

/* "10, 20, 30" and what the engine saw; the proof that follows a claim. */
static const char *proof(struct check *c, const struct ladder *l)
{
    const char *steps = ladder_text(c, l, 12);

    switch ((enum ladder_end)l->end) {
    case LADDER_PROMOTED:
        return check_text(c, "the engine runs these weights: %s %%, then promotes", steps);
    case LADDER_UNTESTED:
        return "remove it; run by the engine, the new version is promoted at once: no traffic, no "
               "check";
    case LADDER_STUCK:
        break;
    }
    if (l->count == 0)
        return "send traffic from the first step on; run with every check passing, the engine "
               "never leaves weight 0";
    return check_text(c,
                      "the weights must grow and may not pass 100; run with every check passing, "
                      "the engine goes %s %% and stays there for ever",
                      steps);
}

#define WHY (v->ladder ? proof(c, v->ladder) : NULL)

static bool claimed(const struct canary_view *v)
{
    return v->ladder && v->ladder->end != LADDER_PROMOTED;
}

static void single_step(struct check *c, const struct canary_view *v)
{
    int64_t step = check_int(v->step_weight, 0), max = check_int(v->max_weight, 0);
    int64_t limit = max > 0 ? max : 100;

    if (v->step_weight == NULL || has_steps(v))
        return;
    if (step > 100)
        check_find(c, CM101, v->step_weight, ".spec.analysis.stepWeight", "weights are percentages",
                   "%lld is more than 100", (long long)step);
    if (step <= 0 && v->iterations == NULL)
        check_find(c, CM109, v->step_weight, ".spec.analysis.stepWeight", WHY,
                   "a step of %lld moves no traffic", (long long)step);
    if (max > 100)
        check_find(c, CM102, v->max_weight, ".spec.analysis.maxWeight", WHY,
                   "%lld is more than 100 and never reached", (long long)max);
    else if (step > limit && step <= 100)
        check_find(c, CM103, v->step_weight, ".spec.analysis.stepWeight",
                   "make maxWeight a multiple of stepWeight",
                   "the first step of %lld is already above maxWeight %lld", (long long)step,
                   (long long)limit);
    else if (step > 0 && step < limit && limit % step != 0 && limit < 100)
        check_find(c, CM107, v->max_weight ? v->max_weight : v->step_weight,
                   v->max_weight ? ".spec.analysis.maxWeight" : ".spec.analysis.stepWeight", WHY,
                   "steps of %lld do not end at %lld but overshoot it", (long long)step,
                   (long long)limit);
}

#define STEP_PATH check_text(c, ".spec.analysis.stepWeights[%zu]", i)

static void step_list(struct check *c, const struct canary_view *v)
{
    size_t count = v->step_weights ? v->step_weights->u.list.count : 0;

    if (v->step_weights && count == 0 && check_int(v->step_weight, 0) <= 0)
        check_find(c, CM109, v->step_weights, ".spec.analysis.stepWeights", WHY,
                   "an empty list has no step");
    if (count == 0 || check_int(v->step_weight, 0) > 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct node *item = v->step_weights->u.list.items[i];
        int64_t weight = step_at(v, i);

        if (weight <= 0)
            check_find(c, CM109, item, STEP_PATH, WHY, "a weight of %lld %s", (long long)weight,
                       i + 1 == count
                           ? "ends the list: the rollout is promoted without having been tested"
                       : i == 0 ? "comes first: the rollout never gets traffic"
                                : "is a step backwards");
        else if (i > 0 && weight <= step_at(v, i - 1))
            check_find(c, CM108, item, STEP_PATH, WHY,
                       "%lld does not come after %lld: weights must grow", (long long)weight,
                       (long long)step_at(v, i - 1));
        else if (weight > 100)
            check_find(c, CM110, item, STEP_PATH, "write 100",
                       "%lld is more than 100 and counts as 100", (long long)weight);
    }
}

static void promotion_step(struct check *c, const struct canary_view *v)
{
    int64_t step = check_int(v->step_weight_promotion, 0);

    if (v->step_weight_promotion && (step < 0 || step > 100))
        check_find(c, CM114, v->step_weight_promotion, ".spec.analysis.stepWeightPromotion",
                   "use 1 to 100, or leave it out to move all traffic at once",
                   step < 0 ? "%lld moves traffic the wrong way" : "%lld is more than 100",
                   (long long)step);
}

static void idle_settings(struct check *c, const struct canary_view *v)
{
    int64_t mirror = check_int(v->mirror_weight, 0);

    if (v->max_weight && (has_steps(v) || v->iterations) && v->step_weight == NULL)
        check_find(c, CM116, v->max_weight, ".spec.analysis.maxWeight", "remove it",
                   has_steps(v) ? "the last of stepWeights is the limit; maxWeight is ignored"
                                : "iterations move all traffic; maxWeight is ignored");
    if (v->mirror_weight == NULL)
        return;
    if (!check_bool(v->mirror))
        check_find(c, CM117, v->mirror_weight, ".spec.analysis.mirrorWeight",
                   "set mirror: true, or remove it", "mirrorWeight counts only with mirror: true");
    else if (v->features && !v->features->mirror_weight)
        check_find(c, CM117, v->mirror_weight, ".spec.analysis.mirrorWeight", "remove it",
                   "provider %s mirrors everything, whatever the weight", v->provider);
    else if (mirror < 0 || mirror > 100)
        check_find(c, CM117, v->mirror_weight, ".spec.analysis.mirrorWeight", "use 1 to 100",
                   "%lld is no percentage", (long long)mirror);
}

static void ready_thresholds(struct check *c, const struct canary_view *v)
{
    static const char *const names[] = {"primaryReadyThreshold", "canaryReadyThreshold"};

    for (size_t i = 0; i < 2; i++) {
        const struct node *n = node_get(v->analysis, names[i]);
        int64_t value = check_int(n, 100);

        if (value < 0 || value > 100)
            check_find(c, CM118, n, check_text(c, ".spec.analysis.%s", names[i]),
                       "use a percentage, 0 to 100",
                       value > 100 ? "%lld %% of the pods can never be available"
                                   : "%lld is no percentage",
                       (long long)value);
        else if (value == 0)
            check_find(c, CM118, n, check_text(c, ".spec.analysis.%s", names[i]), "use 1 to 100",
                       "with 0 a version without a single ready pod counts as ready");
    }
}

static void mirroring(struct check *c, const struct canary_view *v)
{
    bool stuck = claimed(v) && v->ladder->end == LADDER_STUCK && v->ladder->count == 0;

    if (!check_bool(v->mirror) || v->features == NULL)
        return;
    if (v->features->mirror == MIRROR_NONE ||
        (v->features->mirror == MIRROR_ITERATIONS_ONLY && !v->iterations))
        check_find_as(c, stuck ? SEVERITY_ERROR : SEVERITY_WARNING, CM112, v->mirror,
                      ".spec.analysis.mirror", stuck ? proof(c, v->ladder) : "remove it",
                      v->features->mirror == MIRROR_NONE
                          ? "provider %s cannot mirror traffic"
                          : "provider %s mirrors only with iterations",
                      v->provider);
    else if (stuck && v->affinity)
        check_find(c, CM112, v->mirror, ".spec.analysis.mirror", proof(c, v->ladder),
                   "mirroring does not work together with sessionAffinity");
}

/* Whatever the rules above did not name: the engine has the last word. */
static void never_ends(struct check *c, const struct canary_view *v)
{
    bool named = check_int(v->max_weight, 0) > 100 || check_bool(v->mirror) ||
                 (v->step_weight && check_int(v->step_weight, 0) <= 0) || v->step_weights;

    if (claimed(v) && !named && (v->step_weight || v->iterations))
        check_find(c, CM111, v->analysis, ".spec.analysis", proof(c, v->ladder),
                   "this rollout never ends");
}

static void live_weight(struct check *c, const struct canary_view *v)
{
    const struct node *status = node_get(v->root, "status"),
                      *weight = node_get(status, "canaryWeight");
    int64_t now = check_int(weight, 0);

    if (!has_steps(v) || !node_is(node_get(status, "phase"), "Progressing") || now == 0)
        return;
    for (size_t i = 0; i < v->step_weights->u.list.count; i++)
        if (step_at(v, i) == now)
            return;
    check_find(
        c, CM113, weight, ".status.canaryWeight", "let the rollout end before the list is edited",
        "the live weight %lld is not in stepWeights: the next step jumps to 100", (long long)now);
}

void rules_steps(struct check *c, const struct canary_view *v)
{
    if (v->analysis == NULL)
        return;
    strategy(c, v);
    single_step(c, v);
    step_list(c, v);
    promotion_step(c, v);
    idle_settings(c, v);
    ready_thresholds(c, v);
    mirroring(c, v);
    never_ends(c, v);
    live_weight(c, v);
}

/* ---- deprecated, and what Flagger's own CRD says
 * ------------------------------------------------------ */

/* Flagger's CRD wants digits and then m or s at the start, nothing more. */
static bool flagger_pattern(const char *s)
{
    const char *at = s;

    while (*at >= '0' && *at <= '9')
        at++;
    return at > s && (*at == 'm' || *at == 's');
}

static void flagger_refuses(struct check *c, const struct node *n, const char *path)
{
    int64_t ms;

    if (n && n->kind == NODE_STRING && check_duration(n, &ms) && !flagger_pattern(n->text))
        check_find(c, CM010, n, path,
                   "write it in minutes or seconds, such as 60m, if Flagger is to run it too",
                   "Flagger's CRD refuses '%.40s'", n->text);
}

void rules_deprecated(struct check *c, const struct canary_view *v)
{
    if (v->analysis_alias) {
        const struct member *m = node_member(v->spec, "canaryAnalysis");

        check_find_member(c, CM014, m, ".spec.canaryAnalysis", "rename it to analysis",
                          "canaryAnalysis is the name of old versions; Flagger 1.44 drops it");
    }
    flagger_refuses(c, v->interval, ".spec.analysis.interval");
    for (size_t i = 0; v->metrics && i < v->metrics->u.list.count; i++) {
        const struct node *m = v->metrics->u.list.items[i];
        const struct member *threshold = node_member(m, "threshold"),
                            *query = node_member(m, "query");
        const struct node *interval = node_get(m, "interval");

        if (interval && interval->kind == NODE_STRING && !flagger_pattern(interval->text))
            flagger_refuses(c, interval, check_text(c, ".spec.analysis.metrics[%zu].interval", i));
        if (threshold)
            check_find_member(c, CM014, threshold,
                              check_text(c, ".spec.analysis.metrics[%zu].threshold", i),
                              node_is(node_get(m, "name"), "request-success-rate")
                                  ? "use thresholdRange with min"
                                  : "use thresholdRange with max",
                              node_is(node_get(m, "name"), "request-success-rate")
                                  ? "threshold is deprecated; for this metric it is a minimum"
                                  : "threshold is deprecated; for this metric it is a maximum");
        if (query)
            check_find_member(c, CM014, query,
                              check_text(c, ".spec.analysis.metrics[%zu].query", i),
                              "move it to a MetricTemplate and refer to it with templateRef",
                              "an inline query is deprecated");
    }
    for (size_t i = 0; v->webhooks && i < v->webhooks->u.list.count; i++) {
        const struct node *timeout = node_get(v->webhooks->u.list.items[i], "timeout");

        if (timeout && timeout->kind == NODE_STRING && !flagger_pattern(timeout->text))
            flagger_refuses(c, timeout, check_text(c, ".spec.analysis.webhooks[%zu].timeout", i));
    }
    if (node_at(v->service, "trafficPolicy", "outlierDetection", "consecutiveErrors", NULL))
        check_find(
            c, CM014,
            node_at(v->service, "trafficPolicy", "outlierDetection", "consecutiveErrors", NULL),
            ".spec.service.trafficPolicy.outlierDetection.consecutiveErrors",
            "use consecutive5xxErrors", "Istio has removed consecutiveErrors");
}
