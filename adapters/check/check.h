/*
 * adapters/check/check.h — what is wrong with a set of Kubernetes manifests, as far as rollouts go.
 *
 * Feed it files in the order given by the user, then finish, then read or write the findings. A
 * file is read in pieces that end between documents, and forgotten: memory holds one piece, the
 * findings, and for each document the names that cross checks need (at most 200 bytes for a typical
 * Canary).
 *
 * Nothing here prints, exits or reads the environment.
 */
#ifndef COALMINE_CHECK_CHECK_H
#define COALMINE_CHECK_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "adapters/base/strbuf.h"
#include "adapters/check/rules.h"
#include "adapters/manifest/node.h"

struct check_options {
    const char *provider; /* of Canaries without spec.provider; NULL = as their references suggest,
                             or istio */
    bool provider_told, scrape_told; /* set by check_new and the configuration */
    double rps;        /* requests per second the service gets; 0 = unknown, CM209 is silent */
    int64_t scrape_ms; /* scrape interval of the metrics server; 0 = 15 s */
    bool cross_refs_blocked; /* the operator runs with -no-cross-namespace-refs */
    bool whole_cluster; /* everything there is has been given: a missing reference is an error */
};

struct finding {
    enum rule_id rule;
    enum severity severity; /* of the rule, unless the configuration changed it */
    const char *file;       /* as the user typed it; "-" is standard input */
    uint32_t line, col;     /* from 1, col in characters; 0 = unknown */
    uint32_t end_col;       /* one past the culprit on the same line, or 0 */
    const char *path;       /* ".spec.analysis.stepWeight"; "" for the document */
    const char *what;       /* "120 is more than 100" */
    const char *hint;       /* or NULL */
    const char *source;     /* the source line, cut at 300 bytes, or NULL when it is not known */
    uint64_t order;         /* of discovery */
    bool known;             /* in the baseline */
};

struct findings {
    const struct finding *items; /* by file in order of mention, line, column, id */
    size_t count;
    size_t errors, warnings, infos; /* not counting known ones */
    size_t known;
    size_t dropped;    /* past 10,000 */
    size_t suppressed; /* by comments and configuration */
};

/* How many documents of a kind were seen. */
struct kind_count {
    const char *kind;
    size_t count;
    bool checked; /* false: not ours, left alone (perhaps read for cross checks) */
};

struct check;

struct check *check_new(const struct check_options *options); /* NULL when memory is out */
void check_free(struct check *c);

/*
 * Check one file's bytes, already in memory, or a stream of any length. `file` is copied. Bad input
 * becomes findings; the result is 0, or -EIO (stream), or -ENOMEM.
 */
int check_add(struct check *c, const char *file, const char *bytes, size_t len);
int check_add_stream(struct check *c, const char *file, FILE *stream);

/*
 * A configuration (docs/checks/README.md). Mistakes become findings CM016 of `file`. Before the
 * first check_add. The texts it sets are kept by the check.
 */
struct check_config {
    const char *fail_on;        /* "error", "warning", "info", or NULL */
    const char *const *exclude; /* NULL-terminated, or NULL */
};
int check_configure(struct check *c, const char *file, const char *bytes, size_t len,
                    struct check_config *ret_config);
/* Findings of an earlier run in JSON form, to be known. 0, or -EINVAL when it is none, or -ENOMEM.
 */
int check_baseline(struct check *c, const char *bytes, size_t len);

/* The checks across documents; sorts. Call once, after the last file. */
void check_finish(struct check *c);

/*
 * After check_finish: give findings of `file` that have none their source line, read again from
 * `stream` (findings across documents are made when the text is long forgotten).
 */
void check_quote(struct check *c, const char *file, FILE *stream);

const struct findings *check_findings(const struct check *c);
size_t check_document_count(const struct check *c);
/* In alphabetical order, checked kinds first. */
size_t check_kinds(const struct check *c, const struct kind_count **ret_kinds);
/* Bytes kept for cross checks. */
size_t check_kept_bytes(const struct check *c);

enum check_format {
    FORMAT_TEXT,
    FORMAT_JSON,
    FORMAT_SARIF,
    FORMAT_JUNIT,
    FORMAT_TAP,
    FORMAT_GITHUB
};
bool check_format_find(const char *name, enum check_format *ret_format);
/* Append the findings in that form. `color`: ANSI colours, for FORMAT_TEXT only. */
void check_write(const struct check *c, enum check_format format, bool color, struct strbuf *out);
/* "2 errors, 1 warning in 3 documents (2 Canary, 1 MetricTemplate); 4 skipped (…)", without
 * newline. */
void check_summary(const struct check *c, struct strbuf *out);

/* The page of a rule (docs/checks/ID.md), NUL-terminated, or NULL. */
const char *check_page(const char *id);
/* JSON Schema (draft 7) of "canary", "metrictemplate" or "alertprovider"; -ENOENT for other names.
 */
int check_json_schema(const char *kind, struct strbuf *out);

/* Does `path` match the glob? `*` and `?` stop at slashes, `**` does not; a pattern without a slash
   is tried against the last part of the path too. */
bool check_glob(const char *pattern, const char *path);

#endif
