/*
 * ingress-nginx: a second Ingress `<ingressRef>-canary` whose annotations split the traffic by
 * weight, by one header and by one cookie.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"
#include "engine/num.h"

static const char *prefix_of(const struct call *c)
{
    const char *prefix = c->options->ingress_annotations_prefix;

    return prefix != NULL ? prefix : "nginx.ingress.kubernetes.io";
}

/* `<prefix>/<suffix>`; the caller's. */
static char *key_of(const struct call *c, const char *suffix)
{
    return build_text("%s/%s", prefix_of(c), suffix);
}

static void set_annotation(const struct call *c, cJSON *annotations, const char *suffix,
                           const char *value)
{
    char *key = key_of(c, suffix);

    build_set(annotations, key, build_str(value));
    free(key);
}

static const char *get_annotation(const struct call *c, const cJSON *annotations,
                                  const char *suffix)
{
    char *key = key_of(c, suffix);
    const char *value = json_str(annotations, key);

    free(key);
    return value;
}

/* Annotations of a canary Ingress without traffic; `given` may be NULL. */
static cJSON *resting_annotations(const struct call *c, const cJSON *given)
{
    char *own = key_of(c, "canary");
    cJSON *annotations = build_object(NULL);

    for (const cJSON *a = build_members(given); a != NULL; a = a->next) {
        if (strstr(a->string, own) == NULL &&
            strstr(a->string, "kubectl.kubernetes.io/last-applied-configuration") == NULL)
            build_set(annotations, a->string, build_copy(a));
    }
    free(own);
    annotations_add_flux(annotations);
    set_annotation(c, annotations, "canary", "true");
    set_annotation(c, annotations, "canary-weight", "0");
    return annotations;
}

/* The one header and the one cookie that nginx can match; of several headers the last wins. */
struct ab_match {
    const char *header, *value, *pattern, *cookie;
};

static struct ab_match find_ab_match(const struct call *c)
{
    struct ab_match found = {"", "", "", ""};

    for (const cJSON *m = c->match->child; m != NULL; m = m->next) {
        size_t count;
        const cJSON **headers = build_sorted(json_get(m, "headers"), &count);

        for (size_t i = 0; i < count; i++) {
            if (strcmp(headers[i]->string, "cookie") == 0) {
                found.cookie = json_text(headers[i], "exact");
            } else {
                found.header = headers[i]->string;
                found.value = json_text(headers[i], "exact");
                found.pattern = json_text(headers[i], "regex");
            }
        }
        free(headers);
    }
    return found;
}

static void set_if_any(const struct call *c, cJSON *annotations, const char *suffix,
                       const char *value)
{
    if (value[0] != '\0')
        set_annotation(c, annotations, suffix, value);
}

static cJSON *ab_annotations(const struct call *c, const cJSON *given)
{
    struct ab_match match = find_ab_match(c);
    char *own = key_of(c, "canary");
    bool by_value = call_has(c, QUIRK_STALE_ANNOTATIONS);
    cJSON *annotations = build_object(NULL);

    for (const cJSON *a = build_members(given); a != NULL; a = a->next) {
        const char *text = by_value ? a->valuestring : a->string;

        if (text == NULL || strstr(text, own) == NULL)
            build_set(annotations, a->string, build_copy(a));
    }
    free(own);
    annotations_add_flux(annotations);
    set_annotation(c, annotations, "canary", "true");
    set_if_any(c, annotations, "canary-by-cookie", match.cookie);
    set_if_any(c, annotations, "canary-by-header", match.header);
    set_if_any(c, annotations, "canary-by-header-value", match.value);
    set_if_any(c, annotations, "canary-by-header-pattern", match.pattern);
    return annotations;
}

static bool is_apex_path(const struct call *c, const cJSON *path)
{
    return strcmp(json_text(json_at(path, "backend", "service", NULL), "name"), c->names.apex) == 0;
}

/* Point the paths of one rule at the canary; returns how many there were. */
static size_t redirect_rule(const struct call *c, cJSON *rule)
{
    cJSON *paths = json_at(rule, "http", "paths", NULL), *next;
    size_t found = 0;

    for (cJSON *path = paths == NULL ? NULL : paths->child; path != NULL; path = next) {
        next = path->next;
        if (is_apex_path(c, path)) {
            build_set(json_at(path, "backend", "service", NULL), "name",
                      build_str(c->names.canary));
            found++;
        } else if (!call_has(c, QUIRK_FOREIGN_PATHS)) {
            json_free(cJSON_DetachItemViaPointer(paths, path));
        }
    }
    return found;
}

/* The source's spec with the canary as backend; *ret_found is false when it never names the apex.
 */
static cJSON *canary_spec(const struct call *c, const cJSON *source, bool *ret_found)
{
    const cJSON *given = json_get(source, "spec");
    cJSON *spec = given != NULL ? build_copy(given) : build_object(NULL),
          *rules = json_get(spec, "rules"), *next;

    *ret_found = false;
    for (cJSON *rule = rules == NULL ? NULL : rules->child; rule != NULL; rule = next) {
        next = rule->next;
        if (redirect_rule(c, rule) > 0)
            *ret_found = true;
        else if (!call_has(c, QUIRK_FOREIGN_PATHS))
            json_free(cJSON_DetachItemViaPointer(rules, rule));
    }
    return spec;
}

/* Takes over `spec`. */
static int write_canary(struct call *c, const cJSON *source, const char *name, cJSON *spec)
{
    cJSON *live = NULL;
    int code = call_get(c, &RESOURCE_INGRESS, name, &live);

    if (code == -ENOENT) {
        const cJSON *metadata = json_get(source, "metadata");

        call_write(c, ROUTER_POST, &RESOURCE_INGRESS, name,
                   call_new_object(c, &RESOURCE_INGRESS, name,
                                   build_copy(json_get(metadata, "labels")),
                                   resting_annotations(c, json_get(metadata, "annotations")), spec),
                   "ingress %s.%s create error: ", name, c->ns);
        return 0;
    }
    if (code == 0 && !json_equal(spec, json_get(live, "spec"))) {
        live = build_own(live);
        build_set(live, "spec", spec);
        call_write(c, ROUTER_PUT, &RESOURCE_INGRESS, name, live,
                   "ingress %s.%s update error: ", name, c->ns);
        return 0;
    }
    json_free(live);
    json_free(spec);
    return code == 0 ? 0
                     : call_fail(c, code, "ingress %s.%s query error: %s", name, c->ns,
                                 call_api_error(c));
}

static const char *source_name(const struct call *c)
{
    return json_text(json_get(c->spec, "ingressRef"), "name");
}

static int nginx_reconcile(struct call *c)
{
    const char *ref = source_name(c);
    cJSON *source = NULL, *spec;
    char *name;
    bool found;
    int code;

    if (ref[0] == '\0')
        return call_fail(c, -EINVAL, "ingress selector is empty");
    code = call_get(c, &RESOURCE_INGRESS, ref, &source);
    if (code != 0)
        return call_fail(c, code, "ingress %s.%s get query error: %s", ref, c->ns,
                         call_api_error(c));
    name = build_text("%s-canary", ref);
    spec = canary_spec(c, source, &found);
    if (found) {
        code = write_canary(c, source, name, spec);
    } else {
        json_free(spec);
        code = call_fail(c, -EINVAL, "backend %s not found in ingress %s", c->names.apex, ref);
    }
    free(name);
    json_free(source);
    return code;
}

static int read_canary(struct call *c, cJSON **ret_live)
{
    char *name = build_text("%s-canary", source_name(c));
    int code = call_get(c, &RESOURCE_INGRESS, name, ret_live);

    if (code != 0)
        (void)call_fail(c, code, "ingress %s.%s get query error: %s", name, c->ns,
                        call_api_error(c));
    free(name);
    return code;
}

static int nginx_get(struct call *c, struct routing *ret_routing)
{
    const cJSON *annotations;
    const char *weight;
    cJSON *live = NULL;
    int64_t canary = 0;
    int code = read_canary(c, &live);

    if (code != 0)
        return code;
    annotations = json_at(live, "metadata", "annotations", NULL);
    weight = get_annotation(c, annotations, "canary-weight");
    if (c->match != NULL && (get_annotation(c, annotations, "canary-by-cookie") != NULL ||
                             get_annotation(c, annotations, "canary-by-header") != NULL))
        *ret_routing = (struct routing){0, 100, false};
    else if (weight != NULL && !num_parse_int(weight, strlen(weight), &canary))
        code = call_fail(
            c, -EINVAL, "failed to convert %s to int: strconv.Atoi: parsing \"%s\": invalid syntax",
            weight, weight);
    else
        *ret_routing = (struct routing){100 - canary, canary, false};
    json_free(live);
    return code;
}

static int nginx_set(struct call *c, const struct routing *routing)
{
    cJSON *live = NULL, *metadata, *annotations;
    const cJSON *given;
    char *name;
    int code = read_canary(c, &live);

    if (code != 0)
        return code;
    live = build_own(live);
    metadata = build_child(live, "metadata");
    given = json_get(metadata, "annotations");
    if (c->match != NULL) {
        annotations = ab_annotations(c, given);
    } else {
        char weight[24];

        annotations = given != NULL ? build_copy(given) : build_object(NULL);
        (void)snprintf(weight, sizeof(weight), "%lld", (long long)routing->canary);
        set_annotation(c, annotations, "canary-weight", weight);
    }
    if (routing->canary > 0) {
        set_annotation(c, annotations, "canary", "true");
    } else {
        cJSON *resting = resting_annotations(c, annotations);

        json_free(annotations);
        annotations = resting;
    }
    build_set(metadata, "annotations", annotations);
    name = build_text("%s-canary", source_name(c));
    call_write(c, ROUTER_PUT, &RESOURCE_INGRESS, name, live, "ingress %s.%s update error ", name,
               c->ns);
    free(name);
    return 0;
}

const struct router router_nginx = {"nginx", nginx_reconcile, nginx_get, nginx_set,
                                    router_does_nothing};
