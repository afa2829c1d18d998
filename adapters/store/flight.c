#include "adapters/store/flight.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <sqlite3.h>

#include "adapters/base/clock.h"
#include "adapters/base/strbuf.h"
#include "reports/flight.sql.h"

#define BUSY_MS 5000
#define BYTES_MAX ((size_t)256 << 20)
#define WAITING_MAX ((size_t)16 << 20)
#define HASH_MAX 40
#define GATHER_MS 250

/* Texts of a tick, NUL-terminated, one after another in `text`. */
struct flight_tick {
    struct strbuf text;
    size_t *steps; /* offsets: notes, ask, answer of each; SIZE_MAX = no answer */
    size_t step_count, step_cap;
    size_t ns, name, hash, spec, kind, phase, before, after; /* SIZE_MAX = none */
    int64_t at_ms;
    bool failed;
    struct flight_tick *next;
};

struct flight {
    sqlite3 *db;
    sqlite3_stmt *put_spec, *put_tick, *put_step;
    size_t bytes_max, waiting_max;
    int64_t keep_ms, process;
    char (*known)[HASH_MAX];
    size_t known_count, known_cap;
    /* shared with the writer */
    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t more;
    bool running, stopping;
    struct flight_tick *first, *last;
    size_t waiting;
    bool specs_lost; /* a transaction failed: what was known may not be in the file */
    struct flight_counts counts;
    char trouble[300];
};

/* ---- opening -----------------------------------------------------------------------------------
 */

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

static int fail(sqlite3 *db, int code, const char *path, const char *why, char *reterr,
                size_t reterr_size)
{
    snprintf(reterr, reterr_size, "%s: %s", path, why ? why : sqlite3_errmsg(db));
    return code;
}

/* Nothing (1), or ours (0), or -Exxx. */
static int look(sqlite3 *db, const char *path, char *reterr, size_t reterr_size)
{
    int rc = sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    int64_t id, version;

    if (rc == SQLITE_NOTADB)
        return fail(db, -EEXIST, path, "not a flight record", reterr, reterr_size);
    if (rc != SQLITE_OK)
        return fail(db, -EIO, path, NULL, reterr, reterr_size);
    id = query_int(db, "PRAGMA application_id", 0);
    version = query_int(db, "PRAGMA user_version", 0);
    if (id == 0 && query_int(db, "SELECT count(*) FROM sqlite_schema", 1) == 0)
        return 1;
    if (id == 0x434d494e)
        return fail(db, -EEXIST, path,
                    "a database of runs, not a flight record; see 'coalmine report --help'", reterr,
                    reterr_size);
    if (id != FLIGHT_APPLICATION_ID)
        return fail(db, -EEXIST, path, "not a flight record", reterr, reterr_size);
    if (version > FLIGHT_SCHEMA_VERSION)
        return fail(db, -EPROTO, path, "written by a newer Coalmine", reterr, reterr_size);
    return 0;
}

static int create(sqlite3 *db, const char *path, char *reterr, size_t reterr_size)
{
    char sql[160];

    snprintf(sql, sizeof(sql), "BEGIN; PRAGMA application_id = %d; PRAGMA user_version = %d;",
             FLIGHT_APPLICATION_ID, FLIGHT_SCHEMA_VERSION);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, flight_sql, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return fail(db, -EIO, path, NULL, reterr, reterr_size);
    return 0;
}

static int put_process(struct flight *f, const struct flight_process *p)
{
    static const char sql[] = "INSERT INTO processes (began_ms, version, identity, profile, "
                              "deviations, mesh_provider, cluster_name, config_tracking, dry_run) "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    const char *texts[] = {p->version,    p->identity,      p->profile,
                           p->deviations, p->mesh_provider, p->cluster_name};
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(f->db, sql, -1, &s, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(s, 1, p->began_ms);
        for (int i = 0; i < 6; i++)
            sqlite3_bind_text(s, 2 + i, texts[i] ? texts[i] : "", -1, SQLITE_TRANSIENT);
        sqlite3_bind_int(s, 8, p->config_tracking);
        sqlite3_bind_int(s, 9, p->dry_run);
        rc = sqlite3_step(s) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
    }
    sqlite3_finalize(s);
    f->process = sqlite3_last_insert_rowid(f->db);
    return rc == SQLITE_OK ? 0 : -EIO;
}

static bool remember_spec(struct flight *f, const char *hash)
{
    if (f->known_count == f->known_cap) {
        size_t cap = f->known_cap ? f->known_cap * 2 : 64;
        void *known = realloc(f->known, cap * HASH_MAX);

        if (known == NULL)
            return false;
        f->known = known;
        f->known_cap = cap;
    }
    snprintf(f->known[f->known_count++], HASH_MAX, "%.*s", HASH_MAX - 1, hash);
    return true;
}

/* Specs that no tick has are left over from ticks that went; the others are known. */
static int load_specs(struct flight *f)
{
    sqlite3_stmt *s = NULL;
    int rc;

    sqlite3_exec(f->db, "DELETE FROM specs WHERE spec NOT IN (SELECT spec FROM ticks)", NULL, NULL,
                 NULL);
    rc = sqlite3_prepare_v2(f->db, "SELECT hash FROM specs", -1, &s, NULL);
    while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        const unsigned char *hash = sqlite3_column_text(s, 0);

        if (hash && !remember_spec(f, (const char *)hash))
            rc = SQLITE_NOMEM;
    }
    sqlite3_finalize(s);
    return rc == SQLITE_OK ? 0 : -EIO;
}

static int prepare(struct flight *f)
{
    static const char put_spec[] = "INSERT OR IGNORE INTO specs (hash, canary) VALUES (?1, ?2)",
                      put_tick[] = "INSERT INTO ticks (process, namespace, name, spec, kind, "
                                   "at_ms, phase, before, after) SELECT ?1, ?2, ?3, spec, ?5, ?6, "
                                   "?7, ?8, ?9 FROM specs WHERE hash = ?4",
                      put_step[] = "INSERT INTO steps (tick, step, notes, ask, answer) VALUES "
                                   "(?1, ?2, ?3, ?4, ?5)";

    return sqlite3_prepare_v2(f->db, put_spec, -1, &f->put_spec, NULL) == SQLITE_OK &&
                   sqlite3_prepare_v2(f->db, put_tick, -1, &f->put_tick, NULL) == SQLITE_OK &&
                   sqlite3_prepare_v2(f->db, put_step, -1, &f->put_step, NULL) == SQLITE_OK
               ? 0
               : -EIO;
}

static int open_file(struct flight *f, const struct flight_options *o,
                     const struct flight_process *process, char *reterr, size_t reterr_size)
{
    struct stat st;
    int rc;

    if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode))
        return fail(NULL, -EEXIST, o->path, "not a file", reterr, reterr_size);
    rc = sqlite3_open_v2(o->path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc != SQLITE_OK)
        return fail(f->db, -EIO, o->path, NULL, reterr, reterr_size);
    sqlite3_busy_timeout(f->db, BUSY_MS);
    rc = look(f->db, o->path, reterr, reterr_size);
    if (rc < 0)
        return rc;
    sqlite3_exec(f->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    if (rc == 1 && (rc = create(f->db, o->path, reterr, reterr_size)) != 0)
        return rc;
    if (load_specs(f) != 0 || prepare(f) != 0 || put_process(f, process) != 0)
        return fail(f->db, -EIO, o->path, NULL, reterr, reterr_size);
    return 0;
}

/* ---- writing, in the thread --------------------------------------------------------------------
 */

static void bind_text(sqlite3_stmt *s, int at, const struct flight_tick *t, size_t offset)
{
    if (offset == SIZE_MAX)
        sqlite3_bind_null(s, at);
    else
        sqlite3_bind_text(s, at, t->text.data + offset, -1, SQLITE_STATIC);
}

static bool run(sqlite3_stmt *s)
{
    bool ok = sqlite3_step(s) == SQLITE_DONE;

    sqlite3_reset(s);
    return ok;
}

static bool write_tick(struct flight *f, const struct flight_tick *t, uint64_t *ret_skipped)
{
    int64_t tick;

    if (t->spec != SIZE_MAX) {
        bind_text(f->put_spec, 1, t, t->hash);
        bind_text(f->put_spec, 2, t, t->spec);
        if (!run(f->put_spec))
            return false;
    }
    sqlite3_bind_int64(f->put_tick, 1, f->process);
    bind_text(f->put_tick, 2, t, t->ns);
    bind_text(f->put_tick, 3, t, t->name);
    bind_text(f->put_tick, 4, t, t->hash);
    bind_text(f->put_tick, 5, t, t->kind);
    sqlite3_bind_int64(f->put_tick, 6, t->at_ms);
    bind_text(f->put_tick, 7, t, t->phase);
    bind_text(f->put_tick, 8, t, t->before);
    bind_text(f->put_tick, 9, t, t->after);
    if (!run(f->put_tick))
        return false;
    if (sqlite3_changes(f->db) != 1) {
        ++*ret_skipped; /* its spec was in a transaction that failed */
        return true;
    }
    tick = sqlite3_last_insert_rowid(f->db);
    for (size_t i = 0; i < t->step_count; i++) {
        sqlite3_bind_int64(f->put_step, 1, tick);
        sqlite3_bind_int64(f->put_step, 2, (int64_t)i);
        bind_text(f->put_step, 3, t, t->steps[3 * i]);
        bind_text(f->put_step, 4, t, t->steps[3 * i + 1]);
        bind_text(f->put_step, 5, t, t->steps[3 * i + 2]);
        if (!run(f->put_step))
            return false;
    }
    return true;
}

static bool drop_ticks_up_to(sqlite3 *db, int64_t tick)
{
    char sql[160];

    snprintf(sql, sizeof(sql),
             "DELETE FROM steps WHERE tick <= %lld; DELETE FROM ticks WHERE tick <= %lld",
             (long long)tick, (long long)tick);
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static size_t bytes_used(sqlite3 *db)
{
    int64_t pages =
        query_int(db, "PRAGMA page_count", 0) - query_int(db, "PRAGMA freelist_count", 0);

    return (size_t)(pages * query_int(db, "PRAGMA page_size", 4096));
}

static int64_t first_tick(sqlite3 *db)
{
    return query_int(db, "SELECT min(tick) FROM ticks", 0);
}

/*
 * What is too old goes, up to the first that is not: no commit looks at more. Of what is too much,
 * a tenth at a time goes. Pages that fall free are used again.
 */
static bool make_room(struct flight *f, int64_t now_ms)
{
    char sql[120];

    if (f->keep_ms > 0) {
        int64_t young;

        snprintf(sql, sizeof(sql), "SELECT min(tick) FROM ticks WHERE at_ms >= %lld",
                 (long long)(now_ms - f->keep_ms));
        young = query_int(f->db, sql, 0);
        if (young > first_tick(f->db) && !drop_ticks_up_to(f->db, young - 1))
            return false;
    }
    while (bytes_used(f->db) > f->bytes_max) {
        int64_t first = first_tick(f->db),
                last = query_int(f->db, "SELECT max(tick) FROM ticks", 0);

        if (first >= last)
            break;
        if (!drop_ticks_up_to(f->db, first + (last - first) / 10))
            return false;
    }
    return true;
}

static void free_ticks(struct flight_tick *t)
{
    while (t) {
        struct flight_tick *next = t->next;

        strbuf_release(&t->text);
        free(t->steps);
        free(t);
        t = next;
    }
}

static size_t tick_bytes(const struct flight_tick *t)
{
    return sizeof(*t) + t->text.cap + t->step_cap * sizeof(*t->steps);
}

/* One transaction; the outcome goes into the counts. */
static void write_batch(struct flight *f, struct flight_tick *batch)
{
    uint64_t count = 0, skipped = 0, bytes;
    int64_t newest_ms = 0;
    bool ok = sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    size_t waited = 0;
    char why[200] = "";

    for (const struct flight_tick *t = batch; t; t = t->next) {
        ok = ok && write_tick(f, t, &skipped);
        count++;
        waited += tick_bytes(t);
        newest_ms = t->at_ms > newest_ms ? t->at_ms : newest_ms;
    }
    ok = ok && make_room(f, newest_ms) &&
         sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (!ok) {
        snprintf(why, sizeof(why), "%s", sqlite3_errmsg(f->db));
        sqlite3_exec(f->db, "ROLLBACK", NULL, NULL, NULL);
    }
    bytes = bytes_used(f->db);
    pthread_mutex_lock(&f->lock);
    f->waiting -= waited;
    f->counts.bytes = bytes;
    if (ok) {
        f->counts.ticks += count - skipped;
        f->counts.dropped += skipped;
    } else {
        f->specs_lost = true;
        f->counts.dropped += count;
        snprintf(f->trouble, sizeof(f->trouble), "%llu ticks were not recorded: %s",
                 (unsigned long long)count, why);
    }
    pthread_mutex_unlock(&f->lock);
}

/* More of them may come soon: one commit then does for all. With the lock held. */
static void gather(struct flight *f)
{
    const struct clock *clock = clock_real();
    int64_t until_ms = clock->mono_ms(clock->self) + GATHER_MS;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    while (!f->stopping && f->waiting < f->waiting_max / 2 &&
           pthread_cond_timedwait(&f->more, &f->lock, &until) == 0)
        ;
}

static void *run_writer(void *arg)
{
    struct flight *f = arg;

    for (;;) {
        struct flight_tick *batch;

        pthread_mutex_lock(&f->lock);
        while (f->first == NULL && !f->stopping)
            pthread_cond_wait(&f->more, &f->lock);
        gather(f);
        batch = f->first;
        f->first = f->last = NULL;
        pthread_mutex_unlock(&f->lock);
        if (batch == NULL)
            return NULL;
        write_batch(f, batch);
        free_ticks(batch);
    }
}

/* Signals stay with the threads that were there before. */
static bool start_writer(struct flight *f)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    f->running = pthread_create(&f->writer, NULL, run_writer, f) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return f->running;
}

int flight_open(const struct flight_options *options, const struct flight_process *process,
                struct flight **ret_flight, char *reterr, size_t reterr_size)
{
    struct flight *f = calloc(1, sizeof(*f));
    pthread_condattr_t monotonic;
    int rc;

    if (f == NULL)
        return fail(NULL, -ENOMEM, options->path, "out of memory", reterr, reterr_size);
    f->bytes_max = options->bytes_max ? options->bytes_max : BYTES_MAX;
    f->waiting_max = options->waiting_bytes ? options->waiting_bytes : WAITING_MAX;
    f->keep_ms = options->keep_ms;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC); /* gather's */
    pthread_cond_init(&f->more, &monotonic);
    pthread_condattr_destroy(&monotonic);
    rc = open_file(f, options, process, reterr, reterr_size);
    if (rc == 0 && !start_writer(f))
        rc = fail(NULL, -ENOMEM, options->path, "no thread for the recorder", reterr, reterr_size);
    if (rc != 0) {
        flight_close(f);
        return rc;
    }
    *ret_flight = f;
    return 0;
}

void flight_close(struct flight *f)
{
    if (f == NULL)
        return;
    if (f->running) {
        pthread_mutex_lock(&f->lock);
        f->stopping = true;
        pthread_cond_signal(&f->more);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->writer, NULL);
    }
    sqlite3_finalize(f->put_spec);
    sqlite3_finalize(f->put_tick);
    sqlite3_finalize(f->put_step);
    if (f->db) /* the log goes into the file, which can then be read where nothing may be written */
        sqlite3_exec(f->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    sqlite3_close(f->db);
    pthread_cond_destroy(&f->more);
    pthread_mutex_destroy(&f->lock);
    free(f->known);
    free(f);
}

/* ---- one tick ----------------------------------------------------------------------------------
 */

bool flight_knows_spec(struct flight *f, const char *hash)
{
    pthread_mutex_lock(&f->lock);
    if (f->specs_lost)
        f->known_count = 0;
    f->specs_lost = false;
    pthread_mutex_unlock(&f->lock);
    for (size_t i = 0; i < f->known_count; i++) {
        if (strcmp(f->known[i], hash) == 0)
            return true;
    }
    return false;
}

static size_t keep(struct flight_tick *t, const char *s)
{
    size_t at = t->text.len;

    if (s == NULL)
        return SIZE_MAX;
    strbuf_add(&t->text, s, strlen(s) + 1);
    t->failed = t->failed || t->text.failed;
    return at;
}

struct flight_tick *flight_begin(struct flight *f, const struct flight_head *head)
{
    struct flight_tick *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->ns = keep(t, head->ns);
    t->name = keep(t, head->name);
    t->hash = keep(t, head->spec_hash);
    t->spec = keep(t, head->spec);
    t->kind = keep(t, head->kind);
    t->phase = keep(t, head->phase);
    t->before = keep(t, head->before);
    t->after = SIZE_MAX;
    t->at_ms = head->at_ms;
    if (head->spec && !t->failed)
        remember_spec(f, head->spec_hash);
    return t;
}

void flight_step(struct flight_tick *t, const char *notes, const char *ask, const char *answer)
{
    if (t == NULL)
        return;
    if (t->step_count == t->step_cap) {
        size_t cap = t->step_cap ? t->step_cap * 2 : 32;
        size_t *steps = realloc(t->steps, 3 * cap * sizeof(*steps));

        if (steps == NULL) {
            t->failed = true;
            return;
        }
        t->steps = steps;
        t->step_cap = cap;
    }
    t->steps[3 * t->step_count] = keep(t, notes);
    t->steps[3 * t->step_count + 1] = keep(t, ask);
    t->steps[3 * t->step_count + 2] = keep(t, answer);
    t->step_count++;
}

void flight_end(struct flight *f, struct flight_tick *t, const char *after)
{
    size_t bytes;

    if (t)
        t->after = keep(t, after);
    bytes = t ? tick_bytes(t) : 0;
    pthread_mutex_lock(&f->lock);
    if (t == NULL || t->failed || f->waiting + bytes > f->waiting_max) {
        f->counts.dropped++;
        f->specs_lost = true;
        snprintf(f->trouble, sizeof(f->trouble), "a tick was not recorded: %s",
                 t == NULL || t->failed ? "out of memory" : "the disk is too slow");
    } else {
        if (f->last)
            f->last->next = t;
        else
            f->first = t;
        f->last = t;
        f->waiting += bytes;
        if (f->first == t || f->waiting >= f->waiting_max / 2)
            pthread_cond_signal(&f->more);
        t = NULL;
    }
    pthread_mutex_unlock(&f->lock);
    free_ticks(t);
}

void flight_counts(struct flight *f, struct flight_counts *ret_counts)
{
    pthread_mutex_lock(&f->lock);
    *ret_counts = f->counts;
    pthread_mutex_unlock(&f->lock);
}

bool flight_trouble(struct flight *f, char *out, size_t size)
{
    bool any;

    pthread_mutex_lock(&f->lock);
    any = f->trouble[0] != '\0';
    if (any)
        snprintf(out, size, "%s", f->trouble);
    f->trouble[0] = '\0';
    pthread_mutex_unlock(&f->lock);
    return any;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

int flight_open_read(const char *path, sqlite3 **ret_db, char *reterr, size_t reterr_size)
{
    struct stat st;
    sqlite3 *db = NULL;
    int rc;

    if (stat(path, &st) != 0)
        return fail(NULL, -ENOENT, path, strerror(errno), reterr, reterr_size);
    if (!S_ISREG(st.st_mode))
        return fail(NULL, -EEXIST, path, "not a file", reterr, reterr_size);
    /* For writing where that is allowed: only so the log of a killed writer can be read. */
    rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, BUSY_MS);
        rc = look(db, path, reterr, reterr_size);
    } else {
        rc = fail(db, -EIO, path, NULL, reterr, reterr_size);
    }
    if (rc == 1)
        rc = fail(NULL, -EEXIST, path, "an empty database, not a flight record", reterr,
                  reterr_size);
    if (rc != 0) {
        sqlite3_close(db);
        return rc;
    }
    sqlite3_exec(db, "PRAGMA query_only = 1", NULL, NULL, NULL);
    *ret_db = db;
    return 0;
}

int flight_copy(sqlite3 *db, const char *to, char *reterr, size_t reterr_size)
{
    sqlite3_stmt *s = NULL;
    struct stat st;
    int rc;

    if (stat(to, &st) == 0)
        return fail(NULL, -EEXIST, to, "is there already", reterr, reterr_size);
    sqlite3_exec(db, "PRAGMA query_only = 0", NULL, NULL, NULL);
    rc = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &s, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(s, 1, to, -1, SQLITE_STATIC);
        rc = sqlite3_step(s) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
    }
    sqlite3_finalize(s);
    return rc == SQLITE_OK ? 0 : fail(db, -EIO, to, NULL, reterr, reterr_size);
}
