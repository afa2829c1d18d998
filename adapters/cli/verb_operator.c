#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "adapters/base/arena.h"
#include "adapters/base/json.h"
#include "adapters/cli/profile.h"
#include "adapters/cli/verbs.h"
#include "adapters/http/loop.h"
#include "adapters/http/server.h"
#include "adapters/kube/config.h"
#include "adapters/metrics/provider.h"
#include "adapters/operator/operator.h"
#include "adapters/store/flight.h"
#include "engine/num.h"

#define GRACE_MS 20000
#define SLACK_MS 250 /* what is due so soon begins with what is due now */

extern char **environ;

/* Everything the process is made of. */
struct process {
    const struct args *args;
    struct arena *arena;
    struct loop *loop;
    struct kube_config *config, *mesh_config;
    struct http_options api_options, web_options; /* borrowed by the clients */
    struct http_client *kube_http, *web;
    struct kube_client *kube, *mesh_kube;
    struct operator* op;
    struct operator_options options;
    struct server *server;
    struct flight *flight;
    int exit_code;
    bool stopping;
};

/* ---- options -----------------------------------------------------------------------------------
 */

/* A non-empty variable beats the flag, as in Flagger. */
static const char *env_or_flag(const struct args *a, const char *variable, const char *flag)
{
    const char *v = getenv(variable);

    return v && *v ? v : args_get(a, flag, "");
}

/* A comma-separated list, NULL-terminated, in the arena. */
static const char *const *list_of(struct arena *arena, const char *text)
{
    size_t count = 1, i = 0;
    const char **list;

    for (const char *p = text; *p; p++)
        count += *p == ',';
    list = arena_alloc(arena, (count + 1) * sizeof(*list));
    while (list) {
        size_t len = strcspn(text, ",");

        list[i++] = arena_strndup(arena, text, len);
        if (text[len] == '\0')
            break;
        text += len + 1;
    }
    return list;
}

static enum log_level level_of(const char *name)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"debug", LEVEL_DEBUG},  {"info", LEVEL_INFO},   {"warn", LEVEL_WARN},
                  {"warning", LEVEL_WARN}, {"error", LEVEL_FAULT}, {"fatal", LEVEL_FAULT},
                  {"panic", LEVEL_FAULT}};

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i].name, name) == 0)
            return levels[i].level;
    }
    return LEVEL_INFO;
}

static bool duration_option(const struct args *a, const char *name, const char *otherwise,
                            int64_t *ret_ms)
{
    const char *text = args_get(a, name, otherwise);
    int64_t ns;

    if (duration_parse(text, strlen(text), &ns, NULL, NULL) != DURATION_OK || ns <= 0) {
        usage_error(a, "--%s: '%s' is no duration such as 10s", name, text);
        return false;
    }
    *ret_ms = ns / NS_PER_MS;
    return true;
}

static void write_log(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    fwrite(line, 1, len, stderr);
    fflush(stderr);
}

static void notify_options(const struct args *a, struct operator_options *o)
{
    o->notify_type = "slack";
    o->notify_url = env_or_flag(a, "SLACK_URL", "slack-url");
    o->notify_token = env_or_flag(a, "SLACK_TOKEN", "slack-token");
    o->notify_proxy = env_or_flag(a, "SLACK_PROXY_URL", "slack-proxy-url");
    o->notify_user = args_get(a, "slack-user", "flagger");
    o->notify_channel = args_get(a, "slack-channel", "");
    if (*env_or_flag(a, "MSTEAMS_URL", "msteams-url")) {
        o->notify_type = "msteams";
        o->notify_url = env_or_flag(a, "MSTEAMS_URL", "msteams-url");
        o->notify_proxy = env_or_flag(a, "MSTEAMS_PROXY_URL", "msteams-proxy-url");
    } else if (*o->notify_url && !*o->notify_channel) {
        fprintf(stderr,
                "coalmine operator: --slack-url without --slack-channel: nothing is sent\n");
        o->notify_url = "";
    }
}

static const char *identity_of(struct process *p)
{
    const struct clock *clock = loop_clock(p->loop);
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    return arena_printf(p->arena, "%s_%016llx%016llx", host,
                        (unsigned long long)clock->random(clock->self),
                        (unsigned long long)clock->random(clock->self));
}

/* The first lists and rollouts need more than what comes after them. */
static void give_memory_back(void)
{
    json_trim();
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

static bool operator_options_read(struct process *p)
{
    const struct args *a = p->args;
    struct operator_options *o = &p->options;
    const char *ns = args_get(a, "namespace", "");
    struct cluster_profile profile;
    int64_t ticks;

    if (!profile_of_cluster(a, &profile) ||
        !duration_option(a, "control-loop-interval", "10s", &o->control_loop_ms) ||
        !args_int(a, "ticks", 1, 10000, 64, &ticks))
        return false;
    o->deviations = profile.deviations;
    o->quirks = profile.quirks;
    o->cluster = profile.cluster;
    o->ticks_max = (size_t)ticks;
    o->slack_ms = SLACK_MS;
    o->write_log = write_log;
    o->give_memory_back = give_memory_back;
    o->log_level = level_of(args_get(a, "log-level", "info"));
    o->log_console = strcmp(args_get(a, "zap-encoding", "json"), "console") == 0;
    o->mesh_provider = args_get(a, "mesh-provider", "istio");
    o->metrics_server = args_get(a, "metrics-server", "http://prometheus:9090");
    o->ns = ns;
    o->ingress_class = args_get(a, "ingress-class", NULL);
    o->ingress_annotations_prefix = args_get(a, "ingress-annotations-prefix", NULL);
    o->selector_labels =
        list_of(p->arena, args_get(a, "selector-labels", "app,name,app.kubernetes.io/name"));
    o->include_prefixes = list_of(p->arena, args_get(a, "include-label-prefix", ""));
    o->no_config_tracking = strcmp(args_get(a, "enable-config-tracking", "true"), "false") == 0;
    o->no_cross_namespace_refs = args_has(a, "no-cross-namespace-refs");
    o->allow_cross_namespace_refs = args_has(a, "allow-cross-namespace-refs");
    o->cluster_name = args_get(a, "cluster-name", NULL);
    o->event_webhook = env_or_flag(a, "EVENT_WEBHOOK_URL", "event-webhook");
    o->leader_election = args_has(a, "enable-leader-election");
    o->lease_ns = *ns ? ns : args_get(a, "leader-election-namespace", "kube-system");
    o->dry_run = args_has(a, "dry-run");
    notify_options(a, o);
    return true;
}

/* ---- the flight recorder -----------------------------------------------------------------------
 */

static const char *deviation_names(struct process *p)
{
    struct strbuf names = STRBUF_INIT;
    const char *text;

    for (int d = 0; d < DEVIATION_COUNT; d++) {
        if (p->options.deviations >> d & 1)
            strbuf_addf(&names, "%s%s", names.len ? "," : "", deviation_name((enum deviation)d));
    }
    text = arena_strdup(p->arena, strbuf_str(&names));
    strbuf_release(&names);
    return text ? text : "";
}

/* Returns an exit code. */
static int start_recorder(struct process *p)
{
    const struct clock *clock = loop_clock(p->loop);
    struct flight_process life = {.began_ms = clock->wall_ms(clock->self),
                                  .version = COALMINE_VERSION,
                                  .identity = p->options.identity,
                                  .profile = profile_name(p->options.deviations),
                                  .deviations = deviation_names(p),
                                  .mesh_provider = p->options.mesh_provider,
                                  .cluster_name = p->options.cluster_name,
                                  .config_tracking = !p->options.no_config_tracking,
                                  .dry_run = p->options.dry_run};
    struct flight_options o = {.path = args_get(p->args, "record", NULL)};
    char error[600];
    int64_t mib;

    if (!args_int(p->args, "record-size", 1, 1 << 20, 256, &mib) ||
        !duration_option(p->args, "record-keep", "336h", &o.keep_ms))
        return EXIT_USAGE;
    o.bytes_max = (size_t)mib << 20;
    if (o.path == NULL)
        return EXIT_YES;
    if (flight_open(&o, &life, &p->flight, error, sizeof(error)) != 0) {
        fprintf(stderr, "coalmine operator: --record: %s\n", error);
        return EXIT_WORLD;
    }
    p->options.flight = p->flight;
    return EXIT_YES;
}

/* ---- clients -----------------------------------------------------------------------------------
 */

static struct kube_config *load_config(struct process *p, const char *path)
{
    struct kube_config_source source = {
        .path = *path ? path : NULL,
        .path_list = getenv("KUBECONFIG"),
        .home = getenv("HOME"),
        .context = args_get(p->args, "context", NULL),
        .master = args_get(p->args, "master", NULL),
        .service_host = getenv("KUBERNETES_SERVICE_HOST"),
        .service_port = getenv("KUBERNETES_SERVICE_PORT"),
        .environment = environ,
    };
    struct kube_config *config = NULL;
    struct diags diags;
    int rc;

    diags_init(&diags, p->arena);
    rc = kube_config_load(&source, &diags, &config);
    for (size_t i = 0; i < diags.count; i++)
        diag_print(stderr, &diags.items[i], NULL, 0, false);
    if (rc != 0 && diags.count == 0)
        fprintf(stderr, "coalmine: Error building kubeconfig: %s\n",
                rc == -ENOENT ? "neither a kubeconfig nor a service account was found"
                              : strerror(-rc));
    diags_release(&diags);
    return rc == 0 ? config : NULL;
}

static struct kube_client *make_client(struct process *p, struct kube_config *config)
{
    struct kube_client_options o = {.user_agent = "flagger/coalmine-" COALMINE_VERSION,
                                    .dry_run = p->options.dry_run};
    int64_t qps, burst;

    if (!args_int(p->args, "kubeconfig-qps", 1, 100000, 100, &qps) ||
        !args_int(p->args, "kubeconfig-burst", 1, 100000, 250, &burst) ||
        !args_int(p->args, "kube-api-qps", 1, 100000, qps, &qps) ||
        !args_int(p->args, "kube-api-burst", 1, 100000, burst, &burst))
        return NULL;
    o.qps = (double)qps;
    o.burst = (int)burst;
    return kube_client_new(config, p->kube_http, loop_clock(p->loop), &o);
}

static bool make_clients(struct process *p)
{
    const char *mesh = args_get(p->args, "kubeconfig-service-mesh", "");

    p->web_options = (struct http_options){.reach = args_has(p->args, "allow-link-local")
                                                        ? HTTP_REACH_ANYWHERE
                                                        : HTTP_REACH_NO_LINK_LOCAL,
                                           .user_agent = "flagger",
                                           .http_proxy = getenv("HTTP_PROXY"),
                                           .https_proxy = getenv("HTTPS_PROXY"),
                                           .no_proxy = getenv("NO_PROXY")};
    p->api_options =
        (struct http_options){.user_agent = "flagger/coalmine-" COALMINE_VERSION, .http2 = true};
    p->config = load_config(p, args_get(p->args, "kubeconfig", ""));
    if (p->config == NULL)
        return false;
    p->kube_http = loop_http_new(p->loop, &p->api_options);
    p->web = loop_http_new(p->loop, &p->web_options);
    p->kube = make_client(p, p->config);
    if (*mesh && (p->mesh_config = load_config(p, mesh)) == NULL)
        return false;
    if (p->mesh_config) {
        p->mesh_kube = make_client(p, p->mesh_config);
        p->options.separate_mesh =
            strcmp(kube_config_server(p->config), kube_config_server(p->mesh_config)) != 0;
    }
    return p->kube_http && p->web && p->kube;
}

/* ---- /metrics, /healthz, /readyz ----------------------------------------------------------------
 */

static void add_process(struct strbuf *b)
{
    struct rusage usage;
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f) {
        if (fscanf(f, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    getrusage(RUSAGE_SELF, &usage);
    strbuf_addf(b,
                "# HELP process_cpu_seconds_total CPU time used\n"
                "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %ld.%06ld\n"
                "# HELP process_resident_memory_bytes Resident memory\n"
                "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %ld\n",
                (long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    (long)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000000,
                (long)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) % 1000000,
                pages * sysconf(_SC_PAGESIZE));
}

static void answer_text(struct server_call *call, int status, const char *text)
{
    call_answer(call, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void on_call(void *ctx, struct server_call *call)
{
    struct process *p = ctx;
    const char *path = call_path(call);
    struct strbuf b = STRBUF_INIT;

    if (strcmp(path, "/metrics") == 0) {
        operator_write_metrics(p->op, &b);
        add_process(&b);
        call_answer(call, 200, "text/plain; version=0.0.4; charset=utf-8", strbuf_str(&b), b.len);
    } else if (strcmp(path, "/healthz") == 0) {
        answer_text(call, 200, "OK");
    } else if (strcmp(path, "/readyz") == 0) {
        bool ready = operator_is_ready(p->op);

        answer_text(call, ready ? 200 : 503, ready ? "OK" : "not ready");
    } else {
        answer_text(call, 404, "404 page not found\n");
    }
    strbuf_release(&b);
}

static bool start_server(struct process *p)
{
    struct server_options o = {.handler = on_call, .ctx = p, .idle_s = 15};
    int64_t port;
    int rc;

    if (!args_int(p->args, "port", 0, 65535, 8080, &port))
        return false;
    o.port = (uint16_t)port;
    rc = server_start_on_loop(p->loop, &o, &p->server);
    if (rc != 0) {
        fprintf(stderr, "coalmine operator: cannot listen on port %lld: %s\n", (long long)port,
                strerror(-rc));
        p->exit_code = EXIT_WORLD;
        return false;
    }
    if (port == 0)
        fprintf(stderr, "listening on port %u\n", server_port(p->server));
    return true;
}

/* ---- life --------------------------------------------------------------------------------------
 */

static void on_signal(void *ctx, int signo)
{
    struct process *p = ctx;

    (void)signo;
    if (p->stopping)
        _exit(1);
    p->stopping = true;
    operator_stop(p->op, GRACE_MS);
}

/* Is the API server there, and does it know Canaries? Said before anything else is tried. */
static void check_api(void *arg)
{
    struct process *p = arg;
    struct kube_error error;
    cJSON *version = NULL;

    if (kube_get_path(p->kube, "/version", &version, &error) != 0) {
        fprintf(stderr, "coalmine operator: Error calling Kubernetes API: %s\n", error.message);
        p->exit_code = EXIT_WORLD;
        operator_stop(p->op, 0);
        return;
    }
    json_free(version);
    version = NULL;
    if (kube_get_path(p->kube, "/apis/flagger.app/v1beta1", &version, &error) != 0) {
        fprintf(stderr, "coalmine operator: Canary CRD is not registered: %s\n", error.message);
        p->exit_code = EXIT_WORLD;
        operator_stop(p->op, 0);
    }
    json_free(version);
}

static int serve(struct process *p)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    p->options.tasks = loop_tasks(p->loop);
    p->options.clock = loop_clock(p->loop);
    p->options.kube = p->kube;
    p->options.mesh_kube = p->mesh_kube;
    p->options.config = p->config;
    p->options.web = p->web;
    p->options.identity = identity_of(p);
    p->exit_code = start_recorder(p);
    if (p->exit_code != EXIT_YES)
        return p->exit_code;
    p->op = operator_new(&p->options);
    if (p->op == NULL || !start_server(p))
        return EXIT_WORLD;
    loop_on_signal(p->loop, SIGTERM, on_signal, p);
    loop_on_signal(p->loop, SIGINT, on_signal, p);
    sigaction(SIGPIPE, &ignore, NULL); /* a peer that went away is an error like others */
    operator_start(p->op);
    task_spawn(loop_tasks(p->loop), check_api, p);
    if (loop_run(p->loop) != 0)
        p->exit_code = EXIT_WORLD;
    if (operator_was_deposed(p->op))
        p->exit_code = EXIT_NO;
    return p->exit_code;
}

static int run(const struct args *args)
{
    struct process p = {.args = args, .arena = arena_new(1u << 20)};
    struct loop_options lo = {.live_max = 4096, .stack_bytes = 128u << 10, .connections_max = 96};
    int rc = EXIT_USAGE;

    if (args_has(args, "version")) {
        printf("Flagger version 1.44.0 revision  coalmine-%s\n", COALMINE_VERSION);
        arena_free(p.arena);
        return EXIT_YES;
    }
    p.loop = loop_new(&lo);
    if (p.arena && p.loop && operator_options_read(&p)) {
        rc = EXIT_WORLD;
        if (make_clients(&p))
            rc = serve(&p);
    }
    server_stop(p.server);
    operator_free(p.op);
    flight_close(p.flight);
    kube_client_free(p.kube);
    kube_client_free(p.mesh_kube);
    loop_http_free(p.kube_http);
    loop_http_free(p.web);
    kube_config_free(p.config);
    kube_config_free(p.mesh_config);
    loop_free(p.loop);
    arena_free(p.arena);
    return rc;
}

#define FLAG(flag, what, otherwise, text)                                                          \
    {                                                                                              \
        .name = flag, .value = what, .fallback = otherwise, .help = text                           \
    }
#define SWITCH(flag, text)                                                                         \
    {                                                                                              \
        .name = flag, .help = text                                                                 \
    }
#define UNUSED(flag, what)                                                                         \
    {                                                                                              \
        .name = flag, .value = what, .help = "no effect", .group = "Flags of Flagger's libraries"  \
    }
/* What the flag packages of Flagger's libraries add. */
#define KLOG_FLAGS                                                                                 \
    UNUSED("threadiness", "N"), UNUSED("zap-replace-globals", NULL), UNUSED("v", "N"),             \
        UNUSED("vmodule", "LIST"), UNUSED("logtostderr", NULL), UNUSED("alsologtostderr", NULL),   \
        UNUSED("stderrthreshold", "N"), UNUSED("log_backtrace_at", "PLACE"),                       \
        UNUSED("log_dir", "DIR"), UNUSED("log_file", "FILE"), UNUSED("log_file_max_size", "N"),    \
        UNUSED("one_output", NULL), UNUSED("skip_headers", NULL),                                  \
        UNUSED("skip_log_headers", NULL), UNUSED("add_dir_header", NULL)
#define CHAT(flag, what, text)                                                                     \
    {                                                                                              \
        .name = flag, .value = what, .help = text, .group = "Alerts"                               \
    }

const struct verb verb_operator = {
    .name = "operator",
    .summary = "run rollouts in a Kubernetes cluster",
    .usage = "[OPTION]...",
    .about =
        "Watches Canaries and moves their rollouts on. Takes Flagger's flags, with one dash or "
        "two, and its environment variables (SLACK_URL, SLACK_TOKEN, SLACK_PROXY_URL, "
        "MSTEAMS_URL, MSTEAMS_PROXY_URL, EVENT_WEBHOOK_URL), which beat the flags. All state "
        "is in the Canaries, so it may be killed at any time. SIGTERM lets the ticks under way "
        "end. The port serves /metrics, /healthz and /readyz.",
    .example = "coalmine operator --mesh-provider kubernetes --metrics-server "
               "http://localhost:9090 --dry-run",
    .exits = "0  stopped by SIGINT or SIGTERM\n1  leadership was lost\n2  wrong usage\n4  the API "
             "server or the port could not be used",
    .single_dash = true,
    .options =
        (const struct option_spec[]){
            FLAG("kubeconfig", "FILE", NULL, "kubeconfig of the cluster"),
            FLAG("context", "NAME", NULL, "context of the kubeconfig"),
            FLAG("master", "URL", NULL, "API server, instead of the kubeconfig's"),
            FLAG("kubeconfig-service-mesh", "FILE", NULL, "kubeconfig of the mesh's cluster"),
            FLAG("kubeconfig-qps", "N", "100", "requests per second to the API server"),
            FLAG("kubeconfig-burst", "N", "250", "requests in a burst"),
            FLAG("kube-api-qps", "N", NULL, "the same as --kubeconfig-qps"),
            FLAG("kube-api-burst", "N", NULL, "the same as --kubeconfig-burst"),
            FLAG("namespace", "NAME", NULL, "watch this namespace only"),
            FLAG("mesh-provider", "NAME", "istio", "provider of Canaries that name none"),
            FLAG("metrics-server", "URL", "http://prometheus:9090", "Prometheus"),
            FLAG("control-loop-interval", "DURATION", "10s",
                 "how often new Canaries are taken up (profile flagger-1.44)"),
            FLAG("port", "N", "8080", "port of /metrics, /healthz and /readyz"),
            FLAG("ticks", "N", "64", "ticks at one time"),
            FLAG("selector-labels", "LIST", "app,name,app.kubernetes.io/name",
                 "labels that select the pods of a workload"),
            FLAG("include-label-prefix", "LIST", NULL,
                 "prefixes of labels and annotations that are copied to the primary, * = all"),
            FLAG("ingress-annotations-prefix", "PREFIX", "nginx.ingress.kubernetes.io",
                 "of the annotations of ingress-nginx"),
            FLAG("ingress-class", "NAME", NULL, "class of Contour's HTTPProxy"),
            {.name = "enable-config-tracking",
             .value = "BOOL",
             .choices = "true|false",
             .fallback = "true",
             .help = "track and copy ConfigMaps and Secrets"},
            SWITCH("enable-leader-election", "stand for election before working"),
            FLAG("leader-election-namespace", "NAME", "kube-system", "namespace of the Lease"),
            FLAG("cluster-name", "NAME", NULL, "named in alerts"),
            SWITCH("no-cross-namespace-refs", "refuse references into other namespaces"),
            SWITCH("allow-cross-namespace-refs",
                   "allow them in the default profile, which refuses them"),
            SWITCH("allow-link-local",
                   "let hooks and metric servers be at link-local and metadata addresses"),
            SWITCH("dry-run", "decide and log, but change nothing and call nobody"),
            FLAG("log-level", "LEVEL", "info", "debug, info, warn, error"),
            {.name = "zap-encoding",
             .value = "NAME",
             .choices = "json|console",
             .fallback = "json",
             .help = "form of the log"},
            SWITCH("version", "print the version and exit"),
            KLOG_FLAGS,
            PROFILE_OPTIONS,
            {.name = "record",
             .value = "FILE",
             .help = "record every tick in this SQLite file, for 'coalmine replay'",
             .group = "Flight recorder"},
            {.name = "record-size",
             .value = "MIB",
             .fallback = "256",
             .help = "size of the file; the oldest ticks go",
             .group = "Flight recorder"},
            {.name = "record-keep",
             .value = "DURATION",
             .fallback = "336h",
             .help = "ticks older than this go",
             .group = "Flight recorder"},
            CHAT("event-webhook", "URL", "hook that gets every event"),
            CHAT("slack-url", "URL", "Slack hook for Canaries without alerts of their own"),
            CHAT("slack-token", "TOKEN", "Slack bot token"),
            CHAT("slack-proxy-url", "URL", "proxy for Slack"),
            CHAT("slack-user", "NAME", "name of the sender"),
            CHAT("slack-channel", "NAME", "channel"),
            CHAT("msteams-url", "URL", "Microsoft Teams hook, in place of Slack"),
            CHAT("msteams-proxy-url", "URL", "proxy for Teams"),
            {0},
        },
    .run = run,
};
