#include "adapters/store/drawing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/text.h"
#include "reports/timeline.gp.h"

#define MARK_ROWS_MAX 3
#define STEP_LABEL_WIDTH 46 /* a weight is labelled where it stands at least that wide */

#define GREY "0x8c959f"
#define RED "0xcf222e"
#define GREEN "0x009e73"
#define ORANGE "0xd4731a"
#define BLUE "0x0969da"
#define VIOLET "0x8250df"

struct timeline {
    struct drawing d;
    double from_s, to_s;
    int left, right, plot_width; /* margins and what is between them, in pixels */
    int metrics;
    int mark_rows; /* of labels in use */
};

/* ---- time axis ---- */

/* From a little before the first thing of interest to a little after the last. */
static void choose_span(struct timeline *t)
{
    double first = drawing_number(
        &t->d,
        "SELECT min((began_ms - epoch_ms) / 1000.0) FROM rollouts JOIN runs USING (run) "
        "WHERE run = ?1 AND canary = ?2",
        0);
    double last = drawing_number(
        &t->d,
        "SELECT max((at_ms - epoch_ms) / 1000.0) FROM (SELECT at_ms FROM routes WHERE run = ?1 AND "
        "canary = ?2 "
        "UNION ALL SELECT at_ms FROM checks WHERE run = ?1 AND canary = ?2 "
        "UNION ALL SELECT at_ms FROM status WHERE run = ?1 AND canary = ?2 "
        "UNION ALL SELECT at_ms FROM world WHERE run = ?1 AND canary = ?2 "
        "UNION ALL SELECT at_ms FROM events WHERE run = ?1 AND canary = ?2) JOIN runs ON run = ?1",
        60);
    double interval = drawing_number(
        &t->d, "SELECT interval_ms / 1000.0 FROM canaries WHERE run = ?1 AND canary = ?2", 60);

    t->from_s = first - 2 * interval > 0 ? first - 2 * interval : 0;
    t->to_s = last > t->from_s ? last : t->from_s + 60;
    double room = (t->to_s - t->from_s) / 10;
    t->to_s += room > interval ? room : interval;
}

static void add_time_axis(struct timeline *t)
{
    int step = time_step(t->to_s - t->from_s, t->plot_width / 100);

    add_number_variable(&t->d.script, "x0", t->from_s);
    add_number_variable(&t->d.script, "x1", t->to_s);
    strbuf_addf(&t->d.script, "x_step = %d\nx_format = '%s'\nx_words = '%s'\n", step,
                step < 60 ? "%tH:%tM:%tS" : "%tH:%tM", step < 60 ? "h:mm:ss" : "h:mm");
    strbuf_addf(&t->d.script, "left = %d.0\nright = %d.0\n", t->left, t->right);
}

/* ---- header ---- */

/* A failed promotion leaves the traffic on the canary. */
#define LAST_WEIGHT                                                                                \
    "SELECT canary_weight FROM weights WHERE run = ?1 AND canary = ?2 ORDER BY from_s DESC, to_s " \
    "DESC LIMIT 1"

static void add_verdict(struct timeline *t)
{
    sqlite3_stmt *st = drawing_query(
        &t->d, "SELECT result, took_s, reacted_s, failed_checks FROM summary JOIN canaries c "
               "USING (run) WHERE run = ?1 AND c.canary = ?2 AND canary_name = c.name AND "
               "summary.namespace = c.namespace ORDER BY rollout DESC LIMIT 1");
    struct strbuf text = STRBUF_INIT;
    const char *color = "#57606a";

    if (drawing_next(&t->d, st)) {
        const char *result = column_text(st, 0);
        if (strcmp(result, "succeeded") == 0) {
            strbuf_adds(&text, "promoted after ");
            color = "#00795a";
        } else if (strcmp(result, "failed") == 0) {
            bool back = drawing_number(&t->d, LAST_WEIGHT, 0) <= 0;
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
    add_text_variable(&t->d.script, "verdict", t->d.style.bare ? "" : strbuf_str(&text));
    add_text_variable(&t->d.script, "verdict_color", color);
    strbuf_release(&text);
}

static void add_header(struct timeline *t)
{
    sqlite3_stmt *st = drawing_query(
        &t->d,
        "SELECT coalesce(runs.title, runs.name), c.name || '.' || c.namespace, strategy, provider, "
        "interval_ms / 1000.0, threshold, profile FROM canaries c JOIN runs USING (run) "
        "WHERE run = ?1 AND canary = ?2");
    struct strbuf text = STRBUF_INIT;

    if (!drawing_next(&t->d, st)) {
        sqlite3_finalize(st);
        drawing_fail(&t->d, -ENOENT, "no such Canary");
        return;
    }
    add_text_variable(&t->d.script, "title", t->d.style.bare ? "" : column_text(st, 0));
    strbuf_addf(&text, "%s: %s on %s, a tick every ", column_text(st, 1), column_text(st, 2),
                column_text(st, 3));
    add_duration_text(&text, sqlite3_column_double(st, 4));
    strbuf_addf(&text, ", rolled back after %d failed checks, profile %s",
                sqlite3_column_int(st, 5), column_text(st, 6));
    add_text_variable(&t->d.script, "subtitle", t->d.style.bare ? "" : strbuf_str(&text));
    strbuf_release(&text);
    sqlite3_finalize(st);
    add_verdict(t);
}

/* ---- the panels ---- */

/* What came from outside and how it ended, with labels that do not cover each other where three
 * rows allow. */
static void add_marks(struct timeline *t)
{
    struct strbuf *b = drawing_file(&t->d, "marks.dat");
    double free_from[MARK_ROWS_MAX] = {-1e18, -1e18, -1e18};
    double per_char = (t->to_s - t->from_s) * CHAR_WIDTH / t->plot_width;
    sqlite3_stmt *st = drawing_query(
        &t->d,
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

    t->mark_rows = 1;
    strbuf_adds(b, "# seconds color row side label\n" NOWHERE " 0 0 0 \"\"\n");
    while (drawing_next(&t->d, st)) {
        double at = sqlite3_column_double(st, 0), from = at, wide;
        const char *label = column_text(st, 1);
        size_t len = strlen(label), room = (size_t)((t->to_s - at) / per_char + 4);
        bool left_of = false;
        int row = 0;
        if (at < t->from_s)
            continue;
        wide = (double)(len + 1) * per_char;
        if (len > room && at - wide > t->from_s) { /* it would end behind the picture */
            left_of = true;
            from = at - wide;
        } else if (len > room) {
            len = room;
        }
        for (int i = 1; i < MARK_ROWS_MAX && free_from[row] > from; i++)
            if (free_from[i] <= from || free_from[i] < free_from[row])
                row = i;
        if (row >= t->mark_rows)
            t->mark_rows = row + 1;
        free_from[row] = left_of ? at + 2 * per_char : at + (double)(len + 2) * per_char;
        add_number(b, at);
        strbuf_addf(b, " %s %d %d ", column_text(st, 2), row, left_of);
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

static void add_phases(struct timeline *t)
{
    struct strbuf *b = drawing_file(&t->d, "phases.dat");
    sqlite3_stmt *st = drawing_query(
        &t->d, "SELECT from_s, to_s, phase, row_number() OVER (ORDER BY from_s DESC) = 1 "
               "FROM phases WHERE run = ?1 AND canary = ?2 ORDER BY from_s");

    strbuf_adds(b, "# from to color label\n" NOWHERE " " NOWHERE " 0 \"\"\n");
    while (drawing_next(&t->d, st)) {
        double from = sqlite3_column_double(st, 0), to = sqlite3_column_double(st, 1);
        const char *phase = column_text(st, 2);
        if (from < t->from_s)
            from = t->from_s;
        if (to > t->to_s || sqlite3_column_int(st, 3))
            to = t->to_s;
        if (to <= from)
            continue;
        add_number(b, from);
        strbuf_addc(b, ' ');
        add_number(b, to);
        strbuf_addf(b, " %s ", phase_color(phase));
        /* A label that does not fit its band is left out. */
        bool fits = (to - from) / (t->to_s - t->from_s) * t->plot_width >
                    (double)(strlen(phase) * CHAR_WIDTH);
        add_data_string(b, fits ? phase : "", strlen(phase));
        strbuf_addc(b, '\n');
    }
    sqlite3_finalize(st);
}

/* Two points for each interval, so that filled curves make steps; and its label where there is
 * room. */
static void add_step(struct timeline *t, struct strbuf *traffic, struct strbuf *labels, double from,
                     double to, int weight, bool mirror)
{
    double pixels = (to - from) / (t->to_s - t->from_s) * t->plot_width;

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

static void add_traffic(struct timeline *t)
{
    struct strbuf *b = drawing_file(&t->d, "traffic.dat"),
                  *labels = drawing_file(&t->d, "steps.dat");
    sqlite3_stmt *st = drawing_query(
        &t->d, "SELECT from_s, canary_weight, mirror FROM weights WHERE run = ?1 AND canary = ?2 "
               "ORDER BY from_s");
    double since = t->from_s;
    int weight = 0;
    bool mirror = false;

    strbuf_adds(b, "# seconds canary mirrored\n");
    strbuf_adds(labels, "# seconds height label\n" NOWHERE " 0 \"\"\n");
    while (drawing_next(&t->d, st)) {
        double at = sqlite3_column_double(st, 0);
        bool same =
            weight == sqlite3_column_int(st, 1) && mirror == (sqlite3_column_int(st, 2) != 0);
        if (at > since && !same) {
            add_step(t, b, labels, since, at, weight, mirror);
            since = at;
        }
        weight = sqlite3_column_int(st, 1);
        mirror = sqlite3_column_int(st, 2) != 0;
    }
    add_step(t, b, labels, since, t->to_s, weight, mirror);
    sqlite3_finalize(st);
    b = drawing_file(&t->d, "outages.dat");
    strbuf_adds(b, "# from to label\n" NOWHERE " " NOWHERE " \"\"\n");
    st = drawing_query(
        &t->d, "SELECT (at_ms - epoch_ms) / 1000.0, (coalesce(lead(at_ms) OVER (ORDER BY seq), "
               "end_ms) - epoch_ms) / 1000.0, lost "
               "FROM outages JOIN runs USING (run) WHERE run = ?1 AND canary = ?2 ORDER BY seq");
    while (drawing_next(&t->d, st)) {
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
static void add_bounds(struct timeline *t, struct strbuf *b, struct range *range, sqlite3_stmt *st)
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
    add_bound_point(b, range->begun ? sqlite3_column_double(st, 0) : t->from_s, range);
    range->begun = true;
}

static struct range add_metric_data(struct timeline *t, const char *metric, const char *kind)
{
    char name[32];
    struct range range = {0};
    int before = 0;

    snprintf(name, sizeof name, "metric%d.dat", t->metrics);
    struct strbuf *b = drawing_file(&t->d, name);
    snprintf(name, sizeof name, "bounds%d.dat", t->metrics);
    struct strbuf *bounds = drawing_file(&t->d, name);
    sqlite3_stmt *st = drawing_query(
        &t->d, "SELECT (at_ms - epoch_ms) / 1000.0, value, min, max, verdict FROM checks "
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
    while (drawing_next(&t->d, st)) {
        int verdict = verdict_number(column_text(st, 4));
        for (int i = 1; i <= 3; i++)
            if (column_finite(st, i))
                widen(&range, sqlite3_column_double(st, i));
        add_bounds(t, bounds, &range, st);
        add_column(b, st, 0);
        strbuf_addc(b, ' ');
        add_column(b, st, 1);
        strbuf_addf(b, " %d ", verdict);
        add_check_label(b, st, verdict, before);
        strbuf_addc(b, '\n');
        before = verdict;
    }
    sqlite3_finalize(st);
    add_bound_point(bounds, t->to_s, &range);
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

static void add_metric(struct timeline *t, const char *metric, const char *kind)
{
    int n = ++t->metrics;
    const char *unit = strcmp(kind, "success-rate") == 0 ? " %"
                       : strcmp(kind, "duration") == 0   ? " ms"
                                                         : "";
    struct range range = add_metric_data(t, metric, kind);

    strbuf_addf(&t->d.script, "name[%d] = ", n);
    add_quoted(&t->d.script, metric);
    strbuf_addf(&t->d.script, "\nbound_text[%d] = ", n);
    add_bound_text(&t->d.script, &range, unit);
    strbuf_addf(&t->d.script, "\nunit[%d] = ", n);
    add_quoted(&t->d.script, strcmp(unit, " %") == 0 ? " %%" : unit); /* part of a format */
    strbuf_addf(&t->d.script, "\ny0[%d] = ", n);
    add_number(&t->d.script, range.low);
    strbuf_addf(&t->d.script, "\ny1[%d] = ", n);
    add_number(&t->d.script, range.high);
    strbuf_addf(&t->d.script, "\ny_step[%d] = ", n);
    add_number(&t->d.script, tick_step(range.high - range.low));
    strbuf_addc(&t->d.script, '\n');
}

static void add_metrics(struct timeline *t)
{
    static const char *const arrays[] = {"name", "unit",   "bound_text", "y0",
                                         "y1",   "y_step", "top_metric", "bottom_metric"};
    sqlite3_stmt *st = drawing_query(
        &t->d, "SELECT metric, kind, min(seq) AS first FROM checks WHERE run = ?1 AND canary = ?2 "
               "GROUP BY metric, kind ORDER BY first");

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        strbuf_addf(&t->d.script, "array %s[%d]\n", arrays[i], PICTURE_METRICS_MAX);
    while (t->metrics < PICTURE_METRICS_MAX && drawing_next(&t->d, st))
        add_metric(t, column_text(st, 0), column_text(st, 1));
    sqlite3_finalize(st);
    strbuf_addf(&t->d.script, "metrics = %d\n", t->metrics);
}

static void add_lanes(struct timeline *t)
{
    struct strbuf *b = drawing_file(&t->d, "lanes.dat");
    sqlite3_stmt *st = drawing_query(
        &t->d, "SELECT (at_ms - epoch_ms) / 1000.0, lane, color FROM ("
               "SELECT at_ms, seq, 3 AS lane, iif(outcome = 'ok', '" GREEN "', '" RED
               "') AS color FROM hooks WHERE run = ?1 AND canary = ?2 "
               "UNION ALL SELECT at_ms, seq, 2, '" ORANGE
               "' FROM events WHERE run = ?1 AND canary = ?2 AND type = 'Warning' "
               "UNION ALL SELECT at_ms, seq, 1, CASE severity WHEN 'info' THEN '" BLUE
               "' WHEN 'warn' THEN '" ORANGE "' ELSE '" RED "' END "
               "FROM alerts WHERE run = ?1 AND canary = ?2) JOIN runs ON run = ?1 ORDER BY seq");

    strbuf_adds(b, "# seconds lane color\n" NOWHERE " 0 0\n");
    while (drawing_next(&t->d, st)) {
        add_column(b, st, 0);
        strbuf_addf(b, " %s %s\n", column_text(st, 1), column_text(st, 2));
    }
    sqlite3_finalize(st);
}

/* ---- the script ---- */

/* Where the panels stand, from the upper edge; returns the height of the picture. */
static int add_layout(struct timeline *t)
{
    int y = t->d.style.bare ? 6 : 96;

    strbuf_addf(&t->d.script, "mark_rows = %d\ntop_marks = %d\nbottom_marks = %d\n", t->mark_rows,
                y, y + 22 * t->mark_rows);
    y += 22 * t->mark_rows;
    strbuf_addf(&t->d.script, "top_phases = %d\nbottom_phases = %d\n", y, y + 30);
    y += 30 + 40;
    strbuf_addf(&t->d.script, "top_traffic = %d\nbottom_traffic = %d\n", y, y + 220);
    y += 220;
    for (int i = 1; i <= t->metrics; i++) {
        y += 40;
        strbuf_addf(&t->d.script, "top_metric[%d] = %d\nbottom_metric[%d] = %d\n", i, y, i,
                    y + 150);
        y += 150;
    }
    y += 26;
    strbuf_addf(&t->d.script, "top_lanes = %d\nbottom_lanes = %d\n", y, y + 84);
    return y + 84 + 50;
}

int picture_timeline(sqlite3 *db, int64_t run, int64_t canary, const struct picture_style *style,
                     struct picture *ret_picture, char *reterr, size_t reterr_size)
{
    struct timeline t = {.left = 150, .right = 40};

    drawing_begin(&t.d, db, ret_picture, style, reterr, reterr_size);
    t.d.keys[0] = run;
    t.d.keys[1] = canary;
    if (t.d.style.width == 0)
        t.d.style.width = PICTURE_WIDTH;
    if (t.d.style.width < PICTURE_WIDTH / 2) {
        t.left = 86;
        t.right = 24;
    }
    t.plot_width = t.d.style.width - t.left - t.right;
    add_header(&t);
    choose_span(&t);
    add_time_axis(&t);
    add_marks(&t);
    add_phases(&t);
    add_traffic(&t);
    add_metrics(&t);
    add_lanes(&t);
    return drawing_end(&t.d, add_layout(&t), timeline_gp);
}
