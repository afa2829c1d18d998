/*
 * What the API server fills in for the built-in kinds.
 * Source: pkg/apis/.../v1/defaults.go of Kubernetes 1.35, compared by tests/cluster/calls.jsonl.
 */
#include "sim/kube/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_int(cJSON *o, const char *name, int64_t value)
{
    if (!json_get(o, name))
        json_set_int(o, name, value);
}

static void set_str(cJSON *o, const char *name, const char *value)
{
    const char *have = json_str(o, name);

    if (!have || !*have)
        json_set_str(o, name, value);
}

static bool is(const cJSON *o, const char *name, const char *value)
{
    const char *s = json_str(o, name);

    return s && strcmp(s, value) == 0;
}

static void http_get_defaults(cJSON *handler)
{
    cJSON *get = json_get(handler, "httpGet");

    if (!get)
        return;
    set_str(get, "path", "/");
    set_str(get, "scheme", "HTTP");
}

static void probe_defaults(cJSON *probe)
{
    if (!probe)
        return;
    http_get_defaults(probe);
    if (json_get(probe, "grpc"))
        set_str(json_get(probe, "grpc"), "service", "");
    set_int(probe, "timeoutSeconds", 1);
    set_int(probe, "periodSeconds", 10);
    set_int(probe, "successThreshold", 1);
    set_int(probe, "failureThreshold", 3);
}

/* ":latest" and untagged images are always pulled. */
static const char *pull_policy(const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *colon = strrchr(slash ? slash : image, ':');

    if (strchr(image, '@'))
        return "IfNotPresent";
    return !colon || strcmp(colon, ":latest") == 0 ? "Always" : "IfNotPresent";
}

static void container_defaults(cJSON *c)
{
    cJSON *item;

    set_str(c, "imagePullPolicy", pull_policy(json_str_or(c, "image", "")));
    set_str(c, "terminationMessagePath", "/dev/termination-log");
    set_str(c, "terminationMessagePolicy", "File");
    json_child_object(c, "resources");
    cJSON_ArrayForEach(item, json_get(c, "ports")) set_str(item, "protocol", "TCP");
    cJSON_ArrayForEach(item, json_get(c, "env"))
    {
        cJSON *field = json_at(item, "valueFrom", "fieldRef", (char *)NULL);

        if (field)
            set_str(field, "apiVersion", "v1");
    }
    probe_defaults(json_get(c, "livenessProbe"));
    probe_defaults(json_get(c, "readinessProbe"));
    probe_defaults(json_get(c, "startupProbe"));
    http_get_defaults(json_at(c, "lifecycle", "preStop", (char *)NULL));
    http_get_defaults(json_at(c, "lifecycle", "postStart", (char *)NULL));
}

static void volume_defaults(cJSON *v)
{
    static const char *const with_mode[] = {"configMap", "secret", "projected", "downwardAPI"};
    cJSON *path = json_get(v, "hostPath"), *source;

    for (size_t i = 0; i < sizeof(with_mode) / sizeof(with_mode[0]); i++) {
        cJSON *s = json_get(v, with_mode[i]);

        if (s)
            set_int(s, "defaultMode", 420);
    }
    if (path && !json_get(path, "type"))
        json_set_str(path, "type", "");
    cJSON_ArrayForEach(source, json_at(v, "projected", "sources", (char *)NULL))
    {
        cJSON *token = json_get(source, "serviceAccountToken");

        if (token)
            set_int(token, "expirationSeconds", 3600);
    }
    if (v->child && !v->child->next &&
        is(v, "name", v->child->valuestring ? v->child->valuestring : ""))
        json_child_object(v, "emptyDir");
}

static void pod_spec_defaults(cJSON *spec)
{
    static const char *const lists[] = {"containers", "initContainers"};
    cJSON *item;

    for (size_t i = 0; i < 2; i++) {
        cJSON_ArrayForEach(item, json_get(spec, lists[i])) container_defaults(item);
    }
    cJSON_ArrayForEach(item, json_get(spec, "volumes")) volume_defaults(item);
    set_str(spec, "restartPolicy", "Always");
    set_int(spec, "terminationGracePeriodSeconds", 30);
    set_str(spec, "dnsPolicy", "ClusterFirst");
    if (json_str(spec, "serviceAccountName"))
        set_str(spec, "serviceAccount", json_str(spec, "serviceAccountName"));
    else if (json_str(spec, "serviceAccount"))
        set_str(spec, "serviceAccountName", json_str(spec, "serviceAccount"));
    json_child_object(spec, "securityContext");
    set_str(spec, "schedulerName", "default-scheduler");
}

static void set_percent(cJSON *o, const char *name)
{
    if (!json_get(o, name))
        json_set_str(o, name, "25%");
}

static void deployment_defaults(cJSON *tree)
{
    cJSON *spec = json_child_object(tree, "spec"), *strategy, *rolling;

    set_int(spec, "progressDeadlineSeconds", 600);
    set_int(spec, "replicas", 1);
    set_int(spec, "revisionHistoryLimit", 10);
    strategy = json_child_object(spec, "strategy");
    if (!is(strategy, "type", "Recreate")) {
        set_str(strategy, "type", "RollingUpdate");
        rolling = json_child_object(strategy, "rollingUpdate");
        set_percent(rolling, "maxSurge");
        set_percent(rolling, "maxUnavailable");
    }
    if (json_get(spec, "template"))
        pod_spec_defaults(json_child_object(json_get(spec, "template"), "spec"));
}

static void daemonset_defaults(cJSON *tree)
{
    cJSON *spec = json_child_object(tree, "spec"), *strategy, *rolling;

    set_int(spec, "revisionHistoryLimit", 10);
    strategy = json_child_object(spec, "updateStrategy");
    if (!is(strategy, "type", "OnDelete")) {
        set_str(strategy, "type", "RollingUpdate");
        rolling = json_child_object(strategy, "rollingUpdate");
        set_int(rolling, "maxSurge", 0);
        set_int(rolling, "maxUnavailable", 1);
    }
    if (json_get(spec, "template"))
        pod_spec_defaults(json_child_object(json_get(spec, "template"), "spec"));
}

static void toleration_default(cJSON *list, const char *key)
{
    cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        if (is(item, "key", key))
            return;
    }
    item = cJSON_CreateObject();
    json_set_str(item, "effect", "NoExecute");
    json_set_str(item, "key", key);
    json_set_str(item, "operator", "Exists");
    json_set_int(item, "tolerationSeconds", 300);
    cJSON_AddItemToArray(list, item);
}

static void pod_defaults(cJSON *tree, bool creating)
{
    cJSON *spec = json_child_object(tree, "spec"), *tolerations;

    pod_spec_defaults(spec);
    if (!json_get(spec, "enableServiceLinks"))
        json_set_bool(spec, "enableServiceLinks", true);
    if (!creating)
        return;
    set_int(spec, "priority", 0);
    set_str(spec, "preemptionPolicy", "PreemptLowerPriority");
    tolerations = json_get(spec, "tolerations");
    if (!tolerations) {
        json_set(spec, "tolerations", cJSON_CreateArray());
        tolerations = json_get(spec, "tolerations");
    }
    toleration_default(tolerations, "node.kubernetes.io/not-ready");
    toleration_default(tolerations, "node.kubernetes.io/unreachable");
}

static void service_port_defaults(const cJSON *spec, cJSON *p)
{
    (void)spec;
    set_str(p, "protocol", "TCP");
    if (!json_get(p, "targetPort"))
        json_set(p, "targetPort", json_copy(json_get(p, "port")));
}

static cJSON *string_list(const char *s)
{
    cJSON *list = cJSON_CreateArray();

    cJSON_AddItemToArray(list, cJSON_CreateString(s));
    return list;
}

static void service_address(struct simkube *k, cJSON *spec, const cJSON *old_spec)
{
    const char *ip = json_str(spec, "clusterIP");
    char fresh[32];

    if (!ip || !*ip) {
        const char *old_ip = json_str(old_spec, "clusterIP");

        if (old_ip && !is(old_spec, "type", "ExternalName")) {
            ip = old_ip;
        } else {
            uint32_t n = k->next_ip++;

            snprintf(fresh, sizeof(fresh), "10.96.%u.%u", (n / 254) & 255u, n % 254 + 1);
            ip = fresh;
        }
        json_set_str(spec, "clusterIP", ip);
    }
    if (!json_get(spec, "clusterIPs"))
        json_set(spec, "clusterIPs", string_list(json_str_or(spec, "clusterIP", "")));
}

static void service_node_ports(struct simkube *k, cJSON *spec, const cJSON *old_spec)
{
    cJSON *p;

    cJSON_ArrayForEach(p, json_get(spec, "ports"))
    {
        const cJSON *old;

        if (json_get(p, "nodePort"))
            continue;
        cJSON_ArrayForEach(old, json_get(old_spec, "ports"))
        {
            if (json_int(old, "port", -1) == json_int(p, "port", -2) && json_get(old, "nodePort")) {
                json_set_int(p, "nodePort", json_int(old, "nodePort", 0));
                break;
            }
        }
        if (!json_get(p, "nodePort"))
            json_set_int(p, "nodePort", 30000 + (int64_t)(k->next_port++ % 2768));
    }
}

static void service_defaults(struct simkube *k, cJSON *tree, const cJSON *old)
{
    cJSON *spec = json_child_object(tree, "spec"), *p;
    const cJSON *old_spec = json_get(old, "spec");

    cJSON_ArrayForEach(p, json_get(spec, "ports")) service_port_defaults(spec, p);
    set_str(spec, "sessionAffinity", "None");
    set_str(spec, "type", "ClusterIP");
    if (is(spec, "sessionAffinity", "ClientIP") && !json_get(spec, "sessionAffinityConfig"))
        set_int(json_child_object(json_child_object(spec, "sessionAffinityConfig"), "clientIP"),
                "timeoutSeconds", 10800);
    if (is(spec, "type", "ExternalName")) {
        json_remove(spec, "clusterIP");
        json_remove(spec, "clusterIPs");
        return;
    }
    set_str(spec, "internalTrafficPolicy", "Cluster");
    service_address(k, spec, old_spec);
    if (!json_get(spec, "ipFamilies"))
        json_set(spec, "ipFamilies", string_list("IPv4"));
    set_str(spec, "ipFamilyPolicy", "SingleStack");
    if (is(spec, "type", "NodePort") || is(spec, "type", "LoadBalancer")) {
        set_str(spec, "externalTrafficPolicy", "Cluster");
        service_node_ports(k, spec, old_spec);
    }
    if (is(spec, "type", "LoadBalancer") && !json_get(spec, "allocateLoadBalancerNodePorts"))
        json_set_bool(spec, "allocateLoadBalancerNodePorts", true);
}

static cJSON *policy(const char *type, int64_t value, int64_t period)
{
    cJSON *p = cJSON_CreateObject();

    json_set_str(p, "type", type);
    json_set_int(p, "value", value);
    json_set_int(p, "periodSeconds", period);
    return p;
}

static void hpa_rules(cJSON *rules, bool up)
{
    if (!rules)
        return;
    if (up)
        set_int(rules, "stabilizationWindowSeconds", 0);
    set_str(rules, "selectPolicy", "Max");
    if (!json_get(rules, "policies")) {
        cJSON *list = cJSON_CreateArray();

        if (up)
            cJSON_AddItemToArray(list, policy("Pods", 4, 15));
        cJSON_AddItemToArray(list, policy("Percent", 100, 15));
        json_set(rules, "policies", list);
    }
}

static void hpa_defaults(cJSON *tree)
{
    cJSON *spec = json_child_object(tree, "spec"), *behavior = json_get(spec, "behavior");

    set_int(spec, "minReplicas", 1);
    if (cJSON_GetArraySize(json_get(spec, "metrics")) == 0) {
        cJSON *list = cJSON_CreateArray(), *m = cJSON_CreateObject(), *target;

        json_set_str(json_child_object(m, "resource"), "name", "cpu");
        target = json_child_object(json_get(m, "resource"), "target");
        json_set_int(target, "averageUtilization", 80);
        json_set_str(target, "type", "Utilization");
        json_set_str(m, "type", "Resource");
        cJSON_AddItemToArray(list, m);
        json_set(spec, "metrics", list);
    }
    if (behavior) {
        json_child_object(behavior, "scaleUp");
        json_child_object(behavior, "scaleDown");
        hpa_rules(json_get(behavior, "scaleUp"), true);
        hpa_rules(json_get(behavior, "scaleDown"), false);
    }
}

static void binding_defaults(cJSON *tree)
{
    cJSON *subject, *ref = json_get(tree, "roleRef");

    if (ref)
        set_str(ref, "apiGroup", "rbac.authorization.k8s.io");
    cJSON_ArrayForEach(subject, json_get(tree, "subjects"))
    {
        if (!json_get(subject, "apiGroup") && !is(subject, "kind", "ServiceAccount"))
            json_set_str(subject, "apiGroup", "rbac.authorization.k8s.io");
    }
}

/* Base64 of a secret's stringData. */
static void add_base64(struct strbuf *b, const char *s)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(s);

    for (size_t i = 0; i < len; i += 3) {
        uint32_t n = (uint32_t)(unsigned char)s[i] << 16;

        if (i + 1 < len)
            n |= (uint32_t)(unsigned char)s[i + 1] << 8;
        if (i + 2 < len)
            n |= (uint32_t)(unsigned char)s[i + 2];
        strbuf_addc(b, alphabet[n >> 18]);
        strbuf_addc(b, alphabet[n >> 12 & 63]);
        strbuf_addc(b, i + 1 < len ? alphabet[n >> 6 & 63] : '=');
        strbuf_addc(b, i + 2 < len ? alphabet[n & 63] : '=');
    }
}

static void secret_defaults(cJSON *tree)
{
    cJSON *plain = json_get(tree, "stringData"), *item;

    set_str(tree, "type", "Opaque");
    cJSON_ArrayForEach(item, plain)
    {
        struct strbuf b = STRBUF_INIT;

        if (!cJSON_IsString(item))
            continue;
        add_base64(&b, item->valuestring);
        json_set_str(json_child_object(tree, "data"), item->string, strbuf_str(&b));
        strbuf_release(&b);
    }
    json_remove(tree, "stringData");
}

static void crd_defaults(cJSON *tree)
{
    cJSON *spec = json_child_object(tree, "spec"), *names = json_child_object(spec, "names"),
          *conversion;
    char text[128];
    size_t i;

    conversion = json_child_object(spec, "conversion");
    set_str(conversion, "strategy", "None");
    snprintf(text, sizeof(text), "%sList", json_str_or(names, "kind", ""));
    set_str(names, "listKind", text);
    snprintf(text, sizeof(text), "%s", json_str_or(names, "kind", ""));
    for (i = 0; text[i]; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
    }
    set_str(names, "singular", text);
}

void sk_apply_defaults(struct simkube *k, const struct sk_kind *kind, const struct sk_version *v,
                       cJSON *tree, const cJSON *old)
{
    if (kind->custom) {
        sk_schema_default(v->schema, tree);
        return;
    }
    if (kind == k->deployments)
        deployment_defaults(tree);
    else if (kind == k->daemonsets)
        daemonset_defaults(tree);
    else if (kind == k->replicasets) {
        set_int(json_child_object(tree, "spec"), "replicas", 1);
        if (json_at(tree, "spec", "template", (char *)NULL))
            pod_spec_defaults(
                json_child_object(json_at(tree, "spec", "template", (char *)NULL), "spec"));
    } else if (kind == k->pods)
        pod_defaults(tree, !old);
    else if (kind == k->services)
        service_defaults(k, tree, old);
    else if (kind == k->hpas)
        hpa_defaults(tree);
    else if (kind == k->bindings || kind == k->cluster_bindings)
        binding_defaults(tree);
    else if (kind == k->crds)
        crd_defaults(tree);
    else if (strcmp(kind->plural, "secrets") == 0)
        secret_defaults(tree);
}

void sk_prepare_create(struct simkube *k, const struct sk_kind *kind, cJSON *tree)
{
    if (kind == k->namespaces) {
        cJSON *spec = json_child_object(tree, "spec");

        if (!json_get(spec, "finalizers"))
            json_set(spec, "finalizers", string_list("kubernetes"));
        json_set_str(json_child_object(tree, "status"), "phase", "Active");
        json_set_str(json_child_object(json_get(tree, "metadata"), "labels"),
                     "kubernetes.io/metadata.name",
                     json_str_or(json_get(tree, "metadata"), "name", ""));
    } else if (kind == k->pods) {
        cJSON *status = json_child_object(tree, "status");

        json_set_str(status, "phase", "Pending");
        json_set_str(status, "qosClass", "BestEffort");
    } else if (kind == k->services) {
        json_child_object(json_child_object(tree, "status"), "loadBalancer");
    } else if (kind == k->crds) {
        if (!sk_has_finalizer(tree, "customresourcecleanup.apiextensions.k8s.io")) {
            cJSON *meta = json_get(tree, "metadata");

            if (!json_get(meta, "finalizers"))
                json_set(meta, "finalizers", cJSON_CreateArray());
            cJSON_AddItemToArray(json_get(meta, "finalizers"),
                                 cJSON_CreateString("customresourcecleanup.apiextensions.k8s.io"));
        }
    } else if (kind == k->deployments || kind == k->replicasets || kind == k->daemonsets ||
               kind == k->hpas) {
        if (kind == k->replicasets)
            json_set_int(json_child_object(tree, "status"), "replicas", 0);
        else
            json_child_object(tree, "status");
        if (kind == k->daemonsets) {
            cJSON *notes = json_child_object(json_get(tree, "metadata"), "annotations");
            cJSON *status = json_get(tree, "status");

            json_set_str(notes, "deprecated.daemonset.template.generation", "1");
            json_set_int(status, "currentNumberScheduled", 0);
            json_set_int(status, "numberMisscheduled", 0);
            json_set_int(status, "desiredNumberScheduled", 0);
            json_set_int(status, "numberReady", 0);
        }
        if (kind == k->hpas) {
            json_set_int(json_get(tree, "status"), "desiredReplicas", 0);
            json_set(json_get(tree, "status"), "currentMetrics", cJSON_CreateNull());
        }
    } else if (strcmp(kind->plural, "ingresses") == 0) {
        json_child_object(json_child_object(tree, "status"), "loadBalancer");
    }
}
