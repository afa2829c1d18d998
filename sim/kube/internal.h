/*
 * sim/kube/internal.h — what the files of sim/kube share. Nobody else includes it.
 *
 * Objects are immutable once stored: a change is a new `struct sk_object`, and lists, logs and
 * watches share old ones by reference count. Each resource has its objects sorted by key and a log
 * of changes with one server-wide counter, the resourceVersion.
 */
#ifndef COALMINE_SIM_KUBE_INTERNAL_H
#define COALMINE_SIM_KUBE_INTERNAL_H

#include "adapters/base/arena.h"
#include "sim/kube/api.h"
#include "sim/kube/controllers.h"
#include "sim/kube/faults.h"

struct sk_kind;

/* ---- objects and their log (store.c)
 * ------------------------------------------------------------------ */

struct sk_object {
    uint32_t refs;
    struct sk_kind *kind;
    struct sk_object *lender;       /* an older version whose `spec` this one shows, or NULL */
    struct sk_object *whole_lender; /* another server's object that this one shows, or NULL */
    cJSON *tree;                    /* `kind` and `apiVersion` are its first two members */
    char *text; /* all members but those two, as `"metadata":…}`; made when first needed */
    size_t text_len;
    char *spec_text; /* of an object that lends its spec, once asked for */
    size_t spec_len;
    const char *ns, *name, *uid; /* borrowed from tree; ns "" for cluster scope */
    const cJSON *owners;         /* metadata.ownerReferences, or NULL */
    const char *controller_uid;  /* of the owner that controls it, or NULL */
    bool deleting;               /* it has a deletionTimestamp */
    uint64_t rv;
    int64_t born_ms; /* virtual time of its creation */
    char *key;       /* ns/name: the order of lists */
};

enum sk_change { SK_ADDED, SK_MODIFIED, SK_REMOVED };

struct sk_event {
    uint64_t rv;
    enum sk_change change;
    struct sk_object *before,
        *after; /* REMOVED: after = the last state with the version of its removal */
};

struct sk_log {
    struct sk_event *items; /* ring of `cap` */
    size_t cap;
    uint64_t first, end; /* absolute numbers: [first, end) is kept */
    uint64_t gone_rv;    /* newest version no longer kept, 0 = none */
};

/* ---- schemas (schema.c)
 * ------------------------------------------------------------------------------- */

enum sk_type {
    SK_ANY,
    SK_OBJECT,
    SK_LIST,
    SK_STRING,
    SK_INTEGER,
    SK_NUMBER,
    SK_BOOLEAN,
    SK_INT_OR_STRING,
    SK_QUANTITY,
};

struct sk_schema;
struct sk_prop {
    const char *name;
    struct sk_schema *schema;
};

struct sk_schema {
    enum sk_type type;
    const char *type_name; /* Go's name of a built-in struct, for its messages */
    struct sk_prop *props; /* sorted by name */
    size_t prop_count;
    struct sk_schema *items, *additional;
    bool preserve_unknown, nullable, embedded;
    bool is_set;              /* list of scalars merged as a set */
    const char *list_keys[4]; /* list of objects merged by these members */
    size_t list_key_count;
    const cJSON *fallback, *choices; /* default, enum */
    void *pattern;                   /* regex_t, or NULL */
    struct sk_schema *next_pattern;  /* the root's list of schemas with a pattern */
    const char *pattern_text;
    const char *format;
    bool has_min, has_max, min_open, max_open;
    double min, max;
    int64_t min_length, max_length, min_items, max_items, min_props, max_props; /* -1 = none */
    const char **required;
    size_t required_count;
    struct sk_schema **all_of, **any_of, **one_of, *not_this;
    size_t all_count, any_count, one_count;
    bool has_rules;    /* root only: CEL rules somewhere, which are not evaluated */
    bool has_defaults; /* it or something below it has a default */
};

/* Findings of validation, in order. */
enum sk_cause {
    SK_REQUIRED,
    SK_INVALID,
    SK_UNSUPPORTED,
    SK_DUPLICATE,
    SK_FORBIDDEN,
    SK_TOO_LONG,
    SK_TOO_MANY,
    SK_TYPE
};
struct sk_finding {
    enum sk_cause cause;
    char *field, *text;
};
struct sk_findings {
    struct sk_finding *items;
    size_t count, cap;
};
void sk_findings_add(struct sk_findings *f, enum sk_cause cause, const char *field,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* As sk_findings_add with the offending value in front of the text, as the server prints it. */
void sk_findings_value(struct sk_findings *f, enum sk_cause cause, const char *field,
                       const cJSON *value, const char *text);
void sk_findings_release(struct sk_findings *f);
/* A place in a document, linked on the stack and printed only when something is wrong there. */
struct sk_place {
    const struct sk_place *up;
    const char *name;
    int index; /* >= 0: an element of a list */
    bool key;  /* a member of a map, printed as [key] */
};
/* "spec.list[2].name"; the caller frees it. */
char *sk_place_text(const struct sk_place *p);

/* Compile an openAPIV3Schema; `source` must outlive the arena. NULL when memory is out. */
struct sk_schema *sk_schema_compile(struct arena *arena, const cJSON *source);
/* Free the compiled patterns below a root (the rest is the arena's). NULL is fine. */
void sk_schema_release(struct sk_schema *root);
const struct sk_schema *sk_schema_member(const struct sk_schema *s, const char *name);
/* Drop members the schema does not know; their paths are appended to `unknown` (may be NULL). */
void sk_schema_prune(const struct sk_schema *s, cJSON *value, struct sk_findings *unknown);
void sk_schema_default(const struct sk_schema *s, cJSON *value);
void sk_schema_validate(const struct sk_schema *s, const cJSON *value, struct sk_findings *out);
/* First place where a built-in object's JSON does not fit its Go type; true and the text when there
 * is one. */
bool sk_schema_misfit(const struct sk_schema *s, const cJSON *value, struct strbuf *ret_text);
/* Drop null members that a custom resource's schema does not allow to be null. */
void sk_schema_drop_nulls(const struct sk_schema *s, cJSON *value);
/* Drop null members everywhere, as decoding into Go structs does. */
void sk_drop_nulls(cJSON *value);

/* ---- kinds (kinds.c, types.c, crd.c)
 * ------------------------------------------------------------------ */

struct sk_column {
    const char *name, *type, *format, *path; /* path: JSONPath, or "!name" for a computed cell */
    int priority;
};

struct sk_version {
    const char *name; /* "v1beta1" */
    const char *group_version;
    struct sk_schema *schema;
    struct sk_column *columns;
    size_t column_count;
    bool served, storage, has_status, has_scale;
};

enum sk_generation { SK_GEN_NONE, SK_GEN_SPEC, SK_GEN_SPEC_ANNOTATIONS, SK_GEN_CUSTOM };

/* Compiled schemas: they never change, so servers forked from one another share them. */
struct sk_shared {
    uint32_t refs;
    struct arena *arena;
    cJSON *source; /* the CRD they were compiled from */
    struct sk_schema *roots[6];
    size_t root_count;
};
struct sk_shared *sk_shared_new(size_t limit_bytes);
void sk_shared_unref(struct sk_shared *s);

struct sk_kind {
    const char *group, *plural, *singular, *kind, *list_kind;
    const char *short_names[4];
    const char *categories[3];
    bool namespaced, custom, categories_all, gone;
    bool create_on_update, unconditional_update, returns_deleted;
    enum sk_generation generation;
    struct sk_version versions[6];
    size_t version_count;
    struct sk_shared *shared; /* what the names and schemas above live in */
    struct sk_object **objects;
    size_t count, cap;
    struct sk_log log;
    uint32_t index; /* in simkube.kinds */
};

/* ---- the server
 * ----------------------------------------------------------------------------------------- */

struct sk_uid {
    char uid[40];
    struct sk_kind *kind; /* of the living object, or NULL */
    char *key;
    struct sk_dependent {
        struct sk_kind *kind;
        char *key;
    } * dependents;
    size_t dependent_count, dependent_cap;
};

enum sk_task_kind {
    SK_TASK_DEPLOYMENT,
    SK_TASK_REPLICASET,
    SK_TASK_DAEMONSET,
    SK_TASK_POD,
    SK_TASK_HPA,
    SK_TASK_COLLECT,   /* an object whose owners may be gone */
    SK_TASK_NAMESPACE, /* a namespace being deleted, or new */
    SK_TASK_CRD,       /* a CRD to be established, or being deleted */
    SK_TASK_LATE,      /* a request that arrives late */
    SK_TASK_WORLD,     /* the caller's own */
};

struct sk_task {
    int64_t at_ms;
    uint64_t seq;
    enum sk_task_kind what;
    struct sk_kind *kind;
    char *key;
    void *data;
};

struct sk_map_entry {
    char *key;
    void *value;
};
struct sk_map {
    struct sk_map_entry *items;
    size_t count, used, cap;
};
void *sk_map_get(const struct sk_map *m, const char *key);
/* Insert or replace. Returns false when memory is out. */
bool sk_map_put(struct sk_map *m, const char *key, void *value);
void sk_map_remove(struct sk_map *m, const char *key);
void sk_map_release(struct sk_map *m, void (*free_value)(void *));

struct simkube {
    struct simkube_config config;
    int64_t now_ms, wall_offset_ms;
    uint64_t rv, random_counter, seq;
    struct sk_kind **kinds;
    size_t kind_count, kind_cap;
    struct sk_kind *namespaces, *pods, *services, *nodes, *deployments, *replicasets, *daemonsets,
        *hpas, *crds;
    struct sk_kind *roles, *bindings, *cluster_roles, *cluster_bindings, *endpoints;
    struct sk_shared *builtins;
    struct sk_map uids;
    struct sk_task *tasks;
    size_t task_count, task_cap;
    struct sk_map queued; /* tasks waiting, so that none is queued twice */
    struct {
        simkube_observer *call;
        void *ctx;
    } observers[8];
    size_t observer_count;
    struct simkube_watch *watches;
    uint32_t next_ip, next_port;
    struct simkube_faults faults;
    bool has_faults;
    uint64_t fault_counter;
    struct simkube_world world;
    const char *actor; /* who is writing */
    const char *actor_subresource;
    uint64_t request_number; /* of the request being answered */
    uint64_t calls;
};

/* 64 bits of stream `stream` at position `n` under the server's seed. */
uint64_t sk_random_at(const struct simkube *k, uint64_t stream, uint64_t n);
/* `len` characters of Kubernetes' safe alphabet. */
void sk_random_name(struct simkube *k, char *out, size_t len);
/* "2026-01-02T03:04:05Z" of the server's wall clock. */
void sk_timestamp(const struct simkube *k, char out[32]);
void sk_time_text(int64_t ms, char out[32]);
/* A resourceVersion as text. */
void sk_version_text(uint64_t rv, char out[24]);
/* Milliseconds of an RFC 3339 time, or false. */
bool sk_time_parse(const char *text, int64_t *ret_ms);

/* ---- store.c
 * ------------------------------------------------------------------------------------------------
 */

struct sk_object *sk_object_ref(struct sk_object *o);
void sk_object_unref(struct sk_object *o);
void sk_object_text(struct sk_object *o); /* make sure `text` is there */
struct sk_object *sk_find(const struct sk_kind *kind, const char *key);
struct sk_object *sk_find_name(const struct sk_kind *kind, const char *ns, const char *name);
size_t sk_lower_bound(const struct sk_kind *kind, const char *key);
/*
 * Store a change. `tree` is consumed (kept as the object's tree; metadata is completed by the
 * caller). SK_REMOVED: tree NULL. Returns the stored object (borrowed), or NULL when memory is out.
 */
struct sk_object *sk_commit(struct simkube *k, struct sk_kind *kind, enum sk_change change,
                            struct sk_object *before, cJSON *tree);
/* The objects as of version `rv` (0 = now) as a referenced array the caller frees with
 * sk_snapshot_free; -ESTALE when gone. */
int sk_snapshot(struct sk_kind *kind, uint64_t rv, struct sk_object ***ret_items,
                size_t *ret_count);
void sk_snapshot_free(struct sk_object **items, size_t count);
void sk_kind_release(struct sk_kind *kind);
/* Enter an object into the table of uids and owners. */
void sk_identify(struct simkube *k, const struct sk_object *o);
void sk_log_drop(struct sk_kind *kind);

/* ---- internal writes by controllers
 * ----------------------------------------------------------------------------- */

/* A copy of a stored object's tree to change and hand to sk_update. */
cJSON *sk_edit(const struct sk_object *o);
/*
 * As sk_edit, but `spec` is lent by the stored object and must not be changed: most writes are to
 * the status, and a spec is most of an object. sk_commit keeps the lender alive.
 */
cJSON *sk_edit_status(const struct sk_object *o);
/* As sk_edit_status, without the old status. */
cJSON *sk_edit_new_status(const struct sk_object *o);
/* Equal as JSON values; what both show of one lender is not looked at. */
bool sk_tree_equal(const cJSON *a, const cJSON *b);
/* Store a changed copy as `actor`: generation and resourceVersion are kept; nothing happens when it
 * is equal. */
struct sk_object *sk_update(struct simkube *k, const char *actor, struct sk_object *o, cJSON *tree,
                            bool status);
struct sk_object *sk_create(struct simkube *k, const char *actor, struct sk_kind *kind,
                            cJSON *tree);
/* Delete as a controller: finalizers are honoured. `policy`: "Background", "Foreground", "Orphan".
 */
void sk_delete(struct simkube *k, const char *actor, struct sk_object *o, const char *policy);
/* Remove an object whose last finalizer is gone. */
void sk_remove_now(struct simkube *k, struct sk_object *o);
bool sk_has_finalizer(const cJSON *tree, const char *name);
bool sk_drop_finalizer(cJSON *tree, const char *name);
struct sk_uid *sk_uid_entry(const struct simkube *k, const char *uid);

/* ---- tasks (tasks.c)
 * --------------------------------------------------------------------------------------------- */

/* Queue a task; one of the same kind, resource and key that is due no later makes it superfluous.
 */
void sk_task_add(struct simkube *k, int64_t at_ms, enum sk_task_kind what, struct sk_kind *kind,
                 const char *key, void *data);
/* Make a heap of the tasks again. */
void sk_tasks_repair(struct simkube *k);
void sk_task_run(struct simkube *k, const struct sk_task *t);
/* A change was stored: wake the controllers that care. */
void sk_controllers_notice(struct simkube *k, const struct sk_event *e);
void sk_collector_notice(struct simkube *k, const struct sk_event *e);
void sk_collect(struct simkube *k, struct sk_kind *kind, const char *key);
void sk_namespace_sync(struct simkube *k, const char *key);
void sk_crd_sync(struct simkube *k, const char *key);

/* ---- kinds
 * -----------------------------------------------------------------------------------------------------------
 */

int sk_kinds_init(struct simkube *k);
/* Find the kinds the server itself works with. */
void sk_kinds_bind(struct simkube *k);
struct sk_kind *sk_kind_find(const struct simkube *k, const char *group, const char *plural);
struct sk_kind *sk_kind_add(struct simkube *k);
const struct sk_version *sk_kind_version(const struct sk_kind *kind, const char *version);
/* The version objects are stored in. */
const struct sk_version *sk_kind_storage(const struct sk_kind *kind);
/* "deployments.apps", "services". */
void sk_kind_qualified(const struct sk_kind *kind, char *out, size_t size);
/* Serve a CRD (its object's tree is copied). */
int sk_crd_install(struct simkube *k, const cJSON *crd);
void sk_crd_withdraw(struct simkube *k, const char *name);

/* ---- what a kind's strategy does (defaults.c, validate.c)
 * ---------------------------------------------------------- */

void sk_apply_defaults(struct simkube *k, const struct sk_kind *kind, const struct sk_version *v,
                       cJSON *tree, const cJSON *old);
void sk_validate(const struct simkube *k, const struct sk_kind *kind, const struct sk_version *v,
                 const cJSON *tree, const cJSON *old, struct sk_findings *out);
/* A custom resource's status alone, as written through its own door. */
void sk_validate_status(const struct sk_version *v, const cJSON *tree, struct sk_findings *out);
/* After findings that keep a server from evaluating CEL rules, it says so. */
void sk_findings_note_rules(const struct sk_schema *root, struct sk_findings *f);
/* Findings in the order of their fields. */
void sk_findings_sort(struct sk_findings *f);
/* Fields the server sets when an object is created: cluster addresses, phases. */
void sk_prepare_create(struct simkube *k, const struct sk_kind *kind, cJSON *tree);

/* ---- patches (patch.c)
 * --------------------------------------------------------------------------------------------- */

/* Apply a JSON patch; `target` is consumed. NULL and a text on failure, *ret_status the HTTP
 * status. */
cJSON *sk_json_patch(cJSON *target, const cJSON *patch, int *ret_status, struct strbuf *ret_text);
/* Strategic merge by the schema's list keys; `target` is consumed. */
cJSON *sk_strategic_merge(const struct sk_schema *s, cJSON *target, const cJSON *patch);
/* Server-side apply without field owners: everything named is set, nothing is taken away. */
cJSON *sk_apply_merge(const struct sk_schema *s, cJSON *target, const cJSON *patch);

/* ---- selectors (select.c)
 * ------------------------------------------------------------------------------------------- */

struct sk_selector;
/* Parse a labelSelector and a fieldSelector (either may be NULL). NULL and a text when one is
 * malformed. */
struct sk_selector *sk_selector_new(const struct sk_kind *kind, const char *labels,
                                    const char *fields, struct strbuf *ret_text);
void sk_selector_free(struct sk_selector *s);
bool sk_selector_matches(const struct sk_selector *s, const cJSON *tree);
bool sk_selector_is_empty(const struct sk_selector *s);
/* matchLabels and matchExpressions of a LabelSelector object. */
bool sk_label_selector_matches(const cJSON *selector, const cJSON *labels);

/* ---- answers (reply.c, table.c, discovery.c, rbac.c)
 * ------------------------------------------------------------- */

void sk_reply_status(struct simkube_reply *r, int code, const char *reason, const cJSON *details,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));
cJSON *sk_details(const struct sk_kind *kind, const char *name);
void sk_reply_invalid(struct simkube_reply *r, const struct sk_kind *kind, const char *name,
                      struct sk_findings *f);
/* As sk_reply_invalid, naming something else than the kind. */
void sk_reply_invalid_as(struct simkube_reply *r, const struct sk_kind *kind, const char *what,
                         const char *name, struct sk_findings *f);
/* The object with `kind` and `apiVersion` of the version asked for. */
void sk_object_add_to(struct strbuf *b, struct sk_object *o, const struct sk_version *v);
void sk_object_add_tree(struct strbuf *b, const cJSON *tree, const struct sk_kind *kind,
                        const struct sk_version *v);
/* PartialObjectMetadata of an object. */
void sk_object_add_metadata(struct strbuf *b, struct sk_object *o);
/* A Table: columns (with_columns) and one row per object. */
void sk_table_add_to(const struct simkube *k, struct strbuf *b, const struct sk_kind *kind,
                     const struct sk_version *v, struct sk_object *const *items, size_t count,
                     bool with_columns, const char *include, const char *metadata);
/* True when the path was one of discovery's. */
bool sk_discovery(struct simkube *k, const char *path, const struct simkube_request *req,
                  struct simkube_reply *r);
bool sk_may(const struct simkube *k, const char *user, const char *verb, const char *group,
            const char *resource, const char *subresource, const char *ns, const char *name);

/* ---- watches (watch.c)
 * ------------------------------------------------------------------------------------------------
 */

enum sk_form { SK_FORM_FULL, SK_FORM_METADATA, SK_FORM_TABLE };

struct simkube_watch {
    struct simkube_watch *next;
    struct sk_kind *kind;
    const struct sk_version *version;
    struct sk_selector *selector;
    char *ns, *include;
    enum sk_form form;
    uint64_t cursor;  /* next event of the log */
    uint64_t told_rv; /* newest version said in a bookmark */
    uint64_t initial_rv;
    int64_t end_ms, bookmark_ms;
    bool bookmarks, broken, expired, sent_columns, initial_end, ended;
    struct sk_object **initial; /* what it begins with, told once */
    size_t initial_count;
};

struct sk_watch_spec {
    struct simkube *k;
    struct sk_kind *kind;
    const struct sk_version *version;
    struct sk_selector *selector; /* consumed */
    const char *ns, *include;
    enum sk_form form;
    uint64_t rv; /* events after this version; 0 = from now */
    bool initial, initial_end, bookmarks;
    int64_t timeout_s;
};
struct simkube_watch *sk_watch_open(const struct sk_watch_spec *spec);

#endif
