/* adapters/metrics/provider_prometheus.c — Prometheus: an instant query, the last sample of a
 * vector. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "adapters/metrics/answer_json.h"
#include "adapters/metrics/gotext.h"
#include "adapters/metrics/provider_int.h"
#include "engine/num.h"

#define ONLINE_QUERY "vector(1)"

#define METRIC_TYPE "struct { Name string \"json:\\\"name\\\"\" }"
#define SERIES_TYPE                                                                                \
    "struct { Metric " METRIC_TYPE                                                                 \
    "; Value []interface {} \"json:\\\"value\\\"\"; Values []interface {} "                        \
    "\"json:\\\"values\\\"\" }"
#define DATA_TYPE "struct { Result []" SERIES_TYPE " }"

static const struct shape any_shape = {.kind = SHAPE_ANY};
static const struct shape string_shape = {.kind = SHAPE_STRING, .type = "string"};
static const struct shape anys_shape = {
    .kind = SHAPE_SLICE, .type = "[]interface {}", .elem = &any_shape};
static const struct shape metric_shape = {
    .kind = SHAPE_STRUCT,
    .type = METRIC_TYPE,
    .name = "",
    .fields = (const struct shape_field[]){{"name", &string_shape}, {0}}};
static const struct shape series_shape = {
    .kind = SHAPE_STRUCT,
    .type = SERIES_TYPE,
    .name = "",
    .fields = (const struct shape_field[]){
        {"Metric", &metric_shape}, {"value", &anys_shape}, {"values", &anys_shape}, {0}}};
static const struct shape result_shape = {
    .kind = SHAPE_SLICE, .type = "[]" SERIES_TYPE, .elem = &series_shape};
static const struct shape data_shape = {
    .kind = SHAPE_STRUCT,
    .type = DATA_TYPE,
    .name = "",
    .fields = (const struct shape_field[]){{"Result", &result_shape}, {0}}};
static const struct shape response_shape = {
    .kind = SHAPE_STRUCT,
    .type = "providers.prometheusResponse",
    .name = "prometheusResponse",
    .fields = (const struct shape_field[]){{"Data", &data_shape}, {0}}};

static const char *build(struct metric_provider *p, struct arena *arena)
{
    const char *wrong = provider_read_address(p, arena);

    if (wrong)
        return wrong;
    p->tls.insecure = p->spec.insecure_skip_verify;
    p->key2 = p->spec.has_secret ? provider_secret(p, "token") : NULL;
    return p->key2 ? NULL : provider_read_login(p, arena);
}

/* Go keeps these for itself, whatever the headers say. */
static bool is_reserved(const char *name)
{
    static const char *const names[] = {"Host", "Content-Length", "Transfer-Encoding", "Trailer",
                                        NULL};

    for (size_t i = 0; names[i]; i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* `parameters`: what follows query=QUERY. */
static int build_request(const struct metric_provider *p, const char *path, const char *query,
                         const char *parameters, struct arena *arena,
                         struct http_request *ret_request)
{
    bool basic = !p->key2 && p->account && *p->account && p->key && *p->key;
    struct url u = p->url;
    struct strbuf b = STRBUF_INIT;
    const char *folded = go_fold_space(arena, query);

    strbuf_adds(&b, "query=");
    url_add_query_escaped(&b, folded, strlen(folded));
    strbuf_adds(&b, parameters);
    u.opaque = NULL;
    u.path = url_join_path(arena, u.path, path);
    if (*u.path != '/')
        u.path = provider_text(arena, "/%s", u.path);
    u.query = arena_strdup(arena, strbuf_str(&b));
    u.fragment = NULL;
    strbuf_release(&b);
    provider_get(p, url_string(arena, &u, false), ret_request);
    for (size_t i = 0; i < p->spec.header_count; i++) {
        const char *name = p->spec.headers[i].name;

        if (!is_reserved(name) && !(basic && strcasecmp(name, "Authorization") == 0))
            provider_add_header(ret_request, arena, name, p->spec.headers[i].value);
    }
    if (p->key2 && *p->key2)
        provider_add_header(ret_request, arena, "Authorization",
                            provider_text(arena, "Bearer %s", p->key2));
    else if (basic)
        provider_add_header(ret_request, arena, "Authorization",
                            provider_basic_auth(arena, p->account, p->key));
    return 0;
}

static int request(const struct metric_provider *p, const char *query, int64_t now_ms,
                   struct arena *arena, struct http_request *ret_request, const char **reterr)
{
    (void)now_ms;
    (void)reterr;
    return build_request(p, "api/v1/query", query, "", arena, ret_request);
}

static int range_request(const struct metric_provider *p, const char *query,
                         const struct metric_range *range, struct arena *arena,
                         struct http_request *ret_request)
{
    return build_request(
        p, "api/v1/query_range", query,
        provider_text(arena, "&start=%lld.%03d&end=%lld.%03d&step=%lld.%03d",
                      (long long)(range->start_ms / 1000), (int)(range->start_ms % 1000),
                      (long long)(range->end_ms / 1000), (int)(range->end_ms % 1000),
                      (long long)(range->step_ms / 1000), (int)(range->step_ms % 1000)),
        arena, ret_request);
}

static void answer(const struct metric_provider *p, const struct http_response *r,
                   struct arena *arena, struct metric_answer *a)
{
    const struct answer_json *json, *result;
    const char *why = NULL;
    bool found = false;
    double value = 0;

    (void)p;
    if (r->status >= 400) {
        answer_error(a, provider_text(arena, "error response: Status %d %s: %s", r->status,
                                      go_status_text(r->status), r->body));
        return;
    }
    json = answer_json_read(arena, r->body, r->body_len, &response_shape, &why);
    if (!json) {
        answer_error(a, provider_text(arena, "error unmarshaling result: %s, '%s'", why, r->body));
        return;
    }
    result = answer_json_get(answer_json_get(json, "data"), "result");
    for (size_t i = 0; i < answer_json_count(result); i++) {
        const struct answer_json *series = answer_json_at(result, i), *sample;

        if (answer_json_get(series, "values")) {
            *a = (struct metric_answer){ANSWER_MULTIPLE, 0, MULTIPLE_VALUES};
            return;
        }
        /* a sample without a value, such as a native histogram's, is no value (Flagger dies of it)
         */
        sample = answer_json_at(answer_json_get(series, "value"), 1);
        if (!sample || sample->kind != JSON_STRING)
            continue;
        if (go_parse_float(arena, sample->text, sample->len, &value, &why) != 0) {
            answer_error(a, why);
            return;
        }
        found = true;
    }
    if (!found || num_is_nan(value))
        answer_none(a, NO_VALUES);
    else
        answer_value(a, value);
}

/* The text of a sample, [time, "value"]. Returns 0, or -EINVAL with *reterr. */
static int sample_value(const struct answer_json *sample, struct arena *arena, double *ret_value,
                        const char **reterr)
{
    const struct answer_json *value = answer_json_at(sample, 1);

    if (value && value->kind == JSON_STRING)
        return go_parse_float(arena, value->text, value->len, ret_value, reterr);
    *reterr = "a sample of the range is not [time, \"value\"]";
    return -EINVAL;
}

static void range_answer(const struct metric_provider *p, const struct http_response *r,
                         struct arena *arena, struct metric_values *out)
{
    const struct answer_json *json, *result, *samples;
    const char *why = NULL;
    double *values;
    size_t count;

    (void)p;
    if (r->status >= 400) {
        out->error = provider_text(arena, "error response: Status %d %s: %s", r->status,
                                   go_status_text(r->status), r->body);
        return;
    }
    json = answer_json_read(arena, r->body, r->body_len, &response_shape, &why);
    if (!json) {
        out->error = provider_text(arena, "error unmarshaling result: %s, '%s'", why, r->body);
        return;
    }
    result = answer_json_get(answer_json_get(json, "data"), "result");
    if (answer_json_count(result) == 0)
        return; /* no values: that is an answer */
    samples = answer_json_get(answer_json_at(result, answer_json_count(result) - 1), "values");
    count = answer_json_count(samples);
    values = arena_alloc(arena, (count + 1) * sizeof *values);
    if (!values || count > METRIC_VALUES_MAX) {
        out->error = "too many samples";
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double value;

        if (sample_value(answer_json_at(samples, i), arena, &value, &out->error) != 0)
            return;
        if (!num_is_nan(value))
            values[out->count++] = value;
    }
    out->values = values;
}

static int online_request(const struct metric_provider *p, int64_t now_ms, struct arena *arena,
                          struct http_request *ret_request, const char **reterr)
{
    return request(p, ONLINE_QUERY, now_ms, arena, ret_request, reterr);
}

static const char *online_answer(const struct metric_provider *p, const struct http_response *r,
                                 struct arena *arena)
{
    struct metric_answer a;

    answer(p, r, arena, &a);
    if (a.outcome != ANSWER_VALUE)
        return provider_text(arena, "running query failed: %s", a.text);
    if (a.value < 1 || a.value > 1)
        return "value is not 1 for query: " ONLINE_QUERY;
    return NULL;
}

const struct provider_ops provider_prometheus = {
    .type = "prometheus",
    .build = build,
    .request = request,
    .answer = answer,
    .online_request = online_request,
    .online_answer = online_answer,
    .range_request = range_request,
    .range_answer = range_answer,
    .transport_error = "request failed: %s",
};
