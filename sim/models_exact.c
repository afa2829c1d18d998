#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/models_int.h"
#include "sim/stat_math.h"

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
        "a judge remembers what it has seen",
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

    while (*k > 0 && metric_out_of_bounds(&m->bounds, count_value(m, x, (double)*k)))
        --*k;
    while (*k < n && !metric_out_of_bounds(&m->bounds, count_value(m, x, (double)(*k + 1))))
        ++*k;
    return !metric_out_of_bounds(&m->bounds, count_value(m, x, (double)*k));
}

/* P(metric within its bounds | n requests), n >= 1. */
static double chance_in(const struct whatif_case *c, uint32_t metric, double errors, uint64_t n,
                        uint64_t *k)
{
    const struct policy_metric *m = &c->policy->metrics[metric];

    if (m->kind == POLICY_PASSES || (metric_is_latency(m) && !c->model.latency))
        return 1;
    if (metric_is_latency(m)) {
        double slow = 1 - model_latency_cdf(&c->model, metric_bound_ms(m));
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
    if (p->compares)
        return EXACT_JUDGES;
    if (!c->stationary)
        return EXACT_UNSTEADY;
    if (c->model.scrape_ms > 0)
        return EXACT_SCRAPES;
    *ret_known = true;
    for (uint32_t i = 0; i < p->metric_count; i++) {
        const struct policy_metric *m = &p->metrics[i];
        double bound = metric_bound_ms(m);
        bool boundary = c->model.latency_counts || !c->model.latency;

        if (m->kind == POLICY_PASSES)
            continue;
        failures += counts_failures(m);
        latencies += metric_is_latency(m);
        for (int b = 0; b < MODEL_BUCKETS - 1; b++)
            boundary =
                boundary || (model_bucket_bounds[b] >= bound && model_bucket_bounds[b] <= bound);
        if (metric_is_latency(m) && !boundary)
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
