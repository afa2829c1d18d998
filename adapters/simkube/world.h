/*
 * adapters/simkube/world.h — programs written against http_client and clock, inside a simulated
 * cluster.
 *
 * A world has tasks (adapters/http/task.h) in virtual time: when none can run, time moves to
 * whatever is due next, in the cluster or among the sleepers. Its HTTP clients reach the cluster by
 * any URL that begins with SIMWORLD_API, with the fates drawn by simkube_set_faults; all other URLs
 * go to a handler of the caller's. Nothing here depends on real time: the same program under the
 * same seeds does the same.
 */
#ifndef COALMINE_SIMKUBE_WORLD_H
#define COALMINE_SIMKUBE_WORLD_H

#include <stdint.h>

#include "adapters/base/clock.h"
#include "adapters/http/http.h"
#include "adapters/http/task.h"
#include "sim/kube/api.h"
#include "sim/kube/faults.h"

#define SIMWORLD_API "http://kube.simulated"

struct simworld;

struct simworld_options {
    struct simkube *kube; /* borrowed; outlives the world */
    uint64_t seed;        /* of clock.random */
    int64_t latency_ms; /* of a request to the API, half before and half after its effect; 0 = 2 */
    int64_t limit_ms;   /* of virtual time, at which simworld_run gives up; 0 = never */
    size_t live_max, stack_bytes; /* as tasks_options ... */
    struct fiber_pool *stacks;    /* ... its pool */
    /* Answers requests to other servers, as http_client.perform; it may sleep. NULL: no such host.
     */
    int (*elsewhere)(void *ctx, const struct http_request *req, struct http_response *ret_response);
    void *ctx;
};

/* `options` is copied. NULL when memory is out. */
struct simworld *simworld_new(const struct simworld_options *options);
/* No task may be left. NULL is fine. */
void simworld_free(struct simworld *w);

struct tasks *simworld_tasks(struct simworld *w);
/* Virtual time; sleep_ms parks the task. wall_ms is the cluster's time moved by
 * simworld_jump_clock. */
const struct clock *simworld_clock(struct simworld *w);
/* A client for inside tasks, acting as `user` (copied). Freed with the world. NULL when memory is
 * out. */
struct http_client *simworld_client(struct simworld *w, const char *user);
/* Move the programs' wall clock against virtual time; mono_ms goes on. */
void simworld_jump_clock(struct simworld *w, int64_t by_ms);
/*
 * From now on requests of `client` get no answer any more (-ECANCELED), before their effect or, for
 * the one under way, after it: the process is dead. Its tasks are the caller's to cancel.
 */
void simworld_kill_client(struct http_client *client);
/* Requests made through all clients so far: the number at which a run may be cut. */
uint64_t simworld_requests(const struct simworld *w);
/* Run until no task is left: 0, -EDEADLK, -ETIME past limit_ms, or what a task scheduler reports.
 */
int simworld_run(struct simworld *w);
/* Fill a response by hand, for `elsewhere`. The body is copied. Returns 0 or -ENOMEM. */
int simworld_respond(struct http_response *ret_response, int status, const char *type,
                     const char *body, size_t len);

#endif
