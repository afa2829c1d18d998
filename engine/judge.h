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
 * sums in `state`. Without a judge annotation the verdict is that of the bounds.
 */
enum verdict judge_look(struct judge_state *state, const struct judge_spec *judge, bool outside,
                        const struct answer *answer);
#endif
