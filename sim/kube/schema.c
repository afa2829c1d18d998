#include "sim/kube/internal.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- findings
 * ------------------------------------------------------------------------------------------ */

#define FINDINGS_MAX 200u

static void findings_put(struct sk_findings *f, enum sk_cause cause, const char *field, char *text)
{
    if (f->count >= FINDINGS_MAX || !text) {
        free(text);
        return;
    }
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 8;
        struct sk_finding *more = realloc(f->items, cap * sizeof(*more));

        if (!more) {
            free(text);
            return;
        }
        f->items = more;
        f->cap = cap;
    }
    f->items[f->count].cause = cause;
    f->items[f->count].field = strdup(field);
    f->items[f->count].text = text;
    if (!f->items[f->count].field)
        free(text);
    else
        f->count++;
}

void sk_findings_add(struct sk_findings *f, enum sk_cause cause, const char *field,
                     const char *format, ...)
{
    struct strbuf b = STRBUF_INIT;
    va_list args;

    va_start(args, format);
    strbuf_addv(&b, format, args);
    va_end(args);
    strbuf_addc(&b, '\0');
    findings_put(f, cause, field, strbuf_detach(&b));
}

static const char *cause_text(enum sk_cause cause)
{
    static const char *const texts[] = {
        [SK_REQUIRED] = "Required value",
        [SK_INVALID] = "Invalid value",
        [SK_UNSUPPORTED] = "Unsupported value",
        [SK_DUPLICATE] = "Duplicate value",
        [SK_FORBIDDEN] = "Forbidden",
        [SK_TOO_LONG] = "Too long",
        [SK_TOO_MANY] = "Too many",
        [SK_TYPE] = "Invalid value",
    };
    return texts[cause];
}

static void add_value(struct strbuf *b, const cJSON *value)
{
    if (!value || cJSON_IsNull(value))
        strbuf_adds(b, "null");
    else
        json_add_to(b, value);
}

void sk_findings_value(struct sk_findings *f, enum sk_cause cause, const char *field,
                       const cJSON *value, const char *text)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_addf(&b, "%s: ", cause_text(cause));
    add_value(&b, value);
    if (text && *text)
        strbuf_addf(&b, ": %s", text);
    findings_put(f, cause, field, strbuf_detach(&b));
}

static int by_field(const void *a, const void *b)
{
    const struct sk_finding *x = a, *y = b;
    int order = strcmp(x->field, y->field);

    return order ? order : strcmp(x->text, y->text);
}

void sk_findings_note_rules(const struct sk_schema *root, struct sk_findings *f)
{
    bool blocked = false;

    for (size_t i = 0; i < f->count; i++)
        blocked =
            blocked || (f->items[i].cause != SK_INVALID && f->items[i].cause != SK_DUPLICATE &&
                        f->items[i].cause != SK_FORBIDDEN);
    if (root && root->has_rules && blocked)
        sk_findings_add(f, SK_INVALID, "<nil>",
                        "Invalid value: null: some validation rules were not checked because the "
                        "object was invalid; correct the existing errors to complete validation");
}

void sk_findings_sort(struct sk_findings *f)
{
    if (f->count > 1)
        qsort(f->items, f->count, sizeof(*f->items), by_field);
}

void sk_findings_release(struct sk_findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].field);
        free(f->items[i].text);
    }
    free(f->items);
    memset(f, 0, sizeof(*f));
}

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

/* A place in a document, linked on the stack and printed only when something is wrong there. */
struct place {
    const struct place *up;
    const char *name;
    int index; /* >= 0: an element of a list */
    bool key;  /* a member of a map, printed as [key] */
};

static void place_print(const struct place *p, struct strbuf *b)
{
    if (!p)
        return;
    place_print(p->up, b);
    if (p->index >= 0)
        strbuf_addf(b, "[%d]", p->index);
    else
        strbuf_addf(b, "%s%s", b->len ? "." : "", p->name);
}

static char *place_text(const struct place *p)
{
    struct strbuf b = STRBUF_INIT;

    place_print(p, &b);
    strbuf_adds(&b, "");
    return strbuf_detach(&b);
}

static void prune(const struct sk_schema *s, cJSON *value, const struct place *at, bool root,
                  struct sk_findings *unknown);

/* Members every object has; a custom object's metadata is looked at by its own type. */
static bool is_envelope(const char *name)
{
    return strcmp(name, "apiVersion") == 0 || strcmp(name, "kind") == 0 ||
           strcmp(name, "metadata") == 0;
}

static void prune_object(const struct sk_schema *s, cJSON *value, const struct place *at, bool root,
                         struct sk_findings *unknown)
{
    cJSON *member = value->child, *next;

    for (; member; member = next) {
        const struct sk_schema *child = sk_schema_member(s, member->string);
        struct place here = {at, member->string, -1, false};

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
            char *text = place_text(&here);

            sk_findings_add(unknown, SK_INVALID, text ? text : "", "unknown field \"%s\"",
                            text ? text : "");
            free(text);
        }
        cJSON_Delete(cJSON_DetachItemViaPointer(value, member));
    }
}

static void prune(const struct sk_schema *s, cJSON *value, const struct place *at, bool root,
                  struct sk_findings *unknown)
{
    if (cJSON_IsArray(value) && s->items) {
        cJSON *item;
        int i = 0;

        cJSON_ArrayForEach(item, value)
        {
            struct place here = {at, NULL, i++, false};

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

/* ---- validation
 * ---------------------------------------------------------------------------------------------------
 */

static void validate(const struct sk_schema *s, const cJSON *value, const struct place *at,
                     struct sk_findings *out);

static const char *type_name(enum sk_type t)
{
    static const char *const names[] = {
        [SK_ANY] = "any",         [SK_OBJECT] = "object",
        [SK_LIST] = "array",      [SK_STRING] = "string",
        [SK_INTEGER] = "integer", [SK_NUMBER] = "number",
        [SK_BOOLEAN] = "boolean", [SK_INT_OR_STRING] = "integer,string",
        [SK_QUANTITY] = "string",
    };
    return names[t];
}

static bool is_integer(const cJSON *v)
{
    int64_t n;

    return cJSON_IsRaw(v) || (cJSON_IsNumber(v) && json_as_int(v, &n));
}

static const char *json_type_name(const cJSON *v)
{
    if (cJSON_IsString(v))
        return "string";
    if (cJSON_IsBool(v))
        return "boolean";
    if (cJSON_IsArray(v))
        return "array";
    if (cJSON_IsObject(v))
        return "object";
    if (cJSON_IsNull(v))
        return "null";
    return is_integer(v) ? "integer" : "number";
}

static bool type_fits(enum sk_type t, const cJSON *v)
{
    switch (t) {
    case SK_OBJECT:
        return cJSON_IsObject(v);
    case SK_LIST:
        return cJSON_IsArray(v);
    case SK_STRING:
        return cJSON_IsString(v);
    case SK_INTEGER:
        return is_integer(v);
    case SK_NUMBER:
        return cJSON_IsNumber(v) || cJSON_IsRaw(v);
    case SK_BOOLEAN:
        return cJSON_IsBool(v);
    case SK_INT_OR_STRING:
        return cJSON_IsString(v) || is_integer(v);
    case SK_QUANTITY:
        return cJSON_IsString(v) || cJSON_IsNumber(v);
    case SK_ANY:
        break;
    }
    return true;
}

static void complain(struct sk_findings *out, enum sk_cause cause, const struct place *at,
                     const cJSON *value, const char *before, const char *detail)
{
    char *field = place_text(at);
    struct strbuf b = STRBUF_INIT;

    if (before)
        strbuf_addf(&b, "%s in body ", field ? field : "");
    strbuf_adds(&b, detail);
    sk_findings_value(out, cause, field ? field : "", value, strbuf_str(&b));
    strbuf_release(&b);
    free(field);
}

static void complain_type(struct sk_findings *out, const struct place *at, const cJSON *value,
                          enum sk_type want)
{
    char text[96];
    cJSON *name = cJSON_CreateString(json_type_name(value));

    snprintf(text, sizeof(text), "must be of type %s: \"%s\"", type_name(want),
             json_type_name(value));
    complain(out, SK_TYPE, at, name, "in body", text);
    json_free(name);
}

static int64_t rune_count(const char *s)
{
    int64_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void validate_string(const struct sk_schema *s, const cJSON *v, const struct place *at,
                            struct sk_findings *out)
{
    char text[256];
    int64_t n = s->min_length >= 0 || s->max_length >= 0 ? rune_count(v->valuestring) : 0;

    if (s->max_length >= 0 && n > s->max_length) {
        char *field = place_text(at);

        sk_findings_add(out, SK_TOO_LONG, field ? field : "",
                        "Too long: may not be more than %lld bytes", (long long)s->max_length);
        free(field);
    }
    if (s->min_length >= 0 && n < s->min_length) {
        snprintf(text, sizeof(text), "should be at least %lld chars long",
                 (long long)s->min_length);
        complain(out, SK_INVALID, at, v, "in body", text);
    }
    if (s->pattern && regexec(s->pattern, v->valuestring, 0, NULL, 0) != 0) {
        snprintf(text, sizeof(text), "should match '%.200s'", s->pattern_text);
        complain(out, SK_INVALID, at, v, "in body", text);
    }
    if (s->format && strcmp(s->format, "date-time") == 0) {
        int64_t ms;

        if (!sk_time_parse(v->valuestring, &ms)) {
            snprintf(text, sizeof(text), "must be of type date-time: \"%.120s\"", v->valuestring);
            complain(out, SK_TYPE, at, v, "in body", text);
        }
    }
}

static void validate_number(const struct sk_schema *s, const cJSON *v, const struct place *at,
                            struct sk_findings *out)
{
    char text[96];
    int64_t whole = 0;
    double n = v->valuedouble;

    if (cJSON_IsRaw(v) && json_as_int(v, &whole))
        n = (double)whole;
    if (s->has_min && (n < s->min || (s->min_open && !(n > s->min)))) {
        snprintf(text, sizeof(text), "should be greater than %s%lld",
                 s->min_open ? "" : "or equal to ", (long long)s->min);
        complain(out, SK_INVALID, at, v, "in body", text);
    }
    if (s->has_max && (n > s->max || (s->max_open && !(n < s->max)))) {
        snprintf(text, sizeof(text), "should be less than %s%lld",
                 s->max_open ? "" : "or equal to ", (long long)s->max);
        complain(out, SK_INVALID, at, v, "in body", text);
    }
    if (s->format && strcmp(s->format, "int32") == 0 && (n > 2147483647.0 || n < -2147483648.0))
        complain(out, SK_TYPE, at, v, "in body", "must be of type int32: \"int64\"");
}

static void validate_choices(const struct sk_schema *s, const cJSON *v, const struct place *at,
                             struct sk_findings *out)
{
    const cJSON *choice;
    struct strbuf text = STRBUF_INIT;
    const char *sep = "";

    cJSON_ArrayForEach(choice, s->choices)
    {
        if (json_equal(choice, v))
            return;
    }
    strbuf_adds(&text, "supported values: ");
    cJSON_ArrayForEach(choice, s->choices)
    {
        strbuf_adds(&text, sep);
        json_add_to(&text, choice);
        sep = ", ";
    }
    complain(out, SK_UNSUPPORTED, at, v, NULL, strbuf_str(&text));
    strbuf_release(&text);
}

static void validate_object(const struct sk_schema *s, const cJSON *v, const struct place *at,
                            struct sk_findings *out)
{
    const cJSON *member;
    int64_t n = 0;

    for (size_t i = 0; i < s->required_count; i++) {
        struct place here = {at, s->required[i], -1, false};
        char *field;

        if (json_get(v, s->required[i]))
            continue;
        field = place_text(&here);
        sk_findings_add(out, SK_REQUIRED, field ? field : "", "Required value");
        free(field);
    }
    cJSON_ArrayForEach(member, v)
    {
        const struct sk_schema *child = sk_schema_member(s, member->string);
        struct place here = {at, member->string, -1, false};

        n++;
        if (child)
            validate(child, member, &here, out);
    }
    if (s->max_props >= 0 && n > s->max_props) {
        char *field = place_text(at);

        sk_findings_add(out, SK_TOO_MANY, field ? field : "",
                        "Too many: %lld: must have at most %lld items", (long long)n,
                        (long long)s->max_props);
        free(field);
    }
    if (s->min_props >= 0 && n < s->min_props) {
        char text[64];

        snprintf(text, sizeof(text), "should have at least %lld properties",
                 (long long)s->min_props);
        complain(out, SK_INVALID, at, v, "in body", text);
    }
}

static bool same_keys(const struct sk_schema *s, const cJSON *a, const cJSON *b)
{
    for (size_t i = 0; i < s->list_key_count; i++) {
        if (!json_equal(json_get(a, s->list_keys[i]), json_get(b, s->list_keys[i])))
            return false;
    }
    return true;
}

static void validate_list(const struct sk_schema *s, const cJSON *v, const struct place *at,
                          struct sk_findings *out)
{
    const cJSON *item, *other;
    int n = 0;

    cJSON_ArrayForEach(item, v)
    {
        struct place here = {at, NULL, n++, false};

        if (s->items)
            validate(s->items, item, &here, out);
        if (!s->list_key_count && !s->is_set)
            continue;
        for (other = v->child; other != item; other = other->next) {
            if (s->is_set ? json_equal(other, item) : same_keys(s, other, item)) {
                complain(out, SK_DUPLICATE, &here, item, NULL, "");
                break;
            }
        }
    }
    if (s->max_items >= 0 && n > s->max_items) {
        char *field = place_text(at);

        sk_findings_add(out, SK_TOO_MANY, field ? field : "",
                        "Too many: %d: must have at most %lld items", n, (long long)s->max_items);
        free(field);
    }
    if (s->min_items >= 0 && n < s->min_items) {
        char text[64];

        snprintf(text, sizeof(text), "should have at least %lld items", (long long)s->min_items);
        complain(out, SK_INVALID, at, v, "in body", text);
    }
}

static bool passes(const struct sk_schema *s, const cJSON *v)
{
    struct sk_findings f = {0};
    bool ok;

    validate(s, v, NULL, &f);
    ok = f.count == 0;
    sk_findings_release(&f);
    return ok;
}

static size_t fitting(struct sk_schema *const *schemas, size_t count, const cJSON *v)
{
    size_t fits = 0;

    for (size_t i = 0; i < count; i++)
        fits += passes(schemas[i], v);
    return fits;
}

static void validate_combined(const struct sk_schema *s, const cJSON *v, const struct place *at,
                              struct sk_findings *out)
{
    bool none, ambiguous, excluded;
    char *field;

    for (size_t i = 0; i < s->all_count; i++)
        validate(s->all_of[i], v, at, out);
    none = s->any_count && fitting(s->any_of, s->any_count, v) == 0;
    ambiguous = s->one_count && fitting(s->one_of, s->one_count, v) != 1;
    excluded = s->not_this && passes(s->not_this, v);
    if (!none && !ambiguous && !excluded)
        return;
    field = place_text(at);
    if (none)
        sk_findings_add(out, SK_INVALID, field ? field : "",
                        "Invalid value: \"\": \"%s\" must validate at least one schema (anyOf)",
                        field ? field : "");
    if (ambiguous) {
        bool fits = fitting(s->one_of, s->one_count, v) > 0;

        sk_findings_add(
            out, SK_INVALID, "<nil>",
            "Invalid value: \"\": \"%s\" must validate one and only one schema (oneOf). "
            "%s",
            field ? field : "", fits ? "Found 2 valid alternatives" : "Found none valid");
        if (!fits) /* the first alternative's complaints are told too */
            validate(s->one_of[0], v, at, out);
    }
    if (excluded)
        sk_findings_add(out, SK_INVALID, field ? field : "",
                        "Invalid value: \"\": \"%s\" must not validate the schema (not)",
                        field ? field : "");
    free(field);
}

static void validate(const struct sk_schema *s, const cJSON *value, const struct place *at,
                     struct sk_findings *out)
{
    if (cJSON_IsNull(value) && s->nullable)
        return;
    if (!type_fits(s->type, value)) {
        complain_type(out, at, value, s->type);
        return;
    }
    if (cJSON_IsString(value))
        validate_string(s, value, at, out);
    else if (cJSON_IsNumber(value) || cJSON_IsRaw(value))
        validate_number(s, value, at, out);
    else if (cJSON_IsArray(value))
        validate_list(s, value, at, out);
    if (s->choices)
        validate_choices(s, value, at, out);
    if (cJSON_IsObject(value))
        validate_object(s, value, at, out);
    if (s->all_count || s->any_count || s->one_count || s->not_this)
        validate_combined(s, value, at, out);
}

void sk_schema_validate(const struct sk_schema *s, const cJSON *value, struct sk_findings *out)
{
    if (s)
        validate(s, value, NULL, out);
}

/* ---- decoding into Go types
 * ------------------------------------------------------------------------------------------ */

static const char *go_type(const struct sk_schema *s)
{
    switch (s->type) {
    case SK_STRING:
        return "string";
    case SK_INTEGER:
        return s->format ? s->format : "int32";
    case SK_NUMBER:
        return "float64";
    case SK_BOOLEAN:
        return "bool";
    case SK_LIST:
        return "[]slice";
    case SK_OBJECT:
        return s->type_name ? s->type_name : "map[string]string";
    case SK_INT_OR_STRING:
        return "intstr.IntOrString";
    case SK_QUANTITY:
        return "resource.Quantity";
    case SK_ANY:
        break;
    }
    return "interface {}";
}

static const char *go_value(const cJSON *v)
{
    if (cJSON_IsBool(v))
        return "bool";
    if (cJSON_IsNumber(v) || cJSON_IsRaw(v))
        return "number";
    return json_type_name(v);
}

static bool misfit(const struct sk_schema *s, const cJSON *value, const struct place *at,
                   const char *owner, struct strbuf *text)
{
    const cJSON *member;
    int i = 0;

    if (cJSON_IsNull(value))
        return false;
    if (!type_fits(s->type, value)) {
        char *where = place_text(at);

        strbuf_addf(text, "json: cannot unmarshal %s into Go struct field %s%s%s of type %s",
                    go_value(value), owner ? owner : "", owner ? "." : "", where ? where : "",
                    go_type(s));
        free(where);
        return true;
    }
    cJSON_ArrayForEach(member, value)
    {
        const struct sk_schema *child =
            cJSON_IsArray(value) ? s->items : sk_schema_member(s, member->string);
        struct place here = {at, member->string, cJSON_IsArray(value) ? i : -1, false};

        i++;
        if (child && misfit(child, member, s->additional ? at : &here,
                            s->type_name ? s->type_name : owner, text))
            return true;
    }
    return false;
}

bool sk_schema_misfit(const struct sk_schema *s, const cJSON *value, struct strbuf *ret_text)
{
    return s && misfit(s, value, NULL, NULL, ret_text);
}
