/* The page of a sweep: settings ranked, and every picture that its cells allow. */
#include "adapters/store/page_parts.h"

#include <stdio.h>
#include <string.h>

#include "reports/page-sweep.html.h"

#define ROWS_MAX 20 /* the rest is in the database */

struct sweep_page {
    struct page p; /* the first: page_table hands it back */
    const struct sweep_data *sweep;
    const struct sweep_choice *choice;
    double rps, healthy, bad; /* what the settings are compared at; below 0: there is none */
};

/* ---- what is compared ---- */

static void choose_pair(struct sweep_page *s)
{
    const struct sweep_data *d = s->sweep;
    size_t rps = sweep_held(d, s->choice, d->rps_axis);
    size_t healthy = sweep_hardest(d, s->choice, false), bad = sweep_hardest(d, s->choice, true);

    s->rps = s->healthy = s->bad = -1;
    for (size_t i = 0; i < d->point_count; i++) {
        const struct sweep_point *q = &d->points[i];
        if (q->place[d->rps_axis] == rps)
            s->rps = q->rps;
        if (q->place[d->error_axis] == healthy)
            s->healthy = q->error_rate;
        if (q->place[d->error_axis] == bad)
            s->bad = q->error_rate;
    }
}

/* ?3 = requests per second, ?4 and ?5 = the two error rates. */
static sqlite3_stmt *query_pair(struct sweep_page *s, const char *sql)
{
    sqlite3_stmt *st = drawing_query(&s->p.d, sql);

    if (st) {
        sqlite3_bind_double(st, 3, s->rps);
        sqlite3_bind_double(st, 4, s->healthy);
        sqlite3_bind_double(st, 5, s->bad);
    }
    return st;
}

static void add_rate(struct strbuf *b, const char *name, double rate, const char *before)
{
    if (rate < 0)
        return;
    strbuf_addf(b, "%s%s ", before, name);
    sweep_add_percent(b, rate);
}

static void add_pair(struct sweep_page *s)
{
    struct strbuf text = STRBUF_INIT;

    sweep_add_traffic(&text, s->rps);
    add_rate(&text, "errors of a healthy release", s->healthy, ", ");
    add_rate(&text, "of a bad one", s->bad, ", ");
    html_add(page_slot(&s->p, "pair"), strbuf_str(&text));
    strbuf_release(&text);
}

static void add_settings(struct page *p, struct strbuf *out, int64_t cell)
{
    const struct sweep_page *s = (const struct sweep_page *)p;
    const struct sweep_point *q = sweep_point_of(s->sweep, cell);
    size_t before = out->len;

    if (q)
        sweep_add_settings(out, s->sweep, q->place, SWEEP_NONE, SWEEP_NONE);
    if (out->len == before)
        strbuf_adds(out, "as it stands");
}

/* ---- words ---- */

static size_t settings_count(const struct sweep_data *d)
{
    size_t count = 1;

    for (size_t i = 0; i < d->rps_axis; i++)
        count *= d->axes[i].count;
    return count;
}

static void add_headline(struct sweep_page *s)
{
    sqlite3_stmt *st = query_pair(
        s,
        "SELECT first_cell, false_rollback, miss FROM sweep_ranking r LEFT JOIN sweep_policies p "
        "ON p.sweep = r.sweep AND p.settings = r.settings AND p.rps = ?3 AND "
        "healthy_error_rate = ?4 AND bad_error_rate = ?5 WHERE r.sweep = ?1 ORDER BY rank LIMIT "
        "1");
    struct strbuf head = STRBUF_INIT, why = STRBUF_INIT;
    size_t count = settings_count(s->sweep);

    if (drawing_next(&s->p.d, st)) {
        if (count > 1) {
            strbuf_addf(&head, "Of %zu settings, the one that errs least: ", count);
            add_settings(&s->p, &head, sqlite3_column_int64(st, 0));
        } else {
            strbuf_addf(&head, "How often does the policy of %s err?", s->sweep->canary);
        }
        if (sqlite3_column_type(st, 1) != SQLITE_NULL) {
            strbuf_adds(&why, "With ");
            sweep_add_traffic(&why, s->rps);
            strbuf_addf(&why, " it rolls back %.2f %% of the releases in which ",
                        sqlite3_column_double(st, 1) * 100);
            sweep_add_percent(&why, s->healthy);
            strbuf_addf(&why, " of the requests fail, and promotes %.2f %% of those in which ",
                        sqlite3_column_double(st, 2) * 100);
            sweep_add_percent(&why, s->bad);
            strbuf_adds(&why, " do.");
        }
    }
    sqlite3_finalize(st);
    html_add(page_slot(&s->p, "headline"), strbuf_str(&head));
    struct strbuf *out = page_slot(&s->p, "why");
    if (why.len > 0) {
        strbuf_adds(out, "<p>");
        html_add(out, strbuf_str(&why));
        strbuf_adds(out, "</p>");
    }
    strbuf_release(&head);
    strbuf_release(&why);
}

static void add_list(struct strbuf *b, const struct sweep_axis *a)
{
    for (size_t i = 0; i < a->count && i < 12; i++)
        strbuf_addf(b, "%s%s", i ? ", " : "", a->values[i]);
    if (a->count > 12)
        strbuf_addf(b, " and %zu more", a->count - 12);
}

static void add_facts(struct sweep_page *s)
{
    const struct sweep_data *d = s->sweep;
    struct strbuf *out = page_slot(&s->p, "facts"), text = STRBUF_INIT;
    double least = 0, most = 0;

    for (size_t i = 0; i < d->axis_count; i++) {
        strbuf_clear(&text);
        if (i == d->error_axis) {
            for (size_t k = 0; k < d->axes[i].count && k < 12; k++)
                for (size_t q = 0; q < d->point_count; q++)
                    if (d->points[q].place[i] == k) {
                        strbuf_adds(&text, k ? ", " : "");
                        sweep_add_percent(&text, d->points[q].error_rate);
                        break;
                    }
        } else {
            add_list(&text, &d->axes[i]);
        }
        page_fact(out, i == d->error_axis ? "error rates" : sweep_axis_label(&d->axes[i]),
                  strbuf_str(&text));
    }
    for (size_t i = 0; i < d->point_count; i++) {
        double runs = d->points[i].runs;
        least = i == 0 || runs < least ? runs : least;
        most = runs > most ? runs : most;
    }
    strbuf_clear(&text);
    add_rounded(&text, least);
    if (most > least) {
        strbuf_adds(&text, " to ");
        add_rounded(&text, most);
    }
    html_add(page_slot(&s->p, "runs"), strbuf_str(&text));
    page_fact(out, "rollouts for each cell", strbuf_str(&text));
    strbuf_clear(&text);
    strbuf_addf(&text, "%lld", (long long)d->seed);
    page_fact(out, "seed", strbuf_str(&text));
    strbuf_release(&text);
}

static void add_names(struct sweep_page *s)
{
    struct strbuf *title = page_slot(&s->p, "title"), *kicker = page_slot(&s->p, "kicker");

    html_add(title, s->sweep->canary);
    strbuf_adds(title, ": what-if");
    strbuf_adds(kicker, "What-if of ");
    html_add(kicker, s->sweep->canary);
    strbuf_addf(kicker, " · sweep %lld, %zu cells", (long long)s->sweep->sweep,
                s->sweep->point_count);
    if ((int64_t)s->sweep->point_count < s->sweep->cells)
        strbuf_addf(kicker, " of %lld (a shard)", (long long)s->sweep->cells);
    strbuf_adds(page_slot(&s->p, "again"),
                "sqlite3 -box sweep.db &quot;SELECT * FROM sweep_policies&quot;");
}

/* ---- tables ---- */

#define CHANCE(p)                                                                                  \
    "iif(" p " IS NULL, NULL, printf('%.2f %% [%.2f, %.2f]', 100 * " p ", 100 * " p                \
    "_low, 100 * " p "_high))"

static const char sql_ranking[] = "SELECT rank, first_cell, " CHANCE("false_rollback") ", " CHANCE(
    "miss") ", "
            "detection_s, round(bad_requests, 1), duration_s FROM sweep_ranking r "
            "LEFT JOIN sweep_policies p ON p.sweep = r.sweep AND p.settings = r.settings AND p.rps "
            "= ?3 "
            "AND healthy_error_rate = ?4 AND bad_error_rate = ?5 WHERE r.sweep = ?1 ORDER BY rank";

static const char sql_front[] =
    "SELECT row_number() OVER (ORDER BY false_rollback, healthy_cell), healthy_cell, "
    "false_rollback, miss, round(bad_requests, 1), detection_s, duration_s FROM sweep_front "
    "WHERE sweep = ?1 AND rps = ?3 AND healthy_error_rate = ?4 AND bad_error_rate = ?5 "
    "AND front_bad_requests ORDER BY 1";

static void add_tables(struct sweep_page *s)
{
    static const struct page_column ranking[] = {{"rank", PAGE_NUMBER},
                                                 {"settings", PAGE_SETTINGS},
                                                 {"false rollback", PAGE_TEXT},
                                                 {"miss", PAGE_TEXT},
                                                 {"rolled back after", PAGE_DURATION},
                                                 {"failed requests", PAGE_NUMBER},
                                                 {"promoted after", PAGE_DURATION}};
    static const struct page_column front[] = {{"no.", PAGE_NUMBER},
                                               {"settings", PAGE_SETTINGS},
                                               {"false rollback", PAGE_PERCENT},
                                               {"miss", PAGE_PERCENT},
                                               {"failed requests", PAGE_NUMBER},
                                               {"rolled back after", PAGE_DURATION},
                                               {"promoted after", PAGE_DURATION}};

    page_table(&s->p, page_slot(&s->p, "ranking"), query_pair(s, sql_ranking), ranking, 7,
               "Chances with their interval of 95 %; times are medians", ROWS_MAX);
    page_table(&s->p, page_slot(&s->p, "front"), query_pair(s, sql_front), front, 7,
               "The settings on the line, by their numbers in the picture", ROWS_MAX);
}

/* ---- pictures ---- */

#define DRAW(name)                                                                                 \
    static int draw_##name(sqlite3 *db, const void *of, const struct picture_style *style,         \
                           struct picture *ret_picture, char *reterr, size_t reterr_size)          \
    {                                                                                              \
        const struct sweep_page *s = of;                                                           \
                                                                                                   \
        return picture_##name(db, s->sweep, s->choice, style, ret_picture, reterr, reterr_size);   \
    }
DRAW(curve)
DRAW(heatmap)
DRAW(pareto)
DRAW(fan)

static void add_pictures(struct sweep_page *s)
{
    if (s->sweep->axes[s->sweep->error_axis].count > 1)
        page_figure(&s->p, page_slot(&s->p, "curve"), draw_curve, s,
                    "Operating curve: the chance of a rollback rises with the true error rate of "
                    "the release; one line for each rate of traffic.",
                    "P(rollback) against the true error rate; bands are intervals of 95 %.");
    page_figure(
        &s->p, page_slot(&s->p, "heatmap"), draw_heatmap, s,
        "Heat maps over two swept parameters: chance of a false rollback, chance of a miss, "
        "failed requests. The table of settings holds the same figures.",
        "Lighter is better. Failed requests: those of the new version before the verdict. Every "
        "other swept field stands at its first value.");
    if (settings_count(s->sweep) > 1)
        page_figure(&s->p, page_slot(&s->p, "pareto"), draw_pareto, s,
                    "Settings by their false rollbacks and the failed requests before the verdict "
                    "on a bad release; the table below lists those that are beaten by none.",
                    "Left is fewer false rollbacks, down is fewer failed requests.");
    page_figure(&s->p, page_slot(&s->p, "fan"), draw_fan, s,
                "Fan chart: quantiles of the share of the traffic on the new version over time, of "
                "a healthy release and of a bad one.",
                "Blue: a healthy release; orange: a bad one.");
}

int page_sweep(struct strbuf *out, sqlite3 *db, const struct sweep_data *sweep,
               const struct sweep_choice *choice, const struct page_artist *artist, char *reterr,
               size_t reterr_size)
{
    struct sweep_page s = {.sweep = sweep, .choice = choice};

    page_begin(&s.p, db, artist, reterr, reterr_size);
    s.p.d.keys[0] = sweep->sweep;
    s.p.add_settings = add_settings;
    choose_pair(&s);
    add_names(&s);
    add_headline(&s);
    add_facts(&s);
    add_pair(&s);
    add_tables(&s);
    add_pictures(&s);
    return page_end(&s.p, out, page_sweep_html);
}
