/*
 * engine/tick.h — what the rows of the table work with: facts, memory, notes, asks, hooks.
 * Internal.
 */
#ifndef COALMINE_ENGINE_TICK_H
#define COALMINE_ENGINE_TICK_H

#include <assert.h>
#include <string.h>

#include "engine/gates.h"

struct tick {
    struct rollout *r;
    const struct spec *s;
    struct step *out;
    struct hand *hand; /* answers at hand, or NULL */
    uint32_t at_hand;  /* the kinds of asks that they answer */
    uint64_t *counter; /* notes are counted here and nowhere kept, or NULL */
};

/* Work out the facts of this tick, which say what rows apply (engine/engine.c). */
static void tick_set_facts(struct tick *t);
static inline bool has(const struct tick *t, uint32_t fact)
{
    return (t->r->facts & fact) != 0;
}

static inline bool deviates(const struct tick *t, enum deviation d)
{
    return spec_deviates(t->s, d);
}

static inline bool remembers(const struct tick *t, uint32_t flag)
{
    return (t->r->memory & flag) != 0;
}

/* Only the default profile has a memory beyond Flagger's status. */
static inline void remember(struct tick *t, uint32_t flag)
{
    t->r->memory |= flag;
}

/* Two deviations need to know of a failed promotion afterwards; Flagger itself does not. */
static inline bool remembers_lost_primary(const struct tick *t)
{
    return deviates(t, DEV_SAFE_ROLLBACK) || deviates(t, DEV_REVERT_AFTER_FAILED_PROMOTION);
}

/*
 * A new rollout or a restart: what was asked, alerted or counted belongs to the one before. A retry
 * is one until its end: should only the annotation be stored, it waits as it did.
 */
static inline void forget_rollout(struct tick *t)
{
    t->r->memory &= MEMORY_PAUSED | MEMORY_PRIMARY_LOST | MEMORY_RETRYING;
    memset(t->r->judges, 0, sizeof t->r->judges);
}

/* ---- notes ---- */

static inline struct note *add_note(struct tick *t, enum note_kind kind, unsigned id)
{
    struct note *n;

    if (t->counter) {
        ++*t->counter;
        return &t->out->notes[0];
    }
    if (t->hand) {
        t->hand->notes++;
        if (t->out->note_count == STEP_NOTES_MAX)
            t->out->note_count--;
    }
    /* No path through the table makes more notes between two asks than a step can hold. */
    assert(t->out->note_count < STEP_NOTES_MAX);
    n = &t->out->notes[t->out->note_count++];
    memset(n, 0, sizeof *n);
    n->kind = (uint8_t)kind;
    n->id = (uint8_t)id;
    n->phase = t->r->status.phase;
    return n;
}

static inline struct note *event(struct tick *t, enum event_id id)
{
    return add_note(t, NOTE_EVENT, id);
}

static inline void event_in(struct tick *t, enum event_id id, enum phase payload)
{
    event(t, id)->phase = (uint8_t)payload;
}

static inline void event_hook(struct tick *t, enum event_id id, uint32_t hook)
{
    event(t, id)->index = (uint16_t)hook;
}

static inline void add_text(struct note *n, const struct answer *a)
{
    n->text = a->text;
    n->text_len = a->text ? a->text_len : 0;
    n->subject = a->subject;
}

static inline struct note *alert(struct tick *t, enum alert_id id)
{
    struct note *n = add_note(t, NOTE_ALERT, id);

    n->a = t->r->status.failed_checks;
    return n;
}

/* Alert, but where the profile says so only the first time in this rollout. */
static inline void alert_once(struct tick *t, enum alert_id id, uint32_t flag,
                              const struct answer *a)
{
    if (deviates(t, DEV_ALERT_ONCE)) {
        if (remembers(t, flag))
            return;
        remember(t, flag);
    }
    if (a)
        add_text(alert(t, id), a);
    else
        alert(t, id);
}

static inline void gauge_status(struct tick *t, enum phase phase)
{
    add_note(t, NOTE_GAUGE, GAUGE_STATUS)->a = phase_gauge(phase);
}

static inline void gauge_weights(struct tick *t, int32_t primary, int32_t canary)
{
    struct note *n = add_note(t, NOTE_GAUGE, GAUGE_WEIGHT);

    n->a = primary;
    n->b = canary;
}

static inline void count(struct tick *t, enum gauge_id id, enum analysis_status status)
{
    add_note(t, NOTE_GAUGE, id)->a = (int32_t)status;
}

static inline void log_error(struct tick *t, enum log_id id, const struct answer *a)
{
    add_text(add_note(t, NOTE_LOG, id), a);
}

/* The error verbatim as an event; the tick ends and the next one retries from the top. */
static inline flow_t raw(struct tick *t, const struct answer *a)
{
    add_text(event(t, EVENT_RAW), a);
    return END;
}

/* ---- asks ---- */

/*
 * Write an ask whose arguments are nowhere but here. Which kind a row asks stands in the table; one
 * without arguments, and those that the rollout holds, are written when it goes out.
 */
static inline struct ask *ask(struct tick *t, enum ask_kind kind)
{
    struct ask *q = &t->out->ask;

    memset(q, 0, sizeof *q);
    q->kind = (uint8_t)kind;
    return q;
}

static inline flow_t ask_routes(struct tick *t, int32_t primary, int32_t canary, bool mirror)
{
    t->r->next_primary = primary;
    t->r->next_canary = canary;
    t->r->next_mirrored = mirror;
    return ASKED;
}

static inline struct save *start_save(struct tick *t, enum save_op op)
{
    struct save *save = &t->r->saving;

    memset(save, 0, sizeof *save);
    save->op = (uint8_t)op;
    save->memory = t->r->memory;
    return save;
}

static inline flow_t save_sync(struct tick *t, enum phase phase, int32_t weight, int32_t failed,
                               int32_t iterations)
{
    struct save *save = start_save(t, SAVE_SYNC);

    save->phase = (uint8_t)phase;
    save->weight = weight;
    save->failed_checks = failed;
    save->iterations = iterations;
    return ASKED;
}

/* As save_sync, for the end of a rollout: of the memory only `kept` outlives it, once it is stored.
 */
static inline flow_t save_end(struct tick *t, enum phase phase, int32_t weight, uint32_t kept)
{
    save_sync(t, phase, weight, 0, 0);
    t->r->saving.memory &= MEMORY_PAUSED | kept;
    return ASKED;
}

static inline flow_t save_phase(struct tick *t, enum phase phase)
{
    struct save *save = start_save(t, SAVE_PHASE);

    save->phase = (uint8_t)phase;
    if (phase == PHASE_WAITING_PROMOTION)
        save->iterations = t->r->iterations - 1;
    return ASKED;
}

static inline flow_t save_weight(struct tick *t, int32_t weight)
{
    start_save(t, SAVE_WEIGHT)->weight = weight;
    return ASKED;
}

static inline flow_t save_iterations(struct tick *t, int32_t iterations)
{
    start_save(t, SAVE_ITERATIONS)->iterations = iterations;
    return ASKED;
}

/* ---- hooks ---- */

/* Ask the next hook of a type from the cursor on; NEXT when there is none left. */
static inline flow_t next_hook(struct tick *t, enum hook_type type, enum phase payload)
{
    const struct analysis_spec *an = &t->s->analysis;
    struct ask *q;

    while (t->r->cursor < an->hook_count && an->hooks[t->r->cursor].type != type)
        t->r->cursor++;
    if (t->r->cursor >= an->hook_count)
        return NEXT;
    q = ask(t, ASK_HOOK);
    q->index = (uint16_t)t->r->cursor;
    q->phase = (uint8_t)payload;
    return ASKED;
}

static inline flow_t hook_passed(struct tick *t, enum event_id id)
{
    event_hook(t, id, t->r->cursor);
    t->r->cursor++;
    return AGAIN;
}

static inline bool hook_is_muted(const struct tick *t)
{
    return t->s->analysis.hooks[t->r->cursor].mute_alert;
}

/* A gate is closed: said of the hook at the cursor. */
static inline void tell_halt(struct tick *t, enum event_id id, enum alert_id alert_of)
{
    event_hook(t, id, t->r->cursor);
    if (!hook_is_muted(t))
        alert(t, alert_of);
}

/*
 * May all traffic go to the primary? In the default profile only when it was seen ready in this
 * tick, or when the canary has none anyway.
 */
static inline bool primary_may_serve(const struct tick *t)
{
    return t->r->primary_ready || t->r->canary == 0 || !deviates(t, DEV_SAFE_ROLLBACK);
}

static inline bool target_changed(const struct tick *t)
{
    const struct status *st = &t->r->status;
    bool promoted_counts =
        !(remembers(t, MEMORY_PRIMARY_LOST) && deviates(t, DEV_REVERT_AFTER_FAILED_PROMOTION));

    if (st->applied == 0)
        return true;
    if (t->r->target == st->promoted && promoted_counts)
        return false; /* a revert to what is promoted starts nothing */
    return t->r->target != st->applied;
}

/* What follows the post-rollout hooks. */
enum after { AFTER_FAILED, AFTER_DONE, AFTER_SKIPPED };

#endif
