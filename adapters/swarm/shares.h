/* adapters/swarm/shares.h — who gets how much of the traffic, as an object of a mesh says it. */
#ifndef COALMINE_SWARM_SHARES_H
#define COALMINE_SWARM_SHARES_H

#include "adapters/swarm/judge.h"

/* Percent to each side. */
struct shares {
    bool known;
    int canary, primary; /* the most that any rule sends there */
    int weight;  /* what the last rule sends to the canary: those before it match requests */
    int bad_sum; /* a rule whose weights do not make 100, or 0 */
};

struct shares shares_of(const struct swarm_plan *plan, const cJSON *object);
/* Of the routes as they stand. */
struct shares shares_now(const struct judge *j);
/* May the canary of this plan ever get this weight while it is analysed? */
bool shares_in_table(const struct swarm_plan *plan, int weight);

#endif
