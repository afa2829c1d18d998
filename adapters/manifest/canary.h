/*
 * adapters/manifest/canary.h — Canary, MetricTemplate and AlertProvider documents as typed values.
 *
 * The node tree of the document keeps the position of every field; the decoders add what they find
 * wrong to `diags` and go on, so that one reading reports everything. Source: flagger.app/v1beta1;
 * defaults and clamps of docs/engine/semantics.md §2.
 */
#ifndef COALMINE_MANIFEST_CANARY_H
#define COALMINE_MANIFEST_CANARY_H

#include "adapters/manifest/node.h"
#include "engine/spec.h"

/* What the operator's process would contribute. */
struct canary_options {
    const char *mesh_provider; /* -mesh-provider; NULL = "istio" */
    const char *cluster_name;  /* -cluster-name; NULL = none */
    bool no_config_tracking;   /* -enable-config-tracking=false */
    deviations_t deviations;   /* the profile */
    bool lenient;              /* API objects: unknown fields are no error, bad durations default */
};

/* A Canary as read: the spec, and the nodes that adapters want beyond it. */
struct canary {
    struct spec spec;
    const struct document *document;
    const struct node *node;                      /* the whole object */
    const struct node *spec_node, *analysis_node; /* analysis or its alias; NULL = absent */
};

/* apiVersion and kind of a document; "" where they are absent or no strings. */
const char *document_kind(const struct document *doc);
const char *document_api_version(const struct document *doc);
/* Is it a flagger.app/v1beta1 object of this kind? */
bool document_is(const struct document *doc, const char *kind);
const char *document_name(const struct document *doc);
/* metadata.namespace, "default" when absent. */
const char *document_namespace(const struct document *doc);

/*
 * Read one Canary. Everything lives in `arena`, the node tree included.
 * Returns 0, or -EINVAL when an error was added (ret_canary is then filled as far as possible),
 * -ENOMEM.
 */
int canary_decode(struct arena *arena, struct diags *diags, const struct document *doc,
                  const struct canary_options *options, struct canary *ret_canary);
/*
 * The same from an API object, which is borrowed for the call; findings have a path and no line.
 */
int canary_decode_json(struct arena *arena, struct diags *diags, const char *file,
                       const cJSON *object, const struct canary_options *options,
                       struct canary *ret_canary);

struct metric_template {
    const char *name, *ns;
    const char *provider_type, *address, *region, *secret_name;
    bool insecure_skip_verify;
    const struct pair *headers; /* one pair per value, in document order */
    uint32_t header_count;
    const char *query;
    const struct node *query_node;
};
int metric_template_decode(struct arena *arena, struct diags *diags, const struct document *doc,
                           struct metric_template *ret_template);

struct alert_provider {
    const char *name, *ns;
    const char *type, *channel, *username, *address, *proxy, *secret_name;
};
int alert_provider_decode(struct arena *arena, struct diags *diags, const struct document *doc,
                          struct alert_provider *ret_provider);

#endif
