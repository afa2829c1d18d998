#include "adapters/base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_release(struct strbuf *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

void strbuf_clear(struct strbuf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for `more` bytes and the NUL. */
static bool reserve(struct strbuf *b, size_t more)
{
    size_t cap = b->cap > 0 ? b->cap : 64;
    char *data;

    if (b->failed || more > SIZE_MAX / 2 - b->len - 1) {
        b->failed = true;
        return false;
    }
    if (b->len + more + 1 <= b->cap)
        return true;
    while (cap < b->len + more + 1)
        cap *= 2;
    data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void strbuf_add(struct strbuf *b, const char *bytes, size_t len)
{
    if (!reserve(b, len))
        return;
    if (len > 0)
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
    strbuf_add(b, &c, 1);
}

void strbuf_addv(struct strbuf *b, const char *format, va_list args)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && reserve(b, (size_t)len)) {
        vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
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

static void add_escaped(struct strbuf *b, unsigned char c)
{
    switch (c) {
    case '"':
        strbuf_adds(b, "\\\"");
        break;
    case '\\':
        strbuf_adds(b, "\\\\");
        break;
    case '\n':
        strbuf_adds(b, "\\n");
        break;
    case '\r':
        strbuf_adds(b, "\\r");
        break;
    case '\t':
        strbuf_adds(b, "\\t");
        break;
    default:
        strbuf_addf(b, "\\u%04x", c);
        break;
    }
}

void strbuf_add_json(struct strbuf *b, const char *s, size_t len)
{
    size_t from = 0;

    strbuf_addc(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        strbuf_add(b, s + from, i - from);
        add_escaped(b, c);
        from = i + 1;
    }
    strbuf_add(b, s + from, len - from);
    strbuf_addc(b, '"');
}

const char *strbuf_str(const struct strbuf *b)
{
    return b->data ? b->data : "";
}

char *strbuf_detach(struct strbuf *b)
{
    char *data;

    if (b->failed || !reserve(b, 0)) {
        strbuf_release(b);
        return NULL;
    }
    b->data[b->len] = '\0';
    data = b->data;
    memset(b, 0, sizeof *b);
    return data;
}
