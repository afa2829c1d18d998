#include "adapters/manifest/canary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/judge.h"
#include "adapters/manifest/reader.h"
#include "engine/num.h"

#define API_VERSION "flagger.app/v1beta1"
#define LIST_MAX 10000u

const char *document_kind(const struct document *doc)
{
    const char *kind = node_str(node_get(doc->root, "kind"));

    return kind ? kind : "";
}

const char *document_api_version(const struct document *doc)
{
    const char *version = node_str(node_get(doc->root, "apiVersion"));

    return version ? version : "";
}

bool document_is(const struct document *doc, const char *kind)
{
    return strcmp(document_kind(doc), kind) == 0 &&
           strcmp(document_api_version(doc), API_VERSION) == 0;
}

const char *document_name(const struct document *doc)
{
    const char *name = node_str(node_at(doc->root, "metadata", "name", NULL));

    return name ? name : "";
}

const char *document_namespace(const struct document *doc)
{
    const char *ns = node_str(node_at(doc->root, "metadata", "namespace", NULL));

    return ns && *ns ? ns : "default";
}

/* ---- analysis
 * --------------------------------------------------------------------------------------- */

static int by_name(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;

    return strcmp(a->name, b->name);
}

/* A map of strings, sorted by name. */
static const struct pair *read_pairs(struct reader *r, const struct node *map,
                                     const struct place *at, uint32_t *ret_count)
{
    struct pair *pairs;
    uint32_t n = 0;

    *ret_count = 0;
    if (!reader_expect(r, map, at, NODE_MAP))
        return NULL;
    pairs = arena_alloc(r->arena, (map->u.map.count + 1) * sizeof *pairs);
    if (!pairs)
        return NULL;
    for (size_t i = 0; i < map->u.map.count; i++) {
        const struct member *m = &map->u.map.members[i];
        struct place here = {at, m->key, 0};

        if (!reader_expect(r, m->value, &here, NODE_STRING))
            continue;
        pairs[n].name = m->key;
        pairs[n++].value = m->value->text;
    }
    if (n > 1)
        qsort(pairs, n, sizeof *pairs, by_name);
    *ret_count = n;
    return pairs;
}

static void read_range(struct reader *r, const struct node *map, const struct place *at,
                       struct metric_spec *m)
{
    static const char *const names[] = {"max", "min", NULL};
    const struct node *min, *max;

    if (!reader_object(r, map, at, names))
        return;
    m->has_range = true;
    min = node_get(map, "min");
    max = node_get(map, "max");
    m->range.has_min = reader_number(r, min, PLACE(at, "min"), &m->range.min);
    m->range.has_max = reader_number(r, max, PLACE(at, "max"), &m->range.max);
}

static void read_template_ref(struct reader *r, const struct node *map, const struct place *at,
                              const char *ns, const char **ret_name, const char **ret_namespace)
{
    static const char *const names[] = {"apiVersion", "kind", "name", "namespace", NULL};

    *ret_namespace = ns;
    if (!reader_object(r, map, at, names))
        return;
    reader_string(r, node_get(map, "name"), PLACE(at, "name"), ret_name);
    reader_string(r, node_get(map, "namespace"), PLACE(at, "namespace"), ret_namespace);
    if (!*ret_name || !**ret_name)
        reader_missing(r, map, at, "name");
    if (!**ret_namespace)
        *ret_namespace = ns;
}

/* A window or timeout: kept as text, checked as a Go duration. */
static void read_duration_text(struct reader *r, const struct node *n, const struct place *at,
                               const char **ret_text)
{
    int64_t ns;

    if (reader_string(r, n, at, ret_text) && **ret_text)
        reader_duration(r, n, at, &ns);
}

static void read_metric(struct reader *r, const struct node *map, const struct place *at,
                        const struct spec *s, struct metric_spec *m)
{
    static const char *const names[] = {
        "interval",          "name",      "query",          "templateRef",
        "templateVariables", "threshold", "thresholdRange", NULL};
    const struct node *n;
    bool builtin;

    m->name = "";
    m->interval = "";
    if (!reader_object(r, map, at, names))
        return;
    if (!reader_string(r, node_get(map, "name"), PLACE(at, "name"), &m->name))
        reader_missing(r, map, at, "name");
    reader_string(r, node_get(map, "query"), PLACE(at, "query"), &m->query);
    read_duration_text(r, node_get(map, "interval"), PLACE(at, "interval"), &m->interval);
    reader_number(r, node_get(map, "threshold"), PLACE(at, "threshold"), &m->threshold);
    if ((n = node_get(map, "thresholdRange")) && n->kind != NODE_NULL)
        read_range(r, n, PLACE(at, "thresholdRange"), m);
    if ((n = node_get(map, "templateRef")) && n->kind != NODE_NULL)
        read_template_ref(r, n, PLACE(at, "templateRef"), s->ns, &m->template_name,
                          &m->template_namespace);
    if ((n = node_get(map, "templateVariables")) && n->kind != NODE_NULL)
        m->variables = read_pairs(r, n, PLACE(at, "templateVariables"), &m->variable_count);
    builtin = metric_is_success_rate(m) || metric_is_duration(m) || (m->query && *m->query);
    if (!*m->interval && (builtin || spec_deviates(s, DEV_TEMPLATE_INTERVAL)))
        m->interval = "1m";
    m->checks = metric_checks_of(m);
}

static bool hook_type_find(const char *name, enum hook_type *ret_type)
{
    if (!*name) {
        *ret_type = HOOK_ROLLOUT;
        return true;
    }
    for (unsigned i = 0; i < HOOK_TYPE_COUNT; i++) {
        if (strcmp(name, hook_type_name((enum hook_type)i)) == 0) {
            *ret_type = (enum hook_type)i;
            return true;
        }
    }
    return false;
}

static void read_hook(struct reader *r, const struct node *map, const struct place *at,
                      struct hook_spec *h)
{
    static const char *const names[] = {"disableTLS", "metadata", "muteAlert", "name", "retries",
                                        "timeout",    "type",     "url",       NULL};
    static const char *const types[] = {"rollout",
                                        "confirm-rollout",
                                        "pre-rollout",
                                        "confirm-traffic-increase",
                                        "confirm-promotion",
                                        "post-rollout",
                                        "rollback",
                                        "event",
                                        NULL};
    const struct node *n;
    const char *type = "";

    h->name = "";
    h->url = "";
    h->timeout = "";
    if (!reader_object(r, map, at, names))
        return;
    if (!reader_string(r, node_get(map, "name"), PLACE(at, "name"), &h->name))
        reader_missing(r, map, at, "name");
    if (!reader_string(r, node_get(map, "url"), PLACE(at, "url"), &h->url))
        reader_missing(r, map, at, "url");
    read_duration_text(r, node_get(map, "timeout"), PLACE(at, "timeout"), &h->timeout);
    reader_int(r, node_get(map, "retries"), PLACE(at, "retries"), &h->retries);
    reader_bool(r, node_get(map, "muteAlert"), PLACE(at, "muteAlert"), &h->mute_alert);
    reader_bool(r, node_get(map, "disableTLS"), PLACE(at, "disableTLS"), &h->disable_tls);
    n = node_get(map, "type");
    if (reader_string(r, n, PLACE(at, "type"), &type) && !hook_type_find(type, &h->type))
        reader_unknown_word(r, n, PLACE(at, "type"), "webhook type", types);
    if ((n = node_get(map, "metadata")) && n->kind != NODE_NULL)
        h->metadata = read_pairs(r, n, PLACE(at, "metadata"), &h->metadata_count);
}

static void read_alert(struct reader *r, const struct node *map, const struct place *at,
                       const struct spec *s, struct alert_spec *a)
{
    static const char *const names[] = {"name", "providerRef", "severity", NULL};
    static const char *const severities[] = {"info", "warn", "error", NULL};
    const struct node *n;
    const char *severity = "";

    a->name = "";
    a->provider_name = "";
    a->provider_namespace = s->ns;
    if (!reader_object(r, map, at, names))
        return;
    if (!reader_string(r, node_get(map, "name"), PLACE(at, "name"), &a->name))
        reader_missing(r, map, at, "name");
    n = node_get(map, "severity");
    if (reader_string(r, n, PLACE(at, "severity"), &severity) && *severity) {
        for (unsigned i = 0; i < 3; i++) {
            if (strcmp(severity, severities[i]) == 0) {
                a->has_severity = true;
                a->severity = (enum alert_severity)i;
            }
        }
        if (!a->has_severity)
            reader_unknown_word(r, n, PLACE(at, "severity"), "alert severity", severities);
    }
    if ((n = node_get(map, "providerRef")) && n->kind != NODE_NULL)
        read_template_ref(r, n, PLACE(at, "providerRef"), s->ns, &a->provider_name,
                          &a->provider_namespace);
    else
        reader_missing(r, map, at, "providerRef");
}

/* A list and room for its elements; *ret_count = 0 when it is absent or no list. */
static void *read_list(struct reader *r, const struct node *n, const struct place *at,
                       size_t element, uint32_t *ret_count)
{
    void *items;

    *ret_count = 0;
    if (!n || n->kind == NODE_NULL || !reader_expect(r, n, at, NODE_LIST))
        return NULL;
    if (n->u.list.count > LIST_MAX) {
        reader_error(r, n, at, "too many elements", NULL);
        return NULL;
    }
    items = arena_alloc(r->arena, (n->u.list.count + 1) * element);
    if (items)
        *ret_count = (uint32_t)n->u.list.count;
    return items;
}

static void read_metrics(struct reader *r, const struct node *n, const struct place *at,
                         struct spec *s)
{
    struct metric_spec *items = read_list(r, n, at, sizeof *items, &s->analysis.metric_count);

    s->analysis.metrics = items;
    for (uint32_t i = 0; i < s->analysis.metric_count; i++) {
        struct place here = {at, NULL, i};
        read_metric(r, n->u.list.items[i], &here, s, &items[i]);
    }
}

static void read_hooks(struct reader *r, const struct node *n, const struct place *at,
                       struct spec *s)
{
    struct hook_spec *items = read_list(r, n, at, sizeof *items, &s->analysis.hook_count);

    s->analysis.hooks = items;
    for (uint32_t i = 0; i < s->analysis.hook_count; i++) {
        struct place here = {at, NULL, i};
        read_hook(r, n->u.list.items[i], &here, &items[i]);
    }
}

static void read_alerts(struct reader *r, const struct node *n, const struct place *at,
                        struct spec *s)
{
    struct alert_spec *items = read_list(r, n, at, sizeof *items, &s->analysis.alert_count);

    s->analysis.alerts = items;
    for (uint32_t i = 0; i < s->analysis.alert_count; i++) {
        struct place here = {at, NULL, i};
        read_alert(r, n->u.list.items[i], &here, s, &items[i]);
    }
}

static void read_step_weights(struct reader *r, const struct node *n, const struct place *at,
                              struct spec *s)
{
    int32_t *items = read_list(r, n, at, sizeof *items, &s->analysis.step_weight_count);

    s->analysis.step_weights = items;
    for (uint32_t i = 0; i < s->analysis.step_weight_count; i++) {
        struct place here = {at, NULL, i};
        reader_int(r, n->u.list.items[i], &here, &items[i]);
    }
}

/* The interval that the operator uses: unparsable means a minute, less than ten seconds means ten.
 */
static ms_t effective_interval(struct reader *r, const struct node *n, const struct place *at)
{
    const char *text = "";
    int64_t ns = 60 * NS_PER_S;

    if (reader_string(r, n, at, &text) && *text && !reader_duration(r, n, at, &ns))
        ns = 60 * NS_PER_S;
    if (ns < 10 * NS_PER_S)
        ns = 10 * NS_PER_S;
    return ns / NS_PER_MS;
}

/* What the engine only counts or hands on: the names must be right all the same. */
static void read_match(struct reader *r, const struct node *n, const struct place *at,
                       struct analysis_spec *a)
{
    static const char *const names[] = {"headers", "queryParams", "sourceLabels", NULL};

    if (!n || n->kind == NODE_NULL || !reader_expect(r, n, at, NODE_LIST))
        return;
    a->match_count = (uint32_t)n->u.list.count;
    for (uint32_t i = 0; i < a->match_count; i++) {
        struct place here = {at, NULL, i};
        reader_object(r, n->u.list.items[i], &here, names);
    }
}

static void read_affinity(struct reader *r, const struct node *map, const struct place *at,
                          struct analysis_spec *a)
{
    static const char *const names[] = {"cookieName",  "domain", "httpOnly",          "maxAge",
                                        "partitioned", "path",   "primaryCookieName", "sameSite",
                                        "secure",      NULL};
    const char *cookie = "";
    int64_t max_age;

    if (!map || map->kind == NODE_NULL || !reader_object(r, map, at, names))
        return;
    a->has_session_affinity = true;
    if (!reader_string(r, node_get(map, "cookieName"), PLACE(at, "cookieName"), &cookie))
        reader_missing(r, map, at, "cookieName");
    reader_int64(r, node_get(map, "maxAge"), PLACE(at, "maxAge"), &max_age);
}

static void read_analysis(struct reader *r, const struct node *map, const struct place *at,
                          struct spec *s)
{
    static const char *const names[] = {"alerts",
                                        "canaryReadyThreshold",
                                        "interval",
                                        "iterations",
                                        "match",
                                        "maxWeight",
                                        "metrics",
                                        "mirror",
                                        "mirrorWeight",
                                        "primaryReadyThreshold",
                                        "sessionAffinity",
                                        "stepWeight",
                                        "stepWeightPromotion",
                                        "stepWeights",
                                        "threshold",
                                        "webhooks",
                                        NULL};
    struct analysis_spec *a = &s->analysis;

    a->interval_ms = 60000;
    a->primary_ready_threshold = a->canary_ready_threshold = 100;
    if (!reader_object(r, map, at, names))
        return;
    a->present = true;
    a->interval_ms = effective_interval(r, node_get(map, "interval"), PLACE(at, "interval"));
    reader_int(r, node_get(map, "threshold"), PLACE(at, "threshold"), &a->threshold);
    reader_int(r, node_get(map, "maxWeight"), PLACE(at, "maxWeight"), &a->max_weight);
    reader_int(r, node_get(map, "stepWeight"), PLACE(at, "stepWeight"), &a->step_weight);
    reader_int(r, node_get(map, "stepWeightPromotion"), PLACE(at, "stepWeightPromotion"),
               &a->step_weight_promotion);
    reader_int(r, node_get(map, "iterations"), PLACE(at, "iterations"), &a->iterations);
    reader_int(r, node_get(map, "mirrorWeight"), PLACE(at, "mirrorWeight"), &a->mirror_weight);
    reader_int(r, node_get(map, "primaryReadyThreshold"), PLACE(at, "primaryReadyThreshold"),
               &a->primary_ready_threshold);
    reader_int(r, node_get(map, "canaryReadyThreshold"), PLACE(at, "canaryReadyThreshold"),
               &a->canary_ready_threshold);
    reader_bool(r, node_get(map, "mirror"), PLACE(at, "mirror"), &a->mirror);
    read_step_weights(r, node_get(map, "stepWeights"), PLACE(at, "stepWeights"), s);
    read_match(r, node_get(map, "match"), PLACE(at, "match"), a);
    read_affinity(r, node_get(map, "sessionAffinity"), PLACE(at, "sessionAffinity"), a);
    read_metrics(r, node_get(map, "metrics"), PLACE(at, "metrics"), s);
    read_hooks(r, node_get(map, "webhooks"), PLACE(at, "webhooks"), s);
    read_alerts(r, node_get(map, "alerts"), PLACE(at, "alerts"), s);
}

/* ---- spec
 * ------------------------------------------------------------------------------------------- */

static const char *const spec_names[] = {
    "analysis",   "autoscalerRef",    "canaryAnalysis",
    "ingressRef", "metricsServer",    "progressDeadlineSeconds",
    "provider",   "revertOnDeletion", "routeRef",
    "service",    "skipAnalysis",     "suspend",
    "targetRef",  "upstreamRef",      NULL};

static void read_target(struct reader *r, const struct node *map, const struct place *at,
                        struct spec *s)
{
    static const char *const names[] = {"apiVersion", "kind", "name", "namespace", NULL};
    static const char *const kinds[] = {"DaemonSet", "Deployment", "Service", NULL};
    const struct node *n;
    const char *version = "";

    s->target_name = "";
    s->target_kind_name = "";
    if (!reader_object(r, map, at, names))
        return;
    if (!reader_string(r, node_get(map, "name"), PLACE(at, "name"), &s->target_name))
        reader_missing(r, map, at, "name");
    n = node_get(map, "kind");
    if (!reader_string(r, n, PLACE(at, "kind"), &s->target_kind_name))
        reader_missing(r, map, at, "kind");
    reader_string(r, node_get(map, "apiVersion"), PLACE(at, "apiVersion"), &version);
    s->target_kind = TARGET_DEPLOYMENT;
    if (strcmp(s->target_kind_name, "DaemonSet") == 0)
        s->target_kind = TARGET_DAEMONSET;
    else if (strcmp(s->target_kind_name, "Service") == 0)
        s->target_kind =
            strcmp(version, "serving.knative.dev/v1") == 0 ? TARGET_KNATIVE : TARGET_SERVICE;
    else if (*s->target_kind_name && strcmp(s->target_kind_name, "Deployment") != 0)
        reader_unknown_word(r, n, PLACE(at, "kind"), "target kind", kinds);
}

static void read_autoscaler(struct reader *r, const struct node *map, const struct place *at,
                            struct spec *s)
{
    static const char *const names[] = {
        "apiVersion", "kind", "name", "primaryScalerQueries", "primaryScalerReplicas", NULL};
    const char *kind = "";

    if (!map || map->kind == NODE_NULL || !reader_object(r, map, at, names))
        return;
    reader_string(r, node_get(map, "kind"), PLACE(at, "kind"), &kind);
    s->has_autoscaler =
        strcmp(kind, "HorizontalPodAutoscaler") == 0 || strcmp(kind, "ScaledObject") == 0;
}

static void read_ref(struct reader *r, const struct node *map, const struct place *at)
{
    static const char *const names[] = {"apiVersion", "kind", "name", "namespace", NULL};
    const char *text = "";

    if (!map || map->kind == NODE_NULL || !reader_object(r, map, at, names))
        return;
    reader_string(r, node_get(map, "kind"), PLACE(at, "kind"), &text);
    if (!reader_string(r, node_get(map, "name"), PLACE(at, "name"), &text))
        reader_missing(r, map, at, "name");
}

/* The engine knows no service; the routers read its node. */
static void read_service(struct reader *r, const struct node *map, const struct place *at)
{
    static const char *const names[] = {"apex",
                                        "appProtocol",
                                        "backendTimeout",
                                        "backends",
                                        "canary",
                                        "corsPolicy",
                                        "delegation",
                                        "gatewayRefs",
                                        "gateways",
                                        "headers",
                                        "headless",
                                        "hosts",
                                        "match",
                                        "meshName",
                                        "mirror",
                                        "name",
                                        "port",
                                        "portDiscovery",
                                        "portName",
                                        "primary",
                                        "retries",
                                        "rewrite",
                                        "targetPort",
                                        "timeout",
                                        "trafficDistribution",
                                        "trafficPolicy",
                                        "unmanagedMetadata",
                                        NULL};
    const char *text = "";
    int32_t port = 0;
    bool flag = false;

    if (!map || map->kind == NODE_NULL || !reader_object(r, map, at, names))
        return;
    reader_string(r, node_get(map, "name"), PLACE(at, "name"), &text);
    reader_int(r, node_get(map, "port"), PLACE(at, "port"), &port);
    reader_bool(r, node_get(map, "portDiscovery"), PLACE(at, "portDiscovery"), &flag);
}

/* The label printed in "no values found": docs/engine/semantics.md §7.2 */
static const char *metrics_provider(struct reader *r, const struct spec *s, const char *mesh,
                                    bool own)
{
    const char *base = strstr(mesh, "crossover") ? "crossover" : mesh;
    const char *label;

    if (own)
        base = strstr(mesh, "linkerd") ? "linkerd" : s->provider;
    label = s->target_kind == TARGET_SERVICE ? arena_printf(r->arena, "%s:service", base) : base;
    return label ? label : "";
}

static void derive(struct reader *r, const struct canary_options *o, struct spec *s,
                   bool own_provider)
{
    const char *mesh = o->mesh_provider ? o->mesh_provider : "istio";

    if (!s->provider || !*s->provider)
        s->provider = mesh;
    s->metrics_provider = metrics_provider(r, s, mesh, own_provider);
    s->provider_is_kubernetes = strcmp(s->provider, "kubernetes") == 0;
    s->provider_is_appmesh = strncmp(s->provider, "appmesh", 7) == 0;
    s->provider_is_knative = strcmp(s->provider, "knative") == 0;
    s->tracks_configs = !o->no_config_tracking &&
                        (s->target_kind == TARGET_DEPLOYMENT || s->target_kind == TARGET_DAEMONSET);
    s->cluster_name = o->cluster_name;
    if (s->metrics_server && !*s->metrics_server)
        s->metrics_server = NULL;
    if (s->analysis.threshold <= 0)
        s->analysis.threshold = 1;
    if (!s->analysis.present)
        s->skip_analysis = true;
}

static void read_spec(struct reader *r, const struct canary_options *o, struct canary *c)
{
    static const struct place root = {NULL, "spec", 0};
    const struct place *at = &root;
    const struct node *map = c->spec_node, *n;
    struct spec *s = &c->spec;

    s->progress_deadline_s = 600;
    if (!reader_object(r, map, at, spec_names))
        return;
    reader_string(r, node_get(map, "provider"), PLACE(at, "provider"), &s->provider);
    reader_string(r, node_get(map, "metricsServer"), PLACE(at, "metricsServer"),
                  &s->metrics_server);
    reader_int(r, node_get(map, "progressDeadlineSeconds"), PLACE(at, "progressDeadlineSeconds"),
               &s->progress_deadline_s);
    reader_bool(r, node_get(map, "skipAnalysis"), PLACE(at, "skipAnalysis"), &s->skip_analysis);
    reader_bool(r, node_get(map, "suspend"), PLACE(at, "suspend"), &s->suspend);
    reader_bool(r, node_get(map, "revertOnDeletion"), PLACE(at, "revertOnDeletion"),
                &s->revert_on_deletion);
    n = node_get(map, "targetRef");
    if (n && n->kind != NODE_NULL)
        read_target(r, n, PLACE(at, "targetRef"), s);
    else
        reader_missing(r, map, at, "targetRef");
    read_ref(r, node_get(map, "ingressRef"), PLACE(at, "ingressRef"));
    read_ref(r, node_get(map, "routeRef"), PLACE(at, "routeRef"));
    read_ref(r, node_get(map, "upstreamRef"), PLACE(at, "upstreamRef"));
    read_service(r, node_get(map, "service"), PLACE(at, "service"));
    read_autoscaler(r, node_get(map, "autoscalerRef"), PLACE(at, "autoscalerRef"), s);
    n = node_get(map, "analysis");
    if (n && n->kind != NODE_NULL) {
        c->analysis_node = n;
        read_analysis(r, n, PLACE(at, "analysis"), s);
    } else if ((n = node_get(map, "canaryAnalysis")) && n->kind != NODE_NULL) {
        c->analysis_node = n;
        read_analysis(r, n, PLACE(at, "canaryAnalysis"), s);
    }
    if (!s->target_name)
        s->target_name = s->target_kind_name = "";
    derive(r, o, s, s->provider && *s->provider);
}

static void reader_init(struct reader *r, struct arena *arena, struct diags *diags,
                        const struct document *doc, bool lenient)
{
    r->arena = arena;
    r->diags = diags;
    r->file = doc->file;
    r->lenient = lenient;
    r->errors = 0;
}

static int reader_result(const struct reader *r)
{
    return arena_failed(r->arena) ? -ENOMEM : r->errors > 0 ? -EINVAL : 0;
}

int canary_decode(struct arena *arena, struct diags *diags, const struct document *doc,
                  const struct canary_options *options, struct canary *ret_canary)
{
    static const char *const names[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
    struct reader r;
    struct canary *c = ret_canary;

    memset(c, 0, sizeof *c);
    reader_init(&r, arena, diags, doc, options->lenient);
    c->document = doc;
    c->node = doc->root;
    c->spec.name = document_name(doc);
    c->spec.ns = document_namespace(doc);
    c->spec.target_name = c->spec.target_kind_name = "";
    c->spec.deviations = options->deviations;
    c->spec.analysis.interval_ms = 60000;
    if (reader_object(&r, doc->root, NULL, names)) {
        c->spec_node = node_get(doc->root, "spec");
        if (!*c->spec.name)
            reader_missing(&r, doc->root, NULL, "metadata.name");
        if (c->spec_node && c->spec_node->kind != NODE_NULL)
            read_spec(&r, options, c);
        else
            reader_missing(&r, doc->root, NULL, "spec");
    }
    if (!c->spec.provider)
        derive(&r, options, &c->spec, false);
    judges_read(&r, doc->root, &c->spec);
    return reader_result(&r);
}

int canary_decode_json(struct arena *arena, struct diags *diags, const char *file,
                       const cJSON *object, const struct canary_options *options,
                       struct canary *ret_canary)
{
    struct document *doc = arena_alloc(arena, sizeof *doc);

    if (!doc)
        return -ENOMEM;
    doc->file = file;
    doc->source = "";
    doc->root = node_from_json(arena, object);
    if (!doc->root)
        return -ENOMEM;
    return canary_decode(arena, diags, doc, options, ret_canary);
}

/* ---- MetricTemplate and AlertProvider
 * --------------------------------------------------------------- */

static void read_secret_ref(struct reader *r, const struct node *map, const struct place *at,
                            const char **ret_name)
{
    static const char *const names[] = {"name", NULL};

    if (!map || map->kind == NODE_NULL || !reader_object(r, map, at, names))
        return;
    if (!reader_string(r, node_get(map, "name"), PLACE(at, "name"), ret_name))
        reader_missing(r, map, at, "name");
}

static void read_headers(struct reader *r, const struct node *map, const struct place *at,
                         struct metric_template *t)
{
    struct pair *pairs;
    size_t total = 0;

    if (!map || map->kind == NODE_NULL || !reader_expect(r, map, at, NODE_MAP))
        return;
    for (size_t i = 0; i < map->u.map.count; i++) {
        const struct node *values = map->u.map.members[i].value;
        struct place here = {at, map->u.map.members[i].key, 0};
        if (reader_expect(r, values, &here, NODE_LIST))
            total += values->u.list.count;
    }
    t->headers = pairs = arena_alloc(r->arena, (total + 1) * sizeof *pairs);
    for (size_t i = 0; pairs && i < map->u.map.count; i++) {
        const struct member *m = &map->u.map.members[i];
        struct place here = {at, m->key, 0};
        for (size_t k = 0; m->value->kind == NODE_LIST && k < m->value->u.list.count; k++) {
            const struct node *v = m->value->u.list.items[k];
            struct place item = {&here, NULL, (uint32_t)k};
            if (!reader_expect(r, v, &item, NODE_STRING))
                continue;
            pairs[t->header_count].name = m->key;
            pairs[t->header_count++].value = v->text;
        }
    }
}

static void read_metric_provider(struct reader *r, const struct node *map, const struct place *at,
                                 struct metric_template *t)
{
    static const char *const names[] = {
        "address", "headers", "insecureSkipVerify", "region", "secretRef", "type", NULL};
    static const char *const types[] = {"prometheus",  "influxdb",   "datadog",  "externalmetrics",
                                        "stackdriver", "cloudwatch", "newrelic", "graphite",
                                        "dynatrace",   "keptn",      "splunk",   NULL};
    const struct node *type = node_get(map, "type");
    bool known = false;

    if (!reader_object(r, map, at, names))
        return;
    if (!reader_string(r, type, PLACE(at, "type"), &t->provider_type))
        reader_missing(r, map, at, "type");
    for (size_t i = 0; types[i]; i++)
        known = known || strcmp(types[i], t->provider_type) == 0;
    if (*t->provider_type && !known)
        reader_unknown_word(r, type, PLACE(at, "type"), "metric provider", types);
    reader_string(r, node_get(map, "address"), PLACE(at, "address"), &t->address);
    reader_string(r, node_get(map, "region"), PLACE(at, "region"), &t->region);
    reader_bool(r, node_get(map, "insecureSkipVerify"), PLACE(at, "insecureSkipVerify"),
                &t->insecure_skip_verify);
    read_secret_ref(r, node_get(map, "secretRef"), PLACE(at, "secretRef"), &t->secret_name);
    read_headers(r, node_get(map, "headers"), PLACE(at, "headers"), t);
}

static const char *const object_names[] = {"apiVersion", "kind",   "metadata",
                                           "spec",       "status", NULL};

/* The spec of a document, or NULL with the error added. */
static const struct node *spec_of(struct reader *r, const struct document *doc,
                                  const struct place *at, const char *const *names)
{
    const struct node *spec = node_get(doc->root, "spec");

    if (!reader_object(r, doc->root, NULL, object_names))
        return NULL;
    if (!*document_name(doc))
        reader_missing(r, doc->root, NULL, "metadata.name");
    if (!spec || spec->kind == NODE_NULL) {
        reader_missing(r, doc->root, NULL, "spec");
        return NULL;
    }
    return reader_object(r, spec, at, names) ? spec : NULL;
}

int metric_template_decode(struct arena *arena, struct diags *diags, const struct document *doc,
                           struct metric_template *ret_template)
{
    static const char *const names[] = {"provider", "query", NULL};
    static const struct place at = {NULL, "spec", 0};
    struct metric_template *t = ret_template;
    const struct node *spec, *provider;
    struct reader r;

    memset(t, 0, sizeof *t);
    reader_init(&r, arena, diags, doc, false);
    t->name = document_name(doc);
    t->ns = document_namespace(doc);
    t->provider_type = t->query = "";
    spec = spec_of(&r, doc, &at, names);
    if (!spec)
        return reader_result(&r);
    provider = node_get(spec, "provider");
    if (provider && provider->kind != NODE_NULL)
        read_metric_provider(&r, provider, PLACE(&at, "provider"), t);
    else
        reader_missing(&r, spec, &at, "provider");
    t->query_node = node_get(spec, "query");
    if (!reader_string(&r, t->query_node, PLACE(&at, "query"), &t->query))
        reader_missing(&r, spec, &at, "query");
    return reader_result(&r);
}

int alert_provider_decode(struct arena *arena, struct diags *diags, const struct document *doc,
                          struct alert_provider *ret_provider)
{
    static const char *const names[] = {"address", "channel",  "proxy", "secretRef",
                                        "type",    "username", NULL};
    static const struct place at = {NULL, "spec", 0};
    struct alert_provider *p = ret_provider;
    const struct node *spec;
    struct reader r;

    memset(p, 0, sizeof *p);
    reader_init(&r, arena, diags, doc, false);
    p->name = document_name(doc);
    p->ns = document_namespace(doc);
    p->type = "";
    spec = spec_of(&r, doc, &at, names);
    if (!spec)
        return reader_result(&r);
    if (!reader_string(&r, node_get(spec, "type"), PLACE(&at, "type"), &p->type))
        reader_missing(&r, spec, &at, "type");
    reader_string(&r, node_get(spec, "channel"), PLACE(&at, "channel"), &p->channel);
    reader_string(&r, node_get(spec, "username"), PLACE(&at, "username"), &p->username);
    reader_string(&r, node_get(spec, "address"), PLACE(&at, "address"), &p->address);
    reader_string(&r, node_get(spec, "proxy"), PLACE(&at, "proxy"), &p->proxy);
    read_secret_ref(&r, node_get(spec, "secretRef"), PLACE(&at, "secretRef"), &p->secret_name);
    return reader_result(&r);
}
