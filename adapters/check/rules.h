/*
 * adapters/check/rules.h — every rule of `coalmine check`: id, severity, group, title.
 *
 * The ids are stable: a rule that goes leaves a gap. Each has its page docs/checks/ID.md, whose
 * example must fire and whose fix must not (tests/unit/test_check_pages.c walks this table).
 */
#ifndef COALMINE_CHECK_RULES_H
#define COALMINE_CHECK_RULES_H

#include "adapters/base/diag.h"

enum finding_group {
    GROUP_SCHEMA, /* the API server or the operator would refuse or drop it */
    GROUP_POLICY  /* it would be accepted and do harm, or nothing */
};

/* X(id, severity, group, title) */
#define CHECK_RULES(X)                                                                             \
    X(CM001, ERROR, SCHEMA, "the file cannot be read")                                             \
    X(CM002, ERROR, SCHEMA, "unknown field")                                                       \
    X(CM003, ERROR, SCHEMA, "value of the wrong type")                                             \
    X(CM004, ERROR, SCHEMA, "required field missing")                                              \
    X(CM005, ERROR, SCHEMA, "value not in the list of allowed ones")                               \
    X(CM006, ERROR, SCHEMA, "value out of bounds")                                                 \
    X(CM007, ERROR, SCHEMA, "text of the wrong form")                                              \
    X(CM008, ERROR, SCHEMA, "alternatives mixed or missing")                                       \
    X(CM009, ERROR, SCHEMA, "validation rule of the schema broken")                                \
    X(CM010, WARNING, SCHEMA, "Flagger's own CRD refuses this value")                              \
    X(CM011, ERROR, SCHEMA, "unknown kind or version in group flagger.app")                        \
    X(CM012, ERROR, SCHEMA, "object without a usable name")                                        \
    X(CM013, WARNING, SCHEMA, "field that Flagger's CRD drops")                                    \
    X(CM014, INFO, POLICY, "deprecated field")                                                     \
    X(CM015, WARNING, POLICY, "suppression that suppresses nothing")                               \
    X(CM016, WARNING, POLICY, "suppression that cannot be understood")                             \
    X(CM017, ERROR, SCHEMA, "scenario that cannot be played")                                      \
    X(CM101, ERROR, POLICY, "stepWeight above 100")                                                \
    X(CM102, ERROR, POLICY, "maxWeight above 100: the rollout never ends")                         \
    X(CM103, WARNING, POLICY, "stepWeight above maxWeight")                                        \
    X(CM104, ERROR, SCHEMA, "iterations together with step weights")                               \
    X(CM105, ERROR, SCHEMA, "stepWeight together with stepWeights")                                \
    X(CM106, ERROR, SCHEMA, "no strategy: neither steps nor iterations")                           \
    X(CM107, WARNING, POLICY, "steps that do not add up to maxWeight")                             \
    X(CM108, ERROR, POLICY, "stepWeights that do not grow: the rollout stalls")                    \
    X(CM109, ERROR, POLICY, "a step of 0: the rollout never starts, or promotes untested")         \
    X(CM110, WARNING, POLICY, "stepWeights above 100")                                             \
    X(CM111, ERROR, POLICY, "a rollout that never ends")                                           \
    X(CM112, ERROR, POLICY, "mirroring that the provider cannot do")                               \
    X(CM113, WARNING, POLICY, "live weight that is not in stepWeights")                            \
    X(CM114, WARNING, POLICY, "stepWeightPromotion out of range")                                  \
    X(CM115, WARNING, POLICY, "all traffic returns at once to an autoscaled primary")              \
    X(CM116, INFO, POLICY, "maxWeight without effect")                                             \
    X(CM117, WARNING, POLICY, "mirrorWeight without effect or out of range")                       \
    X(CM118, WARNING, POLICY, "ready threshold out of range")                                      \
    X(CM201, WARNING, POLICY, "analysis interval below 10 seconds")                                \
    X(CM202, WARNING, POLICY, "metric window below 10 seconds")                                    \
    X(CM203, ERROR, POLICY, "metric window the provider cannot read")                              \
    X(CM204, WARNING, POLICY, "one burst of errors is enough to roll back")                        \
    X(CM205, WARNING, POLICY, "threshold too high to matter")                                      \
    X(CM206, INFO, POLICY, "a single failed check rolls back")                                     \
    X(CM207, WARNING, POLICY, "template metric without interval")                                  \
    X(CM208, WARNING, POLICY, "metric window too short for the scrape interval")                   \
    X(CM209, WARNING, POLICY, "too few requests for the bound")                                    \
    X(CM210, WARNING, POLICY, "progress deadline below one minute")                                \
    X(CM211, WARNING, POLICY, "progress deadline shorter than the pods' probes")                   \
    X(CM212, WARNING, POLICY, "rollout hooks may take longer than the interval")                   \
    X(CM301, WARNING, POLICY, "nothing is measured")                                               \
    X(CM302, ERROR, POLICY, "metric neither built-in nor with a query or template")                \
    X(CM303, WARNING, POLICY, "metric without a bound")                                            \
    X(CM304, WARNING, POLICY, "metric that can never fail")                                        \
    X(CM305, ERROR, POLICY, "metric that can never pass")                                          \
    X(CM306, INFO, POLICY, "built-in name with a query or template of its own")                    \
    X(CM307, WARNING, POLICY, "request duration bound in the wrong unit")                          \
    X(CM308, WARNING, POLICY, "success rate bound in the wrong unit")                              \
    X(CM309, WARNING, POLICY, "two metrics of one name")                                           \
    X(CM310, WARNING, POLICY, "built-in metric asks the wrong provider")                           \
    X(CM311, ERROR, POLICY, "metricsServer is not a URL")                                          \
    X(CM312, ERROR, SCHEMA, "judge that cannot be understood or fed")                              \
    X(CM401, ERROR, POLICY, "query template that cannot be read")                                  \
    X(CM402, ERROR, POLICY, "unknown function or variable in a query template")                    \
    X(CM403, ERROR, POLICY, "query that is not PromQL")                                            \
    X(CM404, WARNING, POLICY, "query with a built-in answer")                                      \
    X(CM405, ERROR, POLICY, "metric provider lacks a setting")                                     \
    X(CM406, ERROR, POLICY, "metric provider address is not a URL")                                \
    X(CM407, WARNING, POLICY, "template variable not given or not used")                           \
    X(CM408, INFO, POLICY, "setting that the metric provider ignores")                             \
    X(CM501, ERROR, POLICY, "webhook url is not a URL")                                            \
    X(CM502, INFO, POLICY, "gate that can wait for ever")                                          \
    X(CM503, WARNING, POLICY, "gate that spends the failure budget while waiting")                 \
    X(CM504, WARNING, POLICY, "hook timeout longer than the interval")                             \
    X(CM505, WARNING, POLICY, "load test command that cannot fail")                                \
    X(CM506, ERROR, POLICY, "hook without a command")                                              \
    X(CM507, ERROR, POLICY, "load tester task of unknown type")                                    \
    X(CM508, WARNING, POLICY, "secret in hook metadata")                                           \
    X(CM509, WARNING, POLICY, "hook that trusts anybody")                                          \
    X(CM510, WARNING, POLICY, "hook without a timeout")                                            \
    X(CM511, INFO, POLICY, "muteAlert without effect")                                             \
    X(CM512, INFO, POLICY, "two hooks of one name and type")                                       \
    X(CM513, INFO, POLICY, "promotion gate that is asked twice")                                   \
    X(CM601, ERROR, POLICY, "A/B testing that the provider cannot do")                             \
    X(CM602, ERROR, POLICY, "matcher that the provider does not understand")                       \
    X(CM603, WARNING, POLICY, "more match conditions than the provider takes")                     \
    X(CM604, WARNING, POLICY, "sourceLabels that match nothing")                                   \
    X(CM605, WARNING, POLICY, "header name with capital letters")                                  \
    X(CM606, ERROR, POLICY, "weights or matches without a traffic splitter")                       \
    X(CM607, WARNING, POLICY, "match without iterations")                                          \
    X(CM608, ERROR, POLICY, "App Mesh without meshName")                                           \
    X(CM609, ERROR, POLICY, "reference that the provider needs")                                   \
    X(CM610, WARNING, POLICY, "reference that the provider ignores")                               \
    X(CM611, WARNING, POLICY, "service field that the provider ignores")                           \
    X(CM612, WARNING, POLICY, "session affinity that the provider cannot do")                      \
    X(CM613, ERROR, POLICY, "both session cookies have one name")                                  \
    X(CM614, WARNING, POLICY, "session affinity mixed with another strategy")                      \
    X(CM615, ERROR, POLICY, "Knative target and provider do not fit")                              \
    X(CM616, WARNING, POLICY, "session cookie that browsers refuse")                               \
    X(CM617, ERROR, POLICY, "upstreamRef without namespace")                                       \
    X(CM618, ERROR, POLICY, "Contour retries without retryOn")                                     \
    X(CM701, WARNING, POLICY, "target not among the given files")                                  \
    X(CM702, WARNING, POLICY, "autoscaler or Ingress not among the given files")                   \
    X(CM703, WARNING, POLICY, "MetricTemplate not among the given files")                          \
    X(CM704, WARNING, POLICY, "AlertProvider not among the given files")                           \
    X(CM705, WARNING, POLICY, "Secret not among the given files")                                  \
    X(CM706, INFO, POLICY, "template or provider that nobody uses")                                \
    X(CM707, INFO, POLICY, "reference into another namespace")                                     \
    X(CM708, ERROR, POLICY, "one target in two Canaries")                                          \
    X(CM709, ERROR, POLICY, "two Canaries generate one Service")                                   \
    X(CM710, INFO, POLICY, "autoscaler with one replica")                                          \
    X(CM711, WARNING, POLICY, "autoscaler that the Canary does not know")                          \
    X(CM712, ERROR, POLICY, "one object twice")                                                    \
    X(CM713, ERROR, POLICY, "target without a selector label Flagger knows")                       \
    X(CM714, WARNING, POLICY, "port that the target does not open")                                \
    X(CM801, WARNING, POLICY, "alert without severity")                                            \
    X(CM802, ERROR, POLICY, "alert address is not a URL")                                          \
    X(CM803, WARNING, POLICY, "chat webhook address in plain text")

enum rule_id {
#define CHECK_RULE_ID(id, severity, group, title) id,
    CHECK_RULES(CHECK_RULE_ID)
#undef CHECK_RULE_ID
        RULE_COUNT
};

struct check_rule {
    const char *id; /* "CM101" */
    enum severity severity;
    enum finding_group group;
    const char *title; /* no capital, no full stop */
};
extern const struct check_rule check_rules[RULE_COUNT];

/* The rule named "CM101" (exactly), or NULL. */
const struct check_rule *check_rule_find(const char *id, size_t len);

#endif
