/* adapters/metrics/builtin.c — the built-in queries of every provider. */
#include "adapters/metrics/builtin.h"

#include <errno.h>
#include <string.h>

#include "adapters/metrics/template.h"

struct builtin {
    const char *name;
    bool seconds;    /* durations are answered in seconds */
    bool bare_rate;  /* errors of the rate are not wrapped */
    bool words_only; /* every other character in the names becomes _ */
    const char *rate, *duration;
};

/* sum(rate(good)) / sum(rate(all)) * 100 */
#define RATE(metric, all, good)                                                                    \
    " sum( rate( " metric "{ " all good " }[{{ interval }}] ) ) / sum( rate( " metric "{ " all     \
    " }[{{ interval }}] ) ) * 100"
/* as above, where Flagger leaves a comma before the closing brace of the second selector */
#define RATE_COMMA(metric, all, good)                                                              \
    " sum( rate( " metric "{ " all " " good " }[{{ interval }}] ) ) / sum( rate( " metric "{ " all \
    " }[{{ interval }}] ) ) * 100"
#define P99(metric, all)                                                                           \
    " histogram_quantile( 0.99, sum( rate( " metric "{ " all " }[{{ interval }}] ) ) by (le) )"
#define MEAN(metric, all)                                                                          \
    " sum( rate( " metric "_sum{ " all " }[{{ interval }}] ) ) / sum( rate( " metric               \
    "_count{ " all " }[{{ interval }}] ) ) * 1000"

#define ISTIO                                                                                      \
    "reporter=\"destination\", destination_workload_namespace=\"{{ namespace }}\", "               \
    "destination_workload=~\"{{ target }}\""
#define PODS                                                                                       \
    "kubernetes_namespace=\"{{ namespace }}\", kubernetes_pod_name=~\"{{ target "                  \
    "}}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)\""
#define NGINX "namespace=\"{{ namespace }}\", ingress=\"{{ ingress }}\", canary!=\"\""
#define CONTOUR "envoy_cluster_name=~\"{{ namespace }}_{{ service }}-canary_[0-9a-zA-Z-]+\","
#define GLOO                                                                                       \
    "envoy_cluster_name=~\"{{ namespace }}-{{ target "                                             \
    "}}-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+\","
#define TRAEFIK "service=~\"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd\""
#define OSM                                                                                        \
    "destination_namespace=\"{{ namespace }}\", destination_kind=\"Deployment\", "                 \
    "destination_name=\"{{ target }}\""
#define KUMA "service=~\"{{ target }}-canary_{{ namespace }}_svc_[0-9a-zA-Z-]+\","
#define APISIX "route=~\"{{ namespace }}_{{ route }}-{{ target }}-canary_.+\""
#define KNATIVE "envoy_cluster_name=~\"{{ namespace }}/{{ route }}\","
#define SKIPPER                                                                                    \
    "{{- $route := printf \"kube(ew)?_%s__%s_canary__.*__%s_canary(_[0-9]+)?\" namespace ingress " \
    "service }}"
#define ENVOY_GOOD "envoy_response_code!~\"5.*\""
#define LINKERD "namespace=\"{{ namespace }}\", deployment=~\"{{ target }}\", "

static const struct builtin builtins[] = {
    {"appmesh", false, false, false, RATE("envoy_cluster_upstream_rq", PODS, ", " ENVOY_GOOD),
     P99("envoy_cluster_upstream_rq_time_bucket", PODS)},
    {"linkerd", false, false, false,
     " sum( rate( response_total{ " LINKERD
     "classification!=\"failure\", direction=\"inbound\" }[{{ interval }}] ) ) / "
     "sum( rate( response_total{ " LINKERD "direction=\"inbound\" }[{{ interval }}] ) ) * 100",
     P99("response_latency_ms_bucket", LINKERD "direction=\"inbound\"")},
    {"istio", false, false, false, RATE("istio_requests_total", ISTIO, ", response_code!~\"5.*\""),
     P99("istio_request_duration_milliseconds_bucket", ISTIO)},
    {"contour", false, false, false, RATE_COMMA("envoy_cluster_upstream_rq", CONTOUR, ENVOY_GOOD),
     P99("envoy_cluster_upstream_rq_time_bucket", CONTOUR)},
    {"gloo", false, false, false, RATE_COMMA("envoy_cluster_upstream_rq", GLOO, ENVOY_GOOD),
     P99("envoy_cluster_upstream_rq_time_bucket", GLOO)},
    {"nginx", false, false, false,
     RATE("nginx_ingress_controller_requests", NGINX, ", status!~\"5.*\""),
     MEAN("nginx_ingress_controller_response_duration_seconds", NGINX)},
    {"http", true, true, false,
     RATE("http_request_duration_seconds_count", PODS, ", status!~\"5.*\""),
     P99("http_request_duration_seconds_bucket", PODS)},
    {"skipper", false, false, true,
     SKIPPER " sum(rate(skipper_response_duration_seconds_bucket{route=~\"{{ $route "
             "}}\",code!~\"5..\",le=\"+Inf\"}"
             "[{{ interval }}])) / sum(rate(skipper_response_duration_seconds_bucket{route=~\"{{ "
             "$route }}\","
             "le=\"+Inf\"}[{{ interval }}])) * 100",
     SKIPPER " sum(rate(skipper_serve_route_duration_seconds_sum{route=~\"{{ $route }}\"}[{{ "
             "interval }}])) / "
             "sum(rate(skipper_serve_route_duration_seconds_count{route=~\"{{ $route }}\"}[{{ "
             "interval }}])) * 1000"},
    {"traefik", false, false, false,
     " sum( rate( traefik_service_request_duration_seconds_bucket{ " TRAEFIK
     ", code!~\"5..\", le=\"+Inf\" }[{{ interval }}] ) ) / sum( rate( "
     "traefik_service_request_duration_seconds_bucket{ " TRAEFIK
     ", le=\"+Inf\" }[{{ interval }}] ) ) * 100",
     P99("traefik_service_request_duration_seconds_bucket", TRAEFIK) " * 1000"},
    {"osm", false, false, false, RATE("osm_request_total", OSM, ", response_code!~\"5.*\""),
     P99("osm_request_duration_ms_bucket", OSM)},
    {"kuma", false, false, false, RATE_COMMA("envoy_cluster_upstream_rq", KUMA, ENVOY_GOOD),
     P99("envoy_cluster_upstream_rq_time_bucket", KUMA)},
    {"apisix", false, false, false, RATE("apisix_http_status", APISIX, ", code!~\"5..\""),
     P99("apisix_http_latency_bucket", "type=~\"request\", " APISIX)},
    {"knative", false, false, false, RATE_COMMA("envoy_cluster_upstream_rq", KNATIVE, ENVOY_GOOD),
     P99("envoy_cluster_upstream_rq_time_bucket", KNATIVE)},
};
#define BUILTIN_COUNT (sizeof builtins / sizeof *builtins)

static const struct builtin *by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        if (strlen(builtins[i].name) == len && memcmp(builtins[i].name, name, len) == 0)
            return &builtins[i];
    }
    return NULL;
}

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

const struct builtin *builtin_find(const char *key, enum builtin_lookup lookup)
{
    static const char service[] = ":service";
    size_t len = strlen(key);
    const struct builtin *b;

    if (lookup == BUILTIN_STRICT && len >= sizeof service - 1 &&
        strcmp(key + len - (sizeof service - 1), service) == 0)
        len -= sizeof service - 1;
    if (starts(key, "appmesh"))
        return by_name("appmesh", 7);
    if (starts(key, "gloo"))
        return by_name("gloo", 4);
    if (starts(key, "gatewayapi") || (len == 10 && starts(key, "kubernetes")))
        return by_name("http", 4);
    b = by_name(key, len);
    /* "http" is our name for a family, not a key */
    return b && !b->seconds ? b : by_name("istio", 5);
}

const char *builtin_name(const struct builtin *b)
{
    return b->name;
}

const char *builtin_rate_template(const struct builtin *b)
{
    return b->rate;
}

const char *builtin_duration_template(const struct builtin *b)
{
    return b->duration;
}

/* Go's \W: all but 0-9 A-Z a-z _; a character, not a byte, becomes one underscore. */
static const char *words_only(struct arena *arena, const char *s)
{
    char *out = arena_alloc(arena, strlen(s ? s : "") + 1);
    size_t n = 0;

    for (; out && s && *s; s++) {
        bool word = *s == '_' || (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
                    (*s >= 'A' && *s <= 'Z');

        if (((unsigned char)*s & 0xc0) != 0x80)
            out[n++] = (char)(word ? *s : '_');
    }
    return out;
}

static int render(const struct builtin *b, bool wrapped, const char *text,
                  const struct metric_model *model, struct arena *arena, const char **ret_query,
                  const char **reterr)
{
    struct metric_model m = *model;
    struct strbuf out = STRBUF_INIT;
    struct template_error e;
    struct template *t = template_parse(arena, text, strlen(text), &e);
    int rc;

    if (b->words_only) {
        m.name = words_only(arena, m.name);
        m.name_space = words_only(arena, m.name_space);
        m.target = words_only(arena, m.target);
        m.service = words_only(arena, m.service);
        m.ingress = words_only(arena, m.ingress);
    }
    rc = t ? template_render(t, &m, arena, &out, &e) : -EINVAL;
    if (rc == 0) {
        *ret_query = arena_strndup(arena, strbuf_str(&out), out.len);
        rc = *ret_query ? 0 : -ENOMEM;
    }
    if (rc != 0) {
        *reterr = arena_printf(arena, "%s%s", wrapped ? "rendering query failed: " : "", e.text);
        if (!*reterr)
            *reterr = "out of memory";
    }
    strbuf_release(&out);
    return rc;
}

int builtin_render(const struct builtin *b, bool duration, const struct metric_model *model,
                   struct arena *arena, const char **ret_query, const char **reterr)
{
    return render(b, duration || !b->bare_rate, duration ? b->duration : b->rate, model, arena,
                  ret_query, reterr);
}

/* ---- for judges
 * ----------------------------------------------------------------------------------------- */

static const char *replace(struct arena *arena, const char *text, const char *what,
                           const char *with)
{
    struct strbuf out = STRBUF_INIT;
    const char *at, *copy;

    for (; (at = strstr(text, what)) != NULL; text = at + strlen(what)) {
        strbuf_add(&out, text, (size_t)(at - text));
        strbuf_adds(&out, with);
    }
    strbuf_adds(&out, text);
    copy = out.failed ? NULL : arena_strndup(arena, strbuf_str(&out), out.len);
    strbuf_release(&out);
    return copy;
}

/* Every rate is "sum(rate(good)) / sum(rate(all)) * 100", behind a definition in braces or not. */
static const char *count_template(const struct builtin *b, bool succeeded, struct arena *arena)
{
    static const char percent[] = " * 100";
    const char *body = strncmp(b->rate, "{{-", 3) == 0 ? strstr(b->rate, "}}") + 2 : b->rate;
    const char *over = strstr(body, " / "), *end = b->rate + strlen(b->rate) - (sizeof percent - 1);
    const char *part = succeeded ? body : over + 3, *stop = succeeded ? over : end;
    const char *text =
        arena_printf(arena, "%.*s%.*s", (int)(body - b->rate), b->rate, (int)(stop - part), part);

    return text ? replace(arena, text, "rate(", "increase(") : NULL;
}

/* The same of the primary: its workload, its service, or requests without a canary's label. */
static const char *primary_template(const struct builtin *b, const char *text, struct arena *arena)
{
    static const char skipper[] = ".*__%s_canary"; /* routes of both are in the canary's Ingress */

    if (strstr(text, skipper))
        return replace(arena, text, skipper, ".*__%s_primary");
    if (strstr(text, "canary!="))
        return replace(arena, text, "canary!=", "canary=");
    if (strcmp(b->name, "apisix") == 0 || strcmp(b->name, "knative") == 0)
        return NULL;
    if (strstr(text, "-canary"))
        return replace(arena, text, "-canary", "-primary");
    return replace(arena, text, "{{ target }}", "{{ target }}-primary");
}

int builtin_render_part(const struct builtin *b, enum builtin_part part, bool primary,
                        const struct metric_model *model, struct arena *arena,
                        const char **ret_query, const char **reterr)
{
    const char *text = part == BUILTIN_RATE ? b->rate
                       : part == BUILTIN_DURATION
                           ? b->duration
                           : count_template(b, part == BUILTIN_SUCCEEDED, arena);

    if (text && primary && !(text = primary_template(b, text, arena))) {
        *reterr = "the provider does not tell canary and primary apart";
        return -ENOTSUP;
    }
    if (!text) {
        *reterr = "out of memory";
        return -ENOMEM;
    }
    return render(b, true, text, model, arena, ret_query, reterr);
}

const char *builtin_error(const struct builtin *b, bool duration, struct arena *arena,
                          const char *cause)
{
    const char *text = cause;

    if (duration || !b->bare_rate)
        text = arena_printf(arena, "running query failed: %s", cause);
    return text ? text : "out of memory";
}

int64_t builtin_duration_ms(const struct builtin *b, double answer)
{
    double ms = b->seconds ? answer * 1000 : answer;
    uint64_t wrapped;
    int64_t ns;

    /* what does not fit counts as 0, as Go's conversion and multiplication end up on amd64 */
    if (!(ms > -9223372036854775808.0 && ms < 9223372036854775808.0))
        return 0;
    wrapped = (uint64_t)(int64_t)ms * 1000000u;
    memcpy(&ns, &wrapped, sizeof ns);
    return ns / 1000000;
}
