/*
 * adapters/metrics/promql_lint.h — is this text PromQL? Syntax, names and types, without a server.
 *
 * Found: unbalanced brackets and quotes, unknown functions and aggregations (with the nearest name), wrong
 * numbers and types of arguments (a counter function over an instant vector), malformed durations, matchers
 * and operators. Not found: what only the data knows. Source: Prometheus' query language documentation.
 */
#ifndef COALMINE_METRICS_PROMQL_LINT_H
#define COALMINE_METRICS_PROMQL_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/base/arena.h"

#define PROMQL_BYTES_MAX (256u * 1024u)
#define PROMQL_DEPTH_MAX 64u

struct promql_finding {
    size_t offset, len; /* the culprit, in bytes; len may be 0 at the end of the text */
    const char *what;   /* no capital, no full stop; in the arena */
    const char *hint;   /* or NULL */
};
typedef void promql_on_finding(void *ctx, const struct promql_finding *finding);

/*
 * Report every finding, in the order of the text; after a syntax error nothing more can be said. Returns
 * true when the text is good. `on_finding` may be NULL.
 */
bool promql_lint(struct arena *arena, const char *text, size_t len, promql_on_finding *on_finding,
                 void *ctx);

#endif
