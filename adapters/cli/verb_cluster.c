#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/cli/verbs.h"
#include "adapters/manifest/node.h"
#include "adapters/simkube/serve.h"

/* ---- manifests posted at the start
 * --------------------------------------------------------------- */

static const char *plural_path(const cJSON *object, char *out, size_t size)
{
    const char *kind = json_str_or(object, "kind", ""),
               *version = json_str_or(object, "apiVersion", "");
    const char *ns = json_str_or(json_get(object, "metadata"), "namespace", "default");
    static const struct {
        const char *kind, *plural;
        bool namespaced;
    } known[] = {
        {"CustomResourceDefinition", "customresourcedefinitions", false},
        {"Namespace", "namespaces", false},
        {"Deployment", "deployments", true},
        {"DaemonSet", "daemonsets", true},
        {"Service", "services", true},
        {"ConfigMap", "configmaps", true},
        {"Secret", "secrets", true},
        {"HorizontalPodAutoscaler", "horizontalpodautoscalers", true},
        {"Ingress", "ingresses", true},
        {"Canary", "canaries", true},
        {"MetricTemplate", "metrictemplates", true},
        {"AlertProvider", "alertproviders", true},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(kind, known[i].kind) != 0)
            continue;
        snprintf(out, size, "/%s/%s%s%s/%s", strchr(version, '/') ? "apis" : "api", version,
                 known[i].namespaced ? "/namespaces/" : "", known[i].namespaced ? ns : "",
                 known[i].plural);
        return out;
    }
    return NULL;
}

static int post(struct simkube *k, const char *file, const cJSON *object)
{
    char path[600], *body = json_print(object);
    struct simkube_request req = {.user = "admin", .method = "POST", .body = body};
    struct simkube_reply reply;
    int rc = EXIT_YES;

    req.target = plural_path(object, path, sizeof(path));
    if (!req.target || !body) {
        fprintf(stderr, "%s: error: the cluster cannot begin with a %s; use kubectl apply\n", file,
                json_str_or(object, "kind", "document without a kind"));
        free(body);
        return EXIT_NO;
    }
    req.body_len = strlen(body);
    simkube_call(k, simkube_now(k), &req, &reply);
    if (reply.status >= 300) {
        cJSON *status = json_parse(strbuf_str(&reply.body), reply.body.len, NULL);

        fprintf(stderr, "%s: error: %s\n", file, json_str_or(status, "message", "refused"));
        json_free(status);
        rc = EXIT_NO;
    }
    simkube_reply_release(&reply);
    free(body);
    return rc;
}

static int post_file(struct simkube *k, const char *path)
{
    struct arena *arena = arena_new(0);
    struct documents docs = {0};
    struct diags diags;
    const char *text;
    size_t len;
    int rc = EXIT_YES;

    diags_init(&diags, arena);
    if (file_read(arena, path, 0, &text, &len) != 0) {
        fprintf(stderr, "coalmine: cannot read %s\n", path);
        rc = EXIT_INPUT;
    } else if (node_parse_all(arena, &diags, path, text, len, NULL, &docs) != 0) {
        for (size_t i = 0; i < diags.count; i++)
            diag_print(stderr, &diags.items[i], text, len, false);
        rc = EXIT_INPUT;
    }
    for (size_t i = 0; rc == EXIT_YES && i < docs.count; i++) {
        cJSON *object = node_to_json(docs.items[i].root);

        if (cJSON_IsObject(object))
            rc = post(k, path, object);
        json_free(object);
    }
    diags_release(&diags);
    arena_free(arena);
    return rc;
}

/* ---- running
 * ---------------------------------------------------------------------------------------- */

static void on_signal(void *ctx, int signo)
{
    (void)signo;
    simkube_host_stop(ctx);
}

static int write_kubeconfig(const char *path, unsigned port)
{
    FILE *f = fopen(path, "w");

    if (!f) {
        fprintf(stderr, "coalmine: cannot write %s\n", path);
        return EXIT_WORLD;
    }
    fprintf(f,
            "apiVersion: v1\nkind: Config\nclusters: [{name: simulated, cluster: {server: "
            "\"http://127.0.0.1:%u\"}}]\n"
            "users: [{name: admin, user: {token: admin}}]\n"
            "contexts: [{name: simulated, context: {cluster: simulated, user: "
            "admin}}]\ncurrent-context: simulated\n",
            port);
    return fclose(f) == 0 ? EXIT_YES : EXIT_WORLD;
}

static int serve(const struct args *args, struct simkube *k, struct loop *loop, uint16_t port)
{
    struct simkube_host *host;
    const char *kubeconfig = args_get(args, "write-kubeconfig", NULL);
    int rc = simkube_host_start(loop, k, args_get(args, "address", "127.0.0.1"), port, &host);

    if (rc) {
        fprintf(stderr, "coalmine: cannot listen on port %u: %s\n", (unsigned)port, strerror(-rc));
        return EXIT_WORLD;
    }
    loop_on_signal(loop, SIGTERM, on_signal, host);
    loop_on_signal(loop, SIGINT, on_signal, host);
    if (kubeconfig)
        rc = write_kubeconfig(kubeconfig, simkube_host_port(host));
    if (rc == EXIT_YES) {
        printf("http://127.0.0.1:%u\n", (unsigned)simkube_host_port(host));
        fflush(stdout);
    } else {
        simkube_host_stop(host);
    }
    return loop_run(loop) == 0 ? rc : EXIT_WORLD;
}

static int run(const struct args *args)
{
    struct simkube_config config = {0};
    int64_t port, seed;
    struct loop *loop;
    struct simkube *k;
    const char *file;
    int rc = EXIT_YES;

    if (!args_int(args, "port", 0, 65535, 8001, &port) ||
        !args_int(args, "seed", 0, INT64_MAX, 1, &seed))
        return EXIT_USAGE;
    loop = loop_new(NULL);
    if (!loop)
        return EXIT_WORLD;
    config.seed = (uint64_t)seed;
    config.start_ms = loop_clock(loop)->wall_ms(loop_clock(loop)->self);
    k = simkube_new(&config);
    for (size_t i = 0; k && rc == EXIT_YES && (file = args_nth(args, "apply", i)) != NULL; i++)
        rc = post_file(k, file);
    if (k && rc == EXIT_YES)
        rc = serve(args, k, loop, (uint16_t)port);
    loop_free(loop);
    simkube_free(k);
    return k ? rc : EXIT_WORLD;
}

const struct verb verb_cluster = {
    .name = "cluster",
    .summary = "serve the simulated Kubernetes API for experiments",
    .usage = "[OPTION]...",
    .about = "Serves a Kubernetes API without a cluster behind it: objects, watches, schemas, "
             "garbage collection and the "
             "controllers of Deployments, DaemonSets and HPAs are simulated, pods become ready "
             "after a second (never, when "
             "labelled test/ready=never) and nothing runs in them. Everything is kept in memory "
             "and forgotten at the end. It "
             "speaks plain HTTP; the bearer token is taken as the user's name, and only admin (the "
             "default) may do everything.",
    .example = "coalmine cluster --port 8001 --apply crds/canary.yaml",
    .exits = "0  stopped by SIGINT or SIGTERM\n1  a manifest of --apply was refused\n2  wrong "
             "usage\n3  a file could not be "
             "read\n4  the port could not be opened",
    .options =
        (const struct option_spec[]){
            {.name = "port",
             .value = "N",
             .fallback = "8001",
             .help = "TCP port; 0 = any free one, printed on stdout"},
            {.name = "address",
             .value = "ADDRESS",
             .fallback = "127.0.0.1",
             .help = "numeric address to listen on"},
            {.name = "apply",
             .value = "FILE",
             .repeats = true,
             .help = "manifests the cluster begins with (CRDs, workloads, Canaries)"},
            {.name = "write-kubeconfig",
             .value = "FILE",
             .help = "write a kubeconfig for this cluster"},
            {.name = "seed",
             .value = "N",
             .fallback = "1",
             .help = "seed of generated names and identifiers"},
            {.name = NULL},
        },
    .values_min = 0,
    .values_max = 0,
    .run = run,
};
