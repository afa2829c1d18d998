#include <string.h>

#include "adapters/cli/frame.h"
#include "adapters/cli/verbs.h"

static int run(const struct args *args)
{
    const char *shell = args_get(args, "completion", NULL);
    const char *name = args->value_count > 0 ? args->values[0] : NULL;

    if (args_has(args, "man")) {
        help_man(stdout);
    } else if (args_has(args, "markdown")) {
        help_markdown(stdout);
    } else if (shell) {
        if (strcmp(shell, "bash") == 0)
            complete_bash(stdout);
        else if (strcmp(shell, "zsh") == 0)
            complete_zsh(stdout);
        else
            complete_fish(stdout);
    } else if (name) {
        const struct verb *verb = verb_find(name);
        const char *near = verb_nearest(name);
        if (!verb)
            return usage_error(args, near ? "no verb '%s'; did you mean %s?" : "no verb '%s'", name,
                               near);
        help_verb(stdout, verb);
    } else {
        help_overview(stdout);
    }
    return EXIT_YES;
}

const struct verb verb_help = {
    .name = "help",
    .summary = "help on a verb, the manual, shell completions",
    .usage = "[OPTION]... [VERB]",
    .about =
        "Prints what `coalmine VERB --help` prints, or one of the texts made from the same tables: "
        "the man page, the reference page docs/reference/cli.md, completions for a shell.",
    .example =
        "coalmine help --completion bash > ~/.local/share/bash-completion/completions/coalmine",
    .exits = "0  printed\n2  wrong usage",
    .options =
        (const struct option_spec[]){
            {.name = "man", .help = "print the man page coalmine(1)"},
            {.name = "markdown", .help = "print docs/reference/cli.md"},
            {.name = "completion",
             .value = "SHELL",
             .choices = "bash|zsh|fish",
             .help = "print the completions for a shell"},
            {.name = NULL},
        },
    .values_min = 0,
    .values_max = 1,
    .run = run,
};
