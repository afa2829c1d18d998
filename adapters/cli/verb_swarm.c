#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/cli/verbs.h"
#include "adapters/manifest/node.h"
#include "adapters/swarm/swarm.h"

#define SHRINK_LIVES 400
#define FILE_BYTES_MAX (1u << 20)

/* What every seed and file is lived with. */
struct swarm_run {
    struct swarm *from;
    const char *keep;  /* the folder for plans that fail, or NULL */
    bool trace, whole; /* do not shrink */
};

static void print_line(void *ctx, const char *line)
{
    fprintf(ctx, "%s\n", line);
}

/* The plan as a file in the folder: 0, or -errno. */
static int keep(const struct swarm_run *run, const struct swarm_plan *plan, char *path, size_t size)
{
    struct strbuf text = STRBUF_INIT;
    FILE *out;
    int code = 0;

    snprintf(path, size, "%s/swarm-%llu.yaml", run->keep, (unsigned long long)plan->seed);
    swarm_plan_write(plan, &text);
    out = fopen(path, "w");
    if (out == NULL || fputs(strbuf_str(&text), out) < 0)
        code = -errno;
    if (out != NULL && fclose(out) != 0)
        code = -errno;
    strbuf_release(&text);
    return code;
}

static void print_indented(const struct swarm_plan *plan)
{
    struct strbuf text = STRBUF_INIT;

    swarm_plan_write(plan, &text);
    for (const char *line = strbuf_str(&text); *line;) {
        size_t len = strcspn(line, "\n");

        printf("    %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    strbuf_release(&text);
}

/* A seed that failed: what broke, the line that repeats it, and the smallest plan that still does.
 */
static int report(const struct swarm_run *run, uint64_t seed, const struct swarm_plan *plan,
                  const struct swarm_result *result)
{
    struct swarm_plan small = *plan;
    struct swarm_result r = *result;
    char path[1024];
    int code;

    printf("FAILED seed=%llu: %s: %s\n  again: coalmine swarm --seeds 1 --seed %llu --trace\n",
           (unsigned long long)seed, r.rule, r.text, (unsigned long long)seed);
    if (run->whole) {
        fflush(stdout);
        return EXIT_NO;
    }
    printf("  shrunk in %u lives: %s\n", swarm_shrink(run->from, &small, &r, SHRINK_LIVES), r.text);
    print_indented(&small);
    if (run->keep) {
        code = keep(run, &small, path, sizeof(path));
        if (code != 0) {
            fprintf(stderr, "coalmine swarm: %s: %s\n", path, strerror(-code));
            return EXIT_WORLD;
        }
        printf("  again: coalmine swarm %s --trace\n", path);
    }
    fflush(stdout);
    return EXIT_NO;
}

static int live(const struct swarm_run *run, const struct swarm_plan *plan,
                struct swarm_result *ret_result)
{
    if (swarm_live(run->from, plan, run->trace ? print_line : NULL, stdout, ret_result) != 0)
        return EXIT_WORLD;
    if (run->trace)
        printf("%s\n", ret_result->end);
    return EXIT_YES;
}

/* Every `stride`-th seed from `first`. Returns an exit code. */
static int live_all(const struct swarm_run *run, uint64_t first, uint64_t count, uint64_t offset,
                    uint64_t stride)
{
    int code = EXIT_YES, one;

    for (uint64_t i = offset; i < count && code != EXIT_WORLD; i += stride) {
        struct swarm_plan plan;
        struct swarm_result result;

        swarm_plan_draw(&plan, first + i);
        one = live(run, &plan, &result);
        if (one == EXIT_YES && result.failed)
            one = report(run, first + i, &plan, &result);
        code = one > code ? one : code;
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

static int run_seeds(const struct swarm_run *run, int64_t seeds, int64_t first, int64_t jobs)
{
    int64_t started = 0;
    int code = EXIT_YES;

    fflush(stdout);
    for (; jobs > 1 && started < jobs; started++) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (pid == 0) {
            code =
                live_all(run, (uint64_t)first, (uint64_t)seeds, (uint64_t)started, (uint64_t)jobs);
            fflush(stdout);
            _exit(code);
        }
    }
    if (jobs == 1)
        code = live_all(run, (uint64_t)first, (uint64_t)seeds, 0, 1);
    else
        code = wait_for_jobs(started, started < jobs ? EXIT_WORLD : EXIT_YES);
    if (code == EXIT_YES)
        printf("%lld seeds from %lld: no rule was broken\n", (long long)seeds, (long long)first);
    return code;
}

/* ---- files --------------------------------------------------------------------------------------
 */

static int read_plan(struct arena *arena, const char *path, struct swarm_plan *ret_plan)
{
    const char *source = NULL;
    struct diags diags;
    size_t len = 0;
    int code = file_read(arena, path, FILE_BYTES_MAX, &source, &len);

    if (code != 0) {
        fprintf(stderr, "coalmine swarm: %s: %s\n", path, strerror(-code));
        return EXIT_INPUT;
    }
    diags_init(&diags, arena);
    code = swarm_plan_read(arena, &diags, path, source, len, ret_plan);
    for (size_t i = 0; i < diags.count; i++)
        diag_print(stderr, &diags.items[i], source, len, false);
    diags_release(&diags);
    return code == 0 ? EXIT_YES : code == -ENOMEM ? EXIT_WORLD : EXIT_INPUT;
}

static int run_file(const struct swarm_run *run, const char *path)
{
    struct arena *arena = arena_new(0);
    struct swarm_plan plan;
    struct swarm_result result;
    int code = arena ? read_plan(arena, path, &plan) : EXIT_WORLD;

    arena_free(arena);
    if (code == EXIT_YES)
        code = live(run, &plan, &result);
    if (code != EXIT_YES)
        return code;
    if (result.failed)
        printf("FAILED %s: %s: %s\n", path, result.rule, result.text);
    else
        printf("%s: no rule was broken: %s\n", path, result.end);
    return result.failed ? EXIT_NO : EXIT_YES;
}

static int run(const struct args *args)
{
    struct swarm_run run = {.keep = args_get(args, "keep", NULL),
                            .trace = args_has(args, "trace"),
                            .whole = args_has(args, "whole")};
    int64_t seeds, first, jobs;
    int code = EXIT_YES, one;

    if (!args_int(args, "seeds", 1, INT64_MAX / 2, 1000, &seeds) ||
        !args_int(args, "seed", 0, INT64_MAX / 2, 1, &first) ||
        !args_int(args, "jobs", 1, 256, 1, &jobs))
        return EXIT_USAGE;
    run.from = swarm_new();
    if (run.from == NULL)
        return EXIT_WORLD;
    for (size_t i = 0; i < args->value_count; i++) {
        one = run_file(&run, args->values[i]);
        code = one > code ? one : code;
    }
    if (args->value_count == 0)
        code = run_seeds(&run, seeds, first, jobs);
    swarm_free(run.from);
    return code;
}

const struct verb verb_swarm = {
    .name = "swarm",
    .summary = "live the operator through faults drawn from seeds",
    .usage = "[OPTION]... [FILE]...",
    .about =
        "Each seed draws a Canary, a cluster, what people do, and faults: calls refused, lost or "
        "late, watches that break, crashes, lost leadership, jumping clocks, failing pods and "
        "hooks, two operators. The operator lives through it in virtual time, first with the "
        "faults and then without. Every write is held against rules that must always be true; a "
        "seed that breaks one is printed with the line that repeats it, made as small as it gets "
        "while it still breaks that rule, and printed as a file. With FILE, that plan is lived.",
    .example = "coalmine swarm --seeds 100 --seed 1",
    .exits = "0  no rule was broken\n1  at least one life broke a rule\n2  wrong usage\n3  a file "
             "that cannot be read\n4  out of memory or processes",
    .options =
        (const struct option_spec[]){
            {.name = "seeds", .value = "N", .fallback = "1000", .help = "how many lives"},
            {.name = "seed", .value = "S", .fallback = "1", .help = "the first seed"},
            {.name = "jobs",
             .value = "J",
             .fallback = "1",
             .help = "processes that share the seeds"},
            {.name = "keep", .value = "DIR", .help = "write each shrunk plan to a file in DIR"},
            {.name = "whole", .help = "do not shrink the plans that fail"},
            {.name = "trace", .help = "print every write and every line of the operators' logs"},
            {.name = NULL},
        },
    .values_min = 0,
    .values_max = 100,
    .run = run,
};
