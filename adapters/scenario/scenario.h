/*
 * adapters/scenario/scenario.h — a scenario file, read and checked: the runs it asks for and what
 * it expects of them. The format is docs/reference/scenario.md.
 */
#ifndef COALMINE_SCENARIO_SCENARIO_H
#define COALMINE_SCENARIO_SCENARIO_H

#include <regex.h>

#include "adapters/base/diag.h"
#include "adapters/base/json.h"
#include "adapters/manifest/node.h"
#include "sim/run.h"

/* What the command line adds to the file. */
struct scenario_options {
    const char *profile;          /* NULL = as the file says */
    deviations_t deviate, comply; /* on top of it */
    bool has_seed;
    uint64_t seed;
    /*
     * Another Canary, as the API would hold it, plays in place of the scenario's own: of its only
     * one, or of that with the same name. Spec and annotations are the other's; name, namespace and
     * targetRef stay, since the rest of the scenario speaks of them. NULL = none.
     */
    const cJSON *canary;
    const char *canary_file; /* where it comes from, for messages */
};

/* A text that must be met: exactly, or as POSIX extended regular expression (`/…/`). */
struct matcher {
    const char *text; /* as written, slashes included */
    bool is_regex;
    regex_t *regex; /* of is_regex; freed by scenario_free */
};

enum expect_kind {
    EXPECT_STATE,    /* at `at_ms`, or at the end (MS_NEVER) */
    EXPECT_PHASES,   /* in this order, repetitions left out */
    EXPECT_WEIGHTS,  /* canary weights routed in this order, repetitions left out */
    EXPECT_EVENTS,   /* in this order, others may come between */
    EXPECT_ALERTS,   /* likewise */
    EXPECT_HOOK,     /* calls of one hook: how many, or with which payload phases */
    EXPECT_CHECKS,   /* of one metric (NULL = all): how many of each verdict */
    EXPECT_NEVER,    /* one condition that no row may meet */
    EXPECT_FINISHED, /* when the phase changed last */
    EXPECT_COUNTS,   /* ticks, rollouts … */
    EXPECT_OUTAGE,   /* for how long requests met no ready pod */
    EXPECT_CAPACITY, /* of the primary over its load, at least */
};

/* Fields of EXPECT_STATE and of EXPECT_NEVER. */
enum state_field {
    STATE_PHASE = 1 << 0,
    STATE_CANARY_WEIGHT = 1 << 1,  /* routed */
    STATE_PRIMARY_WEIGHT = 1 << 2, /* routed */
    STATE_STATUS_WEIGHT = 1 << 3,  /* status.canaryWeight */
    STATE_FAILED_CHECKS = 1 << 4,
    STATE_ITERATIONS = 1 << 5,
    STATE_MIRROR = 1 << 6,
    STATE_APPLIED = 1 << 7,
    STATE_PROMOTED = 1 << 8,
    STATE_EVENT = 1 << 9, /* never only, as all below */
    STATE_ALERT = 1 << 10,
    STATE_HOOK = 1 << 11,
    STATE_OUTAGE = 1 << 12,
};

struct state_values {
    uint32_t fields; /* enum state_field */
    uint32_t phases; /* bit per enum phase */
    int32_t canary_weight, primary_weight, status_weight, failed_checks, iterations;
    bool mirror;
    revision_t applied, promoted;
    const char *applied_name, *promoted_name;
};

struct event_want {
    struct matcher matcher;
    bool has_at;
    ms_t at_ms;
    int32_t count; /* 0 = at least once, here in the order; else so many in the whole run */
    uint32_t line;
};

enum count_field { COUNT_TICKS, COUNT_ROLLOUTS, COUNT_SUCCEEDED, COUNT_FAILED };

struct expectation {
    enum expect_kind kind;
    uint16_t canary;  /* index in the plan */
    uint32_t line;    /* in the scenario file */
    const char *path; /* "expect.weights" */
    ms_t at_ms;       /* STATE, FINISHED */
    ms_t before_ms;   /* FINISHED: no later than; MS_NEVER = exactly at_ms */
    struct state_values state;
    struct {
        bool above, below; /* NEVER with a number: beyond it */
        int32_t limit_above, limit_below;
        struct matcher matcher; /* NEVER an event, alert */
    } never;
    const uint8_t *phases; /* PHASES; HOOK: payload phases */
    const int32_t *weights;
    const struct event_want *events;
    uint32_t count;      /* of phases, weights or events */
    const char *name;    /* HOOK, CHECKS, NEVER a hook */
    int32_t calls;       /* HOOK: how many, -1 = as many as phases */
    int32_t verdicts[5]; /* CHECKS: per enum check_verdict, -1 = any */
    bool has_window;     /* CHECKS: of at_ms, 0 = none that can be read */
    int32_t total;       /* CHECKS: in all, -1 = any; COUNTS: the number */
    enum count_field counted;
    ms_t outage_ms;
    double share; /* CAPACITY */
};

/* One way to play the file. */
struct scenario_run {
    const char *label; /* of its `runs:` entry, NULL when the file has only one way */
    struct sim_plan plan;
    struct sim_options options;
    const struct expectation *expects;
    uint32_t expect_count;
    uint32_t line; /* where the run stands in the file */
};

struct scenario {
    const char *file, *name; /* name: the file's, without folder and extension */
    const char *title;       /* NULL = none */
    bool manifest_only;      /* the file holds no scenario, only objects: defaults all the way */
    bool golden;             /* `trace: true`: its golden trace must exist */
    struct scenario_run *runs;
    uint32_t run_count;
    uint16_t replaced; /* index of the Canary that options.canary stands in for */
    regex_t **regexes;
    uint32_t regex_count;
};

/*
 * Read and check a scenario. Mistakes go to `diags`, all of them.
 *   file     as the user typed it; paths in it are relative to its folder
 *   source   its bytes, kept by the caller as long as the scenario
 * Returns 0 with everything in `arena`, -EINVAL when at least one error was found, -ENOMEM.
 */
int scenario_load(struct arena *arena, struct diags *diags, const char *file, const char *source,
                  size_t source_len, const struct scenario_options *options,
                  struct scenario **ret_scenario);
/* Frees what does not live in the arena; NULL is fine. */
void scenario_free(struct scenario *s);

/* One expectation that was not met. */
struct mismatch {
    const struct expectation *expect;
    uint32_t line;
    const char *what;   /* "phase is Failed, expected Succeeded" */
    const char *detail; /* lines that show expected and actual side by side, or NULL */
};
struct mismatches {
    struct arena *arena;
    struct mismatch *items;
    size_t count, cap;
};
/* What was expected and did not happen, into `out` (texts in its arena). */
void scenario_judge(const struct scenario_run *run, const struct record *record,
                    const struct canary_result *results, struct mismatches *out);

/* "flagger-1.44", "default": the deviations they stand for; false = unknown. */
bool profile_find(const char *name, deviations_t *ret_deviations);
extern const char *const profile_names[]; /* ends with NULL */

#endif
