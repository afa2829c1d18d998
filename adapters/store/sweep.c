#include "adapters/store/sweep.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "engine/num.h"
#include "engine/text.h"

/* ---- reading ---- */

struct reader {
    sqlite3 *db;
    struct arena *arena;
    struct sweep_data *data;
    int rc;
};

int64_t sweep_count(sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    int64_t count = 0;

    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM sweeps", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        count = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return count;
}

static const char *copy(struct reader *r, const char *text)
{
    const char *kept = arena_strndup(r->arena, text ? text : "", strlen(text ? text : ""));

    if (!kept)
        r->rc = -ENOMEM;
    return kept ? kept : "";
}

static double real(sqlite3_stmt *st, int i)
{
    return sqlite3_column_type(st, i) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(st, i);
}

static size_t axis_of(struct reader *r, const char *key)
{
    struct sweep_data *d = r->data;

    for (size_t i = 0; i < d->axis_count; i++)
        if (strcmp(d->axes[i].key, key) == 0)
            return i;
    if (d->axis_count == SWEEP_AXES_MAX)
        return SWEEP_NONE;
    d->axes[d->axis_count].key = copy(r, key);
    return d->axis_count++;
}

/* Where `value` stands on the axis; it is added where it is new. */
static size_t place_of(struct reader *r, size_t axis, const char *value)
{
    struct sweep_axis *a = &r->data->axes[axis];
    size_t at = sweep_value_find(a, value);

    if (at != SWEEP_NONE)
        return at;
    if ((a->count & (a->count - 1)) == 0) { /* room for twice as many */
        const char **more = arena_alloc(r->arena, (a->count ? 2 * a->count : 1) * sizeof *more);
        if (!more) {
            r->rc = -ENOMEM;
            return 0;
        }
        if (a->count > 0)
            memcpy(more, a->values, a->count * sizeof *more);
        a->values = more;
    }
    a->values[a->count] = copy(r, value);
    return a->count++;
}

static size_t place_of_number(struct reader *r, size_t axis, double value)
{
    char text[64];
    struct text t;

    text_init(&t, text, sizeof text);
    text_add_float(&t, value);
    return place_of(r, axis, text);
}

static void place_settings(struct reader *r, struct sweep_point *p, const char *settings)
{
    cJSON *set = json_parse(settings, strlen(settings), NULL);
    const cJSON *field;

    cJSON_ArrayForEach(field, set)
    {
        size_t axis = axis_of(r, field->string);
        char *text = cJSON_IsString(field) ? NULL : json_print(field);

        if (axis < SWEEP_AXES_MAX - 2)
            p->place[axis] = place_of(r, axis,
                                      text                 ? text
                                      : field->valuestring ? field->valuestring
                                                           : "");
        free(text);
    }
    json_free(set);
}

static void read_point(struct reader *r, sqlite3_stmt *st)
{
    struct sweep_point *p = &r->data->points[r->data->point_count++];

    p->cell = sqlite3_column_int64(st, 0);
    place_settings(r, p, (const char *)sqlite3_column_text(st, 1));
    p->rps = real(st, 2);
    p->error_rate = real(st, 3);
    p->bad = strcmp((const char *)sqlite3_column_text(st, 4), "bad") == 0;
    p->runs = real(st, 5);
    p->rollback = real(st, 6);
    p->rollback_low = real(st, 7);
    p->rollback_high = real(st, 8);
    p->promote = real(st, 9);
    p->promote_low = real(st, 10);
    p->promote_high = real(st, 11);
    p->detection_s = real(st, 12);
    p->duration_s = real(st, 13);
    p->bad_requests = real(st, 14);
}

static void read_points(struct reader *r, sqlite3_stmt *st, int64_t count)
{
    struct sweep_data *d = r->data;

    d->points = arena_alloc(r->arena, ((size_t)count + 1) * sizeof *d->points);
    if (!d->points) {
        r->rc = -ENOMEM;
        return;
    }
    memset(d->points, 0, ((size_t)count + 1) * sizeof *d->points);
    while (r->rc == 0 && d->point_count < (size_t)count && sqlite3_step(st) == SQLITE_ROW)
        read_point(r, st);
    /* the last two axes, behind those of the fields */
    if (d->axis_count > SWEEP_AXES_MAX - 2)
        d->axis_count = SWEEP_AXES_MAX - 2;
    d->rps_axis = axis_of(r, "rps");
    d->error_axis = axis_of(r, "error-rate");
    for (size_t i = 0; i < d->point_count && r->rc == 0; i++) {
        struct sweep_point *p = &d->points[i];
        p->place[d->rps_axis] = place_of_number(r, d->rps_axis, p->rps);
        p->place[d->error_axis] = place_of_number(r, d->error_axis, p->error_rate);
    }
}

static int64_t read_head(struct reader *r, int64_t sweep)
{
    static const char sql[] =
        "SELECT sweep, canary, version, seed, cells, "
        "(SELECT count(*) FROM sweep_cells c WHERE c.sweep = s.sweep) FROM sweeps s "
        "WHERE sweep = ?1 OR ?1 = 0 ORDER BY sweep DESC LIMIT 1";
    sqlite3_stmt *st = NULL;
    int64_t count = 0;

    if (sqlite3_prepare_v2(r->db, sql, -1, &st, NULL) == SQLITE_OK)
        sqlite3_bind_int64(st, 1, sweep);
    if (st && sqlite3_step(st) == SQLITE_ROW) {
        r->data->sweep = sqlite3_column_int64(st, 0);
        r->data->canary = copy(r, (const char *)sqlite3_column_text(st, 1));
        r->data->version = copy(r, (const char *)sqlite3_column_text(st, 2));
        r->data->seed = sqlite3_column_int64(st, 3);
        r->data->cells = sqlite3_column_int64(st, 4);
        count = sqlite3_column_int64(st, 5);
    }
    sqlite3_finalize(st);
    return count;
}

int sweep_read(sqlite3 *db, int64_t sweep, struct arena *arena, struct sweep_data *ret_data,
               char *reterr, size_t reterr_size)
{
    static const char sql[] =
        "SELECT cell, settings, rps, error_rate, release, runs, p_rollback, rollback_low, "
        "rollback_high, p_promote, promote_low, promote_high, detection_median_s, "
        "duration_median_s, bad_requests FROM sweep_points WHERE sweep = ?1 ORDER BY cell";
    struct reader r = {.db = db, .arena = arena, .data = ret_data};
    sqlite3_stmt *st = NULL;
    int64_t count;

    memset(ret_data, 0, sizeof *ret_data);
    count = read_head(&r, sweep);
    if (count == 0) {
        snprintf(reterr, reterr_size, sweep ? "no sweep %lld" : "no sweep in it", (long long)sweep);
        return -ENOENT;
    }
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
        snprintf(reterr, reterr_size, "%s", sqlite3_errmsg(db));
        return -EIO;
    }
    sqlite3_bind_int64(st, 1, ret_data->sweep);
    read_points(&r, st, count);
    sqlite3_finalize(st);
    return r.rc;
}

/* ---- choosing ---- */

void sweep_choice_init(struct sweep_choice *c)
{
    *c = (struct sweep_choice){.by = SWEEP_NONE, .x = SWEEP_NONE, .y = SWEEP_NONE};
    for (size_t i = 0; i < SWEEP_AXES_MAX; i++)
        c->only[i] = SWEEP_NONE;
}

size_t sweep_axis_find(const struct sweep_data *d, const char *key)
{
    for (size_t i = 0; i < d->axis_count; i++) {
        const char *dot = strrchr(d->axes[i].key, '.');
        if (strcmp(d->axes[i].key, key) == 0 || (dot && strcmp(dot + 1, key) == 0))
            return i;
    }
    return SWEEP_NONE;
}

size_t sweep_value_find(const struct sweep_axis *a, const char *value)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->values[i], value) == 0)
            return i;
    return SWEEP_NONE;
}

const char *sweep_axis_label(const struct sweep_axis *a)
{
    if (strcmp(a->key, "rps") == 0)
        return "requests per second";
    if (strcmp(a->key, "error-rate") == 0)
        return "true error rate of the new version";
    return strncmp(a->key, "analysis.", 9) == 0 ? a->key + 9 : a->key;
}

const struct sweep_point *sweep_point_at(const struct sweep_data *d, const size_t *place)
{
    for (size_t i = 0; i < d->point_count; i++)
        if (memcmp(d->points[i].place, place, d->axis_count * sizeof *place) == 0)
            return &d->points[i];
    return NULL;
}

const struct sweep_point *sweep_point_of(const struct sweep_data *d, int64_t cell)
{
    size_t low = 0, high = d->point_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->points[middle].cell < cell)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->point_count && d->points[low].cell == cell ? &d->points[low] : NULL;
}

bool sweep_point_chosen(const struct sweep_data *d, const struct sweep_choice *c,
                        const struct sweep_point *p)
{
    for (size_t a = 0; a < d->rps_axis; a++)
        if (c->only[a] != SWEEP_NONE && p->place[a] != c->only[a])
            return false;
    return true;
}

size_t sweep_held(const struct sweep_data *d, const struct sweep_choice *c, size_t axis)
{
    if (c->only[axis] != SWEEP_NONE)
        return c->only[axis];
    return axis == d->rps_axis ? (d->axes[axis].count - 1) / 2 : 0;
}

size_t sweep_hardest(const struct sweep_data *d, const struct sweep_choice *c, bool bad)
{
    const struct sweep_point *best = NULL;

    for (size_t i = 0; i < d->point_count; i++) {
        const struct sweep_point *p = &d->points[i];
        size_t only = c->only[d->error_axis];
        if (p->bad != bad || (only != SWEEP_NONE && p->place[d->error_axis] != only))
            continue;
        if (!best || (bad ? p->error_rate < best->error_rate : p->error_rate > best->error_rate))
            best = p;
    }
    return best ? best->place[d->error_axis] : SWEEP_NONE;
}

void sweep_add_settings(struct strbuf *b, const struct sweep_data *d, const size_t *place, size_t x,
                        size_t y)
{
    bool any = false;

    for (size_t i = 0; i < d->rps_axis; i++) {
        if (i == x || i == y)
            continue;
        strbuf_addf(b, "%s%s %s", any ? ", " : "", sweep_axis_label(&d->axes[i]),
                    d->axes[i].values[place[i]]);
        any = true;
    }
}

void sweep_add_held(struct strbuf *b, const struct sweep_data *d, const size_t *place, size_t x,
                    size_t y)
{
    struct strbuf settings = STRBUF_INIT;

    sweep_add_settings(&settings, d, place, x, y);
    if (settings.len > 0)
        strbuf_addf(b, "; %s", strbuf_str(&settings));
    strbuf_release(&settings);
    for (size_t i = 0; i < d->point_count && x != d->rps_axis && y != d->rps_axis; i++)
        if (d->points[i].place[d->rps_axis] == place[d->rps_axis]) {
            strbuf_adds(b, "; ");
            sweep_add_traffic(b, d->points[i].rps);
            break;
        }
}

void sweep_add_traffic(struct strbuf *b, double rps)
{
    char text[64];
    struct text t;

    text_init(&t, text, sizeof text);
    text_add_float(&t, rps);
    strbuf_addf(b, "%s %s per second", text, strcmp(text, "1") == 0 ? "request" : "requests");
}

void sweep_add_percent(struct strbuf *b, double share)
{
    char text[64];
    struct text t;

    /* Six digits: 0.07 * 100 is 7.000000000000001. */
    snprintf(text, sizeof text, "%.5e", share * 100);
    num_parse(text, strlen(text), &share);
    text_init(&t, text, sizeof text);
    text_add_float(&t, share);
    strbuf_adds(b, text);
    strbuf_adds(b, " %");
}
