/* The provider feature table: how provider strings resolve, and that its rows agree with
 * themselves. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/features.h"

static const struct resolve_case {
    const char *given, *want; /* want NULL = unknown */
} resolve_cases[] = {
    {"istio", "istio"},
    {"smi:v1alpha1:istio", "smi:v1alpha1"},
    {"gloo:edge", "gloo"},
    {"appmesh:v1beta2", "appmesh:v1beta2"},
    {"appmesh:v1beta1", NULL},
    {"gatewayapi:v1beta1", "gatewayapi:v1beta1"},
    {"gatewayapi:v1beta2", "gatewayapi:v1"},
    {"gatewayapi:v1alpha2", "gatewayapi:v1"},
    {"gatewayapi", NULL},
    {"smi", NULL},
    {"nop", NULL},
    {"", NULL},
};

START_TEST(provider_strings_resolve_as_flagger_resolves_them)
{
    const struct resolve_case *c = &resolve_cases[_i];
    const struct provider_features *f = provider_features_find(c->given);

    if (c->want == NULL) {
        ck_assert_msg(f == NULL, "%s: got %s, want none", c->given, f == NULL ? "" : f->provider);
        return;
    }
    ck_assert_msg(f != NULL, "%s: not found", c->given);
    ck_assert_str_eq(f->provider, c->want);
}
END_TEST

START_TEST(every_provider_of_the_crd_has_one_row_in_order)
{
    size_t count = 0;

    for (const struct provider_features *f = provider_features; f->provider != NULL; f++, count++) {
        if (f[1].provider != NULL)
            ck_assert_msg(strcmp(f->provider, f[1].provider) < 0, "%s stands after %s",
                          f[1].provider, f->provider);
        ck_assert_ptr_eq(provider_features_find(f->provider), f);
    }
    ck_assert_uint_eq(count, 19);
}
END_TEST

START_TEST(a_provider_without_ab_has_no_match_forms)
{
    for (const struct provider_features *f = provider_features; f->provider != NULL; f++) {
        bool forms = f->ab_headers != 0 || f->ab_query_params != 0 || f->ab_source_labels;

        ck_assert_msg((f->ab == MATCH_LOGIC_NONE) == !forms, "%s", f->provider);
        ck_assert_msg(f->weights != f->forced_blue_green, "%s", f->provider);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("router features");
    TCase *tc = tcase_create("features");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_loop_test(tc, provider_strings_resolve_as_flagger_resolves_them, 0,
                        sizeof(resolve_cases) / sizeof(resolve_cases[0]));
    tcase_add_test(tc, every_provider_of_the_crd_has_one_row_in_order);
    tcase_add_test(tc, a_provider_without_ab_has_no_match_forms);
    suite_add_tcase(s, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
