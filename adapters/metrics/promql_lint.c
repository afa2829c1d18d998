/* adapters/metrics/promql_lint.c — a parser of PromQL that only judges. */
#include "adapters/metrics/promql_lint.h"

#include <string.h>

#include "adapters/base/diag.h"
#include "engine/num.h"

enum type { TYPE_NONE, TYPE_SCALAR, TYPE_VECTOR, TYPE_MATRIX, TYPE_STRING };

struct linter {
    struct arena *arena;
    const char *text;
    size_t len, pos;
    unsigned depth;
    bool stopped; /* a syntax error: nothing after it means anything */
    bool bad;
    bool selector; /* what was read last is a bare selector: the only thing a range may follow */
    promql_on_finding *on_finding;
    void *ctx;
};

/* s scalar, v vector, m range vector, t string; lower case: must be given, upper case: may be; a
 * `*` at the end: any number of the last */
struct signature {
    const char *name, *args;
    enum type gives;
};
static const struct signature functions[] = {
    {"abs", "v", TYPE_VECTOR},
    {"absent", "v", TYPE_VECTOR},
    {"absent_over_time", "m", TYPE_VECTOR},
    {"acos", "v", TYPE_VECTOR},
    {"acosh", "v", TYPE_VECTOR},
    {"asin", "v", TYPE_VECTOR},
    {"asinh", "v", TYPE_VECTOR},
    {"atan", "v", TYPE_VECTOR},
    {"atanh", "v", TYPE_VECTOR},
    {"avg_over_time", "m", TYPE_VECTOR},
    {"ceil", "v", TYPE_VECTOR},
    {"changes", "m", TYPE_VECTOR},
    {"clamp", "vss", TYPE_VECTOR},
    {"clamp_max", "vs", TYPE_VECTOR},
    {"clamp_min", "vs", TYPE_VECTOR},
    {"cos", "v", TYPE_VECTOR},
    {"cosh", "v", TYPE_VECTOR},
    {"count_over_time", "m", TYPE_VECTOR},
    {"day_of_month", "V", TYPE_VECTOR},
    {"day_of_week", "V", TYPE_VECTOR},
    {"day_of_year", "V", TYPE_VECTOR},
    {"days_in_month", "V", TYPE_VECTOR},
    {"deg", "v", TYPE_VECTOR},
    {"delta", "m", TYPE_VECTOR},
    {"deriv", "m", TYPE_VECTOR},
    {"double_exponential_smoothing", "mss", TYPE_VECTOR},
    {"exp", "v", TYPE_VECTOR},
    {"first_over_time", "m", TYPE_VECTOR},
    {"floor", "v", TYPE_VECTOR},
    {"histogram_avg", "v", TYPE_VECTOR},
    {"histogram_count", "v", TYPE_VECTOR},
    {"histogram_fraction", "ssv", TYPE_VECTOR},
    {"histogram_quantile", "sv", TYPE_VECTOR},
    {"histogram_quantiles", "vts*", TYPE_VECTOR},
    {"histogram_stddev", "v", TYPE_VECTOR},
    {"histogram_stdvar", "v", TYPE_VECTOR},
    {"histogram_sum", "v", TYPE_VECTOR},
    {"holt_winters", "mss", TYPE_VECTOR},
    {"hour", "V", TYPE_VECTOR},
    {"idelta", "m", TYPE_VECTOR},
    {"increase", "m", TYPE_VECTOR},
    {"info", "vV", TYPE_VECTOR},
    {"irate", "m", TYPE_VECTOR},
    {"label_join", "vttT*", TYPE_VECTOR},
    {"label_replace", "vtttt", TYPE_VECTOR},
    {"last_over_time", "m", TYPE_VECTOR},
    {"ln", "v", TYPE_VECTOR},
    {"log10", "v", TYPE_VECTOR},
    {"log2", "v", TYPE_VECTOR},
    {"mad_over_time", "m", TYPE_VECTOR},
    {"max_over_time", "m", TYPE_VECTOR},
    {"min_over_time", "m", TYPE_VECTOR},
    {"minute", "V", TYPE_VECTOR},
    {"month", "V", TYPE_VECTOR},
    {"pi", "", TYPE_SCALAR},
    {"predict_linear", "ms", TYPE_VECTOR},
    {"present_over_time", "m", TYPE_VECTOR},
    {"quantile_over_time", "sm", TYPE_VECTOR},
    {"rad", "v", TYPE_VECTOR},
    {"rate", "m", TYPE_VECTOR},
    {"resets", "m", TYPE_VECTOR},
    {"round", "vS", TYPE_VECTOR},
    {"scalar", "v", TYPE_SCALAR},
    {"sgn", "v", TYPE_VECTOR},
    {"sin", "v", TYPE_VECTOR},
    {"sinh", "v", TYPE_VECTOR},
    {"sort", "v", TYPE_VECTOR},
    {"sort_by_label", "vtT*", TYPE_VECTOR},
    {"sort_by_label_desc", "vtT*", TYPE_VECTOR},
    {"sort_desc", "v", TYPE_VECTOR},
    {"sqrt", "v", TYPE_VECTOR},
    {"stddev_over_time", "m", TYPE_VECTOR},
    {"stdvar_over_time", "m", TYPE_VECTOR},
    {"sum_over_time", "m", TYPE_VECTOR},
    {"tan", "v", TYPE_VECTOR},
    {"tanh", "v", TYPE_VECTOR},
    {"time", "", TYPE_SCALAR},
    {"timestamp", "v", TYPE_VECTOR},
    {"ts_of_first_over_time", "m", TYPE_VECTOR},
    {"ts_of_last_over_time", "m", TYPE_VECTOR},
    {"ts_of_max_over_time", "m", TYPE_VECTOR},
    {"ts_of_min_over_time", "m", TYPE_VECTOR},
    {"vector", "s", TYPE_VECTOR},
    {"year", "V", TYPE_VECTOR},
};
static const struct signature aggregations[] = {
    {"avg", "v", TYPE_VECTOR},     {"bottomk", "sv", TYPE_VECTOR},
    {"count", "v", TYPE_VECTOR},   {"count_values", "tv", TYPE_VECTOR},
    {"group", "v", TYPE_VECTOR},   {"limit_ratio", "sv", TYPE_VECTOR},
    {"limitk", "sv", TYPE_VECTOR}, {"max", "v", TYPE_VECTOR},
    {"min", "v", TYPE_VECTOR},     {"quantile", "sv", TYPE_VECTOR},
    {"stddev", "v", TYPE_VECTOR},  {"stdvar", "v", TYPE_VECTOR},
    {"sum", "v", TYPE_VECTOR},     {"topk", "sv", TYPE_VECTOR},
};
#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- findings ---------------------------------------------------- */

static void report(struct linter *l, size_t offset, size_t len, const char *what, const char *hint)
{
    struct promql_finding f = {offset, len, what ? what : "out of memory", hint};

    if (l->stopped)
        return;
    l->bad = true;
    if (l->on_finding)
        l->on_finding(l->ctx, &f);
}

static enum type stop(struct linter *l, size_t offset, size_t len, const char *what,
                      const char *hint)
{
    report(l, offset, len, what, hint);
    l->stopped = true;
    return TYPE_NONE;
}

/* ---- reading ----------------------------------------------------- */

static bool is_name_start(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char at(const struct linter *l, size_t ahead)
{
    return l->pos + ahead < l->len ? l->text[l->pos + ahead] : '\0';
}

static void skip(struct linter *l)
{
    while (l->pos < l->len) {
        char c = l->text[l->pos];

        if (c == '#') {
            while (l->pos < l->len && l->text[l->pos] != '\n')
                l->pos++;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            l->pos++;
        } else {
            return;
        }
    }
}

static bool accept(struct linter *l, const char *sign)
{
    size_t n = strlen(sign);

    skip(l);
    if (l->len - l->pos < n || memcmp(l->text + l->pos, sign, n) != 0)
        return false;
    l->pos += n;
    return true;
}

/* The name at the position, a metric's with colons; 0 = none. */
static size_t name_len(const struct linter *l, bool colons)
{
    size_t n = 0;

    while (is_name_start(at(l, n)) || (colons && at(l, n) == ':') || (n > 0 && is_digit(at(l, n))))
        n++;
    return n;
}

static bool same_word(const char *s, size_t len, const char *word)
{
    if (strlen(word) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != word[i])
            return false;
    }
    return true;
}

/* A keyword, in any case. */
static bool accept_word(struct linter *l, const char *word)
{
    size_t n;

    skip(l);
    n = name_len(l, true);
    if (!same_word(l->text + l->pos, n, word))
        return false;
    l->pos += n;
    return true;
}

static enum type unexpected(struct linter *l, const char *wanted)
{
    skip(l);
    if (l->pos >= l->len)
        return stop(l, l->len, 0,
                    arena_printf(l->arena, "the query ends where %s is expected", wanted), NULL);
    if (at(l, 0) == '}' || at(l, 0) == ')' || at(l, 0) == ']')
        return stop(l, l->pos, 1,
                    arena_printf(l->arena, "'%c' where %s is expected", at(l, 0), wanted),
                    "check that brackets are balanced");
    return stop(l, l->pos, 1, arena_printf(l->arena, "%s is expected here", wanted), NULL);
}

static bool want(struct linter *l, const char *sign, const char *shown)
{
    if (l->stopped || accept(l, sign))
        return !l->stopped;
    unexpected(l, shown);
    return false;
}

/* A string in ", ' or `. */
static bool read_string(struct linter *l)
{
    size_t from = l->pos;
    char quote = at(l, 0);

    for (l->pos++; l->pos < l->len && l->text[l->pos] != quote; l->pos++) {
        char c = l->text[l->pos];

        if (c == '\n' && quote != '`')
            break;
        if (c == '\\' && quote != '`') {
            l->pos++;
            if (l->pos < l->len && l->text[l->pos] != quote &&
                !strchr("abfnrtv\\xuU01234567", l->text[l->pos])) {
                stop(l, l->pos - 1, 2, "unknown escape in a string", "a backslash is written \\\\");
                return false;
            }
        }
    }
    if (l->pos >= l->len || l->text[l->pos] != quote) {
        stop(l, from, 1, "a string without its closing quote", NULL);
        return false;
    }
    l->pos++;
    return true;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

/* Digits and units: 1h30m; each unit once, from large to small. Zero when there is none. */
static size_t duration_len(const struct linter *l)
{
    static const char *const units[] = {"y", "w", "d", "h", "ms", "m", "s"};
    static const int order[] = {0, 1, 2, 3, 6, 4, 5};
    size_t n = 0;
    int last = -1;

    while (is_digit(at(l, n))) {
        size_t digits = n, u = 0;

        while (is_digit(at(l, digits)))
            digits++;
        for (; u < COUNT(units); u++) {
            size_t len = strlen(units[u]);

            if (l->len - l->pos >= digits + len &&
                memcmp(l->text + l->pos + digits, units[u], len) == 0)
                break;
        }
        if (u == COUNT(units) || order[u] <= last)
            return 0;
        last = order[u];
        n = digits + strlen(units[u]);
    }
    return is_name_start(at(l, n)) ? 0 : n;
}

/* A number as PromQL has them: decimal, exponent, 0x, Inf, NaN. Its length or 0. */
static size_t number_len(const struct linter *l)
{
    size_t n = 0, name = name_len(l, false);

    if (name)
        return same_word(l->text + l->pos, name, "inf") || same_word(l->text + l->pos, name, "nan")
                   ? name
                   : 0;
    if (at(l, 0) == '0' && (at(l, 1) | 0x20) == 'x') {
        for (n = 2; is_digit(at(l, n)) || ((at(l, n) | 0x20) >= 'a' && (at(l, n) | 0x20) <= 'f');)
            n++;
        return n > 2 ? n : 0;
    }
    while (is_digit(at(l, n)))
        n++;
    if (at(l, n) == '.' && (n > 0 || is_digit(at(l, 1)))) {
        for (n++; is_digit(at(l, n));)
            n++;
    }
    if (n > 0 && (at(l, n) | 0x20) == 'e') {
        size_t e = n + 1;

        if (at(l, e) == '+' || at(l, e) == '-')
            e++;
        if (is_digit(at(l, e))) {
            while (is_digit(at(l, e)))
                e++;
            n = e;
        }
    }
    return is_name_start(at(l, n)) ? 0 : n;
}

static bool read_duration(struct linter *l)
{
    size_t n, wrong;

    accept(l, "-");
    skip(l);
    n = duration_len(l);
    if (!n)
        n = number_len(l); /* seconds */
    if (n) {
        l->pos += n;
        return true;
    }
    for (wrong = 0; is_name_start(at(l, wrong)) || is_digit(at(l, wrong)) || at(l, wrong) == '.';)
        wrong++;
    stop(l, l->pos, wrong, "not a duration", "write it as 30s, 5m, 1h30m or 1d");
    return false;
}

/* ---- expressions ------------------------------------------------- */

static enum type read_expr(struct linter *l, int least);

static bool enter(struct linter *l)
{
    if (l->stopped)
        return false;
    if (l->depth >= PROMQL_DEPTH_MAX) {
        stop(l, l->pos, 0, "the query is nested too deeply to be checked", NULL);
        return false;
    }
    l->depth++;
    return true;
}

static const char *type_name(enum type t)
{
    static const char *const names[] = {"nothing", "a scalar", "an instant vector",
                                        "a range vector", "a string"};

    return names[t];
}

/* {a="b", c=~"d"}; the opening brace is behind */
static void read_matchers(struct linter *l)
{
    while (!l->stopped && !accept(l, "}")) {
        size_t n;

        skip(l);
        n = name_len(l, false);
        if (n == 0 && is_quote(at(l, 0))) { /* a name in quotes, alone or with a matcher */
            if (!read_string(l))
                return;
            skip(l);
            if (at(l, 0) == ',' || at(l, 0) == '}') {
                accept(l, ",");
                continue;
            }
        } else if (n == 0) {
            unexpected(l, "a label name");
            return;
        }
        l->pos += n;
        if (!accept(l, "=~") && !accept(l, "!~") && !accept(l, "!=") && !accept(l, "=")) {
            unexpected(l, "=, !=, =~ or !~");
            return;
        }
        skip(l);
        if (!is_quote(at(l, 0))) {
            unexpected(l, "a label value in quotes");
            return;
        }
        if (!read_string(l))
            return;
        if (!accept(l, ",") && (skip(l), at(l, 0) != '}'))
            unexpected(l, "a comma or '}'");
    }
}

/* (a, b) of by, without, on, ignoring, group_left */
static void read_labels(struct linter *l)
{
    if (!want(l, "(", "'('"))
        return;
    while (!l->stopped && !accept(l, ")")) {
        size_t n;

        skip(l);
        n = name_len(l, false);
        if (n == 0 && is_quote(at(l, 0))) {
            if (!read_string(l))
                return;
        } else if (n == 0) {
            unexpected(l, "a label name");
            return;
        }
        l->pos += n;
        if (!accept(l, ",") && (skip(l), at(l, 0) != ')'))
            unexpected(l, "a comma or ')'");
    }
}

static bool fits(char wanted, enum type got)
{
    switch (wanted | 0x20) {
    case 's':
        return got == TYPE_SCALAR;
    case 'v':
        return got == TYPE_VECTOR;
    case 'm':
        return got == TYPE_MATRIX;
    default:
        return got == TYPE_STRING;
    }
}

static const char *wanted_name(char wanted)
{
    switch (wanted | 0x20) {
    case 's':
        return type_name(TYPE_SCALAR);
    case 'v':
        return type_name(TYPE_VECTOR);
    case 'm':
        return type_name(TYPE_MATRIX);
    default:
        return type_name(TYPE_STRING);
    }
}

/* The arguments of a call, from behind the opening parenthesis. */
static void read_args(struct linter *l, const struct signature *f, size_t name_at, size_t name_size)
{
    const char *next = f->args;
    size_t given = 0, needed = 0;

    for (const char *a = f->args; *a && *a != '*'; a++)
        needed += *a >= 'a' && *a <= 'z';
    skip(l);
    while (!l->stopped && !accept(l, ")")) {
        size_t from;
        enum type got;
        char wanted = *next == '*' ? next[-1] : *next;

        skip(l);
        from = l->pos;
        got = read_expr(l, 0);
        given++;
        if (!l->stopped && wanted && got != TYPE_NONE && !fits(wanted, got))
            report(l, from, l->pos - from,
                   arena_printf(l->arena, "%s wants %s as argument %zu, not %s", f->name,
                                wanted_name(wanted), given, type_name(got)),
                   (wanted | 0x20) == 'm' ? "add a range, as in x[5m]"
                   : got == TYPE_MATRIX   ? "take the range away, or put rate() around it"
                                          : NULL);
        if (!l->stopped && !wanted)
            report(l, from, l->pos - from,
                   arena_printf(l->arena, "%s takes no argument %zu", f->name, given), NULL);
        if (*next && *next != '*')
            next++;
        if (!accept(l, ",") && (skip(l), at(l, 0) != ')'))
            unexpected(l, "a comma or ')'");
    }
    if (given < needed)
        report(l, name_at, name_size,
               arena_printf(l->arena, "%s wants %zu argument%s, not %zu", f->name, needed,
                            needed == 1 ? "" : "s", given),
               NULL);
}

static const struct signature *find(const struct signature *table, size_t count, const char *s,
                                    size_t len, bool any_case)
{
    for (size_t i = 0; i < count; i++) {
        if (any_case ? same_word(s, len, table[i].name)
                     : strlen(table[i].name) == len && memcmp(s, table[i].name, len) == 0)
            return &table[i];
    }
    return NULL;
}

static void unknown_function(struct linter *l, size_t from, size_t len)
{
    const char *names[COUNT(functions) + COUNT(aggregations) + 1], *near;

    for (size_t i = 0; i < COUNT(functions); i++)
        names[i] = functions[i].name;
    for (size_t i = 0; i < COUNT(aggregations); i++)
        names[COUNT(functions) + i] = aggregations[i].name;
    names[COUNT(functions) + COUNT(aggregations)] = NULL;
    near = nearest_name(l->text + from, len, names);
    report(l, from, len,
           arena_printf(l->arena, "unknown function \"%.*s\"", (int)len, l->text + from),
           near ? arena_printf(l->arena, "did you mean \"%s\"?", near) : NULL);
}

static enum type read_aggregation(struct linter *l, const struct signature *f, size_t from,
                                  size_t len)
{
    bool grouped = false;

    for (int i = 0; i < 2 && !l->stopped; i++) {
        if (accept_word(l, "by") || accept_word(l, "without")) {
            if (grouped)
                return stop(l, from, len, arena_printf(l->arena, "%s is grouped twice", f->name),
                            NULL);
            read_labels(l);
            grouped = true;
        }
        if (i == 0) {
            if (!want(l, "(", "'('"))
                return TYPE_NONE;
            read_args(l, f, from, len);
        }
    }
    l->selector = false;
    return f->gives;
}

/* A name: a number, a call, an aggregation or a series. */
static enum type read_name(struct linter *l)
{
    size_t from = l->pos, n = name_len(l, true);
    const struct signature *f = find(aggregations, COUNT(aggregations), l->text + from, n, true);
    const struct signature *known = find(functions, COUNT(functions), l->text + from, n, false);
    size_t number = number_len(l);

    l->pos += n;
    skip(l);
    if (f) {
        size_t keyword = l->pos;

        if (at(l, 0) == '(' || accept_word(l, "by") || accept_word(l, "without")) {
            l->pos = keyword;
            return read_aggregation(l, f, from, n);
        }
    }
    if (at(l, 0) == '(') {
        static const struct signature anything = {"", "", TYPE_NONE};

        l->pos++;
        if (known) {
            read_args(l, known, from, n);
            l->selector = false;
            return known->gives;
        }
        unknown_function(l, from, n);
        while (!l->stopped && !accept(l, ")")) {
            read_expr(l, 0);
            if (!accept(l, ",") && (skip(l), at(l, 0) != ')'))
                unexpected(l, "a comma or ')'");
        }
        return anything.gives;
    }
    if (number == n && number)
        return TYPE_SCALAR;
    if (accept(l, "{"))
        read_matchers(l);
    l->selector = true;
    return TYPE_VECTOR;
}

static enum type read_braces(struct linter *l, size_t from)
{
    if (accept(l, "}"))
        report(l, from, l->pos - from, "a selector without a name needs a matcher",
               "name the metric");
    else
        read_matchers(l);
    l->selector = true;
    return TYPE_VECTOR;
}

static enum type read_primary(struct linter *l)
{
    size_t from, n;
    enum type t;

    skip(l);
    from = l->pos;
    if (l->pos >= l->len)
        return unexpected(l, "an expression");
    if (is_quote(at(l, 0)))
        return read_string(l) ? TYPE_STRING : TYPE_NONE;
    if (accept(l, "(")) {
        t = read_expr(l, 0);
        l->selector = false;
        if (!l->stopped && !accept(l, ")"))
            return l->pos < l->len ? unexpected(l, "an operator or ')'")
                                   : stop(l, from, 1, "a '(' without its ')'", NULL);
        return t;
    }
    if (accept(l, "{"))
        return read_braces(l, from);
    if (is_name_start(at(l, 0)) || at(l, 0) == ':')
        return read_name(l);
    n = number_len(l);
    if (!n)
        n = duration_len(l);
    if (n) {
        l->pos += n;
        return TYPE_SCALAR;
    }
    return unexpected(l, "an expression");
}

static enum type read_range(struct linter *l, enum type t, size_t from)
{
    bool selector = l->selector, subquery;

    skip(l);
    if (!read_duration(l))
        return TYPE_NONE;
    subquery = accept(l, ":");
    if (subquery) {
        skip(l);
        if (at(l, 0) != ']' && !read_duration(l))
            return TYPE_NONE;
    }
    if (!accept(l, "]"))
        return unexpected(l, "']'");
    l->selector = false;
    if (t != TYPE_VECTOR && t != TYPE_NONE)
        report(l, from, l->pos - from, arena_printf(l->arena, "a range over %s", type_name(t)),
               "ranges select from instant vectors");
    else if (t == TYPE_VECTOR && !subquery && !selector)
        report(l, from, l->pos - from, "a range over what is no selector",
               "for a subquery write [5m:]");
    return TYPE_MATRIX;
}

/* An operand with its ranges, offsets and times. */
static enum type read_postfix(struct linter *l)
{
    size_t from;
    enum type t;

    skip(l);
    from = l->pos;
    l->selector = false;
    t = read_primary(l);
    if (t != TYPE_VECTOR)
        l->selector = false;
    while (!l->stopped) {
        if (accept(l, "[")) {
            t = read_range(l, t, from);
        } else if (accept_word(l, "offset")) {
            skip(l);
            read_duration(l);
        } else if (accept(l, "@")) {
            size_t n;

            accept(l, "-");
            skip(l);
            n = number_len(l);
            l->pos += n;
            if (!n && (accept_word(l, "start") || accept_word(l, "end"))) {
                if (want(l, "(", "'('"))
                    want(l, ")", "')'");
            } else if (!n) {
                unexpected(l, "a time, start() or end()");
            }
        } else {
            break;
        }
    }
    return t;
}

static enum type read_unary(struct linter *l)
{
    size_t from;
    enum type t;

    if (!enter(l))
        return TYPE_NONE;
    skip(l);
    from = l->pos;
    if (accept(l, "-") || accept(l, "+")) {
        t = read_unary(l);
        /* a power binds tighter than the sign; for types it makes no difference */
        if (!l->stopped && (t == TYPE_STRING || t == TYPE_MATRIX))
            report(l, from, 1, arena_printf(l->arena, "a sign before %s", type_name(t)), NULL);
    } else {
        t = read_postfix(l);
    }
    l->depth--;
    return t;
}

struct operator
{
    const char *sign;
    int level;
    bool compares, sets;
};

static const struct operator* read_operator(struct linter *l, int least)
{
    static const struct operator signs[] = {
        {"^", 6, false, false}, {"*", 5, false, false}, {"/", 5, false, false},
        {"%", 5, false, false}, {"+", 4, false, false}, {"-", 4, false, false},
        {"==", 3, true, false}, {"!=", 3, true, false}, {"<=", 3, true, false},
        {">=", 3, true, false}, {"<", 3, true, false},  {">", 3, true, false},
    };
    static const struct operator words[] = {
        {"atan2", 5, false, false},
        {"and", 2, false, true},
        {"unless", 2, false, true},
        {"or", 1, false, true},
    };

    for (size_t i = 0; i < COUNT(signs); i++) {
        size_t before = l->pos;

        if (accept(l, signs[i].sign)) {
            if (signs[i].level >= least)
                return &signs[i];
            l->pos = before;
            return NULL;
        }
    }
    for (size_t i = 0; i < COUNT(words); i++) {
        size_t before = l->pos;

        if (accept_word(l, words[i].sign)) {
            if (words[i].level >= least)
                return &words[i];
            l->pos = before;
            return NULL;
        }
    }
    return NULL;
}

/* bool, on(...), ignoring(...), group_left(...) behind an operator */
static bool read_modifiers(struct linter *l, const struct operator* op)
{
    bool is_bool = accept_word(l, "bool");

    if (is_bool && !op->compares)
        report(l, l->pos - 4, 4, "bool goes with comparisons only", NULL);
    if (accept_word(l, "on") || accept_word(l, "ignoring")) {
        read_labels(l);
        if (accept_word(l, "group_left") || accept_word(l, "group_right")) {
            if (op->sets)
                report(l, l->pos, 0, "and, or, unless do not group", NULL);
            skip(l);
            if (at(l, 0) == '(')
                read_labels(l);
        }
    }
    return is_bool;
}

static enum type combine(struct linter *l, const struct operator* op, bool is_bool, enum type a,
                         enum type b, size_t from)
{
    if (l->stopped || a == TYPE_NONE || b == TYPE_NONE)
        return a == TYPE_NONE ? b : a;
    if (a == TYPE_STRING || b == TYPE_STRING || a == TYPE_MATRIX || b == TYPE_MATRIX) {
        enum type wrong = a == TYPE_STRING || a == TYPE_MATRIX ? a : b;

        report(l, from, l->pos - from,
               arena_printf(l->arena, "%s with %s", op->sign, type_name(wrong)),
               wrong == TYPE_MATRIX ? "put rate(), increase() or ..._over_time() around the range"
                                    : NULL);
        return TYPE_VECTOR;
    }
    if (op->sets && (a == TYPE_SCALAR || b == TYPE_SCALAR))
        report(l, from, l->pos - from, arena_printf(l->arena, "%s with a scalar", op->sign),
               "put vector() around it");
    if (op->compares && a == TYPE_SCALAR && b == TYPE_SCALAR && !is_bool)
        report(l, from, l->pos - from, "a comparison of two scalars needs bool", "write == bool");
    return a == TYPE_SCALAR && b == TYPE_SCALAR ? TYPE_SCALAR : TYPE_VECTOR;
}

/* Operators of at least level `least`, left to right; ^ from the right. */
static enum type read_expr(struct linter *l, int least)
{
    const struct operator* op;
    enum type t;
    size_t from;

    if (!enter(l))
        return TYPE_NONE;
    skip(l);
    from = l->pos;
    t = read_unary(l);
    while (!l->stopped && (op = read_operator(l, least)) != NULL) {
        bool is_bool = read_modifiers(l, op);
        enum type right = l->stopped ? TYPE_NONE : read_expr(l, op->level == 6 ? 6 : op->level + 1);

        t = combine(l, op, is_bool, t, right, from);
    }
    l->depth--;
    return t;
}

bool promql_lint(struct arena *arena, const char *text, size_t len, promql_on_finding *on_finding,
                 void *ctx)
{
    struct linter l = {
        .arena = arena, .text = text, .len = len, .on_finding = on_finding, .ctx = ctx};
    enum type t;

    if (len > PROMQL_BYTES_MAX) {
        stop(&l, 0, 0, "the query is longer than 256 KiB", NULL);
        return false;
    }
    t = read_expr(&l, 0);
    skip(&l);
    if (!l.stopped && l.pos < l.len)
        unexpected(&l, "an operator or the end of the query");
    else if (!l.stopped && t == TYPE_MATRIX)
        report(&l, 0, len, "the query gives a range where one value is wanted",
               "put rate() or ..._over_time() around it");
    else if (!l.stopped && t == TYPE_STRING)
        report(&l, 0, len, "the query gives a string where one value is wanted", NULL);
    return !l.bad;
}
