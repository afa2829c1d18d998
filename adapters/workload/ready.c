/* Is a workload ready? The texts are those of docs/engine/semantics.md, Appendix A. */
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/time.h"
#include "adapters/workload/plan.h"

/* What was found, before it is wrapped. */
struct finding {
    enum workload_state state;
    struct strbuf text;
};

static const cJSON *condition_of_type(const cJSON *object, const char *type)
{
    const cJSON *conditions = json_at(object, "status", "conditions", NULL);

    for (const cJSON *c = conditions ? conditions->child : NULL; c; c = c->next) {
        if (strcmp(json_text(c, "type"), type) == 0)
            return c;
    }
    return NULL;
}

/* percent of n, in single precision as Flagger works it out */
static int64_t share_of(int64_t n, int64_t percent)
{
    float ratio = (float)percent / 100.0f;

    return (int64_t)((float)n * ratio);
}

static int64_t deadline_ms_of(const struct plan *p)
{
    return json_int(p->spec, "progressDeadlineSeconds", 600) * 1000;
}

static int64_t threshold_of(const struct plan *p, bool canary)
{
    return json_int(json_get(p->spec, "analysis"),
                    canary ? "canaryReadyThreshold" : "primaryReadyThreshold", 100);
}

/* A rollout that made no progress for the Canary's own deadline. */
static bool deployment_is_stuck(const struct plan *p, const cJSON *object)
{
    const cJSON *available = condition_of_type(object, "Available");
    int64_t since;

    return condition_of_type(object, "Progressing") != NULL &&
           strcmp(json_text(available, "status"), "False") == 0 &&
           strcmp(json_text(available, "reason"), "MinimumReplicasUnavailable") == 0 &&
           kube_time_parse(json_text(available, "lastUpdateTime"), &since) &&
           since + deadline_ms_of(p) < p->q->now_ms;
}

static void deployment_look(const struct plan *p, const cJSON *object, const char *name,
                            int64_t threshold, struct finding *f)
{
    const cJSON *spec = json_get(object, "spec"), *status = json_get(object, "status");
    int64_t updated = json_int(status, "updatedReplicas", 0),
            replicas = json_int(status, "replicas", 0),
            available = json_int(status, "availableReplicas", 0),
            wanted = json_int(spec, "replicas", 0), needed = share_of(updated, threshold);

    f->state = WORKLOAD_NOT_YET;
    if (json_int(json_get(object, "metadata"), "generation", 0) >
        json_int(status, "observedGeneration", 0)) {
        strbuf_adds(&f->text, "waiting for rollout to finish: observed deployment generation less "
                              "than desired generation");
        return;
    }
    if (strcmp(json_text(condition_of_type(object, "Progressing"), "reason"),
               "ProgressDeadlineExceeded") == 0) {
        f->state = WORKLOAD_FAILED;
        strbuf_addf(&f->text, "deployment \"%s\" exceeded its progress deadline", name);
        return;
    }
    if (updated < wanted)
        strbuf_addf(
            &f->text,
            "waiting for rollout to finish: %lld out of %lld new replicas have been updated",
            (long long)updated, (long long)wanted);
    else if (replicas > updated)
        strbuf_addf(&f->text,
                    "waiting for rollout to finish: %lld old replicas are pending termination",
                    (long long)(replicas - updated));
    else if (available < needed)
        strbuf_addf(&f->text,
                    "waiting for rollout to finish: %lld of %lld (readyThreshold %lld%%) updated "
                    "replicas are available",
                    (long long)available, (long long)needed, (long long)threshold);
    else
        f->state = WORKLOAD_READY;
    if (f->state == WORKLOAD_NOT_YET && deployment_is_stuck(p, object))
        f->state = WORKLOAD_FAILED;
}

static void daemonset_look(const struct plan *p, const cJSON *object, int64_t threshold,
                           struct finding *f)
{
    const cJSON *status = json_get(object, "status");
    int64_t updated = json_int(status, "updatedNumberScheduled", 0),
            desired = json_int(status, "desiredNumberScheduled", 0),
            available = json_int(status, "numberAvailable", 0),
            needed = share_of(desired, threshold), since;

    f->state = WORKLOAD_NOT_YET;
    if (json_int(json_get(object, "metadata"), "generation", 0) >
        json_int(status, "observedGeneration", 0)) {
        strbuf_adds(&f->text, "waiting for rollout to finish: observed daemonset generation less "
                              "than desired generation");
        return;
    }
    if (updated >= desired && available >= needed) {
        f->state = WORKLOAD_READY;
        return;
    }
    if (kube_time_parse(json_text(json_get(p->q->canary, "status"), "lastTransitionTime"),
                        &since) &&
        since + deadline_ms_of(p) < p->q->now_ms) {
        f->state = WORKLOAD_FAILED;
        strbuf_addf(&f->text, "exceeded its progressDeadlineSeconds: %lld",
                    (long long)(deadline_ms_of(p) / 1000));
    } else if (updated < desired) {
        strbuf_addf(&f->text,
                    "waiting for rollout to finish: %lld out of %lld new pods have been updated",
                    (long long)updated, (long long)desired);
    } else {
        strbuf_addf(&f->text,
                    "waiting for rollout to finish: %lld of %lld (readyThreshold %lld%%) updated "
                    "pods are available",
                    (long long)available, (long long)needed, (long long)threshold);
    }
}

static void wrap(const struct plan *p, bool canary, const struct finding *f, struct strbuf *out)
{
    const char *text = strbuf_str(&f->text);

    if (p->kind == KIND_DAEMONSET && canary && cluster_has(p->o->quirks, CLUSTER_PLAIN_TEXTS))
        strbuf_addf(out, "canary damonset %s.%s not ready with retryable %s: %s", p->target, p->ns,
                    f->state == WORKLOAD_FAILED ? "false" : "true", text);
    else if (canary)
        strbuf_addf(out, "canary %s %s.%s not ready: %s", plan_pods_word(p), p->target, p->ns,
                    text);
    else
        strbuf_addf(out, "%s%s.%s not ready: %s",
                    p->kind == KIND_DAEMONSET ? "primary daemonset " : "", p->primary, p->ns, text);
}

static void pods_ready(struct plan *p, bool canary, struct workload_readiness *out)
{
    const char *name = canary ? p->target : p->primary;
    struct finding f = {WORKLOAD_NOT_YET, STRBUF_INIT};
    cJSON *object = NULL;

    if (plan_get(p, plan_pods_resource(p), name, &object) != 0) {
        out->state = WORKLOAD_NOT_YET;
        strbuf_addf(&out->text, "%s %s.%s get query error: %s", plan_pods_word(p), name, p->ns,
                    plan_api_error(p));
        return;
    }
    if (p->kind == KIND_DAEMONSET) {
        daemonset_look(p, object, threshold_of(p, canary), &f);
        out->no_pods = json_get(json_at(object, "spec", "template", "spec", "nodeSelector", NULL),
                                SCALE_TO_ZERO_KEY) != NULL;
    } else {
        deployment_look(p, object, name, threshold_of(p, canary), &f);
        out->no_pods = json_int(json_get(object, "spec"), "replicas", 1) == 0;
    }
    out->state = f.state;
    if (f.state != WORKLOAD_READY)
        wrap(p, canary, &f, &out->text);
    strbuf_release(&f.text);
    json_free(object);
}

static bool revision_is_ready(const cJSON *revision)
{
    return json_int(json_get(revision, "metadata"), "generation", 0) ==
               json_int(json_get(revision, "status"), "observedGeneration", -1) &&
           strcmp(json_text(condition_of_type(revision, "Ready"), "status"), "True") == 0;
}

static void knative_ready(struct plan *p, bool canary, struct workload_readiness *out)
{
    cJSON *service = NULL, *revision = NULL;
    const char *name;

    out->state = WORKLOAD_NOT_YET;
    if (plan_get(p, &RESOURCE_KNATIVE_SERVICE, p->target, &service) != 0) {
        strbuf_addf(&out->text, "Knative Service %s.%s get query error: %s", p->target, p->ns,
                    plan_api_error(p));
        return;
    }
    name = canary ? json_str(json_get(service, "status"), "latestCreatedRevisionName")
                  : json_str(json_at(service, "metadata", "annotations", NULL),
                             "flagger.app/primary-revision");
    if (name == NULL && !canary)
        strbuf_addf(&out->text, "Knative Service %s.%s primary revision annotation not found",
                    p->target, p->ns);
    else if (plan_get(p, &RESOURCE_KNATIVE_REVISION, name ? name : "", &revision) != 0)
        strbuf_addf(&out->text, "Knative Revision %s.%s get query error: %s", name ? name : "",
                    p->ns, plan_api_error(p));
    else if (!revision_is_ready(revision))
        strbuf_addf(&out->text, "Knative Revision %s.%s is not ready", name, p->ns);
    else
        out->state = WORKLOAD_READY;
    json_free(service);
    json_free(revision);
}

void workload_ready(const struct workload_request *q, bool canary,
                    struct workload_readiness *ret_readiness)
{
    struct router_result unused;
    struct plan p;

    memset(ret_readiness, 0, sizeof(*ret_readiness));
    plan_begin(&p, q, &unused);
    switch (p.kind) {
    case KIND_DEPLOYMENT:
    case KIND_DAEMONSET:
        pods_ready(&p, canary, ret_readiness);
        break;
    case KIND_KNATIVE:
        knative_ready(&p, canary, ret_readiness);
        break;
    case KIND_SERVICE:
        break;
    }
    (void)plan_end(&p);
    router_result_release(&unused);
}
