/*
 * engine/plant.h — bugs planted on purpose, to see that the simulated cluster finds them. Only
 * tests/plants builds with COALMINE_PLANTS; everywhere else no bug is planted, and no code for one
 * is there.
 */
#ifndef COALMINE_ENGINE_PLANT_H
#define COALMINE_ENGINE_PLANT_H

/* X(enumerator, what the operator does wrong) */
#define PLANTS(X)                                                                                  \
    X(STATUS_BEFORE_ROUTES, "writes the status before the route")                                  \
    X(NO_FENCE, "forgets the fence: an answer given twice is taken twice")                         \
    X(NO_OWNER, "drops the owner reference of the primary")                                        \
    X(CONFLICT_IS_SUCCESS, "treats a conflict as success")                                         \
    X(NO_VERSION, "writes without resourceVersion")                                                \
    X(PROMOTE_UNCHECKED, "promotes before the checks")                                             \
    X(IGNORE_LOST_LEASE, "goes on when its leadership is lost")                                    \
    X(NO_SCALE_UP, "forgets to scale up before it routes")                                         \
    X(TIMEOUT_APPROVES, "takes a hook without an answer for approval")                             \
    X(COOKIES_AFTER_USE, "saves session cookies after they were used")                             \
    X(SCALE_BEFORE_ROUTE, "takes the canary's pods away before its traffic")                       \
    X(FORGET_END, "forgets, when it dies, to tell of the end")                                     \
    X(WEIGHT_IS_TOO_HIGH, "sends five percent more than the step says")

enum plant {
    PLANT_NONE,
#define PLANT_ID(id, text) PLANT_##id,
    PLANTS(PLANT_ID)
#undef PLANT_ID
        PLANT_COUNT
};

#ifdef COALMINE_PLANTS
extern enum plant plant_now;
#define PLANTED(id) (plant_now == PLANT_##id)
#else
#define PLANTED(id) false
#endif

#endif
