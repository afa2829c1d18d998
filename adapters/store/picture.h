/*
 * adapters/store/picture.h — the timeline of one Canary in one run, as data files and a gnuplot
 * script.
 *
 * The same database gives the same bytes; gnuplot makes the picture of them
 * (adapters/cli/verb_report.c).
 */
#ifndef COALMINE_STORE_PICTURE_H
#define COALMINE_STORE_PICTURE_H

#include <stdint.h>

#include "adapters/base/strbuf.h"

struct sqlite3;

enum picture_format { PICTURE_PNG, PICTURE_SVG, PICTURE_PDF };

#define PICTURE_METRICS_MAX 12
#define PICTURE_FILES_MAX (2 * PICTURE_METRICS_MAX + 8)

struct picture {
    struct picture_file {
        char name[32]; /* "timeline.gp", "traffic.dat", "metric1.dat" */
        struct strbuf text;
    } files[PICTURE_FILES_MAX]; /* the script is the first */
    size_t file_count;
};

/*
 * Draw Canary number `canary` of run `run`. The script writes to the file `output` in its own
 * directory. Returns 0, or -ENOENT when the database holds no such Canary, -EIO (reterr says why),
 * -ENOMEM.
 */
int picture_make(struct sqlite3 *db, int64_t run, int64_t canary, enum picture_format format,
                 const char *output, struct picture *ret_picture, char *reterr, size_t reterr_size);
void picture_release(struct picture *p);

#endif
