/* coalmine report: pictures of a database, or one page with all of them. */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "adapters/base/diag.h"
#include "adapters/cli/gnuplot.h"
#include "adapters/cli/verbs.h"
#include "adapters/store/page.h"
#include "adapters/store/store.h"

#define PATH_BYTES 4096

enum picture_name { TIMELINE, CURVE, HEATMAP, PARETO, FAN, PICTURE_NAMES };
static const char *const picture_names[] = {"timeline", "curve", "heatmap", "pareto", "fan", NULL};

struct report {
    const struct args *args;
    const char *file, *out;
    enum picture_format format;
    bool html;
    sqlite3 *db;
    struct arena *arena;
    /* a run */
    int64_t run, canary;
    /* or a sweep */
    bool of_sweep;
    struct sweep_data sweep;
    struct sweep_choice choice;
    char error[512];
};

/* ---- which Canary of which run ---- */

/* All Canaries that match, the first of them chosen. Returns how many there are. */
static int choose_canary(struct report *r, const char *run, const char *canary, char *name,
                         size_t name_size)
{
    sqlite3_stmt *st = NULL;
    int count = 0;

    sqlite3_prepare_v2(
        r->db,
        "SELECT runs.run, canary, runs.name || ': ' || namespace || '/' || canaries.name "
        "FROM canaries JOIN runs USING (run) "
        "WHERE (?1 IS NULL OR runs.name = ?1 OR CAST(runs.run AS TEXT) = ?1) "
        "AND (?2 IS NULL OR namespace || '/' || canaries.name = ?2 OR canaries.name = ?2) "
        "ORDER BY runs.run, canary",
        -1, &st, NULL);
    sqlite3_bind_text(st, 1, run, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, canary, -1, SQLITE_STATIC);
    while (sqlite3_step(st) == SQLITE_ROW)
        if (count++ == 0) {
            r->run = sqlite3_column_int64(st, 0);
            r->canary = sqlite3_column_int64(st, 1);
            snprintf(name, name_size, "%s", (const char *)sqlite3_column_text(st, 2));
        }
    sqlite3_finalize(st);
    return count;
}

/* The nearest name of a run (column 0) or a Canary (column 1) to what was asked for. */
static void tell_nearest(const struct report *r, const char *option, const char *word,
                         const char *sql)
{
    const char *names[257];
    sqlite3_stmt *st = NULL;
    size_t count = 0;

    if (!word)
        return;
    sqlite3_prepare_v2(r->db, sql, -1, &st, NULL);
    while (count < 256 && sqlite3_step(st) == SQLITE_ROW)
        if ((names[count] = arena_strdup(r->arena, (const char *)sqlite3_column_text(st, 0))))
            count++;
    sqlite3_finalize(st);
    names[count] = NULL;
    const char *near = nearest_name(word, strlen(word), names);
    if (near && strcmp(near, word) != 0)
        fprintf(stderr, "hint: --%s=%s\n", option, near);
    else if (count > 0 && !near)
        fprintf(stderr, "hint: the first one is --%s=%s\n", option, names[0]);
}

static int choose_run(struct report *r)
{
    const char *run = args_get(r->args, "run", NULL), *canary = args_get(r->args, "canary", NULL);
    char name[256] = "";
    int count = choose_canary(r, run, canary, name, sizeof name);

    if (count == 0) {
        fprintf(stderr, "coalmine report: %s: no such run or Canary\n", r->file);
        tell_nearest(r, "run", run, "SELECT name FROM runs ORDER BY run");
        tell_nearest(r, "canary", canary,
                     "SELECT DISTINCT namespace || '/' || name FROM canaries ORDER BY 1");
        return EXIT_INPUT;
    }
    if (count > 1)
        fprintf(stderr,
                "coalmine report: %d Canaries in %s; this is %s (choose with --run and --canary)\n",
                count, r->file, name);
    return 0;
}

/* ---- which cells of a sweep ---- */

static int no_axis(const struct report *r, const char *option, const char *key, size_t len)
{
    const char *names[2 * SWEEP_AXES_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; i < r->sweep.axis_count; i++) {
        const char *dot = strrchr(r->sweep.axes[i].key, '.');
        names[count++] = r->sweep.axes[i].key;
        if (dot)
            names[count++] = dot + 1;
    }
    names[count] = NULL;
    const char *near = nearest_name(key, len, names);
    if (near)
        return usage_error(r->args, "--%s=%.*s: not swept; did you mean %s?", option, (int)len, key,
                           near);
    struct strbuf all = STRBUF_INIT;
    for (size_t i = 0; i < r->sweep.axis_count; i++)
        strbuf_addf(&all, "%s%s", i ? ", " : "", r->sweep.axes[i].key);
    usage_error(r->args, "--%s=%.*s: not swept; there are %s", option, (int)len, key,
                strbuf_str(&all));
    strbuf_release(&all);
    return EXIT_USAGE;
}

static int no_value(const struct report *r, const char *option, const struct sweep_axis *a)
{
    struct strbuf all = STRBUF_INIT;

    for (size_t i = 0; i < a->count && i < 20; i++)
        strbuf_addf(&all, "%s%s", i ? ", " : "", a->values[i]);
    usage_error(r->args, "--only=%s: the sweep has no such value; %s has %s%s", option, a->key,
                strbuf_str(&all), a->count > 20 ? ", ..." : "");
    strbuf_release(&all);
    return EXIT_USAGE;
}

static int read_axis(const struct report *r, const char *option, size_t *ret_axis)
{
    const char *key = args_get(r->args, option, NULL);

    if (!key)
        return 0;
    *ret_axis = sweep_axis_find(&r->sweep, key);
    return *ret_axis == SWEEP_NONE ? no_axis(r, option, key, strlen(key)) : 0;
}

static int read_only(struct report *r)
{
    for (size_t i = 0; args_nth(r->args, "only", i); i++) {
        const char *text = args_nth(r->args, "only", i), *equals = strchr(text, '=');
        char key[256];
        size_t axis;

        if (!equals || equals == text || (size_t)(equals - text) >= sizeof key)
            return usage_error(r->args, "--only=%s: must be KEY=VALUE", text);
        snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
        axis = sweep_axis_find(&r->sweep, key);
        if (axis == SWEEP_NONE)
            return no_axis(r, "only", key, strlen(key));
        r->choice.only[axis] = sweep_value_find(&r->sweep.axes[axis], equals + 1);
        if (r->choice.only[axis] == SWEEP_NONE)
            return no_value(r, text, &r->sweep.axes[axis]);
    }
    return 0;
}

static int choose_cells(struct report *r)
{
    const char *figure = args_get(r->args, "figure", "bad-requests");
    int rc;

    sweep_choice_init(&r->choice);
    r->choice.figure = strcmp(figure, "detection") == 0  ? FIGURE_DETECTION
                       : strcmp(figure, "duration") == 0 ? FIGURE_DURATION
                                                         : FIGURE_BAD_REQUESTS;
    rc = read_axis(r, "by", &r->choice.by);
    if (rc == 0)
        rc = read_axis(r, "x", &r->choice.x);
    if (rc == 0)
        rc = read_axis(r, "y", &r->choice.y);
    return rc == 0 ? read_only(r) : rc;
}

static int choose_sweep(struct report *r)
{
    int64_t sweep;
    int rc;

    if (!args_int(r->args, "sweep", 1, INT64_MAX, 0, &sweep))
        return EXIT_USAGE;
    rc = sweep_read(r->db, sweep, r->arena, &r->sweep, r->error, sizeof r->error);
    if (rc == -ENOMEM)
        snprintf(r->error, sizeof r->error, "out of memory");
    if (rc != 0) {
        fprintf(stderr, "coalmine report: %s: %s\n", r->file, r->error);
        if (rc == -ENOENT && sweep > 0)
            fprintf(stderr, "hint: the last one is --sweep=%lld\n", (long long)sweep_count(r->db));
        return rc == -ENOMEM ? EXIT_WORLD : EXIT_INPUT;
    }
    return choose_cells(r);
}

/* ---- which picture ---- */

static bool has_runs(sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    bool any = sqlite3_prepare_v2(db, "SELECT 1 FROM runs LIMIT 1", -1, &st, NULL) == SQLITE_OK &&
               sqlite3_step(st) == SQLITE_ROW;

    sqlite3_finalize(st);
    return any;
}

/* A sweep of two fields is best seen as a map, any other as a curve. */
static enum picture_name picture_of(const struct report *r)
{
    const char *wanted = args_get(r->args, "picture", NULL);
    int varied = 0;

    for (int i = 0; wanted && picture_names[i]; i++)
        if (strcmp(wanted, picture_names[i]) == 0)
            return (enum picture_name)i;
    for (size_t i = 0; r->of_sweep && i < r->sweep.rps_axis; i++)
        varied += r->sweep.axes[i].count > 1 && r->choice.only[i] == SWEEP_NONE;
    return !r->of_sweep ? TIMELINE : varied >= 2 ? HEATMAP : CURVE;
}

static int make(struct report *r, enum picture_name name, const struct picture_style *style,
                struct picture *p)
{
    switch (name) {
    case CURVE:
        return picture_curve(r->db, &r->sweep, &r->choice, style, p, r->error, sizeof r->error);
    case HEATMAP:
        return picture_heatmap(r->db, &r->sweep, &r->choice, style, p, r->error, sizeof r->error);
    case PARETO:
        return picture_pareto(r->db, &r->sweep, &r->choice, style, p, r->error, sizeof r->error);
    case FAN:
        if (r->of_sweep)
            return picture_fan(r->db, &r->sweep, &r->choice, style, p, r->error, sizeof r->error);
        return picture_run_fan(r->db, r->run, r->canary, style, p, r->error, sizeof r->error);
    case TIMELINE:
    case PICTURE_NAMES:
    default:
        return picture_timeline(r->db, r->run, r->canary, style, p, r->error, sizeof r->error);
    }
}

/* ---- output ---- */

static int failed(const struct report *r, int rc)
{
    fprintf(stderr, "coalmine report: %s: %s\n", r->file,
            rc == -ENOMEM ? "out of memory" : r->error);
    return rc == -ENOMEM ? EXIT_WORLD : EXIT_INPUT;
}

/* The finished bytes take the place of `out` in one rename. */
static int put_in_place(const struct report *r, const struct strbuf *bytes)
{
    char temporary[PATH_BYTES];

    snprintf(temporary, sizeof temporary, "%s.%ld.tmp", r->out, (long)getpid());
    FILE *f = fopen(temporary, "wb");
    bool ok = f && fwrite(strbuf_str(bytes), 1, bytes->len, f) == bytes->len;
    if (f)
        ok = fclose(f) == 0 && ok;
    if (!ok || rename(temporary, r->out) != 0) {
        fprintf(stderr, "coalmine report: %s: %s\n", r->out, strerror(errno));
        unlink(temporary);
        return EXIT_WORLD;
    }
    return 0;
}

static int draw_picture(struct report *r)
{
    struct picture_style style = {.format = r->format, .output = gnuplot_output(r->format)};
    const char *keep = args_get(r->args, "keep", NULL);
    struct strbuf bytes = STRBUF_INIT;
    struct picture picture;
    int rc = make(r, picture_of(r), &style, &picture);

    if (rc != 0)
        return failed(r, rc);
    if (keep)
        rc = gnuplot_keep(&picture, keep);
    if (rc == 0)
        rc = gnuplot_draw(&picture, r->format, &bytes);
    if (rc == 0)
        rc = put_in_place(r, &bytes);
    picture_release(&picture);
    strbuf_release(&bytes);
    return rc;
}

static int draw_svg(void *self, const struct picture *p, struct strbuf *ret_svg)
{
    (void)self;
    return gnuplot_draw(p, PICTURE_SVG, ret_svg);
}

static int write_page(struct report *r)
{
    struct page_artist artist = {.draw = draw_svg, .output = gnuplot_output(PICTURE_SVG)};
    struct strbuf page = STRBUF_INIT;
    int rc =
        r->of_sweep
            ? page_sweep(&page, r->db, &r->sweep, &r->choice, &artist, r->error, sizeof r->error)
            : page_run(&page, r->db, r->run, r->canary, &artist, r->error, sizeof r->error);

    if (rc == 0)
        rc = put_in_place(r, &page);
    else if (rc < 0)
        rc = failed(r, rc);
    strbuf_release(&page);
    return rc;
}

/* ---- the verb ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static int read_format(struct report *r)
{
    static const char *const endings[] = {".png", ".svg", ".pdf"};

    r->out = args_get(r->args, "output", NULL);
    if (!r->out)
        return usage_error(r->args, "--output=FILE is missing");
    r->html = args_has(r->args, "html") || ends_with(r->out, ".html");
    if (r->html && args_has(r->args, "picture"))
        return usage_error(r->args, "a page has all pictures: --picture does not go with it");
    if (r->html)
        return ends_with(r->out, ".html") || ends_with(r->out, ".htm")
                   ? 0
                   : usage_error(r->args, "--output=%s: a page must end in .html", r->out);
    for (int i = 0; i < 3; i++)
        if (ends_with(r->out, endings[i])) {
            r->format = (enum picture_format)i;
            return 0;
        }
    return usage_error(r->args, "--output=%s: must end in .png, .svg, .pdf or .html", r->out);
}

/* What the options ask for, and what the database holds. */
static int choose(struct report *r)
{
    static const char *const of_sweeps[] = {"sweep", "only", "by", "x", "y", "figure"};
    const char *picture = args_get(r->args, "picture", "");
    bool runs = has_runs(r->db), sweeps = sweep_count(r->db) > 0;
    bool wants_run =
        args_has(r->args, "run") || args_has(r->args, "canary") || strcmp(picture, "timeline") == 0;
    bool wants_sweep =
        strcmp(picture, "") != 0 && strcmp(picture, "timeline") != 0 && strcmp(picture, "fan") != 0;

    for (size_t i = 0; i < sizeof of_sweeps / sizeof *of_sweeps; i++)
        wants_sweep = wants_sweep || args_has(r->args, of_sweeps[i]);
    if (wants_run && wants_sweep)
        return usage_error(r->args, "either a run or a sweep: --run, --canary and a timeline do "
                                    "not go with what is said of a sweep");
    r->of_sweep = wants_sweep || (!wants_run && sweeps && !runs);
    if (r->of_sweep && !sweeps && runs) {
        fprintf(stderr,
                "coalmine report: %s: holds runs and no sweep\nhint: coalmine sweep --db writes "
                "one; of runs there are the pictures timeline and fan\n",
                r->file);
        return EXIT_INPUT;
    }
    if (!r->of_sweep && !runs && sweeps) {
        fprintf(stderr,
                "coalmine report: %s: holds a sweep and no run\nhint: of a sweep there are the "
                "pictures curve, heatmap, pareto and fan\n",
                r->file);
        return EXIT_INPUT;
    }
    return r->of_sweep ? choose_sweep(r) : choose_run(r);
}

static int run(const struct args *args)
{
    struct report r = {.args = args, .file = args->values[0]};
    int rc = read_format(&r);

    if (rc != 0)
        return rc;
    r.arena = arena_new(0);
    if (!r.arena || store_open_read(r.file, &r.db, r.error, sizeof r.error) != 0) {
        fprintf(stderr, "coalmine report: %s\n", r.arena ? r.error : "out of memory");
        rc = r.arena ? EXIT_INPUT : EXIT_WORLD;
    }
    if (rc == 0)
        rc = choose(&r);
    if (rc == 0)
        rc = r.html ? write_page(&r) : draw_picture(&r);
    sqlite3_close(r.db);
    arena_free(r.arena);
    return rc;
}

const struct verb verb_report = {
    .name = "report",
    .summary = "draw runs and sweeps, or write one page about them",
    .usage = "[OPTION]... -o FILE DATABASE",
    .about =
        "Draws what a database holds. Of a run (`coalmine simulate --db`): the timeline of one "
        "Canary, with phases, the share of traffic, every metric against its bounds, failed "
        "checks, "
        "webhooks, warnings and alerts; or the fan of weights over all its rollouts. Of a sweep "
        "(`coalmine sweep --db`): the operating curve, P(rollback) against the true error rate; "
        "the "
        "heat map of two swept parameters; the Pareto front of false rollbacks against what a bad "
        "release costs; the fan of weights (of a sweep with --fan). Without --picture a run is "
        "drawn "
        "as a timeline, a sweep of two fields as a heat map, any other as a curve.\n\nWith --html "
        "it "
        "writes one page with words, tables and all pictures, which needs no network and no "
        "script. "
        "gnuplot makes the pictures; --keep leaves its script and data for your own.",
    .example = "coalmine report run.db -o run.png",
    .exits = "0  drawn\n2  wrong usage\n3  no Coalmine database, or what is asked for is not in "
             "it\n4  gnuplot or the disk failed",
    .options =
        (const struct option_spec[]){
            {.name = "output",
             .letter = 'o',
             .value = "FILE",
             .help = "what to write: .png, .svg, .pdf or .html"},
            {.name = "picture",
             .value = "NAME",
             .choices = "timeline|curve|heatmap|pareto|fan",
             .help = "what to draw; default: what fits the database"},
            {.name = "html", .help = "one self-contained page instead of a picture"},
            {.name = "keep", .value = "DIR", .help = "leave the gnuplot script and its data there"},
            {.name = "run",
             .value = "NAME",
             .help = "name or number of the run",
             .fallback = "the first",
             .group = "Runs"},
            {.name = "canary",
             .value = "NAME",
             .help = "NAMESPACE/NAME of the Canary",
             .fallback = "the first",
             .group = "Runs"},
            {.name = "sweep",
             .value = "N",
             .help = "number of the sweep",
             .fallback = "the last",
             .group = "Sweeps"},
            {.name = "only",
             .value = "KEY=VALUE",
             .repeats = true,
             .help = "hold a swept field, rps or error-rate at one of its values; what is not held "
                     "and not drawn stands at its first",
             .group = "Sweeps"},
            {.name = "by",
             .value = "KEY",
             .help = "curve: a line for each value of this; default: rps, or the first field",
             .group = "Sweeps"},
            {.name = "x",
             .value = "KEY",
             .help = "heatmap: from left to right; default: the first swept field",
             .group = "Sweeps"},
            {.name = "y",
             .value = "KEY",
             .help = "heatmap: upwards; default: the second",
             .group = "Sweeps"},
            {.name = "figure",
             .value = "WHAT",
             .choices = "bad-requests|detection|duration",
             .fallback = "bad-requests",
             .help = "pareto: what is weighed against false rollbacks",
             .group = "Sweeps"},
            {.name = NULL},
        },
    .values_min = 1,
    .values_max = 1,
    .run = run,
};
