/* adapters/metrics/answer_json.c — JSON with Go's strictness, its laxness and its error texts. */
#include "adapters/metrics/answer_json.h"

#include <string.h>
#include <strings.h>

#include "adapters/base/chars.h"
#include "adapters/metrics/gotext.h"
#include "engine/num.h"
#include "engine/text.h"

#define DEPTH_MAX 10000u
#define PRINT_DEPTH_MAX 16u

struct reader {
    struct arena *arena;
    const char *s, *end;
    const char **reterr;
};

/* ---- reading ----------------------------------------------------- */

/* Within a number, a word or an escape; in a string a blank is one of its characters. */
static bool no_blank_may_stand(const char *context)
{
    static const char *const places[] = {"in numeric literal",
                                         "after decimal point in numeric literal",
                                         "in exponent of numeric literal",
                                         "in string escape code",
                                         "in \\u hexadecimal character escape",
                                         "in literal "};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (strncmp(context, places[i], strlen(places[i])) == 0)
            return true;
    }
    return false;
}

/*
 * What stands at r->s cannot follow. Go's scanner reads one blank past the end; where a blank may
 * stand, or the document ends between two things, what it says is that the end is unexpected.
 */
static bool fail(struct reader *r, const char *context)
{
    struct strbuf b = STRBUF_INIT, q = STRBUF_INIT;
    unsigned char c;
    char rune[3] = "";

    if (r->s >= r->end && !no_blank_may_stand(context)) {
        *r->reterr = "unexpected end of JSON input";
        return false;
    }
    c = r->s < r->end ? (unsigned char)*r->s : ' ';
    if (c < 0x80) { /* Go shows the byte as the character of that number */
        rune[0] = (char)c;
    } else {
        rune[0] = (char)(0xc0 | c >> 6);
        rune[1] = (char)(0x80 | (c & 0x3f));
    }
    go_quote(&q, rune, c < 0x80 ? 1 : 2);
    strbuf_adds(&b, "invalid character ");
    if (c == '\'')
        strbuf_adds(&b, "'\\''");
    else if (c == '"')
        strbuf_adds(&b, "'\"'");
    else if (c >= 0x80 && c < 0xa0)
        strbuf_addf(&b, "'\\u%04x'", c);
    else if (c == 0xa0 || c == 0xad)
        strbuf_addf(&b, "'\\u%04x'", c);
    else
        strbuf_addf(&b, "'%.*s'", (int)q.len - 2, q.data + 1);
    strbuf_addf(&b, " %s", context);
    *r->reterr = arena_strdup(r->arena, strbuf_str(&b));
    if (!*r->reterr)
        *r->reterr = "out of memory";
    strbuf_release(&b);
    strbuf_release(&q);
    return false;
}

static void skip_space(struct reader *r)
{
    while (r->s < r->end && (*r->s == ' ' || *r->s == '\t' || *r->s == '\r' || *r->s == '\n'))
        r->s++;
}

static bool digit(const struct reader *r)
{
    return r->s < r->end && *r->s >= '0' && *r->s <= '9';
}

static bool read_number(struct reader *r, struct answer_json *v)
{
    const char *from = r->s;

    if (*r->s == '-') {
        r->s++;
        if (!digit(r))
            return fail(r, "in numeric literal");
    }
    if (*r->s == '0') {
        r->s++;
    } else {
        while (digit(r))
            r->s++;
    }
    if (r->s < r->end && *r->s == '.') {
        r->s++;
        if (!digit(r))
            return fail(r, "after decimal point in numeric literal");
        while (digit(r))
            r->s++;
    }
    if (r->s < r->end && (*r->s == 'e' || *r->s == 'E')) {
        r->s++;
        if (r->s < r->end && (*r->s == '+' || *r->s == '-'))
            r->s++;
        if (!digit(r))
            return fail(r, "in exponent of numeric literal");
        while (digit(r))
            r->s++;
    }
    v->kind = JSON_NUMBER;
    v->len = (size_t)(r->s - from);
    v->text = arena_strndup(r->arena, from, v->len);
    return v->text != NULL;
}

static bool read_word(struct reader *r, struct answer_json *v, const char *word)
{
    for (const char *w = word; *w; w++) {
        if (r->s >= r->end || *r->s != *w) {
            char context[48];
            struct text t;

            text_init(&t, context, sizeof context);
            text_adds(&t, "in literal ");
            text_adds(&t, word);
            text_adds(&t, " (expecting '");
            text_addc(&t, *w);
            text_adds(&t, "')");
            return fail(r, context);
        }
        r->s++;
    }
    v->kind = word[0] == 'n' ? JSON_NULL : JSON_BOOL;
    v->truth = word[0] == 't';
    return true;
}

static bool read_hex4(struct reader *r, uint32_t *ret_rune)
{
    *ret_rune = 0;
    for (int i = 0; i < 4; i++, r->s++) {
        if (r->s >= r->end || hex_digit(*r->s) < 0)
            return fail(r, "in \\u hexadecimal character escape");
        *ret_rune = *ret_rune << 4 | (uint32_t)hex_digit(*r->s);
    }
    return true;
}

/* \uXXXX, a pair of surrogates as one character, a lone one as U+FFFD. */
static bool read_unicode(struct reader *r, char **out)
{
    uint32_t c, low;

    if (!read_hex4(r, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00 && r->end - r->s >= 6 && r->s[0] == '\\' && r->s[1] == 'u') {
        struct reader ahead = *r;
        const char *ignored;

        ahead.s += 2;
        ahead.reterr = &ignored;
        if (read_hex4(&ahead, &low) && low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            r->s = ahead.s;
        }
    }
    if (c >= 0xd800 && c < 0xe000)
        c = 0xfffd;
    *out = utf8_put(*out, c);
    return true;
}

/* A string, from behind its opening quote. An escape is never shorter than what it means. */
static bool read_string(struct reader *r, const char **ret_text, size_t *ret_len)
{
    const char *close = r->s;
    char *text, *out;

    while (close < r->end && *close != '"')
        close += *close == '\\' && r->end - close > 1 ? 2 : 1;
    text = out = arena_alloc(r->arena, (size_t)(close - r->s) + 1);
    if (!text) {
        *r->reterr = "out of memory";
        return false;
    }
    for (;;) {
        static const char names[] = "bfnrt\\/\"", codes[] = "\b\f\n\r\t\\/\"";
        const char *found;

        if (r->s >= r->end || (unsigned char)*r->s < 0x20)
            return fail(r, "in string literal");
        if (*r->s == '"')
            break;
        if (*r->s != '\\') {
            *out++ = *r->s++;
            continue;
        }
        r->s++;
        found = r->s < r->end && *r->s ? strchr(names, *r->s) : NULL;
        if (found) {
            *out++ = codes[found - names];
            r->s++;
        } else if (r->s < r->end && *r->s == 'u') {
            r->s++;
            if (!read_unicode(r, &out))
                return false;
        } else {
            return fail(r, "in string escape code");
        }
    }
    r->s++;
    *ret_text = text;
    *ret_len = (size_t)(out - text);
    return true;
}

/* A value that holds no other, or the opening of one that does. */
static bool read_start(struct reader *r, struct answer_json *v)
{
    char c = r->s < r->end ? *r->s : '\0';

    if (r->s < r->end && (c == '-' || (c >= '0' && c <= '9')))
        return read_number(r, v);
    switch (c) {
    case '"':
        r->s++;
        v->kind = JSON_STRING;
        return read_string(r, &v->text, &v->len);
    case 't':
        return read_word(r, v, "true");
    case 'f':
        return read_word(r, v, "false");
    case 'n':
        return read_word(r, v, "null");
    case '[':
    case '{':
        r->s++;
        v->kind = c == '[' ? JSON_ARRAY : JSON_OBJECT;
        return true;
    default:
        return fail(r, "looking for beginning of value");
    }
}

static struct answer_json *node_new(struct reader *r, struct answer_json *parent)
{
    struct answer_json *v = arena_alloc(r->arena, sizeof *v);

    if (!v) {
        *r->reterr = "out of memory";
        return NULL;
    }
    v->parent = parent;
    if (parent && parent->last)
        parent->last->next = v;
    else if (parent)
        parent->first = v;
    if (parent) {
        parent->last = v;
        parent->count++;
    }
    return v;
}

static bool read_key(struct reader *r, const char **ret_key)
{
    size_t len;

    skip_space(r);
    if (r->s >= r->end || *r->s != '"')
        return fail(r, "looking for beginning of object key string");
    r->s++;
    if (!read_string(r, ret_key, &len))
        return false;
    skip_space(r);
    if (r->s >= r->end || *r->s != ':')
        return fail(r, "after object key");
    r->s++;
    return true;
}

/*
 * After a value: close what ends here. *v becomes the container that wants a next member, or NULL
 * when the whole is read.
 */
static bool read_ends(struct reader *r, struct answer_json **v, size_t *depth)
{
    while (*v) {
        bool array = (*v)->kind == JSON_ARRAY;

        skip_space(r);
        if (r->s < r->end && *r->s == ',') {
            r->s++;
            return true;
        }
        if (r->s >= r->end || *r->s != (array ? ']' : '}'))
            return fail(r, array ? "after array element" : "after object key:value pair");
        r->s++;
        *v = (*v)->parent;
        (*depth)--;
    }
    return true;
}

struct answer_json *answer_json_parse(struct arena *arena, const char *text, size_t len,
                                      const char **reterr)
{
    struct reader r = {arena, text, text + len, reterr};
    struct answer_json *root = NULL, *in = NULL, *v;
    size_t depth = 0;

    *reterr = "out of memory";
    do {
        const char *key = NULL;

        if (in && in->kind == JSON_OBJECT && !read_key(&r, &key))
            return NULL;
        skip_space(&r);
        v = node_new(&r, in);
        if (!v)
            return NULL;
        v->key = key;
        root = root ? root : v;
        if (!read_start(&r, v))
            return NULL;
        if (v->kind == JSON_ARRAY || v->kind == JSON_OBJECT) {
            if (++depth > DEPTH_MAX) {
                r.s--;
                fail(&r, "exceeded max depth");
                return NULL;
            }
            skip_space(&r);
            in = v;
            if (r.s >= r.end || *r.s != (v->kind == JSON_ARRAY ? ']' : '}'))
                continue;
            r.s++;
            in = v->parent;
            depth--;
        }
        if (!read_ends(&r, &in, &depth))
            return NULL;
    } while (in);
    skip_space(&r);
    if (r.s < r.end) {
        fail(&r, "after top-level value");
        return NULL;
    }
    return arena_failed(arena) ? NULL : root;
}

/* ---- shapes ------------------------------------------------------ */

struct checker {
    struct arena *arena;
    const char *saved;  /* the first that did not fit; reading goes on */
    const char *hard;   /* a custom reader's error; it ends the reading */
    struct strbuf path; /* the fields on the way, joined by dots */
    const char *in_struct;
};

static const char *kind_name(const struct answer_json *v)
{
    static const char *const names[] = {"null", "bool", "number", "string", "array", "object"};

    return names[v->kind];
}

static const char *mismatch(struct checker *c, const char *value, const char *type)
{
    const char *text;

    if (c->path.len > 0)
        text = arena_printf(c->arena,
                            "json: cannot unmarshal %s into Go struct field %s.%s of type %s",
                            value, c->in_struct, strbuf_str(&c->path), type);
    else
        text = arena_printf(c->arena, "json: cannot unmarshal %s into Go value of type %s", value,
                            type);
    return text ? text : "out of memory";
}

static void save(struct checker *c, const char *value, const char *type)
{
    if (!c->saved)
        c->saved = mismatch(c, value ? value : "number", type);
}

/* Numbers of an interface{} become float64, at any depth. */
static void check_any(struct checker *c, const struct answer_json *v)
{
    const struct answer_json *n = v;

    while (n) {
        const char *ignored;
        double real;

        if (n->kind == JSON_NUMBER &&
            go_parse_float(c->arena, n->text, n->len, &real, &ignored) != 0)
            save(c, arena_printf(c->arena, "number %s", n->text), "float64");
        if (n->first) {
            n = n->first;
            continue;
        }
        while (n && n != v && !n->next)
            n = n->parent;
        n = n && n != v ? n->next : NULL;
    }
}

static void check_number(struct checker *c, const struct answer_json *v, const struct shape *s)
{
    const char *ignored;
    int64_t whole;
    double real;
    int rc = s->kind == SHAPE_INT ? go_parse_int(c->arena, v->text, v->len, &whole, &ignored)
                                  : go_parse_float(c->arena, v->text, v->len, &real, &ignored);

    if (rc != 0)
        save(c, arena_printf(c->arena, "number %s", v->text), s->type);
}

static const struct shape_field *find_field(const struct shape *s, const char *key)
{
    for (const struct shape_field *f = s->fields; f->name; f++) {
        if (strcmp(f->name, key) == 0)
            return f;
    }
    for (const struct shape_field *f = s->fields; f->name; f++) {
        if (strcasecmp(f->name, key) == 0)
            return f;
    }
    return NULL;
}

static void check(struct checker *c, const struct answer_json *v, const struct shape *s);

static void check_struct(struct checker *c, const struct answer_json *v, const struct shape *s)
{
    const char *outer = c->in_struct;
    size_t path_len = c->path.len;

    for (const struct answer_json *m = v->first; m && !c->hard; m = m->next) {
        const struct shape_field *f = find_field(s, m->key);

        if (!f)
            continue;
        c->in_struct = s->name;
        strbuf_adds(&c->path, c->path.len ? "." : "");
        strbuf_adds(&c->path, f->name);
        check(c, m, f->shape);
        if (c->hard)
            return;
        c->path.len = path_len;
        if (c->path.data)
            c->path.data[path_len] = '\0';
        c->in_struct = outer;
    }
}

/* A custom reader: its "json: " errors are placed by the outer reader. */
static void check_custom(struct checker *c, const struct answer_json *v, const struct shape *s)
{
    static const char prefix[] = "json: cannot unmarshal ", middle[] = " into Go value of type ";
    const char *what = s->custom(c->arena, v), *at;

    if (!what)
        return;
    c->hard = what;
    at = strstr(what, middle);
    if (strncmp(what, prefix, sizeof prefix - 1) == 0 && at) {
        const char *value = arena_strndup(c->arena, what + sizeof prefix - 1,
                                          (size_t)(at - what) - sizeof prefix + 1);

        c->hard = mismatch(c, value ? value : "", at + sizeof middle - 1);
    }
}

static void check(struct checker *c, const struct answer_json *v, const struct shape *s)
{
    if (s->kind == SHAPE_CUSTOM) {
        check_custom(c, v, s);
    } else if (s->kind == SHAPE_ANY) {
        check_any(c, v);
    } else if (v->kind == JSON_NULL) {
        return; /* null leaves any Go value as it is */
    } else if (v->kind == JSON_NUMBER && (s->kind == SHAPE_FLOAT || s->kind == SHAPE_INT)) {
        check_number(c, v, s);
    } else if (v->kind == JSON_ARRAY && s->kind == SHAPE_SLICE) {
        for (const struct answer_json *e = v->first; e && !c->hard; e = e->next)
            check(c, e, s->elem);
    } else if (v->kind == JSON_OBJECT && s->kind == SHAPE_STRUCT) {
        check_struct(c, v, s);
    } else if (v->kind != JSON_STRING || s->kind != SHAPE_STRING) {
        save(c, kind_name(v), s->type);
    }
}

const char *answer_json_check(struct arena *arena, const struct answer_json *v,
                              const struct shape *shape)
{
    struct checker c = {.arena = arena, .path = STRBUF_INIT, .in_struct = ""};

    check(&c, v, shape);
    strbuf_release(&c.path);
    return c.hard ? c.hard : c.saved;
}

struct answer_json *answer_json_read(struct arena *arena, const char *text, size_t len,
                                     const struct shape *shape, const char **reterr)
{
    struct answer_json *v = answer_json_parse(arena, text, len, reterr);
    const char *wrong = v ? answer_json_check(arena, v, shape) : NULL;

    if (!wrong)
        return v;
    *reterr = wrong;
    return NULL;
}

/* ---- use --------------------------------------------------------- */

const struct answer_json *answer_json_get(const struct answer_json *v, const char *name)
{
    const struct answer_json *found = NULL;

    if (!v || v->kind != JSON_OBJECT)
        return NULL;
    for (const struct answer_json *m = v->first; m; m = m->next) {
        if (strcasecmp(m->key, name) == 0)
            found = m;
    }
    return found && found->kind != JSON_NULL ? found : NULL;
}

const struct answer_json *answer_json_at(const struct answer_json *v, size_t n)
{
    const struct answer_json *e = v && v->kind == JSON_ARRAY ? v->first : NULL;

    while (e && n-- > 0)
        e = e->next;
    return e;
}

size_t answer_json_count(const struct answer_json *v)
{
    return v && v->kind == JSON_ARRAY ? v->count : 0;
}

static void print_number(const struct answer_json *v, struct strbuf *out)
{
    char buf[64];
    struct text t;
    double real = 0;

    text_init(&t, buf, sizeof buf);
    num_parse(v->text, v->len, &real);
    text_add_float(&t, real);
    strbuf_adds(out, buf);
}

static void print(const struct answer_json *v, unsigned depth, struct strbuf *out);

/* The members of an object, sorted by key, the last of equal ones. */
static void print_object(const struct answer_json *v, unsigned depth, struct strbuf *out)
{
    const char *before = NULL;

    strbuf_adds(out, "map[");
    for (size_t n = 0; n < v->count && v->count <= 1000; n++) {
        const struct answer_json *least = NULL;

        for (const struct answer_json *m = v->first; m; m = m->next) {
            if (before && strcmp(m->key, before) <= 0)
                continue;
            if (!least || strcmp(m->key, least->key) <= 0)
                least = m;
        }
        if (!least)
            break;
        strbuf_addf(out, "%s%s:", before ? " " : "", least->key);
        print(least, depth + 1, out);
        before = least->key;
    }
    strbuf_addc(out, ']');
}

static void print(const struct answer_json *v, unsigned depth, struct strbuf *out)
{
    if (depth > PRINT_DEPTH_MAX || out->len > 65536) {
        strbuf_adds(out, "...");
        return;
    }
    switch (v->kind) {
    case JSON_NULL:
        strbuf_adds(out, "<nil>");
        break;
    case JSON_BOOL:
        strbuf_adds(out, v->truth ? "true" : "false");
        break;
    case JSON_NUMBER:
        print_number(v, out);
        break;
    case JSON_STRING:
        strbuf_add(out, v->text, v->len);
        break;
    case JSON_ARRAY:
        strbuf_addc(out, '[');
        for (const struct answer_json *e = v->first; e; e = e->next) {
            strbuf_adds(out, e == v->first ? "" : " ");
            print(e, depth + 1, out);
        }
        strbuf_addc(out, ']');
        break;
    case JSON_OBJECT:
        print_object(v, depth, out);
        break;
    }
}

void answer_json_print(const struct answer_json *v, struct strbuf *out)
{
    print(v, 0, out);
}
