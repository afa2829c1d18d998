/*
 * adapters/metrics/answer_json.h — a metric server's JSON, read as Go's encoding/json reads it.
 *
 * What is wrong with an answer reaches people through events, in Go's words ("invalid character 'x'
 * looking for beginning of value", "json: cannot unmarshal string into Go struct field …"). So
 * answers are read here and not through adapters/base/json.h: numbers stay text, member names match
 * without case, the last of equal names wins, and a shape says what Go's types would have taken.
 */
#ifndef COALMINE_METRICS_ANSWER_JSON_H
#define COALMINE_METRICS_ANSWER_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/base/arena.h"
#include "adapters/base/strbuf.h"

enum answer_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct answer_json {
    enum answer_kind kind;
    bool truth;
    const char *text; /* number as written, or the string meant; NUL-terminated */
    size_t len;
    const char *key; /* in an object */
    size_t count;
    struct answer_json *first, *last, *next, *parent;
};

/* What a Go type takes. Tables of these are static. */
enum shape_kind {
    SHAPE_ANY,
    SHAPE_STRING,
    SHAPE_FLOAT,
    SHAPE_INT,
    SHAPE_SLICE,
    SHAPE_STRUCT,
    SHAPE_CUSTOM
};
struct shape {
    enum shape_kind kind;
    const char *type;         /* as reflect prints it */
    const char *name;         /* struct: its own name, "" for a nameless one */
    const struct shape *elem; /* slice */
    const struct shape_field {
        const char *name;
        const struct shape *shape;
    } * fields; /* struct; ends with a NULL name */
    /* custom: NULL when the value is good, else the error; "json: " errors get the place added */
    const char *(*custom)(struct arena *arena, const struct answer_json *v);
};

/* NULL on failure with *reterr in Go's words. */
struct answer_json *answer_json_parse(struct arena *arena, const char *text, size_t len,
                                      const char **reterr);
/* Returns NULL when `v` fits, else Go's error. */
const char *answer_json_check(struct arena *arena, const struct answer_json *v,
                              const struct shape *shape);
/* Both of the above. */
struct answer_json *answer_json_read(struct arena *arena, const char *text, size_t len,
                                     const struct shape *shape, const char **reterr);
/* A member, by name without case; the last of several. NULL when absent or null, or `v` is no
 * object. */
const struct answer_json *answer_json_get(const struct answer_json *v, const char *name);
/* The n-th element, or NULL. `v` may be NULL. */
const struct answer_json *answer_json_at(const struct answer_json *v, size_t n);
size_t answer_json_count(const struct answer_json *v);
/* As fmt.Sprintf("%v") prints what an interface{} got. */
void answer_json_print(const struct answer_json *v, struct strbuf *out);

#endif
