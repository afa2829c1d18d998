/*
 * sim/kube/api.h — a Kubernetes API server and its controllers in one value, in virtual time.
 *
 * `struct simkube` answers requests as kube-apiserver 1.35 would: objects with resourceVersion,
 * conflicts, generation, defaults, validation, status subresources, patches, lists with limit and
 * continue, watches with history and 410, garbage collection, RBAC refusal, CRDs. Deployments,
 * ReplicaSets, DaemonSets, HPAs and pods move by themselves when time is advanced
 * (sim/kube/controllers.h).
 *
 * It has no clock, no randomness, no threads and no input or output of its own: the time comes with
 * every call, random names and faults come from counters under one seed, and the same calls give
 * the same bytes. Where it differs from a real server, docs/design/simulated-cluster.md says so.
 */
#ifndef COALMINE_SIM_KUBE_API_H
#define COALMINE_SIM_KUBE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/json.h"
#include "adapters/base/strbuf.h"

struct simkube;
struct simkube_watch;

struct simkube_config {
    uint64_t seed;
    int64_t start_ms;            /* time at birth, ms since 1970 UTC; virtual time starts here */
    size_t history;              /* events kept per resource for watches; 0 = 1024 */
    uint32_t node_count;         /* 0 = 3 */
    int64_t controller_delay_ms; /* between a write and a controller's look at it; 0 = 20 */
    int64_t pod_start_ms;        /* from creation to ready; 0 = 1000 */
    int64_t hpa_interval_ms;     /* 0 = 15000 */
    bool no_controllers;         /* only the API: nothing moves by itself */
};

struct simkube *simkube_new(const struct simkube_config *config);
void simkube_free(struct simkube *k);

/*
 * A second server in the state of the first: same objects, versions, time and pending work, so that
 * a run can be tried from here in two ways. What is immutable is shared by reference count, so both
 * belong to one thread; it costs microseconds, not a start. Histories begin anew (older watches get
 * 410); watches, faults and observers are not taken over. NULL when memory is out.
 */
struct simkube *simkube_fork(struct simkube *from, uint64_t seed);

struct simkube_request {
    const char *user;         /* "admin" and members of system:masters may do everything */
    const char *method;       /* "GET" … */
    const char *target;       /* "/apis/apps/v1/namespaces/prod/deployments?limit=5" */
    const char *accept;       /* NULL = JSON */
    const char *content_type; /* NULL = JSON */
    const char *body;
    size_t body_len;
    uint64_t number; /* told to observers with what the request changes; 0 = none */
};

struct simkube_reply {
    int status;
    const char *content_type;    /* static */
    struct strbuf body;          /* empty while `watch` is set */
    int retry_after_s;           /* 0 = no Retry-After header */
    struct simkube_watch *watch; /* a stream was opened; the caller closes it */
    char warning[256];           /* value of a Warning header, or "" */
};

/*
 * Answer one request at `now_ms` (never before an earlier call's; going back is taken as no time
 * passed). What was due until then happens first. The reply is always filled; release it.
 */
void simkube_call(struct simkube *k, int64_t now_ms, const struct simkube_request *req,
                  struct simkube_reply *ret_reply);
void simkube_reply_release(struct simkube_reply *reply);

/* ---- watches
 * --------------------------------------------------------------------------------------- */

/*
 * Append what the watch has to say by `now_ms`, one JSON object a line, to `out`. Returns true
 * while the stream is open; false when it has ended (its time is up, it was broken, or its history
 * is gone).
 */
bool simkube_watch_read(struct simkube *k, int64_t now_ms, struct simkube_watch *w,
                        struct strbuf *out);
/* True when simkube_watch_read would append something or report the end. */
bool simkube_watch_ready(const struct simkube *k, const struct simkube_watch *w);
/* True when a stream ended in the middle (simkube_break_watches, a CRD replaced) and not of old
 * age. */
bool simkube_watch_was_cut(const struct simkube_watch *w);
void simkube_watch_close(struct simkube *k, struct simkube_watch *w);
/* End every open watch now, as a restarting API server does. */
void simkube_break_watches(struct simkube *k);
/* Forget all history, as etcd's compaction does: watches and lists of older versions answer 410. */
void simkube_compact(struct simkube *k);

/* ---- time
 * ------------------------------------------------------------------------------------------ */

#define SIMKUBE_NEVER INT64_MAX
/* When something happens next by itself, or SIMKUBE_NEVER. */
int64_t simkube_next_at(const struct simkube *k);
/* Let everything due until `now_ms` happen, in order. */
void simkube_advance(struct simkube *k, int64_t now_ms);
int64_t simkube_now(const struct simkube *k);
/* Move the server's wall clock (timestamps it writes) against virtual time. */
void simkube_jump_clock(struct simkube *k, int64_t by_ms);

/* ---- the observer
 * ---------------------------------------------------------------------------------- */

enum simkube_verb { SIMKUBE_CREATED, SIMKUBE_UPDATED, SIMKUBE_DELETED };

/* One change of one object, after it took effect. All borrowed for the call. */
struct simkube_write {
    int64_t at_ms;
    uint64_t sequence; /* the resourceVersion of the change */
    enum simkube_verb verb;
    const char *user; /* who: a request's user, or "system:…" for a controller */
    const char *group, *resource, *subresource; /* "apps", "deployments", "" or "status" */
    const char *namespace_name, *name;
    uint64_t request;            /* the number its sender gave the request, 0 = none */
    const cJSON *before, *after; /* NULL when created, when deleted */
};
typedef void simkube_observer(void *ctx, const struct simkube_write *w);
/* At most 8 observers; returns 0 or -ENOSPC. They must not call back into `k` except the read
 * functions below. */
int simkube_observe(struct simkube *k, simkube_observer *observer, void *ctx);
/* Forget one; nothing happens when it is not there. */
void simkube_unobserve(struct simkube *k, simkube_observer *observer, void *ctx);

/* ---- reading and writing without HTTP, for tests, worlds and checkers
 * ------------------------------- */

/* The object as it stands, borrowed until the next call that may write; NULL when there is none. */
const cJSON *simkube_get(const struct simkube *k, const char *group, const char *resource,
                         const char *namespace_name, const char *name);
/* Visit all objects of a resource in key order (`namespace_name` NULL = all); return false to stop.
 */
void simkube_each(const struct simkube *k, const char *group, const char *resource,
                  const char *namespace_name, bool (*visit)(void *ctx, const cJSON *object),
                  void *ctx);
/* The newest resourceVersion. */
uint64_t simkube_version(const struct simkube *k);
/* Ready pods in a namespace whose labels match all members of the object `selector`. */
size_t simkube_ready_pods(const struct simkube *k, const char *namespace_name,
                          const cJSON *selector);

#endif
