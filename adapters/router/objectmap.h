/*
 * adapters/router/objectmap.h — Kubernetes objects in memory: the world of the renderer and of the
 * tests.
 *
 * Keys are `group/version/plural|namespace|name` (`/v1/services|…` for the core group).
 */
#ifndef COALMINE_ROUTER_OBJECTMAP_H
#define COALMINE_ROUTER_OBJECTMAP_H

#include "adapters/router/apply.h"

struct objectmap {
    cJSON *objects; /* key → object, in the order of creation */
};

void objectmap_init(struct objectmap *m);
void objectmap_release(struct objectmap *m);
/* Add or replace; takes over `object`. */
void objectmap_put(struct objectmap *m, const struct resource *r, const char *ns, const char *name,
                   cJSON *object);
/* Both borrow `m`. A missing object answers as an API server does; POST, PUT, PATCH and DELETE
 * change the map. */
struct router_world objectmap_world(struct objectmap *m);
struct router_writer objectmap_writer(struct objectmap *m);
/* Append the key of an object. */
void objectmap_key(struct strbuf *b, const struct resource *r, const char *ns, const char *name);

#endif
