/*
 * Routers against poisoned objects: a Canary that uses every field and the objects made of it, in
 * which the input replaces values by others of any type. Nothing may crash or leak; every failing
 * call must say why.
 *
 * Input: provider, profile, then pairs (which value, by what). The first half of the pairs goes
 * into the Canary, the rest into the objects.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/objectmap.h"
#include "adapters/router/service.h"

static const char canary_text[] =
    "{\"metadata\":{\"name\":\"app\",\"namespace\":\"test\",\"uid\":\"u\",\"annotations\":{\"kuma."
    "io/mesh\":\"m\","
    "\"appmesh.flagger.app/"
    "accesslog\":\"enabled\"}},\"spec\":{\"targetRef\":{\"kind\":\"Deployment\",\"name\":\"app\"},"
    "\"ingressRef\":{\"name\":\"web\"},\"routeRef\":{\"name\":\"web\"},\"upstreamRef\":{\"name\":"
    "\"cfg\"},\"service\":{"
    "\"port\":80,\"targetPort\":\"http\",\"portDiscovery\":true,\"meshName\":\"m\",\"hosts\":["
    "\"a\"],\"gateways\":[\"g\"],"
    "\"gatewayRefs\":[{\"name\":\"g\",\"port\":1}],\"backends\":[\"arn:aws:x\",\"b\"],\"timeout\":"
    "\"1s\","
    "\"backendTimeout\":\"1s\",\"match\":[{\"uri\":{\"prefix\":\"/"
    "\"},\"headers\":{\"h\":{\"exact\":\"1\"}},"
    "\"method\":{\"exact\":\"GET\"}}],\"rewrite\":{\"uri\":\"/"
    "\",\"authority\":\"x\"},\"retries\":{\"attempts\":1,"
    "\"retryOn\":\"5xx,gateway-error\"},\"headers\":{\"request\":{\"add\":{\"a\":\"1\"},\"remove\":"
    "[\"r\"]},"
    "\"response\":{\"set\":{\"b\":\"2\"}}},\"mirror\":[{\"backendRef\":{\"name\":\"m\",\"port\":1}}"
    "],\"corsPolicy\":{"
    "\"allowOrigin\":[\"*\"],\"maxAge\":\"1h\",\"allowCredentials\":true},\"trafficPolicy\":{"
    "\"tls\":{\"mode\":"
    "\"DISABLE\"}},\"apex\":{\"labels\":{\"l\":\"1\"},\"annotations\":{\"n\":\"1\"}},"
    "\"unmanagedMetadata\":{\"labels\":"
    "[\"k\"]}},\"analysis\":{\"interval\":\"1m\",\"iterations\":2,\"mirror\":true,\"mirrorWeight\":"
    "5,\"match\":[{"
    "\"headers\":{\"x\":{\"exact\":\"1\"},\"cookie\":{\"exact\":\"c\"}},\"queryParams\":{\"q\":{"
    "\"regex\":\".\"}}}],"
    "\"sessionAffinity\":{\"cookieName\":\"c\",\"primaryCookieName\":\"p\"}}},\"status\":{"
    "\"phase\":\"Progressing\"}}";

static const char objects_text[] =
    "{\"networking.k8s.io/v1/"
    "ingresses|test|web\":{\"metadata\":{\"name\":\"web\",\"annotations\":{\"a\":\"b\","
    "\"zalando.org/skipper-predicate\":\"Method(1) && "
    "X\"}},\"spec\":{\"rules\":[{\"http\":{\"paths\":[{\"backend\":{"
    "\"service\":{\"name\":\"app\"}}}]}}]}},\"apisix.apache.org/v2/"
    "apisixroutes|test|web\":{\"metadata\":{\"name\":"
    "\"web\"},\"spec\":{\"http\":[{\"name\":\"r\",\"timeout\":{\"read\":\"1m\"},\"backends\":[{"
    "\"serviceName\":\"app\","
    "\"servicePort\":80}]}]}},\"gloo.solo.io/v1/"
    "upstreams|test|cfg\":{\"metadata\":{\"name\":\"cfg\"},\"spec\":{"
    "\"loadBalancerConfig\":{\"roundRobin\":{}}}},\"serving.knative.dev/v1/"
    "services|test|app\":{\"metadata\":{\"name\":"
    "\"app\"},\"spec\":{},\"status\":{\"latestCreatedRevisionName\":\"app-2\",\"traffic\":[{"
    "\"latestRevision\":true,"
    "\"revisionName\":\"app-2\",\"percent\":1},{\"revisionName\":\"app-1\",\"percent\":99}]}}}";

static const char pods_text[] =
    "{\"containers\":[{\"name\":\"a\",\"ports\":[{\"name\":\"http\",\"containerPort\":1},"
    "{\"containerPort\":2}]}]}";

static uint64_t zeros(void *self)
{
    (void)self;
    return 0;
}

/* The n-th value of a tree, counted as it stands; NULL past the end. */
static cJSON *nth(cJSON *v, unsigned *n)
{
    for (cJSON *item = v->child; item != NULL; item = item->next) {
        cJSON *found;

        if ((*n)-- == 0)
            return item;
        found = nth(item, n);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static cJSON *parent_of(cJSON *v, const cJSON *wanted)
{
    for (cJSON *item = v->child; item != NULL; item = item->next) {
        cJSON *found = item == wanted ? v : parent_of(item, wanted);

        if (found != NULL)
            return found;
    }
    return NULL;
}

static cJSON *poison_of(uint8_t kind)
{
    static const char *const texts[] = {
        "null", "[]",      "{}",        "0",     "-1",   "\"\"",           "true", "[null]",
        "[1]",  "\"x=y\"", "{\"a\":1}", "1e300", "[[]]", "\"app-canary\"", "[{}]", "100"};
    const char *text = texts[kind % (sizeof(texts) / sizeof(texts[0]))];

    return json_parse(text, strlen(text), NULL);
}

static void poison(cJSON *tree, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2) {
        unsigned n = data[i];
        cJSON *victim = nth(tree, &n), *parent = victim == NULL ? NULL : parent_of(tree, victim);

        if (parent == NULL)
            continue;
        if (cJSON_IsObject(parent))
            json_set(parent, victim->string, poison_of(data[i + 1]));
        else
            cJSON_ReplaceItemViaPointer(parent, victim, poison_of(data[i + 1]));
    }
}

static void perform(struct objectmap *map, struct router_result *result)
{
    struct router_writer writer = objectmap_writer(map);
    struct strbuf error = STRBUF_INIT;

    if (router_apply(result, &writer, &error) != 0 && error.len == 0)
        abort();
    strbuf_release(&error);
    router_result_release(result);
}

static void call_all(const struct router_request *q, struct objectmap *map)
{
    static const struct routing steps[] = {
        {100, 0, true}, {70, 30, false}, {0, 100, false}, {100, 0, false}};
    cJSON *pods = json_parse(pods_text, sizeof(pods_text) - 1, NULL),
          *ports = service_discover_ports(q, pods);
    struct router_result result;
    struct routing routing;

    (void)service_initialize(q, ports, &result);
    perform(map, &result);
    (void)service_reconcile(q, ports, &result);
    perform(map, &result);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        (void)router_reconcile(q, &result);
        perform(map, &result);
        (void)router_get(q, &routing, &result);
        perform(map, &result);
        (void)router_set(q, &steps[i], &result);
        perform(map, &result);
    }
    (void)router_finalize(q, &result);
    perform(map, &result);
    (void)service_finalize(q, ports, &result);
    perform(map, &result);
    json_free(service_apex_metadata(q));
    json_free(ports);
    json_free(pods);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct router_options options = {.set_owner_references = true, .random = zeros};
    struct objectmap map;
    struct router_world world;
    struct router_request q;
    cJSON *canary;
    size_t half;

    if (size < 2 || size > 64)
        return 0;
    half = (size - 2) / 2;
    options.quirks = (data[1] & 1) != 0 ? ROUTER_QUIRKS_FLAGGER : 0;
    map.objects = json_parse(objects_text, sizeof(objects_text) - 1, NULL);
    world = objectmap_world(&map);
    canary = json_parse(canary_text, sizeof(canary_text) - 1, NULL);
    if ((data[1] & 2) != 0) /* without A/B, so that affinity and mirror have their say */
        json_remove(json_at(canary, "spec", "analysis", NULL), "match");
    poison(canary, data + 2, half);
    q = (struct router_request){canary, router_providers[data[0] % 19], &options, &world, NULL};
    call_all(&q, &map);
    poison(map.objects, data + 2 + half, size - 2 - half);
    call_all(&q, &map);
    json_free(canary);
    objectmap_release(&map);
    return 0;
}
