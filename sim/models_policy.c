#include "sim/models_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

#define STATES_MAX 200000u
#define ENTRIES_MAX 8000000u
#define REVISION_OLD 1u
#define REVISION_NEW 2u

const char *policy_metric_kind_name(enum policy_metric_kind kind)
{
    static const char *const names[] = {"not modelled", "success rate",     "error rate",
                                        "error share",  "latency quantile", "latency quantile"};
    return names[kind];
}

/* ---- the engine in a world where all else is well
 * ------------------------------------------------------------ */

void policy_walker_init(struct policy_walker *w, const struct spec *spec)
{
    struct status status = {.phase = PHASE_INITIALIZED,
                            .condition = CONDITION_TRUE,
                            .condition_reason = PHASE_INITIALIZED,
                            .applied = REVISION_OLD,
                            .promoted = REVISION_OLD};

    memset(w, 0, sizeof *w);
    rollout_init(&w->rollout);
    rollout_load(&w->rollout, &status, 0);
    w->hand.kinds = UINT32_MAX;
    w->hand.ok.outcome = OUTCOME_OK;
    w->hand.ok.target = REVISION_NEW;
    w->hand.ok.primary = WEIGHT_TOTAL;
    w->hand.metrics = w->metrics;
    w->hand.metric_count = spec->analysis.metric_count < POLICY_METRICS_MAX
                               ? spec->analysis.metric_count
                               : POLICY_METRICS_MAX;
    w->hand.hooks = w->hooks;
    w->hand.hook_count = spec->analysis.hook_count < 64 ? spec->analysis.hook_count : 64;
}

void policy_walker_tick(struct policy_walker *w, const struct spec *spec, ms_t at_ms,
                        bool gate_closed, struct policy_state *ret_state)
{
    const struct status *status = &w->rollout.stored;
    struct step step;
    bool starting;

    w->hand.metrics = w->metrics;
    w->hand.hooks = w->hooks;
    for (uint32_t i = 0; i < w->hand.hook_count; i++) {
        enum hook_type type = spec->analysis.hooks[i].type;
        bool refuses = type == HOOK_ROLLBACK || (type == HOOK_CONFIRM_PROMOTION && gate_closed);
        w->hooks[i].outcome = refuses ? OUTCOME_RETRY : OUTCOME_OK;
    }
    engine_run(&w->rollout, spec, TICK_ANALYSIS, at_ms, &w->hand, &step);
    starting = status->applied == REVISION_OLD;
    *ret_state = (struct policy_state){
        .weight = (int16_t)w->hand.ok.canary,
        .mirrored = w->hand.ok.mirrored,
        .phase = status->phase,
        .failed_checks = status->failed_checks,
        .iterations = status->iterations,
    };
    if (!starting && status->phase == PHASE_SUCCEEDED)
        ret_state->end = END_PROMOTED;
    if (!starting && status->phase == PHASE_FAILED)
        ret_state->end = END_ROLLED_BACK;
    ret_state->loaded = !starting && ret_state->end == END_NONE;
}

struct answer policy_answer(const struct policy_metric *m, enum check_digit digit)
{
    const struct threshold_range *b = &m->bounds;
    struct answer a = {.outcome = OUTCOME_OK, .canary_requests = UINT32_MAX};

    if (digit == DIGIT_NONE)
        a.outcome = OUTCOME_NO_VALUE;
    else if (digit == DIGIT_ERROR)
        a.outcome = OUTCOME_FAILED;
    if (digit == DIGIT_FEW || digit == DIGIT_NONE)
        a.canary_requests = 0;
    if (digit == DIGIT_OUT)
        a.value = b->has_min ? b->min - 1 - (b->min > 0 ? b->min : -b->min)
                             : b->max + 1 + (b->max > 0 ? b->max : -b->max);
    else
        a.value = b->has_min ? b->min : b->has_max ? b->max : 0;
    return a;
}

/* ---- states that were seen
 * ----------------------------------------------------------------------------------- */

/* What of a rollout decides about its future, field by field. */
struct key {
    int32_t failed, weight, iterations, primary, canary;
    uint32_t memory, phase, mirrored;
    uint64_t applied, promoted;
    uint64_t judges[JUDGED_METRICS_MAX * 2];
};

/* A state to go on from: walkers are large, most of one is answers. */
struct saved {
    struct rollout rollout;
    int32_t primary, canary;
    bool mirrored;
};

struct builder {
    struct policy *policy;
    struct policy_walker walker; /* at work */
    struct saved *saved;         /* per state */
    struct key *keys;
    uint32_t cap;
    uint32_t *slots; /* hash table of states + 1 */
    uint32_t slot_count;
};

static void make_key(struct key *k, const struct policy_walker *w)
{
    const struct status *s = &w->rollout.stored;

    memset(k, 0, sizeof *k);
    k->failed = s->failed_checks;
    k->weight = s->canary_weight;
    k->iterations = s->iterations;
    k->primary = w->hand.ok.primary;
    k->canary = w->hand.ok.canary;
    k->memory = w->rollout.memory;
    k->phase = s->phase;
    k->mirrored = w->hand.ok.mirrored;
    k->applied = s->applied;
    k->promoted = s->promoted;
    for (int i = 0; i < JUDGED_METRICS_MAX; i++) {
        k->judges[2 * i] = w->rollout.judges[i].history;
        k->judges[2 * i + 1] = w->rollout.judges[i].run;
    }
}

static uint64_t hash_key(const struct key *k)
{
    const unsigned char *bytes = (const unsigned char *)k;
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < sizeof *k; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

static int grow(struct builder *b)
{
    uint32_t cap = b->cap ? b->cap * 2 : 256;
    size_t symbols = b->policy->symbol_count;
    struct policy *p = b->policy;

    if (cap > STATES_MAX || cap * symbols > ENTRIES_MAX)
        return -E2BIG;
#define GROW(field, count)                                                                         \
    do {                                                                                           \
        void *grown = realloc(field, (count) * sizeof *(field));                                   \
        if (!grown)                                                                                \
            return -ENOMEM;                                                                        \
        (field) = grown;                                                                           \
    } while (0)
    GROW(b->saved, cap);
    GROW(b->keys, cap);
    GROW(p->states, cap);
    GROW(p->next, cap * symbols);
    GROW(p->failing, cap * symbols);
    GROW(b->slots, cap * 4);
#undef GROW
    b->cap = cap;
    b->slot_count = cap * 4;
    memset(b->slots, 0, b->slot_count * sizeof *b->slots);
    for (uint32_t i = 0; i < p->state_count; i++) {
        uint64_t at = hash_key(&b->keys[i]) & (b->slot_count - 1);
        while (b->slots[at])
            at = (at + 1) & (b->slot_count - 1);
        b->slots[at] = i + 1;
    }
    return 0;
}

/* The number of a state, new or seen. */
static int intern(struct builder *b, const struct policy_walker *w,
                  const struct policy_state *state, uint32_t *ret_index)
{
    struct policy *p = b->policy;
    struct key key;
    uint64_t at;
    int rc;

    make_key(&key, w);
    if (p->state_count == b->cap && (rc = grow(b)) != 0)
        return rc;
    at = hash_key(&key) & (b->slot_count - 1);
    for (; b->slots[at]; at = (at + 1) & (b->slot_count - 1))
        if (memcmp(&b->keys[b->slots[at] - 1], &key, sizeof key) == 0) {
            *ret_index = b->slots[at] - 1;
            return 0;
        }
    *ret_index = p->state_count++;
    b->slots[at] = p->state_count;
    b->keys[*ret_index] = key;
    b->saved[*ret_index] =
        (struct saved){w->rollout, w->hand.ok.primary, w->hand.ok.canary, w->hand.ok.mirrored};
    p->states[*ret_index] = *state;
    return 0;
}

/* ---- exploring
 * -----------------------------------------------------------------------------------------------
 */

uint32_t policy_symbol(const struct policy *p, const uint8_t *digits, bool gate_closed)
{
    uint32_t symbol = 0;

    for (uint32_t i = p->metric_count; i-- > 0;) {
        uint32_t place = 0;
        while (place + 1 < p->base && p->digits[place] != digits[i])
            place++;
        symbol = symbol * p->base + place;
    }
    return symbol + (gate_closed ? p->gate_symbol : 0);
}

/* As policy_answer, under the bounds of stand_in. */
static struct answer table_answer(const struct policy_metric *m, enum check_digit digit)
{
    struct policy_metric judged = *m;

    if (m->judged)
        judged.bounds = (struct threshold_range){.has_max = true, .max = 0};
    return policy_answer(&judged, digit);
}

/* Every outcome of the tick that follows state `from`. */
static int explore(struct builder *b, uint32_t from, ms_t at_ms)
{
    struct policy *p = b->policy;
    size_t row = (size_t)from * p->symbol_count;
    int rc = 0;

    for (uint32_t symbol = 0; symbol < p->symbol_count && rc == 0; symbol++) {
        bool closed = p->gate && symbol >= p->gate_symbol;
        uint32_t rest = closed ? symbol - p->gate_symbol : symbol, to = from;
        struct policy_walker *w = &b->walker;
        struct policy_state state;

        if (p->states[from].end != END_NONE) {
            p->next[row + symbol] = from;
            p->failing[row + symbol] = 0;
            continue;
        }
        w->rollout = b->saved[from].rollout;
        w->hand.ok.primary = b->saved[from].primary;
        w->hand.ok.canary = b->saved[from].canary;
        w->hand.ok.mirrored = b->saved[from].mirrored;
        for (uint32_t i = 0; i < p->metric_count; i++, rest /= p->base) {
            enum check_digit digit = (enum check_digit)p->digits[rest % p->base];
            if (digit == DIGIT_OUT && !p->metrics[i].can_be_out)
                digit = DIGIT_IN;
            w->metrics[i] = table_answer(&p->metrics[i], digit);
        }
        policy_walker_tick(w, p->spec, at_ms, closed, &state);
        rc = intern(b, w, &state, &to);
        p->next[row + symbol] = to;
        p->failing[row + symbol] = p->states[to].failed_checks > p->states[from].failed_checks;
        if (p->next[row + symbol] != p->next[row])
            p->states[from].checks = true;
    }
    return rc;
}

static int choose_metrics(struct policy *p, const struct spec *spec,
                          const struct policy_options *options)
{
    bool few = false;

    if (spec->analysis.metric_count > POLICY_METRICS_MAX || spec->analysis.hook_count > 64)
        return -E2BIG;
    for (uint32_t i = 0; i < spec->analysis.metric_count; i++) {
        const struct metric_spec *m = &spec->analysis.metrics[i];
        struct policy_metric *metric = &p->metrics[p->metric_count++];

        metric->spec = m;
        metric->kind = options->kinds[i];
        metric->quantile = options->quantiles[i];
        metric->window_ms = metric_window_ms(m);
        if (metric->window_ms <= 0)
            metric->window_ms = 60000;
        metric_bounds(m, &metric->bounds);
        metric->can_be_out = metric->bounds.has_min || metric->bounds.has_max;
        metric->judged = (judge_food(&m->judge) & (FOOD_COUNTS | FOOD_SAMPLES)) != 0;
        metric->can_be_out = metric->can_be_out || metric->judged;
        p->compares = p->compares || metric->judged;
        few = few || m->judge.min_samples > 0 || m->judge.kind == JUDGE_MANN_WHITNEY;
        if (m->judge.kind == JUDGE_MANN_WHITNEY &&
            spec->analysis.interval_ms % metric->window_ms != 0)
            return -ENOTSUP;
    }
    for (uint32_t i = 0; i < spec->analysis.hook_count; i++)
        p->gate = p->gate || spec->analysis.hooks[i].type == HOOK_CONFIRM_PROMOTION;
    p->digits[p->base++] = DIGIT_IN;
    p->digits[p->base++] = DIGIT_OUT;
    p->digits[p->base++] = DIGIT_NONE;
    if (options->outages)
        p->digits[p->base++] = DIGIT_ERROR;
    if (few)
        p->digits[p->base++] = DIGIT_FEW;
    p->symbol_count = 1;
    for (uint32_t i = 0; i < p->metric_count; i++)
        p->symbol_count *= p->base;
    p->gate_symbol = p->symbol_count;
    if (p->gate)
        p->symbol_count *= 2;
    return 0;
}

/*
 * The spec that the table is made of. What a judge of counts or samples will say is not in the
 * table but in the run, which asks the judge itself (engine/judge.h); here its no is a broken
 * bound.
 */
static void stand_in(struct spec *spec, struct metric_spec *metrics, const struct policy *p)
{
    for (uint32_t i = 0; i < p->metric_count; i++) {
        metrics[i] = *p->metrics[i].spec;
        if (!p->metrics[i].judged)
            continue;
        metrics[i].has_range = true;
        metrics[i].range = (struct threshold_range){.has_max = true, .max = 0};
        metrics[i].judge = (struct judge_spec){.min_samples = 1}; /* no request at all: wait */
    }
    spec->analysis.metrics = metrics;
}

/* Ticks to the promotion when every check passes and the gate is open. */
static uint32_t best_case(const struct policy *p)
{
    uint32_t state = 0;

    for (uint32_t ticks = 1; ticks <= p->state_count + 1; ticks++) {
        state = p->next[(size_t)state * p->symbol_count];
        if (p->states[state].end == END_PROMOTED)
            return ticks;
    }
    return 0;
}

int policy_make(struct policy *ret_policy, const struct spec *spec,
                const struct policy_options *options)
{
    struct policy p = {.spec = spec};
    struct builder b = {.policy = &p};
    struct metric_spec metrics[POLICY_METRICS_MAX];
    struct spec table = *spec;
    uint32_t index;
    int rc = choose_metrics(&p, spec, options);

    if (rc != 0)
        return rc;
    if (p.compares)
        stand_in(&table, metrics, &p);
    p.spec = &table;
    policy_walker_init(&b.walker, &table);
    rc = grow(&b);
    if (rc == 0)
        rc = intern(&b, &b.walker, &(struct policy_state){.phase = PHASE_INITIALIZED}, &index);
    for (uint32_t i = 0; i < p.state_count && rc == 0; i++)
        rc = explore(&b, i, (ms_t)i * spec->analysis.interval_ms);
    free(b.saved);
    free(b.keys);
    free(b.slots);
    if (rc != 0) {
        policy_release(&p);
        return rc;
    }
    p.best_ticks = best_case(&p);
    p.spec = spec;
    *ret_policy = p;
    return 0;
}

void policy_release(struct policy *p)
{
    free(p->states);
    free(p->next);
    free(p->failing);
    memset(p, 0, sizeof *p);
}
