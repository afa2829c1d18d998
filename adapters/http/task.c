#include "adapters/http/task.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "adapters/http/fiber.h"

#define LIVE_MAX_DEFAULT 256u

enum task_state {
    TASK_READY,   /* in the ready list, or waiting for a free stack */
    TASK_RUNNING, /* on the processor */
    TASK_WAITING  /* for its gate, its time, or both */
};

struct task {
    uint64_t id;
    enum task_state state;
    bool cancelled;
    int wake_result;     /* what the wait returns */
    struct fiber *fiber; /* NULL until it first runs */
    void (*run)(void *arg);
    void *arg;
    struct tasks *owner;
    struct task *prev, *next;           /* of all tasks, in order of spawning */
    struct task *queue_next;            /* in the ready list */
    struct gate *gate;                  /* the one it waits for, or NULL */
    struct task *gate_prev, *gate_next; /* among those who wait for it */
    int64_t due_ms;                     /* when its wait ends by itself; INT64_MAX = never */
    uint64_t due_seq;                   /* ties are broken by order of going to wait */
    size_t heap_index;                  /* from 1 while in the timer heap, else 0 */
    struct gate ended;                  /* for task_join */
};

struct task_queue {
    struct task *first, *last;
};

struct tasks {
    struct tasks_options options;
    struct fiber_pool *pool;
    struct task *first, *last, *running;
    struct task_queue ready; /* have a stack, or may take one */
    struct task_queue waiting_for_stack;
    struct task **heap; /* heap[0] unused */
    size_t heap_count, heap_cap;
    size_t live_count, stack_count;
    uint64_t next_id, next_seq;
};

struct tasks *tasks_new(const struct tasks_options *options)
{
    struct tasks *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->options = *options;
    if (t->options.live_max == 0)
        t->options.live_max = LIVE_MAX_DEFAULT;
    t->pool = options->pool ? options->pool : fiber_pool_new(options->stack_bytes);
    if (!t->pool) {
        free(t);
        return NULL;
    }
    t->next_id = 1;
    return t;
}

void tasks_free(struct tasks *t)
{
    if (!t)
        return;
    assert(t->live_count == 0);
    if (!t->options.pool)
        fiber_pool_free(t->pool);
    free(t->heap);
    free(t);
}

/* ---- lists and the timer heap
 * ------------------------------------------------------------------------ */

static void queue_push(struct task_queue *q, struct task *task)
{
    task->queue_next = NULL;
    if (q->last)
        q->last->queue_next = task;
    else
        q->first = task;
    q->last = task;
}

static struct task *queue_pop(struct task_queue *q)
{
    struct task *task = q->first;

    if (task) {
        q->first = task->queue_next;
        if (!q->first)
            q->last = NULL;
    }
    return task;
}

static bool due_before(const struct task *a, const struct task *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->due_seq < b->due_seq;
}

static void heap_place(struct tasks *t, size_t i, struct task *task)
{
    t->heap[i] = task;
    task->heap_index = i;
}

static void heap_rise(struct tasks *t, size_t i)
{
    struct task *task = t->heap[i];

    for (; i > 1 && due_before(task, t->heap[i / 2]); i /= 2)
        heap_place(t, i, t->heap[i / 2]);
    heap_place(t, i, task);
}

static void heap_sink(struct tasks *t, size_t i)
{
    struct task *task = t->heap[i];

    for (;;) {
        size_t child = i * 2;
        if (child > t->heap_count)
            break;
        if (child < t->heap_count && due_before(t->heap[child + 1], t->heap[child]))
            child++;
        if (!due_before(t->heap[child], task))
            break;
        heap_place(t, i, t->heap[child]);
        i = child;
    }
    heap_place(t, i, task);
}

static void heap_add(struct tasks *t, struct task *task)
{
    assert(t->heap_count + 1 < t->heap_cap); /* room was made when the task was spawned */
    t->heap[++t->heap_count] = task;
    heap_rise(t, t->heap_count);
}

static void heap_remove(struct tasks *t, struct task *task)
{
    size_t i = task->heap_index;
    struct task *last;

    if (i == 0)
        return;
    task->heap_index = 0;
    last = t->heap[t->heap_count--];
    if (last == task)
        return;
    heap_place(t, i, last);
    heap_rise(t, i);
    heap_sink(t, last->heap_index);
}

/* Every task can sleep at once: room in the heap is made here, where failing is still possible. */
static int heap_reserve(struct tasks *t)
{
    size_t cap = t->heap_cap ? t->heap_cap * 2 : 32;
    struct task **heap;

    if (t->live_count + 2 < t->heap_cap)
        return 0;
    heap = realloc(t->heap, cap * sizeof(struct task *));
    if (!heap)
        return -ENOMEM;
    t->heap = heap;
    t->heap_cap = cap;
    return 0;
}

static void gate_leave(struct task *task)
{
    struct gate *g = task->gate;

    if (!g)
        return;
    if (task->gate_prev)
        task->gate_prev->gate_next = task->gate_next;
    else
        g->first = task->gate_next;
    if (task->gate_next)
        task->gate_next->gate_prev = task->gate_prev;
    else
        g->last = task->gate_prev;
    task->gate = NULL;
    task->gate_prev = task->gate_next = NULL;
}

static void gate_enter(struct gate *g, struct task *task)
{
    task->gate = g;
    task->gate_next = NULL;
    task->gate_prev = g->last;
    if (g->last)
        g->last->gate_next = task;
    else
        g->first = task;
    g->last = task;
}

/* ---- life of a task
 * ------------------------------------------------------------------------------------ */

static void wake(struct tasks *t, struct task *task, int result)
{
    assert(task->state == TASK_WAITING);
    gate_leave(task);
    heap_remove(t, task);
    task->state = TASK_READY;
    task->wake_result = result;
    queue_push(&t->ready, task);
}

uint64_t task_spawn(struct tasks *t, void (*run)(void *arg), void *arg)
{
    struct task *task;

    if (heap_reserve(t) != 0)
        return 0;
    task = calloc(1, sizeof *task);
    if (!task)
        return 0;
    task->id = t->next_id++;
    task->state = TASK_READY;
    task->run = run;
    task->arg = arg;
    task->owner = t;
    task->prev = t->last;
    if (t->last)
        t->last->next = task;
    else
        t->first = task;
    t->last = task;
    t->live_count++;
    queue_push(&t->waiting_for_stack, task);
    return task->id;
}

static void task_main(void *arg)
{
    struct task *task = arg;

    task->run(task->arg);
}

static void task_end(struct tasks *t, struct task *task)
{
    fiber_free(task->fiber);
    t->stack_count--;
    if (task->prev)
        task->prev->next = task->next;
    else
        t->first = task->next;
    if (task->next)
        task->next->prev = task->prev;
    else
        t->last = task->prev;
    t->live_count--;
    gate_notify(t, &task->ended);
    free(task);
}

static void admit(struct tasks *t)
{
    while (t->waiting_for_stack.first && t->stack_count < t->options.live_max) {
        struct task *task = t->waiting_for_stack.first;
        task->fiber = fiber_new(t->pool, task_main, task);
        if (!task->fiber)
            return; /* memory is out: it starts when another task has ended */
        queue_pop(&t->waiting_for_stack);
        t->stack_count++;
        queue_push(&t->ready, task);
    }
}

static void run_ready(struct tasks *t)
{
    /* Only those ready now: what they make ready comes after a look at the outside world. */
    struct task_queue batch = t->ready;
    struct task *task;

    t->ready.first = t->ready.last = NULL;
    while ((task = queue_pop(&batch))) {
        bool more;
        task->state = TASK_RUNNING;
        t->running = task;
        more = fiber_resume(task->fiber);
        t->running = NULL;
        if (!more)
            task_end(t, task);
    }
}

static void wake_due(struct tasks *t)
{
    int64_t now = t->options.mono_ms(t->options.self);

    while (t->heap_count > 0 && t->heap[1]->due_ms <= now)
        wake(t, t->heap[1], t->heap[1]->gate ? -ETIMEDOUT : 0);
}

int tasks_run(struct tasks *t)
{
    assert(!t->running);
    while (t->live_count > 0) {
        int64_t until = INT64_MAX;
        int r;

        admit(t);
        if (t->ready.first)
            until = INT64_MIN;
        else if (t->heap_count > 0)
            until = t->heap[1]->due_ms;
        else if (t->stack_count == 0)
            return -ENOMEM; /* none has a stack and none can get one */
        r = t->options.idle(t->options.self, until);
        if (r != 0)
            return r;
        wake_due(t);
        if (t->ready.first)
            run_ready(t);
    }
    return 0;
}

size_t tasks_live(const struct tasks *t)
{
    return t->live_count;
}

static struct task *task_find(struct tasks *t, uint64_t id)
{
    struct task *task;

    for (task = t->first; task && task->id != id; task = task->next)
        ;
    return task;
}

static void cancel(struct tasks *t, struct task *task)
{
    task->cancelled = true;
    if (task->state == TASK_WAITING)
        wake(t, task, -ECANCELED);
}

void task_cancel(struct tasks *t, uint64_t id)
{
    struct task *task = task_find(t, id);

    if (task)
        cancel(t, task);
}

void tasks_cancel_all(struct tasks *t)
{
    struct task *task;

    for (task = t->first; task; task = task->next)
        if (task != t->running)
            cancel(t, task);
}

uint64_t task_self(const struct tasks *t)
{
    return t->running ? t->running->id : 0;
}

bool task_is_cancelled(const struct tasks *t)
{
    return t->running && t->running->cancelled;
}

/* ---- waiting
 * ------------------------------------------------------------------------------------------- */

/* Give way until woken; the gate and the timer were set by the caller. */
static int park(struct tasks *t)
{
    struct task *task = t->running;

    task->state = TASK_WAITING;
    fiber_yield(task->fiber);
    return task->wake_result;
}

static void set_timer(struct tasks *t, struct task *task, int64_t ms)
{
    int64_t now = t->options.mono_ms(t->options.self);

    task->due_ms = ms < INT64_MAX - now ? now + ms : INT64_MAX;
    task->due_seq = t->next_seq++;
    heap_add(t, task);
}

int task_sleep(struct tasks *t, int64_t ms)
{
    struct task *task = t->running;

    assert(task);
    if (task->cancelled)
        return -ECANCELED;
    set_timer(t, task, ms > 0 ? ms : 0);
    return park(t);
}

int gate_wait(struct tasks *t, struct gate *g, int64_t timeout_ms)
{
    struct task *task = t->running;

    assert(task);
    if (task->cancelled)
        return -ECANCELED;
    gate_enter(g, task);
    if (timeout_ms != INT64_MAX)
        set_timer(t, task, timeout_ms > 0 ? timeout_ms : 0);
    return park(t);
}

void gate_notify(struct tasks *t, struct gate *g)
{
    while (g->first)
        wake(t, g->first, 0);
}

int task_join(struct tasks *t, uint64_t id, int64_t timeout_ms)
{
    struct task *task = task_find(t, id);

    assert(id != task_self(t));
    if (!task)
        return 0;
    return gate_wait(t, &task->ended, timeout_ms);
}
