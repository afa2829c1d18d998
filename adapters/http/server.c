#include "adapters/http/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#define LAZY_MHD
#include "adapters/http/lazy.h"
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "adapters/base/strbuf.h"

#define BODY_MAX_DEFAULT (4u * 1024u * 1024u)
#define IDLE_S_DEFAULT 60u
#define STREAM_BLOCK_BYTES 16384u

struct server {
    struct MHD_Daemon *daemon;
    struct loop *loop; /* NULL: on a thread of its own */
    server_handler *handler;
    void *ctx;
    size_t body_max;
    uint16_t port;
    int epoll_fd;
    bool stopping;
    bool must_run; /* on a loop: libmicrohttpd has not seen yet what was resumed */
    struct server_call *calls;
    /* Guards the calls, for a server on its own thread; never held while the handler runs. */
    pthread_mutex_t lock;
};

enum call_state {
    CALL_READING, /* the body is coming in */
    CALL_ASKED,   /* with the handler */
    CALL_ANSWERED,
    CALL_STREAMING,
    CALL_ENDED /* a stream that has been written to its end */
};

struct server_call {
    struct server *server;
    struct MHD_Connection *connection;
    enum call_state state;
    bool suspended, too_large;
    char *method, *path;
    struct strbuf body;
    void *data;
    struct http_header *headers; /* of the answer; owned texts */
    size_t header_count;
    struct MHD_Response *response;
    int status;
    struct strbuf stream; /* written; the first stream_taken bytes are gone already */
    size_t stream_taken;
    struct server_call *prev, *next; /* among the server's calls */
    void (*on_gone)(void *ctx, struct server_call *c);
    void *gone_ctx;
};

static void lock(struct server *s)
{
    pthread_mutex_lock(&s->lock);
}

static void unlock(struct server *s)
{
    pthread_mutex_unlock(&s->lock);
}

/* ---- calls
 * --------------------------------------------------------------------------------------------- */

static struct server_call *call_new(struct server *s, struct MHD_Connection *connection,
                                    const char *method, const char *path)
{
    struct server_call *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->server = s;
    c->connection = connection;
    c->method = strdup(method);
    c->path = strdup(path);
    if (c->method && c->path) {
        lock(s);
        c->next = s->calls;
        if (s->calls)
            s->calls->prev = c;
        s->calls = c;
        unlock(s);
        return c;
    }
    free(c->method);
    free(c->path);
    free(c);
    return NULL;
}

static void call_free(struct server_call *c)
{
    struct server *s = c->server;
    size_t i;

    lock(s);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->calls = c->next;
    if (c->next)
        c->next->prev = c->prev;
    unlock(s);
    for (i = 0; i < c->header_count; i++) {
        char *name, *value;
        memcpy(&name, &c->headers[i].name, sizeof name);
        memcpy(&value, &c->headers[i].value, sizeof value);
        free(name);
        free(value);
    }
    free(c->headers);
    if (c->response)
        MHD_destroy_response(c->response);
    strbuf_release(&c->body);
    strbuf_release(&c->stream);
    free(c->method);
    free(c->path);
    free(c);
}

/* With the lock held: let libmicrohttpd look at the connection again. */
static void resume(struct server_call *c)
{
    if (!c->suspended)
        return;
    c->suspended = false;
    c->server->must_run = true;
    MHD_resume_connection(c->connection);
}

const char *call_method(const struct server_call *c)
{
    return c->method;
}

const char *call_path(const struct server_call *c)
{
    return c->path;
}

struct lookup {
    const char *name, *value;
};

/* MHD_lookup_connection_value cannot tell "?x" from no x at all. */
static enum MHD_Result on_argument(void *ctx, enum MHD_ValueKind kind, const char *key,
                                   const char *value)
{
    struct lookup *l = ctx;

    (void)kind;
    if (strcmp(key, l->name) != 0)
        return MHD_YES;
    l->value = value ? value : "";
    return MHD_NO;
}

const char *call_query(const struct server_call *c, const char *name)
{
    struct lookup l = {name, NULL};

    MHD_get_connection_values(c->connection, MHD_GET_ARGUMENT_KIND, on_argument, &l);
    return l.value;
}

const char *call_header(const struct server_call *c, const char *name)
{
    return MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, name);
}

const char *call_body(const struct server_call *c, size_t *ret_len)
{
    if (ret_len)
        *ret_len = c->body.len;
    return strbuf_str(&c->body);
}

void call_set_data(struct server_call *c, void *data)
{
    c->data = data;
}

void *call_data(const struct server_call *c)
{
    return c->data;
}

void call_add_header(struct server_call *c, const char *name, const char *value)
{
    struct http_header *more = realloc(c->headers, (c->header_count + 1) * sizeof *more);
    struct http_header h = {strdup(name), strdup(value)};

    assert(more && h.name && h.value); /* a few bytes per header of our own */
    c->headers = more;
    c->headers[c->header_count++] = h;
}

static void set_response(struct server_call *c, struct MHD_Response *response, int status,
                         const char *type)
{
    size_t i;

    assert(response);
    if (type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (i = 0; i < c->header_count; i++)
        MHD_add_response_header(response, c->headers[i].name, c->headers[i].value);
    c->response = response;
    c->status = status;
}

void call_answer(struct server_call *c, int status, const char *type, const char *body, size_t len)
{
    struct server *s = c->server;
    char *copy = malloc(len ? len : 1);

    assert(copy);
    if (len > 0)
        memcpy(copy, body, len);
    lock(s);
    assert(c->state == CALL_ASKED);
    set_response(c, MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE), status,
                 type);
    c->state = CALL_ANSWERED;
    resume(c);
    unlock(s);
}

static ssize_t read_stream(void *ctx, uint64_t pos, char *out, size_t max)
{
    struct server_call *c = ctx;
    ssize_t n = 0;

    (void)pos;
    lock(c->server);
    if (c->stream.len > c->stream_taken) {
        size_t take = c->stream.len - c->stream_taken;
        if (take > max)
            take = max;
        memcpy(out, c->stream.data + c->stream_taken, take);
        c->stream_taken += take;
        if (c->stream_taken == c->stream.len) {
            strbuf_clear(&c->stream);
            c->stream_taken = 0;
        }
        n = (ssize_t)take;
    } else if (c->state == CALL_ENDED || c->server->stopping) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        c->suspended = true;
        MHD_suspend_connection(c->connection);
    }
    unlock(c->server);
    return n;
}

void call_stream_begin(struct server_call *c, int status, const char *type,
                       void (*on_gone)(void *ctx, struct server_call *c), void *ctx)
{
    lock(c->server);
    assert(c->state == CALL_ASKED);
    c->on_gone = on_gone;
    c->gone_ctx = ctx;
    set_response(c,
                 MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES,
                                                   read_stream, c, NULL),
                 status, type);
    MHD_set_connection_option(c->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    c->state = CALL_STREAMING;
    resume(c);
    unlock(c->server);
}

size_t call_stream_write(struct server_call *c, const char *bytes, size_t len)
{
    size_t left;

    lock(c->server);
    assert(c->state == CALL_STREAMING);
    strbuf_add(&c->stream, bytes, len);
    left = c->stream.len - c->stream_taken;
    resume(c);
    unlock(c->server);
    return left;
}

void call_stream_end(struct server_call *c)
{
    struct server *s = c->server;

    lock(s);
    assert(c->state == CALL_STREAMING);
    c->state = CALL_ENDED;
    c->on_gone = NULL;
    resume(c);
    unlock(s);
}

/* ---- libmicrohttpd's side
 * ------------------------------------------------------------------------------ */

static enum MHD_Result refuse_large(struct server_call *c)
{
    static const char text[] = "request body too large\n";

    c->state = CALL_ASKED;
    call_answer(c, MHD_HTTP_CONTENT_TOO_LARGE, "text/plain; charset=utf-8", text, sizeof text - 1);
    return MHD_queue_response(c->connection, (unsigned)c->status, c->response);
}

static enum MHD_Result ask_or_answer(struct server_call *c)
{
    enum MHD_Result r = MHD_YES;
    struct server *s = c->server;

    if (c->state == CALL_READING) {
        if (c->too_large)
            return refuse_large(c);
        c->state = CALL_ASKED;
        s->handler(s->ctx, c); /* may answer now */
    }
    lock(s);
    if (c->response) {
        r = MHD_queue_response(c->connection, (unsigned)c->status, c->response);
    } else {
        c->suspended = true;
        MHD_suspend_connection(c->connection);
    }
    unlock(s);
    return r;
}

static enum MHD_Result on_access(void *ctx, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *bytes,
                                 size_t *len, void **state)
{
    struct server *s = ctx;
    struct server_call *c = *state;

    (void)version;
    if (!c) {
        c = call_new(s, connection, method, path);
        *state = c;
        return c ? MHD_YES : MHD_NO;
    }
    if (*len > 0) {
        if (c->body.len + *len > s->body_max)
            c->too_large = true;
        else
            strbuf_add(&c->body, bytes, *len);
        *len = 0;
        return MHD_YES;
    }
    return ask_or_answer(c);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct server_call *c = *state;
    void (*on_gone)(void *, struct server_call *) = NULL;

    (void)ctx;
    (void)connection;
    (void)code;
    if (!c)
        return;
    lock(c->server);
    if (c->state == CALL_STREAMING)
        on_gone = c->on_gone;
    unlock(c->server);
    if (on_gone)
        on_gone(c->gone_ctx, c);
    call_free(c);
    *state = NULL;
}

/* ---- life
 * ------------------------------------------------------------------------------------------------
 */

static int listen_address(const struct server_options *o, struct sockaddr_storage *ret,
                          bool *ret_v6)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(o->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(o->port)};

    memset(ret, 0, sizeof *ret);
    *ret_v6 = false;
    if (o->address && inet_pton(AF_INET, o->address, &in.sin_addr) == 1) {
        memcpy(ret, &in, sizeof in);
        return 0;
    }
    *ret_v6 = true;
    if (o->address && inet_pton(AF_INET6, o->address, &in6.sin6_addr) != 1)
        return -EINVAL;
    memcpy(ret, &in6, sizeof in6);
    return 0;
}

static struct MHD_Daemon *start_daemon(struct server *s, const struct server_options *o,
                                       unsigned flags, const struct sockaddr_storage *address)
{
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}};

    if (o->cert_pem && o->key_pem) {
        flags |= MHD_USE_TLS;
        tls[0].option = MHD_OPTION_HTTPS_MEM_CERT;
        memcpy(&tls[0].ptr_value, &o->cert_pem, sizeof o->cert_pem);
        tls[1].option = MHD_OPTION_HTTPS_MEM_KEY;
        memcpy(&tls[1].ptr_value, &o->key_pem, sizeof o->key_pem);
    }
    return MHD_start_daemon(flags, o->port, NULL, NULL, on_access, s, MHD_OPTION_SOCK_ADDR, address,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                            MHD_OPTION_CONNECTION_TIMEOUT, o->idle_s ? o->idle_s : IDLE_S_DEFAULT,
                            MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_ARRAY, tls,
                            MHD_OPTION_END);
}

static int server_start(const struct server_options *o, unsigned flags, struct server **ret_server)
{
    struct server *s = calloc(1, sizeof *s);
    const union MHD_DaemonInfo *info;
    struct sockaddr_storage address;
    bool v6;
    int r;

    if (!s)
        return -ENOMEM;
    pthread_mutex_init(&s->lock, NULL);
    s->handler = o->handler;
    s->ctx = o->ctx;
    s->body_max = o->body_max ? o->body_max : BODY_MAX_DEFAULT;
    s->epoll_fd = -1;
    r = listen_address(o, &address, &v6);
    if (r == 0) {
        errno = 0;
        if (v6)
            flags |= o->address ? MHD_USE_IPv6 : MHD_USE_DUAL_STACK;
        s->daemon = start_daemon(s, o, flags | MHD_ALLOW_SUSPEND_RESUME, &address);
        if (!s->daemon)
            r = errno ? -errno : -EINVAL;
    }
    if (r != 0) {
        server_stop(s);
        return r;
    }
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    s->port = info ? info->port : o->port;
    *ret_server = s;
    return 0;
}

int server_start_thread(const struct server_options *options, struct server **ret_server)
{
    return server_start(options, MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, ret_server);
}

static void on_loop_ready(void *ctx)
{
    struct server *s = ctx;

    MHD_run(s->daemon);
}

static int64_t loop_timeout(void *ctx)
{
    struct server *s = ctx;
    MHD_UNSIGNED_LONG_LONG ms;

    if (s->must_run)
        return 0;
    return MHD_get_timeout(s->daemon, &ms) == MHD_YES ? (int64_t)ms : -1;
}

static void on_loop_due(void *ctx)
{
    struct server *s = ctx;

    if (loop_timeout(ctx) != 0)
        return;
    s->must_run = false;
    MHD_run(s->daemon);
}

int server_start_on_loop(struct loop *l, const struct server_options *options,
                         struct server **ret_server)
{
    const union MHD_DaemonInfo *info;
    struct server *s;
    int r = server_start(options, MHD_USE_EPOLL, &s);

    if (r != 0)
        return r;
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    r = info ? loop_on_readable(l, info->epoll_fd, on_loop_ready, s) : -ENOTSUP;
    if (r == 0) {
        s->loop = l;
        s->epoll_fd = info->epoll_fd;
        r = loop_add_source(l, loop_timeout, on_loop_due, s);
    }
    if (r != 0) {
        server_stop(s);
        return r;
    }
    *ret_server = s;
    return 0;
}

/* libmicrohttpd does not stop while a connection is suspended. */
static void wake_suspended(struct server *s)
{
    struct server_call *c;

    lock(s);
    s->stopping = true;
    for (c = s->calls; c; c = c->next) {
        if (c->state == CALL_ASKED && c->suspended) {
            set_response(c, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT),
                         MHD_HTTP_SERVICE_UNAVAILABLE, NULL);
            c->state = CALL_ANSWERED;
        }
        resume(c);
    }
    unlock(s);
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    if (s->loop) {
        loop_forget_fd(s->loop, s->epoll_fd);
        loop_remove_source(s->loop, s);
    }
    wake_suspended(s);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}
