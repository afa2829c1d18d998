/*
 * A watch stream cut anywhere gives the same events; a cache fed with them stays ordered, and holds
 * the newest version of what it holds.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/cache.h"
#include "adapters/kube/peek.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool to_cache(void *ctx, enum watch_event type, cJSON *object)
{
    const struct watch_sink *sink = kube_cache_sink(ctx);

    if (type == WATCH_ERROR)
        json_free(object);
    else
        sink->changed(sink->ctx, type, object);
    return true;
}

static int feed(struct kube_cache *cache, const uint8_t *data, size_t size, size_t chunk)
{
    struct watch_decoder *d = watch_decoder_new(65536);
    char why[256] = "";
    size_t at;
    int r = 0;

    assert(d);
    for (at = 0; at < size && r == 0; at += chunk)
        r = watch_decoder_feed(d, (const char *)data + at, size - at < chunk ? size - at : chunk,
                               to_cache, cache, why, sizeof why);
    assert((r == 0) == (why[0] == '\0'));
    watch_decoder_free(d);
    return r;
}

static void check_order(const struct kube_cache *cache)
{
    const struct kube_entry *a, *b;
    size_t i;

    for (i = 1; (b = kube_cache_at(cache, i)); i++) {
        int order;
        a = kube_cache_at(cache, i - 1);
        order = strcmp(a->ns, b->ns);
        assert(order < 0 || (order == 0 && strcmp(a->name, b->name) < 0));
        assert(kube_cache_get(cache, b->ns, b->name) == b);
    }
}

/* What is seen at a glance is what the parser reads. */
static void check_peek(const char *line, size_t len)
{
    struct peek p;
    cJSON *event;
    const cJSON *metadata;

    if (!peek_event(line, len, &p))
        return;
    event = json_parse(line, len, NULL);
    metadata = json_at(event, "object", "metadata", NULL);
    if (event) {
        assert(strcmp(json_str_or(metadata, "name", ""), p.name) == 0);
        assert(strcmp(json_str_or(metadata, "namespace", ""), p.ns) == 0);
        assert(strcmp(json_str_or(metadata, "resourceVersion", ""), p.version) == 0);
    }
    json_free(event);
}

static int64_t no_time(void *self)
{
    (void)self;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clock clock = {.wall_ms = no_time, .mono_ms = no_time};
    struct kube_config *config = kube_config_plain("http://x", NULL);
    struct kube_client *client = kube_client_new(config, NULL, &clock, NULL);
    struct kube_cache_options o = {.watch = {.resource = &kube_pods}};
    struct kube_cache *whole = kube_cache_new(client, &o), *cut = kube_cache_new(client, &o);
    const char *text = (const char *)data;
    size_t i;

    check_peek(text, size);
    if (size > 0) {
        int r = feed(whole, data, size, size);
        assert(feed(cut, data, size, 1 + data[0] % 7) == r);
    }
    check_order(whole);
    assert(kube_cache_count(whole) == kube_cache_count(cut));
    for (i = 0; i < kube_cache_count(whole); i++) {
        char *a = kube_cache_text(whole, kube_cache_at(whole, i)),
             *b = kube_cache_text(cut, kube_cache_at(cut, i));

        assert(a && b && strcmp(a, b) == 0);
        free(a);
        free(b);
    }
    kube_cache_free(whole);
    kube_cache_free(cut);
    kube_client_free(client);
    kube_config_free(config);
    return 0;
}
