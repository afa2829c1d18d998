/* adapters/metrics/provider_newrelic.c — New Relic Insights: the attribute `result` of the only
 * result. */
#include "adapters/metrics/answer_json.h"
#include "adapters/metrics/provider_int.h"
#include "engine/num.h"

#define RESULT_TYPE "struct { Result *float64 \"json:\\\"result\\\"\" }"

static const struct shape float_shape = {.kind = SHAPE_FLOAT, .type = "float64"};
static const struct shape one_shape = {
    .kind = SHAPE_STRUCT,
    .type = RESULT_TYPE,
    .name = "",
    .fields = (const struct shape_field[]){{"result", &float_shape}, {0}}};
static const struct shape results_shape = {
    .kind = SHAPE_SLICE, .type = "[]" RESULT_TYPE, .elem = &one_shape};
static const struct shape response_shape = {
    .kind = SHAPE_STRUCT,
    .type = "providers.newRelicResponse",
    .name = "newRelicResponse",
    .fields = (const struct shape_field[]){{"results", &results_shape}, {0}}};

static const char *build(struct metric_provider *p, struct arena *arena)
{
    const char *address = *p->spec.address ? p->spec.address : "https://insights-api.newrelic.com";

    p->account = provider_secret(p, "newrelic_account_id");
    if (!p->account)
        return "newrelic credentials does not contain the key 'newrelic_account_id'";
    p->key = provider_secret(p, "newrelic_query_key");
    if (!p->key)
        return "newrelic credentials does not contain the key ''newrelic_query_key";
    p->endpoint = provider_text(arena, "%s/v1/accounts/%s/query", address, p->account);
    return provider_read_interval(p, arena);
}

static int request(const struct metric_provider *p, const char *query, int64_t now_ms,
                   struct arena *arena, struct http_request *ret_request, const char **reterr)
{
    struct url_query q = {0};
    const char *url;
    int rc;

    (void)now_ms;
    url_query_add(arena, &q, "nrql",
                  provider_text(arena, "%s SINCE %lld seconds ago", query,
                                (long long)(p->window_ns / NS_PER_S)));
    rc = provider_url(arena, p->endpoint, &q, "error http.NewRequest: ", &url, reterr);
    if (rc != 0)
        return rc;
    provider_get(p, url, ret_request);
    provider_add_header(ret_request, arena, "X-Query-Key", p->key);
    return 0;
}

static void answer(const struct metric_provider *p, const struct http_response *r,
                   struct arena *arena, struct metric_answer *a)
{
    const struct answer_json *json, *results, *value;
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
    results = answer_json_get(json, "results");
    value = answer_json_count(results) == 1 ? answer_json_get(answer_json_at(results, 0), "result")
                                            : NULL;
    if (!value || value->kind != JSON_NUMBER || !num_parse(value->text, value->len, &v))
        answer_none(a, provider_text(arena, "invalid response: %s: " NO_VALUES, r->body));
    else
        answer_value(a, v);
}

static int online_request(const struct metric_provider *p, int64_t now_ms, struct arena *arena,
                          struct http_request *ret_request, const char **reterr)
{
    return request(p, "SELECT * FROM Metric", now_ms, arena, ret_request, reterr);
}

const struct provider_ops provider_newrelic = {
    .type = "newrelic",
    .build = build,
    .request = request,
    .answer = answer,
    .online_request = online_request,
    .online_answer = provider_online_answer,
    .transport_error = "request failed: %s",
};
