/* adapters/metrics/provider.c — the table of metric providers, what they share, and how a query is
 * run. */
#include "adapters/metrics/provider_int.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "adapters/metrics/gotext.h"

static const struct provider_ops *const providers[] = {
    &provider_prometheus, &provider_datadog,   &provider_newrelic,
    &provider_graphite,   &provider_dynatrace,
};
#define PROVIDER_COUNT (sizeof providers / sizeof *providers)

const char *const *metric_provider_types(void)
{
    static const char *const names[] = {"prometheus",  "influxdb",   "datadog",  "externalmetrics",
                                        "stackdriver", "cloudwatch", "newrelic", "graphite",
                                        "dynatrace",   "keptn",      "splunk",   NULL};

    return names;
}

const char *provider_text(struct arena *arena, const char *format, ...)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;
    va_list args;

    va_start(args, format);
    strbuf_addv(&b, format, args);
    va_end(args);
    text = b.failed ? NULL : arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return text ? text : "out of memory";
}

struct metric_provider *metric_provider_new(struct arena *arena,
                                            const struct metric_provider_spec *spec,
                                            const char **reterr)
{
    struct metric_provider *p = arena_alloc(arena, sizeof *p);

    *reterr = "out of memory";
    if (!p)
        return NULL;
    p->spec = *spec;
    p->type = spec->type ? spec->type : "";
    p->spec.address = spec->address ? spec->address : "";
    p->spec.interval = spec->interval ? spec->interval : "";
    p->url = (struct url){.scheme = "", .host = "", .path = ""};
    p->ops = &provider_prometheus; /* also for a type that is none */
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        if (strcmp(providers[i]->type, p->type) == 0)
            p->ops = providers[i];
    }
    for (const char *const *type = metric_provider_types(); *type; type++) {
        if (strcmp(*type, p->type) == 0 && strcmp(p->ops->type, p->type) != 0) {
            *reterr =
                provider_text(arena, "the provider %s is not supported by this version", p->type);
            return NULL;
        }
    }
    *reterr = p->ops->build(p, arena);
    return *reterr ? NULL : p;
}

/* ---- for the providers ------------------------------------------- */

const char *provider_secret(const struct metric_provider *p, const char *key)
{
    for (size_t i = 0; i < p->spec.secret_count; i++) {
        if (strcmp(p->spec.secret[i].key, key) == 0)
            return p->spec.secret[i].value;
    }
    return NULL;
}

const char *provider_read_interval(struct metric_provider *p, struct arena *arena)
{
    const char *why;

    if (go_parse_duration(arena, p->spec.interval, &p->window_ns, &why) == 0)
        return NULL;
    return provider_text(arena, "error parsing metric interval: %s", why);
}

const char *provider_read_address(struct metric_provider *p, struct arena *arena)
{
    const char *why;

    if (*p->spec.address && url_parse(arena, p->spec.address, &p->url, &why) == 0)
        return NULL;
    return provider_text(arena, "%s address %s is not a valid URL", p->type, p->spec.address);
}

const char *provider_read_login(struct metric_provider *p, struct arena *arena)
{
    if (!p->spec.has_secret)
        return NULL;
    p->account = provider_secret(p, "username");
    if (!p->account)
        return provider_text(arena, "%s credentials does not contain a username", p->type);
    p->key = provider_secret(p, "password");
    if (!p->key)
        return provider_text(arena, "%s credentials does not contain a password", p->type);
    return NULL;
}

void provider_get(const struct metric_provider *p, const char *url,
                  struct http_request *ret_request)
{
    *ret_request = (struct http_request){
        .method = "GET",
        .url = url,
        .timeout_ms = METRIC_TIMEOUT_MS,
        .body_max = METRIC_BODY_MAX,
        .follow_redirects = true,
        .tls = p->tls.insecure ? &p->tls : NULL,
    };
}

void provider_add_header(struct http_request *req, struct arena *arena, const char *name,
                         const char *value)
{
    struct http_header *more = arena_alloc(arena, (req->header_count + 1) * sizeof *more);

    if (!more)
        return;
    if (req->header_count)
        memcpy(more, req->headers, req->header_count * sizeof *more);
    more[req->header_count++] = (struct http_header){name, value};
    req->headers = more;
}

const char *provider_basic_auth(struct arena *arena, const char *user, const char *password)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *plain = provider_text(arena, "%s:%s", user, password), *text;
    size_t len = strlen(plain);
    struct strbuf b = STRBUF_INIT;

    strbuf_adds(&b, "Basic ");
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)plain[i] << 16;

        v |= i + 1 < len ? (uint32_t)(unsigned char)plain[i + 1] << 8 : 0;
        v |= i + 2 < len ? (unsigned char)plain[i + 2] : 0;
        strbuf_addc(&b, digits[v >> 18]);
        strbuf_addc(&b, digits[v >> 12 & 63]);
        strbuf_addc(&b, i + 1 < len ? digits[v >> 6 & 63] : '=');
        strbuf_addc(&b, i + 2 < len ? digits[v & 63] : '=');
    }
    text = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return text ? text : "";
}

int provider_url(struct arena *arena, const char *endpoint, struct url_query *more,
                 const char *prefix, const char **ret_url, const char **reterr)
{
    struct url_query q;
    const char *why;
    struct url u;

    if (url_parse(arena, endpoint, &u, &why) != 0) {
        *reterr = provider_text(arena, "%s%s", prefix, why);
        return -EINVAL;
    }
    url_query_parse(arena, u.query, &q);
    for (size_t i = 0; i < more->count; i++)
        url_query_add(arena, &q, more->items[i].key, more->items[i].value);
    u.query = q.count ? url_query_encode(arena, &q) : u.query;
    *ret_url = url_string(arena, &u, false);
    return 0;
}

void answer_value(struct metric_answer *a, double value)
{
    *a = (struct metric_answer){ANSWER_VALUE, value, ""};
}

void answer_none(struct metric_answer *a, const char *text)
{
    *a = (struct metric_answer){ANSWER_NONE, 0, text};
}

void answer_error(struct metric_answer *a, const char *text)
{
    *a = (struct metric_answer){ANSWER_ERROR, 0, text};
}

/* ---- asking ------------------------------------------------------ */

int metric_provider_request(const struct metric_provider *p, const char *query, int64_t now_ms,
                            struct arena *arena, struct http_request *ret_request,
                            const char **reterr)
{
    if (!p->ops->request)
        return -ENOTSUP;
    return p->ops->request(p, query, now_ms, arena, ret_request, reterr);
}

void metric_provider_answer(const struct metric_provider *p, const struct http_response *response,
                            struct arena *arena, struct metric_answer *ret_answer)
{
    if (response->truncated)
        answer_error(ret_answer, "error reading body: the answer is larger than 4 MiB");
    else
        p->ops->answer(p, response, arena, ret_answer);
}

int metric_provider_online_request(const struct metric_provider *p, int64_t now_ms,
                                   struct arena *arena, struct http_request *ret_request,
                                   const char **reterr)
{
    if (!p->ops->online_request)
        return -ENOTSUP;
    return p->ops->online_request(p, now_ms, arena, ret_request, reterr);
}

const char *metric_provider_online_answer(const struct metric_provider *p,
                                          const struct http_response *response, struct arena *arena)
{
    return p->ops->online_answer(p, response, arena);
}

const char *provider_online_answer(const struct metric_provider *p, const struct http_response *r,
                                   struct arena *arena)
{
    (void)p;
    return r->status == 200 ? NULL : provider_text(arena, "error response: %s", r->body);
}
