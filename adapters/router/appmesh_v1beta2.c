/*
 * AWS App Mesh, API v1beta2: two VirtualNodes, two VirtualRouters and two VirtualServices per
 * Canary.
 */
#include "adapters/router/appmesh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }
#define SHAPE(name) static const struct shape name##_shape = {SHAPE_STRUCT, NULL, name##_fields}
#define LIST(name) static const struct shape name##s_shape = {SHAPE_LIST, &name##_shape, NULL}

/* ---- what Flagger knows of the types; what a Canary never asks for is compared as it stands
 * ----------- */

static const struct field duration_fields[] = {
    {"unit", &SHAPE_OF_STRING, FIELD_KEEP}, {"value", &SHAPE_OF_INT, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(duration);
static const struct field http_timeout_fields[] = {{"perRequest", &duration_shape, FIELD_POINTER},
                                                   {"idle", &duration_shape, FIELD_POINTER},
                                                   END_OF_FIELDS};
SHAPE(http_timeout);
static const struct field port_mapping_fields[] = {
    {"port", &SHAPE_OF_INT, FIELD_KEEP}, {"protocol", &SHAPE_OF_STRING, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(port_mapping);
static const struct field listener_fields[] = {{"portMapping", &port_mapping_shape, FIELD_KEEP},
                                               {"healthCheck", &SHAPE_OF_ANY, FIELD_POINTER},
                                               {"outlierDetection", &SHAPE_OF_ANY, FIELD_POINTER},
                                               {"connectionPool", &SHAPE_OF_ANY, FIELD_POINTER},
                                               {"tls", &SHAPE_OF_ANY, FIELD_POINTER},
                                               {"timeout", &SHAPE_OF_ANY, FIELD_POINTER},
                                               END_OF_FIELDS};
SHAPE(listener);
LIST(listener);
static const struct shape any_list_shape = {SHAPE_LIST, &SHAPE_OF_ANY, NULL};
static const struct field node_fields[] = {{"awsName", &SHAPE_OF_STRING, FIELD_POINTER},
                                           {"podSelector", &SHAPE_OF_ANY, FIELD_POINTER},
                                           {"listeners", &listeners_shape, FIELD_OMIT},
                                           {"serviceDiscovery", &SHAPE_OF_ANY, FIELD_POINTER},
                                           {"backends", &any_list_shape, FIELD_OMIT},
                                           {"backendDefaults", &SHAPE_OF_ANY, FIELD_POINTER},
                                           {"logging", &SHAPE_OF_ANY, FIELD_POINTER},
                                           {"meshRef", &SHAPE_OF_ANY, FIELD_POINTER},
                                           END_OF_FIELDS};
SHAPE(node);

static const struct field router_listener_fields[] = {
    {"portMapping", &port_mapping_shape, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(router_listener);
LIST(router_listener);
static const struct field header_method_fields[] = {
    {"exact", &SHAPE_OF_STRING, FIELD_POINTER},  {"prefix", &SHAPE_OF_STRING, FIELD_POINTER},
    {"range", &SHAPE_OF_ANY, FIELD_POINTER},     {"regex", &SHAPE_OF_STRING, FIELD_POINTER},
    {"suffix", &SHAPE_OF_STRING, FIELD_POINTER}, END_OF_FIELDS};
SHAPE(header_method);
static const struct field header_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                             {"match", &header_method_shape, FIELD_POINTER},
                                             {"invert", &SHAPE_OF_BOOL, FIELD_POINTER},
                                             END_OF_FIELDS};
SHAPE(header);
LIST(header);
static const struct field match_fields[] = {{"headers", &headers_shape, FIELD_OMIT},
                                            {"method", &SHAPE_OF_STRING, FIELD_POINTER},
                                            {"prefix", &SHAPE_OF_STRING, FIELD_KEEP},
                                            {"scheme", &SHAPE_OF_STRING, FIELD_POINTER},
                                            END_OF_FIELDS};
SHAPE(match);
static const struct field target_fields[] = {{"virtualNodeRef", &SHAPE_OF_ANY, FIELD_POINTER},
                                             {"virtualNodeARN", &SHAPE_OF_STRING, FIELD_POINTER},
                                             {"weight", &SHAPE_OF_INT, FIELD_KEEP},
                                             END_OF_FIELDS};
SHAPE(target);
LIST(target);
static const struct field action_fields[] = {{"weightedTargets", &targets_shape, FIELD_KEEP},
                                             END_OF_FIELDS};
SHAPE(action);
static const struct field retry_fields[] = {{"httpRetryEvents", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                            {"tcpRetryEvents", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                            {"maxRetries", &SHAPE_OF_INT, FIELD_KEEP},
                                            {"perRetryTimeout", &duration_shape, FIELD_KEEP},
                                            END_OF_FIELDS};
SHAPE(retry);
static const struct field http_fields[] = {{"match", &match_shape, FIELD_KEEP},
                                           {"action", &action_shape, FIELD_KEEP},
                                           {"retryPolicy", &retry_shape, FIELD_POINTER},
                                           {"timeout", &http_timeout_shape, FIELD_POINTER},
                                           END_OF_FIELDS};
SHAPE(http);
static const struct field route_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                            {"grpcRoute", &SHAPE_OF_ANY, FIELD_POINTER},
                                            {"httpRoute", &http_shape, FIELD_POINTER},
                                            {"http2Route", &http_shape, FIELD_POINTER},
                                            {"tcpRoute", &SHAPE_OF_ANY, FIELD_POINTER},
                                            {"priority", &SHAPE_OF_INT, FIELD_POINTER},
                                            END_OF_FIELDS};
SHAPE(route);
LIST(route);
static const struct field router_fields[] = {{"awsName", &SHAPE_OF_STRING, FIELD_POINTER},
                                             {"listeners", &router_listeners_shape, FIELD_OMIT},
                                             {"routes", &routes_shape, FIELD_OMIT},
                                             {"meshRef", &SHAPE_OF_ANY, FIELD_POINTER},
                                             END_OF_FIELDS};
SHAPE(router);

/* Fields that App Mesh's controller fills in: not compared, and kept by an update. */
static const char *const controller_owned[] = {"awsName", "meshRef"};

static cJSON *without_owned(cJSON *spec)
{
    for (size_t i = 0; i < sizeof(controller_owned) / sizeof(controller_owned[0]); i++)
        json_remove(spec, controller_owned[i]);
    return spec;
}

static void keep_owned(cJSON *spec, const cJSON *live_spec)
{
    for (size_t i = 0; i < sizeof(controller_owned) / sizeof(controller_owned[0]); i++)
        build_set(spec, controller_owned[i], build_copy(json_get(live_spec, controller_owned[i])));
}

/* ---- parts
 * ------------------------------------------------------------------------------------------- */

static int64_t container_port(const struct call *c)
{
    const cJSON *target = json_get(c->service, "targetPort");
    int64_t port;

    return !cJSON_IsString(target) && target != NULL && json_as_int(target, &port) && port > 0
               ? port
               : c->port;
}

static cJSON *make_port_mapping(const struct call *c)
{
    return build_object("port", build_int(container_port(c)), "protocol",
                        build_str(appmesh_protocol(c)), NULL);
}

static cJSON *make_duration(int64_t ms)
{
    return build_object("unit", build_str("ms"), "value", build_int(ms), NULL);
}

/* NULL when spec.service.timeout is no duration. */
static cJSON *make_timeout(const struct call *c)
{
    int64_t ms;

    if (!duration_ms(json_text(c->service, "timeout"), &ms))
        return NULL;
    return build_object("perRequest", make_duration(ms), NULL);
}

/* ---- nodes
 * ------------------------------------------------------------------------------------------- */

static cJSON *make_backend(const char *name)
{
    cJSON *service;

    if (strncmp(name, "arn:aws", strlen("arn:aws")) == 0)
        service = build_object("virtualServiceARN", build_str(name), NULL);
    else
        service =
            build_object("virtualServiceRef", build_object("name", build_str(name), NULL), NULL);
    return build_object("virtualService", service, NULL);
}

static cJSON *make_backends(const struct call *c)
{
    const cJSON *given = json_get(c->service, "backends");
    cJSON *list;

    if (json_is_empty(given))
        return NULL;
    list = build_list(NULL);
    for (const cJSON *b = given->child; b != NULL; b = b->next)
        build_append(list, make_backend(b->valuestring));
    return list;
}

/* Label value of the pods behind a node. */
static cJSON *pod_label(const struct call *c, bool is_primary)
{
    const char *value = json_text(json_get(c->spec, "targetRef"), "name");

    if (!call_has(c, QUIRK_SELECT_BY_TARGET_NAME) && c->options->selector_value != NULL)
        value = c->options->selector_value;
    return build_strf("%s%s", value, is_primary ? "-primary" : "");
}

static cJSON *make_node(const struct call *c, bool is_primary)
{
    const char *label = c->options->selector_label != NULL ? c->options->selector_label : "app";
    const char *service = is_primary ? c->names.primary : c->names.canary;
    cJSON *timeout = make_timeout(c);
    cJSON *listener =
        build_object("portMapping", make_port_mapping(c), "timeout",
                     timeout != NULL ? build_object("http", timeout, NULL) : NULL, NULL);
    cJSON *dns =
        build_object("hostname", build_strf("%s.%s.svc.cluster.local.", service, c->ns), NULL);
    cJSON *labels = build_object(label, pod_label(c, is_primary), NULL);

    return build_object("listeners", build_list(listener, NULL), "serviceDiscovery",
                        build_object("dns", dns, NULL), "podSelector",
                        build_object("matchLabels", labels, NULL), "logging", appmesh_logging(c),
                        "backends", make_backends(c), NULL);
}

/* Takes over `spec`. */
static void update_node(struct call *c, const char *name, const cJSON *live, cJSON *spec)
{
    cJSON *labels = call_labels(c), *annotations = call_annotations(c);
    cJSON *live_spec = shape_decode(&node_shape, json_get(live, "spec"));

    if (specs_differ_strictly(c, build_copy(spec), without_owned(build_copy(live_spec))) ||
        metadata_differs(live, labels, annotations)) {
        cJSON *object;

        keep_owned(spec, live_spec);
        shape_encode(&node_shape, spec);
        object = call_with_spec(c, &node_shape, live, spec);
        object_set_metadata(object, labels, annotations);
        call_write(c, ROUTER_PUT, &RESOURCE_APPMESH_V1BETA2_NODE, name, object,
                   "VirtualNode %s update error ", name);
    } else {
        json_free(spec);
        json_free(labels);
        json_free(annotations);
    }
    json_free(live_spec);
}

static int reconcile_node(struct call *c, bool is_primary)
{
    const char *name = is_primary ? c->names.primary : c->names.canary;
    cJSON *live = NULL, *spec = make_node(c, is_primary);
    int code = call_get(c, &RESOURCE_APPMESH_V1BETA2_NODE, name, &live);

    c->prefix = "reconcileVirtualNode failed: ";
    if (code == -ENOENT) {
        shape_encode(&node_shape, spec);
        call_write(c, ROUTER_POST, &RESOURCE_APPMESH_V1BETA2_NODE, name,
                   call_new_object(c, &RESOURCE_APPMESH_V1BETA2_NODE, name, call_labels(c),
                                   call_annotations(c), spec),
                   "VirtualNode %s.%s create error ", name, c->ns);
        return 0;
    }
    if (code != 0) {
        json_free(spec);
        return call_fail(c, code, "VirtualNode %s get query error %s", name, call_api_error(c));
    }
    update_node(c, name, live, spec);
    json_free(live);
    return 0;
}

/* ---- routers
 * ----------------------------------------------------------------------------------------- */

static cJSON *make_target(const char *node, int64_t weight)
{
    return build_object("virtualNodeRef", build_object("name", build_str(node), NULL), "weight",
                        build_int(weight), NULL);
}

static cJSON *make_action(const struct call *c, int64_t primary, int64_t canary)
{
    return build_object("weightedTargets",
                        build_list(make_target(c->names.canary, canary),
                                   make_target(c->names.primary, primary), NULL),
                        NULL);
}

static cJSON *make_retry(const struct call *c)
{
    int64_t timeout_ms, attempts;

    if (json_get(c->service, "retries") == NULL)
        return NULL;
    appmesh_retry(c, &timeout_ms, &attempts);
    return build_object(
        "httpRetryEvents", retry_events(json_get(c->service, "retries"), "gateway-error"),
        "maxRetries", build_int(attempts), "perRetryTimeout", make_duration(timeout_ms), NULL);
}

/* Takes over headers and action. */
static cJSON *make_http(const struct call *c, cJSON *headers, cJSON *action)
{
    cJSON *match =
        build_object("prefix", build_str(call_first_prefix(c)), "headers", headers, NULL);

    return build_object("match", match, "action", action, "retryPolicy", make_retry(c), "timeout",
                        make_timeout(c), NULL);
}

static cJSON *make_ab_routes(const struct call *c)
{
    cJSON *rest =
        build_object("weightedTargets", build_list(make_target(c->names.primary, 100), NULL), NULL);

    return build_list(build_object("name", build_strf("%s-a", c->names.apex), "httpRoute",
                                   make_http(c, appmesh_headers(c), make_action(c, 100, 0)),
                                   "priority", build_int(10), NULL),
                      build_object("name", build_strf("%s-b", c->names.apex), "httpRoute",
                                   make_http(c, NULL, rest), "priority", build_int(20), NULL),
                      NULL);
}

static cJSON *make_router(const struct call *c, bool for_canary)
{
    const char *name = for_canary ? c->names.canary : c->names.apex;
    cJSON *routes, *listener = build_object("portMapping", make_port_mapping(c), NULL);

    if (c->match != NULL && !for_canary)
        routes = make_ab_routes(c);
    else
        routes = build_list(
            build_object(
                "name", build_str(name), "httpRoute",
                make_http(c, NULL, make_action(c, for_canary ? 0 : 100, for_canary ? 100 : 0)),
                NULL),
            NULL);
    return build_object("listeners", build_list(listener, NULL), "routes", routes, NULL);
}

static cJSON *comparable(const cJSON *spec)
{
    cJSON *copy = without_owned(build_copy(spec)), *routes = json_get(copy, "routes");

    for (cJSON *r = routes == NULL ? NULL : routes->child; r != NULL; r = r->next) {
        cJSON *action = json_at(r, "httpRoute", "action", NULL);

        if (json_get(action, "weightedTargets") != NULL)
            build_set(action, "weightedTargets", build_list(NULL));
    }
    return copy;
}

/* The router, and the service that leads to it: written together, once. Takes over `spec`. */
static void create_router(struct call *c, const char *name, cJSON *spec, bool for_canary)
{
    cJSON *ref =
        build_object("virtualRouterRef", build_object("name", build_str(name), NULL), NULL);
    cJSON *service = build_object("provider", build_object("virtualRouter", ref, NULL), NULL);

    shape_encode(&router_shape, spec);
    call_write(c, ROUTER_POST, &RESOURCE_APPMESH_V1BETA2_ROUTER, name,
               call_new_object(c, &RESOURCE_APPMESH_V1BETA2_ROUTER, name, NULL, NULL, spec),
               "VirtualRouter %s create error ", name);
    call_write(c, ROUTER_POST, &RESOURCE_APPMESH_V1BETA2_SERVICE, name,
               call_new_object(c, &RESOURCE_APPMESH_V1BETA2_SERVICE, name, NULL,
                               for_canary ? NULL : appmesh_gateway_annotations(c), service),
               "VirtualService %s create error ", name);
}

/* Takes over `spec`. */
static void update_router(struct call *c, const char *name, const cJSON *live, cJSON *spec)
{
    cJSON *live_spec = shape_decode(&router_shape, json_get(live, "spec"));

    if (specs_differ_strictly(c, comparable(spec), comparable(live_spec))) {
        const cJSON *action = json_at(cJSON_GetArrayItem(json_get(live_spec, "routes"), 0),
                                      "httpRoute", "action", NULL);

        build_set(json_get(json_get(spec, "routes")->child, "httpRoute"), "action",
                  build_copy(action));
        keep_owned(spec, live_spec);
        shape_encode(&router_shape, spec);
        call_write(c, ROUTER_PUT, &RESOURCE_APPMESH_V1BETA2_ROUTER, name,
                   call_with_spec(c, &router_shape, live, spec),
                   "VirtualRouter %s update error: ", name);
    } else {
        json_free(spec);
    }
    json_free(live_spec);
}

static int reconcile_router(struct call *c, bool for_canary)
{
    const char *name = for_canary ? c->names.canary : c->names.apex;
    cJSON *live = NULL, *spec = make_router(c, for_canary);
    int code = call_get(c, &RESOURCE_APPMESH_V1BETA2_ROUTER, name, &live);

    c->prefix = for_canary ? "reconcileVirtualRouter failed: " : "reconcileVirtualService failed: ";
    if (code == -ENOENT) {
        create_router(c, name, spec, for_canary);
        return 0;
    }
    if (code != 0) {
        json_free(spec);
        return call_fail(c, code, "VirtualRouter %s get query error: %s", name, call_api_error(c));
    }
    update_router(c, name, live, spec);
    json_free(live);
    return 0;
}

/* ---- the calls
 * --------------------------------------------------------------------------------------- */

static int appmesh_reconcile(struct call *c)
{
    int code = reconcile_node(c, true);

    if (code == 0)
        code = reconcile_node(c, false);
    if (code == 0)
        code = reconcile_router(c, false);
    if (code == 0)
        code = reconcile_router(c, true);
    return code;
}

static int read_router(struct call *c, cJSON **ret_live)
{
    int code = call_get(c, &RESOURCE_APPMESH_V1BETA2_ROUTER, c->names.apex, ret_live);

    return code == 0 ? 0
                     : call_fail(c, code, "VirtualRouter %s get query error: %s", c->names.apex,
                                 call_api_error(c));
}

static int appmesh_get(struct call *c, struct routing *ret_routing)
{
    const char *apex = c->names.apex;
    struct routing r = {0, 0, false};
    cJSON *live = NULL;
    const cJSON *targets;
    int code = read_router(c, &live);

    if (code != 0)
        return code;
    targets = json_at(cJSON_GetArrayItem(json_at(live, "spec", "routes", NULL), 0), "httpRoute",
                      "action", "weightedTargets", NULL);
    if (json_count(targets) != 2) {
        json_free(live);
        return call_fail(c, -ENODATA, "VirtualRouter routes %s not found", apex);
    }
    for (const cJSON *t = targets->child; t != NULL; t = t->next) {
        const char *node = json_text(json_get(t, "virtualNodeRef"), "name");

        if (strcmp(node, c->names.canary) == 0)
            r.canary = json_int(t, "weight", 0);
        if (strcmp(node, c->names.primary) == 0)
            r.primary = json_int(t, "weight", 0);
    }
    json_free(live);
    if (r.primary == 0 && r.canary == 0)
        return call_fail(c, -ENODATA,
                         "VirtualRouter %s does not contain routes for %s-primary and %s-canary",
                         apex, apex, apex);
    *ret_routing = r;
    return 0;
}

static int appmesh_set(struct call *c, const struct routing *routing)
{
    cJSON *live = NULL, *spec, *http;
    int code = read_router(c, &live);

    if (code != 0)
        return code;
    spec = shape_decode(&router_shape, json_get(live, "spec"));
    http = json_get(cJSON_GetArrayItem(json_get(spec, "routes"), 0), "httpRoute");
    if (http == NULL) {
        json_free(spec);
        json_free(live);
        return call_fail(c, -ENODATA, "VirtualRouter routes %s not found", c->names.apex);
    }
    build_set(http, "action", make_action(c, routing->primary, routing->canary));
    shape_encode(&router_shape, spec);
    call_write(c, ROUTER_PUT, &RESOURCE_APPMESH_V1BETA2_ROUTER, c->names.apex,
               call_with_spec(c, &router_shape, live, spec),
               "VirtualRouter %s update error: ", c->names.apex);
    json_free(live);
    return 0;
}

const struct router router_appmesh_v1beta2 = {"appmesh:v1beta2", appmesh_reconcile, appmesh_get,
                                              appmesh_set, router_does_nothing};
