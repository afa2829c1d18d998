#include "sim/kube/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOKMARK_EVERY_MS 60000
#define WATCH_DEFAULT_S 2400 /* the real server draws 30 to 60 minutes */

static uint64_t first_after(const struct sk_log *log, uint64_t rv)
{
    uint64_t lo = log->first, hi = log->end;

    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;

        if (log->items[mid % log->cap].rv <= rv)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct simkube_watch *sk_watch_open(const struct sk_watch_spec *spec)
{
    struct simkube_watch *w = calloc(1, sizeof(*w));
    struct simkube *k = spec->k;

    if (!w) {
        sk_selector_free(spec->selector);
        return NULL;
    }
    w->kind = spec->kind;
    w->version = spec->version;
    w->selector = spec->selector;
    w->form = spec->form;
    w->ns = strdup(spec->ns);
    w->include = spec->include ? strdup(spec->include) : NULL;
    w->bookmarks = spec->bookmarks;
    w->initial_end = spec->initial_end;
    w->end_ms = k->now_ms + (spec->timeout_s > 0 ? spec->timeout_s : WATCH_DEFAULT_S) * 1000;
    w->bookmark_ms = k->now_ms + BOOKMARK_EVERY_MS;
    w->initial_rv = k->rv;
    w->told_rv = k->rv;
    if (spec->initial) {
        w->cursor = spec->kind->log.end;
        sk_snapshot(spec->kind, 0, &w->initial, &w->initial_count);
    } else {
        w->expired = spec->rv < spec->kind->log.gone_rv;
        w->cursor = first_after(&spec->kind->log, spec->rv);
    }
    w->next = k->watches;
    k->watches = w;
    return w;
}

static bool sees(const struct simkube_watch *w, const struct sk_object *o)
{
    return o && (!*w->ns || strcmp(o->ns, w->ns) == 0) && sk_selector_matches(w->selector, o->tree);
}

static void add_object(const struct simkube *k, struct simkube_watch *w, struct strbuf *out,
                       struct sk_object *o)
{
    if (w->form == SK_FORM_TABLE) {
        sk_table_add_to(k, out, w->kind, w->version, &o, 1, !w->sent_columns, w->include, "");
        w->sent_columns = true;
    } else if (w->form == SK_FORM_METADATA) {
        sk_object_add_metadata(out, o);
    } else {
        sk_object_add_to(out, o, w->version);
    }
}

static void tell(const struct simkube *k, struct simkube_watch *w, struct strbuf *out,
                 const char *type, struct sk_object *o)
{
    strbuf_adds(out, "{\"type\":\"");
    strbuf_adds(out, type);
    strbuf_adds(out, "\",\"object\":");
    add_object(k, w, out, o);
    strbuf_adds(out, "}\n");
}

/* The state before an object left the selection, with the version at which it left. */
static void tell_left(const struct simkube *k, struct simkube_watch *w, struct strbuf *out,
                      const struct sk_event *e)
{
    cJSON *tree = json_copy(e->before->tree);
    struct sk_object shadow = *e->before;
    char rv[24];

    if (!tree)
        return;
    sk_version_text(e->rv, rv);
    json_set_str(json_get(tree, "metadata"), "resourceVersion", rv);
    shadow.tree = tree;
    shadow.text = NULL;
    shadow.spec_text = NULL;
    tell(k, w, out, "DELETED", &shadow);
    free(shadow.text);
    free(shadow.spec_text);
    json_free(tree);
}

static void tell_event(const struct simkube *k, struct simkube_watch *w, struct strbuf *out,
                       const struct sk_event *e)
{
    bool before = sees(w, e->before), after = e->change != SK_REMOVED && sees(w, e->after);

    if (after)
        tell(k, w, out, before ? "MODIFIED" : "ADDED", e->after);
    else if (before && e->change == SK_REMOVED)
        tell(k, w, out, "DELETED", e->after);
    else if (before)
        tell_left(k, w, out, e);
}

static void tell_bookmark(struct simkube_watch *w, struct strbuf *out, uint64_t rv, bool initial)
{
    if (w->form == SK_FORM_TABLE) {
        strbuf_addf(out,
                    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Table\",\"apiVersion\":\"meta."
                    "k8s.io/v1\",\"metadata\":"
                    "{\"resourceVersion\":\"%llu\"},\"columnDefinitions\":null,\"rows\":[]}}\n",
                    (unsigned long long)rv);
    } else {
        bool meta = w->form == SK_FORM_METADATA;

        strbuf_addf(out,
                    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\","
                    "\"metadata\":{"
                    "\"resourceVersion\":\"%llu\"%s}}}\n",
                    meta ? "PartialObjectMetadata" : w->kind->kind,
                    meta ? "meta.k8s.io/v1" : w->version->group_version, (unsigned long long)rv,
                    initial ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
    }
    w->told_rv = rv;
}

static void tell_initial(const struct simkube *k, struct simkube_watch *w, struct strbuf *out)
{
    for (size_t i = 0; i < w->initial_count; i++) {
        if (sees(w, w->initial[i]))
            tell(k, w, out, "ADDED", w->initial[i]);
    }
    sk_snapshot_free(w->initial, w->initial_count);
    w->initial = NULL;
    w->initial_count = 0;
    if (w->initial_end)
        tell_bookmark(w, out, w->initial_rv, true);
    w->initial_end = false;
}

static void tell_expired(const struct simkube *k, struct simkube_watch *w, struct strbuf *out)
{
    strbuf_addf(out,
                "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\","
                "\"metadata\":{},\"status\":"
                "\"Failure\",\"message\":\"too old resource version: %llu "
                "(%llu)\",\"reason\":\"Expired\",\"code\":410}}\n",
                (unsigned long long)w->told_rv, (unsigned long long)k->rv);
    w->expired = false;
    w->ended = true;
}

bool simkube_watch_read(struct simkube *k, int64_t now_ms, struct simkube_watch *w,
                        struct strbuf *out)
{
    struct sk_log *log;

    simkube_advance(k, now_ms);
    if (w->ended || w->broken || w->kind->gone) {
        w->ended = true;
        return false;
    }
    log = &w->kind->log;
    if (w->initial || w->initial_end)
        tell_initial(k, w, out);
    if (w->expired || w->cursor < log->first) {
        tell_expired(k, w, out);
        return true;
    }
    for (; w->cursor < log->end; w->cursor++)
        tell_event(k, w, out, &log->items[w->cursor % log->cap]);
    if (k->now_ms >= w->end_ms) {
        w->ended = true;
        return false;
    }
    if (w->bookmarks && k->now_ms >= w->bookmark_ms) {
        tell_bookmark(w, out, k->rv, false);
        w->bookmark_ms = k->now_ms + BOOKMARK_EVERY_MS;
    }
    return true;
}

bool simkube_watch_ready(const struct simkube *k, const struct simkube_watch *w)
{
    return w->ended || w->broken || w->kind->gone || w->expired || w->initial || w->initial_end ||
           w->cursor < w->kind->log.end || k->now_ms >= w->end_ms ||
           (w->bookmarks && k->now_ms >= w->bookmark_ms);
}

bool simkube_watch_was_cut(const struct simkube_watch *w)
{
    return w->broken;
}

void simkube_watch_close(struct simkube *k, struct simkube_watch *w)
{
    struct simkube_watch **at = &k->watches;

    if (!w)
        return;
    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
    sk_snapshot_free(w->initial, w->initial_count);
    sk_selector_free(w->selector);
    free(w->ns);
    free(w->include);
    free(w);
}

void simkube_break_watches(struct simkube *k)
{
    for (struct simkube_watch *w = k->watches; w; w = w->next)
        w->broken = true;
}

void simkube_compact(struct simkube *k)
{
    for (size_t i = 0; i < k->kind_count; i++) {
        struct sk_kind *kind = k->kinds[i];

        sk_log_drop(kind);
        if (kind->log.gone_rv < k->rv)
            kind->log.gone_rv = k->rv;
    }
}
