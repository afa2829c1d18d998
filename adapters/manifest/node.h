/*
 * adapters/manifest/node.h — YAML and JSON documents as trees in which every value knows where it
 * stands.
 *
 * Scalars are resolved as kubectl reads them (YAML 1.1 as sigs.k8s.io/yaml does: `yes` is true,
 * `010` is 8,
 * `~` is null, `1e3` is a number), anchors and merge keys are expanded, and the limits below hold.
 * JSON is read by the same parser, being a subset.
 */
#ifndef COALMINE_MANIFEST_NODE_H
#define COALMINE_MANIFEST_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/arena.h"
#include "adapters/base/diag.h"
#include "adapters/base/json.h"

enum node_kind { NODE_NULL, NODE_BOOL, NODE_INT, NODE_FLOAT, NODE_STRING, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    uint32_t line, col;         /* from 1; where the value starts */
    uint32_t end_line, end_col; /* one past its end */
    union {
        bool boolean;
        int64_t integer; /* NODE_INT within int64; wider ones are NODE_FLOAT */
        double number;
        struct {
            struct node **items;
            size_t count;
        } list;
        struct {
            struct member *members; /* in document order; merge keys already merged */
            size_t count;
        } map;
    } u;
    /* Scalars: the text as written, unquoted and unescaped (for every kind; NUL-terminated). */
    const char *text;
    size_t text_len;
    bool quoted; /* a string because it was quoted or a block scalar */
};

struct member {
    const char *key;
    size_t key_len;
    uint32_t line, col; /* of the key */
    struct node *value;
};

struct document {
    const char *file;
    const char *source; /* the whole file; borrowed */
    size_t source_len;
    struct node *root; /* never NULL; an empty document is NODE_NULL */
    uint32_t index;    /* from 0 within the file */
    uint32_t line;     /* first line of the document */
};

#define NODE_BYTES_MAX (128u * 1024u * 1024u) /* of one file, unless the limits say otherwise */

struct node_limits {
    size_t bytes_max;        /* 0 = 128 MiB */
    uint32_t depth_max;      /* 0 = 64 */
    size_t nodes_max;        /* nodes after alias expansion, per document; 0 = 1,000,000 */
    size_t scalar_bytes_max; /* 0 = 1 MiB */
};

/*
 * Read all documents of one file. Syntax errors, duplicate keys and broken limits are added to
 * `diags` (with position); reading goes on with the next document where that is possible.
 *   on_document  called per document, in order; the tree lives in `arena`, which the callback may
 * clear when it keeps nothing (streams of any length then need constant memory). Return false to
 * stop. Returns 0, or -EINVAL when at least one error was added, or -ENOMEM.
 */
typedef bool node_on_document(void *ctx, const struct document *doc);
int node_parse(struct arena *arena, struct diags *diags, const char *file, const char *source,
               size_t source_len, const struct node_limits *limits, node_on_document *on_document,
               void *ctx);

/* As node_parse, into a list in the arena. */
struct documents {
    struct document *items;
    size_t count;
};
int node_parse_all(struct arena *arena, struct diags *diags, const char *file, const char *source,
                   size_t source_len, const struct node_limits *limits,
                   struct documents *ret_documents);

/* Read a whole file, "-" = standard input, into the arena. 0, or -errno. */
int file_read(struct arena *arena, const char *path, size_t bytes_max, const char **ret_bytes,
              size_t *ret_len);

/* A member by name or NULL; `map` may be NULL or of another kind. */
struct node *node_get(const struct node *map, const char *name);
const struct member *node_member(const struct node *map, const char *name);
/* node_at(root, "spec", "analysis", NULL) */
struct node *node_at(const struct node *map, ...);
/* The text of a string node, else NULL. */
const char *node_str(const struct node *n);
bool node_is(const struct node *n, const char *text); /* a string equal to text */
const char *node_kind_name(enum node_kind kind);      /* "a string", "an integer", … */
/* The same value as JSON, for adapters that work on API objects; NULL when memory is out. */
cJSON *node_to_json(const struct node *n);
/* An API object as a tree without positions (line 0); texts are copied. NULL when the arena is
 * full. */
struct node *node_from_json(struct arena *arena, const cJSON *v);

#endif
