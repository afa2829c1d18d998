/*
 * engine/deviation.h — where the default profile departs from Flagger 1.44, each under a stable
 * name.
 *
 * Profile flagger-1.44 has none of these bits set; the default profile has all. `--deviate NAME`
 * and
 * `--comply NAME` change single ones. The reasons stand in docs/engine/deviations.md; the quirk
 * numbers are those of the list in docs/engine/semantics.md.
 */
#ifndef COALMINE_ENGINE_DEVIATION_H
#define COALMINE_ENGINE_DEVIATION_H

#include "engine/units.h"

/* X(enumerator, name, quirk, summary) */
#define DEVIATIONS(X)                                                                              \
    X(DEADLINE_ALERT, "deadline-alert", "Q01",                                                     \
      "a canary past its progress deadline is reported and alerted")                               \
    X(ROLLBACK_WHILE_WAITING, "rollback-while-waiting", "Q02",                                     \
      "rollback hooks are asked in phase Waiting")                                                 \
    X(KEEP_REVISION, "keep-revision", "Q04",                                                       \
      "a new revision is recorded only when its rollout starts")                                   \
    X(SAFE_ROLLBACK, "safe-rollback", "Q05",                                                       \
      "a rollback never sends traffic to a broken primary while the canary is ready")              \
    X(REVERT_AFTER_FAILED_PROMOTION, "revert-after-failed-promotion", "Q06",                       \
      "reverting the target after a failed promotion starts a rollout")                            \
    X(REVERT_CANCELS, "revert-cancels", "Q07",                                                     \
      "reverting to the promoted revision cancels the analysis")                                   \
    X(FINISH_PROMOTION, "finish-promotion", "Q08",                                                 \
      "a promotion with no canary weight left finishes")                                           \
    X(CLAMP_MAX_WEIGHT, "clamp-max-weight", "Q09", "maxWeight above 100 means 100")                \
    X(INCREASING_STEPS, "increasing-steps", "Q10", "only growing elements of stepWeights count")   \
    X(REFUSE_NO_STEPS, "refuse-no-steps", "Q11", "a canary without steps is held with a warning")  \
    X(NEXT_GREATER_STEP, "next-greater-step", "Q12",                                               \
      "a weight that is not in stepWeights goes to the next greater one")                          \
    X(MIRROR_ONCE, "mirror-once", "Q14",                                                           \
      "a router that does not report mirroring does not stall the rollout")                        \
    X(WAITING_WEIGHT, "waiting-weight", "Q19",                                                     \
      "the status keeps the weight while a promotion waits for approval")                          \
    X(CONFIRM_PROMOTION_ONCE, "confirm-promotion-once", "Q22",                                     \
      "confirm-promotion is asked once per promotion")                                             \
    X(ALERT_ONCE, "alert-once", "Q26", "a rollback that has to be repeated alerts once")           \
    X(FINISH_ROLLBACK, "finish-rollback", "Q26", "a rollback that was cut short is finished")      \
    X(ROUTE_BEFORE_SCALE, "route-before-scale", "Q26",                                             \
      "a canary that still has traffic is not scaled to zero")                                     \
    X(SCALE_UP_AGAIN, "scale-up-again", "Q26",                                                     \
      "a canary without pods is scaled up again before it gets traffic")                           \
    X(DEFAULT_SEVERITY, "default-severity", "Q32", "an alert without severity means info")         \
    X(ANALYSIS_ALIAS, "analysis-alias", "Q33", "spec.canaryAnalysis is honoured everywhere")       \
    X(TEMPLATE_INTERVAL, "template-interval", "Q34", "a template metric without interval uses 1m") \
    X(FINITE_VALUES, "finite-values", "Q36",                                                       \
      "a value that is not a finite number fails its check")                                       \
    X(HOOK_ERROR_BODY, "hook-error-body", "Q40",                                                   \
      "status and body are appended to a webhook's error text")                                    \
    X(ITERATIONS_REACHED, "iterations-reached", "Q45",                                             \
      "iterations lowered below the count end the analysis, traffic first")                        \
    X(FIRST_INSTALL_HOLDS, "first-install-holds", "Q48",                                           \
      "a primary that misses its deadline on first install is waited for")                         \
    X(FINALISING_SUCCEEDS, "finalising-succeeds", "Q49",                                           \
      "a canary lost after promotion does not fail the rollout")                                   \
    X(SERIAL_TICKS, "serial-ticks", "Q52",                                                         \
      "ticks of one canary never overlap, an interval edit causes no extra tick")                  \
    X(COOKIES_FIRST, "cookies-first", "Q55", "session cookies are stored before they are used")    \
    X(REVERT_WHILE_WAITING, "revert-while-waiting", "Q54",                                         \
      "reverting the target while waiting ends the wait")                                          \
    X(SKIP_WAITS, "skip-waits", "Q59",                                                             \
      "skipAnalysis waits for the primary before it takes the canary's pods away")                 \
    X(HOLD_NEW_REVISION, "hold-new-revision", "Q63",                                               \
      "a new revision is held, not failed, while the primary is broken")                           \
    X(TELL_FIRST, "tell-first", "Q64", "steps, halts and deletions are told before they are stored")

enum deviation {
#define DEVIATION_BIT(id, name, quirk, summary) DEV_##id,
    DEVIATIONS(DEVIATION_BIT)
#undef DEVIATION_BIT
        DEVIATION_COUNT
};

/* A set of deviations: bit n stands for the n-th. */
typedef uint64_t deviations_t;
#define DEVIATION(id) ((deviations_t)1 << DEV_##id)
#define PROFILE_FLAGGER_1_44 ((deviations_t)0)
#define PROFILE_DEFAULT (((deviations_t)1 << DEVIATION_COUNT) - 1)

const char *deviation_name(enum deviation d);
const char *deviation_quirk(enum deviation d);
const char *deviation_summary(enum deviation d);
/* Returns false when there is no deviation of that name. */
bool deviation_find(const char *name, enum deviation *ret_deviation);

#endif
