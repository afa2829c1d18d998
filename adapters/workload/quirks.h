/*
 * adapters/workload/quirks.h — what Flagger 1.44 does in a cluster, outside of routes and of the
 * engine's decisions, that the default profile does otherwise.
 *
 * A quirk that is on is reproduced. Profile flagger-1.44 has all of them on, the default profile
 * none; `--comply NAME` switches one on, `--deviate NAME` off. The name says what the default
 * profile does. Reasons: docs/engine/deviations.md, "In the cluster".
 */
#ifndef COALMINE_WORKLOAD_QUIRKS_H
#define COALMINE_WORKLOAD_QUIRKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(enumerator, name, what Flagger does, what the default profile does) */
#define CLUSTER_QUIRKS(X)                                                                          \
    X(REFUSAL_EVENT, "refusal-event", "a Canary that is refused says so in the log only",          \
      "it says so in an Event")                                                                    \
    X(FIRST_TICK_AT_ONCE, "first-tick-at-once",                                                    \
      "the first tick waits for the next pass of the control loop, as does an edited interval",    \
      "the first tick comes at once")                                                              \
    X(STATE_ANNOTATION, "state-annotation", "nothing but the status survives a restart",           \
      "what the engine remembers beyond it is kept in coalmine.dev/state")                         \
    X(TELL_THE_END, "tell-the-end",                                                                \
      "a process that dies after storing the end of a rollout never tells of it",                  \
      "the next process tells of it again")                                                        \
    X(ADOPT_AT_REST, "adopt-at-rest",                                                              \
      "a revision hashed by another controller differs, and starts a rollout",                     \
      "at rest, what runs is taken as what was promoted")                                          \
    X(OWN_NAMESPACE, "own-namespace", "references into other namespaces are followed",             \
      "they are refused unless --allow-cross-namespace-refs")                                      \
    X(SERVICE_QUERIES, "service-queries",                                                          \
      "most providers with a Service as target ask Istio's built-in queries",                      \
      "they ask the provider's own")                                                               \
    X(REFUSE_BAD_QUERY, "refuse-bad-query",                                                        \
      "a query template that cannot be rendered asks the server nothing at all",                   \
      "its check fails, and says why")                                                             \
    X(HIDE_CHAT_URL, "hide-chat-url", "errors of a chat quote its hook's address, a secret",       \
      "they name the host only")                                                                   \
    X(FORGET_SERIES, "forget-series", "the series of deleted Canaries stay for ever", "they go")   \
    X(DROP_PAUSE, "drop-pause", "the primary's ScaledObject inherits the target's pause",          \
      "the pause and last-applied annotations are dropped")                                        \
    X(QUERY_SUFFIX, "query-suffix", "a query for -primary becomes one for -primary-primary",       \
      "it stays")                                                                                  \
    X(EMPTY_QUERIES, "empty-queries", "primaryScalerQueries: {} switches rewriting off",           \
      "it means absent")                                                                           \
    X(STRIP_SELECTOR, "strip-selector",                                                            \
      "a re-created primary DaemonSet keeps the selector that scales to zero",                     \
      "it is dropped at creation as at promotion")                                                 \
    X(BINARY_DATA, "binary-data", "binaryData of ConfigMaps is neither tracked nor copied",        \
      "it is both")                                                                                \
    X(PRIMARY_ERRORS, "primary-errors", "errors reading the primary at creation are swallowed",    \
      "they end the tick")                                                                         \
    X(MISSING_TARGET, "missing-target", "a Canary whose target is gone cannot be deleted",         \
      "nothing is left to revert, and it goes")                                                    \
    X(MADE_OF, "made-of", "a release during the first installation is recorded as promoted",       \
      "what the primary was made of is recorded, and the release is rolled out")                   \
    X(PROMOTE_CHECKED, "promote-checked",                                                          \
      "a release that comes during the tick that promotes is promoted unchecked",                  \
      "what was analysed is promoted, or nothing")                                                 \
    X(REVERT_TO_ONE, "revert-to-one", "a primary at 0 replicas leaves the target at 0",            \
      "the target gets at least one")                                                              \
    X(REVISION_FIRST, "revision-first", "an empty Knative revision is pinned",                     \
      "the first revision is waited for")                                                          \
    X(SELECTOR_VALUE, "selector-value",                                                            \
      "anti-affinity is rewritten where it names the Deployment",                                  \
      "it is rewritten where it names the selector's value")                                       \
    X(OWN_ANNOTATIONS, "own-annotations",                                                          \
      "the primary is created with the target's last-applied and revision annotations",            \
      "they are left out")                                                                         \
    X(STABLE_ID, "stable-id", "flagger-id is random: each promotion rolls the primary's pods",     \
      "it follows from the template and configs")                                                  \
    X(MANDATORY_REF, "mandatory-ref",                                                              \
      "the last reference to a config decides whether it is optional",                             \
      "it is mandatory if any reference is")                                                       \
    X(FENCED_COPIES, "fenced-copies", "copies of configs are written over whatever is there",      \
      "they carry the version they were based on")                                                 \
    X(PLAIN_TEXTS, "plain-texts", "some error texts are misspelt or name nothing",                 \
      "they are spelt right and name the object")

enum cluster_quirk {
#define CLUSTER_QUIRK_ID(id, name, flagger, ours) CLUSTER_##id,
    CLUSTER_QUIRKS(CLUSTER_QUIRK_ID)
#undef CLUSTER_QUIRK_ID
        CLUSTER_QUIRK_COUNT
};

/* Bit n stands for the n-th quirk. */
typedef uint32_t cluster_quirks;
#define CLUSTER_QUIRK(id) ((cluster_quirks)1 << CLUSTER_##id)
#define CLUSTER_QUIRKS_FLAGGER ((cluster_quirks)(((uint64_t)1 << CLUSTER_QUIRK_COUNT) - 1))

static inline bool cluster_has(cluster_quirks set, enum cluster_quirk q)
{
    return (set >> q & 1) != 0;
}

struct cluster_quirk_text {
    const char *name, *flagger, *ours;
};
extern const struct cluster_quirk_text cluster_quirk_texts[CLUSTER_QUIRK_COUNT];

#endif
