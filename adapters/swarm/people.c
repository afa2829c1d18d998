/* What people and nature do in a life, and how its end is waited for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/swarm/life.h"
#include "sim/kube/controllers.h"
#include "adapters/swarm/shares.h"
#include "engine/spec.h"

#define LOOK_MS 2000        /* between looks at the cluster */
#define REST_MS 45000       /* nothing changed for so long: the rollout has ended */
#define PATIENCE_MS 3600000 /* after the faults stopped */
#define PODS_MAX 16
#define CORE "/api/v1/namespaces/" SWARM_NS
#define CONFIGMAPS CORE "/configmaps"

int admin_ask(struct simkube *k, const char *method, const char *target, const char *type,
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

static void patch(struct life *l, const char *target, const char *body)
{
    (void)admin_ask(l->k, "PATCH", target, MERGE, body);
}

static const char *workloads_path(const struct life *l)
{
    return l->plan->daemonset ? "/apis/apps/v1/namespaces/" SWARM_NS "/daemonsets"
                              : "/apis/apps/v1/namespaces/" SWARM_NS "/deployments";
}

static void patch_workload(struct life *l, const char *name, const char *body)
{
    char target[160];

    snprintf(target, sizeof(target), "%s/%s", workloads_path(l), name);
    patch(l, target, body);
}

/* ---- installation ------------------------------------------------------------------------------
 */

static void install_target(struct life *l)
{
    const struct swarm_plan *p = l->plan;
    struct strbuf b = STRBUF_INIT;

    if (p->configs)
        admin_ask(l->k, "POST", CONFIGMAPS, NULL,
                  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                  "\"" SWARM_CONFIG "\"},\"data\":{\"version\":\"v1\"}}");
    strbuf_addf(&b,
                "{\"apiVersion\":\"apps/v1\",\"kind\":\"%s\",\"metadata\":{\"name\":"
                "\"podinfo\"},\"spec\":{",
                p->daemonset ? "DaemonSet" : "Deployment");
    if (!p->daemonset)
        strbuf_addf(&b, "\"replicas\":%d,", (int)p->replicas);
    strbuf_addf(&b,
                "\"selector\":{\"matchLabels\":{\"app\":\"podinfo\"}},\"template\":{\"metadata\":"
                "{\"labels\":{\"app\":\"podinfo\"}},\"spec\":{\"containers\":[{\"name\":"
                "\"podinfo\",\"image\":\"podinfo:1\"%s}]}}}}",
                p->configs ? ",\"envFrom\":[{\"configMapRef\":{\"name\":\"" SWARM_CONFIG "\"}}]"
                           : "");
    admin_ask(l->k, "POST", workloads_path(l), NULL, strbuf_str(&b));
    strbuf_release(&b);
    if (p->autoscaler)
        admin_ask(l->k, "POST",
                  "/apis/autoscaling/v2/namespaces/" SWARM_NS "/horizontalpodautoscalers", NULL,
                  "{\"apiVersion\":\"autoscaling/v2\",\"kind\":\"HorizontalPodAutoscaler\","
                  "\"metadata\":{\"name\":\"podinfo\"},\"spec\":{\"scaleTargetRef\":{"
                  "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"podinfo\"},"
                  "\"minReplicas\":1,\"maxReplicas\":3,\"metrics\":[{\"type\":\"Resource\","
                  "\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\","
                  "\"averageUtilization\":60}}}]}}");
}

static void install_bystanders(struct life *l)
{
    admin_ask(l->k, "POST", CONFIGMAPS, NULL,
              "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"podinfo\"},"
              "\"data\":{\"owner\":\"somebody else\"}}");
    admin_ask(l->k, "POST", CORE "/services", NULL,
              "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
              "\"podinfo-admin\"},\"spec\":{\"selector\":{\"app\":\"podinfo\"},\"ports\":[{"
              "\"port\":80}]}}");
}

static void add_steps(const struct swarm_plan *p, struct strbuf *b)
{
    int64_t step = p->step < p->max ? p->step : p->max;

    if (p->strategy != SWARM_CANARY) {
        strbuf_addf(b, "\"iterations\":%d", (int)p->iterations);
        if (p->strategy == SWARM_AB)
            strbuf_adds(b, ",\"match\":[{\"headers\":{\"x-canary\":{\"exact\":\"yes\"}}}]");
        return;
    }
    if (p->uneven && (p->max - step) / 2 > 0)
        strbuf_addf(b, "\"stepWeights\":[%d,%d,%d]", (int)step, (int)(step + (p->max - step) / 2),
                    (int)p->max);
    else if (p->uneven && step < p->max)
        strbuf_addf(b, "\"stepWeights\":[%d,%d]", (int)step, (int)p->max);
    else if (p->uneven)
        strbuf_addf(b, "\"stepWeights\":[%d]", (int)p->max);
    else
        strbuf_addf(b, "\"maxWeight\":%d,\"stepWeight\":%d", (int)p->max, (int)step);
    if (p->promotion_step > 0)
        strbuf_addf(b, ",\"stepWeightPromotion\":%d", (int)p->promotion_step);
    if (p->mirror)
        strbuf_adds(b, ",\"mirror\":true");
    if (p->affinity)
        strbuf_adds(b, ",\"sessionAffinity\":{\"cookieName\":\"flagger-cookie\"}");
}

static void add_hooks(const struct swarm_plan *p, struct strbuf *b)
{
    bool first = true;

    if (p->hooks == 0)
        return;
    strbuf_adds(b, ",\"webhooks\":[");
    for (unsigned i = 0; i < HOOK_TYPE_COUNT; i++) {
        const char *name = hook_type_name((enum hook_type)i);

        if (!(p->hooks & SWARM_HOOK(i)))
            continue;
        strbuf_addf(b, "%s{\"name\":\"%s\",\"type\":\"%s\",\"url\":\"http://hook/%s\"}",
                    first ? "" : ",", name, name, name);
        first = false;
    }
    strbuf_adds(b, "]");
}

static void install_canary(struct life *l)
{
    const struct swarm_plan *p = l->plan;
    const char *provider = swarm_kind_names(KIND_PROVIDER)[p->provider];
    struct strbuf b = STRBUF_INIT;

    if (p->alerts)
        admin_ask(l->k, "POST", "/apis/flagger.app/v1beta1/namespaces/" SWARM_NS "/alertproviders",
                  NULL,
                  "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"AlertProvider\","
                  "\"metadata\":{\"name\":\"chat\"},\"spec\":{\"type\":\"slack\",\"channel\":\"c\","
                  "\"address\":\"http://chat/\"}}");
    strbuf_addf(&b,
                "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":{"
                "\"name\":\"podinfo\"},\"spec\":{\"provider\":\"%s\",\"targetRef\":{"
                "\"apiVersion\":\"apps/v1\",\"kind\":\"%s\",\"name\":\"podinfo\"},\"service\":{"
                "\"port\":80%s},%s%s%s\"analysis\":{\"interval\":\"10s\",\"threshold\":%d,",
                provider, p->daemonset ? "DaemonSet" : "Deployment",
                p->provider == SWARM_GATEWAY
                    ? ",\"gatewayRefs\":[{\"name\":\"gateway\",\"namespace\":\"mesh\"}]"
                    : "",
                p->skip ? "\"skipAnalysis\":true," : "",
                p->revert ? "\"revertOnDeletion\":true," : "",
                p->autoscaler ? "\"autoscalerRef\":{\"apiVersion\":\"autoscaling/v2\",\"kind\":"
                                "\"HorizontalPodAutoscaler\",\"name\":\"podinfo\"},"
                              : "",
                (int)p->threshold);
    add_steps(p, &b);
    strbuf_adds(&b, ",\"metrics\":[{\"name\":\"request-success-rate\",\"thresholdRange\":{\"min\":"
                    "99},\"interval\":\"1m\"}]");
    add_hooks(p, &b);
    if (p->alerts)
        strbuf_adds(&b, ",\"alerts\":[{\"name\":\"chat\",\"severity\":\"info\",\"providerRef\":{"
                        "\"name\":\"chat\"}}]");
    strbuf_adds(&b, "}}}");
    admin_ask(l->k, "POST", CANARIES, NULL, strbuf_str(&b));
    strbuf_release(&b);
}

static void install(struct life *l)
{
    l->image = l->config = 1;
    install_bystanders(l);
    install_target(l);
    install_canary(l);
}

/* ---- acts --------------------------------------------------------------------------------------
 */

static void set_image(struct life *l, int image)
{
    char body[300];

    snprintf(body, sizeof(body),
             "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"podinfo\",\"image\":"
             "\"podinfo:%d\"%s}]}}}}",
             image,
             l->plan->configs ? ",\"envFrom\":[{\"configMapRef\":{\"name\":\"" SWARM_CONFIG "\"}}]"
                              : "");
    patch_workload(l, SWARM_NAME, body);
}

static void set_config(struct life *l, int config)
{
    char body[120];

    snprintf(body, sizeof(body), "{\"data\":{\"version\":\"v%d\"}}", config);
    patch(l, CONFIGMAPS "/" SWARM_CONFIG, body);
}

static void revert(struct life *l)
{
    struct revision runs = judge_revision(&l->judge, true);

    if (runs.image > 0)
        set_image(l, runs.image);
    if (runs.config > 0)
        set_config(l, runs.config);
}

/* Replicas of the side that runs some; a person does not wake a target that rests. */
static void scale(struct life *l, int64_t replicas)
{
    const cJSON *target = judge_workload(&l->judge, SWARM_NAME);
    bool rests = json_int(json_get(target, "spec"), "replicas", 0) == 0;
    char body[80];

    if (l->plan->daemonset)
        return;
    snprintf(body, sizeof(body), "{\"spec\":{\"replicas\":%d}}", (int)replicas);
    patch_workload(l, rests ? SWARM_NAME "-primary" : SWARM_NAME, body);
}

static void touch_routes(struct life *l)
{
    static const char *const versions[] = {"v1", "v1beta1", "v1", "v1", "v1alpha1"};
    const char *group, *resource;
    char target[200], body[120];

    judge_routes_kind(l->plan, &group, &resource);
    if (*group)
        snprintf(target, sizeof(target), "/apis/%s/%s/namespaces/" SWARM_NS "/%s/" SWARM_NAME,
                 group, versions[l->plan->provider], resource);
    else
        snprintf(target, sizeof(target), CORE "/services/" SWARM_NAME);
    snprintf(body, sizeof(body), "{\"metadata\":{\"annotations\":{\"touched\":\"%lld\"}}}",
             (long long)simkube_now(l->k));
    patch(l, target, body);
}

static void touch_canary(struct life *l)
{
    char body[120];

    snprintf(body, sizeof(body), "{\"metadata\":{\"annotations\":{\"touched\":\"%lld\"}}}",
             (long long)simkube_now(l->k));
    patch(l, CANARIES "/" SWARM_NAME, body);
}

static void edit_threshold(struct life *l, int64_t value)
{
    char body[120];

    snprintf(body, sizeof(body), "{\"spec\":{\"analysis\":{\"threshold\":%lld}}}",
             (long long)value);
    patch(l, CANARIES "/" SWARM_NAME, body);
}

static void command(struct life *l, enum swarm_act act)
{
    char body[300];

    snprintf(body, sizeof(body),
             "{\"metadata\":{\"annotations\":{\"" COMMAND_ANNOTATION
             "\":\"{\\\"command\\\":\\\"%s\\\",\\\"who\\\":\\\"ann\\\",\\\"why\\\":\\\"swarm\\\"}"
             "\"}}}",
             swarm_act_name(act));
    patch(l, CANARIES "/" SWARM_NAME, body);
}

struct pods {
    char names[PODS_MAX][96];
    size_t count;
    const char *app; /* NULL = all */
};

static bool add_pod(void *ctx, const cJSON *pod)
{
    struct pods *p = ctx;
    const char *app = json_str_or(json_at(pod, "metadata", "labels", NULL), "app", "");

    if (p->count < PODS_MAX && (p->app == NULL || strcmp(app, p->app) == 0))
        snprintf(p->names[p->count++], sizeof(p->names[0]), "%s",
                 json_str_or(json_get(pod, "metadata"), "name", ""));
    return true;
}

static void set_pods(struct life *l, const char *app, bool ready)
{
    struct pods p = {.app = app};

    simkube_each(l->k, "", "pods", SWARM_NS, add_pod, &p);
    for (size_t i = 0; i < p.count; i++)
        (void)simkube_set_pod_ready(l->k, SWARM_NS, p.names[i], ready);
}

static void release(struct life *l, enum swarm_act act)
{
    bool bad = act == ACT_BAD_RELEASE || act == ACT_BAD_CONFIG;

    if (act == ACT_RELEASE || act == ACT_BAD_RELEASE) {
        l->judge.bad_image[++l->image] = bad;
        set_image(l, l->image);
    } else if (l->plan->configs) {
        l->judge.bad_config[++l->config] = bad;
        set_config(l, l->config);
    }
}

static void act(struct life *l, const struct swarm_event *e)
{
    life_tell(l, swarm_act_name(e->act));
    switch (e->act) {
    case ACT_RELEASE:
    case ACT_BAD_RELEASE:
    case ACT_CONFIG:
    case ACT_BAD_CONFIG:
        release(l, e->act);
        break;
    case ACT_REVERT:
        revert(l);
        break;
    case ACT_SCALE:
        scale(l, e->value);
        break;
    case ACT_TOUCH_CANARY:
        touch_canary(l);
        break;
    case ACT_TOUCH_ROUTES:
        touch_routes(l);
        break;
    case ACT_EDIT_THRESHOLD:
        edit_threshold(l, e->value);
        break;
    case ACT_PROMOTE:
    case ACT_ABORT:
    case ACT_RETRY:
    case ACT_PAUSE:
    case ACT_RESUME:
        command(l, e->act);
        break;
    case ACT_SUSPEND:
        patch(l, CANARIES "/" SWARM_NAME, "{\"spec\":{\"suspend\":true}}");
        break;
    case ACT_UNSUSPEND:
        patch(l, CANARIES "/" SWARM_NAME, "{\"spec\":{\"suspend\":false}}");
        break;
    case ACT_CLOSE_GATES:
        l->gates_shut = true;
        break;
    case ACT_OPEN_GATES:
        l->gates_shut = l->call_back = false;
        break;
    case ACT_CALL_BACK:
        l->call_back = true;
        break;
    case ACT_UNREADY:
        set_pods(l, e->value ? SWARM_NAME : SWARM_NAME "-primary", false);
        break;
    case ACT_READY:
        set_pods(l, NULL, true);
        break;
    case ACT_CLOCK:
        simworld_jump_clock(l->world, e->value);
        break;
    case ACT_DELETE:
        l->judge.gone = true;
        admin_ask(l->k, "DELETE", CANARIES "/" SWARM_NAME, NULL, NULL);
        break;
    case ACT_COUNT:
        break;
    }
}

/* ---- rest --------------------------------------------------------------------------------------
 */

/* What stays the same while the rollout rests. */
static void look(const struct life *l, char *out, size_t size)
{
    const cJSON *c = simkube_get(l->k, "flagger.app", "canaries", SWARM_NS, SWARM_NAME),
                *s = json_get(c, "status");
    struct revision target = judge_revision(&l->judge, false),
                    runs = judge_revision(&l->judge, true);

    snprintf(out, size, "%s %lld %lld %lld %s %d %d %d %d %d",
             c ? json_str_or(s, "phase", "") : "gone", (long long)json_int(s, "canaryWeight", 0),
             (long long)json_int(s, "failedChecks", 0), (long long)json_int(s, "iterations", 0),
             json_str_or(s, "lastTransitionTime", ""), judge_canary_weight(&l->judge), target.image,
             target.config, runs.image, runs.config);
}

static bool ended(const char *seen)
{
    return strncmp(seen, "Succeeded", 9) == 0 || strncmp(seen, "Failed", 6) == 0 ||
           strncmp(seen, "Initialized", 11) == 0 || strncmp(seen, "gone", 4) == 0;
}

static void wait_for_rest(struct life *l)
{
    char last[240] = "", seen[240] = "";
    int64_t since = simkube_now(l->k), until = since + PATIENCE_MS;
    uint64_t version = 0; /* of the cluster when it was looked at last */

    while (simkube_now(l->k) < until && !l->judge.result->failed) {
        if (version != simkube_version(l->k)) {
            version = simkube_version(l->k);
            look(l, seen, sizeof(seen));
        }
        if (strcmp(last, seen) != 0) {
            snprintf(last, sizeof(last), "%s", seen);
            since = simkube_now(l->k);
        }
        if (ended(seen) && simkube_now(l->k) - since >= REST_MS)
            break;
        task_sleep(l->tasks, LOOK_MS);
    }
}

static void heal(struct life *l)
{
    static const struct {
        enum swarm_act was, then;
    } undone[] = {{ACT_UNREADY, ACT_READY},
                  {ACT_SUSPEND, ACT_UNSUSPEND},
                  {ACT_PAUSE, ACT_RESUME},
                  {ACT_CLOSE_GATES, ACT_OPEN_GATES},
                  {ACT_CALL_BACK, ACT_OPEN_GATES}};

    life_tell(l, "HEALED");
    simkube_set_faults(l->k, NULL);
    l->healed = true;
    for (size_t i = 0; i < sizeof(undone) / sizeof(undone[0]); i++) {
        struct swarm_event e = {0, undone[i].then, 0};

        if (swarm_plan_has(l->plan, undone[i].was))
            act(l, &e);
    }
}

static void wait_until(struct life *l, int64_t at_ms)
{
    int64_t left = at_ms - simkube_now(l->k);

    if (left > 0)
        task_sleep(l->tasks, left);
}

void people_run(void *life)
{
    struct life *l = life;
    const struct swarm_plan *p = l->plan;
    int64_t began = simkube_now(l->k);

    install(l);
    for (size_t i = 0; i < p->act_count && !l->judge.result->failed; i++) {
        wait_until(l, began + p->acts[i].at_ms);
        act(l, &p->acts[i]);
    }
    if (!l->judge.result->failed)
        wait_until(l, began + p->faulty);
    heal(l);
    /* a request that is still on its way may take effect until then */
    if (!l->judge.result->failed)
        task_sleep(l->tasks, p->late_max + 60000);
    l->judge.settled = true;
    wait_for_rest(l);
    judge_end(&l->judge);
    l->over = true;
}
