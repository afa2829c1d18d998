#include "tests/prop/world.h"

#include <stdio.h>
#include <string.h>

#include "engine/render.h"

struct world {
    const struct choices *choices;
    const struct world_options *options;
    struct spec spec;
    int32_t steps[6];
    struct metric_spec metrics[2];
    struct hook_spec hooks[6];
    struct rollout rollout;
    /* what is stored in the cluster */
    struct status stored;
    uint32_t memory;
    /* the truth */
    uint8_t primary,
        canary; /* enum outcome: OK, RETRY, FAILED; the canary's pods when it has any */
    bool canary_up;
    int32_t primary_weight, canary_weight;
    bool mirrored, router_mirrors;
    revision_t target, configs;
    revision_t primary_runs; /* revision of the primary's pods */
    bool faulty;
    bool initialised;
    ms_t now;
    const char *broken;
};

static uint32_t below(struct world *w, uint32_t bound)
{
    return w->choices->below(w->choices->self, bound);
}

/* True once in `n`. */
static bool once_in(struct world *w, uint32_t n)
{
    return below(w, n) == 0;
}

/* ---- a spec
 * ----------------------------------------------------------------------------------------- */

static void draw_hooks(struct world *w)
{
    uint32_t n = below(w, 6);

    for (uint32_t i = 0; i < n; i++) {
        w->hooks[i].name = "hook";
        w->hooks[i].url = "http://hook.test/";
        w->hooks[i].timeout = "";
        w->hooks[i].type = (enum hook_type)below(w, HOOK_TYPE_COUNT);
    }
    w->spec.analysis.hooks = w->hooks;
    w->spec.analysis.hook_count = n;
}

static void draw_steps(struct world *w)
{
    struct analysis_spec *an = &w->spec.analysis;
    int32_t at = 0;

    if (once_in(w, 2)) {
        an->step_weight = 1 + (int32_t)below(w, 60);
        an->max_weight = once_in(w, 3) ? 0 : 1 + (int32_t)below(w, 120);
        return;
    }
    an->step_weight_count = 1 + below(w, 5);
    for (uint32_t i = 0; i < an->step_weight_count; i++) {
        at = once_in(w, 8) ? (int32_t)below(w, 101) : at + 1 + (int32_t)below(w, 30);
        w->steps[i] = at;
    }
    an->step_weights = w->steps;
}

static void draw_spec(struct world *w)
{
    static const char *const providers[] = {"istio", "kubernetes", "appmesh", "linkerd"};
    struct spec *s = &w->spec;
    struct analysis_spec *an = &s->analysis;

    s->name = s->target_name = "web";
    s->ns = "test";
    s->target_kind_name = "Deployment";
    s->provider = s->metrics_provider = providers[below(w, 4)];
    s->provider_is_kubernetes = strcmp(s->provider, "kubernetes") == 0;
    s->provider_is_appmesh = strcmp(s->provider, "appmesh") == 0;
    s->tracks_configs = !once_in(w, 4);
    s->has_autoscaler = once_in(w, 4);
    s->skip_analysis = once_in(w, 8);
    s->progress_deadline_s = 600;
    s->deviations = w->options->deviations;
    an->present = true;
    an->interval_ms = 60000;
    an->threshold = 1 + (int32_t)below(w, 4);
    if (once_in(w, 2))
        an->iterations = 1 + (int32_t)below(w, 5);
    else
        draw_steps(w);
    an->match_count = once_in(w, 3) ? 1 : 0;
    an->mirror = once_in(w, 4);
    an->step_weight_promotion = once_in(w, 3) ? 1 + (int32_t)below(w, 60) : 0;
    w->metrics[0].name = "request-success-rate";
    w->metrics[0].has_range = w->metrics[0].range.has_min = true;
    w->metrics[0].range.min = 99;
    w->metrics[1].name = "queue";
    w->metrics[1].template_name = "queue";
    w->metrics[1].template_namespace = "test";
    w->metrics[1].has_range = w->metrics[1].range.has_max = true;
    w->metrics[1].range.max = 5;
    an->metrics = w->metrics;
    an->metric_count = below(w, 3);
    draw_hooks(w);
    w->router_mirrors = !once_in(w, 3);
}

/* ---- the truth
 * -------------------------------------------------------------------------------------- */

static bool primary_serves(const struct world *w)
{
    return w->primary == OUTCOME_OK;
}

static bool canary_serves(const struct world *w)
{
    return w->canary_up && w->canary == OUTCOME_OK;
}

static void broke(struct world *w, const char *rule)
{
    if (!w->broken)
        w->broken = rule;
}

static void set_routes(struct world *w, const struct ask *q)
{
    if (q->primary < 0 || q->canary < 0 || q->primary + q->canary != WEIGHT_TOTAL)
        broke(w, "the weights of a write do not sum to 100");
    if (w->options->safe && !w->spec.provider_is_kubernetes) {
        if (q->primary > w->primary_weight && !primary_serves(w) && canary_serves(w))
            broke(w, "traffic was sent to a broken primary while the canary served");
        if (q->canary > w->canary_weight && !canary_serves(w) && primary_serves(w))
            broke(w, "traffic was sent to a canary that does not serve while the primary did");
    }
    if (w->spec.provider_is_kubernetes)
        return;
    w->primary_weight = q->primary;
    w->canary_weight = q->canary;
    w->mirrored = q->flag && w->router_mirrors;
}

static void scale_zero(struct world *w)
{
    if (w->options->safe && canary_serves(w) && !primary_serves(w))
        broke(w, "the only side that served was scaled to zero");
    if (w->options->safe && canary_serves(w) && w->canary_weight > 0 &&
        !w->spec.provider_is_kubernetes)
        broke(w, "a canary with traffic was scaled to zero");
    w->canary_up = false;
}

static void scale_up(struct world *w)
{
    if (!w->canary_up)
        w->canary = (uint8_t)(once_in(w, 2) ? OUTCOME_RETRY : OUTCOME_OK);
    w->canary_up = true;
}

static void promote(struct world *w)
{
    if (w->primary_runs == w->target && w->primary == OUTCOME_OK)
        return;
    w->primary_runs = w->target;
    w->primary = (uint8_t)(once_in(w, 2) ? OUTCOME_RETRY : OUTCOME_OK);
}

/* ---- answers
 * ---------------------------------------------------------------------------------------- */

static void answer_routes(struct world *w, struct answer *a)
{
    a->primary = w->primary_weight;
    a->canary = w->canary_weight;
    a->mirrored = w->mirrored;
    if (w->spec.provider_is_kubernetes) {
        a->primary = w->rollout.status.iterations > 0 ? 0 : 100;
        a->canary = 100 - a->primary;
    }
}

static void answer_metric(struct world *w, const struct ask *q, struct answer *a)
{
    bool bad = w->faulty && once_in(w, 6);

    a->value = q->metric == METRIC_TEMPLATE ? (bad ? 9 : 1) : (bad ? 50 : 100);
    if (w->faulty && once_in(w, 20))
        a->outcome = once_in(w, 2) ? OUTCOME_NO_VALUE : OUTCOME_FAILED;
}

static void answer_hook(struct world *w, const struct ask *q, struct answer *a)
{
    bool rollback = w->spec.analysis.hooks[q->index].type == HOOK_ROLLBACK;

    if (rollback)
        a->outcome = w->faulty && once_in(w, 12) ? OUTCOME_OK : OUTCOME_RETRY;
    else if (w->faulty && once_in(w, 4))
        a->outcome = OUTCOME_RETRY;
}

static void store_status(struct world *w, const struct ask *q)
{
    status_apply(&w->stored, &q->save, &w->spec, w->target, w->configs, w->now);
    w->memory = q->save.memory;
    if (w->stored.phase == PHASE_INITIALIZED)
        w->initialised = true;
}

/* Perform an effect. An effect may fail before, or after it has taken place. */
static void effect(struct world *w, const struct ask *q)
{
    if (q->kind == ASK_ROUTES_SET)
        set_routes(w, q);
    else if (q->kind == ASK_SCALE_ZERO)
        scale_zero(w);
    else if (q->kind == ASK_SCALE_UP)
        scale_up(w);
    else if (q->kind == ASK_PROMOTE)
        promote(w);
    else if (q->kind == ASK_SAVE)
        store_status(w, q);
}

static bool is_effect(unsigned kind)
{
    return kind == ASK_ROUTES_SET || kind == ASK_SCALE_ZERO || kind == ASK_SCALE_UP ||
           kind == ASK_PROMOTE || kind == ASK_SAVE;
}

static void answer(struct world *w, const struct ask *q, struct answer *a)
{
    bool fails = w->faulty && once_in(w, 25), late = fails && once_in(w, 2);

    memset(a, 0, sizeof *a);
    a->id = q->id;
    a->text = "trouble";
    a->text_len = 7;
    a->target = w->target;
    a->configs = w->configs;
    if (q->kind == ASK_PRIMARY_READY || (q->kind == ASK_PRIMARY_INIT && q->flag)) {
        a->outcome = w->primary;
        return;
    }
    if (q->kind == ASK_CANARY_READY) {
        a->no_pods = !w->canary_up;
        a->outcome = w->canary_up ? w->canary : (uint8_t)OUTCOME_OK;
        return;
    }
    if (is_effect(q->kind) && (!fails || late))
        effect(w, q);
    if (fails) {
        a->outcome = OUTCOME_RETRY;
        return;
    }
    if (q->kind == ASK_LOAD)
        a->status = &w->stored;
    else if (q->kind == ASK_ROUTES_GET)
        answer_routes(w, a);
    else if (q->kind == ASK_METRIC)
        answer_metric(w, q, a);
    else if (q->kind == ASK_HOOK)
        answer_hook(w, q, a);
}

/* ---- a life
 * ----------------------------------------------------------------------------------------- */

static void check_rest(struct world *w)
{
    const struct status *s = &w->stored;

    if (w->spec.provider_is_kubernetes || (s->phase != PHASE_FAILED && s->phase != PHASE_SUCCEEDED))
        return;
    if (w->options->safe && w->canary_weight != 0 &&
        !(s->phase == PHASE_FAILED && s->canary_weight == WEIGHT_TOTAL))
        broke(w, "a finished rollout left traffic on the canary");
}

static void crash(struct world *w)
{
    uint32_t id = w->rollout.ask_id;

    rollout_init(&w->rollout);
    rollout_load(&w->rollout, &w->stored, w->memory);
    w->rollout.ask_id = id;
}

static void print_ask(const struct world *w, const struct ask *q, const struct answer *a)
{
    printf("    %-16s %d/%d op=%d phase=%s -> %d\n", ask_kind_name((enum ask_kind)q->kind),
           q->primary, q->canary, q->save.op, phase_name((enum phase)q->save.phase), a->outcome);
    (void)w;
}

static void tick(struct world *w)
{
    struct step step;
    struct answer a;

    w->now += 60000;
    engine_begin(&w->rollout, &w->spec, TICK_ANALYSIS, w->now, &step);
    while (step.ask.kind != ASK_DONE && !w->broken) {
        if (w->faulty && once_in(w, 60)) {
            crash(w);
            return;
        }
        answer(w, &step.ask, &a);
        if (w->options->trace)
            print_ask(w, &step.ask, &a);
        if (w->faulty && once_in(w, 30)) { /* a late answer to something else changes nothing */
            struct rollout before = w->rollout;
            struct step ignored;
            a.id += 1 + below(w, 5);
            engine_answer(&w->rollout, &w->spec, &a, &ignored);
            if (ignored.ask.kind != ASK_NONE || ignored.note_count != 0 ||
                memcmp(&before, &w->rollout, sizeof before) != 0)
                broke(w, "an answer to another ask changed something");
            a.id = step.ask.id;
        }
        engine_answer(&w->rollout, &w->spec, &a, &step);
    }
    check_rest(w);
}

static uint8_t draw_readiness(struct world *w)
{
    uint32_t n = below(w, 10);

    return (uint8_t)(n < 6 ? OUTCOME_OK : n < 8 ? OUTCOME_RETRY : OUTCOME_FAILED);
}

/* What happens between ticks: pods come and go, people push, pull and press. */
static void turn(struct world *w)
{
    if (once_in(w, 4))
        w->primary = draw_readiness(w);
    if (once_in(w, 4))
        w->canary = draw_readiness(w);
    if (once_in(w, 8))
        w->target = 1 + below(w, 4);
    if (w->target == 0)
        w->target = 1;
    if (once_in(w, 12))
        w->configs = below(w, 3);
    if (once_in(w, 20))
        w->spec.skip_analysis = !w->spec.skip_analysis;
    if (once_in(w, 25))
        w->spec.analysis.iterations = (int32_t)below(w, 4);
    if (once_in(w, 25))
        w->spec.suspend = !w->spec.suspend;
    if (once_in(w, 15))
        rollout_command(&w->rollout, (enum command)below(w, 6));
}

static void heal(struct world *w)
{
    w->faulty = false;
    w->spec.suspend = false;
    rollout_command(&w->rollout, COMMAND_RESUME);
}

static void healthy_turn(struct world *w)
{
    w->primary = OUTCOME_OK;
    w->canary = OUTCOME_OK;
}

static bool at_rest(const struct world *w)
{
    unsigned p = w->stored.phase;

    return p == PHASE_INITIALIZED || p == PHASE_SUCCEEDED || p == PHASE_FAILED;
}

/* A spec that gives the canary nothing to do is held on purpose. */
static bool spec_can_end(const struct world *w)
{
    const struct analysis_spec *an = &w->spec.analysis;

    return an->iterations > 0 || w->spec.skip_analysis || w->spec.provider_is_kubernetes ||
           spec_next_step(&w->spec, 0) > 0;
}

const char *world_live(const struct choices *choices, const struct world_options *options)
{
    struct world w;

    memset(&w, 0, sizeof w);
    w.choices = choices;
    w.options = options;
    w.primary_weight = WEIGHT_TOTAL;
    w.canary_up = true; /* before adoption the target serves */
    w.target = w.primary_runs = 1;
    w.faulty = true;
    draw_spec(&w);
    rollout_init(&w.rollout);
    for (uint32_t i = 0; i < options->ticks_faulty && !w.broken; i++) {
        turn(&w);
        if (options->trace)
            printf("tick %u: phase %s routes %d/%d primary %d canary %d up %d target %d\n", i,
                   phase_name((enum phase)w.stored.phase), w.primary_weight, w.canary_weight,
                   w.primary, w.canary, w.canary_up, (int)w.target);
        tick(&w);
    }
    heal(&w);
    for (uint32_t i = 0; i < options->ticks_healed && !w.broken; i++) {
        healthy_turn(&w);
        if (options->trace)
            printf("healed %u: phase %s routes %d/%d it %d fc %d\n", i,
                   phase_name((enum phase)w.stored.phase), w.primary_weight, w.canary_weight,
                   w.stored.iterations, w.stored.failed_checks);
        tick(&w);
    }
    if (!w.broken && options->ticks_healed > 0 && options->safe && spec_can_end(&w) && !at_rest(&w))
        broke(&w, "healed, the rollout did not come to rest");
    return w.broken;
}
