/*
 * Gateway API: one HTTPRoute per Canary, in version v1 or v1beta1. The older version knows no
 * timeouts, no CORS filter, no primary cookie and no readiness.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"
#include "adapters/router/gateway_rules.h"

/* ---- what Flagger knows of the types
 * ----------------------------------------------------------------- */

#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }
#define SHAPE(name) static const struct shape name##_shape = {SHAPE_STRUCT, NULL, name##_fields}
#define SHAPES(name) static const struct shape name##s_shape = {SHAPE_LIST, &name##_shape, NULL}

static const struct field path_fields[] = {{"type", &SHAPE_OF_STRING, FIELD_POINTER},
                                           {"value", &SHAPE_OF_STRING, FIELD_POINTER},
                                           END_OF_FIELDS};
SHAPE(path);
static const struct field named_match_fields[] = {{"type", &SHAPE_OF_STRING, FIELD_POINTER},
                                                  {"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                                  {"value", &SHAPE_OF_STRING, FIELD_KEEP},
                                                  END_OF_FIELDS};
SHAPE(named_match);
static const struct shape named_matches_shape = {SHAPE_LIST, &named_match_shape, NULL};
static const struct field match_fields[] = {{"path", &path_shape, FIELD_POINTER},
                                            {"headers", &named_matches_shape, FIELD_OMIT},
                                            {"queryParams", &named_matches_shape, FIELD_OMIT},
                                            {"method", &SHAPE_OF_STRING, FIELD_POINTER},
                                            END_OF_FIELDS};
SHAPE(match);
static const struct shape matches_shape = {SHAPE_LIST, &match_shape, NULL};
static const struct field header_fields[] = {
    {"name", &SHAPE_OF_STRING, FIELD_KEEP}, {"value", &SHAPE_OF_STRING, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(header);
SHAPES(header);
static const struct field header_filter_fields[] = {{"set", &headers_shape, FIELD_OMIT},
                                                    {"add", &headers_shape, FIELD_OMIT},
                                                    {"remove", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                                    END_OF_FIELDS};
SHAPE(header_filter);
static const struct field path_modifier_fields[] = {
    {"type", &SHAPE_OF_STRING, FIELD_KEEP},
    {"replaceFullPath", &SHAPE_OF_STRING, FIELD_POINTER},
    {"replacePrefixMatch", &SHAPE_OF_STRING, FIELD_POINTER},
    END_OF_FIELDS};
SHAPE(path_modifier);
static const struct field redirect_fields[] = {
    {"scheme", &SHAPE_OF_STRING, FIELD_POINTER},   {"hostname", &SHAPE_OF_STRING, FIELD_POINTER},
    {"path", &path_modifier_shape, FIELD_POINTER}, {"port", &SHAPE_OF_INT, FIELD_POINTER},
    {"statusCode", &SHAPE_OF_INT, FIELD_POINTER},  END_OF_FIELDS};
SHAPE(redirect);
static const struct field rewrite_fields[] = {{"hostname", &SHAPE_OF_STRING, FIELD_POINTER},
                                              {"path", &path_modifier_shape, FIELD_POINTER},
                                              END_OF_FIELDS};
SHAPE(rewrite);
static const struct field fraction_fields[] = {{"numerator", &SHAPE_OF_INT, FIELD_KEEP},
                                               {"denominator", &SHAPE_OF_INT, FIELD_POINTER},
                                               END_OF_FIELDS};
SHAPE(fraction);
static const struct field mirror_fields[] = {{"backendRef", &SHAPE_OF_BACKEND_OBJECT, FIELD_KEEP},
                                             {"percent", &SHAPE_OF_INT, FIELD_POINTER},
                                             {"fraction", &fraction_shape, FIELD_POINTER},
                                             END_OF_FIELDS};
SHAPE(mirror);
static const struct field mirror_v1beta1_fields[] = {
    {"backendRef", &SHAPE_OF_BACKEND_OBJECT, FIELD_KEEP}, END_OF_FIELDS};
SHAPE(mirror_v1beta1);
static const struct field cors_fields[] = {{"allowOrigins", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                           {"allowCredentials", &SHAPE_OF_BOOL, FIELD_POINTER},
                                           {"allowMethods", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                           {"allowHeaders", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                           {"exposeHeaders", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                           {"maxAge", &SHAPE_OF_INT, FIELD_OMIT},
                                           END_OF_FIELDS};
SHAPE(cors);
static const struct field grpc_auth_fields[] = {{"allowedHeaders", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                                END_OF_FIELDS};
SHAPE(grpc_auth);
static const struct field http_auth_fields[] = {
    {"path", &SHAPE_OF_STRING, FIELD_OMIT},
    {"allowedHeaders", &SHAPE_OF_STRINGS, FIELD_OMIT},
    {"allowedResponseHeaders", &SHAPE_OF_STRINGS, FIELD_OMIT},
    END_OF_FIELDS};
SHAPE(http_auth);
static const struct field forward_body_fields[] = {{"maxSize", &SHAPE_OF_INT, FIELD_OMIT},
                                                   END_OF_FIELDS};
SHAPE(forward_body);
static const struct field external_auth_fields[] = {
    {"protocol", &SHAPE_OF_STRING, FIELD_OMIT},
    {"backendRef", &SHAPE_OF_BACKEND_OBJECT, FIELD_KEEP},
    {"grpc", &grpc_auth_shape, FIELD_POINTER},
    {"http", &http_auth_shape, FIELD_POINTER},
    {"forwardBody", &forward_body_shape, FIELD_POINTER},
    END_OF_FIELDS};
SHAPE(external_auth);
static const struct field extension_ref_fields[] = {{"group", &SHAPE_OF_STRING, FIELD_KEEP},
                                                    {"kind", &SHAPE_OF_STRING, FIELD_KEEP},
                                                    {"name", &SHAPE_OF_STRING, FIELD_KEEP},
                                                    END_OF_FIELDS};
SHAPE(extension_ref);

#define FILTER_FIELDS                                                                              \
    {"type", &SHAPE_OF_STRING, FIELD_KEEP},                                                        \
        {"requestHeaderModifier", &header_filter_shape, FIELD_POINTER},                            \
        {"responseHeaderModifier", &header_filter_shape, FIELD_POINTER},                           \
        {"requestRedirect", &redirect_shape, FIELD_POINTER},                                       \
        {"urlRewrite", &rewrite_shape, FIELD_POINTER},                                             \
    {                                                                                              \
        "extensionRef", &extension_ref_shape, FIELD_POINTER                                        \
    }
static const struct field filter_fields[] = {FILTER_FIELDS,
                                             {"requestMirror", &mirror_shape, FIELD_POINTER},
                                             {"cors", &cors_shape, FIELD_POINTER},
                                             {"externalAuth", &external_auth_shape, FIELD_POINTER},
                                             END_OF_FIELDS};
SHAPE(filter);
SHAPES(filter);
static const struct field filter_v1beta1_fields[] = {
    FILTER_FIELDS, {"requestMirror", &mirror_v1beta1_shape, FIELD_POINTER}, END_OF_FIELDS};
SHAPE(filter_v1beta1);
SHAPES(filter_v1beta1);

#define BACKEND_FIELDS                                                                             \
    {"group", &SHAPE_OF_STRING, FIELD_POINTER}, {"kind", &SHAPE_OF_STRING, FIELD_POINTER},         \
        {"name", &SHAPE_OF_STRING, FIELD_KEEP}, {"namespace", &SHAPE_OF_STRING, FIELD_POINTER},    \
        {"port", &SHAPE_OF_INT, FIELD_POINTER},                                                    \
    {                                                                                              \
        "weight", &SHAPE_OF_INT, FIELD_POINTER                                                     \
    }
static const struct field backend_fields[] = {
    BACKEND_FIELDS, {"filters", &filters_shape, FIELD_OMIT}, END_OF_FIELDS};
SHAPE(backend);
SHAPES(backend);
static const struct field backend_v1beta1_fields[] = {
    BACKEND_FIELDS, {"filters", &filter_v1beta1s_shape, FIELD_OMIT}, END_OF_FIELDS};
SHAPE(backend_v1beta1);
SHAPES(backend_v1beta1);
static const struct field timeouts_fields[] = {{"request", &SHAPE_OF_STRING, FIELD_POINTER},
                                               {"backendRequest", &SHAPE_OF_STRING, FIELD_POINTER},
                                               END_OF_FIELDS};
SHAPE(timeouts);
static const struct shape codes_shape = {SHAPE_LIST, &SHAPE_OF_INT, NULL};
static const struct field retry_fields[] = {{"codes", &codes_shape, FIELD_OMIT},
                                            {"attempts", &SHAPE_OF_INT, FIELD_POINTER},
                                            {"backoff", &SHAPE_OF_STRING, FIELD_POINTER},
                                            END_OF_FIELDS};
SHAPE(retry);
static const struct field cookie_config_fields[] = {
    {"lifetimeType", &SHAPE_OF_STRING, FIELD_POINTER}, END_OF_FIELDS};
SHAPE(cookie_config);
static const struct field persistence_fields[] = {
    {"sessionName", &SHAPE_OF_STRING, FIELD_POINTER},
    {"absoluteTimeout", &SHAPE_OF_STRING, FIELD_POINTER},
    {"idleTimeout", &SHAPE_OF_STRING, FIELD_POINTER},
    {"type", &SHAPE_OF_STRING, FIELD_POINTER},
    {"cookieConfig", &cookie_config_shape, FIELD_POINTER},
    END_OF_FIELDS};
SHAPE(persistence);
static const struct field rule_fields[] = {
    {"name", &SHAPE_OF_STRING, FIELD_POINTER},
    {"matches", &matches_shape, FIELD_OMIT},
    {"filters", &filters_shape, FIELD_OMIT},
    {"backendRefs", &backends_shape, FIELD_OMIT},
    {"timeouts", &timeouts_shape, FIELD_POINTER},
    {"retry", &retry_shape, FIELD_POINTER},
    {"sessionPersistence", &persistence_shape, FIELD_POINTER},
    END_OF_FIELDS};
SHAPE(rule);
SHAPES(rule);
static const struct field rule_v1beta1_fields[] = {
    {"matches", &matches_shape, FIELD_OMIT},
    {"filters", &filter_v1beta1s_shape, FIELD_OMIT},
    {"backendRefs", &backend_v1beta1s_shape, FIELD_OMIT},
    END_OF_FIELDS};
SHAPE(rule_v1beta1);
SHAPES(rule_v1beta1);
static const struct field route_fields[] = {{"parentRefs", &SHAPE_OF_PARENT_REFS, FIELD_OMIT},
                                            {"useDefaultGateways", &SHAPE_OF_STRING, FIELD_OMIT},
                                            {"hostnames", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                            {"rules", &rules_shape, FIELD_OMIT},
                                            END_OF_FIELDS};
SHAPE(route);
static const struct field route_v1beta1_fields[] = {
    {"parentRefs", &SHAPE_OF_PARENT_REFS, FIELD_OMIT},
    {"hostnames", &SHAPE_OF_STRINGS, FIELD_OMIT},
    {"rules", &rule_v1beta1s_shape, FIELD_OMIT},
    END_OF_FIELDS};
SHAPE(route_v1beta1);

static const struct shape *shape_of_route(const struct call *c)
{
    return gateway_is_v1(c) ? &route_shape : &route_v1beta1_shape;
}

static const struct resource *resource_of_route(const struct call *c)
{
    return gateway_is_v1(c) ? &RESOURCE_GATEWAY_V1_HTTPROUTE : &RESOURCE_GATEWAY_V1BETA1_HTTPROUTE;
}

/* ---- comparing
 * --------------------------------------------------------------------------------------- */

static bool is_cookie_rule(const cJSON *rule, const char *cookie_name)
{
    const cJSON *matches = json_get(rule, "matches");

    for (const cJSON *m = matches == NULL ? NULL : matches->child; m != NULL; m = m->next) {
        const cJSON *headers = json_get(m, "headers");

        for (const cJSON *h = headers == NULL ? NULL : headers->child; h != NULL; h = h->next) {
            if (strcmp(json_text(h, "type"), "RegularExpression") == 0 &&
                strcmp(json_text(h, "name"), "Cookie") == 0 &&
                strstr(json_text(h, "value"), cookie_name) != NULL)
                return true;
        }
    }
    return false;
}

static void remove_cookie_rules(cJSON *rules, const char *cookie_name)
{
    cJSON *next;

    for (cJSON *rule = rules == NULL ? NULL : rules->child; rule != NULL; rule = next) {
        next = rule->next;
        if (is_cookie_rule(rule, cookie_name))
            json_free(cJSON_DetachItemViaPointer(rules, rule));
    }
}

static bool is_analysing(const struct call *c)
{
    return strcmp(c->phase, "Waiting") == 0 || strcmp(c->phase, "Progressing") == 0 ||
           strcmp(c->phase, "WaitingPromotion") == 0;
}

static void ignore_in_rule(const struct call *c, cJSON *rule)
{
    cJSON *backends = json_get(rule, "backendRefs");

    if (json_bool(c->analysis, "mirror", false) && is_analysing(c))
        json_remove(rule, "filters");
    for (cJSON *b = backends == NULL ? NULL : backends->child; b != NULL; b = b->next) {
        json_remove(b, "weight");
        if (c->affinity != NULL)
            json_remove(b, "filters");
    }
}

/* A copy without what a rollout changes, and without empty lists. */
static cJSON *comparable(const struct call *c, const cJSON *spec)
{
    cJSON *copy = build_copy(spec), *rules = json_get(copy, "rules");

    if (c->affinity != NULL) {
        const char *primary = json_text(c->affinity, "primaryCookieName");

        remove_cookie_rules(rules, json_text(c->affinity, "cookieName"));
        if (gateway_is_v1(c) && (primary[0] != '\0' || call_has(c, QUIRK_EMPTY_NAME_HIDES_DRIFT)))
            remove_cookie_rules(rules, primary);
    }
    for (cJSON *rule = rules == NULL ? NULL : rules->child; rule != NULL; rule = rule->next)
        ignore_in_rule(c, rule);
    return copy;
}

/*
 * Absent and empty lists are the same here, but a pointer to an empty struct is not the same as
 * none: so lists and maps alone are dropped, by the shape.
 */
static bool specs_differ(const struct call *c, const cJSON *a, const cJSON *b)
{
    cJSON *left = comparable(c, a), *right = comparable(c, b);
    bool differ;

    shape_encode(shape_of_route(c), left);
    shape_encode(shape_of_route(c), right);
    differ = !json_equal(left, right);
    json_free(left);
    json_free(right);
    return differ;
}

/* ---- reading
 * ----------------------------------------------------------------------------------------- */

static void read_backends(const struct call *c, const cJSON *rule, struct routing *r)
{
    const cJSON *backends = json_get(rule, "backendRefs");

    for (const cJSON *b = backends == NULL ? NULL : backends->child; b != NULL; b = b->next) {
        const char *name = json_text(b, "name");

        if (strcmp(name, c->names.primary) == 0)
            r->primary = json_int(b, "weight", 1); /* the API's default */
        if (strcmp(name, c->names.canary) == 0)
            r->canary = json_int(b, "weight", 1);
    }
}

static bool has_backend_filter(const cJSON *rule)
{
    const cJSON *backends = json_get(rule, "backendRefs");

    for (const cJSON *b = backends == NULL ? NULL : backends->child; b != NULL; b = b->next) {
        if (!json_is_empty(json_get(b, "filters")))
            return true;
    }
    return false;
}

static bool mirrors_to_canary(const struct call *c, const cJSON *rule)
{
    const cJSON *filters = json_get(rule, "filters");

    for (const cJSON *f = filters == NULL ? NULL : filters->child; f != NULL; f = f->next) {
        const cJSON *backend = json_at(f, "requestMirror", "backendRef", NULL);

        if (strcmp(json_text(f, "type"), "RequestMirror") == 0 && backend != NULL &&
            strcmp(json_text(backend, "name"), c->names.canary) == 0)
            return true;
    }
    return false;
}

static void read_spec(const struct call *c, const cJSON *spec, struct routing *ret_routing)
{
    const cJSON *rules = json_get(spec, "rules"), *weighted = NULL;
    struct routing r = {0, 0, false};

    for (const cJSON *rule = rules == NULL ? NULL : rules->child; rule != NULL; rule = rule->next) {
        if (c->affinity != NULL && has_backend_filter(rule))
            weighted = rule;
        if (json_count(json_get(rule, "backendRefs")) == 2)
            read_backends(c, rule, &r);
        if (mirrors_to_canary(c, rule))
            r.mirror = true;
    }
    if (weighted != NULL)
        read_backends(c, weighted, &r);
    *ret_routing = r;
}

/* A condition that says that the parent has not (yet) accepted the route, or NULL. */
static const cJSON *unready_condition(const cJSON *parent_status, int64_t generation)
{
    const cJSON *conditions = json_get(parent_status, "conditions");

    for (const cJSON *d = conditions == NULL ? NULL : conditions->child; d != NULL; d = d->next) {
        if (strcmp(json_text(d, "type"), "Accepted") == 0 &&
            (strcmp(json_text(d, "status"), "True") != 0 ||
             json_int(d, "observedGeneration", 0) < generation))
            return d;
    }
    return NULL;
}

/* Every parent of the spec that reports a status must have accepted the newest generation. */
static int check_parents(struct call *c, const cJSON *live, const cJSON *spec)
{
    int64_t generation = json_int(json_get(live, "metadata"), "generation", 0);
    const cJSON *refs = json_get(spec, "parentRefs"),
                *parents = json_at(live, "status", "parents", NULL);
    int code = 0;

    for (const cJSON *ref = refs == NULL ? NULL : refs->child; ref != NULL && code == 0;
         ref = ref->next) {
        for (const cJSON *p = parents == NULL ? NULL : parents->child; p != NULL && code == 0;
             p = p->next) {
            cJSON *reported = shape_decode(SHAPE_OF_PARENT_REFS.of, json_get(p, "parentRef"));
            const cJSON *d = json_equal(reported, ref) ? unready_condition(p, generation) : NULL;

            json_free(reported);
            if (d != NULL)
                code = call_fail(
                    c, -EAGAIN,
                    "HTTPRoute %s.%s parent %s is not ready (status: %s, observed generation: "
                    "%lld, "
                    "current generation: %lld)",
                    c->names.apex, c->ns, json_text(ref, "name"), json_text(d, "status"),
                    (long long)json_int(d, "observedGeneration", 0), (long long)generation);
        }
    }
    return code;
}

/* ---- the calls
 * --------------------------------------------------------------------------------------- */

/* Annotations of other controllers stay. */
static void keep_annotations(const cJSON *live, cJSON *annotations)
{
    const cJSON *given = json_at(live, "metadata", "annotations", NULL);

    for (const cJSON *a = build_members(given); a != NULL; a = a->next) {
        if (json_get(annotations, a->string) == NULL)
            build_set(annotations, a->string, build_copy(a));
    }
}

/* Put the rules of a rollout in progress in place of those at rest, so that an update moves no
 * traffic. */
static void carry_routing(struct call *c, const cJSON *live_spec, cJSON *spec)
{
    struct routing r;
    cJSON *rules = NULL;

    if (call_has(c, QUIRK_RESET_WEIGHTS))
        return;
    read_spec(c, live_spec, &r);
    if (r.canary == 0 && !r.mirror)
        return;
    if (c->affinity != NULL && c->result->cookies.session[0] == '\0' && c->match == NULL)
        return; /* a cookie is made by a step alone, never here */
    if (gateway_rules(c, &r, &rules) == 0)
        build_set(spec, "rules", rules);
}

static void update_route(struct call *c, const cJSON *live, cJSON *spec)
{
    cJSON *labels = call_labels(c), *annotations = call_annotations(c);
    cJSON *live_spec = shape_decode(shape_of_route(c), json_get(live, "spec"));

    keep_annotations(live, annotations);
    if (specs_differ(c, spec, live_spec) || metadata_differs(live, labels, annotations)) {
        cJSON *object;

        carry_routing(c, live_spec, spec);
        shape_encode(shape_of_route(c), spec);
        object = call_with_spec(c, shape_of_route(c), live, build_copy(spec));
        object_set_metadata(object, labels, annotations);
        call_write(c, ROUTER_PUT, resource_of_route(c), c->names.apex, object,
                   "HTTPRoute %s.%s update error: ", c->names.apex, c->ns)
            ->after = build_text(" while reconciling");
    } else {
        json_free(labels);
        json_free(annotations);
    }
    json_free(live_spec);
}

static int gateway_reconcile(struct call *c)
{
    const char *apex = c->names.apex;
    cJSON *live = NULL, *spec = NULL;
    int code;

    if (json_is_empty(json_get(c->service, "gatewayRefs")))
        return call_fail(c, -EINVAL,
                         "GatewayRefs must be specified when using Gateway API as a provider.");
    code = gateway_spec_at_rest(c, &spec);
    if (code != 0)
        return code;
    code = call_get(c, resource_of_route(c), apex, &live);
    if (code == -ENOENT) {
        shape_encode(shape_of_route(c), spec);
        call_write(c, ROUTER_POST, resource_of_route(c), apex,
                   call_new_object(c, resource_of_route(c), apex, call_labels(c),
                                   call_annotations(c), spec),
                   "HTTPRoute %s.%s create error: ", apex, c->ns);
        return 0;
    }
    if (code != 0)
        (void)call_fail(c, code, "HTTPRoute %s.%s get error: %s", apex, c->ns, call_api_error(c));
    else
        update_route(c, live, spec);
    json_free(spec);
    json_free(live);
    return code;
}

static int gateway_get(struct call *c, struct routing *ret_routing)
{
    cJSON *live = NULL, *spec;
    int code = call_get(c, resource_of_route(c), c->names.apex, &live);

    if (code != 0)
        return call_fail(c, code, "HTTPRoute %s.%s get error: %s", c->names.apex, c->ns,
                         call_api_error(c));
    spec = shape_decode(shape_of_route(c), json_get(live, "spec"));
    if (gateway_is_v1(c))
        code = check_parents(c, live, spec);
    if (code == 0)
        read_spec(c, spec, ret_routing);
    json_free(spec);
    json_free(live);
    return code;
}

static int gateway_set(struct call *c, const struct routing *routing)
{
    const char *apex = c->names.apex;
    cJSON *live = NULL, *rules = NULL, *spec;
    int code = call_get(c, resource_of_route(c), apex, &live);

    if (code != 0)
        return call_fail(c, code, "HTTPRoute %s.%s get error: %s", apex, c->ns, call_api_error(c));
    code = gateway_rules(c, routing, &rules);
    if (code == 0) {
        spec = gateway_spec(c, rules);
        shape_encode(shape_of_route(c), spec);
        call_write(c, ROUTER_PUT, resource_of_route(c), apex,
                   call_with_spec(c, shape_of_route(c), live, spec),
                   "HTTPRoute %s.%s update error: ", apex, c->ns)
            ->after = build_text(" while setting weights");
    }
    json_free(live);
    return code;
}

const struct router router_gateway = {"gatewayapi", gateway_reconcile, gateway_get, gateway_set,
                                      router_does_nothing};
