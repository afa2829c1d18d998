/*
 * adapters/router/affinity.h — session cookies: who makes them, how they are spelled, when they
 * end. Private to adapters/router.
 */
#ifndef COALMINE_ROUTER_AFFINITY_H
#define COALMINE_ROUTER_AFFINITY_H

#include "adapters/router/build.h"

/*
 * A rollout sends traffic to the canary: make the cookies that the status lacks. `with_primary`:
 * this router has a primary cookie too. Returns 0, or the code of the call's error.
 */
int affinity_start(struct call *c, bool with_primary);
/* The canary gets no traffic: the session cookie becomes the previous one. */
void affinity_stop(struct call *c);
/* Name of the primary cookie, or NULL when the user gave none. */
const char *affinity_primary_name(const struct call *c);
/* Set-Cookie for the canary and for the primary (-Exxx with the call's error for a bad interval).
 */
char *affinity_canary_cookie(const struct call *c);
int affinity_primary_cookie(struct call *c, char **ret_text);
/* Set-Cookie that makes browsers forget the previous cookie. */
char *affinity_deletion_cookie(const struct call *c);
/* Regular expression for a Cookie header that carries `cookie` (name=value). */
char *affinity_pattern(const char *cookie);

#endif
