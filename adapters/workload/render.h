/* adapters/workload/render.h — the workload copies of a Canary, without a cluster. */
#ifndef COALMINE_WORKLOAD_RENDER_H
#define COALMINE_WORKLOAD_RENDER_H

#include "adapters/workload/workload.h"

/*
 * For render_request.workload (adapters/router/render.h): the primary's config copies, workload and
 * autoscaler as they are first created, appended to `list`. `self` is a struct workload_options.
 * Configs and autoscalers that are not among `objects` are left out, as if they were optional.
 */
int workload_render(void *self, const cJSON *canary, const cJSON *target, const cJSON *objects,
                    cJSON *list, struct strbuf *reterr_text);

#endif
