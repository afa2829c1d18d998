/* One life: a cluster, one or two operators that crash and come back, people, and a judge. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/arena.h"
#include "adapters/base/diag.h"
#include "adapters/check/embedded.h"
#include "adapters/manifest/node.h"
#include "adapters/operator/operator.h"
#include "adapters/simkube/world.h"
#include "adapters/swarm/judge.h"

#define START_MS 1767225600000
#define WATCH_MS 500        /* between looks at a process, and at the cluster */
#define RESTART_MS 2000     /* from a crash to the next process */
#define REST_MS 45000       /* nothing changed for so long: the rollout has ended */
#define PATIENCE_MS 3600000 /* after the faults stopped */
#define PROCESSES_MAX 30    /* as many as the judge tells apart */
#define DEPLOYMENTS "/apis/apps/v1/namespaces/" SWARM_NS "/deployments"
#define CANARIES "/apis/flagger.app/v1beta1/namespaces/" SWARM_NS "/canaries"
#define MERGE "application/merge-patch+json"

struct life {
    const struct swarm_plan *plan;
    struct simkube *k;
    struct simworld *world;
    struct tasks *tasks;
    struct judge judge;
    int processes; /* started so far */
    int crashes;   /* had so far */
    bool healed, over;
};

/* A place where an operator runs: a process, and after its end the next. */
struct slot {
    struct life *life;
    struct http_client http; /* counts, and dies */
    struct http_client *inner;
    struct operator* op;
    uint64_t requests, crash_at; /* 0 = never */
    bool crash_before, dead;
    char user[32];
};

static void die(struct slot *s)
{
    s->dead = true;
    s->life->judge.result->crashes++;
    simworld_kill_client(s->inner);
    operator_stop(s->op, 0);
}

static bool dies_now(struct slot *s)
{
    if (s->dead || s->crash_at == 0 || s->life->healed)
        return false;
    return ++s->requests >= s->crash_at;
}

static int slot_perform(void *self, const struct http_request *req, struct http_response *response)
{
    struct slot *s = self;
    bool now = dies_now(s);
    int rc;

    if (now && s->crash_before)
        die(s);
    rc = s->inner->perform(s->inner->self, req, response);
    if (now && !s->dead) {
        if (rc == 0)
            http_response_release(response);
        memset(response, 0, sizeof(*response));
        die(s);
        rc = -ECANCELED;
    }
    return rc;
}

static int slot_stream(void *self, const struct http_request *req, http_on_data *on_data, void *ctx,
                       struct http_response *response)
{
    struct slot *s = self;

    if (dies_now(s))
        die(s);
    return s->inner->stream(s->inner->self, req, on_data, ctx, response);
}

static void write_log(void *ctx, const char *line, size_t len)
{
    struct slot *s = ctx;
    struct judge *j = &s->life->judge;
    char text[600];

    if (!j->tell)
        return;
    snprintf(text, sizeof(text), "            %s says %.*s", s->user, len ? (int)len - 1 : 0, line);
    j->tell(j->ctx, text);
}

static void tell(struct life *l, const char *text)
{
    if (l->judge.tell)
        l->judge.tell(l->judge.ctx, text);
}

static void run_process(struct slot *s)
{
    struct life *l = s->life;
    const struct clock *clock = simworld_clock(l->world);
    struct kube_client_options client = {.qps = 1000, .burst = 1000};
    struct kube_config *config = kube_config_plain(SIMWORLD_API, NULL);
    struct kube_client *kube = kube_client_new(config, &s->http, clock, &client);
    struct operator_options options = {.tasks = l->tasks,
                                       .clock = clock,
                                       .kube = kube,
                                       .config = config,
                                       .web = &s->http,
                                       .write_log = l->judge.tell ? write_log : NULL,
                                       .log_ctx = s,
                                       .deviations = PROFILE_DEFAULT,
                                       .metrics_server = "http://prometheus",
                                       .ticks_max = 4,
                                       .leader_election = l->plan->operators > 1,
                                       .lease_ns = SWARM_NS,
                                       .identity = s->user};

    s->op = operator_new(&options);
    operator_start(s->op);
    while (!operator_has_ended(s->op)) {
        task_sleep(l->tasks, WATCH_MS);
        if (l->over)
            operator_stop(s->op, 0);
    }
    operator_free(s->op);
    kube_client_free(kube);
    kube_config_free(config);
}

static void run_slot(void *arg)
{
    struct slot *s = arg;
    struct life *l = s->life;

    while (!l->over && l->processes < PROCESSES_MAX) {
        snprintf(s->user, sizeof(s->user), SWARM_USER "%d", ++l->processes);
        s->inner = simworld_client(l->world, s->user);
        s->http = (struct http_client){s, slot_perform, slot_stream};
        s->requests = s->crash_at = 0;
        s->dead = false;
        if (l->crashes < l->plan->crashes) {
            s->crash_at = l->plan->crash_after[l->crashes];
            s->crash_before = l->plan->crash_before[l->crashes];
            l->crashes++;
        }
        if (s->inner)
            run_process(s);
        if (s->dead)
            tell(l, "            CRASH");
        task_sleep(l->tasks, RESTART_MS);
    }
}

/* ---- other servers -----------------------------------------------------------------------------
 */

static int elsewhere(void *ctx, const struct http_request *req, struct http_response *response)
{
    struct life *l = ctx;
    int image = judge_image(l->k, SWARM_NAME);
    bool known = image > 0 && image <= SWARM_RELEASES_MAX + 1,
         bad = known && l->judge.bad_image[image];
    char body[256];

    task_sleep(l->tasks, 5);
    if (strstr(req->url, "://hook"))
        return simworld_respond(response, 200, "text/plain", "ok", 2);
    if (known && !bad && !strstr(req->url, "vector"))
        l->judge.checks[image]++;
    snprintf(body, sizeof(body),
             "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":"
             "{},\"value\":[1,\"%d\"]}]}}",
             strstr(req->url, "vector") ? 1
             : bad                      ? 50
                                        : 100);
    return simworld_respond(response, 200, "application/json", body, strlen(body));
}

/* ---- people ------------------------------------------------------------------------------------
 */

static int ask(struct simkube *k, const char *method, const char *target, const char *type,
               const char *body)
{
    struct simkube_request req = {.user = "admin",
                                  .method = method,
                                  .target = target,
                                  .content_type = type,
                                  .body = body,
                                  .body_len = body ? strlen(body) : 0};
    struct simkube_reply reply;
    int status;

    simkube_call(k, simkube_now(k), &req, &reply);
    status = reply.status;
    simkube_reply_release(&reply);
    return status;
}

static void install(struct life *l)
{
    const struct swarm_plan *p = l->plan;
    char body[2048], steps[300];

    snprintf(
        body, sizeof(body),
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"podinfo\"},"
        "\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"podinfo\"}},"
        "\"template\":{\"metadata\":{\"labels\":{\"app\":\"podinfo\"}},\"spec\":{\"containers\":"
        "[{\"name\":\"podinfo\",\"image\":\"podinfo:1\"}]}}}}",
        p->replicas);
    ask(l->k, "POST", DEPLOYMENTS, NULL, body);
    if (p->strategy == SWARM_CANARY)
        snprintf(steps, sizeof(steps), "\"maxWeight\":%d,\"stepWeight\":%d", p->max_weight,
                 p->step_weight);
    else if (p->strategy == SWARM_AB)
        snprintf(steps, sizeof(steps),
                 "\"iterations\":%d,\"match\":[{\"headers\":{\"x-canary\":{\"exact\":\"yes\"}}}]",
                 p->iterations);
    else
        snprintf(steps, sizeof(steps), "\"iterations\":%d", p->iterations);
    snprintf(
        body, sizeof(body),
        "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{\"name\":"
        "\"podinfo\"},\"spec\":{\"provider\":\"%s\",\"targetRef\":{\"apiVersion\":\"apps/v1\","
        "\"kind\":\"Deployment\",\"name\":\"podinfo\"},\"service\":{\"port\":80},\"analysis\":{"
        "\"interval\":\"10s\",\"threshold\":%d,%s,\"metrics\":[{\"name\":"
        "\"request-success-rate\",\"thresholdRange\":{\"min\":99},\"interval\":\"1m\"}]%s}}}",
        p->strategy == SWARM_BLUE_GREEN ? "kubernetes" : "istio", p->threshold, steps,
        p->hook ? ",\"webhooks\":[{\"name\":\"gate\",\"type\":\"confirm-rollout\",\"url\":"
                  "\"http://hook/\"}]"
                : "");
    ask(l->k, "POST", CANARIES, NULL, body);
}

static void release(struct life *l, int n)
{
    char body[256];

    snprintf(body, sizeof(body),
             "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"podinfo\",\"image\":"
             "\"podinfo:%d\"}]}}}}",
             n + 2);
    ask(l->k, "PATCH", DEPLOYMENTS "/podinfo", MERGE, body);
}

static void run_editor(void *arg)
{
    struct life *l = arg;
    char body[128];

    for (int i = 0; i < l->plan->edits; i++) {
        task_sleep(l->tasks, 53017);
        if (l->over)
            return;
        snprintf(body, sizeof(body), "{\"metadata\":{\"annotations\":{\"edited\":\"%d\"}}}", i);
        ask(l->k, "PATCH", CANARIES "/podinfo", MERGE, body);
    }
}

/* What stays the same while the rollout rests. */
static void look(const struct life *l, char *out, size_t size)
{
    const cJSON *c = simkube_get(l->k, "flagger.app", "canaries", SWARM_NS, SWARM_NAME),
                *s = json_get(c, "status");

    snprintf(out, size, "%s %lld %lld %s %d %d", json_str_or(s, "phase", ""),
             (long long)json_int(s, "canaryWeight", 0), (long long)json_int(s, "iterations", 0),
             json_str_or(s, "lastTransitionTime", ""), judge_canary_weight(&l->judge),
             judge_image(l->k, SWARM_NAME "-primary"));
}

static bool ended(const char *seen)
{
    return strncmp(seen, "Succeeded", 9) == 0 || strncmp(seen, "Failed", 6) == 0 ||
           strncmp(seen, "Initialized", 11) == 0;
}

static void wait_for_rest(struct life *l)
{
    char last[200] = "", seen[200];
    int64_t since = simkube_now(l->k), until = since + PATIENCE_MS;

    while (simkube_now(l->k) < until && !l->judge.result->failed) {
        look(l, seen, sizeof(seen));
        if (strcmp(last, seen) != 0) {
            snprintf(last, sizeof(last), "%s", seen);
            since = simkube_now(l->k);
        }
        if (ended(seen) && simkube_now(l->k) - since >= REST_MS)
            break;
        task_sleep(l->tasks, WATCH_MS * 4);
    }
}

/*
 * A release before the first install is done belongs to the install: which revision the primary is
 * made from is then a matter of moments, and no rule of a rollout holds for it.
 */
static void wait_for_install(struct life *l)
{
    char seen[200] = "";
    int64_t until = simkube_now(l->k) + l->plan->faulty_ms;

    while (!ended(seen) && simkube_now(l->k) < until) {
        task_sleep(l->tasks, WATCH_MS);
        look(l, seen, sizeof(seen));
    }
    if (!ended(seen)) { /* no faults any more: the install ends, or the judge will say so */
        simkube_set_faults(l->k, NULL);
        until += PATIENCE_MS;
        while (!ended(seen) && simkube_now(l->k) < until) {
            task_sleep(l->tasks, WATCH_MS);
            look(l, seen, sizeof(seen));
        }
    }
}

static void run_people(void *arg)
{
    struct life *l = arg;
    const struct swarm_plan *p = l->plan;
    int64_t began = simkube_now(l->k), left;

    install(l);
    wait_for_install(l);
    for (int i = 0; i < p->releases; i++) {
        task_sleep(l->tasks, p->release_ms[i]);
        release(l, i);
    }
    left = p->faulty_ms - (simkube_now(l->k) - began);
    if (left > 0)
        task_sleep(l->tasks, left);
    tell(l, "            HEALED");
    simkube_set_faults(l->k, NULL);
    l->healed = true;
    /* a request that is still on its way may take effect until then */
    task_sleep(l->tasks, p->faults.late_ms_max + 60000);
    wait_for_rest(l);
    judge_end(&l->judge);
    l->over = true;
}

/* ---- life --------------------------------------------------------------------------------------
 */

static int live(struct life *l, struct slot *slots)
{
    struct simkube_faults faults = l->plan->faults;
    int rc;

    for (int i = 0; i <= SWARM_RELEASES_MAX; i++)
        l->judge.bad_image[i + 1] = i > 0 && l->plan->bad[i - 1];
    simkube_set_faults(l->k, &faults);
    judge_start(&l->judge);
    for (int i = 0; i < l->plan->operators; i++) {
        slots[i].life = l;
        task_spawn(l->tasks, run_slot, &slots[i]);
    }
    task_spawn(l->tasks, run_people, l);
    task_spawn(l->tasks, run_editor, l);
    rc = simworld_run(l->world);
    if (rc)
        judge_fail(&l->judge, "every process ends when it is asked to", "tasks_run: %s",
                   strerror(-rc));
    judge_stop(&l->judge);
    return rc;
}

int swarm_live(struct simkube *from, const struct swarm_plan *plan, swarm_tell *tell_to, void *ctx,
               struct swarm_result *ret_result)
{
    struct life l = {.plan = plan};
    struct slot slots[2] = {{0}};
    struct simworld_options options = {
        .seed = plan->seed, .latency_ms = plan->latency_ms, .elsewhere = elsewhere, .ctx = &l};

    memset(ret_result, 0, sizeof(*ret_result));
    l.k = simkube_fork(from, plan->seed);
    if (l.k == NULL)
        return -ENOMEM;
    options.kube = l.k;
    l.world = simworld_new(&options);
    if (l.world == NULL) {
        simkube_free(l.k);
        return -ENOMEM;
    }
    l.tasks = simworld_tasks(l.world);
    l.judge =
        (struct judge){.plan = plan, .k = l.k, .result = ret_result, .tell = tell_to, .ctx = ctx};
    live(&l, slots);
    ret_result->requests = simworld_requests(l.world);
    ret_result->virtual_ms = simkube_now(l.k) - START_MS;
    if (tasks_live(l.tasks) == 0) { /* else tasks hang: what they hold cannot be freed */
        simworld_free(l.world);
        simkube_free(l.k);
    }
    return 0;
}

/* ---- the cluster they begin with ---------------------------------------------------------------
 */

static const char istio_crd[] =
    "{\"apiVersion\":\"apiextensions.k8s.io/"
    "v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":"
    "{\"name\":\"%ss.networking.istio.io\"},\"spec\":{\"group\":\"networking.istio.io\",\"scope\":"
    "\"Namespaced\",\"names\":{\"plural\":\"%ss\",\"singular\":\"%s\",\"kind\":\"%s\"},"
    "\"versions\":"
    "[{\"name\":\"v1beta1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":"
    "{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}]}}";

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define RBAC "/apis/rbac.authorization.k8s.io/v1/"
#define RBAC_HEAD "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":"

static bool add_crds(struct simkube *k)
{
    bool good = true;

    for (const struct embedded_file *f = embedded_crds; f->name && good; f++) {
        struct arena *arena = arena_new(0);
        struct documents docs = {0};
        struct diags diags;

        diags_init(&diags, arena);
        good = node_parse_all(arena, &diags, f->name, (const char *)f->bytes, f->len, NULL,
                              &docs) == 0;
        for (size_t i = 0; good && i < docs.count; i++) {
            cJSON *crd = node_to_json(docs.items[i].root);
            char *body = json_print(crd);

            good = body && ask(k, "POST", CRDS, NULL, body) < 300;
            free(body);
            json_free(crd);
        }
        diags_release(&diags);
        arena_free(arena);
    }
    return good;
}

static bool add_istio(struct simkube *k)
{
    static const char *const names[][2] = {{"virtualservice", "VirtualService"},
                                           {"destinationrule", "DestinationRule"}};
    char body[1024];

    for (size_t i = 0; i < 2; i++) {
        snprintf(body, sizeof(body), istio_crd, names[i][0], names[i][0], names[i][0], names[i][1]);
        if (ask(k, "POST", CRDS, NULL, body) >= 300)
            return false;
    }
    return true;
}

struct simkube *swarm_prototype(void)
{
    struct simkube_config config = {.seed = 1, .start_ms = START_MS};
    struct simkube *k = simkube_new(&config);
    bool good = k && add_crds(k) && add_istio(k);

    good =
        good &&
        ask(k, "POST", "/api/v1/namespaces", NULL,
            "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"" SWARM_NS
            "\"}}") < 300 &&
        ask(k, "POST", RBAC "clusterroles", NULL,
            RBAC_HEAD "\"ClusterRole\",\"metadata\":{\"name\":\"operator\"},\"rules\":["
                      "{\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"verbs\":[\"*\"]}]}") < 300 &&
        ask(k, "POST", RBAC "clusterrolebindings", NULL,
            RBAC_HEAD "\"ClusterRoleBinding\",\"metadata\":{\"name\":\"operator\"},\"roleRef\":"
                      "{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\","
                      "\"name\":\"operator\"},\"subjects\":[{\"kind\":\"Group\",\"apiGroup\":"
                      "\"rbac.authorization.k8s.io\",\"name\":\"system:authenticated\"}]}") < 300;
    if (!good) {
        simkube_free(k);
        return NULL;
    }
    simkube_advance(k, START_MS + 1000);
    return k;
}
