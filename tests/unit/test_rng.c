#include "sim/evq.h"
#include "sim/rng.h"

#include <check.h>
#include <stdlib.h>

/* Random123 1.09, kat_vectors: philox4x32 10. */
static const struct kat {
    uint32_t counter[4], key[2], want[4];
} kats[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(blocks_match_the_published_vectors)
{
    const struct kat *k = &kats[_i];
    uint32_t got[4];

    rng_block(k->counter, k->key, got);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(got[i] == k->want[i], "vector %d word %d: got %08x, want %08x", _i, i, got[i],
                      k->want[i]);
}
END_TEST

START_TEST(a_draw_depends_on_its_place_alone)
{
    struct rng a = rng_init(42, 7, 3), b = rng_init(42, 7, 3), other = rng_init(42, 7, 4);
    uint64_t fifth;

    for (int i = 0; i < 5; i++)
        rng_next(&a);
    fifth = rng_next(&a);
    b.next = 5;
    ck_assert_uint_eq(rng_next(&b), fifth);
    other.next = 5;
    ck_assert_uint_ne(rng_next(&other), fifth);
}
END_TEST

START_TEST(draws_below_n_reach_every_value_about_equally)
{
    struct rng r = rng_init(1, 0, 0);
    uint32_t seen[6] = {0};

    for (int i = 0; i < 60000; i++)
        seen[rng_below(&r, 6)]++;
    for (int i = 0; i < 6; i++)
        ck_assert_msg(seen[i] > 9500 && seen[i] < 10500, "%d came %u times", i, seen[i]);
}
END_TEST

START_TEST(unit_draws_stay_in_range_and_chance_keeps_its_odds)
{
    struct rng r = rng_init(9, 1, 2);
    double sum = 0;
    int hits = 0;

    for (int i = 0; i < 100000; i++) {
        double u = rng_unit(&r);

        ck_assert(u >= 0 && u < 1);
        sum += u;
        hits += rng_chance(&r, 100000);
    }
    ck_assert(sum / 100000 > 0.49 && sum / 100000 < 0.51);
    ck_assert_msg(hits > 9600 && hits < 10400, "%d of 100000 at one in ten", hits);
    ck_assert(!rng_chance(&r, 0));
    ck_assert(rng_chance(&r, 1000000));
}
END_TEST

START_TEST(events_come_by_time_and_then_in_the_order_they_went_in)
{
    struct rng r = rng_init(3, 0, 0);
    struct sim_event event;
    struct evq q;
    ms_t last_ms = -1;
    uint64_t last_seq = 0;

    evq_init(&q);
    for (uint32_t i = 0; i < 5000; i++)
        ck_assert_int_eq(evq_push(&q, (ms_t)rng_below(&r, 50), 0, i, 0), 0);
    for (uint32_t i = 0; i < 5000; i++) {
        ck_assert(evq_pop(&q, &event));
        ck_assert(event.at_ms >= last_ms);
        if (event.at_ms == last_ms)
            ck_assert_uint_gt(event.seq, last_seq);
        last_ms = event.at_ms;
        last_seq = event.seq;
    }
    ck_assert(!evq_pop(&q, &event));
    evq_release(&q);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rng and evq");
    TCase *tc = tcase_create("rng and evq");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tc, blocks_match_the_published_vectors, 0, 3);
    tcase_add_test(tc, a_draw_depends_on_its_place_alone);
    tcase_add_test(tc, draws_below_n_reach_every_value_about_equally);
    tcase_add_test(tc, unit_draws_stay_in_range_and_chance_keeps_its_odds);
    tcase_add_test(tc, events_come_by_time_and_then_in_the_order_they_went_in);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
