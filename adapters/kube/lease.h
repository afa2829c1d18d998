/*
 * adapters/kube/lease.h — leader election on a coordination.k8s.io/v1 Lease, by client-go's rules.
 *
 * Expiry is measured on our own monotonic clock from the moment we last saw the record change, so
 * clocks of different machines need not agree. lease_is_held is about now, not about the last
 * renewal: it turns false by itself when the renew deadline passes, even if this process was
 * stopped meanwhile, and always before another candidate may take over.
 */
#ifndef COALMINE_KUBE_LEASE_H
#define COALMINE_KUBE_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/kube/client.h"

struct lease_options {
    const char *ns, *name;
    const char *identity;      /* "<hostname>_<uuid>" */
    int64_t lease_ms;          /* how long others wait after the last renewal; 0 = 60,000 */
    int64_t renew_deadline_ms; /* how long we go on without one; 0 = 15,000 */
    int64_t retry_ms;          /* between tries; 0 = 5,000 */
    /* Called on the task of lease_run; must not wait. Any may be NULL. */
    void (*on_started)(void *ctx); /* we lead */
    void (*on_lost)(void *ctx);    /* we led, and no longer do */
    void (*on_leader)(void *ctx,
                      const char *identity); /* somebody leads (we included); "" = nobody */
    void (*on_failure)(void *ctx, const struct kube_error *error);
    void *ctx;
};

struct lease;

/*
 * `options` is copied, its strings too. Give it a client of its own with a timeout well under the
 * renew deadline, so that a renewal neither queues behind other calls nor hangs with one. NULL when
 * memory is out. */
struct lease *lease_new(struct kube_client *c, const struct lease_options *options);
/* NULL is fine. */
void lease_free(struct lease *l);
/*
 * Stand for election until leading, then renew. Returns -ECANCELED when the task was cancelled or
 * lease_stop called, or -ESTALE when leadership was won and lost (the caller decides whether to run
 * again; Flagger exits 1).
 */
int lease_run(struct lease *l);
void lease_stop(struct lease *l);
/* Leading at this moment. Suits kube_client_guard. */
bool lease_is_held(const struct lease *l);
/* Give it up, if held, so that another may lead at once: one PUT. Call from a task that is not
 * cancelled, after lease_run returned. */
int lease_release(struct lease *l, struct kube_error *reterr);
/* The last holder seen; "" = none. */
const char *lease_holder(const struct lease *l);

#endif
