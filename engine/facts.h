/*
 * engine/facts.h — when the rows of the table apply: facts about a tick, one bit each.
 */
#ifndef COALMINE_ENGINE_FACTS_H
#define COALMINE_ENGINE_FACTS_H

#include "engine/rollout.h"
#include "engine/spec.h"

enum fact {
    F_INITIALISING = 1 << 0, /* phase "" or Initializing */
    F_IN_PROGRESS = 1 << 1,  /* Waiting, Progressing, WaitingPromotion, Promoting, Finalising */
    F_STARTING = 1 << 2,     /* none of the phases that come after the start */
    F_ANALYSING = 1 << 3,    /* Progressing, WaitingPromotion */
    F_PROMOTING = 1 << 4,
    F_FINALISING = 1 << 5,
    F_FAILED = 1 << 6,
    F_WAITING = 1 << 7,
    F_SCALER = 1 << 8,
    F_SKIP = 1 << 9,     /* skipAnalysis */
    F_APPMESH = 1 << 10, /* routes are reconciled before the primary */
    F_TRACKED = 1 << 11, /* ConfigMaps and Secrets are tracked */
    F_SUSPEND = 1 << 12,
    F_COMMAND = 1 << 13,          /* a person's command, a pause or an unfinished rollback */
    F_JUMP = 1 << 14,             /* never true: the row is reached by a jump only */
    F_EARLY_SYNC = 1 << 15,       /* not keep-revision */
    F_SKIP_BLIND = 1 << 16,       /* skipAnalysis without skip-waits: nothing is waited for */
    F_ROLLBACK_WAITING = 1 << 17, /* rollback-while-waiting */
    F_OWN_SERVER = 1 << 18,       /* metricsServer or Knative: a client is opened for each pass */
    F_DETECT_WAITING = 1 << 19,   /* revert-while-waiting, in phase Waiting */
    F_SETTLED = 1 << 20,          /* the plain set-up asks are known to succeed */
    F_ROLLOUT_HOOKS = 1 << 21,    /* there are hooks of the type */
    F_ROLLBACK_HOOKS = 1 << 22,
    F_TRAFFIC_HOOKS = 1 << 23, /* confirm-traffic-increase */
    F_SECOND_PASS = 1 << 24,   /* there are template metrics, or one that checks nothing */
};

/* Those that follow from the phase. */
extern const uint32_t phase_facts[PHASE_COUNT];
/* Those that follow from the spec. */
uint32_t spec_facts(const struct spec *s);

#endif
