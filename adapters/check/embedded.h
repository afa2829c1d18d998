/*
 * adapters/check/embedded.h — text files of this repository inside the program
 * (scripts/embed-table.sh).
 */
#ifndef COALMINE_CHECK_EMBEDDED_H
#define COALMINE_CHECK_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name;           /* "canary", "CM101" */
    const unsigned char *bytes; /* followed by a 0 that is not counted */
    size_t len;
};

/* Both end with a NULL name. */
extern const struct embedded_file embedded_crds[];  /* crds/ */
extern const struct embedded_file embedded_pages[]; /* docs/checks/ */

const struct embedded_file *embedded_find(const struct embedded_file *files, const char *name);

#endif
