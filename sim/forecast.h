/*
 * sim/forecast.h — what a Canary will do: one rollout in a world where all is well, and one for
 * each weight at which a release may turn bad. No estimate: the engine itself is run, tick by tick.
 *
 * The world of a forecast: pods are ready at once, gates approve at once, every check passes until
 * the release turns bad; from then on every check fails. Rollback webhooks stay silent. Times count
 * from the tick that finds the new revision; that tick comes up to one interval after the deploy.
 */
#ifndef COALMINE_SIM_FORECAST_H
#define COALMINE_SIM_FORECAST_H

#include "sim/record.h"

/* One tick of the rollout. */
struct forecast_tick {
    ms_t at_ms;
    uint8_t phase_before, phase_after;
    bool routed;             /* the weights below were set in this tick */
    int16_t primary, canary; /* in force when it ended, percent */
    bool mirror;
    uint32_t checks;           /* metrics evaluated and rollout webhooks called */
    size_t first_row, end_row; /* its rows in forecast.record, half open */
};

/* The release turned bad when the weight was set in tick `from_tick`, or at its start. */
struct forecast_bad {
    size_t from_tick;
    bool caught;          /* rolled back */
    ms_t first_failed_ms; /* MS_NEVER = no check failed */
    ms_t back_ms;         /* all traffic is on the primary again; MS_NEVER */
    int64_t exposed;      /* percent times ms, from when it turned bad to back_ms or the end */
};

struct forecast {
    struct record record; /* of the good run, from the tick that finds the revision */
    struct forecast_tick *ticks;
    size_t tick_count;
    bool ended;                /* promoted; else it stands still for ever, see still_ms */
    ms_t took_ms;              /* from the first tick to Succeeded */
    ms_t still_ms;             /* not ended: since when nothing has changed but counters */
    int64_t exposed;           /* percent times ms */
    bool can_fail;             /* there is a metric or a rollout webhook that can stop a release */
    struct forecast_bad *bads; /* in order of from_tick */
    size_t bad_count;
};

/* Returns 0 or -ENOMEM. `spec` is borrowed as long as the forecast is used. */
int forecast_make(struct forecast *ret_forecast, const struct spec *spec);
void forecast_release(struct forecast *f);

#endif
