#include "adapters/base/diag.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define EXCERPT_COLUMNS 120u /* of a source line shown at most */

void diags_init(struct diags *d, struct arena *arena)
{
    *d = (struct diags){.arena = arena};
}

void diags_release(struct diags *d)
{
    free(d->items);
    diags_init(d, d->arena);
}

static bool grow(struct diags *d)
{
    size_t cap = d->cap ? d->cap * 2 : 16;
    struct diag *items = realloc(d->items, cap * sizeof *items);

    if (!items)
        return false;
    d->items = items;
    d->cap = cap;
    return true;
}

void diags_add(struct diags *d, const struct diag *item)
{
    if (item->severity == SEVERITY_ERROR)
        d->errors++;
    else if (item->severity == SEVERITY_WARNING)
        d->warnings++;
    if (d->count == DIAGS_MAX || (d->count == d->cap && !grow(d))) {
        d->dropped++;
        return;
    }
    d->items[d->count] = *item;
    if (!item->what) /* the arena was full when the text was made */
        d->items[d->count].what = "out of memory";
    d->count++;
}

struct ranked {
    struct diag diag;
    size_t file_rank, seq;
};

static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;

    if (a->file_rank != b->file_rank)
        return a->file_rank < b->file_rank ? -1 : 1;
    if (a->diag.line != b->diag.line)
        return a->diag.line < b->diag.line ? -1 : 1;
    if (a->diag.col != b->diag.col)
        return a->diag.col < b->diag.col ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static bool same_file(const char *a, const char *b)
{
    if (a == b)
        return true;
    return a && b && strcmp(a, b) == 0;
}

static size_t rank_of_file(const struct ranked *ranked, size_t i, size_t *files)
{
    for (size_t k = i; k-- > 0;)
        if (same_file(ranked[k].diag.file, ranked[i].diag.file))
            return ranked[k].file_rank;
    return (*files)++;
}

void diags_sort(struct diags *d)
{
    struct ranked *ranked = d->count ? malloc(d->count * sizeof *ranked) : NULL;
    size_t files = 0;

    if (!ranked)
        return; /* the order of finding is a usable order too */
    for (size_t i = 0; i < d->count; i++) {
        ranked[i].diag = d->items[i];
        ranked[i].seq = i;
        ranked[i].file_rank = rank_of_file(ranked, i, &files);
    }
    qsort(ranked, d->count, sizeof *ranked, compare_ranked);
    for (size_t i = 0; i < d->count; i++)
        d->items[i] = ranked[i].diag;
    free(ranked);
}

static const char *severity_name(enum severity s)
{
    return s == SEVERITY_ERROR ? "error" : s == SEVERITY_WARNING ? "warning" : "info";
}

static const char *severity_color(enum severity s)
{
    return s == SEVERITY_ERROR ? "\033[1;31m" : s == SEVERITY_WARNING ? "\033[1;33m" : "\033[1;36m";
}

/* Text from a file must not steer the reader's terminal. */
static void put_text(FILE *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        fputc((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c, out);
    }
}

static void put_string(FILE *out, const char *s)
{
    put_text(out, s, strlen(s));
}

static size_t next_char(const char *s, size_t i, size_t end)
{
    i++;
    while (i < end && ((unsigned char)s[i] & 0xc0) == 0x80)
        i++;
    return i;
}

static bool find_line(const char *source, size_t len, uint32_t line, size_t *start, size_t *end)
{
    size_t at = 0;

    for (uint32_t n = 1; n < line; n++) {
        const char *nl = at < len ? memchr(source + at, '\n', len - at) : NULL;

        if (!nl)
            return false;
        at = (size_t)(nl - source) + 1;
    }
    const char *nl = at < len ? memchr(source + at, '\n', len - at) : NULL;
    *start = at;
    *end = nl ? (size_t)(nl - source) : len;
    if (*end > *start && source[*end - 1] == '\r')
        (*end)--;
    return *end > *start;
}

static void print_excerpt(FILE *out, const struct diag *d, const char *source, size_t source_len,
                          bool color)
{
    size_t start, end, at, stop;
    uint32_t column = 1, first = 1, width;

    if (!d->line || !find_line(source, source_len, d->line, &start, &end))
        return;
    if (d->col > EXCERPT_COLUMNS - 20)
        first = d->col - (EXCERPT_COLUMNS - 40);
    for (at = start; at < end && column < first; column++)
        at = next_char(source, at, end);
    start = at;
    for (stop = start; stop < end && column < first + EXCERPT_COLUMNS; column++)
        stop = next_char(source, stop, end);
    fprintf(out, "%5u | ", d->line);
    put_text(out, source + start, stop - start);
    fputs("\n", out);
    if (!d->col)
        return;
    fputs("      | ", out);
    column = first;
    for (at = start; at < stop && column < d->col; column++) {
        fputc(source[at] == '\t' ? '\t' : ' ', out);
        at = next_char(source, at, stop);
    }
    if (color)
        fputs(severity_color(d->severity), out);
    fputc('^', out);
    width = d->end_col > d->col ? d->end_col - d->col : 1;
    for (uint32_t i = 1; i < width && d->col + i < first + EXCERPT_COLUMNS; i++)
        fputc('~', out);
    fputs(color ? "\033[0m\n" : "\n", out);
}

void diag_print(FILE *out, const struct diag *d, const char *source, size_t source_len, bool color)
{
    const char *bold = color ? "\033[1m" : "", *plain = color ? "\033[0m" : "";

    if (d->file) {
        fputs(bold, out);
        put_string(out, d->file);
        if (d->line)
            fprintf(out, ":%u", d->line);
        if (d->line && d->col)
            fprintf(out, ":%u", d->col);
        fprintf(out, ": %s", plain);
    }
    fprintf(out, "%s%s: %s", color ? severity_color(d->severity) : "", severity_name(d->severity),
            plain);
    if (d->path) {
        put_string(out, d->path);
        fputs(": ", out);
    }
    put_string(out, d->what);
    if (d->id)
        fprintf(out, " [%s]", d->id);
    fputc('\n', out);
    if (source)
        print_excerpt(out, d, source, source_len, color);
    if (d->hint) {
        fprintf(out, "%shint: %s", color ? "\033[36m" : "", plain);
        put_string(out, d->hint);
        fputc('\n', out);
    }
}
