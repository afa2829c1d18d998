/* mincore is not POSIX. */
#define _DEFAULT_SOURCE
#include "adapters/http/fiber.h"
#include "adapters/http/task.h"

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Virtual time: idle jumps to the next deadline, and fails when there is none. */
static struct world {
    int64_t now_ms;
    struct tasks *tasks;
    struct gate gate;
    char log[1024];
    bool condition;
    uint64_t other_id;
} w;

static int64_t now(void *self)
{
    (void)self;
    return w.now_ms;
}

static int idle(void *self, int64_t until_ms)
{
    (void)self;
    if (until_ms == INT64_MAX)
        return -EDEADLK;
    if (until_ms > w.now_ms)
        w.now_ms = until_ms;
    return 0;
}

static void say(const char *what, int result)
{
    size_t len = strlen(w.log);

    snprintf(w.log + len, sizeof w.log - len, "%lld %s %d\n", (long long)w.now_ms, what, result);
}

static void spawn_named(void (*run)(void *arg), const char *name)
{
    void *arg;

    memcpy(&arg, &name, sizeof name);
    ck_assert_uint_ne(task_spawn(w.tasks, run, arg), 0);
}

static void setup_with(size_t live_max)
{
    struct tasks_options o = {.mono_ms = now, .idle = idle, .live_max = live_max};

    memset(&w, 0, sizeof w);
    w.tasks = tasks_new(&o);
    ck_assert_ptr_nonnull(w.tasks);
}

static void setup(void)
{
    setup_with(0);
}

static void teardown(void)
{
    tasks_free(w.tasks);
}

static void sleeper(void *arg)
{
    const char *name = arg;
    int64_t ms = name[0] == 'a' ? 30 : name[0] == 'b' ? 10 : 20;

    say(name, task_sleep(w.tasks, ms));
}

START_TEST(sleepers_wake_in_order_of_time)
{
    spawn_named(sleeper, "a");
    spawn_named(sleeper, "b");
    spawn_named(sleeper, "c");
    ck_assert_int_eq(tasks_run(w.tasks), 0);
    ck_assert_str_eq(w.log, "10 b 0\n20 c 0\n30 a 0\n");
}
END_TEST

START_TEST(sleepers_of_one_time_wake_in_order_of_lying_down)
{
    spawn_named(sleeper, "b1");
    spawn_named(sleeper, "b2");
    spawn_named(sleeper, "b3");
    ck_assert_int_eq(tasks_run(w.tasks), 0);
    ck_assert_str_eq(w.log, "10 b1 0\n10 b2 0\n10 b3 0\n");
}
END_TEST

START_TEST(more_tasks_than_stacks_run_one_after_another)
{
    tasks_free(w.tasks);
    setup_with(1);
    spawn_named(sleeper, "a");
    spawn_named(sleeper, "b");
    ck_assert_int_eq(tasks_run(w.tasks), 0);
    ck_assert_str_eq(w.log, "30 a 0\n40 b 0\n");
}
END_TEST

static void waiter(void *arg)
{
    while (!w.condition) {
        int r = gate_wait(w.tasks, &w.gate, arg ? 15 : INT64_MAX);
        say(arg ? "timed" : "patient", r);
        if (r != 0)
            return;
    }
}

static void opener(void *arg)
{
    (void)arg;
    task_sleep(w.tasks, 20);
    w.condition = true;
    gate_notify(w.tasks, &w.gate);
}

START_TEST(a_gate_wakes_those_who_wait_and_times_out_the_impatient)
{
    task_spawn(w.tasks, waiter, NULL);
    spawn_named(waiter, "");
    task_spawn(w.tasks, opener, NULL);
    ck_assert_int_eq(tasks_run(w.tasks), 0);
    ck_assert_str_eq(w.log, "15 timed -110\n20 patient 0\n");
    ck_assert_int_eq(-110, -ETIMEDOUT);
}
END_TEST

static void canceller(void *arg)
{
    (void)arg;
    task_sleep(w.tasks, 5);
    task_cancel(w.tasks, w.other_id);
    task_cancel(w.tasks, 4711); /* nobody */
    say("join", task_join(w.tasks, w.other_id, INT64_MAX));
}

static void cancelled_twice(void *arg)
{
    (void)arg;
    say("first", task_sleep(w.tasks, 1000));
    say("second", gate_wait(w.tasks, &w.gate, INT64_MAX));
    ck_assert(task_is_cancelled(w.tasks));
}

START_TEST(a_cancelled_task_waits_no_more)
{
    w.other_id = task_spawn(w.tasks, cancelled_twice, NULL);
    task_spawn(w.tasks, canceller, NULL);
    ck_assert_int_eq(tasks_run(w.tasks), 0);
    ck_assert_str_eq(w.log, "5 first -125\n5 second -125\n5 join 0\n");
    ck_assert_int_eq(-125, -ECANCELED);
}
END_TEST

static void late(void *arg)
{
    (void)arg;
    say("late", task_sleep(w.tasks, 1));
}

static void stopper(void *arg)
{
    (void)arg;
    task_sleep(w.tasks, 1);
    tasks_cancel_all(w.tasks);
    task_spawn(w.tasks, late, NULL);
    say("stopper", task_sleep(w.tasks, 1));
}

START_TEST(cancelling_all_spares_the_caller_and_those_to_come)
{
    spawn_named(sleeper, "a");
    task_spawn(w.tasks, stopper, NULL);
    ck_assert_int_eq(tasks_run(w.tasks), 0);
    ck_assert_str_eq(w.log, "1 a -125\n2 stopper 0\n2 late 0\n");
}
END_TEST

START_TEST(waiting_for_nobody_is_reported_as_deadlock)
{
    w.other_id = task_spawn(w.tasks, waiter, NULL);
    ck_assert_int_eq(tasks_run(w.tasks), -EDEADLK);
    ck_assert_uint_eq(tasks_live(w.tasks), 1);
    task_cancel(w.tasks, w.other_id);
    ck_assert_int_eq(tasks_run(w.tasks), 0);
}
END_TEST

static void counter(void *arg)
{
    uint64_t *sum = arg;
    volatile char use_some_stack[4096];

    memset((char *)(uintptr_t)use_some_stack, 1, sizeof use_some_stack);
    for (int i = 0; i < 20; i++) {
        task_sleep(w.tasks, (int64_t)(*sum * 7 % 13));
        *sum += (uint64_t)use_some_stack[i];
    }
}

/* Where the task's stack is. */
static void note_stack(void *arg)
{
    char here = 0;
    char *place = &here;

    memcpy(arg, &place, sizeof place);
}

static bool is_mapped(const char *place)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    return msync((void *)((uintptr_t)place / page * page), page, MS_ASYNC) == 0;
}

START_TEST(a_pool_keeps_its_stacks_for_those_who_come_later)
{
    struct tasks_options o = {.mono_ms = now, .idle = idle, .pool = fiber_pool_new(0)};
    char *places[2] = {NULL, NULL};

    ck_assert_ptr_nonnull(o.pool);
    fiber_pool_keep(o.pool, 1);
    for (int i = 0; i < 2; i++) {
        struct tasks *t = tasks_new(&o);

        ck_assert_ptr_nonnull(t);
        ck_assert_uint_ne(task_spawn(t, note_stack, &places[i]), 0);
        ck_assert_int_eq(tasks_run(t), 0);
        tasks_free(t);
        ck_assert(is_mapped(places[i]));
    }
    ck_assert_ptr_eq(places[0], places[1]);
    fiber_pool_free(o.pool);
    ck_assert(!is_mapped(places[0]));
}
END_TEST

static bool is_in_memory(const char *place)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char there = 0;

    ck_assert_int_eq(mincore((void *)((uintptr_t)place / page * page), page, &there), 0);
    return there & 1;
}

static void note_stack_and_stay(void *arg)
{
    note_stack(arg);
    task_sleep(w.tasks, 10);
}

START_TEST(after_a_crowd_the_warm_stacks_are_taken_first)
{
    char *crowd[40], *one[2];
    size_t warm = 0;

    for (int i = 0; i < 40; i++)
        ck_assert_uint_ne(task_spawn(w.tasks, note_stack_and_stay, &crowd[i]), 0);
    ck_assert_int_eq(tasks_run(w.tasks), 0);
    for (int i = 0; i < 40; i++)
        warm += is_in_memory(crowd[i]);
    ck_assert_uint_ge(warm, 1);
    ck_assert_uint_lt(warm, 40);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_ne(task_spawn(w.tasks, note_stack, &one[i]), 0);
        ck_assert_int_eq(tasks_run(w.tasks), 0);
        ck_assert(is_in_memory(one[i]));
    }
    ck_assert_ptr_eq(one[0], one[1]);
}
END_TEST

START_TEST(thousands_of_tasks_share_few_stacks)
{
    uint64_t sum = 0;

    for (int i = 0; i < 2000; i++)
        ck_assert_uint_ne(task_spawn(w.tasks, counter, &sum), 0);
    ck_assert_int_eq(tasks_run(w.tasks), 0);
    ck_assert_uint_eq(sum, 40000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("task");
    TCase *tc = tcase_create("virtual time");
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sleepers_wake_in_order_of_time);
    tcase_add_test(tc, sleepers_of_one_time_wake_in_order_of_lying_down);
    tcase_add_test(tc, more_tasks_than_stacks_run_one_after_another);
    tcase_add_test(tc, a_gate_wakes_those_who_wait_and_times_out_the_impatient);
    tcase_add_test(tc, a_cancelled_task_waits_no_more);
    tcase_add_test(tc, cancelling_all_spares_the_caller_and_those_to_come);
    tcase_add_test(tc, waiting_for_nobody_is_reported_as_deadlock);
    tcase_add_test(tc, a_pool_keeps_its_stacks_for_those_who_come_later);
    tcase_add_test(tc, after_a_crowd_the_warm_stacks_are_taken_first);
    tcase_add_test(tc, thousands_of_tasks_share_few_stacks);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
