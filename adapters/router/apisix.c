/*
 * APISIX: a second ApisixRoute `<routeRef>-<apex>-canary` with a higher priority than the source.
 * Weights only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"

#define PRIORITY_MAX 10000
#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }
#define SHAPE(name) static const struct shape name##_shape = {SHAPE_STRUCT, NULL, name##_fields}
#define LIST(name) static const struct shape name##s_shape = {SHAPE_LIST, &name##_shape, NULL}

static const struct field timeout_fields[] = {{"connect", &SHAPE_OF_DURATION, FIELD_KEEP},
                                              {"send", &SHAPE_OF_DURATION, FIELD_KEEP},
                                              {"read", &SHAPE_OF_DURATION, FIELD_KEEP},
                                              END_OF_FIELDS};
SHAPE(timeout);
static const struct field subject_fields[] = {
    {"scope", &SHAPE_OF_STRING, FIELD_KEEP}, {"name", &SHAPE_OF_STRING, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(subject);
static const struct field expr_fields[] = {{"subject", &subject_shape, FIELD_KEEP},
                                           {"op", &SHAPE_OF_STRING, FIELD_KEEP},
                                           {"set", &SHAPE_OF_STRINGS, FIELD_KEEP},
                                           {"value", &SHAPE_OF_STRING, FIELD_POINTER},
                                           END_OF_FIELDS};
SHAPE(expr);
LIST(expr);
static const struct field match_fields[] = {
    {"paths", &SHAPE_OF_STRINGS, FIELD_KEEP}, {"methods", &SHAPE_OF_STRINGS, FIELD_OMIT},
    {"hosts", &SHAPE_OF_STRINGS, FIELD_OMIT}, {"remoteAddrs", &SHAPE_OF_STRINGS, FIELD_OMIT},
    {"exprs", &exprs_shape, FIELD_OMIT},      END_OF_FIELDS};
SHAPE(match);
static const struct field backend_fields[] = {{"serviceName", &SHAPE_OF_STRING, FIELD_KEEP},
                                              {"servicePort", &SHAPE_OF_ANY, FIELD_OMIT},
                                              {"resolveGranularity", &SHAPE_OF_STRING, FIELD_OMIT},
                                              {"weight", &SHAPE_OF_INT, FIELD_POINTER},
                                              {"subset", &SHAPE_OF_STRING, FIELD_OMIT},
                                              END_OF_FIELDS};
SHAPE(backend);
LIST(backend);
static const struct field plugin_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                             {"enable", &SHAPE_OF_BOOL, FIELD_KEEP},
                                             {"config", &SHAPE_OF_ANY, FIELD_OMIT},
                                             END_OF_FIELDS};
SHAPE(plugin);
LIST(plugin);
static const struct field key_auth_fields[] = {{"header", &SHAPE_OF_STRING, FIELD_OMIT},
                                               END_OF_FIELDS};
SHAPE(key_auth);
static const struct field jwt_auth_fields[] = {{"header", &SHAPE_OF_STRING, FIELD_OMIT},
                                               {"query", &SHAPE_OF_STRING, FIELD_OMIT},
                                               {"cookie", &SHAPE_OF_STRING, FIELD_OMIT},
                                               END_OF_FIELDS};
SHAPE(jwt_auth);
static const struct field authentication_fields[] = {{"enable", &SHAPE_OF_BOOL, FIELD_KEEP},
                                                     {"type", &SHAPE_OF_STRING, FIELD_KEEP},
                                                     {"keyAuth", &key_auth_shape, FIELD_KEEP},
                                                     {"jwtAuth", &jwt_auth_shape, FIELD_KEEP},
                                                     END_OF_FIELDS};
SHAPE(authentication);
static const struct field http_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                           {"priority", &SHAPE_OF_INT, FIELD_OMIT},
                                           {"timeout", &timeout_shape, FIELD_POINTER},
                                           {"match", &match_shape, FIELD_KEEP},
                                           {"backends", &backends_shape, FIELD_OMIT},
                                           {"websocket", &SHAPE_OF_BOOL, FIELD_KEEP},
                                           {"plugin_config_name", &SHAPE_OF_STRING, FIELD_OMIT},
                                           {"plugins", &plugins_shape, FIELD_OMIT},
                                           {"authentication", &authentication_shape, FIELD_POINTER},
                                           END_OF_FIELDS};
SHAPE(http);
LIST(http);
static const struct field stream_match_fields[] = {{"ingressPort", &SHAPE_OF_INT, FIELD_KEEP},
                                                   END_OF_FIELDS};
SHAPE(stream_match);
static const struct field stream_backend_fields[] = {
    {"serviceName", &SHAPE_OF_STRING, FIELD_KEEP},
    {"servicePort", &SHAPE_OF_ANY, FIELD_OMIT},
    {"resolveGranularity", &SHAPE_OF_STRING, FIELD_OMIT},
    {"subset", &SHAPE_OF_STRING, FIELD_OMIT},
    END_OF_FIELDS};
SHAPE(stream_backend);
static const struct field stream_fields[] = {
    {"name", &SHAPE_OF_STRING, FIELD_KEEP},     {"protocol", &SHAPE_OF_STRING, FIELD_KEEP},
    {"match", &stream_match_shape, FIELD_KEEP}, {"backend", &stream_backend_shape, FIELD_KEEP},
    {"plugins", &plugins_shape, FIELD_OMIT},    END_OF_FIELDS};
SHAPE(stream);
LIST(stream);
static const struct field route_fields[] = {
    {"http", &https_shape, FIELD_OMIT}, {"stream", &streams_shape, FIELD_OMIT}, END_OF_FIELDS};
SHAPE(route);

static const char *source_name(const struct call *c)
{
    return json_text(json_get(c->spec, "routeRef"), "name");
}

static char *canary_name(const struct call *c)
{
    return build_text("%s-%s-canary", source_name(c), c->names.apex);
}

/* The first HTTP route with a backend of that name, or NULL. */
static cJSON *find_route(const cJSON *spec, const char *service)
{
    const cJSON *routes = json_get(spec, "http");

    for (cJSON *route = routes == NULL ? NULL : routes->child; route != NULL; route = route->next) {
        const cJSON *backends = json_get(route, "backends");

        for (const cJSON *b = backends == NULL ? NULL : backends->child; b != NULL; b = b->next) {
            if (strcmp(json_text(b, "serviceName"), service) == 0)
                return route;
        }
    }
    return NULL;
}

static int no_backend(struct call *c, const char *service)
{
    return call_fail(c, -EINVAL, "Can not find %s backend on apisix route %s.%s ", service,
                     source_name(c), c->ns);
}

/* Give the one backend of `route` to the primary and add the canary beside it. */
static void split_route(const struct call *c, cJSON *route)
{
    cJSON *backends = json_get(route, "backends"), *primary = backends->child;

    build_set(route, "priority", build_int(PRIORITY_MAX));
    build_set(primary, "serviceName", build_str(c->names.primary));
    build_set(primary, "weight", build_int(100));
    build_append(backends,
                 build_object("serviceName", build_str(c->names.canary), "servicePort",
                              build_copy(json_get(primary, "servicePort")), "resolveGranularity",
                              build_copy(json_get(primary, "resolveGranularity")), "weight",
                              build_int(0), "subset", build_copy(json_get(primary, "subset")),
                              NULL));
}

/* The spec of the canary route, made of the source's. */
static int make_spec(struct call *c, const cJSON *source, cJSON **ret_spec)
{
    const char *ref = source_name(c);
    cJSON *spec = shape_decode(&route_shape, json_get(source, "spec")), *route;
    int code = 0;

    route = find_route(spec, c->names.apex);
    if (json_is_empty(json_get(spec, "http")))
        code = call_fail(c, -EINVAL, "APISIX route %s.%s's spec.http is empty", ref, c->ns);
    else if (route == NULL)
        code = no_backend(c, c->names.apex);
    else if (json_count(json_get(route, "backends")) != 1)
        code = call_fail(c, -EINVAL,
                         "APISIX route %s.%s's http route %s only one http backend is supported",
                         ref, c->ns, json_text(route, "name"));
    if (code != 0) {
        json_free(spec);
        return code;
    }
    split_route(c, route);
    build_set(spec, "http", build_list(build_copy(route), NULL));
    if (!call_has(c, QUIRK_COPY_STREAMS))
        json_remove(spec, "stream");
    *ret_spec = spec;
    return 0;
}

static cJSON *comparable(const cJSON *spec)
{
    cJSON *copy = build_copy(spec);

    strip_path(copy, (const char *const[]){"http", "backends", "weight", NULL});
    return copy;
}

static void set_weights(const struct call *c, cJSON *route, int64_t primary, int64_t canary)
{
    for (cJSON *b = json_get(route, "backends")->child; b != NULL; b = b->next) {
        if (strcmp(json_text(b, "serviceName"), c->names.primary) == 0)
            build_set(b, "weight", build_int(primary));
        else if (strcmp(json_text(b, "serviceName"), c->names.canary) == 0)
            build_set(b, "weight", build_int(canary));
    }
}

static struct routing read_weights(const struct call *c, const cJSON *route)
{
    const cJSON *backends = json_get(route, "backends");

    for (const cJSON *b = backends == NULL ? NULL : backends->child; b != NULL; b = b->next) {
        if (strcmp(json_text(b, "serviceName"), c->names.primary) == 0) {
            int64_t primary = json_int(b, "weight", 100);

            return (struct routing){primary, 100 - primary, false};
        }
    }
    return (struct routing){0, 0, false};
}

static void carry_weights(const struct call *c, const cJSON *live_spec, cJSON *spec)
{
    cJSON *route = find_route(live_spec, c->names.primary);
    struct routing r;

    if (route == NULL || call_has(c, QUIRK_RESET_WEIGHTS))
        return;
    r = read_weights(c, route);
    set_weights(c, json_get(spec, "http")->child, r.primary, r.canary);
}

static bool holds_whole_number(const cJSON *v)
{
    if (cJSON_IsNumber(v))
        return v->valuedouble >= -9e18 && v->valuedouble <= 9e18 &&
               v->valuedouble == (double)(int64_t)v->valuedouble;
    for (const cJSON *item = v == NULL ? NULL : v->child; item != NULL; item = item->next) {
        if (holds_whole_number(item))
            return true;
    }
    return false;
}

/* Flagger reads a plugin's whole numbers as integers and compares them with a copy in which they
 * are floats. */
static bool seems_to_drift(const struct call *c, const cJSON *spec)
{
    static const char *const lists[] = {"http", "stream"};

    for (size_t i = 0; call_has(c, QUIRK_WHOLE_NUMBER_DRIFT) && i < 2; i++) {
        const cJSON *routes = json_get(spec, lists[i]);

        for (const cJSON *r = routes == NULL ? NULL : routes->child; r != NULL; r = r->next) {
            const cJSON *plugins = json_get(r, "plugins");

            for (const cJSON *p = plugins == NULL ? NULL : plugins->child; p != NULL; p = p->next) {
                if (holds_whole_number(json_get(p, "config")))
                    return true;
            }
        }
    }
    return false;
}

/* Takes over `spec`. */
static int write_canary(struct call *c, const cJSON *source, const char *name, cJSON *spec)
{
    const cJSON *metadata = json_get(source, "metadata");
    cJSON *live = NULL, *live_spec;
    int code = call_get(c, &RESOURCE_APISIX_ROUTE, name, &live);

    if (code == -ENOENT) {
        shape_encode(&route_shape, spec);
        call_write(c, ROUTER_POST, &RESOURCE_APISIX_ROUTE, name,
                   call_new_object(c, &RESOURCE_APISIX_ROUTE, name,
                                   build_copy(json_get(metadata, "labels")),
                                   build_copy(json_get(metadata, "annotations")), spec),
                   "APISIX route %s.%s create error: ", name, c->ns);
        return 0;
    }
    if (code != 0) {
        json_free(spec);
        return call_fail(c, code, "APISIX route %s.%s query error: %s", name, c->ns,
                         call_api_error(c));
    }
    live_spec = shape_decode(&route_shape, json_get(live, "spec"));
    if (specs_differ_strictly(c, comparable(live_spec), comparable(spec)) ||
        seems_to_drift(c, live_spec)) {
        carry_weights(c, live_spec, spec);
        shape_encode(&route_shape, spec);
        call_write(c, ROUTER_PUT, &RESOURCE_APISIX_ROUTE, name,
                   call_with_spec(c, &route_shape, live, spec),
                   "APISIX route %s.%s update error: ", name, c->ns);
    } else {
        json_free(spec);
    }
    json_free(live_spec);
    json_free(live);
    return 0;
}

static int apisix_reconcile(struct call *c)
{
    const char *ref = source_name(c);
    cJSON *source = NULL, *spec = NULL;
    int code;

    if (ref[0] == '\0')
        return call_fail(c, -EINVAL, "apisix route selector is empty");
    code = call_get(c, &RESOURCE_APISIX_ROUTE, ref, &source);
    if (code != 0)
        return call_fail(c, code, "APISIX route %s.%s get query error: %s", ref, c->ns,
                         call_api_error(c));
    code = make_spec(c, source, &spec);
    if (code == 0) {
        char *name = canary_name(c);

        code = write_canary(c, source, name, spec);
        free(name);
    }
    json_free(source);
    return code;
}

static int read_canary(struct call *c, const char *name, cJSON **ret_live)
{
    int code = call_get(c, &RESOURCE_APISIX_ROUTE, name, ret_live);

    return code == 0 ? 0
                     : call_fail(c, code, "apisix route %s.%s query error: %s", name, c->ns,
                                 call_api_error(c));
}

static int apisix_get(struct call *c, struct routing *ret_routing)
{
    char *name = canary_name(c);
    cJSON *live = NULL, *spec, *route;
    int code = read_canary(c, name, &live);

    if (code == 0) {
        spec = shape_decode(&route_shape, json_get(live, "spec"));
        route = find_route(spec, c->names.primary);
        if (route == NULL)
            code = no_backend(c, c->names.primary);
        else
            *ret_routing = read_weights(c, route);
        json_free(spec);
    }
    json_free(live);
    free(name);
    return code;
}

static int set_live(struct call *c, const char *name, const cJSON *live,
                    const struct routing *routing)
{
    cJSON *spec = shape_decode(&route_shape, json_get(live, "spec"));
    cJSON *route = find_route(spec, c->names.primary);

    if (route == NULL) {
        json_free(spec);
        return no_backend(c, c->names.primary);
    }
    set_weights(c, route, routing->primary, routing->canary);
    shape_encode(&route_shape, spec);
    call_write(c, ROUTER_PUT, &RESOURCE_APISIX_ROUTE, name,
               call_with_spec(c, &route_shape, live, spec),
               "apisix route %s.%s update error: ", c->names.apex, c->ns);
    return 0;
}

static int apisix_set(struct call *c, const struct routing *routing)
{
    char *name;
    cJSON *live = NULL;
    int code;

    if (routing->primary == 0 && routing->canary == 0)
        return call_fail(c, -EINVAL, "RoutingRule %s.%s update failed: no valid weights",
                         c->names.apex, c->ns);
    name = canary_name(c);
    code = read_canary(c, name, &live);
    if (code == 0)
        code = set_live(c, name, live, routing);
    json_free(live);
    free(name);
    return code;
}

const struct router router_apisix = {"apisix", apisix_reconcile, apisix_get, apisix_set,
                                     router_does_nothing};
