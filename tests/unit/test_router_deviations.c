/*
 * Each named deviation of the default profile, seen both ways:
 * tests/conformance/router-deviations.jsonl holds one short history a line, where to look after it,
 * and what stands there with the defect and without.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/objectmap.h"
#include "adapters/router/service.h"

#define PAGE "docs/engine/deviations.md"
#define CASES "tests/conformance/router-deviations.jsonl"

struct run {
    const cJSON *line;
    struct objectmap map;
    struct router_options options;
    cJSON *canary;
    struct routing routing;
    struct strbuf error;
    size_t writes; /* of the last call */
};

static uint64_t zeros(void *self)
{
    (void)self;
    return 0;
}

static void keep_cookies(struct run *r, const struct router_result *result)
{
    cJSON *status = json_child_object(r->canary, "status");

    json_set_str(status, "sessionAffinityCookie", result->cookies.session);
    json_set_str(status, "previousSessionAffinityCookie", result->cookies.previous);
    json_set_str(status, "primarySessionAffinityCookie", result->cookies.primary);
}

static void call(struct run *r, const cJSON *op)
{
    struct router_world world = objectmap_world(&r->map);
    struct router_writer writer = objectmap_writer(&r->map);
    struct router_request q = {r->canary, json_str(json_get(r->canary, "spec"), "provider"),
                               &r->options, &world, NULL};
    struct routing wanted = {json_int(op, "primary", 0), json_int(op, "canary", 0),
                             json_bool(op, "mirror", false)};
    const char *name = json_str(op, "op");
    struct router_result result;
    cJSON *made = NULL;

    if (strcmp(name, "service") == 0) {
        made = service_discover_ports(&q, json_get(op, "pods"));
        (void)service_reconcile(&q, made, &result);
    } else if (strcmp(name, "set") == 0) {
        (void)router_set(&q, &wanted, &result);
    } else if (strcmp(name, "get") == 0) {
        (void)router_get(&q, &r->routing, &result);
    } else {
        made = json_bool(op, "leak", false) ? service_apex_metadata(&q) : NULL;
        r->options.apex_metadata = made;
        (void)router_reconcile(&q, &result);
        r->options.apex_metadata = NULL;
    }
    strbuf_clear(&r->error);
    r->writes = result.count;
    (void)router_apply(&result, &writer, &r->error);
    keep_cookies(r, &result);
    router_result_release(&result);
    json_free(made);
}

static cJSON *look(const struct run *r)
{
    const cJSON *path = json_get(r->line, "look")->child;
    const cJSON *at = r->map.objects;

    if (strcmp(path->valuestring, "error") == 0)
        return cJSON_CreateString(strbuf_str(&r->error));
    if (strcmp(path->valuestring, "writes") == 0)
        return json_new_int((int64_t)r->writes);
    if (strcmp(path->valuestring, "routes") == 0)
        return json_new_int(r->routing.primary);
    if (strcmp(path->valuestring, "cookies") == 0)
        return json_copy(json_at(r->canary, "status", "primarySessionAffinityCookie", NULL));
    for (; path != NULL && at != NULL; path = path->next)
        at = cJSON_IsString(path) ? json_get(at, path->valuestring)
                                  : cJSON_GetArrayItem(at, path->valueint);
    return at != NULL ? json_copy(at) : cJSON_CreateNull();
}

static cJSON *play(const cJSON *line, router_quirks quirks)
{
    struct run r = {.line = line, .options = {.quirks = quirks, .random = zeros}};
    const cJSON *objects = json_get(line, "objects"), *ops = json_get(line, "ops");
    cJSON *metadata, *found;

    r.options.selector_value = json_str(json_get(line, "options"), "selectorValue");
    r.canary = cJSON_CreateObject();
    metadata = json_child_object(r.canary, "metadata");
    json_set_str(metadata, "name", "app");
    json_set_str(metadata, "namespace", "test");
    json_set(r.canary, "spec", json_copy(json_get(line, "spec")));
    json_set(r.canary, "status", json_copy(json_get(line, "status")));
    objectmap_init(&r.map);
    for (const cJSON *o = objects->child; o != NULL; o = o->next)
        json_set(r.map.objects, o->string, json_copy(o));
    for (const cJSON *op = ops->child; op != NULL; op = op->next) {
        const cJSON *edit = json_get(op, "edit");

        if (edit != NULL)
            json_set(r.canary, "spec",
                     json_merge_patch(json_copy(json_get(r.canary, "spec")), edit));
        call(&r, op);
    }
    found = look(&r);
    json_free(r.canary);
    objectmap_release(&r.map);
    strbuf_release(&r.error);
    return found;
}

static enum router_quirk quirk_of(const char *name)
{
    unsigned q = 0;

    while (q < QUIRK_COUNT && strcmp(router_quirk_texts[q].name, name) != 0)
        q++;
    ck_assert_msg(q < QUIRK_COUNT, "no quirk %s", name);
    return (enum router_quirk)q;
}

static void expect(const cJSON *line, const char *member, router_quirks quirks, const char *profile)
{
    cJSON *got = play(line, quirks);
    char *got_text = json_print(got), *want_text = json_print(json_get(line, member));

    ck_assert_msg(strcmp(got_text, want_text) == 0, "%s of %s, %s: want %s, got %s",
                  json_str(line, "quirk"), json_str(json_get(line, "spec"), "provider"), profile,
                  want_text, got_text);
    free(got_text);
    free(want_text);
    json_free(got);
}

START_TEST(every_deviation_is_seen_with_and_without_its_defect)
{
    FILE *file = fopen(CASES, "rb");
    char *text = malloc(1 << 16);
    router_quirks seen = 0;

    ck_assert_msg(file != NULL && text != NULL, "cannot read " CASES);
    while (fgets(text, 1 << 16, file) != NULL) {
        cJSON *line = json_parse(text, strlen(text), NULL);
        router_quirks quirk;

        ck_assert_ptr_nonnull(line);
        quirk = ROUTER_QUIRK(quirk_of(json_str(line, "quirk")));
        expect(line, "flagger", ROUTER_QUIRKS_FLAGGER, "profile flagger-1.44");
        expect(line, "flagger", quirk, "this defect alone");
        expect(line, "ours", 0, "default profile");
        seen |= quirk;
        json_free(line);
    }
    fclose(file);
    free(text);
    for (unsigned q = 0; q < QUIRK_COUNT; q++)
        ck_assert_msg((seen & ROUTER_QUIRK(q)) != 0, "no case shows %s",
                      router_quirk_texts[q].name);
}
END_TEST

START_TEST(the_reference_page_says_what_the_table_says)
{
    FILE *file = fopen(PAGE, "rb");
    char *page = calloc(1, 1 << 17);
    struct strbuf row = STRBUF_INIT;

    ck_assert_msg(file != NULL && page != NULL, "cannot read " PAGE);
    ck_assert_uint_gt(fread(page, 1, (1 << 17) - 1, file), 0);
    fclose(file);
    for (unsigned q = 0; q < QUIRK_COUNT; q++) {
        const struct router_quirk_text *t = &router_quirk_texts[q];

        strbuf_clear(&row);
        strbuf_addf(&row, "| `%s` | %s | %s |\n", t->name, t->flagger, t->ours);
        ck_assert_msg(strstr(page, strbuf_str(&row)) != NULL, PAGE " lacks the row\n%s",
                      strbuf_str(&row));
    }
    strbuf_release(&row);
    free(page);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("router deviations");
    TCase *tc = tcase_create("deviations");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_test(tc, every_deviation_is_seen_with_and_without_its_defect);
    tcase_add_test(tc, the_reference_page_says_what_the_table_says);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
