#include "adapters/kube/cache.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/script.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct script s;
static struct kube_config *config;
static struct kube_client *client;
static struct kube_cache *cache;
static char story[4096];

static void tell(const char *sign, const char *a, const char *between, const char *b)
{
    size_t len = strlen(story);

    snprintf(story + len, sizeof story - len, "%s%s%s%s ", sign, a, between, b);
}

static void on_change(void *ctx, enum watch_event type, const struct kube_entry *e)
{
    static const char *const signs[] = {"+", "~", "-"};

    (void)ctx;
    tell(signs[type], e->name, "@", e->resource_version);
}

static void on_synced(void *ctx)
{
    (void)ctx;
    tell("synced", "", "", "");
}

static void on_failure(void *ctx, const struct kube_error *e, int64_t pause_ms)
{
    char pause[24];

    (void)ctx;
    snprintf(pause, sizeof pause, "%lld", (long long)pause_ms);
    tell("!", kube_reason_name(e->reason), "/", pause);
}

static bool keep(void *ctx, cJSON *object)
{
    (void)ctx;
    json_remove(object, "spec");
    return json_str(json_get(object, "metadata"), "skip") == NULL;
}

static void start(const struct script_step *steps, size_t count)
{
    struct kube_cache_options o = {.watch = {.resource = &kube_canaries, .ns = "t"},
                                   .keep = keep,
                                   .on_change = on_change,
                                   .on_synced = on_synced,
                                   .on_failure = on_failure};

    script_init(&s, steps, count);
    story[0] = '\0';
    config = kube_config_plain("https://api", NULL);
    client = kube_client_new(config, &s.client, &s.clock, NULL);
    cache = kube_cache_new(client, &o);
}

static void finish(void)
{
    kube_cache_free(cache);
    kube_client_free(client);
    kube_config_free(config);
}

#define META(name, version)                                                                        \
    "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"t\",\"resourceVersion\":\"" version "\"}"
#define OBJ(name, version)                                                                         \
    "{" META(name, version) ",\"spec\":{\"big\":1},\"status\":{\"n\":" version "}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define GONE_EVENT                                                                                 \
    EVENT("ERROR", "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410,\"message\":\"too "   \
                   "old resource version\"}")
#define BOOKMARK(version) EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"}}")

START_TEST(list_then_watch_keeps_the_cache_current)
{
    static const struct script_step steps[] = {
        {.status = 200, .body = LIST("10", OBJ("b", "5") "," OBJ("a", "7"))},
        {.status = 200,
         .body = EVENT("ADDED", OBJ("c", "11")) EVENT("MODIFIED", OBJ("a", "12"))
             EVENT("DELETED", OBJ("b", "13")) BOOKMARK("20")},
        {.status = 200, .body = EVENT("MODIFIED", OBJ("c", "21"))},
    };
    const struct kube_entry *e;
    char *text;

    start(steps, COUNT(steps));
    s.chunk = 7; /* events in pieces */
    ck_assert_int_eq(kube_cache_run(cache), -ECANCELED);
    ck_assert_str_eq(story, "+b@5 +a@7 synced +c@11 ~a@12 -b@5 ~c@21 ");
    ck_assert_str_eq(
        s.log,
        "GET /apis/flagger.app/v1beta1/namespaces/t/canaries?limit=100\n"
        "GET "
        "/apis/flagger.app/v1beta1/namespaces/t/"
        "canaries?watch=true&allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds=300\n"
        "GET "
        "/apis/flagger.app/v1beta1/namespaces/t/"
        "canaries?watch=true&allowWatchBookmarks=true&resourceVersion=20&timeoutSeconds=300\n");
    ck_assert_uint_eq(kube_cache_count(cache), 2);
    ck_assert_str_eq(kube_cache_at(cache, 0)->name, "a");
    ck_assert_str_eq(kube_cache_at(cache, 1)->name, "c");
    ck_assert_ptr_null(kube_cache_at(cache, 2));
    e = kube_cache_get(cache, "t", "c");
    text = kube_cache_text(cache, e);
    ck_assert_ptr_nonnull(strstr(text, "\"status\":{\"n\":21}"));
    ck_assert_ptr_null(strstr(text, "spec"));
    free(text);
    finish();
}
END_TEST

/* Lists and events are read whole: what cJSON cannot hold must not hide the other objects. */
START_TEST(an_odd_object_does_not_hide_the_others)
{
    static char list[4000], event[4000], deep[2000];
    cJSON *object;
    struct script_step steps[] = {{.status = 200, .body = list}, {.status = 200, .body = event}};
    size_t n = 0;

    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(deep + n, sizeof deep - n, "[");
    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(deep + n, sizeof deep - n, "]");
    snprintf(list, sizeof list,
             LIST("10", OBJ("a", "5") ",{" META("nul", "6") ",\"status\":\"\\u0000\"},{" META(
                            "deep", "7") ",\"status\":%s}," OBJ("z", "8")),
             deep);
    snprintf(event, sizeof event,
             EVENT("ADDED", "{" META("huge", "11") ",\"status\":[1e999,%s]}")
                 EVENT("MODIFIED", OBJ("z", "12")),
             deep);
    start(steps, COUNT(steps));
    ck_assert_int_eq(kube_cache_run(cache), -ECANCELED);
    ck_assert_str_eq(story, "+a@5 +nul@6 +deep@7 +z@8 synced +huge@11 ~z@12 ");
    object = kube_cache_read(cache, "t", "huge");
    ck_assert(cJSON_IsNull(json_get(object, "status")->child));
    json_free(object);
    finish();
}
END_TEST

START_TEST(a_forgotten_version_is_listed_again)
{
    static const struct script_step steps[] = {
        {.status = 200, .body = LIST("10", OBJ("a", "5") "," OBJ("b", "6"))},
        {.status = 200, .body = GONE_EVENT},
        {.status = 200, .body = LIST("30", OBJ("a", "5"))},
        {.status = 410, .body = "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410}"},
        {.status = 200, .body = LIST("40", OBJ("a", "35"))},
    };

    start(steps, COUNT(steps));
    kube_cache_run(cache);
    ck_assert_str_eq(story, "+a@5 +b@6 synced -b@6 ~a@35 ");
    ck_assert_int_eq(s.slept_ms, 0);
    finish();
}
END_TEST

START_TEST(failures_are_waited_out_with_growing_pauses)
{
    static const struct script_step steps[] = {
        {.error = -ECONNREFUSED},
        {.status = 403, .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}"},
        {.status = 500, .body = ""},
        {.status = 200, .body = LIST("10", "")},
        {.error = -ETIMEDOUT},
        {.status = 200, .body = "", .takes_ms = 200000},
        {.error = -ECONNREFUSED},
    };

    start(steps, COUNT(steps));
    kube_cache_run(cache);
    ck_assert_str_eq(
        story,
        "!NoAnswer/800 !Forbidden/1600 !InternalError/3200 synced !NoAnswer/6400 !NoAnswer/800 ");
    finish();
}
END_TEST

START_TEST(pauses_are_jittered_and_bounded)
{
    static struct script_step steps[12];
    size_t i;

    for (i = 0; i < COUNT(steps); i++)
        steps[i] = (struct script_step){.error = -ECONNREFUSED};
    start(steps, COUNT(steps));
    s.random = 999999999;
    kube_cache_run(cache);
    ck_assert_ptr_nonnull(strstr(story, "!NoAnswer/1599 ")); /* 800 + 999999999 % 800 */
    ck_assert_ptr_nonnull(strstr(story, "!NoAnswer/39999 "));
    finish();
}
END_TEST

START_TEST(a_watch_that_ends_at_once_is_not_hammered)
{
    static const struct script_step steps[] = {{.status = 200, .body = LIST("10", "")},
                                               {.status = 200, .body = ""},
                                               {.status = 200, .body = ""}};

    start(steps, COUNT(steps));
    kube_cache_run(cache);
    ck_assert_str_eq(story, "synced !Unknown/800 !Unknown/1600 ");
    finish();
}
END_TEST

START_TEST(an_event_that_cannot_be_read_is_not_skipped)
{
    static const struct script_step steps[] = {
        {.status = 200, .body = LIST("10", "")},
        {.status = 200,
         .body = EVENT("ADDED", OBJ("a", "11")) "{\"type\":\"NEWS\",\"object\":{}}\n"},
        {.status = 200, .body = LIST("12", OBJ("a", "11") "," OBJ("b", "12"))},
    };

    start(steps, COUNT(steps));
    kube_cache_run(cache);
    ck_assert_str_eq(story, "synced +a@11 !Malformed/800 +b@12 ");
    finish();
}
END_TEST

static cJSON *object(const char *text)
{
    cJSON *o = json_parse(text, strlen(text), NULL);

    ck_assert_ptr_nonnull(o);
    return o;
}

static void observe(const char *text)
{
    cJSON *o = object(text);

    ck_assert_int_eq(kube_cache_observe(cache, o), 0);
    json_free(o);
}

/* A large cache squeezes what is not read, and gives it back as it was. */
START_TEST(texts_that_nobody_reads_are_squeezed)
{
    enum { MANY = 1200 };
    static const struct script_step none[1];
    char text[400];
    size_t plain = 0, with_trees;
    bool all = _i == 1;

    start(none, 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(
            text, sizeof(text),
            "{\"metadata\":{\"name\":\"c%04d\",\"namespace\":\"t\",\"resourceVersion\":\"%d\"},"
            "\"status\":{\"n\":%d,\"text\":\"one of very many that look alike, but for a "
            "number in each of them\",\"conditions\":[{\"type\":\"Ready\"}]}}",
            i, i + 1, i * 7);
        plain += strlen(text);
        observe(text);
    }
    with_trees = kube_cache_bytes(cache); /* the latest have no texts yet */
    if (!all) {
        kube_cache_cool(cache, false); /* each was just seen */
        ck_assert_uint_eq(kube_cache_bytes(cache), with_trees);
    }
    kube_cache_cool(cache, all);
    ck_assert_uint_gt(kube_cache_bytes(cache), with_trees);
    ck_assert_uint_eq(kube_cache_count(cache), MANY);
    /* beside the entries themselves: a quarter of the texts, and the early ones whole */
    /* an entry takes 150 to 190 bytes beside its text */
    ck_assert_uint_lt(kube_cache_bytes(cache), MANY * 200 + plain / 2);
    for (int i = 0; i < MANY; i++) {
        char name[16], *kept;
        const struct kube_entry *e;
        cJSON *tree;

        snprintf(name, sizeof(name), "c%04d", i);
        e = kube_cache_get(cache, "t", name);
        kept = kube_cache_text(cache, e);
        tree = kube_cache_read(cache, "t", name);
        ck_assert_int_eq(json_int(json_get(tree, "status"), "n", -1), i * 7);
        ck_assert_ptr_nonnull(strstr(kept, "look alike"));
        json_free(tree);
        free(kept);
    }
    finish();
}
END_TEST

static void changed(enum watch_event type, const char *text)
{
    const struct watch_sink *sink = kube_cache_sink(cache);

    sink->changed(sink->ctx, type, object(text));
}

static void listed(const char *version, const char *a)
{
    const struct watch_sink *sink = kube_cache_sink(cache);

    sink->list_begin(sink->ctx);
    if (a)
        sink->list_item(sink->ctx, object(a));
    sink->list_end(sink->ctx, version);
}

START_TEST(a_write_of_ours_is_not_undone_by_older_news)
{
    start(NULL, 0);
    listed("10", OBJ("a", "9"));
    observe(OBJ("a", "15"));
    changed(WATCH_MODIFIED, OBJ("a", "12"));
    ck_assert_str_eq(kube_cache_get(cache, "t", "a")->resource_version, "15");
    changed(WATCH_MODIFIED, OBJ("a", "15"));
    changed(WATCH_MODIFIED, OBJ("a", "16"));
    ck_assert_str_eq(story, "+a@9 synced ~a@15 ~a@16 ");
    observe(OBJ("a", "15")); /* a late answer */
    ck_assert_str_eq(kube_cache_get(cache, "t", "a")->resource_version, "16");
    finish();
}
END_TEST

START_TEST(a_list_made_before_our_write_does_not_remove_it)
{
    start(NULL, 0);
    listed("10", NULL);
    observe(OBJ("new", "12"));
    listed("11", NULL);
    ck_assert_ptr_nonnull(kube_cache_get(cache, "t", "new"));
    listed("13", NULL);
    ck_assert_ptr_null(kube_cache_get(cache, "t", "new"));
    finish();
}
END_TEST

START_TEST(what_came_and_went_does_not_rise_again)
{
    start(NULL, 0);
    listed("10", NULL);
    changed(WATCH_ADDED, OBJ("a", "12"));
    changed(WATCH_DELETED, OBJ("a", "14"));
    observe(OBJ("a", "12"));
    ck_assert_ptr_null(kube_cache_get(cache, "t", "a"));
    finish();
}
END_TEST

START_TEST(it_is_known_whether_our_write_was_seen)
{
    start(NULL, 0);
    ck_assert(!kube_cache_has_seen(cache, "t", "a", "9"));
    listed("10", OBJ("a", "9"));
    ck_assert(kube_cache_has_seen(cache, "t", "a", "9"));
    ck_assert(!kube_cache_has_seen(cache, "t", "a", "12"));
    changed(WATCH_MODIFIED,
            OBJ("b", "13")); /* later than our write: had it been lost, it would show */
    ck_assert(kube_cache_has_seen(cache, "t", "a", "12"));
    ck_assert(!kube_cache_has_seen(cache, "t", "a", "100"));
    changed(WATCH_DELETED, OBJ("a", "100"));
    ck_assert(kube_cache_has_seen(cache, "t", "a", "100"));
    finish();
}
END_TEST

START_TEST(what_is_not_kept_does_not_exist)
{
    start(NULL, 0);
    listed("10", OBJ("a", "9"));
    changed(WATCH_MODIFIED, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"t\",\"resourceVersion\":"
                            "\"11\",\"skip\":\"\",\"managedFields\":[]}}");
    ck_assert_str_eq(story, "+a@9 synced -a@9 ");
    ck_assert_uint_eq(kube_cache_count(cache), 0);
    ck_assert_uint_eq(kube_cache_bytes(cache), 16 * sizeof(void *));
    finish();
}
END_TEST

START_TEST(many_entries_stay_in_order)
{
    char text[160], previous[32] = "";
    size_t i;

    start(NULL, 0);
    cache =
        (kube_cache_free(cache),
         kube_cache_new(client, &(struct kube_cache_options){.watch = {.resource = &kube_pods}}));
    for (i = 0; i < 1000; i++) {
        size_t n = i * 7919 % 1000;
        snprintf(
            text, sizeof text,
            "{\"metadata\":{\"name\":\"n%zu\",\"namespace\":\"t%zu\",\"resourceVersion\":\"%zu\"}}",
            n, n % 3, i + 1);
        changed(WATCH_ADDED, text);
    }
    ck_assert_uint_eq(kube_cache_count(cache), 1000);
    for (i = 0; i < 1000; i++) {
        const struct kube_entry *e = kube_cache_at(cache, i);
        char key[32];
        snprintf(key, sizeof key, "%s/%s", e->ns, e->name);
        ck_assert_int_lt(strcmp(previous, key), 0);
        snprintf(previous, sizeof previous, "%s", key);
    }
    finish();
}
END_TEST

static bool count_event(void *ctx, enum watch_event type, cJSON *o)
{
    (void)type;
    (*(int *)ctx)++;
    json_free(o);
    return true;
}

static const struct stream_case {
    const char *bytes;
    size_t line_max;
    int want, events;
} stream_cases[] = {
    {BOOKMARK("1") "\r\n \n" BOOKMARK("2"), 0, 0, 2},
    {"{\"type\":\"ADDED\"}\n", 0, -EPROTO, 0},
    {"{\"type\":\"added\",\"object\":{}}\n", 0, -EPROTO, 0},
    {"{\"type\":\"ADDED\",\"object\":[]}\n", 0, -EPROTO, 0},
    {"{\"type\":\"ADDED\",\"object\":{}} x\n", 0, -EPROTO, 0},
    {BOOKMARK(
         "1") "a line without an end and over the limit ........................................",
     70, -EMSGSIZE, 1},
    {"{\"type\":\"ADDED\",\"object\":{}}", 0, 0, 0},
};

START_TEST(a_stream_is_cut_into_events_however_it_arrives)
{
    const struct stream_case *c = &stream_cases[_i];
    size_t chunk, at, len = strlen(c->bytes);

    for (chunk = 1; chunk <= len; chunk++) {
        struct watch_decoder *d = watch_decoder_new(c->line_max);
        char why[256] = "";
        int events = 0, r = 0;
        for (at = 0; at < len && r == 0; at += chunk)
            r = watch_decoder_feed(d, c->bytes + at, len - at < chunk ? len - at : chunk,
                                   count_event, &events, why, sizeof why);
        ck_assert_msg(r == c->want, "%s in %zu: %d %s", c->bytes, chunk, r, why);
        ck_assert_int_eq(events, c->events);
        watch_decoder_free(d);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kube cache");
    TCase *tc = tcase_create("cache");
    SRunner *r = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, list_then_watch_keeps_the_cache_current);
    tcase_add_test(tc, an_odd_object_does_not_hide_the_others);
    tcase_add_test(tc, a_forgotten_version_is_listed_again);
    tcase_add_loop_test(tc, texts_that_nobody_reads_are_squeezed, 0, 2);
    tcase_add_test(tc, failures_are_waited_out_with_growing_pauses);
    tcase_add_test(tc, pauses_are_jittered_and_bounded);
    tcase_add_test(tc, a_watch_that_ends_at_once_is_not_hammered);
    tcase_add_test(tc, an_event_that_cannot_be_read_is_not_skipped);
    tcase_add_test(tc, a_write_of_ours_is_not_undone_by_older_news);
    tcase_add_test(tc, a_list_made_before_our_write_does_not_remove_it);
    tcase_add_test(tc, what_came_and_went_does_not_rise_again);
    tcase_add_test(tc, it_is_known_whether_our_write_was_seen);
    tcase_add_test(tc, what_is_not_kept_does_not_exist);
    tcase_add_test(tc, many_entries_stay_in_order);
    tcase_add_loop_test(tc, a_stream_is_cut_into_events_however_it_arrives, 0,
                        (int)COUNT(stream_cases));
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
