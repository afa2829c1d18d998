/* adapters/metrics/template_literal.c — strings, characters and numbers of a query template, as Go
 * reads them. */
#include <string.h>

#include "adapters/base/chars.h"
#include "adapters/metrics/template_int.h"
#include "engine/num.h"

static const char *or_no_memory(const char *text)
{
    return text ? text : "out of memory";
}

static void add_utf8(struct strbuf *b, uint32_t r)
{
    char bytes[4];

    strbuf_add(b, bytes, (size_t)(utf8_put(bytes, r) - bytes));
}

/*
 * One escape of a Go literal, the backslash behind. A byte escape gives *ret_byte, others a
 * character. False when it is none.
 */
static bool read_escape(const char **s, const char *end, char quote, uint32_t *ret_rune,
                        bool *ret_byte)
{
    static const char names[] = "abfnrtv\\";
    static const char codes[] = "\a\b\f\n\r\t\v\\";
    const char *found;
    char c;
    int digits, base = 16;
    uint32_t r = 0;

    *ret_byte = false;
    if (*s >= end)
        return false;
    c = *(*s)++;
    if (c == quote) {
        *ret_rune = (unsigned char)c;
        return true;
    }
    found = c ? strchr(names, c) : NULL;
    if (found) {
        *ret_rune = (unsigned char)codes[found - names];
        return true;
    }
    if (c == 'x' || (c >= '0' && c <= '7')) {
        *ret_byte = true;
        digits = c == 'x' ? 2 : 3;
        if (c != 'x') {
            base = 8;
            (*s)--;
        }
    } else if (c == 'u' || c == 'U') {
        digits = c == 'u' ? 4 : 8;
    } else {
        return false;
    }
    for (; digits > 0; digits--, (*s)++) {
        int v = *s < end ? hex_digit(**s) : -1;

        if (v < 0 || v >= base)
            return false;
        r = r * (uint32_t)base + (uint32_t)v;
    }
    if (*ret_byte ? r > 255 : (r > 0x10ffff || (r >= 0xd800 && r < 0xe000)))
        return false;
    *ret_rune = r;
    return true;
}

bool literal_unquote(struct arena *arena, struct span quoted, struct span *ret_string)
{
    struct strbuf b = STRBUF_INIT;
    const char *s = quoted.s + 1, *end = quoted.s + quoted.len - 1;
    bool raw = quoted.s[0] == '`', ok = true;

    while (s < end && ok) {
        uint32_t r;
        bool byte;

        if (raw) {
            if (*s != '\r')
                strbuf_addc(&b, *s);
            s++;
        } else if (*s != '\\') {
            strbuf_addc(&b, *s++);
        } else {
            s++;
            ok = read_escape(&s, end, '"', &r, &byte);
            if (ok && byte)
                strbuf_addc(&b, (char)r);
            else if (ok)
                add_utf8(&b, r);
        }
    }
    ret_string->len = b.len;
    ret_string->s = arena_strndup(arena, strbuf_str(&b), b.len);
    ok = ok && ret_string->s && !b.failed;
    strbuf_release(&b);
    return ok;
}

const char *literal_char(struct arena *arena, struct tmpl_node *n, bool *ret_unsupported)
{
    const char *s = n->text.s + 1, *end = n->text.s + n->text.len - 1;
    uint32_t r = 0;
    bool byte;

    *ret_unsupported = false;
    if (s >= end)
        return "invalid syntax";
    if (*s == '\\') {
        s++;
        if (!read_escape(&s, end, '\'', &r, &byte))
            return "invalid syntax";
    } else if ((unsigned char)*s >= 0x80) {
        *ret_unsupported = true;
        return "characters beyond ASCII are not supported";
    } else {
        r = (unsigned char)*s++;
    }
    if (s != end)
        return or_no_memory(
            arena_printf(arena, "malformed character constant: %.*s", (int)n->text.len, n->text.s));
    n->is_int = n->is_float = true;
    n->integer = r;
    n->real = r;
    return NULL;
}

/*
 * A whole number as strconv.ParseInt(…, 0, 64) reads it: sign, base prefix, underscores between
 * digits. Returns 1, 0 when it is none, -1 when it is one and too large.
 */
static int read_integer(struct span text, int64_t *ret_value)
{
    const char *s = text.s, *end = text.s + text.len;
    bool negative = false, last_digit = false;
    uint64_t v = 0, limit;
    uint64_t base = 10;
    size_t digits = 0;

    if (s < end && (*s == '+' || *s == '-'))
        negative = *s++ == '-';
    if (s + 1 < end && *s == '0') {
        char c = (char)(s[1] | 0x20);

        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        s += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
        last_digit = true;
        digits = c == 'x' || c == 'b' || c == 'o' ? 0 : 1;
    }
    limit = negative ? (uint64_t)1 << 63 : INT64_MAX;
    for (; s < end; s++) {
        int d = hex_digit(*s);

        if (*s == '_') {
            if (!last_digit)
                return 0;
            last_digit = false;
            continue;
        }
        if (d < 0 || (uint64_t)d >= base)
            return 0;
        if (v > (limit - (uint64_t)d) / base)
            return -1;
        v = v * base + (uint64_t)d;
        last_digit = true;
        digits++;
    }
    if (digits == 0 || !last_digit)
        return 0;
    *ret_value = negative ? (int64_t)(0 - v) : (int64_t)v;
    return 1;
}

const char *literal_number(struct arena *arena, struct tmpl_node *n, bool *ret_unsupported)
{
    int got = read_integer(n->text, &n->integer);
    const char *what = "illegal number syntax: ";
    struct strbuf b = STRBUF_INIT;
    double real;

    *ret_unsupported = false;
    if (got == 1) {
        n->is_int = n->is_float = true;
        n->real = (double)n->integer;
        return NULL;
    }
    if (got == -1) {
        *ret_unsupported = true;
        return "whole numbers beyond 64 bits are not supported";
    }
    if (memchr(n->text.s, '_', n->text.len)) {
        *ret_unsupported = true;
        return "underscores in numbers with a fraction are not supported";
    }
    if (num_parse(n->text.s, n->text.len, &real)) {
        if (memchr(n->text.s, '.', n->text.len) || memchr(n->text.s, 'e', n->text.len) ||
            memchr(n->text.s, 'E', n->text.len)) {
            n->is_float = true;
            n->real = real;
            return NULL;
        }
        what = "integer overflow: "; /* such as 08: no integer, and no float by its looks */
    }
    strbuf_adds(&b, what);
    go_quote(&b, n->text.s, n->text.len);
    what = or_no_memory(arena_strdup(arena, strbuf_str(&b)));
    strbuf_release(&b);
    return what;
}
