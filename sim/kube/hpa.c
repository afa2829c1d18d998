/*
 * The HPA controller: a look every interval, one resource metric each from the world's hook.
 * Source: pkg/controller/podautoscaler of Kubernetes 1.35, without stabilisation windows and
 * policies.
 */
#include "sim/kube/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTOR "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
#define TOLERANCE_PERCENT 10

static void condition(const struct simkube *k, const cJSON *old, cJSON *list, const char *type,
                      bool yes, const char *reason, const char *message)
{
    const cJSON *was = sk_condition(old, type);
    cJSON *c = cJSON_CreateObject();
    char now[32];

    sk_timestamp(k, now);
    json_set_str(c, "type", type);
    json_set_str(c, "status", yes ? "True" : "False");
    json_set_str(c, "lastTransitionTime",
                 was && (strcmp(json_str_or(was, "status", ""), "True") == 0) == yes
                     ? json_str_or(was, "lastTransitionTime", now)
                     : now);
    json_set_str(c, "reason", reason);
    json_set_str(c, "message", message);
    cJSON_AddItemToArray(list, c);
}

/* What the metrics ask for, or -1 when none has a value; their current values go to `seen`. */
static int64_t proposal(struct simkube *k, const struct sk_object *hpa, int64_t current,
                        cJSON *seen)
{
    const cJSON *m;
    int64_t best = -1;

    cJSON_ArrayForEach(m, json_at(hpa->tree, "spec", "metrics", (char *)NULL))
    {
        const cJSON *r = json_get(m, "resource");
        int64_t target = json_int(json_get(r, "target"), "averageUtilization", 0), use = -1, want;
        cJSON *now;

        if (r && k->world.utilisation)
            use =
                k->world.utilisation(k->world.ctx, hpa->ns, hpa->tree, json_str_or(r, "name", ""));
        if (use < 0 || target <= 0)
            continue;
        want = (current * use + target - 1) / target;
        if (use * 100 >= target * (100 - TOLERANCE_PERCENT) &&
            use * 100 <= target * (100 + TOLERANCE_PERCENT))
            want = current;
        best = want > best ? want : best;
        now = cJSON_CreateObject();
        json_set_str(now, "type", "Resource");
        json_set_str(json_child_object(now, "resource"), "name", json_str_or(r, "name", ""));
        json_set_int(json_child_object(json_get(now, "resource"), "current"), "averageUtilization",
                     use);
        cJSON_AddItemToArray(seen, now);
    }
    return best;
}

static int64_t clamp(const cJSON *spec, int64_t n)
{
    int64_t min = json_int(spec, "minReplicas", 1), max = json_int(spec, "maxReplicas", 1);

    return n < min ? min : n > max ? max : n;
}

static void scale_target(struct simkube *k, struct sk_object *d, int64_t n)
{
    cJSON *tree = sk_edit(d), *meta = json_get(tree, "metadata");

    json_set_int(json_get(tree, "spec"), "replicas", n);
    json_set_int(meta, "generation", json_int(meta, "generation", 1) + 1);
    sk_update(k, ACTOR, d, tree, false);
}

static void look(struct simkube *k, struct sk_object *hpa)
{
    const cJSON *spec = json_get(hpa->tree, "spec"), *ref = json_get(spec, "scaleTargetRef");
    struct sk_object *d = strcmp(json_str_or(ref, "kind", ""), "Deployment") == 0
                              ? sk_find_name(k->deployments, hpa->ns, json_str_or(ref, "name", ""))
                              : NULL;
    cJSON *tree = sk_edit_status(hpa), *status = json_child_object(tree, "status"),
          *list = cJSON_CreateArray(), *seen = cJSON_CreateArray();
    int64_t want, have;
    char now[32];

    if (!d) {
        condition(k, hpa->tree, list, "AbleToScale", false, "FailedGetScale",
                  "the HPA controller was unable to get the target's current scale");
    } else {
        have = json_int(json_get(d->tree, "spec"), "replicas", 1);
        want = have == 0 ? 0 : proposal(k, hpa, have, seen);
        condition(k, hpa->tree, list, "AbleToScale", true, "SucceededGetScale",
                  "the HPA controller was able to get the target's current scale");
        if (have == 0)
            condition(k, hpa->tree, list, "ScalingActive", false, "ScalingDisabled",
                      "scaling is disabled since the replica count of the target is zero");
        else if (want < 0)
            condition(k, hpa->tree, list, "ScalingActive", false, "FailedGetResourceMetric",
                      "the HPA was unable to compute the replica count");
        else
            condition(k, hpa->tree, list, "ScalingActive", true, "ValidMetricFound",
                      "the HPA was able to successfully calculate a replica count");
        if (have != 0)
            want = clamp(spec, want < 0 ? have : want);
        json_set_int(status, "currentReplicas",
                     json_int(json_get(d->tree, "status"), "replicas", 0));
        json_set_int(status, "desiredReplicas", want);
        if (want != have) {
            sk_timestamp(k, now);
            json_set_str(status, "lastScaleTime", now);
            scale_target(k, d, want);
        }
    }
    json_set(status, "conditions", list);
    if (seen->child) {
        json_set(status, "currentMetrics", seen);
    } else {
        json_free(seen);
        json_set(status, "currentMetrics", cJSON_CreateNull());
    }
    sk_update(k, ACTOR, hpa, tree, true);
}

void sk_hpa_sync(struct simkube *k, const char *key)
{
    struct sk_object *hpa = sk_find(k->hpas, key);

    if (!hpa)
        return;
    sk_object_ref(hpa);
    if (!hpa->deleting)
        look(k, hpa);
    sk_object_unref(hpa);
    sk_task_add(k, k->now_ms + k->config.hpa_interval_ms, SK_TASK_HPA, k->hpas, key, NULL);
}
