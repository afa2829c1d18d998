/* adapters/base/diag */
#include "adapters/base/diag.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char printed[4096];

static const char *print(const struct diag *d, const char *source, bool color)
{
    FILE *f = fmemopen(printed, sizeof printed, "w");

    ck_assert_ptr_nonnull(f);
    diag_print(f, d, source, source ? strlen(source) : 0, color);
    fputc('\0', f);
    fclose(f);
    return printed;
}

static const char source[] = "a: 1\n\tb: gr\xc3\xbc\xc3\x9f x\r\nlast";

static const struct print_case {
    const char *name;
    struct diag d;
    const char *want;
} print_cases[] = {
    {"all there is",
     {"CM102", SEVERITY_ERROR, "c.yaml", 1, 4, 5, ".spec.a", "1 is too small", "use 2"},
     "c.yaml:1:4: error: .spec.a: 1 is too small [CM102]\n    1 | a: 1\n      |    ^\nhint: use "
     "2\n"},
    {"tabs are kept and characters counted",
     {NULL, SEVERITY_WARNING, "-", 2, 11, 12, NULL, "odd", NULL},
     "-:2:11: warning: odd\n    2 | \tb: gr\xc3\xbc\xc3\x9f x\n      | \t         ^\n"},
    {"the whole culprit is underlined",
     {NULL, SEVERITY_INFO, "-", 3, 1, 5, NULL, "w", NULL},
     "-:3:1: info: w\n    3 | last\n      | ^~~~\n"},
    {"no column",
     {NULL, SEVERITY_ERROR, "f", 1, 0, 0, NULL, "w", NULL},
     "f:1: error: w\n    1 | a: 1\n"},
    {"no line", {NULL, SEVERITY_ERROR, "f", 0, 0, 0, NULL, "w", NULL}, "f: error: w\n"},
    {"no file", {NULL, SEVERITY_ERROR, NULL, 0, 0, 0, ".x", "w", NULL}, "error: .x: w\n"},
    {"past the end", {NULL, SEVERITY_ERROR, "f", 9, 1, 0, NULL, "w", NULL}, "f:9:1: error: w\n"},
};

START_TEST(findings_print_with_their_place)
{
    const struct print_case *c = &print_cases[_i];
    const char *got = print(&c->d, source, false);

    ck_assert_msg(strcmp(got, c->want) == 0, "%s: got:\n%s", c->name, got);
}
END_TEST

START_TEST(a_file_cannot_steer_the_terminal)
{
    const struct diag d = {NULL, SEVERITY_ERROR, "f", 1, 1, 0, ".a\033[2J", "w\r\033c", NULL};

    ck_assert_ptr_null(strchr(print(&d, "a\033[31mb\x07", false), '\033'));
    ck_assert_ptr_null(strchr(printed, '\r'));
    ck_assert_ptr_nonnull(strstr(printed, "a?[31mb?"));
}
END_TEST

START_TEST(long_lines_are_cut_around_the_culprit)
{
    const struct diag d = {NULL, SEVERITY_ERROR, "f", 1, 3000, 0, NULL, "w", NULL};
    char line[5001];
    const char *caret;

    memset(line, 'x', 5000);
    line[5000] = '\0';
    line[2999] = '!';
    print(&d, line, false);
    ck_assert_uint_lt(strlen(printed), 400);
    caret = strchr(printed, '^');
    ck_assert_ptr_nonnull(caret);
    ck_assert_int_eq(strchr(printed, '!') - strstr(printed, "    1 | "),
                     caret - strstr(printed, "      | "));
}
END_TEST

START_TEST(findings_sort_by_file_line_column_and_time)
{
    static const struct diag found[] = {
        {.file = "b", .line = 2, .col = 1, .what = "3"}, {.file = "a", .line = 1, .what = "5"},
        {.file = "b", .line = 1, .col = 9, .what = "1"}, {.file = "b", .line = 2, .what = "2"},
        {.file = "b", .line = 2, .col = 1, .what = "4"}, {.file = "a", .line = 1, .what = "6"},
    };
    struct arena *arena = arena_new(0);
    char order[7] = "";
    struct diags d;

    diags_init(&d, arena);
    for (size_t i = 0; i < 6; i++)
        diags_add(&d, &found[i]);
    diags_sort(&d);
    for (size_t i = 0; i < d.count; i++)
        order[i] = d.items[i].what[0];
    ck_assert_str_eq(order, "123456");
    ck_assert_uint_eq(d.errors, 6);
    diags_release(&d);
    arena_free(arena);
}
END_TEST

START_TEST(findings_past_the_limit_are_counted)
{
    const struct diag warning = {.severity = SEVERITY_WARNING, .what = "w"};
    struct arena *arena = arena_new(0);
    struct diags d;

    diags_init(&d, arena);
    for (unsigned i = 0; i < DIAGS_MAX + 5; i++)
        diags_add(&d, &warning);
    ck_assert_uint_eq(d.count, DIAGS_MAX);
    ck_assert_uint_eq(d.dropped, 5);
    ck_assert_uint_eq(d.warnings, DIAGS_MAX + 5);
    ck_assert_uint_eq(d.errors, 0);
    diags_release(&d);
    arena_free(arena);
}
END_TEST

static const struct {
    const char *word, *want;
} typos[] = {
    {"stepWieght", "stepWeight"},
    {"stepweight", "stepWeight"},
    {"maxweigth", "maxWeight"},
    {"thresold", "threshold"},
    {"interval", "interval"},
    {"zzzzzzzz", NULL},
    {"", NULL},
};

START_TEST(the_nearest_name_is_found)
{
    static const char *const names[] = {"interval",    "maxWeight", "stepWeight",
                                        "stepWeights", "threshold", NULL};
    const char *got = nearest_name(typos[_i].word, strlen(typos[_i].word), names);

    if (typos[_i].want)
        ck_assert_str_eq(got, typos[_i].want);
    else
        ck_assert_ptr_null(got);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("diag");
    TCase *tc = tcase_create("diag");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, findings_print_with_their_place, 0,
                        (int)(sizeof print_cases / sizeof print_cases[0]));
    tcase_add_test(tc, a_file_cannot_steer_the_terminal);
    tcase_add_test(tc, long_lines_are_cut_around_the_culprit);
    tcase_add_test(tc, findings_sort_by_file_line_column_and_time);
    tcase_add_test(tc, findings_past_the_limit_are_counted);
    tcase_add_loop_test(tc, the_nearest_name_is_found, 0, (int)(sizeof typos / sizeof typos[0]));
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
