#include "adapters/manifest/judge.h"

#include <string.h>

#include "engine/num.h"
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

/* The decoder made the metrics; here alone they are changed. */
static struct metric_spec *find_metric(struct analysis_spec *analysis, const char *name)
{
    for (uint32_t i = 0; i < analysis->metric_count; i++)
        if (strcmp(analysis->metrics[i].name, name) == 0)
            return (struct metric_spec *)(uintptr_t)&analysis->metrics[i];
    return NULL;
}

void judges_read(struct reader *r, const struct node *root, struct analysis_spec *analysis)
{
    static const struct place metadata = {NULL, "metadata", 0};
    static const struct place annotations = {&metadata, "annotations", 0};
    const struct node *map = node_get(node_get(root, "metadata"), "annotations");
    size_t prefix = strlen(JUDGE_ANNOTATION);

    if (!map || map->kind != NODE_MAP)
        return;
    for (size_t i = 0; i < map->u.map.count; i++) {
        const struct member *m = &map->u.map.members[i];
        struct place at = {&annotations, m->key, 0};
        struct judging j = {r, m->value, &at, false};
        struct metric_spec *metric;

        if (strncmp(m->key, JUDGE_ANNOTATION, prefix) != 0)
            continue;
        metric = find_metric(analysis, m->key + prefix);
        if (!node_str(m->value))
            wrong(&j, "a judge is a text", NULL);
        else if (!metric)
            wrong(&j, arena_printf(r->arena, "the analysis has no metric '%s'", m->key + prefix),
                  NULL);
        else
            read_judge(&j, node_str(m->value), &metric->judge);
    }
}
