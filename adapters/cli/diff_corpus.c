#include "adapters/cli/diff_corpus.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/cli/cli.h"
#include "adapters/cli/scenario_file.h"
#include "adapters/cli/scenario_walk.h"
#include "adapters/scenario/show.h"
#include "adapters/whatif/whatif.h"

/* ---- playing
 * ------------------------------------------------------------------------------------------ */

struct side {
    struct scenario_options options;
    struct scenario_file file;
    const char *why; /* NULL = it can be played */
};
struct walking {
    struct corpus *corpus;
    struct side sides[2];
    struct scenario_options plain;
    int rc;
};

static int highest_weight(const struct record *record, uint16_t canary)
{
    int highest = 0;

    for (size_t i = 0; i < record->count; i++) {
        const struct row *row = &record->rows[i];

        if (row->canary == canary && row->kind == ROW_ROUTES &&
            row->u.routes.outcome == OUTCOME_OK && row->u.routes.canary > highest)
            highest = row->u.routes.canary;
    }
    return highest;
}

static int play(const struct scenario *s, const struct scenario_run *run, struct corpus_end *ret)
{
    struct canary_result *results = calloc(run->plan.canary_count, sizeof *results);
    struct sim *sim = sim_new();
    struct record record;
    struct sink sink;
    int rc = EXIT_WORLD;

    record_init(&record);
    sink = record_sink(&record, false);
    if (results && sim && sim_run(sim, &run->plan, &run->options, &sink, results, NULL) == 0 &&
        !record.failed) {
        const struct canary_result *r = &results[s->replaced];

        *ret = (struct corpus_end){.phase = (enum phase)r->status.phase,
                                   .gone = r->gone,
                                   .settled_ms = r->settled_ms,
                                   .outage_ms = r->outage_ms,
                                   .checks = r->checks,
                                   .failed_checks = r->failed_checks,
                                   .succeeded = r->succeeded,
                                   .failed = r->failed,
                                   .highest = highest_weight(&record, s->replaced),
                                   .exposed = r->exposed,
                                   .has_users = run->plan.canaries[s->replaced].users != NULL,
                                   .bad = r->canary_errors};
        rc = 0;
    }
    record_release(&record);
    sim_free(sim);
    free(results);
    return rc;
}

static enum corpus_change change_of(const struct corpus_end *a, const struct corpus_end *b)
{
    if (a->why || b->why)
        return CORPUS_UNKNOWN;
    if (a->phase != b->phase || a->gone != b->gone || a->succeeded != b->succeeded ||
        a->failed != b->failed)
        return CORPUS_ENDS;
    if (a->settled_ms != b->settled_ms || a->outage_ms != b->outage_ms || a->checks != b->checks ||
        a->failed_checks != b->failed_checks || a->highest != b->highest ||
        a->exposed != b->exposed || a->bad - b->bad > 1e-6 || b->bad - a->bad > 1e-6)
        return CORPUS_COSTS;
    return CORPUS_SAME;
}

static struct corpus_row *add_row(struct corpus *c)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 32;
        struct corpus_row *rows = realloc(c->rows, cap * sizeof *rows);

        if (!rows)
            return NULL;
        c->rows = rows;
        c->cap = cap;
    }
    c->rows[c->count] = (struct corpus_row){0};
    return &c->rows[c->count++];
}

/* The first thing that is wrong with a policy in a scenario. */
static const char *first_error(struct corpus *c, const struct scenario_file *f)
{
    for (size_t i = 0; i < f->diags.count; i++)
        if (f->diags.items[i].severity == SEVERITY_ERROR)
            return arena_printf(c->arena, "%s%s%s",
                                f->diags.items[i].path ? f->diags.items[i].path : "",
                                f->diags.items[i].path ? ": " : "", f->diags.items[i].what);
    return "it cannot be read";
}

static int open_side(struct walking *w, struct side *side, const char *path)
{
    struct strbuf talk = STRBUF_INIT;
    int rc = scenario_file_read(path, &side->options, &side->file, &talk, false);

    strbuf_release(&talk);
    side->why = rc == 0 ? NULL : first_error(w->corpus, &side->file);
    return rc == EXIT_WORLD ? rc : 0;
}

/* Is the scenario good by itself? Else it is the corpus that is wrong. */
static bool is_readable(struct walking *w, const char *path)
{
    struct scenario_file file;
    bool good = scenario_file_open(path, &w->plain, &file) == 0;

    scenario_file_close(&file);
    return good;
}

static void add_run(struct walking *w, const struct scenario *s, uint32_t index)
{
    const struct scenario_run *run = &s->runs[index];
    struct corpus_row *row = add_row(w->corpus);
    struct corpus_end *ends[2];

    if (!row) {
        w->rc = EXIT_WORLD;
        return;
    }
    ends[0] = &row->a;
    ends[1] = &row->b;
    row->file = arena_printf(w->corpus->arena, "%s", s->file);
    row->title = arena_printf(w->corpus->arena, "%s", s->title ? s->title : s->name);
    row->run = run->label ? arena_printf(w->corpus->arena, "%s", run->label) : NULL;
    for (int i = 0; i < 2 && w->rc == 0; i++) {
        const struct scenario *own = w->sides[i].file.scenario;

        if (w->sides[i].why)
            ends[i]->why = w->sides[i].why;
        else
            w->rc = play(own, &own->runs[index], ends[i]);
    }
    row->change = change_of(&row->a, &row->b);
}

static void add_file(void *ctx, const char *path)
{
    struct walking *w = ctx;
    int rc = 0;

    if (w->rc != 0)
        return;
    for (int i = 0; i < 2; i++)
        rc = rc ? rc : open_side(w, &w->sides[i], path);
    const struct scenario *s = !w->sides[0].why   ? w->sides[0].file.scenario
                               : !w->sides[1].why ? w->sides[1].file.scenario
                                                  : NULL;
    if (rc == 0 && !s && !is_readable(w, path)) {
        rc = EXIT_INPUT;
    } else if (rc == 0 && !s) { /* it fits neither policy: one row says so */
        static const struct scenario_run none = {0};
        const struct scenario empty = {
            .file = path, .name = path, .runs = (struct scenario_run *)(uintptr_t)&none};
        add_run(w, &empty, 0);
    }
    for (uint32_t i = 0; rc == 0 && s && i < s->run_count; i++)
        add_run(w, s, i);
    for (int i = 0; i < 2; i++)
        scenario_file_close(&w->sides[i].file);
    w->rc = w->rc ? w->rc : rc;
}

int corpus_add(struct corpus *c, const char *path, const struct scenario_options *options,
               const cJSON *a, const char *a_file, const cJSON *b, const char *b_file)
{
    struct walking w = {.corpus = c, .plain = *options};
    int rc;

    w.sides[0].options = w.sides[1].options = *options;
    w.sides[0].options.canary = a;
    w.sides[0].options.canary_file = a_file;
    w.sides[1].options.canary = b;
    w.sides[1].options.canary_file = b_file;
    rc = scenario_walk(path, add_file, &w);
    return rc ? rc : w.rc;
}

static int by_change(const void *a, const void *b)
{
    const struct corpus_row *x = a, *y = b;
    int files;

    if (x->change != y->change)
        return x->change < y->change ? -1 : 1;
    files = strcmp(x->file, y->file);
    if (files != 0)
        return files;
    return strcmp(x->run ? x->run : "", y->run ? y->run : "");
}

void corpus_finish(struct corpus *c)
{
    if (c->count > 0)
        qsort(c->rows, c->count, sizeof *c->rows, by_change);
    for (size_t i = 0; i < c->count; i++)
        c->changes[c->rows[i].change]++;
}

void corpus_release(struct corpus *c)
{
    free(c->rows);
    c->rows = NULL;
    c->count = c->cap = 0;
}

/* ---- telling
 * ------------------------------------------------------------------------------------------ */

static const char *const change_names[] = {"ends", "unknown", "costs", "same"};

static const char *end_name(const struct corpus_end *e)
{
    const char *name = phase_name(e->phase);

    return e->gone ? "deleted" : *name ? name : "-";
}

/* Percent times ms as time of the whole traffic. */
static void add_exposed(struct strbuf *out, int64_t exposed)
{
    show_clock(out, (exposed / 100 + 500) / 1000 * 1000);
}

enum column { COLUMN_END, COLUMN_AT, COLUMN_FAILED, COLUMN_HIGHEST, COLUMN_EXPOSED, COLUMN_BAD };
#define COLUMNS 6
static const char *const column_names[] = {
    "ends", "at", "failed checks", "highest weight", "canary traffic", "failed requests"};

static void add_column(struct strbuf *out, const struct corpus_end *e, int column)
{
    switch ((enum column)column) {
    case COLUMN_END:
        strbuf_adds(out, end_name(e));
        if (e->succeeded + e->failed > 1)
            strbuf_addf(out, " (%u promoted, %u not)", e->succeeded, e->failed);
        break;
    case COLUMN_AT:
        show_clock(out, e->settled_ms);
        break;
    case COLUMN_FAILED:
        strbuf_addf(out, "%u of %u", e->failed_checks, e->checks);
        break;
    case COLUMN_HIGHEST:
        strbuf_addf(out, "%d%%", e->highest);
        break;
    case COLUMN_EXPOSED:
        add_exposed(out, e->exposed);
        break;
    case COLUMN_BAD:
        if (e->has_users)
            strbuf_addf(out, "%.1f", e->bad);
        else
            strbuf_adds(out, "-");
        break;
    }
}

/* "9m00s → **6m00s**", or one value where both are the same. */
static void add_change(struct strbuf *out, const struct corpus_row *r, int column, const char *open,
                       const char *close)
{
    struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

    add_column(&a, &r->a, column);
    add_column(&b, &r->b, column);
    strbuf_adds(out, strbuf_str(&a));
    if (strcmp(strbuf_str(&a), strbuf_str(&b)) != 0)
        strbuf_addf(out, " → %s%s%s", open, strbuf_str(&b), close);
    strbuf_release(&a);
    strbuf_release(&b);
}

static void add_name(struct strbuf *out, const struct corpus_row *r)
{
    strbuf_adds(out, r->file);
    if (r->run)
        strbuf_addf(out, " (%s)", r->run);
}

/* A title in a table: no line and no column may end in it. */
static void add_cell_text(struct strbuf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '|')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *s == '\n' || *s == '\r' ? ' ' : *s);
    }
}

static void add_sum(struct strbuf *out, const struct corpus *c)
{
    strbuf_addf(out,
                "Of %zu %s in the corpus %zu end%s differently, %zu end%s the same way at another "
                "time or cost, %zu play%s out the same",
                c->count, c->count == 1 ? "release" : "releases", c->changes[CORPUS_ENDS],
                c->changes[CORPUS_ENDS] == 1 ? "s" : "", c->changes[CORPUS_COSTS],
                c->changes[CORPUS_COSTS] == 1 ? "s" : "", c->changes[CORPUS_SAME],
                c->changes[CORPUS_SAME] == 1 ? "s" : "");
    if (c->changes[CORPUS_UNKNOWN] > 0)
        strbuf_addf(out, ", and %zu cannot be played with both policies",
                    c->changes[CORPUS_UNKNOWN]);
    strbuf_adds(out, ".\n");
}

static void add_why(struct strbuf *out, const struct corpus_row *r)
{
    if (r->a.why && r->b.why && strcmp(r->a.why, r->b.why) == 0) {
        strbuf_addf(out, "with either policy: %s", r->a.why);
        return;
    }
    if (r->a.why)
        strbuf_addf(out, "with the first policy: %s", r->a.why);
    if (r->b.why)
        strbuf_addf(out, "%swith the second policy: %s", r->a.why ? "; " : "", r->b.why);
}

static void markdown_row(struct strbuf *out, const struct corpus_row *r)
{
    strbuf_adds(out, "| ");
    add_cell_text(out, r->title);
    strbuf_adds(out, "<br>`");
    add_name(out, r);
    strbuf_adds(out, "` |");
    for (int column = 0; column < COLUMNS; column++) {
        strbuf_addc(out, ' ');
        add_change(out, r, column, "**", "**");
        strbuf_adds(out, " |");
    }
    strbuf_addc(out, '\n');
}

void corpus_write_markdown(struct strbuf *out, const struct corpus *c)
{
    size_t rows = c->changes[CORPUS_ENDS] + c->changes[CORPUS_COSTS], same = c->count;

    if (c->count == 0)
        return;
    add_sum(out, c);
    if (rows > 0) {
        strbuf_adds(out, "\n| release |");
        for (int column = 0; column < COLUMNS; column++)
            strbuf_addf(out, " %s |", column_names[column]);
        strbuf_adds(out, "\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
    }
    for (size_t i = 0; i < c->count; i++) {
        if (c->rows[i].change == CORPUS_ENDS || c->rows[i].change == CORPUS_COSTS)
            markdown_row(out, &c->rows[i]);
        if (c->rows[i].change == CORPUS_SAME && same == c->count)
            same = i;
    }
    for (size_t i = 0; i < c->count; i++)
        if (c->rows[i].change == CORPUS_UNKNOWN) {
            strbuf_adds(out, "\nNot played: `");
            add_name(out, &c->rows[i]);
            strbuf_adds(out, "`, ");
            add_why(out, &c->rows[i]);
            strbuf_adds(out, ".\n");
        }
    if (same < c->count) {
        strbuf_addf(out, "\n<details><summary>%zu the same</summary>\n\n", c->count - same);
        for (size_t i = same; i < c->count; i++) {
            strbuf_adds(out, "- `");
            add_name(out, &c->rows[i]);
            strbuf_adds(out, "` ");
            strbuf_addf(out, "%s at ", end_name(&c->rows[i].a));
            show_clock(out, c->rows[i].a.settled_ms);
            strbuf_addc(out, '\n');
        }
        strbuf_adds(out, "\n</details>\n");
    }
    strbuf_addc(out, '\n');
}

void corpus_write_text(struct strbuf *out, const struct corpus *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct corpus_row *r = &c->rows[i];

        if (r->change == CORPUS_SAME)
            continue;
        add_name(out, r);
        strbuf_addf(out, ": %s\n  ", r->title);
        if (r->change == CORPUS_UNKNOWN)
            add_why(out, r);
        for (int column = 0; column < COLUMNS && r->change != CORPUS_UNKNOWN; column++) {
            strbuf_addf(out, "%s%s ", column ? "; " : "", column_names[column]);
            add_change(out, r, column, "", "");
        }
        strbuf_addc(out, '\n');
    }
    if (c->count > 0) {
        add_sum(out, c);
        strbuf_addc(out, '\n');
    }
}

static void json_end(struct strbuf *out, const char *name, const struct corpus_end *e)
{
    strbuf_addf(out, ",\"%s\":{", name);
    if (e->why) {
        strbuf_adds(out, "\"notPlayed\":");
        strbuf_add_json(out, e->why, strlen(e->why));
        strbuf_addc(out, '}');
        return;
    }
    strbuf_addf(out,
                "\"phase\":\"%s\",\"deleted\":%s,\"promoted\":%u,\"failed\":%u,\"settledSeconds\":",
                phase_name(e->phase), e->gone ? "true" : "false", e->succeeded, e->failed);
    whatif_add_number(out, (double)e->settled_ms / 1000);
    strbuf_addf(out,
                ",\"checks\":%u,\"failedChecks\":%u,\"highestWeight\":%d,"
                "\"canaryTrafficSeconds\":",
                e->checks, e->failed_checks, e->highest);
    whatif_add_number(out, (double)e->exposed / 100000);
    strbuf_adds(out, ",\"outageSeconds\":");
    whatif_add_number(out, (double)e->outage_ms / 1000);
    strbuf_adds(out, ",\"badRequests\":");
    if (e->has_users)
        whatif_add_number(out, e->bad);
    else
        strbuf_adds(out, "null");
    strbuf_addc(out, '}');
}

void corpus_write_json(struct strbuf *out, const struct corpus *c)
{
    strbuf_addf(out,
                "\"corpus\":{\"ends\":%zu,\"costs\":%zu,\"same\":%zu,\"unknown\":%zu,"
                "\"releases\":[",
                c->changes[CORPUS_ENDS], c->changes[CORPUS_COSTS], c->changes[CORPUS_SAME],
                c->changes[CORPUS_UNKNOWN]);
    for (size_t i = 0; i < c->count; i++) {
        const struct corpus_row *r = &c->rows[i];

        strbuf_adds(out, i ? ",\n{\"scenario\":" : "\n{\"scenario\":");
        strbuf_add_json(out, r->file, strlen(r->file));
        strbuf_adds(out, ",\"title\":");
        strbuf_add_json(out, r->title, strlen(r->title));
        if (r->run) {
            strbuf_adds(out, ",\"run\":");
            strbuf_add_json(out, r->run, strlen(r->run));
        }
        strbuf_addf(out, ",\"change\":\"%s\"", change_names[r->change]);
        json_end(out, "a", &r->a);
        json_end(out, "b", &r->b);
        strbuf_addc(out, '}');
    }
    strbuf_adds(out, "\n]}");
}
