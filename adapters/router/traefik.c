/*
 * Traefik: one TraefikService per Canary, to be named by the user's IngressRoute. Weights only.
 */
#include <errno.h>
#include <string.h>

#include "adapters/router/build.h"

#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }

static const struct field service_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                              {"namespace", &SHAPE_OF_STRING, FIELD_KEEP},
                                              {"port", &SHAPE_OF_INT, FIELD_KEEP},
                                              {"weight", &SHAPE_OF_INT, FIELD_OMIT},
                                              END_OF_FIELDS};
static const struct shape service_shape = {SHAPE_STRUCT, NULL, service_fields};
static const struct shape services_shape = {SHAPE_LIST, &service_shape, NULL};
static const struct field weighted_fields[] = {{"services", &services_shape, FIELD_OMIT},
                                               END_OF_FIELDS};
static const struct shape weighted_shape = {SHAPE_STRUCT, NULL, weighted_fields};
static const struct field spec_fields[] = {{"weighted", &weighted_shape, FIELD_POINTER},
                                           END_OF_FIELDS};
static const struct shape spec_shape = {SHAPE_STRUCT, NULL, spec_fields};

static cJSON *make_service(const struct call *c, const char *name, int64_t weight)
{
    return build_object("name", build_str(name), "namespace", build_str(c->ns), "port",
                        build_int(c->port), "weight", weight != 0 ? build_int(weight) : NULL, NULL);
}

static cJSON *make_services(const struct call *c, int64_t primary, int64_t canary)
{
    return build_list(make_service(c, c->names.primary, primary),
                      canary > 0 ? make_service(c, c->names.canary, canary) : NULL, NULL);
}

static cJSON *make_spec(const struct call *c, int64_t primary, int64_t canary)
{
    return build_object("weighted",
                        build_object("services", make_services(c, primary, canary), NULL), NULL);
}

static void strip_spec(cJSON *spec)
{
    strip_path(spec, (const char *const[]){"weighted", "services", "weight", NULL});
}

static bool read_spec(const struct call *c, const cJSON *spec, struct routing *ret_routing)
{
    const cJSON *services = json_at(spec, "weighted", "services", NULL);

    *ret_routing = (struct routing){0, 0, false};
    for (const cJSON *s = services == NULL ? NULL : services->child; s != NULL; s = s->next) {
        if (strcmp(json_text(s, "name"), c->names.primary) == 0) {
            ret_routing->primary = json_int(s, "weight", 0);
            ret_routing->canary = 100 - ret_routing->primary;
            break;
        }
    }
    return json_count(services) > 0;
}

/* What an update during a rollout would write, with Flagger's weights for the second service. */
static cJSON *make_even_split(const struct call *c, int64_t primary, int64_t canary)
{
    (void)primary;
    (void)canary;
    return make_spec(c, 100, 100);
}

static struct simple_route route_of(struct call *c)
{
    return (struct simple_route){
        .resource = &RESOURCE_TRAEFIK_SERVICE,
        .name = c->names.apex,
        .shape = &spec_shape,
        .label = call_label(c, "TraefikService %s.%s", c->names.apex, c->ns),
        .manages_metadata = true,
        .make = make_spec,
        .strip = strip_spec,
        .read = read_spec,
    };
}

/* A rollout in progress shows in the number of services. */
static cJSON *make_two(const struct call *c, int64_t primary, int64_t canary)
{
    return canary > 0 ? make_spec(c, primary, canary) : make_even_split(c, primary, canary);
}

static int traefik_reconcile(struct call *c)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL;
    int code = call_get(c, route.resource, route.name, &live);

    if (code == 0 && json_count(json_at(live, "spec", "weighted", "services", NULL)) == 2) {
        struct routing r;

        if (call_has(c, QUIRK_EVEN_SPLIT))
            route.make = make_even_split;
        else if (read_spec(c, json_get(live, "spec"), &r) && r.canary > 0)
            route.make = make_two;
    }
    json_free(live);
    return reconcile_simple(c, &route, NULL);
}

static int traefik_get(struct call *c, struct routing *ret_routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL, *spec;
    int code = call_get(c, route.resource, route.name, &live);

    if (code != 0)
        return call_fail(c, code, "%s query error: %s", route.label, call_api_error(c));
    spec = shape_decode(&spec_shape, json_get(live, "spec"));
    if (!read_spec(c, spec, ret_routing))
        code = call_fail(c, -ENODATA, "%s services not found", route.label);
    json_free(spec);
    json_free(live);
    return code;
}

static int traefik_set(struct call *c, const struct routing *routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL;
    int code;

    if (routing->primary == 0 && routing->canary == 0)
        return call_fail(c, -EINVAL, "RoutingRule %s.%s update failed: no valid weights",
                         c->names.apex, c->ns);
    code = call_get(c, route.resource, route.name, &live);
    if (code != 0)
        return call_fail(c, code, "%s query error: %s", route.label, call_api_error(c));
    put_spec(c, &route, live, make_spec(c, routing->primary, routing->canary), " update error: ");
    json_free(live);
    return 0;
}

const struct router router_traefik = {"traefik", traefik_reconcile, traefik_get, traefik_set,
                                      router_does_nothing};
