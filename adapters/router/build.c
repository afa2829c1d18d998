#include "adapters/router/build.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/num.h"

/* ---- making JSON
 * ------------------------------------------------------------------------------------- */

/* See build.h: nothing half-built may be written, so this is where an allocation failure ends. */
static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

cJSON *build_str(const char *s)
{
    return s == NULL ? NULL : must(cJSON_CreateString(s));
}

cJSON *build_strf(const char *format, ...)
{
    struct strbuf b = STRBUF_INIT;
    va_list args;
    cJSON *v;

    va_start(args, format);
    strbuf_addv(&b, format, args);
    va_end(args);
    if (b.failed)
        abort();
    v = build_str(strbuf_str(&b));
    strbuf_release(&b);
    return v;
}

char *build_text(const char *format, ...)
{
    struct strbuf b = STRBUF_INIT;
    va_list args;

    va_start(args, format);
    strbuf_addv(&b, format, args);
    va_end(args);
    if (b.failed)
        abort();
    if (b.len == 0)
        strbuf_add(&b, "", 0);
    return must(strbuf_detach(&b));
}

char *build_join(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    char *text = must(malloc(a_len + b_len + 1));

    memcpy(text, a, a_len);
    memcpy(text + a_len, b, b_len + 1);
    return text;
}

char *build_dup(const char *s)
{
    return build_join(s, "");
}

cJSON *build_int(int64_t value)
{
    return must(json_new_int(value));
}

cJSON *build_bool(bool value)
{
    return must(cJSON_CreateBool(value));
}

cJSON *build_copy(const cJSON *v)
{
    return v == NULL ? NULL : must(json_copy(v));
}

cJSON *build_own(cJSON *v)
{
    return v == NULL ? NULL : must(json_own(v));
}

void build_set(cJSON *object, const char *name, cJSON *value)
{
    if (value == NULL)
        return;
    if (!cJSON_IsObject(object)) {
        json_free(
            value); /* something else stands where people or controllers should have an object */
        return;
    }
    if (json_set(object, name, value) != 0)
        abort();
}

cJSON *build_child(cJSON *object, const char *name)
{
    if (!cJSON_IsObject(json_get(object, name)))
        build_set(object, name, build_object(NULL));
    return json_get(object, name);
}

const cJSON *build_members(const cJSON *v)
{
    return cJSON_IsObject(v) ? v->child : NULL;
}

void build_append(cJSON *list, cJSON *item)
{
    if (item == NULL)
        return;
    if (!cJSON_IsArray(list)) {
        json_free(item);
        return;
    }
    if (!cJSON_AddItemToArray(list, item))
        abort();
}

cJSON *build_object(const char *name, ...)
{
    cJSON *object = must(cJSON_CreateObject());
    va_list args;

    va_start(args, name);
    for (const char *n = name; n != NULL; n = va_arg(args, const char *))
        build_set(object, n, va_arg(args, cJSON *));
    va_end(args);
    return object;
}

cJSON *build_list(cJSON *first, ...)
{
    cJSON *list = must(cJSON_CreateArray());
    va_list args;

    va_start(args, first);
    for (cJSON *item = first; item != NULL; item = va_arg(args, cJSON *))
        build_append(list, item);
    va_end(args);
    return list;
}

static int compare_members(const void *a, const void *b)
{
    const cJSON *const *left = a;
    const cJSON *const *right = b;

    return strcmp((*left)->string, (*right)->string);
}

const cJSON **build_sorted(const cJSON *object, size_t *ret_count)
{
    size_t count = json_count(object), i = 0;
    const cJSON **members;

    *ret_count = count;
    if (count == 0)
        return NULL;
    members = must(calloc(count, sizeof(*members)));
    for (const cJSON *m = object->child; m != NULL; m = m->next)
        members[i++] = m;
    qsort(members, count, sizeof(*members), compare_members);
    return members;
}

bool json_is_empty(const cJSON *v)
{
    return json_count(v) == 0;
}

size_t json_count(const cJSON *v)
{
    size_t count = 0;

    if (!cJSON_IsArray(v) && !cJSON_IsObject(v))
        return 0;
    for (const cJSON *item = v->child; item != NULL; item = item->next)
        count++;
    return count;
}

bool maps_equal(const cJSON *a, const cJSON *b)
{
    if (json_is_empty(a) || json_is_empty(b))
        return json_is_empty(a) && json_is_empty(b);
    return json_equal(a, b);
}

const char *json_text(const cJSON *v, const char *name)
{
    return json_str_or(v, name, "");
}

/* ---- one call
 * ---------------------------------------------------------------------------------------- */

bool call_has(const struct call *c, enum router_quirk quirk)
{
    return (c->options->quirks & ROUTER_QUIRK(quirk)) != 0;
}

const char *call_api_error(const struct call *c)
{
    return strbuf_str(&c->api_error);
}

int call_get_in(struct call *c, const struct resource *r, const char *ns, const char *name,
                cJSON **ret_object)
{
    const struct router_world *w = c->request->world;

    int code;

    strbuf_clear(&c->api_error);
    code = w->get(w->self, r, r->cluster_scoped ? "" : ns, name, ret_object, &c->api_error);
    if (code == 0 && !cJSON_IsObject(*ret_object)) {
        json_free(*ret_object);
        *ret_object = NULL;
        strbuf_addf(&c->api_error, "the answer for %s \"%s\" is not an object", r->plural, name);
        return -EBADMSG;
    }
    return code;
}

int call_get(struct call *c, const struct resource *r, const char *name, cJSON **ret_object)
{
    return call_get_in(c, r, c->ns, name, ret_object);
}

const char *call_label(struct call *c, const char *format, ...)
{
    va_list args;

    strbuf_clear(&c->label);
    va_start(args, format);
    strbuf_addv(&c->label, format, args);
    va_end(args);
    return strbuf_str(&c->label);
}

int call_fail(struct call *c, int code, const char *format, ...)
{
    va_list args;

    strbuf_clear(&c->result->error);
    strbuf_adds(&c->result->error, c->prefix);
    va_start(args, format);
    strbuf_addv(&c->result->error, format, args);
    va_end(args);
    c->result->code = code;
    return code;
}

void call_log(struct call *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    strbuf_addv(&c->result->log, format, args);
    va_end(args);
    strbuf_addc(&c->result->log, '\n');
}

struct router_write *call_write(struct call *c, enum router_verb verb, const struct resource *r,
                                const char *name, cJSON *object, const char *format, ...)
{
    struct router_result *result = c->result;
    struct strbuf before = STRBUF_INIT;
    struct router_write *w;
    va_list args;

    if (result->count == result->cap) {
        size_t cap = result->cap == 0 ? 4 : result->cap * 2;

        result->writes = must(realloc(result->writes, cap * sizeof(*result->writes)));
        result->cap = cap;
    }
    strbuf_adds(&before, c->prefix);
    va_start(args, format);
    strbuf_addv(&before, format, args);
    va_end(args);
    w = &result->writes[result->count++];
    *w = (struct router_write){
        .verb = verb,
        .resource = r,
        .ns = build_dup(r->cluster_scoped ? "" : c->ns),
        .name = build_dup(name),
        .object = object,
        .before = must(strbuf_detach(&before)),
        .after = NULL,
    };
    return w;
}

cJSON *owner_references(const cJSON *canary)
{
    const cJSON *metadata = json_get(canary, "metadata");

    return build_list(build_object("apiVersion", build_str("flagger.app/v1beta1"), "kind",
                                   build_str("Canary"), "name",
                                   build_str(json_text(metadata, "name")), "uid",
                                   build_str(json_text(metadata, "uid")), "controller",
                                   build_bool(true), "blockOwnerDeletion", build_bool(true), NULL),
                      NULL);
}

cJSON *call_new_object(struct call *c, const struct resource *r, const char *name, cJSON *labels,
                       cJSON *annotations, cJSON *spec)
{
    struct strbuf version = STRBUF_INIT;
    cJSON *metadata = build_object("name", build_str(name), "namespace",
                                   r->cluster_scoped ? NULL : build_str(c->ns), "labels", labels,
                                   "annotations", annotations, NULL);
    cJSON *object;

    if (json_is_empty(labels))
        json_remove(metadata, "labels");
    if (json_is_empty(annotations))
        json_remove(metadata, "annotations");
    if (c->options->set_owner_references && !r->cluster_scoped)
        build_set(metadata, "ownerReferences", owner_references(c->request->canary));
    resource_api_version(r, &version);
    object = build_object("apiVersion", build_str(strbuf_str(&version)), "kind", build_str(r->kind),
                          "metadata", metadata, "spec", spec, NULL);
    strbuf_release(&version);
    return object;
}

cJSON *call_with_spec(const struct call *c, const struct shape *shape, const cJSON *live,
                      cJSON *spec)
{
    cJSON *object = build_copy(live);

    if (!call_has(c, QUIRK_LOSE_UNKNOWN_FIELDS))
        shape_keep_unknown(shape, spec, json_get(live, "spec"));
    build_set(object, "spec", spec);
    return object;
}

static void set_or_remove(cJSON *metadata, const char *name, cJSON *value)
{
    if (json_is_empty(value)) {
        json_free(value);
        json_remove(metadata, name);
    } else {
        build_set(metadata, name, value);
    }
}

void object_set_metadata(cJSON *object, cJSON *labels, cJSON *annotations)
{
    cJSON *metadata = build_child(object, "metadata");

    set_or_remove(metadata, "labels", labels);
    set_or_remove(metadata, "annotations", annotations);
}

static const cJSON *apex_metadata(const struct call *c)
{
    return c->options->apex_metadata != NULL ? c->options->apex_metadata
                                             : json_get(c->service, "apex");
}

cJSON *call_labels(const struct call *c)
{
    const cJSON *labels = json_get(apex_metadata(c), "labels");

    return labels != NULL ? build_copy(labels) : build_object(NULL);
}

void annotations_add_flux(cJSON *annotations)
{
    build_set(annotations, "kustomize.toolkit.fluxcd.io/reconcile", build_str("disabled"));
    build_set(annotations, "helm.toolkit.fluxcd.io/driftDetection", build_str("disabled"));
}

cJSON *call_annotations(const struct call *c)
{
    const cJSON *given = json_get(apex_metadata(c), "annotations");
    cJSON *annotations = given != NULL ? build_copy(given) : build_object(NULL);

    annotations_add_flux(annotations);
    return annotations;
}

bool metadata_differs(const cJSON *live, const cJSON *labels, const cJSON *annotations)
{
    return !maps_equal(labels, json_at(live, "metadata", "labels", NULL)) ||
           !maps_equal(annotations, json_at(live, "metadata", "annotations", NULL));
}

void strip_path(cJSON *v, const char *const *path)
{
    if (v == NULL)
        return;
    if (cJSON_IsArray(v)) {
        for (cJSON *item = v->child; item != NULL; item = item->next)
            strip_path(item, path);
    } else if (path[1] == NULL) {
        json_remove(v, path[0]);
    } else {
        strip_path(json_get(v, path[0]), path + 1);
    }
}

bool specs_differ_strictly(const struct call *c, cJSON *a, cJSON *b)
{
    bool differ;

    if (!call_has(c, QUIRK_EMPTY_IS_DRIFT)) {
        json_drop_empty(a);
        json_drop_empty(b);
    }
    differ = !json_equal(a, b);
    json_free(a);
    json_free(b);
    return differ;
}

static bool simple_differs(const struct call *c, const struct simple_route *route, const cJSON *a,
                           const cJSON *b)
{
    cJSON *left = build_copy(a), *right = build_copy(b);

    route->strip(left);
    route->strip(right);
    return specs_differ_strictly(c, left, right);
}

static void update_simple(struct call *c, const struct simple_route *route, const cJSON *live)
{
    cJSON *labels = call_labels(c), *annotations = call_annotations(c);
    cJSON *spec = route->make(c, 100, 0),
          *live_spec = shape_decode(route->shape, json_get(live, "spec"));
    struct routing r;

    if (simple_differs(c, route, spec, live_spec) ||
        (route->manages_metadata && metadata_differs(live, labels, annotations))) {
        cJSON *object;

        if (!call_has(c, QUIRK_RESET_WEIGHTS) && route->read(c, live_spec, &r) && r.canary > 0) {
            json_free(spec);
            spec = route->make(c, r.primary, r.canary);
        }
        shape_encode(route->shape, spec);
        object = call_with_spec(c, route->shape, live, spec);
        if (route->manages_metadata) {
            object_set_metadata(object, labels, annotations);
            labels = annotations = NULL;
        }
        call_write(c, ROUTER_PUT, route->resource, route->name, object,
                   "%s update error: ", route->label);
    } else {
        json_free(spec);
    }
    json_free(labels);
    json_free(annotations);
    json_free(live_spec);
}

int reconcile_simple(struct call *c, const struct simple_route *route, cJSON *created)
{
    cJSON *live = NULL;
    int code = call_get(c, route->resource, route->name, &live);

    if (code == -ENOENT) {
        if (created == NULL) {
            cJSON *spec = route->make(c, 100, 0);

            shape_encode(route->shape, spec);
            created = call_new_object(c, route->resource, route->name,
                                      route->manages_metadata ? call_labels(c) : NULL,
                                      route->manages_metadata ? call_annotations(c) : NULL, spec);
        }
        call_write(c, ROUTER_POST, route->resource, route->name, created,
                   "%s create error: ", route->label);
        return 0;
    }
    json_free(created);
    if (code != 0)
        return call_fail(c, code, "%s get query error: %s", route->label, call_api_error(c));
    update_simple(c, route, live);
    json_free(live);
    return 0;
}

void put_spec(struct call *c, const struct simple_route *route, const cJSON *live, cJSON *spec,
              const char *error)
{
    shape_encode(route->shape, spec);
    call_write(c, ROUTER_PUT, route->resource, route->name,
               call_with_spec(c, route->shape, live, spec), "%s%s", route->label, error);
}

void string_match_print(struct strbuf *b, const cJSON *match)
{
    strbuf_addf(b, "{Exact:%s Prefix:%s Suffix:%s Regex:%s}", json_text(match, "exact"),
                json_text(match, "prefix"), json_text(match, "suffix"), json_text(match, "regex"));
}

void string_match_map_print(struct strbuf *b, const cJSON *map)
{
    size_t count;
    const cJSON **members = build_sorted(map, &count);

    strbuf_adds(b, "map[");
    for (size_t i = 0; i < count; i++) {
        strbuf_addf(b, "%s%s:", i > 0 ? " " : "", members[i]->string);
        string_match_print(b, members[i]);
    }
    strbuf_addc(b, ']');
    free(members);
}

const char *call_first_prefix(const struct call *c)
{
    const char *prefix =
        json_text(json_get(cJSON_GetArrayItem(json_get(c->service, "match"), 0), "uri"), "prefix");

    return prefix[0] != '\0' ? prefix : "/";
}

cJSON *retry_events(const cJSON *retries, const char *otherwise)
{
    const char *rest = json_text(retries, "retryOn");
    cJSON *events = build_list(NULL);

    if (rest[0] == '\0') {
        build_append(events, build_str(otherwise));
        return events;
    }
    for (;;) {
        size_t len = strcspn(rest, ",");

        build_append(events, build_strf("%.*s", (int)len, rest));
        if (rest[len] == '\0')
            return events;
        rest += len + 1;
    }
}

bool duration_ms(const char *s, int64_t *ret_ms)
{
    const char *unit;
    size_t unit_len;
    int64_t nanoseconds;

    if (duration_parse(s, strlen(s), &nanoseconds, &unit, &unit_len) != DURATION_OK)
        return false;
    *ret_ms = nanoseconds / NS_PER_MS;
    return true;
}

int router_does_nothing(struct call *c)
{
    (void)c;
    return 0;
}
