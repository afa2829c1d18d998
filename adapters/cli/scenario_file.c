#include "adapters/cli/scenario_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/cli/profile.h"

#define SCENARIO_BYTES_MAX (16u * 1024u * 1024u)

/* Findings in other files (manifests, CSV) come without their source line. */
static void talk_diags(struct scenario_file *f, const char *path, struct strbuf *talk, bool color)
{
    char *bytes = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&bytes, &len);

    if (!out)
        return;
    for (size_t i = 0; i < f->diags.count; i++) {
        const struct diag *d = &f->diags.items[i];
        bool own = d->file && strcmp(d->file, path) == 0;

        diag_print(out, d, own ? f->source : NULL, own ? f->source_len : 0, color);
    }
    fclose(out);
    strbuf_add(talk, bytes, len);
    free(bytes);
}

int scenario_file_read(const char *path, const struct scenario_options *options,
                       struct scenario_file *f, struct strbuf *talk, bool color)
{
    int rc;

    memset(f, 0, sizeof *f);
    f->arena = arena_new(0);
    if (!f->arena)
        return EXIT_WORLD;
    diags_init(&f->diags, f->arena);
    rc = file_read(f->arena, path, SCENARIO_BYTES_MAX, &f->source, &f->source_len);
    if (rc != 0) {
        strbuf_addf(talk, "coalmine: %s: %s\n", path, strerror(-rc));
        return EXIT_INPUT;
    }
    rc = scenario_load(f->arena, &f->diags, path, f->source, f->source_len, options, &f->scenario);
    diags_sort(&f->diags);
    talk_diags(f, path, talk, color);
    if (rc == -ENOMEM) {
        strbuf_addf(talk, "coalmine: %s: out of memory\n", path);
        return EXIT_WORLD;
    }
    return rc == 0 ? 0 : EXIT_INPUT;
}

int scenario_file_open(const char *path, const struct scenario_options *options,
                       struct scenario_file *f)
{
    struct strbuf talk = STRBUF_INIT;
    int rc = scenario_file_read(path, options, f, &talk, isatty(STDERR_FILENO));

    fwrite(strbuf_str(&talk), 1, talk.len, stderr);
    strbuf_release(&talk);
    return rc;
}

void scenario_file_close(struct scenario_file *f)
{
    scenario_free(f->scenario);
    diags_release(&f->diags);
    arena_free(f->arena);
    memset(f, 0, sizeof *f);
}

bool scenario_options_of(const struct args *a, struct scenario_options *o)
{
    deviations_t from_none, from_all;
    int64_t seed;

    memset(o, 0, sizeof *o);
    /* What the options do to an empty and to a full set says which they set and which they clear.
     */
    if (!profile_of(a, 0, &from_none, NULL) || !profile_of(a, PROFILE_DEFAULT, &from_all, NULL) ||
        !args_int(a, "seed", 0, INT64_MAX, 0, &seed))
        return false;
    o->deviate = from_none;
    o->comply = PROFILE_DEFAULT & ~from_all;
    o->profile = args_get(a, "profile", NULL);
    o->has_seed = args_get(a, "seed", NULL) != NULL;
    o->seed = (uint64_t)seed;
    return true;
}
