/*
 * How fast manifests are read into trees, against libyaml's bare event loop on the same bytes.
 *
 * CPU seconds of the best of several rounds, the two taking turns, so that a busy machine slows
 * both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "adapters/manifest/canary.h"
#include "bench/figure.h"

#define DOCUMENTS 2000
#define ROUNDS 7
#define WANTED_READ 0.80   /* of the bare loop: 1.25 times its work */
#define WANTED_DECODE 0.60 /* what `coalmine check` may take in all */

static const char canary[] =
    "apiVersion: flagger.app/v1beta1\n"
    "kind: Canary\n"
    "metadata:\n"
    "  name: podinfo-%04d\n"
    "  namespace: test\n"
    "spec:\n"
    "  targetRef:\n"
    "    apiVersion: apps/v1\n"
    "    kind: Deployment\n"
    "    name: podinfo\n"
    "  progressDeadlineSeconds: 60\n"
    "  autoscalerRef:\n"
    "    apiVersion: autoscaling/v2\n"
    "    kind: HorizontalPodAutoscaler\n"
    "    name: podinfo\n"
    "  service:\n"
    "    port: 9898\n"
    "    targetPort: 9898\n"
    "    gateways:\n"
    "    - public-gateway.istio-system.svc.cluster.local\n"
    "    hosts:\n"
    "    - app.example.com\n"
    "  analysis:\n"
    "    interval: 1m\n"
    "    threshold: 5\n"
    "    maxWeight: 50\n"
    "    stepWeight: 10\n"
    "    metrics:\n"
    "    - name: request-success-rate\n"
    "      # percentage of requests without a 5xx answer\n"
    "      thresholdRange:\n"
    "        min: 99\n"
    "      interval: 1m\n"
    "    - name: request-duration\n"
    "      thresholdRange:\n"
    "        max: 500\n"
    "      interval: 30s\n"
    "    webhooks:\n"
    "      - name: acceptance-test\n"
    "        type: pre-rollout\n"
    "        url: http://loadtester.test/\n"
    "        timeout: 30s\n"
    "        metadata:\n"
    "          type: bash\n"
    "          cmd: \"curl -sd 'test' http://podinfo-canary:9898/token | grep token\"\n"
    "      - name: load-test\n"
    "        url: http://loadtester.test/\n"
    "        timeout: 5s\n"
    "        metadata:\n"
    "          cmd: \"hey -z 1m -q 10 -c 2 http://podinfo-canary.test:9898/\"\n"
    "---\n";

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_node: %s\n", what);
    exit(4);
}

static size_t read_bare(const char *source, size_t len)
{
    yaml_parser_t p;
    yaml_event_t ev;
    size_t documents = 0;
    bool more = true;

    if (!yaml_parser_initialize(&p))
        die("no memory");
    yaml_parser_set_input_string(&p, (const unsigned char *)source, len);
    while (more) {
        if (!yaml_parser_parse(&p, &ev))
            die("libyaml failed");
        more = ev.type != YAML_STREAM_END_EVENT;
        documents += ev.type == YAML_DOCUMENT_END_EVENT;
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&p);
    return documents;
}

struct job {
    struct arena *arena;
    struct diags *diags;
    size_t documents;
    bool decode;
};

static bool on_document(void *ctx, const struct document *doc)
{
    struct job *job = ctx;
    const struct canary_options options = {0};
    struct canary c;

    job->documents++;
    if (job->decode && document_is(doc, "Canary") &&
        canary_decode(job->arena, job->diags, doc, &options, &c) != 0)
        die("a canary is wrong");
    arena_clear(job->arena);
    return true;
}

static size_t read_trees(struct job *job, const char *source, size_t len)
{
    job->documents = 0;
    if (node_parse(job->arena, job->diags, "-", source, len, NULL, on_document, job) != 0)
        die("node_parse failed");
    return job->documents;
}

static void print_figure(const char *name, double seconds, double bare_s, double wanted)
{
    double bare = DOCUMENTS / bare_s;

    figure_at_least(name, DOCUMENTS / seconds, "documents/s", bare, wanted * bare);
}

int main(int argc, char **argv)
{
    struct strbuf source = STRBUF_INIT;
    struct arena *arena = arena_new(0), *texts = arena_new(0);
    struct diags diags;
    struct job job = {arena, &diags, 0, false};
    double best[3] = {1e9, 1e9, 1e9};
    int rounds = argc > 1 ? 1 : ROUNDS; /* any argument: one round, for a profiler */

    (void)argv;
    diags_init(&diags, texts);
    for (int i = 0; i < DOCUMENTS; i++) {
        char name[8];
        const char *rest = strstr(canary, "%04d");

        snprintf(name, sizeof name, "%04d", i);
        strbuf_add(&source, canary, (size_t)(rest - canary));
        strbuf_adds(&source, name);
        strbuf_adds(&source, rest + 4);
    }
    for (int round = 0; round < rounds; round++) {
        for (int what = 0; what < 3; what++) {
            double start = cpu_s();
            size_t documents;

            job.decode = what == 2;
            documents = what == 0 ? read_bare(source.data, source.len)
                                  : read_trees(&job, source.data, source.len);
            if (documents < DOCUMENTS)
                die("documents are missing");
            if (cpu_s() - start < best[what])
                best[what] = cpu_s() - start;
        }
    }
    print_figure("manifest-read", best[1], best[0], WANTED_READ);
    print_figure("manifest-read-and-decode", best[2], best[0], WANTED_DECODE);
    strbuf_release(&source);
    diags_release(&diags);
    arena_free(arena);
    arena_free(texts);
    return 0;
}
