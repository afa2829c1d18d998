/*
 * engine/checksum.h — the hashes that Flagger puts into the status and into webhook payloads.
 * Source: docs/engine/semantics.md §1.5, §1.8.
 */
#ifndef COALMINE_ENGINE_CHECKSUM_H
#define COALMINE_ENGINE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#define FNV1A_32_INIT 2166136261u
/* FNV-1a, 32 bits, over `len` more bytes; start with FNV1A_32_INIT. */
uint32_t fnv1a_32(uint32_t hash, const char *bytes, size_t len);

#define CHECKSUM_SIZE 11 /* ten digits at most and the NUL */
/* The hash in decimal, each digit mapped to a character that spells no word. */
void checksum_encode(uint32_t hash, char out[CHECKSUM_SIZE]);

struct checksum_config {
    const char *key, *hash; /* "configmap/name", its checksum */
};
/*
 * The checksum of a webhook payload.
 *   configs            NULL = none recorded; else `count` entries sorted by key bytes
 *   last_applied_spec  the status field; NULL reads as ""
 */
void checksum_of_status(const struct checksum_config *configs, size_t count,
                        const char *last_applied_spec, char out[CHECKSUM_SIZE]);

#endif
