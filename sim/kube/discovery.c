/*
 * What clients ask before they ask for objects: versions, groups, resources, OpenAPI (only as much
 * as kubectl needs to learn that the server validates fields itself).
 */
#include "sim/kube/internal.h"

#include <stdio.h>
#include <string.h>

#define SERVER_VERSION                                                                             \
    "{\"major\":\"1\",\"minor\":\"35\",\"emulationMajor\":\"1\",\"emulationMinor\":\"35\","        \
    "\"minCompatibilityMajor\":\"1\","                                                             \
    "\"minCompatibilityMinor\":\"34\",\"gitVersion\":\"v1.35.4\",\"gitCommit\":\"simulated\","     \
    "\"gitTreeState\":\"clean\","                                                                  \
    "\"buildDate\":\"2026-01-01T00:00:00Z\",\"goVersion\":\"none\",\"compiler\":\"gc\","           \
    "\"platform\":\"linux/amd64\"}\n"

static void begin(struct simkube_reply *r)
{
    r->status = 200;
    r->content_type = "application/json";
}

/* True when `i` is the first kind of its group. */
static bool leads_group(const struct simkube *k, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (!k->kinds[j]->gone && strcmp(k->kinds[j]->group, k->kinds[i]->group) == 0)
            return false;
    }
    return !k->kinds[i]->gone;
}

static bool version_seen(const struct simkube *k, const char *group, size_t kind_end,
                         size_t version_end, const char *version)
{
    for (size_t i = 0; i <= kind_end; i++) {
        const struct sk_kind *kind = k->kinds[i];
        size_t end = i == kind_end ? version_end : kind->version_count;

        if (kind->gone || strcmp(kind->group, group) != 0)
            continue;
        for (size_t v = 0; v < end; v++) {
            if (kind->versions[v].served && strcmp(kind->versions[v].name, version) == 0)
                return true;
        }
    }
    return false;
}

static void add_group(const struct simkube *k, struct strbuf *b, size_t lead, bool standalone)
{
    const char *group = k->kinds[lead]->group;
    struct strbuf preferred = STRBUF_INIT;

    strbuf_addf(b, "{%s\"name\":\"%s\",\"versions\":[",
                standalone ? "\"kind\":\"APIGroup\",\"apiVersion\":\"v1\"," : "", group);
    for (size_t i = lead; i < k->kind_count; i++) {
        const struct sk_kind *kind = k->kinds[i];

        if (kind->gone || strcmp(kind->group, group) != 0)
            continue;
        for (size_t v = 0; v < kind->version_count; v++) {
            const struct sk_version *version = &kind->versions[v];

            if (!version->served || version_seen(k, group, i, v, version->name))
                continue;
            strbuf_addf(b, "%s{\"groupVersion\":\"%s\",\"version\":\"%s\"}",
                        preferred.len ? "," : "", version->group_version, version->name);
            if (!preferred.len)
                strbuf_addf(&preferred, "{\"groupVersion\":\"%s\",\"version\":\"%s\"}",
                            version->group_version, version->name);
        }
    }
    strbuf_addf(b, "],\"preferredVersion\":%s}", preferred.len ? strbuf_str(&preferred) : "{}");
    strbuf_release(&preferred);
}

static void groups(const struct simkube *k, struct simkube_reply *r)
{
    const char *sep = "";

    begin(r);
    strbuf_adds(&r->body, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    for (size_t i = 0; i < k->kind_count; i++) {
        if (!*k->kinds[i]->group || !leads_group(k, i))
            continue;
        strbuf_adds(&r->body, sep);
        add_group(k, &r->body, i, false);
        sep = ",";
    }
    strbuf_adds(&r->body, "]}\n");
}

static void add_names(struct strbuf *b, const char *label, const char *const *names)
{
    if (!names[0])
        return;
    strbuf_addf(b, ",\"%s\":[", label);
    for (size_t i = 0; names[i]; i++)
        strbuf_addf(b, "%s\"%s\"", i ? "," : "", names[i]);
    strbuf_addc(b, ']');
}

static void add_resource(struct strbuf *b, const struct sk_kind *kind, const struct sk_version *v)
{
    const char *scope = kind->namespaced ? "true" : "false";

    strbuf_addf(
        b, "{\"name\":\"%s\",\"singularName\":\"%s\",\"namespaced\":%s,\"kind\":\"%s\",\"verbs\":[",
        kind->plural, kind->singular, scope, kind->kind);
    strbuf_adds(b, "\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\","
                   "\"update\",\"watch\"]");
    add_names(b, "shortNames", kind->short_names);
    add_names(b, "categories", kind->categories);
    strbuf_adds(b, "}");
    if (v->has_status)
        strbuf_addf(b,
                    ",{\"name\":\"%s/"
                    "status\",\"singularName\":\"\",\"namespaced\":%s,\"kind\":\"%s\",\"verbs\":["
                    "\"get\",\"patch\",\"update\"]}",
                    kind->plural, scope, kind->kind);
    if (v->has_scale && !kind->custom)
        strbuf_addf(
            b,
            ",{\"name\":\"%s/"
            "scale\",\"singularName\":\"\",\"namespaced\":%s,\"group\":\"autoscaling\",\"version\":"
            "\"v1\",\"kind\":\"Scale\",\"verbs\":[\"get\",\"patch\",\"update\"]}",
            kind->plural, scope);
}

static bool resources(const struct simkube *k, const char *group_version, struct simkube_reply *r)
{
    const char *sep = "";

    for (size_t i = 0; i < k->kind_count; i++) {
        const struct sk_kind *kind = k->kinds[i];

        for (size_t v = 0; !kind->gone && v < kind->version_count; v++) {
            if (!kind->versions[v].served ||
                strcmp(kind->versions[v].group_version, group_version) != 0)
                continue;
            if (!*sep) {
                begin(r);
                strbuf_addf(&r->body,
                            "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":"
                            "\"%s\",\"resources\":[",
                            group_version);
            }
            strbuf_adds(&r->body, sep);
            add_resource(&r->body, kind, &kind->versions[v]);
            sep = ",";
        }
    }
    if (!*sep)
        return false;
    strbuf_adds(&r->body, "]}\n");
    return true;
}

static void openapi_index(const struct simkube *k, struct simkube_reply *r)
{
    const char *sep = "";

    begin(r);
    strbuf_adds(&r->body, "{\"paths\":{");
    for (size_t i = 0; i < k->kind_count; i++) {
        const struct sk_kind *kind = k->kinds[i];

        for (size_t v = 0; !kind->gone && v < kind->version_count; v++) {
            const struct sk_version *version = &kind->versions[v];
            const char *root = *kind->group ? "apis" : "api";

            if (!version->served || version_seen(k, kind->group, i, v, version->name))
                continue;
            strbuf_addf(&r->body, "%s\"%s/%s\":{\"serverRelativeURL\":\"/openapi/v3/%s/%s\"}", sep,
                        root, version->group_version, root, version->group_version);
            sep = ",";
        }
    }
    strbuf_adds(&r->body, "}}\n");
}

static void add_patch_path(struct strbuf *b, const struct sk_kind *kind, const struct sk_version *v)
{
    strbuf_addf(b,
                "\"/%s/%s/%s%s/"
                "{name}\":{\"patch\":{\"x-kubernetes-action\":\"patch\",\"x-kubernetes-group-"
                "version-kind\":"
                "{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"},\"parameters\":[{\"name\":"
                "\"fieldValidation\",\"in\":\"query\","
                "\"schema\":{\"type\":\"string\"}},{\"name\":\"dryRun\",\"in\":\"query\","
                "\"schema\":{\"type\":\"string\"}}],"
                "\"responses\":{\"200\":{\"description\":\"OK\"}}}}",
                *kind->group ? "apis" : "api", v->group_version,
                kind->namespaced ? "namespaces/{namespace}/" : "", kind->plural, kind->group,
                v->name, kind->kind);
}

static bool openapi_group(const struct simkube *k, const char *group_version,
                          struct simkube_reply *r)
{
    const char *sep = "";

    for (size_t i = 0; i < k->kind_count; i++) {
        const struct sk_kind *kind = k->kinds[i];

        for (size_t v = 0; !kind->gone && v < kind->version_count; v++) {
            if (!kind->versions[v].served ||
                strcmp(kind->versions[v].group_version, group_version) != 0)
                continue;
            if (!*sep) {
                begin(r);
                strbuf_adds(&r->body, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\","
                                      "\"version\":\"v1.35.4\"},\"paths\":{");
            }
            strbuf_adds(&r->body, sep);
            add_patch_path(&r->body, kind, &kind->versions[v]);
            sep = ",";
        }
    }
    if (!*sep)
        return false;
    strbuf_adds(&r->body, "},\"components\":{\"schemas\":{}}}\n");
    return true;
}

static void plain(struct simkube_reply *r, const char *text)
{
    r->status = 200;
    r->content_type = "text/plain";
    strbuf_adds(&r->body, text);
}

static bool one_group(const struct simkube *k, const char *name, struct simkube_reply *r)
{
    for (size_t i = 0; i < k->kind_count; i++) {
        if (strcmp(k->kinds[i]->group, name) != 0 || !*name || !leads_group(k, i))
            continue;
        begin(r);
        add_group(k, &r->body, i, true);
        strbuf_adds(&r->body, "\n");
        return true;
    }
    return false;
}

static bool starts(const char *s, const char *prefix, const char **rest)
{
    size_t len = strlen(prefix);

    if (strncmp(s, prefix, len) != 0)
        return false;
    *rest = s + len;
    return true;
}

static bool discovery_path(struct simkube *k, const char *path, struct simkube_reply *r)
{
    const char *rest;

    if (strcmp(path, "/version") == 0) {
        begin(r);
        strbuf_adds(&r->body, SERVER_VERSION);
    } else if (strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0 ||
               strcmp(path, "/livez") == 0) {
        plain(r, "ok");
    } else if (strcmp(path, "/api") == 0) {
        begin(r);
        strbuf_adds(
            &r->body,
            "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[]}\n");
    } else if (strcmp(path, "/apis") == 0) {
        groups(k, r);
    } else if (strcmp(path, "/openapi/v3") == 0) {
        openapi_index(k, r);
    } else if (starts(path, "/openapi/v3/apis/", &rest) ||
               starts(path, "/openapi/v3/api/", &rest)) {
        return openapi_group(k, rest, r);
    } else if (strcmp(path, "/openapi/v2") == 0) {
        begin(r);
        strbuf_adds(&r->body, "{\"swagger\":\"2.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":"
                              "\"v1.35.4\"},\"paths\":{},\"definitions\":{}}\n");
    } else if (starts(path, "/api/", &rest) && !strchr(rest, '/')) {
        return resources(k, rest, r);
    } else if (starts(path, "/apis/", &rest) && !strchr(rest, '/')) {
        return one_group(k, rest, r);
    } else if (starts(path, "/apis/", &rest) && !strchr(strchr(rest, '/') + 1, '/')) {
        return resources(k, rest, r);
    } else {
        return false;
    }
    return true;
}

/* A question about one's own rights: answered, never stored. */
static bool access_review(struct simkube *k, const struct simkube_request *req,
                          struct simkube_reply *r)
{
    cJSON *review = json_parse(req->body ? req->body : "", req->body_len, NULL);
    const cJSON *a = json_at(review, "spec", "resourceAttributes", (char *)NULL);
    bool yes = cJSON_IsObject(a) &&
               sk_may(k, req->user, json_str_or(a, "verb", ""), json_str_or(a, "group", ""),
                      json_str_or(a, "resource", ""), json_str_or(a, "subresource", ""),
                      json_str_or(a, "namespace", ""), json_str_or(a, "name", ""));

    if (!cJSON_IsObject(review)) {
        sk_reply_status(r, 400, "BadRequest", NULL, "the object provided is unrecognized");
    } else {
        json_set_bool(json_child_object(review, "status"), "allowed", yes);
        r->status = 201;
        r->content_type = "application/json";
        json_add_to(&r->body, review);
    }
    json_free(review);
    return true;
}

bool sk_discovery(struct simkube *k, const char *path, const struct simkube_request *req,
                  struct simkube_reply *r)
{
    char copy[256];
    size_t len = strlen(path);

    if (strcmp(req->method, "POST") == 0 &&
        strcmp(path, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") == 0)
        return access_review(k, req, r);
    if (strcmp(req->method, "GET") != 0 || len >= sizeof(copy))
        return false;
    memcpy(copy, path, len + 1);
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    return discovery_path(k, copy, r);
}
