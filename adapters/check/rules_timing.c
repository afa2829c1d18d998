/* Intervals, windows, thresholds, deadlines: CM2xx. */
#include <string.h>

#include "adapters/check/internal.h"
#include "engine/text.h"

static const char *duration_text(struct check *c, int64_t ms)
{
    char buffer[40];
    struct text t;
    size_t len;

    text_init(&t, buffer, sizeof buffer);
    text_add_duration(&t, ms * 1000000);
    len = strlen(buffer); /* 1m0s reads better as 1m */
    if (len > 3 && strcmp(buffer + len - 3, "m0s") == 0)
        buffer[len - 2] = 0;
    len = strlen(buffer);
    if (len > 3 && strcmp(buffer + len - 3, "h0m") == 0)
        buffer[len - 2] = 0;
    return check_text(c, "%s", buffer);
}

static bool builtin(const struct node *metric)
{
    const struct node *name = node_get(metric, "name");

    return node_is(name, "request-success-rate") || node_is(name, "request-duration");
}

/* The window of a metric in ms; 1m when absent, as for built-in metrics; false when unreadable. */
static bool window_of(const struct node *metric, int64_t *ret_ms)
{
    const struct node *interval = node_get(metric, "interval");

    *ret_ms = 60000;
    return interval == NULL || check_duration(interval, ret_ms);
}

static void interval(struct check *c, const struct canary_view *v)
{
    int64_t ms;

    if (check_duration(v->interval, &ms) && ms < 10000)
        check_find(c, CM201, v->interval, ".spec.analysis.interval", "write 10s or more",
                   "%s is below 10s and counts as 10s", v->interval->text);
}

/* The weights or iterations one rollout has to pass. */
static int64_t check_count(const struct canary_view *v)
{
    return v->ladder && v->ladder->end == LADDER_PROMOTED ? v->ladder->checks : 0;
}

static void threshold(struct check *c, const struct canary_view *v)
{
    int64_t checks = check_count(v), written = check_int(v->threshold, 1);
    bool measured = (v->metrics && v->metrics->u.list.count) || v->hook_rollout_count;

    if (!measured || v->threshold == NULL || v->skip_analysis)
        return;
    if (written <= 0)
        check_find_as(c, SEVERITY_WARNING, CM206, v->threshold, ".spec.analysis.threshold",
                      "write 1 or more", "%lld counts as 1: the first failed check rolls back",
                      (long long)written);
    else if (written == 1)
        check_find(c, CM206, v->threshold, ".spec.analysis.threshold",
                   "2 or more forgive a hiccup of the metrics server",
                   "the first failed check rolls back");
    else if (checks > 0 && written > 2 * checks && written > 10)
        check_find(c, CM205, v->threshold, ".spec.analysis.threshold",
                   check_text(c, "use at most %lld", (long long)(checks > 5 ? checks : 5)),
                   "promotion takes %lld good checks: with %lld bad ones allowed, a version that "
                   "fails two checks of "
                   "three is usually promoted",
                   (long long)checks, (long long)written);
}

static void multiplicity(struct check *c, const struct canary_view *v, const struct node *metric,
                         size_t i)
{
    int64_t window, times;

    if (!window_of(metric, &window) || window <= 0)
        return;
    times = (window + v->interval_ms - 1) / v->interval_ms;
    if (times < 2 || times < v->fail_threshold)
        return;
    check_find(c, CM204, node_get(metric, "interval") ? node_get(metric, "interval") : metric,
               check_text(c, ".spec.analysis.metrics[%zu].interval", i),
               check_text(c, "raise threshold above %lld, or check less often than every %s",
                          (long long)times, duration_text(c, v->interval_ms)),
               "one burst of errors stays in the window of %s for %lld checks, and %lld failed "
               "checks roll back",
               duration_text(c, window), (long long)times, (long long)v->fail_threshold);
}

#define WINDOW_PATH check_text(c, ".spec.analysis.metrics[%zu].interval", i)

static void window(struct check *c, const struct node *metric, size_t i)
{
    const struct node *n = node_get(metric, "interval");
    int64_t scrape = check_options(c)->scrape_ms, ms;

    if (n == NULL) {
        if (!builtin(metric) && node_get(metric, "templateRef"))
            check_find(
                c, CM207, metric, WINDOW_PATH, "add interval: 1m",
                "a template metric has no default window: {{ interval }} is empty in the query");
        return;
    }
    if (!check_duration(n, &ms))
        return;
    if (ms < 10000)
        check_find(c, CM202, n, WINDOW_PATH, "write 30s or more",
                   "a window of %s holds hardly any request", n->text);
    else if (ms < 2 * scrape && (builtin(metric) || node_get(metric, "query")))
        check_find(
            c, CM208, n, WINDOW_PATH,
            check_text(c,
                       "use at least %s, or tell the true scrape interval with --scrape-interval",
                       duration_text(c, 2 * scrape)),
            "a rate over %s needs two samples, but the server scrapes every %s", n->text,
            duration_text(c, scrape));
}

/* How many requests a bound needs so that a single bad one does not break it; 0 = no such bound. */
static int64_t requests_needed(const struct node *metric)
{
    const struct node *range = node_get(metric, "thresholdRange");
    double min;

    if (node_is(node_get(metric, "name"), "request-duration"))
        return 100; /* the 99th percentile of fewer is the slowest request */
    if (!node_is(node_get(metric, "name"), "request-success-rate"))
        return 0;
    if (!check_number(node_get(range, "min"), &min) &&
        !check_number(node_get(metric, "threshold"), &min))
        return 0;
    if (min >= 100 || min <= 0)
        return 0;
    return (int64_t)(100.0 / (100.0 - min) + 0.999999);
}

static void traffic(struct check *c, const struct canary_view *v, const struct node *metric,
                    size_t i)
{
    int64_t needed = requests_needed(metric), ms, weight;
    double rps = check_options(c)->rps, expected;

    if (rps <= 0 || needed == 0 || !window_of(metric, &ms) || v->ladder == NULL)
        return;
    weight = v->ladder->count && !v->iterations ? v->ladder->weights[0] : 100;
    expected = rps * (double)weight / 100.0 * (double)ms / 1000.0;
    if (expected >= (double)needed)
        return;
    check_find(c, CM209, metric, check_text(c, ".spec.analysis.metrics[%zu]", i),
               "use a longer window, a larger first step, or a lower bound",
               "at the first weight of %lld %% the window of %s sees about %lld requests, but the "
               "bound needs %lld: "
               "one bad request fails the check",
               (long long)weight, duration_text(c, ms), (long long)expected, (long long)needed);
}

static void deadline(struct check *c, const struct canary_view *v)
{
    const struct node *n = node_get(v->spec, "progressDeadlineSeconds");
    int64_t s = check_int(n, 600);

    if (n && s < 60)
        check_find(c, CM210, n, ".spec.progressDeadlineSeconds",
                   "use 60 or more; the default is 600",
                   s <= 0 ? "%lld seconds are over before they begin: a pod that is not ready at "
                            "once fails the rollout"
                          : "%lld seconds are less than most pods need to start",
                   (long long)s);
}

static void hook_time(struct check *c, const struct canary_view *v)
{
    int64_t sum = 0;
    size_t hooks = 0;
    const struct node *last = NULL;

    for (size_t i = 0; v->webhooks && i < v->webhooks->u.list.count; i++) {
        const struct node *h = v->webhooks->u.list.items[i];
        const char *type = check_str(node_get(h, "type"));
        int64_t ms = 10000, attempts = check_int(node_get(h, "retries"), 0) + 1;

        if (*type && strcmp(type, "rollout") != 0)
            continue;
        if (node_get(h, "timeout"))
            check_duration(node_get(h, "timeout"), &ms);
        if (attempts < 1)
            attempts = 1;
        if (attempts > 100)
            attempts = 100;
        if (ms > 86400000)
            ms = 86400000;
        sum += ms * attempts;
        hooks++;
        last = h;
    }
    if (hooks > 1 && sum >= v->interval_ms)
        check_find(c, CM212, last, ".spec.analysis.webhooks",
                   "shorten the timeouts, or check less often",
                   "the %zu rollout hooks may take %s together, longer than the interval of %s",
                   hooks, duration_text(c, sum), duration_text(c, v->interval_ms));
}

void rules_timing(struct check *c, const struct canary_view *v)
{
    deadline(c, v);
    if (v->analysis == NULL)
        return;
    interval(c, v);
    threshold(c, v);
    hook_time(c, v);
    for (size_t i = 0; v->metrics && i < v->metrics->u.list.count; i++) {
        const struct node *metric = v->metrics->u.list.items[i];

        if (metric->kind != NODE_MAP)
            continue;
        window(c, metric, i);
        multiplicity(c, v, metric, i);
        traffic(c, v, metric, i);
    }
}
