/*
 * adapters/manifest/parse_int.h — what the two halves of the parser share: the stream (parse.c),
 * and the tree of the document at hand (parse_tree.c).
 */
#ifndef COALMINE_MANIFEST_PARSE_INT_H
#define COALMINE_MANIFEST_PARSE_INT_H

#include <yaml.h>

#include "adapters/manifest/node.h"

/* A list or map that is still open. */
struct frame {
    struct node *node;
    size_t base;     /* its first child in `items` or `entries` */
    uint32_t height; /* of its highest finished child, 0 = none */
    uint32_t anchor; /* index + 1 into anchors, 0 = none */
    size_t nodes_at; /* count of nodes when it was opened */
    bool has_key;    /* map: the next value belongs to the entry added last */
    bool is_merge;   /* map: that value is to be merged (<<) */
    bool is_flow;
};

struct entry {
    struct member member;
    bool merged;
};

struct anchor {
    const char *name;
    struct node *node; /* NULL while still open */
    uint32_t height;
    size_t nodes;
};

/* Names to numbers; open addressing, emptied per document or map. */
struct index {
    struct slot {
        const char *name;
        size_t len;
        uint32_t value;
    } * slots;
    size_t cap, count;
};

struct parser {
    struct arena *arena;
    struct diags *diags;
    struct node_limits limits;
    node_on_document *on_document;
    void *ctx;
    struct document doc;
    uint32_t line_base; /* lines of the file before the range that libyaml reads */
    uint32_t document_count;
    size_t nodes;
    bool broken; /* this document cannot be read on */
    bool no_memory;
    bool stopped; /* on_document said so */

    struct frame *frames;
    uint32_t depth;
    struct node **items;
    size_t item_count, item_cap;
    struct entry *entries;
    size_t entry_count, entry_cap;
    struct anchor *anchors;
    size_t anchor_count, anchor_cap;
    struct index anchor_index, key_index;

    unsigned char *block, *block_end;
    size_t block_bytes;
};

/* Room for the first values, after the limits are set. False when memory is out. */
bool parser_init(struct parser *r);
void parser_release(struct parser *r);
/* Take one event of libyaml's into the tree; a finished document goes to on_document. Sets broken,
 * no_memory or stopped where there is no going on. */
void parser_on_event(struct parser *r, const yaml_event_t *ev);
/* A finding at a line and column of the file; `what` NULL = memory is out. */
void parser_add_error(struct parser *r, uint32_t line, uint32_t col, const char *what,
                      const char *hint);
/* The same at a mark of libyaml's. */
void parser_error_at(struct parser *r, const yaml_mark_t *mark, const char *what, const char *hint);

#endif
