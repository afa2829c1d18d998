/* What the operator sees of the cluster, and how it writes: caches in front, the API behind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/operator/internal.h"
#include "adapters/router/resources.h"
#include "engine/plant.h"

/* ---- feeds -------------------------------------------------------------------------------------
 */

static uint16_t place_of(const struct feed *f, const char *ns, const char *name)
{
    uint64_t hash = f->seed;

    for (const char *c = ns ? ns : ""; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    hash *= 1099511628211u;
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return (uint16_t)((hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48) % CHANGE_PLACES);
}

void world_changed(struct feed *f, const struct kube_entry *entry)
{
    struct operator* o = f->op;

    o->changes[place_of(f, entry->ns, entry->name)]++;
    o->news = true;
    if (o->jobs.asleep_count == 0 || o->stirred)
        return;
    o->stirred = true;
    o->stirred_ms = o->o.clock->mono_ms(o->o.clock->self);
    gate_notify(o->o.tasks, &o->wake);
}

void world_depend(struct tick *t, const struct feed *f, const char *ns, const char *name)
{
    uint16_t place = place_of(f, ns, name);

    for (size_t i = 0; i < t->read_count; i++) {
        if (t->reads[i].place == place)
            return;
    }
    if (t->read_count == t->read_cap) {
        size_t cap = t->read_cap ? t->read_cap * 2 : 16;
        struct read *reads = arena_alloc(t->arena, cap * sizeof(*reads));

        if (reads == NULL) {
            t->reads_lost = true;
            return;
        }
        if (t->read_count > 0)
            memcpy(reads, t->reads, t->read_count * sizeof(*reads));
        t->reads = reads;
        t->read_cap = cap;
    }
    t->reads[t->read_count++] = (struct read){place, t->op->changes[place]};
}

bool job_is_settled(const struct job *j)
{
    for (size_t i = 0; i < j->read_count; i++) {
        if (j->op->changes[j->reads[i].place] != j->reads[i].changes)
            return false;
    }
    return true;
}

void world_rest(struct operator* o, bool all)
{
    for (struct feed *f = o->feeds; f; f = f->next)
        kube_cache_cool(f->cache, all);
}

/* Those who wait for what it holds look again; for the first lists the schedule waits, too. */
static void feed_told(struct feed *f, bool failing)
{
    f->failing = failing;
    gate_notify(f->op->o.tasks, &f->changed);
    if (!f->op->synced)
        gate_notify(f->op->o.tasks, &f->op->wake);
}

static void on_feed_change(void *ctx, enum watch_event type, const struct kube_entry *entry)
{
    struct feed *f = ctx;

    (void)type;
    world_changed(f, entry);
    feed_told(f, false);
}

static void on_feed_synced(void *ctx)
{
    feed_told(ctx, false);
}

static void on_feed_failure(void *ctx, const struct kube_error *error, int64_t pause_ms)
{
    struct feed *f = ctx;

    if (!f->failing)
        op_log(f->op, LEVEL_WARN, HERE, NULL, "watching %s failed: %s (trying again in %lld ms)",
               f->kube.plural, error->message, (long long)pause_ms);
    feed_told(f, true);
}

static bool keep_object(void *ctx, cJSON *object)
{
    const struct feed *f = ctx;
    cJSON *metadata = json_get(object, "metadata");

    if (f->metadata_only) {
        json_remove(metadata, "labels");
        json_remove(metadata, "annotations");
        json_remove(metadata, "ownerReferences");
    }
    return true;
}

static void run_feed(void *arg)
{
    struct feed *f = arg;

    kube_cache_run(f->cache);
    f->ended = true;
    gate_notify(f->op->o.tasks, &f->changed);
    gate_notify(f->op->o.tasks, &f->op->wake);
}

/* Kinds of meshes may live in another cluster's API. */
static bool is_mesh_resource(const struct resource *r)
{
    return strchr(r->group, '.') != NULL && strcmp(r->group, "networking.k8s.io") != 0 &&
           strcmp(r->group, "flagger.app") != 0 && strcmp(r->group, "keda.sh") != 0 &&
           strcmp(r->group, "serving.knative.dev") != 0;
}

/* `ns`: of this namespace alone; NULL = all that the operator watches. */
static struct feed *
feed_open(struct operator* o, const struct resource *r, bool metadata_only, const char *ns,
          void (*on_change)(void *ctx, enum watch_event type, const struct kube_entry *entry))
{
    struct feed *f = calloc(1, sizeof(*f));
    struct kube_cache_options options;

    if (f == NULL)
        return NULL;
    f->op = o;
    f->resource = r;
    f->kube = (struct kube_resource){r->group, r->version, r->plural, r->kind, r->cluster_scoped};
    f->client = is_mesh_resource(r) && o->o.mesh_kube ? o->o.mesh_kube : o->o.kube;
    f->metadata_only = metadata_only;
    f->ns = ns ? strdup(ns) : NULL;
    f->seed = text_revision(r->plural) ^ text_revision(r->group);
    options = (struct kube_cache_options){
        .watch = {.resource = &f->kube,
                  .ns = r->cluster_scoped ? NULL
                        : f->ns           ? f->ns
                                          : o->o.ns,
                  .metadata_only = metadata_only},
        .keep = keep_object,
        .on_change = on_change ? on_change : on_feed_change,
        .on_synced = on_feed_synced,
        .on_failure = on_feed_failure,
        .ctx = f,
    };
    f->cache = kube_cache_new(f->client, &options);
    if (f->cache != NULL)
        f->task = task_spawn(o->o.tasks, run_feed, f);
    if (f->task == 0) {
        kube_cache_free(f->cache);
        free(f->ns);
        free(f);
        return NULL;
    }
    f->next = o->feeds;
    o->feeds = f;
    return f;
}

struct feed *feed_start(struct operator* o, const struct resource *r, bool metadata_only,
                        void (*on_change)(void *ctx, enum watch_event type,
                                          const struct kube_entry *entry))
{
    return feed_open(o, r, metadata_only, NULL, on_change);
}

struct feed *feed_find(struct operator* o, const struct resource *r, bool metadata_only,
                       const char *ns)
{
    for (struct feed *f = o->feeds; f; f = f->next) {
        if (strcmp(f->kube.plural, r->plural) == 0 && strcmp(f->kube.group, r->group) == 0 &&
            strcmp(f->kube.version, r->version) == 0 &&
            (f->ns == NULL || (ns && strcmp(f->ns, ns) == 0)))
            return f;
    }
    return feed_open(o, r, metadata_only, ns, NULL);
}

void world_foresee(struct tick *t)
{
    static const struct resource *const targets[] = {[TARGET_DEPLOYMENT] = &RESOURCE_DEPLOYMENT,
                                                     [TARGET_DAEMONSET] = &RESOURCE_DAEMONSET,
                                                     [TARGET_SERVICE] = &RESOURCE_SERVICE};
    unsigned kind = t->spec->target_kind;

    if (kind >= sizeof(targets) / sizeof(targets[0]) || targets[kind] == NULL)
        return;
    (void)feed_find(t->op, targets[kind], false, NULL);
    (void)feed_find(t->op, &RESOURCE_SERVICE, false, NULL);
}

/* Wait until a feed holds its kind; false when that fails for now. */
static bool feed_is_usable(struct feed *f)
{
    while (!kube_cache_has_synced(f->cache) && !f->failing && !f->ended) {
        if (gate_wait(f->op->o.tasks, &f->changed, 30000) != 0)
            return false;
    }
    return kube_cache_has_synced(f->cache) && !f->ended;
}

void feeds_stop(struct operator* o)
{
    for (struct feed *f = o->feeds; f; f = f->next) {
        kube_cache_stop(f->cache);
        task_cancel(o->o.tasks, f->task);
    }
}

/* Namespaces whose last Canary has gone are not looked at any more. */
void feeds_trim(struct operator* o)
{
    for (struct feed **at = &o->feeds; *at;) {
        struct feed *f = *at;
        bool wanted = f->ns == NULL || jobs_any_in(&o->jobs, f->ns);

        if (!wanted && f->ended) {
            *at = f->next;
            kube_cache_free(f->cache);
            free(f->ns);
            free(f);
            continue;
        }
        if (!wanted && !f->stopped) {
            f->stopped = true;
            kube_cache_stop(f->cache);
            task_cancel(o->o.tasks, f->task);
        }
        at = &f->next;
    }
}

bool feeds_ended(const struct operator* o)
{
    for (const struct feed *f = o->feeds; f; f = f->next) {
        if (!f->ended)
            return false;
    }
    return true;
}

void feeds_free(struct operator* o)
{
    while (o->feeds) {
        struct feed *next = o->feeds->next;

        kube_cache_free(o->feeds->cache);
        free(o->feeds->ns);
        free(o->feeds);
        o->feeds = next;
    }
}

/* The tree that a cache holds of just this version: an answer says no more. */
static cJSON *recall(void *ctx, const struct kube_resource *r, const char *ns, const char *name,
                     const char *version)
{
    struct operator* o = ctx;
    const struct kube_entry *entry;
    struct feed *f = o->feeds;

    while (f && &f->kube != r &&
           (strcmp(f->kube.plural, r->plural) != 0 || strcmp(f->kube.group, r->group) != 0 ||
            strcmp(f->kube.version, r->version) != 0))
        f = f->next;
    if (f == NULL || f->metadata_only)
        return NULL;
    entry = kube_cache_get(f->cache, ns, name);
    if (entry == NULL || strcmp(entry->resource_version, version) != 0)
        return NULL;
    return kube_cache_read(f->cache, ns, name);
}

void world_recall(struct operator* o)
{
    kube_client_recall(o->o.kube, recall, o);
    if (o->o.mesh_kube)
        kube_client_recall(o->o.mesh_kube, recall, o);
}

void world_forget(struct operator* o)
{
    kube_client_recall(o->o.kube, NULL, NULL);
    if (o->o.mesh_kube)
        kube_client_recall(o->o.mesh_kube, NULL, NULL);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int get_fresh(struct feed *f, const char *ns, const char *name, cJSON **ret_object,
                     struct strbuf *reterr_text)
{
    struct kube_error error;
    int code = kube_get(f->client, &f->kube, ns, name, ret_object, &error);

    if (code != 0)
        strbuf_adds(reterr_text, error.message);
    else if (!f->metadata_only)
        kube_cache_observe(f->cache, *ret_object);
    return code;
}

int world_get(void *self, const struct resource *r, const char *ns, const char *name,
              cJSON **ret_object, struct strbuf *reterr_text)
{
    struct tick *t = self;
    bool config = r == &RESOURCE_CONFIGMAP || r == &RESOURCE_SECRET;
    struct feed *f = feed_find(t->op, r, config, config ? ns : NULL);

    *ret_object = NULL;
    if (f == NULL)
        return -ENOMEM;
    if (t->fresh || t->first || config || !feed_is_usable(f)) {
        t->reads_lost = true;
        return get_fresh(f, ns, name, ret_object, reterr_text);
    }
    world_depend(t, f, r->cluster_scoped ? "" : ns, name);
    *ret_object = kube_cache_read(f->cache, r->cluster_scoped ? "" : ns, name);
    if (*ret_object != NULL)
        return 0;
    resource_not_found(r, name, reterr_text);
    return -ENOENT;
}

static struct config_memo *memo_of(struct operator* o, const char *key)
{
    struct config_memo *memos;
    size_t low = 0, high = o->memo_count;
    char *copy;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(o->memos[middle].key, key);

        if (order == 0)
            return &o->memos[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (o->memo_count == o->memo_cap) {
        size_t cap = o->memo_cap ? o->memo_cap * 2 : 8;

        memos = realloc(o->memos, cap * sizeof(*memos));
        if (memos == NULL)
            return NULL;
        o->memos = memos;
        o->memo_cap = cap;
    }
    copy = strdup(key);
    if (copy == NULL)
        return NULL;
    memmove(&o->memos[low + 1], &o->memos[low], (o->memo_count - low) * sizeof(*memos));
    o->memo_count++;
    o->memos[low] = (struct config_memo){.key = copy};
    return &o->memos[low];
}

static int read_config(struct tick *t, const struct resource *r, const char *ns, const char *name,
                       struct config_facts *ret_facts, cJSON **ret_object,
                       struct strbuf *reterr_text)
{
    int code = world_get(t, r, ns, name, ret_object, reterr_text);

    if (code == 0)
        config_facts_of(*ret_object, r == &RESOURCE_SECRET,
                        !cluster_has(t->op->o.cluster, CLUSTER_BINARY_DATA), ret_facts);
    return code;
}

/* Facts of a config: asked of the API only when the watch shows another version than last time. */
int world_config(void *self, const struct resource *r, const char *ns, const char *name,
                 struct config_facts *ret_facts, struct strbuf *reterr_text)
{
    struct tick *t = self;
    struct feed *f = feed_find(t->op, r, true, ns);
    const struct kube_entry *entry;
    struct strbuf key = STRBUF_INIT;
    struct config_memo *memo;
    cJSON *object = NULL;
    int code;

    if (f == NULL || t->fresh || t->first || !feed_is_usable(f)) {
        code = read_config(t, r, ns, name, ret_facts, &object, reterr_text);
        json_free(object);
        return code;
    }
    world_depend(t, f, ns, name);
    entry = kube_cache_get(f->cache, ns, name);
    if (entry == NULL) {
        resource_not_found(r, name, reterr_text);
        return -ENOENT;
    }
    strbuf_addf(&key, "%s/%s/%s", r->plural, ns, name);
    memo = memo_of(t->op, strbuf_str(&key));
    if (memo && memo->version && strcmp(memo->version, entry->resource_version) == 0) {
        *ret_facts = memo->facts;
        strbuf_release(&key);
        return 0;
    }
    code = read_config(t, r, ns, name, ret_facts, &object, reterr_text);
    memo = memo_of(t->op, strbuf_str(&key)); /* the list may have moved meanwhile */
    if (code == 0 && memo) {
        const char *version = json_str(json_get(object, "metadata"), "resourceVersion");

        free(memo->version);
        memo->version = version ? strdup(version) : NULL;
        memo->facts = *ret_facts;
    }
    json_free(object);
    strbuf_release(&key);
    return code;
}

int secret_value(struct tick *t, const char *ns, const char *name, cJSON **ret_secret,
                 struct strbuf *reterr_text)
{
    struct kube_error error;
    int code = kube_get(t->op->o.kube, &kube_secrets, ns, name, ret_secret, &error);

    if (code != 0)
        strbuf_adds(reterr_text, error.message);
    return code;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static int send(struct feed *f, const struct router_write *w, cJSON **ret_object,
                struct kube_error *reterr)
{
    switch (w->verb) {
    case ROUTER_POST:
        return kube_create(f->client, &f->kube, w->object, ret_object, reterr);
    case ROUTER_PUT:
        return kube_update(f->client, &f->kube, w->object, ret_object, reterr);
    case ROUTER_PATCH:
        return kube_patch(f->client, &f->kube, w->ns, w->name, NULL, KUBE_PATCH_MERGE, w->object,
                          ret_object, reterr);
    case ROUTER_DELETE:
        break;
    }
    return kube_delete(f->client, &f->kube, w->ns, w->name, NULL, NULL, NULL, reterr);
}

int world_write(void *self, const struct router_write *w, struct strbuf *reterr_text)
{
    struct tick *t = self;
    bool config = w->resource == &RESOURCE_CONFIGMAP || w->resource == &RESOURCE_SECRET;
    struct feed *f = feed_find(t->op, w->resource, config, config ? w->ns : NULL);
    cJSON *object = NULL;
    struct kube_error error;
    int code;

    if (f == NULL)
        return -ENOMEM;
    t->wrote = true;
    if (PLANTED(NO_VERSION))
        json_remove(json_get(w->object, "metadata"), "resourceVersion");
    code = send(f, w, &object, &error);
    if (code == 0) {
        if (object != NULL && !f->metadata_only && !t->op->o.dry_run)
            kube_cache_observe(f->cache, object);
        json_free(object);
        return 0;
    }
    if (PLANTED(CONFLICT_IS_SUCCESS) && error.reason == KUBE_CONFLICT)
        return 0;
    strbuf_adds(reterr_text, error.message);
    return error.reason == KUBE_CONFLICT || error.reason == KUBE_ALREADY_EXISTS ? -EAGAIN : code;
}
