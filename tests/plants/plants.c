/*
 * Bugs planted in the operator (engine/plant.h), and the seeds of the swarm that find them.
 *
 *   plants [SEEDS [FIRST]]   search seeds 1 to SEEDS (10000) for each bug, and print which found
 * it; begin with bug FIRST plants --known           only the seeds that are known to find them, as
 * make check does
 *
 * A bug counts as found when its seed breaks a rule with it and breaks none without.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/swarm/swarm.h"
#include "engine/plant.h"

enum plant plant_now = PLANT_NONE;

static const char *const texts[PLANT_COUNT] = {
#define TEXT(id, text) [PLANT_##id] = text,
    PLANTS(TEXT)
#undef TEXT
};

/* Seeds that found each; `plants` prints them anew after the draw of plans has changed. */
static const uint64_t known[PLANT_COUNT] = {
#include "tests/plants/known.h"
};

static bool breaks(struct swarm *from, enum plant plant, uint64_t seed, struct swarm_result *r)
{
    struct swarm_plan plan;

    plant_now = plant;
    swarm_plan_draw(&plan, seed);
    if (swarm_live(from, &plan, NULL, NULL, r) != 0)
        exit(4);
    plant_now = PLANT_NONE;
    return r->failed;
}

static bool finds(struct swarm *from, enum plant plant, uint64_t seed, struct swarm_result *r)
{
    struct swarm_result without;

    return breaks(from, plant, seed, r) && !breaks(from, PLANT_NONE, seed, &without);
}

static bool look_for(struct swarm *from, enum plant plant, uint64_t first, uint64_t last)
{
    struct swarm_result r;

    for (uint64_t seed = first; seed <= last; seed++) {
        if (!finds(from, plant, seed, &r))
            continue;
        printf("%2d  %-62s seed %5llu: %s: %s\n", plant, texts[plant], (unsigned long long)seed,
               r.rule, r.text);
        fflush(stdout);
        return true;
    }
    printf("%2d  %-62s NOT FOUND in seeds %llu to %llu\n", plant, texts[plant],
           (unsigned long long)first, (unsigned long long)last);
    fflush(stdout);
    return false;
}

int main(int argc, char **argv)
{
    bool only_known = argc > 1 && strcmp(argv[1], "--known") == 0;
    long long last = argc > 1 && !only_known ? strtoll(argv[1], NULL, 10) : 10000;
    struct swarm *from = swarm_new();
    int first = argc > 2 ? (int)strtol(argv[2], NULL, 10) : PLANT_NONE + 1, found = 0;

    if (from == NULL || last < 1 || first <= PLANT_NONE || first >= PLANT_COUNT)
        return 2;
    for (int p = first; p < PLANT_COUNT; p++)
        found += look_for(from, (enum plant)p, only_known ? known[p] : 1,
                          only_known ? known[p] : (uint64_t)last);
    swarm_free(from);
    printf("%d of %d planted bugs found\n", found, PLANT_COUNT - first);
    return found == PLANT_COUNT - first ? EXIT_SUCCESS : EXIT_FAILURE;
}
