/* Deployments and DaemonSets: the primary's copy, promotion, scaling. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/workload/plan.h"
#include "engine/plant.h"

/* The members of the spec that the primary takes over as they are. */
static const char *const *copied_members(const struct plan *p)
{
    static const char *const deployment[] = {"progressDeadlineSeconds", "minReadySeconds",
                                             "revisionHistoryLimit", "strategy", NULL};
    static const char *const daemonset[] = {"minReadySeconds", "revisionHistoryLimit",
                                            "updateStrategy", NULL};

    return p->kind == KIND_DAEMONSET ? daemonset : deployment;
}

static cJSON *pod_template_of(const cJSON *object)
{
    return json_at(object, "spec", "template", NULL);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int get_target(struct plan *p, const char *word, cJSON **ret_target)
{
    int code = plan_get(p, plan_pods_resource(p), p->target, ret_target);

    if (code != 0)
        return plan_fail(p, code, "%s %s.%s get query error: %s", word, p->target, p->ns,
                         plan_api_error(p));
    return 0;
}

/* The target of an operation on both, with its label resolved. */
static int get_selected_target(struct plan *p, const char *word, cJSON **ret_target)
{
    int code = get_target(p, word, ret_target);

    if (code == 0 && (code = plan_select(p, *ret_target)) != 0) {
        plan_fail(p, code, "getSelectorLabel failed: %s", plan_api_error(p));
        json_free(*ret_target);
        *ret_target = NULL;
    }
    return code;
}

/* ---- the primary's pod template ----------------------------------------------------------------
 */

/* Does a selector's value mean the target's own pods? */
static bool means_target(const struct plan *p, const cJSON *value)
{
    const char *wanted =
        cluster_has(p->o->quirks, CLUSTER_SELECTOR_VALUE) ? p->target : strbuf_str(&p->value);

    return cJSON_IsString(value) && strcmp(value->valuestring, wanted) == 0;
}

static void rewrite_selector(const struct plan *p, cJSON *selector)
{
    cJSON *expressions = json_get(selector, "matchExpressions"),
          *labels = json_get(selector, "matchLabels");

    for (cJSON *e = expressions ? expressions->child : NULL; e; e = e->next) {
        cJSON *values = json_get(e, "values");

        if (!plan_is_selector_label(p, json_text(e, "key")))
            continue;
        for (cJSON *v = values ? values->child : NULL; v; v = v->next) {
            if (!means_target(p, v))
                continue;
            (void)cJSON_ReplaceItemViaPointer(values, v, build_strf("%s-primary", v->valuestring));
            break;
        }
    }
    for (cJSON *l = labels ? labels->child : NULL; l; l = l->next) {
        if (plan_is_selector_label(p, l->string) && means_target(p, l)) {
            char *key = build_dup(l->string);

            build_set(labels, key, build_strf("%s-primary", l->valuestring));
            free(key);
            break;
        }
    }
}

/* Spreading and anti-affinity among the target's pods becomes that among the primary's. */
static void rewrite_placement(const struct plan *p, cJSON *pod_spec)
{
    cJSON *spread = json_get(pod_spec, "topologySpreadConstraints"),
          *anti = json_at(pod_spec, "affinity", "podAntiAffinity", NULL), *terms;

    for (cJSON *s = spread ? spread->child : NULL; s; s = s->next)
        rewrite_selector(p, json_get(s, "labelSelector"));
    terms = json_get(anti, "preferredDuringSchedulingIgnoredDuringExecution");
    for (cJSON *t = terms ? terms->child : NULL; t; t = t->next)
        rewrite_selector(p, json_at(t, "podAffinityTerm", "labelSelector", NULL));
    terms = json_get(anti, "requiredDuringSchedulingIgnoredDuringExecution");
    for (cJSON *t = terms ? terms->child : NULL; t; t = t->next)
        rewrite_selector(p, json_get(t, "labelSelector"));
}

static uint64_t fnv1a_64(uint64_t hash, const char *s)
{
    for (; *s; s++)
        hash = (hash ^ (unsigned char)*s) * 0x100000001b3u;
    return hash;
}

/*
 * The annotation flagger-id makes a promotion roll the primary's pods. Flagger draws it at random;
 * here it follows from the pods' template and configs, so that promoting the same revision twice
 * rolls once.
 */
static cJSON *flagger_id(const struct plan *p, const cJSON *template, const cJSON *refs)
{
    uint64_t a, b;

    if (cluster_has(p->o->quirks, CLUSTER_STABLE_ID) && p->o->random) {
        a = p->o->random(p->o->random_self);
        b = p->o->random(p->o->random_self);
    } else {
        char *t = json_print_sorted(template), *r = refs ? json_print_sorted(refs) : NULL;

        if (t == NULL)
            abort();
        a = fnv1a_64(fnv1a_64(0xcbf29ce484222325u, t), r ? r : "");
        b = fnv1a_64(fnv1a_64(a, "configs"), r ? r : "");
        free(t);
        free(r);
    }
    a = (a & ~(uint64_t)0xf000) | 0x4000;
    b = (b & ~((uint64_t)3 << 62)) | (uint64_t)1 << 63;
    return build_strf("%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
                      (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff), (unsigned)(b >> 48),
                      (unsigned long long)(b & 0xffffffffffffu));
}

static cJSON *primary_template(const struct plan *p, const cJSON *target, const cJSON *refs,
                               bool creating)
{
    const cJSON *template = pod_template_of(target);
    cJSON *pod_spec = build_copy(json_get(template, "spec"));
    cJSON *annotations = filter_strip(json_at(template, "metadata", "annotations", NULL));
    cJSON *labels = primary_labels(p, json_at(template, "metadata", "labels", NULL));

    json_remove(annotations, "flagger-id");
    build_set(annotations, "flagger-id", flagger_id(p, template, refs));
    configs_rewrite(pod_spec, refs);
    if (p->kind == KIND_DEPLOYMENT) {
        rewrite_placement(p, pod_spec);
    } else if (!creating || !cluster_has(p->o->quirks, CLUSTER_STRIP_SELECTOR)) {
        cJSON *selector = json_get(pod_spec, "nodeSelector");

        json_remove(selector, SCALE_TO_ZERO_KEY);
        if (selector != NULL && json_is_empty(selector))
            json_remove(pod_spec, "nodeSelector");
    }
    return build_object("metadata",
                        build_object("labels", labels, "annotations", annotations, NULL), "spec",
                        pod_spec, NULL);
}

/* ---- creation ----------------------------------------------------------------------------------
 */

/* Annotations that say something about the object they stand on, and nothing about a copy. */
static void drop_own_annotations(const struct plan *p, cJSON *annotations)
{
    if (cluster_has(p->o->quirks, CLUSTER_OWN_ANNOTATIONS))
        return;
    json_remove(annotations, "kubectl.kubernetes.io/last-applied-configuration");
    json_remove(annotations, "deployment.kubernetes.io/revision");
    json_remove(annotations, "deprecated.daemonset.template.generation");
}

/* A release may come while the primary starts: it is this revision that was installed. */
static cJSON *made_of(const struct plan *p, const cJSON *target, const cJSON *refs)
{
    char hash[WORKLOAD_HASH_SIZE], *text;
    cJSON *value, *out;

    pods_revision_hash(p, target, hash);
    value = build_object("revision", build_str(hash), "configs", build_copy(refs), NULL);
    text = json_print_sorted(value);
    if (text == NULL)
        abort();
    out = build_str(text);
    free(text);
    json_free(value);
    return out;
}

static cJSON *primary_object(const struct plan *p, const cJSON *target, const cJSON *refs)
{
    const cJSON *metadata = json_get(target, "metadata"), *spec = json_get(target, "spec");
    cJSON *kept = filter_prefix(p, json_get(metadata, "labels"));
    cJSON *annotations = filter_strip(json_get(metadata, "annotations")), *new_spec;
    const struct resource *r = plan_pods_resource(p);

    new_spec = build_object(NULL);
    for (const char *const *m = copied_members(p); *m; m++)
        build_set(new_spec, *m, build_copy(json_get(spec, *m)));
    if (p->kind == KIND_DEPLOYMENT) {
        int64_t replicas = json_int(spec, "replicas", 1);

        build_set(new_spec, "replicas", build_int(replicas > 0 ? replicas : 1));
    }
    build_set(new_spec, "selector",
              build_object("matchLabels",
                           build_object(strbuf_str(&p->label),
                                        build_strf("%s-primary", strbuf_str(&p->value)), NULL),
                           NULL));
    build_set(new_spec, "template", primary_template(p, target, refs, true));
    drop_own_annotations(p, annotations);
    if (!cluster_has(p->o->quirks, CLUSTER_MADE_OF))
        build_set(annotations, MADE_OF_ANNOTATION, made_of(p, target, refs));
    if (json_is_empty(annotations)) {
        json_free(annotations);
        annotations = NULL;
    }
    metadata = build_object("name", build_str(p->primary), "namespace", build_str(p->ns), "labels",
                            primary_labels(p, kept), "annotations", annotations, "ownerReferences",
                            PLANTED(NO_OWNER) ? NULL : owner_references(p->q->canary), NULL);
    json_free(kept);
    return build_object("apiVersion", build_str("apps/v1"), "kind", build_str(r->kind), "metadata",
                        metadata, "spec", new_spec, NULL);
}

static int create_primary(struct plan *p, const cJSON *target)
{
    cJSON *refs = NULL;
    int code;

    strbuf_adds(&p->prefix, "GetTargetConfigs failed: ");
    code = configs_find(p, json_get(pod_template_of(target), "spec"), &refs);
    strbuf_clear(&p->prefix);
    strbuf_addf(&p->prefix, "createPrimary%s failed: ", plan_pods_resource(p)->kind);
    if (code != 0) {
        char *text = build_dup(strbuf_str(&p->result->error));

        plan_fail(p, code, "%s", text);
        free(text);
        return code;
    }
    code = configs_copy(p, refs);
    if (code == 0)
        plan_write(p, ROUTER_POST, plan_pods_resource(p), p->primary,
                   primary_object(p, target, refs), "creating %s %s.%s failed: ", plan_pods_word(p),
                   p->primary, p->ns);
    json_free(refs);
    return code;
}

static bool has_rolling_update(struct plan *p, const cJSON *target)
{
    const char *type = json_text(json_at(target, "spec", "updateStrategy", NULL), "type");

    if (p->kind != KIND_DAEMONSET || *type == '\0' || strcmp(type, "RollingUpdate") == 0)
        return true;
    plan_fail(p, -EINVAL, "daemonset %s.%s must have RollingUpdate strategy but have %s", p->target,
              p->ns, type);
    return false;
}

int pods_initialize(struct plan *p)
{
    cJSON *target = NULL, *primary = NULL;
    int code;

    strbuf_addf(&p->prefix, "createPrimary%s failed: ", plan_pods_resource(p)->kind);
    code = get_selected_target(p, plan_pods_word(p), &target);
    if (code != 0)
        return code;
    if (!has_rolling_update(p, target)) {
        code = p->result->code;
    } else if ((code = plan_get(p, plan_pods_resource(p), p->primary, &primary)) == -ENOENT) {
        strbuf_clear(&p->prefix);
        code = create_primary(p, target);
    } else if (code != 0 && !cluster_has(p->o->quirks, CLUSTER_PRIMARY_ERRORS)) {
        plan_fail(p, code, "%s %s.%s get query error: %s", plan_pods_word(p), p->primary, p->ns,
                  plan_api_error(p));
    } else {
        code = 0;
    }
    json_free(target);
    json_free(primary);
    return code;
}

/* ---- promotion ---------------------------------------------------------------------------------
 */

static void set_or_remove(cJSON *object, const char *name, cJSON *map)
{
    if (json_is_empty(map)) {
        json_remove(object, name);
        json_free(map);
    } else {
        build_set(object, name, map);
    }
}

/* The live primary with what the target is now. */
static cJSON *promoted_object(const struct plan *p, const cJSON *target, const cJSON *live,
                              const cJSON *refs)
{
    cJSON *object = build_copy(live), *spec = json_get(object, "spec"),
          *metadata = json_get(object, "metadata");
    const cJSON *from = json_get(target, "spec"), *from_metadata = json_get(target, "metadata");
    cJSON *kept = filter_prefix(p, json_get(from_metadata, "labels"));

    for (const char *const *m = copied_members(p); *m; m++) {
        if (json_get(from, *m))
            build_set(spec, *m, build_copy(json_get(from, *m)));
        else
            json_remove(spec, *m);
    }
    if (p->kind == KIND_DEPLOYMENT && json_get(p->spec, "autoscalerRef") == NULL &&
        json_int(from, "replicas", 0) > 0)
        build_set(spec, "replicas", build_copy(json_get(from, "replicas")));
    build_set(spec, "template", primary_template(p, target, refs, false));
    set_or_remove(metadata, "annotations",
                  filter_prefix(p, json_get(from_metadata, "annotations")));
    build_set(metadata, "labels", primary_labels(p, kept));
    json_free(kept);
    json_remove(object, "status");
    return object;
}

int pods_promote(struct plan *p)
{
    const char *word = plan_pods_word(p);
    bool misspelt = p->kind == KIND_DAEMONSET && cluster_has(p->o->quirks, CLUSTER_PLAIN_TEXTS);
    cJSON *target = NULL, *live = NULL, *refs = NULL;
    int code;

    strbuf_addf(&p->prefix, "updating %s %s.%s template spec failed: ", word, p->primary, p->ns);
    code = get_selected_target(p, misspelt ? "damonset" : word, &target);
    if (code != 0)
        return code;
    code = plan_get(p, plan_pods_resource(p), p->primary, &live);
    if (code != 0) {
        plan_fail(p, code, "%s %s.%s get query error: %s", word, p->primary, p->ns,
                  plan_api_error(p));
        goto out;
    }
    strbuf_adds(&p->prefix, "GetTargetConfigs failed: ");
    code = configs_find(p, json_get(pod_template_of(target), "spec"), &refs);
    if (code != 0)
        goto out;
    strbuf_clear(&p->prefix);
    strbuf_addf(&p->prefix, "updating %s %s.%s template spec failed: ", word, p->primary, p->ns);
    code = configs_copy(p, refs);
    if (code == 0)
        plan_write(p, ROUTER_PUT, plan_pods_resource(p), p->primary,
                   promoted_object(p, target, live, refs), "%s", "");
out:
    json_free(target);
    json_free(live);
    json_free(refs);
    return code;
}

/* ---- scaling -----------------------------------------------------------------------------------
 */

static void set_replicas(struct plan *p, const cJSON *target, int64_t replicas, const char *what)
{
    if (json_int(json_get(target, "spec"), "replicas", 1) == replicas)
        return;
    plan_write(p, ROUTER_PATCH, &RESOURCE_DEPLOYMENT, p->target,
               plan_patch_of(target, "spec", build_object("replicas", build_int(replicas), NULL)),
               "%s", what);
}

/* A node selector that no node satisfies is a DaemonSet's way to zero. */
static void set_unschedulable(struct plan *p, const cJSON *target, bool wanted, const char *what)
{
    const cJSON *selector = json_at(target, "spec", "template", "spec", "nodeSelector", NULL);
    cJSON *value = wanted ? build_str("true") : cJSON_CreateNull();

    if ((json_get(selector, SCALE_TO_ZERO_KEY) != NULL) == wanted) {
        json_free(value);
        return;
    }
    value = build_object(SCALE_TO_ZERO_KEY, value, NULL);
    value = build_object("nodeSelector", value, NULL);
    value = build_object("template", build_object("spec", value, NULL), NULL);
    plan_write(p, ROUTER_PATCH, &RESOURCE_DAEMONSET, p->target,
               plan_patch_of(target, "spec", value), "%s", what);
}

int pods_scale_zero(struct plan *p)
{
    cJSON *target = NULL;
    char *what;
    int code = get_target(p, plan_pods_word(p), &target);

    if (code != 0)
        return code;
    if (p->kind == KIND_DAEMONSET) {
        what = build_text("updating daemonset %s.%s failed: ", p->target, p->ns);
        set_unschedulable(p, target, true, what);
    } else {
        what = build_text("deployment %s.%s patch query error: ", p->target, p->ns);
        set_replicas(p, target, 0, what);
    }
    free(what);
    json_free(target);
    return 0;
}

/* The autoscaler's minimum, at least 1. */
static int64_t scaler_minimum(struct plan *p, const cJSON *ref)
{
    bool keda = strcmp(json_text(ref, "kind"), "ScaledObject") == 0;
    cJSON *scaler = NULL;
    int64_t minimum = 1;

    if (plan_get(p, keda ? &RESOURCE_SCALED_OBJECT : &RESOURCE_HPA, json_text(ref, "name"),
                 &scaler) == 0)
        minimum = json_int(json_get(scaler, "spec"), keda ? "minReplicaCount" : "minReplicas", 1);
    json_free(scaler);
    return minimum > 1 ? minimum : 1;
}

static int replicas_wanted(struct plan *p, const cJSON *target, int64_t *ret_replicas)
{
    const cJSON *ref = json_get(p->spec, "autoscalerRef");
    int64_t own = json_int(json_get(target, "spec"), "replicas", 1);
    cJSON *primary = NULL;
    int code;

    if (own > 0) {
        *ret_replicas = own;
        return 0;
    }
    if (ref != NULL) {
        *ret_replicas = scaler_minimum(p, ref);
        return 0;
    }
    code = plan_get(p, &RESOURCE_DEPLOYMENT, p->primary, &primary);
    if (code != 0)
        return plan_fail(p, code, "deployment %s.%s get query error: %s", p->primary, p->ns,
                         plan_api_error(p));
    own = json_int(json_get(primary, "spec"), "replicas", 1);
    *ret_replicas = own > 0 ? own : 1;
    json_free(primary);
    return 0;
}

int pods_scale_up(struct plan *p)
{
    cJSON *target = NULL;
    int64_t replicas = 1;
    char *what = NULL;
    int code = plan_get(p, plan_pods_resource(p), p->target, &target);

    if (code != 0)
        return plan_fail(p, code,
                         p->kind == KIND_DAEMONSET ? "daemonset %s.%s query error: %s"
                                                   : "deployment %s.%s get query error: %s",
                         p->target, p->ns, plan_api_error(p));
    if (p->kind == KIND_DAEMONSET) {
        what = build_text("scaling up daemonset %s.%s failed: ", p->target, p->ns);
        set_unschedulable(p, target, false, what);
    } else if ((code = replicas_wanted(p, target, &replicas)) == 0) {
        what =
            build_text("scaling up %s.%s to %lld failed: ", p->target, p->ns, (long long)replicas);
        set_replicas(p, target, replicas, what);
    }
    free(what);
    json_free(target);
    return code;
}

int pods_revert(struct plan *p)
{
    cJSON *target = NULL, *primary = NULL;
    int64_t replicas;
    char *what;
    int code;

    if (p->kind == KIND_DAEMONSET) {
        strbuf_adds(&p->prefix, "ScaleFromZero failed: ");
        return pods_scale_up(p);
    }
    code = get_target(
        p, cluster_has(p->o->quirks, CLUSTER_PLAIN_TEXTS) ? "deplyoment" : "deployment", &target);
    if (code == -ENOENT && !cluster_has(p->o->quirks, CLUSTER_MISSING_TARGET)) {
        strbuf_clear(&p->result->error);
        return p->result->code = 0; /* nothing is left to bring back */
    }
    if (code != 0)
        return code;
    code = plan_get(p, &RESOURCE_DEPLOYMENT, p->primary, &primary);
    if (code == -ENOENT) {
        strbuf_adds(&p->prefix, "ScaleFromZero failed: ");
        json_free(target);
        return pods_scale_up(p);
    }
    if (code != 0) {
        plan_fail(p, code, "%s %s.%s get query error: %s",
                  cluster_has(p->o->quirks, CLUSTER_PLAIN_TEXTS) ? "deplyoment" : "deployment",
                  p->primary, p->ns, plan_api_error(p));
    } else {
        replicas = json_int(json_get(primary, "spec"), "replicas", 1);
        if (replicas < 1 && !cluster_has(p->o->quirks, CLUSTER_REVERT_TO_ONE))
            replicas = 1;
        what = build_text("scale failed: scaling %s.%s to %lld failed: ", p->target, p->ns,
                          (long long)replicas);
        set_replicas(p, target, replicas, what);
        free(what);
    }
    json_free(target);
    json_free(primary);
    return code;
}

cJSON *pods_revision_of(const struct plan *p, const cJSON *target)
{
    cJSON *template = build_copy(pod_template_of(target));
    cJSON *pod_spec = json_get(template, "spec"), *selector = json_get(pod_spec, "nodeSelector");

    if (p->kind == KIND_DAEMONSET)
        json_remove(selector, SCALE_TO_ZERO_KEY);
    if (selector != NULL && json_is_empty(selector))
        json_remove(pod_spec, "nodeSelector");
    return template;
}
