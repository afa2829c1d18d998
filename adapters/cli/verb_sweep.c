/* coalmine sweep: a grid of spec changes and traffic, many rollouts for each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/cli/verbs.h"
#include "adapters/cli/whatif_args.h"
#include "engine/num.h"

static bool read_axes(struct whatif_setup *s, const struct args *args)
{
    for (size_t i = 0; args_nth(args, "set", i); i++) {
        const char *error;

        if (s->grid.axis_count == WHATIF_AXES_MAX) {
            usage_error(args, "--set: at most %d of them", WHATIF_AXES_MAX);
            return false;
        }
        error =
            whatif_axis_read(&s->grid.axes[s->grid.axis_count], s->arena, args_nth(args, "set", i));
        if (error) {
            usage_error(args, "--set: %s", error);
            return false;
        }
        s->grid.axis_count++;
    }
    return true;
}

static bool read_shard(struct whatif_setup *s, const struct args *args)
{
    const char *text = args_get(args, "shard", NULL), *slash = text ? strchr(text, '/') : NULL;
    int64_t shard, count;

    if (!text)
        return true;
    if (!slash || !num_parse_int(text, (size_t)(slash - text), &shard) ||
        !num_parse_int(slash + 1, strlen(slash + 1), &count) || shard < 0 || count < 1 ||
        shard >= count || count > 1000000) {
        usage_error(args, "--shard=%s: must be I/N with I from 0 to N-1", text);
        return false;
    }
    s->plan.shard = (uint32_t)shard;
    s->plan.shard_count = (uint32_t)count;
    return true;
}

static void progress(void *ctx, size_t done, size_t count)
{
    int *last = ctx, percent = (int)(100 * done / count), bars = percent / 4;

    if (percent == *last)
        return;
    *last = percent;
    fprintf(stderr, "\r[%.*s%*s] %3d%%%s", bars, "=========================", 25 - bars, "",
            percent, done == count ? "\n" : "");
    fflush(stderr);
}

static int write_db(const char *path, const struct strbuf *json)
{
    struct strbuf error = STRBUF_INIT;
    int rc = EXIT_YES;

    if (json->failed)
        rc = whatif_failed("sweep", -ENOMEM);
    else if (whatif_write_db(path, strbuf_str(json), &error) != 0) {
        fprintf(stderr, "coalmine sweep: %s\n", strbuf_str(&error));
        rc = EXIT_WORLD;
    }
    strbuf_release(&error);
    return rc;
}

static int print(struct whatif_setup *s, const struct args *args,
                 const struct whatif_result *results, size_t count)
{
    bool as_json = strcmp(args_get(args, "output", "text"), "json") == 0;
    struct strbuf json = STRBUF_INIT, text = STRBUF_INIT, *out = as_json ? &json : &text;
    int rc = EXIT_YES;

    if (as_json || args_has(args, "db"))
        whatif_write_json(&json, &s->plan, results, count);
    if (!as_json)
        whatif_write_text(&text, &s->plan, results, count);
    if (out->failed)
        rc = whatif_failed("sweep", -ENOMEM);
    else
        fwrite(strbuf_str(out), 1, out->len, stdout);
    if (rc == EXIT_YES && args_has(args, "db"))
        rc = write_db(args_get(args, "db", ""), &json);
    strbuf_release(&json);
    strbuf_release(&text);
    return rc;
}

static int sweep(struct whatif_setup *s, const struct args *args)
{
    struct whatif_result *results;
    size_t count;
    int last = -1, rc;

    if (!read_axes(s, args) || !read_shard(s, args))
        return EXIT_USAGE;
    rc = whatif_check(&s->plan, s->arena, &s->diags);
    for (size_t i = 0; rc != 0 && i < s->diags.count; i++)
        diag_print(stderr, &s->diags.items[i], NULL, 0, color_wanted(stderr));
    if (rc != 0) /* the file is valid by itself: --set is not */
        return rc == -ENOMEM ? EXIT_WORLD : EXIT_USAGE;
    whatif_tell_metrics(s, "sweep");
    s->plan.fan = args_has(args, "fan");
    if (color_wanted(stderr)) {
        s->plan.progress = progress;
        s->plan.ctx = &last;
    }
    rc = whatif_run(&s->plan, &results, &count);
    if (rc != 0)
        return whatif_failed("sweep", rc);
    rc = print(s, args, results, count);
    whatif_results_free(results, count);
    return rc;
}

static int run(const struct args *args)
{
    struct whatif_setup s;
    int rc = whatif_setup_read(&s, args, args->values[0], "1,5,20,100", "0.001,0.05");

    if (rc == 0)
        rc = sweep(&s, args);
    whatif_setup_release(&s);
    return rc;
}

const struct verb verb_sweep = {
    .name = "sweep",
    .summary = "what-if: how often a policy rolls back good releases and lets bad ones through",
    .usage = "[OPTION]... CANARY.yaml|SCENARIO.yaml",
    .about =
        "Changes the Canary in every way of a grid (--set) and plays many rollouts of each under "
        "every "
        "rate of traffic and every error rate of the new version: the chance of a rollback with "
        "its "
        "95 % interval, beside it the closed form; when a fault was detected, failed requests, "
        "users "
        "exposed, time to promote, share of the month's error budget. Settings are ranked by the "
        "chance that the verdict is wrong. A release is bad when its error rate is above what the "
        "metrics allow.\n\nThe same seed gives the same bytes on any machine, with any number of "
        "threads; run m meets the same chance in every cell. --shard splits a sweep over machines, "
        "coalmine merge joins the parts. The models are those of docs/whatif/models.md.",
    .example = "coalmine sweep docs/whatif/gloo.yaml --set analysis.threshold=2..10:2 --rps 1,5,20",
    .exits =
        "0  swept, whatever came out\n2  wrong usage\n3  a file cannot be read or is not valid\n4  "
        "the outside world failed",
    .options =
        (const struct option_spec[]){
            {.name = "set",
             .value = "PATH=VALUES",
             .repeats = true,
             .help = "a field below .spec, or judge.METRIC: 1..10, 5..50:5, 10s,1m or JSON; "
                     "repeated: every combination"},
            {.name = "rps",
             .value = "LIST",
             .fallback = "1,5,20,100",
             .help = "requests per second to the service"},
            {.name = "error-rate",
             .value = "LIST",
             .fallback = "0.001,0.05",
             .help = "share of the new version's requests that fail"},
            {.name = "output",
             .letter = 'o',
             .value = "FORM",
             .choices = "text|json",
             .fallback = "text",
             .help = "how to print"},
            {.name = "db",
             .value = "FILE",
             .help = "add the cells to a SQLite database, for coalmine report"},
            {.name = "fan",
             .help = "keep how many rollouts had which weight when: for the fan chart"},
            {.name = "shard",
             .value = "I/N",
             .help = "only every N-th cell, from the I-th; counted from 0"},
            WHATIF_OPTIONS,
            PROFILE_OPTIONS,
            {.name = NULL},
        },
    .values_min = 1,
    .values_max = 1,
    .run = run,
};
