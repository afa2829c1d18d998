/*
 * build/conformance FILE... — run recorded rollouts through the engine in profile flagger-1.44 and
 * compare everything it does, line by line, with what the recorded operator did.
 *
 * The file format is described in tests/conformance/README.md. Exit 0 only if no case failed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "adapters/base/strbuf.h"
#include "engine/engine.h"
#include "engine/num.h"
#include "engine/render.h"
#include "tests/conformance/spec_json.h"

#define LINE_MAX_BYTES (16u * 1024u * 1024u)

/* The world of one case: what stays between ticks. */
struct world {
    const cJSON *tick;
    const struct spec *spec;
    const struct canary_json *canary;
    int primary, canary_weight;
    bool mirrored;
    bool cannot_mirror;
    const struct rollout *rollout;
    struct strbuf trace;
    char text[4096];
    const cJSON *templates;
};

static revision_t hash_text(const char *s)
{
    uint64_t h = 14695981039346656037u;

    if (!s || !*s)
        return 0;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h ? h : 1;
}

static revision_t configs_now(const struct world *w)
{
    const cJSON *configs = json_get(w->tick, "configs");
    char *sorted;
    revision_t r;

    if (!configs || cJSON_GetArraySize(configs) == 0)
        return 0;
    sorted = json_print_sorted(configs);
    r = hash_text(sorted);
    free(sorted);
    return r;
}

static void line(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(struct world *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    strbuf_addv(&w->trace, format, args);
    va_end(args);
    strbuf_addc(&w->trace, '\n');
}

static const char *payload(unsigned phase)
{
    return phase == PHASE_NONE ? "-" : phase_name((enum phase)phase);
}

/* ---- notes
 * ------------------------------------------------------------------------------------------ */

static void trace_alert(struct world *w, const struct note *n)
{
    char buffer[4096];
    struct text t;
    const char *name;
    bool any = false;

    text_init(&t, buffer, sizeof buffer);
    render_message(&t, w->spec, n);
    strbuf_addf(&w->trace, "alert %s %s",
                alert_severity_name(alert_id_severity((enum alert_id)n->id)), buffer);
    for (uint32_t i = 0; text_init(&t, buffer, sizeof buffer),
                  render_alert_field(w->spec, (enum alert_id)n->id, i, &name, &t);
         i++) {
        if (t.len == 0)
            continue;
        strbuf_addf(&w->trace, "%s%s=%s", any ? "; " : " {", name, buffer);
        any = true;
    }
    strbuf_adds(&w->trace, any ? "}\n" : "\n");
}

static void trace_gauge(struct world *w, const struct note *n)
{
    char buffer[64];
    struct text t;

    text_init(&t, buffer, sizeof buffer);
    switch ((enum gauge_id)n->id) {
    case GAUGE_STATUS:
        line(w, "gauge status=%d", n->a);
        break;
    case GAUGE_WEIGHT:
        line(w, "gauge weight=%d/%d", n->a, n->b);
        break;
    case GAUGE_ANALYSIS:
        text_add_float(&t, n->x);
        line(w, "gauge analysis{%s}=%s", w->spec->analysis.metrics[n->index].name, buffer);
        break;
    case GAUGE_DURATION:
        line(w, "gauge duration.observe");
        break;
    case GAUGE_SUCCESSES:
    case GAUGE_FAILURES:
        line(w, "gauge %s+1 {Name:%s Namespace:%s DeploymentStrategy:%s AnalysisStatus:%s}",
             n->id == GAUGE_SUCCESSES ? "successes" : "failures", w->spec->target_name, w->spec->ns,
             strategy_name(spec_strategy(w->spec)),
             n->a == ANALYSIS_SKIPPED ? "skipped" : "completed");
        break;
    case GAUGE_ID_COUNT:
        break;
    }
}

static void trace_note(struct world *w, const struct note *n)
{
    char buffer[4096];
    struct text t;

    switch ((enum note_kind)n->kind) {
    case NOTE_EVENT:
        text_init(&t, buffer, sizeof buffer);
        render_message(&t, w->spec, n);
        line(w, "event %s %s %s", event_type((enum event_id)n->id), payload(n->phase), buffer);
        break;
    case NOTE_ALERT:
        trace_alert(w, n);
        break;
    case NOTE_GAUGE:
        trace_gauge(w, n);
        break;
    case NOTE_LOG:
        break;
    }
}

/* ---- answers
 * ---------------------------------------------------------------------------------------- */

static void say(struct world *w, struct answer *a, unsigned outcome, const char *text)
{
    a->outcome = (uint8_t)outcome;
    snprintf(w->text, sizeof w->text, "%s", text ? text : "");
    a->text = w->text;
    a->text_len = (uint32_t)strlen(w->text);
}

/* Does this call fail in this tick? */
static bool fails(struct world *w, struct answer *a, const char *call)
{
    const char *text = json_str(json_get(w->tick, "fail"), call);

    if (text)
        say(w, a, OUTCOME_RETRY, text);
    return text != NULL;
}

static void answer_ready(struct world *w, struct answer *a, const char *side)
{
    const cJSON *r = json_get(w->tick, side);

    if (json_bool(r, "ready", false))
        return;
    say(w, a, json_bool(r, "retriable", true) ? OUTCOME_RETRY : OUTCOME_FAILED,
        json_str_or(r, "text", ""));
}

static void answer_hook(struct world *w, const struct ask *q, struct answer *a)
{
    const char *name = w->spec->analysis.hooks[q->index].name;
    const cJSON *h = json_get(json_get(w->tick, "hooks"), name);
    const char *error = json_str(h, "error");

    line(w, "hook %s %s", name, payload(q->phase));
    if (error)
        say(w, a, OUTCOME_RETRY, error);
}

static const char *unlisted_template(struct world *w, const struct metric_spec *m)
{
    static char text[512];
    const cJSON *t;

    cJSON_ArrayForEach(t, w->templates)
    {
        if (strcmp(t->valuestring, m->template_name) == 0 &&
            (strcmp(t->valuestring, "queue") == 0 ||
             strcmp(m->template_namespace, w->spec->ns) == 0))
            return NULL;
    }
    snprintf(text, sizeof text, "metrictemplate.flagger.app \"%s\" not found", m->template_name);
    return text;
}

static void answer_metric(struct world *w, const struct ask *q, struct answer *a)
{
    const struct metric_spec *m = &w->spec->analysis.metrics[q->index];
    const cJSON *r = json_get(json_get(w->tick, "metrics"), m->name);
    const char *missing = q->metric == METRIC_TEMPLATE ? unlisted_template(w, m) : NULL, *value;

    if (missing) {
        a->cause = CAUSE_TEMPLATE_GET;
        say(w, a, OUTCOME_FAILED, missing);
        return;
    }
    line(w, "metric %s", m->name);
    value = json_str(r, "value");
    if (value && num_parse(value, strlen(value), &a->value))
        return;
    if (json_get(r, "none"))
        say(w, a, OUTCOME_NO_VALUE, json_str(r, "none"));
    else
        say(w, a, OUTCOME_FAILED, json_str_or(r, "error", ""));
}

static void answer_providers(struct world *w, struct answer *a)
{
    for (uint32_t i = 0; i < w->spec->analysis.metric_count; i++) {
        const struct metric_spec *m = &w->spec->analysis.metrics[i];
        const char *missing;
        char text[1024];

        if (!m->template_name || metric_is_success_rate(m) || metric_is_duration(m))
            continue;
        missing = unlisted_template(w, m);
        if (!missing)
            continue;
        snprintf(text, sizeof text, "metric template %s.%s error: %s", m->template_name,
                 m->template_namespace, missing);
        say(w, a, OUTCOME_FAILED, text);
        return;
    }
}

static void answer_routes_get(struct world *w, struct answer *a)
{
    if (w->spec->provider_is_kubernetes) { /* no weights: derived from the status */
        a->primary = w->rollout->status.iterations > 0 ? 0 : 100;
        a->canary = 100 - a->primary;
        return;
    }
    if (fails(w, a, "getRoutes"))
        return;
    a->primary = w->primary;
    a->canary = w->canary_weight;
    a->mirrored = w->mirrored;
}

static void answer_routes_set(struct world *w, const struct ask *q, struct answer *a)
{
    line(w, "routes %d %d %s", q->primary, q->canary, q->flag ? "true" : "false");
    if (!w->spec->provider_is_kubernetes && fails(w, a, "setRoutes"))
        return;
    w->primary = q->primary;
    w->canary_weight = q->canary;
    w->mirrored = q->flag && !w->cannot_mirror;
}

static void trace_save(struct world *w, const struct save *s)
{
    switch ((enum save_op)s->op) {
    case SAVE_SYNC:
        line(w, "status sync %s weight=%d failedChecks=%d iterations=%d", payload(s->phase),
             s->weight, s->failed_checks, s->iterations);
        break;
    case SAVE_PHASE:
        line(w, "status phase %s", payload(s->phase));
        break;
    case SAVE_FAILED_CHECKS:
        line(w, "status failedChecks %d", s->failed_checks);
        break;
    case SAVE_WEIGHT:
        line(w, "status weight %d", s->weight);
        break;
    case SAVE_ITERATIONS:
        line(w, "status iterations %d", s->iterations);
        break;
    case SAVE_MEMORY:
        line(w, "status memory");
        break;
    }
}

static void perform(struct world *w, const struct ask *q, struct answer *a)
{
    memset(a, 0, sizeof *a);
    a->id = q->id;
    a->target = hash_text(json_str(w->tick, "target"));
    a->configs = configs_now(w);
    switch ((enum ask_kind)q->kind) {
    case ASK_PRIMARY_INIT:
        if (q->flag)
            answer_ready(w, a, "primary");
        break;
    case ASK_PROVIDERS:
        answer_providers(w, a);
        break;
    case ASK_PRIMARY_READY:
        answer_ready(w, a, "primary");
        break;
    case ASK_CANARY_READY:
        answer_ready(w, a, "canary");
        break;
    case ASK_ROUTES_GET:
        answer_routes_get(w, a);
        break;
    case ASK_ROUTES_SET:
        answer_routes_set(w, q, a);
        break;
    case ASK_HOOK:
        answer_hook(w, q, a);
        break;
    case ASK_METRIC:
        answer_metric(w, q, a);
        break;
    case ASK_SCALE_UP:
    case ASK_SCALE_ZERO:
        line(w, "scale %s", q->kind == ASK_SCALE_UP ? "up" : "zero");
        fails(w, a, "scale");
        break;
    case ASK_PROMOTE:
        line(w, "promote");
        fails(w, a, "promote");
        break;
    case ASK_SAVE:
        trace_save(w, &q->save);
        fails(w, a, "saveStatus");
        break;
    case ASK_NONE:
    case ASK_DONE:
    case ASK_LOAD:
    case ASK_SERVICES:
    case ASK_SCALER_PRIMARY:
    case ASK_SCALER_PAUSE:
    case ASK_SCALER_RESUME:
    case ASK_APEX:
    case ASK_ROUTES_RECONCILE:
    case ASK_TARGET:
    case ASK_CONFIGS:
    case ASK_METRICS_OPEN:
    case ASK_REVERT_TARGET:
    case ASK_REVERT_ROUTER:
    case ASK_FINALIZER_REMOVE:
    case ASK_COOKIES:
    case ASK_KIND_COUNT:
        break;
    }
}

static void run_tick(struct world *w, struct rollout *r, ms_t now_ms)
{
    struct step step;
    struct answer answer;

    engine_begin(r, w->spec, TICK_ANALYSIS, now_ms, &step);
    for (;;) {
        for (uint32_t i = 0; i < step.note_count; i++)
            trace_note(w, &step.notes[i]);
        if (step.ask.kind == ASK_DONE)
            break;
        perform(w, &step.ask, &answer);
        engine_answer(r, w->spec, &answer, &step);
    }
}

/* ---- comparing
 * -------------------------------------------------------------------------------------- */

/* What stands after the tick, in the order of the keys of `expect`. */
static void describe(struct world *w, const struct rollout *r, struct strbuf *out)
{
    const struct status *s = &r->stored;
    char buffer[512];
    struct text t;

    strbuf_addf(out, "phase=%s failedChecks=%d canaryWeight=%d iterations=%d\n",
                phase_name((enum phase)s->phase), s->failed_checks, s->canary_weight,
                s->iterations);
    strbuf_addf(out, "applied=%016llx promoted=%016llx\n", (unsigned long long)s->applied,
                (unsigned long long)s->promoted);
    if (s->condition != CONDITION_NONE) {
        text_init(&t, buffer, sizeof buffer);
        render_condition(&t, w->spec, (enum phase)s->condition_reason);
        strbuf_addf(out, "condition %s %s %s\n",
                    condition_status_name((enum condition_status)s->condition),
                    phase_name((enum phase)s->condition_reason), buffer);
    }
    if (!w->spec->provider_is_kubernetes)
        strbuf_addf(out, "routes %d %d %s\n", w->primary, w->canary_weight,
                    w->mirrored ? "true" : "false");
}

static void describe_expected(const cJSON *e, struct strbuf *out)
{
    const cJSON *c = json_get(e, "condition"), *routes = json_get(e, "routes");

    strbuf_addf(out, "phase=%s failedChecks=%d canaryWeight=%d iterations=%d\n",
                json_str_or(e, "phase", ""), (int)json_int(e, "failedChecks", -99),
                (int)json_int(e, "canaryWeight", -99), (int)json_int(e, "iterations", -99));
    strbuf_addf(out, "applied=%016llx promoted=%016llx\n",
                (unsigned long long)hash_text(json_str(e, "applied")),
                (unsigned long long)hash_text(json_str(e, "promoted")));
    if (c)
        strbuf_addf(out, "condition %s %s %s\n", cJSON_GetArrayItem(c, 0)->valuestring,
                    cJSON_GetArrayItem(c, 1)->valuestring, cJSON_GetArrayItem(c, 2)->valuestring);
    if (routes)
        strbuf_addf(out, "routes %d %d %s\n", cJSON_GetArrayItem(routes, 0)->valueint,
                    cJSON_GetArrayItem(routes, 1)->valueint,
                    cJSON_IsTrue(cJSON_GetArrayItem(routes, 2)) ? "true" : "false");
}

static void join_lines(const cJSON *list, struct strbuf *out)
{
    const cJSON *l;

    cJSON_ArrayForEach(l, list)
    {
        strbuf_adds(out, cJSON_IsString(l) ? l->valuestring : "?");
        strbuf_addc(out, '\n');
    }
}

static size_t line_length(const char *s)
{
    return strcspn(s, "\n");
}

static void print_side_by_side(const char *want, const char *got)
{
    printf("    %-78s | %s\n", "expected", "actual");
    while (*want || *got) {
        size_t a = line_length(want), b = line_length(got);
        bool same = a == b && memcmp(want, got, a) == 0;

        printf("  %c %-78.*s | %.*s\n", same ? ' ' : '*', (int)a, want, (int)b, got);
        want += a + (want[a] == '\n');
        got += b + (got[b] == '\n');
    }
}

static bool compare_tick(const char *id, int tick, const cJSON *expect, struct world *w,
                         const struct rollout *r)
{
    struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
    bool same;

    join_lines(json_get(expect, "trace"), &want);
    describe_expected(expect, &want);
    strbuf_adds(&got, strbuf_str(&w->trace));
    describe(w, r, &got);
    same = strcmp(strbuf_str(&want), strbuf_str(&got)) == 0;
    if (!same) {
        printf("%s: tick %d differs\n", id, tick);
        print_side_by_side(strbuf_str(&want), strbuf_str(&got));
    }
    strbuf_release(&want);
    strbuf_release(&got);
    return same;
}

/* ---- cases
 * ------------------------------------------------------------------------------------------ */

static bool run_ticks(const cJSON *record, struct canary_json *canary, struct world *w,
                      struct rollout *r)
{
    const cJSON *tick;
    int n = 0;

    cJSON_ArrayForEach(tick, json_get(record, "ticks"))
    {
        n++;
        w->tick = tick;
        if (json_get(tick, "edit") && !canary_json_edit(canary, json_get(tick, "edit")))
            return false;
        w->spec = canary_json_spec(canary);
        strbuf_clear(&w->trace);
        run_tick(w, r, (ms_t)n * 60000);
        if (!compare_tick(json_str_or(record, "id", "?"), n, json_get(tick, "expect"), w, r))
            return false;
    }
    return n > 0;
}

static bool run_case(const cJSON *record)
{
    struct canary_json *canary =
        canary_json_new(json_get(record, "canary"), json_str_or(record, "meshProvider", "istio"),
                        json_str(record, "clusterName"));
    struct world w;
    struct rollout r;
    const char *phase = json_str_or(json_get(record, "initialStatus"), "phase", "");
    enum phase initial = PHASE_NONE;
    bool ok;

    if (!canary) {
        printf("%s: the Canary could not be read\n", json_str_or(record, "id", "?"));
        return false;
    }
    memset(&w, 0, sizeof w);
    w.primary = 100;
    w.canary = canary;
    w.rollout = &r;
    w.cannot_mirror = json_bool(record, "routerCannotMirror", false);
    w.templates = json_get(record, "metricTemplates");
    rollout_init(&r);
    phase_find(phase, strlen(phase), &initial);
    r.stored.phase = (uint8_t)initial;
    ok = run_ticks(record, canary, &w, &r);
    strbuf_release(&w.trace);
    canary_json_free(canary);
    return ok;
}

static int run_file(const char *path, int *passed, int *failed)
{
    /* gzip -f passes what is not compressed through as it is. */
    FILE *f = freopen(path, "rb", stdin) ? popen("gzip -dcf", "r") : NULL;
    char *text = malloc(LINE_MAX_BYTES);
    int rc = 0;

    if (!f || !text) {
        fprintf(stderr, "conformance: %s: %s\n", path, strerror(errno));
        rc = -1;
    }
    while (rc == 0 && fgets(text, (int)LINE_MAX_BYTES, f)) {
        size_t len = strlen(text);
        cJSON *record;

        if (len < 2)
            continue;
        record = json_parse(text, len, NULL);
        if (record && run_case(record))
            ++*passed;
        else
            ++*failed;
        json_free(record);
    }
    if (f && pclose(f) != 0)
        rc = -1;
    free(text);
    return rc;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;

    if (argc < 2) {
        fputs("usage: conformance FILE.jsonl[.gz]...\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (run_file(argv[i], &passed, &failed) != 0)
            return 3;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
