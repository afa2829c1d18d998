/*
 * Any bytes as a YAML stream: mistakes have a place in the file, trees keep their limits, and what
 * was read means the same when it is written as JSON and read again.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/node.h"
#include "engine/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH_MAX 20u
#define NODES_MAX 2000u
static const struct node_limits limits = {
    .depth_max = DEPTH_MAX, .nodes_max = NODES_MAX, .scalar_bytes_max = 4096};

struct survey {
    size_t nodes;
    bool no_json; /* something that JSON or a short YAML name cannot hold */
};

static void check_tree(const struct node *n, uint32_t depth, struct survey *s)
{
    assert(n && n->line >= 1 && n->col >= 1 && n->end_line >= 1);
    assert(depth <= DEPTH_MAX);
    s->nodes++;
    switch (n->kind) {
    case NODE_LIST:
        for (size_t i = 0; i < n->u.list.count; i++)
            check_tree(n->u.list.items[i], depth + 1, s);
        return;
    case NODE_MAP:
        for (size_t i = 0; i < n->u.map.count; i++) {
            const struct member *m = &n->u.map.members[i];

            assert(strlen(m->key) == m->key_len && m->line >= 1 && m->col >= 1);
            assert(node_member(n, m->key) == m); /* names differ */
            s->no_json = s->no_json || m->key_len > 100;
            check_tree(m->value, depth + 1, s);
        }
        return;
    case NODE_FLOAT:
        s->no_json = s->no_json || !num_is_finite(n->u.number);
        break;
    case NODE_NULL:
    case NODE_BOOL:
    case NODE_INT:
    case NODE_STRING:
        break;
    }
    assert(n->text && strlen(n->text) == n->text_len);
}

static void check_json(const struct node *root)
{
    struct arena *arena = arena_new(0);
    struct documents docs = {0};
    struct diags diags;
    cJSON *v = node_to_json(root), *again;
    char *text = json_print(v);

    diags_init(&diags, arena);
    assert(v && text);
    again = node_to_json(node_from_json(arena, v));
    assert(json_equal(v, again));
    json_free(again);
    /* a character that YAML does not allow unescaped may stand in JSON */
    if (node_parse_all(arena, &diags, "-", text, strlen(text), NULL, &docs) == 0) {
        assert(docs.count == 1);
        again = node_to_json(docs.items[0].root);
        assert(json_equal(v, again));
        json_free(again);
    }
    free(text);
    json_free(v);
    diags_release(&diags);
    arena_free(arena);
}

static bool on_document(void *ctx, const struct document *doc)
{
    struct survey s = {0};
    size_t *count = ctx;

    assert(doc->index == (*count)++);
    check_tree(doc->root, 1, &s);
    assert(s.nodes <= NODES_MAX);
    if (!s.no_json)
        check_json(doc->root);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(64u << 20);
    struct diags diags;
    size_t count = 0;
    int err;

    diags_init(&diags, arena);
    err = node_parse(arena, &diags, "-", (const char *)data, size, &limits, on_document, &count);
    assert(err == 0 || err == -EINVAL);
    assert((err == -EINVAL) == (diags.errors > 0));
    for (size_t i = 0; i < diags.count; i++) {
        assert(diags.items[i].line >= 1 && diags.items[i].col >= 1 && diags.items[i].what);
        assert(diags.items[i].line <= size + 1 && diags.items[i].col <= size + 1);
    }
    diags_release(&diags);
    arena_free(arena);
    return 0;
}
