/*
 * adapters/kube/peek.h — which version of which object a text brings, without reading it.
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

/* True when the object's name and version were found. */
bool peek_object(const char *text, size_t len, struct peek *ret_peek);
/* The same of a watch event that tells of an object that came or changed. */
bool peek_event(const char *line, size_t len, struct peek *ret_peek);

#endif
