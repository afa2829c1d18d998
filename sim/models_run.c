#include "sim/models_run.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/stat.h"
#include "sim/stat_math.h"

#define STREAM_TABLES 0x57484154u
#define STREAM_STEADY 0x57484155u
#define STREAM_CHANCE 0x57484156u
#define BLOCKS_PER_CELL 64u /* of random bits: a cell's draws have a place of their own */
#define TICKS_LIMIT 20000u
#define RING_LIMIT (1u << 16)
#define COLUMNS (MODEL_BUCKETS + 1) /* failed requests, then requests by bucket of latency */

/* Requests of one weight in one cell of time, as tables. */
struct sampler {
    int16_t weight;
    bool mirrored, loaded;
    double mean, errors;                   /* requests the canary sees; share that fails */
    uint32_t live_ppk;                     /* thousandths of them that are users' */
    struct stat_table good[MODEL_BUCKETS]; /* requests that succeed, by bucket */
    struct stat_table failed[MODEL_BUCKETS];
};

struct whatif_case {
    const struct policy *policy;
    struct whatif_model model;
    bool stationary;
    ms_t interval_ms, unit_ms;
    uint32_t cells_per_tick, ring; /* cells kept: a power of two */
    uint32_t ticks_max;
    uint32_t bucket_count;
    double bounds[MODEL_BUCKETS]; /* of the buckets; the last has none */
    double shares[MODEL_BUCKETS];
    uint32_t slow_from[POLICY_METRICS_MAX]; /* latency_counts: the first bucket over the bound */
    struct sampler *samplers;
    uint32_t sampler_count;
    uint32_t *sampler_of; /* per state; UINT32_MAX = nothing is served */
};

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

static bool is_latency(const struct policy_metric *m)
{
    return m->kind == POLICY_LATENCY || m->kind == POLICY_LATENCY_S;
}

static double bound_ms_of(const struct policy_metric *m)
{
    double bound = m->bounds.has_max ? m->bounds.max : 0;

    return m->kind == POLICY_LATENCY_S ? bound * 1000 : bound;
}

/* Buckets of latency: one when nobody looks, Istio's, or one boundary per bound. */
static void choose_buckets(struct whatif_case *c)
{
    const struct policy *p = c->policy;
    double before = 0;
    bool looked_at = false;

    for (uint32_t i = 0; i < p->metric_count; i++)
        looked_at = looked_at || is_latency(&p->metrics[i]);
    c->bucket_count = 1;
    if (looked_at && c->model.latency && !c->model.latency_counts) {
        memcpy(c->bounds, model_bucket_bounds, sizeof model_bucket_bounds);
        c->bucket_count = MODEL_BUCKETS;
    } else if (looked_at && c->model.latency) {
        for (uint32_t i = 0; i < p->metric_count; i++) {
            double bound = bound_ms_of(&p->metrics[i]);
            uint32_t at = 0;
            if (!is_latency(&p->metrics[i]))
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
    for (uint32_t b = 0; b < c->bucket_count; b++) {
        double cdf = b + 1 < c->bucket_count ? model_latency_cdf(&c->model, c->bounds[b]) : 1;
        c->shares[b] = cdf > before ? cdf - before : 0;
        before = cdf;
    }
    for (uint32_t i = 0; i < p->metric_count; i++)
        for (c->slow_from[i] = 0; c->slow_from[i] + 1 < c->bucket_count; c->slow_from[i]++)
            if (c->bounds[c->slow_from[i]] >= bound_ms_of(&p->metrics[i])) {
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

static double share_of(const struct whatif_case *c, int32_t weight)
{
    double share = weight / 100.0;

    if (spec_strategy(c->policy->spec) == STRATEGY_AB)
        share *= c->model.match_percent / 100.0;
    return share;
}

static int fill_sampler(const struct whatif_case *c, struct sampler *s)
{
    double seconds = (double)c->unit_ms / 1000;
    double live = share_of(c, s->weight) * c->model.rps * seconds;
    double copied = s->mirrored ? c->model.rps * seconds - live : 0;
    double load = s->loaded ? c->model.load_rps * seconds : 0;
    int rc = 0;

    s->mean = live + copied + load;
    s->live_ppk = s->mean > 0 ? (uint32_t)(1000 * live / s->mean + 0.5) : 0;
    s->errors = model_errors(&c->model, s->weight, 0);
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

/* Sums since the start, of which the last `ring` cells are kept: a window is one difference. */
struct run {
    const struct whatif_case *c;
    uint64_t seed;
    uint32_t number;
    uint32_t cell;  /* of the next one to be drawn, from 1 */
    uint64_t *sums; /* [ring * columns] */
    uint64_t requests, bad;
    ms_t served_from_ms; /* when the canary first got traffic; MS_NEVER */
    double spared;       /* share of users who have not met the canary */
    struct scaler scaler;
};

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

static double slot_factor(const struct run *r, uint32_t ppm, ms_t slot_ms, ms_t at_ms,
                          uint32_t what, double factor, double otherwise)
{
    struct rng chance = rng_init(r->seed, r->number, STREAM_CHANCE + what);

    if (ppm == 0)
        return otherwise;
    chance.next = (uint64_t)(at_ms / slot_ms) * 8;
    return rng_chance(&chance, ppm) ? factor : otherwise;
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
    double seconds = (double)r->c->unit_ms / 1000, share = share_of(r->c, s->weight);
    double rate = model_rate(m, at_ms) *
                  slot_factor(r, m->burst_ppm, m->burst_slot_ms, at_ms, 0, m->burst_factor, 1);
    double errors = s->errors, rest = 1, blip;
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
    blip = slot_factor(r, m->blip_ppm, m->blip_slot_ms, at_ms, 1, m->blip_errors, 0);
    errors = blip > errors ? blip : errors;
    failed = stat_binomial(&rng, n, errors);
    cell->failed = failed;
    *ret_live = live;
    for (uint32_t b = 0; b < r->c->bucket_count; b++) {
        double p = rest > 1e-15 ? r->c->shares[b] / rest : 1;
        uint64_t k = b + 1 == r->c->bucket_count ? n : stat_binomial(&rng, n, p < 1 ? p : 1);
        cell->bucket[b] = k;
        n -= k;
        rest -= r->c->shares[b];
    }
}

/* The autoscaler of the primary lives through what is left to it. */
static void scale(struct run *r, uint32_t state, ms_t at_ms)
{
    const struct whatif_case *c = r->c;
    double share = share_of(c, c->samplers[c->sampler_of[state]].weight);

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
        double share = share_of(c, s->weight);
        if (c->model.sticky == STICKY_BOTH)
            r->spared = r->spared < 1 - share ? r->spared : 1 - share;
        else
            r->spared *=
                model_users_spared(share, c->model.user_rps * (double)c->interval_ms / 1000);
    }
}

/* Requests and failures of a window that ends at a tick; buckets too when asked for. */
static uint64_t look_back(const struct run *r, ms_t at_ms, ms_t window_ms, uint64_t *ret_failed,
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

static bool out_of_bounds(const struct threshold_range *b, double value)
{
    return (b->has_min && value < b->min) || (b->has_max && value > b->max);
}

static enum check_digit digit_of_counts(const struct whatif_case *c, uint32_t metric, uint64_t n,
                                        uint64_t failed, const uint64_t *buckets)
{
    const struct policy_metric *m = &c->policy->metrics[metric];
    double value = 0;
    uint64_t slow = 0;

    if (n < m->spec->judge.min_samples && n > 0)
        return DIGIT_FEW;
    if (n == 0)
        return DIGIT_NONE;
    switch (m->kind) {
    case POLICY_PASSES:
        return DIGIT_IN;
    case POLICY_SUCCESS_RATE:
        value = (double)(n - failed) / (double)n * 100;
        break;
    case POLICY_ERROR_RATE:
        value = (double)failed / (double)n * 100;
        break;
    case POLICY_ERROR_SHARE:
        value = (double)failed / (double)n;
        break;
    case POLICY_LATENCY:
    case POLICY_LATENCY_S:
        if (!c->model.latency)
            return DIGIT_IN;
        if (c->model.latency_counts) {
            for (uint32_t b = c->slow_from[metric]; b < c->bucket_count; b++)
                slow += buckets[b];
            return (double)slow > (1 - m->quantile) * (double)n + 1e-9 ? DIGIT_OUT : DIGIT_IN;
        }
        value = model_histogram_quantile(m->quantile, buckets, c->bounds, c->bucket_count);
        if (m->kind == POLICY_LATENCY_S)
            value /= 1000;
        else if (metric_is_duration(m->spec)) /* Flagger's built-in check: whole milliseconds */
            value = (double)(int64_t)value;
        break;
    }
    return out_of_bounds(&m->bounds, value) ? DIGIT_OUT : DIGIT_IN;
}

static uint32_t check(struct run *r, ms_t at_ms, uint32_t tick)
{
    const struct whatif_case *c = r->c;
    uint8_t digits[POLICY_METRICS_MAX];
    uint64_t buckets[MODEL_BUCKETS], failed = 0, n = 0;
    ms_t window = 0;

    for (uint32_t i = 0; i < c->policy->metric_count; i++) {
        struct rng chance;

        if (c->policy->metrics[i].kind == POLICY_PASSES) {
            digits[i] = DIGIT_IN;
            continue;
        }
        if (c->policy->metrics[i].window_ms != window) {
            window = c->policy->metrics[i].window_ms;
            n = look_back(r, at_ms, window, &failed, buckets);
        }
        digits[i] = (uint8_t)digit_of_counts(c, i, n, failed, buckets);
        if (at_ms >= c->model.outage_from_ms && at_ms < c->model.outage_to_ms)
            digits[i] = DIGIT_ERROR;
        if (c->model.outage_ppm == 0)
            continue;
        chance = rng_init(r->seed, r->number, STREAM_CHANCE + 2 + i);
        chance.next = (uint64_t)tick * 8;
        if (rng_chance(&chance, c->model.outage_ppm))
            digits[i] = DIGIT_ERROR;
    }
    return policy_symbol(c->policy, digits, c->policy->gate && at_ms < c->model.gate_ms);
}

static void begin_run(struct run *r, uint32_t number)
{
    r->number = number;
    r->cell = 1;
    r->requests = r->bad = 0;
    r->served_from_ms = MS_NEVER;
    r->spared = 1;
    if (r->c->model.capacity.pod_rps > 0)
        scaler_init(&r->scaler, &r->c->model.capacity, model_rate(&r->c->model, 0));
    memset(r->sums, 0, (r->c->bucket_count + 1) * sizeof *r->sums);
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
            symbol = check(r, at_ms, tick);
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

static int run_init(struct run *r, const struct whatif_case *c, uint64_t seed)
{
    *r = (struct run){.c = c, .seed = seed};
    r->sums = malloc((size_t)c->ring * (c->bucket_count + 1) * sizeof *r->sums);
    return r->sums ? 0 : -ENOMEM;
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
    free(r.sums);
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
    free(r.sums);
    return tick < c->ticks_max ? tick + 1 : tick;
}

/* ---- the exact sum
 * --------------------------------------------------------------------------------------------- */

const char *exact_flaw_text(enum exact_flaw flaw)
{
    static const char *const texts[] = {
        NULL,
        "windows overlap: one request is judged by several checks",
        "metrics look at windows of different length, which share requests",
        "two metrics judge the same requests",
        "a latency bound lies within a bucket",
        "rates change with time",
        "windows are cut at scrapes",
    };
    return texts[flaw];
}

static double count_value(const struct policy_metric *m, double n, double k)
{
    if (m->kind == POLICY_SUCCESS_RATE)
        return (n - k) / n * 100;
    return m->kind == POLICY_ERROR_RATE ? k / n * 100 : k / n;
}

/* The most failures among n requests that keep a metric within its bounds; *k is the answer for the
 * n before. Returns false when no number does. */
static bool most_allowed(const struct policy_metric *m, uint64_t n, uint64_t *k)
{
    double x = (double)n;

    while (*k > 0 && out_of_bounds(&m->bounds, count_value(m, x, (double)*k)))
        --*k;
    while (*k < n && !out_of_bounds(&m->bounds, count_value(m, x, (double)(*k + 1))))
        ++*k;
    return !out_of_bounds(&m->bounds, count_value(m, x, (double)*k));
}

/* P(metric within its bounds | n requests), n >= 1. */
static double chance_in(const struct whatif_case *c, uint32_t metric, double errors, uint64_t n,
                        uint64_t *k)
{
    const struct policy_metric *m = &c->policy->metrics[metric];

    if (m->kind == POLICY_PASSES || (is_latency(m) && !c->model.latency))
        return 1;
    if (is_latency(m)) {
        double slow = 1 - model_latency_cdf(&c->model, bound_ms_of(m));
        *k = (uint64_t)((1 - m->quantile) * (double)n + 1e-9);
        return stat_binomial_cdf(*k, n, slow);
    }
    return most_allowed(m, n, k) ? stat_binomial_cdf(*k, n, errors) : 0;
}

/* Adds P(n requests) times the chance of each symbol. */
static void add_symbols(const struct whatif_case *c, const struct sampler *s, uint64_t n,
                        double p_n, uint64_t *allowed, double *ret_chance)
{
    const struct policy *p = c->policy;
    double in[POLICY_METRICS_MAX];
    uint8_t digits[POLICY_METRICS_MAX];

    for (uint32_t i = 0; i < p->metric_count; i++)
        in[i] = n > 0 ? chance_in(c, i, s->errors, n, &allowed[i]) : 0;
    for (uint32_t choice = 0; choice < 1u << p->metric_count; choice++) {
        double chance = p_n;
        for (uint32_t i = 0; i < p->metric_count && chance > 0; i++) {
            bool second = choice >> i & 1;
            bool sure = p->metrics[i].kind == POLICY_PASSES;
            bool few = n < p->metrics[i].spec->judge.min_samples;
            if (sure || n == 0 || few) { /* one digit for certain */
                digits[i] = sure ? DIGIT_IN : n == 0 ? DIGIT_NONE : DIGIT_FEW;
                chance *= second ? 0 : 1;
            } else {
                digits[i] = second ? DIGIT_OUT : DIGIT_IN;
                chance *= second ? 1 - in[i] : in[i];
            }
        }
        if (chance > 0)
            ret_chance[policy_symbol(p, digits, false)] += chance;
    }
}

static void symbol_chances(const struct whatif_case *c, const struct sampler *s, double *ret_chance)
{
    ms_t window = c->interval_ms;
    uint64_t allowed[POLICY_METRICS_MAX] = {0};
    double mean, spread;

    for (uint32_t i = 0; i < c->policy->metric_count; i++)
        if (c->policy->metrics[i].kind != POLICY_PASSES)
            window = c->policy->metrics[i].window_ms;
    mean = s->mean * (double)window / (double)c->unit_ms;
    spread = 9 * stat_sqrt(mean) + 20;
    uint64_t low = mean > spread ? (uint64_t)(mean - spread) : 0, high = (uint64_t)(mean + spread);
    for (uint64_t n = mean > 0 ? low : 0; n <= (mean > 0 ? high : 0); n++)
        add_symbols(c, s, n, stat_poisson_pmf(n, mean), allowed, ret_chance);
}

static bool counts_failures(const struct policy_metric *m)
{
    return m->kind == POLICY_SUCCESS_RATE || m->kind == POLICY_ERROR_RATE ||
           m->kind == POLICY_ERROR_SHARE;
}

static enum exact_flaw find_flaw(const struct whatif_case *c, bool *ret_known)
{
    const struct policy *p = c->policy;
    enum exact_flaw flaw = EXACT_TRUE;
    uint32_t failures = 0, latencies = 0;
    ms_t window = 0;

    *ret_known = false;
    if (!c->stationary)
        return EXACT_UNSTEADY;
    if (c->model.scrape_ms > 0)
        return EXACT_SCRAPES;
    *ret_known = true;
    for (uint32_t i = 0; i < p->metric_count; i++) {
        const struct policy_metric *m = &p->metrics[i];
        double bound = bound_ms_of(m);
        bool boundary = c->model.latency_counts || !c->model.latency;

        if (m->kind == POLICY_PASSES)
            continue;
        failures += counts_failures(m);
        latencies += is_latency(m);
        for (int b = 0; b < MODEL_BUCKETS - 1; b++)
            boundary =
                boundary || (model_bucket_bounds[b] >= bound && model_bucket_bounds[b] <= bound);
        if (is_latency(m) && !boundary)
            flaw = EXACT_BUCKETS;
        if (window != 0 && window != m->window_ms)
            flaw = EXACT_WINDOWS;
        window = m->window_ms;
    }
    if (failures > 1 || (latencies > 1 && c->model.latency))
        flaw = EXACT_SAME_COUNTS;
    if (window > c->interval_ms)
        flaw = EXACT_OVERLAP;
    return flaw;
}

static bool has_outages(const struct whatif_model *m)
{
    return m->outage_ppm > 0 || m->outage_to_ms > m->outage_from_ms;
}

/* One tick of the programme. Returns the mass that is still under way. */
static double sum_tick(const struct whatif_case *c, const double *chances, uint32_t tick,
                       const double *mass, double *after, struct whatif_exact *e)
{
    const struct policy *p = c->policy;
    bool closed = p->gate && (ms_t)tick * c->interval_ms < c->model.gate_ms;
    double left = 0;

    for (uint32_t s = 0; s < p->state_count; s++) {
        const double *chance = &chances[(size_t)c->sampler_of[s] * p->gate_symbol];
        const uint32_t *next =
            &p->next[(size_t)s * p->symbol_count + (closed ? p->gate_symbol : 0)];
        if (mass[s] <= 0)
            continue;
        for (uint32_t symbol = 0; symbol < p->gate_symbol; symbol++)
            after[next[symbol]] += mass[s] * (p->states[s].checks ? chance[symbol] : symbol == 0);
    }
    for (uint32_t s = 0; s < p->state_count; s++) {
        const struct sampler *sampler = &c->samplers[c->sampler_of[s]];
        if (p->states[s].end == END_PROMOTED)
            e->promote += after[s];
        else if (p->states[s].end == END_ROLLED_BACK)
            e->rollback += after[s];
        else
            left += after[s];
        if (p->states[s].end != END_NONE)
            after[s] = 0;
        e->bad += after[s] * sampler->mean * c->cells_per_tick * sampler->errors *
                  sampler->live_ppk / 1000;
    }
    return left;
}

int whatif_sum(const struct whatif_case *c, struct whatif_exact *ret_exact)
{
    const struct policy *p = c->policy;
    struct whatif_exact e = {0};
    double *chances, *mass, *after, left = 1;

    e.flaw = find_flaw(c, &e.known);
    if (has_outages(&c->model) && e.known) {
        e.known = false;
        e.flaw = EXACT_UNSTEADY;
    }
    *ret_exact = e;
    if (!e.known)
        return 0;
    chances = calloc((size_t)c->sampler_count * p->gate_symbol, sizeof *chances);
    mass = calloc(p->state_count, sizeof *mass);
    after = calloc(p->state_count, sizeof *after);
    if (!chances || !mass || !after) {
        free(chances);
        free(mass);
        free(after);
        return -ENOMEM;
    }
    for (uint32_t k = 0; k < c->sampler_count; k++)
        symbol_chances(c, &c->samplers[k], &chances[(size_t)k * p->gate_symbol]);
    mass[0] = 1;
    for (uint32_t tick = 0; tick < c->ticks_max && left > 1e-13; tick++) {
        double *swap = mass;
        memset(after, 0, p->state_count * sizeof *after);
        left = sum_tick(c, chances, tick, mass, after, &e);
        mass = after;
        after = swap;
    }
    e.unfinished = left;
    free(chances);
    free(mass);
    free(after);
    *ret_exact = e;
    return 0;
}
