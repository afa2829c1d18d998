#include "adapters/router/objectmap.h"

#include <errno.h>

#include "adapters/router/build.h"

void objectmap_init(struct objectmap *m)
{
    m->objects = build_object(NULL);
}

void objectmap_release(struct objectmap *m)
{
    json_free(m->objects);
    m->objects = NULL;
}

void objectmap_key(struct strbuf *b, const struct resource *r, const char *ns, const char *name)
{
    strbuf_addf(b, "%s/%s/%s|%s|%s", r->group, r->version, r->plural, ns, name);
}

void objectmap_put(struct objectmap *m, const struct resource *r, const char *ns, const char *name,
                   cJSON *object)
{
    struct strbuf key = STRBUF_INIT;

    objectmap_key(&key, r, ns, name);
    build_set(m->objects, strbuf_str(&key), object);
    strbuf_release(&key);
}

static int map_get(void *self, const struct resource *r, const char *ns, const char *name,
                   cJSON **ret_object, struct strbuf *reterr_text)
{
    struct objectmap *m = self;
    struct strbuf key = STRBUF_INIT;
    const cJSON *found;

    objectmap_key(&key, r, ns, name);
    found = json_get(m->objects, strbuf_str(&key));
    strbuf_release(&key);
    if (found == NULL) {
        resource_not_found(r, name, reterr_text);
        return -ENOENT;
    }
    *ret_object = build_copy(found);
    return 0;
}

static int map_write(void *self, const struct router_write *w, struct strbuf *reterr_text)
{
    struct objectmap *m = self;
    struct strbuf key = STRBUF_INIT;
    cJSON *found;
    int code = 0;

    objectmap_key(&key, w->resource, w->ns, w->name);
    found = json_get(m->objects, strbuf_str(&key));
    if (w->verb != ROUTER_POST && found == NULL) {
        resource_not_found(w->resource, w->name, reterr_text);
        code = -ENOENT;
    } else if (w->verb == ROUTER_DELETE) {
        json_remove(m->objects, strbuf_str(&key));
    } else if (w->verb == ROUTER_PATCH) {
        build_set(m->objects, strbuf_str(&key), json_merge_patch(build_copy(found), w->object));
    } else {
        build_set(m->objects, strbuf_str(&key), build_copy(w->object));
    }
    strbuf_release(&key);
    return code;
}

struct router_world objectmap_world(struct objectmap *m)
{
    return (struct router_world){m, map_get};
}

struct router_writer objectmap_writer(struct objectmap *m)
{
    return (struct router_writer){m, map_write};
}
