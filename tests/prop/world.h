/*
 * tests/prop/world.h — one random rollout in a small world, watched: what was really routed and
 * scaled, not what the engine says of it. Everything is drawn from one source of choices: a seed or
 * a fuzzer's bytes.
 */
#ifndef COALMINE_TESTS_PROP_WORLD_H
#define COALMINE_TESTS_PROP_WORLD_H

#include "engine/engine.h"

/* A number below `bound` (> 0). */
struct choices {
    void *self;
    uint32_t (*below)(void *self, uint32_t bound);
};

struct world_options {
    deviations_t deviations;
    bool safe;             /* hold the rollout to the rules of the default profile */
    uint32_t ticks_faulty; /* ticks under faults, edits and crashes */
    uint32_t ticks_healed; /* then all is well: the rollout must come to rest */
    bool trace;            /* print each ask and what stands */
};

/*
 * Run one life. Returns NULL, or what rule was broken (static text). Rules:
 *  - weights of a write sum to 100 and each is within 0 to 100;
 *  - safe: no write gives more traffic to a side that cannot serve while the other can;
 *  - safe: the canary is not scaled to zero while it is the only side that serves;
 *  - safe: a rollout that ends Failed or Succeeded leaves 100/0, unless a failed promotion holds
 * the canary at 100;
 *  - once healed, the rollout comes to rest (safe, with a spec that is not at fault).
 */
const char *world_live(const struct choices *choices, const struct world_options *options);

#endif
