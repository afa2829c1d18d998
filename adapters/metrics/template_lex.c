/* adapters/metrics/template_lex.c — a query template as tokens, by the rules of Go's text/template.
 */
#include "adapters/metrics/template_int.h"

#include <string.h>

void lexer_init(struct lexer *l, struct arena *arena, const char *text, size_t len)
{
    *l = (struct lexer){.arena = arena, .text = text, .len = len, .line = 1, .start_line = 1};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool starts(const struct lexer *l, size_t at, const char *with)
{
    size_t n = strlen(with);

    return at <= l->len && l->len - at >= n && memcmp(l->text + at, with, n) == 0;
}

/* The offset of `what` from `at` on, or l->len. */
static size_t find(const struct lexer *l, size_t at, const char *what)
{
    size_t n = strlen(what);

    for (; at + n <= l->len; at++) {
        if (memcmp(l->text + at, what, n) == 0)
            return at;
    }
    return l->len;
}

static uint32_t newlines(const struct lexer *l, size_t from, size_t to)
{
    uint32_t n = 0;

    for (; from < to; from++)
        n += l->text[from] == '\n';
    return n;
}

/* The token from l->start to l->pos; moves the start on. */
static struct token take(struct lexer *l, enum token_type type)
{
    struct token t = {type, l->start, {l->text + l->start, l->pos - l->start}, l->start_line};

    l->line += newlines(l, l->start, l->pos);
    l->start = l->pos;
    l->start_line = l->line;
    return t;
}

static void ignore(struct lexer *l)
{
    l->line += newlines(l, l->start, l->pos);
    l->start = l->pos;
    l->start_line = l->line;
}

static struct token fail(struct lexer *l, const char *what)
{
    struct token t = {TOKEN_ERROR, l->start, {what ? what : "out of memory", 0}, l->start_line};

    t.text.len = strlen(t.text.s);
    return t;
}

static struct token refuse(struct lexer *l, const char *what)
{
    l->unsupported = true;
    return fail(l, what);
}

static bool left_trim(const struct lexer *l, size_t at)
{
    return at + 1 < l->len && l->text[at] == '-' && is_space(l->text[at + 1]);
}

static bool right_trim(const struct lexer *l, size_t at)
{
    return at + 1 < l->len && is_space(l->text[at]) && l->text[at + 1] == '-';
}

static bool at_right_delim(const struct lexer *l, bool *ret_trim)
{
    *ret_trim = right_trim(l, l->pos) && starts(l, l->pos + 2, "}}");
    return *ret_trim || starts(l, l->pos, "}}");
}

static void skip_spaces(struct lexer *l)
{
    while (l->pos < l->len && is_space(l->text[l->pos]))
        l->pos++;
}

/* A comment, from its opening mark. False with *ret_error set when it does not end well. */
static bool skip_comment(struct lexer *l, struct token *ret_error)
{
    size_t end = find(l, l->pos + 2, "*/");
    bool trim;

    if (end == l->len) {
        *ret_error = fail(l, "unclosed comment");
        return false;
    }
    l->pos = end + 2;
    if (!at_right_delim(l, &trim)) {
        *ret_error = fail(l, "comment ends before closing delimiter");
        return false;
    }
    l->pos += trim ? 4 : 2;
    if (trim)
        skip_spaces(l);
    ignore(l);
    return true;
}

/* Text up to the next action, then the action's opening. */
static struct token lex_text(struct lexer *l)
{
    for (;;) {
        size_t at = find(l, l->pos, "{{");
        size_t after;
        struct token t;

        if (at == l->len) {
            l->pos = l->len;
            return take(l, l->pos > l->start ? TOKEN_TEXT : TOKEN_EOF);
        }
        if (at > l->pos) {
            size_t end = at;

            if (left_trim(l, at + 2)) {
                while (end > l->start && is_space(l->text[end - 1]))
                    end--;
            }
            l->pos = end;
            t = take(l, TOKEN_TEXT);
            l->pos = at;
            ignore(l);
            if (t.text.len > 0)
                return t;
        }
        l->pos = at + 2;
        after = left_trim(l, l->pos) ? 2 : 0;
        if (starts(l, l->pos + after, "/*")) {
            l->pos += after;
            ignore(l);
            if (!skip_comment(l, &t))
                return t;
            continue;
        }
        t = take(l, TOKEN_LEFT_DELIM);
        l->inside_action = true;
        l->pos += after;
        ignore(l);
        l->paren_depth = 0;
        return t;
    }
}

static struct token lex_right_delim(struct lexer *l)
{
    struct token t;
    bool trim;

    at_right_delim(l, &trim);
    if (trim) {
        l->pos += 2;
        ignore(l);
    }
    l->pos += 2;
    t = take(l, TOKEN_RIGHT_DELIM);
    if (trim) {
        skip_spaces(l);
        ignore(l);
    }
    l->inside_action = false;
    return t;
}

static struct token lex_space(struct lexer *l)
{
    size_t from = l->pos;

    skip_spaces(l);
    /* the last blank may belong to a trimming right delimiter */
    if (right_trim(l, l->pos - 1) && starts(l, l->pos + 1, "}}")) {
        l->pos--;
        if (l->pos == from)
            return lex_right_delim(l);
    }
    return take(l, TOKEN_SPACE);
}

static bool at_terminator(const struct lexer *l)
{
    return l->pos >= l->len || is_space(l->text[l->pos]) ||
           strchr(".,|:)(", l->text[l->pos]) != NULL || starts(l, l->pos, "}}");
}

/* "bad character U+002D '-'" for the character at l->pos */
static struct token bad_character(struct lexer *l, const char *before)
{
    unsigned char c = (unsigned char)l->text[l->pos];

    if (c >= 0x80)
        return refuse(l, "letters beyond ASCII are not supported outside of strings");
    if (c < 0x20 || c == 0x7f)
        return fail(l, arena_printf(l->arena, "%s U+%04X", before, c));
    return fail(l, arena_printf(l->arena, "%s U+%04X '%c'", before, c, c));
}

static enum token_type keyword(struct span w)
{
    static const struct {
        const char *word;
        enum token_type type;
    } words[] = {
        {"block", TOKEN_BLOCK},   {"break", TOKEN_BREAK}, {"continue", TOKEN_CONTINUE},
        {"define", TOKEN_DEFINE}, {"else", TOKEN_ELSE},   {"end", TOKEN_END},
        {"if", TOKEN_IF},         {"nil", TOKEN_NIL},     {"range", TOKEN_RANGE},
        {"true", TOKEN_BOOL},     {"false", TOKEN_BOOL},  {"template", TOKEN_TEMPLATE},
        {"with", TOKEN_WITH},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (span_is(w, words[i].word))
            return words[i].type;
    }
    return TOKEN_IDENTIFIER;
}

static struct token lex_identifier(struct lexer *l)
{
    while (l->pos < l->len && is_word(l->text[l->pos]))
        l->pos++;
    if (!at_terminator(l))
        return bad_character(l, "bad character");
    return take(l, keyword((struct span){l->text + l->start, l->pos - l->start}));
}

/* A field or a variable; its first character is behind. */
static struct token lex_name(struct lexer *l, enum token_type type)
{
    if (at_terminator(l))
        return take(l, type == TOKEN_VARIABLE ? TOKEN_VARIABLE : TOKEN_DOT);
    while (l->pos < l->len && is_word(l->text[l->pos]))
        l->pos++;
    if (!at_terminator(l))
        return bad_character(l, "bad character");
    return take(l, type);
}

static void accept_run(struct lexer *l, const char *set)
{
    while (l->pos < l->len && l->text[l->pos] != '\0' && strchr(set, l->text[l->pos]))
        l->pos++;
}

static bool accept_one(struct lexer *l, const char *set)
{
    if (l->pos >= l->len || l->text[l->pos] == '\0' || !strchr(set, l->text[l->pos]))
        return false;
    l->pos++;
    return true;
}

static struct token lex_number(struct lexer *l)
{
    const char *digits = "0123456789_";
    bool decimal = true, hex = false;

    accept_one(l, "+-");
    if (accept_one(l, "0")) {
        decimal = false;
        if (accept_one(l, "xX")) {
            digits = "0123456789abcdefABCDEF_";
            hex = true;
        } else if (accept_one(l, "oO"))
            digits = "01234567_";
        else if (accept_one(l, "bB"))
            digits = "01_";
        else
            decimal = true;
    }
    accept_run(l, digits);
    if (accept_one(l, "."))
        accept_run(l, digits);
    if (decimal && accept_one(l, "eE")) {
        accept_one(l, "+-");
        accept_run(l, "0123456789_");
    }
    if (hex && accept_one(l, "pP"))
        return refuse(l, "hexadecimal floating-point numbers are not supported");
    if (accept_one(l, "i"))
        return refuse(l, "complex numbers are not supported");
    if (l->pos < l->len && ((unsigned char)l->text[l->pos] >= 0x80))
        return bad_character(l, "bad character");
    if (l->pos < l->len && is_word(l->text[l->pos])) {
        struct strbuf b = STRBUF_INIT;
        struct token t;

        l->pos++;
        strbuf_adds(&b, "bad number syntax: ");
        go_quote(&b, l->text + l->start, l->pos - l->start);
        t = fail(l, arena_strdup(l->arena, strbuf_str(&b)));
        strbuf_release(&b);
        return t;
    }
    if (l->pos < l->len && (l->text[l->pos] == '+' || l->text[l->pos] == '-'))
        return refuse(l, "complex numbers are not supported");
    return take(l, TOKEN_NUMBER);
}

/* A string or a character constant, up to its closing quote on the same line. */
static struct token lex_quoted(struct lexer *l, char quote, enum token_type type,
                               const char *unterminated)
{
    for (;;) {
        if (l->pos >= l->len || l->text[l->pos] == '\n')
            return fail(l, unterminated);
        if (l->text[l->pos] == quote)
            break;
        if (l->text[l->pos] == '\\') {
            l->pos++;
            if (l->pos >= l->len || l->text[l->pos] == '\n')
                return fail(l, unterminated);
        }
        l->pos++;
    }
    l->pos++;
    return take(l, type);
}

static struct token lex_raw(struct lexer *l)
{
    const char *end = memchr(l->text + l->pos, '`', l->len - l->pos);

    if (!end)
        return fail(l, "unterminated raw quoted string");
    l->pos = (size_t)(end - l->text) + 1;
    return take(l, TOKEN_RAW_STRING);
}

static struct token lex_paren(struct lexer *l, char c)
{
    if (c == '(') {
        l->paren_depth++;
        return take(l, TOKEN_LEFT_PAREN);
    }
    if (l->paren_depth == 0)
        return fail(l, "unexpected right paren");
    l->paren_depth--;
    return take(l, TOKEN_RIGHT_PAREN);
}

static struct token lex_punctuation(struct lexer *l, char c)
{
    switch (c) {
    case '=':
        return take(l, TOKEN_ASSIGN);
    case ':':
        if (!starts(l, l->pos, "="))
            return fail(l, "expected :=");
        l->pos++;
        return take(l, TOKEN_DECLARE);
    case '|':
        return take(l, TOKEN_PIPE);
    case '"':
        return lex_quoted(l, '"', TOKEN_STRING, "unterminated quoted string");
    case '\'':
        return lex_quoted(l, '\'', TOKEN_CHAR_CONSTANT, "unterminated character constant");
    case '`':
        return lex_raw(l);
    case '$':
        return lex_name(l, TOKEN_VARIABLE);
    case '(':
    case ')':
        return lex_paren(l, c);
    default:
        if (c > ' ' && c < 0x7f)
            return take(l, TOKEN_CHAR);
        l->pos--;
        return bad_character(l, "unrecognized character in action:");
    }
}

static struct token lex_action(struct lexer *l)
{
    bool trim;
    char c;

    if (at_right_delim(l, &trim))
        return l->paren_depth ? fail(l, "unclosed left paren") : lex_right_delim(l);
    if (l->pos >= l->len)
        return fail(l, "unclosed action");
    c = l->text[l->pos];
    if (is_space(c))
        return lex_space(l);
    if (c == '.' && (l->pos + 1 >= l->len || !is_digit(l->text[l->pos + 1]))) {
        l->pos++;
        return l->pos < l->len ? lex_name(l, TOKEN_FIELD) : take(l, TOKEN_NUMBER);
    }
    if (c == '.' || c == '+' || c == '-' || is_digit(c))
        return lex_number(l);
    if (is_word(c))
        return lex_identifier(l);
    l->pos++;
    return lex_punctuation(l, c);
}

struct token lexer_next(struct lexer *l)
{
    return l->inside_action ? lex_action(l) : lex_text(l);
}
