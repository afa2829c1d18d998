/*
 * What a scenario costs: a 30-minute rollout with its full timeline in memory; one file from start
 * to exit, in time and memory; the whole library under `coalmine test`. Next to it, where it is
 * installed, promtool with one rule file of the same length.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/scenario/scenario.h"
#include "adapters/scenario/show.h"
#include "bench/figure.h"

#define ROUNDS 7
#define RUNS 200

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_scenario: %s\n", what);
    exit(4);
}

/* A good release of 26 steps, two metrics and two webhooks: 30 ticks of one minute. */
static const char scenario[] =
    "canary:\n"
    "  provider: istio\n"
    "  analysis:\n"
    "    interval: 1m\n"
    "    threshold: 5\n"
    "    maxWeight: 52\n"
    "    stepWeight: 2\n"
    "    metrics:\n"
    "      - {name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}\n"
    "      - {name: request-duration, thresholdRange: {max: 500}, interval: 1m}\n"
    "    webhooks:\n"
    "      - {name: acceptance-test, type: pre-rollout, url: \"http://t/\"}\n"
    "      - {name: load-test, type: rollout, url: \"http://t/\"}\n"
    "metrics: {request-success-rate: 99.5x60, request-duration: 180x60}\n";

static double rollout_us(void)
{
    struct arena *arena = arena_new(0);
    struct scenario_options options = {0};
    struct scenario *s = NULL;
    struct canary_result result;
    struct record record;
    struct sink sink;
    struct strbuf out = STRBUF_INIT;
    struct sim *sim = sim_new();
    struct diags diags;
    double best = 1e9;
    ms_t end = 0;

    diags_init(&diags, arena);
    if (!sim || scenario_load(arena, &diags, "bench", scenario, sizeof scenario - 1, &options, &s))
        die("the scenario cannot be read");
    record_init(&record);
    sink = record_sink(&record, false); /* as coalmine simulate does */
    for (int round = 0; round < ROUNDS; round++) {
        double start = cpu_s();

        for (int i = 0; i < RUNS; i++) {
            record_clear(&record);
            record.info = s->runs[0].plan.info;
            if (sim_run(sim, &s->runs[0].plan, &s->runs[0].options, &sink, &result, &end) != 0)
                die("the run failed");
            strbuf_clear(&out);
            show_timeline(&out, s, &s->runs[0], &record, &result, false);
        }
        start = (cpu_s() - start) / RUNS * 1e6;
        best = start < best ? start : best;
    }
    if (result.status.phase != PHASE_SUCCEEDED || end < 29 * 60000)
        die("the rollout is not the one that was meant");
    strbuf_release(&out);
    record_release(&record);
    sim_free(sim);
    scenario_free(s);
    diags_release(&diags);
    arena_free(arena);
    return best;
}

/* The best of some rounds, in ms; below 0 when it does not run. */
static double command_ms(const char *const *argv)
{
    double best = 1e9;

    for (int round = 0; round < ROUNDS * 3; round++) {
        double start = wall_s();
        int status;
        pid_t child = fork();

        if (child == 0) {
            int null = open("/dev/null", O_WRONLY);

            dup2(null, 1);
            dup2(null, 2);
            execvp(argv[0], (char *const *)(uintptr_t)argv);
            _exit(127);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0)
            die(strerror(errno));
        if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
            return -1;
        start = (wall_s() - start) * 1000;
        best = start < best ? start : best;
    }
    return best;
}

int main(void)
{
    const char *build = getenv("BUILD");
    char program[512];
    struct rusage usage;
    double ms;

    snprintf(program, sizeof program, "%s/coalmine", build ? build : "build");
    ms = command_ms((const char *const[]){program, "simulate", "scenarios/bad-release.yaml", NULL});
    if (ms < 0)
        die("the program does not run");
    getrusage(RUSAGE_CHILDREN, &usage); /* the largest child so far: the one command that ran */
    figure_at_most("scenario-file-start-to-exit", ms, "ms", NO_LIMIT, 5);
    figure_at_most("scenario-file-memory", (double)usage.ru_maxrss / 1024, "MiB", NO_LIMIT, 8);
    figure_at_most("scenario-30min-rollout-with-timeline", rollout_us(), "us", NO_LIMIT, 100);
    ms = command_ms((const char *const[]){program, "test", "scenarios", NULL});
    figure_at_most("scenario-library-test", ms, "ms", NO_LIMIT, 100);
    return 0;
}
