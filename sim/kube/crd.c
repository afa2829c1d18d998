#include "sim/kube/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Version priority of Kubernetes: v2 before v1 before v1beta2 before v1alpha1. */
static int version_rank(const char *v)
{
    int major = 0, minor = 0, stage = 3;

    if (*v++ != 'v')
        return 0;
    for (; *v >= '0' && *v <= '9'; v++)
        major = major * 10 + (*v - '0');
    if (strncmp(v, "beta", 4) == 0) {
        stage = 2;
        v += 4;
    } else if (strncmp(v, "alpha", 5) == 0) {
        stage = 1;
        v += 5;
    }
    for (; *v >= '0' && *v <= '9'; v++)
        minor = minor * 10 + (*v - '0');
    return (stage * 1000 + major) * 1000 + minor;
}

static void read_columns(struct arena *arena, struct sk_version *v, const cJSON *src)
{
    const cJSON *list = json_get(src, "additionalPrinterColumns"), *c;
    size_t n = (size_t)cJSON_GetArraySize(list), i = 0;

    v->columns = arena_alloc(arena, (n + 2) * sizeof(*v->columns));
    if (!v->columns)
        return;
    v->columns[i++] = (struct sk_column){"Name", "string", "name", ".metadata.name", 0};
    cJSON_ArrayForEach(c, list)
    {
        v->columns[i].name = json_str_or(c, "name", "");
        v->columns[i].type = json_str_or(c, "type", "string");
        v->columns[i].format = json_str_or(c, "format", "");
        v->columns[i].path = json_str_or(c, "jsonPath", "");
        v->columns[i++].priority = (int)json_int(c, "priority", 0);
    }
    if (n == 0)
        v->columns[i++] = (struct sk_column){"Age", "date", "", ".metadata.creationTimestamp", 0};
    v->column_count = i;
}

static int read_version(struct sk_kind *kind, struct sk_version *v, const cJSON *src)
{
    const cJSON *schema = json_at(src, "schema", "openAPIV3Schema", (char *)NULL);

    v->name = json_str_or(src, "name", "");
    v->group_version = arena_printf(kind->shared->arena, "%s/%s", kind->group, v->name);
    v->served = json_bool(src, "served", false);
    v->storage = json_bool(src, "storage", false);
    v->has_status = json_at(src, "subresources", "status", (char *)NULL) != NULL;
    v->has_scale = json_at(src, "subresources", "scale", (char *)NULL) != NULL;
    read_columns(kind->shared->arena, v, src);
    if (schema) {
        v->schema = sk_schema_compile(kind->shared->arena, schema);
        if (!v->schema)
            return -ENOMEM;
        kind->shared->roots[kind->shared->root_count++] = v->schema;
    }
    return v->group_version && v->columns ? 0 : -ENOMEM;
}

static int by_rank(const void *a, const void *b)
{
    const struct sk_version *x = a, *y = b;
    int rx = version_rank(x->name), ry = version_rank(y->name);

    return rx != ry ? (rx < ry ? 1 : -1) : strcmp(x->name, y->name);
}

/* Read a CRD into a kind that keeps its objects and its log. */
static int read_crd(struct sk_kind *kind, const cJSON *crd)
{
    const cJSON *spec = json_get(crd, "spec"), *names = json_get(spec, "names"), *item;
    size_t i = 0;
    int rc = 0;

    kind->group = json_str_or(spec, "group", "");
    kind->plural = json_str_or(names, "plural", "");
    kind->kind = json_str_or(names, "kind", "");
    kind->singular = json_str_or(names, "singular", kind->plural);
    kind->list_kind = json_str(names, "listKind");
    if (!kind->list_kind)
        kind->list_kind = arena_printf(kind->shared->arena, "%sList", kind->kind);
    memset(kind->short_names, 0, sizeof(kind->short_names));
    cJSON_ArrayForEach(item, json_get(names, "shortNames"))
    {
        if (i < 3 && item->valuestring)
            kind->short_names[i++] = item->valuestring;
    }
    i = 0;
    memset(kind->categories, 0, sizeof(kind->categories));
    cJSON_ArrayForEach(item, json_get(names, "categories"))
    {
        if (i < 2 && item->valuestring)
            kind->categories[i++] = item->valuestring;
    }
    kind->namespaced = strcmp(json_str_or(spec, "scope", ""), "Namespaced") == 0;
    kind->custom = true;
    kind->generation = SK_GEN_CUSTOM;
    kind->version_count = 0;
    memset(kind->versions, 0, sizeof(kind->versions));
    cJSON_ArrayForEach(item, json_get(spec, "versions"))
    {
        if (kind->version_count < sizeof(kind->versions) / sizeof(kind->versions[0]) && rc == 0)
            rc = read_version(kind, &kind->versions[kind->version_count++], item);
    }
    qsort(kind->versions, kind->version_count, sizeof(kind->versions[0]), by_rank);
    return rc;
}

int sk_crd_install(struct simkube *k, const cJSON *crd)
{
    const cJSON *spec = json_get(crd, "spec");
    struct sk_kind *kind = sk_kind_find(k, json_str_or(spec, "group", ""),
                                        json_str_or(json_get(spec, "names"), "plural", ""));
    struct sk_shared *old;
    int rc;

    if (kind && kind->shared && json_equal(json_get(kind->shared->source, "spec"), spec))
        return 0;
    if (kind && !kind->custom)
        return -EEXIST;
    if (!kind)
        kind = sk_kind_add(k);
    if (!kind)
        return -ENOMEM;
    /* Open watches point at versions of the old schema: end them, as the real server does. */
    for (struct simkube_watch *w = k->watches; w; w = w->next) {
        if (w->kind == kind)
            w->broken = true;
    }
    old = kind->shared;
    kind->shared = sk_shared_new(64u << 20);
    rc = kind->shared ? 0 : -ENOMEM;
    if (rc == 0)
        kind->shared->source = json_copy(crd);
    if (rc == 0)
        rc = kind->shared->source ? read_crd(kind, kind->shared->source) : -ENOMEM;
    sk_shared_unref(old);
    if (rc)
        kind->gone = true;
    return rc;
}

void sk_crd_withdraw(struct simkube *k, const char *name)
{
    for (size_t i = 0; i < k->kind_count; i++) {
        struct sk_kind *kind = k->kinds[i];
        char qualified[256];

        if (!kind->custom || kind->gone)
            continue;
        sk_kind_qualified(kind, qualified, sizeof(qualified));
        if (strcmp(qualified, name) != 0)
            continue;
        for (struct simkube_watch *w = k->watches; w; w = w->next) {
            if (w->kind == kind)
                w->broken = true;
        }
        kind->gone = true;
    }
}

static cJSON *condition(const struct simkube *k, const char *type, const char *reason,
                        const char *message)
{
    cJSON *c = cJSON_CreateObject();
    char now[32];

    sk_timestamp(k, now);
    json_set_str(c, "lastTransitionTime", now);
    json_set_str(c, "message", message);
    json_set_str(c, "reason", reason);
    json_set_str(c, "status", "True");
    json_set_str(c, "type", type);
    return c;
}

/* Names accepted and established, as the real server's controllers write into the status. */
static void establish(struct simkube *k, struct sk_object *o)
{
    cJSON *tree = sk_edit(o), *status = json_child_object(tree, "status"), *conditions, *stored, *v;
    cJSON *names = json_copy(json_at(tree, "spec", "names", (char *)NULL));

    conditions = cJSON_CreateArray();
    cJSON_AddItemToArray(conditions,
                         condition(k, "NamesAccepted", "NoConflicts", "no conflicts found"));
    cJSON_AddItemToArray(conditions, condition(k, "Established", "InitialNamesAccepted",
                                               "the initial names have been accepted"));
    json_set(status, "acceptedNames", names);
    json_set(status, "conditions", conditions);
    stored = cJSON_CreateArray();
    cJSON_ArrayForEach(v, json_at(tree, "spec", "versions", (char *)NULL))
    {
        if (json_bool(v, "storage", false))
            cJSON_AddItemToArray(stored, cJSON_CreateString(json_str_or(v, "name", "")));
    }
    json_set(status, "storedVersions", stored);
    sk_update(k, "system:apiserver", o, tree, true);
}

/* Delete every object of a resource whose CRD is being deleted; true when none is left. */
static bool empty_kind(struct simkube *k, struct sk_kind *kind)
{
    size_t i = 0;

    while (kind && i < kind->count) {
        struct sk_object *o = kind->objects[i];

        if (json_at(o->tree, "metadata", "deletionTimestamp", (char *)NULL) ||
            sk_has_finalizer(o->tree, NULL)) {
            if (!json_at(o->tree, "metadata", "deletionTimestamp", (char *)NULL))
                sk_delete(k, "system:apiserver", o, "Background");
            i++;
            continue;
        }
        sk_delete(k, "system:apiserver", o, "Background");
    }
    return !kind || kind->count == 0;
}

void sk_crd_sync(struct simkube *k, const char *key)
{
    struct sk_object *o = sk_find(k->crds, key);
    cJSON *tree;

    if (!o)
        return;
    if (json_at(o->tree, "metadata", "deletionTimestamp", (char *)NULL)) {
        const cJSON *spec = json_get(o->tree, "spec");
        struct sk_kind *kind = sk_kind_find(k, json_str_or(spec, "group", ""),
                                            json_str_or(json_get(spec, "names"), "plural", ""));

        if (!empty_kind(k, kind)) {
            sk_task_add(k, k->now_ms + 1000, SK_TASK_CRD, k->crds, key, NULL);
            return;
        }
        tree = sk_edit(o);
        sk_drop_finalizer(tree, "customresourcecleanup.apiextensions.k8s.io");
        if (sk_has_finalizer(tree, NULL)) {
            sk_update(k, "system:apiserver", o, tree, false);
            return;
        }
        json_free(tree);
        sk_crd_withdraw(k, o->name);
        sk_remove_now(k, o);
        return;
    }
    if (!json_at(o->tree, "status", "acceptedNames", "kind", (char *)NULL))
        establish(k, o);
}
