/* openAPIV3Schemas: compiled, and what they prune and fill in. */
#include "sim/kube/internal.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- compiling an openAPIV3Schema
 * ------------------------------------------------------------------------- */

struct compiler {
    struct arena *arena;
    struct sk_schema *patterns;
    int depth;
    bool rules;
};

static struct sk_schema *compile(struct compiler *c, const cJSON *src);

static int prop_order(const void *a, const void *b)
{
    return strcmp(((const struct sk_prop *)a)->name, ((const struct sk_prop *)b)->name);
}

const struct sk_schema *sk_schema_member(const struct sk_schema *s, const char *name)
{
    size_t low = 0, high;

    if (!s)
        return NULL;
    high = s->prop_count;
    while (low < high) {
        const struct sk_prop *p = &s->props[low + (high - low) / 2];
        int order = (unsigned char)name[0] - (unsigned char)p->name[0];

        if (order == 0)
            order = strcmp(name, p->name);
        if (order == 0)
            return p->schema;
        if (order < 0)
            high = (size_t)(p - s->props);
        else
            low = (size_t)(p - s->props) + 1;
    }
    return s->additional;
}

/* Go's regular expressions as POSIX ones: \d, \w, \s and (?: are spelled out. */
static char *posix_pattern(const char *p)
{
    struct strbuf b = STRBUF_INIT;
    bool in_set = false;

    for (; *p; p++) {
        if (*p == '\\' && p[1]) {
            p++;
            if (*p == 'd')
                strbuf_adds(&b, in_set ? "0-9" : "[0-9]");
            else if (*p == 'w')
                strbuf_adds(&b, in_set ? "0-9A-Za-z_" : "[0-9A-Za-z_]");
            else if (*p == 's')
                strbuf_adds(&b, in_set ? " \t\n\r" : "[ \t\n\r]");
            else if (in_set)
                strbuf_addc(&b, *p);
            else
                strbuf_addf(&b, "\\%c", *p);
            continue;
        }
        if (*p == '[' && !in_set)
            in_set = true;
        else if (*p == ']' && in_set)
            in_set = false;
        strbuf_addc(&b, *p);
        if (*p == '(' && !in_set && p[1] == '?' && p[2] == ':')
            p += 2;
    }
    return strbuf_detach(&b);
}

static void compile_pattern(struct compiler *c, struct sk_schema *s, const char *text)
{
    char *posix = posix_pattern(text);
    regex_t *re = malloc(sizeof(*re));

    s->pattern_text = text;
    if (!posix || !re || regcomp(re, posix, REG_EXTENDED | REG_NOSUB) != 0) {
        free(re);
    } else {
        s->pattern = re;
        s->next_pattern = c->patterns;
        c->patterns = s;
    }
    free(posix);
}

void sk_schema_release(struct sk_schema *root)
{
    for (struct sk_schema *s = root ? root->next_pattern : NULL; s; s = s->next_pattern) {
        if (s->pattern) {
            regfree(s->pattern);
            free(s->pattern);
            s->pattern = NULL;
        }
    }
}

static enum sk_type type_of(const cJSON *src)
{
    const char *t = json_str_or(src, "type", "");

    if (json_bool(src, "x-kubernetes-int-or-string", false))
        return SK_INT_OR_STRING;
    if (strcmp(t, "object") == 0)
        return SK_OBJECT;
    if (strcmp(t, "array") == 0)
        return SK_LIST;
    if (strcmp(t, "string") == 0)
        return SK_STRING;
    if (strcmp(t, "integer") == 0)
        return SK_INTEGER;
    if (strcmp(t, "number") == 0)
        return SK_NUMBER;
    if (strcmp(t, "boolean") == 0)
        return SK_BOOLEAN;
    return json_get(src, "properties") ? SK_OBJECT : SK_ANY;
}

static void compile_limits(struct sk_schema *s, const cJSON *src)
{
    const cJSON *n = json_get(src, "minimum");

    if (cJSON_IsNumber(n)) {
        s->has_min = true;
        s->min = n->valuedouble;
        s->min_open = json_bool(src, "exclusiveMinimum", false);
    }
    n = json_get(src, "maximum");
    if (cJSON_IsNumber(n)) {
        s->has_max = true;
        s->max = n->valuedouble;
        s->max_open = json_bool(src, "exclusiveMaximum", false);
    }
    s->min_length = json_int(src, "minLength", -1);
    s->max_length = json_int(src, "maxLength", -1);
    s->min_items = json_int(src, "minItems", -1);
    s->max_items = json_int(src, "maxItems", -1);
    s->min_props = json_int(src, "minProperties", -1);
    s->max_props = json_int(src, "maxProperties", -1);
}

static void compile_props(struct compiler *c, struct sk_schema *s, const cJSON *src)
{
    const cJSON *props = json_get(src, "properties"),
                *extra = json_get(src, "additionalProperties"), *p;
    int n = cJSON_GetArraySize(props);

    if (n > 0)
        s->props = arena_alloc(c->arena, (size_t)n * sizeof(*s->props));
    cJSON_ArrayForEach(p, props)
    {
        struct sk_schema *child = s->props ? compile(c, p) : NULL;

        if (!child)
            return;
        s->props[s->prop_count].name = p->string;
        s->props[s->prop_count++].schema = child;
        s->has_defaults = s->has_defaults || child->has_defaults || child->fallback;
    }
    if (s->prop_count)
        qsort(s->props, s->prop_count, sizeof(*s->props), prop_order);
    if (cJSON_IsObject(extra)) {
        s->additional = compile(c, extra);
        s->has_defaults = s->has_defaults || (s->additional && s->additional->has_defaults);
    } else if (cJSON_IsTrue(extra)) {
        s->preserve_unknown = true;
    }
}

static struct sk_schema **compile_list(struct compiler *c, const cJSON *list, size_t *ret_count)
{
    int n = cJSON_GetArraySize(list);
    struct sk_schema **out =
        n > 0 ? arena_alloc(c->arena, (size_t)n * sizeof(struct sk_schema *)) : NULL;
    const cJSON *item;

    *ret_count = 0;
    if (!out)
        return NULL;
    cJSON_ArrayForEach(item, list)
    {
        out[*ret_count] = compile(c, item);
        if (!out[*ret_count])
            return NULL;
        (*ret_count)++;
    }
    return out;
}

static void compile_lists(struct compiler *c, struct sk_schema *s, const cJSON *src)
{
    const cJSON *keys = json_get(src, "x-kubernetes-list-map-keys"), *item;
    const cJSON *required = json_get(src, "required");
    int n = cJSON_GetArraySize(required);

    s->is_set = strcmp(json_str_or(src, "x-kubernetes-list-type", ""), "set") == 0;
    cJSON_ArrayForEach(item, keys)
    {
        if (s->list_key_count < 4 && item->valuestring)
            s->list_keys[s->list_key_count++] = item->valuestring;
    }
    if (n > 0)
        s->required = arena_alloc(c->arena, (size_t)n * sizeof(*s->required));
    cJSON_ArrayForEach(item, required)
    {
        if (s->required && item->valuestring)
            s->required[s->required_count++] = item->valuestring;
    }
    s->all_of = compile_list(c, json_get(src, "allOf"), &s->all_count);
    s->any_of = compile_list(c, json_get(src, "anyOf"), &s->any_count);
    s->one_of = compile_list(c, json_get(src, "oneOf"), &s->one_count);
    if (json_get(src, "not"))
        s->not_this = compile(c, json_get(src, "not"));
}

static struct sk_schema *compile(struct compiler *c, const cJSON *src)
{
    struct sk_schema *s;

    if (c->depth > 60)
        return NULL;
    s = arena_alloc(c->arena, sizeof(*s));
    if (!s)
        return NULL;
    c->depth++;
    s->type = type_of(src);
    s->preserve_unknown = json_bool(src, "x-kubernetes-preserve-unknown-fields", false);
    s->embedded = json_bool(src, "x-kubernetes-embedded-resource", false);
    s->nullable = json_bool(src, "nullable", false);
    s->fallback = json_get(src, "default");
    s->choices = json_get(src, "enum");
    s->format = json_str(src, "format");
    c->rules = c->rules || json_get(src, "x-kubernetes-validations");
    compile_limits(s, src);
    compile_props(c, s, src);
    compile_lists(c, s, src);
    if (cJSON_IsObject(json_get(src, "items"))) {
        s->items = compile(c, json_get(src, "items"));
        s->has_defaults = s->has_defaults || (s->items && s->items->has_defaults);
    }
    if (json_str(src, "pattern"))
        compile_pattern(c, s, json_str(src, "pattern"));
    c->depth--;
    return s;
}

struct sk_schema *sk_schema_compile(struct arena *arena, const cJSON *source)
{
    struct compiler c = {arena, NULL, 0, false};
    struct sk_schema *root = compile(&c, source);

    if (!root || arena_failed(arena))
        return NULL;
    root->has_rules = c.rules;
    root->next_pattern = c.patterns; /* the root itself has no pattern: it is an object */
    return root;
}

/* ---- pruning
 * -------------------------------------------------------------------------------------------------
 */

static void prune(const struct sk_schema *s, cJSON *value, const struct sk_place *at, bool root,
                  struct sk_findings *unknown);

/* Members every object has; a custom object's metadata is looked at by its own type. */
static bool is_envelope(const char *name)
{
    return strcmp(name, "apiVersion") == 0 || strcmp(name, "kind") == 0 ||
           strcmp(name, "metadata") == 0;
}

static void prune_object(const struct sk_schema *s, cJSON *value, const struct sk_place *at,
                         bool root, struct sk_findings *unknown)
{
    cJSON *member = value->child, *next;

    for (; member; member = next) {
        const struct sk_schema *child = sk_schema_member(s, member->string);
        struct sk_place here = {at, member->string, -1, false};

        next = member->next;
        if ((root || s->embedded) && is_envelope(member->string) && !(child && child->type_name))
            continue;
        if (child) {
            prune(child, member, &here, false, unknown);
            continue;
        }
        if (s->preserve_unknown)
            continue;
        if (unknown) {
            char *text = sk_place_text(&here);

            sk_findings_add(unknown, SK_INVALID, text ? text : "", "unknown field \"%s\"",
                            text ? text : "");
            free(text);
        }
        cJSON_Delete(cJSON_DetachItemViaPointer(value, member));
    }
}

static void prune(const struct sk_schema *s, cJSON *value, const struct sk_place *at, bool root,
                  struct sk_findings *unknown)
{
    if (cJSON_IsArray(value) && s->items) {
        cJSON *item;
        int i = 0;

        cJSON_ArrayForEach(item, value)
        {
            struct sk_place here = {at, NULL, i++, false};

            prune(s->items, item, &here, false, unknown);
        }
    } else if (cJSON_IsObject(value) && (s->type == SK_OBJECT || s->prop_count || s->embedded)) {
        prune_object(s, value, at, root, unknown);
    }
}

void sk_schema_prune(const struct sk_schema *s, cJSON *value, struct sk_findings *unknown)
{
    if (s)
        prune(s, value, NULL, true, unknown);
}

/* ---- defaults
 * --------------------------------------------------------------------------------------------------
 */

void sk_schema_default(const struct sk_schema *s, cJSON *value)
{
    cJSON *member;

    if (!s || !s->has_defaults)
        return;
    if (cJSON_IsArray(value) && s->items) {
        cJSON_ArrayForEach(member, value) sk_schema_default(s->items, member);
        return;
    }
    if (!cJSON_IsObject(value))
        return;
    for (size_t i = 0; i < s->prop_count; i++) {
        const struct sk_schema *child = s->props[i].schema;

        member = json_get(value, s->props[i].name);
        if (child->fallback && (!member || (cJSON_IsNull(member) && !child->nullable))) {
            json_set(value, s->props[i].name, json_copy(child->fallback));
            member = json_get(value, s->props[i].name);
        }
        if (member)
            sk_schema_default(child, member);
    }
    if (s->additional && s->additional->has_defaults) {
        cJSON_ArrayForEach(member, value) sk_schema_default(s->additional, member);
    }
}

void sk_schema_drop_nulls(const struct sk_schema *s, cJSON *value)
{
    cJSON *member = s && value ? value->child : NULL, *next;

    for (; member; member = next) {
        const struct sk_schema *child =
            cJSON_IsArray(value) ? s->items : sk_schema_member(s, member->string);

        next = member->next;
        if (!child)
            continue;
        if (!cJSON_IsNull(member))
            sk_schema_drop_nulls(child, member);
        else if (cJSON_IsObject(value) && !child->nullable && child->type != SK_ANY)
            cJSON_Delete(cJSON_DetachItemViaPointer(value, member));
    }
}

void sk_drop_nulls(cJSON *value)
{
    cJSON *member = value ? value->child : NULL, *next;

    for (; member; member = next) {
        next = member->next;
        if (cJSON_IsNull(member) && cJSON_IsObject(value))
            cJSON_Delete(cJSON_DetachItemViaPointer(value, member));
        else
            sk_drop_nulls(member);
    }
}
