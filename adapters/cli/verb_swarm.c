#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/cli/verbs.h"
#include "adapters/swarm/swarm.h"

static void print_line(void *ctx, const char *line)
{
    fprintf(ctx, "%s\n", line);
}

static void report(uint64_t seed, const struct swarm_plan *plan, const struct swarm_result *r)
{
    char drawn[600];

    swarm_plan_print(plan, drawn, sizeof(drawn));
    printf("FAILED seed=%llu: %s: %s\n  drawn: %s\n  again: coalmine swarm --seeds 1 --seed %llu "
           "--trace\n",
           (unsigned long long)seed, r->rule, r->text, drawn, (unsigned long long)seed);
    fflush(stdout);
}

/* Every `stride`-th seed from `first`. Returns an exit code. */
static int live_all(struct simkube *from, uint64_t first, uint64_t count, uint64_t offset,
                    uint64_t stride, bool trace)
{
    int code = EXIT_YES;

    for (uint64_t i = offset; i < count; i += stride) {
        struct swarm_plan plan;
        struct swarm_result result;

        swarm_plan_draw(&plan, first + i);
        if (swarm_live(from, &plan, trace ? print_line : NULL, stdout, &result) != 0)
            return EXIT_WORLD;
        if (trace)
            printf("%s\n", result.end);
        if (result.failed) {
            report(first + i, &plan, &result);
            code = EXIT_NO;
        }
    }
    return code;
}

static int wait_for_jobs(int64_t jobs, int code)
{
    for (int64_t i = 0; i < jobs; i++) {
        int status, child;

        if (wait(&status) < 0)
            return EXIT_WORLD;
        child = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_WORLD;
        if (child > code)
            code = child;
    }
    return code;
}

static int run(const struct args *args)
{
    int64_t seeds, first, jobs, started = 0;
    struct simkube *from;
    int code = EXIT_YES;

    if (!args_int(args, "seeds", 1, INT64_MAX / 2, 1000, &seeds) ||
        !args_int(args, "seed", 0, INT64_MAX / 2, 1, &first) ||
        !args_int(args, "jobs", 1, 256, 1, &jobs))
        return EXIT_USAGE;
    from = swarm_prototype();
    if (!from)
        return EXIT_WORLD;
    fflush(stdout);
    for (; jobs > 1 && started < jobs; started++) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (pid == 0) {
            code = live_all(from, (uint64_t)first, (uint64_t)seeds, (uint64_t)started,
                            (uint64_t)jobs, args_has(args, "trace"));
            fflush(stdout);
            _exit(code);
        }
    }
    if (jobs == 1)
        code = live_all(from, (uint64_t)first, (uint64_t)seeds, 0, 1, args_has(args, "trace"));
    else
        code = wait_for_jobs(started, started < jobs ? EXIT_WORLD : EXIT_YES);
    simkube_free(from);
    if (code == EXIT_YES)
        printf("%lld seeds from %lld: no rule was broken\n", (long long)seeds, (long long)first);
    return code;
}

const struct verb verb_swarm = {
    .name = "swarm",
    .summary = "live the operator through faults drawn from seeds",
    .usage = "[OPTION]...",
    .about =
        "Each seed draws a Canary, a cluster, releases and faults: calls refused, lost or late, "
        "watches that break, crashes, two operators, people who edit the same objects. The "
        "operator lives through it in virtual time, first with the faults and then without. "
        "Every write is held against rules that must always be true; a seed that breaks one is "
        "printed with the line that repeats it.",
    .example = "coalmine swarm --seeds 100 --seed 1",
    .exits = "0  no rule was broken\n1  at least one seed broke a rule\n2  wrong usage\n4  out of "
             "memory or processes",
    .options =
        (const struct option_spec[]){
            {.name = "seeds", .value = "N", .fallback = "1000", .help = "how many lives"},
            {.name = "seed", .value = "S", .fallback = "1", .help = "the first seed"},
            {.name = "jobs",
             .value = "J",
             .fallback = "1",
             .help = "processes that share the seeds"},
            {.name = "trace", .help = "print every write and every line of the operators' logs"},
            {.name = NULL},
        },
    .values_min = 0,
    .values_max = 0,
    .run = run,
};
