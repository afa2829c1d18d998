/* What a scenario expects. */
#include <stdlib.h>
#include <string.h>

#include "adapters/scenario/draft.h"

/* The Canary and the list that an `expect:` block fills. */
struct expecting {
    struct loader *l;
    struct grow *list; /* struct expectation */
    uint16_t canary;
};

static struct expectation *add(struct expecting *x, enum expect_kind kind, const struct node *n,
                               const char *path)
{
    struct expectation *e = grow_add(x->l->arena, x->list, sizeof *e);

    if (!e)
        return NULL;
    e->kind = kind;
    e->canary = x->canary;
    e->line = n->line;
    e->path = path;
    e->at_ms = MS_NEVER;
    e->before_ms = MS_NEVER;
    e->calls = -1;
    e->total = -1;
    for (int i = 0; i < 5; i++)
        e->verdicts[i] = -1;
    return e;
}

/* ---- texts
 * ------------------------------------------------------------------------------------------ */

bool read_matcher(struct loader *l, const struct node *n, struct matcher *out)
{
    regex_t *regex, **slot;
    char *pattern;
    size_t len;
    int rc;

    if (!field_text(&l->r, n, &out->text))
        return false;
    len = strlen(out->text);
    if (len < 3 || out->text[0] != '/' || out->text[len - 1] != '/')
        return true;
    pattern = arena_strndup(l->arena, out->text + 1, len - 2);
    regex = calloc(1, sizeof *regex);
    slot = grow_add(l->arena, &l->regexes, sizeof *slot);
    if (!pattern || !regex || !slot) {
        free(regex);
        return false;
    }
    rc = regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (rc != 0) {
        char why[128];

        regerror(rc, regex, why, sizeof why);
        field_error(&l->r, n, NULL, "bad regular expression: %s", why);
        free(regex);
        l->regexes.count--;
        return false;
    }
    *slot = regex;
    out->is_regex = true;
    out->regex = regex;
    return true;
}

static void read_texts(struct expecting *x, const struct node *n, enum expect_kind kind,
                       const char *path)
{
    static const char *const names[] = {"text", "at", "count", NULL};
    struct loader *l = x->l;
    struct expectation *e;
    struct event_want *wants;
    uint32_t count = 0;

    if (!field_is_list(&l->r, n))
        return;
    e = add(x, kind, n, path);
    wants = arena_alloc(l->arena, (n->u.list.count + 1) * sizeof *wants);
    if (!e || !wants)
        return;
    for (size_t i = 0; i < n->u.list.count; i++) {
        const struct node *item = n->u.list.items[i];
        struct event_want *w = &wants[count];

        field_enter_index(&l->r, i);
        w->line = item->line;
        if (item->kind != NODE_MAP) {
            count += read_matcher(l, item, &w->matcher);
        } else if (field_map(&l->r, item, names)) {
            w->has_at = field_duration(&l->r, node_get(item, "at"), &w->at_ms);
            field_int32(&l->r, node_get(item, "count"), 0, 1000000, &w->count);
            if (node_get(item, "count") && w->count == 0)
                field_error(&l->r, item, "write it under never", "a count of 0 is no event");
            if (!node_get(item, "text"))
                field_error(&l->r, item, NULL, "text is missing");
            count += read_matcher(l, node_get(item, "text"), &w->matcher);
        }
        field_leave(&l->r);
    }
    e->events = wants;
    e->count = count;
}

/* ---- states
 * ----------------------------------------------------------------------------------------- */

static bool read_phase(struct loader *l, const struct node *n, uint32_t *ret_phase)
{
    const char *names[PHASE_COUNT + 1];

    for (uint32_t i = 0; i < PHASE_COUNT; i++)
        names[i] = phase_name((enum phase)i);
    names[PHASE_COUNT] = NULL;
    return field_choice(&l->r, n, names, "phase", ret_phase);
}

/* Reads a state field; false when `key` is none. */
static bool read_state_field(struct loader *l, struct state_values *s, const char *key,
                             const struct node *n)
{
    uint32_t phase;

    if (strcmp(key, "phase") == 0) {
        if (read_phase(l, n, &phase)) {
            s->fields |= STATE_PHASE;
            s->phases |= (uint32_t)1 << phase;
        }
    } else if (strcmp(key, "canaryWeight") == 0) {
        if (field_int32(&l->r, n, 0, 1000, &s->canary_weight))
            s->fields |= STATE_CANARY_WEIGHT;
    } else if (strcmp(key, "primaryWeight") == 0) {
        if (field_int32(&l->r, n, 0, 1000, &s->primary_weight))
            s->fields |= STATE_PRIMARY_WEIGHT;
    } else if (strcmp(key, "statusWeight") == 0) {
        if (field_int32(&l->r, n, 0, 1000, &s->status_weight))
            s->fields |= STATE_STATUS_WEIGHT;
    } else if (strcmp(key, "failedChecks") == 0) {
        if (field_int32(&l->r, n, 0, 1000000, &s->failed_checks))
            s->fields |= STATE_FAILED_CHECKS;
    } else if (strcmp(key, "iterations") == 0) {
        if (field_int32(&l->r, n, -1, 1000000, &s->iterations))
            s->fields |= STATE_ITERATIONS;
    } else if (strcmp(key, "mirror") == 0) {
        if (field_bool(&l->r, n, &s->mirror))
            s->fields |= STATE_MIRROR;
    } else if (strcmp(key, "applied") == 0) {
        if (field_text(&l->r, n, &s->applied_name)) {
            s->applied = revision_of(s->applied_name);
            s->fields |= STATE_APPLIED;
        }
    } else if (strcmp(key, "promoted") == 0) {
        if (field_text(&l->r, n, &s->promoted_name)) {
            s->promoted = revision_of(s->promoted_name);
            s->fields |= STATE_PROMOTED;
        }
    } else {
        return false;
    }
    return true;
}

static void read_states(struct expecting *x, const struct node *n)
{
    static const char *const names[] = {
        "at",           "phase",  "canaryWeight", "primaryWeight", "iterations", "failedChecks",
        "statusWeight", "mirror", "applied",      "promoted",      NULL};
    struct loader *l = x->l;

    for (size_t i = 0; field_is_list(&l->r, n) && i < n->u.list.count; i++) {
        const struct node *item = n->u.list.items[i];
        struct expectation *e;

        field_enter_index(&l->r, i);
        if (field_map(&l->r, item, names) &&
            (e = add(x, EXPECT_STATE, item, "expect.states")) != NULL) {
            if (!node_get(item, "at"))
                field_error(&l->r, item, "add `at: 5m`", "the state has no time");
            field_duration(&l->r, node_get(item, "at"), &e->at_ms);
            for (size_t k = 0; k < item->u.map.count; k++) {
                field_enter(&l->r, item->u.map.members[k].key);
                read_state_field(l, &e->state, item->u.map.members[k].key,
                                 item->u.map.members[k].value);
                field_leave(&l->r);
            }
        }
        field_leave(&l->r);
    }
}

/* ---- sequences
 * -------------------------------------------------------------------------------------- */

static void read_phases(struct expecting *x, const struct node *n)
{
    struct expectation *e;
    uint8_t *phases;
    uint32_t phase;

    if (!field_is_list(&x->l->r, n))
        return;
    e = add(x, EXPECT_PHASES, n, "expect.phases");
    phases = arena_alloc(x->l->arena, n->u.list.count + 1);
    if (!e || !phases)
        return;
    for (size_t i = 0; i < n->u.list.count; i++) {
        field_enter_index(&x->l->r, i);
        if (read_phase(x->l, n->u.list.items[i], &phase))
            phases[e->count++] = (uint8_t)phase;
        field_leave(&x->l->r);
    }
    e->phases = phases;
}

static void read_weights(struct expecting *x, const struct node *n)
{
    struct expectation *e;
    int32_t *weights;

    if (!field_is_list(&x->l->r, n))
        return;
    e = add(x, EXPECT_WEIGHTS, n, "expect.weights");
    weights = arena_alloc(x->l->arena, (n->u.list.count + 1) * sizeof *weights);
    if (!e || !weights)
        return;
    for (size_t i = 0; i < n->u.list.count; i++) {
        field_enter_index(&x->l->r, i);
        e->count += field_int32(&x->l->r, n->u.list.items[i], 0, 1000, &weights[e->count]);
        field_leave(&x->l->r);
    }
    e->weights = weights;
}

static void read_hook_calls(struct expecting *x, const struct node *n)
{
    struct loader *l = x->l;

    for (size_t i = 0; field_is_map(&l->r, n) && i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        struct expectation *e = add(x, EXPECT_HOOK, m->value, "expect.hooks");
        uint8_t *phases;
        uint32_t phase;

        if (!e)
            return;
        field_enter(&l->r, m->key);
        e->line = m->line;
        e->name = m->key;
        if (m->value->kind != NODE_LIST) {
            field_int32(&l->r, m->value, 0, 1000000, &e->calls);
        } else if ((phases = arena_alloc(l->arena, m->value->u.list.count + 1)) != NULL) {
            for (size_t k = 0; k < m->value->u.list.count; k++) {
                field_enter_index(&l->r, k);
                if (read_phase(l, m->value->u.list.items[k], &phase))
                    phases[e->count++] = (uint8_t)phase;
                field_leave(&l->r);
            }
            e->phases = phases;
        }
        field_leave(&l->r);
    }
}

static void read_verdicts(struct expecting *x, const struct node *n)
{
    static const char *const names[] = {"pass", "fail", "none", "error", "wait", "window", NULL};
    struct loader *l = x->l;

    for (size_t i = 0; field_is_map(&l->r, n) && i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        struct expectation *e = add(x, EXPECT_CHECKS, m->value, "expect.checks");

        if (!e)
            return;
        field_enter(&l->r, m->key);
        e->line = m->line;
        e->name = m->key;
        if (m->value->kind == NODE_INT) {
            field_int32(&l->r, m->value, 0, 1000000, &e->total);
        } else if (field_map(&l->r, m->value, names)) {
            for (int v = 0; v < 5; v++)
                field_int32(&l->r, node_get(m->value, names[v]), 0, 1000000, &e->verdicts[v]);
            e->has_window = field_duration(&l->r, node_get(m->value, "window"), &e->at_ms);
        }
        field_leave(&l->r);
    }
}

/* ---- never
 * ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    enum state_field field;
} never_numbers[] = {
    {"canaryWeight", STATE_CANARY_WEIGHT}, {"primaryWeight", STATE_PRIMARY_WEIGHT},
    {"statusWeight", STATE_STATUS_WEIGHT}, {"failedChecks", STATE_FAILED_CHECKS},
    {"iterations", STATE_ITERATIONS},
};

static bool read_never_number(struct loader *l, struct expectation *e, const char *key,
                              const struct node *n)
{
    static const char *const names[] = {"above", "below", NULL};
    size_t i = 0;

    while (i < sizeof never_numbers / sizeof *never_numbers &&
           strcmp(never_numbers[i].name, key) != 0)
        i++;
    if (i == sizeof never_numbers / sizeof *never_numbers)
        return false;
    e->state.fields = never_numbers[i].field;
    if (n->kind != NODE_MAP) { /* never this very number */
        int32_t value = 0;

        if (field_int32(&l->r, n, -1, 1000000, &value)) {
            e->never.above = e->never.below = true;
            e->never.limit_above = value - 1;
            e->never.limit_below = value + 1;
        }
    } else if (field_map(&l->r, n, names)) {
        e->never.above =
            field_int32(&l->r, node_get(n, "above"), -1, 1000000, &e->never.limit_above);
        e->never.below =
            field_int32(&l->r, node_get(n, "below"), -1, 1000000, &e->never.limit_below);
    }
    return true;
}

static void read_never_one(struct expecting *x, const char *key, const struct node *n)
{
    struct loader *l = x->l;
    struct expectation *e = add(x, EXPECT_NEVER, n, "expect.never");
    uint32_t phase;
    bool yes = true;

    if (!e || read_never_number(l, e, key, n))
        return;
    if (strcmp(key, "phase") == 0 && read_phase(l, n, &phase)) {
        e->state.fields = STATE_PHASE;
        e->state.phases = (uint32_t)1 << phase;
    } else if (strcmp(key, "event") == 0 && read_matcher(l, n, &e->never.matcher)) {
        e->state.fields = STATE_EVENT;
    } else if (strcmp(key, "alert") == 0 && read_matcher(l, n, &e->never.matcher)) {
        e->state.fields = STATE_ALERT;
    } else if (strcmp(key, "hook") == 0 && field_text(&l->r, n, &e->name)) {
        e->state.fields = STATE_HOOK;
    } else if (strcmp(key, "mirror") == 0 && field_bool(&l->r, n, &yes)) {
        e->state.fields = STATE_MIRROR;
        e->state.mirror = yes;
    } else if (strcmp(key, "outage") == 0 && field_bool(&l->r, n, &yes)) {
        e->state.fields = STATE_OUTAGE;
    }
}

static void read_never(struct expecting *x, const struct node *n)
{
    static const char *const names[] = {
        "canaryWeight", "primaryWeight", "statusWeight", "failedChecks", "iterations", "phase",
        "event",        "alert",         "hook",         "mirror",       "outage",     NULL};
    struct loader *l = x->l;

    if (!field_map(&l->r, n, names))
        return;
    for (size_t i = 0; i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];

        field_enter(&l->r, m->key);
        if (m->value->kind == NODE_LIST) {
            for (size_t k = 0; k < m->value->u.list.count; k++) {
                field_enter_index(&l->r, k);
                read_never_one(x, m->key, m->value->u.list.items[k]);
                field_leave(&l->r);
            }
        } else {
            read_never_one(x, m->key, m->value);
        }
        field_leave(&l->r);
    }
}

/* ---- the block
 * -------------------------------------------------------------------------------------- */

static void read_finished(struct expecting *x, const struct node *n)
{
    static const char *const names[] = {"before", "after", NULL};
    struct expectation *e = add(x, EXPECT_FINISHED, n, "expect.finished");

    if (!e)
        return;
    if (n->kind != NODE_MAP) {
        field_duration(&x->l->r, n, &e->at_ms);
    } else if (field_map(&x->l->r, n, names)) {
        e->at_ms = 0;
        e->before_ms = MS_NEVER - 1;
        field_duration(&x->l->r, node_get(n, "before"), &e->before_ms);
        field_duration(&x->l->r, node_get(n, "after"), &e->at_ms);
    }
}

static void read_count(struct expecting *x, const struct node *n, enum count_field field,
                       const char *path)
{
    struct expectation *e = add(x, EXPECT_COUNTS, n, path);

    if (!e)
        return;
    e->counted = field;
    field_int32(&x->l->r, n, 0, 1000000, &e->total);
}

static void read_member(struct expecting *x, const char *key, const struct node *n)
{
    struct expectation *e;

    if (strcmp(key, "phases") == 0) {
        read_phases(x, n);
    } else if (strcmp(key, "weights") == 0) {
        read_weights(x, n);
    } else if (strcmp(key, "events") == 0) {
        read_texts(x, n, EXPECT_EVENTS, "expect.events");
    } else if (strcmp(key, "alerts") == 0) {
        read_texts(x, n, EXPECT_ALERTS, "expect.alerts");
    } else if (strcmp(key, "hooks") == 0) {
        read_hook_calls(x, n);
    } else if (strcmp(key, "checks") == 0) {
        read_verdicts(x, n);
    } else if (strcmp(key, "states") == 0) {
        read_states(x, n);
    } else if (strcmp(key, "never") == 0) {
        read_never(x, n);
    } else if (strcmp(key, "finished") == 0) {
        read_finished(x, n);
    } else if (strcmp(key, "ticks") == 0) {
        read_count(x, n, COUNT_TICKS, "expect.ticks");
    } else if (strcmp(key, "rollouts") == 0) {
        read_count(x, n, COUNT_ROLLOUTS, "expect.rollouts");
    } else if (strcmp(key, "succeeded") == 0) {
        read_count(x, n, COUNT_SUCCEEDED, "expect.succeeded");
    } else if (strcmp(key, "failed") == 0) {
        read_count(x, n, COUNT_FAILED, "expect.failed");
    } else if (strcmp(key, "outage") == 0) {
        e = add(x, EXPECT_OUTAGE, n, "expect.outage");
        if (e)
            field_duration(&x->l->r, n, &e->outage_ms);
    } else if (strcmp(key, "capacity") == 0) {
        e = add(x, EXPECT_CAPACITY, n, "expect.capacity");
        if (e)
            field_share(&x->l->r, n, &e->share);
    }
}

static const char *const expect_names[] = {
    "phase",      "canaryWeight", "primaryWeight", "statusWeight", "failedChecks",
    "iterations", "mirror",       "applied",       "promoted",     "phases",
    "weights",    "events",       "alerts",        "hooks",        "checks",
    "states",     "never",        "finished",      "ticks",        "rollouts",
    "succeeded",  "failed",       "outage",        "capacity",     "canaries",
    NULL};

static void read_block(struct expecting *x, const struct node *n)
{
    struct state_values state = {0};
    struct expectation *e;
    const struct node *first = NULL;

    for (size_t i = 0; i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];

        field_enter(&x->l->r, m->key);
        if (read_state_field(x->l, &state, m->key, m->value))
            first = first ? first : m->value;
        else
            read_member(x, m->key, m->value);
        field_leave(&x->l->r);
    }
    if (state.fields != 0 && (e = add(x, EXPECT_STATE, first, "expect")) != NULL)
        e->state = state;
}

void read_expect(struct loader *l, const struct node *n, struct grow *expectations)
{
    struct expecting x = {.l = l, .list = expectations};
    const struct node *canaries;

    if (!n)
        return;
    field_enter(&l->r, "expect");
    if (field_map(&l->r, n, expect_names)) {
        canaries = node_get(n, "canaries");
        if (!canaries && l->canaries.count > 1)
            field_error(&l->r, n, "write `canaries: {NAME: {…}}`",
                        "there are several Canaries: say which one is meant");
        else if (l->canaries.count > 0)
            read_block(&x, n);
        field_enter(&l->r, "canaries");
        for (size_t i = 0; canaries && field_is_map(&l->r, canaries) && i < canaries->u.map.count;
             i++) {
            const struct member *m = &canaries->u.map.members[i];
            struct node name = {.kind = NODE_STRING,
                                .line = m->line,
                                .col = m->col,
                                .text = m->key,
                                .text_len = m->key_len};

            field_enter(&l->r, m->key);
            if (draft_find(l, &name, &x.canary) && field_map(&l->r, m->value, expect_names))
                read_block(&x, m->value);
            field_leave(&l->r);
        }
        field_leave(&l->r);
    }
    field_leave(&l->r);
}
