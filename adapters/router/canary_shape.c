/*
 * The part of a Canary's spec that routers read, as Flagger's Go types decode it, and the Istio and
 * Gateway types that it shares with the objects made of it.
 */
#include "adapters/router/build.h"

#define STRUCT_SHAPE(name, ...)                                                                    \
    static const struct field name##_fields[] = {__VA_ARGS__, {NULL, NULL, FIELD_OMIT}};           \
    static const struct shape name = {SHAPE_STRUCT, NULL, name##_fields}
#define STRUCT_SHAPE_PUBLIC(name, ...)                                                             \
    static const struct field name##_fields[] = {__VA_ARGS__, {NULL, NULL, FIELD_OMIT}};           \
    const struct shape name = {SHAPE_STRUCT, NULL, name##_fields}

/* ---- networking.istio.io
 * ----------------------------------------------------------------------------- */

STRUCT_SHAPE_PUBLIC(SHAPE_OF_STRING_MATCH, {"exact", &SHAPE_OF_STRING, FIELD_OMIT},
                    {"prefix", &SHAPE_OF_STRING, FIELD_OMIT},
                    {"suffix", &SHAPE_OF_STRING, FIELD_OMIT},
                    {"regex", &SHAPE_OF_STRING, FIELD_OMIT});
const struct shape SHAPE_OF_STRING_MATCHES = {SHAPE_MAP, &SHAPE_OF_STRING_MATCH, NULL};
static const struct shape string_match_list = {SHAPE_LIST, &SHAPE_OF_STRING_MATCH, NULL};

STRUCT_SHAPE(header_operations, {"set", &SHAPE_OF_STRING_MAP, FIELD_OMIT},
             {"add", &SHAPE_OF_STRING_MAP, FIELD_OMIT}, {"remove", &SHAPE_OF_STRINGS, FIELD_OMIT});
STRUCT_SHAPE_PUBLIC(SHAPE_OF_ISTIO_HEADERS, {"request", &header_operations, FIELD_POINTER},
                    {"response", &header_operations, FIELD_POINTER});

STRUCT_SHAPE(match_request, {"name", &SHAPE_OF_STRING, FIELD_OMIT},
             {"uri", &SHAPE_OF_STRING_MATCH, FIELD_POINTER},
             {"scheme", &SHAPE_OF_STRING_MATCH, FIELD_POINTER},
             {"method", &SHAPE_OF_STRING_MATCH, FIELD_POINTER},
             {"authority", &SHAPE_OF_STRING_MATCH, FIELD_POINTER},
             {"headers", &SHAPE_OF_STRING_MATCHES, FIELD_OMIT}, {"port", &SHAPE_OF_INT, FIELD_OMIT},
             {"sourceLabels", &SHAPE_OF_STRING_MAP, FIELD_OMIT},
             {"gateways", &SHAPE_OF_STRINGS, FIELD_OMIT},
             {"queryParams", &SHAPE_OF_STRING_MATCHES, FIELD_OMIT},
             {"ignoreUriCase", &SHAPE_OF_BOOL, FIELD_OMIT},
             {"withoutHeaders", &SHAPE_OF_STRING_MATCHES, FIELD_OMIT},
             {"sourceNamespace", &SHAPE_OF_STRING, FIELD_OMIT});
const struct shape SHAPE_OF_ISTIO_MATCH = {SHAPE_LIST, &match_request, NULL};

STRUCT_SHAPE_PUBLIC(SHAPE_OF_ISTIO_RETRY, {"attempts", &SHAPE_OF_INT, FIELD_KEEP},
                    {"perTryTimeout", &SHAPE_OF_STRING, FIELD_OMIT},
                    {"retryOn", &SHAPE_OF_STRING, FIELD_OMIT});
STRUCT_SHAPE_PUBLIC(SHAPE_OF_ISTIO_CORS, {"allowOrigin", &SHAPE_OF_STRINGS, FIELD_OMIT},
                    {"allowOrigins", &string_match_list, FIELD_OMIT},
                    {"allowMethods", &SHAPE_OF_STRINGS, FIELD_OMIT},
                    {"allowHeaders", &SHAPE_OF_STRINGS, FIELD_OMIT},
                    {"exposeHeaders", &SHAPE_OF_STRINGS, FIELD_OMIT},
                    {"maxAge", &SHAPE_OF_STRING, FIELD_OMIT},
                    {"allowCredentials", &SHAPE_OF_BOOL, FIELD_OMIT});

static const struct shape int_map = {SHAPE_MAP, &SHAPE_OF_INT, NULL};
STRUCT_SHAPE(distribute, {"from", &SHAPE_OF_STRING, FIELD_OMIT}, {"to", &int_map, FIELD_OMIT});
STRUCT_SHAPE(failover, {"from", &SHAPE_OF_STRING, FIELD_OMIT},
             {"to", &SHAPE_OF_STRING, FIELD_OMIT});
static const struct shape distribute_list = {SHAPE_LIST, &distribute, NULL};
static const struct shape failover_list = {SHAPE_LIST, &failover, NULL};
STRUCT_SHAPE(locality, {"distribute", &distribute_list, FIELD_OMIT},
             {"failover", &failover_list, FIELD_OMIT},
             {"failover_priority", &SHAPE_OF_STRINGS, FIELD_OMIT},
             {"enabled", &SHAPE_OF_BOOL, FIELD_OMIT});
STRUCT_SHAPE(http_cookie, {"name", &SHAPE_OF_STRING, FIELD_KEEP},
             {"path", &SHAPE_OF_STRING, FIELD_OMIT}, {"ttl", &SHAPE_OF_STRING, FIELD_KEEP});
STRUCT_SHAPE(consistent_hash, {"httpHeaderName", &SHAPE_OF_STRING, FIELD_OMIT},
             {"httpCookie", &http_cookie, FIELD_POINTER},
             {"useSourceIp", &SHAPE_OF_BOOL, FIELD_OMIT},
             {"minimumRingSize", &SHAPE_OF_INT, FIELD_OMIT});
STRUCT_SHAPE(load_balancer, {"simple", &SHAPE_OF_STRING, FIELD_OMIT},
             {"consistentHash", &consistent_hash, FIELD_POINTER},
             {"localityLbSetting", &locality, FIELD_POINTER},
             {"warmupDurationSecs", &SHAPE_OF_STRING, FIELD_OMIT});
STRUCT_SHAPE(pool_tcp, {"maxConnections", &SHAPE_OF_INT, FIELD_OMIT},
             {"connectTimeout", &SHAPE_OF_STRING, FIELD_OMIT});
STRUCT_SHAPE(pool_http, {"h2UpgradePolicy", &SHAPE_OF_STRING, FIELD_OMIT},
             {"http1MaxPendingRequests", &SHAPE_OF_INT, FIELD_OMIT},
             {"http2MaxRequests", &SHAPE_OF_INT, FIELD_OMIT},
             {"maxRequestsPerConnection", &SHAPE_OF_INT, FIELD_OMIT},
             {"maxRetries", &SHAPE_OF_INT, FIELD_OMIT},
             {"idleTimeout", &SHAPE_OF_STRING, FIELD_OMIT});
STRUCT_SHAPE(connection_pool, {"tcp", &pool_tcp, FIELD_POINTER},
             {"http", &pool_http, FIELD_POINTER});
STRUCT_SHAPE(outlier, {"consecutiveErrors", &SHAPE_OF_INT, FIELD_OMIT},
             {"consecutiveGatewayErrors", &SHAPE_OF_INT, FIELD_POINTER},
             {"consecutive5xxErrors", &SHAPE_OF_INT, FIELD_POINTER},
             {"splitExternalLocalOriginErrors", &SHAPE_OF_BOOL, FIELD_OMIT},
             {"consecutiveLocalOriginFailures", &SHAPE_OF_INT, FIELD_POINTER},
             {"interval", &SHAPE_OF_STRING, FIELD_OMIT},
             {"baseEjectionTime", &SHAPE_OF_STRING, FIELD_OMIT},
             {"maxEjectionPercent", &SHAPE_OF_INT, FIELD_OMIT},
             {"minHealthPercent", &SHAPE_OF_INT, FIELD_OMIT});
STRUCT_SHAPE(tls_settings, {"mode", &SHAPE_OF_STRING, FIELD_KEEP},
             {"clientCertificate", &SHAPE_OF_STRING, FIELD_OMIT},
             {"privateKey", &SHAPE_OF_STRING, FIELD_OMIT},
             {"caCertificates", &SHAPE_OF_STRING, FIELD_OMIT},
             {"subjectAltNames", &SHAPE_OF_STRINGS, FIELD_OMIT},
             {"sni", &SHAPE_OF_STRING, FIELD_OMIT});
STRUCT_SHAPE(port_selector, {"number", &SHAPE_OF_INT, FIELD_OMIT},
             {"name", &SHAPE_OF_STRING, FIELD_OMIT});
STRUCT_SHAPE(port_policy, {"port", &port_selector, FIELD_KEEP},
             {"loadBalancer", &load_balancer, FIELD_POINTER},
             {"connectionPool", &connection_pool, FIELD_POINTER},
             {"outlierDetection", &outlier, FIELD_POINTER}, {"tls", &tls_settings, FIELD_POINTER});
static const struct shape port_policies = {SHAPE_LIST, &port_policy, NULL};
STRUCT_SHAPE_PUBLIC(SHAPE_OF_ISTIO_TRAFFIC_POLICY, {"loadBalancer", &load_balancer, FIELD_POINTER},
                    {"connectionPool", &connection_pool, FIELD_POINTER},
                    {"outlierDetection", &outlier, FIELD_POINTER},
                    {"tls", &tls_settings, FIELD_POINTER},
                    {"portLevelSettings", &port_policies, FIELD_OMIT});

/* ---- gateway.networking.k8s.io
 * ----------------------------------------------------------------------- */

STRUCT_SHAPE(parent_ref, {"group", &SHAPE_OF_STRING, FIELD_POINTER},
             {"kind", &SHAPE_OF_STRING, FIELD_POINTER},
             {"namespace", &SHAPE_OF_STRING, FIELD_POINTER}, {"name", &SHAPE_OF_STRING, FIELD_KEEP},
             {"sectionName", &SHAPE_OF_STRING, FIELD_POINTER},
             {"port", &SHAPE_OF_INT, FIELD_POINTER});
const struct shape SHAPE_OF_PARENT_REFS = {SHAPE_LIST, &parent_ref, NULL};
STRUCT_SHAPE_PUBLIC(SHAPE_OF_BACKEND_OBJECT, {"group", &SHAPE_OF_STRING, FIELD_POINTER},
                    {"kind", &SHAPE_OF_STRING, FIELD_POINTER},
                    {"name", &SHAPE_OF_STRING, FIELD_KEEP},
                    {"namespace", &SHAPE_OF_STRING, FIELD_POINTER},
                    {"port", &SHAPE_OF_INT, FIELD_POINTER});
STRUCT_SHAPE(mirror_filter, {"backendRef", &SHAPE_OF_BACKEND_OBJECT, FIELD_KEEP});
static const struct shape mirror_filters = {SHAPE_LIST, &mirror_filter, NULL};

/* ---- flagger.app
 * ------------------------------------------------------------------------------------- */

STRUCT_SHAPE(local_ref, {"apiVersion", &SHAPE_OF_STRING, FIELD_OMIT},
             {"kind", &SHAPE_OF_STRING, FIELD_OMIT}, {"name", &SHAPE_OF_STRING, FIELD_KEEP});
STRUCT_SHAPE(foreign_ref, {"apiVersion", &SHAPE_OF_STRING, FIELD_OMIT},
             {"kind", &SHAPE_OF_STRING, FIELD_OMIT}, {"name", &SHAPE_OF_STRING, FIELD_KEEP},
             {"namespace", &SHAPE_OF_STRING, FIELD_OMIT});
STRUCT_SHAPE(custom_metadata, {"labels", &SHAPE_OF_STRING_MAP, FIELD_OMIT},
             {"annotations", &SHAPE_OF_STRING_MAP, FIELD_OMIT});
STRUCT_SHAPE(unmanaged_metadata, {"labels", &SHAPE_OF_STRINGS, FIELD_OMIT},
             {"annotations", &SHAPE_OF_STRINGS, FIELD_OMIT});
STRUCT_SHAPE(rewrite, {"uri", &SHAPE_OF_STRING, FIELD_OMIT},
             {"authority", &SHAPE_OF_STRING, FIELD_OMIT}, {"type", &SHAPE_OF_STRING, FIELD_OMIT});
STRUCT_SHAPE(
    service, {"name", &SHAPE_OF_STRING, FIELD_OMIT}, {"port", &SHAPE_OF_INT, FIELD_KEEP},
    {"portName", &SHAPE_OF_STRING, FIELD_OMIT}, {"targetPort", &SHAPE_OF_ANY, FIELD_OMIT},
    {"appProtocol", &SHAPE_OF_STRING, FIELD_OMIT},
    {"trafficDistribution", &SHAPE_OF_STRING, FIELD_OMIT},
    {"portDiscovery", &SHAPE_OF_BOOL, FIELD_OMIT}, {"headless", &SHAPE_OF_BOOL, FIELD_OMIT},
    {"timeout", &SHAPE_OF_STRING, FIELD_OMIT}, {"backendTimeout", &SHAPE_OF_STRING, FIELD_OMIT},
    {"gateways", &SHAPE_OF_STRINGS, FIELD_OMIT}, {"gatewayRefs", &SHAPE_OF_PARENT_REFS, FIELD_OMIT},
    {"hosts", &SHAPE_OF_STRINGS, FIELD_OMIT}, {"delegation", &SHAPE_OF_BOOL, FIELD_OMIT},
    {"trafficPolicy", &SHAPE_OF_ISTIO_TRAFFIC_POLICY, FIELD_POINTER},
    {"match", &SHAPE_OF_ISTIO_MATCH, FIELD_OMIT}, {"rewrite", &rewrite, FIELD_POINTER},
    {"retries", &SHAPE_OF_ISTIO_RETRY, FIELD_POINTER},
    {"headers", &SHAPE_OF_ISTIO_HEADERS, FIELD_POINTER}, {"mirror", &mirror_filters, FIELD_OMIT},
    {"corsPolicy", &SHAPE_OF_ISTIO_CORS, FIELD_POINTER}, {"meshName", &SHAPE_OF_STRING, FIELD_OMIT},
    {"backends", &SHAPE_OF_STRINGS, FIELD_OMIT}, {"apex", &custom_metadata, FIELD_POINTER},
    {"primary", &custom_metadata, FIELD_POINTER}, {"canary", &custom_metadata, FIELD_POINTER},
    {"unmanagedMetadata", &unmanaged_metadata, FIELD_POINTER});
STRUCT_SHAPE(affinity, {"cookieName", &SHAPE_OF_STRING, FIELD_OMIT},
             {"primaryCookieName", &SHAPE_OF_STRING, FIELD_OMIT},
             {"domain", &SHAPE_OF_STRING, FIELD_OMIT}, {"httpOnly", &SHAPE_OF_BOOL, FIELD_OMIT},
             {"maxAge", &SHAPE_OF_INT, FIELD_OMIT}, {"partitioned", &SHAPE_OF_BOOL, FIELD_OMIT},
             {"path", &SHAPE_OF_STRING, FIELD_OMIT}, {"sameSite", &SHAPE_OF_STRING, FIELD_OMIT},
             {"secure", &SHAPE_OF_BOOL, FIELD_OMIT});
STRUCT_SHAPE(analysis, {"interval", &SHAPE_OF_STRING, FIELD_KEEP},
             {"iterations", &SHAPE_OF_INT, FIELD_OMIT}, {"mirror", &SHAPE_OF_BOOL, FIELD_OMIT},
             {"mirrorWeight", &SHAPE_OF_INT, FIELD_OMIT},
             {"match", &SHAPE_OF_ISTIO_MATCH, FIELD_OMIT},
             {"sessionAffinity", &affinity, FIELD_POINTER});
STRUCT_SHAPE_PUBLIC(canary_shape, {"provider", &SHAPE_OF_STRING, FIELD_OMIT},
                    {"targetRef", &local_ref, FIELD_KEEP},
                    {"ingressRef", &local_ref, FIELD_POINTER},
                    {"routeRef", &local_ref, FIELD_POINTER},
                    {"upstreamRef", &foreign_ref, FIELD_POINTER}, {"service", &service, FIELD_KEEP},
                    {"analysis", &analysis, FIELD_POINTER},
                    {"canaryAnalysis", &analysis, FIELD_POINTER});
