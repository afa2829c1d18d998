#include "adapters/check/check.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "adapters/check/embedded.h"
#include "adapters/check/internal.h"
#include "engine/num.h"

enum {
    PIECE_BYTES =
        32 * 1024, /* a stream is read in pieces of about this size: they stay in the cache */
    PIECE_BYTES_MAX = 128 * 1024 * 1024, /* and a document may be this large */
    SOURCE_BYTES_MAX = 300,              /* of a line kept with a finding */
    FINDINGS_MAX = 10000,
    LIST_DEPTH_MAX = 4
};

/* The schemas we enforce, compiled when the first document of their kind is met. */
struct crd {
    const char *name; /* of the embedded file */
    struct schema *schema;
    bool failed;
};
enum { CRD_CANARY, CRD_METRIC_TEMPLATE, CRD_ALERT_PROVIDER, CRD_METADATA, CRD_COUNT };

struct baseline_entry {
    uint64_t hash;
    uint32_t count;
};

struct check {
    struct check_options options;
    struct arena *keep;  /* findings, file names, schemas: as long as the check */
    struct arena *doc;   /* the tree of one document */
    struct arena *piece; /* reading errors of one piece */
    struct crd crds[CRD_COUNT];
    struct cross *cross;
    struct suppressions *suppressions;
    struct ladder_cache *ladders;
    const char **files;
    size_t file_count, file_cap;

    /* the piece under way */
    const char *source;
    size_t source_len;
    uint32_t line_base;
    const struct document *document; /* NULL between documents */
    uint32_t cursor_line;            /* line of the piece at ... */
    size_t cursor_at;                /* ... this offset; both at or before the current document */

    struct finding *items;
    uint32_t *item_files;
    size_t count, cap, dropped;
    struct findings result;
    uint64_t order;
    bool no_memory;

    enum severity severities[RULE_COUNT];
    struct baseline_entry *baseline;
    size_t baseline_count;

    size_t documents;
    size_t kind_counts[KIND_COUNT];
    struct kind_count *others; /* kinds that are not ours, by name */
    size_t other_count, other_cap;
    struct kind_count kinds[KIND_COUNT + 64];
    size_t kind_count;
};

static const struct {
    const char *name;
    const char *group; /* before the slash of apiVersion; "" = core */
    bool checked;
} kind_table[KIND_COUNT] = {
    [KIND_OTHER] = {"", "", false},
    [KIND_CANARY] = {"Canary", "flagger.app", true},
    [KIND_METRIC_TEMPLATE] = {"MetricTemplate", "flagger.app", true},
    [KIND_ALERT_PROVIDER] = {"AlertProvider", "flagger.app", true},
    [KIND_DEPLOYMENT] = {"Deployment", "apps", false},
    [KIND_DAEMON_SET] = {"DaemonSet", "apps", false},
    [KIND_SERVICE] = {"Service", "", false},
    [KIND_HPA] = {"HorizontalPodAutoscaler", "autoscaling", false},
    [KIND_SCALED_OBJECT] = {"ScaledObject", "keda.sh", false},
    [KIND_INGRESS] = {"Ingress", "networking.k8s.io", false},
    [KIND_SECRET] = {"Secret", "", false},
    [KIND_KNATIVE_SERVICE] = {"Service", "serving.knative.dev", false},
};

/* ---- life
 * ------------------------------------------------------------------------------------------ */

struct check *check_new(const struct check_options *options)
{
    struct check *c = calloc(1, sizeof *c);
    static const char *const names[CRD_COUNT] = {"canary", "metrictemplate", "alertprovider",
                                                 "objectmeta"};

    if (c == NULL)
        return NULL;
    if (options)
        c->options = *options;
    c->options.provider_told = c->options.provider != NULL;
    if (c->options.provider == NULL)
        c->options.provider = "istio";
    c->options.scrape_told = c->options.scrape_ms != 0;
    if (c->options.scrape_ms == 0)
        c->options.scrape_ms = 15000;
    c->keep = arena_new(0);
    c->doc = arena_new(0);
    c->piece = arena_new(0);
    c->cross = cross_new();
    c->ladders = ladder_cache_new();
    c->suppressions = c->keep ? suppressions_new(c->keep) : NULL;
    for (size_t i = 0; i < CRD_COUNT; i++)
        c->crds[i].name = names[i];
    for (size_t i = 0; i < RULE_COUNT; i++)
        c->severities[i] = check_rules[i].severity;
    if (!c->keep || !c->doc || !c->piece || !c->cross || !c->suppressions || !c->ladders) {
        check_free(c);
        return NULL;
    }
    return c;
}

void check_free(struct check *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < CRD_COUNT; i++)
        schema_release(c->crds[i].schema);
    cross_free(c->cross);
    suppressions_free(c->suppressions);
    ladder_cache_free(c->ladders);
    arena_free(c->doc);
    arena_free(c->piece);
    arena_free(c->keep);
    free(c->files);
    free(c->items);
    free(c->item_files);
    free(c->baseline);
    free(c->others);
    free(c);
}

const struct check_options *check_options(const struct check *c)
{
    return &c->options;
}

struct ladder_cache *check_ladders(struct check *c)
{
    return c->ladders;
}

struct arena *check_scratch(struct check *c)
{
    return c->doc;
}

uint32_t check_file_index(const struct check *c)
{
    return (uint32_t)(c->file_count - 1);
}

static int begin_file(struct check *c, const char *file)
{
    if (c->file_count == c->file_cap) {
        size_t cap = c->file_cap ? 2 * c->file_cap : 16;
        const char **files = realloc(c->files, cap * sizeof *files);

        if (files == NULL)
            return -ENOMEM;
        c->files = files;
        c->file_cap = cap;
    }
    c->files[c->file_count] = arena_strdup(c->keep, file);
    if (c->files[c->file_count] == NULL)
        return -ENOMEM;
    c->file_count++;
    return 0;
}

const char *check_text(struct check *c, const char *format, ...)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;
    va_list args;

    va_start(args, format);
    strbuf_addv(&b, format, args);
    va_end(args);
    text = arena_strdup(c->keep, strbuf_str(&b));
    strbuf_release(&b);
    if (text == NULL)
        c->no_memory = true;
    return text ? text : "";
}

/* ---- findings
 * -------------------------------------------------------------------------------------- */

static bool grow_findings(struct check *c)
{
    size_t cap = c->cap ? 2 * c->cap : 64;
    struct finding *items = realloc(c->items, cap * sizeof *items);
    uint32_t *files;

    if (items == NULL)
        return false;
    c->items = items;
    files = realloc(c->item_files, cap * sizeof *files);
    if (files == NULL)
        return false;
    c->item_files = files;
    c->cap = cap;
    return true;
}

static void add_finding(struct check *c, const struct finding *f, uint32_t file)
{
    if (c->count >= FINDINGS_MAX) {
        c->dropped++;
        return;
    }
    if (c->count == c->cap && !grow_findings(c)) {
        c->no_memory = true;
        return;
    }
    c->items[c->count] = *f;
    c->items[c->count].order = c->order++;
    c->items[c->count].file = c->files[file];
    c->item_files[c->count] = file;
    c->count++;
}

/* Offset of a line of the piece (from 1), searched from the current document on. */
static size_t line_offset(const struct check *c, uint32_t line)
{
    size_t at = 0;
    uint32_t now = 1;

    if (line >= c->cursor_line) {
        at = c->cursor_at;
        now = c->cursor_line;
    }
    while (now < line && at < c->source_len) {
        const char *end = memchr(c->source + at, '\n', c->source_len - at);

        if (end == NULL)
            return c->source_len;
        at = (size_t)(end - c->source) + 1;
        now++;
    }
    return at;
}

/* One character of UTF-8 at `s`: its length, or 0 when it is none. */
static size_t character_at(const unsigned char *s, size_t len)
{
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
               : (s[0] & 0xF0) == 0xE0       ? 3
               : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                             : 0;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* A copy that can be shown anywhere: no control characters but tabs, and nothing that is not UTF-8.
 */
static const char *keep_line(struct check *c, const char *bytes, size_t len)
{
    char *copy = arena_strndup(c->keep, bytes, len);

    for (size_t at = 0; copy && at < len;) {
        size_t n = character_at((const unsigned char *)copy + at, len - at);

        if (n == 0 || ((unsigned char)copy[at] < 0x20 && copy[at] != '\t') || copy[at] == 0x7F)
            copy[at] = '?';
        at += n ? n : 1;
    }
    return copy;
}

static const char *source_line(struct check *c, uint32_t line)
{
    size_t at, len;
    const char *end;

    if (c->source == NULL || line == 0)
        return NULL;
    at = line_offset(c, line);
    if (at >= c->source_len)
        return NULL;
    end = memchr(c->source + at, '\n', c->source_len - at);
    len = end ? (size_t)(end - c->source) - at : c->source_len - at;
    if (len > 0 && c->source[at + len - 1] == '\r')
        len--;
    if (len > SOURCE_BYTES_MAX)
        for (len = SOURCE_BYTES_MAX;
             len > 0 && ((unsigned char)c->source[at + len] & 0xC0) == 0x80;)
            len--; /* not inside a character */
    return keep_line(c, c->source + at, len);
}

/* At a place of the current piece. */
static void add_here(struct check *c, enum severity severity, enum rule_id rule, uint32_t line,
                     uint32_t col, uint32_t end_col, const char *path, const char *hint,
                     const char *what)
{
    struct finding f = {.rule = rule, .severity = severity};

    if (c->count >= FINDINGS_MAX) {
        c->dropped++;
        return;
    }
    f.line = line ? line + c->line_base : 0;
    f.col = col;
    f.end_col = end_col;
    f.path = path ? path : "";
    f.what = check_text(c, "%s", what);
    f.hint = hint;
    f.source = source_line(c, line);
    add_finding(c, &f, check_file_index(c));
}

static void add_node(struct check *c, enum severity severity, enum rule_id rule,
                     const struct node *n, const char *path, const char *hint, const char *format,
                     va_list args)
{
    struct strbuf what = STRBUF_INIT;

    strbuf_addv(&what, format, args);
    if (n == NULL && c->document)
        n = c->document->root;
    if (n)
        add_here(c, severity, rule, n->line, n->col, n->line == n->end_line ? n->end_col : 0, path,
                 hint, strbuf_str(&what));
    strbuf_release(&what);
}

void check_find(struct check *c, enum rule_id rule, const struct node *where, const char *path,
                const char *hint, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_node(c, c->severities[rule], rule, where, path, hint, format, args);
    va_end(args);
}

void check_find_as(struct check *c, enum severity severity, enum rule_id rule,
                   const struct node *where, const char *path, const char *hint, const char *format,
                   ...)
{
    bool changed = c->severities[rule] != check_rules[rule].severity;
    va_list args;

    va_start(args, format);
    add_node(c, changed ? c->severities[rule] : severity, rule, where, path, hint, format, args);
    va_end(args);
}

void check_find_member(struct check *c, enum rule_id rule, const struct member *where,
                       const char *path, const char *hint, const char *format, ...)
{
    struct strbuf what = STRBUF_INIT;
    va_list args;

    va_start(args, format);
    strbuf_addv(&what, format, args);
    va_end(args);
    add_here(c, c->severities[rule], rule, where->line, where->col,
             where->col + (uint32_t)where->key_len, path, hint, strbuf_str(&what));
    strbuf_release(&what);
}

void check_find_at(struct check *c, enum severity severity, enum rule_id rule, uint32_t file,
                   uint32_t line, uint32_t col, const char *path, const char *hint,
                   const char *what)
{
    bool changed = c->severities[rule] != check_rules[rule].severity;
    struct finding f = {.rule = rule, .severity = changed ? c->severities[rule] : severity};

    f.line = line;
    f.col = col;
    f.path = path ? path : "";
    f.what = check_text(c, "%s", what);
    f.hint = hint;
    add_finding(c, &f, file);
}

static uint32_t indentation(const struct check *c, size_t at)
{
    uint32_t col = 0;

    while (at + col < c->source_len && c->source[at + col] == ' ')
        col++;
    return col;
}

struct node check_inside(struct check *c, const struct node *scalar, uint32_t line, uint32_t col)
{
    struct node place = *scalar;
    size_t at = line_offset(c, scalar->line) + scalar->col - 1;
    char mark = c->source && at < c->source_len ? c->source[at] : 0;

    if (mark == '|' || mark == '>') {
        if (mark == '>')
            return place; /* folded: lines of the text are not lines of the file */
        place.line = scalar->line + line;
        place.col = indentation(c, line_offset(c, scalar->line + 1)) + col;
    } else if (scalar->line == scalar->end_line) {
        place.col = scalar->col + col - 1 + (scalar->quoted ? 1 : 0);
    } else {
        return place;
    }
    place.end_line = place.line;
    place.end_col = place.col + 1;
    return place;
}

/* ---- schema
 * ---------------------------------------------------------------------------------------- */

/* ObjectMeta, as far as people write it; nulls are fine there, as in Go. */
static const char object_meta[] =
    "type: object\n"
    "nullable: true\n"
    "properties:\n"
    "  name: {type: string}\n"
    "  generateName: {type: string}\n"
    "  namespace: {type: string, nullable: true}\n"
    "  labels: {type: object, nullable: true, additionalProperties: {type: string}}\n"
    "  annotations: {type: object, nullable: true, additionalProperties: {type: string}}\n"
    "  finalizers: {type: array, nullable: true, items: {type: string}}\n"
    "  ownerReferences: {type: array, nullable: true}\n"
    "  managedFields: {type: array, nullable: true}\n"
    "  creationTimestamp: {type: string, nullable: true}\n"
    "  deletionTimestamp: {type: string, nullable: true}\n"
    "  deletionGracePeriodSeconds: {type: integer, nullable: true}\n"
    "  generation: {type: integer}\n"
    "  resourceVersion: {type: string}\n"
    "  selfLink: {type: string}\n"
    "  uid: {type: string}\n";

/* What to add about Flagger's own CRD, or a better rule, where ours finds fault. */
static const struct {
    const char *path; /* with [] for any index */
    const char *keyword;
    enum rule_id rule; /* RULE_COUNT: as usual */
    bool silent;       /* a semantic rule says it better */
    const char *hint;
} notes[] = {
    {".spec.analysis", "oneOf", RULE_COUNT, true, NULL},
    {".spec.analysis.interval", "pattern", RULE_COUNT, false,
     "write a duration such as 30s or 1m30s; Flagger's CRD may let this through, its operator then "
     "checks every 60s"},
    {".spec.analysis.webhooks[].timeout", "pattern", RULE_COUNT, false,
     "write a duration such as 30s; Flagger's CRD may let this through, then every call of the "
     "hook fails"},
    {".spec.analysis.metrics[].interval", "pattern", RULE_COUNT, false,
     "write a duration such as 30s or 1m"},
    {".spec.canaryAnalysis", "properties", RULE_COUNT, true, NULL},
    {".spec.service.trafficPolicy.portLevelSettings", "properties", CM013, false, NULL},
    {".spec.service.trafficPolicy.connectionPool.tcp", "properties", CM013, false, NULL},
    {".spec.service.trafficPolicy.loadBalancer.localityLbSetting.failover_priority", "properties",
     CM013, false, NULL},
    {".spec.analysis.metrics[].templateRef.apiVersion", "properties", CM013, false, NULL},
    {".spec.analysis.metrics[].templateRef.kind", "properties", CM013, false, NULL},
    {".spec.analysis.alerts[].providerRef.apiVersion", "properties", CM013, false, NULL},
    {".spec.analysis.alerts[].providerRef.kind", "properties", CM013, false, NULL},
    {".spec.analysis.match[].uri", "properties", CM013, false, NULL},
    {".spec.analysis.match[].method", "properties", CM013, false, NULL},
    {".spec.analysis.match[].scheme", "properties", CM013, false, NULL},
    {".spec.analysis.match[].authority", "properties", CM013, false, NULL},
    {".spec.analysis.match[].withoutHeaders", "properties", CM013, false, NULL},
    {".spec.analysis.match[].port", "properties", CM013, false, NULL},
    {".spec.analysis.match[].gateways", "properties", CM013, false, NULL},
    {".spec.analysis.match[].name", "properties", CM013, false, NULL},
    {".spec.analysis.match[].sourceNamespace", "properties", CM013, false, NULL},
    {".spec.analysis.match[].ignoreUriCase", "properties", CM013, false, NULL},
};

static bool same_path(const char *pattern, const char *path)
{
    while (*pattern && *path) {
        if (*pattern != *path)
            return false;
        if (*path == '[')
            while (*path && *path != ']')
                path++;
        if (*pattern == '[')
            while (*pattern && *pattern != ']')
                pattern++;
        if (!*path || !*pattern)
            break;
        path++;
        pattern++;
    }
    return *pattern == *path;
}

struct schema_context {
    struct check *c;
    const char *prefix; /* ".metadata" or "" */
};

/* Where Flagger's own CRD would let the value through, what happens then; else NULL. */
static const char *flagger_differs(const struct schema_finding *f, const char *path)
{
    if (f->fault == SCHEMA_TYPE && f->value->kind == NODE_FLOAT && strncmp(path, ".spec.", 6) == 0)
        return "use a whole number; Flagger's CRD accepts fractions here, and its operator then "
               "cannot read the "
               "object";
    if (f->fault == SCHEMA_RANGE && strcmp(path, ".spec.service.port") == 0)
        return "use 1 to 65535; Flagger's CRD accepts this, and its operator then cannot create "
               "the Services";
    if (f->fault == SCHEMA_REQUIRED && strcmp(path, ".spec") == 0)
        return "Flagger's CRD accepts this, and its operator then crashes";
    if (f->fault == SCHEMA_RANGE && strcmp(f->keyword, "minLength") == 0 && f->value->text_len == 0)
        return "Flagger's CRD accepts an empty name, and its operator then finds nothing";
    return NULL;
}

static void schema_found(void *ctx, const struct schema_finding *f)
{
    static const enum rule_id rules[] = {
        [SCHEMA_UNKNOWN] = CM002, [SCHEMA_TYPE] = CM003,  [SCHEMA_REQUIRED] = CM004,
        [SCHEMA_ENUM] = CM005,    [SCHEMA_RANGE] = CM006, [SCHEMA_PATTERN] = CM007,
        [SCHEMA_ONE_OF] = CM008,  [SCHEMA_RULE] = CM009,
    };
    const struct schema_context *s = ctx;
    struct check *c = s->c;
    enum rule_id rule = rules[f->fault];
    const char *hint = f->hint;
    struct strbuf path = STRBUF_INIT;
    size_t i;

    strbuf_adds(&path, s->prefix);
    schema_path_add(&path, f->path);
    for (i = 0; i < sizeof notes / sizeof *notes; i++)
        if (strcmp(notes[i].keyword, f->keyword) == 0 &&
            same_path(notes[i].path, strbuf_str(&path)))
            break;
    if (hint == NULL)
        hint = flagger_differs(f, strbuf_str(&path));
    if (i < sizeof notes / sizeof *notes) {
        if (notes[i].silent)
            goto out;
        if (notes[i].rule != RULE_COUNT)
            rule = notes[i].rule;
        if (notes[i].hint)
            hint = notes[i].hint;
    }
    if (rule == CM013)
        check_find_member(c, rule, f->member, check_text(c, "%s", strbuf_str(&path)), "remove it",
                          "'%.60s' is dropped by the API server and has no effect", f->member->key);
    else if (f->fault == SCHEMA_UNKNOWN)
        check_find_member(c, rule, f->member, check_text(c, "%s", strbuf_str(&path)),
                          hint ? check_text(c, "%s", hint) : NULL, "%s", f->what);
    else
        check_find(c, rule, f->value, check_text(c, "%s", strbuf_str(&path)),
                   hint ? check_text(c, "%s", hint) : NULL, "%s", f->what);
out:
    strbuf_release(&path);
}

/* Our own schemas are tested; one that does not compile is reported, never skipped in silence. */
static struct schema *crd_schema(struct check *c, size_t index)
{
    struct crd *crd = &c->crds[index];
    const struct embedded_file *file = embedded_find(embedded_crds, crd->name);
    struct documents docs;
    struct diags diags;
    const char *text = file ? (const char *)file->bytes : object_meta;
    const char *what = "unreadable";
    const struct node *root;

    if (crd->schema || crd->failed)
        return crd->schema;
    crd->failed = true;
    diags_init(&diags, c->keep);
    if (node_parse_all(c->keep, &diags, crd->name, text, strlen(text), NULL, &docs) == 0 &&
        docs.count == 1) {
        root = docs.items[0].root;
        if (file) {
            const struct node *versions = node_at(root, "spec", "versions", NULL);

            root = versions && versions->kind == NODE_LIST && versions->u.list.count
                       ? node_at(versions->u.list.items[0], "schema", "openAPIV3Schema", NULL)
                       : NULL;
        }
        if (root && schema_compile(c->keep, root, &crd->schema, &what) == 0)
            crd->failed = false;
    }
    diags_release(&diags);
    if (crd->failed)
        check_find(c, CM001, NULL, "", NULL, "the built-in schema of %s cannot be used: %s",
                   crd->name, what);
    return crd->schema;
}

static void validate_object(struct check *c, const struct node *root, size_t crd)
{
    struct schema_context ctx = {c, ""};
    struct schema *schema = crd_schema(c, crd);
    const struct node *metadata = node_get(root, "metadata");

    if (schema)
        schema_validate(schema, root, schema_found, &ctx);
    ctx.prefix = ".metadata";
    schema = crd_schema(c, CRD_METADATA);
    if (schema && metadata)
        schema_validate(schema, metadata, schema_found, &ctx);
}

/* ---- one document
 * ---------------------------------------------------------------------------------- */

static bool name_character(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.';
}

/* A DNS subdomain, as the API server wants it. */
static bool valid_name(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (!name_character(name[i]))
            return false;
    return len > 0 && len <= 253 && name[0] != '-' && name[0] != '.' && name[len - 1] != '-' &&
           name[len - 1] != '.';
}

static void check_name(struct check *c, const struct node *root)
{
    const struct node *metadata = node_get(root, "metadata");
    const struct node *name = node_get(metadata, "name");

    if (node_get(metadata, "generateName") && !name)
        return;
    if (name == NULL)
        check_find(c, CM012, metadata, ".metadata", NULL, "the object has no name");
    else if (name->kind == NODE_STRING && !valid_name(name->text))
        check_find(c, CM012, name, ".metadata.name", "use lower case letters, digits, '-' and '.'",
                   "'%.80s' is not a name Kubernetes accepts", name->text);
}

/* "apps/v1" -> group "apps"; core: "". Returns whether `api` is of the group. */
static bool of_group(const char *api, const char *group)
{
    const char *slash = strchr(api, '/');
    size_t len = slash ? (size_t)(slash - api) : 0;

    return len == strlen(group) && memcmp(api, group, len) == 0;
}

static enum object_kind kind_of(const char *api, const char *kind)
{
    for (size_t i = 1; i < KIND_COUNT; i++)
        if (strcmp(kind, kind_table[i].name) == 0 && of_group(api, kind_table[i].group))
            return (enum object_kind)i;
    return KIND_OTHER;
}

static void count_other(struct check *c, const char *kind)
{
    struct kind_count *k;

    for (size_t i = 0; i < c->other_count; i++)
        if (strcmp(c->others[i].kind, kind) == 0) {
            c->others[i].count++;
            return;
        }
    if (c->other_count >= 63)
        kind = "other";
    if (c->other_count == c->other_cap) {
        size_t cap = c->other_cap ? 2 * c->other_cap : 16;
        struct kind_count *others = realloc(c->others, cap * sizeof *others);

        if (others == NULL) {
            c->no_memory = true;
            return;
        }
        c->others = others;
        c->other_cap = cap;
    }
    for (size_t i = 0; i < c->other_count; i++)
        if (strcmp(c->others[i].kind, kind) == 0) {
            c->others[i].count++;
            return;
        }
    k = &c->others[c->other_count++];
    k->kind = check_text(c, "%.63s", kind);
    k->count = 1;
    k->checked = false;
}

static void flagger_group(struct check *c, const struct node *root, const char *api,
                          const char *kind)
{
    static const char *const kinds[] = {"Canary", "MetricTemplate", "AlertProvider", NULL};
    const char *near;

    if (of_group(api, "flagger.app") && strcmp(api, "flagger.app/v1beta1") != 0)
        check_find(c, CM011, node_get(root, "apiVersion"), ".apiVersion", "use flagger.app/v1beta1",
                   "'%.60s' is not a version that is served", api);
    else if (kind_of(api, kind) == KIND_OTHER) {
        near = nearest_name(kind, strlen(kind), kinds);
        check_find(c, CM011, node_get(root, "kind"), ".kind",
                   near ? check_text(c, "did you mean '%s'?", near) : NULL,
                   "'%.60s' is no kind of flagger.app/v1beta1", kind);
    }
}

static void check_canary(struct check *c, const struct node *root)
{
    struct canary_view v;

    validate_object(c, root, CRD_CANARY);
    view_canary(c, root, &v);
    if (cross_add_canary(c->cross, &v, check_file_index(c), c->line_base))
        c->no_memory = true;
    if (v.spec == NULL || v.spec->kind != NODE_MAP)
        return;
    rules_deprecated(c, &v);
    rules_steps(c, &v);
    rules_timing(c, &v);
    rules_metrics(c, &v);
    rules_hooks(c, &v);
    rules_provider(c, &v);
    rules_alerts(c, &v);
}

static void check_object(struct check *c, const struct node *root, unsigned depth)
{
    const char *api = check_str(node_get(root, "apiVersion"));
    const char *kind = check_str(node_get(root, "kind"));
    const struct node *items = node_get(root, "items");
    size_t len = strlen(kind);
    enum object_kind k;

    if (root->kind == NODE_NULL)
        return;
    if (len >= 4 && strcmp(kind + len - 4, "List") == 0 && items && items->kind == NODE_LIST &&
        depth < LIST_DEPTH_MAX) {
        for (size_t i = 0; i < items->u.list.count; i++)
            check_object(c, items->u.list.items[i], depth + 1);
        return;
    }
    c->documents++;
    k = kind_of(api, kind);
    if (of_group(api, "flagger.app"))
        flagger_group(c, root, api, kind);
    if (k == KIND_OTHER) {
        count_other(c, *kind ? kind : "no kind");
        return;
    }
    c->kind_counts[k]++;
    if (kind_table[k].checked)
        check_name(c, root);
    if (k == KIND_CANARY) {
        check_canary(c, root);
        return;
    }
    if (k == KIND_METRIC_TEMPLATE) {
        validate_object(c, root, CRD_METRIC_TEMPLATE);
        rules_template(c, root);
    } else if (k == KIND_ALERT_PROVIDER) {
        validate_object(c, root, CRD_ALERT_PROVIDER);
        rules_alert_provider(c, root);
    }
    if (cross_add_object(c->cross, c, k, root, check_file_index(c), c->line_base))
        c->no_memory = true;
}

static bool on_document(void *ctx, const struct document *doc)
{
    struct check *c = ctx;

    if (doc->line >= c->cursor_line) {
        c->cursor_at = line_offset(c, doc->line);
        c->cursor_line = doc->line;
    }
    c->document = doc;
    if (doc->root->kind == NODE_MAP)
        check_object(c, doc->root, 0);
    else if (doc->root->kind != NODE_NULL)
        check_find(c, CM001, doc->root, "", NULL, "%s where a Kubernetes object is expected",
                   node_kind_name(doc->root->kind));
    c->document = NULL;
    arena_clear(c->doc);
    return true;
}

/* ---- files and streams
 * ----------------------------------------------------------------------------- */

static int add_piece(struct check *c, const char *bytes, size_t len, uint32_t line_base)
{
    struct diags diags;
    int rc;

    c->source = bytes;
    c->source_len = len;
    c->line_base = line_base;
    c->cursor_line = 1;
    c->cursor_at = 0;
    arena_clear(c->piece);
    diags_init(&diags, c->piece);
    suppressions_scan(c->suppressions, c, check_file_index(c), bytes, len, line_base);
    rc =
        node_parse(c->doc, &diags, c->files[check_file_index(c)], bytes, len, NULL, on_document, c);
    arena_clear(c->doc);
    for (size_t i = 0; i < diags.count; i++) {
        const struct diag *d = &diags.items[i];

        add_here(c, c->severities[CM001], CM001, d->line, d->col, d->end_col,
                 d->path ? check_text(c, "%s", d->path) : "",
                 d->hint ? check_text(c, "%s", d->hint) : NULL, d->what);
    }
    c->dropped += diags.dropped;
    diags_release(&diags);
    c->source = NULL;
    return rc == -ENOMEM || c->no_memory ? -ENOMEM : 0;
}

int check_add(struct check *c, const char *file, const char *bytes, size_t len)
{
    int rc = begin_file(c, file);

    return rc ? rc : add_piece(c, bytes, len, 0);
}

/*
 * The end of the last whole document within bytes[0..len): just before a line that starts with
 * `---`. Such a line ends a document wherever it stands, also inside a block scalar. A directive
 * line before it belongs to the next document. 0 = none.
 */
static size_t last_boundary(const char *bytes, size_t len)
{
    for (size_t at = len > 4 ? len - 4 : 0; at > 0; at--) {
        if (bytes[at - 1] != '\n' || bytes[at] != '-' || bytes[at + 1] != '-' ||
            bytes[at + 2] != '-')
            continue;
        if (bytes[at + 3] != '\n' && bytes[at + 3] != ' ' && bytes[at + 3] != '\r' &&
            bytes[at + 3] != '\t')
            continue;
        if (at >= 2) {
            size_t line = at - 1;

            while (line > 0 && bytes[line - 1] != '\n')
                line--;
            if (bytes[line] == '%')
                continue;
        }
        return at;
    }
    return 0;
}

static uint32_t count_lines(const char *bytes, size_t len)
{
    uint32_t lines = 0;
    const char *at = bytes;

    while ((at = memchr(at, '\n', len - (size_t)(at - bytes))) != NULL) {
        lines++;
        at++;
    }
    return lines;
}

static bool is_utf16(const char *bytes, size_t len)
{
    return len >= 2 && (((unsigned char)bytes[0] == 0xFE && (unsigned char)bytes[1] == 0xFF) ||
                        ((unsigned char)bytes[0] == 0xFF && (unsigned char)bytes[1] == 0xFE));
}

int check_add_stream(struct check *c, const char *file, FILE *stream)
{
    size_t cap = PIECE_BYTES, len = 0, end;
    uint32_t line_base = 0;
    char *buffer = malloc(cap + 1);
    int rc = begin_file(c, file);

    if (buffer == NULL)
        rc = -ENOMEM;
    while (rc == 0) {
        len += fread(buffer + len, 1, cap - len, stream);
        if (ferror(stream)) {
            rc = -EIO;
            break;
        }
        buffer[len] = 0;
        if (len < cap) { /* the end */
            rc = add_piece(c, buffer, len, line_base);
            break;
        }
        end = line_base == 0 && is_utf16(buffer, len) ? 0 : last_boundary(buffer, len);
        if (end > 0) {
            rc = add_piece(c, buffer, end, line_base);
            line_base += count_lines(buffer, end);
            memmove(buffer, buffer + end, len - end);
            len -= end;
        } else if (cap >= PIECE_BYTES_MAX) {
            c->line_base = line_base;
            add_here(c, c->severities[CM001], CM001, 1, 1, 0, "", "split it",
                     "a document of more than 128 MiB");
            break;
        } else {
            char *larger = realloc(buffer, 2 * cap + 1);

            if (larger == NULL)
                rc = -ENOMEM;
            else
                buffer = larger;
            cap *= 2;
        }
    }
    free(buffer);
    return rc;
}

/* ---- the end
 * --------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 1099511628211u;
    return (h ^ 0xFF) * 1099511628211u;
}

/* What makes two findings the same one in two runs: everything but the line. */
static uint64_t fingerprint(const char *file, const char *id, const char *path, const char *what)
{
    return mix(mix(mix(mix(1469598103934665603u, file), id), path), what);
}

int check_baseline(struct check *c, const char *bytes, size_t len)
{
    cJSON *root = json_parse(bytes, len, NULL);
    cJSON *list = json_get(root, "findings");
    const cJSON *item;
    size_t count = 0;
    int rc = -EINVAL;

    if (!cJSON_IsArray(list))
        goto out;
    rc = -ENOMEM;
    c->baseline = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *c->baseline);
    if (c->baseline == NULL)
        goto out;
    for (item = list->child; item; item = item->next) {
        uint64_t hash =
            fingerprint(json_str_or(item, "file", ""), json_str_or(item, "id", ""),
                        json_str_or(item, "path", ""), json_str_or(item, "message", ""));
        size_t i = 0;

        while (i < count && c->baseline[i].hash != hash)
            i++;
        c->baseline[i].hash = hash;
        c->baseline[i].count++;
        count += i == count;
    }
    c->baseline_count = count;
    rc = 0;
out:
    json_free(root);
    return rc;
}

static bool in_baseline(struct check *c, const struct finding *f)
{
    uint64_t hash = fingerprint(f->file, check_rules[f->rule].id, f->path, f->what);

    for (size_t i = 0; i < c->baseline_count; i++)
        if (c->baseline[i].hash == hash && c->baseline[i].count > 0) {
            c->baseline[i].count--;
            return true;
        }
    return false;
}

struct sort_key {
    uint32_t file;
    size_t index;
    const struct finding *f;
};

static int compare_findings(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->f->line != y->f->line)
        return x->f->line < y->f->line ? -1 : 1;
    if (x->f->col != y->f->col)
        return x->f->col < y->f->col ? -1 : 1;
    if (x->f->rule != y->f->rule)
        return x->f->rule < y->f->rule ? -1 : 1;
    return x->f->order < y->f->order ? -1 : 1;
}

static void sort_findings(struct check *c)
{
    struct sort_key *keys = malloc((c->count + 1) * sizeof *keys);
    struct finding *sorted = malloc((c->count + 1) * sizeof *sorted);

    if (keys && sorted && c->count > 0) {
        for (size_t i = 0; i < c->count; i++)
            keys[i] = (struct sort_key){c->item_files[i], i, &c->items[i]};
        qsort(keys, c->count, sizeof *keys, compare_findings);
        for (size_t i = 0; i < c->count; i++)
            sorted[i] = *keys[i].f;
        memcpy(c->items, sorted, c->count * sizeof *sorted);
    }
    free(keys);
    free(sorted);
}

/* Drop what comments and configuration cover. */
static void suppress(struct check *c)
{
    size_t left = 0;

    for (size_t i = 0; i < c->count; i++) {
        if (suppressions_cover(c->suppressions, &c->items[i], c->item_files[i])) {
            c->result.suppressed++;
            continue;
        }
        c->items[left] = c->items[i];
        c->item_files[left++] = c->item_files[i];
    }
    c->count = left;
}

static void tally(struct check *c)
{
    struct findings *r = &c->result;

    for (size_t i = 0; i < c->count; i++) {
        struct finding *f = &c->items[i];

        f->known = in_baseline(c, f);
        if (f->known)
            r->known++;
        else if (f->severity == SEVERITY_ERROR)
            r->errors++;
        else if (f->severity == SEVERITY_WARNING)
            r->warnings++;
        else
            r->infos++;
    }
    r->items = c->items;
    r->count = c->count;
    r->dropped = c->dropped;
}

static int compare_kinds(const void *a, const void *b)
{
    const struct kind_count *x = a, *y = b;

    if (x->checked != y->checked)
        return x->checked ? -1 : 1;
    return strcmp(x->kind, y->kind);
}

static void list_kinds(struct check *c)
{
    for (size_t i = 1; i < KIND_COUNT; i++)
        if (c->kind_counts[i])
            c->kinds[c->kind_count++] =
                (struct kind_count){kind_table[i].name, c->kind_counts[i], kind_table[i].checked};
    for (size_t i = 0; i < c->other_count && i < 64; i++)
        c->kinds[c->kind_count++] = c->others[i];
    qsort(c->kinds, c->kind_count, sizeof *c->kinds, compare_kinds);
}

void check_finish(struct check *c)
{
    cross_finish(c->cross, c);
    suppress(c);
    suppressions_report(c->suppressions, c);
    sort_findings(c);
    tally(c);
    list_kinds(c);
}

/* Findings are sorted by line within a file, so one pass over the stream is enough. */
void check_quote(struct check *c, const char *file, FILE *stream)
{
    char *line = NULL;
    size_t cap = 0;
    uint32_t at = 0;
    ssize_t len = 0;

    for (size_t i = 0; i < c->count; i++) {
        struct finding *f = &c->items[i];

        if (f->source || f->line == 0 || f->line < at || strcmp(f->file, file) != 0)
            continue;
        while (at < f->line && (len = getline(&line, &cap, stream)) >= 0)
            at++;
        if (at != f->line)
            break;
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            len--;
        if (len > SOURCE_BYTES_MAX)
            for (len = SOURCE_BYTES_MAX; len > 0 && ((unsigned char)line[len] & 0xC0) == 0x80;)
                len--;
        f->source = keep_line(c, line, (size_t)len);
    }
    free(line);
}

const struct findings *check_findings(const struct check *c)
{
    return &c->result;
}

size_t check_document_count(const struct check *c)
{
    return c->documents;
}

size_t check_kinds(const struct check *c, const struct kind_count **ret_kinds)
{
    *ret_kinds = c->kinds;
    return c->kind_count;
}

size_t check_kept_bytes(const struct check *c)
{
    return cross_bytes(c->cross);
}

/* ---- configuration
 * --------------------------------------------------------------------------------- */

static void config_problem(struct check *c, const struct node *where, const char *path,
                           const char *what)
{
    check_find_as(c, SEVERITY_ERROR, CM016, where, path, "see docs/checks/README.md", "%s", what);
}

static const struct check_rule *config_rule(struct check *c, const struct node *id,
                                            const char *path)
{
    const struct check_rule *rule = node_str(id) ? check_rule_find(id->text, id->text_len) : NULL;

    if (rule == NULL)
        config_problem(
            c, id, path,
            check_text(c, "'%.40s' is not a rule; rules are named CM101 and so on", check_str(id)));
    return rule;
}

static void config_ignore(struct check *c, const struct node *list, const char *file)
{
    uint32_t index = check_file_index(c);

    (void)file;
    for (size_t i = 0; list->kind == NODE_LIST && i < list->u.list.count; i++) {
        const struct node *item = list->u.list.items[i];
        const struct node *paths = node_get(item, "paths");
        const struct check_rule *rule =
            config_rule(c, node_get(item, "id"), check_text(c, ".ignore[%zu].id", i));

        if (rule == NULL)
            continue;
        if (*check_str(node_get(item, "reason")) == 0)
            config_problem(c, item, check_text(c, ".ignore[%zu]", i),
                           "an ignored rule needs a reason");
        for (size_t k = 0; paths && paths->kind == NODE_LIST && k < paths->u.list.count; k++)
            suppressions_add_config(c->suppressions, (enum rule_id)(rule - check_rules),
                                    check_text(c, "%s", check_str(paths->u.list.items[k])), index,
                                    paths->u.list.items[k]->line, paths->u.list.items[k]->col);
        if (paths == NULL)
            suppressions_add_config(c->suppressions, (enum rule_id)(rule - check_rules), NULL,
                                    index, item->line, item->col);
    }
}

static void config_severity(struct check *c, const struct node *map)
{
    static const char *const names[] = {"error", "warning", "info"};

    for (size_t i = 0; map->kind == NODE_MAP && i < map->u.map.count; i++) {
        const struct member *m = &map->u.map.members[i];
        const struct check_rule *rule = check_rule_find(m->key, m->key_len);
        const char *path = check_text(c, ".severity.%.20s", m->key);
        size_t k = 0;

        if (rule == NULL) {
            config_problem(c, m->value, path, check_text(c, "'%.40s' is not a rule", m->key));
            continue;
        }
        while (k < 3 && !node_is(m->value, names[k]))
            k++;
        if (k == 3)
            config_problem(c, m->value, path, "one of error, warning, info is expected");
        else
            c->severities[rule - check_rules] = (enum severity)k;
    }
}

static void config_setting(struct check *c, const struct member *m, struct check_config *ret)
{
    int64_t ms;
    double rps;

    if (strcmp(m->key, "ignore") == 0) {
        config_ignore(c, m->value, NULL);
    } else if (strcmp(m->key, "severity") == 0) {
        config_severity(c, m->value);
    } else if (strcmp(m->key, "failOn") == 0 &&
               (node_is(m->value, "error") || node_is(m->value, "warning") ||
                node_is(m->value, "info"))) {
        ret->fail_on = check_text(c, "%s", m->value->text);
    } else if (strcmp(m->key, "exclude") == 0 && m->value->kind == NODE_LIST) {
        size_t count = m->value->u.list.count;
        const char **globs = arena_alloc(c->keep, (count + 1) * sizeof *globs);

        for (size_t i = 0; globs && i < count; i++)
            globs[i] = check_text(c, "%s", check_str(m->value->u.list.items[i]));
        ret->exclude = globs;
    } else if (strcmp(m->key, "provider") == 0 && node_str(m->value)) {
        if (c->options.provider_told)
            return; /* the command line has the last word */
        c->options.provider = check_text(c, "%s", m->value->text);
        c->options.provider_told = true;
    } else if (strcmp(m->key, "rps") == 0 && check_number(m->value, &rps) && rps > 0) {
        c->options.rps = c->options.rps > 0 ? c->options.rps : rps;
    } else if (strcmp(m->key, "scrapeInterval") == 0 && check_duration(m->value, &ms) && ms > 0) {
        c->options.scrape_ms = c->options.scrape_told ? c->options.scrape_ms : ms;
    } else {
        check_find_as(
            c, SEVERITY_ERROR, CM016, m->value, check_text(c, ".%.40s", m->key),
            "settings are ignore, severity, failOn, exclude, provider, rps and scrapeInterval",
            "'%.40s' is not a setting, or its value is not one", m->key);
    }
}

struct config_context {
    struct check *c;
    struct check_config *ret;
};

static bool on_config(void *ctx, const struct document *doc)
{
    struct config_context *x = ctx;

    x->c->document = doc;
    if (doc->root->kind == NODE_MAP)
        for (size_t i = 0; i < doc->root->u.map.count; i++)
            config_setting(x->c, &doc->root->u.map.members[i], x->ret);
    else if (doc->root->kind != NODE_NULL)
        config_problem(x->c, doc->root, "", "a map of settings is expected");
    x->c->document = NULL;
    return false;
}

int check_configure(struct check *c, const char *file, const char *bytes, size_t len,
                    struct check_config *ret_config)
{
    struct config_context ctx = {c, ret_config};
    struct diags diags;
    int rc = begin_file(c, file);

    if (rc)
        return rc;
    c->source = bytes;
    c->source_len = len;
    c->line_base = 0;
    c->cursor_line = 1;
    c->cursor_at = 0;
    diags_init(&diags, c->piece);
    node_parse(c->doc, &diags, file, bytes, len, NULL, on_config, &ctx);
    for (size_t i = 0; i < diags.count; i++)
        add_here(c, SEVERITY_ERROR, CM001, diags.items[i].line, diags.items[i].col,
                 diags.items[i].end_col, "", NULL, diags.items[i].what);
    diags_release(&diags);
    arena_clear(c->doc);
    arena_clear(c->piece);
    c->source = NULL;
    return c->no_memory ? -ENOMEM : 0;
}

/* ---- small readers
 * --------------------------------------------------------------------------------- */

int64_t check_int(const struct node *n, int64_t otherwise)
{
    if (n && n->kind == NODE_INT)
        return n->u.integer;
    if (n && n->kind == NODE_FLOAT && n->u.number > -1e15 && n->u.number < 1e15)
        return (int64_t)n->u.number;
    return otherwise;
}

bool check_bool(const struct node *n)
{
    return n && n->kind == NODE_BOOL && n->u.boolean;
}

bool check_number(const struct node *n, double *ret_value)
{
    if (n == NULL || (n->kind != NODE_INT && n->kind != NODE_FLOAT))
        return false;
    *ret_value = n->kind == NODE_INT ? (double)n->u.integer : n->u.number;
    return true;
}

bool check_duration(const struct node *n, int64_t *ret_ms)
{
    const char *unit;
    size_t unit_len;
    int64_t ns;

    if (n == NULL || n->kind != NODE_STRING ||
        duration_parse(n->text, n->text_len, &ns, &unit, &unit_len) != DURATION_OK)
        return false;
    *ret_ms = ns / NS_PER_MS;
    return true;
}

const char *check_str(const struct node *n)
{
    const char *s = n ? node_str(n) : NULL;

    return s ? s : "";
}

const char *check_url_problem(const char *url)
{
    const char *host;

    if (strstr(url, "{{") || strstr(url, "${"))
        return NULL; /* another program fills it in first */
    for (const char *s = url; *s; s++)
        if (*s == ' ' || (unsigned char)*s < 0x20 || *s == 0x7F)
            return "contains a blank or control character";
    if (strncmp(url, "http://", 7) == 0)
        host = url + 7;
    else if (strncmp(url, "https://", 8) == 0)
        host = url + 8;
    else if (strstr(url, "://"))
        return "is neither http:// nor https://";
    else
        return "has no scheme: it must start with http:// or https://";
    if (*host == 0 || *host == '/' || *host == '?' || *host == ':' || *host == '#')
        return "has no host";
    for (const char *s = url; *s; s++)
        if (*s == '%' && !(strchr("0123456789abcdefABCDEF", s[1]) && s[1] &&
                           strchr("0123456789abcdefABCDEF", s[2]) && s[2]))
            return "has a broken % escape";
    return NULL;
}

const struct embedded_file *embedded_find(const struct embedded_file *files, const char *name)
{
    for (; files->name; files++)
        if (strcmp(files->name, name) == 0)
            return files;
    return NULL;
}

const char *check_page(const char *id)
{
    const struct embedded_file *page = embedded_find(embedded_pages, id);

    return page ? (const char *)page->bytes : NULL;
}
