/*
 * engine/note.h — what the engine has to say: codes with arguments. Rendering is separate
 * (engine/render.h), so that a million simulated rollouts format no string.
 */
#ifndef COALMINE_ENGINE_NOTE_H
#define COALMINE_ENGINE_NOTE_H

#include "engine/rollout.h"
#include "engine/spec.h"

enum note_kind { NOTE_EVENT, NOTE_ALERT, NOTE_GAUGE, NOTE_LOG };

/* X(enumerator, level): N normal, W warning, E error. The texts stand in engine/render.c. */
#define EVENTS(X)                                                                                  \
    X(SUSPEND, N)                                                                                  \
    X(RAW, W)                                                                                      \
    X(RAW_E, E)                                                                                    \
    X(PROV_OK, N)                                                                                  \
    X(PROV_ERR, E)                                                                                 \
    X(SCALE0_ERR, W)                                                                               \
    X(INIT, N)                                                                                     \
    X(NEWREV, N) X(RESTART, N) X(START, N) X(ADV_W, N) X(ADV_IT, N) X(ADV_PW, N) X(COPY, N) X(     \
        TO_PRIMARY, N) X(TO_CANARY, N) X(MIRROR_OFF, N) X(DONE, N) X(DONE_SKIP, N) X(K8S_AB, W)    \
        X(K8S_PT, W) X(K8S_IT, W) X(RB_THRESHOLD, W) X(RB_MANUAL, W) X(RB_DEADLINE, W) X(          \
            FAILED, W) X(PROMO_FAILED, W) X(CR_HALT, W) X(CR_OK, N) X(CTI_HALT, W) X(CTI_OK, N)    \
            X(CP_HALT, W) X(CP_OK, N) X(PRE_FAIL, W) X(PRE_OK, N) X(RO_FAIL, W) X(POST_FAIL, W)    \
                X(POST_OK, N) X(RBH_NO, N) X(RBH_YES, W) X(M_RATE_LOW, W) X(M_RATE_HIGH, W)        \
                    X(M_DUR_HIGH, W) X(M_DUR_LOW, W) X(M_VAL_HIGH, W) X(M_VAL_LOW, W)              \
                        X(M_RATE_NONE, W) X(M_DUR_NONE, W) X(M_INL_NONE, W) X(M_TPL_NONE, W)       \
                            X(M_PROM_ERR, E) X(M_INL_ERR, E) X(M_TPL_ERR, E)                       \
                                X(M_CLIENT, E) X(M_TPL_GET, E) X(M_TPL_SECRET, E) X(M_TPL_PROV, E) \
                                    X(M_TPL_RENDER, E) X(M_NOTHING, E) X(M_KNATIVE,                \
                                                                         E) X(TERMINATING, N)      \
                                        X(TERMINATED,                                              \
                                          N) /* of the default profile and of people's commands */ \
        X(REVERTED, N) X(HELD_ON_CANARY, W) X(NO_STEPS, W) X(M_NOT_FINITE, W) X(M_JUDGED, W)       \
            X(M_WAIT, N) X(PAUSED, N) X(RESUMED, N) X(ABORTED, W) X(RETRIED, N) X(PROMOTED_NOW, N) \
                X(COMMAND_REFUSED, W)

enum event_id {
#define EVENT_ID(id, level) EVENT_##id,
    EVENTS(EVENT_ID)
#undef EVENT_ID
        EVENT_COUNT
};

enum event_level { LEVEL_NORMAL, LEVEL_WARNING, LEVEL_ERROR };
enum event_level event_level(enum event_id id);
/* "Normal" or "Warning": the type of the Kubernetes Event. */
const char *event_type(enum event_id id);
const char *event_name(enum event_id id); /* "ADV_W" */

enum alert_id {
    ALERT_INITIALIZED,
    ALERT_NEW_REVISION,
    ALERT_DONE,
    ALERT_SKIPPED,
    ALERT_THRESHOLD,
    ALERT_MANUAL,
    ALERT_PROMOTION_FAILED,
    ALERT_CONFIRM_ROLLOUT,
    ALERT_CONFIRM_TRAFFIC,
    ALERT_CONFIRM_PROMOTION,
    ALERT_DEADLINE,
    ALERT_ABORTED,
    ALERT_ID_COUNT
};
const char *alert_severity_name(enum alert_severity s); /* "info", "warn", "error" */
enum alert_severity alert_id_severity(enum alert_id id);
bool alert_has_metadata(enum alert_id id);
const char *alert_name(enum alert_id id);

enum gauge_id {
    GAUGE_STATUS,   /* a: 0, 1, 2 */
    GAUGE_WEIGHT,   /* a: primary, b: canary */
    GAUGE_ANALYSIS, /* index: metric; x: rate in percent, duration in seconds, or the value */
    GAUGE_DURATION, /* observe the time since the tick began */
    GAUGE_SUCCESSES,
    GAUGE_FAILURES, /* counters: +1; a: enum analysis_status */
    GAUGE_ID_COUNT
};
enum analysis_status { ANALYSIS_COMPLETED, ANALYSIS_SKIPPED };

/* NOTE_LOG: only for the log of the process. */
enum log_id { LOG_SAVE_FAILED, LOG_LOAD_FAILED, LOG_PHASE_FAILED, LOG_FINALIZE_FAILED };

/* EVENT_RAW: note.detail says which words stand before the error. */
enum raw_prefix { RAW_PLAIN, RAW_SYNC_FAILED, RAW_GET_FAILED };

struct note {
    uint8_t kind;     /* enum note_kind */
    uint8_t id;       /* enum event_id, alert_id, gauge_id or log_id */
    uint8_t phase;    /* events: phase of the payload */
    uint8_t detail;   /* metric checks: enum metric_ask; EVENT_RAW: enum raw_prefix */
    uint16_t index;   /* hook or metric */
    int32_t a, b;     /* weights, iterations, counts */
    double x, bound;  /* value and bound; durations in ms */
    const char *text; /* borrowed from the answer, for the step; NULL = none */
    uint32_t text_len;
    const char *subject;
};

#endif
