#include "adapters/router/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/router/build.h"

#define KUBECTL_ANNOTATION "kubectl.kubernetes.io/last-applied-configuration"
#define PORT_NAME_MAX 63

static const struct field port_fields[] = {{"name", &SHAPE_OF_STRING, FIELD_OMIT},
                                           {"protocol", &SHAPE_OF_STRING, FIELD_OMIT},
                                           {"appProtocol", &SHAPE_OF_STRING, FIELD_POINTER},
                                           {"port", &SHAPE_OF_INT, FIELD_KEEP},
                                           {"targetPort", &SHAPE_OF_ANY, FIELD_OMIT},
                                           {"nodePort", &SHAPE_OF_INT, FIELD_OMIT},
                                           {NULL, NULL, FIELD_OMIT}};
static const struct shape port_shape = {SHAPE_STRUCT, NULL, port_fields};
static const struct shape ports_shape = {SHAPE_LIST, &port_shape, NULL};

static const char *label_of(const struct call *c)
{
    return c->options->selector_label != NULL ? c->options->selector_label : "app";
}

static const char *value_of(const struct call *c)
{
    if (c->options->selector_value != NULL)
        return c->options->selector_value;
    return json_text(json_get(c->spec, "targetRef"), "name");
}

static bool has_services(const struct call *c)
{
    return strcmp(json_text(json_get(c->spec, "targetRef"), "kind"), "Service") != 0;
}

/* ---- ports
 * ------------------------------------------------------------------------------------------- */

/* targetPort unset, 0 or "0" means: as the port. */
static const cJSON *given_target_port(const struct call *c)
{
    const cJSON *target = json_get(c->service, "targetPort");
    int64_t number;

    if (target == NULL || (cJSON_IsString(target) && strcmp(target->valuestring, "0") == 0))
        return NULL;
    return json_as_int(target, &number) && number == 0 ? NULL : target;
}

static bool is_main_port(const struct call *c, const cJSON *port)
{
    const cJSON *target = given_target_port(c);
    int64_t number = json_int(port, "containerPort", 0), wanted;

    if (target == NULL)
        return number == c->port;
    if (cJSON_IsString(target))
        return strcmp(json_text(port, "name"), target->valuestring) == 0;
    return json_as_int(target, &wanted) && number == wanted;
}

static cJSON *find_port(cJSON *list, const char *member, const char *text, int64_t number)
{
    for (cJSON *p = list->child; p != NULL; p = p->next) {
        if (text != NULL ? strcmp(json_text(p, member), text) == 0
                         : json_int(p, member, 0) == number)
            return p;
    }
    return NULL;
}

/* One discovered port; a later one of the same name takes the place of the earlier. */
static void add_discovered(const struct call *c, cJSON *list, const cJSON *port, char *name)
{
    int64_t number = json_int(port, "containerPort", 0);
    bool collide = call_has(c, QUIRK_PORT_COLLISION);
    const char *main_name = json_str_or(c->service, "portName", "http");
    cJSON *same = find_port(list, "name", name, 0), *entry;

    if (!collide &&
        (strcmp(name, main_name) == 0 || number == c->port || strlen(name) > PORT_NAME_MAX ||
         find_port(list, "port", NULL, number) != NULL)) {
        free(name);
        return;
    }
    entry = build_object("name", build_str(name), "port", build_int(number), "protocol",
                         build_str(collide ? "TCP" : json_str_or(port, "protocol", "TCP")), NULL);
    if (same != NULL)
        json_free(cJSON_DetachItemViaPointer(list, same));
    build_append(list, entry);
    free(name);
}

cJSON *service_discover_ports(const struct router_request *q, const cJSON *pod_spec)
{
    const cJSON *containers = json_get(pod_spec, "containers");
    struct router_result unused;
    struct call c;
    cJSON *list = NULL;

    call_begin(&c, q, &unused);
    if (json_bool(c.service, "portDiscovery", false))
        list = build_list(NULL);
    for (const cJSON *k = containers == NULL ? NULL : containers->child; list != NULL && k != NULL;
         k = k->next) {
        const char *container = json_text(k, "name");
        const cJSON *ports = json_get(k, "ports");
        unsigned index = 0;

        if (strcmp(container, "istio-proxy") == 0 || strcmp(container, "envoy") == 0)
            continue;
        for (const cJSON *p = ports == NULL ? NULL : ports->child; p != NULL;
             p = p->next, index++) {
            const char *name = json_text(p, "name");

            if (!is_main_port(&c, p))
                add_discovered(&c, list, p,
                               name[0] != '\0' ? build_dup(name)
                                               : build_text("tcp-%s-%u", container, index));
        }
    }
    (void)call_end(&c);
    router_result_release(&unused);
    return list;
}

static cJSON *make_ports(const struct call *c, const cJSON *discovered)
{
    const cJSON *target = given_target_port(c);
    const char *name = json_str_or(c->service, "portName", "http");
    cJSON *ports = build_list(
        build_object("name", build_str(name), "protocol", build_str("TCP"), "appProtocol",
                     build_copy(json_get(c->service, "appProtocol")), "port", build_int(c->port),
                     "targetPort", target != NULL ? build_copy(target) : build_int(c->port), NULL),
        NULL);

    for (const cJSON *p = discovered == NULL ? NULL : discovered->child; p != NULL; p = p->next)
        build_append(ports, build_object("name", build_copy(json_get(p, "name")), "protocol",
                                         build_str(json_str_or(p, "protocol", "TCP")), "port",
                                         build_copy(json_get(p, "port")), "targetPort",
                                         build_copy(json_get(p, "port")), NULL));
    return ports;
}

static int compare_ports(const void *a, const void *b)
{
    const cJSON *const *left = a;
    const cJSON *const *right = b;
    int64_t l = json_int(*left, "port", 0), r = json_int(*right, "port", 0);

    if (l != r)
        return l < r ? -1 : 1;
    return strcmp(json_text(*left, "name"), json_text(*right, "name"));
}

/* Equal whatever the order. */
static bool ports_equal(const cJSON *a, const cJSON *b)
{
    size_t count = json_count(a), other = json_count(b), i = 0;
    const cJSON **left, **right;
    bool equal = count == other;

    if (count == 0 || !equal)
        return equal;
    left = calloc(count, sizeof(*left));
    right = calloc(count, sizeof(*right));
    if (left == NULL || right == NULL)
        abort();
    for (const cJSON *p = a->child; p != NULL; p = p->next)
        left[i++] = p;
    i = 0;
    for (const cJSON *p = b->child; p != NULL; p = p->next)
        right[i++] = p;
    qsort(left, count, sizeof(*left), compare_ports);
    qsort(right, count, sizeof(*right), compare_ports);
    for (i = 0; i < count && equal; i++)
        equal = json_equal(left[i], right[i]);
    free(left);
    free(right);
    return equal;
}

static void keep_node_ports(cJSON *ports, const cJSON *live_ports)
{
    for (const cJSON *live = live_ports == NULL ? NULL : live_ports->child; live != NULL;
         live = live->next) {
        cJSON *same = find_port(ports, "name", json_text(live, "name"), 0);

        if (same != NULL && json_int(live, "nodePort", 0) > 0)
            build_set(same, "nodePort", build_copy(json_get(live, "nodePort")));
    }
}

/* ---- metadata
 * ---------------------------------------------------------------------------------------- */

/* The controller of an object, or NULL. */
static const cJSON *controller_of(const cJSON *object)
{
    const cJSON *owners = json_at(object, "metadata", "ownerReferences", NULL);

    for (const cJSON *o = owners == NULL ? NULL : owners->child; o != NULL; o = o->next) {
        if (json_bool(o, "controller", false))
            return o;
    }
    return NULL;
}

static bool has_canary_owner(const cJSON *object)
{
    return strcmp(json_text(controller_of(object), "kind"), "Canary") == 0;
}

static bool is_owned(const struct call *c, const cJSON *object)
{
    return has_canary_owner(object) &&
           strcmp(json_text(controller_of(object), "name"), c->name) == 0;
}

/* Live values of the keys that spec.service.unmanagedMetadata leaves to others; `what`: labels,
 * annotations. */
static void keep_unmanaged(const struct call *c, const cJSON *live, const char *what, cJSON *map)
{
    const cJSON *keys = json_get(json_get(c->service, "unmanagedMetadata"), what);
    const cJSON *given = json_get(json_get(live, "metadata"), what);

    for (const cJSON *k = keys == NULL ? NULL : keys->child; k != NULL; k = k->next)
        build_set(map, k->valuestring, build_copy(json_get(given, k->valuestring)));
}

/* `role`: apex, primary, canary, or NULL for none. */
static cJSON *wanted_labels(const struct call *c, const char *role, const char *name)
{
    const cJSON *given = role == NULL ? NULL : json_get(json_get(c->service, role), "labels");
    cJSON *labels = given != NULL ? build_copy(given) : build_object(NULL);

    build_set(labels, label_of(c), build_str(name));
    return labels;
}

static cJSON *wanted_annotations(const struct call *c, const char *role)
{
    const cJSON *given = role == NULL ? NULL : json_get(json_get(c->service, role), "annotations");
    cJSON *annotations = given != NULL ? build_copy(given) : build_object(NULL);

    annotations_add_flux(annotations);
    return annotations;
}

/* ---- one Service
 * ------------------------------------------------------------------------------------- */

struct wanted_service {
    const char *name;
    const char *role;   /* member of spec.service with its labels and annotations, or NULL */
    bool to_primary;    /* select the primary's pods */
    const cJSON *ports; /* discovered ones, or NULL */
};

static cJSON *make_selector(const struct call *c, bool to_primary)
{
    return build_object(label_of(c), build_strf("%s%s", value_of(c), to_primary ? "-primary" : ""),
                        NULL);
}

static void create_service(struct call *c, const struct wanted_service *w)
{
    const cJSON *distribution = json_get(c->service, "trafficDistribution");
    bool headless = json_bool(c->service, "headless", false);
    cJSON *spec = build_object("type", build_str("ClusterIP"), "clusterIP",
                               headless ? build_str("None") : NULL, "selector",
                               make_selector(c, w->to_primary), "ports", make_ports(c, w->ports),
                               "trafficDistribution", build_copy(distribution), NULL);
    cJSON *object =
        call_new_object(c, &RESOURCE_SERVICE, w->name, wanted_labels(c, w->role, w->name),
                        wanted_annotations(c, w->role), spec);

    /* unlike mesh objects, a Service always lives beside its Canary */
    build_set(json_get(object, "metadata"), "ownerReferences",
              owner_references(c->request->canary));
    call_write(c, ROUTER_POST, &RESOURCE_SERVICE, w->name, object,
               "service %s.%s create error: ", w->name, c->ns);
}

/* A live object that mostly is as wanted: copied when the first thing is found to change. */
struct edit {
    const cJSON *live;
    cJSON *object; /* NULL = nothing to change */
};

static cJSON *changed_child(struct edit *e, const char *name)
{
    if (e->object == NULL)
        e->object = build_copy(e->live);
    return build_child(e->object, name);
}

static void update_spec(const struct call *c, const struct wanted_service *w, struct edit *e)
{
    cJSON *selector = make_selector(c, w->to_primary), *ports = make_ports(c, w->ports);
    const cJSON *spec = json_get(e->live, "spec");
    cJSON *live_ports = shape_decode(&ports_shape, json_get(spec, "ports"));
    const cJSON *distribution = json_get(c->service, "trafficDistribution");

    keep_node_ports(ports, live_ports);
    if (!ports_equal(ports, live_ports) || !json_equal(selector, json_get(spec, "selector"))) {
        build_set(changed_child(e, "spec"), "ports", ports);
        build_set(changed_child(e, "spec"), "selector", selector);
    } else {
        json_free(ports);
        json_free(selector);
    }
    json_free(live_ports);
    if (!call_has(c, QUIRK_SERVICE_FIXED) && is_owned(c, e->live) &&
        strcmp(json_text(c->service, "trafficDistribution"),
               json_text(spec, "trafficDistribution")) != 0) {
        json_remove(changed_child(e, "spec"), "trafficDistribution");
        build_set(changed_child(e, "spec"), "trafficDistribution", build_copy(distribution));
    }
}

static void replace_map(struct edit *e, const char *name, cJSON *map)
{
    if (json_equal(map, json_at(e->live, "metadata", name, NULL)))
        json_free(map);
    else
        build_set(changed_child(e, "metadata"), name, map);
}

/* Labels and annotations of a Service that is the Canary's own. */
static void update_metadata(const struct call *c, const struct wanted_service *w, struct edit *e)
{
    cJSON *labels = wanted_labels(c, w->role, w->name),
          *annotations = wanted_annotations(c, w->role);

    keep_unmanaged(c, e->live, "annotations", annotations);
    keep_unmanaged(c, e->live, "labels", labels);
    replace_map(e, "annotations", annotations);
    replace_map(e, "labels", labels);
}

static int reconcile_one(struct call *c, const struct wanted_service *w)
{
    cJSON *live = NULL;
    struct edit e = {NULL, NULL};
    int code = call_get(c, &RESOURCE_SERVICE, w->name, &live);

    c->prefix = "reconcileService failed: ";
    if (code == -ENOENT) {
        create_service(c, w);
        return 0;
    }
    if (code != 0)
        return call_fail(c, code, "service %s get query error: %s", w->name, call_api_error(c));
    e.live = live;
    update_spec(c, w, &e);
    if (is_owned(c, live))
        update_metadata(c, w, &e);
    if (e.object) {
        annotations_add_flux(build_child(changed_child(&e, "metadata"), "annotations"));
        call_write(c, ROUTER_PUT, &RESOURCE_SERVICE, w->name, e.object,
                   "service %s update error: ", w->name);
    }
    json_free(live);
    return 0;
}

/* ---- the calls
 * --------------------------------------------------------------------------------------- */

int service_initialize(const struct router_request *q, const cJSON *ports,
                       struct router_result *ret_result)
{
    struct call c;

    call_begin(&c, q, ret_result);
    if (has_services(&c)) {
        struct wanted_service canary = {c.names.canary, "canary", false, ports};
        struct wanted_service primary = {c.names.primary, "primary", true, ports};

        if (reconcile_one(&c, &canary) == 0)
            (void)reconcile_one(&c, &primary);
    }
    return call_end(&c);
}

int service_reconcile(const struct router_request *q, const cJSON *ports,
                      struct router_result *ret_result)
{
    struct call c;

    call_begin(&c, q, ret_result);
    if (has_services(&c)) {
        struct wanted_service apex = {c.names.apex, "apex", true, ports};

        (void)reconcile_one(&c, &apex);
    }
    return call_end(&c);
}

/* Bring back the selector that kubectl recorded. Takes over `live`. */
static int restore_selector(struct call *c, cJSON *live, const char *text)
{
    cJSON *stored = json_parse(text, strlen(text), NULL);
    const cJSON *selector = json_at(stored, "spec", "selector", NULL);
    int code = 0;

    if (!cJSON_IsObject(stored)) {
        code =
            call_fail(c, -EINVAL, "router %s.%s failed to unMarshal annotation " KUBECTL_ANNOTATION,
                      c->names.apex, c->ns);
        json_free(live);
    } else {
        live = build_own(live);
        json_remove(build_child(live, "spec"), "selector");
        build_set(build_child(live, "spec"), "selector", build_copy(selector));
        call_write(c, ROUTER_PUT, &RESOURCE_SERVICE, c->names.apex, live,
                   "service %s update error: ", c->names.apex);
    }
    json_free(stored);
    return code;
}

static void finalize_apex(struct call *c, const cJSON *ports)
{
    struct wanted_service apex = {c->names.apex, NULL, false, ports};
    cJSON *live = NULL;
    const char *text;
    int code = call_get(c, &RESOURCE_SERVICE, c->names.apex, &live);

    if (code != 0) {
        (void)call_fail(c, code, "service %s.%s get query error: %s", c->names.apex, c->ns,
                        call_api_error(c));
        return;
    }
    text = json_str(json_at(live, "metadata", "annotations", NULL), KUBECTL_ANNOTATION);
    if (has_canary_owner(live)) {
        json_free(live); /* goes with the Canary */
    } else if (text != NULL) {
        (void)restore_selector(c, live, text);
    } else {
        json_free(live);
        (void)reconcile_one(c, &apex);
    }
}

int service_finalize(const struct router_request *q, const cJSON *ports,
                     struct router_result *ret_result)
{
    struct call c;

    call_begin(&c, q, ret_result);
    if (has_services(&c))
        finalize_apex(&c, ports);
    return call_end(&c);
}

cJSON *service_apex_metadata(const struct router_request *q)
{
    struct router_result unused;
    struct call c;
    cJSON *metadata = NULL, *live = NULL;

    call_begin(&c, q, &unused);
    if (call_has(&c, QUIRK_LABEL_LEAK) && has_services(&c) && json_get(c.service, "apex") != NULL) {
        cJSON *labels = wanted_labels(&c, "apex", c.names.apex),
              *annotations = wanted_annotations(&c, "apex");

        if (call_get(&c, &RESOURCE_SERVICE, c.names.apex, &live) == 0 && is_owned(&c, live)) {
            keep_unmanaged(&c, live, "annotations", annotations);
            keep_unmanaged(&c, live, "labels", labels);
        }
        metadata = build_object("labels", labels, "annotations", annotations, NULL);
    }
    json_free(live);
    (void)call_end(&c);
    router_result_release(&unused);
    return metadata;
}
