/* adapters/cli/gnuplot.h — a picture drawn: its script and data in a directory of its own. */
#ifndef COALMINE_CLI_GNUPLOT_H
#define COALMINE_CLI_GNUPLOT_H

#include "adapters/store/picture.h"

/* What gnuplot is told to write; the ending says the format. */
const char *gnuplot_output(enum picture_format format);
/*
 * The bytes that gnuplot makes of a picture whose style named gnuplot_output(). Returns 0 or
 * EXIT_WORLD after telling what is wrong.
 */
int gnuplot_draw(const struct picture *p, enum picture_format format, struct strbuf *ret_bytes);
/* Script and data for people who want their own picture; the directory is made. */
int gnuplot_keep(const struct picture *p, const char *directory);

#endif
