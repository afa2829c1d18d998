/*
 * adapters/http/server.h — the one HTTP server (libmicrohttpd), for /metrics, /healthz, the load
 * tester and the simulated cluster.
 *
 * A handler gets a call and answers it: at once, later, or as a stream. In a loop
 * (server_start_on_loop) all of it happens on the loop's thread, and a handler that must wait
 * spawns a task and answers from there. On a thread of its own (server_start_thread) handlers run
 * on that thread, and calls may be answered from any thread.
 */
#ifndef COALMINE_HTTP_SERVER_H
#define COALMINE_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/http/http.h"
#include "adapters/http/loop.h"

struct server;
struct server_call;

/* Answer `call`, now or later, exactly once. Must not wait. */
typedef void server_handler(void *ctx, struct server_call *call);

struct server_options {
    const char *address; /* numeric, "127.0.0.1"; NULL = every address, IPv4 and IPv6 */
    uint16_t port;       /* 0 = any free port, see server_port */
    server_handler *handler;
    void *ctx;
    size_t body_max; /* larger requests are answered 413; 0 = 4 MiB */
    unsigned idle_s; /* close a connection silent for so long; 0 = 60. Streams are exempt. */
    const char *cert_pem, *key_pem; /* TLS when both are given */
};

/* 0, -EADDRINUSE, -EACCES, -EINVAL, or -ENOMEM. The server stops with server_stop. */
int server_start_on_loop(struct loop *l, const struct server_options *options,
                         struct server **ret_server);
int server_start_thread(const struct server_options *options, struct server **ret_server);
/* Close the port and all connections; unanswered calls are dropped. NULL is fine. */
void server_stop(struct server *s);
uint16_t server_port(const struct server *s);

/* ---- the question; borrowed until the call is answered
 * ------------------------------------------------ */
const char *call_method(const struct server_call *c);
const char *call_path(const struct server_call *c); /* percent-decoded, without the query */
const char *call_query(const struct server_call *c,
                       const char *name); /* decoded; "" without "="; NULL when absent */
const char *call_header(const struct server_call *c, const char *name);
const char *call_body(const struct server_call *c,
                      size_t *ret_len); /* NUL-terminated, never NULL */
/* A value of the handler's own that travels with the call. */
void call_set_data(struct server_call *c, void *data);
void *call_data(const struct server_call *c);

/* ---- the answer
 * ------------------------------------------------------------------------------------------ */
/* One whole answer; everything is copied. `type` is the Content-Type. The call is gone afterwards.
 */
void call_answer(struct server_call *c, int status, const char *type, const char *body, size_t len);
/* A header for the answer to come. */
void call_add_header(struct server_call *c, const char *name, const char *value);
/*
 * A streamed answer: begin, write any number of times, end. Between begin and end `on_gone` (may be
 * NULL) is called once when the client went away (noticed at the next write) or the server stops;
 * the call is gone then, and no more may be written to it.
 */
void call_stream_begin(struct server_call *c, int status, const char *type,
                       void (*on_gone)(void *ctx, struct server_call *c), void *ctx);
/* Copied and sent as soon as the client takes it. Returns the bytes not yet taken. */
size_t call_stream_write(struct server_call *c, const char *bytes, size_t len);
/* The call is gone afterwards. */
void call_stream_end(struct server_call *c);

#endif
