/* adapters/cli/main.c — the table of verbs, and the door. */
#include <stdlib.h>
#include <string.h>

#include "adapters/base/diag.h"
#include "adapters/cli/frame.h"
#include "adapters/cli/verbs.h"

const struct verb *const verbs[] = {
    &verb_check,
    &verb_explain,
    &verb_simulate,
    &verb_test,
    &verb_sweep,
    &verb_tune,
    &verb_mutate,
    &verb_diff,
    &verb_merge,
    &verb_render,
    &verb_report,
    &verb_schema,
    &verb_operator,
    &verb_replay,
    &verb_promote,
    &verb_abort,
    &verb_retry,
    &verb_pause,
    &verb_resume,
    &verb_cluster,
    &verb_swarm,
    &verb_loadtester,
    &verb_help,
    NULL,
};

static int run_verb(const struct verb *verb, int argc, const char *const *argv)
{
    struct args args;
    int rc = args_parse(verb, argc, argv, &args);

    if (rc != 0)
        return rc;
    if (args_has(&args, "help"))
        help_verb(stdout, verb);
    else
        rc = verb->run(&args);
    args_release(&args);
    return rc;
}

static int run_main(int argc, const char *const *argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (!name) {
        help_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        help_overview(stdout);
        return EXIT_YES;
    }
    if (strcmp(name, "--version") == 0) {
        puts("coalmine " COALMINE_VERSION);
        return EXIT_YES;
    }
    const struct verb *verb = verb_find(name);
    if (!verb) {
        const char *near = name[0] == '-' ? NULL : verb_nearest(name);
        fprintf(stderr, "coalmine: no %s '%s'", name[0] == '-' ? "option" : "verb", name);
        if (near)
            fprintf(stderr, "; did you mean %s?", near);
        fputs("\ntry 'coalmine --help'\n", stderr);
        return EXIT_USAGE;
    }
    return run_verb(verb, argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
    int rc = run_main(argc, (const char *const *)argv);

    /* An answer that could not be written was not given. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("coalmine: standard output");
        return EXIT_WORLD;
    }
    return rc;
}
