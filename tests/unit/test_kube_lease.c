/* Leader election and Events: what is sent when, in virtual time. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/kube/events.h"
#include "adapters/kube/lease.h"
#include "tests/support/script.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct script s;
static struct kube_config *config;
static struct kube_client *client;
static char story[1024];

static void start(const struct script_step *steps, size_t count)
{
    script_init(&s, steps, count);
    story[0] = '\0';
    config = kube_config_plain("https://api", NULL);
    client = kube_client_new(config, &s.client, &s.clock, NULL);
}

static void finish(void)
{
    kube_client_free(client);
    kube_config_free(config);
}

static void say(const char *what, const char *more)
{
    size_t len = strlen(story);

    snprintf(story + len, sizeof story - len, "%lld %s%s; ", (long long)(s.mono_ms - 1000000), what,
             more);
}

static void on_started(void *ctx)
{
    (void)ctx;
    say("started", "");
}

static void on_lost(void *ctx)
{
    (void)ctx;
    say("lost", "");
}

static void on_leader(void *ctx, const char *identity)
{
    (void)ctx;
    say("leader ", identity);
}

static struct lease *lease_me(void)
{
    struct lease_options o = {.ns = "kube-system",
                              .name = "flagger-leader-election",
                              .identity = "me",
                              .on_started = on_started,
                              .on_lost = on_lost,
                              .on_leader = on_leader};

    return lease_new(client, &o);
}

#define LEASE(holder, version, renewed)                                                            \
    "{\"metadata\":{\"name\":\"flagger-leader-election\",\"namespace\":\"kube-system\","           \
    "\"resourceVersion\":\"" version "\"},\"spec\":{\"holderIdentity\":\"" holder                  \
    "\",\"leaseDurationSeconds\":60,\"acquireTime\":\"2026-01-01T00:00:00.000000Z\","              \
    "\"renewTime\":\"" renewed "\",\"leaseTransitions\":3}}"
#define NOT_FOUND "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"m\"}"
#define CONFLICT "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"m\"}"

START_TEST(a_free_lease_is_created_and_renewed_by_one_put)
{
    static const struct script_step steps[] = {
        {.status = 404, .body = NOT_FOUND},
        {.status = 201, .body = LEASE("me", "1", "a")},
        {.status = 200, .body = LEASE("me", "2", "b")},
    };
    struct lease *l;

    start(steps, COUNT(steps));
    l = lease_me();
    ck_assert_int_eq(lease_run(l), -ECANCELED);
    ck_assert_str_eq(story, "0 leader me; 0 started; ");
    ck_assert_str_eq(
        s.log,
        "GET /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/flagger-leader-election\n"
        "POST /apis/coordination.k8s.io/v1/namespaces/kube-system/leases "
        "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\","
        "\"metadata\":{\"name\":\"flagger-leader-election\",\"namespace\":\"kube-system\"},"
        "\"spec\":{\"holderIdentity\":\"me\","
        "\"leaseDurationSeconds\":60,\"acquireTime\":\"2026-01-02T03:04:05.678000Z\",\"renewTime\":"
        "\"2026-01-02T03:04:05.678000Z\",\"leaseTransitions\":0}}\n"
        "PUT /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/flagger-leader-election "
        "{\"metadata\":{\"name\":\"flagger-leader-election\",\"namespace\":\"kube-system\","
        "\"resourceVersion\":\"1\"},\"spec\":{"
        "\"holderIdentity\":\"me\",\"leaseDurationSeconds\":60,\"acquireTime\":\"2026-01-01T00:00:"
        "00.000000Z\",\"renewTime\":\"2026-01-02T03:04:10.678000Z\",\"leaseTransitions\":3}}\n");
    ck_assert(lease_is_held(l)); /* until it runs out */
    s.mono_ms += 20000;
    ck_assert(!lease_is_held(l));
    lease_free(l);
    finish();
}
END_TEST

START_TEST(another_leaders_lease_is_taken_only_after_it_ran_out_here)
{
    static struct script_step steps[16];
    struct lease *l;
    size_t i;

    for (i = 0; i < 13; i++)
        steps[i] = (struct script_step){.status = 200, .body = LEASE("other", "7", "a")};
    steps[13] = (struct script_step){.status = 200, .body = LEASE("me", "8", "b")};
    start(steps, 14);
    l = lease_me();
    lease_run(l);
    /* seen first at 0; tried every 5 s; 60 s later it may be taken */
    ck_assert_str_eq(story, "0 leader other; 60000 leader me; 60000 started; ");
    ck_assert_ptr_nonnull(strstr(s.log, "\"leaseTransitions\":4"));
    lease_free(l);
    finish();
}
END_TEST

START_TEST(a_lease_that_cannot_be_renewed_is_lost_in_time)
{
    static struct script_step steps[20];
    struct lease *l;
    size_t i;

    steps[0] = (struct script_step){.status = 200, .body = LEASE("", "1", "a")};
    steps[1] = (struct script_step){.status = 200, .body = LEASE("me", "2", "b")};
    for (i = 2; i < COUNT(steps); i++)
        steps[i] = (struct script_step){.error = -ECONNREFUSED};
    start(steps, COUNT(steps));
    l = lease_me();
    ck_assert_int_eq(lease_run(l), -ESTALE);
    ck_assert_str_eq(story, "0 leader me; 0 started; 20000 lost; ");
    ck_assert(!lease_is_held(l));
    lease_free(l);
    finish();
}
END_TEST

START_TEST(a_stopped_process_finds_itself_deposed)
{
    static const struct script_step steps[] = {
        {.status = 200, .body = LEASE("", "1", "a")},
        {.status = 200,
         .body = LEASE("me", "2", "b"),
         .takes_ms = 25000}, /* as if stopped for so long */
    };
    struct lease *l;

    start(steps, COUNT(steps));
    l = lease_me();
    ck_assert_int_eq(lease_run(l), -ESTALE);
    ck_assert(!lease_is_held(l));
    lease_free(l);
    finish();
}
END_TEST

START_TEST(a_lease_taken_by_another_is_lost_at_once)
{
    static const struct script_step steps[] = {
        {.status = 200, .body = LEASE("", "1", "a")},
        {.status = 200, .body = LEASE("me", "2", "b")},
        {.status = 409, .body = CONFLICT},
        {.status = 200, .body = LEASE("other", "3", "c")},
    };
    struct lease *l;

    start(steps, COUNT(steps));
    l = lease_me();
    ck_assert_int_eq(lease_run(l), -ESTALE);
    ck_assert_str_eq(story, "0 leader me; 0 started; 5000 leader other; 5000 lost; ");
    lease_free(l);
    finish();
}
END_TEST

START_TEST(release_lets_the_next_one_in_at_once)
{
    static const struct script_step steps[] = {
        {.status = 404, .body = NOT_FOUND},
        {.status = 201, .body = LEASE("me", "1", "a")},
    };
    static const struct script_step more[] = {{.status = 200, .body = LEASE("", "2", "b")}};
    struct kube_error e;
    struct lease *l;

    start(steps, COUNT(steps));
    l = lease_me();
    lease_run(l);
    s.steps = more;
    s.step_count = 1;
    s.next = 0;
    s.log[0] = '\0';
    ck_assert_int_eq(lease_release(l, &e), 0);
    ck_assert_ptr_nonnull(strstr(s.log, "\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,"));
    ck_assert_ptr_nonnull(strstr(s.log, "\"resourceVersion\":\"1\""));
    ck_assert(!lease_is_held(l));
    ck_assert_int_eq(lease_release(l, &e), 0); /* nothing left to give up */
    lease_free(l);
    finish();
}
END_TEST

/* ---- Events
 * --------------------------------------------------------------------------------------------------
 */

static const struct event_object podinfo = {
    "flagger.app/v1beta1", "Canary", "test", "podinfo", "u-1", "42", NULL};

static size_t count_in_log(const char *what)
{
    const char *p = s.log;
    size_t n = 0;

    for (; (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void ok_steps(struct script_step *steps, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        steps[i] = (struct script_step){.status = 201, .body = "{}"};
}

START_TEST(a_first_event_is_created_and_the_same_again_is_counted)
{
    static struct script_step steps[4];
    struct events *e;

    ok_steps(steps, COUNT(steps));
    start(steps, COUNT(steps));
    e = events_new(client, NULL);
    events_record(e, &podinfo, false, "New revision detected! Scaling up podinfo.test");
    s.wall_ms += 10000;
    events_record(e, &podinfo, false, "New revision detected! Scaling up podinfo.test");
    ck_assert_int_eq(events_flush(e), 0);
    ck_assert_str_eq(
        s.log,
        "POST /api/v1/namespaces/test/events "
        "{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"podinfo."
        "1886caf244ffa780\",\"namespace\":\"test\"},"
        "\"involvedObject\":{\"kind\":\"Canary\",\"namespace\":\"test\",\"name\":\"podinfo\","
        "\"uid\":\"u-1\",\"apiVersion\":\"flagger.app/v1beta1\",\"resourceVersion\":\"42\"},"
        "\"reason\":\"Synced\",\"message\":\"New revision detected! Scaling up "
        "podinfo.test\",\"source\":{\"component\":\"flagger\"},"
        "\"firstTimestamp\":\"2026-01-02T03:04:05Z\",\"lastTimestamp\":\"2026-01-02T03:04:05Z\","
        "\"count\":1,\"type\":\"Normal\",\"eventTime\":null,"
        "\"reportingComponent\":\"flagger\",\"reportingInstance\":\"\"}\n"
        "PATCH /api/v1/namespaces/test/events/podinfo.1886caf244ffa780 {\"message\":\"New revision "
        "detected! Scaling up podinfo.test\",\"count\":2,"
        "\"lastTimestamp\":\"2026-01-02T03:04:15Z\"}\n");
    ck_assert_ptr_nonnull(
        strstr(s.last_headers, "Content-Type: application/strategic-merge-patch+json\n"));
    events_free(e);
    finish();
}
END_TEST

START_TEST(an_event_the_server_dropped_is_created_again)
{
    static const struct script_step steps[] = {{.status = 201, .body = "{}"},
                                               {.status = 404, .body = NOT_FOUND},
                                               {.status = 201, .body = "{}"}};
    struct events *e;

    start(steps, COUNT(steps));
    e = events_new(client, NULL);
    events_record(e, &podinfo, true, "m");
    events_record(e, &podinfo, true, "m");
    ck_assert_int_eq(events_flush(e), 0);
    ck_assert_uint_eq(count_in_log("POST "), 2);
    ck_assert_ptr_nonnull(strstr(s.log, "\"count\":2,\"type\":\"Warning\""));
    events_free(e);
    finish();
}
END_TEST

static void record_numbered(struct events *e, bool warning, int from, int to)
{
    char text[32];

    for (; from <= to; from++) {
        snprintf(text, sizeof text, "message %d", from);
        ck_assert_int_eq(events_record(e, &podinfo, warning, text), 0);
    }
}

START_TEST(the_tenth_different_message_is_combined)
{
    static struct script_step steps[40];
    struct events *e;

    ok_steps(steps, COUNT(steps));
    start(steps, COUNT(steps));
    e = events_new(client, NULL);
    record_numbered(e, false, 1, 9);
    record_numbered(e, true, 1, 9); /* another type, another group */
    events_flush(e);
    ck_assert_uint_eq(count_in_log("POST "), 18);
    ck_assert_uint_eq(count_in_log("combined"), 0);
    record_numbered(e, false, 10, 12);
    record_numbered(e, false, 9, 9); /* still a member: keeps its own event */
    events_flush(e);
    ck_assert_uint_eq(count_in_log("POST "), 19);
    ck_assert_uint_eq(count_in_log("PATCH "), 3);
    ck_assert_ptr_nonnull(
        strstr(s.log, "\"message\":\"(combined from similar events): message 12\",\"count\":3"));
    ck_assert_ptr_nonnull(strstr(s.log, "\"message\":\"message 9\",\"count\":2"));
    ck_assert_uint_eq(events_counts(e)->combined, 3);
    s.wall_ms += 600001; /* forgotten */
    record_numbered(e, false, 20, 20);
    events_flush(e);
    ck_assert_ptr_nonnull(strstr(s.log, "\"message\":\"message 20\",\"source\""));
    events_free(e);
    finish();
}
END_TEST

START_TEST(an_event_with_its_own_reason_is_never_lost_among_others)
{
    static struct script_step steps[80];
    struct event_object object = podinfo;
    struct events *e;

    ok_steps(steps, COUNT(steps));
    start(steps, COUNT(steps));
    e = events_new(client, NULL);
    record_numbered(e, false, 1, 40); /* combined, and more than the filter lets pass */
    events_flush(e);
    ck_assert_uint_gt(events_counts(e)->filtered, 0);
    object.reason = "Command";
    events_record(e, &object, false, "abort asked for by dora");
    events_flush(e);
    ck_assert_ptr_nonnull(strstr(
        s.log, "\"reason\":\"Command\",\"message\":\"abort asked for by dora\",\"source\""));
    events_free(e);
    finish();
}
END_TEST

START_TEST(the_spam_filter_drops_and_still_counts)
{
    static struct script_step steps[40];
    struct events *e;
    int i;

    ok_steps(steps, COUNT(steps));
    start(steps, COUNT(steps));
    e = events_new(client, NULL);
    for (i = 0; i < 30; i++)
        events_record(e, &podinfo, i % 2, "same");
    events_flush(e);
    ck_assert_uint_eq(s.next, 25);
    ck_assert_uint_eq(events_counts(e)->filtered, 5);
    s.wall_ms += 300000;
    events_record(e, &podinfo, false, "same");
    events_record(e, &podinfo, false, "same");
    events_flush(e);
    ck_assert_uint_eq(s.next, 26);
    ck_assert_ptr_nonnull(strstr(s.log, "\"count\":16,"));
    events_free(e);
    finish();
}
END_TEST

START_TEST(no_answer_is_tried_again_and_refusal_is_not)
{
    static const struct script_step steps[] = {
        {.error = -ECONNREFUSED},
        {.error = -ECONNREFUSED},
        {.status = 201, .body = "{}"},
        {.status = 403, .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}"}};
    struct events *e;

    start(steps, COUNT(steps));
    s.random = 1234;
    e = events_new(client, NULL);
    events_record(e, &podinfo, false, "one");
    events_record(e, &podinfo, false, "two");
    events_record(e, &podinfo, false, "three");
    ck_assert_int_eq(events_flush(e), -ECANCELED);
    ck_assert_int_eq(s.slept_ms, 1234 + 10000);
    ck_assert_uint_eq(events_counts(e)->created, 1);
    ck_assert_uint_eq(events_counts(e)->refused, 1);
    ck_assert_uint_eq(events_pending(e), 1);
    events_free(e);
    finish();
}
END_TEST

static void on_pending(void *ctx)
{
    (*(int *)ctx)++;
}

START_TEST(a_full_queue_drops_and_says_so)
{
    int calls = 0;
    struct event_options o = {.queue_max = 2, .on_pending = on_pending, .ctx = &calls};
    struct events *e;

    start(NULL, 0);
    e = events_new(client, &o);
    ck_assert_int_eq(events_record(e, &podinfo, false, "1"), 0);
    ck_assert_int_eq(events_record(e, &podinfo, false, "2"), 0);
    ck_assert_int_eq(events_record(e, &podinfo, false, "3"), -ENOBUFS);
    ck_assert_uint_eq(events_counts(e)->dropped, 1);
    ck_assert_int_eq(calls, 1);
    events_free(e);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kube lease and events");
    TCase *lease = tcase_create("lease"), *events = tcase_create("events");
    SRunner *r = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, lease);
    tcase_add_test(lease, a_free_lease_is_created_and_renewed_by_one_put);
    tcase_add_test(lease, another_leaders_lease_is_taken_only_after_it_ran_out_here);
    tcase_add_test(lease, a_lease_that_cannot_be_renewed_is_lost_in_time);
    tcase_add_test(lease, a_stopped_process_finds_itself_deposed);
    tcase_add_test(lease, a_lease_taken_by_another_is_lost_at_once);
    tcase_add_test(lease, release_lets_the_next_one_in_at_once);
    suite_add_tcase(suite, events);
    tcase_add_test(events, a_first_event_is_created_and_the_same_again_is_counted);
    tcase_add_test(events, an_event_the_server_dropped_is_created_again);
    tcase_add_test(events, the_tenth_different_message_is_combined);
    tcase_add_test(events, an_event_with_its_own_reason_is_never_lost_among_others);
    tcase_add_test(events, the_spam_filter_drops_and_still_counts);
    tcase_add_test(events, no_answer_is_tried_again_and_refusal_is_not);
    tcase_add_test(events, a_full_queue_drops_and_says_so);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
