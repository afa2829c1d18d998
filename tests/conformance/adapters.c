/*
 * tests/conformance/adapters.c — holds the adapters against recorded behaviour of Flagger 1.44.
 *
 *     build/conformance-adapters DIR_OR_FILE...
 *
 * Reads *.jsonl (also .jsonl.gz); each line is told by its keys: built-in queries, query templates,
 * metric providers, notifications. Other lines are left alone. Prints the first difference of each
 * failing case, then `N passed, M failed`; exit status 0 only if none failed and some were seen.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "adapters/base/arena.h"
#include "adapters/base/json.h"
#include "adapters/http/http.h"
#include "adapters/metrics/builtin.h"
#include "adapters/metrics/provider.h"
#include "adapters/metrics/template.h"
#include "adapters/metrics/url.h"
#include "adapters/notify/notify.h"
#include "engine/text.h"

#define NOW_MS 1700000000123

struct run {
    struct arena *arena;
    const char *file;
    unsigned line;
    unsigned passed, failed, unknown;
    bool case_failed;
};

static void differ(struct run *r, const char *what, const char *want, const char *got)
{
    if (!r->case_failed)
        printf("%s:%u: %s\n  expected: %s\n  actual:   %s\n", r->file, r->line, what,
               want ? want : "(none)", got ? got : "(none)");
    r->case_failed = true;
}

static void same(struct run *r, const char *what, const char *want, const char *got)
{
    if (!want != !got || (want && strcmp(want, got) != 0))
        differ(r, what, want, got);
}

static void same_json(struct run *r, const char *what, const cJSON *want, const cJSON *got)
{
    char *a, *b;

    if (json_equal(want, got))
        return;
    a = json_print_sorted(want);
    b = json_print_sorted(got);
    differ(r, what, a, b);
    free(a);
    free(b);
}

static const char *float_text(struct run *r, double value)
{
    char buf[64];
    struct text t;

    text_init(&t, buf, sizeof buf);
    text_add_float(&t, value);
    return arena_strdup(r->arena, buf);
}

/* ---- queries ----------------------------------------------------- */

static const struct metric_variable variables[] = {{"zone", "eu"}, {"rack", "7"}};

static struct metric_model model(const char *interval)
{
    return (struct metric_model){"web", "prod",   "podinfo", "frontend", "ing",
                                 "rt",  interval, variables, 2};
}

/* Blanks at both ends do not count: the record folds them. */
static const char *trimmed(struct run *r, const char *s)
{
    size_t len;

    s += strspn(s, " ");
    for (len = strlen(s); len > 0 && s[len - 1] == ' ';)
        len--;
    return arena_strndup(r->arena, s, len);
}

static void check_builtin(struct run *r, const cJSON *c)
{
    const struct builtin *b = builtin_find(json_str_or(c, "provider", ""), BUILTIN_AS_FLAGGER);
    struct metric_model m = model(json_str(c, "interval"));
    double answer = json_get(c, "answer")->valuedouble;
    const char *text, *why = NULL;

    m.ingress = "web-ingress";
    m.route = "web-route";
    m.variable_count = 0;
    for (int duration = 0; duration < 2; duration++) {
        const char *key = duration ? "durationQuery" : "rateQuery";

        if (builtin_render(b, duration, &m, r->arena, &text, &why) != 0)
            differ(r, key, json_str(c, key), why);
        else
            same(r, key, trimmed(r, json_str_or(c, key, "")), trimmed(r, text));
    }
    same(r, "rate", float_text(r, json_get(c, "rate")->valuedouble), float_text(r, answer));
    if (builtin_duration_ms(b, answer) != json_int(c, "durationMs", -1))
        differ(r, "durationMs",
               arena_printf(r->arena, "%lld", (long long)json_int(c, "durationMs", -1)),
               arena_printf(r->arena, "%lld", (long long)builtin_duration_ms(b, answer)));
}

static void check_template(struct run *r, const cJSON *c)
{
    const char *text = json_str_or(c, "template", ""), *want = json_str(c, "out"),
               *error = json_str(c, "error");
    struct metric_model m = model("1m");
    struct template_error e;
    struct strbuf out = STRBUF_INIT;
    struct template *t = template_parse(r->arena, text, strlen(text), &e);
    int rc = t ? template_render(t, &m, r->arena, &out, &e) : -1;

    /* refused as outside the subset, and located, is right as well; rendered differently never is
     */
    if (rc == 0)
        same(r, text, want ? want : error, strbuf_str(&out));
    else if (!e.unsupported)
        same(r, text, error ? error : want, e.text);
    else if (e.line == 0 || e.col == 0)
        differ(r, text, error ? error : want, e.text);
    strbuf_release(&out);
}

/* ---- requests ---------------------------------------------------- */

/* "now-600" is 600 s before now; "nowms-600" the same with milliseconds, of the whole second. */
static const char *relative_time(struct run *r, const char *want, const char *got)
{
    long long at = strtoll(got, NULL, 10);

    if (want && strncmp(want, "now-", 4) == 0)
        return arena_printf(r->arena, "now-%lld", (long long)NOW_MS / 1000 - at);
    if (want && strncmp(want, "nowms-", 6) == 0)
        return arena_printf(r->arena, "nowms-%lld", (long long)NOW_MS / 1000 * 1000 - at);
    return got;
}

static void add_value(cJSON *obj, const char *key, const char *value)
{
    cJSON *there = json_get(obj, key);

    if (!there) {
        json_set_str(obj, key, value);
        return;
    }
    if (!cJSON_IsArray(there)) {
        cJSON *list = cJSON_CreateArray();

        cJSON_AddItemToArray(list, cJSON_CreateString(there->valuestring));
        cJSON_AddItemToArray(list, cJSON_CreateString(value));
        json_set(obj, key, list);
    } else {
        cJSON_AddItemToArray(there, cJSON_CreateString(value));
    }
}

/* A request in the form of the record. */
static cJSON *request_json(struct run *r, const struct http_request *req, const cJSON *want)
{
    cJSON *obj = cJSON_CreateObject(), *headers = cJSON_CreateObject(),
          *pairs = cJSON_CreateObject();
    struct url_query q;
    const char *why;
    struct url u;

    json_set_str(obj, "method", req->method);
    if (url_parse(r->arena, req->url, &u, &why) != 0) {
        json_set_str(obj, "url", why);
        cJSON_Delete(headers);
        cJSON_Delete(pairs);
        return obj;
    }
    json_set_str(obj, "path", u.path);
    url_query_parse(r->arena, u.query, &q);
    for (size_t i = 0; i < q.count; i++)
        add_value(
            pairs, q.items[i].key,
            relative_time(r, json_str(json_get(want, "query"), q.items[i].key), q.items[i].value));
    for (size_t i = 0; i < req->header_count; i++)
        add_value(headers, req->headers[i].name, req->headers[i].value);
    if (q.count || json_get(want, "query"))
        json_set(obj, "query", pairs);
    else
        cJSON_Delete(pairs);
    if (req->header_count || json_get(want, "headers"))
        json_set(obj, "headers", headers);
    else
        cJSON_Delete(headers);
    if (req->body)
        json_set(obj, "body", json_parse(req->body, req->body_len, NULL));
    return obj;
}

static void same_request(struct run *r, const char *what, const cJSON *want,
                         const struct http_request *req)
{
    cJSON *got = request_json(r, req, want);

    same_json(r, what, want, got);
    json_free(got);
}

/* ---- metric providers -------------------------------------------- */

static size_t read_pairs(struct run *r, const cJSON *obj, struct metric_secret *out, size_t max)
{
    size_t n = 0;

    for (const cJSON *m = obj ? obj->child : NULL; m && n < max; m = m->next) {
        const char *value = cJSON_IsArray(m) && m->child ? m->child->valuestring : m->valuestring;

        out[n++] = (struct metric_secret){m->string, value ? value : arena_strdup(r->arena, "")};
    }
    return n;
}

static void check_online(struct run *r, const struct metric_provider *p, const cJSON *online,
                         const struct http_response *answer)
{
    struct http_request req;
    const char *why = NULL;

    if (metric_provider_online_request(p, NOW_MS, r->arena, &req, &why) == 0) {
        same_request(r, "online request", json_get(online, "request"), &req);
        why = metric_provider_online_answer(p, answer, r->arena);
    }
    same(r, "online error", json_str(online, "error"), why);
}

static void check_provider(struct run *r, const cJSON *c)
{
    const cJSON *reply = json_get(c, "answer"), *secret = json_get(c, "secret");
    struct metric_secret secrets[16], headers[16];
    struct http_header sent[16];
    struct metric_provider_spec spec = {
        .type = json_str(c, "type"),
        .address = json_str(c, "address"),
        .region = json_str(c, "region"),
        .insecure_skip_verify = json_bool(c, "insecureSkipVerify", false),
        .interval = json_str(c, "interval"),
        .has_secret = secret && !cJSON_IsNull(secret),
        .secret = secrets,
        .headers = sent,
    };
    struct http_response answer = {.status = (int)json_int(reply, "status", 200)};
    struct http_request req;
    struct metric_answer a;
    struct metric_provider *p;
    const char *why = NULL;

    spec.secret_count = read_pairs(r, secret, secrets, 16);
    spec.header_count = read_pairs(r, json_get(c, "headers"), headers, 16);
    for (size_t i = 0; i < spec.header_count; i++)
        sent[i] = (struct http_header){headers[i].key, headers[i].value};
    answer.body = arena_strdup(r->arena, json_str_or(reply, "body", ""));
    answer.body_len = strlen(answer.body);
    p = metric_provider_new(r->arena, &spec, &why);
    same(r, "buildError", json_str(c, "buildError"), p ? NULL : why);
    if (!p || r->case_failed)
        return;
    if (metric_provider_request(p, json_str_or(c, "query", ""), NOW_MS, r->arena, &req, &why) !=
        0) {
        same(r, "error", json_str(c, "error"), why);
        return;
    }
    if (json_get(c, "request"))
        same_request(r, "request", json_get(c, "request"), &req);
    metric_provider_answer(p, &answer, r->arena, &a);
    if (json_get(c, "panic")) { /* where Flagger dies there must be no value here */
        if (a.outcome == ANSWER_VALUE)
            differ(r, "panic", "no value", float_text(r, a.value));
    } else {
        same(r, "value", json_str(c, "value"),
             a.outcome == ANSWER_VALUE ? float_text(r, a.value) : NULL);
        same(r, "error", json_str(c, "error"), a.outcome == ANSWER_VALUE ? NULL : a.text);
    }
    if (json_get(c, "online"))
        check_online(r, p, json_get(c, "online"), &answer);
}

/* ---- notifications ----------------------------------------------- */

static void check_notification(struct run *r, const cJSON *c)
{
    static const struct notify_field fields[] = {{"Target", "Deployment/podinfo.test"},
                                                 {"Traffic routing", "Weight step: 5 max: 50"}};
    struct notify_target t = {
        .type = json_str(c, "type"),
        .address = arena_printf(r->arena, "http://chat.test%s", json_str_or(c, "path", "")),
        .token = json_str(c, "token"),
        .username = json_str_or(c, "username", "flagger"),
        .channel = json_str_or(c, "channel", "general"),
        .reveal = true,
    };
    struct notify_message m = {
        .workload = "podinfo",
        .name_space = "test",
        .text = json_str_or(c, "message", "Canary <failed> & \"scaled\""),
        .severity = json_str(c, "severity"),
        .fields = fields,
        .field_count = (size_t)json_int(c, "fields", 0),
    };
    const char *why = NULL;
    struct http_request req;

    if (m.field_count > 2)
        m.field_count = 2;
    if (notify_request(&t, &m, r->arena, &req, &why) != 0) {
        same(r, "error", json_str(c, "error"), why);
        return;
    }
    same(r, "error", json_str(c, "error"), NULL);
    same_request(r, "request", json_get(c, "request"), &req);
}

/* ---- files ------------------------------------------------------- */

static void check_case(struct run *r, const cJSON *c)
{
    if (json_get(c, "rateQuery"))
        check_builtin(r, c);
    else if (json_get(c, "template"))
        check_template(r, c);
    else if (json_get(c, "severity") && json_get(c, "path"))
        check_notification(r, c);
    else if (json_get(c, "answer") && json_get(c, "type"))
        check_provider(r, c);
    else
        r->unknown++;
}

static void check_line(struct run *r, const char *line, size_t len)
{
    unsigned unknown = r->unknown;
    cJSON *c = json_parse(line, len, NULL);

    r->case_failed = false;
    if (!c)
        differ(r, "line", "JSON", line);
    else
        check_case(r, c);
    json_free(c);
    arena_clear(r->arena);
    if (r->unknown != unknown)
        return;
    if (r->case_failed)
        r->failed++;
    else
        r->passed++;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

static void check_file(struct run *r, const char *path)
{
    bool packed = ends_with(path, ".gz");
    char command[4096];
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f;

    snprintf(command, sizeof command, "gzip -dc -- '%s'", path);
    f = packed ? popen(command, "r") : fopen(path, "r");
    r->file = path;
    r->line = 0;
    if (!f) {
        printf("%s: cannot be read\n", path);
        r->failed++;
        return;
    }
    while ((n = getline(&line, &cap, f)) > 0) {
        r->line++;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n > 0)
            check_line(r, line, (size_t)n);
    }
    free(line);
    if (packed)
        pclose(f);
    else
        fclose(f);
}

static void check_path(struct run *r, const char *path)
{
    struct dirent **names = NULL;
    struct stat st;
    int n;

    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        check_file(r, path);
        return;
    }
    n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        char full[4096];

        if (ends_with(name, ".jsonl") || ends_with(name, ".jsonl.gz")) {
            snprintf(full, sizeof full, "%s/%s", path, name);
            check_file(r, full);
        }
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    struct run r = {.arena = arena_new(0)};

    for (int i = 1; i < argc; i++)
        check_path(&r, argv[i]);
    printf("%u passed, %u failed\n", r.passed, r.failed);
    arena_free(r.arena);
    return r.failed == 0 && r.passed > 0 ? 0 : 1;
}
