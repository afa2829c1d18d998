/*
 * adapters/whatif/trace.h — recorded request rates: CSV with the columns TimeStamp and Value, or
 * the answer of Prometheus' /api/v1/query_range.
 */
#ifndef COALMINE_WHATIF_TRACE_H
#define COALMINE_WHATIF_TRACE_H

#include "adapters/base/diag.h"
#include "engine/units.h"

struct trace {
    double *values; /* per slot; gaps are 0 */
    uint32_t count;
    ms_t step_ms; /* the distance of the first two points */
};
/* Everything lives in `arena`. 0, -EINVAL with located `diags`, -ENOMEM. */
int trace_read(struct trace *ret_trace, struct arena *arena, struct diags *diags, const char *file,
               const char *text, size_t len);

#endif
