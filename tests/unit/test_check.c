/* The check as a whole: places, suppressions, configuration, baseline, streams, references,
 * formats. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "adapters/check/check.h"

#define CANARY(name, more)                                                                         \
    "apiVersion: flagger.app/v1beta1\n"                                                            \
    "kind: Canary\n"                                                                               \
    "metadata:\n"                                                                                  \
    "  name: " name "\n"                                                                           \
    "spec:\n"                                                                                      \
    "  targetRef:\n"                                                                               \
    "    apiVersion: apps/v1\n"                                                                    \
    "    kind: Deployment\n"                                                                       \
    "    name: " name "\n"                                                                         \
    "  service:\n"                                                                                 \
    "    port: 80\n"                                                                               \
    "  analysis:\n"                                                                                \
    "    interval: 1m\n"                                                                           \
    "    threshold: 5\n"                                                                           \
    "    metrics:\n"                                                                               \
    "      - name: request-success-rate\n"                                                         \
    "        interval: 1m\n"                                                                       \
    "        thresholdRange:\n"                                                                    \
    "          min: 99\n" more
#define STEPS "    stepWeight: 10\n    maxWeight: 50\n"

static struct check *run_with(const struct check_options *options, const char *text)
{
    struct check *c = check_new(options);

    ck_assert(c != NULL);
    ck_assert_int_eq(check_add(c, "a.yaml", text, strlen(text)), 0);
    check_finish(c);
    return c;
}

static struct check *run(const char *text)
{
    return run_with(NULL, text);
}

static const struct finding *only(const struct check *c)
{
    const struct findings *r = check_findings(c);
    struct strbuf b = STRBUF_INIT;

    if (r->count != 1) {
        check_write(c, FORMAT_TEXT, false, &b);
        ck_abort_msg("%zu findings, not 1:\n%s", r->count, strbuf_str(&b));
    }
    return &r->items[0];
}

static void expect_none(const struct check *c)
{
    struct strbuf b = STRBUF_INIT;

    check_write(c, FORMAT_TEXT, false, &b);
    ck_assert_msg(check_findings(c)->count == 0, "%s", strbuf_str(&b));
    strbuf_release(&b);
}

/* ---- places
 * ----------------------------------------------------------------------------------------- */

START_TEST(finding_names_file_line_column_path_and_source)
{
    struct check *c = run(CANARY("app", "    stepWeight: 110\n"));
    const struct finding *f = only(c);

    ck_assert_int_eq(f->rule, CM101);
    ck_assert_str_eq(f->file, "a.yaml");
    ck_assert_uint_eq(f->line, 20);
    ck_assert_uint_eq(f->col, 17);
    ck_assert_uint_eq(f->end_col, 20);
    ck_assert_str_eq(f->path, ".spec.analysis.stepWeight");
    ck_assert_str_eq(f->source, "    stepWeight: 110");
    ck_assert_str_eq(f->what, "110 is more than 100");
    check_free(c);
}
END_TEST

START_TEST(all_findings_of_all_documents_come_in_one_run)
{
    struct check *c =
        run(CANARY("a", "    stepWeight: 110\n") "---\n" CANARY("b", "    stepWieght: 5\n"));
    const struct findings *r = check_findings(c);

    ck_assert_uint_eq(r->count, 3); /* 110; the unknown field; and then there is no step at all */
    ck_assert_uint_eq(r->items[0].line, 20);
    ck_assert_uint_eq(r->items[2].line, 41);
    ck_assert_str_eq(r->items[2].hint, "did you mean 'stepWeight'?");
    check_free(c);
}
END_TEST

START_TEST(text_shows_the_line_with_a_caret)
{
    struct check *c = run(CANARY("app", "    stepWeight: 110\n"));
    struct strbuf b = STRBUF_INIT;

    check_write(c, FORMAT_TEXT, false, &b);
    ck_assert_str_eq(
        strbuf_str(&b),
        "a.yaml:20:17: error: .spec.analysis.stepWeight: 110 is more than 100 [CM101]\n"
        "  20 |     stepWeight: 110\n"
        "     |                 ^~~\n"
        "hint: weights are percentages\n"
        "\n");
    strbuf_release(&b);
    check_free(c);
}
END_TEST

START_TEST(control_characters_of_a_document_do_not_reach_the_terminal)
{
    struct check *c = run(CANARY("app", STEPS "    \"a\\e[31mb\": 1\n"));
    struct strbuf b = STRBUF_INIT;

    ck_assert_int_eq(only(c)->rule, CM002);
    check_write(c, FORMAT_TEXT, false, &b);
    ck_assert_msg(strchr(strbuf_str(&b), 27) == NULL, "%s", strbuf_str(&b));
    strbuf_release(&b);
    check_free(c);
}
END_TEST

START_TEST(items_of_lists_are_checked)
{
    struct check *c = run("apiVersion: v1\nkind: List\nitems:\n  - apiVersion: "
                          "flagger.app/v1beta1\n    kind: Canary\n");

    ck_assert_uint_eq(check_document_count(c), 1);
    ck_assert_uint_gt(check_findings(c)->errors, 0);
    check_free(c);
}
END_TEST

START_TEST(other_kinds_are_counted_and_left_alone)
{
    struct check *c =
        run("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\n" CANARY("app", STEPS));
    struct strbuf b = STRBUF_INIT;

    expect_none(c);
    check_summary(c, &b);
    ck_assert_str_eq(strbuf_str(&b),
                     "no findings in 1 document (1 Canary); 1 skipped (1 ConfigMap)");
    strbuf_release(&b);
    check_free(c);
}
END_TEST

/* ---- streams
 * ---------------------------------------------------------------------------------------- */

START_TEST(lines_are_right_however_a_stream_is_cut)
{
    struct check_options options = {0};
    struct check *c = check_new(&options);
    struct strbuf text = STRBUF_INIT;
    char *bytes;
    FILE *f;
    uint32_t line = 0;

    for (int i = 0; i < 300; i++) { /* several pieces */
        strbuf_addf(&text, "---\n%s",
                    i == 290 ? CANARY("x", "    stepWeight: 110\n") : CANARY("app", STEPS));
        if (i < 290)
            line += 22;
    }
    bytes = strbuf_detach(&text);
    f = fmemopen(bytes, strlen(bytes), "rb");
    ck_assert_int_eq(check_add_stream(c, "-", f), 0);
    fclose(f);
    check_finish(c);
    ck_assert_uint_eq(check_document_count(c), 300);
    for (size_t i = 0; i < check_findings(c)->count; i++)
        if (check_findings(c)->items[i].rule == CM101) {
            ck_assert_uint_eq(check_findings(c)->items[i].line, line + 21);
            ck_assert_str_eq(check_findings(c)->items[i].source, "    stepWeight: 110");
            line = 0;
        }
    ck_assert_uint_eq(line, 0);
    check_free(c);
    free(bytes);
}
END_TEST

START_TEST(a_stream_keeps_at_most_200_bytes_a_document)
{
    struct check *c = check_new(NULL);
    struct strbuf text = STRBUF_INIT;
    char *bytes;
    FILE *f;

    for (int i = 0; i < 2000; i++)
        strbuf_addf(
            &text,
            "---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: "
            "service-%d}\nspec:\n"
            "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: service-%d}\n"
            "  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: "
            "service-%d}\n"
            "  analysis:\n    interval: 1m\n    threshold: 5\n    stepWeight: 10\n    metrics:\n"
            "      - {name: latency, interval: 1m, templateRef: {name: latency}, thresholdRange: "
            "{max: 1}}\n",
            i, i, i);
    bytes = strbuf_detach(&text);
    f = fmemopen(bytes, strlen(bytes), "rb");
    ck_assert_int_eq(check_add_stream(c, "-", f), 0);
    fclose(f);
    ck_assert_uint_le(check_kept_bytes(c), 2000 * 200);
    check_free(c);
    free(bytes);
}
END_TEST

/* ---- scenarios
 * ------------------------------------------------------------------------------------------- */

#define SCENARIO(verb)                                                                             \
    "canary:\n  provider: istio\n"                                                                 \
    "  analysis: {interval: 1m, threshold: 5, maxWeight: 50, stepWeight: 10}\n"                    \
    "timeline:\n- at: 0s\n  " verb ": v2\nexpect: {phase: Succeeded}\n"

START_TEST(a_scenario_is_read_as_a_test_reads_it)
{
    struct check *c = run(SCENARIO("deplyo"));
    const struct finding *f = only(c);

    ck_assert_int_eq(f->rule, CM017);
    ck_assert_uint_eq(f->line, 6);
    ck_assert_str_eq(f->path, ".timeline[0].deplyo");
    ck_assert_str_eq(f->source, "  deplyo: v2");
    ck_assert_str_eq(f->hint, "did you mean deploy?");
    check_free(c);
    c = run(SCENARIO("deploy"));
    expect_none(c);
    check_free(c);
}
END_TEST

START_TEST(a_document_with_one_mark_of_a_scenario_is_left_alone)
{
    struct check *c = run("canary: {enabled: true}\nreplicas: 2\n");

    expect_none(c);
    check_free(c);
}
END_TEST

/* The Canary of the file has rules of its own; the scenario is found in the last piece. */
START_TEST(a_scenario_in_pieces_is_read_as_a_whole)
{
    struct check *c = check_new(NULL);
    struct strbuf text = STRBUF_INIT;
    char *bytes;
    FILE *f;

    for (int i = 0; i < 300; i++)
        strbuf_adds(&text, "---\n" CANARY("podinfo", STEPS));
    strbuf_adds(&text, "---\ntimeline:\n- at: 0s\n  deplyo: v2\nmodel: {requests: 5}\n");
    bytes = strbuf_detach(&text);
    f = fmemopen(bytes, strlen(bytes), "rb");
    ck_assert_int_eq(check_add_stream(c, "a.yaml", f), 0);
    fclose(f);
    check_finish(c);
    for (size_t i = 0; i < check_findings(c)->count; i++)
        if (check_findings(c)->items[i].rule == CM017) {
            ck_assert_str_eq(check_findings(c)->items[i].source, "  deplyo: v2");
            ck_assert_uint_eq(check_findings(c)->items[i].line, 300 * 22 + 4);
            check_free(c);
            free(bytes);
            return;
        }
    ck_abort_msg("the mistake was not found");
}
END_TEST

/* ---- suppressions
 * ----------------------------------------------------------------------------------- */

START_TEST(comment_after_a_value_covers_its_line)
{
    struct check *c =
        run(CANARY("app", "    stepWeight: 110 # coalmine: ignore CM101 just this once\n"));

    expect_none(c);
    ck_assert_uint_eq(check_findings(c)->suppressed, 1);
    check_free(c);
}
END_TEST

START_TEST(comment_on_its_own_line_covers_the_block_below)
{
    struct check *c =
        run(CANARY("app", STEPS "    # coalmine: ignore CM502, CM503 released by hand\n"
                                "    webhooks:\n      - name: gate\n        url: http://gate/\n"
                                "        type: confirm-promotion\n"));

    expect_none(c);
    check_free(c);
}
END_TEST

START_TEST(comment_covers_nothing_behind_its_block)
{
    struct check *c = run(
        CANARY("app", "    # coalmine: ignore CM101 no\n    maxWeight: 50\n    stepWeight: 110\n"));
    const struct findings *r = check_findings(c);

    ck_assert_uint_eq(r->count, 2);
    ck_assert_int_eq(r->items[0].rule, CM015);
    ck_assert_int_eq(r->items[1].rule, CM101);
    check_free(c);
}
END_TEST

START_TEST(ignore_document_covers_one_document)
{
    struct check *c = run("# coalmine: ignore-document CM101 an old one\n" CANARY(
        "a", "    stepWeight: 110\n") "---\n" CANARY("b", "    stepWeight: 110\n"));

    ck_assert_uint_eq(only(c)->line, 42);
    check_free(c);
}
END_TEST

START_TEST(unused_unknown_and_unreasoned_comments_are_reported)
{
    struct check *c = run("# coalmine: ignore CM101 nothing here\n" CANARY(
        "a", "    stepWeight: 110 # coalmine: ignore CM101\n    maxWeight: 50 # coalmine: ignore "
             "CM999 what\n"));
    const struct findings *r = check_findings(c);

    ck_assert_uint_eq(r->count, 3);
    ck_assert_int_eq(r->items[0].rule, CM015);
    ck_assert_int_eq(r->items[1].rule, CM016); /* no reason */
    ck_assert_int_eq(r->items[2].rule, CM016); /* no rule */
    check_free(c);
}
END_TEST

/* ---- configuration and baseline
 * ---------------------------------------------------------------------- */

static struct check *configured(const char *config, const char *text, struct check_config *ret)
{
    struct check *c = check_new(NULL);
    struct check_config unused = {NULL, NULL};

    ck_assert_int_eq(
        check_configure(c, ".coalmine.yaml", config, strlen(config), ret ? ret : &unused), 0);
    ck_assert_int_eq(check_add(c, "deploy/a.yaml", text, strlen(text)), 0);
    check_finish(c);
    return c;
}

START_TEST(configuration_ignores_rules_by_path)
{
    const char *text = CANARY("app", "    stepWeight: 110\n");
    struct check *c =
        configured("ignore: [{id: CM101, paths: [deploy/*.yaml], reason: old}]\n", text, NULL);

    expect_none(c);
    check_free(c);
    c = configured("ignore: [{id: CM101, paths: [other/*.yaml], reason: old}]\n", text, NULL);
    ck_assert_uint_eq(check_findings(c)->count, 2); /* the finding, and the unused entry */
    check_free(c);
}
END_TEST

START_TEST(configuration_changes_severities_and_settings)
{
    struct check_config config = {NULL, NULL};
    struct check *c = configured("severity: {CM101: info}\nfailOn: warning\nexclude: [old/**]\n",
                                 CANARY("app", "    stepWeight: 110\n"), &config);

    ck_assert_int_eq(only(c)->severity, SEVERITY_INFO);
    ck_assert_str_eq(config.fail_on, "warning");
    ck_assert_str_eq(config.exclude[0], "old/**");
    check_free(c);
}
END_TEST

START_TEST(mistakes_in_the_configuration_are_located)
{
    struct check *c = configured("failon: warning\n", CANARY("app", STEPS), NULL);
    const struct finding *f = only(c);

    ck_assert_int_eq(f->rule, CM016);
    ck_assert_str_eq(f->file, ".coalmine.yaml");
    ck_assert_uint_eq(f->line, 1);
    check_free(c);
}
END_TEST

START_TEST(known_findings_do_not_count_and_new_ones_do)
{
    const char *before = CANARY("app", "    stepWeight: 110\n");
    const char *after =
        "# moved down\n" CANARY("app", "    stepWeight: 110\n    canaryReadyThreshold: 200\n");
    struct check *c = run(before);
    struct strbuf json = STRBUF_INIT;

    check_write(c, FORMAT_JSON, false, &json);
    check_free(c);
    c = check_new(NULL);
    ck_assert_int_eq(check_baseline(c, strbuf_str(&json), json.len), 0);
    ck_assert_int_eq(check_add(c, "a.yaml", after, strlen(after)), 0);
    check_finish(c);
    ck_assert_uint_eq(check_findings(c)->known, 1);
    ck_assert_uint_eq(check_findings(c)->errors, 0);
    ck_assert_uint_eq(check_findings(c)->warnings, 1);
    check_free(c);
    c = check_new(NULL);
    ck_assert_int_ne(check_baseline(c, "[]", 2), 0);
    check_free(c);
    strbuf_release(&json);
}
END_TEST

/* ---- options
 * ------------------------------------------------------------------------------------------ */

START_TEST(blocked_references_across_namespaces_are_errors)
{
    struct check_options options = {.cross_refs_blocked = true};
    struct check *c = run_with(
        &options, CANARY("app", STEPS "    alerts:\n      - name: a\n        severity: info\n"
                                      "        providerRef: {name: chat, namespace: other}\n"));

    ck_assert_int_eq(only(c)->rule, CM707);
    ck_assert_int_eq(only(c)->severity, SEVERITY_ERROR);
    check_free(c);
}
END_TEST

START_TEST(in_a_whole_cluster_missing_references_are_errors)
{
    struct check_options options = {.whole_cluster = true};
    struct check *c = run_with(&options, CANARY("app", STEPS));

    ck_assert_int_eq(only(c)->rule, CM701);
    ck_assert_int_eq(only(c)->severity, SEVERITY_ERROR);
    check_free(c);
}
END_TEST

START_TEST(an_ingress_must_lead_to_the_service_of_the_canary)
{
    static const char ingress[] =
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec:\n  rules:\n"
        "    - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: "
        "{number: 80}}}}]}\n---\n"
        "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: app}\nspec:\n  provider: "
        "nginx\n"
        "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}\n"
        "  ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: web}\n"
        "  service: {port: 80}\n"
        "  analysis: {interval: 1m, threshold: 5, stepWeight: 50, metrics: [{name: "
        "request-success-rate, thresholdRange: {min: 99}}]}\n";
    char text[2048];
    struct check *c;

    snprintf(text, sizeof text, ingress, "app");
    c = run(text);
    expect_none(c);
    check_free(c);
    snprintf(text, sizeof text, ingress, "application");
    c = run(text);
    ck_assert_int_eq(only(c)->rule, CM702);
    ck_assert_str_eq(only(c)->what, "no path of Ingress web leads to Service app");
    check_free(c);
}
END_TEST

START_TEST(a_service_named_like_a_generated_one_is_found)
{
    struct check *c = run(
        "apiVersion: v1\nkind: Service\nmetadata: {name: app-primary}\n---\n" CANARY("app", STEPS));

    ck_assert_int_eq(only(c)->rule, CM709);
    ck_assert_uint_eq(only(c)->line, 3);
    check_free(c);
}
END_TEST

START_TEST(a_gateway_gives_the_provider_away)
{
    struct check_options told = {.provider = "traefik"};
    const char *text = "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: a}\nspec:\n"
                       "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: a}\n"
                       "  service: {port: 80, gatewayRefs: [{name: gateway}]}\n"
                       "  analysis: {interval: 1m, threshold: 5, stepWeight: 50, metrics: [{name: "
                       "request-success-rate, thresholdRange: {min: 99}}]}\n";
    struct check *c = run(text);

    expect_none(c);
    check_free(c);
    c = run_with(&told, text);
    ck_assert_int_eq(only(c)->rule, CM611);
    check_free(c);
}
END_TEST

/* ---- formats
 * ------------------------------------------------------------------------------------------ */

static struct check *sample(void)
{
    return run(CANARY("a\"<&", "    stepWeight: 110\n    webhooks: [{name: g, type: "
                               "confirm-rollout, url: 'http://g/'}]\n"));
}

START_TEST(json_carries_every_field)
{
    struct check *c = sample();
    struct strbuf b = STRBUF_INIT;
    cJSON *root, *first;

    check_write(c, FORMAT_JSON, false, &b);
    root = json_parse(strbuf_str(&b), b.len, NULL);
    ck_assert_msg(root != NULL, "%s", strbuf_str(&b));
    ck_assert_uint_eq((size_t)cJSON_GetArraySize(json_get(root, "findings")),
                      check_findings(c)->count);
    first = json_get(root, "findings")->child;
    ck_assert_str_eq(json_str(first, "file"), "a.yaml");
    ck_assert_int_eq(json_int(first, "line", 0), 4);
    ck_assert_int_eq(json_int(first, "col", 0), 9);
    ck_assert_str_eq(json_str(first, "severity"), "error");
    ck_assert_str_eq(json_str(first, "id"), "CM012");
    ck_assert_str_eq(json_str(first, "group"), "schema");
    ck_assert_str_eq(json_str(first, "path"), ".metadata.name");
    ck_assert(json_str(first, "message") != NULL && json_str(first, "hint") != NULL);
    json_free(root);
    strbuf_release(&b);
    check_free(c);
}
END_TEST

START_TEST(sarif_has_a_rule_and_a_region_for_each_result)
{
    struct check *c = sample();
    struct strbuf b = STRBUF_INIT;
    cJSON *root, *one;

    check_write(c, FORMAT_SARIF, false, &b);
    root = json_parse(strbuf_str(&b), b.len, NULL);
    ck_assert_msg(root != NULL, "%s", strbuf_str(&b));
    ck_assert_str_eq(json_str(root, "version"), "2.1.0");
    one = json_get(root, "runs")->child;
    for (cJSON *r = json_get(one, "results")->child; r; r = r->next) {
        cJSON *rule = cJSON_GetArrayItem(json_at(one, "tool", "driver", "rules", NULL),
                                         (int)json_int(r, "ruleIndex", -1));
        cJSON *place = json_get(r, "locations")->child;

        ck_assert_str_eq(json_str(rule, "id"), json_str(r, "ruleId"));
        ck_assert_int_gt(
            json_int(json_at(place, "physicalLocation", "region", NULL), "startLine", 0), 0);
    }
    json_free(root);
    strbuf_release(&b);
    check_free(c);
}
END_TEST

START_TEST(junit_escapes_and_counts)
{
    struct check *c = sample();
    struct strbuf b = STRBUF_INIT;

    check_write(c, FORMAT_JUNIT, false, &b);
    ck_assert(strstr(strbuf_str(&b), "<testsuites tests=\"3\" failures=\"2\">") != NULL);
    ck_assert(strstr(strbuf_str(&b), "&quot;&lt;&amp;") != NULL);
    ck_assert(strstr(strbuf_str(&b), "<skipped") != NULL);
    strbuf_release(&b);
    check_free(c);
}
END_TEST

START_TEST(tap_has_a_plan_and_one_line_for_each_finding)
{
    struct check *c = sample();
    struct strbuf b = STRBUF_INIT;

    check_write(c, FORMAT_TAP, false, &b);
    ck_assert(strstr(strbuf_str(&b), "TAP version 13\n1..3\nnot ok 1 - a.yaml:4:9 CM012 ") ==
              strbuf_str(&b));
    ck_assert(strstr(strbuf_str(&b), "\nok 3 - ") != NULL);
    strbuf_release(&b);
    check_free(c);
}
END_TEST

START_TEST(github_escapes_its_commands)
{
    struct check *c = run(CANARY("app", "    stepWeight: 110\n"));
    struct strbuf b = STRBUF_INIT;

    check_write(c, FORMAT_GITHUB, false, &b);
    ck_assert_str_eq(
        strbuf_str(&b),
        "::error file=a.yaml,line=20,col=17,title=CM101 stepWeight above 100::"
        ".spec.analysis.stepWeight: 110 is more than 100%0Ahint: weights are percentages\n");
    strbuf_release(&b);
    check_free(c);
}
END_TEST

START_TEST(editors_get_a_schema_of_each_kind)
{
    static const char *const kinds[] = {"canary", "metrictemplate", "alertprovider"};
    struct strbuf b = STRBUF_INIT;

    for (size_t i = 0; i < 3; i++) {
        cJSON *root;

        strbuf_clear(&b);
        ck_assert_int_eq(check_json_schema(kinds[i], &b), 0);
        root = json_parse(strbuf_str(&b), b.len, NULL);
        ck_assert(root != NULL);
        ck_assert(json_at(root, "properties", "spec", "properties", NULL) != NULL);
        ck_assert(strstr(strbuf_str(&b), "x-kubernetes") == NULL);
        json_free(root);
    }
    ck_assert_int_ne(check_json_schema("service", &b), 0);
    strbuf_release(&b);
}
END_TEST

static const struct {
    const char *pattern, *path;
    bool wanted;
} globs[] = {
    {"*.yaml", "deploy/a.yaml", true},           {"deploy/*.yaml", "deploy/a.yaml", true},
    {"deploy/*.yaml", "deploy/x/a.yaml", false}, {"deploy/**", "deploy/x/a.yaml", true},
    {"**/a.yaml", "deploy/x/a.yaml", true},      {"**/a.yaml", "a.yaml", true},
    {"?.yaml", "deploy/ab.yaml", false},         {"deploy", "deploy/a.yaml", false},
    {"./deploy/*", "deploy/a.yaml", true},
};

START_TEST(globs_match_as_in_gitignore)
{
    ck_assert_msg(check_glob(globs[_i].pattern, globs[_i].path) == globs[_i].wanted, "%s on %s",
                  globs[_i].pattern, globs[_i].path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("check");
    TCase *tc = tcase_create("check");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, finding_names_file_line_column_path_and_source);
    tcase_add_test(tc, all_findings_of_all_documents_come_in_one_run);
    tcase_add_test(tc, text_shows_the_line_with_a_caret);
    tcase_add_test(tc, control_characters_of_a_document_do_not_reach_the_terminal);
    tcase_add_test(tc, items_of_lists_are_checked);
    tcase_add_test(tc, other_kinds_are_counted_and_left_alone);
    tcase_add_test(tc, lines_are_right_however_a_stream_is_cut);
    tcase_add_test(tc, a_stream_keeps_at_most_200_bytes_a_document);
    tcase_add_test(tc, a_scenario_is_read_as_a_test_reads_it);
    tcase_add_test(tc, a_document_with_one_mark_of_a_scenario_is_left_alone);
    tcase_add_test(tc, a_scenario_in_pieces_is_read_as_a_whole);
    tcase_add_test(tc, comment_after_a_value_covers_its_line);
    tcase_add_test(tc, comment_on_its_own_line_covers_the_block_below);
    tcase_add_test(tc, comment_covers_nothing_behind_its_block);
    tcase_add_test(tc, ignore_document_covers_one_document);
    tcase_add_test(tc, unused_unknown_and_unreasoned_comments_are_reported);
    tcase_add_test(tc, configuration_ignores_rules_by_path);
    tcase_add_test(tc, configuration_changes_severities_and_settings);
    tcase_add_test(tc, mistakes_in_the_configuration_are_located);
    tcase_add_test(tc, known_findings_do_not_count_and_new_ones_do);
    tcase_add_test(tc, blocked_references_across_namespaces_are_errors);
    tcase_add_test(tc, in_a_whole_cluster_missing_references_are_errors);
    tcase_add_test(tc, an_ingress_must_lead_to_the_service_of_the_canary);
    tcase_add_test(tc, a_service_named_like_a_generated_one_is_found);
    tcase_add_test(tc, a_gateway_gives_the_provider_away);
    tcase_add_test(tc, json_carries_every_field);
    tcase_add_test(tc, sarif_has_a_rule_and_a_region_for_each_result);
    tcase_add_test(tc, junit_escapes_and_counts);
    tcase_add_test(tc, tap_has_a_plan_and_one_line_for_each_finding);
    tcase_add_test(tc, github_escapes_its_commands);
    tcase_add_test(tc, editors_get_a_schema_of_each_kind);
    tcase_add_loop_test(tc, globs_match_as_in_gitignore, 0, sizeof globs / sizeof *globs);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_set_fork_status(sr, CK_NOFORK);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
