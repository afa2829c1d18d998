/*
 * sim/evq.h — what is to happen when: a heap ordered by (time, sequence). Two events of the same
 * millisecond happen in the order in which they were put in.
 */
#ifndef COALMINE_SIM_EVQ_H
#define COALMINE_SIM_EVQ_H

#include "engine/units.h"

struct sim_event {
    ms_t at_ms;
    uint64_t seq; /* set by evq_push */
    uint32_t kind, index;
    uint64_t tag; /* the owner's, to tell live events from withdrawn ones */
};

struct evq {
    struct sim_event *items;
    size_t count, cap;
    uint64_t seq;
};

void evq_init(struct evq *q);
void evq_release(struct evq *q);
/* Forget all events, keep the memory, count sequences from 0 again. */
void evq_clear(struct evq *q);
/* 0 or -ENOMEM. */
int evq_push(struct evq *q, ms_t at_ms, uint32_t kind, uint32_t index, uint64_t tag);
/* The earliest event; false when there is none. */
bool evq_pop(struct evq *q, struct sim_event *ret_event);
bool evq_peek(const struct evq *q, struct sim_event *ret_event);

#endif
