#include "adapters/http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_response_release(struct http_response *r)
{
    free(r->storage);
    free(r->body);
    r->storage = NULL;
    r->headers = NULL;
    r->header_count = 0;
    r->body = NULL;
    r->body_len = 0;
}

const char *http_response_header(const struct http_response *r, const char *name)
{
    size_t i;

    for (i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

/* One block: the array, then the texts. */
static int copy_headers(struct http_response *r, const struct http_header *headers, size_t count)
{
    size_t bytes = count * sizeof(struct http_header), i;
    char *text;

    for (i = 0; i < count; i++)
        bytes += strlen(headers[i].name) + strlen(headers[i].value) + 2;
    r->storage = malloc(bytes ? bytes : 1);
    if (!r->storage)
        return -ENOMEM;
    r->headers = r->storage;
    r->header_count = count;
    text = (char *)r->storage + count * sizeof(struct http_header);
    for (i = 0; i < count; i++) {
        size_t name = strlen(headers[i].name) + 1, value = strlen(headers[i].value) + 1;
        r->headers[i].name = memcpy(text, headers[i].name, name);
        r->headers[i].value = memcpy(text + name, headers[i].value, value);
        text += name + value;
    }
    return 0;
}

int http_response_fill(struct http_response *r, int status, const struct http_header *headers,
                       size_t header_count, const char *body, size_t body_len)
{
    memset(r, 0, sizeof *r);
    r->body = malloc(body_len + 1);
    if (!r->body || copy_headers(r, headers, header_count) != 0) {
        http_response_release(r);
        return -ENOMEM;
    }
    if (body_len > 0)
        memcpy(r->body, body, body_len);
    r->body[body_len] = '\0';
    r->body_len = body_len;
    r->status = status;
    return 0;
}

/* ---- error texts
 * ----------------------------------------------------------------------------------- */

struct text {
    char *out;
    size_t size, len;
};

static void put(struct text *t, const char *bytes, size_t len)
{
    size_t room = t->size - t->len - 1;

    if (len > room)
        len = room;
    memcpy(t->out + t->len, bytes, len);
    t->len += len;
    t->out[t->len] = '\0';
}

/* As Go's %q does for the characters that occur in URLs. */
static void put_quoted(struct text *t, const char *s, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        char hex[8];
        if (c == '"' || c == '\\') {
            put(t, "\\", 1);
            put(t, s + i, 1);
        } else if (c < 0x20 || c == 0x7f) {
            snprintf(hex, sizeof hex, "\\x%02x", c);
            put(t, hex, 4);
        } else {
            put(t, s + i, 1);
        }
    }
}

/* The part of `url` before its password, and the part from '@' on; false when there is no password.
 */
static bool find_password(const char *url, size_t *ret_start, size_t *ret_end)
{
    const char *scheme = strstr(url, "://");
    const char *authority = scheme ? scheme + 3 : NULL;
    const char *end, *at = NULL, *colon, *p;

    if (!authority)
        return false;
    end = authority + strcspn(authority, "/?#");
    for (p = authority; p < end; p++)
        if (*p == '@')
            at = p;
    if (!at)
        return false;
    colon = memchr(authority, ':', (size_t)(at - authority));
    if (!colon)
        return false;
    *ret_start = (size_t)(colon + 1 - url);
    *ret_end = (size_t)(at - url);
    return true;
}

void http_error_text(char *out, size_t out_size, const char *method, const char *url,
                     const char *cause)
{
    struct text t = {out, out_size, 0};
    size_t start, end, i;

    if (out_size == 0)
        return;
    out[0] = '\0';
    if (!method || !*method)
        method = "GET";
    put(&t, method, 1);
    for (i = 1; method[i]; i++) {
        char c = method[i], lower = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        put(&t, &lower, 1);
    }
    put(&t, " \"", 2);
    if (find_password(url, &start, &end)) {
        put_quoted(&t, url, start);
        put(&t, "***", 3);
        put_quoted(&t, url + end, strlen(url + end));
    } else {
        put_quoted(&t, url, strlen(url));
    }
    put(&t, "\": ", 3);
    put(&t, cause, strlen(cause));
}

/* ---- addresses that hand out credentials
 * ------------------------------------------------------------- */

static bool ipv4_is_refused(const unsigned char *a)
{
    static const unsigned char metadata[][4] = {
        {100, 100, 100, 200}, /* Alibaba Cloud */
        {168, 63, 129, 16},   /* Azure's wire server */
        {192, 0, 0, 192},     /* Oracle Cloud */
    };
    size_t i;

    if (a[0] == 169 && a[1] == 254)
        return true;
    for (i = 0; i < sizeof metadata / sizeof metadata[0]; i++)
        if (memcmp(a, metadata[i], 4) == 0)
            return true;
    return false;
}

static bool ipv6_is_refused(const unsigned char *a)
{
    static const unsigned char v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char v4_compatible[12] = {0};
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};
    static const unsigned char aws[16] = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0,    0,
                                          0,    0, 0,    0,    0, 0, 0x02, 0x54};
    static const unsigned char google[16] = {0xfd, 0x20, 0, 0xce, 0, 0, 0,    0,
                                             0,    0,    0, 0,    0, 0, 0x02, 0x54};

    if (memcmp(a, v4_mapped, 12) == 0 || memcmp(a, v4_compatible, 12) == 0 ||
        memcmp(a, nat64, 12) == 0)
        return ipv4_is_refused(a + 12);
    if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 carries the IPv4 address in bits 16 to 47 */
        return ipv4_is_refused(a + 2);
    if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
        return true;
    return memcmp(a, aws, 16) == 0 || memcmp(a, google, 16) == 0;
}

bool http_address_is_refused(const char *address)
{
    unsigned char bytes[16];
    char plain[INET6_ADDRSTRLEN];
    size_t len = strcspn(address, "%"); /* fe80::1%eth0 */

    if (len >= sizeof plain)
        return false;
    memcpy(plain, address, len);
    plain[len] = '\0';
    if (inet_pton(AF_INET, plain, bytes) == 1)
        return ipv4_is_refused(bytes);
    if (inet_pton(AF_INET6, plain, bytes) == 1)
        return ipv6_is_refused(bytes);
    return false;
}
