#include "adapters/base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/num.h"
#include "engine/text.h"

/* ---- reading
 * ---------------------------------------------------------------------------------------- */

/*
 * cJSON keeps numbers as doubles. An integer of more than 15 digits is therefore handed to it as a
 * string that starts with this mark (a control character, which no JSON string can hold unescaped
 * and no escape is written like), and turned into raw text afterwards.
 */
#define BIG_MARK "\\u0001big:"
#define BIG_PREFIX "\001big:"
#define BIG_DIGITS 15u

static bool utf8_valid(const unsigned char *s, size_t len, size_t *reterr_offset)
{
    size_t i = 0;

    while (i < len) {
        unsigned char c = s[i];
        size_t n = c < 0x80                ? 1
                   : c >= 0xc2 && c < 0xe0 ? 2
                   : c >= 0xe0 && c < 0xf0 ? 3
                   : c >= 0xf0 && c < 0xf5 ? 4
                                           : 0;
        bool ok = n > 0 && n <= len - i && c != 0;

        for (size_t k = 1; ok && k < n; k++)
            ok = (s[i + k] & 0xc0) == 0x80;
        if (ok && n == 3)
            ok = !(c == 0xe0 && s[i + 1] < 0xa0) && !(c == 0xed && s[i + 1] > 0x9f);
        if (ok && n == 4)
            ok = !(c == 0xf0 && s[i + 1] < 0x90) && !(c == 0xf4 && s[i + 1] > 0x8f);
        if (!ok) {
            *reterr_offset = i;
            return false;
        }
        i += n;
    }
    return true;
}

static size_t string_end(const char *s, size_t len, size_t at)
{
    for (at++; at < len && s[at] != '"'; at++) {
        if (s[at] == '\\')
            at++;
    }
    return at < len ? at + 1 : len;
}

/* The end of a number from `at` on; *ret_integer: no fraction and no exponent. */
static size_t number_end(const char *s, size_t len, size_t at, bool *ret_integer)
{
    *ret_integer = true;
    for (; at < len; at++) {
        char c = s[at];
        if (c == '.' || c == 'e' || c == 'E')
            *ret_integer = false;
        else if (!((c >= '0' && c <= '9') || c == '-' || c == '+'))
            break;
    }
    return at;
}

/* A copy in which long integers are marked strings; checks nesting on the way. NULL on failure. */
static char *mark_big_integers(const char *s, size_t len, size_t *ret_len, size_t *reterr_offset)
{
    struct strbuf b = STRBUF_INIT;
    size_t from = 0, depth = 0;

    for (size_t i = 0; i < len;) {
        char c = s[i];
        bool integer = false;
        size_t end;

        if (c == '"') {
            i = string_end(s, len, i);
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > JSON_DEPTH_MAX) {
            *reterr_offset = i;
            strbuf_release(&b);
            return NULL;
        }
        if (!((c >= '0' && c <= '9') || c == '-')) {
            i++;
            continue;
        }
        end = number_end(s, len, i, &integer);
        if (integer && end - i > BIG_DIGITS) {
            strbuf_add(&b, s + from, i - from);
            strbuf_adds(&b, "\"" BIG_MARK);
            strbuf_add(&b, s + i, end - i);
            strbuf_addc(&b, '"');
            from = end;
        }
        i = end;
    }
    strbuf_add(&b, s + from, len - from);
    *ret_len = b.len;
    return strbuf_detach(&b);
}

/* A JSON integer: no leading zeros, no plus sign. */
static bool integer_text(const char *s)
{
    size_t i = s[0] == '-' ? 1 : 0;

    if (s[i] < '1' || s[i] > '9')
        return false;
    for (; s[i]; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
    }
    return true;
}

/* Turn the marked strings below `v` into raw text. Nesting is bounded by JSON_DEPTH_MAX. */
static bool unmark(cJSON *v)
{
    const size_t skip = sizeof BIG_PREFIX - 1;

    for (; v; v = v->next) {
        if (v->child && !unmark(v->child))
            return false;
        if (cJSON_IsString(v) && strncmp(v->valuestring, BIG_PREFIX, skip) == 0) {
            char *digits = v->valuestring + skip;
            if (!integer_text(digits))
                return false;
            memmove(v->valuestring, digits, strlen(digits) + 1);
            v->type = cJSON_Raw;
        }
    }
    return true;
}

static size_t skip_space(const char *s, size_t len, size_t at)
{
    while (at < len && (s[at] == ' ' || s[at] == '\n' || s[at] == '\r' || s[at] == '\t'))
        at++;
    return at;
}

cJSON *json_parse(const char *text, size_t len, size_t *reterr_offset)
{
    const char *end = NULL;
    char *marked = NULL;
    cJSON *v = NULL;
    size_t marked_len = 0, bad = 0;

    if (len <= JSON_BYTES_MAX && utf8_valid((const unsigned char *)text, len, &bad))
        marked = mark_big_integers(text, len, &marked_len, &bad);
    if (marked && skip_space(marked, marked_len, 0) < marked_len) {
        v = cJSON_ParseWithLengthOpts(marked, marked_len + 1, &end, false);
        bad = end ? (size_t)(end - marked) : 0;
    }
    if (v && (skip_space(marked, marked_len, bad) != marked_len || !unmark(v))) {
        cJSON_Delete(v);
        v = NULL;
    }
    free(marked);
    if (!v && reterr_offset)
        *reterr_offset = bad < len ? bad : len;
    return v;
}

void json_free(cJSON *v)
{
    cJSON_Delete(v);
}

/* ---- writing
 * ---------------------------------------------------------------------------------------- */

static void add_number(struct strbuf *b, double value)
{
    char digits[40];
    struct text t;

    text_init(&t, digits, sizeof digits);
    if (!num_is_finite(value)) {
        strbuf_adds(b, "null");
        return;
    }
    if (value > -1e15 && value < 1e15 && value == (double)(int64_t)value)
        text_add_int(&t, (int64_t)value);
    else
        text_add_float(&t, value);
    strbuf_add(b, digits, t.len);
}

static int by_name(const void *left, const void *right)
{
    const cJSON *const *a = left, *const *b = right;

    return strcmp((*a)->string, (*b)->string);
}

static void add_value(struct strbuf *b, const cJSON *v, bool sorted);

static void add_member(struct strbuf *b, const cJSON *m, bool first, bool sorted)
{
    if (!first)
        strbuf_addc(b, ',');
    strbuf_add_json(b, m->string, strlen(m->string));
    strbuf_addc(b, ':');
    add_value(b, m, sorted);
}

static void add_members_sorted(struct strbuf *b, const cJSON *v)
{
    size_t n = (size_t)cJSON_GetArraySize(v), i = 0;
    const cJSON **all = n > 0 ? malloc(n * sizeof(cJSON *)) : NULL;

    if (n > 0 && !all) {
        b->failed = true;
        return;
    }
    for (const cJSON *m = v->child; m; m = m->next)
        all[i++] = m;
    if (n > 1)
        qsort((void *)all, n, sizeof *all, by_name);
    for (i = 0; i < n; i++)
        add_member(b, all[i], i == 0, true);
    free((void *)all);
}

static void add_object(struct strbuf *b, const cJSON *v, bool sorted)
{
    strbuf_addc(b, '{');
    if (sorted) {
        add_members_sorted(b, v);
    } else {
        for (const cJSON *m = v->child; m; m = m->next)
            add_member(b, m, m == v->child, false);
    }
    strbuf_addc(b, '}');
}

static void add_value(struct strbuf *b, const cJSON *v, bool sorted)
{
    if (cJSON_IsObject(v)) {
        add_object(b, v, sorted);
    } else if (cJSON_IsArray(v)) {
        strbuf_addc(b, '[');
        for (const cJSON *e = v->child; e; e = e->next) {
            if (e != v->child)
                strbuf_addc(b, ',');
            add_value(b, e, sorted);
        }
        strbuf_addc(b, ']');
    } else if (cJSON_IsString(v)) {
        strbuf_add_json(b, v->valuestring, strlen(v->valuestring));
    } else if (cJSON_IsRaw(v)) {
        strbuf_adds(b, v->valuestring);
    } else if (cJSON_IsNumber(v)) {
        add_number(b, v->valuedouble);
    } else {
        strbuf_adds(b, cJSON_IsTrue(v) ? "true" : cJSON_IsFalse(v) ? "false" : "null");
    }
}

void json_add_to(struct strbuf *b, const cJSON *v)
{
    add_value(b, v, false);
}

char *json_print(const cJSON *v)
{
    struct strbuf b = STRBUF_INIT;

    add_value(&b, v, false);
    return strbuf_detach(&b);
}

char *json_print_sorted(const cJSON *v)
{
    struct strbuf b = STRBUF_INIT;

    add_value(&b, v, true);
    return strbuf_detach(&b);
}

/* ---- looking
 * ---------------------------------------------------------------------------------------- */

cJSON *json_get(const cJSON *obj, const char *name)
{
    return cJSON_IsObject(obj) ? cJSON_GetObjectItemCaseSensitive(obj, name) : NULL;
}

cJSON *json_at(const cJSON *obj, ...)
{
    const cJSON *at = obj;
    cJSON *found = NULL;
    const char *name;
    va_list names;

    va_start(names, obj);
    while ((name = va_arg(names, const char *)) != NULL) {
        found = json_get(at, name);
        at = found;
    }
    va_end(names);
    return found;
}

const char *json_str(const cJSON *obj, const char *name)
{
    const cJSON *v = json_get(obj, name);

    return cJSON_IsString(v) ? v->valuestring : NULL;
}

const char *json_str_or(const cJSON *obj, const char *name, const char *otherwise)
{
    const char *s = json_str(obj, name);

    return s ? s : otherwise;
}

bool json_bool(const cJSON *obj, const char *name, bool otherwise)
{
    const cJSON *v = json_get(obj, name);

    return cJSON_IsBool(v) ? cJSON_IsTrue(v) != 0 : otherwise;
}

bool json_as_int(const cJSON *v, int64_t *ret_value)
{
    if (cJSON_IsRaw(v))
        return num_parse_int(v->valuestring, strlen(v->valuestring), ret_value);
    if (!cJSON_IsNumber(v) || !(v->valuedouble > -9.2e18 && v->valuedouble < 9.2e18) ||
        v->valuedouble != (double)(int64_t)v->valuedouble)
        return false;
    *ret_value = (int64_t)v->valuedouble;
    return true;
}

int64_t json_int(const cJSON *obj, const char *name, int64_t otherwise)
{
    int64_t value;

    return json_as_int(json_get(obj, name), &value) ? value : otherwise;
}

/* ---- making
 * ----------------------------------------------------------------------------------------- */

cJSON *json_new_int(int64_t value)
{
    char digits[24];
    struct text t;

    if (value > -1000000000000000 && value < 1000000000000000)
        return cJSON_CreateNumber((double)value);
    text_init(&t, digits, sizeof digits);
    text_add_int(&t, value);
    return cJSON_CreateRaw(digits);
}

int json_set(cJSON *obj, const char *name, cJSON *value)
{
    bool ok;

    if (!value)
        return -ENOMEM;
    if (json_get(obj, name))
        ok = cJSON_ReplaceItemInObjectCaseSensitive(obj, name, value) != 0;
    else
        ok = cJSON_AddItemToObject(obj, name, value) != 0;
    if (ok)
        return 0;
    cJSON_Delete(value);
    return -ENOMEM;
}

int json_set_str(cJSON *obj, const char *name, const char *value)
{
    return json_set(obj, name, cJSON_CreateString(value));
}

int json_set_int(cJSON *obj, const char *name, int64_t value)
{
    return json_set(obj, name, json_new_int(value));
}

int json_set_bool(cJSON *obj, const char *name, bool value)
{
    return json_set(obj, name, cJSON_CreateBool(value));
}

void json_remove(cJSON *obj, const char *name)
{
    if (cJSON_IsObject(obj))
        cJSON_DeleteItemFromObjectCaseSensitive(obj, name);
}

cJSON *json_child_object(cJSON *obj, const char *name)
{
    cJSON *child = json_get(obj, name);

    if (cJSON_IsObject(child))
        return child;
    return json_set(obj, name, cJSON_CreateObject()) == 0 ? json_get(obj, name) : NULL;
}

cJSON *json_copy(const cJSON *v)
{
    return cJSON_Duplicate(v, true);
}

/* ---- comparing
 * -------------------------------------------------------------------------------------- */

static bool is_numeric(const cJSON *v)
{
    return cJSON_IsNumber(v) || cJSON_IsRaw(v);
}

static bool numbers_equal(const cJSON *a, const cJSON *b)
{
    int64_t x, y;
    bool ax = json_as_int(a, &x), by = json_as_int(b, &y);

    if (ax || by)
        return ax && by && x == y;
    if (cJSON_IsRaw(a) || cJSON_IsRaw(b))
        return cJSON_IsRaw(a) && cJSON_IsRaw(b) && strcmp(a->valuestring, b->valuestring) == 0;
    return a->valuedouble == b->valuedouble;
}

static bool arrays_equal(const cJSON *a, const cJSON *b)
{
    const cJSON *x = a->child, *y = b->child;

    while (x && y && json_equal(x, y)) {
        x = x->next;
        y = y->next;
    }
    return !x && !y;
}

static bool objects_equal(const cJSON *a, const cJSON *b)
{
    if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b))
        return false;
    for (const cJSON *m = a->child; m; m = m->next) {
        const cJSON *other = json_get(b, m->string);
        if (!other || !json_equal(m, other))
            return false;
    }
    return true;
}

bool json_equal(const cJSON *a, const cJSON *b)
{
    if (!a || !b)
        return a == b;
    if (is_numeric(a) && is_numeric(b))
        return numbers_equal(a, b);
    if ((a->type & 0xff) != (b->type & 0xff))
        return false;
    if (cJSON_IsString(a))
        return strcmp(a->valuestring, b->valuestring) == 0;
    if (cJSON_IsArray(a))
        return arrays_equal(a, b);
    return cJSON_IsObject(a) ? objects_equal(a, b) : true;
}

cJSON *json_merge_patch(cJSON *target, const cJSON *patch)
{
    if (!cJSON_IsObject(patch)) {
        cJSON_Delete(target);
        return json_copy(patch);
    }
    if (!cJSON_IsObject(target)) {
        cJSON_Delete(target);
        target = cJSON_CreateObject();
    }
    for (const cJSON *m = patch->child; target && m; m = m->next) {
        cJSON *old;
        if (cJSON_IsNull(m)) {
            json_remove(target, m->string);
            continue;
        }
        old = cJSON_DetachItemFromObjectCaseSensitive(target, m->string);
        json_set(target, m->string, json_merge_patch(old, m));
    }
    return target;
}
