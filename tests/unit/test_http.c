#include "adapters/http/http.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/http/server.h"
#include "tests/support/certificates.h"

static const struct text_case {
    const char *method, *url, *cause, *want;
} text_cases[] = {
    {"POST", "http://127.0.0.1:1/x", "EOF", "Post \"http://127.0.0.1:1/x\": EOF"},
    {NULL, "http://h/", "EOF", "Get \"http://h/\": EOF"},
    {"PUT", "http://user:secret@h/a@b", "EOF", "Put \"http://user:***@h/a@b\": EOF"},
    {"GET", "http://user@h/x:y@z", "EOF", "Get \"http://user@h/x:y@z\": EOF"},
    {"GET", "http://h/\"\\\n", "EOF", "Get \"http://h/\\\"\\\\\\x0a\": EOF"},
};

START_TEST(errors_are_worded_as_go_words_them)
{
    const struct text_case *c = &text_cases[_i];
    char out[256];

    http_error_text(out, sizeof out, c->method, c->url, c->cause);
    ck_assert_str_eq(out, c->want);
}
END_TEST

START_TEST(a_long_error_is_cut_and_terminated)
{
    char out[12];

    http_error_text(out, sizeof out, "GET", "http://example.com/", "EOF");
    ck_assert_str_eq(out, "Get \"http:/");
}
END_TEST

static const struct address_case {
    const char *address;
    bool refused;
} address_cases[] = {
    {"169.254.169.254", true},
    {"169.254.0.1", true},
    {"169.253.0.1", false},
    {"100.100.100.200", true},
    {"168.63.129.16", true},
    {"10.0.0.1", false},
    {"127.0.0.1", false},
    {"fe80::1", true},
    {"fe80::1%eth0", true},
    {"febf::1", true},
    {"fec0::1", false},
    {"fd00:ec2::254", true},
    {"::ffff:169.254.1.1", true},
    {"::ffff:10.0.0.1", false},
    {"64:ff9b::a9fe:a9fe", true},
    {"2002:a9fe:a9fe::1", true},
    {"::1", false},
    {"fd20:ce::254", true},
    {"not an address", false},
};

START_TEST(metadata_addresses_are_told_from_others)
{
    const struct address_case *c = &address_cases[_i];

    ck_assert_msg(http_address_is_refused(c->address) == c->refused, "%s", c->address);
}
END_TEST

/* ---- against a server
 * --------------------------------------------------------------------------------- */

static void echo(void *ctx, struct server_call *c)
{
    const char *path = call_path(c);
    size_t len;
    const char *body = call_body(c, &len);

    (void)ctx;
    if (strcmp(path, "/teapot") == 0) {
        call_add_header(c, "X-Kind", "kettle");
        call_answer(c, 418, "text/plain", "short and stout", 15);
    } else if (strcmp(path, "/to-metadata") == 0) {
        call_add_header(c, "Location", "http://169.254.169.254/latest");
        call_answer(c, 302, NULL, "", 0);
    } else if (strcmp(path, "/to-ftp") == 0) {
        call_add_header(c, "Location", "ftp://127.0.0.1:1/x");
        call_answer(c, 302, NULL, "", 0);
    } else if (strcmp(path, "/redirect") == 0) {
        call_add_header(c, "Location", "/teapot");
        call_answer(c, 302, NULL, "", 0);
    } else if (strcmp(path, "/method") == 0) {
        call_answer(c, 200, "text/plain", call_method(c), strlen(call_method(c)));
    } else if (strcmp(path, "/query") == 0) {
        const char *x = call_query(c, "x");
        call_answer(c, 200, "text/plain", x ? x : "absent", x ? strlen(x) : 6);
    } else if (strcmp(path, "/hang") == 0) {
        /* never answered */
    } else if (strcmp(path, "/stream") == 0) {
        call_stream_begin(c, 200, "text/plain", NULL, NULL);
        call_stream_write(c, "one,", 4);
        call_stream_write(c, "two", 3);
        call_stream_end(c);
    } else {
        const char *type = call_header(c, "Content-Type");
        call_answer(c, 200, type ? type : "application/octet-stream", body, len);
    }
}

static struct server *server;
static struct http_client *client;
static char url[128];

static void start(const struct certificates *certs, const struct http_options *options)
{
    struct server_options o = {.address = "127.0.0.1", .handler = echo, .body_max = 1000};

    if (certs) {
        o.cert_pem = certs->server_cert;
        o.key_pem = certs->server_key;
    }
    ck_assert_int_eq(server_start_thread(&o, &server), 0);
    client = http_client_curl_new_with(options);
    ck_assert_ptr_nonnull(client);
}

static void start_plain(void)
{
    start(NULL, NULL);
}

static void stop(void)
{
    http_client_curl_free(client);
    server_stop(server);
    client = NULL;
    server = NULL;
}

static struct http_request request(const char *method, const char *path)
{
    struct http_request r = {.method = method, .url = url};

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server_port(server), path);
    return r;
}

START_TEST(an_answer_has_status_headers_and_body)
{
    struct http_request req = request(NULL, "/teapot");
    struct http_response r;

    ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
    ck_assert_int_eq(r.status, 418);
    ck_assert_str_eq(http_response_header(&r, "x-kind"), "kettle");
    ck_assert_str_eq(r.body, "short and stout");
    ck_assert_uint_eq(r.body_len, 15);
    http_response_release(&r);
}
END_TEST

START_TEST(a_body_is_sent_with_its_method_and_type)
{
    struct http_request req = request("PATCH", "/echo");
    struct http_header type = {"Content-Type", "application/merge-patch+json"};
    struct http_response r;

    req.body = "{\"a\":null}";
    req.body_len = 10;
    req.headers = &type;
    req.header_count = 1;
    ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
    ck_assert_str_eq(r.body, "{\"a\":null}");
    ck_assert_str_eq(http_response_header(&r, "Content-Type"), "application/merge-patch+json");
    http_response_release(&r);
    req = request("PATCH", "/method");
    req.body = "x";
    req.body_len = 1;
    ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
    ck_assert_str_eq(r.body, "PATCH");
    http_response_release(&r);
}
END_TEST

START_TEST(one_client_serves_many_methods_in_turn)
{
    static const char *const methods[] = {"POST", "GET", "DELETE", "PUT", "GET"};

    for (size_t i = 0; i < 5; i++) {
        struct http_request req = request(methods[i], "/method");
        struct http_response r;
        ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
        ck_assert_str_eq(r.body, methods[i]);
        http_response_release(&r);
    }
}
END_TEST

START_TEST(redirects_are_followed_only_when_asked)
{
    struct http_request req = request(NULL, "/redirect");
    struct http_response r;

    ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
    ck_assert_int_eq(r.status, 302);
    http_response_release(&r);
    req.follow_redirects = true;
    ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
    ck_assert_int_eq(r.status, 418);
    ck_assert_ptr_null(http_response_header(&r, "Location"));
    http_response_release(&r);
}
END_TEST

START_TEST(a_redirect_to_another_protocol_is_refused)
{
    struct http_request req = request(NULL, "/to-ftp");
    struct http_response r;

    req.follow_redirects = true;
    ck_assert_int_eq(client->perform(client->self, &req, &r), -EPROTO);
    ck_assert_msg(strstr(r.error, "Protocol \"ftp\" not supported") != NULL, "%s", r.error);
    http_response_release(&r);
}
END_TEST

START_TEST(an_argument_is_decoded_and_absent_differs_from_empty)
{
    static const char *const cases[][2] = {{"/query?x=a%20b%2Fc", "a b/c"},
                                           {"/query?x=", ""},
                                           {"/query?x", ""},
                                           {"/query?y=1", "absent"}};

    for (size_t i = 0; i < 4; i++) {
        struct http_request req = request(NULL, cases[i][0]);
        struct http_response r;
        ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
        ck_assert_str_eq(r.body, cases[i][1]);
        http_response_release(&r);
    }
}
END_TEST

START_TEST(a_body_over_the_limit_is_cut_and_marked)
{
    struct http_request req = request(NULL, "/teapot");
    struct http_response r;

    req.body_max = 5;
    ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
    ck_assert_str_eq(r.body, "short");
    ck_assert(r.truncated);
    http_response_release(&r);
}
END_TEST

START_TEST(a_request_too_large_for_the_server_is_refused)
{
    struct http_request req = request("POST", "/echo");
    struct http_response r;
    char body[2000];

    memset(body, 'x', sizeof body);
    req.body = body;
    req.body_len = sizeof body;
    ck_assert_int_eq(client->perform(client->self, &req, &r), 0);
    ck_assert_int_eq(r.status, 413);
    http_response_release(&r);
}
END_TEST

START_TEST(silence_ends_at_the_deadline)
{
    struct http_request req = request("POST", "/hang");
    struct http_response r;
    char want[256];

    req.timeout_ms = 100;
    ck_assert_int_eq(client->perform(client->self, &req, &r), -ETIMEDOUT);
    snprintf(want, sizeof want, "Post \"%s\": context deadline exceeded", url);
    ck_assert_str_eq(r.error, want);
    http_response_release(&r);
}
END_TEST

START_TEST(a_closed_port_is_refused_in_gos_words)
{
    struct http_request req = {.method = "POST", .url = "http://127.0.0.1:1/x"};
    struct http_response r;

    ck_assert_int_eq(client->perform(client->self, &req, &r), -ECONNREFUSED);
    ck_assert_str_eq(
        r.error,
        "Post \"http://127.0.0.1:1/x\": dial tcp 127.0.0.1:1: connect: connection refused");
    http_response_release(&r);
}
END_TEST

START_TEST(an_unknown_name_has_no_such_host)
{
    struct http_request req = {.url = "http://no-such-name.invalid/x"};
    struct http_response r;

    ck_assert_int_eq(client->perform(client->self, &req, &r), -EHOSTUNREACH);
    ck_assert_str_eq(r.error, "Get \"http://no-such-name.invalid/x\": dial tcp: lookup "
                              "no-such-name.invalid: no such host");
    http_response_release(&r);
}
END_TEST

START_TEST(only_http_is_spoken)
{
    static const char *const urls[][2] = {
        {"file:///etc/passwd", "Get \"file:///etc/passwd\": unsupported protocol scheme \"file\""},
        {"prometheus:9090", "Get \"prometheus:9090\": unsupported protocol scheme \"prometheus\""},
        {"prometheus", "Get \"prometheus\": unsupported protocol scheme \"\""},
    };

    for (size_t i = 0; i < 3; i++) {
        struct http_request req = {.url = urls[i][0]};
        struct http_response r;
        ck_assert_int_eq(client->perform(client->self, &req, &r), -EINVAL);
        ck_assert_str_eq(r.error, urls[i][1]);
        http_response_release(&r);
    }
}
END_TEST

START_TEST(a_header_cannot_smuggle_another)
{
    struct http_request req = request(NULL, "/teapot");
    struct http_header bad = {"X-A", "1\r\nX-B: 2"};
    struct http_response r;

    req.headers = &bad;
    req.header_count = 1;
    ck_assert_int_eq(client->perform(client->self, &req, &r), -EINVAL);
    http_response_release(&r);
}
END_TEST

START_TEST(a_guarded_client_does_not_reach_metadata_services)
{
    static const struct http_options guarded = {.reach = HTTP_REACH_NO_LINK_LOCAL};
    struct http_client *c = http_client_curl_new_with(&guarded);
    struct http_request req = {.url = "http://169.254.169.254/latest/meta-data",
                               .timeout_ms = 2000};
    struct http_response r;

    ck_assert_int_eq(c->perform(c->self, &req, &r), -EHOSTUNREACH);
    ck_assert_str_eq(
        r.error,
        "Get \"http://169.254.169.254/latest/meta-data\": dial tcp 169.254.169.254:80: refused: a "
        "link-local or metadata address");
    http_response_release(&r);
    req = request(NULL, "/teapot");
    ck_assert_int_eq(c->perform(c->self, &req, &r), 0);
    http_response_release(&r);
    http_client_curl_free(c);
}
END_TEST

/* However the address is written, whoever leads there, and whoever would go in our stead. */
static const struct guarded_case {
    const char *url, *proxy;
} guarded_cases[] = {
    {"http://169.254.169.254/", NULL},
    {"http://2852039166/", NULL},
    {"http://0xa9.0xfe.0xa9.0xfe/", NULL},
    {"http://169.254.43518/", NULL},
    {"http://[::ffff:169.254.169.254]/", NULL},
    {"http://[::ffff:a9fe:a9fe]/", NULL},
    {"http://[fe80::1]/", NULL},
    {"http://[fd00:ec2::254]/", NULL},
    {"/to-metadata", NULL},
    {"http://169.254.169.254/", "http://127.0.0.1:9"},
    {"http://2852039166/", "http://127.0.0.1:9"},
    {"http://[fe80::1]/", "http://127.0.0.1:9"},
};

START_TEST(no_way_leads_to_a_metadata_service)
{
    const struct guarded_case *g = &guarded_cases[_i];
    struct http_options options = {.reach = HTTP_REACH_NO_LINK_LOCAL, .http_proxy = g->proxy};
    struct http_client *c = http_client_curl_new_with(&options);
    struct http_request req = request(NULL, g->url[0] == '/' ? g->url : "/");
    struct http_response r;

    if (g->url[0] != '/')
        req.url = g->url;
    req.follow_redirects = true;
    req.timeout_ms = 5000;
    ck_assert_int_eq(c->perform(c->self, &req, &r), -EHOSTUNREACH);
    ck_assert_msg(strstr(r.error, "refused: a link-local or metadata address") != NULL, "%s: %s",
                  g->url, r.error);
    http_response_release(&r);
    http_client_curl_free(c);
}
END_TEST

static bool gather(void *ctx, const char *bytes, size_t len)
{
    char *out = ctx;

    strncat(out, bytes, len);
    return true;
}

static bool only_first(void *ctx, const char *bytes, size_t len)
{
    gather(ctx, bytes, len);
    return false;
}

START_TEST(a_stream_arrives_whole_and_other_answers_are_collected)
{
    struct http_request req = request(NULL, "/stream");
    struct http_response r;
    char got[64] = "";

    ck_assert_int_eq(client->stream(client->self, &req, gather, got, &r), 0);
    ck_assert_int_eq(r.status, 200);
    ck_assert_str_eq(got, "one,two");
    http_response_release(&r);
    req = request(NULL, "/teapot");
    got[0] = '\0';
    ck_assert_int_eq(client->stream(client->self, &req, gather, got, &r), 0);
    ck_assert_str_eq(r.body, "short and stout");
    ck_assert_str_eq(got, "");
    http_response_release(&r);
    req = request(NULL, "/stream");
    ck_assert_int_eq(client->stream(client->self, &req, only_first, got, &r), 0);
    ck_assert(strncmp(got, "one,", 4) == 0);
    http_response_release(&r);
}
END_TEST

/* Read what one TLS record or one plain request takes: left unread, it would turn the close into a
 * reset, which may overtake the answer. */
static void read_greeting(int peer)
{
    unsigned char bytes[2048];
    size_t got = 0, want = 1;

    while (got < want) {
        ssize_t n = read(peer, bytes + got, sizeof bytes - got);
        if (n <= 0)
            return;
        got += (size_t)n;
        if (bytes[0] == 22) /* a handshake: a header of five bytes that ends with the length */
            want = got < 5 ? 5 : 5 + (size_t)(bytes[3] << 8 | bytes[4]);
        if (want > sizeof bytes)
            return;
    }
}

/* A server for one connection, of any protocol: it reads, says `answer`, and hangs up. */
static uint16_t answer_once(const char *answer)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    if (fork() == 0) {
        int peer = accept(fd, NULL, NULL);
        char rest[64];
        read_greeting(peer);
        if (write(peer, answer, strlen(answer)) < 0)
            _exit(1);
        shutdown(peer, SHUT_WR);
        while (read(peer, rest, sizeof rest) > 0)
            ;
        _exit(0);
    }
    close(fd);
    return ntohs(a.sin_port);
}

START_TEST(a_closed_connection_is_eof)
{
    struct http_request req = {.url = url};
    struct http_response r;
    char want[160];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/x", answer_once(""));
    ck_assert_int_eq(client->perform(client->self, &req, &r), -ECONNRESET);
    snprintf(want, sizeof want, "Get \"%s\": EOF", url);
    ck_assert_str_eq(r.error, want);
    http_response_release(&r);
}
END_TEST

/* ---- TLS
 * ------------------------------------------------------------------------------------------------
 */

static const struct tls_case {
    const char *name, *san;
    bool expired, give_ca, insecure;
    const char *server_name;
    int want;
    const char *want_text; /* in the error */
} tls_cases[] = {
    {"trusted", "IP:127.0.0.1", false, true, false, NULL, 0, NULL},
    {"unknown authority", "IP:127.0.0.1", false, false, false, NULL, -EPROTO,
     "tls: failed to verify certificate: x509: certificate signed by unknown authority"},
    {"another name", "DNS:elsewhere", false, true, false, NULL, -EPROTO,
     "tls: failed to verify certificate: "},
    {"another name, asked for", "DNS:elsewhere", false, true, false, "elsewhere", 0, NULL},
    {"expired", "IP:127.0.0.1", true, true, false, NULL, -EPROTO,
     "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"},
    {"insecure", "DNS:elsewhere", true, false, true, NULL, 0, NULL},
};

START_TEST(a_server_is_verified)
{
    const struct tls_case *c = &tls_cases[_i];
    struct certificates certs = certificates_make(c->san, c->expired);
    struct http_tls tls = {.ca_pem = c->give_ca ? certs.ca : NULL,
                           .insecure = c->insecure,
                           .server_name = c->server_name};
    struct http_request req = {.url = url, .tls = &tls, .timeout_ms = 60000};
    struct http_response r;
    int got;

    start(&certs, NULL);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/teapot", server_port(server));
    got = client->perform(client->self, &req, &r);
    ck_assert_msg(got == c->want, "%s: got %d: %s", c->name, got, r.error);
    if (c->want_text)
        ck_assert_msg(strstr(r.error, c->want_text) != NULL, "%s: %s", c->name, r.error);
    http_response_release(&r);
    certificates_release(&certs);
    stop();
}
END_TEST

START_TEST(plain_http_on_a_tls_url_is_named)
{
    struct http_request req = {.url = url};
    struct http_response r;
    char want[200];

    snprintf(url, sizeof url, "https://127.0.0.1:%u/",
             answer_once("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
    ck_assert_int_eq(client->perform(client->self, &req, &r), -EPROTO);
    snprintf(want, sizeof want, "Get \"%s\": http: server gave HTTP response to HTTPS client", url);
    ck_assert_str_eq(r.error, want);
    http_response_release(&r);
}
END_TEST

START_TEST(a_filled_response_owns_copies)
{
    struct http_header h[] = {{"A", "1"}, {"B", "2"}};
    struct http_response r;

    ck_assert_int_eq(http_response_fill(&r, 201, h, 2, "body", 4), 0);
    ck_assert_str_eq(http_response_header(&r, "b"), "2");
    ck_assert_str_eq(r.body, "body");
    http_response_release(&r);
    ck_assert_int_eq(http_response_fill(&r, 204, NULL, 0, NULL, 0), 0);
    ck_assert_str_eq(r.body, "");
    ck_assert_ptr_null(http_response_header(&r, "b"));
    http_response_release(&r);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
    Suite *s = suite_create("http");
    TCase *pure = tcase_create("pure"), *served = tcase_create("served"),
          *tls = tcase_create("tls");
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, pure);
    tcase_add_loop_test(pure, errors_are_worded_as_go_words_them, 0, COUNT(text_cases));
    tcase_add_test(pure, a_long_error_is_cut_and_terminated);
    tcase_add_loop_test(pure, metadata_addresses_are_told_from_others, 0, COUNT(address_cases));
    tcase_add_test(pure, a_filled_response_owns_copies);
    suite_add_tcase(s, served);
    tcase_add_checked_fixture(served, start_plain, stop);
    tcase_add_test(served, an_answer_has_status_headers_and_body);
    tcase_add_test(served, a_body_is_sent_with_its_method_and_type);
    tcase_add_test(served, one_client_serves_many_methods_in_turn);
    tcase_add_test(served, redirects_are_followed_only_when_asked);
    tcase_add_test(served, a_redirect_to_another_protocol_is_refused);
    tcase_add_loop_test(served, no_way_leads_to_a_metadata_service, 0,
                        sizeof guarded_cases / sizeof *guarded_cases);
    tcase_add_test(served, an_argument_is_decoded_and_absent_differs_from_empty);
    tcase_add_test(served, a_body_over_the_limit_is_cut_and_marked);
    tcase_add_test(served, a_request_too_large_for_the_server_is_refused);
    tcase_add_test(served, silence_ends_at_the_deadline);
    tcase_add_test(served, a_closed_port_is_refused_in_gos_words);
    tcase_add_test(served, an_unknown_name_has_no_such_host);
    tcase_add_test(served, only_http_is_spoken);
    tcase_add_test(served, a_header_cannot_smuggle_another);
    tcase_add_test(served, a_guarded_client_does_not_reach_metadata_services);
    tcase_add_test(served, a_stream_arrives_whole_and_other_answers_are_collected);
    tcase_add_test(served, a_closed_connection_is_eof);
    tcase_add_test(served, plain_http_on_a_tls_url_is_named);
    suite_add_tcase(s, tls);
    tcase_add_loop_test(tls, a_server_is_verified, 0, COUNT(tls_cases));
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
