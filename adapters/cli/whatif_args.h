/* adapters/cli/whatif_args.h — the options that all what-if verbs share: traffic, faults, runs. */
#ifndef COALMINE_CLI_WHATIF_ARGS_H
#define COALMINE_CLI_WHATIF_ARGS_H

#include "adapters/cli/cli.h"
#include "adapters/cli/profile.h"
#include "adapters/whatif/whatif.h"

#define WHATIF_OPTIONS                                                                             \
    {.name = "runs", .value = "N", .fallback = "10000", .help = "rollouts for each cell"},         \
        {.name = "seed", .value = "S", .fallback = "1", .help = "of the random numbers"},          \
        {.name = "threads", .value = "N", .help = "default: one for each core"},                   \
        {.name = "precision",                                                                      \
         .value = "P",                                                                             \
         .help = "stop a cell when P(rollback) is known to within P, e.g. 0.01"},                  \
        {.name = "slo",                                                                            \
         .value = "SHARE",                                                                         \
         .fallback = "0.999",                                                                      \
         .help = "requests that must succeed, for the month's error budget"},                      \
        {.name = "mesh-provider",                                                                  \
         .value = "NAME",                                                                          \
         .fallback = "istio",                                                                      \
         .help = "the provider of Canaries that name none"},                                       \
        {.name = "metric",                                                                         \
         .value = "NAME=KIND",                                                                     \
         .repeats = true,                                                                          \
         .help =                                                                                   \
             "what a metric measures: success-rate, error-rate (percent), error-share, p50..p99, " \
             "p99-seconds, passes",                                                                \
         .group = "Model"},                                                                        \
        {.name = "latency",                                                                        \
         .value = "MEDIAN,P99",                                                                    \
         .help = "log-normal, in ms; without it latency metrics pass when there is traffic",       \
         .group = "Model"},                                                                        \
        {.name = "latency-metric",                                                                 \
         .value = "HOW",                                                                           \
         .choices = "bucketed|count",                                                              \
         .fallback = "bucketed",                                                                   \
         .help = "quantiles out of Istio's buckets, or exact: requests over the bound",            \
         .group = "Model"},                                                                        \
        {.name = "latency-histogram",                                                              \
         .value = "FILE",                                                                          \
         .help = "the latency as recorded instead: buckets as Prometheus exposes or answers them", \
         .group = "Model"},                                                                        \
        {.name = "latency-unit",                                                                   \
         .value = "UNIT",                                                                          \
         .choices = "ms|s",                                                                        \
         .help = "of its bounds; default: as its name says, else ms",                              \
         .group = "Model"},                                                                        \
        {.name = "slowdown",                                                                       \
         .value = "F",                                                                             \
         .help = "the new version's latency is F times that",                                      \
         .group = "Model"},                                                                        \
        {.name = "base-error-rate",                                                                \
         .value = "E",                                                                             \
         .help = "of the old version, and of the new one before the onset of the fault",                                                  \
         .group = "Model"},                                                                        \
        {.name = "onset",                                                                          \
         .value = "TIME",                                                                          \
         .help = "the fault sets in so long after the first request",                              \
         .group = "Model"},                                                                        \
        {.name = "onset-weight",                                                                   \
         .value = "W",                                                                             \
         .help = "... and only at this weight and above",                                          \
         .group = "Model"},                                                                        \
        {.name = "ramp", .value = "TIME", .help = "it grows for so long", .group = "Model"},       \
        {.name = "warm-up",                                                                        \
         .value = "TIME,E",                                                                        \
         .help = "errors of a cold start, fading",                                                 \
         .group = "Model"},                                                                        \
        {.name = "diurnal",                                                                        \
         .value = "A[,TIME]",                                                                      \
         .help = "rate swings by share A over a day; the first tick comes TIME after its mean",    \
         .group = "Model"},                                                                        \
        {.name = "burst",                                                                          \
         .value = "CHANCE,F",                                                                      \
         .help = "a minute's rate is F times as high",                                             \
         .group = "Model"},                                                                        \
        {.name = "blip",                                                                           \
         .value = "CHANCE,E",                                                                      \
         .help = "a minute in which share E of all requests fails",                                \
         .group = "Model"},                                                                        \
        {.name = "trace",                                                                          \
         .value = "FILE.csv",                                                                      \
         .help =                                                                                   \
             "requests per second as recorded (TimeStamp,Value), or Prometheus' range answer; "    \
             "--rps then multiplies it, 0 thins the recorded counts",                              \
         .group = "Model"},                                                                        \
        {.name = "load-rps",                                                                       \
         .value = "R",                                                                             \
         .help = "a load generator that hits the canary alone",                                    \
         .group = "Model"},                                                                        \
        {.name = "pods",                                                                           \
         .value = "MIN..MAX",                                                                      \
         .help = "an autoscaler sizes the primary: tell how far it falls short when traffic "      \
                 "returns",                                                                        \
         .group = "Capacity"},                                                                     \
        {.name = "pod-rps",                                                                        \
         .value = "R",                                                                             \
         .help = "requests per second that one pod can serve",                                     \
         .group = "Capacity"},                                                                     \
        {.name = "pod-load",                                                                       \
         .value = "SHARE",                                                                         \
         .fallback = "0.7",                                                                        \
         .help = "of that which the autoscaler aims at",                                           \
         .group = "Capacity"},                                                                     \
        {.name = "pod-start",                                                                      \
         .value = "TIME",                                                                          \
         .fallback = "30s",                                                                        \
         .help = "until a new pod serves",                                                         \
         .group = "Capacity"},                                                                     \
        {.name = "scale-down-after",                                                               \
         .value = "TIME",                                                                          \
         .fallback = "5m",                                                                         \
         .help = "the autoscaler's stabilization window, at most 15m",                             \
         .group = "Capacity"},                                                                     \
        {.name = "match-percent",                                                                  \
         .value = "P",                                                                             \
         .fallback = "10",                                                                         \
         .help = "A/B: requests that match",                                                       \
         .group = "Model"},                                                                        \
        {.name = "scrape",                                                                         \
         .value = "TIME",                                                                          \
         .help = "windows begin and end at scrapes",                                               \
         .group = "Model"},                                                                        \
        {.name = "outage",                                                                         \
         .value = "CHANCE",                                                                        \
         .help = "the metric server does not answer a check",                                      \
         .group = "Model"},                                                                        \
        {.name = "sticky",                                                                         \
         .value = "SIDE",                                                                          \
         .choices = "none|canary|both",                                                            \
         .fallback = "none",                                                                       \
         .help = "sessions that stay",                                                             \
         .group = "Model"},                                                                        \
        {.name = "user-rpm",                                                                       \
         .value = "N",                                                                             \
         .fallback = "1",                                                                          \
         .help = "requests of one user per minute",                                                \
         .group = "Model"},                                                                        \
    {                                                                                              \
        .name = "gate-closed", .value = "TIME", .help = "confirm-promotion refuses until then",    \
        .group = "Model"                                                                           \
    }

/* What the options and the file come to. Everything lives in `arena` but what _release frees. */
struct whatif_setup {
    struct arena *arena;
    struct diags diags;
    struct whatif_source source;
    struct whatif_grid grid;
    struct whatif_metrics metrics;
    struct whatif_plan plan;
};
/*
 * Read options and `file`. Returns 0 or an exit code after telling what is wrong. The lists of
 * --rps and --error-rate fall back to `rps` and `errors`.
 */
int whatif_setup_read(struct whatif_setup *s, const struct args *args, const char *file,
                      const char *rps, const char *errors);
void whatif_setup_release(struct whatif_setup *s);
/* A list of numbers "1,5,20"; false after a usage error. */
bool whatif_numbers(struct whatif_setup *s, const struct args *args, const char *option,
                    const char *otherwise, double min, double max, const double **ret_values,
                    size_t *ret_count);
/* Metrics that are not modelled, told on stderr once. */
void whatif_tell_metrics(const struct whatif_setup *s, const char *verb);
/* Why whatif_run gave this error, in words; tell it and return the exit code. */
const char *whatif_why(int rc);
int whatif_failed(const char *verb, int rc);

#endif
