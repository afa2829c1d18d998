#include "sim/kube/internal.h"
#include "sim/kube/types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS(a) (struct sk_column *)(a), sizeof(a) / sizeof((a)[0])
#define NAME_COLUMN                                                                                \
    {                                                                                              \
        "Name", "string", "name", ".metadata.name", 0                                              \
    }
#define AGE_COLUMN                                                                                 \
    {                                                                                              \
        "Age", "string", "", "!age", 0                                                             \
    }
#define POD_COLUMNS                                                                                \
    {"Containers", "string", "", "!containers", 1}, {"Images", "string", "", "!images", 1},        \
    {                                                                                              \
        "Selector", "string", "", "!selector", 1                                                   \
    }

static struct sk_column plain_columns[] = {NAME_COLUMN, AGE_COLUMN};
static struct sk_column created_columns[] = {
    NAME_COLUMN, {"Created At", "date", "", ".metadata.creationTimestamp", 0}};
static struct sk_column namespace_columns[] = {
    NAME_COLUMN, {"Status", "string", "", ".status.phase", 0}, AGE_COLUMN};
static struct sk_column node_columns[] = {
    NAME_COLUMN, {"Status", "string", "", "!node", 0}, AGE_COLUMN};
static struct sk_column data_columns[] = {
    NAME_COLUMN, {"Data", "string", "", "!data", 0}, AGE_COLUMN};
static struct sk_column secret_columns[] = {NAME_COLUMN,
                                            {"Type", "string", "", ".type", 0},
                                            {"Data", "string", "", "!data", 0},
                                            AGE_COLUMN};
static struct sk_column account_columns[] = {
    NAME_COLUMN, {"Secrets", "string", "", "!secrets", 0}, AGE_COLUMN};
static struct sk_column event_columns[] = {
    {"Last Seen", "string", "", "!last_seen", 0}, {"Type", "string", "", ".type", 0},
    {"Reason", "string", "", ".reason", 0},       {"Object", "string", "", "!involved", 0},
    {"Message", "string", "", ".message", 0},     {"Name", "string", "name", ".metadata.name", 1}};
static struct sk_column pod_columns[] = {NAME_COLUMN,
                                         {"Ready", "string", "", "!pod_ready", 0},
                                         {"Status", "string", "", "!pod_status", 0},
                                         {"Restarts", "string", "", "!restarts", 0},
                                         AGE_COLUMN,
                                         {"IP", "string", "", "!pod_ip", 1},
                                         {"Node", "string", "", "!pod_node", 1},
                                         {"Nominated Node", "string", "", "!none", 1},
                                         {"Readiness Gates", "string", "", "!none", 1}};
static struct sk_column deployment_columns[] = {
    NAME_COLUMN,
    {"Ready", "string", "", "!ready_of", 0},
    {"Up-to-date", "string", "", "#.status.updatedReplicas", 0},
    {"Available", "string", "", "#.status.availableReplicas", 0},
    AGE_COLUMN,
    POD_COLUMNS};
static struct sk_column replicaset_columns[] = {
    NAME_COLUMN,
    {"Desired", "integer", "", "#.spec.replicas", 0},
    {"Current", "integer", "", "#.status.replicas", 0},
    {"Ready", "integer", "", "#.status.readyReplicas", 0},
    AGE_COLUMN,
    POD_COLUMNS};
static struct sk_column daemonset_columns[] = {
    NAME_COLUMN,
    {"Desired", "integer", "", "#.status.desiredNumberScheduled", 0},
    {"Current", "integer", "", "#.status.currentNumberScheduled", 0},
    {"Ready", "integer", "", "#.status.numberReady", 0},
    {"Up-to-date", "integer", "", "#.status.updatedNumberScheduled", 0},
    {"Available", "integer", "", "#.status.numberAvailable", 0},
    {"Node Selector", "string", "", "!node_selector", 0},
    AGE_COLUMN,
    POD_COLUMNS};
static struct sk_column service_columns[] = {NAME_COLUMN,
                                             {"Type", "string", "", ".spec.type", 0},
                                             {"Cluster-IP", "string", "", "!cluster_ip", 0},
                                             {"External-IP", "string", "", "!external_ip", 0},
                                             {"Port(s)", "string", "", "!ports", 0},
                                             AGE_COLUMN,
                                             {"Selector", "string", "", "!selector_map", 1}};
static struct sk_column hpa_columns[] = {NAME_COLUMN,
                                         {"Reference", "string", "", "!reference", 0},
                                         {"Targets", "string", "", "!targets", 0},
                                         {"MinPods", "string", "", ".spec.minReplicas", 0},
                                         {"MaxPods", "string", "", ".spec.maxReplicas", 0},
                                         {"Replicas", "string", "", "#.status.currentReplicas", 0},
                                         AGE_COLUMN};
static struct sk_column lease_columns[] = {
    NAME_COLUMN, {"Holder", "string", "", ".spec.holderIdentity", 0}, AGE_COLUMN};
static struct sk_column ingress_columns[] = {NAME_COLUMN,
                                             {"Class", "string", "", "!ingress_class", 0},
                                             {"Hosts", "string", "", "!hosts", 0},
                                             {"Address", "string", "", "!address", 0},
                                             {"Ports", "string", "", "!ingress_ports", 0},
                                             AGE_COLUMN};
static struct sk_column binding_columns[] = {
    NAME_COLUMN, {"Role", "string", "", "!role", 0}, AGE_COLUMN};

enum { NAMESPACED = 1, STATUS = 2, SCALE = 4, UPSERT = 8, BLIND = 16, RETURNS = 32, ALL = 64 };

static const struct builtin {
    const char *group, *version, *plural, *kind, *short_name;
    unsigned flags;
    enum sk_generation generation;
    struct sk_column *columns;
    size_t column_count;
} builtins[] = {
    {"", "v1", "namespaces", "Namespace", "ns", STATUS | BLIND, SK_GEN_NONE,
     COLUMNS(namespace_columns)},
    {"", "v1", "nodes", "Node", "no", STATUS | BLIND, SK_GEN_NONE, COLUMNS(node_columns)},
    {"", "v1", "pods", "Pod", "po", NAMESPACED | STATUS | BLIND | RETURNS | ALL, SK_GEN_SPEC,
     COLUMNS(pod_columns)},
    {"", "v1", "services", "Service", "svc", NAMESPACED | STATUS | UPSERT | BLIND | RETURNS | ALL,
     SK_GEN_NONE, COLUMNS(service_columns)},
    {"", "v1", "configmaps", "ConfigMap", "cm", NAMESPACED | BLIND, SK_GEN_NONE,
     COLUMNS(data_columns)},
    {"", "v1", "secrets", "Secret", NULL, NAMESPACED | BLIND, SK_GEN_NONE, COLUMNS(secret_columns)},
    {"", "v1", "events", "Event", "ev", NAMESPACED | UPSERT | BLIND, SK_GEN_NONE,
     COLUMNS(event_columns)},
    {"", "v1", "serviceaccounts", "ServiceAccount", "sa", NAMESPACED | RETURNS, SK_GEN_NONE,
     COLUMNS(account_columns)},
    {"", "v1", "endpoints", "Endpoints", "ep", NAMESPACED | UPSERT | BLIND, SK_GEN_NONE,
     COLUMNS(plain_columns)},
    {"apps", "v1", "deployments", "Deployment", "deploy", NAMESPACED | STATUS | SCALE | BLIND | ALL,
     SK_GEN_SPEC_ANNOTATIONS, COLUMNS(deployment_columns)},
    {"apps", "v1", "replicasets", "ReplicaSet", "rs", NAMESPACED | STATUS | SCALE | BLIND | ALL,
     SK_GEN_SPEC, COLUMNS(replicaset_columns)},
    {"apps", "v1", "daemonsets", "DaemonSet", "ds", NAMESPACED | STATUS | BLIND | ALL, SK_GEN_SPEC,
     COLUMNS(daemonset_columns)},
    {"autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa",
     NAMESPACED | STATUS | BLIND | ALL, SK_GEN_NONE, COLUMNS(hpa_columns)},
    {"coordination.k8s.io", "v1", "leases", "Lease", NULL, NAMESPACED | UPSERT, SK_GEN_NONE,
     COLUMNS(lease_columns)},
    {"networking.k8s.io", "v1", "ingresses", "Ingress", "ing", NAMESPACED | STATUS | BLIND,
     SK_GEN_SPEC, COLUMNS(ingress_columns)},
    {"rbac.authorization.k8s.io", "v1", "roles", "Role", NULL, NAMESPACED | UPSERT | BLIND,
     SK_GEN_NONE, COLUMNS(created_columns)},
    {"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", NULL,
     NAMESPACED | UPSERT | BLIND, SK_GEN_NONE, COLUMNS(binding_columns)},
    {"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", NULL, UPSERT | BLIND,
     SK_GEN_NONE, COLUMNS(created_columns)},
    {"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", NULL,
     UPSERT | BLIND, SK_GEN_NONE, COLUMNS(binding_columns)},
    {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "crd",
     STATUS, SK_GEN_SPEC, COLUMNS(created_columns)},
};

struct sk_kind *sk_kind_find(const struct simkube *k, const char *group, const char *plural)
{
    for (size_t i = 0; i < k->kind_count; i++) {
        struct sk_kind *kind = k->kinds[i];

        if (kind->plural[0] != plural[0] || kind->gone)
            continue; /* most are told apart at a glance */
        if (strcmp(kind->plural, plural) == 0 && strcmp(kind->group, group) == 0)
            return kind;
    }
    return NULL;
}

struct sk_kind *sk_kind_add(struct simkube *k)
{
    struct sk_kind *kind;

    if (k->kind_count == k->kind_cap) {
        size_t cap = k->kind_cap ? k->kind_cap * 2 : 32;
        struct sk_kind **more = realloc(k->kinds, cap * sizeof(struct sk_kind *));

        if (!more)
            return NULL;
        k->kinds = more;
        k->kind_cap = cap;
    }
    kind = calloc(1, sizeof(*kind));
    if (!kind)
        return NULL;
    kind->index = (uint32_t)k->kind_count;
    k->kinds[k->kind_count++] = kind;
    return kind;
}

const struct sk_version *sk_kind_version(const struct sk_kind *kind, const char *version)
{
    for (size_t i = 0; i < kind->version_count; i++) {
        if (kind->versions[i].served && strcmp(kind->versions[i].name, version) == 0)
            return &kind->versions[i];
    }
    return NULL;
}

const struct sk_version *sk_kind_storage(const struct sk_kind *kind)
{
    for (size_t i = 0; i < kind->version_count; i++) {
        if (kind->versions[i].storage)
            return &kind->versions[i];
    }
    return &kind->versions[0];
}

void sk_kind_qualified(const struct sk_kind *kind, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s", kind->plural, *kind->group ? "." : "", kind->group);
}

static char *lower(struct arena *arena, const char *s)
{
    char *out = arena_strdup(arena, s);

    for (char *p = out; p && *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    }
    return out;
}

static int add_builtin(struct simkube *k, const struct builtin *b, struct sk_map *done)
{
    struct sk_kind *kind = sk_kind_add(k);
    struct sk_version *v;

    if (!kind)
        return -ENOMEM;
    kind->group = b->group;
    kind->plural = b->plural;
    kind->kind = b->kind;
    kind->singular = lower(k->builtins->arena, b->kind);
    kind->list_kind = arena_printf(k->builtins->arena, "%sList", b->kind);
    kind->short_names[0] = b->short_name;
    if (strcmp(b->kind, "CustomResourceDefinition") == 0)
        kind->short_names[1] = "crds";
    kind->categories[0] = b->flags & ALL ? "all" : NULL;
    kind->namespaced = b->flags & NAMESPACED;
    kind->create_on_update = b->flags & UPSERT;
    kind->unconditional_update = b->flags & BLIND;
    kind->returns_deleted = b->flags & RETURNS;
    kind->generation = b->generation;
    kind->version_count = 1;
    v = &kind->versions[0];
    v->name = b->version;
    v->group_version =
        *b->group ? arena_printf(k->builtins->arena, "%s/%s", b->group, b->version) : b->version;
    v->columns = b->columns;
    v->column_count = b->column_count;
    v->served = v->storage = true;
    v->has_status = b->flags & STATUS;
    v->has_scale = b->flags & SCALE;
    v->schema = sk_types_compile(k->builtins->arena, done, b->kind);
    return v->schema && kind->list_kind && v->group_version ? 0 : -ENOMEM;
}

void sk_kinds_bind(struct simkube *k)
{
    k->namespaces = sk_kind_find(k, "", "namespaces");
    k->nodes = sk_kind_find(k, "", "nodes");
    k->pods = sk_kind_find(k, "", "pods");
    k->services = sk_kind_find(k, "", "services");
    k->endpoints = sk_kind_find(k, "", "endpoints");
    k->deployments = sk_kind_find(k, "apps", "deployments");
    k->replicasets = sk_kind_find(k, "apps", "replicasets");
    k->daemonsets = sk_kind_find(k, "apps", "daemonsets");
    k->hpas = sk_kind_find(k, "autoscaling", "horizontalpodautoscalers");
    k->crds = sk_kind_find(k, "apiextensions.k8s.io", "customresourcedefinitions");
    k->roles = sk_kind_find(k, "rbac.authorization.k8s.io", "roles");
    k->bindings = sk_kind_find(k, "rbac.authorization.k8s.io", "rolebindings");
    k->cluster_roles = sk_kind_find(k, "rbac.authorization.k8s.io", "clusterroles");
    k->cluster_bindings = sk_kind_find(k, "rbac.authorization.k8s.io", "clusterrolebindings");
}

int sk_kinds_init(struct simkube *k)
{
    struct sk_map done = {0};
    int rc = 0;

    k->builtins = sk_shared_new(0);
    if (!k->builtins)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]) && rc == 0; i++)
        rc = add_builtin(k, &builtins[i], &done);
    sk_map_release(&done, NULL);
    if (rc)
        return rc;
    sk_kinds_bind(k);
    return 0;
}
