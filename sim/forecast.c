#include "sim/forecast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/run.h"

#define TICKS_MAX 20000        /* of a rollout; a longer one is called endless */
#define TICKS_BESIDE_STEPS 420 /* 100 weights up, 100 down, gates, and room to see a standstill */
#define WORLD_HOOKS 64

/* A plan of one Canary, good until `bad_ms`. */
struct world_parts {
    struct sim_plan plan;
    struct canary_plan canary;
    const struct spec *specs[1];
    struct revision_plan revisions[2];
    struct change_plan changes[1];
    struct hook_plan hooks[WORLD_HOOKS];
    struct hook_change hook_changes[WORLD_HOOKS];
    struct fault_plan faults[1];
};

static bool is_check_hook(const struct hook_spec *h)
{
    return h->type == HOOK_ROLLOUT;
}

static ms_t longest_ms(const struct spec *spec)
{
    int64_t ticks = TICKS_BESIDE_STEPS;

    if (spec->analysis.iterations > 0)
        ticks += spec->analysis.iterations;
    return (ticks < TICKS_MAX ? ticks : TICKS_MAX) * spec->analysis.interval_ms;
}

/* Rollback webhooks say no, all others yes; a release that turned bad fails the rollout webhooks
 * where there is no metric to do it. */
static void plan_hooks(struct world_parts *p, const struct spec *spec, ms_t bad_ms)
{
    const struct analysis_spec *analysis = &spec->analysis;
    uint32_t count = 0;

    for (uint32_t i = 0; i < analysis->hook_count && count < WORLD_HOOKS; i++) {
        const struct hook_spec *hook = &analysis->hooks[i];
        struct hook_change *change = &p->hook_changes[count];
        if (hook->type == HOOK_ROLLBACK)
            *change = (struct hook_change){0, {.status = 403, .body = ""}};
        else if (is_check_hook(hook) && analysis->metric_count == 0 && bad_ms != MS_NEVER)
            *change = (struct hook_change){bad_ms, {.status = 500, .body = "bad release"}};
        else
            continue;
        p->hooks[count++] =
            (struct hook_plan){.name = hook->name, .changes = change, .change_count = 1};
    }
    p->canary.hooks = p->hooks;
    p->canary.hook_count = count;
}

static void plan_world(struct world_parts *p, const struct spec *spec, ms_t bad_ms)
{
    memset(p, 0, sizeof *p);
    p->specs[0] = spec;
    p->revisions[0] = (struct revision_plan){revision_of("v1"), "v1", 0};
    p->revisions[1] = (struct revision_plan){revision_of("v2"), "v2", 0};
    p->changes[0] = (struct change_plan){
        .kind = CHANGE_DEPLOY, .revision = revision_of("v2"), .text = "deploy v2"};
    p->canary.specs = p->specs;
    p->canary.spec_count = 1;
    p->canary.world = (struct world_plan){
        .replicas = 1,
        .deployment_deadline_s = 600,
        .revisions = p->revisions,
        .revision_count = 2,
        .first = revision_of("v1"),
        .initialized = true,
    };
    plan_hooks(p, spec, bad_ms);
    if (bad_ms != MS_NEVER && spec->analysis.metric_count > 0) {
        p->faults[0] = (struct fault_plan){.ask = ASK_METRIC,
                                           .from_ms = bad_ms,
                                           .to_ms = MS_NEVER,
                                           .outcome = OUTCOME_FAILED,
                                           .text = "bad release"};
        p->canary.faults = p->faults;
        p->canary.fault_count = 1;
    }
    p->plan = (struct sim_plan){
        .info = {.name = spec->name,
                 .profile = "",
                 .deviations = spec->deviations,
                 .epoch_ms = SIM_EPOCH_MS},
        .canaries = &p->canary,
        .canary_count = 1,
        .changes = p->changes,
        .change_count = 1,
        .until_ms = MS_NEVER,
        .limit_ms = longest_ms(spec),
        .control_loop_ms = 10000,
    };
}

static int play(struct sim *sim, const struct spec *spec, ms_t bad_ms, struct record *record,
                ms_t *ret_end_ms)
{
    struct world_parts *parts = malloc(sizeof *parts);
    struct sim_options options = {0};
    struct sink sink = record_sink(record, false);

    if (!parts)
        return -ENOMEM;
    plan_world(parts, spec, bad_ms);
    int rc = sim_run(sim, &parts->plan, &options, &sink, NULL, ret_end_ms);
    free(parts);
    return rc != 0 ? rc : record->failed ? -ENOMEM : 0;
}

/* ---- the good run ---- */

static int add_tick(struct forecast *f, size_t *cap, struct forecast_tick tick)
{
    if (f->tick_count == *cap) {
        size_t wanted = *cap ? *cap * 2 : 32;
        struct forecast_tick *grown = realloc(f->ticks, wanted * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        f->ticks = grown;
        *cap = wanted;
    }
    f->ticks[f->tick_count++] = tick;
    return 0;
}

/* The rows of a tick, added up. Returns the row behind its end. */
static size_t read_tick(const struct record *r, size_t i, ms_t zero_ms, struct forecast_tick *tick)
{
    tick->at_ms = r->rows[i].at_ms - zero_ms;
    tick->phase_before = r->rows[i].u.tick.phase;
    tick->routed = false;
    tick->checks = 0;
    tick->first_row = i;
    for (i++; i < r->count && r->rows[i].kind != ROW_TICK_END; i++) {
        const struct row *row = &r->rows[i];
        if (row->kind == ROW_CHECK)
            tick->checks++;
        if (row->kind == ROW_HOOK && is_check_hook(&row->spec->analysis.hooks[row->u.hook.index]))
            tick->checks++;
        if (row->kind != ROW_ROUTES || row->u.routes.outcome != OUTCOME_OK)
            continue;
        tick->routed = true;
        tick->primary = row->u.routes.primary;
        tick->canary = row->u.routes.canary;
        tick->mirror = row->u.routes.mirror;
    }
    tick->phase_after = i < r->count ? r->rows[i].u.tick.phase : tick->phase_before;
    tick->end_row = i < r->count ? i + 1 : i;
    return tick->end_row;
}

/* The ticks of the first rollout; `reterr_zero` is the time of the first. */
static int read_ticks(struct forecast *f)
{
    const struct record *r = &f->record;
    struct forecast_tick tick = {.primary = 100};
    size_t cap = 0, first = 0, i = 0;
    int rc = 0;

    while (first < r->count && r->rows[first].kind != ROW_ROLLOUT)
        first++;
    if (first == r->count)
        return 0;
    for (i = first; i > 0 && r->rows[i].kind != ROW_TICK; i--)
        ;
    ms_t zero_ms = r->rows[first].at_ms;
    while (rc == 0 && i < r->count && !f->ended) {
        if (r->rows[i].kind != ROW_TICK) {
            i++;
            continue;
        }
        i = read_tick(r, i, zero_ms, &tick);
        rc = add_tick(f, &cap, tick);
        f->ended = tick.phase_after == PHASE_SUCCEEDED;
    }
    return rc;
}

/* Percent times ms that the canary carried between two times. */
static int64_t exposed_between(const struct forecast_tick *ticks, size_t count, ms_t from_ms,
                               ms_t to_ms)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        ms_t begin = ticks[i].at_ms > from_ms ? ticks[i].at_ms : from_ms;
        ms_t end = i + 1 < count && ticks[i + 1].at_ms < to_ms ? ticks[i + 1].at_ms : to_ms;
        if (end > begin)
            sum += ticks[i].canary * (end - begin);
    }
    return sum;
}

static ms_t still_since(const struct forecast *f)
{
    size_t i = f->tick_count;

    while (i > 1 && f->ticks[i - 1].canary == f->ticks[i - 2].canary &&
           f->ticks[i - 1].phase_after == f->ticks[i - 2].phase_after)
        i--;
    return i > 0 ? f->ticks[i - 1].at_ms : 0;
}

/* ---- releases that turn bad ---- */

static void read_bad(struct forecast_bad *bad, const struct forecast *good,
                     const struct forecast *f)
{
    ms_t bad_ms = good->ticks[bad->from_tick].at_ms;
    ms_t end_ms = f->tick_count > 0 ? f->ticks[f->tick_count - 1].at_ms : 0;

    bad->first_failed_ms = bad->back_ms = MS_NEVER;
    for (size_t i = 0; i < f->tick_count; i++) {
        const struct forecast_tick *t = &f->ticks[i];
        if (bad->first_failed_ms == MS_NEVER && t->at_ms > bad_ms && t->checks > 0)
            bad->first_failed_ms = t->at_ms;
        if (t->phase_after == PHASE_FAILED && bad->back_ms == MS_NEVER) {
            bad->caught = true;
            bad->back_ms = t->at_ms;
        }
    }
    bad->exposed =
        exposed_between(f->ticks, f->tick_count, bad_ms, bad->caught ? bad->back_ms : end_ms);
}

static int make_bad(struct sim *sim, const struct spec *spec, const struct forecast *good,
                    struct forecast_bad *bad)
{
    struct forecast run = {0};
    ms_t end_ms = 0;
    /* The first tick finds the revision at scenario time 0 or later: bad from just after the weight
     * was set. */
    ms_t bad_ms = good->ticks[bad->from_tick].at_ms + 1 +
                  good->record.rows[good->ticks[0].first_row].at_ms - SIM_EPOCH_MS;
    int rc = play(sim, spec, bad_ms, &run.record, &end_ms);

    if (rc == 0)
        rc = read_ticks(&run);
    if (rc == 0)
        read_bad(bad, good, &run);
    forecast_release(&run);
    return rc;
}

/* A release may turn bad at its start, or whenever more traffic comes to it. */
static bool may_turn_bad(const struct forecast *f, size_t i)
{
    if (i == 0)
        return false;
    if (f->ticks[i].phase_after == PHASE_FINALISING || f->ticks[i].phase_after == PHASE_SUCCEEDED)
        return false;
    return f->ticks[i].canary > f->ticks[i - 1].canary ||
           (f->ticks[i].mirror && !f->ticks[i - 1].mirror) || i == 1;
}

static int make_bads(struct sim *sim, const struct spec *spec, struct forecast *f)
{
    size_t count = 0;
    int rc = 0;

    for (size_t i = 0; i < f->tick_count; i++)
        count += may_turn_bad(f, i);
    f->bads = calloc(count ? count : 1, sizeof *f->bads);
    if (!f->bads)
        return -ENOMEM;
    for (size_t i = 0; i < f->tick_count && rc == 0; i++) {
        if (!may_turn_bad(f, i))
            continue;
        f->bads[f->bad_count].from_tick = i;
        rc = make_bad(sim, spec, f, &f->bads[f->bad_count]);
        f->bad_count++;
    }
    return rc;
}

static bool can_fail(const struct analysis_spec *analysis)
{
    for (uint32_t i = 0; i < analysis->hook_count; i++)
        if (is_check_hook(&analysis->hooks[i]))
            return true;
    return analysis->metric_count > 0;
}

int forecast_make(struct forecast *ret_forecast, const struct spec *spec)
{
    struct forecast f = {.still_ms = MS_NEVER};
    struct sim *sim = sim_new();
    ms_t end_ms = 0;
    int rc = sim ? play(sim, spec, MS_NEVER, &f.record, &end_ms) : -ENOMEM;

    if (rc == 0)
        rc = read_ticks(&f);
    if (rc == 0 && f.tick_count > 0) {
        ms_t last_ms = f.ticks[f.tick_count - 1].at_ms;
        f.took_ms = last_ms;
        f.exposed = exposed_between(f.ticks, f.tick_count, 0, last_ms);
        if (!f.ended)
            f.still_ms = still_since(&f);
    }
    f.can_fail = can_fail(&spec->analysis) && !spec->skip_analysis;
    if (rc == 0 && f.can_fail)
        rc = make_bads(sim, spec, &f);
    sim_free(sim);
    if (rc == 0)
        *ret_forecast = f;
    else
        forecast_release(&f);
    return rc;
}

void forecast_release(struct forecast *f)
{
    record_release(&f->record);
    free(f->ticks);
    free(f->bads);
    memset(f, 0, sizeof *f);
}
