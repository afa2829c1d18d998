/*
 * The tick as a table (engine/gates.h): which rows apply, and walking them.
 */
#include "engine/tick.h"

struct gate_row {
    uint32_t need, never; /* facts */
    flow_t (*enter)(struct tick *t);
    flow_t (*answered)(struct tick *t, const struct answer *a);
};

static const struct gate_row gates[GATE_COUNT] = {
#define GATE_ROW(row, gate, need, never, enter, answered)                                          \
    [G_##row] = {need, never, enter, answered},
    GATES(GATE_ROW)
#undef GATE_ROW
};
_Static_assert(GATE_COUNT <= GATES_MAX, "rollout.next has a place for each row");
_Static_assert(METRIC_RATE == 0 && METRIC_DURATION == 1 && METRIC_INLINE == 2 &&
                   METRIC_TEMPLATE == 3,
               "metric_checks_of() counts them so");

/* Rows that ask nothing. */
flow_t gate_never_answered(struct tick *t, const struct answer *a)
{
    (void)t;
    (void)a;
    return END;
}

/* ---- facts ---- */

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

/* The links for the facts of this tick: most ticks have those of the one before, or of an earlier
 * life. */
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

void tick_set_facts(struct tick *t)
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
    if (t->hand && t->hand->ok.outcome == OUTCOME_OK &&
        (t->hand->kinds & SETUP_KINDS) == SETUP_KINDS)
        r->facts |= F_SETTLED;
    choose_rows(t);
}

/* ---- stepping ---- */

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

/* Routes with session affinity: their cookies are stored first, and asked for in their stead. */
static void put_cookies_first(struct tick *t)
{
    struct ask *q = &t->out->ask;

    if (q->kind == ASK_ROUTES_SET && t->s->analysis.has_session_affinity &&
        spec_deviates(t->s, DEV_COOKIES_FIRST))
        q->kind = ASK_COOKIES;
}

/* The cookies are stored: now the routes themselves, or the error as an event. */
static void cookies_answered(struct tick *t, unsigned row, const struct answer *a)
{
    struct rollout *r = t->r;

    if (a->outcome != OUTCOME_OK) {
        raw(t, a);
        end_tick(t);
        return;
    }
    ask_routes(t, r->next_primary, r->next_canary, r->next_mirrored);
    open_ask(t, row);
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
    put_cookies_first(t);
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
    if (r->ask_kind == ASK_COOKIES) {
        cookies_answered(&t, row, answer);
        return;
    }
    if (r->ask_kind == ASK_SAVE)
        save_answered(&t, answer);
    walk(&t, row, gates[row].answered(&t, answer));
}
