#include "sim/metric.h"

#include "engine/num.h"

#include <string.h>

static const char no_values[] = "no values found";

static void answer_value(const struct metric_query *q, double value, struct answer *out)
{
    /* Prometheus says NaN where there was nothing to divide; only other providers pass it on. */
    if (num_is_nan(value) && q->kind != METRIC_TEMPLATE) {
        out->outcome = OUTCOME_NO_VALUE;
        out->text = no_values;
        out->text_len = sizeof no_values - 1;
        return;
    }
    out->outcome = OUTCOME_OK;
    out->value = value;
}

static void answer_nothing(struct answer *out)
{
    out->outcome = OUTCOME_NO_VALUE;
    out->text = no_values;
    out->text_len = sizeof no_values - 1;
}

/* A source that hands on to others can do what all of them can. */
static void also(struct metric_source *self, const struct metric_source *other)
{
    self->counts = self->counts && other && other->counts;
    self->sides = self->sides && other && other->sides;
}

/* ---- constants
 * ------------------------------------------------------------------------------------- */

static void constant_evaluate(const struct metric_source *self, const struct metric_query *q,
                              struct answer *out)
{
    const struct metric_constant *m = (const struct metric_constant *)self;

    if (m->outcome == OUTCOME_OK) {
        answer_value(q, m->value, out);
        return;
    }
    answer_nothing(out);
    out->outcome = m->outcome;
    out->cause = m->cause;
    if (m->text) {
        out->text = m->text;
        out->text_len = (uint32_t)strlen(m->text);
    }
}

void metric_constant_init(struct metric_constant *m, double value)
{
    *m = (struct metric_constant){.source = {.evaluate = constant_evaluate}, .value = value};
}

void metric_failing_init(struct metric_constant *m, enum outcome outcome, enum metric_cause cause,
                         const char *text)
{
    *m = (struct metric_constant){.source = {constant_evaluate, true, true}, /* it has no values */
                                  .outcome = (uint8_t)outcome,
                                  .cause = (uint8_t)cause,
                                  .text = text};
}

/* ---- samples
 * --------------------------------------------------------------------------------------- */

static void series_evaluate(const struct metric_source *self, const struct metric_query *q,
                            struct answer *out)
{
    const struct metric_series *m = (const struct metric_series *)self;
    ms_t since = q->now_ms - q->epoch_ms - m->start_ms;
    uint64_t index;

    index = since < 0 ? UINT64_MAX : (uint64_t)(since / m->interval_ms);
    if (index < m->count && m->samples[index].present)
        answer_value(q, m->samples[index].value, out);
    else
        answer_nothing(out);
}

void metric_series_init(struct metric_series *m, const struct series_sample *samples, size_t count,
                        ms_t start_ms, ms_t interval_ms)
{
    *m = (struct metric_series){.source = {.evaluate = series_evaluate},
                                .samples = samples,
                                .count = count,
                                .start_ms = start_ms,
                                .interval_ms = interval_ms > 0 ? interval_ms : 60000};
}

static void calls_evaluate(const struct metric_source *self, const struct metric_query *q,
                           struct answer *out)
{
    const struct metric_calls *m = (const struct metric_calls *)self;
    size_t index = q->call > 0 ? q->call - 1 : 0;

    if (m->count == 0)
        answer_nothing(out);
    else
        m->sources[index < m->count ? index : m->count - 1]->evaluate(
            m->sources[index < m->count ? index : m->count - 1], q, out);
}

void metric_calls_init(struct metric_calls *m, const struct metric_source *const *sources,
                       size_t count)
{
    *m = (struct metric_calls){
        .source = {calls_evaluate, true, true}, .sources = sources, .count = count};
    for (size_t i = 0; i < count; i++)
        also(&m->source, sources[i]);
}

static void points_evaluate(const struct metric_source *self, const struct metric_query *q,
                            struct answer *out)
{
    const struct metric_points *m = (const struct metric_points *)self;
    ms_t now = q->now_ms - q->epoch_ms - m->start_ms;
    size_t low = 0, high = m->count;

    while (low < high) { /* the first point after now */
        size_t middle = low + (high - low) / 2;

        if (m->points[middle].at_ms <= now)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || now - m->points[low - 1].at_ms >= m->lookback_ms)
        answer_nothing(out);
    else
        answer_value(q, m->points[low - 1].value, out);
}

void metric_points_init(struct metric_points *m, const struct metric_point *points, size_t count,
                        ms_t lookback_ms)
{
    *m = (struct metric_points){.source = {.evaluate = points_evaluate},
                                .points = points,
                                .count = count,
                                .lookback_ms = lookback_ms};
}

static void switch_evaluate(const struct metric_source *self, const struct metric_query *q,
                            struct answer *out)
{
    const struct metric_switch *m = (const struct metric_switch *)self;
    ms_t now = q->now_ms - q->epoch_ms;

    for (size_t i = 0; i < m->count; i++) {
        const struct metric_case *c = &m->cases[i];

        if (now < c->from_ms || now >= c->to_ms)
            continue;
        if (c->revision != 0 && c->revision != q->revision)
            continue;
        c->source->evaluate(c->source, q, out);
        return;
    }
    answer_nothing(out);
}

void metric_switch_init(struct metric_switch *m, const struct metric_case *cases, size_t count)
{
    *m = (struct metric_switch){
        .source = {switch_evaluate, true, true}, .cases = cases, .count = count};
    for (size_t i = 0; i < count; i++)
        also(&m->source, cases[i].source);
}

static void pair_evaluate(const struct metric_source *self, const struct metric_query *q,
                          struct answer *out)
{
    const struct metric_pair *m = (const struct metric_pair *)self;
    const struct metric_source *side = q->primary ? m->primary : m->canary;

    side->evaluate(side, q, out);
}

void metric_pair_init(struct metric_pair *m, const struct metric_source *canary,
                      const struct metric_source *primary)
{
    *m = (struct metric_pair){
        .source = {pair_evaluate, canary->counts, true}, .canary = canary, .primary = primary};
}

uint32_t metric_samples(const struct metric_source *source, const struct metric_query *query,
                        bool primary, ms_t since_ms, double *ret_samples, uint32_t max)
{
    struct metric_query q = *query;
    uint32_t count = 0;

    q.primary = primary;
    for (; count < max && q.call > 0 && q.now_ms - q.window_ms >= since_ms;
         q.now_ms -= q.window_ms, q.call--) {
        struct answer a = {.outcome = OUTCOME_OK};

        source->evaluate(source, &q, &a);
        if (a.outcome == OUTCOME_OK && num_is_finite(a.value))
            ret_samples[count++] = a.value;
    }
    return count;
}

/* ---- exposure
 * -------------------------------------------------------------------------------------- */

const struct exposure_step *exposure_at(const struct exposure *x, uint32_t n)
{
    return &x->steps[(x->first + n) % EXPOSURE_STEPS_MAX];
}

static bool same_exposure(const struct exposure_step *a, const struct exposure_step *b)
{
    return a->primary_weight == b->primary_weight && a->canary_weight == b->canary_weight &&
           a->mirrored == b->mirrored && a->primary_up == b->primary_up &&
           a->canary_up == b->canary_up && a->loaded == b->loaded && a->primary == b->primary &&
           a->canary == b->canary && a->primary_since_ms == b->primary_since_ms &&
           a->canary_since_ms == b->canary_since_ms;
}

void exposure_add(struct exposure *x, const struct exposure_step *step)
{
    if (x->count > 0) {
        struct exposure_step *last = &x->steps[(x->first + x->count - 1) % EXPOSURE_STEPS_MAX];

        if (same_exposure(last, step))
            return;
        if (last->from_ms == step->from_ms) { /* changed again within the millisecond */
            *last = *step;
            return;
        }
    }
    if (x->count == EXPOSURE_STEPS_MAX) {
        x->first = (x->first + 1) % EXPOSURE_STEPS_MAX;
        x->count--;
    }
    x->steps[(x->first + x->count) % EXPOSURE_STEPS_MAX] = *step;
    x->count++;
}

/* ---- the traffic model
 * ----------------------------------------------------------------------------- */

static const struct version_model *version_of(const struct traffic_model *t, revision_t revision)
{
    const struct version_model *any = NULL;

    for (uint32_t i = 0; i < t->version_count; i++) {
        if (t->versions[i].revision == revision)
            return &t->versions[i];
        if (t->versions[i].revision == 0)
            any = &t->versions[i];
    }
    return any;
}

/* The behaviour of a version at one moment. */
struct behaviour {
    double errors, slowdown;
    const struct latency *latency;
};

static struct behaviour behaviour_at(const struct version_model *v, ms_t scenario_ms,
                                     ms_t serving_ms, int weight)
{
    struct behaviour b = {.slowdown = 1};
    bool onset;

    if (!v)
        return b;
    onset = v->has_onset && (v->onset_ms == MS_NEVER || scenario_ms >= v->onset_ms) &&
            (v->onset_after_ms == MS_NEVER || serving_ms >= v->onset_after_ms) &&
            (v->onset_weight == 0 || weight >= v->onset_weight);
    b.errors = onset ? v->onset_errors : v->errors;
    b.slowdown = onset ? v->onset_slowdown : 1;
    b.latency = &v->latency;
    if (serving_ms >= 0 && serving_ms < v->warmup_ms) {
        /* whole seconds, so that a slice of a second has one behaviour */
        double left = (double)(v->warmup_ms - serving_ms / 1000 * 1000) / (double)v->warmup_ms;

        b.errors += v->warmup_errors * left;
        b.slowdown *= 1 + (v->warmup_slowdown - 1) * left;
    }
    if (b.errors > 1)
        b.errors = 1;
    return b;
}

static void sooner(ms_t candidate, ms_t after, ms_t *at)
{
    if (candidate > after && candidate < *at)
        *at = candidate;
}

/* The next moment after `t` (scenario time) at which the version may change its behaviour. */
static void version_changes(const struct version_model *v, ms_t t, ms_t since, ms_t *at)
{
    if (!v)
        return;
    if (v->has_onset && v->onset_ms != MS_NEVER)
        sooner(v->onset_ms, t, at);
    if (v->has_onset && v->onset_after_ms != MS_NEVER)
        sooner(since + v->onset_after_ms, t, at);
    if (t >= since && t < since + v->warmup_ms) {
        sooner(since + (t - since) / 1000 * 1000 + 1000, t, at);
        sooner(since + v->warmup_ms, t, at);
    }
}

/* A stretch of time in which nothing changes. */
struct slice {
    ms_t from, to; /* scenario time */
    double per_second;
    const struct exposure_step *step;
    struct behaviour primary, canary;
};

double traffic_rate(const struct traffic_model *t, ms_t at, ms_t *next)
{
    double rate = 0;

    for (uint32_t i = 0; i < t->rate_count; i++) {
        if (t->rates[i].at_ms > at) {
            sooner(t->rates[i].at_ms, at, next);
            break;
        }
        rate = t->rates[i].per_second;
    }
    return rate;
}

/* The slice that begins at `from` and ends at `to` at the latest. False when nothing is known of
 * it. */
static bool slice_at(const struct traffic_model *t, const struct exposure *x, ms_t epoch, ms_t from,
                     ms_t to, struct slice *out)
{
    const struct version_model *primary, *canary;
    int canary_load;
    uint32_t n = x->count;

    out->from = from;
    out->to = to;
    out->step = NULL;
    while (n > 0 && exposure_at(x, n - 1)->from_ms - epoch > from) {
        sooner(exposure_at(x, n - 1)->from_ms - epoch, from, &out->to);
        n--;
    }
    if (n == 0)
        return false;
    out->step = exposure_at(x, n - 1);
    out->per_second = traffic_rate(t, from, &out->to);
    primary = version_of(t, out->step->primary);
    canary = version_of(t, out->step->canary);
    version_changes(primary, from, out->step->primary_since_ms - epoch, &out->to);
    version_changes(canary, from, out->step->canary_since_ms - epoch, &out->to);
    canary_load = out->step->mirrored ? WEIGHT_TOTAL : out->step->canary_weight;
    out->primary = behaviour_at(primary, from, from - (out->step->primary_since_ms - epoch), 0);
    out->canary =
        behaviour_at(canary, from, from - (out->step->canary_since_ms - epoch), canary_load);
    if (!out->step->primary_up)
        out->primary.errors = 1;
    if (!out->step->canary_up)
        out->canary.errors = 1;
    return true;
}

static double slice_requests(const struct traffic_model *t, const struct slice *s, bool primary)
{
    double seconds = (double)(s->to - s->from) / 1000.0;
    double share = primary ? s->step->primary_weight
                           : (s->step->mirrored ? WEIGHT_TOTAL : s->step->canary_weight);
    double requests = s->per_second * seconds * share / WEIGHT_TOTAL;

    if (!primary && s->step->loaded)
        requests += t->load_per_second * seconds;
    return requests;
}

void traffic_sum(const struct traffic_model *t, const struct exposure *x, ms_t epoch_ms,
                 ms_t from_ms, ms_t to_ms, struct traffic_sums *out)
{
    struct slice s;

    memset(out, 0, sizeof *out);
    for (ms_t at = from_ms - epoch_ms; at < to_ms - epoch_ms; at = s.to) {
        double requests;

        if (!slice_at(t, x, epoch_ms, at, to_ms - epoch_ms, &s))
            continue;
        requests = slice_requests(t, &s, true);
        out->primary_requests += requests;
        out->primary_errors += requests * s.primary.errors;
        requests = slice_requests(t, &s, false);
        out->canary_requests += requests;
        out->canary_errors += requests * s.canary.errors;
    }
}

/* Share of the requests that take at most `ms`. */
static double latency_share(const struct latency *l, double ms)
{
    for (uint32_t i = 1; i < l->count; i++) {
        double width = l->ms[i] - l->ms[i - 1];

        if (ms < l->ms[i])
            return width > 0 ? l->q[i - 1] + (l->q[i] - l->q[i - 1]) * (ms - l->ms[i - 1]) / width
                             : l->q[i];
    }
    return 1;
}

#define COMPONENTS_MAX 128
struct mixture {
    double requests[COMPONENTS_MAX];
    double slowdown[COMPONENTS_MAX];
    const struct latency *latency[COMPONENTS_MAX];
    uint32_t count;
    double total, longest;
};

static void mixture_add(struct mixture *m, double requests, const struct behaviour *b)
{
    double longest;

    if (requests <= 0 || !b->latency || b->latency->count == 0)
        return;
    longest = b->latency->ms[b->latency->count - 1] * b->slowdown;
    m->total += requests;
    if (longest > m->longest)
        m->longest = longest;
    for (uint32_t i = 0; i < m->count; i++)
        if (m->latency[i] == b->latency && m->slowdown[i] >= b->slowdown &&
            m->slowdown[i] <= b->slowdown) {
            m->requests[i] += requests;
            return;
        }
    if (m->count == COMPONENTS_MAX) { /* the last one stands for all that follow */
        m->requests[m->count - 1] += requests;
        return;
    }
    m->requests[m->count] = requests;
    m->slowdown[m->count] = b->slowdown;
    m->latency[m->count] = b->latency;
    m->count++;
}

/* The duration that the share `quantile` of all requests does not exceed, to a microsecond. */
static double mixture_quantile(const struct mixture *m, double quantile)
{
    double low = 0, high = m->longest;

    while (high - low > 0.001) {
        double middle = low + (high - low) / 2, share = 0;

        if (middle <= low || middle >= high)
            break; /* so long that a microsecond is below the last digit */
        for (uint32_t i = 0; i < m->count; i++)
            share += m->requests[i] * latency_share(m->latency[i], middle / m->slowdown[i]);
        if (share >= quantile * m->total)
            high = middle;
        else
            low = middle;
    }
    return high < 9e15 ? (double)(int64_t)(high * 1000 + 0.5) / 1000 : high;
}

static bool model_latency(const struct metric_model *m, const struct metric_query *q, bool primary,
                          ms_t from, ms_t to, double *ret_ms)
{
    struct mixture mixture;
    struct slice s;

    mixture.count = 0;
    mixture.total = mixture.longest = 0;
    for (ms_t at = from; at < to; at = s.to)
        if (slice_at(m->traffic, q->exposure, q->epoch_ms, at, to, &s))
            mixture_add(&mixture, slice_requests(m->traffic, &s, primary),
                        primary ? &s.primary : &s.canary);
    if (mixture.total <= 0)
        return false;
    *ret_ms = mixture_quantile(&mixture, m->quantile);
    return true;
}

static uint64_t rounded(double count)
{
    if (count < 0)
        return 0;
    return count < 1.8e19 ? (uint64_t)(count + 0.5) : UINT64_MAX;
}

/* A share that is exactly at its bound stays there, whatever the sums lost in their last digits. */
static double billionths(double value)
{
    return (double)(int64_t)(value * 1e9 + 0.5) / 1e9;
}

static void model_evaluate(const struct metric_source *self, const struct metric_query *q,
                           struct answer *out)
{
    const struct metric_model *m = (const struct metric_model *)self;
    const struct traffic_model *t = m->traffic;
    ms_t now = q->now_ms - q->epoch_ms, scrape = t->scrape_ms, first, last;
    struct traffic_sums sums;
    bool primary = m->primary || q->primary;
    double requests, errors, value = 0;

    for (uint32_t i = 0; i < t->outage_count; i++)
        if (now >= t->outages[i].from_ms && now < t->outages[i].to_ms) {
            out->outcome = OUTCOME_FAILED;
            out->cause = CAUSE_QUERY;
            out->text = t->outage_text;
            out->text_len = (uint32_t)strlen(t->outage_text);
            return;
        }
    /* Samples exist at multiples of the scrape interval; a rate needs two of them in (now - window,
     * now]. */
    last = now / scrape * scrape;
    first = now - q->window_ms < 0 ? 0 : ((now - q->window_ms) / scrape + 1) * scrape;
    if (first >= last) {
        answer_nothing(out);
        return;
    }
    traffic_sum(t, q->exposure, q->epoch_ms, q->epoch_ms + first, q->epoch_ms + last, &sums);
    out->canary_requests = rounded(sums.canary_requests);
    out->canary_errors = rounded(sums.canary_errors);
    out->primary_requests = rounded(sums.primary_requests);
    out->primary_errors = rounded(sums.primary_errors);
    requests = primary ? sums.primary_requests : sums.canary_requests;
    errors = primary ? sums.primary_errors : sums.canary_errors;
    if (m->value == MODEL_REQUEST_RATE) {
        answer_value(q, requests * 1000.0 / (double)(last - first), out);
        return;
    }
    if (requests <= 0 ||
        (m->value == MODEL_LATENCY && !model_latency(m, q, primary, first, last, &value))) {
        answer_nothing(out);
        return;
    }
    if (m->value == MODEL_SUCCESS_RATE)
        value = billionths((requests - errors) / requests * 100);
    else if (m->value == MODEL_ERROR_RATE)
        value = billionths(errors / requests * 100);
    answer_value(q, value, out);
}

void metric_model_init(struct metric_model *m, const struct traffic_model *traffic,
                       enum model_value value)
{
    *m = (struct metric_model){.source = {model_evaluate, true, true},
                               .traffic = traffic,
                               .value = value,
                               .quantile = 0.99};
}
