#include "adapters/manifest/scalar.h"

#include <string.h>

#include "engine/num.h"

/* Longer texts are no numbers: Go's own limit is far above, but nobody counts in 400 digits. */
#define NUMBER_BYTES_MAX 400u

/* By its first character, what a plain scalar may be. 0: a string, and no question. */
enum hint { HINT_STRING, HINT_WORD, HINT_NUMBER, HINT_DOT };
static const unsigned char hints[256] = {
    ['y'] = HINT_WORD,   ['Y'] = HINT_WORD,   ['n'] = HINT_WORD,   ['N'] = HINT_WORD,
    ['t'] = HINT_WORD,   ['T'] = HINT_WORD,   ['f'] = HINT_WORD,   ['F'] = HINT_WORD,
    ['o'] = HINT_WORD,   ['O'] = HINT_WORD,   ['~'] = HINT_WORD,   ['+'] = HINT_NUMBER,
    ['-'] = HINT_NUMBER, ['0'] = HINT_NUMBER, ['1'] = HINT_NUMBER, ['2'] = HINT_NUMBER,
    ['3'] = HINT_NUMBER, ['4'] = HINT_NUMBER, ['5'] = HINT_NUMBER, ['6'] = HINT_NUMBER,
    ['7'] = HINT_NUMBER, ['8'] = HINT_NUMBER, ['9'] = HINT_NUMBER, ['.'] = HINT_DOT,
};

static const struct word {
    const char *text;
    enum node_kind kind;
    bool value;
} words[] = {
    {"y", NODE_BOOL, true},      {"Y", NODE_BOOL, true},      {"yes", NODE_BOOL, true},
    {"Yes", NODE_BOOL, true},    {"YES", NODE_BOOL, true},    {"true", NODE_BOOL, true},
    {"True", NODE_BOOL, true},   {"TRUE", NODE_BOOL, true},   {"on", NODE_BOOL, true},
    {"On", NODE_BOOL, true},     {"ON", NODE_BOOL, true},     {"n", NODE_BOOL, false},
    {"N", NODE_BOOL, false},     {"no", NODE_BOOL, false},    {"No", NODE_BOOL, false},
    {"NO", NODE_BOOL, false},    {"false", NODE_BOOL, false}, {"False", NODE_BOOL, false},
    {"FALSE", NODE_BOOL, false}, {"off", NODE_BOOL, false},   {"Off", NODE_BOOL, false},
    {"OFF", NODE_BOOL, false},   {"~", NODE_NULL, false},     {"null", NODE_NULL, false},
    {"Null", NODE_NULL, false},  {"NULL", NODE_NULL, false},
};
#define WORD_BYTES_MAX 5u

static void resolve_word(struct node *n)
{
    if (n->text_len > WORD_BYTES_MAX)
        return;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].text[0] == n->text[0] && strcmp(words[i].text, n->text) == 0) {
            n->kind = words[i].kind;
            n->u.boolean = words[i].value;
            return;
        }
    }
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 99;
}

/* The base that a Go integer literal names, and past its prefix. */
static unsigned literal_base(const char **s, size_t *len)
{
    char c = *len > 1 ? (*s)[1] : '\0';
    unsigned base = c == 'x' || c == 'X'   ? 16
                    : c == 'o' || c == 'O' ? 8
                    : c == 'b' || c == 'B' ? 2
                                           : 0;

    if (*len < 2 || (*s)[0] != '0')
        return 10;
    *s += base ? 2 : 1;
    *len -= base ? 2 : 1;
    return base ? base : 8;
}

enum integer_result { INTEGER_NOT, INTEGER_FITS, INTEGER_WIDE };

/* An integer of any base. Wide: past int64, value as a double. */
static enum integer_result parse_integer(const char *s, size_t len, int64_t *ret_value,
                                         double *ret_wide)
{
    bool negative = *s == '-', wide = false;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, value = 0;
    double approximate = 0;
    unsigned base;

    if (*s == '-' || *s == '+') {
        s++;
        len--;
    }
    base = literal_base(&s, &len);
    if (len == 0)
        return INTEGER_NOT;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = digit_value(s[i]);

        if (digit >= base)
            return INTEGER_NOT;
        wide = wide || value > (limit - digit) / base;
        value = wide ? 0 : value * base + digit;
        approximate = approximate * base + digit;
    }
    if (wide) {
        double exact;

        if (base == 10 && num_parse(s, len, &exact))
            approximate = exact;
        *ret_wide = negative ? -approximate : approximate;
        return INTEGER_WIDE;
    }
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return INTEGER_FITS;
}

static size_t digits(const char *s, size_t at)
{
    while (s[at] >= '0' && s[at] <= '9')
        at++;
    return at;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float_text(const char *s, size_t len)
{
    size_t at = s[0] == '-' || s[0] == '+' ? 1 : 0, start = at, end;

    at = digits(s, at);
    if (s[at] == '.') {
        end = digits(s, at + 1);
        if (at == start && end == at + 1)
            return false;
        at = end;
    } else if (at == start) {
        return false;
    }
    if (s[at] == 'e' || s[at] == 'E') {
        start = s[at + 1] == '-' || s[at + 1] == '+' ? at + 2 : at + 1;
        at = digits(s, start);
        if (at == start)
            return false;
    }
    return at == len;
}

static void set_float(struct node *n, double value)
{
    n->kind = NODE_FLOAT;
    n->u.number = value;
}

static bool resolve_special(struct node *n)
{
    const char *s = n->text;
    double sign = *s == '-' ? -1.0 : 1.0, value;
    bool has_sign = *s == '-' || *s == '+';

    s += has_sign;
    if (*s != '.' || strlen(s) != 4)
        return false;
    if (strcmp(s, ".inf") == 0 || strcmp(s, ".Inf") == 0 || strcmp(s, ".INF") == 0) {
        if (num_parse("inf", 3, &value))
            set_float(n, sign * value);
        return true;
    }
    if (!has_sign && (strcmp(s, ".nan") == 0 || strcmp(s, ".NaN") == 0 || strcmp(s, ".NAN") == 0)) {
        if (num_parse("nan", 3, &value))
            set_float(n, value);
        return true;
    }
    return false;
}

static void resolve_float(struct node *n, const char *s, size_t len)
{
    double value;

    /* a number too great for a float is a string to Go */
    if (is_float_text(s, len) && num_parse(s, len, &value) && num_is_finite(value))
        set_float(n, value);
}

static void resolve_number(struct node *n)
{
    char plain[NUMBER_BYTES_MAX + 1];
    size_t len = 0;
    int64_t value;
    double wide;

    if (n->text_len > NUMBER_BYTES_MAX)
        return;
    for (size_t i = 0; i < n->text_len; i++)
        if (n->text[i] != '_')
            plain[len++] = n->text[i];
    plain[len] = '\0';
    switch (parse_integer(plain, len, &value, &wide)) {
    case INTEGER_FITS:
        n->kind = NODE_INT;
        n->u.integer = value;
        break;
    case INTEGER_WIDE:
        set_float(n, wide);
        break;
    case INTEGER_NOT:
        resolve_float(n, plain, len);
        break;
    }
}

void scalar_resolve(struct node *n)
{
    n->kind = NODE_STRING;
    if (n->text_len == 0) {
        n->kind = NODE_NULL;
        return;
    }
    switch ((enum hint)hints[(unsigned char)n->text[0]]) {
    case HINT_STRING:
        break;
    case HINT_WORD:
        resolve_word(n);
        break;
    case HINT_NUMBER:
        if (!resolve_special(n))
            resolve_number(n);
        break;
    case HINT_DOT:
        if (!resolve_special(n))
            resolve_float(n, n->text, n->text_len);
        break;
    }
}
