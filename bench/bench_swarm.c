/*
 * Operator lives a second on one core: install, release, promotion or rollback, in virtual time,
 * with the real encoding; without faults, and with those that seeds draw.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/swarm/swarm.h"
#include "bench/figure.h"

enum { LIVES = 300 };

static double lives_per_s(struct swarm *from, bool calm)
{
    double start = cpu_s();

    for (uint64_t seed = 1; seed <= LIVES; seed++) {
        struct swarm_plan plan;
        struct swarm_result r;

        swarm_plan_draw(&plan, seed);
        if (calm) {
            for (size_t i = 0; i < swarm_field_count; i++) {
                if (strcmp(swarm_fields[i].group, "canary") != 0)
                    *swarm_field_of(&plan, &swarm_fields[i]) = swarm_fields[i].calm;
            }
            plan.act_count = plan.end_count = 0;
            swarm_plan_add(&plan, 60000, seed % 3 ? ACT_RELEASE : ACT_BAD_RELEASE, 0);
        }
        if (swarm_live(from, &plan, NULL, NULL, &r) != 0) {
            fputs("bench_swarm: out of memory\n", stderr);
            exit(4);
        }
    }
    return LIVES / (cpu_s() - start);
}

int main(void)
{
    struct swarm *from = swarm_new();
    double calm, faulty;

    if (!from)
        return 4;
    calm = lives_per_s(from, true);
    faulty = lives_per_s(from, false);
    figure_at_least("operator-lives", calm, "lives/s", NO_LIMIT, 300);
    figure("swarm-lives", faulty, "lives/s", NO_LIMIT);
    swarm_free(from);
    return 0;
}
