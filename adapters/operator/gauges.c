/* The series that /metrics shows: gauges, counters and histograms by family and labels. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/operator/internal.h"
#include "engine/text.h"

static const double bounds[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
#define BOUND_COUNT (sizeof(bounds) / sizeof(bounds[0]))
_Static_assert(BOUND_COUNT == HISTOGRAM_BOUNDS, "see internal.h");

struct family {
    const char *name, *type, *help;
};

struct series {
    const struct family *family;
    uint64_t hash;     /* of family and labels */
    double value;      /* of a histogram: the sum */
    uint32_t *buckets; /* of a histogram: BOUND_COUNT + 1, not cumulative */
    char labels[];     /* `name="x",namespace="y"` */
};

static const struct family families[] = {
    {"flagger_canary_total", "gauge", "Canaries known, by namespace"},
    {"flagger_canary_status", "gauge",
     "Last result of a canary: 0 running, 1 successful, 2 failed"},
    {"flagger_canary_weight", "gauge", "Share of the traffic that a workload gets, in percent"},
    {"flagger_canary_metric_analysis", "gauge", "Last value of a metric check"},
    {"flagger_canary_duration_seconds", "histogram", "Time spent in one tick of an analysis"},
    {"flagger_canary_successes_total", "counter", "Finished promotions"},
    {"flagger_canary_failures_total", "counter", "Failed rollouts"},
};

static const struct family *family_of(const char *name)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    }
    assert(!"a family of this file");
    return NULL;
}

static void add_label_value(struct strbuf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' || *s == '"')
            strbuf_addc(b, '\\');
        if (*s == '\n')
            strbuf_adds(b, "\\n");
        else
            strbuf_addc(b, *s);
    }
}

static void labels_text(struct strbuf *b, const struct label *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(b, i ? "," : "");
        strbuf_adds(b, labels[i].name);
        strbuf_adds(b, "=\"");
        add_label_value(b, labels[i].value);
        strbuf_addc(b, '"');
    }
}

/* ---- the index: where a series is found by its hash; slots hold its number from 1, 0 = empty ----
 */

static struct series *index_find(const struct registry *r, uint64_t hash,
                                 const struct family *family, const char *labels)
{
    if (r->slot_count == 0)
        return NULL;
    for (size_t at = hash & (r->slot_count - 1); r->slots[at];
         at = (at + 1) & (r->slot_count - 1)) {
        struct series *s = r->items[r->slots[at] - 1];

        if (s->hash == hash && s->family == family && strcmp(s->labels, labels) == 0)
            return s;
    }
    return NULL;
}

static void index_put(struct registry *r, size_t number)
{
    size_t at = r->items[number - 1]->hash & (r->slot_count - 1);

    while (r->slots[at])
        at = (at + 1) & (r->slot_count - 1);
    r->slots[at] = (uint32_t)number;
}

static void index_all(struct registry *r)
{
    memset(r->slots, 0, r->slot_count * sizeof(*r->slots));
    for (size_t n = 1; n <= r->count; n++)
        index_put(r, n);
}

/* Room for one more; half of the slots stay empty. */
static bool reserve(struct registry *r)
{
    size_t cap = r->cap ? r->cap * 2 : 16;
    struct series **items;
    uint32_t *slots;

    if (r->count < r->cap)
        return true;
    items = realloc(r->items, cap * sizeof(struct series *));
    if (items == NULL)
        return false;
    r->items = items;
    slots = realloc(r->slots, cap * 2 * sizeof(*slots));
    if (slots == NULL)
        return false;
    r->slots = slots;
    r->slot_count = cap * 2;
    r->cap = cap;
    index_all(r);
    return true;
}

static struct series *series_new(const struct family *family, uint64_t hash,
                                 const struct strbuf *labels)
{
    struct series *s = malloc(sizeof(*s) + labels->len + 1);

    if (s == NULL)
        return NULL;
    *s = (struct series){.family = family, .hash = hash};
    memcpy(s->labels, strbuf_str(labels), labels->len + 1);
    return s;
}

static struct series *series_of(struct registry *r, const char *name, const struct label *labels,
                                size_t count)
{
    const struct family *family = family_of(name);
    struct strbuf text = STRBUF_INIT;
    struct series *s;
    uint64_t hash;

    labels_text(&text, labels, count);
    hash = text_revision(name) ^ text_revision(strbuf_str(&text)) << 1;
    s = index_find(r, hash, family, strbuf_str(&text));
    if (s == NULL && !text.failed && reserve(r)) {
        s = series_new(family, hash, &text);
        if (s != NULL) {
            r->items[r->count++] = s;
            index_put(r, r->count);
        }
    }
    strbuf_release(&text);
    return s;
}

static void series_free(struct series *s)
{
    free(s->buckets);
    free(s);
}

void registry_release(struct registry *r)
{
    for (size_t i = 0; i < r->count; i++)
        series_free(r->items[i]);
    free(r->items);
    free(r->slots);
    memset(r, 0, sizeof(*r));
}

void registry_set(struct registry *r, const char *family, const struct label *labels, size_t count,
                  double value)
{
    struct series *s = series_of(r, family, labels, count);

    if (s)
        s->value = value;
}

void registry_add(struct registry *r, const char *family, const struct label *labels, size_t count,
                  double value)
{
    struct series *s = series_of(r, family, labels, count);

    if (s)
        s->value += value;
}

static size_t bucket_of(double seconds)
{
    size_t i = 0;

    while (i < BOUND_COUNT && seconds > bounds[i])
        i++;
    return i;
}

void registry_observe(struct registry *r, const char *family, const struct label *labels,
                      size_t count, double seconds)
{
    struct series *s = series_of(r, family, labels, count);

    if (s != NULL && s->buckets == NULL)
        s->buckets = calloc(BOUND_COUNT + 1, sizeof(*s->buckets));
    if (s == NULL || s->buckets == NULL)
        return;
    s->buckets[bucket_of(seconds)]++;
    s->value += seconds;
}

void registry_forget(struct registry *r, const char *family, const struct label *labels,
                     size_t count)
{
    const struct family *f = family_of(family);
    struct strbuf text = STRBUF_INIT;
    size_t kept = 0;

    labels_text(&text, labels, count);
    for (size_t i = 0; i < r->count; i++) {
        struct series *s = r->items[i];

        if (s->family == f && strncmp(s->labels, strbuf_str(&text), text.len) == 0)
            series_free(s);
        else
            r->items[kept++] = s;
    }
    if (kept < r->count) {
        r->count = kept;
        index_all(r);
    }
    strbuf_release(&text);
}

static void add_number(struct strbuf *out, double value)
{
    char buffer[64];
    struct text t;

    text_init(&t, buffer, sizeof(buffer));
    text_add_float(&t, value);
    strbuf_adds(out, buffer);
}

void histogram_add(struct histogram *h, double seconds)
{
    h->buckets[bucket_of(seconds)]++;
    h->sum += seconds;
}

void histogram_write(const struct histogram *h, const char *name, const char *help,
                     struct strbuf *out)
{
    uint64_t total = 0;

    strbuf_addf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    for (size_t i = 0; i <= BOUND_COUNT; i++) {
        total += h->buckets[i];
        strbuf_addf(out, "%s_bucket{le=\"", name);
        if (i < BOUND_COUNT)
            add_number(out, bounds[i]);
        else
            strbuf_adds(out, "+Inf");
        strbuf_addf(out, "\"} %llu\n", (unsigned long long)total);
    }
    strbuf_addf(out, "%s_sum %.3f\n%s_count %llu\n", name, h->sum, name, (unsigned long long)total);
}

static void write_histogram(const struct series *s, struct strbuf *out)
{
    uint64_t total = 0;

    for (size_t i = 0; i <= BOUND_COUNT; i++) {
        total += s->buckets ? s->buckets[i] : 0;
        strbuf_addf(out, "%s_bucket{%s,le=\"", s->family->name, s->labels);
        if (i < BOUND_COUNT)
            add_number(out, bounds[i]);
        else
            strbuf_adds(out, "+Inf");
        strbuf_addf(out, "\"} %llu\n", (unsigned long long)total);
    }
    strbuf_addf(out, "%s_sum{%s} ", s->family->name, s->labels);
    add_number(out, s->value);
    strbuf_addf(out, "\n%s_count{%s} %llu\n", s->family->name, s->labels,
                (unsigned long long)total);
}

static void write_family(const struct registry *r, const struct family *f, struct strbuf *out)
{
    bool headed = false;

    for (size_t i = 0; i < r->count; i++) {
        const struct series *s = r->items[i];

        if (s->family != f)
            continue;
        if (!headed)
            strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
        headed = true;
        if (strcmp(f->type, "histogram") == 0) {
            write_histogram(s, out);
        } else {
            strbuf_addf(out, "%s{%s} ", s->family->name, s->labels);
            add_number(out, s->value);
            strbuf_addc(out, '\n');
        }
    }
}

void registry_write(const struct registry *r, struct strbuf *out)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        write_family(r, &families[i], out);
}
