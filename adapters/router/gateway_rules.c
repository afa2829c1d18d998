/* The rules of an HTTPRoute, made from a Canary. */
#include "adapters/router/gateway_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/affinity.h"
#include "engine/num.h"

#define CORS_AGE_DEFAULT 5 /* what the server would fill in */

bool gateway_is_v1(const struct call *c)
{
    return strncmp(c->provider, "gatewayapi:v1beta1", strlen("gatewayapi:v1beta1")) != 0;
}

/* ---- matches
 * ----------------------------------------------------------------------------------------- */

static cJSON *make_path(const char *type, const char *value)
{
    return build_object("type", build_str(type), "value", build_str(value), NULL);
}

/* The path of a URI matcher, or NULL when it uses a form that the Gateway API lacks. */
static cJSON *map_uri(const cJSON *uri)
{
    if (json_text(uri, "regex")[0] != '\0')
        return make_path("RegularExpression", json_text(uri, "regex"));
    if (json_text(uri, "exact")[0] != '\0')
        return make_path("Exact", json_text(uri, "exact"));
    if (json_text(uri, "prefix")[0] != '\0')
        return make_path("PathPrefix", json_text(uri, "prefix"));
    return NULL;
}

/* Header or query matchers in order of their names; false when one has a form that the API lacks.
 */
static bool map_named(const cJSON *map, cJSON **ret_list)
{
    size_t count;
    const cJSON **members = build_sorted(map, &count);
    cJSON *list = count > 0 ? build_list(NULL) : NULL;
    bool ok = true;

    for (size_t i = 0; i < count && ok; i++) {
        const char *exact = json_text(members[i], "exact"), *regex = json_text(members[i], "regex");

        ok = exact[0] != '\0' || regex[0] != '\0';
        build_append(list, build_object("type",
                                        build_str(exact[0] != '\0' ? "Exact" : "RegularExpression"),
                                        "name", build_str(members[i]->string), "value",
                                        build_str(exact[0] != '\0' ? exact : regex), NULL));
    }
    free(members);
    *ret_list = list;
    return ok;
}

/* One entry; what cannot be expressed is described in `error`. */
static cJSON *map_entry(const cJSON *entry, struct strbuf *error)
{
    const cJSON *uri = json_get(entry, "uri"), *method = json_get(entry, "method");
    cJSON *match = build_object(NULL), *list;

    if (uri != NULL) {
        cJSON *path = map_uri(uri);

        if (path == NULL) {
            strbuf_adds(error,
                        "Gateway API doesn't support the specified path matching selector: &");
            string_match_print(error, uri);
            strbuf_addc(error, '\n');
            return match;
        }
        build_set(match, "path", path);
    }
    if (method != NULL && json_text(method, "exact")[0] != '\0')
        build_set(match, "method", build_copy(json_get(method, "exact")));
    bool method_ok = method == NULL || json_get(match, "method") != NULL;
    bool headers_ok = map_named(json_get(entry, "headers"), &list);

    build_set(match, "headers", list);
    if (!method_ok || !headers_ok) {
        strbuf_adds(error, "Gateway API doesn't support the specified header matching selector: ");
        string_match_map_print(error, json_get(entry, "headers"));
        strbuf_addc(error, '\n');
        return match;
    }
    if (!map_named(json_get(entry, "queryParams"), &list)) {
        strbuf_adds(error, "Gateway API doesn't support the specified query matching selector: ");
        string_match_map_print(error, json_get(entry, "queryParams"));
        strbuf_addc(error, '\n');
    }
    build_set(match, "queryParams", list);
    return match;
}

/* A list of match entries; NULL and a text in `error` when one cannot be expressed. Empty results
 * are left out. */
static cJSON *map_matches(const cJSON *entries, struct strbuf *error)
{
    cJSON *matches = build_list(NULL);

    for (const cJSON *e = entries == NULL ? NULL : entries->child; e != NULL; e = e->next) {
        cJSON *match = map_entry(e, error);

        if (error->len > 0) {
            json_free(match);
            json_free(matches);
            return NULL;
        }
        if (match->child == NULL)
            json_free(match);
        else
            build_append(matches, match);
    }
    return matches;
}

static cJSON *default_path(void)
{
    return make_path("PathPrefix", "/");
}

/* The server gives a match without path the prefix "/"; write it, or every read differs from what
 * was written. */
static void complete_paths(const struct call *c, cJSON *matches)
{
    if (call_has(c, QUIRK_NO_DEFAULT_PATH))
        return;
    for (cJSON *m = matches->child; m != NULL; m = m->next) {
        if (json_get(m, "path") == NULL)
            build_set(m, "path", default_path());
    }
}

/* spec.service.match, at least "everything". */
static int service_matches(struct call *c, cJSON **ret_matches)
{
    struct strbuf error = STRBUF_INIT;
    cJSON *matches = map_matches(json_get(c->service, "match"), &error);
    int code = 0;

    if (matches == NULL) {
        code = call_fail(c, -EINVAL, "Invalid request matching selectors: %s", strbuf_str(&error));
    } else {
        if (matches->child == NULL)
            build_append(matches, build_object("path", default_path(), NULL));
        complete_paths(c, matches);
        *ret_matches = matches;
    }
    strbuf_release(&error);
    return code;
}

/* Every pair of a condition and a service match; headers and query parameters of the condition win.
 */
static cJSON *merge_matches(const struct call *c, const cJSON *conditions, const cJSON *service)
{
    cJSON *merged;

    if (json_is_empty(conditions))
        return service != NULL ? build_copy(service) : NULL;
    if (json_is_empty(service)) {
        merged = build_copy(conditions);
        complete_paths(c, merged);
        return merged;
    }
    merged = build_list(NULL);
    for (const cJSON *condition = conditions->child; condition != NULL;
         condition = condition->next) {
        for (const cJSON *s = service->child; s != NULL; s = s->next) {
            cJSON *m = build_copy(s);

            if (!json_is_empty(json_get(condition, "headers")))
                build_set(m, "headers", build_copy(json_get(condition, "headers")));
            if (!json_is_empty(json_get(condition, "queryParams")))
                build_set(m, "queryParams", build_copy(json_get(condition, "queryParams")));
            build_append(merged, m);
        }
    }
    return merged;
}

/* The matches of the A/B rule. */
static int ab_matches(struct call *c, const cJSON *service, cJSON **ret_matches)
{
    struct strbuf error = STRBUF_INIT;
    cJSON *analysis = map_matches(c->match, &error);
    int code = 0;

    if (analysis == NULL && !call_has(c, QUIRK_SWALLOW_AB_ERROR))
        code = call_fail(c, -EINVAL, "Invalid request matching selectors: %s", strbuf_str(&error));
    else if (json_is_empty(analysis) && !call_has(c, QUIRK_SWALLOW_AB_ERROR))
        code = call_fail(
            c, -EINVAL,
            "Invalid request matching selectors: analysis.match has nothing that the Gateway API "
            "can match; everybody would reach the canary");
    else
        *ret_matches = merge_matches(c, analysis, service);
    json_free(analysis);
    strbuf_release(&error);
    return code;
}

/* ---- filters and backends
 * ---------------------------------------------------------------------------- */

static cJSON *header_list(const cJSON *map)
{
    size_t count;
    const cJSON **members = build_sorted(map, &count);
    cJSON *list = count > 0 ? build_list(NULL) : NULL;

    for (size_t i = 0; i < count; i++)
        build_append(list, build_object("name", build_str(members[i]->string), "value",
                                        build_str(members[i]->valuestring), NULL));
    free(members);
    return list;
}

static void append_header_filter(cJSON *filters, const cJSON *operations, const char *type,
                                 const char *member)
{
    const cJSON *remove = json_get(operations, "remove");

    if (operations == NULL)
        return;
    build_append(filters,
                 build_object("type", build_str(type), member,
                              build_object("add", header_list(json_get(operations, "add")), "set",
                                           header_list(json_get(operations, "set")), "remove",
                                           json_is_empty(remove) ? NULL : build_copy(remove), NULL),
                              NULL));
}

static void append_rewrite(cJSON *filters, const cJSON *rewrite)
{
    const char *authority = json_text(rewrite, "authority"), *uri = json_text(rewrite, "uri");
    bool prefix = strcmp(json_text(rewrite, "type"), "ReplacePrefixMatch") == 0;
    cJSON *url = build_object(NULL);

    if (rewrite == NULL) {
        json_free(url);
        return;
    }
    if (authority[0] != '\0')
        build_set(url, "hostname", build_str(authority));
    if (uri[0] != '\0')
        build_set(url, "path",
                  build_object("type", build_str(prefix ? "ReplacePrefixMatch" : "ReplaceFullPath"),
                               prefix ? "replacePrefixMatch" : "replaceFullPath", build_str(uri),
                               NULL));
    build_append(filters, build_object("type", build_str("URLRewrite"), "urlRewrite", url, NULL));
}

static cJSON *mirror_to(cJSON *backend)
{
    return build_object("type", build_str("RequestMirror"), "requestMirror",
                        build_object("backendRef", backend, NULL), NULL);
}

static cJSON *non_empty(const cJSON *list)
{
    return json_is_empty(list) ? NULL : build_copy(list);
}

static cJSON *cors_filter(struct call *c, const cJSON *policy)
{
    const char *age_text = json_text(policy, "maxAge"), *unit;
    bool credentials = json_bool(policy, "allowCredentials", false);
    int64_t nanoseconds = 0, age = 0;
    size_t unit_len;

    if (!json_is_empty(json_get(policy, "allowOrigins")))
        call_log(c, "'corsPolicy.allowOrigins' is not supported by Gateway API, use "
                    "'corsPolicy.allowOrigin' instead");
    if (age_text[0] != '\0' &&
        duration_parse(age_text, strlen(age_text), &nanoseconds, &unit, &unit_len) == DURATION_OK)
        age = nanoseconds / NS_PER_S;
    if (age == 0 && !call_has(c, QUIRK_NO_CORS_AGE))
        age = CORS_AGE_DEFAULT;
    return build_object("allowOrigins", non_empty(json_get(policy, "allowOrigin")), "allowMethods",
                        non_empty(json_get(policy, "allowMethods")), "allowHeaders",
                        non_empty(json_get(policy, "allowHeaders")), "exposeHeaders",
                        non_empty(json_get(policy, "exposeHeaders")), "allowCredentials",
                        credentials ? build_bool(true) : NULL, "maxAge",
                        age != 0 ? build_int(age) : NULL, NULL);
}

/* NULL when there is none: Flagger's nil slice. */
static cJSON *make_filters(struct call *c)
{
    const cJSON *headers = json_get(c->service, "headers"),
                *mirrors = json_get(c->service, "mirror");
    const cJSON *policy = json_get(c->service, "corsPolicy");
    cJSON *filters = build_list(NULL);

    append_header_filter(filters, json_get(headers, "request"), "RequestHeaderModifier",
                         "requestHeaderModifier");
    append_header_filter(filters, json_get(headers, "response"), "ResponseHeaderModifier",
                         "responseHeaderModifier");
    append_rewrite(filters, json_get(c->service, "rewrite"));
    for (const cJSON *m = mirrors == NULL ? NULL : mirrors->child; m != NULL; m = m->next)
        build_append(filters, mirror_to(build_copy(json_get(m, "backendRef"))));
    if (policy != NULL && gateway_is_v1(c))
        build_append(filters,
                     build_object("type", build_str("CORS"), "cors", cors_filter(c, policy), NULL));
    if (filters->child != NULL)
        return filters;
    json_free(filters);
    return NULL;
}

static cJSON *make_backend(const struct call *c, const char *service, int64_t weight)
{
    return build_object("group", build_str(""), "kind", build_str("Service"), "name",
                        build_str(service), "port", build_int(c->port), "weight", build_int(weight),
                        NULL);
}

static cJSON *both_backends(const struct call *c, int64_t primary, int64_t canary)
{
    return build_list(make_backend(c, c->names.primary, primary),
                      make_backend(c, c->names.canary, canary), NULL);
}

static cJSON *make_timeouts(const struct call *c)
{
    const cJSON *request = json_get(c->service, "timeout"),
                *backend = json_get(c->service, "backendTimeout");

    if (!gateway_is_v1(c) || (request == NULL && backend == NULL))
        return NULL;
    return build_object("request", build_copy(request), "backendRequest", build_copy(backend),
                        NULL);
}

/* Takes over matches, filters and backends. */
static cJSON *make_rule(const struct call *c, cJSON *matches, cJSON *filters, cJSON *backends)
{
    return build_object("matches", matches, "filters", filters, "backendRefs", backends, "timeouts",
                        make_timeouts(c), NULL);
}

/* ---- session affinity
 * -------------------------------------------------------------------------------- */

static cJSON *set_cookie_filter(const char *text)
{
    cJSON *header = build_object("name", build_str("Set-Cookie"), "value", build_str(text), NULL);

    return build_object("type", build_str("ResponseHeaderModifier"), "responseHeaderModifier",
                        build_object("add", build_list(header, NULL), NULL), NULL);
}

/* Takes over `text`. */
static void backend_set_cookie(cJSON *rule, const char *service, char *text)
{
    for (cJSON *b = json_get(rule, "backendRefs")->child; b != NULL; b = b->next) {
        if (strcmp(json_text(b, "name"), service) == 0) {
            build_set(b, "filters", build_list(set_cookie_filter(text), NULL));
            break;
        }
    }
    free(text);
}

/* The header matches of a condition beside those that the service asks for (default profile). */
static void keep_headers(cJSON *merged, const cJSON *service)
{
    const cJSON *s = service->child;

    for (cJSON *m = merged->child; m != NULL && s != NULL; m = m->next, s = s->next) {
        const cJSON *given = json_get(s, "headers");
        cJSON *headers = json_get(m, "headers");

        for (const cJSON *h = given == NULL ? NULL : given->child; h != NULL; h = h->next)
            build_append(headers, build_copy(h));
    }
}

/* Service matches narrowed to requests with the cookie; the service's match is known to map. */
static cJSON *cookie_matches(struct call *c, const char *cookie)
{
    struct strbuf error = STRBUF_INIT;
    char *pattern = affinity_pattern(cookie);
    cJSON *header = build_object("type", build_str("RegularExpression"), "name",
                                 build_str("Cookie"), "value", build_str(pattern), NULL);
    cJSON *condition = build_list(build_object("headers", build_list(header, NULL), NULL), NULL);
    cJSON *service = map_matches(json_get(c->service, "match"), &error), *merged;

    if (service != NULL)
        complete_paths(c, service);
    merged = merge_matches(c, condition, service);
    if (!call_has(c, QUIRK_COOKIE_DROPS_HEADERS) && !json_is_empty(service))
        keep_headers(merged, service);
    json_free(condition);
    json_free(service);
    free(pattern);
    strbuf_release(&error);
    return merged;
}

static cJSON *sticky_rule(struct call *c, const cJSON *weighted, const char *cookie,
                          cJSON *backends)
{
    cJSON *rule = build_copy(weighted);

    build_set(rule, "matches", cookie_matches(c, cookie));
    build_set(rule, "backendRefs", backends);
    return rule;
}

/* Rules while the canary gets traffic; takes over `weighted`. */
static int rules_while_running(struct call *c, cJSON *weighted, cJSON **ret_rules)
{
    const char *named = gateway_is_v1(c) ? affinity_primary_name(c) : NULL;
    char *primary_text = NULL;
    cJSON *rules;
    int code = affinity_start(c, gateway_is_v1(c));

    if (code == 0 && named != NULL)
        code = affinity_primary_cookie(c, &primary_text);
    if (code != 0) {
        json_free(weighted);
        return code;
    }
    rules = build_list(
        sticky_rule(c, weighted, c->result->cookies.session, both_backends(c, 0, 100)), NULL);
    if (primary_text != NULL)
        build_append(
            rules, sticky_rule(c, weighted, c->result->cookies.primary, both_backends(c, 100, 0)));
    backend_set_cookie(weighted, c->names.canary, affinity_canary_cookie(c));
    if (primary_text != NULL)
        backend_set_cookie(weighted, c->names.primary, primary_text);
    build_append(rules, weighted);
    *ret_rules = rules;
    return 0;
}

static cJSON *response_modifier_of(cJSON *filters)
{
    for (cJSON *f = filters->child; f != NULL; f = f->next) {
        if (strcmp(json_text(f, "type"), "ResponseHeaderModifier") == 0)
            return json_get(f, "responseHeaderModifier");
    }
    return NULL;
}

static void add_deletion(struct call *c, cJSON *rule)
{
    char *text = affinity_deletion_cookie(c);
    cJSON *filter = set_cookie_filter(text), *filters = json_get(rule, "filters"), *existing;

    if (filters == NULL) {
        build_set(rule, "filters", build_list(NULL));
        filters = json_get(rule, "filters");
    }
    existing = call_has(c, QUIRK_TWIN_RESPONSE_FILTER) ? NULL : response_modifier_of(filters);
    if (existing == NULL) {
        build_append(filters, filter);
    } else {
        if (json_get(existing, "add") == NULL)
            build_set(existing, "add", build_list(NULL));
        build_append(json_get(existing, "add"),
                     build_object("name", build_str("Set-Cookie"), "value", build_str(text), NULL));
        json_free(filter);
    }
    free(text);
}

/* Rules after a run: browsers with the old cookie lose it. Takes over `weighted`. */
static cJSON *rules_after_run(struct call *c, cJSON *weighted)
{
    cJSON *sticky;

    affinity_stop(c);
    if (c->result->cookies.previous[0] == '\0' && !call_has(c, QUIRK_TWIN_RULE))
        return build_list(weighted, NULL);
    sticky = build_copy(weighted);
    if (c->result->cookies.previous[0] != '\0') {
        build_set(sticky, "matches", cookie_matches(c, c->result->cookies.previous));
        add_deletion(c, sticky);
    }
    return build_list(sticky, weighted, NULL);
}

/* ---- the route
 * --------------------------------------------------------------------------------------- */

cJSON *gateway_spec(const struct call *c, cJSON *rules)
{
    const cJSON *hosts = json_get(c->service, "hosts");

    return build_object("parentRefs", build_copy(json_get(c->service, "gatewayRefs")), "hostnames",
                        non_empty(hosts), "rules", rules, NULL);
}

/* Turn the first rule into the A/B rule and add the one for everybody else. */
static int add_ab(struct call *c, cJSON *rules, const cJSON *matches)
{
    cJSON *first = rules->child, *conditions = NULL, *fallback, *second;
    int code = ab_matches(c, matches, &conditions);

    if (code != 0)
        return code;
    build_set(first, "matches", conditions);
    fallback = make_rule(c, build_copy(matches), make_filters(c),
                         build_list(make_backend(c, c->names.primary, 100), NULL));
    if (call_has(c, QUIRK_AFFINITY_MEETS_AB))
        json_remove(fallback, "timeouts");
    build_append(rules, fallback);
    second = cJSON_GetArrayItem(rules, 1);
    build_set(second, "timeouts", make_timeouts(c));
    return 0;
}

/* The A/B rule where there is to be one; takes `rules` over. */
static int finish_rules(struct call *c, cJSON *rules, const cJSON *matches, cJSON **ret_rules)
{
    int code = c->match != NULL ? add_ab(c, rules, matches) : 0;

    if (code != 0)
        json_free(rules);
    else
        *ret_rules = rules;
    return code;
}

int gateway_rules(struct call *c, const struct routing *r, cJSON **ret_rules)
{
    bool affinity =
        c->affinity != NULL && (c->match == NULL || call_has(c, QUIRK_AFFINITY_MEETS_AB));
    cJSON *matches = NULL, *weighted, *filters, *rules = NULL;
    int code = service_matches(c, &matches);

    if (code != 0)
        return code;
    filters = make_filters(c);
    if (r->mirror && json_int(c->analysis, "iterations", 0) > 0) {
        if (filters == NULL)
            filters = build_list(NULL);
        build_append(filters, mirror_to(build_object(
                                  "group", build_str(""), "kind", build_str("Service"), "name",
                                  build_str(c->names.canary), "port", build_int(c->port), NULL)));
    }
    weighted = make_rule(c, build_copy(matches), filters, both_backends(c, r->primary, r->canary));
    if (!affinity)
        rules = build_list(weighted, NULL);
    else if (r->canary != 0)
        code = rules_while_running(c, weighted, &rules);
    else
        rules = rules_after_run(c, weighted);
    if (code == 0)
        code = finish_rules(c, rules, matches, ret_rules);
    json_free(matches);
    return code;
}

int gateway_spec_at_rest(struct call *c, cJSON **ret_spec)
{
    cJSON *matches = NULL, *rules;
    int code = service_matches(c, &matches);

    if (code != 0)
        return code;
    rules = build_list(make_rule(c, build_copy(matches), make_filters(c), both_backends(c, 100, 0)),
                       NULL);
    code = finish_rules(c, rules, matches, &rules);
    json_free(matches);
    if (code == 0)
        *ret_spec = gateway_spec(c, rules);
    return code;
}
