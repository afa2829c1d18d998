/* adapters/metrics/template_func.c — the functions a query template may call, as Go has them. */
#include "adapters/metrics/template_int.h"

#include <string.h>

#include "adapters/metrics/url.h"
#include "engine/num.h"
#include "engine/text.h"

/* ---- text -------------------------------------------------------- */

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.s[i] >= 0x80)
            return false;
    }
    return true;
}

/* ---- values ------------------------------------------------------ */

bool value_is_true(const struct value *v)
{
    switch (v->kind) {
    case VALUE_BOOL:
        return v->truth;
    case VALUE_INT:
    case VALUE_BYTE:
        return v->integer != 0;
    case VALUE_FLOAT:
        return v->real < 0 || v->real > 0 || num_is_nan(v->real);
    case VALUE_STRING:
        return v->string.len > 0;
    case VALUE_MAP:
        return v->truth;
    case VALUE_NONE:
    default:
        return false;
    }
}

const char *value_type_name(const struct value *v)
{
    static const char *const names[] = {
        "<nil>", "bool", "int", "uint8", "float64", "string", "map[string]string"};

    return names[v->kind];
}

static void print_float(struct strbuf *out, double value)
{
    char buf[64];
    struct text t;

    text_init(&t, buf, sizeof buf);
    text_add_float(&t, value);
    strbuf_adds(out, buf);
}

void value_print(const struct call *c, const struct value *v, const char *none, struct strbuf *out)
{
    switch (v->kind) {
    case VALUE_NONE:
        strbuf_adds(out, none);
        break;
    case VALUE_BOOL:
        strbuf_adds(out, v->truth ? "true" : "false");
        break;
    case VALUE_INT:
    case VALUE_BYTE:
        strbuf_addf(out, "%lld", (long long)v->integer);
        break;
    case VALUE_FLOAT:
        print_float(out, v->real);
        break;
    case VALUE_STRING:
        strbuf_add(out, v->string.s, v->string.len);
        break;
    case VALUE_MAP:
        strbuf_adds(out, "map[");
        for (size_t i = 0; i < c->map_count; i++)
            strbuf_addf(out, "%s%s:%s", i ? " " : "", c->map[i].key, c->map[i].value);
        strbuf_addc(out, ']');
        break;
    }
}

static bool give_string(struct call *c, struct strbuf *b, struct value *ret_value)
{
    *ret_value = (struct value){.kind = VALUE_STRING,
                                .string = {arena_strndup(c->arena, strbuf_str(b), b->len), b->len}};
    if (b->failed || !ret_value->string.s)
        c->error = (struct call_error){true, "out of memory"};
    strbuf_release(b);
    return c->error.what == NULL;
}

static bool give_word(const char *word, struct value *ret_value)
{
    *ret_value =
        (struct value){.kind = VALUE_STRING, .string = {word ? word : "", word ? strlen(word) : 0}};
    return true;
}

static bool fail(struct call *c, const char *what)
{
    c->error = (struct call_error){false, what ? what : "out of memory"};
    return false;
}

static bool refuse(struct call *c, const char *what)
{
    c->error = (struct call_error){true, what};
    return false;
}

/* ---- the words of the model -------------------------------------- */

#define MODEL_WORD(word, field)                                                                    \
    static bool call_##word(struct call *c, const struct value *args, size_t count,                \
                            struct value *ret)                                                     \
    {                                                                                              \
        (void)args;                                                                                \
        (void)count;                                                                               \
        return give_word(c->model->field, ret);                                                    \
    }
MODEL_WORD(name, name)
MODEL_WORD(namespace, name_space)
MODEL_WORD(target, target)
MODEL_WORD(service, service)
MODEL_WORD(ingress, ingress)
MODEL_WORD(route, route)
MODEL_WORD(interval, interval)

static bool call_variables(struct call *c, const struct value *args, size_t count,
                           struct value *ret)
{
    (void)args;
    (void)count;
    *ret = (struct value){.kind = VALUE_MAP, .truth = c->map_count > 0};
    return true;
}

/* ---- printing ---------------------------------------------------- */

/* A blank stands between two operands when neither is a string; `none_is_string`: nor nothing. */
static void sprint(const struct call *c, const struct value *args, size_t count, const char *none,
                   bool none_is_string, struct strbuf *b)
{
    bool was_string = true;

    for (size_t i = 0; i < count; i++) {
        bool string =
            args[i].kind == VALUE_STRING || (args[i].kind == VALUE_NONE && none_is_string);

        if (!string && !was_string)
            strbuf_addc(b, ' ');
        was_string = string;
        value_print(c, &args[i], none, b);
    }
}

static bool call_print(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    struct strbuf b = STRBUF_INIT;

    sprint(c, args, count, "<nil>", false, &b);
    return give_string(c, &b, ret);
}

static bool call_println(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    struct strbuf b = STRBUF_INIT;

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_addc(&b, ' ');
        value_print(c, &args[i], "<nil>", &b);
    }
    strbuf_addc(&b, '\n');
    return give_string(c, &b, ret);
}

struct verb {
    bool minus, zero, plus;
    bool has_width, has_precision;
    size_t width, precision;
    char letter;
};

static bool print_verb(struct call *c, const struct verb *v, const struct value *arg,
                       struct strbuf *b);

/* `%!d(string=podinfo)`: the verb does not fit the value, which is printed as by %v with its flags.
 */
static bool bad_verb(struct call *c, const struct verb *v, const struct value *arg,
                     struct strbuf *b)
{
    struct verb plain = *v;

    if (arg->kind == VALUE_NONE) {
        strbuf_addf(b, "%%!%c(<nil>)", v->letter);
        return true;
    }
    plain.letter = 'v';
    strbuf_addf(b, "%%!%c(%s=", v->letter, value_type_name(arg));
    if (!print_verb(c, &plain, arg, b))
        return false;
    strbuf_addc(b, ')');
    return true;
}

static size_t count_chars(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

static void pad(const struct verb *v, const char *s, size_t len, struct strbuf *b)
{
    size_t chars = count_chars(s, len),
           fill = v->has_width && v->width > chars ? v->width - chars : 0;
    bool sign = len > 0 && (s[0] == '-' || s[0] == '+');
    bool zero = v->zero && !v->minus;

    if (zero && fill && sign) {
        strbuf_addc(b, *s++);
        len--;
    }
    for (size_t i = 0; i < fill && !v->minus; i++)
        strbuf_addc(b, zero ? '0' : ' ');
    strbuf_add(b, s, len);
    for (size_t i = 0; i < fill && v->minus; i++)
        strbuf_addc(b, ' ');
}

/* %s and %v of a string, with its precision in characters */
static void print_string(const struct verb *v, struct span s, struct strbuf *b)
{
    size_t keep = 0, chars = 0;

    if (!v->has_precision) {
        keep = s.len;
    } else {
        while (keep < s.len &&
               (chars < v->precision || ((unsigned char)s.s[keep] & 0xc0) == 0x80)) {
            if (((unsigned char)s.s[keep] & 0xc0) != 0x80)
                chars++;
            keep++;
        }
    }
    pad(v, s.s, keep, b);
}

static void print_integer(const struct verb *v, int64_t value, struct strbuf *b)
{
    char digits[72];
    struct text t;
    uint64_t base = v->letter == 'x' || v->letter == 'X' ? 16
                    : v->letter == 'o'                   ? 8
                    : v->letter == 'b'                   ? 2
                                                         : 10;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char reversed[66];
    size_t n = 0;

    text_init(&t, digits, sizeof digits);
    do {
        reversed[n++] = (v->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[rest % base];
        rest /= base;
    } while (rest);
    if (value < 0)
        text_addc(&t, '-');
    else if (v->plus)
        text_addc(&t, '+');
    while (n > 0)
        text_addc(&t, reversed[--n]);
    pad(v, digits, t.len, b);
}

static bool print_real(struct call *c, const struct verb *v, double value, struct strbuf *b)
{
    char digits[400];
    struct text t;

    text_init(&t, digits, sizeof digits);
    if (v->plus && value >= 0)
        text_addc(&t, '+');
    if (v->letter == 'v' && !v->has_precision)
        text_add_float(&t, value);
    else if (v->letter == 'f' && v->has_precision && v->precision == 2)
        text_add_fixed2(&t, value);
    else
        return refuse(c, "printf: of floating-point verbs only %v and %.2f are supported");
    pad(v, digits, t.len, b);
    return true;
}

static bool print_quoted(struct call *c, const struct verb *v, struct span s, struct strbuf *b)
{
    struct strbuf quoted = STRBUF_INIT;

    if (!is_ascii(s))
        return refuse(c, "printf: %q of text beyond ASCII is not supported");
    go_quote(&quoted, s.s, s.len);
    pad(v, strbuf_str(&quoted), quoted.len, b);
    strbuf_release(&quoted);
    return true;
}

/* One argument under one verb. False when this subset does not know the pair. */
static bool print_verb(struct call *c, const struct verb *v, const struct value *arg,
                       struct strbuf *b)
{
    struct strbuf map = STRBUF_INIT;

    if (v->letter == 'T') {
        pad(v, value_type_name(arg), strlen(value_type_name(arg)), b);
    } else if (!strchr("vsdqtfxXobceEgGUp", v->letter)) {
        return refuse(c, "printf: unsupported verb");
    } else if (arg->kind == VALUE_NONE) {
        if (v->letter == 'v')
            pad(v, "<nil>", 5, b);
        else
            return bad_verb(c, v, arg, b);
    } else if (arg->kind == VALUE_STRING && (v->letter == 'v' || v->letter == 's')) {
        print_string(v, arg->string, b);
    } else if (arg->kind == VALUE_STRING && v->letter == 'q' && !v->has_precision && !v->plus) {
        return print_quoted(c, v, arg->string, b);
    } else if (arg->kind == VALUE_STRING && strchr("dtfobceEgGU", v->letter)) {
        return bad_verb(c, v, arg, b);
    } else if (arg->kind == VALUE_BOOL && (v->letter == 'v' || v->letter == 't')) {
        pad(v, arg->truth ? "true" : "false", arg->truth ? 4 : 5, b);
    } else if (arg->kind == VALUE_BOOL) {
        return bad_verb(c, v, arg, b);
    } else if ((arg->kind == VALUE_INT || arg->kind == VALUE_BYTE) && strchr("vdxXob", v->letter) &&
               !v->has_precision) {
        print_integer(v, arg->integer, b);
    } else if (arg->kind == VALUE_INT && strchr("stfeEgG", v->letter)) {
        return bad_verb(c, v, arg, b);
    } else if (arg->kind == VALUE_FLOAT && strchr("sdtqc", v->letter)) {
        return bad_verb(c, v, arg, b);
    } else if (arg->kind == VALUE_FLOAT) {
        return print_real(c, v, arg->real, b);
    } else if (arg->kind == VALUE_MAP && (v->letter == 'v' || v->letter == 's') && !v->has_width &&
               !v->has_precision) {
        value_print(c, arg, "", &map);
        strbuf_add(b, strbuf_str(&map), map.len);
        strbuf_release(&map);
    } else {
        return refuse(c, "printf: unsupported pair of verb and value");
    }
    return true;
}

/* Digits at *i; false when the number is absurd. */
static bool read_count(struct span f, size_t *i, size_t *ret_count)
{
    *ret_count = 0;
    while (*i < f.len && f.s[*i] >= '0' && f.s[*i] <= '9' && *ret_count < 10000)
        *ret_count = *ret_count * 10 + (size_t)(f.s[(*i)++] - '0');
    return *ret_count < 10000;
}

/* The verb after a `%` at *i. 1 read, 0 the format ends within it, -1 refused. */
static int read_verb(struct call *c, struct span f, size_t *i, struct verb *v)
{
    *v = (struct verb){0};
    for (; *i < f.len && strchr("-0+", f.s[*i]) && f.s[*i]; (*i)++) {
        v->minus |= f.s[*i] == '-';
        v->zero |= f.s[*i] == '0';
        v->plus |= f.s[*i] == '+';
    }
    v->has_width = *i < f.len && f.s[*i] >= '1' && f.s[*i] <= '9';
    if (!read_count(f, i, &v->width)) {
        refuse(c, "printf: the width is too large");
        return -1;
    }
    if (*i < f.len && f.s[*i] == '.') {
        (*i)++;
        v->has_precision = true;
        if (!read_count(f, i, &v->precision)) {
            refuse(c, "printf: the precision is too large");
            return -1;
        }
    }
    if (*i >= f.len)
        return 0;
    v->letter = f.s[(*i)++];
    if (v->letter == 'v') /* %+v asks for the names of fields, not for signs */
        v->plus = false;
    if (strchr("# *[", v->letter) || (unsigned char)v->letter >= 0x80) {
        refuse(c, "printf: the flags # * [ and blank are not supported");
        return -1;
    }
    return 1;
}

static void print_extra(struct call *c, const struct value *args, size_t count, struct strbuf *b)
{
    strbuf_adds(b, "%!(EXTRA ");
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(b, i ? ", " : "");
        if (args[i].kind != VALUE_NONE)
            strbuf_addf(b, "%s=", value_type_name(&args[i]));
        value_print(c, &args[i], "<nil>", b);
    }
    strbuf_addc(b, ')');
}

static bool call_printf(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    struct span f = args[0].string;
    struct strbuf b = STRBUF_INIT;
    size_t used = 1;

    for (size_t i = 0; i < f.len;) {
        struct verb v;
        int got;

        if (f.s[i] != '%') {
            strbuf_addc(&b, f.s[i++]);
            continue;
        }
        i++;
        got = read_verb(c, f, &i, &v);
        if (got == 0)
            strbuf_adds(&b, "%!(NOVERB)");
        else if (got == 1 && v.letter == '%')
            strbuf_addc(&b, '%');
        else if (got == 1 && used >= count)
            strbuf_addf(&b, "%%!%c(MISSING)", v.letter);
        else if (got < 0 || !print_verb(c, &v, &args[used++], &b))
            break;
    }
    if (!c->error.what && used < count)
        print_extra(c, args + used, count - used, &b);
    return give_string(c, &b, ret);
}

/* ---- escaping ---------------------------------------------------- */

/* fmt.Sprint of the arguments */
static bool eval_args(struct call *c, const struct value *args, size_t count, struct span *ret)
{
    struct strbuf b = STRBUF_INIT;
    struct value v;

    sprint(c, args, count, "<no value>", true, &b);
    if (!give_string(c, &b, &v))
        return false;
    *ret = v.string;
    return true;
}

static bool call_html(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    struct strbuf b = STRBUF_INIT;
    struct span s;

    if (!eval_args(c, args, count, &s))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        switch (s.s[i]) {
        case '\0':
            strbuf_adds(&b, "\xef\xbf\xbd");
            break;
        case '"':
            strbuf_adds(&b, "&#34;");
            break;
        case '\'':
            strbuf_adds(&b, "&#39;");
            break;
        case '&':
            strbuf_adds(&b, "&amp;");
            break;
        case '<':
            strbuf_adds(&b, "&lt;");
            break;
        case '>':
            strbuf_adds(&b, "&gt;");
            break;
        default:
            strbuf_addc(&b, s.s[i]);
        }
    }
    return give_string(c, &b, ret);
}

static bool call_js(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    struct strbuf b = STRBUF_INIT;
    struct span s;

    if (!eval_args(c, args, count, &s))
        return false;
    if (!is_ascii(s))
        return refuse(c, "js: text beyond ASCII is not supported");
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.s[i];

        if (ch == '\\' || ch == '\'' || ch == '"')
            strbuf_addf(&b, "\\%c", ch);
        else if (ch == '<' || ch == '>' || ch == '&' || ch == '=' || (unsigned char)ch < ' ')
            strbuf_addf(&b, "\\u%04X", (unsigned char)ch);
        else
            strbuf_addc(&b, ch);
    }
    return give_string(c, &b, ret);
}

static bool call_urlquery(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    struct strbuf b = STRBUF_INIT;
    struct span s;

    if (!eval_args(c, args, count, &s))
        return false;
    url_add_query_escaped(&b, s.s, s.len);
    return give_string(c, &b, ret);
}

/* ---- truth and comparison ---------------------------------------- */

static bool give_bool(bool truth, struct value *ret)
{
    *ret = (struct value){.kind = VALUE_BOOL, .truth = truth};
    return true;
}

static bool call_not(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    (void)c;
    (void)count;
    return give_bool(!value_is_true(&args[0]), ret);
}

static bool is_integer(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_BYTE;
}

static bool incompatible(struct call *c, const struct value *a, const struct value *b)
{
    return fail(c, arena_printf(c->arena, "incompatible types for comparison: %s and %s",
                                value_type_name(a), value_type_name(b)));
}

static bool equal(struct call *c, const struct value *a, const struct value *b, bool *ret_equal)
{
    *ret_equal = false;
    if (a->kind == VALUE_NONE || b->kind == VALUE_NONE) {
        if (a->kind == VALUE_MAP || b->kind == VALUE_MAP)
            return refuse(c, "comparing the variables as a whole is not supported");
        *ret_equal = a->kind == b->kind;
        return true;
    }
    if (is_integer(a) && is_integer(b)) {
        *ret_equal = a->integer == b->integer;
        return true;
    }
    if (a->kind != b->kind)
        return incompatible(c, a, b);
    switch (a->kind) {
    case VALUE_BOOL:
        *ret_equal = a->truth == b->truth;
        return true;
    case VALUE_FLOAT:
        *ret_equal = a->real <= b->real && a->real >= b->real;
        return true;
    case VALUE_STRING:
        *ret_equal = span_equal(a->string, b->string);
        return true;
    case VALUE_NONE:
    case VALUE_INT:
    case VALUE_BYTE:
    case VALUE_MAP:
    default:
        return refuse(c, "comparing the variables as a whole is not supported");
    }
}

static bool less(struct call *c, const struct value *a, const struct value *b, bool *ret_less)
{
    size_t shorter = a->string.len < b->string.len ? a->string.len : b->string.len;
    int order;

    if (a->kind == VALUE_NONE || a->kind == VALUE_MAP || b->kind == VALUE_NONE ||
        b->kind == VALUE_MAP)
        return fail(c, "invalid type for comparison");
    if (is_integer(a) && is_integer(b)) {
        *ret_less = a->integer < b->integer;
        return true;
    }
    if (a->kind != b->kind)
        return incompatible(c, a, b);
    if (a->kind == VALUE_BOOL)
        return fail(c, "invalid type for comparison");
    if (a->kind == VALUE_FLOAT) {
        *ret_less = a->real < b->real;
        return true;
    }
    order = shorter ? memcmp(a->string.s, b->string.s, shorter) : 0;
    *ret_less = order < 0 || (order == 0 && a->string.len < b->string.len);
    return true;
}

static bool call_eq(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    bool same = false;

    if (count < 2)
        return fail(c, "missing argument for comparison");
    for (size_t i = 1; i < count && !same; i++) {
        if (!equal(c, &args[0], &args[i], &same))
            return false;
    }
    return give_bool(same, ret);
}

static bool call_ne(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    bool same;

    (void)count;
    return equal(c, &args[0], &args[1], &same) && give_bool(!same, ret);
}

static bool call_lt(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    bool lower;

    (void)count;
    return less(c, &args[0], &args[1], &lower) && give_bool(lower, ret);
}

static bool less_or_equal(struct call *c, const struct value *args, bool *ret)
{
    return less(c, &args[0], &args[1], ret) && (*ret || equal(c, &args[0], &args[1], ret));
}

static bool call_le(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    bool yes;

    (void)count;
    return less_or_equal(c, args, &yes) && give_bool(yes, ret);
}

static bool call_gt(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    bool yes;

    (void)count;
    return less_or_equal(c, args, &yes) && give_bool(!yes, ret);
}

static bool call_ge(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    bool lower;

    (void)count;
    return less(c, &args[0], &args[1], &lower) && give_bool(!lower, ret);
}

/* ---- parts ------------------------------------------------------- */

static bool call_len(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    (void)count;
    if (args[0].kind == VALUE_NONE)
        return fail(c, "reflect: call of reflect.Value.Type on zero Value");
    if (args[0].kind != VALUE_STRING && args[0].kind != VALUE_MAP)
        return fail(c, arena_printf(c->arena, "len of type %s", value_type_name(&args[0])));
    *ret = (struct value){.kind = VALUE_INT};
    ret->integer = (int64_t)(args[0].kind == VALUE_MAP ? c->map_count : args[0].string.len);
    return true;
}

/* An index into a string: from 0 to its length. */
static bool read_index(struct call *c, const struct value *v, size_t len, size_t *ret_index)
{
    if (v->kind == VALUE_NONE)
        return fail(c, "cannot index slice/array with nil");
    if (!is_integer(v))
        return fail(
            c, arena_printf(c->arena, "cannot index slice/array with type %s", value_type_name(v)));
    if (v->integer < 0 || v->integer > (int64_t)len)
        return fail(c, arena_printf(c->arena, "index out of range: %lld", (long long)v->integer));
    *ret_index = (size_t)v->integer;
    return true;
}

static bool index_map(struct call *c, const struct value *key, struct value *ret)
{
    if (key->kind == VALUE_NONE)
        return fail(c, "value is nil; should be of type string");
    if (key->kind != VALUE_STRING)
        return fail(
            c, arena_printf(c->arena, "value has type %s; should be string", value_type_name(key)));
    give_word("", ret);
    for (size_t i = 0; i < c->map_count; i++) {
        if (span_is(key->string, c->map[i].key))
            return give_word(c->map[i].value, ret);
    }
    return true;
}

static bool call_index(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    struct value item = args[0];

    if (item.kind == VALUE_NONE)
        return fail(c, "index of untyped nil");
    for (size_t i = 1; i < count; i++) {
        struct value got;
        size_t at;

        if (item.kind == VALUE_MAP) {
            if (!index_map(c, &args[i], &got))
                return false;
        } else if (item.kind == VALUE_STRING) {
            if (!read_index(c, &args[i], item.string.len, &at))
                return false;
            if (at == item.string.len)
                return fail(c, "reflect: string index out of range");
            got = (struct value){.kind = VALUE_BYTE, .integer = (unsigned char)item.string.s[at]};
        } else {
            return fail(
                c, arena_printf(c->arena, "can't index item of type %s", value_type_name(&item)));
        }
        item = got;
    }
    *ret = item;
    return true;
}

static bool call_slice(struct call *c, const struct value *args, size_t count, struct value *ret)
{
    size_t from_to[2] = {0, args[0].string.len};

    if (args[0].kind == VALUE_NONE)
        return fail(c, "slice of untyped nil");
    if (count > 4)
        return fail(c, arena_printf(c->arena, "too many slice indexes: %zu", count - 1));
    if (args[0].kind != VALUE_STRING)
        return fail(
            c, arena_printf(c->arena, "can't slice item of type %s", value_type_name(&args[0])));
    if (count == 4)
        return fail(c, "cannot 3-index slice a string");
    for (size_t i = 1; i < count; i++) {
        if (!read_index(c, &args[i], args[0].string.len, &from_to[i - 1]))
            return false;
    }
    if (from_to[0] > from_to[1])
        return fail(
            c, arena_printf(c->arena, "invalid slice index: %zu > %zu", from_to[0], from_to[1]));
    *ret = (struct value){.kind = VALUE_STRING,
                          .string = {args[0].string.s + from_to[0], from_to[1] - from_to[0]}};
    return true;
}

/* ---- the table --------------------------------------------------- */

static const struct function functions[] = {
    {"and", 1, true, ARGS_REFLECT, false, NULL},
    {"call", 1, true, ARGS_REFLECT, false, NULL},
    {"eq", 1, true, ARGS_REFLECT, false, call_eq},
    {"ge", 2, false, ARGS_REFLECT, false, call_ge},
    {"gt", 2, false, ARGS_REFLECT, false, call_gt},
    {"html", 0, true, ARGS_ANY, false, call_html},
    {"index", 1, true, ARGS_REFLECT, false, call_index},
    {"ingress", 0, false, ARGS_ANY, false, call_ingress},
    {"interval", 0, false, ARGS_ANY, false, call_interval},
    {"js", 0, true, ARGS_ANY, false, call_js},
    {"le", 2, false, ARGS_REFLECT, false, call_le},
    {"len", 1, false, ARGS_REFLECT, false, call_len},
    {"lt", 2, false, ARGS_REFLECT, false, call_lt},
    {"name", 0, false, ARGS_ANY, false, call_name},
    {"namespace", 0, false, ARGS_ANY, false, call_namespace},
    {"ne", 2, false, ARGS_REFLECT, false, call_ne},
    {"not", 1, false, ARGS_REFLECT, false, call_not},
    {"or", 1, true, ARGS_REFLECT, false, NULL},
    {"print", 0, true, ARGS_ANY, false, call_print},
    {"printf", 1, true, ARGS_ANY, true, call_printf},
    {"println", 0, true, ARGS_ANY, false, call_println},
    {"route", 0, false, ARGS_ANY, false, call_route},
    {"service", 0, false, ARGS_ANY, false, call_service},
    {"slice", 1, true, ARGS_REFLECT, false, call_slice},
    {"target", 0, false, ARGS_ANY, false, call_target},
    {"urlquery", 0, true, ARGS_ANY, false, call_urlquery},
    {"variables", 0, false, ARGS_ANY, false, call_variables},
};
#define FUNCTION_COUNT (sizeof functions / sizeof *functions)

int template_function_find(struct span name)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++) {
        if (span_is(name, functions[i].name))
            return (int)i;
    }
    return -1;
}

const struct function *template_function_at(int index)
{
    return &functions[index];
}

const char *const *template_function_names(void)
{
    static const char *const names[] = {
        "name",      "namespace", "target", "service", "ingress",  "route", "interval",
        "variables", "and",       "or",     "not",     "eq",       "ne",    "lt",
        "le",        "gt",        "ge",     "len",     "index",    "slice", "print",
        "printf",    "println",   "html",   "js",      "urlquery", NULL,
    };

    return names;
}
