/*
 * Play recorded router histories against our builders in profile flagger-1.44.
 *
 *   conformance-routers FILE.jsonl[.gz]            as recorded, in profile flagger-1.44
 *   conformance-routers --default FILE.jsonl[.gz]  what must hold of the default profile
 *
 * A history is a Canary, the objects that exist, and a list of calls; each call was recorded from
 * Flagger 1.44 with its writes, the objects it changed, the routes it read, the cookies and the
 * error. Prints the first difference of each failing case and then one closing line. Exit 0 only
 * when none failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "adapters/router/build.h"
#include "adapters/router/objectmap.h"

struct history {
    const char *id;
    struct objectmap map;
    cJSON *canary;
    struct router_options options;
    char failure[160]; /* what differed, "" = nothing yet */
    char *want, *got;
};

/* ---- normal form: no status, nulls or empty values; JSON inside annotations opened
 * ---------------------- */

static bool is_empty(const cJSON *v)
{
    return cJSON_IsNull(v) || (cJSON_IsString(v) && v->valuestring[0] == '\0') ||
           ((cJSON_IsArray(v) || cJSON_IsObject(v)) && v->child == NULL);
}

static void drop_empty(cJSON *v)
{
    cJSON *next;

    for (cJSON *item = v->child; item != NULL; item = next) {
        next = item->next;
        if (cJSON_IsObject(item) || cJSON_IsArray(item))
            drop_empty(item);
        if (is_empty(item) ||
            (item->string != NULL && strcmp(item->string, "creationTimestamp") == 0))
            json_free(cJSON_DetachItemViaPointer(v, item));
    }
}

static cJSON *normalise(const cJSON *object)
{
    cJSON *copy, *fresh;
    cJSON *annotations;

    if (object == NULL || cJSON_IsNull(object))
        return cJSON_CreateNull();
    copy = json_copy(object);
    json_remove(copy, "status");
    json_remove(copy, "apiVersion"); /* the record has them only where the source object had */
    json_remove(copy, "kind");
    annotations = json_at(copy, "metadata", "annotations", NULL);
    if (annotations != NULL) {
        fresh = cJSON_CreateObject();
        for (const cJSON *a = annotations->child; a != NULL; a = a->next) {
            cJSON *value =
                cJSON_IsString(a) ? json_parse(a->valuestring, strlen(a->valuestring), NULL) : NULL;

            if (!cJSON_IsObject(value) && !cJSON_IsArray(value)) {
                json_free(value);
                value = json_copy(a);
            }
            (void)json_set(fresh, a->string, value);
        }
        (void)json_set(json_get(copy, "metadata"), "annotations", fresh);
    }
    drop_empty(copy);
    return copy;
}

/* ---- one call
 * ---------------------------------------------------------------------------------------- */

static void differs(struct history *h, const char *what, size_t op, char *want, char *got)
{
    if (h->failure[0] != '\0') {
        free(want);
        free(got);
        return;
    }
    (void)snprintf(h->failure, sizeof(h->failure), "call %zu: %s", op, what);
    h->want = want;
    h->got = got;
}

static void compare_json(struct history *h, const char *what, size_t op, const cJSON *want,
                         const cJSON *got)
{
    if (!json_equal(want, got))
        differs(h, what, op, json_print_sorted(want), json_print_sorted(got));
}

/* Objects that are not as before, in normal form; null = gone. */
static cJSON *changes(const cJSON *before, const cJSON *after)
{
    cJSON *changed = cJSON_CreateObject();

    for (const cJSON *b = before->child; b != NULL; b = b->next) {
        cJSON *was = normalise(b), *is = normalise(json_get(after, b->string));

        if (json_equal(was, is))
            json_free(is);
        else
            (void)json_set(changed, b->string, is);
        json_free(was);
    }
    for (const cJSON *a = after->child; a != NULL; a = a->next) {
        if (json_get(before, a->string) == NULL)
            (void)json_set(changed, a->string, normalise(a));
    }
    return changed;
}

static cJSON *wanted_objects(const cJSON *expect)
{
    const cJSON *given = json_get(expect, "objects");
    cJSON *wanted = cJSON_CreateObject();

    for (const cJSON *o = given == NULL ? NULL : given->child; o != NULL; o = o->next)
        (void)json_set(wanted, o->string, normalise(o));
    return wanted;
}

static cJSON *write_lines(const struct router_result *result)
{
    cJSON *lines = cJSON_CreateArray();

    for (size_t i = 0; i < result->count; i++) {
        struct strbuf line = STRBUF_INIT;

        strbuf_addf(&line, "%s ", router_verb_name(result->writes[i].verb));
        objectmap_key(&line, result->writes[i].resource, result->writes[i].ns,
                      result->writes[i].name);
        (void)cJSON_AddItemToArray(lines, cJSON_CreateString(strbuf_str(&line)));
        strbuf_release(&line);
    }
    return lines;
}

static cJSON *cookie_list(const struct router_cookies *c)
{
    const char *const values[] = {c->session, c->previous, c->primary};

    return cJSON_CreateStringArray(values, 3);
}

static int call(struct history *h, const cJSON *op, struct router_result *result,
                struct routing *ret_routing)
{
    struct router_world world = objectmap_world(&h->map);
    struct router_request q = {h->canary, json_text(json_get(h->canary, "spec"), "provider"),
                               &h->options, &world, NULL};
    const char *name = json_text(op, "op");
    struct routing wanted = {json_int(op, "primary", 0), json_int(op, "canary", 0),
                             json_bool(op, "mirror", false)};

    if (strcmp(name, "reconcile") == 0)
        return router_reconcile(&q, result);
    if (strcmp(name, "get") == 0)
        return router_get(&q, ret_routing, result);
    if (strcmp(name, "set") == 0)
        return router_set(&q, &wanted, result);
    return router_finalize(&q, result);
}

static void keep_cookies(struct history *h, const struct router_cookies *c)
{
    cJSON *status = json_child_object(h->canary, "status");

    (void)json_set_str(status, "sessionAffinityCookie", c->session);
    (void)json_set_str(status, "previousSessionAffinityCookie", c->previous);
    (void)json_set_str(status, "primarySessionAffinityCookie", c->primary);
}

static void check_routes(struct history *h, size_t index, const cJSON *expect, int code,
                         const struct routing *routing)
{
    cJSON *got = cJSON_CreateArray();

    (void)cJSON_AddItemToArray(got, json_new_int(routing->primary));
    (void)cJSON_AddItemToArray(got, json_new_int(routing->canary));
    (void)cJSON_AddItemToArray(got, cJSON_CreateBool(routing->mirror));
    if (json_get(expect, "routes") != NULL && code == 0)
        compare_json(h, "routes", index, json_get(expect, "routes"), got);
    json_free(got);
}

static void check_cookies(struct history *h, size_t index, const cJSON *expect,
                          const struct router_result *result)
{
    cJSON *got = cookie_list(&result->cookies);
    const cJSON *want = json_get(expect, "cookies");

    if (want != NULL)
        compare_json(h, "cookies", index, want, got);
    json_free(got);
}

static void prepare(struct history *h, const cJSON *op)
{
    const char *phase = json_str(op, "phase");
    const cJSON *edit = json_get(op, "edit");

    if (phase != NULL)
        (void)json_set_str(json_child_object(h->canary, "status"), "phase", phase);
    if (edit != NULL)
        (void)json_set(h->canary, "spec",
                       json_merge_patch(json_copy(json_get(h->canary, "spec")), edit));
}

static void play_op(struct history *h, size_t index, const cJSON *op)
{
    const cJSON *expect = json_get(op, "expect"), *writes = json_get(expect, "writes");
    struct router_writer writer = objectmap_writer(&h->map);
    struct router_result result;
    struct routing routing = {0, 0, false};
    struct strbuf error = STRBUF_INIT;
    cJSON *before = json_copy(h->map.objects), *lines, *none = cJSON_CreateArray(), *changed,
          *wanted;
    int code;

    prepare(h, op);
    code = call(h, op, &result, &routing);
    lines = write_lines(&result);
    (void)router_apply(&result, &writer, &error);
    keep_cookies(h, &result.cookies);

    if (strcmp(json_text(expect, "error"), strbuf_str(&error)) != 0)
        differs(h, "error", index, strdup(json_text(expect, "error")), strdup(strbuf_str(&error)));
    compare_json(h, "writes", index, writes != NULL ? writes : none, lines);
    check_routes(h, index, expect, code, &routing);
    changed = changes(before, h->map.objects);
    wanted = wanted_objects(expect);
    compare_json(h, "objects", index, wanted, changed);
    check_cookies(h, index, expect, &result);

    json_free(changed);
    json_free(wanted);
    json_free(lines);
    json_free(none);
    json_free(before);
    strbuf_release(&error);
    router_result_release(&result);
}

/* ---- the default profile
 * ----------------------------------------------------------------------------- */

static bool read_routes(struct history *h, struct routing *ret_routing)
{
    cJSON *get = cJSON_CreateObject();
    struct router_result result;
    int code;

    (void)json_set_str(get, "op", "get");
    code = call(h, get, &result, ret_routing);
    router_result_release(&result);
    json_free(get);
    return code == 0;
}

static char *routes_text(const struct routing *r)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_addf(&b, "%lld/%lld%s", (long long)r->primary, (long long)r->canary,
                r->mirror ? " mirrored" : "");
    return strbuf_detach(&b);
}

/* Perform a call; returns whether it went through and how many writes it made. */
static bool perform(struct history *h, const cJSON *op, size_t *ret_writes)
{
    struct router_writer writer = objectmap_writer(&h->map);
    struct router_result result;
    struct routing routing;
    struct strbuf error = STRBUF_INIT;
    bool ok;

    (void)call(h, op, &result, &routing);
    ok = router_apply(&result, &writer, &error) == 0;
    *ret_writes = result.count;
    keep_cookies(h, &result.cookies);
    strbuf_release(&error);
    router_result_release(&result);
    return ok;
}

static void hold_op(struct history *h, size_t index, const cJSON *op)
{
    struct routing before = {0, 0, false}, after = {0, 0, false};
    bool known, reconciles = strcmp(json_text(op, "op"), "reconcile") == 0;
    size_t writes;

    prepare(h, op);
    known = read_routes(h, &before) && before.primary + before.canary > 0;
    if (!perform(h, op, &writes) || !reconciles)
        return;
    if (known && (!read_routes(h, &after) || before.primary != after.primary ||
                  before.canary != after.canary || before.mirror != after.mirror))
        differs(h, "a reconcile moved traffic", index, routes_text(&before), routes_text(&after));
    if (perform(h, op, &writes) && writes > 0)
        differs(h, "a second reconcile writes", index, strdup("nothing"), strdup("something"));
}

/* True when the history is as recorded, or when what must hold does. */
static bool play(const cJSON *line, bool in_default)
{
    struct history h = {.id = json_text(line, "id")};
    const cJSON *objects = json_get(line, "objects"), *ops = json_get(line, "ops");
    size_t index = 0;
    bool ok;

    h.options.set_owner_references = json_bool(line, "setOwnerReferences", false);
    h.options.ingress_class = "contour";
    h.options.quirks = in_default ? 0 : ROUTER_QUIRKS_FLAGGER;
    h.canary = json_copy(json_get(line, "canary"));
    objectmap_init(&h.map);
    for (const cJSON *o = objects == NULL ? NULL : objects->child; o != NULL; o = o->next)
        (void)json_set(h.map.objects, o->string, json_copy(o));
    for (const cJSON *op = ops->child; op != NULL && h.failure[0] == '\0'; op = op->next)
        (in_default ? hold_op : play_op)(&h, index++, op);
    ok = h.failure[0] == '\0';
    if (!ok)
        printf("%s: %s\n  want %s\n  got  %s\n", h.id, h.failure, h.want, h.got);
    free(h.want);
    free(h.got);
    json_free(h.canary);
    objectmap_release(&h.map);
    return ok;
}

/* ---- reading
 * ----------------------------------------------------------------------------------------- */

/* One line without its end, or NULL at the end of the file. */
static const char *next_line(gzFile file, struct strbuf *line)
{
    char chunk[8192];

    strbuf_clear(line);
    while (gzgets(file, chunk, (int)sizeof(chunk)) != NULL) {
        strbuf_adds(line, chunk);
        if (line->len > 0 && line->data[line->len - 1] == '\n')
            return strbuf_str(line);
    }
    return line->len > 0 ? strbuf_str(line) : NULL;
}

int main(int argc, char **argv)
{
    struct strbuf line = STRBUF_INIT;
    unsigned passed = 0, failed = 0;
    const char *text;
    gzFile file;

    bool in_default = argc == 3 && strcmp(argv[1], "--default") == 0;

    if ((argc != 2 && !in_default) || (file = gzopen(argv[argc - 1], "rb")) == NULL) {
        fprintf(stderr, "usage: conformance-routers [--default] FILE.jsonl[.gz]\n");
        return 2;
    }
    while ((text = next_line(file, &line)) != NULL) {
        cJSON *history = json_parse(text, line.len, NULL);

        if (history == NULL) {
            printf("line %u: not JSON\n", passed + failed + 1);
            failed++;
        } else if (play(history, in_default)) {
            passed++;
        } else {
            failed++;
        }
        json_free(history);
    }
    (void)gzclose(file);
    strbuf_release(&line);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
