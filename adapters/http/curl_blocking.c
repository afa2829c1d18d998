#include "adapters/http/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/clock.h"
#include "adapters/http/curl_transfer.h"

struct blocking {
    struct http_client client;
    const struct http_options *options;
    CURL *easy; /* kept, and with it its open connections */
};

/* A stream's own limits, which libcurl does not have: time until the header, and silence after it.
 */
struct blocking_stream {
    struct transfer *transfer;
    const struct http_request *req;
    http_on_data *on_data;
    void *ctx;
    int64_t last_ms;
    bool ended_by_us, timed_out;
};

static size_t stream_bytes(void *ctx, const char *bytes, size_t len)
{
    struct blocking_stream *s = ctx;
    const struct clock *clock = clock_real();

    s->last_ms = clock->mono_ms(clock->self);
    if (s->on_data(s->ctx, bytes, len))
        return len;
    s->ended_by_us = true;
    return 0;
}

static int stream_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct blocking_stream *s = ctx;
    const struct clock *clock = clock_real();
    int64_t limit = s->transfer->answered ? s->req->idle_ms : s->req->timeout_ms;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    if (limit <= 0 || clock->mono_ms(clock->self) - s->last_ms < limit)
        return 0;
    s->timed_out = true;
    return 1;
}

static CURL *take_easy(struct blocking *b)
{
    if (b->easy)
        curl_easy_reset(b->easy);
    else
        b->easy = curl_easy_init();
    return b->easy;
}

static int blocking_perform(void *self, const struct http_request *req,
                            struct http_response *ret_response)
{
    struct blocking *b = self;
    struct transfer t = {0};
    CURL *easy = take_easy(b);
    int r;

    if (!easy)
        return transfer_fail(req, -ENOMEM, "out of memory", ret_response);
    r = transfer_begin(&t, easy, req, b->options, ret_response);
    if (r == 0)
        r = transfer_finish(&t, curl_easy_perform(easy), ret_response);
    transfer_end(&t);
    return r;
}

static int blocking_stream(void *self, const struct http_request *req, http_on_data *on_data,
                           void *ctx, struct http_response *ret_response)
{
    struct blocking *b = self;
    struct transfer t = {.streaming = true};
    struct blocking_stream s = {.transfer = &t, .req = req, .on_data = on_data, .ctx = ctx};
    const struct clock *clock = clock_real();
    CURL *easy = take_easy(b);
    CURLcode code;
    int r;

    if (!easy)
        return transfer_fail(req, -ENOMEM, "out of memory", ret_response);
    t.on_bytes = stream_bytes;
    t.ctx = &s;
    r = transfer_begin(&t, easy, req, b->options, ret_response);
    if (r == 0) {
        s.last_ms = clock->mono_ms(clock->self);
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, stream_progress);
        curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &s);
        code = curl_easy_perform(easy);
        if (s.timed_out)
            r = transfer_fail(req, -ETIMEDOUT, "context deadline exceeded", ret_response);
        else
            r = transfer_finish(&t, s.ended_by_us ? CURLE_OK : code, ret_response);
    }
    transfer_end(&t);
    return r;
}

struct http_client *http_client_curl_new_with(const struct http_options *options)
{
    struct blocking *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    b->options = options ? options : &transfer_default_options;
    b->client.self = b;
    b->client.perform = blocking_perform;
    b->client.stream = blocking_stream;
    return &b->client;
}

struct http_client *http_client_curl_new(void)
{
    return http_client_curl_new_with(NULL);
}

void http_client_curl_free(struct http_client *c)
{
    struct blocking *b;

    if (!c)
        return;
    b = c->self;
    if (b->easy)
        curl_easy_cleanup(b->easy);
    free(b);
}
