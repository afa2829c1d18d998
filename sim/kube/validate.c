/*
 * What the API server refuses, as far as people and operators meet it: names, labels, selectors,
 * ports, fields that must not change. Source: pkg/apis/.../validation of Kubernetes 1.35.
 */
#include "sim/kube/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_RULE                                                                                 \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end "                                                                          \
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is " \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define SUBDOMAIN_RULE                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start "                                                                         \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "    \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define DNS1035_RULE                                                                               \
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "   \
    "alphabetic "                                                                                  \
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex "     \
    "used for validation "                                                                         \
    "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
#define VALUE_RULE                                                                                 \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start "                                                                         \
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex "  \
    "used for "                                                                                    \
    "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

static bool small(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
    return small(c) || (c >= 'A' && c <= 'Z');
}

static bool dns_label(const char *s, size_t len)
{
    if (len == 0 || len > 63 || !small(s[0]) || !small(s[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!small(s[i]) && s[i] != '-')
            return false;
    }
    return true;
}

static bool dns_subdomain(const char *s)
{
    size_t total = strlen(s);

    if (total == 0 || total > 253)
        return false;
    for (;;) {
        size_t len = strcspn(s, ".");

        /* a part of a subdomain may be longer than a label */
        if (len == 0 || !small(s[0]) || !small(s[len - 1]))
            return false;
        for (size_t i = 0; i < len; i++) {
            if (!small(s[i]) && s[i] != '-')
                return false;
        }
        if (!s[len])
            return true;
        s += len + 1;
    }
}

static bool label_value(const char *s)
{
    size_t len = strlen(s);

    if (len == 0)
        return true;
    if (len > 63 || !alnum(s[0]) || !alnum(s[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!alnum(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
            return false;
    }
    return true;
}

static void refuse(struct sk_findings *out, const char *field, const cJSON *value, const char *text)
{
    sk_findings_value(out, SK_INVALID, field, value, text);
}

static void require(struct sk_findings *out, const cJSON *obj, const char *name, const char *field)
{
    const cJSON *v = json_get(obj, name);

    if (!v || (cJSON_IsString(v) && !*v->valuestring) ||
        ((cJSON_IsArray(v) || cJSON_IsObject(v)) && !v->child))
        sk_findings_add(out, SK_REQUIRED, field, "Required value");
}

static void validate_labels(const cJSON *labels, const char *field, struct sk_findings *out)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, labels)
    {
        if (cJSON_IsString(item) && !label_value(item->valuestring))
            refuse(out, field, item, VALUE_RULE);
    }
}

static void validate_owners(const cJSON *meta, struct sk_findings *out)
{
    const cJSON *ref;
    int controllers = 0;

    cJSON_ArrayForEach(ref, json_get(meta, "ownerReferences"))
    {
        static const char *const fields[] = {"apiVersion", "kind", "name", "uid"};

        for (size_t f = 0; f < 4; f++) {
            char field[96];

            if (*json_str_or(ref, fields[f], ""))
                continue;
            snprintf(field, sizeof(field), "metadata.ownerReferences.%s", fields[f]);
            sk_findings_add(out, SK_INVALID, field, "Invalid value: \"\": must not be empty");
        }
        controllers += json_bool(ref, "controller", false);
    }
    if (controllers > 1)
        sk_findings_add(out, SK_INVALID, "metadata.ownerReferences",
                        "Invalid value: \"\": Only one reference can have Controller set to true");
}

static void validate_name(const struct simkube *k, const struct sk_kind *kind, const cJSON *meta,
                          struct sk_findings *out)
{
    const cJSON *name = json_get(meta, "name");
    const char *s = json_str_or(meta, "name", "");

    if (!*s) {
        sk_findings_add(out, SK_REQUIRED, "metadata.name",
                        "Required value: name or generateName is required");
        return;
    }
    if (strcmp(kind->group, "rbac.authorization.k8s.io") == 0)
        return;
    if (kind == k->services) {
        if (!dns_label(s, strlen(s)) || (s[0] >= '0' && s[0] <= '9'))
            refuse(out, "metadata.name", name, DNS1035_RULE);
    } else if (kind == k->namespaces) {
        if (!dns_label(s, strlen(s)))
            refuse(out, "metadata.name", name, LABEL_RULE);
    } else if (strlen(s) > 253) {
        refuse(out, "metadata.name", name, "must be no more than 253 characters");
    } else if (!dns_subdomain(s)) {
        refuse(out, "metadata.name", name, SUBDOMAIN_RULE);
    }
}

static void immutable(const cJSON *now, const cJSON *old, const char *field,
                      struct sk_findings *out)
{
    if (!json_equal(now, old))
        refuse(out, field, now, "field is immutable");
}

/* ---- workloads
 * ------------------------------------------------------------------------------------------ */

static void validate_containers(const cJSON *spec, const char *prefix, struct sk_findings *out)
{
    const cJSON *c, *list = json_get(spec, "containers");
    char field[160];
    int i = 0;

    if (!list || !list->child) {
        snprintf(field, sizeof(field), "%s.containers", prefix);
        sk_findings_add(out, SK_REQUIRED, field, "Required value");
        return;
    }
    cJSON_ArrayForEach(c, list)
    {
        const char *name = json_str_or(c, "name", "");

        if (!*name) {
            snprintf(field, sizeof(field), "%s.containers[%d].name", prefix, i);
            sk_findings_add(out, SK_REQUIRED, field, "Required value");
        } else if (!dns_label(name, strlen(name))) {
            snprintf(field, sizeof(field), "%s.containers[%d].name", prefix, i);
            refuse(out, field, json_get(c, "name"), LABEL_RULE);
        }
        if (!*json_str_or(c, "image", "")) {
            snprintf(field, sizeof(field), "%s.containers[%d].image", prefix, i);
            sk_findings_add(out, SK_REQUIRED, field, "Required value");
        }
        i++;
    }
}

static void validate_workload(const cJSON *tree, const cJSON *old, struct sk_findings *out)
{
    const cJSON *spec = json_get(tree, "spec"), *selector = json_get(spec, "selector");
    const cJSON *labels = json_at(spec, "template", "metadata", "labels", (char *)NULL);

    if (json_int(spec, "replicas", 0) < 0)
        refuse(out, "spec.replicas", json_get(spec, "replicas"),
               "must be greater than or equal to 0");
    if (!selector)
        sk_findings_add(out, SK_REQUIRED, "spec.selector", "Required value");
    else if (!json_get(selector, "matchLabels") && !json_get(selector, "matchExpressions"))
        refuse(out, "spec.selector", selector, "empty selector is invalid for deployment");
    if ((!selector && labels) || (selector && !sk_label_selector_matches(selector, labels))) {
        struct strbuf b = STRBUF_INIT;

        json_add_to(&b, labels ? labels : cJSON_GetArrayItem(NULL, 0));
        sk_findings_add(out, SK_INVALID, "spec.template.metadata.labels",
                        "Invalid value: %s: `selector` does not match template `labels`",
                        labels ? strbuf_str(&b) : "null");
        strbuf_release(&b);
    }
    validate_labels(labels, "spec.template.labels", out);
    validate_containers(json_at(spec, "template", "spec", (char *)NULL), "spec.template.spec", out);
    if (old)
        immutable(selector, json_at(old, "spec", "selector", (char *)NULL), "spec.selector", out);
}

/* ---- services
 * ---------------------------------------------------------------------------------------------- */

static void validate_service_ports(const cJSON *spec, struct sk_findings *out)
{
    const cJSON *p, *other, *list = json_get(spec, "ports");
    int i = 0, n = cJSON_GetArraySize(list);
    const char *type = json_str_or(spec, "type", "ClusterIP");

    if (n == 0 && strcmp(type, "ExternalName") != 0 &&
        strcmp(json_str_or(spec, "clusterIP", ""), "None") != 0)
        sk_findings_add(out, SK_REQUIRED, "spec.ports", "Required value");
    cJSON_ArrayForEach(p, list)
    {
        char field[64];
        int64_t port = json_int(p, "port", 0);
        const char *name = json_str_or(p, "name", "");

        snprintf(field, sizeof(field), "spec.ports[%d].name", i);
        if (n > 1 && !*name)
            sk_findings_add(out, SK_REQUIRED, field, "Required value");
        for (other = list->child; other != p; other = other->next) {
            if (*name && strcmp(json_str_or(other, "name", ""), name) == 0)
                sk_findings_value(out, SK_DUPLICATE, field, json_get(p, "name"), "");
        }
        snprintf(field, sizeof(field), "spec.ports[%d].port", i);
        if (port < 1 || port > 65535)
            sk_findings_add(out, SK_INVALID, field,
                            "Invalid value: %lld: must be between 1 and 65535, inclusive",
                            (long long)port);
        snprintf(field, sizeof(field), "spec.ports[%d].targetPort", i);
        if (json_get(p, "targetPort") && !cJSON_IsString(json_get(p, "targetPort")) &&
            (json_int(p, "targetPort", 0) < 1 || json_int(p, "targetPort", 0) > 65535))
            sk_findings_add(out, SK_INVALID, field,
                            "Invalid value: %lld: must be between 1 and 65535, inclusive",
                            (long long)json_int(p, "targetPort", 0));
        i++;
    }
    for (p = list ? list->child : NULL, i = 0; p; p = p->next, i++) {
        for (other = list->child; other != p; other = other->next) {
            char field[64];
            cJSON *key;

            if (json_int(other, "port", 0) != json_int(p, "port", 0) ||
                strcmp(json_str_or(other, "protocol", "TCP"), json_str_or(p, "protocol", "TCP")) !=
                    0)
                continue;
            snprintf(field, sizeof(field), "spec.ports[%d]", i);
            key = cJSON_CreateObject();
            json_set_str(key, "Name", "");
            json_set_str(key, "Protocol", json_str_or(p, "protocol", "TCP"));
            json_set(key, "AppProtocol", cJSON_CreateNull());
            json_set_int(key, "Port", json_int(p, "port", 0));
            json_set_int(key, "TargetPort", 0);
            json_set_int(key, "NodePort", 0);
            sk_findings_value(out, SK_DUPLICATE, field, key, "");
            json_free(key);
            break;
        }
    }
}

static void validate_service(const cJSON *tree, const cJSON *old, struct sk_findings *out)
{
    static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"};
    const cJSON *spec = json_get(tree, "spec"), *old_spec = json_get(old, "spec");
    const char *type = json_str_or(spec, "type", "");
    const cJSON *ips = json_get(spec, "clusterIPs");
    bool known = false;

    for (size_t i = 0; i < 4; i++)
        known = known || strcmp(types[i], type) == 0;
    if (!known)
        sk_findings_value(
            out, SK_UNSUPPORTED, "spec.type", json_get(spec, "type"),
            "supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"");
    validate_service_ports(spec, out);
    if (strcmp(type, "ExternalName") == 0) {
        require(out, spec, "externalName", "spec.externalName");
        return;
    }
    if (ips && ips->child &&
        strcmp(json_str_or(spec, "clusterIP", ""), ips->child->valuestring) != 0)
        refuse(out, "spec.clusterIPs[0]", ips->child, "first value must match `clusterIP`");
    if (old && strcmp(json_str_or(old_spec, "type", ""), "ExternalName") != 0 &&
        !json_equal(json_get(spec, "clusterIP"), json_get(old_spec, "clusterIP"))) {
        cJSON *list = json_copy(ips);

        sk_findings_value(out, SK_INVALID, "spec.clusterIPs[0]", list, "may not change once set");
        json_free(list);
    }
}

/* ---- the rest
 * -------------------------------------------------------------------------------------------------
 */

static void validate_hpa(const cJSON *tree, struct sk_findings *out)
{
    const cJSON *spec = json_get(tree, "spec");
    int64_t min = json_int(spec, "minReplicas", 1), max = json_int(spec, "maxReplicas", 0);

    require(out, json_get(spec, "scaleTargetRef"), "kind", "spec.scaleTargetRef.kind");
    require(out, json_get(spec, "scaleTargetRef"), "name", "spec.scaleTargetRef.name");
    if (min < 1)
        refuse(out, "spec.minReplicas", json_get(spec, "minReplicas"),
               "must be greater than or equal to 1");
    if (max < 1)
        sk_findings_add(out, SK_INVALID, "spec.maxReplicas",
                        "Invalid value: %lld: must be greater than 0", (long long)max);
    else if (max < min)
        refuse(out, "spec.maxReplicas", json_get(spec, "maxReplicas"),
               "must be greater than or equal to `minReplicas`");
}

static void validate_config(const cJSON *tree, const cJSON *old, struct sk_findings *out)
{
    if (!old || !json_bool(old, "immutable", false))
        return;
    if (!json_bool(tree, "immutable", false))
        sk_findings_add(out, SK_FORBIDDEN, "immutable",
                        "Forbidden: field is immutable when `immutable` is set");
    if (!json_equal(json_get(tree, "data"), json_get(old, "data")))
        sk_findings_add(out, SK_FORBIDDEN, "data",
                        "Forbidden: field is immutable when `immutable` is set");
    if (!json_equal(json_get(tree, "binaryData"), json_get(old, "binaryData")))
        sk_findings_add(out, SK_FORBIDDEN, "binaryData",
                        "Forbidden: field is immutable when `immutable` is set");
}

static void validate_ingress(const cJSON *tree, struct sk_findings *out)
{
    const cJSON *rule, *path, *spec = json_get(tree, "spec");
    int i = 0;

    if (!json_get(spec, "rules") && !json_get(spec, "defaultBackend"))
        sk_findings_value(out, SK_INVALID, "spec", NULL,
                          "either `defaultBackend` or `rules` must be specified");
    cJSON_ArrayForEach(rule, json_get(spec, "rules"))
    {
        int j = 0;

        cJSON_ArrayForEach(path, json_at(rule, "http", "paths", (char *)NULL))
        {
            char field[96];

            if (!json_str(path, "pathType")) {
                snprintf(field, sizeof(field), "spec.rules[%d].http.paths[%d].pathType", i, j);
                sk_findings_add(out, SK_REQUIRED, field,
                                "Required value: pathType must be specified");
            }
            j++;
        }
        i++;
    }
}

static void validate_crd(const cJSON *tree, struct sk_findings *out)
{
    const cJSON *spec = json_get(tree, "spec"), *names = json_get(spec, "names"), *v;
    char want[256];
    int i = 0, storage = 0;

    require(out, spec, "group", "spec.group");
    require(out, spec, "scope", "spec.scope");
    require(out, spec, "versions", "spec.versions");
    require(out, names, "plural", "spec.names.plural");
    require(out, names, "kind", "spec.names.kind");
    snprintf(want, sizeof(want), "%s.%s", json_str_or(names, "plural", ""),
             json_str_or(spec, "group", ""));
    if (strcmp(want, json_str_or(json_get(tree, "metadata"), "name", "")) != 0)
        refuse(out, "metadata.name", json_at(tree, "metadata", "name", (char *)NULL),
               "must be spec.names.plural+\".\"+spec.group");
    cJSON_ArrayForEach(v, json_get(spec, "versions"))
    {
        char field[96];

        storage += json_bool(v, "storage", false);
        if (!json_at(v, "schema", "openAPIV3Schema", (char *)NULL)) {
            snprintf(field, sizeof(field), "spec.versions[%d].schema.openAPIV3Schema", i);
            sk_findings_add(out, SK_REQUIRED, field, "Required value: schemas are required");
        }
        i++;
    }
    if (i > 0 && storage != 1)
        sk_findings_value(out, SK_INVALID, "spec.versions", json_get(spec, "versions"),
                          "must have exactly one version marked as storage version");
}

static void validate_pod(const cJSON *tree, const cJSON *old, struct sk_findings *out)
{
    validate_containers(json_get(tree, "spec"), "spec", out);
    if (old) {
        cJSON *a = json_copy(json_get(tree, "spec")), *b = json_copy(json_get(old, "spec"));
        cJSON *specs[2] = {a, b};

        for (size_t s = 0; s < 2; s++) {
            cJSON *c;

            json_remove(specs[s], "activeDeadlineSeconds");
            json_remove(specs[s], "tolerations");
            cJSON_ArrayForEach(c, json_get(specs[s], "containers")) json_remove(c, "image");
        }
        if (!json_equal(a, b))
            sk_findings_add(out, SK_FORBIDDEN, "spec",
                            "Forbidden: pod updates may not change fields other than "
                            "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
                            "existing tolerations),"
                            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
                            "was previously negative)");
        json_free(a);
        json_free(b);
    }
}

void sk_validate(const struct simkube *k, const struct sk_kind *kind, const struct sk_version *v,
                 const cJSON *tree, const cJSON *old, struct sk_findings *out)
{
    const cJSON *meta = json_get(tree, "metadata");

    if (!old)
        validate_name(k, kind, meta, out);
    validate_labels(json_get(meta, "labels"), "metadata.labels", out);
    validate_owners(meta, out);
    if (kind->custom) {
        sk_schema_validate(v->schema, tree, out);
        sk_findings_sort(out);
        sk_findings_note_rules(v->schema, out);
        return;
    }
    if (kind == k->deployments || kind == k->daemonsets || kind == k->replicasets)
        validate_workload(tree, old, out);
    else if (kind == k->services)
        validate_service(tree, old, out);
    else if (kind == k->hpas)
        validate_hpa(tree, out);
    else if (kind == k->pods)
        validate_pod(tree, old, out);
    else if (kind == k->crds)
        validate_crd(tree, out);
    else if (strcmp(kind->plural, "configmaps") == 0 || strcmp(kind->plural, "secrets") == 0) {
        validate_config(tree, old, out);
        if (old && strcmp(kind->plural, "secrets") == 0)
            immutable(json_get(tree, "type"), json_get(old, "type"), "type", out);
    } else if (strcmp(kind->plural, "ingresses") == 0)
        validate_ingress(tree, out);
    else if ((kind == k->bindings || kind == k->cluster_bindings) && old &&
             !json_equal(json_get(tree, "roleRef"), json_get(old, "roleRef")))
        refuse(out, "roleRef", json_get(tree, "roleRef"), "cannot change roleRef");
}

void sk_validate_status(const struct sk_version *v, const cJSON *tree, struct sk_findings *out)
{
    const struct sk_schema *schema = sk_schema_member(v->schema, "status");
    const cJSON *status = json_get(tree, "status");

    if (!schema || !status)
        return;
    sk_schema_validate(schema, status, out);
    for (size_t i = 0; i < out->count; i++) {
        size_t size = strlen(out->items[i].field) + sizeof("status.");
        char *full = malloc(size);

        if (!full)
            return;
        snprintf(full, size, "status%s%s", *out->items[i].field ? "." : "", out->items[i].field);
        free(out->items[i].field);
        out->items[i].field = full;
    }
    sk_findings_sort(out);
    sk_findings_note_rules(v->schema, out);
}
