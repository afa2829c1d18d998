#include "adapters/kube/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/squeeze.h"

/* Trees kept at most: those of the ticks under way, not those of a first list. */
#define TREES_MAX 304u

/* Half of them in a cache so large that, were all of it read in turn, none would be found again. */
#define TREES_HALF_FROM (2 * TREES_MAX)

/* A cache of so many entries squeezes the texts of those that nobody reads. */
#define SQUEEZE_FROM 64u

/* Has a text, a squeezed one, or a tree; the tree while it is among the fresh ones. */
struct item {
    struct kube_entry entry; /* its texts follow in the same block */
    uint32_t list;           /* the list that had it last */
    uint32_t bytes;
    char *text;
    struct squeezed squeezed;
    cJSON *tree;
    bool touched;                 /* read since kube_cache_cool was called last */
    struct item *older, *fresher; /* among the trees */
};

struct kube_cache {
    struct kube_client *client;
    const struct clock *clock;
    struct kube_cache_options options;
    struct watch_sink sink;
    struct item **items; /* by namespace, then name */
    size_t count, cap, bytes;
    struct item *oldest, *freshest; /* of those with trees, by the last time they were read */
    size_t tree_count;
    char *model; /* what squeezed texts are told apart from: the first of them */
    size_t model_len;
    uint32_t list;
    char *version; /* everything up to it has been seen */
    int64_t heard_ms;
    bool synced, stop, failed;
};

/* ---- the ordered table
 * ---------------------------------------------------------------------------------- */

static int compare(const struct kube_entry *e, const char *ns, const char *name)
{
    int r = strcmp(e->ns, ns);

    return r ? r : strcmp(e->name, name);
}

/* Where it is, or where it would be. */
static size_t find(const struct kube_cache *c, const char *ns, const char *name, bool *ret_found)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&c->items[middle]->entry, ns, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = low < c->count && compare(&c->items[low]->entry, ns, name) == 0;
    return low;
}

static char *place(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *start = *at;

    memcpy(start, text, size);
    *at += size;
    return start;
}

static struct item *item_new(const char *ns, const char *name, const char *uid, const char *version)
{
    size_t bytes =
        sizeof(struct item) + strlen(ns) + strlen(name) + strlen(uid) + strlen(version) + 4;
    struct item *i = malloc(bytes);
    char *at;

    if (!i)
        return NULL;
    memset(i, 0, sizeof(*i));
    at = (char *)(i + 1);
    i->entry.ns = place(&at, ns);
    i->entry.name = place(&at, name);
    i->entry.uid = place(&at, uid);
    i->entry.resource_version = place(&at, version);
    i->bytes = (uint32_t)bytes;
    return i;
}

/* ---- trees
 * ------------------------------------------------------------------------------------------ */

static void tree_unlink(struct kube_cache *c, struct item *i)
{
    *(i->older ? &i->older->fresher : &c->oldest) = i->fresher;
    *(i->fresher ? &i->fresher->older : &c->freshest) = i->older;
    i->older = i->fresher = NULL;
    c->tree_count--;
}

static void tree_link(struct kube_cache *c, struct item *i)
{
    i->older = c->freshest;
    *(c->freshest ? &c->freshest->fresher : &c->oldest) = i;
    c->freshest = i;
    c->tree_count++;
}

static void tree_drop(struct kube_cache *c, struct item *i)
{
    if (i->tree == NULL)
        return;
    tree_unlink(c, i);
    json_free(i->tree);
    i->tree = NULL;
}

static void count_bytes(struct kube_cache *c, struct item *i, size_t bytes)
{
    i->bytes += (uint32_t)bytes;
    c->bytes += bytes;
}

static bool item_squeeze(struct kube_cache *c, struct item *i, const char *text)
{
    size_t len = strlen(text);

    if (c->count < SQUEEZE_FROM)
        return false;
    if (c->model == NULL) {
        c->model = strdup(text);
        if (c->model == NULL)
            return false;
        c->model_len = len;
    }
    if (!squeeze(text, len, c->model, c->model_len, &i->squeezed))
        return false;
    count_bytes(c, i, i->squeezed.size);
    return true;
}

/* As it is, in a block of its size: the buffer it was printed to is larger. */
static bool item_copy(struct kube_cache *c, struct item *i, const char *text)
{
    i->text = strdup(text);
    if (i->text == NULL)
        return false;
    count_bytes(c, i, strlen(text) + 1);
    return true;
}

static bool item_print(struct kube_cache *c, struct item *i)
{
    char *text = json_print(i->tree);
    bool kept = text && (item_squeeze(c, i, text) || item_copy(c, i, text));

    free(text);
    return kept;
}

/* Keep the text alone. False when memory is out: then the tree stays. */
static bool item_cool(struct kube_cache *c, struct item *i)
{
    if (i->text == NULL && i->squeezed.bytes == NULL && !item_print(c, i))
        return false;
    tree_drop(c, i);
    return true;
}

/* A text of one's own, from what there is. */
static char *item_text(const struct kube_cache *c, const struct item *i)
{
    if (i->text)
        return strdup(i->text);
    if (i->squeezed.bytes)
        return unsqueeze(&i->squeezed, c->model, c->model_len);
    return json_print(i->tree);
}

static cJSON *item_parse(const struct kube_cache *c, const struct item *i)
{
    char *text = i->text ? i->text : item_text(c, i);
    cJSON *tree = text ? json_parse(text, strlen(text), NULL) : NULL;

    if (text != i->text)
        free(text);
    return tree;
}

static void cool_oldest(struct kube_cache *c)
{
    size_t max = c->count < TREES_HALF_FROM ? TREES_MAX : TREES_MAX / 2;

    while (c->tree_count > max && item_cool(c, c->oldest))
        ;
}

/* The tree of an entry, freshest from now on. */
static cJSON *item_tree(struct kube_cache *c, struct item *i)
{
    i->touched = true;
    if (i->tree == NULL) {
        i->tree = item_parse(c, i);
        if (i->tree == NULL)
            return NULL;
        tree_link(c, i);
        cool_oldest(c);
    } else if (c->freshest != i) {
        tree_unlink(c, i);
        tree_link(c, i);
    }
    return i->tree;
}

void kube_cache_cool(struct kube_cache *c, bool all)
{
    struct item *i = c->oldest, *fresher;

    for (; i; i = fresher) {
        fresher = i->fresher;
        if (all || !i->touched)
            (void)item_cool(c, i);
        i->touched = false;
    }
}

static void item_free(struct kube_cache *c, struct item *i)
{
    tree_drop(c, i);
    free(i->text);
    free(i->squeezed.bytes);
    free(i);
}

static int insert(struct kube_cache *c, size_t at, struct item *i)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 16;
        struct item **items = realloc(c->items, cap * sizeof(struct item *));
        if (!items)
            return -ENOMEM;
        c->items = items;
        c->cap = cap;
    }
    memmove(&c->items[at + 1], &c->items[at], (c->count - at) * sizeof(struct item *));
    c->items[at] = i;
    c->count++;
    c->bytes += i->bytes;
    return 0;
}

static void tell(struct kube_cache *c, enum watch_event type, const struct item *i)
{
    if (c->options.on_change)
        c->options.on_change(c->options.ctx, type, &i->entry);
}

static void remove_at(struct kube_cache *c, size_t at)
{
    struct item *i = c->items[at];

    c->count--;
    memmove(&c->items[at], &c->items[at + 1], (c->count - at) * sizeof(struct item *));
    tell(c, WATCH_DELETED, i);
    c->bytes -= i->bytes;
    item_free(c, i);
}

/* ---- what comes in
 * ------------------------------------------------------------------------------------------ */

static void heard(struct kube_cache *c)
{
    c->heard_ms = c->clock->mono_ms(c->clock->self);
}

static void saw_version(struct kube_cache *c, const char *version)
{
    char *copy;

    if (!version || !*version || (c->version && kube_version_compare(version, c->version) <= 0))
        return;
    copy = strdup(version);
    if (!copy)
        return; /* has_seen stays pessimistic */
    free(c->version);
    c->version = copy;
}

static const char *meta_of(const cJSON *object, const char *name)
{
    return json_str_or(json_get(object, "metadata"), name, "");
}

/*
 * Replace or add; `object` is trimmed in place, and shared. 0, or -ENOMEM with the old entry still
 * there.
 */
static int store(struct kube_cache *c, cJSON *object)
{
    const char *ns = meta_of(object, "namespace"), *name = meta_of(object, "name");
    const char *version = meta_of(object, "resourceVersion");
    struct item *fresh, *old = NULL;
    bool found;
    size_t at = find(c, ns, name, &found);

    if (found) {
        int order = kube_version_compare(version, c->items[at]->entry.resource_version);
        c->items[at]->list = c->list;
        if (order <= 0)
            return 0; /* known, or older than a write of ours */
    }
    json_remove(json_get(object, "metadata"), "managedFields");
    if (c->options.keep && !c->options.keep(c->options.ctx, object)) {
        if (found)
            remove_at(c, at);
        return 0;
    }
    fresh = item_new(meta_of(object, "namespace"), meta_of(object, "name"), meta_of(object, "uid"),
                     meta_of(object, "resourceVersion"));
    if (!fresh)
        return -ENOMEM;
    fresh->list = c->list;
    if (found) {
        old = c->items[at];
        c->items[at] = fresh;
        c->bytes += fresh->bytes;
        c->bytes -= old->bytes;
        item_free(c, old);
    } else if (insert(c, at, fresh) != 0) {
        free(fresh);
        return -ENOMEM;
    }
    fresh->tree = json_share(object);
    fresh->touched = true;
    tree_link(c, fresh);
    tell(c, found ? WATCH_MODIFIED : WATCH_ADDED, fresh);
    cool_oldest(c);
    return 0;
}

static void sink_list_begin(void *ctx)
{
    struct kube_cache *c = ctx;

    c->list++;
}

static void sink_list_item(void *ctx, cJSON *object)
{
    struct kube_cache *c = ctx;

    if (*meta_of(object, "name") && store(c, object) != 0)
        c->failed = true;
    json_free(object);
}

static void sink_list_end(void *ctx, const char *version)
{
    struct kube_cache *c = ctx;
    size_t at = 0;

    heard(c);
    while (at < c->count) {
        struct item *i = c->items[at];
        /* What is newer than the list is a write of ours that it could not have. */
        if (i->list != c->list &&
            kube_version_compare(i->entry.resource_version, version ? version : "") <= 0)
            remove_at(c, at);
        else
            at++;
    }
    saw_version(c, version);
    if (!c->synced) {
        c->synced = true;
        if (c->options.on_synced)
            c->options.on_synced(c->options.ctx);
    }
}

static void forget(struct kube_cache *c, const cJSON *object)
{
    bool found;
    size_t at = find(c, meta_of(object, "namespace"), meta_of(object, "name"), &found);

    if (found && kube_version_compare(c->items[at]->entry.resource_version,
                                      meta_of(object, "resourceVersion")) <= 0)
        remove_at(c, at);
}

static void sink_changed(void *ctx, enum watch_event type, cJSON *object)
{
    struct kube_cache *c = ctx;
    char *version = strdup(meta_of(object, "resourceVersion"));

    heard(c);
    if (type == WATCH_DELETED)
        forget(c, object);
    else if (type != WATCH_BOOKMARK && *meta_of(object, "name") && store(c, object) != 0)
        c->failed = true;
    saw_version(c, version);
    free(version);
    json_free(object);
}

static bool sink_known(void *ctx, const char *ns, const char *name, const char *version)
{
    struct kube_cache *c = ctx;
    const struct kube_entry *e = kube_cache_get(c, ns, name);

    if (e == NULL || kube_version_compare(version, e->resource_version) > 0)
        return false;
    heard(c);
    saw_version(c, version);
    return true;
}

static void sink_failed(void *ctx, const struct kube_error *error, int64_t pause_ms)
{
    struct kube_cache *c = ctx;

    if (c->options.on_failure)
        c->options.on_failure(c->options.ctx, error, pause_ms);
}

/* ---- for the program
 * ------------------------------------------------------------------------------------------ */

struct kube_cache *kube_cache_new(struct kube_client *client,
                                  const struct kube_cache_options *options)
{
    struct kube_cache *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->client = client;
    c->clock = kube_client_clock(client);
    c->options = *options;
    c->heard_ms = -1;
    c->sink = (struct watch_sink){
        c, sink_list_begin, sink_list_item, sink_list_end, sink_changed, sink_known, sink_failed};
    return c;
}

void kube_cache_free(struct kube_cache *c)
{
    size_t i;

    if (!c)
        return;
    for (i = 0; i < c->count; i++)
        item_free(c, c->items[i]);
    free(c->items);
    free(c->model);
    free(c->version);
    free(c);
}

int kube_cache_run(struct kube_cache *c)
{
    return watch_run(c->client, &c->options.watch, &c->sink, &c->stop);
}

void kube_cache_stop(struct kube_cache *c)
{
    c->stop = true;
}

const struct watch_sink *kube_cache_sink(struct kube_cache *c)
{
    return &c->sink;
}

bool kube_cache_has_synced(const struct kube_cache *c)
{
    return c->synced;
}

int64_t kube_cache_heard_ms(const struct kube_cache *c)
{
    return c->heard_ms;
}

size_t kube_cache_count(const struct kube_cache *c)
{
    return c->count;
}

size_t kube_cache_bytes(const struct kube_cache *c)
{
    return c->bytes + c->cap * sizeof(struct item *);
}

const struct kube_entry *kube_cache_get(const struct kube_cache *c, const char *ns,
                                        const char *name)
{
    bool found;
    size_t at = find(c, ns ? ns : "", name, &found);

    return found ? &c->items[at]->entry : NULL;
}

const struct kube_entry *kube_cache_at(const struct kube_cache *c, size_t index)
{
    return index < c->count ? &c->items[index]->entry : NULL;
}

/* An entry is the first member of its item. */
static struct item *item_of(const struct kube_entry *entry)
{
    struct item *i;

    memcpy(&i, &entry, sizeof(i));
    return i;
}

const cJSON *kube_cache_look(struct kube_cache *c, const struct kube_entry *entry)
{
    return item_tree(c, item_of(entry));
}

char *kube_cache_text(const struct kube_cache *c, const struct kube_entry *entry)
{
    return item_text(c, item_of(entry));
}

cJSON *kube_cache_read(struct kube_cache *c, const char *ns, const char *name)
{
    bool found;
    size_t at = find(c, ns ? ns : "", name, &found);
    cJSON *tree = found ? item_tree(c, c->items[at]) : NULL;

    return tree ? json_share(tree) : NULL;
}

int kube_cache_observe(struct kube_cache *c, cJSON *object)
{
    const char *version = meta_of(object, "resourceVersion");

    if (!*meta_of(object, "name") || !*version)
        return -EINVAL;
    if (!kube_cache_get(c, meta_of(object, "namespace"), meta_of(object, "name")) && c->version &&
        kube_version_compare(version, c->version) <= 0)
        return 0; /* it has come and gone meanwhile */
    return store(c, object);
}

bool kube_cache_has_seen(const struct kube_cache *c, const char *ns, const char *name,
                         const char *resource_version)
{
    const struct kube_entry *e = kube_cache_get(c, ns, name);

    if (e && kube_version_compare(e->resource_version, resource_version) >= 0)
        return true;
    return c->version && kube_version_compare(c->version, resource_version) >= 0;
}
