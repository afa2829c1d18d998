/* The engine's asks, performed: one function for each, and the table of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/hook/hook.h"
#include "adapters/operator/internal.h"
#include "adapters/router/build.h"
#include "adapters/router/service.h"
#include "engine/plant.h"

typedef void perform_one(struct tick *t, const struct ask *ask, struct answer *answer);
typedef int build_one(struct tick *t, const struct ask *ask, struct router_result *ret_result);

/* ---- writes ------------------------------------------------------------------------------------
 */

#define CONFLICTS_MAX 5
#define CONFLICT_PAUSE_MS 10

/* Session cookies of a router's answer, as status fields. */
static void set_cookie(cJSON *status, const char *name, const char *value)
{
    if (value && *value)
        build_set(status, name, build_str(value));
    else
        json_remove(status, name);
}

static int keep_cookies(struct tick *t, const struct router_result *result)
{
    cJSON *status;

    if (!result->cookies_changed)
        return 0;
    t->canary = json_own(t->canary);
    if (t->canary == NULL)
        return -ENOMEM;
    status = build_child(t->canary, "status");
    set_cookie(status, "sessionAffinityCookie", result->cookies.session);
    set_cookie(status, "previousSessionAffinityCookie", result->cookies.previous);
    set_cookie(status, "primarySessionAffinityCookie", result->cookies.primary);
    /* Saved before they are used: a crash must not lose anybody's session. */
    return !spec_deviates(t->spec, DEV_COOKIES_FIRST) || PLANTED(COOKIES_AFTER_USE)
               ? 0
               : status_save_cookies(t, &t->text);
}

static int write_once(struct tick *t, const struct ask *ask, build_one *build)
{
    struct router_writer writer = {t, world_write};
    struct router_result result;
    int code;

    strbuf_clear(&t->text);
    build(t, ask, &result);
    code = keep_cookies(t, &result);
    if (code == 0)
        code = router_apply(&result, &writer, &t->text);
    if (result.log.len > 0)
        op_log(t->op, LEVEL_WARN, HERE, NULL, "%s", strbuf_str(&result.log));
    router_result_release(&result);
    return code;
}

/*
 * Build, write, and when somebody else wrote meanwhile do it again on what is there now. The ask is
 * still the current one all the time, so its change may land.
 */
static void perform_writes(struct tick *t, const struct ask *ask, struct answer *answer,
                           build_one *build)
{
    const struct clock *clock = t->op->o.clock;
    int code = write_once(t, ask, build);

    for (int attempt = 1; code == -EAGAIN && attempt < CONFLICTS_MAX; attempt++) {
        clock->sleep_ms(clock->self, CONFLICT_PAUSE_MS);
        t->fresh = true;
        code = write_once(t, ask, build);
        t->fresh = false;
    }
    answer->outcome = code == 0 ? OUTCOME_OK : OUTCOME_RETRY;
}

/* ---- requests to the builders ------------------------------------------------------------------
 */

struct requests {
    struct router_world world;
    struct router_options router_options;
    struct router_request router;
    struct workload_options workload_options;
    struct workload_request workload;
};

static uint64_t draw(void *self)
{
    const struct clock *clock = self;

    return clock->random(clock->self);
}

static void requests_init(struct tick *t, struct requests *r)
{
    const struct operator_options *o = &t->op->o;
    const struct clock *clock = o->clock;

    memset(r, 0, sizeof(*r));
    r->world = (struct router_world){t, world_get};
    r->router_options = (struct router_options){
        .set_owner_references = !o->separate_mesh,
        .ingress_class = o->ingress_class,
        .ingress_annotations_prefix = o->ingress_annotations_prefix,
        .selector_label = t->metadata.label && *t->metadata.label ? t->metadata.label : NULL,
        .selector_value = t->metadata.value && *t->metadata.value ? t->metadata.value : NULL,
        .apex_metadata = t->apex_metadata,
        .quirks = o->quirks,
        .random = draw,
    };
    memcpy(&r->router_options.random_self, &clock, sizeof(clock));
    r->router = (struct router_request){t->canary, t->spec->provider, &r->router_options, &r->world,
                                        job_router_spec(t->job, t->canary)};
    r->workload_options = t->op->workload;
    r->workload_options.config_self = t;
    r->workload = (struct workload_request){t->canary, &r->workload_options, &r->world,
                                            clock->wall_ms(clock->self)};
}

/* Services belong to this cluster even when the mesh does not. */
static void requests_for_services(struct tick *t, struct requests *r)
{
    requests_init(t, r);
    r->router_options.set_owner_references = true;
}

static int read_metadata(struct tick *t, struct router_result *ret_result)
{
    struct requests r;
    int code;

    requests_init(t, &r);
    workload_metadata_release(&t->metadata);
    json_free(t->ports);
    t->ports = NULL;
    code = workload_metadata(&r.workload, &t->metadata, ret_result);
    if (code == 0) {
        requests_init(t, &r);
        t->ports = service_discover_ports(&r.router, t->metadata.pod_spec);
    }
    return code;
}

/* ---- set-up ------------------------------------------------------------------------------------
 */

/*
 * The first look of a process at a Canary is a read of its own: what a process before it wrote may
 * not be in the first list yet, and a tick on an older phase would scale the pods of a running
 * rollout away.
 */
int look_once(struct tick *t)
{
    if (t->job->looked)
        return 0;
    if (status_read_again(t) != 0)
        return -1;
    if (t->latest) {
        json_free(t->canary);
        t->canary = t->latest;
        t->latest = NULL;
    }
    t->job->looked = true;
    return 0;
}

static void perform_load(struct tick *t, const struct ask *ask, struct answer *answer)
{
    cJSON *canary = kube_cache_read(t->op->canaries->cache, t->job->ns, t->job->name);
    uint32_t unused;

    (void)ask;
    if (canary == NULL) {
        strbuf_addf(&t->text, "canary.flagger.app \"%s\" not found", t->job->name);
        answer->outcome = OUTCOME_FAILED;
        return;
    }
    json_free(t->canary);
    json_free(t->latest);
    t->canary = canary;
    t->latest = NULL;
    if (!cluster_has(t->op->o.cluster, CLUSTER_ADOPT_AT_REST) && status_adopt(t) == 0 &&
        t->latest) {
        json_free(t->canary);
        t->canary = t->latest;
        t->latest = NULL;
    }
    if (t->job->redo && !t->ended)
        (void)redo_undo(&t->canary, &unused);
    status_read(t->canary, &t->status);
    checksum_read(t->canary, t->checksum);
    answer->status = &t->status;
}

static int build_services(struct tick *t, const struct ask *ask, struct router_result *ret_result)
{
    struct requests r;
    int code = read_metadata(t, ret_result);

    (void)ask;
    if (code != 0)
        return code;
    router_result_release(ret_result);
    requests_for_services(t, &r);
    return service_initialize(&r.router, t->ports, ret_result);
}

static void perform_services(struct tick *t, const struct ask *ask, struct answer *answer)
{
    perform_writes(t, ask, answer, build_services);
}

static void perform_providers(struct tick *t, const struct ask *ask, struct answer *answer)
{
    (void)ask;
    measure_available(t, answer);
}

static void answer_readiness(struct tick *t, bool canary, struct answer *answer)
{
    static const uint8_t outcomes[] = {OUTCOME_OK, OUTCOME_RETRY, OUTCOME_FAILED};
    struct workload_readiness readiness;
    struct requests r;

    requests_init(t, &r);
    workload_ready(&r.workload, canary, &readiness);
    strbuf_clear(&t->text);
    strbuf_adds(&t->text, strbuf_str(&readiness.text));
    answer->outcome = outcomes[readiness.state];
    answer->no_pods = readiness.no_pods && !PLANTED(NO_SCALE_UP);
    strbuf_release(&readiness.text);
}

static int build_primary(struct tick *t, const struct ask *ask, struct router_result *ret_result)
{
    struct requests r;

    (void)ask;
    requests_init(t, &r);
    return workload_initialize(&r.workload, ret_result);
}

static void perform_primary_init(struct tick *t, const struct ask *ask, struct answer *answer)
{
    perform_writes(t, ask, answer, build_primary);
    if (answer->outcome == OUTCOME_OK && ask->flag)
        answer_readiness(t, false, answer);
}

static int build_scaler(struct tick *t, const struct ask *ask, struct router_result *ret_result)
{
    struct requests r;

    requests_init(t, &r);
    return ask->kind == ASK_SCALER_PAUSE    ? scaler_pause(&r.workload, ret_result)
           : ask->kind == ASK_SCALER_RESUME ? scaler_resume(&r.workload, ret_result)
                                            : scaler_reconcile(&r.workload, ask->flag, ret_result);
}

static void perform_scaler(struct tick *t, const struct ask *ask, struct answer *answer)
{
    perform_writes(t, ask, answer, build_scaler);
}

static int build_apex(struct tick *t, const struct ask *ask, struct router_result *ret_result)
{
    struct requests r;

    (void)ask;
    requests_for_services(t, &r);
    return service_reconcile(&r.router, t->ports, ret_result);
}

static void perform_apex(struct tick *t, const struct ask *ask, struct answer *answer)
{
    struct requests r;

    perform_writes(t, ask, answer, build_apex);
    requests_for_services(t, &r);
    json_free(t->apex_metadata);
    t->apex_metadata = service_apex_metadata(&r.router);
}

static int build_routes(struct tick *t, const struct ask *ask, struct router_result *ret_result)
{
    struct routing routing = {ask->primary, ask->canary, ask->flag};
    struct requests r;

    requests_init(t, &r);
    return ask->kind == ASK_ROUTES_SET ? router_set(&r.router, &routing, ret_result)
                                       : router_reconcile(&r.router, ret_result);
}

static int build_workload(struct tick *t, const struct ask *ask, struct router_result *ret_result);

/* A bug on purpose: what comes after the routes is done before them. */
static void plant_before_routes(struct tick *t, const struct ask *ask)
{
    struct answer unused = {0};

    if (PLANTED(STATUS_BEFORE_ROUTES)) {
        struct save save = {.op = SAVE_WEIGHT, .weight = ask->canary};

        (void)status_save(t, &save, &unused);
    }
    if (PLANTED(SCALE_BEFORE_ROUTE) && ask->canary == 0) {
        struct ask zero = {.kind = ASK_SCALE_ZERO};

        perform_writes(t, &zero, &unused, build_workload);
    }
}

static void perform_routes(struct tick *t, const struct ask *ask, struct answer *answer)
{
    struct ask more = *ask;

    if (ask->kind == ASK_ROUTES_SET &&
        (PLANTED(STATUS_BEFORE_ROUTES) || PLANTED(SCALE_BEFORE_ROUTE)))
        plant_before_routes(t, ask);
    if (PLANTED(WEIGHT_IS_TOO_HIGH) && ask->canary > 0 && ask->canary < 95) {
        more.canary = (int16_t)(ask->canary + 5);
        more.primary = (int16_t)(ask->primary - 5);
        ask = &more;
    }
    perform_writes(t, ask, answer, build_routes);
}

/* ---- facts -------------------------------------------------------------------------------------
 */

static void perform_target(struct tick *t, const struct ask *ask, struct answer *answer)
{
    char hash[WORKLOAD_HASH_SIZE];
    struct requests r;

    (void)ask;
    requests_init(t, &r);
    if (workload_revision(&r.workload, hash, &t->text) == 0)
        answer->target = text_revision(hash);
    else
        answer->outcome = OUTCOME_RETRY;
}

static void perform_configs(struct tick *t, const struct ask *ask, struct answer *answer)
{
    cJSON *configs = NULL;
    struct requests r;

    (void)ask;
    requests_init(t, &r);
    if (!t->spec->tracks_configs)
        answer->configs = t->status.configs;
    else if (workload_configs(&r.workload, &configs, &t->text) == 0)
        answer->configs = configs_revision(configs);
    else
        answer->outcome = OUTCOME_RETRY;
    json_free(configs);
}

static void perform_ready(struct tick *t, const struct ask *ask, struct answer *answer)
{
    answer_readiness(t, ask->kind == ASK_CANARY_READY, answer);
}

static void perform_routes_get(struct tick *t, const struct ask *ask, struct answer *answer)
{
    struct router_result result;
    struct routing routing = {0, 0, false};
    struct requests r;

    (void)ask;
    requests_init(t, &r);
    if (router_get(&r.router, &routing, &result) == 0) {
        answer->primary = (int32_t)routing.primary;
        answer->canary = (int32_t)routing.canary;
        answer->mirrored = routing.mirror;
    } else {
        answer->outcome = OUTCOME_RETRY;
        strbuf_adds(&t->text, strbuf_str(&result.error));
    }
    router_result_release(&result);
}

static void perform_hook(struct tick *t, const struct ask *ask, struct answer *answer)
{
    const struct hook_spec *h;
    struct hook_payload payload;
    struct hook_pair *pairs;
    struct strbuf body = STRBUF_INIT;
    struct hook_answer got;
    struct hook_call call;

    t->spoke = true;
    if (ask->index >= t->spec->analysis.hook_count || t->op->o.dry_run)
        return;
    h = &t->spec->analysis.hooks[ask->index];
    pairs = arena_alloc(t->arena, (h->metadata_count + 1) * sizeof(*pairs));
    for (uint32_t i = 0; pairs && i < h->metadata_count; i++)
        pairs[i] = (struct hook_pair){h->metadata[i].name, h->metadata[i].value};
    payload = (struct hook_payload){t->job->name, t->job->ns, phase_name((enum phase)ask->phase),
                                    t->checksum,  pairs,      pairs ? h->metadata_count : 0};
    hook_body(&payload, &body);
    call = (struct hook_call){.url = h->url,
                              .timeout = h->timeout,
                              .short_timeout_is_default = true,
                              .retries = h->retries,
                              .disable_tls = h->disable_tls,
                              .body = strbuf_str(&body),
                              .body_len = body.len};
    tick_waits(t);
    hook_perform(&call, t->op->o.web, t->op->o.clock, t->arena, &got);
    tick_goes_on(t);
    if (!got.ok && !(PLANTED(TIMEOUT_APPROVES) && got.status == 0)) {
        answer->outcome = OUTCOME_RETRY;
        strbuf_adds(&t->text, spec_deviates(t->spec, DEV_HOOK_ERROR_BODY)
                                  ? hook_full_text(t->arena, &got)
                                  : got.text);
    }
    strbuf_release(&body);
}

static void perform_metrics_open(struct tick *t, const struct ask *ask, struct answer *answer)
{
    (void)ask;
    t->spoke = true;
    measure_open(t, answer);
}

/* ---- effects -----------------------------------------------------------------------------------
 */

/*
 * Is the target still what this rollout analysed? It was when the tick began, but gates, checks and
 * hooks take their time. Looked at after the primary was built: what is unchanged now was so then.
 */
static bool target_is_analysed(struct tick *t, const struct workload_request *q)
{
    const char *applied = json_text(json_get(t->canary, "status"), "lastAppliedSpec");
    char hash[WORKLOAD_HASH_SIZE];
    struct strbuf unused = STRBUF_INIT;
    cJSON *configs = NULL;
    bool same = true;

    if (cluster_has(t->op->o.cluster, CLUSTER_PROMOTE_CHECKED) ||
        !workload_revision_is_ours(applied) ||
        (t->spec->target_kind != TARGET_DEPLOYMENT && t->spec->target_kind != TARGET_DAEMONSET))
        return true;
    if (workload_revision(q, hash, &unused) == 0)
        same = strcmp(hash, applied) == 0;
    if (same && t->spec->tracks_configs && workload_configs(q, &configs, &unused) == 0)
        same = configs_revision(configs) == t->status.configs;
    json_free(configs);
    strbuf_release(&unused);
    return same;
}

static int build_promotion(struct tick *t, struct requests *r, struct router_result *ret_result)
{
    int code = workload_promote(&r->workload, ret_result);

    if (code != 0 || target_is_analysed(t, &r->workload))
        return code;
    router_result_release(ret_result);
    memset(ret_result, 0, sizeof(*ret_result));
    strbuf_addf(&ret_result->error, "%s.%s has changed since it was analysed", t->spec->target_name,
                t->job->ns);
    return ret_result->code = -ECANCELED;
}

static int build_workload(struct tick *t, const struct ask *ask, struct router_result *ret_result)
{
    struct requests r;

    requests_init(t, &r);
    return ask->kind == ASK_PROMOTE      ? build_promotion(t, &r, ret_result)
           : ask->kind == ASK_SCALE_UP   ? workload_scale_up(&r.workload, ret_result)
           : ask->kind == ASK_SCALE_ZERO ? workload_scale_zero(&r.workload, ret_result)
                                         : workload_revert(&r.workload, ret_result);
}

static void perform_workload(struct tick *t, const struct ask *ask, struct answer *answer)
{
    struct ask promote = {.kind = ASK_PROMOTE};

    if (PLANTED(NO_SCALE_UP) && ask->kind == ASK_SCALE_UP)
        return;
    if (PLANTED(PROMOTE_UNCHECKED) && ask->kind == ASK_SCALE_UP)
        perform_writes(t, &promote, answer, build_workload);
    t->fresh = ask->kind == ASK_REVERT_TARGET; /* what is missing is missed for good */
    perform_writes(t, ask, answer, build_workload);
    t->fresh = false;
}

static void perform_save(struct tick *t, const struct ask *ask, struct answer *answer)
{
    emit_settle(t);
    if (status_save(t, &ask->save, answer) != 0)
        answer->outcome = OUTCOME_RETRY;
}

/*
 * A Canary may be deleted before its first installation is done: an object that is not there yet
 * has nothing to be reverted.
 */
static int or_nothing(const struct tick *t, int code, struct router_result *result)
{
    if (code != -ENOENT || cluster_has(t->op->o.cluster, CLUSTER_MISSING_TARGET))
        return code;
    router_result_release(result);
    memset(result, 0, sizeof(*result));
    return 0;
}

static int build_service_finalize(struct tick *t, const struct ask *ask,
                                  struct router_result *ret_result)
{
    struct requests r;
    int code = read_metadata(t, ret_result);

    (void)ask;
    if (code != 0)
        return or_nothing(t, code, ret_result);
    router_result_release(ret_result);
    requests_for_services(t, &r);
    return or_nothing(t, service_finalize(&r.router, t->ports, ret_result), ret_result);
}

static int build_router_finalize(struct tick *t, const struct ask *ask,
                                 struct router_result *ret_result)
{
    struct requests r;

    (void)ask;
    requests_init(t, &r);
    return or_nothing(t, router_finalize(&r.router, ret_result), ret_result);
}

static void perform_revert_router(struct tick *t, const struct ask *ask, struct answer *answer)
{
    struct strbuf why = STRBUF_INIT;

    t->fresh = true;
    perform_writes(t, ask, answer, build_service_finalize);
    if (answer->outcome != OUTCOME_OK) {
        strbuf_addf(&why, "failed revert router: %s", strbuf_str(&t->text));
    } else {
        perform_writes(t, ask, answer, build_router_finalize);
        if (answer->outcome != OUTCOME_OK)
            strbuf_addf(&why, "failed to revert mesh: meshRouter.Finlize failed: %s",
                        strbuf_str(&t->text));
    }
    t->fresh = false;
    if (why.len > 0) {
        strbuf_clear(&t->text);
        strbuf_adds(&t->text, strbuf_str(&why));
    }
    strbuf_release(&why);
}

static void perform_finalizer_remove(struct tick *t, const struct ask *ask, struct answer *answer)
{
    (void)ask;
    emit_settle(t);
    if (finalizer_set(t, false, &t->text) != 0)
        answer->outcome = OUTCOME_RETRY;
}

/* The cookies of the routes to come, into the status; the routes themselves are asked for next. */
static void perform_cookies(struct tick *t, const struct ask *ask, struct answer *answer)
{
    struct ask routes = *ask;
    struct router_result result;

    routes.kind = ASK_ROUTES_SET;
    build_routes(t, &routes, &result);
    if (keep_cookies(t, &result) != 0)
        answer->outcome = OUTCOME_RETRY;
    router_result_release(&result);
}

/* ---- the table ---------------------------------------------------------------------------------
 */

static perform_one *const performers[ASK_KIND_COUNT] = {
    [ASK_LOAD] = perform_load,
    [ASK_SERVICES] = perform_services,
    [ASK_PROVIDERS] = perform_providers,
    [ASK_PRIMARY_INIT] = perform_primary_init,
    [ASK_SCALER_PRIMARY] = perform_scaler,
    [ASK_SCALER_PAUSE] = perform_scaler,
    [ASK_SCALER_RESUME] = perform_scaler,
    [ASK_APEX] = perform_apex,
    [ASK_ROUTES_RECONCILE] = perform_routes,
    [ASK_TARGET] = perform_target,
    [ASK_CONFIGS] = perform_configs,
    [ASK_PRIMARY_READY] = perform_ready,
    [ASK_CANARY_READY] = perform_ready,
    [ASK_ROUTES_GET] = perform_routes_get,
    [ASK_HOOK] = perform_hook,
    [ASK_METRICS_OPEN] = perform_metrics_open,
    [ASK_METRIC] = measure_metric,
    [ASK_ROUTES_SET] = perform_routes,
    [ASK_SCALE_UP] = perform_workload,
    [ASK_SCALE_ZERO] = perform_workload,
    [ASK_PROMOTE] = perform_workload,
    [ASK_SAVE] = perform_save,
    [ASK_REVERT_TARGET] = perform_workload,
    [ASK_REVERT_ROUTER] = perform_revert_router,
    [ASK_FINALIZER_REMOVE] = perform_finalizer_remove,
    [ASK_COOKIES] = perform_cookies,
};

void perform(struct tick *t, const struct ask *ask, struct answer *answer)
{
    const struct clock *clock = t->op->o.clock;

    memset(answer, 0, sizeof(*answer));
    answer->id = ask->id;
    strbuf_clear(&t->text);
    t->op->asks[ask->kind]++;
    if (ask->wait_ms > 0)
        clock->sleep_ms(clock->self, ask->wait_ms);
    if (performers[ask->kind])
        performers[ask->kind](t, ask, answer);
    hide_known_secrets(t->op, &t->text);
    answer->text = strbuf_str(&t->text);
    answer->text_len = (uint32_t)strlen(answer->text);
}
