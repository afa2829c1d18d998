/* Query templates: where errors are, what is refused, and which words a template speaks. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/metrics/answer_json.h"
#include "adapters/metrics/template.h"
#include "adapters/metrics/url.h"
#include "adapters/notify/notify.h"

static const struct metric_variable variables[] = {{"zone", "eu"}, {"rack", "7"}};
static const struct metric_model model = {"web", "prod", "podinfo", "frontend", "ing",
                                          "rt",  "1m",   variables, 2};

static const struct error_case {
    const char *text;
    uint32_t line, col;
    bool unsupported;
    const char *what;
} error_cases[] = {
    {"a\n{{ foo }}", 2, 4, false, "function \"foo\" not defined"},
    {"sum(\n  x{a=\"\xc3\xa9\"}[{{ interva }}]", 2, 15, false, "function \"interva\" not defined"},
    {"{{ variables.missing }}", 1, 4, false, "map has no entry for key \"missing\""},
    {"{{ .Target }}", 1, 4, false, "nil data; no entry for key \"Target\""},
    {"{{ target", 1, 10, false, "unclosed action"},
    {"{{ 1i }}", 1, 4, true, "complex numbers are not supported"},
    {"{{ call target }}", 1, 4, true, "the function \"call\" is not supported"},
    {"{{ printf \"%x\" target }}", 1, 4, true, "printf: unsupported pair of verb and value"},
    {"{{ range 1000000 }}x{{ end }}", 1, 20, true, "the template does too much"},
    {"{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}", 1, 17, true,
     "nested too deeply"},
};

START_TEST(errors_have_a_place_and_a_reason)
{
    const struct error_case *c = &error_cases[_i];
    struct arena *a = arena_new(0);
    struct strbuf out = STRBUF_INIT;
    struct template_error e;
    struct template *t = template_parse(a, c->text, strlen(c->text), &e);

    ck_assert(!t || template_render(t, &model, a, &out, &e) != 0);
    ck_assert_str_eq(e.what, c->what);
    ck_assert_msg(e.line == c->line && e.col == c->col, "%s: %u:%u", c->text, e.line, e.col);
    ck_assert(e.unsupported == c->unsupported);
    strbuf_release(&out);
    arena_free(a);
}
END_TEST

static const struct render_case {
    const char *text, *out;
} render_cases[] = {
    /* a verb that does not fit its value shows the value under the flags of the verb */
    {"{{ printf \"%.2f\" service }}", "%!f(string=fr)"},
    {"{{ printf \"%03d\" variables.zone }}", "%!d(string=0eu)"},
    {"{{ printf \"%-8s|\" 1 }}", "%!s(int=1       )|"},
    {"{{ printf \"%+s\" 1 }}", "%!s(int=+1)"},
    /* with %v a plus asks for the names of fields, with %d for a sign */
    {"{{ printf \"%+v\" 1 }}", "1"},
    {"{{ printf \"%+d\" 1 }}", "+1"},
};

START_TEST(formats_are_those_of_go)
{
    const struct render_case *c = &render_cases[_i];
    struct arena *a = arena_new(0);
    struct strbuf out = STRBUF_INIT;
    struct template_error e;
    struct template *t = template_parse(a, c->text, strlen(c->text), &e);

    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(template_render(t, &model, a, &out, &e), 0);
    ck_assert_str_eq(strbuf_str(&out), c->out);
    strbuf_release(&out);
    arena_free(a);
}
END_TEST

/* Go's scanner looks at one blank behind the end of a document that stops short. */
static const struct cut_case {
    const char *text, *error;
} cut_cases[] = {
    {"", "unexpected end of JSON input"},
    {"{\"a\"", "unexpected end of JSON input"},
    {"[1,", "unexpected end of JSON input"},
    {"\"abc", "unexpected end of JSON input"},
    {"-", "invalid character ' ' in numeric literal"},
    {"[1.", "invalid character ' ' after decimal point in numeric literal"},
    {"1e+", "invalid character ' ' in exponent of numeric literal"},
    {"nul", "invalid character ' ' in literal null (expecting 'l')"},
    {"\"\\", "invalid character ' ' in string escape code"},
    {"\"\\u12", "invalid character ' ' in \\u hexadecimal character escape"},
};

START_TEST(an_answer_cut_short_fails_in_the_words_of_go)
{
    const struct cut_case *c = &cut_cases[_i];
    struct arena *a = arena_new(0);
    const char *error = NULL;

    ck_assert_ptr_null(answer_json_parse(a, c->text, strlen(c->text), &error));
    ck_assert_str_eq(error, c->error);
    arena_free(a);
}
END_TEST

/* What encoding/json says of a zero byte, wherever it stands: no text ends there. */
static const struct zero_case {
    const char *text;
    size_t len;
    const char *error;
} zero_cases[] = {
    {"{}\0{}", 5, "invalid character '\\x00' after top-level value"},
    {"{\"a\0b\":1}", 9, "invalid character '\\x00' in string literal"},
    {"[1\0]", 4, "invalid character '\\x00' after array element"},
    {"\0", 1, "invalid character '\\x00' looking for beginning of value"},
};

START_TEST(a_zero_byte_ends_no_answer)
{
    const struct zero_case *c = &zero_cases[_i];
    struct arena *a = arena_new(0);
    const char *error = NULL;

    ck_assert_ptr_null(answer_json_parse(a, c->text, c->len, &error));
    ck_assert_str_eq(error, c->error);
    arena_free(a);
}
END_TEST

static void add_word(void *ctx, enum template_word kind, const char *name, size_t offset)
{
    strbuf_addf(ctx, "%s%s@%zu ", kind == TEMPLATE_VARIABLE ? "$" : "", name, offset);
}

START_TEST(words_are_listed_with_their_places)
{
    static const char text[] =
        "{{ target }}{{ if eq variables.zone \"eu\" }}{{ index variables \"my-key\" }}{{ end }}";
    struct arena *a = arena_new(0);
    struct strbuf words = STRBUF_INIT;
    struct template_error e;
    struct template *t = template_parse(a, text, sizeof text - 1, &e);

    ck_assert_ptr_nonnull(t);
    template_each_word(t, add_word, &words);
    ck_assert_str_eq(strbuf_str(&words),
                     "target@3 eq@18 variables@21 $zone@31 index@46 variables@52 $my-key@62 ");
    strbuf_release(&words);
    arena_free(a);
}
END_TEST

START_TEST(a_template_that_is_too_long_is_refused)
{
    struct arena *a = arena_new(0);
    char *text = calloc(1, TEMPLATE_BYTES_MAX + 1);
    struct template_error e;

    ck_assert_ptr_nonnull(text);
    memset(text, 'x', TEMPLATE_BYTES_MAX + 1);
    ck_assert_ptr_null(template_parse(a, text, TEMPLATE_BYTES_MAX + 1, &e));
    ck_assert(e.unsupported);
    ck_assert_ptr_nonnull(template_parse(a, text, TEMPLATE_BYTES_MAX, &e));
    free(text);
    arena_free(a);
}
END_TEST

static const struct url_case {
    const char *base, *more, *want;
} url_cases[] = {
    {"http://prometheus:9090", "api/v1/query", "http://prometheus:9090/api/v1/query"},
    {"http://prometheus:9090/prom/", "api/v1/query", "http://prometheus:9090/prom/api/v1/query"},
    {"https://u:p@prom/x", "api/v1/query", "https://u:p@prom/x/api/v1/query"},
    {"http://h/a/../b//c/.", "d", "http://h/b/c/d"},
    {"http://h/..", "d", "http://h/d"},
    {"HTTP://H/a b", "d", "http://H/a%20b/d"},
};

START_TEST(paths_join_as_in_go)
{
    struct arena *a = arena_new(0);
    const char *why = NULL;
    struct url u;

    ck_assert_int_eq(url_parse(a, url_cases[_i].base, &u, &why), 0);
    u.path = url_join_path(a, u.path, url_cases[_i].more);
    if (*u.path != '/')
        u.path = arena_printf(a, "/%s", u.path);
    ck_assert_str_eq(url_string(a, &u, false), url_cases[_i].want);
    arena_free(a);
}
END_TEST

START_TEST(severities_pass_upwards)
{
    ck_assert(notify_passes("info", "info", true) && notify_passes("info", "error", true));
    ck_assert(!notify_passes("warn", "info", true) && notify_passes("warn", "warn", true));
    ck_assert(!notify_passes("error", "warn", true) && notify_passes("error", "error", true));
    ck_assert(!notify_passes("", "error", true) && !notify_passes(NULL, "error", true));
    ck_assert(notify_passes("", "info", false) && notify_passes(NULL, "error", false));
    ck_assert(!notify_passes("nonsense", "error", false));
}
END_TEST

START_TEST(only_scheme_and_host_of_a_chat_address_are_shown)
{
    struct arena *a = arena_new(0);

    ck_assert_str_eq(notify_redact(a, "https://hooks.slack.com/services/T0/B0/x?y=1"),
                     "https://hooks.slack.com/...");
    ck_assert_str_eq(notify_redact(a, "https://me:pw@chat.test:8443/x"),
                     "https://chat.test:8443/...");
    ck_assert_str_eq(notify_redact(a, "T0/B0/x"), "(hidden)");
    arena_free(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("template");
    TCase *tc = tcase_create("template");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_loop_test(tc, errors_have_a_place_and_a_reason, 0,
                        (int)(sizeof error_cases / sizeof *error_cases));
    tcase_add_loop_test(tc, formats_are_those_of_go, 0,
                        (int)(sizeof render_cases / sizeof *render_cases));
    tcase_add_loop_test(tc, an_answer_cut_short_fails_in_the_words_of_go, 0,
                        (int)(sizeof cut_cases / sizeof *cut_cases));
    tcase_add_loop_test(tc, a_zero_byte_ends_no_answer, 0,
                        sizeof(zero_cases) / sizeof(zero_cases[0]));
    tcase_add_test(tc, words_are_listed_with_their_places);
    tcase_add_test(tc, a_template_that_is_too_long_is_refused);
    tcase_add_loop_test(tc, paths_join_as_in_go, 0, (int)(sizeof url_cases / sizeof *url_cases));
    tcase_add_test(tc, severities_pass_upwards);
    tcase_add_test(tc, only_scheme_and_host_of_a_chat_address_are_shown);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
