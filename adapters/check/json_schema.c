/* The schemas of the CRDs as JSON Schema, for editors. */
#include <errno.h>
#include <string.h>

#include "adapters/base/json.h"
#include "adapters/check/embedded.h"
#include "adapters/check/internal.h"

/* Kubernetes writes some things its own way; JSON Schema wants its own. */
static void translate(cJSON *schema)
{
    cJSON *child;

    if (json_bool(schema, "x-kubernetes-int-or-string", false)) {
        cJSON *types = cJSON_CreateArray();

        cJSON_AddItemToArray(types, cJSON_CreateString("integer"));
        cJSON_AddItemToArray(types, cJSON_CreateString("string"));
        json_set(schema, "type", types);
    }
    json_remove(schema, "x-kubernetes-int-or-string");
    json_remove(schema, "x-kubernetes-validations");
    if (json_get(schema, "properties") && json_str(schema, "type"))
        json_set_bool(schema, "additionalProperties", false);
    for (child = schema->child; child; child = child->next)
        if (child->string && (strcmp(child->string, "properties") == 0)) {
            for (cJSON *p = child->child; p; p = p->next)
                translate(p);
        } else if (cJSON_IsObject(child)) {
            translate(child);
        } else if (cJSON_IsArray(child)) {
            for (cJSON *p = child->child; p; p = p->next)
                if (cJSON_IsObject(p))
                    translate(p);
        }
}

static void narrow(cJSON *schema, const char *field, const char *value)
{
    cJSON *values = cJSON_CreateArray();

    cJSON_AddItemToArray(values, cJSON_CreateString(value));
    json_set(json_child_object(json_child_object(schema, "properties"), field), "enum", values);
}

static cJSON *make(const struct node *root)
{
    const struct node *versions = node_at(root, "spec", "versions", NULL);
    const struct node *schema =
        versions && versions->kind == NODE_LIST && versions->u.list.count
            ? node_at(versions->u.list.items[0], "schema", "openAPIV3Schema", NULL)
            : NULL;
    cJSON *made = schema ? node_to_json(schema) : NULL;
    cJSON *top = made ? cJSON_CreateObject() : NULL;
    char title[80];

    if (top == NULL) {
        json_free(made);
        return NULL;
    }
    translate(made);
    narrow(made, "apiVersion", "flagger.app/v1beta1");
    narrow(made, "kind", check_str(node_at(root, "spec", "names", "kind", NULL)));
    json_set_str(top, "$schema", "http://json-schema.org/draft-07/schema#");
    snprintf(title, sizeof title, "flagger.app/v1beta1 %s",
             check_str(node_at(root, "spec", "names", "kind", NULL)));
    json_set_str(top, "title", title);
    while (made->child) {
        cJSON *child = cJSON_DetachItemViaPointer(made, made->child);

        cJSON_AddItemToObject(top, child->string, child);
    }
    json_free(made);
    return top;
}

int check_json_schema(const char *kind, struct strbuf *out)
{
    const struct embedded_file *file = embedded_find(embedded_crds, kind);
    struct arena *arena;
    struct documents docs;
    struct diags diags;
    cJSON *schema = NULL;
    int rc = -ENOMEM;

    if (file == NULL)
        return -ENOENT;
    arena = arena_new(0);
    if (arena == NULL)
        return -ENOMEM;
    diags_init(&diags, arena);
    if (node_parse_all(arena, &diags, kind, (const char *)file->bytes, file->len, NULL, &docs) ==
            0 &&
        docs.count == 1)
        schema = make(docs.items[0].root);
    if (schema) {
        json_add_to(out, schema);
        strbuf_addc(out, '\n');
        rc = 0;
    }
    json_free(schema);
    diags_release(&diags);
    arena_free(arena);
    return rc;
}
