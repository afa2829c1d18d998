#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/cli/explain.h"
#include "adapters/cli/profile.h"
#include "adapters/cli/verbs.h"
#include "adapters/manifest/canary.h"
#include "sim/forecast.h"

struct explaining {
    const struct args *args;
    bool json, markdown, color;
    struct strbuf out;
    size_t canaries;
};

static int out_of_memory(void)
{
    fputs("coalmine explain: out of memory\n", stderr);
    return EXIT_WORLD;
}

/* One Canary in one profile: the body of the text, or a JSON object. */
static int explain_in(struct explaining *e, struct arena *arena, const struct document *doc,
                      deviations_t deviations, struct strbuf *out, struct canary *ret_canary)
{
    struct canary_options options = {.mesh_provider = args_get(e->args, "mesh-provider", NULL),
                                     .deviations = deviations};
    struct forecast forecast;
    struct diags ignored;
    int rc;

    diags_init(&ignored, arena); /* told when the file was read */
    rc = canary_decode(arena, &ignored, doc, &options, ret_canary);
    diags_release(&ignored);
    if (rc == 0)
        rc = forecast_make(&forecast, &ret_canary->spec);
    if (rc != 0)
        return rc;
    if (e->json)
        explain_json(out, &ret_canary->spec, &forecast);
    else if (e->markdown)
        explain_markdown(out, &ret_canary->spec, &forecast);
    else
        explain_text(out, &ret_canary->spec, &forecast, e->color);
    forecast_release(&forecast);
    return 0;
}

static void add_json(struct explaining *e, const char *profile, const struct strbuf *object)
{
    strbuf_addf(&e->out, "%s{\"profile\":\"%s\",", e->canaries++ ? ",\n" : "", profile);
    strbuf_adds(&e->out, strbuf_str(object) + 1);
}

/* The profile that was asked for; without one, the default, and Flagger's where it differs. */
static int explain_canary(struct explaining *e, struct arena *arena, const struct document *doc)
{
    struct strbuf body = STRBUF_INIT, other = STRBUF_INIT;
    struct canary canary;
    deviations_t deviations = PROFILE_DEFAULT;
    const char *profile = NULL;
    bool both = !args_has(e->args, "profile") && !args_has(e->args, "deviate") &&
                !args_has(e->args, "comply");
    int rc = 0;

    profile_of(e->args, PROFILE_DEFAULT, &deviations, &profile);
    rc = explain_in(e, arena, doc, deviations, &body, &canary);
    if (rc == 0 && e->json)
        add_json(e, profile, &body);
    if (rc == 0 && !e->json) {
        strbuf_adds(&e->out, e->canaries++ ? "\n\n" : "");
        strbuf_adds(&e->out, e->markdown ? "### " : "");
        explain_head(&e->out, &canary.spec);
        strbuf_adds(&e->out, strbuf_str(&body));
    }
    if (rc == 0 && both)
        rc = explain_in(e, arena, doc, PROFILE_FLAGGER_1_44, &other, &canary);
    if (rc == 0 && both && e->json)
        add_json(e, "flagger-1.44", &other);
    if (rc == 0 && both && !e->json) {
        if (strcmp(strbuf_str(&body), strbuf_str(&other)) == 0)
            strbuf_adds(&e->out, "\nFlagger 1.44 would do the same\n");
        else if (e->markdown)
            strbuf_addf(
                &e->out,
                "\n<details><summary>Flagger 1.44 would do otherwise</summary>\n%s\n</details>\n",
                strbuf_str(&other));
        else
            strbuf_addf(&e->out, "\nFlagger 1.44 would do otherwise:\n%s", strbuf_str(&other));
    }
    rc = body.failed || other.failed ? -ENOMEM : rc;
    strbuf_release(&body);
    strbuf_release(&other);
    return rc;
}

static void print_diags(struct diags *diags, const char *source, size_t len)
{
    diags_sort(diags);
    for (size_t i = 0; i < diags->count; i++)
        diag_print(stderr, &diags->items[i], source, len, color_wanted(stderr));
}

/* Every mistake of a file is told before anything of it is explained. */
static bool file_is_sound(struct explaining *e, struct arena *arena, struct diags *diags,
                          const struct documents *docs, size_t *ret_canaries)
{
    struct canary_options options = {.mesh_provider = args_get(e->args, "mesh-provider", NULL),
                                     .deviations = PROFILE_DEFAULT};

    *ret_canaries = 0;
    for (size_t i = 0; i < docs->count; i++) {
        struct canary canary;
        if (!document_is(&docs->items[i], "Canary"))
            continue;
        ++*ret_canaries;
        canary_decode(arena, diags, &docs->items[i], &options, &canary);
    }
    return diags->errors == 0;
}

static int explain_file(struct explaining *e, struct arena *arena, const char *file)
{
    struct documents docs = {0};
    struct diags diags;
    const char *source;
    size_t len, canaries = 0;
    int rc = file_read(arena, file, 0, &source, &len);

    if (rc != 0) {
        fprintf(stderr, "coalmine explain: %s: %s\n", file, strerror(-rc));
        return EXIT_INPUT;
    }
    diags_init(&diags, arena);
    rc = node_parse_all(arena, &diags, file, source, len, NULL, &docs);
    bool sound = file_is_sound(e, arena, &diags, &docs, &canaries) && rc == 0;
    print_diags(&diags, source, len);
    diags_release(&diags);
    if (rc == -ENOMEM || arena_failed(arena))
        return out_of_memory();
    if (!sound)
        return EXIT_INPUT;
    if (canaries == 0) {
        fprintf(stderr, "coalmine explain: %s: no Canary (flagger.app/v1beta1) in this file\n",
                file);
        return EXIT_INPUT;
    }
    for (size_t i = 0; i < docs.count; i++)
        if (document_is(&docs.items[i], "Canary") && explain_canary(e, arena, &docs.items[i]) != 0)
            return out_of_memory();
    return EXIT_YES;
}

static int run(const struct args *args)
{
    struct explaining e = {.args = args, .out = STRBUF_INIT};
    struct arena *arena = arena_new(0);
    deviations_t deviations;
    int rc = EXIT_YES;

    if (!profile_of(args, PROFILE_DEFAULT, &deviations, NULL)) {
        arena_free(arena);
        return EXIT_USAGE;
    }
    if (!arena)
        return out_of_memory();
    e.json = strcmp(args_get(args, "output", "text"), "json") == 0;
    e.markdown = strcmp(args_get(args, "output", "text"), "markdown") == 0;
    e.color = color_wanted(stdout);
    for (size_t i = 0; i < args->value_count; i++) {
        int file_rc = explain_file(&e, arena, args->values[i]);
        if (file_rc > rc)
            rc = file_rc;
    }
    if (e.json)
        printf("[%s]\n", strbuf_str(&e.out));
    else
        fputs(strbuf_str(&e.out), stdout);
    if (e.out.failed)
        rc = out_of_memory();
    strbuf_release(&e.out);
    arena_free(arena);
    return rc;
}

const struct verb verb_explain = {
    .name = "explain",
    .summary = "what a Canary will do: weights, times, exposure, webhooks",
    .usage = "[OPTION]... CANARY.yaml...",
    .about = "Runs the engine on each Canary of the files in a world where all is well, and once "
             "for each weight at "
             "which a release may turn bad: the exact ladder of weights with times, the shortest "
             "time to promote, the "
             "time from the first failed check to the rollback, how much traffic meets the new "
             "version, and which "
             "webhook is called when. Where Flagger 1.44 would do otherwise, both are shown.\n\n"
             "Pods are taken as ready at once and gates as open; times count from the tick that "
             "finds the new "
             "revision, which comes up to one interval after the deploy.",
    .example = "coalmine explain podinfo-canary.yaml",
    .exits = "0  explained, whatever the rollout does\n2  wrong usage\n3  a file cannot be read, "
             "is not valid, or holds no Canary",
    .options =
        (const struct option_spec[]){
            {.name = "output",
             .letter = 'o',
             .value = "FORM",
             .choices = "text|markdown|json",
             .fallback = "text",
             .help = "how to print; markdown makes a comment under a change"},
            {.name = "mesh-provider",
             .value = "NAME",
             .fallback = "istio",
             .help = "the provider of Canaries that name none"},
            PROFILE_OPTIONS,
            {.name = NULL},
        },
    .values_min = 1,
    .values_max = SIZE_MAX,
    .run = run,
};
