#include "adapters/kube/client.h"

#include <string.h>

#define FLAGGER "flagger.app", "v1beta1"

const struct kube_resource kube_configmaps = {"", "v1", "configmaps", "ConfigMap", false};
const struct kube_resource kube_secrets = {"", "v1", "secrets", "Secret", false};
const struct kube_resource kube_services = {"", "v1", "services", "Service", false};
const struct kube_resource kube_events = {"", "v1", "events", "Event", false};
const struct kube_resource kube_namespaces = {"", "v1", "namespaces", "Namespace", true};
const struct kube_resource kube_pods = {"", "v1", "pods", "Pod", false};
const struct kube_resource kube_deployments = {"apps", "v1", "deployments", "Deployment", false};
const struct kube_resource kube_daemonsets = {"apps", "v1", "daemonsets", "DaemonSet", false};
const struct kube_resource kube_horizontal_pod_autoscalers = {
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", false};
const struct kube_resource kube_leases = {"coordination.k8s.io", "v1", "leases", "Lease", false};
const struct kube_resource kube_canaries = {FLAGGER, "canaries", "Canary", false};
const struct kube_resource kube_metric_templates = {FLAGGER, "metrictemplates", "MetricTemplate",
                                                    false};
const struct kube_resource kube_alert_providers = {FLAGGER, "alertproviders", "AlertProvider",
                                                   false};
const struct kube_resource kube_crds = {"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                        "CustomResourceDefinition", true};

static void add_segment(struct strbuf *out, const char *text)
{
    strbuf_add_percent(out, text, strlen(text), "");
}

void kube_path(struct strbuf *out, const struct kube_resource *r, const char *ns, const char *name,
               const char *subresource)
{
    strbuf_adds(out, r->group[0] ? "/apis/" : "/api/");
    if (r->group[0]) {
        strbuf_adds(out, r->group);
        strbuf_addc(out, '/');
    }
    strbuf_adds(out, r->version);
    if (!r->cluster_scoped && ns && *ns) {
        strbuf_adds(out, "/namespaces/");
        add_segment(out, ns);
    }
    strbuf_addc(out, '/');
    strbuf_adds(out, r->plural);
    if (name) {
        strbuf_addc(out, '/');
        add_segment(out, name);
    }
    if (subresource) {
        strbuf_addc(out, '/');
        strbuf_adds(out, subresource);
    }
}

void kube_path_add_query(struct strbuf *out, const char *key, const char *value)
{
    strbuf_addc(out, strchr(strbuf_str(out), '?') ? '&' : '?');
    strbuf_adds(out, key);
    strbuf_addc(out, '=');
    add_segment(out, value);
}

/* The length of `s` without leading zeros, 0 when it is no number. */
static size_t digits(const char **s)
{
    size_t len;

    if (!*s)
        return 0;
    while (**s == '0' && (*s)[1])
        (*s)++;
    len = strspn(*s, "0123456789");
    return (*s)[len] ? 0 : len;
}

int kube_version_compare(const char *a, const char *b)
{
    size_t a_len = digits(&a), b_len = digits(&b);

    if (a_len != b_len)
        return a_len < b_len ? -1 : 1;
    return a_len == 0 ? 0 : strncmp(a, b, a_len);
}
