/* The flight recorder: what the operator records in the simulated cluster is decided the same
 * again. */
#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adapters/replay/code.h"
#include "adapters/replay/replay.h"
#include "adapters/store/flight.h"
#include "tests/support/opworld.h"

/* Gaps that the compiler leaves in struct rollout: a new field that is not recorded shows here. */
#define ROLLOUT_PADDING 8

static struct opworld w;
static char dir[64], path[96];
static struct flight *flight;

static void remove_files(void)
{
    static const char *const tails[] = {"", "-wal", "-shm", ".copy"};

    for (size_t i = 0; i < 4; i++) {
        char name[120];

        snprintf(name, sizeof(name), "%s%s", path, tails[i]);
        unlink(name);
    }
    rmdir(dir);
}

static void setup(void)
{
    opworld_init(&w, 11);
    snprintf(dir, sizeof(dir), "/tmp/coalmine-flight-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/flight.db", dir);
    flight = NULL;
}

static void teardown(void)
{
    flight_close(flight);
    opworld_release(&w);
    remove_files();
}

static void start_recording(struct flight_options options)
{
    struct strbuf names = STRBUF_INIT;
    struct flight_process process = {.began_ms = w.start_ms,
                                     .version = COALMINE_VERSION,
                                     .identity = "pod-1",
                                     .profile = "default",
                                     .mesh_provider = "istio",
                                     .config_tracking = true};
    char error[300] = "";
    int rc;

    for (int d = 0; d < DEVIATION_COUNT; d++)
        strbuf_addf(&names, "%s%s", names.len ? "," : "", deviation_name((enum deviation)d));
    process.deviations = strbuf_str(&names);
    options.path = path;
    rc = flight_open(&options, &process, &flight, error, sizeof(error));
    ck_assert_msg(rc == 0, "%s", error);
    w.options.flight = flight;
    strbuf_release(&names);
}

static void stop_recording(void)
{
    flight_close(flight);
    flight = w.options.flight = NULL;
}

#define CANARY                                                                                     \
    "apiVersion: flagger.app/v1beta1\n"                                                            \
    "kind: Canary\n"                                                                               \
    "metadata: {name: podinfo, namespace: test}\n"                                                 \
    "spec:\n"                                                                                      \
    "  provider: %s\n"                                                                             \
    "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}\n"                        \
    "  service: {port: 80, headers: {request: {set: {x-token: hush-header}}}}\n"                   \
    "  analysis:\n"                                                                                \
    "    interval: 10s\n"                                                                          \
    "    threshold: 2\n"                                                                           \
    "%s"                                                                                           \
    "    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}]\n"       \
    "    webhooks:\n"                                                                              \
    "    - {name: gate, type: confirm-rollout, url: "                                              \
    "\"http://bob:hush-url@hook/x?key=hush-key\",\n"                                               \
    "       metadata: {cmd: \"curl -H hush-meta\"}}\n"
#define STEPS "    maxWeight: 40\n    stepWeight: 20\n"

static void install(const char *provider, const char *strategy)
{
    char text[4000];

    opworld_apply(&w, opworld_podinfo);
    snprintf(text, sizeof(text), CANARY, provider, strategy);
    opworld_apply(&w, text);
}

/* An installation and a release that ends as `metric` says, all recorded. */
static void fly(const char *provider, const char *strategy, double metric)
{
    start_recording((struct flight_options){0});
    install(provider, strategy);
    opworld_run_for(&w, 60000);
    w.metric = metric;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 200000);
    stop_recording();
}

static void sql(const char *text)
{
    sqlite3 *db;
    char *error = NULL;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, &error) == SQLITE_OK, "%s: %s", text, error);
    ck_assert_msg(sqlite3_changes(db) > 0, "%s changes nothing", text);
    sqlite3_close(db);
}

static int64_t sql_int(const char *text)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    int64_t value = -1;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, text, -1, &s, NULL), SQLITE_OK);
    if (sqlite3_step(s) == SQLITE_ROW)
        value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

/* ---- decided again -----------------------------------------------------------------------------
 */

static struct {
    size_t ticks, different, cut_short;
    char difference[4000];
    struct strbuf events;
} heard;

static bool on_tick(void *ctx, const struct replay_tick *t)
{
    (void)ctx;
    heard.ticks++;
    heard.cut_short += t->cut_short;
    for (size_t i = 0; i < t->note_count; i++)
        strbuf_adds(&heard.events, t->notes[i]);
    if (t->difference && heard.different++ == 0)
        snprintf(heard.difference, sizeof(heard.difference), "%s: %s / %s", t->difference,
                 t->recorded, t->decided);
    return true;
}

static int decide_again(char *error, size_t size)
{
    struct replay_choice all = {0};
    struct sqlite3 *db;
    int rc;

    strbuf_release(&heard.events);
    memset(&heard, 0, sizeof(heard));
    error[0] = '\0';
    ck_assert_msg(flight_open_read(path, &db, error, size) == 0, "%s", error);
    rc = replay_verify(db, &all, on_tick, NULL, error, size);
    sqlite3_close(db);
    return rc;
}

static void expect_all_the_same(void)
{
    char error[600];

    ck_assert_msg(decide_again(error, sizeof(error)) == 0, "%s", error);
    ck_assert_msg(heard.different == 0, "%zu differ, first %s", heard.different, heard.difference);
}

static const struct flown {
    const char *name, *provider, *strategy;
    double metric;
    const char *last_words;
} flights[] = {
    {"canary", "istio", STEPS, 100, "Promotion completed! Scaling down podinfo.test"},
    {"rollback", "istio", STEPS, 50, "Canary failed! Scaling down podinfo.test"},
    {"blue/green", "kubernetes", "    iterations: 3\n", 100,
     "Promotion completed! Scaling down podinfo.test"},
    {"A/B with affinity", "istio",
     "    iterations: 2\n    match: [{headers: {x-canary: {exact: insider}}}]\n", 100,
     "Promotion completed! Scaling down podinfo.test"},
};

START_TEST(every_tick_is_decided_the_same_again)
{
    const struct flown *f = &flights[_i];

    fly(f->provider, f->strategy, f->metric);
    expect_all_the_same();
    ck_assert_uint_ge(heard.ticks, 8);
    ck_assert_uint_eq(heard.cut_short, 0);
    ck_assert_msg(strstr(strbuf_str(&heard.events), f->last_words) != NULL, "%s never says so",
                  f->name);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM specs"), 1);
    ck_assert_int_ge(sql_int("SELECT count(*) FROM events WHERE event IN ('DONE', 'FAILED')"), 1);
}
END_TEST

START_TEST(a_dry_run_records_the_same_way)
{
    w.options.dry_run = true;
    start_recording((struct flight_options){0});
    install("istio", STEPS);
    opworld_run_for(&w, 60000);
    stop_recording();
    expect_all_the_same();
    ck_assert_uint_ge(heard.ticks, 3);
}
END_TEST

static void patch_later(const char *json, int64_t ms)
{
    w.later_path = "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo";
    w.later_patch = json;
    w.later_ms = ms;
}

START_TEST(an_edited_spec_is_kept_beside_the_first)
{
    start_recording((struct flight_options){0});
    install("istio", STEPS);
    opworld_run_for(&w, 60000);
    opworld_patch(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo",
                  "{\"spec\":{\"analysis\":{\"stepWeight\":10}},\"metadata\":{\"annotations\":{"
                  "\"coalmine.dev/judge.request-success-rate\":\"consecutive k=2\"}}}");
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 200000);
    stop_recording();
    expect_all_the_same();
    ck_assert_int_eq(sql_int("SELECT count(*) FROM specs"), 2);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM specs WHERE canary LIKE '%consecutive k=2%stepWeight\":10%'"),
        1);
}
END_TEST

/* What judges are fed with is part of the answer: counts of both sides, or their samples. */
START_TEST(judged_answers_are_recorded_whole)
{
    static const double low[] = {10, 11, 12, 10.25, 9, 11, 10, 12},
                        high[] = {14, 15, 13, 16, 14, 15, 17.25, 14};
    static const char *const judges[] = {
        "\"coalmine.dev/judge.request-success-rate\":\"anytime alpha=0.01 kappa=10\"",
        "\"coalmine.dev/judge.queue\":\"mann-whitney alpha=0.01 tolerance=0.1\""};
    static const char *const kept[] = {
        "SELECT count(*) FROM steps WHERE json_extract(answer, '$.canary_errors') = '9'",
        "SELECT count(*) FROM steps WHERE answer LIKE '%\"canary_samples\":[%17.25%'"};
    char patch[500];

    snprintf(patch, sizeof(patch),
             "{\"metadata\":{\"annotations\":{%s}},\"spec\":{\"analysis\":{\"metrics\":[%s]}}}",
             judges[_i],
             _i == 0 ? "{\"name\":\"request-success-rate\",\"thresholdRange\":{\"min\":99},"
                       "\"interval\":\"10s\"}"
                     : "{\"name\":\"queue\",\"query\":\"avg(queue{pod=~'{{ target }}-.*'})\","
                       "\"interval\":\"10s\"}");
    w.counts[0][0] = 1000;
    w.counts[0][1] = 9;
    w.counts[1][0] = 9000;
    w.counts[1][1] = 9;
    w.sample_count = 8;
    w.canary_samples = high;
    w.primary_samples = low;
    start_recording((struct flight_options){0});
    install("istio", STEPS);
    opworld_patch(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo", patch);
    opworld_run_for(&w, 60000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 300000);
    stop_recording();
    expect_all_the_same();
    ck_assert_int_gt(sql_int(kept[_i]), 0);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&heard.events), _i == 0 ? "M_JUDGED" : "M_WAIT"));
}
END_TEST

/* An annotation is no part of a generation, and counts from the next tick on all the same. */
START_TEST(an_edited_judge_is_heard_in_the_middle_of_a_rollout)
{
    start_recording((struct flight_options){0});
    install("istio", STEPS);
    opworld_run_for(&w, 60000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    w.metric = 50;
    patch_later("{\"metadata\":{\"annotations\":{\"coalmine.dev/judge.request-success-rate\":"
                "\"consecutive k=9\"}}}",
                25000);
    opworld_run_for(&w, 60000);
    stop_recording();
    expect_all_the_same();
    ck_assert_int_eq(sql_int("SELECT count(*) FROM specs"), 2);
    ck_assert_str_ne(opworld_status(&w, "podinfo", "phase"), "Failed");
}
END_TEST

START_TEST(a_tick_that_was_cut_short_is_the_same_as_far_as_it_goes)
{
    start_recording((struct flight_options){0});
    install("istio", STEPS);
    opworld_run_for(&w, 60000);
    w.hook_ms = 600000; /* the operator is stopped while the gate thinks about it */
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 60000);
    stop_recording();
    expect_all_the_same();
    ck_assert_uint_eq(heard.cut_short, 1);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM ticks WHERE after IS NULL"), 1);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM ticks"), (int64_t)heard.ticks);
}
END_TEST

START_TEST(another_answer_is_another_decision)
{
    char error[600];

    fly("istio", STEPS, 100);
    sql("UPDATE steps SET answer = replace(answer, '\"value\":100', '\"value\":50') WHERE tick = "
        "(SELECT min(tick) FROM steps WHERE answer LIKE '%\"value\":100%')");
    ck_assert_int_eq(decide_again(error, sizeof(error)), 0);
    ck_assert_uint_eq(heard.different, 1);
    ck_assert_msg(strstr(heard.difference, "< 99") != NULL ||
                      strstr(heard.difference, "M_RATE_LOW") != NULL,
                  "%s", heard.difference);
}
END_TEST

/* ---- damaged -----------------------------------------------------------------------------------
 */

static const struct damage {
    const char *sql, *error;
} damages[] = {
    {"UPDATE steps SET answer = '{' WHERE tick = 3 AND step = 1",
     "tick 3, step 1: answer: no JSON object"},
    {"UPDATE steps SET answer = '{\"outcome\":\"perhaps\"}' WHERE tick = 3 AND step = 1",
     "tick 3, step 1: answer: outcome: not a value of this member"},
    {"UPDATE steps SET answer = '{\"primary\":3000000000}' WHERE tick = 3 AND step = 1",
     "tick 3, step 1: answer: primary: not a value of this member"},
    {"UPDATE steps SET answer = NULL WHERE tick = 3 AND step = 1",
     "tick 3, step 1: answer: is missing"},
    {"DELETE FROM steps WHERE tick = 3 AND step = 1", "tick 3, step 1: step: is missing"},
    {"UPDATE ticks SET before = '{\"memori\":1}' WHERE tick = 2",
     "tick 2: before: memori: no such member"},
    {"UPDATE ticks SET before = '{\"memory\":0}' WHERE tick = 2",
     "tick 2: before: is not as this program writes it"},
    {"UPDATE ticks SET kind = 'nap' WHERE tick = 2",
     "tick 2: kind: is neither analysis nor finalize"},
    {"UPDATE ticks SET spec = 77 WHERE tick = 2", "spec 77: is missing"},
    {"UPDATE ticks SET process = 77 WHERE tick = 2", "process 77: is missing"},
    {"UPDATE specs SET canary = '[1'", "spec 1: canary: is no JSON"},
    {"UPDATE specs SET canary = '{\"spec\":{\"analysis\":{\"threshold\":\"x\"}}}'", "spec 1: "},
    {"UPDATE processes SET deviations = 'keep-revision,walk-on-water'",
     "process 1: deviations: has a name that this version does not know"},
};

START_TEST(a_damaged_row_is_named)
{
    const struct damage *d = &damages[_i];
    char error[600];

    fly("istio", STEPS, 100);
    sql(d->sql);
    ck_assert_int_eq(decide_again(error, sizeof(error)), -EINVAL);
    ck_assert_msg(strncmp(error, d->error, strlen(d->error)) == 0, "%s\n  gives  %s\n  wanted %s",
                  d->sql, error, d->error);
}
END_TEST

START_TEST(other_files_are_left_alone)
{
    struct flight_process process = {.version = "test"};
    struct flight_options options = {.path = path};
    char error[300];
    FILE *f = fopen(path, "w");

    fputs("not a database, but a text that is long enough to be one", f);
    fclose(f);
    ck_assert_int_eq(flight_open(&options, &process, &flight, error, sizeof(error)), -EEXIST);
    ck_assert_ptr_nonnull(strstr(error, "not a flight record"));
    unlink(path);
    sql("PRAGMA application_id = 5; CREATE TABLE a (b); INSERT INTO a VALUES (1)");
    ck_assert_int_eq(flight_open(&options, &process, &flight, error, sizeof(error)), -EEXIST);
    sql("PRAGMA application_id = 1129137740; PRAGMA user_version = 2; INSERT INTO a VALUES (1)");
    ck_assert_int_eq(flight_open(&options, &process, &flight, error, sizeof(error)), -EPROTO);
    ck_assert_ptr_nonnull(strstr(error, "newer Coalmine"));
}
END_TEST

/* ---- bounds ------------------------------------------------------------------------------------
 */

/* Ticks of 20 KiB at one a minute, straight into the recorder. */
static void put_ticks(size_t count)
{
    char *big = malloc(20001);

    memset(big, 'x', 20000);
    big[20000] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct flight_head head = {.ns = "test",
                                   .name = "podinfo",
                                   .spec_hash = "1",
                                   .spec = flight_knows_spec(flight, "1") ? NULL : "{}",
                                   .kind = "analysis",
                                   .phase = "",
                                   .at_ms = (int64_t)i * 60000,
                                   .before = "{}"};
        struct flight_tick *t = flight_begin(flight, &head);

        flight_step(t, big, "{}", NULL);
        flight_end(flight, t, "{}");
    }
    free(big);
}

START_TEST(the_file_stays_within_its_size_and_the_newest_ticks_stay)
{
    start_recording((struct flight_options){.bytes_max = 1 << 20});
    put_ticks(500);
    stop_recording();
    ck_assert_int_lt(sql_int("SELECT count(*) FROM ticks"), 60);
    ck_assert_int_gt(sql_int("SELECT count(*) FROM ticks"), 30);
    ck_assert_int_eq(sql_int("SELECT max(at_ms) FROM ticks"), 499 * 60000);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM steps WHERE tick NOT IN (SELECT tick FROM ticks)"), 0);
}
END_TEST

START_TEST(old_ticks_go)
{
    start_recording((struct flight_options){.keep_ms = 3600000});
    put_ticks(200);
    stop_recording();
    ck_assert_int_eq(sql_int("SELECT min(at_ms) FROM ticks"), (199 - 60) * 60000);
}
END_TEST

START_TEST(what_cannot_be_written_in_time_is_dropped_and_counted)
{
    struct flight_counts counts;
    char trouble[300];

    start_recording((struct flight_options){.waiting_bytes = 1});
    put_ticks(3);
    flight_counts(flight, &counts);
    ck_assert_uint_eq(counts.dropped, 3);
    ck_assert(flight_trouble(flight, trouble, sizeof(trouble)));
    ck_assert_str_eq(trouble, "a tick was not recorded: the disk is too slow");
    ck_assert(!flight_trouble(flight, trouble, sizeof(trouble)));
}
END_TEST

/* The recorder's thread writes in its own time. */
static void wait_for_drops(void)
{
    struct flight_counts counts = {0};

    for (int i = 0; i < 10000 && counts.dropped == 0; i++) {
        const struct timespec pause = {0, 1000000};

        nanosleep(&pause, NULL);
        flight_counts(flight, &counts);
    }
}

START_TEST(a_full_disk_stops_the_record_and_not_the_operator)
{
    struct flight_counts counts;

    start_recording((struct flight_options){0});
    sql("CREATE TRIGGER full BEFORE INSERT ON ticks BEGIN SELECT RAISE(ABORT, 'disk is full'); "
        "END; "
        "UPDATE processes SET version = 'x'");
    install("istio", STEPS);
    opworld_run_for(&w, 60000);
    ck_assert_str_eq(opworld_status(&w, "podinfo", "phase"), "Initialized");
    wait_for_drops();
    sql("DROP TRIGGER full; UPDATE processes SET version = 'y'");
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 200000);
    flight_counts(flight, &counts);
    stop_recording();
    ck_assert_uint_gt(counts.dropped, 0);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&w.log), "flight recorder: "));
    ck_assert_str_eq(opworld_status(&w, "podinfo", "phase"), "Succeeded");
    expect_all_the_same();
    ck_assert_uint_gt(heard.ticks, 0);
}
END_TEST

START_TEST(a_copy_is_whole_while_the_operator_writes)
{
    struct sqlite3 *db;
    char error[300], to[120];

    snprintf(to, sizeof(to), "%s.copy", path);
    start_recording((struct flight_options){0});
    install("istio", STEPS);
    opworld_run_for(&w, 60000);
    ck_assert_int_eq(flight_open_read(path, &db, error, sizeof(error)), 0);
    ck_assert_msg(flight_copy(db, to, error, sizeof(error)) == 0, "%s", error);
    ck_assert_int_eq(flight_copy(db, to, error, sizeof(error)), -EEXIST);
    sqlite3_close(db);
    ck_assert_int_eq(flight_open_read(to, &db, error, sizeof(error)), 0);
    sqlite3_close(db);
}
END_TEST

/* ---- secrets -----------------------------------------------------------------------------------
 */

static bool file_holds(const char *word)
{
    FILE *f = fopen(path, "r");
    struct strbuf all = STRBUF_INIT;
    char chunk[4096];
    size_t n, len = strlen(word);
    bool found = false;

    ck_assert_ptr_nonnull(f);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        strbuf_add(&all, chunk, n);
    fclose(f);
    for (size_t i = 0; !found && i + len <= all.len; i++)
        found = memcmp(all.data + i, word, len) == 0;
    strbuf_release(&all);
    return found;
}

START_TEST(no_secret_is_recorded_logged_or_told)
{
    static const char *const secrets[] = {"hush-token-1234", "hush-header", "hush-url",
                                          "hush-key",        "hush-meta",   "insider"};
    static const char objects[] =
        "apiVersion: v1\n"
        "kind: Secret\n"
        "metadata: {name: prom, namespace: test}\n"
        "data: {token: aHVzaC10b2tlbi0xMjM0}\n"
        "---\n"
        "apiVersion: flagger.app/v1beta1\n"
        "kind: MetricTemplate\n"
        "metadata: {name: errors, namespace: test}\n"
        "spec:\n"
        "  provider: {type: prometheus, address: \"http://leak\", secretRef: {name: prom}}\n"
        "  query: vector(1)\n";
    static const char metric[] =
        "{\"spec\":{\"analysis\":{\"metrics\":[{\"name\":\"errors\",\"templateRef\":{\"name\":"
        "\"errors\"},\"thresholdRange\":{\"max\":1},\"interval\":\"1m\"}]}}}";

    start_recording((struct flight_options){0});
    install("istio", STEPS);
    opworld_run_for(&w, 60000);
    opworld_apply(&w, objects);
    opworld_patch(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo", metric);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 120000);
    stop_recording();
    expect_all_the_same();
    ck_assert_msg(strstr(strbuf_str(&w.log), "(secret)") != NULL,
                  "the server never quoted the token: nothing was tested\n%s", strbuf_str(&w.log));
    ck_assert(file_holds("(secret)"));
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        ck_assert_msg(!file_holds(secrets[i]), "%s is in the record", secrets[i]);
        if (i == 0) {
            ck_assert_ptr_null(strstr(strbuf_str(&w.log), secrets[i]));
            ck_assert(!opworld_events_hold(&w, secrets[i]));
        }
    }
    ck_assert(opworld_events_hold(&w, "(secret)"));
}
END_TEST

/* ---- as it would have been ---------------------------------------------------------------------
 */

static struct {
    struct replay_outcome outcome;
    struct strbuf lines;
} told;

static void on_line(void *ctx, char side, int64_t at_ms, const char *phase, const char *message)
{
    (void)ctx;
    (void)at_ms;
    strbuf_addf(&told.lines, "%c %s: %s\n", side, phase, message);
}

static void on_outcome(void *ctx, const struct replay_outcome *outcome)
{
    (void)ctx;
    told.outcome = *outcome;
    told.outcome.undecided = outcome->undecided ? "undecided" : NULL;
}

struct set {
    const char *member;
    cJSON *value;
};

static const char *set_one(void *ctx, cJSON *canary, struct arena *arena)
{
    const struct set *s = ctx;

    (void)arena;
    if (s->member)
        json_set(json_at(canary, "spec", "analysis", NULL), s->member, json_copy(s->value));
    return NULL;
}

static void ask_what_if(const char *member, const char *value, bool assume_last)
{
    struct set set = {member, member ? json_parse(value, strlen(value), NULL) : NULL};
    struct replay_change change = {.change = set_one, .ctx = &set, .assume_last = assume_last};
    struct replay_choice all = {0};
    struct sqlite3 *db;
    char error[600];
    int rc;

    strbuf_release(&told.lines);
    memset(&told, 0, sizeof(told));
    ck_assert_int_eq(flight_open_read(path, &db, error, sizeof(error)), 0);
    rc = replay_whatif(db, &all, &change, on_line, on_outcome, NULL, error, sizeof(error));
    sqlite3_close(db);
    json_free(set.value);
    ck_assert_msg(rc == 0, "%s", error);
}

START_TEST(with_nothing_changed_both_stories_are_one)
{
    const struct flown *f = &flights[_i];

    fly(f->provider, f->strategy, f->metric);
    ask_what_if(NULL, NULL, false);
    ck_assert_ptr_null(strstr(strbuf_str(&told.lines), "\n+"));
    ck_assert_ptr_null(strstr(strbuf_str(&told.lines), "\n-"));
    ck_assert_ptr_null(told.outcome.undecided);
    ck_assert_uint_eq(told.outcome.carried, 0);
    ck_assert_uint_eq(told.outcome.taken_for_done, 0);
    ck_assert_int_eq(told.outcome.changed.phase, told.outcome.recorded.phase);
}
END_TEST

START_TEST(a_lower_threshold_rolls_back_earlier)
{
    fly("istio", STEPS, 50);
    ask_what_if("threshold", "1", false);
    ck_assert_int_eq(told.outcome.recorded.phase, PHASE_FAILED);
    ck_assert_int_eq(told.outcome.changed.phase, PHASE_FAILED);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&told.lines),
                                 "+ Progressing: Rolling back podinfo.test failed checks threshold "
                                 "reached 1"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&told.lines),
                                 "- Progressing: Rolling back podinfo.test failed checks threshold "
                                 "reached 2"));
}
END_TEST

/* The recorded rollout ended at two failed checks; what a third would have said nobody knows. */
START_TEST(where_nobody_had_asked_the_story_ends)
{
    fly("istio", STEPS, 50);
    ask_what_if("threshold", "9", false);
    ck_assert_int_eq(told.outcome.changed.phase, PHASE_PROGRESSING);
    ck_assert_int_eq(told.outcome.changed.failed_checks, 3);
    ck_assert_ptr_null(strstr(strbuf_str(&told.lines), "+ Failed"));
}
END_TEST

START_TEST(bigger_steps_take_fewer_ticks)
{
    fly("istio", STEPS, 100);
    ask_what_if("stepWeight", "40", false);
    ck_assert_int_eq(told.outcome.changed.phase, PHASE_SUCCEEDED);
    ck_assert_ptr_nonnull(
        strstr(strbuf_str(&told.lines), "+ Progressing: Advance podinfo.test canary weight 40"));
    ck_assert_ptr_nonnull(
        strstr(strbuf_str(&told.lines), "- Progressing: Advance podinfo.test canary weight 20"));
    ck_assert_int_lt(told.outcome.changed.at_ms, told.outcome.recorded.at_ms + 1);
}
END_TEST

/* ---- the code ----------------------------------------------------------------------------------
 */

/* Every byte of the state but its padding is in the record. */
START_TEST(all_of_the_state_is_recorded)
{
    struct rollout r;
    size_t missing = 0;

    for (size_t i = 0; i < offsetof(struct rollout, judges) + sizeof(r.judges); i++) {
        struct strbuf zero = STRBUF_INIT, one = STRBUF_INIT;
        unsigned char bytes[sizeof(r)];

        rollout_init(&r);
        code_rollout(&zero, &r);
        memset(bytes, 0, sizeof(bytes));
        bytes[i] = 1;
        memcpy(&r, bytes, sizeof(r));
        code_rollout(&one, &r);
        missing += strcmp(strbuf_str(&zero), strbuf_str(&one)) == 0;
        strbuf_release(&zero);
        strbuf_release(&one);
    }
    ck_assert_uint_le(missing, ROLLOUT_PADDING);
}
END_TEST

START_TEST(numbers_come_back_bit_for_bit)
{
    static const double values[] = {0.1,  1e308, -0.0,        5e-324,      1.0 / 3,
                                    1e-7, 1e21,  123456789.1, 99.99999999, -17};
    struct arena *arena = arena_new(0);
    struct answer a = {.outcome = OUTCOME_OK,
                       .value = values[_i],
                       .target = UINT64_MAX,
                       .canary_requests = 1ull << 63,
                       .text = "a \"b\" \\ \x01 é",
                       .id = 7};
    struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;
    struct answer back;

    a.text_len = (uint32_t)strlen(a.text);
    code_answer(&text, &a);
    ck_assert_ptr_null(decode_answer(arena, strbuf_str(&text), &back));
    code_answer(&again, &back);
    ck_assert_str_eq(strbuf_str(&text), strbuf_str(&again));
    ck_assert_int_eq(memcmp(&back.value, &values[_i], sizeof(double)), 0);
    ck_assert(back.target == UINT64_MAX && back.canary_requests == 1ull << 63);
    strbuf_release(&text);
    strbuf_release(&again);
    arena_free(arena);
}
END_TEST

/* test_flight --write FILE: a rollback's record, for the documentation. */
static const char *write_to;

START_TEST(write_the_record)
{
    fly("istio", STEPS, 50);
    ck_assert_int_eq(rename(path, write_to), 0);
}
END_TEST

static int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    Suite *suite = suite_create("flight");
    TCase *tc = tcase_create("flights");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        write_to = argv[2];
        tcase_add_test(tc, write_the_record);
        return run_suite(suite);
    }
    tcase_add_loop_test(tc, every_tick_is_decided_the_same_again, 0, 4);
    tcase_add_test(tc, a_dry_run_records_the_same_way);
    tcase_add_test(tc, an_edited_spec_is_kept_beside_the_first);
    tcase_add_loop_test(tc, judged_answers_are_recorded_whole, 0, 2);
    tcase_add_test(tc, an_edited_judge_is_heard_in_the_middle_of_a_rollout);
    tcase_add_test(tc, a_tick_that_was_cut_short_is_the_same_as_far_as_it_goes);
    tcase_add_test(tc, another_answer_is_another_decision);
    tcase_add_loop_test(tc, a_damaged_row_is_named, 0, sizeof(damages) / sizeof(damages[0]));
    tcase_add_test(tc, other_files_are_left_alone);
    tcase_add_test(tc, the_file_stays_within_its_size_and_the_newest_ticks_stay);
    tcase_add_test(tc, old_ticks_go);
    tcase_add_test(tc, what_cannot_be_written_in_time_is_dropped_and_counted);
    tcase_add_test(tc, a_full_disk_stops_the_record_and_not_the_operator);
    tcase_add_test(tc, a_copy_is_whole_while_the_operator_writes);
    tcase_add_test(tc, no_secret_is_recorded_logged_or_told);
    tcase_add_loop_test(tc, with_nothing_changed_both_stories_are_one, 0, 4);
    tcase_add_test(tc, a_lower_threshold_rolls_back_earlier);
    tcase_add_test(tc, where_nobody_had_asked_the_story_ends);
    tcase_add_test(tc, bigger_steps_take_fewer_ticks);
    tcase_add_test(tc, all_of_the_state_is_recorded);
    tcase_add_loop_test(tc, numbers_come_back_bit_for_bit, 0, 10);
    return run_suite(suite);
}
