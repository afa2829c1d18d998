#include "sim/kube/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reads
 * --------------------------------------------------------------------------------------------------------------
 */

void sk_do_get(struct call *c)
{
    struct sk_object *o = sk_find_name(c->kind, c->ns, c->name);

    if (o)
        sk_call_reply(c, 200, o);
    else
        sk_call_not_found(c, c->name);
}

/* A continue token is the version and the last key, in hexadecimal so that it is opaque and safe in
 * a URL. */
static void add_token(struct strbuf *b, uint64_t rv, const char *key)
{
    strbuf_addf(b, "%016llx", (unsigned long long)rv);
    for (; *key; key++)
        strbuf_addf(b, "%02x", (unsigned)(unsigned char)*key);
}

static char *read_token(const char *token, uint64_t *rv)
{
    size_t len = strlen(token), n = 0;
    unsigned long long v;
    char *key;

    if (len < 18 || len > 2000 || len % 2 || sscanf(token, "%16llx", &v) != 1)
        return NULL;
    key = calloc(1, len);
    for (size_t i = 16; key && i < len; i += 2) {
        unsigned int byte;

        if (sscanf(token + i, "%2x", &byte) != 1) {
            free(key);
            return NULL;
        }
        key[n++] = (char)byte;
    }
    *rv = v;
    return key;
}

static bool parse_rv(const char *s, uint64_t *ret)
{
    uint64_t v = 0;

    if (!s) {
        *ret = 0;
        return true;
    }
    if (!*s || strlen(s) > 19)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *ret = v;
    return true;
}

struct list_query {
    struct sk_selector *selector;
    uint64_t rv, at_rv; /* asked for; snapshot to read (0 = now) */
    char *after;        /* key to continue after, or NULL */
    size_t limit;
};

static void expired(struct call *c, const char *text)
{
    sk_reply_status(c->r, 410, "Expired", NULL, "%s", text);
}

static bool check_version(struct call *c, uint64_t rv)
{
    cJSON *details, *causes, *cause;

    if (rv <= c->k->rv)
        return true;
    details = cJSON_CreateObject();
    causes = cJSON_CreateArray();
    cause = cJSON_CreateObject();
    json_set_str(cause, "reason", "ResourceVersionTooLarge");
    json_set_str(cause, "message", "Too large resource version");
    cJSON_AddItemToArray(causes, cause);
    json_set(details, "causes", causes);
    json_set_int(details, "retryAfterSeconds", 1);
    sk_reply_status(c->r, 504, "Timeout", details,
                    "Timeout: Too large resource version: %llu, current: %llu",
                    (unsigned long long)rv, (unsigned long long)c->k->rv);
    json_free(details);
    return false;
}

static bool read_list_query(struct call *c, struct list_query *q)
{
    const char *match = sk_call_param(c, "resourceVersionMatch"),
               *token = sk_call_param(c, "continue"), *limit = sk_call_param(c, "limit");
    struct strbuf text = STRBUF_INIT;

    if (!parse_rv(sk_call_param(c, "resourceVersion"), &q->rv)) {
        sk_reply_status(c->r, 400, "BadRequest", NULL,
                        "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                        "strconv.ParseUint: parsing \"%s\": invalid syntax",
                        sk_call_param(c, "resourceVersion"), sk_call_param(c, "resourceVersion"));
        return false;
    }
    if (limit)
        q->limit = (size_t)strtoul(limit, NULL, 10);
    if (token) {
        q->after = read_token(token, &q->at_rv);
        if (!q->after) {
            sk_call_bad(c, "continue key is not valid: illegal base64 data");
            return false;
        }
    } else if (match && strcmp(match, "Exact") == 0) {
        q->at_rv = q->rv;
    }
    if (!check_version(c, q->rv))
        return false;
    q->selector = sk_selector_new(c->kind, sk_call_param(c, "labelSelector"),
                                  sk_call_param(c, "fieldSelector"), &text);
    if (!q->selector)
        sk_call_bad(c, strbuf_str(&text));
    strbuf_release(&text);
    return q->selector != NULL;
}

static void add_item(struct call *c, struct strbuf *b, struct sk_object *o)
{
    if (c->form == SK_FORM_METADATA) {
        sk_object_add_metadata(b, o);
    } else if (c->kind->custom) {
        sk_object_add_to(b, o, c->v);
    } else { /* items of built-in lists do not repeat kind and apiVersion */
        sk_object_text(o);
        strbuf_addc(b, '{');
        strbuf_add(b, o->text ? o->text : "}", o->text ? o->text_len : 1);
    }
}

static void reply_list(struct call *c, const struct list_query *q, struct sk_object **items,
                       size_t count, bool more, size_t remaining)
{
    uint64_t rv = q->at_rv ? q->at_rv : c->k->rv;
    struct strbuf meta = STRBUF_INIT, *b = &c->r->body;

    strbuf_addf(&meta, "{\"resourceVersion\":\"%llu\"", (unsigned long long)rv);
    if (more) {
        strbuf_adds(&meta, ",\"continue\":\"");
        add_token(&meta, rv, items[count - 1]->key);
        strbuf_addc(&meta, '"');
        if (sk_selector_is_empty(q->selector))
            strbuf_addf(&meta, ",\"remainingItemCount\":%zu", remaining);
    }
    strbuf_addc(&meta, '}');
    c->r->status = 200;
    c->r->content_type = "application/json";
    if (c->form == SK_FORM_TABLE) {
        sk_table_add_to(c->k, b, c->kind, c->v, items, count, true,
                        sk_call_param(c, "includeObject"), strbuf_str(&meta));
    } else {
        if (c->form == SK_FORM_METADATA)
            strbuf_adds(
                b, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\"");
        else
            strbuf_addf(b, "{\"kind\":\"%s\",\"apiVersion\":\"%s\"", c->kind->list_kind,
                        c->v->group_version);
        strbuf_addf(b, ",\"metadata\":%s,\"items\":[", strbuf_str(&meta));
        for (size_t i = 0; i < count; i++) {
            if (i)
                strbuf_addc(b, ',');
            add_item(c, b, items[i]);
        }
        strbuf_adds(b, "]}");
    }
    strbuf_addc(b, '\n');
    strbuf_release(&meta);
}

/* Pick what belongs to the answer out of a sorted array; the result borrows. */
static void list_from(struct call *c, const struct list_query *q, struct sk_object *const *all,
                      size_t total)
{
    struct sk_object **picked = malloc((total + 1) * sizeof(struct sk_object *));
    size_t n = 0, rest = 0;

    if (!picked) {
        sk_reply_status(c->r, 500, "InternalError", NULL, "out of memory");
        return;
    }
    for (size_t i = 0; i < total; i++) {
        struct sk_object *o = all[i];

        if (*c->ns && strcmp(o->ns, c->ns) != 0)
            continue;
        if (q->after && strcmp(o->key, q->after) <= 0)
            continue;
        if (!sk_selector_matches(q->selector, o->tree))
            continue;
        if (q->limit && n == q->limit)
            rest++;
        else
            picked[n++] = o;
    }
    reply_list(c, q, picked, n, rest > 0, rest);
    free(picked);
}

void sk_do_list(struct call *c)
{
    struct list_query q = {0};
    struct sk_object **items = NULL;
    size_t count = 0;

    if (!read_list_query(c, &q)) {
        free(q.after);
        return;
    }
    if (q.at_rv == 0) {
        list_from(c, &q, c->kind->objects, c->kind->count);
    } else if (sk_snapshot(c->kind, q.at_rv, &items, &count) == 0) {
        list_from(c, &q, items, count);
    } else if (q.after) {
        expired(c, "The provided continue parameter is too old to display a consistent list "
                   "result. You can start a new list "
                   "without the continue parameter.");
    } else {
        expired(c, "The resourceVersion for the provided list is too old.");
    }
    sk_snapshot_free(items, count);
    sk_selector_free(q.selector);
    free(q.after);
}

void sk_do_watch(struct call *c)
{
    struct strbuf text = STRBUF_INIT;
    struct sk_selector *selector;
    uint64_t rv;
    const char *timeout = sk_call_param(c, "timeoutSeconds"),
               *asked = sk_call_param(c, "resourceVersion");
    const char *fields = sk_call_param(c, "fieldSelector");
    bool initial = sk_call_flag(c, "sendInitialEvents");

    if (!parse_rv(asked, &rv)) {
        sk_reply_status(c->r, 400, "BadRequest", NULL,
                        "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                        "strconv.ParseUint: parsing \"%s\": invalid syntax",
                        asked, asked);
        return;
    }
    selector = sk_selector_new(c->kind, sk_call_param(c, "labelSelector"), fields, &text);
    if (!selector) {
        sk_call_bad(c, strbuf_str(&text));
        strbuf_release(&text);
        return;
    }
    if (rv > c->k->rv) {
        check_version(c, rv);
        sk_selector_free(selector);
        return;
    }
    c->r->status = 200;
    c->r->content_type = "application/json";
    c->r->watch = sk_watch_open(
        &(struct sk_watch_spec){.k = c->k,
                                .kind = c->kind,
                                .version = c->v,
                                .selector = selector,
                                .ns = c->ns,
                                .form = c->form,
                                .include = sk_call_param(c, "includeObject"),
                                .rv = rv,
                                .initial = initial || rv == 0,
                                .initial_end = initial && sk_call_flag(c, "allowWatchBookmarks"),
                                .bookmarks = sk_call_flag(c, "allowWatchBookmarks"),
                                .timeout_s = timeout ? (int64_t)strtol(timeout, NULL, 10) : 0});
    if (!c->r->watch)
        sk_reply_status(c->r, 500, "InternalError", NULL, "out of memory");
}

void sk_do_delete_collection(struct call *c)
{
    struct list_query q = {0};
    struct sk_object **items = NULL;
    size_t count = 0;
    cJSON *options = c->req->body_len ? json_parse(c->req->body, c->req->body_len, NULL) : NULL;

    if (read_list_query(c, &q) && sk_snapshot(c->kind, 0, &items, &count) == 0) {
        list_from(c, &q, items, count);
        for (size_t i = 0; i < count && !c->dry_run; i++) {
            struct sk_object *o = items[i];

            if ((!*c->ns || strcmp(o->ns, c->ns) == 0) && sk_selector_matches(q.selector, o->tree))
                sk_call_delete_one(c, o, sk_call_delete_policy(c, options), options);
        }
    }
    sk_snapshot_free(items, count);
    sk_selector_free(q.selector);
    free(q.after);
    json_free(options);
}
