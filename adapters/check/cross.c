/*
 * What is kept of every document for the checks across documents: names, and where they stand.
 *
 * Names are interned; a record is a few numbers. A Canary with two references takes about 100
 * bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/check/internal.h"

struct object {
    uint32_t ns, name; /* names */
    uint32_t file, line;
    uint32_t a, b; /* HPA, ScaledObject: kind and name of the target; Deployment, DaemonSet: seconds
                      its probes take, names of its ports; ours: Secret and its line */
    uint32_t words; /* " a b ": MetricTemplate: its variables; Ingress: its Services */
    uint16_t col;
    uint8_t kind; /* enum object_kind */
    uint8_t flags;
};
enum { FLAG_USED = 1, FLAG_LABELLED = 2, FLAG_MIN_ONE = 8, FLAG_WIDE = 16, FLAG_DURATION = 32 };

enum { NO_DURATION = 1 };
enum ref_kind { REF_TARGET, REF_SCALER, REF_INGRESS, REF_TEMPLATE, REF_ALERT, REF_SECRET };

struct ref {
    uint32_t ns, name;
    uint32_t line;
    uint16_t col;
    uint32_t words; /* REF_TEMPLATE: the variables given, " a b " */
    uint8_t kind;   /* enum ref_kind */
    uint8_t index;  /* of the metric or alert, 255 = more */
    uint8_t flags;  /* REF_TEMPLATE: NO_DURATION = the metric's interval is none */
};

struct canary {
    uint32_t ns, name, target, apex;
    uint32_t file, line;
    uint32_t refs; /* index of the first */
    uint16_t ref_count;
    uint16_t col;
    uint32_t port, deadline; /* targetPort name or number as a name; seconds */
    uint32_t port_line;
    uint8_t target_kind; /* enum object_kind */
    uint8_t flags;       /* CANARY_… */
};
enum { CANARY_SCALER = 1, CANARY_STEP_BACK = 2, CANARY_DISCOVERY = 4 };

struct array {
    void *items;
    size_t count, cap, size;
};

struct cross {
    struct array objects, refs, canaries;
    char *text; /* names, each NUL-terminated; offset 0 = "" */
    size_t text_len, text_cap;
    uint32_t *table; /* offsets by hash; 0 = free */
    size_t table_size, table_count;
    bool failed;
};

/* ---- memory
 * ---------------------------------------------------------------------------------------- */

static void *push(struct cross *x, struct array *a, const void *item)
{
    if (a->count == a->cap) {
        size_t cap = a->cap ? a->cap + a->cap / 4 + 16 : 16;
        void *items = realloc(a->items, cap * a->size);

        if (items == NULL) {
            x->failed = true;
            return NULL;
        }
        a->items = items;
        a->cap = cap;
    }
    memcpy((char *)a->items + a->count * a->size, item, a->size);
    return (char *)a->items + a->count++ * a->size;
}

static uint32_t hash_text(const char *s)
{
    uint32_t h = 2166136261u;

    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

static bool grow_table(struct cross *x)
{
    size_t size = x->table_size ? 2 * x->table_size : 256;
    uint32_t *table = calloc(size, sizeof *table);

    if (table == NULL)
        return false;
    for (size_t i = 0; i < x->table_size; i++)
        if (x->table[i]) {
            size_t at = hash_text(x->text + x->table[i]) & (size - 1);

            while (table[at])
                at = (at + 1) & (size - 1);
            table[at] = x->table[i];
        }
    free(x->table);
    x->table = table;
    x->table_size = size;
    return true;
}

/* The offset of a name; the same for the same text. */
static uint32_t name_of(struct cross *x, const char *s)
{
    size_t len = strlen(s), at;

    if (len == 0)
        return 0;
    if (len > 1000)
        len = 1000; /* no name is that long; the schema has said so */
    if (4 * (x->table_count + 1) > 3 * x->table_size && !grow_table(x)) {
        x->failed = true;
        return 0;
    }
    at = hash_text(s) & (x->table_size - 1);
    for (; x->table[at]; at = (at + 1) & (x->table_size - 1))
        if (strcmp(x->text + x->table[at], s) == 0)
            return x->table[at];
    if (x->text_len + len + 1 > x->text_cap) {
        size_t cap = x->text_cap + x->text_cap / 4 + len + 4096;
        char *text = cap < UINT32_MAX ? realloc(x->text, cap) : NULL;

        if (text == NULL) {
            x->failed = true;
            return 0;
        }
        x->text = text;
        x->text_cap = cap;
    }
    memcpy(x->text + x->text_len, s, len);
    x->text[x->text_len + len] = 0;
    x->table[at] = (uint32_t)x->text_len;
    x->text_len += len + 1;
    x->table_count++;
    return x->table[at];
}

struct cross *cross_new(void)
{
    struct cross *x = calloc(1, sizeof *x);

    if (x == NULL)
        return NULL;
    x->objects.size = sizeof(struct object);
    x->refs.size = sizeof(struct ref);
    x->canaries.size = sizeof(struct canary);
    x->text = calloc(1, 64);
    x->text_cap = 64;
    x->text_len = 1;
    if (x->text == NULL) {
        free(x);
        return NULL;
    }
    return x;
}

void cross_free(struct cross *x)
{
    if (x == NULL)
        return;
    free(x->objects.items);
    free(x->refs.items);
    free(x->canaries.items);
    free(x->text);
    free(x->table);
    free(x);
}

size_t cross_bytes(const struct cross *x)
{
    return x->objects.cap * x->objects.size + x->refs.cap * x->refs.size +
           x->canaries.cap * x->canaries.size + x->text_cap + x->table_size * sizeof *x->table;
}

/* ---- collecting
 * ------------------------------------------------------------------------------------ */

static uint16_t column(const struct node *n)
{
    return n->col > UINT16_MAX ? UINT16_MAX : (uint16_t)n->col;
}

static bool add_ref(struct cross *x, struct canary *cd, enum ref_kind kind, const struct node *name,
                    const char *ns, size_t index, uint32_t line_base)
{
    struct ref r = {.kind = (uint8_t)kind, .index = index > 255 ? 255 : (uint8_t)index};

    if (*check_str(name) == 0 || cd->ref_count == UINT16_MAX)
        return false;
    r.ns = name_of(x, ns);
    r.name = name_of(x, name->text);
    r.line = name->line + line_base;
    r.col = column(name);
    if (!push(x, &x->refs, &r))
        return false;
    cd->ref_count++;
    return true;
}

/* What the last reference, to a MetricTemplate, brings along. */
static void template_ref(struct cross *x, const struct node *metric)
{
    struct ref *r = (struct ref *)x->refs.items + x->refs.count - 1;
    const struct node *variables = node_get(metric, "templateVariables");
    struct strbuf b = STRBUF_INIT;
    int64_t ms;

    if (!check_duration(node_get(metric, "interval"), &ms))
        r->flags |= NO_DURATION;
    if (variables == NULL || variables->kind != NODE_MAP || variables->u.map.count == 0)
        return;
    strbuf_addc(&b, ' ');
    for (size_t i = 0; i < variables->u.map.count; i++)
        strbuf_addf(&b, "%.60s ", variables->u.map.members[i].key);
    r->words = name_of(x, strbuf_str(&b));
    strbuf_release(&b);
}

static const char *or_default(const char *s, const char *otherwise)
{
    return *s ? s : otherwise;
}

static enum object_kind target_kind(const struct canary_view *v)
{
    const char *api = check_str(node_get(v->target, "apiVersion"));

    if (strcmp(v->target_kind, "DaemonSet") == 0)
        return KIND_DAEMON_SET;
    if (strcmp(v->target_kind, "Service") == 0)
        return strncmp(api, "serving.knative.dev/", 20) == 0 ? KIND_KNATIVE_SERVICE : KIND_SERVICE;
    return KIND_DEPLOYMENT;
}

int cross_add_canary(struct cross *x, const struct canary_view *v, uint32_t file,
                     uint32_t line_base)
{
    struct canary cd = {.file = file, .refs = (uint32_t)x->refs.count};
    const struct node *name = node_get(v->metadata, "name");
    const struct node *port = node_get(v->service, "targetPort");

    if (name == NULL)
        name = v->root;
    cd.ns = name_of(x, v->ns);
    cd.name = name_of(x, v->name);
    cd.target = name_of(x, v->target_name);
    cd.apex = name_of(x, v->apex);
    cd.line = name->line + line_base;
    cd.col = column(name);
    cd.target_kind = (uint8_t)target_kind(v);
    if (port && port->kind == NODE_STRING && *port->text) {
        cd.port = name_of(x, port->text);
        cd.port_line = port->line + line_base;
    }
    cd.deadline = (uint32_t)check_int(node_get(v->spec, "progressDeadlineSeconds"), 600);
    cd.flags =
        (uint8_t)((v->autoscaler ? CANARY_SCALER : 0) |
                  (check_int(v->step_weight_promotion, 0) > 0 || v->skip_analysis ||
                           strcmp(v->provider, "kubernetes") == 0
                       ? CANARY_STEP_BACK
                       : 0) |
                  (check_bool(node_get(v->service, "portDiscovery")) ? CANARY_DISCOVERY : 0));
    add_ref(x, &cd, REF_TARGET, node_get(v->target, "name"), v->ns, 0, line_base);
    add_ref(x, &cd, REF_SCALER, node_get(v->autoscaler, "name"), v->ns,
            strcmp(check_str(node_get(v->autoscaler, "kind")), "ScaledObject") == 0, line_base);
    add_ref(x, &cd, REF_INGRESS, node_get(v->ingress, "name"), v->ns, 0, line_base);
    for (size_t i = 0; v->metrics && i < v->metrics->u.list.count; i++) {
        const struct node *ref = node_get(v->metrics->u.list.items[i], "templateRef");

        if (add_ref(x, &cd, REF_TEMPLATE, node_get(ref, "name"),
                    or_default(check_str(node_get(ref, "namespace")), v->ns), i, line_base))
            template_ref(x, v->metrics->u.list.items[i]);
    }
    for (size_t i = 0; v->alerts && i < v->alerts->u.list.count; i++) {
        const struct node *ref = node_get(v->alerts->u.list.items[i], "providerRef");

        add_ref(x, &cd, REF_ALERT, node_get(ref, "name"),
                or_default(check_str(node_get(ref, "namespace")), v->ns), i, line_base);
    }
    push(x, &x->canaries, &cd);
    return x->failed ? -ENOMEM : 0;
}

static bool has_selector_label(const struct node *root)
{
    const struct node *labels = node_at(root, "spec", "selector", "matchLabels", NULL);

    return node_get(labels, "app") || node_get(labels, "name") ||
           node_get(labels, "app.kubernetes.io/name");
}

/* Seconds until a pod can be ready at the earliest: the longest of its containers' probes. */
static int64_t probe_seconds(const struct node *root)
{
    const struct node *containers = node_at(root, "spec", "template", "spec", "containers", NULL);
    int64_t most = 0;

    for (size_t i = 0; containers && containers->kind == NODE_LIST && i < containers->u.list.count;
         i++) {
        const struct node *item = containers->u.list.items[i];
        const struct node *ready = node_get(item, "readinessProbe"),
                          *startup = node_get(item, "startupProbe");
        int64_t s = check_int(node_get(ready, "initialDelaySeconds"), 0) +
                    check_int(node_get(startup, "initialDelaySeconds"), 0);

        if (s > most)
            most = s;
    }
    most += check_int(node_at(root, "spec", "minReadySeconds", NULL), 0);
    return most < 0 || most > 1000000 ? 0 : most;
}

/* The names of the target's ports, joined by spaces around each: " http grpc ". */
static uint32_t port_names(struct cross *x, const struct node *root)
{
    const struct node *containers = node_at(root, "spec", "template", "spec", "containers", NULL);
    struct strbuf b = STRBUF_INIT;
    uint32_t name;

    strbuf_addc(&b, ' ');
    for (size_t i = 0; containers && containers->kind == NODE_LIST && i < containers->u.list.count;
         i++) {
        const struct node *ports = node_get(containers->u.list.items[i], "ports");

        for (size_t k = 0; ports && ports->kind == NODE_LIST && k < ports->u.list.count; k++) {
            strbuf_adds(&b, check_str(node_get(ports->u.list.items[k], "name")));
            strbuf_addc(&b, ' ');
        }
    }
    name = name_of(x, strbuf_str(&b));
    strbuf_release(&b);
    return name;
}

/* The Services an Ingress leads to, as " a b ". */
static uint32_t backend_names(struct cross *x, const struct node *root)
{
    const struct node *rules = node_at(root, "spec", "rules", NULL);
    struct strbuf b = STRBUF_INIT;
    uint32_t name;

    strbuf_addc(&b, ' ');
    for (size_t i = 0; rules && rules->kind == NODE_LIST && i < rules->u.list.count; i++) {
        const struct node *paths = node_at(rules->u.list.items[i], "http", "paths", NULL);

        for (size_t k = 0; paths && paths->kind == NODE_LIST && k < paths->u.list.count; k++)
            strbuf_addf(
                &b, "%.253s ",
                check_str(node_at(paths->u.list.items[k], "backend", "service", "name", NULL)));
    }
    name = name_of(x, strbuf_str(&b));
    strbuf_release(&b);
    return name;
}

/* Made by a rollout: what a cluster holds besides what people wrote. */
static bool owned_by_canary(const struct node *metadata)
{
    const struct node *owners = node_get(metadata, "ownerReferences");

    for (size_t i = 0; owners && owners->kind == NODE_LIST && i < owners->u.list.count; i++)
        if (node_is(node_get(owners->u.list.items[i], "kind"), "Canary"))
            return true;
    return false;
}

int cross_add_object(struct cross *x, struct check *c, enum object_kind kind,
                     const struct node *root, uint32_t file, uint32_t line_base)
{
    const struct node *metadata = node_get(root, "metadata"), *name = node_get(metadata, "name");
    struct object o = {.kind = (uint8_t)kind, .file = file};

    if (*check_str(name) == 0 || owned_by_canary(metadata))
        return 0;
    o.ns = name_of(x, or_default(check_str(node_get(metadata, "namespace")), "default"));
    o.name = name_of(x, name->text);
    o.line = name->line + line_base;
    o.col = column(name);
    if (kind == KIND_HPA) {
        const struct node *ref = node_at(root, "spec", "scaleTargetRef", NULL);
        int64_t low = check_int(node_at(root, "spec", "minReplicas", NULL), 1);
        int64_t high = check_int(node_at(root, "spec", "maxReplicas", NULL), 1);

        o.a = name_of(x, check_str(node_get(ref, "kind")));
        o.b = name_of(x, check_str(node_get(ref, "name")));
        o.flags =
            (uint8_t)((low <= 1 ? FLAG_MIN_ONE : 0) | (low > 0 && high > 3 * low ? FLAG_WIDE : 0));
    } else if (kind == KIND_SCALED_OBJECT) {
        const struct node *ref = node_at(root, "spec", "scaleTargetRef", NULL);

        o.a = name_of(x, or_default(check_str(node_get(ref, "kind")), "Deployment"));
        o.b = name_of(x, check_str(node_get(ref, "name")));
    } else if (kind == KIND_DEPLOYMENT || kind == KIND_DAEMON_SET) {
        o.flags = has_selector_label(root) ? FLAG_LABELLED : 0;
        o.a = (uint32_t)probe_seconds(root);
        o.b = port_names(x, root);
    } else if (kind == KIND_INGRESS) {
        o.words = backend_names(x, root);
    } else if (kind == KIND_METRIC_TEMPLATE || kind == KIND_ALERT_PROVIDER) {
        const struct node *secret =
            kind == KIND_METRIC_TEMPLATE
                ? node_at(root, "spec", "provider", "secretRef", "name", NULL)
                : node_at(root, "spec", "secretRef", "name", NULL);

        if (*check_str(secret)) {
            o.a = name_of(x, secret->text);
            o.b = secret->line + line_base;
        }
        if (kind == KIND_METRIC_TEMPLATE) {
            const char *words = check_template_variables(c, node_at(root, "spec", "query", NULL));

            o.words = name_of(x, words ? words : "?");
            o.flags =
                check_needs_duration(check_str(node_at(root, "spec", "provider", "type", NULL)))
                    ? FLAG_DURATION
                    : 0;
        }
    }
    push(x, &x->objects, &o);
    return x->failed ? -ENOMEM : 0;
}

/* ---- the checks
 * ------------------------------------------------------------------------------------ */

static const char *text_of(const struct cross *x, uint32_t name)
{
    return x->text + name;
}

static struct object *objects(struct cross *x)
{
    return x->objects.items;
}

static int compare_objects(const void *a, const void *b)
{
    const struct object *o = a, *p = b;

    if (o->kind != p->kind)
        return o->kind < p->kind ? -1 : 1;
    if (o->ns != p->ns)
        return o->ns < p->ns ? -1 : 1;
    if (o->name != p->name)
        return o->name < p->name ? -1 : 1;
    if (o->file != p->file)
        return o->file < p->file ? -1 : 1;
    if (o->line != p->line)
        return o->line < p->line ? -1 : 1;
    return 0;
}

static struct object *find_object(struct cross *x, enum object_kind kind, uint32_t ns,
                                  uint32_t name)
{
    size_t low = 0, high = x->objects.count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct object *o = &objects(x)[mid];
        int order = o->kind != kind   ? (o->kind < kind ? -1 : 1)
                    : o->ns != ns     ? (o->ns < ns ? -1 : 1)
                    : o->name != name ? (o->name < name ? -1 : 1)
                                      : 0;

        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < x->objects.count && objects(x)[low].kind == kind && objects(x)[low].ns == ns &&
        objects(x)[low].name == name)
        return &objects(x)[low];
    return NULL;
}

/* Is anything of this kind given at all? Then a missing one is suspicious. */
static bool any_of(struct cross *x, enum object_kind kind)
{
    for (size_t i = 0; i < x->objects.count; i++)
        if (objects(x)[i].kind == kind)
            return true;
    return false;
}

static const char *const kind_words[KIND_COUNT] = {
    [KIND_OTHER] = "object",
    [KIND_CANARY] = "Canary",
    [KIND_METRIC_TEMPLATE] = "MetricTemplate",
    [KIND_ALERT_PROVIDER] = "AlertProvider",
    [KIND_DEPLOYMENT] = "Deployment",
    [KIND_DAEMON_SET] = "DaemonSet",
    [KIND_SERVICE] = "Service",
    [KIND_HPA] = "HorizontalPodAutoscaler",
    [KIND_SCALED_OBJECT] = "ScaledObject",
    [KIND_INGRESS] = "Ingress",
    [KIND_SECRET] = "Secret",
    [KIND_KNATIVE_SERVICE] = "Knative Service",
};

struct pass {
    struct cross *x;
    struct check *c;
    bool have[KIND_COUNT];
};

static void missing(struct pass *p, enum rule_id rule, enum object_kind kind, uint32_t ns,
                    uint32_t name, uint32_t file, uint32_t line, uint32_t col, const char *path)
{
    bool whole = check_options(p->c)->whole_cluster;

    if (!whole && !p->have[kind])
        return; /* objects of this kind come from elsewhere */
    check_find_at(p->c, whole ? SEVERITY_ERROR : SEVERITY_WARNING, rule, file, line, col, path,
                  whole ? NULL : "give the file that defines it too, or correct the name",
                  check_text(p->c, "%s %s/%s is not %s", kind_words[kind], text_of(p->x, ns),
                             text_of(p->x, name),
                             whole ? "in the cluster" : "among the given files"));
}

static void check_scaler(struct pass *p, const struct canary *cd, const struct ref *r)
{
    enum object_kind kind = r->index ? KIND_SCALED_OBJECT : KIND_HPA;
    struct object *o = find_object(p->x, kind, r->ns, r->name);

    if (o == NULL) {
        missing(p, CM702, kind, r->ns, r->name, cd->file, r->line, r->col,
                ".spec.autoscalerRef.name");
        return;
    }
    o->flags |= FLAG_USED;
    if (o->b && o->b != cd->target)
        check_find_at(
            p->c, SEVERITY_ERROR, CM702, cd->file, r->line, r->col, ".spec.autoscalerRef.name",
            "the autoscaler and the Canary must name the same workload",
            check_text(p->c, "%s %s scales %s, not the target %s", kind_words[kind],
                       text_of(p->x, r->name), text_of(p->x, o->b), text_of(p->x, cd->target)));
    if ((o->flags & FLAG_WIDE) && !(cd->flags & CANARY_STEP_BACK))
        check_find_at(
            p->c, check_rules[CM115].severity, CM115, cd->file, r->line, r->col,
            ".spec.autoscalerRef.name",
            "set spec.analysis.stepWeightPromotion so that the primary grows while traffic returns",
            "the primary has shrunk during the rollout and gets all its traffic back at once");
}

static void check_target(struct pass *p, const struct canary *cd, const struct ref *r)
{
    const struct object *o = find_object(p->x, cd->target_kind, r->ns, r->name);

    if (o == NULL) {
        missing(p, CM701, cd->target_kind, r->ns, r->name, cd->file, r->line, r->col,
                ".spec.targetRef.name");
        return;
    }
    if (cd->target_kind != KIND_DEPLOYMENT && cd->target_kind != KIND_DAEMON_SET)
        return;
    if (!(o->flags & FLAG_LABELLED))
        check_find_at(
            p->c, check_rules[CM713].severity, CM713, cd->file, r->line, r->col,
            ".spec.targetRef.name",
            "add one of the labels app, name, app.kubernetes.io/name to spec.selector.matchLabels "
            "of the target",
            check_text(
                p->c,
                "the selector of %s %s has none of the labels a rollout tells versions apart by",
                kind_words[o->kind], text_of(p->x, r->name)));
    if (cd->deadline < o->a && cd->deadline > 0)
        check_find_at(
            p->c, check_rules[CM211].severity, CM211, cd->file, r->line, r->col,
            ".spec.targetRef.name",
            check_text(p->c, "set spec.progressDeadlineSeconds above %u", (unsigned)o->a),
            check_text(p->c,
                       "its pods need at least %us to become ready, the progress deadline is %us",
                       (unsigned)o->a, (unsigned)cd->deadline));
    if (cd->port && o->b && !(cd->flags & CANARY_DISCOVERY)) {
        const char *wanted = text_of(p->x, cd->port);
        const char *all = check_text(p->c, " %s ", wanted);

        if (strstr(text_of(p->x, o->b), all) == NULL)
            check_find_at(p->c, check_rules[CM714].severity, CM714, cd->file, cd->port_line, 0,
                          ".spec.service.targetPort", NULL,
                          check_text(p->c, "no container of %s has a port named '%s'",
                                     text_of(p->x, r->name), wanted));
    }
}

static void check_ref(struct pass *p, const struct canary *cd, const struct ref *r)
{
    const char *path = NULL;
    enum rule_id rule = CM703;
    enum object_kind kind = KIND_METRIC_TEMPLATE;
    struct object *o;

    if (r->kind == REF_TARGET) {
        check_target(p, cd, r);
        return;
    }
    if (r->kind == REF_SCALER) {
        check_scaler(p, cd, r);
        return;
    }
    if (r->kind == REF_INGRESS) {
        path = ".spec.ingressRef.name";
        rule = CM702;
        kind = KIND_INGRESS;
    } else if (r->kind == REF_TEMPLATE) {
        path = check_text(p->c, ".spec.analysis.metrics[%u].templateRef.name", r->index);
    } else {
        path = check_text(p->c, ".spec.analysis.alerts[%u].providerRef.name", r->index);
        rule = CM704;
        kind = KIND_ALERT_PROVIDER;
    }
    o = find_object(p->x, kind, r->ns, r->name);
    if (o)
        o->flags |= FLAG_USED;
    if (o && r->kind == REF_INGRESS && o->words &&
        strstr(text_of(p->x, o->words), check_text(p->c, " %s ", text_of(p->x, cd->apex))) == NULL)
        check_find_at(p->c, SEVERITY_ERROR, CM702, cd->file, r->line, r->col, path,
                      "point a path of the Ingress at the Service that the rollout generates",
                      check_text(p->c, "no path of Ingress %s leads to Service %s",
                                 text_of(p->x, r->name), text_of(p->x, cd->apex)));
    if (o == NULL)
        missing(p, rule, kind, r->ns, r->name, cd->file, r->line, r->col, path);
}

/* The first word of " a b " that is not in `others`, copied for a message; NULL = none. */
static const char *first_missing(struct pass *p, const char *words, const char *others)
{
    while (*words == ' ')
        words++;
    while (*words) {
        size_t len = strcspn(words, " ");
        const char *padded = check_text(p->c, " %.*s ", (int)len, words);

        if (strstr(others, padded) == NULL)
            return check_text(p->c, "%.*s", (int)len, words);
        words += len;
        while (*words == ' ')
            words++;
    }
    return NULL;
}

static void check_use(struct pass *p, const struct canary *cd, const struct ref *r,
                      const struct object *o)
{
    const char *uses = text_of(p->x, o->words), *gives = text_of(p->x, r->words), *name;

    if ((o->flags & FLAG_DURATION) && (r->flags & NO_DURATION))
        check_find_at(
            p->c, check_rules[CM203].severity, CM203, cd->file, r->line, r->col,
            check_text(p->c, ".spec.analysis.metrics[%u].interval", r->index), "write interval: 1m",
            check_text(
                p->c,
                "the provider of MetricTemplate %s computes with the window and needs a duration",
                text_of(p->x, r->name)));
    if (strcmp(uses, "?") == 0 || o->words == r->words)
        return;
    name = first_missing(p, uses, gives);
    if (name)
        check_find_at(p->c, SEVERITY_ERROR, CM407, cd->file, r->line, r->col,
                      check_text(p->c, ".spec.analysis.metrics[%u].templateVariables", r->index),
                      check_text(p->c, "add %s to templateVariables", name),
                      check_text(p->c,
                                 "MetricTemplate %s needs the variable '%s': every check fails",
                                 text_of(p->x, r->name), name));
    name = first_missing(p, gives, uses);
    if (name)
        check_find_at(p->c, SEVERITY_WARNING, CM407, cd->file, r->line, r->col,
                      check_text(p->c, ".spec.analysis.metrics[%u].templateVariables", r->index),
                      "remove it, or correct the name",
                      check_text(p->c, "MetricTemplate %s does not use the variable '%s'",
                                 text_of(p->x, r->name), name));
}

/* Paths are only made when they are needed: most references are fine. */
static bool ref_is_fine(struct pass *p, const struct canary *cd, const struct ref *r)
{
    enum object_kind kind = r->kind == REF_TEMPLATE ? KIND_METRIC_TEMPLATE : KIND_ALERT_PROVIDER;
    struct object *o;

    if (r->kind != REF_TEMPLATE && r->kind != REF_ALERT)
        return false;
    if (!p->have[kind])
        return !check_options(p->c)->whole_cluster;
    o = find_object(p->x, kind, r->ns, r->name);
    if (o)
        o->flags |= FLAG_USED;
    if (o && r->kind == REF_TEMPLATE)
        check_use(p, cd, r, o);
    return o != NULL;
}

static void check_references(struct pass *p)
{
    const struct canary *canaries = p->x->canaries.items;
    const struct ref *refs = p->x->refs.items;

    for (size_t i = 0; i < p->x->canaries.count; i++)
        for (uint32_t k = 0; k < canaries[i].ref_count; k++) {
            const struct ref *r = &refs[canaries[i].refs + k];

            if (!ref_is_fine(p, &canaries[i], r))
                check_ref(p, &canaries[i], r);
        }
}

static void check_objects(struct pass *p)
{
    bool canaries = p->x->canaries.count > 0;

    for (size_t i = 0; i < p->x->objects.count; i++) {
        struct object *o = &objects(p->x)[i];
        const struct object *before = i ? &objects(p->x)[i - 1] : NULL;
        bool template = o->kind == KIND_METRIC_TEMPLATE, alert = o->kind == KIND_ALERT_PROVIDER;

        if (before && before->kind == o->kind && before->ns == o->ns && before->name == o->name &&
            (template || alert))
            check_find_at(p->c, check_rules[CM712].severity, CM712, o->file, o->line, o->col,
                          ".metadata.name", "the later one replaces the earlier one",
                          check_text(p->c, "%s %s/%s is defined twice", kind_words[o->kind],
                                     text_of(p->x, o->ns), text_of(p->x, o->name)));
        if ((template || alert) && o->a && !find_object(p->x, KIND_SECRET, o->ns, o->a))
            missing(p, CM705, KIND_SECRET, o->ns, o->a, o->file, o->b, 0,
                    template ? ".spec.provider.secretRef.name" : ".spec.secretRef.name");
        if ((template || alert) && canaries && !(o->flags & FLAG_USED))
            check_find_at(p->c, check_rules[CM706].severity, CM706, o->file, o->line, o->col,
                          ".metadata.name", NULL,
                          check_text(p->c, "no Canary here uses %s %s/%s", kind_words[o->kind],
                                     text_of(p->x, o->ns), text_of(p->x, o->name)));
    }
}

/* An autoscaler that scales the target of a Canary which does not name it fights the rollout. */
static void check_scalers(struct pass *p, const struct canary *cd)
{
    static const enum object_kind kinds[] = {KIND_HPA, KIND_SCALED_OBJECT};

    for (size_t k = 0; k < 2; k++) {
        if (!p->have[kinds[k]])
            continue;
        for (size_t i = 0; i < p->x->objects.count; i++) {
            const struct object *o = &objects(p->x)[i];

            if (o->kind != kinds[k] || o->ns != cd->ns || o->b != cd->target || cd->target == 0)
                continue;
            if (!(o->flags & FLAG_USED))
                check_find_at(
                    p->c, check_rules[CM711].severity, CM711, cd->file, cd->line, cd->col, ".spec",
                    check_text(p->c, "add spec.autoscalerRef with kind %s and name %s",
                               kind_words[o->kind], text_of(p->x, o->name)),
                    check_text(
                        p->c, "%s %s scales the target and will undo what the rollout does with it",
                        kind_words[o->kind], text_of(p->x, o->name)));
            else if (o->flags & FLAG_MIN_ONE)
                check_find_at(
                    p->c, check_rules[CM710].severity, CM710, o->file, o->line, o->col,
                    ".spec.minReplicas", "set minReplicas to 2 or more",
                    "with one replica the canary starts as a single pod, and so may the primary");
        }
    }
}

static int compare_by_name(const void *a, const void *b)
{
    const struct canary *x = a, *y = b;

    if (x->ns != y->ns)
        return x->ns < y->ns ? -1 : 1;
    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static int compare_by_target(const void *a, const void *b)
{
    const struct canary *x = a, *y = b;

    if (x->ns != y->ns)
        return x->ns < y->ns ? -1 : 1;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static int compare_by_apex(const void *a, const void *b)
{
    const struct canary *x = a, *y = b;

    if (x->ns != y->ns)
        return x->ns < y->ns ? -1 : 1;
    if (x->apex != y->apex)
        return x->apex < y->apex ? -1 : 1;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static void check_pairs(struct pass *p)
{
    struct canary *all = p->x->canaries.items;
    size_t count = p->x->canaries.count;
    size_t i;

    if (count < 2)
        return;
    qsort(all, count, sizeof *all, compare_by_name);
    for (i = 1; i < count; i++)
        if (all[i].ns == all[i - 1].ns && all[i].name == all[i - 1].name && all[i].name)
            check_find_at(p->c, check_rules[CM712].severity, CM712, all[i].file, all[i].line,
                          all[i].col, ".metadata.name", "the later one replaces the earlier one",
                          check_text(p->c, "Canary %s/%s is defined twice",
                                     text_of(p->x, all[i].ns), text_of(p->x, all[i].name)));
    qsort(all, count, sizeof *all, compare_by_target);
    for (i = 1; i < count; i++)
        if (all[i].ns == all[i - 1].ns && all[i].target == all[i - 1].target && all[i].target &&
            all[i].name != all[i - 1].name)
            check_find_at(p->c, check_rules[CM708].severity, CM708, all[i].file, all[i].line,
                          all[i].col, ".spec.targetRef.name",
                          "one workload needs exactly one Canary",
                          check_text(p->c, "Canary %s rolls out %s too",
                                     text_of(p->x, all[i - 1].name), text_of(p->x, all[i].target)));
    qsort(all, count, sizeof *all, compare_by_apex);
    for (i = 1; i < count; i++)
        if (all[i].ns == all[i - 1].ns && all[i].apex == all[i - 1].apex && all[i].apex &&
            all[i].name != all[i - 1].name && all[i].target != all[i - 1].target)
            check_find_at(
                p->c, check_rules[CM709].severity, CM709, all[i].file, all[i].line, all[i].col,
                ".spec.service.name", "give each its own spec.service.name",
                check_text(p->c,
                           "Canary %s generates the Services %s, %s-primary and %s-canary too",
                           text_of(p->x, all[i - 1].name), text_of(p->x, all[i].apex),
                           text_of(p->x, all[i].apex), text_of(p->x, all[i].apex)));
}

/* The offset of a name that is kept, or UINT32_MAX. */
static uint32_t known_name(const struct cross *x, const char *s)
{
    if (x->table_size == 0)
        return UINT32_MAX;
    for (size_t at = hash_text(s) & (x->table_size - 1); x->table[at];
         at = (at + 1) & (x->table_size - 1))
        if (strcmp(x->text + x->table[at], s) == 0)
            return x->table[at];
    return UINT32_MAX;
}

/* `a` generates b-primary when b's apex is "x" and a's is "x-primary". */
static void check_suffixes(struct pass *p)
{
    static const char *const suffixes[] = {"-primary", "-canary"};
    const struct canary *all = p->x->canaries.items;

    for (size_t i = 0; i < p->x->canaries.count; i++)
        for (size_t k = 0; k < 2; k++) {
            const char *apex = text_of(p->x, all[i].apex);
            size_t len = strlen(apex), tail = strlen(suffixes[k]);
            const char *generated =
                p->have[KIND_SERVICE] ? check_text(p->c, "%s%s", apex, suffixes[k]) : "";
            const struct object *o =
                *generated ? find_object(p->x, KIND_SERVICE, all[i].ns, known_name(p->x, generated))
                           : NULL;

            if (o)
                check_find_at(p->c, check_rules[CM709].severity, CM709, o->file, o->line, o->col,
                              ".metadata.name", "leave it to the rollout, or rename it",
                              check_text(p->c, "Canary %s generates a Service of this name",
                                         text_of(p->x, all[i].name)));

            if (len > tail && strcmp(apex + len - tail, suffixes[k]) == 0)
                check_find_at(
                    p->c, check_rules[CM709].severity, CM709, all[i].file, all[i].line, all[i].col,
                    ".spec.service.name", "choose a name without -primary and -canary",
                    check_text(p->c, "the Service name %s ends like the ones a rollout generates",
                               apex));
        }
}

void cross_finish(struct cross *x, struct check *c)
{
    struct pass p = {.x = x, .c = c};
    const struct canary *canaries;

    if (x->objects.count)
        qsort(x->objects.items, x->objects.count, x->objects.size, compare_objects);
    for (size_t k = 1; k < KIND_COUNT; k++)
        p.have[k] = any_of(x, (enum object_kind)k);
    check_references(&p);
    check_objects(&p);
    canaries = x->canaries.items;
    if (p.have[KIND_HPA] || p.have[KIND_SCALED_OBJECT])
        for (size_t i = 0; i < x->canaries.count; i++)
            check_scalers(&p, &canaries[i]);
    check_suffixes(&p);
    check_pairs(&p); /* reorders the Canaries: last */
}
