/* adapters/loadtester/loadtester.c — paths, gates and tasks of the webhook receiver. */
#include "adapters/loadtester/loadtester.h"

#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/arena.h"
#include "adapters/loadtester/command.h"
#include "adapters/metrics/answer_json.h"

struct gate_entry {
    struct gate_entry *next;
    bool rollback, open;
    char name[]; /* "canary.namespace" */
};

struct job {
    struct loadtester *owner;
    struct job *next;
    pthread_t thread;
    struct server_call *call; /* a blocking task answers it; NULL for one in the background */
    char *canary, *text;      /* the command as given */
    char **argv;
    bool give_output, log_output;
    pid_t group; /* 0 = not running */
    bool done;   /* its thread is about to end */
};

struct loadtester {
    struct loadtester_options options;
    regex_t namespaces;
    bool has_regexp, stopping;
    pthread_mutex_t lock; /* over all below */
    struct gate_entry *gates;
    struct job *tasks;
    unsigned running;
};

struct payload {
    const char *name, *name_space;
    const struct answer_json *metadata;
    char canary[600];
};

static void say(const struct loadtester *l, const char *level, const char *canary,
                const char *format, const char *detail, const char *more)
{
    struct strbuf b = STRBUF_INIT;

    if (l->options.log) {
        strbuf_adds(&b, format);
        strbuf_adds(&b, detail);
        strbuf_adds(&b, more);
        l->options.log(l->options.log_ctx, level, canary, strbuf_str(&b));
    }
    strbuf_release(&b);
}

/* ---- payloads ---------------------------------------------------- */

static bool is_text(const struct answer_json *v)
{
    return !v || v->kind == JSON_STRING;
}

/* Flagger's webhook payload; other members do not matter. False when it is none. */
static bool read_payload(struct arena *arena, const char *body, size_t len, struct payload *p)
{
    const char *why = NULL;
    const struct answer_json *v = answer_json_parse(arena, body, len, &why), *name, *name_space;

    memset(p, 0, sizeof *p);
    if (!v || (v->kind != JSON_OBJECT && v->kind != JSON_NULL))
        return false;
    name = answer_json_get(v, "name");
    name_space = answer_json_get(v, "namespace");
    p->metadata = answer_json_get(v, "metadata");
    if (!is_text(name) || !is_text(name_space) || !is_text(answer_json_get(v, "phase")) ||
        !is_text(answer_json_get(v, "checksum")) ||
        (p->metadata && p->metadata->kind != JSON_OBJECT))
        return false;
    for (const struct answer_json *m = p->metadata ? p->metadata->first : NULL; m; m = m->next) {
        if (m->kind != JSON_STRING && m->kind != JSON_NULL)
            return false;
    }
    p->name = name ? name->text : "";
    p->name_space = name_space ? name_space->text : "";
    snprintf(p->canary, sizeof p->canary, "%s.%s", p->name, p->name_space);
    return true;
}

/* A value of the metadata by its exact key, or NULL. */
static const char *metadata(const struct payload *p, const char *key)
{
    const char *found = NULL;

    for (const struct answer_json *m = p->metadata ? p->metadata->first : NULL; m; m = m->next) {
        if (strcmp(m->key, key) == 0)
            found = m->text ? m->text : "";
    }
    return found;
}

/* strconv.ParseBool; what is neither is false. */
static bool is_true(const char *s)
{
    static const char *const words[] = {"1", "t", "T", "TRUE", "true", "True", NULL};

    for (size_t i = 0; s && words[i]; i++) {
        if (strcmp(s, words[i]) == 0)
            return true;
    }
    return false;
}

static void answer(struct server_call *c, int status, const char *text)
{
    call_answer(c, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* ---- gates ------------------------------------------------------- */

static struct gate_entry *find_gate(struct loadtester *l, bool rollback, const char *canary)
{
    for (struct gate_entry *g = l->gates; g; g = g->next) {
        if (g->rollback == rollback && strcmp(g->name, canary) == 0)
            return g;
    }
    return NULL;
}

static bool is_open(struct loadtester *l, bool rollback, const char *canary)
{
    const struct gate_entry *g;
    bool open;

    pthread_mutex_lock(&l->lock);
    g = find_gate(l, rollback, canary);
    open = g && g->open;
    pthread_mutex_unlock(&l->lock);
    return open;
}

/* Closing forgets the gate: what is not there is closed. False when memory is out. */
static bool set_gate(struct loadtester *l, bool rollback, const char *canary, bool open)
{
    size_t len = strlen(canary) + 1;
    struct gate_entry *g;

    pthread_mutex_lock(&l->lock);
    g = find_gate(l, rollback, canary);
    if (!g && open) {
        g = calloc(1, sizeof *g + len);
        if (g) {
            memcpy(g->name, canary, len);
            g->rollback = rollback;
            g->next = l->gates;
            l->gates = g;
        }
    }
    if (g)
        g->open = open;
    pthread_mutex_unlock(&l->lock);
    return g || !open;
}

static void handle_gate(struct loadtester *l, struct server_call *c, const struct payload *p,
                        bool rollback, const char *verb)
{
    const char *kind = rollback ? " rollback " : " gate ";

    if (strcmp(verb, "check") == 0) {
        bool open = is_open(l, rollback, p->canary);

        say(l, "info", p->canary, p->canary, kind,
            open ? "check: approved true" : "check: approved false");
        answer(c, open ? 200 : 403, open ? "Approved" : "Forbidden");
        return;
    }
    if (!set_gate(l, rollback, p->canary, strcmp(verb, "open") == 0)) {
        answer(c, 500, "out of memory");
        return;
    }
    say(l, "info", p->canary, p->canary, kind, strcmp(verb, "open") == 0 ? "opened" : "closed");
    answer(c, 202, "");
}

/* ---- tasks ------------------------------------------------------- */

static void task_free(struct job *t)
{
    if (!t)
        return;
    for (char **a = t->argv; a && *a; a++)
        free(*a);
    free(t->argv);
    free(t->canary);
    free(t->text);
    free(t);
}

static void on_group(void *ctx, pid_t group)
{
    struct job *t = ctx;

    pthread_mutex_lock(&t->owner->lock);
    t->group = group;
    if (group > 0 && t->owner->stopping)
        kill(-group, SIGKILL);
    pthread_mutex_unlock(&t->owner->lock);
}

static void *run_task(void *ctx)
{
    struct job *t = ctx;
    struct loadtester *l = t->owner;
    struct command c = {.argv = t->argv,
                        .environment = l->options.environment,
                        .timeout_ms = l->options.timeout_ms,
                        .output_max = LOADTESTER_OUTPUT_MAX,
                        .clock = l->options.clock,
                        .on_group = on_group,
                        .ctx = t};
    struct strbuf output = STRBUF_INIT, text = STRBUF_INIT;
    char why[96];
    bool ok = command_run(&c, &output, why, sizeof why);

    if (ok && t->log_output)
        say(l, "info", t->canary, strbuf_str(&output), "", "");
    if (ok)
        say(l, "info", t->canary, "command finished ", t->text, "");
    strbuf_addf(&text, "command %s failed: %s: %s", t->text, strbuf_str(&output), why);
    if (!ok)
        say(l, "error", t->canary, strbuf_str(&text), "", "");
    if (t->call && ok)
        call_answer(t->call, 200, "text/plain; charset=utf-8",
                    t->give_output ? strbuf_str(&output) : "", t->give_output ? output.len : 0);
    else if (t->call)
        answer(t->call, 500, strbuf_str(&text));
    strbuf_release(&output);
    strbuf_release(&text);
    pthread_mutex_lock(&l->lock);
    t->done = true;
    l->running--;
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Join the threads that have ended. */
static void reap(struct loadtester *l)
{
    struct job *ended = NULL;

    pthread_mutex_lock(&l->lock);
    for (struct job **t = &l->tasks; *t;) {
        struct job *one = *t;

        if (!one->done) {
            t = &one->next;
            continue;
        }
        *t = one->next;
        one->next = ended;
        ended = one;
    }
    pthread_mutex_unlock(&l->lock);
    while (ended) {
        struct job *next = ended->next;

        pthread_join(ended->thread, NULL);
        task_free(ended);
        ended = next;
    }
}

/* Words between white space, without quoting, as Flagger splits them; `first` goes ahead. */
static char **split_words(const char *first, const char *text)
{
    char **argv = calloc(strlen(text) / 2 + 3, sizeof *argv);
    size_t n = 0;

    if (!argv)
        return NULL;
    argv[n++] = strdup(first);
    for (text += strspn(text, " \t\r\n"); *text && argv[n - 1]; text += strspn(text, " \t\r\n")) {
        size_t len = strcspn(text, " \t\r\n");

        argv[n++] = strndup(text, len);
        text += len;
    }
    return argv;
}

static struct job *task_new(struct loadtester *l, const struct payload *p, const char *type,
                            const char *command)
{
    struct job *t = calloc(1, sizeof *t);
    bool shell = strcmp(type, "cmd") == 0, bash = strcmp(type, "bash") == 0;
    size_t n = 0;

    if (!t)
        return NULL;
    t->owner = l;
    t->canary = strdup(p->canary);
    t->text = strdup(command);
    if (shell || bash) {
        t->argv = calloc(4, sizeof *t->argv);
        if (t->argv) {
            t->argv[n++] = strdup(shell ? "sh" : "bash");
            t->argv[n++] = strdup("-c");
            t->argv[n++] = strdup(command);
        }
    } else {
        t->argv = split_words(strcmp(type, "kubectl") == 0 ? "kubectl" : "helm", command);
    }
    t->log_output = !shell || is_true(metadata(p, "logCmdOutput"));
    t->give_output = is_true(metadata(p, "returnCmdOutput"));
    if (!t->canary || !t->text || !t->argv || !t->argv[0] || (n && (!t->argv[1] || !t->argv[2]))) {
        task_free(t);
        return NULL;
    }
    return t;
}

/* 0 started, 1 one like it runs already, -1 too many or no thread. Takes the task unless it returns
 * nonzero. */
static int start_task(struct loadtester *l, struct job *t)
{
    int rc = 0;

    pthread_mutex_lock(&l->lock);
    for (const struct job *other = l->tasks; other && !t->call; other = other->next) {
        if (!other->done && !other->call && strcmp(other->canary, t->canary) == 0 &&
            strcmp(other->text, t->text) == 0)
            rc = 1;
    }
    if (rc == 0 && (l->running >= LOADTESTER_TASKS_MAX || l->stopping))
        rc = -1;
    if (rc == 0 && pthread_create(&t->thread, NULL, run_task, t) != 0)
        rc = -1;
    if (rc == 0) {
        l->running++;
        t->next = l->tasks;
        l->tasks = t;
    }
    pthread_mutex_unlock(&l->lock);
    return rc;
}

static void handle_task(struct loadtester *l, struct server_call *c, const struct payload *p)
{
    static const char *const types[] = {"cmd", "bash", "helm", "helmv3", "kubectl", NULL};
    const char *type = metadata(p, "type"), *command = metadata(p, "cmd");
    bool background, known = false;
    struct strbuf b = STRBUF_INIT;
    struct job *t;
    int rc;

    if (!p->metadata || !p->metadata->first) {
        answer(c, 400, "metadata not found in payload");
        return;
    }
    type = type ? type : "cmd";
    for (size_t i = 0; types[i]; i++)
        known |= strcmp(types[i], type) == 0;
    background = strcmp(type, "cmd") == 0;
    if (!known || (background && !command)) {
        strbuf_addf(&b, known ? "cmd not found in metadata" : "unknown task type %s", type);
        answer(c, 400, strbuf_str(&b));
        strbuf_release(&b);
        return;
    }
    t = task_new(l, p, type, command ? command : "");
    if (t && !background)
        t->call = c;
    rc = t ? start_task(l, t) : -1;
    if (rc == 0)
        say(l, "info", p->canary, "task starting ", command ? command : "", "");
    else if (rc > 0)
        say(l, "info", p->canary, "command skipped ", t->text, " is already running");
    if (rc != 0)
        task_free(t);
    if (rc < 0)
        answer(c, 503, "too many tasks");
    else if (background)
        answer(c, 202, "");
}

/* ---- calls ------------------------------------------------------- */

static bool authorized(struct loadtester *l, const struct payload *p)
{
    return !l->has_regexp || regexec(&l->namespaces, p->name_space, 0, NULL, 0) == 0;
}

void loadtester_handle(void *ctx, struct server_call *call)
{
    static const char *const verbs[] = {"check", "open", "close", NULL};
    struct loadtester *l = ctx;
    const char *path = call_path(call), *verb = NULL;
    bool rollback = strncmp(path, "/rollback/", 10) == 0, gate = strncmp(path, "/gate/", 6) == 0;
    struct arena *arena;
    struct payload p;
    size_t len;
    const char *body = call_body(call, &len);

    reap(l);
    if (strcmp(path, "/healthz") == 0 || strcmp(path, "/gate/approve") == 0) {
        answer(call, 200, "OK");
        return;
    }
    if (strcmp(path, "/gate/halt") == 0) {
        answer(call, 403, "Forbidden");
        return;
    }
    for (size_t i = 0; (gate || rollback) && verbs[i]; i++) {
        if (strcmp(path + (gate ? 6 : 10), verbs[i]) == 0)
            verb = verbs[i];
    }
    arena = arena_new(16u << 20);
    if (!arena || !read_payload(arena, body, len, &p)) {
        say(l, "error", "", "decoding the request body failed", "", "");
        answer(call, 400, "");
    } else if (!authorized(l, &p)) {
        answer(call, 403, "Forbidden");
    } else if (verb) {
        handle_gate(l, call, &p, rollback, verb);
    } else {
        handle_task(l, call, &p);
    }
    arena_free(arena);
}

/* ---- life -------------------------------------------------------- */

struct loadtester *loadtester_new(const struct loadtester_options *options)
{
    struct loadtester *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->options = *options;
    l->has_regexp = options->namespace_regexp && *options->namespace_regexp;
    if (l->has_regexp &&
        regcomp(&l->namespaces, options->namespace_regexp, REG_EXTENDED | REG_NOSUB) != 0) {
        free(l);
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void loadtester_stop(struct loadtester *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    for (struct job *t = l->tasks; t; t = t->next) {
        if (t->group > 0)
            kill(-t->group, SIGKILL);
    }
    pthread_mutex_unlock(&l->lock);
    for (;;) {
        struct job *t;

        pthread_mutex_lock(&l->lock);
        t = l->tasks;
        l->tasks = t ? t->next : NULL;
        pthread_mutex_unlock(&l->lock);
        if (!t)
            return;
        pthread_join(t->thread, NULL);
        task_free(t);
    }
}

void loadtester_free(struct loadtester *l)
{
    if (!l)
        return;
    loadtester_stop(l);
    while (l->gates) {
        struct gate_entry *g = l->gates;

        l->gates = g->next;
        free(g);
    }
    if (l->has_regexp)
        regfree(&l->namespaces);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
