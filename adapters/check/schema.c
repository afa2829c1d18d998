#include "adapters/check/schema.h"

#include <assert.h>
#include <errno.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "adapters/base/diag.h"

#define TYPE(kind) (1u << (unsigned)(kind))
enum { SCHEMA_DEPTH_MAX = 64, MEMO_SLOTS = 32, MEMO_TEXT = 24 };

struct property {
    const char *name;
    size_t len;
    uint32_t hash;
    struct schema *schema;
};

struct schema_list {
    struct schema **items;
    size_t count;
};

struct names {
    const char **items; /* NULL-terminated */
    size_t count;
};

/* A regular expression, compiled when first needed, and the short texts it has already accepted. */
struct pattern {
    const char *text;
    regex_t regex;
    bool ready;
    struct pattern *next; /* of all patterns of one root, for schema_release */
    char memo[MEMO_SLOTS][MEMO_TEXT];
};

struct rule {
    bool (*holds)(const struct node *self);
    const char *message;
};

struct schema {
    unsigned types; /* bits of enum node_kind; 0 = any */
    bool closed;    /* members that are not listed are unknown */
    bool int32, date_time;
    struct property *table; /* open addressing, power of two */
    uint32_t table_mask;
    const char **property_names; /* NULL-terminated, for guesses */
    struct schema *additional;
    struct schema *items;
    struct names required, enums;
    bool has_minimum, has_maximum;
    double minimum, maximum;
    size_t length_min, length_max, items_min, items_max;
    struct pattern *pattern;
    struct schema_list one_of, any_of, all_of;
    struct schema *not_;
    struct rule *rules;
    size_t rule_count;
    struct pattern *patterns; /* root only */
};

/* ---- x-kubernetes-validations
 * ---------------------------------------------------------------------- */

static bool service_has_port(const struct node *self)
{
    const struct node *group = node_get(self, "group");
    const struct node *kind = node_get(self, "kind");
    bool core = group == NULL || group->text_len == 0;

    return !core || (kind != NULL && !node_is(kind, "Service")) || node_get(self, "port") != NULL;
}

/* Every rule our schemas use, by its exact text; no other CEL is understood. */
static const struct {
    const char *cel;
    bool (*holds)(const struct node *self);
} known_rules[] = {
    {"(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true", service_has_port},
};

/* ---- compile
 * --------------------------------------------------------------------------------------- */

struct compiler {
    struct arena *arena;
    struct pattern *patterns;
    const char *error;
    int rc;
    unsigned depth;
};

static struct schema *compile(struct compiler *c, const struct node *n, bool part);

static void *fail(struct compiler *c, int rc, const char *format, const char *word)
{
    if (c->rc == 0) {
        c->rc = rc;
        c->error = arena_printf(c->arena, "line %s: %s", format, word);
    }
    return NULL;
}

/* Names of fields: short, few, and told apart by length and three letters nearly always. */
static uint32_t hash_key(const char *s, size_t len)
{
    if (len == 0)
        return 0;
    return (uint32_t)len * 31u + (uint8_t)s[0] * 7u + (uint8_t)s[len / 2] * 131u +
           (uint8_t)s[len - 1] * 1031u;
}

static uint32_t hash_text(const char *s, size_t len)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)s[i]) * 16777619u;
    return h;
}

static void *take(struct compiler *c, size_t count, size_t size)
{
    void *p = arena_alloc(c->arena, (count ? count : 1) * size);

    if (p == NULL)
        c->rc = -ENOMEM;
    return p;
}

static void compile_properties(struct compiler *c, struct schema *s, const struct node *map)
{
    uint32_t size = 4;
    size_t count = map->u.map.count;

    while (size < 2 * count)
        size *= 2;
    s->table = take(c, size, sizeof *s->table);
    s->property_names = take(c, count + 1, sizeof *s->property_names);
    if (c->rc)
        return;
    s->table_mask = size - 1;
    for (size_t i = 0; i < count; i++) {
        const struct member *m = &map->u.map.members[i];
        uint32_t hash = hash_key(m->key, m->key_len);
        uint32_t at = hash & s->table_mask;

        while (s->table[at].name != NULL)
            at = (at + 1) & s->table_mask;
        s->table[at].name = arena_strndup(c->arena, m->key, m->key_len);
        s->table[at].len = m->key_len;
        s->table[at].hash = hash;
        s->table[at].schema = compile(c, m->value, false);
        s->property_names[i] = s->table[at].name;
        if (c->rc)
            return;
    }
}

static void compile_names(struct compiler *c, struct names *names, const struct node *list)
{
    if (list->kind != NODE_LIST) {
        fail(c, -EINVAL, "a list of names was expected", "");
        return;
    }
    names->items = take(c, list->u.list.count + 1, sizeof *names->items);
    for (size_t i = 0; c->rc == 0 && i < list->u.list.count; i++) {
        const struct node *item = list->u.list.items[i];

        names->items[i] = arena_strndup(c->arena, item->text ? item->text : "", item->text_len);
        names->count = i + 1;
    }
}

static void compile_list(struct compiler *c, struct schema_list *list, const struct node *n)
{
    if (n->kind != NODE_LIST) {
        fail(c, -EINVAL, "a list of schemas was expected", "");
        return;
    }
    list->items = take(c, n->u.list.count, sizeof(struct schema *));
    for (size_t i = 0; c->rc == 0 && i < n->u.list.count; i++) {
        list->items[i] = compile(c, n->u.list.items[i], true);
        list->count = i + 1;
    }
}

static void compile_pattern(struct compiler *c, struct schema *s, const struct node *n)
{
    struct pattern *p = take(c, 1, sizeof *p);

    if (p == NULL)
        return;
    p->text = arena_strndup(c->arena, n->text, n->text_len);
    p->next = c->patterns;
    c->patterns = p;
    s->pattern = p;
}

static void compile_rules(struct compiler *c, struct schema *s, const struct node *list)
{
    if (list->kind != NODE_LIST) {
        fail(c, -EINVAL, "a list of rules was expected", "");
        return;
    }
    s->rules = take(c, list->u.list.count, sizeof *s->rules);
    for (size_t i = 0; c->rc == 0 && i < list->u.list.count; i++) {
        const char *cel = node_str(node_get(list->u.list.items[i], "rule"));
        const char *message = node_str(node_get(list->u.list.items[i], "message"));
        struct rule *rule = &s->rules[s->rule_count];

        for (size_t k = 0; cel && k < sizeof known_rules / sizeof *known_rules; k++)
            if (strcmp(cel, known_rules[k].cel) == 0)
                rule->holds = known_rules[k].holds;
        if (rule->holds == NULL)
            fail(c, -ENOTSUP, "unknown validation rule", cel ? cel : "");
        rule->message = arena_strdup(c->arena, message ? message : "the value is not valid");
        s->rule_count++;
    }
}

static void compile_type(struct compiler *c, struct schema *s, const struct node *n)
{
    static const struct {
        const char *name;
        unsigned types;
    } names[] = {
        {"object", TYPE(NODE_MAP)},    {"array", TYPE(NODE_LIST)},
        {"string", TYPE(NODE_STRING)}, {"boolean", TYPE(NODE_BOOL)},
        {"integer", TYPE(NODE_INT)},   {"number", TYPE(NODE_INT) | TYPE(NODE_FLOAT)},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (node_is(n, names[i].name)) {
            s->types |= names[i].types;
            return;
        }
    fail(c, -EINVAL, "unknown type", n->text ? n->text : "");
}

static size_t as_size(const struct node *n)
{
    return n->kind == NODE_INT && n->u.integer > 0 ? (size_t)n->u.integer : 0;
}

static double as_number(const struct node *n)
{
    return n->kind == NODE_INT ? (double)n->u.integer : n->u.number;
}

static bool ignored_keyword(const char *name)
{
    static const char *const names[] = {"description", "default",      "title",
                                        "example",     "externalDocs", NULL};

    for (size_t i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void compile_format(struct schema *s, const struct node *n)
{
    s->int32 = node_is(n, "int32");
    s->date_time = node_is(n, "date-time");
}

static void compile_keyword(struct compiler *c, struct schema *s, const struct member *m)
{
    const char *k = m->key;
    const struct node *v = m->value;

    if (strcmp(k, "type") == 0) {
        compile_type(c, s, v);
    } else if (strcmp(k, "properties") == 0 && v->kind == NODE_MAP) {
        compile_properties(c, s, v);
    } else if (strcmp(k, "additionalProperties") == 0 && v->kind == NODE_MAP) {
        s->additional = compile(c, v, false);
    } else if (strcmp(k, "items") == 0) {
        s->items = compile(c, v, false);
    } else if (strcmp(k, "required") == 0) {
        compile_names(c, &s->required, v);
    } else if (strcmp(k, "enum") == 0) {
        compile_names(c, &s->enums, v);
    } else if (strcmp(k, "minimum") == 0) {
        s->has_minimum = true;
        s->minimum = as_number(v);
    } else if (strcmp(k, "maximum") == 0) {
        s->has_maximum = true;
        s->maximum = as_number(v);
    } else if (strcmp(k, "minLength") == 0) {
        s->length_min = as_size(v);
    } else if (strcmp(k, "maxLength") == 0) {
        s->length_max = as_size(v);
    } else if (strcmp(k, "minItems") == 0) {
        s->items_min = as_size(v);
    } else if (strcmp(k, "maxItems") == 0) {
        s->items_max = as_size(v);
    } else if (strcmp(k, "pattern") == 0 && v->kind == NODE_STRING) {
        compile_pattern(c, s, v);
    } else if (strcmp(k, "format") == 0) {
        compile_format(s, v);
    } else if (strcmp(k, "nullable") == 0) {
        s->types |= v->kind == NODE_BOOL && v->u.boolean ? TYPE(NODE_NULL) : 0;
    } else if (strcmp(k, "oneOf") == 0) {
        compile_list(c, &s->one_of, v);
    } else if (strcmp(k, "anyOf") == 0) {
        compile_list(c, &s->any_of, v);
    } else if (strcmp(k, "allOf") == 0) {
        compile_list(c, &s->all_of, v);
    } else if (strcmp(k, "not") == 0) {
        s->not_ = compile(c, v, true);
    } else if (strcmp(k, "x-kubernetes-int-or-string") == 0) {
        s->types |= TYPE(NODE_INT) | TYPE(NODE_STRING);
    } else if (strcmp(k, "x-kubernetes-preserve-unknown-fields") == 0) {
        s->closed = false;
    } else if (strcmp(k, "x-kubernetes-validations") == 0) {
        compile_rules(c, s, v);
    } else if (!ignored_keyword(k)) {
        fail(c, -ENOTSUP, "unknown keyword", k);
    }
}

/* `part`: below oneOf and its kin, where a schema only narrows and lists no members of its own. */
static struct schema *compile(struct compiler *c, const struct node *n, bool part)
{
    struct schema *s;

    if (n->kind != NODE_MAP)
        return fail(c, -EINVAL, "a schema is a map, not", node_kind_name(n->kind));
    if (++c->depth > SCHEMA_DEPTH_MAX)
        return fail(c, -EINVAL, "schema nested too deep", "");
    s = take(c, 1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->length_max = s->items_max = SIZE_MAX;
    s->closed = !part && node_get(n, "properties") != NULL;
    for (size_t i = 0; c->rc == 0 && i < n->u.map.count; i++)
        compile_keyword(c, s, &n->u.map.members[i]);
    c->depth--;
    return s;
}

int schema_compile(struct arena *arena, const struct node *root, struct schema **ret_schema,
                   const char **reterr_what)
{
    struct compiler c = {.arena = arena};
    struct schema *s = compile(&c, root, false);

    if (c.rc == 0 && s == NULL)
        c.rc = -ENOMEM;
    if (c.rc) {
        *reterr_what = c.error ? c.error : "out of memory";
        return c.rc;
    }
    s->patterns = c.patterns;
    *ret_schema = s;
    return 0;
}

void schema_release(struct schema *s)
{
    if (s == NULL)
        return;
    for (struct pattern *p = s->patterns; p; p = p->next)
        if (p->ready) {
            regfree(&p->regex);
            p->ready = false;
        }
}

/* ---- paths
 * ----------------------------------------------------------------------------------------- */

static bool plain_word(const char *s)
{
    if (*s == 0)
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
              *s == '_' || *s == '-'))
            return false;
    return true;
}

void schema_path_add(struct strbuf *b, const struct schema_path *path)
{
    const struct schema_path *stack[2 * SCHEMA_DEPTH_MAX];
    size_t depth = 0;

    for (; path && depth < sizeof stack / sizeof *stack; path = path->up)
        stack[depth++] = path;
    while (depth > 0) {
        const struct schema_path *p = stack[--depth];

        if (p->key == NULL) {
            strbuf_addf(b, "[%zu]", p->index);
        } else if (plain_word(p->key)) {
            strbuf_addc(b, '.');
            strbuf_adds(b, p->key);
        } else {
            strbuf_addc(b, '[');
            strbuf_add_json(b, p->key, strlen(p->key));
            strbuf_addc(b, ']');
        }
    }
}

/* ---- validate
 * -------------------------------------------------------------------------------------- */

struct walk {
    schema_on_finding *on_finding; /* NULL: only count */
    void *ctx;
    size_t count;
    struct strbuf what;
};

static void validate(struct walk *w, struct schema *s, const struct node *n,
                     const struct member *member, const struct schema_path *path);

static void report(struct walk *w, enum schema_fault fault, const char *keyword,
                   const struct node *n, const struct member *member,
                   const struct schema_path *path, const char *hint)
{
    struct schema_finding f = {fault, path, n, member, keyword, strbuf_str(&w->what), hint};

    w->count++;
    if (w->on_finding)
        w->on_finding(w->ctx, &f);
}

/* The text of the coming finding; costs nothing while only counting. */
static void say(struct walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct walk *w, const char *format, ...)
{
    va_list args;

    if (w->on_finding == NULL)
        return;
    strbuf_clear(&w->what);
    va_start(args, format);
    strbuf_addv(&w->what, format, args);
    va_end(args);
}

static bool matches(struct schema *s, const struct node *n)
{
    struct walk w = {.on_finding = NULL};

    validate(&w, s, n, NULL, NULL);
    return w.count == 0;
}

static const struct property *find_property(const struct schema *s, const char *key, size_t len)
{
    uint32_t hash, at;

    if (s->table == NULL)
        return NULL;
    hash = hash_key(key, len);
    for (at = hash & s->table_mask; s->table[at].name; at = (at + 1) & s->table_mask)
        if (s->table[at].hash == hash && s->table[at].len == len &&
            memcmp(s->table[at].name, key, len) == 0)
            return &s->table[at];
    return NULL;
}

static void unknown_member(struct walk *w, const struct schema *s, const struct member *m,
                           const struct schema_path *path)
{
    const char *near;
    char hint[96];

    if (w->on_finding == NULL) {
        w->count++;
        return;
    }
    near = nearest_name(m->key, m->key_len, s->property_names);
    if (near)
        snprintf(hint, sizeof hint, "did you mean '%.60s'?", near);
    say(w, "unknown field '%.60s'", m->key);
    report(w, SCHEMA_UNKNOWN, "properties", m->value, m, path, near ? hint : NULL);
}

static void validate_map(struct walk *w, struct schema *s, const struct node *n,
                         const struct schema_path *path)
{
    for (size_t i = 0; i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        const struct property *p = find_property(s, m->key, m->key_len);
        struct schema_path step = {path, m->key, 0};

        if (p)
            validate(w, p->schema, m->value, m, &step);
        else if (s->additional)
            validate(w, s->additional, m->value, m, &step);
        else if (s->closed)
            unknown_member(w, s, m, &step);
    }
    for (size_t i = 0; i < s->required.count; i++)
        if (node_member(n, s->required.items[i]) == NULL) {
            struct schema_path step = {path, s->required.items[i], 0};

            say(w, "'%s' is missing", s->required.items[i]);
            report(w, SCHEMA_REQUIRED, "required", n, NULL, &step, NULL);
        }
}

static void validate_list(struct walk *w, struct schema *s, const struct node *n,
                          const struct member *member, const struct schema_path *path)
{
    size_t count = n->u.list.count;

    if (count < s->items_min || count > s->items_max) {
        say(w, "%zu items, but %s %zu are allowed", count,
            count < s->items_min ? "at least" : "at most",
            count < s->items_min ? s->items_min : s->items_max);
        report(w, SCHEMA_RANGE, count < s->items_min ? "minItems" : "maxItems", n, member, path,
               NULL);
    }
    for (size_t i = 0; s->items && i < count; i++) {
        struct schema_path step = {path, NULL, i};

        validate(w, s->items, n->u.list.items[i], NULL, &step);
    }
}

/* Characters, not bytes, as the API server counts. */
static size_t characters(const struct node *n)
{
    size_t count = 0;

    for (size_t i = 0; i < n->text_len; i++)
        count += ((unsigned char)n->text[i] & 0xC0) != 0x80;
    return count;
}

static bool digits(const char *s, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

/* RFC 3339, by form: 2026-01-31T12:00:00Z with an optional fraction and offset. */
static bool date_time(const char *s, size_t len)
{
    size_t at = 19;

    if (len < 20 || !digits(s, 4) || s[4] != '-' || !digits(s + 5, 2) || s[7] != '-' ||
        !digits(s + 8, 2) || (s[10] != 'T' && s[10] != 't') || !digits(s + 11, 2) || s[13] != ':' ||
        !digits(s + 14, 2) || s[16] != ':' || !digits(s + 17, 2))
        return false;
    if (s[at] == '.')
        for (at++; at < len && digits(s + at, 1); at++)
            ;
    if (at + 1 == len)
        return s[at] == 'Z' || s[at] == 'z';
    return at + 6 == len && (s[at] == '+' || s[at] == '-') && digits(s + at + 1, 2) &&
           s[at + 3] == ':' && digits(s + at + 4, 2);
}

static bool pattern_accepts(struct pattern *p, const struct node *n)
{
    uint32_t slot = 0;

    if (memchr(n->text, 0, n->text_len))
        return false;
    if (n->text_len < MEMO_TEXT) {
        slot = hash_text(n->text, n->text_len) % MEMO_SLOTS;
        if (n->text_len > 0 && memcmp(p->memo[slot], n->text, n->text_len + 1) == 0)
            return true;
    }
    if (!p->ready && regcomp(&p->regex, p->text, REG_EXTENDED | REG_NOSUB) != 0)
        return true; /* cannot happen: the patterns are ours and a test compiles each */
    p->ready = true;
    if (regexec(&p->regex, n->text, 0, NULL, 0) != 0)
        return false;
    if (n->text_len < MEMO_TEXT)
        memcpy(p->memo[slot], n->text, n->text_len + 1);
    return true;
}

static const char *shown(const struct node *n)
{
    return n->text ? n->text : "";
}

static void validate_string(struct walk *w, struct schema *s, const struct node *n,
                            const struct member *member, const struct schema_path *path)
{
    if (s->length_min > 0 || s->length_max < SIZE_MAX) {
        size_t count = characters(n);

        if (count < s->length_min) {
            if (count == 0)
                say(w, "the text is empty");
            else
                say(w, "%zu character%s too few, at least %zu are needed", count,
                    count == 1 ? " is" : "s are", s->length_min);
            report(w, SCHEMA_RANGE, "minLength", n, member, path, NULL);
        } else if (count > s->length_max) {
            say(w, "%zu characters are too many, at most %zu are allowed", count, s->length_max);
            report(w, SCHEMA_RANGE, "maxLength", n, member, path, NULL);
        }
    }
    if (s->pattern && !pattern_accepts(s->pattern, n)) {
        say(w, "'%.80s' does not match %s", shown(n), s->pattern->text);
        report(w, SCHEMA_PATTERN, "pattern", n, member, path, NULL);
    }
    if (s->date_time && !date_time(n->text, n->text_len)) {
        say(w, "'%.80s' is not a time such as 2026-01-31T12:00:00Z", shown(n));
        report(w, SCHEMA_PATTERN, "format", n, member, path, NULL);
    }
}

static void validate_number(struct walk *w, struct schema *s, const struct node *n,
                            const struct member *member, const struct schema_path *path)
{
    double value = as_number(n);

    if (s->has_minimum && value < s->minimum) {
        say(w, "%.40s is less than %lld", shown(n), (long long)s->minimum);
        report(w, SCHEMA_RANGE, "minimum", n, member, path, NULL);
    } else if (s->has_maximum && value > s->maximum) {
        say(w, "%.40s is more than %lld", shown(n), (long long)s->maximum);
        report(w, SCHEMA_RANGE, "maximum", n, member, path, NULL);
    } else if (s->int32 && (value < -2147483648.0 || value > 2147483647.0)) {
        say(w, "%.40s does not fit in 32 bits", shown(n));
        report(w, SCHEMA_RANGE, "format", n, member, path, NULL);
    }
}

static void validate_enum(struct walk *w, struct schema *s, const struct node *n,
                          const struct member *member, const struct schema_path *path)
{
    const char *near;
    struct strbuf all = STRBUF_INIT;

    for (size_t i = 0; i < s->enums.count; i++)
        if (strlen(s->enums.items[i]) == n->text_len &&
            memcmp(s->enums.items[i], n->text, n->text_len) == 0)
            return;
    if (w->on_finding == NULL) {
        w->count++;
        return;
    }
    near = nearest_name(n->text, n->text_len, s->enums.items);
    for (size_t i = 0; i < s->enums.count; i++)
        if (s->enums.items[i][0])
            strbuf_addf(&all, "%s%s", all.len ? ", " : "one of ", s->enums.items[i]);
    say(w, "'%.80s' is not allowed", shown(n));
    if (near && *near) {
        strbuf_clear(&all);
        strbuf_addf(&all, "did you mean '%s'?", near);
    }
    report(w, SCHEMA_ENUM, "enum", n, member, path, strbuf_str(&all));
    strbuf_release(&all);
}

/* "exact", "prefix", "regex" when every branch asks for one member; else "alternatives". */
static void say_one_of(struct walk *w, const struct schema_list *branches, size_t hits,
                       const struct node *n)
{
    struct strbuf names = STRBUF_INIT;
    bool simple = n->kind == NODE_MAP;

    if (w->on_finding == NULL)
        return;
    for (size_t i = 0; i < branches->count && simple; i++) {
        const struct names *r = &branches->items[i]->required;

        if (r->count == 0)
            continue; /* the "none of them" branch */
        strbuf_addf(&names, "%s%s", names.len ? ", " : "", r->items[r->count - 1]);
    }
    if (simple && names.len)
        say(w, "%s of %s may be given", hits == 0 ? "one" : "only one", strbuf_str(&names));
    else
        say(w, "the value fits %zu of %zu alternatives, not exactly one", hits, branches->count);
    strbuf_release(&names);
}

static void validate_combined(struct walk *w, struct schema *s, const struct node *n,
                              const struct member *member, const struct schema_path *path)
{
    size_t hits = 0;

    for (size_t i = 0; i < s->one_of.count; i++)
        hits += matches(s->one_of.items[i], n);
    if (s->one_of.count > 0 && hits != 1) {
        say_one_of(w, &s->one_of, hits, n);
        report(w, SCHEMA_ONE_OF, "oneOf", n, member, path, NULL);
    }
    hits = 0;
    for (size_t i = 0; i < s->any_of.count && hits == 0; i++)
        hits += matches(s->any_of.items[i], n);
    if (s->any_of.count > 0 && hits == 0) {
        say(w, "the value fits none of %zu alternatives", s->any_of.count);
        report(w, SCHEMA_ONE_OF, "anyOf", n, member, path, NULL);
    }
    for (size_t i = 0; i < s->all_of.count; i++)
        validate(w, s->all_of.items[i], n, member, path);
    if (s->not_ && matches(s->not_, n)) {
        say(w, "the value has a form that is not allowed");
        report(w, SCHEMA_ONE_OF, "not", n, member, path, NULL);
    }
}

static const char *wanted(unsigned types)
{
    if (types & TYPE(NODE_MAP))
        return "an object";
    if (types & TYPE(NODE_LIST))
        return "a list";
    if (types & TYPE(NODE_BOOL))
        return "true or false";
    if (types & TYPE(NODE_INT))
        return types & TYPE(NODE_STRING)  ? "a number or a name"
               : types & TYPE(NODE_FLOAT) ? "a number"
                                          : "a whole number";
    return "a string";
}

static void wrong_type(struct walk *w, struct schema *s, const struct node *n,
                       const struct member *member, const struct schema_path *path)
{
    const char *hint = NULL;
    char quoted[80];

    if (w->on_finding == NULL) {
        w->count++;
        return;
    }
    if (n->kind == NODE_MAP || n->kind == NODE_LIST || n->kind == NODE_NULL)
        say(w, "%s is expected here, not %s", wanted(s->types), node_kind_name(n->kind));
    else
        say(w, "%s is expected here, not %s: %.40s%s", wanted(s->types), node_kind_name(n->kind),
            shown(n), n->text_len > 40 ? "…" : "");
    if ((s->types & TYPE(NODE_STRING)) && n->kind != NODE_MAP && n->kind != NODE_LIST &&
        n->kind != NODE_NULL && n->text_len < 40) {
        snprintf(quoted, sizeof quoted, "put it in quotes: \"%s\"", shown(n));
        hint = quoted;
    } else if (n->kind == NODE_STRING && n->quoted && s->types != TYPE(NODE_MAP) &&
               s->types != TYPE(NODE_LIST)) {
        hint = "remove the quotes";
    } else if (n->kind == NODE_NULL) {
        hint = "give a value or remove the field";
    }
    report(w, SCHEMA_TYPE, "type", n, member, path, hint);
}

/* 10.0 is an integer for the API server too. */
static bool integral(const struct node *n)
{
    return n->kind == NODE_FLOAT && n->u.number >= -9007199254740992.0 &&
           n->u.number <= 9007199254740992.0 && (double)(int64_t)n->u.number == n->u.number;
}

static void validate(struct walk *w, struct schema *s, const struct node *n,
                     const struct member *member, const struct schema_path *path)
{
    if (s->types && !(s->types & TYPE(n->kind)) && !((s->types & TYPE(NODE_INT)) && integral(n))) {
        wrong_type(w, s, n, member, path);
        return;
    }
    switch (n->kind) {
    case NODE_MAP:
        validate_map(w, s, n, path);
        break;
    case NODE_LIST:
        validate_list(w, s, n, member, path);
        break;
    case NODE_STRING:
        validate_string(w, s, n, member, path);
        break;
    case NODE_INT:
    case NODE_FLOAT:
        validate_number(w, s, n, member, path);
        break;
    case NODE_NULL:
    case NODE_BOOL:
        break;
    }
    if (s->enums.count && n->kind != NODE_MAP && n->kind != NODE_LIST)
        validate_enum(w, s, n, member, path);
    if (s->one_of.count || s->any_of.count || s->all_of.count || s->not_)
        validate_combined(w, s, n, member, path);
    for (size_t i = 0; i < s->rule_count; i++)
        if (!s->rules[i].holds(n)) {
            say(w, "%s", s->rules[i].message);
            report(w, SCHEMA_RULE, "x-kubernetes-validations", n, member, path, NULL);
        }
}

size_t schema_validate(struct schema *s, const struct node *value, schema_on_finding *on_finding,
                       void *ctx)
{
    struct walk w = {.on_finding = on_finding, .ctx = ctx};

    assert(on_finding != NULL);
    validate(&w, s, value, NULL, NULL);
    strbuf_release(&w.what);
    return w.count;
}
