#include "tests/conformance/spec_json.h"

#include <stdlib.h>

#include "adapters/manifest/canary.h"

struct canary_json {
    cJSON *object;
    struct arena *arena;
    struct canary_options options;
    struct canary canary;
};

static bool read_again(struct canary_json *c)
{
    struct diags diags;
    bool ok;

    diags_init(&diags, c->arena);
    ok = canary_decode_json(c->arena, &diags, "canary", c->object, &c->options, &c->canary) == 0;
    for (size_t i = 0; i < diags.count; i++)
        diag_print(stdout, &diags.items[i], NULL, 0, false);
    diags_release(&diags);
    return ok;
}

struct canary_json *canary_json_new(const cJSON *canary, const char *mesh_provider, const char *cluster_name)
{
    struct canary_json *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->object = json_copy(canary);
    c->arena = arena_new(0);
    c->options.mesh_provider = mesh_provider;
    c->options.cluster_name = cluster_name;
    c->options.deviations = PROFILE_FLAGGER_1_44;
    c->options.lenient = true;
    if (c->object && c->arena && read_again(c))
        return c;
    canary_json_free(c);
    return NULL;
}

bool canary_json_edit(struct canary_json *c, const cJSON *patch)
{
    cJSON *spec = cJSON_DetachItemFromObjectCaseSensitive(c->object, "spec");

    return json_set(c->object, "spec", json_merge_patch(spec, patch)) == 0 && read_again(c);
}

const struct spec *canary_json_spec(const struct canary_json *c)
{
    return &c->canary.spec;
}

void canary_json_free(struct canary_json *c)
{
    if (!c)
        return;
    json_free(c->object);
    arena_free(c->arena);
    free(c);
}
