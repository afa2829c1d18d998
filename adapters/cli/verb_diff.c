/* coalmine diff: what a change of a Canary means: for the releases of a corpus, and in figures. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/cli/diff_corpus.h"
#include "adapters/cli/scenario_file.h"
#include "adapters/cli/verbs.h"
#include "adapters/cli/whatif_args.h"
#include "engine/num.h"

struct side {
    const char *file;
    struct whatif_setup setup;
    struct whatif_result *results;
    size_t count;
    bool unknown; /* there are no figures */
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
    else if (column == 5)
        add_seconds(out, r->promotion.median_s);
    else
        strbuf_addf(out, "%.0f %%", r->capacity.least * 100);
}

static bool changed(const struct whatif_result *a, const struct whatif_result *b)
{
    return a->rollback_high < b->rollback_low || b->rollback_high < a->rollback_low;
}

/* What is bad depends on the bounds, which the change may touch. */
static const char *release_name(const struct whatif_result *a, const struct whatif_result *b)
{
    if (a->bad != b->bad)
        return a->bad ? "bad → **healthy**" : "healthy → **bad**";
    return a->bad ? "bad" : "healthy";
}

static const char *const columns[] = {"rolled back",      "promoted",      "detected after",
                                      "failed requests",  "users exposed", "promoted after",
                                      "capacity at worst"};

static int column_count(const struct side *s)
{
    return s->setup.plan.model.capacity.pod_rps > 0 ? 7 : 6;
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
    strbuf_addf(out, " %% | %s |", release_name(&a->results[i], &b->results[i]));
    for (int column = 0; column < column_count(a); column++) {
        struct strbuf left = STRBUF_INIT, right = STRBUF_INIT;
        add_cell(&left, &a->results[i], column);
        add_cell(&right, &b->results[i], column);
        add_change(out, &left, &right);
        strbuf_release(&left);
        strbuf_release(&right);
    }
    strbuf_addc(out, '\n');
}

struct verdicts {
    unsigned better, worse;
};

static struct verdicts count_verdicts(const struct side *a, const struct side *b)
{
    struct verdicts v = {0, 0};

    if (a->unknown || b->unknown)
        return v;
    for (size_t i = 0; i < a->count; i++) {
        const struct whatif_result *x = &a->results[i], *y = &b->results[i];
        bool more = y->rollback_low > x->rollback_high;
        if (changed(x, y)) {
            v.better += more == y->bad;
            v.worse += more != y->bad;
        }
    }
    return v;
}

static void add_verdicts(struct strbuf *out, const struct side *a, const struct verdicts *v)
{
    strbuf_addf(
        out,
        "Verdicts become right more often in %u of %zu cells and less often in %u (95 %% "
        "intervals apart). %u rollouts each, seed %llu, the same chance for both; coalmine %s.\n",
        v->better, a->count, v->worse, a->setup.plan.runs, (unsigned long long)a->setup.plan.seed,
        COALMINE_VERSION);
}

static void write_markdown(struct strbuf *out, const struct side *a, const struct side *b,
                           const struct corpus *corpus)
{
    struct verdicts v = count_verdicts(a, b);

    strbuf_addf(out, "### What `%s` → `%s` means for releases\n\n", a->file, b->file);
    corpus_write_markdown(out, corpus);
    if (a->unknown || b->unknown) {
        strbuf_addf(out, "No figures: `%s` has %s.\n", a->unknown ? a->file : b->file,
                    whatif_why(-ENOTSUP));
        return;
    }
    strbuf_adds(out, "| requests/s | errors | release |");
    for (int column = 0; column < column_count(a); column++)
        strbuf_addf(out, " %s |", columns[column]);
    strbuf_adds(out, "\n| ---: | ---: | --- |");
    for (int column = 0; column < column_count(a); column++)
        strbuf_adds(out, " ---: |");
    strbuf_addc(out, '\n');
    for (size_t i = 0; i < a->count; i++)
        add_row(out, a, b, i);
    strbuf_addc(out, '\n');
    add_verdicts(out, a, &v);
}

static void text_cell(struct strbuf *out, const struct side *a, const struct side *b, size_t i)
{
    size_t axes[WHATIF_AXES_MAX], rps, error;
    const struct whatif_grid *g = &a->setup.grid;

    whatif_cell_place(g, i, axes, &rps, &error);
    whatif_add_number(out, g->rps[rps]);
    strbuf_adds(out, " requests/s, ");
    whatif_add_number(out, g->errors[error] * 100);
    strbuf_addf(out, " %% errors, %s\n",
                a->results[i].bad != b->results[i].bad ? "healthy or bad as the bounds say"
                : a->results[i].bad                    ? "bad"
                                                       : "healthy");
    for (int column = 0; column < column_count(a); column++) {
        struct strbuf left = STRBUF_INIT, right = STRBUF_INIT;

        add_cell(&left, &a->results[i], column);
        add_cell(&right, &b->results[i], column);
        strbuf_addf(out, "  %-18s %s", columns[column], strbuf_str(&left));
        if (strcmp(strbuf_str(&left), strbuf_str(&right)) != 0)
            strbuf_addf(out, " → %s", strbuf_str(&right));
        strbuf_addc(out, '\n');
        strbuf_release(&left);
        strbuf_release(&right);
    }
}

static void write_text(struct strbuf *out, const struct side *a, const struct side *b,
                       const struct corpus *corpus)
{
    struct verdicts v = count_verdicts(a, b);

    corpus_write_text(out, corpus);
    if (a->unknown || b->unknown)
        return;
    for (size_t i = 0; i < a->count; i++)
        text_cell(out, a, b, i);
    add_verdicts(out, a, &v);
}

static void json_side(struct strbuf *out, const struct side *s)
{
    strbuf_adds(out, "{\"file\":");
    strbuf_add_json(out, s->file, strlen(s->file));
    strbuf_adds(out, ",\"sweep\":");
    if (s->unknown)
        strbuf_adds(out, "null");
    else
        whatif_write_json(out, &s->setup.plan, s->results, s->count);
    strbuf_addc(out, '}');
}

/* Both sweeps as coalmine sweep prints them: cell n of one is cell n of the other. */
static void write_json(struct strbuf *out, const struct side *a, const struct side *b,
                       const struct corpus *corpus)
{
    struct verdicts v = count_verdicts(a, b);

    strbuf_addf(out, "{\"verdicts\":{\"better\":%u,\"worse\":%u,\"of\":%zu},", v.better, v.worse,
                a->count);
    corpus_write_json(out, corpus);
    strbuf_adds(out, ",\"a\":");
    json_side(out, a);
    strbuf_adds(out, ",\"b\":");
    json_side(out, b);
    strbuf_adds(out, "}\n");
}

static int read_side(struct side *s, const struct args *args, const char *file)
{
    int rc = whatif_setup_read(&s->setup, args, file, "1,20", "0.001,0.05");

    s->file = file;
    if (rc != 0)
        return rc;
    whatif_tell_metrics(&s->setup, "diff");
    rc = whatif_run(&s->setup.plan, &s->results, &s->count);
    if ((rc == -ENOTSUP || rc == -E2BIG) && args_has(args, "scenarios")) {
        s->unknown = true; /* the corpus can be played all the same */
        fprintf(stderr, "coalmine diff: %s: no figures: %s\n", file, whatif_why(rc));
        return 0;
    }
    return rc == 0 ? 0 : whatif_failed("diff", rc);
}

static int read_corpus(struct corpus *c, const struct args *args, const struct side *a,
                       const struct side *b)
{
    struct scenario_options options;
    int rc = 0;

    if (!scenario_options_of(args, &options))
        return EXIT_USAGE;
    for (size_t i = 0; rc == 0 && args_nth(args, "scenarios", i); i++)
        rc = corpus_add(c, args_nth(args, "scenarios", i), &options, a->setup.source.object,
                        a->file, b->setup.source.object, b->file);
    corpus_finish(c);
    if (rc == 0 && args_has(args, "scenarios") && c->count == 0) {
        fprintf(stderr, "coalmine diff: %s: no scenarios there\n", args_get(args, "scenarios", ""));
        return EXIT_INPUT;
    }
    return rc;
}

static int print(const struct args *args, const struct side *a, const struct side *b,
                 const struct corpus *corpus)
{
    const char *form = args_get(args, "output", "markdown");
    struct verdicts v = count_verdicts(a, b);
    struct strbuf out = STRBUF_INIT;
    bool failed;

    if (form[0] == 'm')
        write_markdown(&out, a, b, corpus);
    else if (form[0] == 't')
        write_text(&out, a, b, corpus);
    else
        write_json(&out, a, b, corpus);
    failed = out.failed;
    if (!failed)
        fwrite(strbuf_str(&out), 1, out.len, stdout);
    strbuf_release(&out);
    if (failed)
        return whatif_failed("diff", -ENOMEM);
    return args_has(args, "exit-code") && (v.worse > 0 || corpus->changes[CORPUS_ENDS] > 0)
               ? EXIT_NO
               : EXIT_YES;
}

static int run(const struct args *args)
{
    struct corpus corpus = {.arena = arena_new(0)};
    struct side a = {0}, b = {0};
    int rc = corpus.arena ? read_side(&a, args, args->values[0]) : EXIT_WORLD;

    if (rc == 0)
        rc = read_side(&b, args, args->values[1]);
    if (rc == 0)
        rc = read_corpus(&corpus, args, &a, &b);
    if (rc == 0)
        rc = print(args, &a, &b, &corpus);
    corpus_release(&corpus);
    arena_free(corpus.arena);
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
    .about =
        "Compares two Canaries in two ways. With --scenarios it plays every release of a corpus, "
        "scenario files as coalmine test takes them, with each of them in place of the scenario's "
        "own Canary: which end otherwise, which at another time or at another cost to users. And "
        "it plays many rollouts of both under the same traffic and the same chance, as coalmine "
        "sweep does: verdicts, failed requests, users exposed, time.\n\nIn a scenario with one "
        "Canary that one is replaced, in one with several that of the same name. Spec and "
        "annotations are the new policy's; name, namespace and targetRef stay the scenario's, and "
        "so do world, metrics, hooks and timeline; its `expect:` does not count. A scenario that a "
        "policy does not fit, such as one without values for a metric, is told apart with the "
        "reason.\n\nThe output is fit for the comment of a pull request.",
    .example =
        "coalmine diff docs/whatif/gloo.yaml docs/whatif/nginx.yaml --scenarios scenarios/demo",
    .exits =
        "0  compared, whatever came out\n1  --exit-code: a release of the corpus ends otherwise, "
        "or "
        "verdicts are right less often\n2  wrong usage\n3  a file cannot be read or is not valid",
    .options =
        (const struct option_spec[]){
            {.name = "scenarios",
             .value = "PATH",
             .repeats = true,
             .help = "a scenario, or a folder of them: the corpus of releases"},
            {.name = "output",
             .letter = 'o',
             .value = "FORM",
             .choices = "markdown|text|json",
             .fallback = "markdown",
             .help = "how to print"},
            {.name = "exit-code",
             .help = "the answer is no when the change is for the worse; see below"},
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
