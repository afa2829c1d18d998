/* adapters/scenario/draft.h — a scenario while it is being read. Internal to adapters/scenario. */
#ifndef COALMINE_SCENARIO_DRAFT_H
#define COALMINE_SCENARIO_DRAFT_H

#include "adapters/scenario/field.h"
#include "adapters/scenario/scenario.h"

/* A list in the arena that grows by doubling; holes are never freed. */
struct grow {
    void *items;
    size_t count, cap;
};
/* Room for one more item of `size` bytes, zeroed; NULL when memory is out. */
void *grow_add(struct arena *arena, struct grow *g, size_t size);

/* A webhook as the file describes it; the timeline adds changes. */
struct hook_draft {
    const char *name;
    struct grow calls;   /* struct hook_reply */
    struct grow changes; /* struct hook_change */
    uint32_t chance_ppm;
    struct hook_reply unlucky;
    const struct node *node;
};

struct canary_draft {
    const char *name, *ns;
    const char *file;          /* of the manifest */
    const struct node *object; /* the Canary */
    struct grow objects;       /* const struct node *: the Canary after each edit, first as it is */
    const struct spec *spec;   /* of the first run, to check names against */
    struct world_plan world;
    struct grow revisions; /* struct revision_plan */
    struct grow metrics;   /* struct metric_binding */
    struct grow hooks;     /* struct hook_draft */
    struct grow faults;    /* struct fault_plan */
    struct traffic_model *model;
    ms_t born_ms;
};

struct loader {
    struct arena *arena;
    struct diags *diags;
    struct field_reader r;
    const struct scenario_options *options;
    struct scenario *scenario;
    const struct node *root; /* of the scenario document, NULL = none */
    const char *folder;      /* of the file, with the slash at its end */
    struct grow canaries;    /* struct canary_draft */
    struct grow changes;     /* struct change_plan */
    const char *provider, *cluster_name, *metrics_server;
    ms_t until_ms, limit_ms, last_change_ms;
    struct grow regexes; /* regex_t * */
    bool specs_said;     /* what is wrong with the Canaries has been reported */
};

struct canary_draft *draft_at(struct loader *l, size_t index);
/* The Canary of that name, or NULL after a report. */
bool draft_find(struct loader *l, const struct node *name, uint16_t *ret_index);
/* Read a file named in the scenario; NULL after a report at `n`. */
const char *loader_file(struct loader *l, const struct node *n, const char *path, size_t *ret_len,
                        const char **ret_path);

void read_world(struct loader *l, struct canary_draft *c, const struct node *n);
void read_hooks(struct loader *l, struct canary_draft *c, const struct node *n);
void read_faults(struct loader *l, struct canary_draft *c, const struct node *n);
void read_model(struct loader *l, struct canary_draft *c, const struct node *n);
void read_metrics(struct loader *l, struct canary_draft *c, const struct node *n);
/* Bindings of built-in metrics to the model, and a check that every other metric has a source. */
void bind_metrics(struct loader *l, struct canary_draft *c);
void read_timeline(struct loader *l, const struct node *n);
void read_expect(struct loader *l, const struct node *n, struct grow *expectations);

/* A revision's name; known to the record from then on. */
revision_t draft_revision(struct loader *l, struct canary_draft *c, const char *name);
struct hook_draft *draft_hook(struct loader *l, struct canary_draft *c, const char *name,
                              const struct node *n);
bool read_reply(struct loader *l, const struct node *n, struct hook_reply *out);
bool read_matcher(struct loader *l, const struct node *n, struct matcher *out);

#endif
