/* Any bytes as a query template: it parses or not, renders or not, and says where it went wrong. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/metrics/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_word(void *ctx, enum template_word kind, const char *name, size_t offset)
{
    const size_t *size = ctx;

    (void)kind;
    assert(name && offset <= *size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct metric_variable variables[] = {{"zone", "eu"}, {"rack", "7"}};
    struct metric_model m = {"web", "prod", "podinfo", "frontend", "ing", "rt", "1m", variables, 2};
    struct arena *a = arena_new(16u << 20);
    struct strbuf out = STRBUF_INIT;
    struct template_error e;
    struct template *t = template_parse(a, (const char *)data, size, &e);

    if (t)
        template_each_word(t, on_word, &size);
    if (t && template_render(t, &m, a, &out, &e) == 0)
        assert(out.len <= TEMPLATE_OUTPUT_MAX + size * 64 + 65536);
    else
        assert(e.what && e.text && e.line >= 1 && e.col >= 1 && e.offset <= size);
    strbuf_release(&out);
    arena_free(a);
    return 0;
}
