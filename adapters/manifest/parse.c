/*
 * A file of YAML documents, read in one pass: what libyaml cannot read is said in words of the
 * file, and reading goes on with the next document.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/parse_int.h"

#define DEPTH_DEFAULT 64u
#define NODES_DEFAULT 1000000u
#define SCALAR_BYTES_DEFAULT (1024u * 1024u)

/* ---- syntax errors in words of the file, not of the parser
 * ---------------------------------------- */

static const struct wording {
    const char *problem; /* libyaml's */
    const char *what;    /* ours */
    const char *hint;
    bool at_context; /* where the construct began says more than where it went wrong */
} wordings[] = {
    {"mapping values are not allowed in this context", "a ':' is not allowed here",
     "check the indentation, or quote the text if ': ' belongs to it", false},
    {"could not find expected ':'", "a ':' is missing after this name", NULL, true},
    {"did not find expected key", "the indentation does not fit the map above", NULL, false},
    {"did not find expected '-' indicator", "the indentation does not fit the list above",
     "start each item with '- ' in the same column", false},
    {"block sequence entries are not allowed in this context", "a list item is not allowed here",
     "start the list on a line of its own", false},
    {"found unexpected end of stream", "the quote opened here is never closed", NULL, true},
    {"found unexpected document indicator", "the quote opened here is never closed", NULL, true},
    {"did not find expected ',' or '}'", "the { opened here is never closed, or a ',' is missing",
     NULL, true},
    {"did not find expected ',' or ']'", "the [ opened here is never closed, or a ',' is missing",
     NULL, true},
    {"did not find expected <document start>", "there is more text after the document's end",
     "separate documents with a line '---'", false},
    {"found character that cannot start any token", "this character cannot start a value",
     "put the value in quotes", false},
    {"did not find expected alphabetic or numeric character",
     "an anchor or alias needs a name of letters and digits", "put a text with * or & in quotes",
     false},
    {"did not find expected node content", "a value is expected here", NULL, false},
    {"found unknown escape character", "there is no such escape in double quotes",
     "write \\\\ for a backslash, or use single quotes", false},
};

/* Byte offset of a line, counted from `line_base` at `from`; breaks as libyaml sees them. */
static size_t next_line(const char *s, size_t len, size_t at)
{
    for (; at < len; at++) {
        unsigned char c = (unsigned char)s[at];

        if (c == '\n')
            return at + 1;
        if (c == '\r')
            return at + 1 < len && s[at + 1] == '\n' ? at + 2 : at + 1;
        if (c == 0xc2 && at + 1 < len && (unsigned char)s[at + 1] == 0x85)
            return at + 2;
        if (c == 0xe2 && at + 2 < len && (unsigned char)s[at + 1] == 0x80 &&
            ((unsigned char)s[at + 2] & 0xfe) == 0xa8)
            return at + 3;
    }
    return len;
}

static const char *hint_for_line(const struct parser *r, size_t start, uint32_t col,
                                 const char *hint)
{
    const char *line = r->doc.source + start;
    size_t end = next_line(r->doc.source, r->doc.source_len, start);
    size_t len = end - start;

    for (size_t i = 0; i + 1 < len; i++)
        if (line[i] == '{' && line[i + 1] == '{')
            return "an unrendered template, perhaps? Put {{ }} in quotes, or render it first";
    for (size_t i = 0; i < len && i < col; i++) {
        if (line[i] == '\t')
            return "YAML does not indent with tabs: use spaces";
        if (line[i] != ' ')
            break;
    }
    return hint;
}

/* A range of the source that libyaml reads as one stream. */
struct range {
    size_t start, end;
    uint32_t line; /* lines of the file before it */
};

static size_t offset_of_line(const struct parser *r, const struct range *range, size_t line)
{
    size_t at = range->start;

    for (; line > 0 && at < range->end; line--)
        at = next_line(r->doc.source, range->end, at);
    return at;
}

static void report_syntax(struct parser *r, const struct range *range, const yaml_parser_t *p)
{
    const yaml_mark_t *mark = &p->problem_mark;
    const char *problem = p->problem ? p->problem : "this cannot be read", *hint = NULL;
    const char *what = NULL;
    bool quote = p->context && strstr(p->context, "quoted scalar");

    for (size_t i = 0; i < sizeof wordings / sizeof wordings[0] && !what; i++) {
        const struct wording *w = &wordings[i];

        if (strcmp(problem, w->problem) != 0 || (strstr(w->what, "quote opened") && !quote))
            continue;
        what = w->what;
        hint = w->hint;
        mark = w->at_context && p->context ? &p->context_mark : mark;
    }
    if (!what)
        what = p->context ? arena_printf(r->diags->arena, "%s: %s", p->context, problem)
                          : arena_strdup(r->diags->arena, problem);
    hint = hint_for_line(r, offset_of_line(r, range, mark->line), (uint32_t)mark->column + 1, hint);
    parser_error_at(r, mark, what, hint);
}

/* ---- the stream, and how reading goes on after a broken document
 * ---------------------------------- */

static bool is_document_line(const char *s, size_t len, size_t at)
{
    return len - at >= 3 && memcmp(s + at, "---", 3) == 0 &&
           (len - at == 3 || strchr(" \t\r\n", s[at + 3]));
}

/* The next line `---` at or after the line start `at`; its line number is added to *line. */
static size_t find_document(const struct parser *r, size_t at, uint32_t *line)
{
    while (at < r->doc.source_len && !is_document_line(r->doc.source, r->doc.source_len, at)) {
        at = next_line(r->doc.source, r->doc.source_len, at);
        (*line)++;
    }
    return at;
}

/* Read events until the range ends or its current document breaks. False: broken at *ret_line. */
static bool read_events(struct parser *r, const struct range *range, yaml_parser_t *p,
                        size_t *ret_line)
{
    yaml_event_t ev;
    bool at_end = false;

    while (!at_end && !r->no_memory && !r->stopped) {
        if (!yaml_parser_parse(p, &ev)) {
            if (p->error == YAML_MEMORY_ERROR)
                r->no_memory = true;
            else
                report_syntax(r, range, p);
            /* a line `---` is where to go on, unless the mistake is on it */
            *ret_line = p->problem_mark.line + (p->problem_mark.column > 0);
            return false;
        }
        at_end = ev.type == YAML_STREAM_END_EVENT;
        parser_on_event(r, &ev);
        *ret_line = ev.start_mark.line + 1;
        yaml_event_delete(&ev);
        if (r->broken)
            return false;
    }
    return true;
}

/* Read one range; after a broken document go on at the next `---`. */
static void read_range(struct parser *r, struct range range)
{
    while (range.start < range.end && !r->no_memory && !r->stopped) {
        yaml_parser_t p;
        size_t broken_line = 0, first_line;
        bool good;

        if (!yaml_parser_initialize(&p)) {
            r->no_memory = true;
            return;
        }
        yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&p, (const unsigned char *)r->doc.source + range.start,
                                     range.end - range.start);
        r->line_base = range.line;
        r->doc.line = range.line + 1;
        r->broken = false;
        good = read_events(r, &range, &p, &broken_line);
        yaml_parser_delete(&p);
        if (good)
            return;
        /* never the same document again: at least one line behind the one that it began on */
        first_line = r->doc.line - range.line;
        if (broken_line < first_line)
            broken_line = first_line;
        range.start = offset_of_line(r, &range, broken_line);
        range.line += (uint32_t)broken_line;
        range.start = find_document(r, range.start, &range.line);
    }
}

/* What stands in the way of reading bytes as text, by YAML's rules for characters. */
static size_t check_character(const unsigned char *s, size_t len, const char **ret_what)
{
    unsigned char c = s[0];
    size_t need = c >= 0xc2 && c <= 0xdf   ? 2
                  : c >= 0xe0 && c <= 0xef ? 3
                  : c >= 0xf0 && c <= 0xf4 ? 4
                                           : 0;

    *ret_what = "this is not UTF-8";
    if (c < 0x80) {
        *ret_what = c == 0 ? "a NUL byte is not allowed" : "a control character is not allowed";
        return 0;
    }
    if (need == 0 || len < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
        (c == 0xf4 && s[1] > 0x8f))
        return 0;
    *ret_what = "a control character is not allowed";
    if (c == 0xc2 && s[1] < 0xa0 && s[1] != 0x85)
        return 0;
    if (c == 0xef && s[1] == 0xbf && s[2] >= 0xbe)
        return 0;
    return need;
}

/* Are these eight bytes all printable ASCII, or common white space? Answers no too often, never
 * yes. */
static bool eight_plain(const char *s)
{
    const uint64_t high = 0x8080808080808080u, ones = 0x0101010101010101u;
    uint64_t v;

    memcpy(&v, s, sizeof v);
    return ((v | (v - ones * 0x20) | (v + ones)) & high) == 0;
}

/* The first byte from `at` on that no document may hold, or `len`. */
static size_t find_bad_byte(const char *s, size_t len, size_t at, const char **ret_what)
{
    while (at < len) {
        unsigned char c = (unsigned char)s[at];

        if (len - at >= 8 && eight_plain(s + at)) {
            at += 8;
        } else if ((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' || c == '\r') {
            at++;
        } else {
            size_t n = check_character((const unsigned char *)s + at, len - at, ret_what);

            if (at > 0 && s[at - 1] == '\n' && len - at >= 3 &&
                memcmp(s + at, "\xef\xbb\xbf", 3) == 0) {
                *ret_what = "a byte order mark may stand at the start of a file only";
                n = 0;
            }
            if (n == 0)
                return at;
            at += n;
        }
    }
    return len;
}

static void report_bad_byte(struct parser *r, size_t line_start, size_t at, uint32_t line,
                            const char *what)
{
    uint32_t col = 1;
    const char *hint = NULL, *s = r->doc.source;

    for (size_t i = line_start; i < at; i++)
        col += ((unsigned char)s[i] & 0xc0) != 0x80;
    if (at == 0 && r->doc.source_len > 1 &&
        (memcmp(s, "\xff\xfe", 2) == 0 || memcmp(s, "\xfe\xff", 2) == 0))
        hint = "the file looks like UTF-16: save it as UTF-8";
    parser_add_error(r, line + 1, col, what, hint);
}

/* Split the file around bytes that are no text, so that the documents without any are still read.
 */
static void read_file(struct parser *r)
{
    const char *s = r->doc.source, *what = NULL;
    struct range range = {0};

    if (r->doc.source_len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
        range.start = 3;
    while (range.start < r->doc.source_len && !r->no_memory && !r->stopped) {
        size_t bad = find_bad_byte(s, r->doc.source_len, range.start, &what), at = range.start;
        uint32_t line = range.line;
        size_t line_start = at;

        range.end = bad;
        if (bad == r->doc.source_len) {
            read_range(r, range);
            return;
        }
        range.end = range.start;
        for (size_t next = at; next <= bad && next < r->doc.source_len;) {
            line_start = next;
            if (is_document_line(s, r->doc.source_len, next))
                range.end = next;
            next = next_line(s, r->doc.source_len, next);
            line += next <= bad;
        }
        read_range(r, range);
        report_bad_byte(r, line_start, bad, line, what);
        range.line = line + 1;
        range.start = find_document(r, next_line(s, r->doc.source_len, bad), &range.line);
    }
}

static void set_limits(struct node_limits *to, const struct node_limits *from)
{
    *to = from ? *from : (struct node_limits){0};
    to->bytes_max = to->bytes_max ? to->bytes_max : NODE_BYTES_MAX;
    to->depth_max = to->depth_max ? to->depth_max : DEPTH_DEFAULT;
    to->nodes_max = to->nodes_max ? to->nodes_max : NODES_DEFAULT;
    to->scalar_bytes_max = to->scalar_bytes_max ? to->scalar_bytes_max : SCALAR_BYTES_DEFAULT;
}

int node_parse(struct arena *arena, struct diags *diags, const char *file, const char *source,
               size_t source_len, const struct node_limits *limits, node_on_document *on_document,
               void *ctx)
{
    struct parser r = {.arena = arena, .diags = diags, .on_document = on_document, .ctx = ctx};
    size_t errors = diags->errors;

    set_limits(&r.limits, limits);
    r.doc = (struct document){.file = file, .source = source, .source_len = source_len};
    if (source_len > r.limits.bytes_max) {
        parser_add_error(&r, 1, 1,
                         arena_printf(diags->arena, "%zu bytes are more than the limit of %zu",
                                      source_len, r.limits.bytes_max),
                         NULL);
        return -EINVAL;
    }
    if (parser_init(&r))
        read_file(&r);
    else
        r.no_memory = true;
    parser_release(&r);
    if (r.no_memory)
        return -ENOMEM;
    return diags->errors > errors ? -EINVAL : 0;
}

/* ---- all documents at once
 * ------------------------------------------------------------------------ */

struct collector {
    struct document *items;
    size_t count, cap;
    bool no_memory;
};

static bool collect(void *ctx, const struct document *doc)
{
    struct collector *c = ctx;

    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 8;
        struct document *items = realloc(c->items, cap * sizeof *items);

        if (!items) {
            c->no_memory = true;
            return false;
        }
        c->items = items;
        c->cap = cap;
    }
    c->items[c->count++] = *doc;
    return true;
}

int node_parse_all(struct arena *arena, struct diags *diags, const char *file, const char *source,
                   size_t source_len, const struct node_limits *limits,
                   struct documents *ret_documents)
{
    struct collector c = {0};
    int err = node_parse(arena, diags, file, source, source_len, limits, collect, &c);
    struct document *items = arena_alloc(arena, (c.count + 1) * sizeof *items);

    if (c.no_memory || !items)
        err = -ENOMEM;
    if (err != -ENOMEM) {
        if (c.count)
            memcpy(items, c.items, c.count * sizeof *items);
        *ret_documents = (struct documents){items, c.count};
    }
    free(c.items);
    return err;
}
