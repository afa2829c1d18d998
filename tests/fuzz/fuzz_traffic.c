/*
 * Any bytes as recorded traffic, or as a recorded histogram of latency (the first byte says which):
 * either a located mistake, or rates and shares that the models can take.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/whatif/histogram.h"
#include "adapters/whatif/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_trace(struct arena *arena, struct diags *diags, const char *text, size_t len)
{
    struct trace t;

    if (trace_read(&t, arena, diags, "f", text, len) != 0)
        return;
    assert(t.count > 0 && t.step_ms > 0);
    for (uint32_t i = 0; i < t.count && i < 1000; i++)
        assert(t.values[i] >= 0);
}

static void try_histogram(struct arena *arena, struct diags *diags, const char *text, size_t len)
{
    struct whatif_model m = whatif_model_default();
    struct model_histogram h;
    double before = 0;

    if (histogram_read(&h, arena, diags, "f", text, len, 0) != 0)
        return;
    m.latency = true;
    m.histogram = &h;
    for (uint32_t i = 0; i < h.count; i++) {
        double share = model_latency_cdf(&m, h.bounds_ms[i]);

        assert(share >= before - 1e-9 && share <= 1 + 1e-9);
        before = share;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(64u << 20);
    struct diags diags;
    char *text;

    if (size == 0 || !arena) {
        arena_free(arena);
        return 0;
    }
    text = malloc(size);
    assert(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    diags_init(&diags, arena);
    (data[0] == 'h' ? try_histogram : try_trace)(arena, &diags, text, size - 1);
    diags_release(&diags);
    arena_free(arena);
    free(text);
    return 0;
}
