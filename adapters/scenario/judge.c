/* Expectations against what happened. */
#include <string.h>

#include "adapters/base/strbuf.h"
#include "adapters/scenario/scenario.h"
#include "adapters/scenario/show.h"

/* One expectation being judged. */
struct judging {
    const struct scenario_run *run;
    const struct record *record;
    const struct canary_result *result;
    const struct expectation *e;
    struct mismatches *out;
    ms_t epoch_ms;
};

static void mismatch(struct judging *j, uint32_t line, const char *what, const char *detail)
{
    struct mismatches *out = j->out;

    if (out->count == out->cap) {
        size_t cap = out->cap ? out->cap * 2 : 8;
        struct mismatch *items = arena_alloc(out->arena, cap * sizeof *items);

        if (!items)
            return;
        if (out->count > 0)
            memcpy(items, out->items, out->count * sizeof *items);
        out->items = items;
        out->cap = cap;
    }
    out->items[out->count++] =
        (struct mismatch){.expect = j->e, .line = line, .what = what, .detail = detail};
}

static const char *keep(struct judging *j, struct strbuf *b)
{
    const char *text = b->len > 0 ? arena_strdup(j->out->arena, strbuf_str(b)) : NULL;

    strbuf_release(b);
    return text;
}

static bool mine(const struct judging *j, const struct row *row)
{
    return row->canary == j->e->canary;
}

static bool matched(const struct matcher *m, const char *text)
{
    if (m->is_regex)
        return regexec(m->regex, text, 0, NULL, 0) == 0;
    return strcmp(m->text, text) == 0;
}

static const char *clock_text(struct judging *j, ms_t ms)
{
    struct strbuf b = STRBUF_INIT;

    show_clock(&b, ms);
    return keep(j, &b);
}

static const char *phase_or_none(uint8_t phase)
{
    return phase == PHASE_NONE ? "(none)" : phase_name((enum phase)phase);
}

/* ---- states
 * ----------------------------------------------------------------------------------------- */

struct seen {
    struct status status;
    int32_t primary, canary;
    bool mirror;
};

/* What stood at `until` (absolute, inclusive). */
static struct seen state_at(const struct judging *j, ms_t until)
{
    struct seen s = {.primary = WEIGHT_TOTAL};
    const struct canary_plan *plan = &j->run->plan.canaries[j->e->canary];

    if (plan->world.initialized) {
        s.status.phase = PHASE_INITIALIZED;
        s.status.applied = s.status.promoted = plan->world.first;
    } else {
        s.status.phase = PHASE_INITIALIZING;
    }
    for (size_t i = 0; i < j->record->count; i++) {
        const struct row *row = &j->record->rows[i];

        if (row->at_ms > until)
            break;
        if (!mine(j, row))
            continue;
        if (row->kind == ROW_STATUS) {
            s.status = row->u.status.after;
        } else if (row->kind == ROW_ROUTES && row->u.routes.outcome == OUTCOME_OK) {
            s.primary = row->u.routes.primary;
            s.canary = row->u.routes.canary;
            s.mirror = row->u.routes.mirror;
        }
    }
    return s;
}

static void wrong_number(struct judging *j, const char *when, const char *name, int32_t got,
                         int32_t want)
{
    if (got != want)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "%s%s is %d, expected %d", when, name, got, want),
                 NULL);
}

static const char *revision_text(const struct judging *j, revision_t revision)
{
    const struct world_plan *w = &j->run->plan.canaries[j->e->canary].world;

    for (uint32_t i = 0; i < w->revision_count; i++)
        if (w->revisions[i].revision == revision)
            return w->revisions[i].name;
    return revision == 0 ? "(none)" : "another";
}

static void judge_revisions(struct judging *j, const char *when, const struct seen *s)
{
    const struct state_values *v = &j->e->state;

    if ((v->fields & STATE_APPLIED) && s->status.applied != v->applied)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "%sthe applied revision is %s, expected %s", when,
                              revision_text(j, s->status.applied), v->applied_name),
                 NULL);
    if ((v->fields & STATE_PROMOTED) && s->status.promoted != v->promoted)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "%sthe promoted revision is %s, expected %s", when,
                              revision_text(j, s->status.promoted), v->promoted_name),
                 NULL);
}

static void judge_state(struct judging *j)
{
    const struct state_values *v = &j->e->state;
    bool end = j->e->at_ms == MS_NEVER;
    struct seen s = state_at(j, end ? INT64_MAX : j->epoch_ms + j->e->at_ms);
    const char *when = "";
    uint32_t phases = v->phases;
    int want = 0;

    if (!end)
        when = arena_printf(j->out->arena, "at %s ", clock_text(j, j->e->at_ms));
    while (phases > 1) {
        phases >>= 1;
        want++;
    }
    if ((v->fields & STATE_PHASE) && s.status.phase != want)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "%sphase is %s, expected %s", when,
                              phase_or_none(s.status.phase), phase_name((enum phase)want)),
                 NULL);
    if (v->fields & STATE_CANARY_WEIGHT)
        wrong_number(j, when, "canaryWeight", s.canary, v->canary_weight);
    if (v->fields & STATE_PRIMARY_WEIGHT)
        wrong_number(j, when, "primaryWeight", s.primary, v->primary_weight);
    if (v->fields & STATE_STATUS_WEIGHT)
        wrong_number(j, when, "statusWeight", s.status.canary_weight, v->status_weight);
    if (v->fields & STATE_FAILED_CHECKS)
        wrong_number(j, when, "failedChecks", s.status.failed_checks, v->failed_checks);
    if (v->fields & STATE_ITERATIONS)
        wrong_number(j, when, "iterations", s.status.iterations, v->iterations);
    if ((v->fields & STATE_MIRROR) && s.mirror != v->mirror)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "%smirror is %s", when, s.mirror ? "true" : "false"),
                 NULL);
    judge_revisions(j, when, &s);
}

/* ---- sequences
 * -------------------------------------------------------------------------------------- */

static void add_item(struct strbuf *b, const char *item, bool wrong)
{
    strbuf_addf(b, "%s%s%s%s", b->len > 0 ? ", " : "", wrong ? "[" : "", item, wrong ? "]" : "");
}

/* expected and actual beneath each other, the first difference in brackets */
static void sequences_differ(struct judging *j, const char *what, struct strbuf *want,
                             struct strbuf *got)
{
    const char *detail = arena_printf(j->out->arena, "  expected  %s\n  actual    %s\n",
                                      strbuf_str(want), strbuf_str(got));

    mismatch(j, j->e->line, what, detail);
}

static void judge_phases(struct judging *j)
{
    struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
    uint32_t count = 0;
    bool differ = false;
    uint8_t last = UINT8_MAX;

    for (size_t i = 0; i < j->record->count; i++) {
        const struct row *row = &j->record->rows[i];
        uint8_t phase = row->u.status.after.phase;
        bool wrong;

        if (row->kind != ROW_STATUS || !mine(j, row) || row->u.status.outcome != OUTCOME_OK ||
            phase == last)
            continue;
        wrong = !differ && (count >= j->e->count || j->e->phases[count] != phase);
        differ = differ || wrong;
        add_item(&got, phase_name((enum phase)phase), wrong);
        last = phase;
        count++;
    }
    for (uint32_t i = 0; i < j->e->count; i++)
        add_item(&want, phase_name((enum phase)j->e->phases[i]), false);
    if (differ || count != j->e->count)
        sequences_differ(j, "the phases are others", &want, &got);
    strbuf_release(&want);
    strbuf_release(&got);
}

static void judge_weights(struct judging *j)
{
    struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
    uint32_t count = 0;
    bool differ = false;
    int last = -1;
    char number[16];

    for (size_t i = 0; i < j->record->count; i++) {
        const struct row *row = &j->record->rows[i];
        int weight = row->u.routes.canary;
        bool wrong;

        if (row->kind != ROW_ROUTES || !mine(j, row) || row->u.routes.outcome != OUTCOME_OK ||
            weight == last)
            continue;
        wrong = !differ && (count >= j->e->count || j->e->weights[count] != weight);
        differ = differ || wrong;
        snprintf(number, sizeof number, "%d", weight);
        add_item(&got, number, wrong);
        last = weight;
        count++;
    }
    for (uint32_t i = 0; i < j->e->count; i++) {
        snprintf(number, sizeof number, "%d", j->e->weights[i]);
        add_item(&want, number, false);
    }
    if (differ || count != j->e->count)
        sequences_differ(j, "the canary weights are others", &want, &got);
    strbuf_release(&want);
    strbuf_release(&got);
}

/* ---- events and alerts
 * ------------------------------------------------------------------------------ */

static bool is_text_row(const struct judging *j, const struct row *row)
{
    return mine(j, row) && row->kind == (j->e->kind == EXPECT_ALERTS ? ROW_ALERT : ROW_EVENT);
}

static void message_of(struct strbuf *b, const struct row *row)
{
    strbuf_clear(b);
    show_message(b, row);
}

/* All messages of the kind, `>` where the search stopped. */
static const char *text_diff(struct judging *j, const struct event_want *missing, size_t from)
{
    struct strbuf b = STRBUF_INIT, message = STRBUF_INIT;
    size_t shown = 0;

    for (size_t i = 0; i < j->record->count; i++) {
        const struct row *row = &j->record->rows[i];

        if (!is_text_row(j, row))
            continue;
        if (i >= from && missing) {
            strbuf_addf(&b, "  - expected here or later: %s\n", missing->matcher.text);
            missing = NULL;
        }
        message_of(&message, row);
        strbuf_adds(&b, "    ");
        show_clock(&b, row->at_ms - j->epoch_ms);
        strbuf_addf(&b, "  %s\n", strbuf_str(&message));
        if (++shown > 60) {
            strbuf_adds(&b, "    …\n");
            break;
        }
    }
    if (missing)
        strbuf_addf(&b, "  - expected here: %s\n", missing->matcher.text);
    strbuf_release(&message);
    return keep(j, &b);
}

static void judge_count(struct judging *j, const struct event_want *w)
{
    struct strbuf message = STRBUF_INIT;
    int32_t count = 0;

    for (size_t i = 0; i < j->record->count; i++) {
        const struct row *row = &j->record->rows[i];

        if (!is_text_row(j, row) || (w->has_at && row->at_ms - j->epoch_ms != w->at_ms))
            continue;
        message_of(&message, row);
        count += matched(&w->matcher, strbuf_str(&message));
    }
    if (count != w->count)
        mismatch(j, w->line,
                 arena_printf(j->out->arena, "\"%s\" came %d times, expected %d", w->matcher.text,
                              count, w->count),
                 text_diff(j, NULL, 0));
    strbuf_release(&message);
}

static void judge_texts(struct judging *j)
{
    struct strbuf message = STRBUF_INIT;
    size_t at = 0;

    for (uint32_t k = 0; k < j->e->count; k++) {
        const struct event_want *w = &j->e->events[k];
        bool found = false;
        size_t from = at;

        if (w->count > 0) {
            judge_count(j, w);
            continue;
        }
        for (; at < j->record->count && !found; at++) {
            const struct row *row = &j->record->rows[at];

            if (!is_text_row(j, row) || (w->has_at && row->at_ms - j->epoch_ms != w->at_ms))
                continue;
            message_of(&message, row);
            found = matched(&w->matcher, strbuf_str(&message));
        }
        if (!found) {
            mismatch(j, w->line,
                     w->has_at
                         ? arena_printf(j->out->arena, "\"%s\" did not come at %s", w->matcher.text,
                                        clock_text(j, w->at_ms))
                         : arena_printf(j->out->arena, "\"%s\" did not come", w->matcher.text),
                     text_diff(j, w, from));
            at = from;
        }
    }
    strbuf_release(&message);
}

/* ---- hooks, checks, counts
 * -------------------------------------------------------------------------- */

static const char *hook_of(const struct row *row)
{
    const struct analysis_spec *an = &row->spec->analysis;

    return row->u.hook.index < an->hook_count ? an->hooks[row->u.hook.index].name : "";
}

static void judge_hook(struct judging *j)
{
    struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
    int32_t count = 0;
    bool differ = false;

    for (size_t i = 0; i < j->record->count; i++) {
        const struct row *row = &j->record->rows[i];
        bool wrong;

        if (row->kind != ROW_HOOK || !mine(j, row) || strcmp(hook_of(row), j->e->name) != 0)
            continue;
        wrong = !differ && j->e->calls < 0 &&
                ((uint32_t)count >= j->e->count || j->e->phases[count] != row->u.hook.phase);
        differ = differ || wrong;
        add_item(&got, phase_or_none(row->u.hook.phase), wrong);
        count++;
    }
    for (uint32_t i = 0; i < j->e->count; i++)
        add_item(&want, phase_or_none(j->e->phases[i]), false);
    if (j->e->calls >= 0 && count != j->e->calls)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "hook %s was called %d times, expected %d", j->e->name,
                              count, j->e->calls),
                 NULL);
    else if (j->e->calls < 0 && (differ || (uint32_t)count != j->e->count))
        sequences_differ(j, arena_printf(j->out->arena, "hook %s was called otherwise", j->e->name),
                         &want, &got);
    strbuf_release(&want);
    strbuf_release(&got);
}

static void judge_checks(struct judging *j)
{
    int32_t seen[5] = {0}, total = 0;
    bool other_window = false;

    for (size_t i = 0; i < j->record->count; i++) {
        const struct row *row = &j->record->rows[i];
        const struct analysis_spec *an = &row->spec->analysis;

        if (row->kind != ROW_CHECK || !mine(j, row) || row->u.check.index >= an->metric_count ||
            strcmp(an->metrics[row->u.check.index].name, j->e->name) != 0)
            continue;
        seen[row->u.check.verdict % 5]++;
        total++;
        other_window = other_window || (j->e->has_window && row->u.check.window_ms != j->e->at_ms);
    }
    for (int v = 0; v < 5; v++)
        if (j->e->verdicts[v] >= 0 && j->e->verdicts[v] != seen[v])
            mismatch(j, j->e->line,
                     arena_printf(j->out->arena,
                                  "metric %s: %d checks with verdict %s, expected %d", j->e->name,
                                  seen[v], check_verdict_name((enum check_verdict)v),
                                  j->e->verdicts[v]),
                     NULL);
    if (other_window)
        mismatch(
            j, j->e->line,
            arena_printf(j->out->arena, "metric %s was checked with another window", j->e->name),
            NULL);
    if (j->e->total >= 0 && total != j->e->total)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "metric %s was checked %d times, expected %d",
                              j->e->name, total, j->e->total),
                 NULL);
}

static void judge_counts(struct judging *j)
{
    static const char *const names[] = {"ticks", "rollouts", "rollouts that succeeded",
                                        "rollouts that failed"};
    uint32_t got = 0;

    switch (j->e->counted) {
    case COUNT_TICKS:
        got = j->result->ticks;
        break;
    case COUNT_ROLLOUTS:
        got = j->result->rollouts;
        break;
    case COUNT_SUCCEEDED:
        got = j->result->succeeded;
        break;
    case COUNT_FAILED:
        got = j->result->failed;
        break;
    }
    if ((int64_t)got != j->e->total)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "%u %s, expected %d", got, names[j->e->counted],
                              j->e->total),
                 NULL);
}

static void judge_finished(struct judging *j)
{
    ms_t at = j->result->settled_ms;

    if (j->e->before_ms == MS_NEVER && at != j->e->at_ms)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "finished at %s, expected %s", clock_text(j, at),
                              clock_text(j, j->e->at_ms)),
                 NULL);
    else if (j->e->before_ms != MS_NEVER && at > j->e->before_ms)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "finished at %s, expected no later than %s",
                              clock_text(j, at), clock_text(j, j->e->before_ms)),
                 NULL);
    else if (j->e->before_ms != MS_NEVER && at < j->e->at_ms)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "finished at %s, expected no sooner than %s",
                              clock_text(j, at), clock_text(j, j->e->at_ms)),
                 NULL);
}

static void judge_outage(struct judging *j)
{
    if (j->result->outage_ms != j->e->outage_ms)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "requests met no ready pod for %s, expected %s",
                              clock_text(j, j->result->outage_ms), clock_text(j, j->e->outage_ms)),
                 NULL);
}

static void judge_capacity(struct judging *j)
{
    const struct canary_result *r = j->result;

    if (!r->has_capacity)
        mismatch(j, j->e->line, "the capacity is not known: world.autoscaler has no podRps", NULL);
    else if (r->capacity_least < j->e->share - 1e-9)
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena,
                              "the primary could serve %.0f%% of its load at the worst moment, "
                              "expected at least %.0f%%",
                              100 * r->capacity_least, 100 * j->e->share),
                 NULL);
}

/* ---- never
 * ------------------------------------------------------------------------------------------ */

static bool beyond(const struct expectation *e, int32_t value)
{
    if (e->never.above && e->never.below && e->never.limit_above < e->never.limit_below)
        return value > e->never.limit_above && value < e->never.limit_below; /* this very number */
    return (e->never.above && value > e->never.limit_above) ||
           (e->never.below && value < e->never.limit_below);
}

/* Does this row meet the condition? `value` is what it says. */
static bool violates(struct judging *j, const struct row *row, struct strbuf *value)
{
    const struct expectation *e = j->e;
    bool routes = row->kind == ROW_ROUTES && row->u.routes.outcome == OUTCOME_OK;
    bool status = row->kind == ROW_STATUS && row->u.status.outcome == OUTCOME_OK;
    int32_t number = 0;

    strbuf_clear(value);
    switch (e->state.fields) {
    case STATE_CANARY_WEIGHT:
    case STATE_PRIMARY_WEIGHT:
        number =
            e->state.fields == STATE_CANARY_WEIGHT ? row->u.routes.canary : row->u.routes.primary;
        strbuf_addf(value, "%s weight was %d",
                    e->state.fields == STATE_CANARY_WEIGHT ? "canary" : "primary", number);
        return routes && beyond(e, number);
    case STATE_STATUS_WEIGHT:
        strbuf_addf(value, "status.canaryWeight was %d", row->u.status.after.canary_weight);
        return status && beyond(e, row->u.status.after.canary_weight);
    case STATE_FAILED_CHECKS:
        strbuf_addf(value, "failedChecks was %d", row->u.status.after.failed_checks);
        return status && beyond(e, row->u.status.after.failed_checks);
    case STATE_ITERATIONS:
        strbuf_addf(value, "iterations was %d", row->u.status.after.iterations);
        return status && beyond(e, row->u.status.after.iterations);
    case STATE_PHASE:
        strbuf_adds(value, "phase was ");
        strbuf_adds(value, status ? phase_or_none(row->u.status.after.phase) : "");
        return status && (e->state.phases >> row->u.status.after.phase & 1);
    case STATE_MIRROR:
        strbuf_adds(value, "traffic was mirrored");
        return routes && row->u.routes.mirror == e->state.mirror;
    case STATE_EVENT:
    case STATE_ALERT:
        if (row->kind != (e->state.fields == STATE_EVENT ? ROW_EVENT : ROW_ALERT))
            return false;
        show_message(value, row);
        return matched(&e->never.matcher, strbuf_str(value));
    case STATE_HOOK:
        if (row->kind != ROW_HOOK || strcmp(hook_of(row), e->name) != 0)
            return false;
        strbuf_addf(value, "hook %s was called", e->name);
        return true;
    case STATE_OUTAGE:
        if (row->kind != ROW_OUTAGE || row->u.outage.lost == 0)
            return false;
        strbuf_addf(value, "%d%% of the requests met no ready pod", row->u.outage.lost);
        return true;
    default:
        return false;
    }
}

static void judge_never(struct judging *j)
{
    struct strbuf value = STRBUF_INIT;

    for (size_t i = 0; i < j->record->count; i++) {
        const struct row *row = &j->record->rows[i];

        if (!mine(j, row) || !violates(j, row, &value))
            continue;
        mismatch(j, j->e->line,
                 arena_printf(j->out->arena, "at %s, never expected: %s",
                              clock_text(j, row->at_ms - j->epoch_ms), strbuf_str(&value)),
                 NULL);
        break; /* the first time says enough */
    }
    strbuf_release(&value);
}

void scenario_judge(const struct scenario_run *run, const struct record *record,
                    const struct canary_result *results, struct mismatches *out)
{
    for (uint32_t i = 0; i < run->expect_count; i++) {
        const struct expectation *e = &run->expects[i];
        struct judging j = {.run = run,
                            .record = record,
                            .result = &results[e->canary],
                            .e = e,
                            .out = out,
                            .epoch_ms = record->info.epoch_ms};

        switch (e->kind) {
        case EXPECT_STATE:
            judge_state(&j);
            break;
        case EXPECT_PHASES:
            judge_phases(&j);
            break;
        case EXPECT_WEIGHTS:
            judge_weights(&j);
            break;
        case EXPECT_EVENTS:
        case EXPECT_ALERTS:
            judge_texts(&j);
            break;
        case EXPECT_HOOK:
            judge_hook(&j);
            break;
        case EXPECT_CHECKS:
            judge_checks(&j);
            break;
        case EXPECT_NEVER:
            judge_never(&j);
            break;
        case EXPECT_FINISHED:
            judge_finished(&j);
            break;
        case EXPECT_COUNTS:
            judge_counts(&j);
            break;
        case EXPECT_OUTAGE:
            judge_outage(&j);
            break;
        case EXPECT_CAPACITY:
            judge_capacity(&j);
            break;
        }
    }
}
