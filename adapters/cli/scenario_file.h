/* adapters/cli/scenario_file.h — opening scenario files for the verbs that play them. */
#ifndef COALMINE_CLI_SCENARIO_FILE_H
#define COALMINE_CLI_SCENARIO_FILE_H

#include "adapters/base/strbuf.h"
#include "adapters/cli/cli.h"
#include "adapters/scenario/scenario.h"

struct scenario_file {
    struct arena *arena;
    struct diags diags;
    const char *source;
    size_t source_len;
    struct scenario *scenario; /* NULL when it could not be read */
};

/*
 * Read a scenario ("-" = standard input). Mistakes are appended to `talk`; 0, or EXIT_INPUT, or
 * EXIT_WORLD when memory is out. Close the file in any case.
 */
int scenario_file_read(const char *path, const struct scenario_options *options,
                       struct scenario_file *ret_file, struct strbuf *talk, bool color);
/* The same with its talk on stderr. */
int scenario_file_open(const char *path, const struct scenario_options *options,
                       struct scenario_file *ret_file);
void scenario_file_close(struct scenario_file *f);
/* --profile, --deviate, --comply and --seed; false after a usage error. */
bool scenario_options_of(const struct args *a, struct scenario_options *ret_options);

#endif
