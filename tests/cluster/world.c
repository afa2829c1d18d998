/*
 * The world around a recorded release: a Prometheus that answers 50 to queries naming a `-bad` case
 * and 100 to the others, and hooks that always say yes. Each call is appended to LOG, one JSON
 * object a line.
 *
 *     world LOG HOOK_PORT PROMETHEUS_PORT      runs until it is killed
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "adapters/base/strbuf.h"
#include "adapters/http/server.h"

static FILE *log_file;

static void say(const char *kind, const char *text, size_t len, bool json)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_addf(&b, "{\"%s\":", kind);
    if (json)
        strbuf_add(&b, text, len);
    else
        strbuf_add_json(&b, text, len);
    strbuf_adds(&b, "}\n");
    fwrite(b.data, 1, b.len, log_file);
    fflush(log_file);
    strbuf_release(&b);
}

static void on_hook(void *ctx, struct server_call *call)
{
    size_t len;
    const char *body = call_body(call, &len);

    (void)ctx;
    say("hook", len ? body : "null", len ? len : 4, true);
    call_answer(call, 200, "text/plain", "", 0);
}

/* Queries come in the URL, or in the form of a POST. */
static void on_query(void *ctx, struct server_call *call)
{
    const char *query = call_query(call, "query");
    struct strbuf b = STRBUF_INIT;
    const char *value;

    (void)ctx;
    query = query ? query : "";
    value = strcmp(query, "vector(1)") == 0 ? "1" : strstr(query, "-bad") ? "50" : "100";
    if (strcmp(query, "vector(1)") != 0)
        say("query", query, strlen(query), false);
    strbuf_addf(&b,
                "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{"
                "\"metric\":{},\"value\":[1700000000,\"%s\"]}]}}",
                value);
    call_answer(call, 200, "application/json", strbuf_str(&b), b.len);
    strbuf_release(&b);
}

int main(int argc, char **argv)
{
    struct server_options hooks = {.address = "127.0.0.1", .handler = on_hook},
                          queries = {.address = "127.0.0.1", .handler = on_query};
    struct server *a, *b;
    sigset_t stop;
    int got;

    if (argc != 4 || (log_file = fopen(argv[1], "w")) == NULL)
        return 2;
    hooks.port = (uint16_t)strtoul(argv[2], NULL, 10);
    queries.port = (uint16_t)strtoul(argv[3], NULL, 10);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    if (server_start_thread(&hooks, &a) != 0 || server_start_thread(&queries, &b) != 0)
        return 1;
    sigwait(&stop, &got);
    server_stop(a);
    server_stop(b);
    fclose(log_file);
    return 0;
}
