/* ConfigMaps and Secrets that a pod spec refers to: found, hashed, copied for the primary. */
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/workload/plan.h"

/* ---- checksums ---------------------------------------------------------------------------------
 */

/* A string as encoding/json prints it with HTML escaping on. */
static void add_go_string(struct strbuf *b, const char *s)
{
    strbuf_addc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        switch (c) {
        case '"':
        case '\\':
            strbuf_addc(b, '\\');
            strbuf_addc(b, *s);
            break;
        case '\b':
            strbuf_adds(b, "\\b");
            break;
        case '\f':
            strbuf_adds(b, "\\f");
            break;
        case '\n':
            strbuf_adds(b, "\\n");
            break;
        case '\r':
            strbuf_adds(b, "\\r");
            break;
        case '\t':
            strbuf_adds(b, "\\t");
            break;
        default:
            if (c < 0x20 || c == '<' || c == '>' || c == '&') {
                strbuf_addf(b, "\\u%04x", c);
            } else if (c == 0xe2 && (unsigned char)s[1] == 0x80 &&
                       ((unsigned char)s[2] | 1) == 0xa9) {
                strbuf_addf(b, "\\u20%02x", (unsigned char)s[2] == 0xa8 ? 0x28u : 0x29u);
                s += 2;
            } else {
                strbuf_addc(b, *s);
            }
            break;
        }
    }
    strbuf_addc(b, '"');
}

/* A map of strings as encoding/json prints it; absent is null. */
static void add_go_map(struct strbuf *b, const cJSON *map)
{
    size_t count = 0;
    const cJSON **members;

    if (!cJSON_IsObject(map)) {
        strbuf_adds(b, "null");
        return;
    }
    members = build_sorted(map, &count);
    strbuf_addc(b, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_addc(b, ',');
        add_go_string(b, members[i]->string);
        strbuf_addc(b, ':');
        add_go_string(b, cJSON_IsString(members[i]) ? members[i]->valuestring : "");
    }
    strbuf_addc(b, '}');
    free(members);
}

static bool secret_type_is_known(const char *type)
{
    static const char *const known[] = {"Opaque", "kubernetes.io/basic-auth",
                                        "kubernetes.io/ssh-auth", "kubernetes.io/tls"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(type, known[i]) == 0)
            return true;
    }
    return false;
}

void config_facts_of(const cJSON *object, bool secret, bool with_binary,
                     struct config_facts *ret_facts)
{
    const char *tracking =
        json_text(json_at(object, "metadata", "annotations", NULL), "flagger.app/config-tracking");
    const cJSON *binary = json_get(object, "binaryData");
    struct strbuf b = STRBUF_INIT;
    unsigned char digest[SHA256_DIGEST_LENGTH];

    add_go_map(&b, json_get(object, "data"));
    if (with_binary && !secret && build_members(binary) != NULL)
        add_go_map(&b, binary);
    if (b.failed)
        abort();
    SHA256((const unsigned char *)strbuf_str(&b), b.len, digest);
    for (int i = 0; i < 8; i++)
        snprintf(ret_facts->checksum + i * 2, 3, "%02x", digest[i]);
    ret_facts->tracked = strncmp(tracking, "disable", 7) != 0 &&
                         (!secret || secret_type_is_known(json_text(object, "type")));
    strbuf_release(&b);
}

/* ---- where a pod spec names configs ------------------------------------------------------------
 */

typedef void on_config(void *ctx, bool secret, cJSON *holder, const char *member);

static void visit_one(on_config *f, void *ctx, bool secret, cJSON *holder, const char *member)
{
    if (json_str(holder, member) != NULL)
        f(ctx, secret, holder, member);
}

static void visit_volumes(cJSON *pod_spec, on_config *f, void *ctx)
{
    cJSON *volumes = json_get(pod_spec, "volumes");

    for (cJSON *v = volumes ? volumes->child : NULL; v; v = v->next) {
        cJSON *sources = json_at(v, "projected", "sources", NULL);

        visit_one(f, ctx, false, json_get(v, "configMap"), "name");
        visit_one(f, ctx, true, json_get(v, "secret"), "secretName");
        for (cJSON *s = sources ? sources->child : NULL; s; s = s->next) {
            visit_one(f, ctx, false, json_get(s, "configMap"), "name");
            visit_one(f, ctx, true, json_get(s, "secret"), "name");
        }
    }
}

static void visit_either(on_config *f, void *ctx, const cJSON *from, const char *config_member,
                         const char *secret_member)
{
    cJSON *config = json_get(from, config_member);

    if (config != NULL)
        visit_one(f, ctx, false, config, "name");
    else
        visit_one(f, ctx, true, json_get(from, secret_member), "name");
}

static void visit_containers(const cJSON *containers, on_config *f, void *ctx)
{
    for (const cJSON *c = containers ? containers->child : NULL; c; c = c->next) {
        const cJSON *env = json_get(c, "env"), *env_from = json_get(c, "envFrom");

        for (const cJSON *e = env ? env->child : NULL; e; e = e->next)
            visit_either(f, ctx, json_get(e, "valueFrom"), "configMapKeyRef", "secretKeyRef");
        for (const cJSON *e = env_from ? env_from->child : NULL; e; e = e->next)
            visit_either(f, ctx, e, "configMapRef", "secretRef");
    }
}

static void visit_configs(cJSON *pod_spec, on_config *f, void *ctx)
{
    visit_volumes(pod_spec, f, ctx);
    visit_containers(json_get(pod_spec, "containers"), f, ctx);
    visit_containers(json_get(pod_spec, "initContainers"), f, ctx);
}

/* ---- finding -----------------------------------------------------------------------------------
 */

struct finding {
    cJSON *optional[2]; /* by name: ConfigMaps, Secrets */
    bool last_decides;
};

static void note_config(void *ctx, bool secret, cJSON *holder, const char *member)
{
    struct finding *f = ctx;
    const char *name = json_str(holder, member);
    bool optional = json_bool(holder, "optional", false);

    if (!f->last_decides)
        optional = optional && json_bool(f->optional[secret], name, true);
    build_set(f->optional[secret], name, build_bool(optional));
}

static int facts_of(struct plan *p, bool secret, const char *name, struct config_facts *ret_facts)
{
    const struct resource *r = secret ? &RESOURCE_SECRET : &RESOURCE_CONFIGMAP;
    cJSON *object = NULL;
    int code;

    if (p->o->config != NULL) {
        strbuf_clear(&p->api_error);
        return p->o->config(p->o->config_self, r, p->ns, name, ret_facts, &p->api_error);
    }
    code = plan_get(p, r, name, &object);
    if (code == 0)
        config_facts_of(object, secret, !cluster_has(p->o->quirks, CLUSTER_BINARY_DATA), ret_facts);
    json_free(object);
    return code;
}

static int find_kind(struct plan *p, bool secret, const cJSON *names, cJSON *refs)
{
    const char *word = secret ? "secret" : "configmap";

    for (const cJSON *m = build_members(names); m; m = m->next) {
        struct config_facts facts;
        int code = facts_of(p, secret, m->string, &facts);
        char *key;

        if (code != 0 && cJSON_IsTrue(m))
            continue;
        if (code != 0)
            return plan_fail(p, code, "%s %s.%s get query error: %s %s.%s get query error: %s",
                             word, m->string, p->ns, word, m->string, p->ns, plan_api_error(p));
        if (!facts.tracked)
            continue;
        key = build_text("%s/%s", word, m->string);
        build_set(refs, key, build_str(facts.checksum));
        free(key);
    }
    return 0;
}

int configs_find(struct plan *p, const cJSON *pod_spec, cJSON **ret_refs)
{
    struct finding f = {{NULL, NULL}, cluster_has(p->o->quirks, CLUSTER_MANDATORY_REF)};
    cJSON *refs, *copy;
    int code;

    *ret_refs = NULL;
    if (p->o->no_config_tracking)
        return 0;
    refs = build_object(NULL);
    copy = build_copy(pod_spec);
    f.optional[0] = build_object(NULL);
    f.optional[1] = build_object(NULL);
    visit_configs(copy, note_config, &f);
    code = find_kind(p, false, f.optional[0], refs);
    if (code == 0)
        code = find_kind(p, true, f.optional[1], refs);
    json_free(f.optional[0]);
    json_free(f.optional[1]);
    json_free(copy);
    if (code == 0)
        *ret_refs = refs;
    else
        json_free(refs);
    return code;
}

/* ---- copies ------------------------------------------------------------------------------------
 */

/* Owners of the copy as it is that are not this Canary, no longer in control. */
static cJSON *owners_of_copy(struct plan *p, const cJSON *live)
{
    cJSON *owners = owner_references(p->q->canary);
    const cJSON *old = json_at(live, "metadata", "ownerReferences", NULL);

    for (const cJSON *o = old ? old->child : NULL; o; o = o->next) {
        cJSON *kept;

        if (strcmp(json_text(o, "kind"), "Canary") == 0 &&
            strcmp(json_text(o, "name"), p->name) == 0)
            continue;
        kept = build_copy(o);
        build_set(kept, "controller", build_bool(false));
        build_append(owners, kept);
    }
    return owners;
}

static cJSON *copy_of(struct plan *p, const struct resource *r, const char *name,
                      const cJSON *source, const cJSON *live)
{
    cJSON *labels = filter_prefix(p, json_at(source, "metadata", "labels", NULL));
    cJSON *metadata = build_object("name", build_str(name), "namespace", build_str(p->ns), "labels",
                                   json_is_empty(labels) ? NULL : build_copy(labels),
                                   "ownerReferences", owners_of_copy(p, live), NULL);

    json_free(labels);
    if (live != NULL && !cluster_has(p->o->quirks, CLUSTER_FENCED_COPIES))
        build_set(metadata, "resourceVersion",
                  build_str(json_str(json_get(live, "metadata"), "resourceVersion")));
    return build_object("apiVersion", build_str("v1"), "kind", build_str(r->kind), "metadata",
                        metadata, "data", build_copy(json_get(source, "data")), "binaryData",
                        cluster_has(p->o->quirks, CLUSTER_BINARY_DATA)
                            ? NULL
                            : build_copy(json_get(source, "binaryData")),
                        "type", build_copy(json_get(source, "type")), NULL);
}

/* Would writing `copy` over `live` change anything that we write? */
static bool copy_is_current(const cJSON *copy, const cJSON *live)
{
    return json_equal(json_get(copy, "data"), json_get(live, "data")) &&
           json_equal(json_get(copy, "binaryData"), json_get(live, "binaryData")) &&
           maps_equal(json_at(copy, "metadata", "labels", NULL),
                      json_at(live, "metadata", "labels", NULL)) &&
           json_equal(json_at(copy, "metadata", "ownerReferences", NULL),
                      json_at(live, "metadata", "ownerReferences", NULL));
}

/* Is this still what the checksum was made of? The two reads of a config may see two versions. */
static bool is_as_found(const struct plan *p, bool secret, const cJSON *source, const char *found)
{
    struct config_facts facts;

    if (cluster_has(p->o->quirks, CLUSTER_MADE_OF))
        return true;
    config_facts_of(source, secret, !cluster_has(p->o->quirks, CLUSTER_BINARY_DATA), &facts);
    return strcmp(facts.checksum, found) == 0;
}

static int copy_one(struct plan *p, bool secret, const char *name, const char *found)
{
    const struct resource *r = secret ? &RESOURCE_SECRET : &RESOURCE_CONFIGMAP;
    const char *word = secret ? "secret" : "configmap";
    char *copy_name = build_join(name, "-primary");
    cJSON *source = NULL, *live = NULL, *copy;
    int code = plan_get(p, r, name, &source);

    if (code != 0) {
        code = plan_fail(p, code, "CreatePrimaryConfigs failed: %s %s.%s get query failed : %s",
                         word, name, p->ns, plan_api_error(p));
        goto out;
    }
    if (!is_as_found(p, secret, source, found)) {
        code = plan_fail(p, -EAGAIN, "CreatePrimaryConfigs failed: %s %s.%s has changed", word,
                         name, p->ns);
        goto out;
    }
    code = plan_get(p, r, copy_name, &live);
    if (code != 0 && code != -ENOENT) {
        code = plan_fail(p, code, "CreatePrimaryConfigs failed: %s %s.%s get query failed : %s",
                         word, copy_name, p->ns, plan_api_error(p));
        goto out;
    }
    copy = copy_of(p, r, copy_name, source, code == 0 ? live : NULL);
    if (code == 0 && copy_is_current(copy, live))
        json_free(copy);
    else if (code == 0)
        plan_write(p, ROUTER_PUT, r, copy_name, copy,
                   "CreatePrimaryConfigs failed: updating %s %s.%s failed: ", word, copy_name,
                   p->ns);
    else
        plan_write(p, ROUTER_POST, r, copy_name, copy,
                   "CreatePrimaryConfigs failed: creating %s %s.%s failed: ", word, copy_name,
                   p->ns);
    code = 0;
out:
    free(copy_name);
    json_free(source);
    json_free(live);
    return code;
}

int configs_copy(struct plan *p, const cJSON *refs)
{
    for (const cJSON *m = build_members(refs); m; m = m->next) {
        bool secret = strncmp(m->string, "secret/", 7) == 0;
        int code = copy_one(p, secret, strchr(m->string, '/') + 1, json_text(refs, m->string));

        if (code != 0)
            return code;
    }
    return 0;
}

static void rewrite_one(void *ctx, bool secret, cJSON *holder, const char *member)
{
    const cJSON *refs = ctx;
    char *key = build_text("%s/%s", secret ? "secret" : "configmap", json_str(holder, member));

    if (json_get(refs, key) != NULL)
        build_set(holder, member, build_strf("%s-primary", json_str(holder, member)));
    free(key);
}

void configs_rewrite(cJSON *pod_spec, const cJSON *refs)
{
    cJSON *borrowed = build_copy(refs);

    if (borrowed != NULL)
        visit_configs(pod_spec, rewrite_one, borrowed);
    json_free(borrowed);
}
