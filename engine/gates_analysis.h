/*
 * engine/gates_analysis.h — threshold, hooks, metrics, and the step of each strategy: gates G22 and
 * G25 to G29. Part of engine/engine.c.
 */
#ifndef COALMINE_ENGINE_GATES_ANALYSIS_H
#define COALMINE_ENGINE_GATES_ANALYSIS_H

#include "engine/tick.h"
#include "engine/judge.h"
#include "engine/num.h"

/* ---- G22: rollback hooks ---- */

static flow_t gate_rollback_hooks_enter(struct tick *t)
{
    return next_hook(t, HOOK_ROLLBACK, (enum phase)t->r->status.phase);
}

/* ---- G25 to G27: threshold, start of the analysis, checks ---- */

static flow_t gate_threshold_enter(struct tick *t)
{
    return t->r->status.failed_checks >= t->s->analysis.threshold ? G_ROLLBACK : NEXT;
}

static flow_t gate_promote_now_enter(struct tick *t)
{
    if (t->r->command != COMMAND_PROMOTE)
        return NEXT;
    t->r->command = COMMAND_NONE;
    event(t, EVENT_PROMOTED_NOW);
    return G_PROMOTE;
}

static bool mirror_done(const struct tick *t)
{
    if (!t->s->analysis.mirror)
        return false;
    return t->r->mirrored || (deviates(t, DEV_MIRROR_ONCE) && remembers(t, MEMORY_MIRROR_TRIED));
}

static bool no_steps(const struct tick *t)
{
    return deviates(t, DEV_REFUSE_NO_STEPS) && t->s->analysis.iterations <= 0 &&
           !t->s->provider_is_kubernetes && spec_next_step(t->s, 0) <= 0;
}

static flow_t gate_analysis_begin_enter(struct tick *t)
{
    struct rollout *r = t->r;

    r->observed = true;
    r->cursor = 0;
    if (r->canary != 0 || r->status.iterations != 0 || mirror_done(t))
        return G_ROLLOUT_HOOKS;
    if (no_steps(t)) {
        event(t, EVENT_NO_STEPS);
        return END;
    }
    event(t, EVENT_START);
    return NEXT;
}

static flow_t gate_pre_rollout_enter(struct tick *t)
{
    flow_t flow = next_hook(t, HOOK_PRE_ROLLOUT, PHASE_PROGRESSING);

    return flow == NEXT ? G_DISPATCH : flow;
}

static flow_t check_hook_failed(struct tick *t, enum event_id id, const struct answer *a)
{
    struct note *n = event(t, id);

    n->index = (uint16_t)t->r->cursor;
    add_text(n, a);
    return G_CHECK_FAILED_SAVE;
}

static flow_t gate_pre_rollout_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return hook_passed(t, EVENT_PRE_OK);
    return check_hook_failed(t, EVENT_PRE_FAIL, a);
}

static flow_t gate_rollout_hooks_enter(struct tick *t)
{
    flow_t flow = next_hook(t, HOOK_ROLLOUT, PHASE_PROGRESSING);

    if (flow == NEXT)
        t->r->cursor = 0;
    return flow;
}

static flow_t gate_rollout_hooks_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return check_hook_failed(t, EVENT_RO_FAIL, a);
    t->r->cursor++;
    return AGAIN;
}

static flow_t gate_metrics_open_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return NEXT;
    add_text(event(t, a->cause == CAUSE_KNATIVE ? EVENT_M_KNATIVE : EVENT_M_CLIENT), a);
    return G_CHECK_FAILED_SAVE;
}

/* One thing asked of one metric. */
struct check {
    uint32_t index;
    enum metric_ask what;
};

static flow_t ask_metric(struct tick *t, struct check c)
{
    struct ask *q = ask(t, ASK_METRIC);

    q->index = (uint16_t)c.index;
    q->metric = (uint8_t)c.what;
    return ASKED;
}

/* The first pass asks up to three things of each metric: cursor = metric * 4 + which. */
#define FIRST_PASS (1u << METRIC_RATE | 1u << METRIC_DURATION | 1u << METRIC_INLINE)

static struct check first_pass_check(const struct tick *t)
{
    return (struct check){t->r->cursor / 4, (enum metric_ask)(t->r->cursor % 4)};
}

static flow_t gate_builtin_metrics_enter(struct tick *t)
{
    const struct analysis_spec *an = &t->s->analysis;
    struct check c = first_pass_check(t);

    for (; c.index < an->metric_count; c = (struct check){c.index + 1, 0}) {
        unsigned left = (metric_checks(&an->metrics[c.index]) & FIRST_PASS) >> c.what;
        if (left == 0)
            continue;
        for (; (left & 1) == 0; left >>= 1)
            c.what++;
        t->r->cursor = c.index * 4 + c.what;
        return ask_metric(t, c);
    }
    t->r->cursor = 0;
    return NEXT;
}

static flow_t gate_template_metrics_enter(struct tick *t)
{
    const struct analysis_spec *an = &t->s->analysis;
    struct rollout *r = t->r;

    for (; r->cursor < an->metric_count; r->cursor++) {
        unsigned checks = metric_checks(&an->metrics[r->cursor]);
        if (checks >> METRIC_TEMPLATE & 1)
            return ask_metric(t, (struct check){r->cursor, METRIC_TEMPLATE});
        if ((checks & METRIC_CHECKS) == 0) {
            event(t, EVENT_M_NOTHING)->index = (uint16_t)r->cursor;
            return G_CHECK_FAILED_SAVE;
        }
    }
    return NEXT;
}

static struct note *metric_event(struct tick *t, enum event_id id, struct check c,
                                 const struct answer *a)
{
    struct note *n = event(t, id);

    n->index = (uint16_t)c.index;
    n->detail = (uint8_t)c.what;
    add_text(n, a);
    return n;
}

static enum event_id no_value_event(enum metric_ask what)
{
    static const uint8_t ids[] = {EVENT_M_RATE_NONE, EVENT_M_DUR_NONE, EVENT_M_INL_NONE,
                                  EVENT_M_TPL_NONE};

    return (enum event_id)ids[what];
}

static enum event_id error_event(enum metric_ask what, unsigned cause)
{
    if (what == METRIC_TEMPLATE) {
        static const uint8_t ids[] = {
            [CAUSE_QUERY] = EVENT_M_TPL_ERR,
            [CAUSE_CLIENT] = EVENT_M_CLIENT,
            [CAUSE_TEMPLATE_GET] = EVENT_M_TPL_GET,
            [CAUSE_TEMPLATE_SECRET] = EVENT_M_TPL_SECRET,
            [CAUSE_TEMPLATE_PROVIDER] = EVENT_M_TPL_PROV,
            [CAUSE_TEMPLATE_RENDER] = EVENT_M_TPL_RENDER,
            [CAUSE_KNATIVE] = EVENT_M_KNATIVE,
        };
        return cause < sizeof ids ? (enum event_id)ids[cause] : EVENT_M_TPL_ERR;
    }
    return what == METRIC_INLINE ? EVENT_M_INL_ERR : EVENT_M_PROM_ERR;
}

/*
 * A double of milliseconds cut to whole ones, as Go on amd64 makes a Duration of it: what does not
 * fit an int64 becomes 0, and the product with a million wraps.
 */
static double whole_ms(double ms)
{
    uint64_t wrapped;
    int64_t ns;

    if (ms > -9e12 && ms < 9e12)
        return (double)(int64_t)ms;
    if (!(ms > -9.2e18 && ms < 9.2e18))
        return 0;
    wrapped = (uint64_t)(int64_t)ms * 1000000u;
    memcpy(&ns, &wrapped, sizeof ns);
    return (double)ns / 1e6;
}

void metric_bounds(const struct metric_spec *m, struct threshold_range *ret_bounds)
{
    unsigned checks = metric_checks(m);
    bool rate = checks & 1u << METRIC_RATE, duration = !rate && (checks & 1u << METRIC_DURATION);
    struct threshold_range b = m->range;

    if (!m->has_range) {
        b = (struct threshold_range){.has_min = rate, .has_max = !rate};
        b.min = b.max = m->threshold;
    }
    if (duration) {
        b.min = whole_ms(b.min);
        b.max = whole_ms(b.max);
    }
    *ret_bounds = b;
}

/* Which bound a value breaks: an event, or EVENT_COUNT for none; *ret_bound is the bound. */
static enum event_id broken_bound(const struct metric_spec *m, enum metric_ask what, double value,
                                  double *ret_bound)
{
    bool duration = what == METRIC_DURATION, rate = what == METRIC_RATE;
    /* The deprecated threshold: a minimum for the rate, a maximum elsewhere. */
    bool has_min = m->has_range ? m->range.has_min : rate;
    bool has_max = m->has_range ? m->range.has_max : !rate;

    if (has_min) {
        double min = m->has_range ? m->range.min : m->threshold;
        min = duration ? whole_ms(min) : min;
        if (value < min) {
            *ret_bound = min;
            return rate ? EVENT_M_RATE_LOW : duration ? EVENT_M_DUR_LOW : EVENT_M_VAL_LOW;
        }
    }
    if (has_max) {
        double max = m->has_range ? m->range.max : m->threshold;
        max = duration ? whole_ms(max) : max;
        if (value > max) {
            *ret_bound = max;
            return rate ? EVENT_M_RATE_HIGH : duration ? EVENT_M_DUR_HIGH : EVENT_M_VAL_HIGH;
        }
    }
    if (!m->has_range)
        *ret_bound = duration ? whole_ms(m->threshold) : m->threshold;
    return EVENT_COUNT;
}

static flow_t judge_value(struct tick *t, struct check c, const struct answer *a, double value)
{
    const struct metric_spec *m = &t->s->analysis.metrics[c.index];
    struct judge_state *state;
    double bound = 0;
    enum event_id broken = broken_bound(m, c.what, value, &bound);
    bool outside = broken != EVENT_COUNT, by_bound;
    struct note *n;

    if (m->judge.kind == JUDGE_THRESHOLD && m->judge.min_samples == 0 && !outside) {
        t->r->cursor++;
        return AGAIN;
    }
    state = c.index < JUDGED_METRICS_MAX ? &t->r->judges[c.index] : NULL;
    switch (judge_look(state, &m->judge, outside, a)) {
    case VERDICT_PASS:
        t->r->cursor++;
        return AGAIN;
    case VERDICT_WAIT:
        metric_event(t, EVENT_M_WAIT, c, a)->x = (double)a->canary_requests;
        return END;
    case VERDICT_FAIL:
        break;
    }
    by_bound = m->judge.kind != JUDGE_ANYTIME && m->judge.kind != JUDGE_MANN_WHITNEY;
    n = metric_event(t, outside && by_bound ? broken : EVENT_M_JUDGED, c, a);
    n->x = value;
    n->bound = bound;
    return G_CHECK_FAILED_SAVE;
}

/* As Go's Duration.Seconds: whole seconds and the rest are added as two floats. */
static double seconds(double ms)
{
    int64_t whole = (int64_t)ms / 1000;

    return (double)whole + (ms - (double)whole * 1000) * 1e6 / 1e9;
}

static flow_t metric_value(struct tick *t, struct check c, const struct answer *a)
{
    double value = a->value;
    struct note *n;

    if (!num_is_finite(value) && deviates(t, DEV_FINITE_VALUES)) {
        metric_event(t, EVENT_M_NOT_FINITE, c, a)->x = value;
        return G_CHECK_FAILED_SAVE;
    }
    if (c.what == METRIC_DURATION)
        value = whole_ms(value);
    n = add_note(t, NOTE_GAUGE, GAUGE_ANALYSIS);
    n->index = (uint16_t)c.index;
    n->x = c.what == METRIC_DURATION ? seconds(value) : value;
    return judge_value(t, c, a, value);
}

static flow_t metric_answered(struct tick *t, const struct answer *a, uint32_t index,
                              enum metric_ask what)
{
    struct check c = {index, what};

    if (a->outcome == OUTCOME_OK)
        return metric_value(t, c, a);
    if (a->outcome == OUTCOME_NO_VALUE)
        metric_event(t, no_value_event(c.what), c, a);
    else
        metric_event(t, error_event(c.what, a->cause), c, a);
    return G_CHECK_FAILED_SAVE;
}

static flow_t gate_builtin_metrics_answered(struct tick *t, const struct answer *a)
{
    struct check c = first_pass_check(t);

    return metric_answered(t, a, c.index, c.what);
}

static flow_t gate_template_metrics_answered(struct tick *t, const struct answer *a)
{
    return metric_answered(t, a, t->r->cursor, METRIC_TEMPLATE);
}

static flow_t gate_check_failed_save_enter(struct tick *t)
{
    start_save(t, SAVE_FAILED_CHECKS)->failed_checks = t->r->status.failed_checks + 1;
    return ASKED;
}

/* ---- G28, G29: the strategies ---- */

static void kubernetes_fallback(struct tick *t)
{
    if (t->s->analysis.match_count > 0) {
        event(t, EVENT_K8S_AB);
        t->r->match = false;
    }
    if (t->s->analysis.iterations < 1) {
        event(t, EVENT_K8S_PT);
        event(t, EVENT_K8S_IT);
        t->r->iterations = 10;
    }
}

static flow_t gate_dispatch_enter(struct tick *t)
{
    struct rollout *r = t->r;

    if (t->s->provider_is_kubernetes)
        kubernetes_fallback(t);
    r->cursor = 0;
    if (r->iterations > 0) {
        if (r->iterations <= r->status.iterations)
            return G_CONFIRM_PROMOTION;
        return r->match ? G_AB_ROUTES : G_BLUE_GREEN_MIRROR;
    }
    if (spec_next_step(t->s, r->canary) <= 0)
        return END;
    return r->mirrored || r->status.phase == PHASE_WAITING_PROMOTION ? G_CANARY_STEP
                                                                     : G_CONFIRM_TRAFFIC;
}

static flow_t gate_confirm_traffic_enter(struct tick *t)
{
    return next_hook(t, HOOK_CONFIRM_TRAFFIC_INCREASE, PHASE_PROGRESSING);
}

static flow_t gate_confirm_traffic_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return hook_passed(t, EVENT_CTI_OK);
    event_hook(t, EVENT_CTI_HALT, t->r->cursor);
    if (!hook_is_muted(t))
        alert(t, ALERT_CONFIRM_TRAFFIC);
    return END;
}

static flow_t gate_canary_step_enter(struct tick *t)
{
    struct rollout *r = t->r;
    int32_t step = spec_next_step(t->s, r->canary);

    if (r->canary >= spec_max_weight(t->s)) {
        r->cursor = 0;
        return G_CONFIRM_PROMOTION;
    }
    if (t->s->analysis.mirror && r->canary == 0) {
        if (!mirror_done(t)) {
            if (deviates(t, DEV_MIRROR_ONCE))
                remember(t, MEMORY_MIRROR_TRIED);
            return ask_routes(t, WEIGHT_TOTAL, 0, true);
        }
        return ask_routes(t, WEIGHT_TOTAL - step, step, false);
    }
    return ask_routes(t, r->primary - step > 0 ? r->primary - step : 0,
                      r->canary + step < WEIGHT_TOTAL ? r->canary + step : WEIGHT_TOTAL,
                      r->mirrored);
}

static flow_t gate_canary_step_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    if (deviates(t, DEV_TELL_FIRST))
        event(t, EVENT_ADV_W)->a = t->r->next_canary;
    return NEXT;
}

static flow_t gate_canary_save_enter(struct tick *t)
{
    return save_weight(t, t->r->next_canary);
}

static flow_t gate_canary_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, t->r->next_primary, t->r->next_canary);
    if (!deviates(t, DEV_TELL_FIRST))
        event(t, EVENT_ADV_W)->a = t->r->next_canary;
    return END;
}

static flow_t gate_ab_routes_enter(struct tick *t)
{
    return ask_routes(t, 0, WEIGHT_TOTAL, false);
}

static flow_t gate_ab_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, 0, WEIGHT_TOTAL);
    return G_ITERATION_SAVE;
}

static flow_t gate_blue_green_mirror_enter(struct tick *t)
{
    bool wanted = !t->s->provider_is_kubernetes && t->s->analysis.mirror && !t->r->mirrored;

    return wanted && primary_may_serve(t) ? ask_routes(t, WEIGHT_TOTAL, 0, true) : NEXT;
}

static flow_t gate_blue_green_mirror_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        raw(t, a); /* reported, and the iteration counts all the same */
    return NEXT;
}

static void tell_iteration(struct tick *t)
{
    struct note *n = event(t, EVENT_ADV_IT);

    n->a = t->r->status.iterations + 1;
    n->b = t->r->iterations;
}

static flow_t gate_iteration_save_enter(struct tick *t)
{
    if (deviates(t, DEV_TELL_FIRST))
        tell_iteration(t);
    return save_iterations(t, t->r->status.iterations + 1);
}

static flow_t gate_iteration_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    if (!deviates(t, DEV_TELL_FIRST))
        tell_iteration(t);
    return END;
}

#endif
