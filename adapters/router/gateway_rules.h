/*
 * adapters/router/gateway_rules.h — the rules of an HTTPRoute: matches, filters, backends, session
 * cookies. Private to adapters/router.
 */
#ifndef COALMINE_ROUTER_GATEWAY_RULES_H
#define COALMINE_ROUTER_GATEWAY_RULES_H

#include "adapters/router/build.h"

/* Version v1, not v1beta1. */
bool gateway_is_v1(const struct call *c);
/* All rules for these weights. 0, or the code of the call's error. */
int gateway_rules(struct call *c, const struct routing *r, cJSON **ret_rules);
/* A spec of these rules, which it takes over. */
cJSON *gateway_spec(const struct call *c, cJSON *rules);
/* The route at rest: all traffic to the primary, no rule for cookies. 0, or the code of the call's
 * error. */
int gateway_spec_at_rest(struct call *c, cJSON **ret_spec);

#endif
