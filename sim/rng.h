/*
 * sim/rng.h — the only randomness there is: counter-based, so that a draw depends on what it is for
 * and never on how many draws others made, on threads or on their order.
 *
 * The n-th draw of a stream is a pure function of (seed, rollout, stream, n): Philox4x32 with ten
 * rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011).
 */
#ifndef COALMINE_SIM_RNG_H
#define COALMINE_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t seed;
    uint32_t rollout, stream;
    uint64_t next; /* index of the next draw; set it to jump */
};

struct rng rng_init(uint64_t seed, uint32_t rollout, uint32_t stream);
/* 64 random bits. */
uint64_t rng_next(struct rng *r);
/* An integer in [0, n), without bias; n >= 1. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* A double in [0, 1) with 53 random bits. */
double rng_unit(struct rng *r);
/* True in `ppm` of a million cases. */
bool rng_chance(struct rng *r, uint32_t ppm);
/* One block: 128 random bits out of a counter and a key. Exposed for its known-answer test. */
void rng_block(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_block[4]);

#endif
