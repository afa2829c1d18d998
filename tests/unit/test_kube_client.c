#include "adapters/kube/client.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/exec.h"
#include "adapters/kube/time.h"
#include "tests/support/script.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct script s;
static struct kube_config *config;
static struct kube_client *client;
static struct kube_error error;

static void start_with(const struct script_step *steps, size_t count,
                       const struct kube_client_options *o)
{
    script_init(&s, steps, count);
    config = kube_config_plain("https://api:6443/", "secret-token");
    client = kube_client_new(config, &s.client, &s.clock, o);
    ck_assert_ptr_nonnull(client);
}

static void finish(void)
{
    kube_client_free(client);
    kube_config_free(config);
}

static const struct error_case {
    const char *name;
    int status;
    const char *body, *retry_after;
    enum kube_reason reason;
    int64_t retry_ms;
    const char *message;
} error_cases[] = {
    {"not found", 404,
     "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"deployments."
     "apps \\\"podinfo\\\" not "
     "found\",\"reason\":\"NotFound\",\"code\":404}",
     NULL, KUBE_NOT_FOUND, 0, "deployments.apps \"podinfo\" not found"},
    {"409 may mean that it exists", 409,
     "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"x\"}", NULL,
     KUBE_ALREADY_EXISTS, 0, "x"},
    {"409 may mean a conflict", 409,
     "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"x\"}", NULL, KUBE_CONFLICT, 0,
     "x"},
    {"expired", 410, "{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"too old\"}", NULL,
     KUBE_GONE, 0, "too old"},
    {"seconds in the details", 429,
     "{\"kind\":\"Status\",\"reason\":\"TooManyRequests\",\"message\":\"m\",\"details\":{"
     "\"retryAfterSeconds\":3}}",
     NULL, KUBE_TOO_MANY_REQUESTS, 3000, "m"},
    {"the header wins", 429,
     "{\"kind\":\"Status\",\"reason\":\"TooManyRequests\",\"message\":\"m\",\"details\":{"
     "\"retryAfterSeconds\":3}}",
     "7", KUBE_TOO_MANY_REQUESTS, 7000, "m"},
    {"a 404 of no API server", 404, "404 page not found\n", NULL, KUBE_NOT_FOUND, 0,
     "the server could not find the requested resource (WHAT)"},
    {"a proxy's error page", 502, "bad gateway\n", NULL, KUBE_SERVER, 0,
     "an error on the server (\"bad gateway\") has prevented the request from succeeding (WHAT)"},
    {"hostile numbers", 503,
     "{\"kind\":\"Status\",\"message\":\"m\",\"details\":{\"retryAfterSeconds\":"
     "99999999999999999999}}",
     "-1", KUBE_SERVER, 0, "m"},
    {"an unknown reason", 418, "{\"kind\":\"Status\",\"reason\":\"Teapot\",\"message\":\"m\"}",
     NULL, KUBE_OTHER, 0, "m"},
};

START_TEST(a_status_becomes_a_typed_error)
{
    const struct error_case *c = &error_cases[_i];

    kube_error_parse(c->status, c->body, strlen(c->body), c->retry_after, "WHAT", &error);
    ck_assert_msg(error.reason == c->reason, "%s: got %s", c->name, kube_reason_name(error.reason));
    ck_assert_str_eq(error.message, c->message);
    ck_assert_int_eq(error.retry_after_ms, c->retry_ms);
    ck_assert_int_eq(error.code, c->status);
}
END_TEST

START_TEST(a_long_message_is_cut_at_a_character)
{
    char body[4000] = "{\"kind\":\"Status\",\"message\":\"";
    size_t i, len;

    for (i = 0; i < 600; i++)
        strcat(body, "\xc3\xa9"); /* e with an acute accent */
    strcat(body, "\"}");
    kube_error_parse(422, body, strlen(body), NULL, "WHAT", &error);
    len = strlen(error.message);
    ck_assert_uint_lt(len, sizeof error.message);
    ck_assert_str_eq(error.message + len - 3, "...");
    ck_assert_uint_eq((len - 3) % 2, 0);
}
END_TEST

static const struct compare_case {
    const char *a, *b;
    int want;
} compare_cases[] = {
    {"9", "10", -1},
    {"10", "9", 1},
    {"10", "10", 0},
    {"0010", "10", 0},
    {"18446744073709551616", "18446744073709551615", 1},
    {"", "1", -1},
    {"x", "1", -1},
    {"1", "", 1},
    {"", "", 0},
    {"0", "", 1},
};

START_TEST(versions_compare_as_numbers_of_any_length)
{
    const struct compare_case *c = &compare_cases[_i];
    int got = kube_version_compare(c->a, c->b);

    ck_assert_msg((got > 0) - (got < 0) == c->want, "%s %s: %d", c->a, c->b, got);
}
END_TEST

START_TEST(a_get_carries_token_and_agent_and_keeps_big_integers)
{
    static const struct script_step steps[] = {
        {.status = 200, .body = "{\"spec\":{\"n\":9007199254740993}}"},
        {.status = 200, .body = "{}"}};
    cJSON *object;
    cJSON *meta;

    start_with(steps, COUNT(steps), &(struct kube_client_options){.user_agent = "flagger/1"});
    ck_assert_int_eq(kube_get(client, &kube_deployments, "test", "podinfo", &object, &error), 0);
    ck_assert_str_eq(
        s.last_headers,
        "Accept: application/json\nUser-Agent: flagger/1\nAuthorization: Bearer secret-token\n");
    meta = json_child_object(object, "metadata");
    json_set_str(meta, "name", "podinfo");
    json_set_str(meta, "namespace", "test");
    ck_assert_int_eq(kube_update_status(client, &kube_deployments, object, NULL, &error), 0);
    ck_assert_str_eq(s.log, "GET /apis/apps/v1/namespaces/test/deployments/podinfo\n"
                            "PUT /apis/apps/v1/namespaces/test/deployments/podinfo/status "
                            "{\"spec\":{\"n\":9007199254740993},\"metadata\":{\"name\":\"podinfo\","
                            "\"namespace\":\"test\"}}\n");
    json_free(object);
    finish();
}
END_TEST

START_TEST(a_redirect_does_not_get_the_token)
{
    static const struct script_step steps[] = {{.status = 302, .body = "go there"}};
    cJSON *object = NULL;

    start_with(steps, COUNT(steps), NULL);
    ck_assert_int_lt(kube_get(client, &kube_deployments, "test", "podinfo", &object, &error), 0);
    ck_assert(!s.followed);
    ck_assert_str_eq(s.log, "GET /apis/apps/v1/namespaces/test/deployments/podinfo\n");
    finish();
}
END_TEST

START_TEST(each_verb_has_its_method_path_and_type)
{
    static const struct script_step steps[] = {{.status = 201, .body = "{}"},
                                               {.status = 200, .body = "{}"},
                                               {.status = 200, .body = "{}"}};
    cJSON *object = cJSON_CreateObject();
    const struct kube_counts *n;

    json_set_str(json_child_object(object, "metadata"), "namespace", "a/b");
    start_with(steps, COUNT(steps), &(struct kube_client_options){.dry_run = true});
    ck_assert_int_eq(kube_create(client, &kube_configmaps, object, NULL, &error), 0);
    ck_assert_int_eq(kube_patch(client, &kube_canaries, "test", "x", "status", KUBE_PATCH_MERGE,
                                object, NULL, &error),
                     0);
    ck_assert_ptr_nonnull(strstr(s.last_headers, "Content-Type: application/merge-patch+json\n"));
    ck_assert_int_eq(
        kube_delete(client, &kube_services, "test", "x", "u-1", "7", "Background", &error), 0);
    ck_assert_str_eq(s.log,
                     "POST /api/v1/namespaces/a%2Fb/configmaps?dryRun=All "
                     "{\"metadata\":{\"namespace\":\"a/b\"}}\n"
                     "PATCH /apis/flagger.app/v1beta1/namespaces/test/canaries/x/status?dryRun=All "
                     "{\"metadata\":{\"namespace\":\"a/b\"}}\n"
                     "DELETE /api/v1/namespaces/test/services/x?dryRun=All "
                     "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                     "\"preconditions\":{\"uid\":\"u-1\",\"resourceVersion\":\"7\"},"
                     "\"propagationPolicy\":\"Background\"}\n");
    n = kube_client_counts(client);
    ck_assert_uint_eq(n->requests[KUBE_CREATE], 1);
    ck_assert_uint_eq(n->requests[KUBE_PATCH], 1);
    ck_assert_uint_eq(n->requests[KUBE_DELETE], 1);
    json_free(object);
    finish();
}
END_TEST

#define CONFLICT                                                                                   \
    "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"the object has been modified\"}"

static const struct retry_case {
    const char *name;
    bool write;
    struct script_step steps[3];
    size_t requests;
    int want;
    int64_t slept_ms;
} retry_cases[] = {
    {"429 is waited out",
     true,
     {{.status = 429, .body = "", .retry_after = "2"}, {.status = 200, .body = "{}"}},
     2,
     0,
     2000},
    {"429 without a time",
     true,
     {{.status = 429, .body = ""}, {.status = 200, .body = "{}"}},
     2,
     0,
     1000},
    {"503 with a time",
     true,
     {{.status = 503, .body = "", .retry_after = "1"}, {.status = 200, .body = "{}"}},
     2,
     0,
     1000},
    {"500 without a time may have happened", true, {{.status = 500, .body = ""}}, 1, -EIO, 0},
    {"a conflict is the caller's", true, {{.status = 409, .body = CONFLICT}}, 1, -EBUSY, 0},
    {"a broken read is read again",
     false,
     {{.error = -ECONNRESET}, {.status = 200, .body = "{}"}},
     2,
     0,
     0},
    {"but once only", false, {{.error = -ECONNRESET}, {.error = -ECONNRESET}}, 2, -ECONNRESET, 0},
    {"a broken write may have happened", true, {{.error = -ECONNRESET}}, 1, -ECONNRESET, 0},
    {"an expired credential is asked for anew",
     true,
     {{.status = 401, .body = ""}, {.status = 200, .body = "{}"}},
     2,
     0,
     0},
    {"but once only",
     true,
     {{.status = 401, .body = ""}, {.status = 401, .body = ""}},
     2,
     -EPERM,
     0},
    {"cut answers are no objects", false, {{.status = 200, .body = "{\"a\":"}}, 1, -EPROTO, 0},
    {"nor are lists", false, {{.status = 200, .body = "[]"}}, 1, -EPROTO, 0},
};

START_TEST(only_what_is_safe_is_sent_again)
{
    const struct retry_case *c = &retry_cases[_i];
    cJSON *patch = cJSON_CreateObject(), *got = NULL;
    int r;

    start_with(c->steps, 3, NULL);
    s.steps = c->steps;
    s.step_count = c->requests;
    if (c->write)
        r = kube_patch(client, &kube_deployments, "t", "x", NULL, KUBE_PATCH_MERGE, patch, NULL,
                       &error);
    else
        r = kube_get(client, &kube_deployments, "t", "x", &got, &error);
    ck_assert_msg(r == c->want, "%s: %d %s", c->name, r, error.message);
    ck_assert_uint_eq(s.next, c->requests);
    ck_assert_int_eq(s.slept_ms, c->slept_ms);
    json_free(got);
    json_free(patch);
    finish();
}
END_TEST

START_TEST(the_burst_is_free_and_then_the_rate_holds)
{
    static struct script_step steps[30];
    struct kube_client_options o = {.qps = 10, .burst = 5};
    size_t i;

    for (i = 0; i < COUNT(steps); i++)
        steps[i] = (struct script_step){.status = 200, .body = "{}"};
    start_with(steps, COUNT(steps), &o);
    for (i = 0; i < 5; i++)
        kube_get(client, &kube_pods, "t", "x", NULL, &error);
    ck_assert_int_eq(s.slept_ms, 0);
    for (i = 0; i < 20; i++)
        kube_get(client, &kube_pods, "t", "x", NULL, &error);
    ck_assert_int_eq(s.slept_ms, 2000);
    ck_assert_uint_eq(kube_client_counts(client)->throttled, 20);
    s.mono_ms += 10000; /* rest fills the bucket, and no further */
    for (i = 0; i < 5; i++)
        kube_get(client, &kube_pods, "t", "x", NULL, &error);
    ck_assert_int_eq(s.slept_ms, 2000);
    finish();
}
END_TEST

static bool refuse(void *ctx)
{
    (void)ctx;
    return false;
}

START_TEST(a_deposed_leader_sends_no_write)
{
    static const struct script_step steps[] = {{.status = 200, .body = "{}"}};
    cJSON *patch = cJSON_CreateObject();

    start_with(steps, COUNT(steps), NULL);
    kube_client_guard(client, refuse, NULL);
    ck_assert_int_eq(
        kube_patch(client, &kube_canaries, "t", "x", NULL, KUBE_PATCH_MERGE, patch, NULL, &error),
        -EACCES);
    ck_assert_int_eq((int)error.reason, KUBE_REFUSED);
    ck_assert_str_eq(s.log, "");
    ck_assert_int_eq(kube_get(client, &kube_canaries, "t", "x", NULL, &error), 0);
    json_free(patch);
    finish();
}
END_TEST

static bool collect_name(void *ctx, cJSON *item)
{
    char *out = ctx;

    strcat(out, json_str_or(json_get(item, "metadata"), "name", "?"));
    strcat(out, json_str_or(item, "kind", "?"));
    strcat(out, " ");
    json_free(item);
    return true;
}

START_TEST(a_list_is_read_page_by_page)
{
    static const struct script_step steps[] = {
        {.status = 200,
         .body = "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"a "
                 "b\"},\"items\":[{\"metadata\":{\"name\":\"x\"}},7]}"},
        {.status = 200,
         .body = "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[{\"metadata\":{\"name\":"
                 "\"y\"}}]}"},
    };
    struct kube_list_options o = {.label_selector = "app=a,b!=c", .page_size = 2};
    char names[64] = "", *version = NULL;

    start_with(steps, COUNT(steps), NULL);
    ck_assert_int_eq(
        kube_list(client, &kube_canaries, "t", &o, collect_name, names, &version, &error), 0);
    ck_assert_str_eq(names, "xCanary yCanary ");
    ck_assert_str_eq(version, "10");
    ck_assert_str_eq(
        s.log,
        "GET "
        "/apis/flagger.app/v1beta1/namespaces/t/canaries?labelSelector=app%3Da%2Cb%21%3Dc&limit=2\n"
        "GET "
        "/apis/flagger.app/v1beta1/namespaces/t/"
        "canaries?labelSelector=app%3Da%2Cb%21%3Dc&limit=2&continue=a%20b\n");
    free(version);
    finish();
}
END_TEST

static int set_weight(void *ctx, cJSON *object)
{
    int *calls = ctx;

    (*calls)++;
    json_set_int(object, "weight", 10);
    return 0;
}

START_TEST(a_conflict_is_changed_again_from_the_top)
{
    static const struct script_step steps[] = {
        {.status = 200,
         .body = "{\"metadata\":{\"name\":\"x\",\"namespace\":\"t\",\"resourceVersion\":\"1\"}}"},
        {.status = 409, .body = CONFLICT},
        {.status = 200,
         .body = "{\"metadata\":{\"name\":\"x\",\"namespace\":\"t\",\"resourceVersion\":\"2\"}}"},
        {.status = 200, .body = "{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"3\"}}"},
    };
    cJSON *got = NULL;
    int calls = 0;

    start_with(steps, COUNT(steps), NULL);
    ck_assert_int_eq(kube_modify(client, &kube_canaries, "t", "x", true, KUBE_RETRY_BACKOFF,
                                 set_weight, &calls, &got, &error),
                     0);
    ck_assert_int_eq(calls, 2);
    ck_assert_int_eq(s.slept_ms, 10);
    ck_assert_ptr_nonnull(strstr(s.log,
                                 "PUT /apis/flagger.app/v1beta1/namespaces/t/canaries/x/status "
                                 "{\"metadata\":{\"name\":\"x\",\"namespace\":\"t\","
                                 "\"resourceVersion\":\"2\"},\"weight\":10}"));
    ck_assert_str_eq(json_str(json_get(got, "metadata"), "resourceVersion"), "3");
    json_free(got);
    finish();
}
END_TEST

START_TEST(conflicts_without_end_are_given_up)
{
    static struct script_step steps[20];
    int calls = 0;
    size_t i;

    for (i = 0; i < COUNT(steps); i += 2) {
        steps[i] = (struct script_step){
            .status = 200, .body = "{\"metadata\":{\"name\":\"x\",\"namespace\":\"t\"}}"};
        steps[i + 1] = (struct script_step){.status = 409, .body = CONFLICT};
    }
    start_with(steps, COUNT(steps), NULL);
    ck_assert_int_eq(kube_modify(client, &kube_canaries, "t", "x", false, KUBE_RETRY_DEFAULT,
                                 set_weight, &calls, NULL, &error),
                     -EBUSY);
    ck_assert_int_eq(calls, 5);
    ck_assert_str_eq(error.message, "the object has been modified");
    ck_assert_int_eq(s.slept_ms, 40);
    finish();
    calls = 0;
    start_with(steps, COUNT(steps), NULL);
    ck_assert_int_eq(kube_modify(client, &kube_canaries, "t", "x", false, KUBE_RETRY_BACKOFF,
                                 set_weight, &calls, NULL, &error),
                     -EBUSY);
    ck_assert_int_eq(calls, 4);
    ck_assert_int_eq(s.slept_ms, 310);
    finish();
}
END_TEST

/* ---- credentials
 * ------------------------------------------------------------------------------------------ */

static char folder[] = "/tmp/coalmine-kubeconfig-XXXXXX";

static const char *put_file(const char *name, const char *text)
{
    static char path[4][256];
    static int n;
    char *p = path[n++ % 4];
    FILE *f;

    snprintf(p, 256, "%s/%s", folder, name);
    f = fopen(p, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    return p;
}

static struct diags found;

static int load(const struct kube_config_source *source)
{
    struct arena *a = arena_new(0);

    diags_init(&found, a);
    config = NULL;
    return kube_config_load(source, &found, &config);
}

static void unload(void)
{
    struct arena *a = found.arena;

    kube_config_free(config);
    diags_release(&found);
    arena_free(a);
}

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    script_init(&s, NULL, 0);
}

static void drop_folder(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
    strcpy(folder, "/tmp/coalmine-kubeconfig-XXXXXX");
}

static const char *authorization(void)
{
    static char out[512];
    struct strbuf b = STRBUF_INIT;
    char text[512] = "";
    int r = kube_config_authorize(config, &s.clock, &b, text, sizeof text);

    snprintf(out, sizeof out, "%s", r == 0 ? strbuf_str(&b) : text);
    strbuf_release(&b);
    return out;
}

#define KUBECONFIG                                                                                 \
    "apiVersion: v1\nkind: Config\ncurrent-context: one\n"                                         \
    "clusters:\n- {name: c, cluster: {server: 'https://a:1/', certificate-authority: "             \
    "pki/ca.crt}}\n"                                                                               \
    "users:\n- {name: u, user: {token: t1}}\n"                                                     \
    "contexts:\n- {name: one, context: {cluster: c, user: u, namespace: ns1}}\n- {name: two, "     \
    "context: {cluster: d, user: v}}\n"

START_TEST(files_merge_and_the_first_to_name_a_thing_wins)
{
    char list[600];
    struct kube_config_source source = {.path_list = list};
    const char *a = put_file("a", KUBECONFIG);
    const char *b = put_file(
        "b", "current-context: two\nclusters:\n- {name: d, cluster: {server: 'https://d', "
             "certificate-authority-data: Q0EK}}\n- {name: c, cluster: {server: 'https://never'}}\n"
             "users:\n- {name: v, user: {username: u, password: p}}\n");

    snprintf(list, sizeof list, "%s:/no/such/file:%s", a, b);
    ck_assert_int_eq(load(&source), 0);
    ck_assert_str_eq(kube_config_server(config), "https://a:1");
    ck_assert_str_eq(kube_config_namespace(config), "ns1");
    ck_assert_str_eq(authorization(), "Bearer t1");
    snprintf(list, sizeof list, "%s/pki/ca.crt", folder);
    ck_assert_str_eq(kube_config_tls(config)->ca_file, list);
    unload();
    snprintf(list, sizeof list, "%s:%s", a, b);
    source.context = "two";
    ck_assert_int_eq(load(&source), 0);
    ck_assert_str_eq(kube_config_server(config), "https://d");
    ck_assert_str_eq(kube_config_namespace(config), "default");
    ck_assert_str_eq(kube_config_tls(config)->ca_pem, "CA\n");
    ck_assert_str_eq(authorization(), "Basic dTpw");
    unload();
}
END_TEST

static const struct bad_case {
    const char *text, *what;
} bad_cases[] = {
    {"current-context: x\n", "context \"x\" does not exist"},
    {"clusters: []\n", "no current-context is set"},
    {"current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n",
     "cluster \"c\" does not exist"},
    {"current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, "
     "cluster: {server: 7}}]\n",
     "expected a string, got an integer"},
    {"current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, "
     "cluster: {server: s, "
     "certificate-authority-data: '!'}}]\n",
     "not base64"},
    {"- a\n", "not a kubeconfig: expected a mapping"},
};

START_TEST(what_is_wrong_in_a_kubeconfig_is_named)
{
    const struct bad_case *c = &bad_cases[_i];
    struct kube_config_source source = {.path = put_file("bad", c->text)};

    ck_assert_int_eq(load(&source), -EINVAL);
    ck_assert_uint_ge(found.errors, 1);
    ck_assert_str_eq(found.items[0].what, c->what);
    unload();
}
END_TEST

START_TEST(a_pod_uses_its_service_account_and_rereads_its_token)
{
    struct kube_config_source source = {
        .service_host = "fd00::1", .service_port = "443", .service_account = folder};

    put_file("token", "one\n");
    put_file("namespace", "team-a");
    ck_assert_int_eq(load(&source), 0);
    ck_assert_str_eq(kube_config_server(config), "https://[fd00::1]:443");
    ck_assert_str_eq(kube_config_namespace(config), "team-a");
    ck_assert_str_eq(authorization(), "Bearer one");
    put_file("token", "two\n");
    ck_assert_str_eq(authorization(), "Bearer one");
    s.mono_ms += 60000;
    ck_assert_str_eq(authorization(), "Bearer two");
    put_file("token", "");
    s.mono_ms += 60000;
    ck_assert_str_eq(authorization(), "Bearer two"); /* better an old one than none */
    put_file("token", "three");
    kube_config_unauthorized(config);
    ck_assert_str_eq(authorization(), "Bearer three");
    unload();
}
END_TEST

/* The plugin runs in real time, so the script's clock goes along with it. */
static void real_sleep(void *self, int64_t ms)
{
    struct script *script = self;

    script->mono_ms += ms;
    clock_real()->sleep_ms(clock_real()->self, ms);
}

START_TEST(an_exec_plugin_runs_until_its_credential_expires)
{
    struct kube_config_source source = {.path = NULL};
    char text[1024];
    char path[] = "PATH=/bin:/usr/bin", who[] = "WHO=nobody";
    char *environment[] = {path, who, NULL};

    put_file("plugin", "#!/bin/sh\necho x >>\"${0}.runs\"\n"
                       "printf "
                       "'{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s."
                       "io/v1\",\"status\":{"
                       "\"token\":\"%s-%s-%s\",\"expirationTimestamp\":\"2026-01-02T04:04:05Z\"}}' "
                       "\"$1\" \"$WHO\" \"$(wc -l <\"${0}.runs\")\"\n");
    snprintf(text, sizeof text, "chmod 755 %s/plugin", folder);
    ck_assert_int_eq(system(text), 0);
    source.path = put_file(
        "config", "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
                  "clusters: [{name: c, cluster: {server: 'https://s'}}]\nusers:\n- name: u\n  "
                  "user:\n    exec:\n"
                  "      apiVersion: client.authentication.k8s.io/v1\n      command: ./plugin\n    "
                  "  args: [tok]\n"
                  "      interactiveMode: Never\n      env: [{name: WHO, value: me}]\n");
    source.environment = environment;
    ck_assert_int_eq(load(&source), 0);
    s.clock.sleep_ms = real_sleep;
    ck_assert_str_eq(authorization(), "Bearer tok-me-1");
    ck_assert_str_eq(authorization(), "Bearer tok-me-1");
    s.wall_ms += 3600000;
    ck_assert_str_eq(authorization(), "Bearer tok-me-2");
    unload();
}
END_TEST

START_TEST(a_plugin_that_fails_is_named)
{
    struct kube_config_source source = {
        .path = put_file(
            "config", "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
                      "clusters: [{name: c, cluster: {server: 'https://s'}}]\nusers:\n- name: u\n  "
                      "user:\n    exec:\n"
                      "      {apiVersion: client.authentication.k8s.io/v1, command: "
                      "no-such-plugin-here, installHint: get it}\n")};

    ck_assert_int_eq(load(&source), 0);
    s.clock.sleep_ms = real_sleep;
    ck_assert_str_eq(authorization(), "getting credentials: exec: executable no-such-plugin-here "
                                      "failed to start: not found\n\nget it");
    unload();
}
END_TEST

static const struct time_case {
    const char *text;
    bool ok;
    int64_t ms;
} time_cases[] = {
    {"1970-01-01T00:00:00Z", true, 0},
    {"2026-01-02T03:04:05.678Z", true, INT64_C(1767323045678)},
    {"2026-01-02T05:04:05.678901+02:00", true, INT64_C(1767323045678)},
    {"2000-02-29T00:00:00Z", true, INT64_C(951782400000)},
    {"1969-12-31T23:59:59.5Z", true, -500},
    {"2026-01-02 03:04:05Z", false, 0},
    {"2026-13-02T03:04:05Z", false, 0},
    {"2026-01-02T03:04:05", false, 0},
    {"", false, 0},
};

START_TEST(times_are_read_in_any_zone)
{
    const struct time_case *c = &time_cases[_i];
    int64_t ms = 0;

    ck_assert_msg(kube_time_parse(c->text, &ms) == c->ok, "%s", c->text);
    if (c->ok)
        ck_assert_msg(ms == c->ms, "%s: %lld", c->text, (long long)ms);
}
END_TEST

/* Every day from 1900 to 2100 and back again. */
START_TEST(a_written_time_reads_back_as_itself)
{
    char text[KUBE_TIME_MAX];
    int64_t day, ms;

    for (day = -25567; day < 47482; day++) {
        int64_t want = day * 86400000 + 45296789 * (day % 2);
        kube_micro_time_format(text, want);
        ck_assert_msg(kube_time_parse(text, &ms) && ms == want, "%s", text);
    }
    kube_time_format(text, INT64_C(1767323045678));
    ck_assert_str_eq(text, "2026-01-02T03:04:05Z");
    kube_micro_time_format(text, INT64_C(951868799999));
    ck_assert_str_eq(text, "2000-02-29T23:59:59.999000Z");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kube client");
    TCase *calls = tcase_create("calls"), *credentials = tcase_create("credentials");
    SRunner *r = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, calls);
    tcase_add_loop_test(calls, a_status_becomes_a_typed_error, 0, (int)COUNT(error_cases));
    tcase_add_test(calls, a_long_message_is_cut_at_a_character);
    tcase_add_loop_test(calls, versions_compare_as_numbers_of_any_length, 0,
                        (int)COUNT(compare_cases));
    tcase_add_test(calls, a_get_carries_token_and_agent_and_keeps_big_integers);
    tcase_add_test(calls, a_redirect_does_not_get_the_token);
    tcase_add_test(calls, each_verb_has_its_method_path_and_type);
    tcase_add_loop_test(calls, only_what_is_safe_is_sent_again, 0, (int)COUNT(retry_cases));
    tcase_add_test(calls, the_burst_is_free_and_then_the_rate_holds);
    tcase_add_test(calls, a_deposed_leader_sends_no_write);
    tcase_add_test(calls, a_list_is_read_page_by_page);
    tcase_add_test(calls, a_conflict_is_changed_again_from_the_top);
    tcase_add_test(calls, conflicts_without_end_are_given_up);
    tcase_add_loop_test(calls, times_are_read_in_any_zone, 0, (int)COUNT(time_cases));
    tcase_add_test(calls, a_written_time_reads_back_as_itself);
    suite_add_tcase(suite, credentials);
    tcase_add_checked_fixture(credentials, make_folder, drop_folder);
    tcase_add_test(credentials, files_merge_and_the_first_to_name_a_thing_wins);
    tcase_add_loop_test(credentials, what_is_wrong_in_a_kubeconfig_is_named, 0,
                        (int)COUNT(bad_cases));
    tcase_add_test(credentials, a_pod_uses_its_service_account_and_rereads_its_token);
    tcase_add_test(credentials, an_exec_plugin_runs_until_its_credential_expires);
    tcase_add_test(credentials, a_plugin_that_fails_is_named);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
