#include "engine/facts.h"

#include "engine/engine.h"

const uint32_t phase_facts[PHASE_COUNT] = {
    [PHASE_NONE] = F_INITIALISING | F_STARTING,
    [PHASE_INITIALIZING] = F_INITIALISING | F_STARTING,
    [PHASE_INITIALIZED] = F_STARTING,
    [PHASE_WAITING] = F_IN_PROGRESS | F_STARTING | F_WAITING,
    [PHASE_PROGRESSING] = F_IN_PROGRESS | F_ANALYSING,
    [PHASE_WAITING_PROMOTION] = F_IN_PROGRESS | F_ANALYSING,
    [PHASE_PROMOTING] = F_IN_PROGRESS | F_PROMOTING,
    [PHASE_FINALISING] = F_IN_PROGRESS | F_FINALISING,
    [PHASE_SUCCEEDED] = F_STARTING,
    [PHASE_FAILED] = F_STARTING | F_FAILED,
    [PHASE_TERMINATING] = F_STARTING,
    [PHASE_TERMINATED] = F_STARTING,
};

static uint32_t hook_facts(const struct analysis_spec *an)
{
    uint32_t facts = 0;

    for (uint32_t i = 0; i < an->hook_count; i++) {
        facts |= an->hooks[i].type == HOOK_ROLLOUT ? F_ROLLOUT_HOOKS : 0u;
        facts |= an->hooks[i].type == HOOK_ROLLBACK ? F_ROLLBACK_HOOKS : 0u;
        facts |= an->hooks[i].type == HOOK_CONFIRM_TRAFFIC_INCREASE ? F_TRAFFIC_HOOKS : 0u;
    }
    return facts;
}

static uint32_t metric_facts(const struct analysis_spec *an)
{
    uint32_t facts = 0;

    for (uint32_t i = 0; i < an->metric_count; i++) {
        unsigned checks = metric_checks(&an->metrics[i]) & METRIC_CHECKS;
        facts |= checks == 0 || checks >> METRIC_TEMPLATE & 1 ? F_SECOND_PASS : 0u;
    }
    return facts;
}

uint32_t spec_facts(const struct spec *s)
{
    uint32_t facts = 0;

    facts |= s->has_autoscaler ? F_SCALER : 0u;
    facts |= s->skip_analysis ? F_SKIP : 0u;
    facts |= s->skip_analysis && !spec_deviates(s, DEV_SKIP_WAITS) ? F_SKIP_BLIND : 0u;
    facts |= s->provider_is_appmesh ? F_APPMESH : 0u;
    facts |= s->tracks_configs ? F_TRACKED : 0u;
    facts |= s->suspend ? F_SUSPEND : 0u;
    facts |= !spec_deviates(s, DEV_KEEP_REVISION) ? F_EARLY_SYNC : 0u;
    facts |= spec_deviates(s, DEV_ROLLBACK_WHILE_WAITING) ? F_ROLLBACK_WAITING : 0u;
    facts |= s->metrics_server || s->provider_is_knative ? F_OWN_SERVER : 0u;
    return facts | hook_facts(&s->analysis) | metric_facts(&s->analysis);
}
