/*
 * adapters/check/internal.h — shared by the files of this folder only.
 */
#ifndef COALMINE_CHECK_INTERNAL_H
#define COALMINE_CHECK_INTERNAL_H

#include "adapters/check/check.h"
#include "adapters/check/schema.h"
#include "adapters/router/features.h"
#include "engine/units.h"

enum object_kind {
    KIND_OTHER,
    KIND_CANARY,
    KIND_METRIC_TEMPLATE,
    KIND_ALERT_PROVIDER,
    KIND_DEPLOYMENT,
    KIND_DAEMON_SET,
    KIND_SERVICE,
    KIND_HPA,
    KIND_SCALED_OBJECT,
    KIND_INGRESS,
    KIND_SECRET,
    KIND_KNATIVE_SERVICE,
    KIND_COUNT
};

/* ---- findings
 * ------------------------------------------------------------------------------------- */

/*
 * Add a finding of the document being checked. `where` gives the place (NULL = the document's
 * start); its line is underlined. `path` and `hint` must live as long as the check: literals, or
 * check_text().
 */
void check_find(struct check *c, enum rule_id rule, const struct node *where, const char *path,
                const char *hint, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* As check_find, with a severity of its own. */
void check_find_as(struct check *c, enum severity severity, enum rule_id rule,
                   const struct node *where, const char *path, const char *hint, const char *format,
                   ...) __attribute__((format(printf, 7, 8)));
/* At a key instead of a value. */
void check_find_member(struct check *c, enum rule_id rule, const struct member *where,
                       const char *path, const char *hint, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* A finding anywhere: of a document read before (file by index), without its source line. */
void check_find_at(struct check *c, enum severity severity, enum rule_id rule, uint32_t file,
                   uint32_t line, uint32_t col, const char *path, const char *hint,
                   const char *what);
/* printf into memory that lives as long as the check. Never NULL. */
const char *check_text(struct check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- small readers of nodes
 * ------------------------------------------------------------------------ */

/* The integer at `n`, or `otherwise` when it is absent or none. */
int64_t check_int(const struct node *n, int64_t otherwise);
bool check_bool(const struct node *n);
/* The number at `n`; false when there is none. */
bool check_number(const struct node *n, double *ret_value);
/* A Go duration in ms, rounded down; false when absent or none. */
bool check_duration(const struct node *n, int64_t *ret_ms);
/* The text of a string, or "" */
const char *check_str(const struct node *n);
/* http or https with a host, as Go's url.Parse and an HTTP client accept it. NULL when it is one,
   else what is wrong with it ("has no scheme …"). */
const char *check_url_problem(const char *url);

/* ---- the document being checked
 * --------------------------------------------------------------------- */

enum { LADDER_MAX = 128 };

/* What the engine did with the steps of a Canary when every check passed. */
struct ladder {
    uint8_t end;     /* enum ladder_end */
    uint8_t count;   /* weights recorded */
    bool overflow;   /* more steps than fit */
    uint16_t checks; /* analysis runs before promotion */
    uint16_t ticks;  /* from the first look at the new revision to Succeeded */
    int16_t weights[LADDER_MAX];
};
enum ladder_end {
    LADDER_PROMOTED,
    LADDER_UNTESTED, /* promoted without a single analysis */
    LADDER_STUCK     /* after many ticks neither promoted nor moving */
};

/* The parts of a Canary that rules look at; NULL where absent. */
struct canary_view {
    const struct node *root, *metadata, *spec;
    const struct node *target, *autoscaler, *ingress, *route, *upstream, *service, *analysis;
    const struct node *interval, *threshold, *max_weight, *step_weight, *step_weights;
    const struct node *step_weight_promotion, *iterations, *mirror, *mirror_weight, *match;
    const struct node *metrics, *alerts, *webhooks, *affinity;
    const char *name, *ns; /* ns: "default" when absent */
    const char *target_name, *target_kind, *apex;
    const char *provider;
    bool provider_given;                      /* spec.provider is set */
    const struct provider_features *features; /* NULL: unknown provider */
    bool analysis_alias;                      /* read from canaryAnalysis */
    bool skip_analysis;
    int64_t interval_ms;    /* effective */
    int64_t fail_threshold; /* effective, at least 1 */
    int64_t iteration_count;
    bool ab, blue_green;    /* the strategy; neither = canary steps */
    bool forced_iterations; /* provider kubernetes without iterations */
    size_t hook_rollout_count;
    const struct ladder *ladder; /* NULL: not run, the schema already said no */
};

struct template_view {
    const struct node *root, *metadata, *spec, *provider, *query;
    const char *name, *ns;
};

void view_canary(struct check *c, const struct node *root, struct canary_view *ret_view);

/* Memory that is forgotten with the current document. */
struct arena *check_scratch(struct check *c);
/* The place of line `line`, column `col` (from 1) of a scalar's text, as a node to report at. */
struct node check_inside(struct check *c, const struct node *scalar, uint32_t line, uint32_t col);
/* The variables a query template speaks of, as " a b ", in scratch memory; NULL when it cannot be
 * read. */
const char *check_template_variables(struct check *c, const struct node *query);
/* Metric providers that compute with the window and need a Go duration. */
bool check_needs_duration(const char *provider_type);

/* ---- rules, by topic
 * ------------------------------------------------------------------------------- */

void rules_steps(struct check *c, const struct canary_view *v);
void rules_timing(struct check *c, const struct canary_view *v);
void rules_metrics(struct check *c, const struct canary_view *v);
void rules_hooks(struct check *c, const struct canary_view *v);
void rules_provider(struct check *c, const struct canary_view *v);
void rules_alerts(struct check *c, const struct canary_view *v);
void rules_deprecated(struct check *c, const struct canary_view *v);
void rules_template(struct check *c, const struct node *root);
void rules_alert_provider(struct check *c, const struct node *root);
/*
 * Query text, of a MetricTemplate (`provider` its type) or of a Canary's inline query; then
 * `variables` are the metric's templateVariables.
 */
void rules_query(struct check *c, const struct node *query, const char *path, const char *provider,
                 const struct node *variables);

/* ---- names kept for cross checks
 * -------------------------------------------------------------------- */

struct cross;
struct cross *cross_new(void);
void cross_free(struct cross *x);
size_t cross_bytes(const struct cross *x);
/* 0 or -ENOMEM. `file`: index of the file; `line_base`: lines before the current piece. */
int cross_add_canary(struct cross *x, const struct canary_view *v, uint32_t file,
                     uint32_t line_base);
int cross_add_object(struct cross *x, struct check *c, enum object_kind kind,
                     const struct node *root, uint32_t file, uint32_t line_base);
void cross_finish(struct cross *x, struct check *c);

/* ---- the rest of the check
 * --------------------------------------------------------------------------- */

const struct check_options *check_options(const struct check *c);
uint32_t check_file_index(const struct check *c);
/* A ladder for these analysis parameters, cached. */
const struct ladder *ladder_of(struct check *c, const struct canary_view *v);
struct ladder_cache;
struct ladder_cache *ladder_cache_new(void);
void ladder_cache_free(struct ladder_cache *cache);
struct ladder_cache *check_ladders(struct check *c);
/* "10, 20, 30 % (31 m)": the weights of a ladder, at most `max` of them. */
const char *ladder_text(struct check *c, const struct ladder *l, size_t max);

/* ---- suppressions
 * ----------------------------------------------------------------------------------- */

struct suppressions;
struct suppressions *suppressions_new(struct arena *arena);
void suppressions_free(struct suppressions *s);
/* Find the comments of one piece of a file; complaints go to `c`. */
void suppressions_scan(struct suppressions *s, struct check *c, uint32_t file, const char *source,
                       size_t len, uint32_t line_base);
/* One entry of the configuration: rule (RULE_COUNT = all) for files that match (NULL = all). */
void suppressions_add_config(struct suppressions *s, enum rule_id rule, const char *glob,
                             uint32_t file, uint32_t line, uint32_t col);
/* Does one of them cover the finding? Marks it as used. */
bool suppressions_cover(struct suppressions *s, const struct finding *f, uint32_t file);
/* Report the unused ones as CM015. */
void suppressions_report(struct suppressions *s, struct check *c);

#endif
