#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/whatif/whatif.h"
#include "engine/num.h"
#include "engine/text.h"

/* ---- JSON
 * ----------------------------------------------------------------------------------------------------
 */

void whatif_add_number(struct strbuf *out, double value)
{
    char buffer[64];
    struct text t;

    if (!num_is_finite(value)) {
        strbuf_adds(out, "null");
        return;
    }
    /* Six significant digits say more than the runs do; the engine's printer knows no locale. */
    snprintf(buffer, sizeof buffer, "%.5e", value);
    num_parse(buffer, strlen(buffer), &value);
    text_init(&t, buffer, sizeof buffer);
    text_add_float(&t, value);
    strbuf_adds(out, buffer);
}

static void member(struct strbuf *out, const char *name, double value)
{
    strbuf_addf(out, "\"%s\":", name);
    whatif_add_number(out, value);
}

void whatif_write_set(struct strbuf *out, const struct whatif_grid *g, size_t cell)
{
    size_t axes[WHATIF_AXES_MAX], rps, error;

    whatif_cell_place(g, cell, axes, &rps, &error);
    strbuf_addc(out, '{');
    for (size_t i = 0; i < g->axis_count; i++) {
        strbuf_adds(out, i ? "," : "");
        strbuf_add_json(out, g->axes[i].path, strlen(g->axes[i].path));
        strbuf_addc(out, ':');
        json_add_to(out, g->axes[i].values[axes[i]]);
    }
    strbuf_addc(out, '}');
}

static void write_times(struct strbuf *out, const char *name, const struct whatif_times *t)
{
    strbuf_addf(out, ",\"%s\":{", name);
    member(out, "median", t->median_s);
    strbuf_addc(out, ',');
    member(out, "p90", t->p90_s);
    strbuf_addc(out, '}');
}

static void write_chance(struct strbuf *out, const char *name, uint64_t k, uint64_t n, double low,
                         double high, const struct whatif_exact *e, double exact)
{
    const char *flaw = exact_flaw_text(e->flaw);

    strbuf_addf(out, ",\"%s\":{\"count\":%llu,", name, (unsigned long long)k);
    member(out, "p", n ? (double)k / (double)n : (double)NAN);
    strbuf_addc(out, ',');
    member(out, "low", low);
    strbuf_addc(out, ',');
    member(out, "high", high);
    strbuf_addc(out, ',');
    member(out, "exact", e->known ? exact : (double)NAN);
    if (flaw) {
        strbuf_adds(out, ",\"exactAssumes\":");
        strbuf_adds(out, e->known ? "\"independent checks\"" : "null");
        strbuf_addf(out, ",\"differs\":%s,\"why\":\"%s\"",
                    !e->known || exact < low || exact > high ? "true" : "false", flaw);
    }
    strbuf_addc(out, '}');
}

static void write_capacity(struct strbuf *out, const struct whatif_result *r)
{
    const struct whatif_capacity *c = &r->capacity;

    if (!c->known)
        return;
    strbuf_adds(out, ",\"capacity\":{");
    member(out, "leastMean", c->least);
    strbuf_addc(out, ',');
    member(out, "leastWorst", c->worst);
    strbuf_adds(out, ",\"short\":{");
    member(out, "p", r->runs ? (double)c->short_runs / (double)r->runs : (double)NAN);
    strbuf_addc(out, ',');
    member(out, "low", c->low);
    strbuf_addc(out, ',');
    member(out, "high", c->high);
    strbuf_adds(out, "},");
    member(out, "shortSeconds", c->short_s);
    strbuf_addc(out, ',');
    member(out, "requestsOver", c->over_mean);
    strbuf_addc(out, '}');
}

static void write_fan(struct strbuf *out, const struct whatif_result *r)
{
    if (!r->fan)
        return;
    strbuf_adds(out, ",\"fan\":{");
    member(out, "intervalSeconds", r->interval_s);
    strbuf_addf(out, ",\"ticks\":%s}", r->fan);
}

static void write_cell(struct strbuf *out, const struct whatif_plan *plan,
                       const struct whatif_result *r)
{
    size_t axes[WHATIF_AXES_MAX], rps, error;

    whatif_cell_place(plan->grid, r->cell, axes, &rps, &error);
    strbuf_addf(out, "{\"cell\":%zu,\"set\":", r->cell);
    whatif_write_set(out, plan->grid, r->cell);
    strbuf_addc(out, ',');
    member(out, "rps", plan->grid->rps[rps]);
    strbuf_addc(out, ',');
    member(out, "errorRate", plan->grid->errors[error]);
    strbuf_addf(out, ",\"release\":\"%s\",\"runs\":%llu", r->bad ? "bad" : "healthy",
                (unsigned long long)r->runs);
    write_chance(out, "rollback", r->rolled_back, r->runs, r->rollback_low, r->rollback_high,
                 &r->exact, r->exact.rollback);
    write_chance(out, "promote", r->promoted, r->runs, r->promote_low, r->promote_high, &r->exact,
                 r->exact.promote);
    strbuf_addf(out, ",\"unfinished\":%llu", (unsigned long long)r->unfinished);
    write_times(out, "detectionSeconds", &r->detection);
    write_times(out, "rollbackSeconds", &r->rollback);
    write_times(out, "durationSeconds", &r->promotion);
    strbuf_adds(out, ",\"badRequests\":{");
    member(out, "mean", r->bad_mean);
    strbuf_addc(out, ',');
    member(out, "rolledBack", r->bad_back_mean);
    strbuf_addc(out, ',');
    member(out, "exact", r->exact.known ? r->exact.bad : (double)NAN);
    strbuf_adds(out, "},");
    member(out, "canaryRequests", r->requests_mean);
    strbuf_addc(out, ',');
    member(out, "usersExposed", r->users);
    strbuf_addc(out, ',');
    member(out, "errorBudget", r->budget);
    write_capacity(out, r);
    write_fan(out, r);
    strbuf_addc(out, '}');
}

void whatif_write_json(struct strbuf *out, const struct whatif_plan *plan,
                       const struct whatif_result *results, size_t count)
{
    const char *name = json_str_or(json_get(plan->source->object, "metadata"), "name", "");

    strbuf_adds(out, "{\"canary\":");
    strbuf_add_json(out, name, strlen(name));
    strbuf_addf(out, ",\"version\":\"%s\",\"seed\":%llu,\"cellCount\":%zu", COALMINE_VERSION,
                (unsigned long long)plan->seed, whatif_cell_count(plan->grid));
    if (plan->shard_count > 1)
        strbuf_addf(out, ",\"shard\":\"%u/%u\"", plan->shard, plan->shard_count);
    strbuf_adds(out, ",\"cells\":[\n");
    for (size_t i = 0; i < count; i++) {
        write_cell(out, plan, &results[i]);
        strbuf_adds(out, i + 1 < count ? ",\n" : "\n");
    }
    strbuf_adds(out, "]}\n");
}

/* ---- the ranked table
 * ----------------------------------------------------------------------------------------- */

struct rank {
    size_t first; /* of its cells */
    double harm;  /* the sum of chances that went wrong, over its cells */
};

static double harm_of(const struct whatif_result *r)
{
    double n = r->runs > 0 ? (double)r->runs : 1;

    return r->bad ? (double)(r->runs - r->rolled_back) / n : (double)(r->runs - r->promoted) / n;
}

static int by_harm(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;

    if (x->harm < y->harm || x->harm > y->harm)
        return x->harm < y->harm ? -1 : 1;
    return x->first < y->first ? -1 : 1;
}

static void duration(char *out, size_t cap, double seconds)
{
    int64_t s;

    if (!num_is_finite(seconds)) {
        snprintf(out, cap, "-");
        return;
    }
    s = (int64_t)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, cap, "%lldh%02lldm", (long long)(s / 3600), (long long)(s % 3600 / 60));
    else if (s >= 60)
        snprintf(out, cap, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
    else
        snprintf(out, cap, "%llds", (long long)s);
}

static void write_row(struct strbuf *out, const struct whatif_plan *plan,
                      const struct whatif_result *r)
{
    size_t axes[WHATIF_AXES_MAX], rps, error;
    char detect[2][24], took[2][24], exact[24] = "      -";
    struct strbuf number = STRBUF_INIT;
    double n = r->runs > 0 ? (double)r->runs : 1;

    whatif_cell_place(plan->grid, r->cell, axes, &rps, &error);
    whatif_add_number(&number, plan->grid->rps[rps]);
    strbuf_addc(&number, ' ');
    whatif_add_number(&number, plan->grid->errors[error] * 100);
    duration(detect[0], sizeof detect[0], r->detection.median_s);
    duration(detect[1], sizeof detect[1], r->detection.p90_s);
    duration(took[0], sizeof took[0], r->promotion.median_s);
    duration(took[1], sizeof took[1], r->promotion.p90_s);
    if (r->exact.known)
        snprintf(exact, sizeof exact, "%7.4f%s", r->exact.rollback, r->exact.flaw ? "*" : " ");
    char *space = strchr(number.data ? number.data : (char *)(uintptr_t) "", ' ');
    if (space)
        *space = 0;
    strbuf_addf(
        out,
        "  %7s %7s%% %-7s %7.4f [%.4f, %.4f] %-8s %7.4f [%.4f, %.4f] %7s %7s %10.1f %6.2f%% %7s "
        "%7s %7.3f%%",
        strbuf_str(&number), space ? space + 1 : "", r->bad ? "bad" : "healthy",
        (double)r->rolled_back / n, r->rollback_low, r->rollback_high, exact,
        (double)r->promoted / n, r->promote_low, r->promote_high, detect[0], detect[1], r->bad_mean,
        r->users * 100, took[0], took[1], r->budget * 100);
    if (r->capacity.known)
        strbuf_addf(out, " %7.0f%% %6.0f%% %6.0fs %9.1f", r->capacity.least * 100,
                    r->runs ? 100 * (double)r->capacity.short_runs / n : 0, r->capacity.short_s,
                    r->capacity.over_mean);
    strbuf_addc(out, '\n');
    strbuf_release(&number);
}

static void write_reasons(struct strbuf *out, const struct whatif_result *results, size_t count)
{
    unsigned told = 0, differ[8] = {0}, all[8] = {0};

    for (size_t i = 0; i < count; i++) {
        const struct whatif_exact *e = &results[i].exact;
        if (e->flaw == EXACT_TRUE)
            continue;
        all[e->flaw]++;
        if (e->known &&
            (e->rollback < results[i].rollback_low || e->rollback > results[i].rollback_high))
            differ[e->flaw]++;
        told |= 1u << e->flaw;
    }
    for (int f = 1; f < 8; f++)
        if (told >> f & 1 && (f == EXACT_UNSTEADY || f == EXACT_SCRAPES || f == EXACT_JUDGES))
            strbuf_addf(out, "no closed form: %s\n", exact_flaw_text((enum exact_flaw)f));
        else if (told >> f & 1)
            strbuf_addf(out,
                        "* the closed form takes checks as independent, and %s: it differs by more "
                        "than the interval in %u of %u cells\n",
                        exact_flaw_text((enum exact_flaw)f), differ[f], all[f]);
}

void whatif_write_text(struct strbuf *out, const struct whatif_plan *plan,
                       const struct whatif_result *results, size_t count)
{
    size_t group = plan->grid->rps_count * plan->grid->error_count, ranks = 0;
    struct rank *rank = calloc(count ? count : 1, sizeof *rank);

    if (!rank) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (ranks == 0 || results[i].cell / group != results[rank[ranks - 1].first].cell / group)
            rank[ranks++] = (struct rank){i, 0};
        rank[ranks - 1].harm += harm_of(&results[i]);
    }
    qsort(rank, ranks, sizeof *rank, by_harm);
    strbuf_adds(out, "      rps   errors release P(rollback) [95 %]         exact  P(promote) [95 "
                     "%]        detected "
                     "   p90  bad reqs   users promoted    p90  budget");
    strbuf_adds(out, count > 0 && results[0].capacity.known ? " capacity  short    for      over\n"
                                                            : "\n");
    for (size_t k = 0; k < ranks; k++) {
        size_t place = results[rank[k].first].cell / group;
        if (plan->grid->axis_count > 0) {
            strbuf_addf(out, "%zu. ", k + 1);
            whatif_write_set(out, plan->grid, results[rank[k].first].cell);
            strbuf_addc(out, '\n');
        }
        for (size_t i = rank[k].first; i < count && results[i].cell / group == place; i++)
            write_row(out, plan, &results[i]);
    }
    write_reasons(out, results, count);
    free(rank);
}

/* ---- joining shards
 * ------------------------------------------------------------------------------------------ */

struct shard_text {
    const char *file, *head, *at; /* at: the next cell's line */
    size_t head_len;
    int64_t cells, shard, shards;
};

static const char *bad_shard(struct arena *arena, const char *file, const char *what)
{
    const char *text = arena_printf(arena, "%s: %s", file, what);

    return text ? text : "out of memory";
}

/* The line `{"canary":…,"cells":[`: all but the shard must agree. */
static const char *read_head(struct arena *arena, const char *file, const char *text,
                             struct shard_text *s)
{
    const char *end = strchr(text, '\n'), *shard = NULL, *slash, *behind;
    struct strbuf whole = STRBUF_INIT;
    cJSON *head = NULL;
    bool has_shard, readable;

    *s = (struct shard_text){.file = file, .head = text, .shards = 1};
    if (end) {
        strbuf_add(&whole, text, (size_t)(end - text));
        strbuf_adds(&whole, "]}");
        head = json_parse(strbuf_str(&whole), whole.len, NULL);
    }
    strbuf_release(&whole);
    if (!head || !json_get(head, "cells") || json_int(head, "cellCount", -1) < 0) {
        json_free(head);
        return bad_shard(arena, file, "not the JSON of a sweep");
    }
    s->cells = json_int(head, "cellCount", 0);
    shard = json_str(head, "shard");
    slash = shard ? strchr(shard, '/') : NULL;
    if (slash && (!num_parse_int(shard, (size_t)(slash - shard), &s->shard) ||
                  !num_parse_int(slash + 1, strlen(slash + 1), &s->shards)))
        slash = NULL;
    has_shard = shard != NULL;
    readable = slash && s->shard >= 0 && s->shard < s->shards;
    json_free(head);
    if (has_shard && !readable)
        return bad_shard(arena, file, "cannot read which shard this is");
    behind = strstr(text, has_shard ? ",\"shard\":" : ",\"cells\":[");
    if (!behind || behind > end)
        return bad_shard(arena, file, "not the JSON of a sweep");
    s->head_len = (size_t)(behind - text);
    s->at = end + 1;
    return NULL;
}

static const char *check_shards(struct arena *arena, const struct shard_text *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (s[i].head_len != s[0].head_len || memcmp(s[i].head, s[0].head, s[0].head_len) != 0 ||
            s[i].shards != s[0].shards)
            return bad_shard(arena, s[i].file, "of another sweep than the first file");
        for (size_t k = 0; k < i; k++)
            if (s[k].shard == s[i].shard)
                return bad_shard(arena, s[i].file, "this shard was given before");
    }
    if ((int64_t)count != s[0].shards)
        return arena_printf(arena, "%d of %d shards were given", (int)count, (int)s[0].shards);
    return NULL;
}

const char *whatif_merge(struct strbuf *out, struct arena *arena, const char *const *files,
                         const char *const *texts, size_t count)
{
    struct shard_text *s = arena_alloc(arena, count * sizeof *s);
    const char *error = s ? NULL : "out of memory";

    for (size_t i = 0; i < count && !error; i++)
        error = read_head(arena, files[i], texts[i], &s[i]);
    if (!error)
        error = check_shards(arena, s, count);
    if (error)
        return error;
    strbuf_add(out, s[0].head, s[0].head_len);
    strbuf_adds(out, ",\"cells\":[\n");
    for (int64_t cell = 0; cell < s[0].cells; cell++) {
        struct shard_text *from = NULL;
        char want[40];
        int len = snprintf(want, sizeof want, "{\"cell\":%lld,", (long long)cell);

        for (size_t i = 0; i < count && !from; i++)
            if (s[i].shard == cell % s[0].shards)
                from = &s[i];
        size_t line = from ? strcspn(from->at, "\n") : 0;
        if (!from || strncmp(from->at, want, (size_t)len) != 0)
            return arena_printf(arena, "%s: cell %lld is missing", from ? from->file : files[0],
                                (long long)cell);
        size_t bare = from->at[line - 1] == ',' ? line - 1 : line;
        cJSON *read = json_parse(from->at, bare, NULL);
        json_free(read);
        if (!read)
            return arena_printf(arena, "%s: cell %lld is no JSON", from->file, (long long)cell);
        strbuf_add(out, from->at, bare);
        strbuf_adds(out, cell + 1 < s[0].cells ? ",\n" : "\n");
        from->at += line + (from->at[line] == '\n');
    }
    strbuf_adds(out, "]}\n");
    return NULL;
}
