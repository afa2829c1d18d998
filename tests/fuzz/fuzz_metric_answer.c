/*
 * Any bytes as the answer of any metric server: a value, no values, or an error with a text. The
 * first byte picks the provider, the second the status.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/metrics/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct metric_secret secrets[] = {
        {"datadog_api_key", "k"},    {"datadog_application_key", "a"}, {"newrelic_account_id", "1"},
        {"newrelic_query_key", "k"}, {"dynatrace_token", "t"},         {"username", "u"},
        {"password", "p"},
    };
    static const int statuses[] = {200, 202, 404, 500};
    static const char *const types[] = {"prometheus", "datadog", "newrelic", "graphite",
                                        "dynatrace"};
    struct metric_provider_spec spec = {.address = "http://metrics.test",
                                        .has_secret = true,
                                        .secret = secrets,
                                        .secret_count = sizeof secrets / sizeof *secrets,
                                        .interval = "1m"};
    struct http_response r = {0};
    struct arena *a = arena_new(0);
    struct metric_provider *p;
    struct metric_answer answer;
    const char *why = NULL;

    if (size >= 2) {
        spec.type = types[data[0] % (sizeof types / sizeof *types)];
        r.status = statuses[data[1] % 4];
        r.body_len = size - 2;
        r.body = malloc(r.body_len + 1);
        assert(r.body);
        memcpy(r.body, data + 2, r.body_len);
        r.body[r.body_len] = '\0';
        p = metric_provider_new(a, &spec, &why);
        assert(p);
        metric_provider_answer(p, &r, a, &answer);
        assert(answer.outcome == ANSWER_VALUE || (answer.text && *answer.text));
        metric_provider_online_answer(p, &r, a);
        if (metric_provider_has_ranges(p)) {
            struct metric_values range;

            metric_provider_range_answer(p, &r, a, &range);
            assert(range.error ? *range.error : range.count == 0 || range.values);
        }
        free(r.body);
    }
    arena_free(a);
    return 0;
}
