#include "adapters/router/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"

const char *const router_providers[] = {
    "apisix",  "appmesh", "appmesh:v1beta2", "contour",      "gatewayapi:v1", "gatewayapi:v1beta1",
    "gloo",    "istio",   "knative",         "kubernetes",   "kuma",          "linkerd",
    "nginx",   "osm",     "skipper",         "smi:v1alpha1", "smi:v1alpha2",  "smi:v1alpha3",
    "traefik", NULL,
};

/* In this order; the first that fits wins. */
static const struct router_rule {
    const char *text;
    bool is_prefix;
    const struct router *router;
} router_rules[] = {
    {"appmesh:v1beta2", true, &router_appmesh_v1beta2},
    {"appmesh", false, &router_appmesh},
    {"linkerd", false, &router_smi},
    {"istio", false, &router_istio},
    {"smi:v1alpha1", true, &router_smi},
    {"smi:v1alpha2", true, &router_smi},
    {"smi:v1alpha3", true, &router_smi},
    {"contour", false, &router_contour},
    {"knative", false, &router_knative},
    {"gloo", true, &router_gloo},
    {"nginx", false, &router_nginx},
    {"skipper", false, &router_skipper},
    {"traefik", false, &router_traefik},
    {"apisix", false, &router_apisix},
    {"osm", false, &router_smi},
    {"kuma", false, &router_kuma},
    {"gatewayapi:v1", true, &router_gateway},
    {"kubernetes", false, &router_kubernetes},
};

const struct router *router_find(const char *provider, bool *ret_known)
{
    for (size_t i = 0; i < sizeof(router_rules) / sizeof(router_rules[0]); i++) {
        const struct router_rule *rule = &router_rules[i];
        int differs = rule->is_prefix ? strncmp(provider, rule->text, strlen(rule->text))
                                      : strcmp(provider, rule->text);

        if (differs == 0) {
            if (ret_known != NULL)
                *ret_known = true;
            return rule->router;
        }
    }
    if (ret_known != NULL)
        *ret_known = false;
    return &router_istio;
}

const char *router_name(const struct router *r)
{
    return r->name;
}

bool router_reconciles_first(const char *provider)
{
    return strncmp(provider, "appmesh", strlen("appmesh")) == 0;
}

const char *router_verb_name(enum router_verb verb)
{
    switch (verb) {
    case ROUTER_POST:
        return "POST";
    case ROUTER_PUT:
        return "PUT";
    case ROUTER_PATCH:
        return "PATCH";
    case ROUTER_DELETE:
    default:
        return "DELETE";
    }
}

void service_names_of(const cJSON *canary, struct service_names *ret_names)
{
    const cJSON *spec = json_get(canary, "spec");
    const char *apex = json_text(json_get(spec, "service"), "name");

    if (apex[0] == '\0')
        apex = json_text(json_get(spec, "targetRef"), "name");
    ret_names->apex = build_dup(apex);
    ret_names->primary = build_join(apex, "-primary");
    ret_names->canary = build_join(apex, "-canary");
}

void service_names_release(struct service_names *n)
{
    free(n->apex);
    free(n->primary);
    free(n->canary);
    *n = (struct service_names){NULL, NULL, NULL};
}

void router_result_release(struct router_result *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->writes[i].ns);
        free(r->writes[i].name);
        free(r->writes[i].before);
        free(r->writes[i].after);
        json_free(r->writes[i].object);
    }
    free(r->writes);
    strbuf_release(&r->error);
    strbuf_release(&r->log);
    free(r->cookies.session);
    free(r->cookies.previous);
    free(r->cookies.primary);
    memset(r, 0, sizeof(*r));
}

cJSON *router_spec(const cJSON *canary)
{
    return shape_decode(&canary_shape, json_get(canary, "spec"));
}

void call_begin(struct call *c, const struct router_request *q, struct router_result *result)
{
    const cJSON *metadata = json_get(q->canary, "metadata");
    const cJSON *status = json_get(q->canary, "status");

    memset(result, 0, sizeof(*result));
    result->cookies.session = build_dup(json_text(status, "sessionAffinityCookie"));
    result->cookies.previous = build_dup(json_text(status, "previousSessionAffinityCookie"));
    result->cookies.primary = build_dup(json_text(status, "primarySessionAffinityCookie"));

    memset(c, 0, sizeof(*c));
    c->router = router_find(q->provider, NULL);
    c->request = q;
    c->options = q->options;
    c->provider = q->provider;
    c->own_spec = q->spec ? NULL : router_spec(q->canary);
    c->spec = q->spec ? q->spec : c->own_spec;
    c->service = json_get(c->spec, "service");
    c->analysis = json_get(c->spec, "analysis");
    /* Flagger reads the affinity from spec.analysis alone */
    c->affinity = json_get(c->analysis, "sessionAffinity");
    if (c->analysis == NULL)
        c->analysis = json_get(c->spec, "canaryAnalysis");
    c->match = json_get(c->analysis, "match");
    if (json_is_empty(c->match))
        c->match = NULL;
    c->ns = json_text(metadata, "namespace");
    c->name = json_text(metadata, "name");
    c->phase = json_text(status, "phase");
    c->port = json_int(c->service, "port", 0);
    c->prefix = "";
    service_names_of(q->canary, &c->names);
    c->result = result;
}

int call_end(struct call *c)
{
    json_free(c->own_spec);
    service_names_release(&c->names);
    strbuf_release(&c->api_error);
    strbuf_release(&c->label);
    return c->result->code;
}

int router_reconcile(const struct router_request *q, struct router_result *ret_result)
{
    struct call c;

    call_begin(&c, q, ret_result);
    (void)c.router->reconcile(&c);
    return call_end(&c);
}

int router_get(const struct router_request *q, struct routing *ret_routing,
               struct router_result *ret_result)
{
    struct routing routing = {0, 0, false};
    struct call c;
    int code;

    call_begin(&c, q, ret_result);
    (void)c.router->get(&c, &routing);
    code = call_end(&c);
    if (code == 0)
        *ret_routing = routing;
    return code;
}

int router_set(const struct router_request *q, const struct routing *routing,
               struct router_result *ret_result)
{
    struct call c;

    call_begin(&c, q, ret_result);
    (void)c.router->set(&c, routing);
    return call_end(&c);
}

int router_finalize(const struct router_request *q, struct router_result *ret_result)
{
    struct call c;

    call_begin(&c, q, ret_result);
    (void)c.router->finalize(&c);
    return call_end(&c);
}
