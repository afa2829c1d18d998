/* coalmine diff: what a change of a Canary means for its releases, as Markdown. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/cli/verbs.h"
#include "adapters/cli/whatif_args.h"
#include "engine/num.h"

struct side {
    struct whatif_setup setup;
    struct whatif_result *results;
    size_t count;
};

static void add_percent(struct strbuf *out, uint64_t k, uint64_t n)
{
    strbuf_addf(out, "%.1f %%", n ? 100 * (double)k / (double)n : 0.0);
}

static void add_seconds(struct strbuf *out, double seconds)
{
    if (!num_is_finite(seconds))
        strbuf_adds(out, "–");
    else
        strbuf_addf(out, "%lldm%02llds", (long long)seconds / 60, (long long)seconds % 60);
}

/* `1.0 % → **20.0 %**`, or one value where both are the same text. */
static void add_change(struct strbuf *out, const struct strbuf *a, const struct strbuf *b)
{
    if (strcmp(strbuf_str(a), strbuf_str(b)) == 0)
        strbuf_addf(out, " %s |", strbuf_str(a));
    else
        strbuf_addf(out, " %s → **%s** |", strbuf_str(a), strbuf_str(b));
}

static void add_cell(struct strbuf *out, const struct whatif_result *r, int column)
{
    if (column == 0)
        add_percent(out, r->rolled_back, r->runs);
    else if (column == 1)
        add_percent(out, r->promoted, r->runs);
    else if (column == 2)
        add_seconds(out, r->detection.median_s);
    else if (column == 3)
        strbuf_addf(out, "%.1f", r->bad_mean);
    else if (column == 4)
        add_percent(out, (uint64_t)(r->users * 1000 + 0.5), 1000);
    else
        add_seconds(out, r->promotion.median_s);
}

static bool changed(const struct whatif_result *a, const struct whatif_result *b)
{
    return a->rollback_high < b->rollback_low || b->rollback_high < a->rollback_low;
}

static void add_row(struct strbuf *out, const struct side *a, const struct side *b, size_t i)
{
    size_t axes[WHATIF_AXES_MAX], rps, error;
    const struct whatif_grid *g = &a->setup.grid;

    whatif_cell_place(g, i, axes, &rps, &error);
    strbuf_adds(out, "| ");
    whatif_add_number(out, g->rps[rps]);
    strbuf_adds(out, " | ");
    whatif_add_number(out, g->errors[error] * 100);
    strbuf_addf(out, " %% | %s |", a->results[i].bad ? "bad" : "healthy");
    for (int column = 0; column < 6; column++) {
        struct strbuf left = STRBUF_INIT, right = STRBUF_INIT;
        add_cell(&left, &a->results[i], column);
        add_cell(&right, &b->results[i], column);
        add_change(out, &left, &right);
        strbuf_release(&left);
        strbuf_release(&right);
    }
    strbuf_addc(out, '\n');
}

static void write_markdown(struct strbuf *out, const struct args *args, const struct side *a,
                           const struct side *b)
{
    unsigned better = 0, worse = 0;

    strbuf_addf(out, "### What `%s` → `%s` means for releases\n\n", args->values[0],
                args->values[1]);
    for (size_t i = 0; i < a->count; i++) {
        const struct whatif_result *x = &a->results[i], *y = &b->results[i];
        bool more = y->rollback_low > x->rollback_high;
        if (changed(x, y)) {
            better += more == y->bad;
            worse += more != y->bad;
        }
    }
    strbuf_adds(
        out, "| requests/s | errors | release | rolled back | promoted | detected after | failed "
             "requests | users exposed | promoted after |\n"
             "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (size_t i = 0; i < a->count; i++)
        add_row(out, a, b, i);
    strbuf_addf(
        out,
        "\nVerdicts become right more often in %u of %zu cells and less often in %u (95 %% "
        "intervals apart). %u rollouts each, seed %llu, the same chance for both; coalmine %s.\n",
        better, a->count, worse, a->setup.plan.runs, (unsigned long long)a->setup.plan.seed,
        COALMINE_VERSION);
}

static int read_side(struct side *s, const struct args *args, const char *file)
{
    int rc = whatif_setup_read(&s->setup, args, file, "1,20", "0.001,0.05");

    if (rc != 0)
        return rc;
    whatif_tell_metrics(&s->setup, "diff");
    rc = whatif_run(&s->setup.plan, &s->results, &s->count);
    return rc == 0 ? 0 : whatif_failed("diff", rc);
}

static int run(const struct args *args)
{
    struct side a = {0}, b = {0};
    struct strbuf out = STRBUF_INIT;
    int rc = read_side(&a, args, args->values[0]);

    if (rc == 0)
        rc = read_side(&b, args, args->values[1]);
    if (rc == 0)
        write_markdown(&out, args, &a, &b);
    fputs(strbuf_str(&out), stdout);
    strbuf_release(&out);
    free(a.results);
    free(b.results);
    whatif_setup_release(&a.setup);
    whatif_setup_release(&b.setup);
    return rc;
}

const struct verb verb_diff = {
    .name = "diff",
    .summary = "what a change of a Canary means for its releases, as Markdown",
    .usage = "[OPTION]... A.yaml B.yaml",
    .about = "Plays many rollouts of both Canaries under the same traffic and the same chance, and "
             "prints a table of what changes, fit for the comment of a pull request.",
    .example = "coalmine diff docs/whatif/gloo.yaml docs/whatif/nginx.yaml",
    .exits =
        "0  compared, whatever came out\n2  wrong usage\n3  a file cannot be read or is not valid",
    .options =
        (const struct option_spec[]){
            {.name = "rps",
             .value = "LIST",
             .fallback = "1,20",
             .help = "requests per second to the service"},
            {.name = "error-rate",
             .value = "LIST",
             .fallback = "0.001,0.05",
             .help = "share of the new version's requests that fail"},
            WHATIF_OPTIONS,
            PROFILE_OPTIONS,
            {.name = NULL},
        },
    .values_min = 2,
    .values_max = 2,
    .run = run,
};
