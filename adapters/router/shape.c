#include "adapters/router/shape.h"

#include <string.h>

#include "adapters/router/build.h"
#include "engine/num.h"
#include "engine/text.h"

const struct shape SHAPE_OF_STRING = {SHAPE_STRING, NULL, NULL};
const struct shape SHAPE_OF_INT = {SHAPE_INT, NULL, NULL};
const struct shape SHAPE_OF_FLOAT = {SHAPE_FLOAT, NULL, NULL};
const struct shape SHAPE_OF_BOOL = {SHAPE_BOOL, NULL, NULL};
const struct shape SHAPE_OF_ANY = {SHAPE_ANY, NULL, NULL};
const struct shape SHAPE_OF_DURATION = {SHAPE_DURATION, NULL, NULL};
const struct shape SHAPE_OF_STRINGS = {SHAPE_LIST, &SHAPE_OF_STRING, NULL};
const struct shape SHAPE_OF_STRING_MAP = {SHAPE_MAP, &SHAPE_OF_STRING, NULL};

static bool is_zero(const struct shape *shape, const cJSON *v)
{
    int64_t number;

    switch (shape->kind) {
    case SHAPE_STRING:
        return v->valuestring[0] == '\0';
    case SHAPE_INT:
        return json_as_int(v, &number) && number == 0;
    case SHAPE_FLOAT:
        return cJSON_IsNumber(v) && v->valuedouble >= 0.0 && v->valuedouble <= 0.0;
    case SHAPE_BOOL:
        return cJSON_IsFalse(v);
    case SHAPE_ANY:
    case SHAPE_DURATION:
    case SHAPE_LIST:
    case SHAPE_MAP:
    case SHAPE_STRUCT:
    default:
        return false;
    }
}

static cJSON *zero_of(const struct shape *shape)
{
    switch (shape->kind) {
    case SHAPE_STRING:
        return build_str("");
    case SHAPE_INT:
    case SHAPE_FLOAT:
        return build_int(0);
    case SHAPE_BOOL:
        return build_bool(false);
    case SHAPE_DURATION:
        return build_str("0s");
    case SHAPE_ANY:
    case SHAPE_LIST:
    case SHAPE_MAP:
    case SHAPE_STRUCT:
    default:
        return NULL;
    }
}

static cJSON *decode_duration(const cJSON *v)
{
    char buffer[64];
    struct text text;
    int64_t nanoseconds;
    const char *unit;
    size_t unit_len;

    if (!cJSON_IsString(v))
        return build_str("0s");
    if (duration_parse(v->valuestring, strlen(v->valuestring), &nanoseconds, &unit, &unit_len) !=
        DURATION_OK)
        return build_copy(v);
    text_init(&text, buffer, sizeof(buffer));
    text_add_duration(&text, nanoseconds);
    return build_str(buffer);
}

static cJSON *decode_list(const struct shape *of, const cJSON *v)
{
    cJSON *list = build_list(NULL);

    for (const cJSON *item = v->child; item != NULL; item = item->next) {
        cJSON *decoded = shape_decode(of, item);

        build_append(list, decoded != NULL ? decoded : zero_of(of));
    }
    return list;
}

static cJSON *decode_map(const struct shape *of, const cJSON *v)
{
    cJSON *map = build_object(NULL);

    for (const cJSON *item = v->child; item != NULL; item = item->next) {
        cJSON *decoded = shape_decode(of, item);

        build_set(map, item->string, decoded != NULL ? decoded : zero_of(of));
    }
    return map;
}

static cJSON *decode_field(const struct field *field, const cJSON *v)
{
    bool absent = v == NULL || cJSON_IsNull(v);
    cJSON *decoded;

    if (field->form == FIELD_POINTER && absent)
        return NULL;
    decoded = shape_decode(field->shape, v);
    if (field->form == FIELD_POINTER)
        return decoded;
    if (decoded == NULL)
        return field->form == FIELD_KEEP ? zero_of(field->shape) : NULL;
    if (field->form == FIELD_OMIT && is_zero(field->shape, decoded)) {
        json_free(decoded);
        return NULL;
    }
    return decoded;
}

static cJSON *decode_struct(const struct shape *shape, const cJSON *v)
{
    cJSON *object = build_object(NULL);

    for (const struct field *f = shape->fields; f->name != NULL; f++)
        build_set(object, f->name, decode_field(f, json_get(v, f->name)));
    return object;
}

cJSON *shape_decode(const struct shape *shape, const cJSON *v)
{
    int64_t number;

    switch (shape->kind) {
    case SHAPE_STRING:
        return cJSON_IsString(v) ? build_copy(v) : NULL;
    case SHAPE_INT:
        return v != NULL && json_as_int(v, &number) ? build_int(number) : NULL;
    case SHAPE_FLOAT:
        return cJSON_IsNumber(v) || cJSON_IsRaw(v) ? build_copy(v) : NULL;
    case SHAPE_BOOL:
        return cJSON_IsBool(v) ? build_copy(v) : NULL;
    case SHAPE_ANY:
        return v == NULL || cJSON_IsNull(v) ? NULL : build_copy(v);
    case SHAPE_DURATION:
        return decode_duration(v);
    case SHAPE_LIST:
        return cJSON_IsArray(v) ? decode_list(shape->of, v) : NULL;
    case SHAPE_MAP:
        return cJSON_IsObject(v) ? decode_map(shape->of, v) : NULL;
    case SHAPE_STRUCT:
    default:
        return decode_struct(shape, v);
    }
}

static void encode_struct(const struct shape *shape, cJSON *v)
{
    for (const struct field *f = shape->fields; f->name != NULL; f++) {
        cJSON *member = json_get(v, f->name);

        if (member == NULL)
            continue;
        shape_encode(f->shape, member);
        if (f->form == FIELD_OMIT &&
            (f->shape->kind == SHAPE_LIST || f->shape->kind == SHAPE_MAP) && member->child == NULL)
            json_remove(v, f->name);
    }
}

void shape_encode(const struct shape *shape, cJSON *v)
{
    if (v == NULL)
        return;
    if (shape->kind == SHAPE_STRUCT) {
        encode_struct(shape, v);
    } else if (shape->kind == SHAPE_LIST || shape->kind == SHAPE_MAP) {
        for (cJSON *item = v->child; item != NULL; item = item->next)
            shape_encode(shape->of, item);
    }
}

void json_drop_empty(cJSON *v)
{
    cJSON *next;

    if (!cJSON_IsObject(v) && !cJSON_IsArray(v))
        return;
    for (cJSON *item = v->child; item != NULL; item = next) {
        next = item->next;
        json_drop_empty(item);
        /* an entry of a list is never dropped: that would move the others */
        if (cJSON_IsObject(v) && (cJSON_IsObject(item) || cJSON_IsArray(item)) &&
            item->child == NULL)
            json_free(cJSON_DetachItemViaPointer(v, item));
    }
}

void shape_keep_unknown(const struct shape *shape, cJSON *target, const cJSON *source)
{
    if (!cJSON_IsObject(source))
        return;
    for (const cJSON *item = source->child; item != NULL; item = item->next) {
        const struct field *f = shape->fields;

        while (f->name != NULL && strcmp(f->name, item->string) != 0)
            f++;
        if (f->name == NULL && json_get(target, item->string) == NULL)
            build_set(target, item->string, build_copy(item));
    }
}
