/* The Canary's status: from JSON to the engine's value and back, and the writes of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/time.h"
#include "adapters/operator/internal.h"
#include "adapters/router/build.h"
#include "engine/checksum.h"
#include "engine/num.h"
#include "engine/plant.h"
#include "engine/render.h"

revision_t text_revision(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    if (text == NULL || *text == '\0')
        return 0;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash ? hash : 1;
}

revision_t configs_revision(const cJSON *configs)
{
    char *text = build_members(configs) ? json_print_sorted(configs) : NULL;
    revision_t r = text_revision(text);

    free(text);
    return r;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static ms_t time_of(const cJSON *object, const char *name)
{
    int64_t ms;

    return kube_time_parse(json_text(object, name), &ms) ? ms : 0;
}

static uint8_t phase_of(const char *name)
{
    enum phase phase = PHASE_NONE;

    (void)phase_find(name, strlen(name), &phase);
    return (uint8_t)phase;
}

static int32_t small_int(const cJSON *object, const char *name)
{
    int64_t v = json_int(object, name, 0);

    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

void status_read(const cJSON *canary, struct status *ret_status)
{
    static const char *const names[] = {"", "True", "False", "Unknown"};
    const cJSON *s = json_get(canary, "status"), *conditions = json_get(s, "conditions");
    const cJSON *c = conditions ? conditions->child : NULL;

    memset(ret_status, 0, sizeof(*ret_status));
    ret_status->phase = phase_of(json_text(s, "phase"));
    ret_status->failed_checks = small_int(s, "failedChecks");
    ret_status->canary_weight = small_int(s, "canaryWeight");
    ret_status->iterations = small_int(s, "iterations");
    ret_status->applied = text_revision(json_str(s, "lastAppliedSpec"));
    ret_status->promoted = text_revision(json_str(s, "lastPromotedSpec"));
    ret_status->configs = configs_revision(json_get(s, "trackedConfigs"));
    ret_status->transition_ms = time_of(s, "lastTransitionTime");
    for (uint8_t i = 1; c && i < 4; i++) {
        if (strcmp(json_text(c, "status"), names[i]) == 0)
            ret_status->condition = i;
    }
    ret_status->condition_reason = phase_of(json_text(c, "reason"));
    ret_status->condition_update_ms = time_of(c, "lastUpdateTime");
    ret_status->condition_transition_ms = time_of(c, "lastTransitionTime");
}

uint32_t memory_read(const cJSON *canary)
{
    const char *text = json_str(json_at(canary, "metadata", "annotations", NULL), STATE_ANNOTATION);
    cJSON *state = text ? json_parse(text, strlen(text), NULL) : NULL;
    int64_t memory = json_int(state, "v", 0) == 1 ? json_int(state, "memory", 0) : 0;

    json_free(state);
    return memory >= 0 && memory <= UINT32_MAX ? (uint32_t)memory : 0;
}

/* ---- what judges have counted ---- */

static void judge_numbers(struct judge_state *j, uint64_t **ret_numbers)
{
    ret_numbers[0] = &j->history;
    ret_numbers[1] = &j->canary_errors;
    ret_numbers[2] = &j->canary_requests;
    ret_numbers[3] = &j->primary_errors;
    ret_numbers[4] = &j->primary_requests;
}
#define JUDGE_NUMBERS 5

/* {"METRIC": "history errors requests errors requests run looks evidence"}, all in hex; NULL = none
 * has begun. */
static cJSON *judges_json(const struct tick *t)
{
    const struct analysis_spec *a = &t->spec->analysis;
    cJSON *judges = NULL;

    for (uint32_t i = 0; t->job->rollout && i < a->metric_count && i < JUDGED_METRICS_MAX; i++) {
        struct judge_state j = t->job->rollout->judges[i];
        uint64_t *numbers[JUDGE_NUMBERS], evidence;
        struct strbuf text = STRBUF_INIT;

        if (j.looks == 0)
            continue;
        memcpy(&evidence, &j.log_e, sizeof evidence);
        judge_numbers(&j, numbers);
        for (int n = 0; n < JUDGE_NUMBERS; n++)
            strbuf_addf(&text, "%llx ", (unsigned long long)*numbers[n]);
        strbuf_addf(&text, "%x %x %llx", j.run, j.looks, (unsigned long long)evidence);
        judges = judges ? judges : cJSON_CreateObject();
        json_set_str(judges, a->metrics[i].name, strbuf_str(&text));
        strbuf_release(&text);
    }
    return judges;
}

static void judge_read(const char *text, struct judge_state *ret)
{
    struct judge_state j = {0};
    uint64_t *numbers[JUDGE_NUMBERS], last[3];
    char *end;

    judge_numbers(&j, numbers);
    for (int n = 0; n < JUDGE_NUMBERS + 3; n++, text = end) {
        *(n < JUDGE_NUMBERS ? numbers[n] : &last[n - JUDGE_NUMBERS]) = strtoull(text, &end, 16);
        if (end == text)
            return; /* not ours: it begins anew */
    }
    j.run = (uint32_t)last[0];
    j.looks = (uint32_t)last[1];
    memcpy(&j.log_e, &last[2], sizeof j.log_e);
    if (num_is_finite(j.log_e))
        *ret = j;
}

void judges_recall(struct tick *t, struct rollout *rollout)
{
    const char *text =
        json_str(json_at(t->canary, "metadata", "annotations", NULL), STATE_ANNOTATION);
    cJSON *state = text ? json_parse(text, strlen(text), NULL) : NULL;
    const struct analysis_spec *a = &t->spec->analysis;

    for (uint32_t i = 0; i < a->metric_count && i < JUDGED_METRICS_MAX; i++) {
        const char *counted = json_str(json_get(state, "judges"), a->metrics[i].name);

        if (counted)
            judge_read(counted, &rollout->judges[i]);
    }
    json_free(state);
}

/* The annotation: flags and counts; null when there is nothing to remember. */
static cJSON *state_json(const struct tick *t, uint32_t memory)
{
    cJSON *judges = judges_json(t), *state, *value;
    char *text;

    if (memory == 0 && !judges)
        return cJSON_CreateNull();
    state = build_object("v", build_int(1), "memory", build_int(memory), NULL);
    if (judges)
        json_set(state, "judges", judges);
    text = json_print(state);
    value = build_str(text ? text : "");
    free(text);
    json_free(state);
    return value;
}

void checksum_read(const cJSON *canary, char out[16])
{
    const cJSON *s = json_get(canary, "status"), *tracked = json_get(s, "trackedConfigs");
    size_t count = 0;
    const cJSON **members = cJSON_IsObject(tracked) ? build_sorted(tracked, &count) : NULL;
    struct checksum_config none = {NULL, NULL}, *configs = NULL;

    if (count > 0)
        configs = calloc(count, sizeof(*configs));
    for (size_t i = 0; configs && i < count; i++)
        configs[i] = (struct checksum_config){
            members[i]->string, cJSON_IsString(members[i]) ? members[i]->valuestring : ""};
    checksum_of_status(cJSON_IsObject(tracked) ? configs ? configs : &none : NULL,
                       configs ? count : 0, json_str(s, "lastAppliedSpec"), out);
    free(configs);
    free(members);
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static cJSON *time_json(ms_t ms)
{
    char text[KUBE_TIME_MAX];

    kube_time_format(text, ms);
    return build_str(text);
}

static void set_condition(cJSON *s, const struct spec *spec, const struct status *now)
{
    char message[256];
    struct text t;

    text_init(&t, message, sizeof(message));
    render_condition(&t, spec, (enum phase)now->condition_reason);
    build_set(
        s, "conditions",
        build_list(
            build_object("type", build_str("Promoted"), "status",
                         build_str(condition_status_name((enum condition_status)now->condition)),
                         "lastUpdateTime", time_json(now->condition_update_ms),
                         "lastTransitionTime", time_json(now->condition_transition_ms), "reason",
                         build_str(phase_name((enum phase)now->condition_reason)), "message",
                         build_str(message), NULL),
            NULL));
}

/* Move a JSON status from `before` to `now`. */
static void status_write(cJSON *s, const struct spec *spec, const struct status *before,
                         const struct status *now)
{
    build_set(s, "phase", build_str(phase_name((enum phase)now->phase)));
    build_set(s, "failedChecks", build_int(now->failed_checks));
    build_set(s, "canaryWeight", build_int(now->canary_weight));
    build_set(s, "iterations", build_int(now->iterations));
    build_set(s, "lastTransitionTime", time_json(now->transition_ms));
    if (before->condition != now->condition || before->condition_reason != now->condition_reason)
        set_condition(s, spec, now);
}

static void cookies_copy(cJSON *to, const cJSON *from)
{
    static const char *const names[] = {"sessionAffinityCookie", "previousSessionAffinityCookie",
                                        "primarySessionAffinityCookie"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_get(from, names[i]))
            build_set(to, names[i], build_copy(json_get(from, names[i])));
        else
            json_remove(to, names[i]);
    }
}

/* What SYNC wants to know of the target. */
struct sync_facts {
    char applied[WORKLOAD_HASH_SIZE];
    cJSON *configs; /* NULL: tracking is off */
};

static struct workload_request request_of(struct tick *t, struct router_world *world)
{
    const struct operator* o = t->op;

    *world = (struct router_world){t, world_get};
    return (struct workload_request){t->canary, &o->workload, world,
                                     o->o.clock->wall_ms(o->o.clock->self)};
}

static int sync_facts_read(struct tick *t, struct sync_facts *f)
{
    struct router_world world;
    struct workload_options options = t->op->workload;
    struct workload_request q = request_of(t, &world);
    struct strbuf text = STRBUF_INIT;
    int code;

    options.config_self = t;
    q.options = &options;
    f->configs = NULL;
    strbuf_clear(&t->text);
    code = workload_revision(&q, f->applied, &t->text);
    if (code == 0 && (code = workload_configs(&q, &f->configs, &text)) != 0)
        strbuf_addf(&t->text, "GetConfigRefs failed: %s", strbuf_str(&text));
    strbuf_release(&text);
    return code;
}

/*
 * The end of the first installation records what the primary was made of, not what the target has
 * become meanwhile: that is a new revision, and a rollout of it follows.
 */
static void take_installed(struct tick *t, struct sync_facts *f)
{
    char hash[WORKLOAD_HASH_SIZE];
    struct router_world world;
    struct workload_request q = request_of(t, &world);
    cJSON *configs;

    if (cluster_has(t->op->o.cluster, CLUSTER_MADE_OF) || workload_made_of(&q, hash, &configs) != 0)
        return;
    memcpy(f->applied, hash, sizeof(f->applied));
    if (f->configs) {
        json_free(f->configs);
        f->configs = configs;
    } else {
        json_free(configs);
    }
}

static void apply_texts(cJSON *s, const struct save *save, const struct spec *spec,
                        const struct sync_facts *f)
{
    if (save->op == SAVE_SYNC && save->record == RECORD_PROMOTED)
        build_set(s, "lastAppliedSpec", build_copy(json_get(s, "lastPromotedSpec")));
    if (save->op == SAVE_SYNC && save->record == RECORD_TARGET) {
        build_set(s, "lastAppliedSpec", build_str(f->applied));
        if (save->phase == PHASE_INITIALIZED)
            build_set(s, "lastPromotedSpec", build_str(f->applied));
        if (spec->tracks_configs)
            build_set(s, "trackedConfigs",
                      f->configs ? build_copy(f->configs) : build_object(NULL));
    }
    if (save->op == SAVE_PHASE &&
        (save->phase == PHASE_INITIALIZED || save->phase == PHASE_SUCCEEDED))
        build_set(s, "lastPromotedSpec", build_copy(json_get(s, "lastAppliedSpec")));
}

/* The Canary as of our last write, else as loaded. */
static const cJSON *newest(const struct tick *t)
{
    return t->latest ? t->latest : t->canary;
}

static void take_answer(struct tick *t, cJSON *object)
{
    struct feed *f = t->op->canaries;

    if (object == NULL)
        return;
    if (t->op->o.dry_run) {
        json_free(object);
        return;
    }
    kube_cache_observe(f->cache, object);
    json_free(t->latest);
    t->latest = object;
}

int status_read_again(struct tick *t)
{
    cJSON *object = NULL;
    struct kube_error error;
    int code = kube_get(t->op->o.kube, &kube_canaries, t->job->ns, t->job->name, &object, &error);

    if (code == 0)
        take_answer(t, object);
    return code;
}

/* Write `patch` to the Canary's annotations, on the version we know. */
static int annotations_write(struct tick *t, const char *key, cJSON *value,
                             struct kube_error *reterr)
{
    cJSON *object = NULL,
          *patch = build_object(
              "metadata",
              build_object("resourceVersion",
                           build_str(json_text(json_get(newest(t), "metadata"), "resourceVersion")),
                           "annotations", build_object(key, value, NULL), NULL),
              NULL);
    int code = kube_patch(t->op->o.kube, &kube_canaries, t->job->ns, t->job->name, NULL,
                          KUBE_PATCH_MERGE, patch, &object, reterr);

    json_free(patch);
    t->wrote = true;
    if (code == 0)
        take_answer(t, object);
    return code;
}

static bool ends_rollout(const struct save *save)
{
    return (save->op == SAVE_SYNC || save->op == SAVE_PHASE) &&
           (save->phase == PHASE_INITIALIZED || save->phase == PHASE_SUCCEEDED ||
            save->phase == PHASE_FAILED);
}

/* The text of the annotation, with what the judges know; takes over `state`. */
static cJSON *state_value(const struct tick *t, cJSON *state)
{
    cJSON *judges = judges_json(t), *value;
    char *text;

    if (judges)
        json_set(state, "judges", judges);
    text = json_print(state);
    value = build_str(text ? text : "");
    free(text);
    json_free(state);
    return value;
}

/* What the end of a rollout changes in a status. */
static const char *const ended_members[] = {
    "phase",           "failedChecks",     "canaryWeight",   "iterations",
    "lastAppliedSpec", "lastPromotedSpec", "trackedConfigs", NULL};
#define REDO_CONFIGS_MAX 3000 /* bytes; a longer list is not worth an annotation */

/*
 * The annotation with what stands now, for redo_undo. A rollback that is cut short is finished,
 * whatever hooks and checks would say by then.
 */
static cJSON *redo_json(const struct tick *t, const struct save *save)
{
    const cJSON *s = json_get(newest(t), "status");
    char *configs = json_print(json_get(s, "trackedConfigs"));
    uint32_t memory =
        memory_read(newest(t)) | (t->job->rollout->memory & (uint32_t)MEMORY_ROLLING_BACK);
    cJSON *redo = build_object("to", build_str(phase_name((enum phase)save->phase)), "memory",
                               build_int(memory), NULL),
          *state;

    for (const char *const *m = ended_members; *m; m++)
        build_set(redo, *m, build_copy(json_get(s, *m)));
    if (configs && strlen(configs) > REDO_CONFIGS_MAX)
        json_remove(redo, "trackedConfigs");
    free(configs);
    state = build_object("v", build_int(1), "memory", build_int(save->memory), "redo", redo, NULL);
    return state_value(t, state);
}

static int redo_write(struct tick *t, const struct save *save, struct kube_error *reterr)
{
    const char *phase = json_text(json_get(newest(t), "status"), "phase");
    int code;

    if (cluster_has(t->op->o.cluster, CLUSTER_TELL_THE_END) || t->redo_written ||
        PLANTED(FORGET_END) || !ends_rollout(save) ||
        strcmp(phase, phase_name((enum phase)save->phase)) == 0)
        return 0;
    code = annotations_write(t, STATE_ANNOTATION, redo_json(t, save), reterr);
    t->redo_written = code == 0;
    return code;
}

bool redo_undo(cJSON **canary, uint32_t *ret_memory)
{
    const char *text =
        json_str(json_at(*canary, "metadata", "annotations", NULL), STATE_ANNOTATION);
    cJSON *state = text ? json_parse(text, strlen(text), NULL) : NULL, *s;
    const cJSON *redo = json_get(state, "redo"), *status = json_get(*canary, "status");
    bool found = redo != NULL;

    if (found)
        *ret_memory = (uint32_t)json_int(redo, "memory", 0);
    if (found && strcmp(json_text(status, "phase"), json_text(redo, "to")) == 0) {
        *canary = json_own(*canary);
        s = build_child(*canary, "status");
        for (const char *const *m = ended_members; *m; m++) {
            if (json_get(redo, *m))
                build_set(s, *m, build_copy(json_get(redo, *m)));
        }
    }
    json_free(state);
    return found;
}

void redo_done(struct tick *t)
{
    struct kube_error error = {0};
    uint32_t memory = t->job->rollout->memory;

    for (int attempt = 0; attempt < 4; attempt++) {
        cJSON *value = state_json(t, memory);

        if (annotations_write(t, STATE_ANNOTATION, value, &error) == 0 ||
            error.reason != KUBE_CONFLICT || status_read_again(t) != 0)
            return;
    }
}

/*
 * The annotation while an end is repeated: what is to be told stays in it, and what is saved on the
 * way is remembered in both places, for the status may be that of the end or already the one
 * before.
 */
static cJSON *redo_kept(const struct tick *t, const struct save *save, const cJSON *redo)
{
    cJSON *kept = build_copy(redo);

    if (!ends_rollout(save))
        build_set(kept, "memory", build_int(save->memory));
    return state_value(
        t, build_object("v", build_int(1), "memory", build_int(save->memory), "redo", kept, NULL));
}

/*
 * The memory goes first: a crash between the two writes repeats the save, and loses nothing. A redo
 * whose end was told, but that could not be cleared then, goes with it.
 */
static int memory_write(struct tick *t, const struct save *save, struct kube_error *reterr)
{
    const char *text =
        json_str(json_at(newest(t), "metadata", "annotations", NULL), STATE_ANNOTATION);
    bool repeats = t->job->redo && !t->ended, same;
    cJSON *before, *judges, *value = NULL;
    const cJSON *redo;

    if (cluster_has(t->op->o.cluster, CLUSTER_STATE_ANNOTATION))
        return 0;
    before = text ? json_parse(text, strlen(text), NULL) : NULL;
    judges = judges_json(t);
    same = judges ? cJSON_Compare(judges, json_get(before, "judges"), true)
                  : json_get(before, "judges") == NULL;
    redo = json_get(before, "redo");
    if (redo && repeats)
        value = redo_kept(t, save, redo);
    else if (!same || save->memory != memory_read(newest(t)) || (redo && !t->redo_written))
        value = state_json(t, save->memory);
    json_free(before);
    json_free(judges);
    return value ? annotations_write(t, STATE_ANNOTATION, value, reterr) : 0;
}

static cJSON *saved_object(struct tick *t, const struct save *save, const struct sync_facts *f,
                           ms_t now_ms)
{
    cJSON *object = build_copy(newest(t)), *s = build_child(object, "status");
    struct status before, now;
    uint32_t unused;

    /* What is saved while an end is repeated belongs to the rollout before its end. */
    if (t->job->redo && !t->ended && redo_undo(&object, &unused))
        s = build_child(object, "status");
    status_read(object, &before);
    now = before;
    status_apply(&now, save, t->spec, text_revision(f->applied), configs_revision(f->configs),
                 now_ms);
    status_write(s, t->spec, &before, &now);
    apply_texts(s, save, t->spec, f);
    cookies_copy(s, json_get(t->canary, "status"));
    return object;
}

static int put_status(struct tick *t, const cJSON *object, struct kube_error *reterr)
{
    cJSON *answer = NULL;
    int code = kube_update_status(t->op->o.kube, &kube_canaries, object, &answer, reterr);

    t->wrote = true;
    if (code == 0)
        take_answer(t, answer);
    return code;
}

static int save_once(struct tick *t, const struct save *save, const struct sync_facts *f,
                     struct kube_error *reterr)
{
    const struct clock *clock = t->op->o.clock;
    int code = redo_write(t, save, reterr);
    cJSON *object;

    if (code == 0)
        code = memory_write(t, save, reterr);
    if (code != 0 || save->op == SAVE_MEMORY)
        return code;
    object = saved_object(t, save, f, clock->wall_ms(clock->self));
    code = put_status(t, object, reterr);
    json_free(object);
    return code;
}

int status_save(struct tick *t, const struct save *save, struct answer *answer)
{
    const struct clock *clock = t->op->o.clock;
    struct sync_facts f = {"", NULL};
    struct kube_error error = {0};
    bool records = save->op == SAVE_SYNC && save->record == RECORD_TARGET;
    int code = records ? sync_facts_read(t, &f) : 0;

    if (code != 0) {
        json_free(f.configs);
        return code;
    }
    if (records && save->phase == PHASE_INITIALIZED)
        take_installed(t, &f);
    for (int attempt = 1;; attempt++) {
        int64_t pause = kube_retry_pause_ms(KUBE_RETRY_BACKOFF, attempt,
                                            clock->random ? clock->random(clock->self) : 0);

        code = save_once(t, save, &f, &error);
        if (code == 0 || error.reason != KUBE_CONFLICT || pause < 0)
            break;
        clock->sleep_ms(clock->self, pause);
        if (status_read_again(t) != 0)
            break;
    }
    if (code != 0)
        strbuf_addf(&t->text, "failed after retries: updating canary %s.%s status failed: %s",
                    t->job->name, t->job->ns, error.message);
    if (code == 0 && ends_rollout(save))
        t->ended = true;
    answer->target = text_revision(f.applied);
    answer->configs = configs_revision(f.configs);
    json_free(f.configs);
    return code;
}

int status_save_cookies(struct tick *t, struct strbuf *reterr_text)
{
    struct kube_error error = {0};
    int code = -EAGAIN;

    for (int attempt = 0; attempt < 4; attempt++) {
        cJSON *object = build_copy(newest(t));

        cookies_copy(build_child(object, "status"), json_get(t->canary, "status"));
        code = put_status(t, object, &error);
        json_free(object);
        if (code == 0 || error.reason != KUBE_CONFLICT || status_read_again(t) != 0)
            break;
    }
    if (code != 0)
        strbuf_addf(reterr_text, "updating canary %s.%s status failed: %s", t->job->name,
                    t->job->ns, error.message);
    return code;
}

int status_initialize(struct tick *t)
{
    const struct clock *clock = t->op->o.clock;
    cJSON *object = build_copy(newest(t)), *s = build_child(object, "status");
    struct status before, now;
    struct kube_error error;
    int code;

    status_read(object, &before);
    now = before;
    now.phase = PHASE_INITIALIZING;
    now.condition = CONDITION_UNKNOWN;
    now.condition_reason = PHASE_INITIALIZING;
    now.transition_ms = now.condition_update_ms = now.condition_transition_ms =
        clock->wall_ms(clock->self);
    status_write(s, t->spec, &before, &now);
    code = put_status(t, object, &error);
    json_free(object);
    if (code != 0)
        op_log(t->op, LEVEL_FAULT, HERE, NULL,
               "error syncing '%s/%s': %s/%s initializing error: failed after retries: %s",
               t->job->ns, t->job->name, t->job->ns, t->job->name, error.message);
    return code;
}

/* ---- the finalizer -----------------------------------------------------------------------------
 */

static bool is_our_finalizer(const cJSON *v)
{
    return cJSON_IsString(v) && strcmp(v->valuestring, FINALIZER_NAME) == 0;
}

/* The list without ours, and with it again where it is wanted. */
static cJSON *finalizers_with(const cJSON *canary, bool wanted, bool *ret_changed)
{
    const cJSON *list = json_at(canary, "metadata", "finalizers", NULL);
    cJSON *out = cJSON_CreateArray();
    bool had = false;

    for (const cJSON *v = list ? list->child : NULL; v; v = v->next) {
        if (is_our_finalizer(v))
            had = true;
        else
            build_append(out, build_copy(v));
    }
    if (wanted)
        build_append(out, build_str(FINALIZER_NAME));
    *ret_changed = had != wanted;
    return out;
}

int finalizer_set(struct tick *t, bool wanted, struct strbuf *reterr_text)
{
    struct kube_error error = {0};
    int code = 0;

    for (int attempt = 0; attempt < 4; attempt++) {
        bool changed;
        cJSON *list = finalizers_with(newest(t), wanted, &changed), *patch, *object = NULL;

        if (!changed) {
            json_free(list);
            return 0;
        }
        patch = build_object(
            "metadata",
            build_object("resourceVersion",
                         build_str(json_text(json_get(newest(t), "metadata"), "resourceVersion")),
                         "finalizers", list, NULL),
            NULL);
        code = kube_patch(t->op->o.kube, &kube_canaries, t->job->ns, t->job->name, NULL,
                          KUBE_PATCH_MERGE, patch, &object, &error);
        t->wrote = true;
        json_free(patch);
        if (code == 0) {
            if (json_str(json_get(object, "metadata"), "deletionTimestamp"))
                json_free(object); /* it may be gone by now: the watch says */
            else
                take_answer(t, object);
            return 0;
        }
        if (error.reason == KUBE_NOT_FOUND && !wanted)
            return 0;
        if (error.reason != KUBE_CONFLICT || status_read_again(t) != 0)
            break;
    }
    strbuf_addf(reterr_text, "failed after retries: %s", error.message);
    return code;
}

/* ---- people's commands -------------------------------------------------------------------------
 */

const char *canary_command(const cJSON *canary)
{
    return json_text(json_at(canary, "metadata", "annotations", NULL), COMMAND_ANNOTATION);
}

/* A person may have asked for the next thing while this one was done: only what was taken is
 * removed. */
bool job_command_done(struct tick *t, const char *taken)
{
    struct kube_error error = {0};
    cJSON *seen;
    bool another;
    int code = 0;

    for (int attempt = 0; attempt < 4 && strcmp(canary_command(newest(t)), taken) == 0; attempt++) {
        code = annotations_write(t, COMMAND_ANNOTATION, cJSON_CreateNull(), &error);
        if (code == 0 || error.reason != KUBE_CONFLICT || status_read_again(t) != 0)
            break;
    }
    if (code != 0 && strcmp(canary_command(newest(t)), taken) == 0)
        op_log(t->op, LEVEL_FAULT, HERE, NULL, "removing the command of %s.%s failed: %s",
               t->job->name, t->job->ns, error.message);
    seen = kube_cache_read(t->op->canaries->cache, t->job->ns, t->job->name);
    another = *canary_command(seen) && strcmp(canary_command(seen), taken) != 0;
    json_free(seen);
    return another;
}

int operator_command(struct kube_client *kube, const char *ns, const char *name,
                     const char *command, const char *who, const char *why, int64_t now_ms,
                     struct kube_error *reterr)
{
    char at[KUBE_TIME_MAX], *text;
    cJSON *value, *patch;
    int code;

    kube_time_format(at, now_ms);
    value = build_object("command", build_str(command), "who", build_str(who), "why",
                         build_str(why), "at", build_str(at), NULL);
    text = json_print(value);
    patch = build_object(
        "metadata",
        build_object("annotations", build_object(COMMAND_ANNOTATION, build_str(text), NULL), NULL),
        NULL);
    code = kube_patch(kube, &kube_canaries, ns, name, NULL, KUBE_PATCH_MERGE, patch, NULL, reterr);
    free(text);
    json_free(value);
    json_free(patch);
    return code;
}

/* ---- taking over from Flagger ------------------------------------------------------------------
 */

int status_adopt(struct tick *t)
{
    const cJSON *s = json_get(t->canary, "status");
    const char *applied = json_text(s, "lastAppliedSpec"), *phase = json_text(s, "phase");
    struct sync_facts f = {"", NULL};
    struct kube_error error;
    cJSON *object;
    int code;

    if (*applied == '\0' || workload_revision_is_ours(applied) ||
        t->spec->target_kind == TARGET_KNATIVE ||
        (strcmp(phase, "Initialized") != 0 && strcmp(phase, "Succeeded") != 0))
        return 0;
    code = sync_facts_read(t, &f);
    if (code == 0) {
        object = build_copy(newest(t));
        build_set(json_get(object, "status"), "lastAppliedSpec", build_str(f.applied));
        build_set(json_get(object, "status"), "lastPromotedSpec", build_str(f.applied));
        code = put_status(t, object, &error);
        json_free(object);
    }
    json_free(f.configs);
    strbuf_clear(&t->text);
    return code;
}
