/*
 * How many ticks a second one core decides: the Canary of bench/typical.yaml (autoscaler, two
 * metrics, two webhooks) with ten steps, installed once and then release after release, answers at
 * hand, notes counted and not rendered. Beside it the same ticks stepped ask by ask, and the size
 * of a live rollout. The limit in the same run is one draw of the random generator.
 *
 * CPU seconds of the best of many short rounds, all in turns, so that a busy machine counts less.
 * With any argument there is one round of the first only, for a profiler.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/canary.h"
#include "bench/figure.h"
#include "engine/engine.h"
#include "sim/rng.h"

#define RELEASES 300
#define TICKS 14 /* of one release: start, ten steps, promote, shift, finalise */
#define TICKS_ALL (RELEASES * TICKS)
#define ROUNDS 400
#define DRAWS 30000
#define WANTED_TICKS 10e6

static const struct spec *spec;
static uint64_t sink;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_engine: %s\n", what);
    exit(4);
}

static double draw(void)
{
    struct rng rng = rng_init(1, 0, 0);

    for (int i = 0; i < DRAWS; i++)
        sink += rng_next(&rng);
    return DRAWS;
}

static double run_at_hand(void)
{
    struct answer values[2];
    struct rollout r;
    struct hand hand;
    struct step step;

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
    for (int release = 0; release < RELEASES; release++) {
        hand.ok.target++;
        for (int i = 0; i < TICKS; i++)
            engine_run(&r, spec, TICK_ANALYSIS, (ms_t)r.ticks * 60000, &hand, &step);
        if (release > 0 && r.stored.phase != PHASE_SUCCEEDED)
            die("a release takes more ticks than were counted");
    }
    sink += hand.notes;
    return TICKS_ALL;
}

static double run_stepped(void)
{
    struct rollout r;
    struct answer a;
    struct step step;

    memset(&a, 0, sizeof a);
    a.primary = 100;
    rollout_init(&r);
    for (int release = 0; release < RELEASES; release++) {
        a.target++;
        for (int i = 0; i < TICKS; i++) {
            engine_begin(&r, spec, TICK_ANALYSIS, (ms_t)r.ticks * 60000, &step);
            while (step.ask.kind != ASK_DONE) {
                sink += step.note_count;
                a.id = step.ask.id;
                a.value = 100;
                if (step.ask.kind == ASK_ROUTES_SET) {
                    a.primary = step.ask.primary;
                    a.canary = step.ask.canary;
                }
                engine_answer(&r, spec, &a, &step);
            }
        }
    }
    if (r.stored.phase != PHASE_SUCCEEDED)
        die("a release takes more ticks than were counted");
    return TICKS_ALL;
}

static void measure(double (*work)(void), double *best)
{
    double start = cpu_s(), done = work(), now = done / (cpu_s() - start);

    if (now > *best)
        *best = now;
}

struct typical {
    struct arena *arena;
    struct diags *diags;
    struct canary canary;
};

static bool on_document(void *ctx, const struct document *doc)
{
    const struct canary_options options = {.deviations = PROFILE_DEFAULT};
    struct typical *typical = ctx;

    if (canary_decode(typical->arena, typical->diags, doc, &options, &typical->canary) != 0)
        die("bench/typical.yaml is wrong");
    return true;
}

int main(int argc, char **argv)
{
    struct arena *arena = arena_new(0);
    double hand = 0, stepped = 0, draws = 0;
    struct typical typical;
    struct diags diags;
    const char *text;
    size_t len;

    (void)argv;
    diags_init(&diags, arena);
    typical = (struct typical){.arena = arena, .diags = &diags};
    if (file_read(arena, "bench/typical.yaml", 0, &text, &len) != 0 ||
        node_parse(arena, &diags, "bench/typical.yaml", text, len, NULL, on_document, &typical))
        die("run from the top of the repository");
    typical.canary.spec.analysis.step_weight = 5;
    spec = &typical.canary.spec;
    for (int i = 0; i < (argc > 1 ? 1 : ROUNDS); i++) {
        measure(run_at_hand, &hand);
        if (argc > 1)
            break;
        measure(run_stepped, &stepped);
        measure(draw, &draws);
    }
    if (argc == 1) {
        figure_at_least("engine-ticks", hand, "ticks/s", draws, WANTED_TICKS);
        figure("engine-ticks-stepped", stepped, "ticks/s", draws);
        figure("engine-draws", draws, "draws/s", draws);
        figure_at_most("rollout-memory", sizeof(struct rollout), "bytes", NO_LIMIT, 1024);
    }
    diags_release(&diags);
    arena_free(arena);
    return sink == 0;
}
