/*
 * engine/gates_start.h — from a new revision to a ready canary: gates G18 to G20.
 * Part of engine/engine.c.
 */
#ifndef COALMINE_ENGINE_GATES_START_H
#define COALMINE_ENGINE_GATES_START_H

#include "engine/tick.h"

/* ---- G18: start ---- */

static flow_t gate_status_gauge_enter(struct tick *t)
{
    gauge_status(t, (enum phase)t->r->status.phase);
    t->r->cursor = 0;
    return has(t, F_STARTING) ? NEXT : G_RESTART_TARGET;
}

static flow_t gate_abort_enter(struct tick *t)
{
    if (remembers(t, MEMORY_ROLLING_BACK))
        return G_ROLLBACK; /* begun in an earlier tick and cut short */
    if (t->r->command != COMMAND_ABORT)
        return NEXT;
    t->r->command = COMMAND_NONE;
    event(t, EVENT_ABORTED);
    alert(t, ALERT_ABORTED);
    return G_ROLLBACK;
}

static flow_t gate_start_rollback_hooks_enter(struct tick *t)
{
    flow_t flow = next_hook(t, HOOK_ROLLBACK, PHASE_WAITING);

    if (flow == NEXT)
        t->r->cursor = 0;
    return flow;
}

static flow_t gate_rollback_hooks_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return hook_passed(t, EVENT_RBH_NO);
    event_hook(t, EVENT_RBH_YES, t->r->cursor);
    event(t, EVENT_RB_MANUAL);
    alert(t, ALERT_MANUAL);
    return G_ROLLBACK;
}

static flow_t gate_confirm_rollout_enter(struct tick *t)
{
    if (t->r->command == COMMAND_PROMOTE)
        return NEXT; /* a person has approved */
    return next_hook(t, HOOK_CONFIRM_ROLLOUT, (enum phase)t->r->stored.phase);
}

static flow_t gate_confirm_rollout_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return hook_passed(t, EVENT_CR_OK);
    return t->r->stored.phase == PHASE_WAITING ? END : G_WAITING_SAVE;
}

static flow_t gate_waiting_save_enter(struct tick *t)
{
    if (deviates(t, DEV_TELL_FIRST))
        tell_halt(t, EVENT_CR_HALT, ALERT_CONFIRM_ROLLOUT);
    return save_phase(t, PHASE_WAITING);
}

static flow_t gate_waiting_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        log_error(t, LOG_PHASE_FAILED, a);
    else if (remembers(t, MEMORY_RETRYING) && t->r->command == COMMAND_RETRY)
        t->r->command = COMMAND_NONE;
    if (!deviates(t, DEV_TELL_FIRST))
        tell_halt(t, EVENT_CR_HALT, ALERT_CONFIRM_ROLLOUT);
    return END;
}

static flow_t gate_new_revision_enter(struct tick *t)
{
    event_in(t, EVENT_NEWREV, PHASE_PROGRESSING);
    alert(t, ALERT_NEW_REVISION);
    return NEXT;
}

/* In the default profile the rollout is stored before its pods are scaled up. */
static flow_t start(struct tick *t)
{
    return deviates(t, DEV_SCALE_UP_AGAIN) ? G_START_SAVE : NEXT;
}

/*
 * After a failed promotion the canary may hold the traffic. A primary that has come back takes it,
 * so that the new revision goes step by step; else the canary goes on holding it.
 */
static flow_t gate_start_routes_enter(struct tick *t)
{
    if (!remembers(t, MEMORY_PRIMARY_LOST) || !deviates(t, DEV_SAFE_ROLLBACK) ||
        !t->r->primary_ready || t->r->canary == 0 || t->s->provider_is_kubernetes)
        return start(t);
    event(t, EVENT_TO_PRIMARY);
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t gate_start_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    t->r->primary = WEIGHT_TOTAL;
    t->r->canary = 0;
    gauge_weights(t, WEIGHT_TOTAL, 0);
    return start(t);
}

static flow_t gate_start_scale_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return deviates(t, DEV_SCALE_UP_AGAIN) ? END : NEXT;
    add_text(event(t, EVENT_RAW_E), a);
    return END;
}

static flow_t gate_start_save_enter(struct tick *t)
{
    bool held = deviates(t, DEV_SAFE_ROLLBACK) && remembers(t, MEMORY_PRIMARY_LOST);

    forget_rollout(t);
    return save_sync(t, PHASE_PROGRESSING, held ? t->r->canary : 0, 0, 0);
}

static flow_t gate_start_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK) {
        log_error(t, LOG_SAVE_FAILED, a);
        return END;
    }
    if (t->r->command == COMMAND_RETRY)
        t->r->command = COMMAND_NONE;
    gauge_status(t, PHASE_PROGRESSING);
    if (!deviates(t, DEV_SCALE_UP_AGAIN))
        return END;
    /* Pods after the status: cut short, the rollout is known and CANARY_READY scales up again. */
    return has(t, F_SCALER) ? G_START_RESUME : G_START_SCALE;
}

/* ---- G19: has the revision changed under way? ---- */

static flow_t gate_restart_target_answered(struct tick *t, const struct answer *a)
{
    struct rollout *r = t->r;

    r->reverted = false;
    if (a->outcome != OUTCOME_OK)
        return NEXT; /* not to know is no change */
    r->target = a->target;
    if (target_changed(t))
        return G_RESTART_ROUTES;
    r->reverted = deviates(t, DEV_REVERT_CANCELS) && r->target != r->status.applied;
    return NEXT;
}

static flow_t gate_restart_configs_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK && a->configs != t->r->status.configs)
        return G_RESTART_ROUTES;
    return NEXT;
}

static flow_t gate_restart_reverted_enter(struct tick *t)
{
    return t->r->reverted ? G_CANCEL_ROUTES : G_CANARY_READY;
}

static flow_t gate_restart_routes_enter(struct tick *t)
{
    event(t, EVENT_RESTART);
    return primary_may_serve(t) ? ask_routes(t, WEIGHT_TOTAL, 0, false) : G_RESTART_SAVE;
}

static flow_t gate_restart_save_enter(struct tick *t)
{
    forget_rollout(t);
    return save_sync(t, PHASE_PROGRESSING, primary_may_serve(t) ? 0 : t->r->canary, 0, 0);
}

static flow_t gate_raw_or_end(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? END : raw(t, a);
}

/* ---- G20: is the canary ready? ---- */

static flow_t gate_canary_ready_answered(struct tick *t, const struct answer *a)
{
    if (remembers(t, MEMORY_ROLLING_BACK) && has(t, F_ANALYSING))
        return G_ROLLBACK; /* begun in an earlier tick and cut short, its pods perhaps gone */
    if (a->outcome == OUTCOME_OK && a->no_pods && has(t, F_ANALYSING) &&
        deviates(t, DEV_SCALE_UP_AGAIN))
        return G_RESCALE_RESUME;
    if (a->outcome == OUTCOME_OK)
        return NEXT;
    raw(t, a);
    if (a->outcome == OUTCOME_RETRY)
        return END;
    if (deviates(t, DEV_FINALISING_SUCCEEDS) && has(t, F_PROMOTING | F_FINALISING) &&
        t->r->primary_ready)
        return has(t, F_SKIP)         ? G_SKIP_ROUTES
               : has(t, F_FINALISING) ? G_FINALISING_ROUTES
                                      : G_PROMOTING_SCALER;
    if (deviates(t, DEV_DEADLINE_ALERT)) {
        add_text(event(t, EVENT_RB_DEADLINE), a);
        alert_once(t, ALERT_DEADLINE, MEMORY_DEADLINE_ALERTED, a);
    }
    return G_ROLLBACK;
}

#endif
