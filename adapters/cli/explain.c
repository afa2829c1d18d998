#include "adapters/cli/explain.h"

#include <string.h>

#include "engine/text.h"

#define BAR_CELLS 20
#define WHAT_BYTES 1024
/* Lines that say the same, beyond which the ones between are only counted. */
#define ALIKE_MAX 4

/* ---- small texts ---- */

/* "8m0s"; `text` holds 32 bytes. */
static const char *duration(char *text, ms_t ms)
{
    struct text t;

    text_init(&t, text, 32);
    text_add_duration(&t, ms * 1000000);
    return text;
}

/* "0:08:00" */
static const char *clock_text(char *text, ms_t ms)
{
    snprintf(text, 32, "%lld:%02d:%02d", (long long)(ms / 3600000), (int)(ms / 60000 % 60),
             (int)(ms / 1000 % 60));
    return text;
}

/* Percent times ms as seconds of the whole traffic, rounded: "2m30s". */
static const char *exposed_text(char *text, int64_t exposed)
{
    return duration(text, (exposed / 100 + 500) / 1000 * 1000);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* "a", "a, b": one more word of a list. */
static void add_item(struct text *t, const char *item)
{
    if (t->len > 0)
        text_adds(t, ", ");
    text_adds(t, item);
}

/* ---- head ---- */

static const char *strategy_words(const struct spec *spec)
{
    if (spec->skip_analysis)
        return "no analysis";
    switch (spec_strategy(spec)) {
    case STRATEGY_AB:
        return "A/B testing";
    case STRATEGY_BLUE_GREEN:
        return "blue/green";
    case STRATEGY_CANARY:
        break;
    }
    return "canary";
}

void explain_head(struct strbuf *out, const struct spec *spec)
{
    const struct analysis_spec *an = &spec->analysis;
    char interval[32];

    strbuf_addf(out, "%s.%s: %s on %s, %s %s\n", spec->name, spec->ns, strategy_words(spec),
                spec->provider, spec->target_kind_name, spec->target_name);
    strbuf_addf(out,
                "a tick every %s; rolled back after %d failed check%s; %u metric%s, %u webhook%s\n",
                duration(interval, an->interval_ms), an->threshold, plural((uint64_t)an->threshold),
                an->metric_count, plural(an->metric_count), an->hook_count, plural(an->hook_count));
    if (spec->suspend)
        strbuf_adds(out, "suspended: nothing below happens before spec.suspend is taken away\n");
}

/* ---- the ladder ---- */

/* The names of the webhooks of one type called in a tick. */
static void add_hooks(struct text *t, const struct forecast *f, const struct forecast_tick *tick,
                      enum hook_type type, const char *before)
{
    bool first = true;

    for (size_t i = tick->first_row; i < tick->end_row; i++) {
        const struct row *row = &f->record.rows[i];
        if (row->kind != ROW_HOOK)
            continue;
        const struct hook_spec *hook = &row->spec->analysis.hooks[row->u.hook.index];
        if (hook->type != type)
            continue;
        if (first)
            add_item(t, before);
        text_adds(t, first ? " " : " + ");
        text_adds(t, hook->name);
        first = false;
    }
}

static bool tick_does(const struct forecast *f, const struct forecast_tick *tick, enum ask_kind ask)
{
    for (size_t i = tick->first_row; i < tick->end_row; i++)
        if (f->record.rows[i].kind == ROW_WORKLOAD && f->record.rows[i].u.workload.ask == ask)
            return true;
    return false;
}

static bool tick_says(const struct forecast *f, const struct forecast_tick *tick, enum event_id id)
{
    for (size_t i = tick->first_row; i < tick->end_row; i++)
        if (f->record.rows[i].kind == ROW_EVENT && f->record.rows[i].u.note.id == id)
            return true;
    return false;
}

static uint32_t tick_metrics(const struct forecast *f, const struct forecast_tick *tick)
{
    uint32_t count = 0;

    for (size_t i = tick->first_row; i < tick->end_row; i++)
        count += f->record.rows[i].kind == ROW_CHECK;
    return count;
}

/* What a tick does, in the order in which it does it. */
static void describe(struct text *t, const struct forecast *f, size_t n)
{
    const struct forecast_tick *tick = &f->ticks[n];
    const struct forecast_tick *before = n > 0 ? tick - 1 : NULL;
    uint32_t metrics = tick_metrics(f, tick);

    if (n == 0)
        add_item(t, "new revision found");
    add_hooks(t, f, tick, HOOK_CONFIRM_ROLLOUT, "gate");
    if (tick_does(f, tick, ASK_SCALE_UP))
        add_item(t, "canary scaled up");
    if (tick_says(f, tick, EVENT_START))
        add_item(t, "analysis starts");
    add_hooks(t, f, tick, HOOK_PRE_ROLLOUT, "pre-rollout");
    add_hooks(t, f, tick, HOOK_ROLLOUT, "webhook");
    if (metrics > 0) {
        add_item(t, "");
        text_add_uint(t, metrics);
        text_adds(t, metrics == 1 ? " metric" : " metrics");
    }
    add_hooks(t, f, tick, HOOK_CONFIRM_TRAFFIC_INCREASE, "gate");
    add_hooks(t, f, tick, HOOK_CONFIRM_PROMOTION, "gate");
    if (tick->mirror && !(before && before->mirror))
        add_item(t, "traffic mirrored to the canary");
    if (tick_does(f, tick, ASK_PROMOTE))
        add_item(t, "primary takes over the new version");
    if (tick->routed && before && before->canary > 0 && tick->canary == 0)
        add_item(t, "all traffic to the primary");
    else if (tick->routed && before && before->canary > tick->canary)
        add_item(t, "more traffic to the primary");
    if (tick_does(f, tick, ASK_SCALE_ZERO))
        add_item(t, "canary scaled to zero");
    add_hooks(t, f, tick, HOOK_POST_ROLLOUT, "post-rollout");
    if (tick->phase_after == PHASE_SUCCEEDED)
        add_item(t, "done");
    if (t->len == 0 && tick->phase_after != tick->phase_before) {
        text_adds(t, "phase ");
        text_adds(t, phase_name((enum phase)tick->phase_after));
    }
}

static void add_bar(struct strbuf *out, int weight, bool color)
{
    int cells = (weight * BAR_CELLS + 50) / 100;

    if (weight > 0 && cells == 0)
        cells = 1;
    if (color)
        strbuf_adds(out, "\033[33m");
    for (int i = 0; i < cells && i < BAR_CELLS; i++)
        strbuf_adds(out, "█");
    if (color)
        strbuf_adds(out, "\033[2;39m");
    for (int i = cells; i < BAR_CELLS; i++)
        strbuf_adds(out, "·");
    if (color)
        strbuf_adds(out, "\033[0m");
}

static void add_rung(struct strbuf *out, const struct forecast *f, size_t n, const char *what,
                     bool color)
{
    const struct forecast_tick *tick = &f->ticks[n];
    char at[32];

    strbuf_addf(out, "  %8s  %3d %%  ", clock_text(at, tick->at_ms), tick->canary);
    add_bar(out, tick->canary, color);
    strbuf_addf(out, "%s%s\n", *what ? "  " : "", what);
}

static bool same_rung(const struct forecast *f, size_t a, size_t b, const char *what_a,
                      const char *what_b)
{
    return f->ticks[a].canary == f->ticks[b].canary &&
           f->ticks[a].phase_after == f->ticks[b].phase_after && strcmp(what_a, what_b) == 0;
}

static const char *rung_text(char *text, const struct forecast *f, size_t n)
{
    struct text t;

    text_init(&t, text, WHAT_BYTES);
    if (n < f->tick_count)
        describe(&t, f, n);
    return text;
}

static void add_ladder(struct strbuf *out, const struct forecast *f, bool color)
{
    char what[WHAT_BYTES], next[WHAT_BYTES];

    strbuf_adds(out, "\n      time  canary                      what happens\n");
    for (size_t i = 0; i < f->tick_count;) {
        size_t end = i + 1;
        rung_text(what, f, i);
        while (end < f->tick_count && same_rung(f, i, end, what, rung_text(next, f, end)))
            end++;
        if (end - i <= ALIKE_MAX) {
            for (size_t k = i; k < end; k++)
                add_rung(out, f, k, what, color);
        } else if (end == f->tick_count && !f->ended) {
            add_rung(out, f, i, what, color);
            strbuf_adds(out, "       ...  and so on without end\n");
        } else {
            add_rung(out, f, i, what, color);
            strbuf_addf(out, "       ...  %zu ticks more like this\n", end - i - 2);
            add_rung(out, f, end - 1, what, color);
        }
        i = end;
    }
}

/* ---- the times ---- */

/* Percent with one decimal, of exposed percent times ms over a time. */
static int64_t mean_permille(int64_t exposed, ms_t over_ms)
{
    return over_ms > 0 ? (exposed * 10 + over_ms / 2) / over_ms : 0;
}

static void add_times(struct strbuf *out, const struct spec *spec, const struct forecast *f)
{
    char a[32], b[32];

    if (!f->ended) {
        strbuf_addf(out, "\nnever promoted: stands still at %d %% in phase %s from %s on\n",
                    f->ticks[f->tick_count - 1].canary,
                    phase_name((enum phase)f->ticks[f->tick_count - 1].phase_after),
                    clock_text(a, f->still_ms));
        return;
    }
    strbuf_addf(
        out,
        "\nshortest time to promote: %s, %zu ticks; the first comes up to %s after the deploy\n",
        duration(a, f->took_ms), f->tick_count, duration(b, spec->analysis.interval_ms));
    int64_t mean = mean_permille(f->exposed, f->took_ms);
    strbuf_addf(out, "traffic on the canary meanwhile: %lld.%lld %%, as much as all of it for %s\n",
                (long long)(mean / 10), (long long)(mean % 10), exposed_text(a, f->exposed));
    if (spec_strategy(spec) == STRATEGY_AB)
        strbuf_adds(out, "(of the requests that match; all others stay on the primary)\n");
    else if (spec->provider_is_kubernetes && spec->analysis.iterations <= 0)
        strbuf_adds(
            out,
            "(plain Kubernetes shifts no traffic: ten iterations take the place of weights)\n");
    else if (spec->provider_is_kubernetes)
        strbuf_adds(out, "(no live traffic before the promotion: plain Kubernetes shifts none)\n");
}

/* ---- releases that turn bad ---- */

static void add_bad(struct strbuf *out, const struct forecast *f, const struct forecast_bad *bad)
{
    const struct forecast_tick *tick = &f->ticks[bad->from_tick];
    char at[32], failed[32], back[32], took[32], exposed[32];

    strbuf_addf(out, "  %8s  %3d %%  ", clock_text(at, tick->at_ms), tick->canary);
    if (!bad->caught) {
        strbuf_addf(out, "%12s  not caught: promoted\n",
                    bad->first_failed_ms == MS_NEVER ? "never"
                                                     : clock_text(failed, bad->first_failed_ms));
        return;
    }
    strbuf_addf(out, "%12s  %11s  %9s  %11s\n", clock_text(failed, bad->first_failed_ms),
                clock_text(back, bad->back_ms), duration(took, bad->back_ms - bad->first_failed_ms),
                exposed_text(exposed, bad->exposed));
}

static void add_bads(struct strbuf *out, const struct spec *spec, const struct forecast *f)
{
    if (!f->can_fail) {
        strbuf_adds(
            out, spec->skip_analysis
                     ? "\na bad release is promoted: the analysis is skipped\n"
                     : "\na bad release is promoted: no metric and no rollout webhook checks it\n");
        return;
    }
    strbuf_adds(out, "\na release that turns bad, every check failing from then on:\n\n"
                     "      from  canary  first failed  rolled back      after     exposure\n");
    for (size_t i = 0; i < f->bad_count; i++)
        add_bad(out, f, &f->bads[i]);
    strbuf_adds(out, "(exposure: as if the bad version had met all traffic for that long)\n");
    for (uint32_t i = 0; i < spec->analysis.metric_count; i++) {
        if (spec->analysis.metrics[i].judge.kind == JUDGE_THRESHOLD)
            continue;
        strbuf_adds(
            out,
            "(a judged metric may need more checks to be sure: coalmine sweep tells how many)\n");
        break;
    }
}

/* ---- webhooks ---- */

struct hook_calls {
    uint32_t count;
    ms_t first_ms, last_ms;
};

static struct hook_calls calls_of(const struct forecast *f, uint32_t index)
{
    struct hook_calls calls = {0};

    for (size_t t = 0; t < f->tick_count; t++) {
        for (size_t i = f->ticks[t].first_row; i < f->ticks[t].end_row; i++) {
            const struct row *row = &f->record.rows[i];
            if (row->kind != ROW_HOOK || row->u.hook.index != index)
                continue;
            if (calls.count++ == 0)
                calls.first_ms = f->ticks[t].at_ms;
            calls.last_ms = f->ticks[t].at_ms;
        }
    }
    return calls;
}

static void add_webhooks(struct strbuf *out, const struct spec *spec, const struct forecast *f)
{
    const struct analysis_spec *an = &spec->analysis;
    int width = 7;

    if (an->hook_count == 0)
        return;
    for (uint32_t i = 0; i < an->hook_count; i++)
        if ((int)strlen(an->hooks[i].name) > width)
            width = (int)strlen(an->hooks[i].name);
    strbuf_addf(out, "\n  %-*s  %-24s  called in a good rollout\n", width, "webhook", "type");
    for (uint32_t i = 0; i < an->hook_count; i++) {
        const struct hook_spec *hook = &an->hooks[i];
        struct hook_calls calls = calls_of(f, i);
        char first[32], last[32];
        strbuf_addf(out, "  %-*s  %-24s  ", width, hook->name, hook_type_name(hook->type));
        if (hook->type == HOOK_EVENT)
            strbuf_adds(out, "with every event\n");
        else if (calls.count == 0)
            strbuf_adds(out, "never\n");
        else if (calls.count == 1)
            strbuf_addf(out, "once, at %s\n", clock_text(first, calls.first_ms));
        else if (!f->ended && calls.last_ms == f->ticks[f->tick_count - 1].at_ms)
            strbuf_addf(out, "from %s on, without end\n", clock_text(first, calls.first_ms));
        else
            strbuf_addf(out, "%u times, %s to %s\n", calls.count, clock_text(first, calls.first_ms),
                        clock_text(last, calls.last_ms));
    }
}

void explain_text(struct strbuf *out, const struct spec *spec, const struct forecast *f, bool color)
{
    if (f->tick_count == 0) {
        strbuf_adds(out, "no rollout ever starts\n");
        return;
    }
    add_ladder(out, f, color);
    add_times(out, spec, f);
    add_bads(out, spec, f);
    add_webhooks(out, spec, f);
}

/* ---- Markdown, for a comment under a change ---- */

/* A table cell: `|` would end it. */
static void add_cell(struct strbuf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *p);
    }
}

static void markdown_ladder(struct strbuf *out, const struct forecast *f)
{
    char what[WHAT_BYTES], next[WHAT_BYTES], at[32];

    strbuf_adds(out, "\n| Time | Canary | What happens |\n| ---: | ---: | --- |\n");
    for (size_t i = 0; i < f->tick_count;) {
        size_t end = i + 1;
        rung_text(what, f, i);
        while (end < f->tick_count && same_rung(f, i, end, what, rung_text(next, f, end)))
            end++;
        strbuf_addf(out, "| %s | %d %% | ", clock_text(at, f->ticks[i].at_ms), f->ticks[i].canary);
        add_cell(out, what);
        if (end == f->tick_count && !f->ended)
            strbuf_adds(out, " (and so on without end)");
        else if (end - i > 1)
            strbuf_addf(out, " (%zu times, until %s)", end - i,
                        clock_text(at, f->ticks[end - 1].at_ms));
        strbuf_adds(out, " |\n");
        i = end;
    }
}

static void markdown_bads(struct strbuf *out, const struct forecast *f)
{
    char at[32], failed[32], back[32], took[32], exposed[32];

    strbuf_adds(
        out, "\n| Turns bad at | Canary | First failed check | Rolled back | After | Exposure |\n"
             "| ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (size_t i = 0; i < f->bad_count; i++) {
        const struct forecast_bad *b = &f->bads[i];
        strbuf_addf(out, "| %s | %d %% | ", clock_text(at, f->ticks[b->from_tick].at_ms),
                    f->ticks[b->from_tick].canary);
        if (b->caught)
            strbuf_addf(out, "%s | %s | %s | %s |\n", clock_text(failed, b->first_failed_ms),
                        clock_text(back, b->back_ms),
                        duration(took, b->back_ms - b->first_failed_ms),
                        exposed_text(exposed, b->exposed));
        else
            strbuf_adds(out, "| never | | |\n");
    }
}

/* The lines of a text as a list. */
static void markdown_list(struct strbuf *out, const char *lines)
{
    strbuf_addc(out, '\n');
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        if (len > 0)
            strbuf_addf(out, "- %.*s\n", (int)len, lines);
        lines += len + (lines[len] != 0);
    }
}

void explain_markdown(struct strbuf *out, const struct spec *spec, const struct forecast *f)
{
    struct strbuf times = STRBUF_INIT;

    if (f->tick_count == 0) {
        strbuf_adds(out, "\nNo rollout ever starts.\n");
        return;
    }
    add_times(&times, spec, f);
    markdown_list(out, strbuf_str(&times));
    markdown_ladder(out, f);
    if (f->can_fail)
        markdown_bads(out, f);
    else
        strbuf_addf(out, "\n**A bad release is promoted: %s.**\n",
                    spec->skip_analysis ? "the analysis is skipped"
                                        : "no metric and no rollout webhook checks it");
    strbuf_release(&times);
}

/* ---- JSON ---- */

static void add_string(struct strbuf *out, const char *key, const char *value)
{
    strbuf_addf(out, "\"%s\":", key);
    strbuf_add_json(out, value ? value : "", value ? strlen(value) : 0);
}

static void json_ticks(struct strbuf *out, const struct forecast *f)
{
    char what[WHAT_BYTES];

    strbuf_adds(out, "\"ticks\":[");
    for (size_t i = 0; i < f->tick_count; i++) {
        const struct forecast_tick *t = &f->ticks[i];
        strbuf_addf(out,
                    "%s{\"atMs\":%lld,\"primaryWeight\":%d,\"canaryWeight\":%d,\"mirror\":%s,"
                    "\"checks\":%u,",
                    i ? "," : "", (long long)t->at_ms, t->primary, t->canary,
                    t->mirror ? "true" : "false", t->checks);
        add_string(out, "phase", phase_name((enum phase)t->phase_after));
        strbuf_addc(out, ',');
        add_string(out, "what", rung_text(what, f, i));
        strbuf_addc(out, '}');
    }
    strbuf_adds(out, "]");
}

/* A time, or null for never. */
static void json_ms(struct strbuf *out, const char *key, ms_t ms)
{
    if (ms == MS_NEVER)
        strbuf_addf(out, "\"%s\":null", key);
    else
        strbuf_addf(out, "\"%s\":%lld", key, (long long)ms);
}

static void json_bads(struct strbuf *out, const struct forecast *f)
{
    strbuf_adds(out, "\"badFrom\":[");
    for (size_t i = 0; i < f->bad_count; i++) {
        const struct forecast_bad *b = &f->bads[i];
        strbuf_addf(out, "%s{\"atMs\":%lld,\"canaryWeight\":%d,\"caught\":%s,", i ? "," : "",
                    (long long)f->ticks[b->from_tick].at_ms, f->ticks[b->from_tick].canary,
                    b->caught ? "true" : "false");
        json_ms(out, "firstFailedMs", b->first_failed_ms);
        strbuf_addc(out, ',');
        json_ms(out, "rolledBackMs", b->back_ms);
        strbuf_addf(out, ",\"exposedMs\":%lld}", (long long)(b->exposed / 100));
    }
    strbuf_adds(out, "]");
}

static void json_hooks(struct strbuf *out, const struct spec *spec, const struct forecast *f)
{
    strbuf_adds(out, "\"webhooks\":[");
    for (uint32_t i = 0; i < spec->analysis.hook_count; i++) {
        struct hook_calls calls = calls_of(f, i);
        strbuf_adds(out, i ? ",{" : "{");
        add_string(out, "name", spec->analysis.hooks[i].name);
        strbuf_addc(out, ',');
        add_string(out, "type", hook_type_name(spec->analysis.hooks[i].type));
        strbuf_addf(out, ",\"calls\":%u,", calls.count);
        json_ms(out, "firstMs", calls.count ? calls.first_ms : MS_NEVER);
        strbuf_addc(out, ',');
        json_ms(out, "lastMs", calls.count ? calls.last_ms : MS_NEVER);
        strbuf_addc(out, '}');
    }
    strbuf_adds(out, "]");
}

void explain_json(struct strbuf *out, const struct spec *spec, const struct forecast *f)
{
    strbuf_addc(out, '{');
    add_string(out, "namespace", spec->ns);
    strbuf_addc(out, ',');
    add_string(out, "name", spec->name);
    strbuf_addc(out, ',');
    add_string(out, "provider", spec->provider);
    strbuf_addc(out, ',');
    add_string(out, "strategy", strategy_name(spec_strategy(spec)));
    strbuf_addf(out, ",\"intervalMs\":%lld,\"threshold\":%d,\"promoted\":%s,",
                (long long)spec->analysis.interval_ms, spec->analysis.threshold,
                f->ended ? "true" : "false");
    json_ms(out, "tookMs", f->ended ? f->took_ms : MS_NEVER);
    strbuf_addc(out, ',');
    json_ms(out, "stillFromMs", f->still_ms);
    strbuf_addf(out, ",\"exposedMs\":%lld,\"canFail\":%s,", (long long)(f->exposed / 100),
                f->can_fail ? "true" : "false");
    json_ticks(out, f);
    strbuf_addc(out, ',');
    json_bads(out, f);
    strbuf_addc(out, ',');
    json_hooks(out, spec, f);
    strbuf_addc(out, '}');
}
