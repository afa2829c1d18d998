#include "sim/world.h"

#include <string.h>

#include "engine/num.h"
#include "sim/world_parts.h"

#define MS_PER_S 1000

revision_t revision_of(const char *name)
{
    revision_t hash = 14695981039346656037u;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash ? hash : 1;
}

/* ---- pods
 * ------------------------------------------------------------------------------------------- */

static ms_t startup_of(const struct world *w, revision_t revision)
{
    const struct world_plan *plan = &w->plan->world;

    for (uint32_t i = 0; i < plan->revision_count; i++)
        if (plan->revisions[i].revision == revision && plan->revisions[i].startup_ms >= 0)
            return plan->revisions[i].startup_ms;
    return plan->startup_ms;
}

/* Pods of the current revision that are ready. */
static int32_t side_ready_new(const struct side *s, ms_t now)
{
    ms_t batches;

    if (!s->exists || s->state != SIDE_AUTO || s->startup_ms == MS_NEVER)
        return 0;
    if (s->startup_ms <= 0)
        return s->desired;
    batches = (now - s->since_ms) / s->startup_ms;
    if (s->surge <= 0)
        return batches >= 1 ? s->desired : 0;
    return batches >= (s->desired + s->surge - 1) / s->surge ? s->desired
                                                             : (int32_t)batches * s->surge;
}

/* Pods of the former revision that still serve. */
static int32_t side_ready_old(const struct side *s, ms_t now)
{
    int32_t ready = side_ready_new(s, now);

    if (!s->exists || s->state != SIDE_AUTO || ready >= s->desired)
        return 0;
    return s->old > ready ? s->old - ready : 0;
}

static int32_t side_ready(const struct side *s, ms_t now)
{
    return side_ready_new(s, now) + side_ready_old(s, now);
}

/* The workload is to have `desired` pods of `revision`. */
static void side_set(struct world *w, struct side *s, revision_t revision, int32_t desired)
{
    int32_t ready = side_ready(s, w->now_ms);

    if (s->exists && s->revision == revision && s->desired == desired)
        return;
    if (s->exists && s->revision == revision && desired <= ready) { /* pods go, none starts */
        s->desired = desired;
        s->old = 0;
        s->since_ms = w->now_ms - (s->startup_ms == MS_NEVER ? 0 : s->startup_ms * (desired + 1));
        return;
    }
    if (s->revision != revision && s->state != SIDE_AUTO) { /* likewise for the primary */
        s->state = SIDE_AUTO;
        ready = 0;
    }
    s->old = s->exists ? (ready < desired ? ready : desired) : 0;
    s->exists = true;
    s->revision = revision;
    s->desired = desired;
    s->since_ms = w->now_ms;
    s->startup_ms = startup_of(w, revision);
    s->surge = w->plan->world.surge;
}

/* Pods that have been there for ever. */
static void side_settle(struct world *w, struct side *s, revision_t revision, int32_t desired)
{
    side_set(w, s, revision, desired);
    s->old = 0;
    if (s->startup_ms != MS_NEVER)
        s->since_ms = w->now_ms - s->startup_ms * (desired + 1);
}

static ms_t side_next_ready(const struct side *s, ms_t now)
{
    ms_t next;

    if (!s->exists || s->state != SIDE_AUTO || s->startup_ms == MS_NEVER || s->startup_ms <= 0 ||
        side_ready_new(s, now) >= s->desired)
        return MS_NEVER;
    next = s->since_ms + ((now - s->since_ms) / s->startup_ms + 1) * s->startup_ms;
    return next;
}

static bool has_pods(const struct world *w)
{
    return w->spec->target_kind != TARGET_SERVICE;
}

static bool side_up(const struct world *w, const struct side *s)
{
    return !has_pods(w) || side_ready(s, w->now_ms) > 0;
}

ms_t world_next_ready(const struct world *w)
{
    ms_t a = side_next_ready(&w->primary, w->now_ms), b = side_next_ready(&w->canary, w->now_ms);

    return a < b ? a : b;
}

/* ---- traffic
 * ---------------------------------------------------------------------------------------- */

static void world_shares(const struct world *w, int32_t *primary, int32_t *canary)
{
    *primary = WEIGHT_TOTAL;
    *canary = 0;
    if (!w->apex_on_primary) {
        *primary = 0;
        *canary = WEIGHT_TOTAL;
    } else if (!w->spec->provider_is_kubernetes) {
        *primary = w->primary_weight;
        *canary = w->canary_weight;
        if (spec_strategy(w->spec) == STRATEGY_AB && *canary > 0) {
            *canary = w->plan->world.match_percent;
            *primary = WEIGHT_TOTAL - *canary;
        }
    }
}

/* The primary's autoscaler lives through what `last` left to it. */
static void count_capacity(struct world *w, const struct exposure_step *last, ms_t until_ms)
{
    const struct capacity_model *c = &w->plan->world.capacity;
    ms_t at_ms = w->counted_ms - w->epoch_ms, next;

    for (; c->pod_rps > 0 && w->plan->users && at_ms < until_ms; at_ms = next) {
        double rps;

        next = until_ms;
        rps = traffic_rate(w->plan->users, at_ms, &next) * last->primary_weight / WEIGHT_TOTAL;
        if (!w->scaled) {
            scaler_init(&w->scaler, c, rps);
            w->scaler.now_ms = w->scaler.look_ms = at_ms;
            w->scaled = true;
        }
        scaler_run(&w->scaler, next, rps);
    }
}

/* Count what was served until now. */
static void world_count(struct world *w)
{
    const struct exposure *x = &w->exposure;
    const struct exposure_step *last = x->count > 0 ? exposure_at(x, x->count - 1) : NULL;
    struct traffic_sums sums;

    if (last && w->now_ms > w->counted_ms)
        count_capacity(w, last, w->now_ms - w->epoch_ms);
    if (last && last->loaded && last->canary_weight > 0 && w->now_ms > w->counted_ms) {
        w->exposed += last->canary_weight * (w->now_ms - w->counted_ms);
        if (w->plan->users) {
            traffic_sum(w->plan->users, x, w->epoch_ms, w->counted_ms, w->now_ms, &sums);
            w->canary_requests += sums.canary_requests;
            w->canary_errors += sums.canary_errors;
        }
    }
    w->counted_ms = w->now_ms;
}

void world_conclude(struct world *w, struct canary_result *r)
{
    const struct exposure *x = &w->exposure;

    world_count(w);
    r->exposed = w->exposed;
    r->canary_requests = w->canary_requests;
    r->canary_errors = w->canary_errors;
    r->has_capacity = w->scaled;
    if (!w->scaled)
        return;
    /* pods that are still to come end what is too little now */
    count_capacity(w, exposure_at(x, x->count - 1),
                   w->now_ms - w->epoch_ms + w->scaler.model->start_ms + 2 * CAPACITY_LOOK_MS);
    r->capacity_least = w->scaler.least;
    r->capacity_over = w->scaler.over;
    r->capacity_short_ms = w->scaler.short_ms;
}

static void world_observe(struct world *w)
{
    struct exposure_step step = {.from_ms = w->now_ms};
    int32_t primary, canary;

    world_count(w);
    world_shares(w, &primary, &canary);
    step.primary_weight = (int16_t)primary;
    step.canary_weight = (int16_t)canary;
    step.mirrored = w->mirrored;
    step.loaded = w->rolling;
    step.primary_up = side_up(w, &w->primary);
    step.canary_up = side_up(w, &w->canary);
    step.primary = w->primary.revision;
    step.canary = w->canary.revision;
    step.primary_since_ms = w->primary.since_ms;
    step.canary_since_ms = w->canary.since_ms;
    exposure_add(&w->exposure, &step);
}

struct outage_row world_outage(const struct world *w)
{
    struct outage_row row = {0};
    int32_t primary, canary;

    if (w->gone && !side_up(w, &w->canary))
        return (struct outage_row){.lost = WEIGHT_TOTAL, .canary = true};
    world_shares(w, &primary, &canary);
    if (primary > 0 && !side_up(w, &w->primary)) {
        row.lost = (int16_t)(row.lost + primary);
        row.primary = true;
    }
    if (canary > 0 && !side_up(w, &w->canary)) {
        row.lost = (int16_t)(row.lost + canary);
        row.canary = true;
    }
    return row;
}

void world_advance(struct world *w, ms_t now_ms)
{
    if (now_ms <= w->now_ms)
        return;
    w->now_ms = now_ms;
    world_observe(w);
}

void world_init(struct world *w, const struct canary_plan *plan, uint32_t canary_index,
                const struct sim_options *options, ms_t epoch_ms)
{
    const struct world_plan *p = &plan->world;
    struct save save = {.op = SAVE_SYNC, .phase = PHASE_INITIALIZED};

    memset(w, 0, sizeof *w);
    w->plan = plan;
    w->spec = w->edited = plan->specs[0];
    w->seed = options->seed;
    w->rollout_number = options->rollout;
    w->canary_index = canary_index;
    w->epoch_ms = w->now_ms = epoch_ms;
    w->target = p->first;
    w->configs = w->spec->tracks_configs ? p->configs : 0;
    w->target_replicas = p->replicas;
    w->primary_weight = WEIGHT_TOTAL;
    if (p->initialized) {
        side_settle(w, &w->primary, p->first, p->replicas);
        side_settle(w, &w->canary, p->first, 0);
        w->apex_on_primary = true;
        status_apply(&w->stored, &save, w->spec, w->target, w->configs, epoch_ms);
    } else {
        side_settle(w, &w->canary, p->first, p->replicas);
        save = (struct save){.op = SAVE_PHASE, .phase = PHASE_INITIALIZING};
        status_apply(&w->stored, &save, w->spec, 0, 0, epoch_ms);
    }
    world_observe(w);
}

void world_collect(struct world *w)
{
    w->gone = true;
    w->primary.exists = false;
    w->primary.desired = 0;
    w->mirrored = false;
    w->apex_on_primary = false;
    w->rolling = false;
    world_observe(w);
}

/* ---- texts
 * ------------------------------------------------------------------------------------------ */

static void text_name(struct text *t, const struct world *w, bool primary)
{
    text_adds(t, w->spec->target_name);
    if (primary)
        text_adds(t, "-primary");
}

/* ---- readiness (docs/engine/semantics.md, appendix A)
 * ----------------------------------------------- */

/* What readiness looks at. */
struct pods {
    int32_t desired, updated, old, available;
    ms_t unavailable_ms; /* since when none has been available; MS_NEVER = some are */
    bool stalled;        /* the Deployment reports ProgressDeadlineExceeded */
};

static struct pods pods_of(const struct world *w, const struct side *s)
{
    struct pods p = {.desired = s->desired, .unavailable_ms = MS_NEVER};
    int32_t ready = side_ready_new(s, w->now_ms);
    ms_t deadline = (ms_t)w->plan->world.deployment_deadline_s * MS_PER_S;
    ms_t progress = s->since_ms;

    p.old = side_ready_old(s, w->now_ms);
    p.available = ready + p.old;
    p.updated = s->surge > 0 && ready + s->surge < s->desired ? ready + s->surge : s->desired;
    if (s->state != SIDE_AUTO)
        p.updated = s->desired;
    if (p.available == 0 && s->desired > 0)
        p.unavailable_ms = s->state == SIDE_AUTO ? s->since_ms : s->state_ms;
    if (s->surge > 0 && s->startup_ms != MS_NEVER)
        progress += ready / s->surge * s->startup_ms;
    p.stalled = s->state == SIDE_LOST ||
                (s->state == SIDE_AUTO && ready < s->desired && w->now_ms - progress >= deadline);
    return p;
}

/* Texts of a Deployment; returns the outcome. */
static enum outcome deployment_ready(struct text *t, const struct world *w, const struct pods *p,
                                     int32_t threshold, bool primary)
{
    ms_t deadline = (ms_t)w->spec->progress_deadline_s * MS_PER_S;
    bool late = p->unavailable_ms != MS_NEVER && p->unavailable_ms + deadline < w->now_ms;
    int32_t needed = (int32_t)((int64_t)p->updated * threshold / 100);

    if (p->stalled) {
        text_adds(t, "deployment \"");
        text_name(t, w, primary);
        text_adds(t, "\" exceeded its progress deadline");
        return OUTCOME_FAILED;
    }
    if (p->updated < p->desired) {
        text_adds(t, "waiting for rollout to finish: ");
        text_add_int(t, p->updated);
        text_adds(t, " out of ");
        text_add_int(t, p->desired);
        text_adds(t, " new replicas have been updated");
    } else if (p->old > 0) {
        text_adds(t, "waiting for rollout to finish: ");
        text_add_int(t, p->old);
        text_adds(t, " old replicas are pending termination");
    } else if (p->available < needed) {
        text_adds(t, "waiting for rollout to finish: ");
        text_add_int(t, p->available);
        text_adds(t, " of ");
        text_add_int(t, p->updated);
        text_adds(t, " (readyThreshold ");
        text_add_int(t, threshold);
        text_adds(t, "%) updated replicas are available");
    } else {
        return OUTCOME_OK;
    }
    return late ? OUTCOME_FAILED : OUTCOME_RETRY;
}

static enum outcome daemonset_ready(struct text *t, const struct world *w, const struct pods *p,
                                    int32_t threshold)
{
    ms_t deadline = (ms_t)w->spec->progress_deadline_s * MS_PER_S;
    int32_t needed = (int32_t)((int64_t)p->desired * threshold / 100);

    if (p->updated >= p->desired && p->available >= needed)
        return OUTCOME_OK;
    if (p->stalled || w->stored.transition_ms + deadline < w->now_ms) {
        text_adds(t, "exceeded its progressDeadlineSeconds: ");
        text_add_int(t, w->spec->progress_deadline_s);
        return OUTCOME_FAILED;
    }
    text_adds(t, "waiting for rollout to finish: ");
    if (p->updated < p->desired) {
        text_add_int(t, p->updated);
        text_adds(t, " out of ");
        text_add_int(t, p->desired);
        text_adds(t, " new pods have been updated");
    } else {
        text_add_int(t, p->available);
        text_adds(t, " of ");
        text_add_int(t, p->desired);
        text_adds(t, " (readyThreshold ");
        text_add_int(t, threshold);
        text_adds(t, "%) updated pods are available");
    }
    return OUTCOME_RETRY;
}

static void answer_deployment(struct world *w, const struct pods *p, bool primary,
                              int32_t threshold, struct answer *out)
{
    struct text t = text_begin(w);

    text_adds(&t, primary ? "" : "canary deployment ");
    text_name(&t, w, primary);
    text_addc(&t, '.');
    text_adds(&t, w->spec->ns);
    text_adds(&t, " not ready: ");
    out->outcome = (uint8_t)deployment_ready(&t, w, p, threshold, primary);
    text_end(w, &t, out);
}

static void answer_daemonset(struct world *w, const struct pods *p, bool primary, int32_t threshold,
                             struct answer *out)
{
    struct text t = text_begin(w);
    char inner_bytes[160];
    struct text inner;

    text_init(&inner, inner_bytes, sizeof inner_bytes);
    out->outcome = (uint8_t)daemonset_ready(&inner, w, p, threshold);
    text_adds(&t, primary ? "primary daemonset " : "canary damonset ");
    text_name(&t, w, primary);
    text_addc(&t, '.');
    text_adds(&t, w->spec->ns);
    text_adds(&t, " not ready");
    if (!primary)
        text_adds(&t, out->outcome == OUTCOME_FAILED ? " with retryable false"
                                                     : " with retryable true");
    text_adds(&t, ": ");
    text_adds(&t, inner_bytes);
    text_end(w, &t, out);
}

static void answer_knative(struct world *w, const struct pods *p, struct answer *out)
{
    struct text t = text_begin(w);

    if (p->desired == 0 || p->available > 0)
        return;
    out->outcome = OUTCOME_RETRY;
    text_adds(&t, "Knative Revision ");
    text_adds(&t, w->spec->target_name);
    text_addc(&t, '.');
    text_adds(&t, w->spec->ns);
    text_adds(&t, " is not ready");
    text_end(w, &t, out);
}

static void answer_ready(struct world *w, bool primary, struct answer *out)
{
    const struct side *s = primary ? &w->primary : &w->canary;
    const struct analysis_spec *an = &w->spec->analysis;
    int32_t threshold = primary ? an->primary_ready_threshold : an->canary_ready_threshold;
    struct pods p = pods_of(w, s);

    out->no_pods = has_pods(w) && s->desired == 0;
    if (!an->present)
        threshold = 100;
    switch (w->spec->target_kind) {
    case TARGET_DEPLOYMENT:
        answer_deployment(w, &p, primary, threshold, out);
        break;
    case TARGET_DAEMONSET:
        answer_daemonset(w, &p, primary, threshold, out);
        break;
    case TARGET_KNATIVE:
        answer_knative(w, &p, out);
        break;
    case TARGET_SERVICE:
        break; /* always ready */
    }
    if (out->outcome == OUTCOME_OK)
        answer_text(out, NULL);
}

/* ---- effects
 * ---------------------------------------------------------------------------------------- */

static int32_t replicas_for_canary(const struct world *w)
{
    const struct world_plan *p = &w->plan->world;

    if (w->canary.desired > 0)
        return w->canary.desired;
    if (w->spec->target_kind == TARGET_DAEMONSET)
        return p->replicas;
    if (!w->spec->has_autoscaler && w->primary.exists && w->primary.desired > 0)
        return w->primary.desired;
    if (w->spec->has_autoscaler && p->scaler_min > 1)
        return p->scaler_min;
    return 1;
}

bool world_is_changed_by(enum ask_kind kind)
{
    static const bool changes[ASK_KIND_COUNT] = {
        [ASK_PRIMARY_INIT] = true,  [ASK_APEX] = true,
        [ASK_ROUTES_SET] = true,    [ASK_SCALE_UP] = true,
        [ASK_SCALE_ZERO] = true,    [ASK_PROMOTE] = true,
        [ASK_SAVE] = true,          [ASK_REVERT_TARGET] = true,
        [ASK_REVERT_ROUTER] = true, [ASK_FINALIZER_REMOVE] = true,
    };

    return (unsigned)kind < ASK_KIND_COUNT && changes[kind];
}

static void perform(struct world *w, const struct ask *ask, struct answer *out)
{
    const struct save *save = &ask->save;

    switch ((enum ask_kind)ask->kind) {
    case ASK_PRIMARY_INIT:
        if (!w->primary.exists)
            side_set(w, &w->primary, w->target, w->target_replicas);
        break;
    case ASK_APEX:
        w->apex_on_primary = true;
        break;
    case ASK_ROUTES_SET:
        w->primary_weight = ask->primary;
        w->canary_weight = ask->canary;
        w->mirrored = ask->flag;
        break;
    case ASK_SCALE_UP:
        side_set(w, &w->canary, w->target, replicas_for_canary(w));
        break;
    case ASK_SCALE_ZERO:
        side_set(w, &w->canary, w->target, 0);
        break;
    case ASK_PROMOTE:
        side_set(w, &w->primary, w->target, w->primary.desired);
        break;
    case ASK_SAVE:
        out->target = w->target;
        out->configs = w->configs;
        status_apply(&w->stored, save, w->spec, w->target, w->configs, w->now_ms);
        w->memory = save->memory;
        w->rolling =
            w->stored.phase == PHASE_PROGRESSING || w->stored.phase == PHASE_WAITING_PROMOTION;
        break;
    case ASK_REVERT_TARGET:
        side_set(w, &w->canary, w->target, w->primary.exists ? w->primary.desired : 1);
        break;
    case ASK_REVERT_ROUTER:
        w->apex_on_primary = false;
        w->mirrored = false;
        break;
    case ASK_FINALIZER_REMOVE:
        world_collect(w);
        break;
    case ASK_COOKIES:
    case ASK_NONE:
    case ASK_DONE:
    case ASK_LOAD:
    case ASK_SERVICES:
    case ASK_PROVIDERS:
    case ASK_SCALER_PRIMARY:
    case ASK_SCALER_PAUSE:
    case ASK_SCALER_RESUME:
    case ASK_ROUTES_RECONCILE:
    case ASK_TARGET:
    case ASK_CONFIGS:
    case ASK_PRIMARY_READY:
    case ASK_CANARY_READY:
    case ASK_ROUTES_GET:
    case ASK_HOOK:
    case ASK_METRICS_OPEN:
    case ASK_METRIC:
    case ASK_KIND_COUNT:
        break;
    }
}

/* The plain provider has no weights: they follow from the iterations. */
static void answer_routes(const struct world *w, struct answer *out)
{
    if (w->spec->provider_is_kubernetes) {
        out->primary = w->stored.iterations > 0 ? 0 : WEIGHT_TOTAL;
        out->canary = WEIGHT_TOTAL - out->primary;
        return;
    }
    out->primary = w->primary_weight;
    out->canary = w->canary_weight;
    out->mirrored = w->mirrored && !w->plan->world.mirror_unreported;
}

static const struct fault_plan *fault_of(const struct world *w, const struct ask *ask)
{
    uint32_t call = w->ask_calls[ask->kind];
    ms_t now = w->now_ms - w->epoch_ms;

    for (uint32_t i = 0; i < w->plan->fault_count; i++) {
        const struct fault_plan *f = &w->plan->faults[i];

        if (f->ask != ask->kind || now < f->from_ms || now >= f->to_ms)
            continue;
        if (f->call_from != 0 && (call < f->call_from || call > f->call_to))
            continue;
        if (f->chance_ppm != 0) {
            struct rng rng =
                rng_init(w->seed, w->rollout_number, STREAM_FAULTS + w->canary_index * 32 + i % 32);

            rng.next = (uint64_t)ask->kind << 40 | (uint64_t)call << 8;
            if (!rng_chance(&rng, f->chance_ppm))
                continue;
        }
        return f;
    }
    return NULL;
}

static ms_t answer_fact(struct world *w, const struct ask *ask, struct answer *out)
{
    switch ((enum ask_kind)ask->kind) {
    case ASK_LOAD:
        out->status = &w->stored;
        break;
    case ASK_TARGET:
        out->target = w->target;
        break;
    case ASK_CONFIGS:
        out->configs = w->configs;
        break;
    case ASK_PRIMARY_INIT:
        if (ask->flag)
            answer_ready(w, true, out);
        break;
    case ASK_PRIMARY_READY:
        answer_ready(w, true, out);
        break;
    case ASK_CANARY_READY:
        answer_ready(w, false, out);
        break;
    case ASK_ROUTES_GET:
        answer_routes(w, out);
        break;
    case ASK_HOOK:
        return world_answer_hook(w, ask, out);
    case ASK_METRIC:
        world_answer_metric(w, ask, out);
        break;
    case ASK_NONE:
    case ASK_DONE:
    case ASK_SERVICES:
    case ASK_PROVIDERS:
    case ASK_SCALER_PRIMARY:
    case ASK_SCALER_PAUSE:
    case ASK_SCALER_RESUME:
    case ASK_APEX:
    case ASK_ROUTES_RECONCILE:
    case ASK_METRICS_OPEN:
    case ASK_ROUTES_SET:
    case ASK_SCALE_UP:
    case ASK_SCALE_ZERO:
    case ASK_PROMOTE:
    case ASK_SAVE:
    case ASK_REVERT_TARGET:
    case ASK_REVERT_ROUTER:
    case ASK_FINALIZER_REMOVE:
    case ASK_COOKIES:
    case ASK_KIND_COUNT:
        break;
    }
    return 0;
}

ms_t world_answer(struct world *w, const struct ask *ask, struct answer *out)
{
    const struct fault_plan *fault;

    memset(out, 0, sizeof *out);
    out->id = ask->id;
    if (ask->kind >= ASK_KIND_COUNT) {
        out->outcome = OUTCOME_FAILED;
        return 0;
    }
    w->ask_calls[ask->kind]++;
    fault = fault_of(w, ask);
    if (world_is_changed_by((enum ask_kind)ask->kind)) {
        if (!fault || fault->lands)
            perform(w, ask, out);
        world_observe(w);
    }
    if (fault) {
        out->outcome = fault->outcome;
        answer_text(out, fault->text);
        if (ask->kind == ASK_METRIC)
            world_prefix_builtin(w, ask, out);
        return 0;
    }
    return answer_fact(w, ask, out);
}

void world_change(struct world *w, const struct change_plan *change)
{
    struct side *side = change->kind == CHANGE_PRIMARY ? &w->primary : &w->canary;

    switch ((enum change_kind)change->kind) {
    case CHANGE_DEPLOY:
        w->target = change->revision;
        w->canary.state = SIDE_AUTO;                   /* new pods, new luck */
        if (w->canary.exists && w->canary.desired > 0) /* a running target is rolled at once */
            side_set(w, &w->canary, w->target, w->canary.desired);
        else
            w->canary.revision = w->target;
        break;
    case CHANGE_CONFIG:
        w->configs = w->edited->tracks_configs ? change->revision : 0;
        break;
    case CHANGE_SPEC:
        w->edited = w->plan->specs[change->index];
        break;
    case CHANGE_PRIMARY:
    case CHANGE_CANARY:
        side->state = change->state;
        side->state_ms = w->now_ms;
        break;
    case CHANGE_ROUTES:
        w->primary_weight = change->primary;
        w->canary_weight = change->canary_weight;
        w->mirrored = change->mirror;
        break;
    case CHANGE_SCALE:
        w->target_replicas = change->replicas;
        side_set(w, &w->canary, w->target, change->replicas);
        break;
    case CHANGE_COMMAND:
    case CHANGE_DELETE:
    case CHANGE_RESTART:
    case CHANGE_NOTE:
        break;
    }
    world_observe(w);
}
