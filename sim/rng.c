#include "sim/rng.h"

#include <assert.h>

#define ROUNDS 10
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define KEY_STEP_0 0x9E3779B9u
#define KEY_STEP_1 0xBB67AE85u

void rng_block(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_block[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0;
        uint64_t p1 = (uint64_t)MULTIPLIER_1 * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += KEY_STEP_0;
        k1 += KEY_STEP_1;
    }
    ret_block[0] = c0;
    ret_block[1] = c1;
    ret_block[2] = c2;
    ret_block[3] = c3;
}

struct rng rng_init(uint64_t seed, uint32_t rollout, uint32_t stream)
{
    return (struct rng){.seed = seed, .rollout = rollout, .stream = stream};
}

uint64_t rng_next(struct rng *r)
{
    uint64_t n = r->next++;
    const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)n, (uint32_t)(n >> 32), r->rollout, r->stream};
    uint32_t block[4];

    rng_block(counter, key, block);
    return (uint64_t)block[1] << 32 | block[0];
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    uint64_t refuse = (UINT64_MAX - n + 1) % n; /* draws below this would favour small results */
    uint64_t draw;

    assert(n >= 1);
    do
        draw = rng_next(r);
    while (draw < refuse);
    return draw % n;
}

double rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * (1.0 / 9007199254740992.0);
}

bool rng_chance(struct rng *r, uint32_t ppm)
{
    return rng_below(r, 1000000) < ppm;
}
