#include "adapters/check/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/check/state.h"

enum {
    PIECE_BYTES =
        32 * 1024, /* a stream is read in pieces of about this size: they stay in the cache */
    PIECE_BYTES_MAX = 128 * 1024 * 1024, /* and a document may be this large */
};

struct check *check_new(const struct check_options *options)
{
    struct check *c = calloc(1, sizeof *c);
    static const char *const names[CRD_COUNT] = {"canary", "metrictemplate", "alertprovider",
                                                 "objectmeta"};

    if (c == NULL)
        return NULL;
    if (options)
        c->options = *options;
    c->options.provider_told = c->options.provider != NULL;
    if (c->options.provider == NULL)
        c->options.provider = "istio";
    c->options.scrape_told = c->options.scrape_ms != 0;
    if (c->options.scrape_ms == 0)
        c->options.scrape_ms = 15000;
    c->keep = arena_new(0);
    c->doc = arena_new(0);
    c->piece = arena_new(0);
    c->cross = cross_new();
    c->ladders = ladder_cache_new();
    c->suppressions = c->keep ? suppressions_new(c->keep) : NULL;
    for (size_t i = 0; i < CRD_COUNT; i++)
        c->crds[i].name = names[i];
    for (size_t i = 0; i < RULE_COUNT; i++)
        c->severities[i] = check_rules[i].severity;
    if (!c->keep || !c->doc || !c->piece || !c->cross || !c->suppressions || !c->ladders) {
        check_free(c);
        return NULL;
    }
    return c;
}

void check_free(struct check *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < CRD_COUNT; i++)
        schema_release(c->crds[i].schema);
    cross_free(c->cross);
    suppressions_free(c->suppressions);
    ladder_cache_free(c->ladders);
    arena_free(c->doc);
    arena_free(c->piece);
    arena_free(c->keep);
    free(c->files);
    free(c->items);
    free(c->item_files);
    free(c->baseline);
    free(c->others);
    free(c);
}

const struct check_options *check_options(const struct check *c)
{
    return &c->options;
}

struct ladder_cache *check_ladders(struct check *c)
{
    return c->ladders;
}

struct arena *check_scratch(struct check *c)
{
    return c->doc;
}

uint32_t check_file_index(const struct check *c)
{
    return (uint32_t)(c->file_count - 1);
}

int check_begin_file(struct check *c, const char *file)
{
    if (c->file_count == c->file_cap) {
        size_t cap = c->file_cap ? 2 * c->file_cap : 16;
        const char **files = realloc(c->files, cap * sizeof *files);

        if (files == NULL)
            return -ENOMEM;
        c->files = files;
        c->file_cap = cap;
    }
    c->scenario_seen = false;
    c->files[c->file_count] = arena_strdup(c->keep, file);
    if (c->files[c->file_count] == NULL)
        return -ENOMEM;
    c->file_count++;
    return 0;
}

void check_begin_piece(struct check *c, const char *bytes, size_t len, uint32_t line_base)
{
    c->source = bytes;
    c->source_len = len;
    c->line_base = line_base;
    c->cursor_line = 1;
    c->cursor_at = 0;
}

const char *check_text(struct check *c, const char *format, ...)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;
    va_list args;

    va_start(args, format);
    strbuf_addv(&b, format, args);
    va_end(args);
    text = arena_strdup(c->keep, strbuf_str(&b));
    strbuf_release(&b);
    if (text == NULL)
        c->no_memory = true;
    return text ? text : "";
}

static bool on_document(void *ctx, const struct document *doc)
{
    struct check *c = ctx;

    if (doc->line >= c->cursor_line) {
        c->cursor_at = check_line_offset(c, doc->line);
        c->cursor_line = doc->line;
    }
    c->document = doc;
    if (doc->root->kind == NODE_MAP)
        check_object(c, doc->root, 0);
    else if (doc->root->kind != NODE_NULL)
        check_find(c, CM001, doc->root, "", NULL, "%s where a Kubernetes object is expected",
                   node_kind_name(doc->root->kind));
    c->document = NULL;
    arena_clear(c->doc);
    return true;
}

static int add_piece(struct check *c, const char *bytes, size_t len, uint32_t line_base)
{
    struct diags diags;
    int rc;

    check_begin_piece(c, bytes, len, line_base);
    arena_clear(c->piece);
    diags_init(&diags, c->piece);
    suppressions_scan(c->suppressions, c, check_file_index(c), bytes, len, line_base);
    rc =
        node_parse(c->doc, &diags, c->files[check_file_index(c)], bytes, len, NULL, on_document, c);
    arena_clear(c->doc);
    check_find_diags(c, CM001, &diags);
    diags_release(&diags);
    c->source = NULL;
    return rc == -ENOMEM || c->no_memory ? -ENOMEM : 0;
}

int check_add(struct check *c, const char *file, const char *bytes, size_t len)
{
    int rc = check_begin_file(c, file);

    if (rc == 0)
        rc = add_piece(c, bytes, len, 0);
    if (rc == 0 && c->scenario_seen)
        rc = check_scenario(c, bytes, len);
    return rc;
}

/*
 * The end of the last whole document within bytes[0..len): just before a line that starts with
 * `---`. Such a line ends a document wherever it stands, also inside a block scalar. A directive
 * line before it belongs to the next document. 0 = none.
 */
static size_t last_boundary(const char *bytes, size_t len)
{
    for (size_t at = len > 4 ? len - 4 : 0; at > 0; at--) {
        if (bytes[at - 1] != '\n' || bytes[at] != '-' || bytes[at + 1] != '-' ||
            bytes[at + 2] != '-')
            continue;
        if (bytes[at + 3] != '\n' && bytes[at + 3] != ' ' && bytes[at + 3] != '\r' &&
            bytes[at + 3] != '\t')
            continue;
        if (at >= 2) {
            size_t line = at - 1;

            while (line > 0 && bytes[line - 1] != '\n')
                line--;
            if (bytes[line] == '%')
                continue;
        }
        return at;
    }
    return 0;
}

static uint32_t count_lines(const char *bytes, size_t len)
{
    uint32_t lines = 0;
    const char *at = bytes;

    while ((at = memchr(at, '\n', len - (size_t)(at - bytes))) != NULL) {
        lines++;
        at++;
    }
    return lines;
}

static bool is_utf16(const char *bytes, size_t len)
{
    return len >= 2 && (((unsigned char)bytes[0] == 0xFE && (unsigned char)bytes[1] == 0xFF) ||
                        ((unsigned char)bytes[0] == 0xFF && (unsigned char)bytes[1] == 0xFE));
}

/* A scenario is read as a whole, however many pieces its file had. */
static int check_scenario_stream(struct check *c, FILE *stream)
{
    struct strbuf all = STRBUF_INIT;
    char chunk[4096];
    size_t n;
    int rc;

    if (fseek(stream, 0, SEEK_SET) != 0) {
        check_find_at(c, SEVERITY_ERROR, CM017, check_file_index(c), c->scenario_line, 1, "",
                      "give it as a file", "a scenario of this size cannot be read from a pipe");
        return 0;
    }
    while ((n = fread(chunk, 1, sizeof chunk, stream)) > 0)
        strbuf_add(&all, chunk, n);
    rc = ferror(stream) ? -EIO : check_scenario(c, strbuf_str(&all), all.len);
    strbuf_release(&all);
    return rc;
}

int check_add_stream(struct check *c, const char *file, FILE *stream)
{
    size_t cap = PIECE_BYTES, len = 0, end;
    uint32_t line_base = 0;
    char *buffer = malloc(cap + 1);
    int rc = check_begin_file(c, file);

    if (buffer == NULL)
        rc = -ENOMEM;
    while (rc == 0) {
        len += fread(buffer + len, 1, cap - len, stream);
        if (ferror(stream)) {
            rc = -EIO;
            break;
        }
        buffer[len] = 0;
        if (len < cap) { /* the end */
            rc = add_piece(c, buffer, len, line_base);
            if (rc == 0 && c->scenario_seen)
                rc = line_base == 0 ? check_scenario(c, buffer, len)
                                    : check_scenario_stream(c, stream);
            break;
        }
        end = line_base == 0 && is_utf16(buffer, len) ? 0 : last_boundary(buffer, len);
        if (end > 0) {
            rc = add_piece(c, buffer, end, line_base);
            line_base += count_lines(buffer, end);
            memmove(buffer, buffer + end, len - end);
            len -= end;
        } else if (cap >= PIECE_BYTES_MAX) {
            c->line_base = line_base;
            check_find_here(c, c->severities[CM001], CM001, 1, 1, 0, "", "split it",
                            "a document of more than 128 MiB");
            break;
        } else {
            char *larger = realloc(buffer, 2 * cap + 1);

            if (larger == NULL)
                rc = -ENOMEM;
            else
                buffer = larger;
            cap *= 2;
        }
    }
    free(buffer);
    return rc;
}
