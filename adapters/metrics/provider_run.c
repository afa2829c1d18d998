/* adapters/metrics/provider_run.c — runs queries and probes of metric providers over an HTTP
 * client. */
#include <string.h>

#include "adapters/metrics/provider_int.h"

/* Send a request. NULL when the server answered, else the text of the failure. */
static const char *perform(const struct metric_provider *p, const struct http_client *http,
                           struct http_request *req, struct arena *arena,
                           struct http_response *ret_response)
{
    const char *format = p->ops->transport_error;
    int before = (int)strcspn(format, "%");
    const char *why = url_unusable(arena, req->method, req->url);

    memset(ret_response, 0, sizeof *ret_response);
    if (!why && http->perform(http->self, req, ret_response) != 0)
        why = provider_text(arena, "%s", ret_response->error);
    return why ? provider_text(arena, "%.*s%s", before, format, why) : NULL;
}

void metric_provider_query(const struct metric_provider *p, const struct http_client *http,
                           const struct clock *clock, const char *query, struct arena *arena,
                           struct metric_answer *ret_answer)
{
    struct http_response response;
    struct http_request req;
    const char *why = "out of memory";

    if (p->ops->query) {
        p->ops->query(p, http, clock, query, arena, ret_answer);
        return;
    }
    if (metric_provider_request(p, query, clock->wall_ms(clock->self), arena, &req, &why) != 0) {
        answer_error(ret_answer, why);
        return;
    }
    why = perform(p, http, &req, arena, &response);
    if (why)
        answer_error(ret_answer, why);
    else
        metric_provider_answer(p, &response, arena, ret_answer);
    http_response_release(&response);
}

bool metric_provider_has_ranges(const struct metric_provider *p)
{
    return p->ops->range_request != NULL;
}

void metric_provider_range_answer(const struct metric_provider *p,
                                  const struct http_response *response, struct arena *arena,
                                  struct metric_values *ret_values)
{
    *ret_values = (struct metric_values){0};
    p->ops->range_answer(p, response, arena, ret_values);
}

void metric_provider_range(const struct metric_provider *p, const struct http_client *http,
                           const char *query, const struct metric_range *range, struct arena *arena,
                           struct metric_values *ret_values)
{
    struct http_response response;
    struct http_request req;
    const char *why;

    *ret_values = (struct metric_values){.error = "out of memory"};
    if (p->ops->range_request(p, query, range, arena, &req) != 0)
        return;
    why = perform(p, http, &req, arena, &response);
    if (why)
        ret_values->error = why;
    else
        metric_provider_range_answer(p, &response, arena, ret_values);
    http_response_release(&response);
}

const char *metric_provider_online(const struct metric_provider *p, const struct http_client *http,
                                   const struct clock *clock, struct arena *arena)
{
    struct http_response response;
    struct http_request req;
    const char *why = "out of memory";

    if (p->ops->always_online)
        return NULL;
    if (metric_provider_online_request(p, clock->wall_ms(clock->self), arena, &req, &why) != 0)
        return why;
    why = perform(p, http, &req, arena, &response);
    if (why && (p->ops == &provider_prometheus || p->ops == &provider_graphite))
        why = provider_text(arena, "running query failed: %s", why);
    if (!why)
        why = p->ops->online_answer(p, &response, arena);
    http_response_release(&response);
    return why;
}
