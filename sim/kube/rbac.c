/*
 * Who may do what: Roles and ClusterRoles bound to users, groups and service accounts.
 * Source: Kubernetes' RBAC authoriser.
 */
#include "sim/kube/internal.h"

#include <stdio.h>
#include <string.h>

#define ACCOUNT "system:serviceaccount:"

static bool lists(const cJSON *list, const char *value)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        if (item->valuestring &&
            (strcmp(item->valuestring, "*") == 0 || strcmp(item->valuestring, value) == 0))
            return true;
    }
    return false;
}

static bool names(const cJSON *list, const char *value)
{
    return !list || !list->child || (*value && lists(list, value));
}

static bool rules_allow(const cJSON *role, const char *verb, const char *group,
                        const char *resource, const char *name)
{
    const cJSON *rule;

    cJSON_ArrayForEach(rule, json_get(role, "rules"))
    {
        if (lists(json_get(rule, "verbs"), verb) && lists(json_get(rule, "apiGroups"), group) &&
            lists(json_get(rule, "resources"), resource) &&
            names(json_get(rule, "resourceNames"), name))
            return true;
    }
    return false;
}

/* "system:serviceaccount:NS:NAME" as a subject of a binding in `ns`. */
static bool is_account(const char *user, const cJSON *subject, const char *ns)
{
    char full[600];

    snprintf(full, sizeof(full), ACCOUNT "%s:%s", json_str_or(subject, "namespace", ns),
             json_str_or(subject, "name", ""));
    return strcmp(full, user) == 0;
}

static bool in_group(const char *user, const char *group)
{
    size_t len = strlen("system:serviceaccounts:");
    const char *ns, *end;

    if (strcmp(group, "system:authenticated") == 0)
        return strcmp(user, "system:anonymous") != 0;
    if (strncmp(user, ACCOUNT, strlen(ACCOUNT)) != 0)
        return false;
    if (strcmp(group, "system:serviceaccounts") == 0)
        return true;
    if (strncmp(group, "system:serviceaccounts:", len) != 0)
        return false;
    ns = user + strlen(ACCOUNT);
    end = strchr(ns, ':');
    return end && strlen(group + len) == (size_t)(end - ns) &&
           strncmp(group + len, ns, (size_t)(end - ns)) == 0;
}

static bool binds(const cJSON *binding, const char *user, const char *ns)
{
    const cJSON *s;

    cJSON_ArrayForEach(s, json_get(binding, "subjects"))
    {
        const char *kind = json_str_or(s, "kind", ""), *name = json_str_or(s, "name", "");

        if ((strcmp(kind, "User") == 0 && strcmp(name, user) == 0) ||
            (strcmp(kind, "Group") == 0 && in_group(user, name)) ||
            (strcmp(kind, "ServiceAccount") == 0 && is_account(user, s, ns)))
            return true;
    }
    return false;
}

static const struct sk_object *role_of(const struct simkube *k, const cJSON *binding,
                                       const char *ns)
{
    const cJSON *ref = json_get(binding, "roleRef");
    bool cluster = strcmp(json_str_or(ref, "kind", ""), "ClusterRole") == 0;

    return sk_find_name(cluster ? k->cluster_roles : k->roles, cluster ? "" : ns,
                        json_str_or(ref, "name", ""));
}

static bool allowed_by(const struct simkube *k, const struct sk_kind *bindings, const char *user,
                       const char *verb, const char *group, const char *resource, const char *ns,
                       const char *name)
{
    for (size_t i = 0; i < bindings->count; i++) {
        const struct sk_object *b = bindings->objects[i], *role;

        if (bindings == k->bindings && strcmp(b->ns, ns) != 0)
            continue;
        if (!binds(b->tree, user, b->ns))
            continue;
        role = role_of(k, b->tree, b->ns);
        if (role && rules_allow(role->tree, verb, group, resource, name))
            return true;
    }
    return false;
}

bool sk_may(const struct simkube *k, const char *user, const char *verb, const char *group,
            const char *resource, const char *subresource, const char *ns, const char *name)
{
    char full[400];

    if (!user)
        user = "system:anonymous";
    if (strcmp(user, "admin") == 0 || strcmp(user, "system:masters") == 0)
        return true;
    if (*subresource) {
        snprintf(full, sizeof(full), "%.200s/%.100s", resource, subresource);
        resource = full;
    }
    return allowed_by(k, k->cluster_bindings, user, verb, group, resource, ns, name) ||
           (*ns && allowed_by(k, k->bindings, user, verb, group, resource, ns, name));
}
