/*
 * engine/engine.h — one rollout as a state machine: ask and answer.
 *
 * No I/O, no clock, no randomness, no allocation, no globals. The driver begins a tick, performs
 * the ask it gets, answers it, performs the next one, until ASK_DONE. Notes need no answer.
 *
 *     engine_begin(&r, &spec, TICK_ANALYSIS, now_ms, &step);
 *     while (emit(step.notes), step.ask.kind != ASK_DONE) {
 *         perform(&step.ask, &answer);
 *         engine_answer(&r, &spec, &answer, &step);
 *     }
 *
 * The engine is total: any answer to any ask in any state leads to a defined state. Answers carry
 * the id of their ask; an answer to another ask changes nothing and yields ASK_NONE: the open ask
 * stays open. The driver must never let the effect of an older ask land after that of a newer one
 * (in Kubernetes: by resourceVersion). Every ask is safe to perform again from the top. A tick keeps
 * the spec that it began with.
 */
#ifndef COALMINE_ENGINE_ENGINE_H
#define COALMINE_ENGINE_ENGINE_H

#include "engine/note.h"
#include "engine/rollout.h"
#include "engine/spec.h"

enum ask_kind {
    ASK_NONE, /* nothing new: the answer was late or repeated */
    ASK_DONE, /* the tick has ended; rollout.stored is what stands */
    /* set-up */
    ASK_LOAD,      /* read the Canary; answer.status = its status, NULL = as the engine knows it */
    ASK_SERVICES,  /* discover label and ports; create the -primary and -canary services */
    ASK_PROVIDERS, /* are the metric providers available? */
    ASK_PRIMARY_INIT,   /* create the primary if absent; while initialising (unless skipAnalysis) it
                           must be ready */
    ASK_SCALER_PRIMARY, /* ask.flag: initialising; create or update the primary's autoscaler */
    ASK_SCALER_PAUSE,
    ASK_SCALER_RESUME,    /* the target's autoscaler */
    ASK_APEX,             /* the apex service selects the primary */
    ASK_ROUTES_RECONCILE, /* create or repair the routing object, weights kept */
    /* facts */
    ASK_TARGET,  /* answer.target = revision of the target now */
    ASK_CONFIGS, /* answer.configs = revision of its tracked configs now */
    ASK_PRIMARY_READY,
    ASK_CANARY_READY, /* OK, RETRY (not yet) or FAILED (deadline exceeded), with text */
    ASK_ROUTES_GET,   /* answer.primary, .canary, .mirrored */
    ASK_HOOK,         /* call hook ask.index with payload phase ask.phase */
    ASK_METRICS_OPEN, /* before a metric pass with its own server or Knative: FAILED with cause and
                         text */
    ASK_METRIC,       /* evaluate metric ask.index as ask.metric */
    /* effects */
    ASK_ROUTES_SET, /* ask.primary, .canary, .mirror; may renew session cookies, saved by the next
                       save */
    ASK_SCALE_UP,
    ASK_SCALE_ZERO,    /* the canary workload */
    ASK_PROMOTE,       /* copy the target's spec and tracked configs to the primary */
    ASK_SAVE,          /* write the status: ask.save; SYNC answers .target and .configs as stored */
    ASK_REVERT_TARGET, /* finalizer: bring the original workload back */
    ASK_REVERT_ROUTER, /* finalizer: services, then mesh, as they were */
    ASK_FINALIZER_REMOVE,
    /* default profile: make or renew the session cookies for the routes that come next
       (ask.primary, .canary, .flag) and store them in the status, so that a crash loses no user's
       session */
    ASK_COOKIES,
    ASK_KIND_COUNT
};
const char *ask_kind_name(enum ask_kind kind);

enum metric_ask { METRIC_RATE, METRIC_DURATION, METRIC_INLINE, METRIC_TEMPLATE };

struct ask {
    uint32_t id;
    uint8_t kind;   /* enum ask_kind */
    uint8_t phase;  /* ASK_HOOK: payload phase */
    uint8_t metric; /* ASK_METRIC: enum metric_ask */
    bool flag; /* ASK_SCALER_PRIMARY: initialising; ASK_ROUTES_SET: mirror; ASK_PRIMARY_INIT: must
                  be ready */
    uint16_t index;          /* ASK_HOOK, ASK_METRIC */
    int16_t primary, canary; /* ASK_ROUTES_SET */
    int32_t wait_ms;         /* perform it this much later (finalizer retries); 0 = at once */
    struct save save;        /* ASK_SAVE */
};

enum outcome {
    OUTCOME_OK,       /* done; for a gate: approved; for readiness: ready */
    OUTCOME_RETRY,    /* not now: retriable error, gate refused */
    OUTCOME_FAILED,   /* for good */
    OUTCOME_NO_VALUE, /* metrics: no values found */
};

/* Which part of a metric evaluation failed; 0 = the query itself. */
enum metric_cause {
    CAUSE_QUERY,
    CAUSE_CLIENT,
    CAUSE_TEMPLATE_GET,
    CAUSE_TEMPLATE_SECRET,
    CAUSE_TEMPLATE_PROVIDER,
    CAUSE_TEMPLATE_RENDER,
    CAUSE_KNATIVE
};

/* Borrowed for the step. Fields that the ask does not name are ignored. */
struct answer {
    uint32_t id;
    uint8_t outcome; /* enum outcome; any other value counts as OUTCOME_FAILED */
    uint8_t cause;   /* enum metric_cause */
    bool mirrored;
    bool no_pods; /* ASK_CANARY_READY: none are wanted, which Flagger counts as ready */
    int32_t primary, canary;
    double value; /* metric: rate in percent, duration in milliseconds, else as queried */
    revision_t target, configs;
    const char *text; /* error text, NULL = "" ; referred to by the notes of this step */
    uint32_t text_len;
    const char
        *subject; /* CAUSE_TEMPLATE_SECRET, _PROVIDER: the secret's name, the provider's type */
    const struct status *status; /* ASK_LOAD */
    /* For judges: what both versions served in the window; 0 where unknown. */
    uint64_t canary_errors, canary_requests, primary_errors, primary_requests;
    const double *canary_samples, *primary_samples; /* MANN_WHITNEY */
    uint32_t canary_sample_count, primary_sample_count;
};

#define STEP_NOTES_MAX 16
struct step {
    struct ask ask;
    uint32_t note_count;
    struct note notes[STEP_NOTES_MAX];
};

enum tick_kind { TICK_ANALYSIS, TICK_FINALIZE };

/* A rollout of an object that was just created. */
void rollout_init(struct rollout *r);
/* Take over a status (operator start, resumed scenario) and its memory. Ends any tick under way. */
void rollout_load(struct rollout *r, const struct status *status, uint32_t memory);
/*
 * A person's command, acted on in the next tick: promote now, abort, retry a failed revision,
 * pause, resume. A later command replaces an earlier one.
 */
void rollout_command(struct rollout *r, enum command command);

/*
 * Begin a tick. `now_ms` earlier than the last one is taken as no time passed. A tick under way is
 * given up: its open ask is dead. TICK_FINALIZE runs the finalizer of a deleted Canary
 * (revertOnDeletion).
 */
void engine_begin(struct rollout *r, const struct spec *spec, enum tick_kind kind, ms_t now_ms,
                  struct step *out);
/*
 * Answers at hand: for simulations that know beforehand how the world will answer. The engine takes
 * them without returning to the driver; what is not at hand is asked as usual.
 */
struct hand {
    uint32_t kinds;   /* bit n: asks of the n-th kind are answered from here */
    struct answer ok; /* to all but metrics and hooks; its routes follow ASK_ROUTES_SET */
    const struct answer *metrics, *hooks; /* by index; NULL = ok */
    uint32_t metric_count, hook_count;
    uint64_t notes; /* made so far; only the first STEP_NOTES_MAX of a step are kept */
    bool quiet;     /* count the notes only */
    /* The engine's: what it knows of the spec it met last. Zero it once, and when that spec
     * changes in its place. */
    const struct spec *spec;
    uint32_t spec_facts;
};
/* What the success of an ask with an effect, answered from `hand`, means for later answers. */
void hand_take_effect(struct hand *hand, struct rollout *r, const struct spec *spec,
                      enum ask_kind kind);
/* As engine_begin, going on for as long as the answers are at hand; `hand` is not kept. */
void engine_run(struct rollout *r, const struct spec *spec, enum tick_kind kind, ms_t now_ms,
                struct hand *hand, struct step *out);
void engine_answer(struct rollout *r, const struct spec *spec, const struct answer *answer,
                   struct step *out);

/*
 * The status that `save` makes of `status` (the same field changes, applied again after a conflict
 * too). `target`, `configs` count for SYNC. Source: docs/engine/semantics.md §1.2, §1.4.
 */
void status_apply(struct status *status, const struct save *save, const struct spec *spec,
                  revision_t target, revision_t configs, ms_t now_ms);
/* The open save has been answered: r->stored and r->memory are what stands now. */
void rollout_saved(struct rollout *r, const struct spec *spec, const struct answer *answer);
/* The routes asked for stand: what this process has told of goes by them. */
void rollout_routed(struct rollout *r, const struct spec *spec);
/* The canary's share as a number that grows: 0, 1 = mirrored, then twice its weight. */
uint8_t routed_share(int32_t canary, bool mirrored);
/* Status and message of the Promoted condition of a phase. */
enum condition_status condition_of(enum phase phase);
const char *condition_status_name(enum condition_status s); /* "True", "False", "Unknown", "" */
/* 0 Progressing, 2 Failed, 1 anything else: the value of flagger_canary_status. */
static inline int phase_gauge(enum phase phase)
{
    return phase == PHASE_PROGRESSING ? 0 : phase == PHASE_FAILED ? 2 : 1;
}

#endif
