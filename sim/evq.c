#include "sim/evq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void evq_init(struct evq *q)
{
    memset(q, 0, sizeof *q);
}

void evq_release(struct evq *q)
{
    free(q->items);
    evq_init(q);
}

void evq_clear(struct evq *q)
{
    q->count = 0;
    q->seq = 0;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

int evq_push(struct evq *q, ms_t at_ms, uint32_t kind, uint32_t index, uint64_t tag)
{
    struct sim_event event = {
        .at_ms = at_ms, .seq = q->seq++, .kind = kind, .index = index, .tag = tag};
    size_t at;

    if (q->count == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 32;
        struct sim_event *items = realloc(q->items, cap * sizeof *items);

        if (!items)
            return -ENOMEM;
        q->items = items;
        q->cap = cap;
    }
    at = q->count++;
    while (at > 0 && before(&event, &q->items[(at - 1) / 2])) {
        q->items[at] = q->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->items[at] = event;
    return 0;
}

bool evq_peek(const struct evq *q, struct sim_event *ret_event)
{
    if (q->count == 0)
        return false;
    *ret_event = q->items[0];
    return true;
}

bool evq_pop(struct evq *q, struct sim_event *ret_event)
{
    struct sim_event last;
    size_t at = 0;

    if (!evq_peek(q, ret_event))
        return false;
    last = q->items[--q->count];
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= q->count)
            break;
        if (child + 1 < q->count && before(&q->items[child + 1], &q->items[child]))
            child++;
        if (!before(&q->items[child], &last))
            break;
        q->items[at] = q->items[child];
        at = child;
    }
    if (q->count > 0)
        q->items[at] = last;
    return true;
}
