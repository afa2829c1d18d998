#include "engine/judge.h"

static uint32_t count_bits(uint64_t bits)
{
    uint32_t n = 0;

    for (; bits != 0; bits &= bits - 1)
        n++;
    return n;
}

enum verdict judge_look(struct judge_state *state, const struct judge_spec *judge, bool outside,
                        const struct answer *answer)
{
    uint64_t window;

    if (judge->min_samples > 0 && answer->canary_requests < judge->min_samples)
        return VERDICT_WAIT;
    state->looks++;
    switch (judge->kind) {
    case JUDGE_CONSECUTIVE:
        state->run = outside ? state->run + 1 : 0;
        return state->run >= judge->k ? VERDICT_FAIL : VERDICT_PASS;
    case JUDGE_K_OF_N:
        window = judge->n >= 64 ? UINT64_MAX : ((uint64_t)1 << judge->n) - 1;
        state->history = (state->history << 1 | outside) & window;
        return count_bits(state->history) >= judge->k ? VERDICT_FAIL : VERDICT_PASS;
    case JUDGE_THRESHOLD:
    case JUDGE_ANYTIME:
    case JUDGE_MANN_WHITNEY:
        break;
    }
    return outside ? VERDICT_FAIL : VERDICT_PASS;
}
