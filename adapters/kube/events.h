/*
 * adapters/kube/events.h — Kubernetes Events, with client-go's correlation: the same event again
 * raises `count` of the first (a patch), ten different messages of a kind within ten minutes become
 * one "(combined from similar events)", and a spam filter bounds what one object may cause.
 */
#ifndef COALMINE_KUBE_EVENTS_H
#define COALMINE_KUBE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/kube/client.h"

struct event_options {
    const char *component; /* source.component; NULL = "flagger" */
    const char *reason;    /* NULL = "Synced" */
    uint32_t
        similar_max; /* messages in a group before they are combined; 0 = 10; UINT32_MAX = never */
    uint32_t
        spam_burst; /* events per object before the filter drops; 0 = 25; UINT32_MAX = no filter */
    int64_t spam_refill_ms; /* one more per this; 0 = 300,000 */
    size_t queue_max;       /* recorded and not yet sent; more are dropped and counted. 0 = 1000 */
    /* Something was queued while nothing was being sent: have a task call events_flush soon. NULL =
     * the caller flushes. */
    void (*on_pending)(void *ctx);
    void (*on_done)(void *ctx); /* one more is sent, or given up. May be NULL */
    void *ctx;
};

/* What an event is about; borrowed for the call. */
struct event_object {
    const char *api_version, *kind, *ns, *name, *uid, *resource_version;
    const char *reason; /* of an event that must be found again: it is neither combined with others
                           nor filtered. NULL = the options' */
};

struct events;

/* `options` (may be NULL) is copied, its strings borrowed. NULL when memory is out. */
struct events *events_new(struct kube_client *c, const struct event_options *options);
/* What is still queued is lost. NULL is fine. */
void events_free(struct events *e);

/* Queue one event (`warning` or Normal), time-stamped now. Never waits. 0, -ENOBUFS when the queue
 * is full, -ENOMEM. */
int events_record(struct events *e, const struct event_object *object, bool warning,
                  const char *message);
/*
 * Send what is queued, in order; one flush at a time (a second call returns 0 at once). No answer:
 * up to 12 tries, 10 s apart. An answer of refusal is not tried again. 0, or -ECANCELED with the
 * rest still queued.
 */
int events_flush(struct events *e);
size_t events_pending(const struct events *e);
/* Queued since the beginning; of these sent, refused or given up, in the same order. */
uint64_t events_recorded(const struct events *e);
uint64_t events_done(const struct events *e);

struct event_counts {
    uint64_t created, patched, combined;
    uint64_t filtered; /* by the spam filter */
    uint64_t dropped;  /* the queue was full */
    uint64_t refused;  /* by the server, or tries ran out */
};
const struct event_counts *events_counts(const struct events *e);

#endif
