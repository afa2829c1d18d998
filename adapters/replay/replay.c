#include "adapters/replay/replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/replay/code.h"
#include "adapters/replay/record.h"

/* One tick being decided again. */
struct again {
    struct recording *record;
    const struct recorded_tick *t;
    const struct spec *spec;
    struct rollout rollout;
    struct step step;
    struct replay_tick *told;
};

/* The first difference of a tick is kept. */
static bool same(struct again *a, int64_t step, const char *what, const char *recorded,
                 const char *decided)
{
    struct replay_tick *told = a->told;

    if (strcmp(recorded, decided) == 0)
        return true;
    told->difference = what;
    told->step = step;
    told->recorded = recorded;
    told->decided = arena_strdup(a->record->arena, decided);
    return false;
}

/* What the engine says and asks now, against step `n` of the record. */
static bool same_step(struct again *a, size_t n)
{
    struct strbuf notes = STRBUF_INIT, ask = STRBUF_INIT;
    bool ok = false;

    code_notes(&notes, a->spec, &a->step);
    code_ask(&ask, &a->step.ask);
    if (n >= a->t->step_count)
        (void)same(a, (int64_t)n, "ask", "(the record ends)", strbuf_str(&ask));
    else
        ok = same(a, (int64_t)n, "notes", a->t->steps[n].notes, strbuf_str(&notes)) &&
             same(a, (int64_t)n, "ask", a->t->steps[n].ask, strbuf_str(&ask));
    strbuf_release(&notes);
    strbuf_release(&ask);
    return ok;
}

static int read_before(struct again *a)
{
    struct recording *r = a->record;
    struct strbuf again = STRBUF_INIT;
    const char *why = decode_rollout(r->arena, a->t->before, &a->rollout);
    int rc = 0;

    if (why)
        return recording_bad(r, a->t->tick, -1, "before", why);
    code_rollout(&again, &a->rollout);
    if (strcmp(strbuf_str(&again), a->t->before) != 0)
        rc = recording_bad(r, a->t->tick, -1, "before", "is not as this program writes it");
    strbuf_release(&again);
    return rc;
}

static void compare_end(struct again *a)
{
    struct strbuf after = STRBUF_INIT;

    code_rollout(&after, &a->rollout);
    if (a->t->after)
        (void)same(a, (int64_t)a->t->step_count - 1, "state after the tick", a->t->after,
                   strbuf_str(&after));
    strbuf_release(&after);
}

/* 0, or -EINVAL when a row cannot be read. A difference is told, and ends the tick. */
static int decide_again(struct again *a)
{
    const struct recorded_tick *t = a->t;
    int rc = read_before(a);

    if (rc != 0)
        return rc;
    engine_begin(&a->rollout, a->spec, t->kind, t->at_ms, &a->step);
    for (size_t n = 0;; n++) {
        struct answer answer;
        const char *why;

        if (!same_step(a, n))
            return 0;
        if (t->steps[n].answer == NULL) {
            if (t->after)
                compare_end(a);
            return n + 1 == t->step_count
                       ? 0
                       : recording_bad(a->record, t->tick, (int64_t)n, "answer", "is missing");
        }
        why = decode_answer(a->record->arena, t->steps[n].answer, &answer);
        if (why)
            return recording_bad(a->record, t->tick, (int64_t)n, "answer", why);
        if (a->step.ask.kind == ASK_DONE || a->step.ask.kind == ASK_NONE)
            return recording_bad(a->record, t->tick, (int64_t)n, "answer",
                                 "answers what nobody asked");
        engine_answer(&a->rollout, a->spec, &answer, &a->step);
    }
}

static int tell_notes(struct recording *r, const struct recorded_tick *t, struct replay_tick *told)
{
    const char **notes = arena_alloc(r->arena, (t->step_count + 1) * sizeof(*notes));

    if (notes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->step_count; i++)
        notes[i] = t->steps[i].notes;
    told->notes = notes;
    told->note_count = t->step_count;
    return 0;
}

static int replay_tick(struct recording *r, const struct recorded_tick *t, replay_on_tick *on_tick,
                       void *ctx, bool *ret_go_on)
{
    const struct recorded_spec *spec;
    struct replay_tick told = {.tick = t->tick,
                               .ns = t->ns,
                               .name = t->name,
                               .at_ms = t->at_ms,
                               .phase = t->phase,
                               .cut_short = t->after == NULL};
    struct again *a = arena_alloc(r->arena, sizeof(*a));
    int rc = recording_spec(r, t, &spec);

    if (rc == 0 && (a == NULL || tell_notes(r, t, &told) != 0))
        rc = recording_bad(r, t->tick, -1, "row", "is too large");
    if (rc != 0)
        return rc;
    a->record = r;
    a->t = t;
    told.version = spec->version;
    a->spec = spec->decoded;
    a->told = &told;
    rc = decide_again(a);
    if (rc == 0)
        *ret_go_on = on_tick(ctx, &told);
    return rc;
}

int replay_verify(struct sqlite3 *db, const struct replay_choice *choice, replay_on_tick *on_tick,
                  void *ctx, char *reterr, size_t reterr_size)
{
    struct recording record;
    struct recorded_tick t;
    bool go_on = true;
    int rc = recording_open(&record, db, choice, reterr, reterr_size);

    while (rc == 0 && go_on) {
        int more = recording_next(&record, &t);

        if (more <= 0) {
            rc = more;
            break;
        }
        rc = replay_tick(&record, &t, on_tick, ctx, &go_on);
    }
    recording_close(&record);
    return rc;
}
