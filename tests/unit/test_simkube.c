#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kube/api.h"
#include "sim/kube/controllers.h"
#include "sim/kube/faults.h"

/* ---- a server and its last answer
 * --------------------------------------------------------------------- */

static struct simkube *k;
static int64_t now_ms;
static cJSON *answer;
static struct simkube_watch *watch;

static void setup(void)
{
    struct simkube_config config = {.seed = 7, .start_ms = 1767225600000};

    k = simkube_new(&config);
    ck_assert_ptr_nonnull(k);
    now_ms = config.start_ms;
    simkube_advance(k, now_ms += 1000);
}

static void teardown(void)
{
    json_free(answer);
    answer = NULL;
    watch = NULL;
    simkube_free(k);
}

static int ask_as(const char *user, const char *method, const char *target, const char *type,
                  const char *body)
{
    struct simkube_request req = {
        .user = user, .method = method, .target = target, .content_type = type, .body = body};
    struct simkube_reply reply;
    int status;

    req.body_len = body ? strlen(body) : 0;
    simkube_call(k, now_ms, &req, &reply);
    status = reply.status;
    watch = reply.watch;
    json_free(answer);
    answer = reply.body.len ? json_parse(strbuf_str(&reply.body), reply.body.len, NULL) : NULL;
    simkube_reply_release(&reply);
    return status;
}

static int ask(const char *method, const char *target, const char *body)
{
    return ask_as("admin", method, target, NULL, body);
}

static int patch(const char *target, const char *type, const char *body)
{
    return ask_as("admin", "PATCH", target, type, body);
}

static const char *text(const char *a, const char *b, const char *c)
{
    const cJSON *v = json_at(answer, a, b, c, (char *)NULL);

    return cJSON_IsString(v) ? v->valuestring : "(none)";
}

static int64_t number(const char *a, const char *b)
{
    return json_int(json_get(answer, a), b, -1);
}

static void later(int64_t ms)
{
    simkube_advance(k, now_ms += ms);
}

/* The next events of a watch as "TYPE name@version TYPE name …" without versions. */
static bool events(struct simkube_watch *w, char *out, size_t size)
{
    struct strbuf b = STRBUF_INIT;
    bool open = simkube_watch_read(k, now_ms, w, &b);
    char *line, *save = NULL, *data = strbuf_detach(&b);

    out[0] = '\0';
    for (line = data ? strtok_r(data, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        cJSON *e = json_parse(line, strlen(line), NULL);
        size_t len = strlen(out);

        snprintf(out + len, size - len, "%s%s %s", len ? ", " : "", json_str_or(e, "type", "?"),
                 json_str_or(json_at(e, "object", "metadata", (char *)NULL), "name",
                             json_str_or(json_get(e, "object"), "reason", "-")));
        json_free(e);
    }
    free(data);
    return open;
}

#define NS "/api/v1/namespaces/default"
#define APPS "/apis/apps/v1/namespaces/default"
#define MERGE "application/merge-patch+json"
#define STRATEGIC "application/strategic-merge-patch+json"
#define JSON_PATCH "application/json-patch+json"

static const char config_a[] = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                               "\"name\":\"a\"},\"data\":{\"x\":\"1\"}}";

static char *deployment(const char *name, int replicas, const char *image)
{
    static char out[1024];

    snprintf(
        out, sizeof(out),
        "{\"apiVersion\":\"apps/"
        "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"%s\"},\"spec\":{\"replicas\":%d,"
        "\"selector\":{\"matchLabels\":{\"app\":\"%s\"}},\"template\":{\"metadata\":{\"labels\":{"
        "\"app\":\"%s\"}},\"spec\":{"
        "\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]}}}}",
        name, replicas, name, name, image);
    return out;
}

static const char widgets[] =
    "{\"apiVersion\":\"apiextensions.k8s.io/"
    "v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":\"widgets.test.dev\"},"
    "\"spec\":{\"group\":\"test.dev\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"widgets\","
    "\"kind\":\"Widget\"},\"versions\":[{"
    "\"name\":\"v1\",\"served\":true,\"storage\":true,\"subresources\":{\"status\":{}},\"schema\":{"
    "\"openAPIV3Schema\":{\"type\":\"object\","
    "\"properties\":{\"spec\":{\"type\":\"object\",\"required\":[\"size\"],\"properties\":{"
    "\"size\":{\"type\":\"integer\",\"minimum\":1,"
    "\"maximum\":9},\"color\":{\"type\":\"string\",\"enum\":[\"red\",\"blue\"],\"default\":\"red\"}"
    ",\"every\":{\"type\":\"string\","
    "\"pattern\":\"^\\\\d+(s|m)$\"}}},\"status\":{\"type\":\"object\",\"x-kubernetes-preserve-"
    "unknown-fields\":true}}}}}]}}";
#define WIDGETS "/apis/test.dev/v1/namespaces/default/widgets"

static void install_widgets(void)
{
    ck_assert_int_eq(
        ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", widgets), 201);
}

/* ---- objects
 * -------------------------------------------------------------------------------------------- */

START_TEST(create_then_get_then_delete)
{
    ck_assert_int_eq(ask("POST", NS "/configmaps", config_a), 201);
    ck_assert_str_eq(text("metadata", "namespace", NULL), "default");
    ck_assert_int_eq(ask("GET", NS "/configmaps/a", NULL), 200);
    ck_assert_str_eq(text("data", "x", NULL), "1");
    ck_assert_int_eq(ask("POST", NS "/configmaps", config_a), 409);
    ck_assert_str_eq(text("reason", NULL, NULL), "AlreadyExists");
    ck_assert_str_eq(text("message", NULL, NULL), "configmaps \"a\" already exists");
    ck_assert_int_eq(ask("DELETE", NS "/configmaps/a", NULL), 200);
    ck_assert_str_eq(text("status", NULL, NULL), "Success");
    ck_assert_int_eq(ask("GET", NS "/configmaps/a", NULL), 404);
    ck_assert_str_eq(text("message", NULL, NULL), "configmaps \"a\" not found");
}
END_TEST

START_TEST(an_old_version_is_a_conflict)
{
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("web", 1, "x:1")), 201);
    ck_assert_int_eq(patch(APPS "/deployments/web", MERGE,
                           "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"replicas\":2}}"),
                     409);
    ck_assert_str_eq(text("reason", NULL, NULL), "Conflict");
    ck_assert_str_eq(text("message", NULL, NULL),
                     "Operation cannot be fulfilled on deployments.apps \"web\": the object has "
                     "been modified; please apply your "
                     "changes to the latest version and try again");
}
END_TEST

START_TEST(generation_rises_with_the_spec_alone)
{
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("web", 1, "x:1")), 201);
    ck_assert_int_eq(number("metadata", "generation"), 1);
    ck_assert_int_eq(
        patch(APPS "/deployments/web", MERGE, "{\"metadata\":{\"labels\":{\"l\":\"1\"}}}"), 200);
    ck_assert_int_eq(number("metadata", "generation"), 1);
    ck_assert_int_eq(patch(APPS "/deployments/web", MERGE, "{\"spec\":{\"replicas\":3}}"), 200);
    ck_assert_int_eq(number("metadata", "generation"), 2);
    ck_assert_int_eq(patch(APPS "/deployments/web/status", MERGE,
                           "{\"status\":{\"replicas\":3},\"spec\":{\"replicas\":9}}"),
                     200);
    ck_assert_int_eq(number("metadata", "generation"), 2);
    ck_assert_int_eq(number("spec", "replicas"), 3);
}
END_TEST

START_TEST(a_write_that_changes_nothing_makes_no_version)
{
    uint64_t before;

    ck_assert_int_eq(ask("POST", NS "/configmaps", config_a), 201);
    before = simkube_version(k);
    ck_assert_int_eq(patch(NS "/configmaps/a", MERGE, "{\"data\":{\"x\":\"1\"}}"), 200);
    ck_assert_uint_eq(simkube_version(k), before);
}
END_TEST

START_TEST(strategic_merge_finds_containers_by_name)
{
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("web", 1, "x:1")), 201);
    ck_assert_int_eq(patch(APPS "/deployments/web", STRATEGIC,
                           "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\","
                           "\"image\":\"x:2\"},{\"name\":\"d\",\"image\":"
                           "\"y:1\"}]}}}}"),
                     200);
    const cJSON *list = json_at(answer, "spec", "template", "spec", "containers", (char *)NULL);
    ck_assert_int_eq(cJSON_GetArraySize(list), 2);
    ck_assert_str_eq(json_str_or(list->child, "image", ""), "x:2");
    ck_assert_str_eq(json_str_or(list->child, "terminationMessagePolicy", ""), "File");
}
END_TEST

START_TEST(json_patch_tests_before_it_writes)
{
    ck_assert_int_eq(ask("POST", NS "/configmaps", config_a), 201);
    ck_assert_int_eq(
        patch(NS "/configmaps/a", JSON_PATCH,
              "[{\"op\":\"test\",\"path\":\"/data/x\",\"value\":\"1\"},{\"op\":\"add\",\"path\":\"/"
              "data/y~1z\",\"value\":\"2\"}]"),
        200);
    ck_assert_str_eq(text("data", "y/z", NULL), "2");
    ck_assert_int_eq(patch(NS "/configmaps/a", JSON_PATCH,
                           "[{\"op\":\"remove\",\"path\":\"/data/x\"},{\"op\":\"test\",\"path\":\"/"
                           "data/x\",\"value\":\"1\"}]"),
                     422);
    ck_assert_int_eq(ask("GET", NS "/configmaps/a", NULL), 200);
    ck_assert_str_eq(text("data", "x", NULL), "1");
}
END_TEST

START_TEST(dry_run_answers_and_stores_nothing)
{
    uint64_t before = simkube_version(k);

    ck_assert_int_eq(ask("POST", NS "/configmaps?dryRun=All", config_a), 201);
    ck_assert_uint_eq(simkube_version(k), before);
    ck_assert_int_eq(ask("GET", NS "/configmaps/a", NULL), 404);
}
END_TEST

START_TEST(a_finalizer_keeps_a_deleted_object)
{
    install_widgets();
    ck_assert_int_eq(ask("POST", WIDGETS,
                         "{\"apiVersion\":\"test.dev/"
                         "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\",\"finalizers\":["
                         "\"test.dev/f\"]},"
                         "\"spec\":{\"size\":2}}"),
                     201);
    ck_assert_int_eq(ask("DELETE", WIDGETS "/w", NULL), 200);
    ck_assert_int_eq(number("metadata", "generation"), 2);
    ck_assert_int_eq(ask("GET", WIDGETS "/w", NULL), 200);
    ck_assert_str_ne(text("metadata", "deletionTimestamp", NULL), "(none)");
    ck_assert_int_eq(patch(WIDGETS "/w", MERGE, "{\"metadata\":{\"finalizers\":null}}"), 200);
    ck_assert_int_eq(ask("GET", WIDGETS "/w", NULL), 404);
}
END_TEST

/* ---- custom resources
 * ------------------------------------------------------------------------------------ */

static const struct schema_case {
    const char *name, *spec;
    int status;
    const char *message;
} schema_cases[] = {
    {"good", "{\"size\":2,\"every\":\"10s\"}", 201, NULL},
    {"missing field", "{}", 422, "Widget.test.dev \"w\" is invalid: spec.size: Required value"},
    {"wrong type", "{\"size\":\"2\"}", 422,
     "Widget.test.dev \"w\" is invalid: spec.size: Invalid value: \"string\": spec.size in body "
     "must be of type integer: \"string\""},
    {"too small", "{\"size\":0}", 422,
     "Widget.test.dev \"w\" is invalid: spec.size: Invalid value: 0: spec.size in body should be "
     "greater than or equal to 1"},
    {"too large", "{\"size\":10}", 422,
     "Widget.test.dev \"w\" is invalid: spec.size: Invalid value: 10: spec.size in body should be "
     "less than or equal to 9"},
    {"not among the choices", "{\"size\":1,\"color\":\"green\"}", 422,
     "Widget.test.dev \"w\" is invalid: spec.color: Unsupported value: \"green\": supported "
     "values: \"red\", \"blue\""},
    {"pattern", "{\"size\":1,\"every\":\"10h\"}", 422,
     "Widget.test.dev \"w\" is invalid: spec.every: Invalid value: \"10h\": spec.every in body "
     "should match '^\\d+(s|m)$'"},
};

START_TEST(schemas_judge_custom_resources)
{
    const struct schema_case *c = &schema_cases[_i];
    char body[300];

    install_widgets();
    snprintf(body, sizeof(body),
             "{\"apiVersion\":\"test.dev/"
             "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\"},\"spec\":%s}",
             c->spec);
    ck_assert_msg(ask("POST", WIDGETS, body) == c->status, "%s: %s", c->name,
                  text("message", NULL, NULL));
    if (c->message)
        ck_assert_str_eq(text("message", NULL, NULL), c->message);
    else
        ck_assert_str_eq(text("spec", "color", NULL), "red");
}
END_TEST

START_TEST(unknown_fields_are_pruned_or_refused)
{
    static const char body[] =
        "{\"apiVersion\":\"test.dev/"
        "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\"},\"spec\":{\"size\":1,\"odd\":2}}";

    install_widgets();
    ck_assert_int_eq(ask("POST", WIDGETS "?fieldValidation=Strict", body), 400);
    ck_assert_str_eq(text("message", NULL, NULL),
                     "Widget in version \"v1\" cannot be handled as a Widget: strict decoding "
                     "error: unknown field \"spec.odd\"");
    ck_assert_int_eq(ask("POST", WIDGETS, body), 201);
    ck_assert_ptr_null(json_at(answer, "spec", "odd", (char *)NULL));
}
END_TEST

START_TEST(the_status_has_a_door_of_its_own)
{
    install_widgets();
    ck_assert_int_eq(ask("POST", WIDGETS,
                         "{\"apiVersion\":\"test.dev/"
                         "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\"},\"spec\":{"
                         "\"size\":1},\"status\":{\"a\":1}}"),
                     201);
    ck_assert_ptr_null(json_get(answer, "status"));
    ck_assert_int_eq(
        patch(WIDGETS "/w/status", MERGE, "{\"status\":{\"a\":1},\"spec\":{\"size\":5}}"), 200);
    ck_assert_int_eq(number("status", "a"), 1);
    ck_assert_int_eq(number("spec", "size"), 1);
    ck_assert_int_eq(number("metadata", "generation"), 1);
    ck_assert_int_eq(patch(WIDGETS "/w", MERGE, "{\"status\":{\"a\":2},\"spec\":{\"size\":5}}"),
                     200);
    ck_assert_int_eq(number("status", "a"), 1);
    ck_assert_int_eq(number("metadata", "generation"), 2);
}
END_TEST

/* ---- lists and watches
 * ----------------------------------------------------------------------------------- */

static void make_configs(int n)
{
    for (int i = 0; i < n; i++) {
        char body[200];

        snprintf(body, sizeof(body),
                 "{\"metadata\":{\"name\":\"c%02d\",\"labels\":{\"even\":\"%s\"}}}", i,
                 i % 2 ? "no" : "yes");
        ck_assert_int_eq(ask("POST", NS "/configmaps", body), 201);
    }
}

START_TEST(a_list_continues_at_its_own_version)
{
    char target[400], token[300];

    ck_assert_int_eq(ask("DELETE", NS "/configmaps/kube-root-ca.crt", NULL), 200);
    make_configs(5);
    ck_assert_int_eq(ask("GET", NS "/configmaps?limit=3", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 3);
    ck_assert_int_eq(number("metadata", "remainingItemCount"), 2);
    snprintf(token, sizeof(token), "%s", text("metadata", "continue", NULL));
    ck_assert_int_eq(ask("DELETE", NS "/configmaps/c04", NULL), 200);
    snprintf(target, sizeof(target), NS "/configmaps?limit=3&continue=%s", token);
    ck_assert_int_eq(ask("GET", target, NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 2);
    simkube_compact(k);
    ck_assert_int_eq(ask("GET", target, NULL), 410);
    ck_assert_str_eq(text("reason", NULL, NULL), "Expired");
}
END_TEST

START_TEST(selectors_choose)
{
    make_configs(6);
    ck_assert_int_eq(ask("GET", "/api/v1/configmaps?labelSelector=even%3Dyes", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 3);
    ck_assert_int_eq(
        ask("GET", "/api/v1/configmaps?labelSelector=even+in+(yes,no),even!=yes", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 3);
    ck_assert_int_eq(ask("GET", NS "/configmaps?fieldSelector=metadata.name=c03", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 1);
    ck_assert_int_eq(ask("GET", NS "/configmaps?fieldSelector=spec.x=1", NULL), 400);
}
END_TEST

START_TEST(a_watch_tells_every_change_in_order)
{
    struct simkube_watch *w;
    char got[400], target[200];

    ck_assert_int_eq(ask("POST", NS "/configmaps", config_a), 201);
    snprintf(target, sizeof(target), NS "/configmaps?watch=1&resourceVersion=%s",
             text("metadata", "resourceVersion", NULL));
    ck_assert_int_eq(ask("GET", target, NULL), 200);
    w = watch;
    ck_assert_ptr_nonnull(w);
    ck_assert(!simkube_watch_ready(k, w));
    make_configs(1);
    patch(NS "/configmaps/a", MERGE, "{\"data\":{\"x\":\"2\"}}");
    ask("DELETE", NS "/configmaps/c00", NULL);
    ck_assert(simkube_watch_ready(k, w));
    ck_assert(events(w, got, sizeof(got)));
    ck_assert_str_eq(got, "ADDED c00, MODIFIED a, DELETED c00");
    simkube_watch_close(k, w);
}
END_TEST

START_TEST(leaving_a_selection_is_a_deletion)
{
    struct simkube_watch *w;
    char got[400];

    make_configs(2);
    ck_assert_int_eq(ask("GET", NS "/configmaps?watch=1&labelSelector=even=yes", NULL), 200);
    w = watch;
    ck_assert(events(w, got, sizeof(got)));
    ck_assert_str_eq(got, "ADDED c00");
    patch(NS "/configmaps/c00", MERGE, "{\"metadata\":{\"labels\":{\"even\":\"no\"}}}");
    patch(NS "/configmaps/c01", MERGE, "{\"metadata\":{\"labels\":{\"even\":\"yes\"}}}");
    ck_assert(events(w, got, sizeof(got)));
    ck_assert_str_eq(got, "DELETED c00, ADDED c01");
    simkube_watch_close(k, w);
}
END_TEST

START_TEST(a_watch_of_forgotten_history_is_gone)
{
    char got[200];

    make_configs(3);
    simkube_compact(k);
    ck_assert_int_eq(ask("GET", NS "/configmaps?watch=1&resourceVersion=2", NULL), 200);
    ck_assert(events(watch, got, sizeof(got)));
    ck_assert_str_eq(got, "ERROR Expired");
    ck_assert(!events(watch, got, sizeof(got)));
}
END_TEST

START_TEST(bookmarks_come_each_minute)
{
    char got[200];

    ck_assert_int_eq(
        ask("GET", NS "/secrets?watch=1&allowWatchBookmarks=true&timeoutSeconds=90", NULL), 200);
    ck_assert(events(watch, got, sizeof(got)));
    ck_assert_str_eq(got, "");
    later(60000);
    ck_assert(events(watch, got, sizeof(got)));
    ck_assert_str_eq(got, "BOOKMARK -");
    later(60000);
    ck_assert(!events(watch, got, sizeof(got)));
}
END_TEST

/* ---- controllers
 * -------------------------------------------------------------------------------------------- */

static void expect_deployment(const char *name, int64_t ready, const char *reason)
{
    char target[200];
    const cJSON *c;
    const char *got = "(none)";

    snprintf(target, sizeof(target), APPS "/deployments/%s", name);
    ck_assert_int_eq(ask("GET", target, NULL), 200);
    ck_assert_int_eq(json_int(json_get(answer, "status"), "readyReplicas", 0), ready);
    cJSON_ArrayForEach(c, json_at(answer, "status", "conditions", (char *)NULL))
    {
        if (strcmp(json_str_or(c, "type", ""), "Progressing") == 0)
            got = json_str_or(c, "reason", "");
    }
    ck_assert_str_eq(got, reason);
    ck_assert_int_eq(json_int(json_get(answer, "status"), "observedGeneration", 0),
                     json_int(json_get(answer, "metadata"), "generation", -1));
}

START_TEST(a_deployment_becomes_ready_and_rolls)
{
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("web", 3, "x:1")), 201);
    later(500);
    expect_deployment("web", 0, "ReplicaSetUpdated");
    later(2000);
    expect_deployment("web", 3, "NewReplicaSetAvailable");
    patch(APPS "/deployments/web", STRATEGIC,
          "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"x:2\"}]}}"
          "}}");
    later(20000);
    expect_deployment("web", 3, "NewReplicaSetAvailable");
    ck_assert_str_eq(text("metadata", "annotations", "deployment.kubernetes.io/revision"), "2");
    ck_assert_int_eq(ask("GET", APPS "/replicasets", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 2);
    ck_assert_int_eq(ask("GET", NS "/pods", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 3);
}
END_TEST

START_TEST(a_rollout_that_never_works_keeps_old_pods_and_times_out)
{
    cJSON *app = cJSON_CreateObject();

    json_set_str(app, "app", "web");
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("web", 4, "x:1")), 201);
    later(3000);
    patch(APPS "/deployments/web", MERGE,
          "{\"spec\":{\"progressDeadlineSeconds\":60,\"template\":{\"metadata\":{\"labels\":{"
          "\"app\":\"web\",\"test/ready\":\"never\"}}}}}");
    later(30000);
    ck_assert_uint_eq(simkube_ready_pods(k, "default", app), 3);
    expect_deployment("web", 3, "ReplicaSetUpdated");
    later(60000);
    expect_deployment("web", 3, "ProgressDeadlineExceeded");
    json_free(app);
}
END_TEST

START_TEST(scaling_to_zero_and_back)
{
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("web", 2, "x:1")), 201);
    later(3000);
    patch(APPS "/deployments/web", MERGE, "{\"spec\":{\"replicas\":0}}");
    later(3000);
    expect_deployment("web", 0, "NewReplicaSetAvailable");
    ck_assert_int_eq(ask("GET", NS "/pods", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 0);
    patch(APPS "/deployments/web", MERGE, "{\"spec\":{\"replicas\":2}}");
    later(3000);
    expect_deployment("web", 2, "NewReplicaSetAvailable");
}
END_TEST

START_TEST(a_daemonset_runs_on_every_chosen_node)
{
    static const char body[] = "{\"apiVersion\":\"apps/"
                               "v1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"d\"},\"spec\":"
                               "{\"selector\":{\"matchLabels\":{\"app\":\"d\"}},"
                               "\"template\":{\"metadata\":{\"labels\":{\"app\":\"d\"}},\"spec\":{"
                               "\"containers\":[{\"name\":\"c\",\"image\":\"x:1\"}]}}}}";

    ck_assert_int_eq(ask("POST", APPS "/daemonsets", body), 201);
    later(3000);
    ck_assert_int_eq(ask("GET", APPS "/daemonsets/d", NULL), 200);
    ck_assert_int_eq(number("status", "numberReady"), 3);
    patch(APPS "/daemonsets/d", MERGE,
          "{\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{\"none\":\"such\"}}}}}");
    later(3000);
    ck_assert_int_eq(ask("GET", APPS "/daemonsets/d", NULL), 200);
    ck_assert_int_eq(number("status", "desiredNumberScheduled"), 0);
    ck_assert_int_eq(number("status", "numberReady"), 0);
}
END_TEST

static int64_t busy(void *ctx, const char *ns, const cJSON *hpa, const char *metric)
{
    (void)ns;
    (void)hpa;
    return strcmp(metric, "cpu") == 0 ? *(int64_t *)ctx : -1;
}

START_TEST(an_hpa_follows_its_metric_within_bounds)
{
    int64_t percent = 200;
    struct simkube_world world = {.ctx = &percent, .utilisation = busy};

    simkube_set_world(k, &world);
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("web", 2, "x:1")), 201);
    ck_assert_int_eq(ask("POST", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
                         "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"scaleTargetRef\":{"
                         "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":"
                         "\"web\"},\"minReplicas\":2,\"maxReplicas\":6}}"),
                     201);
    later(31000);
    ck_assert_int_eq(ask("GET", APPS "/deployments/web", NULL), 200);
    ck_assert_int_eq(number("spec", "replicas"), 6);
    percent = 1;
    later(31000);
    ck_assert_int_eq(ask("GET", APPS "/deployments/web", NULL), 200);
    ck_assert_int_eq(number("spec", "replicas"), 2);
}
END_TEST

START_TEST(dependents_follow_their_owner)
{
    char body[400];

    ck_assert_int_eq(ask("POST", NS "/configmaps", config_a), 201);
    snprintf(body, sizeof(body),
             "{\"metadata\":{\"name\":\"child\",\"ownerReferences\":[{\"apiVersion\":\"v1\","
             "\"kind\":\"ConfigMap\",\"name\":\"a\",\"uid\":\"%s\"}]}}",
             text("metadata", "uid", NULL));
    ck_assert_int_eq(ask("POST", NS "/secrets", body), 201);
    later(1000);
    ck_assert_int_eq(ask("GET", NS "/secrets/child", NULL), 200);
    ck_assert_int_eq(ask("DELETE", NS "/configmaps/a", NULL), 200);
    later(1000);
    ck_assert_int_eq(ask("GET", NS "/secrets/child", NULL), 404);
}
END_TEST

START_TEST(orphans_stay_and_foreground_waits)
{
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("a", 1, "x:1")), 201);
    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("b", 1, "x:1")), 201);
    later(3000);
    ck_assert_int_eq(ask("DELETE", APPS "/deployments/a?propagationPolicy=Orphan", NULL), 200);
    ck_assert_int_eq(ask("DELETE", APPS "/deployments/b?propagationPolicy=Foreground", NULL), 200);
    ck_assert_int_eq(ask("GET", APPS "/deployments/b", NULL), 200);
    later(3000);
    ck_assert_int_eq(ask("GET", APPS "/deployments/a", NULL), 404);
    ck_assert_int_eq(ask("GET", APPS "/deployments/b", NULL), 404);
    ck_assert_int_eq(ask("GET", APPS "/replicasets", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 1);
    ck_assert_ptr_null(
        json_at(json_get(answer, "items")->child, "metadata", "ownerReferences", (char *)NULL));
}
END_TEST

START_TEST(a_namespace_takes_its_objects_with_it)
{
    ck_assert_int_eq(ask("POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"prod\"}}"), 201);
    ck_assert_int_eq(ask("POST", "/api/v1/namespaces/prod/configmaps", config_a), 201);
    ck_assert_int_eq(ask("DELETE", "/api/v1/namespaces/prod", NULL), 200);
    ck_assert_int_eq(
        ask("POST", "/api/v1/namespaces/prod/secrets", "{\"metadata\":{\"name\":\"s\"}}"), 403);
    later(1000);
    ck_assert_int_eq(ask("GET", "/api/v1/namespaces/prod", NULL), 404);
    ck_assert_int_eq(ask("GET", "/api/v1/namespaces/prod/configmaps", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 0);
    ck_assert_int_eq(
        ask("POST", "/api/v1/namespaces/prod/secrets", "{\"metadata\":{\"name\":\"s\"}}"), 404);
}
END_TEST

/* ---- rights, faults, observers, sameness
 * --------------------------------------------------------------------- */

START_TEST(rights_come_from_roles)
{
    ck_assert_int_eq(ask_as("jane", "GET", APPS "/deployments/web", NULL, NULL), 403);
    ck_assert_str_eq(text("message", NULL, NULL),
                     "deployments.apps \"web\" is forbidden: User \"jane\" cannot get resource "
                     "\"deployments\" in API group \"apps\" in "
                     "the namespace \"default\"");
    ck_assert_int_eq(ask("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
                         "{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"apiGroups\":[\"apps\"],"
                         "\"resources\":[\"deployments\"],\"verbs\":[\"get\"]}]}"),
                     201);
    ck_assert_int_eq(ask("POST",
                         "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
                         "{\"metadata\":{\"name\":\"r\"},\"subjects\":[{\"kind\":\"User\",\"name\":"
                         "\"jane\"}],\"roleRef\":{\"kind\":\"Role\",\"name\":"
                         "\"r\"}}"),
                     201);
    ck_assert_int_eq(ask_as("jane", "GET", APPS "/deployments/web", NULL, NULL), 404);
    ck_assert_int_eq(ask_as("jane", "GET", APPS "/deployments", NULL, NULL), 403);
    ck_assert_int_eq(ask_as("jane", "PATCH", APPS "/deployments/web/status", MERGE, "{}"), 403);
}
END_TEST

START_TEST(each_fault_happens_and_does_what_it_says)
{
    struct simkube_faults faults = {.seed = 3,
                                    .conflict = 100,
                                    .throttle = 100,
                                    .server_error = 100,
                                    .cut_before = 100,
                                    .cut_after = 100};
    unsigned seen[FATE_WATCH_BREAK + 1] = {0};

    ck_assert_int_eq(ask("POST", NS "/configmaps", config_a), 201);
    simkube_set_faults(k, &faults);
    for (int i = 0; i < 300; i++) {
        char body[64];
        struct simkube_request req = {.user = "admin",
                                      .method = "PATCH",
                                      .target = NS "/configmaps/a",
                                      .content_type = MERGE,
                                      .body = body};
        struct simkube_reply reply;
        struct simkube_fate fate;
        uint64_t before = simkube_version(k);
        bool answered;

        snprintf(body, sizeof(body), "{\"data\":{\"x\":\"v%d\"}}", i);
        req.body_len = strlen(body);
        fate = simkube_draw_fate(k, &req);
        answered = simkube_call_fated(k, now_ms, &fate, &req, &reply);
        seen[fate.kind]++;
        ck_assert_int_eq(answered, fate.kind != FATE_CUT_BEFORE && fate.kind != FATE_CUT_AFTER);
        ck_assert_uint_eq(simkube_version(k) - before,
                          fate.kind == FATE_FINE || fate.kind == FATE_CUT_AFTER);
        if (fate.kind == FATE_THROTTLE)
            ck_assert(reply.status == 429 && reply.retry_after_s > 0);
        if (fate.kind == FATE_CONFLICT)
            ck_assert_int_eq(reply.status, 409);
        simkube_reply_release(&reply);
    }
    for (int kind = FATE_FINE; kind <= FATE_CUT_AFTER; kind++)
        ck_assert_uint_gt(seen[kind], 5);
}
END_TEST

START_TEST(a_stale_list_shows_an_older_state_and_a_get_does_not)
{
    struct simkube_request list = {.user = "admin", .method = "GET", .target = NS "/configmaps"};
    struct simkube_request get = {.user = "admin", .method = "GET", .target = NS "/configmaps/a"};
    struct simkube_fate fate = {.kind = FATE_STALE_LIST, .draw = 1}; /* two versions back */
    struct simkube_reply reply;

    ck_assert_int_eq(ask("POST", NS "/configmaps", config_a), 201);
    for (int i = 0; i < 3; i++) {
        char body[64];

        snprintf(body, sizeof(body), "{\"data\":{\"x\":\"v%d\"}}", i);
        ck_assert_int_eq(patch(NS "/configmaps/a", MERGE, body), 200);
    }
    ck_assert(simkube_call_fated(k, now_ms, &fate, &list, &reply));
    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&reply.body), "\"x\":\"v0\""));
    simkube_reply_release(&reply);
    ck_assert(simkube_call_fated(k, now_ms, &fate, &get, &reply));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&reply.body), "\"x\":\"v2\""));
    simkube_reply_release(&reply);
}
END_TEST

START_TEST(a_late_request_lands_although_nobody_waits)
{
    struct simkube_request req = {.user = "admin",
                                  .method = "POST",
                                  .target = NS "/configmaps",
                                  .body = config_a,
                                  .body_len = sizeof(config_a) - 1};

    ck_assert_int_eq(simkube_post_late(k, now_ms + 90000, &req), 0);
    later(89999);
    ck_assert_ptr_null(simkube_get(k, "", "configmaps", "default", "a"));
    later(1);
    ck_assert_ptr_nonnull(simkube_get(k, "", "configmaps", "default", "a"));
}
END_TEST

static void note_write(void *ctx, const struct simkube_write *w)
{
    struct strbuf *b = ctx;

    if (strncmp(w->user, "system:", 7) != 0)
        strbuf_addf(b, "%s %d %s/%s %s/%s %d%d;", w->user, (int)w->verb, w->resource,
                    w->subresource, w->namespace_name, w->name, w->before != NULL,
                    w->after != NULL);
}

START_TEST(observers_see_every_write_with_both_states)
{
    struct strbuf b = STRBUF_INIT;

    ck_assert_int_eq(simkube_observe(k, note_write, &b), 0);
    ask("POST", APPS "/deployments", deployment("web", 1, "x:1"));
    patch(APPS "/deployments/web", MERGE, "{\"spec\":{\"replicas\":2}}");
    patch(APPS "/deployments/web/status", MERGE, "{\"status\":{\"replicas\":7}}");
    ask("DELETE", APPS "/deployments/web", NULL);
    ck_assert_str_eq(
        strbuf_str(&b),
        "admin 0 deployments/ default/web 01;admin 1 deployments/ default/web 11;"
        "admin 1 deployments/status default/web 11;admin 2 deployments/ default/web 10;");
    strbuf_release(&b);
}
END_TEST

static char *whole_life(uint64_t seed)
{
    struct simkube_config config = {.seed = seed, .start_ms = 1767225600000};
    struct simkube_request list = {.user = "admin", .method = "GET", .target = "/api/v1/pods"};
    struct simkube_reply reply;
    char *out;

    k = simkube_new(&config);
    now_ms = config.start_ms;
    ask("POST", APPS "/deployments", deployment("web", 3, "x:1"));
    later(5000);
    patch(APPS "/deployments/web", MERGE,
          "{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\",\"v\":\"2\"}}}}}");
    later(700);
    simkube_call(k, now_ms, &list, &reply);
    out = strbuf_detach(&reply.body);
    simkube_free(k);
    k = NULL;
    return out;
}

START_TEST(a_fork_lives_on_its_own)
{
    struct simkube *first = k, *second;

    ck_assert_int_eq(ask("POST", APPS "/deployments", deployment("web", 2, "x:1")), 201);
    later(500); /* pods are starting in both */
    second = simkube_fork(first, 9);
    ck_assert_ptr_nonnull(second);
    ck_assert_uint_eq(simkube_version(first), simkube_version(second));
    later(5000);
    ck_assert_int_eq(ask("DELETE", APPS "/deployments/web", NULL), 200);
    later(5000);
    ck_assert_ptr_null(simkube_get(first, "apps", "deployments", "default", "web"));
    k = second;
    later(5000);
    expect_deployment("web", 2, "NewReplicaSetAvailable");
    ck_assert_int_eq(ask("GET", APPS "/deployments?watch=1&resourceVersion=1", NULL), 200);
    simkube_free(first); /* what it lent stays */
    patch(APPS "/deployments/web", MERGE, "{\"spec\":{\"replicas\":3}}");
    later(5000);
    expect_deployment("web", 3, "NewReplicaSetAvailable");
    ck_assert_int_eq(ask("DELETE", APPS "/deployments/web", NULL), 200);
    later(5000);
    ck_assert_int_eq(ask("GET", NS "/pods", NULL), 200);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(answer, "items")), 0);
}
END_TEST

START_TEST(one_seed_gives_the_same_bytes)
{
    char *a = whole_life(1), *b = whole_life(1), *c = whole_life(2);

    ck_assert_str_eq(a, b);
    ck_assert_str_ne(a, c);
    free(a);
    free(b);
    free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("simkube");
    TCase *tc = tcase_create("api");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, create_then_get_then_delete);
    tcase_add_test(tc, an_old_version_is_a_conflict);
    tcase_add_test(tc, generation_rises_with_the_spec_alone);
    tcase_add_test(tc, a_write_that_changes_nothing_makes_no_version);
    tcase_add_test(tc, strategic_merge_finds_containers_by_name);
    tcase_add_test(tc, json_patch_tests_before_it_writes);
    tcase_add_test(tc, dry_run_answers_and_stores_nothing);
    tcase_add_test(tc, a_finalizer_keeps_a_deleted_object);
    tcase_add_loop_test(tc, schemas_judge_custom_resources, 0,
                        (int)(sizeof(schema_cases) / sizeof(schema_cases[0])));
    tcase_add_test(tc, unknown_fields_are_pruned_or_refused);
    tcase_add_test(tc, the_status_has_a_door_of_its_own);
    tcase_add_test(tc, a_list_continues_at_its_own_version);
    tcase_add_test(tc, selectors_choose);
    tcase_add_test(tc, a_watch_tells_every_change_in_order);
    tcase_add_test(tc, leaving_a_selection_is_a_deletion);
    tcase_add_test(tc, a_watch_of_forgotten_history_is_gone);
    tcase_add_test(tc, bookmarks_come_each_minute);
    tcase_add_test(tc, a_deployment_becomes_ready_and_rolls);
    tcase_add_test(tc, a_rollout_that_never_works_keeps_old_pods_and_times_out);
    tcase_add_test(tc, scaling_to_zero_and_back);
    tcase_add_test(tc, a_daemonset_runs_on_every_chosen_node);
    tcase_add_test(tc, an_hpa_follows_its_metric_within_bounds);
    tcase_add_test(tc, dependents_follow_their_owner);
    tcase_add_test(tc, orphans_stay_and_foreground_waits);
    tcase_add_test(tc, a_namespace_takes_its_objects_with_it);
    tcase_add_test(tc, rights_come_from_roles);
    tcase_add_test(tc, each_fault_happens_and_does_what_it_says);
    tcase_add_test(tc, a_stale_list_shows_an_older_state_and_a_get_does_not);
    tcase_add_test(tc, a_late_request_lands_although_nobody_waits);
    tcase_add_test(tc, observers_see_every_write_with_both_states);
    tcase_add_test(tc, a_fork_lives_on_its_own);
    suite_add_tcase(suite, tc);
    tc = tcase_create("sameness");
    tcase_add_test(tc, one_seed_gives_the_same_bytes);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
