#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/whatif/histogram.h"
#include "adapters/whatif/whatif.h"
#include "engine/judge.h"
#include "sim/stat.h"

/* A Canary read from docs/whatif, as the sweep reads it. */
struct fixture {
    struct arena *arena;
    struct diags diags;
    struct canary canary;
    struct policy_options options;
};

static void fixture_read(struct fixture *f, const char *path)
{
    struct canary_options options = {.deviations = PROFILE_DEFAULT};
    struct whatif_source source;
    struct whatif_metrics none = {.count = 0};
    const char *text;
    size_t len;

    f->arena = arena_new(0);
    diags_init(&f->diags, f->arena);
    ck_assert_int_eq(file_read(f->arena, path, 0, &text, &len), 0);
    ck_assert_int_eq(whatif_source_read(&source, f->arena, &f->diags, path, text, len, &options),
                     0);
    ck_assert_int_eq(
        canary_decode_json(f->arena, &f->diags, path, source.object, &options, &f->canary), 0);
    whatif_source_release(&source);
    whatif_choose_metrics(&f->canary.spec, &none, &f->options);
}

static void fixture_release(struct fixture *f)
{
    diags_release(&f->diags);
    arena_free(f->arena);
}

static const char *const pages[] = {"docs/whatif/docs.yaml", "docs/whatif/istio.yaml",
                                    "docs/whatif/nginx.yaml", "docs/whatif/gloo.yaml",
                                    "tests/golden/whatif/gates.yaml"};

START_TEST(walking_the_table_is_stepping_the_engine)
{
    struct rng r = rng_init(21, (uint32_t)_i, 0);
    struct fixture f;
    struct policy p;

    fixture_read(&f, pages[_i]);
    f.options.outages = true;
    ck_assert_int_eq(policy_make(&p, &f.canary.spec, &f.options), 0);
    for (int path = 0; path < 400; path++) {
        struct policy_walker *w = malloc(sizeof *w);
        uint32_t state = 0, passes = (uint32_t)rng_below(&r, 4) * 30;

        policy_walker_init(w, &f.canary.spec);
        for (int tick = 0; tick < 300 && p.states[state].end == END_NONE; tick++) {
            uint8_t digits[POLICY_METRICS_MAX];
            bool closed = p.gate && rng_below(&r, 3) == 0;
            struct policy_state real, *known;

            for (uint32_t i = 0; i < p.metric_count; i++) {
                bool pass = rng_below(&r, 100) < passes;
                digits[i] = pass ? DIGIT_IN : p.digits[rng_below(&r, p.base)];
                w->metrics[i] = policy_answer(&p.metrics[i], (enum check_digit)digits[i]);
            }
            policy_walker_tick(w, &f.canary.spec, tick * 977, closed, &real);
            state = p.next[(size_t)state * p.symbol_count + policy_symbol(&p, digits, closed)];
            known = &p.states[state];
            ck_assert_msg(known->weight == real.weight && known->phase == real.phase &&
                              known->end == real.end && known->mirrored == real.mirrored &&
                              known->failed_checks == real.failed_checks &&
                              known->iterations == real.iterations,
                          "%s, path %d, tick %d: the table says weight %d phase %s failed %d, the "
                          "engine %d %s %d",
                          pages[_i], path, tick, known->weight,
                          phase_name((enum phase)known->phase), known->failed_checks, real.weight,
                          phase_name((enum phase)real.phase), real.failed_checks);
        }
        free(w);
    }
    policy_release(&p);
    fixture_release(&f);
}
END_TEST

static void play(const char *page, struct whatif_model model, uint32_t runs,
                 struct whatif_tally *tally, struct whatif_exact *exact)
{
    struct whatif_case *c;
    struct fixture f;
    struct policy p;

    fixture_read(&f, page);
    f.options.outages = model.outage_ppm > 0;
    ck_assert_int_eq(policy_make(&p, &f.canary.spec, &f.options), 0);
    ck_assert_int_eq(whatif_case_new(&c, &p, &model), 0);
    ck_assert_int_eq(whatif_tally_init(tally, whatif_ticks_max(c), false), 0);
    whatif_play(c, 1, 0, runs, tally);
    ck_assert_uint_eq(tally->runs, runs);
    ck_assert_int_eq(whatif_sum(c, exact), 0);
    whatif_case_free(c);
    policy_release(&p);
    fixture_release(&f);
}

static struct whatif_model traffic(double rps, double errors);

/* The table leaves the verdict of a judge of counts to the run: the engine, fed with the same
 * counts, must go the same way. */
START_TEST(a_judge_asked_outside_the_engine_says_the_same)
{
    struct rng r = rng_init(22, 0, 0);
    struct fixture f;
    struct policy p;

    fixture_read(&f, "scenarios/judges/anytime.yaml");
    ck_assert_int_eq(policy_make(&p, &f.canary.spec, &f.options), 0);
    for (int path = 0; path < 300; path++) {
        struct policy_walker *w = malloc(sizeof *w);
        struct judge_state judge = {0};
        double excess = 1 + path % 4;
        uint32_t state = 0;

        policy_walker_init(w, &f.canary.spec);
        for (int tick = 0; tick < 300 && p.states[state].end == END_NONE; tick++) {
            struct answer a = {.outcome = OUTCOME_OK, .value = 99.9};
            struct policy_state real;
            uint8_t digit = DIGIT_IN;

            a.canary_requests = stat_poisson(&r, 1000); /* fewer than 500: never */
            a.canary_requests = rng_below(&r, 10) == 0 ? 499 : a.canary_requests;
            a.primary_requests = stat_poisson(&r, 4000);
            a.canary_errors = stat_binomial(&r, a.canary_requests, 0.004 * excess);
            a.primary_errors = stat_binomial(&r, a.primary_requests, 0.004);
            w->metrics[0] = a;
            policy_walker_tick(w, &f.canary.spec, tick * 977, false, &real);
            if (p.states[state].checks) {
                enum verdict v = judge_look(&judge, &p.metrics[0].spec->judge, false, &a);
                digit = v == VERDICT_FAIL ? DIGIT_OUT : v == VERDICT_WAIT ? DIGIT_FEW : DIGIT_IN;
            }
            state = p.next[(size_t)state * p.symbol_count + policy_symbol(&p, &digit, false)];
            ck_assert_msg(p.states[state].weight == real.weight &&
                              p.states[state].phase == real.phase &&
                              p.states[state].failed_checks == real.failed_checks,
                          "path %d, tick %d: weight %d, the engine says %d", path, tick,
                          p.states[state].weight, real.weight);
        }
        free(w);
    }
    policy_release(&p);
    fixture_release(&f);
}
END_TEST

/* Never more false rollbacks than alpha; five times the errors are found. */
START_TEST(a_sweep_plays_judges_that_compare)
{
    static const char *const files[] = {"scenarios/judges/anytime.yaml",
                                        "tests/golden/whatif/mann-whitney.yaml"};
    struct whatif_model m = traffic(200, 0.002);
    struct whatif_tally t;
    struct whatif_exact e;
    uint32_t runs = 20000;

    m.old_errors = 0.002;
    play(files[_i], m, runs, &t, &e);
    ck_assert(!e.known && e.flaw == EXACT_JUDGES);
    ck_assert_msg((double)t.rolled_back <= 0.01 * runs + 3 * sqrt(0.01 * 0.99 * runs),
                  "%llu false rollbacks", (unsigned long long)t.rolled_back);
    whatif_tally_release(&t);
    m.errors = m.errors_before = 0.01;
    play(files[_i], m, runs, &t, &e);
    ck_assert_msg((double)t.rolled_back > 0.95 * runs, "%llu found",
                  (unsigned long long)t.rolled_back);
    whatif_tally_release(&t);
}
END_TEST

static struct whatif_model traffic(double rps, double errors)
{
    struct whatif_model m = whatif_model_default();

    m.rps = rps;
    m.errors = m.errors_before = errors;
    return m;
}

/* Where checks are independent the simulation must meet the sum: 4.5 standard errors. */
START_TEST(simulation_agrees_with_the_exact_sum)
{
    static const double rps[] = {0.2, 1, 5, 20}, errors[] = {0.001, 0.005, 0.02, 0.05};
    uint32_t runs = 20000;

    for (int i = 0; i < 16; i++) {
        struct whatif_model m = traffic(rps[i / 4], errors[i % 4]);
        struct whatif_tally t;
        struct whatif_exact e;

        m.latency = m.latency_counts = _i == 2;
        play(_i == 2 ? "tests/golden/whatif/two-metrics.yaml" : pages[_i], m, runs, &t, &e);
        double p = (double)t.rolled_back / runs, se = sqrt(e.rollback * (1 - e.rollback) / runs);
        double bad = (double)t.bad / 1000 / runs;
        ck_assert(e.known && e.flaw == EXACT_TRUE);
        ck_assert_msg(fabs(p - e.rollback) < 4.5 * se + 2.0 / runs, "%g rps, %g: %g, exact %g",
                      m.rps, m.errors, p, e.rollback);
        ck_assert_msg(fabs(bad - e.bad) < 0.05 * e.bad + 0.01, "%g rps, %g: %g bad, exact %g",
                      m.rps, m.errors, bad, e.bad);
        ck_assert(fabs(e.rollback + e.promote + e.unfinished - 1) < 1e-9);
        whatif_tally_release(&t);
    }
}
END_TEST

/* One weight, certain failures: I_p(T, N) is the whole story. istio: five steps, threshold five. */
START_TEST(the_exact_sum_contains_the_closed_form)
{
    struct whatif_tally t;
    struct whatif_exact e;
    struct whatif_model m = traffic(1e-9, 0); /* no values: every check fails */

    play("docs/whatif/istio.yaml", m, 100, &t, &e);
    ck_assert(e.rollback > 0.999999 && t.rolled_back == 100);
    ck_assert_uint_eq(whatif_quantile(t.back, t.ticks_max, 0.5), 7);
    ck_assert_uint_eq(whatif_quantile(t.detection, t.ticks_max, 0.5), 6);
    whatif_tally_release(&t);
    /* A metric server that is out for every tenth check fails checks independently with p = 0.1. */
    m = traffic(1000, 0);
    m.outage_ppm = 100000;
    play("docs/whatif/istio.yaml", m, 60000, &t, &e);
    double want = stat_rollback_closed_form(5, 5, 0.1), se = sqrt(want * (1 - want) / 60000);
    ck_assert_msg(fabs((double)t.rolled_back / 60000 - want) < 4 * se, "%g, closed form %g",
                  (double)t.rolled_back / 60000, want);
    whatif_tally_release(&t);
}
END_TEST

START_TEST(other_arrivals_and_faults_follow_their_formulas)
{
    static const double constant[] = {20, 20, 20};
    struct whatif_model m = traffic(20, 0.05), same = m;
    struct whatif_tally a, b;
    struct whatif_exact e;
    uint32_t runs = 4000;

    /* The general path with nothing that changes agrees with the tables. */
    same.burst_ppm = 1;
    play("docs/whatif/gloo.yaml", m, runs, &a, &e);
    play("docs/whatif/gloo.yaml", same, runs, &b, &e);
    ck_assert(e.flaw == EXACT_UNSTEADY && !e.known);
    ck_assert_msg(fabs((double)a.bad - (double)b.bad) < 0.05 * (double)a.bad, "%llu %llu",
                  (unsigned long long)a.bad, (unsigned long long)b.bad);
    whatif_tally_release(&b);
    /* A recorded constant trace is thinned: the same mean. */
    same = m;
    same.trace = constant;
    same.trace_count = 3;
    same.trace_slot_ms = 60000;
    same.rps = 0;
    play("docs/whatif/gloo.yaml", same, runs, &b, &e);
    ck_assert(fabs((double)a.requests - (double)b.requests) < 0.05 * (double)a.requests);
    whatif_tally_release(&b);
    /* However the counts of a slot are cut into cells, none is lost: 3 a minute, read every 10 s.
     */
    static const double few[] = {0.05, 0.05};
    same.trace = few;
    same.trace_count = 2;
    play("docs/whatif/gloo.yaml", same, runs, &b, &e);
    double thinned = (double)b.requests;
    whatif_tally_release(&b);
    same.trace = NULL;
    same.rps = 0.05;
    same.burst_ppm = 1;
    play("docs/whatif/gloo.yaml", same, runs, &b, &e);
    ck_assert_msg(fabs(thinned - (double)b.requests) < 0.2 * thinned, "%g thinned, %g drawn",
                  thinned, (double)b.requests);
    whatif_tally_release(&b);
    /* Onset: no detection before it, and the fault at weight 30 is not seen at 5. */
    same = m;
    same.errors_before = 0;
    same.onset_weight = 30;
    same.errors = 0.5;
    play("docs/whatif/gloo.yaml", same, runs, &b, &e);
    ck_assert_uint_eq(b.rolled_back, runs);
    ck_assert(whatif_quantile(b.back, b.ticks_max, 0.0001) >= 12);
    whatif_tally_release(&b);
    whatif_tally_release(&a);
    ck_assert(fabs(model_errors(&same, 30, 0) - 0.5) < 1e-12 && model_errors(&same, 29, 0) == 0);
    same.warmup_ms = 10000;
    same.warmup_errors = 0.2;
    ck_assert(fabs(model_errors(&same, 5, 5000) - 0.1) < 1e-12);
    same.onset_weight = 0;
    same.warmup_ms = 0;
    same.ramp_ms = 1000;
    ck_assert(fabs(model_errors(&same, 5, 500) - 0.25) < 1e-12);
    same.diurnal_amplitude = 0.5;
    same.trace = NULL;
    same.rps = 8;
    for (ms_t hour = 0; hour < 24; hour++)
        ck_assert(fabs(model_rate(&same, hour * 3600000) -
                       8 * (1 + 0.5 * sin((double)hour / 24 * 6.283185307179586))) < 1e-12);
}
END_TEST

START_TEST(quantiles_are_interpolated_as_prometheus_does)
{
    /* promql/promqltest/testdata/histograms.test: the shapes, with counts instead of rates. */
    static const double bounds[] = {0.1, 0.2, 1};
    static const uint64_t counts[] = {5, 2, 3, 0}, over[] = {0, 0, 0, 7};

    ck_assert(fabs(model_histogram_quantile(0.5, counts, bounds, 4) - 0.1) < 1e-12);
    ck_assert(fabs(model_histogram_quantile(0.6, counts, bounds, 4) - 0.15) < 1e-12);
    ck_assert(fabs(model_histogram_quantile(1, counts, bounds, 4) - 1) < 1e-12);
    ck_assert(fabs(model_histogram_quantile(0.2, counts, bounds, 4) - 0.04) < 1e-12);
    ck_assert(fabs(model_histogram_quantile(0.99, over, bounds, 4) - 1) < 1e-12);
}
END_TEST

START_TEST(latency_users_and_capacity_follow_their_closed_forms)
{
    struct whatif_model m = whatif_model_default();
    struct capacity_model c = {3, 30, 10, 0.5, 40000, 0};
    ms_t short_ms;

    ck_assert(fabs(model_latency_cdf(&m, m.median_ms) - 0.5) < 1e-12);
    ck_assert(fabs(model_latency_cdf(&m, m.p99_ms) - 0.99) < 1e-12);
    m.slowdown = 3;
    ck_assert(fabs(model_latency_cdf(&m, 3 * m.p99_ms) - 0.99) < 1e-12);
    ck_assert(fabs(model_users_spared(0.1, 7) - pow(0.9, 7)) < 1e-14);
    /* 100 rps at half of 10 rps per pod: 20 pods; half of the traffic away: 10 pods for 100 rps. */
    ck_assert(fabs(model_capacity_dip(&c, 100, 50, &short_ms) - 1.0) < 1e-12 && short_ms == 0);
    c.target = 1;
    ck_assert(fabs(model_capacity_dip(&c, 100, 50, &short_ms) - 0.5) < 1e-12);
    ck_assert_int_eq(short_ms, 55000);
}
END_TEST

START_TEST(an_autoscaler_that_has_settled_dips_as_the_closed_form_says)
{
    static const double targets[] = {0.5, 0.7, 1};

    for (int i = 0; i < 3 * 10; i++) {
        struct capacity_model c = {3, 30, 10, targets[i % 3], 40000, 60000};
        int32_t percent = 10 * (i / 3);
        struct scaler s;
        ms_t short_ms;
        double want = model_capacity_dip(&c, 100, percent, &short_ms), rest = 100 - percent;

        scaler_init(&s, &c, 100);
        scaler_run(&s, 600000, rest);
        ck_assert_msg(s.least >= 1, "short before traffic returned: %g", s.least);
        scaler_run(&s, 700000, 100);
        double least = s.least < want ? s.least : want;
        ck_assert_msg(fabs(s.least - want) < 1e-12 || (want >= 1 && least >= 1),
                      "%d %% at %g: %g, closed form %g", percent, c.target, s.least, want);
        ck_assert(s.short_ms <= short_ms && (s.short_ms > 0) == (want < 1));
        ck_assert(want >= 1 || fabs(s.over - (1 - want) * 100 * (double)s.short_ms / 1000) < 1e-9);
    }
}
END_TEST

/* Traffic that returns within the stabilization window finds every pod; a cap on pods is for good.
 */
START_TEST(an_autoscaler_waits_before_it_scales_down)
{
    struct capacity_model c = {1, 30, 10, 1, 40000, 300000};
    struct scaler s;
    ms_t short_ms;

    scaler_init(&s, &c, 100);
    scaler_run(&s, 290000, 20);
    scaler_run(&s, 400000, 100);
    ck_assert(fabs(s.least - 1) < 1e-12 && s.short_ms == 0 && s.ready == 10);
    scaler_run(&s, 720000, 20);
    ck_assert_int_eq(s.ready, 2);
    scaler_run(&s, 720001, 100);
    ck_assert(fabs(s.least - 0.2) < 1e-12);
    /* a thousand years are no loop */
    scaler_run(&s, 31536000000000, 100);
    ck_assert(s.ready == 10 && s.now_ms == 31536000000000 && s.look_ms >= s.now_ms);
    scaler_run(&s, s.now_ms + 20000, 50);
    ck_assert_int_eq(s.ready, 10);
    c.max_replicas = 6;
    ck_assert(fabs(model_capacity_dip(&c, 100, 90, &short_ms) - 0.1) < 1e-12);
    ck_assert(short_ms == MS_NEVER);
}
END_TEST

START_TEST(a_recorded_histogram_is_read_and_interpolated)
{
    static const char *const texts[] = {
        "le,count\n50,900\n100,950\n500,985\n+Inf,1000\n",
        "# TYPE d histogram\nd_seconds_bucket{p=\"/\",le=\"0.05\"} 400 17\n"
        "d_seconds_bucket{p=\"/a\",le=\"0.05\"} 500\nd_seconds_bucket{le=\"0.1\"} 950\n"
        "d_seconds_bucket{le=\"0.5\"} 985\nd_seconds_bucket{le=\"+Inf\"} 1000\nd_seconds_sum 9\n",
        "{\"data\":{\"result\":["
        "{\"metric\":{\"le\":\"500\"},\"values\":[[1,\"15\"],[2,\"1000\"]]},"
        "{\"metric\":{\"le\":\"+Inf\"},\"value\":[1,\"1000\"]},"
        "{\"metric\":{\"le\":\"50\"},\"value\":[1,\"900\"]},"
        "{\"metric\":{\"le\":\"100\"},\"value\":[1,\"950\"]}]}}",
    };
    struct whatif_model m = whatif_model_default();
    struct arena *arena = arena_new(0);
    struct model_histogram h;
    struct diags diags;

    diags_init(&diags, arena);
    ck_assert_int_eq(histogram_read(&h, arena, &diags, "h", texts[_i], strlen(texts[_i]), 0), 0);
    m.histogram = &h;
    ck_assert_uint_eq(h.count, 3);
    ck_assert(fabs(model_latency_cdf(&m, 25) - 0.45) < 1e-12);
    ck_assert(fabs(model_latency_cdf(&m, 100) - 0.95) < 1e-12);
    ck_assert(fabs(model_latency_cdf(&m, 300) - 0.9675) < 1e-12);
    ck_assert(fabs(model_latency_cdf(&m, 1e9) - 0.985) < 1e-12); /* the rest took longer */
    m.slowdown = 2;
    ck_assert(fabs(model_latency_cdf(&m, 200) - 0.95) < 1e-12);
    diags_release(&diags);
    arena_free(arena);
}
END_TEST

static const struct {
    const char *text, *error;
} bad_histograms[] = {
    {"", "no requests: this is no histogram of latencies"},
    {"50;900\n", "expected a bound, a comma and a count"},
    {"50,900\n100,800\n+Inf,1000\n", "the counts do not grow with their bounds, at 100"},
    {"50,900\n100,-1\n", "the count is no number of at least 0"},
    {"a_bucket{le=\"1\"} 5\nb_bucket{le=\"1\"} 5\n",
     "a second histogram, b_bucket beside a_bucket"},
    {"a_bucket{l=\"1\"} 5\n", "the bucket has no label le that is a number"},
    {"{\"data\":{\"result\":[{\"metric\":{},\"value\":[1,\"3\"]}]}}",
     "a series without a bound: its label le is missing or no number"},
    {"{", "not valid JSON"},
};
START_TEST(what_is_no_histogram_is_said)
{
    struct arena *arena = arena_new(0);
    struct model_histogram h;
    struct diags diags;

    diags_init(&diags, arena);
    ck_assert_int_eq(histogram_read(&h, arena, &diags, "h", bad_histograms[_i].text,
                                    strlen(bad_histograms[_i].text), 0),
                     -EINVAL);
    ck_assert_str_eq(diags.items[0].what, bad_histograms[_i].error);
    diags_release(&diags);
    arena_free(arena);
}
END_TEST

/* Bucketed P99 with a bound on a boundary is a count of slow requests: both ways agree run by run
 * in the mean. */
START_TEST(bucketed_quantiles_agree_with_counting_at_a_boundary)
{
    struct whatif_model m = traffic(20, 0.001);
    struct whatif_tally bucketed, counted;
    struct whatif_exact e;
    uint32_t runs = 6000;

    m.latency = true;
    m.median_ms = 100;
    m.p99_ms = 480;
    play("tests/golden/whatif/two-metrics.yaml", m, runs, &bucketed, &e);
    m.latency_counts = true;
    play("tests/golden/whatif/two-metrics.yaml", m, runs, &counted, &e);
    double a = (double)bucketed.rolled_back / runs, b = (double)counted.rolled_back / runs;
    double se = sqrt((a * (1 - a) + b * (1 - b)) / runs);
    ck_assert(e.flaw == EXACT_TRUE && b > 0.01 && b < 0.99);
    ck_assert_msg(fabs(a - b) < 4.5 * se, "%g bucketed, %g counted, exact %g", a, b, e.rollback);
    whatif_tally_release(&bucketed);
    whatif_tally_release(&counted);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("models");
    TCase *tc = tcase_create("models");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, walking_the_table_is_stepping_the_engine, 0, 5);
    tcase_add_test(tc, a_judge_asked_outside_the_engine_says_the_same);
    tcase_add_loop_test(tc, a_sweep_plays_judges_that_compare, 0, 2);
    tcase_add_loop_test(tc, simulation_agrees_with_the_exact_sum, 0, 3);
    tcase_add_test(tc, the_exact_sum_contains_the_closed_form);
    tcase_add_test(tc, other_arrivals_and_faults_follow_their_formulas);
    tcase_add_test(tc, quantiles_are_interpolated_as_prometheus_does);
    tcase_add_test(tc, latency_users_and_capacity_follow_their_closed_forms);
    tcase_add_test(tc, an_autoscaler_that_has_settled_dips_as_the_closed_form_says);
    tcase_add_test(tc, an_autoscaler_waits_before_it_scales_down);
    tcase_add_loop_test(tc, a_recorded_histogram_is_read_and_interpolated, 0, 3);
    tcase_add_loop_test(tc, what_is_no_histogram_is_said, 0,
                        sizeof bad_histograms / sizeof *bad_histograms);
    tcase_add_test(tc, bucketed_quantiles_agree_with_counting_at_a_boundary);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
