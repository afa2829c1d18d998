/*
 * adapters/cli/frame.h — what main.c needs of the frame and verbs do not: parsing, and the texts made
 * from the tables.
 */
#ifndef COALMINE_CLI_FRAME_H
#define COALMINE_CLI_FRAME_H

#include "adapters/cli/cli.h"

/* Options that every verb has without naming them; ends with a NULL name. */
extern const struct option_spec common_options[];

/*
 * Parse the words behind the verb. Mistakes are printed to stderr, one line and where to read on.
 *   ret_args  borrows from argv; release it with args_release
 * Returns 0 or EXIT_USAGE. With --help anywhere before `--` nothing else is checked.
 */
int args_parse(const struct verb *verb, int argc, const char *const *argv, struct args *ret_args);
void args_release(struct args *a);

const struct verb *verb_find(const char *name);
/* The verb's name nearest to a misspelt one, or NULL. */
const char *verb_nearest(const char *name);

/* `coalmine --help` and `coalmine VERB --help`. */
void help_overview(FILE *out);
void help_verb(FILE *out, const struct verb *verb);
/* coalmine(1) in man macros, docs/reference/cli.md, and the completions of three shells. */
void help_man(FILE *out);
void help_markdown(FILE *out);
void complete_bash(FILE *out);
void complete_zsh(FILE *out);
void complete_fish(FILE *out);

/* The meaning of the exit codes where a verb does not say otherwise. */
extern const char *const exits_general;

#endif
