#include "adapters/kube/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/peek.h"

#define LINE_MAX_DEFAULT (8u * 1024u * 1024u)
#define TIMEOUT_S_DEFAULT 300
#define IDLE_GRACE_MS 30000 /* after the server should have ended the watch itself */
#define PAUSE_MS_MIN 800
#define PAUSE_MS_MAX 30000
#define PAUSE_RESET_MS 120000
#define SHORT_WATCH_MS 1000 /* a watch that ended so soon without an event counts as failed */

/* ---- the stream's bytes
 * --------------------------------------------------------------------------------- */

struct watch_decoder {
    struct strbuf line;
    size_t line_max;
    watch_is_known *is_known;
    void *known_ctx;
};

struct watch_decoder *watch_decoder_new(size_t line_max)
{
    struct watch_decoder *d = calloc(1, sizeof *d);

    if (d)
        d->line_max = line_max ? line_max : LINE_MAX_DEFAULT;
    return d;
}

void watch_decoder_free(struct watch_decoder *d)
{
    if (d)
        strbuf_release(&d->line);
    free(d);
}

static bool event_type(const char *text, enum watch_event *ret)
{
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
    size_t i;

    for (i = 0; text && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum watch_event)i;
            return true;
        }
    }
    return false;
}

void watch_decoder_skip(struct watch_decoder *d, watch_is_known *is_known, void *ctx)
{
    d->is_known = is_known;
    d->known_ctx = ctx;
}

static bool is_known(const struct watch_decoder *d, const char *line, size_t len)
{
    struct peek p;

    return d->is_known && peek_event(line, len, &p) &&
           d->is_known(d->known_ctx, p.ns, p.name, p.version);
}

static int malformed(char *reterr, size_t size, const char *why)
{
    snprintf(reterr, size, "unable to decode an event from the watch stream: %s", why);
    return -EPROTO;
}

static int decode_line(const char *line, size_t len, watch_on_event *on_event, void *ctx,
                       char *reterr, size_t reterr_size)
{
    bool changed;
    cJSON *event = json_parse_tolerant(line, len, &changed);
    cJSON *object = json_get(event, "object");
    enum watch_event type;
    int r = 0;

    if (!event) {
        r = malformed(reterr, reterr_size, "no JSON");
    } else if (!event_type(json_str(event, "type"), &type)) {
        r = malformed(reterr, reterr_size, "unknown type");
    } else if (!cJSON_IsObject(object)) {
        r = malformed(reterr, reterr_size, "no object");
    } else {
        cJSON_DetachItemViaPointer(event, object);
        if (!on_event(ctx, type, object))
            r = -ECANCELED;
    }
    json_free(event);
    return r;
}

static bool blank(const char *s, size_t len)
{
    while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\r' || s[len - 1] == '\t'))
        len--;
    return len == 0;
}

int watch_decoder_feed(struct watch_decoder *d, const char *bytes, size_t len,
                       watch_on_event *on_event, void *ctx, char *reterr, size_t reterr_size)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t part = end ? (size_t)(end - bytes) : len;
        const char *line = bytes;
        size_t line_len = part;
        int r = 0;

        if (d->line.len + part > d->line_max) {
            snprintf(reterr, reterr_size, "an event is larger than %zu bytes", d->line_max);
            return -EMSGSIZE;
        }
        if (!end || d->line.len > 0) {
            strbuf_add(&d->line, bytes, part);
            line = strbuf_str(&d->line);
            line_len = d->line.len;
        }
        if (d->line.failed)
            return -ENOMEM;
        if (!end)
            return 0;
        if (!blank(line, line_len) && !is_known(d, line, line_len))
            r = decode_line(line, line_len, on_event, ctx, reterr, reterr_size);
        strbuf_clear(&d->line);
        if (r != 0)
            return r;
        bytes += part + 1;
        len -= part + 1;
    }
    if (d->line.len == 0)
        strbuf_release(&d->line); /* an idle watch holds no buffer */
    return 0;
}

/* ---- the reflector
 * -------------------------------------------------------------------------------------- */

struct reflector {
    struct kube_client *client;
    const struct clock *clock;
    const struct watch_options *options;
    const struct watch_sink *sink;
    const bool *stop;
    char *version;               /* seen last; NULL = list first */
    int64_t pause_ms, failed_ms; /* the last pause, and when */
    struct watch_decoder *decoder;
    size_t events; /* of the present watch */
    bool out_of_memory;
    struct kube_error
        error; /* what ended the present watch from within; reason KUBE_OK = nothing */
};

static bool stopped(const struct reflector *w)
{
    return w->stop && *w->stop;
}

static void set_version(struct reflector *w, const char *version)
{
    char *copy;

    if (!version || !*version)
        return;
    copy = strdup(version);
    if (!copy) {
        w->out_of_memory = true;
        return;
    }
    free(w->version);
    w->version = copy;
}

static void forget_version(struct reflector *w)
{
    free(w->version);
    w->version = NULL;
}

static void pause_after(struct reflector *w, const struct kube_error *e)
{
    int64_t now = w->clock->mono_ms(w->clock->self), ms;

    if (w->pause_ms == 0 || now - w->failed_ms > PAUSE_RESET_MS)
        w->pause_ms = PAUSE_MS_MIN;
    else
        w->pause_ms = w->pause_ms * 2 < PAUSE_MS_MAX ? w->pause_ms * 2 : PAUSE_MS_MAX;
    ms = w->pause_ms + (int64_t)(w->clock->random(w->clock->self) % (uint64_t)w->pause_ms);
    if (ms < e->retry_after_ms)
        ms = e->retry_after_ms;
    if (w->sink->failed)
        w->sink->failed(w->sink->ctx, e, ms);
    w->clock->sleep_ms(w->clock->self, ms);
    w->failed_ms = w->clock->mono_ms(w->clock->self);
}

static bool on_item(void *ctx, cJSON *item)
{
    struct reflector *w = ctx;

    w->sink->list_item(w->sink->ctx, item);
    return true;
}

static int list(struct reflector *w, struct kube_error *e)
{
    const struct watch_options *o = w->options;
    struct kube_list_options lo = {.label_selector = o->label_selector,
                                   .field_selector = o->field_selector,
                                   .page_size = o->page_size,
                                   .metadata_only = o->metadata_only};
    char *version = NULL;
    int r;

    w->sink->list_begin(w->sink->ctx);
    r = kube_list(w->client, o->resource, o->ns, &lo, on_item, w, &version, e);
    if (r != 0)
        return r;
    set_version(w, version);
    w->sink->list_end(w->sink->ctx, version);
    free(version);
    return 0;
}

static bool on_event(void *ctx, enum watch_event type, cJSON *object)
{
    struct reflector *w = ctx;
    char *text;

    w->events++;
    if (type == WATCH_ERROR) {
        text = json_print(object);
        kube_error_parse((int)json_int(object, "code", 500), text ? text : "",
                         text ? strlen(text) : 0, NULL, "watch", &w->error);
        free(text);
        json_free(object);
        return false;
    }
    set_version(w, json_str(json_get(object, "metadata"), "resourceVersion"));
    w->sink->changed(w->sink->ctx, type, object);
    return !stopped(w);
}

static bool is_known_event(void *ctx, const char *ns, const char *name, const char *version)
{
    struct reflector *w = ctx;

    if (!w->sink->known || !w->sink->known(w->sink->ctx, ns, name, version))
        return false;
    w->events++;
    set_version(w, version);
    return true;
}

static bool on_bytes(void *ctx, const char *bytes, size_t len)
{
    struct reflector *w = ctx;
    char why[256] = "";
    int r = watch_decoder_feed(w->decoder, bytes, len, on_event, w, why, sizeof why);

    if (r == 0)
        return true;
    if (r != -ECANCELED) {
        w->error.reason = KUBE_MALFORMED;
        w->error.code = r;
        snprintf(w->error.message, sizeof w->error.message, "%s", why);
    }
    return false;
}

static int watch(struct reflector *w, struct kube_error *e)
{
    const struct watch_options *o = w->options;
    int64_t base_s = o->timeout_s_min > 0 ? o->timeout_s_min : TIMEOUT_S_DEFAULT;
    int64_t timeout_s = base_s + (int64_t)(w->clock->random(w->clock->self) % (uint64_t)base_s);
    struct strbuf path = STRBUF_INIT;
    char number[24];
    int r;

    kube_path(&path, o->resource, o->ns, NULL, NULL);
    kube_path_add_query(&path, "watch", "true");
    kube_path_add_query(&path, "allowWatchBookmarks", "true");
    kube_path_add_query(&path, "resourceVersion", w->version);
    snprintf(number, sizeof number, "%lld", (long long)timeout_s);
    kube_path_add_query(&path, "timeoutSeconds", number);
    if (o->label_selector)
        kube_path_add_query(&path, "labelSelector", o->label_selector);
    if (o->field_selector)
        kube_path_add_query(&path, "fieldSelector", o->field_selector);
    w->events = 0;
    w->error.reason = KUBE_OK;
    w->decoder = watch_decoder_new(0);
    if (w->decoder)
        watch_decoder_skip(w->decoder, is_known_event, w);
    if (path.failed || !w->decoder) {
        r = -ENOMEM;
    } else {
        r = kube_stream(w->client, o->resource, path.data, o->metadata_only,
                        timeout_s * 1000 + IDLE_GRACE_MS, on_bytes, w, e);
    }
    watch_decoder_free(w->decoder);
    strbuf_release(&path);
    if (r == 0 && w->error.reason != KUBE_OK) {
        *e = w->error;
        r = kube_reason_errno(e->reason);
    }
    return r;
}

/* One watch and what follows from its end. 0 to go on. */
static int watch_once(struct reflector *w)
{
    struct kube_error e = {0};
    int64_t started_ms = w->clock->mono_ms(w->clock->self);
    int r = watch(w, &e);

    if (r == -ECANCELED || r == -ENOMEM || stopped(w))
        return r == -ENOMEM ? r : r == -ECANCELED ? r : 0;
    if (r == 0) {
        if (w->events > 0 || w->clock->mono_ms(w->clock->self) - started_ms >= SHORT_WATCH_MS)
            return 0;
        e.reason = KUBE_OTHER;
        snprintf(e.message, sizeof e.message, "very short watch: no events received");
    } else if (e.reason == KUBE_GONE) {
        forget_version(w);
        return 0;
    } else if (e.reason != KUBE_TRANSPORT && e.reason != KUBE_TOO_MANY_REQUESTS) {
        forget_version(w); /* an event we could not read may not be skipped */
    }
    pause_after(w, &e);
    return 0;
}

static int list_once(struct reflector *w)
{
    struct kube_error e = {0};
    int r = list(w, &e);

    if (r == 0 || r == -ECANCELED || r == -ENOMEM)
        return r;
    pause_after(w, &e);
    return 0;
}

int watch_run(struct kube_client *c, const struct watch_options *options,
              const struct watch_sink *sink, const bool *stop)
{
    struct reflector w = {
        .client = c, .clock = kube_client_clock(c), .options = options, .sink = sink, .stop = stop};
    int r = 0;

    while (r == 0 && !stopped(&w) && !w.out_of_memory)
        r = w.version ? watch_once(&w) : list_once(&w);
    forget_version(&w);
    if (w.out_of_memory)
        return -ENOMEM;
    return r == 0 ? -ECANCELED : r;
}
