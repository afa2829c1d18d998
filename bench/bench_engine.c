/*
 * How many ticks a second one core decides: a canary of ten steps with two metrics, install once
 * and then release after release, answers at hand, notes counted and not rendered. Beside it the
 * same ticks stepped ask by ask, and the size of a live rollout. The limit in the same run is one
 * draw of the random generator.
 *
 * CPU seconds of the best of several rounds, so that a busy machine counts less.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"
#include "sim/rng.h"

#define RELEASES 20000
#define TICKS 14 /* of one release: start, ten steps, promote, shift, finalise */
#define ROUNDS 9
#define WANTED_TICKS 10e6

static const struct metric_spec metrics[2] = {
    {.name = "request-success-rate",
     .checks = METRIC_CHECKS_KNOWN | 1u << METRIC_RATE,
     .has_range = true,
     .range = {true, false, 99, 0}},
    {.name = "request-duration",
     .checks = METRIC_CHECKS_KNOWN | 1u << METRIC_DURATION,
     .has_range = true,
     .range = {false, true, 0, 500}},
};

static const struct spec spec = {
    .name = "podinfo",
    .ns = "test",
    .target_name = "podinfo",
    .target_kind_name = "Deployment",
    .provider = "istio",
    .metrics_provider = "istio",
    .tracks_configs = true,
    .progress_deadline_s = 600,
    .analysis = {.present = true,
                 .interval_ms = 60000,
                 .threshold = 5,
                 .max_weight = 50,
                 .step_weight = 5,
                 .metrics = metrics,
                 .metric_count = 2},
    .deviations = PROFILE_DEFAULT,
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t sink;

static double draws_per_second(void)
{
    struct rng rng = rng_init(1, 0, 0);
    double start = cpu_s();

    for (int i = 0; i < 1000000; i++)
        sink += rng_next(&rng);
    return 1e6 / (cpu_s() - start);
}

static double at_hand_per_second(void)
{
    struct answer values[2];
    struct rollout r;
    struct hand hand;
    struct step step;
    double start;

    memset(values, 0, sizeof values);
    memset(&hand, 0, sizeof hand);
    values[0].value = 99.9;
    values[1].value = 100;
    hand.kinds = UINT32_MAX;
    hand.quiet = true;
    hand.metrics = values;
    hand.metric_count = 2;
    hand.ok.primary = 100;
    rollout_init(&r);
    start = cpu_s();
    for (int release = 0; release < RELEASES; release++) {
        hand.ok.target++;
        for (int i = 0; i < TICKS; i++)
            engine_run(&r, &spec, TICK_ANALYSIS, (ms_t)r.ticks * 60000, &hand, &step);
    }
    sink += hand.notes;
    if (r.stored.phase != PHASE_SUCCEEDED)
        return 0;
    return (double)RELEASES * TICKS / (cpu_s() - start);
}

static double stepped_per_second(void)
{
    struct rollout r;
    struct answer a;
    struct step step;
    revision_t target = 0;
    double start;

    memset(&a, 0, sizeof a);
    a.primary = 100;
    rollout_init(&r);
    start = cpu_s();
    for (int release = 0; release < RELEASES; release++) {
        a.target = ++target;
        for (int i = 0; i < TICKS; i++) {
            engine_begin(&r, &spec, TICK_ANALYSIS, (ms_t)r.ticks * 60000, &step);
            while (step.ask.kind != ASK_DONE) {
                sink += step.note_count;
                a.id = step.ask.id;
                a.value = 100;
                if (step.ask.kind == ASK_ROUTES_SET) {
                    a.primary = step.ask.primary;
                    a.canary = step.ask.canary;
                }
                engine_answer(&r, &spec, &a, &step);
            }
        }
    }
    if (r.stored.phase != PHASE_SUCCEEDED)
        return 0;
    return (double)RELEASES * TICKS / (cpu_s() - start);
}

static double best(double (*measure)(void))
{
    double top = 0;

    for (int i = 0; i < ROUNDS; i++) {
        double now = measure();
        if (now > top)
            top = now;
    }
    return top;
}

int main(void)
{
    double draws = best(draws_per_second), hand = best(at_hand_per_second),
           stepped = best(stepped_per_second);

    printf("engine-ticks\t%.0f\tticks/s\t%.3f of one draw\t%.0f\t%s\n", hand, hand / draws,
           WANTED_TICKS, hand >= WANTED_TICKS ? "ok" : "short");
    printf("engine-ticks-stepped\t%.0f\tticks/s\t%.3f of one draw\t0\tok\n", stepped,
           stepped / draws);
    printf("engine-draws\t%.0f\tdraws/s\t1.000\t0\tok\n", draws);
    printf("rollout-memory\t%zu\tbytes\t%.2f\t1024\t%s\n", sizeof(struct rollout),
           sizeof(struct rollout) / 1024.0, sizeof(struct rollout) < 1024 ? "ok" : "short");
    return sink == 0;
}
