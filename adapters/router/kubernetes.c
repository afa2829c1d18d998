/*
 * No mesh: blue/green by the selectors of the core Services alone (service.h). Nothing is routed
 * here.
 */
#include "adapters/router/build.h"

static int kubernetes_get(struct call *c, struct routing *ret_routing)
{
    bool running = json_int(json_get(c->request->canary, "status"), "iterations", 0) > 0;

    *ret_routing = (struct routing){running ? 0 : 100, running ? 100 : 0, false};
    return 0;
}

static int kubernetes_set(struct call *c, const struct routing *routing)
{
    (void)c;
    (void)routing;
    return 0;
}

const struct router router_kubernetes = {"kubernetes", router_does_nothing, kubernetes_get,
                                         kubernetes_set, router_does_nothing};
