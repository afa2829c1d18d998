/* Values against an openAPIV3Schema, with the findings of the API server. */
#include "sim/kube/internal.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- validation
 * ---------------------------------------------------------------------------------------------------
 */

static void validate(const struct sk_schema *s, const cJSON *value, const struct sk_place *at,
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

static void complain(struct sk_findings *out, enum sk_cause cause, const struct sk_place *at,
                     const cJSON *value, const char *before, const char *detail)
{
    char *field = sk_place_text(at);
    struct strbuf b = STRBUF_INIT;

    if (before)
        strbuf_addf(&b, "%s in body ", field ? field : "");
    strbuf_adds(&b, detail);
    sk_findings_value(out, cause, field ? field : "", value, strbuf_str(&b));
    strbuf_release(&b);
    free(field);
}

static void complain_type(struct sk_findings *out, const struct sk_place *at, const cJSON *value,
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

static void validate_string(const struct sk_schema *s, const cJSON *v, const struct sk_place *at,
                            struct sk_findings *out)
{
    char text[256];
    int64_t n = s->min_length >= 0 || s->max_length >= 0 ? rune_count(v->valuestring) : 0;

    if (s->max_length >= 0 && n > s->max_length) {
        char *field = sk_place_text(at);

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

static void validate_number(const struct sk_schema *s, const cJSON *v, const struct sk_place *at,
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

static void validate_choices(const struct sk_schema *s, const cJSON *v, const struct sk_place *at,
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

static void validate_object(const struct sk_schema *s, const cJSON *v, const struct sk_place *at,
                            struct sk_findings *out)
{
    const cJSON *member;
    int64_t n = 0;

    for (size_t i = 0; i < s->required_count; i++) {
        struct sk_place here = {at, s->required[i], -1, false};
        char *field;

        if (json_get(v, s->required[i]))
            continue;
        field = sk_place_text(&here);
        sk_findings_add(out, SK_REQUIRED, field ? field : "", "Required value");
        free(field);
    }
    cJSON_ArrayForEach(member, v)
    {
        const struct sk_schema *child = sk_schema_member(s, member->string);
        struct sk_place here = {at, member->string, -1, false};

        n++;
        if (child)
            validate(child, member, &here, out);
    }
    if (s->max_props >= 0 && n > s->max_props) {
        char *field = sk_place_text(at);

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

static void validate_list(const struct sk_schema *s, const cJSON *v, const struct sk_place *at,
                          struct sk_findings *out)
{
    const cJSON *item, *other;
    int n = 0;

    cJSON_ArrayForEach(item, v)
    {
        struct sk_place here = {at, NULL, n++, false};

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
        char *field = sk_place_text(at);

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

static void validate_combined(const struct sk_schema *s, const cJSON *v, const struct sk_place *at,
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
    field = sk_place_text(at);
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

static void validate(const struct sk_schema *s, const cJSON *value, const struct sk_place *at,
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

static bool misfit(const struct sk_schema *s, const cJSON *value, const struct sk_place *at,
                   const char *owner, struct strbuf *text)
{
    const cJSON *member;
    int i = 0;

    if (cJSON_IsNull(value))
        return false;
    if (!type_fits(s->type, value)) {
        char *where = sk_place_text(at);

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
        struct sk_place here = {at, member->string, cJSON_IsArray(value) ? i : -1, false};

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
