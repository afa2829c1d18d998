/*
 * Tables, which kubectl prints: one row per object, cells as the real server computes them.
 * Source: pkg/printers/internalversion/printers.go and apiextensions' table convertor.
 */
#include "sim/kube/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_quoted(struct strbuf *b, const char *s)
{
    strbuf_add_json(b, s, strlen(s));
}

/* A span of time as kubectl prints ages: two units at most, coarser the longer. */
static void human(struct strbuf *b, int64_t ms)
{
    int64_t s = ms / 1000, m, h, d;

    if (s < 0) {
        strbuf_adds(b, "<invalid>");
        return;
    }
    if (s < 120) {
        strbuf_addf(b, "%llds", (long long)s);
        return;
    }
    m = s / 60;
    if (m < 10) {
        strbuf_addf(b, s % 60 ? "%lldm%llds" : "%lldm", (long long)m, (long long)(s % 60));
    } else if (m < 180) {
        strbuf_addf(b, "%lldm", (long long)m);
    } else if ((h = s / 3600) < 8) {
        strbuf_addf(b, m % 60 ? "%lldh%lldm" : "%lldh", (long long)h, (long long)(m % 60));
    } else if (h < 48) {
        strbuf_addf(b, "%lldh", (long long)h);
    } else if ((d = h / 24) < 8) {
        strbuf_addf(b, h % 24 ? "%lldd%lldh" : "%lldd", (long long)d, (long long)(h % 24));
    } else if (d < 730) {
        strbuf_addf(b, "%lldd", (long long)d);
    } else {
        strbuf_addf(b, "%lldy%lldd", (long long)(d / 365), (long long)(d % 365));
    }
}

static void add_age(const struct simkube *k, struct strbuf *b, const char *time)
{
    int64_t ms;
    struct strbuf text = STRBUF_INIT;

    if (sk_time_parse(time, &ms))
        human(&text, k->now_ms + k->wall_offset_ms - ms);
    else
        strbuf_adds(&text, "<unknown>");
    add_quoted(b, strbuf_str(&text));
    strbuf_release(&text);
}

/* ---- JSONPath, as far as printer columns use it: .a.b, [0], [?(@.type=="Ready")], .a\.b
 * ---------------------- */

static const cJSON *filter(const cJSON *list, const char *expr, size_t len)
{
    char key[64], value[128];
    const cJSON *item;
    char copy[256];

    if (len >= sizeof(copy))
        return NULL;
    memcpy(copy, expr, len);
    copy[len] = '\0';
    if (sscanf(copy, "?(@.%63[^= ] == \"%127[^\"]\"", key, value) != 2 &&
        sscanf(copy, "?(@.%63[^=]==\"%127[^\"]\"", key, value) != 2 &&
        sscanf(copy, "?(@.%63[^=]=='%127[^']'", key, value) != 2)
        return NULL;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(json_str_or(item, key, ""), value) == 0)
            return item;
    }
    return NULL;
}

static const cJSON *walk(const cJSON *at, const char *path)
{
    char name[128];
    size_t n;

    while (at && *path) {
        if (*path == '.') {
            path++;
            continue;
        }
        if (*path == '[') {
            const char *close = strchr(path, ']');

            if (!close)
                return NULL;
            if (path[1] == '?') {
                at = filter(at, path + 1, (size_t)(close - path - 1));
            } else if (path[1] == '\'' || path[1] == '"') {
                n = (size_t)(close - path) - 3;
                if (n >= sizeof(name))
                    return NULL;
                memcpy(name, path + 2, n);
                name[n] = '\0';
                at = json_get(at, name);
            } else {
                at = cJSON_GetArrayItem(at, atoi(path + 1));
            }
            path = close + 1;
            continue;
        }
        for (n = 0; *path && *path != '.' && *path != '[' && n + 1 < sizeof(name); path++) {
            if (*path == '\\' && path[1])
                path++;
            name[n++] = *path;
        }
        name[n] = '\0';
        at = json_get(at, name);
    }
    return at;
}

/* ---- computed cells
 * --------------------------------------------------------------------------------------------- */

static void add_map(struct strbuf *b, const cJSON *map)
{
    struct strbuf t = STRBUF_INIT;
    const cJSON *m;

    cJSON_ArrayForEach(m, map) strbuf_addf(&t, "%s%s=%s", t.len ? "," : "", m->string,
                                           m->valuestring ? m->valuestring : "");
    add_quoted(b, t.len ? strbuf_str(&t) : "<none>");
    strbuf_release(&t);
}

static void add_list(struct strbuf *b, const cJSON *list, const char *field)
{
    struct strbuf t = STRBUF_INIT;
    const cJSON *m;

    cJSON_ArrayForEach(m, list)
        strbuf_addf(&t, "%s%s", t.len ? "," : "", json_str_or(m, field, ""));
    add_quoted(b, strbuf_str(&t));
    strbuf_release(&t);
}

static void add_ports(struct strbuf *b, const cJSON *spec)
{
    struct strbuf t = STRBUF_INIT;
    const cJSON *p;

    cJSON_ArrayForEach(p, json_get(spec, "ports"))
    {
        strbuf_addf(&t, "%s%lld", t.len ? "," : "", (long long)json_int(p, "port", 0));
        if (json_int(p, "nodePort", 0))
            strbuf_addf(&t, ":%lld", (long long)json_int(p, "nodePort", 0));
        strbuf_addf(&t, "/%s", json_str_or(p, "protocol", "TCP"));
    }
    add_quoted(b, t.len ? strbuf_str(&t) : "<none>");
    strbuf_release(&t);
}

static void add_pod_ready(struct strbuf *b, const cJSON *tree)
{
    const cJSON *c;
    int ready = 0;

    cJSON_ArrayForEach(c, json_at(tree, "status", "containerStatuses", (char *)NULL)) ready +=
        json_bool(c, "ready", false);
    strbuf_addf(b, "\"%d/%d\"", ready,
                cJSON_GetArraySize(json_at(tree, "spec", "containers", (char *)NULL)));
}

static void add_targets(struct strbuf *b, const cJSON *tree)
{
    struct strbuf t = STRBUF_INIT;
    const cJSON *m;
    int i = 0;

    cJSON_ArrayForEach(m, json_at(tree, "spec", "metrics", (char *)NULL))
    {
        const cJSON *r = json_get(m, "resource"), *target = json_get(r, "target");
        const cJSON *now =
            cJSON_GetArrayItem(json_at(tree, "status", "currentMetrics", (char *)NULL), i++);
        const cJSON *current =
            json_at(now, "resource", "current", "averageUtilization", (char *)NULL);

        strbuf_addf(&t, "%s%s: ", t.len ? ", " : "", json_str_or(r, "name", "metric"));
        if (current)
            strbuf_addf(&t, "%lld%%",
                        (long long)json_int(json_at(now, "resource", "current", (char *)NULL),
                                            "averageUtilization", 0));
        else
            strbuf_adds(&t, "<unknown>");
        strbuf_addf(&t, "/%lld%%", (long long)json_int(target, "averageUtilization", 0));
    }
    add_quoted(b, t.len ? strbuf_str(&t) : "<none>");
    strbuf_release(&t);
}

static void add_joined(struct strbuf *b, const char *x, const char *sep, const char *y)
{
    struct strbuf t = STRBUF_INIT;

    strbuf_addf(&t, "%s%s%s", x, sep, y);
    add_quoted(b, strbuf_str(&t));
    strbuf_release(&t);
}

static void add_hosts(struct strbuf *b, const cJSON *tree)
{
    struct strbuf t = STRBUF_INIT;
    const cJSON *r;

    cJSON_ArrayForEach(r, json_at(tree, "spec", "rules", (char *)NULL))
    {
        if (json_str(r, "host"))
            strbuf_addf(&t, "%s%s", t.len ? "," : "", json_str(r, "host"));
    }
    add_quoted(b, t.len ? strbuf_str(&t) : "*");
    strbuf_release(&t);
}

static void add_computed(const struct simkube *k, struct strbuf *b, const char *what,
                         const cJSON *tree)
{
    const cJSON *spec = json_get(tree, "spec"), *status = json_get(tree, "status");
    const cJSON *pod = json_at(spec, "template", "spec", (char *)NULL);
    const cJSON *deleted = json_at(tree, "metadata", "deletionTimestamp", (char *)NULL);

    if (strcmp(what, "age") == 0)
        add_age(k, b, json_str_or(json_get(tree, "metadata"), "creationTimestamp", ""));
    else if (strcmp(what, "last_seen") == 0)
        add_age(k, b,
                json_str_or(tree, "lastTimestamp",
                            json_str_or(json_get(tree, "metadata"), "creationTimestamp", "")));
    else if (strcmp(what, "containers") == 0)
        add_list(b, json_get(pod, "containers"), "name");
    else if (strcmp(what, "images") == 0)
        add_list(b, json_get(pod, "containers"), "image");
    else if (strcmp(what, "selector") == 0)
        add_map(b, json_at(spec, "selector", "matchLabels", (char *)NULL));
    else if (strcmp(what, "selector_map") == 0)
        add_map(b, json_get(spec, "selector"));
    else if (strcmp(what, "node_selector") == 0)
        add_map(b, json_get(pod, "nodeSelector"));
    else if (strcmp(what, "data") == 0)
        strbuf_addf(b, "%d",
                    cJSON_GetArraySize(json_get(tree, "data")) +
                        cJSON_GetArraySize(json_get(tree, "binaryData")));
    else if (strcmp(what, "secrets") == 0)
        strbuf_addf(b, "%d", cJSON_GetArraySize(json_get(tree, "secrets")));
    else if (strcmp(what, "involved") == 0) {
        char kind[64];
        size_t i;

        snprintf(kind, sizeof(kind), "%.63s",
                 json_str_or(json_get(tree, "involvedObject"), "kind", ""));
        for (i = 0; kind[i]; i++)
            kind[i] = (char)(kind[i] >= 'A' && kind[i] <= 'Z' ? kind[i] + 32 : kind[i]);
        add_joined(b, kind, "/", json_str_or(json_get(tree, "involvedObject"), "name", ""));
    } else if (strcmp(what, "pod_ready") == 0)
        add_pod_ready(b, tree);
    else if (strcmp(what, "pod_status") == 0)
        add_quoted(b, deleted ? "Terminating" : json_str_or(status, "phase", "Unknown"));
    else if (strcmp(what, "restarts") == 0)
        strbuf_adds(b, "\"0\"");
    else if (strcmp(what, "pod_ip") == 0)
        add_quoted(b, json_str_or(status, "podIP", "<none>"));
    else if (strcmp(what, "pod_node") == 0)
        add_quoted(b, json_str_or(spec, "nodeName", "<none>"));
    else if (strcmp(what, "ready_of") == 0)
        strbuf_addf(b, "\"%lld/%lld\"", (long long)json_int(status, "readyReplicas", 0),
                    (long long)json_int(spec, "replicas", 1));
    else if (strcmp(what, "cluster_ip") == 0)
        add_quoted(b, json_str_or(spec, "clusterIP", "<none>"));
    else if (strcmp(what, "external_ip") == 0)
        add_quoted(b, strcmp(json_str_or(spec, "type", ""), "ExternalName") == 0
                          ? json_str_or(spec, "externalName", "<none>")
                      : strcmp(json_str_or(spec, "type", ""), "LoadBalancer") == 0 ? "<pending>"
                                                                                   : "<none>");
    else if (strcmp(what, "ports") == 0)
        add_ports(b, spec);
    else if (strcmp(what, "reference") == 0)
        add_joined(b, json_str_or(json_get(spec, "scaleTargetRef"), "kind", ""), "/",
                   json_str_or(json_get(spec, "scaleTargetRef"), "name", ""));
    else if (strcmp(what, "targets") == 0)
        add_targets(b, tree);
    else if (strcmp(what, "ingress_class") == 0)
        add_quoted(b, json_str_or(spec, "ingressClassName", "<none>"));
    else if (strcmp(what, "hosts") == 0)
        add_hosts(b, tree);
    else if (strcmp(what, "ingress_ports") == 0)
        add_quoted(b, json_get(spec, "tls") ? "80, 443" : "80");
    else if (strcmp(what, "address") == 0)
        add_quoted(b, "");
    else if (strcmp(what, "role") == 0)
        add_joined(b, json_str_or(json_get(tree, "roleRef"), "kind", ""), "/",
                   json_str_or(json_get(tree, "roleRef"), "name", ""));
    else if (strcmp(what, "node") == 0)
        add_quoted(b, "Ready");
    else
        add_quoted(b, "<none>");
}

static void add_cell(const struct simkube *k, struct strbuf *b, const struct sk_column *c,
                     const struct sk_object *o)
{
    const cJSON *v;

    if (*c->path == '!') {
        add_computed(k, b, c->path + 1, o->tree);
        return;
    }
    v = walk(o->tree, *c->path == '#' ? c->path + 1 : c->path);
    if (!v && *c->path == '#')
        strbuf_adds(b, "0");
    else if (!v || cJSON_IsNull(v))
        strbuf_adds(b, o->kind->custom ? "null" : "\"\"");
    else if (strcmp(c->type, "date") == 0 && cJSON_IsString(v) && o->kind->custom)
        add_age(k, b, v->valuestring);
    else if (cJSON_IsObject(v) || cJSON_IsArray(v)) {
        char *text = json_print(v);

        add_quoted(b, text ? text : "");
        free(text);
    } else if (strcmp(c->type, "string") == 0 && !cJSON_IsString(v)) {
        char *text = json_print(v);

        add_quoted(b, text ? text : "");
        free(text);
    } else {
        json_add_to(b, v);
    }
}

static void add_columns(struct strbuf *b, const struct sk_version *v)
{
    for (size_t i = 0; i < v->column_count; i++) {
        const struct sk_column *c = &v->columns[i];

        strbuf_adds(b, i ? ",{\"name\":" : "{\"name\":");
        add_quoted(b, c->name);
        strbuf_addf(b, ",\"type\":\"%s\",\"format\":\"%s\",\"description\":\"\",\"priority\":%d}",
                    c->type, c->format, c->priority);
    }
}

static void add_row(const struct simkube *k, struct strbuf *b, const struct sk_version *v,
                    struct sk_object *o, const char *include)
{
    strbuf_adds(b, "{\"cells\":[");
    for (size_t i = 0; i < v->column_count; i++) {
        if (i)
            strbuf_addc(b, ',');
        add_cell(k, b, &v->columns[i], o);
    }
    strbuf_adds(b, "]");
    if (!include || strcmp(include, "Metadata") == 0) {
        strbuf_adds(b, ",\"object\":");
        sk_object_add_metadata(b, o);
    } else if (strcmp(include, "Object") == 0) {
        strbuf_adds(b, ",\"object\":");
        sk_object_add_to(b, o, v);
    }
    strbuf_addc(b, '}');
}

void sk_table_add_to(const struct simkube *k, struct strbuf *b, const struct sk_kind *kind,
                     const struct sk_version *v, struct sk_object *const *items, size_t count,
                     bool with_columns, const char *include, const char *metadata)
{
    (void)kind;
    strbuf_adds(b, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":");
    if (*metadata)
        strbuf_adds(b, metadata);
    else
        strbuf_addf(b, "{\"resourceVersion\":\"%llu\"}",
                    (unsigned long long)(count ? items[0]->rv : k->rv));
    strbuf_adds(b, ",\"columnDefinitions\":");
    if (with_columns) {
        strbuf_addc(b, '[');
        add_columns(b, v);
        strbuf_addc(b, ']');
    } else {
        strbuf_adds(b, "null");
    }
    strbuf_adds(b, ",\"rows\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            strbuf_addc(b, ',');
        add_row(k, b, v, items[i], include);
    }
    strbuf_adds(b, "]}");
}
