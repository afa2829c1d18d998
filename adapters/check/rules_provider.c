/* What the mesh, ingress or gateway can do: CM6xx. */
#include <string.h>

#include "adapters/check/internal.h"

static bool any(const struct node *n)
{
    if (n == NULL)
        return false;
    if (n->kind == NODE_LIST)
        return n->u.list.count > 0;
    if (n->kind == NODE_MAP)
        return n->u.map.count > 0;
    return n->kind != NODE_NULL;
}

static const struct node *item(const struct node *list, size_t i)
{
    return list && list->kind == NODE_LIST && i < list->u.list.count ? list->u.list.items[i] : NULL;
}

static bool knative_target(const struct canary_view *v)
{
    return strncmp(check_str(node_get(v->target, "apiVersion")), "serving.knative.dev/", 20) == 0 &&
           strcmp(v->target_kind, "Service") == 0;
}

/* ---- strategy
 * -------------------------------------------------------------------------------------- */

static void strategy(struct check *c, const struct canary_view *v)
{
    const struct provider_features *f = v->features;

    if (any(v->match) && check_int(v->iterations, 0) <= 0 && !f->forced_blue_green)
        check_find(c, CM607, v->match, ".spec.analysis.match",
                   "add iterations for an A/B test, or remove match",
                   "match needs iterations: without them this is a plain canary%s",
                   f->ab != MATCH_LOGIC_NONE ? " for the matching requests" : "");
    if (f->forced_blue_green) {
        const struct node *weights = v->step_weight ? v->step_weight : v->step_weights;

        if (weights)
            check_find(
                c, CM606, weights,
                v->step_weight ? ".spec.analysis.stepWeight" : ".spec.analysis.stepWeights",
                "use iterations, or a provider that splits traffic",
                "provider %s cannot split traffic: this becomes blue/green with 10 iterations",
                v->provider);
        if (any(v->match))
            check_find(c, CM606, v->match, ".spec.analysis.match",
                       "remove it, or use a provider that can",
                       "provider %s cannot do A/B testing: match is dropped", v->provider);
        return;
    }
    if (v->ab && (f->ab == MATCH_LOGIC_NONE ||
                  (f->tcp && node_is(node_get(v->service, "appProtocol"), "tcp"))))
        check_find(c, CM601, v->match, ".spec.analysis.match",
                   "remove match for blue/green, or use another provider",
                   "%s cannot do A/B testing: every user, not only the matching ones, gets the new "
                   "version",
                   f->ab == MATCH_LOGIC_NONE ? check_text(c, "provider %s", v->provider)
                                             : "TCP traffic");
}

/* ---- matches
 * --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned form;
} forms[] = {{"exact", MATCH_EXACT},
             {"prefix", MATCH_PREFIX},
             {"suffix", MATCH_SUFFIX},
             {"regex", MATCH_REGEX}};

static bool is_cookie(const char *name)
{
    return (name[0] == 'c' || name[0] == 'C') && strcmp(name + 1, "ookie") == 0;
}

static const char *all_forms(struct check *c, unsigned allowed)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;

    for (size_t i = 0; i < 4; i++)
        if (allowed & forms[i].form)
            strbuf_addf(&b, "%s%s", b.len ? " or " : "use ", forms[i].name);
    text = check_text(c, "%s", b.len ? strbuf_str(&b) : "remove it");
    strbuf_release(&b);
    return text;
}

static void matcher(struct check *c, const struct canary_view *v, const struct member *m,
                    unsigned allowed, size_t i, const char *what)
{
    for (size_t k = 0; k < 4; k++) {
        const struct node *n = node_get(m->value, forms[k].name);

        if (n == NULL || (allowed & forms[k].form))
            continue;
        check_find(
            c, CM602, n,
            check_text(c, ".spec.analysis.match[%zu].%s.%.60s.%s", i, what, m->key, forms[k].name),
            all_forms(c, allowed),
            "provider %s does not understand %s here: the wrong users get the new version",
            v->provider, forms[k].name);
    }
}

static void header(struct check *c, const struct canary_view *v, const struct member *m, size_t i)
{
    const struct provider_features *f = v->features;
    bool upper = false;

    for (const char *s = m->key; *s; s++)
        upper |= *s >= 'A' && *s <= 'Z';
    if (upper && !(is_cookie(m->key) && !f->ab_cookie_is_name))
        check_find_member(
            c, CM605, m, check_text(c, ".spec.analysis.match[%zu].headers.%.60s", i, m->key),
            "write header names in lower case",
            "header names are matched as written, and HTTP/2 sends them in lower case");
    if (f->ab_cookie_is_name && is_cookie(m->key)) {
        const struct node *exact = node_get(m->value, "exact");

        if (exact == NULL)
            check_find(c, CM602, m->value,
                       check_text(c, ".spec.analysis.match[%zu].headers.%.60s", i, m->key),
                       "write exact: NAME-OF-THE-COOKIE; its value must be 'always'",
                       "provider %s selects by the name of a cookie only", v->provider);
        else if (strpbrk(exact->text ? exact->text : "", "=;* ^$"))
            check_find(c, CM602, exact,
                       check_text(c, ".spec.analysis.match[%zu].headers.%.60s.exact", i, m->key),
                       "write the bare name of the cookie; its value must be 'always'",
                       "'%.60s' is no cookie name, and provider %s selects by name",
                       check_str(exact), v->provider);
        return;
    }
    matcher(c, v, m, f->ab_headers, i, "headers");
}

static void source_labels(struct check *c, const struct canary_view *v, const struct node *entry,
                          size_t i)
{
    const struct node *labels = node_get(entry, "sourceLabels"),
                      *gateways = node_get(v->service, "gateways");
    bool mesh = gateways == NULL;

    if (!any(labels))
        return;
    for (size_t k = 0; item(gateways, k); k++)
        mesh |= node_is(item(gateways, k), "mesh");
    if (!v->features->ab_source_labels)
        check_find(c, CM604, labels, check_text(c, ".spec.analysis.match[%zu].sourceLabels", i),
                   "remove it", "provider %s does not match by sourceLabels", v->provider);
    else if (!mesh)
        check_find(
            c, CM604, labels, check_text(c, ".spec.analysis.match[%zu].sourceLabels", i),
            "add mesh to spec.service.gateways",
            "sourceLabels match traffic inside the mesh only, and the route is not for the mesh");
}

static void matches(struct check *c, const struct canary_view *v)
{
    const struct provider_features *f = v->features;
    size_t headers = 0, cookies = 0, entries = v->match ? v->match->u.list.count : 0;

    if (f->forced_blue_green || f->ab == MATCH_LOGIC_NONE)
        return;
    for (size_t i = 0; i < entries; i++) {
        const struct node *entry = v->match->u.list.items[i];
        const struct node *map = node_get(entry, "headers"),
                          *query = node_get(entry, "queryParams");

        for (size_t k = 0; map && map->kind == NODE_MAP && k < map->u.map.count; k++) {
            header(c, v, &map->u.map.members[k], i);
            if (is_cookie(map->u.map.members[k].key))
                cookies++;
            else
                headers++;
        }
        for (size_t k = 0; query && query->kind == NODE_MAP && k < query->u.map.count; k++) {
            if (f->ab_query_params)
                matcher(c, v, &query->u.map.members[k], f->ab_query_params, i, "queryParams");
            else if (k == 0)
                check_find(c, CM602, query,
                           check_text(c, ".spec.analysis.match[%zu].queryParams", i), "use headers",
                           "provider %s does not match by query parameters", v->provider);
        }
        source_labels(c, v, entry, i);
    }
    if (f->ab == MATCH_LOGIC_ONE_HEADER && headers + cookies > 1)
        check_find_as(c, SEVERITY_ERROR, CM603, v->match, ".spec.analysis.match", "keep one header",
                      "provider %s takes one header, not %zu: it refuses the route", v->provider,
                      headers + cookies);
    else if (f->ab == MATCH_LOGIC_NGINX && (headers > 1 || cookies > 1))
        check_find(c, CM603, v->match, ".spec.analysis.match", "keep one header and one cookie",
                   "provider %s takes one header and one cookie: only the last of each counts",
                   v->provider);
    else if (f->ab == MATCH_LOGIC_ALL_AND && entries > 1)
        check_find(c, CM603, v->match, ".spec.analysis.match",
                   "put the conditions into one entry, or keep one",
                   "provider %s wants all %zu entries to match at once; elsewhere one is enough",
                   v->provider, entries);
}

/* ---- what must be there, and what has no effect
 * -------------------------------------------------------- */

static void needs(struct check *c, const struct canary_view *v)
{
    const struct provider_features *f = v->features;

    if (f->needs_mesh_name && *check_str(node_get(v->service, "meshName")) == 0)
        check_find(c, CM608, v->service ? v->service : v->spec, ".spec.service.meshName",
                   "add the name of your Mesh", "App Mesh needs meshName");
    if (f->needs_ingress_ref && v->ingress == NULL)
        check_find(c, CM609, v->spec, ".spec.ingressRef", "name the Ingress of the service",
                   "provider %s needs ingressRef", v->provider);
    if (f->needs_route_ref && v->route == NULL)
        check_find(c, CM609, v->spec, ".spec.routeRef", "name the ApisixRoute of the service",
                   "provider %s needs routeRef", v->provider);
    if (f->needs_gateway_refs && !any(node_get(v->service, "gatewayRefs")))
        check_find(c, CM609, v->service ? v->service : v->spec, ".spec.service.gatewayRefs",
                   "name the Gateway the route attaches to", "provider %s needs gatewayRefs",
                   v->provider);
}

static void idle_refs(struct check *c, const struct canary_view *v)
{
    const struct provider_features *f = v->features;

    if (v->ingress && !f->needs_ingress_ref)
        check_find(c, CM610, v->ingress, ".spec.ingressRef", "remove it, or set spec.provider",
                   "provider %s does not use ingressRef", v->provider);
    if (v->route && !f->needs_route_ref)
        check_find(c, CM610, v->route, ".spec.routeRef", "remove it, or set spec.provider",
                   "provider %s does not use routeRef", v->provider);
    if (v->upstream && !f->upstream_ref)
        check_find(c, CM610, v->upstream, ".spec.upstreamRef", "remove it, or set spec.provider",
                   "provider %s does not use upstreamRef", v->provider);
    if (v->upstream && f->upstream_ref && *check_str(node_get(v->upstream, "namespace")) == 0)
        check_find(c, CM617, v->upstream, ".spec.upstreamRef.namespace",
                   "add the namespace of the Upstream",
                   "Flagger does not fill in the namespace and looks in none");
}

static void service_fields(struct check *c, const struct canary_view *v)
{
    const struct provider_features *f = v->features;
    const struct {
        const char *name;
        bool used;
    } fields[] = {
        {"rewrite", f->rewrite || f->rewrite_authority},
        {"retries", f->retries},
        {"timeout", f->timeout},
        {"backendTimeout", f->backend_timeout},
        {"headers", f->headers},
        {"corsPolicy", f->cors_policy},
        {"trafficPolicy", f->traffic_policy},
        {"mirror", f->service_mirror},
        {"gatewayRefs", f->gateway_refs},
        {"match", f->service_match || f->service_match_prefix},
        {"delegation", f->delegation},
        {"backends", f->backends},
    };

    for (size_t i = 0; v->service && i < sizeof fields / sizeof *fields; i++) {
        const struct member *m;

        if (fields[i].used)
            continue;
        m = node_member(v->service, fields[i].name);
        if (m && any(m->value) && !(m->value->kind == NODE_BOOL && !m->value->u.boolean))
            check_find_member(c, CM611, m, check_text(c, ".spec.service.%s", fields[i].name),
                              v->provider_given ? "remove it" : "remove it, or set spec.provider",
                              "provider %s ignores %s", v->provider, fields[i].name);
    }
    if (v->service && f->cors_policy && !f->cors_allow_origins &&
        any(node_at(v->service, "corsPolicy", "allowOrigins", NULL)))
        check_find(c, CM611, node_at(v->service, "corsPolicy", "allowOrigins", NULL),
                   ".spec.service.corsPolicy.allowOrigins", "use allowOrigin",
                   "provider %s ignores allowOrigins", v->provider);
    if (strcmp(v->provider, "contour") == 0 && any(node_get(v->service, "retries")) &&
        *check_str(node_at(v->service, "retries", "retryOn", NULL)) == 0)
        check_find(c, CM618, node_get(v->service, "retries"), ".spec.service.retries.retryOn",
                   "such as retryOn: 5xx", "Contour refuses retries without retryOn");
}

/* ---- session affinity
 * ------------------------------------------------------------------------------- */

/* RFC 6265: a token. */
static bool cookie_token(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7F ||
            strchr("()<>@,;:\\\"/[]?={}", *s))
            return false;
    return true;
}

static void cookie_attributes(struct check *c, const struct canary_view *v)
{
    static const char *const names[] = {"cookieName", "primaryCookieName"};
    const struct node *same = node_get(v->affinity, "sameSite"),
                      *age = node_get(v->affinity, "maxAge");
    bool secure = check_bool(node_get(v->affinity, "secure"));

    for (size_t i = 0; i < 2; i++) {
        const struct node *n = node_get(v->affinity, names[i]);

        if (n && n->kind == NODE_STRING && (n->text_len == 0 || !cookie_token(n->text)))
            check_find(c, CM616, n, check_text(c, ".spec.analysis.sessionAffinity.%s", names[i]),
                       "use letters, digits, '-' and '_'", "'%.60s' is no name for a cookie",
                       n->text);
    }
    if (node_is(same, "None") && !secure)
        check_find(c, CM616, same, ".spec.analysis.sessionAffinity.sameSite", "add secure: true",
                   "browsers refuse SameSite=None without Secure");
    if (check_bool(node_get(v->affinity, "partitioned")) && !secure)
        check_find(c, CM616, node_get(v->affinity, "partitioned"),
                   ".spec.analysis.sessionAffinity.partitioned", "add secure: true",
                   "browsers refuse Partitioned without Secure");
    if (check_int(age, 1) < 0)
        check_find(c, CM616, age, ".spec.analysis.sessionAffinity.maxAge",
                   "use seconds, such as 86400",
                   "a negative age deletes the cookie at once: nobody stays on a version");
}

static void affinity(struct check *c, const struct canary_view *v)
{
    const struct provider_features *f = v->features;
    const struct node *name = node_get(v->affinity, "cookieName");
    const struct node *primary = node_get(v->affinity, "primaryCookieName");

    if (v->affinity == NULL || v->affinity->kind != NODE_MAP)
        return;
    if (f->affinity == AFFINITY_NONE)
        check_find(
            c, CM612, v->affinity, ".spec.analysis.sessionAffinity",
            "remove it, or use istio or gatewayapi:v1",
            "provider %s has no session affinity: users change versions from request to request",
            v->provider);
    else if (f->affinity == AFFINITY_CANARY && primary)
        check_find(c, CM612, primary, ".spec.analysis.sessionAffinity.primaryCookieName",
                   "use gatewayapi:v1", "provider %s knows no primary cookie", v->provider);
    if (*check_str(name) && primary && node_is(primary, name->text))
        check_find(c, CM613, primary, ".spec.analysis.sessionAffinity.primaryCookieName",
                   "give them two names",
                   "both cookies are named '%.60s': the operator refuses the Canary", name->text);
    if (v->ab)
        check_find(
            c, CM614, v->affinity, ".spec.analysis.sessionAffinity",
            "use match, or sessionAffinity",
            "together with an A/B test session affinity sends the wrong users to the new version");
    cookie_attributes(c, v);
}

/* ---- Knative
 * ---------------------------------------------------------------------------------------- */

static void knative(struct check *c, const struct canary_view *v)
{
    bool target = knative_target(v);
    const struct node *provider = node_get(v->spec, "provider");

    if (target && !(provider && node_is(provider, "knative")))
        check_find(c, CM615, provider ? provider : v->target,
                   provider ? ".spec.provider" : ".spec.targetRef", "set spec.provider: knative",
                   "a Knative Service needs provider knative in the Canary itself");
    else if (!target && v->features->needs_knative_target)
        check_find(c, CM615, v->target, ".spec.targetRef",
                   "use apiVersion serving.knative.dev/v1 and kind Service",
                   "provider knative rolls out Knative Services only");
    if (target && v->autoscaler)
        check_find(c, CM615, v->autoscaler, ".spec.autoscalerRef",
                   "remove it: Knative scales by itself",
                   "a Knative Service takes no autoscalerRef");
}

/* ---- references
 * -------------------------------------------------------------------------------------- */

static void foreign(struct check *c, const struct canary_view *v, const struct node *ref,
                    const char *format, size_t i)
{
    const struct node *ns = node_get(ref, "namespace");
    bool blocked = check_options(c)->cross_refs_blocked;
    struct strbuf path = STRBUF_INIT;

    if (*check_str(ns) == 0 || strcmp(ns->text, v->ns) == 0)
        return;
    if (*check_str(node_get(v->metadata, "namespace")) == 0 && !blocked)
        return; /* the Canary's own namespace is not known here */
    strbuf_addf(&path, ".spec.analysis.%s[%zu].namespace", format, i);
    check_find_as(c, blocked ? SEVERITY_ERROR : SEVERITY_INFO, CM707, ns,
                  check_text(c, "%s", strbuf_str(&path)),
                  blocked ? "keep a copy in the Canary's namespace"
                          : "it stops working when the operator runs with -no-cross-namespace-refs",
                  "the reference leads from namespace %.60s to %.60s", v->ns, ns->text);
    strbuf_release(&path);
}

static void references(struct check *c, const struct canary_view *v)
{
    for (size_t i = 0; item(v->metrics, i); i++)
        foreign(c, v, node_get(item(v->metrics, i), "templateRef"), "metrics", i);
    for (size_t i = 0; item(v->alerts, i); i++)
        foreign(c, v, node_get(item(v->alerts, i), "providerRef"), "alerts", i);
}

void rules_provider(struct check *c, const struct canary_view *v)
{
    references(c, v);
    if (v->features == NULL)
        return; /* the schema has named the unknown provider */
    needs(c, v);
    idle_refs(c, v);
    service_fields(c, v);
    knative(c, v);
    if (v->analysis == NULL)
        return;
    strategy(c, v);
    matches(c, v);
    affinity(c, v);
}
