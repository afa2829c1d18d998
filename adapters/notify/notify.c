/* adapters/notify/notify.c — what each chat service is sent, and how. */
#include "adapters/notify/notify.h"

#include <errno.h>
#include <string.h>

#include "adapters/metrics/gotext.h"
#include "adapters/metrics/url.h"

#define TIMEOUT_MS 5000
#define BODY_MAX 4096

/* ---- bodies ------------------------------------------------------ */

static void add_string(struct strbuf *b, const char *before, const char *s)
{
    strbuf_adds(b, before);
    go_json_string(b, s ? s : "");
}

/* "workload.namespace" */
static void add_subject(struct strbuf *b, const char *before, const struct notify_message *m)
{
    struct strbuf subject = STRBUF_INIT;

    strbuf_addf(&subject, "%s.%s", m->workload, m->name_space);
    add_string(b, before, strbuf_str(&subject));
    strbuf_release(&subject);
}

static bool is_error(const struct notify_message *m)
{
    return m->severity && strcmp(m->severity, "error") == 0;
}

static void slack_body(const struct notify_target *t, const struct notify_message *m,
                       const char *good, const char *bad, struct strbuf *b)
{
    add_string(b, "{\"channel\":", t->channel);
    add_string(b, ",\"username\":", t->username);
    strbuf_adds(b, ",\"icon_url\":\"\",\"icon_emoji\":\":rocket:\",\"attachments\":[{");
    add_string(b, "\"color\":", is_error(m) ? bad : good);
    add_subject(b, ",\"author_name\":", m);
    add_string(b, ",\"text\":", m->text);
    strbuf_adds(b, ",\"mrkdwn_in\":[\"text\"],\"fields\":[");
    for (size_t i = 0; i < m->field_count; i++) {
        add_string(b, i ? ",{\"title\":" : "{\"title\":", m->fields[i].name);
        add_string(b, ",\"value\":", m->fields[i].value);
        strbuf_adds(b, ",\"short\":false}");
    }
    strbuf_adds(b, "]}]}");
}

static void slack(const struct notify_target *t, const struct notify_message *m, struct strbuf *b)
{
    slack_body(t, m, "good", "danger", b);
}

static void rocket(const struct notify_target *t, const struct notify_message *m, struct strbuf *b)
{
    slack_body(t, m, "#0076D7", "#FF0000", b);
}

static void msteams(const struct notify_target *t, const struct notify_message *m, struct strbuf *b)
{
    (void)t;
    strbuf_adds(b, "{\"@type\":\"MessageCard\",\"@context\":\"http://schema.org/extensions\"");
    add_string(b, ",\"themeColor\":", is_error(m) ? "FF0000" : "0076D7");
    add_subject(b, ",\"summary\":", m);
    add_string(b, ",\"sections\":[{\"activityTitle\":", m->text);
    add_subject(b, ",\"activitySubtitle\":", m);
    strbuf_adds(b, ",\"facts\":[");
    for (size_t i = 0; i < m->field_count; i++) {
        add_string(b, i ? ",{\"name\":" : "{\"name\":", m->fields[i].name);
        add_string(b, ",\"value\":", m->fields[i].value);
        strbuf_addc(b, '}');
    }
    strbuf_adds(b, "]}]}");
}

static void add_widget(struct strbuf *b, const char *name, const char *text)
{
    struct strbuf html = STRBUF_INIT;

    if (name)
        strbuf_addf(&html, "%s<br>", name);
    strbuf_addf(&html, "<font color=#848484><strong>%s</strong></font>", text ? text : "");
    add_string(b, "{\"widgets\":[{\"textParagraph\":{\"text\":", strbuf_str(&html));
    strbuf_adds(b, "}}]}");
    strbuf_release(&html);
}

static void gchat(const struct notify_target *t, const struct notify_message *m, struct strbuf *b)
{
    (void)t;
    strbuf_adds(b, "{\"cards\":[{\"header\":{\"title\":\"Flagger\"");
    add_subject(b, ",\"subtitle\":", m);
    strbuf_adds(b, ",\"imageUrl\":\"https://flagger.app/favicon.png\"},\"sections\":[");
    add_widget(b, NULL, m->text);
    for (size_t i = 0; i < m->field_count; i++) {
        strbuf_addc(b, ',');
        add_widget(b, m->fields[i].name ? m->fields[i].name : "", m->fields[i].value);
    }
    strbuf_adds(b, "]}]}");
}

/* ---- services ---------------------------------------------------- */

static const struct service {
    const char *type, *title; /* as error texts name it */
    bool wants_names;         /* user name and channel must be given */
    bool takes_token;
    void (*body)(const struct notify_target *t, const struct notify_message *m, struct strbuf *b);
} services[] = {
    {"slack", "Slack hook", true, true, slack},
    {"msteams", "MS Teams webhook", false, false, msteams},
    {"discord", "Discord hook", true, false, slack},
    {"rocket", "Rocket hook", true, false, rocket},
    {"gchat", "Google Chat webhook", false, false, gchat},
};
#define SERVICE_COUNT (sizeof services / sizeof *services)

const char *const *notify_types(void)
{
    static const char *const names[] = {"slack", "msteams", "discord", "rocket", "gchat", NULL};

    return names;
}

static const struct service *find(const char *type)
{
    for (size_t i = 0; type && i < SERVICE_COUNT; i++) {
        if (strcmp(services[i].type, type) == 0)
            return &services[i];
    }
    return NULL;
}

static bool is_empty(const char *s)
{
    return !s || !*s;
}

static const char *or_no_memory(const char *text)
{
    return text ? text : "out of memory";
}

const char *notify_redact(struct arena *arena, const char *address)
{
    struct url u;
    const char *why = NULL;

    if (url_parse(arena, address, &u, &why) != 0 || !*u.scheme || !*u.host)
        return "(hidden)";
    return or_no_memory(arena_printf(arena, "%s://%s/...", u.scheme, u.host));
}

/* An absolute URL, or an absolute path: what Go's ParseRequestURI takes. */
static bool is_request_uri(struct arena *arena, const char *address, struct url *u)
{
    const char *why = NULL;

    return url_parse(arena, address, u, &why) == 0 &&
           (*u->scheme || *address == '/' || strcmp(address, "*") == 0);
}

const char *notify_check(const struct notify_target *t, struct arena *arena)
{
    const struct service *s = find(t->type);
    int word;
    struct url u;

    if (is_empty(t->address))
        return NULL;
    if (!s)
        return or_no_memory(
            arena_printf(arena, "provider %s not supported", t->type ? t->type : ""));
    if (!is_request_uri(arena, t->address, &u))
        return or_no_memory(
            arena_printf(arena, "invalid %s URL %s", s->title,
                         t->reveal ? t->address : notify_redact(arena, t->address)));
    word = (int)strcspn(s->title, " ");
    if (s->wants_names && is_empty(t->username))
        return or_no_memory(arena_printf(arena, "empty %.*s username", word, s->title));
    if (s->wants_names && is_empty(t->channel))
        return or_no_memory(arena_printf(arena, "empty %.*s channel", word, s->title));
    return NULL;
}

/* Discord takes Slack's format one step below its own address. */
static const char *discord_address(struct arena *arena, const char *address)
{
    size_t len = strlen(address);
    const char *why = NULL;
    struct url u;

    if (len >= 6 && strcmp(address + len - 6, "/slack") == 0)
        return address;
    if (url_parse(arena, address, &u, &why) != 0)
        return address;
    u.path = url_join_path(arena, u.path, "slack");
    return url_string(arena, &u, false);
}

static const char *check_proxy(const struct notify_target *t, struct arena *arena)
{
    const char *why = NULL;
    struct url u;

    if (is_empty(t->proxy) || url_parse(arena, t->proxy, &u, &why) == 0)
        return NULL;
    return or_no_memory(
        arena_printf(arena, "postMessage failed: unable to parse proxy URL '%s', error: %s",
                     t->reveal ? t->proxy : "(hidden)", t->reveal ? why : "not a URL"));
}

int notify_request(const struct notify_target *t, const struct notify_message *m,
                   struct arena *arena, struct http_request *ret_request, const char **reterr)
{
    const struct service *s = find(t->type);
    struct http_header *headers = arena_alloc(arena, 2 * sizeof *headers);
    struct strbuf b = STRBUF_INIT;

    if (is_empty(t->address))
        return -ENOENT;
    *reterr = notify_check(t, arena);
    if (!*reterr)
        *reterr = check_proxy(t, arena);
    if (*reterr)
        return -EINVAL;
    if (!headers)
        return -ENOMEM;
    s->body(t, m, &b);
    *ret_request = (struct http_request){
        .method = "POST",
        .url = strcmp(s->type, "discord") == 0 ? discord_address(arena, t->address) : t->address,
        .headers = headers,
        .header_count = 1,
        .body = b.failed ? NULL : arena_strndup(arena, strbuf_str(&b), b.len),
        .body_len = b.len,
        .timeout_ms = TIMEOUT_MS,
        .body_max = BODY_MAX,
        .follow_redirects = true,
        .proxy_url = is_empty(t->proxy) ? NULL : t->proxy,
    };
    headers[0] = (struct http_header){"Content-Type", "application/json"};
    if (s->takes_token && !is_empty(t->token)) {
        headers[1] =
            (struct http_header){"Authorization", arena_printf(arena, "Bearer %s", t->token)};
        ret_request->header_count = headers[1].value ? 2 : 1;
    }
    strbuf_release(&b);
    return ret_request->body ? 0 : -ENOMEM;
}

/* ---- sending ----------------------------------------------------- */

const char *notify_answer(const struct http_response *response, struct arena *arena)
{
    if (response->status >= 200 && response->status < 300)
        return NULL;
    return or_no_memory(arena_printf(arena,
                                     "postMessage failed: sending notification bad response %d: %s",
                                     response->status, response->body ? response->body : ""));
}

static int rank(const char *severity)
{
    if (strcmp(severity, "info") == 0)
        return 1;
    if (strcmp(severity, "warn") == 0)
        return 2;
    return strcmp(severity, "error") == 0 ? 3 : 0;
}

bool notify_passes(const char *entry, const char *message, bool as_flagger)
{
    int wanted = rank(entry ? entry : ""), got = rank(message ? message : "");

    if (wanted == 0 && (is_empty(entry)) && !as_flagger)
        wanted = 1;
    return wanted > 0 && got >= wanted;
}
