/*
 * What the default profile does otherwise in a cluster (adapters/workload/quirks.h): each shown
 * with Flagger's behaviour switched on alone, and without. Builders are asked directly; what the
 * operator itself does runs in the simulated cluster.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"
#include "adapters/workload/workload.h"
#include "tests/support/opworld.h"

#define PAGE "docs/engine/deviations.md"

/* ---- builders ----------------------------------------------------------------------------------
 */

struct shelf {
    cJSON *objects; /* a list; one with "fails" answers with an error */
};

static int shelf_get(void *self, const struct resource *r, const char *ns, const char *name,
                     cJSON **ret_object, struct strbuf *reterr_text)
{
    const struct shelf *shelf = self;

    (void)ns;
    *ret_object = NULL;
    for (const cJSON *o = shelf->objects->child; o; o = o->next) {
        if (strcmp(json_str_or(o, "kind", ""), r->kind) != 0 ||
            strcmp(json_str_or(json_get(o, "metadata"), "name", ""), name) != 0)
            continue;
        if (json_get(o, "fails")) {
            strbuf_adds(reterr_text, "the server is on fire");
            return -EIO;
        }
        *ret_object = json_copy(o);
        return 0;
    }
    resource_not_found(r, name, reterr_text);
    return -ENOENT;
}

static uint64_t drawn;
static uint64_t draw(void *self)
{
    (void)self;
    return ++drawn * 0x9e3779b97f4a7c15u;
}

enum action { INITIALIZE, PROMOTE, REVERT, SCALER };

/* Everything that comes of it, as text. The caller frees it. */
static char *transcript(enum action action, const char *canary, const char *objects,
                        cluster_quirks quirks)
{
    struct shelf shelf = {json_parse(objects, strlen(objects), NULL)};
    cJSON *object = json_parse(canary, strlen(canary), NULL);
    struct router_world world = {&shelf, shelf_get};
    struct workload_options options = {.quirks = quirks, .random = draw};
    struct workload_request q = {object, &options, &world, 0};
    struct router_result result;
    struct strbuf out = STRBUF_INIT;
    int code;

    ck_assert_msg(shelf.objects && object, "not JSON: %s %s", canary, objects);
    code = action == INITIALIZE ? workload_initialize(&q, &result)
           : action == PROMOTE  ? workload_promote(&q, &result)
           : action == REVERT   ? workload_revert(&q, &result)
                                : scaler_reconcile(&q, true, &result);
    for (size_t i = 0; code == 0 && i < result.count; i++) {
        char *text = json_print_sorted(result.writes[i].object);

        strbuf_addf(&out, "write %s %s\n", result.writes[i].name, text ? text : "");
        free(text);
    }
    if (code == 0)
        strbuf_adds(&out, "done\n");
    else
        strbuf_addf(&out, "error: %s\n", strbuf_str(&result.error));
    router_result_release(&result);
    json_free(object);
    json_free(shelf.objects);
    return strbuf_detach(&out);
}

#define META(name) "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"test\"}"
#define CANARY_OF(kind, more)                                                                      \
    "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\"," META(                           \
        "podinfo") ",\"spec\":{\"targetRef\":{\"kind\":\"" kind                                    \
                   "\",\"name\":\"podinfo\"},\"service\":{\"port\":80}" more "}}"
#define POD_OF(labels, spec)                                                                       \
    "\"selector\":{\"matchLabels\":{\"app\":\"" labels                                             \
    "\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"" labels "\"}},\"spec\":{" spec "}}"
#define POD(spec) POD_OF("podinfo", spec)
#define DEPLOYMENT(name, spec)                                                                     \
    "{\"kind\":\"Deployment\"," META(name) ",\"spec\":{\"replicas\":2," spec "}}"
#define SCALER_OF(more)                                                                            \
    ",\"autoscalerRef\":{\"apiVersion\":\"keda.sh/v1alpha1\",\"kind\":\"ScaledObject\",\"name\":"  \
    "\"podinfo\"" more "}"
#define SCALED_OBJECT(annotations, query)                                                          \
    "{\"kind\":\"ScaledObject\",\"metadata\":{\"name\":\"podinfo\",\"namespace\":\"test\","        \
    "\"annotations\":{" annotations                                                                \
    "}},\"spec\":{\"scaleTargetRef\":{\"name\":\"podinfo\"},\"triggers\":[{\"type\":"              \
    "\"prometheus\",\"metadata\":{\"query\":\"" query "\"}}]}}"
#define CONTAINER "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]"
#define FROM(refs) "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"envFrom\":[" refs "]}]"

static const struct built {
    enum cluster_quirk quirk;
    enum action action;
    const char *canary, *objects;
    const char *flagger, *ours; /* found in one and not in the other; NULL = nothing to find */
} built[] = {
    {CLUSTER_DROP_PAUSE, SCALER, CANARY_OF("Deployment", SCALER_OF("")),
     "[" SCALED_OBJECT("\"autoscaling.keda.sh/paused-replicas\":\"0\"", "up") "]",
     "paused-replicas", NULL},
    {CLUSTER_QUERY_SUFFIX, SCALER, CANARY_OF("Deployment", SCALER_OF("")),
     "[" SCALED_OBJECT("", "up{app=podinfo-primary}") "]", "app=podinfo-primary-primary",
     "app=podinfo-primary}"},
    {CLUSTER_EMPTY_QUERIES, SCALER,
     CANARY_OF("Deployment", SCALER_OF(",\"primaryScalerQueries\":{}")),
     "[" SCALED_OBJECT("", "up{app=podinfo}") "]", "app=podinfo}", "app=podinfo-primary}"},
    {CLUSTER_STRIP_SELECTOR, INITIALIZE, CANARY_OF("DaemonSet", ""),
     "[{\"kind\":\"DaemonSet\"," META("podinfo") ",\"spec\":{" POD(
         CONTAINER ",\"nodeSelector\":{\"flagger.app/scale-to-zero\":\"true\"}") "}}]",
     "scale-to-zero", NULL},
    {CLUSTER_BINARY_DATA, INITIALIZE, CANARY_OF("Deployment", ""),
     "[" DEPLOYMENT(
         "podinfo",
         POD(FROM(
             "{\"configMapRef\":{\"name\":\"s\"}}"))) ",{\"kind\":"
                                                      "\"ConfigMap\"," META(
                                                          "s") ",\"binaryData\":{\"k\":\"AAA=\"}}]",
     NULL, "\"binaryData\":{\"k\":\"AAA=\"}"},
    {CLUSTER_PRIMARY_ERRORS, INITIALIZE, CANARY_OF("Deployment", ""),
     "[" DEPLOYMENT("podinfo", POD(CONTAINER)) ",{\"kind\":\"Deployment\",\"fails\":true," META(
         "podinfo-primary") "}]",
     "done",
     "error: createPrimaryDeployment failed: deployment podinfo-primary.test get query "
     "error: the server is on fire"},
    {CLUSTER_MISSING_TARGET, REVERT, CANARY_OF("Deployment", ""), "[]", "error: ", "done"},
    {CLUSTER_REVERT_TO_ONE, REVERT, CANARY_OF("Deployment", ""),
     "[{\"kind\":\"Deployment\"," META("podinfo") ",\"spec\":{\"replicas\":3," POD(
         CONTAINER) "}},{\"kind\":\"Deployment\"," META("podinfo-primary") ",\"spec\":{"
                                                                           "\"replicas\":0}}]",
     "\"replicas\":0", "\"replicas\":1"},
    {CLUSTER_REVISION_FIRST, PROMOTE,
     CANARY_OF("Service\",\"apiVersion\":\"serving.knative.dev/v1", ""),
     "[{\"kind\":\"Service\"," META("podinfo") ",\"spec\":{}}]",
     "\"flagger.app/primary-revision\":"
     "\"\"",
     "error: Knative Service podinfo.test has no revision yet"},
    {CLUSTER_SELECTOR_VALUE, INITIALIZE, CANARY_OF("Deployment", ""),
     "[" DEPLOYMENT(
         "podinfo",
         POD_OF("info", CONTAINER
                ",\"affinity\":{\"podAntiAffinity\":{"
                "\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"labelSelector\":{"
                "\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"In\",\"values\":[\"info\"]}]"
                "}}]}}")) "]",
     "\"values\":[\"info\"]", "\"values\":[\"info-primary\"]"},
    {CLUSTER_OWN_ANNOTATIONS, INITIALIZE, CANARY_OF("Deployment", ""),
     "[{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"podinfo\",\"namespace\":\"test\","
     "\"annotations\":{\"deployment.kubernetes.io/revision\":\"7\"}},\"spec\":{" POD(
         CONTAINER) "}}]",
     "deployment.kubernetes.io/revision", NULL},
    {CLUSTER_MANDATORY_REF, INITIALIZE, CANARY_OF("Deployment", ""),
     "[" DEPLOYMENT("podinfo", POD(FROM("{\"configMapRef\":{\"name\":\"s\"}},{\"configMapRef\":{"
                                        "\"name\":\"s\",\"optional\":true}}"))) "]",
     "done", "error: "},
    {CLUSTER_FENCED_COPIES, PROMOTE, CANARY_OF("Deployment", ""),
     "[" DEPLOYMENT("podinfo", POD(FROM("{\"configMapRef\":{\"name\":\"s\"}}"))) "," DEPLOYMENT(
         "podinfo-primary",
         POD(CONTAINER)) ",{\"kind\":\"ConfigMap\"," META("s") ",\"data\":{\"a\":\"1\"}},{\"kind\":"
                                                               "\"ConfigMap\",\"metadata\":{"
                                                               "\"name\":\"s-primary\","
                                                               "\"namespace\":"
                                                               "\"test\",\"resourceVersion\":\"5\"}"
                                                               ",\"data\":{\"a\":\"0\"}}]",
     NULL, "\"resourceVersion\":\"5\""},
    {CLUSTER_PLAIN_TEXTS, PROMOTE, CANARY_OF("DaemonSet", ""), "[]", "damonset podinfo.test",
     "daemonset podinfo.test"},
};

static void expect_built(const struct built *b, cluster_quirks quirks, const char *wanted,
                         const char *unwanted, const char *how)
{
    const char *name = cluster_quirk_texts[b->quirk].name;
    char *text = transcript(b->action, b->canary, b->objects, quirks);

    ck_assert_msg(wanted == NULL || strstr(text, wanted) != NULL, "%s, %s: no '%s' in\n%s", name,
                  how, wanted, text);
    ck_assert_msg(unwanted == NULL || strstr(text, unwanted) == NULL, "%s, %s: '%s' in\n%s", name,
                  how, unwanted, text);
    ck_assert_msg(strstr(text, "done") != NULL || strstr(text, "error: ") != NULL, "%s: %s", name,
                  text);
    free(text);
}

START_TEST(a_builder_does_both)
{
    const struct built *b = &built[_i];

    expect_built(b, 0, b->ours, b->flagger, "default profile");
    expect_built(b, (cluster_quirks)1 << b->quirk, b->flagger, b->ours, "this quirk alone");
    expect_built(b, CLUSTER_QUIRKS_FLAGGER, b->flagger, b->ours, "profile flagger-1.44");
}
END_TEST

START_TEST(stable_id)
{
    static const char objects[] = "[" DEPLOYMENT("podinfo", POD(CONTAINER)) "]";
    char *a, *b;

    a = transcript(INITIALIZE, CANARY_OF("Deployment", ""), objects, 0);
    b = transcript(INITIALIZE, CANARY_OF("Deployment", ""), objects, 0);
    ck_assert_ptr_nonnull(strstr(a, "\"flagger-id\":"));
    ck_assert_str_eq(a, b);
    free(a);
    free(b);
    a = transcript(INITIALIZE, CANARY_OF("Deployment", ""), objects, CLUSTER_QUIRK(STABLE_ID));
    b = transcript(INITIALIZE, CANARY_OF("Deployment", ""), objects, CLUSTER_QUIRK(STABLE_ID));
    ck_assert_str_ne(a, b);
    free(a);
    free(b);
}
END_TEST

/* ---- the operator ------------------------------------------------------------------------------
 */

static struct opworld w;

static void setup(void)
{
    opworld_init(&w, 11);
}

static void teardown(void)
{
    opworld_release(&w);
}

/* _i 0: the default profile; 1: Flagger's behaviour. */
static void choose(int flagger, enum cluster_quirk quirk)
{
    w.options.cluster = flagger ? (cluster_quirks)1 << quirk : 0;
}

#define CANARY_OBJECT                                                                              \
    "apiVersion: flagger.app/v1beta1\n"                                                            \
    "kind: Canary\n"                                                                               \
    "metadata: {name: podinfo, namespace: test}\n"                                                 \
    "spec:\n"                                                                                      \
    "  provider: kubernetes\n"                                                                     \
    "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}\n"                        \
    "  service: {port: 80}\n"                                                                      \
    "  analysis:\n"                                                                                \
    "    interval: 10s\n"                                                                          \
    "    threshold: 2\n"                                                                           \
    "    iterations: 2\n"

static void install(const char *more)
{
    char text[3000];

    opworld_apply(&w, opworld_podinfo);
    snprintf(text, sizeof(text), CANARY_OBJECT "%s", more);
    opworld_apply(&w, text);
}

static void patch_canary(const char *json)
{
    opworld_patch(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo", json);
}

START_TEST(refusal_event)
{
    static const char refused[] = "can't access metric template m.other, cross-namespace";

    choose(_i, CLUSTER_REFUSAL_EVENT);
    install("    metrics: [{name: m, templateRef: {name: m, namespace: other}}]\n");
    opworld_run_for(&w, 5000);
    ck_assert(opworld_said(&w, refused));
    ck_assert_int_eq(opworld_events_hold(&w, refused), _i == 0);
}
END_TEST

START_TEST(first_tick_at_once)
{
    choose(_i, CLUSTER_FIRST_TICK_AT_ONCE);
    install("");
    opworld_run_for(&w, 5000);
    ck_assert_int_eq(opworld_said(&w, "podinfo-primary.test not ready"), _i == 0);
    opworld_run_for(&w, 12000);
    ck_assert(opworld_said(&w, "podinfo-primary.test not ready"));
}
END_TEST

static bool has_state(void)
{
    const cJSON *canary = simkube_get(w.k, "flagger.app", "canaries", "test", "podinfo");

    return json_at(canary, "metadata", "annotations", STATE_ANNOTATION, NULL) != NULL;
}

START_TEST(state_annotation)
{
    choose(_i, CLUSTER_STATE_ANNOTATION);
    install("");
    opworld_run_for(&w, 30000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 15000);
    patch_canary("{\"metadata\":{\"annotations\":{\"coalmine.dev/command\":\"{\\\"command\\\":"
                 "\\\"pause\\\"}\"}}}");
    opworld_run_for(&w, 15000);
    ck_assert_int_eq(has_state(), _i == 0);
    opworld_run_for(&w, 200000); /* another process: does it know that the rollout is paused? */
    ck_assert_str_eq(opworld_status(&w, "podinfo", "phase"), _i == 0 ? "Progressing" : "Succeeded");
}
END_TEST

START_TEST(tell_the_end)
{
    unsigned silent = 0;

    for (uint64_t n = 1; n < 45; n++) {
        opworld_release(&w);
        opworld_init(&w, n);
        choose(_i, CLUSTER_TELL_THE_END);
        install("");
        opworld_run_for(&w, 30000);
        opworld_set_image(&w, "podinfo", "podinfo:2");
        w.requests = 0;
        w.kill_at = n;
        w.kill_after = true;
        if (opworld_run(&w, w.now_ms + 200000)) {
            w.kill_at = 0;
            opworld_run_for(&w, 200000);
        }
        ck_assert_str_eq(opworld_status(&w, "podinfo", "phase"), "Succeeded");
        silent += !opworld_said(&w, "Promotion completed!");
    }
    ck_assert_int_eq(silent > 0, _i == 1);
}
END_TEST

START_TEST(adopt_at_rest)
{
    choose(_i, CLUSTER_ADOPT_AT_REST);
    install("");
    opworld_run_for(&w, 30000);
    opworld_set_status(&w, "lastAppliedSpec", "6b8c9d4f57");
    opworld_set_status(&w, "lastPromotedSpec", "6b8c9d4f57");
    opworld_run_for(&w, 25000);
    ck_assert_int_eq(opworld_said(&w, "New revision detected!"), _i == 1);
    ck_assert_int_eq(strncmp(opworld_status(&w, "podinfo", "lastPromotedSpec"), "cm", 2) == 0,
                     _i == 0);
}
END_TEST

START_TEST(own_namespace)
{
    choose(_i, CLUSTER_OWN_NAMESPACE);
    install("    metrics: [{name: m, templateRef: {name: m, namespace: other}}]\n");
    opworld_run_for(&w, 5000);
    ck_assert_int_eq(opworld_said(&w, "cross-namespace references are blocked"), _i == 0);
}
END_TEST

START_TEST(service_queries)
{
    choose(_i, CLUSTER_SERVICE_QUERIES);
    opworld_apply(&w,
                  "apiVersion: apiextensions.k8s.io/v1\n"
                  "kind: CustomResourceDefinition\n"
                  "metadata: {name: trafficsplits.split.smi-spec.io}\n"
                  "spec:\n"
                  "  group: split.smi-spec.io\n"
                  "  scope: Namespaced\n"
                  "  names: {plural: trafficsplits, singular: trafficsplit, kind: TrafficSplit}\n"
                  "  versions: [{name: v1alpha1, served: true, storage: true, schema: {"
                  "openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: "
                  "true}}}]\n"
                  "---\n"
                  "apiVersion: v1\n"
                  "kind: Service\n"
                  "metadata: {name: backend, namespace: test}\n"
                  "spec: {selector: {app: a}, ports: [{port: 80}]}\n"
                  "---\n"
                  "apiVersion: flagger.app/v1beta1\n"
                  "kind: Canary\n"
                  "metadata: {name: podinfo, namespace: test}\n"
                  "spec:\n"
                  "  provider: linkerd\n"
                  "  targetRef: {apiVersion: v1, kind: Service, name: backend}\n"
                  "  service: {port: 80}\n"
                  "  analysis:\n"
                  "    interval: 10s\n"
                  "    threshold: 2\n"
                  "    stepWeight: 50\n"
                  "    maxWeight: 50\n"
                  "    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, "
                  "interval: 1m}]\n");
    opworld_run_for(&w, 30000);
    opworld_patch(&w, "/api/v1/namespaces/test/services/backend",
                  "{\"spec\":{\"selector\":{\"app\":\"b\"}}}");
    opworld_run_for(&w, 60000);
    ck_assert_int_eq(strstr(strbuf_str(&w.queries), "istio_requests_total") != NULL, _i == 1);
    ck_assert_int_eq(strstr(strbuf_str(&w.queries), "response_total") != NULL, _i == 0);
}
END_TEST

START_TEST(refuse_bad_query)
{
    choose(_i, CLUSTER_REFUSE_BAD_QUERY);
    install(
        "    metrics: [{name: m, query: \"{{ nonsense }}\", thresholdRange: {max: 1}, interval: "
        "1m}]\n");
    opworld_run_for(&w, 30000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    w.metric = 0;
    opworld_run_for(&w, 100000);
    ck_assert_str_eq(opworld_status(&w, "podinfo", "phase"), _i == 0 ? "Failed" : "Succeeded");
    ck_assert_int_eq(opworld_said(&w, "nonsense"), _i == 0);
}
END_TEST

START_TEST(hide_chat_url)
{
    choose(_i, CLUSTER_HIDE_CHAT_URL);
    opworld_apply(&w, "apiVersion: flagger.app/v1beta1\n"
                      "kind: AlertProvider\n"
                      "metadata: {name: chat, namespace: test}\n"
                      "spec: {type: slack, channel: c, address: \"http://chat/hook/s3cr3t\"}\n");
    install("    alerts: [{name: a, severity: info, providerRef: {name: chat}}]\n");
    opworld_run_for(&w, 30000);
    ck_assert(opworld_said(&w, "alert provider chat.test send error"));
    ck_assert_int_eq(opworld_said(&w, "s3cr3t"), _i == 1);
}
END_TEST

START_TEST(forget_series)
{
    static const char series[] = "flagger_canary_status{name=\"podinfo\"";

    choose(_i, CLUSTER_FORGET_SERIES);
    install("");
    opworld_run_for(&w, 30000);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&w.metrics), series));
    opworld_delete_later(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo", 20000);
    opworld_run_for(&w, 30000);
    ck_assert_int_eq(strstr(strbuf_str(&w.metrics), series) != NULL, _i == 1);
}
END_TEST

START_TEST(made_of)
{
    choose(_i, CLUSTER_MADE_OF);
    install("");
    while (simkube_get(w.k, "apps", "deployments", "test", "podinfo-primary") == NULL)
        opworld_run_for(&w, 500);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(opworld_status(&w, "podinfo", "phase"), _i == 0 ? "Succeeded" : "Initialized");
    ck_assert_int_eq(opworld_said(&w, "New revision detected!"), _i == 0);
}
END_TEST

static void release_again(struct opworld *world)
{
    if (++world->hook_calls != 3)
        return; /* not yet the tick that promotes */
    opworld_patch(world, "/apis/apps/v1/namespaces/test/deployments/podinfo",
                  "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"podinfo\","
                  "\"image\":\"podinfo:3\"}]}}}}");
    task_sleep(world->tasks, 100); /* the operator hears of it while the hook is asked */
}

START_TEST(promote_checked)
{
    choose(_i, CLUSTER_PROMOTE_CHECKED);
    install("    webhooks: [{name: gate, type: rollout, url: \"http://hook/\"}]\n");
    opworld_run_for(&w, 30000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    w.on_hook = release_again;
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(opworld_status(&w, "podinfo", "phase"), "Succeeded");
    ck_assert_int_eq(opworld_said(&w, "podinfo.test has changed since it was analysed"), _i == 0);
    ck_assert_int_eq(opworld_said(&w, "Restarting analysis for podinfo.test"), _i == 0);
}
END_TEST

/* ---- all of them -------------------------------------------------------------------------------
 */

/* In the order in which main() adds them. */
static const enum cluster_quirk lived[] = {
    CLUSTER_REFUSAL_EVENT,    CLUSTER_FIRST_TICK_AT_ONCE,
    CLUSTER_STATE_ANNOTATION, CLUSTER_TELL_THE_END,
    CLUSTER_ADOPT_AT_REST,    CLUSTER_OWN_NAMESPACE,
    CLUSTER_SERVICE_QUERIES,  CLUSTER_REFUSE_BAD_QUERY,
    CLUSTER_HIDE_CHAT_URL,    CLUSTER_FORGET_SERIES,
    CLUSTER_MADE_OF,          CLUSTER_PROMOTE_CHECKED,
};
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

START_TEST(every_name_is_shown_and_told)
{
    FILE *file = fopen(PAGE, "rb");
    char *page = calloc(1, 1 << 17);

    ck_assert_msg(file != NULL && page != NULL, "cannot read " PAGE);
    ck_assert_uint_gt(fread(page, 1, (1 << 17) - 1, file), 0);
    fclose(file);
    for (unsigned q = 0; q < CLUSTER_QUIRK_COUNT; q++) {
        bool shown = q == CLUSTER_STABLE_ID;
        char heading[80];

        for (size_t i = 0; i < COUNT(built); i++)
            shown = shown || built[i].quirk == q;
        for (size_t i = 0; i < COUNT(lived); i++)
            shown = shown || lived[i] == q;
        ck_assert_msg(shown, "no test shows %s", cluster_quirk_texts[q].name);
        snprintf(heading, sizeof(heading), "\n### `%s`\n", cluster_quirk_texts[q].name);
        ck_assert_msg(strstr(page, heading) != NULL, PAGE " has no paragraph on %s",
                      cluster_quirk_texts[q].name);
    }
    for (unsigned q = 0; q < QUIRK_COUNT; q++) {
        char name[80];

        snprintf(name, sizeof(name), "| `%s` |", router_quirk_texts[q].name);
        ck_assert_msg(strstr(page, name) != NULL, PAGE " does not have %s",
                      router_quirk_texts[q].name);
    }
    for (unsigned q = 0; q < CLUSTER_QUIRK_COUNT; q++) {
        enum deviation unused;

        ck_assert_msg(!deviation_find(cluster_quirk_texts[q].name, &unused), "%s is named twice",
                      cluster_quirk_texts[q].name);
        for (unsigned r = 0; r < QUIRK_COUNT; r++)
            ck_assert_str_ne(cluster_quirk_texts[q].name, router_quirk_texts[r].name);
    }
    free(page);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cluster deviations");
    TCase *builders = tcase_create("builders"), *lives = tcase_create("lives");
    const TTest *const tests[] = {
        refusal_event, first_tick_at_once, state_annotation, tell_the_end,
        adopt_at_rest, own_namespace,      service_queries,  refuse_bad_query,
        hide_chat_url, forget_series,      made_of,          promote_checked};
    SRunner *runner;
    int failed;

    _Static_assert(COUNT(tests) == COUNT(lived), "each has its test");
    tcase_add_loop_test(builders, a_builder_does_both, 0, COUNT(built));
    tcase_add_test(builders, stable_id);
    tcase_add_test(builders, every_name_is_shown_and_told);
    suite_add_tcase(suite, builders);
    tcase_add_checked_fixture(lives, setup, teardown);
    tcase_set_timeout(lives, 60);
    for (size_t i = 0; i < COUNT(tests); i++)
        tcase_add_loop_test(lives, tests[i], 0, 2);
    suite_add_tcase(suite, lives);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
