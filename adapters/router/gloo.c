/*
 * Gloo Edge: two Upstreams and one RouteTable per Canary, to be delegated to by the user's
 * VirtualService.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"

#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }

/* ---- RouteTable
 * -------------------------------------------------------------------------------------- */

static const struct field header_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_OMIT},
                                             {"value", &SHAPE_OF_STRING, FIELD_OMIT},
                                             {"regex", &SHAPE_OF_BOOL, FIELD_OMIT},
                                             {"invertMatch", &SHAPE_OF_BOOL, FIELD_OMIT},
                                             END_OF_FIELDS};
static const struct shape header_shape = {SHAPE_STRUCT, NULL, header_fields};
static const struct shape headers_shape = {SHAPE_LIST, &header_shape, NULL};
static const struct field query_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_OMIT},
                                            {"value", &SHAPE_OF_STRING, FIELD_OMIT},
                                            {"regex", &SHAPE_OF_BOOL, FIELD_OMIT},
                                            END_OF_FIELDS};
static const struct shape query_shape = {SHAPE_STRUCT, NULL, query_fields};
static const struct shape queries_shape = {SHAPE_LIST, &query_shape, NULL};
static const struct field matcher_fields[] = {{"headers", &headers_shape, FIELD_OMIT},
                                              {"queryParameters", &queries_shape, FIELD_OMIT},
                                              {"methods", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                              END_OF_FIELDS};
static const struct shape matcher_shape = {SHAPE_STRUCT, NULL, matcher_fields};
static const struct shape matchers_shape = {SHAPE_LIST, &matcher_shape, NULL};
static const struct field ref_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_OMIT},
                                          {"namespace", &SHAPE_OF_STRING, FIELD_OMIT},
                                          END_OF_FIELDS};
static const struct shape ref_shape = {SHAPE_STRUCT, NULL, ref_fields};
static const struct field upstream_ref_fields[] = {{"upstream", &ref_shape, FIELD_KEEP},
                                                   END_OF_FIELDS};
static const struct shape upstream_ref_shape = {SHAPE_STRUCT, NULL, upstream_ref_fields};
static const struct field weighted_fields[] = {{"destination", &upstream_ref_shape, FIELD_KEEP},
                                               {"weight", &SHAPE_OF_INT, FIELD_OMIT},
                                               END_OF_FIELDS};
static const struct shape weighted_shape = {SHAPE_STRUCT, NULL, weighted_fields};
static const struct shape weighteds_shape = {SHAPE_LIST, &weighted_shape, NULL};
static const struct field multi_fields[] = {{"destinations", &weighteds_shape, FIELD_OMIT},
                                            END_OF_FIELDS};
static const struct shape multi_shape = {SHAPE_STRUCT, NULL, multi_fields};
static const struct field action_fields[] = {{"multi", &multi_shape, FIELD_KEEP}, END_OF_FIELDS};
static const struct shape action_shape = {SHAPE_STRUCT, NULL, action_fields};
static const struct field route_fields[] = {{"matchers", &matchers_shape, FIELD_OMIT},
                                            {"routeAction", &action_shape, FIELD_KEEP},
                                            {"inheritablePathMatchers", &SHAPE_OF_BOOL, FIELD_OMIT},
                                            END_OF_FIELDS};
static const struct shape route_shape = {SHAPE_STRUCT, NULL, route_fields};
static const struct shape routes_shape = {SHAPE_LIST, &route_shape, NULL};
static const struct field table_fields[] = {{"routes", &routes_shape, FIELD_OMIT}, END_OF_FIELDS};
static const struct shape table_shape = {SHAPE_STRUCT, NULL, table_fields};

/* `role` is "primary" or "canary". The caller's. */
static char *upstream_name(const struct call *c, const char *role)
{
    return build_text("%s-%s-%supstream-%lld", c->ns, c->names.apex, role, (long long)c->port);
}

static cJSON *make_destination(const struct call *c, const char *role, int64_t weight)
{
    char *name = upstream_name(c, role);
    cJSON *upstream = build_object("name", build_str(name), "namespace", build_str(c->ns), NULL);

    free(name);
    return build_object("destination", build_object("upstream", upstream, NULL), "weight",
                        weight != 0 ? build_int(weight) : NULL, NULL);
}

static cJSON *header_matcher(const cJSON *matcher)
{
    const cJSON *regex = json_get(matcher, "regex");

    return build_object("name", build_str(matcher->string), "value",
                        build_copy(regex != NULL ? regex : json_get(matcher, "exact")), "regex",
                        regex != NULL ? build_bool(true) : NULL, NULL);
}

/* One matcher that demands the headers of all entries together, or NULL. */
static cJSON *make_matchers(const struct call *c)
{
    cJSON *headers = build_list(NULL), *methods = build_list(NULL), *matcher;

    for (const cJSON *m = c->match == NULL ? NULL : c->match->child; m != NULL; m = m->next) {
        size_t count;
        const cJSON **sorted = build_sorted(json_get(m, "headers"), &count);

        for (size_t i = 0; i < count; i++)
            build_append(headers, header_matcher(sorted[i]));
        if (json_get(m, "method") != NULL)
            build_append(methods, build_str(json_text(json_get(m, "method"), "exact")));
        free(sorted);
    }
    matcher = build_object("headers", headers, "methods", methods, NULL);
    json_drop_empty(matcher);
    if (matcher->child != NULL)
        return build_list(matcher, NULL);
    json_free(matcher);
    return NULL;
}

/* Takes over `matchers`. */
static cJSON *make_route(const struct call *c, cJSON *matchers, int64_t primary, int64_t canary)
{
    cJSON *destinations = build_list(make_destination(c, "primary", primary),
                                     make_destination(c, "canary", canary), NULL);

    return build_object(
        "matchers", matchers, "routeAction",
        build_object("multi", build_object("destinations", destinations, NULL), NULL),
        "inheritablePathMatchers", build_bool(true), NULL);
}

static cJSON *make_table(const struct call *c, int64_t primary, int64_t canary)
{
    cJSON *matchers = make_matchers(c);
    bool fallback = matchers != NULL && !call_has(c, QUIRK_NO_AB_FALLBACK);
    cJSON *routes = build_list(make_route(c, matchers, primary, canary), NULL);

    if (fallback)
        build_append(routes, make_route(c, NULL, 100, 0));
    return build_object("routes", routes, NULL);
}

static void strip_table(cJSON *spec)
{
    strip_path(spec, (const char *const[]){"routes", "routeAction", "multi", "destinations",
                                           "weight", NULL});
}

static bool read_table(const struct call *c, const cJSON *spec, struct routing *ret_routing)
{
    const cJSON *first = cJSON_GetArrayItem(json_get(spec, "routes"), 0);
    const cJSON *destinations = json_at(first, "routeAction", "multi", "destinations", NULL);
    char *name = upstream_name(c, "primary");

    *ret_routing = (struct routing){0, 0, false};
    for (const cJSON *d = destinations == NULL ? NULL : destinations->child; d != NULL;
         d = d->next) {
        if (strcmp(json_text(json_at(d, "destination", "upstream", NULL), "name"), name) == 0) {
            ret_routing->primary = json_int(d, "weight", 0);
            ret_routing->canary = 100 - ret_routing->primary;
            break;
        }
    }
    free(name);
    return json_count(destinations) >= 2;
}

static struct simple_route route_of(struct call *c)
{
    return (struct simple_route){
        .resource = &RESOURCE_GLOO_ROUTE_TABLE,
        .name = c->names.apex,
        .shape = &table_shape,
        .label = call_label(c, "RouteTable %s.%s", c->names.apex, c->ns),
        .manages_metadata = true,
        .make = make_table,
        .strip = strip_table,
        .read = read_table,
    };
}

/* ---- Upstreams
 * --------------------------------------------------------------------------------------- */

/* Fields of the user's Upstream that a copy takes over. */
static const char *const upstream_copied[] = {
    "labels",
    "sslConfig",
    "circuitBreakers",
    "connectionConfig",
    "loadBalancerConfig",
    "useHttp2",
    "initialStreamWindowSize",
    "initialConnectionWindowSize",
    "httpProxyHostName",
};

/* The Upstream that spec.upstreamRef names; *ret_config stays NULL when there is no reference. */
static int config_upstream(struct call *c, cJSON **ret_config)
{
    const cJSON *ref = json_get(c->spec, "upstreamRef");
    const char *ns = json_text(ref, "namespace");
    int code;

    if (ref == NULL)
        return 0;
    if (ns[0] == '\0' && !call_has(c, QUIRK_UPSTREAM_NAMESPACE))
        ns = c->ns;
    code = call_get_in(c, &RESOURCE_GLOO_UPSTREAM, ns, json_text(ref, "name"), ret_config);
    if (code != 0)
        return call_fail(c, code, "config upstream %s.%s get query error: %s",
                         json_text(ref, "name"), call_has(c, QUIRK_UPSTREAM_NAMESPACE) ? c->ns : ns,
                         call_api_error(c));
    return 0;
}

/* Go writes no zero values, and a copy goes through Go's types. */
static bool is_zero_value(const cJSON *v)
{
    int64_t number;

    return cJSON_IsFalse(v) || cJSON_IsNull(v) ||
           (cJSON_IsString(v) && v->valuestring[0] == '\0') ||
           (json_as_int(v, &number) && number == 0) ||
           ((cJSON_IsArray(v) || cJSON_IsObject(v)) && v->child == NULL);
}

static cJSON *make_upstream(struct call *c, const cJSON *service, const cJSON *config,
                            const char *name)
{
    cJSON *spec = build_object(NULL);

    for (size_t i = 0; i < sizeof(upstream_copied) / sizeof(upstream_copied[0]); i++) {
        const cJSON *v = json_get(json_get(config, "spec"), upstream_copied[i]);

        if (v != NULL && !is_zero_value(v))
            build_set(spec, upstream_copied[i], build_copy(v));
    }
    build_set(
        spec, "kube",
        build_object("serviceName", build_str(json_text(json_get(service, "metadata"), "name")),
                     "serviceNamespace", build_str(c->ns), "servicePort", build_int(c->port),
                     "selector", build_copy(json_at(service, "spec", "selector", NULL)), NULL));
    return call_new_object(c, &RESOURCE_GLOO_UPSTREAM, name, NULL, NULL, spec);
}

static void sync_upstream(struct call *c, const cJSON *live, const cJSON *config, const char *name)
{
    const cJSON *wanted = json_at(config, "spec", "loadBalancerConfig", NULL);
    const cJSON *given = json_at(live, "spec", "loadBalancerConfig", NULL);
    cJSON *value = wanted != NULL ? build_copy(wanted) : NULL;

    if (wanted == NULL && given != NULL && !call_has(c, QUIRK_EMPTY_PATCH))
        value = cJSON_CreateNull();
    if (config != NULL && (wanted == NULL) != (given == NULL)) {
        /* one of them has none */
    } else if (config == NULL || json_equal(wanted, given) || (wanted == NULL && given == NULL)) {
        json_free(value);
        return;
    }
    call_write(c, ROUTER_PATCH, &RESOURCE_GLOO_UPSTREAM, name,
               build_object("spec", build_object("loadBalancerConfig", value, NULL), NULL),
               "upstream %s.%s spec patch error: ", name, c->ns);
}

static int reconcile_upstream(struct call *c, const char *role, const char *service_name)
{
    char *name = upstream_name(c, role);
    cJSON *service = NULL, *live = NULL, *config = NULL;
    int code = call_get(c, &RESOURCE_SERVICE, service_name, &service);

    if (code != 0) {
        (void)call_fail(c, code, "service %s.%s get query error: %s", service_name, c->ns,
                        call_api_error(c));
        goto out;
    }
    code = call_get(c, &RESOURCE_GLOO_UPSTREAM, name, &live);
    if (code != 0 && code != -ENOENT) {
        (void)call_fail(c, code, "upstream %s.%s get query error: %s", name, c->ns,
                        call_api_error(c));
        goto out;
    }
    code = config_upstream(c, &config);
    if (code != 0)
        goto out;
    if (live == NULL)
        call_write(c, ROUTER_POST, &RESOURCE_GLOO_UPSTREAM, name,
                   make_upstream(c, service, config, name),
                   "upstream %s.%s create query error: ", name, c->ns);
    else
        sync_upstream(c, live, config, name);
out:
    json_free(service);
    json_free(live);
    json_free(config);
    free(name);
    return code;
}

/* ---- the calls
 * --------------------------------------------------------------------------------------- */

static int gloo_reconcile(struct call *c)
{
    struct simple_route route;
    int code;

    c->prefix = "error creating flagger primary upstream: ";
    code = reconcile_upstream(c, "primary", c->names.primary);
    if (code != 0)
        return code;
    c->prefix = "error creating flagger canary upstream: ";
    code = reconcile_upstream(c, "canary", c->names.canary);
    if (code != 0)
        return code;
    c->prefix = "";
    route = route_of(c);
    return reconcile_simple(c, &route, NULL);
}

static int gloo_get(struct call *c, struct routing *ret_routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL, *spec;
    int code = call_get(c, route.resource, route.name, &live);

    if (code != 0)
        return call_fail(c, code, "%s get query error: %s", route.label, call_api_error(c));
    spec = shape_decode(&table_shape, json_get(live, "spec"));
    if (!read_table(c, spec, ret_routing))
        code = call_fail(c, -ENODATA, "%s destinations not found", route.label);
    json_free(spec);
    json_free(live);
    return code;
}

static int gloo_set(struct call *c, const struct routing *routing)
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
    put_spec(c, &route, live, make_table(c, routing->primary, routing->canary), " update error: ");
    json_free(live);
    return 0;
}

const struct router router_gloo = {"gloo", gloo_reconcile, gloo_get, gloo_set, router_does_nothing};
