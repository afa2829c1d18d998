#include "adapters/cli/whatif_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/whatif/histogram.h"
#include "adapters/whatif/trace.h"
#include "engine/num.h"

/* ---- single values
 * ------------------------------------------------------------------------------------------- */

static bool number_at(const char *s, size_t len, double min, double max, double *ret_value)
{
    double v;

    if (!num_parse(s, len, &v) || !num_is_finite(v) || v < min || v > max)
        return false;
    *ret_value = v;
    return true;
}

static bool number(const struct args *a, const char *name, double min, double max,
                   double *ret_value)
{
    const char *text = args_get(a, name, NULL);

    if (!text || number_at(text, strlen(text), min, max, ret_value))
        return true;
    usage_error(a, "--%s=%s: must be a number between %g and %g", name, text, min, max);
    return false;
}

static bool time_at(const char *s, size_t len, ms_t *ret_ms)
{
    const char *unit;
    size_t unit_len;
    int64_t ns;

    if (duration_parse(s, len, &ns, &unit, &unit_len) != DURATION_OK || ns < 0)
        return false;
    *ret_ms = ns / NS_PER_MS;
    return true;
}

static bool time_of(const struct args *a, const char *name, ms_t *ret_ms)
{
    const char *text = args_get(a, name, NULL);

    if (!text || time_at(text, strlen(text), ret_ms))
        return true;
    usage_error(a, "--%s=%s: must be a time such as 30s or 8h", name, text);
    return false;
}

/* "A,B": two numbers, or a time and a number. */
static bool pair(const struct args *a, const char *name, double max_first, double *ret_first,
                 ms_t *ret_time, double max_second, double *ret_second)
{
    const char *text = args_get(a, name, NULL), *comma = text ? strchr(text, ',') : NULL;
    size_t first = comma ? (size_t)(comma - text) : 0;

    if (!text)
        return true;
    if (comma &&
        (ret_time ? time_at(text, first, ret_time)
                  : number_at(text, first, 0, max_first, ret_first)) &&
        number_at(comma + 1, strlen(comma + 1), 0, max_second, ret_second))
        return true;
    usage_error(a, "--%s=%s: must be two values with a comma between", name, text);
    return false;
}

bool whatif_numbers(struct whatif_setup *s, const struct args *args, const char *option,
                    const char *otherwise, double min, double max, const double **ret_values,
                    size_t *ret_count)
{
    const char *text = args_get(args, option, otherwise);
    double *values = arena_alloc(s->arena, (strlen(text) + 1) * sizeof *values);
    size_t count = 0;

    for (const char *p = text; values && *p; p += strcspn(p, ","), p += *p == ',')
        if (!number_at(p, strcspn(p, ","), min, max, &values[count++])) {
            usage_error(args, "--%s=%s: must be numbers between %g and %g with commas between",
                        option, text, min, max);
            return false;
        }
    if (count == 0) {
        usage_error(args, "--%s: no number", option);
        return false;
    }
    *ret_values = values;
    *ret_count = count;
    return true;
}

/* ---- the model
 * -----------------------------------------------------------------------------------------------
 */

static bool read_metric(struct whatif_setup *s, const struct args *args, const char *text)
{
    static const struct {
        const char *name;
        enum policy_metric_kind kind;
    } kinds[] = {{"success-rate", POLICY_SUCCESS_RATE},
                 {"error-rate", POLICY_ERROR_RATE},
                 {"error-share", POLICY_ERROR_SHARE},
                 {"passes", POLICY_PASSES}};
    const char *equals = strrchr(text, '='), *kind = equals ? equals + 1 : "";
    size_t at = s->metrics.count;
    int64_t percent;

    if (!equals || at == WHATIF_METRICS_MAX) {
        usage_error(args, "--metric=%s: must be NAME=KIND", text);
        return false;
    }
    s->metrics.items[at].name = arena_strndup(s->arena, text, (size_t)(equals - text));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i].name) == 0) {
            s->metrics.items[at].kind = kinds[i].kind;
            s->metrics.count++;
            return true;
        }
    size_t digits = strcspn(kind, "-");
    if (kind[0] == 'p' && digits > 1 && num_parse_int(kind + 1, digits - 1, &percent) &&
        percent > 0 && percent < 100 &&
        (kind[digits] == 0 || strcmp(kind + digits, "-seconds") == 0)) {
        s->metrics.items[at].kind = kind[digits] ? POLICY_LATENCY_S : POLICY_LATENCY;
        s->metrics.items[at].quantile = (double)percent / 100;
        s->metrics.count++;
        return true;
    }
    usage_error(args,
                "--metric=%s: KIND must be success-rate, error-rate, error-share, p99, "
                "p99-seconds or passes",
                text);
    return false;
}

static bool read_chances(const struct args *args, struct whatif_model *m)
{
    double burst = 0, blip = 0, outage = 0;
    const char *diurnal = args_get(args, "diurnal", NULL);
    size_t first = diurnal ? strcspn(diurnal, ",") : 0;

    if (!pair(args, "burst", 1, &burst, NULL, 1e6, &m->burst_factor) ||
        !pair(args, "blip", 1, &blip, NULL, 1, &m->blip_errors) ||
        !number(args, "outage", 0, 1, &outage))
        return false;
    if (diurnal && (!number_at(diurnal, first, 0, 1, &m->diurnal_amplitude) ||
                    (diurnal[first] && !time_at(diurnal + first + 1, strlen(diurnal + first + 1),
                                                &m->diurnal_phase_ms)))) {
        usage_error(args, "--diurnal=%s: must be a share, or a share and a time", diurnal);
        return false;
    }
    m->burst_ppm = (uint32_t)(burst * 1e6 + 0.5);
    m->blip_ppm = (uint32_t)(blip * 1e6 + 0.5);
    m->outage_ppm = (uint32_t)(outage * 1e6 + 0.5);
    return true;
}

/* --pods 3..30 --pod-rps 50: an autoscaler of the primary. */
static bool read_capacity(const struct args *args, struct capacity_model *c)
{
    const char *pods = args_get(args, "pods", NULL), *dots = pods ? strstr(pods, "..") : NULL;
    int64_t least, most;

    if (!pods && args_has(args, "pod-rps"))
        return usage_error(args, "--pod-rps: needs --pods=MIN..MAX, the limits of the autoscaler"),
               false;
    if (!pods)
        return true;
    if (!dots || !num_parse_int(pods, (size_t)(dots - pods), &least) ||
        !num_parse_int(dots + 2, strlen(dots + 2), &most) || least < 1 || most < least ||
        most > 1000000)
        return usage_error(args, "--pods=%s: must be MIN..MAX such as 3..30", pods), false;
    if (!args_has(args, "pod-rps"))
        return usage_error(args, "--pods: needs --pod-rps=R, what one pod can serve"), false;
    *c = (struct capacity_model){.min_replicas = (int32_t)least,
                                 .max_replicas = (int32_t)most,
                                 .target = 0.7,
                                 .start_ms = 30000,
                                 .hold_ms = 300000};
    if (!number(args, "pod-rps", 0.001, 1e7, &c->pod_rps) ||
        !number(args, "pod-load", 0.01, 1, &c->target) ||
        !time_of(args, "pod-start", &c->start_ms) ||
        !time_of(args, "scale-down-after", &c->hold_ms))
        return false;
    if (c->hold_ms > CAPACITY_HOLD_MAX_MS)
        return usage_error(args, "--scale-down-after=%s: must be at most 15m",
                           args_get(args, "scale-down-after", "")),
               false;
    return true;
}

static int read_trace(struct whatif_setup *s, const struct args *args, struct whatif_model *m)
{
    const char *file = args_get(args, "trace", NULL), *text;
    struct trace trace;
    size_t len;
    int rc;

    if (!file)
        return 0;
    rc = file_read(s->arena, file, 0, &text, &len);
    if (rc != 0) {
        fprintf(stderr, "coalmine %s: %s: %s\n", args->verb->name, file, strerror(-rc));
        return EXIT_INPUT;
    }
    rc = trace_read(&trace, s->arena, &s->diags, file, text, len);
    for (size_t i = 0; i < s->diags.count; i++)
        diag_print(stderr, &s->diags.items[i], text, len, color_wanted(stderr));
    if (rc != 0)
        return rc == -ENOMEM ? EXIT_WORLD : EXIT_INPUT;
    diags_release(&s->diags); /* warnings, and they are told */
    diags_init(&s->diags, s->arena);
    m->trace = trace.values;
    m->trace_count = trace.count;
    m->trace_slot_ms = trace.step_ms;
    return 0;
}

static int read_histogram(struct whatif_setup *s, const struct args *args, struct whatif_model *m)
{
    const char *file = args_get(args, "latency-histogram", NULL), *text;
    const char *unit = args_get(args, "latency-unit", "");
    struct model_histogram *histogram;
    size_t len;
    int rc;

    if (!file && *unit)
        return usage_error(args, "--latency-unit: is that of a --latency-histogram");
    if (!file)
        return 0;
    if (args_has(args, "latency"))
        return usage_error(args, "--latency-histogram and --latency exclude each other");
    histogram = arena_alloc(s->arena, sizeof *histogram);
    rc = histogram ? file_read(s->arena, file, 0, &text, &len) : -ENOMEM;
    if (rc != 0) {
        fprintf(stderr, "coalmine %s: %s: %s\n", args->verb->name, file, strerror(-rc));
        return rc == -ENOMEM ? EXIT_WORLD : EXIT_INPUT;
    }
    rc = histogram_read(histogram, s->arena, &s->diags, file, text, len,
                        *unit == 's'   ? 1000
                        : *unit == 'm' ? 1
                                       : 0);
    for (size_t i = 0; i < s->diags.count; i++)
        diag_print(stderr, &s->diags.items[i], text, len, color_wanted(stderr));
    if (rc != 0)
        return rc == -ENOMEM ? EXIT_WORLD : EXIT_INPUT;
    m->latency = true;
    m->histogram = histogram;
    return 0;
}

static bool read_model(struct whatif_setup *s, const struct args *args, struct whatif_model *m)
{
    const char *sticky = args_get(args, "sticky", "none");
    int64_t match, weight;
    double rpm = 1;
    bool ok;

    *m = whatif_model_default();
    m->latency = args_has(args, "latency");
    m->latency_counts = strcmp(args_get(args, "latency-metric", "bucketed"), "count") == 0;
    m->sticky = sticky[0] == 'c' ? STICKY_CANARY : sticky[0] == 'b' ? STICKY_BOTH : STICKY_NONE;
    ok = pair(args, "latency", 1e9, &m->median_ms, NULL, 1e9, &m->p99_ms) &&
         number(args, "slowdown", 0.001, 1e6, &m->slowdown) &&
         number(args, "base-error-rate", 0, 1, &m->errors_before) &&
         number(args, "load-rps", 0, 1e7, &m->load_rps) && number(args, "user-rpm", 0, 1e6, &rpm) &&
         time_of(args, "onset", &m->onset_ms) && time_of(args, "ramp", &m->ramp_ms) &&
         time_of(args, "scrape", &m->scrape_ms) && time_of(args, "gate-closed", &m->gate_ms) &&
         pair(args, "warm-up", 0, NULL, &m->warmup_ms, 1, &m->warmup_errors) &&
         read_chances(args, m) && read_capacity(args, &m->capacity) &&
         args_int(args, "match-percent", 0, 100, 10, &match) &&
         args_int(args, "onset-weight", 0, 100, 0, &weight);
    if (!ok)
        return false;
    if (m->latency && (m->median_ms <= 0 || m->p99_ms < m->median_ms)) {
        usage_error(args, "--latency=%s: must be a median above 0 and a P99 no less",
                    args_get(args, "latency", ""));
        return false;
    }
    m->user_rps = rpm / 60;
    m->old_errors = args_has(args, "base-error-rate") ? m->errors_before : -1;
    m->match_percent = (int32_t)match;
    m->onset_weight = (int16_t)weight;
    for (size_t i = 0; args_nth(args, "metric", i); i++)
        if (!read_metric(s, args, args_nth(args, "metric", i)))
            return false;
    return true;
}

/* ---- all of it
 * -----------------------------------------------------------------------------------------------
 */

static bool read_plan(struct whatif_setup *s, const struct args *args)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t runs, seed, threads;
    struct whatif_plan *p = &s->plan;

    p->slo = 0.999;
    if (!args_int(args, "runs", 1, 2000000000, 10000, &runs) ||
        !args_int(args, "seed", 0, INT64_MAX, 1, &seed) ||
        !args_int(args, "threads", 1, 1024, cores > 0 ? cores : 1, &threads) ||
        !number(args, "precision", 0, 1, &p->precision) || !number(args, "slo", 0, 1, &p->slo))
        return false;
    p->runs = (uint32_t)runs;
    p->seed = (uint64_t)seed;
    p->threads = (uint32_t)threads;
    p->shard_count = 1;
    p->source = &s->source;
    p->grid = &s->grid;
    p->metrics = &s->metrics;
    return read_model(s, args, &p->model);
}

static int read_file(struct whatif_setup *s, const struct args *args, const char *file,
                     deviations_t deviations)
{
    struct canary_options options = {.mesh_provider = args_get(args, "mesh-provider", NULL),
                                     .deviations = deviations};
    const char *text;
    size_t len;
    int rc = file_read(s->arena, file, 0, &text, &len);

    if (rc != 0) {
        fprintf(stderr, "coalmine %s: %s: %s\n", args->verb->name, file, strerror(-rc));
        return EXIT_INPUT;
    }
    rc = whatif_source_read(&s->source, s->arena, &s->diags, file, text, len, &options);
    diags_sort(&s->diags);
    for (size_t i = 0; i < s->diags.count; i++)
        diag_print(stderr, &s->diags.items[i], text, len, color_wanted(stderr));
    if (rc == -ENOENT)
        fprintf(stderr, "coalmine %s: %s: no Canary (flagger.app/v1beta1) in this file\n",
                args->verb->name, file);
    else if (rc != 0 && rc != -EINVAL)
        fprintf(stderr, "coalmine %s: %s: %s\n", args->verb->name, file, strerror(-rc));
    return rc == 0 ? 0 : rc == -ENOMEM ? EXIT_WORLD : EXIT_INPUT;
}

int whatif_setup_read(struct whatif_setup *s, const struct args *args, const char *file,
                      const char *rps, const char *errors)
{
    deviations_t deviations;
    int rc;

    memset(s, 0, sizeof *s);
    s->arena = arena_new(0);
    if (!s->arena)
        return whatif_failed(args->verb->name, -ENOMEM);
    diags_init(&s->diags, s->arena);
    if (!profile_of(args, PROFILE_DEFAULT, &deviations, NULL) || !read_plan(s, args) ||
        !whatif_numbers(s, args, "rps", rps, 0, 1e7, &s->grid.rps, &s->grid.rps_count) ||
        !whatif_numbers(s, args, "error-rate", errors, 0, 1, &s->grid.errors, &s->grid.error_count))
        return EXIT_USAGE;
    rc = read_trace(s, args, &s->plan.model);
    if (rc == 0)
        rc = read_histogram(s, args, &s->plan.model);
    return rc != 0 ? rc : read_file(s, args, file, deviations);
}

void whatif_setup_release(struct whatif_setup *s)
{
    for (size_t i = 0; i < s->grid.axis_count; i++)
        whatif_axis_release(&s->grid.axes[i]);
    whatif_source_release(&s->source);
    diags_release(&s->diags);
    arena_free(s->arena);
}

void whatif_tell_metrics(const struct whatif_setup *s, const char *verb)
{
    struct arena *arena = arena_new(0);
    struct policy_options options;
    struct canary canary;
    struct diags diags;

    if (!arena)
        return;
    diags_init(&diags, arena);
    if (canary_decode_json(arena, &diags, s->source.file, s->source.object, &s->source.options,
                           &canary) == 0) {
        const struct analysis_spec *a = &canary.spec.analysis;
        whatif_choose_metrics(&canary.spec, &s->metrics, &options);
        for (uint32_t i = 0; i < a->metric_count && i < POLICY_METRICS_MAX; i++)
            if (options.kinds[i] == POLICY_PASSES)
                fprintf(stderr,
                        "coalmine %s: metric %s is not modelled and always passes; say what it "
                        "measures with --metric\n",
                        verb, a->metrics[i].name);
        if (spec_strategy(&canary.spec) == STRATEGY_BLUE_GREEN && !a->mirror &&
            s->plan.model.load_rps <= 0)
            fprintf(stderr,
                    "coalmine %s: no traffic reaches this canary before its promotion: without "
                    "--load-rps every check finds no values\n",
                    verb);
    }
    diags_release(&diags);
    arena_free(arena);
}

const char *whatif_why(int rc)
{
    return rc == -E2BIG ? "too many metrics or states for what-if"
           : rc == -ENOTSUP
               ? "a Mann-Whitney judge whose window does not divide the interval, which "
                 "what-if does not play"
           : rc == -EINVAL ? "a changed Canary that is not valid"
                           : "no memory left";
}

int whatif_failed(const char *verb, int rc)
{
    fprintf(stderr, "coalmine %s: %s\n", verb, whatif_why(rc));
    return rc == -E2BIG || rc == -ENOTSUP || rc == -EINVAL ? EXIT_INPUT : EXIT_WORLD;
}
