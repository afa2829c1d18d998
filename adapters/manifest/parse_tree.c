/*
 * libyaml's events made into the tree of a document.
 *
 * No recursion, and no allocation per node: nodes and texts are cut from blocks of the
 * arena, and the children of open lists and maps wait in two growing arrays that the whole file
 * shares.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/parse_int.h"
#include "adapters/manifest/scalar.h"
#include "engine/text.h"

#define BLOCK_BYTES_MIN 1024u
#define BLOCK_BYTES_MAX (16u * 1024u)
#define PAIRWISE_MAX 16u /* maps up to this size are searched for duplicates pair by pair */

/* ---- memory
 * --------------------------------------------------------------------------------------- */

static void *refill(struct parser *r, size_t size)
{
    unsigned char *p;

    if (size > r->block_bytes / 4) {
        p = arena_take(r->arena, size);
    } else {
        p = arena_take(r->arena, r->block_bytes);
        if (p) {
            r->block = p + size;
            r->block_end = p + r->block_bytes;
        }
        if (r->block_bytes < BLOCK_BYTES_MAX)
            r->block_bytes *= 2;
    }
    if (!p)
        r->no_memory = true;
    return p;
}

/* Memory for the document at hand; the caller sets every byte that is read. */
static inline void *take(struct parser *r, size_t size)
{
    unsigned char *p = r->block;

    size = (size + 7) & ~(size_t)7;
    if ((size_t)(r->block_end - p) < size)
        return refill(r, size);
    r->block = p + size;
    return p;
}

/* The callback may have cleared the arena: no block survives a document. */
static void forget_blocks(struct parser *r)
{
    r->block = r->block_end = NULL;
    r->block_bytes = BLOCK_BYTES_MIN;
}

static bool grow(struct parser *r, void **array, size_t *cap, size_t size)
{
    size_t new_cap = *cap ? *cap * 2 : 64;
    void *p = realloc(*array, new_cap * size);

    if (!p) {
        r->no_memory = true;
        return false;
    }
    *array = p;
    *cap = new_cap;
    return true;
}

static uint64_t hash_name(const char *s, size_t len)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static struct slot *index_find(const struct index *x, const char *name, size_t len)
{
    size_t at = (size_t)hash_name(name, len) & (x->cap - 1);

    while (x->slots[at].name &&
           (x->slots[at].len != len || memcmp(x->slots[at].name, name, len) != 0))
        at = (at + 1) & (x->cap - 1);
    return &x->slots[at];
}

static bool index_reserve(struct index *x, size_t count)
{
    struct index bigger = {.cap = x->cap ? x->cap : 64, .count = x->count};

    while (bigger.cap < count * 2)
        bigger.cap *= 2;
    if (bigger.cap == x->cap)
        return true;
    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < x->cap; i++)
        if (x->slots[i].name)
            *index_find(&bigger, x->slots[i].name, x->slots[i].len) = x->slots[i];
    free(x->slots);
    *x = bigger;
    return true;
}

static void index_clear(struct index *x)
{
    if (x->count)
        memset(x->slots, 0, x->cap * sizeof *x->slots);
    x->count = 0;
}

/* The slot of a name, new ones with value UINT32_MAX; NULL when memory is out. */
static struct slot *index_put(struct parser *r, struct index *x, const char *name, size_t len)
{
    struct slot *slot;

    if (!index_reserve(x, x->count + 1)) {
        r->no_memory = true;
        return NULL;
    }
    slot = index_find(x, name, len);
    if (!slot->name) {
        *slot = (struct slot){name, len, UINT32_MAX};
        x->count++;
    }
    return slot;
}

/* ---- findings
 * ------------------------------------------------------------------------------------- */

static uint32_t line_of(const struct parser *r, const yaml_mark_t *mark)
{
    return r->line_base + (uint32_t)mark->line + 1;
}

void parser_add_error(struct parser *r, uint32_t line, uint32_t col, const char *what,
                      const char *hint)
{
    struct diag d = {.severity = SEVERITY_ERROR,
                     .file = r->doc.file,
                     .line = line,
                     .col = col,
                     .what = what,
                     .hint = hint};

    if (!what)
        r->no_memory = true;
    else
        diags_add(r->diags, &d);
}

void parser_error_at(struct parser *r, const yaml_mark_t *mark, const char *what, const char *hint)
{
    parser_add_error(r, line_of(r, mark), (uint32_t)mark->column + 1, what, hint);
}

/* As error_at, and the rest of the document is skipped. */
static void break_off(struct parser *r, const yaml_mark_t *mark, const char *what, const char *hint)
{
    parser_error_at(r, mark, what, hint);
    r->broken = true;
}

/* Enough of a text to recognise it by. */
static int shown_length(size_t len)
{
    return len > 60 ? 60 : (int)len;
}

/* ---- nodes
 * ---------------------------------------------------------------------------------------- */

/* A node; the text of a scalar is put right behind it. */
static inline struct node *new_node(struct parser *r, enum node_kind kind, const yaml_event_t *ev,
                                    size_t text_size)
{
    struct node *n = take(r, sizeof *n + text_size);

    if (!n)
        return NULL;
    *n = (struct node){.kind = kind,
                       .line = line_of(r, &ev->start_mark),
                       .col = (uint32_t)ev->start_mark.column + 1,
                       .end_line = line_of(r, &ev->end_mark),
                       .end_col = (uint32_t)ev->end_mark.column + 1};
    return n;
}

static bool count_nodes(struct parser *r, size_t count, const yaml_mark_t *mark)
{
    r->nodes += count;
    if (r->nodes <= r->limits.nodes_max)
        return true;
    break_off(r, mark,
              arena_printf(r->diags->arena, "more than %zu values once aliases are expanded",
                           r->limits.nodes_max),
              "a document of this size is no manifest");
    return false;
}

static const char *tag_name(const yaml_event_t *ev)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *tag = (const char *)ev->data.scalar.tag;

    if (tag && strncmp(tag, prefix, sizeof prefix - 1) == 0)
        return tag + sizeof prefix - 1;
    return tag;
}

/* What go-yaml makes of `!!int x` and its like. */
static void resolve_tagged(struct parser *r, struct node *n, const yaml_event_t *ev)
{
    const char *tag = tag_name(ev);
    enum node_kind want;

    n->kind = NODE_STRING;
    if (strcmp(tag, "bool") == 0)
        want = NODE_BOOL;
    else if (strcmp(tag, "int") == 0)
        want = NODE_INT;
    else if (strcmp(tag, "float") == 0)
        want = NODE_FLOAT;
    else if (strcmp(tag, "null") == 0)
        want = NODE_NULL;
    else {
        if (strcmp(tag, "binary") == 0)
            parser_error_at(r, &ev->start_mark, "!!binary is not supported",
                            "write the text itself");
        return; /* !!str, and tags that nobody knows */
    }
    scalar_resolve(n);
    if (n->kind == NODE_INT && want == NODE_FLOAT) {
        n->kind = NODE_FLOAT;
        n->u.number = (double)n->u.integer;
    }
    if (n->kind != want)
        parser_error_at(r, &ev->start_mark,
                        arena_printf(r->diags->arena, "%.*s is not %s, as its tag !!%s says",
                                     shown_length(n->text_len), n->text, node_kind_name(want), tag),
                        NULL);
}

static struct node *new_scalar(struct parser *r, const yaml_event_t *ev)
{
    size_t len = ev->data.scalar.length;
    yaml_scalar_style_t style = ev->data.scalar.style;
    struct node *n;
    char *text;

    if (len > r->limits.scalar_bytes_max) {
        parser_error_at(r, &ev->start_mark,
                        arena_printf(r->diags->arena, "a text of %zu bytes is longer than %zu", len,
                                     r->limits.scalar_bytes_max),
                        NULL);
        len = 0;
    }
    n = new_node(r, NODE_STRING, ev, len + 1);
    if (!n)
        return NULL;
    text = (char *)(n + 1);
    memcpy(text, ev->data.scalar.value, len);
    text[len] = '\0';
    n->text = text;
    n->text_len = len;
    n->quoted = style != YAML_PLAIN_SCALAR_STYLE;
    if (ev->data.scalar.tag) {
        resolve_tagged(r, n, ev);
    } else if (!n->quoted) {
        scalar_resolve(n);
    } else if (style == YAML_DOUBLE_QUOTED_SCALAR_STYLE && memchr(text, '\0', len)) {
        parser_error_at(r, &ev->start_mark, "a NUL character cannot be part of a value", NULL);
        n->text_len = strlen(text);
    }
    return n;
}

static struct node *new_null(struct parser *r, uint32_t line, uint32_t col)
{
    struct node *n = take(r, sizeof *n);

    if (n)
        *n = (struct node){NODE_NULL, line, col, line, col, .text = ""};
    return n;
}

/* ---- anchors
 * -------------------------------------------------------------------------------------- */

static uint32_t open_anchor(struct parser *r, const yaml_char_t *name)
{
    size_t len;
    char *copy;
    struct slot *slot;

    if (!name)
        return 0;
    len = strlen((const char *)name);
    copy = take(r, len + 1);
    if (!copy || (r->anchor_count == r->anchor_cap &&
                  !grow(r, (void **)&r->anchors, &r->anchor_cap, sizeof *r->anchors)))
        return 0;
    memcpy(copy, name, len + 1);
    slot = index_put(r, &r->anchor_index, copy, len);
    if (!slot)
        return 0;
    slot->value = (uint32_t)r->anchor_count;
    r->anchors[r->anchor_count] = (struct anchor){.name = copy};
    return (uint32_t)++r->anchor_count;
}

static void close_anchor(struct parser *r, uint32_t anchor, struct node *n, uint32_t height,
                         size_t nodes)
{
    if (anchor == 0)
        return;
    r->anchors[anchor - 1].node = n;
    r->anchors[anchor - 1].height = height;
    r->anchors[anchor - 1].nodes = nodes;
}

static const struct anchor *find_anchor(struct parser *r, const yaml_event_t *ev)
{
    const char *name = (const char *)ev->data.alias.anchor;
    const struct slot *slot =
        r->anchor_index.count ? index_find(&r->anchor_index, name, strlen(name)) : NULL;

    if (slot && slot->name && r->anchors[slot->value].node)
        return &r->anchors[slot->value];
    break_off(r, &ev->start_mark,
              arena_printf(r->diags->arena,
                           slot && slot->name ? "the value of anchor &%.60s contains itself"
                                              : "there is no anchor &%.60s before this alias",
                           name),
              NULL);
    return NULL;
}

/* ---- maps
 * ----------------------------------------------------------------------------------------- */

static bool add_entry(struct parser *r, const struct entry *e)
{
    if (r->entry_count == r->entry_cap &&
        !grow(r, (void **)&r->entries, &r->entry_cap, sizeof *r->entries))
        return false;
    r->entries[r->entry_count++] = *e;
    return true;
}

/* A name that kubectl turns into JSON: `on:` becomes "true", `0x10:` "16". */
static bool name_from_node(struct parser *r, const struct node *n, const char **ret_name)
{
    char *digits = NULL;
    struct text t;

    switch (n->kind) {
    case NODE_BOOL:
        *ret_name = n->u.boolean ? "true" : "false";
        return true;
    case NODE_INT:
    case NODE_FLOAT:
        digits = take(r, 40);
        if (!digits)
            return false;
        text_init(&t, digits, 40);
        if (n->kind == NODE_INT)
            text_add_int(&t, n->u.integer);
        else
            text_add_float(&t, n->u.number);
        *ret_name = digits;
        return true;
    case NODE_STRING:
        *ret_name = n->text;
        return true;
    case NODE_NULL:
    case NODE_LIST:
    case NODE_MAP:
        break;
    }
    return false;
}

static void add_key(struct parser *r, struct frame *f, const struct node *n, const yaml_event_t *ev,
                    bool may_merge)
{
    struct entry e = {.member.line = line_of(r, &ev->start_mark),
                      .member.col = (uint32_t)ev->start_mark.column + 1};

    e.member.key = n->text;
    e.member.key_len = n->text_len;
    if (n->kind != NODE_STRING) {
        if (!name_from_node(r, n, &e.member.key)) {
            break_off(r, &ev->start_mark,
                      arena_printf(r->diags->arena, "%s cannot be a name", node_kind_name(n->kind)),
                      n->kind == NODE_NULL ? "put the name in quotes" : NULL);
            return;
        }
        e.member.key_len = strlen(e.member.key);
    }
    f->is_merge = may_merge && e.member.key_len == 2 && memcmp(e.member.key, "<<", 2) == 0;
    f->has_key = add_entry(r, &e);
}

static bool merge_map(struct parser *r, const struct node *map)
{
    for (size_t i = 0; i < map->u.map.count; i++) {
        struct entry e = {.member = map->u.map.members[i], .merged = true};

        if (!add_entry(r, &e))
            return false;
    }
    return true;
}

/* `<<: *a` or `<<: [*a, *b]`; the first of a list wins, so it comes last. */
static void merge_value(struct parser *r, const struct node *v, const yaml_mark_t *mark)
{
    size_t count = v->kind == NODE_LIST ? v->u.list.count : 0;
    bool good = v->kind == NODE_MAP || v->kind == NODE_LIST;

    r->entry_count--; /* the entry of the key << itself */
    for (size_t i = 0; i < count; i++)
        good = good && v->u.list.items[i]->kind == NODE_MAP;
    if (!good) {
        parser_error_at(r, mark, "<< can merge a map or a list of maps only", NULL);
        return;
    }
    if (v->kind == NODE_MAP)
        merge_map(r, v);
    for (size_t i = count; i-- > 0;)
        if (!merge_map(r, v->u.list.items[i]))
            return;
}

static bool same_name(const struct member *a, const struct member *b)
{
    return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

static void report_duplicate(struct parser *r, const struct member *first,
                             const struct member *again)
{
    parser_add_error(r, again->line, again->col,
                     arena_printf(r->diags->arena, "%.*s is given twice",
                                  shown_length(again->key_len), again->key),
                     arena_printf(r->diags->arena, "the first one is on line %u", first->line));
}

/* Does any name occur twice? Quick for the small maps that manifests are made of. */
static bool has_repeats(const struct entry *entries, size_t count)
{
    if (count > PAIRWISE_MAX)
        return true; /* not known: look with the index */
    for (size_t i = 1; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (same_name(&entries[i].member, &entries[k].member))
                return true;
    return false;
}

/* Keep one entry per name, the later one, as go-yaml does; two written ones are a mistake. */
static size_t drop_repeats(struct parser *r, struct entry *entries, size_t count)
{
    size_t kept = 0;

    index_clear(&r->key_index);
    for (size_t i = 0; i < count; i++) {
        struct slot *slot =
            index_put(r, &r->key_index, entries[i].member.key, entries[i].member.key_len);

        if (!slot)
            return kept;
        if (slot->value == UINT32_MAX) {
            slot->value = (uint32_t)kept;
            entries[kept++] = entries[i];
            continue;
        }
        if (!entries[slot->value].merged && !entries[i].merged)
            report_duplicate(r, &entries[slot->value].member, &entries[i].member);
        entries[slot->value] = entries[i];
    }
    return kept;
}

static void finish_map(struct parser *r, struct frame *f)
{
    struct entry *entries = r->entries + f->base;
    size_t count = r->entry_count - f->base;
    struct member *members;

    if (has_repeats(entries, count))
        count = drop_repeats(r, entries, count);
    members = take(r, count * sizeof *members);
    if (!members)
        return;
    for (size_t i = 0; i < count; i++)
        members[i] = entries[i].member;
    f->node->u.map.members = members;
    f->node->u.map.count = count;
    r->entry_count = f->base;
}

static void finish_list(struct parser *r, struct frame *f)
{
    size_t count = r->item_count - f->base;
    struct node **items = take(r, count * sizeof *items);

    if (!items)
        return;
    if (count)
        memcpy(items, r->items + f->base, count * sizeof *items);
    f->node->u.list.items = items;
    f->node->u.list.count = count;
    r->item_count = f->base;
}

/* ---- events
 * --------------------------------------------------------------------------------------- */

/* A finished value goes into the open list or map, or is the document. */
static void add_value(struct parser *r, struct node *n, uint32_t height, const yaml_event_t *ev)
{
    struct frame *f;

    if (r->depth == 0) {
        r->doc.root = n;
        return;
    }
    f = &r->frames[r->depth - 1];
    if (height > f->height)
        f->height = height;
    if (f->node->kind == NODE_LIST) {
        if (r->item_count == r->item_cap &&
            !grow(r, (void **)&r->items, &r->item_cap, sizeof *r->items))
            return;
        r->items[r->item_count++] = n;
    } else {
        f->has_key = false;
        r->entries[r->entry_count - 1].member.value = n;
        if (f->is_merge)
            merge_value(r, n, &ev->start_mark);
    }
    if (!f->is_flow) { /* libyaml ends a block where the next token starts */
        f->node->end_line = n->end_line;
        f->node->end_col = n->end_col;
    }
}

/* Is a name of a map wanted next? */
static struct frame *frame_wanting_key(struct parser *r)
{
    struct frame *f = r->depth ? &r->frames[r->depth - 1] : NULL;

    return f && f->node->kind == NODE_MAP && !f->has_key ? f : NULL;
}

static void on_scalar(struct parser *r, const yaml_event_t *ev)
{
    struct frame *f = frame_wanting_key(r);
    uint32_t anchor = open_anchor(r, ev->data.scalar.anchor);
    struct node *n = new_scalar(r, ev);

    if (!n || r->no_memory)
        return;
    close_anchor(r, anchor, n, 1, 1);
    if (!count_nodes(r, 1, &ev->start_mark))
        return;
    if (f)
        add_key(r, f, n, ev, !n->quoted && !ev->data.scalar.tag);
    else
        add_value(r, n, 1, ev);
}

static void on_alias(struct parser *r, const yaml_event_t *ev)
{
    struct frame *f = frame_wanting_key(r);
    const struct anchor *a = find_anchor(r, ev);

    if (!a || !count_nodes(r, a->nodes, &ev->start_mark))
        return;
    if (f)
        add_key(r, f, a->node, ev, false);
    else if (r->depth + a->height > r->limits.depth_max)
        break_off(r, &ev->start_mark,
                  arena_printf(r->diags->arena, "nested deeper than %u levels by this alias",
                               r->limits.depth_max),
                  NULL);
    else
        add_value(r, a->node, a->height, ev);
}

static void on_open(struct parser *r, const yaml_event_t *ev, enum node_kind kind)
{
    bool is_list = kind == NODE_LIST;
    struct node *n;
    struct frame *f;

    if (frame_wanting_key(r)) {
        break_off(r, &ev->start_mark,
                  arena_printf(r->diags->arena, "%s cannot be a name", node_kind_name(kind)),
                  "an unrendered template, perhaps? Put {{ }} in quotes, or render it first");
        return;
    }
    if (r->depth == r->limits.depth_max) {
        break_off(
            r, &ev->start_mark,
            arena_printf(r->diags->arena, "nested deeper than %u levels", r->limits.depth_max),
            NULL);
        return;
    }
    n = new_node(r, kind, ev, 0);
    if (!n || !count_nodes(r, 1, &ev->start_mark))
        return;
    f = &r->frames[r->depth++];
    *f = (struct frame){.node = n, .nodes_at = r->nodes - 1};
    f->base = is_list ? r->item_count : r->entry_count;
    f->is_flow = is_list ? ev->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
                         : ev->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    f->anchor =
        open_anchor(r, is_list ? ev->data.sequence_start.anchor : ev->data.mapping_start.anchor);
}

static void on_close(struct parser *r, const yaml_event_t *ev)
{
    struct frame *f = &r->frames[r->depth - 1];
    struct node *n = f->node;
    uint32_t height = f->height + 1;

    assert(r->depth > 0);
    if (n->kind == NODE_MAP)
        finish_map(r, f);
    else
        finish_list(r, f);
    if (f->is_flow) {
        n->end_line = line_of(r, &ev->end_mark);
        n->end_col = (uint32_t)ev->end_mark.column + 1;
    }
    close_anchor(r, f->anchor, n, height, r->nodes - f->nodes_at);
    r->depth--;
    add_value(r, n, height, ev);
}

static void on_document_start(struct parser *r, const yaml_event_t *ev)
{
    r->doc.root = NULL;
    r->doc.line = line_of(r, &ev->start_mark);
    r->doc.index = r->document_count;
    r->nodes = 0;
    r->depth = 0;
    r->item_count = r->entry_count = r->anchor_count = 0;
    r->broken = false;
    index_clear(&r->anchor_index);
    index_clear(&r->key_index);
    forget_blocks(r);
}

static void on_document_end(struct parser *r)
{
    if (!r->doc.root)
        r->doc.root = new_null(r, r->doc.line, 1);
    if (!r->doc.root)
        return;
    r->document_count++;
    r->stopped = !r->on_document(r->ctx, &r->doc);
}

void parser_on_event(struct parser *r, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        on_scalar(r, ev);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(r, ev);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_open(r, ev, NODE_LIST);
        break;
    case YAML_MAPPING_START_EVENT:
        on_open(r, ev, NODE_MAP);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(r, ev);
        break;
    case YAML_DOCUMENT_START_EVENT:
        on_document_start(r, ev);
        break;
    case YAML_DOCUMENT_END_EVENT:
        on_document_end(r);
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
        break;
    }
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

bool parser_init(struct parser *r)
{
    forget_blocks(r);
    r->frames = calloc(r->limits.depth_max, sizeof *r->frames);
    return r->frames && grow(r, (void **)&r->items, &r->item_cap, sizeof *r->items) &&
           grow(r, (void **)&r->entries, &r->entry_cap, sizeof *r->entries);
}

void parser_release(struct parser *r)
{
    free(r->frames);
    free(r->items);
    free(r->entries);
    free(r->anchors);
    free(r->anchor_index.slots);
    free(r->key_index.slots);
}
