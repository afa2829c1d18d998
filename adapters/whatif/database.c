/* A sweep in a Coalmine database: its JSON, row by row. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/store/store.h"
#include "adapters/whatif/whatif.h"

struct writer {
    sqlite3 *db;
    sqlite3_stmt *cell, *weight;
    int64_t sweep;
};

/* The columns of sweep_cells behind the cell's number, as members; "a.b" is member b of member a.
 */
static const char *const columns[] = {
    "set",
    "rps",
    "errorRate",
    "release",
    "runs",
    "rollback.count",
    "promote.count",
    "unfinished",
    "rollback.low",
    "rollback.high",
    "rollback.exact",
    "rollback.why",
    "promote.low",
    "promote.high",
    "detectionSeconds.median",
    "detectionSeconds.p90",
    "rollbackSeconds.median",
    "rollbackSeconds.p90",
    "durationSeconds.median",
    "durationSeconds.p90",
    "badRequests.mean",
    "badRequests.rolledBack",
    "canaryRequests",
    "usersExposed",
    "errorBudget",
};
#define COLUMN_COUNT (sizeof columns / sizeof *columns)

static const cJSON *at_path(const cJSON *cell, const char *path)
{
    const char *dot = strchr(path, '.');
    char outer[32];

    if (!dot)
        return json_get(cell, path);
    snprintf(outer, sizeof outer, "%.*s", (int)(dot - path), path);
    return json_get(json_get(cell, outer), dot + 1);
}

static int bind(sqlite3_stmt *st, int column, const cJSON *v)
{
    int64_t whole;
    char *text;

    if (cJSON_IsObject(v)) {
        text = json_print(v);
        if (!text)
            return -ENOMEM;
        sqlite3_bind_text(st, column, text, -1, SQLITE_TRANSIENT);
        free(text);
    } else if (cJSON_IsString(v)) {
        sqlite3_bind_text(st, column, v->valuestring, -1, SQLITE_TRANSIENT);
    } else if (json_as_int(v, &whole)) {
        sqlite3_bind_int64(st, column, whole);
    } else if (cJSON_IsNumber(v)) {
        sqlite3_bind_double(st, column, v->valuedouble);
    } else {
        sqlite3_bind_null(st, column);
    }
    return 0;
}

/* A row that breaks a rule of the schema (a member is missing, a cell comes twice) is no sweep's.
 */
static int put(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    sqlite3_reset(st);
    return rc == SQLITE_DONE ? 0 : rc == SQLITE_CONSTRAINT ? -EINVAL : -EIO;
}

static int put_share(struct writer *w, int64_t cell, int tick, double every_s, const cJSON *pair)
{
    int64_t share, runs;

    if (!json_as_int(cJSON_GetArrayItem(pair, 0), &share) ||
        !json_as_int(cJSON_GetArrayItem(pair, 1), &runs))
        return -EINVAL;
    sqlite3_bind_int64(w->weight, 1, w->sweep);
    sqlite3_bind_int64(w->weight, 2, cell);
    sqlite3_bind_int(w->weight, 3, tick);
    sqlite3_bind_double(w->weight, 4, tick * every_s);
    sqlite3_bind_int64(w->weight, 5, share);
    sqlite3_bind_int64(w->weight, 6, runs);
    return put(w->weight);
}

static int put_fan(struct writer *w, int64_t cell, const cJSON *fan)
{
    const cJSON *tick, *pair, *every = json_get(fan, "intervalSeconds");
    int n = 0, rc = 0;

    cJSON_ArrayForEach(tick, json_get(fan, "ticks"))
    {
        cJSON_ArrayForEach(pair, tick)
        {
            if (rc == 0)
                rc = put_share(w, cell, n, cJSON_IsNumber(every) ? every->valuedouble : 0, pair);
        }
        n++;
    }
    return rc;
}

static int put_cell(struct writer *w, const cJSON *cell)
{
    int64_t number = json_int(cell, "cell", -1);
    int rc = number < 0 ? -EINVAL : 0;

    sqlite3_bind_int64(w->cell, 1, w->sweep);
    sqlite3_bind_int64(w->cell, 2, number);
    for (size_t i = 0; i < COLUMN_COUNT && rc == 0; i++)
        rc = bind(w->cell, (int)i + 3, at_path(cell, columns[i]));
    if (rc == 0)
        rc = put(w->cell);
    return rc == 0 ? put_fan(w, number, json_get(cell, "fan")) : rc;
}

static int put_sweep(struct writer *w, const cJSON *head)
{
    static const char *const members[] = {"canary", "version", "seed", "cellCount"};
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(
                 w->db, "INSERT INTO sweeps (canary, version, seed, cells) VALUES (?, ?, ?, ?)", -1,
                 &st, NULL) == SQLITE_OK
                 ? 0
                 : -EIO;

    for (int i = 0; i < 4 && rc == 0; i++)
        rc = bind(st, i + 1, json_get(head, members[i]));
    if (rc == 0)
        rc = put(st);
    w->sweep = sqlite3_last_insert_rowid(w->db);
    sqlite3_finalize(st);
    return rc;
}

static int prepare(struct writer *w)
{
    struct strbuf sql = STRBUF_INIT;
    int rc = 0;

    strbuf_adds(&sql, "INSERT INTO sweep_cells VALUES (?, ?");
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        strbuf_adds(&sql, ", ?");
    strbuf_adds(&sql, ")");
    if (sqlite3_prepare_v2(w->db, strbuf_str(&sql), -1, &w->cell, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(w->db, "INSERT INTO sweep_weights VALUES (?, ?, ?, ?, ?, ?)", -1,
                           &w->weight, NULL) != SQLITE_OK)
        rc = -EIO;
    strbuf_release(&sql);
    return rc;
}

/* One line of the JSON: `{"canary":…,"cells":[`, a cell with a comma or without, `]}`. */
static cJSON *parse_line(const char *line, size_t len, bool head)
{
    struct strbuf whole = STRBUF_INIT;
    cJSON *v;

    if (len > 0 && line[len - 1] == ',')
        len--;
    strbuf_add(&whole, line, len);
    if (head)
        strbuf_adds(&whole, "]}");
    v = json_parse(strbuf_str(&whole), whole.len, NULL);
    strbuf_release(&whole);
    return v;
}

static int put_lines(struct writer *w, const char *json)
{
    bool head = true;
    int rc = 0;

    for (const char *p = json; *p && rc == 0; head = false) {
        size_t len = strcspn(p, "\n");
        cJSON *line;

        if (!head && len >= 2 && memcmp(p, "]}", 2) == 0)
            break;
        line = parse_line(p, len, head);
        rc = !line ? -EINVAL : head ? put_sweep(w, line) : put_cell(w, line);
        json_free(line);
        p += len + (p[len] == '\n');
    }
    return rc;
}

int whatif_write_db(const char *path, const char *json, struct strbuf *reterr)
{
    struct store *store;
    struct writer w = {0};
    char error[256];
    int rc = store_open(path, STORE_APPEND, &store, error, sizeof error);

    if (rc != 0) {
        strbuf_adds(reterr, error);
        return rc;
    }
    w.db = store_database(store);
    rc = prepare(&w);
    if (rc == 0)
        rc = put_lines(&w, json);
    if (rc == -EINVAL)
        strbuf_addf(reterr, "%s: not the JSON of a sweep", path);
    else if (rc != 0)
        strbuf_addf(reterr, "%s: %s", path, sqlite3_errmsg(w.db));
    sqlite3_finalize(w.cell);
    sqlite3_finalize(w.weight);
    if (rc == 0 && (rc = store_commit(store)) != 0)
        strbuf_addf(reterr, "%s: %s", path, store_error(store));
    store_close(store);
    return rc;
}
