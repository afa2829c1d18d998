/*
 * Deletion: finalizers, the garbage collector, namespaces being emptied.
 * Source: Kubernetes' registry store, garbage collector and namespace controller.
 */
#include "sim/kube/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLLECTOR "system:serviceaccount:kube-system:generic-garbage-collector"
#define NAMESPACER "system:serviceaccount:kube-system:namespace-controller"
#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"
#define POD_GRACE_S 30

static void add_finalizer(cJSON *tree, const char *name)
{
    cJSON *meta = json_get(tree, "metadata");

    if (sk_has_finalizer(tree, name))
        return;
    if (!json_get(meta, "finalizers"))
        json_set(meta, "finalizers", cJSON_CreateArray());
    cJSON_AddItemToArray(json_get(meta, "finalizers"), cJSON_CreateString(name));
}

static void mark_deleted(struct simkube *k, cJSON *tree, int64_t grace_s)
{
    cJSON *meta = json_get(tree, "metadata");
    char text[32];

    if (json_get(meta, "deletionTimestamp"))
        return;
    sk_time_text(k->now_ms + k->wall_offset_ms + grace_s * 1000, text);
    json_set_str(meta, "deletionTimestamp", text);
    json_set_int(meta, "deletionGracePeriodSeconds", grace_s);
    if (json_int(meta, "generation", 0) > 0 &&
        strcmp(json_str_or(tree, "kind", ""), "CustomResourceDefinition") != 0)
        json_set_int(meta, "generation", json_int(meta, "generation", 0) + 1);
}

void sk_remove_now(struct simkube *k, struct sk_object *o)
{
    sk_object_ref(o);
    sk_commit(k, o->kind, SK_REMOVED, o, NULL);
    sk_object_unref(o);
}

static void delete_namespace(struct simkube *k, struct sk_object *o)
{
    cJSON *tree;

    if (o->deleting)
        return;
    tree = sk_edit(o);
    mark_deleted(k, tree, 0);
    json_remove(json_get(tree, "metadata"), "deletionGracePeriodSeconds");
    json_set_str(json_child_object(tree, "status"), "phase", "Terminating");
    o = sk_commit(k, o->kind, SK_MODIFIED, o, tree);
    if (o && !k->config.no_controllers)
        sk_task_add(k, k->now_ms + k->config.controller_delay_ms, SK_TASK_NAMESPACE, o->kind,
                    o->key, NULL);
}

static void delete_object(struct simkube *k, struct sk_object *o, const char *policy)
{
    bool graceful = o->kind == k->pods && *json_str_or(json_get(o->tree, "spec"), "nodeName", "") &&
                    !k->config.no_controllers;
    bool foreground = strcmp(policy, "Foreground") == 0, orphan = strcmp(policy, "Orphan") == 0;
    cJSON *tree;

    if (o->kind == k->namespaces) {
        delete_namespace(k, o);
        return;
    }
    if (!sk_has_finalizer(o->tree, NULL) && !graceful && !foreground && !orphan) {
        sk_remove_now(k, o);
        return;
    }
    tree = sk_edit(o);
    if (foreground)
        add_finalizer(tree, FOREGROUND);
    else if (orphan)
        add_finalizer(tree, ORPHAN);
    mark_deleted(k, tree, graceful ? POD_GRACE_S : 0);
    if (sk_tree_equal(tree, o->tree))
        json_free(tree);
    else
        sk_commit(k, o->kind, SK_MODIFIED, o, tree);
}

void sk_delete(struct simkube *k, const char *actor, struct sk_object *o, const char *policy)
{
    const char *was = k->actor, *was_sub = k->actor_subresource;

    k->actor = actor;
    k->actor_subresource = "";
    sk_object_ref(o);
    delete_object(k, o, policy);
    sk_object_unref(o);
    k->actor = was;
    k->actor_subresource = was_sub;
}

/* ---- the collector
 * ------------------------------------------------------------------------------------------ */

static void collect_later(struct simkube *k, struct sk_kind *kind, const char *key)
{
    if (!k->config.no_controllers)
        sk_task_add(k, k->now_ms + k->config.controller_delay_ms, SK_TASK_COLLECT, kind, key, NULL);
}

static bool owner_alive(const struct simkube *k, const char *uid)
{
    const struct sk_uid *u = sk_uid_entry(k, uid);

    return u && u->kind;
}

void sk_collector_notice(struct simkube *k, const struct sk_event *e)
{
    const struct sk_object *o = e->after;
    const cJSON *ref;

    if (e->change == SK_REMOVED) {
        const struct sk_uid *u = sk_uid_entry(k, o->uid);

        for (size_t i = 0; u && i < u->dependent_count; i++)
            collect_later(k, u->dependents[i].kind, u->dependents[i].key);
        if (o->kind->namespaced && *o->ns) {
            struct sk_object *ns = sk_find_name(k->namespaces, "", o->ns);

            if (ns && ns->deleting && !k->config.no_controllers)
                sk_task_add(k, k->now_ms + k->config.controller_delay_ms, SK_TASK_NAMESPACE,
                            k->namespaces, ns->key, NULL);
        }
    } else if (o->deleting &&
               (sk_has_finalizer(o->tree, FOREGROUND) || sk_has_finalizer(o->tree, ORPHAN))) {
        collect_later(k, o->kind, o->key);
    }
    if (e->change == SK_MODIFIED)
        return;
    cJSON_ArrayForEach(ref, o->owners)
    {
        const struct sk_uid *owner = sk_uid_entry(k, json_str_or(ref, "uid", ""));

        if (e->change == SK_ADDED && !(owner && owner->kind))
            collect_later(k, o->kind, o->key);
        else if (e->change == SK_REMOVED && owner && owner->kind) {
            const struct sk_object *living = sk_find(owner->kind, owner->key);

            if (living && living->deleting && sk_has_finalizer(living->tree, FOREGROUND))
                collect_later(k, owner->kind, owner->key);
        }
    }
}

static void drop_reference(struct simkube *k, struct sk_object *o,
                           bool (*drop)(const struct simkube *, const cJSON *, const char *),
                           const char *uid)
{
    cJSON *tree = sk_edit(o), *list = json_at(tree, "metadata", "ownerReferences", (char *)NULL),
          *ref, *next;

    for (ref = list ? list->child : NULL; ref; ref = next) {
        next = ref->next;
        if (drop(k, ref, uid))
            cJSON_Delete(cJSON_DetachItemViaPointer(list, ref));
    }
    if (list && !list->child)
        json_remove(json_get(tree, "metadata"), "ownerReferences");
    sk_update(k, COLLECTOR, o, tree, false);
}

static bool is_uid(const struct simkube *k, const cJSON *ref, const char *uid)
{
    (void)k;
    return strcmp(json_str_or(ref, "uid", ""), uid) == 0;
}

static bool is_dangling(const struct simkube *k, const cJSON *ref, const char *uid)
{
    (void)uid;
    return !owner_alive(k, json_str_or(ref, "uid", ""));
}

/* Let go of an object's finalizer of ours; remove the object when it was the last. */
static void release(struct simkube *k, struct sk_object *o, const char *finalizer)
{
    cJSON *tree = sk_edit(o);
    const char *was = k->actor;

    sk_drop_finalizer(tree, finalizer);
    if (sk_has_finalizer(tree, NULL)) {
        sk_update(k, COLLECTOR, o, tree, false);
        return;
    }
    json_free(tree);
    k->actor = COLLECTOR;
    sk_remove_now(k, o);
    k->actor = was;
}

/* The i-th dependent, by value: the list moves while dependents change. */
static struct sk_object *dependent(const struct simkube *k, const char *uid, size_t i)
{
    const struct sk_uid *u = sk_uid_entry(k, uid);

    return u && i < u->dependent_count ? sk_find(u->dependents[i].kind, u->dependents[i].key)
                                       : NULL;
}

static void collect_owner(struct simkube *k, struct sk_object *o)
{
    struct sk_object *d;
    char uid[40];
    size_t i = 0;

    snprintf(uid, sizeof(uid), "%.39s", o->uid);
    if (sk_has_finalizer(o->tree, ORPHAN)) {
        for (size_t guard = 0; (d = dependent(k, uid, 0)) != NULL && guard < 100000; guard++)
            drop_reference(k, d, is_uid, uid);
        release(k, o, ORPHAN);
        return;
    }
    while ((d = dependent(k, uid, i)) != NULL) {
        const struct sk_object *now;

        sk_object_ref(d);
        if (!d->deleting)
            sk_delete(k, COLLECTOR, d, "Background");
        now = dependent(k, uid, i);
        if (now && strcmp(now->uid, d->uid) == 0)
            i++;
        sk_object_unref(d);
    }
    if (i == 0)
        release(k, o, FOREGROUND);
}

void sk_collect(struct simkube *k, struct sk_kind *kind, const char *key)
{
    struct sk_object *o = sk_find(kind, key);
    const cJSON *ref;
    int alive = 0, gone = 0;

    if (!o)
        return;
    sk_object_ref(o);
    if (o->deleting &&
        (sk_has_finalizer(o->tree, ORPHAN) || sk_has_finalizer(o->tree, FOREGROUND))) {
        collect_owner(k, o);
        sk_object_unref(o);
        return;
    }
    cJSON_ArrayForEach(ref, json_at(o->tree, "metadata", "ownerReferences", (char *)NULL))
    {
        if (owner_alive(k, json_str_or(ref, "uid", "")))
            alive++;
        else
            gone++;
    }
    if (gone && alive)
        drop_reference(k, o, is_dangling, "");
    else if (gone && !o->deleting)
        sk_delete(k, COLLECTOR, o, "Background");
    sk_object_unref(o);
}

/* ---- namespaces
 * ------------------------------------------------------------------------------------------------
 */

static void furnish(struct simkube *k, const char *ns)
{
    struct sk_kind *accounts = sk_kind_find(k, "", "serviceaccounts"),
                   *configs = sk_kind_find(k, "", "configmaps");
    cJSON *tree;

    if (!sk_find_name(configs, ns, "kube-root-ca.crt")) {
        tree = cJSON_CreateObject();
        json_set_str(json_child_object(tree, "metadata"), "name", "kube-root-ca.crt");
        json_set_str(json_get(tree, "metadata"), "namespace", ns);
        json_set_str(json_child_object(tree, "data"), "ca.crt", "simulated");
        sk_create(k, "system:serviceaccount:kube-system:root-ca-cert-publisher", configs, tree);
    }
    if (!sk_find_name(accounts, ns, "default")) {
        tree = cJSON_CreateObject();
        json_set_str(json_child_object(tree, "metadata"), "name", "default");
        json_set_str(json_get(tree, "metadata"), "namespace", ns);
        sk_create(k, "system:serviceaccount:kube-system:service-account-controller", accounts,
                  tree);
    }
}

void sk_namespace_sync(struct simkube *k, const char *key)
{
    struct sk_object *ns = sk_find(k->namespaces, key);
    size_t left = 0;

    if (!ns)
        return;
    sk_object_ref(ns);
    if (!ns->deleting) {
        furnish(k, ns->name);
        sk_object_unref(ns);
        return;
    }
    for (size_t i = 0; i < k->kind_count; i++) {
        struct sk_kind *kind = k->kinds[i];
        char prefix[300];
        size_t at;

        if (!kind->namespaced)
            continue;
        snprintf(prefix, sizeof(prefix), "%.253s/", ns->name);
        at = sk_lower_bound(kind, prefix);
        while (at < kind->count && strcmp(kind->objects[at]->ns, ns->name) == 0) {
            struct sk_object *o = sk_object_ref(kind->objects[at]);

            if (!o->deleting)
                sk_delete(k, NAMESPACER, o, "Background");
            if (sk_find(kind, o->key)) {
                at++;
                left++;
            }
            sk_object_unref(o);
        }
    }
    if (left == 0) {
        const char *was = k->actor;

        k->actor = NAMESPACER;
        sk_remove_now(k, ns);
        k->actor = was;
    }
    sk_object_unref(ns);
}
