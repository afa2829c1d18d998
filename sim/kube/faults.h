/*
 * sim/kube/faults.h — what goes wrong at the API's door, drawn from a seed.
 *
 * The n-th request of a server always meets the same fate under the same seed and profile. Rates
 * are in permille of requests. A profile is cleared (all zero) to heal the world.
 */
#ifndef COALMINE_SIM_KUBE_FAULTS_H
#define COALMINE_SIM_KUBE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

struct simkube;
struct simkube_request;
struct simkube_reply;

struct simkube_faults {
    uint64_t seed;
    uint16_t conflict;     /* 409 on a write that would have been fine */
    uint16_t throttle;     /* 429 with Retry-After 1..3 */
    uint16_t server_error; /* 500 or 503, nothing done */
    uint16_t cut_before;   /* connection lost, nothing done */
    uint16_t cut_after;    /* the effect happened, the answer is lost */
    uint16_t late_effect; /* the request takes effect up to late_ms_max later; so does its answer */
    uint16_t late_answer; /* it takes effect at once, the answer comes up to late_ms_max later */
    uint16_t stale_list;  /* a list answers an older state that is still in the history */
    uint16_t watch_break; /* a watch ends after 0..60 s */
    int64_t late_ms_max;  /* 0 = 120000 */
    uint64_t first, last; /* only the requests with these numbers; last 0 = all */
    const char *user;     /* only this user's requests; NULL = everyone's (borrowed) */
};

enum simkube_fate_kind {
    FATE_FINE,
    FATE_CONFLICT,
    FATE_THROTTLE,
    FATE_SERVER_ERROR,
    FATE_CUT_BEFORE,
    FATE_CUT_AFTER,
    FATE_LATE_EFFECT,
    FATE_LATE_ANSWER,
    FATE_STALE_LIST,
    FATE_WATCH_BREAK,
};

/* What will happen to one request. */
struct simkube_fate {
    enum simkube_fate_kind kind;
    uint64_t number;  /* which request, from 1 */
    int64_t delay_ms; /* FATE_LATE_…, FATE_WATCH_BREAK */
    uint32_t draw;    /* for the choices inside a kind */
};

/* Faults from now on; NULL = none (healed). */
void simkube_set_faults(struct simkube *k, const struct simkube_faults *faults);
/* Draw the fate of the next request. Call it once per request, before simkube_call_fated. */
struct simkube_fate simkube_draw_fate(struct simkube *k, const struct simkube_request *req);
/*
 * As simkube_call under a fate. Returns true when an answer reaches the caller (at once; for
 * FATE_LATE_ANSWER the caller lets delay_ms pass first), false when the connection is cut: then
 * nothing is in the reply but it is still to be released. FATE_LATE_EFFECT: the caller lets
 * delay_ms pass before it calls; if its own patience ends earlier, it hands the request to
 * simkube_post_late.
 */
bool simkube_call_fated(struct simkube *k, int64_t now_ms, const struct simkube_fate *fate,
                        const struct simkube_request *req, struct simkube_reply *ret_reply);
/* The request (copied) takes effect at `at_ms`, whether anybody still listens or not. Returns 0 or
 * -ENOMEM. */
int simkube_post_late(struct simkube *k, int64_t at_ms, const struct simkube_request *req);
const char *simkube_fate_name(enum simkube_fate_kind kind);

#endif
