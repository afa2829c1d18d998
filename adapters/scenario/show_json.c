/* A recorded run as JSON: the same facts as the timeline, for programs. */
#include <string.h>

#include "adapters/scenario/show.h"
#include "engine/num.h"
#include "engine/render.h"

static void key(struct strbuf *out, const char *name)
{
    char last = out->len > 0 ? out->data[out->len - 1] : '{';

    if (last != '{' && last != '[')
        strbuf_addc(out, ',');
    strbuf_addc(out, '"');
    strbuf_adds(out, name);
    strbuf_adds(out, "\":");
}

static void put_text(struct strbuf *out, const char *name, const char *value)
{
    if (!value)
        return;
    key(out, name);
    strbuf_add_json(out, value, strlen(value));
}

static void put_int(struct strbuf *out, const char *name, int64_t value)
{
    key(out, name);
    strbuf_addf(out, "%lld", (long long)value);
}

static void put_bool(struct strbuf *out, const char *name, bool value)
{
    key(out, name);
    strbuf_adds(out, value ? "true" : "false");
}

/* JSON has no NaN and no infinities: they are texts, as in Prometheus. */
static void put_number(struct strbuf *out, const char *name, double value)
{
    char bytes[64];
    struct text t;

    text_init(&t, bytes, sizeof bytes);
    text_add_float(&t, value);
    if (!num_is_finite(value)) {
        put_text(out, name, bytes);
        return;
    }
    key(out, name);
    strbuf_adds(out, bytes);
}

static const char *outcome_name(uint8_t outcome)
{
    static const char *const names[] = {"ok", "retry", "failed", "none"};

    return outcome < 4 ? names[outcome] : "failed";
}

static void put_phase(struct strbuf *out, const char *name, uint8_t phase)
{
    put_text(out, name, phase_name((enum phase)phase));
}

static void put_check(struct strbuf *out, const struct row *row)
{
    const struct check_row *c = &row->u.check;
    const struct analysis_spec *an = &row->spec->analysis;

    put_text(out, "metric", c->index < an->metric_count ? an->metrics[c->index].name : "");
    put_text(out, "verdict", check_verdict_name((enum check_verdict)c->verdict));
    if (c->has_value)
        put_number(out, "value", c->value);
    if (c->has_min)
        put_number(out, "min", c->min);
    if (c->has_max)
        put_number(out, "max", c->max);
    put_int(out, "windowMs", c->window_ms);
    put_int(out, "canaryWeight", c->canary_weight);
    if (c->canary_requests > 0) {
        put_int(out, "canaryErrors", (int64_t)c->canary_errors);
        put_int(out, "canaryRequests", (int64_t)c->canary_requests);
    }
    if (c->event != EVENT_COUNT)
        put_text(out, "event", event_name((enum event_id)c->event));
    put_text(out, "error", row->text);
}

static void put_hook(struct strbuf *out, const struct row *row)
{
    const struct analysis_spec *an = &row->spec->analysis;
    const struct hook_row *h = &row->u.hook;

    put_text(out, "hook", h->index < an->hook_count ? an->hooks[h->index].name : "");
    put_phase(out, "phase", h->phase);
    put_bool(out, "ok", h->outcome == OUTCOME_OK);
    put_int(out, "status", h->status);
    put_int(out, "call", h->call);
    if (h->took_ms > 0)
        put_int(out, "tookMs", h->took_ms);
    put_text(out, "error", row->text);
}

static void put_message(struct strbuf *out, const struct row *row)
{
    struct strbuf message = STRBUF_INIT;

    show_message(&message, row);
    put_text(out, "message", strbuf_str(&message));
    strbuf_release(&message);
}

static void put_fields(struct strbuf *out, const struct row *row)
{
    struct text t;
    char bytes[256];
    const char *name;

    key(out, "fields");
    strbuf_addc(out, '{');
    for (uint32_t n = 0;; n++) {
        text_init(&t, bytes, sizeof bytes);
        if (!render_alert_field(row->spec, (enum alert_id)row->u.note.id, n, &name, &t))
            break;
        put_text(out, name, bytes);
    }
    strbuf_addc(out, '}');
}

static void put_status(struct strbuf *out, const struct status *s)
{
    put_phase(out, "phase", s->phase);
    put_int(out, "failedChecks", s->failed_checks);
    put_int(out, "canaryWeight", s->canary_weight);
    put_int(out, "iterations", s->iterations);
}

static void put_body(struct strbuf *out, const struct row *row)
{
    switch ((enum row_kind)row->kind) {
    case ROW_ROLLOUT:
        put_text(out, "revision", row->text);
        break;
    case ROW_ROLLOUT_END:
        put_text(out, "result",
                 rollout_result_name((enum rollout_result)row->u.rollout_end.result));
        break;
    case ROW_TICK:
    case ROW_TICK_END:
        put_phase(out, "phase", row->u.tick.phase);
        break;
    case ROW_CHECK:
        put_check(out, row);
        break;
    case ROW_HOOK:
        put_hook(out, row);
        break;
    case ROW_EVENT:
        put_text(out, "code", event_name((enum event_id)row->u.note.id));
        put_text(out, "type", event_type((enum event_id)row->u.note.id));
        put_phase(out, "phase", row->u.note.phase);
        put_message(out, row);
        break;
    case ROW_ALERT:
        put_text(out, "code", alert_name((enum alert_id)row->u.note.id));
        put_text(out, "severity",
                 alert_severity_name(alert_id_severity((enum alert_id)row->u.note.id)));
        put_message(out, row);
        put_fields(out, row);
        break;
    case ROW_ROUTES:
        put_int(out, "primary", row->u.routes.primary);
        put_int(out, "canary", row->u.routes.canary);
        put_bool(out, "mirror", row->u.routes.mirror);
        put_text(out, "outcome", outcome_name(row->u.routes.outcome));
        put_text(out, "error", row->text);
        break;
    case ROW_WORKLOAD:
        put_text(out, "action", ask_kind_name((enum ask_kind)row->u.workload.ask));
        put_text(out, "outcome", outcome_name(row->u.workload.outcome));
        put_text(out, "error", row->text);
        break;
    case ROW_STATUS:
        put_status(out, &row->u.status.after);
        put_text(out, "outcome", outcome_name(row->u.status.outcome));
        put_text(out, "error", row->text);
        break;
    case ROW_WORLD:
        put_text(out, "what", row->text);
        break;
    case ROW_OUTAGE:
        put_int(out, "lostPercent", row->u.outage.lost);
        break;
    case ROW_CANARY:
    case ROW_GAUGE:
    case ROW_LOG:
    case ROW_ASK:
    case ROW_KIND_COUNT:
        break;
    }
}

static void put_row(struct strbuf *out, const struct record *record, const struct row *row,
                    bool named)
{
    key(out, "row");
    out->len -= strlen("\"row\":"); /* an element of a list has no name */
    strbuf_addc(out, '{');
    put_int(out, "atMs", row->at_ms - record->info.epoch_ms);
    put_text(out, "kind", row_kind_name((enum row_kind)row->kind));
    if (named)
        put_text(out, "canary", row->spec->name);
    if (row->tick > 0)
        put_int(out, "tick", row->tick);
    put_body(out, row);
    strbuf_addc(out, '}');
}

static void put_result(struct strbuf *out, const struct spec *spec, const struct canary_result *r)
{
    key(out, "row");
    out->len -= strlen("\"row\":");
    strbuf_addc(out, '{');
    put_text(out, "name", spec->name);
    put_text(out, "namespace", spec->ns);
    put_status(out, &r->status);
    put_int(out, "settledMs", r->settled_ms);
    put_int(out, "ticks", r->ticks);
    put_int(out, "rollouts", r->rollouts);
    put_int(out, "succeeded", r->succeeded);
    put_int(out, "failed", r->failed);
    put_int(out, "checks", r->checks);
    put_int(out, "failedCheckCount", r->failed_checks);
    put_int(out, "outageMs", r->outage_ms);
    if (r->has_capacity) {
        put_number(out, "capacityLeast", r->capacity_least);
        put_int(out, "capacityShortMs", r->capacity_short_ms);
    }
    put_bool(out, "deleted", r->gone);
    strbuf_addc(out, '}');
}

static void put_deviations(struct strbuf *out, deviations_t set)
{
    key(out, "deviations");
    strbuf_addc(out, '[');
    for (int d = 0; d < DEVIATION_COUNT; d++)
        if (set >> d & 1)
            strbuf_addf(out, "%s\"%s\"", out->data[out->len - 1] == '[' ? "" : ",",
                        deviation_name((enum deviation)d));
    strbuf_addc(out, ']');
}

void show_json(struct strbuf *out, const struct scenario *s, const struct scenario_run *run,
               const struct record *record, const struct canary_result *results)
{
    bool named = run->plan.canary_count > 1;

    strbuf_addc(out, '{');
    put_text(out, "scenario", s->name);
    put_text(out, "file", s->file);
    put_text(out, "title", s->title);
    put_text(out, "run", run->label);
    put_text(out, "profile", run->plan.info.profile);
    put_deviations(out, run->plan.info.deviations);
    put_int(out, "seed", (int64_t)run->options.seed);
    put_int(out, "endMs", record->info.end_ms - record->info.epoch_ms);
    key(out, "canaries");
    strbuf_addc(out, '[');
    for (uint32_t i = 0; i < run->plan.canary_count; i++)
        put_result(out, run->plan.canaries[i].specs[0], &results[i]);
    strbuf_addc(out, ']');
    key(out, "rows");
    strbuf_addc(out, '[');
    for (size_t i = 0; i < record->count; i++)
        if (record->rows[i].kind != ROW_GAUGE && record->rows[i].kind != ROW_LOG &&
            record->rows[i].kind != ROW_ASK)
            put_row(out, record, &record->rows[i], named);
    strbuf_addc(out, ']');
    strbuf_addc(out, '}');
}
