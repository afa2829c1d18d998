/* Webhooks, gates, load tests: CM5xx. */
#include <stdio.h>
#include <string.h>

#include "adapters/check/internal.h"

struct hook {
    const struct node *node, *name, *url, *type_node, *timeout, *metadata;
    const char *type; /* "rollout" when empty */
    size_t index;
};
#define HOOK_PATH(field) check_text(c, ".spec.analysis.webhooks[%zu]" field, h->index)

static bool is_gate(const struct hook *h)
{
    return strncmp(h->type, "confirm-", 8) == 0;
}

static void url(struct check *c, const struct hook *h)
{
    const char *problem;

    if (h->url == NULL || h->url->kind != NODE_STRING || h->url->text_len == 0)
        return;
    problem = check_url_problem(h->url->text);
    if (problem)
        check_find(c, CM501, h->url, HOOK_PATH(".url"), "such as http://flagger-loadtester.test/",
                   "'%.80s' %s", h->url->text, problem);
    else if (strchr(h->url->text, '@') && strstr(h->url->text, "://") &&
             strchr(h->url->text, '@') <
                 strstr(h->url->text, "://") + 3 + strcspn(strstr(h->url->text, "://") + 3, "/"))
        check_find(c, CM508, h->url, HOOK_PATH(".url"), "let the receiver read it from a Secret",
                   "the address carries a password, readable for everyone who can read the Canary");
}

static bool timeout_ms(const struct hook *h, int64_t *ret_ms)
{
    *ret_ms = 10000;
    return h->timeout == NULL || check_duration(h->timeout, ret_ms);
}

static void timeout(struct check *c, const struct canary_view *v, const struct hook *h)
{
    int64_t ms;

    if (!timeout_ms(h, &ms))
        return;
    if (ms <= 0)
        check_find(c, CM510, h->timeout, HOOK_PATH(".timeout"), "write a time such as 10s",
                   "%s means no timeout at all: a hook that hangs stops the rollout for ever",
                   h->timeout->text);
    else if (ms > v->interval_ms && strcmp(h->type, "event") != 0)
        check_find(c, CM504, h->timeout ? h->timeout : h->node, HOOK_PATH(".timeout"),
                   "keep the timeout below spec.analysis.interval",
                   "the hook may take %s, but a check is due every %llds: checks are left out",
                   h->timeout ? h->timeout->text : "10s", (long long)(v->interval_ms / 1000));
    if (check_int(node_get(h->node, "retries"), 0) < 0)
        check_find(c, CM510, node_get(h->node, "retries"), HOOK_PATH(".retries"), "remove it",
                   "a negative number of retries counts as 0");
}

static void trust(struct check *c, const struct hook *h)
{
    const struct node *off = node_get(h->node, "disableTLS");

    if (check_bool(off))
        check_find(c, CM509, off, HOOK_PATH(".disableTLS"),
                   "give the receiver a certificate the operator trusts",
                   "the certificate is not verified: anybody on the way can answer for the gate");
}

static void mute(struct check *c, const struct hook *h)
{
    const struct node *mute = node_get(h->node, "muteAlert");

    if (check_bool(mute) && !is_gate(h))
        check_find(c, CM511, mute, HOOK_PATH(".muteAlert"), "remove it",
                   "only the confirm gates alert while they wait; type %s does not", h->type);
}

static void twins(struct check *c, const struct canary_view *v, const struct hook *h)
{
    for (size_t k = 0; k < h->index && *check_str(h->name); k++) {
        const struct node *other = v->webhooks->u.list.items[k];
        const char *type = check_str(node_get(other, "type"));

        if (node_is(node_get(other, "name"), h->name->text) &&
            strcmp(*type ? type : "rollout", h->type) == 0) {
            check_find(c, CM512, h->name, HOOK_PATH(".name"),
                       "events name the hook: give each its own name",
                       "hook %zu of type %s is named '%.60s' too", k, h->type, h->name->text);
            return;
        }
    }
}

/* ---- gates
 * ----------------------------------------------------------------------------------------- */

/*
 * The probability that at least `threshold` of `checks` checks fail when each fails with `p`: what
 * waiting costs a healthy version. Plain multiplication: no function of libm is needed.
 */
static double spends(int64_t checks, int64_t threshold, double p)
{
    double below[32] = {1.0}; /* below[k]: probability of k failures so far */
    double total = 0;

    if (threshold > 31)
        return 0;
    for (int64_t n = 0; n < checks; n++)
        for (int64_t k = threshold - 1; k >= 0; k--)
            below[k] = below[k] * (1 - p) + (k ? below[k - 1] * p : 0);
    for (int64_t k = 0; k < threshold; k++)
        total += below[k];
    return total > 1 ? 0 : 1 - total;
}

static void gate(struct check *c, const struct canary_view *v, const struct hook *h)
{
    bool measured = (v->metrics && v->metrics->u.list.count) || v->hook_rollout_count;
    bool spending = strcmp(h->type, "confirm-promotion") == 0 ||
                    strcmp(h->type, "confirm-traffic-increase") == 0;
    int64_t per_minute = 60000 / v->interval_ms, checks = 8 * 3600 * 1000 / v->interval_ms;
    double p =
        per_minute > 1 ? 0.01 / (double)per_minute : 0.01 * ((double)v->interval_ms / 60000.0);
    double lost;
    char percent[16];

    if (!is_gate(h))
        return;
    check_find(c, CM502, h->type_node, HOOK_PATH(".type"),
               "make sure that somebody is told, and decides; a rollback hook can end the wait",
               "the rollout waits here until '%.60s' answers 200, for ever if need be",
               check_str(h->name));
    if (!spending || !measured)
        return;
    lost = spends(checks, v->fail_threshold, p);
    if (lost < 0.01)
        return;
    snprintf(percent, sizeof percent, "%d", (int)(lost * 100 + 0.5));
    check_find(c, CM503, h->type_node, HOOK_PATH(".type"),
               "raise threshold, or answer the gate soon",
               "checks go on while the gate waits, and count: with one false alarm in 100 minutes "
               "a good version is "
               "rolled back with %s %% probability within 8 hours",
               percent);
}

static void asked_twice(struct check *c, const struct canary_view *v, const struct hook *h)
{
    if (strcmp(h->type, "confirm-promotion") == 0 && v->blue_green)
        check_find(c, CM513, h->type_node, HOOK_PATH(".type"),
                   "let the gate keep its yes until the rollout has ended",
                   "Flagger asks before it switches traffic and again before it promotes: a yes "
                   "that is used up after "
                   "one call leaves all users on the new version");
}

/* ---- load tester
 * ----------------------------------------------------------------------------------- */

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += len) {
        char before = at > text ? at[-1] : ' ', after = at[len];

        if (!((before >= 'a' && before <= 'z') || before == '-' || before == '_') &&
            !((after >= 'a' && after <= 'z') || after == '-' || after == '_'))
            return true;
    }
    return false;
}

/* Commands that exit 0 whatever the server answers. */
static const char *harmless(const char *cmd)
{
    if (strstr(cmd, "|| true") || strstr(cmd, "; true") || strstr(cmd, "||true") ||
        strstr(cmd, "|| exit 0"))
        return "the command ends in success whatever happens";
    if (has_word(cmd, "hey"))
        return "hey exits 0 even when every request fails";
    if (has_word(cmd, "wrk") || has_word(cmd, "ab"))
        return "the load generator exits 0 even when every request fails";
    if (has_word(cmd, "curl") && !strstr(cmd, "grep") && !strstr(cmd, "|") && !strstr(cmd, " -f") &&
        !strstr(cmd, "--fail") && !strstr(cmd, "-sf") && !strstr(cmd, "-Sf") && !strstr(cmd, "sSf"))
        return "curl without --fail exits 0 on HTTP errors";
    return NULL;
}

static bool looks_like_loadtester(const struct hook *h)
{
    return strstr(check_str(h->url), "loadtester") != NULL || node_get(h->metadata, "cmd") != NULL;
}

static void load_test(struct check *c, const struct canary_view *v, const struct hook *h)
{
    static const char *const types[] = {"cmd",     "bash",     "helm",    "helmv3",
                                        "kubectl", "ngrinder", "concord", NULL};
    const struct node *type = node_get(h->metadata, "type"), *cmd = node_get(h->metadata, "cmd");
    const char *kind = *check_str(type) ? type->text : "cmd", *why, *near;
    bool shell = strcmp(kind, "cmd") == 0 || strcmp(kind, "bash") == 0;
    size_t known = 0;

    if (!looks_like_loadtester(h) || is_gate(h) || strcmp(h->type, "event") == 0 ||
        strcmp(h->type, "rollback") == 0)
        return;
    while (types[known] && strcmp(types[known], kind) != 0)
        known++;
    if (types[known] == NULL && *check_str(type)) {
        near = nearest_name(kind, strlen(kind), types);
        check_find(c, CM507, type, HOOK_PATH(".metadata.type"),
                   near ? check_text(c, "did you mean '%s'?", near)
                        : "one of cmd, bash, helm, helmv3, kubectl, ngrinder, concord",
                   "the load tester knows no task '%.40s' and drops the call", kind);
        return;
    }
    if (shell && (cmd == NULL || check_str(cmd)[strspn(check_str(cmd), " \t\n")] == 0)) {
        if (strstr(check_str(h->url), "loadtester") &&
            strstr(check_str(h->url), "/gate/") == NULL &&
            strstr(check_str(h->url), "/rollback/") == NULL)
            check_find(c, CM506, cmd ? cmd : h->node, HOOK_PATH(".metadata.cmd"),
                       "add metadata with type and cmd",
                       strcmp(kind, "cmd") == 0
                           ? "there is no command: the load tester answers 400"
                           : "there is no command: an empty script always succeeds");
        return;
    }
    if (!shell || cmd == NULL || cmd->kind != NODE_STRING)
        return;
    if (strcmp(kind, "cmd") == 0 && strcmp(h->type, "rollout") == 0 && v->metrics &&
        v->metrics->u.list.count)
        return; /* it makes traffic for the metrics to see: that is its job */
    why = strcmp(kind, "cmd") == 0 && strcmp(h->type, "rollout") != 0
              ? "tasks of type cmd run in the background: the answer comes before the result"
              : harmless(cmd->text);
    if (why == NULL && strcmp(kind, "cmd") == 0 &&
        (v->metrics == NULL || v->metrics->u.list.count == 0))
        why = "tasks of type cmd run in the background: the answer comes before the result";
    if (why == NULL)
        return;
    check_find(c, CM505, cmd, HOOK_PATH(".metadata.cmd"),
               strcmp(kind, "cmd") == 0 ? "use type: bash for tests that should be able to fail"
                                        : "test the answer, for example with curl --fail",
               "this test cannot fail: %s", why);
}

/* ---- secrets
 * --------------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *tail)
{
    size_t len = strlen(s), n = strlen(tail);

    return len >= n && strcmp(s + len - n, tail) == 0;
}

static bool secret_name(const char *key)
{
    static const char *const words[] = {"token",      "password", "passwd",  "secret",
                                        "apikey",     "api_key",  "api-key", "authorization",
                                        "credential", NULL};
    char lower[64];
    size_t n = 0;

    for (; key[n] && n + 1 < sizeof lower; n++)
        lower[n] = key[n] >= 'A' && key[n] <= 'Z' ? (char)(key[n] + 32) : key[n];
    lower[n] = 0;
    for (size_t i = 0; words[i]; i++)
        if (ends_with(lower, words[i]))
            return true;
    return false;
}

/* A mark of a known kind of token at `s`, with something behind it that is no placeholder. */
static bool token_at(const char *s)
{
    static const char *const marks[] = {"ghp_",
                                        "github_pat_",
                                        "glpat-",
                                        "xoxb-",
                                        "xoxp-",
                                        "xapp-",
                                        "AKIA",
                                        "sk_live_",
                                        "Authorization: Bearer ",
                                        "Authorization: Basic ",
                                        NULL};

    for (size_t i = 0; marks[i]; i++) {
        size_t len = strlen(marks[i]);

        if (strncmp(s, marks[i], len) == 0)
            return s[len] && s[len] != '$' && s[len] != '{' && s[len] != '"';
    }
    return false;
}

static bool secret_value(const char *s)
{
    for (; (s = strpbrk(s, "gxAs")) != NULL; s++) /* the first letters of the marks */
        if ((s[1] == 'h' || s[1] == 'i' || s[1] == 'l' || s[1] == 'o' || s[1] == 'a' ||
             s[1] == 'K' || s[1] == 'k' || s[1] == 'u') &&
            token_at(s))
            return true;
    return false;
}

static void secrets(struct check *c, const struct hook *h)
{
    if (h->metadata == NULL || h->metadata->kind != NODE_MAP)
        return;
    for (size_t i = 0; i < h->metadata->u.map.count; i++) {
        const struct member *m = &h->metadata->u.map.members[i];
        const char *value = check_str(m->value);

        if (*value == 0 || *value == '$' || strstr(value, "{{"))
            continue;
        if (secret_name(m->key) || secret_value(value))
            check_find(
                c, CM508, m->value,
                check_text(c, ".spec.analysis.webhooks[%zu].metadata.%.60s", h->index, m->key),
                "let the receiver read it from a Secret",
                "'%.60s' looks like a secret, readable for everyone who can read the Canary",
                m->key);
    }
}

void rules_hooks(struct check *c, const struct canary_view *v)
{
    for (size_t i = 0; v->webhooks && i < v->webhooks->u.list.count; i++) {
        const struct node *n = v->webhooks->u.list.items[i];
        struct hook hook = {.node = n, .index = i}, *h = &hook;

        if (n->kind != NODE_MAP)
            continue;
        h->name = node_get(n, "name");
        h->url = node_get(n, "url");
        h->type_node = node_get(n, "type");
        h->timeout = node_get(n, "timeout");
        h->metadata = node_get(n, "metadata");
        h->type = *check_str(h->type_node) ? h->type_node->text : "rollout";
        url(c, h);
        timeout(c, v, h);
        trust(c, h);
        mute(c, h);
        twins(c, v, h);
        gate(c, v, h);
        asked_twice(c, v, h);
        load_test(c, v, h);
        secrets(c, h);
    }
}
