#include "sim/models_int.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/stat_math.h"

/* ---- tallies
 * -------------------------------------------------------------------------------------------------
 */

int whatif_tally_init(struct whatif_tally *t, uint32_t ticks_max, bool weights)
{
    size_t n = (size_t)ticks_max + 2;

    memset(t, 0, sizeof *t);
    t->worst = UINT64_MAX;
    t->ticks_max = ticks_max;
    t->back = calloc(n, sizeof *t->back);
    t->promotion = calloc(n, sizeof *t->promotion);
    t->detection = calloc(n, sizeof *t->detection);
    t->weights = weights ? calloc(n * 101, sizeof *t->weights) : NULL;
    if (t->back && t->promotion && t->detection && (t->weights || !weights))
        return 0;
    whatif_tally_release(t);
    return -ENOMEM;
}

void whatif_tally_clear(struct whatif_tally *t)
{
    size_t n = (size_t)t->ticks_max + 2;
    struct whatif_tally kept = *t;

    memset(t->back, 0, n * sizeof *t->back);
    memset(t->promotion, 0, n * sizeof *t->promotion);
    memset(t->detection, 0, n * sizeof *t->detection);
    if (t->weights)
        memset(t->weights, 0, n * 101 * sizeof *t->weights);
    *t = (struct whatif_tally){.worst = UINT64_MAX,
                               .back = kept.back,
                               .promotion = kept.promotion,
                               .detection = kept.detection,
                               .weights = kept.weights,
                               .ticks_max = kept.ticks_max};
}

void whatif_tally_add(struct whatif_tally *t, const struct whatif_tally *o)
{
    assert(t->ticks_max == o->ticks_max);
    t->runs += o->runs;
    t->rolled_back += o->rolled_back;
    t->promoted += o->promoted;
    t->unfinished += o->unfinished;
    t->requests += o->requests;
    t->bad += o->bad;
    t->bad_back += o->bad_back;
    t->exposed += o->exposed;
    t->short_runs += o->short_runs;
    t->short_ms += o->short_ms;
    t->over += o->over;
    t->least += o->least;
    t->worst = o->worst < t->worst ? o->worst : t->worst;
    for (uint32_t i = 0; i < t->ticks_max + 2; i++) {
        t->back[i] += o->back[i];
        t->promotion[i] += o->promotion[i];
        t->detection[i] += o->detection[i];
    }
    for (size_t i = 0; t->weights && o->weights && i < ((size_t)t->ticks_max + 2) * 101; i++)
        t->weights[i] += o->weights[i];
}

void whatif_tally_release(struct whatif_tally *t)
{
    free(t->back);
    free(t->promotion);
    free(t->detection);
    free(t->weights);
    memset(t, 0, sizeof *t);
}

uint32_t whatif_quantile(const uint64_t *ticks, uint32_t ticks_max, double share)
{
    uint64_t total = 0, sum = 0;

    for (uint32_t i = 0; i < ticks_max + 2; i++)
        total += ticks[i];
    for (uint32_t i = 0; i < ticks_max + 2; i++) {
        sum += ticks[i];
        if (total > 0 && (double)sum >= share * (double)total)
            return i;
    }
    return 0;
}

/* ---- making a case ready
 * --------------------------------------------------------------------------------------- */

static ms_t common_divisor(ms_t a, ms_t b)
{
    while (b != 0) {
        ms_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

bool metric_is_latency(const struct policy_metric *m)
{
    return m->kind == POLICY_LATENCY || m->kind == POLICY_LATENCY_S;
}

double metric_bound_ms(const struct policy_metric *m)
{
    double bound = m->bounds.has_max ? m->bounds.max : 0;

    return m->kind == POLICY_LATENCY_S ? bound * 1000 : bound;
}

/* The share of requests that falls into each bucket. */
static void fill_shares(const struct whatif_case *c, const struct whatif_model *m, double *ret)
{
    double before = 0;

    for (uint32_t b = 0; b < c->bucket_count; b++) {
        double cdf = b + 1 < c->bucket_count ? model_latency_cdf(m, c->bounds[b]) : 1;
        ret[b] = cdf > before ? cdf - before : 0;
        before = cdf;
    }
}

/* Buckets of latency: one when nobody looks, Istio's, or one boundary per bound. */
static void choose_buckets(struct whatif_case *c)
{
    const struct policy *p = c->policy;
    struct whatif_model old = c->model;
    bool looked_at = false;

    for (uint32_t i = 0; i < p->metric_count; i++)
        looked_at = looked_at || metric_is_latency(&p->metrics[i]);
    c->bucket_count = 1;
    if (looked_at && c->model.latency && (!c->model.latency_counts || p->compares)) {
        memcpy(c->bounds, model_bucket_bounds, sizeof model_bucket_bounds);
        c->bucket_count = MODEL_BUCKETS;
    } else if (looked_at && c->model.latency) {
        for (uint32_t i = 0; i < p->metric_count; i++) {
            double bound = metric_bound_ms(&p->metrics[i]);
            uint32_t at = 0;
            if (!metric_is_latency(&p->metrics[i]))
                continue;
            while (at + 1 < c->bucket_count && c->bounds[at] < bound)
                at++;
            if (at + 1 < c->bucket_count && !(c->bounds[at] > bound))
                continue; /* the same bound once more */
            memmove(&c->bounds[at + 1], &c->bounds[at],
                    (c->bucket_count - 1 - at) * sizeof(double));
            c->bounds[at] = bound;
            c->bucket_count++;
        }
    }
    fill_shares(c, &c->model, c->shares);
    old.slowdown = 1;
    fill_shares(c, &old, c->old_shares);
    for (uint32_t i = 0; i < p->metric_count; i++)
        for (c->slow_from[i] = 0; c->slow_from[i] + 1 < c->bucket_count; c->slow_from[i]++)
            if (c->bounds[c->slow_from[i]] >= metric_bound_ms(&p->metrics[i])) {
                c->slow_from[i]++;
                break;
            }
}

/* Cells that fit into slots of this length, if they are not too short for it. */
static void cut(struct whatif_case *c, ms_t slot_ms)
{
    ms_t unit = common_divisor(c->unit_ms, slot_ms);

    if (unit >= 1000)
        c->unit_ms = unit;
}

static int choose_cells(struct whatif_case *c)
{
    const struct policy *p = c->policy;
    ms_t longest = c->interval_ms;
    uint64_t cells;

    c->unit_ms = c->interval_ms;
    for (uint32_t i = 0; i < p->metric_count; i++) {
        c->unit_ms = common_divisor(c->unit_ms, p->metrics[i].window_ms);
        if (p->metrics[i].window_ms > longest)
            longest = p->metrics[i].window_ms;
    }
    if (c->model.scrape_ms > 0)
        c->unit_ms = common_divisor(c->unit_ms, c->model.scrape_ms);
    if (c->model.trace)
        cut(c, c->model.trace_slot_ms);
    if (c->model.burst_ppm > 0)
        cut(c, c->model.burst_slot_ms);
    if (c->model.blip_ppm > 0)
        cut(c, c->model.blip_slot_ms);
    c->cells_per_tick = (uint32_t)(c->interval_ms / c->unit_ms);
    cells = (uint64_t)((longest + c->model.scrape_ms) / c->unit_ms) + c->cells_per_tick + 2;
    for (c->ring = 2; c->ring < cells; c->ring *= 2)
        if (c->ring >= RING_LIMIT)
            return -E2BIG;
    return 0;
}

double run_share(const struct whatif_case *c, int32_t weight)
{
    double share = weight / 100.0;

    if (spec_strategy(c->policy->spec) == STRATEGY_AB)
        share *= c->model.match_percent / 100.0;
    return share;
}

static int fill_sampler(const struct whatif_case *c, struct sampler *s)
{
    double seconds = (double)c->unit_ms / 1000;
    double live = run_share(c, s->weight) * c->model.rps * seconds;
    double copied = s->mirrored ? c->model.rps * seconds - live : 0;
    double load = s->loaded ? c->model.load_rps * seconds : 0;
    int rc = 0;

    s->mean = live + copied + load;
    s->live_ppk = s->mean > 0 ? (uint32_t)(1000 * live / s->mean + 0.5) : 0;
    s->errors = model_errors(&c->model, s->weight, 0);
    s->spared = model_users_spared(run_share(c, s->weight),
                                   c->model.user_rps * (double)c->interval_ms / 1000);
    for (uint32_t b = 0; b < c->bucket_count && rc == 0 && c->stationary; b++) {
        rc = stat_table_poisson(&s->good[b], s->mean * (1 - s->errors) * c->shares[b]);
        if (rc == 0)
            rc = stat_table_poisson(&s->failed[b], s->mean * s->errors * c->shares[b]);
    }
    return rc;
}

/* One sampler for each way in which requests reach the canary. */
static int choose_samplers(struct whatif_case *c)
{
    const struct policy *p = c->policy;
    int rc = 0;

    c->sampler_of = malloc(p->state_count * sizeof *c->sampler_of);
    if (!c->sampler_of)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->state_count && rc == 0; i++) {
        const struct policy_state *state = &p->states[i];
        uint32_t k = 0;

        for (; k < c->sampler_count; k++)
            if (c->samplers[k].weight == state->weight &&
                c->samplers[k].mirrored == state->mirrored &&
                c->samplers[k].loaded == state->loaded)
                break;
        c->sampler_of[i] = k;
        if (k < c->sampler_count)
            continue;
        struct sampler *grown = realloc(c->samplers, (k + 1) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        c->samplers = grown;
        c->sampler_count++;
        c->samplers[k] = (struct sampler){
            .weight = state->weight, .mirrored = state->mirrored, .loaded = state->loaded};
        rc = fill_sampler(c, &c->samplers[k]);
    }
    return rc;
}

static uint32_t choose_ticks(const struct whatif_case *c)
{
    const struct policy *p = c->policy;
    uint64_t ticks = p->best_ticks ? p->best_ticks : 200;

    ticks += 16 + 4 * (uint64_t)p->spec->analysis.threshold;
    ticks += p->gate ? (uint64_t)(c->model.gate_ms / c->interval_ms) : 0;
    ticks *= 4; /* judges may wait for requests */
    return ticks < TICKS_LIMIT ? (uint32_t)ticks : TICKS_LIMIT;
}

int whatif_case_new(struct whatif_case **ret_case, const struct policy *policy,
                    const struct whatif_model *model)
{
    struct whatif_case *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return -ENOMEM;
    c->policy = policy;
    c->model = *model;
    c->stationary = model_is_stationary(model);
    c->interval_ms = policy->spec->analysis.interval_ms;
    rc = choose_cells(c);
    if (rc == 0) {
        choose_buckets(c);
        rc = choose_samplers(c);
    }
    if (rc != 0) {
        whatif_case_free(c);
        return rc;
    }
    c->ticks_max = choose_ticks(c);
    *ret_case = c;
    return 0;
}

void whatif_case_free(struct whatif_case *c)
{
    if (!c)
        return;
    for (uint32_t k = 0; k < c->sampler_count; k++)
        for (uint32_t b = 0; b < MODEL_BUCKETS; b++) {
            stat_table_release(&c->samplers[k].good[b]);
            stat_table_release(&c->samplers[k].failed[b]);
        }
    free(c->samplers);
    free(c->sampler_of);
    free(c);
}

uint32_t whatif_ticks_max(const struct whatif_case *c)
{
    return c->ticks_max;
}

/* ---- one run
 * ---------------------------------------------------------------------------------------------------
 */

/* What was counted in one cell. */
struct cell {
    uint64_t failed, bucket[MODEL_BUCKETS];
};

/*
 * 32 random bits for each number: off by less than 2^-32 in any probability, half the time. One
 * block serves two buckets.
 */
static void draw_from_tables(struct run *r, const struct sampler *s, struct cell *cell)
{
    const struct whatif_case *c = r->c;
    const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    uint32_t counter[4] = {0, 0, r->number, STREAM_TABLES}, block[4] = {0, 0, 0, 0};
    uint32_t drawn = UINT32_MAX;

    cell->failed = 0;
    for (uint32_t b = 0; b < c->bucket_count; b++) {
        const uint32_t *bits = &block[b % 2 * 2];

        cell->bucket[b] = 0;
        if (s->good[b].count == 1 && s->failed[b].count == 1)
            continue; /* nothing ever falls here */
        if (drawn != b / 2) {
            drawn = b / 2;
            counter[0] = r->cell * BLOCKS_PER_CELL + drawn;
            rng_block(counter, key, block);
        }
        uint64_t failed = stat_table_draw(&s->failed[b], (uint64_t)bits[0] << 32 | 0x80000000u);
        cell->bucket[b] =
            failed + stat_table_draw(&s->good[b], (uint64_t)bits[1] << 32 | 0x80000000u);
        cell->failed += failed;
    }
}

double run_slot(const struct run *r, uint32_t ppm, ms_t slot_ms, ms_t at_ms, uint32_t what,
                double factor, double otherwise)
{
    struct rng chance = rng_init(r->seed, r->number, STREAM_CHANCE + what);

    if (ppm == 0)
        return otherwise;
    chance.next = (uint64_t)(at_ms / slot_ms) * 8;
    return rng_chance(&chance, ppm) ? factor : otherwise;
}

void run_spread(struct rng *rng, const struct whatif_case *c, const double *shares, uint64_t n,
                uint64_t *ret_buckets)
{
    double rest = 1;

    for (uint32_t b = 0; b < c->bucket_count; b++) {
        double p = rest > 1e-15 ? shares[b] / rest : 1;
        uint64_t k = b + 1 == c->bucket_count ? n : stat_binomial(rng, n, p < 1 ? p : 1);

        ret_buckets[b] = k;
        n -= k;
        rest -= shares[b];
    }
}

/* Of the requests recorded in a slot, those of the cell at at_ms: all cells together hold them all.
 */
static uint64_t recorded(const struct whatif_case *c, ms_t at_ms, double rate)
{
    double in_slot = (double)(at_ms % c->model.trace_slot_ms) / 1000;
    double until = in_slot + (double)c->unit_ms / 1000;

    return (uint64_t)(rate * until + 0.5) - (uint64_t)(rate * in_slot + 0.5);
}

/* Rates that change with time: each number drawn by itself. */
static void draw_at(struct run *r, const struct sampler *s, ms_t at_ms, struct cell *cell,
                    uint64_t *ret_live)
{
    const struct whatif_model *m = &r->c->model;
    struct rng rng = rng_init(r->seed, r->number, STREAM_STEADY);
    double seconds = (double)r->c->unit_ms / 1000, share = run_share(r->c, s->weight);
    double rate = model_rate(m, at_ms) *
                  run_slot(r, m->burst_ppm, m->burst_slot_ms, at_ms, 0, m->burst_factor, 1);
    double errors = s->errors, blip;
    uint64_t live, n, failed;

    rng.next = (uint64_t)r->cell << 20;
    if (m->sticky == STICKY_CANARY && 1 - r->spared > share)
        share = 1 - r->spared;
    if (m->trace && m->rps <= 0) /* a recorded count is thinned, not drawn again */
        live = stat_binomial(&rng, recorded(r->c, at_ms, rate), share);
    else
        live = stat_poisson(&rng, rate * seconds * share);
    n = live;
    if (s->mirrored)
        n += stat_poisson(&rng, rate * seconds * (1 - share));
    if (s->loaded && m->load_rps > 0)
        n += stat_poisson(&rng, m->load_rps * seconds);
    if (r->served_from_ms != MS_NEVER)
        errors = model_errors(m, s->weight, at_ms - r->served_from_ms);
    blip = run_slot(r, m->blip_ppm, m->blip_slot_ms, at_ms, 1, m->blip_errors, 0);
    errors = blip > errors ? blip : errors;
    failed = stat_binomial(&rng, n, errors);
    cell->failed = failed;
    *ret_live = live;
    run_spread(&rng, r->c, r->c->shares, n, cell->bucket);
}

/* The autoscaler of the primary lives through what is left to it. */
static void scale(struct run *r, uint32_t state, ms_t at_ms)
{
    const struct whatif_case *c = r->c;
    double share = run_share(c, c->samplers[c->sampler_of[state]].weight);

    if (c->model.sticky == STICKY_CANARY && 1 - r->spared > share)
        share = 1 - r->spared;
    scaler_run(&r->scaler, at_ms + c->interval_ms, model_rate(&c->model, at_ms) * (1 - share));
}

/* All traffic is on the primary again: it has the time to start what is missing. */
static void count_capacity(struct run *r, uint32_t tick, struct whatif_tally *t)
{
    const struct whatif_model *m = &r->c->model;
    struct scaler *s = &r->scaler;
    uint64_t least;
    ms_t at_ms = (ms_t)tick * r->c->interval_ms;

    scaler_run(s, at_ms + m->capacity.start_ms + 2 * CAPACITY_LOOK_MS, model_rate(m, at_ms));
    least = (uint64_t)((s->least < 100 ? s->least : 100) * 1e6 + 0.5);
    t->short_runs += s->short_ms > 0;
    t->short_ms += (uint64_t)s->short_ms;
    t->over += (uint64_t)(s->over * 1000 + 0.5);
    t->least += least;
    t->worst = least < t->worst ? least : t->worst;
}

/* The time until the next tick passes: cells are drawn and summed. */
static void serve(struct run *r, uint32_t state, ms_t at_ms)
{
    const struct whatif_case *c = r->c;
    const struct sampler *s = &c->samplers[c->sampler_of[state]];
    uint32_t columns = c->bucket_count + 1;

    if (r->served_from_ms == MS_NEVER && (s->weight > 0 || s->mirrored))
        r->served_from_ms = at_ms;
    for (uint32_t i = 0; i < c->cells_per_tick; i++, r->cell++) {
        uint64_t *before = &r->sums[(r->cell - 1) % c->ring * columns];
        uint64_t *sums = &r->sums[r->cell % c->ring * columns];
        struct cell cell;
        uint64_t n = 0, live = 0;

        if (s->mean <= 0 && c->stationary) {
            memcpy(sums, before, columns * sizeof *sums);
            continue;
        }
        if (c->stationary)
            draw_from_tables(r, s, &cell);
        else
            draw_at(r, s, at_ms + (ms_t)i * c->unit_ms, &cell, &live);
        for (uint32_t b = 0; b < c->bucket_count; b++) {
            n += cell.bucket[b];
            sums[b + 1] = before[b + 1] + cell.bucket[b];
        }
        sums[0] = before[0] + cell.failed;
        if (c->stationary) {
            r->requests += s->live_ppk == 1000 ? n : n * s->live_ppk / 1000;
            r->bad += cell.failed * s->live_ppk;
        } else {
            r->requests += live;
            r->bad += n > 0 ? cell.failed * live * 1000 / n : 0;
        }
    }
    if (c->model.user_rps > 0 && s->weight > 0) {
        double share = run_share(c, s->weight);
        if (c->model.sticky == STICKY_BOTH)
            r->spared = r->spared < 1 - share ? r->spared : 1 - share;
        else
            r->spared *= s->spared;
    }
}

/* Requests and failures of a window that ends at a tick; buckets too when asked for. */
uint64_t run_look_back(const struct run *r, ms_t at_ms, ms_t window_ms, uint64_t *ret_failed,
                       uint64_t *ret_buckets)
{
    const struct whatif_case *c = r->c;
    uint32_t columns = c->bucket_count + 1;
    ms_t to = at_ms, from = at_ms - window_ms;
    uint64_t n = 0;

    if (c->model.scrape_ms > 0) {
        ms_t scrape = c->model.scrape_ms;
        to = at_ms / scrape * scrape;
        from = from > 0 ? (from + scrape - 1) / scrape * scrape : 0;
        from = from < to ? from : to;
    }
    from = from > 0 ? from : 0;
    const uint64_t *end = &r->sums[(uint64_t)(to / c->unit_ms) % c->ring * columns];
    const uint64_t *begin = &r->sums[(uint64_t)(from / c->unit_ms) % c->ring * columns];
    *ret_failed = end[0] - begin[0];
    for (uint32_t b = 0; b < c->bucket_count; b++) {
        ret_buckets[b] = end[b + 1] - begin[b + 1];
        n += ret_buckets[b];
    }
    return n;
}

bool metric_out_of_bounds(const struct threshold_range *b, double value)
{
    return (b->has_min && value < b->min) || (b->has_max && value > b->max);
}

double metric_of_counts(const struct whatif_case *c, uint32_t metric, uint64_t n, uint64_t failed,
                        const uint64_t *buckets)
{
    const struct policy_metric *m = &c->policy->metrics[metric];
    double value = 0;

    switch (m->kind) {
    case POLICY_PASSES:
        break;
    case POLICY_SUCCESS_RATE:
        return (double)(n - failed) / (double)n * 100;
    case POLICY_ERROR_RATE:
        return (double)failed / (double)n * 100;
    case POLICY_ERROR_SHARE:
        return (double)failed / (double)n;
    case POLICY_LATENCY:
    case POLICY_LATENCY_S:
        value = model_histogram_quantile(m->quantile, buckets, c->bounds, c->bucket_count);
        if (m->kind == POLICY_LATENCY_S)
            value /= 1000;
        else if (metric_is_duration(m->spec)) /* Flagger's built-in check: whole milliseconds */
            value = (double)(int64_t)value;
        break;
    }
    return value;
}

static enum check_digit digit_of_counts(const struct whatif_case *c, uint32_t metric, uint64_t n,
                                        uint64_t failed, const uint64_t *buckets)
{
    const struct policy_metric *m = &c->policy->metrics[metric];
    uint64_t slow = 0;
    bool out;

    if (metric_is_latency(m) && !c->model.latency)
        return DIGIT_IN;
    if (metric_is_latency(m) && c->model.latency_counts) {
        for (uint32_t b = c->slow_from[metric]; b < c->bucket_count; b++)
            slow += buckets[b];
        out = (double)slow > (1 - m->quantile) * (double)n + 1e-9;
    } else {
        out = metric_out_of_bounds(&m->bounds, metric_of_counts(c, metric, n, failed, buckets));
    }
    return out ? DIGIT_OUT : DIGIT_IN;
}

/* One metric in one check. */
static enum check_digit check_metric(struct run *r, uint32_t i, ms_t at_ms, uint32_t tick,
                                     int32_t weight)
{
    const struct whatif_case *c = r->c;
    const struct policy_metric *m = &c->policy->metrics[i];
    struct rng chance;

    if (m->kind == POLICY_PASSES)
        return DIGIT_IN;
    if (at_ms >= c->model.outage_from_ms && at_ms < c->model.outage_to_ms)
        return DIGIT_ERROR;
    if (c->model.outage_ppm > 0) {
        chance = rng_init(r->seed, r->number, STREAM_CHANCE + 2 + i);
        chance.next = (uint64_t)tick * 8;
        if (rng_chance(&chance, c->model.outage_ppm))
            return DIGIT_ERROR;
    }
    if (r->seen.at_ms != at_ms || r->seen.window_ms != m->window_ms) {
        r->seen.at_ms = at_ms;
        r->seen.window_ms = m->window_ms;
        r->seen.n = run_look_back(r, at_ms, m->window_ms, &r->seen.failed, r->seen.buckets);
    }
    if (r->seen.n == 0)
        return DIGIT_NONE;
    if (r->seen.n < m->spec->judge.min_samples)
        return DIGIT_FEW;
    if (m->judged)
        return run_judge(r, i, at_ms, tick, weight, r->seen.n, r->seen.failed);
    return digit_of_counts(c, i, r->seen.n, r->seen.failed, r->seen.buckets);
}

/*
 * The engine asks the built-in metrics first and stops at the first that does not pass; a judge
 * that is not asked has not looked.
 */
static void check_in_order(struct run *r, ms_t at_ms, uint32_t tick, int32_t weight,
                           uint8_t *ret_digits)
{
    const struct policy *p = r->c->policy;
    bool passes = true;

    for (int builtin = 1; builtin >= 0; builtin--)
        for (uint32_t i = 0; i < p->metric_count; i++) {
            const struct metric_spec *m = p->metrics[i].spec;

            if ((metric_is_success_rate(m) || metric_is_duration(m)) != builtin)
                continue;
            ret_digits[i] = DIGIT_IN;
            if (passes)
                ret_digits[i] = (uint8_t)check_metric(r, i, at_ms, tick, weight);
            passes = passes && ret_digits[i] == DIGIT_IN;
        }
}

static uint32_t check(struct run *r, uint32_t state, ms_t at_ms, uint32_t tick)
{
    const struct whatif_case *c = r->c;
    const struct policy *p = c->policy;
    uint8_t digits[POLICY_METRICS_MAX];

    if (p->compares && p->states[state].checks)
        check_in_order(r, at_ms, tick, p->states[state].weight, digits);
    else
        for (uint32_t i = 0; i < p->metric_count; i++)
            digits[i] = p->compares ? DIGIT_IN : (uint8_t)check_metric(r, i, at_ms, tick, 0);
    return policy_symbol(p, digits, p->gate && at_ms < c->model.gate_ms);
}

static void begin_run(struct run *r, uint32_t number)
{
    r->number = number;
    r->cell = 1;
    r->requests = r->bad = 0;
    r->served_from_ms = MS_NEVER;
    r->spared = 1;
    r->seen.at_ms = -1;
    if (r->c->model.capacity.pod_rps > 0)
        scaler_init(&r->scaler, &r->c->model.capacity, model_rate(&r->c->model, 0));
    memset(r->sums, 0, (r->c->bucket_count + 1) * sizeof *r->sums);
    if (r->samples) {
        memset(r->judges, 0, sizeof r->judges);
        for (int i = 0; i < POLICY_METRICS_MAX; i++)
            r->samples[i].count = 0;
    }
}

/* Percent of the traffic that meets the new version: from the promotion on, the primary is it. */
static size_t new_share(const struct policy_state *s)
{
    if (s->phase == PHASE_PROMOTING || s->phase == PHASE_FINALISING)
        return 100;
    return s->weight < 0 ? 0 : s->weight > 100 ? 100 : (size_t)s->weight;
}

/* Returns the tick at which the run ended, ticks_max when it did not. */
static uint32_t play(struct run *r, uint32_t *ret_state, uint64_t *weights, uint32_t *states,
                     uint32_t *symbols)
{
    const struct policy *p = r->c->policy;
    uint32_t state = 0, tick = 0;

    for (; tick < r->c->ticks_max; tick++) {
        ms_t at_ms = (ms_t)tick * r->c->interval_ms;
        uint32_t symbol = 0;

        if (p->states[state].checks || p->gate)
            symbol = check(r, state, at_ms, tick);
        state = p->next[(size_t)state * p->symbol_count + symbol];
        if (states) {
            states[tick] = state;
            symbols[tick] = symbol;
        }
        if (p->states[state].end != END_NONE)
            break;
        if (weights)
            weights[(size_t)tick * 101 + new_share(&p->states[state])]++;
        serve(r, state, at_ms);
        if (r->c->model.capacity.pod_rps > 0)
            scale(r, state, at_ms);
    }
    *ret_state = state;
    return tick;
}

static void run_release(struct run *r)
{
    free(r->sums);
    free(r->samples);
}

static int run_init(struct run *r, const struct whatif_case *c, uint64_t seed)
{
    *r = (struct run){.c = c, .seed = seed};
    r->sums = malloc((size_t)c->ring * (c->bucket_count + 1) * sizeof *r->sums);
    if (c->policy->compares)
        r->samples = malloc(POLICY_METRICS_MAX * sizeof *r->samples);
    if (r->sums && (r->samples || !c->policy->compares))
        return 0;
    run_release(r);
    return -ENOMEM;
}

static void count_end(const struct run *r, uint32_t state, uint32_t tick, struct whatif_tally *t)
{
    const struct whatif_case *c = r->c;
    uint32_t onset = tick;

    t->runs++;
    t->requests += r->requests;
    t->bad += r->bad;
    t->exposed += (uint64_t)((1 - r->spared) * 1000000 + 0.5);
    if (tick == c->ticks_max) {
        t->unfinished++;
    } else if (c->policy->states[state].end == END_PROMOTED) {
        t->promoted++;
        t->promotion[tick]++;
    } else {
        t->rolled_back++;
        t->back[tick]++;
        t->bad_back += r->bad;
        if (r->served_from_ms != MS_NEVER)
            onset = (uint32_t)((r->served_from_ms + c->model.onset_ms) / c->interval_ms);
        t->detection[tick > onset ? tick - onset : 0]++;
    }
}

void whatif_play(const struct whatif_case *c, uint64_t seed, uint32_t first, uint32_t count,
                 struct whatif_tally *tally)
{
    struct run r;
    uint32_t state;

    if (run_init(&r, c, seed) != 0)
        return; /* the caller sees that no runs were counted */
    for (uint32_t i = 0; i < count; i++) {
        begin_run(&r, first + i);
        uint32_t tick = play(&r, &state, tally->weights, NULL, NULL);
        count_end(&r, state, tick, tally);
        if (c->model.capacity.pod_rps > 0)
            count_capacity(&r, tick, tally);
    }
    run_release(&r);
}

uint32_t whatif_trace(const struct whatif_case *c, uint64_t seed, uint32_t number,
                      uint32_t *ret_states, uint32_t *ret_symbols, uint32_t max)
{
    struct run r;
    uint32_t state, tick;

    if (max < c->ticks_max || run_init(&r, c, seed) != 0)
        return 0;
    begin_run(&r, number);
    tick = play(&r, &state, NULL, ret_states, ret_symbols);
    run_release(&r);
    return tick < c->ticks_max ? tick + 1 : tick;
}
