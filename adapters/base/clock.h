/*
 * adapters/base/clock.h — where adapters get the time and how they wait.
 *
 * Production reads the real clock and sleeps; the simulated cluster moves virtual time. Nothing
 * below adapters/ may call time(), clock_gettime(), sleep() or a random source itself: it takes a
 * struct clock.
 */
#ifndef COALMINE_BASE_CLOCK_H
#define COALMINE_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    void *self;
    int64_t (*wall_ms)(void *self);           /* ms since 1970 UTC; may jump */
    int64_t (*mono_ms)(void *self);           /* ms, never goes back */
    void (*sleep_ms)(void *self, int64_t ms); /* blocks this task only */
    uint64_t (*random)(void *self);           /* 64 random bits (jitter, cookies) */
};

/* The real clock of this machine. */
const struct clock *clock_real(void);

#endif
