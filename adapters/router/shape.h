/*
 * adapters/router/shape.h — the form of an API type, and values brought into that form.
 *
 * Flagger compares objects after decoding them into Go types: fields the types do not know are
 * invisible, zero values equal absent ones, an empty list does not. A shape says what a type knows;
 * shape_decode() brings any JSON into the one normal form of its shape, so that two values are the
 * same to Flagger exactly when their normal forms are equal JSON.
 *
 * Normal form: unknown members and nulls are gone; a zero scalar is gone unless the field is always
 * written (then it is there, zero or not); a pointer keeps its zero; empty lists and maps are kept
 * as they came.
 */
#ifndef COALMINE_ROUTER_SHAPE_H
#define COALMINE_ROUTER_SHAPE_H

#include "adapters/base/json.h"

enum shape_kind {
    SHAPE_STRING,
    SHAPE_INT,
    SHAPE_FLOAT,
    SHAPE_BOOL,
    SHAPE_ANY,      /* copied as it is */
    SHAPE_DURATION, /* metav1.Duration: text, in Go's own spelling; absent is "0s" */
    SHAPE_LIST,     /* of `of` */
    SHAPE_MAP,      /* of `of`, by string */
    SHAPE_STRUCT    /* `fields` */
};

enum field_form {
    FIELD_OMIT,    /* a value with omitempty */
    FIELD_KEEP,    /* a value that is always written */
    FIELD_POINTER, /* a pointer with omitempty */
};

struct field;
struct shape {
    enum shape_kind kind;
    const struct shape *of;
    const struct field *fields; /* ends with a NULL name */
};
struct field {
    const char *name;
    const struct shape *shape;
    enum field_form form;
};

extern const struct shape SHAPE_OF_STRING, SHAPE_OF_INT, SHAPE_OF_FLOAT, SHAPE_OF_BOOL,
    SHAPE_OF_ANY, SHAPE_OF_DURATION, SHAPE_OF_STRINGS, SHAPE_OF_STRING_MAP;

/*
 * The normal form of `v`; the caller's. A struct is never NULL (absent and mistyped values give its
 * zero value); an absent list or map gives NULL.
 */
cJSON *shape_decode(const struct shape *shape, const cJSON *v);
/* Turn a normal form into what is written: empty lists and maps of FIELD_OMIT fields go away. In
 * place. */
void shape_encode(const struct shape *shape, cJSON *v);
/* Remove empty lists, maps and structs at every depth (`{}` left by that too). In place. */
void json_drop_empty(cJSON *v);
/* Keep in `target` what it lacks of the members of `source` that `shape` (a struct) does not know.
 */
void shape_keep_unknown(const struct shape *shape, cJSON *target, const cJSON *source);

#endif
