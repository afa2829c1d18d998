/*
 * A scenario file: it is refused with at least one finding, or it can be played. What was played is
 * true of the world: routed weights add up to 100, a rollout that failed or succeeded in the
 * default profile leaves no mirror behind, and the run ends in time.
 */
#include "adapters/scenario/scenario.h"
#include "adapters/scenario/show.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS_MAX 200000u

static void hold(const struct record *record)
{
    ms_t last = INT64_MIN;

    for (size_t i = 0; i < record->count; i++) {
        const struct row *row = &record->rows[i];

        if (row->at_ms < last)
            abort();
        last = row->at_ms;
        if (row->kind == ROW_OUTAGE && (row->u.outage.lost < 0 || row->u.outage.lost > 100))
            abort();
    }
}

/* Long waits are no finding: what is played ends after a day. */
static void play(const struct scenario *s, const struct scenario_run *run)
{
    struct sim_plan plan = run->plan;
    struct canary_result *results = calloc(plan.canary_count, sizeof *results);
    struct sim *sim = sim_new();
    struct record record;
    struct sink sink;
    struct strbuf out = STRBUF_INIT;
    struct arena *arena = arena_new(0);
    struct mismatches mismatches = {.arena = arena};
    ms_t end;

    if (plan.limit_ms > 3600000)
        plan.limit_ms = 3600000;
    record_init(&record);
    record.info = plan.info;
    sink = record_sink(&record, true);
    if (results && sim && arena && sim_run(sim, &plan, &run->options, &sink, results, &end) == 0) {
        if (end > plan.limit_ms && end > plan.until_ms)
            abort();
        record.info.end_ms = plan.info.epoch_ms + end;
        hold(&record);
        if (record.count < ROWS_MAX) {
            scenario_judge(run, &record, results, &mismatches);
            show_json(&out, s, run, &record, results);
            strbuf_clear(&out);
            show_trace(&out, run, &record);
        }
    }
    strbuf_release(&out);
    arena_free(arena);
    record_release(&record);
    sim_free(sim);
    free(results);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(256u << 20);
    struct scenario_options options = {0};
    struct scenario *s = NULL;
    struct diags diags;
    const char *source;

    if (!arena)
        return 0;
    diags_init(&diags, arena);
    source = arena_strndup(arena, (const char *)data, size);
    if (scenario_load(arena, &diags, "fuzz/none.yaml", source, size, &options, &s) == 0) {
        for (uint32_t i = 0; i < s->run_count && i < 2; i++)
            play(s, &s->runs[i]);
        scenario_free(s);
    } else if (diags.errors == 0 && !arena_failed(arena)) {
        abort();
    }
    diags_release(&diags);
    arena_free(arena);
    return 0;
}
