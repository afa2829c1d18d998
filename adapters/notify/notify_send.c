/* adapters/notify/notify_send.c — sends a notification; error texts without the address's secret.
 */
#include <errno.h>
#include <string.h>

#include "adapters/metrics/url.h"
#include "adapters/notify/notify.h"

static const char *or_no_memory(const char *text)
{
    return text ? text : "out of memory";
}

/* `Post "URL": cause`, with the URL's secret parts left out. */
static const char *hide_url(const struct notify_target *t, const char *error, struct arena *arena)
{
    const char *open = strchr(error, '"'), *close = open ? strstr(open + 1, "\": ") : NULL;

    if (t->reveal || !open)
        return error;
    if (!close) /* the text was cut within the URL */
        return or_no_memory(arena_printf(arena, "Post \"%s\"", notify_redact(arena, t->address)));
    return or_no_memory(arena_printf(arena, "%.*s\"%s%s", (int)(open - error), error,
                                     notify_redact(arena, t->address), close));
}

const char *notify_send(const struct notify_target *t, const struct notify_message *m,
                        const struct http_client *http, struct arena *arena)
{
    struct http_response response;
    struct http_request req;
    const char *why = "out of memory";
    int rc = notify_request(t, m, arena, &req, &why);

    if (rc == -ENOENT)
        return NULL;
    if (rc != 0)
        return why;
    memset(&response, 0, sizeof response);
    why = url_unusable(arena, "POST", req.url);
    if (!why && http->perform(http->self, &req, &response) != 0)
        why = arena_strdup(arena, response.error);
    else if (!why)
        why = notify_answer(&response, arena);
    else
        response.status = 0;
    if (why && strncmp(why, "postMessage", 11) != 0)
        why = or_no_memory(
            arena_printf(arena, "postMessage failed: sending notification failed to send: %s",
                         hide_url(t, why, arena)));
    http_response_release(&response);
    return why;
}
