/* Webhooks: payload bytes, retries, pauses, verdicts and texts, over a scripted client and clock.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/hook/hook.h"

/* ---- payloads ---------------------------------------------------- */

static const struct hook_pair pairs[] = {
    {"zone", "<eu> & \"more\""}, {"cmd", "hey -z 1m"}, {"cmd", "last wins"}};

START_TEST(payload_is_flaggers_bytes)
{
    struct hook_payload p = {"podinfo", "test", "Progressing", "569bdb7cb9", pairs, 3};
    struct strbuf b = STRBUF_INIT;

    hook_body(&p, &b);
    ck_assert_str_eq(strbuf_str(&b),
                     "{\"name\":\"podinfo\",\"namespace\":\"test\",\"phase\":\"Progressing\","
                     "\"checksum\":\"569bdb7cb9\",\"metadata\":{\"cmd\":\"last wins\","
                     "\"zone\":\"\\u003ceu\\u003e \\u0026 \\\"more\\\"\"}}");
    strbuf_release(&b);
}
END_TEST

START_TEST(empty_metadata_is_left_out)
{
    struct hook_payload p = {"podinfo", "test", "", "569bdb7cb9", NULL, 0};
    struct strbuf b = STRBUF_INIT;

    hook_body(&p, &b);
    ck_assert_str_eq(
        strbuf_str(&b),
        "{\"name\":\"podinfo\",\"namespace\":\"test\",\"phase\":\"\",\"checksum\":\"569bdb7cb9\"}");
    strbuf_release(&b);
}
END_TEST

START_TEST(event_payload_keeps_its_three_keys)
{
    static const struct hook_pair own[] = {{"zoo", "z"},
                                           {"eventType", "mine"},
                                           {"environment", "e"},
                                           {"eventX", "x"},
                                           {"timestamp", "0"}};
    struct hook_payload p = {"podinfo", "test", "Progressing", "c", own, 5};
    struct strbuf b = STRBUF_INIT;

    hook_event_body(&p, "New revision detected! Scaling up podinfo.test", "Normal", 1578607635167,
                    &b);
    ck_assert_str_eq(strbuf_str(&b), "{\"name\":\"podinfo\",\"namespace\":\"test\",\"phase\":"
                                     "\"Progressing\",\"checksum\":\"c\",\"metadata\":"
                                     "{\"environment\":\"e\",\"eventMessage\":\"New revision "
                                     "detected! Scaling up podinfo.test\","
                                     "\"eventType\":\"Normal\",\"eventX\":\"x\",\"timestamp\":"
                                     "\"1578607635167\",\"zoo\":\"z\"}}");
    strbuf_release(&b);
}
END_TEST

/* ---- rules ------------------------------------------------------- */

START_TEST(only_what_may_pass_is_tried_again)
{
    ck_assert(hook_is_retried(0, 429, ""));
    ck_assert(hook_is_retried(0, 500, ""));
    ck_assert(hook_is_retried(0, 503, ""));
    ck_assert(!hook_is_retried(0, 501, ""));
    ck_assert(!hook_is_retried(0, 403, ""));
    ck_assert(!hook_is_retried(0, 200, ""));
    ck_assert(hook_is_retried(-ECONNREFUSED, 0, "Post \"http://h\": dial tcp: connection refused"));
    ck_assert(hook_is_retried(-ETIMEDOUT, 0, "timeout"));
    ck_assert(
        !hook_is_retried(-EPROTO, 0, "tls: failed to verify certificate: x509: unknown authority"));
    ck_assert(!hook_is_retried(-ECANCELED, 0, "shutting down"));
}
END_TEST

START_TEST(pauses_double_up_to_half_a_minute)
{
    static const int64_t want[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};

    for (unsigned i = 0; i < 7; i++)
        ck_assert_int_eq(hook_pause_ms(i, 500, NULL, 0), want[i]);
    ck_assert_int_eq(hook_pause_ms(4000000000u, 0, NULL, 0), 30000);
}
END_TEST

START_TEST(retry_after_replaces_the_pause_of_429_and_503)
{
    int64_t now = 1136214245000; /* 2006-01-02 15:04:05 UTC */

    ck_assert_int_eq(hook_pause_ms(0, 429, "3", now), 3000);
    ck_assert_int_eq(hook_pause_ms(0, 503, "0", now), 0);
    ck_assert_int_eq(hook_pause_ms(0, 500, "3", now), 1000);
    ck_assert_int_eq(hook_pause_ms(0, 429, "soon", now), 1000);
    ck_assert_int_eq(hook_pause_ms(0, 429, "-1", now), 1000);
    ck_assert_int_eq(hook_pause_ms(0, 429, "Mon, 02 Jan 2006 15:04:15 GMT", now), 10000);
    ck_assert_int_eq(hook_pause_ms(0, 429, "Mon, 02 Jan 2006 15:04:05 GMT", now), 0);
    ck_assert_int_eq(hook_pause_ms(0, 429, "Mon, 99 Jan 2006 15:04:05 GMT", now), 1000);
    ck_assert_int_eq(hook_pause_ms(0, 429, "99999999999", now), HOOK_RETRY_AFTER_MAX_MS);
}
END_TEST

/* ---- calls ------------------------------------------------------- */

struct reply {
    int error, status;
    const char *body, *retry_after;
    bool truncated;
};
struct script {
    const struct reply *replies;
    size_t asked;
    int64_t slept[8];
    size_t sleeps;
    int64_t timeout_ms;
    bool insecure, no_proxy;
    char url[256];
};

static int perform(void *self, const struct http_request *req, struct http_response *r)
{
    struct script *s = self;
    const struct reply *reply = &s->replies[s->asked++];
    struct http_header after = {"retry-after", reply->retry_after};

    ck_assert_str_eq(req->method, "POST");
    ck_assert_str_eq(req->headers[0].name, "Content-Type");
    ck_assert_str_eq(req->headers[0].value, "application/json");
    ck_assert_uint_eq(req->header_count, 1);
    ck_assert_uint_eq(req->body_max, HOOK_BODY_MAX);
    s->timeout_ms = req->timeout_ms;
    s->insecure = req->tls && req->tls->insecure;
    s->no_proxy = req->no_proxy;
    strncpy(s->url, req->url, sizeof s->url - 1);
    memset(r, 0, sizeof *r);
    if (reply->error) {
        strncpy(r->error, reply->body, sizeof r->error - 1);
        return reply->error;
    }
    http_response_fill(r, reply->status, &after, reply->retry_after ? 1 : 0,
                       reply->body ? reply->body : "", strlen(reply->body ? reply->body : ""));
    r->truncated = reply->truncated;
    return 0;
}

static int64_t no_time(void *self)
{
    (void)self;
    return 0;
}

static void note_sleep(void *self, int64_t ms)
{
    struct script *s = self;

    ck_assert_uint_lt(s->sleeps, 8);
    s->slept[s->sleeps++] = ms;
}

static struct hook_answer call(struct arena *a, struct script *s, struct hook_call c)
{
    struct http_client http = {.self = s, .perform = perform};
    struct clock clock = {
        .self = s, .wall_ms = no_time, .mono_ms = no_time, .sleep_ms = note_sleep};
    struct hook_answer answer;

    c.url = c.url ? c.url : "http://hook.test/gate";
    c.body = "{}";
    c.body_len = 2;
    hook_perform(&c, &http, &clock, a, &answer);
    return answer;
}

#define GATE "POST http://hook.test/gate"
static const struct call_case {
    const char *name;
    struct reply replies[3];
    int64_t retries;
    bool ok;
    unsigned attempts;
    const char *text;
} call_cases[] = {
    {"202 is a yes", {{.status = 202, .body = "ignored"}}, 0, true, 1, ""},
    {"204 is a no without a text", {{.status = 204}}, 0, false, 1, ""},
    {"403 is not tried again",
     {{.status = 403, .body = "Forbidden\n"}},
     5,
     false,
     1,
     "Forbidden\n"},
    {"500 loses its body",
     {{.status = 500, .body = "boom"}},
     0,
     false,
     1,
     GATE " giving up after 1 attempt(s)"},
    {"500 then 202 passes", {{.status = 500}, {.status = 202}}, 1, true, 2, ""},
    {"429 then 403 says Forbidden",
     {{.status = 429}, {.status = 403, .body = "no"}},
     3,
     false,
     2,
     "no"},
    {"retries run out",
     {{.status = 502}, {.status = 503}, {.status = 500}},
     2,
     false,
     3,
     GATE " giving up after 3 attempt(s)"},
    {"501 is final", {{.status = 501, .body = "what?"}}, 3, false, 1, "what?"},
    {"negative retries are none",
     {{.status = 500}},
     -4,
     false,
     1,
     GATE " giving up after 1 attempt(s)"},
    {"a refused connection tells its cause",
     {{.error = -ECONNREFUSED, .body = "Post \"http://hook.test/gate\": connection refused"}},
     0,
     false,
     1,
     GATE " giving up after 1 attempt(s): Post \"http://hook.test/gate\": connection refused"},
    {"a long body is marked",
     {{.status = 400, .body = "long", .truncated = true}},
     0,
     false,
     1,
     "long" HOOK_CUT_MARK},
};

START_TEST(each_reply_has_its_verdict)
{
    const struct call_case *c = &call_cases[_i];
    struct arena *a = arena_new(0);
    struct script s = {.replies = c->replies};
    struct hook_answer got = call(a, &s, (struct hook_call){.retries = c->retries});

    ck_assert_msg(got.ok == c->ok, "%s", c->name);
    ck_assert_msg(got.attempts == c->attempts && s.asked == c->attempts, "%s: %u attempts", c->name,
                  got.attempts);
    ck_assert_str_eq(got.text, c->text);
    ck_assert_uint_eq(s.sleeps, c->attempts - 1);
    arena_free(a);
}
END_TEST

START_TEST(status_and_body_can_be_told_where_the_text_drops_them)
{
    static const struct {
        struct reply reply;
        const char *text;
    } cases[] = {
        {{.status = 500, .body = "no route to host"},
         GATE " giving up after 1 attempt(s): status 500: no route to host"},
        {{.status = 429}, GATE " giving up after 1 attempt(s): status 429"},
        {{.status = 502, .body = "long", .truncated = true},
         GATE " giving up after 1 attempt(s): status 502: long" HOOK_CUT_MARK},
        {{.status = 403, .body = "closed"}, "closed"},
        {{.error = -ECONNREFUSED, .body = "refused"},
         GATE " giving up after 1 attempt(s): refused"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new(0);
        struct script s = {.replies = &cases[i].reply};
        struct hook_answer got = call(a, &s, (struct hook_call){.retries = 0});

        ck_assert_str_eq(hook_full_text(a, &got), cases[i].text);
        arena_free(a);
    }
}
END_TEST

START_TEST(the_server_says_how_long_to_wait)
{
    static const struct reply replies[] = {
        {.status = 429, .retry_after = "3"}, {.status = 500}, {.status = 200}};
    struct arena *a = arena_new(0);
    struct script s = {.replies = replies};

    ck_assert(call(a, &s, (struct hook_call){.retries = 2}).ok);
    ck_assert_int_eq(s.slept[0], 3000);
    ck_assert_int_eq(s.slept[1], 2000);
    arena_free(a);
}
END_TEST

static const struct timeout_case {
    const char *timeout;
    bool event;
    int64_t ms; /* -1: refused */
    const char *text;
} timeout_cases[] = {
    {NULL, false, 10000, NULL},
    {"", true, 10000, NULL},
    {"5", false, 10000, NULL},
    {"5", true, -1, "time: missing unit in duration \"5\""},
    {"2m", false, 120000, NULL},
    {"1m30s", true, 90000, NULL},
    {"5x", false, -1, "time: unknown unit \"x\" in duration \"5x\""},
};

START_TEST(timeouts_are_read_as_flagger_reads_them)
{
    static const struct reply ok[] = {{.status = 200}};
    const struct timeout_case *c = &timeout_cases[_i];
    struct arena *a = arena_new(0);
    struct script s = {.replies = ok};
    struct hook_answer got = call(
        a, &s, (struct hook_call){.timeout = c->timeout, .short_timeout_is_default = !c->event});

    ck_assert(got.ok == (c->ms >= 0));
    if (c->ms >= 0)
        ck_assert_int_eq(s.timeout_ms, c->ms);
    else
        ck_assert_str_eq(got.text, c->text);
    arena_free(a);
}
END_TEST

START_TEST(disable_tls_skips_verification_and_proxy)
{
    static const struct reply ok[] = {{.status = 200}};
    struct arena *a = arena_new(0);
    struct script s = {.replies = ok};

    ck_assert(call(a, &s, (struct hook_call){.disable_tls = true}).ok);
    ck_assert(s.insecure && s.no_proxy);
    s = (struct script){.replies = ok};
    ck_assert(call(a, &s, (struct hook_call){0}).ok);
    ck_assert(!s.insecure && !s.no_proxy);
    arena_free(a);
}
END_TEST

static const struct url_case {
    const char *url, *text;
} url_cases[] = {
    {"%zz", "parse \"%zz\": invalid URL escape \"%zz\""},
    {"://x", "parse \"://x\": missing protocol scheme"},
    {"10.0.0.1:80", "parse \"10.0.0.1:80\": first path segment in URL cannot contain colon"},
    {"ftp://h/", "POST ftp://h/ giving up after 1 attempt(s): Post \"ftp://h/\": unsupported "
                 "protocol scheme \"ftp\""},
    {"/x", "POST /x giving up after 1 attempt(s): Post \"/x\": unsupported protocol scheme \"\""},
};

START_TEST(bad_urls_are_told_and_not_called)
{
    struct arena *a = arena_new(0);
    struct script s = {.replies = NULL};
    struct hook_answer got =
        call(a, &s, (struct hook_call){.url = url_cases[_i].url, .retries = 3});

    ck_assert(!got.ok);
    ck_assert_str_eq(got.text, url_cases[_i].text);
    ck_assert_uint_eq(s.asked, 0);
    arena_free(a);
}
END_TEST

START_TEST(a_password_in_the_url_is_hidden)
{
    static const struct reply bad[] = {{.status = 500}};
    struct arena *a = arena_new(0);
    struct script s = {.replies = bad};
    struct hook_answer got = call(a, &s, (struct hook_call){.url = "http://me:s3cret@hook.test/x"});

    ck_assert_str_eq(got.text, "POST http://me:xxxxx@hook.test/x giving up after 1 attempt(s)");
    ck_assert_str_eq(s.url, "http://me:s3cret@hook.test/x");
    arena_free(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hook");
    TCase *tc = tcase_create("hook");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, payload_is_flaggers_bytes);
    tcase_add_test(tc, empty_metadata_is_left_out);
    tcase_add_test(tc, event_payload_keeps_its_three_keys);
    tcase_add_test(tc, only_what_may_pass_is_tried_again);
    tcase_add_test(tc, pauses_double_up_to_half_a_minute);
    tcase_add_test(tc, retry_after_replaces_the_pause_of_429_and_503);
    tcase_add_loop_test(tc, each_reply_has_its_verdict, 0,
                        (int)(sizeof call_cases / sizeof *call_cases));
    tcase_add_test(tc, status_and_body_can_be_told_where_the_text_drops_them);
    tcase_add_test(tc, the_server_says_how_long_to_wait);
    tcase_add_loop_test(tc, timeouts_are_read_as_flagger_reads_them, 0,
                        (int)(sizeof timeout_cases / sizeof *timeout_cases));
    tcase_add_test(tc, disable_tls_skips_verification_and_proxy);
    tcase_add_loop_test(tc, bad_urls_are_told_and_not_called, 0,
                        (int)(sizeof url_cases / sizeof *url_cases));
    tcase_add_test(tc, a_password_in_the_url_is_hidden);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
