/* adapters/metrics/provider_datadog.c — Datadog: the oldest point of the first series in ten
 * intervals. */
#include "adapters/metrics/answer_json.h"
#include "adapters/metrics/gotext.h"
#include "adapters/metrics/provider_int.h"
#include "engine/num.h"

#define SERIES_TYPE "struct { Pointlist [][]float64 \"json:\\\"pointlist\\\"\" }"

static const struct shape float_shape = {.kind = SHAPE_FLOAT, .type = "float64"};
static const struct shape pair_shape = {
    .kind = SHAPE_SLICE, .type = "[]float64", .elem = &float_shape};
static const struct shape points_shape = {
    .kind = SHAPE_SLICE, .type = "[][]float64", .elem = &pair_shape};
static const struct shape one_shape = {
    .kind = SHAPE_STRUCT,
    .type = SERIES_TYPE,
    .name = "",
    .fields = (const struct shape_field[]){{"pointlist", &points_shape}, {0}}};
static const struct shape series_shape = {
    .kind = SHAPE_SLICE, .type = "[]" SERIES_TYPE, .elem = &one_shape};
static const struct shape response_shape = {
    .kind = SHAPE_STRUCT,
    .type = "providers.datadogResponse",
    .name = "datadogResponse",
    .fields = (const struct shape_field[]){{"Series", &series_shape}, {0}}};

static const char *build(struct metric_provider *p, struct arena *arena)
{
    p->endpoint = *p->spec.address ? p->spec.address : "https://api.datadoghq.com";
    p->key = provider_secret(p, "datadog_api_key");
    if (!p->key)
        return "datadog credentials does not contain datadog_api_key";
    p->key2 = provider_secret(p, "datadog_application_key");
    if (!p->key2)
        return "datadog credentials does not contain datadog_application_key";
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
    provider_add_header(ret_request, arena, "Dd-Api-Key", p->key);
    provider_add_header(ret_request, arena, "Dd-Application-Key", p->key2);
    return 0;
}

static int request(const struct metric_provider *p, const char *query, int64_t now_ms,
                   struct arena *arena, struct http_request *ret_request, const char **reterr)
{
    /* int64(10 * seconds as a float64): whole seconds of ten intervals */
    int64_t now = now_ms / 1000,
            window = (int64_t)(10.0 * ((double)(p->window_ns / NS_PER_S) +
                                       (double)(p->window_ns % NS_PER_S) / 1e9));
    struct url_query q = {0};

    url_query_add(arena, &q, "query", query);
    url_query_add(arena, &q, "from", provider_text(arena, "%lld", (long long)(now - window)));
    url_query_add(arena, &q, "to", provider_text(arena, "%lld", (long long)now));
    return start(p, "/api/v1/query", &q, arena, ret_request, reterr);
}

static void answer(const struct metric_provider *p, const struct http_response *r,
                   struct arena *arena, struct metric_answer *a)
{
    const struct answer_json *json, *series, *pair, *value;
    const char *why = NULL;
    double v = 0;

    (void)p;
    if (r->status != 200) {
        answer_error(a, provider_text(arena, "error response: %s: %d %s", r->body, r->status,
                                      go_status_text(r->status)));
        return;
    }
    json = answer_json_read(arena, r->body, r->body_len, &response_shape, &why);
    if (!json) {
        answer_error(a, provider_text(arena, "error unmarshaling result: %s, '%s'", why, r->body));
        return;
    }
    series = answer_json_at(answer_json_get(json, "series"), 0);
    pair = answer_json_at(answer_json_get(series, "pointlist"), 0);
    value = answer_json_at(pair, 1);
    /* a pair of one number is no value (Flagger dies of it); null reads as 0, as there */
    if (!value) {
        answer_none(a, provider_text(arena, "invalid response: %s: " NO_VALUES, r->body));
        return;
    }
    if (value->kind == JSON_NUMBER)
        num_parse(value->text, value->len, &v);
    answer_value(a, v);
}

static int online_request(const struct metric_provider *p, int64_t now_ms, struct arena *arena,
                          struct http_request *ret_request, const char **reterr)
{
    struct url_query q = {0};

    (void)now_ms;
    return start(p, "/api/v1/validate", &q, arena, ret_request, reterr);
}

const struct provider_ops provider_datadog = {
    .type = "datadog",
    .build = build,
    .request = request,
    .answer = answer,
    .online_request = online_request,
    .online_answer = provider_online_answer,
    .transport_error = "request failed: %s",
};
