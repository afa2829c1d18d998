/*
 * Istio: one VirtualService and two DestinationRules per Canary. All strategies, session affinity,
 * mirroring, delegation and TCP.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "adapters/router/affinity.h"
#include "adapters/router/build.h"

#define KUBECTL_ANNOTATION "kubectl.kubernetes.io/last-applied-configuration"
#define CONFIG_ANNOTATION "flagger.kubernetes.io/original-configuration"

/* ---- what Flagger knows of the types
 * ----------------------------------------------------------------- */

#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }

static const struct field port_fields[] = {
    {"number", &SHAPE_OF_INT, FIELD_OMIT}, {"name", &SHAPE_OF_STRING, FIELD_OMIT}, END_OF_FIELDS};
static const struct shape port_shape = {SHAPE_STRUCT, NULL, port_fields};
static const struct field destination_fields[] = {{"host", &SHAPE_OF_STRING, FIELD_KEEP},
                                                  {"subset", &SHAPE_OF_STRING, FIELD_OMIT},
                                                  {"port", &port_shape, FIELD_POINTER},
                                                  END_OF_FIELDS};
static const struct shape destination_shape = {SHAPE_STRUCT, NULL, destination_fields};
static const struct field target_fields[] = {{"destination", &destination_shape, FIELD_KEEP},
                                             {"weight", &SHAPE_OF_INT, FIELD_KEEP},
                                             {"headers", &SHAPE_OF_ISTIO_HEADERS, FIELD_POINTER},
                                             END_OF_FIELDS};
static const struct shape target_shape = {SHAPE_STRUCT, NULL, target_fields};
static const struct shape targets_shape = {SHAPE_LIST, &target_shape, NULL};
static const struct field uri_authority_fields[] = {{"uri", &SHAPE_OF_STRING, FIELD_OMIT},
                                                    {"authority", &SHAPE_OF_STRING, FIELD_OMIT},
                                                    END_OF_FIELDS};
static const struct shape uri_authority_shape = {SHAPE_STRUCT, NULL, uri_authority_fields};
static const struct field delay_fields[] = {{"percent", &SHAPE_OF_INT, FIELD_OMIT},
                                            {"fixedDelay", &SHAPE_OF_STRING, FIELD_KEEP},
                                            {"exponentialDelay", &SHAPE_OF_STRING, FIELD_OMIT},
                                            END_OF_FIELDS};
static const struct shape delay_shape = {SHAPE_STRUCT, NULL, delay_fields};
static const struct field abort_fields[] = {{"percent", &SHAPE_OF_INT, FIELD_OMIT},
                                            {"httpStatus", &SHAPE_OF_INT, FIELD_KEEP},
                                            END_OF_FIELDS};
static const struct shape abort_shape = {SHAPE_STRUCT, NULL, abort_fields};
static const struct field fault_fields[] = {
    {"delay", &delay_shape, FIELD_POINTER}, {"abort", &abort_shape, FIELD_POINTER}, END_OF_FIELDS};
static const struct shape fault_shape = {SHAPE_STRUCT, NULL, fault_fields};
static const struct field percent_fields[] = {{"value", &SHAPE_OF_FLOAT, FIELD_OMIT},
                                              END_OF_FIELDS};
static const struct shape percent_shape = {SHAPE_STRUCT, NULL, percent_fields};
static const struct field http_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_OMIT},
                                           {"match", &SHAPE_OF_ISTIO_MATCH, FIELD_OMIT},
                                           {"route", &targets_shape, FIELD_OMIT},
                                           {"redirect", &uri_authority_shape, FIELD_POINTER},
                                           {"rewrite", &uri_authority_shape, FIELD_POINTER},
                                           {"timeout", &SHAPE_OF_STRING, FIELD_OMIT},
                                           {"retries", &SHAPE_OF_ISTIO_RETRY, FIELD_POINTER},
                                           {"fault", &fault_shape, FIELD_POINTER},
                                           {"mirror", &destination_shape, FIELD_POINTER},
                                           {"mirrorPercentage", &percent_shape, FIELD_POINTER},
                                           {"corsPolicy", &SHAPE_OF_ISTIO_CORS, FIELD_POINTER},
                                           {"headers", &SHAPE_OF_ISTIO_HEADERS, FIELD_POINTER},
                                           END_OF_FIELDS};
static const struct shape http_shape = {SHAPE_STRUCT, NULL, http_fields};
static const struct shape https_shape = {SHAPE_LIST, &http_shape, NULL};
static const struct field l4_fields[] = {{"destinationSubnet", &SHAPE_OF_STRING, FIELD_OMIT},
                                         {"port", &SHAPE_OF_INT, FIELD_OMIT},
                                         {"sourceSubnet", &SHAPE_OF_STRING, FIELD_OMIT},
                                         {"sourceLabel", &SHAPE_OF_STRING_MAP, FIELD_OMIT},
                                         {"gateways", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                         END_OF_FIELDS};
static const struct shape l4_shape = {SHAPE_STRUCT, NULL, l4_fields};
static const struct shape l4s_shape = {SHAPE_LIST, &l4_shape, NULL};
static const struct field tcp_fields[] = {
    {"match", &l4s_shape, FIELD_OMIT}, {"route", &targets_shape, FIELD_KEEP}, END_OF_FIELDS};
static const struct shape tcp_shape = {SHAPE_STRUCT, NULL, tcp_fields};
static const struct shape tcps_shape = {SHAPE_LIST, &tcp_shape, NULL};
static const struct field virtual_service_fields[] = {{"hosts", &SHAPE_OF_STRINGS, FIELD_KEEP},
                                                      {"gateways", &SHAPE_OF_STRINGS, FIELD_OMIT},
                                                      {"http", &https_shape, FIELD_OMIT},
                                                      {"tcp", &tcps_shape, FIELD_OMIT},
                                                      END_OF_FIELDS};
static const struct shape virtual_service_shape = {SHAPE_STRUCT, NULL, virtual_service_fields};

static const struct field subset_fields[] = {
    {"name", &SHAPE_OF_STRING, FIELD_KEEP},
    {"labels", &SHAPE_OF_STRING_MAP, FIELD_KEEP},
    {"trafficPolicy", &SHAPE_OF_ISTIO_TRAFFIC_POLICY, FIELD_POINTER},
    END_OF_FIELDS};
static const struct shape subset_shape = {SHAPE_STRUCT, NULL, subset_fields};
static const struct shape subsets_shape = {SHAPE_LIST, &subset_shape, NULL};
static const struct field rule_fields[] = {
    {"host", &SHAPE_OF_STRING, FIELD_KEEP},
    {"trafficPolicy", &SHAPE_OF_ISTIO_TRAFFIC_POLICY, FIELD_POINTER},
    {"subsets", &subsets_shape, FIELD_OMIT},
    END_OF_FIELDS};
static const struct shape rule_shape = {SHAPE_STRUCT, NULL, rule_fields};

/* ---- comparing
 * --------------------------------------------------------------------------------------- */

/* Equal but for what `call_has(QUIRK_EMPTY_IS_DRIFT)` says about empty lists. Takes both over. */
static bool specs_differ(const struct call *c, cJSON *a, cJSON *b)
{
    bool differ;

    if (!call_has(c, QUIRK_EMPTY_IS_DRIFT)) {
        json_drop_empty(a);
        json_drop_empty(b);
    }
    differ = !json_equal(a, b);
    json_free(a);
    json_free(b);
    return differ;
}

/* ---- DestinationRules
 * -------------------------------------------------------------------------------- */

static int reconcile_destination_rule(struct call *c, const char *name)
{
    cJSON *spec = build_object("host", build_str(name), "trafficPolicy",
                               build_copy(json_get(c->service, "trafficPolicy")), NULL);
    cJSON *live = NULL;
    int code = call_get(c, &RESOURCE_ISTIO_DESTINATION_RULE, name, &live);

    c->prefix = "reconcileDestinationRule failed: ";
    if (code == -ENOENT) {
        shape_encode(&rule_shape, spec);
        call_write(c, ROUTER_POST, &RESOURCE_ISTIO_DESTINATION_RULE, name,
                   call_new_object(c, &RESOURCE_ISTIO_DESTINATION_RULE, name, NULL, NULL, spec),
                   "DestinationRule %s.%s create error: ", name, c->ns);
        return 0;
    }
    if (code != 0) {
        json_free(spec);
        return call_fail(c, code, "DestinationRule %s.%s get query error: %s", name, c->ns,
                         call_api_error(c));
    }
    if (specs_differ(c, build_copy(spec), shape_decode(&rule_shape, json_get(live, "spec")))) {
        shape_encode(&rule_shape, spec);
        call_write(c, ROUTER_PUT, &RESOURCE_ISTIO_DESTINATION_RULE, name,
                   call_with_spec(c, &rule_shape, live, spec),
                   "DestinationRule %s.%s update error: ", name, c->ns);
    } else {
        json_free(spec);
    }
    json_free(live);
    return 0;
}

/* ---- parts of a VirtualService
 * ----------------------------------------------------------------------- */

static bool is_tcp(const struct call *c)
{
    return strcasecmp(json_text(c->service, "appProtocol"), "tcp") == 0;
}

static bool is_delegate(const struct call *c)
{
    return json_bool(c->service, "delegation", false);
}

/* Gateways need the port of a destination that listens on several. */
static bool names_port(const struct call *c)
{
    const cJSON *first = cJSON_GetArrayItem(json_get(c->service, "gateways"), 0);

    if (!json_bool(c->service, "portDiscovery", false))
        return false;
    return is_delegate(c) || (first != NULL && strcmp(first->valuestring, "mesh") != 0);
}

static cJSON *make_target(const struct call *c, const char *host, int64_t weight)
{
    cJSON *port = names_port(c) ? build_object("number", build_int(c->port), NULL) : NULL;

    return build_object("destination", build_object("host", build_str(host), "port", port, NULL),
                        "weight", build_int(weight), NULL);
}

static cJSON *both_targets(const struct call *c, int64_t primary, int64_t canary)
{
    return build_list(make_target(c, c->names.primary, primary),
                      make_target(c, c->names.canary, canary), NULL);
}

/* An HTTP route with everything that spec.service says. Takes over match and route. */
static cJSON *make_http(const struct call *c, cJSON *match, cJSON *route)
{
    const cJSON *rewrite = json_get(c->service, "rewrite");

    return build_object("match", match, "route", route, "rewrite",
                        rewrite == NULL ? NULL : shape_decode(&uri_authority_shape, rewrite),
                        "timeout", build_copy(json_get(c->service, "timeout")), "retries",
                        build_copy(json_get(c->service, "retries")), "corsPolicy",
                        build_copy(json_get(c->service, "corsPolicy")), "headers",
                        build_copy(json_get(c->service, "headers")), NULL);
}

static cJSON *service_match(const struct call *c)
{
    return build_copy(json_get(c->service, "match"));
}

static cJSON *merge_entry(const struct call *c, const cJSON *condition, const cJSON *base)
{
    static const char *const carried[] = {"headers", "sourceLabels"};
    cJSON *merged = build_copy(base);

    for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++)
        build_set(merged, carried[i], build_copy(json_get(condition, carried[i])));
    if (!call_has(c, QUIRK_DROP_ANALYSIS_MATCH)) {
        for (const cJSON *m = condition->child; m != NULL; m = m->next)
            build_set(merged, m->string, build_copy(m));
    }
    return merged;
}

/* Every pair of a condition and an entry of spec.service.match; the conditions alone when there is
 * none. */
static cJSON *merge_match(const struct call *c, const cJSON *conditions)
{
    const cJSON *base = json_get(c->service, "match");
    cJSON *merged;

    if (json_is_empty(base))
        return build_copy(conditions);
    merged = build_list(NULL);
    for (const cJSON *condition = conditions->child; condition != NULL;
         condition = condition->next) {
        for (const cJSON *entry = base->child; entry != NULL; entry = entry->next)
            build_append(merged, merge_entry(c, condition, entry));
    }
    return merged;
}

static cJSON *tcp_route(const struct call *c, int64_t primary, int64_t canary)
{
    const cJSON *given = json_get(c->service, "match");
    cJSON *match = json_is_empty(given) ? NULL : build_list(NULL);

    if (match != NULL) {
        for (const cJSON *m = given->child; m != NULL; m = m->next)
            build_append(match, build_object("port", build_copy(json_get(m, "port")), NULL));
    }
    return build_list(build_object("match", match, "route", both_targets(c, primary, canary), NULL),
                      NULL);
}

static cJSON *ab_routes(const struct call *c, int64_t primary, int64_t canary, int64_t fallback)
{
    return build_list(make_http(c, merge_match(c, c->match), both_targets(c, primary, canary)),
                      make_http(c, service_match(c),
                                build_list(make_target(c, c->names.primary, fallback), NULL)),
                      NULL);
}

static cJSON *weighted_route(const struct call *c, int64_t primary, int64_t canary)
{
    return make_http(c, service_match(c), both_targets(c, primary, canary));
}

/* ---- session affinity
 * -------------------------------------------------------------------------------- */

/* The entries of spec.service.match, each narrowed to requests that carry the cookie. */
static cJSON *cookie_match(const struct call *c, const char *cookie)
{
    char *pattern = affinity_pattern(cookie);
    cJSON *header = build_object("regex", build_str(pattern), NULL);
    cJSON *conditions =
        build_list(build_object("headers", build_object("Cookie", header, NULL), NULL), NULL);
    cJSON *merged = merge_match(c, conditions);

    if (!call_has(c, QUIRK_COOKIE_DROPS_HEADERS)) {
        const cJSON *entry =
            json_get(c->service, "match") == NULL ? NULL : json_get(c->service, "match")->child;

        for (cJSON *m = merged->child; m != NULL && entry != NULL;
             m = m->next, entry = entry->next) {
            cJSON *headers = build_copy(json_get(entry, "headers"));

            if (headers == NULL)
                continue;
            build_set(headers, "Cookie", build_copy(header));
            build_set(m, "headers", headers);
        }
    }
    json_free(conditions);
    free(pattern);
    return merged;
}

static cJSON *sticky_route(const struct call *c, const char *cookie, int64_t primary,
                           int64_t canary)
{
    return make_http(c, cookie_match(c, cookie), both_targets(c, primary, canary));
}

/* `headers: {response: {add: {Set-Cookie: text}}}` on a destination; takes over `text`. */
static void target_set_cookie(cJSON *route, const char *host, char *text)
{
    for (cJSON *target = json_get(route, "route")->child; target != NULL; target = target->next) {
        if (strcmp(json_text(json_get(target, "destination"), "host"), host) == 0) {
            cJSON *add = build_object("Set-Cookie", build_str(text), NULL);

            build_set(target, "headers",
                      build_object("response", build_object("add", add, NULL), NULL));
            break;
        }
    }
    free(text);
}

static void route_set_cookie(cJSON *route, const char *text)
{
    cJSON *response = build_child(build_child(route, "headers"), "response");

    build_set(build_child(response, "add"), "Set-Cookie", build_str(text));
}

static int rules_while_running(struct call *c, int64_t primary, int64_t canary, cJSON **ret_rules)
{
    cJSON *weighted, *rules;
    char *cookie = NULL;
    int code = affinity_start(c, true);

    if (code != 0)
        return code;
    if (affinity_primary_name(c) != NULL && (code = affinity_primary_cookie(c, &cookie)) != 0)
        return code;
    weighted = weighted_route(c, primary, canary);
    target_set_cookie(weighted, c->names.canary, affinity_canary_cookie(c));
    rules = build_list(sticky_route(c, c->result->cookies.session, 0, 100), NULL);
    if (cookie != NULL) {
        target_set_cookie(weighted, c->names.primary, cookie);
        build_append(rules, sticky_route(c, c->result->cookies.primary, 100, 0));
    }
    build_append(rules, weighted);
    *ret_rules = rules;
    return 0;
}

/* Flagger writes the deletion cookie into the Canary's own headers, which every rule refers to. */
static bool shares_headers(const struct call *c)
{
    return call_has(c, QUIRK_SHARED_HEADERS) && json_get(c->service, "headers") != NULL;
}

static void delete_cookie_everywhere(struct call *c, cJSON *https)
{
    char *deletion = affinity_deletion_cookie(c);

    for (cJSON *route = https->child; route != NULL; route = route->next)
        route_set_cookie(route, deletion);
    free(deletion);
}

static cJSON *rules_after_run(struct call *c, int64_t primary, int64_t canary)
{
    cJSON *weighted = weighted_route(c, primary, canary), *sticky;
    char *deletion;

    affinity_stop(c);
    if (c->result->cookies.previous[0] == '\0') {
        if (!call_has(c, QUIRK_TWIN_RULE))
            return build_list(weighted, NULL);
        sticky = build_copy(weighted);
        return build_list(sticky, weighted, NULL);
    }
    sticky = sticky_route(c, c->result->cookies.previous, primary, canary);
    deletion = affinity_deletion_cookie(c);
    route_set_cookie(sticky, deletion);
    if (shares_headers(c))
        route_set_cookie(weighted, deletion);
    free(deletion);
    return build_list(sticky, weighted, NULL);
}

/* ---- VirtualService
 * ---------------------------------------------------------------------------------- */

/* The http section for these weights. */
static int make_https(struct call *c, const struct routing *r, cJSON **ret_https)
{
    cJSON *https = NULL;

    if (c->affinity != NULL && r->canary != 0) {
        int code = rules_while_running(c, r->primary, r->canary, &https);

        if (code != 0)
            return code;
    } else if (c->affinity != NULL) {
        https = rules_after_run(c, r->primary, r->canary);
    } else {
        https = build_list(weighted_route(c, r->primary, r->canary), NULL);
    }
    if (r->mirror) {
        bool first = call_has(c, QUIRK_MIRROR_ON_STICKY);
        cJSON *route = cJSON_GetArrayItem(https, first ? 0 : cJSON_GetArraySize(https) - 1);
        int64_t percent = json_int(c->analysis, "mirrorWeight", 0);

        build_set(route, "mirror", build_object("host", build_str(c->names.canary), NULL));
        if (percent > 0)
            build_set(route, "mirrorPercentage", build_object("value", build_int(percent), NULL));
    }
    if (c->match != NULL) {
        json_free(https);
        https = ab_routes(c, r->primary, r->canary,
                          call_has(c, QUIRK_AB_DEFAULT_ZERO) ? r->primary : 100);
        if (c->affinity != NULL && r->canary == 0 && c->result->cookies.previous[0] != '\0' &&
            shares_headers(c))
            delete_cookie_everywhere(c, https);
    }
    *ret_https = https;
    return 0;
}

static cJSON *make_hosts(const struct call *c)
{
    const cJSON *given = json_get(c->service, "hosts");
    cJSON *hosts = given != NULL && !is_delegate(c) ? build_copy(given) : build_list(NULL);

    if (is_delegate(c))
        return hosts;
    for (const cJSON *h = hosts->child; h != NULL; h = h->next) {
        if (strcmp(h->valuestring, c->names.apex) == 0 || strcmp(h->valuestring, "*") == 0)
            return hosts;
    }
    build_append(hosts, build_str(c->names.apex));
    return hosts;
}

static cJSON *make_gateways(const struct call *c)
{
    const cJSON *given = json_get(c->service, "gateways");

    if (is_delegate(c))
        return build_list(NULL);
    return json_is_empty(given) ? build_list(build_str("mesh"), NULL) : build_copy(given);
}

/* The spec of a VirtualService at rest: all traffic to the primary, no rule for cookies. */
static cJSON *make_spec_at_rest(const struct call *c)
{
    cJSON *spec = build_object("hosts", make_hosts(c), "gateways", make_gateways(c), NULL);

    if (is_tcp(c))
        build_set(spec, "tcp", tcp_route(c, 100, 0));
    else if (c->match != NULL)
        build_set(spec, "http", ab_routes(c, 100, 0, 100));
    else
        build_set(spec, "http", build_list(weighted_route(c, 100, 0), NULL));
    return spec;
}

static bool is_cookie_route(const cJSON *route, const char *cookie_name)
{
    const cJSON *match = json_get(route, "match");

    for (const cJSON *m = match == NULL ? NULL : match->child; m != NULL; m = m->next) {
        const char *regex = json_text(json_get(json_get(m, "headers"), "Cookie"), "regex");

        if (strstr(regex, cookie_name) != NULL)
            return true;
    }
    return false;
}

static void remove_cookie_routes(cJSON *https, const char *cookie_name)
{
    cJSON *next;

    for (cJSON *route = https == NULL ? NULL : https->child; route != NULL; route = next) {
        next = route->next;
        if (is_cookie_route(route, cookie_name))
            json_free(cJSON_DetachItemViaPointer(https, route));
    }
}

static void ignore_in_routes(const struct call *c, cJSON *routes)
{
    for (cJSON *route = routes == NULL ? NULL : routes->child; route != NULL; route = route->next) {
        cJSON *targets = json_get(route, "route");

        json_remove(route, "mirror");
        json_remove(route, "mirrorPercentage");
        for (cJSON *t = targets == NULL ? NULL : targets->child; t != NULL; t = t->next) {
            json_remove(t, "weight");
            if (c->affinity != NULL)
                json_remove(t, "headers");
        }
    }
}

/* A copy without what a rollout changes: weights, mirror, cookie rules. */
static cJSON *comparable(const struct call *c, const cJSON *spec)
{
    cJSON *copy = build_copy(spec), *https = json_get(copy, "http");

    if (c->affinity != NULL) {
        const char *primary = json_text(c->affinity, "primaryCookieName");

        remove_cookie_routes(https, json_text(c->affinity, "cookieName"));
        if (primary[0] != '\0' || call_has(c, QUIRK_EMPTY_NAME_HIDES_DRIFT))
            remove_cookie_routes(https, primary);
    }
    ignore_in_routes(c, https);
    ignore_in_routes(c, json_get(copy, "tcp"));
    return copy;
}

static bool holds_canary(const struct call *c, const cJSON *route)
{
    const cJSON *targets = json_get(route, "route");

    for (const cJSON *t = targets == NULL ? NULL : targets->child; t != NULL; t = t->next) {
        if (strcmp(json_text(json_get(t, "destination"), "host"), c->names.canary) == 0)
            return true;
    }
    return false;
}

static void read_weights(const struct call *c, const cJSON *route, bool with_headers_only,
                         struct routing *r)
{
    const cJSON *targets = json_get(route, "route");

    for (const cJSON *t = targets == NULL ? NULL : targets->child; t != NULL; t = t->next) {
        const char *host = json_text(json_get(t, "destination"), "host");

        if (with_headers_only && json_get(t, "headers") == NULL)
            continue;
        if (strcmp(host, c->names.primary) == 0)
            r->primary = json_int(t, "weight", 0);
        if (strcmp(host, c->names.canary) == 0)
            r->canary = json_int(t, "weight", 0);
    }
}

/* The weights that stand in a spec in normal form; false when it routes to neither version. */
static bool read_spec(const struct call *c, const cJSON *spec, struct routing *ret_routing)
{
    const cJSON *routes = json_get(spec, is_tcp(c) ? "tcp" : "http"), *found = NULL;
    struct routing r = {0, 0, false};

    for (const cJSON *route = routes == NULL ? NULL : routes->child; route != NULL;
         route = route->next) {
        if (holds_canary(c, route))
            found = route;
    }
    if (found != NULL) {
        read_weights(c, found, false, &r);
        r.mirror = !is_tcp(c) && json_text(json_get(found, "mirror"), "host")[0] != '\0';
    }
    if (c->affinity != NULL && !is_tcp(c)) {
        for (const cJSON *route = routes == NULL ? NULL : routes->child; route != NULL;
             route = route->next)
            read_weights(c, route, true, &r);
    }
    *ret_routing = r;
    return r.primary != 0 || r.canary != 0;
}

/* Put the routes of a rollout in progress in place of those at rest, so that an update moves no
 * traffic. */
static void carry_routing(struct call *c, const cJSON *live_spec, cJSON *spec)
{
    struct routing r;
    cJSON *https;

    if (call_has(c, QUIRK_RESET_WEIGHTS) || !read_spec(c, live_spec, &r) ||
        (r.canary == 0 && !r.mirror))
        return;
    if (c->affinity != NULL && c->result->cookies.session[0] == '\0' && c->match == NULL)
        return; /* a cookie is made by a step alone, never here */
    if (is_tcp(c))
        build_set(spec, "tcp", tcp_route(c, r.primary, r.canary));
    else if (make_https(c, &r, &https) == 0)
        build_set(spec, "http", https);
}

static void carry_annotation(const cJSON *live, cJSON *annotations, const char *name)
{
    build_set(annotations, name,
              build_copy(json_get(json_at(live, "metadata", "annotations", NULL), name)));
}

/* Whether the live object was made for this Canary and so holds nothing of the user's. */
static bool is_ours(const struct call *c, const cJSON *live)
{
    const cJSON *owners = json_at(live, "metadata", "ownerReferences", NULL);

    for (const cJSON *o = owners == NULL ? NULL : owners->child; o != NULL; o = o->next) {
        if (strcmp(json_text(o, "kind"), "Canary") == 0 &&
            strcmp(json_text(o, "name"), c->name) == 0)
            return true;
    }
    return false;
}

/* Keep the spec as it was, so that finalize can bring it back. */
static void store_original(const struct call *c, const cJSON *live, const cJSON *live_spec,
                           cJSON *annotations)
{
    char *text;
    cJSON *original;

    if (json_get(annotations, KUBECTL_ANNOTATION) != NULL)
        return;
    if (!call_has(c, QUIRK_SNAPSHOT_OVERWRITTEN) &&
        (json_get(annotations, CONFIG_ANNOTATION) != NULL || is_ours(c, live)))
        return;
    original = call_has(c, QUIRK_LOSE_UNKNOWN_FIELDS) ? build_copy(live_spec)
                                                      : build_copy(json_get(live, "spec"));
    if (call_has(c, QUIRK_LOSE_UNKNOWN_FIELDS))
        shape_encode(&virtual_service_shape, original);
    text = json_print(original);
    build_set(annotations, CONFIG_ANNOTATION, build_str(text));
    free(text);
    json_free(original);
}

static void update_virtual_service(struct call *c, const cJSON *live, cJSON *spec)
{
    cJSON *labels = call_labels(c), *annotations = call_annotations(c);
    cJSON *live_spec = shape_decode(&virtual_service_shape, json_get(live, "spec"));
    bool spec_differs;

    if (is_delegate(c)) {
        build_set(live_spec, "hosts", build_list(NULL));
        build_set(live_spec, "gateways", build_list(NULL));
    }
    carry_annotation(live, annotations, KUBECTL_ANNOTATION);
    carry_annotation(live, annotations, CONFIG_ANNOTATION);
    spec_differs = specs_differ(c, comparable(c, spec), comparable(c, live_spec));
    if (spec_differs || metadata_differs(live, labels, annotations)) {
        cJSON *object;

        if (spec_differs)
            store_original(c, live, live_spec, annotations);
        carry_routing(c, live_spec, spec);
        shape_encode(&virtual_service_shape, spec);
        object = call_with_spec(c, &virtual_service_shape, live, build_copy(spec));
        object_set_metadata(object, labels, annotations);
        call_write(c, ROUTER_PUT, &RESOURCE_ISTIO_VIRTUAL_SERVICE, c->names.apex, object,
                   "VirtualService %s.%s update error: ", c->names.apex, c->ns);
    } else {
        json_free(labels);
        json_free(annotations);
    }
    json_free(live_spec);
}

static int reconcile_virtual_service(struct call *c)
{
    const char *apex = c->names.apex;
    cJSON *live = NULL, *spec;
    int code;

    c->prefix = "reconcileVirtualService failed: ";
    if (is_delegate(c) && (!json_is_empty(json_get(c->service, "hosts")) ||
                           !json_is_empty(json_get(c->service, "gateways"))))
        return call_fail(
            c, -EINVAL,
            "VirtualService %s.%s cannot have hosts and gateways when delegation enabled", apex,
            c->ns);
    code = call_get(c, &RESOURCE_ISTIO_VIRTUAL_SERVICE, apex, &live);
    if (code != 0 && code != -ENOENT)
        return call_fail(c, code, "VirtualService %s.%s get query error %s", apex, c->ns,
                         call_api_error(c));
    spec = make_spec_at_rest(c);
    if (code == -ENOENT) {
        shape_encode(&virtual_service_shape, spec);
        call_write(c, ROUTER_POST, &RESOURCE_ISTIO_VIRTUAL_SERVICE, apex,
                   call_new_object(c, &RESOURCE_ISTIO_VIRTUAL_SERVICE, apex, call_labels(c),
                                   call_annotations(c), spec),
                   "VirtualService %s.%s create error: ", apex, c->ns);
        return 0;
    }
    update_virtual_service(c, live, spec);
    json_free(spec);
    json_free(live);
    return 0;
}

static int istio_reconcile(struct call *c)
{
    int code = reconcile_destination_rule(c, c->names.canary);

    if (code == 0)
        code = reconcile_destination_rule(c, c->names.primary);
    if (code == 0)
        code = reconcile_virtual_service(c);
    return code;
}

static int istio_get(struct call *c, struct routing *ret_routing)
{
    const char *apex = c->names.apex;
    cJSON *live = NULL, *spec;
    int code = call_get(c, &RESOURCE_ISTIO_VIRTUAL_SERVICE, apex, &live);
    bool found;

    if (code != 0)
        return call_fail(c, code, "VirtualService %s.%s get query error %s", apex, c->ns,
                         call_api_error(c));
    spec = shape_decode(&virtual_service_shape, json_get(live, "spec"));
    found = read_spec(c, spec, ret_routing);
    json_free(spec);
    json_free(live);
    if (!found)
        return call_fail(
            c, -ENODATA,
            "VirtualService %s.%s does not contain routes for %s-primary and %s-canary", apex,
            c->ns, apex, apex);
    return 0;
}

static int istio_set(struct call *c, const struct routing *routing)
{
    const char *apex = c->names.apex;
    cJSON *live = NULL, *spec, *https = NULL;
    int code = call_get(c, &RESOURCE_ISTIO_VIRTUAL_SERVICE, apex, &live);

    if (code != 0)
        return call_fail(c, code, "VirtualService %s.%s get query error %s", apex, c->ns,
                         call_api_error(c));
    spec = shape_decode(&virtual_service_shape, json_get(live, "spec"));
    if (is_tcp(c)) {
        build_set(spec, "tcp", tcp_route(c, routing->primary, routing->canary));
    } else {
        code = make_https(c, routing, &https);
        if (code == 0)
            build_set(spec, "http", https);
    }
    if (code == 0) {
        shape_encode(&virtual_service_shape, spec);
        call_write(c, ROUTER_PUT, &RESOURCE_ISTIO_VIRTUAL_SERVICE, apex,
                   call_with_spec(c, &virtual_service_shape, live, build_copy(spec)),
                   "VirtualService %s.%s update failed: ", apex, c->ns);
    }
    json_free(spec);
    json_free(live);
    return code;
}

/* The spec kept in an annotation; NULL when it cannot be read. */
static cJSON *stored_spec(const struct call *c, const char *text, bool whole_object)
{
    cJSON *stored = json_parse(text, strlen(text), NULL), *spec = NULL;

    if (cJSON_IsObject(stored)) {
        const cJSON *found = whole_object ? json_get(stored, "spec") : stored;

        if (call_has(c, QUIRK_LOSE_UNKNOWN_FIELDS)) {
            spec = shape_decode(&virtual_service_shape, found);
            shape_encode(&virtual_service_shape, spec);
        } else {
            spec = found != NULL ? build_copy(found) : build_object(NULL);
        }
    }
    json_free(stored);
    return spec;
}

static int istio_finalize(struct call *c)
{
    const char *apex = c->names.apex, *key = KUBECTL_ANNOTATION, *text;
    cJSON *live = NULL, *spec, *object;
    int code = call_get(c, &RESOURCE_ISTIO_VIRTUAL_SERVICE, apex, &live);

    if (code != 0)
        return call_fail(c, code, "VirtualService %s.%s get query error: %s", apex, c->ns,
                         call_api_error(c));
    text = json_str(json_at(live, "metadata", "annotations", NULL), key);
    if (text == NULL) {
        key = CONFIG_ANNOTATION;
        text = json_str(json_at(live, "metadata", "annotations", NULL), key);
    }
    if (text == NULL) {
        call_log(c, "VirtualService %s.%s original configuration not found, unable to revert", apex,
                 c->ns);
        json_free(live);
        return 0;
    }
    spec = stored_spec(c, text, strcmp(key, KUBECTL_ANNOTATION) == 0);
    if (spec == NULL) {
        json_free(live);
        return call_fail(c, -EINVAL, "VirtualService %s.%s failed to unMarshal annotation %s", apex,
                         c->ns, key);
    }
    object = build_own(live);
    build_set(object, "spec", spec);
    call_write(c, ROUTER_PUT, &RESOURCE_ISTIO_VIRTUAL_SERVICE, apex, object,
               "VirtualService %s.%s update error: ", apex, c->ns);
    return 0;
}

const struct router router_istio = {"istio", istio_reconcile, istio_get, istio_set, istio_finalize};
