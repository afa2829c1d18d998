#include "adapters/operator/telemetry.h"

#include <stdlib.h>
#include <string.h>

#include "engine/text.h"

enum family {
    API_REQUESTS,
    ASKS,
    TICK_DELAY,
    TICK_DURATION,
    CANARY_DURATION,
    CANARY_FAILURES,
    CANARY_METRIC,
    CANARY_STATUS,
    CANARY_SUCCESSES,
    CANARY_TOTAL,
    CANARY_WEIGHT,
    INFO,
    FAMILY_COUNT
};

/* In the order of their names. */
static const struct {
    const char *name, *type, *help;
} families[FAMILY_COUNT] = {
    [API_REQUESTS] = {"coalmine_api_requests_total", "counter", "Requests to the Kubernetes API"},
    [ASKS] = {"coalmine_asks_total", "counter", "What the engine asked, by kind and outcome"},
    [TICK_DELAY] = {"coalmine_tick_delay_seconds", "histogram",
                    "Seconds from when a tick was due to its start"},
    [TICK_DURATION] = {"coalmine_tick_duration_seconds", "histogram", "Seconds a tick took"},
    [CANARY_DURATION] = {"flagger_canary_duration_seconds", "histogram",
                         "Seconds spent performing canary analysis."},
    [CANARY_FAILURES] = {"flagger_canary_failures_total", "counter",
                         "Total number of canary failures"},
    [CANARY_METRIC] = {"flagger_canary_metric_analysis", "gauge",
                       "Last canary analysis result per metric"},
    [CANARY_STATUS] = {"flagger_canary_status", "gauge", "Last canary analysis result"},
    [CANARY_SUCCESSES] = {"flagger_canary_successes_total", "counter",
                          "Total number of canary successes"},
    [CANARY_TOTAL] = {"flagger_canary_total", "gauge", "Total number of canary objects"},
    [CANARY_WEIGHT] = {"flagger_canary_weight", "gauge",
                       "The virtual service destination weight current value"},
    [INFO] = {"flagger_info", "gauge", "Flagger version and mesh provider information"},
};

#define BUCKETS 11
static const char *const bucket_names[BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                  "0.5",   "1",    "2.5",   "5",    "10"};
static const double buckets[BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

struct series {
    struct series *next; /* in its slot */
    double value;        /* of a histogram: the sum */
    uint64_t *counts;    /* of a histogram: one more than the buckets */
    uint8_t family;
    char labels[]; /* name="podinfo",namespace="test" */
};

#define SLOTS 1024u
struct telemetry {
    struct series *slots[SLOTS];
    size_t count;
};

/* ---- finding
 * ---------------------------------------------------------------------------------------- */

static uint32_t slot_of(enum family family, const char *labels)
{
    uint32_t h = 2166136261u ^ (uint32_t)family;

    for (; *labels; labels++)
        h = (h ^ (unsigned char)*labels) * 16777619u;
    return h % SLOTS;
}

static struct series *find(struct telemetry *t, enum family family, const char *labels)
{
    struct series **at = &t->slots[slot_of(family, labels)], *s;
    size_t len = strlen(labels);

    for (s = *at; s; s = s->next) {
        if (s->family == family && strcmp(s->labels, labels) == 0)
            return s;
    }
    s = calloc(1, sizeof *s + len + 1);
    if (!s)
        return NULL;
    if (strcmp(families[family].type, "histogram") == 0)
        s->counts = calloc(BUCKETS + 1, sizeof *s->counts);
    s->family = (uint8_t)family;
    memcpy(s->labels, labels, len + 1);
    s->next = *at;
    *at = s;
    t->count++;
    return s;
}

static void series_free(struct series *s)
{
    free(s->counts);
    free(s);
}

static void forget(struct telemetry *t, enum family family, const char *labels)
{
    for (struct series **at = &t->slots[slot_of(family, labels)]; *at; at = &(*at)->next) {
        struct series *s = *at;
        if (s->family != family || strcmp(s->labels, labels) != 0)
            continue;
        *at = s->next;
        series_free(s);
        t->count--;
        return;
    }
}

/* ---- changing
 * --------------------------------------------------------------------------------------- */

static void set(struct telemetry *t, enum family family, const char *labels, double value)
{
    struct series *s = find(t, family, labels);

    if (s)
        s->value = value;
}

static void add(struct telemetry *t, enum family family, const char *labels)
{
    struct series *s = find(t, family, labels);

    if (s)
        s->value += 1;
}

static void observe(struct telemetry *t, enum family family, const char *labels, double value)
{
    struct series *s = find(t, family, labels);
    size_t i = 0;

    if (!s || !s->counts)
        return;
    while (i < BUCKETS && !(value <= buckets[i]))
        i++;
    s->counts[i]++;
    s->value += value;
}

/* ---- labels
 * ----------------------------------------------------------------------------------------- */

/* Label texts are built in a buffer; names in Kubernetes are at most 253 bytes. */
#define LABELS_MAX 2048

static void add_label(struct text *t, const char *name, const char *value)
{
    if (t->len > 0)
        text_addc(t, ',');
    text_adds(t, name);
    text_adds(t, "=\"");
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            text_addc(t, '\\');
        if (*value == '\n')
            text_adds(t, "\\n");
        else
            text_addc(t, *value);
    }
    text_addc(t, '"');
}

static void target_labels(struct text *t, char *buffer, const struct spec *spec)
{
    text_init(t, buffer, LABELS_MAX);
    add_label(t, "name", spec->target_name);
    add_label(t, "namespace", spec->ns);
}

static void workload_labels(struct text *t, char *buffer, const struct spec *spec,
                            const char *suffix)
{
    char name[512];
    struct text n;

    text_init(&n, name, sizeof name);
    text_adds(&n, spec->target_name);
    text_adds(&n, suffix);
    text_init(t, buffer, LABELS_MAX);
    add_label(t, "namespace", spec->ns);
    add_label(t, "workload", name);
}

static void outcome_labels(struct text *t, char *buffer, const struct spec *spec, bool skipped)
{
    text_init(t, buffer, LABELS_MAX);
    add_label(t, "analysis_status", skipped ? "skipped" : "completed");
    add_label(t, "deployment_strategy", strategy_name(spec_strategy(spec)));
    add_label(t, "name", spec->target_name);
    add_label(t, "namespace", spec->ns);
}

static void metric_labels(struct text *t, char *buffer, const struct spec *spec, uint32_t index)
{
    text_init(t, buffer, LABELS_MAX);
    add_label(t, "metric",
              index < spec->analysis.metric_count ? spec->analysis.metrics[index].name : "");
    add_label(t, "name", spec->target_name);
    add_label(t, "namespace", spec->ns);
}

/* ---- the interface
 * ---------------------------------------------------------------------------------- */

struct telemetry *telemetry_new(const char *version, const char *mesh_provider)
{
    struct telemetry *t = calloc(1, sizeof *t);
    char buffer[LABELS_MAX];
    struct text labels;

    if (!t)
        return NULL;
    text_init(&labels, buffer, sizeof buffer);
    add_label(&labels, "mesh_provider", mesh_provider);
    add_label(&labels, "version", version);
    set(t, INFO, buffer, 1);
    return t;
}

void telemetry_free(struct telemetry *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        while (t->slots[i]) {
            struct series *s = t->slots[i];
            t->slots[i] = s->next;
            series_free(s);
        }
    }
    free(t);
}

static void note_weight(struct telemetry *t, const struct spec *spec, const struct note *note)
{
    char buffer[LABELS_MAX];
    struct text labels;

    workload_labels(&labels, buffer, spec, "-primary");
    set(t, CANARY_WEIGHT, buffer, note->a);
    workload_labels(&labels, buffer, spec, "");
    set(t, CANARY_WEIGHT, buffer, note->b);
}

void telemetry_note(struct telemetry *t, const struct spec *spec, const struct note *note,
                    double tick_seconds)
{
    char buffer[LABELS_MAX];
    struct text labels;

    if (note->kind != NOTE_GAUGE)
        return;
    switch ((enum gauge_id)note->id) {
    case GAUGE_STATUS:
        target_labels(&labels, buffer, spec);
        set(t, CANARY_STATUS, buffer, note->a);
        break;
    case GAUGE_WEIGHT:
        note_weight(t, spec, note);
        break;
    case GAUGE_ANALYSIS:
        metric_labels(&labels, buffer, spec, note->index);
        set(t, CANARY_METRIC, buffer, note->x);
        break;
    case GAUGE_DURATION:
        target_labels(&labels, buffer, spec);
        observe(t, CANARY_DURATION, buffer, tick_seconds);
        break;
    case GAUGE_SUCCESSES:
        outcome_labels(&labels, buffer, spec, note->a == ANALYSIS_SKIPPED);
        add(t, CANARY_SUCCESSES, buffer);
        break;
    case GAUGE_FAILURES:
        outcome_labels(&labels, buffer, spec, note->a == ANALYSIS_SKIPPED);
        add(t, CANARY_FAILURES, buffer);
        break;
    case GAUGE_ID_COUNT:
        break;
    }
}

void telemetry_canaries(struct telemetry *t, const char *ns, uint32_t count)
{
    char buffer[LABELS_MAX];
    struct text labels;

    text_init(&labels, buffer, sizeof buffer);
    add_label(&labels, "namespace", ns);
    if (count == 0)
        forget(t, CANARY_TOTAL, buffer);
    else
        set(t, CANARY_TOTAL, buffer, count);
}

void telemetry_forget(struct telemetry *t, const struct spec *spec)
{
    char buffer[LABELS_MAX];
    struct text labels;

    target_labels(&labels, buffer, spec);
    forget(t, CANARY_STATUS, buffer);
    forget(t, CANARY_DURATION, buffer);
    workload_labels(&labels, buffer, spec, "-primary");
    forget(t, CANARY_WEIGHT, buffer);
    workload_labels(&labels, buffer, spec, "");
    forget(t, CANARY_WEIGHT, buffer);
    for (uint32_t i = 0; i < spec->analysis.metric_count; i++) {
        metric_labels(&labels, buffer, spec, i);
        forget(t, CANARY_METRIC, buffer);
    }
    for (int skipped = 0; skipped < 2; skipped++) {
        outcome_labels(&labels, buffer, spec, skipped != 0);
        forget(t, CANARY_SUCCESSES, buffer);
        forget(t, CANARY_FAILURES, buffer);
    }
}

void telemetry_ask(struct telemetry *t, enum ask_kind kind, unsigned outcome)
{
    static const char *const outcomes[] = {"ok", "retry", "failed", "no_value"};
    char buffer[LABELS_MAX];
    struct text labels;

    text_init(&labels, buffer, sizeof buffer);
    add_label(&labels, "kind", ask_kind_name(kind));
    add_label(&labels, "outcome", outcomes[outcome < 4 ? outcome : 2]);
    add(t, ASKS, buffer);
}

void telemetry_api_request(struct telemetry *t, const char *verb, const char *resource, int code)
{
    char buffer[LABELS_MAX], number[16];
    struct text labels, n;

    text_init(&n, number, sizeof number);
    text_add_int(&n, code);
    text_init(&labels, buffer, sizeof buffer);
    add_label(&labels, "code", number);
    add_label(&labels, "resource", resource);
    add_label(&labels, "verb", verb);
    add(t, API_REQUESTS, buffer);
}

void telemetry_tick(struct telemetry *t, double delay_seconds, double duration_seconds)
{
    observe(t, TICK_DELAY, "", delay_seconds);
    observe(t, TICK_DURATION, "", duration_seconds);
}

/* ---- /metrics
 * --------------------------------------------------------------------------------------- */

static int by_family_and_labels(const void *left, const void *right)
{
    const struct series *const *a = left, *const *b = right;

    if ((*a)->family != (*b)->family)
        return (*a)->family < (*b)->family ? -1 : 1;
    return strcmp((*a)->labels, (*b)->labels);
}

static void add_value(struct strbuf *out, double value)
{
    char buffer[64];
    struct text t;

    text_init(&t, buffer, sizeof buffer);
    text_add_float(&t, value);
    strbuf_addf(out, " %s\n", buffer);
}

static void expose_histogram(struct strbuf *out, const struct series *s)
{
    const char *name = families[s->family].name, *comma = *s->labels ? "," : "";
    uint64_t sum = 0;

    for (size_t i = 0; i <= BUCKETS; i++) {
        sum += s->counts[i];
        strbuf_addf(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", name, s->labels, comma,
                    i < BUCKETS ? bucket_names[i] : "+Inf", (unsigned long long)sum);
    }
    strbuf_addf(out, *s->labels ? "%s_sum{%s}" : "%s_sum%s", name, s->labels);
    add_value(out, s->value);
    strbuf_addf(out, *s->labels ? "%s_count{%s} %llu\n" : "%s_count%s %llu\n", name, s->labels,
                (unsigned long long)sum);
}

void telemetry_expose(const struct telemetry *t, struct strbuf *out)
{
    const struct series **all = calloc(t->count + 1, sizeof *all);
    size_t n = 0;

    if (!all) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        for (const struct series *s = t->slots[i]; s; s = s->next)
            all[n++] = s;
    }
    if (n > 1)
        qsort((void *)all, n, sizeof *all, by_family_and_labels);
    for (size_t i = 0; i < n; i++) {
        const struct series *s = all[i];
        if (i == 0 || all[i - 1]->family != s->family)
            strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", families[s->family].name,
                        families[s->family].help, families[s->family].name,
                        families[s->family].type);
        if (s->counts) {
            expose_histogram(out, s);
            continue;
        }
        strbuf_addf(out, *s->labels ? "%s{%s}" : "%s%s", families[s->family].name, s->labels);
        add_value(out, s->value);
    }
    free((void *)all);
}
