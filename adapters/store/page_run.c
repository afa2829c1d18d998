/* The page of one Canary in one run: how its last rollout ended and why, with all evidence. */
#include "adapters/store/page_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/text.h"
#include "reports/page-run.html.h"

#define ROWS_MAX 200

/* ?1 = run, ?2 = Canary; the rollout that the page is about. */
#define LAST_ROLLOUT "(SELECT max(rollout) FROM rollouts WHERE run = ?1 AND canary = ?2)"

/* The numbers as they stand in picture and timeline. */
static void add_plain(struct strbuf *b, double value)
{
    char text[64];
    struct text t;

    text_init(&t, text, sizeof text);
    text_add_fixed2(&t, value);
    strbuf_adds(b, text);
}

static const char *unit_of(const char *kind)
{
    return strcmp(kind, "success-rate") == 0 ? " %" : strcmp(kind, "duration") == 0 ? " ms" : "";
}

/* ---- headline ---- */

static void add_headline(struct page *p)
{
    sqlite3_stmt *st = drawing_query(
        &p->d, "SELECT s.result, took_s, ifnull(s.revision, 'the new version'), s.max_weight, "
               "(SELECT canary_weight FROM weights w WHERE w.run = ?1 AND w.canary = ?2 ORDER BY "
               "from_s DESC, to_s DESC LIMIT 1), began_s + took_s FROM summary s JOIN canaries c "
               "USING (run) WHERE run = ?1 AND c.canary = ?2 AND canary_name = c.name AND "
               "s.namespace = c.namespace ORDER BY s.rollout DESC LIMIT 1");
    struct strbuf text = STRBUF_INIT;
    const char *mood = "";

    if (drawing_next(&p->d, st)) {
        const char *result = column_text(st, 0);
        bool back = sqlite3_column_int(st, 4) <= 0;
        if (strcmp(result, "succeeded") == 0) {
            strbuf_addf(&text, "%s was promoted after ", column_text(st, 2));
            mood = "good";
        } else if (strcmp(result, "failed") == 0) {
            strbuf_addf(&text,
                        back ? "%s was caught and rolled back after "
                             : "The promotion of %s failed after ",
                        column_text(st, 2));
            mood = "bad";
        } else {
            strbuf_addf(&text, "%s: %s after ", column_text(st, 2), result);
        }
        add_duration_text(&text, sqlite3_column_double(st, 1));
        if (strcmp(mood, "bad") == 0 && back && sqlite3_column_type(st, 3) != SQLITE_NULL)
            strbuf_addf(&text, ", at %d %% of the traffic", sqlite3_column_int(st, 3));
    } else {
        strbuf_adds(&text, "No rollout in this run");
    }
    sqlite3_finalize(st);
    html_add(page_slot(p, "headline"), strbuf_str(&text));
    strbuf_adds(page_slot(p, "mood"), mood);
    strbuf_release(&text);
}

/* One sentence for each metric that failed. */
static void add_failed_metric(struct strbuf *out, sqlite3_stmt *st)
{
    struct strbuf text = STRBUF_INIT;
    const char *unit = unit_of(column_text(st, 1));
    int count = sqlite3_column_int(st, 2), of = sqlite3_column_int(st, 3);

    strbuf_addf(&text, "%s ", column_text(st, 0));
    if (sqlite3_column_type(st, 5) == SQLITE_NULL) {
        strbuf_addf(&text, "gave no value in %d of %d checks", count, of);
    } else if (sqlite3_column_type(st, 6) == SQLITE_NULL) { /* a judge without a bound */
        strbuf_addf(&text, "failed in %d of %d checks", count, of);
    } else {
        bool low = sqlite3_column_int(st, 7) != 0;
        strbuf_addf(&text, low ? "fell to " : "rose to ");
        add_plain(&text, sqlite3_column_double(st, 5));
        strbuf_addf(&text, "%s where %s ", unit, low ? "at least" : "at most");
        add_number(&text, sqlite3_column_double(st, 6));
        strbuf_addf(&text, "%s is asked for: %d of %d checks failed", unit, count, of);
    }
    strbuf_adds(&text, ", the first at ");
    page_add_clock(&text, sqlite3_column_double(st, 4));
    strbuf_addf(&text, " with %d %% of the traffic on the new version.", sqlite3_column_int(st, 8));
    strbuf_adds(out, "<p>");
    html_add(out, strbuf_str(&text));
    strbuf_adds(out, "</p>\n");
    strbuf_release(&text);
}

static bool add_failed_metrics(struct page *p, struct strbuf *out)
{
    /* The worst value is the one farthest beyond the bound that it broke. */
    sqlite3_stmt *st = drawing_query(
        &p->d, "WITH k AS (SELECT *, verdict IN ('fail', 'none', 'error') AS no, "
               "coalesce(bound, iif(value < min, min, iif(value > max, max, NULL))) AS broken "
               "FROM checks WHERE run = ?1 AND canary = ?2 AND rollout = " LAST_ROLLOUT
               "), worst AS (SELECT *, abs(value - broken) AS beyond, row_number() OVER (PARTITION "
               "BY metric, kind ORDER BY "
               "value - broken IS NULL, abs(value - broken) DESC, value IS NULL, seq) AS place "
               "FROM k WHERE no), "
               "counts AS (SELECT metric, kind, total(no) AS failed, count(*) AS of, "
               "min(iif(no, at_ms, NULL)) AS first_ms, min(iif(no, seq, NULL)) AS first FROM k "
               "GROUP BY metric, kind) "
               "SELECT w.metric, w.kind, failed, of, (first_ms - epoch_ms) / 1000.0, "
               "w.value, broken, w.value < broken, "
               "(SELECT weight FROM k WHERE seq = first) "
               "FROM worst w JOIN counts c ON c.metric = w.metric AND c.kind = w.kind "
               "JOIN runs ON runs.run = ?1 WHERE place = 1 ORDER BY first");
    bool any = false;

    while (drawing_next(&p->d, st)) {
        add_failed_metric(out, st);
        any = true;
    }
    sqlite3_finalize(st);
    return any;
}

static void add_paragraph(struct page *p, struct strbuf *out, const char *sql, const char *before)
{
    sqlite3_stmt *st = drawing_query(&p->d, sql);

    if (drawing_next(&p->d, st)) {
        strbuf_addf(out, "<p>%s", before);
        html_add(out, column_text(st, 0));
        strbuf_adds(out, "</p>\n");
    }
    sqlite3_finalize(st);
}

static void add_why(struct page *p)
{
    struct strbuf *out = page_slot(p, "why");

    if (!add_failed_metrics(p, out))
        add_paragraph(p, out,
                      "SELECT printf('All %d checks of %d metrics passed.', count(*), "
                      "count(DISTINCT metric)) FROM checks WHERE run = ?1 AND canary = ?2 AND "
                      "rollout = " LAST_ROLLOUT " HAVING count(*) > 0",
                      "");
    add_paragraph(p, out,
                  "SELECT printf('Webhook %s (%s) did not agree in %d of %d calls.', hook, type, "
                  "total(outcome <> 'ok'), count(*)) FROM hooks WHERE run = ?1 AND canary = ?2 AND "
                  "rollout = " LAST_ROLLOUT " GROUP BY hook, type HAVING total(outcome <> 'ok') > "
                  "0 ORDER BY total(outcome <> 'ok') DESC LIMIT 1",
                  "");
    add_paragraph(
        p, out,
        "SELECT message FROM events WHERE run = ?1 AND canary = ?2 AND rollout = " LAST_ROLLOUT
        " ORDER BY seq DESC LIMIT 1",
        "The last word: ");
}

/* ---- facts ---- */

static void add_fact_number(struct strbuf *out, const char *name, sqlite3_stmt *st, int i,
                            const char *unit)
{
    struct strbuf text = STRBUF_INIT;

    if (sqlite3_column_type(st, i) != SQLITE_NULL) {
        add_rounded(&text, sqlite3_column_double(st, i));
        strbuf_adds(&text, unit);
    }
    page_fact(out, name, strbuf_str(&text));
    strbuf_release(&text);
}

static void add_fact_time(struct strbuf *out, const char *name, sqlite3_stmt *st, int i)
{
    struct strbuf text = STRBUF_INIT;

    if (sqlite3_column_type(st, i) != SQLITE_NULL)
        add_duration_text(&text, sqlite3_column_double(st, i));
    page_fact(out, name, strbuf_str(&text));
    strbuf_release(&text);
}

static void add_facts(struct page *p)
{
    struct strbuf *out = page_slot(p, "facts");
    sqlite3_stmt *st = drawing_query(
        &p->d, "SELECT c.name || '.' || c.namespace, strategy || ' on ' || c.provider, "
               "interval_ms / 1000.0, c.threshold, s.max_weight, detected_s, reacted_s, exposed_s, "
               "s.profile FROM canaries c LEFT JOIN summary s ON s.run = c.run AND s.canary_name = "
               "c.name AND s.namespace = c.namespace WHERE c.run = ?1 AND c.canary = ?2 "
               "ORDER BY s.rollout DESC LIMIT 1");

    if (drawing_next(&p->d, st)) {
        page_fact(out, "Canary", column_text(st, 0));
        page_fact(out, "strategy", column_text(st, 1));
        add_fact_time(out, "looks every", st, 2);
        add_fact_number(out, "most traffic on it", st, 4, " %");
        add_fact_time(out, "first failed check after", st, 5);
        add_fact_time(out, "from there to the end", st, 6);
        add_fact_time(out, "as if all traffic for", st, 7);
        page_fact(out, "profile", column_text(st, 8));
        struct strbuf *threshold = page_slot(p, "threshold");
        strbuf_addf(threshold, "%d", sqlite3_column_int(st, 3));
    } else {
        drawing_fail(&p->d, -ENOENT, "no such Canary");
    }
    sqlite3_finalize(st);
}

static void add_names(struct page *p)
{
    struct strbuf *title = page_slot(p, "title"), *kicker = page_slot(p, "kicker");
    sqlite3_stmt *st = drawing_query(
        &p->d, "SELECT c.name || '.' || c.namespace, coalesce(title, runs.name), ifnull(file, '') "
               "FROM canaries c JOIN runs USING (run) WHERE run = ?1 AND canary = ?2");

    if (drawing_next(&p->d, st)) {
        html_add(title, column_text(st, 0));
        strbuf_adds(title, ": ");
        html_add(title, column_text(st, 1));
        html_add(kicker, column_text(st, 0));
        strbuf_adds(kicker, " · ");
        html_add(kicker, column_text(st, 1));
        if (*column_text(st, 2)) {
            strbuf_adds(kicker, " · ");
            html_add(kicker, column_text(st, 2));
        }
    }
    sqlite3_finalize(st);
    strbuf_adds(page_slot(p, "again"), "sqlite3 -box run.db &quot;SELECT * FROM summary&quot;");
}

/* ---- tables ---- */

static void add_tables(struct page *p)
{
    static const struct page_column metrics[] = {{"metric", PAGE_TEXT},   {"bound", PAGE_TEXT},
                                                 {"checks", PAGE_NUMBER}, {"failed", PAGE_NUMBER},
                                                 {"lowest", PAGE_NUMBER}, {"highest", PAGE_NUMBER}};
    static const struct page_column checks[] = {{"time", PAGE_CLOCK},   {"metric", PAGE_TEXT},
                                                {"weight", PAGE_TEXT},  {"value", PAGE_NUMBER},
                                                {"bound", PAGE_NUMBER}, {"verdict", PAGE_TEXT}};
    static const struct page_column hooks[] = {{"webhook", PAGE_TEXT},    {"type", PAGE_TEXT},
                                               {"calls", PAGE_NUMBER},    {"agreed", PAGE_NUMBER},
                                               {"first", PAGE_CLOCK},     {"last", PAGE_CLOCK},
                                               {"last answer", PAGE_TEXT}};
    static const struct page_column events[] = {
        {"time", PAGE_CLOCK}, {"what", PAGE_WORD}, {"message", PAGE_TEXT}};
    static const struct page_column rollouts[] = {
        {"run", PAGE_TEXT},      {"Canary", PAGE_TEXT},     {"release", PAGE_TEXT},
        {"result", PAGE_TEXT},   {"took", PAGE_DURATION},   {"checks", PAGE_NUMBER},
        {"failed", PAGE_NUMBER}, {"most weight", PAGE_TEXT}};

    page_table(p, page_slot(p, "metrics"),
               drawing_query(
                   &p->d, "SELECT metric, ltrim(iif(min(min) IS NULL, '', 'at least ' || "
                          "printf('%.10g', min(min))) || iif(max(max) IS NULL, '', ' at most ' "
                          "|| printf('%.10g', max(max)))) || CASE kind WHEN 'success-rate' THEN "
                          "' %' WHEN 'duration' THEN ' ms' ELSE '' END, count(*), "
                          "total(verdict IN ('fail', 'none', 'error')), min(value), max(value) "
                          "FROM checks WHERE run = ?1 AND canary = ?2 AND rollout = " LAST_ROLLOUT
                          " GROUP BY metric, kind ORDER BY min(seq)"),
               metrics, 6, "Success rates in percent, durations in milliseconds", ROWS_MAX);
    page_table(
        p, page_slot(p, "checks"),
        drawing_query(&p->d, "SELECT at_s, metric, weight || ' %', value, bound, "
                             "CASE verdict WHEN 'none' THEN 'no values' ELSE verdict END || "
                             "ifnull(': ' || text, '') FROM failed_checks WHERE run = ?1 AND "
                             "canary = ?2 AND rollout = " LAST_ROLLOUT),
        checks, 6, "Time since the run began; the weight of the new version meanwhile", ROWS_MAX);
    page_table(
        p, page_slot(p, "hooks"),
        drawing_query(
            &p->d,
            "SELECT l.hook, l.type, calls, agreed, (first_ms - epoch_ms) / 1000.0, (last_ms - "
            "epoch_ms) / 1000.0, l.outcome || ifnull(', HTTP ' || nullif(l.http_status, 0), '') || "
            "ifnull(': ' || nullif(l.text, ''), '') FROM (SELECT count(*) AS calls, "
            "total(outcome = 'ok') AS agreed, min(at_ms) AS first_ms, max(at_ms) AS last_ms, "
            "min(seq) AS first, max(seq) AS last FROM hooks WHERE run = ?1 AND canary = ?2 AND "
            "rollout = " LAST_ROLLOUT " GROUP BY hook, type) JOIN hooks l ON l.run = ?1 AND l.seq "
            "= last JOIN runs ON runs.run = ?1 ORDER BY first"),
        hooks, 7, "Calls of each webhook in this rollout", ROWS_MAX);
    page_table(p, page_slot(p, "events"),
               drawing_query(&p->d,
                             "SELECT (at_ms - epoch_ms) / 1000.0, what, message FROM ("
                             "SELECT seq, at_ms, lower(type) AS what, message FROM events "
                             "WHERE run = ?1 AND canary = ?2 UNION ALL "
                             "SELECT seq, at_ms, 'alert (' || severity || ')', message FROM "
                             "alerts WHERE run = ?1 AND canary = ?2 UNION ALL "
                             "SELECT seq, at_ms, 'world', text FROM world WHERE run = ?1 AND "
                             "canary = ?2 UNION ALL "
                             "SELECT seq, at_ms, 'outage', iif(lost > 0, lost || ' % of the "
                             "requests meet no ready pod', 'over') FROM outages WHERE run = "
                             "?1 AND canary = ?2) JOIN runs ON run = ?1 ORDER BY seq"),
               events, 3, "Events, alerts, and what happened outside", ROWS_MAX);
    page_table(p, page_slot(p, "rollouts"),
               drawing_query(&p->d, "SELECT run_name, canary_name || '.' || namespace, revision, "
                                    "result, took_s, checks, failed_checks, max_weight || ' %' "
                                    "FROM summary WHERE (SELECT count(*) FROM rollouts) > 1"),
               rollouts, 8, "The view summary", ROWS_MAX);
}

/* ---- the page ---- */

struct run_of_page {
    int64_t run, canary;
};

static int draw_timeline(sqlite3 *db, const void *of, const struct picture_style *style,
                         struct picture *ret_picture, char *reterr, size_t reterr_size)
{
    const struct run_of_page *r = of;

    return picture_timeline(db, r->run, r->canary, style, ret_picture, reterr, reterr_size);
}

int page_run(struct strbuf *out, sqlite3 *db, int64_t run, int64_t canary,
             const struct page_artist *artist, char *reterr, size_t reterr_size)
{
    struct run_of_page of = {run, canary};
    struct page p;

    page_begin(&p, db, artist, reterr, reterr_size);
    p.d.keys[0] = run;
    p.d.keys[1] = canary;
    add_facts(&p);
    add_names(&p);
    add_headline(&p);
    add_why(&p);
    add_tables(&p);
    page_figure(&p, page_slot(&p, "timeline"), draw_timeline, &of,
                "Timeline of the rollout: phases, share of the traffic on the new version, each "
                "metric against its bounds, webhooks, warnings and alerts. The tables below hold "
                "the same figures.",
                "Phases, share of the traffic, metrics against their bounds (the shaded side is "
                "forbidden), webhooks, warnings and alerts. Round marks: the check passed; "
                "diamonds: it failed; crosses: no value.");
    return page_end(&p, out, page_run_html);
}
