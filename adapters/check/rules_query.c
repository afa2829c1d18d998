/* Query templates and PromQL: CM401 to CM404, CM407. */
#include <string.h>

#include "adapters/check/internal.h"
#include "adapters/metrics/promql_lint.h"
#include "adapters/metrics/template.h"

bool check_needs_duration(const char *provider_type)
{
    static const char *const types[] = {"datadog", "cloudwatch", "newrelic", "dynatrace", "splunk"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i], provider_type) == 0)
            return true;
    return false;
}

/* ---- variables
 * --------------------------------------------------------------------------------------- */

struct words {
    struct strbuf text; /* " a b " */
};

static void note_word(void *ctx, enum template_word kind, const char *name, size_t offset)
{
    struct words *w = ctx;
    struct strbuf padded = STRBUF_INIT;

    (void)offset;
    if (kind != TEMPLATE_VARIABLE)
        return;
    if (w->text.len == 0)
        strbuf_addc(&w->text, ' ');
    strbuf_addf(&padded, " %.60s ", name);
    if (strstr(strbuf_str(&w->text), strbuf_str(&padded)) == NULL)
        strbuf_addf(&w->text, "%.60s ", name);
    strbuf_release(&padded);
}

static const char *words_of(struct check *c, const struct template *t)
{
    struct words w = {STRBUF_INIT};
    const char *text;

    template_each_word(t, note_word, &w);
    text = arena_strdup(check_scratch(c), strbuf_str(&w.text));
    strbuf_release(&w.text);
    return text;
}

const char *check_template_variables(struct check *c, const struct node *query)
{
    struct template_error error;
    struct template *t;

    if (query == NULL || query->kind != NODE_STRING)
        return NULL;
    if (strstr(query->text, "variables") == NULL)
        return "";
    t = template_parse(check_scratch(c), query->text, query->text_len, &error);
    return t ? words_of(c, t) : NULL;
}

/* An inline query and its own variables. */
static void inline_variables(struct check *c, const struct node *query, const char *path,
                             const char *words, const struct node *given)
{
    while (*words == ' ')
        words++;
    while (words && *words) {
        size_t len = strcspn(words, " ");
        const char *name = arena_strndup(check_scratch(c), words, len);

        if (name && node_get(given, name) == NULL)
            check_find_as(c, SEVERITY_ERROR, CM407, query, path, "add it to templateVariables",
                          "the query needs the variable '%s': Flagger sends an empty query", name);
        words += len;
        while (*words == ' ')
            words++;
    }
}

/* ---- the template
 * ------------------------------------------------------------------------------------ */

static void template_problem(struct check *c, const struct node *query, const char *path,
                             const struct template_error *e)
{
    struct node place = check_inside(c, query, e->line, e->col);
    const char *name = strstr(e->what, "function \""), *near = NULL;
    bool unknown = name != NULL && strstr(e->what, "not defined") != NULL;

    if (e->unsupported)
        return; /* Go may accept it; no ground to complain */
    if (unknown) {
        name += 10;
        near = nearest_name(name, strcspn(name, "\""), template_function_names());
    }
    check_find(
        c, unknown ? CM402 : CM401, &place, path,
        near ? check_text(c, "did you mean '%s'?", near)
        : unknown
            ? "name, namespace, target, service, ingress, route, interval and variables can be used"
            : NULL,
        "%s", e->what);
}

/* An `or vector(1)` and its kin: no data becomes a value. */
static bool answers_itself(const char *query)
{
    const char *at = strstr(query, "vector(");

    if (at == NULL)
        return false;
    at += 7;
    while (*at == ' ')
        at++;
    return (*at >= '0' && *at <= '9') || *at == '-' || *at == '.';
}

/* Only a number: `1`, or `100 - 0`. */
static bool constant(const char *query)
{
    return query[strspn(query, "0123456789.+-*/() \t\r\n")] == 0 &&
           query[strcspn(query, "0123456789")] != 0;
}

static void constant_answer(struct check *c, const struct node *query, const char *path)
{
    if (answers_itself(query->text))
        check_find(c, CM404, query, path, "let the check fail when there is no data",
                   "with vector(…) the query has an answer even when there is no data");
    else if (constant(query->text))
        check_find(c, CM404, query, path, "write a query about the service",
                   "the query is a constant");
}

/* ---- PromQL
 * ------------------------------------------------------------------------------------------ */

struct judged {
    struct check *c;
    const struct node *query;
    const char *path;
    bool said; /* one finding for a query: the rest often follows from it */
};

static void promql_problem(void *ctx, const struct promql_finding *f)
{
    struct judged *j = ctx;
    struct node place;
    uint32_t line, col;

    if (j->said)
        return;
    j->said = true;
    template_locate(j->query->text, j->query->text_len, f->offset, &line, &col);
    place = check_inside(j->c, j->query, line, col);
    check_find(j->c, CM403, &place, j->path, f->hint ? check_text(j->c, "%s", f->hint) : NULL, "%s",
               f->what);
}

/*
 * Put something of the same length in the place of every `{{ … }}`, so that offsets stay: a
 * duration for the interval, letters for names. False when that cannot be done without guessing:
 * conditions, loops, and variables outside of quotes, which may be numbers.
 */
static bool fill_in(char *text, size_t len)
{
    bool quoted = false;
    char quote = 0;

    for (size_t i = 0; i < len; i++) {
        size_t end, word;

        if (text[i] == '\\' && quoted && quote != '`') {
            i++;
        } else if (!quoted && (text[i] == '"' || text[i] == '\'' || text[i] == '`')) {
            quoted = true;
            quote = text[i];
        } else if (quoted && text[i] == quote) {
            quoted = false;
        } else if (text[i] == '{' && i + 1 < len && text[i + 1] == '{') {
            const char *close = strstr(text + i, "}}");

            if (close == NULL)
                return false;
            end = (size_t)(close - text) + 2;
            word = i + 2 + strspn(text + i + 2, " \t\n-");
            if (strncmp(text + word, "interval", 8) == 0 && !quoted) {
                memset(text + i, '0', end - i);
                memcpy(text + end - 2, "1m", 2);
            } else if (quoted || (strcspn(text + word, " }") < 10 &&
                                  strncmp(text + word, "variables", 9) != 0 &&
                                  strncmp(text + word, "if", 2) != 0 &&
                                  strncmp(text + word, "else", 4) != 0 &&
                                  strncmp(text + word, "end", 3) != 0 &&
                                  strncmp(text + word, "range", 5) != 0 &&
                                  strncmp(text + word, "with", 4) != 0 &&
                                  strncmp(text + word, "printf", 6) != 0 && text[word] != '$' &&
                                  text[word] != '/')) {
                memset(text + i, 'x', end - i);
            } else {
                return false;
            }
            i = end - 1;
        }
    }
    return true;
}

static void judge_promql(struct check *c, const struct node *query, const char *path)
{
    struct judged j = {c, query, path, false};
    char *text = arena_strndup(check_scratch(c), query->text, query->text_len);

    if (text && fill_in(text, query->text_len))
        promql_lint(check_scratch(c), text, query->text_len, promql_problem, &j);
}

void rules_query(struct check *c, const struct node *query, const char *path, const char *provider,
                 const struct node *variables)
{
    struct template_error error;
    struct template *t = NULL;
    bool prometheus = strcmp(provider, "prometheus") == 0;

    if (strstr(query->text, "{{")) {
        t = template_parse(check_scratch(c), query->text, query->text_len, &error);
        if (t == NULL) {
            template_problem(c, query, path, &error);
            return;
        }
        if (strncmp(path, ".spec.analysis.", 15) == 0)
            inline_variables(c, query, path, words_of(c, t), variables);
    }
    if (!prometheus)
        return;
    constant_answer(c, query, path);
    judge_promql(c, query, path);
}
