/* The world of a scenario: workloads, webhooks, faults, and what happens when. */
#include "adapters/scenario/draft.h"

#include <stdlib.h>
#include <string.h>

#define PPM 1000000.0

revision_t draft_revision(struct loader *l, struct canary_draft *c, const char *name)
{
    revision_t revision = revision_of(name);
    const struct revision_plan *known = c->revisions.items;
    struct revision_plan *added;

    for (size_t i = 0; i < c->revisions.count; i++)
        if (known[i].revision == revision)
            return revision;
    added = grow_add(l->arena, &c->revisions, sizeof *added);
    if (added)
        *added = (struct revision_plan){.revision = revision, .name = name, .startup_ms = -1};
    return revision;
}

/* A time that may be "never". */
static bool read_startup(struct loader *l, const struct node *n, ms_t *ret_ms)
{
    if (n && node_is(n, "never")) {
        *ret_ms = MS_NEVER;
        return true;
    }
    return field_duration(&l->r, n, ret_ms);
}

static void read_revisions(struct loader *l, struct canary_draft *c, const struct node *n)
{
    static const char *const names[] = {"startup", NULL};

    if (!n || !field_is_map(&l->r, n))
        return;
    field_enter(&l->r, "revisions");
    for (size_t i = 0; i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        ms_t startup = -1;
        struct revision_plan *list;

        field_enter(&l->r, m->key);
        if (field_map(&l->r, m->value, names))
            read_startup(l, node_get(m->value, "startup"), &startup);
        draft_revision(l, c, m->key);
        list = c->revisions.items;
        for (size_t k = 0; k < c->revisions.count; k++)
            if (list[k].revision == revision_of(m->key))
                list[k].startup_ms = startup;
        field_leave(&l->r);
    }
    field_leave(&l->r);
}

static void read_autoscaler(struct loader *l, struct canary_draft *c, const struct node *n)
{
    static const char *const names[] = {"min", "max", "podRps", "load", "scaleDownAfter", NULL};
    struct capacity_model *capacity = &c->world.capacity;

    if (!n)
        return;
    *capacity = (struct capacity_model){.target = 0.7, .hold_ms = 300000};
    field_enter(&l->r, "autoscaler");
    if (field_map(&l->r, n, names)) {
        field_int32(&l->r, node_get(n, "min"), 0, 100000, &c->world.scaler_min);
        field_int32(&l->r, node_get(n, "max"), 1, 100000, &c->world.scaler_max);
        field_number(&l->r, node_get(n, "podRps"), &capacity->pod_rps);
        field_share(&l->r, node_get(n, "load"), &capacity->target);
        field_duration(&l->r, node_get(n, "scaleDownAfter"), &capacity->hold_ms);
        if (node_get(n, "podRps") && capacity->pod_rps <= 0)
            field_error(&l->r, node_get(n, "podRps"), NULL, "expected a rate above 0");
        else if (node_get(n, "podRps") && !node_at(l->root, "model", "requests", NULL))
            field_error(&l->r, node_get(n, "podRps"), "add model.requests",
                        "the load of the pods is not known: there is no `model:` with requests");
        if (capacity->target < 0.01)
            field_error(&l->r, node_get(n, "load"), NULL, "expected a share of at least 1%%");
        if (capacity->hold_ms > CAPACITY_HOLD_MAX_MS)
            field_error(&l->r, node_get(n, "scaleDownAfter"), NULL, "expected at most 15m");
    }
    field_leave(&l->r);
}

void read_world(struct loader *l, struct canary_draft *c, const struct node *n)
{
    static const char *const names[] = {"start",    "revision",   "replicas",  "startup",
                                        "surge",    "revisions",  "configs",   "autoscaler",
                                        "matching", "deployment", "canMirror", NULL};
    static const char *const starts[] = {"initialized", "new", NULL};
    static const char *const deployment_names[] = {"progressDeadlineSeconds", NULL};
    struct world_plan *w = &c->world;
    const struct node *d;
    const char *text;
    uint32_t start;
    double share;
    bool can_mirror;

    if (!n)
        return;
    field_enter(&l->r, "world");
    if (field_map(&l->r, n, names)) {
        field_enter(&l->r, "start");
        if (field_choice(&l->r, node_get(n, "start"), starts, "start", &start))
            w->initialized = start == 0;
        field_leave(&l->r);
        field_enter(&l->r, "replicas");
        field_int32(&l->r, node_get(n, "replicas"), 1, 100000, &w->replicas);
        field_leave(&l->r);
        field_enter(&l->r, "startup");
        read_startup(l, node_get(n, "startup"), &w->startup_ms);
        field_leave(&l->r);
        field_enter(&l->r, "surge");
        field_int32(&l->r, node_get(n, "surge"), 0, 100000, &w->surge);
        field_leave(&l->r);
        field_enter(&l->r, "matching");
        if (field_share(&l->r, node_get(n, "matching"), &share))
            w->match_percent = (int32_t)(share * 100 + 0.5);
        field_leave(&l->r);
        field_enter(&l->r, "canMirror");
        if (field_bool(&l->r, node_get(n, "canMirror"), &can_mirror))
            w->mirror_unreported = !can_mirror;
        field_leave(&l->r);
        field_enter(&l->r, "deployment");
        d = node_get(n, "deployment");
        if (d && field_map(&l->r, d, deployment_names))
            field_int32(&l->r, node_get(d, "progressDeadlineSeconds"), 1, 1000000000,
                        &w->deployment_deadline_s);
        field_leave(&l->r);
        if (field_text(&l->r, node_get(n, "revision"), &text))
            w->first = draft_revision(l, c, text);
        if (field_text(&l->r, node_get(n, "configs"), &text))
            w->configs = revision_of(text);
        read_autoscaler(l, c, node_get(n, "autoscaler"));
        read_revisions(l, c, node_get(n, "revisions"));
    }
    field_leave(&l->r);
}

/* ---- webhooks
 * --------------------------------------------------------------------------------------- */

bool read_reply(struct loader *l, const struct node *n, struct hook_reply *out)
{
    static const char *const names[] = {"status", "body", "error", "takes", NULL};
    static const char *const words[] = {"open", "closed", NULL};
    int64_t status = 200;
    uint32_t word;

    *out = (struct hook_reply){.status = 200, .body = ""};
    if (!n)
        return false;
    if (n->kind == NODE_INT) {
        if (!field_int(&l->r, n, 100, 599, &status))
            return false;
        out->status = (uint16_t)status;
        return true;
    }
    if (n->kind == NODE_STRING) {
        if (!field_choice(&l->r, n, words, "answer", &word))
            return false;
        if (word == 1)
            *out = (struct hook_reply){.status = 403, .body = "Forbidden"};
        return true;
    }
    if (!field_map(&l->r, n, names))
        return false;
    field_text(&l->r, node_get(n, "body"), &out->body);
    if (field_text(&l->r, node_get(n, "error"), &out->error))
        out->status = 0;
    field_enter(&l->r, "takes");
    field_duration(&l->r, node_get(n, "takes"), &out->took_ms);
    field_leave(&l->r);
    field_enter(&l->r, "status");
    if (field_int(&l->r, node_get(n, "status"), 100, 599, &status))
        out->status = (uint16_t)status;
    field_leave(&l->r);
    return true;
}

struct hook_draft *draft_hook(struct loader *l, struct canary_draft *c, const char *name,
                              const struct node *n)
{
    struct hook_draft *hooks = c->hooks.items, *h;

    for (size_t i = 0; i < c->hooks.count; i++)
        if (strcmp(hooks[i].name, name) == 0)
            return &hooks[i];
    h = grow_add(l->arena, &c->hooks, sizeof *h);
    if (h) {
        h->name = name;
        h->node = n;
    }
    return h;
}

static void add_change(struct loader *l, struct hook_draft *h, ms_t at, struct hook_reply reply)
{
    struct hook_change *list = h->changes.items, *added;
    size_t i;

    added = grow_add(l->arena, &h->changes, sizeof *added);
    if (!added)
        return;
    list = h->changes.items;
    for (i = h->changes.count - 1; i > 0 && list[i - 1].at_ms > at; i--)
        list[i] = list[i - 1];
    list[i] = (struct hook_change){.at_ms = at, .reply = reply};
}

/* A list answers call by call; its last entry stands for all that follow. */
static void read_calls(struct loader *l, struct hook_draft *h, const struct node *n,
                       bool last_stays)
{
    struct hook_reply reply = {.status = 200, .body = ""}, *slot;

    if (!field_is_list(&l->r, n))
        return;
    for (size_t i = 0; i < n->u.list.count; i++) {
        field_enter_index(&l->r, i);
        if (read_reply(l, n->u.list.items[i], &reply)) {
            slot = grow_add(l->arena, &h->calls, sizeof *slot);
            if (slot)
                *slot = reply;
        }
        field_leave(&l->r);
    }
    if (last_stays && n->u.list.count > 0)
        add_change(l, h, 0, reply);
}

static void read_hook_times(struct loader *l, struct hook_draft *h, const struct node *n)
{
    if (!n || !field_is_map(&l->r, n))
        return;
    for (size_t i = 0; i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        struct node time = {.kind = NODE_STRING,
                            .line = m->line,
                            .col = m->col,
                            .text = m->key,
                            .text_len = m->key_len};
        struct hook_reply reply;
        ms_t at;

        field_enter(&l->r, m->key);
        if (field_duration(&l->r, &time, &at) && read_reply(l, m->value, &reply))
            add_change(l, h, at, reply);
        field_leave(&l->r);
    }
}

static bool is_reply(const struct node *n)
{
    return n->kind != NODE_MAP || node_get(n, "status") || node_get(n, "error") ||
           node_get(n, "body") || node_get(n, "takes");
}

static void read_hook(struct loader *l, struct hook_draft *h, const struct node *n)
{
    static const char *const names[] = {"calls", "then", "at", "chance", "unlucky", NULL};
    struct hook_reply reply;
    double share;

    if (n->kind == NODE_LIST) {
        read_calls(l, h, n, true);
        return;
    }
    if (is_reply(n)) {
        if (read_reply(l, n, &reply))
            add_change(l, h, 0, reply);
        return;
    }
    if (!field_map(&l->r, n, names))
        return;
    field_enter(&l->r, "calls");
    if (node_get(n, "calls"))
        read_calls(l, h, node_get(n, "calls"), false);
    field_leave(&l->r);
    field_enter(&l->r, "then");
    if (node_get(n, "then") && read_reply(l, node_get(n, "then"), &reply))
        add_change(l, h, 0, reply);
    field_leave(&l->r);
    field_enter(&l->r, "at");
    read_hook_times(l, h, node_get(n, "at"));
    field_leave(&l->r);
    field_enter(&l->r, "chance");
    h->unlucky = (struct hook_reply){.status = 500, .body = ""};
    if (field_share(&l->r, node_get(n, "chance"), &share))
        h->chance_ppm = (uint32_t)(share * PPM + 0.5);
    field_leave(&l->r);
    field_enter(&l->r, "unlucky");
    if (node_get(n, "unlucky"))
        read_reply(l, node_get(n, "unlucky"), &h->unlucky);
    field_leave(&l->r);
}

void read_hooks(struct loader *l, struct canary_draft *c, const struct node *n)
{
    if (!n)
        return;
    field_enter(&l->r, "hooks");
    if (field_is_map(&l->r, n))
        for (size_t i = 0; i < n->u.map.count; i++) {
            const struct member *m = &n->u.map.members[i];
            struct hook_draft *h = draft_hook(l, c, m->key, m->value);

            field_enter(&l->r, m->key);
            if (h)
                read_hook(l, h, m->value);
            field_leave(&l->r);
        }
    field_leave(&l->r);
}

/* ---- faults
 * ----------------------------------------------------------------------------------------- */

static bool read_ask(struct loader *l, const struct node *n, uint8_t *ret_ask)
{
    const char *names[ASK_KIND_COUNT + 1];
    uint32_t index;

    for (uint32_t i = 0; i < ASK_KIND_COUNT; i++)
        names[i] = i <= ASK_DONE ? "" : ask_kind_name((enum ask_kind)i);
    names[ASK_KIND_COUNT] = NULL;
    if (!field_choice(&l->r, n, names, "request of the engine", &index))
        return false;
    *ret_ask = (uint8_t)index;
    return true;
}

static void read_fault_calls(struct loader *l, const struct node *n, struct fault_plan *f)
{
    int64_t from = 0, to = 0;

    if (!n)
        return;
    field_enter(&l->r, "calls");
    if (n->kind == NODE_LIST) {
        if (n->u.list.count != 2)
            field_error(&l->r, n, "write 3, or [3, 5] for the third to the fifth",
                        "expected two numbers");
        else if (field_int(&l->r, n->u.list.items[0], 1, 1000000000, &from))
            field_int(&l->r, n->u.list.items[1], from, 1000000000, &to);
    } else if (field_int(&l->r, n, 1, 1000000000, &from)) {
        to = from;
    }
    f->call_from = (uint32_t)from;
    f->call_to = (uint32_t)to;
    field_leave(&l->r);
}

/* The fields that a fault has in common wherever it stands. */
static bool read_fault(struct loader *l, const struct node *n, struct fault_plan *f)
{
    static const char *const outcomes[] = {"retry", "failed", NULL};
    uint32_t outcome;
    double share;
    ms_t lasts;

    f->outcome = OUTCOME_RETRY;
    f->text = "the API server does not answer";
    f->to_ms = MS_NEVER;
    field_enter(&l->r, "fail");
    if (!read_ask(l, node_get(n, "fail"), &f->ask)) {
        if (!node_get(n, "fail"))
            field_error(&l->r, n, NULL, "fail is missing: which request goes wrong");
        field_leave(&l->r);
        return false;
    }
    field_leave(&l->r);
    field_enter(&l->r, "for");
    if (field_duration(&l->r, node_get(n, "for"), &lasts))
        f->to_ms = f->from_ms + lasts;
    field_leave(&l->r);
    field_enter(&l->r, "outcome");
    if (field_choice(&l->r, node_get(n, "outcome"), outcomes, "outcome", &outcome))
        f->outcome = outcome == 0 ? OUTCOME_RETRY : OUTCOME_FAILED;
    field_leave(&l->r);
    field_enter(&l->r, "chance");
    if (field_share(&l->r, node_get(n, "chance"), &share))
        f->chance_ppm = (uint32_t)(share * PPM + 0.5);
    field_leave(&l->r);
    field_enter(&l->r, "lands");
    field_bool(&l->r, node_get(n, "lands"), &f->lands);
    field_leave(&l->r);
    field_enter(&l->r, "text");
    field_text(&l->r, node_get(n, "text"), &f->text);
    field_leave(&l->r);
    read_fault_calls(l, node_get(n, "calls"), f);
    return true;
}

static void add_fault(struct loader *l, struct canary_draft *c, const struct fault_plan *f)
{
    struct fault_plan *slot = grow_add(l->arena, &c->faults, sizeof *slot);

    if (slot)
        *slot = *f;
}

void read_faults(struct loader *l, struct canary_draft *c, const struct node *n)
{
    static const char *const names[] = {"fail",   "from",  "to",   "for",     "calls",
                                        "chance", "lands", "text", "outcome", NULL};

    if (!n)
        return;
    field_enter(&l->r, "faults");
    for (size_t i = 0; field_is_list(&l->r, n) && i < n->u.list.count; i++) {
        const struct node *item = n->u.list.items[i];
        struct fault_plan f = {0};

        field_enter_index(&l->r, i);
        if (field_map(&l->r, item, names)) {
            field_enter(&l->r, "from");
            field_duration(&l->r, node_get(item, "from"), &f.from_ms);
            field_leave(&l->r);
            if (read_fault(l, item, &f)) {
                field_enter(&l->r, "to");
                field_duration(&l->r, node_get(item, "to"), &f.to_ms);
                field_leave(&l->r);
                add_fault(l, c, &f);
            }
        }
        field_leave(&l->r);
    }
    field_leave(&l->r);
}

/* ---- the timeline
 * ----------------------------------------------------------------------------------- */

/* One entry while it is read: for which Canaries, and when. */
struct entry {
    const struct node *node;
    ms_t at_ms;
    uint16_t canary; /* UINT16_MAX = all */
    size_t order;
};

static void add_timeline(struct loader *l, const struct entry *e, struct change_plan change)
{
    struct change_plan *slot = grow_add(l->arena, &l->changes, sizeof *slot);

    if (!slot)
        return;
    *slot = change;
    slot->at_ms = e->at_ms;
    slot->canary = e->canary;
}

static bool concerns(const struct entry *e, size_t index)
{
    return e->canary == UINT16_MAX || e->canary == index;
}

static void on_deploy(struct loader *l, const struct entry *e, const struct node *n)
{
    const char *name;

    if (!field_text(&l->r, n, &name))
        return;
    for (size_t i = 0; i < l->canaries.count; i++)
        if (concerns(e, i))
            draft_revision(l, draft_at(l, i), name);
    add_timeline(l, e,
                 (struct change_plan){.kind = CHANGE_DEPLOY,
                                      .revision = revision_of(name),
                                      .text = arena_printf(l->arena, "deploy %s", name)});
}

static void on_config(struct loader *l, const struct entry *e, const struct node *n)
{
    const char *name;

    if (field_text(&l->r, n, &name))
        add_timeline(
            l, e,
            (struct change_plan){.kind = CHANGE_CONFIG,
                                 .revision = revision_of(name),
                                 .text = arena_printf(l->arena, "configs become %s", name)});
}

/* JSON merge patch on trees: maps are merged, null removes, anything else replaces. */
static const struct node *merge(struct arena *arena, const struct node *target,
                                const struct node *patch)
{
    struct node *out;
    struct member *members;
    size_t count = 0;

    if (patch->kind != NODE_MAP)
        return patch;
    out = arena_alloc(arena, sizeof *out);
    if (!out)
        return patch;
    if (target && target->kind == NODE_MAP) {
        *out = *target;
        count = target->u.map.count;
    } else {
        *out = *patch;
    }
    members = arena_alloc(arena, (count + patch->u.map.count) * sizeof *members);
    if (!members)
        return patch;
    if (count > 0)
        memcpy(members, target->u.map.members, count * sizeof *members);
    for (size_t i = 0; i < patch->u.map.count; i++) {
        const struct member *m = &patch->u.map.members[i];
        size_t k = 0;

        while (k < count && strcmp(members[k].key, m->key) != 0)
            k++;
        if (m->value->kind == NODE_NULL) {
            if (k < count)
                memmove(&members[k], &members[k + 1], (--count - k) * sizeof *members);
            continue;
        }
        if (k == count)
            members[count++] = *m;
        members[k].line = m->line;
        members[k].col = m->col;
        /* a merged tree is never written to */
        members[k].value = (struct node *)(uintptr_t)merge(
            arena, k < count && members[k].value != m->value ? members[k].value : NULL, m->value);
    }
    out->u.map.members = members;
    out->u.map.count = count;
    return out;
}

static void edit_one(struct loader *l, const struct entry *e, size_t index,
                     const struct node *patch, const char *text)
{
    struct canary_draft *c = draft_at(l, index);
    const struct node *const *objects = c->objects.items, **slot;
    const struct node *object = objects[c->objects.count - 1];
    struct node *wrapper = arena_alloc(l->arena, sizeof *wrapper);
    struct member *member = arena_alloc(l->arena, sizeof *member);
    struct entry only = *e;

    slot = grow_add(l->arena, &c->objects, sizeof *slot);
    if (!wrapper || !member || !slot)
        return;
    *wrapper = *patch;
    wrapper->kind = NODE_MAP;
    member->key = "spec";
    member->key_len = 4;
    member->line = patch->line;
    member->col = patch->col;
    member->value = (struct node *)(uintptr_t)patch; /* never written to */
    wrapper->u.map.members = member;
    wrapper->u.map.count = 1;
    *slot = merge(l->arena, object, wrapper);
    only.canary = (uint16_t)index;
    add_timeline(l, &only,
                 (struct change_plan){
                     .kind = CHANGE_SPEC, .index = (uint32_t)(c->objects.count - 1), .text = text});
}

static void on_edit(struct loader *l, const struct entry *e, const struct node *n)
{
    if (!field_is_map(&l->r, n))
        return;
    for (size_t i = 0; i < l->canaries.count; i++)
        if (concerns(e, i))
            edit_one(l, e, i, n, "the Canary is edited");
}

static void on_suspend(struct loader *l, const struct entry *e, const struct node *n)
{
    struct node *patch = arena_alloc(l->arena, sizeof *patch);
    struct member *member = arena_alloc(l->arena, sizeof *member);
    bool suspend;

    if (!field_bool(&l->r, n, &suspend) || !patch || !member)
        return;
    *patch = *n;
    patch->kind = NODE_MAP;
    *member = (struct member){.key = "suspend", .key_len = 7, .line = n->line, .col = n->col};
    member->value = (struct node *)(uintptr_t)n;
    patch->u.map.members = member;
    patch->u.map.count = 1;
    for (size_t i = 0; i < l->canaries.count; i++)
        if (concerns(e, i))
            edit_one(l, e, i, patch, suspend ? "the Canary is suspended" : "the Canary is resumed");
}

static void on_pods(struct loader *l, const struct entry *e, const struct node *n)
{
    static const char *const names[] = {"primary", "canary", NULL};
    static const char *const states[] = {"up", "down", "lost", NULL};
    static const char *const texts[] = {"pods are ready again", "no pod is ready",
                                        "the progress deadline has passed"};

    if (!field_map(&l->r, n, names))
        return;
    for (int side = 0; side < 2; side++) {
        uint32_t state;

        field_enter(&l->r, names[side]);
        if (field_choice(&l->r, node_get(n, names[side]), states, "state", &state))
            add_timeline(l, e,
                         (struct change_plan){
                             .kind = side == 0 ? CHANGE_PRIMARY : CHANGE_CANARY,
                             .state = (uint8_t)state,
                             .text = arena_printf(l->arena, "%s: %s", names[side], texts[state])});
        field_leave(&l->r);
    }
}

static void on_gate(struct loader *l, const struct entry *e, const struct node *n, bool open)
{
    struct hook_reply reply = {.status = 403, .body = "Forbidden"};
    const char *name;

    if (open)
        reply = (struct hook_reply){.status = 200, .body = ""};
    if (!field_text(&l->r, n, &name))
        return;
    for (size_t i = 0; i < l->canaries.count; i++) {
        struct hook_draft *h = concerns(e, i) ? draft_hook(l, draft_at(l, i), name, n) : NULL;

        if (h)
            add_change(l, h, e->at_ms, reply);
    }
    add_timeline(l, e,
                 (struct change_plan){.kind = CHANGE_NOTE,
                                      .text = arena_printf(l->arena, "gate %s %s", name,
                                                           open ? "opens" : "closes")});
}

static void on_hook(struct loader *l, const struct entry *e, const struct node *n)
{
    if (!field_is_map(&l->r, n))
        return;
    for (size_t k = 0; k < n->u.map.count; k++) {
        const struct member *m = &n->u.map.members[k];
        struct hook_reply reply;

        field_enter(&l->r, m->key);
        if (read_reply(l, m->value, &reply)) {
            for (size_t i = 0; i < l->canaries.count; i++) {
                struct hook_draft *h =
                    concerns(e, i) ? draft_hook(l, draft_at(l, i), m->key, m->value) : NULL;

                if (h)
                    add_change(l, h, e->at_ms, reply);
            }
            add_timeline(
                l, e,
                (struct change_plan){.kind = CHANGE_NOTE,
                                     .text = arena_printf(l->arena, "hook %s answers %s", m->key,
                                                          reply.error ? "nothing" : "otherwise")});
        }
        field_leave(&l->r);
    }
}

static void on_command(struct loader *l, const struct entry *e, const struct node *n)
{
    static const char *const names[] = {"", "promote", "abort", "retry", "pause", "resume", NULL};
    uint32_t command;

    if (field_choice(&l->r, n, names, "command", &command))
        add_timeline(l, e,
                     (struct change_plan){
                         .kind = CHANGE_COMMAND,
                         .index = command,
                         .text = arena_printf(l->arena, "a person says: %s", names[command])});
}

static void on_routes(struct loader *l, const struct entry *e, const struct node *n)
{
    static const char *const names[] = {"primary", "canary", "mirror", NULL};
    int32_t primary = WEIGHT_TOTAL, canary = 0;
    bool mirror = false;

    if (!field_map(&l->r, n, names))
        return;
    field_int32(&l->r, node_get(n, "primary"), 0, WEIGHT_TOTAL, &primary);
    field_int32(&l->r, node_get(n, "canary"), 0, WEIGHT_TOTAL, &canary);
    field_bool(&l->r, node_get(n, "mirror"), &mirror);
    add_timeline(l, e,
                 (struct change_plan){.kind = CHANGE_ROUTES,
                                      .primary = (int16_t)primary,
                                      .canary_weight = (int16_t)canary,
                                      .mirror = mirror,
                                      .text = arena_printf(l->arena,
                                                           "routes become %d/%d by "
                                                           "another hand",
                                                           primary, canary)});
}

static void on_fail(struct loader *l, const struct entry *e, const struct node *entry_node)
{
    struct fault_plan f = {.from_ms = e->at_ms};

    field_leave(&l->r); /* the fields of a fault stand beside its `fail` */
    if (read_fault(l, entry_node, &f)) {
        for (size_t i = 0; i < l->canaries.count; i++)
            if (concerns(e, i))
                add_fault(l, draft_at(l, i), &f);
        add_timeline(l, e,
                     (struct change_plan){.kind = CHANGE_NOTE,
                                          .text = arena_printf(l->arena, "%s begins to fail",
                                                               ask_kind_name(f.ask))});
    }
    field_enter(&l->r, "fail");
}

static void on_true(struct loader *l, const struct entry *e, const struct node *n,
                    enum change_kind kind, const char *text)
{
    bool yes;

    if (!field_bool(&l->r, n, &yes))
        return;
    if (!yes)
        field_error(&l->r, n, "leave the entry out", "only true has a meaning here");
    else
        add_timeline(l, e, (struct change_plan){.kind = (uint8_t)kind, .text = text});
}

static void on_scale(struct loader *l, const struct entry *e, const struct node *n)
{
    int32_t replicas;

    if (field_int32(&l->r, n, 0, 100000, &replicas))
        add_timeline(l, e,
                     (struct change_plan){
                         .kind = CHANGE_SCALE,
                         .replicas = replicas,
                         .text = arena_printf(l->arena, "the target is scaled to %d", replicas)});
}

static void on_note(struct loader *l, const struct entry *e, const struct node *n)
{
    const char *text;

    if (field_text(&l->r, n, &text))
        add_timeline(l, e, (struct change_plan){.kind = CHANGE_NOTE, .text = text});
}

static void read_action(struct loader *l, const struct entry *e, const struct member *m)
{
    const struct node *n = m->value;

    field_enter(&l->r, m->key);
    if (strcmp(m->key, "deploy") == 0)
        on_deploy(l, e, n);
    else if (strcmp(m->key, "config") == 0)
        on_config(l, e, n);
    else if (strcmp(m->key, "edit") == 0)
        on_edit(l, e, n);
    else if (strcmp(m->key, "suspend") == 0)
        on_suspend(l, e, n);
    else if (strcmp(m->key, "pods") == 0)
        on_pods(l, e, n);
    else if (strcmp(m->key, "open") == 0 || strcmp(m->key, "close") == 0)
        on_gate(l, e, n, m->key[0] == 'o');
    else if (strcmp(m->key, "hook") == 0)
        on_hook(l, e, n);
    else if (strcmp(m->key, "command") == 0)
        on_command(l, e, n);
    else if (strcmp(m->key, "routes") == 0)
        on_routes(l, e, n);
    else if (strcmp(m->key, "fail") == 0)
        on_fail(l, e, e->node);
    else if (strcmp(m->key, "delete") == 0)
        on_true(l, e, n, CHANGE_DELETE, "the Canary is deleted");
    else if (strcmp(m->key, "restart") == 0)
        on_true(l, e, n, CHANGE_RESTART, "the operator restarts");
    else if (strcmp(m->key, "scale") == 0)
        on_scale(l, e, n);
    else if (strcmp(m->key, "note") == 0)
        on_note(l, e, n);
    field_leave(&l->r);
}

static bool read_entry(struct loader *l, const struct node *n, struct entry *e)
{
    static const char *const names[] = {"at",
                                        "canary",
                                        "deploy",
                                        "config",
                                        "edit",
                                        "suspend",
                                        "pods",
                                        "open",
                                        "close",
                                        "hook",
                                        "command",
                                        "routes",
                                        "fail",
                                        "delete",
                                        "restart",
                                        "scale",
                                        "note",
                                        /* of a fault */ "for",
                                        "calls",
                                        "chance",
                                        "lands",
                                        "text",
                                        "outcome",
                                        NULL};

    e->node = n;
    e->canary = UINT16_MAX;
    if (!field_map(&l->r, n, names))
        return false;
    field_enter(&l->r, "at");
    if (!node_get(n, "at"))
        field_error(&l->r, n, "add `at: 5m`", "the entry has no time");
    field_duration(&l->r, node_get(n, "at"), &e->at_ms);
    field_leave(&l->r);
    field_enter(&l->r, "canary");
    if (node_get(n, "canary"))
        draft_find(l, node_get(n, "canary"), &e->canary);
    field_leave(&l->r);
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

void read_timeline(struct loader *l, const struct node *n)
{
    struct entry *entries;
    size_t count = 0;

    if (!n) { /* the least there is to see: a new revision */
        struct node name = {.kind = NODE_STRING, .text = "v2", .text_len = 2};
        struct entry e = {.canary = UINT16_MAX};

        on_deploy(l, &e, &name);
        return;
    }
    field_enter(&l->r, "timeline");
    if (field_is_list(&l->r, n) &&
        (entries = arena_alloc(l->arena, (n->u.list.count + 1) * sizeof *entries)) != NULL) {
        for (size_t i = 0; i < n->u.list.count; i++) {
            field_enter_index(&l->r, i);
            entries[count].order = i;
            if (read_entry(l, n->u.list.items[i], &entries[count]))
                count++;
            field_leave(&l->r);
        }
        if (count > 1)
            qsort(entries, count, sizeof *entries, by_time);
        for (size_t i = 0; i < count; i++) {
            const struct node *item = entries[i].node;

            field_enter_index(&l->r, entries[i].order);
            for (size_t k = 0; k < item->u.map.count; k++)
                read_action(l, &entries[i], &item->u.map.members[k]);
            field_leave(&l->r);
            if (entries[i].at_ms > l->last_change_ms)
                l->last_change_ms = entries[i].at_ms;
        }
    }
    field_leave(&l->r);
}
