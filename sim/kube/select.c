#include "sim/kube/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum op { OP_EQUAL, OP_NOT_EQUAL, OP_IN, OP_NOT_IN, OP_EXISTS, OP_ABSENT };

struct term {
    enum op op;
    char *key;
    char **values;
    size_t value_count;
};

struct sk_selector {
    struct term labels[32], fields[16];
    size_t label_count, field_count;
};

static void term_release(struct term *t)
{
    free(t->key);
    for (size_t i = 0; i < t->value_count; i++)
        free(t->values[i]);
    free(t->values);
}

void sk_selector_free(struct sk_selector *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->label_count; i++)
        term_release(&s->labels[i]);
    for (size_t i = 0; i < s->field_count; i++)
        term_release(&s->fields[i]);
    free(s);
}

bool sk_selector_is_empty(const struct sk_selector *s)
{
    return !s || (s->label_count == 0 && s->field_count == 0);
}

static char *trimmed(const char *s, size_t len)
{
    while (len && (*s == ' ')) {
        s++;
        len--;
    }
    while (len && s[len - 1] == ' ')
        len--;
    return strndup(s, len);
}

static bool add_value(struct term *t, const char *s, size_t len)
{
    if (memchr(s, '=', len) || memchr(s, '!', len))
        return false;
    char **more = realloc(t->values, (t->value_count + 1) * sizeof(char *));

    if (!more)
        return false;
    t->values = more;
    t->values[t->value_count] = trimmed(s, len);
    return t->values[t->value_count++] != NULL;
}

static bool key_ok(const char *key)
{
    size_t len = strlen(key);

    if (len == 0 || len > 317)
        return false;
    return strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == len;
}

/* "key in (a,b)", "key notin (a)" */
static bool parse_set(struct term *t, const char *s, size_t key_len, const char *rest)
{
    const char *open = strchr(rest, '('), *close = open ? strchr(open, ')') : NULL;

    t->op = strncmp(rest, "notin", 5) == 0 ? OP_NOT_IN : OP_IN;
    t->key = trimmed(s, key_len);
    if (!open || !close || !t->key || !key_ok(t->key))
        return false;
    open++;
    while (open <= close) {
        size_t len = strcspn(open, ",)");

        if (!add_value(t, open, len))
            return false;
        open += len + 1;
    }
    return true;
}

static bool parse_term(struct term *t, const char *text)
{
    size_t len = strcspn(text, "=! ");
    const char *rest;

    if (*text == '!') {
        t->op = OP_ABSENT;
        t->key = trimmed(text + 1, strlen(text + 1));
        return t->key && key_ok(t->key);
    }
    rest = text + len;
    rest += strspn(rest, " ");
    if (strncmp(rest, "in", 2) == 0 || strncmp(rest, "notin", 5) == 0)
        return parse_set(t, text, len, rest);
    t->key = trimmed(text, len);
    if (!t->key || !key_ok(t->key))
        return false;
    if (!*rest) {
        t->op = OP_EXISTS;
        return true;
    }
    t->op = *rest == '!' ? OP_NOT_EQUAL : OP_EQUAL;
    if (*rest == '!' && rest[1] != '=')
        return false;
    rest += *rest == '!' || rest[1] == '=' ? 2 : 1;
    return add_value(t, rest, strlen(rest));
}

/* Split at commas outside of parentheses. */
static bool parse_terms(const char *text, struct term *terms, size_t max, size_t *count)
{
    while (text && *text) {
        size_t len = 0;
        int depth = 0;
        char *one;
        bool ok;

        while (text[len] && (depth > 0 || text[len] != ',')) {
            depth += text[len] == '(' ? 1 : text[len] == ')' ? -1 : 0;
            len++;
        }
        if (*count == max)
            return false;
        one = trimmed(text, len);
        ok = one && parse_term(&terms[*count], one);
        (*count)++; /* half-built terms are released too */
        free(one);
        if (!ok)
            return false;
        text += len + (text[len] == ',');
    }
    return true;
}

static bool field_known(const struct sk_kind *kind, const char *key)
{
    static const struct {
        const char *plural, *key;
    } known[] = {
        {"pods", "spec.nodeName"},
        {"pods", "spec.restartPolicy"},
        {"pods", "spec.schedulerName"},
        {"pods", "spec.serviceAccountName"},
        {"pods", "status.phase"},
        {"pods", "status.podIP"},
        {"events", "involvedObject.kind"},
        {"events", "involvedObject.name"},
        {"events", "involvedObject.namespace"},
        {"events", "involvedObject.uid"},
        {"events", "involvedObject.apiVersion"},
        {"events", "involvedObject.resourceVersion"},
        {"events", "involvedObject.fieldPath"},
        {"events", "reason"},
        {"events", "reportingComponent"},
        {"events", "source"},
        {"events", "type"},
        {"secrets", "type"},
        {"namespaces", "status.phase"},
        {"replicasets", "status.replicas"},
        {"services", "spec.clusterIP"},
        {"services", "spec.type"},
    };

    if (strcmp(key, "metadata.name") == 0 || (strcmp(key, "metadata.namespace") == 0))
        return true;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].plural, kind->plural) == 0 && strcmp(known[i].key, key) == 0)
            return true;
    }
    return false;
}

struct sk_selector *sk_selector_new(const struct sk_kind *kind, const char *labels,
                                    const char *fields, struct strbuf *ret_text)
{
    struct sk_selector *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    if (!parse_terms(labels, s->labels, 32, &s->label_count)) {
        strbuf_addf(ret_text, "unable to parse requirement: %s", labels);
        goto fail;
    }
    if (!parse_terms(fields, s->fields, 16, &s->field_count)) {
        strbuf_addf(ret_text, "invalid selector: '%s'; can't understand '%s'", fields, fields);
        goto fail;
    }
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->fields[i].op != OP_EQUAL && s->fields[i].op != OP_NOT_EQUAL) {
            strbuf_addf(ret_text, "invalid selector: '%s'; can't understand '%s'", fields,
                        s->fields[i].key);
            goto fail;
        }
        if (field_known(kind, s->fields[i].key))
            continue;
        if (kind->custom)
            strbuf_addf(ret_text, "field label not supported: %s", s->fields[i].key);
        else
            strbuf_addf(ret_text,
                        "\"%s\" is not a known field selector: only \"metadata.name\", "
                        "\"metadata.namespace\"",
                        s->fields[i].key);
        goto fail;
    }
    return s;
fail:
    sk_selector_free(s);
    return NULL;
}

static bool term_holds(const struct term *t, const char *value)
{
    bool in = false;

    for (size_t i = 0; value && i < t->value_count; i++)
        in = in || strcmp(t->values[i], value) == 0;
    switch (t->op) {
    case OP_EQUAL:
    case OP_IN:
        return value && in;
    case OP_NOT_EQUAL:
    case OP_NOT_IN:
        return !value || !in;
    case OP_EXISTS:
        return value != NULL;
    case OP_ABSENT:
        return value == NULL;
    }
    return false;
}

static const char *field_value(const cJSON *tree, const char *path)
{
    const cJSON *at = tree;

    if (strcmp(path, "source") == 0)
        return json_str_or(json_get(tree, "source"), "component", "");
    while (*path && at) {
        char part[64];
        size_t len = strcspn(path, ".");

        if (len >= sizeof(part))
            return "";
        memcpy(part, path, len);
        part[len] = '\0';
        at = json_get(at, part);
        path += len + (path[len] == '.');
    }
    return cJSON_IsString(at) ? at->valuestring : "";
}

bool sk_selector_matches(const struct sk_selector *s, const cJSON *tree)
{
    const cJSON *labels;

    if (!s)
        return true;
    labels = s->label_count ? json_at(tree, "metadata", "labels", (char *)NULL) : NULL;
    for (size_t i = 0; i < s->label_count; i++) {
        if (!term_holds(&s->labels[i], json_str(labels, s->labels[i].key)))
            return false;
    }
    for (size_t i = 0; i < s->field_count; i++) {
        if (!term_holds(&s->fields[i], field_value(tree, s->fields[i].key)))
            return false;
    }
    return true;
}

static bool expression_holds(const cJSON *e, const cJSON *labels)
{
    const char *op = json_str_or(e, "operator", ""),
               *value = json_str(labels, json_str_or(e, "key", ""));
    const cJSON *v;
    bool in = false;

    cJSON_ArrayForEach(v, json_get(e, "values")) in =
        in || (value && v->valuestring && strcmp(v->valuestring, value) == 0);
    if (strcmp(op, "In") == 0)
        return in;
    if (strcmp(op, "NotIn") == 0)
        return !in;
    if (strcmp(op, "Exists") == 0)
        return value != NULL;
    return strcmp(op, "DoesNotExist") == 0 && !value;
}

bool sk_label_selector_matches(const cJSON *selector, const cJSON *labels)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, json_get(selector, "matchLabels"))
    {
        const char *have = json_str(labels, item->string);

        if (!have || !item->valuestring || strcmp(have, item->valuestring) != 0)
            return false;
    }
    cJSON_ArrayForEach(item, json_get(selector, "matchExpressions"))
    {
        if (!expression_holds(item, labels))
            return false;
    }
    return true;
}

size_t simkube_ready_pods(const struct simkube *k, const char *namespace_name,
                          const cJSON *selector)
{
    char from[300];
    size_t n = 0, i;

    if (snprintf(from, sizeof(from), "%s/", namespace_name) >= (int)sizeof(from))
        return 0;
    for (i = sk_lower_bound(k->pods, from); i < k->pods->count; i++) {
        const struct sk_object *o = k->pods->objects[i];
        const cJSON *labels, *item, *c;
        bool match = true;

        if (strcmp(o->ns, namespace_name) != 0)
            break;
        if (json_at(o->tree, "metadata", "deletionTimestamp", (char *)NULL))
            continue;
        labels = json_at(o->tree, "metadata", "labels", (char *)NULL);
        cJSON_ArrayForEach(item, selector)
        {
            const char *have = json_str(labels, item->string);

            match = match && have && item->valuestring && strcmp(have, item->valuestring) == 0;
        }
        if (!match)
            continue;
        cJSON_ArrayForEach(c, json_at(o->tree, "status", "conditions", (char *)NULL))
        {
            if (strcmp(json_str_or(c, "type", ""), "Ready") == 0 &&
                strcmp(json_str_or(c, "status", ""), "True") == 0)
                n++;
        }
    }
    return n;
}
