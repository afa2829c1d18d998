#include "adapters/cli/scenario_walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "adapters/base/strbuf.h"
#include "adapters/cli/cli.h"

#define DEPTH_MAX 16

struct walk {
    void (*found)(void *ctx, const char *path);
    void *ctx;
};

static bool is_scenario_name(const char *name)
{
    const char *dot = strrchr(name, '.');

    return name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int add_folder(struct walk *w, const char *path, int depth);

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_entry(struct walk *w, const char *folder, const char *name, int depth)
{
    struct strbuf path = STRBUF_INIT;
    struct stat st;
    int rc = 0;

    if (name[0] == '.')
        return 0;
    strbuf_addf(&path, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    if (stat(strbuf_str(&path), &st) == 0) {
        /* a folder named manifests holds what scenarios refer to */
        if (S_ISDIR(st.st_mode) && strcmp(name, "manifests") != 0)
            rc = add_folder(w, strbuf_str(&path), depth + 1);
        else if (S_ISREG(st.st_mode) && is_scenario_name(name))
            w->found(w->ctx, strbuf_str(&path));
    }
    strbuf_release(&path);
    return rc;
}

/* All scenarios below a folder. */
static int add_folder(struct walk *w, const char *path, int depth)
{
    struct dirent **entries = NULL;
    int count = depth < DEPTH_MAX ? scandir(path, &entries, NULL, by_name) : -1, rc = 0;

    if (count < 0) {
        fprintf(stderr, "coalmine: %s: %s\n", path,
                depth < DEPTH_MAX ? strerror(errno) : "folders are nested too deep");
        return EXIT_INPUT;
    }
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = add_entry(w, path, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int scenario_walk(const char *path, void (*found)(void *ctx, const char *path), void *ctx)
{
    struct walk w = {found, ctx};
    struct stat st;

    if (strcmp(path, "-") != 0 && (stat(path, &st) != 0 || S_ISDIR(st.st_mode)))
        return add_folder(&w, path, 0);
    found(ctx, path);
    return 0;
}
