#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/swarm/judge.h"

enum { SEEDS = 150, EVERY = 7 };

static struct simkube *from;

static void setup(void)
{
    from = swarm_prototype();
    ck_assert_ptr_nonnull(from);
}

static void teardown(void)
{
    simkube_free(from);
}

/* docs/design/operator.md, "Known gap": a release pushed while the first installation is under way.
 */
#define KNOWN_GAP "phase Initialized, "

START_TEST(no_rule_but_the_known_gap_is_broken_under_faults)
{
    int written = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct swarm_plan plan;
        struct swarm_result r;

        swarm_plan_draw(&plan, seed);
        ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &r), 0);
        ck_assert_msg(!r.failed || strncmp(r.text, KNOWN_GAP, sizeof(KNOWN_GAP) - 1) == 0,
                      "seed %d: %s: %s", (int)seed, r.rule, r.text);
        written += r.writes > 10;
    }
    ck_assert_int_eq(written, SEEDS);
}
END_TEST

static void add_up(void *ctx, const char *line)
{
    uint64_t *hash = ctx;

    for (; *line; line++)
        *hash = (*hash ^ (unsigned char)*line) * 0x100000001b3u;
}

START_TEST(a_seed_always_lives_the_same_life)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        uint64_t hash[2] = {1, 1};
        struct swarm_plan plan;
        struct swarm_result r[2];

        swarm_plan_draw(&plan, seed);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(swarm_live(from, &plan, add_up, &hash[i], &r[i]), 0);
        ck_assert(hash[0] == hash[1]);
        ck_assert_str_eq(r[0].end, r[1].end);
    }
}
END_TEST

/* ---- a crash at every call ---------------------------------------------------------------------
 */

/* One release and no faults; 0 canary, 1 A/B, 2 blue/green, 3 a canary that is rolled back. */
static struct swarm_plan calm_plan(int kind)
{
    return (struct swarm_plan){.seed = 7,
                               .strategy = kind == 3 ? SWARM_CANARY : (enum swarm_strategy)kind,
                               .replicas = 2,
                               .max_weight = 40,
                               .step_weight = 20,
                               .iterations = 2,
                               .threshold = 2,
                               .operators = 1,
                               .releases = 1,
                               .bad = {kind == 3},
                               .release_ms = {60000},
                               .faulty_ms = 400000,
                               .latency_ms = 2,
                               .pod_start_ms = 1000,
                               .faults = {.late_ms_max = 1000}};
}

/* EVERY-th call, or every call with COALMINE_CRASH_EVERYWHERE in the environment. */
START_TEST(crashed_at_any_call_a_rollout_ends_as_if_nothing_had_happened)
{
    struct swarm_plan plan = calm_plan(_i / 2);
    uint64_t step = getenv("COALMINE_CRASH_EVERYWHERE") ? 1 : EVERY, crashes = 0;
    struct swarm_result calm, r = {.crashes = 1};

    ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &calm), 0);
    ck_assert_msg(!calm.failed, "%s: %s", calm.rule, calm.text);
    ck_assert_str_eq(calm.phase, _i / 2 == 3 ? "Failed" : "Succeeded");
    plan.crashes = 1;
    plan.crash_before[0] = _i % 2;
    for (uint64_t n = 1 + (uint64_t)_i % step; r.crashes == 1; n += step) {
        plan.crash_after[0] = n;
        ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &r), 0);
        ck_assert_msg(!r.failed, "killed at call %d: %s: %s", (int)n, r.rule, r.text);
        ck_assert_msg(strcmp(r.end, calm.end) == 0, "killed at call %d: %s, else %s", (int)n, r.end,
                      calm.end);
        crashes += (uint64_t)r.crashes;
    }
    if (getenv("COALMINE_CRASH_EVERYWHERE"))
        printf("kind %d, %s the effect: killed at %d calls\n", _i / 2, _i % 2 ? "before" : "after",
               (int)crashes);
    ck_assert_int_gt((int)crashes, step == 1 ? 30 : 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("swarm");
    TCase *c = tcase_create("lives");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_unchecked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 600);
    tcase_add_test(c, no_rule_but_the_known_gap_is_broken_under_faults);
    tcase_add_test(c, a_seed_always_lives_the_same_life);
    tcase_add_loop_test(c, crashed_at_any_call_a_rollout_ends_as_if_nothing_had_happened, 0, 8);
    suite_add_tcase(s, c);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
