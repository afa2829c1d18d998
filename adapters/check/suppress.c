/*
 * Suppressions: comments `# coalmine: ignore CM204 reason` and entries of the configuration.
 *
 * A comment after a value covers its line. A comment on a line of its own covers the next line with
 * content and everything indented deeper below it. `ignore-document` covers the document it stands
 * in.
 */
#define _GNU_SOURCE /* memmem */
#include <stdlib.h>
#include <string.h>

#include "adapters/check/internal.h"

struct suppression {
    enum rule_id rule;
    uint32_t file; /* where it stands */
    uint32_t line, col;
    uint32_t first, last; /* lines covered; configuration: 0 */
    const char *glob;     /* configuration only; NULL = every file */
    bool config, used;
};

struct suppressions {
    struct arena *arena;
    struct suppression *items;
    size_t count, cap;
};

struct suppressions *suppressions_new(struct arena *arena)
{
    struct suppressions *s = calloc(1, sizeof *s);

    if (s)
        s->arena = arena;
    return s;
}

void suppressions_free(struct suppressions *s)
{
    if (s)
        free(s->items);
    free(s);
}

static void add(struct suppressions *s, const struct suppression *item)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct suppression *items = realloc(s->items, cap * sizeof *items);

        if (items == NULL)
            return;
        s->items = items;
        s->cap = cap;
    }
    s->items[s->count++] = *item;
}

void suppressions_add_config(struct suppressions *s, enum rule_id rule, const char *glob,
                             uint32_t file, uint32_t line, uint32_t col)
{
    struct suppression item = {rule, file, line, col, 0, 0, glob, true, false};

    add(s, &item);
}

/* One piece of a file while its comments are read. */
struct scan {
    const char *bytes;
    size_t len;
    size_t at;     /* start of the current line */
    uint32_t line; /* its number within the piece */
};

static size_t line_end(const struct scan *s, size_t at)
{
    const char *end = memchr(s->bytes + at, '\n', s->len - at);

    return end ? (size_t)(end - s->bytes) : s->len;
}

static size_t indent(const struct scan *s, size_t at, size_t end)
{
    size_t i = at;

    while (i < end && (s->bytes[i] == ' ' || s->bytes[i] == '\t'))
        i++;
    return i - at;
}

static bool blank_or_comment(const struct scan *s, size_t at, size_t end)
{
    size_t i = at + indent(s, at, end);

    return i >= end || s->bytes[i] == '#' || s->bytes[i] == '\r';
}

static bool document_mark(const struct scan *s, size_t at, size_t end)
{
    return end - at >= 3 && memcmp(s->bytes + at, "---", 3) == 0;
}

/* Lines covered by a comment that stands alone on line `line` at `at`. */
static void cover_below(const struct scan *s, size_t at, uint32_t line, uint32_t *first,
                        uint32_t *last)
{
    size_t end = line_end(s, at), depth;

    do { /* the next line with content */
        at = end + 1;
        line++;
        if (at >= s->len) {
            *first = *last = line;
            return;
        }
        end = line_end(s, at);
    } while (blank_or_comment(s, at, end));
    depth = indent(s, at, end);
    *first = *last = line;
    for (at = end + 1; at < s->len; at = end + 1) {
        end = line_end(s, at);
        line++;
        if (blank_or_comment(s, at, end))
            continue;
        if (document_mark(s, at, end) || indent(s, at, end) <= depth)
            break;
        *last = line;
    }
}

static void cover_document(const struct scan *s, size_t at, uint32_t line, uint32_t *first,
                           uint32_t *last)
{
    size_t end;
    size_t from = at;

    *first = line;
    while (from > 0) { /* up to the mark before */
        size_t start = from - 1;

        while (start > 0 && s->bytes[start - 1] != '\n')
            start--;
        (*first)--;
        if (document_mark(s, start, line_end(s, start)))
            break;
        from = start;
    }
    *last = line;
    for (end = line_end(s, at); end + 1 < s->len;) {
        size_t start = end + 1;

        end = line_end(s, start);
        if (document_mark(s, start, end))
            break;
        (*last)++;
    }
}

static bool separator(char ch)
{
    return ch == ' ' || ch == ',' || ch == '\t';
}

/* The text after "coalmine:"; adds one suppression for each id. */
static void read_comment(struct suppressions *s, struct check *c, struct suppression *item,
                         const char *text, size_t len)
{
    size_t at = 0, ids = 0;

    while (at < len) {
        const struct check_rule *rule;
        size_t end = at;

        while (at < len && separator(text[at]))
            at++;
        for (end = at; end < len && !separator(text[end]);)
            end++;
        if (end - at < 2 || memcmp(text + at, "CM", 2) != 0)
            break;
        rule = check_rule_find(text + at, end - at);
        if (rule == NULL) {
            check_find_at(c, check_rules[CM016].severity, CM016, item->file, item->line, item->col,
                          "",
                          "rules are named CM101 and so on; coalmine check --explain lists them",
                          check_text(c, "'%.*s' is not a rule", (int)(end - at), text + at));
            return;
        }
        item->rule = (enum rule_id)(rule - check_rules);
        add(s, item);
        ids++;
        at = end;
    }
    if (ids == 0)
        check_find_at(c, check_rules[CM016].severity, CM016, item->file, item->line, item->col, "",
                      "write: # coalmine: ignore CM204 why this is fine here",
                      "the comment names no rule");
    else if (at >= len)
        check_find_at(c, check_rules[CM016].severity, CM016, item->file, item->line, item->col, "",
                      "add a few words after the rule: the next reader will want to know",
                      "the comment gives no reason");
}

static bool starts(const char *s, size_t len, const char *word)
{
    size_t n = strlen(word);

    return len >= n && memcmp(s, word, n) == 0 && (len == n || s[n] == ' ' || s[n] == '\t');
}

static void comment_found(struct suppressions *s, struct check *c, uint32_t file,
                          const struct scan *scan, size_t hash, size_t text, uint32_t line_base)
{
    size_t end = line_end(scan, hash);
    bool alone = hash == scan->at + indent(scan, scan->at, end);
    struct suppression item = {
        .file = file, .line = scan->line + line_base, .col = (uint32_t)(hash - scan->at) + 1};
    const char *words = scan->bytes + text;
    size_t len;

    if (end > text && scan->bytes[end - 1] == '\r')
        end--;
    while (text < end && (*words == ' ' || *words == '\t')) {
        words++;
        text++;
    }
    len = end - text;
    if (starts(words, len, "ignore-document")) {
        cover_document(scan, scan->at, scan->line, &item.first, &item.last);
        words += 15;
        len -= 15;
    } else if (starts(words, len, "ignore")) {
        item.first = item.last = scan->line;
        if (alone)
            cover_below(scan, scan->at, scan->line, &item.first, &item.last);
        words += 6;
        len -= 6;
    } else {
        check_find_at(c, check_rules[CM016].severity, CM016, file, item.line, item.col, "",
                      "the words are ignore and ignore-document",
                      "the comment asks for nothing we know");
        return;
    }
    item.first += line_base;
    item.last += line_base;
    read_comment(s, c, &item, words, len);
}

void suppressions_scan(struct suppressions *s, struct check *c, uint32_t file, const char *source,
                       size_t len, uint32_t line_base)
{
    static const char word[] = "coalmine:";
    struct scan scan = {source, len, 0, 1};
    size_t from = 0;
    const char *hit;

    while (from < len && (hit = memmem(source + from, len - from, word, sizeof word - 1)) != NULL) {
        size_t at = (size_t)(hit - source), hash = at;
        const char *next;

        while ((next = memchr(source + scan.at, '\n', at - scan.at)) != NULL) {
            scan.at = (size_t)(next - source) + 1;
            scan.line++;
        }
        while (hash > scan.at && (source[hash - 1] == ' ' || source[hash - 1] == '\t'))
            hash--;
        if (hash > scan.at && source[hash - 1] == '#' &&
            (hash - 1 == scan.at || source[hash - 2] == ' ' || source[hash - 2] == '\t'))
            comment_found(s, c, file, &scan, hash - 1, at + sizeof word - 1, line_base);
        from = at + sizeof word - 1;
    }
}

bool suppressions_cover(struct suppressions *s, const struct finding *f, uint32_t file)
{
    bool covered = false;

    if (f->rule == CM001 || f->rule == CM015 || f->rule == CM016)
        return false; /* these say that something could not be looked at */
    for (size_t i = 0; i < s->count; i++) {
        struct suppression *item = &s->items[i];

        if (item->rule != f->rule)
            continue;
        if (item->config ? item->glob == NULL || check_glob(item->glob, f->file)
                         : item->file == file && f->line >= item->first && f->line <= item->last) {
            item->used = true;
            covered = true;
        }
    }
    return covered;
}

void suppressions_report(struct suppressions *s, struct check *c)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct suppression *item = &s->items[i];

        if (!item->used)
            check_find_at(
                c, check_rules[CM015].severity, CM015, item->file, item->line, item->col, "",
                "remove it",
                check_text(c, "nothing here breaks %s any more", check_rules[item->rule].id));
    }
}

/* ---- globs
 * ----------------------------------------------------------------------------------------- */

static bool glob_match(const char *p, const char *s)
{
    for (; *p; p++, s++) {
        if (*p == '*') {
            bool deep = p[1] == '*';

            p += deep ? 2 : 1;
            if (deep && *p == '/' && glob_match(p + 1, s))
                return true;
            for (;; s++) {
                if (glob_match(p, s))
                    return true;
                if (*s == 0 || (*s == '/' && !deep))
                    return false;
            }
        }
        if (*s == 0 || (*p == '?' ? *s == '/' : *p != *s))
            return false;
    }
    return *s == 0;
}

bool check_glob(const char *pattern, const char *path)
{
    const char *base;

    while (strncmp(path, "./", 2) == 0)
        path += 2;
    while (strncmp(pattern, "./", 2) == 0)
        pattern += 2;
    if (glob_match(pattern, path))
        return true;
    base = strrchr(path, '/');
    return base && strchr(pattern, '/') == NULL && glob_match(pattern, base + 1);
}
