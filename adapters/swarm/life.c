/* One life: a cluster, one or two operators that crash and come back, people, and a judge. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/swarm/life.h"
#include "sim/kube/controllers.h"

#define WATCH_MS 500     /* between looks at a process */
#define RESTART_MS 2000  /* from a crash to the next process */
#define LIFE_MS 86400000 /* a life takes some minutes; one that lasts a day never ends */
#define STALL_MS 30000   /* of the request at which a process loses its Lease */
#define PROCESSES_MAX 30 /* as many as the judge tells apart */

/* A place where an operator runs: a process, and after its end the next. */
struct slot {
    struct life *life;
    struct http_client http; /* counts, and dies */
    struct http_client *inner;
    struct operator* op;
    int64_t requests, end_at; /* 0 = never */
    enum swarm_end end;
    bool dead, cut_off; /* from its Lease */
    char user[32];
};

static void die(struct slot *s)
{
    s->dead = true;
    s->life->judge.result->crashes++;
    simworld_kill_client(s->inner);
    operator_stop(s->op, 0);
}

static bool ends_now(struct slot *s)
{
    if (s->dead || s->end_at == 0 || s->life->healed)
        return false;
    return ++s->requests == s->end_at;
}

static int refuse(struct http_response *response)
{
    memset(response, 0, sizeof(*response));
    snprintf(response->error, sizeof(response->error), "read: connection reset by peer");
    return -ECONNRESET;
}

static int slot_perform(void *self, const struct http_request *req, struct http_response *response)
{
    struct slot *s = self;
    bool now = ends_now(s);
    int rc;

    if (s->cut_off && !s->life->healed && strstr(req->url, "/leases")) {
        task_sleep(s->life->tasks, s->life->plan->latency);
        return refuse(response);
    }
    if (now && s->end == END_BEFORE)
        die(s);
    rc = s->inner->perform(s->inner->self, req, response);
    if (now && s->end == END_DEPOSED) {
        s->cut_off = true;
        s->life->judge.result->losses++;
        task_sleep(s->life->tasks, STALL_MS);
    } else if (now && !s->dead) {
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

    if (ends_now(s) && s->end != END_DEPOSED)
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

void life_tell(struct life *l, const char *text)
{
    char line[120];

    snprintf(line, sizeof(line), "%9lld %s", (long long)(simkube_now(l->k) % 100000000), text);
    if (l->judge.tell)
        l->judge.tell(l->judge.ctx, line);
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
                                       .specs_max = 2,
                                       .leader_election = l->plan->operators > 1,
                                       .lease_ns = SWARM_NS,
                                       .identity = s->user,
                                       .answers_twice = servers_answer_twice,
                                       .answers_ctx = l};

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
        s->requests = s->end_at = 0;
        s->dead = s->cut_off = false;
        if (l->ends < l->plan->end_count) {
            s->end_at = l->plan->ends[l->ends].request;
            s->end = l->plan->ends[l->ends].end;
            l->ends++;
        }
        if (s->inner)
            run_process(s);
        if (s->dead)
            life_tell(l, "CRASH");
        task_sleep(l->tasks, RESTART_MS);
    }
}

/* ---- the world ---------------------------------------------------------------------------------
 */

static void set_faults(struct life *l)
{
    const struct swarm_plan *p = l->plan;
    struct simkube_faults f = {
        .seed = p->seed,
        .conflict = (uint16_t)p->conflict,
        .throttle = (uint16_t)p->throttle,
        .server_error = (uint16_t)p->server_error,
        .cut_before = (uint16_t)p->cut_before,
        .cut_after = (uint16_t)p->cut_after,
        .late_effect = (uint16_t)p->late_effect,
        .late_answer = (uint16_t)p->late_answer,
        .stale_list = (uint16_t)p->stale_list,
        .watch_break = (uint16_t)p->watch_break,
        .late_ms_max = p->late_max,
        .first = (uint64_t)p->first_request,
        .last = (uint64_t)p->last_request,
    };

    simkube_set_faults(l->k, p->faulty > 0 ? &f : NULL);
}

static int64_t pod_start_ms(void *ctx, const cJSON *pod, int64_t otherwise)
{
    const struct life *l = ctx;

    (void)pod;
    (void)otherwise;
    return l->plan->pod_start;
}

static int64_t utilisation(void *ctx, const char *ns, const cJSON *hpa, const char *metric)
{
    (void)ctx;
    (void)ns;
    (void)hpa;
    (void)metric;
    return 60;
}

static void live(struct life *l, struct slot *slots)
{
    const struct simkube_world nature = {l, pod_start_ms, utilisation, NULL};
    int rc;

    simkube_set_world(l->k, &nature);
    set_faults(l);
    judge_start(&l->judge);
    for (int i = 0; i < l->plan->operators; i++) {
        slots[i].life = l;
        task_spawn(l->tasks, run_slot, &slots[i]);
    }
    task_spawn(l->tasks, people_run, l);
    rc = simworld_run(l->world);
    if (rc)
        judge_fail(&l->judge, "every process ends when it is asked to", "tasks_run: %s",
                   strerror(-rc));
    judge_stop(&l->judge);
}

int swarm_live(struct swarm *from, const struct swarm_plan *plan, swarm_tell *tell, void *ctx,
               struct swarm_result *ret_result)
{
    struct life *l = calloc(1, sizeof(*l));
    struct slot slots[2] = {{0}};
    struct simworld_options options = {.seed = plan->seed,
                                       .latency_ms = plan->latency,
                                       .limit_ms = LIFE_MS,
                                       .elsewhere = servers_answer,
                                       .ctx = l,
                                       .stacks = from->stacks};
    int64_t began;

    memset(ret_result, 0, sizeof(*ret_result));
    if (l == NULL || (l->k = simkube_fork(from->cluster, plan->seed)) == NULL) {
        free(l);
        return -ENOMEM;
    }
    l->plan = plan;
    options.kube = l->k;
    l->world = simworld_new(&options);
    if (l->world == NULL) {
        simkube_free(l->k);
        free(l);
        return -ENOMEM;
    }
    began = simkube_now(l->k);
    l->tasks = simworld_tasks(l->world);
    l->judge.plan = plan;
    l->judge.k = l->k;
    l->judge.result = ret_result;
    l->judge.tell = tell;
    l->judge.ctx = ctx;
    live(l, slots);
    ret_result->requests = simworld_requests(l->world);
    ret_result->virtual_ms = simkube_now(l->k) - began;
    if (tasks_live(l->tasks) > 0) /* tasks hang: what they hold cannot be freed */
        return swarm_new_stacks(from) ? 0 : -ENOMEM;
    simworld_free(l->world);
    simkube_free(l->k);
    free(l);
    return 0;
}
