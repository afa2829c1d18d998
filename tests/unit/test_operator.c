#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/opworld.h"

static struct opworld w;

static void setup(void)
{
    opworld_init(&w, 11);
}

static void teardown(void)
{
    opworld_release(&w);
}

#define DEPLOYMENT                                                                                 \
    "apiVersion: apps/v1\n"                                                                        \
    "kind: Deployment\n"                                                                           \
    "metadata: {name: podinfo, namespace: test}\n"                                                 \
    "spec:\n"                                                                                      \
    "  replicas: 2\n"                                                                              \
    "  selector: {matchLabels: {app: podinfo}}\n"                                                  \
    "  template:\n"                                                                                \
    "    metadata: {labels: {app: podinfo}}\n"                                                     \
    "    spec:\n"                                                                                  \
    "      containers:\n"                                                                          \
    "      - name: podinfo\n"                                                                      \
    "        image: podinfo:1\n"                                                                   \
    "        envFrom: [{configMapRef: {name: settings}}]\n"                                        \
    "---\n"                                                                                        \
    "apiVersion: v1\n"                                                                             \
    "kind: ConfigMap\n"                                                                            \
    "metadata: {name: settings, namespace: test}\n"                                                \
    "data: {color: red}\n"                                                                         \
    "---\n"

static void install(const char *provider, const char *strategy)
{
    char text[4000];

    snprintf(text, sizeof(text),
             DEPLOYMENT "apiVersion: flagger.app/v1beta1\n"
                        "kind: Canary\n"
                        "metadata: {name: podinfo, namespace: test}\n"
                        "spec:\n"
                        "  provider: %s\n"
                        "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}\n"
                        "  service: {port: 80}\n"
                        "  analysis:\n"
                        "    interval: 10s\n"
                        "    threshold: 2\n"
                        "%s"
                        "    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, "
                        "interval: 1m}]\n"
                        "    webhooks: [{name: gate, type: confirm-rollout, url: "
                        "\"http://hook/\"}]\n",
             provider, strategy);
    opworld_apply(&w, text);
}

#define CANARY_STEPS "    maxWeight: 40\n    stepWeight: 20\n"
#define BLUE_GREEN "    iterations: 3\n"
#define AB "    iterations: 2\n    match: [{headers: {x-canary: {exact: insider}}}]\n"

static void release(const char *image)
{
    char patch[256];

    snprintf(patch, sizeof(patch),
             "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"podinfo\",\"image\":"
             "\"%s\",\"envFrom\":[{\"configMapRef\":{\"name\":\"settings\"}}]}]}}}}",
             image);
    opworld_patch(&w, "/apis/apps/v1/namespaces/test/deployments/podinfo", patch);
}

static void run_for(int64_t ms)
{
    opworld_run(&w, w.now_ms + ms);
}

static const char *phase(void)
{
    return opworld_status(&w, "podinfo", "phase");
}

static const char *image_of(const char *name)
{
    const cJSON *d = simkube_get(w.k, "apps", "deployments", "test", name);
    const cJSON *containers = json_at(d, "spec", "template", "spec", "containers", NULL);

    return json_str_or(cJSON_GetArrayItem(containers, 0), "image", "(none)");
}

static int64_t replicas_of(const char *name)
{
    const cJSON *d = simkube_get(w.k, "apps", "deployments", "test", name);

    return json_int(json_get(d, "spec"), "replicas", -1);
}

static bool said(const char *text)
{
    return strstr(strbuf_str(&w.log), text) != NULL;
}

static bool has(const char *group, const char *resource, const char *name)
{
    return simkube_get(w.k, group, resource, "test", name) != NULL;
}

START_TEST(first_install_ends_initialized)
{
    install("istio", CANARY_STEPS);
    run_for(60000);
    ck_assert_str_eq(phase(), "Initialized");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:1");
    ck_assert_int_eq(replicas_of("podinfo-primary"), 2);
    ck_assert_int_eq(replicas_of("podinfo"), 0);
    ck_assert(has("", "services", "podinfo"));
    ck_assert(has("", "services", "podinfo-canary"));
    ck_assert(has("", "services", "podinfo-primary"));
    ck_assert(has("", "configmaps", "settings-primary"));
    ck_assert(has("networking.istio.io", "virtualservices", "podinfo"));
    ck_assert(said("Initialization done! podinfo.test"));
}
END_TEST

START_TEST(a_canary_walks_its_steps_and_is_promoted)
{
    install("istio", CANARY_STEPS);
    run_for(60000);
    release("podinfo:2");
    run_for(200000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:2");
    ck_assert_int_eq(replicas_of("podinfo"), 0);
    ck_assert(said("Advance podinfo.test canary weight 20"));
    ck_assert(said("Advance podinfo.test canary weight 40"));
    ck_assert(said("Promotion completed! Scaling down podinfo.test"));
    ck_assert_str_eq(opworld_status(&w, "podinfo", "lastAppliedSpec"),
                     opworld_status(&w, "podinfo", "lastPromotedSpec"));
}
END_TEST

START_TEST(bad_metrics_roll_back)
{
    install("istio", CANARY_STEPS);
    run_for(60000);
    w.metric = 50;
    release("podinfo:2");
    run_for(200000);
    ck_assert_str_eq(phase(), "Failed");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:1");
    ck_assert_int_eq(replicas_of("podinfo"), 0);
    ck_assert(said("Rolling back podinfo.test failed checks threshold reached 2"));
}
END_TEST

START_TEST(blue_green_and_ab_are_promoted)
{
    install(_i == 0 ? "kubernetes" : "istio", _i == 0 ? BLUE_GREEN : AB);
    run_for(60000);
    release("podinfo:2");
    run_for(200000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:2");
    ck_assert(said(_i == 0 ? "canary iteration 3/3" : "canary iteration 2/2"));
}
END_TEST

START_TEST(a_changed_config_is_a_release)
{
    install("istio", CANARY_STEPS);
    run_for(60000);
    opworld_patch(&w, "/api/v1/namespaces/test/configmaps/settings",
                  "{\"data\":{\"color\":\"blue\"}}");
    run_for(200000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(
        json_str_or(
            json_get(simkube_get(w.k, "", "configmaps", "test", "settings-primary"), "data"),
            "color", ""),
        "blue");
}
END_TEST

START_TEST(a_closed_gate_holds_the_release_until_it_opens)
{
    install("istio", CANARY_STEPS);
    run_for(60000);
    w.hooks_allow = false;
    release("podinfo:2");
    run_for(60000);
    ck_assert_str_eq(phase(), "Waiting");
    w.hooks_allow = true;
    run_for(200000);
    ck_assert_str_eq(phase(), "Succeeded");
}
END_TEST

static void command(const char *name)
{
    char patch[300];

    snprintf(
        patch, sizeof(patch),
        "{\"metadata\":{\"annotations\":{\"coalmine.dev/command\":\"{\\\"command\\\":\\\"%s\\\","
        "\\\"who\\\":\\\"ann\\\",\\\"why\\\":\\\"seen it\\\"}\"}}}",
        name);
    opworld_patch(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo", patch);
}

START_TEST(a_person_aborts_and_retries)
{
    install("istio", CANARY_STEPS);
    run_for(60000);
    release("podinfo:2");
    run_for(25000);
    ck_assert_str_eq(phase(), "Progressing");
    command("abort");
    run_for(30000);
    ck_assert_str_eq(phase(), "Failed");
    ck_assert(said("abort asked for by ann: seen it"));
    ck_assert_ptr_null(json_at(simkube_get(w.k, "flagger.app", "canaries", "test", "podinfo"),
                               "metadata", "annotations", "coalmine.dev/command", NULL));
    command("retry");
    run_for(200000);
    ck_assert_str_eq(phase(), "Succeeded");
}
END_TEST

START_TEST(revert_on_deletion_brings_the_target_back)
{
    install("istio", CANARY_STEPS);
    opworld_patch(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo",
                  "{\"spec\":{\"revertOnDeletion\":true}}");
    run_for(60000);
    ck_assert_int_eq(replicas_of("podinfo"), 0);
    opworld_delete(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo");
    run_for(120000);
    ck_assert(!has("flagger.app", "canaries", "podinfo"));
    ck_assert_int_eq(replicas_of("podinfo"), 2);
}
END_TEST

/* Requests that an operator sends within so many ms, its start and end included. */
static uint64_t requests_within(int64_t ms)
{
    w.kill_at = UINT64_MAX; /* count, and never die */
    w.requests = 0;
    run_for(ms);
    w.kill_at = 0;
    return w.requests;
}

START_TEST(a_canary_at_rest_costs_no_request)
{
    uint64_t one_minute, eleven_minutes;

    install("istio", CANARY_STEPS);
    run_for(60000);
    one_minute = requests_within(60000);
    eleven_minutes = requests_within(660000);
    /* watches are opened again after five to ten minutes: a stream is no request of a tick */
    ck_assert_uint_eq(eleven_minutes, one_minute);
}
END_TEST

START_TEST(a_broken_canary_leaves_the_others_alone)
{
    install("istio", CANARY_STEPS);
    opworld_apply(&w, "apiVersion: flagger.app/v1beta1\n"
                      "kind: Canary\n"
                      "metadata: {name: poison, namespace: test}\n"
                      "spec:\n"
                      "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: nobody}\n"
                      "  analysis: {interval: 10s, threshold: 1, iterations: 1, "
                      "sessionAffinity: {cookieName: a, primaryCookieName: a}}\n");
    run_for(60000);
    ck_assert_str_eq(phase(), "Initialized");
    ck_assert(said("can't use the same cookie name"));
}
END_TEST

START_TEST(dry_run_changes_nothing)
{
    install("istio", CANARY_STEPS);
    w.options.dry_run = true;
    run_for(60000);
    ck_assert_str_eq(phase(), "");
    ck_assert(!has("apps", "deployments", "podinfo-primary"));
    ck_assert(!has("", "services", "podinfo"));
    ck_assert_int_eq(replicas_of("podinfo"), 2);
}
END_TEST

/* ---- crash safety ------------------------------------------------------------------------------
 */

/* A release during which the process dies at its n-th request, and is started again at once. */
static void run_killed_at(uint64_t n, bool after, const char *provider, const char *strategy,
                          double metric)
{
    opworld_init(&w, n);
    install(provider, strategy);
    run_for(60000);
    w.metric = metric;
    release("podinfo:2");
    w.requests = 0;
    w.kill_at = n;
    w.kill_after = after;
    if (opworld_run(&w, w.now_ms + 250000)) {
        w.kill_at = 0;
        run_for(250000);
    }
}

static const struct life {
    const char *name, *provider, *strategy;
    double metric;
    const char *phase, *image, *last_words;
} lives[] = {
    {"canary", "istio", CANARY_STEPS, 100, "Succeeded", "podinfo:2",
     "Promotion completed! Scaling down podinfo.test"},
    {"blue/green", "kubernetes", BLUE_GREEN, 100, "Succeeded", "podinfo:2",
     "Promotion completed! Scaling down podinfo.test"},
    {"rollback", "istio", CANARY_STEPS, 50, "Failed", "podinfo:1",
     "Canary failed! Scaling down podinfo.test"},
};

START_TEST(killed_at_any_request_a_release_ends_as_if_nothing_had_happened)
{
    const struct life *l = &lives[_i % 3];

    for (uint64_t n = 1; n < 50; n++) {
        run_killed_at(n, _i >= 3, l->provider, l->strategy, l->metric);
        ck_assert_msg(strcmp(phase(), l->phase) == 0, "%s killed at request %llu ends %s", l->name,
                      (unsigned long long)n, phase());
        ck_assert_msg(strcmp(image_of("podinfo-primary"), l->image) == 0,
                      "%s killed at request %llu leaves %s", l->name, (unsigned long long)n,
                      image_of("podinfo-primary"));
        ck_assert_int_eq(replicas_of("podinfo"), 0);
        ck_assert_msg(said(l->last_words), "%s killed at request %llu never says so", l->name,
                      (unsigned long long)n);
        opworld_release(&w);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operator");
    TCase *tc = tcase_create("releases"), *crash = tcase_create("crashes");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, first_install_ends_initialized);
    tcase_add_test(tc, a_canary_walks_its_steps_and_is_promoted);
    tcase_add_test(tc, bad_metrics_roll_back);
    tcase_add_loop_test(tc, blue_green_and_ab_are_promoted, 0, 2);
    tcase_add_test(tc, a_changed_config_is_a_release);
    tcase_add_test(tc, a_closed_gate_holds_the_release_until_it_opens);
    tcase_add_test(tc, a_person_aborts_and_retries);
    tcase_add_test(tc, revert_on_deletion_brings_the_target_back);
    tcase_add_test(tc, a_canary_at_rest_costs_no_request);
    tcase_add_test(tc, a_broken_canary_leaves_the_others_alone);
    tcase_add_test(tc, dry_run_changes_nothing);
    suite_add_tcase(suite, tc);
    tcase_set_timeout(crash, 120);
    tcase_add_loop_test(crash, killed_at_any_request_a_release_ends_as_if_nothing_had_happened, 0,
                        6);
    suite_add_tcase(suite, crash);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
