/* coalmine render — what a Canary makes of a mesh, an ingress and its Services, without a cluster.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/yaml_out.h"
#include "adapters/cli/profile.h"
#include "adapters/cli/verbs.h"
#include "adapters/manifest/node.h"
#include "adapters/router/render.h"
#include "adapters/workload/render.h"

#define BYTES_MAX (16u << 20)

/* ---- reading
 * ----------------------------------------------------------------------------------------- */

/* All objects of all files, Lists opened. Takes over `object`. */
static void add_object(cJSON *objects, cJSON *object)
{
    cJSON *items = json_get(object, "items"), *item;

    if (strcmp(json_str_or(object, "kind", ""), "List") != 0 || !cJSON_IsArray(items)) {
        if (cJSON_IsObject(object))
            (void)cJSON_AddItemToArray(objects, object);
        else
            json_free(object);
        return;
    }
    while ((item = items->child) != NULL)
        add_object(objects, cJSON_DetachItemViaPointer(items, item));
    json_free(object);
}

/* Returns an exit code; what is wrong has been printed. */
static int read_file(const char *path, cJSON *objects)
{
    struct arena *arena = arena_new(0);
    struct documents documents = {NULL, 0};
    const char *bytes = NULL;
    struct diags diags;
    size_t len = 0;
    int code;

    if (arena == NULL)
        return EXIT_WORLD;
    diags_init(&diags, arena);
    code = file_read(arena, path, BYTES_MAX, &bytes, &len);
    if (code != 0) {
        fprintf(stderr, "coalmine render: %s: %s\n", path, strerror(-code));
    } else {
        code = node_parse_all(arena, &diags, path, bytes, len, NULL, &documents);
        for (size_t i = 0; i < diags.count; i++)
            diag_print(stderr, &diags.items[i], bytes, len, false);
        for (size_t i = 0; code == 0 && i < documents.count; i++) {
            cJSON *object = node_to_json(documents.items[i].root);

            if (object == NULL)
                code = -ENOMEM;
            else
                add_object(objects, object);
        }
    }
    diags_release(&diags);
    arena_free(arena);
    return code == 0 ? EXIT_YES : EXIT_INPUT;
}

/* ---- writing
 * ----------------------------------------------------------------------------------------- */

static void print_yaml(const cJSON *list)
{
    struct strbuf b = STRBUF_INIT;

    for (const cJSON *o = list->child; o != NULL; o = o->next) {
        if (o != list->child)
            strbuf_adds(&b, "---\n");
        yaml_write(&b, o);
    }
    (void)fwrite(strbuf_str(&b), 1, b.len, stdout);
    strbuf_release(&b);
}

/* A List, as kubectl prints several objects. Takes over `list`. */
static void print_json(cJSON *list)
{
    cJSON *whole = cJSON_CreateObject();
    char *text;

    (void)json_set_str(whole, "apiVersion", "v1");
    (void)json_set_str(whole, "kind", "List");
    (void)json_set(whole, "items", list);
    text = json_print_sorted(whole);
    if (text != NULL)
        puts(text);
    free(text);
    json_free(whole);
}

/* ---- the verb
 * ---------------------------------------------------------------------------------------- */

static bool is_canary(const cJSON *object)
{
    return strcmp(json_str_or(object, "kind", ""), "Canary") == 0 &&
           strncmp(json_str_or(object, "apiVersion", ""), "flagger.app/", strlen("flagger.app/")) ==
               0;
}

static const char *name_of(const cJSON *object)
{
    return json_str_or(json_get(object, "metadata"), "name", "");
}

/* Append the objects of one Canary. */
static int render_one(const struct render_request *request, const cJSON *canary, cJSON *all)
{
    struct render_request q = *request;
    struct strbuf error = STRBUF_INIT;
    cJSON *list = NULL, *item;
    int code;

    q.canary = canary;
    code = render_objects(&q, &list, &error);
    if (code != 0) {
        fprintf(stderr, "coalmine render: %s: %s\n", name_of(canary), strbuf_str(&error));
        if (code == -ENOENT)
            fprintf(stderr, "hint: add that object to the files\n");
    }
    while (list != NULL && (item = list->child) != NULL)
        (void)cJSON_AddItemToArray(all, cJSON_DetachItemViaPointer(list, item));
    json_free(list);
    strbuf_release(&error);
    return code == 0 ? EXIT_YES : EXIT_NO;
}

static int render_chosen(const struct args *args, struct render_request *request, cJSON *all)
{
    const char *only = args_get(args, "name", NULL);
    unsigned found = 0;
    int rc = EXIT_YES;

    for (const cJSON *o = request->objects->child; o != NULL; o = o->next) {
        if (!is_canary(o) || (only != NULL && strcmp(name_of(o), only) != 0))
            continue;
        found++;
        if (render_one(request, o, all) != EXIT_YES)
            rc = EXIT_NO;
    }
    if (found > 0)
        return rc;
    fprintf(stderr, "coalmine render: no Canary%s%s in the files\n", only != NULL ? " " : "",
            only != NULL ? only : "");
    return EXIT_INPUT;
}

/* The options that shape the rendering; prints a usage error and returns false when one is wrong.
 */
static bool read_options(const struct args *args, struct render_request *q,
                         struct workload_options *workload)
{
    struct cluster_profile profile;
    bool known = true, weight = args_has(args, "weight");

    if (weight && args_has(args, "step")) {
        (void)usage_error(args, "--weight and --step exclude each other");
        return false;
    }
    q->provider = args_get(args, "provider", NULL);
    q->override_provider = q->provider != NULL;
    if (q->provider != NULL)
        (void)router_find(q->provider, &known);
    if (!known) {
        (void)usage_error(args, "unknown provider '%s'", q->provider);
        return false;
    }
    if (!profile_of_cluster(args, &profile))
        return false;
    q->quirks = profile.quirks;
    workload->quirks = profile.cluster;
    q->workload_self = workload;
    q->ingress_class = args_get(args, "ingress-class", NULL);
    q->at = weight ? RENDER_AT_WEIGHT : args_has(args, "step") ? RENDER_AT_STEP : RENDER_AT_REST;
    if (weight)
        return args_int(args, "weight", 0, 100, 0, &q->number);
    return args_int(args, "step", 1, 10000, 1, &q->number);
}

static int run(const struct args *args)
{
    struct render_request request = {.workload = workload_render};
    struct workload_options workload = {0};
    cJSON *objects = cJSON_CreateArray(), *all = cJSON_CreateArray();
    int rc = EXIT_YES;

    if (!read_options(args, &request, &workload))
        rc = EXIT_USAGE;
    for (size_t i = 0; rc == EXIT_YES && i < args->value_count; i++)
        rc = read_file(args->values[i], objects);
    request.objects = objects;
    if (rc == EXIT_YES)
        rc = render_chosen(args, &request, all);
    if (rc == EXIT_YES && strcmp(args_get(args, "output", "yaml"), "json") == 0) {
        print_json(all);
        all = NULL;
    } else if (rc == EXIT_YES) {
        print_yaml(all);
    }
    json_free(all);
    json_free(objects);
    return rc;
}

const struct verb verb_render = {
    .name = "render",
    .summary = "print the objects a Canary produces",
    .usage = "[OPTION]... FILE...",
    .about =
        "Prints the Services and the mesh or ingress objects of each Canary in the files, as they "
        "are when the primary has all traffic, or at a weight or a step of the rollout. Needs no "
        "cluster: objects that a provider starts from (the target, the Ingress of nginx and "
        "skipper, the ApisixRoute of apisix) are taken from the files too. `-` is standard input.",
    .example = "coalmine render canary.yaml --step 2",
    .exits =
        "0  printed\n1  a Canary cannot be rendered: what is wrong is on stderr\n2  wrong usage\n"
        "3  a file cannot be read, or holds no Canary",
    .options =
        (const struct option_spec[]){
            {.name = "weight", .value = "N", .help = "with N percent of the traffic on the canary"},
            {.name = "step",
             .value = "K",
             .help = "after step K (from 1) of a rollout without failures"},
            {.name = "provider",
             .value = "P",
             .help =
                 "render for this provider instead of spec.provider (istio when there is none)"},
            {.name = "name", .value = "NAME", .help = "only the Canary of this name"},
            {.name = "ingress-class",
             .value = "CLASS",
             .help = "ingressClassName of Contour's HTTPProxy"},
            {.name = "output",
             .letter = 'o',
             .value = "FORMAT",
             .choices = "yaml|json",
             .fallback = "yaml",
             .help = "YAML documents, or one JSON List"},
            PROFILE_OPTIONS,
            {.name = NULL},
        },
    .values_min = 1,
    .values_max = SIZE_MAX,
    .run = run,
};
