/* What a seed draws. */
#include <stddef.h>
#include <string.h>

#include "adapters/swarm/swarm.h"
#include "engine/spec.h"
#include "sim/rng.h"

const struct swarm_field swarm_fields[] = {
#define FIELD(group, name, kind, low, high, calm)                                                  \
    {#group, #name, KIND_##kind, low, high, calm, offsetof(struct swarm_plan, name)},
    SWARM_FIELDS(FIELD)
#undef FIELD
};
const size_t swarm_field_count = sizeof(swarm_fields) / sizeof(swarm_fields[0]);

const struct swarm_act_range swarm_act_ranges[ACT_COUNT] = {
#define RANGE(id, name, low, high) [ACT_##id] = {low, high},
    SWARM_ACTS(RANGE)
#undef RANGE
};

int64_t *swarm_field_of(struct swarm_plan *plan, const struct swarm_field *f)
{
    return (int64_t *)(void *)((char *)plan + f->offset);
}

const char *const *swarm_kind_names(enum swarm_kind kind)
{
    static const char *const strategies[] = {"canary", "ab", "blue-green", NULL};
    static const char *const providers[] = {"kubernetes", "istio",   "gatewayapi:v1",
                                            "contour",    "traefik", NULL};

    return kind == KIND_STRATEGY ? strategies : kind == KIND_PROVIDER ? providers : NULL;
}

const char *swarm_act_name(enum swarm_act act)
{
    static const char *const names[] = {
#define NAME(id, name, low, high) [ACT_##id] = name,
        SWARM_ACTS(NAME)
#undef NAME
    };
    return names[act];
}

const char *swarm_end_name(enum swarm_end end)
{
    static const char *const names[] = {"before", "after", "deposed"};

    return names[end];
}

void swarm_plan_calm(struct swarm_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    plan->seed = 1;
    for (size_t i = 0; i < swarm_field_count; i++)
        *swarm_field_of(plan, &swarm_fields[i]) = swarm_fields[i].calm;
}

bool swarm_plan_has(const struct swarm_plan *plan, enum swarm_act act)
{
    for (size_t i = 0; i < plan->act_count; i++) {
        if (plan->acts[i].act == act)
            return true;
    }
    return false;
}

size_t swarm_plan_conflicts(const struct swarm_plan *plan,
                            const char *ret_texts[SWARM_CONFLICTS_MAX])
{
    size_t n = 0;

    if (plan->provider == SWARM_KUBERNETES && plan->strategy != SWARM_BLUE_GREEN)
        ret_texts[n++] = "provider kubernetes has no weights: its strategy is blue-green";
    if (plan->provider == SWARM_TRAEFIK && plan->strategy == SWARM_AB)
        ret_texts[n++] = "provider traefik has no strategy ab";
    if (plan->daemonset && plan->autoscaler)
        ret_texts[n++] = "a daemonset has no autoscaler";
    return n;
}

void swarm_plan_add(struct swarm_plan *plan, int64_t at_ms, enum swarm_act act, int64_t value)
{
    size_t i = plan->act_count;

    if (i == SWARM_ACTS_MAX)
        return;
    for (; i > 0 && plan->acts[i - 1].at_ms > at_ms; i--)
        plan->acts[i] = plan->acts[i - 1];
    plan->acts[i] = (struct swarm_event){at_ms, act, value};
    plan->act_count++;
}

/* ---- drawing -----------------------------------------------------------------------------------
 */

static int64_t between(struct rng *r, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(r, (uint64_t)(high - low + 1));
}

/* A rate in permille: none in half of the lives, else up to `most`. */
static int64_t rate(struct rng *r, int64_t most)
{
    int64_t n = between(r, 1, most);

    return rng_chance(r, 500000) ? n : 0;
}

static void draw_faults(struct rng *r, struct swarm_plan *p)
{
    p->conflict = rate(r, 80);
    p->throttle = rate(r, 50);
    p->server_error = rate(r, 60);
    p->cut_before = rate(r, 60);
    p->cut_after = rate(r, 60);
    p->late_effect = rate(r, 30);
    p->late_answer = rate(r, 30);
    p->stale_list = rate(r, 100);
    p->watch_break = rate(r, 300);
    /* A request that takes effect after its sender gave up (30 s) is a gap that is known. */
    p->late_max = rng_chance(r, 500000) ? 120000 : 3000;
    if (p->late_max > 3000)
        p->late_effect = 0;
    p->hook_error = rate(r, 200);
    p->hook_late = rate(r, 100);
    p->hook_twice = rate(r, 300);
    p->metric_error = rate(r, 100);
}

static void draw_steps(struct rng *r, struct swarm_plan *p)
{
    p->step = between(r, 1, 5) * 10;
    p->max = p->step * between(r, 1, 100 / p->step);
    if (p->max > 50)
        p->max = 50 / p->step * p->step;
    p->uneven = rng_chance(r, 200000);
    p->promotion_step = rng_chance(r, 200000) ? between(r, 1, 5) * 10 : 0;
    p->iterations = between(r, 1, 4);
    p->threshold = between(r, 1, 4);
}

static void draw_canary(struct rng *r, struct swarm_plan *p)
{
    static const enum swarm_provider meshes[] = {SWARM_ISTIO, SWARM_ISTIO, SWARM_GATEWAY,
                                                 SWARM_CONTOUR, SWARM_TRAEFIK};

    p->strategy = between(r, 0, 2);
    p->provider = meshes[rng_below(r, 5)];
    if (p->strategy == SWARM_BLUE_GREEN && rng_chance(r, 600000))
        p->provider = SWARM_KUBERNETES;
    if (p->strategy == SWARM_AB && p->provider == SWARM_TRAEFIK)
        p->provider = SWARM_ISTIO; /* it has no match on requests */
    p->daemonset = rng_chance(r, 150000);
    p->replicas = between(r, 1, 3);
    draw_steps(r, p);
    p->mirror = p->strategy == SWARM_CANARY &&
                (p->provider == SWARM_ISTIO || p->provider == SWARM_GATEWAY) &&
                rng_chance(r, 150000);
    p->affinity = p->strategy == SWARM_CANARY &&
                  (p->provider == SWARM_ISTIO || p->provider == SWARM_GATEWAY) &&
                  rng_chance(r, 250000);
    p->autoscaler = !p->daemonset && rng_chance(r, 150000);
    p->configs = rng_chance(r, 300000);
    p->skip = rng_chance(r, 60000);
    p->revert = rng_chance(r, 250000);
    p->alerts = rng_chance(r, 300000);
    if (rng_chance(r, 700000)) {
        p->hooks = between(r, 0, 255);
        if (rng_chance(r, 500000))
            p->hooks &= ~(int64_t)SWARM_HOOK(HOOK_EVENT);
    }
}

static void draw_releases(struct rng *r, struct swarm_plan *p)
{
    int64_t count = between(r, 1, 3), at = between(r, 2, 60) * 1000;

    for (int64_t i = 0; i < count; i++) {
        bool bad = rng_chance(r, 300000), config = p->configs && rng_chance(r, 400000);

        swarm_plan_add(p, at + between(r, 0, 999),
                       config ? bad ? ACT_BAD_CONFIG : ACT_CONFIG
                       : bad  ? ACT_BAD_RELEASE
                              : ACT_RELEASE,
                       0);
        if (rng_chance(r, 60000))
            swarm_plan_add(p, at + between(r, 5, 60) * 1000, ACT_REVERT, 0);
        at += between(r, 20, 150) * 1000;
    }
}

/* A pair such as pause and resume, the second some time after the first. */
static void draw_pair(struct rng *r, struct swarm_plan *p, enum swarm_act first, int64_t value,
                      enum swarm_act then)
{
    int64_t at = between(r, 5000, p->faulty), after = between(r, 2000, 60000);

    swarm_plan_add(p, at, first, value);
    swarm_plan_add(p, at + after, then, 0);
}

static void draw_people(struct rng *r, struct swarm_plan *p)
{
    static const enum swarm_act single[] = {ACT_TOUCH_CANARY, ACT_TOUCH_ROUTES, ACT_EDIT_THRESHOLD,
                                            ACT_PROMOTE,      ACT_ABORT,        ACT_RETRY,
                                            ACT_SCALE};

    for (int i = 0; i < 3 && rng_chance(r, 300000); i++) {
        enum swarm_act act = single[rng_below(r, sizeof(single) / sizeof(single[0]))];

        swarm_plan_add(p, between(r, 5000, p->faulty), act,
                       between(r, 1, 3) * (swarm_act_ranges[act].high > 0));
    }
    if (rng_chance(r, 60000))
        draw_pair(r, p, ACT_PAUSE, 0, ACT_RESUME);
    if (rng_chance(r, 60000))
        draw_pair(r, p, ACT_SUSPEND, 0, ACT_UNSUSPEND);
    if (p->hooks && rng_chance(r, 200000))
        draw_pair(r, p, ACT_CLOSE_GATES, 0, ACT_OPEN_GATES);
    if (p->hooks & SWARM_HOOK(HOOK_ROLLBACK) && rng_chance(r, 200000))
        draw_pair(r, p, ACT_CALL_BACK, 0, ACT_OPEN_GATES);
    if (rng_chance(r, 120000))
        draw_pair(r, p, ACT_UNREADY, between(r, 0, 1), ACT_READY);
    for (int i = 0; i < 2 && rng_chance(r, 100000); i++)
        swarm_plan_add(p, between(r, 1000, p->faulty), ACT_CLOCK, between(r, -7200, 7200) * 1000);
    if (rng_chance(r, 60000))
        swarm_plan_add(p, between(r, 10000, p->faulty + 60000), ACT_DELETE, 0);
}

static void draw_ends(struct rng *r, struct swarm_plan *p)
{
    int64_t count = rng_chance(r, 500000) ? between(r, 1, 3) : 0;

    for (int64_t i = 0; i < count; i++) {
        p->ends[i].request = between(r, 1, 60);
        p->ends[i].end = rng_chance(r, 500000) ? END_BEFORE : END_AFTER;
        if (p->operators > 1 && rng_chance(r, 500000))
            p->ends[i].end = END_DEPOSED;
    }
    p->end_count = (size_t)count;
}

void swarm_plan_draw(struct swarm_plan *plan, uint64_t seed)
{
    struct rng r = rng_init(seed, 0, 1);

    swarm_plan_calm(plan);
    plan->seed = seed;
    draw_canary(&r, plan);
    plan->operators = rng_chance(&r, 300000) ? 2 : 1;
    plan->latency = between(&r, 1, 200);
    plan->pod_start = between(&r, 1, 20) * 1000;
    plan->faulty = between(&r, 60, 400) * 1000;
    draw_faults(&r, plan);
    draw_releases(&r, plan);
    draw_people(&r, plan);
    draw_ends(&r, plan);
}
