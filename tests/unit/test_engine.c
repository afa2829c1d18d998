/* The engine's contract: fencing, forking, people's commands, the finalizer, answers at hand. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/render.h"

/* A world in which all goes well, and a log of what was asked and said. */
struct world {
    struct spec spec;
    struct metric_spec metric;
    struct hook_spec hooks[2];
    struct rollout rollout;
    struct step step;
    int32_t primary, canary;
    revision_t target;
    double value;
    uint8_t outcomes[ASK_KIND_COUNT]; /* what to answer */
    uint8_t hook_outcome;
    uint8_t raw_phase; /* payload phase of the last error event */
    ms_t now;
    uint64_t notes; /* so far */
    char log[8192];
};

static void say(struct world *w, const char *text)
{
    strncat(w->log, text, sizeof w->log - strlen(w->log) - 1);
    strncat(w->log, "; ", sizeof w->log - strlen(w->log) - 1);
}

static void note_events(struct world *w)
{
    w->notes += w->step.note_count;
    for (uint32_t i = 0; i < w->step.note_count; i++) {
        const struct note *n = &w->step.notes[i];
        if (n->kind == NOTE_EVENT)
            say(w, event_name((enum event_id)n->id));
        if (n->kind == NOTE_EVENT && n->id == EVENT_RAW)
            w->raw_phase = n->phase;
        if (n->kind == NOTE_ALERT) {
            say(w, "alert");
            say(w, alert_name((enum alert_id)n->id));
        }
    }
}

static void log_effect(struct world *w)
{
    const struct ask *q = &w->step.ask;
    char text[64];

    if (q->kind == ASK_ROUTES_SET)
        snprintf(text, sizeof text, "routes %d/%d", q->primary, q->canary);
    else if (q->kind == ASK_SAVE)
        snprintf(text, sizeof text, "save %s", phase_name((enum phase)q->save.phase));
    else if (q->kind == ASK_PROMOTE || q->kind == ASK_SCALE_ZERO || q->kind == ASK_SCALE_UP ||
             q->kind >= ASK_REVERT_TARGET || (q->kind == ASK_CANARY_READY && q->wait_ms > 0))
        snprintf(text, sizeof text, "%s", ask_kind_name((enum ask_kind)q->kind));
    else
        return;
    say(w, text);
}

static struct answer answer_for(struct world *w)
{
    const struct ask *q = &w->step.ask;
    struct answer a;

    memset(&a, 0, sizeof a);
    a.id = q->id;
    a.outcome = q->kind == ASK_HOOK ? w->hook_outcome : w->outcomes[q->kind];
    a.target = w->target;
    a.primary = w->primary;
    a.canary = w->canary;
    a.value = w->value;
    if (q->kind == ASK_ROUTES_SET && a.outcome == OUTCOME_OK) {
        w->primary = q->primary;
        w->canary = q->canary;
    }
    return a;
}

static void tick_kind(struct world *w, enum tick_kind kind)
{
    w->log[0] = '\0';
    w->now += 60000;
    engine_begin(&w->rollout, &w->spec, kind, w->now, &w->step);
    for (int asks = 0; asks < 200; asks++) {
        struct answer a;
        note_events(w);
        if (w->step.ask.kind == ASK_DONE)
            return;
        log_effect(w);
        a = answer_for(w);
        engine_answer(&w->rollout, &w->spec, &a, &w->step);
    }
    ck_abort_msg("the tick does not end");
}

static void tick(struct world *w)
{
    tick_kind(w, TICK_ANALYSIS);
}

static void ticks(struct world *w, int n)
{
    while (n-- > 0)
        tick(w);
}

static enum phase phase_of(const struct world *w)
{
    return (enum phase)w->rollout.stored.phase;
}

static struct world world;

static void setup(void)
{
    struct world *w = &world;
    struct analysis_spec *an = &w->spec.analysis;

    memset(w, 0, sizeof *w);
    w->spec.name = w->spec.target_name = "podinfo";
    w->spec.ns = "test";
    w->spec.target_kind_name = "Deployment";
    w->spec.provider = w->spec.metrics_provider = "istio";
    w->spec.deviations = PROFILE_DEFAULT;
    an->present = true;
    an->interval_ms = 60000;
    an->threshold = 2;
    an->step_weight = 20;
    an->max_weight = 60;
    w->metric.name = "request-success-rate";
    w->metric.has_range = w->metric.range.has_min = true;
    w->metric.range.min = 99;
    an->metrics = &w->metric;
    an->metric_count = 1;
    an->hooks = w->hooks;
    w->primary = 100;
    w->value = 100;
    w->target = 1;
    rollout_init(&w->rollout);
}

/* Installed, a new revision pushed, first step made. */
static void to_first_step(struct world *w)
{
    tick(w);
    ck_assert_int_eq(phase_of(w), PHASE_INITIALIZED);
    w->target = 2;
    ticks(w, 2);
    ck_assert_int_eq(phase_of(w), PHASE_PROGRESSING);
    ck_assert_int_eq(w->canary, 20);
}

START_TEST(a_good_revision_is_promoted_step_by_step)
{
    to_first_step(&world);
    tick(&world);
    ck_assert_str_eq(world.log, "routes 60/40; ADV_W; save ; ");
    tick(&world);
    tick(&world);
    ck_assert_str_eq(world.log, "COPY; promote; save Promoting; ");
    tick(&world);
    ck_assert_str_eq(world.log, "TO_PRIMARY; routes 100/0; save Finalising; ");
    tick(&world);
    ck_assert_str_eq(world.log, "scale-zero; save Succeeded; DONE; alert; DONE; ");
    ck_assert_uint_eq(world.rollout.stored.promoted, 2);
}
END_TEST

START_TEST(late_and_repeated_answers_change_nothing)
{
    struct rollout before;
    struct answer a;

    memset(&a, 0, sizeof a);
    to_first_step(&world);
    engine_begin(&world.rollout, &world.spec, TICK_ANALYSIS, world.now, &world.step);
    a.id = world.step.ask.id;
    engine_answer(&world.rollout, &world.spec, &a, &world.step);
    before = world.rollout;
    engine_answer(&world.rollout, &world.spec, &a, &world.step); /* repeated */
    ck_assert_int_eq(world.step.ask.kind, ASK_NONE);
    ck_assert_mem_eq(&before, &world.rollout, sizeof before);
    a.id += 7; /* of a future or another life */
    engine_answer(&world.rollout, &world.spec, &a, &world.step);
    ck_assert_int_eq(world.step.ask.kind, ASK_NONE);
    ck_assert_mem_eq(&before, &world.rollout, sizeof before);
    tick(&world); /* and a tick begun anew goes its way */
    ck_assert_int_eq(world.canary, 40);
}
END_TEST

START_TEST(a_copy_of_the_state_is_a_fork_of_the_world)
{
    struct world other;

    to_first_step(&world);
    other = world;
    other.spec.analysis.metrics = &other.metric;
    other.value = 50;
    ticks(&other, 3);
    ticks(&world, 3);
    ck_assert_int_eq(phase_of(&other), PHASE_FAILED);
    ck_assert_int_eq(phase_of(&world), PHASE_PROMOTING);
}
END_TEST

START_TEST(a_pause_holds_until_it_is_resumed)
{
    to_first_step(&world);
    rollout_command(&world.rollout, COMMAND_PAUSE);
    tick(&world);
    ck_assert_str_eq(world.log, "PAUSED; save ; ");
    ticks(&world, 5);
    ck_assert_str_eq(world.log, "");
    ck_assert_int_eq(world.canary, 20);
    rollout_command(&world.rollout, COMMAND_RESUME);
    tick(&world);
    ck_assert_int_eq(world.canary, 40);
}
END_TEST

START_TEST(an_abort_rolls_back_at_once)
{
    to_first_step(&world);
    rollout_command(&world.rollout, COMMAND_ABORT);
    tick(&world);
    ck_assert_str_eq(world.log,
                     "ABORTED; alert; ABORTED; routes 100/0; FAILED; scale-zero; save Failed; ");
    tick(&world);
    ck_assert_int_eq(phase_of(&world), PHASE_FAILED);
}
END_TEST

START_TEST(a_retry_starts_the_failed_revision_again)
{
    to_first_step(&world);
    rollout_command(&world.rollout, COMMAND_ABORT);
    ticks(&world, 4);
    ck_assert_int_eq(phase_of(&world), PHASE_FAILED);
    rollout_command(&world.rollout, COMMAND_RETRY);
    tick(&world);
    ck_assert_int_eq(phase_of(&world), PHASE_PROGRESSING);
    ticks(&world, 8);
    ck_assert_int_eq(phase_of(&world), PHASE_SUCCEEDED);
    ck_assert_uint_eq(world.rollout.stored.promoted, 2);
}
END_TEST

START_TEST(a_person_may_promote_without_the_rest_of_the_analysis)
{
    to_first_step(&world);
    rollout_command(&world.rollout, COMMAND_PROMOTE);
    tick(&world);
    ck_assert_str_eq(world.log, "PROMOTED_NOW; COPY; promote; save Promoting; ");
    ticks(&world, 2);
    ck_assert_int_eq(phase_of(&world), PHASE_SUCCEEDED);
}
END_TEST

START_TEST(a_command_with_nothing_to_do_is_refused)
{
    tick(&world);
    rollout_command(&world.rollout, COMMAND_ABORT);
    tick(&world);
    ck_assert_str_eq(world.log, "COMMAND_REFUSED; ");
    ck_assert_int_eq(world.rollout.command, COMMAND_NONE);
}
END_TEST

START_TEST(the_finalizer_brings_the_target_back_before_the_routes)
{
    to_first_step(&world);
    world.spec.revert_on_deletion = true;
    tick_kind(&world, TICK_FINALIZE);
    ck_assert_str_eq(world.log, "TERMINATING; save Terminating; revert-target; revert-router; "
                                "TERMINATED; finalizer-remove; ");
}
END_TEST

START_TEST(the_finalizer_waits_for_the_target_as_long_as_the_interval_allows)
{
    static const struct {
        ms_t interval_ms;
        const char *log;
    } cases[] = {
        {10000, "revert-target; canary-ready; "},
        {12000, "revert-target; canary-ready; canary-ready; "},
        {60000, "revert-target; canary-ready; canary-ready; canary-ready; "},
    };

    to_first_step(&world);
    tick_kind(&world, TICK_FINALIZE);
    world.spec.analysis.interval_ms = cases[_i].interval_ms;
    world.outcomes[ASK_CANARY_READY] = OUTCOME_RETRY;
    tick_kind(&world, TICK_FINALIZE);
    ck_assert_str_eq(world.log, cases[_i].log);
}
END_TEST

START_TEST(session_cookies_are_stored_before_the_routes_use_them)
{
    world.spec.analysis.has_session_affinity = true;
    to_first_step(&world);
    tick(&world);
    ck_assert_str_eq(world.log, "cookies; routes 60/40; ADV_W; save ; ");
    world.outcomes[ASK_COOKIES] = OUTCOME_RETRY;
    tick(&world); /* not stored: the traffic stays where it is */
    ck_assert_str_eq(world.log, "cookies; RAW; ");
    ck_assert_int_eq(world.canary, 40);
    world.outcomes[ASK_COOKIES] = OUTCOME_OK;
    world.spec.deviations = PROFILE_FLAGGER_1_44;
    tick(&world);
    ck_assert_str_eq(world.log, "routes 40/60; save ; ADV_W; ");
}
END_TEST

START_TEST(what_cannot_be_stored_is_said_as_flagger_says_it)
{
    world.spec.deviations = PROFILE_FLAGGER_1_44;
    world.outcomes[ASK_SAVE] = OUTCOME_RETRY;
    tick(&world);
    ck_assert_str_eq(world.log, "PROV_OK; scale-zero; save Initialized; RAW; ");
    ck_assert_int_eq(world.raw_phase, PHASE_INITIALIZED);
    world.outcomes[ASK_SAVE] = OUTCOME_OK;
    world.hooks[0].name = "gate";
    world.hooks[0].type = HOOK_CONFIRM_PROMOTION;
    world.spec.analysis.hook_count = 1;
    world.hook_outcome = OUTCOME_RETRY;
    to_first_step(&world);
    ticks(&world, 3);
    ck_assert_int_eq(phase_of(&world), PHASE_WAITING_PROMOTION);
    world.outcomes[ASK_SAVE] = OUTCOME_RETRY;
    tick(&world);
    ck_assert_str_eq(world.log, "save ; RAW; ");
}
END_TEST

START_TEST(time_that_goes_back_is_no_time)
{
    to_first_step(&world);
    engine_begin(&world.rollout, &world.spec, TICK_ANALYSIS, 5, &world.step);
    ck_assert_int_eq(world.rollout.now_ms, world.now);
}
END_TEST

START_TEST(any_answer_to_any_ask_leads_somewhere)
{
    for (unsigned kind = ASK_LOAD; kind < ASK_KIND_COUNT; kind++) {
        setup();
        world.hooks[0].name = "gate";
        world.hooks[0].type = HOOK_CONFIRM_PROMOTION;
        world.spec.analysis.hook_count = 1;
        world.spec.has_autoscaler = world.spec.tracks_configs = true;
        world.spec.deviations = _i & 4 ? PROFILE_DEFAULT : PROFILE_FLAGGER_1_44;
        world.outcomes[kind] = (uint8_t)(_i % 4 == 3 ? 250 : _i % 4);
        world.hook_outcome = (uint8_t)(kind == ASK_HOOK ? _i : OUTCOME_OK);
        ticks(&world, 2);
        world.target = 2;
        ticks(&world, 12);
        tick_kind(&world, TICK_FINALIZE);
        ck_assert_uint_lt((unsigned)phase_of(&world), PHASE_COUNT);
        ck_assert_int_eq(world.primary + world.canary, 100);
    }
}
END_TEST

/* One spec for each group of rows that a spec can leave out, or walk. */
enum { SPEC_VARIANTS = 10 };
static void vary_spec(struct world *w, int variant)
{
    struct spec *s = &w->spec;

    s->analysis.metrics = &w->metric;
    s->analysis.hooks = w->hooks;
    s->analysis.hook_count = variant == 1 || variant == 2 || variant == 3 ? 2 : 0;
    w->hooks[0].type = variant == 1 ? HOOK_ROLLOUT : HOOK_CONFIRM_TRAFFIC_INCREASE;
    w->hooks[1].type = variant == 1 ? HOOK_PRE_ROLLOUT : HOOK_CONFIRM_PROMOTION;
    if (variant == 3) {
        w->hooks[0].type = HOOK_ROLLBACK; /* says yes: nothing is ever promoted */
        w->hooks[1].type = HOOK_POST_ROLLOUT;
    }
    s->analysis.iterations = variant == 4 || variant == 5 ? 3 : 0;
    s->analysis.match_count = variant == 4;
    s->skip_analysis = variant == 6;
    s->has_autoscaler = s->tracks_configs = variant == 7;
    if (variant == 8) {
        w->metric.name = "custom";
        w->metric.template_name = "custom";
    }
    if (variant == 9)
        s->deviations = PROFILE_FLAGGER_1_44;
}

/* As tick(), but what `hand` has is answered from there. */
static void tick_at_hand(struct world *w, struct hand *hand)
{
    w->now += 60000;
    hand->ok.target = w->target;
    engine_run(&w->rollout, &w->spec, TICK_ANALYSIS, w->now, hand, &w->step);
    w->primary = hand->ok.primary;
    w->canary = hand->ok.canary;
    while (w->step.ask.kind != ASK_DONE) {
        struct answer a = answer_for(w);
        if (w->step.ask.kind == ASK_METRIC) {
            ck_assert_uint_eq(w->step.ask.index, 0);
            ck_assert_uint_eq(w->step.ask.metric,
                              w->metric.template_name ? METRIC_TEMPLATE : METRIC_RATE);
        }
        engine_answer(&w->rollout, &w->spec, &a, &w->step);
        w->notes += w->step.note_count;
    }
    hand->ok.primary = w->primary;
    hand->ok.canary = w->canary;
}

START_TEST(answers_at_hand_decide_as_stepping_does)
{
    static const uint32_t not_at_hand[] = {0,
                                           0,
                                           1u << ASK_METRIC,
                                           1u << ASK_SAVE,
                                           1u << ASK_ROUTES_SET,
                                           1u << ASK_HOOK,
                                           1u << ASK_SERVICES,
                                           1u << ASK_LOAD};
    struct world other;
    struct answer value;
    struct hand hand;
    int ways = sizeof not_at_hand / sizeof not_at_hand[0];
    int way = _i % ways;

    vary_spec(&world, _i / ways);
    other = world;
    vary_spec(&other, _i / ways);
    memset(&value, 0, sizeof value);
    memset(&hand, 0, sizeof hand);
    hand.kinds = ~not_at_hand[way];
    hand.quiet = way == 0;
    hand.ok.primary = 100;
    hand.metrics = &value;
    hand.metric_count = 1;
    for (int i = 0; i < 40; i++) {
        world.target = other.target = i < 2 ? 1 : i < 15 ? 2 : 3;
        world.value = other.value = value.value = i % 7 == 3 ? 50 : 100;
        tick(&world);
        tick_at_hand(&other, &hand);
        ck_assert_mem_eq(&other.rollout.stored, &world.rollout.stored, sizeof world.rollout.stored);
        ck_assert_uint_eq(other.rollout.memory, world.rollout.memory);
        ck_assert_int_eq(other.canary, world.canary);
        ck_assert_int_eq(other.primary, world.primary);
        ck_assert_uint_eq(hand.notes + other.notes, world.notes);
    }
    ck_assert_uint_gt(world.notes, 40);
}
END_TEST

START_TEST(each_deviation_of_step_weights_stands_alone)
{
    /* At 10 %, which is not in the list any more: (a) Flagger and growing steps alone go to 100,
     * (b) the next greater element is asked for by its own name. */
    static const int32_t edited[] = {5, 25, 50};
    static const int32_t uneven[] = {10, 50, 20, 80};
    static const struct {
        deviations_t deviations;
        const int32_t *list;
        uint32_t count;
        int32_t from, step;
    } cases[] = {
        {PROFILE_FLAGGER_1_44, edited, 3, 10, 90},
        {DEVIATION(INCREASING_STEPS), edited, 3, 10, 90},
        {DEVIATION(NEXT_GREATER_STEP), edited, 3, 10, 15},
        {PROFILE_DEFAULT, edited, 3, 10, 15},
        {DEVIATION(INCREASING_STEPS), edited, 3, 0, 5},
        {DEVIATION(INCREASING_STEPS), edited, 3, 25, 25},
        {PROFILE_FLAGGER_1_44, uneven, 4, 50, -30},
        {DEVIATION(INCREASING_STEPS), uneven, 4, 50, 30},
        {DEVIATION(INCREASING_STEPS), uneven, 4, 20, 80},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world.spec.deviations = cases[i].deviations;
        world.spec.analysis.step_weight = 0;
        world.spec.analysis.step_weights = cases[i].list;
        world.spec.analysis.step_weight_count = cases[i].count;
        ck_assert_msg(spec_next_step(&world.spec, cases[i].from) == cases[i].step, "case %zu: %d",
                      i, spec_next_step(&world.spec, cases[i].from));
    }
}
END_TEST

/* Installed, version 2 promoted to a primary that does not come up, then back to version 1. */
static void to_reverted_after_failed_promotion(struct world *w, deviations_t deviations)
{
    w->spec.deviations = deviations;
    to_first_step(w);
    ticks(w, 3);
    ck_assert_int_eq(phase_of(w), PHASE_PROMOTING);
    w->outcomes[ASK_PRIMARY_READY] = OUTCOME_FAILED;
    ticks(w, 2);
    ck_assert_int_eq(phase_of(w), PHASE_FAILED);
    ck_assert_int_eq(w->canary, 100);
    w->outcomes[ASK_PRIMARY_READY] = OUTCOME_OK;
    w->target = 1;
    tick(w);
}

START_TEST(a_revert_after_a_failed_promotion_needs_no_other_deviation)
{
    to_reverted_after_failed_promotion(&world, PROFILE_FLAGGER_1_44);
    ck_assert_int_eq(phase_of(&world), PHASE_FAILED);
    setup();
    to_reverted_after_failed_promotion(&world, DEVIATION(REVERT_AFTER_FAILED_PROMOTION));
    ck_assert_int_eq(phase_of(&world), PHASE_PROGRESSING);
    ck_assert_uint_eq(world.rollout.stored.applied, 1);
}
END_TEST

/* A process dies after the routes were written: the next one knows only what is stored. */
static void next_process(struct world *w)
{
    struct status stored = w->rollout.stored;

    rollout_init(&w->rollout);
    rollout_load(&w->rollout, &stored, 0);
}

static bool logs(const struct world *w, const char *event)
{
    return strncmp(w->log, event, strlen(event)) == 0;
}

START_TEST(a_step_that_landed_untold_is_told_by_the_next_process)
{
    to_first_step(&world);
    world.primary = 60; /* the write landed; nothing was stored or told */
    world.canary = 40;
    next_process(&world);
    tick(&world);
    ck_assert_str_eq(world.log, "ADV_W; routes 40/60; ADV_W; save ; ");
    next_process(&world);
    tick(&world);
    ck_assert(!logs(&world, "ADV_W; "));
    setup();
    world.spec.deviations &= ~DEVIATION(TELL_FIRST);
    to_first_step(&world);
    world.primary = 60;
    world.canary = 40;
    next_process(&world);
    tick(&world);
    ck_assert_str_eq(world.log, "routes 40/60; save ; ADV_W; ");
}
END_TEST

START_TEST(a_step_whose_answer_was_lost_is_told_by_the_next_tick)
{
    to_first_step(&world);
    world.outcomes[ASK_ROUTES_SET] = OUTCOME_RETRY;
    tick(&world);
    ck_assert_str_eq(world.log, "routes 60/40; RAW; ");
    world.outcomes[ASK_ROUTES_SET] = OUTCOME_OK;
    world.primary = 60;
    world.canary = 40;
    tick(&world);
    ck_assert_str_eq(world.log, "ADV_W; routes 40/60; ADV_W; save ; ");
}
END_TEST

static void to_promotion(struct world *w, int32_t step_weight)
{
    w->spec.analysis.step_weight_promotion = step_weight;
    to_first_step(w);
    ticks(w, 3);
    ck_assert_int_eq(phase_of(w), PHASE_PROMOTING);
}

START_TEST(a_step_back_to_the_primary_is_told_by_the_next_process)
{
    to_promotion(&world, 30);
    world.primary = 70;
    world.canary = 30;
    next_process(&world);
    tick(&world);
    ck_assert_str_eq(world.log, "ADV_PW; routes 100/0; ADV_PW; save Finalising; ");
}
END_TEST

START_TEST(a_promotion_without_any_weight_left_gives_it_to_the_primary)
{
    to_promotion(&world, 10);
    world.primary = world.canary = 0; /* some routers report this when their route is not there */
    tick(&world);
    ck_assert_str_eq(world.log, "routes 100/0; ADV_PW; save Finalising; ");
    tick(&world);
    ck_assert_int_eq(phase_of(&world), PHASE_SUCCEEDED);
    ck_assert_int_eq(world.primary, 100);
}
END_TEST

/* Nanoseconds of 18 years are more than a double holds; Go counts them in an integer. */
START_TEST(long_durations_are_printed_to_the_nanosecond)
{
    static const struct {
        double ms;
        const char *text;
    } cases[] = {
        {500, "500ms"},
        {-1500, "-1.5s"},
        {61250, "1m1.25s"},
        {576460752304, "160127h59m12.304s"},
        {9223372036854, "2562047h47m16.854s"},
        {-9223372036854, "-2562047h47m16.854s"},
        {9.3e12, "0s"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct note n = {.kind = NOTE_EVENT, .id = EVENT_M_DUR_HIGH, .x = cases[i].ms};
        char text[128], want[128];
        struct text t;

        text_init(&t, text, sizeof text);
        render_message(&t, &world.spec, &n);
        snprintf(want, sizeof want, "Halt podinfo.test advancement request duration %s > 0s",
                 cases[i].text);
        ck_assert_str_eq(text, want);
    }
}
END_TEST

START_TEST(a_live_rollout_is_below_one_kibibyte)
{
    ck_assert_uint_lt(sizeof(struct rollout), 1024);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine");
    TCase *tc = tcase_create("engine");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_good_revision_is_promoted_step_by_step);
    tcase_add_test(tc, late_and_repeated_answers_change_nothing);
    tcase_add_test(tc, a_copy_of_the_state_is_a_fork_of_the_world);
    tcase_add_test(tc, a_pause_holds_until_it_is_resumed);
    tcase_add_test(tc, an_abort_rolls_back_at_once);
    tcase_add_test(tc, a_retry_starts_the_failed_revision_again);
    tcase_add_test(tc, a_person_may_promote_without_the_rest_of_the_analysis);
    tcase_add_test(tc, a_command_with_nothing_to_do_is_refused);
    tcase_add_test(tc, the_finalizer_brings_the_target_back_before_the_routes);
    tcase_add_loop_test(tc, the_finalizer_waits_for_the_target_as_long_as_the_interval_allows, 0,
                        3);
    tcase_add_test(tc, session_cookies_are_stored_before_the_routes_use_them);
    tcase_add_test(tc, what_cannot_be_stored_is_said_as_flagger_says_it);
    tcase_add_test(tc, time_that_goes_back_is_no_time);
    tcase_add_loop_test(tc, any_answer_to_any_ask_leads_somewhere, 0, 8);
    tcase_add_loop_test(tc, answers_at_hand_decide_as_stepping_does, 0, 8 * SPEC_VARIANTS);
    tcase_add_test(tc, each_deviation_of_step_weights_stands_alone);
    tcase_add_test(tc, a_revert_after_a_failed_promotion_needs_no_other_deviation);
    tcase_add_test(tc, a_promotion_without_any_weight_left_gives_it_to_the_primary);
    tcase_add_test(tc, a_step_that_landed_untold_is_told_by_the_next_process);
    tcase_add_test(tc, a_step_whose_answer_was_lost_is_told_by_the_next_tick);
    tcase_add_test(tc, a_step_back_to_the_primary_is_told_by_the_next_process);
    tcase_add_test(tc, long_durations_are_printed_to_the_nanosecond);
    tcase_add_test(tc, a_live_rollout_is_below_one_kibibyte);
    suite_add_tcase(s, tc);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
