/* What a seed draws. */
#include <stdio.h>
#include <string.h>

#include "adapters/swarm/swarm.h"
#include "sim/rng.h"

static int between(struct rng *r, int low, int high)
{
    return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

/* A rate in permille: none in half of the lives, else up to `most`. */
static uint16_t rate(struct rng *r, int most)
{
    int n = between(r, 1, most);

    return rng_chance(r, 500000) ? (uint16_t)n : 0;
}

static void draw_faults(struct rng *r, struct simkube_faults *f)
{
    memset(f, 0, sizeof(*f));
    f->seed = rng_next(r);
    f->conflict = rate(r, 80);
    f->throttle = rate(r, 50);
    f->server_error = rate(r, 60);
    f->cut_before = rate(r, 60);
    f->cut_after = rate(r, 60);
    f->late_effect = rate(r, 30);
    f->late_answer = rate(r, 30);
    f->stale_list = rate(r, 100);
    f->watch_break = rate(r, 300);
    f->late_ms_max = rng_chance(r, 500000) ? 120000 : 3000;
}

void swarm_plan_draw(struct swarm_plan *plan, uint64_t seed)
{
    struct rng r = rng_init(seed, 0, 1);

    memset(plan, 0, sizeof(*plan));
    plan->seed = seed;
    plan->strategy = (enum swarm_strategy)rng_below(&r, 3);
    plan->replicas = between(&r, 1, 3);
    plan->step_weight = between(&r, 1, 5) * 10;
    plan->max_weight = plan->step_weight * between(&r, 1, 100 / plan->step_weight);
    if (plan->max_weight > 50)
        plan->max_weight = 50 / plan->step_weight * plan->step_weight;
    plan->iterations = between(&r, 1, 4);
    plan->threshold = between(&r, 1, 4);
    plan->hook = rng_chance(&r, 500000);
    plan->operators = rng_chance(&r, 300000) ? 2 : 1;
    plan->releases = between(&r, 1, SWARM_RELEASES_MAX);
    for (int i = 0; i < SWARM_RELEASES_MAX; i++) {
        plan->bad[i] = rng_chance(&r, 300000);
        plan->release_ms[i] = between(&r, 20, 150) * 1000;
    }
    plan->edits = rng_chance(&r, 400000) ? between(&r, 1, 4) : 0;
    plan->crashes = rng_chance(&r, 500000) ? between(&r, 1, SWARM_CRASHES_MAX) : 0;
    for (int i = 0; i < SWARM_CRASHES_MAX; i++) {
        plan->crash_after[i] = (uint64_t)between(&r, 1, 60);
        plan->crash_before[i] = rng_chance(&r, 500000);
    }
    plan->faulty_ms = between(&r, 60, 400) * 1000;
    plan->latency_ms = between(&r, 1, 200);
    plan->pod_start_ms = between(&r, 1, 20) * 1000;
    draw_faults(&r, &plan->faults);
}

void swarm_plan_print(const struct swarm_plan *p, char *out, size_t size)
{
    static const char *const strategies[] = {"canary", "a/b", "blue/green"};
    const struct simkube_faults *f = &p->faults;

    snprintf(
        out, size,
        "%s x%d, weight %d to %d, iterations %d, threshold %d, hook %d, operators %d, releases "
        "%d%s%s%s, edits %d, crashes %d, faulty %lld s; permille: conflict %d, throttle %d, "
        "5xx %d, cut before %d, after %d, late effect %d, answer %d, stale %d, watch %d",
        strategies[p->strategy], p->replicas, p->step_weight, p->max_weight, p->iterations,
        p->threshold, p->hook, p->operators, p->releases, p->bad[0] ? " bad" : " good",
        p->releases < 2 ? ""
        : p->bad[1]     ? " bad"
                        : " good",
        p->releases < 3 ? ""
        : p->bad[2]     ? " bad"
                        : " good",
        p->edits, p->crashes, (long long)p->faulty_ms / 1000, f->conflict, f->throttle,
        f->server_error, f->cut_before, f->cut_after, f->late_effect, f->late_answer, f->stale_list,
        f->watch_break);
}
