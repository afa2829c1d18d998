/*
 * engine/gates_promotion.h — the way to the primary: gates G21, G23, G24 and the promotion.
 * Part of engine/engine.c.
 */
#ifndef COALMINE_ENGINE_GATES_PROMOTION_H
#define COALMINE_ENGINE_GATES_PROMOTION_H

#include "engine/tick.h"

/* ---- G21: skipAnalysis ---- */

static flow_t gate_skip_begin_enter(struct tick *t)
{
    if (has(t, F_SKIP_BLIND) || has(t, F_PROMOTING | F_FINALISING))
        return NEXT;
    return G_SKIP_PROMOTE; /* copy first, route once the primary runs the new revision */
}

static flow_t gate_skip_routes_enter(struct tick *t)
{
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t gate_skip_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, WEIGHT_TOTAL, 0);
    return has(t, F_SKIP_BLIND) ? NEXT : G_SKIP_SCALER;
}

static flow_t gate_promote_enter(struct tick *t)
{
    event(t, EVENT_COPY);
    return ASKED;
}

static flow_t gate_skip_promote_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    return has(t, F_SKIP_BLIND) ? G_SKIP_SCALER : G_SKIP_PROMOTED_SAVE;
}

static flow_t gate_promoted_save_enter(struct tick *t)
{
    return save_phase(t, PHASE_PROMOTING);
}

static flow_t gate_succeeded_save_enter(struct tick *t)
{
    save_phase(t, PHASE_SUCCEEDED);
    t->r->saving.memory &= MEMORY_PAUSED;
    return ASKED;
}

static flow_t succeeded(struct tick *t, enum after after)
{
    t->r->after = (uint8_t)after;
    t->r->cursor = 0;
    if (t->r->command == COMMAND_PROMOTE)
        t->r->command = COMMAND_NONE;
    gauge_status(t, PHASE_SUCCEEDED);
    count(t, GAUGE_SUCCESSES, after == AFTER_SKIPPED ? ANALYSIS_SKIPPED : ANALYSIS_COMPLETED);
    return G_POST_ROLLOUT;
}

static flow_t gate_skip_save_answered(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? succeeded(t, AFTER_SKIPPED) : raw(t, a);
}

/* ---- promotion ---- */

/* After the gate: which strategy is it, and has its traffic moved? */
static flow_t promotion_confirmed(struct tick *t)
{
    struct rollout *r = t->r;
    bool equal = r->status.iterations == r->iterations, more = r->status.iterations > r->iterations;

    if (deviates(t, DEV_CONFIRM_PROMOTION_ONCE))
        remember(t, MEMORY_PROMOTION_CONFIRMED);
    if (r->iterations <= 0)
        return G_PROMOTE;
    if (r->match)
        return equal || deviates(t, DEV_ITERATIONS_REACHED) ? G_PROMOTE : END;
    if (equal)
        return G_BLUE_GREEN_SWITCH;
    if (more && deviates(t, DEV_ITERATIONS_REACHED) && !t->s->provider_is_kubernetes &&
        r->canary != WEIGHT_TOTAL)
        return G_BLUE_GREEN_SWITCH;
    return G_PROMOTE;
}

static flow_t gate_confirm_promotion_enter(struct tick *t)
{
    flow_t flow = NEXT;

    if (!(deviates(t, DEV_CONFIRM_PROMOTION_ONCE) && remembers(t, MEMORY_PROMOTION_CONFIRMED)))
        flow = next_hook(t, HOOK_CONFIRM_PROMOTION, PHASE_PROGRESSING);
    return flow == NEXT ? promotion_confirmed(t) : flow;
}

static flow_t gate_confirm_promotion_answered(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? hook_passed(t, EVENT_CP_OK) : G_PROMOTION_REFUSED_SAVE;
}

static flow_t save_phase_and_weight(struct tick *t, enum phase phase)
{
    const struct rollout *r = t->r;
    bool weighted = r->iterations <= 0 && !r->match && !t->s->provider_is_kubernetes;

    save_phase(t, phase);
    t->r->saving.weight = weighted ? r->canary : r->status.canary_weight;
    return ASKED;
}

static flow_t gate_promotion_refused_save_enter(struct tick *t)
{
    if (t->r->status.phase != PHASE_WAITING_PROMOTION) {
        if (deviates(t, DEV_TELL_FIRST))
            tell_halt(t, EVENT_CP_HALT, ALERT_CONFIRM_PROMOTION);
        return save_phase_and_weight(t, PHASE_WAITING_PROMOTION);
    }
    return save_iterations(t, t->r->iterations - 1);
}

static flow_t gate_promotion_refused_save_answered(struct tick *t, const struct answer *a)
{
    if (t->r->status.phase == PHASE_WAITING_PROMOTION)
        return a->outcome == OUTCOME_OK ? END : raw(t, a);
    if (a->outcome != OUTCOME_OK)
        log_error(t, LOG_PHASE_FAILED, a);
    if (!deviates(t, DEV_TELL_FIRST))
        tell_halt(t, EVENT_CP_HALT, ALERT_CONFIRM_PROMOTION);
    return END;
}

static flow_t gate_blue_green_switch_enter(struct tick *t)
{
    if (t->s->provider_is_kubernetes)
        return G_BLUE_GREEN_SAVE;
    event(t, t->s->analysis.mirror ? EVENT_MIRROR_OFF : EVENT_TO_CANARY);
    return ask_routes(t, 0, WEIGHT_TOTAL, false);
}

static flow_t gate_blue_green_switch_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, 0, WEIGHT_TOTAL);
    return NEXT;
}

static flow_t gate_blue_green_save_enter(struct tick *t)
{
    return save_iterations(t, t->r->status.iterations + 1);
}

/* The weight too: the save that should have told of it may have been lost. */
static flow_t gate_promote_save_enter(struct tick *t)
{
    return save_phase_and_weight(t, PHASE_PROMOTING);
}

/* ---- G23: promoting ---- */

static flow_t gate_shift_routes_enter(struct tick *t)
{
    struct rollout *r = t->r;
    int32_t step = t->s->analysis.step_weight_promotion, primary, canary;

    if (t->s->provider_is_kubernetes)
        return G_SHIFT_SAVE;
    if (deviates(t, DEV_FINISH_PROMOTION)) {
        if (step < 0)
            step = 0;
        if (step > 0 && r->canary <= 0 && r->primary == WEIGHT_TOTAL) {
            r->next_primary = WEIGHT_TOTAL;
            return G_SHIFT_SAVE;
        }
        if (step > 0 && r->canary <= 0)
            return ask_routes(t, WEIGHT_TOTAL, 0, false); /* another hand left neither a share */
    }
    if (step == 0) {
        event(t, EVENT_TO_PRIMARY);
        return ask_routes(t, WEIGHT_TOTAL, 0, false);
    }
    if (r->canary <= 0)
        return END;
    primary = r->primary + step < WEIGHT_TOTAL ? r->primary + step : WEIGHT_TOTAL;
    canary = r->canary - step > 0 ? r->canary - step : 0;
    return ask_routes(t, primary, canary, false);
}

static flow_t gate_shift_routes_answered(struct tick *t, const struct answer *a)
{
    struct rollout *r = t->r;

    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, r->next_primary, r->next_canary);
    if (t->s->analysis.step_weight_promotion > 0 ||
        (t->s->analysis.step_weight_promotion < 0 && !deviates(t, DEV_FINISH_PROMOTION)))
        event(t, EVENT_ADV_PW)->a = r->next_primary;
    return NEXT;
}

static flow_t gate_shift_save_enter(struct tick *t)
{
    if (t->s->provider_is_kubernetes || t->r->next_primary == WEIGHT_TOTAL)
        return save_phase(t, PHASE_FINALISING);
    return save_weight(t, t->r->next_canary);
}

/* ---- G24: finalising ---- */

/* A failed promotion that could not be stored may have left the traffic on the canary. */
static flow_t gate_finalising_routes_enter(struct tick *t)
{
    if (t->s->provider_is_kubernetes || t->r->canary == 0 || !deviates(t, DEV_ROUTE_BEFORE_SCALE))
        return NEXT;
    event(t, EVENT_TO_PRIMARY);
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t gate_finalising_save_answered(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? succeeded(t, AFTER_DONE) : raw(t, a);
}

#endif
