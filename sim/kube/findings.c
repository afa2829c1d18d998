/* What is wrong with an object, and where. */
#include "sim/kube/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void place_print(const struct sk_place *p, struct strbuf *b)
{
    if (!p)
        return;
    place_print(p->up, b);
    if (p->index >= 0)
        strbuf_addf(b, "[%d]", p->index);
    else
        strbuf_addf(b, "%s%s", b->len ? "." : "", p->name);
}

char *sk_place_text(const struct sk_place *p)
{
    struct strbuf b = STRBUF_INIT;

    place_print(p, &b);
    strbuf_adds(&b, "");
    return strbuf_detach(&b);
}
