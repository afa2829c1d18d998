#include "engine/spec.h"

#include "engine/num.h"

#include <string.h>

static int32_t least(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

enum strategy spec_strategy(const struct spec *s)
{
    if (s->analysis.iterations <= 0)
        return STRATEGY_CANARY;
    return s->analysis.match_count > 0 ? STRATEGY_AB : STRATEGY_BLUE_GREEN;
}

/* The least element of stepWeights above `weight`, at most 100; 0 when there is none. */
static int32_t next_greater(const struct analysis_spec *a, int32_t weight)
{
    int32_t best = 0;

    for (uint32_t i = 0; i < a->step_weight_count; i++) {
        int32_t w = least(a->step_weights[i], WEIGHT_TOTAL);
        if (w > weight && (best == 0 || w < best))
            best = w;
    }
    return best;
}

/* The next element above `weight` in the order of the list: elements that do not grow do not count.
 */
static int32_t next_growing(const struct analysis_spec *a, int32_t weight)
{
    int32_t top = 0;

    for (uint32_t i = 0; i < a->step_weight_count; i++) {
        int32_t w = least(a->step_weights[i], WEIGHT_TOTAL);
        if (w <= top)
            continue;
        top = w;
        if (w > weight)
            return w;
    }
    return 0;
}

/* Is `weight` one of the elements that count? */
static bool is_growing(const struct analysis_spec *a, int32_t weight)
{
    int32_t top = 0;

    for (uint32_t i = 0; i < a->step_weight_count && top < weight; i++) {
        int32_t w = least(a->step_weights[i], WEIGHT_TOTAL);
        if (w > top)
            top = w;
    }
    return top == weight;
}

static int32_t greatest_step(const struct analysis_spec *a)
{
    int32_t top = 0;

    for (uint32_t i = 0; i < a->step_weight_count; i++) {
        if (a->step_weights[i] > top)
            top = a->step_weights[i];
    }
    return least(top, WEIGHT_TOTAL);
}

int32_t spec_last_listed_weight(const struct spec *s)
{
    const struct analysis_spec *a = &s->analysis;

    if (spec_deviates(s, DEV_INCREASING_STEPS))
        return greatest_step(a);
    return least(a->step_weights[a->step_weight_count - 1], WEIGHT_TOTAL);
}

static bool in_list(const struct analysis_spec *a, int32_t weight, uint32_t *ret_index)
{
    for (uint32_t i = 0; i + 1 < a->step_weight_count; i++) {
        if (a->step_weights[i] == weight) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

int32_t spec_next_listed_step(const struct spec *s, int32_t weight)
{
    const struct analysis_spec *a = &s->analysis;
    uint32_t i = 0;
    bool last;

    if (weight == WEIGHT_TOTAL)
        return 1; /* any positive value: promotion goes on */
    if (spec_deviates(s, DEV_INCREASING_STEPS)) {
        int32_t next = next_growing(a, weight);
        if (weight > 0 && !is_growing(a, weight) && !spec_deviates(s, DEV_NEXT_GREATER_STEP))
            return WEIGHT_TOTAL - weight;
        if (next > 0)
            return next - weight;
        return greatest_step(a) > 0 ? WEIGHT_TOTAL - weight : 0;
    }
    if (weight == 0)
        return least(WEIGHT_TOTAL, a->step_weights[0]);
    if (in_list(a, weight, &i))
        return least(WEIGHT_TOTAL - weight, a->step_weights[i + 1] - weight);
    last = a->step_weights[a->step_weight_count - 1] == weight;
    if (!last && spec_deviates(s, DEV_NEXT_GREATER_STEP)) {
        int32_t next = next_greater(a, weight);
        if (next > 0)
            return next - weight;
    }
    return WEIGHT_TOTAL - weight;
}

bool spec_alert_wanted(const struct spec *s, uint32_t alert_index, enum alert_severity severity)
{
    const struct alert_spec *a;

    if (alert_index >= s->analysis.alert_count)
        return false;
    a = &s->analysis.alerts[alert_index];
    if (!a->has_severity)
        return spec_deviates(s, DEV_DEFAULT_SEVERITY);
    return severity >= a->severity;
}

bool metric_is_success_rate(const struct metric_spec *m)
{
    return strcmp(m->name, "request-success-rate") == 0;
}

bool metric_is_duration(const struct metric_spec *m)
{
    return strcmp(m->name, "request-duration") == 0;
}

ms_t metric_window_ms(const struct metric_spec *m)
{
    const char *unit;
    size_t unit_len;
    int64_t ns;

    if (!m->interval ||
        duration_parse(m->interval, strlen(m->interval), &ns, &unit, &unit_len) != DURATION_OK)
        return 0;
    return ns / NS_PER_MS;
}

unsigned judge_food(const struct judge_spec *j)
{
    unsigned food = j->min_samples > 0 ? FOOD_REQUESTS : 0;

    if (j->kind == JUDGE_ANYTIME)
        food |= FOOD_REQUESTS | FOOD_COUNTS;
    if (j->kind == JUDGE_MANN_WHITNEY)
        food |= FOOD_SAMPLES;
    return food;
}

uint8_t metric_checks_of(const struct metric_spec *m)
{
    unsigned checks = METRIC_CHECKS_KNOWN;

    checks |= metric_is_success_rate(m) ? 1u << 0 : 0;
    checks |= metric_is_duration(m) ? 1u << 1 : 0;
    checks |= m->query && m->query[0] != '\0' ? 1u << 2 : 0;
    checks |= m->template_name ? 1u << 3 : 0;
    return (uint8_t)checks;
}
