/* The table of jobs: found by name, and taken up in the order in which they are due, or asleep. */
#include <stdlib.h>
#include <string.h>

#include "adapters/operator/internal.h"

/* ---- by namespace, then name -------------------------------------------------------------------
 */

static size_t lower_bound(const struct jobs *t, const char *ns, const char *name)
{
    size_t low = 0, high = t->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct job *j = t->items[middle];
        int order = strcmp(j->ns, ns);

        if (order == 0)
            order = strcmp(j->name, name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct job *jobs_find(const struct jobs *t, const char *ns, const char *name)
{
    size_t at = lower_bound(t, ns, name);

    if (at == t->count || strcmp(t->items[at]->ns, ns) != 0 ||
        strcmp(t->items[at]->name, name) != 0)
        return NULL;
    return t->items[at];
}

bool jobs_any_in(const struct jobs *t, const char *ns)
{
    size_t at = lower_bound(t, ns, "");

    return at < t->count && strcmp(t->items[at]->ns, ns) == 0;
}

/* ---- by what is due ----------------------------------------------------------------------------
 */

static int64_t interval_of(const struct job *j)
{
    return j->interval_ms > 0 ? j->interval_ms : 60000;
}

int64_t job_slack_ms(const struct job *j)
{
    int64_t slack_ms = j->op->o.slack_ms;

    return interval_of(j) >= 40 * slack_ms ? slack_ms : 0;
}

/* INT64_MIN = at once; INT64_MAX = never. */
static int64_t due_of(const struct job *j)
{
    if (j->needs_sync && j->finalize_ms == INT64_MAX)
        return INT64_MIN;
    return j->accepted && j->next_ms < j->finalize_ms ? j->next_ms : j->finalize_ms;
}

/* Nothing has changed since a tick that changed nothing: the next would do so again. */
static bool may_sleep(const struct job *j)
{
    return j->quiet && j->accepted && !j->needs_sync && !j->has_command &&
           j->finalize_ms == INT64_MAX && j->next_ms != INT64_MAX && job_is_settled(j);
}

/* The ticks of a job asleep that would have been before `now`. */
static int64_t ticks_slept(const struct job *j, int64_t now)
{
    int64_t interval = interval_of(j);

    return now > j->next_ms ? (now - j->next_ms + interval - 1) / interval : 0;
}

void job_move_on(struct job *j, int64_t now)
{
    int64_t interval = interval_of(j);

    if (j->next_ms == INT64_MAX)
        return;
    j->next_ms += interval;
    if (j->next_ms + interval <= now)
        j->next_ms += (now - j->next_ms) / interval * interval;
}

static bool comes_before(const struct job *a, const struct job *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void put(struct jobs *t, size_t at, struct job *j)
{
    t->heap[at] = j;
    j->heap_at = at;
}

static void rise(struct jobs *t, size_t at)
{
    struct job *j = t->heap[at];

    for (; at > 1 && comes_before(j, t->heap[at / 2]); at /= 2)
        put(t, at, t->heap[at / 2]);
    put(t, at, j);
}

static void sink(struct jobs *t, size_t at)
{
    struct job *j = t->heap[at];

    for (size_t child; (child = at * 2) <= t->heap_count; at = child) {
        if (child < t->heap_count && comes_before(t->heap[child + 1], t->heap[child]))
            child++;
        if (!comes_before(t->heap[child], j))
            break;
        put(t, at, t->heap[child]);
    }
    put(t, at, j);
}

static void heap_leave(struct jobs *t, struct job *j)
{
    size_t at = j->heap_at;
    struct job *last;

    if (at == 0)
        return;
    last = t->heap[t->heap_count--];
    j->heap_at = 0;
    if (last == j)
        return;
    put(t, at, last);
    rise(t, at);
    sink(t, last->heap_at);
}

void jobs_rouse(struct jobs *t, struct job *j, int64_t now)
{
    int64_t slept;

    if (!j->asleep)
        return;
    slept = ticks_slept(j, now);
    t->slept += (uint64_t)slept;
    j->next_ms += slept * interval_of(j);
    j->asleep = false;
    t->asleep_count--;
}

void jobs_place(struct jobs *t, struct job *j)
{
    heap_leave(t, j);
    j->due_ms = due_of(j);
    if (j->running || j->gone || j->due_ms == INT64_MAX)
        return;
    j->asleep = may_sleep(j);
    if (j->asleep) {
        t->asleep_count++;
        return;
    }
    put(t, ++t->heap_count, j);
    rise(t, t->heap_count);
}

void jobs_stir(struct jobs *t, int64_t since)
{
    for (size_t i = 0; i < t->count; i++) {
        struct job *j = t->items[i];

        if (j->asleep && !job_is_settled(j)) {
            jobs_rouse(t, j, since);
            jobs_place(t, j);
        }
    }
}

uint64_t jobs_slept(const struct jobs *t, int64_t now)
{
    uint64_t count = t->slept;

    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i]->asleep)
            count += (uint64_t)ticks_slept(t->items[i], now);
    }
    return count;
}

struct job *jobs_first(const struct jobs *t)
{
    return t->heap_count > 0 ? t->heap[1] : NULL;
}

/* ---- coming and going --------------------------------------------------------------------------
 */

/* Room for one more in both orders. */
static bool reserve(struct jobs *t)
{
    size_t cap = t->cap ? t->cap * 2 : 16;
    struct job **items, **heap;

    if (t->count + t->leaving + 1 < t->cap)
        return true;
    items = realloc(t->items, cap * sizeof(struct job *));
    if (items == NULL)
        return false;
    t->items = items;
    heap = realloc(t->heap, cap * sizeof(struct job *));
    if (heap == NULL)
        return false;
    t->heap = heap;
    t->cap = cap;
    return true;
}

static void job_free(struct job *j)
{
    free(j->ns);
    free(j->name);
    free(j->service_name);
    free(j->reads);
    free(j->rollout);
    job_forget_spec(j);
    free(j);
}

struct job *jobs_add(struct jobs *t, struct operator* op, const char *ns, const char *name)
{
    struct job *j = reserve(t) ? calloc(1, sizeof(*j)) : NULL;
    size_t at;

    if (j == NULL)
        return NULL;
    j->op = op;
    j->ns = strdup(ns);
    j->name = strdup(name);
    j->next_ms = j->finalize_ms = INT64_MAX;
    j->seq = t->next_seq++;
    if (j->ns == NULL || j->name == NULL) {
        job_free(j);
        return NULL;
    }
    at = lower_bound(t, ns, name);
    memmove(&t->items[at + 1], &t->items[at], (t->count - at) * sizeof(struct job *));
    t->items[at] = j;
    t->count++;
    return j;
}

void jobs_remove(struct jobs *t, struct job *j)
{
    size_t at = lower_bound(t, j->ns, j->name);

    t->count--;
    memmove(&t->items[at], &t->items[at + 1], (t->count - at) * sizeof(struct job *));
    heap_leave(t, j);
    j->gone = true;
    t->fewer = true;
    if (j->running)
        t->leaving++;
    else
        job_free(j);
}

void jobs_began(struct jobs *t, struct job *j)
{
    j->running = true;
    heap_leave(t, j);
    j->running_next = t->running;
    j->running_prev = NULL;
    if (t->running)
        t->running->running_prev = j;
    t->running = j;
    t->running_count++;
}

void jobs_ended(struct jobs *t, struct job *j)
{
    *(j->running_prev ? &j->running_prev->running_next : &t->running) = j->running_next;
    if (j->running_next)
        j->running_next->running_prev = j->running_prev;
    j->running = false;
    t->running_count--;
    if (j->gone) {
        t->leaving--;
        job_free(j);
    } else {
        jobs_place(t, j);
    }
}

void jobs_free(struct jobs *t)
{
    for (size_t i = 0; i < t->count; i++)
        job_free(t->items[i]);
    free(t->items);
    free(t->heap);
}
