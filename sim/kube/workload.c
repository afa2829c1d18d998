#include "sim/kube/workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KUBELET "system:node"

bool sk_same(const cJSON *a, const cJSON *b)
{
    if (!a || !b)
        return a == b;
    if ((a->type & 0xff) != (b->type & 0xff))
        return false;
    if (cJSON_IsString(a) || cJSON_IsRaw(a))
        return strcmp(a->valuestring, b->valuestring) == 0;
    if (cJSON_IsNumber(a))
        return !(a->valuedouble < b->valuedouble) && !(a->valuedouble > b->valuedouble);
    for (a = a->child, b = b->child; a && b; a = a->next, b = b->next) {
        if ((a->string || b->string) &&
            (!a->string || !b->string || strcmp(a->string, b->string) != 0))
            return false;
        if (!sk_same(a, b))
            return false;
    }
    return a == b;
}

struct sk_object *sk_next_owned(const struct simkube *k, const char *uid,
                                const struct sk_kind *kind, size_t *at)
{
    const struct sk_uid *u = sk_uid_entry(k, uid);

    while (u && *at < u->dependent_count) {
        const struct sk_dependent *d = &u->dependents[(*at)++];
        struct sk_object *o = d->kind == kind ? sk_find(kind, d->key) : NULL;

        if (o && o->controller_uid && strcmp(o->controller_uid, uid) == 0)
            return o;
    }
    return NULL;
}

const cJSON *sk_condition(const cJSON *tree, const char *type)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(tree, "status", "conditions", (char *)NULL))
    {
        if (strcmp(json_str_or(c, "type", ""), type) == 0)
            return c;
    }
    return NULL;
}

bool sk_condition_true(const cJSON *tree, const char *type)
{
    return strcmp(json_str_or(sk_condition(tree, type), "status", ""), "True") == 0;
}

int64_t sk_available_in(const struct simkube *k, const struct sk_object *pod, int64_t min_ready_s)
{
    int64_t since, left;

    if (!sk_condition_true(pod->tree, "Ready"))
        return -1;
    if (min_ready_s <= 0 ||
        !sk_time_parse(json_str_or(sk_condition(pod->tree, "Ready"), "lastTransitionTime", ""),
                       &since))
        return 0;
    left = since + min_ready_s * 1000 - (k->now_ms + k->wall_offset_ms);
    return left > 0 ? left : 0;
}

int64_t sk_share(const cJSON *value, int64_t total, bool up, int64_t otherwise)
{
    int64_t n;

    if (!value)
        return otherwise;
    if (json_as_int(value, &n))
        return n;
    if (!cJSON_IsString(value) || !strchr(value->valuestring, '%'))
        return otherwise;
    n = strtol(value->valuestring, NULL, 10) * total;
    return up ? (n + 99) / 100 : n / 100;
}

void sk_set_count(cJSON *status, const char *name, int64_t value, bool omit_zero)
{
    if (value == 0 && omit_zero)
        json_remove(status, name);
    else
        json_set_int(status, name, value);
}

static uint64_t hash_text(const char *s, uint64_t h)
{
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

void sk_template_hash(const cJSON *template, uint64_t salt, char out[16])
{
    static const char safe[] = "bcdfghjklmnpqrstvwxz2456789";
    char *text = json_print_sorted(template);
    uint64_t h = hash_text(text ? text : "", 1469598103934665603u + salt);

    for (size_t i = 0; i < 10; i++) {
        out[i] = safe[h % (sizeof(safe) - 1)];
        h /= sizeof(safe) - 1;
    }
    out[10] = '\0';
    free(text);
}

static cJSON *owner_reference(const struct sk_object *owner)
{
    cJSON *ref = cJSON_CreateObject();

    json_set_str(ref, "apiVersion", json_str_or(owner->tree, "apiVersion", ""));
    json_set_str(ref, "kind", json_str_or(owner->tree, "kind", ""));
    json_set_str(ref, "name", owner->name);
    json_set_str(ref, "uid", owner->uid);
    json_set_bool(ref, "controller", true);
    json_set_bool(ref, "blockOwnerDeletion", true);
    return ref;
}

void sk_create_pod(struct simkube *k, const char *actor, const struct sk_object *owner,
                   const cJSON *template, const char *label, const char *hash, const char *node)
{
    cJSON *pod = cJSON_CreateObject(), *meta = json_child_object(pod, "metadata"),
          *refs = cJSON_CreateArray();
    const cJSON *labels = json_at(template, "metadata", "labels", (char *)NULL);
    const cJSON *notes = json_at(template, "metadata", "annotations", (char *)NULL);
    char prefix[260];

    snprintf(prefix, sizeof(prefix), "%.250s-", owner->name);
    json_set_str(meta, "generateName", prefix);
    json_set_str(meta, "namespace", owner->ns);
    if (labels)
        json_set(meta, "labels", json_copy(labels));
    if (hash)
        json_set_str(json_child_object(meta, "labels"), label, hash);
    if (notes)
        json_set(meta, "annotations", json_copy(notes));
    cJSON_AddItemToArray(refs, owner_reference(owner));
    json_set(meta, "ownerReferences", refs);
    json_set(pod, "spec", json_copy(json_get(template, "spec")));
    if (node)
        json_set_str(json_child_object(pod, "spec"), "nodeName", node);
    sk_create(k, actor, k->pods, pod);
}

/* ---- pods: scheduler and kubelet
 * ----------------------------------------------------------------------------- */

static cJSON *pod_condition(const char *type, bool yes, const char *now)
{
    cJSON *c = cJSON_CreateObject();

    json_set_str(c, "type", type);
    json_set_str(c, "status", yes ? "True" : "False");
    json_set_str(c, "lastTransitionTime", now);
    return c;
}

static void schedule(struct simkube *k, struct sk_object *o)
{
    cJSON *tree = sk_edit(o), *conditions = cJSON_CreateArray();
    char now[32];
    uint32_t n = (uint32_t)(sk_random_at(k, 3, k->random_counter++) % k->config.node_count);

    sk_timestamp(k, now);
    json_set_str(json_child_object(tree, "spec"), "nodeName",
                 n < k->nodes->count ? k->nodes->objects[n]->name : "node-1");
    cJSON_AddItemToArray(conditions, pod_condition("PodScheduled", true, now));
    json_set(json_child_object(tree, "status"), "conditions", conditions);
    sk_update(k, "system:kube-scheduler", o, tree, true);
}

static void set_ready(struct simkube *k, struct sk_object *o, bool ready)
{
    static const char *const types[] = {"Initialized", "ContainersReady", "Ready"};
    cJSON *tree = sk_edit_status(o), *status = json_child_object(tree, "status"),
          *list = cJSON_CreateArray(), *ips, *ip, *c;
    cJSON *containers = cJSON_CreateArray();
    char now[32], address[32];
    uint32_t host = k->next_ip++;

    sk_timestamp(k, now);
    json_set_str(status, "phase", "Running");
    if (!json_get(status, "startTime"))
        json_set_str(status, "startTime", now);
    for (size_t i = 0; i < 3; i++)
        cJSON_AddItemToArray(list, pod_condition(types[i], ready || i == 0, now));
    json_set(status, "conditions", list);
    if (!json_get(status, "podIP")) {
        snprintf(address, sizeof(address), "10.128.%u.%u", (host / 254) & 255u, host % 254 + 1);
        json_set_str(status, "podIP", address);
        ips = cJSON_CreateArray();
        ip = cJSON_CreateObject();
        json_set_str(ip, "ip", address);
        cJSON_AddItemToArray(ips, ip);
        json_set(status, "podIPs", ips);
    }
    cJSON_ArrayForEach(c, json_at(tree, "spec", "containers", (char *)NULL))
    {
        cJSON *s = cJSON_CreateObject();

        json_set_str(s, "name", json_str_or(c, "name", ""));
        json_set_str(s, "image", json_str_or(c, "image", ""));
        json_set_bool(s, "ready", ready);
        json_set_int(s, "restartCount", 0);
        json_set_str(json_child_object(json_child_object(s, "state"), "running"), "startedAt", now);
        cJSON_AddItemToArray(containers, s);
    }
    json_set(status, "containerStatuses", containers);
    sk_update(k, KUBELET, o, tree, true);
}

void sk_pod_sync(struct simkube *k, const char *key)
{
    struct sk_object *o = sk_find(k->pods, key);
    int64_t wait = k->config.pod_start_ms, due;

    if (!o)
        return;
    if (o->deleting) {
        if (!sk_has_finalizer(o->tree, NULL)) {
            const char *was = k->actor;

            k->actor = KUBELET;
            sk_remove_now(k, o);
            k->actor = was;
        }
        return;
    }
    if (!json_str(json_get(o->tree, "spec"), "nodeName")) {
        schedule(k, o);
        return;
    }
    if (strcmp(json_str_or(json_get(o->tree, "status"), "phase", ""), "Pending") != 0)
        return;
    if (strcmp(json_str_or(json_at(o->tree, "metadata", "labels", (char *)NULL), "test/ready", ""),
               "never") == 0)
        return;
    if (k->world.pod_start_ms)
        wait = k->world.pod_start_ms(k->world.ctx, o->tree, wait);
    if (wait < 0)
        return;
    due = o->born_ms + wait;
    if (due > k->now_ms)
        sk_task_add(k, due, SK_TASK_POD, k->pods, key, NULL);
    else
        set_ready(k, o, true);
}

int simkube_set_pod_ready(struct simkube *k, const char *namespace_name, const char *name,
                          bool ready)
{
    struct sk_object *o = sk_find_name(k->pods, namespace_name, name);

    if (!o)
        return -ENOENT;
    set_ready(k, o, ready);
    return 0;
}

/* ---- ReplicaSets
 * --------------------------------------------------------------------------------------------------
 */

#define REPLICASETS "system:serviceaccount:kube-system:replicaset-controller"

struct pod_rank {
    struct sk_object *pod;
    int score; /* lower goes first */
    uint64_t rv;
};

static int pod_score(const struct sk_object *p)
{
    int score = 0;

    if (json_str(json_get(p->tree, "spec"), "nodeName"))
        score += 1;
    if (strcmp(json_str_or(json_get(p->tree, "status"), "phase", ""), "Running") == 0)
        score += 2;
    if (sk_condition_true(p->tree, "Ready"))
        score += 4;
    return score;
}

static int by_rank(const void *a, const void *b)
{
    const struct pod_rank *x = a, *y = b;

    if (x->score != y->score)
        return x->score - y->score;
    if (x->rv != y->rv)
        return x->rv < y->rv ? 1 : -1; /* the newer first */
    return strcmp(x->pod->key, y->pod->key);
}

static void delete_pods(struct simkube *k, const char *uid, int64_t n)
{
    struct pod_rank *ranks = NULL;
    size_t at = 0, count = 0, cap = 0;
    struct sk_object *p;

    while ((p = sk_next_owned(k, uid, k->pods, &at)) != NULL) {
        if (p->deleting)
            continue;
        if (count == cap) {
            struct pod_rank *more = realloc(ranks, (cap = cap ? cap * 2 : 16) * sizeof(*more));

            if (!more)
                break;
            ranks = more;
        }
        ranks[count++] = (struct pod_rank){sk_object_ref(p), pod_score(p), p->rv};
    }
    if (count)
        qsort(ranks, count, sizeof(*ranks), by_rank);
    for (size_t i = 0; i < count; i++) {
        if ((int64_t)i < n && sk_find(k->pods, ranks[i].pod->key))
            sk_delete(k, REPLICASETS, sk_find(k->pods, ranks[i].pod->key), "Background");
        sk_object_unref(ranks[i].pod);
    }
    free(ranks);
}

static void count_pods(struct simkube *k, const struct sk_object *rs, int64_t *count,
                       int64_t *ready, int64_t *available, int64_t *terminating)
{
    int64_t min_ready = json_int(json_get(rs->tree, "spec"), "minReadySeconds", 0),
            soonest = INT64_MAX;
    size_t at = 0;
    struct sk_object *p;

    *count = *ready = *available = *terminating = 0;
    while ((p = sk_next_owned(k, rs->uid, k->pods, &at)) != NULL) {
        int64_t in;

        if (p->deleting) {
            (*terminating)++;
            continue;
        }
        (*count)++;
        in = sk_available_in(k, p, min_ready);
        *ready += in >= 0;
        *available += in == 0;
        if (in > 0 && in < soonest)
            soonest = in;
    }
    if (soonest != INT64_MAX)
        sk_task_add(k, k->now_ms + soonest, SK_TASK_REPLICASET, k->replicasets, rs->key, NULL);
}

static bool is_counted(const struct sk_object *rs, int64_t count, int64_t ready, int64_t available)
{
    const cJSON *status = json_get(rs->tree, "status");

    return json_int(status, "observedGeneration", -1) ==
               json_int(json_get(rs->tree, "metadata"), "generation", 0) &&
           json_int(status, "replicas", -1) == count &&
           json_int(status, "fullyLabeledReplicas", 0) == count &&
           json_int(status, "readyReplicas", 0) == ready &&
           json_int(status, "availableReplicas", 0) == available;
}

void sk_replicaset_sync(struct simkube *k, const char *key)
{
    struct sk_object *rs = sk_find(k->replicasets, key);
    int64_t want, count, ready, available, terminating;
    cJSON *tree, *status;

    if (!rs)
        return;
    sk_object_ref(rs);
    want = json_int(json_get(rs->tree, "spec"), "replicas", 1);
    count_pods(k, rs, &count, &ready, &available, &terminating);
    if (!rs->deleting) {
        for (int64_t i = count; i < want; i++)
            sk_create_pod(k, REPLICASETS, rs, json_at(rs->tree, "spec", "template", (char *)NULL),
                          NULL, NULL, NULL);
        if (count > want)
            delete_pods(k, rs->uid, count - want);
        count_pods(k, rs, &count, &ready, &available, &terminating);
    }
    if (is_counted(rs, count, ready, available)) {
        sk_object_unref(rs);
        return;
    }
    tree = sk_edit_status(rs);
    status = json_child_object(tree, "status");
    sk_set_count(status, "replicas", count, false);
    sk_set_count(status, "fullyLabeledReplicas", count, true);
    sk_set_count(status, "readyReplicas", ready, true);
    sk_set_count(status, "availableReplicas", available, true);
    json_set_int(status, "observedGeneration",
                 json_int(json_get(tree, "metadata"), "generation", 0));
    if (sk_find(k->replicasets, key) == rs)
        sk_update(k, REPLICASETS, rs, tree, true);
    else
        json_free(tree);
    sk_object_unref(rs);
}

/* ---- which controller cares about what
 * ------------------------------------------------------------------------------ */

static void wake(struct simkube *k, enum sk_task_kind what, struct sk_kind *kind, const char *key)
{
    sk_task_add(k, k->now_ms + k->config.controller_delay_ms, what, kind, key, NULL);
}

static void wake_owner(struct simkube *k, const struct sk_object *o)
{
    const struct sk_uid *owner = o->controller_uid ? sk_uid_entry(k, o->controller_uid) : NULL;

    if (!owner || !owner->kind)
        return;
    if (owner->kind == k->deployments)
        wake(k, SK_TASK_DEPLOYMENT, owner->kind, owner->key);
    else if (owner->kind == k->replicasets)
        wake(k, SK_TASK_REPLICASET, owner->kind, owner->key);
    else if (owner->kind == k->daemonsets)
        wake(k, SK_TASK_DAEMONSET, owner->kind, owner->key);
}

void sk_controllers_notice(struct simkube *k, const struct sk_event *e)
{
    const struct sk_object *o = e->after;
    bool removed = e->change == SK_REMOVED;
    /* a controller need not look again because of what it wrote down itself */
    bool echo = e->change == SK_MODIFIED && k->actor_subresource &&
                strcmp(k->actor_subresource, "status") == 0 && k->actor &&
                strncmp(k->actor, "system:serviceaccount:kube-system:", 34) == 0;

    if (k->config.no_controllers)
        return;
    if (o->kind == k->pods) {
        if (!removed)
            wake(k, SK_TASK_POD, k->pods, o->key);
        wake_owner(k, o);
    } else if (o->kind == k->replicasets) {
        if (!removed && !echo)
            wake(k, SK_TASK_REPLICASET, k->replicasets, o->key);
        wake_owner(k, o);
    } else if (removed || echo) {
        return;
    } else if (o->kind == k->deployments) {
        wake(k, SK_TASK_DEPLOYMENT, k->deployments, o->key);
    } else if (o->kind == k->daemonsets) {
        wake(k, SK_TASK_DAEMONSET, k->daemonsets, o->key);
    } else if (o->kind == k->hpas && e->change == SK_ADDED) {
        sk_task_add(k, k->now_ms + k->config.hpa_interval_ms, SK_TASK_HPA, k->hpas, o->key, NULL);
    } else if (o->kind == k->namespaces && e->change == SK_ADDED) {
        wake(k, SK_TASK_NAMESPACE, k->namespaces, o->key);
    } else if (o->kind == k->crds) {
        wake(k, SK_TASK_CRD, k->crds, o->key);
    }
}

void sk_task_run(struct simkube *k, const struct sk_task *t)
{
    switch (t->what) {
    case SK_TASK_DEPLOYMENT:
        sk_deployment_sync(k, t->key);
        break;
    case SK_TASK_REPLICASET:
        sk_replicaset_sync(k, t->key);
        break;
    case SK_TASK_DAEMONSET:
        sk_daemonset_sync(k, t->key);
        break;
    case SK_TASK_POD:
        sk_pod_sync(k, t->key);
        break;
    case SK_TASK_HPA:
        sk_hpa_sync(k, t->key);
        break;
    case SK_TASK_COLLECT:
        sk_collect(k, t->kind, t->key);
        break;
    case SK_TASK_NAMESPACE:
        sk_namespace_sync(k, t->key);
        break;
    case SK_TASK_CRD:
        sk_crd_sync(k, t->key);
        break;
    case SK_TASK_LATE: {
        struct simkube_reply reply;

        simkube_call(k, k->now_ms, t->data,
                     &reply); /* the request is the first member of its holder */
        simkube_watch_close(k, reply.watch);
        simkube_reply_release(&reply);
        free(t->data);
        break;
    }
    case SK_TASK_WORLD:
        if (k->world.wake)
            k->world.wake(k->world.ctx, k, k->now_ms);
        break;
    }
}
