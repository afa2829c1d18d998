/*
 * adapters/check/state.h — what a check holds between its files; for check.c, object.c, finding.c,
 * outcome.c and config.c alone. Rules see internal.h.
 */
#ifndef COALMINE_CHECK_STATE_H
#define COALMINE_CHECK_STATE_H

#include "adapters/check/internal.h"

enum {
    SOURCE_BYTES_MAX = 300, /* of a line kept with a finding */
    FINDINGS_MAX = 10000
};

/* The schemas we enforce, compiled when the first document of their kind is met. */
struct crd {
    const char *name; /* of the embedded file */
    struct schema *schema;
    bool failed;
};
enum { CRD_CANARY, CRD_METRIC_TEMPLATE, CRD_ALERT_PROVIDER, CRD_METADATA, CRD_COUNT };

struct baseline_entry {
    uint64_t hash;
    uint32_t count;
};

struct check {
    struct check_options options;
    struct arena *keep;  /* findings, file names, schemas: as long as the check */
    struct arena *doc;   /* the tree of one document */
    struct arena *piece; /* reading errors of one piece */
    struct crd crds[CRD_COUNT];
    struct cross *cross;
    struct suppressions *suppressions;
    struct ladder_cache *ladders;
    const char **files;
    size_t file_count, file_cap;

    /* the piece under way */
    const char *source;
    size_t source_len;
    uint32_t line_base;
    const struct document *document; /* NULL between documents */
    uint32_t cursor_line;            /* line of the piece at ... */
    size_t cursor_at;                /* ... this offset; both at or before the current document */

    struct finding *items;
    uint32_t *item_files;
    size_t count, cap, dropped;
    struct findings result;
    uint64_t order;
    bool no_memory;

    enum severity severities[RULE_COUNT];
    struct baseline_entry *baseline;
    size_t baseline_count;

    /* the scenario of the current file, if it has one */
    bool scenario_seen;
    uint32_t scenario_line, scenario_end; /* its lines of the file */
    size_t scenarios;                     /* in all files */

    size_t documents;
    size_t kind_counts[KIND_COUNT];
    struct kind_count *others; /* kinds that are not ours, by name */
    size_t other_count, other_cap;
    struct kind_count kinds[KIND_COUNT + 65];
    size_t kind_count;
};

/* Start a file: findings are of it until the next. 0 or -ENOMEM. */
int check_begin_file(struct check *c, const char *file);
/* Start a piece of it, after `line_base` lines. */
void check_begin_piece(struct check *c, const char *bytes, size_t len, uint32_t line_base);
/* Offset of a line of the piece (from 1), searched from the current document on. */
size_t check_line_offset(const struct check *c, uint32_t line);
/* A finding at a place of the current piece. */
void check_find_here(struct check *c, enum severity severity, enum rule_id rule, uint32_t line,
                     uint32_t col, uint32_t end_col, const char *path, const char *hint,
                     const char *what);
/* What a reader found wrong in the current piece. */
void check_find_diag(struct check *c, enum rule_id rule, const struct diag *d);
void check_find_diags(struct check *c, enum rule_id rule, const struct diags *diags);
/* A copy that can be shown anywhere: no control characters but tabs, and nothing that is not UTF-8;
 * it is cut at SOURCE_BYTES_MAX, never inside a character. */
const char *check_keep_line(struct check *c, const char *bytes, size_t len);
/* The rules for one object, or for each item of a List. */
void check_object(struct check *c, const struct node *root, unsigned depth);
/* Is this document a scenario (docs/reference/scenario.md)? */
bool check_is_scenario(const struct node *root);
/* Hold the current file's scenario to the scenario format; `bytes` is the whole file. */
int check_scenario(struct check *c, const char *bytes, size_t len);
/* How many documents of which kind there were, into c->kinds. */
void check_list_kinds(struct check *c);

#endif
