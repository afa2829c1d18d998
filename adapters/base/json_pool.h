/*
 * adapters/base/json_pool.h — memory for the nodes and texts of JSON trees.
 *
 * Blocks come from lists of free ones, one for each size and thread. A node is one line of the
 * processor's cache and lies at a multiple of its size; a text never does, and the eight bytes
 * before it tell its size: so any block can be freed without saying what it is. Under
 * AddressSanitizer everything is malloc's, so that it sees each block.
 */
#ifndef COALMINE_BASE_JSON_POOL_H
#define COALMINE_BASE_JSON_POOL_H

#include <stddef.h>

#include "adapters/base/json.h"

#if defined(__SANITIZE_ADDRESS__)
#define JSON_POOLED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define JSON_POOLED 0
#endif
#endif
#ifndef JSON_POOLED
#define JSON_POOLED 1
#endif

/* NULL when memory is out. */
cJSON *json_block_node(void);
char *json_block_text(size_t size);
/* What cJSON asks for: a node or a text, by its size. */
void *json_block_any(size_t size);
/* Either, in any thread; NULL is fine. */
void json_block_free(void *block);

#endif
