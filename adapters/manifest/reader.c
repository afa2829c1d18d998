#include "adapters/manifest/reader.h"

#include <string.h>

#include "adapters/base/strbuf.h"
#include "engine/num.h"
#include "engine/text.h"

static void add_place(struct strbuf *b, const struct place *at)
{
    if (!at)
        return;
    add_place(b, at->parent);
    if (at->name)
        strbuf_addf(b, ".%s", at->name);
    else
        strbuf_addf(b, "[%u]", at->index);
}

const char *place_text(struct arena *arena, const struct place *at)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;

    add_place(&b, at);
    text = arena_strdup(arena, b.len > 0 ? strbuf_str(&b) : ".");
    strbuf_release(&b);
    return text;
}

static void add_diag(struct reader *r, uint32_t line, uint32_t col, uint32_t end_col,
                     const struct place *at, const char *what, const char *hint)
{
    struct diag d;

    memset(&d, 0, sizeof d);
    d.severity = SEVERITY_ERROR;
    d.file = r->file;
    d.line = line;
    d.col = col;
    d.end_col = end_col;
    d.path = place_text(r->arena, at);
    d.what = what;
    d.hint = hint;
    diags_add(r->diags, &d);
    r->errors++;
}

void reader_error(struct reader *r, const struct node *n, const struct place *at, const char *what,
                  const char *hint)
{
    uint32_t end = n && n->end_line == n->line ? n->end_col : 0;

    add_diag(r, n ? n->line : 0, n ? n->col : 0, end, at, what ? what : "wrong", hint);
}

void reader_missing(struct reader *r, const struct node *map, const struct place *at,
                    const char *name)
{
    const struct node *n = node_get(map, name);

    if (n && n->kind != NODE_NULL)
        return; /* there, and found wrong already */
    reader_error(r, map, at, arena_printf(r->arena, "%s is required", name), NULL);
}

static const char *list_words(struct arena *arena, const char *const *words)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;

    for (size_t i = 0; words[i]; i++)
        strbuf_addf(&b, "%s%s", i > 0 ? ", " : "", words[i]);
    text = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return text;
}

static const char *word_hint(struct reader *r, const char *word, size_t len,
                             const char *const *words)
{
    const char *near = nearest_name(word, len, words);

    if (near)
        return arena_printf(r->arena, "did you mean %s?", near);
    return arena_printf(r->arena, "one of: %s", list_words(r->arena, words));
}

void reader_unknown_word(struct reader *r, const struct node *n, const struct place *at,
                         const char *thing, const char *const *words)
{
    const char *what = arena_printf(r->arena, "\"%s\" is no %s", n->text ? n->text : "", thing);

    reader_error(r, n, at, what, word_hint(r, n->text ? n->text : "", n->text_len, words));
}

static const char *shown(struct reader *r, const struct node *n)
{
    if (n->kind == NODE_LIST || n->kind == NODE_MAP || n->kind == NODE_NULL)
        return node_kind_name(n->kind);
    if (n->kind == NODE_STRING)
        return arena_printf(r->arena, "\"%.60s\"", n->text);
    return arena_printf(r->arena, "%.60s", n->text);
}

static bool wrong_kind(struct reader *r, const struct node *n, const struct place *at,
                       const char *wanted)
{
    const char *got = shown(r, n), *hint = NULL;

    if (n->kind == NODE_STRING && strcmp(wanted, "a string") != 0 && n->quoted)
        hint = "remove the quotes";
    else if (strcmp(wanted, "a string") == 0 && n->kind != NODE_LIST && n->kind != NODE_MAP &&
             n->kind != NODE_NULL)
        hint = arena_printf(r->arena, "YAML reads it as %s; put it in quotes",
                            node_kind_name(n->kind));
    reader_error(r, n, at, arena_printf(r->arena, "%s is not %s", got ? got : "this", wanted),
                 hint);
    return false;
}

bool reader_expect(struct reader *r, const struct node *n, const struct place *at,
                   enum node_kind kind)
{
    if (n && n->kind == kind)
        return true;
    if (n)
        wrong_kind(r, n, at, node_kind_name(kind));
    else
        add_diag(r, 0, 0, 0, at, "missing", NULL);
    return false;
}

bool reader_object(struct reader *r, const struct node *n, const struct place *at,
                   const char *const *names)
{
    if (!reader_expect(r, n, at, NODE_MAP))
        return false;
    for (size_t i = 0; !r->lenient && i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        struct place here = {at, m->key, 0};
        bool known = false;

        for (size_t k = 0; names[k] && !known; k++)
            known = strcmp(names[k], m->key) == 0;
        if (!known)
            add_diag(r, m->line, m->col, m->col + (uint32_t)m->key_len, &here, "unknown field",
                     word_hint(r, m->key, m->key_len, names));
    }
    return true;
}

static bool absent(const struct node *n)
{
    return !n || n->kind == NODE_NULL;
}

bool reader_string(struct reader *r, const struct node *n, const struct place *at,
                   const char **ret_text)
{
    if (absent(n))
        return false;
    if (n->kind != NODE_STRING)
        return wrong_kind(r, n, at, "a string");
    *ret_text = n->text;
    return true;
}

bool reader_int64(struct reader *r, const struct node *n, const struct place *at,
                  int64_t *ret_value)
{
    if (absent(n))
        return false;
    if (n->kind == NODE_FLOAT && n->u.number > -9e15 && n->u.number < 9e15 &&
        n->u.number == (double)(int64_t)n->u.number) {
        *ret_value = (int64_t)n->u.number; /* 1e2 and 5.0 are whole */
        return true;
    }
    if (n->kind != NODE_INT)
        return wrong_kind(r, n, at, "an integer");
    *ret_value = n->u.integer;
    return true;
}

bool reader_int(struct reader *r, const struct node *n, const struct place *at, int32_t *ret_value)
{
    int64_t wide = 0;

    if (!reader_int64(r, n, at, &wide))
        return false;
    if (wide < INT32_MIN || wide > INT32_MAX)
        return wrong_kind(r, n, at, "within 32 bits");
    *ret_value = (int32_t)wide;
    return true;
}

bool reader_number(struct reader *r, const struct node *n, const struct place *at,
                   double *ret_value)
{
    if (absent(n))
        return false;
    if (n->kind == NODE_INT) {
        *ret_value = (double)n->u.integer;
        return true;
    }
    if (n->kind != NODE_FLOAT)
        return wrong_kind(r, n, at, "a number");
    *ret_value = n->u.number;
    return true;
}

bool reader_bool(struct reader *r, const struct node *n, const struct place *at, bool *ret_value)
{
    if (absent(n))
        return false;
    if (n->kind != NODE_BOOL)
        return wrong_kind(r, n, at, "true or false");
    *ret_value = n->u.boolean;
    return true;
}

bool reader_duration(struct reader *r, const struct node *n, const struct place *at,
                     int64_t *ret_nanoseconds)
{
    const char *text = "", *unit = NULL;
    size_t unit_len = 0;
    enum duration_error error;
    char buffer[256];
    struct text t;
    int64_t ns = 0;

    if (!reader_string(r, n, at, &text) || !*text)
        return false;
    error = duration_parse(text, n->text_len, &ns, &unit, &unit_len);
    if (error == DURATION_OK) {
        *ret_nanoseconds = ns;
        return true;
    }
    if (r->lenient)
        return false;
    text_init(&t, buffer, sizeof buffer);
    duration_error_text(&t, error, text, n->text_len, unit, unit_len);
    reader_error(r, n, at, arena_strdup(r->arena, buffer), "a duration such as 30s, 1m or 1m30s");
    return false;
}
