/*
 * adapters/hook/hook.h — webhooks: gates, tests and event listeners of a rollout.
 *
 * One POST of a small JSON, retried as Flagger retries it. A final status of 200, 201 or 202 is a
 * yes; everything else is a no, with the text that reaches the event. Bodies are bytes for bytes
 * Flagger's. Source: docs of the Canary's analysis.webhooks; Flagger 1.44
 * pkg/controller/webhook.go.
 */
#ifndef COALMINE_HOOK_HOOK_H
#define COALMINE_HOOK_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/arena.h"
#include "adapters/base/clock.h"
#include "adapters/base/strbuf.h"
#include "adapters/http/http.h"

#define HOOK_BODY_MAX (64u * 1024u) /* of an answer; more is cut and marked */
#define HOOK_CUT_MARK " [cut at 64 KiB]"

struct hook_pair {
    const char *key, *value;
};

struct hook_payload {
    const char *name, *name_space;    /* of the canary */
    const char *phase;                /* "Progressing", ... */
    const char *checksum;             /* engine/checksum.h */
    const struct hook_pair *metadata; /* in any order; of equal keys the last wins */
    size_t metadata_count;
};
/* The body, as encoding/json prints it: keys of metadata sorted, < > & escaped, no newline. */
void hook_body(const struct hook_payload *p, struct strbuf *out);

/*
 * The payload of the event webhook: metadata is the message, the type ("Normal", "Warning") and the
 * time, then the hook's own entries; these cannot replace the first three.
 */
void hook_event_body(const struct hook_payload *p, const char *message, const char *type,
                     int64_t at_ms, struct strbuf *out);

struct hook_call {
    const char *url;
    const char *timeout;           /* as written; NULL or "" = 10s, per attempt */
    bool short_timeout_is_default; /* also one of a single character, as for all but event hooks */
    int64_t retries;               /* attempts after the first; negative = 0 */
    bool disable_tls;              /* do not verify the server, and use no proxy */
    const char *body;
    size_t body_len;
};

struct hook_answer {
    bool ok;
    int status; /* the last one; 0 = none */
    unsigned attempts;
    bool from_body;   /* `text` is the server's own */
    const char *text; /* why not, in the arena; may be "". Borrow for the step, never log blindly */
    const char *body; /* the server's own words where `text` has none of them; may be "" */
};

/*
 * Call and wait, retries and pauses included. Never fails: the answer tells. Use a client with
 * HTTP_REACH_NO_LINK_LOCAL for URLs out of manifests. Every failed attempt but the last is followed
 * by a pause of 1 s, 2 s, 4 s ... at most 30 s, or of what Retry-After says on 429 and 503 (at most
 * HOOK_RETRY_AFTER_MAX_MS).
 */
void hook_perform(const struct hook_call *call, const struct http_client *http,
                  const struct clock *clock, struct arena *arena, struct hook_answer *ret_answer);
#define HOOK_RETRY_AFTER_MAX_MS 600000

/*
 * Why not, with status and body where Flagger's text drops them: "… giving up after 1 attempt(s):
 * status 500: no route to host" (deviation hook-error-body). In the arena; never NULL.
 */
const char *hook_full_text(struct arena *arena, const struct hook_answer *a);

/* ---- pure parts, for tests and for the simulated world ----------- */

/* Is this outcome tried again? `error`: 0, or the client's negative error. */
bool hook_is_retried(int error, int status, const char *error_text);
/* The pause before the attempt after `attempt` (from 0). retry_after: the header or NULL; now_ms:
 * wall time. */
int64_t hook_pause_ms(unsigned attempt, int status, const char *retry_after, int64_t now_ms);

#endif
