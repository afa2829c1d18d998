/*
 * adapters/scenario/series.h — metric values out of text: promtool's series notation, CSV,
 * Prometheus range-query JSON and OpenMetrics. Each reader reports where in its text it stopped
 * understanding.
 */
#ifndef COALMINE_SCENARIO_SERIES_H
#define COALMINE_SCENARIO_SERIES_H

#include "adapters/base/arena.h"
#include "sim/metric.h"

#define SERIES_SAMPLES_MAX 1000000u

/* Where and why a text could not be read. */
struct series_error {
    uint32_t line;    /* from 1 */
    uint32_t col;     /* from 1, in bytes */
    const char *what; /* in the arena */
};

/*
 * promtool's notation: numbers, `_` for no value, `stale`; `AxN` is N+1 times A, `A+BxN` and
 * `A-BxN` count in steps, `_xN` is N gaps. Source:
 * https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/ and the grammar of
 * promql/parser. Histograms ({{…}}) are refused. Returns 0, -EINVAL with *reterr_error, or -ENOMEM.
 */
int series_parse(struct arena *arena, const char *text, size_t len,
                 const struct series_sample **ret_samples, size_t *ret_count,
                 struct series_error *reterr_error);

/*
 * Lines `time,value`. The time is seconds as a number, a Go duration, or an RFC 3339 time (UTC or
 * with offset), the latter relative to the first; a value that is empty or NaN is a gap. One header
 * line is skipped; blank lines and those that begin with # too. Times must not go back.
 */
int csv_parse(struct arena *arena, const char *text, size_t len,
              const struct metric_point **ret_points, size_t *ret_count,
              struct series_error *reterr_error);

/*
 * The answer of /api/v1/query_range (or query) with one series: times relative to the first sample.
 */
int prometheus_parse(struct arena *arena, const char *text, size_t len,
                     const struct metric_point **ret_points, size_t *ret_count,
                     struct series_error *reterr_error);

/*
 * OpenMetrics (or the older Prometheus text format) with timestamps: the samples whose name and
 * labels match `selector` (`http_requests{code="200"}`; all labels named must be equal; NULL = the
 * only series there is), in order of time, relative to the first. A sample without a timestamp is
 * an error.
 */
int openmetrics_parse(struct arena *arena, const char *text, size_t len, const char *selector,
                      const struct metric_point **ret_points, size_t *ret_count,
                      struct series_error *reterr_error);

#endif
