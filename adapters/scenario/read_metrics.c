/* Where the values of a scenario's metrics come from. */
#include "adapters/scenario/draft.h"

#include <string.h>

#include "adapters/scenario/series.h"
#include "adapters/whatif/histogram.h"
#include "engine/num.h"

#define LOOKBACK_MS 300000 /* how long a sample of a file counts, as in Prometheus */

static const struct metric_source *read_source(struct loader *l, struct canary_draft *c,
                                               const struct node *n);

static void series_diag(struct loader *l, const struct node *n, const struct series_error *e,
                        const char *path)
{
    if (path)
        field_error(&l->r, n, NULL, "%s:%u:%u: %s", path, e->line, e->col, e->what);
    else
        field_error(&l->r, n, "a number per sample, 99x10 for eleven of them, _ for no value",
                    "at character %u: %s", e->col, e->what);
}

static const struct metric_source *constant(struct loader *l, double value)
{
    struct metric_constant *m = arena_alloc(l->arena, sizeof *m);

    if (!m)
        return NULL;
    metric_constant_init(m, value);
    return &m->source;
}

static const struct metric_source *failing(struct loader *l, enum outcome outcome,
                                           enum metric_cause cause, const char *text)
{
    struct metric_constant *m = arena_alloc(l->arena, sizeof *m);

    if (!m)
        return NULL;
    metric_failing_init(m, outcome, cause, text);
    return &m->source;
}

static const struct metric_source *notation(struct loader *l, const struct node *n, ms_t start,
                                            ms_t interval)
{
    struct metric_series *m = arena_alloc(l->arena, sizeof *m);
    const struct series_sample *samples;
    struct series_error error = {0};
    size_t count;

    if (!m)
        return NULL;
    if (series_parse(l->arena, n->text, n->text_len, &samples, &count, &error) != 0) {
        series_diag(l, n, &error, NULL);
        return NULL;
    }
    metric_series_init(m, samples, count, start, interval);
    return &m->source;
}

/* A value per check: numbers, none, {error: …}; the last one stays. */
static const struct metric_source *read_checks(struct loader *l, struct canary_draft *c,
                                               const struct node *n)
{
    struct metric_calls *m = arena_alloc(l->arena, sizeof *m);
    const struct metric_source **sources;

    if (!field_is_list(&l->r, n) || !m)
        return NULL;
    sources = arena_alloc(l->arena, (n->u.list.count + 1) * sizeof *sources);
    if (!sources)
        return NULL;
    if (n->u.list.count == 0) {
        field_error(&l->r, n, NULL, "the list is empty");
        return NULL;
    }
    for (size_t i = 0; i < n->u.list.count; i++) {
        field_enter_index(&l->r, i);
        sources[i] = read_source(l, c, n->u.list.items[i]);
        field_leave(&l->r);
        if (!sources[i])
            return NULL;
    }
    metric_calls_init(m, sources, n->u.list.count);
    return &m->source;
}

/* {from, to, is: SOURCE} in order; otherwise: SOURCE */
static const struct metric_source *read_during(struct loader *l, struct canary_draft *c,
                                               const struct node *n, const struct node *otherwise)
{
    static const char *const names[] = {"from", "to", "is", NULL};
    struct metric_switch *m = arena_alloc(l->arena, sizeof *m);
    struct metric_case *cases;
    size_t count = 0;

    if (!field_is_list(&l->r, n) || !m)
        return NULL;
    cases = arena_alloc(l->arena, (n->u.list.count + 1) * sizeof *cases);
    for (size_t i = 0; cases && i < n->u.list.count; i++) {
        const struct node *item = n->u.list.items[i];
        struct metric_case *slot = &cases[count];

        field_enter_index(&l->r, i);
        slot->to_ms = MS_NEVER;
        if (field_map(&l->r, item, names)) {
            field_duration(&l->r, node_get(item, "from"), &slot->from_ms);
            field_duration(&l->r, node_get(item, "to"), &slot->to_ms);
            if (!node_get(item, "is"))
                field_error(&l->r, item, NULL, "`is` is missing: the value in that time");
            slot->source = node_get(item, "is") ? read_source(l, c, node_get(item, "is")) : NULL;
            count += slot->source != NULL;
        }
        field_leave(&l->r);
    }
    if (cases && otherwise) {
        cases[count] = (struct metric_case){.to_ms = MS_NEVER};
        field_enter(&l->r, "otherwise");
        cases[count].source = read_source(l, c, otherwise);
        field_leave(&l->r);
        count += cases[count].source != NULL;
    }
    metric_switch_init(m, cases, count);
    return &m->source;
}

/* A source per revision under test; `default` for all others. */
static const struct metric_source *read_versions(struct loader *l, struct canary_draft *c,
                                                 const struct node *n)
{
    struct metric_switch *m = arena_alloc(l->arena, sizeof *m);
    struct metric_case *cases;
    const struct metric_source *otherwise = NULL;
    size_t count = 0;

    if (!field_is_map(&l->r, n) || !m)
        return NULL;
    cases = arena_alloc(l->arena, (n->u.map.count + 1) * sizeof *cases);
    for (size_t i = 0; cases && i < n->u.map.count; i++) {
        const struct member *member = &n->u.map.members[i];
        const struct metric_source *source;

        field_enter(&l->r, member->key);
        source = read_source(l, c, member->value);
        field_leave(&l->r);
        if (!source)
            continue;
        if (strcmp(member->key, "default") == 0)
            otherwise = source;
        else
            cases[count++] = (struct metric_case){
                .to_ms = MS_NEVER, .revision = revision_of(member->key), .source = source};
    }
    if (cases && otherwise)
        cases[count++] = (struct metric_case){.to_ms = MS_NEVER, .source = otherwise};
    metric_switch_init(m, cases, count);
    return &m->source;
}

enum file_kind { FILE_CSV, FILE_PROMETHEUS, FILE_OPENMETRICS };

static const struct metric_source *read_points(struct loader *l, const struct node *n,
                                               enum file_kind kind, const struct node *map)
{
    struct metric_points *m = arena_alloc(l->arena, sizeof *m);
    const struct metric_point *points = NULL;
    const char *path, *bytes, *selector = NULL;
    struct series_error error = {0};
    ms_t lookback = LOOKBACK_MS, start = 0;
    size_t len, count = 0;
    int rc;

    if (!field_text(&l->r, n, &path) || !m)
        return NULL;
    bytes = loader_file(l, n, path, &len, &path);
    if (!bytes)
        return NULL;
    if (kind == FILE_OPENMETRICS && node_get(map, "name"))
        field_text(&l->r, node_get(map, "name"), &selector);
    field_duration(&l->r, node_get(map, "lookback"), &lookback);
    field_duration(&l->r, node_get(map, "start"), &start);
    if (kind == FILE_CSV)
        rc = csv_parse(l->arena, bytes, len, &points, &count, &error);
    else if (kind == FILE_PROMETHEUS)
        rc = prometheus_parse(l->arena, bytes, len, &points, &count, &error);
    else
        rc = openmetrics_parse(l->arena, bytes, len, selector, &points, &count, &error);
    if (rc != 0) {
        if (error.what)
            series_diag(l, n, &error, path);
        return NULL;
    }
    metric_points_init(m, points, count, lookback);
    m->start_ms = start;
    return &m->source;
}

static const struct metric_source *read_model_source(struct loader *l, struct canary_draft *c,
                                                     const struct node *n, const struct node *map)
{
    static const char *const kinds[] = {"success-rate", "error-rate", "latency", "request-rate",
                                        NULL};
    static const char *const sides[] = {"canary", "primary", NULL};
    struct metric_model *m = arena_alloc(l->arena, sizeof *m);
    uint32_t kind, side = 0;
    double quantile = 0.99;

    if (!m || !field_choice(&l->r, n, kinds, "value of the model", &kind))
        return NULL;
    if (!c->model) {
        field_error(&l->r, n, "add a `model:` with requests and versions", "there is no model");
        return NULL;
    }
    field_share(&l->r, node_get(map, "quantile"), &quantile);
    field_choice(&l->r, node_get(map, "of"), sides, "side", &side);
    metric_model_init(m, c->model, (enum model_value)kind);
    m->quantile = quantile;
    m->primary = side == 1;
    return &m->source;
}

static const struct metric_source *read_error(struct loader *l, const struct node *n,
                                              const struct node *map)
{
    static const char *const causes[] = {"query",    "client", "template", "secret",
                                         "provider", "render", "knative",  NULL};
    uint32_t cause = 0;
    const char *text;

    if (!field_text(&l->r, n, &text))
        return NULL;
    field_choice(&l->r, node_get(map, "cause"), causes, "cause", &cause);
    return failing(l, OUTCOME_FAILED, (enum metric_cause)cause, text);
}

/* {canary: SOURCE, primary: SOURCE}: for judges that compare the two. */
static const struct metric_source *read_sides(struct loader *l, struct canary_draft *c,
                                              const struct node *n, const struct node *primary)
{
    struct metric_pair *m = arena_alloc(l->arena, sizeof *m);
    const struct metric_source *sides[2] = {read_source(l, c, n), NULL};

    if (!primary) {
        field_error(&l->r, n, NULL, "`primary` is missing: the value of the other side");
        return NULL;
    }
    field_leave(&l->r);
    field_enter(&l->r, "primary");
    sides[1] = read_source(l, c, primary);
    if (!m || !sides[0] || !sides[1])
        return NULL;
    metric_pair_init(m, sides[0], sides[1]);
    return &m->source;
}

static const struct metric_source *read_source_map(struct loader *l, struct canary_draft *c,
                                                   const struct node *n)
{
    static const char *const names[] = {
        "series",   "interval", "start",     "checks",   "csv",     "prometheus", "openmetrics",
        "name",     "lookback", "model",     "quantile", "of",      "error",      "cause",
        "versions", "during",   "otherwise", "canary",   "primary", NULL};
    static const char *const kinds[] = {"series",      "checks", "csv",      "prometheus",
                                        "openmetrics", "model",  "versions", "during",
                                        "canary",      "error",  NULL};
    const struct metric_source *source = NULL;
    const struct node *v = NULL;
    ms_t interval = 60000, start = 0;
    int kind = -1;

    if (!field_map(&l->r, n, names))
        return NULL;
    for (int i = 0; kinds[i]; i++)
        if (node_get(n, kinds[i])) {
            if (kind >= 0)
                field_error(&l->r, node_get(n, kinds[i]), NULL, "%s and %s exclude each other",
                            kinds[kind], kinds[i]);
            kind = i;
        }
    if (kind < 0) {
        field_error(&l->r, n,
                    "one of series, checks, csv, prometheus, openmetrics, model, versions,"
                    " during, canary with primary, error",
                    "the source says nothing");
        return NULL;
    }
    v = node_get(n, kinds[kind]);
    field_duration(&l->r, node_get(n, "interval"), &interval);
    field_duration(&l->r, node_get(n, "start"), &start);
    field_enter(&l->r, kinds[kind]);
    if (interval == 0) {
        field_error(&l->r, node_get(n, "interval"), NULL, "an interval of 0 has no samples");
        interval = 60000;
    }
    switch (kind) {
    case 0:
        if (v->kind == NODE_MAP || v->kind == NODE_LIST || v->kind == NODE_NULL)
            field_error(&l->r, v, NULL, "expected series notation");
        else
            source = notation(l, v, start, interval);
        break;
    case 1:
        source = read_checks(l, c, v);
        break;
    case 2:
    case 3:
    case 4:
        source = read_points(l, v, (enum file_kind)(kind - 2), n);
        break;
    case 5:
        source = read_model_source(l, c, v, n);
        break;
    case 6:
        source = read_versions(l, c, v);
        break;
    case 7:
        source = read_during(l, c, v, node_get(n, "otherwise"));
        break;
    case 8:
        source = read_sides(l, c, v, node_get(n, "primary"));
        break;
    default:
        source = read_error(l, v, n);
        break;
    }
    field_leave(&l->r);
    return source;
}

static const struct metric_source *read_source(struct loader *l, struct canary_draft *c,
                                               const struct node *n)
{
    switch (n->kind) {
    case NODE_INT:
        if (strchr(n->text, 'x')) /* 0x10: eleven zeros here, whatever it is to YAML */
            return notation(l, n, 0, 60000);
        return constant(l, (double)n->u.integer);
    case NODE_FLOAT:
        return constant(l, n->u.number);
    case NODE_STRING:
        if (strcmp(n->text, "none") == 0)
            return failing(l, OUTCOME_NO_VALUE, CAUSE_QUERY, NULL);
        return notation(l, n, 0, 60000);
    case NODE_LIST:
        return read_checks(l, c, n);
    case NODE_MAP:
        return read_source_map(l, c, n);
    case NODE_NULL:
    case NODE_BOOL:
        break;
    }
    field_error(&l->r, n, "a number, series notation, none, a list of checks, or a map",
                "expected a source of values, got %s", node_kind_name(n->kind));
    return NULL;
}

static void bind(struct loader *l, struct canary_draft *c, const char *name,
                 const struct metric_source *source)
{
    struct metric_binding *slot, *list = c->metrics.items;

    if (!source)
        return;
    for (size_t i = 0; i < c->metrics.count; i++)
        if (strcmp(list[i].name, name) == 0) {
            list[i].source = source;
            return;
        }
    slot = grow_add(l->arena, &c->metrics, sizeof *slot);
    if (slot)
        *slot = (struct metric_binding){.name = name, .source = source};
}

void read_metrics(struct loader *l, struct canary_draft *c, const struct node *n)
{
    if (!n)
        return;
    field_enter(&l->r, "metrics");
    if (field_is_map(&l->r, n))
        for (size_t i = 0; i < n->u.map.count; i++) {
            const struct member *m = &n->u.map.members[i];
            const struct metric_source *source;

            field_enter(&l->r, m->key);
            source = read_source(l, c, m->value);
            /* a source that could not be read is bound all the same: it was named */
            bind(l, c, m->key, source ? source : failing(l, OUTCOME_NO_VALUE, CAUSE_QUERY, NULL));
            field_leave(&l->r);
        }
    field_leave(&l->r);
}

static const struct metric_source *bound(const struct canary_draft *c, const char *name)
{
    const struct metric_binding *list = c->metrics.items;

    for (size_t i = 0; i < c->metrics.count; i++)
        if (strcmp(list[i].name, name) == 0)
            return list[i].source;
    return NULL;
}

/* A judge that its source cannot feed would wait, or pass, for ever. */
static void check_judge(struct loader *l, const struct canary_draft *c, const struct metric_spec *m)
{
    const struct metric_source *source = bound(c, m->name);
    const struct node *metrics = node_get(l->root, "metrics");
    const struct node *at = node_get(metrics, m->name);
    unsigned food = judge_food(&m->judge);

    at = at ? at : metrics ? metrics : l->root;
    if ((food & (FOOD_REQUESTS | FOOD_COUNTS)) != 0 && !(source && source->counts))
        field_error(&l->r, at,
                    "give the metric values from a `model:`, such as {model: success-rate}",
                    "the judge of metric %s wants counts of requests and errors, which this source "
                    "of values does not give",
                    m->name);
    else if ((food & FOOD_SAMPLES) != 0 && !(source && source->sides))
        field_error(&l->r, at, "{canary: SOURCE, primary: SOURCE}, or a source of `model:`",
                    "the judge of metric %s compares the canary with the primary, whose values "
                    "this source does not give",
                    m->name);
}

void bind_metrics(struct loader *l, struct canary_draft *c)
{
    const struct analysis_spec *an = &c->spec->analysis;

    for (uint32_t i = 0; i < an->metric_count; i++) {
        const struct metric_spec *m = &an->metrics[i];
        bool rate = metric_is_success_rate(m), duration = metric_is_duration(m);
        struct metric_model *model;

        if (!bound(c, m->name) && (rate || duration) && c->model) {
            model = arena_alloc(l->arena, sizeof *model);
            if (!model)
                return;
            metric_model_init(model, c->model, rate ? MODEL_SUCCESS_RATE : MODEL_LATENCY);
            bind(l, c, m->name, &model->source);
        } else if (!bound(c, m->name) && !rate && !duration && (m->query || m->template_name) &&
                   !l->scenario->manifest_only) {
            field_error(&l->r,
                        node_get(l->root, "metrics") ? node_get(l->root, "metrics") : l->root,
                        arena_printf(l->arena, "add `%s: 1` under metrics, or a series", m->name),
                        "metric %s of Canary %s has no source of values", m->name, c->name);
            continue;
        }
        if (!l->scenario->manifest_only)
            check_judge(l, c, m);
    }
}

/* ---- the traffic model
 * ------------------------------------------------------------------------------ */

static void read_rates(struct loader *l, struct traffic_model *t, const struct node *n)
{
    struct rate_step *steps;

    if (!n)
        return;
    field_enter(&l->r, "requests");
    if (n->kind != NODE_MAP) {
        steps = arena_alloc(l->arena, sizeof *steps);
        if (steps && field_number(&l->r, n, &steps->per_second)) {
            t->rates = steps;
            t->rate_count = 1;
        }
    } else if ((steps = arena_alloc(l->arena, (n->u.map.count + 1) * sizeof *steps)) != NULL) {
        for (size_t i = 0; i < n->u.map.count; i++) {
            const struct member *m = &n->u.map.members[i];
            struct node time = {.kind = NODE_STRING,
                                .line = m->line,
                                .col = m->col,
                                .text = m->key,
                                .text_len = m->key_len};

            field_enter(&l->r, m->key);
            if (field_duration(&l->r, &time, &steps[i].at_ms))
                field_number(&l->r, m->value, &steps[i].per_second);
            if (i > 0 && steps[i].at_ms <= steps[i - 1].at_ms)
                field_key_error(&l->r, m, NULL, "times must grow");
            field_leave(&l->r);
        }
        t->rates = steps;
        t->rate_count = (uint32_t)n->u.map.count;
    }
    for (uint32_t i = 0; i < t->rate_count; i++)
        if (t->rates[i].per_second < 0)
            field_error(&l->r, n, NULL, "requests per second cannot be negative");
    field_leave(&l->r);
}

/* {histogram: FILE}; what is above the last bound counts as that, as Prometheus has it. */
static void read_recorded_latency(struct loader *l, struct latency *out, const struct node *n)
{
    struct model_histogram h;
    const char *path, *bytes;
    size_t len;

    field_enter(&l->r, "histogram");
    if (field_text(&l->r, n, &path) && (bytes = loader_file(l, n, path, &len, &path)) != NULL &&
        histogram_read(&h, l->arena, l->diags, path, bytes, len, 0) == 0) {
        *out = (struct latency){.count = h.count + 2};
        for (uint32_t i = 0; i < h.count; i++) {
            out->q[i + 1] = h.shares[i];
            out->ms[i + 1] = h.bounds_ms[i];
        }
        out->q[h.count + 1] = 1;
        out->ms[h.count + 1] = h.bounds_ms[h.count - 1];
    }
    field_leave(&l->r);
}

/* {p50: 80ms, p99: 300ms}; from 0 at the bottom, and the last one is the top. */
static void read_latency(struct loader *l, struct latency *out, const struct node *n)
{
    struct latency made = {.count = 1};

    if (!n)
        return;
    field_enter(&l->r, "latency");
    if (n->kind == NODE_MAP && node_get(n, "histogram")) {
        if (n->u.map.count > 1)
            field_error(&l->r, n, NULL, "a histogram and percentiles exclude each other");
        read_recorded_latency(l, out, node_get(n, "histogram"));
        field_leave(&l->r);
        return;
    }
    for (size_t i = 0; field_is_map(&l->r, n) && i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        double percent;
        ms_t ms;

        field_enter(&l->r, m->key);
        if (m->key[0] != 'p' || !num_parse(m->key + 1, m->key_len - 1, &percent) ||
            !(percent > 0 && percent <= 100))
            field_key_error(&l->r, m, "such as p50, p99 or p99.9; or histogram: FILE",
                            "expected a percentile");
        else if (made.count > LATENCY_KNOTS_MAX - 2)
            field_key_error(&l->r, m, NULL, "more than %d percentiles", LATENCY_KNOTS_MAX - 2);
        else if (field_duration(&l->r, m->value, &ms)) {
            made.q[made.count] = percent / 100;
            made.ms[made.count] = (double)ms;
            if (made.q[made.count] <= made.q[made.count - 1] ||
                made.ms[made.count] < made.ms[made.count - 1])
                field_key_error(&l->r, m, NULL, "percentiles and times must grow");
            made.count++;
        }
        field_leave(&l->r);
    }
    if (made.count > 1) {
        made.q[made.count] = 1;
        made.ms[made.count] = made.ms[made.count - 1];
        made.count++;
        *out = made;
    }
    field_leave(&l->r);
}

static void read_factor(struct loader *l, const struct node *n, double *out)
{
    double value;

    if (field_number(&l->r, n, &value)) {
        if (value <= 0)
            field_error(&l->r, n, "2 doubles the latency", "expected a factor above 0");
        else
            *out = value;
    }
}

static void read_onset(struct loader *l, struct version_model *v, const struct node *n)
{
    static const char *const names[] = {"at", "after", "weight", "errors", "slowdown", NULL};
    int32_t weight = 0;

    if (!n)
        return;
    field_enter(&l->r, "onset");
    if (field_map(&l->r, n, names)) {
        v->has_onset = true;
        v->onset_ms = v->onset_after_ms = MS_NEVER;
        v->onset_errors = v->errors;
        v->onset_slowdown = 1;
        field_duration(&l->r, node_get(n, "at"), &v->onset_ms);
        field_duration(&l->r, node_get(n, "after"), &v->onset_after_ms);
        field_int32(&l->r, node_get(n, "weight"), 1, WEIGHT_TOTAL, &weight);
        v->onset_weight = (int16_t)weight;
        field_share(&l->r, node_get(n, "errors"), &v->onset_errors);
        read_factor(l, node_get(n, "slowdown"), &v->onset_slowdown);
    }
    field_leave(&l->r);
}

static void read_warmup(struct loader *l, struct version_model *v, const struct node *n)
{
    static const char *const names[] = {"for", "errors", "slowdown", NULL};

    if (!n)
        return;
    field_enter(&l->r, "warmup");
    if (field_map(&l->r, n, names)) {
        v->warmup_slowdown = 1;
        field_duration(&l->r, node_get(n, "for"), &v->warmup_ms);
        field_share(&l->r, node_get(n, "errors"), &v->warmup_errors);
        read_factor(l, node_get(n, "slowdown"), &v->warmup_slowdown);
    }
    field_leave(&l->r);
}

static void read_version(struct loader *l, struct version_model *v, const struct node *n)
{
    static const char *const names[] = {"errors", "latency", "onset", "warmup", NULL};

    if (!field_map(&l->r, n, names))
        return;
    field_share(&l->r, node_get(n, "errors"), &v->errors);
    read_latency(l, &v->latency, node_get(n, "latency"));
    read_onset(l, v, node_get(n, "onset"));
    read_warmup(l, v, node_get(n, "warmup"));
}

static void read_model_versions(struct loader *l, struct traffic_model *t, const struct node *n)
{
    struct version_model base = {.onset_slowdown = 1, .warmup_slowdown = 1}, *versions;
    size_t count = n && n->kind == NODE_MAP ? n->u.map.count : 0;

    base.latency = (struct latency){.count = 3, .q = {0, 0.5, 1}, .ms = {0, 50, 200}};
    versions = arena_alloc(l->arena, (count + 1) * sizeof *versions);
    if (!versions || (n && !field_is_map(&l->r, n)))
        return;
    field_enter(&l->r, "versions");
    if (count > 0 && node_get(n, "default")) {
        field_enter(&l->r, "default");
        read_version(l, &base, node_get(n, "default"));
        field_leave(&l->r);
    }
    for (size_t i = 0; i < count; i++) {
        const struct member *m = &n->u.map.members[i];
        struct version_model *v = &versions[t->version_count];

        if (strcmp(m->key, "default") == 0)
            continue;
        *v = base;
        v->revision = revision_of(m->key);
        field_enter(&l->r, m->key);
        read_version(l, v, m->value);
        field_leave(&l->r);
        t->version_count++;
    }
    versions[t->version_count++] = base;
    t->versions = versions;
    field_leave(&l->r);
}

static void read_outages(struct loader *l, struct traffic_model *t, const struct node *n)
{
    static const char *const names[] = {"from", "to", NULL};
    struct window *windows;

    if (!n)
        return;
    field_enter(&l->r, "outages");
    windows = field_is_list(&l->r, n)
                  ? arena_alloc(l->arena, (n->u.list.count + 1) * sizeof *windows)
                  : NULL;
    for (size_t i = 0; windows && i < n->u.list.count; i++) {
        const struct node *item = n->u.list.items[i];
        struct window *w = &windows[t->outage_count];

        field_enter_index(&l->r, i);
        w->to_ms = MS_NEVER;
        if (field_map(&l->r, item, names)) {
            field_duration(&l->r, node_get(item, "from"), &w->from_ms);
            field_duration(&l->r, node_get(item, "to"), &w->to_ms);
            t->outage_count++;
        }
        field_leave(&l->r);
    }
    t->outages = windows;
    field_leave(&l->r);
}

void read_model(struct loader *l, struct canary_draft *c, const struct node *n)
{
    static const char *const names[] = {"requests", "load", "versions", "outages", "scrape", NULL};
    struct traffic_model *t;

    if (!n || !(t = arena_alloc(l->arena, sizeof *t)))
        return;
    t->scrape_ms = 15000;
    t->outage_text = "Post \"http://prometheus:9090/api/v1/query\": context deadline exceeded";
    field_enter(&l->r, "model");
    if (field_map(&l->r, n, names)) {
        read_rates(l, t, node_get(n, "requests"));
        if (field_number(&l->r, node_get(n, "load"), &t->load_per_second) && t->load_per_second < 0)
            field_error(&l->r, node_get(n, "load"), NULL, "a load cannot be negative");
        read_model_versions(l, t, node_get(n, "versions"));
        read_outages(l, t, node_get(n, "outages"));
        if (field_duration(&l->r, node_get(n, "scrape"), &t->scrape_ms) && t->scrape_ms < 1000) {
            field_error(&l->r, node_get(n, "scrape"), NULL, "the scrape interval is at least 1s");
            t->scrape_ms = 1000;
        }
        c->model = t;
    }
    field_leave(&l->r);
}
