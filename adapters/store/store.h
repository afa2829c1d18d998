/*
 * adapters/store/store.h — runs in a SQLite database: simulation reports. (flight.h has the operator's.)
 *
 * The tables stand in reports/schema.sql, the views in reports/views.sql, both explained in
 * docs/reference/sqlite.md. A store is filled through a sink (sim/record.h), one run after another:
 *
 *     store_open("run.db", STORE_REPLACE, &s, error, sizeof error);
 *     store_begin_run(s, &info);  sink = store_sink(s);  ... sink.put(sink.self, &row) ...
 *     store_end_run(s, end_ms);
 *     rc = store_commit(s);       store_close(s);
 *
 * Nothing is seen by anybody before store_commit; a store closed without it leaves what was there
 * before.
 */
#ifndef COALMINE_STORE_STORE_H
#define COALMINE_STORE_STORE_H

#include <stddef.h>

#include "sim/record.h"

/* Written to PRAGMA application_id and user_version. A database of a newer version is not touched.
 */
#define STORE_APPLICATION_ID 0x434d494e /* "CMIN" */
#define STORE_SCHEMA_VERSION 1

struct store;

enum store_mode {
    STORE_REPLACE, /* a new file takes the place of the old one at commit, in one rename */
    STORE_APPEND,  /* runs are added to what is there; may commit again and again */
};

/*
 * Open a database for writing. A file at `path` that is no Coalmine database is left alone.
 * Returns 0, or -EEXIST (some other file stands there), -EPROTO (its schema is newer), -EIO,
 * -ENOMEM, with the reason in `reterr`.
 */
int store_open(const char *path, enum store_mode mode, struct store **ret_store, char *reterr,
               size_t reterr_size);
/* Drop what was not committed. NULL is fine. */
void store_close(struct store *s);

/*
 * Begin a run; its number is ret_run (NULL = not asked for). `info` is borrowed for the call. A
 * failure here or in any row is kept and returned by store_commit, so that callers check once.
 */
void store_begin_run(struct store *s, const struct run_info *info, int64_t *ret_run);
/* Rows of the current run. Asks are stored when `asks` is set, gauges always. */
struct sink store_sink(struct store *s, bool asks);
void store_end_run(struct store *s, ms_t end_ms);
/* A whole recorded run: begin, every row, end. */
void store_put_record(struct store *s, const struct record *record);

/* Make it stand. 0, or -EIO, -ENOSPC, -ENOMEM with store_error(); then nothing of it stands. */
int store_commit(struct store *s);
const char *store_error(const struct store *s);

/* The database itself, for rows that are no run's; they stand with store_commit. */
struct sqlite3;
struct sqlite3 *store_database(struct store *s);

/* Open a Coalmine database for reading. As store_open; -ENOENT when there is none. */
int store_open_read(const char *path, struct sqlite3 **ret_db, char *reterr, size_t reterr_size);

#endif
