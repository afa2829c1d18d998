/*
 * adapters/notify/notify.h — alerts into chat rooms: Slack, Microsoft Teams, Discord, Rocket.Chat,
 * Google Chat.
 *
 * The address of a chat hook is a secret: whoever has it can post. No text from here holds more of
 * it than scheme and host, unless the caller asks for Flagger's own texts. Source: docs of the
 * AlertProvider; Flagger 1.44 pkg/notifier; recorded in tests/conformance/notifications.jsonl.
 */
#ifndef COALMINE_NOTIFY_NOTIFY_H
#define COALMINE_NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/base/arena.h"
#include "adapters/http/http.h"

/* Where alerts go. Borrowed. NULL reads as "". */
struct notify_target {
    const char *type; /* slack discord rocket msteams gchat */
    const char *address;
    const char *token; /* slack only */
    const char *proxy; /* URL, or none: the client's */
    const char *username, *channel;
    bool reveal; /* error texts show the whole address, as Flagger's do */
};

struct notify_field {
    const char *name, *value;
};
struct notify_message {
    const char *workload, *name_space;
    const char *text;
    const char *severity; /* info warn error */
    const struct notify_field *fields;
    size_t field_count;
};

/* The types there are, NULL-terminated, in the order of the CRD. */
const char *const *notify_types(void);
/* NULL when the target can be used, else why not: "provider pagerduty not supported". An empty
 * address can: it sends nothing. */
const char *notify_check(const struct notify_target *t, struct arena *arena);
/*
 * The request of a message, everything in `arena`. Returns 0; -ENOENT when there is nothing to send
 * to (no address); -EINVAL with *reterr; -ENOMEM.
 */
int notify_request(const struct notify_target *t, const struct notify_message *m,
                   struct arena *arena, struct http_request *ret_request, const char **reterr);
/* NULL when the answer says sent, else why not. */
const char *notify_answer(const struct http_response *response, struct arena *arena);
/* Send, within five seconds, once. NULL when sent, else why not. */
const char *notify_send(const struct notify_target *t, const struct notify_message *m,
                        const struct http_client *http, struct arena *arena);
/*
 * May an alert of `message` severity pass an entry that asks for `entry`? info lets all pass, warn
 * those but info, error only error. An entry without severity lets nothing pass in Flagger;
 * `as_flagger` false reads it as info.
 */
bool notify_passes(const char *entry, const char *message, bool as_flagger);
/* The parts of an address that may be shown: "https://hooks.slack.com/...". */
const char *notify_redact(struct arena *arena, const char *address);

#endif
