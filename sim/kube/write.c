#include "sim/kube/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRATEGIC_TYPE "application/strategic-merge-patch+json"
#define MODIFIED_TEXT                                                                              \
    "the object has been modified; please apply your changes to the latest version and try again"

/* ---- bodies
 * ------------------------------------------------------------------------------------------------
 */

static bool type_is(const char *have, const char *want)
{
    size_t len = strlen(want);

    return strncmp(have, want, len) == 0 && (!have[len] || have[len] == ';' || have[len] == ' ');
}

static cJSON *read_body(struct call *c)
{
    const char *type = c->req->content_type;
    size_t offset = 0;
    cJSON *body;

    if (type && *type && !type_is(type, "application/json")) {
        sk_reply_status(c->r, 415, "UnsupportedMediaType", NULL,
                        "the body of the request was in an unknown format - accepted media types "
                        "include: application/json");
        return NULL;
    }
    body = json_parse(c->req->body ? c->req->body : "", c->req->body_len, &offset);
    if (!cJSON_IsObject(body)) {
        json_free(body);
        sk_reply_status(c->r, 400, "BadRequest", NULL,
                        "the object provided is unrecognized (must be of type %s): couldn't get "
                        "version/kind; json parse "
                        "error: invalid character at offset %zu",
                        c->kind->kind, offset);
        return NULL;
    }
    return body;
}

/* The body's own words about what and where it is must agree with the path. */
static bool check_identity(struct call *c, cJSON *tree)
{
    const char *kind = json_str(tree, "kind"), *version = json_str(tree, "apiVersion");
    cJSON *meta = json_get(tree, "metadata");
    const char *name, *ns;

    if (c->kind->custom && kind && *kind && strcmp(kind, c->kind->kind) != 0) {
        struct sk_findings f = {0};
        char want[200];

        snprintf(want, sizeof(want), "must be %.180s", c->kind->kind);
        sk_findings_value(&f, SK_INVALID, "kind", json_get(tree, "kind"), want);
        sk_reply_invalid_as(c->r, c->kind, kind, json_str_or(meta, "name", ""), &f);
        sk_findings_release(&f);
        return false;
    }
    if (c->kind->custom && (!kind || !*kind)) {
        const char *body = c->req->body ? c->req->body : "";

        sk_reply_status(c->r, 400, "BadRequest", NULL,
                        "the object provided is unrecognized (must be of type %s): Object 'Kind' "
                        "is missing in '%s' (%.30s ...)",
                        c->kind->kind, body, body);
        return false;
    }
    if (kind && *kind && strcmp(kind, c->kind->kind) != 0) {
        sk_reply_status(c->r, 400, "BadRequest", NULL,
                        "%s in version \"%s\" cannot be handled as a %s: %s", c->kind->kind,
                        c->v->name, c->kind->kind, "unexpected kind");
        return false;
    }
    if ((c->kind->custom && (!version || !*version)) ||
        (version && *version && strcmp(version, c->v->group_version) != 0)) {
        sk_reply_status(
            c->r, 400, "BadRequest", NULL,
            "the API version in the data (%s) does not match the expected API version (%s)",
            version ? version : "", c->v->group_version);
        return false;
    }
    if (meta && !cJSON_IsObject(meta)) {
        sk_call_bad(c,
                    "json: cannot unmarshal metadata into Go struct field of type v1.ObjectMeta");
        return false;
    }
    name = json_str(meta, "name");
    if (*c->name && name && *name && strcmp(name, c->name) != 0) {
        sk_reply_status(c->r, 400, "BadRequest", NULL,
                        "the name of the object (%s) does not match the name on the URL (%s)", name,
                        c->name);
        return false;
    }
    ns = json_str(meta, "namespace");
    if (ns && *ns && strcmp(ns, c->ns) != 0) {
        sk_call_bad(c, "the namespace of the provided object does not match the namespace sent on "
                       "the request");
        return false;
    }
    return true;
}

/* Drop what Go's omitempty drops: empty lists, maps and strings of built-in types. */
static void drop_empty(const struct sk_schema *s, cJSON *value)
{
    cJSON *member = value->child, *next;

    for (; member; member = next) {
        const struct sk_schema *child =
            cJSON_IsArray(value) ? s->items : sk_schema_member(s, member->string);
        bool empty_here;

        next = member->next;
        if (!child)
            continue;
        if (cJSON_IsObject(member) || cJSON_IsArray(member))
            drop_empty(child, member);
        if (cJSON_IsArray(value) || s->additional)
            continue;
        empty_here = (child->type == SK_LIST && !member->child) ||
                     (child->additional && !member->child) ||
                     (child->type == SK_STRING && cJSON_IsString(member) && !*member->valuestring &&
                      strcmp(member->string, "type") != 0);
        if (empty_here)
            cJSON_Delete(cJSON_DetachItemViaPointer(value, member));
    }
}

/* Unknown fields are refused, warned of or dropped, as fieldValidation asks. */
static bool check_unknown(struct call *c, struct sk_findings *unknown)
{
    const char *how = sk_call_param(c, "fieldValidation");
    struct strbuf b = STRBUF_INIT;

    if (unknown->count == 0)
        return true;
    for (size_t i = 0; i < unknown->count; i++)
        strbuf_addf(&b, "%s%s", i ? ", " : "", unknown->items[i].text);
    if (how && strcmp(how, "Strict") == 0) {
        sk_reply_status(c->r, 400, "BadRequest", NULL,
                        "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s",
                        c->kind->kind, c->v->name, c->kind->kind, strbuf_str(&b));
        strbuf_release(&b);
        return false;
    }
    if (!how || strcmp(how, "Warn") == 0) {
        char *quoted;

        strbuf_clear(&b);
        strbuf_add_json(&b, unknown->items[0].text, strlen(unknown->items[0].text));
        quoted = strbuf_detach(&b);
        snprintf(c->r->warning, sizeof(c->r->warning), "299 - %.200s", quoted ? quoted : "");
        free(quoted);
    }
    strbuf_release(&b);
    return true;
}

/* Decode: the shape must fit, nulls go, unknown fields are looked at. */
static bool decode(struct call *c, cJSON *tree)
{
    struct sk_findings unknown = {0};
    struct strbuf misfit = STRBUF_INIT;
    cJSON *meta = json_child_object(tree, "metadata");
    const struct sk_schema *meta_schema =
        sk_schema_member(c->k->namespaces->versions[0].schema, "metadata");
    bool ok;

    if (sk_schema_misfit(c->kind->custom ? meta_schema : c->v->schema,
                         c->kind->custom ? meta : tree, &misfit)) {
        sk_reply_status(c->r, 400, "BadRequest", NULL,
                        "%s in version \"%s\" cannot be handled as a %s: %s", c->kind->kind,
                        c->v->name, c->kind->kind, strbuf_str(&misfit));
        strbuf_release(&misfit);
        return false;
    }
    sk_drop_nulls(c->kind->custom ? meta : tree);
    json_remove(meta, "managedFields");
    json_remove(meta, "selfLink");
    if (c->kind->custom) {
        sk_schema_drop_nulls(c->v->schema, tree);
        sk_schema_prune(meta_schema, meta, &unknown);
        if (c->v->schema)
            sk_schema_prune(c->v->schema, tree, &unknown);
        drop_empty(meta_schema, meta);
    } else {
        sk_schema_prune(c->v->schema, tree, &unknown);
        drop_empty(c->v->schema, tree);
    }
    ok = check_unknown(c, &unknown);
    sk_findings_release(&unknown);
    return ok;
}

/* `kind`, `apiVersion` and `metadata` first, so that the rest of the text can be shared between
 * versions. */
static cJSON *in_order(struct call *c, cJSON *tree)
{
    cJSON *out = cJSON_CreateObject(),
          *meta = cJSON_DetachItemFromObjectCaseSensitive(tree, "metadata");

    json_set_str(out, "kind", c->kind->kind);
    json_set_str(out, "apiVersion", sk_kind_storage(c->kind)->group_version);
    cJSON_AddItemToObject(out, "metadata", meta);
    json_remove(tree, "kind");
    json_remove(tree, "apiVersion");
    while (tree->child) {
        cJSON *member = cJSON_DetachItemViaPointer(tree, tree->child);

        cJSON_AddItemToObject(out, member->string, member);
    }
    json_free(tree);
    return out;
}

/* ---- create
 * -------------------------------------------------------------------------------------------------
 */

static bool namespace_open(struct call *c, const char *name)
{
    struct sk_object *ns;

    if (!c->kind->namespaced)
        return true;
    ns = sk_find_name(c->k->namespaces, "", c->ns);
    if (!ns) {
        cJSON *details = sk_details(c->k->namespaces, c->ns);

        sk_reply_status(c->r, 404, "NotFound", details, "namespaces \"%s\" not found", c->ns);
        json_free(details);
        return false;
    }
    if (json_at(ns->tree, "metadata", "deletionTimestamp", (char *)NULL)) {
        cJSON *details = sk_details(c->kind, name), *causes = cJSON_CreateArray(),
              *cause = cJSON_CreateObject();
        char text[400];

        snprintf(text, sizeof(text), "namespace %s is being terminated", c->ns);
        json_set_str(cause, "reason", "NamespaceTerminating");
        json_set_str(cause, "message", text);
        json_set_str(cause, "field", "metadata.namespace");
        cJSON_AddItemToArray(causes, cause);
        json_set(details, "causes", causes);
        sk_reply_status(c->r, 403, "Forbidden", details,
                        "%s \"%s\" is forbidden: unable to create new content in namespace %s "
                        "because it is being terminated",
                        sk_call_qualified(c), name, c->ns);
        json_free(details);
        return false;
    }
    return true;
}

static char *put_hex(char *out, uint64_t value, int digits)
{
    for (int i = digits; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
    return out + digits;
}

/* A random one, of version 4: 8-4-4-4-12 digits. */
static void new_uid(struct simkube *k, char out[40])
{
    uint64_t a = sk_random_at(k, 2, k->random_counter++);
    uint64_t b = sk_random_at(k, 2, k->random_counter++);

    out = put_hex(out, a >> 32, 8);
    *out++ = '-';
    out = put_hex(out, a >> 16, 4);
    *out++ = '-';
    out = put_hex(out, 0x4000 | (a & 0xfff), 4);
    *out++ = '-';
    out = put_hex(out, 0x8000 | (b >> 48 & 0x3fff), 4);
    *out++ = '-';
    out = put_hex(out, b, 12);
    *out = '\0';
}

static void new_identity(struct simkube *k, const struct sk_kind *kind, cJSON *tree, const char *ns)
{
    cJSON *meta = json_get(tree, "metadata");
    const char *prefix = json_str(meta, "generateName");
    char text[320], tail[8];

    if (!*json_str_or(meta, "name", "") && prefix && *prefix) {
        sk_random_name(k, tail, 5);
        snprintf(text, sizeof(text), "%.248s%s", prefix, tail);
        json_set_str(meta, "name", text);
    }
    if (kind->namespaced)
        json_set_str(meta, "namespace", ns);
    else
        json_remove(meta, "namespace");
    new_uid(k, text);
    json_set_str(meta, "uid", text);
    sk_timestamp(k, text);
    json_set_str(meta, "creationTimestamp", text);
    json_remove(meta, "deletionTimestamp");
    json_remove(meta, "deletionGracePeriodSeconds");
    json_remove(meta, "resourceVersion");
    if (kind->generation != SK_GEN_NONE)
        json_set_int(meta, "generation", 1);
    else
        json_remove(meta, "generation");
}

/* Store a tree that is complete but for its version; reply with `status`. */
static void finish_create(struct call *c, cJSON *tree)
{
    const char *name = json_str_or(json_get(tree, "metadata"), "name", "");
    struct sk_object *o;

    if (sk_find_name(c->kind, c->kind->namespaced ? c->ns : "", name)) {
        char text[700];

        snprintf(text, sizeof(text), "%s \"%s\" already exists", sk_call_qualified(c), name);
        sk_call_fail(c, 409, "AlreadyExists", name, text);
        json_free(tree);
        return;
    }
    if (c->dry_run) {
        sk_call_reply_tree(c, 201, tree);
        json_free(tree);
        return;
    }
    o = sk_commit(c->k, c->kind, SK_ADDED, NULL, tree);
    if (!o) {
        sk_reply_status(c->r, 500, "InternalError", NULL, "out of memory");
        return;
    }
    sk_object_ref(o);
    if (c->kind == c->k->crds)
        sk_crd_install(c->k, o->tree);
    sk_call_reply(c, 201, o);
    sk_object_unref(o);
}

struct sk_object *sk_create(struct simkube *k, const char *actor, struct sk_kind *kind, cJSON *tree)
{
    const char *was = k->actor, *was_sub = k->actor_subresource;
    struct call c = {.k = k, .kind = kind};
    struct sk_object *o = NULL;
    char ns[260];

    snprintf(ns, sizeof(ns), "%.253s", json_str_or(json_get(tree, "metadata"), "namespace", ""));
    new_identity(k, kind, tree, ns);
    tree = in_order(&c, tree);
    sk_apply_defaults(k, kind, sk_kind_storage(kind), tree, NULL);
    sk_prepare_create(k, kind, tree);
    k->actor = actor;
    k->actor_subresource = "";
    if (sk_find_name(kind, ns, json_str_or(json_get(tree, "metadata"), "name", "")))
        json_free(tree);
    else
        o = sk_commit(k, kind, SK_ADDED, NULL, tree);
    k->actor = was;
    k->actor_subresource = was_sub;
    return o;
}

static void create_from(struct call *c, cJSON *tree)
{
    struct sk_findings findings = {0};
    const cJSON *meta = json_get(tree, "metadata");

    if (*json_str_or(meta, "resourceVersion", "")) {
        sk_reply_status(c->r, 500, "", NULL,
                        "resourceVersion should not be set on objects to be created");
        json_free(tree);
        return;
    }
    if (!namespace_open(c, json_str_or(meta, "name", ""))) {
        json_free(tree);
        return;
    }
    new_identity(c->k, c->kind, tree, c->ns);
    tree = in_order(c, tree);
    if (c->v->has_status)
        json_remove(tree, "status");
    sk_apply_defaults(c->k, c->kind, c->v, tree, NULL);
    sk_prepare_create(c->k, c->kind, tree);
    sk_validate(c->k, c->kind, c->v, tree, NULL, &findings);
    if (findings.count) {
        sk_reply_invalid(c->r, c->kind, json_str_or(json_get(tree, "metadata"), "name", ""),
                         &findings);
        json_free(tree);
    } else {
        finish_create(c, tree);
    }
    sk_findings_release(&findings);
}

void sk_do_create(struct call *c)
{
    cJSON *tree = read_body(c);

    if (!tree)
        return;
    if (!check_identity(c, tree) || !decode(c, tree)) {
        json_free(tree);
        return;
    }
    create_from(c, tree);
}

/* ---- update
 * ---------------------------------------------------------------------------------------------------
 */

static void keep_member(cJSON *to, const cJSON *from, const char *name)
{
    const cJSON *v = json_get(from, name);

    if (v)
        json_set(to, name, json_copy(v));
    else
        json_remove(to, name);
}

static void keep_system_metadata(const struct sk_object *old, cJSON *tree)
{
    static const char *const kept[] = {"name",
                                       "namespace",
                                       "uid",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "generation",
                                       "generateName",
                                       "resourceVersion"};
    cJSON *meta = json_child_object(tree, "metadata");
    const cJSON *old_meta = json_get(old->tree, "metadata");

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        keep_member(meta, old_meta, kept[i]);
}

static bool same_but(const cJSON *a, const cJSON *b, const char *skip)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, a)
    {
        if (strcmp(m->string, "metadata") != 0 && strcmp(m->string, skip) != 0 &&
            !json_equal(m, json_get(b, m->string)))
            return false;
    }
    cJSON_ArrayForEach(m, b)
    {
        if (strcmp(m->string, "metadata") != 0 && strcmp(m->string, skip) != 0 &&
            !json_get(a, m->string))
            return false;
    }
    return true;
}

/* DaemonSets still count the changes of their template in an annotation. */
static void raise_template_generation(const cJSON *old, cJSON *tree)
{
    static const char name[] = "deprecated.daemonset.template.generation";
    const char *was = json_str(json_at(old, "metadata", "annotations", (char *)NULL), name);
    char text[24];

    snprintf(text, sizeof(text), "%ld", (was ? strtol(was, NULL, 10) : 0) + 1);
    json_set_str(json_child_object(json_get(tree, "metadata"), "annotations"), name, text);
}

static void raise_generation(const struct call *c, const cJSON *old, cJSON *tree)
{
    cJSON *meta = json_get(tree, "metadata");
    bool changed = false;

    switch (c->kind->generation) {
    case SK_GEN_NONE:
        return;
    case SK_GEN_SPEC:
        changed = !json_equal(json_get(old, "spec"), json_get(tree, "spec"));
        break;
    case SK_GEN_SPEC_ANNOTATIONS:
        changed = !json_equal(json_get(old, "spec"), json_get(tree, "spec")) ||
                  !json_equal(json_at(old, "metadata", "annotations", (char *)NULL),
                              json_get(meta, "annotations"));
        break;
    case SK_GEN_CUSTOM:
        changed = !same_but(old, tree, c->v->has_status ? "status" : "");
        break;
    }
    if (changed)
        json_set_int(meta, "generation", json_int(meta, "generation", 0) + 1);
    if (c->kind == c->k->daemonsets && !json_equal(json_at(old, "spec", "template", (char *)NULL),
                                                   json_at(tree, "spec", "template", (char *)NULL)))
        raise_template_generation(old, tree);
}

static bool versions_agree(struct call *c, const struct sk_object *old, const cJSON *meta,
                           bool patch)
{
    const char *rv = json_str_or(meta, "resourceVersion", ""), *uid = json_str_or(meta, "uid", "");
    char text[1000];

    if (*uid && strcmp(uid, old->uid) != 0) {
        snprintf(text, sizeof(text),
                 "StorageError: invalid object, Code: 4, Key: /registry/%s%s%.60s/%.250s, "
                 "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
                 "precondition: %.100s, UID in object meta: %s",
                 c->kind->custom ? c->kind->group : "", c->kind->custom ? "/" : "", c->kind->plural,
                 old->key, uid, old->uid);
        sk_call_conflict(c, old->name, text);
        return false;
    }
    if (!*rv || strcmp(rv, "0") == 0) {
        struct sk_findings f = {0};

        if (patch || c->kind->unconditional_update)
            return true;
        sk_findings_add(&f, SK_INVALID, "metadata.resourceVersion",
                        "Invalid value: 0: must be specified for an update");
        sk_reply_invalid_as(c->r, c->kind, c->kind->plural, old->name, &f);
        sk_findings_release(&f);
        return false;
    }
    sk_version_text(old->rv, text);
    if (strcmp(text, rv) == 0)
        return true;
    sk_call_conflict(c, old->name, MODIFIED_TEXT);
    return false;
}

static void check_new_finalizers(const cJSON *old, const cJSON *tree, struct sk_findings *f)
{
    const cJSON *item;

    if (!json_at(old, "metadata", "deletionTimestamp", (char *)NULL))
        return;
    cJSON_ArrayForEach(item, json_at(tree, "metadata", "finalizers", (char *)NULL))
    {
        if (item->valuestring && !sk_has_finalizer(old, item->valuestring))
            sk_findings_add(f, SK_FORBIDDEN, "metadata.finalizers",
                            "Forbidden: no new finalizers can be added if the object is being "
                            "deleted, found new finalizers "
                            "[]string{\"%s\"}",
                            item->valuestring);
    }
}

static void store_update(struct call *c, struct sk_object *old, cJSON *tree)
{
    struct sk_object *o;

    sk_object_ref(old);
    if (sk_tree_equal(old->tree, tree)) {
        json_free(tree);
        sk_call_reply(c, 200, old);
    } else if (c->dry_run) {
        sk_call_reply_tree(c, 200, tree);
        json_free(tree);
    } else if (json_at(tree, "metadata", "deletionTimestamp", (char *)NULL) &&
               !sk_has_finalizer(tree, NULL) && !*c->sub && sk_has_finalizer(old->tree, NULL) &&
               c->kind != c->k->namespaces) {
        sk_call_reply_tree(c, 200, tree);
        json_free(tree);
        sk_remove_now(c->k, old);
    } else {
        o = sk_commit(c->k, c->kind, SK_MODIFIED, old, tree);
        sk_object_ref(o);
        if (o && c->kind == c->k->crds && !*c->sub)
            sk_crd_install(c->k, o->tree);
        if (o)
            sk_call_reply(c, 200, o);
        sk_object_unref(o);
    }
    sk_object_unref(old);
}

/* The rest of PUT and PATCH, once the wanted tree (consumed) is there. */
static void update_to(struct call *c, struct sk_object *old, cJSON *tree, bool patch)
{
    struct sk_findings findings = {0};
    bool status = strcmp(c->sub, "status") == 0;

    if (!decode(c, tree) || !versions_agree(c, old, json_get(tree, "metadata"), patch)) {
        json_free(tree);
        return;
    }
    if (status) {
        cJSON *base = sk_edit_new_status(old), *fresh = json_get(tree, "status"),
              *notes = json_at(tree, "metadata", "annotations", (char *)NULL);

        if (fresh)
            cJSON_AddItemToObject(base, "status", cJSON_DetachItemViaPointer(tree, fresh));
        if (!c->kind->custom && notes)
            json_set(json_get(base, "metadata"), "annotations", json_copy(notes));
        json_free(tree);
        tree = base;
        if (c->kind->custom && json_get(tree, "status"))
            sk_schema_default(sk_schema_member(c->v->schema, "status"), json_get(tree, "status"));
    } else {
        keep_system_metadata(old, tree);
        tree = in_order(c, tree);
        if (c->v->has_status)
            keep_member(tree, old->tree, "status");
    }
    if (!status) {
        sk_apply_defaults(c->k, c->kind, c->v, tree, old->tree);
        check_new_finalizers(old->tree, tree, &findings);
        sk_validate(c->k, c->kind, c->v, tree, old->tree, &findings);
    } else if (c->kind->custom) {
        sk_validate_status(c->v, tree, &findings);
    }
    if (findings.count) {
        sk_reply_invalid(c->r, c->kind, old->name, &findings);
        json_free(tree);
    } else {
        if (!status)
            raise_generation(c, old->tree, tree);
        store_update(c, old, tree);
    }
    sk_findings_release(&findings);
}

void sk_do_update(struct call *c)
{
    struct sk_object *old = sk_find_name(c->kind, c->ns, c->name);
    cJSON *tree = read_body(c);

    if (!tree)
        return;
    if (!check_identity(c, tree)) {
        json_free(tree);
        return;
    }
    if (!old && c->kind->create_on_update && !*c->sub) {
        if (decode(c, tree))
            create_from(c, tree);
        else
            json_free(tree);
        return;
    }
    if (!old) {
        sk_call_not_found(c, c->name);
        json_free(tree);
        return;
    }
    update_to(c, old, tree, false);
}

/* ---- patch
 * --------------------------------------------------------------------------------------------------------
 */

enum patch_type { PATCH_MERGE, PATCH_JSON, PATCH_STRATEGIC, PATCH_APPLY, PATCH_UNKNOWN };

static enum patch_type patch_type(const struct call *c)
{
    const char *type = c->req->content_type ? c->req->content_type : "";

    if (type_is(type, "application/merge-patch+json"))
        return PATCH_MERGE;
    if (type_is(type, "application/json-patch+json"))
        return PATCH_JSON;
    if (type_is(type, STRATEGIC_TYPE) && !c->kind->custom)
        return PATCH_STRATEGIC;
    if (type_is(type, "application/apply-patch+yaml"))
        return PATCH_APPLY;
    return PATCH_UNKNOWN;
}

static cJSON *patched(struct call *c, enum patch_type type, cJSON *target, const cJSON *patch)
{
    struct strbuf text = STRBUF_INIT;
    int status = 0;

    switch (type) {
    case PATCH_MERGE:
        return json_merge_patch(target, patch);
    case PATCH_STRATEGIC:
        return sk_strategic_merge(c->v->schema, target, patch);
    case PATCH_APPLY:
        return sk_apply_merge(c->v->schema, target, patch);
    case PATCH_JSON:
    case PATCH_UNKNOWN:
        break;
    }
    target = sk_json_patch(target, patch, &status, &text);
    if (!target && status == 422) {
        cJSON *details = cJSON_CreateObject(), *causes = cJSON_CreateArray(),
              *cause = cJSON_CreateObject();

        json_set_str(cause, "reason", "UnexpectedServerResponse");
        json_set_str(cause, "message", strbuf_str(&text));
        cJSON_AddItemToArray(causes, cause);
        json_set(details, "causes", causes);
        sk_reply_status(c->r, 422, "Invalid", details,
                        "the server rejected our request due to an error in our request");
        json_free(details);
    } else if (!target) {
        sk_reply_status(c->r, status, "BadRequest", NULL, "%s", strbuf_str(&text));
    }
    strbuf_release(&text);
    return target;
}

static cJSON *read_patch(struct call *c, enum patch_type type)
{
    cJSON *patch;

    if (type == PATCH_UNKNOWN) {
        bool strategic = c->req->content_type && type_is(c->req->content_type, STRATEGIC_TYPE);

        sk_reply_status(c->r, 415, "UnsupportedMediaType", NULL, "%s",
                        strategic ? "the body of the request was in an unknown format - accepted "
                                    "media types include: application/json-patch+json, "
                                    "application/merge-patch+json, application/apply-patch+yaml"
                                  : "415: Unsupported Media Type");
        return NULL;
    }
    if (type == PATCH_APPLY && !sk_call_param(c, "fieldManager")) {
        sk_reply_status(
            c->r, 422, "Invalid", NULL,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is "
            "required for apply patch");
        return NULL;
    }
    patch = json_parse(c->req->body ? c->req->body : "", c->req->body_len, NULL);
    if (!patch || (type != PATCH_JSON && !cJSON_IsObject(patch))) {
        bool is_list = cJSON_IsArray(patch);

        json_free(patch);
        sk_call_bad(c, is_list ? "error decoding patch: json: cannot unmarshal array into Go value "
                                 "of type map[string]interface {}"
                               : "error decoding patch: invalid character in the body");
        return NULL;
    }
    return patch;
}

/* What a patch is applied to. A status patch sees no spec, as it may not change one. */
static cJSON *patch_target(const struct call *c, const struct sk_object *old, enum patch_type type,
                           cJSON *patch)
{
    cJSON *tree;

    if (!*c->sub || type == PATCH_JSON)
        return json_copy(old->tree);
    json_remove(patch, "spec");
    tree = sk_edit_status(old);
    json_remove(tree, "spec");
    return tree;
}

void sk_do_patch(struct call *c)
{
    struct sk_object *old = sk_find_name(c->kind, c->ns, c->name);
    enum patch_type type = patch_type(c);
    cJSON *patch = read_patch(c, type), *tree;

    if (!patch)
        return;
    if (!old && type == PATCH_APPLY && !*c->sub) {
        if (check_identity(c, patch) && decode(c, patch)) {
            json_set_str(json_get(patch, "metadata"), "name", c->name);
            create_from(c, patch);
        } else {
            json_free(patch);
        }
        return;
    }
    if (!old) {
        sk_call_not_found(c, c->name);
        json_free(patch);
        return;
    }
    tree = patch_target(c, old, type, patch);
    json_set_str(tree, "apiVersion", c->v->group_version);
    tree = patched(c, type, tree, patch);
    json_free(patch);
    if (!tree)
        return;
    if (!cJSON_IsObject(tree)) {
        sk_call_bad(c, "the patched object is not an object");
        json_free(tree);
        return;
    }
    if (check_identity(c, tree))
        update_to(c, old, tree, true);
    else
        json_free(tree);
}

/* ---- scale
 * ----------------------------------------------------------------------------------------------------------
 */

static void reply_scale(struct call *c, const struct sk_object *o)
{
    const cJSON *meta = json_get(o->tree, "metadata"), *label;
    struct strbuf selector = STRBUF_INIT;
    char rv[24];

    cJSON_ArrayForEach(label, json_at(o->tree, "spec", "selector", "matchLabels", (char *)NULL))
        strbuf_addf(&selector, "%s%s=%s", selector.len ? "," : "", label->string,
                    label->valuestring);
    sk_version_text(o->rv, rv);
    c->r->status = 200;
    c->r->content_type = "application/json";
    strbuf_addf(&c->r->body,
                "{\"kind\":\"Scale\",\"apiVersion\":\"autoscaling/"
                "v1\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\","
                "\"uid\":\"%s\",\"resourceVersion\":\"%s\",\"creationTimestamp\":\"%s\"},\"spec\":{"
                "\"replicas\":%lld},"
                "\"status\":{\"replicas\":%lld,\"selector\":\"%s\"}}\n",
                o->name, o->ns, o->uid, rv, json_str_or(meta, "creationTimestamp", ""),
                (long long)json_int(json_get(o->tree, "spec"), "replicas", 1),
                (long long)json_int(json_get(o->tree, "status"), "replicas", 0),
                strbuf_str(&selector));
    strbuf_release(&selector);
}

static cJSON *scale_wanted(struct call *c, const struct sk_object *o)
{
    cJSON *scale, *patch;

    if (strcmp(c->req->method, "PUT") == 0)
        return json_parse(c->req->body ? c->req->body : "", c->req->body_len, NULL);
    patch = read_patch(c, patch_type(c) == PATCH_STRATEGIC ? PATCH_MERGE : patch_type(c));
    if (!patch)
        return NULL;
    scale = cJSON_CreateObject();
    json_set_int(json_child_object(scale, "spec"), "replicas",
                 json_int(json_get(o->tree, "spec"), "replicas", 1));
    if (patch_type(c) == PATCH_JSON) {
        scale = patched(c, PATCH_JSON, scale, patch);
    } else {
        scale = json_merge_patch(scale, patch);
    }
    json_free(patch);
    return scale;
}

void sk_do_scale(struct call *c)
{
    struct sk_object *o = sk_find_name(c->kind, c->ns, c->name);
    cJSON *scale, *tree;
    const char *rv;
    char have[24];
    bool replies = c->r->status != 0;

    if (!o) {
        sk_call_not_found(c, c->name);
        return;
    }
    if (strcmp(c->req->method, "GET") == 0) {
        reply_scale(c, o);
        return;
    }
    scale = scale_wanted(c, o);
    if (!scale || !json_get(json_get(scale, "spec"), "replicas")) {
        if (!replies && c->r->status == 0)
            sk_call_bad(c, "spec.replicas is required");
        json_free(scale);
        return;
    }
    rv = json_str_or(json_get(scale, "metadata"), "resourceVersion", "");
    sk_version_text(o->rv, have);
    if (*rv && strcmp(rv, have) != 0) {
        sk_call_conflict(c, c->name, MODIFIED_TEXT);
        json_free(scale);
        return;
    }
    tree = sk_edit(o);
    json_set_int(json_child_object(tree, "spec"), "replicas",
                 json_int(json_get(scale, "spec"), "replicas", 1));
    json_free(scale);
    raise_generation(c, o->tree, tree);
    if (json_equal(o->tree, tree) || c->dry_run) {
        json_free(tree);
        reply_scale(c, o);
        return;
    }
    o = sk_commit(c->k, c->kind, SK_MODIFIED, o, tree);
    if (o)
        reply_scale(c, o);
}

/* ---- delete
 * ---------------------------------------------------------------------------------------------------------
 */

const char *sk_call_delete_policy(const struct call *c, const cJSON *options)
{
    const char *p = json_str(options, "propagationPolicy");

    if (!p)
        p = sk_call_param(c, "propagationPolicy");
    if (p)
        return p;
    if (json_get(options, "orphanDependents"))
        return json_bool(options, "orphanDependents", false) ? "Orphan" : "Background";
    return "Background";
}

static bool precondition(struct call *c, const struct sk_object *o, const char *what,
                         const char *want, const char *have, const char *hint)
{
    cJSON *details;

    if (!want || strcmp(want, have) == 0)
        return true;
    details = sk_details(c->kind, o->name);
    sk_reply_status(c->r, 409, "Conflict", details,
                    "Operation cannot be fulfilled on %s%s%s \"%s\": the %s in the precondition "
                    "(%s) does not match the %s in record (%s). The object might have been %s",
                    c->kind->kind, *c->kind->group ? "." : "", c->kind->group, o->name, what, want,
                    what, have, hint);
    json_free(details);
    return false;
}

static bool preconditions_hold(struct call *c, const struct sk_object *o, const cJSON *options)
{
    const cJSON *pre = json_get(options, "preconditions");
    char have[24];

    sk_version_text(o->rv, have);
    return precondition(c, o, "UID", json_str(pre, "uid"), o->uid, "deleted and then recreated") &&
           precondition(c, o, "ResourceVersion", json_str(pre, "resourceVersion"), have,
                        "modified");
}

static void reply_deleted(struct call *c, struct sk_object *was)
{
    struct sk_object *now = sk_find(c->kind, was->key);
    cJSON *details;

    if (now) {
        sk_call_reply(c, 200, now);
        return;
    }
    if (c->kind->returns_deleted) {
        sk_call_reply(c, 200, was);
        return;
    }
    details = sk_details(c->kind, was->name);
    json_set_str(details, "uid", was->uid);
    sk_reply_status(c->r, 200, NULL, details, "%s", "");
    json_free(details);
}

void sk_call_delete_one(struct call *c, struct sk_object *o, const char *policy,
                        const cJSON *options)
{
    bool now = json_int(options, "gracePeriodSeconds", -1) == 0;
    const char *grace = sk_call_param(c, "gracePeriodSeconds");

    if (grace && strcmp(grace, "0") == 0)
        now = true;
    if (c->kind == c->k->pods && now && !sk_has_finalizer(o->tree, NULL))
        sk_remove_now(c->k, o);
    else
        sk_delete(c->k, c->req->user, o, policy);
}

void sk_do_delete(struct call *c)
{
    struct sk_object *o = sk_find_name(c->kind, c->ns, c->name);
    cJSON *options = c->req->body_len ? json_parse(c->req->body, c->req->body_len, NULL) : NULL;
    const cJSON *dry = json_get(options, "dryRun");

    if (!o) {
        sk_call_not_found(c, c->name);
    } else if (preconditions_hold(c, o, options)) {
        sk_object_ref(o);
        if (!c->dry_run && !(dry && dry->child)) {
            sk_call_delete_one(c, o, sk_call_delete_policy(c, options), options);
            reply_deleted(c, o);
        } else if (c->kind->returns_deleted) {
            sk_call_reply(c, 200, o);
        } else {
            cJSON *details = sk_details(c->kind, o->name);

            json_set_str(details, "uid", o->uid);
            sk_reply_status(c->r, 200, NULL, details, "%s", "");
            json_free(details);
        }
        sk_object_unref(o);
    }
    json_free(options);
}
