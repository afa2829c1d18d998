#include "adapters/base/clock.h"

#include <stddef.h>
#include <sys/random.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wall_ms(void *self)
{
    (void)self;
    return read_clock(CLOCK_REALTIME);
}

static int64_t mono_ms(void *self)
{
    (void)self;
    return read_clock(CLOCK_MONOTONIC);
}

static void sleep_ms(void *self, int64_t ms)
{
    struct timespec left;

    (void)self;
    if (ms <= 0)
        return;
    left.tv_sec = (time_t)(ms / 1000);
    left.tv_nsec = (long)(ms % 1000 * 1000000);
    while (nanosleep(&left, &left) != 0)
        continue;
}

static uint64_t random_bits(void *self)
{
    uint64_t bits = 0;
    ssize_t got = getrandom(&bits, sizeof bits, 0);

    (void)self;
    if (got != (ssize_t)sizeof bits)
        bits = (uint64_t)mono_ms(NULL) * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
    return bits;
}

const struct clock *clock_real(void)
{
    static const struct clock real = {NULL, wall_ms, mono_ms, sleep_ms, random_bits};

    return &real;
}
