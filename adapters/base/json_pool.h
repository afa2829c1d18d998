/*
 * adapters/base/json_pool.h — memory for the nodes and texts of JSON trees.
 *
 * Blocks come from lists of free ones, one for each size and thread. A chunk of them lies at a
 * multiple of its own size and says at its begin how large its blocks are: a block has no head, so a
 * node is one line of the processor's cache. Under AddressSanitizer everything is malloc's, so that
 * it sees each block.
 */
#ifndef COALMINE_BASE_JSON_POOL_H
#define COALMINE_BASE_JSON_POOL_H

#include <stddef.h>

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

/* NULL when memory is out. Any thread may free it; NULL is fine. */
void *json_block_new(size_t size);
void json_block_free(void *block);

#endif
