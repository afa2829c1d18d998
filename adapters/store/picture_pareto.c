/* The Pareto front of a sweep: false rollbacks against what a bad release costs. */
#include "adapters/store/drawing.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/pareto.gp.h"

#define NUMBERED_MAX 12
#define LABEL_NEAR 15 /* pixels: numbers of points closer than that stand side by side */
#define MISS_MAX 0.05 /* as in the view sweep_front */

static const struct {
    const char *column, *words, *short_words, *heading, *unit;
} figures[] = {
    [FIGURE_BAD_REQUESTS] = {"bad_requests", "failed requests before the verdict on a bad release",
                             "failed requests before the verdict", "failed requests", ""},
    [FIGURE_DETECTION] = {"detection_s", "minutes until a bad release is rolled back (median)",
                          "minutes until rolled back", "rolled back after", " min"},
    [FIGURE_DURATION] = {"duration_s", "minutes until a healthy release is promoted (median)",
                         "minutes until promoted", "promoted after", " min"},
};

struct policy_point {
    const struct sweep_point *at;
    double x, y, miss; /* x in percent */
    bool front;
};

struct pareto {
    struct drawing d;
    const struct sweep_data *sweep;
    const struct sweep_choice *choice;
    double rps, healthy, bad; /* what the policies were tried with */
    struct policy_point *points;
    size_t count;
    double most_x, most_y;
    int numbered, unnumbered;
    bool narrow;
};

/* ---- the policies ---- */

static void choose_pair(struct pareto *p)
{
    const struct sweep_data *s = p->sweep;
    size_t rps = sweep_held(s, p->choice, s->rps_axis);
    size_t healthy = sweep_hardest(s, p->choice, false), bad = sweep_hardest(s, p->choice, true);

    if (healthy == SWEEP_NONE || bad == SWEEP_NONE) {
        drawing_fail(&p->d, -ENOENT,
                     "a Pareto front needs cells of a healthy and of a bad release: coalmine sweep "
                     "--error-rate with one rate that the metrics allow and one that they do not");
        return;
    }
    for (size_t i = 0; i < s->point_count; i++) {
        const struct sweep_point *q = &s->points[i];
        if (q->place[s->rps_axis] == rps)
            p->rps = q->rps;
        if (q->place[s->error_axis] == healthy)
            p->healthy = q->error_rate;
        if (q->place[s->error_axis] == bad)
            p->bad = q->error_rate;
    }
}

static sqlite3_stmt *query_policies(struct pareto *p)
{
    struct strbuf sql = STRBUF_INIT;
    sqlite3_stmt *st;

    strbuf_addf(&sql,
                "SELECT healthy_cell, false_rollback, miss, %s FROM sweep_policies "
                "WHERE sweep = ?1 AND rps = ?3 AND healthy_error_rate = ?4 AND bad_error_rate = ?5 "
                "AND %s IS NOT NULL ORDER BY false_rollback, %s, healthy_cell",
                figures[p->choice->figure].column, figures[p->choice->figure].column,
                figures[p->choice->figure].column);
    st = drawing_query(&p->d, strbuf_str(&sql));
    strbuf_release(&sql);
    if (st) {
        sqlite3_bind_double(st, 3, p->rps);
        sqlite3_bind_double(st, 4, p->healthy);
        sqlite3_bind_double(st, 5, p->bad);
    }
    return st;
}

/* In the order of false rollbacks, then of the figure. */
static void read_policies(struct pareto *p)
{
    double unit = p->choice->figure == FIGURE_BAD_REQUESTS ? 1 : 60;
    sqlite3_stmt *st = query_policies(p);

    p->points = calloc(p->sweep->point_count + 1, sizeof *p->points);
    if (!p->points)
        drawing_fail(&p->d, -ENOMEM, "out of memory");
    while (p->points && p->count < p->sweep->point_count && drawing_next(&p->d, st)) {
        struct policy_point *q = &p->points[p->count];
        q->at = sweep_point_of(p->sweep, sqlite3_column_int64(st, 0));
        if (!q->at || !sweep_point_chosen(p->sweep, p->choice, q->at))
            continue;
        q->x = sqlite3_column_double(st, 1) * 100;
        q->miss = sqlite3_column_double(st, 2);
        q->y = sqlite3_column_double(st, 3) / unit;
        p->most_x = q->x > p->most_x ? q->x : p->most_x;
        p->most_y = q->y > p->most_y ? q->y : p->most_y;
        p->count++;
    }
    sqlite3_finalize(st);
    if (p->count == 0)
        drawing_fail(&p->d, -ENOENT, "no settings to compare");
}

/* As the view sweep_front has it, but among the settings shown: less than all with fewer false
 * rollbacks, no more than all with as many. */
static void find_front(struct pareto *p)
{
    double fewer = (double)INFINITY, same = (double)INFINITY, x = -1;

    for (size_t i = 0; i < p->count; i++) {
        struct policy_point *q = &p->points[i];
        if (q->miss > MISS_MAX)
            continue;
        if (q->x > x) {
            fewer = same < fewer ? same : fewer;
            same = q->y; /* the least of them: they are sorted */
            x = q->x;
        }
        q->front = q->y <= same && q->y < fewer;
    }
}

/* ---- data ---- */

static void add_pair(struct strbuf *b, const struct policy_point *q)
{
    add_rounded(b, q->x);
    strbuf_addc(b, ' ');
    add_rounded(b, q->y);
}

/* A line of the table below the picture: number, settings, figures. */
static void add_legend(struct pareto *p, struct strbuf *b, const struct policy_point *q)
{
    struct strbuf text = STRBUF_INIT;

    sweep_add_settings(&text, p->sweep, q->at->place, SWEEP_NONE, SWEEP_NONE);
    if (text.len == 0)
        strbuf_adds(&text, "as it stands");
    strbuf_addf(b, "%d ", p->numbered);
    add_data_string(b, strbuf_str(&text), text.len);
    strbuf_addf(b, " \"%.2f %%\" \"%.2f %%\" \"%.1f%s\"\n", q->x, q->miss * 100, q->y,
                figures[p->choice->figure].unit);
    strbuf_release(&text);
}

static bool is_near(const struct pareto *p, const struct policy_point *a,
                    const struct policy_point *b)
{
    double across = p->d.style.width / sqrt(p->most_x > 0 ? p->most_x : 1);
    double up = 400 / (p->most_y > 0 ? p->most_y : 1);

    return (sqrt(b->x) - sqrt(a->x)) * across < LABEL_NEAR && (a->y - b->y) * up < LABEL_NEAR;
}

/* From left to right. A number is written at the first of points that stand close together. */
static void add_front(struct pareto *p, struct strbuf *b, struct strbuf *legend)
{
    for (size_t i = 0, next; i < p->count; i = next) {
        struct strbuf label = STRBUF_INIT;

        next = i + 1;
        if (!p->points[i].front)
            continue;
        for (size_t k = i; k < p->count; k++) {
            const struct policy_point *q = &p->points[k];
            if (!q->front)
                continue;
            if (k > i && !is_near(p, &p->points[i], q))
                break;
            next = k + 1;
            if (p->numbered == NUMBERED_MAX) {
                p->unnumbered++;
                continue;
            }
            strbuf_addf(&label, "%s%d", label.len ? ", " : "", ++p->numbered);
            add_legend(p, legend, q);
        }
        for (size_t k = i; k < next; k++)
            if (p->points[k].front) {
                add_pair(b, &p->points[k]);
                strbuf_addf(b, " \"%s\"\n", k == i ? strbuf_str(&label) : "");
            }
        strbuf_release(&label);
    }
}

static void add_points(struct pareto *p)
{
    struct strbuf *front = drawing_file(&p->d, "front.dat");
    struct strbuf *dominated = drawing_file(&p->d, "dominated.dat");
    struct strbuf *missing = drawing_file(&p->d, "missing.dat");
    struct strbuf *legend = drawing_file(&p->d, "legend.dat");

    strbuf_adds(front, "# false rollbacks in percent, figure, number\n" NOWHERE " 0 \"\"\n\n");
    strbuf_adds(dominated, "# false rollbacks in percent, figure\n" NOWHERE " 0\n");
    strbuf_adds(missing, "# those that let more than 5 % of bad releases through\n" NOWHERE " 0\n");
    strbuf_adds(legend, "# number, settings, false rollbacks, misses, figure\n" NOWHERE
                        " \"\" \"\" \"\" \"\"\n");
    for (size_t i = 0; i < p->count; i++) {
        const struct policy_point *q = &p->points[i];

        if (q->front)
            continue;
        struct strbuf *b = q->miss > MISS_MAX ? missing : dominated;
        add_pair(b, q);
        strbuf_addc(b, '\n');
    }
    add_front(p, front, legend);
}

/* ---- the script ---- */

/* False rollbacks on a scale of roots: small chances matter most, and zero has its place. */
static void add_ticks(struct pareto *p, int room)
{
    static const double ticks[] = {0, 0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 50, 75, 100};
    double most = sqrt(p->most_x > 0.01 ? p->most_x * 1.05 : 0.0105), last = -1e9;
    struct strbuf *b = &p->d.script;

    strbuf_adds(b, "set xtics (");
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        double at = sqrt(ticks[i]) / most * room;
        if (at > room || at < last + 56)
            continue;
        strbuf_adds(b, last < 0 ? "'" : ", '");
        add_number(b, ticks[i]);
        strbuf_adds(b, " %%' ");
        add_rounded(b, sqrt(ticks[i]));
        last = at;
    }
    strbuf_adds(b, ")\n");
    strbuf_adds(b, "x1 = ");
    add_rounded(b, most);
    strbuf_addc(b, '\n');
}

static void add_header(struct pareto *p)
{
    struct strbuf *b = &p->d.script, text = STRBUF_INIT;

    add_text_variable(b, "title", p->d.style.bare ? "" : "Which settings are worth having?");
    strbuf_addf(&text, "%s; ", p->sweep->canary);
    sweep_add_traffic(&text, p->rps);
    strbuf_adds(&text, "; healthy: ");
    sweep_add_percent(&text, p->healthy);
    strbuf_adds(&text, " errors, bad: ");
    sweep_add_percent(&text, p->bad);
    add_text_variable(b, "subtitle", strbuf_str(&text));
    add_text_variable(b, "y_title",
                      p->narrow ? figures[p->choice->figure].short_words
                                : figures[p->choice->figure].words);
    add_text_variable(b, "heading", figures[p->choice->figure].heading);
    add_number_variable(b, "y1", p->most_y > 0 ? p->most_y * 1.08 : 1);
    strbuf_addf(b, "numbered = %d\nnarrow = %d\n", p->numbered, p->narrow);
    strbuf_release(&text);
}

int picture_pareto(sqlite3 *db, const struct sweep_data *sweep, const struct sweep_choice *choice,
                   const struct picture_style *style, struct picture *ret_picture, char *reterr,
                   size_t reterr_size)
{
    struct pareto p = {.sweep = sweep, .choice = choice};

    drawing_begin(&p.d, db, ret_picture, style, reterr, reterr_size);
    p.d.keys[0] = sweep->sweep;
    if (p.d.style.width == 0)
        p.d.style.width = PICTURE_WIDTH_SWEEP;
    p.narrow = p.d.style.width < PICTURE_WIDTH_SWEEP / 2;
    choose_pair(&p);
    if (!p.d.failed)
        read_policies(&p);
    find_front(&p);
    add_points(&p);
    add_header(&p);
    add_ticks(&p, p.d.style.width - (p.narrow ? 80 : 140));
    free(p.points);
    int table = p.d.style.bare ? 0 : 26 * (p.numbered + 1 + (p.unnumbered > 0)) + 20;
    strbuf_addf(&p.d.script, "unnumbered = %d\n", p.unnumbered);
    strbuf_addf(&p.d.script, "table = %d.0\n", table);
    return drawing_end(&p.d, (p.narrow ? 430 : 620) + table, pareto_gp);
}
