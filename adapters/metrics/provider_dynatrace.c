/* adapters/metrics/provider_dynatrace.c — Dynatrace: the first value of the last entry in ten
 * intervals. */
#include "adapters/metrics/answer_json.h"
#include "adapters/metrics/provider_int.h"
#include "engine/num.h"

#define DATA_TYPE                                                                                  \
    "struct { Timestamps []int64 \"json:\\\"timestamps\\\"\"; Values []float64 "                   \
    "\"json:\\\"values\\\"\" }"
#define RESULT_TYPE "struct { Data []" DATA_TYPE " \"json:\\\"data\\\"\" }"

static const struct shape float_shape = {.kind = SHAPE_FLOAT, .type = "float64"};
static const struct shape int_shape = {.kind = SHAPE_INT, .type = "int64"};
static const struct shape floats_shape = {
    .kind = SHAPE_SLICE, .type = "[]float64", .elem = &float_shape};
static const struct shape ints_shape = {.kind = SHAPE_SLICE, .type = "[]int64", .elem = &int_shape};
static const struct shape entry_shape = {
    .kind = SHAPE_STRUCT,
    .type = DATA_TYPE,
    .name = "",
    .fields =
        (const struct shape_field[]){{"timestamps", &ints_shape}, {"values", &floats_shape}, {0}}};
static const struct shape data_shape = {
    .kind = SHAPE_SLICE, .type = "[]" DATA_TYPE, .elem = &entry_shape};
static const struct shape one_shape = {
    .kind = SHAPE_STRUCT,
    .type = RESULT_TYPE,
    .name = "",
    .fields = (const struct shape_field[]){{"data", &data_shape}, {0}}};
static const struct shape result_shape = {
    .kind = SHAPE_SLICE, .type = "[]" RESULT_TYPE, .elem = &one_shape};
static const struct shape response_shape = {
    .kind = SHAPE_STRUCT,
    .type = "providers.dynatraceResponse",
    .name = "dynatraceResponse",
    .fields = (const struct shape_field[]){{"result", &result_shape}, {0}}};

static const char *build(struct metric_provider *p, struct arena *arena)
{
    if (!*p->spec.address)
        return "dynatrace endpoint is not set";
    p->endpoint = p->spec.address;
    p->key = provider_secret(p, "dynatrace_token");
    if (!p->key)
        return "dynatrace credentials does not contain dynatrace_token";
    return provider_read_interval(p, arena);
}

static int start(const struct metric_provider *p, const char *path, struct url_query *q,
                 struct arena *arena, struct http_request *ret_request, const char **reterr)
{
    const char *url;
    int rc = provider_url(arena, provider_text(arena, "%s%s", p->endpoint, path), q,
                          "error http.NewRequest: ", &url, reterr);

    if (rc != 0)
        return rc;
    provider_get(p, url, ret_request);
    provider_add_header(ret_request, arena, "Authorization",
                        provider_text(arena, "Api-Token %s", p->key));
    return 0;
}

static int request(const struct metric_provider *p, const char *query, int64_t now_ms,
                   struct arena *arena, struct http_request *ret_request, const char **reterr)
{
    int64_t now = now_ms / 1000 * 1000, window = 10 * (p->window_ns / NS_PER_MS);
    struct url_query q = {0};

    url_query_add(arena, &q, "metricSelector", query);
    url_query_add(arena, &q, "resolution", "Inf");
    url_query_add(arena, &q, "from", provider_text(arena, "%lld", (long long)(now - window)));
    url_query_add(arena, &q, "to", provider_text(arena, "%lld", (long long)now));
    return start(p, "/api/v2/metrics/query", &q, arena, ret_request, reterr);
}

static void answer(const struct metric_provider *p, const struct http_response *r,
                   struct arena *arena, struct metric_answer *a)
{
    const struct answer_json *json, *data, *value;
    const char *why = NULL;
    double v = 0;

    (void)p;
    if (r->status != 200) {
        answer_error(a, provider_text(arena, "error response: %s: %%!w(<nil>)", r->body));
        return;
    }
    json = answer_json_read(arena, r->body, r->body_len, &response_shape, &why);
    if (!json) {
        answer_error(a, provider_text(arena, "error unmarshaling result: %s, '%s'", why, r->body));
        return;
    }
    data = answer_json_get(answer_json_at(answer_json_get(json, "result"), 0), "data");
    data = answer_json_count(data) ? data->last : NULL;
    value = answer_json_at(answer_json_get(data, "values"), 0);
    if (!value) {
        answer_none(a, provider_text(arena, "invalid response: %s: " NO_VALUES, r->body));
        return;
    }
    if (value->kind == JSON_NUMBER) /* null reads as 0, as in Flagger */
        num_parse(value->text, value->len, &v);
    answer_value(a, v);
}

static int online_request(const struct metric_provider *p, int64_t now_ms, struct arena *arena,
                          struct http_request *ret_request, const char **reterr)
{
    struct url_query q = {0};

    (void)now_ms;
    return start(p, "/api/v2/metrics?pageSize=1", &q, arena, ret_request, reterr);
}

const struct provider_ops provider_dynatrace = {
    .type = "dynatrace",
    .build = build,
    .request = request,
    .answer = answer,
    .online_request = online_request,
    .online_answer = provider_online_answer,
    .transport_error = "request failed: %s",
};
