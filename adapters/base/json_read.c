/* Text to tree, in one pass. */
#include <stdlib.h>
#include <string.h>

#include "adapters/base/chars.h"
#include "adapters/base/json_node.h"
#include "adapters/base/plain.h"
#include "engine/num.h"

#define DIGITS_EXACT 15u     /* any integer of so many digits is exact in a double */
#define NUMBER_BYTES_MAX 60u /* longer literals are kept as they are */

struct reader {
    const char *text;
    size_t len, at;
    unsigned depth;
};

static cJSON *read_value(struct reader *r);

static bool is_at(const struct reader *r, char c)
{
    return r->at < r->len && r->text[r->at] == c;
}

static bool take(struct reader *r, char c)
{
    if (!is_at(r, c))
        return false;
    r->at++;
    return true;
}

/* What programs write has none: that is seen at once. */
static inline void skip_space(struct reader *r)
{
    if (r->at < r->len && (unsigned char)r->text[r->at] > ' ')
        return;
    while (r->at < r->len) {
        char c = r->text[r->at];

        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
        r->at++;
    }
}

/* ---- strings
 * ----------------------------------------------------------------------------------------- */

/* Bytes after the first of a well-formed character of more than one byte, 0 = it is none. */
static size_t utf8_tail(const unsigned char *s, size_t len)
{
    if (len >= 2 && s[0] >= 0xc2 && s[0] <= 0xdf)
        return (s[1] & 0xc0) == 0x80 ? 1 : 0;
    if (len >= 3 && (s[0] & 0xf0) == 0xe0) {
        if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
            return 0;
        return (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ? 0 : 2;
    }
    if (len >= 4 && s[0] >= 0xf0 && s[0] <= 0xf4) {
        if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
            return 0;
        return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : 3;
    }
    return 0;
}

/* From behind the first quote to the last one. *ret_plain: there are no escapes. */
static bool scan_string(struct reader *r, bool *ret_plain)
{
    const unsigned char *t = (const unsigned char *)r->text;
    size_t at = r->at;

    *ret_plain = true;
    while ((at += plain_bytes(r->text + at, r->len - at)) < r->len) {
        unsigned char c = t[at];

        if (c == '"') {
            r->at = at;
            return true;
        }
        if (c == '\\') {
            *ret_plain = false;
            if (r->len - at < 2)
                break;
            at += 2;
        } else {
            size_t tail = utf8_tail(t + at, r->len - at);

            if (tail == 0)
                break;
            at += tail + 1;
        }
    }
    r->at = at;
    return false;
}

static bool hex4(const char *s, unsigned *ret)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(s[i]);

        if (digit < 0)
            return false;
        value = value * 16 + (unsigned)digit;
    }
    *ret = value;
    return true;
}

/* \uXXXX at *from, a pair of them for what UTF-16 says in two. A NUL is refused: strings end there.
 */
static bool decode_unicode(const char **from, const char *end, char **out)
{
    const char *s = *from;
    unsigned c, low;

    if (end - s < 6 || !hex4(s + 2, &c) || c == 0 || (c >= 0xdc00 && c <= 0xdfff))
        return false;
    s += 6;
    if (c >= 0xd800 && c <= 0xdbff) {
        if (end - s < 6 || s[0] != '\\' || s[1] != 'u' || !hex4(s + 2, &low) || low < 0xdc00 ||
            low > 0xdfff)
            return false;
        c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
        s += 6;
    }
    *out = utf8_put(*out, c);
    *from = s;
    return true;
}

/* No escape is shorter than what it stands for. */
static bool decode(const char *from, const char *end, char *out)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";

    while (from < end) {
        const char *e;

        if (*from != '\\') {
            *out++ = *from++;
            continue;
        }
        if (from[1] == 'u') {
            if (!decode_unicode(&from, end, &out))
                return false;
            continue;
        }
        for (e = escapes; *e && *e != from[1]; e += 2)
            ;
        if (*e == '\0')
            return false;
        *out++ = e[1];
        from += 2;
    }
    *out = '\0';
    return true;
}

/* The string at the reader, which stands on its first quote; NULL when it is none. */
static char *read_text(struct reader *r)
{
    size_t start = ++r->at, len;
    bool plain;
    char *text;

    if (!scan_string(r, &plain))
        return NULL;
    len = r->at - start;
    text = json_text_new(len + 1);
    if (text == NULL)
        return NULL;
    if (plain) {
        memcpy(text, r->text + start, len);
        text[len] = '\0';
    } else if (!decode(r->text + start, r->text + r->at, text)) {
        json_text_free(text);
        r->at = start;
        return NULL;
    }
    r->at++;
    return text;
}

static cJSON *read_string(struct reader *r)
{
    char *text = read_text(r);
    cJSON *v = text ? json_node_new(cJSON_String) : NULL;

    if (v)
        v->valuestring = text;
    else
        json_text_free(text);
    return v;
}

/* ---- numbers
 * ----------------------------------------------------------------------------------------- */

static size_t skip_digits(struct reader *r)
{
    size_t start = r->at;

    while (r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9')
        r->at++;
    return r->at - start;
}

/* Past a literal of JSON's grammar. *ret_digits: of an integer, 0 when it is none. */
static bool scan_number(struct reader *r, size_t *ret_digits)
{
    (void)take(r, '-');
    if (take(r, '0')) {
        *ret_digits = 1;
        if (skip_digits(r) > 0)
            return false;
    } else {
        *ret_digits = skip_digits(r);
        if (*ret_digits == 0)
            return false;
    }
    if (take(r, '.')) {
        *ret_digits = 0;
        if (skip_digits(r) == 0)
            return false;
    }
    if (take(r, 'e') || take(r, 'E')) {
        *ret_digits = 0;
        if (!take(r, '+'))
            (void)take(r, '-');
        if (skip_digits(r) == 0)
            return false;
    }
    return true;
}

static cJSON *raw_number(const char *s, size_t len)
{
    cJSON *v = json_node_new(cJSON_Raw);

    if (v == NULL)
        return NULL;
    v->valuestring = json_text_new(len + 1);
    if (v->valuestring == NULL) {
        json_free(v);
        return NULL;
    }
    memcpy(v->valuestring, s, len);
    v->valuestring[len] = '\0';
    return v;
}

static double small_integer(const char *s, size_t len)
{
    bool negative = *s == '-';
    int64_t value = 0;

    for (size_t i = negative; i < len; i++)
        value = value * 10 + (s[i] - '0');
    return negative ? -(double)value : (double)value;
}

static cJSON *read_number(struct reader *r)
{
    size_t start = r->at, digits, len;
    const char *s = r->text + start;
    double value;
    cJSON *v;

    if (!scan_number(r, &digits))
        return NULL;
    len = r->at - start;
    if (digits > DIGITS_EXACT || len > NUMBER_BYTES_MAX)
        return raw_number(s, len);
    if (digits > 0)
        value = small_integer(s, len);
    else if (!num_parse(s, len, &value) || !num_is_finite(value)) {
        r->at = start;
        return NULL;
    }
    v = json_node_new(cJSON_Number);
    if (v) {
        v->valuedouble = value;
        v->valueint = value >= INT32_MAX ? INT32_MAX : value <= INT32_MIN ? INT32_MIN : (int)value;
    }
    return v;
}

/* ---- the rest
 * ---------------------------------------------------------------------------------------- */

static cJSON *read_word(struct reader *r, const char *word, int type)
{
    size_t len = strlen(word);

    if (r->len - r->at < len || memcmp(r->text + r->at, word, len) != 0)
        return NULL;
    r->at += len;
    return json_node_new(type);
}

/* The name of a member, into `v`: most are the few that everybody uses. */
static cJSON *read_member(struct reader *r)
{
    size_t start = r->at + 1, name_len;
    char *decoded = NULL;
    bool plain, named;
    cJSON *v;

    if (!is_at(r, '"'))
        return NULL;
    r->at++;
    if (!scan_string(r, &plain))
        return NULL;
    name_len = r->at - start;
    r->at++;
    if (!plain) {
        decoded = json_text_new(name_len + 1);
        if (decoded == NULL)
            return NULL;
        if (!decode(r->text + start, r->text + start + name_len, decoded)) {
            json_text_free(decoded);
            r->at = start;
            return NULL;
        }
        name_len = strlen(decoded);
    }
    skip_space(r);
    v = take(r, ':') ? read_value(r) : NULL;
    named = v && json_node_name(v, decoded ? decoded : r->text + start, name_len);
    json_text_free(decoded);
    if (v && !named) {
        json_free(v);
        return NULL;
    }
    return v;
}

static cJSON *read_nested(struct reader *r, bool object)
{
    char end = object ? '}' : ']';
    cJSON *v, *last = NULL;

    if (r->depth == JSON_DEPTH_MAX)
        return NULL;
    v = json_node_new(object ? cJSON_Object : cJSON_Array);
    if (v == NULL)
        return NULL;
    r->at++;
    r->depth++;
    skip_space(r);
    if (!take(r, end)) {
        do {
            cJSON *item;

            skip_space(r);
            item = object ? read_member(r) : read_value(r);
            if (item == NULL)
                goto fail;
            json_node_append(v, last, item);
            last = item;
            skip_space(r);
        } while (take(r, ','));
        if (!take(r, end))
            goto fail;
    }
    r->depth--;
    return v;
fail:
    json_free(v);
    return NULL;
}

static cJSON *read_value(struct reader *r)
{
    skip_space(r);
    if (r->at == r->len)
        return NULL;
    switch (r->text[r->at]) {
    case '"':
        return read_string(r);
    case '{':
        return read_nested(r, true);
    case '[':
        return read_nested(r, false);
    case 't':
        return read_word(r, "true", cJSON_True);
    case 'f':
        return read_word(r, "false", cJSON_False);
    case 'n':
        return read_word(r, "null", cJSON_NULL);
    default:
        return read_number(r);
    }
}

cJSON *json_parse(const char *text, size_t len, size_t *reterr_offset)
{
    struct reader r = {.text = text, .len = len};
    cJSON *v = NULL;

    if (len > JSON_BYTES_MAX) {
        r.at = JSON_BYTES_MAX;
    } else {
        v = read_value(&r);
        skip_space(&r);
    }
    if (v && r.at == len)
        return v;
    json_free(v);
    if (reterr_offset)
        *reterr_offset = r.at < len ? r.at : len;
    return NULL;
}
