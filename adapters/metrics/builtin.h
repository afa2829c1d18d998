/*
 * adapters/metrics/builtin.h — the two built-in checks: request-success-rate and request-duration.
 *
 * Each mesh or ingress has its own PromQL for both. Which one applies follows from the observer
 * key: the provider's name, with ":service" behind it when the target is a Service. Source:
 * Flagger 1.44 pkg/metrics/observers; recorded in tests/conformance/builtin-queries.jsonl.
 */
#ifndef COALMINE_METRICS_BUILTIN_H
#define COALMINE_METRICS_BUILTIN_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/metrics/metric.h"

struct builtin;

/* How to find the queries of a key. */
enum builtin_lookup {
    BUILTIN_AS_FLAGGER, /* an unknown key, and most keys with ":service", fall through to istio's */
    BUILTIN_STRICT,     /* ":service" is taken off first */
};
const struct builtin *builtin_find(const char *key, enum builtin_lookup lookup);
/* "istio", "http", ...: which family it is. */
const char *builtin_name(const struct builtin *b);
/* The templates as Flagger has them, white space folded, one leading blank. */
const char *builtin_rate_template(const struct builtin *b);
const char *builtin_duration_template(const struct builtin *b);
/* Render for a canary. Returns 0; -EINVAL with *reterr ("rendering query failed: ..."); -ENOMEM. */
int builtin_render(const struct builtin *b, bool duration, const struct metric_model *model,
                   struct arena *arena, const char **ret_query, const char **reterr);
/*
 * For judges: how many requests a side served in the window, and how many of them succeeded, out of
 * the parts of the rate's query; and both checks' queries of the primary. -ENOTSUP where the
 * provider does not tell the sides apart (Knative, APISIX). Source: docs/whatif/judges.md.
 */
enum builtin_part { BUILTIN_RATE, BUILTIN_DURATION, BUILTIN_REQUESTS, BUILTIN_SUCCEEDED };
int builtin_render_part(const struct builtin *b, enum builtin_part part, bool primary,
                        const struct metric_model *model, struct arena *arena,
                        const char **ret_query, const char **reterr);
/*
 * The error of a failed built-in query, in Flagger's words: "running query failed: CAUSE"; the rate
 * of the http family is the one that is not wrapped.
 */
const char *builtin_error(const struct builtin *b, bool duration, struct arena *arena,
                          const char *cause);
/* An answer as a duration in whole milliseconds: truncated; the http family answers in seconds. */
int64_t builtin_duration_ms(const struct builtin *b, double answer);

#endif
