/* promote, abort, retry, pause, resume: a person's word in a rollout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/base/arena.h"
#include "adapters/cli/verbs.h"
#include "adapters/kube/config.h"
#include "adapters/operator/operator.h"

extern char **environ;

static struct kube_config *load_config(const struct args *args, struct arena *arena)
{
    struct kube_config_source source = {
        .path = args_get(args, "kubeconfig", NULL),
        .path_list = getenv("KUBECONFIG"),
        .home = getenv("HOME"),
        .context = args_get(args, "context", NULL),
        .service_host = getenv("KUBERNETES_SERVICE_HOST"),
        .service_port = getenv("KUBERNETES_SERVICE_PORT"),
        .environment = environ,
    };
    struct kube_config *config = NULL;
    struct diags diags;

    diags_init(&diags, arena);
    if (kube_config_load(&source, &diags, &config) != 0) {
        for (size_t i = 0; i < diags.count; i++)
            diag_print(stderr, &diags.items[i], NULL, 0, false);
        if (diags.count == 0)
            fprintf(stderr, "coalmine: neither a kubeconfig nor a service account was found\n");
        config = NULL;
    }
    diags_release(&diags);
    return config;
}

static int send_command(const struct args *args, const char *ns, const char *name,
                        struct kube_client *kube)
{
    const struct clock *clock = clock_real();
    const char *user = getenv("USER");
    char host[256] = "", who[600];
    struct kube_error error;

    gethostname(host, sizeof(host) - 1);
    snprintf(who, sizeof(who), "%.255s@%.255s", user && *user ? user : "somebody", host);
    if (operator_command(kube, ns, name, args->verb->name, args_get(args, "who", who),
                         args_get(args, "reason", ""), clock->wall_ms(clock->self), &error) != 0) {
        fprintf(stderr, "coalmine: %s/%s: %s\n", ns, name, error.message);
        return EXIT_WORLD;
    }
    printf("%s/%s: %s asked for; the operator acts at its next look and says so in an Event\n", ns,
           name, args->verb->name);
    return EXIT_YES;
}

static int run(const struct args *args)
{
    struct arena *arena = arena_new(1u << 20);
    const char *slash = strchr(args->values[0], '/');
    struct http_client *http;
    struct kube_config *config;
    struct kube_client *kube;
    int rc = EXIT_WORLD;
    char *ns;

    if (slash == NULL || slash == args->values[0] || slash[1] == '\0' || strchr(slash + 1, '/')) {
        arena_free(arena);
        return usage_error(args, "'%s' is not NAMESPACE/NAME", args->values[0]);
    }
    ns = arena_strndup(arena, args->values[0], (size_t)(slash - args->values[0]));
    config = load_config(args, arena);
    http = http_client_curl_new();
    kube = config && http ? kube_client_new(config, http, clock_real(), NULL) : NULL;
    if (kube)
        rc = send_command(args, ns, slash + 1, kube);
    else if (config == NULL)
        rc = EXIT_INPUT;
    kube_client_free(kube);
    http_client_curl_free(http);
    kube_config_free(config);
    arena_free(arena);
    return rc;
}

static const struct option_spec options[] = {
    {.name = "reason", .letter = 'm', .value = "TEXT", .help = "why; kept in the Event"},
    {.name = "who", .value = "NAME", .help = "in whose name", .fallback = "user@host"},
    {.name = "kubeconfig", .value = "FILE", .help = "kubeconfig of the cluster"},
    {.name = "context", .value = "NAME", .help = "context of the kubeconfig"},
    {0}};

#define COMMAND(verb_name, short_text, long_text)                                                  \
    const struct verb verb_##verb_name = {                                                         \
        .name = #verb_name,                                                                        \
        .summary = short_text,                                                                     \
        .usage = "[OPTION]... NAMESPACE/NAME",                                                     \
        .about = long_text " The wish is written to the Canary as an annotation, which the "       \
                           "operator takes away when it has acted; who asked and why is kept in "  \
                           "an Event.",                                                            \
        .example = "coalmine " #verb_name " prod/podinfo --reason 'seen it work'",                 \
        .exits = "0  the wish was recorded\n2  wrong usage\n3  no kubeconfig\n4  the API server "  \
                 "refused or could not be reached",                                                \
        .options = options,                                                                        \
        .values_min = 1,                                                                           \
        .values_max = 1,                                                                           \
        .run = run,                                                                                \
    }

COMMAND(promote, "promote a canary now, whatever its analysis says",
        "Ends the analysis of a rollout under way and promotes the new revision.");
COMMAND(abort, "roll a canary back now", "Sends all traffic back to the primary.");
COMMAND(retry, "try a failed revision again", "Starts the rollout of a failed revision anew.");
COMMAND(pause, "hold a rollout where it is", "Keeps weights and phase until it is resumed.");
COMMAND(resume, "go on with a paused rollout", "Takes up a paused rollout.");
