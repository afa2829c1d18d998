/*
 * What a changed spec would have done: the engine is asked afresh, tick after tick, and answered
 * from the record. The answers are those of the rollout that really ran, so each is used only where
 * it can be true: readiness and revisions from whenever they were last seen, hooks and metrics only
 * while they are fresh. Where nobody had asked, the story ends and says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/replay/code.h"
#include "adapters/replay/record.h"

/* An ask by what it is about: hooks and metrics by name, as the change may move them. */
struct key {
    uint8_t kind, metric;
    char name[128];
};

/* The last answers to one ask: those of the tick of `at_ms`, in order. */
struct known {
    struct key key;
    int64_t at_ms;
    char **answers;
    size_t count, cap, used;
};

struct story {
    struct recording *record;
    const struct replay_change *change;
    replay_on_line *on_line;
    void *ctx;
    char ns[256], name[256];
    struct replay_outcome outcome;
    struct known *known;
    size_t known_count, known_cap;
    /* the changed one */
    struct arena *arena; /* of the changed specs */
    int64_t process, spec_id;
    const struct spec *spec;
    struct rollout rollout;
    struct step step;
    bool began;
    int32_t primary, canary;
    bool mirrored;
    int64_t next_ms, recorded_interval_ms;
    /* events of a tick on both sides */
    struct strbuf recorded_said, changed_said; /* "phase\nmessage\0" each */
};

/* ---- what was answered -------------------------------------------------------------------------
 */

static struct key key_of(const struct spec *spec, const struct ask *ask)
{
    struct key k = {.kind = ask->kind};
    const char *name = "";

    if (ask->kind == ASK_HOOK && ask->index < spec->analysis.hook_count)
        name = spec->analysis.hooks[ask->index].name;
    if (ask->kind == ASK_METRIC && ask->index < spec->analysis.metric_count) {
        name = spec->analysis.metrics[ask->index].name;
        k.metric = ask->metric;
    }
    snprintf(k.name, sizeof(k.name), "%s", name ? name : "");
    return k;
}

static struct known *find(struct story *s, const struct key *k)
{
    for (size_t i = 0; i < s->known_count; i++) {
        struct known *n = &s->known[i];

        if (n->key.kind == k->kind && n->key.metric == k->metric &&
            strcmp(n->key.name, k->name) == 0)
            return n;
    }
    return NULL;
}

static struct known *find_or_add(struct story *s, const struct key *k)
{
    struct known *n = find(s, k);

    if (n)
        return n;
    if (s->known_count == s->known_cap) {
        size_t cap = s->known_cap ? s->known_cap * 2 : 32;
        struct known *more = realloc(s->known, cap * sizeof(*more));

        if (more == NULL)
            return NULL;
        s->known = more;
        s->known_cap = cap;
    }
    s->known[s->known_count] = (struct known){.key = *k};
    return &s->known[s->known_count++];
}

static void clear_answers(struct known *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->answers[i]);
    n->count = n->used = 0;
}

static bool remember(struct story *s, const struct key *k, int64_t at_ms, const char *answer)
{
    struct known *n = find_or_add(s, k);

    if (n == NULL)
        return false;
    if (n->at_ms != at_ms)
        clear_answers(n);
    n->at_ms = at_ms;
    if (n->count == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 2;
        char **more = realloc(n->answers, cap * sizeof(*more));

        if (more == NULL)
            return false;
        n->answers = more;
        n->cap = cap;
    }
    n->answers[n->count] = strdup(answer);
    return n->answers[n->count++] != NULL;
}

/* The routes as they stood when the record began. */
static void first_routes(struct story *s, const struct ask *ask, const struct answer *a)
{
    if (s->began || ask->kind != ASK_ROUTES_GET || a->outcome != OUTCOME_OK)
        return;
    s->primary = a->primary;
    s->canary = a->canary;
    s->mirrored = a->mirrored;
}

static int take_in(struct story *s, const struct recorded_tick *t, const struct spec *spec)
{
    for (size_t i = 0; i < t->step_count; i++) {
        const char *why;
        struct answer answer;
        struct ask ask;
        struct key k;

        if (t->steps[i].answer == NULL)
            continue;
        why = decode_ask(s->record->arena, t->steps[i].ask, &ask);
        if (why)
            return recording_bad(s->record, t->tick, (int64_t)i, "ask", why);
        why = decode_answer(s->record->arena, t->steps[i].answer, &answer);
        if (why)
            return recording_bad(s->record, t->tick, (int64_t)i, "answer", why);
        first_routes(s, &ask, &answer);
        k = key_of(spec, &ask);
        if (!remember(s, &k, t->at_ms, t->steps[i].answer))
            return recording_bad(s->record, t->tick, (int64_t)i, "answer", "out of memory");
    }
    return 0;
}

/* ---- answering ---------------------------------------------------------------------------------
 */

static bool is_effect(enum ask_kind k)
{
    return k == ASK_SERVICES || k == ASK_PRIMARY_INIT || k == ASK_SCALER_PRIMARY ||
           k == ASK_SCALER_PAUSE || k == ASK_SCALER_RESUME || k == ASK_APEX ||
           k == ASK_ROUTES_RECONCILE || k == ASK_ROUTES_SET || k == ASK_SCALE_UP ||
           k == ASK_SCALE_ZERO || k == ASK_PROMOTE || k == ASK_SAVE || k == ASK_REVERT_TARGET ||
           k == ASK_REVERT_ROUTER || k == ASK_FINALIZER_REMOVE || k == ASK_COOKIES;
}

/* Asked of the users' world at a moment: an old answer says nothing about now. */
static bool is_measured(enum ask_kind k)
{
    return k == ASK_HOOK || k == ASK_METRIC;
}

/* The answer of the record, in the arena of the tick; NULL = none that counts. */
static const char *recorded_answer(struct story *s, const struct key *k, int64_t now_ms)
{
    struct known *n = find(s, k);
    int64_t age, fresh = s->recorded_interval_ms > s->spec->analysis.interval_ms
                             ? s->recorded_interval_ms
                             : s->spec->analysis.interval_ms;

    if (n == NULL || n->count == 0)
        return NULL;
    age = now_ms - n->at_ms;
    if (age == 0) {
        s->outcome.as_recorded++;
        return n->answers[n->used < n->count ? n->used++ : n->count - 1];
    }
    if (is_effect((enum ask_kind)k->kind))
        return NULL; /* what failed or worked then says nothing of now */
    if (is_measured((enum ask_kind)k->kind) && age > fresh && !s->change->assume_last)
        return NULL;
    s->outcome.carried++;
    if (is_measured((enum ask_kind)k->kind) && age > s->outcome.oldest_ms)
        s->outcome.oldest_ms = age;
    return n->answers[n->count - 1];
}

static void give_up(struct story *s, const struct key *k, int64_t now_ms)
{
    const char *what = ask_kind_name((enum ask_kind)k->kind);

    s->outcome.undecided_ms = now_ms;
    s->outcome.undecided =
        *k->name ? arena_printf(s->arena, "%s %s", what, k->name) : arena_strdup(s->arena, what);
}

/* The revision last seen, for a save of the whole status. */
static void add_revisions(struct story *s, struct answer *a, int64_t now_ms)
{
    static const uint8_t kinds[] = {ASK_TARGET, ASK_CONFIGS};

    a->target = s->rollout.target;
    a->configs = s->rollout.configs_now;
    for (size_t i = 0; i < 2; i++) {
        struct key k = {.kind = kinds[i]};
        const struct known *n = find(s, &k);
        struct answer seen;

        if (n == NULL || n->count == 0 || n->at_ms > now_ms ||
            decode_answer(s->record->arena, n->answers[n->count - 1], &seen) != NULL ||
            seen.outcome != OUTCOME_OK)
            continue;
        if (kinds[i] == ASK_TARGET)
            a->target = seen.target;
        else
            a->configs = seen.configs;
    }
}

/* What the changed rollout itself knows: its status, its routes, its saves. */
static bool own_answer(struct story *s, const struct ask *ask, struct answer *a, int64_t now_ms)
{
    if (ask->kind == ASK_LOAD) {
        a->status = &s->rollout.stored;
    } else if (ask->kind == ASK_ROUTES_GET) {
        a->primary = s->primary;
        a->canary = s->canary;
        a->mirrored = s->mirrored;
    } else if (ask->kind == ASK_SAVE) {
        if (ask->save.op == SAVE_SYNC)
            add_revisions(s, a, now_ms);
    } else {
        return false;
    }
    return true;
}

static bool answer_ask(struct story *s, const struct ask *ask, struct answer *a, int64_t now_ms)
{
    struct key k = key_of(s->spec, ask);
    const char *text;

    memset(a, 0, sizeof(*a));
    if (!own_answer(s, ask, a, now_ms)) {
        text = recorded_answer(s, &k, now_ms);
        if (text == NULL && !is_effect((enum ask_kind)ask->kind)) {
            give_up(s, &k, now_ms);
            return false;
        }
        if (text == NULL)
            s->outcome.taken_for_done++;
        else
            (void)decode_answer(s->record->arena, text, a); /* it was read before */
    }
    a->id = ask->id;
    if (ask->kind == ASK_ROUTES_SET && a->outcome == OUTCOME_OK) {
        s->primary = ask->primary;
        s->canary = ask->canary;
        s->mirrored = ask->flag;
    }
    return true;
}

/* ---- both stories, side by side ----------------------------------------------------------------
 */

static void say(struct strbuf *said, const char *notes)
{
    cJSON *list = json_parse(notes, strlen(notes), NULL);

    for (const cJSON *n = list && cJSON_IsArray(list) ? list->child : NULL; n; n = n->next) {
        const char *message = json_str(n, "message");

        if (message && json_str(n, "event")) {
            strbuf_adds(said, json_str_or(n, "phase", ""));
            strbuf_addc(said, '\n');
            strbuf_add(said, message, strlen(message) + 1);
        }
    }
    json_free(list);
}

static void tell_line(struct story *s, char side, int64_t at_ms, const char *line)
{
    size_t phase = strcspn(line, "\n");
    char name[64];

    snprintf(name, sizeof(name), "%.*s", (int)phase, line);
    s->on_line(s->ctx, side, at_ms, name, line + phase + 1);
}

/* Lines that both have in the same order first; then what is left of each. */
static void tell_tick(struct story *s, int64_t at_ms)
{
    const char *a = strbuf_str(&s->recorded_said), *a_end = a + s->recorded_said.len,
               *b = strbuf_str(&s->changed_said), *b_end = b + s->changed_said.len;

    while (a < a_end && b < b_end && strcmp(a, b) == 0) {
        tell_line(s, ' ', at_ms, a);
        a += strlen(a) + 1;
        b += strlen(b) + 1;
    }
    for (; a < a_end; a += strlen(a) + 1)
        tell_line(s, '-', at_ms, a);
    for (; b < b_end; b += strlen(b) + 1)
        tell_line(s, '+', at_ms, b);
    strbuf_clear(&s->recorded_said);
    strbuf_clear(&s->changed_said);
}

/* ---- a tick of the changed rollout -------------------------------------------------------------
 */

/* Unknown fields are typing errors of the user's, unless the recorded Canary has some itself. */
static bool has_unknown_fields(struct story *s, const struct recorded_spec *was)
{
    struct canary_options options = was->options;
    struct canary *unused = arena_alloc(s->arena, sizeof(*unused));
    struct diags diags;
    bool bad;

    options.lenient = false;
    diags_init(&diags, s->arena);
    bad = !unused || canary_decode_json(s->arena, &diags, "", was->canary, &options, unused) != 0;
    diags_release(&diags);
    return bad;
}

static int make_spec(struct story *s, const struct recorded_spec *was)
{
    struct canary_options options = was->options;
    cJSON *canary;
    struct canary *out;
    struct diags diags;
    const char *why;
    int rc = 0;

    if (s->spec && s->process == was->process && s->spec_id == was->spec)
        return 0;
    canary = json_copy(was->canary);
    out = arena_alloc(s->arena, sizeof(*out));
    why = canary && out ? s->change->change(s->change->ctx, canary, s->arena) : "out of memory";
    if (s->change->has_deviations)
        options.deviations = s->change->deviations;
    options.lenient = has_unknown_fields(s, was);
    diags_init(&diags, s->arena);
    if (!why && canary_decode_json(s->arena, &diags, "", canary, &options, out) != 0)
        why = diags.count == 0 ? "cannot be read"
              : diags.items[0].path
                  ? arena_printf(s->arena, "%s: %s", diags.items[0].path, diags.items[0].what)
                  : diags.items[0].what;
    diags_release(&diags);
    json_free(canary);
    if (why) {
        snprintf(s->record->reterr, s->record->reterr_size, "%s/%s: the changed Canary: %s", s->ns,
                 s->name, why);
        rc = -EDOM;
    } else {
        s->spec = &out->spec;
        s->process = was->process;
        s->spec_id = was->spec;
    }
    return rc;
}

static void play_tick(struct story *s, enum tick_kind kind, int64_t now_ms)
{
    engine_begin(&s->rollout, s->spec, kind, now_ms, &s->step);
    for (;;) {
        struct strbuf notes = STRBUF_INIT;
        struct ask ask = s->step.ask;
        struct answer answer;

        code_notes(&notes, s->spec, &s->step);
        say(&s->changed_said, strbuf_str(&notes));
        strbuf_release(&notes);
        if (ask.kind == ASK_DONE || ask.kind == ASK_NONE || !answer_ask(s, &ask, &answer, now_ms))
            return;
        engine_answer(&s->rollout, s->spec, &answer, &s->step);
    }
}

static struct replay_end end_of(const struct rollout *r, int64_t at_ms)
{
    return (struct replay_end){(enum phase)r->stored.phase, r->stored.canary_weight,
                               r->stored.failed_checks, at_ms};
}

/* The record's state after a tick becomes its end so far; a person's command is heard by both. */
static int follow(struct story *s, const struct recorded_tick *t)
{
    struct rollout *was = arena_alloc(s->record->arena, sizeof(*was));
    const char *why = was ? decode_rollout(s->record->arena, t->before, was) : "out of memory";

    if (why)
        return recording_bad(s->record, t->tick, -1, "before", why);
    if (!s->began) {
        s->rollout = *was;
        s->outcome.changed = end_of(was, t->at_ms);
    }
    s->rollout.command = was->command;
    if (t->after && (why = decode_rollout(s->record->arena, t->after, was)) != NULL)
        return recording_bad(s->record, t->tick, -1, "after", why);
    s->outcome.recorded = end_of(was, t->at_ms);
    for (size_t i = 0; i < t->step_count; i++)
        say(&s->recorded_said, t->steps[i].notes);
    return 0;
}

/* Ticks of another interval than the record's fall between its ticks. */
static bool is_due(struct story *s, int64_t at_ms)
{
    int64_t interval = s->spec->analysis.interval_ms;

    if (interval == s->recorded_interval_ms || !s->began)
        return true;
    return at_ms >= s->next_ms;
}

static int play(struct story *s, const struct recorded_tick *t)
{
    const struct recorded_spec *was;
    int rc = recording_spec(s->record, t, &was);

    if (rc == 0)
        rc = make_spec(s, was);
    if (rc != 0)
        return rc;
    s->recorded_interval_ms = was->decoded->analysis.interval_ms;
    rc = follow(s, t);
    /* Ticks between the record's own, on the answers before this one. */
    while (rc == 0 && s->began && !s->outcome.undecided && t->kind == TICK_ANALYSIS &&
           s->spec->analysis.interval_ms != s->recorded_interval_ms && s->next_ms < t->at_ms &&
           s->rollout.stored.phase != PHASE_INITIALIZED &&
           s->rollout.stored.phase != PHASE_SUCCEEDED && s->rollout.stored.phase != PHASE_FAILED) {
        struct strbuf later = s->recorded_said;

        s->recorded_said = (struct strbuf)STRBUF_INIT;
        play_tick(s, t->kind, s->next_ms);
        tell_tick(s, s->next_ms);
        strbuf_release(&s->recorded_said);
        s->recorded_said = later;
        s->outcome.changed = end_of(&s->rollout, s->next_ms);
        s->next_ms += s->spec->analysis.interval_ms;
    }
    if (rc == 0)
        rc = take_in(s, t, was->decoded);
    if (rc != 0)
        return rc;
    if (!s->outcome.undecided && is_due(s, t->at_ms)) {
        play_tick(s, t->kind, t->at_ms);
        s->outcome.changed = end_of(&s->rollout, t->at_ms);
        s->next_ms = t->at_ms + s->spec->analysis.interval_ms;
    }
    s->began = true;
    s->outcome.ticks++;
    tell_tick(s, t->at_ms);
    return 0;
}

/* ---- every Canary of the choice ----------------------------------------------------------------
 */

static void story_release(struct story *s)
{
    for (size_t i = 0; i < s->known_count; i++) {
        clear_answers(&s->known[i]);
        free(s->known[i].answers);
    }
    free(s->known);
    strbuf_release(&s->recorded_said);
    strbuf_release(&s->changed_said);
    arena_free(s->arena);
    free(s);
}

static struct story *story_new(struct recording *r, const struct replay_change *change,
                               replay_on_line *on_line, void *ctx, const char *ns, const char *name)
{
    struct story *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->record = r;
    s->change = change;
    s->on_line = on_line;
    s->ctx = ctx;
    s->primary = WEIGHT_TOTAL;
    s->arena = arena_new(0);
    snprintf(s->ns, sizeof(s->ns), "%s", ns);
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->outcome.ns = s->ns;
    s->outcome.name = s->name;
    return s;
}

/* One Canary, from its first tick to its last. */
static int play_canary(struct sqlite3 *db, const struct replay_choice *choice, struct story *s)
{
    struct replay_choice one = *choice;
    struct recorded_tick t;
    int rc;

    one.ns = s->ns;
    one.name = s->name;
    rc = recording_open(s->record, db, &one, s->record->reterr, s->record->reterr_size);
    while (rc == 0) {
        int more = recording_next(s->record, &t);

        if (more <= 0) {
            rc = more;
            break;
        }
        rc = play(s, &t);
    }
    return rc;
}

int replay_whatif(struct sqlite3 *db, const struct replay_choice *choice,
                  const struct replay_change *change, replay_on_line *on_line,
                  void (*on_outcome)(void *ctx, const struct replay_outcome *outcome), void *ctx,
                  char *reterr, size_t reterr_size)
{
    static const char sql[] =
        "SELECT DISTINCT namespace, name FROM ticks WHERE (?1 IS NULL OR namespace = ?1) AND "
        "(?2 IS NULL OR name = ?2) ORDER BY namespace, name";
    sqlite3_stmt *names = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &names, NULL) != SQLITE_OK) {
        snprintf(reterr, reterr_size, "%s", sqlite3_errmsg(db));
        return -EIO;
    }
    if (choice->ns)
        sqlite3_bind_text(names, 1, choice->ns, -1, SQLITE_STATIC);
    if (choice->name)
        sqlite3_bind_text(names, 2, choice->name, -1, SQLITE_STATIC);
    while (rc == 0 && sqlite3_step(names) == SQLITE_ROW) {
        const unsigned char *ns = sqlite3_column_text(names, 0),
                            *name = sqlite3_column_text(names, 1);
        struct recording record = {.reterr = reterr, .reterr_size = reterr_size};
        struct story *s = story_new(&record, change, on_line, ctx, ns ? (const char *)ns : "",
                                    name ? (const char *)name : "");

        if (s == NULL || s->arena == NULL) {
            snprintf(reterr, reterr_size, "out of memory");
            rc = -ENOMEM;
        } else {
            rc = play_canary(db, choice, s);
            recording_close(&record);
            if (rc == 0)
                on_outcome(ctx, &s->outcome);
        }
        if (s)
            story_release(s);
    }
    sqlite3_finalize(names);
    return rc;
}
