/* adapters/loadtester/command.c — a child in its own process group, its output, its end. */
#include "adapters/loadtester/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(const struct command *c, int out, pid_t *ret_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int rc;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, out, 2);
    rc = posix_spawnp(ret_pid, c->argv[0], &files, &attributes, c->argv, c->environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Read until the other end closes or the time is up. False = time is up. */
static bool collect(const struct command *c, int fd, int64_t until_ms, struct strbuf *output)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char buf[4096];

    for (;;) {
        int64_t left = until_ms - c->clock->mono_ms(c->clock->self);
        ssize_t n;

        if (left <= 0)
            return false;
        if (poll(&p, 1, left > 1000 ? 1000 : (int)left) <= 0)
            continue;
        n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        if (output->len < c->output_max)
            strbuf_add(output, buf,
                       (size_t)n < c->output_max - output->len ? (size_t)n
                                                               : c->output_max - output->len);
    }
}

static bool finish(pid_t pid, char *why, size_t why_size)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        snprintf(why, why_size, "signal: %s",
                 WTERMSIG(status) == SIGKILL ? "killed" : "terminated");
    else
        snprintf(why, why_size, "exit status %d", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool command_run(const struct command *c, struct strbuf *output, char *ret_why, size_t why_size)
{
    int64_t until = c->clock->mono_ms(c->clock->self) + c->timeout_ms;
    int ends[2], rc;
    pid_t pid = 0;
    bool ok;

    if (pipe(ends) != 0) {
        snprintf(ret_why, why_size, "no pipe: %d", errno);
        return false;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    rc = start(c, ends[1], &pid);
    close(ends[1]);
    if (rc != 0) {
        close(ends[0]);
        snprintf(ret_why, why_size, "exec: \"%.32s\": %s", c->argv[0],
                 rc == ENOENT ? "executable file not found in $PATH" : "cannot be run");
        return false;
    }
    if (c->on_group)
        c->on_group(c->ctx, pid);
    if (!collect(c, ends[0], until, output))
        kill(-pid, SIGKILL); /* with all it started */
    ok = finish(pid, ret_why, why_size);
    if (c->on_group)
        c->on_group(c->ctx, 0);
    close(ends[0]);
    return ok;
}
