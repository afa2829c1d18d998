#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/manifest/node.h"
#include "adapters/swarm/judge.h"
#include "engine/spec.h"

enum { SEEDS = 120, EVERY = 7 };

static struct swarm *from;

static void setup(void)
{
    from = swarm_new();
    ck_assert_ptr_nonnull(from);
}

static void teardown(void)
{
    swarm_free(from);
}

START_TEST(no_rule_is_broken_under_faults)
{
    int written = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct swarm_plan plan;
        struct swarm_result r;

        swarm_plan_draw(&plan, seed);
        ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &r), 0);
        ck_assert_msg(!r.failed, "seed %d: %s: %s", (int)seed, r.rule, r.text);
        written += r.writes > 10;
    }
    ck_assert_int_gt(written, SEEDS * 9 / 10); /* some Canaries are deleted at once */
}
END_TEST

/* Its process was told to end while a tick began a new watch, and waited for it for ever. */
enum { SEED_THAT_HUNG = 51613 };

START_TEST(a_process_ends_whatever_it_began_to_watch)
{
    struct swarm_plan plan;
    struct swarm_result r;

    swarm_plan_draw(&plan, SEED_THAT_HUNG);
    ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &r), 0);
    ck_assert_msg(!r.failed, "%s: %s", r.rule, r.text);
}
END_TEST

static void add_up(void *ctx, const char *line)
{
    uint64_t *hash = ctx;

    for (; *line; line++)
        *hash = (*hash ^ (unsigned char)*line) * 0x100000001b3u;
}

START_TEST(a_seed_always_lives_the_same_life)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        uint64_t hash[2] = {1, 1};
        struct swarm_plan plan;
        struct swarm_result r[2];

        swarm_plan_draw(&plan, seed);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(swarm_live(from, &plan, add_up, &hash[i], &r[i]), 0);
        ck_assert(hash[0] == hash[1]);
        ck_assert_str_eq(r[0].end, r[1].end);
    }
}
END_TEST

/* ---- plans as files ----------------------------------------------------------------------------
 */

static int read_text(const char *text, struct swarm_plan *plan, char *first, size_t size)
{
    struct arena *arena = arena_new(0);
    struct diags diags;
    int code;

    diags_init(&diags, arena);
    code = swarm_plan_read(arena, &diags, "f.yaml", text, strlen(text), plan);
    first[0] = '\0';
    if (diags.count > 0)
        snprintf(first, size, "%d:%d: %s: %s%s%s", (int)diags.items[0].line,
                 (int)diags.items[0].col, diags.items[0].path ? diags.items[0].path : "",
                 diags.items[0].what, diags.items[0].hint ? "; " : "",
                 diags.items[0].hint ? diags.items[0].hint : "");
    diags_release(&diags);
    arena_free(arena);
    return code;
}

START_TEST(a_plan_written_and_read_is_the_same)
{
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct swarm_plan plan, again;
        struct strbuf text = STRBUF_INIT;
        char error[200];

        swarm_plan_draw(&plan, seed);
        swarm_plan_write(&plan, &text);
        ck_assert_msg(read_text(strbuf_str(&text), &again, error, sizeof(error)) == 0,
                      "seed %d: %s", (int)seed, error);
        ck_assert_msg(memcmp(&plan, &again, sizeof(plan)) == 0, "seed %d:\n%s", (int)seed,
                      strbuf_str(&text));
        strbuf_release(&text);
    }
}
END_TEST

static const struct mistake {
    const char *text, *error;
} mistakes[] = {
    {"seed: 3\n", "1:1: .swarm: swarm is missing"},
    {"swarm: v2\n", "1:8: .swarm: "},
    {"swarm: v1\ncanary: {replicsa: 2}\n", "2:10: .canary"},
    {"swarm: v1\ncanary: {replicas: 9}\n", "2:20: .canary.replicas: "},
    {"swarm: v1\ncanary: {strategy: blue}\n", "2:20: .canary.strategy: "},
    {"swarm: v1\nfaults: {conflict: many}\n", "2:20: .faults.conflict: "},
    {"swarm: v1\nfaults: {late_max: 20m}\n", "2:20: .faults.late_max: 1200000 ms is not between"},
    {"swarm: v1\ntimeline: [{at: 3s, do: relese}]\n", "2:25: .timeline[0]: "},
    {"swarm: v1\ntimeline: [{at: 3s, do: scale}]\n", "2:12: .timeline[0]: value is missing"},
    {"swarm: v1\ntimeline: [{at: 3s, do: release, value: 2}]\n", "takes no value"},
    {"swarm: v1\nprocesses: [{request: 0, end: before}]\n", "2:23: .processes[0]: "},
    {"swarm: v1\nprocesses: [{end: before}]\n", "request is missing"},
    {"swarm: v1\ncanary: {provider: kubernetes}\n", "provider kubernetes has no weights"},
    {"swarm: v1\n---\nswarm: v1\n", "2 documents, a swarm file holds one"},
};

START_TEST(a_mistake_in_a_file_is_told_with_its_place)
{
    struct swarm_plan plan;
    char error[300];

    ck_assert_int_ne(read_text(mistakes[_i].text, &plan, error, sizeof(error)), 0);
    ck_assert_msg(strstr(error, mistakes[_i].error) != NULL, "%s", error);
}
END_TEST

/* Plans that once broke a rule, shrunk; the name says what was wrong. */
#define FOLDER "tests/swarm"

START_TEST(plans_that_once_failed_do_not_any_more)
{
    struct dirent *e;
    DIR *dir = opendir(FOLDER);
    int count = 0;

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir)) != NULL) {
        struct arena *arena = arena_new(0);
        struct swarm_plan plan;
        struct swarm_result r;
        const char *source;
        char path[400], error[300];
        size_t len;

        if (strstr(e->d_name, ".yaml") != NULL) {
            snprintf(path, sizeof(path), FOLDER "/%s", e->d_name);
            ck_assert_int_eq(file_read(arena, path, 1 << 20, &source, &len), 0);
            ck_assert_msg(read_text(source, &plan, error, sizeof(error)) == 0, "%s", error);
            ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &r), 0);
            ck_assert_msg(!r.failed, "%s: %s: %s", e->d_name, r.rule, r.text);
            count++;
        }
        arena_free(arena);
    }
    closedir(dir);
    ck_assert_int_ge(count, 18);
}
END_TEST

/* ---- a crash at every call ---------------------------------------------------------------------
 */

enum { KINDS = 4 };

/* One release and no faults; 0 canary, 1 A/B, 2 blue/green, 3 a canary that is rolled back. */
static void calm_plan(struct swarm_plan *p, int kind)
{
    swarm_plan_calm(p);
    p->seed = 7;
    p->strategy = kind == 3 ? SWARM_CANARY : kind;
    p->provider = kind == SWARM_BLUE_GREEN ? SWARM_KUBERNETES : SWARM_ISTIO;
    p->replicas = 2;
    p->iterations = 2;
    p->alerts = 1;
    p->hooks = SWARM_HOOK(HOOK_CONFIRM_ROLLOUT) | SWARM_HOOK(HOOK_PRE_ROLLOUT) |
               SWARM_HOOK(HOOK_ROLLOUT) | SWARM_HOOK(HOOK_CONFIRM_PROMOTION) |
               SWARM_HOOK(HOOK_POST_ROLLOUT);
    p->faulty = 400000;
    swarm_plan_add(p, 60000, kind == 3 ? ACT_BAD_RELEASE : ACT_RELEASE, 0);
}

static bool was_told(const struct swarm_result *r, uint64_t what)
{
    for (size_t i = 0; i < r->told_count; i++) {
        if (r->told[i].hash == what)
            return true;
    }
    return false;
}

/* EVERY-th call, or every call with COALMINE_CRASH_EVERYWHERE in the environment. */
START_TEST(crashed_at_any_call_a_rollout_ends_as_if_nothing_had_happened)
{
    bool everywhere = getenv("COALMINE_CRASH_EVERYWHERE") != NULL;
    int64_t step = everywhere ? 1 : EVERY;
    struct swarm_plan plan;
    struct swarm_result calm, r = {.crashes = 1};
    int crashes = 0;

    calm_plan(&plan, _i / 2);
    ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &calm), 0);
    ck_assert_msg(!calm.failed, "%s: %s", calm.rule, calm.text);
    ck_assert_str_eq(calm.phase, _i / 2 == 3 ? "Failed" : "Succeeded");
    ck_assert_uint_gt(calm.told_count, 10);
    plan.end_count = 1;
    plan.ends[0].end = _i % 2 ? END_BEFORE : END_AFTER;
    for (int64_t n = 1 + _i % step; r.crashes == 1; n += step) {
        plan.ends[0].request = n;
        ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &r), 0);
        ck_assert_msg(!r.failed, "killed at call %d: %s: %s", (int)n, r.rule, r.text);
        ck_assert_msg(strcmp(r.end, calm.end) == 0, "killed at call %d: %s, else %s", (int)n, r.end,
                      calm.end);
        for (size_t i = 0; i < calm.told_count; i++)
            ck_assert_msg(was_told(&r, calm.told[i].hash), "killed at call %d: never told: %s",
                          (int)n, calm.told[i].text);
        crashes += r.crashes;
    }
    if (everywhere)
        printf("kind %d, %s the effect: killed at %d calls\n", _i / 2, _i % 2 ? "before" : "after",
               crashes);
    ck_assert_int_gt(crashes, everywhere ? 30 : 4);
}
END_TEST

START_TEST(a_leader_may_lose_its_lease_at_any_call)
{
    struct swarm_plan plan;
    struct swarm_result r = {.losses = 1};
    int losses = 0;

    calm_plan(&plan, _i);
    plan.operators = 2;
    plan.end_count = 1;
    plan.ends[0].end = END_DEPOSED;
    for (int64_t n = 3; r.losses == 1 && losses < 12; n += EVERY) {
        plan.ends[0].request = n;
        ck_assert_int_eq(swarm_live(from, &plan, NULL, NULL, &r), 0);
        ck_assert_msg(!r.failed, "deposed at call %d: %s: %s", (int)n, r.rule, r.text);
        losses += r.losses;
    }
    ck_assert_int_ge(losses, 4);
}
END_TEST

/* ---- the judge can fail ------------------------------------------------------------------------
 */

/* A cluster with a Canary and its judge, and requests of operators that do not exist. */
struct court {
    struct swarm_plan plan;
    struct swarm_result result;
    struct judge judge;
    struct simkube *k;
    uint64_t requests;
};

static int say(struct court *c, const char *user, const char *method, const char *target,
               const char *body)
{
    char text[1200];
    const char *at = strstr(body, "THE-UID");
    const cJSON *canary = simkube_get(c->k, "flagger.app", "canaries", "test", "podinfo");
    const char *uid = json_str_or(json_get(canary, "metadata"), "uid", "");
    struct simkube_request req = {
        .user = user,
        .method = method,
        .target = target,
        .content_type = strcmp(method, "PATCH") == 0 ? "application/merge-patch+json" : NULL,
        .body = body,
        .body_len = strlen(body),
        .number = ++c->requests};
    struct simkube_reply reply;
    int status;

    if (at) {
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - body), body, uid,
                 at + strlen("THE-UID"));
        req.body = text;
        req.body_len = strlen(text);
    }
    simkube_call(c->k, simkube_now(c->k) + 100, &req, &reply);
    status = reply.status;
    simkube_reply_release(&reply);
    return status;
}

#define APPS "/apis/apps/v1/namespaces/test/deployments"
#define ROUTES "/apis/networking.istio.io/v1beta1/namespaces/test/virtualservices"
#define CANARY "/apis/flagger.app/v1beta1/namespaces/test/canaries"
#define OWNER                                                                                      \
    "\"ownerReferences\":[{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"name\":"   \
    "\"podinfo\",\"uid\":\"THE-UID\",\"controller\":true}]"
#define SPLIT(primary, canary)                                                                     \
    "\"spec\":{\"http\":[{\"route\":[{\"destination\":{\"host\":\"podinfo-primary\"},"             \
    "\"weight\":" #primary "},{\"destination\":{\"host\":\"podinfo-canary\"},\"weight\":" #canary  \
    "}]}]}"
#define WORKLOAD(name, image, more)                                                                \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"" name "\"" more \
    "},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"" name                                   \
    "\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"" name                                 \
    "\"},\"annotations\":{\"flagger-id\":\"" image                                                 \
    "\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}}}}"

static void court_opens(struct court *c)
{
    memset(c, 0, sizeof(*c));
    swarm_plan_calm(&c->plan);
    c->k = simkube_fork(swarm_cluster(from), 1);
    c->judge.plan = &c->plan;
    c->judge.k = c->k;
    c->judge.result = &c->result;
    judge_start(&c->judge);
    ck_assert_int_eq(say(c, "admin", "POST", APPS, WORKLOAD("podinfo", "podinfo:1", "")), 201);
    ck_assert_int_eq(say(c, "admin", "POST", CANARY,
                         "{\"apiVersion\":\"flagger.app/v1beta1\",\"kind\":\"Canary\",\"metadata\":"
                         "{\"name\":\"podinfo\"},\"spec\":{\"targetRef\":{\"apiVersion\":"
                         "\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"podinfo\"},\"service\":{"
                         "\"port\":80},\"analysis\":{\"interval\":\"10s\",\"threshold\":1,"
                         "\"iterations\":1}}}"),
                     201);
    ck_assert_int_eq(
        say(c, "coalmine-1", "POST", APPS, WORKLOAD("podinfo-primary", "podinfo:1", "," OWNER)),
        201);
    ck_assert_int_eq(say(c, "coalmine-1", "POST", ROUTES,
                         "{\"apiVersion\":\"networking.istio.io/v1beta1\",\"kind\":"
                         "\"VirtualService\",\"metadata\":{\"name\":\"podinfo\"," OWNER
                         "}," SPLIT(100, 0) "}"),
                     201);
    simkube_advance(c->k, simkube_now(c->k) + 10000);
    ck_assert_msg(!c->result.failed, "%s: %s", c->result.rule, c->result.text);
}

static void court_closes(struct court *c)
{
    judge_stop(&c->judge);
    simkube_free(c->k);
}

static void promote(struct court *c)
{
    say(c, "coalmine-1", "PUT", APPS "/podinfo-primary",
        WORKLOAD("podinfo-primary", "podinfo:2", "," OWNER));
}

static void break_shares(struct court *c)
{
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo", "{" SPLIT(70, 20) "}");
}

static void break_table(struct court *c)
{
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo", "{" SPLIT(75, 25) "}");
}

static void break_maximum(struct court *c)
{
    c->plan.max = 20;
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo", "{" SPLIT(60, 40) "}");
}

static void break_sides(struct court *c)
{
    say(c, "admin", "PATCH", APPS "/podinfo", "{\"spec\":{\"replicas\":0}}");
    simkube_advance(c->k, simkube_now(c->k) + 10000);
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo", "{" SPLIT(80, 20) "}");
}

static void break_scale(struct court *c)
{
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo", "{" SPLIT(80, 20) "}");
    say(c, "coalmine-1", "PATCH", APPS "/podinfo", "{\"spec\":{\"replicas\":0}}");
}

static void break_status(struct court *c)
{
    say(c, "coalmine-1", "PATCH", CANARY "/podinfo/status",
        "{\"status\":{\"phase\":\"Progressing\",\"canaryWeight\":20}}");
}

static void break_checks(struct court *c)
{
    say(c, "admin", "PUT", APPS "/podinfo", WORKLOAD("podinfo", "podinfo:2", ""));
    c->judge.checks[2][0] = 1; /* of two */
    promote(c);
}

static void break_bad(struct court *c)
{
    c->judge.bad_image[2] = true;
    c->judge.checks[2][0] = 9;
    promote(c);
}

static void break_gate(struct court *c)
{
    c->plan.hooks = SWARM_HOOK(HOOK_CONFIRM_PROMOTION);
    c->judge.checks[2][0] = 9;
    promote(c);
}

/* The canary holds all traffic though the primary has long been there: that excuses no check. */
static void break_hold(struct court *c)
{
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo", "{" SPLIT(0, 100) "}");
    simkube_advance(c->k, simkube_now(c->k) + 200000);
    say(c, "coalmine-1", "PATCH", CANARY "/podinfo/status",
        "{\"status\":{\"phase\":\"Progressing\",\"canaryWeight\":100}}");
    say(c, "admin", "PUT", APPS "/podinfo", WORKLOAD("podinfo", "podinfo:2", ""));
    c->judge.checks[2][0] = 1; /* of two */
    promote(c);
}

static void break_foreign(struct court *c)
{
    say(c, "coalmine-1", "POST", "/api/v1/namespaces/test/configmaps",
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"podinfo\"}}");
}

static void break_deletion(struct court *c)
{
    say(c, "coalmine-1", "DELETE", ROUTES "/podinfo", "");
}

static void break_owner(struct court *c)
{
    say(c, "coalmine-1", "POST", "/api/v1/namespaces/test/services",
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"podinfo-canary\"},"
        "\"spec\":{\"ports\":[{\"port\":80}]}}");
}

static void break_order(struct court *c)
{
    c->requests = 1;
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo", "{" SPLIT(80, 20) "}");
}

static void break_succession(struct court *c)
{
    say(c, "coalmine-2", "PATCH", ROUTES "/podinfo", "{" SPLIT(80, 20) "}");
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo", "{" SPLIT(100, 0) "}");
}

static void break_cookies(struct court *c)
{
    c->plan.affinity = 1;
    say(c, "coalmine-1", "PATCH", ROUTES "/podinfo",
        "{\"metadata\":{\"annotations\":{\"a\":\"b\"}},\"spec\":{\"x\":\"Set-Cookie: c=v; "
        "Max-Age=86400\"}}");
}

static void end_in(struct court *c, const char *status)
{
    say(c, "admin", "PATCH", CANARY "/podinfo/status", status);
    judge_end(&c->judge);
}

static void break_end(struct court *c)
{
    end_in(c, "{\"status\":{\"phase\":\"Progressing\"}}");
}

static void break_verdict(struct court *c)
{
    end_in(c, "{\"status\":{\"phase\":\"Failed\"}}");
}

static void break_primary(struct court *c)
{
    say(c, "admin", "PUT", APPS "/podinfo", WORKLOAD("podinfo", "podinfo:2", ""));
    end_in(c, "{\"status\":{\"phase\":\"Succeeded\"}}");
}

static void break_rest(struct court *c)
{
    end_in(c, "{\"status\":{\"phase\":\"Initialized\"}}"); /* the target still has a pod */
}

static void break_telling(struct court *c)
{
    c->plan.hooks = SWARM_HOOK(HOOK_POST_ROLLOUT);
    c->judge.ended_ms = 1;
    say(c, "admin", "PATCH", APPS "/podinfo", "{\"spec\":{\"replicas\":0}}");
    end_in(c, "{\"status\":{\"phase\":\"Succeeded\"}}");
}

static void break_leftovers(struct court *c)
{
    c->judge.gone = true;
    say(c, "admin", "DELETE", CANARY "/podinfo", "");
    judge_end(&c->judge);
}

static void break_reversion(struct court *c)
{
    c->judge.gone = true;
    c->plan.revert = 1;
    say(c, "admin", "DELETE", CANARY "/podinfo", "");
    say(c, "admin", "DELETE", APPS "/podinfo-primary", "");
    say(c, "admin", "PATCH", APPS "/podinfo", "{\"spec\":{\"replicas\":0}}");
    simkube_advance(c->k, simkube_now(c->k) + 10000);
    judge_end(&c->judge);
}

static const struct crime {
    void (*commit)(struct court *c);
    const char *rule;
} crimes[] = {
    {break_shares, "weights sum to 100"},
    {break_table, "weights stay in the step table"},
    {break_maximum, "weights stay in the step table"},
    {break_sides, "no traffic to a side without ready pods"},
    {break_scale, "a side with traffic is not scaled to zero"},
    {break_status, "the status says what the routes do"},
    {break_checks, "promoted only after its checks passed"},
    {break_bad, "promoted only after its checks passed"},
    {break_gate, "promoted only after its checks passed"},
    {break_hold, "promoted only after its checks passed"},
    {break_foreign, "no foreign object is touched"},
    {break_deletion, "no foreign object is touched"},
    {break_owner, "what is made belongs to the Canary"},
    {break_order, "an older write never lands over a newer one"},
    {break_succession, "a deposed leader changes nothing after its successor"},
    {break_cookies, "cookies are saved before they are used"},
    {break_end, "every rollout ends once the faults stop"},
    {break_verdict, "a rollout ends as its checks say"},
    {break_primary, "the primary runs what was promoted"},
    {break_rest, "at rest all traffic goes to the primary"},
    {break_telling, "the end of a rollout is told"},
    {break_leftovers, "what is made goes with the Canary"},
    {break_reversion, "a deleted Canary gives its target back"},
};

START_TEST(a_broken_rule_is_seen)
{
    struct court c;

    court_opens(&c);
    crimes[_i].commit(&c);
    ck_assert_msg(c.result.failed, "nobody saw that \"%s\" was broken", crimes[_i].rule);
    ck_assert_str_eq(c.result.rule, crimes[_i].rule);
    court_closes(&c);
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

int main(void)
{
    Suite *s = suite_create("swarm");
    TCase *c = tcase_create("lives"), *crashes = tcase_create("crashes");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_unchecked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 1800);
    tcase_add_test(c, no_rule_is_broken_under_faults);
    tcase_add_test(c, a_process_ends_whatever_it_began_to_watch);
    tcase_add_test(c, a_seed_always_lives_the_same_life);
    tcase_add_test(c, a_plan_written_and_read_is_the_same);
    tcase_add_loop_test(c, a_mistake_in_a_file_is_told_with_its_place, 0, COUNT(mistakes));
    tcase_add_test(c, plans_that_once_failed_do_not_any_more);
    tcase_add_unchecked_fixture(crashes, setup, teardown);
    tcase_set_timeout(crashes, 1800);
    tcase_add_loop_test(crashes, crashed_at_any_call_a_rollout_ends_as_if_nothing_had_happened, 0,
                        KINDS * 2);
    tcase_add_loop_test(crashes, a_leader_may_lose_its_lease_at_any_call, 0, KINDS);
    tcase_add_loop_test(c, a_broken_rule_is_seen, 0, COUNT(crimes));
    suite_add_tcase(s, c);
    suite_add_tcase(s, crashes);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
