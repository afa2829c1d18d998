/*
 * Any bytes as manifests: each document is decoded as a Canary, a MetricTemplate and an
 * AlertProvider, whatever it says it is. Errors and results agree, and a spec keeps the promises of
 * engine/spec.h.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/manifest/canary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pairs(const struct pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert(pairs[i].name && pairs[i].value);
        assert(i == 0 || strcmp(pairs[i - 1].name, pairs[i].name) < 0);
    }
}

static void check_spec(const struct spec *s)
{
    const struct analysis_spec *a = &s->analysis;
    int32_t weight = 0;

    assert(s->name && s->ns && s->target_name && s->target_kind_name);
    assert(s->provider && s->metrics_provider);
    assert(a->interval_ms >= 10000 && a->threshold >= 1);
    assert(a->present || s->skip_analysis);
    assert(strategy_name(spec_strategy(s)));
    for (int i = 0; i < 200 && weight < spec_max_weight(s); i++) {
        int32_t step = spec_next_step(s, weight);

        if (step <= 0 || step > 1000)
            break;
        weight += step;
    }
    for (uint32_t i = 0; i < a->metric_count; i++) {
        assert(a->metrics[i].name && a->metrics[i].interval);
        check_pairs(a->metrics[i].variables, a->metrics[i].variable_count);
    }
    for (uint32_t i = 0; i < a->hook_count; i++) {
        assert(a->hooks[i].name && a->hooks[i].url && a->hooks[i].timeout);
        assert((unsigned)a->hooks[i].type < HOOK_TYPE_COUNT);
        check_pairs(a->hooks[i].metadata, a->hooks[i].metadata_count);
    }
    for (uint32_t i = 0; i < a->alert_count; i++)
        assert(a->alerts[i].name && a->alerts[i].provider_name && a->alerts[i].provider_namespace);
}

static void check_result(const struct diags *diags, size_t before, int err)
{
    assert(err == 0 || err == -EINVAL);
    assert((err == -EINVAL) == (diags->errors > before));
}

static bool on_document(void *ctx, const struct document *doc)
{
    struct canary_options strict = {0}, lenient = {.lenient = true};
    struct diags *diags = ctx;
    struct metric_template t;
    struct alert_provider p;
    struct canary c;
    size_t before = diags->errors, strict_errors;
    int err = canary_decode(diags->arena, diags, doc, &strict, &c);

    check_result(diags, before, err);
    check_spec(&c.spec);
    strict_errors = diags->errors - before;
    before = diags->errors;
    err = canary_decode(diags->arena, diags, doc, &lenient, &c);
    check_result(diags, before, err);
    check_spec(&c.spec);
    assert(diags->errors - before <= strict_errors);
    before = diags->errors;
    check_result(diags, before, metric_template_decode(diags->arena, diags, doc, &t));
    assert(t.name && t.ns && t.provider_type && t.query);
    before = diags->errors;
    check_result(diags, before, alert_provider_decode(diags->arena, diags, doc, &p));
    assert(p.name && p.ns && p.type);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct node_limits limits = {.nodes_max = 5000};
    struct arena *arena = arena_new(256u << 20);
    struct diags diags;

    diags_init(&diags, arena);
    node_parse(arena, &diags, "-", (const char *)data, size, &limits, on_document, &diags);
    for (size_t i = 0; i < diags.count; i++)
        assert(diags.items[i].line >= 1 && diags.items[i].what);
    diags_release(&diags);
    arena_free(arena);
    return 0;
}
