/*
 * The DaemonSet controller: one pod on every node its template selects, replaced max-unavailable at
 * a time. Source: pkg/controller/daemon of Kubernetes 1.35.
 */
#include "sim/kube/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTOR "system:serviceaccount:kube-system:daemon-set-controller"
#define HASH_LABEL "controller-revision-hash"

struct tally {
    int64_t desired, current, misplaced, ready, updated, available;
};

static bool node_fits(const struct sk_object *node, const cJSON *template)
{
    const cJSON *want, *labels = json_at(node->tree, "metadata", "labels", (char *)NULL);

    cJSON_ArrayForEach(want, json_at(template, "spec", "nodeSelector", (char *)NULL))
    {
        const char *have = json_str(labels, want->string);

        if (!have || !want->valuestring || strcmp(have, want->valuestring) != 0)
            return false;
    }
    return true;
}

static struct sk_object *pod_on(const struct simkube *k, const struct sk_object *ds,
                                const char *node)
{
    struct sk_object *p, *dying = NULL;
    size_t at = 0;

    while ((p = sk_next_owned(k, ds->uid, k->pods, &at)) != NULL) {
        if (strcmp(json_str_or(json_get(p->tree, "spec"), "nodeName", ""), node) != 0)
            continue;
        if (!p->deleting)
            return p;
        dying = p;
    }
    return dying;
}

static bool is_current(const struct sk_object *pod, const char *hash)
{
    return strcmp(
               json_str_or(json_at(pod->tree, "metadata", "labels", (char *)NULL), HASH_LABEL, ""),
               hash) == 0;
}

/* Create missing pods, delete misplaced ones. */
static void place(struct simkube *k, struct sk_object *ds, const cJSON *template, const char *hash)
{
    for (size_t i = 0; i < k->nodes->count; i++) {
        struct sk_object *node = k->nodes->objects[i], *pod = pod_on(k, ds, node->name);
        bool fits = node_fits(node, template);

        if (fits && !pod)
            sk_create_pod(k, ACTOR, ds, template, HASH_LABEL, hash, node->name);
        else if (!fits && pod && !pod->deleting)
            sk_delete(k, ACTOR, pod, "Background");
    }
}

static void replace_old(struct simkube *k, struct sk_object *ds, const cJSON *spec,
                        const char *hash)
{
    const cJSON *rolling = json_at(spec, "updateStrategy", "rollingUpdate", (char *)NULL);
    int64_t min_ready = json_int(spec, "minReadySeconds", 0), budget, missing = 0, nodes = 0;

    if (strcmp(json_str_or(json_get(spec, "updateStrategy"), "type", ""), "OnDelete") == 0)
        return;
    for (size_t i = 0; i < k->nodes->count; i++) {
        struct sk_object *pod = pod_on(k, ds, k->nodes->objects[i]->name);

        if (!node_fits(k->nodes->objects[i], json_get(spec, "template")))
            continue;
        nodes++;
        missing += !pod || pod->deleting || sk_available_in(k, pod, min_ready) != 0;
    }
    budget = sk_share(json_get(rolling, "maxUnavailable"), nodes, true, 1) - missing;
    for (size_t i = 0; i < k->nodes->count; i++) {
        struct sk_object *pod = pod_on(k, ds, k->nodes->objects[i]->name);
        bool available;

        if (!pod || pod->deleting || is_current(pod, hash))
            continue;
        available = sk_available_in(k, pod, min_ready) == 0;
        if (available && budget <= 0)
            continue;
        budget -= available; /* a pod that serves nobody is replaced at once */
        sk_delete(k, ACTOR, pod, "Background");
    }
}

static struct tally count(struct simkube *k, const struct sk_object *ds, const cJSON *spec,
                          const char *hash)
{
    int64_t min_ready = json_int(spec, "minReadySeconds", 0);
    struct tally t = {0};

    for (size_t i = 0; i < k->nodes->count; i++) {
        struct sk_object *node = k->nodes->objects[i], *pod = pod_on(k, ds, node->name);
        int64_t in;

        if (!node_fits(node, json_get(spec, "template"))) {
            t.misplaced += pod && !pod->deleting;
            continue;
        }
        t.desired++;
        if (!pod || pod->deleting)
            continue;
        t.current++;
        in = sk_available_in(k, pod, min_ready);
        t.ready += in >= 0;
        t.available += in == 0;
        t.updated += is_current(pod, hash);
        if (in > 0)
            sk_task_add(k, k->now_ms + in, SK_TASK_DAEMONSET, k->daemonsets, ds->key, NULL);
    }
    return t;
}

void sk_daemonset_sync(struct simkube *k, const char *key)
{
    struct sk_object *ds = sk_find(k->daemonsets, key);
    const cJSON *spec, *template;
    cJSON *tree, *status;
    struct tally t;
    char hash[16];

    if (!ds)
        return;
    sk_object_ref(ds);
    spec = json_get(ds->tree, "spec");
    template = json_get(spec, "template");
    sk_template_hash(template, 0, hash);
    if (!ds->deleting) {
        place(k, ds, template, hash);
        replace_old(k, ds, spec, hash);
    }
    t = count(k, ds, spec, hash);
    tree = sk_edit_status(ds);
    status = json_child_object(tree, "status");
    sk_set_count(status, "currentNumberScheduled", t.current, false);
    sk_set_count(status, "numberMisscheduled", t.misplaced, false);
    sk_set_count(status, "desiredNumberScheduled", t.desired, false);
    sk_set_count(status, "numberReady", t.ready, false);
    json_set_int(status, "observedGeneration",
                 json_int(json_get(tree, "metadata"), "generation", 0));
    sk_set_count(status, "updatedNumberScheduled", t.updated, true);
    sk_set_count(status, "numberAvailable", t.available, true);
    sk_set_count(status, "numberUnavailable", t.desired - t.available, true);
    if (sk_find(k->daemonsets, key) == ds)
        sk_update(k, ACTOR, ds, tree, true);
    else
        json_free(tree);
    sk_object_unref(ds);
}
