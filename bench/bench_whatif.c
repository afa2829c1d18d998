/*
 * How many rollouts a second the what-if plays on one core: ten steps and two counting metrics with
 * windows no longer than the interval; overlapping windows and a bucketed P99. How long a million
 * of the former take on two cores.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/whatif/whatif.h"
#include "bench/figure.h"

enum { RUNS = 100000, ROUNDS = 5, MILLION = 1000000 };

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_whatif: %s\n", what);
    exit(4);
}

struct half {
    const struct whatif_case *cases;
    uint32_t first, count;
    struct whatif_tally tally;
};

static void *play_half(void *ctx)
{
    struct half *h = ctx;

    whatif_play(h->cases, 1, h->first, h->count, &h->tally);
    return NULL;
}

static double two_cores(const struct whatif_case *c)
{
    struct half halves[2] = {{c, 0, MILLION / 2, {0}}, {c, MILLION / 2, MILLION / 2, {0}}};
    double start = wall_s();
    pthread_t other;

    for (int i = 0; i < 2; i++)
        if (whatif_tally_init(&halves[i].tally, whatif_ticks_max(c), false) != 0)
            die("out of memory");
    if (pthread_create(&other, NULL, play_half, &halves[1]) != 0)
        die("no thread");
    play_half(&halves[0]);
    pthread_join(other, NULL);
    for (int i = 0; i < 2; i++)
        whatif_tally_release(&halves[i].tally);
    return wall_s() - start;
}

/* Best of a few rounds, in rollouts a second of processor time. */
static double speed(const struct whatif_case *c)
{
    struct whatif_tally t;
    double best = 1e9;

    if (whatif_tally_init(&t, whatif_ticks_max(c), false) != 0)
        die("out of memory");
    for (int round = 0; round < ROUNDS; round++) {
        double start = clock_s(CLOCK_THREAD_CPUTIME_ID), took;
        whatif_tally_clear(&t);
        whatif_play(c, 1, 0, RUNS, &t);
        took = clock_s(CLOCK_THREAD_CPUTIME_ID) - start;
        best = took < best ? took : best;
    }
    if (t.promoted < RUNS / 2)
        die("the healthy release should mostly be promoted: rollouts would be too short");
    whatif_tally_release(&t);
    return RUNS / best;
}

static void measure(const char *file, const char *interval, bool counts, const char *name,
                    double wanted, const char *million)
{
    struct canary_options options = {.deviations = PROFILE_DEFAULT};
    struct arena *arena = arena_new(0);
    struct whatif_metrics none = {.count = 0};
    struct policy_options metrics;
    struct whatif_source source;
    struct whatif_model model = whatif_model_default();
    struct whatif_case *c;
    struct canary canary;
    struct policy policy;
    struct diags diags;
    const char *text;
    cJSON *value = cJSON_CreateString(interval);
    size_t len;

    diags_init(&diags, arena);
    if (file_read(arena, file, 0, &text, &len) != 0 ||
        whatif_source_read(&source, arena, &diags, file, text, len, &options) != 0 ||
        whatif_set(source.object, arena, "analysis.interval", value) != NULL ||
        canary_decode_json(arena, &diags, file, source.object, &options, &canary) != 0)
        die("run from the top of the repository");
    whatif_choose_metrics(&canary.spec, &none, &metrics);
    model.rps = 50;
    model.errors = model.errors_before = 0.001;
    model.latency = true;
    model.latency_counts = counts;
    if (policy_make(&policy, &canary.spec, &metrics) != 0 ||
        whatif_case_new(&c, &policy, &model) != 0)
        die("out of memory");
    double rate = speed(c);
    figure_at_least(name, rate, "rollouts/s", NO_LIMIT, wanted);
    if (million) {
        double took = two_cores(c);
        figure_at_most(million, took, "s", NO_LIMIT, 2);
    }
    whatif_case_free(c);
    policy_release(&policy);
    whatif_source_release(&source);
    json_free(value);
    diags_release(&diags);
    arena_free(arena);
}

int main(void)
{
    measure("tests/golden/whatif/two-metrics.yaml", "1m", true, "whatif-rollouts-counts", 500000,
            "whatif-million-on-two-cores");
    measure("tests/golden/whatif/two-metrics.yaml", "10s", false,
            "whatif-rollouts-overlap-bucketed", 100000, NULL);
    return 0;
}
