/*
 * adapters/http/task.h — many blocking functions on one thread.
 *
 * A task is a fiber that may sleep, wait for a gate, or wait for an answer; while it does, the
 * others run. Nothing is ever interrupted elsewhere: between two such calls a task has the process
 * to itself, so plain data needs no locks. Where time comes from and what to do when no task can
 * run is the owner's (real time and libcurl in loop.h; virtual time in the simulated cluster). The
 * order in which ready tasks run is the order in which they became ready, sleepers by (time, order
 * of going to sleep): with virtual time a run repeats exactly.
 *
 * Cancelling a task makes its present wait and all later ones return at once with -ECANCELED
 * (task_sleep too); the task itself then winds up and returns. Nothing is torn down from outside.
 */
#ifndef COALMINE_HTTP_TASK_H
#define COALMINE_HTTP_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tasks;

struct fiber_pool;
struct tasks_options {
    void *self;
    /* Milliseconds that never go back. */
    int64_t (*mono_ms)(void *self);
    /*
     * No task can run before `until_ms` (INT64_MAX = never). Wait for the outside world at most
     * that long; what happens there makes tasks ready through gate_notify. Virtual time moves to
     * `until_ms` here. When `until_ms` is not after mono_ms, only look whether something happened.
     * Returns 0, or -Exxx to end tasks_run.
     */
    int (*idle)(void *self, int64_t until_ms);
    size_t live_max;    /* tasks on a stack at one time; later ones start when one ends. 0 = 256 */
    size_t stack_bytes; /* 0 = 256 KiB */
    struct fiber_pool *pool; /* whose stacks to use, borrowed (fiber.h); NULL = its own */
};

/* `options` is copied. NULL when memory is out. */
struct tasks *tasks_new(const struct tasks_options *options);
/* No task may be left. NULL is fine. */
void tasks_free(struct tasks *t);

/* Run run(arg) as a task, soon. Returns its id (from 1, never reused), or 0 when memory is out.
 * Callable from anywhere. */
uint64_t task_spawn(struct tasks *t, void (*run)(void *arg), void *arg);
/*
 * Run tasks until none is left. 0; -EDEADLK when all of them wait for something that idle says
 * cannot come; or what idle returned. Not callable from a task.
 */
int tasks_run(struct tasks *t);
/* Tasks spawned and not ended. */
size_t tasks_live(const struct tasks *t);

/* Cancel one task; an id that has ended is fine. A task that never started still runs, cancelled.
 */
void task_cancel(struct tasks *t, uint64_t id);
/* Cancel every task there is now, except the caller. Tasks spawned later are not cancelled. */
void tasks_cancel_all(struct tasks *t);

/* The running task, or 0 outside of any. */
uint64_t task_self(const struct tasks *t);
bool task_is_cancelled(const struct tasks *t);

/* ---- waiting; only from within a task
 * ------------------------------------------------------------- */

/* 0, or -ECANCELED at once. Negative or zero `ms` lets every other ready task run first. */
int task_sleep(struct tasks *t, int64_t ms);
/* Wait until task `id` has ended. 0 (also when it has already), -ETIMEDOUT, -ECANCELED. */
int task_join(struct tasks *t, uint64_t id, int64_t timeout_ms);

/*
 * A place to wait until something may have changed. A gate remembers nothing: look at the
 * condition, wait, look again. `struct gate g = {0};` needs no release, but nobody may be waiting
 * when it goes away.
 */
struct gate {
    struct task *first, *last;
};
/* 0 after a notify, -ETIMEDOUT after `timeout_ms` (INT64_MAX = none), -ECANCELED. */
int gate_wait(struct tasks *t, struct gate *g, int64_t timeout_ms);
/* Make everyone who waits ready. Callable from anywhere on the same thread. */
void gate_notify(struct tasks *t, struct gate *g);

#endif
