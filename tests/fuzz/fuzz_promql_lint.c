/* Any bytes as a query: every finding lies within them, and a bad query has one. */
#include <assert.h>
#include <stdint.h>

#include "adapters/metrics/promql_lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t size, count;
};

static void on_finding(void *ctx, const struct promql_finding *f)
{
    struct seen *seen = ctx;

    assert(f->what && f->offset <= seen->size && f->len <= seen->size - f->offset);
    seen->count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct seen seen = {size, 0};
    bool ok = promql_lint(a, (const char *)data, size, on_finding, &seen);

    assert(ok == (seen.count == 0));
    arena_free(a);
    return 0;
}
