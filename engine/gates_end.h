/*
 * engine/gates_end.h — how a rollout ends: rollback, failed promotion, cancel, post-rollout hooks,
 * finalizer. Part of engine/engine.c.
 */
#ifndef COALMINE_ENGINE_GATES_END_H
#define COALMINE_ENGINE_GATES_END_H

#include "engine/tick.h"

/* ---- §5.1 rollback ---- */

static flow_t gate_rollback_enter(struct tick *t)
{
    if (deviates(t, DEV_FINISH_ROLLBACK))
        remember(t, MEMORY_ROLLING_BACK);
    if (t->r->status.failed_checks >= t->s->analysis.threshold) {
        event(t, EVENT_RB_THRESHOLD)->a = t->r->status.failed_checks;
        alert_once(t, ALERT_THRESHOLD, MEMORY_THRESHOLD_ALERTED, NULL);
    }
    return deviates(t, DEV_SAFE_ROLLBACK) && !t->r->primary_ready ? NEXT : G_ROLLBACK_ROUTES;
}

static flow_t gate_rollback_primary_answered(struct tick *t, const struct answer *a)
{
    t->r->primary_ready = a->outcome == OUTCOME_OK;
    return t->r->primary_ready ? G_ROLLBACK_ROUTES : NEXT;
}

static flow_t gate_rollback_canary_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK || a->no_pods)
        return G_ROLLBACK_ROUTES; /* neither side serves; the primary is the one to come back to */
    if (!t->s->provider_is_kubernetes)
        event(t, EVENT_HELD_ON_CANARY);
    remember(t, MEMORY_PRIMARY_LOST);
    return G_PROMOTION_FAILED_ROUTES;
}

static flow_t gate_rollback_routes_enter(struct tick *t)
{
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t gate_rollback_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a); /* the phase stays, so the whole sequence is repeated */
    event_in(t, EVENT_FAILED, PHASE_FAILED);
    gauge_weights(t, WEIGHT_TOTAL, 0);
    return NEXT;
}

/* What failed is what was analysed, not what the target has become since: that is a release. */
static flow_t save_failed(struct tick *t, int32_t weight, uint32_t kept)
{
    save_end(t, PHASE_FAILED, weight, kept);
    if (deviates(t, DEV_KEEP_REVISION) && has(t, F_ANALYSING | F_PROMOTING | F_FINALISING))
        t->r->saving.record = RECORD_APPLIED;
    return ASKED;
}

static flow_t gate_rollback_save_enter(struct tick *t)
{
    return save_failed(t, 0, 0);
}

static flow_t gate_failed_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK) {
        log_error(t, LOG_SAVE_FAILED, a);
        return END;
    }
    t->r->command = COMMAND_NONE;
    t->r->after = AFTER_FAILED;
    t->r->cursor = 0;
    gauge_status(t, PHASE_FAILED);
    count(t, GAUGE_FAILURES, ANALYSIS_COMPLETED);
    return G_POST_ROLLOUT;
}

/* ---- §5.2 failed promotion ---- */

static flow_t gate_promotion_failed_enter(struct tick *t)
{
    /* The answer that brought us here is still at hand: the event of its text is the last note. */
    const struct note *cause = &t->out->notes[t->out->note_count > 0 ? t->out->note_count - 1 : 0];
    struct answer a;

    memset(&a, 0, sizeof a);
    a.text = cause->text;
    a.text_len = cause->text_len;
    add_text(event(t, EVENT_PROMO_FAILED), &a);
    alert_once(t, ALERT_PROMOTION_FAILED, MEMORY_PROMOTION_ALERTED, &a);
    return deviates(t, DEV_SAFE_ROLLBACK) ? NEXT : G_PROMOTION_FAILED_ROUTES;
}

static flow_t gate_promotion_failed_ready_answered(struct tick *t, const struct answer *a)
{
    if (a->no_pods)
        return G_ROLLBACK_ROUTES; /* as there: nothing to hold the traffic on */
    return a->outcome == OUTCOME_OK ? NEXT : raw(t, a);
}

/* The Service of provider kubernetes stays with the primary: there is nothing to route. */
static bool cannot_hold(const struct tick *t)
{
    return t->s->provider_is_kubernetes && deviates(t, DEV_SAFE_ROLLBACK);
}

static flow_t gate_promotion_failed_routes_enter(struct tick *t)
{
    return cannot_hold(t) ? G_PROMOTION_FAILED_SAVE : ask_routes(t, 0, WEIGHT_TOTAL, false);
}

static flow_t gate_promotion_failed_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, 0, WEIGHT_TOTAL);
    return NEXT;
}

static flow_t gate_promotion_failed_save_enter(struct tick *t)
{
    if (remembers_lost_primary(t))
        remember(t, MEMORY_PRIMARY_LOST);
    return save_failed(t, cannot_hold(t) ? 0 : WEIGHT_TOTAL, MEMORY_PRIMARY_LOST);
}

/* ---- the target went back to the promoted revision: cancel ---- */

static flow_t gate_cancel_routes_enter(struct tick *t)
{
    if (deviates(t, DEV_SAFE_ROLLBACK) && !t->r->primary_ready)
        return END; /* the canary's pods are kept until the primary is back */
    event(t, EVENT_REVERTED);
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t gate_cancel_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, WEIGHT_TOTAL, 0);
    return NEXT;
}

static flow_t gate_cancel_save_enter(struct tick *t)
{
    save_end(t, PHASE_SUCCEEDED, 0, 0);
    t->r->saving.record = RECORD_PROMOTED;
    return ASKED;
}

static flow_t gate_cancel_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    t->r->command = COMMAND_NONE;
    gauge_status(t, PHASE_SUCCEEDED);
    return END;
}

/* ---- post-rollout hooks, last thing of a rollout ---- */

static flow_t post_rollout_end(struct tick *t)
{
    if (t->r->after == AFTER_DONE) {
        event_in(t, EVENT_DONE, PHASE_SUCCEEDED);
        alert(t, ALERT_DONE);
    } else if (t->r->after == AFTER_SKIPPED) {
        event_in(t, EVENT_DONE_SKIP, PHASE_SUCCEEDED);
        alert(t, ALERT_SKIPPED);
    }
    return END;
}

static flow_t gate_post_rollout_enter(struct tick *t)
{
    enum phase payload = t->r->after == AFTER_FAILED ? PHASE_FAILED : PHASE_SUCCEEDED;
    flow_t flow = next_hook(t, HOOK_POST_ROLLOUT, payload);

    return flow == NEXT ? post_rollout_end(t) : flow;
}

static flow_t gate_post_rollout_answered(struct tick *t, const struct answer *a)
{
    bool ok = a->outcome == OUTCOME_OK;
    struct note *n = event(t, ok ? EVENT_POST_OK : EVENT_POST_FAIL);

    n->index = (uint16_t)t->r->cursor;
    if (t->r->after != AFTER_FAILED)
        n->phase = PHASE_SUCCEEDED;
    if (ok) {
        t->r->cursor++;
        return AGAIN;
    }
    add_text(n, a);
    return post_rollout_end(t); /* the hooks after it are not called */
}

/* ---- §9 the finalizer ---- */

static flow_t gate_finalize_load_answered(struct tick *t, const struct answer *a)
{
    flow_t flow = gate_load_answered(t, a);

    t->r->cursor = 0;
    if (flow == NEXT && t->r->status.phase == PHASE_TERMINATING)
        return G_FINALIZE_RESUME;
    return flow;
}

static flow_t gate_finalize_save_enter(struct tick *t)
{
    if (deviates(t, DEV_TELL_FIRST))
        event(t, EVENT_TERMINATING);
    return save_phase(t, PHASE_TERMINATING);
}

static flow_t log_and_end(struct tick *t, const struct answer *a)
{
    log_error(t, LOG_FINALIZE_FAILED, a);
    return END;
}

static flow_t gate_log_or_next(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? NEXT : log_and_end(t, a);
}

static flow_t gate_finalize_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return log_and_end(t, a);
    if (!deviates(t, DEV_TELL_FIRST))
        event(t, EVENT_TERMINATING);
    return NEXT;
}

/* Waits of 3, 6 and 12 s between attempts, as many as fit the interval. */
static flow_t gate_finalize_ready_enter(struct tick *t)
{
    static const int32_t waits_ms[] = {0, 3000, 6000, 12000};

    ask(t, ASK_CANARY_READY)->wait_ms = waits_ms[t->r->cursor < 4 ? t->r->cursor : 3];
    return ASKED;
}

static flow_t gate_finalize_ready_answered(struct tick *t, const struct answer *a)
{
    ms_t interval = t->s->analysis.interval_ms;
    uint32_t attempts = interval < 12000 ? 2 : interval < 24000 ? 3 : 4;

    if (a->outcome == OUTCOME_OK)
        return NEXT;
    if (a->outcome == OUTCOME_RETRY && ++t->r->cursor < attempts)
        return AGAIN;
    return log_and_end(t, a);
}

static flow_t gate_finalize_remove_enter(struct tick *t)
{
    if (deviates(t, DEV_TELL_FIRST))
        event(t, EVENT_TERMINATED);
    return ASKED;
}

static flow_t gate_finalize_remove_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return log_and_end(t, a);
    if (!deviates(t, DEV_TELL_FIRST))
        event(t, EVENT_TERMINATED);
    return END;
}

#endif
