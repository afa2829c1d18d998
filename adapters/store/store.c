#include "adapters/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/store/rows.h"
#include "reports/schema.sql.h"
#include "reports/views.sql.h"

#define BUSY_MS 5000

void store_fail(struct store *s, int error, const char *format, ...)
{
    va_list args;

    if (s->failed != 0)
        return;
    s->failed = error;
    va_start(args, format);
    vsnprintf(s->error, sizeof s->error, format, args);
    va_end(args);
}

static bool run_sql(struct store *s, const char *sql)
{
    if (s->failed == 0 && sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        store_fail(s, sqlite3_errcode(s->db) == SQLITE_FULL ? -ENOSPC : -EIO, "%s",
                   sqlite3_errmsg(s->db));
    return s->failed == 0;
}

/* The one number that a query gives, or `otherwise`. */
static int64_t query_int(sqlite3 *db, const char *sql, int64_t otherwise)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = otherwise;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

enum kind_of_file { FILE_ABSENT, FILE_EMPTY, FILE_OURS, FILE_NEWER, FILE_FOREIGN, FILE_BROKEN };

/* What stands in an open database. */
static enum kind_of_file database_kind(sqlite3 *db)
{
    int rc = sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);

    if (rc != SQLITE_OK)
        return rc == SQLITE_NOTADB ? FILE_FOREIGN : FILE_BROKEN;
    if (query_int(db, "PRAGMA application_id", 0) == STORE_APPLICATION_ID)
        return query_int(db, "PRAGMA user_version", 0) > STORE_SCHEMA_VERSION ? FILE_NEWER
                                                                              : FILE_OURS;
    return query_int(db, "SELECT count(*) FROM sqlite_schema", 1) == 0 ? FILE_EMPTY : FILE_FOREIGN;
}

/*
 * What stands at `path`. Opened for writing where that is allowed, because the journal of a killed
 * writer can only be undone so. reterr   why a FILE_BROKEN cannot be read ret_db   the open
 * database of a FILE_OURS, NULL = not wanted
 */
static enum kind_of_file file_kind(const char *path, char *reterr, size_t reterr_size,
                                   sqlite3 **ret_db)
{
    struct stat st;
    sqlite3 *db = NULL;
    enum kind_of_file kind = FILE_BROKEN;

    if (stat(path, &st) != 0)
        return FILE_ABSENT;
    if (!S_ISREG(st.st_mode))
        return FILE_FOREIGN;
    if (st.st_size == 0)
        return FILE_EMPTY;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, BUSY_MS);
        kind = database_kind(db);
    }
    if (kind == FILE_BROKEN)
        snprintf(reterr, reterr_size, "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    if (kind == FILE_OURS && ret_db)
        *ret_db = db;
    else
        sqlite3_close(db);
    return kind;
}

/* Says why a file cannot be used; `kind` is FILE_NEWER, FILE_FOREIGN or FILE_BROKEN (already told).
 */
static int refuse(const char *path, enum kind_of_file kind, char *reterr, size_t reterr_size)
{
    if (kind == FILE_BROKEN)
        return -EIO;
    if (kind == FILE_NEWER) {
        snprintf(reterr, reterr_size, "%s was written by a newer Coalmine (schema above %d)", path,
                 STORE_SCHEMA_VERSION);
        return -EPROTO;
    }
    snprintf(reterr, reterr_size, "%s is not a Coalmine database", path);
    return -EEXIST;
}

static void create_schema(struct store *s)
{
    char sql[128];

    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             STORE_APPLICATION_ID, STORE_SCHEMA_VERSION);
    run_sql(s, sql);
    run_sql(s, schema_sql);
    run_sql(s, views_sql);
}

/* A file of our own beside the final one, so that the rename at the end stays on one disk. */
static void open_temporary(struct store *s)
{
    size_t size = strlen(s->path) + 32;
    char *name = malloc(size);

    if (!name) {
        store_fail(s, -ENOMEM, "out of memory");
        return;
    }
    snprintf(name, size, "%s.%ld.tmp", s->path, (long)getpid());
    int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0666);
    if (fd < 0) {
        store_fail(s, errno == ENOSPC ? -ENOSPC : -EIO, "%s: %s", name, strerror(errno));
        free(name);
        return;
    }
    close(fd);
    s->temporary = name;
    if (sqlite3_open_v2(name, &s->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        store_fail(s, -EIO, "%s: %s", name, sqlite3_errmsg(s->db));
    /* Nobody else knows the file, and it is thrown away when anything fails. */
    run_sql(s,
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE");
    run_sql(s, "BEGIN");
    s->in_transaction = s->failed == 0;
    create_schema(s);
}

static void open_existing(struct store *s)
{
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK) {
        store_fail(s, -EIO, "%s: %s", s->path, sqlite3_errmsg(s->db));
        return;
    }
    sqlite3_busy_timeout(s->db, BUSY_MS);
    run_sql(s, "BEGIN IMMEDIATE");
    s->in_transaction = s->failed == 0;
    /* A file of an older Coalmine gets the tables and views that it does not have. */
    if (s->failed == 0)
        create_schema(s);
    s->run = query_int(s->db, "SELECT max(run) FROM runs", 0);
}

int store_open(const char *path, enum store_mode mode, struct store **ret_store, char *reterr,
               size_t reterr_size)
{
    enum kind_of_file kind = file_kind(path, reterr, reterr_size, NULL);
    struct store *s;

    if (kind >= FILE_NEWER)
        return refuse(path, kind, reterr, reterr_size);
    s = calloc(1, sizeof *s);
    if (s) {
        s->mode = mode;
        s->path = malloc(strlen(path) + 1);
        s->text = malloc(STORE_TEXT_BYTES);
    }
    if (!s || !s->path || !s->text) {
        store_close(s);
        snprintf(reterr, reterr_size, "out of memory");
        return -ENOMEM;
    }
    memcpy(s->path, path, strlen(path) + 1);
    if (mode == STORE_REPLACE)
        open_temporary(s);
    else
        open_existing(s);
    if (s->failed == 0)
        store_prepare(s);
    if (s->failed != 0) {
        int rc = s->failed;
        snprintf(reterr, reterr_size, "%s", s->error);
        store_close(s);
        return rc;
    }
    *ret_store = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_finalize(s);
    if (s->in_transaction)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(s->db);
    if (s->temporary)
        unlink(s->temporary);
    free(s->temporary);
    free(s->path);
    free(s->ticks);
    free(s->text);
    free(s);
}

/* After a commit, the next run of a STORE_APPEND opens the next transaction. */
static void ensure_transaction(struct store *s)
{
    if (s->in_transaction || s->failed != 0)
        return;
    if (s->committed && s->mode == STORE_REPLACE) {
        store_fail(s, -EINVAL, "%s is already written", s->path);
        return;
    }
    s->in_transaction = run_sql(s, "BEGIN IMMEDIATE");
}

void store_begin_run(struct store *s, const struct run_info *info, int64_t *ret_run)
{
    ensure_transaction(s);
    s->run++;
    s->seq = 0;
    s->epoch_ms = info->epoch_ms;
    if (s->tick_cap > 0)
        memset(s->ticks, 0, s->tick_cap * sizeof *s->ticks);
    if (s->failed == 0)
        rows_put_run(s, info);
    if (ret_run)
        *ret_run = s->run;
}

static void sink_put(void *self, const struct row *row)
{
    ensure_transaction(self);
    rows_put(self, row);
}

struct sink store_sink(struct store *s, bool asks)
{
    return (struct sink){.self = s, .put = sink_put, .wants_asks = asks, .wants_gauges = true};
}

void store_end_run(struct store *s, ms_t end_ms)
{
    ensure_transaction(s);
    if (s->failed != 0)
        return;
    rows_flush_ticks(s);
    sqlite3_bind_int64(s->end_run, 1, end_ms);
    sqlite3_bind_int64(s->end_run, 2, s->run);
    if (sqlite3_step(s->end_run) != SQLITE_DONE)
        store_fail(s, -EIO, "%s", sqlite3_errmsg(s->db));
    sqlite3_reset(s->end_run);
}

void store_put_record(struct store *s, const struct record *record)
{
    store_begin_run(s, &record->info, NULL);
    if (record->failed)
        store_fail(s, -ENOMEM, "out of memory: the record of %s is not whole", record->info.name);
    for (size_t i = 0; i < record->count && s->failed == 0; i++)
        rows_put(s, &record->rows[i]);
    store_end_run(s, record->info.end_ms);
}

/* Bytes to the disk first, then the name: whoever looks sees the old file or the whole new one. */
static void put_in_place(struct store *s)
{
    store_finalize(s);
    if (sqlite3_close(s->db) != SQLITE_OK)
        store_fail(s, -EIO, "%s: cannot be closed", s->temporary);
    else
        s->db = NULL;
    int fd = open(s->temporary, O_RDONLY);
    if (fd < 0 || fsync(fd) != 0)
        store_fail(s, -EIO, "%s: %s", s->temporary, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (s->failed == 0 && rename(s->temporary, s->path) != 0)
        store_fail(s, -EIO, "%s: %s", s->path, strerror(errno));
    if (s->failed == 0) {
        free(s->temporary);
        s->temporary = NULL;
    }
}

int store_commit(struct store *s)
{
    if (s->failed == 0)
        rows_flush_ticks(s);
    if (s->in_transaction && run_sql(s, "COMMIT"))
        s->in_transaction = false;
    if (s->failed == 0 && s->mode == STORE_REPLACE && !s->committed)
        put_in_place(s);
    s->committed = s->failed == 0;
    return s->failed;
}

const char *store_error(const struct store *s)
{
    return s->error;
}

sqlite3 *store_database(struct store *s)
{
    ensure_transaction(s);
    return s->db;
}

int store_open_read(const char *path, sqlite3 **ret_db, char *reterr, size_t reterr_size)
{
    sqlite3 *db = NULL;
    enum kind_of_file kind = file_kind(path, reterr, reterr_size, &db);

    if (kind == FILE_ABSENT) {
        snprintf(reterr, reterr_size, "%s: %s", path, strerror(ENOENT));
        return -ENOENT;
    }
    if (kind != FILE_OURS)
        return refuse(path, kind, reterr, reterr_size);
    sqlite3_exec(db, "PRAGMA query_only = 1", NULL, NULL, NULL);
    *ret_db = db;
    return 0;
}
