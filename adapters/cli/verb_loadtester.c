/* adapters/cli/verb_loadtester.c — coalmine loadtester: the webhook receiver as a process. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "adapters/base/strbuf.h"
#include "adapters/cli/verbs.h"
#include "adapters/loadtester/loadtester.h"
#include "engine/num.h"

extern char **environ;

static void log_line(void *ctx, const char *level, const char *canary, const char *message)
{
    struct strbuf b = STRBUF_INIT;
    const char *least = ctx;

    if (strcmp(level, "info") == 0 && (strcmp(least, "warn") == 0 || strcmp(least, "error") == 0))
        return;
    strbuf_addf(&b, "{\"level\":\"%s\",\"ts\":%lld,\"msg\":", level,
                (long long)clock_real()->wall_ms(clock_real()->self));
    strbuf_add_json(&b, message, strlen(message));
    if (*canary) {
        strbuf_adds(&b, ",\"canary\":");
        strbuf_add_json(&b, canary, strlen(canary));
    }
    strbuf_adds(&b, "}\n");
    fputs(strbuf_str(&b), stderr); /* one call, so that lines of several threads stay whole */
    strbuf_release(&b);
}

static int run(const struct args *args)
{
    const char *timeout = args_get(args, "timeout", "1h");
    const char *level = args_get(args, "log-level", "info");
    struct loadtester_options options = {
        .namespace_regexp = args_get(args, "namespace-regexp", NULL),
        .clock = clock_real(),
        .environment = environ,
        .log = log_line,
        .log_ctx = (void *)(size_t)level,
    };
    struct server_options listen = {.handler = loadtester_handle};
    struct loadtester *l;
    struct server *s = NULL;
    int64_t port, ns;
    sigset_t stop;
    int rc, got;

    if (!args_int(args, "port", 0, 65535, 9090, &port))
        return EXIT_USAGE;
    if (duration_parse(timeout, strlen(timeout), &ns, NULL, NULL) != DURATION_OK || ns <= 0)
        return usage_error(args, "--timeout %s is no duration such as 30s or 1h", timeout);
    options.timeout_ms = ns / NS_PER_MS;
    listen.address = args_get(args, "address", NULL);
    listen.port = (uint16_t)port;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before there are threads, so that all inherit it */
    l = loadtester_new(&options);
    if (!l)
        return usage_error(args, "--namespace-regexp is no regular expression");
    listen.ctx = l;
    rc = server_start_thread(&listen, &s);
    if (rc != 0) {
        fprintf(stderr, "coalmine loadtester: cannot listen on port %lld: %s\n", (long long)port,
                strerror(-rc));
        loadtester_free(l);
        return EXIT_WORLD;
    }
    fprintf(stdout, "listening on port %u\n", server_port(s));
    fflush(stdout);
    sigwait(&stop, &got);
    loadtester_stop(l);
    server_stop(s);
    loadtester_free(l);
    return EXIT_YES;
}

const struct verb verb_loadtester = {
    .name = "loadtester",
    .summary = "receive webhooks: gates, rollback switches, test commands",
    .usage = "[OPTION]...",
    .about = "Speaks as Flagger's loadtester does. /gate/open, /gate/close and /gate/check hold a "
             "gate per canary, "
             "/rollback/open, /rollback/close and /rollback/check a rollback switch; /gate/approve "
             "always and "
             "/gate/halt never lets pass. Every other path runs the command in the payload's "
             "metadata: type cmd "
             "in the background, types bash, helm and kubectl while the caller waits. There is no "
             "authentication: whoever reaches the port runs commands.",
    .example = "coalmine loadtester --port 8080",
    .exits = "0  stopped by SIGTERM or SIGINT\n2  wrong usage\n4  the port cannot be opened",
    .options =
        (const struct option_spec[]){
            {.name = "port",
             .value = "N",
             .fallback = "9090",
             .help = "listen on this port; 0 = any free one"},
            {.name = "address",
             .value = "IP",
             .help = "listen on this address only; default: on all"},
            {.name = "timeout",
             .value = "DURATION",
             .fallback = "1h",
             .help = "longest time a command may run"},
            {.name = "namespace-regexp",
             .value = "REGEXP",
             .help = "serve only canaries whose namespace it is found in"},
            {.name = "log-level",
             .value = "LEVEL",
             .choices = "debug|info|warn|error",
             .fallback = "info",
             .help = "least level of the log lines on stderr"},
            {0},
        },
    .values_max = 0,
    .single_dash = true,
    .run = run,
};
