#include "adapters/store/picture.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "engine/num.h"
#include "engine/text.h"
#include "reports/timeline.gp.h"

#define WIDTH 1600
#define PLOT_WIDTH 1410 /* between the margins of timeline.gp */
#define CHAR_WIDTH 9    /* of the labels, about */
#define MARK_ROWS_MAX 3
#define STEP_LABEL_WIDTH 46 /* a weight is labelled where it stands at least that wide */

/* A point that no picture shows: gnuplot crashes on labels without any point to stand at. */
#define NOWHERE "-1e+09"

#define GREY "0x8c959f"
#define RED "0xcf222e"
#define GREEN "0x1a7f37"
#define ORANGE "0xd4731a"
#define BLUE "0x0969da"
#define VIOLET "0x8250df"

struct drawing {
    sqlite3 *db;
    int64_t run, canary;
    double from_s, to_s;
    struct picture *picture;
    struct strbuf *script;
    int metrics;
    int mark_rows; /* of labels in use */
    int failed;
    char *reterr;
    size_t reterr_size;
};

/* ---- queries ---- */

/* A statement with ?1 = run and ?2 = Canary, or NULL with the failure kept. */
static sqlite3_stmt *query(struct drawing *d, const char *sql)
{
    sqlite3_stmt *st = NULL;

    if (d->failed)
        return NULL;
    if (sqlite3_prepare_v2(d->db, sql, -1, &st, NULL) != SQLITE_OK) {
        snprintf(d->reterr, d->reterr_size, "%s", sqlite3_errmsg(d->db));
        d->failed = -EIO;
        return NULL;
    }
    sqlite3_bind_int64(st, 1, d->run);
    if (sqlite3_bind_parameter_count(st) >= 2)
        sqlite3_bind_int64(st, 2, d->canary);
    return st;
}

static bool next(struct drawing *d, sqlite3_stmt *st)
{
    int rc;

    if (!st)
        return false;
    rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE && !d->failed) {
        snprintf(d->reterr, d->reterr_size, "%s", sqlite3_errmsg(d->db));
        d->failed = -EIO;
    }
    return rc == SQLITE_ROW;
}

static const char *column_text(sqlite3_stmt *st, int i)
{
    const char *text = (const char *)sqlite3_column_text(st, i);
    return text ? text : "";
}

static bool column_finite(sqlite3_stmt *st, int i)
{
    return sqlite3_column_type(st, i) != SQLITE_NULL && num_is_finite(sqlite3_column_double(st, i));
}

/* ---- texts for gnuplot ---- */

/* A number as Go prints it; "NaN" is a gap. */
static void add_number(struct strbuf *b, double value)
{
    char text[64];
    struct text t;

    text_init(&t, text, sizeof text);
    text_add_float(&t, value);
    strbuf_adds(b, text);
}

static void add_column(struct strbuf *b, sqlite3_stmt *st, int i)
{
    if (column_finite(st, i))
        add_number(b, sqlite3_column_double(st, i));
    else
        strbuf_adds(b, "NaN");
}

/*
 * A string of a script: in single quotes, where gnuplot substitutes nothing. Control characters
 * become blanks.
 */
static void add_quoted(struct strbuf *b, const char *text)
{
    strbuf_addc(b, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            strbuf_addc(b, '\'');
        strbuf_addc(b, (unsigned char)*p < ' ' ? ' ' : *p);
    }
    strbuf_addc(b, '\'');
}

/* A string of a data file: gnuplot knows no escape there. */
static void add_data_string(struct strbuf *b, const char *text, size_t len)
{
    strbuf_addc(b, '"');
    for (size_t i = 0; i < len && text[i]; i++)
        strbuf_addc(b, text[i] == '"'                                    ? '\''
                       : (unsigned char)text[i] < ' ' || text[i] == '\\' ? ' '
                                                                         : text[i]);
    strbuf_addc(b, '"');
}

static struct strbuf *add_file(struct drawing *d, const char *name)
{
    struct picture_file *f = &d->picture->files[d->picture->file_count++];

    snprintf(f->name, sizeof f->name, "%s", name);
    return &f->text;
}

static void add_duration_text(struct strbuf *b, double seconds)
{
    char text[64];
    struct text t;

    text_init(&t, text, sizeof text);
    text_add_duration(&t, (int64_t)(seconds * 1000) * 1000000);
    strbuf_adds(b, text);
}

/* ---- time axis ---- */

static double one_number(struct drawing *d, const char *sql, double otherwise)
{
    sqlite3_stmt *st = query(d, sql);
    double value = otherwise;

    if (next(d, st) && column_finite(st, 0))
        value = sqlite3_column_double(st, 0);
    sqlite3_finalize(st);
    return value;
}

/* From a little before the first thing of interest to a little after the last. */
static void choose_span(struct drawing *d)
{
    double first =
        one_number(d,
                   "SELECT min((began_ms - epoch_ms) / 1000.0) FROM rollouts JOIN runs USING (run) "
                   "WHERE run = ?1 AND canary = ?2",
                   0);
    double last = one_number(
        d,
        "SELECT max((at_ms - epoch_ms) / 1000.0) FROM (SELECT at_ms FROM routes WHERE run = ?1 AND "
        "canary = ?2 "
        "UNION ALL SELECT at_ms FROM checks WHERE run = ?1 AND canary = ?2 "
        "UNION ALL SELECT at_ms FROM status WHERE run = ?1 AND canary = ?2 "
        "UNION ALL SELECT at_ms FROM world WHERE run = ?1 AND canary = ?2 "
        "UNION ALL SELECT at_ms FROM events WHERE run = ?1 AND canary = ?2) JOIN runs ON run = ?1",
        60);
    double interval = one_number(
        d, "SELECT interval_ms / 1000.0 FROM canaries WHERE run = ?1 AND canary = ?2", 60);

    d->from_s = first - 2 * interval > 0 ? first - 2 * interval : 0;
    d->to_s = last > d->from_s ? last : d->from_s + 60;
    double room = (d->to_s - d->from_s) / 10;
    d->to_s += room > interval ? room : interval;
}

static void add_time_axis(struct drawing *d)
{
    static const int steps[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400};
    double span = d->to_s - d->from_s;
    int step = steps[sizeof steps / sizeof *steps - 1];

    for (size_t i = sizeof steps / sizeof *steps; i-- > 0;)
        if (span / steps[i] <= 14)
            step = steps[i];
    strbuf_adds(d->script, "x0 = ");
    add_number(d->script, d->from_s);
    strbuf_adds(d->script, "\nx1 = ");
    add_number(d->script, d->to_s);
    strbuf_addf(d->script, "\nx_step = %d\nx_format = '%s'\n", step,
                step < 60 ? "%tH:%tM:%tS" : "%tH:%tM");
    strbuf_addf(d->script, "x_words = '%s'\n", step < 60 ? "h:mm:ss" : "h:mm");
}

/* ---- header ---- */

/* A failed promotion leaves the traffic on the canary. */
#define LAST_WEIGHT                                                                                \
    "SELECT canary_weight FROM weights WHERE run = ?1 AND canary = ?2 ORDER BY from_s DESC, to_s " \
    "DESC LIMIT 1"

static void add_verdict(struct drawing *d)
{
    sqlite3_stmt *st =
        query(d, "SELECT result, took_s, reacted_s, failed_checks FROM summary JOIN canaries c "
                 "USING (run) WHERE run = ?1 AND c.canary = ?2 AND canary_name = c.name AND "
                 "summary.namespace = c.namespace ORDER BY rollout DESC LIMIT 1");
    struct strbuf text = STRBUF_INIT;
    const char *color = "#57606a";

    if (next(d, st)) {
        const char *result = column_text(st, 0);
        if (strcmp(result, "succeeded") == 0) {
            strbuf_adds(&text, "promoted after ");
            color = "#1a7f37";
        } else if (strcmp(result, "failed") == 0) {
            bool back = one_number(d, LAST_WEIGHT, 0) <= 0;
            strbuf_adds(&text, back ? "rolled back after " : "promotion failed after ");
            color = "#cf222e";
        } else {
            strbuf_addf(&text, "%s after ", result);
        }
        add_duration_text(&text, sqlite3_column_double(st, 1));
    } else {
        strbuf_adds(&text, "no rollout");
    }
    sqlite3_finalize(st);
    strbuf_adds(d->script, "verdict = ");
    add_quoted(d->script, strbuf_str(&text));
    strbuf_addf(d->script, "\nverdict_color = '%s'\n", color);
    strbuf_release(&text);
}

static void add_header(struct drawing *d)
{
    sqlite3_stmt *st = query(
        d,
        "SELECT coalesce(runs.title, runs.name), c.name || '.' || c.namespace, strategy, provider, "
        "interval_ms / 1000.0, threshold, profile FROM canaries c JOIN runs USING (run) "
        "WHERE run = ?1 AND canary = ?2");
    struct strbuf text = STRBUF_INIT;

    if (!next(d, st)) {
        sqlite3_finalize(st);
        if (!d->failed) {
            snprintf(d->reterr, d->reterr_size, "no such Canary");
            d->failed = -ENOENT;
        }
        return;
    }
    strbuf_adds(d->script, "title = ");
    add_quoted(d->script, column_text(st, 0));
    strbuf_addf(&text, "%s: %s on %s, a tick every ", column_text(st, 1), column_text(st, 2),
                column_text(st, 3));
    add_duration_text(&text, sqlite3_column_double(st, 4));
    strbuf_addf(&text, ", rolled back after %d failed checks, profile %s",
                sqlite3_column_int(st, 5), column_text(st, 6));
    strbuf_adds(d->script, "\nsubtitle = ");
    add_quoted(d->script, strbuf_str(&text));
    strbuf_addc(d->script, '\n');
    strbuf_release(&text);
    sqlite3_finalize(st);
    add_verdict(d);
}

/* ---- the panels ---- */

/* What came from outside and how it ended, with labels that do not cover each other where three
 * rows allow. */
static void add_marks(struct drawing *d)
{
    struct strbuf *b = add_file(d, "marks.dat");
    double free_from[MARK_ROWS_MAX] = {-1e18, -1e18, -1e18};
    double per_char = (d->to_s - d->from_s) * CHAR_WIDTH / PLOT_WIDTH;
    sqlite3_stmt *st = query(
        d,
        "SELECT (at_ms - epoch_ms) / 1000.0, what, color FROM ("
        "SELECT at_ms, seq, text AS what, '" VIOLET
        "' AS color FROM world WHERE run = ?1 AND canary = ?2 "
        "UNION ALL SELECT ended_ms, 1e15, iif(result = 'succeeded', 'promoted', "
        "iif(result = 'failed', iif((SELECT canary_weight FROM routes w WHERE w.run = rollouts.run "
        "AND w.canary = rollouts.canary AND w.outcome = 'ok' AND w.at_ms <= ended_ms "
        "ORDER BY w.seq DESC LIMIT 1) > 0, 'promotion failed', 'rolled back'), result)), "
        "iif(result = 'succeeded', '" GREEN "', '" RED
        "') FROM rollouts WHERE run = ?1 AND canary = ?2 AND result IS NOT NULL) "
        "JOIN runs ON run = ?1 ORDER BY at_ms, seq");

    d->mark_rows = 1;
    strbuf_adds(b, "# seconds color row label\n" NOWHERE " 0 0 \"\"\n");
    while (next(d, st)) {
        double at = sqlite3_column_double(st, 0);
        const char *label = column_text(st, 1);
        int row = 0;
        if (at < d->from_s)
            continue;
        for (int i = 1; i < MARK_ROWS_MAX && free_from[row] > at; i++)
            if (free_from[i] <= at || free_from[i] < free_from[row])
                row = i;
        if (row >= d->mark_rows)
            d->mark_rows = row + 1;
        /* A label ends where the picture does. */
        size_t room = (size_t)((d->to_s - at) / per_char + 4), len = strlen(label);
        if (len > room)
            len = room;
        free_from[row] = at + (double)(len + 2) * per_char;
        add_number(b, at);
        strbuf_addf(b, " %s %d ", column_text(st, 2), row);
        add_data_string(b, label, len);
        strbuf_addc(b, '\n');
    }
    sqlite3_finalize(st);
}

static const char *phase_color(const char *phase)
{
    static const struct {
        const char *phase, *color;
    } colors[] = {
        {"Initializing", "0xe6e9ed"},     {"Initialized", "0xe6e9ed"}, {"Waiting", "0xd8e6fb"},
        {"WaitingPromotion", "0xd8e6fb"}, {"Progressing", "0xfdeab0"}, {"Promoting", "0xd3efda"},
        {"Finalising", "0xb9e4c4"},       {"Succeeded", "0x8fd3a1"},   {"Failed", "0xf5b8b3"},
    };

    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
        if (strcmp(phase, colors[i].phase) == 0)
            return colors[i].color;
    return "0xe6e9ed";
}

static void add_phases(struct drawing *d)
{
    struct strbuf *b = add_file(d, "phases.dat");
    sqlite3_stmt *st =
        query(d, "SELECT from_s, to_s, phase, row_number() OVER (ORDER BY from_s DESC) = 1 "
                 "FROM phases WHERE run = ?1 AND canary = ?2 ORDER BY from_s");

    strbuf_adds(b, "# from to color label\n" NOWHERE " " NOWHERE " 0 \"\"\n");
    while (next(d, st)) {
        double from = sqlite3_column_double(st, 0), to = sqlite3_column_double(st, 1);
        const char *phase = column_text(st, 2);
        if (from < d->from_s)
            from = d->from_s;
        if (to > d->to_s || sqlite3_column_int(st, 3))
            to = d->to_s;
        if (to <= from)
            continue;
        add_number(b, from);
        strbuf_addc(b, ' ');
        add_number(b, to);
        strbuf_addf(b, " %s ", phase_color(phase));
        /* A label that does not fit its band is left out. */
        bool fits =
            (to - from) / (d->to_s - d->from_s) * PLOT_WIDTH > (double)(strlen(phase) * CHAR_WIDTH);
        add_data_string(b, fits ? phase : "", strlen(phase));
        strbuf_addc(b, '\n');
    }
    sqlite3_finalize(st);
}

/* Two points for each interval, so that filled curves make steps; and its label where there is
 * room. */
static void add_step(struct drawing *d, struct strbuf *traffic, struct strbuf *labels, double from,
                     double to, int weight, bool mirror)
{
    double pixels = (to - from) / (d->to_s - d->from_s) * PLOT_WIDTH;

    for (int i = 0; i < 2; i++) {
        add_number(traffic, i == 0 ? from : to);
        strbuf_addf(traffic, " %d %d\n", weight, mirror ? 100 : 0);
    }
    if (pixels < STEP_LABEL_WIDTH || (weight == 0 && !mirror))
        return;
    add_number(labels, from);
    if (mirror && weight == 0)
        strbuf_adds(labels, " 0 \"mirrored\"\n");
    else
        strbuf_addf(labels, " %d \"%d %%%s\"\n", weight > 88 ? 88 : weight, weight,
                    mirror ? " mirrored" : "");
}

static void add_traffic(struct drawing *d)
{
    struct strbuf *b = add_file(d, "traffic.dat"), *labels = add_file(d, "steps.dat");
    sqlite3_stmt *st =
        query(d, "SELECT from_s, canary_weight, mirror FROM weights WHERE run = ?1 AND canary = ?2 "
                 "ORDER BY from_s");
    double since = d->from_s;
    int weight = 0;
    bool mirror = false;

    strbuf_adds(b, "# seconds canary mirrored\n");
    strbuf_adds(labels, "# seconds height label\n" NOWHERE " 0 \"\"\n");
    while (next(d, st)) {
        double at = sqlite3_column_double(st, 0);
        bool same =
            weight == sqlite3_column_int(st, 1) && mirror == (sqlite3_column_int(st, 2) != 0);
        if (at > since && !same) {
            add_step(d, b, labels, since, at, weight, mirror);
            since = at;
        }
        weight = sqlite3_column_int(st, 1);
        mirror = sqlite3_column_int(st, 2) != 0;
    }
    add_step(d, b, labels, since, d->to_s, weight, mirror);
    sqlite3_finalize(st);
    b = add_file(d, "outages.dat");
    strbuf_adds(b, "# from to label\n" NOWHERE " " NOWHERE " \"\"\n");
    st = query(d, "SELECT (at_ms - epoch_ms) / 1000.0, (coalesce(lead(at_ms) OVER (ORDER BY seq), "
                  "end_ms) - epoch_ms) / 1000.0, lost "
                  "FROM outages JOIN runs USING (run) WHERE run = ?1 AND canary = ?2 ORDER BY seq");
    while (next(d, st)) {
        if (sqlite3_column_int(st, 2) == 0)
            continue;
        add_number(b, sqlite3_column_double(st, 0));
        strbuf_addc(b, ' ');
        add_number(b, sqlite3_column_double(st, 1));
        strbuf_addf(b, " \"%d %% lost\"\n", sqlite3_column_int(st, 2));
    }
    sqlite3_finalize(st);
}

/* ---- metrics ---- */

struct range {
    double low, high;
    bool any, begun;
    bool has_min, has_max;
    double min, max; /* bounds, as last seen */
};

static void widen(struct range *r, double value)
{
    if (!r->any || value < r->low)
        r->low = value;
    if (!r->any || value > r->high)
        r->high = value;
    r->any = true;
}

/* 1, 2 or 5 times a power of ten, about `span` / 4. */
static double tick_step(double span)
{
    double step = 1;

    while (step * 4 > span * 1.5 && step > 1e-9)
        step /= 10;
    while (step * 10 * 4 <= span * 1.5 && step < 1e12)
        step *= 10;
    if (span / step > 12)
        return step * 5;
    return span / step > 6 ? step * 2 : step;
}

static void finish_range(struct range *r, bool percent)
{
    double pad;

    if (!r->any) {
        r->low = 0;
        r->high = 1;
    }
    pad = (r->high - r->low) * 0.15;
    if (pad <= 0)
        pad = r->high != 0 ? (r->high > 0 ? r->high : -r->high) * 0.1 : 1;
    if (r->low >= 0 && r->low - pad < 0)
        r->low = 0;
    else
        r->low -= pad;
    r->high = percent && r->high <= 100 && r->high + pad > 100 ? 100 + pad / 3 : r->high + pad;
}

/* An absent bound stands far outside of any picture. */
static void add_bound_point(struct strbuf *b, double at, const struct range *r)
{
    add_number(b, at);
    strbuf_addc(b, ' ');
    add_number(b, r->has_min ? r->min : -1e99);
    strbuf_addc(b, ' ');
    add_number(b, r->has_max ? r->max : 1e99);
    strbuf_addc(b, '\n');
}

static int verdict_number(const char *verdict)
{
    if (strcmp(verdict, "pass") == 0)
        return 0;
    if (strcmp(verdict, "fail") == 0)
        return 1;
    return strcmp(verdict, "wait") == 0 ? 3 : 2;
}

/* What stands beside a check that did not pass, where the one before did: later ones would only
 * repeat it. */
static void add_check_label(struct strbuf *b, sqlite3_stmt *st, int verdict, int before)
{
    char text[64];
    struct text t;

    text_init(&t, text, sizeof text);
    if (verdict != before && verdict == 1)
        text_add_fixed2(&t, sqlite3_column_double(st, 1));
    else if (verdict != before && verdict == 2)
        text_adds(&t, strcmp(column_text(st, 4), "none") == 0 ? "no value" : "error");
    add_data_string(b, text, sizeof text);
}

/* The bounds hold before the first check and after the last; a change makes a step. */
static void add_bounds(struct drawing *d, struct strbuf *b, struct range *range, sqlite3_stmt *st)
{
    double min = sqlite3_column_double(st, 2), max = sqlite3_column_double(st, 3);
    bool has_min = column_finite(st, 2), has_max = column_finite(st, 3);
    bool same = range->has_min == has_min && range->has_max == has_max &&
                (!has_min || (range->min >= min && range->min <= min)) &&
                (!has_max || (range->max >= max && range->max <= max));

    if (range->begun && same)
        return;
    if (range->begun)
        add_bound_point(b, sqlite3_column_double(st, 0), range);
    range->has_min = has_min;
    range->has_max = has_max;
    range->min = min;
    range->max = max;
    add_bound_point(b, range->begun ? sqlite3_column_double(st, 0) : d->from_s, range);
    range->begun = true;
}

static struct range add_metric_data(struct drawing *d, const char *metric, const char *kind)
{
    char name[32];
    struct range range = {0};
    int before = 0;

    snprintf(name, sizeof name, "metric%d.dat", d->metrics);
    struct strbuf *b = add_file(d, name);
    snprintf(name, sizeof name, "bounds%d.dat", d->metrics);
    struct strbuf *bounds = add_file(d, name);
    sqlite3_stmt *st = query(
        d, "SELECT (at_ms - epoch_ms) / 1000.0, value, min, max, verdict FROM checks "
           "JOIN runs USING (run) WHERE run = ?1 AND canary = ?2 AND metric = ?3 AND kind = ?4 "
           "ORDER BY seq");
    if (st) {
        sqlite3_bind_text(st, 3, metric, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(st, 4, kind, -1, SQLITE_TRANSIENT);
    }
    strbuf_adds(
        b, "# seconds value verdict (0 pass, 1 fail, 2 no value or error, 3 wait) label\n" NOWHERE
           " 0 9 \"\"\n\n");
    strbuf_adds(bounds, "# seconds min max\nNaN NaN NaN\n");
    while (next(d, st)) {
        int verdict = verdict_number(column_text(st, 4));
        for (int i = 1; i <= 3; i++)
            if (column_finite(st, i))
                widen(&range, sqlite3_column_double(st, i));
        add_bounds(d, bounds, &range, st);
        add_column(b, st, 0);
        strbuf_addc(b, ' ');
        add_column(b, st, 1);
        strbuf_addf(b, " %d ", verdict);
        add_check_label(b, st, verdict, before);
        strbuf_addc(b, '\n');
        before = verdict;
    }
    sqlite3_finalize(st);
    add_bound_point(bounds, d->to_s, &range);
    if (strcmp(kind, "duration") == 0)
        widen(&range, 0);
    finish_range(&range, strcmp(kind, "success-rate") == 0);
    return range;
}

static void add_bound_text(struct strbuf *b, const struct range *r, const char *unit)
{
    struct strbuf text = STRBUF_INIT;

    if (r->has_min) {
        strbuf_adds(&text, "at least ");
        add_number(&text, r->min);
        strbuf_adds(&text, unit);
    }
    if (r->has_max) {
        strbuf_adds(&text, r->has_min ? ", at most " : "at most ");
        add_number(&text, r->max);
        strbuf_adds(&text, unit);
    }
    add_quoted(b, strbuf_str(&text));
    strbuf_release(&text);
}

static void add_metric(struct drawing *d, const char *metric, const char *kind)
{
    int n = ++d->metrics;
    const char *unit = strcmp(kind, "success-rate") == 0 ? " %"
                       : strcmp(kind, "duration") == 0   ? " ms"
                                                         : "";
    struct range range = add_metric_data(d, metric, kind);

    strbuf_addf(d->script, "name[%d] = ", n);
    add_quoted(d->script, metric);
    strbuf_addf(d->script, "\nbound_text[%d] = ", n);
    add_bound_text(d->script, &range, unit);
    strbuf_addf(d->script, "\nunit[%d] = ", n);
    add_quoted(d->script, strcmp(unit, " %") == 0 ? " %%" : unit); /* part of a format */
    strbuf_addf(d->script, "\ny0[%d] = ", n);
    add_number(d->script, range.low);
    strbuf_addf(d->script, "\ny1[%d] = ", n);
    add_number(d->script, range.high);
    strbuf_addf(d->script, "\ny_step[%d] = ", n);
    add_number(d->script, tick_step(range.high - range.low));
    strbuf_addc(d->script, '\n');
}

static void add_metrics(struct drawing *d)
{
    static const char *const arrays[] = {"name", "unit",   "bound_text", "y0",
                                         "y1",   "y_step", "top_metric", "bottom_metric"};
    sqlite3_stmt *st = query(
        d, "SELECT metric, kind, min(seq) AS first FROM checks WHERE run = ?1 AND canary = ?2 "
           "GROUP BY metric, kind ORDER BY first");

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        strbuf_addf(d->script, "array %s[%d]\n", arrays[i], PICTURE_METRICS_MAX);
    while (d->metrics < PICTURE_METRICS_MAX && next(d, st))
        add_metric(d, column_text(st, 0), column_text(st, 1));
    sqlite3_finalize(st);
    strbuf_addf(d->script, "metrics = %d\n", d->metrics);
}

static void add_lanes(struct drawing *d)
{
    struct strbuf *b = add_file(d, "lanes.dat");
    sqlite3_stmt *st =
        query(d, "SELECT (at_ms - epoch_ms) / 1000.0, lane, color FROM ("
                 "SELECT at_ms, seq, 3 AS lane, iif(outcome = 'ok', '" GREEN "', '" RED
                 "') AS color FROM hooks WHERE run = ?1 AND canary = ?2 "
                 "UNION ALL SELECT at_ms, seq, 2, '" ORANGE
                 "' FROM events WHERE run = ?1 AND canary = ?2 AND type = 'Warning' "
                 "UNION ALL SELECT at_ms, seq, 1, CASE severity WHEN 'info' THEN '" BLUE
                 "' WHEN 'warn' THEN '" ORANGE "' ELSE '" RED "' END "
                 "FROM alerts WHERE run = ?1 AND canary = ?2) JOIN runs ON run = ?1 ORDER BY seq");

    strbuf_adds(b, "# seconds lane color\n" NOWHERE " 0 0\n");
    while (next(d, st)) {
        add_column(b, st, 0);
        strbuf_addf(b, " %s %s\n", column_text(st, 1), column_text(st, 2));
    }
    sqlite3_finalize(st);
}

/* ---- the script ---- */

/* Where the panels stand, from the upper edge; returns the height of the picture. */
static int add_layout(struct drawing *d)
{
    int y = 96;

    strbuf_addf(d->script, "mark_rows = %d\ntop_marks = %d\nbottom_marks = %d\n", d->mark_rows, y,
                y + 22 * d->mark_rows);
    y += 22 * d->mark_rows;
    strbuf_addf(d->script, "top_phases = %d\nbottom_phases = %d\n", y, y + 30);
    y += 30 + 40;
    strbuf_addf(d->script, "top_traffic = %d\nbottom_traffic = %d\n", y, y + 220);
    y += 220;
    for (int i = 1; i <= d->metrics; i++) {
        y += 40;
        strbuf_addf(d->script, "top_metric[%d] = %d\nbottom_metric[%d] = %d\n", i, y, i, y + 150);
        y += 150;
    }
    y += 26;
    strbuf_addf(d->script, "top_lanes = %d\nbottom_lanes = %d\n", y, y + 84);
    return y + 84 + 50;
}

static void add_terminal(struct strbuf *b, enum picture_format format, int height,
                         const char *output)
{
    switch (format) {
    case PICTURE_PNG:
        strbuf_addf(b,
                    "set terminal pngcairo noenhanced size %d,%d background '#ffffff' font 'DejaVu "
                    "Sans,11'\n",
                    WIDTH, height);
        break;
    case PICTURE_SVG:
        strbuf_addf(b,
                    "set terminal svg noenhanced size %d,%d dynamic background '#ffffff' font "
                    "'DejaVu Sans,14'\n",
                    WIDTH, height);
        break;
    case PICTURE_PDF:
        strbuf_addf(b,
                    "set terminal pdfcairo noenhanced size %d.%02din,%d.%02din background "
                    "'#ffffff' font 'DejaVu Sans,10.5' linewidth 0.8\n",
                    WIDTH / 125, WIDTH * 100 / 125 % 100, height / 125, height * 100 / 125 % 100);
        break;
    }
    strbuf_addf(b, "font_title = 'DejaVu Sans Bold,%s'\nfont_bold = 'DejaVu Sans Bold,%s'\n",
                format == PICTURE_SVG   ? "21"
                : format == PICTURE_PDF ? "16"
                                        : "17",
                format == PICTURE_SVG   ? "15"
                : format == PICTURE_PDF ? "11"
                                        : "12");
    strbuf_adds(b, "set output ");
    add_quoted(b, output);
    strbuf_addf(b, "\nwidth = %d.0\nheight = %d.0\n", WIDTH, height);
}

int picture_make(sqlite3 *db, int64_t run, int64_t canary, enum picture_format format,
                 const char *output, struct picture *ret_picture, char *reterr, size_t reterr_size)
{
    struct picture picture = {0};
    struct strbuf script = STRBUF_INIT;
    struct drawing d = {.db = db,
                        .run = run,
                        .canary = canary,
                        .picture = &picture,
                        .script = &script,
                        .reterr = reterr,
                        .reterr_size = reterr_size};
    struct strbuf *whole = add_file(&d, "timeline.gp");

    add_header(&d);
    choose_span(&d);
    add_time_axis(&d);
    add_marks(&d);
    add_phases(&d);
    add_traffic(&d);
    add_metrics(&d);
    add_lanes(&d);
    int height = add_layout(&d);
    add_terminal(whole, format, height, output);
    strbuf_adds(whole, strbuf_str(&script));
    strbuf_adds(whole, timeline_gp);
    if (script.failed && !d.failed)
        d.failed = -ENOMEM;
    strbuf_release(&script);
    for (size_t i = 0; i < picture.file_count; i++)
        if (picture.files[i].text.failed && !d.failed)
            d.failed = -ENOMEM;
    if (d.failed)
        picture_release(&picture);
    else
        *ret_picture = picture;
    return d.failed;
}

void picture_release(struct picture *p)
{
    for (size_t i = 0; i < p->file_count; i++)
        strbuf_release(&p->files[i].text);
    p->file_count = 0;
}
