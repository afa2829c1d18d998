/* Who answers from outside the cluster: webhooks and metric servers. */
#include "sim/world_parts.h"

/* ---- webhooks
 * --------------------------------------------------------------------------------------- */

static const struct hook_plan *hook_plan_of(const struct world *w, const char *name)
{
    for (uint32_t i = 0; i < w->plan->hook_count; i++)
        if (strcmp(w->plan->hooks[i].name, name) == 0)
            return &w->plan->hooks[i];
    return NULL;
}

static struct hook_reply hook_reply_of(const struct world *w, const struct hook_plan *h,
                                       uint32_t index, uint32_t call)
{
    struct hook_reply reply = {.status = 200, .body = ""};

    if (!h)
        return reply;
    if (call <= h->call_count)
        return h->calls[call - 1];
    if (h->chance_ppm > 0) {
        struct rng rng = rng_init(w->seed, w->rollout_number,
                                  STREAM_HOOKS + w->canary_index * WORLD_HOOKS_MAX + index);

        rng.next = (uint64_t)call << 8;
        if (rng_chance(&rng, h->chance_ppm))
            return h->unlucky;
    }
    for (uint32_t i = 0; i < h->change_count; i++)
        if (h->changes[i].at_ms <= w->now_ms - w->epoch_ms)
            reply = h->changes[i].reply;
    return reply;
}

/* The error text of a failing call. Source: docs/engine/semantics.md §6.4. */
static void hook_error(struct world *w, const struct hook_spec *hook,
                       const struct hook_reply *reply, struct answer *out)
{
    bool gives_up = reply->status == 0 || reply->status == 429 ||
                    (reply->status >= 500 && reply->status != 501);
    struct text t = text_begin(w);

    if (reply->error && reply->status != 0) {
        answer_text(out, reply->error);
        return;
    }
    if (!gives_up) {
        answer_text(out, reply->body);
        return;
    }
    text_adds(&t, "POST ");
    text_adds(&t, hook->url);
    text_adds(&t, " giving up after ");
    text_add_int(&t, 1 + (hook->retries > 0 ? hook->retries : 0));
    text_adds(&t, " attempt(s)");
    if (reply->status == 0) {
        text_adds(&t, ": ");
        text_adds(&t, reply->error);
    } else if (spec_deviates(w->spec, DEV_HOOK_ERROR_BODY)) {
        text_adds(&t, ": status ");
        text_add_int(&t, reply->status);
        if (reply->body && *reply->body) {
            text_adds(&t, ": ");
            text_adds(&t, reply->body);
        }
    }
    text_end(w, &t, out);
}

ms_t world_answer_hook(struct world *w, const struct ask *ask, struct answer *out)
{
    const struct analysis_spec *an = &w->spec->analysis;
    const struct hook_spec *hook;
    struct hook_reply reply;
    uint32_t slot = ask->index % WORLD_HOOKS_MAX;

    if (ask->index >= an->hook_count) {
        out->outcome = OUTCOME_FAILED;
        return 0;
    }
    hook = &an->hooks[ask->index];
    w->hook_call = ++w->hook_calls[slot];
    reply = hook_reply_of(w, hook_plan_of(w, hook->name), slot, w->hook_call);
    w->hook_status = reply.status;
    if (reply.status < 200 || reply.status > 202 || reply.error) {
        out->outcome = OUTCOME_FAILED;
        hook_error(w, hook, &reply, out);
    }
    return reply.took_ms;
}

/* ---- metrics
 * ---------------------------------------------------------------------------------------- */

static const struct metric_source *source_of(const struct world *w, const char *name)
{
    for (uint32_t i = 0; i < w->plan->metric_count; i++)
        if (strcmp(w->plan->metrics[i].name, name) == 0)
            return w->plan->metrics[i].source;
    return NULL;
}

/* A value that no reasonable bound refuses. */
static double healthy_value(const struct metric_spec *m, const struct ask *ask)
{
    if (m->has_range && m->range.has_max && m->range.has_min)
        return m->range.min + (m->range.max - m->range.min) / 2;
    if (ask->metric == METRIC_RATE)
        return 100;
    if (m->has_range && m->range.has_max)
        return m->range.max > 0 ? m->range.max / 2 : m->range.max;
    if (m->has_range && m->range.has_min)
        return m->range.min;
    return m->threshold > 0 ? m->threshold / 2 : 0;
}

/* Built-in checks say which query failed. Source: docs/engine/semantics.md §7.5. */
void world_prefix_builtin(struct world *w, const struct ask *ask, struct answer *out)
{
    struct text t;

    if ((ask->metric != METRIC_RATE && ask->metric != METRIC_DURATION) ||
        out->outcome == OUTCOME_OK)
        return;
    t = text_begin(w);
    text_adds(&t, "running query failed: ");
    text_add(&t, out->text, out->text_len);
    text_end(w, &t, out);
}

/*
 * What judges that compare are fed with: a value of each side for each window since the canary
 * began to serve. The operator asks its metric server for the same (adapters/operator/feed.c).
 */
static void add_samples(struct world *w, const struct metric_source *source,
                        const struct metric_query *query, struct answer *out)
{
    const struct exposure *x = &w->exposure;
    ms_t since = x->count > 0 ? exposure_at(x, x->count - 1)->canary_since_ms : query->now_ms;

    if (!source->sides)
        return;
    out->canary_sample_count =
        metric_samples(source, query, false, since, w->samples[0], WORLD_SAMPLES_MAX);
    out->primary_sample_count =
        metric_samples(source, query, true, since, w->samples[1], WORLD_SAMPLES_MAX);
    out->canary_samples = w->samples[0];
    out->primary_samples = w->samples[1];
}

void world_answer_metric(struct world *w, const struct ask *ask, struct answer *out)
{
    const struct analysis_spec *an = &w->spec->analysis;
    const struct metric_source *source;
    const struct metric_spec *metric;
    uint32_t slot = ask->index % WORLD_METRICS_MAX;
    struct metric_query query;
    struct rng rng;
    ms_t window;

    if (ask->index >= an->metric_count) {
        out->outcome = OUTCOME_FAILED;
        return;
    }
    metric = &an->metrics[ask->index];
    rng = rng_init(w->seed, w->rollout_number,
                   STREAM_METRICS + w->canary_index * WORLD_METRICS_MAX + slot);
    query = (struct metric_query){.now_ms = w->now_ms,
                                  .epoch_ms = w->epoch_ms,
                                  .window_ms = METRIC_WINDOW_DEFAULT_MS,
                                  .spec = w->spec,
                                  .index = ask->index,
                                  .kind = ask->metric,
                                  .call = ++w->metric_calls[slot],
                                  .revision = w->target,
                                  .exposure = &w->exposure,
                                  .rng = &rng};
    rng.next = (uint64_t)query.call << 20;
    window = metric_window_ms(metric);
    if (window > 0)
        query.window_ms = window;
    source = source_of(w, metric->name);
    if (source)
        source->evaluate(source, &query, out);
    else
        out->value = healthy_value(metric, ask);
    if (source && out->outcome == OUTCOME_OK && (judge_food(&metric->judge) & FOOD_SAMPLES) != 0)
        add_samples(w, source, &query, out);
    world_prefix_builtin(w, ask, out);
}
