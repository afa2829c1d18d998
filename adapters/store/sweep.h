/*
 * adapters/store/sweep.h — one sweep of a database, read into memory: its axes and its cells.
 *
 * The axes are the swept fields in the order of --set, then "rps", then "error-rate".
 */
#ifndef COALMINE_STORE_SWEEP_H
#define COALMINE_STORE_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/arena.h"
#include "adapters/base/strbuf.h"

struct sqlite3;

#define SWEEP_AXES_MAX 10
#define SWEEP_NONE SIZE_MAX

struct sweep_axis {
    const char *key;     /* "analysis.threshold", "rps", "error-rate" */
    const char **values; /* as a person writes them, in the order of the grid */
    size_t count;
};

/* Figures that a cell does not have are NaN. */
struct sweep_point {
    int64_t cell;
    size_t place[SWEEP_AXES_MAX]; /* which value of each axis */
    bool bad;
    double runs, rps, error_rate;
    double rollback, rollback_low, rollback_high;
    double promote, promote_low, promote_high;
    double detection_s, duration_s, bad_requests;
};

struct sweep_data {
    int64_t sweep, seed, cells; /* cells: of the whole sweep, also where a shard was stored */
    const char *canary, *version;
    struct sweep_axis axes[SWEEP_AXES_MAX];
    size_t axis_count, rps_axis, error_axis;
    struct sweep_point *points; /* in the order of cells */
    size_t point_count;
};

/* Number of sweeps in a database; 0 also where there are no tables of sweeps. */
int64_t sweep_count(struct sqlite3 *db);
/*
 * Read sweep number `sweep`, 0 = the last. Everything lives in `arena`. Returns 0, -ENOENT (no such
 * sweep), -EIO, both with the reason in `reterr`, or -ENOMEM.
 */
int sweep_read(struct sqlite3 *db, int64_t sweep, struct arena *arena, struct sweep_data *ret_data,
               char *reterr, size_t reterr_size);

/* What a picture shows of it. Axes by number, SWEEP_NONE = the picture chooses. */
enum sweep_figure { FIGURE_BAD_REQUESTS, FIGURE_DETECTION, FIGURE_DURATION };
struct sweep_choice {
    size_t only[SWEEP_AXES_MAX]; /* the value that an axis is held at */
    size_t by, x, y;
    enum sweep_figure figure;
};
void sweep_choice_init(struct sweep_choice *c);
/* By key or by its last part; SWEEP_NONE. */
size_t sweep_axis_find(const struct sweep_data *d, const char *key);
size_t sweep_value_find(const struct sweep_axis *a, const char *value);
/* "threshold", "requests per second", "error rate". */
const char *sweep_axis_label(const struct sweep_axis *a);

/* The point at these values of all axes, or NULL. */
const struct sweep_point *sweep_point_at(const struct sweep_data *d, const size_t *place);
const struct sweep_point *sweep_point_of(const struct sweep_data *d, int64_t cell);
/* Does the point stand where the choice holds the swept fields? */
bool sweep_point_chosen(const struct sweep_data *d, const struct sweep_choice *c,
                        const struct sweep_point *p);
/* The value at which an axis stands that a picture does not vary: the chosen one, else the first; of
 * the rates of traffic the middle one. */
size_t sweep_held(const struct sweep_data *d, const struct sweep_choice *c, size_t axis);
/* The hardest error rate of its kind: the highest healthy one, the lowest bad one; SWEEP_NONE. */
size_t sweep_hardest(const struct sweep_data *d, const struct sweep_choice *c, bool bad);
/* "threshold 5, interval 10s": all swept fields but `x` and `y` at their places; "" for none. */
void sweep_add_settings(struct strbuf *b, const struct sweep_data *d, const size_t *place, size_t x,
                        size_t y);
/* "; at 5 requests per second; threshold 5": everything that a picture of axes `x` and `y` holds.
 */
void sweep_add_held(struct strbuf *b, const struct sweep_data *d, const size_t *place, size_t x,
                    size_t y);
/* "5 requests per second" */
void sweep_add_traffic(struct strbuf *b, double rps);
/* "0.5 %" */
void sweep_add_percent(struct strbuf *b, double share);

#endif
