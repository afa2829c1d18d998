/* The webhook checksum against values computed by Flagger's own code. */
#include <check.h>
#include <stdlib.h>

#include "engine/checksum.h"

static const struct checksum_config one[] = {{"test-config-map", "484637c76acaa7c6"}};
static const struct checksum_config two[] = {{"configmap/b", "h2"}, {"secret/a", "h1"}};
static const struct checksum_config three[] = {
    {"configmap/a", "aa"}, {"configmap/b", "bb"}, {"secret/a", "cc"}};

static const struct {
    const struct checksum_config *configs;
    size_t count;
    const char *spec, *want;
} cases[] = {
    {NULL, 0, "", "758df7c9fc"},
    {NULL, 0, NULL, "758df7c9fc"},
    {NULL, 0, "4cb74184589", "7c9d467496"},
    {one, 0, "", "68bf6f479b"},
    {one, 0, "5bd7c975c7", "5bfdd7ffc6"},
    {one, 0, "64dd96d9b4", "6bb47989fb"},
    {one, 1, "4cb74184589", "569bdb7cb9"},
    {two, 2, "5d8b9c7f6d", "6dffb44b46"},
    {three, 3, "5bd7c975c7", "7d7d444659"},
};

START_TEST(checksum_equals_the_recorded_one)
{
    char got[CHECKSUM_SIZE];

    checksum_of_status(cases[_i].configs, cases[_i].count, cases[_i].spec, got);
    ck_assert_str_eq(got, cases[_i].want);
}
END_TEST

START_TEST(digits_map_one_to_one)
{
    char got[CHECKSUM_SIZE];

    checksum_encode(0, got);
    ck_assert_str_eq(got, "4");
    checksum_encode(1234567890, got);
    ck_assert_str_eq(got, "56789bcdf4");
    checksum_encode(4294967295u, got);
    ck_assert_str_eq(got, "86f8fbc6f9");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checksum");
    TCase *tc = tcase_create("checksum");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_loop_test(tc, checksum_equals_the_recorded_one, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tc, digits_map_one_to_one);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
