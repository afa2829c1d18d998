/*
 * adapters/http/fiber.h — a second stack to run a function on, left and entered again at will.
 *
 * This is the bare mechanism; who runs when is decided in task.h. A fiber runs until it yields or
 * its function returns. Stacks are mapped with a guard page below them, so running out of stack is
 * a fault at once and never a silent overwrite; used stacks are kept in a pool and their memory is
 * given back to the system when the pool holds more than a few.
 */
#ifndef COALMINE_HTTP_FIBER_H
#define COALMINE_HTTP_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct fiber;
struct fiber_pool;

/* `stack_bytes` for each fiber, rounded up to whole pages; 0 = 256 KiB (of which only touched pages
 * cost memory). */
struct fiber_pool *fiber_pool_new(size_t stack_bytes);
/* So many stacks that no fiber uses keep their touched pages; 4 without a call. */
void fiber_pool_keep(struct fiber_pool *p, size_t count);
/* All fibers of the pool must have ended. NULL is fine. */
void fiber_pool_free(struct fiber_pool *p);

/* A fiber that will run run(arg) when first resumed. NULL when memory is out. */
struct fiber *fiber_new(struct fiber_pool *p, void (*run)(void *arg), void *arg);
/* Run `f` until it yields or ends. Returns true while it can be resumed again; after false,
 * fiber_free it. */
bool fiber_resume(struct fiber *f);
/* Called on a fiber: go back to whoever resumed it. */
void fiber_yield(struct fiber *f);
/* Only for a fiber that has ended or never ran. NULL is fine. */
void fiber_free(struct fiber *f);

#endif
