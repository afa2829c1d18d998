/* adapters/metrics/url.c — reads, joins and prints URLs by the rules of Go's net/url. */
#include "adapters/metrics/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/chars.h"
#include "adapters/metrics/gotext.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
    return is_alpha(c) || (c >= '0' && c <= '9');
}

static bool in_set(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* `invalid URL escape "%zz"` for the first bad escape of `s`, or NULL. */
static const char *find_bad_escape(struct arena *arena, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        struct strbuf b = STRBUF_INIT;
        const char *text;

        if (s[i] != '%' || (i + 2 < len && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0))
            continue;
        strbuf_adds(&b, "invalid URL escape ");
        go_quote(&b, s + i, len - i < 3 ? len - i : 3);
        text = arena_strdup(arena, strbuf_str(&b));
        strbuf_release(&b);
        return text ? text : "out of memory";
    }
    return NULL;
}

void url_add_query_escaped(struct strbuf *b, const char *s, size_t len)
{
    const char *space;

    while ((space = memchr(s, ' ', len)) != NULL) {
        size_t before = (size_t)(space - s);

        strbuf_add_percent(b, s, before, "");
        strbuf_addc(b, '+');
        s += before + 1;
        len -= before + 1;
    }
    strbuf_add_percent(b, s, len, "");
}

/* The path as it is sent: as written where that is valid, else decoded and escaped anew. */
static const char *escape_path(struct arena *arena, const char *s, size_t len)
{
    struct strbuf b = STRBUF_INIT;
    const char *out;
    bool valid = true;

    for (size_t i = 0; i < len && valid; i++)
        valid = is_alnum(s[i]) || in_set(s[i], "-_.~!$&'()*+,;=:@[]%/");
    if (valid)
        return arena_strndup(arena, s, len);
    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (c == '%') {
            c = (char)(hex_digit(s[i + 1]) << 4 | hex_digit(s[i + 2]));
            i += 2;
        }
        strbuf_add_percent(&b, &c, 1, "$&+,/:;=@");
    }
    out = b.failed ? NULL : arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return out;
}

static const char *check_port(struct arena *arena, const char *port)
{
    struct strbuf b = STRBUF_INIT;
    const char *out;

    if (*port == '\0' || (*port == ':' && port[1 + strspn(port + 1, "0123456789")] == '\0'))
        return NULL;
    strbuf_adds(&b, "invalid port ");
    go_quote(&b, port, strlen(port));
    strbuf_adds(&b, " after host");
    out = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return out ? out : "out of memory";
}

/* NULL when the host is good, else what is wrong. */
static const char *check_host(struct arena *arena, const char *host)
{
    const char *bad = find_bad_escape(arena, host, strlen(host)), *colon, *close;

    if (host[0] == '[') {
        char address[64];
        struct in6_addr parsed;
        size_t len;

        close = strrchr(host, ']');
        if (!close)
            return "missing ']' in host";
        bad = check_port(arena, close + 1);
        if (bad)
            return bad;
        len = (size_t)(close - host) - 1;
        if (len >= sizeof address)
            return "invalid IP-literal";
        memcpy(address, host + 1, len);
        address[len] = '\0';
        address[strcspn(address, "%")] = '\0';
        return inet_pton(AF_INET6, address, &parsed) == 1 ? NULL : "invalid IP-literal";
    }
    if (strchr(host, '['))
        return "invalid IP-literal";
    colon = strchr(host, ':');
    if (colon) {
        const char *wrong = check_port(arena, colon);

        if (wrong)
            return wrong;
    }
    if (bad)
        return bad;
    for (const char *c = host; *c; c++) {
        if ((unsigned char)*c < 0x80 && !is_alnum(*c) && !in_set(*c, "-_.~!$&'()*+,;=:[]<>\"%"))
            return arena_printf(arena, "invalid character \"%c\" in host name", *c);
    }
    return NULL;
}

/* `//user@host` at *rest; moves it on to the path. NULL when good. */
static const char *read_authority(struct arena *arena, const char **rest, struct url *u)
{
    const char *from = *rest + 2, *slash = strchr(from, '/'), *at = NULL;
    size_t len = slash ? (size_t)(slash - from) : strlen(from);

    for (size_t i = 0; i < len; i++) {
        if (from[i] == '@')
            at = from + i;
    }
    if (at) {
        const char *bad;

        u->user = arena_strndup(arena, from, (size_t)(at - from));
        u->host = arena_strndup(arena, at + 1, len - (size_t)(at - from) - 1);
        for (const char *c = from; c < at; c++) {
            if (!is_alnum(*c) && !in_set(*c, "-._:~!$&'()*+,;=%@"))
                return "net/url: invalid userinfo";
        }
        bad = find_bad_escape(arena, from, (size_t)(at - from));
        if (bad)
            return bad;
    } else {
        u->host = arena_strndup(arena, from, len);
    }
    *rest = from + len;
    return u->host ? check_host(arena, u->host) : "out of memory";
}

/* The scheme, if there is one; moves *rest behind its colon. NULL when good. */
static const char *read_scheme(struct arena *arena, const char **rest, struct url *u)
{
    const char *s = *rest;
    size_t i = 0;

    while (is_alpha(s[i]) || (i > 0 && (is_alnum(s[i]) || in_set(s[i], "+-."))))
        i++;
    if (s[i] != ':')
        return NULL;
    if (i == 0)
        return "missing protocol scheme";
    u->scheme = arena_strndup(arena, s, i);
    if (!u->scheme)
        return "out of memory";
    for (char *c = (char *)(size_t)u->scheme; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    *rest = s + i + 1;
    return NULL;
}

static const char *parse(struct arena *arena, const char *text, struct url *u)
{
    const char *rest = text, *bad, *question;
    char *before;

    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return "net/url: invalid control character in URL";
    }
    bad = read_scheme(arena, &rest, u);
    if (bad)
        return bad;
    question = strchr(rest, '?');
    if (question)
        u->query = arena_strdup(arena, question + 1);
    before = arena_strndup(arena, rest, question ? (size_t)(question - rest) : strlen(rest));
    if (!before)
        return "out of memory";
    rest = before;
    if (*rest != '/') {
        size_t segment = strcspn(rest, "/");

        if (*u->scheme) {
            u->opaque = rest;
            return NULL;
        }
        if (memchr(rest, ':', segment))
            return "first path segment in URL cannot contain colon";
    }
    if ((*u->scheme || strncmp(rest, "///", 3) != 0) && strncmp(rest, "//", 2) == 0) {
        bad = read_authority(arena, &rest, u);
        if (bad)
            return bad;
    }
    bad = find_bad_escape(arena, rest, strlen(rest));
    if (bad)
        return bad;
    u->path = escape_path(arena, rest, strlen(rest));
    return u->path ? NULL : "out of memory";
}

int url_parse(struct arena *arena, const char *text, struct url *ret_url, const char **reterr)
{
    const char *hash = strchr(text, '#'), *bad;
    char *plain = arena_strndup(arena, text, hash ? (size_t)(hash - text) : strlen(text));
    struct strbuf b = STRBUF_INIT;

    *ret_url = (struct url){.scheme = "", .host = "", .path = ""};
    if (!plain) {
        *reterr = "out of memory";
        return -ENOMEM;
    }
    bad = parse(arena, plain, ret_url);
    if (!bad && hash) {
        ret_url->fragment = arena_strdup(arena, hash + 1);
        bad = find_bad_escape(arena, hash + 1, strlen(hash + 1));
        plain = bad ? arena_strdup(arena, text) : plain;
    }
    if (!bad)
        return 0;
    strbuf_adds(&b, "parse ");
    go_quote(&b, plain ? plain : "", plain ? strlen(plain) : 0);
    strbuf_addf(&b, ": %s", bad);
    *reterr = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    if (!*reterr)
        *reterr = "out of memory";
    return -EINVAL;
}

const char *url_string(struct arena *arena, const struct url *u, bool redact)
{
    struct strbuf b = STRBUF_INIT;
    const char *out;

    strbuf_adds(&b, u->scheme);
    if (*u->scheme)
        strbuf_addc(&b, ':');
    if (u->opaque) {
        strbuf_adds(&b, u->opaque);
    } else {
        if (*u->host || u->user)
            strbuf_adds(&b, "//");
        if (u->user) {
            const char *colon = redact ? strchr(u->user, ':') : NULL;

            strbuf_add(&b, u->user, colon ? (size_t)(colon - u->user) : strlen(u->user));
            strbuf_adds(&b, colon ? ":xxxxx@" : "@");
        }
        strbuf_adds(&b, u->host);
        if (*u->path && *u->path != '/' && *u->host)
            strbuf_addc(&b, '/');
        strbuf_adds(&b, u->path);
    }
    if (u->query) {
        strbuf_addc(&b, '?');
        strbuf_adds(&b, u->query);
    }
    if (u->fragment && *u->fragment) {
        strbuf_addc(&b, '#');
        strbuf_adds(&b, u->fragment);
    }
    out = b.failed ? NULL : arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return out ? out : "";
}

const char *url_join_path(struct arena *arena, const char *base, const char *more)
{
    struct strbuf b = STRBUF_INIT;
    char *all = arena_printf(arena, "%s/%s", base, more);
    bool rooted = all && (*base ? *base == '/' : *more == '/');
    const char *out;

    for (char *s = all; s && *s;) {
        size_t n = strcspn(s, "/");

        if (n == 2 && s[0] == '.' && s[1] == '.') {
            while (b.len > 0 && b.data[--b.len] != '/')
                ;
            if (b.data)
                b.data[b.len] = '\0';
        } else if (n > 0 && !(n == 1 && s[0] == '.')) {
            if (b.len > 0 || rooted)
                strbuf_addc(&b, '/');
            strbuf_add(&b, s, n);
        }
        s += n + (s[n] == '/');
    }
    if (b.len == 0)
        strbuf_addc(&b, rooted ? '/' : '.');
    out = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return out ? out : "";
}

/* ---- queries ----------------------------------------------------- */

/* A part of a query, decoded. NULL on a bad escape. */
static char *query_unescape(struct arena *arena, const char *s, size_t len)
{
    char *out = arena_alloc(arena, len + 1);
    size_t n = 0;

    if (!out || find_bad_escape(arena, s, len))
        return NULL;
    for (size_t i = 0; i < len; i++) {
        char c = s[i] == '+' ? ' ' : s[i];

        if (c == '%') {
            c = (char)(hex_digit(s[i + 1]) << 4 | hex_digit(s[i + 2]));
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return out;
}

void url_query_add(struct arena *arena, struct url_query *q, const char *key, const char *value)
{
    if (q->count == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 8;
        struct url_pair *more = arena_alloc(arena, cap * sizeof *more);

        if (!more)
            return;
        if (q->count)
            memcpy(more, q->items, q->count * sizeof *more);
        q->items = more;
        q->cap = cap;
    }
    q->items[q->count++] = (struct url_pair){key, value};
}

void url_query_set(struct arena *arena, struct url_query *q, const char *key, const char *value)
{
    size_t kept = 0;

    for (size_t i = 0; i < q->count; i++) {
        if (strcmp(q->items[i].key, key) != 0)
            q->items[kept++] = q->items[i];
    }
    q->count = kept;
    url_query_add(arena, q, key, value);
}

void url_query_parse(struct arena *arena, const char *query, struct url_query *ret_query)
{
    *ret_query = (struct url_query){0};
    while (query && *query) {
        size_t n = strcspn(query, "&");
        const char *equals = memchr(query, '=', n);
        size_t key_len = equals ? (size_t)(equals - query) : n;

        if (n > 0 && !memchr(query, ';', n)) {
            char *key = query_unescape(arena, query, key_len);
            char *value = equals ? query_unescape(arena, equals + 1, n - key_len - 1)
                                 : arena_strdup(arena, "");

            if (key && value)
                url_query_add(arena, ret_query, key, value);
        }
        query += n + (query[n] == '&');
    }
}

const char *url_query_encode(struct arena *arena, struct url_query *q)
{
    struct strbuf b = STRBUF_INIT;
    const char *out;

    for (size_t i = 1; i < q->count; i++) { /* insertion: few, and stable */
        struct url_pair p = q->items[i];
        size_t j = i;

        for (; j > 0 && strcmp(q->items[j - 1].key, p.key) > 0; j--)
            q->items[j] = q->items[j - 1];
        q->items[j] = p;
    }
    for (size_t i = 0; i < q->count; i++) {
        if (i > 0)
            strbuf_addc(&b, '&');
        url_add_query_escaped(&b, q->items[i].key, strlen(q->items[i].key));
        strbuf_addc(&b, '=');
        url_add_query_escaped(&b, q->items[i].value, strlen(q->items[i].value));
    }
    out = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return out ? out : "";
}

const char *url_hostname(struct arena *arena, const struct url *u)
{
    const char *close = u->host[0] == '[' ? strchr(u->host, ']') : NULL;

    if (close)
        return arena_strndup(arena, u->host + 1, (size_t)(close - u->host) - 1);
    return arena_strndup(arena, u->host, strcspn(u->host, ":"));
}

const char *url_unusable(struct arena *arena, const char *method, const char *text)
{
    struct strbuf b = STRBUF_INIT;
    const char *why = NULL, *shown;
    struct url u;

    if (url_parse(arena, text, &u, &why) != 0)
        return why;
    if ((strcmp(u.scheme, "http") == 0 || strcmp(u.scheme, "https") == 0) && *u.host)
        return NULL;
    shown = url_string(arena, &u, true);
    strbuf_adds(&b, strcmp(method, "POST") == 0 ? "Post " : "Get ");
    go_quote(&b, shown, strlen(shown));
    if (strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0) {
        strbuf_adds(&b, ": unsupported protocol scheme ");
        go_quote(&b, u.scheme, strlen(u.scheme));
    } else {
        strbuf_adds(&b, ": http: no Host in request URL");
    }
    why = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return why ? why : "out of memory";
}
