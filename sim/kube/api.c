#include "sim/kube/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- taking a request apart */

static char *unescape(char *s)
{
    char *in = s, *out = s;

    for (; *in; in++) {
        unsigned int byte;

        if (*in == '%' && in[1] && in[2] && sscanf(in + 1, "%2x", &byte) == 1) {
            *out++ = (char)byte;
            in += 2;
        } else {
            *out++ = *in == '+' ? ' ' : *in;
        }
    }
    *out = '\0';
    return s;
}

static void split_query(struct call *c, char *q)
{
    while (q && *q && c->param_count < PARAMS_MAX) {
        char *next = strchr(q, '&'), *value;

        if (next)
            *next++ = '\0';
        value = strchr(q, '=');
        if (value)
            *value++ = '\0';
        c->params[c->param_count].name = unescape(q);
        c->params[c->param_count++].value = value ? unescape(value) : q + strlen(q);
        q = next;
    }
}

const char *sk_call_param(const struct call *c, const char *name)
{
    for (size_t i = 0; i < c->param_count; i++) {
        if (strcmp(c->params[i].name, name) == 0)
            return *c->params[i].value ? c->params[i].value : NULL;
    }
    return NULL;
}

bool sk_call_flag(const struct call *c, const char *name)
{
    const char *v = sk_call_param(c, name);

    return v && (strcmp(v, "1") == 0 || strcmp(v, "true") == 0);
}

/* /api/v1/… and /apis/GROUP/VERSION/…; false for any other path. */
static bool split_path(struct call *c)
{
    char *parts[10], *p = c->text, *save = NULL;
    size_t n = 0, at;

    for (char *s = strtok_r(p, "/", &save); s; s = strtok_r(NULL, "/", &save)) {
        if (n == 10)
            return false;
        parts[n++] = unescape(s);
    }
    if (n >= 3 && strcmp(parts[0], "api") == 0) {
        c->group = parts[0] + 3; /* "" */
        c->version = parts[1];
        at = 2;
    } else if (n >= 4 && strcmp(parts[0], "apis") == 0) {
        c->group = parts[1];
        c->version = parts[2];
        at = 3;
    } else {
        return false;
    }
    c->ns = c->name = c->sub = parts[0] + strlen(parts[0]);
    if (strcmp(parts[at], "namespaces") == 0 && n > at + 2 &&
        strcmp(parts[at + 2], "status") != 0 && strcmp(parts[at + 2], "finalize") != 0) {
        c->ns = parts[at + 1];
        at += 2;
    }
    c->plural = parts[at++];
    if (at < n)
        c->name = parts[at++];
    if (at < n)
        c->sub = parts[at++];
    return at == n;
}

/* ---- answers
 * -----------------------------------------------------------------------------------------------
 */

const char *sk_call_qualified(struct call *c)
{
    if (!*c->qualified)
        sk_kind_qualified(c->kind, c->qualified, sizeof(c->qualified));
    return c->qualified;
}

void sk_call_fail(struct call *c, int code, const char *reason, const char *name, const char *text)
{
    cJSON *details = sk_details(c->kind, name);

    sk_reply_status(c->r, code, reason, details, "%s", text);
    json_free(details);
}

void sk_call_not_found(struct call *c, const char *name)
{
    char text[700];

    snprintf(text, sizeof(text), "%s \"%s\" not found", sk_call_qualified(c), name);
    sk_call_fail(c, 404, "NotFound", name, text);
}

void sk_call_bad(struct call *c, const char *text)
{
    sk_reply_status(c->r, 400, "BadRequest", NULL, "%s", text);
}

void sk_call_conflict(struct call *c, const char *name, const char *why)
{
    char text[900];

    snprintf(text, sizeof(text), "Operation cannot be fulfilled on %s \"%s\": %s",
             sk_call_qualified(c), name, why);
    sk_call_fail(c, 409, "Conflict", name, text);
}

void sk_call_reply(struct call *c, int status, struct sk_object *o)
{
    c->r->status = status;
    c->r->content_type = "application/json";
    if (c->form == SK_FORM_TABLE)
        sk_table_add_to(c->k, &c->r->body, c->kind, c->v, &o, 1, true,
                        sk_call_param(c, "includeObject"), "");
    else if (c->form == SK_FORM_METADATA)
        sk_object_add_metadata(&c->r->body, o);
    else
        sk_object_add_to(&c->r->body, o, c->v);
    strbuf_addc(&c->r->body, '\n');
}

void sk_call_reply_tree(struct call *c, int status, const cJSON *tree)
{
    c->r->status = status;
    c->r->content_type = "application/json";
    sk_object_add_tree(&c->r->body, tree, c->kind, c->v);
    strbuf_addc(&c->r->body, '\n');
}

/* ---- dispatch
 * ----------------------------------------------------------------------------------------------------------
 */

static void forbid(struct call *c)
{
    cJSON *details = sk_details(NULL, c->name);
    struct strbuf text = STRBUF_INIT;

    if (*c->group)
        json_set_str(details, "group", c->group);
    json_set_str(details, "kind", c->plural);
    strbuf_addf(&text, "%s%s%s", c->plural, *c->group ? "." : "", c->group);
    if (*c->name)
        strbuf_addf(&text, " \"%s\"", c->name);
    strbuf_addf(&text,
                " is forbidden: User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\"",
                c->req->user ? c->req->user : "system:anonymous", c->verb, c->plural,
                *c->sub ? "/" : "", c->sub, c->group);
    if (*c->ns)
        strbuf_addf(&text, " in the namespace \"%s\"", c->ns);
    else
        strbuf_adds(&text, " at the cluster scope");
    sk_reply_status(c->r, 403, "Forbidden", details, "%s", strbuf_str(&text));
    strbuf_release(&text);
    json_free(details);
}

static const char *verb_of(const struct call *c)
{
    const char *m = c->req->method;

    if (strcmp(m, "GET") == 0)
        return *c->name ? "get" : sk_call_flag(c, "watch") ? "watch" : "list";
    if (strcmp(m, "POST") == 0)
        return "create";
    if (strcmp(m, "PUT") == 0)
        return "update";
    if (strcmp(m, "PATCH") == 0)
        return "patch";
    if (strcmp(m, "DELETE") == 0)
        return *c->name ? "delete" : "deletecollection";
    return NULL;
}

static enum sk_form form_of(const char *accept)
{
    const char *table, *partial;

    if (!accept)
        return SK_FORM_FULL;
    table = strstr(accept, "as=Table");
    partial = strstr(accept, "as=PartialObjectMetadata");
    if (table && (!partial || table < partial))
        return SK_FORM_TABLE;
    return partial ? SK_FORM_METADATA : SK_FORM_FULL;
}

static void no_such_method(struct call *c)
{
    sk_reply_status(c->r, 405, "MethodNotAllowed", NULL,
                    "the server does not allow this method on the requested resource");
}

static void no_such_resource(struct call *c)
{
    sk_reply_status(c->r, 404, "NotFound", NULL,
                    "the server could not find the requested resource");
}

/* Outside the built-in groups what nobody serves is answered with a plain text, no Status. */
static void no_such_page(struct call *c)
{
    c->r->status = 404;
    c->r->content_type = "text/plain";
    strbuf_adds(&c->r->body, "404 page not found\n");
}

static bool group_is_builtin(const struct simkube *k, const char *group)
{
    for (size_t i = 0; i < k->kind_count; i++) {
        if (!k->kinds[i]->custom && strcmp(k->kinds[i]->group, group) == 0)
            return true;
    }
    return false;
}

static void run_subresource(struct call *c)
{
    if (strcmp(c->sub, "status") == 0 && c->v->has_status) {
        if (strcmp(c->verb, "get") == 0)
            sk_do_get(c);
        else if (strcmp(c->verb, "update") == 0)
            sk_do_update(c);
        else if (strcmp(c->verb, "patch") == 0)
            sk_do_patch(c);
        else
            no_such_method(c);
    } else if (strcmp(c->sub, "scale") == 0 && c->v->has_scale && !c->kind->custom) {
        if (strcmp(c->verb, "get") == 0 || strcmp(c->verb, "update") == 0 ||
            strcmp(c->verb, "patch") == 0)
            sk_do_scale(c);
        else
            no_such_method(c);
    } else if (c->kind->custom && *c->name && strcmp(c->verb, "create") != 0) {
        sk_call_not_found(c, c->name);
    } else {
        no_such_resource(c);
    }
}

static void run_verb(struct call *c)
{
    static const struct {
        const char *verb;
        void (*run)(struct call *c);
    } verbs[] = {
        {"get", sk_do_get},       {"list", sk_do_list},
        {"watch", sk_do_watch},   {"create", sk_do_create},
        {"update", sk_do_update}, {"patch", sk_do_patch},
        {"delete", sk_do_delete}, {"deletecollection", sk_do_delete_collection},
    };
    bool reads_many = strcmp(c->verb, "list") == 0 || strcmp(c->verb, "watch") == 0;
    bool placed = !c->kind->namespaced || *c->ns, named = *c->name;
    bool wants_name =
        !reads_many && strcmp(c->verb, "create") != 0 && strcmp(c->verb, "deletecollection") != 0;

    if ((!c->kind->namespaced && *c->ns) || (!placed && named)) {
        no_such_resource(c);
    } else if (*c->sub) {
        run_subresource(c);
    } else if (!reads_many && (!placed || named != wants_name)) {
        no_such_method(c);
    } else {
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
            if (strcmp(verbs[i].verb, c->verb) == 0)
                verbs[i].run(c);
        }
    }
}

static void answer(struct call *c)
{
    char *query;

    c->text = strdup(c->req->target);
    if (!c->text) {
        sk_reply_status(c->r, 500, "InternalError", NULL, "out of memory");
        return;
    }
    query = strchr(c->text, '?');
    if (query)
        *query++ = '\0';
    if (sk_discovery(c->k, c->text, c->req, c->r))
        return;
    split_query(c, query);
    if (!split_path(c)) {
        sk_reply_status(c->r, 404, "NotFound", NULL,
                        "the server could not find the requested resource");
        return;
    }
    c->verb = verb_of(c);
    if (!c->verb) {
        no_such_method(c);
        return;
    }
    if (!sk_may(c->k, c->req->user, c->verb, c->group, c->plural, c->sub, c->ns, c->name)) {
        forbid(c);
        return;
    }
    c->kind = sk_kind_find(c->k, c->group, c->plural);
    c->v = c->kind ? sk_kind_version(c->kind, c->version) : NULL;
    if (!c->v) {
        if (group_is_builtin(c->k, c->group))
            no_such_resource(c);
        else
            no_such_page(c);
        return;
    }
    if (c->kind == c->k->namespaces && *c->ns) { /* /namespaces/x is the namespace itself */
        c->name = c->ns;
        c->ns = c->name + strlen(c->name);
    }
    c->form = form_of(c->req->accept);
    if (sk_call_param(c, "dryRun") && strcmp(sk_call_param(c, "dryRun"), "All") != 0) {
        sk_reply_status(
            c->r, 422, "Invalid", NULL,
            "%s.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"%s\"]: supported "
            "values: \"All\"",
            strcmp(c->verb, "create") == 0   ? "CreateOptions"
            : strcmp(c->verb, "update") == 0 ? "UpdateOptions"
            : strcmp(c->verb, "patch") == 0  ? "PatchOptions"
                                             : "DeleteOptions",
            sk_call_param(c, "dryRun"));
        return;
    }
    c->dry_run = sk_call_param(c, "dryRun") != NULL;
    c->k->actor_subresource = c->sub;
    run_verb(c);
}

void simkube_call(struct simkube *k, int64_t now_ms, const struct simkube_request *req,
                  struct simkube_reply *ret_reply)
{
    struct call *c;

    memset(ret_reply, 0, sizeof(*ret_reply));
    simkube_advance(k, now_ms);
    k->calls++;
    c = calloc(1, sizeof(*c));
    if (!c || !req->target || !req->method || req->target[0] != '/') {
        sk_reply_status(ret_reply, 400, "BadRequest", NULL, "not a request");
        free(c);
        return;
    }
    c->k = k;
    c->req = req;
    c->r = ret_reply;
    k->actor = req->user ? req->user : "system:anonymous";
    k->request_number = req->number;
    answer(c);
    k->actor = NULL;
    k->actor_subresource = NULL;
    k->request_number = 0;
    free(c->text);
    free(c);
}
