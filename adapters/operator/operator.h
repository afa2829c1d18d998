/*
 * adapters/operator/operator.h — the production driver: it performs the engine's asks in a real
 * cluster.
 *
 * Canaries are watched; each has a schedule, and each tick of one runs as a task: begin, perform,
 * answer, until done. Everything is read from watches, so a tick that changes nothing asks the API
 * server nothing. All state is in the Canary: its status, and one annotation (`coalmine.dev/state`,
 * default profile only).
 *
 * The operator knows no sockets and no clock of its own: with the simulated cluster behind
 * `options.kube` and `options.web`, it runs in virtual time.
 */
#ifndef COALMINE_OPERATOR_OPERATOR_H
#define COALMINE_OPERATOR_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/clock.h"
#include "adapters/base/strbuf.h"
#include "adapters/http/http.h"
#include "adapters/http/task.h"
#include "adapters/kube/client.h"
#include "adapters/router/quirks.h"
#include "adapters/workload/quirks.h"
#include "engine/deviation.h"
#include "engine/engine.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_FAULT };

struct flight;
/* All borrowed for the life of the operator; NULL and 0 mean the default. */
struct operator_options {
    struct tasks *tasks;
    const struct clock *clock;
    struct kube_client *kube;
    struct kube_client *mesh_kube; /* another cluster's, for mesh objects; NULL = the same */
    const struct kube_config
        *config;             /* for metric providers that are Kubernetes APIs; may be NULL */
    struct http_client *web; /* hooks, metrics, chat: kept from link-local addresses */
    /* One whole line of the log, with its newline. */
    void (*write_log)(void *ctx, const char *line, size_t len);
    void *log_ctx;
    enum log_level log_level;
    bool log_console; /* people's format in place of JSON */

    deviations_t deviations;
    router_quirks quirks;   /* defects of Flagger to reproduce, in routes ... */
    cluster_quirks cluster; /* ... and in all else that the engine does not decide */

    const char *mesh_provider;  /* "istio" */
    const char *metrics_server; /* "http://prometheus:9090" */
    const char *ns;             /* watch this namespace only; NULL or "" = all */
    const char *ingress_class, *ingress_annotations_prefix;
    const char *const *selector_labels;  /* NULL-terminated */
    const char *const *include_prefixes; /* NULL-terminated */
    bool no_config_tracking, separate_mesh;
    /* The first beats the second; without either, cluster quirk own-namespace decides. */
    bool no_cross_namespace_refs, allow_cross_namespace_refs;
    const char *cluster_name;
    const char *event_webhook;
    const char *notify_type, *notify_url, *notify_token, *notify_proxy, *notify_user,
        *notify_channel;     /* the process-wide chat; no URL = none */
    int64_t control_loop_ms; /* 10,000 */
    /* Called when no tick has run in a whole loop, and every few loops all the same; may be NULL.
     */
    void (*give_memory_back)(void);
    size_t ticks_max; /* at one time; 64 */
    size_t specs_max; /* kept decoded from tick to tick, more of them are decoded anew; 1024 */
    int64_t slack_ms; /* ticks may be so early, so that one wake-up does for several; 0 */
    bool leader_election;
    const char *lease_ns, *identity;
    bool dry_run; /* the API checks every write and stores none; hooks are not called, chats not
                     told */
    const char *version;
    struct flight *flight; /* every tick is recorded here; NULL = none is */
    /* For the simulated cluster: is the answer of this ask given to the engine a second time? */
    bool (*answers_twice)(void *ctx, enum ask_kind kind);
    void *answers_ctx;
};

struct operator;

/* NULL when memory is out. */
struct operator* operator_new(const struct operator_options *options);
/* No task of it may be left. NULL is fine. */
void operator_free(struct operator* o);
/* Spawn its tasks; they end after operator_stop. */
void operator_start(struct operator* o);
/* Finish the ticks under way (for at most `grace_ms`), give up the lease, end. Callable from
 * anywhere. */
void operator_stop(struct operator* o, int64_t grace_ms);
/* All its tasks have ended: it may be freed. */
bool operator_has_ended(const struct operator* o);
/* It was the leader, and lost the lease: the process should end. */
bool operator_was_deposed(const struct operator* o);
/* The Canaries are known, and (where elections are held) somebody leads. */
bool operator_is_ready(const struct operator* o);
/* Prometheus text. */
void operator_write_metrics(const struct operator* o, struct strbuf *out);
/* Canaries known now. */
size_t operator_canaries(const struct operator* o);

/* ---- people's commands ---------------------------------------------------------------------- */

#define COMMAND_ANNOTATION "coalmine.dev/command"
#define STATE_ANNOTATION "coalmine.dev/state"
#define FINALIZER_NAME "finalizer.flagger.app"
/* Ask the operator through the Canary: `command` is "promote", "abort", … 0 or -Exxx with reterr.
 */
int operator_command(struct kube_client *kube, const char *ns, const char *name,
                     const char *command, const char *who, const char *why, int64_t now_ms,
                     struct kube_error *reterr);

#endif
