/* adapters/metrics/provider_int.h — what one metric provider has to know, and what they share. */
#ifndef COALMINE_METRICS_PROVIDER_INT_H
#define COALMINE_METRICS_PROVIDER_INT_H

#include "adapters/metrics/provider.h"
#include "adapters/metrics/url.h"

struct provider_ops {
    const char *type;
    /* Check the spec and the secret. NULL = good, else what is wrong. */
    const char *(*build)(struct metric_provider *p, struct arena *arena);
    int (*request)(const struct metric_provider *p, const char *query, int64_t now_ms,
                   struct arena *arena, struct http_request *ret_request, const char **reterr);
    void (*answer)(const struct metric_provider *p, const struct http_response *r,
                   struct arena *arena, struct metric_answer *ret_answer);
    int (*online_request)(const struct metric_provider *p, int64_t now_ms, struct arena *arena,
                          struct http_request *ret_request, const char **reterr);
    const char *(*online_answer)(const struct metric_provider *p, const struct http_response *r,
                                 struct arena *arena);
    /* for queries of several requests; NULL for the others */
    void (*query)(const struct metric_provider *p, const struct http_client *http,
                  const struct clock *clock, const char *query, struct arena *arena,
                  struct metric_answer *ret_answer);
    /* for range queries; NULL: the provider has none */
    int (*range_request)(const struct metric_provider *p, const char *query,
                         const struct metric_range *range, struct arena *arena,
                         struct http_request *ret_request);
    void (*range_answer)(const struct metric_provider *p, const struct http_response *r,
                         struct arena *arena, struct metric_values *ret_values);
    const char *transport_error; /* "request failed: %s" for most */
    bool always_online;
};

struct metric_provider {
    const struct provider_ops *ops;
    struct metric_provider_spec spec;
    const char *type;                 /* as the template has it */
    struct url url;                   /* providers with a checked address */
    const char *endpoint;             /* the others: address and path */
    const char *account, *key, *key2; /* user or account, password or token, second token */
    int64_t window_ns;                /* the metric's interval */
    struct http_tls tls;
};

extern const struct provider_ops provider_prometheus, provider_datadog, provider_newrelic,
    provider_graphite, provider_dynatrace;

/* The value of a secret's key, or NULL. */
const char *provider_secret(const struct metric_provider *p, const char *key);
/* Parse spec.interval into window_ns. NULL or the error. */
const char *provider_read_interval(struct metric_provider *p, struct arena *arena);
/* Parse the address into url. NULL or "TYPE address ADDRESS is not a valid URL". */
const char *provider_read_address(struct metric_provider *p, struct arena *arena);
/* Name and password, both wanted when there is a secretRef. NULL or the error. */
const char *provider_read_login(struct metric_provider *p, struct arena *arena);

/* Start a GET with the provider's time limit and TLS. */
void provider_get(const struct metric_provider *p, const char *url,
                  struct http_request *ret_request);
void provider_add_header(struct http_request *req, struct arena *arena, const char *name,
                         const char *value);
/* "Basic dTpw" for a name and password. */
const char *provider_basic_auth(struct arena *arena, const char *user, const char *password);
/* `endpoint` with the pairs of `q` added to its query. Returns 0 or -EINVAL with *reterr
 * (prefixed). */
int provider_url(struct arena *arena, const char *endpoint, struct url_query *more,
                 const char *prefix, const char **ret_url, const char **reterr);

void answer_value(struct metric_answer *a, double value);
void answer_none(struct metric_answer *a, const char *text);
void answer_error(struct metric_answer *a, const char *text);
/* printf into the arena; never NULL. */
const char *provider_text(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define NO_VALUES "no values found"
#define MULTIPLE_VALUES "query returned multiple values"

/* The availability of servers that answer 200 to a probe: NULL, or the error text in the arena. */
const char *provider_online_answer(const struct metric_provider *p, const struct http_response *r,
                                   struct arena *arena);

#endif
