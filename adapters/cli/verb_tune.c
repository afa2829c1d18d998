/* coalmine tune: the spec that meets a stated objective, or why none does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/yaml_out.h"
#include "adapters/cli/verbs.h"
#include "adapters/cli/whatif_args.h"
#include "engine/num.h"

#define FRONT_MAX 12
#define RPS_MAX 65536.0

struct objective {
    double false_rollback, catch_errors, catch_share, duration_s;
    double capacity; /* least of the primary's over its load, in every rollout; 0 = any */
};

/* One spec under a healthy and a bad release. */
struct candidate {
    size_t first; /* its first cell */
    const struct whatif_result *healthy, *bad;
    bool meets, on_front;
};

/* ---- the objective
 * ------------------------------------------------------------------------------------------ */

/* 1%, 0.01 */
static bool share(const char *s, size_t len, double *ret_share)
{
    bool percent = len > 0 && s[len - 1] == '%';
    double v;

    if (!num_parse(s, len - percent, &v) || !(v >= 0) || v > (percent ? 100 : 1))
        return false;
    *ret_share = percent ? v / 100 : v;
    return true;
}

static bool read_objective(const struct args *args, struct objective *o)
{
    const char *text = args_get(args, "max-false-rollback", "1%"), *unit;
    const char *catch = args_get(args, "catch", "5%@95%"), *at = strchr(catch, '@');
    const char *duration = args_get(args, "max-duration", "30m");
    size_t unit_len;
    int64_t ns;

    if (!share(text, strlen(text), &o->false_rollback)) {
        usage_error(args, "--max-false-rollback=%s: must be a share such as 1%%", text);
        return false;
    }
    if (!at || !share(catch, (size_t)(at - catch), &o->catch_errors) ||
        !share(at + 1, strlen(at + 1), &o->catch_share)) {
        usage_error(args, "--catch=%s: must be ERRORS@CHANCE such as 2%%@95%%", catch);
        return false;
    }
    if (duration_parse(duration, strlen(duration), &ns, &unit, &unit_len) != DURATION_OK ||
        ns <= 0) {
        usage_error(args, "--max-duration=%s: must be a time such as 30m", duration);
        return false;
    }
    o->duration_s = (double)ns / 1e9;
    text = args_get(args, "min-capacity", NULL);
    if (text && !args_has(args, "pods")) {
        usage_error(args, "--min-capacity: needs --pods and --pod-rps, the primary's autoscaler");
        return false;
    }
    if (text && !share(text, strlen(text), &o->capacity)) {
        usage_error(args, "--min-capacity=%s: must be a share such as 90%%", text);
        return false;
    }
    return true;
}

/* ---- the search
 * --------------------------------------------------------------------------------------------- */

static const char *const default_axes[] = {
    "analysis.interval=30s,1m,2m,5m", "analysis.threshold=1,2,3,5,8,12",
    "analysis.stepWeight=5,10,25", "analysis.metrics[0].interval=1m,5m"};

static int read_axes(struct whatif_setup *s, const struct args *args)
{
    bool given = args_has(args, "set");

    for (size_t i = 0;
         given ? args_nth(args, "set", i) != NULL : i < sizeof default_axes / sizeof *default_axes;
         i++) {
        const char *text = given ? args_nth(args, "set", i) : default_axes[i], *error;
        if (s->grid.axis_count == WHATIF_AXES_MAX)
            return usage_error(args, "--set: at most %d of them", WHATIF_AXES_MAX);
        error = whatif_axis_read(&s->grid.axes[s->grid.axis_count], s->arena, text);
        if (error)
            return usage_error(args, "--set: %s", error);
        s->grid.axis_count++;
    }
    return 0;
}

static bool meets(const struct objective *o, const struct whatif_result *healthy,
                  const struct whatif_result *bad)
{
    return healthy->rollback_high <= o->false_rollback &&
           healthy->promotion.p90_s <= o->duration_s && bad->rollback_low >= o->catch_share &&
           (o->capacity <= 0 ||
            (healthy->capacity.worst >= o->capacity && bad->capacity.worst >= o->capacity));
}

static double rolled_back(const struct whatif_result *r)
{
    return (double)r->rolled_back / (double)r->runs;
}

/* a is nowhere worse than b and somewhere better: false rollbacks, misses, failed requests, time.
 */
static bool dominates(const struct candidate *a, const struct candidate *b)
{
    const double x[] = {rolled_back(a->healthy), -rolled_back(a->bad), a->bad->bad_mean,
                        a->healthy->promotion.p90_s};
    const double y[] = {rolled_back(b->healthy), -rolled_back(b->bad), b->bad->bad_mean,
                        b->healthy->promotion.p90_s};
    bool better = false;

    for (int i = 0; i < 4; i++) {
        if (!(x[i] <= y[i]))
            return false;
        better = better || x[i] < y[i];
    }
    return better;
}

static int by_cost(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->meets != y->meets)
        return x->meets ? -1 : 1;
    if (x->bad->bad_mean < y->bad->bad_mean || x->bad->bad_mean > y->bad->bad_mean)
        return x->bad->bad_mean < y->bad->bad_mean ? -1 : 1;
    return x->first < y->first ? -1 : 1;
}

/* All specs of the grid, those that meet the objective first, by failed requests of a bad release.
 */
static int search(struct whatif_setup *s, const struct objective *o, double rps,
                  struct whatif_result **ret_results, struct candidate **ret_candidates,
                  size_t *ret_count)
{
    double *errors = arena_alloc(s->arena, 2 * sizeof *errors),
           *rate = arena_alloc(s->arena, sizeof *rate);
    struct candidate *c;
    size_t count;
    int rc;

    if (!errors || !rate)
        return -ENOMEM;
    errors[0] = s->grid.errors[0];
    errors[1] = o->catch_errors;
    *rate = rps;
    struct whatif_grid grid = s->grid;
    struct whatif_plan plan = s->plan;
    grid.errors = errors;
    grid.error_count = 2;
    grid.rps = rate;
    grid.rps_count = 1;
    plan.grid = &grid;
    rc = whatif_run(&plan, ret_results, &count);
    if (rc != 0)
        return rc;
    c = calloc(count / 2 + 1, sizeof *c);
    if (!c) {
        free(*ret_results);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count / 2; i++) {
        const struct whatif_result *healthy = &(*ret_results)[2 * i], *bad = healthy + 1;
        c[i] = (struct candidate){2 * i, healthy, bad, meets(o, healthy, bad), true};
    }
    for (size_t i = 0; i < count / 2; i++)
        for (size_t k = 0; k < count / 2 && c[i].on_front; k++)
            c[i].on_front = k == i || !dominates(&c[k], &c[i]);
    qsort(c, count / 2, sizeof *c, by_cost);
    *ret_candidates = c;
    *ret_count = count / 2;
    return 0;
}

/* The least rate, to a tenth, at which some spec of the grid meets the objective; 0 = none. */
static int least_traffic(struct whatif_setup *s, const struct objective *o, double rps,
                         double *ret_rps)
{
    double low = rps, high = 0;
    int rc = 0;

    *ret_rps = 0;
    for (double at = rps * 2; rc == 0 && at <= RPS_MAX && (high <= 0 || high / low > 1.1);
         at = high > 0 ? (low + high) / 2 : at * 2) {
        struct whatif_result *results;
        struct candidate *c;
        size_t count;

        rc = search(s, o, at, &results, &c, &count);
        if (rc != 0)
            break;
        bool found = count > 0 && c[0].meets;
        free(c);
        free(results);
        if (found)
            high = at;
        else
            low = at;
    }
    *ret_rps = high;
    return rc;
}

/* ---- the answer
 * --------------------------------------------------------------------------------------------- */

static void add_share(struct strbuf *out, double value)
{
    whatif_add_number(out, value * 100);
    strbuf_addc(out, '%');
}

static double least_capacity(const struct candidate *c)
{
    double a = c->healthy->capacity.worst, b = c->bad->capacity.worst;

    return a < b ? a : b;
}

static void add_candidate(struct strbuf *out, const struct whatif_grid *g,
                          const struct candidate *c)
{
    struct whatif_grid pairs = *g;

    pairs.rps_count = 1;
    pairs.error_count = 2;
    strbuf_addf(out, "%s %6.2f%% %7.2f%% %10.1f %8.0fs", c->meets ? "yes" : "no ",
                100 * rolled_back(c->healthy), 100 * rolled_back(c->bad), c->bad->bad_mean,
                c->healthy->promotion.p90_s);
    if (c->healthy->capacity.known)
        strbuf_addf(out, " %7.0f%%", 100 * least_capacity(c));
    strbuf_adds(out, "  ");
    whatif_write_set(out, &pairs, c->first);
    strbuf_addc(out, '\n');
}

static void write_front(struct strbuf *out, const struct whatif_grid *g, const struct candidate *c,
                        size_t count)
{
    size_t shown = 0, front = 0;

    for (size_t i = 0; i < count; i++)
        front += c[i].on_front;
    strbuf_addf(out, "meets false   caught failed reqs promoted%s  settings\n",
                count > 0 && c[0].healthy->capacity.known ? " capacity" : "");
    for (size_t i = 0; i < count && shown < FRONT_MAX; i++)
        if (c[i].on_front) {
            add_candidate(out, g, &c[i]);
            shown++;
        }
    strbuf_addf(out,
                "%zu of %zu settings are on the Pareto front (false rollbacks, caught, failed "
                "requests, time)%s\n",
                front, count, front > shown ? "; the first of them are shown" : "");
}

/* The changed fields as a patch: lists whole, as a merge patch needs them. */
static int write_patch(struct strbuf *out, struct whatif_setup *s, const struct candidate *c)
{
    size_t axes[WHATIF_AXES_MAX], rps, error;
    struct whatif_grid pairs = s->grid;
    cJSON *whole = json_copy(s->source.object), *patch = cJSON_CreateObject();
    const char *wrong = whole && patch ? NULL : "out of memory";

    pairs.rps_count = 1;
    pairs.error_count = 2;
    whatif_cell_place(&pairs, c->first, axes, &rps, &error);
    for (size_t i = 0; i < pairs.axis_count && !wrong; i++)
        wrong = whatif_set(whole, s->arena, pairs.axes[i].path, pairs.axes[i].values[axes[i]]);
    for (size_t i = 0; i < pairs.axis_count && !wrong; i++) {
        const char *path = pairs.axes[i].path, *bracket = strchr(path, '[');
        char *head =
            arena_strndup(s->arena, path, bracket ? (size_t)(bracket - path) : strlen(path));
        cJSON *value = json_get(whole, "spec");
        for (const char *word = head; value && word && *word;) {
            size_t len = strcspn(word, ".");
            value = json_get(value, arena_strndup(s->arena, word, len));
            word += len + (word[len] == '.');
        }
        wrong = head && value ? whatif_set(patch, s->arena, head, value) : "out of memory";
    }
    if (!wrong)
        yaml_write(out, patch);
    json_free(whole);
    json_free(patch);
    return wrong ? -ENOMEM : 0;
}

static int recommend(struct strbuf *out, struct whatif_setup *s, const struct objective *o,
                     const struct candidate *c)
{
    const struct whatif_result *h = c->healthy, *b = c->bad;

    strbuf_adds(
        out,
        "\n# Recommended: kubectl patch canary NAME --type merge --patch-file=FILE\n# healthy (");
    add_share(out, s->grid.errors[0]);
    strbuf_addf(
        out, " errors): rolled back %.2f%% [%.2f, %.2f], promoted within %.0fs in nine of ten\n",
        100 * rolled_back(h), 100 * h->rollback_low, 100 * h->rollback_high, h->promotion.p90_s);
    strbuf_adds(out, "# bad (");
    add_share(out, o->catch_errors);
    strbuf_addf(
        out,
        " errors): rolled back %.2f%% [%.2f, %.2f] after %.0fs (median), %.1f failed requests\n"
        "# %llu rollouts each, seed %llu, coalmine %s\n",
        100 * rolled_back(b), 100 * b->rollback_low, 100 * b->rollback_high, b->detection.median_s,
        b->bad_mean, (unsigned long long)b->runs, (unsigned long long)s->plan.seed,
        COALMINE_VERSION);
    if (h->capacity.known)
        strbuf_addf(out, "# the primary can serve %.0f%% of its load at the worst moment\n",
                    100 * least_capacity(c));
    return write_patch(out, s, c);
}

static int answer(struct whatif_setup *s, const struct args *args, const struct objective *o,
                  const struct candidate *c, size_t count, bool *ret_found)
{
    struct strbuf out = STRBUF_INIT;
    double least = 0;
    int rc = 0;

    write_front(&out, &s->grid, c, count);
    *ret_found = count > 0 && c[0].meets;
    if (*ret_found) {
        rc = recommend(&out, s, o, &c[0]);
    } else {
        rc = least_traffic(s, o, s->grid.rps[0], &least);
        strbuf_adds(&out, "\nno setting of the grid meets the objective at ");
        whatif_add_number(&out, s->grid.rps[0]);
        strbuf_adds(&out, " requests per second");
        if (least > 0)
            strbuf_addf(&out, "; at about %.3g requests per second one does\n", least);
        else
            strbuf_addf(&out, ", nor at up to %.0f: more traffic does not help\n", RPS_MAX);
    }
    if (rc == 0)
        fputs(strbuf_str(&out), stdout);
    strbuf_release(&out);
    (void)args;
    return rc;
}

static int tune(struct whatif_setup *s, const struct args *args)
{
    struct whatif_result *results;
    struct candidate *candidates;
    struct objective o = {0};
    bool found;
    size_t count;
    int rc;

    if (s->grid.rps_count > 1)
        return usage_error(args, "--rps=%s: one rate", args_get(args, "rps", ""));
    if (!read_objective(args, &o) || read_axes(s, args) != 0)
        return EXIT_USAGE;
    rc = whatif_check(&s->plan, s->arena, &s->diags);
    for (size_t i = 0; rc != 0 && i < s->diags.count; i++)
        diag_print(stderr, &s->diags.items[i], NULL, 0, color_wanted(stderr));
    if (rc != 0) /* the file is valid by itself: --set is not */
        return rc == -ENOMEM ? EXIT_WORLD : EXIT_USAGE;
    whatif_tell_metrics(s, "tune");
    rc = search(s, &o, s->grid.rps[0], &results, &candidates, &count);
    if (rc != 0)
        return whatif_failed("tune", rc);
    rc = answer(s, args, &o, candidates, count, &found);
    free(candidates);
    free(results);
    if (rc != 0)
        return whatif_failed("tune", rc);
    return found ? EXIT_YES : EXIT_NO;
}

static int run(const struct args *args)
{
    struct whatif_setup s;
    int rc = whatif_setup_read(&s, args, args->values[0], "5", "0.001");

    if (rc == 0)
        rc = tune(&s, args);
    whatif_setup_release(&s);
    return rc;
}

const struct verb verb_tune = {
    .name = "tune",
    .summary = "find the analysis that meets a stated objective",
    .usage = "[OPTION]... CANARY.yaml|SCENARIO.yaml",
    .about =
        "Searches a grid of analyses for one that rolls back healthy releases seldom enough, "
        "catches "
        "bad ones often enough and ends in time, with the whole 95 % interval on the right side. "
        "Prints "
        "the Pareto front and, of the settings that meet the objective, the one with the fewest "
        "failed "
        "requests, as a merge patch with its evidence. When none does it says so, and from which "
        "traffic on one would.\n\nThe grid is interval, threshold, stepWeight and the window of "
        "the "
        "first metric, unless --set says otherwise.",
    .example = "coalmine tune docs/whatif/gloo.yaml --max-false-rollback 1% --catch 5%@95% --rps 5",
    .exits = "0  found\n1  no setting of the grid meets the objective\n2  wrong usage\n3  a file "
             "cannot be "
             "read or is not valid",
    .options =
        (const struct option_spec[]){
            {.name = "max-false-rollback",
             .value = "SHARE",
             .fallback = "1%",
             .help = "of healthy releases that may be rolled back"},
            {.name = "catch",
             .value = "ERRORS@CHANCE",
             .fallback = "5%@95%",
             .help = "a release with such errors must be rolled back so often"},
            {.name = "max-duration",
             .value = "TIME",
             .fallback = "30m",
             .help = "in which nine of ten healthy releases must be promoted"},
            {.name = "min-capacity",
             .value = "SHARE",
             .help = "of its load that the primary must be able to serve at any time; with --pods"},
            {.name = "set",
             .value = "PATH=VALUES",
             .repeats = true,
             .help = "the grid, as for coalmine sweep"},
            {.name = "rps",
             .value = "R",
             .fallback = "5",
             .help = "requests per second to the service"},
            {.name = "error-rate",
             .value = "E",
             .fallback = "0.001",
             .help = "of a healthy release"},
            WHATIF_OPTIONS,
            PROFILE_OPTIONS,
            {.name = NULL},
        },
    .values_min = 1,
    .values_max = 1,
    .run = run,
};
