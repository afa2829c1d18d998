#include "adapters/kube/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/time.h"

#define SIMILAR_MAX_DEFAULT 10u
#define SIMILAR_FORGET_MS 600000
#define SPAM_BURST_DEFAULT 25u
#define SPAM_REFILL_MS_DEFAULT 300000
#define QUEUE_MAX_DEFAULT 1000u
#define REMEMBERED_MAX 1024u /* of each kind of memory; the one used longest ago goes */
#define SLOTS 512u           /* a power of two */
#define TRIES_MAX 12
#define TRY_PAUSE_MS 10000
#define GROUP_MEMBERS_MAX 64u

/* One event as it was recorded; all texts in one block. */
struct queued {
    struct queued *next;
    char *api_version, *kind, *ns, *name, *uid, *version, *message, *reason;
    bool warning;
    int64_t at_ms;
};

/* What begins everything that is remembered under a key. */
struct remembered {
    uint64_t key;
    struct remembered *newer, *older; /* by the time of use */
    struct remembered *chain;         /* the next in its slot */
};

/* Things by key; the one used longest ago makes room. */
struct memory {
    struct remembered *newest, *oldest, *slots[SLOTS];
    size_t count;
};

/* Messages of one object, type and reason, seen within the last ten minutes. */
struct group {
    struct remembered head;
    int64_t last_ms;
    uint32_t count;
    uint64_t members[GROUP_MEMBERS_MAX]; /* hashes, oldest first */
};

/* An Event that exists on the server. */
struct sent {
    struct remembered head;
    char *name; /* NULL until the server has it */
    int64_t count, first_ms;
};

/* The spam filter of one object: tokens, as a clock of its own. */
struct bucket {
    struct remembered head;
    int64_t full_at_ms; /* when all tokens will be back */
};

struct events {
    struct kube_client *client;
    const struct clock *clock;
    struct event_options options;
    struct queued *first, *last;
    size_t pending;
    uint64_t recorded;
    struct memory groups, sent, buckets;
    struct event_counts counts;
    uint64_t serial;
    bool flushing;
};

/* What correlation makes of a queued event. */
struct outgoing {
    const struct queued *q;
    struct strbuf message;
    struct sent *sent;
    bool combined;
};

/* FNV-1a over text and its terminator, so that neighbours cannot run into each other. */
static uint64_t hash(uint64_t h, const char *s)
{
    do {
        h ^= (unsigned char)*s;
        h *= UINT64_C(1099511628211);
    } while (*s++);
    return h;
}
#define HASH_START UINT64_C(14695981039346656037)

struct events *events_new(struct kube_client *c, const struct event_options *options)
{
    struct events *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->client = c;
    e->clock = kube_client_clock(c);
    if (options)
        e->options = *options;
    if (!e->options.component)
        e->options.component = "flagger";
    if (!e->options.reason)
        e->options.reason = "Synced";
    if (e->options.similar_max == 0)
        e->options.similar_max = SIMILAR_MAX_DEFAULT;
    if (e->options.similar_max != UINT32_MAX && e->options.similar_max > GROUP_MEMBERS_MAX)
        e->options.similar_max = GROUP_MEMBERS_MAX;
    if (e->options.spam_burst == 0)
        e->options.spam_burst = SPAM_BURST_DEFAULT;
    if (e->options.spam_refill_ms <= 0)
        e->options.spam_refill_ms = SPAM_REFILL_MS_DEFAULT;
    if (e->options.queue_max == 0)
        e->options.queue_max = QUEUE_MAX_DEFAULT;
    return e;
}

/* ---- memory
 * ------------------------------------------------------------------------------------------------
 */

static struct remembered **place_of(struct memory *m, uint64_t key)
{
    struct remembered **at = &m->slots[key & (SLOTS - 1)];

    while (*at && (*at)->key != key)
        at = &(*at)->chain;
    return at;
}

static void order_leave(struct memory *m, struct remembered *r)
{
    *(r->newer ? &r->newer->older : &m->newest) = r->older;
    *(r->older ? &r->older->newer : &m->oldest) = r->newer;
}

static void order_enter(struct memory *m, struct remembered *r)
{
    r->newer = NULL;
    r->older = m->newest;
    *(m->newest ? &m->newest->newer : &m->oldest) = r;
    m->newest = r;
}

static void forget(struct memory *m, struct remembered *r, void (*release)(void *))
{
    *place_of(m, r->key) = r->chain;
    order_leave(m, r);
    m->count--;
    release(r);
}

static void forget_all(struct memory *m, void (*release)(void *))
{
    while (m->oldest)
        forget(m, m->oldest, release);
}

/* What is remembered under `key`, else `size` bytes of zeros after their head. */
static void *remember(struct memory *m, uint64_t key, size_t size, void (*release)(void *))
{
    struct remembered *r = *place_of(m, key);

    if (r) {
        order_leave(m, r);
        order_enter(m, r);
        return r;
    }
    if (m->count == REMEMBERED_MAX)
        forget(m, m->oldest, release);
    r = calloc(1, size);
    if (!r)
        return NULL;
    r->key = key;
    *place_of(m, key) = r;
    order_enter(m, r);
    m->count++;
    return r;
}

static void sent_free(void *memory)
{
    struct sent *s = memory;

    free(s->name);
    free(s);
}

void events_free(struct events *e)
{
    if (!e)
        return;
    while (e->first) {
        struct queued *q = e->first;
        e->first = q->next;
        free(q);
    }
    forget_all(&e->groups, free);
    forget_all(&e->sent, sent_free);
    forget_all(&e->buckets, free);
    free(e);
}

size_t events_pending(const struct events *e)
{
    return e->pending;
}

uint64_t events_recorded(const struct events *e)
{
    return e->recorded;
}

uint64_t events_done(const struct events *e)
{
    return e->recorded - e->pending;
}

const struct event_counts *events_counts(const struct events *e)
{
    return &e->counts;
}

/* ---- the queue
 * ------------------------------------------------------------------------------------------- */

static struct queued *queued_new(const struct event_object *o, const char *message)
{
    const char *texts[] = {o->api_version,      o->kind, o->ns,  o->name, o->uid,
                           o->resource_version, message, o->reason};
    char **slots[8];
    size_t bytes = sizeof(struct queued), i;
    struct queued *q;
    char *at;

    for (i = 0; i < 8; i++)
        bytes += strlen(texts[i] ? texts[i] : "") + 1;
    q = calloc(1, bytes);
    if (!q)
        return NULL;
    slots[0] = &q->api_version;
    slots[1] = &q->kind;
    slots[2] = &q->ns;
    slots[3] = &q->name;
    slots[4] = &q->uid;
    slots[5] = &q->version;
    slots[6] = &q->message;
    slots[7] = &q->reason;
    at = (char *)(q + 1);
    for (i = 0; i < 8; i++) {
        size_t size = strlen(texts[i] ? texts[i] : "") + 1;
        *slots[i] = memcpy(at, texts[i] ? texts[i] : "", size);
        at += size;
    }
    return q;
}

int events_record(struct events *e, const struct event_object *object, bool warning,
                  const char *message)
{
    struct queued *q;

    if (e->pending >= e->options.queue_max) {
        e->counts.dropped++;
        return -ENOBUFS;
    }
    q = queued_new(object, message);
    if (!q)
        return -ENOMEM;
    q->warning = warning;
    q->at_ms = e->clock->wall_ms(e->clock->self);
    if (e->last)
        e->last->next = q;
    else
        e->first = q;
    e->last = q;
    e->recorded++;
    if (++e->pending == 1 && !e->flushing && e->options.on_pending)
        e->options.on_pending(e->options.ctx);
    return 0;
}

/* ---- correlation
 * ------------------------------------------------------------------------------------------- */

static uint64_t object_key(const struct events *e, const struct queued *q)
{
    uint64_t h = hash(HASH_START, e->options.component);

    h = hash(h, q->kind);
    h = hash(h, q->ns);
    h = hash(h, q->name);
    h = hash(h, q->uid);
    return hash(h, q->api_version);
}

/* True when this message makes the group so large that it is sent as one shared event. */
static bool join_group(struct events *e, struct group *g, uint64_t member, int64_t at_ms)
{
    uint32_t i;

    if (e->options.similar_max == UINT32_MAX)
        return false;
    if (at_ms - g->last_ms > SIMILAR_FORGET_MS)
        g->count = 0;
    g->last_ms = at_ms;
    for (i = 0; i < g->count && g->members[i] != member; i++)
        ;
    if (i == g->count)
        g->members[g->count++] = member;
    if (g->count < e->options.similar_max)
        return false;
    g->count--;
    memmove(&g->members[0], &g->members[1], g->count * sizeof g->members[0]);
    return true;
}

static bool spam_allows(struct events *e, uint64_t object, int64_t at_ms)
{
    int64_t refill = e->options.spam_refill_ms;
    struct bucket *b;

    if (e->options.spam_burst == UINT32_MAX)
        return true;
    b = remember(&e->buckets, object, sizeof(*b), free);
    if (!b)
        return true;
    if (b->full_at_ms < at_ms)
        b->full_at_ms = at_ms;
    if (b->full_at_ms - at_ms > refill * ((int64_t)e->options.spam_burst - 1))
        return false;
    b->full_at_ms += refill;
    return true;
}

static const char *reason_of(const struct events *e, const struct queued *q)
{
    return *q->reason ? q->reason : e->options.reason;
}

/* Fill `out`; false when nothing is to be sent. */
static bool correlate(struct events *e, const struct queued *q, struct outgoing *out)
{
    uint64_t object = object_key(e, q);
    uint64_t group_key = hash(hash(object, q->warning ? "Warning" : "Normal"), reason_of(e, q));
    uint64_t event_key = hash(group_key, q->message);
    struct group *g = remember(&e->groups, group_key, sizeof(*g), free);

    memset(out, 0, sizeof *out);
    out->q = q;
    out->combined = *q->reason == '\0' && g && join_group(e, g, event_key, q->at_ms);
    if (out->combined)
        strbuf_adds(&out->message, "(combined from similar events): ");
    strbuf_adds(&out->message, q->message);
    out->sent =
        remember(&e->sent, out->combined ? group_key : event_key, sizeof(*out->sent), sent_free);
    if (!out->sent || out->message.failed)
        return false;
    if (out->sent->count++ == 0)
        out->sent->first_ms = q->at_ms;
    if (*q->reason || spam_allows(e, object, q->at_ms))
        return true;
    e->counts.filtered++;
    return false;
}

/* ---- sending
 * -----------------------------------------------------------------------------------------------
 */

static cJSON *event_object(struct events *e, const struct outgoing *out, const char *name)
{
    const struct queued *q = out->q;
    cJSON *event = cJSON_CreateObject(), *part;
    char first[KUBE_TIME_MAX], last[KUBE_TIME_MAX];

    kube_time_format(first, out->sent->first_ms);
    kube_time_format(last, q->at_ms);
    json_set_str(event, "kind", "Event");
    json_set_str(event, "apiVersion", "v1");
    part = json_child_object(event, "metadata");
    json_set_str(part, "name", name);
    json_set_str(part, "namespace", *q->ns ? q->ns : "default");
    part = json_child_object(event, "involvedObject");
    json_set_str(part, "kind", q->kind);
    if (*q->ns)
        json_set_str(part, "namespace", q->ns);
    json_set_str(part, "name", q->name);
    if (*q->uid)
        json_set_str(part, "uid", q->uid);
    json_set_str(part, "apiVersion", q->api_version);
    if (*q->version)
        json_set_str(part, "resourceVersion", q->version);
    json_set_str(event, "reason", reason_of(e, q));
    json_set_str(event, "message", strbuf_str(&out->message));
    json_set_str(json_child_object(event, "source"), "component", e->options.component);
    json_set_str(event, "firstTimestamp", first);
    json_set_str(event, "lastTimestamp", last);
    json_set_int(event, "count", out->sent->count);
    json_set_str(event, "type", q->warning ? "Warning" : "Normal");
    json_set(event, "eventTime", cJSON_CreateNull());
    json_set_str(event, "reportingComponent", e->options.component);
    json_set_str(event, "reportingInstance", "");
    return event;
}

/* As client-go names them: the object, a dot, nanoseconds in hex; a serial number stands in for
 * what is below a millisecond. */
static char *event_name(struct events *e, const struct queued *q)
{
    struct strbuf b = STRBUF_INIT;
    uint64_t nanoseconds = (uint64_t)q->at_ms * 1000000u + e->serial++ % 1000000u;

    strbuf_addf(&b, "%s.%" PRIx64, q->name, nanoseconds);
    return b.failed ? (strbuf_release(&b), (char *)NULL) : strbuf_detach(&b);
}

static int create(struct events *e, struct outgoing *out, struct kube_error *err)
{
    char *name = out->sent->name ? strdup(out->sent->name) : event_name(e, out->q);
    cJSON *event;
    int r;

    if (!name)
        return -ENOMEM;
    event = event_object(e, out, name);
    r = kube_create(e->client, &kube_events, event, NULL, err);
    json_free(event);
    if (r != 0) {
        free(name);
        return r;
    }
    free(out->sent->name);
    out->sent->name = name;
    e->counts.created++;
    e->counts.combined += out->combined;
    return 0;
}

static int patch(struct events *e, struct outgoing *out, struct kube_error *err)
{
    cJSON *body = cJSON_CreateObject();
    char last[KUBE_TIME_MAX];
    int r;

    kube_time_format(last, out->q->at_ms);
    json_set_str(body, "message", strbuf_str(&out->message));
    json_set_int(body, "count", out->sent->count);
    json_set_str(body, "lastTimestamp", last);
    r = kube_patch(e->client, &kube_events, *out->q->ns ? out->q->ns : "default", out->sent->name,
                   NULL, KUBE_PATCH_STRATEGIC, body, NULL, err);
    json_free(body);
    if (r != 0)
        return r;
    e->counts.patched++;
    e->counts.combined += out->combined;
    return 0;
}

static int send_once(struct events *e, struct outgoing *out, struct kube_error *err)
{
    int r;

    if (!out->sent->name)
        return create(e, out, err);
    r = patch(e, out, err);
    return r == -ENOENT ? create(e, out, err) : r; /* the server has dropped it after an hour */
}

/* 0 also when the server refused it: -ECANCELED alone keeps it queued. */
static int send_event(struct events *e, struct outgoing *out)
{
    struct kube_error err = {0};
    int tries;

    for (tries = 1;; tries++) {
        int64_t pause_ms = TRY_PAUSE_MS;
        int r = send_once(e, out, &err);
        if (r == 0 || r == -ECANCELED)
            return r;
        if (err.reason != KUBE_TRANSPORT || tries == TRIES_MAX) {
            e->counts.refused++;
            return 0;
        }
        if (tries == 1) /* so that many do not come back at once */
            pause_ms = (int64_t)(e->clock->random(e->clock->self) % TRY_PAUSE_MS);
        e->clock->sleep_ms(e->clock->self, pause_ms);
    }
}

int events_flush(struct events *e)
{
    int r = 0;

    if (e->flushing)
        return 0;
    e->flushing = true;
    while (r == 0 && e->first) {
        struct queued *q = e->first;
        struct outgoing out;
        if (correlate(e, q, &out))
            r = send_event(e, &out);
        strbuf_release(&out.message);
        if (r != 0) {
            out.sent->count--; /* it will be correlated again */
            break;
        }
        e->first = q->next;
        if (!e->first)
            e->last = NULL;
        e->pending--;
        free(q);
        if (e->options.on_done)
            e->options.on_done(e->options.ctx);
    }
    e->flushing = false;
    return r;
}
