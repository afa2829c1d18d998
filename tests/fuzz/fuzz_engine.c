/*
 * Bytes become a life of a rollout: its spec, the truth of the world, faults, crashes, edits,
 * commands. The first byte chooses the profile; in the default one the rules of tests/prop/world.h
 * must hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/prop/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *at, *end;
    uint32_t spent; /* choices after the bytes ran out are small and vary */
};

static uint32_t take(void *self, uint32_t bound)
{
    struct bytes *b = self;
    uint32_t value = 0;

    if (b->at == b->end)
        return b->spent++ * 7 % bound;
    value = *b->at++;
    if (bound > 256 && b->at < b->end)
        value = value << 8 | *b->at++;
    return value % bound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, data + size, 0};
    struct choices choices = {&bytes, take};
    struct world_options options = {PROFILE_DEFAULT, true, 60, 250, false};
    const char *rule;

    if (take(&bytes, 4) == 0) {
        options.deviations = PROFILE_FLAGGER_1_44;
        options.safe = false;
    }
    rule = world_live(&choices, &options);
    if (rule) {
        fprintf(stderr, "%s\n", rule);
        abort();
    }
    return 0;
}
