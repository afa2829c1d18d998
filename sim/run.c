#include "sim/run.h"

#include "engine/num.h"
#include "sim/evq.h"
#include "sim/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESYNC_MS 30000 /* of the watch: when a finalizer that failed is tried again */

enum {
    EV_CHANGE, /* index: of the change */
    EV_BORN,   /* index: of the Canary, as in all that follow */
    EV_TICK,
    EV_ANSWER,   /* the open ask of a tick is answered */
    EV_PASS,     /* Flagger's scheduler looks at the interval */
    EV_FINALIZE, /* the finalizer runs (again) */
    EV_PODS,     /* pods may have become ready */
};

/* One Canary under way. */
struct actor {
    struct world world;
    struct rollout rollout;
    struct step step;
    struct answer answer; /* to the open ask, once it is due */
    ms_t took_ms;         /* by it */
    bool born, deleting;
    bool ticking;      /* a tick is under way */
    bool tick_missed;  /* one came due meanwhile */
    bool finalize_due; /* likewise the finalizer */
    uint8_t tick_kind;
    uint8_t phase_before, phase_seen;
    bool open;      /* a rollout is open */
    bool cancelled; /* and was called off */
    bool eventful;  /* the tick under way has said something */
    bool quiet;     /* the last tick found nothing to do after the last change */
    uint32_t tick, rollouts;
    uint64_t schedule; /* tag of live tick events: an edit of the interval withdraws the others */
    uint64_t serial;   /* tag of the tick under way */
    uint64_t life;     /* tag of pod events */
    ms_t armed_ms;     /* interval in force */
    ms_t job_ms;       /* when the last tick was due: the next one comes an interval later */
    int16_t lost;      /* percent of requests that meet no pod, as last reported */
    ms_t lost_since_ms;
    ms_t pods_ms; /* when the next pods are expected, MS_NEVER = none */
    struct canary_result result;
};

struct sim {
    struct evq queue;
    struct actor *actors;
    uint32_t actor_cap;
    const struct sim_plan *plan;
    const struct sink *sink;
    const struct sim_options *options;
    ms_t epoch_ms, now_ms; /* absolute */
    uint32_t changes_left;
    bool failed; /* memory was out */
};

struct sim *sim_new(void)
{
    struct sim *s = calloc(1, sizeof *s);

    if (s)
        evq_init(&s->queue);
    return s;
}

void sim_free(struct sim *s)
{
    if (!s)
        return;
    evq_release(&s->queue);
    free(s->actors);
    free(s);
}

static void push(struct sim *s, ms_t at_ms, uint32_t kind, uint32_t index, uint64_t tag)
{
    if (evq_push(&s->queue, at_ms, kind, index, tag) != 0)
        s->failed = true;
}

static uint32_t index_of(const struct sim *s, const struct actor *a)
{
    return (uint32_t)(a - s->actors);
}

/* ---- rows
 * ------------------------------------------------------------------------------------------- */

static bool listening(const struct sim *s)
{
    return s->sink && s->sink->put;
}

static struct row row_begin(const struct sim *s, const struct actor *a, enum row_kind kind)
{
    struct row row;

    memset(&row, 0, sizeof row);
    row.kind = (uint8_t)kind;
    row.canary = (uint16_t)index_of(s, a);
    row.rollout = a->rollouts;
    row.tick = a->ticking ? a->tick : 0;
    row.at_ms = s->now_ms;
    row.spec = a->world.spec;
    return row;
}

static void row_put(const struct sim *s, struct row *row, const char *text, uint32_t text_len)
{
    row->text = text;
    row->text_len = text ? text_len : 0;
    s->sink->put(s->sink->self, row);
}

static void put_answer_row(const struct sim *s, struct row *row, const struct answer *answer)
{
    bool told = answer->outcome != OUTCOME_OK && answer->text && answer->text_len > 0;

    row_put(s, row, told ? answer->text : NULL, answer->text_len);
}

static void end_rollout(struct sim *s, struct actor *a, enum rollout_result result)
{
    struct row row;

    if (!a->open)
        return;
    a->open = false;
    a->result.succeeded += result == ROLLOUT_SUCCEEDED;
    a->result.failed += result == ROLLOUT_FAILED;
    if (!listening(s))
        return;
    row = row_begin(s, a, ROW_ROLLOUT_END);
    row.u.rollout_end.result = (uint8_t)result;
    row_put(s, &row, NULL, 0);
}

static const char *revision_name(const struct world *w, revision_t revision)
{
    for (uint32_t i = 0; i < w->plan->world.revision_count; i++)
        if (w->plan->world.revisions[i].revision == revision)
            return w->plan->world.revisions[i].name;
    return NULL;
}

static void begin_rollout(struct sim *s, struct actor *a)
{
    const char *name = revision_name(&a->world, a->world.target);
    struct row row;

    a->open = true;
    a->cancelled = false;
    a->rollouts++;
    a->result.rollouts++;
    if (!listening(s))
        return;
    row = row_begin(s, a, ROW_ROLLOUT);
    row.u.rollout.from = a->world.stored.promoted;
    row.u.rollout.to = a->world.target;
    row_put(s, &row, name, name ? (uint32_t)strlen(name) : 0);
}

/* Notes that say where a rollout begins. */
static void follow_note(struct sim *s, struct actor *a, const struct note *note)
{
    if (note->kind != NOTE_EVENT)
        return;
    a->eventful = true;
    if (note->id == EVENT_NEWREV && !a->open) {
        begin_rollout(s, a);
    } else if (note->id == EVENT_RESTART) {
        end_rollout(s, a, ROLLOUT_SUPERSEDED);
        begin_rollout(s, a);
    } else if (note->id == EVENT_REVERTED) {
        a->cancelled = true;
    }
}

/* An alert that no entry of analysis.alerts wants is not sent; without entries all are. */
static bool alert_is_sent(const struct spec *spec, const struct note *note)
{
    bool wanted = spec->analysis.alert_count == 0;

    for (uint32_t i = 0; i < spec->analysis.alert_count && !wanted; i++)
        wanted = spec_alert_wanted(spec, i, alert_id_severity((enum alert_id)note->id));
    return wanted;
}

static void put_notes(struct sim *s, struct actor *a)
{
    static const uint8_t kinds[] = {ROW_EVENT, ROW_ALERT, ROW_GAUGE, ROW_LOG};

    for (uint32_t i = 0; i < a->step.note_count && i < STEP_NOTES_MAX; i++) {
        const struct note *note = &a->step.notes[i];
        struct row row;

        follow_note(s, a, note);
        if (!listening(s) || note->kind > NOTE_LOG ||
            (note->kind == NOTE_GAUGE && !s->sink->wants_gauges) ||
            (note->kind == NOTE_ALERT && !alert_is_sent(a->world.spec, note)))
            continue;
        row = row_begin(s, a, (enum row_kind)kinds[note->kind]);
        row.u.note = *note;
        row_put(s, &row, note->text, note->text_len);
    }
}

/* Traffic may have begun or ceased to meet a side without pods. */
static void follow_outage(struct sim *s, struct actor *a)
{
    struct outage_row now = world_outage(&a->world);
    ms_t next = world_next_ready(&a->world);
    struct row row;

    if (next != a->pods_ms) {
        a->pods_ms = next;
        a->life++;
        if (next != MS_NEVER)
            push(s, next, EV_PODS, index_of(s, a), a->life);
    }
    if (now.lost == a->lost)
        return;
    if (a->lost > 0)
        a->result.outage_ms += s->now_ms - a->lost_since_ms;
    a->lost = now.lost;
    a->lost_since_ms = s->now_ms;
    if (!listening(s))
        return;
    row = row_begin(s, a, ROW_OUTAGE);
    row.u.outage = now;
    row_put(s, &row, NULL, 0);
}

/* ---- what an answered ask leaves behind
 * ------------------------------------------------------------- */

static const struct note *verdict_note(const struct step *step, uint16_t index)
{
    for (uint32_t i = 0; i < step->note_count && i < STEP_NOTES_MAX; i++) {
        const struct note *n = &step->notes[i];

        if (n->kind == NOTE_EVENT && n->index == index &&
            ((n->id >= EVENT_M_RATE_LOW && n->id <= EVENT_M_KNATIVE) ||
             n->id == EVENT_M_NOT_FINITE || n->id == EVENT_M_JUDGED || n->id == EVENT_M_WAIT))
            return n;
    }
    return NULL;
}

/* The bounds in force. Source: docs/engine/semantics.md §7.3. */
static void check_bounds(struct check_row *c, const struct metric_spec *m)
{
    if (m->judge.kind == JUDGE_ANYTIME || m->judge.kind == JUDGE_MANN_WHITNEY)
        return; /* they compare, and look at no bound */
    if (m->has_range) {
        c->has_min = m->range.has_min;
        c->has_max = m->range.has_max;
        c->min = m->range.min;
        c->max = m->range.max;
    } else if (c->metric == METRIC_RATE) {
        c->has_min = true;
        c->min = m->threshold;
    } else {
        c->has_max = true;
        c->max = m->threshold;
    }
}

static void check_verdict(struct check_row *c, const struct answer *answer, const struct note *note)
{
    c->event = note ? note->id : (uint8_t)EVENT_COUNT;
    if (answer->outcome == OUTCOME_NO_VALUE)
        c->verdict = VERDICT_NO_VALUE;
    else if (answer->outcome != OUTCOME_OK)
        c->verdict = VERDICT_ERROR;
    else if (note && note->id != EVENT_M_WAIT)
        c->verdict = VERDICT_FAIL;
    if (note && note->id == EVENT_M_WAIT)
        c->verdict = VERDICT_WAIT;
    if (c->verdict == VERDICT_FAIL && note->id <= EVENT_M_VAL_LOW) {
        c->has_bound = true;
        c->bound = note->bound;
    }
}

static void put_check(struct sim *s, struct actor *a, const struct ask *ask,
                      const struct answer *answer)
{
    const struct spec *spec = a->world.spec;
    const struct note *note = verdict_note(&a->step, ask->index);
    struct row row = row_begin(s, a, ROW_CHECK);
    struct check_row *c = &row.u.check;

    if (ask->index >= spec->analysis.metric_count)
        return;
    c->index = ask->index;
    c->metric = ask->metric;
    c->cause = answer->cause;
    c->canary_weight = (int16_t)a->rollout.canary;
    c->has_value = answer->outcome == OUTCOME_OK;
    c->value = answer->value;
    c->canary_errors = answer->canary_errors;
    c->canary_requests = answer->canary_requests;
    c->primary_errors = answer->primary_errors;
    c->primary_requests = answer->primary_requests;
    check_bounds(c, &spec->analysis.metrics[ask->index]);
    check_verdict(c, answer, note);
    c->window_ms = metric_window_ms(&spec->analysis.metrics[ask->index]);
    a->result.checks++;
    a->result.failed_checks += c->verdict != VERDICT_PASS && c->verdict != VERDICT_WAIT;
    if (listening(s))
        put_answer_row(s, &row, answer);
}

static void put_hook(struct sim *s, struct actor *a, const struct ask *ask,
                     const struct answer *answer, ms_t took_ms)
{
    struct row row = row_begin(s, a, ROW_HOOK);

    row.u.hook = (struct hook_row){.index = ask->index,
                                   .phase = ask->phase,
                                   .outcome = answer->outcome,
                                   .status = a->world.hook_status,
                                   .call = a->world.hook_call,
                                   .took_ms = took_ms};
    put_answer_row(s, &row, answer);
}

/* Effects leave a row; reads, and what is done again at each tick, do not. */
static const bool leaves_row[ASK_KIND_COUNT] = {
    [ASK_ROUTES_SET] = true,       [ASK_SAVE] = true,          [ASK_SCALE_UP] = true,
    [ASK_SCALE_ZERO] = true,       [ASK_PROMOTE] = true,       [ASK_SCALER_PAUSE] = true,
    [ASK_SCALER_RESUME] = true,    [ASK_REVERT_TARGET] = true, [ASK_REVERT_ROUTER] = true,
    [ASK_FINALIZER_REMOVE] = true, [ASK_COOKIES] = true,
};

static void put_effect(struct sim *s, struct actor *a, const struct ask *ask,
                       const struct answer *answer)
{
    struct row row;

    if (ask->kind >= ASK_KIND_COUNT || !leaves_row[ask->kind])
        return;
    if (ask->kind == ASK_ROUTES_SET) {
        row = row_begin(s, a, ROW_ROUTES);
        row.u.routes = (struct routes_row){.primary = ask->primary,
                                           .canary = ask->canary,
                                           .mirror = ask->flag,
                                           .outcome = answer->outcome};
    } else if (ask->kind == ASK_SAVE) {
        row = row_begin(s, a, ROW_STATUS);
        row.u.status = (struct status_row){
            .save = ask->save, .after = a->world.stored, .outcome = answer->outcome};
    } else {
        row = row_begin(s, a, ROW_WORKLOAD);
        row.u.workload =
            (struct workload_row){.ask = ask->kind, .flag = ask->flag, .outcome = answer->outcome};
    }
    put_answer_row(s, &row, answer);
}

static void follow_save(struct sim *s, struct actor *a, const struct answer *answer)
{
    uint8_t phase = a->world.stored.phase;

    if (answer->outcome != OUTCOME_OK)
        return;
    if (phase != a->phase_seen)
        a->result.settled_ms = s->now_ms - s->epoch_ms;
    a->phase_seen = phase;
    if (phase == PHASE_SUCCEEDED)
        end_rollout(s, a, a->cancelled ? ROLLOUT_CANCELLED : ROLLOUT_SUCCEEDED);
    else if (phase == PHASE_FAILED)
        end_rollout(s, a, ROLLOUT_FAILED);
}

/* ---- ticks
 * ------------------------------------------------------------------------------------------ */

static void arm(struct sim *s, struct actor *a, ms_t at_ms)
{
    a->schedule++;
    push(s, at_ms, EV_TICK, index_of(s, a), a->schedule);
}

static bool idle_phase(const struct actor *a)
{
    uint8_t phase = a->world.stored.phase;

    return a->world.spec->suspend || phase == PHASE_INITIALIZED || phase == PHASE_SUCCEEDED ||
           phase == PHASE_FAILED;
}

static void begin_tick(struct sim *s, struct actor *a, enum tick_kind kind);

/* An edit counts from the next tick on: Flagger works on the copy that it read at the start. */
static void take_edit(struct actor *a)
{
    if (!a->ticking)
        a->world.spec = a->world.edited;
}

static void finish_tick(struct sim *s, struct actor *a)
{
    struct row row;

    if (listening(s)) {
        row = row_begin(s, a, ROW_TICK_END);
        row.u.tick.kind = a->tick_kind;
        row.u.tick.phase = a->world.stored.phase;
        row_put(s, &row, NULL, 0);
    }
    a->ticking = false;
    take_edit(a);
    a->quiet = s->changes_left == 0 && idle_phase(a) && !a->open &&
               (!a->eventful || a->world.spec->suspend) &&
               a->phase_before == a->world.stored.phase && a->rollout.command == COMMAND_NONE;
    if (a->world.gone) {
        end_rollout(s, a, ROLLOUT_GONE);
        return;
    }
    if (a->tick_kind == TICK_FINALIZE)
        push(s, s->now_ms + RESYNC_MS, EV_FINALIZE, index_of(s, a), 0);
    if (a->finalize_due) {
        a->finalize_due = false;
        begin_tick(s, a, TICK_FINALIZE);
    } else if (a->tick_missed) {
        a->tick_missed = false;
        begin_tick(s, a, TICK_ANALYSIS);
    }
}

/* The open ask has its answer: give it to the engine. */
static void deliver(struct sim *s, struct actor *a)
{
    struct ask ask = a->step.ask;
    const struct answer *answer = &a->answer;

    if (listening(s)) {
        if (ask.kind == ASK_HOOK)
            put_hook(s, a, &ask, answer, a->took_ms);
        else
            put_effect(s, a, &ask, answer);
        if (s->sink->wants_asks) {
            struct row row = row_begin(s, a, ROW_ASK);

            row.u.ask.ask = &ask;
            row.u.ask.answer = answer;
            row_put(s, &row, NULL, 0);
        }
    }
    if (world_is_changed_by((enum ask_kind)ask.kind))
        follow_outage(s, a);
    engine_answer(&a->rollout, a->world.spec, answer, &a->step);
    if (ask.kind == ASK_METRIC)
        put_check(s, a, &ask, answer);
    put_notes(s, a);
    if (ask.kind == ASK_SAVE)
        follow_save(s, a, answer);
}

/* Perform asks until the tick is done or an answer takes time. */
static void run_tick(struct sim *s, struct actor *a)
{
    while (a->step.ask.kind != ASK_DONE && a->step.ask.kind != ASK_NONE) {
        a->took_ms = world_answer(&a->world, &a->step.ask, &a->answer);
        if (a->took_ms > 0) {
            push(s, s->now_ms + a->took_ms, EV_ANSWER, index_of(s, a), a->serial);
            return;
        }
        deliver(s, a);
    }
    finish_tick(s, a);
}

static void begin_tick(struct sim *s, struct actor *a, enum tick_kind kind)
{
    struct row row;

    a->ticking = true;
    a->eventful = false;
    a->tick++;
    a->serial++;
    a->result.ticks++;
    a->tick_kind = (uint8_t)kind;
    a->phase_before = a->world.stored.phase;
    world_advance(&a->world, s->now_ms);
    if (listening(s)) {
        row = row_begin(s, a, ROW_TICK);
        row.u.tick.kind = (uint8_t)kind;
        row.u.tick.phase = a->phase_before;
        row_put(s, &row, NULL, 0);
    }
    engine_begin(&a->rollout, a->world.spec, kind, s->now_ms, &a->step);
    put_notes(s, a);
    run_tick(s, a);
}

static void on_tick(struct sim *s, struct actor *a, uint64_t tag)
{
    if (tag != a->schedule || a->world.gone)
        return;
    a->job_ms = s->now_ms;
    push(s, s->now_ms + a->armed_ms, EV_TICK, index_of(s, a), a->schedule);
    if (a->ticking)
        a->tick_missed = true; /* one is kept and runs straight away */
    else
        begin_tick(s, a, TICK_ANALYSIS);
}

static void on_finalize(struct sim *s, struct actor *a)
{
    if (a->world.gone)
        return;
    if (a->ticking)
        a->finalize_due = true;
    else
        begin_tick(s, a, TICK_FINALIZE);
}

/* ---- changes
 * ---------------------------------------------------------------------------------------- */

static ms_t interval_of(const struct actor *a)
{
    ms_t interval = a->world.edited->analysis.interval_ms;

    return interval > 0 ? interval : 60000;
}

/* Flagger's scheduler finds a changed interval at its next pass and starts a new job, which ticks.
 */
static void on_pass(struct sim *s, struct actor *a)
{
    if (a->world.gone || interval_of(a) == a->armed_ms)
        return;
    a->armed_ms = interval_of(a);
    arm(s, a, s->now_ms);
}

static void follow_interval(struct sim *s, struct actor *a)
{
    ms_t loop = s->plan->control_loop_ms > 0 ? s->plan->control_loop_ms : 10000;
    ms_t since = s->now_ms - s->epoch_ms, next;

    if (!a->born || interval_of(a) == a->armed_ms)
        return;
    if (!spec_deviates(a->world.spec, DEV_SERIAL_TICKS)) {
        push(s, s->epoch_ms + (since + loop - 1) / loop * loop, EV_PASS, index_of(s, a), 0);
        return;
    }
    a->armed_ms = interval_of(a);
    next = a->job_ms + a->armed_ms;
    arm(s, a, next > s->now_ms ? next : s->now_ms);
}

static void on_born(struct sim *s, struct actor *a)
{
    struct row row;

    a->born = true;
    a->armed_ms = interval_of(a);
    world_advance(&a->world, s->now_ms);
    if (listening(s)) {
        row = row_begin(s, a, ROW_CANARY);
        row_put(s, &row, NULL, 0);
    }
    rollout_load(&a->rollout, &a->world.stored, 0);
    follow_outage(s, a);
    arm(s, a, s->now_ms);
}

static void delete_canary(struct sim *s, struct actor *a)
{
    if (a->world.edited->revert_on_deletion) {
        a->deleting = true;
        push(s, s->now_ms, EV_FINALIZE, index_of(s, a), 0);
        return;
    }
    world_collect(&a->world);
    if (!a->ticking)
        end_rollout(s, a, ROLLOUT_GONE);
}

static void restart_operator(struct sim *s, struct actor *a)
{
    if (a->ticking) {
        struct row row = row_begin(s, a, ROW_TICK_END);

        row.u.tick.kind = a->tick_kind;
        row.u.tick.phase = a->world.stored.phase;
        if (listening(s))
            row_put(s, &row, NULL, 0);
    }
    a->ticking = a->tick_missed = a->finalize_due = false;
    take_edit(a);
    a->serial++;
    rollout_load(&a->rollout, &a->world.stored, a->world.memory);
    a->armed_ms = interval_of(a);
    arm(s, a, s->now_ms);
}

static void apply_change(struct sim *s, struct actor *a, const struct change_plan *change)
{
    struct row row;

    if (a->world.gone)
        return;
    world_advance(&a->world, s->now_ms);
    a->quiet = false;
    if (listening(s)) {
        row = row_begin(s, a, ROW_WORLD);
        row.tick = 0;
        row_put(s, &row, change->text, change->text ? (uint32_t)strlen(change->text) : 0);
    }
    world_change(&a->world, change);
    take_edit(a);
    if (change->kind == CHANGE_COMMAND)
        rollout_command(&a->rollout, (enum command)change->index);
    else if (change->kind == CHANGE_DELETE)
        delete_canary(s, a);
    else if (change->kind == CHANGE_RESTART)
        restart_operator(s, a);
    else if (change->kind == CHANGE_SPEC)
        follow_interval(s, a);
    follow_outage(s, a);
}

static void on_change(struct sim *s, const struct change_plan *change)
{
    s->changes_left--;
    for (uint32_t i = 0; i < s->plan->canary_count; i++)
        if (change->canary == UINT16_MAX || change->canary == i)
            apply_change(s, &s->actors[i], change);
}

/* ---- the run
 * ---------------------------------------------------------------------------------------- */

static bool all_quiet(const struct sim *s)
{
    if (s->plan->until_ms != MS_NEVER || s->changes_left > 0)
        return false;
    for (uint32_t i = 0; i < s->plan->canary_count; i++)
        if (!s->actors[i].world.gone && (!s->actors[i].born || !s->actors[i].quiet))
            return false;
    return true;
}

static void dispatch(struct sim *s, const struct sim_event *event)
{
    struct actor *a = event->kind == EV_CHANGE ? NULL : &s->actors[event->index];

    switch (event->kind) {
    case EV_CHANGE:
        on_change(s, &s->plan->changes[event->index]);
        break;
    case EV_BORN:
        on_born(s, a);
        break;
    case EV_TICK:
        on_tick(s, a, event->tag);
        break;
    case EV_ANSWER:
        if (a->ticking && event->tag == a->serial) {
            world_advance(&a->world, s->now_ms);
            deliver(s, a);
            run_tick(s, a);
        }
        break;
    case EV_PASS:
        on_pass(s, a);
        break;
    case EV_FINALIZE:
        on_finalize(s, a);
        break;
    case EV_PODS:
        if (event->tag == a->life) {
            world_advance(&a->world, s->now_ms);
            a->pods_ms = 0;
            follow_outage(s, a);
        }
        break;
    default:
        break;
    }
}

static int prepare(struct sim *s)
{
    const struct sim_plan *plan = s->plan;

    if (plan->canary_count > s->actor_cap) {
        struct actor *actors = realloc(s->actors, plan->canary_count * sizeof *actors);

        if (!actors)
            return -ENOMEM;
        s->actors = actors;
        s->actor_cap = plan->canary_count;
    }
    evq_clear(&s->queue);
    s->failed = false;
    s->changes_left = plan->change_count;
    for (uint32_t i = 0; i < plan->change_count; i++)
        push(s, s->epoch_ms + plan->changes[i].at_ms, EV_CHANGE, i, 0);
    for (uint32_t i = 0; i < plan->canary_count; i++) {
        struct actor *a = &s->actors[i];

        memset(a, 0, sizeof *a);
        rollout_init(&a->rollout);
        world_init(&a->world, &plan->canaries[i], i, s->options, s->epoch_ms);
        a->pods_ms = MS_NEVER;
        push(s, s->epoch_ms + plan->canaries[i].born_ms, EV_BORN, i, 0);
    }
    return s->failed ? -ENOMEM : 0;
}

static void conclude(struct sim *s, struct canary_result *results)
{
    for (uint32_t i = 0; i < s->plan->canary_count; i++) {
        struct actor *a = &s->actors[i];

        if (a->lost > 0)
            a->result.outage_ms += s->now_ms - a->lost_since_ms;
        a->result.status = a->world.stored;
        a->result.primary_weight = a->world.primary_weight;
        a->result.canary_weight = a->world.canary_weight;
        a->result.gone = a->world.gone;
        a->world.now_ms = s->now_ms;
        world_conclude(&a->world, &a->result);
        if (results)
            results[i] = a->result;
    }
}

int sim_run(struct sim *s, const struct sim_plan *plan, const struct sim_options *options,
            const struct sink *sink, struct canary_result *ret_results, ms_t *ret_end_ms)
{
    ms_t end = plan->until_ms < plan->limit_ms ? plan->until_ms : plan->limit_ms;
    struct sim_event event;
    int error;

    s->plan = plan;
    s->sink = sink;
    s->options = options;
    s->epoch_ms = s->now_ms = plan->info.epoch_ms;
    error = prepare(s);
    if (error)
        return error;
    while (!s->failed && !all_quiet(s) && evq_pop(&s->queue, &event)) {
        if (event.at_ms - s->epoch_ms > end) {
            s->now_ms = s->epoch_ms + end;
            break;
        }
        s->now_ms = event.at_ms;
        dispatch(s, &event);
    }
    if (plan->until_ms != MS_NEVER)
        s->now_ms = s->epoch_ms + end;
    conclude(s, ret_results);
    if (ret_end_ms)
        *ret_end_ms = s->now_ms - s->epoch_ms;
    return s->failed ? -ENOMEM : 0;
}
