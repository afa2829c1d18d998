/* adapters/manifest/node: what is read, how kubectl reads it, and every mistake where it stands */
#include "adapters/manifest/node.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena *arena, *texts;
static struct diags diags;
static struct documents docs;

static void setup(void)
{
    arena = arena_new(0);
    texts = arena_new(0);
    diags_init(&diags, texts);
    docs = (struct documents){0};
}

static void teardown(void)
{
    diags_release(&diags);
    arena_free(arena);
    arena_free(texts);
}

static int parse_bytes(const char *source, size_t len, const struct node_limits *limits)
{
    return node_parse_all(arena, &diags, "a.yaml", source, len, limits, &docs);
}

static int parse(const char *source)
{
    return parse_bytes(source, strlen(source), NULL);
}

/* All findings, one a line, as `line:col what`. */
static const char *findings(void)
{
    struct strbuf b = STRBUF_INIT;
    char *text;

    diags_sort(&diags);
    for (size_t i = 0; i < diags.count; i++)
        strbuf_addf(&b, "%s%u:%u %s", i ? "\n" : "", diags.items[i].line, diags.items[i].col,
                    diags.items[i].what);
    text = arena_strdup(texts, strbuf_str(&b));
    strbuf_release(&b);
    return text;
}

static const char *as_json(const struct node *n)
{
    cJSON *v = node_to_json(n);
    char *sorted = json_print_sorted(v), *text = arena_strdup(texts, sorted);

    free(sorted);
    json_free(v);
    return text;
}

/* ---- values
 * --------------------------------------------------------------------------------------- */

/* tests/conformance/kubectl-yaml.jsonl was recorded from sigs.k8s.io/yaml v1.6.0, as kubectl reads.
 */
START_TEST(values_are_what_kubectl_reads)
{
    FILE *f = fopen("tests/conformance/kubectl-yaml.jsonl", "r");
    char line[4096];
    int cases = 0;

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        cJSON *c = json_parse(line, strlen(line), NULL);
        const char *yaml = json_str(c, "yaml"), *want = json_str(c, "json");
        int err = parse(yaml);

        if (want) {
            cJSON *v = json_parse(want, strlen(want), NULL);
            char *sorted = json_print_sorted(v);

            ck_assert_msg(err == 0, "%s: %s", yaml, findings());
            ck_assert_msg(strcmp(as_json(docs.items[0].root), sorted) == 0, "%s: got %s, want %s",
                          yaml, as_json(docs.items[0].root), sorted);
            free(sorted);
            json_free(v);
        } else {
            ck_assert_msg(err == -EINVAL, "%s: read, but kubectl says: %s", yaml,
                          json_str(c, "error"));
        }
        json_free(c);
        teardown();
        setup();
        cases++;
    }
    fclose(f);
    ck_assert_int_ge(cases, 90);
}
END_TEST

START_TEST(every_value_knows_where_it_stands)
{
    struct node *root, *n;
    const struct member *m;

    ck_assert_int_eq(parse("# comment\n"
                           "kind: Canary\n"
                           "spec:\n"
                           "  größe: [1, 'zwei']\n"
                           "  text: |\n"
                           "    a\n"
                           "  last: {x: 1}\n"),
                     0);
    root = docs.items[0].root;
    ck_assert_uint_eq(docs.count, 1);
    ck_assert_uint_eq(root->line, 2);
    ck_assert_uint_eq(root->col, 1);
    m = node_member(root, "spec");
    ck_assert_uint_eq(m->line, 3);
    ck_assert_uint_eq(m->value->line, 4);
    ck_assert_uint_eq(m->value->col, 3);
    n = node_at(root, "spec", "größe", NULL);
    ck_assert_uint_eq(n->col, 10); /* characters, not bytes */
    ck_assert_uint_eq(n->end_col, 21);
    ck_assert_uint_eq(n->u.list.items[1]->col, 14);
    ck_assert_uint_eq(n->u.list.items[1]->end_col, 20);
    ck_assert(n->u.list.items[1]->quoted);
    ck_assert(node_at(root, "spec", "text", NULL)->quoted);
    ck_assert_uint_eq(root->end_line, 7);
    ck_assert_uint_eq(root->end_col, 15);
}
END_TEST

START_TEST(aliases_share_their_anchor_and_its_place)
{
    struct node *root;

    ck_assert_int_eq(parse("a: &x\n  b: 1\nc: *x\nd:\n  <<: *x\n  e: 2\n"), 0);
    root = docs.items[0].root;
    ck_assert_ptr_eq(node_get(root, "a"), node_get(root, "c"));
    ck_assert_uint_eq(node_member(node_get(root, "d"), "b")->line, 2);
    ck_assert_str_eq(as_json(node_get(root, "d")), "{\"b\":1,\"e\":2}");
}
END_TEST

START_TEST(each_document_of_a_stream_is_read)
{
    ck_assert_int_eq(parse("a: 1\n---\n# only a comment\n---\nb: 2\n...\n---\n- c\n"), 0);
    ck_assert_uint_eq(docs.count, 4);
    ck_assert_int_eq(docs.items[1].root->kind, NODE_NULL);
    ck_assert_uint_eq(docs.items[2].index, 2);
    ck_assert_uint_eq(docs.items[2].line, 4);
    ck_assert_uint_eq(docs.items[2].root->line, 5);
    ck_assert_int_eq(docs.items[3].root->kind, NODE_LIST);
    ck_assert_int_eq(parse(""), 0);
    ck_assert_uint_eq(docs.count, 0);
}
END_TEST

START_TEST(windows_files_are_read_like_others)
{
    ck_assert_int_eq(parse("\xef\xbb\xbfkind: Canary\r\nspec:\r\n  suspend: on\r\n---\r\nb: 1\r\n"),
                     0);
    ck_assert_uint_eq(docs.count, 2);
    ck_assert(node_is(node_get(docs.items[0].root, "kind"), "Canary"));
    ck_assert_uint_eq(node_at(docs.items[0].root, "spec", "suspend", NULL)->line, 3);
    ck_assert_uint_eq(docs.items[0].root->col, 1);
}
END_TEST

START_TEST(json_is_read_too)
{
    ck_assert_int_eq(parse("{\n\t\"a\": [1, 2.5, \"x\\u00e9\\/\"],\n\t\"b\":{\"c\":null}\n}\n"), 0);
    ck_assert_str_eq(as_json(docs.items[0].root),
                     "{\"a\":[1,2.5,\"x\xc3\xa9/\"],\"b\":{\"c\":null}}");
}
END_TEST

/* ---- mistakes
 * ------------------------------------------------------------------------------------- */

static const struct mistake {
    const char *name, *source, *want;
    size_t documents;
} mistakes[] = {
    {"duplicate key", "a: 1\nb: 2\na: 3\n", "3:1 a is given twice", 1},
    {"duplicates at two levels", "a: {x: 1, x: 2}\na: 3\n",
     "1:11 x is given twice\n2:1 a is given twice", 1},
    {"the same key in two notations", "\"true\": 1\nyes: 2\n", "2:1 true is given twice", 1},
    {"tab", "a:\n\tb: 1\n", "2:1 this character cannot start a value", 0},
    {"unclosed quote, and the next document is read", "a: 'x\nb: 2\n---\nc: 3\n",
     "1:4 the quote opened here is never closed", 1},
    {"unclosed bracket", "a: [1,\nb: 2\n---\nc: 3\n",
     "1:4 the [ opened here is never closed, or a ',' is missing", 1},
    {"colon in a value", "a: b: c\n", "1:5 a ':' is not allowed here", 0},
    {"bad indentation", "a:\n  b: 1\n c: 2\n", "3:2 the indentation does not fit the map above", 0},
    {"two broken documents and a good one", "a: [\n---\nb: }\n---\nc: 1\n",
     "2:1 a value is expected here\n3:4 a value is expected here", 1},
    {"a broken document marker line", "--- @x\n---\na: 1\n",
     "1:5 this character cannot start a value", 1},
    {"no anchor", "a: *x\n", "1:4 there is no anchor &x before this alias", 0},
    {"cycle", "a: &x\n  b: *x\n", "2:6 the value of anchor &x contains itself", 0},
    {"template", "a: {{ .Values.x }}\n", "1:5 a map cannot be a name", 0},
    {"null name", "? \n: x\n", "1:2 null cannot be a name", 0},
    {"merge of a scalar", "a:\n  <<: 3\n", "2:7 << can merge a map or a list of maps only", 1},
    {"wrong tag", "a: !!int x\n", "1:4 x is not an integer, as its tag !!int says", 1},
    {"NUL in a text", "a: \"x\\0y\"\n", "1:4 a NUL character cannot be part of a value", 1},
    {"invalid UTF-8 spoils one document only", "a: 1\n---\n# \xc3\xa9\nb: \xff\n---\nc: 3\n",
     "4:4 this is not UTF-8", 2},
    {"cut UTF-8 at the end", "a: \xe2\x82", "1:4 this is not UTF-8", 0},
    {"overlong and surrogate", "a: \xc0\x80\n---\nb: \xed\xa0\x80\n",
     "1:4 this is not UTF-8\n3:4 this is not UTF-8", 0},
    {"control character", "a: x\x01\n", "1:5 a control character is not allowed", 0},
    {"files joined with their byte order marks", "a: 1\n\xef\xbb\xbf---\nb: 1\n",
     "2:1 a byte order mark may stand at the start of a file only", 0},
    {"UTF-16",
     "\xff\xfe"
     "a",
     "1:1 this is not UTF-8", 0},
};

START_TEST(mistakes_are_found_where_they_are)
{
    const struct mistake *m = &mistakes[_i];

    ck_assert_int_eq(parse(m->source), -EINVAL);
    ck_assert_msg(strcmp(findings(), m->want) == 0, "%s: got %s", m->name, findings());
    ck_assert_msg(docs.count == m->documents, "%s: %zu documents", m->name, docs.count);
}
END_TEST

START_TEST(nul_bytes_are_located)
{
    ck_assert_int_eq(parse_bytes("a: 1\nb: \0\n---\nc: 1\n", 19, NULL), -EINVAL);
    ck_assert_str_eq(findings(), "2:4 a NUL byte is not allowed");
    ck_assert_uint_eq(docs.count, 1);
}
END_TEST

START_TEST(tabs_get_a_hint)
{
    parse("a:\n\tb: 1\n");
    ck_assert_str_eq(diags.items[0].hint, "YAML does not indent with tabs: use spaces");
}
END_TEST

/* ---- limits
 * --------------------------------------------------------------------------------------- */

START_TEST(a_billion_laughs_end_early)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_adds(&b, "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
    for (int i = 1; i < 20; i++) {
        strbuf_addf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            strbuf_addf(&b, "*a%d%s", i - 1, k < 8 ? "," : "]\n");
    }
    strbuf_adds(&b, "---\nnext: 1\n");
    ck_assert_int_eq(parse(b.data), -EINVAL);
    ck_assert_str_eq(findings(), "7:10 more than 1000000 values once aliases are expanded");
    ck_assert_uint_eq(docs.count, 1);
    ck_assert_uint_lt(arena_used(arena), 1000000);
    strbuf_release(&b);
}
END_TEST

START_TEST(deep_nesting_ends_early)
{
    char deep[3000];

    memset(deep, '[', sizeof deep);
    ck_assert_int_eq(parse_bytes(deep, sizeof deep, NULL), -EINVAL);
    ck_assert_str_eq(findings(), "1:65 nested deeper than 64 levels");
}
END_TEST

START_TEST(aliases_cannot_nest_deeper_than_texts)
{
    struct node_limits limits = {.depth_max = 4};
    const char *good = "a: &x [[1]]\nb: [*x]\n", *bad = "a: &x [[1]]\nb: [[*x]]\n";

    ck_assert_int_eq(parse_bytes(good, strlen(good), &limits), -EINVAL);
    ck_assert_int_eq(parse_bytes(bad, strlen(bad), &limits), -EINVAL);
    ck_assert_str_eq(findings(), "2:5 nested deeper than 4 levels by this alias\n"
                                 "2:6 nested deeper than 4 levels by this alias");
}
END_TEST

START_TEST(long_texts_are_refused_and_reading_goes_on)
{
    struct node_limits limits = {.scalar_bytes_max = 10, .bytes_max = 100};
    const char *source = "a: 01234567890\nb: 0123456789\nb: 1\n";

    ck_assert_int_eq(parse_bytes(source, strlen(source), &limits), -EINVAL);
    ck_assert_str_eq(findings(), "1:4 a text of 11 bytes is longer than 10\n3:1 b is given twice");
    ck_assert_int_eq(parse_bytes(source, 101, &limits), -EINVAL);
    ck_assert_str_eq(diags.items[diags.count - 1].what, "101 bytes are more than the limit of 100");
}
END_TEST

START_TEST(big_maps_find_their_duplicates)
{
    struct strbuf b = STRBUF_INIT;

    for (int i = 0; i < 50000; i++)
        strbuf_addf(&b, "key%d: %d\n", i, i);
    strbuf_adds(&b, "key777: again\n");
    ck_assert_int_eq(parse(b.data), -EINVAL);
    ck_assert_str_eq(findings(), "50001:1 key777 is given twice");
    ck_assert_str_eq(diags.items[0].hint, "the first one is on line 778");
    ck_assert_uint_eq(docs.items[0].root->u.map.count, 50000);
    strbuf_release(&b);
}
END_TEST

static bool clear_and_count(void *ctx, const struct document *doc)
{
    size_t *most = ctx;

    ck_assert_int_eq(doc->root->kind, NODE_MAP);
    ck_assert_int_eq(node_get(doc->root, "number")->u.integer, doc->index);
    if (arena_used(arena) > *most)
        *most = arena_used(arena);
    arena_clear(arena);
    return doc->index < 1999;
}

START_TEST(a_long_stream_needs_constant_memory)
{
    struct strbuf b = STRBUF_INIT;
    size_t most = 0;

    for (int i = 0; i < 3000; i++)
        strbuf_addf(&b, "---\nnumber: %d\nlist: [a, b, {c: d}]\n", i);
    ck_assert_int_eq(node_parse(arena, &diags, "-", b.data, b.len, NULL, clear_and_count, &most),
                     0);
    ck_assert_uint_le(most, 2048);
    strbuf_release(&b);
}
END_TEST

START_TEST(running_out_of_memory_is_said)
{
    const char *source = "a: [1, 2, 3]\nb: {c: d}\n";

    for (size_t limit = 16; limit < 8192; limit += 64) {
        struct arena *small = arena_new(limit);
        int err = node_parse_all(small, &diags, "-", source, strlen(source), NULL, &docs);

        ck_assert(err == 0 || err == -ENOMEM);
        ck_assert(err == 0 || limit < 4096);
        arena_free(small);
    }
}
END_TEST

START_TEST(files_are_read_whole_or_not_at_all)
{
    const char *bytes;
    size_t len;

    ck_assert_int_eq(file_read(arena, "tests/conformance/kubectl-yaml.jsonl", 0, &bytes, &len), 0);
    ck_assert_uint_gt(len, 1000);
    ck_assert_uint_eq(strlen(bytes), len);
    ck_assert_int_eq(file_read(arena, "tests/conformance/kubectl-yaml.jsonl", 100, &bytes, &len),
                     -EFBIG);
    ck_assert_int_eq(file_read(arena, "/proc/self/status", 0, &bytes, &len), 0);
    ck_assert_uint_gt(len, 100);
    ck_assert_int_eq(file_read(arena, "/dev/zero", 1000000, &bytes, &len), -EFBIG);
    ck_assert_int_eq(file_read(arena, "tests/no-such-file", 0, &bytes, &len), -ENOENT);
    ck_assert_int_eq(file_read(arena, "tests", 0, &bytes, &len), -EISDIR);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node");
    TCase *tc = tcase_create("node");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, values_are_what_kubectl_reads);
    tcase_add_test(tc, every_value_knows_where_it_stands);
    tcase_add_test(tc, aliases_share_their_anchor_and_its_place);
    tcase_add_test(tc, each_document_of_a_stream_is_read);
    tcase_add_test(tc, windows_files_are_read_like_others);
    tcase_add_test(tc, json_is_read_too);
    tcase_add_loop_test(tc, mistakes_are_found_where_they_are, 0,
                        (int)(sizeof mistakes / sizeof mistakes[0]));
    tcase_add_test(tc, nul_bytes_are_located);
    tcase_add_test(tc, tabs_get_a_hint);
    tcase_add_test(tc, a_billion_laughs_end_early);
    tcase_add_test(tc, deep_nesting_ends_early);
    tcase_add_test(tc, aliases_cannot_nest_deeper_than_texts);
    tcase_add_test(tc, long_texts_are_refused_and_reading_goes_on);
    tcase_add_test(tc, big_maps_find_their_duplicates);
    tcase_add_test(tc, a_long_stream_needs_constant_memory);
    tcase_add_test(tc, running_out_of_memory_is_said);
    tcase_add_test(tc, files_are_read_whole_or_not_at_all);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
