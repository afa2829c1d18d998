/*
 * adapters/whatif/histogram.h — a recorded distribution of latency: the buckets of a Prometheus
 * histogram.
 */
#ifndef COALMINE_WHATIF_HISTOGRAM_H
#define COALMINE_WHATIF_HISTOGRAM_H

#include "adapters/base/diag.h"
#include "sim/models.h"

/*
 * Three forms: the answer of /api/v1/query with a label `le`, or of query_range (the increase from
 * the first sample to the last); the text that a server exposes, lines NAME_bucket{le="…"} of one
 * histogram, its series summed; lines `le,count`, counts cumulated. Bounds are in units of `unit_ms`;
 * 0: seconds where the name ends in _seconds_bucket, else milliseconds. Returns 0, -EINVAL with
 * `diags`, or -ENOMEM.
 */
int histogram_read(struct model_histogram *ret_histogram, struct arena *arena, struct diags *diags,
                   const char *file, const char *text, size_t len, double unit_ms);

#endif
