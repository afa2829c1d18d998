#include "sim/kube/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON patch, RFC 6902
 * ------------------------------------------------------------------------------- */

#define PATCH_OPERATIONS_MAX 10000

/* The next token of a pointer, unescaped into `out`; false when it does not fit. */
static bool next_token(const char **p, char *out, size_t size)
{
    size_t n = 0;

    (*p)++; /* the slash */
    for (; **p && **p != '/'; (*p)++) {
        char c = **p;

        if (c == '~') {
            (*p)++;
            if (**p != '0' && **p != '1')
                return false;
            c = **p == '0' ? '~' : '/';
        }
        if (n + 1 >= size)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static int list_index(const cJSON *list, const char *token, bool adding)
{
    int n = cJSON_GetArraySize(list), i = 0;

    if (strcmp(token, "-") == 0)
        return adding ? n : -1;
    if (!*token || strlen(token) > 8)
        return -1;
    for (const char *p = token; *p; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        i = i * 10 + (*p - '0');
    }
    return i < n || (adding && i == n) ? i : -1;
}

static cJSON *member_of(cJSON *parent, const char *token)
{
    int i;

    if (cJSON_IsObject(parent))
        return json_get(parent, token);
    if (!cJSON_IsArray(parent))
        return NULL;
    i = list_index(parent, token, false);
    return i >= 0 ? cJSON_GetArrayItem(parent, i) : NULL;
}

/* The parent of the place a pointer names, and the last token; NULL when there is none. */
static cJSON *find_parent(cJSON *doc, const char *pointer, char *last, size_t size)
{
    cJSON *at = doc;

    if (*pointer != '/')
        return NULL;
    for (;;) {
        if (!next_token(&pointer, last, size))
            return NULL;
        if (!*pointer)
            return at;
        at = member_of(at, last);
        if (!at)
            return NULL;
    }
}

static cJSON *find_value(cJSON *doc, const char *pointer)
{
    char last[512];
    cJSON *parent;

    if (!*pointer)
        return doc;
    parent = find_parent(doc, pointer, last, sizeof(last));
    return parent ? member_of(parent, last) : NULL;
}

/* Put `value` (consumed) at a pointer. */
static bool put(cJSON **doc, const char *pointer, cJSON *value, bool replace)
{
    char last[512];
    cJSON *parent;
    int i;

    if (!*pointer) {
        json_free(*doc);
        *doc = value;
        return true;
    }
    parent = find_parent(*doc, pointer, last, sizeof(last));
    if (cJSON_IsObject(parent) && (!replace || json_get(parent, last)))
        return json_set(parent, last, value) == 0;
    if (cJSON_IsArray(parent)) {
        i = list_index(parent, last, !replace);
        if (i >= 0 && replace)
            return cJSON_ReplaceItemInArray(parent, i, value);
        if (i >= 0 && i == cJSON_GetArraySize(parent))
            return cJSON_AddItemToArray(parent, value);
        if (i >= 0)
            return cJSON_InsertItemInArray(parent, i, value);
    }
    json_free(value);
    return false;
}

static cJSON *take(cJSON *doc, const char *pointer)
{
    char last[512];
    cJSON *parent = find_parent(doc, pointer, last, sizeof(last));
    cJSON *value = parent ? member_of(parent, last) : NULL;

    return value ? cJSON_DetachItemViaPointer(parent, value) : NULL;
}

static bool run_operation(cJSON **doc, const cJSON *op, struct strbuf *text)
{
    const char *name = json_str_or(op, "op", ""), *path = json_str_or(op, "path", "");
    const char *from = json_str_or(op, "from", "");
    cJSON *value = json_get(op, "value"), *found;

    if (strcmp(name, "add") == 0 || strcmp(name, "replace") == 0) {
        bool replace = *name == 'r';

        if (replace && !find_value(*doc, path)) {
            strbuf_addf(text,
                        "replace operation does not apply: doc is missing key: %s: missing value",
                        path);
            return false;
        }
        if (put(doc, path, value ? json_copy(value) : cJSON_CreateNull(), replace))
            return true;
        strbuf_addf(text, "%s operation does not apply: doc is missing path: \"%s\": missing value",
                    name, path);
    } else if (strcmp(name, "remove") == 0) {
        found = take(*doc, path);
        json_free(found);
        if (found)
            return true;
        strbuf_addf(text,
                    "remove operation does not apply: doc is missing path: \"%s\": missing value",
                    path);
    } else if (strcmp(name, "test") == 0) {
        found = find_value(*doc, path);
        if (found ? value && json_equal(found, value) : !value || cJSON_IsNull(value))
            return true;
        strbuf_addf(text, "testing value %s failed: test failed", path);
    } else if (strcmp(name, "move") == 0 || strcmp(name, "copy") == 0) {
        bool move = *name == 'm';

        found = move ? NULL : json_copy(find_value(*doc, from));
        if (move && strncmp(path, from, strlen(from)) == 0 && path[strlen(from)] == '/')
            found = NULL; /* into itself */
        else if (move)
            found = take(*doc, from);
        if (found && put(doc, path, found, false))
            return true;
        strbuf_addf(text,
                    "%s operation does not apply: doc is missing from path: %s: missing value",
                    name, from);
    } else {
        strbuf_addf(text, "Unexpected kind: %s", *name ? name : "unknown");
    }
    return false;
}

cJSON *sk_json_patch(cJSON *target, const cJSON *patch, int *ret_status, struct strbuf *ret_text)
{
    const cJSON *op;
    int n = 0;

    if (!cJSON_IsArray(patch)) {
        strbuf_adds(ret_text, "error decoding patch: json: cannot unmarshal object into Go value "
                              "of type []handlers.jsonPatchOp");
        *ret_status = 400;
        json_free(target);
        return NULL;
    }
    cJSON_ArrayForEach(op, patch)
    {
        if (++n > PATCH_OPERATIONS_MAX || !run_operation(&target, op, ret_text)) {
            *ret_status = n > PATCH_OPERATIONS_MAX ? 413 : 422;
            json_free(target);
            return NULL;
        }
    }
    return target;
}

/* ---- strategic merge
 * ---------------------------------------------------------------------------------------- */

static cJSON *merge_object(const struct sk_schema *s, cJSON *target, const cJSON *patch);

static bool same_element(const struct sk_schema *s, const cJSON *a, const cJSON *b)
{
    if (s->list_key_count == 0)
        return json_equal(a, b);
    for (size_t i = 0; i < s->list_key_count; i++) {
        if (!json_equal(json_get(a, s->list_keys[i]), json_get(b, s->list_keys[i])))
            return false;
    }
    return true;
}

static cJSON *find_element(const struct sk_schema *s, cJSON *list, const cJSON *like)
{
    cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        if (same_element(s, item, like))
            return item;
    }
    return NULL;
}

static bool directive(const cJSON *item, const char *value)
{
    const char *d = json_str(item, "$patch");

    return d && strcmp(d, value) == 0;
}

static cJSON *without_directives(const struct sk_schema *s, const cJSON *item)
{
    return cJSON_IsObject(item) ? merge_object(s, cJSON_CreateObject(), item) : json_copy(item);
}

static cJSON *merge_list(const struct sk_schema *s, cJSON *target, const cJSON *patch)
{
    const cJSON *item;
    bool replace = !cJSON_IsArray(target) || !(s && (s->is_set || s->list_key_count));

    cJSON_ArrayForEach(item, patch) replace = replace || directive(item, "replace");
    if (replace) {
        json_free(target);
        target = cJSON_CreateArray();
    }
    cJSON_ArrayForEach(item, patch)
    {
        cJSON *have = s && (s->is_set || s->list_key_count) ? find_element(s, target, item) : NULL;

        if (directive(item, "replace"))
            continue;
        if (directive(item, "delete")) {
            if (have)
                cJSON_Delete(cJSON_DetachItemViaPointer(target, have));
        } else if (!have) {
            cJSON_AddItemToArray(target, without_directives(s ? s->items : NULL, item));
        } else if (cJSON_IsObject(have)) {
            cJSON *merged = merge_object(s->items, json_copy(have), item);

            cJSON_ReplaceItemViaPointer(target, have, merged);
        }
    }
    return target;
}

/* "$setElementOrder/x": elements named there come in that order, others keep their places around
 * them. */
static void set_order(const struct sk_schema *s, cJSON *list, const cJSON *order)
{
    const cJSON *want;
    cJSON *sorted;

    if (!s || !cJSON_IsArray(list) || (!s->is_set && !s->list_key_count))
        return;
    sorted = cJSON_CreateArray();
    cJSON_ArrayForEach(want, order)
    {
        cJSON *item = find_element(s, list, want);

        if (item)
            cJSON_AddItemToArray(sorted, cJSON_DetachItemViaPointer(list, item));
    }
    while (sorted->child) {
        /* what only the server has stays in front, as it was there first */
        cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(sorted, sorted->child));
    }
    json_free(sorted);
}

static void delete_primitives(cJSON *list, const cJSON *values)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, values)
    {
        cJSON *item = list ? list->child : NULL, *next;

        for (; item; item = next) {
            next = item->next;
            if (json_equal(item, v))
                cJSON_Delete(cJSON_DetachItemViaPointer(list, item));
        }
    }
}

static void retain_keys(cJSON *target, const cJSON *keys)
{
    cJSON *member = target->child, *next;

    for (; member; member = next) {
        const cJSON *key;
        bool keep = false;

        next = member->next;
        cJSON_ArrayForEach(key, keys) keep =
            keep || (key->valuestring && strcmp(key->valuestring, member->string) == 0);
        if (!keep)
            cJSON_Delete(cJSON_DetachItemViaPointer(target, member));
    }
}

static void merge_directives(const struct sk_schema *s, cJSON *target, const cJSON *patch)
{
    static const char order[] = "$setElementOrder/", drop[] = "$deleteFromPrimitiveList/";
    const cJSON *member;

    cJSON_ArrayForEach(member, patch)
    {
        const char *name = member->string;

        if (strncmp(name, drop, sizeof(drop) - 1) == 0)
            delete_primitives(json_get(target, name + sizeof(drop) - 1), member);
        else if (strncmp(name, order, sizeof(order) - 1) == 0)
            set_order(sk_schema_member(s, name + sizeof(order) - 1),
                      json_get(target, name + sizeof(order) - 1), member);
        else if (strcmp(name, "$retainKeys") == 0)
            retain_keys(target, member);
    }
}

static cJSON *merge_object(const struct sk_schema *s, cJSON *target, const cJSON *patch)
{
    const cJSON *member;

    if (directive(patch, "delete")) {
        json_free(target);
        return cJSON_CreateObject();
    }
    if (!cJSON_IsObject(target) || directive(patch, "replace")) {
        json_free(target);
        target = cJSON_CreateObject();
    }
    cJSON_ArrayForEach(member, patch)
    {
        const struct sk_schema *child = sk_schema_member(s, member->string);
        cJSON *have;

        if (member->string[0] == '$')
            continue;
        if (cJSON_IsNull(member)) {
            json_remove(target, member->string);
            continue;
        }
        if (!cJSON_IsObject(member) && !cJSON_IsArray(member)) {
            json_set(target, member->string, json_copy(member));
            continue;
        }
        have = json_get(target, member->string);
        have = have ? json_copy(have) : NULL;
        json_set(target, member->string,
                 cJSON_IsObject(member) ? merge_object(child, have, member)
                                        : merge_list(child, have, member));
    }
    merge_directives(s, target, patch);
    return target;
}

cJSON *sk_strategic_merge(const struct sk_schema *s, cJSON *target, const cJSON *patch)
{
    return merge_object(s, target, patch);
}

cJSON *sk_apply_merge(const struct sk_schema *s, cJSON *target, const cJSON *patch)
{
    return merge_object(s, target, patch);
}
