/* adapters/manifest/canary: defaults, clamps and aliases of the operator, and every mistake at once
 */
#include "adapters/manifest/canary.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct arena *arena;
static struct diags diags;
static struct canary canary;
static struct documents docs;

static void setup(void)
{
    arena = arena_new(0);
    diags_init(&diags, arena);
}

static void teardown(void)
{
    diags_release(&diags);
    arena_free(arena);
}

static const struct document *parse(const char *source)
{
    ck_assert_int_eq(node_parse_all(arena, &diags, "c.yaml", source, strlen(source), NULL, &docs),
                     0);
    return &docs.items[0];
}

static int decode_with(const char *source, const struct canary_options *options)
{
    return canary_decode(arena, &diags, parse(source), options, &canary);
}

#define HEAD                                                                                       \
    "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: web, namespace: prod}\n"
#define TARGET "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n"

/* A spec out of the lines of its body. */
static const struct spec *decode(const char *body)
{
    const struct canary_options options = {.deviations = 0};
    const char *source = arena_printf(arena, HEAD "spec:\n" TARGET "%s", body);

    if (decode_with(source, &options) != 0)
        ck_abort_msg("%u:%u %s", diags.items[0].line, diags.items[0].col, diags.items[0].what);
    return &canary.spec;
}

/* The findings of a document, one a line. */
static const char *findings(const char *source)
{
    const struct canary_options options = {.deviations = 0};
    struct strbuf b = STRBUF_INIT;
    const char *text;
    int err = decode_with(source, &options);

    ck_assert_int_eq(err, diags.errors ? -EINVAL : 0);
    diags_sort(&diags);
    for (size_t i = 0; i < diags.count; i++)
        strbuf_addf(&b, "%u:%u %s: %s%s%s\n", diags.items[i].line, diags.items[i].col,
                    diags.items[i].path, diags.items[i].what, diags.items[i].hint ? "; " : "",
                    diags.items[i].hint ? diags.items[i].hint : "");
    text = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return text;
}

START_TEST(an_empty_spec_has_the_operators_defaults)
{
    const struct spec *s = decode("  analysis: {}\n");

    ck_assert_str_eq(s->name, "web");
    ck_assert_str_eq(s->ns, "prod");
    ck_assert_str_eq(s->provider, "istio");
    ck_assert_str_eq(s->metrics_provider, "istio");
    ck_assert_int_eq(s->progress_deadline_s, 600);
    ck_assert(!s->skip_analysis && !s->suspend && !s->revert_on_deletion);
    ck_assert(s->tracks_configs && !s->has_autoscaler);
    ck_assert_int_eq(s->analysis.interval_ms, 60000);
    ck_assert_int_eq(s->analysis.threshold, 1);
    ck_assert_int_eq(spec_max_weight(s), 100);
    ck_assert_int_eq(s->analysis.primary_ready_threshold, 100);
    ck_assert_int_eq(s->analysis.canary_ready_threshold, 100);
    ck_assert_int_eq(spec_strategy(s), STRATEGY_CANARY);
}
END_TEST

static const struct {
    const char *written;
    ms_t effective_ms;
} intervals[] = {
    {"1m", 60000}, {"10s", 10000},      {"9s", 10000},   {"0s", 10000}, {"-5m", 10000},
    {"0", 10000},  {"1h2m3s", 3723000}, {"1.5m", 90000}, {"''", 60000}, {"30s30s", 60000},
};

START_TEST(intervals_are_clamped_to_ten_seconds)
{
    const char *body = arena_printf(arena, "  analysis: {interval: %s}\n", intervals[_i].written);

    if (strcmp(intervals[_i].written, "0") == 0) /* a number, not a text */
        body = "  analysis: {interval: '0'}\n";
    ck_assert_int_eq(decode(body)->analysis.interval_ms, intervals[_i].effective_ms);
}
END_TEST

START_TEST(thresholds_below_one_are_one)
{
    ck_assert_int_eq(decode("  analysis: {threshold: 0}\n")->analysis.threshold, 1);
    ck_assert_int_eq(decode("  analysis: {threshold: -7}\n")->analysis.threshold, 1);
    ck_assert_int_eq(decode("  analysis: {threshold: 7}\n")->analysis.threshold, 7);
}
END_TEST

START_TEST(the_alias_counts_only_without_analysis)
{
    ck_assert_int_eq(decode("  canaryAnalysis: {threshold: 3}\n")->analysis.threshold, 3);
    ck_assert_int_eq(decode("  canaryAnalysis: {threshold: 3}\n  analysis: {threshold: 4}\n")
                         ->analysis.threshold,
                     4);
}
END_TEST

START_TEST(without_analysis_it_is_skipped)
{
    ck_assert(decode("")->skip_analysis);
    ck_assert(!canary.spec.analysis.present);
    ck_assert(decode("  skipAnalysis: yes\n  analysis: {}\n")->skip_analysis);
}
END_TEST

START_TEST(whole_floats_are_integers_as_they_are_to_kubectl)
{
    const struct spec *s =
        decode("  progressDeadlineSeconds: 1e3\n  analysis: {maxWeight: 50.0}\n");

    ck_assert_int_eq(s->progress_deadline_s, 1000);
    ck_assert_int_eq(s->analysis.max_weight, 50);
}
END_TEST

START_TEST(metrics_hooks_and_alerts_get_their_defaults)
{
    const struct spec *s = decode(
        "  analysis:\n"
        "    stepWeights: [1, 10, 80]\n"
        "    metrics:\n"
        "    - {name: request-success-rate, thresholdRange: {min: 99}}\n"
        "    - {name: mine, templateRef: {name: t}, templateVariables: {b: '2', a: '1'}}\n"
        "    - {name: old, query: up, threshold: 99.5, interval: 30s}\n"
        "    webhooks:\n"
        "    - {name: load, url: http://x, metadata: {z: '1', a: '2'}}\n"
        "    - {name: gate, url: http://y, type: confirm-promotion, timeout: 15s, retries: 2}\n"
        "    alerts:\n"
        "    - {name: a, providerRef: {name: slack}}\n"
        "    - {name: b, severity: warn, providerRef: {name: slack, namespace: ops}}\n");
    const struct metric_spec *m = s->analysis.metrics;
    const struct hook_spec *h = s->analysis.hooks;
    const struct alert_spec *a = s->analysis.alerts;

    ck_assert_uint_eq(s->analysis.step_weight_count, 3);
    ck_assert_int_eq(spec_max_weight(s), 80);
    ck_assert_uint_eq(s->analysis.metric_count, 3);
    ck_assert_str_eq(m[0].interval, "1m");
    ck_assert(m[0].has_range && m[0].range.has_min && !m[0].range.has_max);
    ck_assert_str_eq(m[1].interval, ""); /* as the operator: a template gets no default window */
    ck_assert_str_eq(m[1].template_namespace, "prod");
    ck_assert_str_eq(m[1].variables[0].name, "a");
    ck_assert_str_eq(m[1].variables[1].value, "2");
    ck_assert(m[2].threshold == 99.5 && !m[2].has_range);
    ck_assert_uint_eq(s->analysis.hook_count, 2);
    ck_assert_int_eq(h[0].type, HOOK_ROLLOUT);
    ck_assert_str_eq(h[0].timeout, "");
    ck_assert_str_eq(h[0].metadata[0].name, "a");
    ck_assert_int_eq(h[1].type, HOOK_CONFIRM_PROMOTION);
    ck_assert_int_eq(h[1].retries, 2);
    ck_assert(!a[0].has_severity);
    ck_assert_str_eq(a[0].provider_namespace, "prod");
    ck_assert(a[1].has_severity && a[1].severity == ALERT_WARN);
    ck_assert_str_eq(a[1].provider_namespace, "ops");
}
END_TEST

START_TEST(targets_decide_what_is_tracked)
{
    const struct canary_options options = {.mesh_provider = "linkerd"};

    ck_assert_int_eq(decode_with(HEAD "spec:\n  targetRef: {kind: Service, name: web}\n", &options),
                     0);
    ck_assert_int_eq(canary.spec.target_kind, TARGET_SERVICE);
    ck_assert(!canary.spec.tracks_configs);
    ck_assert_str_eq(canary.spec.metrics_provider, "linkerd:service");
    ck_assert_int_eq(decode_with(HEAD
                                 "spec:\n  provider: appmesh:v1beta2\n  targetRef: {kind: Service, "
                                 "name: web, apiVersion: serving.knative.dev/v1}\n",
                                 &options),
                     0);
    ck_assert_int_eq(canary.spec.target_kind, TARGET_KNATIVE);
    ck_assert(canary.spec.provider_is_appmesh);
    ck_assert_str_eq(canary.spec.provider, "appmesh:v1beta2");
}
END_TEST

START_TEST(all_mistakes_are_reported_at_once)
{
    static const char source[] =
        HEAD "spec:\n"
             "  targetRef: {kind: Deploymint, nam: web}\n"
             "  progressDeadlineSeconds: \"60\"\n"
             "  service: {prot: 80, port: http}\n"
             "  analysis:\n"
             "    interval: 10\n"
             "    stepWieght: 5\n"
             "    maxWeight: 9999999999\n"
             "    metrics:\n"
             "    - {name: m, interval: 2d, thresholdRange: {mim: 1}}\n"
             "    webhooks:\n"
             "    - {name: w, type: confirm-promotoin, url: 8080, metadata: {k: 5}}\n"
             "    alerts:\n"
             "    - {name: a, severity: warning}\n"
             "    sessionAffinity: {cookie: x}\n";
    static const char want[] =
        "5:14 .spec.targetRef: name is required\n"
        "5:21 .spec.targetRef.kind: \"Deploymint\" is no target kind; did you mean Deployment?\n"
        "5:33 .spec.targetRef.nam: unknown field; did you mean name?\n"
        "6:28 .spec.progressDeadlineSeconds: \"60\" is not an integer; remove the quotes\n"
        "7:13 .spec.service.prot: unknown field; did you mean port?\n"
        "7:29 .spec.service.port: \"http\" is not an integer\n"
        "9:15 .spec.analysis.interval: 10 is not a string; YAML reads it as an integer; put it in "
        "quotes\n"
        "10:5 .spec.analysis.stepWieght: unknown field; did you mean stepWeight?\n"
        "11:16 .spec.analysis.maxWeight: 9999999999 is not within 32 bits\n"
        "13:27 .spec.analysis.metrics[0].interval: time: unknown unit \"d\" in duration \"2d\"; a "
        "duration such as 30s, 1m or 1m30s\n"
        "13:48 .spec.analysis.metrics[0].thresholdRange.mim: unknown field; did you mean min?\n"
        "15:23 .spec.analysis.webhooks[0].type: \"confirm-promotoin\" is no webhook type; did you "
        "mean confirm-promotion?\n"
        "15:47 .spec.analysis.webhooks[0].url: 8080 is not a string; YAML reads it as an integer; "
        "put "
        "it in quotes\n"
        "15:67 .spec.analysis.webhooks[0].metadata.k: 5 is not a string; YAML reads it as an "
        "integer; put it in quotes\n"
        "17:7 .spec.analysis.alerts[0]: providerRef is required\n"
        "17:27 .spec.analysis.alerts[0].severity: \"warning\" is no alert severity; did you mean "
        "warn?\n"
        "18:22 .spec.analysis.sessionAffinity: cookieName is required\n"
        "18:23 .spec.analysis.sessionAffinity.cookie: unknown field; one of: cookieName, domain, "
        "httpOnly, maxAge, partitioned, path, primaryCookieName, sameSite, secure\n";
    const char *got = findings(source);

    ck_assert_msg(strcmp(got, want) == 0, "got:\n%s", got);
}
END_TEST

START_TEST(api_objects_may_hold_unknown_fields)
{
    const char *text =
        "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":"
        "\"web\",\"namespace\":\"prod\"},\"spec\":{\"targetRef\":{\"kind\":\"DaemonSet\","
        "\"name\":\"web\",\"x\":1},\"new\":[],\"analysis\":{\"interval\":\"30s\",\"iterations\":"
        "10,\"match\":[{}],\"odd\":\"a\x7f\"}},\"status\":{}}";
    const struct canary_options strict = {.lenient = false}, lenient = {.lenient = true};
    cJSON *object = json_parse(text, strlen(text), NULL);

    ck_assert_ptr_nonnull(object);
    ck_assert_int_eq(canary_decode_json(arena, &diags, "web.prod", object, &strict, &canary),
                     -EINVAL);
    ck_assert_uint_eq(diags.errors, 3);
    ck_assert_int_eq(canary_decode_json(arena, &diags, "web.prod", object, &lenient, &canary), 0);
    json_free(object);
    ck_assert_int_eq(canary.spec.target_kind, TARGET_DAEMONSET);
    ck_assert_int_eq(canary.spec.analysis.interval_ms, 30000);
    ck_assert_int_eq(spec_strategy(&canary.spec), STRATEGY_AB);
}
END_TEST

/* The API server lets `10minutes` pass; Flagger then ticks every minute and fails the hook's call.
 */
START_TEST(api_objects_may_hold_durations_that_nobody_can_read)
{
    const char *text =
        "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":"
        "\"web\",\"namespace\":\"prod\"},\"spec\":{\"targetRef\":{\"kind\":\"Deployment\","
        "\"name\":\"web\"},\"analysis\":{\"interval\":\"10minutes\",\"threshold\":1,\"iterations\":"
        "10,\"metrics\":[{\"name\":\"request-duration\",\"interval\":\"1m30\"}],\"webhooks\":["
        "{\"name\":\"h\",\"url\":\"http://h\",\"timeout\":\"5x\"}]}}}";
    const struct canary_options strict = {.lenient = false}, lenient = {.lenient = true};
    cJSON *object = json_parse(text, strlen(text), NULL);

    ck_assert_ptr_nonnull(object);
    ck_assert_int_eq(canary_decode_json(arena, &diags, "web.prod", object, &strict, &canary),
                     -EINVAL);
    ck_assert_uint_eq(diags.errors, 3);
    ck_assert_int_eq(canary_decode_json(arena, &diags, "web.prod", object, &lenient, &canary), 0);
    json_free(object);
    ck_assert_int_eq(canary.spec.analysis.interval_ms, 60000);
    ck_assert_str_eq(canary.spec.analysis.metrics[0].interval, "1m30");
    ck_assert_str_eq(canary.spec.analysis.hooks[0].timeout, "5x");
}
END_TEST

START_TEST(documents_that_are_no_canary_are_refused_whole)
{
    ck_assert_str_eq(findings("- a\n"), "1:1 .: a list is not a map\n");
    diags_release(&diags);
    diags_init(&diags, arena);
    ck_assert_str_eq(findings("kind: Canary\nspec:\n"),
                     "1:1 .: metadata.name is required\n1:1 .: spec is required\n");
}
END_TEST

START_TEST(templates_and_providers_are_read)
{
    struct metric_template t;
    struct alert_provider p;

    ck_assert_int_eq(
        metric_template_decode(
            arena, &diags,
            parse("metadata: {name: t}\nspec:\n  provider: {type: prometheus, address: http://p, "
                  "headers: {X: [a, b]}, secretRef: {name: s}}\n  query: up\n"),
            &t),
        0);
    ck_assert_str_eq(t.ns, "default");
    ck_assert_str_eq(t.provider_type, "prometheus");
    ck_assert_uint_eq(t.header_count, 2);
    ck_assert_str_eq(t.headers[1].value, "b");
    ck_assert_str_eq(t.secret_name, "s");
    ck_assert_int_eq(
        alert_provider_decode(arena, &diags,
                              parse("metadata: {name: a}\nspec: {type: slack, adress: x}\n"), &p),
        -EINVAL);
    ck_assert_str_eq(diags.items[0].path, ".spec.adress");
    ck_assert_str_eq(diags.items[0].hint, "did you mean address?");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("canary_decode");
    TCase *tc = tcase_create("canary_decode");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_empty_spec_has_the_operators_defaults);
    tcase_add_loop_test(tc, intervals_are_clamped_to_ten_seconds, 0,
                        (int)(sizeof intervals / sizeof intervals[0]));
    tcase_add_test(tc, thresholds_below_one_are_one);
    tcase_add_test(tc, the_alias_counts_only_without_analysis);
    tcase_add_test(tc, without_analysis_it_is_skipped);
    tcase_add_test(tc, whole_floats_are_integers_as_they_are_to_kubectl);
    tcase_add_test(tc, metrics_hooks_and_alerts_get_their_defaults);
    tcase_add_test(tc, targets_decide_what_is_tracked);
    tcase_add_test(tc, all_mistakes_are_reported_at_once);
    tcase_add_test(tc, api_objects_may_hold_unknown_fields);
    tcase_add_test(tc, api_objects_may_hold_durations_that_nobody_can_read);
    tcase_add_test(tc, documents_that_are_no_canary_are_refused_whole);
    tcase_add_test(tc, templates_and_providers_are_read);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
