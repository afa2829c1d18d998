/* adapters/metrics/gotext.c — quoting, numbers and names as Go words them. */
#include "adapters/metrics/gotext.h"

#include <errno.h>
#include <string.h>

#include "adapters/base/chars.h"
#include "engine/decimal.h"
#include "engine/num.h"
#include "engine/text.h"

/* Bytes of the valid UTF-8 sequence at s, 0 when it is none. */
static size_t utf8_len(const char *s, size_t len)
{
    unsigned char c = (unsigned char)s[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((c == 0xe0 && (unsigned char)s[1] < 0xa0) || (c == 0xed && (unsigned char)s[1] >= 0xa0) ||
        (c == 0xf0 && (unsigned char)s[1] < 0x90) || (c == 0xf4 && (unsigned char)s[1] >= 0x90))
        return 0;
    return n;
}

void go_quote(struct strbuf *out, const char *s, size_t len)
{
    static const char names[] = "\a\b\f\n\r\t\v";
    static const char codes[] = "abfnrtv";

    strbuf_addc(out, '"');
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len(s + i, len - i);
        const char *found = s[i] ? strchr(names, s[i]) : NULL;

        if (n == 0 || ((unsigned char)s[i] < 0x20 && !found) || s[i] == 0x7f) {
            strbuf_addf(out, "\\x%02x", (unsigned char)s[i]);
            n = 1;
        } else if (found) {
            strbuf_addf(out, "\\%c", codes[found - names]);
        } else {
            if (s[i] == '"' || s[i] == '\\')
                strbuf_addc(out, '\\');
            strbuf_add(out, s + i, n);
        }
        i += n;
    }
    strbuf_addc(out, '"');
}

void go_json_string(struct strbuf *out, const char *s)
{
    size_t len = strlen(s);

    strbuf_addc(out, '"');
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len(s + i, len - i);
        unsigned char c = (unsigned char)s[i];

        if (n == 0) {
            strbuf_adds(out, "\\ufffd");
            n = 1;
        } else if (c == '"' || c == '\\') {
            strbuf_addf(out, "\\%c", c);
        } else if (c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t') {
            strbuf_addf(out, "\\%c", "btn\vfr"[c - '\b']);
        } else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
            strbuf_addf(out, "\\u%04x", c);
        } else if (n == 3 && c == 0xe2 && (unsigned char)s[i + 1] == 0x80 &&
                   ((unsigned char)s[i + 2] & 0xfe) == 0xa8) {
            strbuf_addf(out, "\\u202%c", (unsigned char)s[i + 2] == 0xa8 ? '8' : '9');
        } else {
            strbuf_add(out, s + i, n);
        }
        i += n;
    }
    strbuf_addc(out, '"');
}

static const char *number_error(struct arena *arena, const char *function, const char *s,
                                size_t len, const char *what)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;

    strbuf_addf(&b, "strconv.%s: parsing ", function);
    go_quote(&b, s, len);
    strbuf_addf(&b, ": %s", what);
    text = arena_strdup(arena, strbuf_str(&b));
    strbuf_release(&b);
    return text ? text : "out of memory";
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* The value of a digit, or -1. */
static int digit_of(char c, bool hex)
{
    return hex || (c >= '0' && c <= '9') ? hex_digit(c) : -1;
}

/* Past the sign of a number, and past 0x, which makes it a hexadecimal one. */
static size_t skip_prefix(const char *s, size_t len, bool *ret_hex)
{
    size_t i = len > 0 && (s[0] == '-' || s[0] == '+');

    *ret_hex = len >= i + 2 && s[i] == '0' && lower(s[i + 1]) == 'x';
    return *ret_hex ? i + 2 : i;
}

/* Go's underscoreOK: an underscore stands between digits, or between 0x and a digit. */
static bool underscores_are_fine(const char *s, size_t len)
{
    bool hex;
    size_t i = skip_prefix(s, len, &hex);
    char before = hex ? '0' : '^';

    for (; i < len; i++) {
        if (digit_of(s[i], hex) >= 0) {
            before = '0';
        } else if (s[i] == '_') {
            if (before != '0')
                return false;
            before = '_';
        } else if (before == '_') {
            return false;
        } else {
            before = '!';
        }
    }
    return before != '_';
}

#define EXPONENT_MAX 100000

/* The exponent after the p: at least one digit. False when it is none. */
static bool hex_exponent(const char *s, size_t len, int32_t *ret_exponent)
{
    bool negative = len > 0 && s[0] == '-';
    size_t i = len > 0 && (s[0] == '-' || s[0] == '+');
    int32_t exponent = 0;

    if (i == len)
        return false;
    for (; i < len; i++) {
        if (digit_of(s[i], false) < 0)
            return false;
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + digit_of(s[i], false);
    }
    *ret_exponent = negative ? -exponent : exponent;
    return true;
}

static double hex_value(uint64_t mantissa, int64_t exponent, bool negative)
{
    struct decimal x;
    double sign = negative ? -1 : 1;

    if (mantissa == 0 || exponent < -1200)
        return sign * 0.0;
    if (exponent > 1100)
        exponent = 1100; /* past every double: infinity */
    decimal_set(&x, mantissa);
    decimal_shift(&x, (int32_t)exponent);
    return decimal_to_double(&x, negative);
}

/* A hexadecimal number, from the digits after 0x on. False when it is none. */
static bool hex_parse(const char *s, size_t len, bool negative, double *ret_value)
{
    uint64_t mantissa = 0;
    int64_t exponent = 0;
    int32_t given;
    bool point = false, digits = false;
    size_t i;

    for (i = 0; i < len && lower(s[i]) != 'p'; i++) {
        int digit = digit_of(s[i], true);

        if (s[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (digit < 0)
            return false;
        digits = true;
        exponent -= point ? 4 : 0;
        if (mantissa >> 60 == 0) {
            mantissa = mantissa << 4 | (unsigned)digit;
        } else {
            mantissa |= digit != 0; /* below every bit that counts, but not nothing */
            exponent += 4;
        }
    }
    if (!digits || i == len || !hex_exponent(s + i + 1, len - i - 1, &given))
        return false;
    *ret_value = hex_value(mantissa, exponent + given, negative);
    return true;
}

/* What Go's syntax allows and JSON's does not: 0x1.8p4, 1_000. */
static bool parse_as_go(struct arena *arena, const char *s, size_t len, double *ret_value)
{
    char *plain = arena_alloc(arena, len + 1);
    size_t count = 0, from;
    bool hex;

    if (plain == NULL || !underscores_are_fine(s, len))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '_')
            plain[count++] = s[i];
    }
    from = skip_prefix(plain, count, &hex);
    return hex ? hex_parse(plain + from, count - from, plain[0] == '-', ret_value)
               : count < len && num_parse(plain, count, ret_value);
}

int go_parse_float(struct arena *arena, const char *s, size_t len, double *ret_value,
                   const char **reterr)
{
    bool digit = false, is_signed = len > 0 && (s[0] == '-' || s[0] == '+');
    double v;

    for (size_t i = 0; i < len; i++)
        digit |= s[i] >= '0' && s[i] <= '9';
    if ((!num_parse(s, len, &v) && !parse_as_go(arena, s, len, &v)) || (is_signed && v != v)) {
        *reterr = number_error(arena, "ParseFloat", s, len, "invalid syntax");
        return -EINVAL;
    }
    if (digit && !num_is_finite(v)) {
        *reterr = number_error(arena, "ParseFloat", s, len, "value out of range");
        return -EINVAL;
    }
    *ret_value = v;
    return 0;
}

int go_parse_int(struct arena *arena, const char *s, size_t len, int64_t *ret_value,
                 const char **reterr)
{
    size_t from = len > 0 && (s[0] == '-' || s[0] == '+'), i = from;

    if (num_parse_int(s, len, ret_value))
        return 0;
    while (i < len && s[i] >= '0' && s[i] <= '9')
        i++;
    *reterr = number_error(arena, "ParseInt", s, len,
                           i == len && i > from ? "value out of range" : "invalid syntax");
    return -EINVAL;
}

int go_parse_duration(struct arena *arena, const char *s, int64_t *ret_ns, const char **reterr)
{
    const char *unit = NULL;
    size_t unit_len = 0, len = strlen(s);
    enum duration_error e = duration_parse(s, len, ret_ns, &unit, &unit_len);
    struct text t;
    char buf[256];

    if (e == DURATION_OK)
        return 0;
    text_init(&t, buf, sizeof buf);
    duration_error_text(&t, e, s, len, unit, unit_len);
    *reterr = arena_strdup(arena, buf);
    if (!*reterr)
        *reterr = "out of memory";
    return -EINVAL;
}

const char *go_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } names[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {102, "Processing"},
        {103, "Early Hints"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {207, "Multi-Status"},
        {208, "Already Reported"},
        {226, "IM Used"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {305, "Use Proxy"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Requested Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {418, "I'm a teapot"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Entity"},
        {423, "Locked"},
        {424, "Failed Dependency"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {506, "Variant Also Negotiates"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
        {510, "Not Extended"},
        {511, "Network Authentication Required"},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].status == status)
            return names[i].text;
    }
    return "";
}

/* What \s of Go's regexp matches. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

const char *go_fold_space(struct arena *arena, const char *s)
{
    char *out = arena_alloc(arena, strlen(s) + 1);
    size_t n = 0;

    for (; out && *s; s++) {
        if (!is_space(*s))
            out[n++] = *s;
        else if (n == 0 || out[n - 1] != ' ')
            out[n++] = ' ';
    }
    return out ? out : "";
}
