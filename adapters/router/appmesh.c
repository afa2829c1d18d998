/*
 * AWS App Mesh, API v1beta1: three VirtualNodes and two VirtualServices per Canary.
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

static const struct field port_mapping_fields[] = {
    {"port", &SHAPE_OF_INT, FIELD_KEEP}, {"protocol", &SHAPE_OF_STRING, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(port_mapping);
static const struct field listener_fields[] = {{"portMapping", &port_mapping_shape, FIELD_KEEP},
                                               {"healthCheck", &SHAPE_OF_ANY, FIELD_POINTER},
                                               END_OF_FIELDS};
SHAPE(listener);
LIST(listener);
static const struct field dns_fields[] = {{"hostName", &SHAPE_OF_STRING, FIELD_KEEP},
                                          END_OF_FIELDS};
SHAPE(dns);
static const struct field discovery_fields[] = {
    {"cloudMap", &SHAPE_OF_ANY, FIELD_POINTER}, {"dns", &dns_shape, FIELD_POINTER}, END_OF_FIELDS};
SHAPE(discovery);
static const struct field backend_service_fields[] = {
    {"virtualServiceName", &SHAPE_OF_STRING, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(backend_service);
static const struct field backend_fields[] = {
    {"virtualService", &backend_service_shape, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(backend);
LIST(backend);
static const struct field node_fields[] = {{"meshName", &SHAPE_OF_STRING, FIELD_KEEP},
                                           {"listeners", &listeners_shape, FIELD_OMIT},
                                           {"serviceDiscovery", &discovery_shape, FIELD_POINTER},
                                           {"backends", &backends_shape, FIELD_OMIT},
                                           {"logging", &SHAPE_OF_ANY, FIELD_POINTER},
                                           END_OF_FIELDS};
SHAPE(node);

static const struct field router_listener_fields[] = {
    {"portMapping", &port_mapping_shape, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(router_listener);
LIST(router_listener);
static const struct field router_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                             {"listeners", &router_listeners_shape, FIELD_OMIT},
                                             END_OF_FIELDS};
SHAPE(router);
static const struct field header_method_fields[] = {
    {"exact", &SHAPE_OF_STRING, FIELD_POINTER},  {"prefix", &SHAPE_OF_STRING, FIELD_POINTER},
    {"range", &SHAPE_OF_ANY, FIELD_POINTER},     {"regex", &SHAPE_OF_STRING, FIELD_POINTER},
    {"suffix", &SHAPE_OF_STRING, FIELD_POINTER}, END_OF_FIELDS};
SHAPE(header_method);
static const struct field header_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                             {"invert", &SHAPE_OF_BOOL, FIELD_POINTER},
                                             {"match", &header_method_shape, FIELD_POINTER},
                                             END_OF_FIELDS};
SHAPE(header);
LIST(header);
static const struct field match_fields[] = {{"prefix", &SHAPE_OF_STRING, FIELD_KEEP},
                                            {"method", &SHAPE_OF_STRING, FIELD_POINTER},
                                            {"headers", &headers_shape, FIELD_OMIT},
                                            {"scheme", &SHAPE_OF_STRING, FIELD_POINTER},
                                            END_OF_FIELDS};
SHAPE(match);
static const struct field target_fields[] = {{"virtualNodeName", &SHAPE_OF_STRING, FIELD_KEEP},
                                             {"weight", &SHAPE_OF_INT, FIELD_KEEP},
                                             END_OF_FIELDS};
SHAPE(target);
LIST(target);
static const struct field action_fields[] = {{"weightedTargets", &targets_shape, FIELD_KEEP},
                                             END_OF_FIELDS};
SHAPE(action);
static const struct field retry_fields[] = {{"perRetryTimeoutMillis", &SHAPE_OF_INT, FIELD_POINTER},
                                            {"maxRetries", &SHAPE_OF_INT, FIELD_POINTER},
                                            {"httpRetryEvents", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                            {"tcpRetryEvents", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                            END_OF_FIELDS};
SHAPE(retry);
static const struct field http_fields[] = {{"match", &match_shape, FIELD_KEEP},
                                           {"action", &action_shape, FIELD_KEEP},
                                           {"retryPolicy", &retry_shape, FIELD_POINTER},
                                           END_OF_FIELDS};
SHAPE(http);
static const struct field route_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                            {"http", &http_shape, FIELD_POINTER},
                                            {"tcp", &SHAPE_OF_ANY, FIELD_POINTER},
                                            {"priority", &SHAPE_OF_INT, FIELD_POINTER},
                                            END_OF_FIELDS};
SHAPE(route);
LIST(route);
static const struct field service_fields[] = {{"meshName", &SHAPE_OF_STRING, FIELD_KEEP},
                                              {"virtualRouter", &router_shape, FIELD_POINTER},
                                              {"routes", &routes_shape, FIELD_OMIT},
                                              END_OF_FIELDS};
SHAPE(service);

/* ---- nodes
 * ------------------------------------------------------------------------------------------- */

static cJSON *make_port_mapping(const struct call *c)
{
    cJSON *mapping =
        build_object("port", build_int(c->port), "protocol", build_str(appmesh_protocol(c)), NULL);

    return build_list(build_object("portMapping", mapping, NULL), NULL);
}

static cJSON *make_backends(const struct call *c)
{
    const cJSON *given = json_get(c->service, "backends");
    cJSON *list;

    if (json_is_empty(given))
        return NULL;
    list = build_list(NULL);
    for (const cJSON *b = given->child; b != NULL; b = b->next) {
        cJSON *service = build_object("virtualServiceName", build_str(b->valuestring), NULL);

        build_append(list, build_object("virtualService", service, NULL));
    }
    return list;
}

/* `host` is the service whose address the node has. */
static cJSON *make_node(const struct call *c, const char *host)
{
    cJSON *dns = build_object("hostName", build_strf("%s.%s", host, c->ns), NULL);

    return build_object("meshName", build_str(json_text(c->service, "meshName")), "listeners",
                        make_port_mapping(c), "serviceDiscovery", build_object("dns", dns, NULL),
                        "backends", make_backends(c), "logging", appmesh_logging(c), NULL);
}

/* Takes over `spec`. */
static void update_node(struct call *c, const char *name, const cJSON *live, cJSON *spec)
{
    cJSON *labels = call_labels(c), *annotations = call_annotations(c);
    const cJSON *compared = call_has(c, QUIRK_LABELS_AS_ANNOTATIONS) ? labels : annotations;
    bool differs = specs_differ_strictly(c, build_copy(spec),
                                         shape_decode(&node_shape, json_get(live, "spec")));

    if (differs || metadata_differs(live, labels, compared)) {
        cJSON *object;

        shape_encode(&node_shape, spec);
        object = call_with_spec(c, &node_shape, live, spec);
        object_set_metadata(object, labels, annotations);
        call_write(c, ROUTER_PUT, &RESOURCE_APPMESH_V1BETA1_NODE, name, object,
                   "VirtualNode %s update error ", name);
        return;
    }
    json_free(spec);
    json_free(labels);
    json_free(annotations);
}

static int reconcile_node(struct call *c, const char *name, const char *host)
{
    cJSON *live = NULL, *spec = make_node(c, host);
    int code = call_get(c, &RESOURCE_APPMESH_V1BETA1_NODE, name, &live);

    c->prefix = "reconcileVirtualNode failed: ";
    if (code == -ENOENT) {
        shape_encode(&node_shape, spec);
        call_write(c, ROUTER_POST, &RESOURCE_APPMESH_V1BETA1_NODE, name,
                   call_new_object(c, &RESOURCE_APPMESH_V1BETA1_NODE, name, call_labels(c),
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

/* ---- services
 * ---------------------------------------------------------------------------------------- */

static cJSON *make_target(const char *node, int64_t weight)
{
    return build_object("virtualNodeName", build_str(node), "weight", build_int(weight), NULL);
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
    return build_object("perRetryTimeoutMillis", build_int(timeout_ms), "maxRetries",
                        build_int(attempts), "httpRetryEvents",
                        retry_events(json_get(c->service, "retries"), "gateway-error"), NULL);
}

/* Takes over headers and action. */
static cJSON *make_http(const struct call *c, cJSON *headers, cJSON *action)
{
    cJSON *match =
        build_object("prefix", build_str(call_first_prefix(c)), "headers", headers, NULL);

    return build_object("match", match, "action", action, "retryPolicy", make_retry(c), NULL);
}

static cJSON *make_ab_routes(const struct call *c)
{
    cJSON *rest =
        build_object("weightedTargets", build_list(make_target(c->names.primary, 100), NULL), NULL);

    return build_list(build_object("name", build_strf("%s-a", c->names.apex), "http",
                                   make_http(c, appmesh_headers(c), make_action(c, 100, 0)),
                                   "priority", build_int(10), NULL),
                      build_object("name", build_strf("%s-b", c->names.apex), "http",
                                   make_http(c, NULL, rest), "priority", build_int(20), NULL),
                      NULL);
}

/* `for_canary`: the service by which the canary is reached directly. */
static cJSON *make_service(const struct call *c, bool for_canary)
{
    const char *router = for_canary ? c->names.canary : c->names.apex;
    cJSON *routes;

    if (c->match != NULL && !for_canary)
        routes = make_ab_routes(c);
    else
        routes = build_list(
            build_object(
                "name", build_str(router), "http",
                make_http(c, NULL, make_action(c, for_canary ? 0 : 100, for_canary ? 100 : 0)),
                NULL),
            NULL);
    return build_object(
        "meshName", build_str(json_text(c->service, "meshName")), "virtualRouter",
        build_object("name", build_str(router), "listeners", make_port_mapping(c), NULL), "routes",
        routes, NULL);
}

/* A copy in which the weighted targets are there but empty. */
static cJSON *comparable(const cJSON *spec)
{
    cJSON *copy = build_copy(spec), *routes = json_get(copy, "routes");

    for (cJSON *r = routes == NULL ? NULL : routes->child; r != NULL; r = r->next) {
        cJSON *action = json_at(r, "http", "action", NULL);

        if (json_get(action, "weightedTargets") != NULL)
            build_set(action, "weightedTargets", build_list(NULL));
    }
    return copy;
}

/* Takes over `spec`. */
static void update_service(struct call *c, const char *name, const cJSON *live, cJSON *spec,
                           bool for_canary)
{
    cJSON *live_spec = shape_decode(&service_shape, json_get(live, "spec"));

    if (specs_differ_strictly(c, comparable(spec), comparable(live_spec))) {
        const cJSON *action =
            json_at(cJSON_GetArrayItem(json_get(live_spec, "routes"), 0), "http", "action", NULL);
        cJSON *first = json_get(json_get(spec, "routes")->child, "http"), *object, *annotations;

        build_set(first, "action", build_copy(action));
        shape_encode(&service_shape, spec);
        object = call_with_spec(c, &service_shape, live, spec);
        annotations = for_canary ? NULL : appmesh_gateway_annotations(c);
        build_set(build_child(object, "metadata"), "annotations", annotations);
        call_write(c, ROUTER_PUT, &RESOURCE_APPMESH_V1BETA1_SERVICE, name, object,
                   "VirtualService %s update error: ", name);
    } else {
        json_free(spec);
    }
    json_free(live_spec);
}

static int reconcile_service(struct call *c, const char *service, bool for_canary)
{
    char *name = build_text("%s.%s", service, c->ns);
    cJSON *live = NULL, *spec = make_service(c, for_canary);
    int code = call_get(c, &RESOURCE_APPMESH_V1BETA1_SERVICE, name, &live);

    c->prefix = "reconcileVirtualService failed: ";
    if (code == -ENOENT) {
        shape_encode(&service_shape, spec);
        call_write(c, ROUTER_POST, &RESOURCE_APPMESH_V1BETA1_SERVICE, name,
                   call_new_object(c, &RESOURCE_APPMESH_V1BETA1_SERVICE, name, NULL,
                                   for_canary ? NULL : appmesh_gateway_annotations(c), spec),
                   "VirtualService %s create error ", name);
        code = 0;
    } else if (code != 0) {
        json_free(spec);
        (void)call_fail(c, code, "VirtualService %s get query error: %s", name, call_api_error(c));
    } else {
        update_service(c, name, live, spec, for_canary);
    }
    json_free(live);
    free(name);
    return code;
}

/* ---- the calls
 * --------------------------------------------------------------------------------------- */

static int appmesh_reconcile(struct call *c)
{
    int code;

    if (json_text(c->service, "meshName")[0] == '\0')
        return call_fail(c, -EINVAL, "mesh name cannot be empty");
    code = reconcile_node(c, c->names.apex, c->names.primary);
    if (code == 0)
        code = reconcile_node(c, c->names.primary, c->names.primary);
    if (code == 0)
        code = reconcile_node(c, c->names.canary, c->names.canary);
    if (code == 0)
        code = reconcile_service(c, c->names.apex, false);
    if (code == 0)
        code = reconcile_service(c, c->names.canary, true);
    return code;
}

static int read_service(struct call *c, cJSON **ret_live)
{
    const char *name = call_label(c, "%s.%s", c->names.apex, c->ns);
    int code = call_get(c, &RESOURCE_APPMESH_V1BETA1_SERVICE, name, ret_live);

    return code == 0 ? 0
                     : call_fail(c, code, "VirtualService %s get query error: %s", name,
                                 call_api_error(c));
}

static int appmesh_get(struct call *c, struct routing *ret_routing)
{
    const char *apex = c->names.apex;
    struct routing r = {0, 0, false};
    cJSON *live = NULL;
    const cJSON *targets;
    int code = read_service(c, &live);

    if (code != 0)
        return code;
    targets = json_at(cJSON_GetArrayItem(json_at(live, "spec", "routes", NULL), 0), "http",
                      "action", "weightedTargets", NULL);
    if (json_count(targets) != 2) {
        json_free(live);
        return call_fail(c, -ENODATA, "VirtualService routes %s.%s not found", apex, c->ns);
    }
    for (const cJSON *t = targets->child; t != NULL; t = t->next) {
        if (strcmp(json_text(t, "virtualNodeName"), c->names.canary) == 0)
            r.canary = json_int(t, "weight", 0);
        if (strcmp(json_text(t, "virtualNodeName"), c->names.primary) == 0)
            r.primary = json_int(t, "weight", 0);
    }
    json_free(live);
    if (r.primary == 0 && r.canary == 0)
        return call_fail(
            c, -ENODATA,
            "VirtualService %s.%s does not contain routes for %s-primary and %s-canary", apex,
            c->ns, apex, apex);
    *ret_routing = r;
    return 0;
}

static int appmesh_set(struct call *c, const struct routing *routing)
{
    cJSON *live = NULL, *spec, *http;
    int code = read_service(c, &live);

    if (code != 0)
        return code;
    spec = shape_decode(&service_shape, json_get(live, "spec"));
    http = json_get(cJSON_GetArrayItem(json_get(spec, "routes"), 0), "http");
    if (http == NULL) {
        json_free(spec);
        json_free(live);
        return call_fail(c, -ENODATA, "VirtualService routes %s.%s not found", c->names.apex,
                         c->ns);
    }
    build_set(http, "action", make_action(c, routing->primary, routing->canary));
    shape_encode(&service_shape, spec);
    call_write(c, ROUTER_PUT, &RESOURCE_APPMESH_V1BETA1_SERVICE, strbuf_str(&c->label),
               call_with_spec(c, &service_shape, live, spec),
               "VirtualService %s.%s update error: ", c->names.apex, c->ns);
    json_free(live);
    return 0;
}

const struct router router_appmesh = {"appmesh", appmesh_reconcile, appmesh_get, appmesh_set,
                                      router_does_nothing};
