/*
 * adapters/whatif/whatif.h — what-if: a Canary changed in every way of a grid, each under every
 * traffic, many rollouts each.
 *
 * A sweep is a list of cells. Cell n is fixed by the grid alone; its runs are numbered, and run m
 * of every cell meets the same chance. So results depend neither on threads nor on shards.
 */
#ifndef COALMINE_WHATIF_WHATIF_H
#define COALMINE_WHATIF_WHATIF_H

#include "adapters/base/strbuf.h"
#include "adapters/manifest/canary.h"
#include "sim/models_run.h"

/* ---- where specs come from */

struct whatif_source {
    const char *file; /* as the user typed it */
    cJSON *object;    /* the Canary, as the API would hold it */
    struct canary_options options;
};
/*
 * The first Canary of a file: a manifest, or a scenario with `canary:` or `manifests:`. Mistakes go
 * to `diags`. Returns 0, -EINVAL, -ENOENT (no Canary in it), -ENOMEM or another -errno.
 */
int whatif_source_read(struct whatif_source *ret_source, struct arena *arena, struct diags *diags,
                       const char *file, const char *text, size_t len,
                       const struct canary_options *options);
void whatif_source_release(struct whatif_source *s);

/* One axis: `analysis.threshold=1..10`, `analysis.interval=10s,1m`,
 * `analysis.stepWeights=[1,5,20]`. */
struct whatif_axis {
    const char *path; /* below .spec; judge.METRIC is the annotation of a judge */
    cJSON **values;
    size_t count;
};
#define WHATIF_AXES_MAX 8
#define WHATIF_VALUES_MAX 10000u
/* Returns NULL, or what is wrong with `text` (in the arena). Release with whatif_axis_release. */
const char *whatif_axis_read(struct whatif_axis *ret_axis, struct arena *arena, const char *text);
void whatif_axis_release(struct whatif_axis *a);
/* The Canary with one value set; NULL, or what is wrong (in the arena). */
const char *whatif_set(cJSON *canary, struct arena *arena, const char *path, const cJSON *value);

/* ---- how metrics are modelled */

#define WHATIF_METRICS_MAX 16
struct whatif_metrics {
    struct {
        const char *name;
        enum policy_metric_kind kind;
        double quantile;
    } items[WHATIF_METRICS_MAX];
    size_t count;
};
/* By the user's word, else the built-in checks by name; ret_options is filled for policy_make(). */
void whatif_choose_metrics(const struct spec *spec, const struct whatif_metrics *given,
                           struct policy_options *ret_options);
/* The error rate that the spec's own bounds allow: what lies above is a bad release. */
double whatif_allowed_errors(const struct spec *spec, const struct policy_options *options);

/* ---- the grid */

struct whatif_grid {
    struct whatif_axis axes[WHATIF_AXES_MAX];
    size_t axis_count;
    const double *rps, *errors;
    size_t rps_count, error_count;
};
size_t whatif_cell_count(const struct whatif_grid *g);
/* Which value of which axis cell `cell` has; error rates change fastest, the first axis slowest. */
void whatif_cell_place(const struct whatif_grid *g, size_t cell, size_t *ret_axes, size_t *ret_rps,
                       size_t *ret_error);

/* ---- results */

struct whatif_times {
    double median_s, p90_s; /* NaN when no run ended so */
};
/* How the primary fared when traffic came back; only with a capacity model. */
struct whatif_capacity {
    bool known;
    uint64_t short_runs; /* in which it fell short at some time */
    double low, high;    /* Wilson, 95 %, of their share */
    double least, worst; /* capacity over load at the worst moment: mean over runs, worst run */
    double short_s, over_mean; /* per run: how long, and requests beyond the capacity */
};
struct whatif_result {
    size_t cell;
    uint64_t runs, rolled_back, promoted, unfinished;
    double rollback_low, rollback_high, promote_low, promote_high; /* Wilson, 95 % */
    struct whatif_exact exact;
    struct whatif_times detection, rollback, promotion;
    double bad_mean, bad_back_mean, requests_mean; /* of users; per run, and per rolled back run */
    double users;                                  /* share of users who met the canary */
    struct whatif_capacity capacity;
    double budget; /* share of the month's error budget that the extra failures cost */
    double allowed_errors, best_s; /* best_s: shortest time to promote, 0 = never */
    bool bad;                      /* the release is bad: a promotion is a miss */
    /* With plan.fan, else NULL: JSON, for each tick until nothing changes any more the pairs of a
     * share of the traffic, in percent, and the runs in which the new version has it. Runs that have
     * ended are counted on: rolled back with 0, promoted with 100. */
    char *fan;
    double interval_s;
};

struct whatif_plan {
    const struct whatif_source *source;
    const struct whatif_grid *grid;
    const struct whatif_metrics *metrics;
    struct whatif_model model; /* rps and errors are the cells' */
    uint64_t seed;
    uint32_t runs, threads;
    double precision; /* stop when the 95 % interval is narrower on each side; 0 = never */
    double slo;       /* share of requests that must succeed, for the budget */
    bool fan;                    /* keep the fan of weights of each cell */
    uint32_t shard, shard_count; /* of so many, cells n with n % shard_count == shard */
    void (*progress)(void *ctx, size_t done, size_t count);
    void *ctx;
};
/* Every cell's spec must be valid before one run is played. 0 or -EINVAL with `diags`, -ENOMEM. */
int whatif_check(const struct whatif_plan *plan, struct arena *arena, struct diags *diags);
/* Results in the order of cells; free with whatif_results_free. 0, -ENOMEM, -E2BIG, -ENOTSUP. */
int whatif_run(const struct whatif_plan *plan, struct whatif_result **ret_results,
               size_t *ret_count);
void whatif_results_free(struct whatif_result *results, size_t count);
/* One cell alone, with all threads on it. */
int whatif_run_cell(const struct whatif_plan *plan, size_t cell, struct whatif_result *ret_result);

/* ---- output */

void whatif_write_json(struct strbuf *out, const struct whatif_plan *plan,
                       const struct whatif_result *results, size_t count);
void whatif_write_text(struct strbuf *out, const struct whatif_plan *plan,
                       const struct whatif_result *results, size_t count);
/*
 * Add a sweep to a Coalmine database, out of its JSON: so a merged sweep gives the same rows as one
 * in one piece. The file is created when it is not there. 0; -EINVAL (not the JSON of a sweep) or
 * another -errno with a message in `reterr`, and nothing of it is in the file.
 */
int whatif_write_db(const char *path, const char *json, struct strbuf *reterr);
/* `{"analysis.threshold":5}` of a cell. */
void whatif_write_set(struct strbuf *out, const struct whatif_grid *g, size_t cell);
void whatif_add_number(struct strbuf *out,
                       double value); /* shortest digits; null when not finite */

/*
 * Join the JSON of all shards of one sweep: byte for byte that of the whole. `texts` are consumed
 * line by line. Returns NULL, or what is wrong (in the arena).
 */
const char *whatif_merge(struct strbuf *out, struct arena *arena, const char *const *files,
                         const char *const *texts, size_t count);

#endif
