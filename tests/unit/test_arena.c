/* adapters/base/arena */
#include "adapters/base/arena.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One assertion for the block: each one costs Check a write to a pipe. */
static bool all_zero(const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i])
            return false;
    return true;
}

START_TEST(memory_is_zeroed_and_aligned)
{
    struct arena *a = arena_new(0);

    for (size_t size = 1; size < 3000; size += 7) {
        unsigned char *p = arena_alloc(a, size);

        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        ck_assert(all_zero(p, size));
        memset(p, 0xaa, size);
    }
    arena_free(a);
}
END_TEST

START_TEST(cleared_memory_is_handed_out_zeroed_again)
{
    struct arena *a = arena_new(0);

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            unsigned char *p = arena_alloc(a, 1000);

            ck_assert(all_zero(p, 1000));
            memset(p, 0xff, 1000);
        }
        ck_assert_uint_ge(arena_used(a), 100000);
        arena_clear(a);
        ck_assert_uint_eq(arena_used(a), 0);
    }
    arena_free(a);
}
END_TEST

START_TEST(the_limit_holds_and_failure_is_remembered)
{
    struct arena *a = arena_new(1000);

    ck_assert_ptr_nonnull(arena_alloc(a, 900));
    ck_assert(!arena_failed(a));
    ck_assert_ptr_null(arena_alloc(a, 101));
    ck_assert(arena_failed(a));
    ck_assert_ptr_null(arena_alloc(a, 1));
    arena_clear(a);
    ck_assert(!arena_failed(a));
    ck_assert_ptr_nonnull(arena_alloc(a, 1000));
    ck_assert_ptr_null(arena_alloc(a, SIZE_MAX));
    arena_free(a);
}
END_TEST

START_TEST(printf_and_copies_are_terminated)
{
    struct arena *a = arena_new(0);

    ck_assert_str_eq(arena_printf(a, "%s:%d", "steps", 7), "steps:7");
    for (int len = 250; len < 260; len++) { /* about the longest that is formatted once */
        const char *text = arena_printf(a, "%*d", len, 7);

        ck_assert_uint_eq(strlen(text), (size_t)len);
        ck_assert_int_eq(text[len - 1], '7');
    }
    ck_assert_str_eq(arena_strndup(a, "weights", 6), "weight");
    ck_assert_str_eq(arena_strdup(a, ""), "");
    arena_free(a);
    arena_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arena");
    TCase *tc = tcase_create("arena");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, memory_is_zeroed_and_aligned);
    tcase_add_test(tc, cleared_memory_is_handed_out_zeroed_again);
    tcase_add_test(tc, the_limit_holds_and_failure_is_remembered);
    tcase_add_test(tc, printf_and_copies_are_terminated);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
