/* adapters/base/strbuf */
#include "adapters/base/strbuf.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

START_TEST(text_grows_and_stays_terminated)
{
    struct strbuf b = STRBUF_INIT;

    ck_assert_str_eq(strbuf_str(&b), "");
    for (int i = 0; i < 1000; i++) {
        strbuf_addc(&b, (char)('a' + i % 26));
        ck_assert_uint_eq(b.len, (size_t)i + 1);
        ck_assert_uint_eq(strlen(b.data), b.len);
    }
    strbuf_clear(&b);
    ck_assert_str_eq(strbuf_str(&b), "");
    strbuf_addf(&b, "%s=%05d", "weight", 42);
    strbuf_add(&b, "\0x", 2);
    ck_assert_uint_eq(b.len, 14);
    ck_assert_str_eq(b.data, "weight=00042");
    strbuf_release(&b);
    ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(a_long_format_is_not_cut)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_addf(&b, "%5000d|", 7);
    ck_assert_uint_eq(b.len, 5001);
    ck_assert_str_eq(b.data + 4999, "7|");
    strbuf_release(&b);
}
END_TEST

START_TEST(an_empty_buffer_detaches_as_empty_text)
{
    struct strbuf b = STRBUF_INIT;
    char *text = strbuf_detach(&b);

    ck_assert_str_eq(text, "");
    free(text);
    strbuf_adds(&b, "again");
    text = strbuf_detach(&b);
    ck_assert_str_eq(text, "again");
    ck_assert_uint_eq(b.len, 0);
    free(text);
}
END_TEST

START_TEST(what_is_not_unreserved_is_percent_encoded)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_add_percent(&b, "azAZ09-._~", 10, "");
    ck_assert_str_eq(b.data, "azAZ09-._~");
    strbuf_clear(&b);
    strbuf_add_percent(&b, "a/b:c \0%\xc3\xa9", 10, "");
    ck_assert_str_eq(b.data, "a%2Fb%3Ac%20%00%25%C3%A9");
    strbuf_clear(&b);
    strbuf_add_percent(&b, "/a b:\0", 6, "/:");
    ck_assert_str_eq(b.data, "/a%20b:%00");
    strbuf_release(&b);
}
END_TEST

START_TEST(failure_keeps_the_text_and_is_remembered)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_adds(&b, "kept");
    strbuf_add(&b, "x", SIZE_MAX - 2);
    ck_assert(b.failed);
    ck_assert_str_eq(strbuf_str(&b), "kept");
    strbuf_adds(&b, "more");
    ck_assert_str_eq(strbuf_str(&b), "kept");
    ck_assert_ptr_null(strbuf_detach(&b));
}
END_TEST

/* What Go's encoding/json writes with SetEscapeHTML(false). */
static const struct {
    const char *text, *json;
} strings[] = {
    {"plain <b>&", "\"plain <b>&\""},
    {"q\"b\\s/", "\"q\\\"b\\\\s/\""},
    {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
    {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\""},
    {"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\"\\u2028\\u2029\xe2\x80\xaa\""},
    {"a\xff\xc3z\xed\xa0\x80", "\"a\\ufffd\\ufffdz\\ufffd\\ufffd\\ufffd\""},
};

START_TEST(json_strings_are_escaped_as_go_does)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_add_json(&b, strings[_i].text, strlen(strings[_i].text));
    ck_assert_str_eq(strbuf_str(&b), strings[_i].json);
    strbuf_release(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("strbuf");
    TCase *tc = tcase_create("strbuf");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, text_grows_and_stays_terminated);
    tcase_add_test(tc, a_long_format_is_not_cut);
    tcase_add_test(tc, an_empty_buffer_detaches_as_empty_text);
    tcase_add_test(tc, what_is_not_unreserved_is_percent_encoded);
    tcase_add_test(tc, failure_keeps_the_text_and_is_remembered);
    tcase_add_loop_test(tc, json_strings_are_escaped_as_go_does, 0,
                        (int)(sizeof strings / sizeof strings[0]));
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
