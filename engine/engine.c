/*
 * The tick as a table (engine/gates.h): which rows apply, and walking them.
 *
 * The gates are included, not linked: a tick passes some twenty of them, most of a few
 * instructions, and a compiler that sees the table and its gates together makes one function of
 * them all, without a call between.
 */
#include "engine/plant.h"
#include "engine/tick.h"

#include "engine/gates_analysis.h"
#include "engine/gates_end.h"
#include "engine/gates_promotion.h"
#include "engine/gates_setup.h"
#include "engine/gates_start.h"

_Static_assert(GATE_COUNT <= UINT8_MAX, "rollout.gate names each row");
_Static_assert(ASK_KIND_COUNT <= 32, "hand.kinds has a bit for each kind of ask");
_Static_assert(METRIC_RATE == 0 && METRIC_DURATION == 1 && METRIC_INLINE == 2 &&
                   METRIC_TEMPLATE == 3,
               "metric_checks_of() counts them so");

/* Rows that do nothing but ask. */
static flow_t gate_just_ask(struct tick *t)
{
    (void)t;
    return ASKED;
}

/* Rows that ask nothing. */
static flow_t gate_never_answered(struct tick *t, const struct answer *a)
{
    (void)t;
    (void)a;
    return END;
}

/* ---- facts ---- */

/* Asks whose success means no more than "go on": with answers at hand their rows are left out. */
#define SETUP_KINDS                                                                                \
    (1u << ASK_SERVICES | 1u << ASK_PRIMARY_INIT | 1u << ASK_SCALER_PRIMARY | 1u << ASK_APEX |     \
     1u << ASK_ROUTES_RECONCILE)

static void tick_set_facts(struct tick *t)
{
    struct rollout *r = t->r;
    uint32_t facts = phase_facts[r->status.phase];

    facts |= t->hand ? t->hand->spec_facts : spec_facts(t->s);
    if (r->command != COMMAND_NONE || (r->memory & (MEMORY_PAUSED | MEMORY_ROLLING_BACK)))
        facts |= F_COMMAND;
    if ((facts & F_WAITING) && deviates(t, DEV_REVERT_WHILE_WAITING)) {
        /* Waiting is watched for a revert like a phase at rest. */
        facts |= F_DETECT_WAITING;
        facts &= ~(uint32_t)F_IN_PROGRESS;
    }
    if ((t->at_hand & SETUP_KINDS) == SETUP_KINDS && t->hand->ok.outcome == OUTCOME_OK)
        facts |= F_SETTLED;
    r->facts = facts;
}

/* ---- stepping ---- */

/* The ask that the row has decided on goes out to the driver. */
static void open_ask(struct tick *t, enum gate row, enum ask_kind kind)
{
    struct rollout *r = t->r;
    struct ask *q = &t->out->ask;

    if (q->kind != kind)
        ask(t, kind);
    if (kind == ASK_SAVE)
        q->save = r->saving;
    if (kind == ASK_ROUTES_SET || kind == ASK_COOKIES) {
        q->primary = (int16_t)r->next_primary;
        q->canary = (int16_t)r->next_canary;
        q->flag = r->next_mirrored;
    }
    r->gate = (uint8_t)row;
    r->ask_kind = q->kind;
    r->ask_id = r->ask_id == UINT32_MAX ? 1 : r->ask_id + 1;
    q->id = r->ask_id;
}

static void end_tick(struct tick *t)
{
    if (t->r->observed)
        add_note(t, NOTE_GAUGE, GAUGE_DURATION);
    t->r->ask_kind = ASK_NONE;
    ask(t, ASK_DONE);
}

/* Asks whose success shows in later answers. */
#define EFFECTS (1u << ASK_SAVE | 1u << ASK_ROUTES_SET)

/* The answer at hand to the ask just made. */
static inline const struct answer *at_hand(struct tick *t, enum ask_kind kind)
{
    struct hand *hand = t->hand;
    uint32_t index = t->out->ask.index;

    if (kind == ASK_METRIC)
        return index < hand->metric_count ? &hand->metrics[index] : &hand->ok;
    if (kind == ASK_HOOK)
        return index < hand->hook_count ? &hand->hooks[index] : &hand->ok;
    if ((EFFECTS >> kind & 1) && hand->ok.outcome == OUTCOME_OK)
        hand_take_effect(hand, t->r, t->s, kind);
    return &hand->ok;
}

/* Routes with session affinity: their cookies are stored first, and asked for in their stead. */
static bool cookies_come_first(const struct tick *t, enum ask_kind kind)
{
    return kind == ASK_ROUTES_SET && t->s->analysis.has_session_affinity &&
           deviates(t, DEV_COOKIES_FIRST);
}

/* The cookies are stored: now the routes themselves, or the error as an event. */
static void cookies_answered(struct tick *t, enum gate row, const struct answer *a)
{
    if (a->outcome == OUTCOME_OK) {
        open_ask(t, row, ASK_ROUTES_SET);
    } else {
        raw(t, a);
        end_tick(t);
    }
}

/* F_JUMP is no fact about the tick: it says how the row is reached. */
static inline bool row_applies(const struct tick *t, uint32_t need, uint32_t never)
{
    uint32_t facts = t->r->facts;

    need &= ~(uint32_t)F_JUMP;
    return (facts & need) == need && (facts & never) == 0;
}

/*
 * Walk the table from `row` on, or from the answer to its ask, until something is asked or the tick
 * ends. Every row of the table becomes one paragraph here, in the order of the table: a row that
 * does not apply is one test, and so is a jump that lands on one; the walk falls on from there.
 */
static void walk(struct tick *t, enum gate row, const struct answer *a)
{
    enum ask_kind kind;
    flow_t flow;

    if (a)
        goto take_answer;

enter_row:
    switch (row) {
#define GATE_ROW(id, gate, need, never, asks, enter, answered)                                     \
    case G_##id:                                                                                   \
        goto enter_##id;
        GATES(GATE_ROW)
#undef GATE_ROW
    case GATE_COUNT:
        break;
    }
    goto end;

take_answer:
    switch (row) {
#define GATE_ROW(id, gate, need, never, asks, enter, answered)                                     \
    case G_##id:                                                                                   \
        goto answered_##id;
        GATES(GATE_ROW)
#undef GATE_ROW
    case GATE_COUNT:
        break;
    }
    goto end;

/* clang-format off */
#define GATE_ROW(id, gate, need, never, asks, enter, answered)                                     \
    if ((need) & F_JUMP)                                                                           \
        goto below_##id;                                                                           \
enter_##id:                                                                                        \
    if (row_applies(t, need, never)) {                                                             \
        row = G_##id;                                                                              \
        flow = enter(t);                                                                           \
        if (flow == ASKED) {                                                                       \
            kind = ASK_##asks;                                                                     \
            if ((t->at_hand >> kind & 1) == 0)                                                     \
                goto ask;                                                                          \
            a = at_hand(t, kind);                                                                  \
answered_##id:                                                                                     \
            flow = answered(t, a);                                                                 \
        }                                                                                          \
        if (flow == AGAIN)                                                                         \
            goto enter_##id;                                                                       \
        if (flow != NEXT)                                                                          \
            goto leave_row;                                                                        \
    }                                                                                              \
below_##id:
    GATES(GATE_ROW)
#undef GATE_ROW
    /* clang-format on */

end:
    end_tick(t);
    return;

leave_row:
    if (flow == END)
        goto end;
    row = (enum gate)flow;
    goto enter_row;

ask:
    open_ask(t, row, cookies_come_first(t, kind) ? ASK_COOKIES : kind);
}

void rollout_init(struct rollout *r)
{
    memset(r, 0, sizeof *r);
}

void rollout_load(struct rollout *r, const struct status *status, uint32_t memory)
{
    r->stored = *status;
    r->memory = memory;
    /* A/B and blue/green store no weight: their promotion begins with all traffic on the canary. */
    r->routed = status->phase == PHASE_PROMOTING && status->canary_weight == 0
                    ? routed_share(WEIGHT_TOTAL, false)
                    : routed_share(status->canary_weight, memory & MEMORY_MIRROR_TRIED);
    r->ask_kind = ASK_NONE;
}

void rollout_command(struct rollout *r, enum command command)
{
    r->command = (uint8_t)command;
}

static void clear_step(struct step *out)
{
    memset(&out->ask, 0, sizeof out->ask);
    out->note_count = 0;
}

void engine_run(struct rollout *r, const struct spec *spec, enum tick_kind kind, ms_t now_ms,
                struct hand *hand, struct step *out)
{
    struct tick t = {r, spec, out, hand, 0, NULL};

    if (hand) {
        t.at_hand = hand->kinds;
        t.counter = hand->quiet ? &hand->notes : NULL;
        if (hand->spec != spec) {
            hand->spec = spec;
            hand->spec_facts = spec_facts(spec);
        }
    }
    clear_step(out);
    if (now_ms > r->now_ms)
        r->now_ms = now_ms;
    r->began_ms = r->now_ms;
    r->ticks++;
    r->mirrored = r->observed = r->primary_ready = r->reverted = false;
    r->primary = WEIGHT_TOTAL;
    r->canary = 0;
    r->cursor = 0;
    walk(&t, kind == TICK_FINALIZE ? G_FINALIZE_LOAD : G_LOAD, NULL);
}

void engine_begin(struct rollout *r, const struct spec *spec, enum tick_kind kind, ms_t now_ms,
                  struct step *out)
{
    engine_run(r, spec, kind, now_ms, NULL, out);
}

void engine_answer(struct rollout *r, const struct spec *spec, const struct answer *answer,
                   struct step *out)
{
    struct tick t = {r, spec, out, NULL, 0, NULL};

    clear_step(out);
    if (r->ask_kind == ASK_NONE || (answer->id != r->ask_id && !PLANTED(NO_FENCE)) ||
        r->gate >= GATE_COUNT)
        return; /* late or repeated: nothing changes */
    if (r->ask_kind == ASK_COOKIES) {
        cookies_answered(&t, (enum gate)r->gate, answer);
        return;
    }
    if (r->ask_kind == ASK_SAVE)
        rollout_saved(r, spec, answer);
    if (r->ask_kind == ASK_ROUTES_SET && answer->outcome == OUTCOME_OK)
        rollout_routed(r, spec);
    walk(&t, (enum gate)r->gate, answer);
}
