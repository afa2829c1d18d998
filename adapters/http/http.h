/*
 * adapters/http/http.h — the one HTTP client interface. Everything that speaks HTTP (Kubernetes,
 * metric servers, webhooks, chat) is written as straight blocking code against `struct
 * http_client`.
 *
 * Three implementations stand behind it: blocking libcurl for command-line verbs; libcurl's multi
 * interface under the operator's event loop (loop.h), where "blocking" parks the calling task and
 * lets the others run; and the simulated cluster, in virtual time.
 */
#ifndef COALMINE_HTTP_HTTP_H
#define COALMINE_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_header {
    const char *name, *value;
};

/* TLS material as PEM text or file paths; all optional, all borrowed. */
struct http_tls {
    const char *ca_pem, *ca_file;
    const char *cert_pem, *cert_file;
    const char *key_pem, *key_file;
    const char *server_name;
    bool insecure; /* do not verify the server */
};

struct http_request {
    const char *method; /* "GET" when NULL */
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* NULL = none */
    size_t body_len;
    int64_t timeout_ms; /* connect through end of body; 0 = none */
    size_t body_max;    /* largest answer kept, in bytes; 0 = 32 MiB; more is cut and marked */
    bool follow_redirects;
    bool no_proxy;
    const struct http_tls *tls;
    const char *proxy_url; /* this proxy instead of the client's rules; NULL = the client's */
    int64_t
        idle_ms; /* stream only: give up (-ETIMEDOUT) when nothing arrives for so long; 0 = never */
};

struct http_response {
    int status;
    struct http_header *headers;
    size_t header_count;
    char *body; /* NUL-terminated, never NULL after success */
    size_t body_len;
    bool truncated;
    char error[512]; /* why there was no answer; Go-like wording, see http_error_text */
    void *storage;   /* what the headers live in; private to http_response_fill and _release */
};

/* Bytes of a streamed answer. Return false to end the stream. */
typedef bool http_on_data(void *ctx, const char *bytes, size_t len);

struct http_client {
    void *self;
    /*
     * Perform one request and wait for its answer. Returns 0 when the server answered, whatever the
     * status; else -ETIMEDOUT, -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH (name or route), -EPROTO
     * (TLS, malformed answer), -EINVAL (URL), -ECANCELED (shutting down), -ENOMEM, with
     * response->error set. Always release the response.
     */
    int (*perform)(void *self, const struct http_request *req, struct http_response *ret_response);
    /*
     * As perform, but hands the body of a 2xx answer to `on_data` as it arrives (Kubernetes watch),
     * on the stack of the caller. Other answers are collected into ret_response. timeout_ms bounds
     * the wait for the header only. A body that breaks off is an error; one ended by on_data is
     * not.
     */
    int (*stream)(void *self, const struct http_request *req, http_on_data *on_data, void *ctx,
                  struct http_response *ret_response);
};

void http_response_release(struct http_response *r);
/* Make an answer of copies, for those who stand in for a server. 0 or -ENOMEM. */
int http_response_fill(struct http_response *r, int status, const struct http_header *headers,
                       size_t header_count, const char *body, size_t body_len);
/* A header of the answer, name compared without case, or NULL. */
const char *http_response_header(const struct http_response *r, const char *name);

/*
 * Why there was no answer, as Go's net/http words it: `Post "http://h:1/x": <cause>`. The method is
 * written `Post`, a password in the URL `***`. `out` is always terminated, and cut when it is too
 * small.
 */
void http_error_text(char *out, size_t out_size, const char *method, const char *url,
                     const char *cause);

/*
 * Where a client may connect to. Link-local addresses (169.254.0.0/16, fe80::/10) and the metadata
 * services of clouds (169.254.169.254, 100.100.100.200, 168.63.129.16, 192.0.0.192, fd00:ec2::254,
 * fd20:ce::254) hand credentials to whoever asks, so URLs that come out of users' manifests are
 * kept from them: the check is made on the address about to be connected to, after names and
 * redirects were resolved.
 */
enum http_reach {
    HTTP_REACH_ANYWHERE,      /* for URLs the administrator gave */
    HTTP_REACH_NO_LINK_LOCAL, /* for URLs out of manifests: hooks, metric servers, chat */
};

/* How one client behaves; all optional, borrowed for the life of the client. */
struct http_options {
    enum http_reach reach;
    const char *user_agent;               /* NULL = "coalmine" */
    const char *http_proxy, *https_proxy; /* as Go reads HTTP_PROXY, HTTPS_PROXY ... */
    const char *no_proxy;                 /* ... and NO_PROXY; loopback is never proxied */
    bool http2; /* offer HTTP/2 over TLS and share one connection per server */
};

/* True when `address` (numeric IPv4 or IPv6, mapped forms too) is one that HTTP_REACH_NO_LINK_LOCAL
 * refuses. */
bool http_address_is_refused(const char *address);

/*
 * A blocking libcurl client with keep-alive, for one thread at a time. `options` may be NULL. NULL
 * when memory is out.
 */
struct http_client *http_client_curl_new_with(const struct http_options *options);
struct http_client *http_client_curl_new(void);
void http_client_curl_free(struct http_client *c);

#endif
