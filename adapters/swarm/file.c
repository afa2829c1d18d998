/* A plan as a YAML file: `coalmine swarm FILE` lives it again. docs/reference/swarm.md */
#include <errno.h>
#include <string.h>

#include "adapters/manifest/node.h"
#include "adapters/scenario/field.h"
#include "adapters/swarm/swarm.h"

/* ---- writing -----------------------------------------------------------------------------------
 */

static void write_value(const struct swarm_field *f, int64_t value, struct strbuf *out)
{
    const char *const *names = swarm_kind_names(f->kind);

    if (names)
        strbuf_adds(out, names[value]);
    else if (f->kind == KIND_FLAG)
        strbuf_adds(out, value ? "true" : "false");
    else
        strbuf_addf(out, "%lld%s", (long long)value, f->kind == KIND_MS ? "ms" : "");
}

static void write_fields(const struct swarm_plan *plan, struct strbuf *out)
{
    struct swarm_plan copy = *plan;
    const char *group = "";

    for (size_t i = 0; i < swarm_field_count; i++) {
        const struct swarm_field *f = &swarm_fields[i];
        int64_t value = *swarm_field_of(&copy, f);

        if (value == f->calm)
            continue;
        if (strcmp(group, f->group) != 0)
            strbuf_addf(out, "%s:\n", f->group);
        group = f->group;
        strbuf_addf(out, "  %s: ", f->name);
        write_value(f, value, out);
        strbuf_adds(out, "\n");
    }
}

void swarm_plan_write(const struct swarm_plan *plan, struct strbuf *out)
{
    strbuf_addf(out, "swarm: v1\nseed: %llu\n", (unsigned long long)plan->seed);
    write_fields(plan, out);
    if (plan->act_count > 0)
        strbuf_adds(out, "timeline:\n");
    for (size_t i = 0; i < plan->act_count; i++) {
        const struct swarm_event *e = &plan->acts[i];

        strbuf_addf(out, "- {at: %lldms, do: %s", (long long)e->at_ms, swarm_act_name(e->act));
        if (swarm_act_ranges[e->act].low != swarm_act_ranges[e->act].high)
            strbuf_addf(out, ", value: %lld", (long long)e->value);
        strbuf_adds(out, "}\n");
    }
    if (plan->end_count > 0)
        strbuf_adds(out, "processes:\n");
    for (size_t i = 0; i < plan->end_count; i++)
        strbuf_addf(out, "- {request: %lld, end: %s}\n", (long long)plan->ends[i].request,
                    swarm_end_name(plan->ends[i].end));
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/* A duration of a field, or of an act. */
static bool read_ms(struct field_reader *r, const struct node *n, int64_t low, int64_t high,
                    int64_t *ret)
{
    ms_t ms;

    if (!field_duration(r, n, &ms))
        return false;
    if (ms < low || ms > high) {
        field_error(r, n, NULL, "%lld ms is not between %lld ms and %lld ms", (long long)ms,
                    (long long)low, (long long)high);
        return false;
    }
    *ret = ms;
    return true;
}

static void read_value(struct field_reader *r, const struct node *n, const struct swarm_field *f,
                       int64_t *ret)
{
    const char *const *names = swarm_kind_names(f->kind);
    uint32_t index;
    bool flag;

    if (names) {
        if (field_choice(r, n, names, f->name, &index))
            *ret = index;
    } else if (f->kind == KIND_FLAG) {
        if (field_bool(r, n, &flag))
            *ret = flag;
    } else if (f->kind == KIND_MS) {
        (void)read_ms(r, n, f->low, f->high, ret);
    } else {
        (void)field_int(r, n, f->low, f->high, ret);
    }
}

#define FIELDS_MAX 64

static void read_group(struct field_reader *r, const struct node *root, const char *group,
                       struct swarm_plan *plan)
{
    const struct node *n = node_get(root, group);
    const char *names[FIELDS_MAX] = {NULL};
    size_t count = 0;

    for (size_t i = 0; i < swarm_field_count && count + 1 < FIELDS_MAX; i++) {
        if (strcmp(swarm_fields[i].group, group) == 0)
            names[count++] = swarm_fields[i].name;
    }
    if (n == NULL)
        return;
    field_enter(r, group);
    if (field_map(r, n, names)) {
        for (size_t i = 0; i < swarm_field_count; i++) {
            const struct swarm_field *f = &swarm_fields[i];

            if (strcmp(f->group, group) != 0)
                continue;
            field_enter(r, f->name);
            read_value(r, node_get(n, f->name), f, swarm_field_of(plan, f));
            field_leave(r);
        }
    }
    field_leave(r);
}

/* A member that must be there. */
static const struct node *need(struct field_reader *r, const struct node *map, const char *name)
{
    const struct node *n = node_get(map, name);

    if (n == NULL)
        field_error(r, map, NULL, "%s is missing", name);
    return n;
}

static void read_act(struct field_reader *r, const struct node *n, struct swarm_plan *plan)
{
    static const char *const names[] = {"at", "do", "value", NULL};
    const char *acts[ACT_COUNT + 1] = {NULL};
    const struct swarm_act_range *range;
    int64_t at = 0, value;
    uint32_t act;

    for (int i = 0; i < ACT_COUNT; i++)
        acts[i] = swarm_act_name((enum swarm_act)i);
    if (!field_map(r, n, names))
        return;
    if (!read_ms(r, need(r, n, "at"), 0, 86400000, &at) ||
        !field_choice(r, need(r, n, "do"), acts, "act", &act))
        return;
    range = &swarm_act_ranges[act];
    value = range->low;
    if (range->low != range->high)
        (void)field_int(r, need(r, n, "value"), range->low, range->high, &value);
    else if (node_get(n, "value"))
        field_error(r, node_get(n, "value"), NULL, "%s takes no value", acts[act]);
    swarm_plan_add(plan, at, (enum swarm_act)act, value);
}

static void read_end(struct field_reader *r, const struct node *n, struct swarm_plan *plan)
{
    static const char *const names[] = {"request", "end", NULL};
    static const char *const ends[] = {"before", "after", "deposed", NULL};
    int64_t request = 1;
    uint32_t end = 0;

    if (!field_map(r, n, names) || !field_int(r, need(r, n, "request"), 1, INT32_MAX, &request) ||
        !field_choice(r, need(r, n, "end"), ends, "end", &end))
        return;
    plan->ends[plan->end_count].request = request;
    plan->ends[plan->end_count++].end = (enum swarm_end)end;
}

static void read_list(struct field_reader *r, const struct node *root, const char *name, size_t max,
                      struct swarm_plan *plan,
                      void (*one)(struct field_reader *r, const struct node *n,
                                  struct swarm_plan *plan))
{
    const struct node *list = node_get(root, name);

    if (list == NULL)
        return;
    field_enter(r, name);
    if (field_is_list(r, list)) {
        if (list->u.list.count > max)
            field_error(r, list, NULL, "%zu items, at most %zu can be lived", list->u.list.count,
                        max);
        for (size_t i = 0; i < list->u.list.count && i < max; i++) {
            field_enter_index(r, i);
            one(r, list->u.list.items[i], plan);
            field_leave(r);
        }
    }
    field_leave(r);
}

static void check_together(struct field_reader *r, const struct node *root,
                           const struct swarm_plan *p)
{
    const char *texts[SWARM_CONFLICTS_MAX];
    size_t count = swarm_plan_conflicts(p, texts);

    for (size_t i = 0; i < count; i++)
        field_error(r, node_get(root, "canary"), NULL, "%s", texts[i]);
}

static void read_root(struct field_reader *r, const struct node *root, struct swarm_plan *plan)
{
    static const char *const names[] = {"swarm",  "seed",     "canary",    "world",
                                        "faults", "timeline", "processes", NULL};
    static const char *const versions[] = {"v1", NULL};
    int64_t seed = 1;
    uint32_t version;

    if (!field_map(r, root, names))
        return;
    field_enter(r, "swarm");
    (void)field_choice(r, need(r, root, "swarm"), versions, "version", &version);
    field_leave(r);
    field_enter(r, "seed");
    if (field_int(r, node_get(root, "seed"), 0, INT64_MAX, &seed))
        plan->seed = (uint64_t)seed;
    field_leave(r);
    read_group(r, root, "canary", plan);
    read_group(r, root, "world", plan);
    read_group(r, root, "faults", plan);
    read_list(r, root, "timeline", SWARM_ACTS_MAX, plan, read_act);
    read_list(r, root, "processes", SWARM_ENDS_MAX, plan, read_end);
    check_together(r, root, plan);
}

int swarm_plan_read(struct arena *arena, struct diags *diags, const char *file, const char *source,
                    size_t len, struct swarm_plan *ret_plan)
{
    struct field_reader r = {.arena = arena, .diags = diags, .file = file};
    struct documents docs = {0};
    struct swarm_plan plan;
    int code = node_parse_all(arena, diags, file, source, len, NULL, &docs);

    if (code != 0)
        return code;
    swarm_plan_calm(&plan);
    if (docs.count != 1) {
        field_error(&r, docs.count > 1 ? docs.items[1].root : NULL, NULL,
                    "%zu documents, a swarm file holds one", docs.count);
        return -EINVAL;
    }
    read_root(&r, docs.items[0].root, &plan);
    if (diags->count > 0)
        return -EINVAL;
    *ret_plan = plan;
    return 0;
}
