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

#define AB "    iterations: 2\n    match: [{headers: {x-canary: {exact: insider}}}]\n"

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

START_TEST(first_install_ends_initialized)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    ck_assert_str_eq(phase(), "Initialized");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:1");
    ck_assert_int_eq(replicas_of("podinfo-primary"), 2);
    ck_assert_int_eq(replicas_of("podinfo"), 0);
    ck_assert(opworld_has(&w, "", "services", "podinfo"));
    ck_assert(opworld_has(&w, "", "services", "podinfo-canary"));
    ck_assert(opworld_has(&w, "", "services", "podinfo-primary"));
    ck_assert(opworld_has(&w, "", "configmaps", "settings-primary"));
    ck_assert(opworld_has(&w, "networking.istio.io", "virtualservices", "podinfo"));
    ck_assert(opworld_said(&w, "Initialization done! podinfo.test"));
}
END_TEST

/* The primary exists, and is not ready yet. */
static void run_into_the_installation(void)
{
    while (!opworld_has(&w, "apps", "deployments", "podinfo-primary")) {
        ck_assert_int_lt(w.now_ms, 60000);
        opworld_run_for(&w, 500);
    }
    ck_assert_str_eq(phase(), "Initializing");
}

START_TEST(a_release_during_the_first_installation_is_rolled_out)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    run_into_the_installation();
    if (_i == 0)
        opworld_set_image(&w, "podinfo", "podinfo:2");
    else
        opworld_patch(&w, "/api/v1/namespaces/test/configmaps/settings",
                      "{\"data\":{\"color\":\"blue\"}}");
    opworld_run_for(&w, 250000);
    ck_assert(opworld_said(&w, "Initialization done! podinfo.test"));
    ck_assert(opworld_said(&w, "Advance podinfo.test canary weight 40"));
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(image_of("podinfo-primary"), _i == 0 ? "podinfo:2" : "podinfo:1");
}
END_TEST

START_TEST(as_flagger_a_release_during_the_first_installation_is_lost)
{
    w.options.deviations = PROFILE_FLAGGER_1_44;
    w.options.cluster = CLUSTER_QUIRKS_FLAGGER;
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 11000); /* its first tick comes after ten seconds */
    ck_assert(opworld_has(&w, "apps", "deployments", "podinfo-primary"));
    ck_assert_str_eq(phase(), "Initializing");
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 250000);
    ck_assert_str_eq(phase(), "Initialized");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:1");
}
END_TEST

START_TEST(a_canary_walks_its_steps_and_is_promoted)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:2");
    ck_assert_int_eq(replicas_of("podinfo"), 0);
    ck_assert(opworld_said(&w, "Advance podinfo.test canary weight 20"));
    ck_assert(opworld_said(&w, "Advance podinfo.test canary weight 40"));
    ck_assert(opworld_said(&w, "Promotion completed! Scaling down podinfo.test"));
    ck_assert_str_eq(opworld_status(&w, "podinfo", "lastAppliedSpec"),
                     opworld_status(&w, "podinfo", "lastPromotedSpec"));
}
END_TEST

START_TEST(bad_metrics_roll_back)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    w.metric = 50;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(phase(), "Failed");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:1");
    ck_assert_int_eq(replicas_of("podinfo"), 0);
    ck_assert(opworld_said(&w, "Rolling back podinfo.test failed checks threshold reached 2"));
}
END_TEST

START_TEST(blue_green_and_ab_are_promoted)
{
    opworld_install(&w, _i == 0 ? "kubernetes" : "istio", _i == 0 ? OPWORLD_BLUE_GREEN : AB);
    opworld_run_for(&w, 60000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:2");
    ck_assert(opworld_said(&w, _i == 0 ? "canary iteration 3/3" : "canary iteration 2/2"));
}
END_TEST

START_TEST(a_changed_config_is_a_release)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    opworld_patch(&w, "/api/v1/namespaces/test/configmaps/settings",
                  "{\"data\":{\"color\":\"blue\"}}");
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(
        json_str_or(
            json_get(simkube_get(w.k, "", "configmaps", "test", "settings-primary"), "data"),
            "color", ""),
        "blue");
}
END_TEST

/* Names and labels as Flagger 1.44 has them (pkg/metrics/recorder.go). */
START_TEST(metrics_have_flaggers_names_and_labels)
{
    static const char *const samples[] = {
        "flagger_info{version=\"" COALMINE_VERSION "\",mesh_provider=\"istio\"} 1\n",
        "flagger_canary_total{namespace=\"test\"} 1\n",
        "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 1\n",
        "flagger_canary_weight{workload=\"podinfo-primary\",namespace=\"test\"} 100\n",
        "flagger_canary_weight{workload=\"podinfo\",namespace=\"test\"} 0\n",
        "flagger_canary_metric_analysis{name=\"podinfo\",namespace=\"test\",metric=\"request-"
        "success-"
        "rate\"} 100\n",
        "flagger_canary_duration_seconds_bucket{name=\"podinfo\",namespace=\"test\",le=\"0.005\"} ",
        "flagger_canary_duration_seconds_bucket{name=\"podinfo\",namespace=\"test\",le=\"+Inf\"} ",
        "flagger_canary_duration_seconds_sum{name=\"podinfo\",namespace=\"test\"} ",
        "flagger_canary_duration_seconds_count{name=\"podinfo\",namespace=\"test\"} ",
        "flagger_canary_successes_total{name=\"podinfo\",namespace=\"test\",deployment_strategy="
        "\"canary\",analysis_status=\"completed\"} 1\n",
        "# TYPE flagger_canary_successes_total counter\n",
        "# TYPE flagger_canary_duration_seconds histogram\n",
        "coalmine_asks_total{ask=\"metric\"} ",
        "coalmine_api_requests_total{verb=\"patch\"} ",
    };

    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 100000);
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        ck_assert_msg(strstr(strbuf_str(&w.metrics), samples[i]) != NULL, "no %s in\n%.3000s",
                      samples[i], strbuf_str(&w.metrics));
    w.metric = 50;
    opworld_set_image(&w, "podinfo", "podinfo:3");
    opworld_run_for(&w, 100000);
    ck_assert_ptr_nonnull(
        strstr(strbuf_str(&w.metrics),
               "flagger_canary_failures_total{name=\"podinfo\",namespace=\"test\","
               "deployment_strategy=\"canary\",analysis_status=\"completed\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&w.metrics),
                                 "flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 2\n"));
}
END_TEST

/* ConfigMaps and Secrets: as metadata, and only beside Canaries. */
START_TEST(configs_are_watched_only_where_canaries_are)
{
    static const char begun[] = "\n/api/v1/namespaces/test/configmaps?watch=true",
                      ended[] = "\n- /api/v1/namespaces/test/configmaps?watch=true";

    opworld_apply(&w,
                  "apiVersion: v1\nkind: Namespace\nmetadata: {name: elsewhere}\n---\n"
                  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n");
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_delete_later(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo", 60000);
    opworld_run_for(&w, 90000);
    ck_assert_msg(strstr(strbuf_str(&w.watches), begun) != NULL, "%.2000s", strbuf_str(&w.watches));
    ck_assert_ptr_null(strstr(strbuf_str(&w.watches), "\n/api/v1/configmaps"));
    ck_assert_ptr_null(strstr(strbuf_str(&w.watches), "elsewhere"));
    /* ended with its last Canary, half a minute before the operator ended and the others with it */
    ck_assert_ptr_nonnull(strstr(strbuf_str(&w.watches), ended));
    ck_assert(strstr(strbuf_str(&w.watches), ended) <
              strstr(strbuf_str(&w.watches), "\n- /apis/flagger.app"));
}
END_TEST

START_TEST(a_closed_gate_holds_the_release_until_it_opens)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    w.hooks_allow = false;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 60000);
    ck_assert_str_eq(phase(), "Waiting");
    w.hooks_allow = true;
    opworld_run_for(&w, 200000);
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
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 25000);
    ck_assert_str_eq(phase(), "Progressing");
    command("abort");
    opworld_run_for(&w, 30000);
    ck_assert_str_eq(phase(), "Failed");
    ck_assert(opworld_said(&w, "abort asked for by ann: seen it"));
    ck_assert_ptr_null(json_at(simkube_get(w.k, "flagger.app", "canaries", "test", "podinfo"),
                               "metadata", "annotations", "coalmine.dev/command", NULL));
    command("retry");
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(phase(), "Succeeded");
}
END_TEST

static bool told(const char *text)
{
    return opworld_events_hold(&w, text);
}

START_TEST(a_person_promotes_pauses_and_resumes)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    w.hooks_allow = false; /* the gate stays closed for this release */
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 25000);
    ck_assert_str_eq(phase(), "Waiting");
    command("promote");
    opworld_run_for(&w, 100000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:2");
    ck_assert(told("promote asked for by ann: seen it"));
    w.hooks_allow = true;
    opworld_set_image(&w, "podinfo", "podinfo:3");
    opworld_run_for(&w, 25000);
    ck_assert_str_eq(phase(), "Progressing");
    command("pause");
    opworld_run_for(&w, 300000);
    ck_assert_str_eq(phase(), "Progressing");
    ck_assert(told("pause asked for by ann: seen it"));
    command("resume");
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert_str_eq(image_of("podinfo-primary"), "podinfo:3");
    ck_assert(told("resume asked for by ann: seen it"));
}
END_TEST

START_TEST(a_command_that_is_none_is_said_and_taken_away)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_run_for(&w, 60000);
    command("explode");
    opworld_run_for(&w, 20000);
    ck_assert_str_eq(phase(), "Initialized");
    ck_assert(told("unknown command in annotation coalmine.dev/command"));
    ck_assert_ptr_null(json_at(simkube_get(w.k, "flagger.app", "canaries", "test", "podinfo"),
                               "metadata", "annotations", "coalmine.dev/command", NULL));
}
END_TEST

/* Canaries of their own targets, each with a gate at its own address. */
static void install_gated(const char *name, const char *hook)
{
    char text[2000];

    snprintf(
        text, sizeof(text),
        "apiVersion: apps/v1\n"
        "kind: Deployment\n"
        "metadata: {name: %s, namespace: test}\n"
        "spec:\n"
        "  selector: {matchLabels: {app: %s}}\n"
        "  template:\n"
        "    metadata: {labels: {app: %s}}\n"
        "    spec: {containers: [{name: c, image: \"i:1\"}]}\n"
        "---\n"
        "apiVersion: flagger.app/v1beta1\n"
        "kind: Canary\n"
        "metadata: {name: %s, namespace: test}\n"
        "spec:\n"
        "  provider: kubernetes\n"
        "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}\n"
        "  service: {port: 80}\n"
        "  analysis:\n"
        "    interval: 10s\n"
        "    threshold: 2\n"
        "    iterations: 2\n"
        "    webhooks: [{name: gate, type: confirm-rollout, timeout: 1h, url: \"http://%s/\"}]\n",
        name, name, name, name, name, hook);
    opworld_apply(&w, text);
}

static void release_of(const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/test/deployments/%s", name);
    opworld_patch(&w, path,
                  "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
                  "\"i:2\"}]}}}}");
}

/* More canaries wait for a slow hook than ticks may be at work; the others do not wait for them. */
START_TEST(a_slow_hook_of_one_canary_delays_no_other)
{
    static const char *const slow[] = {"slow-1", "slow-2", "slow-3", "slow-4"};

    w.options.ticks_max = 2;
    w.slow_hook = "hook-slow";
    for (size_t i = 0; i < 4; i++)
        install_gated(slow[i], "hook-slow");
    install_gated("quick", "hook-quick");
    opworld_run_for(&w, 60000);
    w.hook_ms = 3000000;
    for (size_t i = 0; i < 4; i++)
        release_of(slow[i]);
    release_of("quick");
    opworld_run_for(&w, 100000);
    ck_assert_str_eq(opworld_status(&w, "quick", "phase"), "Succeeded");
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(opworld_status(&w, slow[i], "phase"), "Initialized");
}
END_TEST

START_TEST(revert_on_deletion_brings_the_target_back)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_patch(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo",
                  "{\"spec\":{\"revertOnDeletion\":true}}");
    opworld_run_for(&w, 60000);
    ck_assert_int_eq(replicas_of("podinfo"), 0);
    opworld_delete(&w, "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo");
    opworld_run_for(&w, 120000);
    ck_assert(!opworld_has(&w, "flagger.app", "canaries", "podinfo"));
    ck_assert_int_eq(replicas_of("podinfo"), 2);
}
END_TEST

/* ---- judges ------------------------------------------------------------------------------------
 */

/* A Canary whose metric is judged by an annotation; the interval is 10 s. */
static void install_judged(const char *annotations, const char *metric)
{
    char text[4000];

    opworld_apply(&w, opworld_podinfo);
    snprintf(text, sizeof(text),
             "apiVersion: flagger.app/v1beta1\n"
             "kind: MetricTemplate\n"
             "metadata: {name: queue, namespace: test}\n"
             "spec:\n"
             "  provider: {type: prometheus, address: \"http://prometheus\"}\n"
             "  query: avg(queue)\n"
             "---\n"
             "apiVersion: flagger.app/v1beta1\n"
             "kind: Canary\n"
             "metadata: {name: podinfo, namespace: test, annotations: {%s}}\n"
             "spec:\n"
             "  provider: istio\n"
             "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}\n"
             "  service: {port: 80}\n"
             "  analysis:\n"
             "    interval: 10s\n"
             "    threshold: 2\n"
             "    maxWeight: 50\n"
             "    stepWeight: 10\n"
             "    metrics: [%s]\n",
             annotations, metric);
    opworld_apply(&w, text);
}

#define JUDGE "coalmine.dev/judge.request-success-rate: "
#define RATE "{name: request-success-rate, thresholdRange: {min: 99}, interval: 10s}"

static char judged[200];

static bool asked(const char *text)
{
    return strstr(strbuf_str(&w.queries), text) != NULL;
}

/* The same success rate, within its bound: only where the errors fall tells the two apart. */
START_TEST(anytime_judge_is_fed_with_the_counts_of_both_sides)
{
    bool bad = _i == 1;

    install_judged(JUDGE "\"anytime alpha=0.01 min-samples=100\"", RATE);
    opworld_run_for(&w, 60000);
    w.metric = 99.9;
    w.counts[0][0] = 1000;
    w.counts[0][1] = bad ? 9 : 1;
    w.counts[1][0] = 9000;
    w.counts[1][1] = 9;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 300000);
    ck_assert_str_eq(phase(), bad ? "Failed" : "Succeeded");
    ck_assert(opworld_said(&w, "request-success-rate failed its judge at 99.90") == bad);
    /* requests and successes of either side, in the window */
    ck_assert(asked("increase%28+istio_requests_total"));
    ck_assert(asked("destination_workload%3D~%22podinfo%22+%7D%5B10s%5D"));
    ck_assert(asked("destination_workload%3D~%22podinfo-primary%22+%7D%5B10s%5D"));
    ck_assert(asked("destination_workload%3D~%22podinfo-primary%22%2C+response_code%21~%225"));
}
END_TEST

START_TEST(a_judge_waits_for_enough_requests)
{
    install_judged(JUDGE "\"consecutive k=2 min-samples=100\"", RATE);
    opworld_run_for(&w, 60000);
    w.counts[0][0] = 40;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(phase(), "Progressing");
    ck_assert(opworld_said(
        &w, "Wait for more requests before judging request-success-rate of podinfo.test"));
    ck_assert(!asked("podinfo-primary")); /* nobody compares: one query more for each check */
    w.counts[0][0] = 400;
    opworld_run_for(&w, 200000);
    ck_assert_str_eq(phase(), "Succeeded");
}
END_TEST

START_TEST(counts_of_other_metrics_come_from_annotated_queries)
{
    install_judged(
        "coalmine.dev/judge.orders: anytime, "
        "coalmine.dev/judge-requests.orders: \"sum(increase(orders{pod=~'{{ target "
        "}}'}[{{ interval }}]))\", "
        "coalmine.dev/judge-errors.orders: \"sum(increase(orders{side='{{ variables.side "
        "}}',code=~'5..'}[{{ interval }}]))\"",
        "{name: orders, query: up, interval: 10s}");
    opworld_run_for(&w, 60000);
    w.counts[0][0] = 1000;
    w.counts[0][1] = 1;
    w.counts[1][0] = 9000;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 300000);
    ck_assert_str_eq(phase(), "Succeeded");
    ck_assert(asked("pod%3D~%27podinfo%27%7D%5B10s%5D"));
    ck_assert(asked("pod%3D~%27podinfo-primary%27%7D%5B10s%5D"));
    ck_assert(asked("side%3D%27canary%27"));
    ck_assert(asked("side%3D%27primary%27"));
}
END_TEST

START_TEST(mann_whitney_is_fed_with_a_sample_of_each_side_for_each_window)
{
    static const double low[] = {10, 11, 12, 10, 9, 11, 10, 12},
                        high[] = {14, 15, 13, 16, 14, 15, 17, 14};
    bool bad = _i == 1;

    install_judged("coalmine.dev/judge.queue: \"mann-whitney alpha=0.01 tolerance=0.1\"",
                   "{name: queue, query: \"avg(queue{pod=~'{{ target }}-.*'})\", interval: 10s}");
    opworld_run_for(&w, 60000);
    w.sample_count = 8;
    w.canary_samples = bad ? high : low;
    w.primary_samples = low;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_run_for(&w, 300000);
    ck_assert_str_eq(phase(), bad ? "Failed" : "Succeeded");
    ck_assert(opworld_said(&w, "Wait for more requests before judging queue of podinfo.test"));
    ck_assert(opworld_said(&w, "queue failed its judge") == bad);
    ck_assert(
        asked("query_range?query=avg%28queue%7Bpod%3D~%27podinfo-primary-.%2A%27%7D%29&start="));
    ck_assert(asked("&step=10.000"));
}
END_TEST

/* Every twelve seconds another process: what a judge has counted is stored with the status. */
START_TEST(what_a_judge_has_counted_survives_the_process)
{
    static const char *const judges[] = {"consecutive k=4", "k-of-n k=4 n=5",
                                         "anytime alpha=0.0001"};

    snprintf(judged, sizeof judged, JUDGE "\"%s\"", judges[_i]);
    install_judged(judged, RATE);
    opworld_run_for(&w, 60000);
    w.metric = 50;
    w.counts[0][0] = 1000;
    w.counts[0][1] = 5;
    w.counts[1][0] = 9000;
    w.counts[1][1] = 9;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    for (int life = 0; life < 30; life++)
        opworld_run_for(&w, 12000);
    ck_assert_str_eq(phase(), "Failed");
    ck_assert(opworld_said(&w, "Advance podinfo.test canary weight 30"));
    /* the next release begins anew, and the notes of a healthy one are gone when it is through */
    w.metric = 100;
    w.counts[0][1] = 1;
    opworld_set_image(&w, "podinfo", "podinfo:3");
    opworld_run_for(&w, 250000);
    ck_assert_str_eq(phase(), "Succeeded");
}
END_TEST

static const struct {
    const char *annotations, *metric, *event;
} unfed[] = {
    {JUDGE "anytime", "{name: request-success-rate, interval: 1m}",
     "invalid canary spec: .metadata.annotations.coalmine.dev/judge.request-success-rate: anytime "
     "with a window of 1m, longer than the interval of 10s"},
    {"coalmine.dev/judge.queue: anytime", "{name: queue, query: up, interval: 10s}",
     "this judge needs to know how many requests there were"},
    {"coalmine.dev/judge.queue: mann-whitney",
     "{name: queue, templateRef: {name: queue}, interval: 10s}",
     "samples for the judge: the query is the same for canary and primary"},
    {"coalmine.dev/judge.queue: anytime, coalmine.dev/judge-requests.queue: sum(increase(n)), "
     "coalmine.dev/judge-errors.queue: sum(increase(n))",
     "{name: queue, query: up, interval: 10s}",
     "annotation judge-requests: it is the same for canary and primary"},
};
START_TEST(a_judge_that_cannot_be_fed_never_stays_silent)
{
    install_judged(unfed[_i].annotations, unfed[_i].metric);
    opworld_run_for(&w, 60000);
    if (_i >= 2) { /* only its queries tell */
        ck_assert_str_eq(phase(), "Initialized");
        opworld_set_image(&w, "podinfo", "podinfo:2");
        opworld_run_for(&w, 200000);
        ck_assert_str_eq(phase(), "Failed");
    } else {
        ck_assert_str_eq(phase(), "");
    }
    ck_assert_msg(opworld_said(&w, unfed[_i].event), "%s\n%s", unfed[_i].event, strbuf_str(&w.log));
}
END_TEST

START_TEST(a_broken_canary_leaves_the_others_alone)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    opworld_apply(&w, "apiVersion: flagger.app/v1beta1\n"
                      "kind: Canary\n"
                      "metadata: {name: poison, namespace: test}\n"
                      "spec:\n"
                      "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: nobody}\n"
                      "  analysis: {interval: 10s, threshold: 1, iterations: 1, "
                      "sessionAffinity: {cookieName: a, primaryCookieName: a}}\n");
    opworld_run_for(&w, 60000);
    ck_assert_str_eq(phase(), "Initialized");
    ck_assert(opworld_said(&w, "can't use the same cookie name"));
}
END_TEST

START_TEST(dry_run_changes_nothing)
{
    opworld_install(&w, "istio", OPWORLD_STEPS);
    w.options.dry_run = true;
    opworld_run_for(&w, 60000);
    ck_assert_str_eq(phase(), "");
    ck_assert(!opworld_has(&w, "apps", "deployments", "podinfo-primary"));
    ck_assert(!opworld_has(&w, "", "services", "podinfo"));
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
    opworld_install(&w, provider, strategy);
    opworld_run_for(&w, 60000);
    w.metric = metric;
    opworld_set_image(&w, "podinfo", "podinfo:2");
    w.requests = 0;
    w.kill_at = n;
    w.kill_after = after;
    if (opworld_run(&w, w.now_ms + 250000)) {
        w.kill_at = 0;
        opworld_run_for(&w, 250000);
    }
}

static const struct life {
    const char *name, *provider, *strategy;
    double metric;
    const char *phase, *image, *last_words;
} lives[] = {
    {"canary", "istio", OPWORLD_STEPS, 100, "Succeeded", "podinfo:2",
     "Promotion completed! Scaling down podinfo.test"},
    {"blue/green", "kubernetes", OPWORLD_BLUE_GREEN, 100, "Succeeded", "podinfo:2",
     "Promotion completed! Scaling down podinfo.test"},
    {"rollback", "istio", OPWORLD_STEPS, 50, "Failed", "podinfo:1",
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
        ck_assert_msg(opworld_said(&w, l->last_words), "%s killed at request %llu never says so",
                      l->name, (unsigned long long)n);
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
    tcase_add_loop_test(tc, a_release_during_the_first_installation_is_rolled_out, 0, 2);
    tcase_add_test(tc, as_flagger_a_release_during_the_first_installation_is_lost);
    tcase_add_test(tc, a_canary_walks_its_steps_and_is_promoted);
    tcase_add_test(tc, bad_metrics_roll_back);
    tcase_add_loop_test(tc, blue_green_and_ab_are_promoted, 0, 2);
    tcase_add_test(tc, a_changed_config_is_a_release);
    tcase_add_test(tc, metrics_have_flaggers_names_and_labels);
    tcase_add_test(tc, configs_are_watched_only_where_canaries_are);
    tcase_add_test(tc, a_closed_gate_holds_the_release_until_it_opens);
    tcase_add_test(tc, a_person_aborts_and_retries);
    tcase_add_test(tc, a_person_promotes_pauses_and_resumes);
    tcase_add_test(tc, a_command_that_is_none_is_said_and_taken_away);
    tcase_add_test(tc, a_slow_hook_of_one_canary_delays_no_other);
    tcase_add_test(tc, revert_on_deletion_brings_the_target_back);
    tcase_add_loop_test(tc, anytime_judge_is_fed_with_the_counts_of_both_sides, 0, 2);
    tcase_add_test(tc, a_judge_waits_for_enough_requests);
    tcase_add_test(tc, counts_of_other_metrics_come_from_annotated_queries);
    tcase_add_loop_test(tc, mann_whitney_is_fed_with_a_sample_of_each_side_for_each_window, 0, 2);
    tcase_add_loop_test(tc, what_a_judge_has_counted_survives_the_process, 0, 3);
    tcase_add_loop_test(tc, a_judge_that_cannot_be_fed_never_stays_silent, 0,
                        sizeof(unfed) / sizeof(*unfed));
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
