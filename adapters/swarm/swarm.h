/*
 * adapters/swarm/swarm.h — lives of the whole operator in the simulated cluster, drawn from seeds.
 *
 * One seed draws a Canary, a cluster, what people do, and faults: refused, lost, late and repeated
 * calls, broken watches, crashes, lost leadership, jumping clocks, failing pods and hooks, two
 * operators at once. A life has a faulty phase and then a healed one. Every write is judged when it
 * takes effect (judge.c); the end is judged when the cluster rests. The same plan gives the same
 * life. A plan that fails is made small (shrink.c) and kept as a file (file.c).
 */
#ifndef COALMINE_SWARM_SWARM_H
#define COALMINE_SWARM_SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/arena.h"
#include "adapters/base/diag.h"
#include "adapters/base/strbuf.h"
#include "sim/kube/api.h"
#include "sim/kube/faults.h"

enum swarm_strategy { SWARM_CANARY, SWARM_AB, SWARM_BLUE_GREEN };
enum swarm_provider { SWARM_KUBERNETES, SWARM_ISTIO, SWARM_GATEWAY, SWARM_CONTOUR, SWARM_TRAEFIK };

/*
 * What a seed draws, field by field: X(group, name, kind, low, high, calm). The name is that of the
 * file too; `calm` is the value that makes a life simpler, which shrinking tries. A kind is an
 * integer, milliseconds, a flag, or the name of a table of names.
 */
#define SWARM_FIELDS(X)                                                                            \
    X(canary, strategy, STRATEGY, 0, 2, 0)                                                         \
    X(canary, provider, PROVIDER, 0, 4, 1)                                                         \
    X(canary, daemonset, FLAG, 0, 1, 0)                                                            \
    X(canary, replicas, INT, 1, 5, 1)                                                              \
    X(canary, step, INT, 1, 100, 20)                                                               \
    X(canary, max, INT, 1, 100, 40)                                                                \
    X(canary, uneven, FLAG, 0, 1, 0)                                                               \
    X(canary, promotion_step, INT, 0, 100, 0)                                                      \
    X(canary, iterations, INT, 1, 10, 1)                                                           \
    X(canary, threshold, INT, 1, 10, 2)                                                            \
    X(canary, mirror, FLAG, 0, 1, 0)                                                               \
    X(canary, affinity, FLAG, 0, 1, 0)                                                             \
    X(canary, autoscaler, FLAG, 0, 1, 0)                                                           \
    X(canary, configs, FLAG, 0, 1, 0)                                                              \
    X(canary, skip, FLAG, 0, 1, 0)                                                                 \
    X(canary, revert, FLAG, 0, 1, 0)                                                               \
    X(canary, alerts, FLAG, 0, 1, 0)                                                               \
    X(canary, hooks, INT, 0, 255, 0)                                                               \
    X(world, operators, INT, 1, 2, 1)                                                              \
    X(world, latency, MS, 1, 10000, 2)                                                             \
    X(world, pod_start, MS, 1, 60000, 1000)                                                        \
    X(world, faulty, MS, 0, 3600000, 0)                                                            \
    X(faults, conflict, INT, 0, 1000, 0)                                                           \
    X(faults, throttle, INT, 0, 1000, 0)                                                           \
    X(faults, server_error, INT, 0, 1000, 0)                                                       \
    X(faults, cut_before, INT, 0, 1000, 0)                                                         \
    X(faults, cut_after, INT, 0, 1000, 0)                                                          \
    X(faults, late_effect, INT, 0, 1000, 0)                                                        \
    X(faults, late_answer, INT, 0, 1000, 0)                                                        \
    X(faults, stale_list, INT, 0, 1000, 0)                                                         \
    X(faults, watch_break, INT, 0, 1000, 0)                                                        \
    X(faults, late_max, MS, 1, 600000, 3000)                                                       \
    X(faults, hook_error, INT, 0, 1000, 0)                                                         \
    X(faults, hook_late, INT, 0, 1000, 0)                                                          \
    X(faults, hook_twice, INT, 0, 1000, 0)                                                         \
    X(faults, metric_error, INT, 0, 1000, 0)                                                       \
    X(faults, first_request, INT, 0, INT32_MAX, 0)                                                 \
    X(faults, last_request, INT, 0, INT32_MAX, INT32_MAX)

/* What people and nature do at a time: X(enumerator, name, least value, greatest value). */
#define SWARM_ACTS(X)                                                                              \
    X(RELEASE, "release", 0, 0)                                                                    \
    X(BAD_RELEASE, "bad-release", 0, 0)                                                            \
    X(CONFIG, "config", 0, 0)                                                                      \
    X(BAD_CONFIG, "bad-config", 0, 0)                                                              \
    X(REVERT, "revert", 0, 0)                                                                      \
    X(SCALE, "scale", 1, 5)                                                                        \
    X(TOUCH_CANARY, "touch-canary", 0, 0)                                                          \
    X(TOUCH_ROUTES, "touch-routes", 0, 0)                                                          \
    X(EDIT_THRESHOLD, "edit-threshold", 1, 10)                                                     \
    X(PROMOTE, "promote", 0, 0)                                                                    \
    X(ABORT, "abort", 0, 0)                                                                        \
    X(RETRY, "retry", 0, 0)                                                                        \
    X(PAUSE, "pause", 0, 0)                                                                        \
    X(RESUME, "resume", 0, 0)                                                                      \
    X(SUSPEND, "suspend", 0, 0)                                                                    \
    X(UNSUSPEND, "unsuspend", 0, 0)                                                                \
    X(CLOSE_GATES, "close-gates", 0, 0)                                                            \
    X(OPEN_GATES, "open-gates", 0, 0)                                                              \
    X(CALL_BACK, "call-back", 0, 0)                                                                \
    X(UNREADY, "unready", 0, 1)                                                                    \
    X(READY, "ready", 0, 0)                                                                        \
    X(CLOCK, "clock", -7200000, 7200000)                                                           \
    X(DELETE, "delete", 0, 0)

enum swarm_act {
#define SWARM_ACT(id, name, low, high) ACT_##id,
    SWARM_ACTS(SWARM_ACT)
#undef SWARM_ACT
        ACT_COUNT
};

/* A process dies before or after the effect of its n-th request, or loses its Lease there. */
enum swarm_end { END_BEFORE, END_AFTER, END_DEPOSED, END_COUNT };

enum { SWARM_ACTS_MAX = 16, SWARM_ENDS_MAX = 4, SWARM_VERSIONS_MAX = SWARM_ACTS_MAX + 2 };

struct swarm_plan {
    uint64_t seed;
#define SWARM_FIELD(group, name, kind, low, high, calm) int64_t name;
    SWARM_FIELDS(SWARM_FIELD)
#undef SWARM_FIELD
    struct swarm_event {
        int64_t at_ms; /* from the start of the life */
        enum swarm_act act;
        int64_t value;
    } acts[SWARM_ACTS_MAX]; /* by time */
    size_t act_count;
    struct {
        int64_t request; /* of the process started last, from 1 */
        enum swarm_end end;
    } ends[SWARM_ENDS_MAX];
    size_t end_count;
};

/* The bits of `hooks`, in the order of enum hook_type of the engine (HOOK_ROLLOUT is bit 0). */
#define SWARM_HOOK(type) (1 << (type))

enum { SWARM_TOLD_MAX = 64 };

struct swarm_result {
    bool failed;
    char rule[64];  /* the rule that was broken */
    char text[400]; /* what was seen */
    char phase[24]; /* of the Canary at the end */
    char end[240];  /* status, routes and workloads at the end, to compare lives by */
    uint64_t requests, writes;
    int crashes, losses; /* processes that died, and that lost their Lease */
    int64_t virtual_ms;
    /* What hooks, chats and the API's Events were told, each once. */
    struct {
        uint64_t hash;
        char text[80]; /* its begin */
    } told[SWARM_TOLD_MAX];
    size_t told_count;
};

/* Where a life tells what happens; NULL = nowhere. */
typedef void swarm_tell(void *ctx, const char *line);

/* What lives have in common: a cluster that has the CRDs, which each of them forks, and stacks. */
struct swarm;
struct swarm *swarm_new(void); /* NULL when memory is out */
void swarm_free(struct swarm *s);
/* The cluster, borrowed. */
struct simkube *swarm_cluster(const struct swarm *s);
/* Live a plan. 0, or -ENOMEM. */
int swarm_live(struct swarm *from, const struct swarm_plan *plan, swarm_tell *tell, void *ctx,
               struct swarm_result *ret_result);

/* ---- plans: plan.c, file.c, shrink.c -------------------------------------------------------- */

void swarm_plan_draw(struct swarm_plan *plan, uint64_t seed);
/* One calm canary: no faults, nobody does anything. */
void swarm_plan_calm(struct swarm_plan *plan);
/* Add an act in its place by time; ignored when the plan is full. */
void swarm_plan_add(struct swarm_plan *plan, int64_t at_ms, enum swarm_act act, int64_t value);
bool swarm_plan_has(const struct swarm_plan *plan, enum swarm_act act);
/* What does not go together in a plan: only some providers and strategies can do everything. */
enum { SWARM_CONFLICTS_MAX = 3 };
size_t swarm_plan_conflicts(const struct swarm_plan *plan,
                            const char *ret_texts[SWARM_CONFLICTS_MAX]);
const char *swarm_act_name(enum swarm_act act);
const char *swarm_end_name(enum swarm_end end);

enum swarm_kind { KIND_INT, KIND_MS, KIND_FLAG, KIND_STRATEGY, KIND_PROVIDER };
struct swarm_field {
    const char *group, *name;
    enum swarm_kind kind;
    int64_t low, high, calm;
    size_t offset; /* in struct swarm_plan */
};
extern const struct swarm_field swarm_fields[];
extern const size_t swarm_field_count;
int64_t *swarm_field_of(struct swarm_plan *plan, const struct swarm_field *f);
/* The names of a kind, NULL-terminated; NULL for numbers and flags. */
const char *const *swarm_kind_names(enum swarm_kind kind);
struct swarm_act_range {
    int64_t low, high;
};
extern const struct swarm_act_range swarm_act_ranges[ACT_COUNT];

/* As YAML: what differs from the calm plan. Reading it back gives the same plan. */
void swarm_plan_write(const struct swarm_plan *plan, struct strbuf *out);
/* Read such a file. 0, or -EINVAL with located findings in `diags`, or -ENOMEM. */
int swarm_plan_read(struct arena *arena, struct diags *diags, const char *file, const char *source,
                    size_t len, struct swarm_plan *ret_plan);

/*
 * Make a failing plan smaller while the same rule stays broken, in at most `lives_max` lives.
 * `result` is that of the plan, and in the end that of the smaller one. Returns the lives lived.
 */
unsigned swarm_shrink(struct swarm *from, struct swarm_plan *plan, struct swarm_result *result,
                      unsigned lives_max);

#endif
