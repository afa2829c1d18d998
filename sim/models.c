#include "sim/models.h"

#include "sim/stat_math.h"

#define Z99 2.3263478740408408

/* Source: Istio, istio_request_duration_milliseconds. */
const double model_bucket_bounds[MODEL_BUCKETS - 1] = {
    0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
    2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

struct whatif_model whatif_model_default(void)
{
    return (struct whatif_model){
        .rps = 1,
        .diurnal_period_ms = 86400000,
        .burst_slot_ms = 60000,
        .burst_factor = 1,
        .match_percent = 10,
        .blip_slot_ms = 60000,
        .median_ms = 50,
        .p99_ms = 200,
        .slowdown = 1,
        .user_rps = 1.0 / 60,
    };
}

bool model_is_stationary(const struct whatif_model *m)
{
    return m->diurnal_amplitude <= 0 && !m->trace && m->burst_ppm == 0 && m->onset_ms == 0 &&
           m->ramp_ms == 0 && m->warmup_ms == 0 && m->blip_ppm == 0 && m->sticky != STICKY_CANARY;
}

/* sin(2 pi turns): Taylor series within a quarter turn. */
static double sine_of_turns(double turns)
{
    double x, z, sum = 0;
    double fraction = turns - (double)(int64_t)turns;

    if (fraction < 0)
        fraction += 1;
    if (fraction > 0.75)
        fraction -= 1;
    else if (fraction > 0.25)
        fraction = 0.5 - fraction;
    x = fraction * 6.28318530717958647693;
    z = x * x;
    for (int k = 21; k >= 3; k -= 2)
        sum = (sum + (k % 4 == 1 ? 1.0 : -1.0)) * z / (k * (k - 1));
    return x + x * sum;
}

double model_rate(const struct whatif_model *m, ms_t at_ms)
{
    double rate = m->rps;

    if (m->trace && m->trace_count > 0) {
        double slot = m->trace[(uint64_t)(at_ms / m->trace_slot_ms) % m->trace_count];
        rate = m->rps > 0 ? m->rps * slot : slot;
    }
    if (m->diurnal_amplitude > 0)
        rate *= 1 + m->diurnal_amplitude * sine_of_turns((double)(at_ms + m->diurnal_phase_ms) /
                                                         (double)m->diurnal_period_ms);
    return rate;
}

double model_errors(const struct whatif_model *m, int32_t weight, ms_t served_ms)
{
    double errors = m->errors_before;
    ms_t since = served_ms - m->onset_ms;

    if (weight >= m->onset_weight && since >= 0) {
        double grown =
            m->ramp_ms > 0 && since < m->ramp_ms ? (double)since / (double)m->ramp_ms : 1;
        errors += (m->errors - m->errors_before) * grown;
    }
    if (served_ms < m->warmup_ms)
        errors += m->warmup_errors * (1 - (double)served_ms / (double)m->warmup_ms);
    return errors < 1 ? errors : 1;
}

static double histogram_cdf(const struct model_histogram *h, double bound_ms)
{
    double low = 0, below = 0;

    for (uint32_t i = 0; i < h->count; i++) {
        if (bound_ms < h->bounds_ms[i])
            return below + (h->shares[i] - below) * (bound_ms - low) / (h->bounds_ms[i] - low);
        low = h->bounds_ms[i];
        below = h->shares[i];
    }
    return below;
}

double model_latency_cdf(const struct whatif_model *m, double bound_ms)
{
    double sigma, bound = bound_ms / m->slowdown;

    if (bound <= 0)
        return 0;
    if (m->histogram)
        return histogram_cdf(m->histogram, bound);
    sigma = stat_log(m->p99_ms / m->median_ms) / Z99;
    if (sigma <= 0)
        return bound >= m->median_ms;
    return stat_normal_cdf(stat_log(bound / m->median_ms) / sigma);
}

double model_histogram_quantile(double q, const uint64_t *buckets, const double *bounds,
                                uint32_t count)
{
    uint64_t total = 0, below = 0;
    uint32_t b = 0;
    double rank, low;

    for (uint32_t i = 0; i < count; i++)
        total += buckets[i];
    rank = q * (double)total;
    while (b + 1 < count && (double)(below + buckets[b]) < rank)
        below += buckets[b++];
    if (b + 1 == count)
        return bounds[count - 2];
    low = b > 0 ? bounds[b - 1] : 0;
    return low + (bounds[b] - low) * ((rank - (double)below) / (double)buckets[b]);
}

double model_users_spared(double weight, double requests)
{
    if (weight <= 0)
        return 1;
    if (weight >= 1)
        return requests > 0 ? 0 : 1;
    return stat_exp(requests * stat_log1p(-weight));
}
