/* Random lives of a rollout: what is true of the world, not of the engine's own words. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "sim/rng.h"
#include "tests/prop/world.h"

#define LIVES 4000

static uint32_t draw(void *self, uint32_t bound)
{
    return (uint32_t)rng_below(self, bound);
}

/* The first seed below `lives` that breaks a rule, or -1. */
static int first_broken(deviations_t deviations, bool safe, int lives, const char **ret_rule)
{
    struct world_options options = {deviations, safe, 80, 250, false};

    for (int seed = 0; seed < lives; seed++) {
        struct rng rng = rng_init((uint64_t)seed, 0, 0);
        struct choices choices = {&rng, draw};
        const char *rule = world_live(&choices, &options);
        if (rule) {
            *ret_rule = rule;
            return seed;
        }
    }
    return -1;
}

START_TEST(the_default_profile_is_safe_under_faults_and_rests_when_healed)
{
    const char *rule = "";
    int seed = first_broken(PROFILE_DEFAULT, true, LIVES, &rule);

    ck_assert_msg(seed < 0, "FAILED seed=%d: %s", seed, rule);
}
END_TEST

START_TEST(flagger_profile_keeps_weights_whole_and_answers_fenced)
{
    const char *rule = "";
    int seed = first_broken(PROFILE_FLAGGER_1_44, false, LIVES / 4, &rule);

    ck_assert_msg(seed < 0, "FAILED seed=%d: %s", seed, rule);
}
END_TEST

/* Without each of these the watched world must see something break: the rules have teeth. */
static const enum deviation needed[] = {
    DEV_SAFE_ROLLBACK,       DEV_FINISH_PROMOTION,   DEV_INCREASING_STEPS, DEV_MIRROR_ONCE,
    DEV_FIRST_INSTALL_HOLDS, DEV_ROUTE_BEFORE_SCALE, DEV_SCALE_UP_AGAIN,   DEV_SKIP_WAITS,
    DEV_ITERATIONS_REACHED,  DEV_CLAMP_MAX_WEIGHT,
};

START_TEST(leaving_a_safety_out_is_noticed)
{
    enum deviation d = needed[_i];
    const char *rule = "";
    int seed = first_broken(PROFILE_DEFAULT & ~((deviations_t)1 << d), true, LIVES * 3, &rule);

    ck_assert_msg(seed >= 0, "without %s nothing broke", deviation_name(d));
    printf("without %s: seed %d: %s\n", deviation_name(d), seed, rule);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine lives");
    TCase *tc = tcase_create("lives");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_default_profile_is_safe_under_faults_and_rests_when_healed);
    tcase_add_test(tc, flagger_profile_keeps_weights_whole_and_answers_fenced);
    tcase_add_loop_test(tc, leaving_a_safety_out_is_noticed, 0,
                        (int)(sizeof needed / sizeof needed[0]));
    suite_add_tcase(s, tc);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
