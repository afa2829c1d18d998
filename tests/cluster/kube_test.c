/*
 * tests/cluster/kube_test.c — adapters/kube against a real API server: what a stand-in can only
 * claim.
 *
 *   kube_test KUBECONFIG     prints one line per check; exits 1 when one failed
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/http/loop.h"
#include "adapters/kube/cache.h"
#include "adapters/kube/events.h"
#include "adapters/kube/lease.h"

#define NS "kube-test"

static const struct kube_resource widgets = {"kube-test.coalmine.dev", "v1", "widgets", "Widget",
                                             false};

static struct world {
    struct loop *loop;
    struct tasks *tasks;
    const struct clock *clock;
    struct http_client *http;
    struct kube_config *config;
    struct kube_client *client;
    struct kube_error e;
    struct gate changed;
    int passed, failed;
    int started[2], lost[2];
} w;

static void check(bool ok, const char *what)
{
    printf("%s %s%s%s\n", ok ? "ok  " : "FAIL", what,
           ok ? "" : ": last error: ", ok ? "" : w.e.message);
    fflush(stdout);
    if (ok)
        w.passed++;
    else
        w.failed++;
}

static cJSON *parse(const char *text)
{
    cJSON *o = json_parse(text, strlen(text), NULL);

    if (!o) {
        fprintf(stderr, "kube_test: bad JSON in the test: %s\n", text);
        exit(2);
    }
    return o;
}

static cJSON *config_map(const char *name, const char *value)
{
    char text[256];

    snprintf(text, sizeof text,
             "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
             "\"namespace\":\"" NS "\"},\"data\":{\"k\":\"%s\"}}",
             name, value);
    return parse(text);
}

static const char *meta(const cJSON *o, const char *name)
{
    return json_str_or(json_get(o, "metadata"), name, "");
}

static int create_text(const struct kube_resource *r, const char *text)
{
    cJSON *o = parse(text);
    int result = kube_create(w.client, r, o, NULL, &w.e);

    json_free(o);
    return result;
}

/* Ask again for at most 30 s. */
static bool await(bool (*condition)(void *ctx), void *ctx)
{
    for (int i = 0; i < 600; i++) {
        if (condition(ctx))
            return true;
        task_sleep(w.tasks, 50);
    }
    return false;
}

/* ---- the client
 * ------------------------------------------------------------------------------------------- */

static bool drop(void *ctx, cJSON *item)
{
    (void)ctx;
    json_free(item);
    return true;
}

static bool widgets_are_served(void *ctx)
{
    return kube_list(w.client, &widgets, NS, NULL, drop, ctx, NULL, &w.e) == 0;
}

static void prepare(void)
{
    cJSON *version = NULL;

    check(kube_get_path(w.client, "/version", &version, &w.e) == 0 &&
              json_str(version, "gitVersion"),
          "the server tells its version");
    json_free(version);
    create_text(&kube_namespaces,
                "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"" NS
                "\"}}");
    create_text(&kube_crds,
                "{\"apiVersion\":\"apiextensions.k8s.io/"
                "v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":\"widgets.kube-"
                "test.coalmine.dev\"},"
                "\"spec\":{\"group\":\"kube-test.coalmine.dev\",\"names\":{\"kind\":\"Widget\","
                "\"plural\":\"widgets\"},\"scope\":\"Namespaced\",\"versions\":[{"
                "\"name\":\"v1\",\"served\":true,\"storage\":true,\"subresources\":{\"status\":{}},"
                "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
                "\"x-kubernetes-preserve-unknown-fields\":true}}}]}}");
    check(await(widgets_are_served, NULL), "a CRD is created and served");
}

static void errors_are_typed(void)
{
    cJSON *a, *got = NULL, *stale;

    kube_get(w.client, &kube_deployments, NS, "podinfo", NULL, &w.e);
    check(w.e.reason == KUBE_NOT_FOUND &&
              strcmp(w.e.message, "deployments.apps \"podinfo\" not found") == 0,
          "a missing object is NotFound, in client-go's words");
    a = config_map("a", "1");
    check(kube_create(w.client, &kube_configmaps, a, &got, &w.e) == 0, "an object is created");
    check(kube_create(w.client, &kube_configmaps, a, NULL, &w.e) == -EEXIST &&
              strcmp(w.e.message, "configmaps \"a\" already exists") == 0,
          "creating it again is AlreadyExists");
    stale = json_copy(got);
    json_set_str(json_get(got, "data"), "k", "2");
    check(kube_update(w.client, &kube_configmaps, got, NULL, &w.e) == 0, "it is updated");
    check(kube_update(w.client, &kube_configmaps, stale, NULL, &w.e) == -EBUSY &&
              strcmp(w.e.message, "Operation cannot be fulfilled on configmaps \"a\": the object "
                                  "has been modified; please apply your "
                                  "changes to the latest version and try again") == 0,
          "a stale update is a Conflict, in client-go's words");
    check(kube_delete(w.client, &kube_configmaps, NS, "a", "00000000-0000-0000-0000-000000000000",
                      NULL, NULL, &w.e) == -EBUSY,
          "a deletion with another uid is a Conflict");
    check(kube_delete(w.client, &kube_configmaps, NS, "a", meta(got, "uid"), NULL, "Background",
                      &w.e) == 0,
          "with its own uid it is deleted");
    json_free(a);
    json_free(got);
    json_free(stale);
}

static void dry_run_stores_nothing(void)
{
    struct kube_client_options o = {.dry_run = true};
    struct kube_client *dry = kube_client_new(w.config, w.http, w.clock, &o);
    cJSON *a = config_map("dry", "1"), *got = NULL, *bad = config_map("Not_A_Name", "1");

    check(kube_create(dry, &kube_configmaps, a, &got, &w.e) == 0 && *meta(got, "uid"),
          "a dry run is answered like a real one");
    check(kube_create(dry, &kube_configmaps, bad, NULL, &w.e) == -EINVAL &&
              w.e.reason == KUBE_INVALID,
          "and checked like a real one");
    check(kube_get(w.client, &kube_configmaps, NS, "dry", NULL, &w.e) == -ENOENT,
          "but nothing is stored");
    json_free(a);
    json_free(got);
    json_free(bad);
    kube_client_free(dry);
}

static int raise(void *ctx, cJSON *o)
{
    int *calls = ctx;
    cJSON *behind, *got = NULL;

    if ((*calls)++ == 0) { /* somebody else writes between our read and our write */
        behind = parse("{\"spec\":{\"other\":true}}");
        kube_patch(w.client, &widgets, NS, "big", NULL, KUBE_PATCH_MERGE, behind, &got, &w.e);
        json_free(behind);
        json_free(got);
    }
    json_set_str(json_child_object(o, "status"), "phase", "Ready");
    return 0;
}

static void writes_keep_what_they_do_not_know(void)
{
    cJSON *got = NULL;
    char *text;
    int calls = 0;

    create_text(&widgets,
                "{\"apiVersion\":\"kube-test.coalmine.dev/"
                "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"big\",\"namespace\":\"" NS
                "\"},\"spec\":{\"n\":9007199254740993,\"m\":-9223372036854775807}}");
    check(kube_modify(w.client, &widgets, NS, "big", true, KUBE_RETRY_BACKOFF, raise, &calls, &got,
                      &w.e) == 0 &&
              calls == 2,
          "a conflicting status write is made again from the top");
    text = json_print(got);
    check(text && strstr(text, "9007199254740993") && strstr(text, "-9223372036854775807"),
          "integers above 2^53 survive the round trip");
    check(text && strstr(text, "\"other\":true") && strstr(text, "\"phase\":\"Ready\""),
          "and the other writer's change is kept");
    free(text);
    json_free(got);
}

static bool count_item(void *ctx, cJSON *item)
{
    (*(int *)ctx)++;
    json_free(item);
    return true;
}

static void lists_come_in_pages(void)
{
    struct kube_list_options o = {.page_size = 2, .label_selector = "list=yes"};
    uint64_t before;
    char text[256];
    int count = 0;

    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text,
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"page-%d\","
                 "\"namespace\":\"" NS "\",\"labels\":{\"list\":\"yes\"}}}",
                 i);
        create_text(&kube_configmaps, text);
    }
    before = kube_client_counts(w.client)->requests[KUBE_LIST];
    check(kube_list(w.client, &kube_configmaps, NS, &o, count_item, &count, NULL, &w.e) == 0 &&
              count == 5 && kube_client_counts(w.client)->requests[KUBE_LIST] - before == 3,
          "five objects in pages of two take three requests");
}

/* ---- watches and caches
 * ----------------------------------------------------------------------------------- */

struct seen {
    struct kube_cache *cache;
    int added, modified, deleted, failures;
};

static void on_change(void *ctx, enum watch_event type, const struct kube_entry *entry)
{
    struct seen *s = ctx;

    (void)entry;
    s->added += type == WATCH_ADDED;
    s->modified += type == WATCH_MODIFIED;
    s->deleted += type == WATCH_DELETED;
    gate_notify(w.tasks, &w.changed);
}

static void on_failure(void *ctx, const struct kube_error *error, int64_t pause_ms)
{
    struct seen *s = ctx;

    s->failures++;
    printf("     watch failed, again in %lld ms: %s\n", (long long)pause_ms, error->message);
}

static void run_cache(void *arg)
{
    struct seen *s = arg;

    kube_cache_run(s->cache);
}

static bool is_synced(void *ctx)
{
    return kube_cache_has_synced(((struct seen *)ctx)->cache);
}

static bool all_modified(void *ctx)
{
    return ((struct seen *)ctx)->modified >= 12;
}

static bool one_deleted(void *ctx)
{
    return ((struct seen *)ctx)->deleted >= 1;
}

static void caches_follow(void)
{
    struct seen s = {0};
    struct kube_cache_options o = {.watch = {.resource = &widgets, .ns = NS, .timeout_s_min = 1},
                                   .on_change = on_change,
                                   .on_failure = on_failure,
                                   .ctx = &s};
    uint64_t id, before;
    cJSON *patch, *got = NULL;
    bool seen_early, ok = true;

    s.cache = kube_cache_new(w.client, &o);
    id = task_spawn(w.tasks, run_cache, &s);
    check(await(is_synced, &s) && kube_cache_get(s.cache, NS, "big"),
          "a cache is filled by a list");
    for (int i = 0; i < 12;
         i++) { /* four seconds: watches of one to two seconds end and are taken up again */
        char text[64];
        snprintf(text, sizeof text, "{\"spec\":{\"i\":%d}}", i);
        patch = parse(text);
        ok &= kube_patch(w.client, &widgets, NS, "big", NULL, KUBE_PATCH_MERGE, patch,
                         i == 11 ? &got : NULL, &w.e) == 0;
        json_free(patch);
        task_sleep(w.tasks, i == 11 ? 0 : 330);
    }
    seen_early = kube_cache_has_seen(s.cache, NS, "big", meta(got, "resourceVersion"));
    check(ok && await(all_modified, &s) && s.modified == 12,
          "every change is seen once, over watches that end");
    check(kube_cache_has_seen(s.cache, NS, "big", meta(got, "resourceVersion")),
          seen_early ? "our own write is seen (at once)"
                     : "our own write is seen (a moment later)");
    check(kube_client_counts(w.client)->requests[KUBE_WATCH] >= 3 && s.failures == 0,
          "watches were renewed without a failure");
    before = kube_client_counts(w.client)->requests[KUBE_LIST];
    kube_delete(w.client, &widgets, NS, "big", NULL, NULL, NULL, &w.e);
    check(await(one_deleted, &s) && kube_cache_count(s.cache) == 0, "a deletion is seen");
    check(kube_client_counts(w.client)->requests[KUBE_LIST] == before,
          "and all that without another list");
    task_cancel(w.tasks, id);
    check(task_join(w.tasks, id, 1000) == 0, "a cancelled watch ends at once");
    json_free(got);
    kube_cache_free(s.cache);
}

static void secrets_are_watched_without_their_data(void)
{
    struct seen s = {0};
    struct kube_cache_options o = {
        .watch = {.resource = &kube_secrets, .ns = NS, .metadata_only = true},
        .on_change = on_change,
        .on_failure = on_failure,
        .ctx = &s};
    const struct kube_entry *first, *second = NULL;
    char *first_text, *second_text;
    uint64_t id;

    create_text(&kube_secrets, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
                               "\"s1\",\"namespace\":\"" NS "\"},\"stringData\":{\"k\":\"hush\"}}");
    s.cache = kube_cache_new(w.client, &o);
    id = task_spawn(w.tasks, run_cache, &s);
    await(is_synced, &s);
    create_text(&kube_secrets, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
                               "\"s2\",\"namespace\":\"" NS "\"},\"stringData\":{\"k\":\"hush\"}}");
    for (int i = 0; i < 100 && !second; i++) {
        task_sleep(w.tasks, 20);
        second = kube_cache_get(s.cache, NS, "s2");
    }
    first = kube_cache_get(s.cache, NS, "s1");
    first_text = first ? kube_cache_text(s.cache, first) : NULL;
    second_text = second ? kube_cache_text(s.cache, second) : NULL;
    check(first_text && second_text && !strstr(first_text, "\"data\"") &&
              !strstr(second_text, "\"data\"") && *second->resource_version &&
              strstr(second_text, "PartialObjectMetadata"),
          "Secrets are listed and watched as metadata only");
    free(first_text);
    free(second_text);
    task_cancel(w.tasks, id);
    task_join(w.tasks, id, 1000);
    kube_cache_free(s.cache);
}

static bool refuse_event(void *ctx, enum watch_event type, cJSON *o)
{
    char *text = json_print(o);

    if (type == WATCH_ERROR && text)
        kube_error_parse((int)json_int(o, "code", 0), text, strlen(text), NULL, "watch", ctx);
    free(text);
    json_free(o);
    return false;
}

static bool feed(void *ctx, const char *bytes, size_t len)
{
    char why[256];
    struct watch_decoder *d = ctx;

    return watch_decoder_feed(d, bytes, len, refuse_event, &w.e, why, sizeof why) == 0;
}

/* The server's memory of a kind begins with its CRD, so version 1 was forgotten before it began. */
static void a_forgotten_version_is_gone(void)
{
    struct watch_decoder *d = watch_decoder_new(0);
    struct kube_error e;
    int r = kube_stream(w.client, &widgets,
                        "/apis/kube-test.coalmine.dev/v1/namespaces/" NS
                        "/widgets?watch=true&resourceVersion=1&timeoutSeconds=5",
                        false, 10000, feed, d, &e);

    if (r != 0)
        w.e = e;
    check(w.e.reason == KUBE_GONE && w.e.code == 410,
          "a watch from a forgotten version is answered 410");
    watch_decoder_free(d);
}

/* ---- leases and events
 * --------------------------------------------------------------------------------------- */

struct candidate {
    int index;
    struct lease *lease;
};

static void on_started(void *ctx)
{
    w.started[((struct candidate *)ctx)->index]++;
}

static void on_lost(void *ctx)
{
    w.lost[((struct candidate *)ctx)->index]++;
}

static void stand(void *arg)
{
    struct candidate *c = arg;

    lease_run(c->lease);
}

static bool first_leads(void *ctx)
{
    (void)ctx;
    return w.started[0] == 1;
}

static bool second_leads(void *ctx)
{
    (void)ctx;
    return w.started[1] == 1;
}

static void leadership_is_handed_over(void)
{
    struct candidate c[2] = {{0, NULL}, {1, NULL}};
    uint64_t ids[2];
    cJSON *got = NULL;
    int64_t released_ms, took_ms;

    for (int i = 0; i < 2; i++) {
        struct lease_options o = {.ns = NS,
                                  .name = "leader",
                                  .identity = i ? "second" : "first",
                                  .lease_ms = 6000,
                                  .renew_deadline_ms = 3000,
                                  .retry_ms = 500,
                                  .on_started = on_started,
                                  .on_lost = on_lost,
                                  .ctx = &c[i]};
        c[i].lease = lease_new(w.client, &o);
        ids[i] = task_spawn(w.tasks, stand, &c[i]);
        if (i == 0)
            check(await(first_leads, NULL) && lease_is_held(c[0].lease),
                  "the first candidate leads");
    }
    task_sleep(w.tasks, 2500);
    check(w.started[1] == 0 && lease_is_held(c[0].lease) && !lease_is_held(c[1].lease) &&
              strcmp(lease_holder(c[1].lease), "first") == 0,
          "it renews, and the second waits and knows whom for");
    task_cancel(w.tasks, ids[0]);
    task_join(w.tasks, ids[0], 1000);
    check(lease_release(c[0].lease, &w.e) == 0 && !lease_is_held(c[0].lease),
          "the first gives it up");
    released_ms = w.clock->mono_ms(w.clock->self);
    await(second_leads, NULL);
    took_ms = w.clock->mono_ms(w.clock->self) - released_ms;
    check(w.started[1] == 1 && took_ms < 3500,
          "the second takes over without waiting for the old lease to run out");
    check(kube_get(w.client, &kube_leases, NS, "leader", &got, &w.e) == 0 &&
              json_int(json_get(got, "spec"), "leaseTransitions", 0) >= 1,
          "the record counts the transition");
    kube_delete(w.client, &kube_leases, NS, "leader", NULL, NULL, NULL, &w.e);
    task_cancel(w.tasks, ids[1]);
    task_join(w.tasks, ids[1], 1000);
    json_free(got);
    lease_free(c[0].lease);
    lease_free(c[1].lease);
}

static bool keep_last(void *ctx, cJSON *item)
{
    cJSON **out = ctx;

    json_free(*out);
    *out = item;
    return true;
}

static void events_are_counted(void)
{
    struct event_object about = {"v1", "ConfigMap", NS, "page-0", "", "", NULL};
    struct events *e = events_new(w.client, NULL);
    struct kube_list_options o = {.field_selector = "involvedObject.name=page-0,reason=Synced"};
    cJSON *event = NULL;

    for (int i = 0; i < 3; i++)
        events_record(e, &about, true, "Halt page-0." NS " advancement");
    check(events_flush(e) == 0 && events_counts(e)->created == 1 && events_counts(e)->patched == 2,
          "one event is created and twice patched");
    kube_list(w.client, &kube_events, NS, &o, keep_last, &event, NULL, &w.e);
    check(json_int(event, "count", 0) == 3 &&
              strcmp(json_str_or(event, "type", ""), "Warning") == 0 &&
              strcmp(json_str_or(json_get(event, "source"), "component", ""), "flagger") == 0,
          "the server has it with count 3");
    json_free(event);
    events_free(e);
}

static void clean_up(void)
{
    kube_delete(w.client, &kube_crds, NULL, "widgets.kube-test.coalmine.dev", NULL, NULL, NULL,
                &w.e);
    kube_delete(w.client, &kube_namespaces, NULL, NS, NULL, NULL, NULL, &w.e);
}

static void wrong_credentials_are_refused(void)
{
    struct kube_config *stranger = kube_config_plain(kube_config_server(w.config), "not-the-token");
    struct http_tls *tls;
    struct kube_client *c;

    memcpy(&tls, &(const struct http_tls *){kube_config_tls(stranger)}, sizeof tls);
    *tls = *kube_config_tls(w.config);
    c = kube_client_new(stranger, w.http, w.clock, NULL);
    check(kube_get(c, &kube_configmaps, NS, "a", NULL, &w.e) == -EPERM &&
              w.e.reason == KUBE_UNAUTHORIZED,
          "a wrong token is Unauthorized");
    kube_client_free(c);
    memset(tls, 0, sizeof *tls);
    c = kube_client_new(stranger, w.http, w.clock, NULL);
    kube_get(c, &kube_configmaps, NS, "a", NULL, &w.e);
    check(w.e.reason == KUBE_TRANSPORT &&
              strstr(w.e.message, "x509: certificate signed by unknown authority"),
          "a server with an unknown authority is not spoken to");
    kube_client_free(c);
    kube_config_free(stranger);
}

static void run_all(void *arg)
{
    (void)arg;
    prepare();
    errors_are_typed();
    dry_run_stores_nothing();
    writes_keep_what_they_do_not_know();
    lists_come_in_pages();
    caches_follow();
    secrets_are_watched_without_their_data();
    a_forgotten_version_is_gone();
    leadership_is_handed_over();
    events_are_counted();
    wrong_credentials_are_refused();
    clean_up();
}

static void print_memory(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS", 5) == 0 || strncmp(line, "RssAnon", 7) == 0)
            fputs(line, stdout);
    if (f)
        fclose(f);
}

int main(int argc, char **argv)
{
    struct kube_config_source source = {.path = argc > 1 ? argv[1] : NULL};
    struct http_options ho = {.user_agent = "kube_test", .http2 = argc > 2};
    struct arena *arena = arena_new(0);
    struct diags diags;

    if (argc < 2) {
        fprintf(stderr, "usage: kube_test KUBECONFIG [http2]\n");
        return 2;
    }
    diags_init(&diags, arena);
    if (kube_config_load(&source, &diags, &w.config) != 0) {
        for (size_t i = 0; i < diags.count; i++)
            diag_print(stderr, &diags.items[i], NULL, 0, false);
        return 4;
    }
    w.loop = loop_new(NULL);
    w.tasks = loop_tasks(w.loop);
    w.clock = loop_clock(w.loop);
    w.http = loop_http_new(w.loop, &ho);
    w.client = kube_client_new(w.config, w.http, w.clock, NULL);
    task_spawn(w.tasks, run_all, NULL);
    if (loop_run(w.loop) != 0)
        return 4;
    print_memory();
    printf("%d passed, %d failed\n", w.passed, w.failed);
    kube_client_free(w.client);
    loop_free(w.loop);
    kube_config_free(w.config);
    diags_release(&diags);
    arena_free(arena);
    return w.failed ? 1 : 0;
}
