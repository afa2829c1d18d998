/*
 * adapters/http/loop.h — the operator's event loop: tasks (task.h) in real time, with libcurl's
 * multi interface, signals and file descriptors under one epoll.
 *
 * loop_clock() and the clients of loop_http_new() may be used inside tasks only: there perform,
 * stream and sleep_ms park the calling task. A cancelled task's requests end with -ECANCELED at
 * once.
 */
#ifndef COALMINE_HTTP_LOOP_H
#define COALMINE_HTTP_LOOP_H

#include "adapters/base/clock.h"
#include "adapters/http/http.h"
#include "adapters/http/task.h"

struct loop;

struct loop_options {
    size_t live_max;        /* as tasks_options */
    size_t stack_bytes;     /* as tasks_options */
    size_t connections_max; /* kept open for reuse over all servers; 0 = 16 */
};

/* `options` may be NULL. NULL when memory or file descriptors are out. */
struct loop *loop_new(const struct loop_options *options);
/* No task may be left; clients made by loop_http_new are freed with it. NULL is fine. */
void loop_free(struct loop *l);

/* The scheduler: spawn, cancel, wait. */
struct tasks *loop_tasks(struct loop *l);
/* Real time; sleep_ms parks the task. */
const struct clock *loop_clock(struct loop *l);
/* A client under this loop; all of them share one pool of connections. `options` is borrowed, may
 * be NULL. */
struct http_client *loop_http_new(struct loop *l, const struct http_options *options);
/* No request of it may be under way. NULL is fine. */
void loop_http_free(struct http_client *c);

/* Run until no task is left: 0, or -Exxx when the loop itself failed. */
int loop_run(struct loop *l);

/*
 * From now on `on_signal` is called on the loop (not in signal context) whenever `signo` arrived:
 * it may spawn, cancel and notify, but not wait. The signal is blocked for the process meanwhile. 0
 * or -errno.
 */
int loop_on_signal(struct loop *l, int signo, void (*on_signal)(void *ctx, int signo), void *ctx);
/* Call `on_ready` on the loop whenever `fd` can be read. 0 or -errno; loop_forget_fd before closing
 * it. */
int loop_on_readable(struct loop *l, int fd, void (*on_ready)(void *ctx), void *ctx);
void loop_forget_fd(struct loop *l, int fd);
/*
 * A bound on the next wait asked for by somebody else's event source: called before each wait,
 * returns ms from now or -1 for none; `on_due` is called after each wait (adapters/http/server.h).
 */
int loop_add_source(struct loop *l, int64_t (*timeout_ms)(void *ctx), void (*on_due)(void *ctx),
                    void *ctx);
void loop_remove_source(struct loop *l, void *ctx);

#endif
