/*
 * adapters/metrics/metric.h — what every metric source shares: what a query may speak of, and what
 * comes of it. Source: docs of the MetricTemplate resource; Flagger 1.44 pkg/metrics.
 */
#ifndef COALMINE_METRICS_METRIC_H
#define COALMINE_METRICS_METRIC_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/base/arena.h"

struct metric_variable {
    const char *key, *value;
};

/* The words of a query template. All text is borrowed; NULL reads as "". */
struct metric_model {
    const char *name;       /* the canary */
    const char *name_space; /* the canary's, not the template's */
    const char *target;     /* spec.targetRef.name */
    const char *service;    /* spec.service.name, else the target */
    const char *ingress;    /* spec.ingressRef.name, else the target */
    const char *route;      /* spec.routeRef.name, else the target; Knative: the latest revision */
    const char *interval;   /* the metric's interval, as written */
    const struct metric_variable *variables; /* templateVariables, in any order */
    size_t variable_count;
};

enum answer_outcome {
    ANSWER_VALUE,
    ANSWER_NONE,     /* the query ran, and no data came: "no values found" */
    ANSWER_MULTIPLE, /* a range where one value was wanted */
    ANSWER_ERROR,    /* everything else */
};

/* What a query gave. `text` says why there is no value, in Flagger's words; "" with a value. */
struct metric_answer {
    enum answer_outcome outcome;
    double value;
    const char *text; /* in the arena of the call */
};

#endif
