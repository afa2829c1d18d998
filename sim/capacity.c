#include "sim/capacity.h"

static int32_t pods_wanted(const struct capacity_model *c, double load)
{
    double wanted = load / (c->pod_rps * c->target);
    int32_t pods = wanted < 1e9 ? (int32_t)wanted : 1000000000;

    if (wanted > pods)
        pods++;
    pods = pods < c->min_replicas ? c->min_replicas : pods;
    return pods > c->max_replicas ? c->max_replicas : pods;
}

double model_capacity_dip(const struct capacity_model *c, double rps, int32_t percent,
                          ms_t *ret_short_ms)
{
    int32_t ready = pods_wanted(c, rps * (100 - percent) / 100), wanted = pods_wanted(c, rps);
    double ratio = ready * c->pod_rps / rps;

    /* The next look of the autoscaler asks for all pods that are missing. */
    *ret_short_ms = 0;
    if (ratio < 1)
        *ret_short_ms = wanted * c->pod_rps >= rps ? CAPACITY_LOOK_MS + c->start_ms : MS_NEVER;
    return ratio;
}

void scaler_init(struct scaler *s, const struct capacity_model *model, double rps)
{
    *s = (struct scaler){.model = model, .least = 100};
    s->ready = s->total = pods_wanted(model, rps);
}

static void start_pods(struct scaler *s, int32_t pods)
{
    uint32_t last = sizeof s->starting / sizeof *s->starting - 1;

    s->total += pods;
    if (s->starting_count > last) {
        s->starting[last].pods += pods;
        s->starting[last].ready_ms = s->now_ms + s->model->start_ms;
        return;
    }
    s->starting[s->starting_count].ready_ms = s->now_ms + s->model->start_ms;
    s->starting[s->starting_count++].pods = pods;
}

/* The youngest go first. */
static void stop_pods(struct scaler *s, int32_t pods)
{
    s->total -= pods;
    while (pods > 0 && s->starting_count > 0) {
        int32_t *young = &s->starting[s->starting_count - 1].pods;
        int32_t n = pods < *young ? pods : *young;

        *young -= n;
        pods -= n;
        s->starting_count -= *young == 0;
    }
    s->ready -= pods;
}

/* Most of what was wanted in the looks of the last hold_ms, this one included. */
static int32_t most_wanted(const struct scaler *s)
{
    uint32_t slots = sizeof s->wanted / sizeof *s->wanted;
    uint32_t looks = (uint32_t)(s->model->hold_ms / CAPACITY_LOOK_MS) + 1;
    int32_t most = 0;

    for (uint32_t i = 0; i < looks && i < s->look_count && i < slots; i++) {
        int32_t wanted = s->wanted[(s->look_count - 1 - i) % slots];
        most = wanted > most ? wanted : most;
    }
    /* before the first look it had long wanted what it has */
    return s->look_count < looks && s->total > most ? s->total : most;
}

static void look(struct scaler *s, double rps)
{
    int32_t wanted = pods_wanted(s->model, rps), most;

    s->wanted[s->look_count++ % (sizeof s->wanted / sizeof *s->wanted)] = wanted;
    s->look_ms += CAPACITY_LOOK_MS;
    most = most_wanted(s);
    if (wanted > s->total)
        start_pods(s, wanted - s->total);
    else if (most < s->total)
        stop_pods(s, s->total - most);
}

static void become_ready(struct scaler *s)
{
    uint32_t n = 0;

    for (; n < s->starting_count && s->starting[n].ready_ms <= s->now_ms; n++)
        s->ready += s->starting[n].pods;
    s->starting_count -= n;
    for (uint32_t i = 0; i < s->starting_count; i++)
        s->starting[i] = s->starting[i + n];
}

/* What a stretch of time without any change comes to. */
static void pass(struct scaler *s, ms_t to_ms, double rps)
{
    double capacity = s->ready * s->model->pod_rps, ratio = rps > 0 ? capacity / rps : 100;

    s->least = ratio < s->least ? ratio : s->least;
    if (ratio < 1) {
        s->short_ms += to_ms - s->now_ms;
        s->over += (rps - capacity) * (double)(to_ms - s->now_ms) / 1000;
    }
    s->now_ms = to_ms;
}

/* Nothing changes any more under this load: the looks that are left need not be taken. */
static void settle(struct scaler *s, ms_t to_ms, double rps)
{
    pass(s, to_ms, rps);
    if (s->look_ms < to_ms)
        s->look_ms +=
            (to_ms - s->look_ms + CAPACITY_LOOK_MS - 1) / CAPACITY_LOOK_MS * CAPACITY_LOOK_MS;
}

void scaler_run(struct scaler *s, ms_t to_ms, double rps)
{
    uint32_t still = 0, slots = sizeof s->wanted / sizeof *s->wanted;

    while (s->now_ms < to_ms) {
        int32_t before = s->total;
        ms_t next = to_ms;

        become_ready(s);
        if (s->look_ms <= s->now_ms) {
            look(s, rps);
            still = s->total == before && s->starting_count == 0 ? still + 1 : 0;
        }
        become_ready(s); /* pods that start at once */
        if (still > slots) {
            settle(s, to_ms, rps);
            return;
        }
        next = s->look_ms < next ? s->look_ms : next;
        if (s->starting_count > 0 && s->starting[0].ready_ms < next)
            next = s->starting[0].ready_ms;
        pass(s, next, rps);
    }
}
