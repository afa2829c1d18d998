/* Runs in a SQLite database: what is written can be read, and a file is whole or not there. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/store/store.h"

static char directory[64];
static char path[128];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/coalmine-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/run.db", directory);
}

static void remove_directory(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* ---- a run of two ticks ---- */

static const struct metric_spec metrics[] = {
    {.name = "request-success-rate",
     .interval = "1m",
     .has_range = true,
     .range = {true, false, 99, 0}},
    {.name = "latency", .query = "q", .interval = "30s"},
};
static const struct hook_spec hooks[] = {{.name = "load-test", .type = HOOK_ROLLOUT}};
static const struct spec spec = {
    .name = "podinfo",
    .ns = "test",
    .target_name = "podinfo",
    .target_kind_name = "Deployment",
    .provider = "istio",
    .metrics_provider = "istio",
    .analysis = {.present = true,
                 .interval_ms = 60000,
                 .threshold = 5,
                 .step_weight = 10,
                 .metrics = metrics,
                 .metric_count = 2,
                 .hooks = hooks,
                 .hook_count = 1},
};
static const struct run_info info = {
    .name = "bad-release",
    .file = "scenarios/bad.yaml",
    .profile = "default",
    .deviations = DEVIATION(KEEP_REVISION) | DEVIATION(SAFE_ROLLBACK),
    .seed = UINT64_MAX,
    .epoch_ms = 1000000,
};

static void put(const struct sink *sink, enum row_kind kind, uint32_t tick, ms_t at_ms,
                struct row row)
{
    row.kind = (uint8_t)kind;
    row.rollout = 1;
    row.tick = tick;
    row.at_ms = info.epoch_ms + at_ms;
    row.spec = &spec;
    row.text_len = row.text ? (uint32_t)strlen(row.text) : 0;
    sink->put(sink->self, &row);
}

static void put_first_tick(const struct sink *sink)
{
    put(sink, ROW_CANARY, 0, 0, (struct row){0});
    put(sink, ROW_WORLD, 0, 0, (struct row){.text = "deploy v2"});
    put(sink, ROW_TICK, 1, 0, (struct row){.u.tick = {TICK_ANALYSIS, PHASE_INITIALIZED}});
    put(sink, ROW_ROLLOUT, 1, 0, (struct row){.text = "v2", .u.rollout = {0, 0xabc}});
    put(sink, ROW_EVENT, 1, 0,
        (struct row){
            .u.note = {.kind = NOTE_EVENT, .id = EVENT_NEWREV, .phase = PHASE_PROGRESSING}});
    put(sink, ROW_ROUTES, 1, 0, (struct row){.u.routes = {90, 10, false, OUTCOME_OK}});
    put(sink, ROW_TICK_END, 1, 5, (struct row){.u.tick = {TICK_ANALYSIS, PHASE_PROGRESSING}});
}

static void put_second_tick(const struct sink *sink)
{
    put(sink, ROW_TICK, 2, 60000, (struct row){.u.tick = {TICK_ANALYSIS, PHASE_PROGRESSING}});
    put(sink, ROW_HOOK, 2, 60000,
        (struct row){.text = "refused",
                     .u.hook = {.phase = PHASE_PROGRESSING,
                                .outcome = OUTCOME_RETRY,
                                .status = 403,
                                .call = 1,
                                .took_ms = 12}});
    put(sink, ROW_CHECK, 2, 60000,
        (struct row){.u.check = {.verdict = VERDICT_FAIL,
                                 .event = EVENT_M_RATE_LOW,
                                 .has_value = true,
                                 .has_min = true,
                                 .has_bound = true,
                                 .canary_weight = 10,
                                 .window_ms = 60000,
                                 .value = 97.5,
                                 .min = 99,
                                 .bound = 99,
                                 .canary_errors = 25,
                                 .canary_requests = 1000}});
    put(sink, ROW_CHECK, 2, 60000,
        (struct row){.text = "timed out",
                     .u.check = {.index = 1,
                                 .metric = METRIC_INLINE,
                                 .verdict = VERDICT_ERROR,
                                 .cause = CAUSE_QUERY,
                                 .event = EVENT_M_INL_ERR}});
    put(sink, ROW_EVENT, 2, 60000,
        (struct row){.u.note = {.kind = NOTE_EVENT,
                                .id = EVENT_M_RATE_LOW,
                                .phase = PHASE_PROGRESSING,
                                .x = 97.5,
                                .bound = 99}});
    put(sink, ROW_ALERT, 2, 60000,
        (struct row){.u.note = {.kind = NOTE_ALERT, .id = ALERT_THRESHOLD, .a = 5}});
    put(sink, ROW_GAUGE, 2, 60000,
        (struct row){.u.note = {.kind = NOTE_GAUGE, .id = GAUGE_WEIGHT, .a = 100, .b = 0}});
    put(sink, ROW_ROUTES, 2, 60000, (struct row){.u.routes = {100, 0, false, OUTCOME_OK}});
    put(sink, ROW_STATUS, 2, 60000,
        (struct row){.u.status = {.save = {.op = SAVE_SYNC, .phase = PHASE_FAILED},
                                  .after = {.phase = PHASE_FAILED,
                                            .failed_checks = 5,
                                            .condition = CONDITION_FALSE,
                                            .condition_reason = PHASE_FAILED,
                                            .applied = 0xabc}}});
    put(sink, ROW_WORKLOAD, 2, 60000,
        (struct row){.u.workload = {ASK_SCALE_ZERO, false, OUTCOME_OK}});
    put(sink, ROW_OUTAGE, 2, 60000, (struct row){.u.outage = {50, true, false}});
    put(sink, ROW_LOG, 2, 60000,
        (struct row){
            .u.note = {
                .kind = NOTE_LOG, .id = LOG_SAVE_FAILED, .text = "conflict", .text_len = 8}});
    put(sink, ROW_ROLLOUT_END, 2, 60000, (struct row){.u.rollout_end = {ROLLOUT_FAILED}});
    put(sink, ROW_TICK_END, 2, 60004, (struct row){.u.tick = {TICK_ANALYSIS, PHASE_FAILED}});
}

static struct store *open_store(enum store_mode mode)
{
    struct store *s = NULL;
    char error[512] = "";

    ck_assert_msg(store_open(path, mode, &s, error, sizeof error) == 0, "%s", error);
    return s;
}

static int write_run(enum store_mode mode)
{
    struct store *s = open_store(mode);
    struct sink sink = store_sink(s, false);

    store_begin_run(s, &info, NULL);
    put_first_tick(&sink);
    put_second_tick(&sink);
    store_end_run(s, info.epoch_ms + 120000);
    int rc = store_commit(s);
    store_close(s);
    return rc;
}

/* Rows as the sqlite3 shell prints them: columns by "|", rows by "\n", NULL as nothing. */
static const char *query(const char *sql)
{
    static char out[4096];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    size_t len = 0;
    char error[256] = "";

    ck_assert_msg(store_open_read(path, &db, error, sizeof error) == 0, "%s", error);
    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK, "%s",
                  sqlite3_errmsg(db));
    out[0] = 0;
    while (sqlite3_step(st) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const char *text = (const char *)sqlite3_column_text(st, i);
            len += (size_t)snprintf(out + len, sizeof out - len, "%s%s",
                                    i == 0 ? (len ? "\n" : "") : "|", text ? text : "");
        }
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return out;
}

/* clang-format off */
static const struct read_case { const char *sql, *want; } read_cases[] = {
    {"SELECT * FROM runs", "1|bad-release|scenarios/bad.yaml||default|keep-revision safe-rollback|-1|1000000|1120000|" COALMINE_VERSION},
    {"SELECT * FROM canaries", "1|0|test|podinfo|Deployment|podinfo|istio|canary|60000|5|100"},
    {"SELECT canary, rollout, revision, from_revision, to_revision, began_ms, ended_ms, result FROM rollouts", "0|1|v2||0000000000000abc|1000000|1060000|failed"},
    {"SELECT tick, at_ms, ended_ms, kind, phase, phase_after FROM ticks ORDER BY seq", "1|1000000|1000005|analysis|Initialized|Progressing\n2|1060000|1060004|analysis|Progressing|Failed"},
    {"SELECT metric, kind, window_ms, value, min, max, bound, verdict, cause, event, text, canary_errors, canary_requests, primary_requests FROM checks ORDER BY seq",
     "request-success-rate|success-rate|60000|97.5|99.0||99.0|fail||M_RATE_LOW||25|1000|\nlatency|inline||||||error|query|M_INL_ERR|timed out|||"},
    {"SELECT hook, type, phase, call, outcome, http_status, took_ms, text FROM hooks", "load-test|rollout|Progressing|1|retry|403|12|refused"},
    {"SELECT event, type, phase, message FROM events ORDER BY seq", "NEWREV|Normal|Progressing|New revision detected! Scaling up podinfo.test\nM_RATE_LOW|Warning|Progressing|Halt podinfo.test advancement success rate 97.50% < 99%"},
    {"SELECT severity, message FROM alerts", "error|Failed checks threshold reached 5"},
    {"SELECT primary_weight, canary_weight, mirror, outcome, text FROM routes ORDER BY seq", "90|10|0|ok|\n100|0|0|ok|"},
    {"SELECT outcome, flag FROM effects", "ok|0"},
    {"SELECT op, phase, failed_checks, condition, condition_reason, last_applied, last_promoted, outcome FROM status", "sync|Failed|5|False|Failed|0000000000000abc||ok"},
    {"SELECT text FROM world", "deploy v2"},
    {"SELECT lost, to_primary, to_canary FROM outages", "50|1|0"},
    {"SELECT gauge, a, b FROM gauges", "weight|100|0"},
    {"SELECT log, text FROM logs", "save failed|conflict"},
    {"SELECT from_s, to_s, canary_weight FROM weights", "0.0|60.0|10\n60.0|120.0|0"},
    {"SELECT result, took_s, ticks, checks, failed_checks, max_weight, exposed_s, detected_s, reacted_s FROM summary", "failed|60.0|2|2|2|10|6.0|60.0|0.0"},
    {"SELECT phase, from_s, to_s FROM phases", "Failed|60.0|120.0"},
    {"SELECT clock, kind, what FROM timeline WHERE tick < 2",
     "0:00:00|world|deploy v2\n0:00:00|event|New revision detected! Scaling up podinfo.test\n0:00:00|routes|primary 90 canary 10"},
    {"PRAGMA user_version", "1"},
};
/* clang-format on */

START_TEST(what_is_written_can_be_read)
{
    make_directory();
    ck_assert_int_eq(write_run(STORE_REPLACE), 0);
    for (size_t i = 0; i < sizeof read_cases / sizeof *read_cases; i++) {
        const char *got = query(read_cases[i].sql);
        ck_assert_msg(strcmp(got, read_cases[i].want) == 0, "%s:\n%s\nwant:\n%s", read_cases[i].sql,
                      got, read_cases[i].want);
    }
    remove_directory();
}
END_TEST

START_TEST(append_adds_and_replace_replaces)
{
    make_directory();
    ck_assert_int_eq(write_run(STORE_APPEND), 0);
    ck_assert_int_eq(write_run(STORE_APPEND), 0);
    ck_assert_str_eq(query("SELECT run FROM runs"), "1\n2");
    ck_assert_str_eq(query("SELECT run, count(*) FROM events GROUP BY run"), "1|2\n2|2");
    ck_assert_int_eq(write_run(STORE_REPLACE), 0);
    ck_assert_str_eq(query("SELECT run FROM runs"), "1");
    remove_directory();
}
END_TEST

START_TEST(same_rows_make_the_same_bytes)
{
    char command[512];

    make_directory();
    ck_assert_int_eq(write_run(STORE_REPLACE), 0);
    snprintf(command, sizeof command, "mv %s %s/first.db", path, directory);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(write_run(STORE_REPLACE), 0);
    snprintf(command, sizeof command, "cmp %s %s/first.db", path, directory);
    ck_assert_int_eq(system(command), 0);
    remove_directory();
}
END_TEST

START_TEST(without_commit_the_old_runs_stand)
{
    enum store_mode mode = _i == 0 ? STORE_REPLACE : STORE_APPEND;
    char command[128];

    make_directory();
    ck_assert_int_eq(write_run(STORE_REPLACE), 0);
    struct store *s = open_store(mode);
    struct sink sink = store_sink(s, false);
    store_begin_run(s, &info, NULL);
    put_first_tick(&sink);
    store_close(s);
    ck_assert_str_eq(query("SELECT run FROM runs"), "1");
    snprintf(command, sizeof command, "test \"$(ls %s)\" = run.db", directory);
    ck_assert_int_eq(system(command), 0);
    remove_directory();
}
END_TEST

START_TEST(a_commit_between_begin_and_end_of_a_tick_keeps_the_tick)
{
    make_directory();
    struct store *s = open_store(STORE_APPEND);
    struct sink sink = store_sink(s, false);
    store_begin_run(s, &info, NULL);
    put_first_tick(&sink);
    put(&sink, ROW_TICK, 2, 60000, (struct row){.u.tick = {TICK_ANALYSIS, PHASE_PROGRESSING}});
    ck_assert_int_eq(store_commit(s), 0);
    ck_assert_str_eq(query("SELECT tick, ended_ms FROM ticks ORDER BY seq"), "1|1000005\n2|");
    put(&sink, ROW_TICK_END, 2, 60004, (struct row){.u.tick = {TICK_ANALYSIS, PHASE_FAILED}});
    store_end_run(s, info.epoch_ms + 60004);
    ck_assert_int_eq(store_commit(s), 0);
    store_close(s);
    ck_assert_str_eq(query("SELECT tick, ended_ms, phase_after FROM ticks ORDER BY seq"),
                     "1|1000005|Progressing\n2|1060004|Failed");
    remove_directory();
}
END_TEST

/* A disk that is full after n bytes, for every n until a run fits. */
START_TEST(a_full_disk_leaves_the_old_runs_or_the_new_ones)
{
    enum store_mode mode = _i == 0 ? STORE_REPLACE : STORE_APPEND;
    struct rlimit old, limit;
    struct stat st;
    int failures = 0, rc = -1;
    char error[512], command[128];

    make_directory();
    ck_assert_int_eq(write_run(STORE_REPLACE), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    ck_assert_int_eq(stat(path, &st), 0);
    /* A full disk lets bytes that are already there be written again. */
    for (rlim_t bytes = mode == STORE_REPLACE ? 0 : (rlim_t)st.st_size;
         bytes < 4096 * 200 && rc != 0; bytes += 4096) {
        struct store *s = NULL;
        limit.rlim_cur = bytes;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        rc = store_open(path, mode, &s, error, sizeof error);
        if (rc == 0) {
            struct sink sink = store_sink(s, false);
            for (int run = 0; run < 40; run++) {
                store_begin_run(s, &info, NULL);
                put_first_tick(&sink);
                put_second_tick(&sink);
                store_end_run(s, info.epoch_ms + 120000);
            }
            rc = store_commit(s);
            if (rc != 0)
                ck_assert_str_ne(store_error(s), "");
            store_close(s);
        }
        setrlimit(RLIMIT_FSIZE, &old);
        failures += rc != 0;
        if (rc != 0)
            ck_assert_str_eq(query("SELECT count(*) FROM runs"), "1");
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_int_gt(failures, 3);
    ck_assert_str_eq(query("SELECT count(*) FROM runs"), mode == STORE_REPLACE ? "40" : "41");
    ck_assert_str_eq(query("PRAGMA integrity_check"), "ok");
    snprintf(command, sizeof command, "test \"$(ls %s)\" = run.db", directory);
    ck_assert_int_eq(system(command), 0);
    remove_directory();
}
END_TEST

START_TEST(other_files_are_left_alone)
{
    struct store *s = NULL;
    struct sqlite3 *db = NULL;
    char error[512] = "", text[64] = "";

    make_directory();
    FILE *f = fopen(path, "w");
    fputs("my notes, no database\n", f);
    fclose(f);
    for (int mode = STORE_REPLACE; mode <= STORE_APPEND; mode++) {
        ck_assert_int_eq(store_open(path, (enum store_mode)mode, &s, error, sizeof error), -EEXIST);
        ck_assert_ptr_nonnull(strstr(error, "is not a Coalmine database"));
    }
    ck_assert_int_eq(store_open_read(path, &db, error, sizeof error), -EEXIST);
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(fgets(text, sizeof text, f));
    fclose(f);
    ck_assert_str_eq(text, "my notes, no database\n");
    unlink(path);
    ck_assert_int_eq(store_open_read(path, &db, error, sizeof error), -ENOENT);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE mine (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    ck_assert_int_eq(store_open(path, STORE_APPEND, &s, error, sizeof error), -EEXIST);
    ck_assert_int_eq(store_open(path, STORE_REPLACE, &s, error, sizeof error), -EEXIST);
    remove_directory();
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
    struct store *s = NULL;
    sqlite3 *db = NULL;
    char error[512] = "";

    make_directory();
    ck_assert_int_eq(write_run(STORE_REPLACE), 0);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    ck_assert_int_eq(store_open(path, STORE_APPEND, &s, error, sizeof error), -EPROTO);
    ck_assert_int_eq(store_open_read(path, &db, error, sizeof error), -EPROTO);
    ck_assert_ptr_nonnull(strstr(error, "newer Coalmine"));
    remove_directory();
}
END_TEST

START_TEST(values_that_are_no_numbers_are_kept_as_far_as_sqlite_can)
{
    static const double values[] = {(double)INFINITY, -(double)INFINITY, (double)NAN, 0.1};

    make_directory();
    struct store *s = open_store(STORE_REPLACE);
    struct sink sink = store_sink(s, false);
    store_begin_run(s, &info, NULL);
    put(&sink, ROW_CANARY, 0, 0, (struct row){0});
    for (size_t i = 0; i < 4; i++)
        put(&sink, ROW_CHECK, 1, 0,
            (struct row){.u.check = {.has_value = true, .value = values[i], .event = EVENT_COUNT}});
    store_end_run(s, info.epoch_ms);
    ck_assert_int_eq(store_commit(s), 0);
    store_close(s);
    ck_assert_str_eq(query("SELECT value FROM checks ORDER BY seq"), "Inf\n-Inf\n\n0.1");
    remove_directory();
}
END_TEST

START_TEST(asks_come_back_bit_for_bit)
{
    struct answer answer = {
        .value = 0.1 + 0.2, .target = 0xfedcba9876543210u, .text = "no\nluck", .text_len = 7};
    struct ask ask = {.id = 7, .kind = ASK_METRIC, .metric = METRIC_TEMPLATE, .index = 1};
    double back;

    make_directory();
    struct store *s = open_store(STORE_REPLACE);
    struct sink sink = store_sink(s, true);
    ck_assert(sink.wants_asks);
    store_begin_run(s, &info, NULL);
    put(&sink, ROW_ASK, 1, 0, (struct row){.u.ask = {&ask, &answer}});
    store_end_run(s, info.epoch_ms);
    ck_assert_int_eq(store_commit(s), 0);
    store_close(s);
    ck_assert_str_eq(query("SELECT ask_id, item, metric, target, text FROM asks"),
                     "7|1|template|fedcba9876543210|no\nluck");
    int64_t bits = strtoll(query("SELECT value_bits FROM asks"), NULL, 10);
    memcpy(&back, &bits, sizeof back);
    ck_assert(back == answer.value);
    remove_directory();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tc = tcase_create("store");

    tcase_add_test(tc, what_is_written_can_be_read);
    tcase_add_test(tc, append_adds_and_replace_replaces);
    tcase_add_test(tc, same_rows_make_the_same_bytes);
    tcase_add_loop_test(tc, without_commit_the_old_runs_stand, 0, 2);
    tcase_add_test(tc, a_commit_between_begin_and_end_of_a_tick_keeps_the_tick);
    tcase_add_loop_test(tc, a_full_disk_leaves_the_old_runs_or_the_new_ones, 0, 2);
    tcase_add_test(tc, other_files_are_left_alone);
    tcase_add_test(tc, a_newer_schema_is_refused);
    tcase_add_test(tc, values_that_are_no_numbers_are_kept_as_far_as_sqlite_can);
    tcase_add_test(tc, asks_come_back_bit_for_bit);
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
