/* Metric checks: which server is asked what, and what its answer means. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/metrics/builtin.h"
#include "adapters/metrics/provider.h"
#include "adapters/metrics/template.h"
#include "adapters/operator/internal.h"
#include "adapters/router/build.h"

static const char *metrics_server(const struct tick *t)
{
    return t->spec->metrics_server ? t->spec->metrics_server : t->op->o.metrics_server;
}

static struct metric_provider *prometheus(struct tick *t, const char **reterr)
{
    struct metric_provider_spec spec = {.type = "prometheus", .address = metrics_server(t)};

    return metric_provider_new(t->arena, &spec, reterr);
}

static const char *named_or_target(const struct tick *t, const char *member)
{
    const char *name = json_text(json_at(t->canary, "spec", member, NULL), "name");

    return *name ? name : t->spec->target_name;
}

static void model_of(struct tick *t, const struct metric_spec *m, struct metric_model *ret)
{
    struct metric_variable *variables =
        arena_alloc(t->arena, (m->variable_count + 1) * sizeof(*variables));

    *ret = (struct metric_model){
        .name = t->spec->name,
        .name_space = t->spec->ns,
        .target = t->spec->target_name,
        .service = named_or_target(t, "service"),
        .ingress = named_or_target(t, "ingressRef"),
        .route = named_or_target(t, "routeRef"),
        .interval = m->interval,
        .variables = variables,
        .variable_count = variables ? m->variable_count : 0,
    };
    for (uint32_t i = 0; variables && i < m->variable_count; i++)
        variables[i] = (struct metric_variable){m->variables[i].name, m->variables[i].value};
    if (t->spec->provider_is_knative) {
        struct strbuf text = STRBUF_INIT;
        cJSON *service = NULL;

        if (world_get(t, &RESOURCE_KNATIVE_SERVICE, t->spec->ns, t->spec->target_name, &service,
                      &text) == 0)
            ret->route = arena_strdup(
                t->arena, json_text(json_get(service, "status"), "latestCreatedRevisionName"));
        json_free(service);
        strbuf_release(&text);
    }
}

static void set_answer(struct tick *t, const struct metric_answer *m, struct answer *answer)
{
    switch (m->outcome) {
    case ANSWER_VALUE:
        answer->outcome = OUTCOME_OK;
        answer->value = m->value;
        return;
    case ANSWER_NONE:
        answer->outcome = OUTCOME_NO_VALUE;
        break;
    case ANSWER_MULTIPLE:
    case ANSWER_ERROR:
        answer->outcome = OUTCOME_FAILED;
        break;
    }
    strbuf_adds(&t->text, m->text ? m->text : "");
}

static void fail(struct tick *t, struct answer *answer, enum metric_cause cause, const char *text)
{
    answer->outcome = OUTCOME_FAILED;
    answer->cause = (uint8_t)cause;
    strbuf_adds(&t->text, text ? text : "");
}

/* Where the query of a metric is kept for the next tick; NULL = nowhere: of Knative it names a
 * revision. */
static const char **query_kept(struct tick *t, uint16_t index)
{
    struct job_spec *s = t->job->spec;

    if (s == NULL || t->spec->provider_is_knative)
        return NULL;
    if (s->queries == NULL)
        s->queries = arena_alloc(s->arena, t->spec->analysis.metric_count * sizeof(*s->queries));
    return s->queries ? &s->queries[index] : NULL;
}

static int builtin_query(struct tick *t, uint16_t index, const struct builtin *b, bool duration,
                         const struct metric_model *model, const char **ret_query,
                         const char **reterr)
{
    const char **kept = query_kept(t, index);
    int code = 0;

    if (kept && *kept)
        *ret_query = *kept;
    else
        code = builtin_render(b, duration, model, t->arena, ret_query, reterr);
    if (kept && !*kept && code == 0)
        *kept = arena_strdup(t->job->spec->arena, *ret_query);
    return code;
}

static void measure_builtin(struct tick *t, const struct metric_spec *m, uint16_t index,
                            bool duration, struct answer *answer)
{
    const struct builtin *b =
        builtin_find(t->spec->metrics_provider,
                     cluster_has(t->op->o.cluster, CLUSTER_SERVICE_QUERIES) ? BUILTIN_AS_FLAGGER
                                                                            : BUILTIN_STRICT);
    struct metric_answer got;
    struct metric_model model;
    struct metric_provider *p;
    const char *query = "", *why = "";

    model_of(t, m, &model);
    if (builtin_query(t, index, b, duration, &model, &query, &why) != 0) {
        fail(t, answer, CAUSE_QUERY, why);
        return;
    }
    p = prometheus(t, &why);
    if (p == NULL) {
        fail(t, answer, CAUSE_CLIENT, why);
        return;
    }
    metric_provider_query(p, t->op->o.web, t->op->o.clock, query, t->arena, &got);
    if (got.outcome != ANSWER_VALUE)
        got.text = builtin_error(b, duration, t->arena, got.text);
    set_answer(t, &got, answer);
    if (got.outcome == ANSWER_VALUE && duration)
        answer->value = (double)builtin_duration_ms(b, got.value);
    judge_feed(t, &(struct measure){m, index, p, b, duration, NULL, model}, answer);
}

const char *measure_render(struct tick *t, const char *text, const struct metric_model *model,
                           const char **reterr)
{
    struct strbuf out = STRBUF_INIT;
    struct template_error error = {.text = ""};
    struct template *parsed = template_parse(t->arena, text, strlen(text), &error);
    const char *query = NULL;

    if (parsed && template_render(parsed, model, t->arena, &out, &error) == 0)
        query = arena_strdup(t->arena, strbuf_str(&out));
    else
        *reterr = error.text;
    strbuf_release(&out);
    return query;
}

static void measure_inline(struct tick *t, const struct metric_spec *m, uint16_t index,
                           struct answer *answer)
{
    struct metric_answer got;
    struct metric_model model;
    struct metric_provider *p;
    const char *query, *why = "";

    model_of(t, m, &model);
    query = measure_render(t, m->query, &model, &why);
    if (query == NULL && !cluster_has(t->op->o.cluster, CLUSTER_REFUSE_BAD_QUERY)) {
        fail(t, answer, CAUSE_QUERY, why);
        return;
    }
    p = prometheus(t, &why);
    if (p == NULL) {
        fail(t, answer, CAUSE_CLIENT, why);
        return;
    }
    metric_provider_query(p, t->op->o.web, t->op->o.clock, query ? query : "", t->arena, &got);
    set_answer(t, &got, answer);
    judge_feed(t, &(struct measure){m, index, p, NULL, false, m->query, model}, answer);
}

/* ---- templates ---------------------------------------------------------------------------------
 */

/* A MetricTemplate, its Secret, and the provider made of them. */
struct source {
    cJSON *object, *secret;
    const char *type, *secret_name, *query;
    struct metric_provider *provider;
    enum metric_cause cause; /* what failed ... */
    const char *why;         /* ... and why; NULL = nothing */
};

static void decode_secret(struct tick *t, const cJSON *secret, struct metric_provider_spec *spec)
{
    const cJSON *data = json_get(secret, "data");
    size_t count = json_count(data), i = 0;
    struct metric_secret *pairs = arena_alloc(t->arena, (count + 1) * sizeof(*pairs));

    if (pairs == NULL)
        return;
    for (const cJSON *m = build_members(data); m; m = m->next) {
        const char *value = secret_decode(t->arena, cJSON_IsString(m) ? m->valuestring : "");

        secret_remember(t->op, m->string, value);
        pairs[i++] = (struct metric_secret){arena_strdup(t->arena, m->string), value};
    }
    spec->secret = pairs;
    spec->secret_count = i;
}

static void decode_headers(struct tick *t, const cJSON *headers, struct metric_provider_spec *spec)
{
    size_t count = 0, i = 0;
    struct http_header *list;

    for (const cJSON *h = build_members(headers); h; h = h->next)
        count += json_count(h);
    list = arena_alloc(t->arena, (count + 1) * sizeof(*list));
    for (const cJSON *h = build_members(headers); list && h; h = h->next) {
        for (const cJSON *v = h->child; v; v = v->next)
            list[i++] = (struct http_header){arena_strdup(t->arena, h->string),
                                             arena_strdup(t->arena, v->valuestring)};
    }
    spec->headers = list;
    spec->header_count = i;
}

static void source_fail(struct tick *t, struct source *s, enum metric_cause cause, const char *why)
{
    s->cause = cause;
    s->why = arena_strdup(t->arena, why ? why : "");
}

static void source_secret(struct tick *t, const struct metric_spec *m, struct source *s,
                          struct metric_provider_spec *spec)
{
    struct strbuf text = STRBUF_INIT;

    spec->has_secret = true;
    if (secret_value(t, m->template_namespace, s->secret_name, &s->secret, &text) != 0)
        source_fail(t, s, CAUSE_TEMPLATE_SECRET, strbuf_str(&text));
    else
        decode_secret(t, s->secret, spec);
    strbuf_release(&text);
}

static void source_open(struct tick *t, const struct metric_spec *m, struct source *s)
{
    struct metric_provider_spec spec = {.interval = m->interval};
    const cJSON *provider;
    const char *why = "";

    memset(s, 0, sizeof(*s));
    if (t->op->o.no_cross_namespace_refs && strcmp(m->template_namespace, t->job->ns) != 0) {
        source_fail(t, s, CAUSE_TEMPLATE_GET, "cross-namespace references are blocked");
        return;
    }
    world_depend(t, t->op->templates, m->template_namespace, m->template_name);
    s->object = kube_cache_read(t->op->templates->cache, m->template_namespace, m->template_name);
    if (s->object == NULL) {
        struct strbuf text = STRBUF_INIT;

        strbuf_addf(&text, "metrictemplate.flagger.app \"%s\" not found", m->template_name);
        source_fail(t, s, CAUSE_TEMPLATE_GET, strbuf_str(&text));
        strbuf_release(&text);
        return;
    }
    provider = json_at(s->object, "spec", "provider", NULL);
    s->type = spec.type = json_text(provider, "type");
    s->query = json_text(json_get(s->object, "spec"), "query");
    s->secret_name = json_str(json_get(provider, "secretRef"), "name");
    spec.address = json_text(provider, "address");
    spec.region = json_text(provider, "region");
    spec.insecure_skip_verify = json_bool(provider, "insecureSkipVerify", false);
    if (t->op->o.config)
        spec.kube_server = kube_config_server(t->op->o.config);
    decode_headers(t, json_get(provider, "headers"), &spec);
    if (s->secret_name)
        source_secret(t, m, s, &spec);
    if (s->why)
        return;
    s->provider = metric_provider_new(t->arena, &spec, &why);
    if (s->provider == NULL)
        source_fail(t, s, CAUSE_TEMPLATE_PROVIDER, why);
}

static void source_close(struct source *s)
{
    json_free(s->object);
    json_free(s->secret);
}

static void measure_template(struct tick *t, const struct metric_spec *m, uint16_t index,
                             struct answer *answer)
{
    struct metric_answer got;
    struct metric_model model;
    struct source s;
    const char *query, *why = "";

    source_open(t, m, &s);
    if (s.why) {
        fail(t, answer, s.cause, s.why);
        if (s.cause == CAUSE_TEMPLATE_SECRET || s.cause == CAUSE_TEMPLATE_PROVIDER)
            answer->subject =
                arena_strdup(t->arena, s.cause == CAUSE_TEMPLATE_SECRET ? s.secret_name : s.type);
        source_close(&s);
        return;
    }
    model_of(t, m, &model);
    query = measure_render(t, s.query, &model, &why);
    if (query == NULL) {
        fail(t, answer, CAUSE_TEMPLATE_RENDER, why);
    } else {
        metric_provider_query(s.provider, t->op->o.web, t->op->o.clock, query, t->arena, &got);
        set_answer(t, &got, answer);
        judge_feed(t, &(struct measure){m, index, s.provider, NULL, false, s.query, model}, answer);
    }
    source_close(&s);
}

/* ---- the asks ----------------------------------------------------------------------------------
 */

void measure_metric(struct tick *t, const struct ask *ask, struct answer *answer)
{
    const struct metric_spec *m;

    if (ask->index >= t->spec->analysis.metric_count) {
        fail(t, answer, CAUSE_QUERY, "no such metric");
        return;
    }
    m = &t->spec->analysis.metrics[ask->index];
    switch ((enum metric_ask)ask->metric) {
    case METRIC_RATE:
    case METRIC_DURATION:
        measure_builtin(t, m, ask->index, ask->metric == METRIC_DURATION, answer);
        break;
    case METRIC_INLINE:
        measure_inline(t, m, ask->index, answer);
        break;
    case METRIC_TEMPLATE:
        measure_template(t, m, ask->index, answer);
        break;
    }
}

void measure_open(struct tick *t, struct answer *answer)
{
    struct strbuf text = STRBUF_INIT;
    cJSON *service = NULL;
    const char *why = "";

    if (t->spec->provider_is_knative && world_get(t, &RESOURCE_KNATIVE_SERVICE, t->spec->ns,
                                                  t->spec->target_name, &service, &text) != 0)
        fail(t, answer, CAUSE_KNATIVE, strbuf_str(&text));
    else if (t->spec->metrics_server && prometheus(t, &why) == NULL)
        fail(t, answer, CAUSE_CLIENT, why);
    json_free(service);
    strbuf_release(&text);
}

static bool available_builtin(struct tick *t)
{
    const char *why = "";
    struct metric_provider *p = prometheus(t, &why);

    if (p == NULL) {
        strbuf_addf(&t->text, "error building Prometheus client for %s %s", metrics_server(t), why);
        return false;
    }
    why = metric_provider_online(p, t->op->o.web, t->op->o.clock, t->arena);
    if (why)
        strbuf_addf(&t->text, "prometheus not avaiable: %s", why);
    return why == NULL;
}

static bool available_template(struct tick *t, const struct metric_spec *m)
{
    struct source s;
    const char *why;

    source_open(t, m, &s);
    if (s.why) {
        strbuf_addf(&t->text, "metric template %s.%s ", m->template_name, m->template_namespace);
        if (s.cause == CAUSE_TEMPLATE_SECRET)
            strbuf_addf(&t->text, "secret %s ", s.secret_name);
        else if (s.cause == CAUSE_TEMPLATE_PROVIDER)
            strbuf_addf(&t->text, "provider %s ", s.type);
        strbuf_addf(&t->text, "error: %s", s.why);
        source_close(&s);
        return false;
    }
    why = metric_provider_online(s.provider, t->op->o.web, t->op->o.clock, t->arena);
    if (why)
        strbuf_addf(&t->text, "%s in metric template %s.%s not avaiable: %s", s.type,
                    m->template_name, m->template_namespace, why);
    source_close(&s);
    return why == NULL;
}

void measure_available(struct tick *t, struct answer *answer)
{
    for (uint32_t i = 0; i < t->spec->analysis.metric_count; i++) {
        const struct metric_spec *m = &t->spec->analysis.metrics[i];
        bool ok = true;

        if (metric_is_success_rate(m) || metric_is_duration(m))
            ok = available_builtin(t);
        else if (m->template_name)
            ok = available_template(t, m);
        if (!ok) {
            answer->outcome = OUTCOME_FAILED;
            return;
        }
    }
}
