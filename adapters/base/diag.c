#include "adapters/base/diag.h"

#include <stdlib.h>
#include <string.h>

void diags_init(struct diags *d, struct arena *arena)
{
    memset(d, 0, sizeof *d);
    d->arena = arena;
}

void diags_release(struct diags *d)
{
    free(d->items);
    d->items = NULL;
    d->count = d->cap = 0;
}

void diags_add(struct diags *d, const struct diag *item)
{
    d->errors += item->severity == SEVERITY_ERROR;
    d->warnings += item->severity == SEVERITY_WARNING;
    if (d->count == d->cap) {
        size_t cap = d->cap > 0 ? d->cap * 2 : 16;
        struct diag *items = d->count < DIAGS_MAX ? realloc(d->items, cap * sizeof *items) : NULL;
        if (!items) {
            d->dropped++;
            return;
        }
        d->items = items;
        d->cap = cap;
    }
    d->items[d->count++] = *item;
}

/* Position of a file among the files mentioned, by first mention. */
static size_t file_rank(const struct diags *d, const char *file)
{
    size_t i = 0;

    while (i < d->count && d->items[i].file != file &&
           (!d->items[i].file || !file || strcmp(d->items[i].file, file) != 0))
        i++;
    return i;
}

struct ranked {
    size_t rank, index;
    struct diag item;
};

static int compare(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->item.line != b->item.line)
        return a->item.line < b->item.line ? -1 : 1;
    if (a->item.col != b->item.col)
        return a->item.col < b->item.col ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

void diags_sort(struct diags *d)
{
    struct ranked *all;

    if (d->count < 2)
        return;
    all = malloc(d->count * sizeof *all);
    if (!all)
        return; /* the order of finding will do */
    for (size_t i = 0; i < d->count; i++) {
        bool same = i > 0 && d->items[i].file == d->items[i - 1].file;
        all[i].rank = same ? all[i - 1].rank : file_rank(d, d->items[i].file);
        all[i].index = i;
        all[i].item = d->items[i];
    }
    qsort(all, d->count, sizeof *all, compare);
    for (size_t i = 0; i < d->count; i++)
        d->items[i] = all[i].item;
    free(all);
}

static const char *find_line(const char *source, size_t len, uint32_t line, size_t *ret_len)
{
    const char *at = source, *end = source + len, *stop;

    for (; line > 1; line--) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at)
            return NULL;
        at++;
    }
    stop = memchr(at, '\n', (size_t)(end - at));
    if (!stop)
        stop = end;
    if (stop > at && stop[-1] == '\r')
        stop--;
    *ret_len = (size_t)(stop - at);
    return at;
}

/* White space as wide as the first `chars` characters of a line, tabs kept. */
static void print_indent(FILE *out, const char *line, size_t len, uint32_t chars)
{
    for (size_t i = 0; i < len && chars > 0; i++) {
        if (((unsigned char)line[i] & 0xc0) == 0x80)
            continue;
        fputc(line[i] == '\t' ? '\t' : ' ', out);
        chars--;
    }
}

static void print_source(FILE *out, const struct diag *d, const char *source, size_t source_len,
                         bool color)
{
    size_t len = 0;
    const char *line = find_line(source, source_len, d->line, &len);
    uint32_t width = d->end_col > d->col ? d->end_col - d->col : 1;

    if (!line || len > 400)
        return;
    fprintf(out, "%5u | %.*s\n      | ", d->line, (int)len, line);
    if (d->col == 0) {
        fputc('\n', out);
        return;
    }
    print_indent(out, line, len, d->col - 1);
    fputs(color ? "\033[1;32m^" : "^", out);
    for (uint32_t i = 1; i < width && i < len; i++)
        fputc('~', out);
    fputs(color ? "\033[0m\n" : "\n", out);
}

void diag_print(FILE *out, const struct diag *d, const char *source, size_t source_len, bool color)
{
    static const char *const words[] = {"error", "warning", "info"};
    static const char *const colors[] = {"\033[1;31m", "\033[1;35m", "\033[1;36m"};
    unsigned s = (unsigned)d->severity < 3 ? (unsigned)d->severity : 0;

    if (d->file)
        fprintf(out, "%s:", d->file);
    if (d->line > 0)
        fprintf(out, "%u:", d->line);
    if (d->line > 0 && d->col > 0)
        fprintf(out, "%u:", d->col);
    fprintf(out, "%s%s%s:%s ", d->file ? " " : "", color ? colors[s] : "", words[s],
            color ? "\033[0m" : "");
    if (d->path)
        fprintf(out, "%s: ", d->path);
    fputs(d->what ? d->what : "", out);
    if (d->id)
        fprintf(out, " [%s]", d->id);
    fputc('\n', out);
    if (source && d->line > 0)
        print_source(out, d, source, source_len, color);
    if (d->hint)
        fprintf(out, "hint: %s\n", d->hint);
}
