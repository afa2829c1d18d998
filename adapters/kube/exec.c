#include "adapters/kube/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/base/json.h"
#include "adapters/base/strbuf.h"
#include "adapters/kube/time.h"

#define OUTPUT_MAX (1024u * 1024u)
#define RUN_MS_MAX 60000
#define POLL_MS 5

void exec_credential_release(struct exec_credential *c)
{
    free(c->token);
    free(c->cert_pem);
    free(c->key_pem);
    memset(c, 0, sizeof *c);
}

static char *copy(const char *s)
{
    return s && *s ? strdup(s) : NULL;
}

static int complain(char *reterr, size_t size, int error, const char *text)
{
    snprintf(reterr, size, "getting credentials: %s", text);
    return error;
}

int exec_credential_parse(const char *api_version, const char *text, size_t len,
                          struct exec_credential *ret, char *reterr, size_t reterr_size)
{
    cJSON *root = json_parse(text, len, NULL);
    const cJSON *status = json_get(root, "status");
    const char *expires = json_str(status, "expirationTimestamp");
    int r = 0;

    memset(ret, 0, sizeof *ret);
    ret->expires_ms = INT64_MAX;
    if (!root)
        r = complain(reterr, reterr_size, -EPROTO, "decoding stdout: no JSON object");
    else if (strcmp(json_str_or(root, "kind", ""), "ExecCredential") != 0)
        r = complain(reterr, reterr_size, -EPROTO, "decoding stdout: kind is not ExecCredential");
    else if (strcmp(json_str_or(root, "apiVersion", ""), api_version) != 0)
        r = complain(reterr, reterr_size, -EPROTO,
                     "plugin returned a different apiVersion than it was asked for");
    else if (!cJSON_IsObject(status))
        r = complain(reterr, reterr_size, -EPROTO, "exec plugin didn't return a status field");
    else if (expires && !kube_time_parse(expires, &ret->expires_ms))
        r = complain(reterr, reterr_size, -EPROTO, "expirationTimestamp is no time");
    if (r == 0) {
        ret->token = copy(json_str(status, "token"));
        ret->cert_pem = copy(json_str(status, "clientCertificateData"));
        ret->key_pem = copy(json_str(status, "clientKeyData"));
        if (!ret->token && !ret->cert_pem)
            r = complain(reterr, reterr_size, -EPROTO,
                         "exec plugin didn't return a token or cert/key pair");
        else if (!ret->cert_pem != !ret->key_pem)
            r = complain(reterr, reterr_size, -EPROTO,
                         "exec plugin returned only certificate or key, not both");
    }
    if (r != 0)
        exec_credential_release(ret);
    json_free(root);
    return r;
}

/* Start it with its output in a pipe; all our signals and blocks are undone for it. */
static int start(const struct exec_plugin *p, pid_t *ret_pid, int *ret_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int fds[2], r;

    if (pipe(fds) != 0)
        return -errno;
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    r = -posix_spawnp(ret_pid, p->command, &actions, &attributes, p->argv, p->envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(fds[1]);
    if (r != 0) {
        close(fds[0]);
        return r;
    }
    *ret_fd = fds[0];
    return 0;
}

/* What it wrote until now. 1 = more to come, 0 = its end, -E2BIG. */
static int drain(int fd, struct strbuf *out)
{
    char block[2048];

    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 1 : 0;
        strbuf_add(out, block, (size_t)n);
        if (out->len > OUTPUT_MAX)
            return -E2BIG;
    }
}

/*
 * Sleep a little. A sleep that is over before its time means that the task was cancelled, and all
 * further ones would be, too.
 */
static int doze(const struct clock *clock)
{
    int64_t begun_ms = clock->mono_ms(clock->self);

    clock->sleep_ms(clock->self, POLL_MS);
    return clock->mono_ms(clock->self) - begun_ms < POLL_MS - 1 ? -ECANCELED : 0;
}

/* Until it has ended: 0 with its wait status, or -Exxx after killing it. */
static int await(pid_t pid, int fd, const struct clock *clock, struct strbuf *out, int *ret_status)
{
    int64_t due_ms = clock->mono_ms(clock->self) + RUN_MS_MAX;
    int r = 0;

    for (;;) {
        r = drain(fd, out);
        if (r < 0)
            break;
        if (r == 0 && waitpid(pid, ret_status, WNOHANG) == pid)
            return 0;
        if (clock->mono_ms(clock->self) >= due_ms) {
            r = -ETIMEDOUT;
            break;
        }
        r = doze(clock);
        if (r != 0)
            break;
    }
    kill(pid, SIGKILL);
    waitpid(pid, ret_status, 0);
    return r;
}

/* `error` is what starting it gave. */
static int cannot_start(const struct exec_plugin *p, int error, char *reterr, size_t reterr_size)
{
    char text[384];

    snprintf(text, sizeof text, "exec: executable %s failed to start: %s%s%s", p->command,
             error == -ENOENT   ? "not found"
             : error == -EACCES ? "permission denied"
                                : "no resources",
             p->install_hint ? "\n\n" : "", p->install_hint ? p->install_hint : "");
    return complain(reterr, reterr_size, error, text);
}

int exec_plugin_run(const struct exec_plugin *p, const struct clock *clock,
                    struct exec_credential *ret, char *reterr, size_t reterr_size)
{
    struct strbuf out = STRBUF_INIT;
    char text[384];
    pid_t pid;
    int fd = -1, status = 0, r;

    r = start(p, &pid, &fd);
    if (r != 0)
        return cannot_start(p, r, reterr, reterr_size);
    r = await(pid, fd, clock, &out, &status);
    close(fd);
    if (r != 0) {
        snprintf(text, sizeof text, "exec: executable %s %s", p->command,
                 r == -ETIMEDOUT   ? "took longer than a minute"
                 : r == -ECANCELED ? "was cancelled"
                                   : "wrote more than 1 MiB");
        complain(reterr, reterr_size, r, text);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && out.len == 0) {
        r = cannot_start(p, -ENOENT, reterr, reterr_size); /* posix_spawn may say it this way */
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(text, sizeof text, "exec: executable %s failed with exit code %d", p->command,
                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        r = complain(reterr, reterr_size, -EACCES, text);
    } else {
        r = exec_credential_parse(p->api_version, strbuf_str(&out), out.len, ret, reterr,
                                  reterr_size);
    }
    strbuf_release(&out);
    return r;
}
