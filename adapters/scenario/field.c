#include "adapters/scenario/field.h"

#include "adapters/base/strbuf.h"
#include "engine/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void field_enter(struct field_reader *r, const char *key)
{
    if (r->depth < FIELD_DEPTH_MAX)
        r->path[r->depth].key = key;
    r->depth++;
}

void field_enter_index(struct field_reader *r, size_t index)
{
    if (r->depth < FIELD_DEPTH_MAX) {
        r->path[r->depth].key = NULL;
        r->path[r->depth].index = index;
    }
    r->depth++;
}

void field_leave(struct field_reader *r)
{
    r->depth--;
}

static const char *path_text(struct field_reader *r, const char *last)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;

    for (uint32_t i = 0; i < r->depth && i < FIELD_DEPTH_MAX; i++) {
        if (r->path[i].key)
            strbuf_addf(&b, ".%s", r->path[i].key);
        else
            strbuf_addf(&b, "[%zu]", r->path[i].index);
    }
    if (last)
        strbuf_addf(&b, ".%s", last);
    text = b.len > 0 ? arena_strdup(r->arena, strbuf_str(&b)) : NULL;
    strbuf_release(&b);
    return text;
}

static void add(struct field_reader *r, uint32_t line, uint32_t col, const char *last,
                const char *hint, const char *format, va_list args)
{
    struct diag d = {.severity = SEVERITY_ERROR, .file = r->file, .line = line, .col = col};
    struct strbuf b = STRBUF_INIT;

    strbuf_addv(&b, format, args);
    d.what = arena_strdup(r->arena, strbuf_str(&b));
    d.hint = hint;
    d.path = path_text(r, last);
    strbuf_release(&b);
    diags_add(r->diags, &d);
}

void field_error(struct field_reader *r, const struct node *n, const char *hint, const char *format,
                 ...)
{
    va_list args;

    va_start(args, format);
    add(r, n ? n->line : 0, n ? n->col : 0, NULL, hint, format, args);
    va_end(args);
}

void field_key_error(struct field_reader *r, const struct member *m, const char *hint,
                     const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(r, m->line, m->col, m->key, hint, format, args);
    va_end(args);
}

bool field_is_map(struct field_reader *r, const struct node *n)
{
    if (!n)
        return false;
    if (n->kind == NODE_MAP)
        return true;
    field_error(r, n, NULL, "expected a map, got %s", node_kind_name(n->kind));
    return false;
}

bool field_is_list(struct field_reader *r, const struct node *n)
{
    if (!n)
        return false;
    if (n->kind == NODE_LIST)
        return true;
    field_error(r, n, NULL, "expected a list, got %s", node_kind_name(n->kind));
    return false;
}

bool field_map(struct field_reader *r, const struct node *n, const char *const *names)
{
    if (!field_is_map(r, n))
        return false;
    for (size_t i = 0; i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        const char *near, *hint = NULL;
        size_t k = 0;

        while (names[k] && strcmp(names[k], m->key) != 0)
            k++;
        if (names[k])
            continue;
        near = nearest_name(m->key, m->key_len, names);
        if (near)
            hint = arena_printf(r->arena, "did you mean %s?", near);
        field_key_error(r, m, hint, "unknown field \"%s\"", m->key);
    }
    return true;
}

bool field_text(struct field_reader *r, const struct node *n, const char **ret_text)
{
    if (!n)
        return false;
    if (n->kind == NODE_MAP || n->kind == NODE_LIST || n->kind == NODE_NULL) {
        field_error(r, n, NULL, "expected a text, got %s", node_kind_name(n->kind));
        return false;
    }
    *ret_text = n->text;
    return true;
}

bool field_bool(struct field_reader *r, const struct node *n, bool *ret_value)
{
    if (!n)
        return false;
    if (n->kind != NODE_BOOL) {
        field_error(r, n, NULL, "expected true or false, got %s", node_kind_name(n->kind));
        return false;
    }
    *ret_value = n->u.boolean;
    return true;
}

bool field_int(struct field_reader *r, const struct node *n, int64_t min, int64_t max,
               int64_t *ret_value)
{
    if (!n)
        return false;
    if (n->kind != NODE_INT) {
        field_error(r, n, NULL, "expected a whole number, got %s", node_kind_name(n->kind));
        return false;
    }
    if (n->u.integer < min || n->u.integer > max) {
        field_error(r, n, NULL, "%lld is not between %lld and %lld", (long long)n->u.integer,
                    (long long)min, (long long)max);
        return false;
    }
    *ret_value = n->u.integer;
    return true;
}

bool field_int32(struct field_reader *r, const struct node *n, int32_t min, int32_t max,
                 int32_t *ret_value)
{
    int64_t wide;

    if (!field_int(r, n, min, max, &wide))
        return false;
    *ret_value = (int32_t)wide;
    return true;
}

static bool scalar_number(const struct node *n, double *ret_value)
{
    if (n->kind == NODE_INT)
        *ret_value = (double)n->u.integer;
    else if (n->kind == NODE_FLOAT)
        *ret_value = n->u.number;
    else if (n->kind != NODE_STRING || !num_parse(n->text, n->text_len, ret_value))
        return false;
    return true;
}

bool field_number(struct field_reader *r, const struct node *n, double *ret_value)
{
    double value;

    if (!n)
        return false;
    if (!scalar_number(n, &value) || !num_is_finite(value)) {
        field_error(r, n, NULL, "expected a number, got %s",
                    n->kind == NODE_STRING ? n->text : node_kind_name(n->kind));
        return false;
    }
    *ret_value = value;
    return true;
}

bool field_duration(struct field_reader *r, const struct node *n, ms_t *ret_ms)
{
    static const char hint[] = "durations have units, such as 90s, 5m or 1h30m";
    const char *unit;
    size_t unit_len;
    int64_t ns;

    if (!n)
        return false;
    if ((n->kind != NODE_STRING && n->kind != NODE_INT && n->kind != NODE_FLOAT) ||
        duration_parse(n->text, n->text_len, &ns, &unit, &unit_len) != DURATION_OK) {
        field_error(r, n, hint, "expected a duration, got %s",
                    n->text ? n->text : node_kind_name(n->kind));
        return false;
    }
    if (ns < 0) {
        field_error(r, n, NULL, "%s is negative", n->text);
        return false;
    }
    *ret_ms = ns / NS_PER_MS;
    return true;
}

bool field_share(struct field_reader *r, const struct node *n, double *ret_share)
{
    double value;
    size_t len;

    if (!n)
        return false;
    len = n->text ? n->text_len : 0;
    if (n->kind == NODE_STRING && len > 1 && n->text[len - 1] == '%') {
        while (len > 1 && n->text[len - 2] == ' ')
            len--;
        if (!num_parse(n->text, len - 1, &value)) {
            field_error(r, n, NULL, "expected a share such as 5%%, got %s", n->text);
            return false;
        }
        value /= 100;
    } else if (!scalar_number(n, &value)) {
        field_error(r, n, "write 5% or 0.05", "expected a share, got %s",
                    n->kind == NODE_STRING ? n->text : node_kind_name(n->kind));
        return false;
    }
    if (!(value >= 0 && value <= 1)) {
        field_error(r, n, "write 5% or 0.05", "%s is not between 0%% and 100%%", n->text);
        return false;
    }
    *ret_share = value;
    return true;
}

bool field_choice(struct field_reader *r, const struct node *n, const char *const *names,
                  const char *what, uint32_t *ret_index)
{
    const char *text, *near, *hint;
    struct strbuf b = STRBUF_INIT;

    if (!field_text(r, n, &text))
        return false;
    for (uint32_t i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0) {
            *ret_index = i;
            return true;
        }
    near = nearest_name(text, strlen(text), names);
    if (near) {
        hint = arena_printf(r->arena, "did you mean %s?", near);
    } else {
        for (uint32_t i = 0; names[i]; i++)
            if (*names[i])
                strbuf_addf(&b, "%s%s", b.len > 0 ? ", " : "one of ", names[i]);
        hint = arena_strdup(r->arena, strbuf_str(&b));
    }
    strbuf_release(&b);
    field_error(r, n, hint, "unknown %s \"%s\"", what, text);
    return false;
}
