#include "adapters/kube/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct reason_row {
    enum kube_reason reason;
    const char *name; /* Status.reason */
    int http_status;  /* what it is when there is no Status; 0 = never guessed */
    int error;
} reasons[] = {
    {KUBE_OK, "", 0, 0},
    {KUBE_BAD_REQUEST, "BadRequest", 400, -EINVAL},
    {KUBE_UNAUTHORIZED, "Unauthorized", 401, -EPERM},
    {KUBE_FORBIDDEN, "Forbidden", 403, -EACCES},
    {KUBE_NOT_FOUND, "NotFound", 404, -ENOENT},
    {KUBE_METHOD_NOT_ALLOWED, "MethodNotAllowed", 405, -EIO},
    {KUBE_CONFLICT, "Conflict", 409, -EBUSY},
    {KUBE_ALREADY_EXISTS, "AlreadyExists", 0, -EEXIST},
    {KUBE_GONE, "Expired", 410, -ESTALE},
    {KUBE_GONE, "Gone", 0, -ESTALE},
    {KUBE_INVALID, "Invalid", 422, -EINVAL},
    {KUBE_TOO_MANY_REQUESTS, "TooManyRequests", 429, -EAGAIN},
    {KUBE_SERVER, "InternalError", 500, -EIO},
    {KUBE_SERVER, "ServiceUnavailable", 503, -EIO},
    {KUBE_TIMEOUT, "Timeout", 504, -ETIMEDOUT},
    {KUBE_TIMEOUT, "ServerTimeout", 0, -ETIMEDOUT},
    {KUBE_OTHER, "Unknown", 0, -EIO},
    {KUBE_MALFORMED, "Malformed", 0, -EPROTO},
    {KUBE_TRANSPORT, "NoAnswer", 0, -EIO},
    {KUBE_REFUSED, "Refused", 0, -EACCES},
    {KUBE_CANCELED, "Canceled", 0, -ECANCELED},
};
#define REASON_COUNT (sizeof reasons / sizeof reasons[0])

const char *kube_reason_name(enum kube_reason reason)
{
    size_t i;

    for (i = 0; i < REASON_COUNT; i++)
        if (reasons[i].reason == reason)
            return reasons[i].name;
    return "Unknown";
}

int kube_reason_errno(enum kube_reason reason)
{
    size_t i;

    for (i = 0; i < REASON_COUNT; i++)
        if (reasons[i].reason == reason)
            return reasons[i].error;
    return -EIO;
}

static enum kube_reason reason_of(const char *name, int http_status)
{
    size_t i;

    if (name)
        for (i = 1; i < REASON_COUNT; i++)
            if (strcmp(reasons[i].name, name) == 0)
                return reasons[i].reason;
    for (i = 1; i < REASON_COUNT; i++)
        if (reasons[i].http_status == http_status)
            return reasons[i].reason;
    return http_status >= 500 ? KUBE_SERVER : KUBE_OTHER;
}

/* Cut at a character, not in the middle of one. */
static void set_message(struct kube_error *e, const char *text, size_t len)
{
    size_t max = sizeof e->message - 1;

    if (len <= max) {
        memcpy(e->message, text, len);
        e->message[len] = '\0';
        return;
    }
    max -= 3;
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    memcpy(e->message, text, max);
    memcpy(e->message + max, "...", 4);
}

/* client-go's words for an answer that carries no Status. */
static const char *generic_text(int http_status)
{
    switch (http_status) {
    case 400:
        return "the server rejected our request for an unknown reason";
    case 401:
        return "the server has asked for the client to provide credentials";
    case 404:
        return "the server could not find the requested resource";
    case 405:
        return "the server does not allow this method on the requested resource";
    case 406:
        return "the server was unable to respond with a content type that the client supports";
    case 409:
        return "the server reported a conflict";
    case 415:
        return "the server was unable to accept the request content type";
    case 422:
        return "the server rejected our request due to an error in our request";
    case 429:
        return "the server has received too many requests and has asked us to try again later";
    case 503:
        return "the server is currently unable to handle the request";
    case 504:
        return "the server was unable to return a response in the time allotted, but may still be "
               "processing the request";
    default:
        return http_status >= 500
                   ? "an error on the server has prevented the request from succeeding"
                   : "the server responded with an unexpected status";
    }
}

static void describe_plain(struct kube_error *e, int http_status, const char *body, size_t len,
                           const char *what)
{
    char text[sizeof e->message];
    int body_len = len < 512 ? (int)len : 512;

    while (body_len > 0 && (body[body_len - 1] == '\n' || body[body_len - 1] == '\r'))
        body_len--;
    if (http_status == 403) /* what is forbidden is only in the body */
        snprintf(text, sizeof text, "forbidden: %.*s", body_len, body);
    else if (http_status >= 500 && body_len > 0)
        snprintf(text, sizeof text,
                 "an error on the server (\"%.*s\") has prevented the request from succeeding (%s)",
                 body_len, body, what);
    else
        snprintf(text, sizeof text, "%s (%s)", generic_text(http_status), what);
    set_message(e, text, strlen(text));
}

/* Seconds only: the other form, a date, the API server never sends. */
static int64_t retry_after_ms(const char *text)
{
    int64_t seconds = 0;

    if (!text || !*text)
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || seconds > 86400)
            return 0;
        seconds = seconds * 10 + (*text - '0');
    }
    return seconds * 1000;
}

void kube_error_parse(int http_status, const char *body, size_t len, const char *retry_after,
                      const char *what, struct kube_error *ret_error)
{
    cJSON *status = len > 0 && body[0] == '{' ? json_parse(body, len, NULL) : NULL;
    const char *message = json_str(status, "message");
    const char *kind = json_str(status, "kind");
    int64_t seconds = json_int(json_get(status, "details"), "retryAfterSeconds", 0);

    memset(ret_error, 0, sizeof *ret_error);
    ret_error->code = http_status;
    ret_error->retry_after_ms = retry_after_ms(retry_after);
    if (!kind || strcmp(kind, "Status") != 0) {
        ret_error->reason = reason_of(NULL, http_status);
        describe_plain(ret_error, http_status, body, len, what);
        json_free(status);
        return;
    }
    ret_error->reason = reason_of(json_str(status, "reason"), http_status);
    if (ret_error->retry_after_ms == 0 && seconds > 0 && seconds <= 86400)
        ret_error->retry_after_ms = seconds * 1000;
    if (message && *message)
        set_message(ret_error, message, strlen(message));
    else
        describe_plain(ret_error, http_status, "", 0, what);
    json_free(status);
}
