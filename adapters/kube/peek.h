/*
 * adapters/kube/peek.h — which version of which object a watch event brings, without reading it.
 *
 * What cannot be told at a glance (a deletion, an escape in a name, a text that is no JSON) is left
 * to the parser.
 */
#ifndef COALMINE_KUBE_PEEK_H
#define COALMINE_KUBE_PEEK_H

#include <stdbool.h>
#include <stddef.h>

struct peek {
    char ns[256], name[256], version[64];
};

/* True for an object that came or changed whose name and version were found. */
bool peek_event(const char *line, size_t len, struct peek *ret_peek);

#endif
