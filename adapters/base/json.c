#include "adapters/base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json_node.h"
#include "engine/decimal.h"
#include "engine/num.h"
#include "engine/text.h"

#define INTEGER_EXACT_MAX 1e15

/* Whole, and so small that a double prints and compares as an integer. */
static bool is_exact_integer(double value)
{
    return value > -INTEGER_EXACT_MAX && value < INTEGER_EXACT_MAX &&
           value == (double)(int64_t)value;
}

/* ---- writing
 * -------------------------------------------------------------------------------------- */

static void add_digits(struct text *t, const struct decimal *x, int32_t from, int32_t to)
{
    for (int32_t i = from; i < to; i++)
        text_addc(t, i < x->count ? (char)('0' + x->d[i]) : '0');
}

/* As Go's encoding/json writes a float64: plain digits from 1e-6 up to 1e21, else an exponent. */
static void add_float(struct text *t, double value)
{
    struct decimal x;

    if (value < 0) {
        text_addc(t, '-');
        value = -value;
    }
    decimal_shortest(&x, value);
    if (x.point < -5 || x.point > 21) {
        add_digits(t, &x, 0, 1);
        if (x.count > 1)
            text_addc(t, '.');
        add_digits(t, &x, 1, x.count);
        text_adds(t, x.point > 0 ? "e+" : "e");
        text_add_int(t, x.point - 1);
    } else if (x.point <= 0) {
        text_adds(t, "0.");
        for (int32_t zero = x.point; zero < 0; zero++)
            text_addc(t, '0');
        add_digits(t, &x, 0, x.count);
    } else {
        add_digits(t, &x, 0, x.point);
        if (x.count > x.point)
            text_addc(t, '.');
        add_digits(t, &x, x.point, x.count);
    }
}

static void add_number(struct strbuf *b, double value)
{
    char digits[40];
    struct text t;

    if (!num_is_finite(value)) {
        strbuf_adds(b, "null"); /* JSON has no word for it */
        return;
    }
    text_init(&t, digits, sizeof digits);
    if (is_exact_integer(value))
        text_add_int(&t, (int64_t)value);
    else
        add_float(&t, value);
    strbuf_add(b, digits, t.len);
}

struct slot {
    const cJSON *item;
    size_t seq;
};

static int compare_slots(const void *left, const void *right)
{
    const struct slot *a = left, *b = right;
    int order =
        strcmp(a->item->string ? a->item->string : "", b->item->string ? b->item->string : "");

    if (order)
        return order;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void add_value(struct strbuf *b, const cJSON *v, bool sorted);

static void add_member(struct strbuf *b, const cJSON *v, bool sorted)
{
    const char *name = v->string ? v->string : "";
    size_t len = strlen(name);

    if (v->type & cJSON_StringIsConst) { /* the names of json_node.c: nothing to escape */
        char *out = strbuf_extend(b, len + 3);

        if (!out)
            return;
        out[0] = '"';
        memcpy(out + 1, name, len);
        out[len + 1] = '"';
        out[len + 2] = ':';
    } else {
        strbuf_add_json(b, name, len);
        strbuf_addc(b, ':');
    }
    add_value(b, v, sorted);
}

/* Most objects are small: those are sorted here, without memory of their own. */
static void sort_few(struct slot *slots, size_t count)
{
    for (size_t n = 1; n < count; n++) {
        struct slot s = slots[n];
        size_t i = n;

        for (; i > 0 && compare_slots(&s, &slots[i - 1]) < 0; i--)
            slots[i] = slots[i - 1];
        slots[i] = s;
    }
}

static void add_sorted_members(struct strbuf *b, const cJSON *obj)
{
    struct slot few[16], *slots = few;
    size_t count = 0, i = 0;

    for (const cJSON *v = obj->child; v; v = v->next)
        count++;
    if (count == 0)
        return;
    if (count > sizeof few / sizeof few[0])
        slots = malloc(count * sizeof *slots);
    if (!slots) {
        b->failed = true;
        return;
    }
    for (const cJSON *v = obj->child; v; v = v->next, i++)
        slots[i] = (struct slot){v, i};
    if (slots == few)
        sort_few(slots, count);
    else
        qsort(slots, count, sizeof *slots, compare_slots);
    for (i = 0; i < count; i++) {
        if (i)
            strbuf_addc(b, ',');
        add_member(b, slots[i].item, true);
    }
    if (slots != few)
        free(slots);
}

static void add_value(struct strbuf *b, const cJSON *v, bool sorted)
{
    switch (v->type & 0xff) {
    case cJSON_False:
        strbuf_adds(b, "false");
        break;
    case cJSON_True:
        strbuf_adds(b, "true");
        break;
    case cJSON_Number:
        add_number(b, v->valuedouble);
        break;
    case cJSON_Raw:
        strbuf_adds(b, v->valuestring);
        break;
    case cJSON_String:
        strbuf_add_json(b, v->valuestring, strlen(v->valuestring));
        break;
    case cJSON_Array:
        strbuf_addc(b, '[');
        for (const cJSON *item = v->child; item; item = item->next) {
            if (item != v->child)
                strbuf_addc(b, ',');
            add_value(b, item, sorted);
        }
        strbuf_addc(b, ']');
        break;
    case cJSON_Object:
        strbuf_addc(b, '{');
        if (sorted)
            add_sorted_members(b, v);
        for (const cJSON *item = sorted ? NULL : v->child; item; item = item->next) {
            if (item != v->child)
                strbuf_addc(b, ',');
            add_member(b, item, sorted);
        }
        strbuf_addc(b, '}');
        break;
    default:
        strbuf_adds(b, "null");
    }
}

void json_add_to(struct strbuf *b, const cJSON *v)
{
    if (v)
        add_value(b, v, false);
    else
        strbuf_adds(b, "null");
}

char *json_print(const cJSON *v)
{
    struct strbuf b = STRBUF_INIT;

    json_add_to(&b, v);
    return strbuf_detach(&b);
}

char *json_print_sorted(const cJSON *v)
{
    struct strbuf b = STRBUF_INIT;

    if (v)
        add_value(&b, v, true);
    else
        strbuf_adds(&b, "null");
    return strbuf_detach(&b);
}

/* ---- looking
 * -------------------------------------------------------------------------------------- */

cJSON *json_get(const cJSON *obj, const char *name)
{
    if (obj == NULL || (obj->type & 0xff) != cJSON_Object)
        return NULL;
    for (cJSON *v = obj->child; v; v = v->next) {
        const char *have = v->string;

        if (have && have[0] == name[0] && strcmp(have, name) == 0)
            return v;
    }
    return NULL;
}

cJSON *json_at(const cJSON *obj, ...)
{
    cJSON *v = NULL;
    const char *name;
    va_list names;

    va_start(names, obj);
    for (name = va_arg(names, const char *); name; name = va_arg(names, const char *)) {
        v = json_get(obj, name);
        if (!v)
            break;
        obj = v;
    }
    va_end(names);
    return v;
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

    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : otherwise;
}

int64_t json_int(const cJSON *obj, const char *name, int64_t otherwise)
{
    int64_t value;

    return json_as_int(json_get(obj, name), &value) ? value : otherwise;
}

bool json_as_int(const cJSON *v, int64_t *ret_value)
{
    if (cJSON_IsRaw(v))
        return v->valuestring && num_parse_int(v->valuestring, strlen(v->valuestring), ret_value);
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= -0x1p63 && v->valuedouble < 0x1p63) ||
        v->valuedouble != (double)(int64_t)v->valuedouble)
        return false;
    *ret_value = (int64_t)v->valuedouble;
    return true;
}

cJSON *json_new_int(int64_t value)
{
    char digits[24];
    struct text t;

    if (value > -(int64_t)INTEGER_EXACT_MAX && value < (int64_t)INTEGER_EXACT_MAX)
        return cJSON_CreateNumber((double)value);
    text_init(&t, digits, sizeof digits);
    text_add_int(&t, value);
    return cJSON_CreateRaw(digits);
}

/* ---- changing
 * ------------------------------------------------------------------------------------- */

int json_set(cJSON *obj, const char *name, cJSON *value)
{
    cJSON *old = json_get(obj, name);

    if (!value || !cJSON_IsObject(obj)) {
        json_free(value);
        return -ENOMEM; /* a member that could not be made, or has nowhere to go */
    }
    if (old == value)
        return 0;
    if (!json_node_rename(value, name, strlen(name))) {
        json_free(value);
        return -ENOMEM;
    }
    if (old)
        json_node_replace(obj, old, value);
    else
        json_node_append(obj, obj->child ? obj->child->prev : NULL, value);
    return 0;
}

int json_set_str(cJSON *obj, const char *name, const char *value)
{
    return json_set(obj, name, value ? json_node_text(value, strlen(value)) : NULL);
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
    cJSON *v = json_get(obj, name);

    if (v)
        json_free(cJSON_DetachItemViaPointer(obj, v));
}

cJSON *json_child_object(cJSON *obj, const char *name)
{
    cJSON *child = json_get(obj, name);

    if (cJSON_IsObject(child))
        return child;
    child = cJSON_CreateObject();
    return json_set(obj, name, child) ? NULL : child;
}

static bool is_number(const cJSON *v)
{
    return cJSON_IsNumber(v) || cJSON_IsRaw(v);
}

static double as_double(const cJSON *v)
{
    double value = 0;

    if (!cJSON_IsRaw(v))
        return v->valuedouble;
    return num_parse(v->valuestring, strlen(v->valuestring), &value) ? value : 0;
}

static bool numbers_equal(const cJSON *a, const cJSON *b)
{
    int64_t left, right;

    if (!cJSON_IsRaw(a) || !cJSON_IsRaw(b))
        return as_double(a) == as_double(b);
    if (json_as_int(a, &left) && json_as_int(b, &right))
        return left == right;
    return strcmp(a->valuestring, b->valuestring) == 0;
}

static bool same_name(const cJSON *a, const cJSON *b)
{
    return a->string && b->string && (a->string == b->string || strcmp(a->string, b->string) == 0);
}

static bool objects_equal(const cJSON *a, const cJSON *b)
{
    const cJSON *other = b->child; /* mostly both have the same order */
    size_t a_count = 0, b_count = 0;

    for (const cJSON *v = b->child; v; v = v->next)
        b_count++;
    for (const cJSON *v = a->child; v; v = v->next, a_count++) {
        if (!other || !same_name(v, other))
            other = v->string ? json_get(b, v->string) : NULL;
        if (!other || !json_equal(v, other))
            return false;
        other = other->next;
    }
    return a_count == b_count;
}

static bool arrays_equal(const cJSON *a, const cJSON *b)
{
    const cJSON *left = a->child, *right = b->child;

    for (; left && right; left = left->next, right = right->next)
        if (!json_equal(left, right))
            return false;
    return !left && !right;
}

bool json_equal(const cJSON *a, const cJSON *b)
{
    if (!a || !b)
        return a == b;
    if (is_number(a) && is_number(b))
        return numbers_equal(a, b);
    if ((a->type & 0xff) != (b->type & 0xff))
        return false;
    if (cJSON_IsString(a))
        return strcmp(a->valuestring, b->valuestring) == 0;
    if (cJSON_IsObject(a))
        return objects_equal(a, b);
    if (cJSON_IsArray(a))
        return arrays_equal(a, b);
    return true; /* null, true, false */
}

static int merge_member(cJSON *target, const cJSON *patch)
{
    cJSON *old = json_get(target, patch->string);

    if (cJSON_IsNull(patch)) {
        json_remove(target, patch->string);
        return 0;
    }
    if (cJSON_IsObject(old) && cJSON_IsObject(patch)) {
        for (const cJSON *p = patch->child; p; p = p->next) {
            int err = merge_member(old, p);

            if (err)
                return err;
        }
        return 0;
    }
    if (!cJSON_IsObject(patch))
        return json_set(target, patch->string, json_copy(patch));
    return json_set(target, patch->string, json_merge_patch(NULL, patch)); /* drops its nulls */
}

cJSON *json_merge_patch(cJSON *target, const cJSON *patch)
{
    if (!cJSON_IsObject(patch)) {
        json_free(target);
        return json_copy(patch);
    }
    if (!cJSON_IsObject(target)) {
        json_free(target);
        target = cJSON_CreateObject();
    }
    for (const cJSON *p = target ? patch->child : NULL; p; p = p->next) {
        if (merge_member(target, p)) {
            json_free(target);
            return NULL;
        }
    }
    return target;
}
