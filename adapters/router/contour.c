/*
 * Contour: one HTTPProxy per Canary, to be included by the user's root HTTPProxy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"

#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }

static const struct field header_match_fields[] = {
    {"name", &SHAPE_OF_STRING, FIELD_KEEP},        {"present", &SHAPE_OF_BOOL, FIELD_OMIT},
    {"notpresent", &SHAPE_OF_BOOL, FIELD_OMIT},    {"contains", &SHAPE_OF_STRING, FIELD_OMIT},
    {"notcontains", &SHAPE_OF_STRING, FIELD_OMIT}, {"exact", &SHAPE_OF_STRING, FIELD_OMIT},
    {"notexact", &SHAPE_OF_STRING, FIELD_OMIT},    END_OF_FIELDS};
static const struct shape header_match_shape = {SHAPE_STRUCT, NULL, header_match_fields};
static const struct field condition_fields[] = {{"prefix", &SHAPE_OF_STRING, FIELD_OMIT},
                                                {"header", &header_match_shape, FIELD_POINTER},
                                                END_OF_FIELDS};
static const struct shape condition_shape = {SHAPE_STRUCT, NULL, condition_fields};
static const struct shape conditions_shape = {SHAPE_LIST, &condition_shape, NULL};
static const struct field header_value_fields[] = {
    {"name", &SHAPE_OF_STRING, FIELD_KEEP}, {"value", &SHAPE_OF_STRING, FIELD_KEEP}, END_OF_FIELDS};
static const struct shape header_value_shape = {SHAPE_STRUCT, NULL, header_value_fields};
static const struct shape header_values_shape = {SHAPE_LIST, &header_value_shape, NULL};
static const struct field headers_policy_fields[] = {{"set", &header_values_shape, FIELD_OMIT},
                                                     {"remove", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                                     END_OF_FIELDS};
static const struct shape headers_policy_shape = {SHAPE_STRUCT, NULL, headers_policy_fields};
static const struct shape any_list_shape = {SHAPE_LIST, &SHAPE_OF_ANY, NULL};
static const struct field service_fields[] = {
    {"name", &SHAPE_OF_STRING, FIELD_KEEP},
    {"port", &SHAPE_OF_INT, FIELD_KEEP},
    {"protocol", &SHAPE_OF_STRING, FIELD_POINTER},
    {"weight", &SHAPE_OF_INT, FIELD_OMIT},
    {"validation", &SHAPE_OF_ANY, FIELD_POINTER},
    {"mirror", &SHAPE_OF_BOOL, FIELD_OMIT},
    {"requestHeadersPolicy", &headers_policy_shape, FIELD_POINTER},
    {"responseHeadersPolicy", &headers_policy_shape, FIELD_POINTER},
    {"cookieRewritePolicies", &any_list_shape, FIELD_OMIT},
    END_OF_FIELDS};
static const struct shape service_shape = {SHAPE_STRUCT, NULL, service_fields};
static const struct shape services_shape = {SHAPE_LIST, &service_shape, NULL};
static const struct field timeout_fields[] = {{"response", &SHAPE_OF_STRING, FIELD_OMIT},
                                              {"idle", &SHAPE_OF_STRING, FIELD_OMIT},
                                              {"idleConnection", &SHAPE_OF_STRING, FIELD_OMIT},
                                              END_OF_FIELDS};
static const struct shape timeout_shape = {SHAPE_STRUCT, NULL, timeout_fields};
static const struct shape ints_shape = {SHAPE_LIST, &SHAPE_OF_INT, NULL};
static const struct field retry_fields[] = {{"count", &SHAPE_OF_INT, FIELD_KEEP},
                                            {"perTryTimeout", &SHAPE_OF_STRING, FIELD_OMIT},
                                            {"retryOn", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                            {"retriableStatusCodes", &ints_shape, FIELD_OMIT},
                                            END_OF_FIELDS};
static const struct shape retry_shape = {SHAPE_STRUCT, NULL, retry_fields};
/* what a Canary never asks for is compared as it stands */
static const struct field route_fields[] = {
    {"conditions", &conditions_shape, FIELD_OMIT},
    {"services", &services_shape, FIELD_OMIT},
    {"enableWebsockets", &SHAPE_OF_BOOL, FIELD_OMIT},
    {"permitInsecure", &SHAPE_OF_BOOL, FIELD_OMIT},
    {"authPolicy", &SHAPE_OF_ANY, FIELD_POINTER},
    {"timeoutPolicy", &timeout_shape, FIELD_POINTER},
    {"retryPolicy", &retry_shape, FIELD_POINTER},
    {"healthCheckPolicy", &SHAPE_OF_ANY, FIELD_POINTER},
    {"loadBalancerPolicy", &SHAPE_OF_ANY, FIELD_POINTER},
    {"pathRewritePolicy", &SHAPE_OF_ANY, FIELD_POINTER},
    {"requestHeadersPolicy", &headers_policy_shape, FIELD_POINTER},
    {"responseHeadersPolicy", &headers_policy_shape, FIELD_POINTER},
    {"cookieRewritePolicies", &any_list_shape, FIELD_OMIT},
    {"rateLimitPolicy", &SHAPE_OF_ANY, FIELD_POINTER},
    {"requestRedirectPolicy", &SHAPE_OF_ANY, FIELD_POINTER},
    END_OF_FIELDS};
static const struct shape route_shape = {SHAPE_STRUCT, NULL, route_fields};
static const struct shape routes_shape = {SHAPE_LIST, &route_shape, NULL};
static const struct field proxy_fields[] = {
    {"virtualhost", &SHAPE_OF_ANY, FIELD_POINTER},      {"routes", &routes_shape, FIELD_OMIT},
    {"tcpproxy", &SHAPE_OF_ANY, FIELD_POINTER},         {"includes", &any_list_shape, FIELD_OMIT},
    {"ingressClassName", &SHAPE_OF_STRING, FIELD_OMIT}, END_OF_FIELDS};
static const struct shape proxy_shape = {SHAPE_STRUCT, NULL, proxy_fields};

static cJSON *make_service(const struct call *c, const char *name, int64_t weight)
{
    cJSON *address = build_strf("%s.%s.svc.cluster.local:%lld", name, c->ns, (long long)c->port);
    cJSON *header = build_object("name", build_str("l5d-dst-override"), "value", address, NULL);

    return build_object("name", build_str(name), "port", build_int(c->port), "weight",
                        weight != 0 ? build_int(weight) : NULL, "requestHeadersPolicy",
                        build_object("set", build_list(header, NULL), NULL), NULL);
}

static cJSON *make_timeout(const struct call *c)
{
    const cJSON *timeout = json_get(c->service, "timeout");

    if (timeout == NULL)
        return NULL;
    return build_object("response", build_copy(timeout), "idle", build_str("5m"), NULL);
}

static cJSON *make_retry(const struct call *c)
{
    const cJSON *retries = json_get(c->service, "retries");
    bool named = json_text(retries, "retryOn")[0] != '\0';

    if (retries == NULL)
        return NULL;
    return build_object(
        "count", build_int(json_int(retries, "attempts", 0)), "perTryTimeout",
        build_copy(json_get(retries, "perTryTimeout")), "retryOn",
        named || call_has(c, QUIRK_BLANK_RETRY_ON) ? retry_events(retries, "") : NULL, NULL);
}

/* Takes over `conditions`. */
static cJSON *make_route(const struct call *c, cJSON *conditions, int64_t primary, int64_t canary)
{
    return build_object("conditions", conditions, "services",
                        build_list(make_service(c, c->names.primary, primary),
                                   make_service(c, c->names.canary, canary), NULL),
                        "timeoutPolicy", make_timeout(c), "retryPolicy", make_retry(c), NULL);
}

static cJSON *plain_condition(const struct call *c)
{
    return build_list(build_object("prefix", build_str(call_first_prefix(c)), NULL), NULL);
}

/* Contour knows no prefix or suffix match of headers; "contains" is the nearest. */
static cJSON *header_condition(const cJSON *matcher)
{
    static const char *const nearest[] = {"prefix", "suffix"};

    for (size_t i = 0; i < sizeof(nearest) / sizeof(nearest[0]); i++) {
        const cJSON *text = json_get(matcher, nearest[i]);

        if (text != NULL)
            return build_object("name", build_str(matcher->string), "contains", build_copy(text),
                                NULL);
    }
    return build_object("name", build_str(matcher->string), "exact",
                        build_copy(json_get(matcher, "exact")), NULL);
}

static cJSON *ab_conditions(const struct call *c)
{
    bool repeat = call_has(c, QUIRK_REPEATED_PREFIX);
    cJSON *conditions = repeat ? build_list(NULL) : plain_condition(c);

    for (const cJSON *m = c->match->child; m != NULL; m = m->next) {
        size_t count;
        const cJSON **headers = build_sorted(json_get(m, "headers"), &count);

        for (size_t i = 0; i < count; i++)
            build_append(conditions,
                         build_object("prefix", repeat ? build_str(call_first_prefix(c)) : NULL,
                                      "header", header_condition(headers[i]), NULL));
        free(headers);
    }
    return conditions;
}

static cJSON *make_proxy(const struct call *c, int64_t primary, int64_t canary)
{
    const char *class = c->options->ingress_class;
    cJSON *routes;

    if (c->match != NULL)
        routes = build_list(make_route(c, ab_conditions(c), primary, canary),
                            make_route(c, plain_condition(c), 100, 0), NULL);
    else
        routes = build_list(make_route(c, plain_condition(c), primary, canary), NULL);
    return build_object("routes", routes, "ingressClassName",
                        class != NULL && class[0] != '\0' ? build_str(class) : NULL, NULL);
}

static void strip_proxy(cJSON *spec)
{
    strip_path(spec, (const char *const[]){"routes", "services", "weight", NULL});
}

static bool read_proxy(const struct call *c, const cJSON *spec, struct routing *ret_routing)
{
    const cJSON *services = json_get(cJSON_GetArrayItem(json_get(spec, "routes"), 0), "services");

    *ret_routing = (struct routing){0, 0, false};
    if (json_count(services) < 2)
        return false;
    for (const cJSON *s = services->child; s != NULL; s = s->next) {
        if (strcmp(json_text(s, "name"), c->names.primary) == 0) {
            ret_routing->primary = json_int(s, "weight", 0);
            ret_routing->canary = 100 - ret_routing->primary;
            break;
        }
    }
    return true;
}

static struct simple_route route_of(struct call *c)
{
    return (struct simple_route){
        .resource = &RESOURCE_CONTOUR_HTTPPROXY,
        .name = c->names.apex,
        .shape = &proxy_shape,
        .label = call_label(c, "HTTPProxy %s.%s", c->names.apex, c->ns),
        .manages_metadata = true,
        .make = make_proxy,
        .strip = strip_proxy,
        .read = read_proxy,
    };
}

/* A header matcher without an operator matches everybody, so a regex must not get that far. */
static int check_match(struct call *c)
{
    if (c->match == NULL || call_has(c, QUIRK_REGEX_MATCHES_ALL))
        return 0;
    for (const cJSON *m = c->match->child; m != NULL; m = m->next) {
        const cJSON *headers = json_get(m, "headers");

        for (const cJSON *h = headers == NULL ? NULL : headers->child; h != NULL; h = h->next) {
            if (json_get(h, "exact") == NULL && json_get(h, "prefix") == NULL &&
                json_get(h, "suffix") == NULL)
                return call_fail(c, -EINVAL,
                                 "HTTPProxy %s.%s: Contour cannot match header %s by a regular "
                                 "expression; everybody "
                                 "would reach the canary",
                                 c->names.apex, c->ns, h->string);
        }
    }
    return 0;
}

static int contour_reconcile(struct call *c)
{
    struct simple_route route = route_of(c);
    int code = check_match(c);

    return code != 0 ? code : reconcile_simple(c, &route, NULL);
}

static int contour_get(struct call *c, struct routing *ret_routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL, *spec;
    int code = call_get(c, route.resource, route.name, &live);

    if (code != 0)
        return call_fail(c, code, "%s get query error %s", route.label, call_api_error(c));
    spec = shape_decode(&proxy_shape, json_get(live, "spec"));
    if (!read_proxy(c, spec, ret_routing))
        code = call_fail(c, -ENODATA, "%s services not found", route.label);
    json_free(spec);
    json_free(live);
    return code;
}

static int contour_set(struct call *c, const struct routing *routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL;
    int code;

    if (routing->primary == 0 && routing->canary == 0)
        return call_fail(c, -EINVAL, "%s update failed: no valid weights", route.label);
    code = check_match(c);
    if (code != 0)
        return code;
    code = call_get(c, route.resource, route.name, &live);
    if (code != 0)
        return call_fail(c, code, "%s query error: %s", route.label, call_api_error(c));
    put_spec(c, &route, live, make_proxy(c, routing->primary, routing->canary), " update error: ");
    json_free(live);
    return 0;
}

const struct router router_contour = {"contour", contour_reconcile, contour_get, contour_set,
                                      router_does_nothing};
