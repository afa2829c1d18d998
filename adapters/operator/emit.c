/* Notes of the engine, made known: log, Kubernetes Events, event hooks, chat, gauges. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/hook/hook.h"
#include "adapters/notify/notify.h"
#include "adapters/operator/internal.h"
#include "adapters/router/build.h"
#include "engine/render.h"

#define MESSAGE_MAX 4096

/* ---- events ------------------------------------------------------------------------------------
 */

static void record_event(struct tick *t, const char *reason, bool warning, const char *message)
{
    const cJSON *metadata = json_get(t->canary, "metadata");
    struct event_object object = {
        .api_version = "flagger.app/v1beta1",
        .kind = "Canary",
        .ns = t->job->ns,
        .name = t->job->name,
        .uid = json_text(metadata, "uid"),
        .resource_version = json_text(metadata, "resourceVersion"),
        .reason = reason,
    };

    if (events_record(t->op->events, &object, warning, message) == 0)
        t->said = events_recorded(t->op->events);
}

/* So long a rollout waits for the API server to take an Event. */
#define SETTLE_MS 30000

void emit_settle(struct tick *t)
{
    struct operator* o = t->op;
    const struct clock *clock = o->o.clock;
    int64_t until = clock->mono_ms(clock->self) + SETTLE_MS, left = SETTLE_MS;

    if (!spec_deviates(t->spec, DEV_TELL_FIRST))
        return;
    while (events_done(o->events) < t->said && left > 0 &&
           gate_wait(o->o.tasks, &o->told, left) != -ECANCELED)
        left = until - clock->mono_ms(clock->self);
}

static void call_event_hook(struct tick *t, const struct hook_spec *h, const char *phase,
                            const char *type, const char *message)
{
    const struct clock *clock = t->op->o.clock;
    struct hook_pair *pairs =
        arena_alloc(t->arena, (h->metadata_count + 1) * sizeof(struct hook_pair));
    struct hook_payload payload = {t->job->name, t->job->ns, phase, t->checksum, pairs, 0};
    struct strbuf body = STRBUF_INIT;
    struct hook_answer answer;
    struct hook_call call;

    if (pairs == NULL || t->op->o.dry_run)
        return;
    for (uint32_t i = 0; i < h->metadata_count; i++)
        pairs[i] = (struct hook_pair){h->metadata[i].name, h->metadata[i].value};
    payload.metadata_count = h->metadata_count;
    hook_event_body(&payload, message, type, clock->wall_ms(clock->self), &body);
    call = (struct hook_call){.url = h->url,
                              .timeout = h->timeout,
                              .retries = h->retries,
                              .disable_tls = h->disable_tls,
                              .body = strbuf_str(&body),
                              .body_len = body.len};
    tick_waits(t);
    hook_perform(&call, t->op->o.web, clock, t->arena, &answer);
    tick_goes_on(t);
    if (!answer.ok)
        op_log(t->op, LEVEL_FAULT, HERE, NULL, "error sending event to webhook: %s", answer.text);
    strbuf_release(&body);
}

static void call_event_hooks(struct tick *t, const char *phase, const char *type,
                             const char *message)
{
    struct hook_spec global = {.url = t->op->o.event_webhook, .timeout = "", .type = HOOK_EVENT};
    bool own = false;

    for (uint32_t i = 0; i < t->spec->analysis.hook_count; i++) {
        const struct hook_spec *h = &t->spec->analysis.hooks[i];

        if (h->type != HOOK_EVENT)
            continue;
        own = true;
        call_event_hook(t, h, phase, type, message);
    }
    if (!own && global.url && *global.url)
        call_event_hook(t, &global, phase, type, message);
}

void emit_event(struct tick *t, enum event_level level, const char *phase, const char *message)
{
    emit_event_for(t, NULL, level, phase, message);
}

void emit_event_for(struct tick *t, const char *reason, enum event_level level, const char *phase,
                    const char *message)
{
    const char *type = level == LEVEL_NORMAL ? "Normal" : "Warning";
    struct strbuf name = STRBUF_INIT;

    t->spoke = true;
    job_name(t->job, &name);
    op_log(t->op, level == LEVEL_ERROR ? LEVEL_FAULT : LEVEL_INFO, HERE, strbuf_str(&name), "%s",
           message);
    strbuf_release(&name);
    record_event(t, reason, level != LEVEL_NORMAL, message);
    call_event_hooks(t, phase, type, message);
}

static char *message_of(struct tick *t, const struct note *n)
{
    char *message = arena_alloc(t->arena, MESSAGE_MAX + n->text_len);
    struct text text;

    if (message == NULL)
        return NULL;
    text_init(&text, message, MESSAGE_MAX + n->text_len);
    render_message(&text, t->spec, n);
    return message;
}

/* ---- alerts ------------------------------------------------------------------------------------
 */

#define FIELDS_MAX 5

static size_t fields_of(struct tick *t, const struct note *n, struct notify_field *fields)
{
    size_t count = 0;

    while (count < FIELDS_MAX) {
        char *value = arena_alloc(t->arena, 512);
        struct text text;

        if (value == NULL)
            break;
        text_init(&text, value, 512);
        if (!render_alert_field(t->spec, (enum alert_id)n->id, (uint32_t)count, &fields[count].name,
                                &text))
            break;
        fields[count++].value = value;
    }
    return count;
}

/* A Secret's value, in the arena; NULL when there is none. */
static const char *secret_text(struct tick *t, const cJSON *secret, const char *key)
{
    const char *in = json_str(json_get(secret, "data"), key);
    const char *value = in ? secret_decode(t->arena, in) : NULL;

    secret_remember(t->op, key, value);
    return value;
}

static const char *or_default(const char *s, const char *otherwise)
{
    return s && *s ? s : otherwise;
}

/* Where an alert entry points; false after saying why it cannot be used. */
static bool alert_target(struct tick *t, const struct alert_spec *a, struct notify_target *ret)
{
    cJSON *provider =
        kube_cache_read(t->op->providers->cache, a->provider_namespace, a->provider_name);
    const cJSON *spec = json_get(provider, "spec");
    const char *secret_name = json_str(json_get(spec, "secretRef"), "name");
    struct strbuf text = STRBUF_INIT;
    cJSON *secret = NULL;
    bool ok = true;

    if (provider == NULL)
        strbuf_addf(&text, "error: alertprovider.flagger.app \"%s\" not found", a->provider_name);
    *ret = (struct notify_target){
        .type = arena_strdup(t->arena, json_str_or(spec, "type", "")),
        .address = arena_strdup(t->arena, json_str_or(spec, "address", "")),
        .proxy = arena_strdup(t->arena, json_str_or(spec, "proxy", "")),
        .username = arena_strdup(t->arena, or_default(json_str(spec, "username"), "flagger")),
        .channel = arena_strdup(t->arena, or_default(json_str(spec, "channel"), "general")),
        .reveal = cluster_has(t->op->o.cluster, CLUSTER_HIDE_CHAT_URL),
    };
    if (provider && secret_name) {
        struct strbuf why = STRBUF_INIT;

        if (secret_value(t, a->provider_namespace, secret_name, &secret, &why) != 0) {
            strbuf_addf(&text, "secretRef error: %s", strbuf_str(&why));
        } else if ((ret->address = secret_text(t, secret, "address")) == NULL) {
            strbuf_adds(&text, "secret does not contain an address");
        } else {
            ret->token = secret_text(t, secret, "token");
        }
        strbuf_release(&why);
    }
    if (text.len > 0) {
        op_log(t->op, LEVEL_FAULT, HERE, NULL, "alert provider %s.%s %s", a->provider_name,
               a->provider_namespace, strbuf_str(&text));
        ok = false;
    }
    strbuf_release(&text);
    json_free(secret);
    json_free(provider);
    return ok;
}

static bool is_foreign(const struct tick *t, const char *ns)
{
    return t->op->o.no_cross_namespace_refs && strcmp(ns, t->job->ns) != 0;
}

static void alert_entry(struct tick *t, const struct alert_spec *a, const struct notify_message *m)
{
    struct notify_target target;
    const char *why;

    if (is_foreign(t, a->provider_namespace)) {
        op_log(t->op, LEVEL_FAULT, HERE, NULL,
               "can't access alert provider %s.%s, cross-namespace references are blocked",
               a->provider_name, a->provider_namespace);
        return;
    }
    if (!alert_target(t, a, &target))
        return;
    why = notify_check(&target, t->arena);
    if (why) {
        op_log(t->op, LEVEL_FAULT, HERE, NULL, "alert provider %s.%s error: %s", a->provider_name,
               a->provider_namespace, why);
        return;
    }
    tick_waits(t);
    why = notify_send(&target, m, t->op->o.web, t->arena);
    tick_goes_on(t);
    if (why)
        op_log(t->op, LEVEL_FAULT, HERE, NULL, "alert provider %s.%s send error: %s",
               a->provider_name, a->provider_namespace, why);
}

static void emit_alert(struct tick *t, const struct note *n)
{
    enum alert_severity severity = alert_id_severity((enum alert_id)n->id);
    const struct operator_options *o = &t->op->o;
    struct notify_field fields[FIELDS_MAX];
    struct notify_message m = {.workload = t->job->name,
                               .name_space = t->job->ns,
                               .text = message_of(t, n),
                               .severity = alert_severity_name(severity),
                               .fields = fields};

    t->spoke = true;
    if (o->dry_run)
        return;
    m.field_count = fields_of(t, n, fields);
    for (uint32_t i = 0; i < t->spec->analysis.alert_count; i++) {
        if (spec_alert_wanted(t->spec, i, severity))
            alert_entry(t, &t->spec->analysis.alerts[i], &m);
    }
    if (t->spec->analysis.alert_count == 0 && o->notify_url && *o->notify_url) {
        struct notify_target target = {.type = o->notify_type,
                                       .address = o->notify_url,
                                       .token = o->notify_token,
                                       .proxy = o->notify_proxy,
                                       .username = or_default(o->notify_user, "flagger"),
                                       .channel = o->notify_channel,
                                       .reveal = cluster_has(o->cluster, CLUSTER_HIDE_CHAT_URL)};
        const char *why;

        tick_waits(t);
        why = notify_send(&target, &m, o->web, t->arena);
        tick_goes_on(t);

        if (why)
            op_log(t->op, LEVEL_FAULT, HERE, NULL, "alert can't be sent: %s", why);
    }
}

/* ---- gauges ------------------------------------------------------------------------------------
 */

static void count_end(struct tick *t, const struct note *n)
{
    struct label labels[] = {
        {"name", t->spec->target_name},
        {"namespace", t->job->ns},
        {"deployment_strategy", strategy_name(spec_strategy(t->spec))},
        {"analysis_status", n->a == ANALYSIS_SKIPPED ? "skipped" : "completed"}};

    registry_add(&t->op->registry,
                 n->id == GAUGE_SUCCESSES ? "flagger_canary_successes_total"
                                          : "flagger_canary_failures_total",
                 labels, 4, 1);
}

static void set_weights(struct tick *t, const struct note *n)
{
    char *primary = arena_printf(t->arena, "%s-primary", t->spec->target_name);
    struct label a[] = {{"workload", primary ? primary : ""}, {"namespace", t->job->ns}},
                 b[] = {{"workload", t->spec->target_name}, {"namespace", t->job->ns}};

    registry_set(&t->op->registry, "flagger_canary_weight", a, 2, n->a);
    registry_set(&t->op->registry, "flagger_canary_weight", b, 2, n->b);
}

static void emit_gauge(struct tick *t, const struct note *n)
{
    const struct clock *clock = t->op->o.clock;
    struct registry *r = &t->op->registry;
    struct label labels[] = {{"name", t->spec->target_name}, {"namespace", t->job->ns}, {0}};

    switch ((enum gauge_id)n->id) {
    case GAUGE_STATUS:
        registry_set(r, "flagger_canary_status", labels, 2, n->a);
        break;
    case GAUGE_WEIGHT:
        set_weights(t, n);
        break;
    case GAUGE_ANALYSIS:
        labels[2] = (struct label){"metric", n->index < t->spec->analysis.metric_count
                                                 ? t->spec->analysis.metrics[n->index].name
                                                 : ""};
        registry_set(r, "flagger_canary_metric_analysis", labels, 3, n->x);
        break;
    case GAUGE_DURATION:
        registry_observe(r, "flagger_canary_duration_seconds", labels, 2,
                         (double)(clock->mono_ms(clock->self) - t->began_ms) / 1000);
        break;
    case GAUGE_SUCCESSES:
    case GAUGE_FAILURES:
        count_end(t, n);
        break;
    case GAUGE_ID_COUNT:
        break;
    }
}

static void emit_log(struct tick *t, const struct note *n)
{
    struct strbuf name = STRBUF_INIT;

    job_name(t->job, &name);
    if (n->id == LOG_LOAD_FAILED)
        op_log(t->op, LEVEL_FAULT, HERE, NULL, "Canary %s not found", strbuf_str(&name));
    else if (n->id == LOG_FINALIZE_FAILED)
        op_log(t->op, LEVEL_FAULT, HERE, strbuf_str(&name), "Unable to finalize canary: %.*s",
               (int)n->text_len, n->text ? n->text : "");
    else
        op_log(t->op, LEVEL_FAULT, HERE, strbuf_str(&name), "%.*s", (int)n->text_len,
               n->text ? n->text : "");
    strbuf_release(&name);
}

void emit(struct tick *t, const struct step *step)
{
    for (uint32_t i = 0; i < step->note_count; i++) {
        const struct note *n = &step->notes[i];
        char *message;

        switch ((enum note_kind)n->kind) {
        case NOTE_EVENT:
            message = message_of(t, n);
            if (message)
                emit_event(t, event_level((enum event_id)n->id), phase_name((enum phase)n->phase),
                           message);
            break;
        case NOTE_ALERT:
            emit_alert(t, n);
            break;
        case NOTE_GAUGE:
            emit_gauge(t, n);
            break;
        case NOTE_LOG:
            emit_log(t, n);
            break;
        }
    }
}
