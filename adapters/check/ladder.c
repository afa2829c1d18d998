/*
 * The engine itself as a judge of steps: run the rollout of a Canary with every check passing and
 * see which weights it visits and whether it ends.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/check/internal.h"
#include "engine/engine.h"

enum { STEPS_MAX = 64, CACHE_SLOTS = 64, TICKS_MAX = 1200, STILL_TICKS = 25 };

struct parameters {
    int32_t max_weight, step_weight, step_weight_promotion, iterations, mirror_weight;
    int32_t steps[STEPS_MAX];
    uint32_t step_count;
    uint32_t match_count;
    bool mirror, has_step_weights, affinity;
    bool kubernetes;      /* routes are made up from the iterations */
    bool mirror_reported; /* the router says that it mirrors */
};

struct ladder_cache {
    struct {
        bool used;
        struct parameters key;
        struct ladder value;
    } slots[CACHE_SLOTS];
};

struct ladder_cache *ladder_cache_new(void)
{
    return calloc(1, sizeof(struct ladder_cache));
}

void ladder_cache_free(struct ladder_cache *cache)
{
    free(cache);
}

/* The world in which everything works at once. */
struct happy_world {
    const struct parameters *p;
    int32_t primary, canary;
    bool mirrored;
    bool analysed;
};

static void perform(struct happy_world *w, const struct rollout *r, const struct ask *ask,
                    struct answer *a)
{
    memset(a, 0, sizeof *a);
    a->id = ask->id;
    a->outcome = OUTCOME_OK;
    a->target = 2;
    a->primary = w->primary;
    a->canary = w->canary;
    a->mirrored = w->mirrored;
    if (ask->kind == ASK_ROUTES_GET && w->p->kubernetes) {
        a->canary = r->stored.iterations > 0 ? 100 : 0;
        a->primary = 100 - a->canary;
    } else if (ask->kind == ASK_ROUTES_SET) {
        w->primary = ask->primary;
        w->canary = ask->canary;
        w->mirrored = ask->flag && w->p->mirror_reported;
    } else if (ask->kind == ASK_METRIC) {
        a->value = 50;
        w->analysed = true;
    }
}

static void record(struct ladder *l, int32_t weight)
{
    if (l->count > 0 && l->weights[l->count - 1] == weight)
        return;
    if (l->count == LADDER_MAX)
        l->overflow = true;
    else
        l->weights[l->count++] = (int16_t)weight;
}

static void fill_spec(struct spec *s, const struct parameters *p, const struct metric_spec *metric)
{
    memset(s, 0, sizeof *s);
    s->name = s->target_name = "app";
    s->ns = "default";
    s->target_kind_name = "Deployment";
    s->target_kind = TARGET_DEPLOYMENT;
    s->provider = s->metrics_provider = p->kubernetes ? "kubernetes" : "istio";
    s->provider_is_kubernetes = p->kubernetes;
    s->progress_deadline_s = 600;
    s->deviations = PROFILE_FLAGGER_1_44;
    s->analysis.present = true;
    s->analysis.interval_ms = 60000;
    s->analysis.threshold = 1;
    s->analysis.max_weight = p->max_weight;
    s->analysis.step_weight = p->step_weight;
    s->analysis.step_weights = p->steps;
    s->analysis.step_weight_count = p->step_count;
    s->analysis.step_weight_promotion = p->step_weight_promotion;
    s->analysis.iterations = p->iterations;
    s->analysis.mirror = p->mirror;
    s->analysis.mirror_weight = p->mirror_weight;
    s->analysis.primary_ready_threshold = s->analysis.canary_ready_threshold = 100;
    s->analysis.match_count = p->match_count;
    s->analysis.metrics = metric;
    s->analysis.metric_count = 1;
    s->analysis.has_session_affinity = p->affinity;
}

static void tick(struct rollout *r, const struct spec *spec, struct happy_world *w, ms_t now)
{
    struct step step;
    struct answer answer;

    engine_begin(r, spec, TICK_ANALYSIS, now, &step);
    for (unsigned guard = 0; step.ask.kind != ASK_DONE && guard < 200; guard++) {
        perform(w, r, &step.ask, &answer);
        engine_answer(r, spec, &answer, &step);
    }
}

static void climb(const struct parameters *p, struct ladder *l)
{
    static const struct metric_spec metric = {.name = "ladder",
                                              .query = "1",
                                              .interval = "1m",
                                              .has_range = true,
                                              .range = {.has_max = true, .max = 100}};
    struct happy_world w = {.p = p, .primary = 100};
    struct status before = {.phase = PHASE_INITIALIZED,
                            .applied = 1,
                            .promoted = 1,
                            .condition = CONDITION_TRUE,
                            .condition_reason = PHASE_INITIALIZED};
    struct rollout r;
    struct spec spec;
    unsigned still = 0;
    ms_t now = 1000;

    memset(l, 0, sizeof *l);
    fill_spec(&spec, p, &metric);
    rollout_init(&r);
    rollout_load(&r, &before, 0);
    l->end = LADDER_STUCK;
    for (unsigned n = 0; n < TICKS_MAX && still < STILL_TICKS; n++) {
        int32_t weight = w.canary, iterations = r.stored.iterations;
        uint8_t phase = r.stored.phase;

        w.analysed = false;
        tick(&r, &spec, &w, now += 60000);
        l->ticks++;
        l->checks = (uint16_t)(l->checks + w.analysed);
        if (r.stored.phase == PHASE_PROGRESSING && w.canary > 0)
            record(l, w.canary);
        if (r.stored.phase == PHASE_SUCCEEDED) {
            l->end = l->checks ? LADDER_PROMOTED : LADDER_UNTESTED;
            return;
        }
        still = weight == w.canary && iterations == r.stored.iterations && phase == r.stored.phase
                    ? still + 1
                    : 0;
    }
}

static bool same_parameters(const struct parameters *a, const struct parameters *b)
{
    return a->max_weight == b->max_weight && a->step_weight == b->step_weight &&
           a->step_weight_promotion == b->step_weight_promotion && a->iterations == b->iterations &&
           a->mirror_weight == b->mirror_weight && a->step_count == b->step_count &&
           a->match_count == b->match_count && a->mirror == b->mirror &&
           a->has_step_weights == b->has_step_weights && a->affinity == b->affinity &&
           a->kubernetes == b->kubernetes && a->mirror_reported == b->mirror_reported &&
           memcmp(a->steps, b->steps, a->step_count * sizeof *a->steps) == 0;
}

static int32_t clamp(int64_t value)
{
    return value > 100000 ? 100000 : value < -100000 ? -100000 : (int32_t)value;
}

static bool read_parameters(const struct canary_view *v, struct parameters *p)
{
    memset(p, 0, sizeof *p);
    p->max_weight = clamp(check_int(v->max_weight, 0));
    p->step_weight = clamp(check_int(v->step_weight, 0));
    p->step_weight_promotion = clamp(check_int(v->step_weight_promotion, 0));
    p->iterations = clamp(check_int(v->iterations, 0));
    if (p->iterations > 500)
        p->iterations = 500; /* long enough to see that it ends */
    p->match_count = v->match ? (uint32_t)v->match->u.list.count : 0;
    p->match_count = p->match_count > 0;
    p->mirror = check_bool(v->mirror);
    p->kubernetes = strcmp(v->provider, "kubernetes") == 0;
    p->mirror_reported =
        v->features && (v->features->mirror == MIRROR_FULL ||
                        (v->features->mirror == MIRROR_ITERATIONS_ONLY && p->iterations > 0));
    if (v->affinity && v->features && v->features->mirror == MIRROR_FULL)
        p->mirror_reported =
            false; /* with session affinity the mirror is read back from the wrong rule */
    p->has_step_weights = v->step_weights != NULL;
    if (v->step_weights == NULL)
        return true;
    if (v->step_weights->u.list.count > STEPS_MAX)
        return false;
    for (size_t i = 0; i < v->step_weights->u.list.count; i++)
        p->steps[p->step_count++] = clamp(check_int(v->step_weights->u.list.items[i], 0));
    return true;
}

const struct ladder *ladder_of(struct check *c, const struct canary_view *v)
{
    struct ladder_cache *cache = check_ladders(c);
    struct parameters p;
    uint32_t hash;

    if (!read_parameters(v, &p))
        return NULL;
    hash = (uint32_t)p.max_weight * 31u + (uint32_t)p.step_weight * 131u +
           (uint32_t)p.iterations * 17u + (uint32_t)p.step_weight_promotion * 7u + p.mirror * 3u +
           p.kubernetes * 5u + p.match_count * 11u;
    for (uint32_t i = 0; i < p.step_count; i++)
        hash = hash * 33u + (uint32_t)p.steps[i];
    hash %= CACHE_SLOTS;
    if (!cache->slots[hash].used || !same_parameters(&cache->slots[hash].key, &p)) {
        cache->slots[hash].used = true;
        cache->slots[hash].key = p;
        climb(&p, &cache->slots[hash].value);
    }
    return &cache->slots[hash].value;
}

const char *ladder_text(struct check *c, const struct ladder *l, size_t max)
{
    struct strbuf b = STRBUF_INIT;
    const char *text;

    for (size_t i = 0; i < l->count; i++) {
        if (i + 1 < l->count && i + 1 >= max) {
            strbuf_addf(&b, ", …, %d", l->weights[l->count - 1]);
            break;
        }
        strbuf_addf(&b, "%s%d", i ? ", " : "", l->weights[i]);
    }
    if (l->count == 0)
        strbuf_adds(&b, "0");
    text = check_text(c, "%s", strbuf_str(&b));
    strbuf_release(&b);
    return text;
}
