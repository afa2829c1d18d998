/* One Kubernetes object: its schema, its name, and the rules of its kind. */
#include <stdlib.h>
#include <string.h>

#include "adapters/check/embedded.h"
#include "adapters/check/state.h"

enum { LIST_DEPTH_MAX = 4 };

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

void check_object(struct check *c, const struct node *root, unsigned depth)
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
    if (depth == 0 && check_is_scenario(root)) {
        c->scenarios++;
        c->scenario_seen = true;
        c->scenario_line = root->line + c->line_base;
        c->scenario_end = root->end_line + c->line_base;
        return;
    }
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

static int compare_kinds(const void *a, const void *b)
{
    const struct kind_count *x = a, *y = b;

    if (x->checked != y->checked)
        return x->checked ? -1 : 1;
    return strcmp(x->kind, y->kind);
}

void check_list_kinds(struct check *c)
{
    for (size_t i = 1; i < KIND_COUNT; i++)
        if (c->kind_counts[i])
            c->kinds[c->kind_count++] =
                (struct kind_count){kind_table[i].name, c->kind_counts[i], kind_table[i].checked};
    if (c->scenarios)
        c->kinds[c->kind_count++] = (struct kind_count){"scenario", c->scenarios, true};
    for (size_t i = 0; i < c->other_count && i < 64; i++)
        c->kinds[c->kind_count++] = c->others[i];
    qsort(c->kinds, c->kind_count, sizeof *c->kinds, compare_kinds);
}
