/* The configuration file of a check (docs/checks/README.md). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/check/state.h"

static void config_problem(struct check *c, const struct node *where, const char *path,
                           const char *what)
{
    check_find_as(c, SEVERITY_ERROR, CM016, where, path, "see docs/checks/README.md", "%s", what);
}

static const struct check_rule *config_rule(struct check *c, const struct node *id,
                                            const char *path)
{
    const struct check_rule *rule = node_str(id) ? check_rule_find(id->text, id->text_len) : NULL;

    if (rule == NULL)
        config_problem(
            c, id, path,
            check_text(c, "'%.40s' is not a rule; rules are named CM101 and so on", check_str(id)));
    return rule;
}

static void config_ignore(struct check *c, const struct node *list, const char *file)
{
    uint32_t index = check_file_index(c);

    (void)file;
    for (size_t i = 0; list->kind == NODE_LIST && i < list->u.list.count; i++) {
        const struct node *item = list->u.list.items[i];
        const struct node *paths = node_get(item, "paths");
        const struct check_rule *rule =
            config_rule(c, node_get(item, "id"), check_text(c, ".ignore[%zu].id", i));

        if (rule == NULL)
            continue;
        if (*check_str(node_get(item, "reason")) == 0)
            config_problem(c, item, check_text(c, ".ignore[%zu]", i),
                           "an ignored rule needs a reason");
        for (size_t k = 0; paths && paths->kind == NODE_LIST && k < paths->u.list.count; k++)
            suppressions_add_config(c->suppressions, (enum rule_id)(rule - check_rules),
                                    check_text(c, "%s", check_str(paths->u.list.items[k])), index,
                                    paths->u.list.items[k]->line, paths->u.list.items[k]->col);
        if (paths == NULL)
            suppressions_add_config(c->suppressions, (enum rule_id)(rule - check_rules), NULL,
                                    index, item->line, item->col);
    }
}

static void config_severity(struct check *c, const struct node *map)
{
    static const char *const names[] = {"error", "warning", "info"};

    for (size_t i = 0; map->kind == NODE_MAP && i < map->u.map.count; i++) {
        const struct member *m = &map->u.map.members[i];
        const struct check_rule *rule = check_rule_find(m->key, m->key_len);
        const char *path = check_text(c, ".severity.%.20s", m->key);
        size_t k = 0;

        if (rule == NULL) {
            config_problem(c, m->value, path, check_text(c, "'%.40s' is not a rule", m->key));
            continue;
        }
        while (k < 3 && !node_is(m->value, names[k]))
            k++;
        if (k == 3)
            config_problem(c, m->value, path, "one of error, warning, info is expected");
        else
            c->severities[rule - check_rules] = (enum severity)k;
    }
}

static void config_setting(struct check *c, const struct member *m, struct check_config *ret)
{
    int64_t ms;
    double rps;

    if (strcmp(m->key, "ignore") == 0) {
        config_ignore(c, m->value, NULL);
    } else if (strcmp(m->key, "severity") == 0) {
        config_severity(c, m->value);
    } else if (strcmp(m->key, "failOn") == 0 &&
               (node_is(m->value, "error") || node_is(m->value, "warning") ||
                node_is(m->value, "info"))) {
        ret->fail_on = check_text(c, "%s", m->value->text);
    } else if (strcmp(m->key, "exclude") == 0 && m->value->kind == NODE_LIST) {
        size_t count = m->value->u.list.count;
        const char **globs = arena_alloc(c->keep, (count + 1) * sizeof *globs);

        for (size_t i = 0; globs && i < count; i++)
            globs[i] = check_text(c, "%s", check_str(m->value->u.list.items[i]));
        ret->exclude = globs;
    } else if (strcmp(m->key, "provider") == 0 && node_str(m->value)) {
        if (c->options.provider_told)
            return; /* the command line has the last word */
        c->options.provider = check_text(c, "%s", m->value->text);
        c->options.provider_told = true;
    } else if (strcmp(m->key, "rps") == 0 && check_number(m->value, &rps) && rps > 0) {
        c->options.rps = c->options.rps > 0 ? c->options.rps : rps;
    } else if (strcmp(m->key, "scrapeInterval") == 0 && check_duration(m->value, &ms) && ms > 0) {
        c->options.scrape_ms = c->options.scrape_told ? c->options.scrape_ms : ms;
    } else {
        check_find_as(
            c, SEVERITY_ERROR, CM016, m->value, check_text(c, ".%.40s", m->key),
            "settings are ignore, severity, failOn, exclude, provider, rps and scrapeInterval",
            "'%.40s' is not a setting, or its value is not one", m->key);
    }
}

struct config_context {
    struct check *c;
    struct check_config *ret;
};

static bool on_config(void *ctx, const struct document *doc)
{
    struct config_context *x = ctx;

    x->c->document = doc;
    if (doc->root->kind == NODE_MAP)
        for (size_t i = 0; i < doc->root->u.map.count; i++)
            config_setting(x->c, &doc->root->u.map.members[i], x->ret);
    else if (doc->root->kind != NODE_NULL)
        config_problem(x->c, doc->root, "", "a map of settings is expected");
    x->c->document = NULL;
    return false;
}

int check_configure(struct check *c, const char *file, const char *bytes, size_t len,
                    struct check_config *ret_config)
{
    struct config_context ctx = {c, ret_config};
    struct diags diags;
    int rc = check_begin_file(c, file);

    if (rc)
        return rc;
    check_begin_piece(c, bytes, len, 0);
    diags_init(&diags, c->piece);
    node_parse(c->doc, &diags, file, bytes, len, NULL, on_config, &ctx);
    check_find_diags(c, CM001, &diags);
    diags_release(&diags);
    arena_clear(c->doc);
    arena_clear(c->piece);
    c->source = NULL;
    return c->no_memory ? -ENOMEM : 0;
}
