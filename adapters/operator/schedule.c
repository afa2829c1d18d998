/* Which Canary's turn it is: jobs, the scheduler, leadership, start and stop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/operator/internal.h"
#include "adapters/router/build.h"
#include "adapters/store/flight.h"
#include "engine/plant.h"

#define WAITING_MAX 2048 /* ticks under way, waiting ones included */
#define SPECS_MAX 1024   /* kept decoded, of 8 KiB or more each */
#define RESYNC_MS 30000  /* a failed finalization is tried again */
#define REST_PASSES 3    /* trees that nobody reads are dropped every so many passes of ticks */
#define TOGETHER_MAX 8   /* ticks begun at one time, some of them early */
#define LATE_MS 20       /* a tick that begins later than this was kept waiting by others */

static int64_t now_ms(const struct operator* o)
{
    return o->o.clock->mono_ms(o->o.clock->self);
}

void job_name(const struct job *j, struct strbuf *out)
{
    strbuf_addf(out, "%s.%s", j->name, j->ns);
}

/* ---- what the watch brings ---------------------------------------------------------------------
 */

static bool has_finalizer(const cJSON *canary)
{
    const cJSON *list = json_at(canary, "metadata", "finalizers", NULL);

    for (const cJSON *v = list ? list->child : NULL; v; v = v->next) {
        if (cJSON_IsString(v) && strcmp(v->valuestring, FINALIZER_NAME) == 0)
            return true;
    }
    return false;
}

static revision_t spec_revision(const cJSON *canary)
{
    char *json = json_print_sorted(json_get(canary, "spec"));
    revision_t revision = json ? text_revision(json) : 0;

    free(json);
    return revision;
}

/* The server counts a generation for every change of the spec; only then is there a look at it. */
static bool spec_changed(struct job *j, const cJSON *canary)
{
    const cJSON *metadata = json_get(canary, "metadata");
    int64_t generation = json_int(metadata, "generation", 0);
    revision_t uid = text_revision(json_text(metadata, "uid")), revision;
    bool changed;

    if (generation > 0 && generation == j->generation && uid == j->uid)
        return false;
    revision = spec_revision(canary);
    changed = revision == 0 || revision != j->spec_revision;
    j->generation = generation;
    j->uid = uid;
    j->spec_revision = revision;
    return changed;
}

static void job_changed(struct job *j, const cJSON *canary)
{
    const cJSON *metadata = json_get(canary, "metadata");
    bool deleting = json_str(metadata, "deletionTimestamp") != NULL,
         revert = json_bool(json_get(canary, "spec"), "revertOnDeletion", false);

    if (spec_changed(j, canary) || (!deleting && revert && !has_finalizer(canary)))
        j->needs_sync = true;
    if (deleting) {
        j->next_ms = INT64_MAX;
        if (has_finalizer(canary) && j->finalize_ms == INT64_MAX)
            j->finalize_ms = now_ms(j->op);
    } else if (json_str(json_get(metadata, "annotations"), COMMAND_ANNOTATION)) {
        j->has_command = true;
        if (j->accepted && j->next_ms != INT64_MAX)
            j->next_ms = now_ms(j->op);
    }
}

static void forget_series(struct operator* o, const cJSON *canary, const char *ns)
{
    const char *target = json_text(json_at(canary, "spec", "targetRef", NULL), "name");
    struct label labels[] = {{"name", target}, {"namespace", ns}};

    if (cluster_has(o->o.cluster, CLUSTER_FORGET_SERIES))
        return; /* Flagger's series stay for ever */
    registry_forget(&o->registry, "flagger_canary_status", labels, 2);
    registry_forget(&o->registry, "flagger_canary_metric_analysis", labels, 2);
    registry_forget(&o->registry, "flagger_canary_duration_seconds", labels, 2);
}

static void on_canary_change(void *ctx, enum watch_event type, const struct kube_entry *entry)
{
    struct feed *f = ctx;
    struct operator* o = f->op;
    struct job *j = jobs_find(&o->jobs, entry->ns, entry->name);
    const cJSON *canary = kube_cache_look(f->cache, entry);

    world_changed(f, entry);
    f->failing = false;
    gate_notify(o->o.tasks, &f->changed);
    if (j)
        jobs_rouse(&o->jobs, j, now_ms(o));
    if (type == WATCH_DELETED) {
        op_log(o, LEVEL_INFO, HERE, NULL, "Deleting %s.%s from cache", entry->name, entry->ns);
        if (j)
            jobs_remove(&o->jobs, j);
        forget_series(o, canary, entry->ns);
    } else if (canary) {
        if (j == NULL)
            j = jobs_add(&o->jobs, o, entry->ns, entry->name);
        if (j) {
            job_changed(j, canary);
            jobs_place(&o->jobs, j);
        }
    }
    gate_notify(o->o.tasks, &o->wake);
}

/* ---- running -----------------------------------------------------------------------------------
 */

/* Or nearly so: then it may begin when something else does. */
static bool tick_is_due(const struct job *j, int64_t now)
{
    return j->accepted && j->next_ms - job_slack_ms(j) <= now;
}

/*
 * A tick that began late counts its interval from where it began. Canaries that were due at once,
 * as after an installation, so spread over the interval by themselves, and each then begins when it
 * is due.
 */
static void keep_pace(struct job *j, int64_t now)
{
    if (now - j->next_ms > LATE_MS)
        j->next_ms = now;
}

static void finalize(struct job *j)
{
    cJSON *canary;

    j->finalize_ms = INT64_MAX;
    if (j->needs_sync) { /* the sync failed before, and is tried again */
        job_sync(j);
        if (j->needs_sync || j->finalize_ms != INT64_MAX)
            return;
    }
    canary = kube_cache_read(j->op->canaries->cache, j->ns, j->name);
    if (canary && json_str(json_get(canary, "metadata"), "deletionTimestamp") &&
        has_finalizer(canary)) {
        job_tick(j, TICK_FINALIZE);
        if (!j->gone)
            j->finalize_ms = now_ms(j->op) + RESYNC_MS;
    }
    json_free(canary);
}

static void run_job(void *arg)
{
    struct job *j = arg;
    struct operator* o = j->op;
    int64_t now = now_ms(o);

    if (!task_is_cancelled(o->o.tasks)) {
        if (j->needs_sync && j->finalize_ms == INT64_MAX)
            job_sync(j);
        if (!j->gone && j->finalize_ms <= now)
            finalize(j);
        if (!j->gone && tick_is_due(j, now)) {
            int64_t late_ms = now - j->next_ms;

            histogram_add(&o->tick_delay, late_ms > 0 ? (double)late_ms / 1000 : 0);
            keep_pace(j, now);
            job_tick(j, TICK_ANALYSIS);
            job_move_on(j, now_ms(o));
        }
    }
    jobs_ended(&o->jobs, j);
    gate_notify(o->o.tasks, &o->wake);
}

static bool has_room(const struct operator* o)
{
    return o->jobs.running_count - o->waiting < o->o.ticks_max &&
           o->jobs.running_count < WAITING_MAX;
}

void tick_waits(struct tick *t)
{
    t->op->waiting++;
    gate_notify(t->op->o.tasks, &t->op->wake);
}

/* The bound may be passed for as long as this tick still takes. */
void tick_goes_on(struct tick *t)
{
    t->op->waiting--;
}

/* Due, or so soon that it can as well begin with one that is. */
static bool may_begin(const struct job *j, int64_t now, unsigned begun)
{
    return j->due_ms <= now || (begun > 0 && begun < TOGETHER_MAX && tick_is_due(j, now));
}

static void start_due(struct operator* o, int64_t now)
{
    unsigned begun = 0;
    struct job *j;

    while (has_room(o) && (j = jobs_first(&o->jobs)) != NULL && may_begin(j, now, begun)) {
        begun++;
        jobs_began(&o->jobs, j);
        j->task = task_spawn(o->o.tasks, run_job, j);
        if (j->task == 0) {
            jobs_ended(&o->jobs, j);
            return;
        }
    }
}

/* Who sleeps is looked at a moment after a change: then one look does for several. */
static int64_t stir_due(const struct operator* o)
{
    return o->stirred ? o->stirred_ms + o->o.slack_ms : INT64_MAX;
}

/* Without ticks and changes a pass has nothing to do. */
static int64_t pass_due(const struct operator* o)
{
    return o->warm || o->news || o->ticks != o->pass_ticks ? o->next_pass_ms : INT64_MAX;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_due(const struct operator* o)
{
    const struct job *j = has_room(o) ? jobs_first(&o->jobs) : NULL;

    return earlier(j ? j->due_ms : INT64_MAX, earlier(stir_due(o), pass_due(o)));
}

static bool may_work(const struct operator* o)
{
    return o->synced && !o->stopping && (!o->o.leader_election || o->leading);
}

/*
 * When no tick ran in a whole pass, nothing of the last ones is kept. While some do, trees may stay
 * unread for longer than a pass: many are read at one step of a rollout, and at the next but one.
 * What was dropped is given back then, until nothing is left of the last ticks.
 */
static void begin_pass(struct operator* o, int64_t now)
{
    bool rested = o->ticks == o->pass_ticks;

    while (o->next_pass_ms <= now)
        o->next_pass_ms += o->o.control_loop_ms;
    if (!rested)
        o->warm = true;
    if (rested || ++o->passes % REST_PASSES == 0) {
        world_rest(o, rested);
        if (o->warm && o->o.give_memory_back)
            o->o.give_memory_back();
        if (rested && o->jobs.running_count == 0)
            o->warm = false;
    }
    o->pass_ticks = o->ticks;
    o->news = false;
}

static void look_around(struct operator* o, int64_t now)
{
    if (!o->synced && kube_cache_has_synced(o->canaries->cache) &&
        (kube_cache_has_synced(o->templates->cache) || o->templates->failing) &&
        (kube_cache_has_synced(o->providers->cache) || o->providers->failing)) {
        o->synced = true;
        op_log(o, LEVEL_INFO, HERE, NULL, "Started operator workers");
    }
    if (o->next_pass_ms <= now)
        begin_pass(o, now);
}

/* ---- the end -----------------------------------------------------------------------------------
 */

static void release_lease(struct operator* o)
{
    struct kube_error error;

    if (o->lease == NULL)
        return;
    lease_stop(o->lease);
    task_cancel(o->o.tasks, o->lease_task);
    task_join(o->o.tasks, o->lease_task, 3000);
    if (lease_is_held(o->lease))
        lease_release(o->lease, &error);
}

/* Only our own tasks: others may share the scheduler. */
static void cancel_work(struct operator* o)
{
    for (const struct job *j = o->jobs.running; j; j = j->running_next)
        task_cancel(o->o.tasks, j->task);
    if (o->flushing)
        task_cancel(o->o.tasks, o->flush_task);
}

static void wind_up(struct operator* o)
{
    op_log(o, LEVEL_INFO, HERE, NULL, "Shutting down operator workers");
    while (o->jobs.running_count > 0 && now_ms(o) < o->stop_by_ms)
        gate_wait(o->o.tasks, &o->wake, o->stop_by_ms - now_ms(o));
    if (events_pending(o->events) > 0 && !o->flushing)
        events_flush(o->events);
    release_lease(o);
    cancel_work(o);
    feeds_stop(o);
    while (o->jobs.running_count > 0 || !feeds_ended(o) || o->flushing) {
        if (gate_wait(o->o.tasks, &o->wake, 1000) == -ECANCELED)
            break;
        feeds_stop(o); /* a tick that was not over may have asked for a kind since */
    }
    o->ended = true;
}

static void run_schedule(void *arg)
{
    struct operator* o = arg;

    while (!o->stopping && !task_is_cancelled(o->o.tasks)) {
        int64_t now = now_ms(o), due, wait = 1000;

        look_around(o, now);
        if (o->jobs.fewer && o->jobs.leaving == 0) {
            o->jobs.fewer = false;
            feeds_trim(o);
        }
        if (may_work(o)) {
            if (stir_due(o) <= now) {
                o->stirred = false;
                jobs_stir(&o->jobs, o->stirred_ms);
            }
            start_due(o, now);
            due = next_due(o);
            wait = due > now + 60000 ? 60000 : due > now ? due - now : 1;
        }
        if (gate_wait(o->o.tasks, &o->wake, wait) == -ECANCELED)
            break;
    }
    wind_up(o);
}

/* ---- leadership --------------------------------------------------------------------------------
 */

static void on_lead(void *ctx)
{
    struct operator* o = ctx;

    op_log(o, LEVEL_INFO, HERE, NULL, "Acting as elected leader");
    o->leading = true;
    for (size_t i = 0; i < o->jobs.count; i++) {
        struct job *j = o->jobs.items[i];

        jobs_rouse(&o->jobs, j, now_ms(o));
        j->needs_sync = true;
        j->loaded = false; /* another one may have moved it on */
        jobs_place(&o->jobs, j);
    }
    gate_notify(o->o.tasks, &o->wake);
}

static void on_lost(void *ctx)
{
    struct operator* o = ctx;

    if (PLANTED(IGNORE_LOST_LEASE))
        return;
    if (!o->stopping) {
        op_log(o, LEVEL_INFO, HERE, NULL, "Leadership lost");
        o->deposed = true;
        operator_stop(o, 0);
    }
    o->leading = false;
}

static void on_leader(void *ctx, const char *identity)
{
    struct operator* o = ctx;

    if (*identity && strcmp(identity, o->o.identity) != 0)
        op_log(o, LEVEL_INFO, HERE, NULL, "Another instance has been elected as leader: %s",
               identity);
}

static bool may_write(void *ctx)
{
    const struct operator* o = ctx;

    return o->lease == NULL || lease_is_held(o->lease) || PLANTED(IGNORE_LOST_LEASE);
}

static void run_lease(void *arg)
{
    struct operator* o = arg;

    lease_run(o->lease);
    gate_notify(o->o.tasks, &o->wake);
}

static bool start_election(struct operator* o)
{
    struct lease_options options = {.ns = o->o.lease_ns ? o->o.lease_ns : "kube-system",
                                    .name = "flagger-leader-election",
                                    .identity = o->o.identity,
                                    .on_started = on_lead,
                                    .on_lost = on_lost,
                                    .on_leader = on_leader,
                                    .ctx = o};

    o->lease = lease_new(o->o.kube, &options);
    if (o->lease == NULL)
        return false;
    kube_client_guard(o->o.kube, may_write, o);
    op_log(o, LEVEL_INFO, HERE, NULL,
           "Starting leader election id: %s configmap: flagger-leader-election namespace: %s",
           o->o.identity, options.ns);
    o->lease_task = task_spawn(o->o.tasks, run_lease, o);
    return o->lease_task != 0;
}

/* ---- events ------------------------------------------------------------------------------------
 */

static void run_flush(void *arg)
{
    struct operator* o = arg;

    while (events_pending(o->events) > 0 && events_flush(o->events) == 0)
        ;
    o->flushing = false;
    gate_notify(o->o.tasks, &o->wake);
}

static void on_pending(void *ctx)
{
    struct operator* o = ctx;

    if (o->flushing)
        return;
    o->flush_task = task_spawn(o->o.tasks, run_flush, o);
    o->flushing = o->flush_task != 0;
}

static void on_done(void *ctx)
{
    struct operator* o = ctx;

    gate_notify(o->o.tasks, &o->told);
}

/* ---- life --------------------------------------------------------------------------------------
 */

static void set_defaults(struct operator_options *o)
{
    if (!cluster_has(o->cluster, CLUSTER_OWN_NAMESPACE) && !o->allow_cross_namespace_refs)
        o->no_cross_namespace_refs = true;
    o->mesh_provider = o->mesh_provider ? o->mesh_provider : "istio";
    o->metrics_server = o->metrics_server ? o->metrics_server : "http://prometheus:9090";
    o->control_loop_ms = o->control_loop_ms > 0 ? o->control_loop_ms : 10000;
    o->ticks_max = o->ticks_max ? o->ticks_max : 64;
    o->specs_max = o->specs_max ? o->specs_max : SPECS_MAX;
    o->version = o->version ? o->version : COALMINE_VERSION;
    o->identity = o->identity ? o->identity : "coalmine";
}

static uint64_t draw(void *self)
{
    const struct operator* o = self;

    return o->o.clock->random(o->o.clock->self);
}

struct operator* operator_new(const struct operator_options *options)
{
    struct operator* o = calloc(1, sizeof(*o));
    struct event_options events = {
        .component = "flagger", .on_pending = on_pending, .on_done = on_done, .ctx = o};

    if (o == NULL)
        return NULL;
    o->o = *options;
    set_defaults(&o->o);
    o->workload = (struct workload_options){.selector_labels = o->o.selector_labels,
                                            .include_prefixes = o->o.include_prefixes,
                                            .no_config_tracking = o->o.no_config_tracking,
                                            .quirks = o->o.cluster,
                                            .random = draw,
                                            .random_self = o,
                                            .config = world_config};
    secret_remember(o, "address", o->o.notify_url);
    secret_remember(o, "token", o->o.notify_token);
    o->events = events_new(o->o.kube, &events);
    o->changes = calloc(CHANGE_PLACES, sizeof(*o->changes));
    world_recall(o);
    if (o->events == NULL || o->changes == NULL) {
        world_forget(o);
        events_free(o->events);
        free(o->changes);
        secrets_free(o);
        free(o);
        return NULL;
    }
    return o;
}

void operator_free(struct operator* o)
{
    if (o == NULL)
        return;
    world_forget(o);
    feeds_free(o);
    events_free(o->events);
    lease_free(o->lease);
    registry_release(&o->registry);
    for (size_t i = 0; i < o->memo_count; i++) {
        free(o->memos[i].key);
        free(o->memos[i].version);
    }
    jobs_free(&o->jobs);
    free(o->changes);
    free(o->memos);
    secrets_free(o);
    free(o);
}

static const struct resource RESOURCE_CANARY = {"flagger.app", "v1beta1", "canaries", "Canary",
                                                false};
static const struct resource RESOURCE_METRIC_TEMPLATE = {
    "flagger.app", "v1beta1", "metrictemplates", "MetricTemplate", false};
static const struct resource RESOURCE_ALERT_PROVIDER = {"flagger.app", "v1beta1", "alertproviders",
                                                        "AlertProvider", false};

void operator_start(struct operator* o)
{
    o->next_pass_ms = now_ms(o) + o->o.control_loop_ms;
    o->canaries = feed_start(o, &RESOURCE_CANARY, false, on_canary_change);
    o->templates = feed_start(o, &RESOURCE_METRIC_TEMPLATE, false, NULL);
    o->providers = feed_start(o, &RESOURCE_ALERT_PROVIDER, false, NULL);
    if (!o->canaries || !o->templates || !o->providers)
        abort();
    if (o->o.leader_election && !start_election(o))
        abort();
    op_log(o, LEVEL_INFO, HERE, NULL, "Starting operator");
    o->schedule_task = task_spawn(o->o.tasks, run_schedule, o);
}

void operator_stop(struct operator* o, int64_t grace_ms)
{
    if (o->stopping)
        return;
    o->stopping = true;
    o->stop_by_ms = now_ms(o) + grace_ms;
    gate_notify(o->o.tasks, &o->wake);
}

bool operator_was_deposed(const struct operator* o)
{
    return o->deposed;
}

bool operator_has_ended(const struct operator* o)
{
    return o->ended;
}

bool operator_is_ready(const struct operator* o)
{
    return o->synced && !o->stopping &&
           (o->lease == NULL || o->leading || *lease_holder(o->lease) != '\0');
}

size_t operator_canaries(const struct operator* o)
{
    return o->jobs.count;
}

/* ---- /metrics ----------------------------------------------------------------------------------
 */

static void write_totals(const struct operator* o, struct strbuf *out)
{
    strbuf_adds(out, "# HELP flagger_canary_total Canaries known, by namespace\n"
                     "# TYPE flagger_canary_total gauge\n");
    for (size_t i = 0, count; i < o->jobs.count; i += count) {
        const char *ns = o->jobs.items[i]->ns;

        for (count = 1; i + count < o->jobs.count; count++) {
            if (strcmp(o->jobs.items[i + count]->ns, ns) != 0)
                break;
        }
        strbuf_addf(out, "flagger_canary_total{namespace=\"%s\"} %zu\n", ns, count);
    }
}

static void write_summary(struct strbuf *out, const char *name, const char *help,
                          const struct series_time *s)
{
    strbuf_addf(out, "# HELP %s %s\n# TYPE %s summary\n%s_sum %.6f\n%s_count %llu\n", name, help,
                name, name, s->sum, name, (unsigned long long)s->count);
}

static void write_api(const struct operator* o, struct strbuf *out)
{
    const struct kube_counts *n = kube_client_counts(o->o.kube);

    strbuf_adds(out, "# HELP coalmine_api_requests_total Requests sent to the API server\n"
                     "# TYPE coalmine_api_requests_total counter\n");
    for (unsigned v = 0; v < KUBE_VERB_COUNT; v++)
        strbuf_addf(out, "coalmine_api_requests_total{verb=\"%s\"} %llu\n",
                    kube_verb_name((enum kube_verb)v), (unsigned long long)n->requests[v]);
    strbuf_adds(out, "# HELP coalmine_api_failures_total Requests without an answer or refused\n"
                     "# TYPE coalmine_api_failures_total counter\n");
    for (unsigned v = 0; v < KUBE_VERB_COUNT; v++)
        strbuf_addf(out, "coalmine_api_failures_total{verb=\"%s\"} %llu\n",
                    kube_verb_name((enum kube_verb)v), (unsigned long long)n->failures[v]);
    strbuf_addf(out,
                "# HELP coalmine_api_lease_requests_total Of the requests, those on Leases\n"
                "# TYPE coalmine_api_lease_requests_total counter\n"
                "coalmine_api_lease_requests_total %llu\n",
                (unsigned long long)n->lease_requests);
}

static void write_flight(const struct operator* o, struct strbuf *out)
{
    struct flight_counts n;

    if (o->o.flight == NULL)
        return;
    flight_counts(o->o.flight, &n);
    strbuf_addf(out,
                "# HELP coalmine_flight_ticks_total Ticks in the flight record\n"
                "# TYPE coalmine_flight_ticks_total counter\ncoalmine_flight_ticks_total %llu\n"
                "# HELP coalmine_flight_dropped_total Ticks that could not be recorded\n"
                "# TYPE coalmine_flight_dropped_total counter\n"
                "coalmine_flight_dropped_total %llu\n"
                "# HELP coalmine_flight_bytes Size of the flight record\n"
                "# TYPE coalmine_flight_bytes gauge\ncoalmine_flight_bytes %llu\n",
                (unsigned long long)n.ticks, (unsigned long long)n.dropped,
                (unsigned long long)n.bytes);
}

void operator_write_metrics(const struct operator* o, struct strbuf *out)
{
    strbuf_addf(out,
                "# HELP flagger_info Version and default provider\n# TYPE flagger_info gauge\n"
                "flagger_info{version=\"%s\",mesh_provider=\"%s\"} 1\n",
                o->o.version, o->o.mesh_provider);
    write_totals(o, out);
    registry_write(&o->registry, out);
    strbuf_addf(out,
                "# HELP coalmine_specs Specs held decoded, of canaries under way\n"
                "# TYPE coalmine_specs gauge\ncoalmine_specs %llu\n",
                (unsigned long long)o->spec_count);
    strbuf_adds(out, "# HELP coalmine_asks_total What the engine asked for\n"
                     "# TYPE coalmine_asks_total counter\n");
    for (unsigned k = ASK_LOAD; k < ASK_KIND_COUNT; k++) {
        if (o->asks[k])
            strbuf_addf(out, "coalmine_asks_total{ask=\"%s\"} %llu\n",
                        ask_kind_name((enum ask_kind)k), (unsigned long long)o->asks[k]);
    }
    strbuf_addf(out,
                "# HELP coalmine_ticks_total Ticks run\n# TYPE coalmine_ticks_total counter\n"
                "coalmine_ticks_total %llu\n"
                "# HELP coalmine_ticks_skipped_total Ticks of canaries at rest, skipped because "
                "nothing had changed\n# TYPE coalmine_ticks_skipped_total counter\n"
                "coalmine_ticks_skipped_total %llu\n",
                (unsigned long long)o->ticks,
                (unsigned long long)jobs_slept(&o->jobs, o->stirred ? o->stirred_ms : now_ms(o)));
    write_summary(out, "coalmine_tick_seconds", "Time spent in ticks", &o->tick_seconds);
    histogram_write(&o->tick_delay, "coalmine_tick_queue_seconds",
                    "How long after it was due a tick began", out);
    write_api(o, out);
    write_flight(o, out);
}
