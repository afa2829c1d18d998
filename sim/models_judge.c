/* Judges that compare the canary with the primary, in the runs of a what-if. */
#include <string.h>

#include "sim/models_int.h"

/* What the primary served in the window that ends at at_ms: drawn by itself, since checks of these
 * judges do not share windows. */
struct served {
    uint64_t n, failed, buckets[MODEL_BUCKETS];
};

static void draw_primary(const struct run *r, uint32_t metric, ms_t at_ms, uint32_t place,
                         int32_t weight, struct served *out)
{
    const struct whatif_case *c = r->c;
    const struct whatif_model *m = &c->model;
    ms_t window = c->policy->metrics[metric].window_ms, from = at_ms - window;
    struct rng rng = rng_init(r->seed, r->number, STREAM_PRIMARY + metric);
    double share = run_share(c, weight), rate = model_rate(m, from), errors;

    rng.next = (uint64_t)place << 20;
    if (m->sticky == STICKY_CANARY && 1 - r->spared > share)
        share = 1 - r->spared;
    rate *= run_slot(r, m->burst_ppm, m->burst_slot_ms, from, 0, m->burst_factor, 1);
    errors = run_slot(r, m->blip_ppm, m->blip_slot_ms, from, 1, m->blip_errors, 0);
    errors = m->old_errors > errors ? m->old_errors : errors;
    out->n = stat_poisson(&rng, rate * (1 - share) * (double)window / 1000);
    out->failed = stat_binomial(&rng, out->n, errors);
    run_spread(&rng, c, c->old_shares, out->n, out->buckets);
}

static void add_sample(double *samples, uint32_t count, double value)
{
    if (count == SAMPLES_MAX)
        memmove(samples, samples + 1, (SAMPLES_MAX - 1) * sizeof *samples);
    samples[count < SAMPLES_MAX ? count : SAMPLES_MAX - 1] = value;
}

/* A value of each side for each window of the interval; those without requests have none. */
static void add_samples(struct run *r, uint32_t metric, ms_t at_ms, uint32_t tick, int32_t weight)
{
    const struct whatif_case *c = r->c;
    ms_t window = c->policy->metrics[metric].window_ms;
    uint32_t windows = (uint32_t)(c->interval_ms / window);
    struct samples *s = &r->samples[metric];

    for (uint32_t k = 0; k < windows; k++) {
        ms_t end_ms = at_ms - (ms_t)(windows - 1 - k) * window;
        struct served primary;
        uint64_t buckets[MODEL_BUCKETS], failed;
        uint64_t n = run_look_back(r, end_ms, window, &failed, buckets);

        draw_primary(r, metric, end_ms, tick * windows + k, weight, &primary);
        if (n == 0 || primary.n == 0)
            continue;
        add_sample(s->canary, s->count, metric_of_counts(c, metric, n, failed, buckets));
        add_sample(s->primary, s->count,
                   metric_of_counts(c, metric, primary.n, primary.failed, primary.buckets));
        s->count += s->count < SAMPLES_MAX;
    }
}

enum check_digit run_judge(struct run *r, uint32_t metric, ms_t at_ms, uint32_t tick,
                           int32_t weight, uint64_t n, uint64_t failed)
{
    const struct judge_spec *judge = &r->c->policy->metrics[metric].spec->judge;
    struct answer a = {.outcome = OUTCOME_OK, .canary_requests = n, .canary_errors = failed};
    struct served primary;

    if (judge->kind == JUDGE_ANYTIME) {
        draw_primary(r, metric, at_ms, tick, weight, &primary);
        a.primary_requests = primary.n;
        a.primary_errors = primary.failed;
    } else {
        add_samples(r, metric, at_ms, tick, weight);
        a.canary_samples = r->samples[metric].canary;
        a.primary_samples = r->samples[metric].primary;
        a.canary_sample_count = a.primary_sample_count = r->samples[metric].count;
    }
    switch (judge_look(&r->judges[metric], judge, false, &a)) {
    case VERDICT_FAIL:
        return DIGIT_OUT;
    case VERDICT_WAIT:
        return DIGIT_FEW;
    case VERDICT_PASS:
        break;
    }
    return DIGIT_IN;
}
