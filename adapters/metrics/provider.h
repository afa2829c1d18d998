/*
 * adapters/metrics/provider.h — metric servers: what is asked of them, and what their answers mean.
 *
 * A provider is built from a MetricTemplate's spec and its Secret, once per query, in an arena.
 * Request builders and answer readers are pure; metric_provider_query and _online run them over an
 * HTTP client. Requests, values and error texts are Flagger 1.44's, except where a text would be
 * broken or a crash (docs: deviations). Nothing here logs, and no error text holds a secret: only
 * what the server said. Run queries over a client with HTTP_REACH_NO_LINK_LOCAL: addresses come out
 * of manifests.
 */
#ifndef COALMINE_METRICS_PROVIDER_H
#define COALMINE_METRICS_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/arena.h"
#include "adapters/base/clock.h"
#include "adapters/http/http.h"
#include "adapters/metrics/metric.h"

#define METRIC_TIMEOUT_MS 5000
#define METRIC_BODY_MAX (4u * 1024u * 1024u)

struct metric_secret {
    const char *key, *value;
};

/* spec.provider of a MetricTemplate, and what goes with it. Borrowed while the provider lives. */
struct metric_provider_spec {
    const char
        *type; /* "prometheus", ...; an unknown one is taken as prometheus, as Flagger does */
    const char *address;               /* NULL reads as "" */
    const char *region;                /* cloudwatch */
    const struct http_header *headers; /* prometheus only */
    size_t header_count;
    bool insecure_skip_verify;
    bool has_secret; /* spec.secretRef is set */
    const struct metric_secret *secret;
    size_t secret_count;
    const char *interval; /* of the metric, as written */
    /* for providers that are Kubernetes APIs (keptn, externalmetrics): how the operator reaches its
     * own */
    const char *kube_server, *kube_token;
    const struct http_tls *kube_tls;
};

struct metric_provider;

/* The types there are, NULL-terminated, in the order of the CRD. */
const char *const *metric_provider_types(void);
/* NULL with *reterr when the spec or the secret is wrong: "datadog credentials does not contain
 * ...". */
struct metric_provider *metric_provider_new(struct arena *arena,
                                            const struct metric_provider_spec *spec,
                                            const char **reterr);
/*
 * The request for a query, everything in `arena`. `now_ms` is wall time. Returns 0, or -EINVAL with
 * *reterr. -ENOTSUP for a provider that needs more than one request: run it with
 * metric_provider_query.
 */
int metric_provider_request(const struct metric_provider *p, const char *query, int64_t now_ms,
                            struct arena *arena, struct http_request *ret_request,
                            const char **reterr);
/* What an answer means. Never fails: the outcome tells. */
void metric_provider_answer(const struct metric_provider *p, const struct http_response *response,
                            struct arena *arena, struct metric_answer *ret_answer);
/* The request that shows whether the server is there and lets us in, and what its answer means. */
int metric_provider_online_request(const struct metric_provider *p, int64_t now_ms,
                                   struct arena *arena, struct http_request *ret_request,
                                   const char **reterr);
/* NULL = online, else why not. */
const char *metric_provider_online_answer(const struct metric_provider *p,
                                          const struct http_response *response,
                                          struct arena *arena);

/* Ask and wait. */
void metric_provider_query(const struct metric_provider *p, const struct http_client *http,
                           const struct clock *clock, const char *query, struct arena *arena,
                           struct metric_answer *ret_answer);
/* Values at equal distances, for judges that compare samples. Prometheus alone answers these. */
struct metric_range {
    int64_t start_ms, end_ms, step_ms; /* wall time; both ends are asked for */
};
struct metric_values {
    const double *values; /* in the arena, in the order of time; NaN is left out */
    uint32_t count;
    const char *error; /* NULL, or why there are none */
};
#define METRIC_VALUES_MAX 11000 /* what Prometheus answers at most */
bool metric_provider_has_ranges(const struct metric_provider *p);
/* Of several series the last counts, as for a single value. */
void metric_provider_range_answer(const struct metric_provider *p,
                                  const struct http_response *response, struct arena *arena,
                                  struct metric_values *ret_values);
void metric_provider_range(const struct metric_provider *p, const struct http_client *http,
                           const char *query, const struct metric_range *range, struct arena *arena,
                           struct metric_values *ret_values);
/* NULL = online, else why not. */
const char *metric_provider_online(const struct metric_provider *p, const struct http_client *http,
                                   const struct clock *clock, struct arena *arena);

#endif
