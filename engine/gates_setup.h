/*
 * engine/gates_setup.h — set-up and "is there anything to do?": gates G01 to G17.
 * Part of engine/engine.c.
 */
#ifndef COALMINE_ENGINE_GATES_SETUP_H
#define COALMINE_ENGINE_GATES_SETUP_H

#include "engine/tick.h"

/* ---- set-up, G01 to G14 ---- */

/* Shared by rows whose success means no more than "go on". */
static flow_t gate_raw_or_next(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? NEXT : raw(t, a);
}

static flow_t gate_load_answered(struct tick *t, const struct answer *a)
{
    struct rollout *r = t->r;

    if (a->outcome != OUTCOME_OK) {
        log_error(t, LOG_LOAD_FAILED, a);
        return END;
    }
    if (a->status)
        r->stored = *a->status;
    r->status = r->stored;
    if (r->status.phase >= PHASE_COUNT)
        r->status.phase = PHASE_NONE;
    /* A failed promotion leaves this mark in Flagger's own status, should the memory be lost. */
    if (remembers_lost_primary(t) && r->status.phase == PHASE_FAILED &&
        r->status.canary_weight == WEIGHT_TOTAL)
        remember(t, MEMORY_PRIMARY_LOST);
    r->iterations = t->s->analysis.iterations;
    r->match = t->s->analysis.match_count > 0;
    tick_set_facts(t);
    return NEXT;
}

static void refuse_command(struct tick *t)
{
    event(t, EVENT_COMMAND_REFUSED)->a = t->r->command;
    t->r->command = COMMAND_NONE;
}

/* Pause and resume act here; the others wait for their gates further down. */
static flow_t gate_command_enter(struct tick *t)
{
    struct rollout *r = t->r;

    if (r->command == COMMAND_PAUSE && !remembers(t, MEMORY_PAUSED)) {
        r->memory |= MEMORY_PAUSED;
        event(t, EVENT_PAUSED);
        return G_COMMAND_SAVE;
    }
    if (r->command == COMMAND_RESUME) {
        if (remembers(t, MEMORY_PAUSED)) {
            r->memory &= ~(uint32_t)MEMORY_PAUSED;
            event(t, EVENT_RESUMED);
            return G_COMMAND_SAVE;
        }
        r->command = COMMAND_NONE;
    }
    if (r->command == COMMAND_PAUSE)
        r->command = COMMAND_NONE;
    return remembers(t, MEMORY_PAUSED) ? END : NEXT;
}

static flow_t gate_command_save_enter(struct tick *t)
{
    start_save(t, SAVE_MEMORY);
    return ASKED;
}

static flow_t gate_command_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK) {
        t->r->memory ^= MEMORY_PAUSED; /* not stored: ask again next tick */
        return raw(t, a);
    }
    t->r->command = COMMAND_NONE;
    return remembers(t, MEMORY_PAUSED) ? END : NEXT;
}

static flow_t gate_suspend_enter(struct tick *t)
{
    event(t, EVENT_SUSPEND);
    return END;
}

static flow_t gate_providers_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        event(t, EVENT_PROV_OK);
    else
        add_text(event(t, EVENT_PROV_ERR), a);
    return NEXT; /* never blocks */
}

static flow_t gate_primary_init_enter(struct tick *t)
{
    ask(t, ASK_PRIMARY_INIT)->flag = has(t, F_INITIALISING) && !has(t, F_SKIP_BLIND);
    return ASKED;
}

static flow_t gate_primary_init_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return NEXT;
    raw(t, a);
    if (a->outcome == OUTCOME_RETRY)
        return END;
    if (deviates(t, DEV_FIRST_INSTALL_HOLDS)) {
        /* Nothing has been taken from the users yet, and nothing will be. */
        alert_once(t, ALERT_DEADLINE, MEMORY_DEADLINE_ALERTED, a);
        return END;
    }
    return G_ROLLBACK;
}

static flow_t gate_scaler_init_enter(struct tick *t)
{
    ask(t, ASK_SCALER_PRIMARY)->flag = true;
    return ASKED;
}

static flow_t gate_scale_down_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return NEXT;
    add_text(event(t, EVENT_SCALE0_ERR), a);
    return END;
}

static flow_t gate_initialised_save_enter(struct tick *t)
{
    return save_sync(t, PHASE_INITIALIZED, 0, 0, 0);
}

/* RAW with a prefix: note.detail says which. */
static flow_t raw_prefixed(struct tick *t, const struct answer *a, unsigned prefix)
{
    struct note *n = event(t, EVENT_RAW);

    add_text(n, a);
    n->detail = (uint8_t)prefix;
    return END;
}

static flow_t gate_initialised_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return NEXT;
    t->r->status.phase = PHASE_INITIALIZED; /* the event's payload has it already */
    return raw_prefixed(t, a, RAW_SYNC_FAILED);
}

static flow_t gate_initialised_load_answered(struct tick *t, const struct answer *a)
{
    struct rollout *r = t->r;

    if (a->outcome != OUTCOME_OK)
        return raw_prefixed(t, a, RAW_GET_FAILED);
    if (a->status)
        r->stored = *a->status;
    r->status.phase = PHASE_INITIALIZED;
    r->status.applied = r->stored.applied;
    r->status.configs = r->stored.configs;
    tick_set_facts(t);
    gauge_status(t, PHASE_INITIALIZED);
    event(t, EVENT_INIT);
    alert(t, ALERT_INITIALIZED);
    return NEXT;
}

/* ---- G15: is there anything to do? ---- */

static flow_t gate_failed_sync_enter(struct tick *t)
{
    const struct status *st = &t->r->status;

    return save_sync(t, PHASE_FAILED, st->canary_weight, st->failed_checks, st->iterations);
}

static flow_t gate_detect_target_answered(struct tick *t, const struct answer *a)
{
    struct rollout *r = t->r;

    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    r->target = a->target;
    r->configs_now = r->status.configs;
    if (r->command == COMMAND_RETRY && has(t, F_FAILED)) {
        event(t, EVENT_RETRIED);
        remember(t, MEMORY_RETRYING);
        return G_PRIMARY_READY;
    }
    if (has(t, F_WAITING) && remembers(t, MEMORY_RETRYING) && r->target == r->status.applied)
        return G_PRIMARY_READY;
    /* While waiting the stored hash is still the one before: any revision but the promoted goes on.
     */
    return target_changed(t) ? G_PRIMARY_READY : NEXT;
}

static flow_t gate_detect_configs_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    t->r->configs_now = a->configs;
    return a->configs != t->r->status.configs ? G_PRIMARY_READY : NEXT;
}

static flow_t gate_unchanged_enter(struct tick *t)
{
    struct rollout *r = t->r;
    const struct status *st = &r->status;
    bool lost = remembers(t, MEMORY_PRIMARY_LOST);

    if (r->command != COMMAND_NONE)
        refuse_command(t);
    if (has(t, F_DETECT_WAITING)) {
        event(t, EVENT_REVERTED);
        r->memory &= ~(uint32_t)MEMORY_RETRYING;
        if (st->applied == st->promoted && !lost)
            return save_sync(t, PHASE_SUCCEEDED, 0, 0, 0);
        return save_sync(t, PHASE_FAILED, lost ? WEIGHT_TOTAL : 0, 0, 0);
    }
    if (has(t, F_FAILED) && !has(t, F_EARLY_SYNC) && r->target != st->applied) {
        /* Back at the promoted revision: the failed one may be tried again later. */
        return save_sync(t, PHASE_FAILED, st->canary_weight, st->failed_checks, st->iterations);
    }
    gauge_status(t, (enum phase)st->phase);
    return END;
}

static flow_t gate_unchanged_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_status(t, (enum phase)t->r->stored.phase);
    return END;
}

/* ---- G16, G17 ---- */

static flow_t gate_primary_ready_answered(struct tick *t, const struct answer *a)
{
    bool blind = has(t, F_SKIP) && !has(t, F_PROMOTING | F_FINALISING);

    t->r->primary_ready = a->outcome == OUTCOME_OK;
    if (a->outcome == OUTCOME_OK || blind)
        return NEXT;
    raw(t, a);
    if (a->outcome == OUTCOME_RETRY)
        return END;
    if (has(t, F_PROMOTING | F_FINALISING))
        return G_PROMOTION_FAILED;
    if (deviates(t, DEV_SAFE_ROLLBACK) && remembers(t, MEMORY_PRIMARY_LOST))
        return NEXT; /* the canary holds the traffic; only a new revision can mend the primary */
    if (deviates(t, DEV_HOLD_NEW_REVISION) && has(t, F_STARTING))
        return END;
    return G_ROLLBACK;
}

/*
 * A step that landed and was not told: its answer was lost, or the process died. The routes show
 * it.
 */
static void tell_what_is_routed(struct tick *t)
{
    struct rollout *r = t->r;
    uint8_t share = routed_share(r->canary, r->mirrored);
    bool by_weight = !t->s->provider_is_kubernetes;

    if (by_weight && share > r->routed && r->status.phase == PHASE_PROGRESSING &&
        r->iterations <= 0 && !has(t, F_SKIP))
        event(t, EVENT_ADV_W)->a = r->canary;
    else if (by_weight && share < r->routed && r->primary > 0 &&
             r->status.phase == PHASE_PROMOTING && t->s->analysis.step_weight_promotion > 0)
        event(t, EVENT_ADV_PW)->a = r->primary;
    r->routed = share;
}

static flow_t gate_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    t->r->primary = a->primary;
    t->r->canary = a->canary;
    t->r->mirrored = a->mirrored;
    gauge_weights(t, a->primary, a->canary);
    if (deviates(t, DEV_TELL_FIRST))
        tell_what_is_routed(t);
    return NEXT;
}

#endif
