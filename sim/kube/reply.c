#include "sim/kube/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char json_type[] = "application/json";

static void add_text(struct strbuf *b, const char *s)
{
    strbuf_add_json(b, s, strlen(s));
}

void sk_reply_status(struct simkube_reply *r, int code, const char *reason, const cJSON *details,
                     const char *format, ...)
{
    struct strbuf message = STRBUF_INIT;
    va_list args;

    va_start(args, format);
    strbuf_addv(&message, format, args);
    va_end(args);
    r->status = code;
    r->content_type = json_type;
    strbuf_clear(&r->body);
    strbuf_addf(&r->body,
                "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"%s\"",
                code < 300 ? "Success" : "Failure");
    if (message.len) {
        strbuf_adds(&r->body, ",\"message\":");
        add_text(&r->body, strbuf_str(&message));
    }
    if (reason && *reason) {
        strbuf_adds(&r->body, ",\"reason\":");
        add_text(&r->body, reason);
    }
    if (details) {
        strbuf_adds(&r->body, ",\"details\":");
        json_add_to(&r->body, details);
    }
    if (code >= 300)
        strbuf_addf(&r->body, ",\"code\":%d", code);
    strbuf_adds(&r->body, "}\n");
    strbuf_release(&message);
}

cJSON *sk_details(const struct sk_kind *kind, const char *name)
{
    cJSON *d = cJSON_CreateObject();

    if (name && *name)
        json_set_str(d, "name", name);
    if (kind && *kind->group)
        json_set_str(d, "group", kind->group);
    if (kind)
        json_set_str(d, "kind", kind->plural);
    return d;
}

static const char *cause_reason(enum sk_cause cause)
{
    static const char *const reasons[] = {
        [SK_REQUIRED] = "FieldValueRequired",        [SK_INVALID] = "FieldValueInvalid",
        [SK_UNSUPPORTED] = "FieldValueNotSupported", [SK_DUPLICATE] = "FieldValueDuplicate",
        [SK_FORBIDDEN] = "FieldValueForbidden",      [SK_TOO_LONG] = "FieldValueTooLong",
        [SK_TOO_MANY] = "FieldValueTooMany",         [SK_TYPE] = "FieldValueTypeInvalid",
    };
    return reasons[cause];
}

void sk_reply_invalid(struct simkube_reply *r, const struct sk_kind *kind, const char *name,
                      struct sk_findings *f)
{
    sk_reply_invalid_as(r, kind, kind->kind, name, f);
}

void sk_reply_invalid_as(struct simkube_reply *r, const struct sk_kind *kind, const char *what,
                         const char *name, struct sk_findings *f)
{
    cJSON *details = sk_details(NULL, name), *causes = cJSON_CreateArray();
    struct strbuf text = STRBUF_INIT;

    if (*kind->group)
        json_set_str(details, "group", kind->group);
    json_set_str(details, "kind", what);
    if (f->count > 1)
        strbuf_addc(&text, '[');
    for (size_t i = 0; i < f->count; i++) {
        cJSON *cause = cJSON_CreateObject();

        json_set_str(cause, "reason", cause_reason(f->items[i].cause));
        json_set_str(cause, "message", f->items[i].text);
        json_set_str(cause, "field", f->items[i].field);
        cJSON_AddItemToArray(causes, cause);
        strbuf_addf(&text, "%s%s: %s", i ? ", " : "", f->items[i].field, f->items[i].text);
    }
    if (f->count > 1)
        strbuf_addc(&text, ']');
    json_set(details, "causes", causes);
    sk_reply_status(r, 422, "Invalid", details, "%s%s%s \"%s\" is invalid: %s", what,
                    *kind->group ? "." : "", kind->group, name, strbuf_str(&text));
    strbuf_release(&text);
    json_free(details);
}

void sk_object_add_to(struct strbuf *b, struct sk_object *o, const struct sk_version *v)
{
    sk_object_text(o);
    strbuf_adds(b, "{\"kind\":\"");
    strbuf_adds(b, o->kind->kind);
    strbuf_adds(b, "\",\"apiVersion\":\"");
    strbuf_adds(b, v->group_version);
    strbuf_adds(b, "\",");
    strbuf_add(b, o->text ? o->text : "}", o->text ? o->text_len : 1);
}

void sk_object_add_tree(struct strbuf *b, const cJSON *tree, const struct sk_kind *kind,
                        const struct sk_version *v)
{
    const cJSON *member;

    strbuf_addf(b, "{\"kind\":\"%s\",\"apiVersion\":\"%s\"", kind->kind, v->group_version);
    cJSON_ArrayForEach(member, tree)
    {
        if (strcmp(member->string, "kind") == 0 || strcmp(member->string, "apiVersion") == 0)
            continue;
        strbuf_addc(b, ',');
        add_text(b, member->string);
        strbuf_addc(b, ':');
        json_add_to(b, member);
    }
    strbuf_addc(b, '}');
}

void sk_object_add_metadata(struct strbuf *b, struct sk_object *o)
{
    strbuf_adds(
        b, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":");
    json_add_to(b, json_get(o->tree, "metadata"));
    strbuf_addc(b, '}');
}

void simkube_reply_release(struct simkube_reply *reply)
{
    strbuf_release(&reply->body);
}
