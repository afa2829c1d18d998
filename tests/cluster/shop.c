/*
 * tests/cluster/shop.c — one web server that stands for every pod. Each answer is counted for the
 * one who gave it, and /metrics tells Prometheus the counts.
 *
 *     shop ADDRESS PORT      runs until it is killed; port 0 = any; prints the port
 *
 * Who answers follows from the connection: if the client called an address other than 127.0.0.1,
 * the pod with that address (as simulated pods have addresses of their own), and its /metrics holds
 * its own counts only, without labels for the pod. On 127.0.0.1, a GET of /NAMESPACE/WORKLOAD is
 * answered by that workload, and /metrics holds the counts of all, labelled as Istio and as pods.
 * PUT /WHO?errors=PERCENT on 127.0.0.1: WHO (an address, or NAMESPACE/WORKLOAD) answers 500 to that
 * share of its requests from now on, evenly spread.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "adapters/base/strbuf.h"

struct party {
    char *name; /* "10.128.0.7" or "ns/workload" */
    unsigned long errors_percent, asked, good, bad;
};

static struct party *parties;
static size_t party_count;

static struct party *party(const char *name)
{
    for (size_t i = 0; i < party_count; i++) {
        if (strcmp(parties[i].name, name) == 0)
            return &parties[i];
    }
    parties = realloc(parties, (party_count + 1) * sizeof(*parties));
    if (parties == NULL)
        abort();
    parties[party_count] = (struct party){.name = strdup(name)};
    return &parties[party_count++];
}

/* Of n requests, floor(n * percent / 100) fail, whatever n is. */
static bool serve(struct party *p)
{
    unsigned long before = p->asked * p->errors_percent / 100;
    bool fails;

    p->asked++;
    fails = p->asked * p->errors_percent / 100 > before;
    if (fails)
        p->bad++;
    else
        p->good++;
    return !fails;
}

/* All answers take 4 ms, the histograms say. */
static void add_histogram(struct strbuf *b, const char *name, const char *labels, const char *le,
                          unsigned long count)
{
    strbuf_addf(b, "%s_bucket{%s,le=\"%s\"} %lu\n", name, labels, le, count);
    strbuf_addf(b, "%s_bucket{%s,le=\"+Inf\"} %lu\n", name, labels, count);
    strbuf_addf(b, "%s_sum{%s} %g\n", name, labels, (double)count * 0.004);
    strbuf_addf(b, "%s_count{%s} %lu\n", name, labels, count);
}

static void add_counts(struct strbuf *b, const struct party *p, bool as_pod)
{
    const struct {
        int status;
        unsigned long count;
    } rows[] = {{200, p->good}, {500, p->bad}};
    const char *slash = strchr(p->name, '/');
    struct strbuf labels = STRBUF_INIT;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int ns_len = slash ? (int)(slash - p->name) : 0;

        strbuf_clear(&labels);
        strbuf_addf(&labels, "status=\"%d\"", rows[i].status);
        if (!as_pod && slash)
            strbuf_addf(&labels,
                        ",kubernetes_namespace=\"%.*s\",kubernetes_pod_name=\"%s-5f4d7c9b8-abcde\"",
                        ns_len, p->name, slash + 1);
        add_histogram(b, "http_request_duration_seconds", strbuf_str(&labels), "0.005",
                      rows[i].count);
        if (as_pod || !slash)
            continue;
        strbuf_clear(&labels);
        strbuf_addf(&labels,
                    "reporter=\"destination\",destination_workload_namespace=\"%.*s\",destination_"
                    "workload=\"%s\",response_code=\"%d\"",
                    ns_len, p->name, slash + 1, rows[i].status);
        strbuf_addf(b, "istio_requests_total{%s} %lu\n", strbuf_str(&labels), rows[i].count);
        add_histogram(b, "istio_request_duration_milliseconds", strbuf_str(&labels), "5",
                      rows[i].count);
    }
    strbuf_release(&labels);
}

static void local_address(struct MHD_Connection *connection, char *buf, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct sockaddr_in address = {0};
    socklen_t len = sizeof(address);

    if (info == NULL || getsockname(info->connect_fd, (struct sockaddr *)&address, &len) != 0 ||
        inet_ntop(AF_INET, &address.sin_addr, buf, (socklen_t)size) == NULL)
        snprintf(buf, size, "127.0.0.1");
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              const struct strbuf *body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body->len, (void *)(size_t)strbuf_str(body), MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    MHD_add_response_header(response, "Content-Type", "text/plain");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_len, void **state)
{
    struct strbuf b = STRBUF_INIT;
    char address[INET_ADDRSTRLEN];
    unsigned status = 200;
    enum MHD_Result result;
    bool is_pod;

    (void)ctx, (void)version, (void)body;
    if (*state == NULL) { /* the headers: the body is yet to come */
        *state = parties ? (void *)parties : (void *)&parties;
        return MHD_YES;
    }
    if (*body_len > 0) {
        *body_len = 0;
        return MHD_YES;
    }
    local_address(connection, address, sizeof(address));
    is_pod = strncmp(address, "127.", 4) != 0;
    if (strcmp(method, "PUT") == 0) {
        const char *errors = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND,
                                                         "errors");

        party(path + 1)->errors_percent = errors ? strtoul(errors, NULL, 10) : 0;
    } else if (strcmp(path, "/metrics") == 0) {
        if (is_pod)
            add_counts(&b, party(address), true);
        for (size_t i = 0; !is_pod && i < party_count; i++)
            add_counts(&b, &parties[i], false);
    } else {
        status = serve(party(is_pod ? address : path + 1)) ? 200 : 500;
        strbuf_addf(&b, "%s\n", status == 200 ? "welcome" : "sorry");
    }
    result = answer(connection, status, &b);
    strbuf_release(&b);
    return result;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct MHD_Daemon *server;
    sigset_t stop;
    int got;

    if (argc != 3 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1)
        return 2;
    address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    /* one thread: the table needs no lock */
    server = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL,
                              on_request, NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    if (server == NULL) {
        perror("shop");
        return 4;
    }
    printf("%u\n", MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    sigwait(&stop, &got);
    MHD_stop_daemon(server);
    for (size_t i = 0; i < party_count; i++)
        free(parties[i].name);
    free(parties);
    return 0;
}
