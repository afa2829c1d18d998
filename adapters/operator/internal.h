/* adapters/operator/internal.h — what the parts of the operator share. */
#ifndef COALMINE_OPERATOR_INTERNAL_H
#define COALMINE_OPERATOR_INTERNAL_H

#include "adapters/base/arena.h"
#include "adapters/base/json.h"
#include "adapters/kube/cache.h"
#include "adapters/kube/events.h"
#include "adapters/kube/lease.h"
#include "adapters/manifest/canary.h"
#include "adapters/metrics/builtin.h"
#include "adapters/metrics/provider.h"
#include "adapters/operator/operator.h"
#include "adapters/router/apply.h"
#include "adapters/router/router.h"
#include "adapters/workload/workload.h"
#include "engine/engine.h"

/* ---- feeds: one watched kind each (world.c) ----------------------------------------------------
 */

struct feed {
    struct operator* op;
    const struct resource *resource;
    struct kube_resource kube;
    struct kube_client *client;
    struct kube_cache *cache;
    char *ns; /* of this namespace alone: ConfigMaps and Secrets; NULL = all */
    bool metadata_only, stopped, ended;
    bool failing;  /* the last list or watch failed */
    uint64_t seed; /* of the places where changes of its objects are counted */
    struct gate changed;
    uint64_t task;
    struct feed *next;
};

/* What a ConfigMap or Secret hashed to at one resourceVersion. */
struct config_memo {
    char *key, *version; /* "configmap/ns/name" */
    struct config_facts facts;
};

/*
 * How often objects changed, counted in so many places; an object's
 * place follows from its kind and name. A tick that changed nothing need not be repeated until a
 * place of something that it read counts on.
 */
#define CHANGE_PLACES 16384u
struct read {
    uint16_t place;
    uint32_t changes; /* counted there when it was read */
};

/* ---- jobs: one Canary each (jobs.c) ---------------------------------------------------------
 */

/* What is decoded of a Canary while there are ticks to run. */
struct job_spec {
    struct arena *arena; /* this lives there, and what hangs on it */
    struct canary canary;
    int64_t generation;   /* of this generation ... */
    revision_t uid;       /* ... of this Canary */
    uint64_t judges;      /* what its annotations said of judges */
    const char **queries; /* built-in ones as rendered, by the metric's index; each may be NULL */
    cJSON *for_routers;   /* router_spec of the generation and Canary below, or NULL */
    int64_t routers_generation;
    revision_t routers_uid;
};

struct job {
    struct operator* op;
    char *ns, *name;
    struct rollout *rollout; /* NULL at rest: then this was all of it that counts: */
    struct status kept;
    uint32_t kept_memory;
    bool running;          /* a task is at work on it ... */
    uint64_t task;         /* ... and this is it */
    struct job_spec *spec; /* NULL at rest */
    int64_t interval_ms;
    int64_t next_ms;     /* of the next tick, by mono_ms; INT64_MAX = none */
    int64_t finalize_ms; /* of the next try to finalize; INT64_MAX = none */
    bool needs_sync;     /* the spec changed: check it, start its status, see to its finalizer */
    bool accepted;       /* the check found nothing against it */
    bool gone;           /* deleted */
    bool loaded;         /* the rollout holds its status */
    bool looked; /* this process has read it from the API server, not from its watch alone */
    bool has_command;
    bool redo;          /* a process died before it had told of the end of a rollout: tell again */
    bool quiet;         /* the last tick changed nothing and said nothing ... */
    struct read *reads; /* ... and this is all that it read */
    size_t read_count;
    int64_t generation;       /* of the spec seen last, ... */
    revision_t uid;           /* ... whose Canary it was, ... */
    revision_t spec_revision; /* ... and what it says */
    uint64_t flight_key;      /* of the spec as the flight recorder knows it ... */
    char flight_hash[20];     /* ... and its hash there; "" = never recorded */
    char *service_name;
    uint64_t seq;                            /* in order of coming */
    bool asleep;                             /* at rest, until something of `reads` changes */
    int64_t due_ms;                          /* by which it waits, ... */
    size_t heap_at;                          /* ... from 1 while it does */
    struct job *running_prev, *running_next; /* among those at work */
};

/* All of them: by name, and by when they are due. */
struct jobs {
    struct job **items; /* by namespace, then name */
    struct job **heap;  /* heap[0] unused */
    size_t count, cap, heap_count;
    struct job *running;
    size_t running_count;
    size_t asleep_count;
    uint64_t slept; /* ticks that were not run, of those not asleep any more */
    size_t leaving; /* deleted while at work: freed when that ends */
    bool fewer;     /* some have gone since the feeds were trimmed */
    uint64_t next_seq;
};
/* NULL when there is none. */
struct job *jobs_find(const struct jobs *t, const char *ns, const char *name);
/* NULL when memory is out. */
struct job *jobs_add(struct jobs *t, struct operator* op, const char *ns, const char *name);
bool jobs_any_in(const struct jobs *t, const char *ns);
/* Its Canary is gone; not asleep. */
void jobs_remove(struct jobs *t, struct job *j);
/* Its ticks may begin so much early, together with others. */
int64_t job_slack_ms(const struct job *j);
/* The tick after this one: one that was missed is made up for, more are dropped. */
void job_move_on(struct job *j, int64_t now);
/* To be called whenever something changed that says when it is due; not asleep. */
void jobs_place(struct jobs *t, struct job *j);
/* To be called before that, when it may be asleep: its next tick is not before `now`. */
void jobs_rouse(struct jobs *t, struct job *j, int64_t now);
/* Objects have changed since then: whom that concerns, sleeps no longer. */
void jobs_stir(struct jobs *t, int64_t since);
/* The ticks that were not run because their Canaries were asleep. */
uint64_t jobs_slept(const struct jobs *t, int64_t now);
/* The one that waits to be taken up first; NULL = none is ever due. */
struct job *jobs_first(const struct jobs *t);
/* A task is at work on it; no longer, and then it may be gone. */
void jobs_began(struct jobs *t, struct job *j);
void jobs_ended(struct jobs *t, struct job *j);
void jobs_free(struct jobs *t);

/* ---- gauges (gauges.c) --------------------------------------------------------------------------
 */

struct series;
struct registry {
    struct series **items;
    size_t count, cap;
    uint32_t *slots; /* the index */
    size_t slot_count;
};
struct label {
    const char *name, *value;
};
void registry_release(struct registry *r);
void registry_set(struct registry *r, const char *family, const struct label *labels, size_t count,
                  double value);
void registry_add(struct registry *r, const char *family, const struct label *labels, size_t count,
                  double value);
/* A histogram with Prometheus' default buckets. */
void registry_observe(struct registry *r, const char *family, const struct label *labels,
                      size_t count, double seconds);
/* Forget every series with this value of a label. */
void registry_forget(struct registry *r, const char *family, const struct label *labels,
                     size_t count);
void registry_write(const struct registry *r, struct strbuf *out);
/* A histogram without labels, over the same bounds. */
enum { HISTOGRAM_BOUNDS = 11 };
struct histogram {
    uint64_t buckets[HISTOGRAM_BOUNDS + 1]; /* not cumulative */
    double sum;
};
void histogram_add(struct histogram *h, double seconds);
void histogram_write(const struct histogram *h, const char *name, const char *help,
                     struct strbuf *out);

/* ---- the operator -------------------------------------------------------------------------------
 */

struct operator
{
    struct operator_options o;
    struct workload_options workload;
    struct feed *feeds;
    struct feed *canaries, *templates, *providers;
    struct jobs jobs;
    size_t spec_count; /* that jobs hold decoded */
    uint32_t *changes; /* CHANGE_PLACES of them */
    struct config_memo *memos;
    size_t memo_count, memo_cap;
    struct registry registry;
    struct events *events;
    struct lease *lease;
    uint64_t lease_task, schedule_task, flush_task;
    struct gate wake; /* something to do for the scheduler */
    struct gate told; /* an Event was sent or given up */
    bool flushing, stopping, leading, deposed, synced, ended;
    int64_t stop_by_ms; /* by mono_ms */
    int64_t next_pass_ms;
    size_t waiting;      /* of the jobs at work, those that wait for a hook or a chat of a user's */
    uint64_t pass_ticks; /* run before the present pass began */
    uint64_t passes;     /* in which ticks ran */
    bool warm;           /* ticks have run since it rested last */
    bool news;           /* objects have come since the present pass began */
    bool stirred;        /* something has changed while jobs were asleep, ... */
    int64_t stirred_ms;  /* ... first at this time */
    int64_t last_sync_ms;
    uint64_t asks[ASK_KIND_COUNT];
    struct series_time {
        uint64_t count;
        double sum;
    } tick_seconds;
    struct histogram tick_delay;
    uint64_t ticks;
    char *lease_identity;
    char **secrets; /* values read from Secrets, see secrets.c */
    size_t secret_count;
};

/* A tick under way, or the sync of one Canary. */
struct tick {
    struct operator* op;
    struct job *job;
    struct arena *arena;
    const struct spec *spec;
    cJSON *canary; /* as loaded; session cookies move in its status */
    cJSON *latest; /* the answer of our last write to it, or NULL */
    cJSON *apex_metadata;
    struct workload_metadata metadata;
    cJSON *ports;
    struct read *reads; /* in the arena */
    size_t read_count, read_cap;
    bool reads_lost; /* something was read that no watch tells of */
    bool fresh;      /* read past the caches: somebody else wrote meanwhile */
    bool first;      /* of this process, in a rollout under way: its first lists may be old */
    bool wrote, spoke;
    uint64_t said;     /* the number of its last Event, see events_recorded */
    bool failed;       /* an ask could not be performed: this tick tells nothing of the next */
    bool redo_written; /* the end of a rollout is announced; take it back when all is said */
    bool ended;        /* the end of a rollout was stored in this tick */
    char checksum[16];
    struct strbuf text; /* of the last answer */
    struct status status;
    int64_t began_ms;
    struct flight_tick *flight; /* NULL: not recorded */
    struct strbuf flight_notes, flight_ask;
};

/* world.c */
struct feed *feed_find(struct operator* o, const struct resource *r, bool metadata_only,
                       const char *ns);
/* What any tick of this Canary reads is listed from now on, side by side, and not in turn. */
void world_foresee(struct tick *t);
void feeds_trim(struct operator* o);
struct feed *feed_start(struct operator* o, const struct resource *r, bool metadata_only,
                        void (*on_change)(void *ctx, enum watch_event type,
                                          const struct kube_entry *entry));
/* From now on the clients take from the caches what their answers repeat; and no longer. */
void world_recall(struct operator* o);
void world_forget(struct operator* o);
void feeds_stop(struct operator* o);
bool feeds_ended(const struct operator* o);
void feeds_free(struct operator* o);
/* An object came, changed or went. */
void world_changed(struct feed *f, const struct kube_entry *entry);
/* The tick depends on this object, whether it is there or not. */
void world_depend(struct tick *t, const struct feed *f, const char *ns, const char *name);
/* Nothing that the last tick read has changed since. */
bool job_is_settled(const struct job *j);
/* What memory is only kept to be fast, and was not used since the last call, is given up; or all.
 */
void world_rest(struct operator* o, bool all);
int world_get(void *self, const struct resource *r, const char *ns, const char *name,
              cJSON **ret_object, struct strbuf *reterr_text);
int world_config(void *self, const struct resource *r, const char *ns, const char *name,
                 struct config_facts *ret_facts, struct strbuf *reterr_text);
int world_write(void *self, const struct router_write *write, struct strbuf *reterr_text);
int secret_value(struct tick *t, const char *ns, const char *name, cJSON **ret_secret,
                 struct strbuf *reterr_text);

/* perform.c */
/* The first look of a process at a Canary, into t->canary. 0, or negative when it cannot be read.
 */
int look_once(struct tick *t);
void perform(struct tick *t, const struct ask *ask, struct answer *answer);
/* measure.c */
/* One metric and whom to ask about it. */
struct measure {
    const struct metric_spec *spec;
    uint16_t index;
    struct metric_provider *provider;
    const struct builtin *builtin; /* NULL: a query of its own */
    bool duration;
    const char *query; /* its template; NULL with a builtin */
    struct metric_model model;
};
/* Render a query template; NULL with *reterr. */
const char *measure_render(struct tick *t, const char *text, const struct metric_model *model,
                           const char **reterr);
void measure_metric(struct tick *t, const struct ask *ask, struct answer *answer);
void measure_open(struct tick *t, struct answer *answer);
void measure_available(struct tick *t, struct answer *answer);
/* judge.c: counts and samples into an answer that has a value; a failed answer where they cannot be
 * had */
void judge_feed(struct tick *t, const struct measure *m, struct answer *answer);
/* status.c */
revision_t text_revision(const char *text);
revision_t configs_revision(const cJSON *configs);
void status_read(const cJSON *canary, struct status *ret_status);
uint32_t memory_read(const cJSON *canary);
/* What judges had counted when the status was last written, into a rollout that begins. */
void judges_recall(struct tick *t, struct rollout *rollout);
/*
 * The end of a rollout is stored before it is told (hooks, alerts, events), and a process may die
 * between the two. So the status before it is kept in the annotation until all is told; the next
 * process begins from there, and ends the rollout once more. False when there is nothing to repeat.
 */
bool redo_undo(cJSON **canary, uint32_t *ret_memory);
void redo_done(struct tick *t);
void checksum_read(const cJSON *canary, char out[16]);
int status_save(struct tick *t, const struct save *save, struct answer *answer);
int status_initialize(struct tick *t);
/* The Canary as the API server has it now, into t->latest and the cache. 0 or -Exxx. */
int status_read_again(struct tick *t);
int status_save_cookies(struct tick *t, struct strbuf *reterr_text);
/* A revision recorded by Flagger cannot be compared with ours: at rest, what runs now is taken as
 * it. */
int status_adopt(struct tick *t);
int finalizer_set(struct tick *t, bool wanted, struct strbuf *reterr_text);
/* emit.c */
void emit(struct tick *t, const struct step *step);
void emit_event(struct tick *t, enum event_level level, const char *phase, const char *message);
/* Wait until the Events of this tick are sent: what is stored next takes their cause away. */
void emit_settle(struct tick *t);
/* The same for an event that is found again among any number of others, by its reason. */
void emit_event_for(struct tick *t, const char *reason, enum event_level level, const char *phase,
                    const char *message);
/* log.c */
void op_log(const struct operator* o, enum log_level level, const char *caller, const char *canary,
            const char *format, ...) __attribute__((format(printf, 5, 6)));
#define LOG_STRING2(x) #x
#define LOG_STRING(x) LOG_STRING2(x)
#define HERE __FILE__ ":" LOG_STRING(__LINE__)
/* secrets.c */
/* base64, into the arena; NULL when memory is out. */
char *secret_decode(struct arena *arena, const char *in);
void secret_remember(struct operator* o, const char *key, const char *value);
void secrets_free(struct operator* o);
/* Put "(secret)" wherever `text` repeats a known one. */
void hide_known_secrets(const struct operator* o, struct strbuf *text);
/* record.c: nothing happens where no flight is recorded */
void record_begin(struct tick *t, enum tick_kind kind, ms_t now_ms);
void record_asked(struct tick *t, const struct step *step);
void record_answered(struct tick *t, const struct answer *answer); /* NULL: nothing was asked */
void record_end(struct tick *t, bool whole);
/* schedule.c */
/* A tick that waits for somebody's server makes room for another one. */
void tick_waits(struct tick *t);
void tick_goes_on(struct tick *t);
void job_name(const struct job *j, struct strbuf *out);
/* sync.c */
bool tick_open(struct tick *t, struct job *j);
void tick_close(struct tick *t);
/* Drop what is kept for the next tick. */
void job_forget_spec(struct job *j);
/* The spec of `canary`, which is this job's, for router requests; made once for each generation.
 * NULL when there is none to keep: they make their own. */
const cJSON *job_router_spec(struct job *j, const cJSON *canary);
void job_sync(struct job *j);
void job_tick(struct job *j, enum tick_kind kind);
/* The command in the Canary's annotations, "" = none. */
const char *canary_command(const cJSON *canary);
/* Remove what was taken; whether another command waits. */
bool job_command_done(struct tick *t, const char *taken);

#endif
