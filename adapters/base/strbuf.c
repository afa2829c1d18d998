#include "adapters/base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/plain.h"

#define CAP_MIN 64u
#define CAP_STEEP 4096u /* up to here a buffer grows eightfold, from here on twofold */
#define ADDF_GUESS 60u  /* most formatted texts are shorter, and are written at the first try */

void strbuf_release(struct strbuf *b)
{
    free(b->data);
    *b = (struct strbuf)STRBUF_INIT;
}

void strbuf_clear(struct strbuf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

static bool grow(struct strbuf *b, size_t more)
{
    size_t need, cap;
    char *data;

    if (b->failed || more > SIZE_MAX / 2 - 1 - b->len) {
        b->failed = true;
        return false;
    }
    need = b->len + more + 1;
    cap = b->cap ? b->cap : CAP_MIN;
    while (cap < need)
        cap *= cap < CAP_STEEP ? 8 : 2;
    data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

/* Make room for `more` bytes and the NUL. */
static inline bool reserve(struct strbuf *b, size_t more)
{
    if (!b->failed && more < b->cap - b->len)
        return true; /* cap is 0 or greater than len */
    return grow(b, more);
}

char *strbuf_extend(struct strbuf *b, size_t len)
{
    char *place;

    if (!reserve(b, len))
        return NULL;
    place = b->data + b->len;
    b->len += len;
    b->data[b->len] = '\0';
    return place;
}

void strbuf_add(struct strbuf *b, const char *bytes, size_t len)
{
    if (!reserve(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *s)
{
    strbuf_add(b, s, strlen(s));
}

void strbuf_addc(struct strbuf *b, char c)
{
    if (!reserve(b, 1))
        return;
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
}

void strbuf_addv(struct strbuf *b, const char *format, va_list args)
{
    va_list again;
    size_t room;
    int len;

    va_copy(again, args);
    if (reserve(b, ADDF_GUESS)) {
        room = b->cap - b->len;
        len = vsnprintf(b->data + b->len, room, format, args);
        if (len >= 0 && (size_t)len >= room && reserve(b, (size_t)len))
            vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        if (len < 0)
            b->failed = true;
        if (b->failed)
            b->data[b->len] = '\0'; /* as it was */
        else
            b->len += (size_t)len;
    }
    va_end(again);
}

void strbuf_addf(struct strbuf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    strbuf_addv(b, format, args);
    va_end(args);
}

/* Bytes of the well-formed UTF-8 character at `s`, or 0. */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    size_t need;
    unsigned char low = 0x80, high = 0xbf;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        need = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        need = 3;
        low = s[0] == 0xe0 ? 0xa0 : 0x80;
        high = s[0] == 0xed ? 0x9f : 0xbf;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        need = 4;
        low = s[0] == 0xf0 ? 0x90 : 0x80;
        high = s[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (len < need || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

static void add_escaped(struct strbuf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char u[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    switch (c) {
    case '"':
        strbuf_add(b, "\\\"", 2);
        break;
    case '\\':
        strbuf_add(b, "\\\\", 2);
        break;
    case '\b':
        strbuf_add(b, "\\b", 2);
        break;
    case '\f':
        strbuf_add(b, "\\f", 2);
        break;
    case '\n':
        strbuf_add(b, "\\n", 2);
        break;
    case '\r':
        strbuf_add(b, "\\r", 2);
        break;
    case '\t':
        strbuf_add(b, "\\t", 2);
        break;
    default:
        strbuf_add(b, u, sizeof u);
    }
}

/* A string without anything to escape, in one go; false when there is something. */
static bool add_plain(struct strbuf *b, const char *s, size_t len)
{
    char *out;

    if (plain_bytes(s, len) < len)
        return false;
    out = strbuf_extend(b, len + 2);
    if (!out)
        return true;
    out[0] = '"';
    memcpy(out + 1, s, len);
    out[len + 1] = '"';
    return true;
}

void strbuf_add_json(struct strbuf *b, const char *s, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)s;
    size_t start = 0, i = 0;

    if (add_plain(b, s, len))
        return;
    strbuf_addc(b, '"');
    while (i < len) {
        unsigned char c;
        size_t n;

        i += plain_bytes(s + i, len - i);
        if (i == len)
            break;
        c = bytes[i];
        n = utf8_length(bytes + i, len - i);
        /* encoding/json escapes the two line separators, for the sake of JavaScript */
        bool separator =
            n == 3 && c == 0xe2 && bytes[i + 1] == 0x80 && (bytes[i + 2] & 0xfe) == 0xa8;
        if (n > 1 && !separator) {
            i += n;
            continue;
        }
        strbuf_add(b, s + start, i - start);
        if (n == 0)
            strbuf_adds(b, "\\ufffd");
        else if (n == 1)
            add_escaped(b, c);
        else
            strbuf_adds(b, bytes[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
        i += n ? n : 1;
        start = i;
    }
    strbuf_add(b, s + start, len - start);
    strbuf_addc(b, '"');
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void strbuf_add_percent(struct strbuf *b, const char *s, size_t len, const char *keep)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t start = 0; /* of what needs no escape, so far */

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};

        if (is_unreserved(s[i]) || (c != '\0' && strchr(keep, c)))
            continue;
        strbuf_add(b, s + start, i - start);
        strbuf_add(b, escaped, sizeof(escaped));
        start = i + 1;
    }
    strbuf_add(b, s + start, len - start);
}

const char *strbuf_str(const struct strbuf *b)
{
    return b->data ? b->data : "";
}

char *strbuf_detach(struct strbuf *b)
{
    char *data = NULL;

    if (!b->data)
        strbuf_add(b, "", 0);
    if (!b->failed) {
        data = b->data;
        b->data = NULL;
    }
    strbuf_release(b);
    return data;
}
