/*
 * The shards of a sweep, with a byte 1 between: what is joined is the JSON of a sweep, joins to
 * itself again, and goes into a database whole or not at all; what is refused is refused with a
 * reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/whatif/whatif.h"

#define SHARDS_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_joined(struct arena *arena, const struct strbuf *joined)
{
    const char *name = "joined", *text = strbuf_str(joined);
    struct strbuf again = STRBUF_INIT, error = STRBUF_INIT;
    int rc;

    if (whatif_merge(&again, arena, &name, &text, 1) != NULL ||
        strcmp(strbuf_str(&again), text) != 0)
        abort();
    rc = whatif_write_db(":memory:", text, &error);
    if ((rc == 0) != (error.len == 0) || (rc != 0 && rc != -EINVAL && rc != -ENOMEM))
        abort();
    strbuf_release(&again);
    strbuf_release(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const files[SHARDS_MAX] = {"a", "b", "c", "d"};
    const char *texts[SHARDS_MAX];
    struct strbuf out = STRBUF_INIT;
    struct arena *arena = arena_new(64u << 20);
    char *text = arena ? arena_strndup(arena, (const char *)data, size) : NULL;
    const char *error;
    size_t count = 0;

    if (!text || size > 65536) {
        arena_free(arena);
        return 0;
    }
    for (char *next = text; next && count < SHARDS_MAX;) {
        texts[count++] = next;
        next = strchr(next, 1);
        if (next)
            *next++ = 0;
    }
    error = whatif_merge(&out, arena, files, texts, count);
    if (error && !*error)
        abort();
    if (!error)
        check_joined(arena, &out);
    strbuf_release(&out);
    arena_free(arena);
    return 0;
}
