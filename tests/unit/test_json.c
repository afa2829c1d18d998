#include <check.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "adapters/base/json_pool.h"

static void round_trip(const char *text, const char *want)
{
    cJSON *v = json_parse(text, strlen(text), NULL);
    char *back;

    ck_assert_msg(v != NULL, "%s", text);
    back = json_print(v);
    ck_assert_str_eq(back, want);
    free(back);
    json_free(v);
}

START_TEST(integers_above_two_to_the_53_survive)
{
    int64_t n = 0;
    const char *text =
        "{\"a\":9223372036854775807,\"b\":-9007199254740993,\"c\":[12345678901234567890]}";
    cJSON *v = json_parse(text, strlen(text), NULL);

    ck_assert_ptr_nonnull(v);
    ck_assert(json_as_int(json_get(v, "a"), &n));
    ck_assert_int_eq(n, INT64_MAX);
    ck_assert_int_eq(json_int(v, "b", 0), -9007199254740993);
    json_free(v);
    round_trip(text, text);
}
END_TEST

START_TEST(numbers_print_short_and_plain)
{
    round_trip("[1, 1.0, -0, 0.5, 1e3, 99.94]", "[1,1,0,0.5,1000,99.94]");
    /* the turning points of encoding/json */
    round_trip("[1e20, 1e21, 1234567.25, 1e-6, 1.5e-7, -2.5e30]",
               "[100000000000000000000,1e+21,1234567.25,0.000001,1.5e-7,-2.5e+30]");
}
END_TEST

static const char *const bad_texts[] = {
    "",
    " ",
    "{",
    "[1,]x",
    "{\"a\":1} x",
    "\"\xff\"",
    "\"\xc0\x80\"",
    "nul",
    "[1 2]",
    "{\"a\" 1}",
    "0123456789012345678",
    "--12345678901234567",
    "01",
    "1.",
    ".5",
    "+1",
    "1e999",
    "[1,]",
    "{\"a\":1,}",
    "{12345678901234567890:1}",
    "\"a\nb\"",
    "\"\\u0000\"",
    "\"\\u00g0\"",
    "\"\\ud800x\"",
    "\"\\udc00\"",
    "\"\\u00\"",
    "\"\\q\"",
    "nullx",
    "[NaN]",
    "\"\xed\xa0\x80\"",
};

START_TEST(what_is_not_json_is_refused)
{
    size_t at = 0;
    const char *text = bad_texts[_i];

    ck_assert_msg(json_parse(text, strlen(text), &at) == NULL, "%s", text);
    ck_assert_uint_le(at, strlen(text));
}
END_TEST

START_TEST(no_text_passes_for_a_number)
{
    round_trip("[\"\\u0001big:12\",\"12345678901234567890\",12345678901234567890]",
               "[\"\\u0001big:12\",\"12345678901234567890\",12345678901234567890]");
}
END_TEST

START_TEST(nul_bytes_and_deep_nesting_are_refused)
{
    char deep[1000];

    ck_assert_ptr_null(json_parse("[1]\0[2]", 7, NULL));
    memset(deep, '[', 500);
    memset(deep + 500, ']', 500);
    ck_assert_ptr_null(json_parse(deep, sizeof deep, NULL));
}
END_TEST

static void *drop(void *tree)
{
    json_free(tree);
    return NULL;
}

/* Blocks go from thread to thread, and the names everybody uses are nobody's to free. */
START_TEST(trees_may_end_in_another_thread)
{
    const char *text = "{\"metadata\":{\"name\":\"a\",\"not a name of Kubernetes\":[1,2]}}";

    for (int i = 0; i < 100; i++) {
        cJSON *v = json_parse(text, strlen(text), NULL), *copy = json_copy(v);
        pthread_t thread;

        ck_assert_int_eq(json_set_str(json_get(copy, "metadata"), "name", "b"), 0);
        json_remove(copy, "metadata");
        ck_assert_int_eq(pthread_create(&thread, NULL, drop, v), 0);
        pthread_join(thread, NULL);
        json_free(copy);
        json_trim();
    }
}
END_TEST

/* text, and what is read of it; NULL = refused */
static const struct tolerant_case {
    const char *text, *read;
} tolerant_cases[] = {
    {"{\"a\":1}", "{\"a\":1}"},
    {"{\"a\":\"x\\u0000y\",\"b\":2}", "{\"a\":\"x\xef\xbf\xbdy\",\"b\":2}"},
    {"[\"\\ud800\",\"\\udc00x\",\"\\ud83d\\ude00\\u0000\"]",
     "[\"\xef\xbf\xbd\",\"\xef\xbf\xbdx\",\"\xf0\x9f\x98\x80\xef\xbf\xbd\"]"},
    {"[1e999,-1e999,9223372036854775808]", "[null,null,9223372036854775808]"},
    {"{\"a\":\"\\u0000\"", NULL},
    {"[1,", NULL},
    {"[\"\\u0000", NULL},
    {"[\"\\", NULL},
    {"\"\\u00", NULL},
};

START_TEST(what_is_odd_in_one_value_does_not_spoil_the_others)
{
    const struct tolerant_case *c = &tolerant_cases[_i];
    bool changed;
    cJSON *v = json_parse_tolerant(c->text, strlen(c->text), &changed);
    char *read = json_print(v);

    if (c->read == NULL)
        ck_assert_ptr_null(v);
    else
        ck_assert_str_eq(read, c->read);
    free(read);
    json_free(v);
}
END_TEST

START_TEST(what_is_nested_too_deep_is_left_out)
{
    struct strbuf text = STRBUF_INIT;
    bool changed;
    cJSON *v;

    strbuf_adds(&text, "{\"deep\":");
    for (int i = 0; i < 5000; i++)
        strbuf_adds(&text, i % 2 ? "[" : "{\"]\\\"\":");
    strbuf_adds(&text, "1");
    for (int i = 5000; i-- > 0;)
        strbuf_addc(&text, i % 2 ? ']' : '}');
    strbuf_adds(&text, ",\"after\":true}");
    ck_assert_ptr_null(json_parse(text.data, text.len, NULL));
    v = json_parse_tolerant(text.data, text.len, &changed);
    ck_assert(changed && json_bool(v, "after", false));
    json_free(v);
    strbuf_release(&text);
}
END_TEST

START_TEST(lookups_mind_case)
{
    const char *text = "{\"Name\":\"a\",\"x\":{\"y\":{\"z\":7}}}";
    cJSON *v = json_parse(text, strlen(text), NULL);

    ck_assert_ptr_null(json_get(v, "name"));
    ck_assert_str_eq(json_str(v, "Name"), "a");
    ck_assert_ptr_nonnull(json_at(v, "x", "y", "z", NULL));
    ck_assert_ptr_null(json_at(v, "x", "q", "z", NULL));
    json_free(v);
}
END_TEST

START_TEST(equality_ignores_order_of_members)
{
    const char *x = "{\"a\":1,\"b\":[1,2]}", *y = "{\"b\":[1.0,2],\"a\":1}",
               *z = "{\"b\":[2,1],\"a\":1}";
    cJSON *a = json_parse(x, strlen(x), NULL), *b = json_parse(y, strlen(y), NULL),
          *c = json_parse(z, strlen(z), NULL);

    ck_assert(json_equal(a, b));
    ck_assert(!json_equal(a, c));
    json_free(a);
    json_free(b);
    json_free(c);
}
END_TEST

START_TEST(merge_patch_follows_rfc_7386)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    const char *const *c = cases[_i];
    cJSON *patch = json_parse(c[1], strlen(c[1]), NULL);
    cJSON *got = json_merge_patch(json_parse(c[0], strlen(c[0]), NULL), patch);
    char *text = json_print(got);

    ck_assert_str_eq(text, c[2]);
    free(text);
    json_free(got);
    json_free(patch);
}
END_TEST

START_TEST(sorted_text_is_the_same_for_equal_values)
{
    const char *text = "{\"b\":{\"d\":1,\"c\":\"x\\n\"},\"a\":[true,null]}";
    cJSON *v = json_parse(text, strlen(text), NULL);
    char *sorted = json_print_sorted(v);

    ck_assert_str_eq(sorted, "{\"a\":[true,null],\"b\":{\"c\":\"x\\n\",\"d\":1}}");
    free(sorted);
    json_free(v);
}
END_TEST

/* Objects of as many members as are sorted in place, and of more. */
START_TEST(any_number_of_members_is_sorted)
{
    cJSON *v = cJSON_CreateObject();
    struct strbuf want = STRBUF_INIT;
    char *sorted, name[16];

    for (int i = 0; i < _i; i++) {
        snprintf(name, sizeof name, "m%02d", (i * 7 + 3) % _i); /* each once, as 7 divides no _i */
        ck_assert_int_eq(json_set_int(v, name, i), 0);
    }
    sorted = json_print_sorted(v);
    strbuf_addc(&want, '{');
    for (int m = 0; m < _i; m++) {
        snprintf(name, sizeof name, "m%02d", m);
        strbuf_addf(&want, "%s\"%s\":%d", m ? "," : "", name, (int)json_int(v, name, -1));
    }
    strbuf_addc(&want, '}');
    ck_assert_str_eq(sorted, strbuf_str(&want));
    strbuf_release(&want);
    free(sorted);
    json_free(v);
}
END_TEST

/* Strings are looked at eight bytes at a time: what is odd is found wherever it stands. */
START_TEST(an_odd_character_is_found_anywhere_in_a_string)
{
    static const char *const odd[] = {"\\\"", "\\\\", "\\n", "\303\244", "\342\202\254"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCD";

    for (size_t len = 0; len <= 24; len++) {
        for (size_t at = 0; at <= len; at++) {
            char text[64];

            for (size_t o = 0; o < sizeof odd / sizeof *odd; o++) {
                snprintf(text, sizeof text, "[\"%.*s%s%.*s\",{}]", (int)at, letters, odd[o],
                         (int)(len - at), letters + at);
                round_trip(text, text);
            }
            snprintf(text, sizeof text, "[\"%.*s\n%.*s\"]", (int)at, letters, (int)(len - at),
                     letters + at);
            ck_assert_ptr_null(json_parse(text, strlen(text), NULL));
        }
    }
}
END_TEST

START_TEST(a_member_is_set_where_it_was)
{
    static const char text[] = "{\"kind\":1,\"middle\":[2],\"last\":{\"x\":3}}";
    cJSON *v = json_parse(text, strlen(text), NULL);
    char *back;

    ck_assert_int_eq(json_set_str(v, "last", "l"), 0);
    ck_assert_int_eq(json_set(v, "new", cJSON_CreateArray()), 0); /* behind the last */
    ck_assert_int_eq(json_set_int(v, "kind", 7), 0);
    ck_assert_int_eq(json_set(v, "middle", json_copy(json_get(v, "last"))), 0); /* is renamed */
    ck_assert_int_eq(json_set(v, "new", json_get(v, "new")), 0);                /* is there */
    back = json_print(v);
    ck_assert_str_eq(back, "{\"kind\":7,\"middle\":\"l\",\"last\":\"l\",\"new\":[]}");
    free(back);
    json_remove(v, "new");
    json_remove(v, "kind");
    back = json_print(v);
    ck_assert_str_eq(back, "{\"middle\":\"l\",\"last\":\"l\"}");
    free(back);
    json_free(v);
}
END_TEST

#if JSON_POOLED
static void *make_and_free(void *ret_place)
{
    cJSON *v = json_parse("[1]", 3, NULL);
    uintptr_t place = (uintptr_t)v;

    memcpy(ret_place, &place, sizeof place);
    json_free(v);
    return NULL;
}

START_TEST(what_a_thread_leaves_is_taken_over_by_the_next)
{
    uintptr_t places[2] = {0, 1};

    for (int i = 0; i < 2; i++) {
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, make_and_free, &places[i]), 0);
        pthread_join(thread, NULL);
    }
    ck_assert_uint_eq(places[0], places[1]);
    ck_assert_uint_eq(places[0] % 64, 0); /* a line of the cache */
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("json");
    TCase *tc = tcase_create("json");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, integers_above_two_to_the_53_survive);
    tcase_add_test(tc, numbers_print_short_and_plain);
    tcase_add_loop_test(tc, what_is_not_json_is_refused, 0,
                        (int)(sizeof bad_texts / sizeof bad_texts[0]));
    tcase_add_test(tc, no_text_passes_for_a_number);
    tcase_add_test(tc, nul_bytes_and_deep_nesting_are_refused);
    tcase_add_test(tc, trees_may_end_in_another_thread);
    tcase_add_loop_test(tc, what_is_odd_in_one_value_does_not_spoil_the_others, 0,
                        sizeof tolerant_cases / sizeof *tolerant_cases);
    tcase_add_test(tc, what_is_nested_too_deep_is_left_out);
    tcase_add_test(tc, lookups_mind_case);
    tcase_add_test(tc, equality_ignores_order_of_members);
    tcase_add_loop_test(tc, merge_patch_follows_rfc_7386, 0, 9);
    tcase_add_test(tc, sorted_text_is_the_same_for_equal_values);
    tcase_add_loop_test(tc, any_number_of_members_is_sorted, 15, 18);
    tcase_add_test(tc, an_odd_character_is_found_anywhere_in_a_string);
    tcase_add_test(tc, a_member_is_set_where_it_was);
#if JSON_POOLED
    tcase_add_test(tc, what_a_thread_leaves_is_taken_over_by_the_next);
#endif
    suite_add_tcase(s, tc);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
