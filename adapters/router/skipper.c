/*
 * Skipper: a second Ingress `<ingressRef>-canary` with both Services as backends and a higher
 * predicate weight than the source Ingress, which is never touched. Weights only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"

#define PREDICATE "zalando.org/skipper-predicate"
#define WEIGHTS "zalando.org/backend-weights"
#define PREDICATE_ON "Weight(100)"
#define PREDICATE_OFF "False()"

static const char *source_name(const struct call *c)
{
    return json_text(json_get(c->spec, "ingressRef"), "name");
}

static bool text_is(const char *s, size_t len, const char *word)
{
    return len == strlen(word) && strncmp(s, word, len) == 0;
}

/* `first && …` with what `given` says beside our own two predicates. The caller's. */
static char *make_predicate(const char *given, const char *first)
{
    struct strbuf b = STRBUF_INIT;
    const char *rest = given;

    strbuf_adds(&b, first);
    while (rest != NULL) {
        const char *end = strstr(rest, "&&"), *start = rest;
        size_t len = end != NULL ? (size_t)(end - rest) : strlen(rest);

        for (; len > 0 && strchr(" \t\r\n\v\f", *start) != NULL; len--)
            start++;
        while (len > 0 && strchr(" \t\r\n\v\f", start[len - 1]) != NULL)
            len--;
        if (len > 0 && !text_is(start, len, PREDICATE_ON) && !text_is(start, len, PREDICATE_OFF)) {
            strbuf_adds(&b, " && ");
            strbuf_add(&b, start, len);
        }
        rest = end != NULL ? end + 2 : NULL;
    }
    if (b.failed)
        abort();
    return strbuf_detach(&b);
}

static void set_predicate(cJSON *annotations, const char *first)
{
    char *text = make_predicate(json_str(annotations, PREDICATE), first);

    build_set(annotations, PREDICATE, build_str(text));
    free(text);
}

static void set_weights(const struct call *c, cJSON *annotations, int64_t primary, int64_t canary)
{
    build_set(annotations, WEIGHTS,
              build_strf("{\"%s\":%lld,\"%s\":%lld}", c->names.canary, (long long)canary,
                         c->names.primary, (long long)primary));
    set_predicate(annotations, PREDICATE_ON);
}

/* Turn the apex path of one rule into one for the primary and add one for the canary at the end. */
static bool split_rule(const struct call *c, cJSON *rule)
{
    cJSON *paths = json_at(rule, "http", "paths", NULL);
    size_t count = json_count(paths);
    cJSON *path = paths == NULL ? NULL : paths->child;
    bool found = false;

    for (size_t i = 0; i < count; i++, path = path->next) {
        cJSON *service = json_at(path, "backend", "service", NULL), *copy;

        if (service == NULL || strcmp(json_text(service, "name"), c->names.apex) != 0)
            continue;
        build_set(service, "name", build_str(c->names.primary));
        copy = build_copy(path);
        build_set(json_at(copy, "backend", "service", NULL), "name", build_str(c->names.canary));
        build_append(paths, copy);
        found = true;
    }
    return found;
}

/* The canary Ingress as a copy of the source; *ret_found is false when the source never names the
 * apex. */
static cJSON *make_canary(const struct call *c, const cJSON *source, const char *name,
                          bool *ret_found)
{
    static const char *const server_owned[] = {
        "uid",      "finalizers",        "managedFields",  "generation",
        "selfLink", "creationTimestamp", "ownerReferences"};
    cJSON *object = build_copy(source), *metadata = build_child(object, "metadata");
    cJSON *annotations = build_child(metadata, "annotations");
    cJSON *rules = json_at(object, "spec", "rules", NULL);

    *ret_found = false;
    for (cJSON *rule = rules == NULL ? NULL : rules->child; rule != NULL; rule = rule->next)
        *ret_found |= split_rule(c, rule);
    if (!call_has(c, QUIRK_COPY_ALL_METADATA)) {
        for (size_t i = 0; i < sizeof(server_owned) / sizeof(server_owned[0]); i++)
            json_remove(metadata, server_owned[i]);
        json_remove(annotations, "kubectl.kubernetes.io/last-applied-configuration");
        json_remove(object, "status");
    }
    set_weights(c, annotations, 100, 0);
    build_set(metadata, "name", build_str(name));
    build_set(metadata, "namespace", build_str(c->ns));
    if (c->options->set_owner_references)
        build_set(metadata, "ownerReferences", owner_references(c->request->canary));
    return object;
}

/* Take over the spec; annotations as Flagger recomputes them, or as they are. Both objects are
 * taken over. */
static void update_canary(struct call *c, const char *name, cJSON *live, cJSON *wanted)
{
    live = build_own(live);
    build_set(live, "spec", build_copy(json_get(wanted, "spec")));
    if (call_has(c, QUIRK_REENABLE_ON_DRIFT)) {
        cJSON *annotations = build_copy(json_at(wanted, "metadata", "annotations", NULL));

        annotations_add_flux(annotations);
        build_set(build_child(live, "metadata"), "annotations", annotations);
    }
    json_free(wanted);
    call_write(c, ROUTER_PUT, &RESOURCE_INGRESS, name, live, "ingress %s.%s update error: ", name,
               c->ns);
}

/* Takes over `wanted`. */
static int write_canary(struct call *c, const char *name, cJSON *wanted)
{
    cJSON *live = NULL;
    int code = call_get(c, &RESOURCE_INGRESS, name, &live);

    if (code == -ENOENT) {
        json_remove(json_get(wanted, "metadata"), "resourceVersion");
        call_write(c, ROUTER_POST, &RESOURCE_INGRESS, name, wanted,
                   "ingress %s.%s create error: ", name, c->ns);
        return 0;
    }
    if (code == 0 && !json_equal(json_get(wanted, "spec"), json_get(live, "spec"))) {
        update_canary(c, name, live, wanted);
        return 0;
    }
    json_free(live);
    json_free(wanted);
    return code == 0 ? 0
                     : call_fail(c, code, "ingress %s.%s query error: %s", name, c->ns,
                                 call_api_error(c));
}

static int skipper_reconcile(struct call *c)
{
    const char *ref = source_name(c);
    cJSON *source = NULL, *wanted;
    char *name;
    bool found;
    int code;

    if (ref[0] == '\0')
        return call_fail(c, -EINVAL, "ingress selector is empty");
    code = call_get(c, &RESOURCE_INGRESS, ref, &source);
    if (code != 0)
        return call_fail(c, code, "apexIngress %s.%s get query error: %s", ref, c->ns,
                         call_api_error(c));
    name = build_text("%s-canary", ref);
    wanted = make_canary(c, source, name, &found);
    if (found || call_has(c, QUIRK_NO_BACKEND_CHECK)) {
        code = write_canary(c, name, wanted);
    } else {
        json_free(wanted);
        code = call_fail(c, -EINVAL, "backend %s not found in ingress %s", c->names.apex, ref);
    }
    free(name);
    json_free(source);
    return code;
}

static int read_canary(struct call *c, const char *name, cJSON **ret_live)
{
    int code = call_get(c, &RESOURCE_INGRESS, name, ret_live);

    return code == 0 ? 0
                     : call_fail(c, code, "ingress %s.%s get query error: %s", name, c->ns,
                                 call_api_error(c));
}

static int read_weights(struct call *c, const char *name, const cJSON *live,
                        struct routing *ret_routing)
{
    const char *text = json_str(json_at(live, "metadata", "annotations", NULL), WEIGHTS);
    cJSON *weights;
    int code = 0;

    if (text == NULL)
        return call_fail(
            c, -ENODATA,
            "ingress %s.%s get backendWeights error: Annotation.Skipper Canary Ingress \"" WEIGHTS
            "\" not found",
            name, c->ns);
    weights = json_parse(text, strlen(text), NULL);
    if (!cJSON_IsObject(weights))
        code =
            call_fail(c, -EINVAL, "ingress %s.%s get backendWeights error: %s is not a JSON object",
                      name, c->ns, text);
    else if (json_get(weights, c->names.primary) == NULL)
        code = call_fail(c, -ENODATA, "ingress %s.%s could not get weights[primarySvcName]", name,
                         c->ns);
    else if (json_get(weights, c->names.canary) == NULL)
        code = call_fail(c, -ENODATA, "ingress %s.%s could not get weights[canarySvcName]", name,
                         c->ns);
    else
        *ret_routing = (struct routing){json_int(weights, c->names.primary, 0),
                                        json_int(weights, c->names.canary, 0), false};
    json_free(weights);
    return code;
}

static int skipper_get(struct call *c, struct routing *ret_routing)
{
    char *name = build_text("%s-canary", source_name(c));
    cJSON *live = NULL;
    int code = read_canary(c, name, &live);

    if (code == 0)
        code = read_weights(c, name, live, ret_routing);
    json_free(live);
    free(name);
    return code;
}

static int skipper_set(struct call *c, const struct routing *routing)
{
    char *name = build_text("%s-canary", source_name(c));
    cJSON *live = NULL, *annotations;
    int code = read_canary(c, name, &live);

    if (code == 0) {
        live = build_own(live);
        annotations = build_child(build_child(live, "metadata"), "annotations");
        set_weights(c, annotations, routing->primary, routing->canary);
        if (routing->canary == 0) /* the source Ingress serves alone again */
            set_predicate(annotations, PREDICATE_OFF);
        call_write(c, ROUTER_PUT, &RESOURCE_INGRESS, name, live, "ingress %s.%s update error ",
                   name, c->ns);
    }
    free(name);
    return code;
}

static int skipper_finalize(struct call *c)
{
    char *name = build_text("%s-canary", source_name(c));

    call_write(c, ROUTER_DELETE, &RESOURCE_INGRESS, name,
               build_object("gracePeriodSeconds", build_int(2), NULL),
               "ingress %s.%s unable to remove canary ingress: ", name, c->ns);
    free(name);
    return 0;
}

const struct router router_skipper = {"skipper", skipper_reconcile, skipper_get, skipper_set,
                                      skipper_finalize};
