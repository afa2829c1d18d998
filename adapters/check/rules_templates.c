/* MetricTemplates and AlertProviders: CM4xx and CM8xx; alerts of a Canary. */
#include <string.h>

#include "adapters/check/internal.h"

static void provider_settings(struct check *c, const struct node *provider, const char *type)
{
    static const struct {
        const char *type;
        bool address, secret, region;
    } needs[] = {
        {"prometheus", true, false, false},  {"influxdb", true, false, false},
        {"datadog", false, true, false},     {"newrelic", false, true, false},
        {"graphite", true, false, false},    {"dynatrace", true, true, false},
        {"splunk", true, true, false},       {"cloudwatch", false, false, true},
        {"stackdriver", false, true, false},
    };
    const struct node *address = node_get(provider, "address"),
                      *secret = node_get(provider, "secretRef");
    const struct node *region = node_get(provider, "region");
    const char *problem;

    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if (strcmp(needs[i].type, type) != 0)
            continue;
        if (needs[i].address && *check_str(address) == 0)
            check_find(c, CM405, provider, ".spec.provider.address", "add the URL of the server",
                       "provider %s needs an address", type);
        if (needs[i].secret && secret == NULL)
            check_find_as(c, strcmp(type, "stackdriver") == 0 ? SEVERITY_INFO : SEVERITY_ERROR,
                          CM405, provider, ".spec.provider.secretRef",
                          "name a Secret in the namespace of the template",
                          "provider %s needs credentials", type);
        if (needs[i].region && *check_str(region) == 0)
            check_find(c, CM405, provider, ".spec.provider.region", "such as region: eu-west-1",
                       "provider %s needs a region", type);
    }
    if (*check_str(address) && strcmp(type, "stackdriver") != 0 && strcmp(type, "splunk") != 0 &&
        strcmp(type, "externalmetrics") != 0 && strcmp(type, "keptn") != 0) {
        problem = check_url_problem(address->text);
        if (problem)
            check_find(c, CM406, address, ".spec.provider.address", NULL, "'%.80s' %s",
                       address->text, problem);
    }
}

static void idle_settings(struct check *c, const struct node *provider, const char *type)
{
    const struct node *headers = node_get(provider, "headers"),
                      *region = node_get(provider, "region");
    const struct node *skip = node_get(provider, "insecureSkipVerify");

    if (headers && strcmp(type, "prometheus") != 0)
        check_find(c, CM408, headers, ".spec.provider.headers", "remove it",
                   "provider %s sends no extra headers", type);
    if (region && strcmp(type, "cloudwatch") != 0)
        check_find(c, CM408, region, ".spec.provider.region", "remove it",
                   "provider %s knows no region", type);
    if (check_bool(skip) && strcmp(type, "prometheus") != 0 && strcmp(type, "graphite") != 0 &&
        strcmp(type, "externalmetrics") != 0)
        check_find(c, CM408, skip, ".spec.provider.insecureSkipVerify", "remove it",
                   "provider %s always verifies certificates", type);
    if (node_get(provider, "secretRef") &&
        (strcmp(type, "cloudwatch") == 0 || strcmp(type, "keptn") == 0))
        check_find(c, CM408, node_get(provider, "secretRef"), ".spec.provider.secretRef",
                   "remove it", "provider %s does not read a Secret", type);
}

void rules_template(struct check *c, const struct node *root)
{
    const struct node *spec = node_get(root, "spec"), *provider = node_get(spec, "provider");
    const struct node *query = node_get(spec, "query");
    const char *type = check_str(node_get(provider, "type"));

    if (provider && provider->kind == NODE_MAP) {
        provider_settings(c, provider, type);
        idle_settings(c, provider, type);
    }
    if (query && query->kind == NODE_STRING)
        rules_query(c, query, ".spec.query", type, NULL);
}

/* ---- alerts
 * ---------------------------------------------------------------------------------------- */

void rules_alert_provider(struct check *c, const struct node *root)
{
    const struct node *spec = node_get(root, "spec"), *address = node_get(spec, "address");
    const struct node *proxy = node_get(spec, "proxy");
    const char *problem;

    if (*check_str(address)) {
        problem = check_url_problem(address->text);
        if (problem)
            check_find(c, CM802, address, ".spec.address", NULL, "'%.80s' %s", address->text,
                       problem);
        else if (strstr(address->text, "{{") == NULL && strchr(address->text, '$') == NULL)
            check_find(c, CM803, address, ".spec.address",
                       "move it to a Secret, key address, and use secretRef",
                       "whoever can read this object can write to the channel");
    }
    if (*check_str(proxy) && (problem = check_url_problem(proxy->text)) != NULL)
        check_find(c, CM802, proxy, ".spec.proxy", NULL, "'%.80s' %s", proxy->text, problem);
}

void rules_alerts(struct check *c, const struct canary_view *v)
{
    for (size_t i = 0; v->alerts && i < v->alerts->u.list.count; i++) {
        const struct node *alert = v->alerts->u.list.items[i],
                          *severity = node_get(alert, "severity");

        if (alert->kind == NODE_MAP && *check_str(severity) == 0)
            check_find(c, CM801, severity ? severity : alert,
                       check_text(c, ".spec.analysis.alerts[%zu].severity", i),
                       "add severity: info, warn or error",
                       "an alert without severity is never sent by Flagger, whatever its "
                       "documentation says");
    }
}
