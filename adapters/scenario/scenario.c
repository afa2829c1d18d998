#include "adapters/scenario/scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/canary.h"
#include "adapters/scenario/draft.h"

#define FILE_BYTES_MAX (64u * 1024u * 1024u)
#define DEFAULT_LIMIT_MS (2 * 3600 * 1000)

const char *const profile_names[] = {"default", "flagger-1.44", NULL};

bool profile_find(const char *name, deviations_t *ret_deviations)
{
    if (strcmp(name, profile_names[0]) == 0)
        *ret_deviations = PROFILE_DEFAULT;
    else if (strcmp(name, profile_names[1]) == 0)
        *ret_deviations = PROFILE_FLAGGER_1_44;
    else
        return false;
    return true;
}

void *grow_add(struct arena *arena, struct grow *g, size_t size)
{
    if (g->count == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 4;
        void *items = arena_alloc(arena, cap * size);

        if (!items)
            return NULL;
        if (g->count > 0)
            memcpy(items, g->items, g->count * size);
        g->items = items;
        g->cap = cap;
    }
    return (char *)g->items + g->count++ * size;
}

struct canary_draft *draft_at(struct loader *l, size_t index)
{
    struct canary_draft *list = l->canaries.items;

    return &list[index];
}

bool draft_find(struct loader *l, const struct node *name, uint16_t *ret_index)
{
    const char *names[65], *text, *near;
    size_t count = l->canaries.count < 64 ? l->canaries.count : 64;

    if (!field_text(&l->r, name, &text))
        return false;
    for (size_t i = 0; i < l->canaries.count; i++)
        if (strcmp(draft_at(l, i)->name, text) == 0) {
            *ret_index = (uint16_t)i;
            return true;
        }
    for (size_t i = 0; i < count; i++)
        names[i] = draft_at(l, i)->name;
    names[count] = NULL;
    near = nearest_name(text, strlen(text), names);
    field_error(&l->r, name, near ? arena_printf(l->arena, "did you mean %s?", near) : NULL,
                "there is no Canary \"%s\"", text);
    return false;
}

const char *loader_file(struct loader *l, const struct node *n, const char *path, size_t *ret_len,
                        const char **ret_path)
{
    const char *full = path, *bytes;
    int rc;

    if (path[0] != '/' && *l->folder)
        full = arena_printf(l->arena, "%s%s", l->folder, path);
    if (!full)
        return NULL;
    rc = file_read(l->arena, full, FILE_BYTES_MAX, &bytes, ret_len);
    if (rc != 0) {
        field_error(&l->r, n, NULL, "%s: %s", full, strerror(-rc));
        return NULL;
    }
    *ret_path = full;
    return bytes;
}

/* ---- Canaries
 * --------------------------------------------------------------------------------------- */

static struct canary_draft *add_draft(struct loader *l, const char *file, const struct node *object)
{
    struct canary_draft *c = grow_add(l->arena, &l->canaries, sizeof *c);
    const char *name = node_str(node_at(object, "metadata", "name", NULL));
    const struct node **slot;

    if (!c)
        return NULL;
    slot = grow_add(l->arena, &c->objects, sizeof *slot);
    if (!slot)
        return NULL;
    *slot = object;
    c->file = file;
    c->object = object;
    c->name = name ? name : "";
    c->ns = node_str(node_at(object, "metadata", "namespace", NULL));
    c->world = (struct world_plan){.replicas = 1,
                                   .startup_ms = 10000,
                                   .deployment_deadline_s = 600,
                                   .initialized = true,
                                   .match_percent = 10};
    return c;
}

static bool is_object(const struct node *n)
{
    return node_get(n, "apiVersion") && node_get(n, "kind");
}

static bool is_canary(const struct node *n)
{
    return is_object(n) && node_is(node_get(n, "kind"), "Canary");
}

static void add_documents(struct loader *l, const char *file, const struct documents *docs)
{
    for (size_t i = 0; i < docs->count; i++)
        if (is_canary(docs->items[i].root))
            add_draft(l, file, docs->items[i].root);
}

static void add_manifest_file(struct loader *l, const struct node *n)
{
    struct documents docs = {0};
    const char *path, *bytes;
    size_t len;

    if (!field_text(&l->r, n, &path))
        return;
    bytes = loader_file(l, n, path, &len, &path);
    if (bytes && node_parse_all(l->arena, l->diags, path, bytes, len, NULL, &docs) == 0)
        add_documents(l, path, &docs);
}

static struct node *make_text(struct loader *l, const struct node *near, const char *text)
{
    struct node *n = arena_alloc(l->arena, sizeof *n);

    if (!n)
        return NULL;
    *n = (struct node){.kind = NODE_STRING,
                       .line = near->line,
                       .col = near->col,
                       .text = text,
                       .text_len = strlen(text),
                       .quoted = true};
    return n;
}

static struct node *make_map(struct loader *l, const struct node *near, size_t room)
{
    struct node *n = arena_alloc(l->arena, sizeof *n);

    if (!n)
        return NULL;
    *n = (struct node){.kind = NODE_MAP, .line = near->line, .col = near->col};
    n->u.map.members = arena_alloc(l->arena, room * sizeof(struct member));
    return n->u.map.members ? n : NULL;
}

static void put(struct node *map, const char *key, struct node *value)
{
    if (!value)
        return;
    map->u.map.members[map->u.map.count++] = (struct member){
        .key = key, .key_len = strlen(key), .line = value->line, .col = value->col, .value = value};
}

/*
 * `canary:` in short is a Canary's spec with what goes without saying left out: the name, the
 * target and the service.
 */
static void add_short_canary(struct loader *l, const struct node *n)
{
    const struct node *name = node_get(n, "name"), *ns = node_get(n, "namespace");
    struct node *object = make_map(l, n, 4), *meta = make_map(l, n, 2);
    struct node *spec = make_map(l, n, n->u.map.count + 2), *target, *service, *port;
    const char *own = name && node_str(name) ? node_str(name) : "podinfo";

    if (!object || !meta || !spec)
        return;
    put(meta, "name", name ? make_text(l, name, own) : make_text(l, n, own));
    put(meta, "namespace", make_text(l, n, ns && node_str(ns) ? node_str(ns) : "test"));
    for (size_t i = 0; i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];

        if (strcmp(m->key, "name") != 0 && strcmp(m->key, "namespace") != 0)
            spec->u.map.members[spec->u.map.count++] = *m;
    }
    if (!node_get(n, "targetRef") && (target = make_map(l, n, 3)) != NULL) {
        put(target, "apiVersion", make_text(l, n, "apps/v1"));
        put(target, "kind", make_text(l, n, "Deployment"));
        put(target, "name", make_text(l, n, own));
        put(spec, "targetRef", target);
    }
    if (!node_get(n, "service") && (service = make_map(l, n, 1)) != NULL) {
        port = make_text(l, n, "80");
        if (port) {
            port->kind = NODE_INT;
            port->u.integer = 80;
            port->quoted = false;
        }
        put(service, "port", port);
        put(spec, "service", service);
    }
    put(object, "apiVersion", make_text(l, n, "flagger.app/v1beta1"));
    put(object, "kind", make_text(l, n, "Canary"));
    put(object, "metadata", meta);
    put(object, "spec", spec);
    add_draft(l, l->scenario->file, object);
}

static void read_canary(struct loader *l, const struct node *n)
{
    if (!n)
        return;
    field_enter(&l->r, "canary");
    if (n->kind == NODE_STRING)
        add_manifest_file(l, n);
    else if (field_is_map(&l->r, n) && is_canary(n))
        add_draft(l, l->scenario->file, n);
    else if (n->kind == NODE_MAP)
        add_short_canary(l, n);
    field_leave(&l->r);
}

static void read_manifests(struct loader *l, const struct node *n)
{
    if (!n)
        return;
    field_enter(&l->r, "manifests");
    for (size_t i = 0; field_is_list(&l->r, n) && i < n->u.list.count; i++) {
        const struct node *item = n->u.list.items[i];

        field_enter_index(&l->r, i);
        if (item->kind != NODE_MAP)
            add_manifest_file(l, item);
        else if (!is_object(item))
            field_error(&l->r, item, NULL, "expected a path or an object with apiVersion and kind");
        else if (is_canary(item))
            add_draft(l, l->scenario->file, item);
        field_leave(&l->r);
    }
    field_leave(&l->r);
}

static const struct spec *make_spec(struct loader *l, const struct canary_draft *c,
                                    const struct node *object, deviations_t deviations,
                                    const char *provider)
{
    struct document *doc = arena_alloc(l->arena, sizeof *doc);
    struct canary *canary = arena_alloc(l->arena, sizeof *canary);
    struct canary_options options = {
        .mesh_provider = provider, .cluster_name = l->cluster_name, .deviations = deviations};
    struct diags said; /* what is wrong with a Canary is said once, not for each run */
    struct node *root;

    if (!doc || !canary)
        return NULL;
    root = (struct node *)(uintptr_t)object; /* the decoder only reads it */
    *doc = (struct document){.file = c->file, .root = root, .line = object->line};
    diags_init(&said, l->arena);
    canary_decode(l->arena, l->specs_said ? &said : l->diags, doc, &options, canary);
    diags_release(&said);
    return &canary->spec; /* as far as it could be read */
}

/* ---- what concerns one Canary
 * ----------------------------------------------------------------------- */

static void read_parts(struct loader *l, struct canary_draft *c, const struct node *n)
{
    read_world(l, c, node_get(n, "world"));
    read_hooks(l, c, node_get(n, "hooks"));
    read_faults(l, c, node_get(n, "faults"));
    read_model(l, c, node_get(n, "model"));
    read_metrics(l, c, node_get(n, "metrics"));
}

static void read_canaries(struct loader *l, const struct node *n)
{
    static const char *const names[] = {"world", "hooks",   "faults", "model",
                                        "born",  "metrics", NULL};

    if (!n)
        return;
    field_enter(&l->r, "canaries");
    for (size_t i = 0; field_is_map(&l->r, n) && i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        struct node name = {.kind = NODE_STRING,
                            .line = m->line,
                            .col = m->col,
                            .text = m->key,
                            .text_len = m->key_len};
        uint16_t index;

        field_enter(&l->r, m->key);
        if (draft_find(l, &name, &index) && field_map(&l->r, m->value, names)) {
            field_duration(&l->r, node_get(m->value, "born"), &draft_at(l, index)->born_ms);
            read_parts(l, draft_at(l, index), m->value);
        }
        field_leave(&l->r);
    }
    field_leave(&l->r);
}

static bool known_hook(const struct spec *spec, const char *name)
{
    for (uint32_t i = 0; i < spec->analysis.hook_count; i++)
        if (strcmp(spec->analysis.hooks[i].name, name) == 0)
            return true;
    return false;
}

/* Names in the scenario that no Canary knows are mistakes. */
static void check_names(struct loader *l, struct canary_draft *c)
{
    const struct hook_draft *hooks = c->hooks.items;
    const struct analysis_spec *an = &c->spec->analysis;
    const char *names[65];
    uint32_t count = an->hook_count < 64 ? an->hook_count : 64;

    for (uint32_t i = 0; i < count; i++)
        names[i] = an->hooks[i].name;
    names[count] = NULL;
    for (size_t i = 0; i < c->hooks.count; i++) {
        const char *near;

        if (known_hook(c->spec, hooks[i].name) || c->objects.count > 1)
            continue;
        near = nearest_name(hooks[i].name, strlen(hooks[i].name), names);
        if (l->canaries.count == 1)
            field_error(&l->r, hooks[i].node,
                        near ? arena_printf(l->arena, "did you mean %s?", near) : NULL,
                        "Canary %s has no webhook \"%s\"", c->name, hooks[i].name);
    }
}

/* ---- runs
 * ------------------------------------------------------------------------------------------- */

/* The switches of one run while they are read. */
struct run_draft {
    const char *label, *profile, *provider;
    deviations_t deviations;
    uint64_t seed;
    struct grow expects; /* struct expectation */
    uint32_t line;
};

static void read_switches(struct loader *l, const struct node *n, const char *key,
                          deviations_t *deviations)
{
    const struct node *list = node_get(n, key);
    const char *names[DEVIATION_COUNT + 1];
    uint32_t index;

    if (!list)
        return;
    for (uint32_t i = 0; i < DEVIATION_COUNT; i++)
        names[i] = deviation_name((enum deviation)i);
    names[DEVIATION_COUNT] = NULL;
    field_enter(&l->r, key);
    for (size_t i = 0; field_is_list(&l->r, list) && i < list->u.list.count; i++) {
        field_enter_index(&l->r, i);
        if (field_choice(&l->r, list->u.list.items[i], names, "deviation", &index)) {
            if (strcmp(key, "deviate") == 0)
                *deviations |= (deviations_t)1 << index;
            else
                *deviations &= ~((deviations_t)1 << index);
        }
        field_leave(&l->r);
    }
    field_leave(&l->r);
}

static void read_run_switches(struct loader *l, const struct node *n, struct run_draft *run)
{
    uint32_t profile;
    int64_t seed;

    field_enter(&l->r, "profile");
    if (field_choice(&l->r, node_get(n, "profile"), profile_names, "profile", &profile)) {
        run->profile = profile_names[profile];
        profile_find(run->profile, &run->deviations);
    }
    field_leave(&l->r);
    read_switches(l, n, "deviate", &run->deviations);
    read_switches(l, n, "comply", &run->deviations);
    field_enter(&l->r, "seed");
    if (field_int(&l->r, node_get(n, "seed"), 0, INT64_MAX, &seed))
        run->seed = (uint64_t)seed;
    field_leave(&l->r);
    field_enter(&l->r, "provider");
    field_text(&l->r, node_get(n, "provider"), &run->provider);
    field_leave(&l->r);
}

/* The command line has the last word. */
static void override_run(struct loader *l, struct run_draft *run)
{
    const struct scenario_options *o = l->options;

    if (o->profile) {
        run->profile = o->profile;
        profile_find(o->profile, &run->deviations);
    }
    run->deviations = (run->deviations | o->deviate) & ~o->comply;
    if (o->has_seed)
        run->seed = o->seed;
}

/* The model without its load generators. */
static const struct traffic_model *users_of(struct loader *l, const struct canary_draft *c)
{
    struct traffic_model *users = c->model ? arena_alloc(l->arena, sizeof *users) : NULL;

    if (users) {
        *users = *c->model;
        users->load_per_second = 0;
    }
    return users;
}

static void make_canary_plan(struct loader *l, struct canary_draft *c, const struct run_draft *run,
                             struct canary_plan *out)
{
    const struct node *const *objects = c->objects.items;
    const struct spec **specs = arena_alloc(l->arena, c->objects.count * sizeof *specs);
    struct hook_draft *hooks = c->hooks.items;
    struct hook_plan *plans = arena_alloc(l->arena, (c->hooks.count + 1) * sizeof *plans);

    if (!specs || !plans)
        return;
    for (size_t i = 0; i < c->objects.count; i++) {
        specs[i] = make_spec(l, c, objects[i], run->deviations, run->provider);
        if (!specs[i])
            specs[i] = c->spec;
    }
    for (size_t i = 0; i < c->hooks.count; i++)
        plans[i] = (struct hook_plan){.name = hooks[i].name,
                                      .calls = hooks[i].calls.items,
                                      .call_count = (uint32_t)hooks[i].calls.count,
                                      .chance_ppm = hooks[i].chance_ppm,
                                      .unlucky = hooks[i].unlucky,
                                      .changes = hooks[i].changes.items,
                                      .change_count = (uint32_t)hooks[i].changes.count};
    *out = (struct canary_plan){.specs = specs,
                                .spec_count = (uint32_t)c->objects.count,
                                .world = c->world,
                                .metrics = c->metrics.items,
                                .metric_count = (uint32_t)c->metrics.count,
                                .hooks = plans,
                                .hook_count = (uint32_t)c->hooks.count,
                                .faults = c->faults.items,
                                .fault_count = (uint32_t)c->faults.count,
                                .born_ms = c->born_ms,
                                .users = users_of(l, c)};
    out->world.capacity.start_ms = c->world.startup_ms < MS_NEVER ? c->world.startup_ms : 0;
    out->world.capacity.min_replicas = c->world.scaler_min > 0 ? c->world.scaler_min : 1;
    out->world.capacity.max_replicas =
        c->world.scaler_max > 0 ? c->world.scaler_max : CAPACITY_PODS_MAX;
    out->world.revisions = c->revisions.items;
    out->world.revision_count = (uint32_t)c->revisions.count;
}

static void make_run(struct loader *l, const struct run_draft *draft, struct scenario_run *out)
{
    struct canary_plan *plans = arena_alloc(l->arena, l->canaries.count * sizeof *plans);
    ms_t limit = l->last_change_ms + DEFAULT_LIMIT_MS;

    if (!plans)
        return;
    for (size_t i = 0; i < l->canaries.count; i++)
        make_canary_plan(l, draft_at(l, i), draft, &plans[i]);
    out->label = draft->label;
    out->line = draft->line;
    out->expects = draft->expects.items;
    out->expect_count = (uint32_t)draft->expects.count;
    out->options.seed = draft->seed;
    out->plan = (struct sim_plan){
        .info = {.name = l->scenario->name,
                 .file = l->scenario->file,
                 .title = l->scenario->title,
                 .profile = draft->profile,
                 .deviations = draft->deviations,
                 .seed = draft->seed,
                 .epoch_ms = SIM_EPOCH_MS},
        .canaries = plans,
        .canary_count = (uint32_t)l->canaries.count,
        .changes = l->changes.items,
        .change_count = (uint32_t)l->changes.count,
        .until_ms = l->until_ms,
        .limit_ms = l->limit_ms != MS_NEVER ? l->limit_ms : limit,
        .control_loop_ms = 10000,
    };
}

static void read_one_run(struct loader *l, const struct node *n, const struct run_draft *base,
                         struct run_draft *out)
{
    static const char *const names[] = {"name", "profile",  "deviate", "comply",
                                        "seed", "provider", "expect",  NULL};
    const struct expectation *shared = base->expects.items;

    *out = *base;
    out->expects = (struct grow){0};
    for (size_t i = 0; i < base->expects.count; i++) {
        struct expectation *copy = grow_add(l->arena, &out->expects, sizeof *copy);

        if (copy)
            *copy = shared[i];
    }
    if (!field_map(&l->r, n, names))
        return;
    out->line = n->line;
    read_run_switches(l, n, out);
    out->label = out->profile;
    field_text(&l->r, node_get(n, "name"), &out->label);
    if (!l->options->canary) /* another policy is not held to what was expected of this one */
        read_expect(l, node_get(n, "expect"), &out->expects);
}

static void read_runs(struct loader *l, const struct node *n)
{
    struct run_draft base = {.profile = "default", .deviations = PROFILE_DEFAULT, .seed = 1};
    const struct node *runs = node_get(n, "runs");
    size_t count = runs && runs->kind == NODE_LIST ? runs->u.list.count : 0;
    struct run_draft *drafts = arena_alloc(l->arena, (count + 1) * sizeof *drafts);

    if (!drafts)
        return;
    base.provider = l->provider;
    if (n) {
        read_run_switches(l, n, &base);
        if (!l->options->canary)
            read_expect(l, node_get(n, "expect"), &base.expects);
    }
    field_enter(&l->r, "runs");
    if (runs && field_is_list(&l->r, runs) && count == 0)
        field_error(&l->r, runs, NULL, "the list is empty");
    for (size_t i = 0; i < count; i++) {
        field_enter_index(&l->r, i);
        read_one_run(l, runs->u.list.items[i], &base, &drafts[i]);
        field_leave(&l->r);
    }
    field_leave(&l->r);
    if (count == 0)
        drafts[count++] = base;
    l->scenario->runs = arena_alloc(l->arena, count * sizeof *l->scenario->runs);
    if (!l->scenario->runs)
        return;
    l->scenario->run_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        override_run(l, &drafts[i]);
        make_run(l, &drafts[i], &l->scenario->runs[i]);
    }
}

/* ---- another Canary in place of the file's own
 * ------------------------------------------------------------------ */

/* Which Canary is meant: the only one, or that of the same name. -1 after an error. */
static int find_replaced(struct loader *l, const struct node *with)
{
    const char *name = node_str(node_at(with, "metadata", "name", NULL));
    const char *ns = node_str(node_at(with, "metadata", "namespace", NULL));
    struct strbuf names = STRBUF_INIT;
    int found = -1;

    if (l->canaries.count == 1)
        return 0;
    for (size_t i = 0; i < l->canaries.count; i++) {
        const struct canary_draft *c = draft_at(l, i);

        strbuf_addf(&names, "%s%s", i ? ", " : "", c->name);
        if (name && strcmp(c->name, name) == 0 && (!ns || !c->ns || strcmp(c->ns, ns) == 0))
            found = (int)i;
    }
    if (found < 0)
        field_error(&l->r, l->root, "with several Canaries, the one of the same name is taken",
                    "none of its Canaries (%s) is called %s", strbuf_str(&names),
                    name ? name : "so");
    strbuf_release(&names);
    return found;
}

/*
 * The rollout policy is another one, and the world stays: metadata.name and namespace, under which
 * the scenario speaks of the Canary, and targetRef, of which its world is made. Annotations, as
 * those of judges, come with the policy.
 */
static void replace_canary(struct loader *l)
{
    const struct node *with = node_from_json(l->arena, l->options->canary), *spec, *old;
    struct node *object = make_map(l, with, 4), *meta, *made;
    struct canary_draft *c;
    int index = with && object ? find_replaced(l, with) : -1;

    if (index < 0)
        return;
    l->scenario->replaced = (uint16_t)index;
    c = draft_at(l, (size_t)index);
    spec = node_get(with, "spec");
    meta = make_map(l, with, 3);
    made = make_map(l, with, (spec && spec->kind == NODE_MAP ? spec->u.map.count : 0) + 1);
    if (!meta || !made)
        return;
    put(meta, "name", make_text(l, with, c->name));
    if (c->ns)
        put(meta, "namespace", make_text(l, with, c->ns));
    put(meta, "annotations", node_at(with, "metadata", "annotations", NULL));
    old = node_at(c->object, "spec", "targetRef", NULL);
    for (size_t i = 0; spec && spec->kind == NODE_MAP && i < spec->u.map.count; i++)
        if (!old || strcmp(spec->u.map.members[i].key, "targetRef") != 0)
            made->u.map.members[made->u.map.count++] = spec->u.map.members[i];
    put(made, "targetRef", (struct node *)(uintptr_t)old);
    put(object, "apiVersion", make_text(l, with, "flagger.app/v1beta1"));
    put(object, "kind", make_text(l, with, "Canary"));
    put(object, "metadata", meta);
    put(object, "spec", made);
    c->file = l->options->canary_file;
    c->object = object;
    ((const struct node **)c->objects.items)[0] = object;
}

/* ---- the file
 * --------------------------------------------------------------------------------------- */

static const char *base_name(struct arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');

    return dot && dot > base ? arena_strndup(arena, base, (size_t)(dot - base)) : base;
}

static void find_scenario(struct loader *l, const struct documents *docs)
{
    for (size_t i = 0; i < docs->count; i++) {
        const struct node *root = docs->items[i].root;

        if (root->kind == NODE_NULL || is_object(root))
            continue;
        if (l->root)
            field_error(&l->r, root, "a document with apiVersion and kind is an object",
                        "a second scenario in one file");
        else
            l->root = root;
    }
}

static void read_head(struct loader *l, const struct node *n)
{
    field_text(&l->r, node_get(n, "title"), &l->scenario->title);
    field_text(&l->r, node_get(n, "clusterName"), &l->cluster_name);
    field_enter(&l->r, "until");
    field_duration(&l->r, node_get(n, "until"), &l->until_ms);
    field_leave(&l->r);
    field_enter(&l->r, "limit");
    field_duration(&l->r, node_get(n, "limit"), &l->limit_ms);
    field_leave(&l->r);
    field_enter(&l->r, "trace");
    field_bool(&l->r, node_get(n, "trace"), &l->scenario->golden);
    field_leave(&l->r);
}

/* The specs as the first run sees them, so that names can be checked. */
static bool first_specs(struct loader *l)
{
    struct run_draft run = {.deviations = PROFILE_DEFAULT};
    const struct node *provider = node_get(l->root, "provider");

    run.provider = provider && node_str(provider) ? node_str(provider) : NULL;
    for (size_t i = 0; i < l->canaries.count; i++) {
        struct canary_draft *c = draft_at(l, i);

        c->spec = make_spec(l, c, c->object, run.deviations, run.provider);
        if (!c->spec)
            return false;
    }
    l->specs_said = true;
    return true;
}

static void read_scenario(struct loader *l)
{
    static const char *const names[] = {"title",    "profile",     "deviate",  "comply", "seed",
                                        "provider", "clusterName", "until",    "limit",  "trace",
                                        "canary",   "manifests",   "canaries", "world",  "timeline",
                                        "metrics",  "model",       "hooks",    "faults", "expect",
                                        "runs",     NULL};

    if (l->root && !field_map(&l->r, l->root, names))
        return;
    read_head(l, l->root);
    read_canary(l, node_get(l->root, "canary"));
    read_manifests(l, node_get(l->root, "manifests"));
    if (l->canaries.count == 0) {
        field_error(&l->r, l->root, "add `canary:`, `manifests:` or a document of kind Canary",
                    "there is no Canary");
        return;
    }
    if (l->options->canary) {
        size_t errors = l->diags->errors;

        replace_canary(l);
        if (l->diags->errors > errors)
            return;
    }
    if (!first_specs(l))
        return;
    for (size_t i = 0; i < l->canaries.count; i++) {
        size_t errors = l->diags->errors;

        draft_at(l, i)->world.first = draft_revision(l, draft_at(l, i), "v1");
        read_parts(l, draft_at(l, i), l->root);
        if (i == 0 && l->diags->errors > errors && l->canaries.count > 1)
            return; /* the same mistakes once for every Canary help nobody */
    }
    read_canaries(l, node_get(l->root, "canaries"));
    read_timeline(l, node_get(l->root, "timeline"));
    for (size_t i = 0; i < l->canaries.count; i++) {
        if (!l->options->canary || i != l->scenario->replaced) /* a policy may have fewer hooks */
            check_names(l, draft_at(l, i));
        bind_metrics(l, draft_at(l, i));
    }
    read_runs(l, l->root);
}

static const char *folder_of(struct arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? arena_strndup(arena, file, (size_t)(slash - file) + 1) : "";
}

int scenario_load(struct arena *arena, struct diags *diags, const char *file, const char *source,
                  size_t source_len, const struct scenario_options *options,
                  struct scenario **ret_scenario)
{
    struct loader l = {.arena = arena,
                       .diags = diags,
                       .r = {.arena = arena, .diags = diags, .file = file},
                       .options = options,
                       .until_ms = MS_NEVER,
                       .limit_ms = MS_NEVER};
    size_t errors_before = diags->errors;
    struct documents docs = {0};
    int rc;

    l.scenario = arena_alloc(arena, sizeof *l.scenario);
    if (!l.scenario)
        return -ENOMEM;
    l.scenario->file = file;
    l.scenario->name = base_name(arena, file);
    l.folder = folder_of(arena, file);
    rc = node_parse_all(arena, diags, file, source, source_len, NULL, &docs);
    if (rc == 0) {
        find_scenario(&l, &docs);
        l.scenario->manifest_only = !l.root;
        add_documents(&l, file, &docs);
        read_scenario(&l);
    }
    l.scenario->regexes = l.regexes.items;
    l.scenario->regex_count = (uint32_t)l.regexes.count;
    if (rc == 0 && arena_failed(arena))
        rc = -ENOMEM;
    if (rc == 0 && diags->errors > errors_before)
        rc = -EINVAL;
    if (rc != 0) {
        scenario_free(l.scenario);
        return rc;
    }
    *ret_scenario = l.scenario;
    return 0;
}

void scenario_free(struct scenario *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->regex_count; i++) {
        regfree(s->regexes[i]);
        free(s->regexes[i]);
    }
    s->regex_count = 0;
}
