/*
 * bench/figure.h — how a benchmark says what it has measured: one line for each figure, six columns
 * with tabs between.
 *
 *     name    area first, words joined by dashes
 *     value
 *     unit
 *     ratio   of the value to its limit, measured in the same run: bare libyaml on the same bytes,
 *             a bare insert of the same rows, one draw of a random number; "-" where there is none
 *     wanted  in the unit of the value: at least that much of a rate (units that end in "/s"), at
 *             most that much of anything else; "-" = no target, the figure informs
 *     ok      or "short" of what is wanted
 *
 * Figures inform: a short one fails no benchmark. Lines are written at once, for those that fork.
 */
#ifndef COALMINE_BENCH_FIGURE_H
#define COALMINE_BENCH_FIGURE_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define NO_LIMIT 0.0

static inline void figure_number(char out[32], double value)
{
    snprintf(out, 32, value >= 1000 || value == (double)(long)value ? "%.0f" : "%.4g", value);
}

static inline void figure_print(const char *name, double value, const char *unit, double limit,
                                const char *wanted, bool ok)
{
    char number[32], ratio[32] = "-";

    figure_number(number, value);
    if (limit > 0)
        snprintf(ratio, sizeof ratio, "%.3f", value / limit);
    printf("%s\t%s\t%s\t%s\t%s\t%s\n", name, number, unit, ratio, wanted, ok ? "ok" : "short");
    fflush(stdout);
}

/* A figure without a target. */
static inline void figure(const char *name, double value, const char *unit, double limit)
{
    figure_print(name, value, unit, limit, "-", true);
}

static inline void figure_at_least(const char *name, double value, const char *unit, double limit,
                                   double wanted)
{
    char text[32];

    figure_number(text, wanted);
    figure_print(name, value, unit, limit, text, value >= wanted);
}

static inline void figure_at_most(const char *name, double value, const char *unit, double limit,
                                  double wanted)
{
    char text[32];

    figure_number(text, wanted);
    figure_print(name, value, unit, limit, text, value <= wanted);
}

/* Processor time of this process, and time on the wall, in seconds. */
static inline double clock_s(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double cpu_s(void)
{
    return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

static inline double wall_s(void)
{
    return clock_s(CLOCK_MONOTONIC);
}

#endif
