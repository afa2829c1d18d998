/*
 * What a tick of the operator costs, in instructions: 100 canaries in the simulated cluster, at
 * rest and under way, the API's own work included. The counts come from valgrind, which runs this
 * program once for each; they are the same on every machine and under every load.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#endif
#endif
#ifndef CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_TOGGLE_COLLECT ((void)0)
#endif

#include "adapters/operator/operator.h"
#include "adapters/simkube/world.h"
#include "adapters/swarm/swarm.h"
#include "bench/figure.h"

enum { CANARIES = 100, SPAN_MS = 30000 };

#define NS "/namespaces/test"
/* 0.05 and 0.3 ms at two instructions a nanosecond */
#define TICK_MAX_IDLE 100000.0
#define TICK_MAX_ROLLING 600000.0

struct bench {
    struct simkube *k;
    struct simworld *world;
    struct tasks *tasks;
    struct operator* op;
    bool rolling;
    unsigned long ticks; /* in the span */
};

static void ask(struct bench *b, const char *method, const char *target, const char *type,
                const char *body)
{
    struct simkube_request req = {.user = "admin",
                                  .method = method,
                                  .target = target,
                                  .content_type = type,
                                  .body = body,
                                  .body_len = strlen(body)};
    struct simkube_reply reply;

    simkube_call(b->k, simkube_now(b->k), &req, &reply);
    if (reply.status >= 300) {
        fprintf(stderr, "bench_operator: %s %s: %s\n", method, target, strbuf_str(&reply.body));
        exit(4);
    }
    simkube_reply_release(&reply);
}

static void install(struct bench *b, int i)
{
    char body[1200];

    snprintf(
        body, sizeof(body),
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"app-%d\"},"
        "\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"app-%d\"}},"
        "\"template\":{\"metadata\":{\"labels\":{\"app\":\"app-%d\"}},\"spec\":{\"containers\":"
        "[{\"name\":\"app\",\"image\":\"app:1\",\"ports\":[{\"containerPort\":9898}]}]}}}}",
        i, i, i);
    ask(b, "POST", "/apis/apps/v1" NS "/deployments", NULL, body);
    snprintf(
        body, sizeof(body),
        "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":"
        "\"app-%d\"},\"spec\":{\"provider\":\"kubernetes\",\"targetRef\":{\"apiVersion\":"
        "\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"app-%d\"},\"service\":{\"port\":80},"
        "\"analysis\":{\"interval\":\"10s\",\"threshold\":2,\"iterations\":10,\"metrics\":["
        "{\"name\":\"request-success-rate\",\"thresholdRange\":{\"min\":99},\"interval\":\"1m\"},"
        "{\"name\":\"request-duration\",\"thresholdRange\":{\"max\":500000},"
        "\"interval\":\"1m\"}]}}}",
        i, i);
    ask(b, "POST", "/apis/flagger.app/v1beta1" NS "/canaries", NULL, body);
}

static int elsewhere(void *ctx, const struct http_request *req, struct http_response *response)
{
    static const char body[] = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
                               "\"result\":[{\"metric\":{},\"value\":[1,\"100\"]}]}}";

    (void)req;
    task_sleep(((struct bench *)ctx)->tasks, 5);
    return simworld_respond(response, 200, "application/json", body, strlen(body));
}

/* A counter of /metrics. */
static unsigned long counted(const struct operator* op, const char *name)
{
    struct strbuf b = STRBUF_INIT;
    char line[100];
    const char *found;
    unsigned long value;

    operator_write_metrics(op, &b);
    snprintf(line, sizeof(line), "\n%s ", name);
    found = strstr(strbuf_str(&b), line);
    value = found ? strtoul(found + strlen(line), NULL, 10) : 0;
    strbuf_release(&b);
    return value;
}

static void watch_the_span(struct bench *b)
{
    const char *counter = b->rolling ? "coalmine_ticks_total" : "coalmine_ticks_skipped_total";
    unsigned long before;

    task_sleep(b->tasks, 60000); /* everything is installed, and rests */
    if (b->rolling) {
        for (int i = 0; i < CANARIES; i++) {
            char target[100];

            snprintf(target, sizeof(target), "/apis/apps/v1" NS "/deployments/app-%d", i);
            ask(b, "PATCH", target, "application/merge-patch+json",
                "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"release\":\"2\"}}}}}");
        }
        task_sleep(b->tasks, 25000);
    }
    before = counted(b->op, counter);
    CALLGRIND_TOGGLE_COLLECT;
    task_sleep(b->tasks, SPAN_MS);
    CALLGRIND_TOGGLE_COLLECT;
    b->ticks = counted(b->op, counter) - before;
}

static void run(void *arg)
{
    struct bench *b = arg;
    const struct clock *clock = simworld_clock(b->world);
    struct http_client *http = simworld_client(b->world, "admin");
    struct kube_client_options client = {.qps = 1000, .burst = 1000};
    struct kube_config *config = kube_config_plain(SIMWORLD_API, NULL);
    struct kube_client *kube = kube_client_new(config, http, clock, &client);
    struct operator_options options = {.tasks = b->tasks,
                                       .clock = clock,
                                       .kube = kube,
                                       .config = config,
                                       .web = http,
                                       .deviations = PROFILE_DEFAULT,
                                       .mesh_provider = "kubernetes",
                                       .metrics_server = "http://prometheus"};

    b->op = operator_new(&options);
    operator_start(b->op);
    watch_the_span(b);
    operator_stop(b->op, 0);
    while (!operator_has_ended(b->op))
        task_sleep(b->tasks, 100);
    operator_free(b->op);
    kube_client_free(kube);
    kube_config_free(config);
}

/* Under valgrind: prints "ticks N". */
static int work(bool rolling)
{
    struct swarm *from = swarm_new();
    struct bench b = {.rolling = rolling};
    struct simworld_options options = {
        .seed = 1, .latency_ms = 2, .elsewhere = elsewhere, .ctx = &b};

    b.k = options.kube = simkube_fork(swarm_cluster(from), 1);
    b.world = simworld_new(&options);
    b.tasks = simworld_tasks(b.world);
    for (int i = 0; i < CANARIES; i++)
        install(&b, i);
    task_spawn(b.tasks, run, &b);
    if (simworld_run(b.world) != 0)
        return 4;
    printf("ticks %lu\n", b.ticks);
    simworld_free(b.world);
    simkube_free(b.k);
    swarm_free(from);
    return 0;
}

/* Run this program under valgrind, and read what was counted. */
static void report(const char *self, const char *what, double max)
{
    char command[1024], line[256], name[64];
    unsigned long ticks = 0, instructions = 0;
    FILE *f;

    snprintf(
        command, sizeof(command),
        "valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file=/dev/null '%s' %s "
        "2>&1",
        self, what);
    f = popen(command, "r");
    while (f && fgets(line, sizeof(line), f)) {
        const char *collected = strstr(line, "Collected : ");

        if (collected)
            instructions = strtoul(collected + strlen("Collected : "), NULL, 10);
        else if (strncmp(line, "ticks ", 6) == 0)
            ticks = strtoul(line + 6, NULL, 10);
    }
    if (f)
        pclose(f);
    if (ticks == 0 || instructions == 0) {
        fprintf(stderr, "bench_operator: not counted: valgrind is not here\n");
        return;
    }
    snprintf(name, sizeof(name), "operator-tick-%s", what);
    figure_at_most(name, (double)instructions / (double)ticks, "instructions", NO_LIMIT, max);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return work(strcmp(argv[1], "rolling") == 0);
    report(argv[0], "rest", TICK_MAX_IDLE);
    report(argv[0], "rolling", TICK_MAX_ROLLING);
    return 0;
}
