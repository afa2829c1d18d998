/* The names that users see: phases, hooks, deviations, asks. */
#include <string.h>

#include "engine/engine.h"

static const char *const phase_names[PHASE_COUNT] = {
    [PHASE_NONE] = "",
    [PHASE_INITIALIZING] = "Initializing",
    [PHASE_INITIALIZED] = "Initialized",
    [PHASE_WAITING] = "Waiting",
    [PHASE_PROGRESSING] = "Progressing",
    [PHASE_WAITING_PROMOTION] = "WaitingPromotion",
    [PHASE_PROMOTING] = "Promoting",
    [PHASE_FINALISING] = "Finalising",
    [PHASE_SUCCEEDED] = "Succeeded",
    [PHASE_FAILED] = "Failed",
    [PHASE_TERMINATING] = "Terminating",
    [PHASE_TERMINATED] = "Terminated",
};

const char *phase_name(enum phase p)
{
    return (unsigned)p < PHASE_COUNT ? phase_names[p] : "?";
}

bool phase_find(const char *name, size_t len, enum phase *ret_phase)
{
    for (unsigned i = 0; i < PHASE_COUNT; i++) {
        if (strlen(phase_names[i]) == len && memcmp(phase_names[i], name, len) == 0) {
            *ret_phase = (enum phase)i;
            return true;
        }
    }
    return false;
}

const char *condition_status_name(enum condition_status s)
{
    static const char *const names[] = {"", "True", "False", "Unknown"};

    return (unsigned)s < 4 ? names[s] : "";
}

const char *hook_type_name(enum hook_type type)
{
    static const char *const names[HOOK_TYPE_COUNT] = {
        [HOOK_ROLLOUT] = "rollout",
        [HOOK_CONFIRM_ROLLOUT] = "confirm-rollout",
        [HOOK_PRE_ROLLOUT] = "pre-rollout",
        [HOOK_CONFIRM_TRAFFIC_INCREASE] = "confirm-traffic-increase",
        [HOOK_CONFIRM_PROMOTION] = "confirm-promotion",
        [HOOK_POST_ROLLOUT] = "post-rollout",
        [HOOK_ROLLBACK] = "rollback",
        [HOOK_EVENT] = "event",
    };

    return (unsigned)type < HOOK_TYPE_COUNT ? names[type] : "?";
}

const char *strategy_name(enum strategy s)
{
    static const char *const names[] = {"canary", "ab-testing", "blue-green"};

    return (unsigned)s < 3 ? names[s] : "?";
}

const char *command_name(enum command c)
{
    static const char *const names[] = {"", "promote", "abort", "retry", "pause", "resume"};

    return (unsigned)c < sizeof names / sizeof names[0] ? names[c] : "?";
}

const char *ask_kind_name(enum ask_kind kind)
{
    static const char *const names[ASK_KIND_COUNT] = {
        [ASK_NONE] = "none",
        [ASK_DONE] = "done",
        [ASK_LOAD] = "load",
        [ASK_SERVICES] = "services",
        [ASK_PROVIDERS] = "providers",
        [ASK_PRIMARY_INIT] = "primary-init",
        [ASK_SCALER_PRIMARY] = "scaler-primary",
        [ASK_SCALER_PAUSE] = "scaler-pause",
        [ASK_SCALER_RESUME] = "scaler-resume",
        [ASK_APEX] = "apex",
        [ASK_ROUTES_RECONCILE] = "routes-reconcile",
        [ASK_TARGET] = "target",
        [ASK_CONFIGS] = "configs",
        [ASK_PRIMARY_READY] = "primary-ready",
        [ASK_CANARY_READY] = "canary-ready",
        [ASK_ROUTES_GET] = "routes-get",
        [ASK_HOOK] = "hook",
        [ASK_METRICS_OPEN] = "metrics-open",
        [ASK_METRIC] = "metric",
        [ASK_ROUTES_SET] = "routes-set",
        [ASK_SCALE_UP] = "scale-up",
        [ASK_SCALE_ZERO] = "scale-zero",
        [ASK_PROMOTE] = "promote",
        [ASK_SAVE] = "save",
        [ASK_REVERT_TARGET] = "revert-target",
        [ASK_REVERT_ROUTER] = "revert-router",
        [ASK_FINALIZER_REMOVE] = "finalizer-remove",
        [ASK_COOKIES] = "cookies",
    };

    return (unsigned)kind < ASK_KIND_COUNT ? names[kind] : "?";
}

static const struct {
    const char *name, *quirk, *summary;
} deviations[DEVIATION_COUNT] = {
#define DEVIATION_ROW(id, name, quirk, summary) [DEV_##id] = {name, quirk, summary},
    DEVIATIONS(DEVIATION_ROW)
#undef DEVIATION_ROW
};

const char *deviation_name(enum deviation d)
{
    return (unsigned)d < DEVIATION_COUNT ? deviations[d].name : "?";
}

const char *deviation_quirk(enum deviation d)
{
    return (unsigned)d < DEVIATION_COUNT ? deviations[d].quirk : "?";
}

const char *deviation_summary(enum deviation d)
{
    return (unsigned)d < DEVIATION_COUNT ? deviations[d].summary : "?";
}

bool deviation_find(const char *name, enum deviation *ret_deviation)
{
    for (unsigned i = 0; i < DEVIATION_COUNT; i++) {
        if (strcmp(deviations[i].name, name) == 0) {
            *ret_deviation = (enum deviation)i;
            return true;
        }
    }
    return false;
}

enum event_level event_level(enum event_id id)
{
    enum { N = LEVEL_NORMAL, W = LEVEL_WARNING, E = LEVEL_ERROR };
    static const uint8_t levels[EVENT_COUNT] = {
#define EVENT_LEVEL(name, level) [EVENT_##name] = level,
        EVENTS(EVENT_LEVEL)
#undef EVENT_LEVEL
    };

    return (unsigned)id < EVENT_COUNT ? (enum event_level)levels[id] : LEVEL_ERROR;
}

const char *event_name(enum event_id id)
{
    static const char *const names[EVENT_COUNT] = {
#define EVENT_NAME(name, level) [EVENT_##name] = #name,
        EVENTS(EVENT_NAME)
#undef EVENT_NAME
    };

    return (unsigned)id < EVENT_COUNT ? names[id] : "?";
}

const char *event_type(enum event_id id)
{
    return event_level(id) == LEVEL_NORMAL ? "Normal" : "Warning";
}

static const struct {
    const char *name;
    enum alert_severity severity;
    bool metadata;
} alerts[ALERT_ID_COUNT] = {
    [ALERT_INITIALIZED] = {"INIT", ALERT_INFO, true},
    [ALERT_NEW_REVISION] = {"NEWREV", ALERT_INFO, true},
    [ALERT_DONE] = {"DONE", ALERT_INFO, false},
    [ALERT_SKIPPED] = {"SKIPPED", ALERT_INFO, false},
    [ALERT_THRESHOLD] = {"THRESHOLD", ALERT_ERROR, false},
    [ALERT_MANUAL] = {"MANUAL", ALERT_WARN, false},
    [ALERT_PROMOTION_FAILED] = {"PROMO_FAILED", ALERT_ERROR, false},
    [ALERT_CONFIRM_ROLLOUT] = {"CR", ALERT_WARN, false},
    [ALERT_CONFIRM_TRAFFIC] = {"CTI", ALERT_WARN, false},
    [ALERT_CONFIRM_PROMOTION] = {"CP", ALERT_WARN, false},
    [ALERT_DEADLINE] = {"DEADLINE", ALERT_ERROR, false},
    [ALERT_ABORTED] = {"ABORTED", ALERT_WARN, false},
};

const char *alert_name(enum alert_id id)
{
    return (unsigned)id < ALERT_ID_COUNT ? alerts[id].name : "?";
}

enum alert_severity alert_id_severity(enum alert_id id)
{
    return (unsigned)id < ALERT_ID_COUNT ? alerts[id].severity : ALERT_ERROR;
}

bool alert_has_metadata(enum alert_id id)
{
    return (unsigned)id < ALERT_ID_COUNT && alerts[id].metadata;
}

const char *alert_severity_name(enum alert_severity s)
{
    static const char *const names[] = {"info", "warn", "error"};

    return (unsigned)s < 3 ? names[s] : "?";
}
