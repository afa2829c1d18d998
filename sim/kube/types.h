/*
 * sim/kube/types.h — the fields of the built-in kinds, as a table of text.
 *
 * One line a type, `Name field:type …`. Types: s string, i integer, l 64-bit integer, n number, b
 * boolean, q quantity, x integer or string, * anything, m map of strings, mq map of quantities; [T]
 * a list, [T/key] a list merged by a key, [s/] a set, {T} a map, else another type's name. Source:
 * the Go types of k8s.io/api and their patchStrategy tags.
 */
#ifndef COALMINE_SIM_KUBE_TYPES_H
#define COALMINE_SIM_KUBE_TYPES_H

#include "sim/kube/internal.h"

/* The schema of a built-in type, compiled in `arena`; NULL when the table does not name it. */
struct sk_schema *sk_types_compile(struct arena *arena, struct sk_map *done, const char *name);

#endif
