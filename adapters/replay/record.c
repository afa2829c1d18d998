#include "adapters/replay/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ------------------------------------------------------------------------------------
 */

int recording_bad(struct recording *r, int64_t tick, int64_t step, const char *what,
                  const char *why)
{
    if (step >= 0)
        snprintf(r->reterr, r->reterr_size, "tick %lld, step %lld: %s: %s", (long long)tick,
                 (long long)step, what, why);
    else
        snprintf(r->reterr, r->reterr_size, "tick %lld: %s: %s", (long long)tick, what, why);
    return -EINVAL;
}

static int bad_row(struct recording *r, const char *table, int64_t row, const char *why)
{
    snprintf(r->reterr, r->reterr_size, "%s %lld: %s", table, (long long)row, why);
    return -EINVAL;
}

static int db_failed(struct recording *r)
{
    snprintf(r->reterr, r->reterr_size, "%s", sqlite3_errmsg(r->db));
    return -EIO;
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static const char ticks_sql[] =
    "SELECT tick, process, namespace, name, spec, kind, at_ms, phase, before, after FROM ticks "
    "WHERE (?1 IS NULL OR namespace = ?1) AND (?2 IS NULL OR name = ?2) AND at_ms >= ?3 AND "
    "at_ms <= ?4 ORDER BY tick";
static const char steps_sql[] =
    "SELECT step, notes, ask, answer FROM steps WHERE tick = ?1 ORDER BY step";

int recording_open(struct recording *r, sqlite3 *db, const struct replay_choice *choice,
                   char *reterr, size_t reterr_size)
{
    memset(r, 0, sizeof(*r));
    r->db = db;
    r->reterr = reterr;
    r->reterr_size = reterr_size;
    r->arena = arena_new(TICK_BYTES_MAX);
    r->specs_arena = arena_new(0);
    if (r->arena == NULL || r->specs_arena == NULL) {
        snprintf(reterr, reterr_size, "out of memory");
        return -ENOMEM;
    }
    if (sqlite3_prepare_v2(db, ticks_sql, -1, &r->ticks, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, steps_sql, -1, &r->steps, NULL) != SQLITE_OK)
        return db_failed(r);
    if (choice->ns)
        sqlite3_bind_text(r->ticks, 1, choice->ns, -1, SQLITE_TRANSIENT);
    if (choice->name)
        sqlite3_bind_text(r->ticks, 2, choice->name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(r->ticks, 3, choice->since_ms ? choice->since_ms : INT64_MIN);
    sqlite3_bind_int64(r->ticks, 4, choice->until_ms ? choice->until_ms : INT64_MAX);
    return 0;
}

void recording_close(struct recording *r)
{
    sqlite3_finalize(r->ticks);
    sqlite3_finalize(r->steps);
    for (size_t i = 0; i < r->spec_count; i++)
        json_free(r->specs[i].canary);
    free(r->specs);
    arena_free(r->arena);
    arena_free(r->specs_arena);
}

/* ---- ticks -------------------------------------------------------------------------------------
 */

/* A column as text, in the arena; NULL when it is NULL or memory is out. */
static const char *text_of(struct arena *arena, sqlite3_stmt *s, int column)
{
    const unsigned char *text =
        sqlite3_column_type(s, column) == SQLITE_NULL ? NULL : sqlite3_column_text(s, column);

    return text ? arena_strdup(arena, (const char *)text) : NULL;
}

static int read_steps(struct recording *r, struct recorded_tick *t)
{
    size_t cap = 0;
    int rc;

    sqlite3_reset(r->steps);
    sqlite3_bind_int64(r->steps, 1, t->tick);
    while ((rc = sqlite3_step(r->steps)) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(r->steps, 0);
        struct recorded_step step = {text_of(r->arena, r->steps, 1), text_of(r->arena, r->steps, 2),
                                     text_of(r->arena, r->steps, 3)};

        if (number != (int64_t)t->step_count)
            return recording_bad(r, t->tick, (int64_t)t->step_count, "step", "is missing");
        if (step.notes == NULL || step.ask == NULL || t->step_count == STEPS_MAX)
            return recording_bad(r, t->tick, number, "step", "is not whole");
        if (t->step_count == cap) {
            struct recorded_step *more;

            cap = cap ? cap * 2 : 32;
            more = arena_alloc(r->arena, cap * sizeof(*more));
            if (more == NULL)
                return recording_bad(r, t->tick, number, "step", "is too large");
            if (t->step_count > 0)
                memcpy(more, t->steps, t->step_count * sizeof(*more));
            t->steps = more;
        }
        t->steps[t->step_count++] = step;
    }
    return rc == SQLITE_DONE ? 0 : db_failed(r);
}

int recording_next(struct recording *r, struct recorded_tick *t)
{
    int rc = sqlite3_step(r->ticks);
    const char *kind;

    memset(t, 0, sizeof(*t));
    arena_clear(r->arena);
    if (rc == SQLITE_DONE)
        return 0;
    if (rc != SQLITE_ROW)
        return db_failed(r);
    t->tick = sqlite3_column_int64(r->ticks, 0);
    t->process = sqlite3_column_int64(r->ticks, 1);
    t->ns = text_of(r->arena, r->ticks, 2);
    t->name = text_of(r->arena, r->ticks, 3);
    t->spec = sqlite3_column_int64(r->ticks, 4);
    kind = text_of(r->arena, r->ticks, 5);
    t->at_ms = sqlite3_column_int64(r->ticks, 6);
    t->phase = text_of(r->arena, r->ticks, 7);
    t->before = text_of(r->arena, r->ticks, 8);
    t->after = text_of(r->arena, r->ticks, 9);
    if (!t->ns || !t->name || !kind || !t->phase || !t->before)
        return recording_bad(r, t->tick, -1, "row", "is not whole");
    if (strcmp(kind, "analysis") != 0 && strcmp(kind, "finalize") != 0)
        return recording_bad(r, t->tick, -1, "kind", "is neither analysis nor finalize");
    t->kind = strcmp(kind, "finalize") == 0 ? TICK_FINALIZE : TICK_ANALYSIS;
    rc = read_steps(r, t);
    return rc == 0 ? 1 : rc;
}

/* ---- specs -------------------------------------------------------------------------------------
 */

/* Names with commas between, as a set. */
static int read_deviations(struct recording *r, int64_t process, const char *names,
                           deviations_t *ret)
{
    deviations_t set = 0;

    while (*names) {
        size_t len = strcspn(names, ",");
        char name[64];
        enum deviation d;

        snprintf(name, sizeof(name), "%.*s", len < sizeof(name) ? (int)len : 0, names);
        if (!deviation_find(name, &d))
            return bad_row(r, "process", process,
                           "deviations: has a name that this version does not know");
        set |= (deviations_t)1 << d;
        names += len + (names[len] == ',');
    }
    *ret = set;
    return 0;
}

static int read_process(struct recording *r, int64_t process, struct canary_options *ret,
                        const char **ret_version)
{
    static const char sql[] = "SELECT deviations, mesh_provider, cluster_name, config_tracking, "
                              "version FROM processes WHERE process = ?1";
    sqlite3_stmt *s = NULL;
    int rc = -EINVAL;

    memset(ret, 0, sizeof(*ret));
    if (sqlite3_prepare_v2(r->db, sql, -1, &s, NULL) != SQLITE_OK)
        return db_failed(r);
    sqlite3_bind_int64(s, 1, process);
    if (sqlite3_step(s) == SQLITE_ROW) {
        const char *names = text_of(r->specs_arena, s, 0);

        ret->mesh_provider = text_of(r->specs_arena, s, 1);
        ret->cluster_name = text_of(r->specs_arena, s, 2);
        ret->no_config_tracking = sqlite3_column_int(s, 3) == 0;
        ret->lenient = true;
        *ret_version = text_of(r->specs_arena, s, 4);
        rc = names ? read_deviations(r, process, names, &ret->deviations)
                   : bad_row(r, "process", process, "is not whole");
    } else {
        rc = bad_row(r, "process", process, "is missing");
    }
    sqlite3_finalize(s);
    return rc;
}

static int read_canary(struct recording *r, int64_t spec, cJSON **ret)
{
    sqlite3_stmt *s = NULL;
    const char *text = NULL;

    if (sqlite3_prepare_v2(r->db, "SELECT canary FROM specs WHERE spec = ?1", -1, &s, NULL) !=
        SQLITE_OK)
        return db_failed(r);
    sqlite3_bind_int64(s, 1, spec);
    if (sqlite3_step(s) == SQLITE_ROW)
        text = text_of(r->specs_arena, s, 0);
    sqlite3_finalize(s);
    *ret = text ? json_parse(text, strlen(text), NULL) : NULL;
    if (*ret == NULL)
        return bad_row(r, "spec", spec, text ? "canary: is no JSON" : "is missing");
    return 0;
}

static int decode(struct recording *r, struct recorded_spec *s)
{
    struct canary *canary = arena_alloc(r->specs_arena, sizeof(*canary));
    struct diags diags;
    int rc = read_process(r, s->process, &s->options, &s->version);

    if (rc == 0)
        rc = read_canary(r, s->spec, &s->canary);
    if (rc != 0)
        return rc;
    diags_init(&diags, r->specs_arena);
    if (canary == NULL ||
        canary_decode_json(r->specs_arena, &diags, "", s->canary, &s->options, canary) != 0) {
        rc = bad_row(r, "spec", s->spec,
                     diags.count && diags.items[0].what ? diags.items[0].what : "cannot be read");
        json_free(s->canary);
    } else {
        s->decoded = &canary->spec;
    }
    diags_release(&diags);
    return rc;
}

int recording_spec(struct recording *r, const struct recorded_tick *t,
                   const struct recorded_spec **ret_spec)
{
    struct recorded_spec s = {.process = t->process, .spec = t->spec};
    int rc;

    for (size_t i = 0; i < r->spec_count; i++) {
        if (r->specs[i].process == t->process && r->specs[i].spec == t->spec) {
            *ret_spec = &r->specs[i];
            return 0;
        }
    }
    rc = decode(r, &s);
    if (rc != 0)
        return rc;
    if (r->spec_count == r->spec_cap) {
        size_t cap = r->spec_cap ? r->spec_cap * 2 : 16;
        struct recorded_spec *specs = realloc(r->specs, cap * sizeof(*specs));

        if (specs == NULL) {
            json_free(s.canary);
            return bad_row(r, "spec", t->spec, "out of memory");
        }
        r->specs = specs;
        r->spec_cap = cap;
    }
    r->specs[r->spec_count] = s;
    *ret_spec = &r->specs[r->spec_count++];
    return 0;
}
