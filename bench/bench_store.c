/*
 * How much of SQLite's own speed is left: rows of a simulated rollout through the store, against
 * the same values bound to the same prepared statements by hand.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/store/store.h"
#include "bench/figure.h"
#include "sim/run.h"

#define RUNS 500
#define ROUNDS 5
#define WANTED 0.60 /* of bare inserts */

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_store: %s\n", what);
    exit(4);
}

/* ---- the rows: one good and one bad release ---- */

static const struct metric_spec metrics[] = {
    {.name = "request-success-rate",
     .interval = "1m",
     .has_range = true,
     .range = {true, false, 99, 0}},
    {.name = "request-duration",
     .interval = "30s",
     .has_range = true,
     .range = {false, true, 0, 500}},
};
static const struct hook_spec hooks[] = {
    {.name = "acceptance-test", .url = "http://t/", .timeout = "30s", .type = HOOK_PRE_ROLLOUT},
    {.name = "load-test", .url = "http://t/", .timeout = "5s", .type = HOOK_ROLLOUT},
};
static const struct spec spec = {
    .name = "podinfo",
    .ns = "test",
    .target_name = "podinfo",
    .target_kind_name = "Deployment",
    .provider = "istio",
    .metrics_provider = "istio",
    .progress_deadline_s = 600,
    .deviations = PROFILE_DEFAULT,
    .analysis = {.present = true,
                 .interval_ms = 60000,
                 .threshold = 5,
                 .max_weight = 50,
                 .step_weight = 5,
                 .primary_ready_threshold = 100,
                 .canary_ready_threshold = 100,
                 .metrics = metrics,
                 .metric_count = 2,
                 .hooks = hooks,
                 .hook_count = 2},
};

static void simulate(struct record *record, bool bad)
{
    static const struct spec *const specs[] = {&spec};
    const struct revision_plan revisions[] = {{revision_of("v1"), "v1", 5000},
                                              {revision_of("v2"), "v2", 5000}};
    const struct change_plan deploy = {
        .kind = CHANGE_DEPLOY, .at_ms = 180000, .revision = revision_of("v2"), .text = "deploy v2"};
    const struct fault_plan fault = {.ask = ASK_METRIC,
                                     .from_ms = 480000,
                                     .to_ms = MS_NEVER,
                                     .outcome = OUTCOME_FAILED,
                                     .text = "running query failed: connection refused"};
    const struct canary_plan canary = {
        .specs = specs,
        .spec_count = 1,
        .world = {.replicas = 2,
                  .deployment_deadline_s = 600,
                  .revisions = revisions,
                  .revision_count = 2,
                  .first = revision_of("v1")},
        .faults = &fault,
        .fault_count = bad,
    };
    const struct sim_plan plan = {
        .info = {.name = bad ? "bad-release" : "good-release",
                 .profile = "default",
                 .deviations = PROFILE_DEFAULT,
                 .epoch_ms = SIM_EPOCH_MS},
        .canaries = &canary,
        .canary_count = 1,
        .changes = &deploy,
        .change_count = 1,
        .until_ms = MS_NEVER,
        .limit_ms = 24 * 3600000,
        .control_loop_ms = 10000,
    };
    struct sim_options options = {0};
    struct sink sink = record_sink(record, true);
    struct sim *sim = sim_new();
    ms_t end_ms;

    record->info = plan.info;
    if (!sim || sim_run(sim, &plan, &options, &sink, NULL, &end_ms) != 0)
        die("simulation failed");
    record->info.end_ms = SIM_EPOCH_MS + end_ms;
    sim_free(sim);
}

static double time_ours(const char *path, const struct record *records)
{
    char error[256];
    struct store *s;
    double start = wall_s();

    if (store_open(path, STORE_REPLACE, &s, error, sizeof error) != 0)
        die(error);
    for (int i = 0; i < RUNS; i++)
        store_put_record(s, &records[i % 2]);
    if (store_commit(s) != 0)
        die(store_error(s));
    store_close(s);
    return wall_s() - start;
}

/* ---- the same rows, by hand ---- */

#define COLUMNS_MAX 40

struct value {
    int type;
    int64_t integer;
    double real;
    char *text;
    int len;
};
struct bare_row {
    int64_t run, seq;
    int table, columns;
    struct value *values;
};
struct bare {
    struct bare_row *rows;
    size_t count, cap;
    char *tables[32];
    char *create[32];
    int table_count;
};

static void *must(void *memory)
{
    if (!memory)
        die("out of memory");
    return memory;
}

static char *copy(const void *text, size_t len)
{
    char *c = must(malloc(len + 1));

    memcpy(c, text, len);
    c[len] = 0;
    return c;
}

static struct value read_value(sqlite3_stmt *st, int i)
{
    struct value v = {.type = sqlite3_column_type(st, i)};

    if (v.type == SQLITE_INTEGER)
        v.integer = sqlite3_column_int64(st, i);
    if (v.type == SQLITE_FLOAT)
        v.real = sqlite3_column_double(st, i);
    if (v.type == SQLITE_TEXT) {
        v.len = sqlite3_column_bytes(st, i);
        v.text = copy(sqlite3_column_text(st, i), (size_t)v.len);
    }
    return v;
}

static void read_table(struct bare *b, sqlite3 *db, int table)
{
    sqlite3_stmt *st;
    char sql[128];

    snprintf(sql, sizeof sql, "SELECT * FROM %s", b->tables[table]);
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(db));
    int columns = sqlite3_column_count(st), seq = -1;
    for (int i = 0; i < columns; i++)
        if (strcmp(sqlite3_column_name(st, i), "seq") == 0)
            seq = i;
    while (sqlite3_step(st) == SQLITE_ROW) {
        if (b->count == b->cap) {
            b->cap = b->cap ? b->cap * 2 : 1024;
            b->rows = must(realloc(b->rows, b->cap * sizeof *b->rows));
        }
        struct bare_row *row = &b->rows[b->count++];
        row->table = table;
        row->columns = columns;
        row->run = sqlite3_column_int64(st, 0);
        row->seq = seq < 0 ? 0 : sqlite3_column_int64(st, seq);
        row->values = must(calloc((size_t)columns, sizeof *row->values));
        for (int i = 0; i < columns; i++)
            row->values[i] = read_value(st, i);
    }
    sqlite3_finalize(st);
}

static int by_run_and_seq(const void *a, const void *b)
{
    const struct bare_row *x = a, *y = b;

    if (x->run != y->run)
        return x->run < y->run ? -1 : 1;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->table < y->table ? -1 : 1;
}

static void read_rows(struct bare *b, const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    char error[256];

    if (store_open_read(path, &db, error, sizeof error) != 0)
        die(error);
    sqlite3_prepare_v2(db,
                       "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY rowid",
                       -1, &st, NULL);
    while (sqlite3_step(st) == SQLITE_ROW) {
        b->tables[b->table_count] =
            copy(sqlite3_column_text(st, 0), (size_t)sqlite3_column_bytes(st, 0));
        b->create[b->table_count++] =
            copy(sqlite3_column_text(st, 1), (size_t)sqlite3_column_bytes(st, 1));
    }
    sqlite3_finalize(st);
    for (int t = 0; t < b->table_count; t++)
        read_table(b, db, t);
    sqlite3_close(db);
    qsort(b->rows, b->count, sizeof *b->rows, by_run_and_seq);
}

static void bind(sqlite3_stmt *st, int i, const struct value *v)
{
    switch (v->type) {
    case SQLITE_INTEGER:
        sqlite3_bind_int64(st, i, v->integer);
        break;
    case SQLITE_FLOAT:
        sqlite3_bind_double(st, i, v->real);
        break;
    case SQLITE_TEXT:
        sqlite3_bind_text(st, i, v->text, v->len, SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_null(st, i);
        break;
    }
}

static double time_bare(const char *path, const struct bare *b)
{
    sqlite3_stmt *inserts[32];
    sqlite3 *db;
    double start = wall_s();

    unlink(path);
    sqlite3_open(path, &db);
    sqlite3_exec(db,
                 "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = "
                 "EXCLUSIVE; BEGIN",
                 NULL, NULL, NULL);
    for (int t = 0; t < b->table_count; t++) {
        char sql[256];
        size_t row = 0;
        sqlite3_exec(db, b->create[t], NULL, NULL, NULL);
        while (row < b->count && b->rows[row].table != t)
            row++;
        int len = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES (?", b->tables[t]);
        for (int i = 1; row < b->count && i < b->rows[row].columns; i++)
            len += snprintf(sql + len, sizeof sql - (size_t)len, ",?");
        snprintf(sql + len, sizeof sql - (size_t)len, ")");
        inserts[t] = NULL;
        sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &inserts[t], NULL);
    }
    for (size_t r = 0; r < b->count; r++) {
        sqlite3_stmt *st = inserts[b->rows[r].table];
        for (int i = 0; i < b->rows[r].columns; i++)
            bind(st, i + 1, &b->rows[r].values[i]);
        if (sqlite3_step(st) != SQLITE_DONE)
            die(sqlite3_errmsg(db));
        sqlite3_reset(st);
    }
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    for (int t = 0; t < b->table_count; t++)
        sqlite3_finalize(inserts[t]);
    sqlite3_close(db);
    /* The store makes its bytes safe before it says done: so does this. */
    FILE *f = fopen(path, "rb");
    if (!f || fsync(fileno(f)) != 0)
        die(strerror(errno));
    fclose(f);
    return wall_s() - start;
}

int main(void)
{
    char directory[] = "/tmp/coalmine-bench-XXXXXX", path[64], bare_path[64];
    struct record records[2];
    struct bare bare = {0};
    double ours = 1e9, by_hand = 1e9, limit;

    if (!mkdtemp(directory))
        die(strerror(errno));
    snprintf(path, sizeof path, "%s/run.db", directory);
    snprintf(bare_path, sizeof bare_path, "%s/bare.db", directory);
    for (int i = 0; i < 2; i++) {
        record_init(&records[i]);
        simulate(&records[i], i == 1);
    }
    time_ours(path, records);
    read_rows(&bare, path);
    for (int i = 0; i < ROUNDS; i++) {
        double a = time_ours(path, records), b = time_bare(bare_path, &bare);
        ours = a < ours ? a : ours;
        by_hand = b < by_hand ? b : by_hand;
    }
    unlink(path);
    unlink(bare_path);
    rmdir(directory);
    limit = (double)bare.count / by_hand;
    figure_at_least("sqlite-rows", (double)bare.count / ours, "rows/s", limit, WANTED * limit);
    figure("sqlite-rows-bare", limit, "rows/s", limit);
    return 0;
}
