/*
 * Service Mesh Interface: one TrafficSplit per Canary, for Linkerd, Open Service Mesh and whoever
 * else implements v1alpha1, v1alpha2 or v1alpha3. Weights only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"
#include "engine/num.h"

#define END_OF_FIELDS                                                                              \
    {                                                                                              \
        NULL, NULL, FIELD_OMIT                                                                     \
    }

static const struct field backend_fields[] = {{"service", &SHAPE_OF_STRING, FIELD_KEEP},
                                              {"weight", &SHAPE_OF_ANY, FIELD_POINTER},
                                              END_OF_FIELDS};
static const struct shape backend_shape = {SHAPE_STRUCT, NULL, backend_fields};
static const struct shape backends_shape = {SHAPE_LIST, &backend_shape, NULL};
static const struct field split_fields[] = {{"service", &SHAPE_OF_STRING, FIELD_KEEP},
                                            {"backends", &backends_shape, FIELD_OMIT},
                                            END_OF_FIELDS};
static const struct shape split_shape = {SHAPE_STRUCT, NULL, split_fields};
static const struct shape any_list_shape = {SHAPE_LIST, &SHAPE_OF_ANY, NULL};
static const struct field split_v1alpha3_fields[] = {{"service", &SHAPE_OF_STRING, FIELD_KEEP},
                                                     {"backends", &backends_shape, FIELD_OMIT},
                                                     {"matches", &any_list_shape, FIELD_OMIT},
                                                     END_OF_FIELDS};
static const struct shape split_v1alpha3_shape = {SHAPE_STRUCT, NULL, split_v1alpha3_fields};

/* Version of the API and the mesh behind it, from the provider string. */
struct smi {
    const struct resource *resource;
    const struct shape *shape;
    const char *mesh;
};

static struct smi smi_of(const char *provider)
{
    static const struct {
        const char *prefix;
        const struct resource *resource;
        const struct shape *shape;
    } versions[] = {
        {"smi:v1alpha1", &RESOURCE_SMI_V1ALPHA1, &split_shape},
        {"smi:v1alpha2", &RESOURCE_SMI_V1ALPHA2, &split_shape},
        {"smi:v1alpha3", &RESOURCE_SMI_V1ALPHA3, &split_v1alpha3_shape},
    };

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        size_t len = strlen(versions[i].prefix);

        if (strncmp(provider, versions[i].prefix, len) == 0)
            return (struct smi){versions[i].resource, versions[i].shape,
                                provider[len] == ':' ? provider + len + 1 : provider};
    }
    if (strcmp(provider, "osm") == 0)
        return (struct smi){&RESOURCE_SMI_V1ALPHA2, &split_shape, "osm"};
    return (struct smi){&RESOURCE_SMI_V1ALPHA1, &split_shape, "linkerd"};
}

/* In v1alpha1 a weight is a Kubernetes quantity, which is written as text. */
static cJSON *make_weight(const struct call *c, int64_t weight)
{
    if (smi_of(c->provider).resource == &RESOURCE_SMI_V1ALPHA1)
        return build_strf("%lld", (long long)weight);
    return build_int(weight);
}

static cJSON *make_backends(const struct call *c, int64_t primary, int64_t canary)
{
    return build_list(
        build_object("service", build_str(c->names.canary), "weight", make_weight(c, canary), NULL),
        build_object("service", build_str(c->names.primary), "weight", make_weight(c, primary),
                     NULL),
        NULL);
}

static cJSON *make_split(const struct call *c, int64_t primary, int64_t canary)
{
    const cJSON *host = cJSON_GetArrayItem(json_get(c->service, "hosts"), 0);

    return build_object("service", build_str(host != NULL ? host->valuestring : c->names.apex),
                        "backends", make_backends(c, primary, canary), NULL);
}

static void strip_split(cJSON *spec)
{
    strip_path(spec, (const char *const[]){"backends", "weight", NULL});
}

static int64_t read_weight(const cJSON *weight)
{
    int64_t value = 0;

    if (cJSON_IsString(weight))
        return num_parse_int(weight->valuestring, strlen(weight->valuestring), &value) ? value : 0;
    return weight != NULL && json_as_int(weight, &value) ? value : 0;
}

static bool read_split(const struct call *c, const cJSON *spec, struct routing *ret_routing)
{
    const cJSON *backends = json_get(spec, "backends");
    struct routing r = {0, 0, false};

    for (const cJSON *b = backends == NULL ? NULL : backends->child; b != NULL; b = b->next) {
        if (strcmp(json_text(b, "service"), c->names.primary) == 0)
            r.primary = read_weight(json_get(b, "weight"));
        if (strcmp(json_text(b, "service"), c->names.canary) == 0)
            r.canary = read_weight(json_get(b, "weight"));
    }
    *ret_routing = r;
    return r.primary != 0 || r.canary != 0;
}

/* Istio's adapter for SMI takes the gateways from an annotation; it is written once. */
static cJSON *make_annotations(const struct call *c, const char *mesh)
{
    const cJSON *gateways = json_get(c->service, "gateways");
    cJSON *annotations;
    char *text;

    if (strcmp(mesh, "istio") != 0 || json_is_empty(gateways))
        return NULL;
    text = json_print(gateways);
    annotations = build_object("VirtualService.v1alpha3.networking.istio.io/spec.gateways",
                               build_str(text), NULL);
    free(text);
    return annotations;
}

static struct simple_route route_of(struct call *c)
{
    struct smi smi = smi_of(c->provider);

    return (struct simple_route){
        .resource = smi.resource,
        .name = c->names.apex,
        .shape = smi.shape,
        .label = call_label(c, "TrafficSplit %s.%s", c->names.apex, c->ns),
        .make = make_split,
        .strip = strip_split,
        .read = read_split,
    };
}

static int smi_reconcile(struct call *c)
{
    struct simple_route route = route_of(c);
    cJSON *created =
        call_new_object(c, route.resource, route.name, NULL,
                        make_annotations(c, smi_of(c->provider).mesh), make_split(c, 100, 0));

    return reconcile_simple(c, &route, created);
}

/* The live object, or the call's error. */
static int read_live(struct call *c, const struct simple_route *route, cJSON **ret_live)
{
    int code = call_get(c, route->resource, route->name, ret_live);

    return code == 0 ? 0
                     : call_fail(c, code, "%s get query error %s", route->label, call_api_error(c));
}

static int smi_get(struct call *c, struct routing *ret_routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL, *spec;
    int code = read_live(c, &route, &live);

    if (code == 0) {
        spec = shape_decode(route.shape, json_get(live, "spec"));
        if (!read_split(c, spec, ret_routing))
            code = call_fail(c, -ENODATA, "%s does not contain routes for %s and %s", route.label,
                             c->names.primary, c->names.canary);
        json_free(spec);
    }
    json_free(live);
    return code;
}

static int smi_set(struct call *c, const struct routing *routing)
{
    struct simple_route route = route_of(c);
    cJSON *live = NULL, *spec;
    int code = read_live(c, &route, &live);

    if (code == 0) {
        spec = shape_decode(route.shape, json_get(live, "spec"));
        build_set(spec, "backends", make_backends(c, routing->primary, routing->canary));
        put_spec(c, &route, live, spec, " update error ");
    }
    json_free(live);
    return code;
}

const struct router router_smi = {"smi", smi_reconcile, smi_get, smi_set, router_does_nothing};
