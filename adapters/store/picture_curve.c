/* The operating curve of a sweep: the chance of a rollback against the true error rate. */
#include "adapters/store/drawing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reports/curve.gp.h"

#define LINES_MAX 7 /* more than that nobody tells apart */

struct curve {
    struct drawing d;
    const struct sweep_data *sweep;
    const struct sweep_choice *choice;
    size_t by;
    size_t place[SWEEP_AXES_MAX];
    int lines;
    double low, high;            /* error rates drawn, in percent */
    double healthy_to, bad_from; /* percent; where the two kinds end and begin */
};

static size_t choose_lines(const struct curve *c)
{
    const struct sweep_data *s = c->sweep;

    if (c->choice->by != SWEEP_NONE)
        return c->choice->by;
    if (s->axes[s->rps_axis].count > 1 && c->choice->only[s->rps_axis] == SWEEP_NONE)
        return s->rps_axis;
    for (size_t i = 0; i < s->rps_axis; i++)
        if (s->axes[i].count > 1 && c->choice->only[i] == SWEEP_NONE)
            return i;
    return s->rps_axis;
}

static void widen(struct curve *c, const struct sweep_point *p)
{
    double percent = p->error_rate * 100;

    if (percent < c->low || c->low < 0)
        c->low = percent;
    if (percent > c->high)
        c->high = percent;
    if (!p->bad && percent > c->healthy_to)
        c->healthy_to = percent;
    if (p->bad && (percent < c->bad_from || c->bad_from < 0))
        c->bad_from = percent;
}

static void add_point(struct strbuf *b, const struct sweep_point *p)
{
    const double values[] = {p->error_rate * 100, p->rollback, p->rollback_low, p->rollback_high};

    for (int i = 0; i < 4; i++) {
        strbuf_adds(b, i ? " " : "");
        add_rounded(b, values[i]);
    }
    strbuf_addc(b, '\n');
}

/* Points of one line in the order of their error rates. */
static void add_line(struct curve *c, size_t value)
{
    const struct sweep_axis *by = &c->sweep->axes[c->by];
    const struct sweep_axis *errors = &c->sweep->axes[c->sweep->error_axis];
    char name[32];
    double last = -1;

    snprintf(name, sizeof name, "line%d.dat", ++c->lines);
    struct strbuf *b = drawing_file(&c->d, name);
    strbuf_adds(b, "# error rate in percent, P(rollback), its interval of 95 %\n");
    strbuf_addf(&c->d.script, "name[%d] = ", c->lines);
    add_quoted(&c->d.script, by->values[value]);
    strbuf_addc(&c->d.script, '\n');
    c->place[c->by] = value;
    for (size_t i = 0; i < errors->count; i++) {
        const struct sweep_point *next = NULL;
        for (size_t k = 0; k < errors->count; k++) {
            c->place[c->sweep->error_axis] = k;
            const struct sweep_point *p = sweep_point_at(c->sweep, c->place);
            if (p && p->error_rate > last && (!next || p->error_rate < next->error_rate))
                next = p;
        }
        if (!next)
            break;
        last = next->error_rate;
        widen(c, next);
        add_point(b, next);
    }
}

/* Ticks at 1, 2 and 5 times powers of ten, or at the powers alone where there is no room. */
static void add_log_ticks(struct curve *c, int room)
{
    struct strbuf *b = &c->d.script;
    double decade = 1e-9, decades = 1;
    bool first = true;

    while (decade * 10 <= c->low)
        decade *= 10;
    for (double d = decade; d < c->high; d *= 10)
        decades++;
    int steps = decades * 3 <= room ? 3 : 1;
    strbuf_adds(b, "set xtics (");
    for (; decade <= c->high * 1.001; decade *= 10)
        for (int i = 0; i < steps; i++) {
            double at = decade * (i == 0 ? 1 : i == 1 ? 2 : 5);
            if (at < c->low * 0.999 || at > c->high * 1.001)
                continue;
            strbuf_adds(b, first ? "'" : ", '");
            add_rounded(b, at);
            strbuf_adds(b, " %%' ");
            add_rounded(b, at);
            first = false;
        }
    strbuf_adds(b, ")\n");
}

static void add_axis(struct curve *c, int room)
{
    bool log = c->low > 0 && c->high >= 10 * c->low;

    if (c->low < 0)
        c->low = c->high = 0;
    add_number_variable(&c->d.script, "logarithmic", log);
    add_number_variable(&c->d.script, "x0", log ? c->low / 1.08 : c->low);
    add_number_variable(&c->d.script, "x1",
                        log                ? c->high * 1.08
                        : c->high > c->low ? c->high + 0.03 * (c->high - c->low)
                                           : c->low + 1);
    add_number_variable(&c->d.script, "healthy_to", c->healthy_to);
    add_number_variable(&c->d.script, "bad_from", c->bad_from);
    if (log)
        add_log_ticks(c, room);
    else
        strbuf_adds(&c->d.script, "set xtics format '%g %%'\n");
}

static void add_header(struct curve *c)
{
    struct strbuf text = STRBUF_INIT;

    add_text_variable(&c->d.script, "title",
                      c->d.style.bare ? "" : "How often is a release rolled back?");
    add_text_variable(&c->d.script, "key_title", sweep_axis_label(&c->sweep->axes[c->by]));
    strbuf_adds(&text, c->sweep->canary);
    sweep_add_held(&text, c->sweep, c->place, c->by, c->sweep->error_axis);
    strbuf_adds(&text, "; bands: intervals of 95 %");
    if (c->sweep->axes[c->by].count > LINES_MAX && c->choice->only[c->by] == SWEEP_NONE)
        strbuf_addf(&text, "; the first %d of %zu", LINES_MAX, c->sweep->axes[c->by].count);
    add_text_variable(&c->d.script, "subtitle", strbuf_str(&text));
    strbuf_release(&text);
}

int picture_curve(sqlite3 *db, const struct sweep_data *sweep, const struct sweep_choice *choice,
                  const struct picture_style *style, struct picture *ret_picture, char *reterr,
                  size_t reterr_size)
{
    struct curve c = {
        .sweep = sweep, .choice = choice, .low = -1, .healthy_to = -1, .bad_from = -1};
    bool narrow;

    drawing_begin(&c.d, db, ret_picture, style, reterr, reterr_size);
    if (c.d.style.width == 0)
        c.d.style.width = PICTURE_WIDTH_SWEEP;
    narrow = c.d.style.width < PICTURE_WIDTH_SWEEP / 2;
    c.by = choose_lines(&c);
    for (size_t i = 0; i < sweep->axis_count; i++)
        c.place[i] = sweep_held(sweep, choice, i);
    strbuf_addf(&c.d.script, "narrow = %d\narray name[%d]\n", narrow, LINES_MAX);
    for (size_t i = 0; i < sweep->axes[c.by].count && c.lines < LINES_MAX; i++)
        if (choice->only[c.by] == SWEEP_NONE || choice->only[c.by] == i)
            add_line(&c, i);
    strbuf_addf(&c.d.script, "lines = %d\n", c.lines);
    add_header(&c);
    add_axis(&c, (c.d.style.width - 90) / 50);
    if (c.high <= 0 && c.low <= 0)
        drawing_fail(&c.d, -ENOENT, "an operating curve needs an error rate above 0");
    return drawing_end(&c.d, narrow ? 450 : 680, curve_gp);
}
