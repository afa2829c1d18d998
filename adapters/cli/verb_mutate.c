/* coalmine mutate: twelve injected faults; which of them would this policy promote? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/cli/verbs.h"
#include "adapters/cli/whatif_args.h"

/* What is wrong with the release, beside its error rate: changes of the model. */
struct fault {
    const char *name, *what;
    bool must; /* a policy that promotes it guards nothing */
    double errors, slowdown;
    void (*change)(struct whatif_model *m);
};

static void set_in_late(struct whatif_model *m)
{
    m->onset_ms = 180000;
}

static void set_in_at_weight(struct whatif_model *m)
{
    m->onset_weight = 30;
}

static void set_in_slowly(struct whatif_model *m)
{
    m->ramp_ms = 600000;
}

static void come_and_go(struct whatif_model *m)
{
    m->blip_ppm = 500000;
    m->blip_errors = 0.1;
}

static void lose_metrics(struct whatif_model *m)
{
    m->outage_ppm = 1000000;
}

static void test_nothing(struct whatif_model *m)
{
    m->load_rps = 0;
    m->rps = -1; /* no requests at all: hooks say 200 and nothing was tried */
}

static const struct fault faults[] = {
    {"all-errors", "every request fails", true, 1, 1, NULL},
    {"half-errors", "every second request fails", true, 0.5, 1, NULL},
    {"five-percent-errors", "5 % of requests fail", true, 0.05, 1, NULL},
    {"two-percent-errors", "2 % of requests fail", false, 0.02, 1, NULL},
    {"late-errors", "10 % fail from three minutes on", false, 0.1, 1, set_in_late},
    {"errors-under-load", "10 % fail at weight 30 and above", false, 0.1, 1, set_in_at_weight},
    {"growing-errors", "errors grow to 30 % within ten minutes", false, 0.3, 1, set_in_slowly},
    {"flapping-errors", "10 % fail in every second minute", false, 0, 1, come_and_go},
    {"slow-3x", "three times the latency", false, 0.001, 3, NULL},
    {"slow-10x", "ten times the latency", true, 0.001, 10, NULL},
    {"metrics-down", "the metric server never answers", true, 0.001, 1, lose_metrics},
    {"hook-tests-nothing", "webhooks say 200 and no request is made", true, 1, 1, test_nothing},
};
#define FAULTS (sizeof faults / sizeof *faults)

static int inject(struct whatif_setup *s, const struct fault *f, struct whatif_result *ret_result)
{
    struct whatif_plan plan = s->plan;
    struct whatif_grid grid = s->grid;
    double rps = grid.rps[0], errors = f->errors;

    plan.grid = &grid;
    plan.model.slowdown *= f->slowdown;
    if (f->change)
        f->change(&plan.model);
    if (plan.model.rps < 0)
        rps = 0;
    grid.rps = &rps;
    grid.errors = &errors;
    grid.rps_count = grid.error_count = 1;
    return whatif_run_cell(&plan, 0, ret_result);
}

static bool is_must(const struct args *args, const struct fault *f)
{
    bool named = args_has(args, "must"), found = false;

    for (size_t i = 0; args_nth(args, "must", i); i++)
        found = found || strcmp(args_nth(args, "must", i), f->name) == 0;
    return named ? found : f->must;
}

static bool names_are_known(const struct args *args)
{
    const char *names[FAULTS + 1] = {0};

    for (size_t i = 0; i < FAULTS; i++)
        names[i] = faults[i].name;
    for (size_t i = 0; args_nth(args, "must", i); i++) {
        const char *name = args_nth(args, "must", i), *near;
        bool known = false;
        for (size_t k = 0; k < FAULTS; k++)
            known = known || strcmp(faults[k].name, name) == 0;
        if (known)
            continue;
        near = nearest_name(name, strlen(name), names);
        usage_error(args, "--must=%s: no such fault%s%s", name, near ? "; did you mean " : "",
                    near ? near : "");
        return false;
    }
    return true;
}

static void write_text(struct strbuf *out, const struct fault *f, const struct whatif_result *r,
                       bool must, bool caught)
{
    strbuf_addf(out, "%-8s %-4s %-20s promoted %6.2f%% [%.2f, %.2f]  failed requests %9.1f  ",
                caught ? "caught" : "PROMOTED", must ? "must" : "", f->name,
                100 * (double)r->promoted / (double)r->runs, 100 * r->promote_low,
                100 * r->promote_high, r->bad_mean);
    if (r->capacity.known)
        strbuf_addf(out, "capacity %3.0f%%  ", 100 * r->capacity.least);
    strbuf_addf(out, "%s\n", f->what);
}

static void write_json(struct strbuf *out, const struct fault *f, const struct whatif_result *r,
                       bool must, bool caught, bool first)
{
    strbuf_addf(
        out,
        "%s{\"fault\":\"%s\",\"what\":\"%s\",\"mustCatch\":%s,\"caught\":%s,\"promote\":{\"p\":",
        first ? "" : ",\n", f->name, f->what, must ? "true" : "false", caught ? "true" : "false");
    whatif_add_number(out, (double)r->promoted / (double)r->runs);
    strbuf_adds(out, ",\"low\":");
    whatif_add_number(out, r->promote_low);
    strbuf_adds(out, ",\"high\":");
    whatif_add_number(out, r->promote_high);
    strbuf_adds(out, "},\"badRequests\":");
    whatif_add_number(out, r->bad_mean);
    if (r->capacity.known) {
        strbuf_adds(out, ",\"capacity\":");
        whatif_add_number(out, r->capacity.least);
    }
    strbuf_addc(out, '}');
}

static int mutate(struct whatif_setup *s, const struct args *args)
{
    bool json = strcmp(args_get(args, "output", "text"), "json") == 0;
    struct strbuf out = STRBUF_INIT;
    unsigned missed = 0, caught_count = 0, musts = 0;
    const double *allowed;
    size_t count;

    if (s->grid.rps_count > 1)
        return usage_error(args, "--rps=%s: one rate", args_get(args, "rps", ""));
    if (!names_are_known(args) || !whatif_numbers(s, args, "miss", "0.05", 0, 1, &allowed, &count))
        return EXIT_USAGE;
    if (!s->plan.model.latency) {
        s->plan.model.latency = true;
        s->plan.model.median_ms = 50;
        s->plan.model.p99_ms = 200;
    }
    whatif_tell_metrics(s, "mutate");
    for (size_t i = 0; i < FAULTS; i++) {
        bool must = is_must(args, &faults[i]), caught;
        struct whatif_result r;
        int rc = inject(s, &faults[i], &r);
        if (rc != 0) {
            strbuf_release(&out);
            return whatif_failed("mutate", rc);
        }
        caught = (double)r.promoted <= allowed[0] * (double)r.runs;
        caught_count += caught;
        musts += must;
        missed += must && !caught;
        if (json)
            write_json(&out, &faults[i], &r, must, caught, i == 0);
        else
            write_text(&out, &faults[i], &r, must, caught);
    }
    if (json)
        printf("{\"caught\":%u,\"of\":%zu,\"faults\":[\n%s\n]}\n", caught_count, FAULTS,
               strbuf_str(&out));
    else
        printf("%s%u of %zu faults caught; %u of %u that must be\n", strbuf_str(&out), caught_count,
               FAULTS, musts - missed, musts);
    strbuf_release(&out);
    return missed > 0 ? EXIT_NO : EXIT_YES;
}

static int run(const struct args *args)
{
    struct whatif_setup s;
    int rc = whatif_setup_read(&s, args, args->values[0], "20", "0");

    if (rc == 0)
        rc = mutate(&s, args);
    whatif_setup_release(&s);
    return rc;
}

const struct verb verb_mutate = {
    .name = "mutate",
    .summary = "inject twelve faults: which of them would this policy promote?",
    .usage = "[OPTION]... CANARY.yaml|SCENARIO.yaml",
    .about =
        "Plays many rollouts of twelve broken releases and says which the policy would let "
        "through: "
        "all-errors, half-errors, five-percent-errors, two-percent-errors, late-errors, "
        "errors-under-load, growing-errors, flapping-errors, slow-3x, slow-10x, metrics-down, "
        "hook-tests-nothing. A fault is caught when at most a share --miss of its rollouts is "
        "promoted. For CI: the verdict is no when one that must be caught is not.\n\nLatency is "
        "log-normal with a median of 50 ms and a P99 of 200 ms unless --latency says otherwise.",
    .example = "coalmine mutate --rps 20 docs/whatif/gloo.yaml",
    .exits =
        "0  every fault that must be caught is\n1  one of them is promoted\n2  wrong usage\n3  a "
        "file cannot be read or is not valid",
    .options =
        (const struct option_spec[]){
            {.name = "must",
             .value = "FAULT",
             .repeats = true,
             .help = "faults that must be caught (default: all-errors, half-errors, "
                     "five-percent-errors, slow-10x, metrics-down, hook-tests-nothing)"},
            {.name = "miss",
             .value = "SHARE",
             .fallback = "0.05",
             .help = "of a fault's rollouts that may be promoted"},
            {.name = "rps",
             .value = "R",
             .fallback = "20",
             .help = "requests per second to the service"},
            {.name = "error-rate",
             .value = "E",
             .help = "not used: the faults say",
             .group = "Model"},
            {.name = "output",
             .letter = 'o',
             .value = "FORM",
             .choices = "text|json",
             .fallback = "text",
             .help = "how to print"},
            WHATIF_OPTIONS,
            PROFILE_OPTIONS,
            {.name = NULL},
        },
    .values_min = 1,
    .values_max = 1,
    .run = run,
};
