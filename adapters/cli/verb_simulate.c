/* coalmine simulate: play scenarios and show what happened. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/cli/profile.h"
#include "adapters/cli/scenario_file.h"
#include "adapters/cli/verbs.h"
#include "adapters/scenario/show.h"
#include "adapters/store/store.h"

/* What the runs of all files share. */
struct simulation {
    const struct args *args;
    struct scenario_options options;
    struct sim *sim;
    struct record record;
    struct strbuf out;
    struct store *store;
    bool json, color;
    bool first;
};

static int simulate_run(struct simulation *x, const struct scenario *s,
                        const struct scenario_run *run)
{
    struct canary_result *results = calloc(run->plan.canary_count, sizeof *results);
    struct sink sink;
    ms_t end;
    int rc;

    if (!results)
        return EXIT_WORLD;
    record_clear(&x->record);
    x->record.info = run->plan.info;
    sink = record_sink(&x->record, x->store != NULL);
    rc = sim_run(x->sim, &run->plan, &run->options, &sink, results, &end);
    if (rc == 0 && !x->record.failed) {
        x->record.info.end_ms = x->record.info.epoch_ms + end;
        if (!x->first)
            strbuf_adds(&x->out, x->json ? ",\n" : "\n");
        x->first = false;
        if (x->json)
            show_json(&x->out, s, run, &x->record, results);
        else
            show_timeline(&x->out, s, run, &x->record, results, x->color);
        fwrite(strbuf_str(&x->out), 1, x->out.len, stdout);
        strbuf_clear(&x->out);
        if (x->store)
            store_put_record(x->store, &x->record);
    } else {
        fputs("coalmine: out of memory\n", stderr);
        rc = -ENOMEM;
    }
    free(results);
    return rc == 0 ? EXIT_YES : EXIT_WORLD;
}

static int simulate_file(struct simulation *x, const char *path)
{
    struct scenario_file file;
    int rc = scenario_file_open(path, &x->options, &file);

    if (rc == 0 && file.scenario->manifest_only && !x->json)
        fprintf(stderr, "coalmine: %s holds no scenario: v2 is deployed, and all is healthy\n",
                path);
    for (uint32_t i = 0; rc == 0 && i < file.scenario->run_count; i++)
        rc = simulate_run(x, file.scenario, &file.scenario->runs[i]);
    scenario_file_close(&file);
    return rc;
}

static int simulate_all(struct simulation *x)
{
    int worst = EXIT_YES;

    if (x->json)
        fputs("[", stdout);
    for (size_t i = 0; i < x->args->value_count; i++) {
        int rc = simulate_file(x, x->args->values[i]);

        if (rc > worst)
            worst = rc;
    }
    if (x->json)
        fputs("]\n", stdout);
    return worst;
}

static int run_simulate(const struct args *a)
{
    struct simulation x = {.args = a, .out = STRBUF_INIT, .first = true};
    const char *db = args_get(a, "db", NULL);
    char error[256];
    int rc;

    if (!scenario_options_of(a, &x.options))
        return EXIT_USAGE;
    x.json = strcmp(args_get(a, "output", "text"), "json") == 0;
    x.color = !x.json && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    x.sim = sim_new();
    record_init(&x.record);
    if (!x.sim)
        return EXIT_WORLD;
    rc = db ? store_open(db, STORE_REPLACE, &x.store, error, sizeof error) : 0;
    if (rc != 0) {
        fprintf(stderr, "coalmine simulate: %s\n", error);
        rc = EXIT_WORLD;
    } else {
        rc = simulate_all(&x);
        if (db && rc == EXIT_YES && store_commit(x.store) != 0) {
            fprintf(stderr, "coalmine: %s: %s\n", db, store_error(x.store));
            rc = EXIT_WORLD;
        }
    }
    store_close(x.store);
    record_release(&x.record);
    strbuf_release(&x.out);
    sim_free(x.sim);
    return rc;
}

static const struct option_spec options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FORMAT",
     .choices = "text|json",
     .fallback = "text",
     .help = "a timeline for people, or JSON"},
    {.name = "db", .value = "FILE", .help = "write everything to a SQLite database as well"},
    {.name = "seed",
     .value = "N",
     .help = "seed of whatever is random, instead of the scenario's own"},
    PROFILE_OPTIONS,
    {0},
};

const struct verb verb_simulate = {
    .name = "simulate",
    .summary = "play rollouts in virtual time and show what happens",
    .usage = "[OPTION]... SCENARIO...",
    .about = "Plays scenario files (docs/reference/scenario.md) with the engine that decides in "
             "production, "
             "and prints a timeline of each: weights, checks with their bounds, webhooks, events. "
             "A file "
             "with nothing but a Canary is played too: a new revision, everything healthy. A "
             "scenario that "
             "names a profile is played in that profile unless --profile says otherwise.",
    .example = "coalmine simulate scenarios/bad-release.yaml",
    .exits = "0  played, however the rollouts ended\n2  wrong usage\n3  a scenario cannot be read\n"
             "4  the database cannot be written",
    .options = options,
    .values_min = 1,
    .values_max = SIZE_MAX,
    .run = run_simulate,
};
