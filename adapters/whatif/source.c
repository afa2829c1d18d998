#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/judge.h"
#include "adapters/whatif/whatif.h"
#include "engine/num.h"

/* ---- the Canary of a file
 * ------------------------------------------------------------------------------------ */

static void default_text(cJSON *object, const char *name, const char *value)
{
    if (!json_get(object, name))
        json_set_str(object, name, value);
}

/* `canary:` of a scenario: a whole Canary, or its spec alone. */
static cJSON *canary_of_scenario(const struct node *n)
{
    cJSON *spec = node_to_json(n), *object;

    if (!spec || json_get(spec, "apiVersion"))
        return spec;
    object = cJSON_CreateObject();
    if (!object) {
        json_free(spec);
        return NULL;
    }
    default_text(object, "apiVersion", "flagger.app/v1beta1");
    default_text(object, "kind", "Canary");
    json_set_str(json_child_object(object, "metadata"), "name", "app");
    if (!json_get(spec, "targetRef")) {
        cJSON *target = json_child_object(spec, "targetRef");
        json_set_str(target, "apiVersion", "apps/v1");
        json_set_str(target, "kind", "Deployment");
        json_set_str(target, "name", "app");
    }
    if (!json_get(spec, "service"))
        json_set_int(json_child_object(spec, "service"), "port", 80);
    json_set(object, "spec", spec);
    return object;
}

/* A path of `manifests:`, relative to the scenario. */
static int read_manifest(struct whatif_source *s, struct arena *arena, struct diags *diags,
                         const char *path, const struct canary_options *options)
{
    const char *slash = strrchr(s->file, '/'), *text, *file = path;
    size_t len;
    int rc;

    if (slash && path[0] != '/')
        file = arena_printf(arena, "%.*s/%s", (int)(slash - s->file), s->file, path);
    if (!file)
        return -ENOMEM;
    rc = file_read(arena, file, 0, &text, &len);
    return rc != 0 ? rc : whatif_source_read(s, arena, diags, file, text, len, options);
}

static int read_scenario(struct whatif_source *s, struct arena *arena, struct diags *diags,
                         const struct node *root, const struct canary_options *options)
{
    const struct node *manifests = node_get(root, "manifests");

    if (node_get(root, "canary")) {
        s->object = canary_of_scenario(node_get(root, "canary"));
        return s->object ? 0 : -ENOMEM;
    }
    if (!manifests || manifests->kind != NODE_LIST)
        return -ENOENT;
    for (size_t i = 0; i < manifests->u.list.count; i++) {
        const struct node *item = manifests->u.list.items[i];
        int rc = -ENOENT;

        if (node_is(node_get(item, "kind"), "Canary"))
            s->object = node_to_json(item);
        else if (node_str(item))
            rc = read_manifest(s, arena, diags, node_str(item), options);
        if (s->object || rc != -ENOENT)
            return s->object ? 0 : rc;
    }
    return -ENOENT;
}

int whatif_source_read(struct whatif_source *ret_source, struct arena *arena, struct diags *diags,
                       const char *file, const char *text, size_t len,
                       const struct canary_options *options)
{
    struct documents docs;
    struct canary canary;
    int rc = node_parse_all(arena, diags, file, text, len, NULL, &docs);

    *ret_source = (struct whatif_source){.file = file, .options = *options};
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < docs.count; i++) {
        if (!document_is(&docs.items[i], "Canary"))
            continue;
        rc = canary_decode(arena, diags, &docs.items[i], options, &canary);
        if (rc != 0)
            return rc;
        ret_source->object = node_to_json(docs.items[i].root);
        return ret_source->object ? 0 : -ENOMEM;
    }
    rc = docs.count > 0 ? read_scenario(ret_source, arena, diags, docs.items[0].root, options)
                        : -ENOENT;
    if (rc == 0)
        rc = canary_decode_json(arena, diags, file, ret_source->object, options, &canary);
    return rc;
}

void whatif_source_release(struct whatif_source *s)
{
    json_free(s->object);
    s->object = NULL;
}

/* ---- axes
 * ------------------------------------------------------------------------------------------------------
 */

static const char *add_value(struct whatif_axis *a, struct arena *arena, cJSON *value)
{
    cJSON **grown = realloc(a->values, (a->count + 1) * sizeof *grown);

    if (!grown || !value || a->count >= WHATIF_VALUES_MAX) {
        if (grown)
            a->values = grown;
        json_free(value);
        return arena_printf(arena, "too many values");
    }
    a->values = grown;
    a->values[a->count++] = value;
    return NULL;
}

/* 1..10 or 5..50:5. Returns false when it is no range. */
static bool read_range(struct whatif_axis *a, struct arena *arena, const char *s, size_t len,
                       const char **ret_error)
{
    const char *dots = NULL, *end = s + len, *colon;
    int64_t from, to, step = 1;

    for (const char *p = s; p + 1 < end && !dots; p++)
        dots = p[0] == '.' && p[1] == '.' ? p : NULL;
    if (!dots || !num_parse_int(s, (size_t)(dots - s), &from))
        return false;
    colon = memchr(dots, ':', (size_t)(end - dots));
    if (colon && (!num_parse_int(colon + 1, (size_t)(end - colon - 1), &step) || step <= 0))
        return false;
    if (!num_parse_int(dots + 2, (size_t)((colon ? colon : end) - dots - 2), &to))
        return false;
    if (to < from)
        *ret_error = arena_printf(arena, "%.*s: the range is empty", (int)len, s);
    for (int64_t v = from; v <= to && !*ret_error; v += step)
        *ret_error = add_value(a, arena, json_new_int(v));
    return true;
}

/* A number, true, false, null or JSON stand for themselves; all else is text. */
static cJSON *read_value(const char *s, size_t len)
{
    cJSON *value = json_parse(s, len, NULL);
    char *copy;

    if (value)
        return value;
    copy = malloc(len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = 0;
    value = cJSON_CreateString(copy);
    free(copy);
    return value;
}

/* The end of one value: a comma outside brackets. */
static size_t value_length(const char *s)
{
    int depth = 0;
    size_t i = 0;

    for (; s[i] && (s[i] != ',' || depth > 0); i++)
        depth += (s[i] == '[' || s[i] == '{') - (s[i] == ']' || s[i] == '}');
    return i;
}

const char *whatif_axis_read(struct whatif_axis *ret_axis, struct arena *arena, const char *text)
{
    const char *equals = strchr(text, '='), *error = NULL;
    struct whatif_axis a = {0};

    if (!equals || equals == text || equals[1] == 0)
        return arena_printf(arena, "'%s' is not PATH=VALUES", text);
    a.path = arena_strndup(arena, text, (size_t)(equals - text));
    if (a.path && strncmp(a.path, "spec.", 5) == 0)
        a.path += 5;
    for (const char *s = equals + 1; *s && !error;) {
        size_t len = value_length(s);
        if (!read_range(&a, arena, s, len, &error))
            error = add_value(&a, arena, read_value(s, len));
        s += len;
        s += *s == ',';
    }
    if (error)
        whatif_axis_release(&a);
    else
        *ret_axis = a;
    return error;
}

void whatif_axis_release(struct whatif_axis *a)
{
    for (size_t i = 0; i < a->count; i++)
        json_free(a->values[i]);
    free(a->values);
    memset(a, 0, sizeof *a);
}

/* `name[3]`: the element of a list; ret_index -1 when there is none. */
static cJSON *step_into(cJSON *at, struct arena *arena, const char *word, size_t len, bool last,
                        const char **ret_error, const char **ret_name, int *ret_index)
{
    const char *bracket = memchr(word, '[', len);
    size_t name_len = bracket ? (size_t)(bracket - word) : len;
    char *name = arena_strndup(arena, word, name_len);
    int64_t index = -1;
    cJSON *child;

    *ret_name = name;
    *ret_index = -1;
    if (!name)
        return NULL;
    if (bracket && (word[len - 1] != ']' ||
                    !num_parse_int(bracket + 1, len - name_len - 2, &index) || index < 0)) {
        *ret_error = arena_printf(arena, "'%.*s' is no list index", (int)len, word);
        return NULL;
    }
    if (!bracket)
        return last ? at : json_child_object(at, name);
    child = json_get(at, name);
    *ret_index = (int)index;
    if (!cJSON_IsArray(child) || index >= cJSON_GetArraySize(child)) {
        *ret_error = arena_printf(arena, "%s has no element %d", name, (int)index);
        return NULL;
    }
    return last ? child : cJSON_GetArrayItem(child, (int)index);
}

const char *whatif_set(cJSON *canary, struct arena *arena, const char *path, const cJSON *value)
{
    cJSON *at = json_child_object(canary, "spec");
    const char *error = NULL, *name = NULL;
    int index = -1;

    if (strncmp(path, "judge.", 6) == 0) { /* an annotation; its key holds dots */
        at = json_child_object(json_child_object(canary, "metadata"), "annotations");
        name = arena_printf(arena, JUDGE_ANNOTATIONS ".%s", path + 6);
        if (!at || !name)
            return arena_printf(arena, "out of memory");
        json_set(at, name, json_copy(value));
        return NULL;
    }

    for (const char *word = path; at && *word;) {
        size_t len = strcspn(word, ".");
        bool last = word[len] == 0;

        at = step_into(at, arena, word, len, last, &error, &name, &index);
        word += len;
        word += !last;
    }
    if (!at)
        return error ? error : arena_printf(arena, "out of memory");
    if (index >= 0)
        cJSON_ReplaceItemInArray(at, index, json_copy(value));
    else
        json_set(at, name, json_copy(value));
    return NULL;
}

/* ---- metrics
 * ---------------------------------------------------------------------------------------------------
 */

void whatif_choose_metrics(const struct spec *spec, const struct whatif_metrics *given,
                           struct policy_options *ret_options)
{
    memset(ret_options, 0, sizeof *ret_options);
    for (uint32_t i = 0; i < spec->analysis.metric_count && i < POLICY_METRICS_MAX; i++) {
        const struct metric_spec *m = &spec->analysis.metrics[i];

        ret_options->quantiles[i] = 0.99;
        if (metric_is_success_rate(m))
            ret_options->kinds[i] = POLICY_SUCCESS_RATE;
        else if (metric_is_duration(m))
            ret_options->kinds[i] = POLICY_LATENCY;
        for (size_t g = 0; g < given->count; g++)
            if (strcmp(given->items[g].name, m->name) == 0) {
                ret_options->kinds[i] = given->items[g].kind;
                ret_options->quantiles[i] = given->items[g].quantile;
            }
    }
}

double whatif_allowed_errors(const struct spec *spec, const struct policy_options *options)
{
    double allowed = 1;
    bool bounded = false;

    for (uint32_t i = 0; i < spec->analysis.metric_count && i < POLICY_METRICS_MAX; i++) {
        struct threshold_range b;
        double here = 1;

        if ((judge_food(&spec->analysis.metrics[i].judge) & (FOOD_COUNTS | FOOD_SAMPLES)) != 0)
            continue; /* it compares, whatever the bounds */
        metric_bounds(&spec->analysis.metrics[i], &b);
        if (options->kinds[i] == POLICY_SUCCESS_RATE && b.has_min)
            here = (100 - b.min) / 100;
        else if (options->kinds[i] == POLICY_ERROR_RATE && b.has_max)
            here = b.max / 100;
        else if (options->kinds[i] == POLICY_ERROR_SHARE && b.has_max)
            here = b.max;
        else
            continue;
        bounded = true;
        allowed = here < allowed ? here : allowed;
    }
    return bounded ? allowed : 0.01;
}
