/* coalmine test: play scenarios and hold them to what they expect. */
#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/cli/profile.h"
#include "adapters/cli/scenario_file.h"
#include "adapters/cli/scenario_walk.h"
#include "adapters/cli/verbs.h"
#include "adapters/scenario/show.h"

#define THREADS_MAX 64

enum outcome_kind { CASE_PASSED, CASE_FAILED, CASE_UNREADABLE, CASE_BROKEN };

/* One file: a run each for every way to play it. */
struct test_case {
    char *path;
    enum outcome_kind outcome;
    struct strbuf report; /* what is wrong, as text */
    uint32_t runs, expectations, mismatches;
};

struct suite {
    const struct args *args;
    struct scenario_options options;
    struct test_case *cases;
    size_t count, cap;
    atomic_size_t next; /* case to be taken by a thread */
    bool update, failed;
};

/* ---- which files
 * ------------------------------------------------------------------------------------ */

static void add_case(void *ctx, const char *path)
{
    struct suite *s = ctx;

    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        struct test_case *cases = realloc(s->cases, cap * sizeof *cases);

        if (!cases) {
            s->failed = true;
            return;
        }
        s->cases = cases;
        s->cap = cap;
    }
    s->cases[s->count] = (struct test_case){.report = STRBUF_INIT};
    s->cases[s->count].path = strdup(path);
    if (s->cases[s->count].path)
        s->count++;
    else
        s->failed = true;
}

static int by_path(const void *a, const void *b)
{
    const struct test_case *x = a, *y = b;

    return strcmp(x->path, y->path);
}

static void keep_matching(struct suite *s, const regex_t *pattern)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (regexec(pattern, s->cases[i].path, 0, NULL, 0) == 0)
            s->cases[kept++] = s->cases[i];
        else
            free(s->cases[i].path);
    }
    s->count = kept;
}

static int find_cases(struct suite *s)
{
    const char *wanted = args_get(s->args, "run", NULL);
    regex_t pattern;

    for (size_t i = 0; i < s->args->value_count; i++) {
        int rc = scenario_walk(s->args->values[i], add_case, s);

        if (rc != 0)
            return rc;
    }
    qsort(s->cases, s->count, sizeof *s->cases, by_path);
    if (wanted) {
        if (regcomp(&pattern, wanted, REG_EXTENDED | REG_NOSUB) != 0)
            return usage_error(s->args, "--run=%s: not a regular expression", wanted);
        keep_matching(s, &pattern);
        regfree(&pattern);
    }
    return s->failed ? EXIT_WORLD : 0;
}

/* ---- golden traces
 * ---------------------------------------------------------------------------------- */

static char *trace_path(const char *path)
{
    const char *dot = strrchr(path, '.');
    size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    char *out = malloc(stem + sizeof ".trace");

    if (out) {
        memcpy(out, path, stem);
        memcpy(out + stem, ".trace", sizeof ".trace");
    }
    return out;
}

static char *read_all(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    struct strbuf b = STRBUF_INIT;
    char bytes[4096];
    size_t n;

    if (!file)
        return NULL;
    strbuf_adds(&b, "");
    while ((n = fread(bytes, 1, sizeof bytes, file)) > 0)
        strbuf_add(&b, bytes, n);
    fclose(file);
    *ret_len = b.len;
    return strbuf_detach(&b);
}

/* Written beside it and renamed, so that no reader sees a half of it. */
static bool write_all(const char *path, const struct strbuf *text)
{
    struct strbuf temporary = STRBUF_INIT;
    FILE *file;
    bool ok;

    strbuf_addf(&temporary, "%s.tmp", path);
    file = fopen(strbuf_str(&temporary), "wb");
    ok = file && fwrite(strbuf_str(text), 1, text->len, file) == text->len;
    if (file)
        ok = fclose(file) == 0 && ok;
    ok = ok && rename(strbuf_str(&temporary), path) == 0;
    strbuf_release(&temporary);
    return ok;
}

static const char *line_end(const char *s)
{
    const char *end = strchr(s, '\n');

    return end ? end + 1 : s + strlen(s);
}

#define DIFF_CONTEXT 3
#define DIFF_LINES 40

/* The first stretch in which two texts differ, with a few lines around it. */
static void trace_diff(struct strbuf *out, const char *want, const char *got)
{
    const char *context[DIFF_CONTEXT];
    size_t contexts = 0, lines = 0;

    while (*want && *got) {
        size_t len = (size_t)(line_end(want) - want);

        if (strncmp(want, got, len) != 0 || (size_t)(line_end(got) - got) != len)
            break;
        if (contexts == DIFF_CONTEXT)
            memmove(context, context + 1, (DIFF_CONTEXT - 1) * sizeof *context);
        else
            contexts++;
        context[contexts - 1] = want;
        want += len;
        got += len;
    }
    for (size_t i = 0; i < contexts; i++) {
        strbuf_adds(out, "      ");
        strbuf_add(out, context[i], (size_t)(line_end(context[i]) - context[i]));
    }
    for (; *want && lines < DIFF_LINES / 2; want = line_end(want), lines++) {
        strbuf_adds(out, "    - ");
        strbuf_add(out, want, (size_t)(line_end(want) - want));
    }
    for (; *got && lines < DIFF_LINES; got = line_end(got), lines++) {
        strbuf_adds(out, "    + ");
        strbuf_add(out, got, (size_t)(line_end(got) - got));
    }
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        strbuf_addc(out, '\n');
}

static void judge_trace(struct suite *s, struct test_case *c, const struct scenario *scenario,
                        const struct strbuf *trace)
{
    char *path = trace_path(c->path), *old;
    size_t len = 0;

    if (!path || strcmp(c->path, "-") == 0) {
        free(path);
        return;
    }
    old = read_all(path, &len);
    if (s->update && (old || scenario->golden)) {
        if (!write_all(path, trace)) {
            strbuf_addf(&c->report, "  %s: %s\n", path, strerror(errno));
            c->outcome = CASE_BROKEN;
        }
    } else if (!old && scenario->golden) {
        strbuf_addf(&c->report, "  %s is missing; coalmine test --update writes it\n", path);
        c->mismatches++;
    } else if (old && (len != trace->len || memcmp(old, strbuf_str(trace), len) != 0)) {
        strbuf_addf(&c->report, "  the timeline differs from %s (- expected, + actual)\n", path);
        trace_diff(&c->report, old, strbuf_str(trace));
        c->mismatches++;
    }
    free(old);
    free(path);
}

/* ---- playing
 * ---------------------------------------------------------------------------------------- */

/* What one thread needs for itself. */
struct player {
    struct suite *suite;
    struct sim *sim;
    struct record record;
    pthread_t thread;
};

static void report_mismatches(struct test_case *c, const struct scenario_run *run,
                              const struct mismatches *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct mismatch *x = &m->items[i];

        strbuf_addf(&c->report, "  %s:%u: %s", c->path, x->line, x->expect->path);
        if (run->label)
            strbuf_addf(&c->report, " (%s)", run->label);
        strbuf_addf(&c->report, ": %s\n", x->what);
        if (x->detail)
            strbuf_adds(&c->report, x->detail);
    }
    c->mismatches += (uint32_t)m->count;
}

static bool play_run(struct player *p, struct test_case *c, const struct scenario_file *f,
                     const struct scenario_run *run, struct strbuf *trace)
{
    struct canary_result *results = arena_alloc(f->arena, run->plan.canary_count * sizeof *results);
    struct mismatches mismatches = {.arena = f->arena};
    struct sink sink = record_sink(&p->record, false);
    uint32_t before = c->mismatches;
    ms_t end;

    record_clear(&p->record);
    p->record.info = run->plan.info;
    if (!results || sim_run(p->sim, &run->plan, &run->options, &sink, results, &end) != 0 ||
        p->record.failed)
        return false;
    p->record.info.end_ms = p->record.info.epoch_ms + end;
    scenario_judge(run, &p->record, results, &mismatches);
    report_mismatches(c, run, &mismatches);
    c->runs++;
    c->expectations += run->expect_count;
    show_trace(trace, run, &p->record);
    if (c->mismatches > before) {
        strbuf_adds(&c->report, "\n");
        show_timeline(&c->report, f->scenario, run, &p->record, results, false);
    }
    return true;
}

static void play_case(struct player *p, struct test_case *c)
{
    struct strbuf trace = STRBUF_INIT;
    struct scenario_file f;
    int rc = scenario_file_read(c->path, &p->suite->options, &f, &c->report, false);

    if (rc != 0) {
        c->outcome = rc == EXIT_INPUT ? CASE_UNREADABLE : CASE_BROKEN;
    } else {
        for (uint32_t i = 0; i < f.scenario->run_count && c->outcome == CASE_PASSED; i++)
            if (!play_run(p, c, &f, &f.scenario->runs[i], &trace)) {
                strbuf_addf(&c->report, "  %s: out of memory\n", c->path);
                c->outcome = CASE_BROKEN;
            }
        if (c->outcome == CASE_PASSED)
            judge_trace(p->suite, c, f.scenario, &trace);
        if (c->outcome == CASE_PASSED && c->mismatches > 0)
            c->outcome = CASE_FAILED;
    }
    scenario_file_close(&f);
    strbuf_release(&trace);
}

static void *play(void *arg)
{
    struct player *p = arg;

    for (;;) {
        size_t at = atomic_fetch_add(&p->suite->next, 1);

        if (at >= p->suite->count)
            return NULL;
        play_case(p, &p->suite->cases[at]);
    }
}

static size_t thread_count(const struct suite *s)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = cores > 1 ? (size_t)cores : 1;

    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    return threads < s->count ? threads : s->count;
}

/* Files are taken in turn by as many threads as there are cores; the main thread is one of them. */
static int play_all(struct suite *s)
{
    struct player players[THREADS_MAX];
    size_t threads = thread_count(s), started = 0;
    int rc = 0;

    for (size_t i = 0; i < threads; i++) {
        players[i] = (struct player){.suite = s, .sim = sim_new()};
        record_init(&players[i].record);
        rc = players[i].sim ? rc : EXIT_WORLD;
    }
    for (size_t i = 1; rc == 0 && i < threads; i++) {
        if (pthread_create(&players[i].thread, NULL, play, &players[i]) != 0)
            break;
        started = i;
    }
    if (rc == 0 && threads > 0)
        play(&players[0]);
    for (size_t i = 1; i <= started; i++)
        pthread_join(players[i].thread, NULL);
    for (size_t i = 0; i < threads; i++) {
        sim_free(players[i].sim);
        record_release(&players[i].record);
    }
    return rc;
}

/* ---- reports
 * ---------------------------------------------------------------------------------------- */

struct totals {
    size_t passed, failed, unreadable, broken;
    uint64_t runs, expectations;
};

static struct totals count_all(const struct suite *s)
{
    struct totals t = {0};

    for (size_t i = 0; i < s->count; i++) {
        const struct test_case *c = &s->cases[i];

        t.passed += c->outcome == CASE_PASSED;
        t.failed += c->outcome == CASE_FAILED;
        t.unreadable += c->outcome == CASE_UNREADABLE;
        t.broken += c->outcome == CASE_BROKEN;
        t.runs += c->runs;
        t.expectations += c->expectations;
    }
    return t;
}

static void report_text(const struct suite *s, const struct totals *t)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct test_case *c = &s->cases[i];

        if (c->outcome != CASE_PASSED)
            printf("%s %s\n%s\n", c->outcome == CASE_FAILED ? "FAILED" : "ERROR ", c->path,
                   strbuf_str(&c->report));
        else if (c->report.len > 0)
            fputs(strbuf_str(&c->report), stderr); /* warnings */
    }
    printf("%zu scenarios, %llu runs, %llu expectations: %zu passed, %zu failed, %zu unreadable\n",
           s->count, (unsigned long long)t->runs, (unsigned long long)t->expectations, t->passed,
           t->failed, t->unreadable + t->broken);
}

static void report_tap(const struct suite *s)
{
    printf("TAP version 13\n1..%zu\n", s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct test_case *c = &s->cases[i];
        const char *text = strbuf_str(&c->report);

        printf("%s %zu - %s\n", c->outcome == CASE_PASSED ? "ok" : "not ok", i + 1, c->path);
        for (; c->outcome != CASE_PASSED && *text; text = line_end(text)) {
            const char *end = line_end(text);

            printf("# %.*s%s", (int)(end - text), text, end[-1] == '\n' ? "" : "\n");
        }
    }
}

/* Characters that XML 1.0 does not know become question marks. */
static void xml(const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&':
            fputs("&amp;", stdout);
            break;
        case '<':
            fputs("&lt;", stdout);
            break;
        case '>':
            fputs("&gt;", stdout);
            break;
        case '"':
            fputs("&quot;", stdout);
            break;
        default:
            putchar((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t' ? '?' : *s);
        }
    }
}

static void report_junit(const struct suite *s, const struct totals *t)
{
    printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
           "<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n"
           "  <testsuite name=\"coalmine\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n",
           s->count, t->failed, t->unreadable + t->broken, s->count, t->failed,
           t->unreadable + t->broken);
    for (size_t i = 0; i < s->count; i++) {
        const struct test_case *c = &s->cases[i];
        const char *kind = c->outcome == CASE_FAILED ? "failure" : "error";

        fputs("    <testcase classname=\"scenario\" name=\"", stdout);
        xml(c->path);
        if (c->outcome == CASE_PASSED) {
            fputs("\"/>\n", stdout);
            continue;
        }
        printf("\"><%s message=\"%u expectations were not met\">", kind, c->mismatches);
        xml(strbuf_str(&c->report));
        printf("</%s></testcase>\n", kind);
    }
    fputs("  </testsuite>\n</testsuites>\n", stdout);
}

static void report_json(const struct suite *s, const struct totals *t)
{
    static const char *const names[] = {"passed", "failed", "unreadable", "broken"};
    struct strbuf b = STRBUF_INIT;

    strbuf_addf(&b,
                "{\"scenarios\":%zu,\"runs\":%llu,\"expectations\":%llu,\"passed\":%zu,"
                "\"failed\":%zu,\"unreadable\":%zu,\"cases\":[",
                s->count, (unsigned long long)t->runs, (unsigned long long)t->expectations,
                t->passed, t->failed, t->unreadable + t->broken);
    for (size_t i = 0; i < s->count; i++) {
        const struct test_case *c = &s->cases[i];

        strbuf_adds(&b, i > 0 ? ",\n{\"file\":" : "\n{\"file\":");
        strbuf_add_json(&b, c->path, strlen(c->path));
        strbuf_addf(&b, ",\"outcome\":\"%s\",\"runs\":%u,\"expectations\":%u,\"mismatches\":%u",
                    names[c->outcome], c->runs, c->expectations, c->mismatches);
        if (c->outcome != CASE_PASSED) {
            strbuf_adds(&b, ",\"report\":");
            strbuf_add_json(&b, strbuf_str(&c->report), c->report.len);
        }
        strbuf_addc(&b, '}');
    }
    strbuf_adds(&b, "]}\n");
    fputs(strbuf_str(&b), stdout);
    strbuf_release(&b);
}

static int verdict(const struct totals *t)
{
    if (t->broken > 0)
        return EXIT_WORLD;
    if (t->unreadable > 0)
        return EXIT_INPUT;
    return t->failed > 0 ? EXIT_NO : EXIT_YES;
}

static int run_test(const struct args *a)
{
    struct suite s = {.args = a, .update = args_has(a, "update")};
    const char *output = args_get(a, "output", "text");
    struct totals totals;
    int rc;

    if (!scenario_options_of(a, &s.options))
        return EXIT_USAGE;
    rc = find_cases(&s);
    if (rc == 0)
        rc = play_all(&s);
    if (rc == 0) {
        totals = count_all(&s);
        if (strcmp(output, "tap") == 0)
            report_tap(&s);
        else if (strcmp(output, "junit") == 0)
            report_junit(&s, &totals);
        else if (strcmp(output, "json") == 0)
            report_json(&s, &totals);
        else
            report_text(&s, &totals);
        rc = verdict(&totals);
        if (s.count == 0) {
            fputs("coalmine: there is no scenario to test\n", stderr);
            rc = EXIT_INPUT;
        }
    }
    for (size_t i = 0; i < s.count; i++) {
        free(s.cases[i].path);
        strbuf_release(&s.cases[i].report);
    }
    free(s.cases);
    return rc;
}

static const struct option_spec options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FORMAT",
     .choices = "text|tap|junit|json",
     .fallback = "text",
     .help = "how to report"},
    {.name = "run", .value = "REGEX", .help = "only scenarios whose path matches"},
    {.name = "update", .help = "rewrite golden traces (NAME.trace beside the scenario)"},
    {.name = "seed",
     .value = "N",
     .help = "seed of whatever is random, instead of the scenario's own"},
    PROFILE_OPTIONS,
    {0},
};

const struct verb verb_test = {
    .name = "test",
    .summary = "hold scenarios to what they expect",
    .usage = "[OPTION]... FILE|FOLDER...",
    .about = "Plays every scenario named, and those below a folder (files ending in .yaml or .yml; "
             "folders "
             "named manifests are left out), on all cores, and compares what happened with their "
             "`expect:` "
             "blocks and golden traces. Every failure is shown with the timeline that led to it.",
    .example = "coalmine test scenarios/",
    .exits = "0  all expectations were met\n1  at least one was not\n2  wrong usage\n"
             "3  a scenario cannot be read\n4  a golden trace cannot be written",
    .options = options,
    .values_min = 1,
    .values_max = SIZE_MAX,
    .run = run_test,
};
