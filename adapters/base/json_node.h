/*
 * adapters/base/json_node.h — the nodes and texts of JSON trees.
 *
 * A tree of a Kubernetes object is a hundred small blocks, made and dropped many times a tick. They
 * come from a pool (json_pool.h); cJSON is told to use it too, so any node may be freed by either.
 * Member names that Kubernetes uses everywhere are constants, not copies (cJSON_StringIsConst).
 */
#ifndef COALMINE_BASE_JSON_NODE_H
#define COALMINE_BASE_JSON_NODE_H

#include "adapters/base/json.h"

/* All NULL when memory is out. */
cJSON *json_node_new(int type);
cJSON *json_node_text(const char *s, size_t len); /* a string; the text is copied */
char *json_text_new(size_t size);
void json_text_free(char *text);
/* Set the name of a member that has none yet. False when memory is out. */
bool json_node_name(cJSON *v, const char *name, size_t len);
/* The same for one that may have a name. */
bool json_node_rename(cJSON *v, const char *name, size_t len);
/* Append to an array or object whose last child is known; NULL = it has none yet. */
void json_node_append(cJSON *parent, cJSON *last, cJSON *child);
/* Put `child` where `old` is, which is freed. */
void json_node_replace(cJSON *parent, cJSON *old, cJSON *child);

#endif
