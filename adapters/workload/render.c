#include "adapters/workload/render.h"

#include <errno.h>
#include <string.h>

#include "adapters/router/build.h"

/* ---- the objects at hand as a world -------------------------------------------------------------
 */

struct shelf {
    const cJSON *objects, *target;
    const char *ns;
};

static bool is_object(const struct shelf *s, const cJSON *o, const struct resource *r,
                      const char *name)
{
    const cJSON *metadata = json_get(o, "metadata");

    return strcmp(json_text(o, "kind"), r->kind) == 0 &&
           strcmp(json_text(metadata, "name"), name) == 0 &&
           strcmp(json_str_or(metadata, "namespace", s->ns), s->ns) == 0;
}

static int shelf_get(void *self, const struct resource *r, const char *ns, const char *name,
                     cJSON **ret_object, struct strbuf *reterr_text)
{
    const struct shelf *s = self;

    (void)ns;
    if (s->target && is_object(s, s->target, r, name)) {
        *ret_object = build_copy(s->target);
        return 0;
    }
    for (const cJSON *o = s->objects ? s->objects->child : NULL; o; o = o->next) {
        if (is_object(s, o, r, name)) {
            *ret_object = build_copy(o);
            return 0;
        }
    }
    resource_not_found(r, name, reterr_text);
    return -ENOENT;
}

/* What was not given is not tracked: the primary uses the original. */
static int shelf_config(void *self, const struct resource *r, const char *ns, const char *name,
                        struct config_facts *ret_facts, struct strbuf *reterr_text)
{
    cJSON *object = NULL;
    size_t len = reterr_text->len;

    memset(ret_facts, 0, sizeof(*ret_facts));
    if (shelf_get(self, r, ns, name, &object, reterr_text) != 0) {
        reterr_text->len = len;
        return 0;
    }
    config_facts_of(object, r == &RESOURCE_SECRET, true, ret_facts);
    json_free(object);
    return 0;
}

static void take_writes(struct router_result *result, cJSON *list)
{
    for (size_t i = 0; i < result->count; i++) {
        if (result->writes[i].verb == ROUTER_POST)
            build_append(list, build_copy(result->writes[i].object));
    }
}

int workload_render(void *self, const cJSON *canary, const cJSON *target, const cJSON *objects,
                    cJSON *list, struct strbuf *reterr_text)
{
    struct shelf shelf = {objects, target, json_text(json_get(canary, "metadata"), "namespace")};
    struct router_world world = {&shelf, shelf_get};
    struct workload_options options = {0};
    struct workload_request q = {canary, &options, &world, 0};
    const cJSON *ref = json_at(canary, "spec", "autoscalerRef", NULL);
    struct router_result result;
    int code;

    if (target == NULL)
        return 0;
    if (self)
        options = *(const struct workload_options *)self;
    options.config = shelf_config;
    options.config_self = &shelf;
    code = workload_initialize(&q, &result);
    if (code == 0)
        take_writes(&result, list);
    else
        strbuf_adds(reterr_text, strbuf_str(&result.error));
    router_result_release(&result);
    if (code == 0 && ref) {
        if (scaler_reconcile(&q, true, &result) == 0)
            take_writes(&result, list);
        router_result_release(&result);
    }
    return code;
}
