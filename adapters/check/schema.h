/*
 * adapters/check/schema.h — OpenAPI v3 structural schemas, compiled once and applied to many
 * documents.
 *
 * Supported keywords: type, properties, additionalProperties, items, required, enum, minimum,
 * maximum, minLength, maxLength, minItems, maxItems, pattern, format (int32, int64, date-time),
 * nullable, oneOf, anyOf, allOf, not, x-kubernetes-int-or-string,
 * x-kubernetes-preserve-unknown-fields and those x-kubernetes-validations rules that are listed in
 * schema.c. A keyword that would change a verdict and is not supported makes schema_compile fail:
 * nothing is skipped in silence.
 *
 * Objects reject members that `properties` does not list, as kubectl does (an API server prunes
 * them).
 */
#ifndef COALMINE_CHECK_SCHEMA_H
#define COALMINE_CHECK_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/base/arena.h"
#include "adapters/base/strbuf.h"
#include "adapters/manifest/node.h"

struct schema;

enum schema_fault {
    SCHEMA_UNKNOWN,  /* a member nobody reads */
    SCHEMA_TYPE,     /* another kind of value */
    SCHEMA_REQUIRED, /* a member is missing */
    SCHEMA_ENUM,     /* not one of the allowed values */
    SCHEMA_RANGE,    /* too small, too large, too short, too long */
    SCHEMA_PATTERN,  /* text of another form */
    SCHEMA_ONE_OF,   /* none, or more than one, of the alternatives */
    SCHEMA_RULE,     /* an x-kubernetes-validations rule says no */
};

/* Where in a document the validator stands: a list from the value up to the root. */
struct schema_path {
    const struct schema_path *up; /* NULL at the root */
    const char *key;              /* a member's name, or NULL for a list item */
    size_t index;
};
/* ".spec.analysis.metrics[2].name"; names that are no plain words are quoted: .labels["a.b/c"]. */
void schema_path_add(struct strbuf *b, const struct schema_path *path);

struct schema_finding {
    enum schema_fault fault;
    const struct schema_path *path; /* of the value, or of the parent plus the missing member */
    const struct node *value;       /* the culprit; for SCHEMA_REQUIRED the object that lacks it */
    const struct member *member;    /* SCHEMA_UNKNOWN: the member itself; else NULL or its member */
    const char *keyword;            /* of the schema, such as "minimum" */
    const char *what;               /* "12 is less than 1": borrowed for the call */
    const char *hint;               /* or NULL; borrowed */
};
typedef void schema_on_finding(void *ctx, const struct schema_finding *finding);

/*
 * Compile the schema written at `root`. Everything lives in `arena` but regular expressions, which
 * schema_release drops. Returns 0, -EINVAL (not a schema; *reterr_what says why, from the arena),
 * -ENOTSUP (a keyword we do not know; likewise), or -ENOMEM.
 */
int schema_compile(struct arena *arena, const struct node *root, struct schema **ret_schema,
                   const char **reterr_what);
/* NULL is fine. */
void schema_release(struct schema *s);

/* Report everything wrong with `value`; returns the number of findings. */
size_t schema_validate(struct schema *s, const struct node *value, schema_on_finding *on_finding,
                       void *ctx);

#endif
