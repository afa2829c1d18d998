/* One Canary at a time: looking at its spec, and running its ticks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/operator/internal.h"
#include "adapters/router/build.h"

/* ---- opening -----------------------------------------------------------------------------------
 */

void job_forget_spec(struct job *j)
{
    if (j->spec == NULL)
        return;
    json_free(j->spec->for_routers);
    arena_free(j->spec->arena);
    j->spec = NULL;
    j->op->spec_count--;
}

/* After an installation very many are under way: not all their specs wait for the next tick. */
static void spec_leave(struct job *j)
{
    if (j->op->spec_count > j->op->o.specs_max)
        job_forget_spec(j);
}

static struct job_spec *spec_new(void)
{
    struct arena *arena = arena_new(8u << 20);
    struct job_spec *s = arena ? arena_alloc(arena, sizeof(*s)) : NULL;

    if (s == NULL) {
        arena_free(arena);
        return NULL;
    }
    s->arena = arena;
    return s;
}

static bool decode_anew(struct tick *t, struct arena *arena, struct canary *ret_decoded)
{
    struct canary_options options = {.mesh_provider = t->op->o.mesh_provider,
                                     .cluster_name = t->op->o.cluster_name,
                                     .no_config_tracking = t->op->o.no_config_tracking,
                                     .deviations = t->op->o.deviations,
                                     .lenient = true};
    struct diags diags;
    int code;

    diags_init(&diags, t->arena);
    code = canary_decode_json(arena, &diags, "", t->canary, &options, ret_decoded);
    if (code != 0)
        strbuf_addf(&t->text, "invalid canary spec: %s%s%s",
                    diags.count && diags.items[0].path ? diags.items[0].path : "",
                    diags.count && diags.items[0].path ? ": " : "",
                    diags.count ? diags.items[0].what : "cannot be read");
    diags_release(&diags);
    return code == 0;
}

/* The judges stand in annotations, of which generations know nothing. */
static uint64_t judges_of(const cJSON *metadata)
{
    static const char ours[] = "coalmine.dev/";
    uint64_t hash = 0;

    for (const cJSON *a = build_members(json_get(metadata, "annotations")); a; a = a->next) {
        if (strncmp(a->string, ours, strlen(ours)) == 0 &&
            strcmp(a->string, STATE_ANNOTATION) != 0 && strcmp(a->string, COMMAND_ANNOTATION) != 0)
            hash = (hash + text_revision(a->string)) * 0x9e3779b97f4a7c15u +
                   (cJSON_IsString(a) ? text_revision(a->valuestring) : 1);
    }
    return hash;
}

/* The spec, decoded once for each of its generations while there are ticks to run. */
static bool decode(struct tick *t)
{
    const cJSON *metadata = json_get(t->canary, "metadata");
    int64_t generation = json_int(metadata, "generation", 0);
    revision_t uid = text_revision(json_text(metadata, "uid"));
    uint64_t judges = judges_of(metadata);
    struct job *j = t->job;
    struct job_spec *s = j->spec;

    if (s == NULL || generation == 0 || generation != s->generation || uid != s->uid ||
        judges != s->judges) {
        job_forget_spec(j);
        s = j->spec = spec_new();
        if (s == NULL)
            return false;
        j->op->spec_count++;
        s->generation = generation;
        s->uid = uid;
        s->judges = judges;
        if (!decode_anew(t, s->arena, &s->canary)) {
            s->generation = 0;
            t->spec = &s->canary.spec;
            return false;
        }
    }
    t->spec = &s->canary.spec;
    return true;
}

const cJSON *job_router_spec(struct job *j, const cJSON *canary)
{
    const cJSON *metadata = json_get(canary, "metadata");
    int64_t generation = json_int(metadata, "generation", 0);
    revision_t uid = text_revision(json_text(metadata, "uid"));
    struct job_spec *s = j->spec;

    if (s == NULL || generation == 0)
        return NULL;
    if (s->for_routers == NULL || s->routers_generation != generation || s->routers_uid != uid) {
        json_free(s->for_routers);
        s->for_routers = router_spec(canary);
        s->routers_generation = generation;
        s->routers_uid = uid;
    }
    return s->for_routers;
}

bool tick_open(struct tick *t, struct job *j)
{
    const struct clock *clock = j->op->o.clock;

    memset(t, 0, sizeof(*t));
    t->op = j->op;
    t->job = j;
    t->began_ms = clock->mono_ms(clock->self);
    t->canary = kube_cache_read(j->op->canaries->cache, j->ns, j->name);
    t->arena = arena_new(8u << 20);
    if (t->canary == NULL || t->arena == NULL)
        return false;
    world_depend(t, j->op->canaries, j->ns, j->name);
    if (!decode(t))
        return false;
    checksum_read(t->canary, t->checksum);
    return true;
}

void tick_close(struct tick *t)
{
    json_free(t->canary);
    json_free(t->latest);
    json_free(t->apex_metadata);
    json_free(t->ports);
    workload_metadata_release(&t->metadata);
    strbuf_release(&t->text);
    arena_free(t->arena);
    spec_leave(t->job);
}

/* ---- is the spec one that can be run? ----------------------------------------------------------
 */

static bool is_foreign(const struct tick *t, const char *ns)
{
    return t->op->o.no_cross_namespace_refs && ns && *ns && strcmp(ns, t->job->ns) != 0;
}

static bool blocked(struct tick *t, const char *what, const char *name, const char *ns)
{
    if (!is_foreign(t, ns))
        return false;
    strbuf_addf(
        &t->text,
        "invalid canary spec: can't access %s %s.%s, cross-namespace references are blocked", what,
        name, ns);
    return true;
}

static bool refs_are_blocked(struct tick *t)
{
    const struct analysis_spec *an = &t->spec->analysis;
    const cJSON *upstream = json_at(t->canary, "spec", "upstreamRef", NULL);

    if (blocked(t, "gloo upstream", json_text(upstream, "name"), json_text(upstream, "namespace")))
        return true;
    for (uint32_t i = 0; i < an->metric_count; i++) {
        if (an->metrics[i].template_name &&
            blocked(t, "metric template", an->metrics[i].template_name,
                    an->metrics[i].template_namespace))
            return true;
    }
    for (uint32_t i = 0; i < an->alert_count; i++) {
        if (blocked(t, "alert provider", an->alerts[i].provider_name,
                    an->alerts[i].provider_namespace))
            return true;
    }
    return false;
}

static bool knative_is_wrong(struct tick *t)
{
    const cJSON *spec = json_get(t->canary, "spec"), *target = json_get(spec, "targetRef");
    const char *provider = json_text(spec, "provider");
    bool knative_target = t->spec->target_kind == TARGET_KNATIVE,
         knative = strcmp(provider, "knative") == 0;

    if (knative_target && !knative)
        strbuf_addf(&t->text,
                    "invalid canary spec: can't use %s provider with Knative Service as target",
                    provider);
    else if (knative && !knative_target)
        strbuf_addf(&t->text,
                    "invalid canary spec: can't use %s/%s as target if provider is set to knative",
                    json_text(target, "apiVersion"), json_text(target, "kind"));
    else if (knative_target && json_get(spec, "autoscalerRef"))
        strbuf_adds(&t->text, "invalid canary spec: can't use autoscaler with Knative Service");
    return t->text.len > 0;
}

static bool cookies_are_wrong(struct tick *t)
{
    const cJSON *affinity = json_at(t->canary, "spec", "analysis", "sessionAffinity", NULL);

    if (*json_text(affinity, "cookieName") == '\0' ||
        strcmp(json_text(affinity, "cookieName"), json_text(affinity, "primaryCookieName")) != 0)
        return false;
    strbuf_adds(&t->text,
                "invalid canary spec: can't use the same cookie name for both primary and "
                "cookie name; please update them to be different");
    return true;
}

/* ---- sync: the spec is new or was edited --------------------------------------------------------
 */

static void refuse(struct tick *t)
{
    op_log(t->op, LEVEL_FAULT, HERE, NULL, "error syncing '%s/%s': %s", t->job->ns, t->job->name,
           strbuf_str(&t->text));
    if (!cluster_has(t->op->o.cluster, CLUSTER_REFUSAL_EVENT) && t->spec && t->canary) {
        static const struct spec empty;

        t->spec = &empty; /* what could not be read is not looked at again */
        emit_event(t, LEVEL_WARNING, "", strbuf_str(&t->text));
    }
    t->job->accepted = false;
    t->job->next_ms = INT64_MAX;
}

/* The first tick, and the ticks after the interval was edited. */
static void plan_ticks(struct job *j, int64_t interval_ms)
{
    struct operator* o = j->op;
    int64_t now = o->o.clock->mono_ms(o->o.clock->self);
    bool by_passes = cluster_has(o->o.cluster, CLUSTER_FIRST_TICK_AT_ONCE);

    if (j->next_ms == INT64_MAX)
        j->next_ms = by_passes ? o->next_pass_ms : now;
    else if (j->interval_ms != interval_ms && by_passes)
        j->next_ms = o->next_pass_ms;
    else if (j->interval_ms != interval_ms && j->next_ms > now + interval_ms)
        j->next_ms = now + interval_ms;
    j->interval_ms = interval_ms;
}

static void note_service_name(struct tick *t)
{
    const char *name = json_text(json_at(t->canary, "spec", "service", NULL), "name");
    struct job *j = t->job;

    if (j->service_name && *j->service_name && strcmp(j->service_name, name) != 0)
        op_log(t->op, LEVEL_WARN, HERE, NULL,
               "The service name changed to %s, remove %s objects to avoid routing conflicts", name,
               j->service_name);
    free(j->service_name);
    j->service_name = strdup(name);
}

static int begin_canary(struct tick *t)
{
    bool wanted = t->spec->revert_on_deletion;
    int code = 0;

    world_foresee(t);
    if (json_get(json_get(t->canary, "status"), "conditions") == NULL)
        code = status_initialize(t);
    if (code == 0 && finalizer_set(t, wanted, &t->text) != 0)
        op_log(t->op, LEVEL_FAULT, HERE, NULL,
               "error syncing '%s/%s': unable to %s finalizer %s canary %s.%s: %s", t->job->ns,
               t->job->name, wanted ? "add" : "remove", wanted ? "to" : "for", t->job->name,
               t->job->ns, strbuf_str(&t->text));
    return code;
}

/* Try again later: an API that failed once is no reason to forget a Canary. */
#define SYNC_AGAIN_MS 5000

void job_sync(struct job *j)
{
    struct tick t;

    j->needs_sync = false;
    if (!tick_open(&t, j)) {
        if (t.canary != NULL)
            refuse(&t);
    } else if (json_str(json_get(t.canary, "metadata"), "deletionTimestamp")) {
        j->accepted = true;
        if (j->interval_ms == 0)
            j->interval_ms = t.spec->analysis.interval_ms;
    } else if (refs_are_blocked(&t) || knative_is_wrong(&t) || cookies_are_wrong(&t)) {
        refuse(&t);
    } else if (begin_canary(&t) != 0) {
        const struct clock *clock = j->op->o.clock;

        j->needs_sync = true;
        j->finalize_ms = clock->mono_ms(clock->self) + SYNC_AGAIN_MS;
    } else {
        j->accepted = true;
        j->quiet = false;
        note_service_name(&t);
        plan_ticks(j, t.spec->analysis.interval_ms);
        op_log(j->op, LEVEL_INFO, HERE, NULL, "Synced %s/%s", j->ns, j->name);
    }
    tick_close(&t);
}

/* ---- a tick ------------------------------------------------------------------------------------
 */

/* What a person asked for, in the arena, told to the engine; NULL when there is nothing. */
static const char *take_command(struct tick *t)
{
    static const char *const names[] = {"", "promote", "abort", "retry", "pause", "resume"};
    const char *text = arena_strdup(t->arena, canary_command(t->canary));
    cJSON *command = text ? json_parse(text, strlen(text), NULL) : NULL;
    const char *name = json_text(command, "command"), *why = json_text(command, "why");
    struct strbuf message = STRBUF_INIT;
    unsigned kind = 0;

    if (text == NULL || *text == '\0')
        return NULL;
    for (unsigned i = COMMAND_PROMOTE; i <= COMMAND_RESUME; i++) {
        if (strcmp(name, names[i]) == 0)
            kind = i;
    }
    if (kind != 0) {
        strbuf_addf(&message, "%s asked for by %s%s%s", names[kind],
                    *json_text(command, "who") ? json_text(command, "who") : "somebody",
                    *why ? ": " : "", why);
        rollout_command(t->job->rollout, (enum command)kind);
    } else {
        strbuf_addf(&message, "unknown command in annotation %s", COMMAND_ANNOTATION);
    }
    emit_event_for(t, "Command", kind ? LEVEL_NORMAL : LEVEL_WARNING,
                   json_text(json_get(t->canary, "status"), "phase"), strbuf_str(&message));
    strbuf_release(&message);
    json_free(command);
    return text;
}

/* An answer that comes a second time: its ask is over, so the engine asks nothing. */
static void repeat_answer(struct tick *t, const struct answer *answer, struct step *step)
{
    struct step *again = arena_alloc(t->arena, sizeof(*again));

    if (again == NULL)
        return;
    engine_answer(t->job->rollout, t->spec, answer, again);
    if (again->ask.kind != ASK_NONE)
        *step = *again;
}

static void run_steps(struct tick *t, enum tick_kind kind)
{
    const struct clock *clock = t->op->o.clock;
    struct step *step = arena_alloc(t->arena, sizeof(*step));
    struct rollout *r = t->job->rollout;
    ms_t now_ms = clock->wall_ms(clock->self);

    if (step == NULL)
        return;
    record_begin(t, kind, now_ms);
    engine_begin(r, t->spec, kind, now_ms, step);
    for (;;) {
        struct ask ask = step->ask;
        struct answer answer;

        record_asked(t, step);
        emit(t, step);
        if (ask.kind == ASK_DONE || ask.kind == ASK_NONE || task_is_cancelled(t->op->o.tasks))
            break; /* cancelled: the next process goes on from what is stored */
        perform(t, &ask, &answer);
        record_answered(t, &answer);
        if (answer.outcome != OUTCOME_OK)
            t->failed = true;
        engine_answer(r, t->spec, &answer, step);
        if (t->op->o.answers_twice &&
            t->op->o.answers_twice(t->op->o.answers_ctx, (enum ask_kind)ask.kind))
            repeat_answer(t, &answer, step);
    }
    record_answered(t, NULL);
    record_end(t, step->ask.kind == ASK_DONE);
}

static bool is_at_rest(const struct status *s)
{
    return s->phase == PHASE_INITIALIZED || s->phase == PHASE_SUCCEEDED || s->phase == PHASE_FAILED;
}

static bool is_under_way(const struct status *s)
{
    return s->phase >= PHASE_WAITING && s->phase <= PHASE_FINALISING;
}

/* For a tick. False when memory is out. */
static bool rollout_open(struct job *j)
{
    if (j->rollout != NULL)
        return true;
    j->rollout = malloc(sizeof(*j->rollout));
    if (j->rollout == NULL)
        return false;
    rollout_init(j->rollout);
    if (j->loaded)
        rollout_load(j->rollout, &j->kept, j->kept_memory);
    return true;
}

static bool any_judge_looked(const struct rollout *r)
{
    for (size_t i = 0; i < JUDGED_METRICS_MAX; i++) {
        if (r->judges[i].looks > 0)
            return true;
    }
    return false;
}

/* At rest the next tick needs no more of it than a new process would. */
static void rollout_close(struct job *j)
{
    if (any_judge_looked(j->rollout))
        return;
    j->kept = j->rollout->stored;
    j->kept_memory = j->rollout->memory;
    free(j->rollout);
    j->rollout = NULL;
}

/* Keep what the tick read, and nothing else. */
static void settle(struct job *j, const struct tick *t)
{
    struct read *reads = realloc(j->reads, (t->read_count + 1) * sizeof(*reads));

    job_forget_spec(j);
    if (reads == NULL) {
        j->quiet = false;
        return;
    }
    if (t->read_count > 0)
        memcpy(reads, t->reads, t->read_count * sizeof(*reads));
    j->reads = reads;
    j->read_count = t->read_count;
    rollout_close(j);
}

void job_tick(struct job *j, enum tick_kind kind)
{
    const struct clock *clock = j->op->o.clock;
    const char *command;
    uint32_t memory;
    struct tick t;

    if (!tick_open(&t, j)) {
        if (t.canary != NULL)
            refuse(&t);
        tick_close(&t);
        return;
    }
    if (!rollout_open(j) || look_once(&t) != 0) {
        op_log(j->op, LEVEL_FAULT, HERE, NULL, "Canary %s.%s could not be read", j->name, j->ns);
        j->quiet = false;
        tick_close(&t);
        return;
    }
    if (!j->loaded) {
        memory =
            cluster_has(j->op->o.cluster, CLUSTER_STATE_ANNOTATION) ? 0 : memory_read(t.canary);
        if (!cluster_has(j->op->o.cluster, CLUSTER_TELL_THE_END) && redo_undo(&t.canary, &memory))
            j->redo = true;
        status_read(t.canary, &t.status);
        rollout_load(j->rollout, &t.status, memory);
        if (!cluster_has(j->op->o.cluster, CLUSTER_STATE_ANNOTATION))
            judges_recall(&t, j->rollout);
        j->loaded = true;
        t.first = is_under_way(&t.status);
    }
    command = j->has_command ? take_command(&t) : NULL;
    if (command == NULL)
        j->has_command = false;
    run_steps(&t, kind);
    if ((t.redo_written || j->redo) && t.ended && !task_is_cancelled(j->op->o.tasks)) {
        emit_settle(&t);
        redo_done(&t);
        j->redo = false;
    } else if (t.redo_written && !t.ended) {
        j->redo =
            true; /* the end may be stored all the same, its answer lost: it is still to tell */
    }
    if (command) {
        emit_settle(&t);
        j->has_command = job_command_done(&t, command);
    }
    j->quiet = kind == TICK_ANALYSIS && !command && !t.wrote && !t.spoke && !t.failed &&
               !t.reads_lost && is_at_rest(&j->rollout->stored);
    if (j->quiet)
        settle(j, &t);
    j->op->ticks++;
    j->op->tick_seconds.count++;
    j->op->tick_seconds.sum += (double)(clock->mono_ms(clock->self) - t.began_ms) / 1000;
    tick_close(&t);
}
