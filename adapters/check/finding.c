/* Adding findings: their places, and the source lines shown with them. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/check/state.h"

static bool grow_findings(struct check *c)
{
    size_t cap = c->cap ? 2 * c->cap : 64;
    struct finding *items = realloc(c->items, cap * sizeof *items);
    uint32_t *files;

    if (items == NULL)
        return false;
    c->items = items;
    files = realloc(c->item_files, cap * sizeof *files);
    if (files == NULL)
        return false;
    c->item_files = files;
    c->cap = cap;
    return true;
}

static void add_finding(struct check *c, const struct finding *f, uint32_t file)
{
    if (c->count >= FINDINGS_MAX) {
        c->dropped++;
        return;
    }
    if (c->count == c->cap && !grow_findings(c)) {
        c->no_memory = true;
        return;
    }
    c->items[c->count] = *f;
    c->items[c->count].order = c->order++;
    c->items[c->count].file = c->files[file];
    c->item_files[c->count] = file;
    c->count++;
}

size_t check_line_offset(const struct check *c, uint32_t line)
{
    size_t at = 0;
    uint32_t now = 1;

    if (line >= c->cursor_line) {
        at = c->cursor_at;
        now = c->cursor_line;
    }
    while (now < line && at < c->source_len) {
        const char *end = memchr(c->source + at, '\n', c->source_len - at);

        if (end == NULL)
            return c->source_len;
        at = (size_t)(end - c->source) + 1;
        now++;
    }
    return at;
}

/* One character of UTF-8 at `s`: its length, or 0 when it is none. */
static size_t character_at(const unsigned char *s, size_t len)
{
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
               : (s[0] & 0xF0) == 0xE0       ? 3
               : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                             : 0;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

const char *check_keep_line(struct check *c, const char *bytes, size_t len)
{
    char *copy;

    if (len > SOURCE_BYTES_MAX)
        for (len = SOURCE_BYTES_MAX; len > 0 && ((unsigned char)bytes[len] & 0xC0) == 0x80;)
            len--;
    copy = arena_strndup(c->keep, bytes, len);
    for (size_t at = 0; copy && at < len;) {
        size_t n = character_at((const unsigned char *)copy + at, len - at);

        if (n == 0 || ((unsigned char)copy[at] < 0x20 && copy[at] != '\t') || copy[at] == 0x7F)
            copy[at] = '?';
        at += n ? n : 1;
    }
    return copy;
}

static const char *source_line(struct check *c, uint32_t line)
{
    size_t at, len;
    const char *end;

    if (c->source == NULL || line == 0)
        return NULL;
    at = check_line_offset(c, line);
    if (at >= c->source_len)
        return NULL;
    end = memchr(c->source + at, '\n', c->source_len - at);
    len = end ? (size_t)(end - c->source) - at : c->source_len - at;
    if (len > 0 && c->source[at + len - 1] == '\r')
        len--;
    return check_keep_line(c, c->source + at, len);
}

void check_find_here(struct check *c, enum severity severity, enum rule_id rule, uint32_t line,
                     uint32_t col, uint32_t end_col, const char *path, const char *hint,
                     const char *what)
{
    struct finding f = {.rule = rule, .severity = severity};

    if (c->count >= FINDINGS_MAX) {
        c->dropped++;
        return;
    }
    f.line = line ? line + c->line_base : 0;
    f.col = col;
    f.end_col = end_col;
    f.path = path ? path : "";
    f.what = check_text(c, "%s", what);
    f.hint = hint;
    f.source = source_line(c, line);
    add_finding(c, &f, check_file_index(c));
}

void check_find_diag(struct check *c, enum rule_id rule, const struct diag *d)
{
    check_find_here(c, c->severities[rule], rule, d->line, d->col, d->end_col,
                    d->path ? check_text(c, "%s", d->path) : "",
                    d->hint ? check_text(c, "%s", d->hint) : NULL, d->what);
}

void check_find_diags(struct check *c, enum rule_id rule, const struct diags *diags)
{
    for (size_t i = 0; i < diags->count; i++)
        check_find_diag(c, rule, &diags->items[i]);
    c->dropped += diags->dropped;
}

static void add_node(struct check *c, enum severity severity, enum rule_id rule,
                     const struct node *n, const char *path, const char *hint, const char *format,
                     va_list args)
{
    struct strbuf what = STRBUF_INIT;

    strbuf_addv(&what, format, args);
    if (n == NULL && c->document)
        n = c->document->root;
    if (n)
        check_find_here(c, severity, rule, n->line, n->col, n->line == n->end_line ? n->end_col : 0,
                        path, hint, strbuf_str(&what));
    strbuf_release(&what);
}

void check_find(struct check *c, enum rule_id rule, const struct node *where, const char *path,
                const char *hint, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_node(c, c->severities[rule], rule, where, path, hint, format, args);
    va_end(args);
}

void check_find_as(struct check *c, enum severity severity, enum rule_id rule,
                   const struct node *where, const char *path, const char *hint, const char *format,
                   ...)
{
    bool changed = c->severities[rule] != check_rules[rule].severity;
    va_list args;

    va_start(args, format);
    add_node(c, changed ? c->severities[rule] : severity, rule, where, path, hint, format, args);
    va_end(args);
}

void check_find_member(struct check *c, enum rule_id rule, const struct member *where,
                       const char *path, const char *hint, const char *format, ...)
{
    struct strbuf what = STRBUF_INIT;
    va_list args;

    va_start(args, format);
    strbuf_addv(&what, format, args);
    va_end(args);
    check_find_here(c, c->severities[rule], rule, where->line, where->col,
                    where->col + (uint32_t)where->key_len, path, hint, strbuf_str(&what));
    strbuf_release(&what);
}

void check_find_at(struct check *c, enum severity severity, enum rule_id rule, uint32_t file,
                   uint32_t line, uint32_t col, const char *path, const char *hint,
                   const char *what)
{
    bool changed = c->severities[rule] != check_rules[rule].severity;
    struct finding f = {.rule = rule, .severity = changed ? c->severities[rule] : severity};

    f.line = line;
    f.col = col;
    f.path = path ? path : "";
    f.what = check_text(c, "%s", what);
    f.hint = hint;
    add_finding(c, &f, file);
}

static uint32_t indentation(const struct check *c, size_t at)
{
    uint32_t col = 0;

    while (at + col < c->source_len && c->source[at + col] == ' ')
        col++;
    return col;
}

struct node check_inside(struct check *c, const struct node *scalar, uint32_t line, uint32_t col)
{
    struct node place = *scalar;
    size_t at = check_line_offset(c, scalar->line) + scalar->col - 1;
    char mark = c->source && at < c->source_len ? c->source[at] : 0;

    if (mark == '|' || mark == '>') {
        if (mark == '>')
            return place; /* folded: lines of the text are not lines of the file */
        place.line = scalar->line + line;
        place.col = indentation(c, check_line_offset(c, scalar->line + 1)) + col;
    } else if (scalar->line == scalar->end_line) {
        place.col = scalar->col + col - 1 + (scalar->quoted ? 1 : 0);
    } else {
        return place;
    }
    place.end_line = place.line;
    place.end_col = place.col + 1;
    return place;
}
