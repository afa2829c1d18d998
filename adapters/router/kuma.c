/*
 * Kuma: one cluster-wide TrafficRoute per Canary. Weights only. The object has no owner and
 * outlives the Canary.
 */
#include <errno.h>
#include <string.h>

#include "adapters/router/build.h"

#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }
#define SERVICE_TAG "kuma.io/service"
#define MESH_ANNOTATION "kuma.io/mesh"

static const struct field selector_fields[] = {{"match", &SHAPE_OF_STRING_MAP, FIELD_OMIT},
                                               END_OF_FIELDS};
static const struct shape selector_shape = {SHAPE_STRUCT, NULL, selector_fields};
static const struct shape selectors_shape = {SHAPE_LIST, &selector_shape, NULL};
static const struct field split_fields[] = {{"weight", &SHAPE_OF_INT, FIELD_KEEP},
                                            {"destination", &SHAPE_OF_STRING_MAP, FIELD_OMIT},
                                            END_OF_FIELDS};
static const struct shape split_shape = {SHAPE_STRUCT, NULL, split_fields};
static const struct shape splits_shape = {SHAPE_LIST, &split_shape, NULL};
static const struct field conf_fields[] = {{"split", &splits_shape, FIELD_OMIT}, END_OF_FIELDS};
static const struct shape conf_shape = {SHAPE_STRUCT, NULL, conf_fields};
static const struct field spec_fields[] = {{"sources", &selectors_shape, FIELD_OMIT},
                                           {"destinations", &selectors_shape, FIELD_OMIT},
                                           {"conf", &conf_shape, FIELD_POINTER},
                                           END_OF_FIELDS};
static const struct shape spec_shape = {SHAPE_STRUCT, NULL, spec_fields};

static cJSON *service_tag(const struct call *c, const char *service)
{
    return build_object(SERVICE_TAG,
                        build_strf("%s_%s_svc_%lld", service, c->ns, (long long)c->port), NULL);
}

static cJSON *make_conf(const struct call *c, int64_t primary, int64_t canary)
{
    return build_object("split",
                        build_list(build_object("weight", build_int(primary), "destination",
                                                service_tag(c, c->names.primary), NULL),
                                   build_object("weight", build_int(canary), "destination",
                                                service_tag(c, c->names.canary), NULL),
                                   NULL),
                        NULL);
}

static cJSON *make_spec(const struct call *c, int64_t primary, int64_t canary)
{
    cJSON *everybody = build_object("match", build_object(SERVICE_TAG, build_str("*"), NULL), NULL);
    cJSON *apex = build_object("match", service_tag(c, c->names.apex), NULL);

    return build_object("sources", build_list(everybody, NULL), "destinations",
                        build_list(apex, NULL), "conf", make_conf(c, primary, canary), NULL);
}

static void strip_spec(cJSON *spec)
{
    strip_path(spec, (const char *const[]){"conf", "split", "weight", NULL});
}

static bool read_spec(const struct call *c, const cJSON *spec, struct routing *ret_routing)
{
    const cJSON *splits = json_at(spec, "conf", "split", NULL);
    size_t len = strlen(c->names.primary);
    struct routing r = {0, 0, false};

    for (const cJSON *s = splits == NULL ? NULL : splits->child; s != NULL; s = s->next) {
        const char *tag = json_text(json_get(s, "destination"), SERVICE_TAG);

        if (strcspn(tag, "_") == len && strncmp(tag, c->names.primary, len) == 0) {
            r.primary = json_int(s, "weight", 0);
            r.canary = 100 - r.primary;
        }
    }
    *ret_routing = r;
    return r.primary != 0 || r.canary != 0;
}

static struct simple_route route_of(struct call *c)
{
    return (struct simple_route){
        .resource = &RESOURCE_KUMA_TRAFFIC_ROUTE,
        .name = c->names.apex,
        .shape = &spec_shape,
        .label = call_label(c, "TrafficRoute %s", c->names.apex),
        .manages_metadata = true,
        .make = make_spec,
        .strip = strip_spec,
        .read = read_spec,
    };
}

static const char *mesh_of(const struct call *c)
{
    const cJSON *annotations = json_at(c->request->canary, "metadata", "annotations", NULL);

    return json_str_or(annotations, MESH_ANNOTATION, "default");
}

/* Default profile: an object in another mesh is moved by whichever write comes next, or by one of
 * its own. */
static void sync_mesh(struct call *c, const struct simple_route *route)
{
    cJSON *live = NULL, *object;

    if (c->result->count > 0) {
        struct router_write *w = &c->result->writes[c->result->count - 1];

        build_set(w->object, "mesh", build_str(mesh_of(c)));
        return;
    }
    if (call_get(c, route->resource, route->name, &live) != 0)
        return;
    if (strcmp(json_text(live, "mesh"), mesh_of(c)) == 0) {
        json_free(live);
        return;
    }
    object = live;
    build_set(object, "mesh", build_str(mesh_of(c)));
    call_write(c, ROUTER_PUT, route->resource, route->name, object,
               "%s update error: ", route->label);
}

static int kuma_reconcile(struct call *c)
{
    struct simple_route route = route_of(c);
    cJSON *created = call_new_object(c, route.resource, route.name, call_labels(c),
                                     call_annotations(c), make_spec(c, 100, 0));
    int code;

    build_set(created, "mesh", build_str(mesh_of(c)));
    code = reconcile_simple(c, &route, created);
    if (code == 0 && !call_has(c, QUIRK_MESH_FIXED))
        sync_mesh(c, &route);
    return code;
}

static int kuma_get(struct call *c, struct routing *ret_routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL, *spec;
    int code = call_get(c, route.resource, route.name, &live);

    if (code != 0)
        return call_fail(c, code, "%s get query error %s", route.label, call_api_error(c));
    spec = shape_decode(&spec_shape, json_get(live, "spec"));
    if (!read_spec(c, spec, ret_routing))
        code = call_fail(c, -ENODATA, "%s does not contain routes for %s and %s", route.label,
                         c->names.primary, c->names.canary);
    json_free(spec);
    json_free(live);
    return code;
}

static int kuma_set(struct call *c, const struct routing *routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL, *spec;
    int code = call_get(c, route.resource, route.name, &live);

    if (code != 0)
        return call_fail(c, code, "%s get query error %s", route.label, call_api_error(c));
    spec = shape_decode(&spec_shape, json_get(live, "spec"));
    build_set(spec, "conf", make_conf(c, routing->primary, routing->canary));
    put_spec(c, &route, live, spec, " update error ");
    json_free(live);
    return 0;
}

const struct router router_kuma = {"kuma", kuma_reconcile, kuma_get, kuma_set, router_does_nothing};
