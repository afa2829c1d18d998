/* What is measured: CM3xx. */
#include <string.h>

#include "adapters/check/internal.h"
#include "adapters/manifest/canary.h"
#include "adapters/manifest/judge.h"

static const char *const builtin_names[] = {"request-success-rate", "request-duration", NULL};

/* One entry of analysis.metrics, its members looked up once. */
struct metric {
    const struct node *node, *name, *template_ref, *query, *threshold, *range;
    bool rate, duration; /* a built-in name */
};

static struct metric metric_of(const struct node *n)
{
    struct metric m = {.node = n};

    for (size_t i = 0; i < n->u.map.count; i++) {
        const struct member *member = &n->u.map.members[i];

        if (strcmp(member->key, "name") == 0)
            m.name = member->value;
        else if (strcmp(member->key, "thresholdRange") == 0)
            m.range = member->value;
        else if (strcmp(member->key, "templateRef") == 0)
            m.template_ref = member->value;
        else if (strcmp(member->key, "query") == 0)
            m.query = member->value;
        else if (strcmp(member->key, "threshold") == 0)
            m.threshold = member->value;
    }
    m.rate = m.name && node_is(m.name, builtin_names[0]);
    m.duration = m.name && node_is(m.name, builtin_names[1]);
    return m;
}

static void nothing_measured(struct check *c, const struct canary_view *v)
{
    if ((v->metrics && v->metrics->u.list.count) || v->hook_rollout_count || v->skip_analysis)
        return;
    check_find(
        c, CM301, v->analysis, ".spec.analysis",
        "add metrics such as request-success-rate, or a webhook of type rollout that runs a test",
        "nothing is measured: every version that starts is promoted");
}

static void unknown_metric(struct check *c, const struct metric *m, size_t i)
{
    const struct node *name = m->name;
    const char *near;

    if (m->rate || m->duration || m->template_ref || *check_str(m->query) || *check_str(name) == 0)
        return;
    near = nearest_name(name->text, name->text_len, builtin_names);
    check_find(
        c, CM302, name, check_text(c, ".spec.analysis.metrics[%zu].name", i),
        near ? check_text(c, "did you mean '%s'?", near)
             : "add a templateRef, or use request-success-rate or request-duration",
        "'%.60s' is no built-in metric and has neither query nor templateRef: every check fails",
        name->text);
}

struct bounds {
    const struct node *range, *min_node, *max_node;
    double min, max;
    bool has_min, has_max;
};

static struct bounds bounds_of(const struct metric *m)
{
    struct bounds b = {.range = m->range};

    b.min_node = node_get(b.range, "min");
    b.max_node = node_get(b.range, "max");
    b.has_min = check_number(b.min_node, &b.min);
    b.has_max = check_number(b.max_node, &b.max);
    return b;
}

static void no_bound(struct check *c, const struct metric *m, const struct bounds *b, size_t i)
{
    if (b->has_min || b->has_max || m->threshold)
        return;
    check_find(c, CM303, b->range ? b->range : m->node,
               check_text(c, ".spec.analysis.metrics[%zu].thresholdRange", i),
               m->rate ? "add thresholdRange with min: 99" : "add thresholdRange with max",
               b->range  ? "thresholdRange has neither min nor max: every value passes"
               : m->rate ? "there is no bound: every value passes"
                         : "there is no bound: every value above 0 fails");
}

/* Made only when there is something to say: most Canaries are fine. */
#define RANGE_PATH check_text(c, ".spec.analysis.metrics[%zu].thresholdRange", i)

static void impossible_bounds(struct check *c, const struct metric *m, const struct bounds *b,
                              size_t i)
{
    if (b->has_min && b->has_max && b->min > b->max)
        check_find(c, CM305, b->range, RANGE_PATH, "exchange them?",
                   "min %s is above max %s: no value passes", b->min_node->text, b->max_node->text);
    else if (m->rate && b->has_min && b->min > 100)
        check_find(c, CM305, b->min_node, RANGE_PATH, "a success rate is a percentage",
                   "a success rate never reaches %s: no value passes", b->min_node->text);
    else if (m->duration && b->has_max && b->max < 0)
        check_find(c, CM305, b->max_node, RANGE_PATH, NULL,
                   "a duration is never below 0: no value passes");
}

static void useless_bounds(struct check *c, const struct metric *m, const struct bounds *b,
                           size_t i)
{
    if (m->rate && (b->has_min || b->has_max) && (!b->has_min || b->min <= 0) &&
        (!b->has_max || b->max >= 100))
        check_find(c, CM304, b->range, RANGE_PATH, "set min, such as 99",
                   "a success rate is always within these bounds");
    else if (m->duration && (b->has_min || b->has_max) && !b->has_max && b->min <= 0)
        check_find(c, CM304, b->range, RANGE_PATH, "set max, in milliseconds",
                   "a duration is always within these bounds");
    else if (m->rate && !b->has_min && b->has_max && b->max < 100)
        check_find(c, CM305, b->max_node, RANGE_PATH, "a success rate needs a min",
                   "a version without errors is above this maximum and fails");
}

static void wrong_units(struct check *c, const struct metric *m, const struct bounds *b, size_t i)
{
    if (m->rate && b->has_min && b->min > 0 && b->min <= 1)
        check_find(c, CM308, b->min_node, RANGE_PATH, check_text(c, "min: 99 means 99 %%"),
                   "a success rate is a percentage: %s allows more than 99 %% of errors",
                   b->min_node->text);
    if (m->duration && b->has_max && b->max > 0 && b->max < 10)
        check_find(c, CM307, b->max_node, RANGE_PATH,
                   "durations are in milliseconds: 500 is half a second",
                   b->max < 1 ? "%s is cut to 0 ms: every request is too slow"
                              : "%s ms is very short",
                   b->max_node->text);
    else if (m->duration && b->has_max && b->max != (double)(int64_t)b->max)
        check_find(c, CM307, b->max_node, RANGE_PATH, "use whole milliseconds",
                   "fractions of a millisecond are cut off: %s counts as %lld", b->max_node->text,
                   (long long)b->max);
}

static void doubled(struct check *c, const struct canary_view *v, const struct metric *m, size_t i)
{
    const struct node *name = m->name;

    if ((m->rate || m->duration) && (m->template_ref || m->query))
        check_find(c, CM306, name, check_text(c, ".spec.analysis.metrics[%zu].name", i),
                   "give a metric of your own another name",
                   "the built-in check '%s' runs as well as the %s", name->text,
                   m->template_ref ? "template" : "query");
    for (size_t k = 0; k < i && *check_str(name); k++) {
        const struct node *other = node_get(v->metrics->u.list.items[k], "name");

        if (other && node_is(other, name->text)) {
            check_find(c, CM309, name, check_text(c, ".spec.analysis.metrics[%zu].name", i),
                       "the gauge flagger_canary_metric_analysis has one series for each name",
                       "metric %zu is named '%.60s' too", k, name->text);
            break;
        }
    }
}

/* The built-in queries of a plain Service target fall back to Istio's for most providers. */
static void wrong_observer(struct check *c, const struct canary_view *v, const struct metric *m,
                           size_t i)
{
    const char *api = check_str(node_get(v->target, "apiVersion"));
    const char *p = v->provider;

    if ((!m->rate && !m->duration) || strcmp(v->target_kind, "Service") != 0 ||
        strncmp(api, "serving.knative.dev/", 20) == 0)
        return;
    if (strncmp(p, "appmesh", 7) == 0 || strncmp(p, "gloo", 4) == 0 ||
        strncmp(p, "gatewayapi", 10) == 0 || strcmp(p, "istio") == 0 || strncmp(p, "smi:", 4) == 0)
        return;
    check_find(c, CM310, m->name, check_text(c, ".spec.analysis.metrics[%zu].name", i),
               "use a MetricTemplate",
               "for a target of kind Service this asks for Istio's metrics, not those of %s", p);
}

static void inline_query(struct check *c, const struct metric *m, size_t i)
{
    const struct node *query = m->query;

    if (query && query->kind == NODE_STRING && *query->text)
        rules_query(c, query, check_text(c, ".spec.analysis.metrics[%zu].query", i), "prometheus",
                    node_get(m->node, "templateVariables"));
}

static bool annotates_judges(const struct node *annotations)
{
    for (size_t i = 0; annotations && annotations->kind == NODE_MAP && i < annotations->u.map.count;
         i++)
        if (strncmp(annotations->u.map.members[i].key, JUDGE_ANNOTATIONS,
                    strlen(JUDGE_ANNOTATIONS)) == 0)
            return true;
    return false;
}

/* What the operator would say of the annotations: the decoder itself is asked. */
static void judges(struct check *c, const struct canary_view *v)
{
    const struct node *annotations = node_get(v->metadata, "annotations");
    const struct document doc = {.file = "", .root = (struct node *)(uintptr_t)v->root};
    const struct canary_options options = {
        .mesh_provider = v->provider, .deviations = PROFILE_DEFAULT, .lenient = true};
    struct canary canary;
    struct diags said;

    if (!annotates_judges(annotations))
        return;
    diags_init(&said, check_scratch(c));
    canary_decode(check_scratch(c), &said, &doc, &options, &canary);
    for (size_t i = 0; i < said.count; i++)
        for (size_t k = 0; k < annotations->u.map.count; k++) {
            const struct member *m = &annotations->u.map.members[k];
            const struct diag *d = &said.items[i];

            if (d->line == m->value->line && d->col == m->value->col)
                check_find(c, CM312, m->value, check_text(c, ".metadata.annotations.%s", m->key),
                           d->hint ? check_text(c, "%s", d->hint) : NULL, "%s", d->what);
        }
    diags_release(&said);
}

void rules_metrics(struct check *c, const struct canary_view *v)
{
    const struct node *server = node_get(v->spec, "metricsServer");
    const char *problem = *check_str(server) ? check_url_problem(server->text) : NULL;

    if (problem)
        check_find(c, CM311, server, ".spec.metricsServer",
                   "such as http://prometheus.monitoring:9090", "'%.80s' %s", server->text,
                   problem);
    if (v->analysis == NULL)
        return;
    nothing_measured(c, v);
    judges(c, v);
    for (size_t i = 0; v->metrics && i < v->metrics->u.list.count; i++) {
        struct metric metric, *m = &metric;
        struct bounds b;

        if (v->metrics->u.list.items[i]->kind != NODE_MAP)
            continue;
        metric = metric_of(v->metrics->u.list.items[i]);
        b = bounds_of(m);
        unknown_metric(c, m, i);
        no_bound(c, m, &b, i);
        impossible_bounds(c, m, &b, i);
        useless_bounds(c, m, &b, i);
        wrong_units(c, m, &b, i);
        doubled(c, v, m, i);
        wrong_observer(c, v, m, i);
        inline_query(c, m, i);
    }
}
