/*
 * adapters/kube/watch.h — list, then watch, for ever: what client-go calls a reflector.
 *
 * A watch hands its sink the full list, then each change in order. A broken stream is taken up from
 * the last resourceVersion (bookmarks keep it fresh); when the server has forgotten that version
 * (410), everything is listed again. Failures are waited out with growing, jittered pauses (0.8 s
 * doubling to 30 s, reset after 2 min of success).
 */
#ifndef COALMINE_KUBE_WATCH_H
#define COALMINE_KUBE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/kube/client.h"

enum watch_event { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_BOOKMARK, WATCH_ERROR };

/* ---- the stream's bytes
 * ------------------------------------------------------------------------------------ */

/* Cuts a watch stream into events. */
struct watch_decoder;
struct watch_decoder *watch_decoder_new(size_t line_max); /* 0 = 8 MiB */
void watch_decoder_free(struct watch_decoder *d);
/*
 * Feed bytes; each whole event calls `on_event` with its object, which the callee frees. Return
 * false from it to stop. 0; -EPROTO for what is no watch event (`reterr`, 256 bytes, says why);
 * -EMSGSIZE for a line over the limit; -ECANCELED when on_event stopped; -ENOMEM.
 */
typedef bool watch_on_event(void *ctx, enum watch_event type, cJSON *object);
/*
 * Most events tell a writer of its own writes. Before an object that came or changed is parsed, its
 * namespace ("" without), name and version are looked for; when `is_known` says true, that was all
 * that is read of it, and on_event is not called.
 */
typedef bool watch_is_known(void *ctx, const char *ns, const char *name, const char *version);
void watch_decoder_skip(struct watch_decoder *d, watch_is_known *is_known, void *ctx);
int watch_decoder_feed(struct watch_decoder *d, const char *bytes, size_t len,
                       watch_on_event *on_event, void *ctx, char *reterr, size_t reterr_size);

/* ---- the reflector
 * ---------------------------------------------------------------------------------------- */

/* Where events go. Callbacks run on the watching task and must not keep it from reading for long.
 */
struct watch_sink {
    void *ctx;
    void (*list_begin)(void *ctx);
    void (*list_item)(void *ctx, cJSON *object); /* the callee frees it */
    /* The list is whole, as of `resource_version`: what was not in it is gone. A broken list is
     * begun anew instead. */
    void (*list_end)(void *ctx, const char *resource_version);
    /* ADDED, MODIFIED or DELETED; the callee frees `object`. */
    void (*changed)(void *ctx, enum watch_event type, cJSON *object);
    /* This version, or a newer one, is held already: `changed` need not be called with it. May be
     * NULL. */
    watch_is_known *known;
    /* Something failed and will be tried again in `pause_ms`; may be NULL. */
    void (*failed)(void *ctx, const struct kube_error *error, int64_t pause_ms);
};

struct watch_options {
    const struct kube_resource *resource;
    const char *ns; /* NULL or "" = all */
    const char *label_selector, *field_selector;
    bool metadata_only;
    int64_t page_size;     /* of lists; 0 = 100 */
    int64_t timeout_s_min; /* the server ends a watch after a random time from this to twice it; 0 =
                              300 */
};

/*
 * Runs until its task is cancelled (or `stop`, if not NULL, points to true): returns -ECANCELED
 * then, or -ENOMEM. Forbidden and NotFound (a CRD that is not installed) are failures like others,
 * tried again.
 */
int watch_run(struct kube_client *c, const struct watch_options *options,
              const struct watch_sink *sink, const bool *stop);

#endif
