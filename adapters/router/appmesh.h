/*
 * adapters/router/appmesh.h — what both versions of the App Mesh API share. Private to
 * adapters/router.
 */
#ifndef COALMINE_ROUTER_APPMESH_H
#define COALMINE_ROUTER_APPMESH_H

#include "adapters/router/build.h"

/* "grpc" when the port's name says so, else "http". */
const char *appmesh_protocol(const struct call *c);
/* Whether the Canary's annotation switches the access log on; then the logging section, else NULL.
 */
cJSON *appmesh_logging(const struct call *c);
/* Annotations for the App Mesh gateway; NULL when there are no hosts. */
cJSON *appmesh_gateway_annotations(const struct call *c);
/* Every header of every entry of analysis.match; NULL when there is none. */
cJSON *appmesh_headers(const struct call *c);
/* retries.perTryTimeout in ms (250 when it is no duration) and retries.attempts (1 when not
 * positive). */
void appmesh_retry(const struct call *c, int64_t *ret_timeout_ms, int64_t *ret_attempts);

#endif
