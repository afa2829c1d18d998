/* The schema validator: each keyword says yes and no, and what it says has a path. */
#include <check.h>
#include <string.h>

#include "adapters/check/embedded.h"
#include "adapters/check/schema.h"

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(0);
}

static void teardown(void)
{
    arena_free(arena);
}

static const struct node *parse(const char *text)
{
    struct documents docs;
    struct diags diags;

    diags_init(&diags, arena);
    ck_assert_msg(node_parse_all(arena, &diags, "t", text, strlen(text), NULL, &docs) == 0, "%s",
                  text);
    diags_release(&diags);
    return docs.items[0].root;
}

struct log {
    struct strbuf text;
};

static void note(void *ctx, const struct schema_finding *f)
{
    struct log *log = ctx;

    schema_path_add(&log->text, f->path);
    strbuf_addf(&log->text, ": %s;", f->what);
}

/* What the schema finds in the value, as "path: what;…" */
static const char *findings_of(const char *schema_text, const char *value_text)
{
    struct log log = {STRBUF_INIT};
    struct schema *schema;
    const char *what, *text;

    ck_assert_msg(schema_compile(arena, parse(schema_text), &schema, &what) == 0, "%s",
                  schema_text);
    schema_validate(schema, parse(value_text), note, &log);
    text = arena_strdup(arena, strbuf_str(&log.text));
    strbuf_release(&log.text);
    schema_release(schema);
    return text;
}

static const struct keyword_case {
    const char *name, *schema, *good, *bad, *says;
} cases[] = {
    {"type", "{type: object, properties: {a: {type: string}}}", "{a: x}", "{a: 1}",
     ".a: a string is expected here, not an integer: 1;"},
    {"integer", "{type: integer}", "10.0", "10.5",
     ": a whole number is expected here, not a number: 10.5;"},
    {"number", "{type: number}", "10.5", "x", ": a number is expected here, not a string: x;"},
    {"null", "{type: string}", "x", "~", ": a string is expected here, not null;"},
    {"nullable", "{type: string, nullable: true}", "~", "1",
     ": a string is expected here, not an integer: 1;"},
    {"unknown", "{type: object, properties: {weight: {type: integer}}}", "{weight: 1}",
     "{wieght: 1}", ".wieght: unknown field 'wieght';"},
    {"preserve",
     "{type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: string}}}",
     "{b: 1}", "{a: 1}", ".a: a string is expected here, not an integer: 1;"},
    {"additional", "{type: object, additionalProperties: {type: integer}}", "{a: 1, 'x/y': 2}",
     "{'x/y': z}", "[\"x/y\"]: a whole number is expected here, not a string: z;"},
    {"items", "{type: array, items: {type: integer}}", "[1, 2]", "[1, x]",
     "[1]: a whole number is expected here, not a string: x;"},
    {"required", "{type: object, required: [a, b]}", "{a: 1, b: 2}", "{a: 1}",
     ".b: 'b' is missing;"},
    {"enum", "{type: string, enum: [red, green]}", "green", "blue", ": 'blue' is not allowed;"},
    {"minimum", "{type: integer, minimum: 1}", "1", "0", ": 0 is less than 1;"},
    {"maximum", "{type: integer, maximum: 9}", "9", "10", ": 10 is more than 9;"},
    {"minLength", "{type: string, minLength: 2}", "ab", "a",
     ": 1 character is too few, at least 2 are needed;"},
    {"maxLength counts characters", "{type: string, maxLength: 2}", "äö", "abc",
     ": 3 characters are too many, at most 2 are allowed;"},
    {"maxItems", "{type: array, maxItems: 1}", "[1]", "[1, 2]",
     ": 2 items, but at most 1 are allowed;"},
    {"pattern", "{type: string, pattern: '^[0-9]+(m|s)$'}", "10m", "10minutes",
     ": '10minutes' does not match ^[0-9]+(m|s)$;"},
    {"int32", "{type: integer, format: int32}", "2147483647", "2147483648",
     ": 2147483648 does not fit in 32 bits;"},
    {"date-time", "{type: string, format: date-time}", "'2026-01-31T12:00:00.5+01:00'",
     "'2026-01-31'", ": '2026-01-31' is not a time such as 2026-01-31T12:00:00Z;"},
    {"oneOf", "{type: object, oneOf: [{required: [a]}, {required: [b]}]}", "{a: 1}", "{a: 1, b: 2}",
     ": only one of a, b may be given;"},
    {"anyOf", "{anyOf: [{required: [a]}, {required: [b]}]}", "{a: 1, b: 2}", "{c: 1}",
     ": the value fits none of 2 alternatives;"},
    {"allOf", "{allOf: [{required: [a]}, {required: [b]}]}", "{a: 1, b: 2}", "{a: 1}",
     ".b: 'b' is missing;"},
    {"not", "{not: {required: [a]}}", "{b: 1}", "{a: 1}",
     ": the value has a form that is not allowed;"},
    {"int-or-string", "{x-kubernetes-int-or-string: true}", "http", "1.5",
     ": a number or a name is expected here, not a number: 1.5;"},
    {"rule",
     "{type: object, x-kubernetes-validations: [{message: needs a port, rule: '(size(self.group) "
     "== 0 && self.kind == "
     "''Service'') ? has(self.port) : true'}]}",
     "{group: '', kind: Service, port: 80}", "{group: '', kind: Service}", ": needs a port;"},
};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(each_keyword_accepts_the_good)
{
    const char *found = findings_of(cases[_i].schema, cases[_i].good);

    ck_assert_msg(*found == 0, "%s: %s", cases[_i].name, found);
}
END_TEST

START_TEST(each_keyword_names_the_bad)
{
    const char *found = findings_of(cases[_i].schema, cases[_i].bad);

    ck_assert_msg(strcmp(found, cases[_i].says) == 0, "%s:\n got %s\nwant %s", cases[_i].name,
                  found, cases[_i].says);
}
END_TEST

START_TEST(all_faults_of_a_value_are_reported)
{
    ck_assert_str_eq(
        findings_of(
            "{type: object, required: [c], properties: {a: {type: integer}, b: {type: string}}}",
            "{a: x, b: 1}"),
        ".a: a whole number is expected here, not a string: x;"
        ".b: a string is expected here, not an integer: 1;.c: 'c' is missing;");
}
END_TEST

START_TEST(a_keyword_we_do_not_know_is_refused)
{
    struct schema *schema = NULL;
    const char *what;

    ck_assert_int_eq(
        schema_compile(arena, parse("{type: string, uniqueItems: true}"), &schema, &what),
        -95 /* ENOTSUP */);
    ck_assert(strstr(what, "uniqueItems") != NULL);
    ck_assert_int_eq(schema_compile(arena,
                                    parse("{x-kubernetes-validations: [{rule: self.x > 1}]}"),
                                    &schema, &what),
                     -95);
    ck_assert_int_eq(schema_compile(arena, parse("{type: text}"), &schema, &what),
                     -22 /* EINVAL */);
    ck_assert_int_eq(schema_compile(arena, parse("[]"), &schema, &what), -22);
}
END_TEST

START_TEST(a_remembered_text_does_not_vouch_for_another)
{
    /* many texts share few slots of the pattern's memory */
    char list[4096] = "[";
    size_t len = 1;

    for (int i = 0; i < 200; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%dm, ", i);
    snprintf(list + len, sizeof list - len, "7x, 7m, 7x]");
    ck_assert_str_eq(
        findings_of("{type: array, items: {type: string, pattern: '^[0-9]+m$'}}", list),
        "[200]: '7x' does not match ^[0-9]+m$;[202]: '7x' does not match ^[0-9]+m$;");
}
END_TEST

START_TEST(our_own_schemas_compile)
{
    for (const struct embedded_file *f = embedded_crds; f->name; f++) {
        const struct node *root = parse((const char *)f->bytes);
        const struct node *versions = node_at(root, "spec", "versions", NULL);
        struct schema *schema;
        const char *what = "";
        int rc;

        rc = schema_compile(arena,
                            node_at(versions->u.list.items[0], "schema", "openAPIV3Schema", NULL),
                            &schema, &what);
        ck_assert_msg(rc == 0, "%s: %s", f->name, what);
        schema_release(schema);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schema");
    TCase *tc = tcase_create("schema");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, each_keyword_accepts_the_good, 0, CASES);
    tcase_add_loop_test(tc, each_keyword_names_the_bad, 0, CASES);
    tcase_add_test(tc, all_faults_of_a_value_are_reported);
    tcase_add_test(tc, a_keyword_we_do_not_know_is_refused);
    tcase_add_test(tc, a_remembered_text_does_not_vouch_for_another);
    tcase_add_test(tc, our_own_schemas_compile);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_set_fork_status(sr, CK_NOFORK);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
