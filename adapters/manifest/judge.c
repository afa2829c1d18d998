#include "adapters/manifest/judge.h"

#include <string.h>

#include "engine/num.h"
#include "engine/rollout.h"
#include "engine/text.h"
#include "sim/stat_math.h"

/* One annotation being read. */
struct judging {
    struct reader *r;
    const struct node *node;
    const struct place *at;
    bool failed;
};

static void wrong(struct judging *j, const char *what, const char *hint)
{
    reader_error(j->r, j->node, j->at, what, hint);
    j->failed = true;
}

static bool has(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(word, name, len) == 0;
}

static void read_kind(struct judging *j, const char *word, size_t len, struct judge_spec *spec)
{
    static const char *const names[] = {"threshold", "consecutive",  "k-of-n",
                                        "anytime",   "mann-whitney", NULL};
    static const enum judge_kind kinds[] = {JUDGE_THRESHOLD, JUDGE_CONSECUTIVE, JUDGE_K_OF_N,
                                            JUDGE_ANYTIME, JUDGE_MANN_WHITNEY};
    const char *near = nearest_name(word, len, names);

    for (size_t i = 0; names[i]; i++)
        if (has(word, len, names[i])) {
            spec->kind = kinds[i];
            return;
        }
    wrong(j, arena_printf(j->r->arena, "no judge is called '%.*s'", (int)len, word),
          near ? arena_printf(j->r->arena, "did you mean %s?", near)
               : "threshold, consecutive, k-of-n, anytime or mann-whitney");
}

static void read_count(struct judging *j, const char *s, size_t len, int64_t max,
                       int64_t *ret_value)
{
    if (!num_parse_int(s, len, ret_value) || *ret_value < 1 || *ret_value > max) {
        *ret_value = 1;
        wrong(j,
              arena_printf(j->r->arena, "'%.*s' is no count from 1 to %lld", (int)len, s,
                           (long long)max),
              NULL);
    }
}

static void read_number(struct judging *j, const char *s, size_t len, double min, double max,
                        double *ret_value)
{
    double v;

    if (!num_parse(s, len, &v) || !(v >= min && v <= max))
        wrong(j,
              arena_printf(j->r->arena, "'%.*s' is no number from %g to %g", (int)len, s, min, max),
              NULL);
    else
        *ret_value = v;
}

static void read_option(struct judging *j, const char *word, size_t len, struct judge_spec *spec)
{
    static const char *const names[] = {"k",         "n",           "alpha", "kappa",
                                        "tolerance", "min-samples", NULL};
    const char *equals = memchr(word, '=', len), *value = equals ? equals + 1 : word + len;
    size_t name = equals ? (size_t)(equals - word) : len, rest = len - (size_t)(value - word);
    int64_t count = 0;

    if (has(word, name, "k") && equals) {
        read_count(j, value, rest, 1000, &count);
        spec->k = (uint32_t)count;
    } else if (has(word, name, "n") && equals) {
        read_count(j, value, rest, 64, &count);
        spec->n = (uint32_t)count;
    } else if (has(word, name, "min-samples") && equals) {
        read_count(j, value, rest, INT64_MAX, &count);
        spec->min_samples = (uint64_t)count;
    } else if (has(word, name, "alpha") && equals) {
        read_number(j, value, rest, 1e-9, 0.5, &spec->alpha);
    } else if (has(word, name, "kappa") && equals) {
        read_number(j, value, rest, 0.01, 1e6, &spec->kappa);
    } else if (has(word, name, "tolerance") && equals) {
        read_number(j, value, rest, 0, 1e6, &spec->tolerance);
    } else {
        const char *near = nearest_name(word, name, names);
        wrong(j, arena_printf(j->r->arena, "'%.*s' is no option of a judge", (int)len, word),
              near ? arena_printf(j->r->arena, "did you mean %s=?", near)
                   : "k, n, alpha, kappa, tolerance and min-samples, each as NAME=VALUE");
    }
}

static void read_judge(struct judging *j, const char *text, struct judge_spec *ret_spec)
{
    struct judge_spec spec = {.k = 3, .n = 5, .alpha = 0.01, .kappa = 10};
    size_t words = 0;

    for (const char *s = text + strspn(text, " "); *s; s += strspn(s, " "), words++) {
        size_t len = strcspn(s, " ");
        if (words == 0)
            read_kind(j, s, len, &spec);
        else
            read_option(j, s, len, &spec);
        s += len;
    }
    if (words == 0)
        wrong(j, "the judge is empty", "for example \"consecutive k=3\"");
    if (spec.kind == JUDGE_K_OF_N && spec.k > spec.n)
        wrong(j, "k is more than n", "k failures of the last n checks fail the metric");
    spec.critical = stat_normal_quantile(1 - spec.alpha);
    if (!j->failed)
        *ret_spec = spec;
}

/* ---- what a judge can be fed with
 * -------------------------------------------------------------------------- */

/* "30s" and the like, in the arena. */
static const char *duration(struct arena *arena, ms_t ms)
{
    char buffer[40];
    struct text t;
    size_t len;

    text_init(&t, buffer, sizeof buffer);
    text_add_duration(&t, ms * NS_PER_MS);
    len = strlen(buffer); /* 1m0s reads better as 1m */
    if (len > 3 && strcmp(buffer + len - 3, "m0s") == 0)
        buffer[len - 2] = 0;
    return arena_printf(arena, "%s", buffer);
}

/*
 * The evidence of the anytime test is a product over errors, each counted once. A window that is
 * longer than the interval shows the same error to several checks: the product is then no
 * martingale, and the promise on false alarms is void.
 */
static void check_window(struct judging *j, const struct analysis_spec *analysis,
                         const struct metric_spec *metric)
{
    ms_t window = metric_window_ms(metric);
    const char *longer, *shorter;

    window = window > 0 ? window : METRIC_WINDOW_DEFAULT_MS;
    if (window <= analysis->interval_ms)
        return;
    longer = duration(j->r->arena, window);
    shorter = duration(j->r->arena, analysis->interval_ms);
    wrong(j,
          arena_printf(j->r->arena,
                       "anytime with a window of %s, longer than the interval of %s: windows "
                       "overlap, one error is counted by several checks, and alpha no longer "
                       "bounds the false alarms",
                       longer, shorter),
          arena_printf(j->r->arena,
                       "set the metric's interval to %s or less, or analysis.interval to %s or "
                       "more",
                       shorter, longer));
}

static void missing_query(struct judging *j, const struct metric_spec *m, const char *what)
{
    wrong(j,
          arena_printf(j->r->arena,
                       "this judge needs to know how many %s there were, and no query "
                       "for that follows from metric %s",
                       what, m->name),
          arena_printf(j->r->arena,
                       "add the annotation " JUDGE_ANNOTATIONS "-%s.%s: a query for the number of "
                       "%s of {{ target }} in the last {{ interval }}",
                       what, m->name, what));
}

/* Said here, not in production: a judge without counts or samples would never speak up. */
static void check_food(struct judging *j, const struct spec *spec, const struct metric_spec *m)
{
    unsigned food = judge_food(&m->judge);
    bool rate = metric_is_success_rate(m), builtin = rate || metric_is_duration(m);

    if ((food & (FOOD_COUNTS | FOOD_SAMPLES)) != 0 && builtin && !m->judge_errors &&
        !m->judge_primary && strcmp(spec->provider, "apisix") == 0)
        wrong(j,
              "this judge compares the canary with the primary, and APISIX counts the requests "
              "of both as those of one route",
              "threshold, consecutive and k-of-n work, or a metric of your own");
    else if ((food & (FOOD_COUNTS | FOOD_SAMPLES)) != 0 && spec->provider_is_knative)
        wrong(j,
              "this judge compares the canary with the primary, and with Knative both are "
              "revisions of one service that no query can tell apart",
              "threshold, consecutive and k-of-n work");
    else if ((food & FOOD_REQUESTS) != 0 && !m->judge_requests && !builtin)
        missing_query(j, m, "requests");
    else if ((food & FOOD_COUNTS) != 0 && !m->judge_errors && !rate)
        missing_query(j, m, "errors");
    else if ((food & FOOD_SAMPLES) != 0 && !m->judge_primary && !builtin && m->query && *m->query &&
             !strstr(m->query, "target"))
        wrong(j,
              "this judge compares the canary with the primary, and the query does not name "
              "{{ target }}: it would answer the same for both",
              arena_printf(j->r->arena,
                           "add the annotation " JUDGE_ANNOTATIONS
                           "-primary.%s: the query for the primary's value",
                           m->name));
    if (!j->failed && m->judge.kind == JUDGE_ANYTIME)
        check_window(j, &spec->analysis, m);
}

/* A rate of successes, or a metric that has a lower bound alone. */
static bool low_is_bad(const struct metric_spec *m)
{
    return metric_is_success_rate(m) || (m->has_range && m->range.has_min && !m->range.has_max);
}

/* ---- the annotations
 * --------------------------------------------------------------------------------------- */

/* The decoder made the metrics; here alone they are changed. */
static struct metric_spec *find_metric(const struct analysis_spec *analysis, const char *name)
{
    for (uint32_t i = 0; i < analysis->metric_count; i++)
        if (strcmp(analysis->metrics[i].name, name) == 0)
            return (struct metric_spec *)(uintptr_t)&analysis->metrics[i];
    return NULL;
}

static void unknown_metric(struct judging *j, const struct analysis_spec *analysis,
                           const char *name)
{
    const char *names[17], *near;
    uint32_t count = analysis->metric_count < 16 ? analysis->metric_count : 16;

    for (uint32_t i = 0; i < count; i++)
        names[i] = analysis->metrics[i].name;
    names[count] = NULL;
    near = nearest_name(name, strlen(name), names);
    wrong(j, arena_printf(j->r->arena, "the analysis has no metric '%s'", name),
          near ? arena_printf(j->r->arena, "did you mean %s?", near) : NULL);
}

enum annotation { ANNOTATES_JUDGE, ANNOTATES_REQUESTS, ANNOTATES_ERRORS, ANNOTATES_PRIMARY };
static const char *const annotations[] = {JUDGE_ANNOTATIONS, JUDGE_ANNOTATIONS "-requests",
                                          JUDGE_ANNOTATIONS "-errors", JUDGE_ANNOTATIONS "-primary",
                                          NULL};

/* Which annotation, and of which metric; false after an error when it is none of them. */
static bool read_key(struct judging *j, const char *key, enum annotation *ret_kind,
                     const char **ret_metric)
{
    size_t len = strcspn(key + strlen(JUDGE_ANNOTATIONS), ".") + strlen(JUDGE_ANNOTATIONS);
    const char *near;

    for (int i = 0; annotations[i] && key[len] == '.'; i++)
        if (has(key, len, annotations[i])) {
            *ret_kind = (enum annotation)i;
            *ret_metric = key + len + 1;
            return true;
        }
    near = nearest_name(key, len, annotations);
    wrong(j, arena_printf(j->r->arena, "no annotation of judges is called '%.*s'", (int)len, key),
          arena_printf(j->r->arena, "did you mean %s.METRIC?", near ? near : annotations[0]));
    return false;
}

static void read_annotation(struct judging *j, const char *key, const struct node *value,
                            struct analysis_spec *analysis)
{
    struct metric_spec *metric;
    enum annotation kind;
    const char *name;

    if (!read_key(j, key, &kind, &name))
        return;
    metric = find_metric(analysis, name);
    if (metric && metric - analysis->metrics >= JUDGED_METRICS_MAX)
        wrong(j,
              arena_printf(j->r->arena, "only the first %d metrics can have a judge",
                           JUDGED_METRICS_MAX),
              NULL);
    else if (!metric)
        unknown_metric(j, analysis, name);
    else if (!node_str(value))
        wrong(j, kind == ANNOTATES_JUDGE ? "a judge is a text" : "a query is a text", NULL);
    else if (kind == ANNOTATES_JUDGE) {
        read_judge(j, node_str(value), &metric->judge);
        metric->judge.low_is_bad = low_is_bad(metric);
    } else if (kind == ANNOTATES_REQUESTS)
        metric->judge_requests = node_str(value);
    else if (kind == ANNOTATES_ERRORS)
        metric->judge_errors = node_str(value);
    else
        metric->judge_primary = node_str(value);
}

void judges_read(struct reader *r, const struct node *root, struct spec *spec)
{
    static const struct place metadata = {NULL, "metadata", 0};
    static const struct place at_annotations = {&metadata, "annotations", 0};
    const struct node *map = node_get(node_get(root, "metadata"), "annotations");
    size_t errors = r->errors;

    if (spec->deviations == PROFILE_FLAGGER_1_44 || !map || map->kind != NODE_MAP)
        return;
    for (int pass = 0; pass < 2 && r->errors == errors; pass++)
        for (size_t i = 0; i < map->u.map.count; i++) {
            const struct member *m = &map->u.map.members[i];
            struct place at = {&at_annotations, m->key, 0};
            struct judging j = {r, m->value, &at, false};
            const struct metric_spec *metric;

            if (strncmp(m->key, JUDGE_ANNOTATIONS, strlen(JUDGE_ANNOTATIONS)) != 0)
                continue;
            if (pass == 0) { /* all of them, then what they come to together */
                read_annotation(&j, m->key, m->value, &spec->analysis);
                continue;
            }
            metric =
                find_metric(&spec->analysis, strchr(m->key + strlen(JUDGE_ANNOTATIONS), '.') + 1);
            if (strncmp(m->key, JUDGE_ANNOTATIONS ".", strlen(JUDGE_ANNOTATIONS) + 1) == 0)
                check_food(&j, spec, metric);
        }
}
