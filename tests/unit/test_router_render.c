/*
 * The renderer: its objects are those that Flagger 1.44 created in a real cluster for 25 Canaries
 * (tests/conformance/render-cluster.jsonl), and its steps are those of the rollout.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/yaml_out.h"
#include "adapters/router/render.h"

#define RECORD "tests/conformance/render-cluster.jsonl"

/* What may differ: the uid, and values that are absent or empty. */
static void normalise(cJSON *object)
{
    cJSON *owners = json_at(object, "metadata", "ownerReferences", NULL);

    if (owners != NULL)
        json_remove(owners->child, "uid");
}

static cJSON *render(const cJSON *line, enum render_at at, int64_t number)
{
    struct render_request q = {
        .canary = json_get(line, "canary"),
        .objects = json_get(line, "objects"),
        .at = at,
        .number = number,
        .quirks = ROUTER_QUIRKS_FLAGGER,
    };
    struct strbuf error = STRBUF_INIT;
    cJSON *list = NULL;
    int code = render_objects(&q, &list, &error);

    ck_assert_msg(code == 0, "%s: %s", json_str(line, "case"), strbuf_str(&error));
    strbuf_release(&error);
    return list;
}

static void compare(const cJSON *line)
{
    const cJSON *want = json_get(line, "creates")->child;
    cJSON *list = render(line, RENDER_AT_REST, 0);

    for (cJSON *got = list->child; got != NULL; got = got->next, want = want->next) {
        char *got_text, *want_text;

        ck_assert_msg(want != NULL, "%s: one object too many", json_str(line, "case"));
        normalise(got);
        got_text = json_print_sorted(got);
        want_text = json_print_sorted(want);
        ck_assert_msg(strcmp(got_text, want_text) == 0, "%s\nwant %s\ngot  %s",
                      json_str(line, "case"), want_text, got_text);
        free(got_text);
        free(want_text);
    }
    ck_assert_msg(want == NULL, "%s: an object is missing", json_str(line, "case"));
    json_free(list);
}

START_TEST(first_objects_are_those_of_a_real_cluster)
{
    FILE *file = fopen(RECORD, "rb");
    char *text = malloc(1 << 20);
    unsigned count = 0;

    ck_assert_msg(file != NULL && text != NULL, "cannot read " RECORD);
    while (fgets(text, 1 << 20, file) != NULL) {
        cJSON *line = json_parse(text, strlen(text), NULL);

        ck_assert_ptr_nonnull(line);
        compare(line);
        json_free(line);
        count++;
    }
    fclose(file);
    free(text);
    ck_assert_uint_eq(count, 25);
}
END_TEST

static const struct step_case {
    const char *analysis, *provider;
    int64_t step;
    int code;
    int64_t canary, last;
    bool mirror;
} step_cases[] = {
    {"{\"stepWeight\":20,\"maxWeight\":50}", "istio", 3, 0, 60, 3, false},
    {"{\"stepWeight\":20,\"maxWeight\":50}", "istio", 4, -ERANGE, 0, 3, false},
    {"{\"stepWeight\":30,\"maxWeight\":100}", "istio", 4, 0, 100, 4, false},
    {"{\"stepWeights\":[1,2,10,80]}", "istio", 3, 0, 10, 4, false},
    {"{\"stepWeights\":[10,50,20]}", "istio", 2, 0, 50, 2, false},
    {"{\"stepWeight\":10,\"maxWeight\":20,\"mirror\":true}", "istio", 1, 0, 0, 3, true},
    {"{\"stepWeight\":10,\"maxWeight\":20,\"mirror\":true}", "istio", 2, 0, 10, 3, false},
    {"{\"iterations\":3,\"match\":[{\"headers\":{\"x\":{\"exact\":\"1\"}}}]}", "istio", 3, 0, 100,
     3, false},
    {"{\"iterations\":3}", "istio", 1, 0, 0, 4, false},
    {"{\"iterations\":3,\"mirror\":true}", "istio", 2, 0, 0, 4, true},
    {"{\"iterations\":3}", "istio", 4, 0, 100, 4, false},
    {"{\"stepWeight\":10}", "kubernetes", 10, 0, 100, 10, false},
    {"{}", "istio", 1, -ERANGE, 0, 0, false},
};

START_TEST(steps_are_those_of_a_clean_rollout)
{
    const struct step_case *c = &step_cases[_i];
    cJSON *analysis = json_parse(c->analysis, strlen(c->analysis), NULL),
          *canary = cJSON_CreateObject();
    struct routing routing = {-1, -1, false};
    int64_t last = -1;

    json_set(json_child_object(canary, "spec"), "analysis", analysis);
    ck_assert_int_eq(render_step(canary, c->provider, c->step, &routing, &last), c->code);
    ck_assert_int_eq(last, c->last);
    if (c->code == 0) {
        ck_assert_int_eq(routing.canary, c->canary);
        ck_assert_int_eq(routing.primary, 100 - c->canary);
        ck_assert(routing.mirror == c->mirror);
    }
    json_free(canary);
}
END_TEST

static const struct text_case {
    const char *text, *want;
} text_cases[] = {
    {"", "\"\""},
    {"/", "/"},
    {"*", "'*'"},
    {"true", "\"true\""},
    {"No", "\"No\""},
    {"~", "\"~\""},
    {"100", "\"100\""},
    {"-1.5e3", "\"-1.5e3\""},
    {"0x1F", "\"0x1F\""},
    {"1:30", "\"1:30\""},
    {"2024-01-02", "\"2024-01-02\""},
    {"1m", "1m"},
    {"v1.2.3", "v1.2.3"},
    {"a: b", "'a: b'"},
    {"a #b", "'a #b'"},
    {"it's", "it's"},
    {"{\"a\":1}", "'{\"a\":1}'"},
    {"- x", "'- x'"},
    {"-x", "-x"},
    {".*a.*", ".*a.*"},
    {" lead", "' lead'"},
    {"tab\there", "\"tab\\there\""},
    {"Weight(100) && Method(\"GET\")", "Weight(100) && Method(\"GET\")"},
};

START_TEST(text_is_quoted_where_a_reader_would_take_it_for_something_else)
{
    struct strbuf b = STRBUF_INIT;

    yaml_write_text(&b, text_cases[_i].text);
    ck_assert_str_eq(strbuf_str(&b), text_cases[_i].want);
    strbuf_release(&b);
}
END_TEST

START_TEST(yaml_has_sorted_keys_and_lists_below_their_key)
{
    const char *json =
        "{\"b\":[{\"y\":1,\"x\":[\"p\",[1,2]]},[],{}],\"a\":{\"t\":\"one\\ntwo\\n\",\"n\":null}}";
    const char *want = "a:\n  \"n\": null\n  t: |\n    one\n    two\nb:\n- x:\n  - p\n  -\n    - "
                       "1\n    - 2\n  \"y\": 1\n- []\n- {}\n";
    cJSON *v = json_parse(json, strlen(json), NULL);
    struct strbuf b = STRBUF_INIT;

    yaml_write(&b, v);
    ck_assert_str_eq(strbuf_str(&b), want);
    strbuf_release(&b);
    json_free(v);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("router render");
    TCase *tc = tcase_create("render");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_test(tc, first_objects_are_those_of_a_real_cluster);
    tcase_add_loop_test(tc, steps_are_those_of_a_clean_rollout, 0,
                        sizeof(step_cases) / sizeof(step_cases[0]));
    tcase_add_loop_test(tc, text_is_quoted_where_a_reader_would_take_it_for_something_else, 0,
                        sizeof(text_cases) / sizeof(text_cases[0]));
    tcase_add_test(tc, yaml_has_sorted_keys_and_lists_below_their_key);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
