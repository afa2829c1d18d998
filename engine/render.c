#include "engine/render.h"

#include <string.h>

#include "engine/num.h"

/*
 * The texts, with these places: %N canary.namespace, %T target.namespace, %P primary.namespace, %K
 * target kind, %a %b counts, %h hook, %e error, %m metric, %x value with two decimals, %v bound, %d
 * value as duration, %D bound as duration, %p metrics provider, %q template, %s subject, %S metrics
 * server, %k namespace/target, %c command.
 */
static const char *const event_texts[EVENT_COUNT] = {
    [EVENT_SUSPEND] = "skipping canary run as object is suspended",
    [EVENT_RAW] = "%e",
    [EVENT_RAW_E] = "%e",
    [EVENT_PROV_OK] = "all the metrics providers are available!",
    [EVENT_PROV_ERR] = "Error checking metric providers: %e",
    [EVENT_SCALE0_ERR] = "scaling down canary %K %T failed: %e",
    [EVENT_INIT] = "Initialization done! %N",
    [EVENT_NEWREV] = "New revision detected! Scaling up %T",
    [EVENT_RESTART] = "New revision detected! Restarting analysis for %T",
    [EVENT_START] = "Starting canary analysis for %T",
    [EVENT_ADV_W] = "Advance %N canary weight %a",
    [EVENT_ADV_IT] = "Advance %N canary iteration %a/%b",
    [EVENT_ADV_PW] = "Advance %N primary weight %a",
    [EVENT_COPY] = "Copying %T template spec to %P",
    [EVENT_TO_PRIMARY] = "Routing all traffic to primary",
    [EVENT_TO_CANARY] = "Routing all traffic to canary",
    [EVENT_MIRROR_OFF] = "Stop traffic mirroring and route all traffic to canary",
    [EVENT_DONE] = "Promotion completed! Scaling down %T",
    [EVENT_DONE_SKIP] = "Promotion completed! Canary analysis was skipped for %T",
    [EVENT_K8S_AB] = "A/B testing is not supported when using the kubernetes provider",
    [EVENT_K8S_PT] = "Progressive traffic is not supported when using the kubernetes provider",
    [EVENT_K8S_IT] = "Setting canaryAnalysis.iterations: 10",
    [EVENT_RB_THRESHOLD] = "Rolling back %N failed checks threshold reached %a",
    [EVENT_RB_MANUAL] = "Rolling back %N manual webhook invoked",
    [EVENT_RB_DEADLINE] = "Rolling back %N progress deadline exceeded %e",
    [EVENT_FAILED] = "Canary failed! Scaling down %N",
    [EVENT_PROMO_FAILED] = "Promotion of %T failed, primary not ready: %e",
    [EVENT_CR_HALT] = "Halt %N advancement waiting for approval %h",
    [EVENT_CR_OK] = "Confirm-rollout check %h passed",
    [EVENT_CTI_HALT] = "Halt %N advancement waiting for traffic increase approval %h",
    [EVENT_CTI_OK] = "Confirm-traffic-increase check %h passed",
    [EVENT_CP_HALT] = "Halt %N advancement waiting for promotion approval %h",
    [EVENT_CP_OK] = "Confirm-promotion check %h passed",
    [EVENT_PRE_FAIL] = "Halt %N advancement pre-rollout check %h failed %e",
    [EVENT_PRE_OK] = "Pre-rollout check %h passed",
    [EVENT_RO_FAIL] = "Halt %N advancement external check %h failed %e",
    [EVENT_POST_FAIL] = "Post-rollout hook %h failed %e",
    [EVENT_POST_OK] = "Post-rollout check %h passed",
    [EVENT_RBH_NO] = "Rollback hook %h not signaling a rollback",
    [EVENT_RBH_YES] = "Rollback check %h passed",
    [EVENT_M_RATE_LOW] = "Halt %N advancement success rate %x%% < %v%%",
    [EVENT_M_RATE_HIGH] = "Halt %N advancement success rate %x%% > %v%%",
    [EVENT_M_DUR_HIGH] = "Halt %N advancement request duration %d > %D",
    [EVENT_M_DUR_LOW] = "Halt %N advancement request duration %d < %D",
    [EVENT_M_VAL_HIGH] = "Halt %N advancement %m %x > %v",
    [EVENT_M_VAL_LOW] = "Halt %N advancement %m %x < %v",
    [EVENT_M_RATE_NONE] = ("Halt advancement no values found for %p metric %m probably %T is not "
                           "receiving traffic: %e"),
    [EVENT_M_DUR_NONE] =
        "Halt advancement no values found for %p metric %m probably %T is not receiving traffic",
    [EVENT_M_INL_NONE] = "Halt advancement no values found for metric: %m",
    [EVENT_M_TPL_NONE] = "Halt advancement no values found for custom metric: %m: %e",
    [EVENT_M_PROM_ERR] = "Prometheus query failed: %e",
    [EVENT_M_INL_ERR] = "Prometheus query failed for %m: %e",
    [EVENT_M_TPL_ERR] = "Metric query failed for %m: %e",
    [EVENT_M_CLIENT] = "Error building Prometheus client for %S %e",
    [EVENT_M_TPL_GET] = "Metric template %q error: %e",
    [EVENT_M_TPL_SECRET] = "Metric template %q secret %s error: %e",
    [EVENT_M_TPL_PROV] = "Metric template %q provider %s error: %e",
    [EVENT_M_TPL_RENDER] = "Metric template %q query render error: %e",
    [EVENT_M_NOTHING] =
        "Metric query failed for no usable metrics template and query were configured",
    [EVENT_M_KNATIVE] = "Error fetching Knative service %k %e",
    [EVENT_TERMINATING] = "Terminating canary %N",
    [EVENT_TERMINATED] = "Terminated canary %N",
    [EVENT_REVERTED] = "Revision reverted to the promoted one! Cancelling the rollout of %T",
    [EVENT_HELD_ON_CANARY] = "Primary of %N is not ready, keeping all traffic on the canary",
    [EVENT_NO_STEPS] = "Halt %N advancement: stepWeight, stepWeights or iterations is needed",
    [EVENT_M_NOT_FINITE] = "Halt %N advancement %m %x is not a finite number",
    [EVENT_M_JUDGED] = "Halt %N advancement %m failed its judge at %x",
    [EVENT_M_WAIT] = "Wait for more requests before judging %m of %N",
    [EVENT_PAUSED] = "Canary %N paused",
    [EVENT_RESUMED] = "Canary %N resumed",
    [EVENT_ABORTED] = "Rolling back %N aborted by a person",
    [EVENT_RETRIED] = "Retrying the failed revision of %T",
    [EVENT_PROMOTED_NOW] = "Promoting %N now, the rest of the analysis is skipped by a person",
    [EVENT_COMMAND_REFUSED] = "Nothing to %c in the present phase of %N",
};

static const char *const alert_texts[ALERT_ID_COUNT] = {
    [ALERT_INITIALIZED] = "New %K detected, initialization completed.",
    [ALERT_NEW_REVISION] = "New revision detected, progressing canary analysis.",
    [ALERT_DONE] = "Canary analysis completed successfully, promotion finished.",
    [ALERT_SKIPPED] = "Canary analysis was skipped, promotion finished.",
    [ALERT_THRESHOLD] = "Failed checks threshold reached %a",
    [ALERT_MANUAL] = "Rolling back manual webhook invoked",
    [ALERT_PROMOTION_FAILED] = "Promotion failed, primary not ready: %e",
    [ALERT_CONFIRM_ROLLOUT] = "Canary is waiting for approval.",
    [ALERT_CONFIRM_TRAFFIC] = "Canary traffic increase is waiting for approval.",
    [ALERT_CONFIRM_PROMOTION] = "Canary promotion is waiting for approval.",
    [ALERT_DEADLINE] = "Progress deadline exceeded %e",
    [ALERT_ABORTED] = "Rolling back aborted by a person",
};

static void add_pair(struct text *t, const char *a, const char *middle, const char *b)
{
    text_adds(t, a);
    text_adds(t, middle);
    text_adds(t, b);
}

static const struct metric_spec *metric_of(const struct spec *s, const struct note *n)
{
    return n->index < s->analysis.metric_count ? &s->analysis.metrics[n->index] : NULL;
}

/* Whole milliseconds are multiplied as integers: their nanoseconds are more than a double holds. */
static void add_ms(struct text *t, double ms)
{
    bool fits = ms > -9223372036854.7755 && ms < 9223372036854.7755;
    int64_t whole = fits ? (int64_t)ms : 0;

    if (fits && ms != (double)whole)
        text_add_duration(t, (int64_t)(ms * 1e6));
    else
        text_add_duration(t, whole * 1000000);
}

static void add_place(struct text *t, const struct spec *s, const struct note *n, char place)
{
    const struct metric_spec *m = metric_of(s, n);

    switch (place) {
    case 'N':
        add_pair(t, s->name, ".", s->ns);
        break;
    case 'T':
        add_pair(t, s->target_name, ".", s->ns);
        break;
    case 'P':
        text_adds(t, s->target_name);
        add_pair(t, "-primary", ".", s->ns);
        break;
    case 'K':
        text_adds(t, s->target_kind_name);
        break;
    case 'a':
        text_add_int(t, n->a);
        break;
    case 'b':
        text_add_int(t, n->b);
        break;
    case 'h':
        if (n->index < s->analysis.hook_count)
            text_adds(t, s->analysis.hooks[n->index].name);
        break;
    case 'e':
        text_add(t, n->text ? n->text : "", n->text ? n->text_len : 0);
        break;
    case 'm':
        text_adds(t, m ? m->name : "");
        break;
    case 'x':
        text_add_fixed2(t, n->x);
        break;
    case 'v':
        text_add_float(t, n->bound);
        break;
    case 'd':
        add_ms(t, n->x);
        break;
    case 'D':
        add_ms(t, n->bound);
        break;
    case 'p':
        text_adds(t, s->metrics_provider);
        break;
    case 'q':
        if (m)
            add_pair(t, m->template_name, ".", m->template_namespace);
        break;
    case 's':
        text_adds(t, n->subject);
        break;
    case 'S':
        text_adds(t, s->metrics_server);
        break;
    case 'k':
        add_pair(t, s->ns, "/", s->target_name);
        break;
    case 'c':
        text_adds(t, command_name((enum command)n->a));
        break;
    default: /* %% */
        text_addc(t, place);
        break;
    }
}

static void add_filled(struct text *t, const struct spec *s, const struct note *n,
                       const char *format)
{
    for (; *format; format++) {
        const char *percent = strchr(format, '%');

        if (!percent) {
            text_adds(t, format);
            return;
        }
        text_add(t, format, (size_t)(percent - format));
        format = percent + 1;
        add_place(t, s, n, *format);
    }
}

static const char *event_text(const struct note *n)
{
    if (n->id >= EVENT_COUNT)
        return "";
    if (n->id == EVENT_RAW && n->detail == RAW_SYNC_FAILED)
        return "failed to sync canary %N status: %e";
    if (n->id == EVENT_RAW && n->detail == RAW_GET_FAILED)
        return "failed to get canary %N: %e";
    return event_texts[n->id];
}

void render_message(struct text *t, const struct spec *spec, const struct note *note)
{
    if (note->kind == NOTE_ALERT)
        add_filled(t, spec, note, note->id < ALERT_ID_COUNT ? alert_texts[note->id] : "");
    else if (note->kind == NOTE_EVENT)
        add_filled(t, spec, note, event_text(note));
}

/* Returns false when neither step form is configured: the field is left out. */
static bool add_routing(struct text *t, const struct spec *s)
{
    const struct analysis_spec *an = &s->analysis;

    switch (spec_strategy(s)) {
    case STRATEGY_AB:
        text_adds(t, "A/B Testing");
        return true;
    case STRATEGY_BLUE_GREEN:
        text_adds(t, "Blue/Green");
        return true;
    case STRATEGY_CANARY:
        break;
    }
    if (an->step_weight > 0) {
        text_adds(t, "Weight step: ");
        text_add_int(t, an->step_weight);
    } else if (an->step_weight_count > 0) {
        text_adds(t, "Weight steps: ");
        for (uint32_t i = 0; i < an->step_weight_count; i++) {
            if (i > 0)
                text_addc(t, ',');
            text_add_int(t, an->step_weights[i]);
        }
    } else {
        return false;
    }
    text_adds(t, " max: ");
    text_add_int(t, an->max_weight);
    return true;
}

bool render_alert_field(const struct spec *spec, enum alert_id id, uint32_t n,
                        const char **ret_name, struct text *value)
{
    if (spec->cluster_name && spec->cluster_name[0]) {
        if (n == 0) {
            *ret_name = "Cluster";
            text_adds(value, spec->cluster_name);
            return true;
        }
        n--;
    }
    if (!alert_has_metadata(id))
        return false;
    switch (n) {
    case 0:
        *ret_name = "Target";
        add_pair(value, spec->target_kind_name, "/", spec->target_name);
        add_pair(value, ".", spec->ns, NULL);
        return true;
    case 1:
        *ret_name = "Failed checks threshold";
        text_add_int(value, spec->analysis.threshold);
        return true;
    case 2:
        *ret_name = "Progress deadline";
        text_add_int(value, spec->progress_deadline_s);
        text_addc(value, 's');
        return true;
    case 3:
        *ret_name = "Traffic routing";
        return add_routing(value, spec);
    default:
        return false;
    }
}

void render_condition(struct text *t, const struct spec *spec, enum phase phase)
{
    static const char *const texts[PHASE_COUNT] = {
        [PHASE_INITIALIZED] = "%K initialization completed.",
        [PHASE_WAITING] = "Waiting for approval.",
        [PHASE_WAITING_PROMOTION] = "Waiting for approval.",
        [PHASE_PROGRESSING] = "New revision detected, progressing canary analysis.",
        [PHASE_PROMOTING] = "Canary analysis completed, starting primary rolling update.",
        [PHASE_FINALISING] = "Canary analysis completed, routing all traffic to primary.",
        [PHASE_SUCCEEDED] = "Canary analysis completed successfully, promotion finished.",
        [PHASE_FAILED] = "Canary analysis failed, %K scaled to zero.",
    };
    struct note none;

    memset(&none, 0, sizeof none);
    add_filled(t, spec, &none,
               (unsigned)phase < PHASE_COUNT && texts[phase]
                   ? texts[phase]
                   : "New %K detected, starting initialization.");
}
