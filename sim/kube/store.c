#include "sim/kube/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a map from text to pointer; nobody iterates it, so its order shows nowhere
 * -------------------------- */

static char tombstone[1];

static uint64_t text_hash(const char *s)
{
    uint64_t h = 1469598103934665603u;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h ^ (h >> 29);
}

static size_t map_slot(const struct sk_map *m, const char *key)
{
    size_t i = (size_t)text_hash(key) & (m->cap - 1);
    size_t free_slot = SIZE_MAX;

    for (;; i = (i + 1) & (m->cap - 1)) {
        const char *have = m->items[i].key;

        if (!have)
            return free_slot != SIZE_MAX ? free_slot : i;
        if (have == tombstone) {
            if (free_slot == SIZE_MAX)
                free_slot = i;
        } else if (strcmp(have, key) == 0) {
            return i;
        }
    }
}

void *sk_map_get(const struct sk_map *m, const char *key)
{
    const struct sk_map_entry *e;

    if (m->count == 0)
        return NULL;
    e = &m->items[map_slot(m, key)];
    return e->key && e->key != tombstone ? e->value : NULL;
}

static bool map_grow(struct sk_map *m)
{
    struct sk_map bigger = {0};

    bigger.cap = 64;
    while (bigger.cap < m->count * 4)
        bigger.cap *= 2;
    bigger.items = calloc(bigger.cap, sizeof(*bigger.items));
    if (!bigger.items)
        return false;
    for (size_t i = 0; i < m->cap; i++) {
        if (!m->items[i].key || m->items[i].key == tombstone)
            continue;
        bigger.items[map_slot(&bigger, m->items[i].key)] = m->items[i];
        bigger.count++;
        bigger.used++;
    }
    free(m->items);
    *m = bigger;
    return true;
}

bool sk_map_put(struct sk_map *m, const char *key, void *value)
{
    struct sk_map_entry *e;

    if (m->used * 2 >= m->cap && !map_grow(m))
        return false;
    e = &m->items[map_slot(m, key)];
    if (!e->key || e->key == tombstone) {
        bool fresh = !e->key;
        char *copy = strdup(key);

        if (!copy)
            return false;
        e->key = copy;
        m->count++;
        m->used += fresh;
    }
    e->value = value;
    return true;
}

void sk_map_remove(struct sk_map *m, const char *key)
{
    struct sk_map_entry *e;

    if (m->count == 0)
        return;
    e = &m->items[map_slot(m, key)];
    if (!e->key || e->key == tombstone)
        return;
    free(e->key);
    e->key = tombstone;
    e->value = NULL;
    m->count--;
}

void sk_map_release(struct sk_map *m, void (*free_value)(void *))
{
    for (size_t i = 0; i < m->cap; i++) {
        if (!m->items[i].key || m->items[i].key == tombstone)
            continue;
        if (free_value)
            free_value(m->items[i].value);
        free(m->items[i].key);
    }
    free(m->items);
    memset(m, 0, sizeof(*m));
}

/* ---- chance and time
 * --------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sk_random_at(const struct simkube *k, uint64_t stream, uint64_t n)
{
    uint64_t base = mix(k->config.seed + 0x9e3779b97f4a7c15u * (stream + 1));

    return mix(base + 0x9e3779b97f4a7c15u * (n + 1));
}

void sk_random_name(struct simkube *k, char *out, size_t len)
{
    static const char safe[] = "bcdfghjklmnpqrstvwxz2456789";
    uint64_t r = sk_random_at(k, 1, k->random_counter++);

    assert(len <= 10);
    for (size_t i = 0; i < len; i++) {
        out[i] = safe[r % (sizeof(safe) - 1)];
        r /= sizeof(safe) - 1;
    }
    out[len] = '\0';
}

/* Days since 1970 of a civil date, and back (proleptic Gregorian). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void put_digits(char *out, int64_t value, int count)
{
    for (int i = count; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
}

void sk_time_text(int64_t ms, char out[32])
{
    int64_t s = ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
    int64_t days = s >= 0 ? s / 86400 : -((-s + 86399) / 86400);
    int64_t rest = s - days * 86400, z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2);

    if (year < 0 || year > 9999)
        year = 0;
    put_digits(out, year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    put_digits(out + 11, rest / 3600, 2);
    put_digits(out + 14, rest / 60 % 60, 2);
    put_digits(out + 17, rest % 60, 2);
    out[4] = out[7] = '-';
    out[10] = 'T';
    out[13] = out[16] = ':';
    out[19] = 'Z';
    out[20] = '\0';
}

void sk_timestamp(const struct simkube *k, char out[32])
{
    sk_time_text(k->now_ms + k->wall_offset_ms, out);
}

void sk_version_text(uint64_t rv, char out[24])
{
    char digits[24];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + rv % 10);
        rv /= 10;
    } while (rv > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    out[n] = '\0';
}

static bool digits(const char *s, size_t n, int64_t *ret)
{
    int64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (s[i] - '0');
    }
    *ret = v;
    return true;
}

bool sk_time_parse(const char *t, int64_t *ret_ms)
{
    int64_t y, mo, d, h, mi, s, ms = 0;
    size_t len = t ? strlen(t) : 0, i = 19;

    if (len < 20 || t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':')
        return false;
    if (!digits(t, 4, &y) || !digits(t + 5, 2, &mo) || !digits(t + 8, 2, &d) ||
        !digits(t + 11, 2, &h) || !digits(t + 14, 2, &mi) || !digits(t + 17, 2, &s))
        return false;
    if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60)
        return false;
    if (t[i] == '.') {
        int64_t scale = 100;

        for (i++; t[i] >= '0' && t[i] <= '9'; i++) {
            ms += (t[i] - '0') * scale;
            scale /= 10;
        }
    }
    if (t[i] == '+' || t[i] == '-') {
        int64_t oh, om;
        int64_t sign = t[i] == '-' ? 1 : -1;

        if (len < i + 6 || !digits(t + i + 1, 2, &oh) || t[i + 3] != ':' ||
            !digits(t + i + 4, 2, &om))
            return false;
        mi += sign * (oh * 60 + om);
    } else if (t[i] != 'Z' || t[i + 1]) {
        return false;
    }
    *ret_ms = ((days_of(y, mo, d) * 24 + h) * 60 + mi) * 60000 + s * 1000 + ms;
    return true;
}

/* ---- objects
 * -------------------------------------------------------------------------------------------------
 */

struct sk_object *sk_object_ref(struct sk_object *o)
{
    if (o)
        o->refs++;
    return o;
}

void sk_object_unref(struct sk_object *o)
{
    if (!o || --o->refs > 0)
        return;
    if (o->whole_lender) { /* all but the text is its */
        sk_object_unref(o->whole_lender);
    } else {
        json_free(o->tree);
        sk_object_unref(o->lender);
        free(o->key);
    }
    free(o->text);
    free(o->spec_text);
    free(o);
}

/* The text of a spec is made once for all versions that show it. */
static void add_spec(struct strbuf *b, struct sk_object *o, const cJSON *spec)
{
    while (o->lender || o->whole_lender)
        o = o->lender ? o->lender : o->whole_lender;
    if (!o->spec_text) {
        struct strbuf text = STRBUF_INIT;

        json_add_to(&text, spec);
        o->spec_len = text.len;
        o->spec_text = strbuf_detach(&text);
    }
    if (o->spec_text)
        strbuf_add(b, o->spec_text, o->spec_len);
}

void sk_object_text(struct sk_object *o)
{
    struct strbuf b = STRBUF_INIT;
    const cJSON *member = o->tree->child;
    const char *sep = "";

    if (o->text)
        return;
    for (; member; member = member->next) {
        if (strcmp(member->string, "kind") == 0 || strcmp(member->string, "apiVersion") == 0)
            continue;
        strbuf_adds(&b, sep);
        strbuf_add_json(&b, member->string, strlen(member->string));
        strbuf_addc(&b, ':');
        if (cJSON_IsObject(member) && strcmp(member->string, "spec") == 0)
            add_spec(&b, o, member);
        else
            json_add_to(&b, member);
        sep = ",";
    }
    strbuf_addc(&b, '}');
    o->text_len = b.len;
    o->text = strbuf_detach(&b);
    if (!o->text)
        o->text_len = 0;
}

/* What of its metadata is looked at again and again. */
static void note_metadata(struct sk_object *o, const cJSON *meta)
{
    const cJSON *ref;

    o->ns = json_str_or(meta, "namespace", "");
    o->name = json_str_or(meta, "name", "");
    o->uid = json_str_or(meta, "uid", "");
    o->deleting = json_get(meta, "deletionTimestamp") != NULL;
    o->owners = json_get(meta, "ownerReferences");
    cJSON_ArrayForEach(ref, o->owners)
    {
        if (json_bool(ref, "controller", false)) {
            o->controller_uid = json_str(ref, "uid");
            return;
        }
    }
}

static struct sk_object *object_new(struct sk_kind *kind, cJSON *tree, uint64_t rv)
{
    struct sk_object *o = calloc(1, sizeof(*o));
    const cJSON *meta = json_get(tree, "metadata");
    size_t ns_len, name_len;

    if (!o || !meta) {
        free(o);
        json_free(tree);
        return NULL;
    }
    o->refs = 1;
    o->kind = kind;
    o->tree = tree;
    o->rv = rv;
    note_metadata(o, meta);
    ns_len = strlen(o->ns);
    name_len = strlen(o->name);
    o->key = malloc(ns_len + name_len + 2);
    if (!o->key) {
        sk_object_unref(o);
        return NULL;
    }
    memcpy(o->key, o->ns, ns_len);
    o->key[ns_len] = '/';
    memcpy(o->key + ns_len + 1, o->name, name_len + 1);
    return o;
}

size_t sk_lower_bound(const struct sk_kind *kind, const char *key)
{
    size_t lo = 0, hi = kind->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (strcmp(kind->objects[mid]->key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct sk_object *sk_find(const struct sk_kind *kind, const char *key)
{
    size_t at = sk_lower_bound(kind, key);

    return at < kind->count && strcmp(kind->objects[at]->key, key) == 0 ? kind->objects[at] : NULL;
}

struct sk_object *sk_find_name(const struct sk_kind *kind, const char *ns, const char *name)
{
    char key[640];
    size_t ns_len = strlen(ns), name_len = strlen(name);

    if (!kind || ns_len + name_len + 2 > sizeof(key))
        return NULL;
    memcpy(key, ns, ns_len);
    key[ns_len] = '/';
    memcpy(key + ns_len + 1, name, name_len + 1);
    return sk_find(kind, key);
}

/* ---- the log
 * ---------------------------------------------------------------------------------------------------
 */

static void event_release(struct sk_event *e)
{
    sk_object_unref(e->before);
    sk_object_unref(e->after);
}

static void log_pop(struct sk_log *log)
{
    struct sk_event *e = &log->items[log->first % log->cap];

    log->gone_rv = e->rv;
    event_release(e);
    log->first++;
}

static bool log_push(struct sk_log *log, size_t cap, struct sk_event *e)
{
    if (log->end - log->first == log->cap) {
        if (log->cap >= cap) {
            log_pop(log);
        } else {
            size_t bigger = log->cap ? log->cap * 2 : 16;
            struct sk_event *items;

            if (bigger > cap)
                bigger = cap;
            items = calloc(bigger, sizeof(*items));
            if (!items)
                return false;
            for (uint64_t i = log->first; i < log->end; i++)
                items[i % bigger] = log->items[i % log->cap];
            free(log->items);
            log->items = items;
            log->cap = bigger;
        }
    }
    log->items[log->end++ % log->cap] = *e;
    return true;
}

void sk_log_drop(struct sk_kind *kind)
{
    while (kind->log.first < kind->log.end)
        log_pop(&kind->log);
}

struct sk_shared *sk_shared_new(size_t limit_bytes)
{
    struct sk_shared *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->refs = 1;
    s->arena = arena_new(limit_bytes);
    if (!s->arena) {
        free(s);
        return NULL;
    }
    return s;
}

void sk_shared_unref(struct sk_shared *s)
{
    if (!s || --s->refs > 0)
        return;
    for (size_t i = 0; i < s->root_count; i++)
        sk_schema_release(s->roots[i]);
    arena_free(s->arena);
    json_free(s->source);
    free(s);
}

void sk_kind_release(struct sk_kind *kind)
{
    sk_log_drop(kind);
    free(kind->log.items);
    for (size_t i = 0; i < kind->count; i++)
        sk_object_unref(kind->objects[i]);
    free(kind->objects);
    sk_shared_unref(kind->shared);
}

/* ---- owners
 * -------------------------------------------------------------------------------------------------------
 */

struct sk_uid *sk_uid_entry(const struct simkube *k, const char *uid)
{
    return sk_map_get(&k->uids, uid);
}

static struct sk_uid *uid_make(struct simkube *k, const char *uid)
{
    struct sk_uid *u = sk_map_get(&k->uids, uid);

    if (u)
        return u;
    u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    memcpy(u->uid, uid, strnlen(uid, sizeof(u->uid) - 1));
    if (!sk_map_put(&k->uids, uid, u)) {
        free(u);
        return NULL;
    }
    return u;
}

static void uid_drop_if_empty(struct simkube *k, struct sk_uid *u)
{
    if (u->kind || u->dependent_count > 0)
        return;
    sk_map_remove(&k->uids, u->uid);
    free(u->dependents);
    free(u->key);
    free(u);
}

static void dependent_add(struct sk_uid *u, const struct sk_object *o)
{
    if (u->dependent_count == u->dependent_cap) {
        size_t cap = u->dependent_cap ? u->dependent_cap * 2 : 4;
        struct sk_dependent *more = realloc(u->dependents, cap * sizeof(*more));

        if (!more)
            return;
        u->dependents = more;
        u->dependent_cap = cap;
    }
    u->dependents[u->dependent_count].kind = o->kind;
    u->dependents[u->dependent_count].key = strdup(o->key);
    if (u->dependents[u->dependent_count].key)
        u->dependent_count++;
}

static void dependent_remove(struct sk_uid *u, const struct sk_object *o)
{
    for (size_t i = 0; i < u->dependent_count; i++) {
        if (u->dependents[i].kind != o->kind || strcmp(u->dependents[i].key, o->key) != 0)
            continue;
        free(u->dependents[i].key);
        /* keep the order of creation: it is what controllers see */
        memmove(&u->dependents[i], &u->dependents[i + 1],
                (u->dependent_count - i - 1) * sizeof(u->dependents[0]));
        u->dependent_count--;
        return;
    }
}

static bool names_owner(const struct sk_object *o, const char *uid)
{
    const cJSON *ref;

    cJSON_ArrayForEach(ref, o->owners)
    {
        if (strcmp(json_str_or(ref, "uid", ""), uid) == 0)
            return true;
    }
    return false;
}

static void owners_update(struct simkube *k, const struct sk_object *before,
                          const struct sk_object *after)
{
    const cJSON *ref;

    if (before) {
        cJSON_ArrayForEach(ref, before->owners)
        {
            const char *uid = json_str_or(ref, "uid", "");
            struct sk_uid *u = sk_uid_entry(k, uid);

            if (u && !(after && names_owner(after, uid))) {
                dependent_remove(u, before);
                uid_drop_if_empty(k, u);
            }
        }
    }
    if (after) {
        cJSON_ArrayForEach(ref, after->owners)
        {
            const char *uid = json_str_or(ref, "uid", "");
            struct sk_uid *u;

            if (before && names_owner(before, uid))
                continue;
            u = uid_make(k, uid);
            if (u)
                dependent_add(u, after);
        }
    }
}

static void identity_update(struct simkube *k, const struct sk_object *before,
                            const struct sk_object *after)
{
    struct sk_uid *u;

    if (!before && after) {
        u = uid_make(k, after->uid);
        if (u) {
            u->kind = after->kind;
            free(u->key);
            u->key = strdup(after->key);
        }
    } else if (before && !after) {
        u = sk_uid_entry(k, before->uid);
        if (u) {
            u->kind = NULL;
            uid_drop_if_empty(k, u);
        }
    }
}

/* ---- commit
 * -----------------------------------------------------------------------------------------------------------
 */

void sk_identify(struct simkube *k, const struct sk_object *o)
{
    owners_update(k, NULL, o);
    identity_update(k, NULL, o);
}

static bool insert_object(struct sk_kind *kind, struct sk_object *o)
{
    size_t at = sk_lower_bound(kind, o->key);

    if (kind->count == kind->cap) {
        size_t cap = kind->cap ? kind->cap * 2 : 16;
        struct sk_object **more = realloc(kind->objects, cap * sizeof(struct sk_object *));

        if (!more)
            return false;
        kind->objects = more;
        kind->cap = cap;
    }
    memmove(&kind->objects[at + 1], &kind->objects[at],
            (kind->count - at) * sizeof(struct sk_object *));
    kind->objects[at] = o;
    kind->count++;
    return true;
}

static void tell_observers(struct simkube *k, const struct sk_event *e)
{
    static const enum simkube_verb verbs[] = {[SK_ADDED] = SIMKUBE_CREATED,
                                              [SK_MODIFIED] = SIMKUBE_UPDATED,
                                              [SK_REMOVED] = SIMKUBE_DELETED};
    struct simkube_write w;

    if (k->observer_count == 0)
        return;
    memset(&w, 0, sizeof(w));
    w.at_ms = k->now_ms;
    w.sequence = e->rv;
    w.verb = verbs[e->change];
    w.user = k->actor ? k->actor : "";
    w.request = k->request_number;
    w.group = e->after->kind->group;
    w.resource = e->after->kind->plural;
    w.subresource = k->actor_subresource ? k->actor_subresource : "";
    w.namespace_name = e->after->ns;
    w.name = e->after->name;
    w.before = e->before ? e->before->tree : NULL;
    w.after = e->change == SK_REMOVED ? NULL : e->after->tree;
    for (size_t i = 0; i < k->observer_count; i++)
        k->observers[i].call(k->observers[i].ctx, &w);
}

/* Set the version in a tree that is not shared yet. */
static void tree_set_version(cJSON *tree, uint64_t rv)
{
    char text[24];
    cJSON *meta = json_get(tree, "metadata");

    sk_version_text(rv, text);
    json_set_str(meta, "resourceVersion", text);
}

struct sk_object *sk_commit(struct simkube *k, struct sk_kind *kind, enum sk_change change,
                            struct sk_object *before, cJSON *tree)
{
    struct sk_event e = {k->rv + 1, change, sk_object_ref(before), NULL};
    struct sk_object *after;

    if (change == SK_REMOVED)
        tree = sk_edit_status(before);
    if (!tree)
        return NULL;
    tree_set_version(tree, e.rv);
    after = object_new(kind, tree, e.rv);
    if (!after) {
        sk_object_unref(e.before);
        return NULL;
    }
    if (before && (json_get(tree, "spec") ? json_get(tree, "spec")->type & cJSON_IsReference : 0))
        after->lender = sk_object_ref(before->lender ? before->lender : before);
    after->born_ms = before ? before->born_ms : k->now_ms;
    e.after = after;
    k->rv++;
    if (change == SK_ADDED) {
        insert_object(kind, after);
        sk_object_ref(after);
    } else {
        size_t at = sk_lower_bound(kind, before->key);

        assert(at < kind->count && kind->objects[at] == before);
        if (change == SK_MODIFIED) {
            kind->objects[at] = sk_object_ref(after);
        } else {
            memmove(&kind->objects[at], &kind->objects[at + 1],
                    (kind->count - at - 1) * sizeof(struct sk_object *));
            kind->count--;
        }
        sk_object_unref(before);
    }
    owners_update(k, e.before, change == SK_REMOVED ? NULL : after);
    identity_update(k, e.before, change == SK_REMOVED ? NULL : after);
    log_push(&kind->log, k->config.history, &e);
    tell_observers(k, &e);
    sk_collector_notice(k, &e);
    sk_controllers_notice(k, &e);
    return after;
}

/* ---- older states
 * --------------------------------------------------------------------------------------------------------
 */

struct snapshot {
    struct sk_object **items;
    size_t count, cap;
};

static size_t snapshot_at(const struct snapshot *s, const char *key)
{
    size_t lo = 0, hi = s->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (strcmp(s->items[mid]->key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Take back one change. The snapshot has room for every object that was ever removed in the log. */
static void snapshot_undo(struct snapshot *s, const struct sk_event *e)
{
    size_t at = snapshot_at(s, e->after->key);

    if (e->change == SK_REMOVED) {
        memmove(&s->items[at + 1], &s->items[at], (s->count - at) * sizeof(struct sk_object *));
        s->items[at] = e->before;
        s->count++;
        assert(s->count <= s->cap);
    } else if (e->change == SK_MODIFIED) {
        s->items[at] = e->before;
    } else {
        memmove(&s->items[at], &s->items[at + 1], (s->count - at - 1) * sizeof(struct sk_object *));
        s->count--;
    }
}

int sk_snapshot(struct sk_kind *kind, uint64_t rv, struct sk_object ***ret_items, size_t *ret_count)
{
    struct snapshot s = {NULL, kind->count,
                         kind->count + (size_t)(kind->log.end - kind->log.first) + 1};
    const struct sk_log *log = &kind->log;

    if (rv != 0 && rv < log->gone_rv)
        return -ESTALE;
    s.items = malloc(s.cap * sizeof(struct sk_object *));
    if (!s.items)
        return -ENOMEM;
    if (kind->count)
        memcpy(s.items, kind->objects, kind->count * sizeof(struct sk_object *));
    for (uint64_t i = log->end; rv != 0 && i > log->first; i--) {
        const struct sk_event *e = &log->items[(i - 1) % log->cap];

        if (e->rv <= rv)
            break;
        snapshot_undo(&s, e);
    }
    for (size_t i = 0; i < s.count; i++)
        sk_object_ref(s.items[i]);
    *ret_items = s.items;
    *ret_count = s.count;
    return 0;
}

void sk_snapshot_free(struct sk_object **items, size_t count)
{
    for (size_t i = 0; items && i < count; i++)
        sk_object_unref(items[i]);
    free(items);
}

/* ---- writes by controllers
 * ---------------------------------------------------------------------------------------------------
 */

cJSON *sk_edit(const struct sk_object *o)
{
    return json_copy(o->tree);
}

static cJSON *edit_lent(const struct sk_object *o, bool with_status)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *member;

    cJSON_ArrayForEach(member, o->tree)
    {
        bool lend = cJSON_IsObject(member) && strcmp(member->string, "spec") == 0;

        if (!with_status && strcmp(member->string, "status") == 0)
            continue;
        json_set(out, member->string,
                 lend ? cJSON_CreateObjectReference(member->child) : json_copy(member));
    }
    return out;
}

cJSON *sk_edit_status(const struct sk_object *o)
{
    return edit_lent(o, true);
}

cJSON *sk_edit_new_status(const struct sk_object *o)
{
    return edit_lent(o, false);
}

bool sk_tree_equal(const cJSON *a, const cJSON *b)
{
    const cJSON *m;
    int count = 0;

    cJSON_ArrayForEach(m, a)
    {
        const cJSON *other = json_get(b, m->string);

        if (!other || (!(m->child && m->child == other->child) && !json_equal(m, other)))
            return false;
        count++;
    }
    return count == cJSON_GetArraySize(b);
}

struct sk_object *sk_update(struct simkube *k, const char *actor, struct sk_object *o, cJSON *tree,
                            bool status)
{
    const char *was = k->actor, *was_sub = k->actor_subresource;
    struct sk_object *stored;

    if (!tree)
        return o;
    if (sk_tree_equal(o->tree, tree)) {
        json_free(tree);
        return o;
    }
    k->actor = actor;
    k->actor_subresource = status ? "status" : "";
    stored = sk_commit(k, o->kind, SK_MODIFIED, o, tree);
    k->actor = was;
    k->actor_subresource = was_sub;
    return stored;
}

bool sk_has_finalizer(const cJSON *tree, const char *name)
{
    const cJSON *f;

    cJSON_ArrayForEach(f, json_at(tree, "metadata", "finalizers", (char *)NULL))
    {
        if (!name || (f->valuestring && strcmp(f->valuestring, name) == 0))
            return true;
    }
    return false;
}

bool sk_drop_finalizer(cJSON *tree, const char *name)
{
    cJSON *list = json_at(tree, "metadata", "finalizers", (char *)NULL), *f;

    cJSON_ArrayForEach(f, list)
    {
        if (f->valuestring && strcmp(f->valuestring, name) == 0) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, f));
            if (!list->child)
                json_remove(json_get(tree, "metadata"), "finalizers");
            return true;
        }
    }
    return false;
}

/* ---- reading from outside
 * ---------------------------------------------------------------------------------------------------------
 */

const cJSON *simkube_get(const struct simkube *k, const char *group, const char *resource,
                         const char *namespace_name, const char *name)
{
    struct sk_object *o =
        sk_find_name(sk_kind_find(k, group, resource), namespace_name ? namespace_name : "", name);

    return o ? o->tree : NULL;
}

void simkube_each(const struct simkube *k, const char *group, const char *resource,
                  const char *namespace_name, bool (*visit)(void *ctx, const cJSON *object),
                  void *ctx)
{
    const struct sk_kind *kind = sk_kind_find(k, group, resource);

    for (size_t i = 0; kind && i < kind->count; i++) {
        if (namespace_name && strcmp(kind->objects[i]->ns, namespace_name) != 0)
            continue;
        if (!visit(ctx, kind->objects[i]->tree))
            return;
    }
}

uint64_t simkube_version(const struct simkube *k)
{
    return k->rv;
}
