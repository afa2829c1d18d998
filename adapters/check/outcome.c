/* The end of a check: baseline, suppressions, order, counts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "adapters/base/json.h"
#include "adapters/check/state.h"

static uint64_t mix(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 1099511628211u;
    return (h ^ 0xFF) * 1099511628211u;
}

/* What makes two findings the same one in two runs: everything but the line. */
static uint64_t fingerprint(const char *file, const char *id, const char *path, const char *what)
{
    return mix(mix(mix(mix(1469598103934665603u, file), id), path), what);
}

int check_baseline(struct check *c, const char *bytes, size_t len)
{
    cJSON *root = json_parse(bytes, len, NULL);
    cJSON *list = json_get(root, "findings");
    const cJSON *item;
    size_t count = 0;
    int rc = -EINVAL;

    if (!cJSON_IsArray(list))
        goto out;
    rc = -ENOMEM;
    c->baseline = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *c->baseline);
    if (c->baseline == NULL)
        goto out;
    for (item = list->child; item; item = item->next) {
        uint64_t hash =
            fingerprint(json_str_or(item, "file", ""), json_str_or(item, "id", ""),
                        json_str_or(item, "path", ""), json_str_or(item, "message", ""));
        size_t i = 0;

        while (i < count && c->baseline[i].hash != hash)
            i++;
        c->baseline[i].hash = hash;
        c->baseline[i].count++;
        count += i == count;
    }
    c->baseline_count = count;
    rc = 0;
out:
    json_free(root);
    return rc;
}

static bool in_baseline(struct check *c, const struct finding *f)
{
    uint64_t hash = fingerprint(f->file, check_rules[f->rule].id, f->path, f->what);

    for (size_t i = 0; i < c->baseline_count; i++)
        if (c->baseline[i].hash == hash && c->baseline[i].count > 0) {
            c->baseline[i].count--;
            return true;
        }
    return false;
}

struct sort_key {
    uint32_t file;
    size_t index;
    const struct finding *f;
};

static int compare_findings(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->f->line != y->f->line)
        return x->f->line < y->f->line ? -1 : 1;
    if (x->f->col != y->f->col)
        return x->f->col < y->f->col ? -1 : 1;
    if (x->f->rule != y->f->rule)
        return x->f->rule < y->f->rule ? -1 : 1;
    return x->f->order < y->f->order ? -1 : 1;
}

static void sort_findings(struct check *c)
{
    struct sort_key *keys = malloc((c->count + 1) * sizeof *keys);
    struct finding *sorted = malloc((c->count + 1) * sizeof *sorted);

    if (keys && sorted && c->count > 0) {
        for (size_t i = 0; i < c->count; i++)
            keys[i] = (struct sort_key){c->item_files[i], i, &c->items[i]};
        qsort(keys, c->count, sizeof *keys, compare_findings);
        for (size_t i = 0; i < c->count; i++)
            sorted[i] = *keys[i].f;
        memcpy(c->items, sorted, c->count * sizeof *sorted);
    }
    free(keys);
    free(sorted);
}

/* Drop what comments and configuration cover. */
static void suppress(struct check *c)
{
    size_t left = 0;

    for (size_t i = 0; i < c->count; i++) {
        if (suppressions_cover(c->suppressions, &c->items[i], c->item_files[i])) {
            c->result.suppressed++;
            continue;
        }
        c->items[left] = c->items[i];
        c->item_files[left++] = c->item_files[i];
    }
    c->count = left;
}

static void tally(struct check *c)
{
    struct findings *r = &c->result;

    for (size_t i = 0; i < c->count; i++) {
        struct finding *f = &c->items[i];

        f->known = in_baseline(c, f);
        if (f->known)
            r->known++;
        else if (f->severity == SEVERITY_ERROR)
            r->errors++;
        else if (f->severity == SEVERITY_WARNING)
            r->warnings++;
        else
            r->infos++;
    }
    r->items = c->items;
    r->count = c->count;
    r->dropped = c->dropped;
}

void check_finish(struct check *c)
{
    cross_finish(c->cross, c);
    suppress(c);
    suppressions_report(c->suppressions, c);
    sort_findings(c);
    tally(c);
    check_list_kinds(c);
}

/* Findings are sorted by line within a file, so one pass over the stream is enough. */
void check_quote(struct check *c, const char *file, FILE *stream)
{
    char *line = NULL;
    size_t cap = 0;
    uint32_t at = 0;
    ssize_t len = 0;

    for (size_t i = 0; i < c->count; i++) {
        struct finding *f = &c->items[i];

        if (f->source || f->line == 0 || f->line < at || strcmp(f->file, file) != 0)
            continue;
        while (at < f->line && (len = getline(&line, &cap, stream)) >= 0)
            at++;
        if (at != f->line)
            break;
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            len--;
        f->source = check_keep_line(c, line, (size_t)len);
    }
    free(line);
}

const struct findings *check_findings(const struct check *c)
{
    return &c->result;
}

size_t check_document_count(const struct check *c)
{
    return c->documents;
}

size_t check_kinds(const struct check *c, const struct kind_count **ret_kinds)
{
    *ret_kinds = c->kinds;
    return c->kind_count;
}

size_t check_kept_bytes(const struct check *c)
{
    return cross_bytes(c->cross);
}
