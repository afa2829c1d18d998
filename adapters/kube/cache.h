/*
 * adapters/kube/cache.h — what the API server holds of one kind, kept up to date by a watch, so
 * that looking costs no request.
 *
 * Entries are compact JSON text, after `keep` threw away what nobody reads (managedFields always
 * goes): a tenth of the memory of a tree. The trees of those that are being read or written are
 * kept too, and shared with the readers (json_share), so that an object is parsed once for each of
 * its versions; a large cache deflates the rest. Entries are ordered by namespace and name, so
 * iteration is the same every time.
 *
 * A program that writes must not decide on a view older than its own writes. Two ways: hand the
 * answer of a write to kube_cache_observe, which stores it unless the watch has brought something
 * newer; or ask kube_cache_has_seen.
 */
#ifndef COALMINE_KUBE_CACHE_H
#define COALMINE_KUBE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/kube/watch.h"

struct kube_entry {
    const char *ns, *name, *uid, *resource_version;
};

struct kube_cache_options {
    struct watch_options watch; /* its strings are borrowed for the life of the cache */
    /* Edit `object` down to what is worth keeping; false = keep nothing of it (as if it did not
     * exist). NULL = all. */
    bool (*keep)(void *ctx, cJSON *object);
    /*
     * An entry came, changed or went (`entry` is the new one, or the last one known; borrowed for
     * the call; `type` ADDED, MODIFIED or DELETED). Not called when the resourceVersion is the one
     * we had. Must not wait. May be NULL.
     */
    void (*on_change)(void *ctx, enum watch_event type, const struct kube_entry *entry);
    /* The first list is complete; may be NULL. */
    void (*on_synced)(void *ctx);
    /* As watch_sink's. */
    void (*on_failure)(void *ctx, const struct kube_error *error, int64_t pause_ms);
    void *ctx;
};

struct kube_cache;

/* NULL when memory is out. */
struct kube_cache *kube_cache_new(struct kube_client *c, const struct kube_cache_options *options);
/* Its kube_cache_run must have returned. NULL is fine. */
void kube_cache_free(struct kube_cache *cache);

/* The body of the task that feeds the cache; see watch_run. */
int kube_cache_run(struct kube_cache *cache);
/* Make kube_cache_run return at its next wake; cancel its task to wake it now. */
void kube_cache_stop(struct kube_cache *cache);

/* The first list is complete. */
bool kube_cache_has_synced(const struct kube_cache *cache);
/* When the server was last heard of (list, event, bookmark), by mono_ms; -1 = never. */
int64_t kube_cache_heard_ms(const struct kube_cache *cache);
size_t kube_cache_count(const struct kube_cache *cache);
/* Bytes held by entries. */
size_t kube_cache_bytes(const struct kube_cache *cache);

/* NULL when absent. Borrowed until the next time anything waits (HTTP, sleep) or writes to the
 * cache. */
const struct kube_entry *kube_cache_get(const struct kube_cache *cache, const char *ns,
                                        const char *name);
/* The index-th entry in order, or NULL past the end. */
const struct kube_entry *kube_cache_at(const struct kube_cache *cache, size_t index);
/* A share of an entry's tree (json_own it to change it). NULL when absent (or memory is out). */
cJSON *kube_cache_read(struct kube_cache *cache, const char *ns, const char *name);
/* The same, borrowed as the entry is. */
const cJSON *kube_cache_look(struct kube_cache *cache, const struct kube_entry *entry);
/* An entry as compact text, which the caller frees. NULL when memory is out. */
char *kube_cache_text(const struct kube_cache *cache, const struct kube_entry *entry);
/* Drop the trees that nobody read since the last call, or all; the text of their entries stays. */
void kube_cache_cool(struct kube_cache *cache, bool all);

/*
 * Store the answer of one's own write, unless something newer is held. `object` stays the caller's,
 * who may not change it any more: the cache trims and shares it. 0 or -ENOMEM, -EINVAL.
 */
int kube_cache_observe(struct kube_cache *cache, cJSON *object);
/*
 * The cache holds this object at `resource_version` or newer, or has learned since (by a list or
 * event newer than that version) that it is gone.
 */
bool kube_cache_has_seen(const struct kube_cache *cache, const char *ns, const char *name,
                         const char *resource_version);

/* The sink that feeds this cache, for tests and other sources than kube_cache_run. */
const struct watch_sink *kube_cache_sink(struct kube_cache *cache);

#endif
