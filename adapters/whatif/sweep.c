#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/whatif/whatif.h"
#include "sim/stat.h"

#define BATCH 4096u /* runs between two looks at the precision */
#define MONTH_S (30 * 86400.0)

/* ---- the grid
 * ------------------------------------------------------------------------------------------------
 */

size_t whatif_cell_count(const struct whatif_grid *g)
{
    size_t count = g->rps_count * g->error_count;

    for (size_t i = 0; i < g->axis_count; i++)
        count *= g->axes[i].count;
    return count;
}

void whatif_cell_place(const struct whatif_grid *g, size_t cell, size_t *ret_axes, size_t *ret_rps,
                       size_t *ret_error)
{
    *ret_error = cell % g->error_count;
    cell /= g->error_count;
    *ret_rps = cell % g->rps_count;
    cell /= g->rps_count;
    for (size_t i = g->axis_count; i-- > 0;) {
        ret_axes[i] = cell % g->axes[i].count;
        cell /= g->axes[i].count;
    }
}

/* ---- one cell
 * ------------------------------------------------------------------------------------------------
 */

/* A cell made ready; all of it lives in an arena of its own. */
struct ready {
    struct arena *arena;
    struct canary canary;
    struct policy_options options;
    struct policy policy;
    struct whatif_model model;
    struct whatif_case *cases;
};

/* `analysis.threshold` for `threshold`: the field that was meant lies deeper. */
static const char *deeper_path(const struct whatif_plan *plan, struct arena *arena,
                               const struct whatif_axis *a)
{
    static const char *const parents[] = {"analysis", "analysis.metrics[0]", "service", NULL};

    for (int i = 0; parents[i]; i++) {
        const char *path = arena_printf(arena, "%s.%s", parents[i], a->path);
        cJSON *object = json_copy(plan->source->object);
        struct canary canary;
        struct diags diags;
        bool good;

        diags_init(&diags, arena);
        good = path && object && !whatif_set(object, arena, path, a->values[0]) &&
               canary_decode_json(arena, &diags, "", object, &plan->source->options, &canary) == 0;
        diags_release(&diags);
        json_free(object);
        if (good)
            return arena_printf(arena, "did you mean %s?", path);
    }
    return NULL;
}

/* Is `path` (".spec.analysis.x") the field that an axis sets, or one on the way to it? */
static bool is_about(const char *path, const struct whatif_axis *a)
{
    size_t len = path ? strlen(path) : 0, prefix = strlen(".spec.");

    if (path && strncmp(a->path, "judge.", 6) == 0)
        return len > strlen(a->path) && strcmp(path + len - strlen(a->path), a->path) == 0;
    return len > prefix && strncmp(path + prefix, a->path, len - prefix) == 0;
}

/* What is wrong with a value that --set gave is said of the option, not of the file. */
static void blame_axes(const struct whatif_plan *plan, struct arena *arena, const size_t *axes,
                       struct diags *diags, size_t first)
{
    for (size_t i = first; i < diags->count; i++)
        for (size_t k = 0; k < plan->grid->axis_count; k++) {
            const struct whatif_axis *a = &plan->grid->axes[k];
            struct diag *d = &diags->items[i];
            struct strbuf value = STRBUF_INIT;
            const char *hint;

            if (!is_about(d->path, a))
                continue;
            json_add_to(&value, a->values[axes[k]]);
            d->file = arena_printf(arena, "--set %s=%s", a->path, strbuf_str(&value));
            strbuf_release(&value);
            hint = deeper_path(plan, arena, a);
            if (hint)
                d->hint = hint;
            else if (d->hint && strcmp(d->hint, "remove the quotes") == 0)
                d->hint = NULL; /* there are none on the command line */
            break;
        }
}

static int decode_cell(const struct whatif_plan *plan, size_t cell, struct arena *arena,
                       struct diags *diags, struct canary *ret_canary)
{
    size_t axes[WHATIF_AXES_MAX], rps, error, before = diags->count;
    cJSON *object = json_copy(plan->source->object);
    int rc = object ? 0 : -ENOMEM;

    whatif_cell_place(plan->grid, cell, axes, &rps, &error);
    for (size_t i = 0; i < plan->grid->axis_count && rc == 0; i++) {
        const struct whatif_axis *a = &plan->grid->axes[i];
        const char *what = whatif_set(object, arena, a->path, a->values[axes[i]]);
        if (what) {
            diags_add(diags, &(struct diag){.file = arena_printf(arena, "--set %s", a->path),
                                            .path = arena_printf(arena, ".spec.%s", a->path),
                                            .what = what});
            rc = -EINVAL;
        }
    }
    if (rc == 0)
        rc = canary_decode_json(arena, diags, plan->source->file, object, &plan->source->options,
                                ret_canary);
    json_free(object);
    if (rc == -EINVAL)
        blame_axes(plan, arena, axes, diags, before);
    return rc;
}

static void release(struct ready *r)
{
    whatif_case_free(r->cases);
    policy_release(&r->policy);
    arena_free(r->arena);
}

static int make_ready(const struct whatif_plan *plan, size_t cell, struct ready *r)
{
    size_t axes[WHATIF_AXES_MAX], rps, error;
    struct diags diags;
    int rc;

    memset(r, 0, sizeof *r);
    r->arena = arena_new(0);
    if (!r->arena)
        return -ENOMEM;
    diags_init(&diags, r->arena);
    rc = decode_cell(plan, cell, r->arena, &diags, &r->canary);
    diags_release(&diags);
    if (rc == 0) {
        whatif_choose_metrics(&r->canary.spec, plan->metrics, &r->options);
        r->options.outages =
            plan->model.outage_ppm > 0 || plan->model.outage_to_ms > plan->model.outage_from_ms;
        rc = policy_make(&r->policy, &r->canary.spec, &r->options);
    }
    whatif_cell_place(plan->grid, cell, axes, &rps, &error);
    r->model = plan->model;
    r->model.rps = plan->grid->rps[rps];
    r->model.errors = plan->grid->errors[error];
    for (size_t i = 0; plan->model.old_errors < 0 && i < plan->grid->error_count; i++)
        if (i == 0 || plan->grid->errors[i] < r->model.old_errors)
            r->model.old_errors = plan->grid->errors[i];
    if (model_is_stationary(&r->model) && r->model.onset_weight == 0)
        r->model.errors_before = r->model.errors;
    if (rc == 0)
        rc = whatif_case_new(&r->cases, &r->policy, &r->model);
    if (rc != 0)
        release(r);
    return rc;
}

int whatif_check(const struct whatif_plan *plan, struct arena *arena, struct diags *diags)
{
    size_t step = plan->grid->rps_count * plan->grid->error_count;

    for (size_t cell = 0; cell < whatif_cell_count(plan->grid); cell += step) {
        struct canary canary;
        int rc = decode_cell(plan, cell, arena, diags, &canary);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static struct whatif_times times_of(const uint64_t *ticks, uint64_t runs, uint32_t max,
                                    ms_t interval)
{
    if (runs == 0)
        return (struct whatif_times){(double)NAN, (double)NAN};
    return (struct whatif_times){
        whatif_quantile(ticks, max, 0.5) * (double)interval / 1000,
        whatif_quantile(ticks, max, 0.9) * (double)interval / 1000,
    };
}

/* Requests per second to the service, over the whole of a trace. */
static double mean_rate(const struct whatif_model *m)
{
    double sum = 0;

    for (uint32_t i = 0; i < m->trace_count; i++)
        sum += m->trace[i];
    if (m->trace_count == 0)
        return m->rps;
    return sum / m->trace_count * (m->rps > 0 ? m->rps : 1);
}

static double mean_of(uint64_t sum, uint64_t runs, double unit)
{
    return runs > 0 ? (double)sum / unit / (double)runs : (double)NAN;
}

/* Judges that compare have no bounds: worse than the old version is bad. */
static bool is_worse(const struct ready *r)
{
    for (uint32_t i = 0; i < r->policy.metric_count; i++) {
        const struct policy_metric *m = &r->policy.metrics[i];
        bool latency = m->kind == POLICY_LATENCY || m->kind == POLICY_LATENCY_S;

        if (m->judged && (latency ? r->model.latency && r->model.slowdown > 1
                                  : r->model.errors > r->model.old_errors))
            return true;
    }
    return false;
}

/* Is the quantile of some latency check truly beyond its bound? */
static bool is_slow(const struct ready *r)
{
    for (uint32_t i = 0; r->model.latency && i < r->policy.metric_count; i++) {
        const struct policy_metric *m = &r->policy.metrics[i];
        bool seconds = m->kind == POLICY_LATENCY_S;

        if (!m->judged && (m->kind == POLICY_LATENCY || seconds) && m->bounds.has_max &&
            model_latency_cdf(&r->model, m->bounds.max * (seconds ? 1000 : 1)) < m->quantile)
            return true;
    }
    return false;
}

static void conclude_capacity(const struct whatif_tally *t, struct whatif_capacity *out)
{
    *out = (struct whatif_capacity){.known = true, .short_runs = t->short_runs};
    stat_wilson(t->short_runs, t->runs, STAT_Z95, &out->low, &out->high);
    out->least = mean_of(t->least, t->runs, 1000000);
    out->worst = t->runs > 0 ? (double)t->worst / 1000000 : (double)NAN;
    out->short_s = mean_of(t->short_ms, t->runs, 1000);
    out->over_mean = mean_of(t->over, t->runs, 1000);
}

static int conclude(const struct whatif_plan *plan, size_t cell, const struct ready *r,
                    const struct whatif_tally *t, struct whatif_result *out)
{
    ms_t interval = r->canary.spec.analysis.interval_ms;
    double extra;

    *out = (struct whatif_result){.cell = cell,
                                  .runs = t->runs,
                                  .rolled_back = t->rolled_back,
                                  .promoted = t->promoted,
                                  .unfinished = t->unfinished};
    stat_wilson(t->rolled_back, t->runs, STAT_Z95, &out->rollback_low, &out->rollback_high);
    stat_wilson(t->promoted, t->runs, STAT_Z95, &out->promote_low, &out->promote_high);
    out->detection = times_of(t->detection, t->rolled_back, t->ticks_max, interval);
    out->rollback = times_of(t->back, t->rolled_back, t->ticks_max, interval);
    out->promotion = times_of(t->promotion, t->promoted, t->ticks_max, interval);
    out->bad_mean = mean_of(t->bad, t->runs, 1000);
    out->bad_back_mean = mean_of(t->bad_back, t->rolled_back, 1000);
    out->requests_mean = mean_of(t->requests, t->runs, 1);
    out->users = mean_of(t->exposed, t->runs, 1000000);
    if (plan->model.capacity.pod_rps > 0)
        conclude_capacity(t, &out->capacity);
    out->allowed_errors = whatif_allowed_errors(&r->canary.spec, &r->options);
    out->bad = r->model.errors > out->allowed_errors || is_slow(r) || is_worse(r);
    out->interval_s = (double)interval / 1000;
    out->best_s =
        r->policy.best_ticks > 0 ? (r->policy.best_ticks - 1) * (double)interval / 1000 : 0;
    extra = out->bad_mean;
    if (plan->slo < 1 && mean_rate(&r->model) > 0)
        out->budget = extra / ((1 - plan->slo) * mean_rate(&r->model) * MONTH_S);
    return whatif_sum(r->cases, &out->exact);
}

/* ---- runs
 * ----------------------------------------------------------------------------------------------------
 */

static bool precise(const struct whatif_plan *plan, const struct whatif_tally *t)
{
    double low, high;

    if (plan->precision <= 0 || t->runs == 0)
        return false;
    stat_wilson(t->rolled_back, t->runs, STAT_Z95, &low, &high);
    return (high - low) / 2 <= plan->precision;
}

/* A batch for each thread; they are counted in their order and stop where the precision is met. */
struct worker {
    pthread_t thread;
    const struct whatif_case *cases;
    uint64_t seed;
    uint32_t first, count;
    struct whatif_tally tally;
};

static void *work(void *ctx)
{
    struct worker *w = ctx;

    whatif_tally_clear(&w->tally);
    if (w->count > 0)
        whatif_play(w->cases, w->seed, w->first, w->count, &w->tally);
    return NULL;
}

static void play_round(struct worker *workers, uint32_t threads)
{
    uint32_t started = 1;

    for (; started < threads; started++)
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break;
    work(&workers[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    for (uint32_t i = started; i < threads; i++)
        work(&workers[i]);
}

static int play_cell(const struct whatif_plan *plan, const struct whatif_case *cases,
                     uint32_t threads, struct whatif_tally *tally)
{
    struct worker *workers = calloc(threads, sizeof *workers);
    uint32_t ready = 0, next = 0;
    bool done = false;
    int rc = workers ? 0 : -ENOMEM;

    for (; rc == 0 && ready < threads; ready++) {
        workers[ready].cases = cases;
        workers[ready].seed = plan->seed;
        rc = whatif_tally_init(&workers[ready].tally, whatif_ticks_max(cases),
                               tally->weights != NULL);
    }
    while (rc == 0 && !done && next < plan->runs) {
        for (uint32_t i = 0; i < threads; i++) {
            workers[i].first = next;
            workers[i].count = plan->runs - next < BATCH ? plan->runs - next : BATCH;
            next += workers[i].count;
        }
        play_round(workers, threads);
        for (uint32_t i = 0; i < threads && !done && workers[i].count > 0 && rc == 0; i++) {
            rc = workers[i].tally.runs == workers[i].count ? 0 : -ENOMEM;
            whatif_tally_add(tally, &workers[i].tally);
            done = precise(plan, tally);
        }
    }
    for (uint32_t i = 0; i < ready; i++)
        whatif_tally_release(&workers[i].tally);
    free(workers);
    return rc;
}

/* Runs that have ended join those under way; returns the last tick at which something changes. */
static uint32_t count_ended(struct whatif_tally *t)
{
    uint64_t back = 0, promoted = 0;
    uint32_t last = 0;

    for (uint32_t tick = 0; tick < t->ticks_max; tick++) {
        uint64_t *now = &t->weights[(size_t)tick * 101];

        back += t->back[tick];
        promoted += t->promotion[tick];
        now[0] += back;
        now[100] += promoted;
        if (tick > 0 && memcmp(now, now - 101, 101 * sizeof *now) != 0)
            last = tick;
    }
    return last;
}

static int keep_fan(struct whatif_tally *t, struct whatif_result *out)
{
    struct strbuf text = STRBUF_INIT;
    uint32_t last;

    if (!t->weights)
        return 0;
    last = count_ended(t);
    for (uint32_t tick = 0; tick <= last; tick++) {
        bool first = true;

        strbuf_adds(&text, tick ? ",[" : "[[");
        for (int share = 0; share <= 100; share++) {
            uint64_t runs = t->weights[(size_t)tick * 101 + (size_t)share];
            if (runs == 0)
                continue;
            strbuf_addf(&text, "%s[%d,%llu]", first ? "" : ",", share, (unsigned long long)runs);
            first = false;
        }
        strbuf_addc(&text, ']');
    }
    strbuf_addc(&text, ']');
    out->fan = strbuf_detach(&text);
    return out->fan ? 0 : -ENOMEM;
}

static int run_cell(const struct whatif_plan *plan, size_t cell, uint32_t threads,
                    struct whatif_result *ret_result)
{
    struct whatif_tally tally = {0};
    struct ready r;
    int rc = make_ready(plan, cell, &r);

    if (rc != 0)
        return rc;
    rc = whatif_tally_init(&tally, whatif_ticks_max(r.cases), plan->fan);
    if (rc == 0)
        rc = play_cell(plan, r.cases, threads, &tally);
    if (rc == 0)
        rc = conclude(plan, cell, &r, &tally, ret_result);
    if (rc == 0)
        rc = keep_fan(&tally, ret_result);
    release(&r);
    whatif_tally_release(&tally);
    return rc;
}

int whatif_run_cell(const struct whatif_plan *plan, size_t cell, struct whatif_result *ret_result)
{
    return run_cell(plan, cell, plan->threads ? plan->threads : 1, ret_result);
}

/* ---- the sweep
 * -----------------------------------------------------------------------------------------------
 */

struct sweep {
    const struct whatif_plan *plan;
    struct whatif_result *results;
    size_t count, next, done;
    uint32_t threads_per_cell;
    pthread_mutex_t lock;
    int rc;
};

static void *sweep_work(void *ctx)
{
    struct sweep *s = ctx;

    for (;;) {
        pthread_mutex_lock(&s->lock);
        size_t i = s->next++;
        bool stop = i >= s->count || s->rc != 0;
        pthread_mutex_unlock(&s->lock);
        if (stop)
            return NULL;
        int rc = run_cell(s->plan, i * s->plan->shard_count + s->plan->shard, s->threads_per_cell,
                          &s->results[i]);
        pthread_mutex_lock(&s->lock);
        s->done++;
        if (rc != 0 && s->rc == 0)
            s->rc = rc;
        if (s->plan->progress)
            s->plan->progress(s->plan->ctx, s->done, s->count);
        pthread_mutex_unlock(&s->lock);
    }
}

int whatif_run(const struct whatif_plan *plan, struct whatif_result **ret_results,
               size_t *ret_count)
{
    size_t all = whatif_cell_count(plan->grid);
    struct sweep s = {.plan = plan, .lock = PTHREAD_MUTEX_INITIALIZER, .threads_per_cell = 1};
    uint32_t threads = plan->threads ? plan->threads : 1, started = 0;
    pthread_t *others = calloc(threads, sizeof *others);

    s.count = all > plan->shard ? (all - plan->shard - 1) / plan->shard_count + 1 : 0;
    s.results = calloc(s.count ? s.count : 1, sizeof *s.results);
    if (!others || !s.results) {
        free(others);
        free(s.results);
        return -ENOMEM;
    }
    if (s.count < threads) { /* few cells: the threads share each */
        s.threads_per_cell = threads;
        threads = 1;
    }
    for (; started + 1 < threads; started++)
        if (pthread_create(&others[started], NULL, sweep_work, &s) != 0)
            break;
    sweep_work(&s);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    free(others);
    pthread_mutex_destroy(&s.lock);
    if (s.rc != 0) {
        whatif_results_free(s.results, s.count);
        return s.rc;
    }
    *ret_results = s.results;
    *ret_count = s.count;
    return 0;
}

void whatif_results_free(struct whatif_result *results, size_t count)
{
    for (size_t i = 0; results && i < count; i++)
        free(results[i].fan);
    free(results);
}
