/*
 * adapters/manifest/scalar.h — what an unquoted YAML scalar means to kubectl.
 *
 * YAML 1.1 as go-yaml v2 resolves it, which kubectl reads through sigs.k8s.io/yaml: `yes` and `on`
 * are true, `010` is 8, `0o17` is 15, `1_000` is 1000, `1e3` is a float, `09` is the float 9, `~`
 * is null, and a date stays a string.
 */
#ifndef COALMINE_MANIFEST_SCALAR_H
#define COALMINE_MANIFEST_SCALAR_H

#include "adapters/manifest/node.h"

/* Set kind and value of `n` from its text, which was written without quotes and tag. */
void scalar_resolve(struct node *n);

#endif
