/* The status and what each write makes of it. docs/engine/semantics.md §1.2, §1.4 */
#include "engine/engine.h"

enum condition_status condition_of(enum phase phase)
{
    switch (phase) {
    case PHASE_INITIALIZED:
    case PHASE_SUCCEEDED:
        return CONDITION_TRUE;
    case PHASE_FAILED:
        return CONDITION_FALSE;
    case PHASE_NONE:
    case PHASE_INITIALIZING:
    case PHASE_WAITING:
    case PHASE_PROGRESSING:
    case PHASE_WAITING_PROMOTION:
    case PHASE_PROMOTING:
    case PHASE_FINALISING:
    case PHASE_TERMINATING:
    case PHASE_TERMINATED:
    case PHASE_COUNT:
        break;
    }
    return CONDITION_UNKNOWN;
}

static void set_condition(struct status *status, enum phase phase, ms_t now_ms)
{
    enum condition_status condition = condition_of(phase);

    if (status->condition == condition && status->condition_reason == phase)
        return;
    if (status->condition != condition)
        status->condition_transition_ms = now_ms;
    status->condition = (uint8_t)condition;
    status->condition_reason = (uint8_t)phase;
    status->condition_update_ms = now_ms;
}

/* Phases that keep the counters; all others start them again. */
static bool keeps_counters(enum phase phase)
{
    return phase == PHASE_PROGRESSING || phase == PHASE_WAITING || phase == PHASE_PROMOTING;
}

static void apply_phase(struct status *status, const struct save *save, const struct spec *spec,
                        ms_t now_ms)
{
    enum phase phase = (enum phase)save->phase;

    status->phase = save->phase;
    if (!keeps_counters(phase)) {
        if (phase != PHASE_WAITING_PROMOTION || !spec_deviates(spec, DEV_WAITING_WEIGHT))
            status->canary_weight = 0;
        status->iterations = phase == PHASE_WAITING_PROMOTION ? save->iterations : 0;
    }
    if (save->weight != 0 && spec_deviates(spec, DEV_WAITING_WEIGHT))
        status->canary_weight = save->weight;
    if (phase == PHASE_INITIALIZED || phase == PHASE_SUCCEEDED)
        status->promoted = status->applied;
    set_condition(status, phase, now_ms);
}

void status_apply(struct status *status, const struct save *save, const struct spec *spec,
                  revision_t target, revision_t configs, ms_t now_ms)
{
    switch ((enum save_op)save->op) {
    case SAVE_SYNC:
        status->phase = save->phase;
        status->canary_weight = save->weight;
        status->failed_checks = save->failed_checks;
        status->iterations = save->iterations;
        if (save->record == RECORD_TARGET)
            status->applied = target;
        else if (save->record == RECORD_PROMOTED)
            status->applied = status->promoted;
        if (spec->tracks_configs && save->record == RECORD_TARGET)
            status->configs = configs;
        if (save->phase == PHASE_INITIALIZED)
            status->promoted = target;
        set_condition(status, (enum phase)save->phase, now_ms);
        break;
    case SAVE_PHASE:
        apply_phase(status, save, spec, now_ms);
        break;
    case SAVE_FAILED_CHECKS:
        status->failed_checks = save->failed_checks;
        break;
    case SAVE_WEIGHT:
        status->canary_weight = save->weight;
        break;
    case SAVE_ITERATIONS:
        status->iterations = save->iterations;
        break;
    case SAVE_MEMORY:
        break;
    }
    status->transition_ms = now_ms;
}

void rollout_saved(struct rollout *r, const struct spec *spec, const struct answer *a)
{
    if (a->outcome != OUTCOME_OK)
        return;
    status_apply(&r->stored, &r->saving, spec, a->target, a->configs, r->now_ms);
    r->memory = r->saving.memory;
}

uint8_t routed_share(int32_t canary, bool mirrored)
{
    int32_t weight = canary < 0 ? 0 : canary > WEIGHT_TOTAL ? WEIGHT_TOTAL : canary;

    return (uint8_t)(weight > 0 ? 2 * weight : mirrored);
}

void rollout_routed(struct rollout *r, const struct spec *spec)
{
    if (spec_deviates(spec, DEV_TELL_FIRST))
        r->routed = routed_share(r->next_canary, r->next_mirrored);
}

void hand_take_effect(struct hand *hand, struct rollout *r, const struct spec *spec,
                      enum ask_kind kind)
{
    if (kind == ASK_SAVE) {
        rollout_saved(r, spec, &hand->ok);
    } else if (kind == ASK_ROUTES_SET) {
        hand->ok.primary = r->next_primary;
        hand->ok.canary = r->next_canary;
        hand->ok.mirrored = r->next_mirrored;
        rollout_routed(r, spec);
    }
}
