/*
 * adapters/store/picture.h — pictures of a database, as data files and a gnuplot script.
 *
 * The same database gives the same bytes; gnuplot makes the picture of them
 * (adapters/cli/gnuplot.c). The figures come from the views of reports/views.sql.
 */
#ifndef COALMINE_STORE_PICTURE_H
#define COALMINE_STORE_PICTURE_H

#include <stdint.h>

#include "adapters/base/strbuf.h"
#include "adapters/store/sweep.h"

struct sqlite3;

enum picture_format { PICTURE_PNG, PICTURE_SVG, PICTURE_PDF };

#define PICTURE_METRICS_MAX 12
#define PICTURE_FILES_MAX (2 * PICTURE_METRICS_MAX + 8)
#define PICTURE_WIDTH 1600
#define PICTURE_WIDTH_SWEEP 1200
#define PICTURE_WIDTH_PHONE 420

struct picture {
    struct picture_file {
        char name[32]; /* "picture.gp", "traffic.dat", "metric1.dat" */
        struct strbuf text;
    } files[PICTURE_FILES_MAX]; /* the script is the first */
    size_t file_count;
};

struct picture_style {
    enum picture_format format;
    const char *output; /* what the script writes, in its own directory */
    int width;          /* 0 = as wide as the picture is meant to be */
    bool bare;          /* without title: the page around it has one */
};

/*
 * All of them return 0, or -ENOENT when the database does not hold what the picture shows, -EIO;
 * both with the reason in `reterr`; -ENOMEM.
 */

/* The timeline of Canary number `canary` of run `run`. */
int picture_timeline(struct sqlite3 *db, int64_t run, int64_t canary,
                     const struct picture_style *style, struct picture *ret_picture, char *reterr,
                     size_t reterr_size);
/* P(rollback) against the true error rate: a line for each value of axis `by`. */
int picture_curve(struct sqlite3 *db, const struct sweep_data *sweep, const struct sweep_choice *c,
                  const struct picture_style *style, struct picture *ret_picture, char *reterr,
                  size_t reterr_size);
/* False rollbacks, misses and failed requests over two swept axes. */
int picture_heatmap(struct sqlite3 *db, const struct sweep_data *sweep,
                    const struct sweep_choice *c, const struct picture_style *style,
                    struct picture *ret_picture, char *reterr, size_t reterr_size);
/* Every policy by its false rollbacks and what a bad release costs; the front numbered. */
int picture_pareto(struct sqlite3 *db, const struct sweep_data *sweep, const struct sweep_choice *c,
                   const struct picture_style *style, struct picture *ret_picture, char *reterr,
                   size_t reterr_size);
/* Quantiles of the new version's share of the traffic over many rollouts. */
int picture_fan(struct sqlite3 *db, const struct sweep_data *sweep, const struct sweep_choice *c,
                const struct picture_style *style, struct picture *ret_picture, char *reterr,
                size_t reterr_size);
/* The same of all rollouts of a Canary that a database of runs holds. */
int picture_run_fan(struct sqlite3 *db, int64_t run, int64_t canary,
                    const struct picture_style *style, struct picture *ret_picture, char *reterr,
                    size_t reterr_size);
void picture_release(struct picture *p);

#endif
