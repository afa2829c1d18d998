#include "adapters/base/yaml_out.h"

#include <stdlib.h>
#include <string.h>

/* ---- what a reader would make of plain text
 * ---------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Words that YAML 1.1 reads as null, a boolean, a merge key or a special number, in any usual case.
 */
static bool is_word(const char *s)
{
    static const char *const words[] = {"~",    "null",  "true",  "false", "yes", "no",
                                        "on",   "off",   "y",     "n",     "=",   "<<",
                                        ".inf", "+.inf", "-.inf", ".nan"};
    char lower[8];
    size_t len = strlen(s);

    if (len >= sizeof(lower))
        return false;
    for (size_t i = 0; i <= len; i++)
        lower[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] - 'A' + 'a') : s[i];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(lower, words[i]) == 0)
            return true;
    }
    return false;
}

static size_t span(const char *s, const char *accept)
{
    return strspn(s, accept);
}

/* Decimal, with a fraction, an exponent, underscores or in base 60; also 0x, 0o and 0b. */
static bool is_number(const char *s)
{
    const char *p = s;
    bool digits = false;

    if (*p == '+' || *p == '-')
        p++;
    if (*p == '0' && (p[1] == 'x' || p[1] == 'o' || p[1] == 'b') && p[2] != '\0')
        return p[2 + span(p + 2, "0123456789abcdefABCDEF_")] == '\0';
    if (!is_digit(*p) && !(*p == '.' && is_digit(p[1])))
        return false;
    for (; *p != '\0'; p++) {
        if (is_digit(*p))
            digits = true;
        else if ((*p == 'e' || *p == 'E') && digits)
            return p[1] != '\0' && p[1 + span(p + 1, "+-0123456789")] == '\0';
        else if (*p != '.' && *p != '_' && *p != ':')
            return false;
    }
    return true;
}

/* 2001-12-14 and what may follow it. */
static bool is_date(const char *s)
{
    return span(s, "0123456789") == 4 && s[4] == '-' && is_digit(s[5]);
}

static bool reads_as_other_type(const char *s)
{
    return is_word(s) || is_number(s) || is_date(s);
}

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7f)
            return true;
    }
    return false;
}

/* Whether YAML's grammar keeps this text from standing bare. */
static bool breaks_plain(const char *s)
{
    size_t len = strlen(s);

    if (strchr("!&*|>'\"%@`{}[],#", s[0]) != NULL || s[0] == ' ' || s[len - 1] == ' ')
        return true;
    if (strchr("-?:", s[0]) != NULL && (s[1] == ' ' || s[1] == '\0'))
        return true;
    if (strncmp(s, "---", 3) == 0 || strncmp(s, "...", 3) == 0)
        return true;
    return strstr(s, ": ") != NULL || strstr(s, " #") != NULL || s[len - 1] == ':';
}

/* ---- writing
 * ----------------------------------------------------------------------------------------- */

static void write_single_quoted(struct strbuf *b, const char *s)
{
    strbuf_addc(b, '\'');
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            strbuf_addc(b, '\'');
        strbuf_addc(b, *s);
    }
    strbuf_addc(b, '\'');
}

void yaml_write_text(struct strbuf *b, const char *s)
{
    if (s[0] == '\0')
        strbuf_adds(b, "\"\"");
    else if (has_control(s) || reads_as_other_type(s))
        strbuf_add_json(b, s, strlen(s)); /* JSON's escapes are YAML's too */
    else if (breaks_plain(s))
        write_single_quoted(b, s);
    else
        strbuf_adds(b, s);
}

static void indent(struct strbuf *b, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        strbuf_adds(b, "  ");
}

/* Lines of printable text, the first of which does not begin with a blank: fit for a literal block.
 */
static bool is_block(const char *s)
{
    if (strchr(s, '\n') == NULL || s[0] == ' ' || s[0] == '\n')
        return false;
    for (; *s != '\0'; s++) {
        if (((unsigned char)*s < 0x20 && *s != '\n') || (unsigned char)*s == 0x7f)
            return false;
    }
    return true;
}

static void write_block(struct strbuf *b, const char *s, size_t depth)
{
    size_t len = strlen(s), tail = 0;

    while (tail < len && s[len - 1 - tail] == '\n')
        tail++;
    strbuf_adds(b, tail == 0 ? "|-\n" : tail == 1 ? "|\n" : "|+\n");
    while (*s != '\0') {
        size_t line = strcspn(s, "\n");

        if (line > 0)
            indent(b, depth);
        strbuf_add(b, s, line);
        strbuf_addc(b, '\n');
        s += line;
        if (*s == '\n')
            s++;
    }
}

static void write_value(struct strbuf *b, const cJSON *v, size_t depth, bool in_list);

static int compare_members(const void *a, const void *b)
{
    const cJSON *const *left = a;
    const cJSON *const *right = b;

    return strcmp((*left)->string, (*right)->string);
}

static size_t count_of(const cJSON *v)
{
    size_t count = 0;

    for (const cJSON *item = v->child; item != NULL; item = item->next)
        count++;
    return count;
}

/* `first_inline`: the first member stands behind "- ". */
static void write_map(struct strbuf *b, const cJSON *v, size_t depth, bool first_inline)
{
    size_t count = count_of(v), i = 0;
    const cJSON **members = calloc(count, sizeof(*members));

    if (members == NULL) {
        b->failed = true;
        return;
    }
    for (const cJSON *m = v->child; m != NULL; m = m->next)
        members[i++] = m;
    qsort(members, count, sizeof(*members), compare_members);
    for (i = 0; i < count; i++) {
        if (i > 0 || !first_inline)
            indent(b, depth);
        yaml_write_text(b, members[i]->string);
        strbuf_addc(b, ':');
        write_value(b, members[i], depth, false);
    }
    free(members);
}

static void write_list(struct strbuf *b, const cJSON *v, size_t depth)
{
    for (const cJSON *item = v->child; item != NULL; item = item->next) {
        indent(b, depth);
        strbuf_addc(b, '-');
        write_value(b, item, depth, true);
    }
}

static void write_scalar(struct strbuf *b, const cJSON *v, size_t depth)
{
    if (!cJSON_IsString(v)) {
        json_add_to(b, v);
    } else if (is_block(v->valuestring)) {
        write_block(b, v->valuestring, depth + 1);
        return;
    } else {
        yaml_write_text(b, v->valuestring);
    }
    strbuf_addc(b, '\n');
}

/* What follows "key:" or "-". Lists of a map stand at the depth of their key. */
static void write_value(struct strbuf *b, const cJSON *v, size_t depth, bool in_list)
{
    if (cJSON_IsObject(v) && v->child != NULL) {
        strbuf_addc(b, in_list ? ' ' : '\n');
        write_map(b, v, depth + 1, in_list);
    } else if (cJSON_IsArray(v) && v->child != NULL) {
        strbuf_addc(b, '\n');
        write_list(b, v, in_list ? depth + 1 : depth);
    } else {
        strbuf_addc(b, ' ');
        write_scalar(b, v, depth);
    }
}

void yaml_write(struct strbuf *b, const cJSON *v)
{
    if (cJSON_IsObject(v) && v->child != NULL)
        write_map(b, v, 0, false);
    else if (cJSON_IsArray(v) && v->child != NULL)
        write_list(b, v, 0);
    else
        write_scalar(b, v, 0);
}
