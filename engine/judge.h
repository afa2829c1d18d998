/*
 * engine/judge.h — verdicts beyond one bound: consecutive and k-of-n rules, minimum samples, tests
 * on counts.
 */
#ifndef COALMINE_ENGINE_JUDGE_H
#define COALMINE_ENGINE_JUDGE_H

#include "engine/engine.h"

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_WAIT };

/*
 * One look at one metric. `outside` says whether the value broke its bounds. Updates the bounded
 * sums in `state`; NULL = there is no room for them, each look is the first. Without a judge
 * annotation the verdict is that of the bounds.
 */
enum verdict judge_look(struct judge_state *state, const struct judge_spec *judge, bool outside,
                        const struct answer *answer);
/* Samples of each side that are looked at; further ones are left out. */
#define JUDGE_SAMPLES_MAX 512
/*
 * Does x lie above y by more than `shift`? Mann-Whitney with tie correction and continuity
 * correction, normal approximation: z > critical.
 */
bool judge_is_greater(const double *x, uint32_t m, const double *y, uint32_t n, double shift,
                      double critical);
/* The Hodges-Lehmann estimate of how far x lies above y: the exact median of all differences. */
double judge_shift(const double *x, uint32_t m, const double *y, uint32_t n);

#endif
