/*
 * A swarm file: it is refused with at least one finding, or it is a plan whose every value is in
 * its range, and which written and read again is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/swarm/swarm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(struct swarm_plan *plan)
{
    for (size_t i = 0; i < swarm_field_count; i++) {
        int64_t value = *swarm_field_of(plan, &swarm_fields[i]);

        if (value < swarm_fields[i].low || value > swarm_fields[i].high)
            abort();
    }
    if (plan->act_count > SWARM_ACTS_MAX || plan->end_count > SWARM_ENDS_MAX)
        abort();
    for (size_t i = 0; i < plan->act_count; i++) {
        if ((unsigned)plan->acts[i].act >= ACT_COUNT ||
            (i > 0 && plan->acts[i].at_ms < plan->acts[i - 1].at_ms))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(64u << 20);
    struct swarm_plan plan, again;
    struct strbuf text = STRBUF_INIT;
    struct diags diags;
    const char *source;
    int code;

    if (arena == NULL)
        return 0;
    diags_init(&diags, arena);
    source = arena_strndup(arena, (const char *)data, size);
    code = source ? swarm_plan_read(arena, &diags, "f", source, size, &plan) : -1;
    if (code == 0) {
        hold(&plan);
        swarm_plan_write(&plan, &text);
        if (swarm_plan_read(arena, &diags, "g", strbuf_str(&text), text.len, &again) != 0 ||
            memcmp(&plan, &again, sizeof(plan)) != 0)
            abort();
    } else if (diags.errors == 0 && !arena_failed(arena)) {
        abort();
    }
    strbuf_release(&text);
    diags_release(&diags);
    arena_free(arena);
    return 0;
}
