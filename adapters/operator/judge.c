/*
 * What judges are fed with: counts of both sides for tests of counts, samples of both sides for
 * tests that compare them (docs/whatif/judges.md). The simulator gives its judges the same
 * (sim/world.c). What cannot be had fails the check: a judge without food would pass for ever.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/metrics/template.h"
#include "adapters/operator/internal.h"

#define SAMPLES_MAX 64

static const char *const side_names[] = {"canary", "primary"};

/* The words of a query for one side: {{ target }} is its workload, {{ variables.side }} its name.
 */
static void side_model(struct tick *t, const struct measure *m, bool primary,
                       struct metric_model *ret)
{
    struct metric_variable *variables =
        arena_alloc(t->arena, (m->model.variable_count + 1) * sizeof(*variables));

    *ret = m->model;
    if (primary)
        ret->target = arena_printf(t->arena, "%s-primary", m->model.target);
    if (!variables)
        return;
    for (size_t i = 0; i < m->model.variable_count; i++)
        variables[i] = m->model.variables[i];
    variables[m->model.variable_count] = (struct metric_variable){"side", side_names[primary]};
    ret->variables = variables;
    ret->variable_count = m->model.variable_count + 1;
}

static bool refuse(struct tick *t, struct answer *answer, const char *what, const char *why)
{
    strbuf_clear(&t->text);
    strbuf_addf(&t->text, "%s: %s", what, why ? why : "out of memory");
    answer->outcome = OUTCOME_FAILED;
    answer->cause = CAUSE_QUERY;
    return false;
}

/* ---- counts ------------------------------------------------------------------------------------
 */

/* One number of one side, rounded: an increase is extrapolated. No values are none of them. */
static bool ask_count(struct tick *t, const struct measure *m, const char *query, uint64_t *ret,
                      const char **reterr)
{
    struct metric_answer got;

    metric_provider_query(m->provider, t->op->o.web, t->op->o.clock, query, t->arena, &got);
    *ret = 0;
    if (got.outcome == ANSWER_NONE)
        return true;
    if (got.outcome != ANSWER_VALUE) {
        *reterr = got.text;
        return false;
    }
    if (got.value >= 0.5 && got.value < 1e18)
        *ret = (uint64_t)(got.value + 0.5);
    return true;
}

static const char *count_query(struct tick *t, const struct measure *m, const char *given,
                               enum builtin_part part, bool primary, const char **reterr)
{
    const char *query = NULL;
    struct metric_model model;

    side_model(t, m, primary, &model);
    if (given)
        return measure_render(t, given, &model, reterr);
    if (!m->builtin)
        *reterr = "no query for it follows from the metric"; /* the decoder refuses this */
    else
        builtin_render_part(m->builtin, part, primary, &m->model, t->arena, &query, reterr);
    return query;
}

/* A query that says the same of both sides would compare the canary with itself. */
static bool sides_differ(struct tick *t, const struct measure *m, const char *given,
                         const char **reterr)
{
    const char *a, *b;

    if (!given)
        return true;
    a = count_query(t, m, given, BUILTIN_REQUESTS, false, reterr);
    b = count_query(t, m, given, BUILTIN_REQUESTS, true, reterr);
    if (a && b && strcmp(a, b) == 0)
        *reterr = "it is the same for canary and primary: name {{ target }} or "
                  "{{ variables.side }} in it";
    return a && b && strcmp(a, b) != 0;
}

static bool feed_side(struct tick *t, const struct measure *m, bool primary, bool errors,
                      struct answer *answer)
{
    const struct metric_spec *s = m->spec;
    const char *why = "", *query;
    uint64_t requests, other = 0;

    query = count_query(t, m, s->judge_requests, BUILTIN_REQUESTS, primary, &why);
    if (!query || !ask_count(t, m, query, &requests, &why))
        return refuse(t, answer, "counting requests for the judge", why);
    if (errors) {
        query = count_query(t, m, s->judge_errors, BUILTIN_SUCCEEDED, primary, &why);
        if (!query || !ask_count(t, m, query, &other, &why))
            return refuse(t, answer, "counting errors for the judge", why);
        if (!s->judge_errors)
            other = requests > other ? requests - other : 0;
    }
    *(primary ? &answer->primary_requests : &answer->canary_requests) = requests;
    *(primary ? &answer->primary_errors : &answer->canary_errors) = other;
    return true;
}

static bool feed_counts(struct tick *t, const struct measure *m, bool both, struct answer *answer)
{
    const char *why = "";

    if (both && !sides_differ(t, m, m->spec->judge_requests, &why))
        return refuse(t, answer, "annotation judge-requests", why);
    if (both && !sides_differ(t, m, m->spec->judge_errors, &why))
        return refuse(t, answer, "annotation judge-errors", why);
    return feed_side(t, m, false, both, answer) && (!both || feed_side(t, m, true, true, answer));
}

/* ---- samples -----------------------------------------------------------------------------------
 */

static const char *value_query(struct tick *t, const struct measure *m, bool primary,
                               const char **reterr)
{
    const char *given = primary ? m->spec->judge_primary : NULL, *query = NULL;
    struct metric_model model;

    side_model(t, m, primary, &model);
    if (given || !m->builtin)
        return measure_render(t, given ? given : m->query, &model, reterr);
    builtin_render_part(m->builtin, m->duration ? BUILTIN_DURATION : BUILTIN_RATE, primary,
                        &m->model, t->arena, &query, reterr);
    return query;
}

/*
 * A value for each window since the analysis began: so many as the judge has looked before, and
 * windows that do not overlap, since values that share requests are not independent.
 */
static void choose_range(const struct tick *t, const struct measure *m, struct metric_range *ret)
{
    const struct clock *clock = t->op->o.clock;
    int64_t window = metric_window_ms(m->spec), back = 0;

    window = window > 0 ? window : METRIC_WINDOW_DEFAULT_MS;
    if (m->index < JUDGED_METRICS_MAX)
        back = t->job->rollout->judges[m->index].looks * t->spec->analysis.interval_ms / window;
    back = back < SAMPLES_MAX ? back : SAMPLES_MAX - 1;
    ret->end_ms = clock->wall_ms(clock->self);
    ret->start_ms = ret->end_ms - back * window;
    ret->step_ms = window;
}

static bool feed_samples(struct tick *t, const struct measure *m, struct answer *answer)
{
    const char *queries[2], *why = "";
    struct metric_values values[2];
    struct metric_range range;

    if (!metric_provider_has_ranges(m->provider))
        return refuse(t, answer, "samples for the judge",
                      "this metric provider answers no range queries; only prometheus does");
    choose_range(t, m, &range);
    for (int side = 0; side < 2; side++) {
        queries[side] = value_query(t, m, side == 1, &why);
        if (!queries[side])
            return refuse(t, answer, "samples for the judge", why);
    }
    if (strcmp(queries[0], queries[1]) == 0)
        return refuse(t, answer, "samples for the judge",
                      "the query is the same for canary and primary: name {{ target }} in it, or "
                      "give the annotation judge-primary");
    for (int side = 0; side < 2; side++) {
        metric_provider_range(m->provider, t->op->o.web, queries[side], &range, t->arena,
                              &values[side]);
        if (values[side].error)
            return refuse(t, answer, "samples for the judge", values[side].error);
    }
    answer->canary_samples = values[0].values;
    answer->canary_sample_count = values[0].count;
    answer->primary_samples = values[1].values;
    answer->primary_sample_count = values[1].count;
    return true;
}

void judge_feed(struct tick *t, const struct measure *m, struct answer *answer)
{
    unsigned food = judge_food(&m->spec->judge);

    if (answer->outcome != OUTCOME_OK || food == 0)
        return;
    if ((food & (FOOD_REQUESTS | FOOD_COUNTS)) != 0 &&
        !feed_counts(t, m, (food & FOOD_COUNTS) != 0, answer))
        return;
    if ((food & FOOD_SAMPLES) != 0)
        feed_samples(t, m, answer);
}
