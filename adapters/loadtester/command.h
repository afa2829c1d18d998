/* adapters/loadtester/command.h — runs one command to its end or its time limit. */
#ifndef COALMINE_LOADTESTER_COMMAND_H
#define COALMINE_LOADTESTER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "adapters/base/clock.h"
#include "adapters/base/strbuf.h"

struct command {
    char *const *argv;
    char *const *environment;
    int64_t timeout_ms;
    size_t output_max; /* more is read and dropped */
    const struct clock *clock;
    /* told the process group when it has started, and 0 when it has ended; may be NULL */
    void (*on_group)(void *ctx, pid_t group);
    void *ctx;
};

/*
 * Run and collect what it writes on both outputs. True when it exited with 0; else `ret_why` (at
 * least 64 bytes) holds Go's words: "exit status 1", "signal: killed", `exec: "x": executable file
 * not found in $PATH`.
 */
bool command_run(const struct command *c, struct strbuf *output, char *ret_why, size_t why_size);

#endif
