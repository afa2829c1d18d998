#include "adapters/store/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/render.h"

/* In the order of enum table; columns are counted, so that a change of the schema shows at once. */
static const struct table_spec {
    const char *name;
    int columns;
} tables[TABLE_COUNT] = {
    {"runs", 10},   {"canaries", 11}, {"rollouts", 10}, {"ticks", 10},
    {"checks", 22}, {"hooks", 14},    {"events", 10},   {"alerts", 9},
    {"routes", 11}, {"effects", 10},  {"status", 19},   {"world", 7},
    {"outages", 9}, {"gauges", 11},   {"logs", 8},      {"asks", 31},
};

static sqlite3_stmt *prepare(struct store *s, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
        SQLITE_OK)
        store_fail(s, -EIO, "%s", sqlite3_errmsg(s->db));
    return statement;
}

int store_prepare(struct store *s)
{
    char sql[256];

    for (int t = 0; t < TABLE_COUNT; t++) {
        int len = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES (?", tables[t].name);
        for (int i = 1; i < tables[t].columns; i++)
            len += snprintf(sql + len, sizeof sql - (size_t)len, ",?");
        snprintf(sql + len, sizeof sql - (size_t)len, ")");
        s->inserts[t] = prepare(s, sql);
    }
    s->end_run = prepare(s, "UPDATE runs SET end_ms = ?1 WHERE run = ?2");
    s->end_rollout = prepare(s, "UPDATE rollouts SET ended_ms = ?1, result = ?2 "
                                "WHERE run = ?3 AND canary = ?4 AND rollout = ?5");
    s->end_tick = prepare(s, "UPDATE ticks SET ended_ms = ?1, phase_after = ?2 "
                             "WHERE run = ?3 AND seq = ?4");
    return s->failed;
}

void store_finalize(struct store *s)
{
    for (int t = 0; t < TABLE_COUNT; t++)
        sqlite3_finalize(s->inserts[t]);
    sqlite3_finalize(s->end_run);
    sqlite3_finalize(s->end_rollout);
    sqlite3_finalize(s->end_tick);
    memset(s->inserts, 0, sizeof s->inserts);
    s->end_run = s->end_rollout = s->end_tick = NULL;
}

/* ---- one row, column by column ---- */

struct filling {
    struct store *store;
    sqlite3_stmt *statement;
    int column;
};

static void put_int(struct filling *f, int64_t value)
{
    sqlite3_bind_int64(f->statement, ++f->column, value);
}

static void put_null(struct filling *f)
{
    sqlite3_bind_null(f->statement, ++f->column);
}

static void put_count(struct filling *f, uint64_t value, bool known)
{
    if (known)
        put_int(f, value > INT64_MAX ? INT64_MAX : (int64_t)value);
    else
        put_null(f);
}

/* SQLite has no NaN: it becomes NULL. */
static void put_real(struct filling *f, double value, bool known)
{
    if (known)
        sqlite3_bind_double(f->statement, ++f->column, value);
    else
        put_null(f);
}

/* Texts outlive the step that follows. */
static void put_text_n(struct filling *f, const char *text, size_t len)
{
    if (text)
        sqlite3_bind_text(f->statement, ++f->column, text, (int)len, SQLITE_STATIC);
    else
        put_null(f);
}

static void put_text(struct filling *f, const char *text)
{
    put_text_n(f, text, text ? strlen(text) : 0);
}

static void put_row_text(struct filling *f, const struct row *row)
{
    put_text_n(f, row->text_len > 0 ? row->text : NULL, row->text_len);
}

static void put_revision(struct filling *f, revision_t revision)
{
    static const char digits[] = "0123456789abcdef";
    char text[16];

    if (revision == 0) {
        put_null(f);
        return;
    }
    for (size_t i = 0; i < 16; i++)
        text[i] = digits[revision >> (60 - 4 * i) & 15];
    sqlite3_bind_text(f->statement, ++f->column, text, 16, SQLITE_TRANSIENT);
}

static void step(struct store *s, sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_DONE)
        store_fail(s, sqlite3_errcode(s->db) == SQLITE_FULL ? -ENOSPC : -EIO, "%s",
                   sqlite3_errmsg(s->db));
    sqlite3_reset(statement);
}

static void finish(struct filling *f)
{
    step(f->store, f->statement);
}

/* The columns that all tables of rows begin with. */
static struct filling begin(struct store *s, enum table table, const struct row *row)
{
    struct filling f = {s, s->inserts[table], 0};

    put_int(&f, s->run);
    put_int(&f, ++s->seq);
    put_int(&f, row->canary);
    put_int(&f, row->rollout);
    put_int(&f, row->tick);
    put_int(&f, row->at_ms);
    return f;
}

/* ---- names that the engine has no use for ---- */

static const char *name_in(const char *const *names, size_t count, unsigned value)
{
    return value < count ? names[value] : "";
}
#define NAME_IN(names, value) name_in(names, sizeof(names) / sizeof *(names), value)

static const char *outcome_name(unsigned outcome)
{
    static const char *const names[] = {"ok", "retry", "failed", "none"};
    return outcome < 4 ? names[outcome] : "failed";
}

static const char *cause_name(unsigned cause)
{
    static const char *const names[] = {"query",    "client", "template", "secret",
                                        "provider", "render", "knative"};
    return NAME_IN(names, cause);
}

static const char *metric_kind_name(unsigned kind)
{
    static const char *const names[] = {"success-rate", "duration", "inline", "template"};
    return NAME_IN(names, kind);
}

static const char *save_name(unsigned op)
{
    static const char *const names[] = {"sync",   "phase",      "failed-checks",
                                        "weight", "iterations", "memory"};
    return NAME_IN(names, op);
}

static const char *gauge_name(unsigned id)
{
    static const char *const names[] = {"status",   "weight",    "analysis",
                                        "duration", "successes", "failures"};
    return NAME_IN(names, id);
}

static const char *log_name(unsigned id)
{
    static const char *const names[] = {"save failed", "load failed", "phase failed"};
    return NAME_IN(names, id);
}

static const char *metric_name(const struct row *row, unsigned index)
{
    const struct analysis_spec *analysis = &row->spec->analysis;
    return index < analysis->metric_count ? analysis->metrics[index].name : "";
}

/* ---- the tables ---- */

void rows_put_run(struct store *s, const struct run_info *info)
{
    struct filling f = {s, s->inserts[TABLE_RUNS], 0};
    struct text names;

    text_init(&names, s->text, STORE_TEXT_BYTES);
    for (unsigned d = 0; d < DEVIATION_COUNT; d++) {
        if ((info->deviations >> d & 1) == 0)
            continue;
        if (names.len > 0)
            text_addc(&names, ' ');
        text_adds(&names, deviation_name((enum deviation)d));
    }
    put_int(&f, s->run);
    put_text(&f, info->name ? info->name : "");
    put_text(&f, info->file);
    put_text(&f, info->title);
    put_text(&f, info->profile ? info->profile : "");
    put_text(&f, s->text);
    put_int(&f, (int64_t)info->seed);
    put_int(&f, info->epoch_ms);
    put_null(&f);
    put_text(&f, COALMINE_VERSION);
    finish(&f);
}

static void put_canary(struct store *s, const struct row *row)
{
    struct filling f = {s, s->inserts[TABLE_CANARIES], 0};
    const struct spec *spec = row->spec;

    put_int(&f, s->run);
    put_int(&f, row->canary);
    put_text(&f, spec->ns);
    put_text(&f, spec->name);
    put_text(&f, spec->target_kind_name);
    put_text(&f, spec->target_name);
    put_text(&f, spec->provider);
    put_text(&f, strategy_name(spec_strategy(spec)));
    put_int(&f, spec->analysis.interval_ms);
    put_int(&f, spec->analysis.threshold);
    put_int(&f, spec_max_weight(spec));
    finish(&f);
}

static void put_rollout(struct store *s, const struct row *row)
{
    struct filling f = {s, s->inserts[TABLE_ROLLOUTS], 0};

    put_int(&f, s->run);
    put_int(&f, row->canary);
    put_int(&f, row->rollout);
    put_int(&f, ++s->seq);
    put_row_text(&f, row);
    put_revision(&f, row->u.rollout.from);
    put_revision(&f, row->u.rollout.to);
    put_int(&f, row->at_ms);
    put_null(&f);
    put_null(&f);
    finish(&f);
}

static void end_rollout(struct store *s, const struct row *row)
{
    struct filling f = {s, s->end_rollout, 0};

    put_int(&f, row->at_ms);
    put_text(&f, rollout_result_name((enum rollout_result)row->u.rollout_end.result));
    put_int(&f, s->run);
    put_int(&f, row->canary);
    put_int(&f, row->rollout);
    finish(&f);
}

static struct open_tick *tick_of(struct store *s, unsigned canary)
{
    if (canary >= s->tick_cap) {
        size_t cap = canary + 8u;
        struct open_tick *grown = realloc(s->ticks, cap * sizeof *grown);
        if (!grown) {
            store_fail(s, -ENOMEM, "out of memory");
            return NULL;
        }
        memset(grown + s->tick_cap, 0, (cap - s->tick_cap) * sizeof *grown);
        s->ticks = grown;
        s->tick_cap = cap;
    }
    return &s->ticks[canary];
}

/* A tick that has ended has a row of its own kind; one that has not has NULLs there. */
static void write_tick(struct store *s, unsigned canary, const struct open_tick *t,
                       const struct row *end)
{
    static const char *const kinds[] = {"analysis", "finalize"};
    struct filling f = {s, s->inserts[TABLE_TICKS], 0};

    put_int(&f, s->run);
    put_int(&f, t->seq);
    put_int(&f, canary);
    put_int(&f, t->rollout);
    put_int(&f, t->tick);
    put_int(&f, t->at_ms);
    put_count(&f, end ? (uint64_t)end->at_ms : 0, end != NULL);
    put_text(&f, NAME_IN(kinds, t->kind));
    put_text(&f, phase_name((enum phase)t->phase));
    put_text(&f, end ? phase_name((enum phase)end->u.tick.phase) : NULL);
    finish(&f);
}

static void begin_tick(struct store *s, const struct row *row)
{
    struct open_tick *t = tick_of(s, row->canary);

    if (!t)
        return;
    if (t->open && !t->written)
        write_tick(s, row->canary, t, NULL);
    *t = (struct open_tick){
        .open = true,
        .seq = ++s->seq,
        .tick = row->tick,
        .rollout = row->rollout,
        .kind = row->u.tick.kind,
        .phase = row->u.tick.phase,
        .at_ms = row->at_ms,
    };
}

static void end_tick(struct store *s, const struct row *row)
{
    struct open_tick *t = tick_of(s, row->canary);

    if (!t || !t->open)
        return;
    t->rollout = row->rollout; /* the tick that starts a rollout belongs to it */
    if (t->written) {
        struct filling f = {s, s->end_tick, 0};
        put_int(&f, row->at_ms);
        put_text(&f, phase_name((enum phase)row->u.tick.phase));
        put_int(&f, s->run);
        put_int(&f, t->seq);
        finish(&f);
    } else {
        write_tick(s, row->canary, t, row);
    }
    t->open = false;
}

void rows_flush_ticks(struct store *s)
{
    for (size_t i = 0; i < s->tick_cap; i++) {
        if (s->ticks[i].open && !s->ticks[i].written)
            write_tick(s, (unsigned)i, &s->ticks[i], NULL);
        s->ticks[i].written = true;
    }
}

static void put_check(struct store *s, const struct row *row)
{
    const struct check_row *c = &row->u.check;
    struct filling f = begin(s, TABLE_CHECKS, row);

    put_int(&f, c->canary_weight);
    put_text(&f, metric_name(row, c->index));
    put_text(&f, metric_kind_name(c->metric));
    put_count(&f, (uint64_t)c->window_ms, c->window_ms > 0);
    put_real(&f, c->value, c->has_value);
    put_real(&f, c->min, c->has_min);
    put_real(&f, c->max, c->has_max);
    put_real(&f, c->bound, c->has_bound);
    put_text(&f, check_verdict_name((enum check_verdict)c->verdict));
    put_text(&f, c->verdict == VERDICT_ERROR ? cause_name(c->cause) : NULL);
    put_text(&f, c->event < EVENT_COUNT ? event_name((enum event_id)c->event) : NULL);
    put_row_text(&f, row);
    put_count(&f, c->canary_errors, c->canary_requests > 0);
    put_count(&f, c->canary_requests, c->canary_requests > 0);
    put_count(&f, c->primary_errors, c->primary_requests > 0);
    put_count(&f, c->primary_requests, c->primary_requests > 0);
    finish(&f);
}

static void put_hook(struct store *s, const struct row *row)
{
    const struct hook_row *h = &row->u.hook;
    const struct analysis_spec *analysis = &row->spec->analysis;
    const struct hook_spec *hook =
        h->index < analysis->hook_count ? &analysis->hooks[h->index] : NULL;
    struct filling f = begin(s, TABLE_HOOKS, row);

    put_text(&f, hook ? hook->name : "");
    put_text(&f, hook ? hook_type_name(hook->type) : "");
    put_text(&f, phase_name((enum phase)h->phase));
    put_int(&f, h->call);
    put_text(&f, outcome_name(h->outcome));
    put_count(&f, h->status, h->status > 0);
    put_int(&f, h->took_ms);
    put_row_text(&f, row);
    finish(&f);
}

static size_t render(struct store *s, const struct row *row)
{
    struct text text;

    text_init(&text, s->text, STORE_TEXT_BYTES);
    render_message(&text, row->spec, &row->u.note);
    return text.len < text.cap ? text.len : text.cap - 1;
}

static void put_event(struct store *s, const struct row *row)
{
    enum event_id id = (enum event_id)row->u.note.id;
    size_t len = render(s, row);
    struct filling f = begin(s, TABLE_EVENTS, row);

    put_text(&f, event_name(id));
    put_text(&f, event_type(id));
    put_text(&f, phase_name((enum phase)row->u.note.phase));
    put_text_n(&f, s->text, len);
    finish(&f);
}

static void put_alert(struct store *s, const struct row *row)
{
    enum alert_id id = (enum alert_id)row->u.note.id;
    size_t len = render(s, row);
    struct filling f = begin(s, TABLE_ALERTS, row);

    put_text(&f, alert_name(id));
    put_text(&f, alert_severity_name(alert_id_severity(id)));
    put_text_n(&f, s->text, len);
    finish(&f);
}

static void put_routes(struct store *s, const struct row *row)
{
    struct filling f = begin(s, TABLE_ROUTES, row);

    put_int(&f, row->u.routes.primary);
    put_int(&f, row->u.routes.canary);
    put_int(&f, row->u.routes.mirror);
    put_text(&f, outcome_name(row->u.routes.outcome));
    put_row_text(&f, row);
    finish(&f);
}

static void put_effect(struct store *s, const struct row *row)
{
    struct filling f = begin(s, TABLE_EFFECTS, row);

    put_text(&f, ask_kind_name((enum ask_kind)row->u.workload.ask));
    put_int(&f, row->u.workload.flag);
    put_text(&f, outcome_name(row->u.workload.outcome));
    put_row_text(&f, row);
    finish(&f);
}

static void put_status(struct store *s, const struct row *row)
{
    const struct status *after = &row->u.status.after;
    struct filling f = begin(s, TABLE_STATUS, row);

    put_text(&f, save_name(row->u.status.save.op));
    put_text(&f, phase_name((enum phase)after->phase));
    put_int(&f, after->canary_weight);
    put_int(&f, after->failed_checks);
    put_int(&f, after->iterations);
    put_text(&f, condition_status_name((enum condition_status)after->condition));
    put_text(&f, phase_name((enum phase)after->condition_reason));
    put_revision(&f, after->applied);
    put_revision(&f, after->promoted);
    put_revision(&f, after->configs);
    put_int(&f, row->u.status.save.memory);
    put_text(&f, outcome_name(row->u.status.outcome));
    put_row_text(&f, row);
    finish(&f);
}

static void put_world(struct store *s, const struct row *row)
{
    struct filling f = begin(s, TABLE_WORLD, row);

    put_text_n(&f, row->text ? row->text : "", row->text_len);
    finish(&f);
}

static void put_outage(struct store *s, const struct row *row)
{
    struct filling f = begin(s, TABLE_OUTAGES, row);

    put_int(&f, row->u.outage.lost);
    put_int(&f, row->u.outage.primary);
    put_int(&f, row->u.outage.canary);
    finish(&f);
}

static void put_gauge(struct store *s, const struct row *row)
{
    const struct note *note = &row->u.note;
    struct filling f = begin(s, TABLE_GAUGES, row);

    put_text(&f, gauge_name(note->id));
    put_text(&f, note->id == GAUGE_ANALYSIS ? metric_name(row, note->index) : NULL);
    put_int(&f, note->a);
    put_int(&f, note->b);
    put_real(&f, note->x, note->id == GAUGE_ANALYSIS);
    finish(&f);
}

static void put_log(struct store *s, const struct row *row)
{
    struct filling f = begin(s, TABLE_LOGS, row);

    put_text(&f, log_name(row->u.note.id));
    put_text_n(&f, row->u.note.text, row->u.note.text_len);
    finish(&f);
}

static void put_samples(struct filling *f, const double *samples, uint32_t count)
{
    if (samples && count > 0)
        sqlite3_bind_blob64(f->statement, ++f->column, samples, count * sizeof *samples,
                            SQLITE_STATIC);
    else
        put_null(f);
}

/* The status that an ASK_LOAD brought, as JSON of its fields. */
static void put_loaded(struct filling *f, const struct status *status)
{
    if (!status) {
        put_null(f);
        return;
    }
    int len = snprintf(
        f->store->text, STORE_TEXT_BYTES,
        "{\"phase\":\"%s\",\"failedChecks\":%d,\"canaryWeight\":%d,\"iterations\":%d,"
        "\"condition\":%d,\"conditionReason\":\"%s\",\"applied\":\"%016llx\","
        "\"promoted\":\"%016llx\",\"configs\":\"%016llx\",\"transitionMs\":%lld,"
        "\"conditionUpdateMs\":%lld,\"conditionTransitionMs\":%lld}",
        phase_name((enum phase)status->phase), status->failed_checks, status->canary_weight,
        status->iterations, status->condition, phase_name((enum phase)status->condition_reason),
        (unsigned long long)status->applied, (unsigned long long)status->promoted,
        (unsigned long long)status->configs, (long long)status->transition_ms,
        (long long)status->condition_update_ms, (long long)status->condition_transition_ms);
    put_text_n(f, f->store->text, (size_t)len);
}

static void put_ask(struct store *s, const struct row *row)
{
    const struct ask *ask = row->u.ask.ask;
    const struct answer *answer = row->u.ask.answer;
    struct filling f = begin(s, TABLE_ASKS, row);
    int64_t bits;

    memcpy(&bits, &answer->value, sizeof bits);
    put_int(&f, ask->id);
    put_text(&f, ask_kind_name((enum ask_kind)ask->kind));
    put_int(&f, ask->index);
    put_text(&f, ask->kind == ASK_METRIC ? metric_kind_name(ask->metric) : NULL);
    put_text(&f, phase_name((enum phase)ask->phase));
    put_int(&f, ask->flag);
    put_int(&f, ask->primary);
    put_int(&f, ask->canary);
    put_int(&f, answer->outcome);
    put_int(&f, answer->cause);
    put_int(&f, answer->mirrored);
    put_int(&f, answer->primary);
    put_int(&f, answer->canary);
    put_int(&f, bits);
    put_revision(&f, answer->target);
    put_revision(&f, answer->configs);
    put_text(&f, answer->subject);
    put_text_n(&f, answer->text, answer->text_len);
    put_count(&f, answer->canary_errors, true);
    put_count(&f, answer->canary_requests, true);
    put_count(&f, answer->primary_errors, true);
    put_count(&f, answer->primary_requests, true);
    put_samples(&f, answer->canary_samples, answer->canary_sample_count);
    put_samples(&f, answer->primary_samples, answer->primary_sample_count);
    put_loaded(&f, answer->status);
    finish(&f);
}

void rows_put(void *self, const struct row *row)
{
    static void (*const puts[ROW_KIND_COUNT])(struct store *, const struct row *) = {
        [ROW_CANARY] = put_canary,   [ROW_ROLLOUT] = put_rollout, [ROW_ROLLOUT_END] = end_rollout,
        [ROW_TICK] = begin_tick,     [ROW_TICK_END] = end_tick,   [ROW_CHECK] = put_check,
        [ROW_HOOK] = put_hook,       [ROW_EVENT] = put_event,     [ROW_ALERT] = put_alert,
        [ROW_GAUGE] = put_gauge,     [ROW_LOG] = put_log,         [ROW_ROUTES] = put_routes,
        [ROW_WORKLOAD] = put_effect, [ROW_STATUS] = put_status,   [ROW_WORLD] = put_world,
        [ROW_OUTAGE] = put_outage,   [ROW_ASK] = put_ask,
    };
    struct store *s = self;

    if (s->failed == 0 && row->kind < ROW_KIND_COUNT)
        puts[row->kind](s, row);
}
