/* The fan chart: quantiles of the new version's share of the traffic over many rollouts. */
#include "adapters/store/drawing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reports/fan.gp.h"

#define PANELS_MAX 2

struct fan {
    struct drawing d;
    double to_s;
    struct strbuf *files[PANELS_MAX];
    double last[PANELS_MAX][5]; /* what each ends with */
    int panels;
    bool narrow;
};

static void add_quantiles(struct strbuf *b, double at_s, const double *values)
{
    add_number(b, at_s);
    for (int i = 0; i < 5; i++) {
        strbuf_addc(b, ' ');
        add_number(b, values[i]);
    }
    strbuf_addc(b, '\n');
}

/* Two points for each interval, so that filled curves make steps; the last value holds on. */
static void add_steps(struct fan *f, sqlite3_stmt *st)
{
    char name[32];
    double *values = f->last[f->panels - 1];
    bool any = false;

    snprintf(name, sizeof name, "fan%d.dat", f->panels);
    struct strbuf *b = drawing_file(&f->d, name);
    f->files[f->panels - 1] = b;
    strbuf_adds(b, "# seconds, p10, p25, median, p75, p90 of the share in percent\n");
    while (drawing_next(&f->d, st)) {
        double at = sqlite3_column_double(st, 0);
        if (any)
            add_quantiles(b, at, values);
        for (int i = 0; i < 5; i++)
            values[i] = sqlite3_column_double(st, i + 1);
        add_quantiles(b, at, values);
        any = true;
        f->to_s = at > f->to_s ? at : f->to_s;
    }
    sqlite3_finalize(st);
    if (!any)
        drawing_fail(&f->d, -ENOENT,
                     "this sweep kept no weights: sweep again with coalmine sweep --fan");
}

static void add_panel_name(struct fan *f, const char *name, const char *outcome)
{
    strbuf_addf(&f->d.script, "name[%d] = ", f->panels);
    add_quoted(&f->d.script, name);
    strbuf_addf(&f->d.script, "\noutcome[%d] = ", f->panels);
    add_quoted(&f->d.script, outcome);
    strbuf_addc(&f->d.script, '\n');
}

static void add_cell(struct fan *f, const struct sweep_data *s, const struct sweep_choice *c,
                     bool bad)
{
    size_t place[SWEEP_AXES_MAX] = {0}, error = sweep_hardest(s, c, bad);
    struct strbuf name = STRBUF_INIT, outcome = STRBUF_INIT;
    const struct sweep_point *p;

    for (size_t i = 0; i < s->axis_count; i++)
        place[i] = sweep_held(s, c, i);
    place[s->error_axis] = error;
    p = error == SWEEP_NONE ? NULL : sweep_point_at(s, place);
    if (!p)
        return;
    f->panels++;
    f->d.keys[1] = p->cell;
    add_steps(f, drawing_query(&f->d, "SELECT at_s, p10, p25, median, p75, p90 FROM sweep_fan "
                                      "WHERE sweep = ?1 AND cell = ?2 ORDER BY tick"));
    strbuf_adds(&name, bad ? "bad release: " : "healthy release: ");
    sweep_add_percent(&name, p->error_rate);
    strbuf_adds(&name, " errors");
    strbuf_addf(&outcome, "%.1f %% rolled back, %.1f %% promoted", p->rollback * 100,
                p->promote * 100);
    add_panel_name(f, strbuf_str(&name), strbuf_str(&outcome));
    strbuf_addf(&f->d.script, "shade[%d] = %d\n", f->panels, bad);
    strbuf_release(&name);
    strbuf_release(&outcome);
}

static void begin(struct fan *f, sqlite3 *db, struct picture *picture,
                  const struct picture_style *style, char *reterr, size_t reterr_size)
{
    drawing_begin(&f->d, db, picture, style, reterr, reterr_size);
    if (f->d.style.width == 0)
        f->d.style.width = PICTURE_WIDTH_SWEEP;
    f->narrow = f->d.style.width < PICTURE_WIDTH_SWEEP / 2;
    strbuf_addf(&f->d.script, "array name[%d]\narray outcome[%d]\narray shade[%d]\n", PANELS_MAX,
                PANELS_MAX, PANELS_MAX);
}

static int end(struct fan *f, const char *title, const char *subtitle)
{
    struct strbuf *b = &f->d.script;
    int plot = f->narrow ? 180 : 240, top = f->d.style.bare ? (f->narrow ? 52 : 36) : 126;
    double to_s = f->to_s > 0 ? f->to_s * 1.04 : 60;
    int step = time_step(to_s, (f->d.style.width - 130) / 70);

    for (int i = 0; i < f->panels && f->files[i]; i++)
        add_quantiles(f->files[i], to_s, f->last[i]);

    add_text_variable(b, "title", f->d.style.bare ? "" : title);
    add_text_variable(b, "subtitle", subtitle);
    add_number_variable(b, "x1", to_s);
    strbuf_addf(b, "x_step = %d\nx_format = '%s'\nx_words = '%s'\n", step,
                step < 60 ? "%tH:%tM:%tS" : "%tH:%tM", step < 60 ? "h:mm:ss" : "h:mm");
    strbuf_addf(b, "panels = %d\nnarrow = %d\ntop = %d.0\nplot_height = %d.0\n", f->panels,
                f->narrow, top, plot);
    return drawing_end(
        &f->d, top + f->panels * (plot + (f->narrow ? 92 : 64)) + (f->narrow ? 66 : 50), fan_gp);
}

int picture_fan(sqlite3 *db, const struct sweep_data *sweep, const struct sweep_choice *choice,
                const struct picture_style *style, struct picture *ret_picture, char *reterr,
                size_t reterr_size)
{
    struct strbuf text = STRBUF_INIT;
    size_t place[SWEEP_AXES_MAX] = {0};
    struct fan f = {0};
    int rc;

    begin(&f, db, ret_picture, style, reterr, reterr_size);
    f.d.keys[0] = sweep->sweep;
    add_cell(&f, sweep, choice, false);
    add_cell(&f, sweep, choice, true);
    if (f.panels == 0)
        drawing_fail(&f.d, -ENOENT, "no such cell");
    for (size_t i = 0; i < sweep->axis_count; i++)
        place[i] = sweep_held(sweep, choice, i);
    strbuf_adds(&text, sweep->canary);
    sweep_add_held(&text, sweep, place, sweep->error_axis, SWEEP_NONE);
    rc = end(&f, "How far does the new version come?", strbuf_str(&text));
    strbuf_release(&text);
    return rc;
}

int picture_run_fan(sqlite3 *db, int64_t run, int64_t canary, const struct picture_style *style,
                    struct picture *ret_picture, char *reterr, size_t reterr_size)
{
    static const char sql[] =
        "SELECT at_s, p10, p25, median, p75, p90 FROM rollout_fan JOIN canaries c "
        "ON c.run = ?1 AND c.canary = ?2 AND c.name = canary_name AND c.namespace = "
        "rollout_fan.namespace ORDER BY at_s";
    static const char outcomes[] =
        "SELECT count(*), total(result = 'succeeded'), total(result = 'failed'), c.name || '.' || "
        "c.namespace FROM canaries c JOIN summary s ON s.canary_name = c.name AND s.namespace = "
        "c.namespace WHERE c.run = ?1 AND c.canary = ?2";
    struct strbuf text = STRBUF_INIT, outcome = STRBUF_INIT;
    struct fan f = {.panels = 1};
    sqlite3_stmt *st;
    int rc;

    begin(&f, db, ret_picture, style, reterr, reterr_size);
    f.d.keys[0] = run;
    f.d.keys[1] = canary;
    st = drawing_query(&f.d, outcomes);
    if (drawing_next(&f.d, st)) {
        if (sqlite3_column_int(st, 0) == 0)
            drawing_fail(&f.d, -ENOENT, "no rollout to draw");
        strbuf_addf(&text, "%s: all %d rollouts in the database", column_text(st, 3),
                    sqlite3_column_int(st, 0));
        strbuf_addf(&outcome, "%.0f promoted, %.0f failed", sqlite3_column_double(st, 1),
                    sqlite3_column_double(st, 2));
    }
    sqlite3_finalize(st);
    if (!f.d.failed)
        add_steps(&f, drawing_query(&f.d, sql));
    add_panel_name(&f, "recorded rollouts", strbuf_str(&outcome));
    strbuf_adds(&f.d.script, "shade[1] = 0\n");
    rc = end(&f, "How far does the new version come?", strbuf_str(&text));
    strbuf_release(&text);
    strbuf_release(&outcome);
    return rc;
}
