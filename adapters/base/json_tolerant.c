/* Reading for what one object must not spoil for the others of a list. */
#include <string.h>

#include "adapters/base/json.h"
#include "engine/num.h"

/* The four hexadecimal digits of \uXXXX at `s`, or -1. */
static int32_t unicode_escape(const char *s, size_t len)
{
    int32_t v = 0;

    if (len < 6 || s[0] != '\\' || s[1] != 'u')
        return -1;
    for (size_t i = 2; i < 6; i++) {
        const char *digits = "0123456789abcdef", *d;
        char c = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] - 'A' + 'a') : s[i];

        d = c ? strchr(digits, c) : NULL;
        if (d == NULL)
            return -1;
        v = v * 16 + (int32_t)(d - digits);
    }
    return v;
}

/* Copies a string from its first quote to its last; returns the bytes taken. */
static size_t copy_string(struct strbuf *out, const char *s, size_t len, bool *ret_changed)
{
    size_t i = 1;

    strbuf_addc(out, '"');
    while (i < len && s[i] != '"') {
        int32_t code = s[i] == '\\' ? unicode_escape(s + i, len - i) : -1,
                next = code >= 0 ? unicode_escape(s + i + 6, len - i - 6) : -1;
        size_t step = s[i] != '\\' ? 1 : code < 0 ? 2 : 6;

        if (code >= 0xd800 && code < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
            step = 12; /* a pair */
        } else if (code == 0 || (code >= 0xd800 && code < 0xe000)) {
            strbuf_adds(out, "\\ufffd");
            *ret_changed = true;
            i += 6;
            continue;
        }
        step = step < len - i ? step : len - i;
        strbuf_add(out, s + i, step);
        i += step;
    }
    if (i < len)
        strbuf_addc(out, s[i++]);
    return i;
}

/* The bytes of a list or map that is left out. */
static size_t skip_nested(const char *s, size_t len)
{
    size_t depth = 0, i = 0;

    do {
        if (s[i] == '"') {
            for (i++; i < len && s[i] != '"'; i++)
                i += s[i] == '\\';
        } else if (s[i] == '{' || s[i] == '[') {
            depth++;
        } else if (s[i] == '}' || s[i] == ']') {
            depth--;
        }
        i++;
    } while (i < len && depth > 0);
    return i < len ? i : len;
}

static size_t copy_number(struct strbuf *out, const char *s, size_t len, bool *ret_changed)
{
    size_t n = 0;
    double value;

    while (n < len && strchr("+-.0123456789eE", s[n]))
        n++;
    if (num_parse(s, n, &value) && !num_is_finite(value)) {
        strbuf_adds(out, "null");
        *ret_changed = true;
    } else {
        strbuf_add(out, s, n);
    }
    return n;
}

cJSON *json_parse_tolerant(const char *text, size_t len, bool *ret_changed)
{
    cJSON *v = json_parse(text, len, NULL);
    struct strbuf out = STRBUF_INIT;
    unsigned depth = 0;

    *ret_changed = false;
    if (v != NULL || len > JSON_BYTES_MAX)
        return v;
    for (size_t i = 0; i < len;) {
        char c = text[i];

        if (c == '"') {
            i += copy_string(&out, text + i, len - i, ret_changed);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            i += copy_number(&out, text + i, len - i, ret_changed);
        } else if ((c == '{' || c == '[') && depth == JSON_DEPTH_MAX) {
            strbuf_adds(&out, "null");
            *ret_changed = true;
            i += skip_nested(text + i, len - i);
        } else {
            depth += c == '{' || c == '[';
            depth -= (c == '}' || c == ']') && depth > 0;
            strbuf_addc(&out, c);
            i++;
        }
    }
    if (*ret_changed && !out.failed)
        v = json_parse(out.data, out.len, NULL);
    strbuf_release(&out);
    return v;
}
