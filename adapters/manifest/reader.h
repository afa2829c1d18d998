/*
 * adapters/manifest/reader.h — typed reading of a node tree: each function checks one value, adds a
 * located error when it is wrong, and leaves its result alone when the value is absent, null or
 * wrong.
 */
#ifndef COALMINE_MANIFEST_READER_H
#define COALMINE_MANIFEST_READER_H

#include "adapters/manifest/node.h"

struct reader {
    struct arena *arena;
    struct diags *diags;
    const char *file;
    bool lenient; /* unknown fields and unreadable durations are no error */
    size_t errors;
};

/* Where a value stands, as a chain from the value to the root; becomes text only when something is
 * wrong. */
struct place {
    const struct place *parent;
    const char *name; /* NULL = element `index` of a list */
    uint32_t index;
};
/* A place below another one, for the length of the statement that uses it. */
#define PLACE(at, field) (&(const struct place){(at), (field), 0})

/* ".spec.steps[2].weight" in the arena; "." for the root. */
const char *place_text(struct arena *arena, const struct place *at);

void reader_error(struct reader *r, const struct node *n, const struct place *at, const char *what,
                  const char *hint);
/* "NAME is required" at the place of the object, unless it has a value of that name after all. */
void reader_missing(struct reader *r, const struct node *map, const struct place *at,
                    const char *name);
/* Not one of the words: says which there are and which is the nearest. */
void reader_unknown_word(struct reader *r, const struct node *n, const struct place *at,
                         const char *thing, const char *const *words);
/* Is it of this kind? Null and absent values are not and count as an error too. */
bool reader_expect(struct reader *r, const struct node *n, const struct place *at,
                   enum node_kind kind);
/* Is it an object? Its unknown fields are errors, with the nearest of `names` (NULL-terminated). */
bool reader_object(struct reader *r, const struct node *n, const struct place *at,
                   const char *const *names);

/* These return whether the result was set. */
bool reader_string(struct reader *r, const struct node *n, const struct place *at,
                   const char **ret_text);
bool reader_int(struct reader *r, const struct node *n, const struct place *at, int32_t *ret_value);
bool reader_int64(struct reader *r, const struct node *n, const struct place *at,
                  int64_t *ret_value);
bool reader_number(struct reader *r, const struct node *n, const struct place *at,
                   double *ret_value);
bool reader_bool(struct reader *r, const struct node *n, const struct place *at, bool *ret_value);
/* Go duration syntax; an absent, empty or (lenient) unreadable text leaves the result alone. */
bool reader_duration(struct reader *r, const struct node *n, const struct place *at,
                     int64_t *ret_nanoseconds);

#endif
