#include "adapters/scenario/series.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine/num.h"

/* What promtool 2.42 makes of each notation: samples in all, present ones, the last, the sum. */
static const struct notation {
    const char *text;
    size_t count, present;
    double last, sum;
} notations[] = {
    {"1 2 3", 3, 3, 3, 6},
    {"99.5x10 97 99x2", 15, 15, 99, 1488.5},
    {"1+2x3", 4, 4, 7, 16},
    {"10-3x4", 5, 5, -2, 20},
    {"_ 1 _x3 2", 6, 2, 2, 3},
    {"stale 1", 2, 1, 1, 1},
    {"010x1", 2, 2, 8, 16},
    {"09x1", 2, 2, 9, 18},
    {"1e3x1", 2, 2, 1000, 2000},
    {".5x2", 3, 3, 0.5, 1.5},
    {"5.", 1, 1, 5, 5},
    {"-1-2x3", 4, 4, -7, -16},
    {"+4", 1, 1, 4, 4},
    {"1x0", 1, 1, 1, 1},
    {"0+0.1x3", 4, 4, 0.30000000000000004, 0.6000000000000001},
    {"0x10", 11, 11, 0, 0},
    {"_x0", 0, 0, 0, 0},
    {"1x010", 11, 11, 1, 11},
    {"007.5", 1, 1, 7.5, 7.5},
    {"1\t2", 2, 2, 2, 3},
    {"stale stale", 2, 0, 0, 0},
    {"1e+2x2", 3, 3, 100, 300},
    {"1+1e2x2", 3, 3, 201, 303},
    {"", 0, 0, 0, 0},
    {"  7  ", 1, 1, 7, 7},
};

START_TEST(notation_means_what_promtool_makes_of_it)
{
    const struct notation *n = &notations[_i];
    struct arena *arena = arena_new(0);
    const struct series_sample *samples = NULL;
    struct series_error error;
    double last = 0, sum = 0;
    size_t count = 0, present = 0;

    ck_assert_msg(series_parse(arena, n->text, strlen(n->text), &samples, &count, &error) == 0,
                  "%s was refused", n->text);
    for (size_t i = 0; i < count; i++)
        if (samples[i].present) {
            present++;
            last = samples[i].value;
            sum += samples[i].value;
        }
    ck_assert_msg(count == n->count && present == n->present, "%s: %zu samples, %zu present",
                  n->text, count, present);
    ck_assert_msg(last <= n->last && last >= n->last, "%s: last is %.17g", n->text, last);
    ck_assert_msg(sum <= n->sum && sum >= n->sum, "%s: sum is %.17g", n->text, sum);
    arena_free(arena);
}
END_TEST

static const struct refused {
    const char *text;
    uint32_t col;
} refused[] = {
    {"x3", 1},     {"1 x3", 3},      {"1+2", 4},     {"NaNx2", 1},  {"infx2", 1},
    {"1e", 1},     {"1_", 1},        {"1x1e1", 4},   {"__", 2},     {"1__", 1},
    {"1,2", 2},    {"1x2x3", 4},     {"1+Infx1", 3}, {"1--1x2", 3}, {"1x", 3},
    {"1 {{}}", 3}, {"1x9999999", 3}, {"stalex2", 1}, {"one", 1},    {"1 2\n3 b", 3},
};

START_TEST(what_promtool_refuses_is_refused_with_its_place)
{
    const struct refused *r = &refused[_i];
    struct arena *arena = arena_new(0);
    const struct series_sample *samples;
    struct series_error error = {0};
    size_t count;

    ck_assert_msg(series_parse(arena, r->text, strlen(r->text), &samples, &count, &error) != 0,
                  "%s was accepted", r->text);
    ck_assert_msg(error.col == r->col, "%s: column %u, want %u (%s)", r->text, error.col, r->col,
                  error.what);
    ck_assert_ptr_nonnull(error.what);
    arena_free(arena);
}
END_TEST

START_TEST(special_values_keep_their_meaning)
{
    struct arena *arena = arena_new(0);
    const struct series_sample *samples;
    struct series_error error;
    size_t count;

    ck_assert_int_eq(series_parse(arena, "NaN Inf -inf +INF", 17, &samples, &count, &error), 0);
    ck_assert_uint_eq(count, 4);
    ck_assert(num_is_nan(samples[0].value) && samples[0].present);
    ck_assert(samples[1].value > 1e308 && samples[2].value < -1e308 && samples[3].value > 1e308);
    arena_free(arena);
}
END_TEST

START_TEST(csv_takes_seconds_durations_and_dates)
{
    static const char text[] = "time,value\n0,1.5\n# a comment\n90,\n\n2m,3\r\n";
    static const char dates[] = "2024-01-01T00:00:00Z,1\n2024-01-01T01:00:30+01:00,2\n"
                                "\"2024-01-01 00:01:00.250Z\",\"3\"\n";
    struct arena *arena = arena_new(0);
    const struct metric_point *points;
    struct series_error error;
    size_t count;

    ck_assert_int_eq(csv_parse(arena, text, sizeof text - 1, &points, &count, &error), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_int_eq(points[1].at_ms, 90000);
    ck_assert(num_is_nan(points[1].value));
    ck_assert_int_eq(points[2].at_ms, 120000);
    ck_assert_double_eq(points[2].value, 3);
    ck_assert_int_eq(csv_parse(arena, dates, sizeof dates - 1, &points, &count, &error), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_int_eq(points[0].at_ms, 0);
    ck_assert_int_eq(points[1].at_ms, 30000);
    ck_assert_int_eq(points[2].at_ms, 60250);
    arena_free(arena);
}
END_TEST

START_TEST(csv_mistakes_are_located)
{
    struct arena *arena = arena_new(0);
    const struct metric_point *points;
    struct series_error error;
    size_t count;

    ck_assert_int_ne(csv_parse(arena, "0,1\n1,two\n", 10, &points, &count, &error), 0);
    ck_assert_uint_eq(error.line, 2);
    ck_assert_uint_eq(error.col, 3);
    ck_assert_int_ne(csv_parse(arena, "5,1\n1,2\n", 8, &points, &count, &error), 0);
    ck_assert_str_eq(error.what, "time goes back");
    ck_assert_int_ne(csv_parse(arena, "5\n", 2, &points, &count, &error), 0);
    ck_assert_int_ne(csv_parse(arena, "0,1\nsoon,2\n", 11, &points, &count, &error), 0);
    ck_assert_uint_eq(error.line, 2);
    arena_free(arena);
}
END_TEST

START_TEST(prometheus_range_answers_are_read_relative_to_their_first_sample)
{
    static const char text[] =
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},"
        "\"values\":[[1700000000,\"99.5\"],[1700000060.5,\"NaN\"],[1700000120,\"+Inf\"]]}]}}";
    static const char two[] =
        "{\"status\":\"success\",\"data\":{\"result\":[{\"values\":[]},{\"values\":[]}]}}";
    struct arena *arena = arena_new(0);
    const struct metric_point *points;
    struct series_error error;
    size_t count;

    ck_assert_int_eq(prometheus_parse(arena, text, sizeof text - 1, &points, &count, &error), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_int_eq(points[1].at_ms, 60500);
    ck_assert(num_is_nan(points[1].value));
    ck_assert_double_eq(points[0].value, 99.5);
    ck_assert_int_ne(prometheus_parse(arena, two, sizeof two - 1, &points, &count, &error), 0);
    ck_assert_int_ne(prometheus_parse(arena, "{", 1, &points, &count, &error), 0);
    ck_assert_int_ne(prometheus_parse(arena, "{\"status\":\"error\"}", 18, &points, &count, &error),
                     0);
    arena_free(arena);
}
END_TEST

static const char exposition[] = "# TYPE http_errors gauge\n"
                                 "http_errors{app=\"podinfo\",code=\"500\"} 0.1 1700000000\n"
                                 "http_errors{app=\"podinfo\",code=\"404\"} 7 1700000000\n"
                                 "http_errors{app=\"podinfo\",code=\"500\"} 0.2 1700000060.5\n"
                                 "old_style{a=\"}\"} 3 1700000000000\n"
                                 "# EOF\n";

START_TEST(openmetrics_selects_one_series_by_name_and_labels)
{
    struct arena *arena = arena_new(0);
    const struct metric_point *points;
    struct series_error error;
    size_t count;

    ck_assert_int_eq(openmetrics_parse(arena, exposition, sizeof exposition - 1,
                                       "http_errors{code=\"500\"}", &points, &count, &error),
                     0);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(points[1].at_ms, 60500);
    ck_assert_double_eq(points[1].value, 0.2);
    ck_assert_int_eq(openmetrics_parse(arena, exposition, sizeof exposition - 1, "old_style",
                                       &points, &count, &error),
                     0);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_ne(openmetrics_parse(arena, exposition, sizeof exposition - 1, "http_errors",
                                       &points, &count, &error),
                     0);
    ck_assert_uint_eq(error.line, 3);
    ck_assert_int_ne(openmetrics_parse(arena, "a 1\n", 4, NULL, &points, &count, &error), 0);
    ck_assert_str_eq(error.what, "the sample has no timestamp");
    arena_free(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series");
    TCase *tc = tcase_create("series");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tc, notation_means_what_promtool_makes_of_it, 0,
                        (int)(sizeof notations / sizeof *notations));
    tcase_add_loop_test(tc, what_promtool_refuses_is_refused_with_its_place, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_test(tc, special_values_keep_their_meaning);
    tcase_add_test(tc, csv_takes_seconds_durations_and_dates);
    tcase_add_test(tc, csv_mistakes_are_located);
    tcase_add_test(tc, prometheus_range_answers_are_read_relative_to_their_first_sample);
    tcase_add_test(tc, openmetrics_selects_one_series_by_name_and_labels);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
