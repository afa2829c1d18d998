/* adapters/metrics/provider_graphite.c — Graphite: the last datapoint that is not null, of all
 * targets. */
#include <errno.h>
#include <string.h>

#include "adapters/metrics/answer_json.h"
#include "adapters/metrics/gotext.h"
#include "adapters/metrics/provider_int.h"
#include "engine/num.h"

static const struct shape any_shape = {.kind = SHAPE_ANY};
static const struct shape anys_shape = {
    .kind = SHAPE_SLICE, .type = "[]interface {}", .elem = &any_shape};

static const char *printed(struct arena *arena, const char *before, const struct answer_json *v)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;

    strbuf_adds(&b, before);
    if (v && v->kind != JSON_NULL)
        answer_json_print(v, &b);
    else
        strbuf_adds(&b, "<nil>");
    text = provider_text(arena, "%s", strbuf_str(&b));
    strbuf_release(&b);
    return text;
}

/* A pair of value and time: numbers, numbers as text, or null. */
static const char *check_point(struct arena *arena, const struct answer_json *v)
{
    const char *why = answer_json_check(arena, v, &anys_shape);
    const struct answer_json *value, *at;
    double real;
    int64_t whole;

    if (why)
        return why;
    if (v->kind == JSON_NULL)
        return "error unmarshaling data point: []";
    if (v->count != 2)
        return printed(arena, "error unmarshaling data point: ", v);
    value = v->first;
    at = v->last;
    if (value->kind == JSON_STRING &&
        go_parse_float(arena, value->text, value->len, &real, &why) != 0)
        return why;
    if (value->kind == JSON_BOOL || value->kind == JSON_ARRAY || value->kind == JSON_OBJECT)
        return printed(arena, "error unmarshaling value: ", value);
    if (at->kind == JSON_STRING && go_parse_int(arena, at->text, at->len, &whole, &why) != 0)
        return why;
    if (at->kind == JSON_BOOL || at->kind == JSON_ARRAY || at->kind == JSON_OBJECT)
        return printed(arena, "error unmarshaling timestamp: ", value);
    return NULL;
}

static const struct shape string_shape = {.kind = SHAPE_STRING, .type = "string"};
static const struct shape point_shape = {.kind = SHAPE_CUSTOM, .custom = check_point};
static const struct shape points_shape = {
    .kind = SHAPE_SLICE, .type = "[]providers.graphiteDataPoint", .elem = &point_shape};
static const struct shape target_shape = {
    .kind = SHAPE_STRUCT,
    .type = "providers.graphiteTargetResp",
    .name = "graphiteTargetResp",
    .fields = (const struct shape_field[]){
        {"target", &string_shape}, {"datapoints", &points_shape}, {0}}};
static const struct shape response_shape = {
    .kind = SHAPE_SLICE, .type = "providers.graphiteResponse", .elem = &target_shape};

static const char *build(struct metric_provider *p, struct arena *arena)
{
    const char *wrong = provider_read_address(p, arena);

    if (wrong)
        return wrong;
    p->tls.insecure = p->spec.insecure_skip_verify;
    return provider_read_login(p, arena);
}

/* The query is itself the query of a URL: `target=a(b, 'c')&from=-2min`. */
static int request(const struct metric_provider *p, const char *query, int64_t now_ms,
                   struct arena *arena, struct http_request *ret_request, const char **reterr)
{
    struct url u = p->url, ref;
    struct url_query q;
    const char *why;

    (void)now_ms;
    if (url_parse(arena, provider_text(arena, "./render?%s", go_fold_space(arena, query)), &ref,
                  &why) != 0) {
        *reterr = provider_text(arena, "url.Parse failed: %s", why);
        return -EINVAL;
    }
    url_query_parse(arena, ref.query, &q);
    url_query_set(arena, &q, "format", "json");
    u.opaque = NULL;
    u.path = url_join_path(arena, u.path, "render");
    if (*u.path != '/')
        u.path = provider_text(arena, "/%s", u.path);
    u.query = url_query_encode(arena, &q);
    u.fragment = NULL;
    provider_get(p, url_string(arena, &u, false), ret_request);
    if (p->account && *p->account && p->key && *p->key)
        provider_add_header(ret_request, arena, "Authorization",
                            provider_basic_auth(arena, p->account, p->key));
    return 0;
}

static void answer(const struct metric_provider *p, const struct http_response *r,
                   struct arena *arena, struct metric_answer *a)
{
    const struct answer_json *json;
    const char *why = NULL;
    bool found = false;
    double value = 0;

    (void)p;
    if (r->status >= 400) {
        answer_error(a, provider_text(arena, "error response: %s", r->body));
        return;
    }
    json = answer_json_read(arena, r->body, r->body_len, &response_shape, &why);
    if (!json) {
        answer_error(a, provider_text(arena, "error unmarshaling result: %s, '%s'", why, r->body));
        return;
    }
    for (const struct answer_json *t = json->first; t; t = t->next) {
        const struct answer_json *points = answer_json_get(t, "datapoints");

        for (const struct answer_json *d = points ? points->first : NULL; d; d = d->next) {
            if (d->first && d->first->kind != JSON_NULL) {
                num_parse(d->first->text, d->first->len, &value);
                found = true;
            }
        }
    }
    if (!found)
        answer_none(a, NO_VALUES);
    else
        answer_value(a, value);
}

static int online_request(const struct metric_provider *p, int64_t now_ms, struct arena *arena,
                          struct http_request *ret_request, const char **reterr)
{
    return request(p, "target=test", now_ms, arena, ret_request, reterr);
}

static const char *online_answer(const struct metric_provider *p, const struct http_response *r,
                                 struct arena *arena)
{
    struct metric_answer a;

    answer(p, r, arena, &a);
    if (a.outcome == ANSWER_VALUE || a.outcome == ANSWER_NONE)
        return NULL;
    return provider_text(arena, "running query failed: %s", a.text);
}

const struct provider_ops provider_graphite = {
    .type = "graphite",
    .build = build,
    .request = request,
    .answer = answer,
    .online_request = online_request,
    .online_answer = online_answer,
    .transport_error = "request failed: %s",
};
