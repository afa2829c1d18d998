#include "adapters/workload/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct resource RESOURCE_DEPLOYMENT = {"apps", "v1", "deployments", "Deployment", false};
const struct resource RESOURCE_DAEMONSET = {"apps", "v1", "daemonsets", "DaemonSet", false};
const struct resource RESOURCE_CONFIGMAP = {"", "v1", "configmaps", "ConfigMap", false};
const struct resource RESOURCE_SECRET = {"", "v1", "secrets", "Secret", false};
const struct resource RESOURCE_HPA = {"autoscaling", "v2", "horizontalpodautoscalers",
                                      "HorizontalPodAutoscaler", false};
const struct resource RESOURCE_SCALED_OBJECT = {"keda.sh", "v1alpha1", "scaledobjects",
                                                "ScaledObject", false};
const struct resource RESOURCE_KNATIVE_REVISION = {"serving.knative.dev", "v1", "revisions",
                                                   "Revision", false};

static const char *const default_selector_labels[] = {"app", "name", "app.kubernetes.io/name",
                                                      NULL};

static enum workload_kind kind_of(const cJSON *target_ref)
{
    const char *kind = json_text(target_ref, "kind");

    if (strcmp(kind, "DaemonSet") == 0)
        return KIND_DAEMONSET;
    if (strcmp(kind, "Service") == 0)
        return strcmp(json_text(target_ref, "apiVersion"), "serving.knative.dev/v1") == 0
                   ? KIND_KNATIVE
                   : KIND_SERVICE;
    return KIND_DEPLOYMENT;
}

void plan_begin(struct plan *p, const struct workload_request *q, struct router_result *result)
{
    const cJSON *metadata = json_get(q->canary, "metadata"), *target_ref;

    memset(p, 0, sizeof(*p));
    memset(result, 0, sizeof(*result));
    p->q = q;
    p->o = q->options;
    p->result = result;
    p->spec = json_get(q->canary, "spec");
    p->ns = json_text(metadata, "namespace");
    p->name = json_text(metadata, "name");
    target_ref = json_get(p->spec, "targetRef");
    p->kind = kind_of(target_ref);
    p->target = json_text(target_ref, "name");
    p->primary = build_join(p->target, "-primary");
}

int plan_end(struct plan *p)
{
    int code = p->result->code;

    free(p->primary);
    strbuf_release(&p->label);
    strbuf_release(&p->value);
    strbuf_release(&p->prefix);
    strbuf_release(&p->api_error);
    return code;
}

const struct resource *plan_pods_resource(const struct plan *p)
{
    return p->kind == KIND_DAEMONSET ? &RESOURCE_DAEMONSET : &RESOURCE_DEPLOYMENT;
}

const char *plan_pods_word(const struct plan *p)
{
    return p->kind == KIND_DAEMONSET ? "daemonset" : "deployment";
}

int plan_get(struct plan *p, const struct resource *r, const char *name, cJSON **ret_object)
{
    const struct router_world *w = p->q->world;

    strbuf_clear(&p->api_error);
    return w->get(w->self, r, p->ns, name, ret_object, &p->api_error);
}

const char *plan_api_error(const struct plan *p)
{
    return strbuf_str(&p->api_error);
}

int plan_fail(struct plan *p, int code, const char *format, ...)
{
    va_list args;

    strbuf_clear(&p->result->error);
    strbuf_adds(&p->result->error, strbuf_str(&p->prefix));
    va_start(args, format);
    strbuf_addv(&p->result->error, format, args);
    va_end(args);
    p->result->code = code;
    return code;
}

void plan_write(struct plan *p, enum router_verb verb, const struct resource *r, const char *name,
                cJSON *object, const char *format, ...)
{
    struct router_result *result = p->result;
    struct strbuf before = STRBUF_INIT;
    va_list args;

    if (result->count == result->cap) {
        size_t cap = result->cap == 0 ? 4 : result->cap * 2;

        result->writes = realloc(result->writes, cap * sizeof(*result->writes));
        if (result->writes == NULL)
            abort();
        result->cap = cap;
    }
    strbuf_adds(&before, strbuf_str(&p->prefix));
    va_start(args, format);
    strbuf_addv(&before, format, args);
    va_end(args);
    result->writes[result->count++] = (struct router_write){
        .verb = verb,
        .resource = r,
        .ns = build_dup(p->ns),
        .name = build_dup(name),
        .object = object,
        .before = build_dup(strbuf_str(&before)),
    };
    strbuf_release(&before);
}

cJSON *plan_patch_of(const cJSON *live, const char *member, cJSON *value)
{
    const char *version = json_str(json_get(live, "metadata"), "resourceVersion");
    cJSON *patch = build_object(member, value, NULL);

    build_set(build_child(patch, "metadata"), "resourceVersion", build_str(version));
    return patch;
}

/* ---- the selector label ------------------------------------------------------------------------
 */

static const char *const *selector_labels(const struct plan *p)
{
    return p->o->selector_labels ? p->o->selector_labels : default_selector_labels;
}

bool plan_is_selector_label(const struct plan *p, const char *key)
{
    for (const char *const *l = selector_labels(p); *l; l++) {
        if (strcmp(*l, key) == 0)
            return true;
    }
    return false;
}

int plan_select(struct plan *p, const cJSON *target)
{
    const cJSON *labels = json_at(target, "spec", "selector", "matchLabels", NULL);
    const char *const *l = selector_labels(p);

    strbuf_clear(&p->label);
    strbuf_clear(&p->value);
    for (; *l; l++) {
        const char *value = json_str(labels, *l);

        if (value != NULL) {
            strbuf_adds(&p->label, *l);
            strbuf_adds(&p->value, value);
            return 0;
        }
    }
    strbuf_clear(&p->api_error);
    strbuf_addf(&p->api_error, "%s %s.%s spec.selector.matchLabels must contain one of [",
                plan_pods_word(p), p->target, p->ns);
    for (l = selector_labels(p); *l; l++)
        strbuf_addf(&p->api_error, "%s%s", l == selector_labels(p) ? "" : " ", *l);
    strbuf_adds(&p->api_error,
                p->kind == KIND_DAEMONSET && cluster_has(p->o->quirks, CLUSTER_PLAIN_TEXTS) ? "]'"
                                                                                            : "]");
    return -EINVAL;
}

/* ---- metadata ----------------------------------------------------------------------------------
 */

static bool is_flux_key(const char *key)
{
    return strstr(key, "toolkit.fluxcd.io") != NULL;
}

static bool has_included_prefix(const struct plan *p, const char *key)
{
    for (const char *const *i = p->o->include_prefixes; i && *i; i++) {
        if (strcmp(*i, "*") == 0 || (**i != '\0' && strncmp(key, *i, strlen(*i)) == 0))
            return true;
    }
    return false;
}

cJSON *filter_prefix(const struct plan *p, const cJSON *map)
{
    cJSON *out = build_object(NULL);

    for (const cJSON *m = build_members(map); m; m = m->next) {
        if (!is_flux_key(m->string) && has_included_prefix(p, m->string))
            build_set(out, m->string, build_copy(m));
    }
    return out;
}

cJSON *filter_strip(const cJSON *map)
{
    cJSON *out = build_object(NULL);

    for (const cJSON *m = build_members(map); m; m = m->next) {
        if (!is_flux_key(m->string))
            build_set(out, m->string, build_copy(m));
    }
    return out;
}

cJSON *primary_labels(const struct plan *p, const cJSON *map)
{
    cJSON *out = filter_strip(map);

    build_set(out, strbuf_str(&p->label), build_strf("%s-primary", strbuf_str(&p->value)));
    return out;
}
