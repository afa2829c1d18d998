/*
 * adapters/cli/diff_corpus.h — the releases of a corpus of scenarios under two policies: how each
 * ends, when, and at what cost. For coalmine diff.
 */
#ifndef COALMINE_CLI_DIFF_CORPUS_H
#define COALMINE_CLI_DIFF_CORPUS_H

#include "adapters/base/strbuf.h"
#include "adapters/scenario/scenario.h"

/* How one release ended under one policy. */
struct corpus_end {
    const char *why; /* it could not be played, and why; NULL = it was */
    enum phase phase;
    bool gone;
    ms_t settled_ms, outage_ms;
    uint32_t checks, failed_checks, succeeded, failed;
    int highest;     /* weight of the canary */
    int64_t exposed; /* percent times ms */
    bool has_users;  /* the scenario has a model of traffic: the next counts */
    double bad;      /* failed requests of users, of the canary */
};

enum corpus_change {
    CORPUS_ENDS,    /* otherwise: another phase, or another number of promotions */
    CORPUS_UNKNOWN, /* one of the policies cannot be played */
    CORPUS_COSTS,   /* the same end at another time, or at another cost */
    CORPUS_SAME
};
struct corpus_row {
    const char *file, *title, *run; /* run: of its `runs:`, NULL = the only one */
    enum corpus_change change;
    struct corpus_end a, b;
};
struct corpus {
    struct arena *arena;
    struct corpus_row *rows; /* by change, then in the order of the files */
    size_t count, cap;
    size_t changes[CORPUS_SAME + 1]; /* how many of each */
};

/*
 * Play every scenario at `path` (a file, or a folder of them) with both Canaries and add what came
 * out. `options` without a Canary. Returns 0 or an exit code after telling what is wrong; a
 * scenario that cannot be read by itself is an error, one that a policy does not fit is a row.
 */
int corpus_add(struct corpus *c, const char *path, const struct scenario_options *options,
               const cJSON *a, const char *a_file, const cJSON *b, const char *b_file);
/* When all are added: sort and count. */
void corpus_finish(struct corpus *c);
void corpus_release(struct corpus *c);

void corpus_write_markdown(struct strbuf *out, const struct corpus *c);
void corpus_write_text(struct strbuf *out, const struct corpus *c);
/* `"corpus":{…}`, for the inside of an object. */
void corpus_write_json(struct strbuf *out, const struct corpus *c);

#endif
