/*
 * adapters/metrics/url.h — addresses that users write, read and printed as Go's net/url does.
 *
 * Metric servers, webhooks and chat rooms are given as URLs; which are refused, and with which
 * words, is seen by users in events. Everything lives in the arena.
 */
#ifndef COALMINE_METRICS_URL_H
#define COALMINE_METRICS_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/base/arena.h"
#include "adapters/base/strbuf.h"

struct url {
    const char *scheme;   /* lower case, "" = none */
    const char *opaque;   /* "foo:bar": what follows the colon, or NULL */
    const char *user;     /* "name:password" as written, or NULL */
    const char *host;     /* with the port, "" = none */
    const char *path;     /* escaped, as it is sent */
    const char *query;    /* as written, without the question mark, or NULL */
    const char *fragment; /* or NULL */
};

/* Returns 0, or -EINVAL with *reterr: `parse "%zz": invalid URL escape "%zz"`; -ENOMEM. */
int url_parse(struct arena *arena, const char *text, struct url *ret_url, const char **reterr);
/* The URL as Go prints it; with `redact`, a password shows as xxxxx. */
const char *url_string(struct arena *arena, const struct url *u, bool redact);
/* `base` and `more` (escaped) joined by one slash, dots and doubled slashes resolved, as path.Join.
 */
const char *url_join_path(struct arena *arena, const char *base, const char *more);
/* `s` as a part of a query: blank is +, the rest percent-encoded. */
void url_add_query_escaped(struct strbuf *b, const char *s, size_t len);

/* A query as pairs. Bad escapes and `;` lose their pair, as in Go. */
struct url_query {
    struct url_pair {
        const char *key, *value;
    } * items;
    size_t count, cap;
};
void url_query_parse(struct arena *arena, const char *query, struct url_query *ret_query);
void url_query_add(struct arena *arena, struct url_query *q, const char *key, const char *value);
/* One value for a key, in place of all it had. */
void url_query_set(struct arena *arena, struct url_query *q, const char *key, const char *value);
/* Sorted by key, the values of a key in their order. */
const char *url_query_encode(struct arena *arena, struct url_query *q);

/*
 * Why Go's HTTP client would not even try this URL: `Get "foo:bar": unsupported protocol scheme
 * "foo"`. NULL when it would.
 */
const char *url_unusable(struct arena *arena, const char *method, const char *text);
/* The host without port, brackets and user. */
const char *url_hostname(struct arena *arena, const struct url *u);

#endif
