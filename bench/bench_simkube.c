/*
 * How many operator lives a second the simulated API carries on one core: the calls of a whole
 * release (first install, new revision, ten steps, promotion), with watches read, in a server
 * forked from one that has the CRDs. The operator's own work is not in it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/node.h"
#include "bench/figure.h"
#include "sim/kube/api.h"

enum { LIVES = 300, WATCHES = 4 };

#define APPS "/apis/apps/v1/namespaces/default/deployments"
#define CORE "/api/v1/namespaces/default"
#define FLAGGER "/apis/flagger.app/v1beta1/namespaces/default/canaries"
#define MERGE "application/merge-patch+json"

struct life {
    struct simkube *k;
    int64_t now_ms;
    struct simkube_watch *watches[WATCHES];
    size_t calls, bytes;
};

static struct simkube_watch *call(struct life *l, const char *method, const char *target,
                                  const char *type, const char *body)
{
    struct simkube_request req = {
        .user = "admin", .method = method, .target = target, .content_type = type, .body = body};
    struct simkube_reply reply;

    req.body_len = body ? strlen(body) : 0;
    simkube_call(l->k, l->now_ms, &req, &reply);
    if (reply.status >= 300) {
        fprintf(stderr, "bench_simkube: %s %s: %s\n", method, target, strbuf_str(&reply.body));
        exit(4);
    }
    l->calls++;
    l->bytes += reply.body.len;
    simkube_reply_release(&reply);
    return reply.watch;
}

static void pass(struct life *l, int64_t ms)
{
    struct strbuf out = STRBUF_INIT;

    simkube_advance(l->k, l->now_ms += ms);
    for (size_t i = 0; i < WATCHES; i++)
        simkube_watch_read(l->k, l->now_ms, l->watches[i], &out);
    l->bytes += out.len;
    strbuf_release(&out);
}

static void create_deployment(struct life *l, const char *name, int replicas)
{
    char body[1200];

    snprintf(body, sizeof(body),
             "{\"apiVersion\":\"apps/"
             "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"%s\",\"annotations\":{\"a\":"
             "\"b\"}},\"spec\":{"
             "\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"%s\"}},\"template\":{"
             "\"metadata\":{\"labels\":{\"app\":\"%s\"}},\"spec\":{"
             "\"containers\":[{\"name\":\"c\",\"image\":\"x:1\",\"ports\":[{\"containerPort\":9898,"
             "\"name\":\"http\"}],\"readinessProbe\":{"
             "\"httpGet\":{\"path\":\"/"
             "readyz\",\"port\":9898}},\"env\":[{\"name\":\"A\",\"value\":\"b\"}]}]}}}}",
             name, replicas, name, name);
    call(l, "POST", APPS, NULL, body);
}

static void create_service(struct life *l, const char *name)
{
    char body[400];

    snprintf(body, sizeof(body),
             "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"%s\"},\"spec\":{"
             "\"selector\":{\"app\":\"%s\"},\"ports\":[{"
             "\"name\":\"http\",\"port\":80,\"targetPort\":\"http\"}]}}",
             name, name);
    call(l, "POST", CORE "/services", NULL, body);
}

static void tick(struct life *l, const char *phase, int n)
{
    char body[600];

    snprintf(body, sizeof(body),
             "{\"status\":{\"phase\":\"%s\",\"canaryWeight\":%d,\"failedChecks\":0,\"iterations\":%"
             "d,\"lastAppliedSpec\":\"5d9f\",\"conditions\":[{"
             "\"type\":\"Promoted\",\"status\":\"Unknown\",\"reason\":\"%s\",\"message\":\"m\","
             "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\","
             "\"lastUpdateTime\":\"2026-01-01T00:00:00Z\"}]}}",
             phase, n * 10, n, phase);
    call(l, "PATCH", FLAGGER "/web/status", MERGE, body);
    snprintf(body, sizeof(body),
             "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"generateName\":\"web.\"},"
             "\"involvedObject\":{\"kind\":\"Canary\",\"name\":"
             "\"web\",\"namespace\":\"default\"},\"reason\":\"Synced\",\"type\":\"Normal\","
             "\"message\":\"Advance web.default %d\",\"count\":1}",
             n);
    call(l, "POST", CORE "/events", NULL, body);
    pass(l, 10000);
}

static void scale(struct life *l, const char *target, int replicas)
{
    char body[64];

    snprintf(body, sizeof(body), "{\"spec\":{\"replicas\":%d}}", replicas);
    call(l, "PATCH", target, MERGE, body);
    pass(l, 10000);
}

static void live(struct life *l)
{
    static const char *const watched[WATCHES] = {FLAGGER "?watch=1&allowWatchBookmarks=true",
                                                 APPS "?watch=1", CORE "/services?watch=1",
                                                 CORE "/configmaps?watch=1"};

    for (size_t i = 0; i < WATCHES; i++)
        l->watches[i] = call(l, "GET", watched[i], NULL, NULL);
    create_deployment(l, "web", 2);
    call(l, "POST", FLAGGER, NULL,
         "{\"apiVersion\":\"flagger.app/"
         "v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"targetRef\":{"
         "\"apiVersion\":"
         "\"apps/"
         "v1\",\"kind\":\"Deployment\",\"name\":\"web\"},\"service\":{\"port\":80},\"analysis\":{"
         "\"interval\":\"10s\",\"threshold\":5,"
         "\"maxWeight\":50,\"stepWeight\":5}}}");
    create_service(l, "web-canary");
    create_service(l, "web-primary");
    create_deployment(l, "web-primary", 2);
    tick(l, "Initializing", 0);
    create_service(l, "web");
    scale(l, APPS "/web", 0);
    tick(l, "Initialized", 0);
    call(l, "PATCH", APPS "/web", MERGE,
         "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"rev\":\"2\"}}}}}");
    scale(l, APPS "/web", 2);
    for (int i = 0; i < 10; i++)
        tick(l, "Progressing", i);
    call(l, "PATCH", APPS "/web-primary", MERGE,
         "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"rev\":\"2\"}}}}}");
    tick(l, "Promoting", 10);
    tick(l, "Finalising", 0);
    scale(l, APPS "/web", 0);
    tick(l, "Succeeded", 0);
    for (size_t i = 0; i < WATCHES; i++)
        simkube_watch_close(l->k, l->watches[i]);
}

static struct simkube *prototype(void)
{
    struct simkube_config config = {.seed = 1, .start_ms = 1767225600000};
    struct life l = {.k = simkube_new(&config), .now_ms = config.start_ms};
    struct arena *arena = arena_new(0);
    struct documents docs = {0};
    struct diags diags;
    const char *text;
    size_t len;

    diags_init(&diags, arena);
    if (file_read(arena, "crds/canary.yaml", 0, &text, &len) != 0 ||
        node_parse_all(arena, &diags, "crds/canary.yaml", text, len, NULL, &docs) != 0) {
        fputs("bench_simkube: cannot read crds/canary.yaml\n", stderr);
        exit(3);
    }
    for (size_t i = 0; i < docs.count; i++) {
        cJSON *crd = node_to_json(docs.items[i].root);
        char *body = json_print(crd);

        call(&l, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", NULL, body);
        free(body);
        json_free(crd);
    }
    simkube_advance(l.k, l.now_ms + 1000);
    diags_release(&diags);
    arena_free(arena);
    return l.k;
}

int main(void)
{
    struct simkube *first = prototype();
    double start = cpu_s(), spent, forks;
    size_t calls = 0, versions = 0;

    for (int i = 0; i < LIVES; i++)
        simkube_free(simkube_fork(first, (uint64_t)i));
    forks = cpu_s() - start;
    start = cpu_s();
    for (int i = 0; i < LIVES; i++) {
        struct life l = {.k = simkube_fork(first, (uint64_t)i), .now_ms = simkube_now(first)};

        live(&l);
        calls += l.calls;
        versions += (size_t)(simkube_version(l.k) - simkube_version(first));
        simkube_free(l.k);
    }
    spent = cpu_s() - start;
    simkube_free(first);
    figure_at_least("simkube-lives", LIVES / spent, "lives/s", NO_LIMIT, 600);
    figure("simkube-calls-of-a-life", (double)(calls / LIVES), "calls", NO_LIMIT);
    figure("simkube-writes-of-a-life", (double)(versions / LIVES), "writes", NO_LIMIT);
    figure_at_most("simkube-fork", forks / LIVES * 1e6, "us", NO_LIMIT, 100);
    return 0;
}
