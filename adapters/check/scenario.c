/* Scenario files among the manifests: read as `coalmine test` reads them. */
#include <errno.h>
#include <string.h>

#include "adapters/check/state.h"
#include "adapters/scenario/scenario.h"

static bool has_one(const struct node *root, const char *const *names)
{
    for (; *names; names++)
        if (node_get(root, *names))
            return true;
    return false;
}

/* Two marks, for values of a chart may have one of these keys as well. */
bool check_is_scenario(const struct node *root)
{
    static const char *const story[] = {"timeline", "expect", "runs", NULL};
    static const char *const stage[] = {"canary",  "canaries", "manifests", "model",
                                        "metrics", "hooks",    "world",     NULL};

    return !node_get(root, "apiVersion") && !node_get(root, "kind") && has_one(root, story) &&
           has_one(root, stage);
}

/* A manifest that the scenario names; the finding belongs there. */
static void find_elsewhere(struct check *c, const struct diag *d)
{
    if (check_begin_file(c, d->file)) {
        c->no_memory = true;
        return;
    }
    check_find_at(c, SEVERITY_ERROR, CM017, check_file_index(c), d->line, d->col, d->path,
                  d->hint ? check_text(c, "%s", d->hint) : NULL, d->what);
}

int check_scenario(struct check *c, const char *bytes, size_t len)
{
    const struct scenario_options options = {0};
    const uint32_t file = check_file_index(c);
    struct scenario *scenario;
    struct diags diags;
    int rc;

    check_begin_piece(c, bytes, len, 0);
    arena_clear(c->doc);
    diags_init(&diags, c->doc);
    rc = scenario_load(c->doc, &diags, c->files[file], bytes, len, &options, &scenario);
    if (rc == 0)
        scenario_free(scenario);
    for (size_t i = 0; i < diags.count; i++) {
        const struct diag *d = &diags.items[i];

        if (strcmp(d->file, c->files[file]) != 0)
            find_elsewhere(c, d);
        else if (d->line >= c->scenario_line && d->line <= c->scenario_end)
            check_find_diag(c, CM017, d);
        /* other documents of the file are objects, with rules of their own */
    }
    diags_release(&diags);
    arena_clear(c->doc);
    c->source = NULL;
    return rc == -ENOMEM || c->no_memory ? -ENOMEM : 0;
}
