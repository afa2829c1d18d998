#include "adapters/http/curl_transfer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <sys/socket.h>

#define BODY_MAX_DEFAULT (32u * 1024u * 1024u)
#define HEADER_BYTES_MAX (256u * 1024u)
#define DIAL_MS 30000L /* Go's default transport */
#define REDIRECTS_MAX 10L

const struct http_options transfer_default_options = {.user_agent = "coalmine"};

/* ---- callbacks
 * ------------------------------------------------------------------------------------- */

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * count;

    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) /* a new answer: after a redirect or a 100 */
        strbuf_clear(&t->header_text);
    if (t->header_text.len + len > HEADER_BYTES_MAX)
        return 0;
    strbuf_add(&t->header_text, bytes, len);
    if (len == 2 && bytes[0] == '\r' && transfer_status(t) >= 200)
        t->answered = true;
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * count, room;

    if (t->streaming && transfer_status(t) / 100 == 2)
        return t->on_bytes(t->ctx, bytes, len);
    room = t->body_max - t->body.len;
    strbuf_add(&t->body, bytes, len < room ? len : room);
    if (len <= room)
        return len;
    t->cut = true;
    return 0; /* no need to fetch the rest */
}

static void address_text(const struct sockaddr *sa, char *out, size_t size, char *host,
                         size_t host_size)
{
    host[0] = out[0] = '\0';
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, host, (socklen_t)host_size);
        snprintf(out, size, "%s:%u", host, (unsigned)ntohs(in.sin_port));
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        inet_ntop(AF_INET6, &in6.sin6_addr, host, (socklen_t)host_size);
        snprintf(out, size, "[%s]:%u", host, (unsigned)ntohs(in6.sin6_port));
    }
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct transfer *t = ctx;
    char host[INET6_ADDRSTRLEN], text[ADDRESS_TEXT_MAX];

    (void)purpose;
    address_text(&a->addr, text, sizeof text, host, sizeof host);
    if (!t->address[0])
        memcpy(t->address, text, sizeof text);
    if (t->options->reach == HTTP_REACH_NO_LINK_LOCAL && http_address_is_refused(host)) {
        t->refused = true;
        memcpy(t->address, text, sizeof text);
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype, a->protocol);
}

/*
 * Right before the request is sent, also on a connection that was kept open: another client with a
 * wider reach may have opened it.
 */
static int on_about_to_send(void *ctx, char *remote, char *local, int remote_port, int local_port)
{
    struct transfer *t = ctx;

    (void)local;
    (void)local_port;
    if (t->options->reach != HTTP_REACH_NO_LINK_LOCAL || !http_address_is_refused(remote))
        return CURL_PREREQFUNC_OK;
    t->refused = true;
    snprintf(t->address, sizeof t->address, "%s:%d", remote, remote_port);
    return CURL_PREREQFUNC_ABORT;
}

/* ---- setting up
 * -------------------------------------------------------------------------------------- */

/* The options below can fail for want of memory only, and then the transfer fails on its own. */
#define SET(t, option, value) ((void)curl_easy_setopt((t)->easy, option, value))

static void set_method(struct transfer *t)
{
    const char *method = t->req->method ? t->req->method : "GET";
    bool has_body = t->req->body != NULL;

    if (has_body || strcmp(method, "POST") == 0) {
        SET(t, CURLOPT_POST, 1L);
        SET(t, CURLOPT_POSTFIELDS, has_body ? t->req->body : "");
        SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(has_body ? t->req->body_len : 0));
        if (strcmp(method, "POST") != 0)
            SET(t, CURLOPT_CUSTOMREQUEST, method);
    } else if (strcmp(method, "HEAD") == 0) {
        SET(t, CURLOPT_NOBODY, 1L);
    } else {
        SET(t, CURLOPT_HTTPGET, 1L);
        if (strcmp(method, "GET") != 0)
            SET(t, CURLOPT_CUSTOMREQUEST, method);
    }
}

static int add_header(struct transfer *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->headers, line);

    if (!more)
        return -ENOMEM;
    t->headers = more;
    return 0;
}

/* A line break in a header would let its author write headers, or a request, of their own. */
static bool is_clean(const char *s)
{
    return s[strcspn(s, "\r\n")] == '\0';
}

static int set_headers(struct transfer *t)
{
    bool has_type = false;
    struct strbuf line = STRBUF_INIT;
    int r = 0;
    size_t i;

    for (i = 0; i < t->req->header_count && r == 0; i++) {
        const struct http_header *h = &t->req->headers[i];
        if (!is_clean(h->name) || !is_clean(h->value)) {
            r = -EINVAL;
            break;
        }
        has_type |= strcasecmp(h->name, "Content-Type") == 0;
        strbuf_clear(&line);
        /* libcurl's notation for a header without a value is a semicolon. */
        strbuf_adds(&line, h->name);
        strbuf_adds(&line, h->value[0] ? ": " : ";");
        strbuf_adds(&line, h->value);
        r = line.failed ? -ENOMEM : add_header(t, line.data);
    }
    strbuf_release(&line);
    if (r == 0)
        r = add_header(t, "Expect:");
    if (r == 0 && t->req->body && !has_type)
        r = add_header(t, "Content-Type:");
    if (r == 0)
        SET(t, CURLOPT_HTTPHEADER, t->headers);
    return r;
}

static void set_blob(struct transfer *t, CURLoption option, const char *pem)
{
    struct curl_blob blob = {.len = strlen(pem), .flags = CURL_BLOB_COPY};

    memcpy(&blob.data, &pem, sizeof pem); /* copied, not written to */
    SET(t, option, &blob);
}

static void set_tls(struct transfer *t, const struct http_tls *tls)
{
    if (tls->ca_pem)
        set_blob(t, CURLOPT_CAINFO_BLOB, tls->ca_pem);
    else if (tls->ca_file)
        SET(t, CURLOPT_CAINFO, tls->ca_file);
    if (tls->ca_pem || tls->ca_file)
        SET(t, CURLOPT_CAPATH, NULL);
    if (tls->cert_pem)
        set_blob(t, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
    else if (tls->cert_file)
        SET(t, CURLOPT_SSLCERT, tls->cert_file);
    if (tls->key_pem)
        set_blob(t, CURLOPT_SSLKEY_BLOB, tls->key_pem);
    else if (tls->key_file)
        SET(t, CURLOPT_SSLKEY, tls->key_file);
    if (tls->insecure) {
        SET(t, CURLOPT_SSL_VERIFYPEER, 0L);
        SET(t, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/*
 * An address in the URL that must not be reached. Where we connect ourselves the address is looked
 * at right before; a proxy would go there in our stead.
 */
static bool names_refused_address(struct transfer *t)
{
    char *host = NULL, *port = NULL, *end;
    bool refused = false;

    if (t->options->reach != HTTP_REACH_NO_LINK_LOCAL ||
        curl_url_get(t->url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return false;
    (void)curl_url_get(t->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    end = strrchr(host, ']');
    if (end)
        *end = '\0';
    refused = http_address_is_refused(host[0] == '[' ? host + 1 : host);
    if (refused)
        snprintf(t->address, sizeof t->address, "%.46s%s:%.5s", host, end ? "]" : "",
                 port ? port : "");
    curl_free(host);
    curl_free(port);
    return refused;
}

/* "" = none. */
static const char *proxy_of(const struct transfer *t, bool https)
{
    const struct http_options *o = t->options;
    const char *proxy = t->req->proxy_url;

    if (!proxy)
        proxy = https ? o->https_proxy : o->http_proxy;
    return t->req->no_proxy || !proxy ? "" : proxy;
}

/* Only "" keeps libcurl from reading the environment, which is main's to read. */
static void set_proxy(struct transfer *t, bool https)
{
    const char *proxy = proxy_of(t, https), *direct = t->options->no_proxy;
    char no_proxy[1024];

    SET(t, CURLOPT_PROXY, proxy);
    if (t->req->proxy_url || !proxy[0]) {
        SET(t, CURLOPT_NOPROXY, "");
        return;
    }
    snprintf(no_proxy, sizeof no_proxy, "localhost,127.0.0.0/8,::1,%s", direct ? direct : "");
    SET(t, CURLOPT_NOPROXY, no_proxy);
}

/*
 * The path and query of the URL where they can be sent as they are written: what libcurl takes from
 * a URL it prints again and again, a character at a time, and a query of metrics is long. NULL =
 * this is for libcurl to do.
 */
static const char *plain_target(const struct transfer *t, bool https)
{
    const char *authority = strstr(t->req->url, "://"), *method = t->req->method, *target;
    bool in_path = true, repeatable = !t->req->body && (!method || strcmp(method, "GET") == 0);

    if (!authority || *proxy_of(t, https) || (t->req->follow_redirects && !repeatable))
        return NULL;
    target = authority + 3 + strcspn(authority + 3, "/?#");
    for (const char *c = target; *c; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '#' || *c == '\\')
            return NULL;
        if (*c == '?')
            in_path = false;
        if (in_path && c[0] == '/' && c[1] == '.')
            return NULL;
    }
    return *target == '/' ? target : NULL;
}

static CURLUcode set_url(struct transfer *t, bool https)
{
    const char *url = t->req->url, *target = t->plain ? plain_target(t, https) : NULL;
    struct strbuf server = STRBUF_INIT;
    CURLUcode code = CURLUE_OUT_OF_MEMORY;

    t->plain = target != NULL;
    if (!target)
        return curl_url_set(t->url, CURLUPART_URL, url, CURLU_URLENCODE);
    strbuf_add(&server, url, (size_t)(target - url) + 1);
    if (!server.failed)
        code = curl_url_set(t->url, CURLUPART_URL, strbuf_str(&server), 0);
    strbuf_release(&server);
    SET(t, CURLOPT_REQUEST_TARGET, target);
    return code;
}

static char *url_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;

    return curl_url_get(u, part, &text, 0) == CURLUE_OK ? text : NULL;
}

/*
 * Another name for the server than the URL's: libcurl takes the name to verify from the URL, so the
 * URL gets that name, the connection still goes to the old place, and the Host header stays.
 */
static int set_server_name(struct transfer *t, const char *name)
{
    char *host = url_part(t->url, CURLUPART_HOST);
    char *port = NULL;
    struct strbuf b = STRBUF_INIT;
    int r = -ENOMEM;

    if (curl_url_get(t->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        port = NULL;
    if (!host || !port)
        goto out;
    strbuf_addf(&b, "::%s:%s", host, port);
    if (b.failed)
        goto out;
    t->connect_to = curl_slist_append(NULL, b.data);
    strbuf_clear(&b);
    strbuf_addf(&b, "Host: %s:%s", host, port);
    if (!t->connect_to || b.failed || add_header(t, b.data) != 0)
        goto out;
    SET(t, CURLOPT_CONNECT_TO, t->connect_to);
    if (curl_url_set(t->url, CURLUPART_HOST, name, 0) == CURLUE_OK)
        r = 0;
out:
    curl_free(host);
    curl_free(port);
    strbuf_release(&b);
    return r;
}

/* The scheme as written, "" when there is none. */
static void url_scheme(const char *url, char *out, size_t size)
{
    size_t len = strcspn(url, ":/?#");

    if (url[len] != ':' || len >= size)
        len = 0;
    memcpy(out, url, len);
    out[len] = '\0';
}

static int check_url(const struct http_request *req, bool *ret_https, struct http_response *ret)
{
    char scheme[32], cause[96];

    url_scheme(req->url, scheme, sizeof scheme);
    *ret_https = strcasecmp(scheme, "https") == 0;
    if (*ret_https || strcasecmp(scheme, "http") == 0)
        return 0;
    snprintf(cause, sizeof cause, "unsupported protocol scheme \"%s\"", scheme);
    return transfer_fail(req, -EINVAL, cause, ret);
}

static void set_common(struct transfer *t)
{
    bool http2 = t->options->http2 && !t->streaming; /* a stream has its connection for itself */

    SET(t, CURLOPT_NOSIGNAL, 1L);
    SET(t, CURLOPT_UPLOAD_BUFFERSIZE, 16384L); /* the smallest there is: bodies here are small */
    SET(t, CURLOPT_PRIVATE, t);
    SET(t, CURLOPT_ERRORBUFFER, t->curl_text);
    SET(t, CURLOPT_HEADERFUNCTION, on_header);
    SET(t, CURLOPT_HEADERDATA, t);
    SET(t, CURLOPT_WRITEFUNCTION, on_body);
    SET(t, CURLOPT_WRITEDATA, t);
    SET(t, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(t, CURLOPT_OPENSOCKETDATA, t);
    SET(t, CURLOPT_PREREQFUNCTION, on_about_to_send);
    SET(t, CURLOPT_PREREQDATA, t);
    SET(t, CURLOPT_CONNECTTIMEOUT_MS, DIAL_MS);
    SET(t, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(t, CURLOPT_TCP_KEEPIDLE, 30L);
    SET(t, CURLOPT_TCP_KEEPINTVL, 15L);
    SET(t, CURLOPT_USERAGENT, t->options->user_agent ? t->options->user_agent : "coalmine");
    SET(t, CURLOPT_HTTP_VERSION, (long)(http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    if (http2)
        SET(t, CURLOPT_PIPEWAIT, 1L);
    if (t->req->follow_redirects && !t->plain) {
        SET(t, CURLOPT_FOLLOWLOCATION, 1L);
        SET(t, CURLOPT_REDIR_PROTOCOLS_STR, "http,https"); /* as check_url sees to the first URL */
        SET(t, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    }
    if (t->req->timeout_ms > 0 && !t->streaming)
        SET(t, CURLOPT_TIMEOUT_MS, (long)t->req->timeout_ms);
}

int transfer_begin(struct transfer *t, CURL *easy, const struct http_request *req,
                   const struct http_options *options, struct http_response *ret_response)
{
    bool https;
    int r;

    t->easy = easy;
    t->req = req;
    t->options = options;
    t->body_max = req->body_max ? req->body_max : BODY_MAX_DEFAULT;
    r = check_url(req, &https, ret_response);
    if (r != 0)
        return r;
    t->url = curl_url();
    if (!t->url)
        return transfer_fail(req, -ENOMEM, "out of memory", ret_response);
    if (set_url(t, https) != CURLUE_OK)
        return transfer_fail(req, -EINVAL, "invalid URL", ret_response);
    if (names_refused_address(t)) {
        char cause[160];

        snprintf(cause, sizeof cause, "dial tcp %s: refused: a link-local or metadata address",
                 t->address);
        return transfer_fail(req, -EHOSTUNREACH, cause, ret_response);
    }
    set_common(t);
    set_method(t);
    set_proxy(t, https);
    if (req->tls && https)
        set_tls(t, req->tls);
    if (req->tls && req->tls->server_name && https)
        r = set_server_name(t, req->tls->server_name);
    if (r == 0)
        r = set_headers(t);
    if (r == -EINVAL)
        return transfer_fail(req, r, "net/http: invalid header field value", ret_response);
    if (r != 0)
        return transfer_fail(req, r, "out of memory", ret_response);
    SET(t, CURLOPT_CURLU, t->url);
    return 0;
}

bool transfer_was_redirected(const struct transfer *t, const struct http_response *r)
{
    return t->plain && t->req->follow_redirects && r->status / 100 == 3 &&
           http_response_header(r, "Location") != NULL;
}

void transfer_end(struct transfer *t)
{
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    curl_url_cleanup(t->url);
    strbuf_release(&t->header_text);
    strbuf_release(&t->body);
    memset(t, 0, sizeof *t);
}

int transfer_status(const struct transfer *t)
{
    long status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

/* ---- the answer
 * -------------------------------------------------------------------------------------- */

/* Split the header block in place: "Name: value\r\n" becomes two strings. */
static int take_headers(struct transfer *t, struct http_response *r)
{
    size_t text_len = t->header_text.len, lines = 0, i;
    struct http_header *headers;
    char *text, *line, *end;

    for (i = 0; i < text_len; i++)
        lines += t->header_text.data[i] == '\n';
    headers = malloc(lines * sizeof *headers + text_len + 1);
    if (!headers)
        return -ENOMEM;
    text = (char *)(headers + lines);
    if (text_len > 0)
        memcpy(text, t->header_text.data, text_len);
    text[text_len] = '\0';
    r->storage = r->headers = headers;
    for (line = text; line && *line; line = end ? end + 1 : NULL) {
        char *colon;
        end = strchr(line, '\n');
        if (end)
            *end = '\0';
        line[strcspn(line, "\r")] = '\0';
        colon = strchr(line, ':');
        if (!colon || strncmp(line, "HTTP/", 5) == 0)
            continue;
        *colon = '\0';
        headers[r->header_count].name = line;
        headers[r->header_count].value = colon + 1 + strspn(colon + 1, " \t");
        r->header_count++;
    }
    return 0;
}

static int take_answer(struct transfer *t, struct http_response *r)
{
    if (t->body.failed || t->header_text.failed || take_headers(t, r) != 0)
        return transfer_fail(t->req, -ENOMEM, "out of memory", r);
    r->body_len = t->body.len;
    r->body = t->body.len > 0 ? strbuf_detach(&t->body) : calloc(1, 1);
    if (!r->body) {
        http_response_release(r);
        return transfer_fail(t->req, -ENOMEM, "out of memory", r);
    }
    r->status = transfer_status(t);
    r->truncated = t->cut;
    return 0;
}

int transfer_fail(const struct http_request *req, int error, const char *cause,
                  struct http_response *ret_response)
{
    memset(ret_response, 0, sizeof *ret_response);
    http_error_text(ret_response->error, sizeof ret_response->error, req->method, req->url, cause);
    return error;
}

/* Go's wording of connect(2)'s and read(2)'s errors. */
static const struct os_error {
    int os_errno, result;
    const char *text;
} os_errors[] = {
    {ECONNREFUSED, -ECONNREFUSED, "connection refused"},
    {ECONNRESET, -ECONNRESET, "connection reset by peer"},
    {EPIPE, -ECONNRESET, "broken pipe"},
    {EHOSTUNREACH, -EHOSTUNREACH, "no route to host"},
    {ENETUNREACH, -EHOSTUNREACH, "network is unreachable"},
    {ETIMEDOUT, -ETIMEDOUT, "connection timed out"},
    {EADDRNOTAVAIL, -EHOSTUNREACH, "cannot assign requested address"},
    {EACCES, -EHOSTUNREACH, "permission denied"},
    {EPERM, -EHOSTUNREACH, "operation not permitted"},
    {EINVAL, -EHOSTUNREACH, "invalid argument"},
};

static const struct os_error *os_error_find(long os_errno)
{
    size_t i;

    for (i = 0; i < sizeof os_errors / sizeof os_errors[0]; i++)
        if (os_errors[i].os_errno == os_errno)
            return &os_errors[i];
    return NULL;
}

static int describe_connect(struct transfer *t, char *cause, size_t size)
{
    const struct os_error *e;
    long os_errno = 0;

    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    e = os_error_find(os_errno);
    if (!e) {
        snprintf(cause, size, "dial tcp %s: %s", t->address, t->curl_text);
        return -EHOSTUNREACH;
    }
    snprintf(cause, size, "dial tcp %s: connect: %s", t->address, e->text);
    return e->result;
}

static int describe_broken(struct transfer *t, const char *verb, char *cause, size_t size)
{
    const struct os_error *e;
    char *local = NULL, *remote = NULL;
    long os_errno = 0, local_port = 0, remote_port = 0;

    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    curl_easy_getinfo(t->easy, CURLINFO_LOCAL_IP, &local);
    curl_easy_getinfo(t->easy, CURLINFO_LOCAL_PORT, &local_port);
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &remote);
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &remote_port);
    e = os_error_find(os_errno ? os_errno : ECONNRESET);
    if (!e || !local || !remote || !*local || !*remote)
        snprintf(cause, size, "%s: %s", verb, e ? e->text : t->curl_text);
    else
        snprintf(cause, size,
                 strchr(remote, ':') ? "%s tcp [%s]:%ld->[%s]:%ld: %s: %s"
                                     : "%s tcp %s:%ld->%s:%ld: %s: %s",
                 verb, local, local_port, remote, remote_port, verb, e->text);
    return e ? e->result : -ECONNRESET;
}

static int describe_lookup(struct transfer *t, bool proxy, char *cause, size_t size)
{
    char *host = t->url ? url_part(t->url, CURLUPART_HOST) : NULL;

    if (proxy)
        snprintf(cause, size, "proxyconnect tcp: %s", t->curl_text);
    else
        snprintf(cause, size, "dial tcp: lookup %s: no such host", host ? host : "");
    curl_free(host);
    return -EHOSTUNREACH;
}

static int describe_certificate(struct transfer *t, char *cause, size_t size)
{
    const char *why;
    long verify = 0;

    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    switch (verify) { /* X509_V_ERR_*, fixed numbers of OpenSSL's ABI */
    case 9:
    case 10:
        why = "x509: certificate has expired or is not yet valid";
        break;
    case 2:
    case 18:
    case 19:
    case 20:
    case 21:
        why = "x509: certificate signed by unknown authority";
        break;
    default:
        why = t->curl_text;
        break;
    }
    snprintf(cause, size, "tls: failed to verify certificate: %s", why);
    return -EPROTO;
}

static int describe_timeout(struct transfer *t, char *cause, size_t size)
{
    curl_off_t spent_us = 0;

    curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &spent_us);
    if (t->req->timeout_ms > 0 && !t->streaming && spent_us / 1000 + 50 >= t->req->timeout_ms)
        snprintf(cause, size, "context deadline exceeded");
    else
        snprintf(cause, size, "dial tcp %s: i/o timeout", t->address);
    return -ETIMEDOUT;
}

/* Returns the client's -Exxx, with Go's words for it. */
static int describe(struct transfer *t, CURLcode code, char *cause, size_t size)
{
    if (t->refused) {
        snprintf(cause, size, "dial tcp %s: refused: a link-local or metadata address", t->address);
        return -EHOSTUNREACH;
    }
    switch ((int)code) { /* the few of libcurl's hundred codes that have a word in Go */
    case CURLE_COULDNT_RESOLVE_HOST:
        return describe_lookup(t, false, cause, size);
    case CURLE_COULDNT_RESOLVE_PROXY:
        return describe_lookup(t, true, cause, size);
    case CURLE_COULDNT_CONNECT:
        return describe_connect(t, cause, size);
    case CURLE_OPERATION_TIMEDOUT:
        return describe_timeout(t, cause, size);
    case CURLE_PEER_FAILED_VERIFICATION:
        return describe_certificate(t, cause, size);
    case CURLE_SSL_CONNECT_ERROR:
        if (strstr(t->curl_text, "wrong version number"))
            snprintf(cause, size, "http: server gave HTTP response to HTTPS client");
        else
            snprintf(cause, size, "tls: %s", t->curl_text);
        return -EPROTO;
    case CURLE_GOT_NOTHING:
        snprintf(cause, size, "EOF");
        return -ECONNRESET;
    case CURLE_PARTIAL_FILE:
        snprintf(cause, size, "unexpected EOF");
        return -ECONNRESET;
    case CURLE_RECV_ERROR:
        return describe_broken(t, "read", cause, size);
    case CURLE_SEND_ERROR:
        return describe_broken(t, "write", cause, size);
    case CURLE_TOO_MANY_REDIRECTS:
        snprintf(cause, size, "stopped after %ld redirects", REDIRECTS_MAX);
        return -EPROTO;
    case CURLE_URL_MALFORMAT:
        snprintf(cause, size, "http: no Host in request URL");
        return -EINVAL;
    case CURLE_OUT_OF_MEMORY:
        snprintf(cause, size, "out of memory");
        return -ENOMEM;
    default:
        snprintf(cause, size, "%s", t->curl_text[0] ? t->curl_text : curl_easy_strerror(code));
        return -EPROTO;
    }
}

int transfer_finish(struct transfer *t, CURLcode code, struct http_response *ret_response)
{
    char cause[384];
    int r;

    memset(ret_response, 0, sizeof *ret_response);
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && t->cut))
        return take_answer(t, ret_response);
    r = describe(t, code, cause, sizeof cause);
    http_error_text(ret_response->error, sizeof ret_response->error, t->req->method, t->req->url,
                    cause);
    return r;
}
