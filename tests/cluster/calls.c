/*
 * tests/cluster/calls.c — one list of API calls, made against a server, written down as one line
 * per call.
 *
 *   calls CALLS.jsonl sim                   the simulated API, in virtual time
 *   calls CALLS.jsonl URL TOKEN CA-FILE     a real one
 *
 * The lines hold what must be equal on both: status, reason, generation, message, the fields a call
 * names, and the events of a watch in order. tests/cluster/calls.md describes the list.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/clock.h"
#include "adapters/base/json.h"
#include "adapters/http/http.h"
#include "adapters/manifest/node.h"
#include "sim/kube/api.h"

struct variable {
    char *name, *value;
};

struct runner {
    struct simkube *sim; /* or NULL */
    int64_t now_ms;
    struct http_client *http;
    const char *url, *token, *ca;
    struct variable variables[64];
    size_t variable_count;
};

struct reply {
    int status;
    struct strbuf body;
};

/* ---- text with ${variables}
 * ------------------------------------------------------------------------ */

static const char *variable(const struct runner *r, const char *name, size_t len)
{
    for (size_t i = r->variable_count; i-- > 0;) {
        if (strlen(r->variables[i].name) == len && strncmp(r->variables[i].name, name, len) == 0)
            return r->variables[i].value;
    }
    return "";
}

static char *expand(const struct runner *r, const char *s)
{
    struct strbuf b = STRBUF_INIT;

    for (; s && *s; s++) {
        const char *close = s[0] == '$' && s[1] == '{' ? strchr(s, '}') : NULL;

        if (!close) {
            strbuf_addc(&b, *s);
            continue;
        }
        strbuf_adds(&b, variable(r, s + 2, (size_t)(close - s - 2)));
        s = close;
    }
    strbuf_adds(&b, "");
    return strbuf_detach(&b);
}

/* The other way: what differs from run to run is printed by its name. */
static void print_masked(const struct runner *r, const char *s)
{
    while (*s) {
        size_t i;

        for (i = 0; i < r->variable_count; i++) {
            size_t len = strlen(r->variables[i].value);

            if (len > 8 && strncmp(s, r->variables[i].value, len) == 0) {
                printf("${%s}", r->variables[i].name);
                s += len;
                break;
            }
        }
        if (i == r->variable_count)
            putchar(*s++);
    }
}

static const cJSON *field(const cJSON *v, const char *path)
{
    char name[128];

    while (v && *path) {
        size_t len = strcspn(path, "/");

        snprintf(name, sizeof(name), "%.*s", (int)len, path);
        v = cJSON_IsArray(v) ? cJSON_GetArrayItem(v, atoi(name)) : json_get(v, name);
        path += len + (path[len] == '/');
    }
    return v;
}

static void save(struct runner *r, const cJSON *call, const cJSON *answer)
{
    const cJSON *s;

    cJSON_ArrayForEach(s, json_get(call, "save"))
    {
        const cJSON *v = field(answer, s->valuestring);

        if (r->variable_count == 64)
            return;
        r->variables[r->variable_count].name = strdup(s->string);
        r->variables[r->variable_count++].value = strdup(cJSON_IsString(v) ? v->valuestring : "");
    }
}

/* ---- making a call
 * -------------------------------------------------------------------------------------- */

static void call_sim(struct runner *r, const cJSON *call, const char *path, const char *body,
                     struct reply *out)
{
    struct simkube_request req = {.user = json_str_or(call, "user", "admin"),
                                  .method = json_str_or(call, "method", "GET"),
                                  .target = path,
                                  .accept = json_str(call, "accept"),
                                  .content_type = json_str(call, "type"),
                                  .body = body,
                                  .body_len = body ? strlen(body) : 0};
    struct simkube_reply reply;

    simkube_call(r->sim, ++r->now_ms, &req, &reply);
    out->status = reply.status;
    strbuf_add(&out->body, strbuf_str(&reply.body), reply.body.len);
    while (reply.watch && simkube_watch_read(r->sim, r->now_ms, reply.watch, &out->body))
        r->now_ms += 500;
    simkube_watch_close(r->sim, reply.watch);
    simkube_reply_release(&reply);
}

static void call_real(struct runner *r, const cJSON *call, const char *path, const char *body,
                      struct reply *out)
{
    struct http_header headers[5];
    struct http_tls tls = {.ca_file = r->ca};
    struct http_request req = {.method = json_str_or(call, "method", "GET"),
                               .headers = headers,
                               .tls = &tls,
                               .timeout_ms = 60000};
    struct http_response response = {0};
    struct strbuf url = STRBUF_INIT, bearer = STRBUF_INIT;
    const char *user = json_str_or(call, "user", "admin");

    strbuf_addf(&url, "%s%s", r->url, path);
    strbuf_addf(&bearer, "Bearer %s", r->token);
    req.url = strbuf_str(&url);
    req.body = body;
    req.body_len = body ? strlen(body) : 0;
    headers[req.header_count++] = (struct http_header){"Authorization", strbuf_str(&bearer)};
    headers[req.header_count++] =
        (struct http_header){"Accept", json_str_or(call, "accept", "application/json")};
    headers[req.header_count++] =
        (struct http_header){"Content-Type", json_str_or(call, "type", "application/json")};
    if (strcmp(user, "admin") != 0)
        headers[req.header_count++] = (struct http_header){"Impersonate-User", user};
    if (r->http->perform(r->http->self, &req, &response) == 0)
        strbuf_add(&out->body, response.body, response.body_len);
    else
        strbuf_adds(&out->body, response.error);
    out->status = response.status;
    http_response_release(&response);
    strbuf_release(&url);
    strbuf_release(&bearer);
}

/* The first document of a YAML file, as JSON. */
static char *read_yaml(const char *path)
{
    struct arena *arena = arena_new(0);
    struct documents docs = {0};
    struct diags diags;
    const char *text;
    size_t len;
    char *out = NULL;

    diags_init(&diags, arena);
    if (file_read(arena, path, 0, &text, &len) == 0 &&
        node_parse_all(arena, &diags, path, text, len, NULL, &docs) == 0 && docs.count > 0) {
        cJSON *v = node_to_json(docs.items[0].root);

        out = json_print(v);
        json_free(v);
    }
    diags_release(&diags);
    arena_free(arena);
    return out;
}

static void make_call(struct runner *r, const cJSON *call, struct reply *out)
{
    const cJSON *b = json_get(call, "body");
    char *path = expand(r, json_str_or(call, "path", "/"));
    char *raw = json_str(call, "file")
                    ? read_yaml(json_str(call, "file"))
                    : (b ? (cJSON_IsString(b) ? strdup(b->valuestring) : json_print(b)) : NULL);
    char *body = raw ? expand(r, raw) : NULL;

    memset(out, 0, sizeof(*out));
    if (r->sim)
        call_sim(r, call, path, body, out);
    else
        call_real(r, call, path, body, out);
    free(raw);
    free(body);
    free(path);
}

static void wait_a_little(struct runner *r)
{
    if (r->sim)
        simkube_advance(r->sim, r->now_ms += 200);
    else
        clock_real()->sleep_ms(clock_real()->self, 200);
}

/* ---- writing it down
 * -------------------------------------------------------------------------------------- */

static void print_fields(struct runner *r, const cJSON *call, const cJSON *answer)
{
    const cJSON *f;

    cJSON_ArrayForEach(f, json_get(call, "fields"))
    {
        const cJSON *v = field(answer, f->valuestring);
        char *text = v ? json_print_sorted(v) : NULL;

        printf("\t%s=", f->valuestring);
        print_masked(r, text ? text : "(none)");
        free(text);
    }
}

static void print_events(const struct strbuf *body)
{
    char *copy = strdup(strbuf_str(body)), *save_at = NULL;
    char sep = '\t';

    for (char *line = strtok_r(copy, "\n", &save_at); line; line = strtok_r(NULL, "\n", &save_at)) {
        cJSON *e = json_parse(line, strlen(line), NULL);
        const cJSON *object = json_get(e, "object"), *meta = json_get(object, "metadata");

        if (strcmp(json_str_or(e, "type", ""), "ERROR") == 0)
            printf("%cERROR:%s", sep, json_str_or(object, "reason", ""));
        else
            printf("%c%s:%s:%lld", sep, json_str_or(e, "type", "?"), json_str_or(meta, "name", ""),
                   (long long)json_int(meta, "generation", 0));
        sep = ' ';
        json_free(e);
    }
    free(copy);
}

static void print_call(struct runner *r, const cJSON *call, const struct reply *reply,
                       const cJSON *answer)
{
    const char *message = json_str(answer, "message"), *reason = json_str_or(answer, "reason", "-");

    if (reply->status < 400 && !json_get(answer, "code"))
        reason = "-";
    printf("%s\t%d\t%s\t%lld", json_str_or(call, "id", "?"), reply->status, reason,
           (long long)json_int(json_get(answer, "metadata"), "generation", 0));
    if (reply->status == 200 && strstr(json_str_or(call, "path", ""), "watch=")) {
        print_events(&reply->body);
    } else {
        if (reply->status >= 400 && message && !json_get(call, "differs")) {
            putchar('\t');
            print_masked(r, message);
        }
        print_fields(r, call, answer);
    }
    putchar('\n');
}

/* Repeat a GET until a field has a value; nothing is written down. */
static int settle(struct runner *r, const cJSON *call)
{
    const char *path = json_str_or(call, "field", "");
    const cJSON *want = json_get(call, "until");

    for (int i = 0; i < 200; i++) {
        struct reply reply;
        cJSON *answer;
        const cJSON *v;
        bool there;

        make_call(r, call, &reply);
        answer = json_parse(strbuf_str(&reply.body), reply.body.len, NULL);
        v = field(answer, path);
        there = cJSON_IsNull(want) ? !v : v && json_equal(v, want);
        if (there)
            save(r, call, answer);
        json_free(answer);
        strbuf_release(&reply.body);
        if (there)
            return 0;
        wait_a_little(r);
    }
    fprintf(stderr, "calls: %s never settled\n", json_str_or(call, "id", "?"));
    return 1;
}

static int run_line(struct runner *r, const char *line)
{
    cJSON *call = json_parse(line, strlen(line), NULL), *answer;
    struct reply reply;
    int rc = 0;

    if (!call) {
        fprintf(stderr, "calls: not JSON: %s\n", line);
        return 2;
    }
    if (json_get(call, "until")) {
        rc = settle(r, call);
    } else {
        make_call(r, call, &reply);
        answer = json_parse(strbuf_str(&reply.body), reply.body.len, NULL);
        save(r, call, answer);
        if (!json_bool(call, "quiet", false))
            print_call(r, call, &reply, answer);
        json_free(answer);
        strbuf_release(&reply.body);
    }
    json_free(call);
    return rc;
}

int main(int argc, char **argv)
{
    struct simkube_config config = {.seed = 1, .start_ms = 1767225600000, .hpa_interval_ms = 2000};
    struct runner r = {.now_ms = config.start_ms};
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int rc = 0;
    FILE *f = argc >= 3 ? fopen(argv[1], "r") : NULL;

    if (!f || (argc != 3 && argc != 5)) {
        fputs("usage: calls CALLS.jsonl sim | calls CALLS.jsonl URL TOKEN CA-FILE\n", stderr);
        return 2;
    }
    if (argc == 3) {
        r.sim = simkube_new(&config);
        simkube_advance(r.sim, r.now_ms += 1000);
    } else {
        r.url = argv[2];
        r.token = argv[3];
        r.ca = argv[4];
        r.http = http_client_curl_new();
    }
    while (rc == 0 && (len = getline(&line, &cap, f)) > 0) {
        if (line[0] != '#' && line[0] != '\n')
            rc = run_line(&r, line);
    }
    free(line);
    fclose(f);
    for (size_t i = 0; i < r.variable_count; i++) {
        free(r.variables[i].name);
        free(r.variables[i].value);
    }
    simkube_free(r.sim);
    if (r.http)
        http_client_curl_free(r.http);
    return rc;
}
