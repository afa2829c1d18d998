/* The frame of the command line: what people type, with a table of verbs of our own. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/diag.h"
#include "adapters/cli/frame.h"

static const struct option_spec go_options[] = {
    {.name = "output", .letter = 'o', .value = "FORM", .choices = "text|json|tap", .help = "form"},
    {.name = "seed", .value = "N", .help = "seed", .fallback = "1"},
    {.name = "set", .value = "A=B", .help = "set", .repeats = true},
    {.name = "verbose", .letter = 'v', .help = "talk"},
    {.name = "quick", .letter = 'q', .help = "hurry", .group = "Speed"},
    {.name = NULL},
};

static int run_nothing(const struct args *args)
{
    (void)args;
    return EXIT_YES;
}

static const struct verb verb_go = {
    .name = "go",
    .summary = "go somewhere",
    .usage = "[OPTION]... PLACE",
    .about = "Goes.",
    .example = "coalmine go home",
    .options = go_options,
    .values_min = 1,
    .values_max = 2,
    .run = run_nothing,
};
static const struct verb verb_dash = {
    .name = "dash",
    .summary = "flags as Flagger takes them",
    .usage = "[OPTION]...",
    .options = go_options,
    .values_max = 0,
    .single_dash = true,
    .run = run_nothing,
};
const struct verb *const verbs[] = {&verb_go, &verb_dash, NULL};

#define WORDS_MAX 8
static struct args parsed;
static char errors[1024];

/* Parse words ended by NULL; stderr goes to `errors`. */
static int parse(const struct verb *verb, const char *const *words)
{
    int count = 0;
    FILE *file = tmpfile();
    FILE *kept = stderr;

    while (words[count])
        count++;
    stderr = file;
    int rc = args_parse(verb, count, words, &parsed);
    stderr = kept;
    rewind(file);
    errors[fread(errors, 1, sizeof errors - 1, file)] = 0;
    fclose(file);
    return rc;
}

static void drop(void)
{
    args_release(&parsed);
}

/* clang-format off */
static struct bad_case { const char *name; const char *words[WORDS_MAX]; const char *want; } bad_cases[] = {
    {"a typo", {"home", "--ouptut=json"}, "coalmine go: no option --ouptut; did you mean --output?\n"},
    {"nothing like it", {"home", "--zzzzzzzz"}, "coalmine go: no option --zzzzzzzz\n"},
    {"a letter", {"home", "-z"}, "coalmine go: no option -z\n"},
    {"a choice", {"home", "--output=jsn"}, "coalmine go: --output=jsn: must be one of text|json|tap; did you mean json?\n"},
    {"a value too few", {"home", "--seed"}, "coalmine go: --seed needs a value: N\n"},
    {"a value too many", {"home", "--verbose=yes"}, "coalmine go: --verbose is a switch and takes no value\n"},
    {"no place", {NULL}, "coalmine go: too few arguments: coalmine go [OPTION]... PLACE\n"},
    {"three places", {"a", "b", "c"}, "coalmine go: unexpected argument 'c'\n"},
    {"single dashes elsewhere", {"home", "-seed", "3"}, "coalmine go: no option -s\n"},
};
/* clang-format on */

START_TEST(mistakes_get_one_line_and_a_way_on)
{
    const struct bad_case *c = &bad_cases[_i];
    char want[512];

    snprintf(want, sizeof want, "%stry 'coalmine go --help'\n", c->want);
    ck_assert_msg(parse(&verb_go, c->words) == EXIT_USAGE, "%s: was taken", c->name);
    ck_assert_str_eq(errors, want);
}
END_TEST

START_TEST(values_are_joined_or_follow)
{
    const char *words[] = {"--seed",    "7",     "-o",  "json", "home",
                           "--set=a=1", "--set", "b=2", "-vq",  NULL};

    ck_assert_int_eq(parse(&verb_go, words), 0);
    ck_assert_str_eq(args_get(&parsed, "seed", ""), "7");
    ck_assert_str_eq(args_get(&parsed, "output", ""), "json");
    ck_assert_str_eq(args_nth(&parsed, "set", 0), "a=1");
    ck_assert_str_eq(args_nth(&parsed, "set", 1), "b=2");
    ck_assert_ptr_null(args_nth(&parsed, "set", 2));
    ck_assert(args_has(&parsed, "verbose") && args_has(&parsed, "quick"));
    ck_assert_uint_eq(parsed.value_count, 1);
    ck_assert_str_eq(parsed.values[0], "home");
    drop();
}
END_TEST

START_TEST(the_value_of_a_letter_may_follow_at_once)
{
    const char *words[] = {"-ojson", "-vqo=tap", "home", NULL};

    ck_assert_int_eq(parse(&verb_go, words), 0);
    ck_assert_str_eq(args_nth(&parsed, "output", 0), "json");
    ck_assert_str_eq(args_get(&parsed, "output", ""), "tap");
    drop();
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    const char *words[] = {"--", "--seed", "-", NULL};

    ck_assert_int_eq(parse(&verb_go, words), 0);
    ck_assert_uint_eq(parsed.value_count, 2);
    ck_assert_str_eq(parsed.values[0], "--seed");
    ck_assert_str_eq(parsed.values[1], "-");
    drop();
}
END_TEST

START_TEST(help_wins_over_what_is_missing)
{
    const char *words[] = {"-h", "--nonsense", NULL};

    ck_assert_int_eq(parse(&verb_go, words), 0);
    ck_assert(args_has(&parsed, "help"));
    drop();
}
END_TEST

START_TEST(single_dash_options_read_as_go_reads_flags)
{
    const char *words[] = {"-seed=4",     "-output",        "json", "-verbose",
                           "-quick=true", "-verbose=false", NULL};
    const char *typo[] = {"-sed=4", NULL};

    ck_assert_int_eq(parse(&verb_dash, words), 0);
    ck_assert_str_eq(args_get(&parsed, "seed", ""), "4");
    ck_assert_str_eq(args_get(&parsed, "output", ""), "json");
    ck_assert(args_has(&parsed, "quick"));
    ck_assert(!args_has(&parsed, "verbose"));
    drop();
    ck_assert_int_eq(parse(&verb_dash, typo), EXIT_USAGE);
    ck_assert_str_eq(errors, "coalmine dash: no option -sed; did you mean -seed?\n"
                             "try 'coalmine dash --help'\n");
}
END_TEST

/* clang-format off */
static struct int_case { const char *name; const char *words[WORDS_MAX]; bool ok; int64_t want; } int_cases[] = {
    {"absent", {"x"}, true, 42},
    {"lowest", {"x", "--seed=-5"}, true, -5},
    {"highest", {"x", "--seed=100"}, true, 100},
    {"one above", {"x", "--seed=101"}, false, 0},
    {"beyond int64", {"x", "--seed=99999999999999999999"}, false, 0},
    {"no number", {"x", "--seed=ten"}, false, 0},
    {"trailing", {"x", "--seed=5s"}, false, 0},
    {"empty", {"x", "--seed="}, false, 0},
};
/* clang-format on */

START_TEST(whole_numbers_keep_their_bounds)
{
    const struct int_case *c = &int_cases[_i];
    int64_t value = 0;
    FILE *kept = stderr;

    ck_assert_int_eq(parse(&verb_go, c->words), 0);
    stderr = tmpfile();
    bool ok = args_int(&parsed, "seed", -5, 100, 42, &value);
    fclose(stderr);
    stderr = kept;
    ck_assert_msg(ok == c->ok, "%s", c->name);
    if (ok)
        ck_assert_int_eq(value, c->want);
    drop();
}
END_TEST

START_TEST(nearest_name_guesses_only_near_ones)
{
    const char *const names[] = {"interval", "iterations", "stepWeight", "stepWeights", NULL};

    ck_assert_str_eq(nearest_name("intervall", 9, names), "interval");
    ck_assert_str_eq(nearest_name("itnerval", 8, names), "interval");
    ck_assert_str_eq(nearest_name("stepWeigth", 10, names), "stepWeight");
    ck_assert_str_eq(nearest_name("stepweights", 11, names), "stepWeights");
    ck_assert_ptr_null(nearest_name("mirror", 6, names));
    ck_assert_ptr_null(nearest_name("", 0, names));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tc = tcase_create("args");

    tcase_add_loop_test(tc, mistakes_get_one_line_and_a_way_on, 0,
                        sizeof bad_cases / sizeof *bad_cases);
    tcase_add_test(tc, values_are_joined_or_follow);
    tcase_add_test(tc, the_value_of_a_letter_may_follow_at_once);
    tcase_add_test(tc, two_dashes_end_the_options);
    tcase_add_test(tc, help_wins_over_what_is_missing);
    tcase_add_test(tc, single_dash_options_read_as_go_reads_flags);
    tcase_add_loop_test(tc, whole_numbers_keep_their_bounds, 0,
                        sizeof int_cases / sizeof *int_cases);
    tcase_add_test(tc, nearest_name_guesses_only_near_ones);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
