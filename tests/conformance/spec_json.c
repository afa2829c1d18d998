#include "tests/conformance/spec_json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/num.h"
struct canary_json {
    cJSON *obj;
    const char *mesh, *cluster;
    struct spec s;
    int32_t steps[64];
    struct metric_spec m[32];
    struct hook_spec h[64];
    char mp[64];
};
static double dbl(const cJSON *o, const char *n, bool *has)
{
    cJSON *v = json_get(o, n);
    if (has)
        *has = cJSON_IsNumber(v);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}
static void build(struct canary_json *c)
{
    struct spec *s = &c->s;
    memset(s, 0, sizeof *s);
    cJSON *md = json_get(c->obj, "metadata"), *sp = json_get(c->obj, "spec"),
          *tr = json_get(sp, "targetRef"), *an = json_get(sp, "analysis");
    s->name = json_str(md, "name");
    s->ns = json_str(md, "namespace");
    s->target_name = json_str(tr, "name");
    s->target_kind_name = json_str(tr, "kind");
    const char *k = s->target_kind_name;
    s->target_kind = !strcmp(k, "DaemonSet") ? TARGET_DAEMONSET
                     : !strcmp(k, "Service") ? TARGET_SERVICE
                                             : TARGET_DEPLOYMENT;
    s->provider = json_str_or(sp, "provider", c->mesh);
    s->metrics_server = json_str(sp, "metricsServer");
    s->cluster_name = c->cluster;
    const char *mp = strstr(c->mesh, "crossover") ? "crossover" : c->mesh;
    if (json_str(sp, "provider"))
        mp = json_str(sp, "provider");
    if (json_str(sp, "provider") && strstr(c->mesh, "linkerd"))
        mp = "linkerd";
    snprintf(c->mp, sizeof c->mp, "%s%s", mp, s->target_kind == TARGET_SERVICE ? ":service" : "");
    s->metrics_provider = c->mp;
    s->provider_is_kubernetes = !strcmp(s->provider, "kubernetes");
    s->provider_is_appmesh = !strncmp(s->provider, "appmesh", 7);
    s->skip_analysis = json_bool(sp, "skipAnalysis", false) || !an;
    s->suspend = json_bool(sp, "suspend", false);
    s->tracks_configs = s->target_kind != TARGET_SERVICE;
    s->progress_deadline_s = (int)json_int(sp, "progressDeadlineSeconds", 600);
    struct analysis_spec *a = &s->analysis;
    a->present = an != 0;
    a->interval_ms = 60000;
    a->threshold = (int)json_int(an, "threshold", 0);
    if (a->threshold <= 0)
        a->threshold = 1;
    a->max_weight = (int)json_int(an, "maxWeight", 0);
    a->step_weight = (int)json_int(an, "stepWeight", 0);
    a->step_weight_promotion = (int)json_int(an, "stepWeightPromotion", 0);
    a->iterations = (int)json_int(an, "iterations", 0);
    a->mirror = json_bool(an, "mirror", false);
    a->match_count = (uint32_t)cJSON_GetArraySize(json_get(an, "match"));
    cJSON *e;
    uint32_t n = 0;
    cJSON_ArrayForEach(e, json_get(an, "stepWeights")) c->steps[n++] = e->valueint;
    a->step_weights = c->steps;
    a->step_weight_count = n;
    n = 0;
    cJSON_ArrayForEach(e, json_get(an, "metrics"))
    {
        struct metric_spec *m = &c->m[n++];
        memset(m, 0, sizeof *m);
        m->name = json_str(e, "name");
        m->query = json_str(e, "query");
        cJSON *t = json_get(e, "templateRef");
        m->template_name = json_str(t, "name");
        m->template_namespace = json_str_or(t, "namespace", s->ns);
        cJSON *r = json_get(e, "thresholdRange");
        m->has_range = r != 0;
        m->range.min = dbl(r, "min", &m->range.has_min);
        m->range.max = dbl(r, "max", &m->range.has_max);
        m->threshold = dbl(e, "threshold", 0);
    }
    a->metrics = c->m;
    a->metric_count = n;
    n = 0;
    cJSON_ArrayForEach(e, json_get(an, "webhooks"))
    {
        struct hook_spec *h = &c->h[n++];
        memset(h, 0, sizeof *h);
        h->name = json_str(e, "name");
        h->mute_alert = json_bool(e, "muteAlert", false);
        const char *t = json_str_or(e, "type", "rollout");
        for (unsigned i = 0; i < HOOK_TYPE_COUNT; i++)
            if (!strcmp(t, hook_type_name(i)))
                h->type = i;
    }
    a->hooks = c->h;
    a->hook_count = n;
}
struct canary_json *canary_json_new(const cJSON *canary, const char *mesh, const char *cluster)
{
    struct canary_json *c = calloc(1, sizeof *c);
    c->obj = json_copy(canary);
    c->mesh = mesh;
    c->cluster = cluster;
    build(c);
    return c;
}
bool canary_json_edit(struct canary_json *c, const cJSON *p)
{
    cJSON *sp = cJSON_DetachItemFromObjectCaseSensitive(c->obj, "spec");
    json_set(c->obj, "spec", json_merge_patch(sp, p));
    build(c);
    return true;
}
const struct spec *canary_json_spec(const struct canary_json *c)
{
    return &c->s;
}
void canary_json_free(struct canary_json *c)
{
    json_free(c->obj);
    free(c);
}
