/*
 * adapters/http/curl_transfer.h — one request as a libcurl easy handle; shared by the blocking
 * client and the loop.
 *
 * Not for use outside adapters/http.
 */
#ifndef COALMINE_HTTP_CURL_TRANSFER_H
#define COALMINE_HTTP_CURL_TRANSFER_H

#define LAZY_CURL
#include "adapters/http/lazy.h"
#include <stdbool.h>
#include <stddef.h>

#include "adapters/base/strbuf.h"
#include "adapters/http/http.h"

#define ADDRESS_TEXT_MAX 80u

struct transfer {
    CURL *easy;
    const struct http_request *req;     /* borrowed for the transfer */
    const struct http_options *options; /* never NULL */
    struct curl_slist *headers, *connect_to;
    CURLU *url;
    struct strbuf header_text; /* of the last answer: 100s and redirects are forgotten */
    struct strbuf body;
    size_t body_max;
    bool streaming; /* hand a 2xx body to on_bytes */
    bool plain;     /* in: a shorter way may be taken, which follows no redirects; out: it is */
    bool answered;  /* the final header is complete */
    bool cut;       /* body_max was reached */
    bool refused;   /* by options->reach */
    /* Streaming: takes bytes as they come; returns what libcurl's write callback should. */
    size_t (*on_bytes)(void *ctx, const char *bytes, size_t len);
    void *ctx;
    char address[ADDRESS_TEXT_MAX]; /* the first one dialled: "10.0.0.1:80", "[::1]:80" */
    char curl_text[CURL_ERROR_SIZE];
};

/* Fill `easy` (fresh or reset). 0; or -EINVAL, -ENOMEM with ret_response->error set. Call
 * transfer_end in any case. */
int transfer_begin(struct transfer *t, CURL *easy, const struct http_request *req,
                   const struct http_options *options, struct http_response *ret_response);
/* libcurl is done with `code`: fill the response. 0 or the client's -Exxx with its error text. */
int transfer_finish(struct transfer *t, CURLcode code, struct http_response *ret_response);
/* The error text for a cause of our own, such as being cancelled. Returns `error`. */
int transfer_fail(const struct http_request *req, int error, const char *cause,
                  struct http_response *ret_response);
/* The short way ended in a redirect, which is to be followed: begin anew, without `plain`. */
bool transfer_was_redirected(const struct transfer *t, const struct http_response *response);
/* Status of the answer so far, 0 before there is one. */
int transfer_status(const struct transfer *t);
void transfer_end(struct transfer *t);

extern const struct http_options transfer_default_options;

#endif
