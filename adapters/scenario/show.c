#include "adapters/scenario/show.h"

#include <string.h>

#include "engine/render.h"

#define MESSAGE_MAX 4096

void show_message(struct strbuf *out, const struct row *row)
{
    char bytes[MESSAGE_MAX];
    struct text t;

    if (row->kind != ROW_EVENT && row->kind != ROW_ALERT)
        return;
    text_init(&t, bytes, sizeof bytes);
    render_message(&t, row->spec, &row->u.note);
    strbuf_adds(out, bytes);
}

static void text_add_two(struct text *t, int64_t n)
{
    text_addc(t, (char)('0' + n / 10 % 10));
    text_addc(t, (char)('0' + n % 10));
}

/* `s` and blanks up to `width`; blanks first when `right`. */
static void add_padded(struct strbuf *out, const char *s, size_t width, bool right)
{
    static const char blanks[] = "                                                            ";
    size_t len = strlen(s), pad = len < width ? width - len : 0;

    if (pad > sizeof blanks - 1)
        pad = sizeof blanks - 1;
    if (right)
        strbuf_add(out, blanks, pad);
    strbuf_add(out, s, len);
    if (!right)
        strbuf_add(out, blanks, pad);
}

static void add_int(struct strbuf *out, int64_t value, size_t width)
{
    char bytes[32];
    struct text t;

    text_init(&t, bytes, sizeof bytes);
    text_add_int(&t, value);
    add_padded(out, bytes, width, true);
}

void show_clock(struct strbuf *out, ms_t ms)
{
    long long s = (long long)(ms / 1000), rest = (long long)(ms % 1000);

    char bytes[64];
    struct text t;

    text_init(&t, bytes, sizeof bytes);
    if (s >= 3600) {
        text_add_int(&t, s / 3600);
        text_addc(&t, 'h');
        text_add_two(&t, s / 60 % 60);
    } else {
        text_add_int(&t, s / 60);
    }
    text_addc(&t, 'm');
    text_add_two(&t, s % 60);
    if (rest != 0) {
        text_addc(&t, '.');
        text_addc(&t, (char)('0' + rest / 100));
        text_add_two(&t, rest % 100);
    }
    text_addc(&t, 's');
    strbuf_adds(out, bytes);
}

static void add_float(struct strbuf *out, double value)
{
    char bytes[64];
    struct text t;

    text_init(&t, bytes, sizeof bytes);
    text_add_float(&t, value);
    strbuf_adds(out, bytes);
}

static void add_fixed2(struct strbuf *out, double value)
{
    char bytes[400];
    struct text t;

    text_init(&t, bytes, sizeof bytes);
    text_add_fixed2(&t, value);
    strbuf_adds(out, bytes);
}

static void add_duration(struct strbuf *out, double ms)
{
    char bytes[64];
    struct text t;

    text_init(&t, bytes, sizeof bytes);
    text_add_duration(&t, (int64_t)ms * 1000000);
    strbuf_adds(out, bytes);
}

/* A value or bound in the unit of its metric. */
static void add_value(struct strbuf *out, const struct check_row *c, double value, bool exact)
{
    if (c->metric == METRIC_DURATION && value > -9e12 && value < 9e12) {
        add_duration(out, value);
    } else {
        if (exact)
            add_float(out, value);
        else
            add_fixed2(out, value);
        if (c->metric == METRIC_RATE)
            strbuf_addc(out, '%');
    }
}

static const char *metric_name(const struct row *row)
{
    const struct analysis_spec *an = &row->spec->analysis;

    return row->u.check.index < an->metric_count ? an->metrics[row->u.check.index].name : "?";
}

static const char *hook_name(const struct row *row)
{
    const struct analysis_spec *an = &row->spec->analysis;

    return row->u.hook.index < an->hook_count ? an->hooks[row->u.hook.index].name : "?";
}

static const char *phase_or_dash(uint8_t phase)
{
    return phase == PHASE_NONE ? "-" : phase_name((enum phase)phase);
}

/* ---- one line per row
 * ------------------------------------------------------------------------------- */

static void add_check(struct strbuf *out, const struct row *row)
{
    const struct check_row *c = &row->u.check;

    strbuf_addf(out, "check %s ", metric_name(row));
    if (c->has_value)
        add_value(out, c, c->value, true);
    else
        strbuf_adds(out, "-");
    strbuf_addf(out, " %s", check_verdict_name((enum check_verdict)c->verdict));
    if (c->has_min) {
        strbuf_adds(out, " min ");
        add_value(out, c, c->min, true);
    }
    if (c->has_max) {
        strbuf_adds(out, " max ");
        add_value(out, c, c->max, true);
    }
    strbuf_addf(out, " at %d%%", c->canary_weight);
    if (c->canary_requests > 0)
        strbuf_addf(out, " (%llu of %llu failed)", (unsigned long long)c->canary_errors,
                    (unsigned long long)c->canary_requests);
    if (row->text)
        strbuf_addf(out, ": %s", row->text);
}

static void add_status(struct strbuf *out, const struct row *row)
{
    const struct save *save = &row->u.status.save;

    switch ((enum save_op)save->op) {
    case SAVE_SYNC:
        strbuf_addf(out, "status sync %s weight=%d failedChecks=%d iterations=%d",
                    phase_or_dash(save->phase), save->weight, save->failed_checks,
                    save->iterations);
        break;
    case SAVE_PHASE:
        strbuf_addf(out, "status phase %s", phase_or_dash(save->phase));
        break;
    case SAVE_FAILED_CHECKS:
        strbuf_addf(out, "status failedChecks %d", save->failed_checks);
        break;
    case SAVE_WEIGHT:
        strbuf_addf(out, "status weight %d", save->weight);
        break;
    case SAVE_ITERATIONS:
        strbuf_addf(out, "status iterations %d", save->iterations);
        break;
    case SAVE_MEMORY:
        strbuf_adds(out, "status memory");
        break;
    }
    if (row->u.status.outcome != OUTCOME_OK)
        strbuf_addf(out, " failed: %s", row->text ? row->text : "");
}

static const char *effect_name(const struct workload_row *w)
{
    switch ((enum ask_kind)w->ask) {
    case ASK_SCALE_UP:
        return "scale up";
    case ASK_SCALE_ZERO:
        return "scale zero";
    case ASK_PROMOTE:
        return "promote";
    case ASK_SCALER_PAUSE:
        return "autoscaler pause";
    case ASK_SCALER_RESUME:
        return "autoscaler resume";
    case ASK_REVERT_TARGET:
        return "revert target";
    case ASK_REVERT_ROUTER:
        return "revert routes";
    case ASK_FINALIZER_REMOVE:
        return "remove finalizer";
    case ASK_COOKIES:
        return "store session cookies";
    case ASK_NONE:
    case ASK_DONE:
    case ASK_LOAD:
    case ASK_SERVICES:
    case ASK_PROVIDERS:
    case ASK_PRIMARY_INIT:
    case ASK_SCALER_PRIMARY:
    case ASK_APEX:
    case ASK_ROUTES_RECONCILE:
    case ASK_TARGET:
    case ASK_CONFIGS:
    case ASK_PRIMARY_READY:
    case ASK_CANARY_READY:
    case ASK_ROUTES_GET:
    case ASK_HOOK:
    case ASK_METRICS_OPEN:
    case ASK_METRIC:
    case ASK_ROUTES_SET:
    case ASK_SAVE:
    case ASK_KIND_COUNT:
        break;
    }
    return ask_kind_name((enum ask_kind)w->ask);
}

static void add_hook(struct strbuf *out, const struct row *row)
{
    strbuf_addf(out, "hook %s %s ", hook_name(row), phase_or_dash(row->u.hook.phase));
    if (row->u.hook.status != 0)
        strbuf_addf(out, "%u", row->u.hook.status);
    else
        strbuf_adds(out, "no answer");
    if (row->text)
        strbuf_addf(out, ": %s", row->text);
}

static void add_failure(struct strbuf *out, const struct row *row, uint8_t outcome)
{
    if (outcome != OUTCOME_OK)
        strbuf_addf(out, " failed: %s", row->text ? row->text : "");
}

static const char *alert_severity(const struct row *row)
{
    return alert_severity_name(alert_id_severity((enum alert_id)row->u.note.id));
}

bool show_row(struct strbuf *out, const struct record *record, const struct row *row, bool named)
{
    size_t start = out->len;

    if (row->kind == ROW_TICK_END || row->kind == ROW_GAUGE || row->kind == ROW_LOG ||
        row->kind == ROW_ASK)
        return false;
    show_clock(out, row->at_ms - record->info.epoch_ms);
    for (size_t width = out->len - start; width < 9; width++)
        strbuf_addc(out, ' ');
    if (named)
        strbuf_addf(out, " %s", row->spec->name);
    strbuf_addc(out, ' ');
    switch ((enum row_kind)row->kind) {
    case ROW_CANARY:
        strbuf_addf(out, "canary %s.%s", row->spec->name, row->spec->ns);
        break;
    case ROW_ROLLOUT:
        strbuf_addf(out, "rollout %u begins: %s", row->rollout, row->text ? row->text : "");
        break;
    case ROW_ROLLOUT_END:
        strbuf_addf(out, "rollout %u %s", row->rollout,
                    rollout_result_name((enum rollout_result)row->u.rollout_end.result));
        break;
    case ROW_TICK:
        strbuf_addf(out, "%s %u %s", row->u.tick.kind == TICK_FINALIZE ? "finalizer" : "tick",
                    row->tick, phase_or_dash(row->u.tick.phase));
        break;
    case ROW_CHECK:
        add_check(out, row);
        break;
    case ROW_HOOK:
        add_hook(out, row);
        break;
    case ROW_EVENT:
        strbuf_addf(out, "event %s %s ", event_type((enum event_id)row->u.note.id),
                    phase_or_dash(row->u.note.phase));
        show_message(out, row);
        break;
    case ROW_ALERT:
        strbuf_addf(out, "alert %s ", alert_severity(row));
        show_message(out, row);
        break;
    case ROW_ROUTES:
        strbuf_addf(out, "routes %d/%d%s", row->u.routes.primary, row->u.routes.canary,
                    row->u.routes.mirror ? " mirror" : "");
        add_failure(out, row, row->u.routes.outcome);
        break;
    case ROW_WORKLOAD:
        strbuf_adds(out, effect_name(&row->u.workload));
        add_failure(out, row, row->u.workload.outcome);
        break;
    case ROW_STATUS:
        add_status(out, row);
        break;
    case ROW_WORLD:
        strbuf_addf(out, "world %s", row->text ? row->text : "");
        break;
    case ROW_OUTAGE:
        if (row->u.outage.lost > 0)
            strbuf_addf(out, "outage %d%% of the requests meet no ready pod", row->u.outage.lost);
        else
            strbuf_adds(out, "outage over");
        break;
    case ROW_TICK_END:
    case ROW_GAUGE:
    case ROW_LOG:
    case ROW_ASK:
    case ROW_KIND_COUNT:
        break;
    }
    return true;
}

/* A tick that did nothing shows nothing. */
static bool empty_tick(const struct record *record, size_t at)
{
    const struct row *tick = &record->rows[at];

    for (size_t i = at + 1; i < record->count; i++) {
        const struct row *row = &record->rows[i];

        if (row->canary != tick->canary || row->tick != tick->tick)
            continue;
        if (row->kind == ROW_TICK_END)
            return true;
        if (row->kind != ROW_GAUGE && row->kind != ROW_ASK && row->kind != ROW_LOG)
            return false;
    }
    return true;
}

void show_trace(struct strbuf *out, const struct scenario_run *run, const struct record *record)
{
    bool named = run->plan.canary_count > 1;

    strbuf_addf(out, "# %s", record->info.profile);
    if (run->label && strcmp(run->label, record->info.profile) != 0)
        strbuf_addf(out, ", %s", run->label);
    strbuf_addf(out, ", seed %llu\n", (unsigned long long)run->options.seed);
    for (size_t i = 0; i < record->count; i++) {
        const struct row *row = &record->rows[i];

        if (row->kind == ROW_TICK && empty_tick(record, i))
            continue;
        if (show_row(out, record, row, named))
            strbuf_addc(out, '\n');
    }
}

/* ---- the timeline
 * ----------------------------------------------------------------------------------- */

#define BAR_CELLS 10
#define LEFT_WIDTH 44 /* columns before the text */
#define PHASE_WIDTH 15

enum ink { INK_NONE, INK_DIM, INK_GREEN, INK_RED, INK_YELLOW, INK_BOLD, INK_CYAN };

struct canvas {
    struct strbuf *out;
    const struct scenario_run *run;
    const struct record *record;
    bool color;
    /* The last printed block, to fold repetitions. */
    struct strbuf last, block;
    uint32_t repeats;
    ms_t repeat_until;
    uint16_t canary;
};

static void ink(struct canvas *c, struct strbuf *out, enum ink which)
{
    static const char *const codes[] = {"\033[0m",  "\033[2m", "\033[32m", "\033[31m",
                                        "\033[33m", "\033[1m", "\033[36m"};

    if (c->color)
        strbuf_adds(out, codes[which]);
}

static void add_bar(struct canvas *c, struct strbuf *out, int weight)
{
    int halves = (weight * BAR_CELLS * 2 + 50) / 100;

    if (weight > 0 && halves == 0)
        halves = 1;
    if (halves > BAR_CELLS * 2)
        halves = BAR_CELLS * 2;
    ink(c, out, INK_CYAN);
    for (int i = 0; i < BAR_CELLS; i++) {
        int left = halves - i * 2;

        if (left == 0)
            ink(c, out, INK_DIM);
        strbuf_adds(out, left >= 2 ? "█" : left == 1 ? "▌" : "░");
    }
    ink(c, out, INK_NONE);
    strbuf_addc(out, ' ');
    add_int(out, weight, 3);
    strbuf_addc(out, '%');
}

/* What a block of the timeline stands for: one tick, or one thing from outside. */
struct block {
    ms_t at_ms;
    const struct row *first;
    int weight;
    bool mirror;
    uint8_t phase, phase_before;
    uint32_t lines;
};

/* The left columns of a line: on the first one time, traffic and phase; blanks below. */
static void add_left(struct canvas *c, struct strbuf *out, struct block *b, bool traffic)
{
    if (b->lines++ > 0) {
        add_padded(out, "", LEFT_WIDTH, false);
        return;
    }
    strbuf_adds(out, "\001  "); /* the time takes its place later, so that blocks compare */
    if (!traffic) {
        strbuf_adds(out, "                                 ");
        return;
    }
    add_bar(c, out, b->weight);
    strbuf_adds(out, b->mirror ? "+m " : "   ");
    if (b->phase != b->phase_before)
        ink(c, out, INK_BOLD);
    add_padded(out, phase_or_dash(b->phase), PHASE_WIDTH, false);
    if (b->phase != b->phase_before)
        ink(c, out, INK_NONE);
    if (strlen(phase_or_dash(b->phase)) >= PHASE_WIDTH)
        strbuf_addc(out, ' '); /* WaitingPromotion is wider than its column */
}

static void line_check(struct canvas *c, struct strbuf *out, const struct row *row)
{
    const struct check_row *k = &row->u.check;
    bool good = k->verdict == VERDICT_PASS, waiting = k->verdict == VERDICT_WAIT;

    ink(c, out, good ? INK_GREEN : waiting ? INK_YELLOW : INK_RED);
    strbuf_adds(out, good ? "✓ " : waiting ? "… " : "✗ ");
    strbuf_adds(out, metric_name(row));
    strbuf_addc(out, ' ');
    if (k->has_value)
        add_value(out, k, k->value, false);
    else
        strbuf_adds(out, k->verdict == VERDICT_NO_VALUE ? "no value" : "query failed");
    if (k->has_min) {
        strbuf_adds(out, !good && k->has_bound && k->bound <= k->min ? " < min " : ", min ");
        add_value(out, k, k->min, true);
    }
    if (k->has_max) {
        strbuf_adds(out, !good && k->has_bound && k->bound >= k->max ? " > max " : ", max ");
        add_value(out, k, k->max, true);
    }
    ink(c, out, INK_NONE);
}

static void line_event(struct canvas *c, struct strbuf *out, const struct row *row)
{
    bool warning = event_level((enum event_id)row->u.note.id) != LEVEL_NORMAL;

    if (warning)
        ink(c, out, INK_YELLOW);
    show_message(out, row);
    if (warning)
        ink(c, out, INK_NONE);
}

static void line_hook(struct canvas *c, struct strbuf *out, const struct row *row)
{
    bool ok = row->u.hook.outcome == OUTCOME_OK;

    ink(c, out, ok ? INK_DIM : INK_YELLOW);
    strbuf_adds(out, ok ? "→ hook " : "↛ hook ");
    strbuf_adds(out, hook_name(row));
    if (!ok && row->u.hook.status)
        strbuf_addf(out, " answered %u", row->u.hook.status);
    else if (!ok)
        strbuf_adds(out, " did not answer");
    if (row->u.hook.took_ms > 0) {
        strbuf_adds(out, " after ");
        add_duration(out, (double)row->u.hook.took_ms);
    }
    ink(c, out, INK_NONE);
}

/* The event that follows says the same about a check that failed. */
static bool said_by_check(const struct row *row)
{
    return row->u.note.id >= EVENT_M_RATE_LOW && row->u.note.id <= EVENT_M_VAL_LOW;
}

/* Events that only repeat what a hook line has just said. */
static bool said_by_hook(const struct row *row)
{
    return row->u.note.id == EVENT_CR_OK || row->u.note.id == EVENT_CTI_OK ||
           row->u.note.id == EVENT_CP_OK || row->u.note.id == EVENT_PRE_OK ||
           row->u.note.id == EVENT_POST_OK || row->u.note.id == EVENT_RBH_NO;
}

static bool shown(const struct row *row)
{
    switch ((enum row_kind)row->kind) {
    case ROW_CHECK:
    case ROW_HOOK:
    case ROW_ALERT:
    case ROW_WORLD:
        return true;
    case ROW_EVENT:
        return !said_by_check(row) && !said_by_hook(row);
    case ROW_OUTAGE:
        return true;
    case ROW_STATUS:
        return row->u.status.outcome != OUTCOME_OK;
    case ROW_ROUTES:
        return row->u.routes.outcome != OUTCOME_OK;
    case ROW_WORKLOAD:
        return row->u.workload.outcome != OUTCOME_OK || row->u.workload.ask >= ASK_REVERT_TARGET;
    case ROW_CANARY:
    case ROW_ROLLOUT:
    case ROW_ROLLOUT_END:
    case ROW_TICK:
    case ROW_TICK_END:
    case ROW_GAUGE:
    case ROW_LOG:
    case ROW_ASK:
    case ROW_KIND_COUNT:
        return false;
    }
    return false;
}

static void add_line(struct canvas *c, struct strbuf *out, const struct row *row)
{
    switch ((enum row_kind)row->kind) {
    case ROW_CHECK:
        line_check(c, out, row);
        break;
    case ROW_HOOK:
        line_hook(c, out, row);
        break;
    case ROW_EVENT:
        line_event(c, out, row);
        break;
    case ROW_ALERT:
        ink(c, out, INK_DIM);
        strbuf_addf(out, "alert (%s): ", alert_severity(row));
        show_message(out, row);
        ink(c, out, INK_NONE);
        break;
    case ROW_WORLD:
        ink(c, out, INK_BOLD);
        strbuf_addf(out, "▶ %s", row->text ? row->text : "");
        ink(c, out, INK_NONE);
        break;
    case ROW_OUTAGE:
        ink(c, out, row->u.outage.lost > 0 ? INK_RED : INK_GREEN);
        if (row->u.outage.lost > 0)
            strbuf_addf(out, "⚠ %d%% of the requests meet no ready pod", row->u.outage.lost);
        else
            strbuf_adds(out, "⚠ every request meets a ready pod again");
        ink(c, out, INK_NONE);
        break;
    case ROW_STATUS:
        ink(c, out, INK_YELLOW);
        add_status(out, row);
        ink(c, out, INK_NONE);
        break;
    case ROW_ROUTES:
        ink(c, out, INK_YELLOW);
        strbuf_addf(out, "routes %d/%d", row->u.routes.primary, row->u.routes.canary);
        add_failure(out, row, row->u.routes.outcome);
        ink(c, out, INK_NONE);
        break;
    case ROW_WORKLOAD:
        ink(c, out, row->u.workload.outcome == OUTCOME_OK ? INK_DIM : INK_YELLOW);
        strbuf_adds(out, effect_name(&row->u.workload));
        add_failure(out, row, row->u.workload.outcome);
        ink(c, out, INK_NONE);
        break;
    case ROW_CANARY:
    case ROW_ROLLOUT:
    case ROW_ROLLOUT_END:
    case ROW_TICK:
    case ROW_TICK_END:
    case ROW_GAUGE:
    case ROW_LOG:
    case ROW_ASK:
    case ROW_KIND_COUNT:
        break;
    }
}

/* State of the routes and status after the rows before `end`. */
static void state_before(const struct record *record, uint16_t canary, size_t end, struct block *b)
{
    b->weight = 0;
    b->mirror = false;
    for (size_t i = end; i-- > 0;) {
        const struct row *row = &record->rows[i];

        if (row->canary == canary && row->kind == ROW_ROUTES &&
            row->u.routes.outcome == OUTCOME_OK) {
            b->weight = row->u.routes.canary;
            b->mirror = row->u.routes.mirror;
            return;
        }
    }
}

/* Prints what was folded, and takes the new block unless it repeats the last one. */
static void flush_repeats(struct canvas *c)
{
    struct strbuf clock = STRBUF_INIT;

    if (c->repeats == 0)
        return;
    show_clock(&clock, c->repeat_until - c->record->info.epoch_ms);
    ink(c, c->out, INK_DIM);
    strbuf_addf(c->out, "%12s  … the same %s, until %s", "",
                c->repeats == 1 ? "once more" : "again and again", strbuf_str(&clock));
    if (c->repeats > 1)
        strbuf_addf(c->out, " (%u times)", c->repeats);
    ink(c, c->out, INK_NONE);
    strbuf_addc(c->out, '\n');
    strbuf_release(&clock);
    c->repeats = 0;
}

static void emit_block(struct canvas *c, const struct block *b)
{
    struct strbuf clock = STRBUF_INIT;
    const char *text = strbuf_str(&c->block), *mark;

    if (c->block.len == 0)
        return;
    if (c->last.len == c->block.len && memcmp(c->last.data, c->block.data, c->last.len) == 0 &&
        c->canary == b->first->canary) {
        c->repeats++;
        c->repeat_until = b->at_ms;
        return;
    }
    flush_repeats(c);
    if (c->run->plan.canary_count > 1 && c->canary != b->first->canary) {
        ink(c, c->out, INK_BOLD);
        strbuf_addf(c->out, "%12s%s.%s\n", "", b->first->spec->name, b->first->spec->ns);
        ink(c, c->out, INK_NONE);
    }
    c->canary = b->first->canary;
    mark = strchr(text, '\001');
    show_clock(&clock, b->at_ms - c->record->info.epoch_ms);
    if (mark) { /* the mark is one byte wide, the column nine */
        add_padded(c->out, strbuf_str(&clock), 9, true);
        strbuf_adds(c->out, mark + 1);
    }
    strbuf_clear(&c->last);
    strbuf_add(&c->last, c->block.data, c->block.len);
    strbuf_release(&clock);
}

static size_t add_tick(struct canvas *c, size_t at)
{
    const struct row *rows = c->record->rows, *tick = &rows[at];
    struct block b = {.at_ms = tick->at_ms, .first = tick, .phase_before = tick->u.tick.phase};
    size_t end = at + 1;

    while (end < c->record->count &&
           !(rows[end].kind == ROW_TICK_END && rows[end].canary == tick->canary &&
             rows[end].tick == tick->tick))
        end++;
    b.phase = end < c->record->count ? rows[end].u.tick.phase : tick->u.tick.phase;
    state_before(c->record, tick->canary, end, &b);
    strbuf_clear(&c->block);
    for (size_t i = at + 1; i < end; i++) {
        if (rows[i].canary != tick->canary || rows[i].tick != tick->tick || !shown(&rows[i]))
            continue;
        add_left(c, &c->block, &b, true);
        add_line(c, &c->block, &rows[i]);
        strbuf_addc(&c->block, '\n');
    }
    emit_block(c, &b);
    return end;
}

static void add_outside(struct canvas *c, size_t at)
{
    const struct row *row = &c->record->rows[at];
    struct block b = {.at_ms = row->at_ms, .first = row};

    strbuf_clear(&c->block);
    add_left(c, &c->block, &b, false);
    add_line(c, &c->block, row);
    strbuf_addc(&c->block, '\n');
    emit_block(c, &b);
}

static void count_checks(const struct record *record, uint16_t canary, uint32_t *checks,
                         uint32_t *failed, int *highest)
{
    *checks = *failed = 0;
    *highest = 0;
    for (size_t i = 0; i < record->count; i++) {
        const struct row *row = &record->rows[i];

        if (row->canary != canary)
            continue;
        if (row->kind == ROW_CHECK) {
            (*checks)++;
            *failed += row->u.check.verdict != VERDICT_PASS && row->u.check.verdict != VERDICT_WAIT;
        }
        if (row->kind == ROW_ROUTES && row->u.routes.outcome == OUTCOME_OK &&
            row->u.routes.canary > *highest)
            *highest = row->u.routes.canary;
    }
}

static void add_summary(struct canvas *c, uint16_t canary, const struct canary_result *r)
{
    const struct spec *spec = c->run->plan.canaries[canary].specs[0];
    uint32_t checks, failed;
    int highest;
    bool good = r->status.phase == PHASE_SUCCEEDED || r->status.phase == PHASE_INITIALIZED;
    bool bad = r->status.phase == PHASE_FAILED;

    count_checks(c->record, canary, &checks, &failed, &highest);
    ink(c, c->out, bad ? INK_RED : good ? INK_GREEN : INK_YELLOW);
    strbuf_addf(c->out, "%s %s.%s: %s",
                bad    ? "✗"
                : good ? "✓"
                       : "…",
                spec->name, spec->ns, r->gone ? "deleted" : phase_or_dash(r->status.phase));
    ink(c, c->out, INK_NONE);
    strbuf_adds(c->out, " at ");
    show_clock(c->out, r->settled_ms);
    strbuf_addf(c->out, "; %u %s, %u failed; the canary got at most %d%%", checks,
                checks == 1 ? "check" : "checks", failed, highest);
    if (r->outage_ms > 0) {
        strbuf_adds(c->out, "; for ");
        show_clock(c->out, r->outage_ms);
        strbuf_adds(c->out, " requests met no ready pod");
    }
    if (r->has_capacity)
        strbuf_addf(c->out, "; the primary could serve %.0f%% of its load at the worst moment",
                    100 * r->capacity_least);
    if (r->has_capacity && r->capacity_short_ms > 0) {
        strbuf_adds(c->out, ", too little for ");
        show_clock(c->out, r->capacity_short_ms);
    }
    strbuf_addc(c->out, '\n');
}

static void add_title(struct canvas *c, const struct scenario *s, const struct scenario_run *run)
{
    ink(c, c->out, INK_BOLD);
    strbuf_adds(c->out, s->title ? s->title : s->name);
    ink(c, c->out, INK_NONE);
    strbuf_addc(c->out, '\n');
    ink(c, c->out, INK_DIM);
    strbuf_addf(c->out, "%s, profile %s", s->file, run->plan.info.profile);
    if (run->label && strcmp(run->label, run->plan.info.profile) != 0)
        strbuf_addf(c->out, " (%s)", run->label);
    strbuf_addf(c->out, ", seed %llu\n\n", (unsigned long long)run->options.seed);
    strbuf_adds(c->out, "     time  canary traffic    phase          what happened\n");
    ink(c, c->out, INK_NONE);
}

void show_timeline(struct strbuf *out, const struct scenario *s, const struct scenario_run *run,
                   const struct record *record, const struct canary_result *results, bool color)
{
    struct canvas c = {.out = out,
                       .run = run,
                       .record = record,
                       .color = color,
                       .last = STRBUF_INIT,
                       .block = STRBUF_INIT,
                       .canary = UINT16_MAX};

    add_title(&c, s, run);
    for (size_t i = 0; i < record->count; i++) {
        const struct row *row = &record->rows[i];

        if (row->kind == ROW_TICK)
            add_tick(&c, i);
        else if (row->tick == 0 && shown(row))
            add_outside(&c, i);
    }
    flush_repeats(&c);
    strbuf_addc(out, '\n');
    for (uint32_t i = 0; i < run->plan.canary_count; i++)
        add_summary(&c, (uint16_t)i, &results[i]);
    strbuf_release(&c.last);
    strbuf_release(&c.block);
}
