#include "sim/kube/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void create_node(struct simkube *k, uint32_t n)
{
    cJSON *node = cJSON_CreateObject(), *meta = json_child_object(node, "metadata"),
          *condition = cJSON_CreateObject();
    cJSON *conditions = cJSON_CreateArray();
    char name[32];

    snprintf(name, sizeof(name), "node-%u", n);
    json_set_str(meta, "name", name);
    json_set_str(json_child_object(meta, "labels"), "kubernetes.io/hostname", name);
    json_set_str(condition, "type", "Ready");
    json_set_str(condition, "status", "True");
    json_set_str(condition, "reason", "KubeletReady");
    cJSON_AddItemToArray(conditions, condition);
    json_child_object(node, "spec");
    json_set(json_child_object(node, "status"), "conditions", conditions);
    sk_create(k, "system:node", k->nodes, node);
}

static void create_namespace(struct simkube *k, const char *name)
{
    cJSON *ns = cJSON_CreateObject();

    json_set_str(json_child_object(ns, "metadata"), "name", name);
    sk_create(k, "system:apiserver", k->namespaces, ns);
}

struct simkube *simkube_new(const struct simkube_config *config)
{
    static const char *const first[] = {"default", "kube-node-lease", "kube-public", "kube-system"};
    struct simkube *k = calloc(1, sizeof(*k));

    if (!k)
        return NULL;
    k->config = *config;
    k->now_ms = config->start_ms;
    if (k->config.history == 0)
        k->config.history = 1024;
    if (k->config.node_count == 0)
        k->config.node_count = 3;
    if (k->config.controller_delay_ms <= 0)
        k->config.controller_delay_ms = 20;
    if (k->config.pod_start_ms <= 0)
        k->config.pod_start_ms = 1000;
    if (k->config.hpa_interval_ms <= 0)
        k->config.hpa_interval_ms = 15000;
    k->next_ip = 1;
    if (sk_kinds_init(k) != 0) {
        simkube_free(k);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        create_namespace(k, first[i]);
    for (uint32_t i = 1; i <= k->config.node_count; i++)
        create_node(k, i);
    return k;
}

static void free_uid(void *p)
{
    struct sk_uid *u = p;

    for (size_t i = 0; i < u->dependent_count; i++)
        free(u->dependents[i].key);
    free(u->dependents);
    free(u->key);
    free(u);
}

void simkube_free(struct simkube *k)
{
    if (!k)
        return;
    while (k->watches)
        simkube_watch_close(k, k->watches);
    for (size_t i = 0; i < k->kind_count; i++) {
        sk_kind_release(k->kinds[i]);
        free(k->kinds[i]);
    }
    free(k->kinds);
    for (size_t i = 0; i < k->task_count; i++) {
        free(k->tasks[i].key);
        if (k->tasks[i].what == SK_TASK_LATE)
            free(k->tasks[i].data);
    }
    free(k->tasks);
    sk_map_release(&k->queued, free);
    sk_map_release(&k->uids, free_uid);
    sk_shared_unref(k->builtins);
    free(k);
}

/* ---- forks -------------------------------------------------------------------------------------
 */

/* The same object for another server: what it holds is lent by the first. */
static struct sk_object *lend(struct sk_object *o, struct sk_kind *kind)
{
    struct sk_object *copy = calloc(1, sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = *o;
    copy->refs = 1;
    copy->kind = kind;
    copy->whole_lender = o->whole_lender ? o->whole_lender : o;
    copy->lender = NULL;
    copy->text = NULL;
    copy->text_len = 0;
    copy->spec_text = NULL;
    sk_object_ref(copy->whole_lender);
    return copy;
}

static bool fork_kind(struct simkube *k, const struct sk_kind *from)
{
    struct sk_kind *kind = sk_kind_add(k);
    uint32_t index;

    if (!kind)
        return false;
    index = kind->index;
    *kind = *from;
    kind->index = index;
    kind->objects = NULL;
    kind->count = kind->cap = 0;
    memset(&kind->log, 0, sizeof(kind->log));
    kind->log.gone_rv = k->rv;
    if (kind->shared)
        kind->shared->refs++;
    kind->objects = calloc(from->count + 8, sizeof(struct sk_object *));
    if (!kind->objects)
        return false;
    kind->cap = from->count + 8;
    for (size_t i = 0; i < from->count; i++) {
        kind->objects[i] = lend(from->objects[i], kind);
        if (!kind->objects[i])
            return false;
        kind->count++;
        sk_identify(k, kind->objects[i]);
    }
    return true;
}

static void fork_tasks(struct simkube *k, const struct simkube *from)
{
    for (size_t i = 0; i < from->task_count; i++) {
        const struct sk_task *t = &from->tasks[i];

        if (t->what == SK_TASK_LATE)
            simkube_post_late(k, t->at_ms, t->data);
        else
            sk_task_add(k, t->at_ms, t->what, t->kind ? k->kinds[t->kind->index] : NULL, t->key,
                        NULL);
    }
}

static int by_seq(const void *a, const void *b)
{
    const struct sk_task *x = a, *y = b;

    return x->seq < y->seq ? -1 : 1;
}

struct simkube *simkube_fork(struct simkube *from, uint64_t seed)
{
    struct simkube *k = calloc(1, sizeof(*k));
    bool ok = k != NULL;

    if (!k)
        return NULL;
    k->config = from->config;
    k->config.seed = seed;
    k->now_ms = from->now_ms;
    k->wall_offset_ms = from->wall_offset_ms;
    k->rv = from->rv;
    k->random_counter = from->random_counter;
    k->next_ip = from->next_ip;
    k->next_port = from->next_port;
    k->world = from->world;
    k->builtins = from->builtins;
    k->builtins->refs++;
    for (size_t i = 0; ok && i < from->kind_count; i++)
        ok = fork_kind(k, from->kinds[i]);
    if (!ok) {
        simkube_free(k);
        return NULL;
    }
    sk_kinds_bind(k);
    /* in the order they were queued, which any heap is again after sorting */
    if (from->task_count)
        qsort(from->tasks, from->task_count, sizeof(from->tasks[0]), by_seq);
    fork_tasks(k, from);
    sk_tasks_repair(from);
    return k;
}

int64_t simkube_now(const struct simkube *k)
{
    return k->now_ms;
}

void simkube_jump_clock(struct simkube *k, int64_t by_ms)
{
    k->wall_offset_ms += by_ms;
}

int simkube_observe(struct simkube *k, simkube_observer *observer, void *ctx)
{
    if (k->observer_count == sizeof(k->observers) / sizeof(k->observers[0]))
        return -ENOSPC;
    k->observers[k->observer_count].call = observer;
    k->observers[k->observer_count++].ctx = ctx;
    return 0;
}

void simkube_unobserve(struct simkube *k, simkube_observer *observer, void *ctx)
{
    for (size_t i = 0; i < k->observer_count; i++) {
        if (k->observers[i].call != observer || k->observers[i].ctx != ctx)
            continue;
        k->observer_count--;
        memmove(&k->observers[i], &k->observers[i + 1],
                (k->observer_count - i) * sizeof(k->observers[0]));
        return;
    }
}

void simkube_set_world(struct simkube *k, const struct simkube_world *world)
{
    k->world = *world;
}

void simkube_wake_world(struct simkube *k, int64_t at_ms)
{
    sk_task_add(k, at_ms, SK_TASK_WORLD, NULL, "", NULL);
}
