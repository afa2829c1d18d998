/*
 * The tick as a table. Each row is one gate: when it applies, what it asks, what its answer means.
 * A tick walks the rows from the top; a row either asks something, ends the tick, goes on with the
 * next row or jumps to a named one. To know what happens after the rollback hooks, read the row
 * below theirs.
 *
 * Gate numbers and the order are those of docs/engine/semantics.md §3.
 */
#include "engine/engine.h"

#include <assert.h>
#include <string.h>

#include "engine/judge.h"
#include "engine/num.h"

/* ---- the rows
 * --------------------------------------------------------------------------------------- */

enum gate {
    /* set-up */
    G_LOAD,
    G_COMMAND,
    G_COMMAND_SAVE,
    G_SUSPEND,
    G_SERVICES,
    G_PROVIDERS,
    G_EARLY_MESH,
    G_PRIMARY_INIT,
    G_SCALER_INIT,
    G_SCALER_PAUSE,
    G_APEX,
    G_SCALE_DOWN,
    G_MESH,
    G_INITIALISED_SAVE,
    G_INITIALISED_LOAD,
    /* advance? */
    G_FAILED_SYNC,
    G_DETECT_TARGET,
    G_DETECT_CONFIGS,
    G_UNCHANGED,
    G_PRIMARY_READY,
    G_ROUTES,
    /* start */
    G_STATUS_GAUGE,
    G_START_ABORT,
    G_START_ROLLBACK_HOOKS,
    G_CONFIRM_ROLLOUT,
    G_NEW_REVISION,
    G_START_RESUME,
    G_START_SCALE,
    G_START_SAVE,
    G_WAITING_SAVE,
    /* decide */
    G_RESTART_TARGET,
    G_RESTART_CONFIGS,
    G_RESTART_REVERTED,
    G_RESTART_ROUTES,
    G_RESTART_SAVE,
    G_CANARY_READY,
    G_SKIP_BEGIN,
    G_SKIP_ROUTES,
    G_SKIP_PROMOTE,
    G_SKIP_PROMOTED_SAVE,
    G_SKIP_SCALER,
    G_SKIP_PAUSE,
    G_SKIP_SCALE_ZERO,
    G_SKIP_SAVE,
    G_ABORT,
    G_ROLLBACK_HOOKS,
    G_PROMOTING_SCALER,
    G_SHIFT_ROUTES,
    G_SHIFT_SAVE,
    G_FINALISING_ROUTES,
    G_FINALISING_PAUSE,
    G_FINALISING_SCALE_ZERO,
    G_FINALISING_SAVE,
    G_THRESHOLD,
    G_PROMOTE_NOW,
    G_ANALYSIS_BEGIN,
    G_PRE_ROLLOUT,
    G_ROLLOUT_HOOKS,
    G_METRICS_OPEN,
    G_BUILTIN_METRICS,
    G_TEMPLATE_METRICS,
    G_DISPATCH,
    /* strategies */
    G_CONFIRM_TRAFFIC,
    G_CANARY_STEP,
    G_CANARY_SAVE,
    G_AB_ROUTES,
    G_BLUE_GREEN_MIRROR,
    G_ITERATION_SAVE,
    G_CONFIRM_PROMOTION,
    G_PROMOTION_REFUSED_SAVE,
    G_BLUE_GREEN_SWITCH,
    G_BLUE_GREEN_SAVE,
    G_PROMOTE,
    G_PROMOTE_SAVE,
    G_CHECK_FAILED_SAVE,
    /* rollback */
    G_ROLLBACK,
    G_ROLLBACK_PRIMARY,
    G_ROLLBACK_CANARY,
    G_ROLLBACK_ROUTES,
    G_ROLLBACK_PAUSE,
    G_ROLLBACK_SCALE_ZERO,
    G_ROLLBACK_SAVE,
    /* failed promotion */
    G_PROMOTION_FAILED,
    G_PROMOTION_FAILED_RESUME,
    G_PROMOTION_FAILED_SCALE,
    G_PROMOTION_FAILED_READY,
    G_PROMOTION_FAILED_ROUTES,
    G_PROMOTION_FAILED_SAVE,
    /* the target went back to the promoted revision */
    G_CANCEL_ROUTES,
    G_CANCEL_PAUSE,
    G_CANCEL_SCALE_ZERO,
    G_CANCEL_SAVE,
    /* the canary has lost its pods under way */
    G_RESCALE_RESUME,
    G_RESCALE,
    G_POST_ROLLOUT,
    /* the finalizer of a deleted Canary: a program of its own */
    G_FINALIZE_LOAD,
    G_FINALIZE_SAVE,
    G_FINALIZE_RESUME,
    G_FINALIZE_TARGET,
    G_FINALIZE_READY,
    G_FINALIZE_ROUTER,
    G_FINALIZE_REMOVE,
    GATE_COUNT
};

/* What a row does next: another row (>= 0), or one of these. */
typedef int flow_t;
#define NEXT (-1)
#define ASKED (-2)
#define AGAIN (-3)
#define END (-4)

/* When rows apply: facts about this tick. */
enum fact {
    F_INITIALISING = 1 << 0, /* phase "" or Initializing */
    F_IN_PROGRESS = 1 << 1,  /* Waiting, Progressing, WaitingPromotion, Promoting, Finalising */
    F_STARTING = 1 << 2,     /* none of the phases that come after the start */
    F_ANALYSING = 1 << 3,    /* Progressing, WaitingPromotion */
    F_PROMOTING = 1 << 4,
    F_FINALISING = 1 << 5,
    F_FAILED = 1 << 6,
    F_WAITING = 1 << 7,
    F_SCALER = 1 << 8,
    F_SKIP = 1 << 9,     /* skipAnalysis */
    F_APPMESH = 1 << 10, /* routes are reconciled before the primary */
    F_TRACKED = 1 << 11, /* ConfigMaps and Secrets are tracked */
    F_SUSPEND = 1 << 12,
    F_COMMAND = 1 << 13,          /* a person's command, a pause or an unfinished rollback */
    F_JUMP = 1 << 14,             /* never true: the row is reached by a jump only */
    F_EARLY_SYNC = 1 << 15,       /* not keep-revision */
    F_SKIP_BLIND = 1 << 16,       /* skipAnalysis without skip-waits: nothing is waited for */
    F_ROLLBACK_WAITING = 1 << 17, /* rollback-while-waiting */
    F_OWN_SERVER = 1 << 18,       /* metricsServer or Knative: a client is opened for each pass */
    F_SETTLED = 1 << 20,          /* the plain set-up asks are known to succeed */
    F_DETECT_WAITING = 1 << 19,   /* revert-while-waiting, in phase Waiting */
};

struct tick {
    struct rollout *r;
    const struct spec *s;
    struct step *out;
    struct hand *hand;   /* answers at hand, or NULL */
    const uint8_t *next; /* the row that follows each row */
};

struct gate_row {
    const char *id;
    uint32_t need, never; /* facts */
    flow_t (*enter)(struct tick *t);
    flow_t (*answered)(struct tick *t, const struct answer *a);
};

static const struct gate_row gates[GATE_COUNT];
_Static_assert(GATE_COUNT <= GATES_MAX, "rollout.next has a place for each row");
_Static_assert(METRIC_RATE == 0 && METRIC_DURATION == 1 && METRIC_INLINE == 2 &&
                   METRIC_TEMPLATE == 3,
               "metric_checks_of() counts them so");

/* ---- facts
 * ------------------------------------------------------------------------------------------ */

static uint32_t phase_facts(enum phase phase)
{
    switch (phase) {
    case PHASE_NONE:
    case PHASE_INITIALIZING:
        return F_INITIALISING | F_STARTING;
    case PHASE_WAITING:
        return F_IN_PROGRESS | F_STARTING | F_WAITING;
    case PHASE_PROGRESSING:
    case PHASE_WAITING_PROMOTION:
        return F_IN_PROGRESS | F_ANALYSING;
    case PHASE_PROMOTING:
        return F_IN_PROGRESS | F_PROMOTING;
    case PHASE_FINALISING:
        return F_IN_PROGRESS | F_FINALISING;
    case PHASE_FAILED:
        return F_STARTING | F_FAILED;
    case PHASE_INITIALIZED:
    case PHASE_SUCCEEDED:
    case PHASE_TERMINATING:
    case PHASE_TERMINATED:
    case PHASE_COUNT:
        break;
    }
    return F_STARTING;
}

static uint32_t spec_facts(const struct spec *s)
{
    uint32_t facts = 0;

    facts |= s->has_autoscaler ? F_SCALER : 0u;
    facts |= s->skip_analysis ? F_SKIP : 0u;
    facts |= s->skip_analysis && !spec_deviates(s, DEV_SKIP_WAITS) ? F_SKIP_BLIND : 0u;
    facts |= s->provider_is_appmesh ? F_APPMESH : 0u;
    facts |= s->tracks_configs ? F_TRACKED : 0u;
    facts |= s->suspend ? F_SUSPEND : 0u;
    facts |= !spec_deviates(s, DEV_KEEP_REVISION) ? F_EARLY_SYNC : 0u;
    facts |= spec_deviates(s, DEV_ROLLBACK_WHILE_WAITING) ? F_ROLLBACK_WAITING : 0u;
    facts |= s->metrics_server || s->provider_is_knative ? F_OWN_SERVER : 0u;
    return facts;
}

static bool row_applies(uint32_t facts, const struct gate_row *g)
{
    return (facts & g->need) == g->need && (facts & g->never) == 0;
}

/* Which row comes after which under these facts. GATE_COUNT ends the table; it is never empty. */
static void link_rows(uint32_t facts, uint8_t *next)
{
    unsigned following = GATE_COUNT;

    for (unsigned row = GATE_COUNT; row-- > 0;) {
        next[row] = (uint8_t)following;
        if (row_applies(facts, &gates[row]))
            following = row;
    }
}

/* The links for the facts of this tick: most ticks have those of the one before, or of an earlier life. */
static void choose_rows(struct tick *t)
{
    struct rollout *r = t->r;
    uint32_t *made_for = &r->next_facts;
    uint8_t *next = r->next;

    if (t->hand) {
        made_for = &t->hand->tables[r->status.phase].facts;
        next = t->hand->tables[r->status.phase].next;
    }
    if (next[0] == 0 || *made_for != r->facts) {
        link_rows(r->facts, next);
        *made_for = r->facts;
    }
    t->next = next;
}

/* Asks whose success means no more than "go on": with answers at hand their rows are left out. */
#define SETUP_KINDS                                                                                \
    (1u << ASK_SERVICES | 1u << ASK_PRIMARY_INIT | 1u << ASK_SCALER_PRIMARY | 1u << ASK_APEX |     \
     1u << ASK_ROUTES_RECONCILE)

static void set_facts(struct tick *t)
{
    struct rollout *r = t->r;

    r->facts = phase_facts((enum phase)r->status.phase) | spec_facts(t->s);
    if (r->command != COMMAND_NONE || (r->memory & (MEMORY_PAUSED | MEMORY_ROLLING_BACK)))
        r->facts |= F_COMMAND;
    if ((r->facts & F_WAITING) && spec_deviates(t->s, DEV_REVERT_WHILE_WAITING)) {
        /* Waiting is watched for a revert like a phase at rest. */
        r->facts |= F_DETECT_WAITING;
        r->facts &= ~(uint32_t)F_IN_PROGRESS;
    }
    if (t->hand && t->hand->ok.outcome == OUTCOME_OK && (t->hand->kinds & SETUP_KINDS) == SETUP_KINDS)
        r->facts |= F_SETTLED;
    choose_rows(t);
}

static bool has(const struct tick *t, uint32_t fact)
{
    return (t->r->facts & fact) != 0;
}

static bool deviates(const struct tick *t, enum deviation d)
{
    return spec_deviates(t->s, d);
}

static bool remembers(const struct tick *t, uint32_t flag)
{
    return (t->r->memory & flag) != 0;
}

/* Only the default profile has a memory beyond Flagger's status. */
static void remember(struct tick *t, uint32_t flag)
{
    t->r->memory |= flag;
}

/* A new rollout or a restart: what was asked, alerted or counted belongs to the one before. */
static void forget_rollout(struct tick *t)
{
    t->r->memory &= MEMORY_PAUSED | MEMORY_PRIMARY_LOST;
    memset(t->r->judges, 0, sizeof t->r->judges);
}

/* ---- notes
 * ------------------------------------------------------------------------------------------ */

static struct note *add_note(struct tick *t, enum note_kind kind, unsigned id)
{
    struct note *n;

    if (t->hand) {
        t->hand->notes++;
        if (t->hand->quiet)
            return &t->out->notes[0];
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

static struct note *event(struct tick *t, enum event_id id)
{
    return add_note(t, NOTE_EVENT, id);
}

static void event_in(struct tick *t, enum event_id id, enum phase payload)
{
    event(t, id)->phase = (uint8_t)payload;
}

static void event_hook(struct tick *t, enum event_id id, uint32_t hook)
{
    event(t, id)->index = (uint16_t)hook;
}

static void add_text(struct note *n, const struct answer *a)
{
    n->text = a->text;
    n->text_len = a->text ? a->text_len : 0;
    n->subject = a->subject;
}

static struct note *alert(struct tick *t, enum alert_id id)
{
    struct note *n = add_note(t, NOTE_ALERT, id);

    n->a = t->r->status.failed_checks;
    return n;
}

/* Alert, but where the profile says so only the first time in this rollout. */
static void alert_once(struct tick *t, enum alert_id id, uint32_t flag, const struct answer *a)
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

static void gauge_status(struct tick *t, enum phase phase)
{
    add_note(t, NOTE_GAUGE, GAUGE_STATUS)->a = phase_gauge(phase);
}

static void gauge_weights(struct tick *t, int32_t primary, int32_t canary)
{
    struct note *n = add_note(t, NOTE_GAUGE, GAUGE_WEIGHT);

    n->a = primary;
    n->b = canary;
}

static void count(struct tick *t, enum gauge_id id, enum analysis_status status)
{
    add_note(t, NOTE_GAUGE, id)->a = (int32_t)status;
}

static void log_error(struct tick *t, enum log_id id, const struct answer *a)
{
    add_text(add_note(t, NOTE_LOG, id), a);
}

/* The error verbatim as an event; the tick ends and the next one retries from the top. */
static flow_t raw(struct tick *t, const struct answer *a)
{
    add_text(event(t, EVENT_RAW), a);
    return END;
}

static flow_t raw_or_next(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? NEXT : raw(t, a);
}

/* ---- asks
 * ------------------------------------------------------------------------------------------- */

static struct ask *ask(struct tick *t, enum ask_kind kind)
{
    struct ask *q = &t->out->ask;

    memset(q, 0, sizeof *q);
    q->kind = (uint8_t)kind;
    return q;
}

static flow_t just_ask(struct tick *t, enum ask_kind kind)
{
    ask(t, kind);
    return ASKED;
}

static flow_t ask_routes(struct tick *t, int32_t primary, int32_t canary, bool mirror)
{
    struct ask *q = ask(t, ASK_ROUTES_SET);

    q->primary = (int16_t)primary;
    q->canary = (int16_t)canary;
    q->flag = mirror;
    t->r->next_primary = primary;
    t->r->next_canary = canary;
    t->r->next_mirrored = mirror;
    return ASKED;
}

static struct save *start_save(struct tick *t, enum save_op op)
{
    struct save *save = &t->r->saving;

    memset(save, 0, sizeof *save);
    save->op = (uint8_t)op;
    save->memory = t->r->memory;
    return save;
}

static flow_t ask_save(struct tick *t)
{
    ask(t, ASK_SAVE)->save = t->r->saving;
    return ASKED;
}

static flow_t save_sync(struct tick *t, enum phase phase, int32_t weight, int32_t failed,
                        int32_t iterations)
{
    struct save *save = start_save(t, SAVE_SYNC);

    save->phase = (uint8_t)phase;
    save->weight = weight;
    save->failed_checks = failed;
    save->iterations = iterations;
    return ask_save(t);
}

/* As save_sync, for the end of a rollout: of the memory only `kept` outlives it, once it is stored.
 */
static flow_t save_end(struct tick *t, enum phase phase, int32_t weight, uint32_t kept)
{
    save_sync(t, phase, weight, 0, 0);
    t->r->saving.memory &= MEMORY_PAUSED | kept;
    return ask_save(t);
}

static flow_t save_phase(struct tick *t, enum phase phase)
{
    struct save *save = start_save(t, SAVE_PHASE);

    save->phase = (uint8_t)phase;
    if (phase == PHASE_WAITING_PROMOTION)
        save->iterations = t->r->iterations - 1;
    return ask_save(t);
}

static flow_t save_iterations(struct tick *t, int32_t iterations)
{
    start_save(t, SAVE_ITERATIONS)->iterations = iterations;
    return ask_save(t);
}

/* ---- hooks
 * ------------------------------------------------------------------------------------------ */

/* Ask the next hook of a type from the cursor on; NEXT when there is none left. */
static flow_t next_hook(struct tick *t, enum hook_type type, enum phase payload)
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

static flow_t hook_passed(struct tick *t, enum event_id id)
{
    event_hook(t, id, t->r->cursor);
    t->r->cursor++;
    return AGAIN;
}

static bool hook_is_muted(const struct tick *t)
{
    return t->s->analysis.hooks[t->r->cursor].mute_alert;
}

/* ---- set-up, G01 to G14
 * ----------------------------------------------------------------------------- */

static flow_t load_enter(struct tick *t)
{
    return just_ask(t, ASK_LOAD);
}

static flow_t load_answered(struct tick *t, const struct answer *a)
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
    if (deviates(t, DEV_SAFE_ROLLBACK) && r->status.phase == PHASE_FAILED &&
        r->status.canary_weight == WEIGHT_TOTAL)
        remember(t, MEMORY_PRIMARY_LOST);
    r->iterations = t->s->analysis.iterations;
    r->match = t->s->analysis.match_count > 0;
    set_facts(t);
    return NEXT;
}

static void refuse_command(struct tick *t)
{
    event(t, EVENT_COMMAND_REFUSED)->a = t->r->command;
    t->r->command = COMMAND_NONE;
}

/* Pause and resume act here; the others wait for their gates further down. */
static flow_t command_enter(struct tick *t)
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

static flow_t command_save_enter(struct tick *t)
{
    start_save(t, SAVE_MEMORY);
    return ask_save(t);
}

static flow_t command_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK) {
        t->r->memory ^= MEMORY_PAUSED; /* not stored: ask again next tick */
        return raw(t, a);
    }
    t->r->command = COMMAND_NONE;
    return remembers(t, MEMORY_PAUSED) ? END : NEXT;
}

static flow_t suspend_enter(struct tick *t)
{
    event(t, EVENT_SUSPEND);
    return END;
}

static flow_t services_enter(struct tick *t)
{
    return just_ask(t, ASK_SERVICES);
}

static flow_t providers_enter(struct tick *t)
{
    return just_ask(t, ASK_PROVIDERS);
}

static flow_t providers_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        event(t, EVENT_PROV_OK);
    else
        add_text(event(t, EVENT_PROV_ERR), a);
    return NEXT; /* never blocks */
}

static flow_t mesh_enter(struct tick *t)
{
    return just_ask(t, ASK_ROUTES_RECONCILE);
}

static flow_t primary_init_enter(struct tick *t)
{
    ask(t, ASK_PRIMARY_INIT)->flag = has(t, F_INITIALISING) && !has(t, F_SKIP_BLIND);
    return ASKED;
}

static flow_t primary_init_answered(struct tick *t, const struct answer *a)
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

static flow_t scaler_init_enter(struct tick *t)
{
    ask(t, ASK_SCALER_PRIMARY)->flag = true;
    return ASKED;
}

static flow_t scaler_pause_enter(struct tick *t)
{
    return just_ask(t, ASK_SCALER_PAUSE);
}

static flow_t apex_enter(struct tick *t)
{
    return just_ask(t, ASK_APEX);
}

static flow_t scale_zero_enter(struct tick *t)
{
    return just_ask(t, ASK_SCALE_ZERO);
}

static flow_t scale_down_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return NEXT;
    add_text(event(t, EVENT_SCALE0_ERR), a);
    return END;
}

static flow_t initialised_save_enter(struct tick *t)
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

static flow_t initialised_save_answered(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? NEXT : raw_prefixed(t, a, RAW_SYNC_FAILED);
}

static flow_t initialised_load_answered(struct tick *t, const struct answer *a)
{
    struct rollout *r = t->r;

    if (a->outcome != OUTCOME_OK)
        return raw_prefixed(t, a, RAW_GET_FAILED);
    if (a->status)
        r->stored = *a->status;
    r->status.phase = PHASE_INITIALIZED;
    r->status.applied = r->stored.applied;
    r->status.configs = r->stored.configs;
    set_facts(t);
    gauge_status(t, PHASE_INITIALIZED);
    event(t, EVENT_INIT);
    alert(t, ALERT_INITIALIZED);
    return NEXT;
}

/* ---- G15: is there anything to do?
 * ------------------------------------------------------------------ */

static flow_t failed_sync_enter(struct tick *t)
{
    const struct status *st = &t->r->status;

    return save_sync(t, PHASE_FAILED, st->canary_weight, st->failed_checks, st->iterations);
}

static bool target_changed(const struct tick *t)
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

static flow_t target_enter(struct tick *t)
{
    return just_ask(t, ASK_TARGET);
}

static flow_t detect_target_answered(struct tick *t, const struct answer *a)
{
    struct rollout *r = t->r;

    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    r->target = a->target;
    r->configs_now = r->status.configs;
    if (r->command == COMMAND_RETRY && has(t, F_FAILED)) {
        event(t, EVENT_RETRIED);
        return G_PRIMARY_READY;
    }
    /* While waiting the stored hash is still the one before: any revision but the promoted goes on.
     */
    return target_changed(t) ? G_PRIMARY_READY : NEXT;
}

static flow_t configs_enter(struct tick *t)
{
    return just_ask(t, ASK_CONFIGS);
}

static flow_t detect_configs_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    t->r->configs_now = a->configs;
    return a->configs != t->r->status.configs ? G_PRIMARY_READY : NEXT;
}

static flow_t unchanged_enter(struct tick *t)
{
    struct rollout *r = t->r;
    const struct status *st = &r->status;
    bool lost = remembers(t, MEMORY_PRIMARY_LOST);

    if (r->command != COMMAND_NONE)
        refuse_command(t);
    if (has(t, F_DETECT_WAITING)) {
        event(t, EVENT_REVERTED);
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

static flow_t unchanged_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_status(t, (enum phase)t->r->stored.phase);
    return END;
}

/* ---- G16, G17
 * --------------------------------------------------------------------------------------- */

static flow_t primary_ready_enter(struct tick *t)
{
    return just_ask(t, ASK_PRIMARY_READY);
}

static flow_t primary_ready_answered(struct tick *t, const struct answer *a)
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

static flow_t routes_enter(struct tick *t)
{
    return just_ask(t, ASK_ROUTES_GET);
}

static flow_t routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    t->r->primary = a->primary;
    t->r->canary = a->canary;
    t->r->mirrored = a->mirrored;
    gauge_weights(t, a->primary, a->canary);
    return NEXT;
}

/*
 * May all traffic go to the primary? In the default profile only when it was seen ready in this
 * tick, or when the canary has none anyway.
 */
static bool primary_may_serve(const struct tick *t)
{
    return t->r->primary_ready || t->r->canary == 0 || !deviates(t, DEV_SAFE_ROLLBACK);
}

/* ---- G18: start
 * ------------------------------------------------------------------------------------- */

static flow_t status_gauge_enter(struct tick *t)
{
    gauge_status(t, (enum phase)t->r->status.phase);
    t->r->cursor = 0;
    return has(t, F_STARTING) ? NEXT : G_RESTART_TARGET;
}

static flow_t abort_enter(struct tick *t)
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

static flow_t start_rollback_hooks_enter(struct tick *t)
{
    flow_t flow = next_hook(t, HOOK_ROLLBACK, PHASE_WAITING);

    if (flow == NEXT)
        t->r->cursor = 0;
    return flow;
}

static flow_t rollback_hooks_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return hook_passed(t, EVENT_RBH_NO);
    event_hook(t, EVENT_RBH_YES, t->r->cursor);
    event(t, EVENT_RB_MANUAL);
    alert(t, ALERT_MANUAL);
    return G_ROLLBACK;
}

static flow_t confirm_rollout_enter(struct tick *t)
{
    if (t->r->command == COMMAND_PROMOTE)
        return NEXT; /* a person has approved */
    return next_hook(t, HOOK_CONFIRM_ROLLOUT, (enum phase)t->r->stored.phase);
}

static flow_t confirm_rollout_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return hook_passed(t, EVENT_CR_OK);
    return t->r->stored.phase == PHASE_WAITING ? END : G_WAITING_SAVE;
}

static flow_t waiting_save_enter(struct tick *t)
{
    return save_phase(t, PHASE_WAITING);
}

static flow_t waiting_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        log_error(t, LOG_PHASE_FAILED, a);
    event_hook(t, EVENT_CR_HALT, t->r->cursor);
    if (!hook_is_muted(t))
        alert(t, ALERT_CONFIRM_ROLLOUT);
    return END;
}

static flow_t new_revision_enter(struct tick *t)
{
    event_in(t, EVENT_NEWREV, PHASE_PROGRESSING);
    alert(t, ALERT_NEW_REVISION);
    return NEXT;
}

static flow_t scaler_resume_enter(struct tick *t)
{
    return just_ask(t, ASK_SCALER_RESUME);
}

static flow_t scale_up_enter(struct tick *t)
{
    return just_ask(t, ASK_SCALE_UP);
}

static flow_t start_scale_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return NEXT;
    add_text(event(t, EVENT_RAW_E), a);
    return END;
}

static flow_t start_save_enter(struct tick *t)
{
    forget_rollout(t);
    return save_sync(t, PHASE_PROGRESSING, 0, 0, 0);
}

static flow_t start_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK) {
        log_error(t, LOG_SAVE_FAILED, a);
        return END;
    }
    if (t->r->command == COMMAND_RETRY)
        t->r->command = COMMAND_NONE;
    gauge_status(t, PHASE_PROGRESSING);
    return END;
}

/* ---- G19: has the revision changed under way?
 * ------------------------------------------------------- */

static flow_t restart_target_answered(struct tick *t, const struct answer *a)
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

static flow_t restart_configs_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK && a->configs != t->r->status.configs)
        return G_RESTART_ROUTES;
    return NEXT;
}

static flow_t restart_reverted_enter(struct tick *t)
{
    return t->r->reverted ? G_CANCEL_ROUTES : G_CANARY_READY;
}

static flow_t restart_routes_enter(struct tick *t)
{
    event(t, EVENT_RESTART);
    return primary_may_serve(t) ? ask_routes(t, WEIGHT_TOTAL, 0, false) : G_RESTART_SAVE;
}

static flow_t restart_save_enter(struct tick *t)
{
    forget_rollout(t);
    return save_sync(t, PHASE_PROGRESSING, 0, 0, 0);
}

static flow_t raw_or_end(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? END : raw(t, a);
}

/* ---- G20: is the canary ready?
 * ---------------------------------------------------------------------- */

static flow_t canary_ready_enter(struct tick *t)
{
    return just_ask(t, ASK_CANARY_READY);
}

static flow_t canary_ready_answered(struct tick *t, const struct answer *a)
{
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

/* ---- G21: skipAnalysis
 * ------------------------------------------------------------------------------ */

static flow_t skip_begin_enter(struct tick *t)
{
    if (has(t, F_SKIP_BLIND) || has(t, F_PROMOTING | F_FINALISING))
        return NEXT;
    return G_SKIP_PROMOTE; /* copy first, route once the primary runs the new revision */
}

static flow_t skip_routes_enter(struct tick *t)
{
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t skip_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, WEIGHT_TOTAL, 0);
    return has(t, F_SKIP_BLIND) ? NEXT : G_SKIP_SCALER;
}

static flow_t promote_enter(struct tick *t)
{
    event(t, EVENT_COPY);
    return just_ask(t, ASK_PROMOTE);
}

static flow_t skip_promote_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    return has(t, F_SKIP_BLIND) ? G_SKIP_SCALER : G_SKIP_PROMOTED_SAVE;
}

static flow_t promoted_save_enter(struct tick *t)
{
    return save_phase(t, PHASE_PROMOTING);
}

static flow_t scaler_promoted_enter(struct tick *t)
{
    return just_ask(t, ASK_SCALER_PRIMARY);
}

static flow_t succeeded_save_enter(struct tick *t)
{
    save_phase(t, PHASE_SUCCEEDED);
    t->r->saving.memory &= MEMORY_PAUSED;
    return ask_save(t);
}

/* What follows the post-rollout hooks. */
enum after { AFTER_FAILED, AFTER_DONE, AFTER_SKIPPED };

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

static flow_t skip_save_answered(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? succeeded(t, AFTER_SKIPPED) : raw(t, a);
}

/* ---- G22: rollback hooks
 * ---------------------------------------------------------------------------- */

static flow_t rollback_hooks_enter(struct tick *t)
{
    return next_hook(t, HOOK_ROLLBACK, (enum phase)t->r->status.phase);
}

/* ---- G23: promoting
 * --------------------------------------------------------------------------------- */

static flow_t shift_routes_enter(struct tick *t)
{
    struct rollout *r = t->r;
    int32_t step = t->s->analysis.step_weight_promotion, primary, canary;

    if (t->s->provider_is_kubernetes)
        return G_SHIFT_SAVE;
    if (deviates(t, DEV_FINISH_PROMOTION)) {
        if (step < 0)
            step = 0;
        if (step > 0 && r->canary <= 0) {
            r->next_primary = WEIGHT_TOTAL;
            return G_SHIFT_SAVE;
        }
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

static flow_t shift_routes_answered(struct tick *t, const struct answer *a)
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

static flow_t shift_save_enter(struct tick *t)
{
    if (t->s->provider_is_kubernetes || t->r->next_primary == WEIGHT_TOTAL)
        return save_phase(t, PHASE_FINALISING);
    start_save(t, SAVE_WEIGHT)->weight = t->r->next_canary;
    return ask_save(t);
}

/* ---- G24: finalising
 * -------------------------------------------------------------------------------- */

/* A failed promotion that could not be stored may have left the traffic on the canary. */
static flow_t finalising_routes_enter(struct tick *t)
{
    if (t->s->provider_is_kubernetes || t->r->canary == 0 || !deviates(t, DEV_ROUTE_BEFORE_SCALE))
        return NEXT;
    event(t, EVENT_TO_PRIMARY);
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t finalising_save_answered(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? succeeded(t, AFTER_DONE) : raw(t, a);
}

/* ---- G25 to G27: threshold, start of the analysis, checks
 * ------------------------------------------- */

static flow_t threshold_enter(struct tick *t)
{
    return t->r->status.failed_checks >= t->s->analysis.threshold ? G_ROLLBACK : NEXT;
}

static flow_t promote_now_enter(struct tick *t)
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

static flow_t analysis_begin_enter(struct tick *t)
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

static flow_t pre_rollout_enter(struct tick *t)
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

static flow_t pre_rollout_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return hook_passed(t, EVENT_PRE_OK);
    return check_hook_failed(t, EVENT_PRE_FAIL, a);
}

static flow_t rollout_hooks_enter(struct tick *t)
{
    flow_t flow = next_hook(t, HOOK_ROLLOUT, PHASE_PROGRESSING);

    if (flow == NEXT)
        t->r->cursor = 0;
    return flow;
}

static flow_t rollout_hooks_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return check_hook_failed(t, EVENT_RO_FAIL, a);
    t->r->cursor++;
    return AGAIN;
}

static flow_t metrics_open_enter(struct tick *t)
{
    return just_ask(t, ASK_METRICS_OPEN);
}

static flow_t metrics_open_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return NEXT;
    add_text(event(t, a->cause == CAUSE_KNATIVE ? EVENT_M_KNATIVE : EVENT_M_CLIENT), a);
    return G_CHECK_FAILED_SAVE;
}

static flow_t ask_metric(struct tick *t, uint32_t index, enum metric_ask what)
{
    struct ask *q = ask(t, ASK_METRIC);

    q->index = (uint16_t)index;
    q->metric = (uint8_t)what;
    return ASKED;
}

/* The first pass asks up to three things of each metric: cursor = metric * 4 + which. */
static flow_t builtin_metrics_enter(struct tick *t)
{
    const struct analysis_spec *an = &t->s->analysis;
    struct rollout *r = t->r;

    for (; r->cursor < an->metric_count * 4; r->cursor++) {
        uint32_t index = r->cursor / 4, what = r->cursor % 4;
        if (what != METRIC_TEMPLATE && (metric_checks(&an->metrics[index]) >> what & 1))
            return ask_metric(t, index, (enum metric_ask)what);
    }
    r->cursor = 0;
    return NEXT;
}

static flow_t template_metrics_enter(struct tick *t)
{
    const struct analysis_spec *an = &t->s->analysis;
    struct rollout *r = t->r;

    for (; r->cursor < an->metric_count; r->cursor++) {
        unsigned checks = metric_checks(&an->metrics[r->cursor]);
        if (checks >> METRIC_TEMPLATE & 1)
            return ask_metric(t, r->cursor, METRIC_TEMPLATE);
        if ((checks & METRIC_CHECKS) == 0) {
            event(t, EVENT_M_NOTHING)->index = (uint16_t)r->cursor;
            return G_CHECK_FAILED_SAVE;
        }
    }
    return NEXT;
}

static struct note *metric_event(struct tick *t, enum event_id id, const struct ask *q,
                                 const struct answer *a)
{
    struct note *n = event(t, id);

    n->index = q->index;
    n->detail = q->metric;
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

    if (!(ms > -9.2e18 && ms < 9.2e18))
        return 0;
    if (ms > -9e12 && ms < 9e12)
        return (double)(int64_t)ms;
    wrapped = (uint64_t)(int64_t)ms * 1000000u;
    memcpy(&ns, &wrapped, sizeof ns);
    return (double)ns / 1e6;
}

/* Which bound a value breaks: an event, or EVENT_COUNT for none; *ret_bound is the bound. */
static enum event_id broken_bound(const struct metric_spec *m, enum metric_ask what, double value,
                                  double *ret_bound)
{
    bool duration = what == METRIC_DURATION, rate = what == METRIC_RATE;
    double min = duration ? whole_ms(m->range.min) : m->range.min;
    double max = duration ? whole_ms(m->range.max) : m->range.max;

    if (m->has_range) {
        if (m->range.has_min && value < min) {
            *ret_bound = min;
            return rate ? EVENT_M_RATE_LOW : duration ? EVENT_M_DUR_LOW : EVENT_M_VAL_LOW;
        }
        if (m->range.has_max && value > max) {
            *ret_bound = max;
            return rate ? EVENT_M_RATE_HIGH : duration ? EVENT_M_DUR_HIGH : EVENT_M_VAL_HIGH;
        }
        return EVENT_COUNT;
    }
    /* The deprecated threshold: a minimum for the rate, a maximum elsewhere. */
    *ret_bound = duration ? whole_ms(m->threshold) : m->threshold;
    if (rate)
        return *ret_bound > value ? EVENT_M_RATE_LOW : EVENT_COUNT;
    if (value > *ret_bound)
        return duration ? EVENT_M_DUR_HIGH : EVENT_M_VAL_HIGH;
    return EVENT_COUNT;
}

static flow_t judge_value(struct tick *t, const struct ask *q, const struct answer *a, double value)
{
    const struct metric_spec *m = &t->s->analysis.metrics[q->index];
    struct judge_state spare, *state;
    double bound = 0;
    enum event_id broken = broken_bound(m, (enum metric_ask)q->metric, value, &bound);
    bool outside = broken != EVENT_COUNT;
    struct note *n;

    if (m->judge.kind == JUDGE_THRESHOLD && m->judge.min_samples == 0 && !outside) {
        t->r->cursor++;
        return AGAIN;
    }
    memset(&spare, 0, sizeof spare);
    state = q->index < JUDGED_METRICS_MAX ? &t->r->judges[q->index] : &spare;
    switch (judge_look(state, &m->judge, outside, a)) {
    case VERDICT_PASS:
        t->r->cursor++;
        return AGAIN;
    case VERDICT_WAIT:
        metric_event(t, EVENT_M_WAIT, q, a)->x = (double)a->canary_requests;
        return END;
    case VERDICT_FAIL:
        break;
    }
    n = metric_event(t, outside ? broken : EVENT_M_JUDGED, q, a);
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

static flow_t metric_value(struct tick *t, const struct ask *q, const struct answer *a)
{
    double value = a->value;
    struct note *n;

    if (!num_is_finite(value) && deviates(t, DEV_FINITE_VALUES)) {
        metric_event(t, EVENT_M_NOT_FINITE, q, a)->x = value;
        return G_CHECK_FAILED_SAVE;
    }
    if (q->metric == METRIC_DURATION)
        value = whole_ms(value);
    n = add_note(t, NOTE_GAUGE, GAUGE_ANALYSIS);
    n->index = q->index;
    n->x = q->metric == METRIC_DURATION ? seconds(value) : value;
    return judge_value(t, q, a, value);
}

static flow_t metric_answered(struct tick *t, const struct answer *a, uint32_t index,
                              enum metric_ask what)
{
    struct ask q;

    memset(&q, 0, sizeof q);
    q.index = (uint16_t)index;
    q.metric = (uint8_t)what;
    if (a->outcome == OUTCOME_OK)
        return metric_value(t, &q, a);
    if (a->outcome == OUTCOME_NO_VALUE)
        metric_event(t, no_value_event(what), &q, a);
    else
        metric_event(t, error_event(what, a->cause), &q, a);
    return G_CHECK_FAILED_SAVE;
}

static flow_t builtin_metrics_answered(struct tick *t, const struct answer *a)
{
    return metric_answered(t, a, t->r->cursor / 4, (enum metric_ask)(t->r->cursor % 4));
}

static flow_t template_metrics_answered(struct tick *t, const struct answer *a)
{
    return metric_answered(t, a, t->r->cursor, METRIC_TEMPLATE);
}

static flow_t check_failed_save_enter(struct tick *t)
{
    start_save(t, SAVE_FAILED_CHECKS)->failed_checks = t->r->status.failed_checks + 1;
    return ask_save(t);
}

/* ---- G28, G29: the strategies
 * ----------------------------------------------------------------------- */

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

static flow_t dispatch_enter(struct tick *t)
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

static flow_t confirm_traffic_enter(struct tick *t)
{
    flow_t flow = next_hook(t, HOOK_CONFIRM_TRAFFIC_INCREASE, PHASE_PROGRESSING);

    return flow == NEXT ? G_CANARY_STEP : flow;
}

static flow_t confirm_traffic_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK)
        return hook_passed(t, EVENT_CTI_OK);
    event_hook(t, EVENT_CTI_HALT, t->r->cursor);
    if (!hook_is_muted(t))
        alert(t, ALERT_CONFIRM_TRAFFIC);
    return END;
}

static flow_t canary_step_enter(struct tick *t)
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

static flow_t canary_save_enter(struct tick *t)
{
    start_save(t, SAVE_WEIGHT)->weight = t->r->next_canary;
    return ask_save(t);
}

static flow_t canary_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, t->r->next_primary, t->r->next_canary);
    event(t, EVENT_ADV_W)->a = t->r->next_canary;
    return END;
}

static flow_t ab_routes_enter(struct tick *t)
{
    return ask_routes(t, 0, WEIGHT_TOTAL, false);
}

static flow_t ab_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, 0, WEIGHT_TOTAL);
    return G_ITERATION_SAVE;
}

static flow_t blue_green_mirror_enter(struct tick *t)
{
    bool wanted = !t->s->provider_is_kubernetes && t->s->analysis.mirror && !t->r->mirrored;

    return wanted && primary_may_serve(t) ? ask_routes(t, WEIGHT_TOTAL, 0, true) : NEXT;
}

static flow_t blue_green_mirror_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        raw(t, a); /* reported, and the iteration counts all the same */
    return NEXT;
}

static flow_t iteration_save_enter(struct tick *t)
{
    return save_iterations(t, t->r->status.iterations + 1);
}

static flow_t iteration_save_answered(struct tick *t, const struct answer *a)
{
    struct note *n;

    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    n = event(t, EVENT_ADV_IT);
    n->a = t->r->status.iterations + 1;
    n->b = t->r->iterations;
    return END;
}

/* ---- promotion
 * -------------------------------------------------------------------------------------- */

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

static flow_t confirm_promotion_enter(struct tick *t)
{
    flow_t flow = NEXT;

    if (!(deviates(t, DEV_CONFIRM_PROMOTION_ONCE) && remembers(t, MEMORY_PROMOTION_CONFIRMED)))
        flow = next_hook(t, HOOK_CONFIRM_PROMOTION, PHASE_PROGRESSING);
    return flow == NEXT ? promotion_confirmed(t) : flow;
}

static flow_t confirm_promotion_answered(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? hook_passed(t, EVENT_CP_OK) : G_PROMOTION_REFUSED_SAVE;
}

static flow_t promotion_refused_save_enter(struct tick *t)
{
    if (t->r->status.phase != PHASE_WAITING_PROMOTION)
        return save_phase(t, PHASE_WAITING_PROMOTION);
    return save_iterations(t, t->r->iterations - 1);
}

static flow_t promotion_refused_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        log_error(t, LOG_PHASE_FAILED, a);
    if (t->r->status.phase == PHASE_WAITING_PROMOTION)
        return END;
    event_hook(t, EVENT_CP_HALT, t->r->cursor);
    if (!hook_is_muted(t))
        alert(t, ALERT_CONFIRM_PROMOTION);
    return END;
}

static flow_t blue_green_switch_enter(struct tick *t)
{
    if (t->s->provider_is_kubernetes)
        return G_BLUE_GREEN_SAVE;
    event(t, t->s->analysis.mirror ? EVENT_MIRROR_OFF : EVENT_TO_CANARY);
    return ask_routes(t, 0, WEIGHT_TOTAL, false);
}

static flow_t blue_green_switch_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, 0, WEIGHT_TOTAL);
    return NEXT;
}

static flow_t blue_green_save_enter(struct tick *t)
{
    return save_iterations(t, t->r->status.iterations + 1);
}

static flow_t promote_save_enter(struct tick *t)
{
    return save_phase(t, PHASE_PROMOTING);
}

/* ---- §5.1 rollback
 * ---------------------------------------------------------------------------------- */

static flow_t rollback_enter(struct tick *t)
{
    if (deviates(t, DEV_FINISH_ROLLBACK))
        remember(t, MEMORY_ROLLING_BACK);
    if (t->r->status.failed_checks >= t->s->analysis.threshold) {
        event(t, EVENT_RB_THRESHOLD)->a = t->r->status.failed_checks;
        alert_once(t, ALERT_THRESHOLD, MEMORY_THRESHOLD_ALERTED, NULL);
    }
    return deviates(t, DEV_SAFE_ROLLBACK) && !t->r->primary_ready ? NEXT : G_ROLLBACK_ROUTES;
}

static flow_t rollback_primary_answered(struct tick *t, const struct answer *a)
{
    t->r->primary_ready = a->outcome == OUTCOME_OK;
    return t->r->primary_ready ? G_ROLLBACK_ROUTES : NEXT;
}

static flow_t rollback_canary_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return G_ROLLBACK_ROUTES; /* neither side serves; the primary is the one to come back to */
    event(t, EVENT_HELD_ON_CANARY);
    remember(t, MEMORY_PRIMARY_LOST);
    return G_PROMOTION_FAILED_ROUTES;
}

static flow_t rollback_routes_enter(struct tick *t)
{
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t rollback_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a); /* the phase stays, so the whole sequence is repeated */
    event_in(t, EVENT_FAILED, PHASE_FAILED);
    gauge_weights(t, WEIGHT_TOTAL, 0);
    return NEXT;
}

static flow_t rollback_save_enter(struct tick *t)
{
    return save_end(t, PHASE_FAILED, 0, 0);
}

static flow_t failed_save_answered(struct tick *t, const struct answer *a)
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

/* ---- §5.2 failed promotion
 * -------------------------------------------------------------------------- */

static flow_t promotion_failed_enter(struct tick *t)
{
    /* The answer that brought us here is still at hand: the event of its text is the last note. */
    const struct note *cause = &t->out->notes[t->out->note_count - 1];
    struct answer a;

    memset(&a, 0, sizeof a);
    a.text = cause->text;
    a.text_len = cause->text_len;
    add_text(event(t, EVENT_PROMO_FAILED), &a);
    alert_once(t, ALERT_PROMOTION_FAILED, MEMORY_PROMOTION_ALERTED, &a);
    return deviates(t, DEV_SAFE_ROLLBACK) ? NEXT : G_PROMOTION_FAILED_ROUTES;
}

static flow_t resume_if_scaled_enter(struct tick *t)
{
    return has(t, F_SCALER) ? just_ask(t, ASK_SCALER_RESUME) : NEXT;
}

static flow_t promotion_failed_ready_answered(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? NEXT : raw(t, a);
}

static flow_t promotion_failed_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, 0, WEIGHT_TOTAL);
    return NEXT;
}

static flow_t promotion_failed_save_enter(struct tick *t)
{
    if (deviates(t, DEV_SAFE_ROLLBACK))
        remember(t, MEMORY_PRIMARY_LOST);
    return save_end(t, PHASE_FAILED, WEIGHT_TOTAL, MEMORY_PRIMARY_LOST);
}

/* ---- the target went back to the promoted revision: cancel
 * ------------------------------------------ */

static flow_t cancel_routes_enter(struct tick *t)
{
    if (deviates(t, DEV_SAFE_ROLLBACK) && !t->r->primary_ready)
        return END; /* the canary's pods are kept until the primary is back */
    event(t, EVENT_REVERTED);
    return ask_routes(t, WEIGHT_TOTAL, 0, false);
}

static flow_t cancel_routes_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    gauge_weights(t, WEIGHT_TOTAL, 0);
    return NEXT;
}

static flow_t cancel_save_enter(struct tick *t)
{
    return save_end(t, PHASE_SUCCEEDED, 0, 0);
}

static flow_t cancel_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return raw(t, a);
    t->r->command = COMMAND_NONE;
    gauge_status(t, PHASE_SUCCEEDED);
    return END;
}

/* ---- post-rollout hooks, last thing of a rollout
 * ---------------------------------------------------- */

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

static flow_t post_rollout_enter(struct tick *t)
{
    enum phase payload = t->r->after == AFTER_FAILED ? PHASE_FAILED : PHASE_SUCCEEDED;
    flow_t flow = next_hook(t, HOOK_POST_ROLLOUT, payload);

    return flow == NEXT ? post_rollout_end(t) : flow;
}

static flow_t post_rollout_answered(struct tick *t, const struct answer *a)
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

/* ---- §9 the finalizer
 * ------------------------------------------------------------------------------- */

static flow_t finalize_load_answered(struct tick *t, const struct answer *a)
{
    flow_t flow = load_answered(t, a);

    t->r->cursor = 0;
    if (flow == NEXT && t->r->status.phase == PHASE_TERMINATING)
        return G_FINALIZE_RESUME;
    return flow;
}

static flow_t finalize_save_enter(struct tick *t)
{
    return save_phase(t, PHASE_TERMINATING);
}

static flow_t log_and_end(struct tick *t, const struct answer *a)
{
    log_error(t, LOG_FINALIZE_FAILED, a);
    return END;
}

static flow_t log_or_next(struct tick *t, const struct answer *a)
{
    return a->outcome == OUTCOME_OK ? NEXT : log_and_end(t, a);
}

static flow_t finalize_save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return log_and_end(t, a);
    event(t, EVENT_TERMINATING);
    return NEXT;
}

static flow_t finalize_target_enter(struct tick *t)
{
    return just_ask(t, ASK_REVERT_TARGET);
}

/* Waits of 3, 6 and 12 s between attempts, as many as fit the interval. */
static flow_t finalize_ready_enter(struct tick *t)
{
    static const int32_t waits_ms[] = {0, 3000, 6000, 12000};

    ask(t, ASK_CANARY_READY)->wait_ms = waits_ms[t->r->cursor < 4 ? t->r->cursor : 3];
    return ASKED;
}

static flow_t finalize_ready_answered(struct tick *t, const struct answer *a)
{
    ms_t interval = t->s->analysis.interval_ms;
    uint32_t attempts = interval < 12000 ? 2 : interval < 24000 ? 3 : 4;

    if (a->outcome == OUTCOME_OK)
        return NEXT;
    if (a->outcome == OUTCOME_RETRY && ++t->r->cursor < attempts)
        return AGAIN;
    return log_and_end(t, a);
}

static flow_t finalize_router_enter(struct tick *t)
{
    return just_ask(t, ASK_REVERT_ROUTER);
}

static flow_t finalize_remove_enter(struct tick *t)
{
    return just_ask(t, ASK_FINALIZER_REMOVE);
}

static flow_t finalize_remove_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return log_and_end(t, a);
    event(t, EVENT_TERMINATED);
    return END;
}

/* ---- the table
 * -------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct gate_row gates[GATE_COUNT] = {
    /* row                      gate   applies if                    unless             asks                           means */
    [G_LOAD]                 = {"G01", 0,                            0,                 load_enter,                    load_answered},
    [G_COMMAND]              = {"G01", F_COMMAND,                    0,                 command_enter,                 NULL},
    [G_COMMAND_SAVE]         = {"G01", F_JUMP,                       0,                 command_save_enter,            command_save_answered},
    [G_SUSPEND]              = {"G02", F_SUSPEND,                    0,                 suspend_enter,                 NULL},
    [G_SERVICES]             = {"G06", 0,                            F_SETTLED,                 services_enter,                raw_or_next},
    [G_PROVIDERS]            = {"G07", F_INITIALISING,               F_SKIP,            providers_enter,               providers_answered},
    [G_EARLY_MESH]           = {"G08", F_APPMESH,                    F_SETTLED,                 mesh_enter,                    raw_or_next},
    [G_PRIMARY_INIT]         = {"G09", 0,                            F_SETTLED,                 primary_init_enter,            primary_init_answered},
    [G_SCALER_INIT]          = {"G10", F_SCALER,                     F_SETTLED,                 scaler_init_enter,             raw_or_next},
    [G_SCALER_PAUSE]         = {"G10", F_SCALER | F_INITIALISING,    0,                 scaler_pause_enter,            raw_or_next},
    [G_APEX]                 = {"G11", 0,                            F_SETTLED,                 apex_enter,                    raw_or_next},
    [G_SCALE_DOWN]           = {"G12", F_INITIALISING,               0,                 scale_zero_enter,              scale_down_answered},
    [G_MESH]                 = {"G13", 0,                            F_APPMESH | F_SETTLED,         mesh_enter,                    raw_or_next},
    [G_INITIALISED_SAVE]     = {"G14", F_INITIALISING,               0,                 initialised_save_enter,        initialised_save_answered},
    [G_INITIALISED_LOAD]     = {"G14", F_INITIALISING,               0,                 load_enter,                    initialised_load_answered},

    [G_FAILED_SYNC]          = {"G15", F_FAILED | F_EARLY_SYNC,      0,                 failed_sync_enter,             raw_or_next},
    [G_DETECT_TARGET]        = {"G15", 0,                            F_IN_PROGRESS,     target_enter,                  detect_target_answered},
    [G_DETECT_CONFIGS]       = {"G15", F_TRACKED,                    F_IN_PROGRESS,     configs_enter,                 detect_configs_answered},
    [G_UNCHANGED]            = {"G15", 0,                            F_IN_PROGRESS,     unchanged_enter,               unchanged_answered},
    [G_PRIMARY_READY]        = {"G16", 0,                            F_SKIP_BLIND,      primary_ready_enter,           primary_ready_answered},
    [G_ROUTES]               = {"G17", 0,                            0,                 routes_enter,                  routes_answered},

    [G_STATUS_GAUGE]         = {"G18", 0,                            0,                 status_gauge_enter,            NULL},
    [G_START_ABORT]          = {"G18", F_COMMAND | F_WAITING,        0,                 abort_enter,                   NULL},
    [G_START_ROLLBACK_HOOKS] = {"G18", F_WAITING|F_ROLLBACK_WAITING, 0,                 start_rollback_hooks_enter,    rollback_hooks_answered},
    [G_CONFIRM_ROLLOUT]      = {"G18", 0,                            0,                 confirm_rollout_enter,         confirm_rollout_answered},
    [G_NEW_REVISION]         = {"G18", 0,                            0,                 new_revision_enter,            NULL},
    [G_START_RESUME]         = {"G18", F_SCALER,                     0,                 scaler_resume_enter,           raw_or_next},
    [G_START_SCALE]          = {"G18", 0,                            0,                 scale_up_enter,                start_scale_answered},
    [G_START_SAVE]           = {"G18", 0,                            0,                 start_save_enter,              start_save_answered},
    [G_WAITING_SAVE]         = {"G18", F_JUMP,                       0,                 waiting_save_enter,            waiting_save_answered},

    [G_RESTART_TARGET]       = {"G19", F_ANALYSING,                  0,                 target_enter,                  restart_target_answered},
    [G_RESTART_CONFIGS]      = {"G19", F_ANALYSING | F_TRACKED,      0,                 configs_enter,                 restart_configs_answered},
    [G_RESTART_REVERTED]     = {"G19", 0,                            0,                 restart_reverted_enter,        NULL},
    [G_RESTART_ROUTES]       = {"G19", F_JUMP,                       0,                 restart_routes_enter,          raw_or_next},
    [G_RESTART_SAVE]         = {"G19", 0,                            0,                 restart_save_enter,            raw_or_end},
    [G_CANARY_READY]         = {"G20", 0,                            0,                 canary_ready_enter,            canary_ready_answered},
    [G_SKIP_BEGIN]           = {"G21", F_SKIP,                       0,                 skip_begin_enter,              NULL},
    [G_SKIP_ROUTES]          = {"G21", F_SKIP,                       0,                 skip_routes_enter,             skip_routes_answered},
    [G_SKIP_PROMOTE]         = {"G21", F_SKIP,                       0,                 promote_enter,                 skip_promote_answered},
    [G_SKIP_PROMOTED_SAVE]   = {"G21", F_JUMP,                       0,                 promoted_save_enter,           raw_or_end},
    [G_SKIP_SCALER]          = {"G21", F_SKIP | F_SCALER,            0,                 scaler_promoted_enter,         raw_or_next},
    [G_SKIP_PAUSE]           = {"G21", F_SKIP | F_SCALER,            0,                 scaler_pause_enter,            raw_or_next},
    [G_SKIP_SCALE_ZERO]      = {"G21", F_SKIP,                       0,                 scale_zero_enter,              raw_or_next},
    [G_SKIP_SAVE]            = {"G21", F_SKIP,                       0,                 succeeded_save_enter,          skip_save_answered},
    [G_ABORT]                = {"G22", F_COMMAND | F_ANALYSING,      0,                 abort_enter,                   NULL},
    [G_ROLLBACK_HOOKS]       = {"G22", F_ANALYSING,                  0,                 rollback_hooks_enter,          rollback_hooks_answered},
    [G_PROMOTING_SCALER]     = {"G23", F_PROMOTING | F_SCALER,       0,                 scaler_promoted_enter,         raw_or_next},
    [G_SHIFT_ROUTES]         = {"G23", F_PROMOTING,                  0,                 shift_routes_enter,            shift_routes_answered},
    [G_SHIFT_SAVE]           = {"G23", F_PROMOTING,                  0,                 shift_save_enter,              raw_or_end},
    [G_FINALISING_ROUTES]    = {"G24", F_FINALISING,                 0,                 finalising_routes_enter,       raw_or_end},
    [G_FINALISING_PAUSE]     = {"G24", F_FINALISING | F_SCALER,      0,                 scaler_pause_enter,            raw_or_next},
    [G_FINALISING_SCALE_ZERO]= {"G24", F_FINALISING,                 0,                 scale_zero_enter,              raw_or_next},
    [G_FINALISING_SAVE]      = {"G24", F_FINALISING,                 0,                 succeeded_save_enter,          finalising_save_answered},
    [G_THRESHOLD]            = {"G25", 0,                            0,                 threshold_enter,               NULL},
    [G_PROMOTE_NOW]          = {"G26", F_COMMAND,                    0,                 promote_now_enter,             NULL},
    [G_ANALYSIS_BEGIN]       = {"G26", 0,                            0,                 analysis_begin_enter,          NULL},
    [G_PRE_ROLLOUT]          = {"G27", 0,                            0,                 pre_rollout_enter,             pre_rollout_answered},
    [G_ROLLOUT_HOOKS]        = {"G27", 0,                            0,                 rollout_hooks_enter,           rollout_hooks_answered},
    [G_METRICS_OPEN]         = {"G27", F_OWN_SERVER,                 0,                 metrics_open_enter,            metrics_open_answered},
    [G_BUILTIN_METRICS]      = {"G27", 0,                            0,                 builtin_metrics_enter,         builtin_metrics_answered},
    [G_TEMPLATE_METRICS]     = {"G27", 0,                            0,                 template_metrics_enter,        template_metrics_answered},
    [G_DISPATCH]             = {"G29", 0,                            0,                 dispatch_enter,                NULL},

    [G_CONFIRM_TRAFFIC]      = {"§4.6", F_JUMP,                      0,                 confirm_traffic_enter,         confirm_traffic_answered},
    [G_CANARY_STEP]          = {"§4.1", 0,                           0,                 canary_step_enter,             raw_or_next},
    [G_CANARY_SAVE]          = {"§4.1", 0,                           0,                 canary_save_enter,             canary_save_answered},
    [G_AB_ROUTES]            = {"§4.4", F_JUMP,                      0,                 ab_routes_enter,               ab_routes_answered},
    [G_BLUE_GREEN_MIRROR]    = {"§4.5", F_JUMP,                      0,                 blue_green_mirror_enter,       blue_green_mirror_answered},
    [G_ITERATION_SAVE]       = {"§4.5", 0,                           0,                 iteration_save_enter,          iteration_save_answered},
    [G_CONFIRM_PROMOTION]    = {"§4.6", F_JUMP,                      0,                 confirm_promotion_enter,       confirm_promotion_answered},
    [G_PROMOTION_REFUSED_SAVE] = {"§4.6", F_JUMP,                    0,                 promotion_refused_save_enter,  promotion_refused_save_answered},
    [G_BLUE_GREEN_SWITCH]    = {"§4.5", F_JUMP,                      0,                 blue_green_switch_enter,       blue_green_switch_answered},
    [G_BLUE_GREEN_SAVE]      = {"§4.5", 0,                           0,                 blue_green_save_enter,         raw_or_end},
    [G_PROMOTE]              = {"§4.1", F_JUMP,                      0,                 promote_enter,                 raw_or_next},
    [G_PROMOTE_SAVE]         = {"§4.1", 0,                           0,                 promote_save_enter,            raw_or_end},
    [G_CHECK_FAILED_SAVE]    = {"G27", F_JUMP,                       0,                 check_failed_save_enter,       raw_or_end},

    [G_ROLLBACK]             = {"§5.1", F_JUMP,                      0,                 rollback_enter,                NULL},
    [G_ROLLBACK_PRIMARY]     = {"§5.1", 0,                           0,                 primary_ready_enter,           rollback_primary_answered},
    [G_ROLLBACK_CANARY]      = {"§5.1", 0,                           0,                 canary_ready_enter,            rollback_canary_answered},
    [G_ROLLBACK_ROUTES]      = {"§5.1", F_JUMP,                      0,                 rollback_routes_enter,         rollback_routes_answered},
    [G_ROLLBACK_PAUSE]       = {"§5.1", F_SCALER,                    0,                 scaler_pause_enter,            raw_or_next},
    [G_ROLLBACK_SCALE_ZERO]  = {"§5.1", 0,                           0,                 scale_zero_enter,              raw_or_next},
    [G_ROLLBACK_SAVE]        = {"§5.1", 0,                           0,                 rollback_save_enter,           failed_save_answered},

    [G_PROMOTION_FAILED]     = {"§5.2", F_JUMP,                      0,                 promotion_failed_enter,        NULL},
    [G_PROMOTION_FAILED_RESUME] = {"§5.2", 0,                        0,                 resume_if_scaled_enter, raw_or_next},
    [G_PROMOTION_FAILED_SCALE] = {"§5.2", 0,                         0,                 scale_up_enter,                raw_or_next},
    [G_PROMOTION_FAILED_READY] = {"§5.2", 0,                         0,                 canary_ready_enter,            promotion_failed_ready_answered},
    [G_PROMOTION_FAILED_ROUTES] = {"§5.2", 0,                        0,                 ab_routes_enter,               promotion_failed_routes_answered},
    [G_PROMOTION_FAILED_SAVE] = {"§5.2", 0,                          0,                 promotion_failed_save_enter,   failed_save_answered},

    [G_CANCEL_ROUTES]        = {"Q07", F_JUMP,                       0,                 cancel_routes_enter,           cancel_routes_answered},
    [G_CANCEL_PAUSE]         = {"Q07", F_SCALER,                     0,                 scaler_pause_enter,            raw_or_next},
    [G_CANCEL_SCALE_ZERO]    = {"Q07", 0,                            0,                 scale_zero_enter,              raw_or_next},
    [G_CANCEL_SAVE]          = {"Q07", 0,                            0,                 cancel_save_enter,             cancel_save_answered},
    [G_RESCALE_RESUME]       = {"Q26", F_JUMP,                       0,                 resume_if_scaled_enter,          raw_or_next},
    [G_RESCALE]              = {"Q26", 0,                            0,                 scale_up_enter,                raw_or_end},
    [G_POST_ROLLOUT]         = {"§5", F_JUMP,                        0,                 post_rollout_enter,            post_rollout_answered},

    [G_FINALIZE_LOAD]        = {"§9", F_JUMP,                        0,                 load_enter,                    finalize_load_answered},
    [G_FINALIZE_SAVE]        = {"§9", 0,                             0,                 finalize_save_enter,           finalize_save_answered},
    [G_FINALIZE_RESUME]      = {"§9", 0,                             0,                 resume_if_scaled_enter,         log_or_next},
    [G_FINALIZE_TARGET]      = {"§9", 0,                             0,                 finalize_target_enter,         log_or_next},
    [G_FINALIZE_READY]       = {"§9", 0,                             0,                 finalize_ready_enter,          finalize_ready_answered},
    [G_FINALIZE_ROUTER]      = {"§9", 0,                             0,                 finalize_router_enter,         log_or_next},
    [G_FINALIZE_REMOVE]      = {"§9", 0,                             0,                 finalize_remove_enter,         finalize_remove_answered},
};
/* clang-format on */

/* ---- stepping
 * --------------------------------------------------------------------------------------- */

static void open_ask(struct tick *t, unsigned row)
{
    struct rollout *r = t->r;

    r->gate = (uint8_t)row;
    r->ask_kind = t->out->ask.kind;
    r->ask_id = r->ask_id == UINT32_MAX ? 1 : r->ask_id + 1;
    t->out->ask.id = r->ask_id;
}

static void end_tick(struct tick *t)
{
    if (t->r->observed)
        add_note(t, NOTE_GAUGE, GAUGE_DURATION);
    t->r->ask_kind = ASK_NONE;
    memset(&t->out->ask, 0, sizeof t->out->ask);
    t->out->ask.kind = ASK_DONE;
}

static void save_answered(struct tick *t, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return;
    status_apply(&t->r->stored, &t->r->saving, t->s, a->target, a->configs, t->r->now_ms);
    t->r->memory = t->r->saving.memory;
}

/* The answer to the ask just made, if it is at hand. */
static const struct answer *at_hand(struct tick *t)
{
    struct hand *hand = t->hand;
    const struct ask *q = &t->out->ask;

    if ((hand->kinds >> q->kind & 1) == 0)
        return NULL;
    if (q->kind == ASK_METRIC)
        return q->index < hand->metric_count ? &hand->metrics[q->index] : &hand->ok;
    if (q->kind == ASK_HOOK)
        return q->index < hand->hook_count ? &hand->hooks[q->index] : &hand->ok;
    if (q->kind == ASK_SAVE)
        save_answered(t, &hand->ok);
    if (q->kind == ASK_ROUTES_SET && hand->ok.outcome == OUTCOME_OK) {
        hand->ok.primary = q->primary;
        hand->ok.canary = q->canary;
        hand->ok.mirrored = q->flag;
    }
    return &hand->ok;
}

/* A jump lands on its row whatever the facts say, unless the row needs or shuns one of them. */
static unsigned jump_to(const struct tick *t, unsigned row)
{
    return row_applies(t->r->facts | F_JUMP, &gates[row]) ? row : t->next[row];
}

/* From `row` on until something is asked or the tick ends. `flow` is what the row before decided.
 */
static void walk(struct tick *t, unsigned row, flow_t flow)
{
    for (;;) {
        if (flow == NEXT)
            row = t->next[row];
        else if (flow >= 0)
            row = jump_to(t, (unsigned)flow);
        if (flow == END || row >= GATE_COUNT) {
            end_tick(t);
            return;
        }
        flow = gates[row].enter(t);
        if (flow == ASKED) {
            const struct answer *a = t->hand ? at_hand(t) : NULL;
            if (!a)
                break;
            flow = gates[row].answered(t, a);
        }
    }
    open_ask(t, row);
}

void rollout_init(struct rollout *r)
{
    memset(r, 0, sizeof *r);
}

void rollout_load(struct rollout *r, const struct status *status, uint32_t memory)
{
    r->stored = *status;
    r->memory = memory;
    r->ask_kind = ASK_NONE;
}

void rollout_command(struct rollout *r, enum command command)
{
    r->command = (uint8_t)command;
}

static void begin(struct tick *t, enum tick_kind kind, ms_t now_ms)
{
    struct rollout *r = t->r;

    t->out->note_count = 0;
    if (now_ms > r->now_ms)
        r->now_ms = now_ms;
    r->began_ms = r->now_ms;
    r->ticks++;
    r->observed = false;
    r->primary_ready = false;
    r->reverted = false;
    r->mirrored = false;
    r->primary = WEIGHT_TOTAL;
    r->canary = 0;
    r->cursor = 0;
    walk(t, 0, kind == TICK_FINALIZE ? (flow_t)G_FINALIZE_LOAD : (flow_t)G_LOAD);
}

void engine_begin(struct rollout *r, const struct spec *spec, enum tick_kind kind, ms_t now_ms,
                  struct step *out)
{
    struct tick t = {r, spec, out, NULL, r->next};

    begin(&t, kind, now_ms);
}

void engine_run(struct rollout *r, const struct spec *spec, enum tick_kind kind, ms_t now_ms,
                struct hand *hand, struct step *out)
{
    struct tick t = {r, spec, out, hand, r->next};

    begin(&t, kind, now_ms);
}

void engine_answer(struct rollout *r, const struct spec *spec, const struct answer *answer,
                   struct step *out)
{
    struct tick t = {r, spec, out, NULL, r->next};
    unsigned row = r->gate;

    out->note_count = 0;
    if (r->ask_kind == ASK_NONE || answer->id != r->ask_id || row >= GATE_COUNT) {
        memset(&out->ask, 0, sizeof out->ask); /* late or repeated: nothing changes */
        return;
    }
    if (r->ask_kind == ASK_SAVE)
        save_answered(&t, answer);
    walk(&t, row, gates[row].answered(&t, answer));
}
