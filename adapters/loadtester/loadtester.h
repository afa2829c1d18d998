/*
 * adapters/loadtester/loadtester.h — the webhook receiver: gates, rollback switches and test tasks,
 * as Flagger's loadtester speaks.
 *
 * Gates and switches are kept apart and in memory; a restart closes them all. Commands run in a
 * process group of their own, which is killed as a whole when their time is up. Give the handler to
 * a server with threads (server_start_thread): blocking tasks answer from their own thread.
 */
#ifndef COALMINE_LOADTESTER_LOADTESTER_H
#define COALMINE_LOADTESTER_LOADTESTER_H

#include <stdint.h>

#include "adapters/base/clock.h"
#include "adapters/http/server.h"

#define LOADTESTER_TASKS_MAX 64 /* commands at a time; more are answered 503 */
#define LOADTESTER_OUTPUT_MAX (1024u * 1024u)

struct loadtester_options {
    int64_t timeout_ms; /* of any command */
    const char
        *namespace_regexp; /* extended regular expression that a namespace must hold; NULL = any */
    const struct clock *clock;
    char *const *environment; /* of the commands */
    /* One line of the log. `canary` may be "". May be called from several threads at once. */
    void (*log)(void *ctx, const char *level, const char *canary, const char *message);
    void *log_ctx;
};

struct loadtester;

/* NULL when memory is out, or the expression is none. `options` is copied, what it points to is
 * borrowed. */
struct loadtester *loadtester_new(const struct loadtester_options *options);
/*
 * Kill the commands that run, let their calls be answered, and start no more. Before the server is
 * stopped; from then on tasks are answered 503.
 */
void loadtester_stop(struct loadtester *l);
/* After the server is stopped. NULL is fine. */
void loadtester_free(struct loadtester *l);
/* A server_handler; ctx is the struct loadtester. */
void loadtester_handle(void *ctx, struct server_call *call);

#endif
