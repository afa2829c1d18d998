/*
 * What is PromQL and what is not, and where it goes wrong. Each verdict is that of `promtool check
 * rules`, but for ranges and strings as the whole query: PromQL, and yet never one value.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/arena.h"
#include "adapters/metrics/builtin.h"
#include "adapters/metrics/promql_lint.h"

static const char *const good[] = {
    "vector(1)",
    "up",
    "sum(rate(http_requests_total{job=\"a\",code!~\"5..\",}[5m])) by (code) / on (code) group_left "
    "sum(x) * 100",
    "sum by (a, b) (rate(x[1m:10s] offset 5m))",
    "histogram_quantile(0.99, sum(rate(x_bucket[1h30m])) by (le)) * 1000",
    "-x ^ 2 + +3 % 2",
    "1 == bool 1",
    "x{a='it\\'s'} and on () y unless z or w",
    "max_over_time(deriv(x[5m])[1h:1m])",
    "topk(3, x) > bool 1",
    "count_values(\"v\", x) without (a)",
    "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\")",
    "round(x, 0.5) + round(x)",
    "x @ 1609746000 + x @ start() - x @ end()",
    "{__name__=~\"a.*\"}",
    "NaN + Inf",
    "0x1F + 1e3 + .5 + 5.",
    "sum(x) # a comment\n + 1",
    "job:http:rate5m{a=`raw\\`}",
    "time() - hour()",
    "SUM(x) BY (le)",
    "sum(sum)",
    "rate(x[5m]) atan2 y",
    "x offset -5m",
    "quantile(0.9, x)",
    "clamp(x, 0, 1)",
    "scalar(x) > bool 1",
    "((x))",
};

static const struct bad_case {
    const char *query;
    size_t offset;
    const char *what;
} bad[] = {
    {"", 0, "the query ends where an expression is expected"},
    {"sum(x", 5, "the query ends where a comma or ')' is expected"},
    {"(x", 0, "a '(' without its ')'"},
    {"x)", 1, "')' where an operator or the end of the query is expected"},
    {"x{a=\"b}", 4, "a string without its closing quote"},
    {"x{a=b}", 4, "a label value in quotes is expected here"},
    {"x{a\"b\"}", 3, "=, !=, =~ or !~ is expected here"},
    {"x{a=\"b\" c=\"d\"}", 8, "a comma or '}' is expected here"},
    {"x[5]]", 4, "']' where an operator or the end of the query is expected"},
    {"rate(x[5x])", 7, "not a duration"},
    {"rate(x[5m)", 9, "')' where ']' is expected"},
    {"rate(x)", 5, "rate wants a range vector as argument 1, not an instant vector"},
    {"sum(x[5m])", 4, "sum wants an instant vector as argument 1, not a range vector"},
    {"rat(x[5m])", 0, "unknown function \"rat\""},
    {"sum(x, y)", 7, "sum takes no argument 2"},
    {"histogram_quantile(sum(x))", 19,
     "histogram_quantile wants a scalar as argument 1, not an instant vector"},
    {"topk(x)", 5, "topk wants a scalar as argument 1, not an instant vector"},
    {"vector()", 0, "vector wants 1 argument, not 0"},
    {"x[5m]", 0, "the query gives a range where one value is wanted"},
    {"\"text\"", 0, "the query gives a string where one value is wanted"},
    {"x[5m] / y", 0, "/ with a range vector"},
    {"1 == 1", 0, "a comparison of two scalars needs bool"},
    {"x and 1", 0, "and with a scalar"},
    {"x + bool y", 4, "bool goes with comparisons only"},
    {"{}", 0, "a selector without a name needs a matcher"},
    {"x + ", 4, "the query ends where an expression is expected"},
    {"x y", 2, "an operator or the end of the query is expected here"},
    {"sum by (a) (x) by (b)", 0, "sum is grouped twice"},
    {"rate(x[5m])[5m]", 0, "a range over what is no selector"},
    {"(x)[5m]", 0, "a range over what is no selector"},
    {"time()[5m]", 0, "a range over a scalar"},
    {"x{a=\"\\q\"}", 5, "unknown escape in a string"},
    {"rate(x[1m1h])", 7, "not a duration"},
    {"\xff", 0, "an expression is expected here"},
};

struct first {
    struct promql_finding f;
    unsigned count;
};

static void keep_first(void *ctx, const struct promql_finding *f)
{
    struct first *first = ctx;

    if (first->count++ == 0)
        first->f = *f;
}

START_TEST(good_queries_pass)
{
    struct arena *a = arena_new(0);
    struct first first = {0};

    ck_assert_msg(promql_lint(a, good[_i], strlen(good[_i]), keep_first, &first), "%s: %s",
                  good[_i], first.f.what);
    ck_assert_uint_eq(first.count, 0);
    arena_free(a);
}
END_TEST

START_TEST(bad_queries_are_found_at_their_place)
{
    const struct bad_case *c = &bad[_i];
    struct arena *a = arena_new(0);
    struct first first = {0};
    bool ok = promql_lint(a, c->query, strlen(c->query), keep_first, &first);

    ck_assert_msg(!ok, "%s passed", c->query);
    ck_assert_str_eq(first.f.what, c->what);
    ck_assert_uint_eq(first.f.offset, c->offset);
    ck_assert_uint_le(first.f.offset + first.f.len, strlen(c->query));
    arena_free(a);
}
END_TEST

START_TEST(a_misspelt_function_gets_a_suggestion)
{
    struct arena *a = arena_new(0);
    struct first first = {0};

    promql_lint(a, "histogram_quantil(0.9, x)", 25, keep_first, &first);
    ck_assert_str_eq(first.f.hint, "did you mean \"histogram_quantile\"?");
    arena_free(a);
}
END_TEST

START_TEST(all_findings_of_a_readable_query_are_reported)
{
    static const char query[] = "rat(x[5m]) + sum(y[5m]) + rate(z)";
    struct arena *a = arena_new(0);
    struct first first = {0};

    promql_lint(a, query, strlen(query), keep_first, &first);
    ck_assert_uint_eq(first.count, 3);
    arena_free(a);
}
END_TEST

START_TEST(every_builtin_query_passes)
{
    static const char *const keys[] = {"appmesh", "linkerd",    "istio",   "contour", "gloo",
                                       "nginx",   "kubernetes", "skipper", "traefik", "osm",
                                       "kuma",    "apisix",     "knative"};
    struct metric_model m = {"web", "prod", "podinfo", "frontend", "ing", "rt", "1m", NULL, 0};
    struct arena *a = arena_new(0);

    for (size_t i = 0; i < 2 * sizeof keys / sizeof *keys; i++) {
        const struct builtin *b = builtin_find(keys[i / 2], BUILTIN_AS_FLAGGER);
        const char *query = NULL, *why = NULL;
        struct first first = {0};

        ck_assert_int_eq(builtin_render(b, i % 2, &m, a, &query, &why), 0);
        ck_assert_msg(promql_lint(a, query, strlen(query), keep_first, &first), "%s: %s", query,
                      first.f.what);
    }
    arena_free(a);
}
END_TEST

/* Counts for judges are cut out of the rate's query; the primary's name its own side. */
static const struct {
    const char *key, *succeeded, *requests, *primary;
} counted[] = {
    {"istio",
     " sum( increase( istio_requests_total{ reporter=\"destination\", "
     "destination_workload_namespace=\"prod\", destination_workload=~\"podinfo\", "
     "response_code!~\"5.*\" }[1m] ) )",
     "sum( increase( istio_requests_total{ reporter=\"destination\", "
     "destination_workload_namespace=\"prod\", destination_workload=~\"podinfo\" }[1m] ) )",
     "destination_workload=~\"podinfo-primary\""},
    {"nginx", NULL, NULL, "ingress=\"ing\", canary=\"\""},
    {"contour", NULL, NULL, "\"prod_frontend-primary_[0-9a-zA-Z-]+\""},
    {"gloo", NULL, NULL, "\"prod-podinfo-primaryupstream-"},
    {"traefik", NULL, NULL, "\"prod-podinfo-primary-[0-9a-zA-Z-]+@kubernetescrd\""},
    {"kuma", NULL, NULL, "\"podinfo-primary_prod_svc_"},
    {"kubernetes", NULL, NULL, "kubernetes_pod_name=~\"podinfo-primary-[0-9a-zA-Z]+("},
    {"appmesh", NULL, NULL, "kubernetes_pod_name=~\"podinfo-primary-[0-9a-zA-Z]+("},
    {"linkerd", NULL, NULL, "deployment=~\"podinfo-primary\""},
    {"osm", NULL, NULL, "destination_name=\"podinfo-primary\""},
    {"skipper", NULL,
     "sum(increase(skipper_response_duration_seconds_bucket{route=~\"kube(ew)?_prod__ing_canary__.*"
     "__"
     "frontend_canary(_[0-9]+)?\",le=\"+Inf\"}[1m]))",
     "_prod__ing_canary__.*__frontend_primary("},
    {"apisix", NULL, NULL, NULL},
    {"knative", NULL, NULL, NULL},
};
START_TEST(counts_for_judges_follow_from_every_builtin_query)
{
    struct metric_model m = {"web", "prod", "podinfo", "frontend", "ing", "rt", "1m", NULL, 0};
    const struct builtin *b = builtin_find(counted[_i].key, BUILTIN_STRICT);
    const char *queries[2], *why = NULL, *primary = NULL;
    struct arena *a = arena_new(0);

    for (int i = 0; i < 2; i++) {
        struct first first = {0};
        enum builtin_part part = i ? BUILTIN_SUCCEEDED : BUILTIN_REQUESTS;

        ck_assert_int_eq(builtin_render_part(b, part, false, &m, a, &queries[i], &why), 0);
        ck_assert_msg(promql_lint(a, queries[i], strlen(queries[i]), keep_first, &first), "%s: %s",
                      queries[i], first.f.what);
        ck_assert(strstr(queries[i], "increase(") && !strstr(queries[i], " rate(") &&
                  !strstr(queries[i], "100"));
        int rc = builtin_render_part(b, part, true, &m, a, &primary, &why);
        ck_assert_int_eq(rc, counted[_i].primary ? 0 : -ENOTSUP);
        if (counted[_i].primary)
            ck_assert_msg(strstr(primary, counted[_i].primary), "%s", primary);
    }
    ck_assert_str_ne(queries[0], queries[1]);
    if (counted[_i].requests)
        ck_assert_str_eq(queries[0] + strspn(queries[0], " "), counted[_i].requests);
    if (counted[_i].succeeded)
        ck_assert_str_eq(queries[1], counted[_i].succeeded);
    for (int duration = 0; duration < 2 && counted[_i].primary; duration++) {
        struct first first = {0};

        ck_assert_int_eq(builtin_render_part(b, duration ? BUILTIN_DURATION : BUILTIN_RATE, true,
                                             &m, a, &primary, &why),
                         0);
        ck_assert(promql_lint(a, primary, strlen(primary), keep_first, &first));
    }
    arena_free(a);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    struct arena *a = arena_new(0);
    struct first first = {0};
    char query[4096];

    memset(query, '(', sizeof query);
    ck_assert(!promql_lint(a, query, sizeof query, keep_first, &first));
    ck_assert_str_eq(first.f.what, "the query is nested too deeply to be checked");
    arena_free(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("promql_lint");
    TCase *tc = tcase_create("promql_lint");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_loop_test(tc, good_queries_pass, 0, (int)(sizeof good / sizeof *good));
    tcase_add_loop_test(tc, bad_queries_are_found_at_their_place, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tc, a_misspelt_function_gets_a_suggestion);
    tcase_add_test(tc, all_findings_of_a_readable_query_are_reported);
    tcase_add_test(tc, every_builtin_query_passes);
    tcase_add_loop_test(tc, counts_for_judges_follow_from_every_builtin_query, 0,
                        sizeof counted / sizeof *counted);
    tcase_add_test(tc, deep_nesting_is_refused);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
