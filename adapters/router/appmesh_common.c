#include "adapters/router/appmesh.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_TIMEOUT_MS 250

const char *appmesh_protocol(const struct call *c)
{
    return strstr(json_text(c->service, "portName"), "grpc") != NULL ? "grpc" : "http";
}

cJSON *appmesh_logging(const struct call *c)
{
    const cJSON *annotations = json_at(c->request->canary, "metadata", "annotations", NULL);
    cJSON *file;

    if (strcmp(json_text(annotations, "appmesh.flagger.app/accesslog"), "enabled") != 0)
        return NULL;
    file = build_object("path", build_str("/dev/stdout"), NULL);
    return build_object("accessLog", build_object("file", file, NULL), NULL);
}

/* The hosts, each followed by a comma: App Mesh's controller wants it so. */
static cJSON *domain_list(const cJSON *hosts)
{
    struct strbuf b = STRBUF_INIT;
    cJSON *text;

    for (const cJSON *h = hosts->child; h != NULL; h = h->next)
        strbuf_addf(&b, "%s,", h->valuestring);
    text = build_str(strbuf_str(&b));
    strbuf_release(&b);
    return text;
}

cJSON *appmesh_gateway_annotations(const struct call *c)
{
    const cJSON *hosts = json_get(c->service, "hosts"), *timeout = json_get(c->service, "timeout");
    int64_t attempts = json_int(json_get(c->service, "retries"), "attempts", 0);

    if (json_is_empty(hosts))
        return NULL;
    return build_object("gateway.appmesh.k8s.aws/expose", build_str("true"),
                        "gateway.appmesh.k8s.aws/domain", domain_list(hosts),
                        "gateway.appmesh.k8s.aws/timeout", build_copy(timeout),
                        "gateway.appmesh.k8s.aws/retries",
                        attempts > 0 ? build_strf("%lld", (long long)attempts) : NULL, NULL);
}

cJSON *appmesh_headers(const struct call *c)
{
    cJSON *list = build_list(NULL);

    for (const cJSON *m = c->match == NULL ? NULL : c->match->child; m != NULL; m = m->next) {
        size_t count;
        const cJSON **headers = build_sorted(json_get(m, "headers"), &count);

        for (size_t i = 0; i < count; i++)
            build_append(list, build_object("name", build_str(headers[i]->string), "match",
                                            build_copy(headers[i]), NULL));
        free(headers);
    }
    if (list->child != NULL)
        return list;
    json_free(list);
    return NULL;
}

void appmesh_retry(const struct call *c, int64_t *ret_timeout_ms, int64_t *ret_attempts)
{
    const cJSON *retries = json_get(c->service, "retries");
    int64_t attempts = json_int(retries, "attempts", 0);

    if (!duration_ms(json_text(retries, "perTryTimeout"), ret_timeout_ms))
        *ret_timeout_ms = RETRY_TIMEOUT_MS;
    *ret_attempts = attempts > 0 ? attempts : 1;
}
