/*
 * adapters/kube/client.h — the Kubernetes REST API: objects in, objects or typed errors out.
 *
 * Objects are whole JSON trees, so fields we know nothing of survive; integers keep their digits.
 * Every call blocks its task: for its turn in the rate limit, for the answer, and between retries.
 * Requests the server turned away unperformed (429; 5xx with Retry-After) are sent again up to ten
 * times, as client-go does, as are reads whose connection broke.
 *
 * Texts of errors are client-go's: the server's own message, or `Get "https://…": dial tcp …`.
 */
#ifndef COALMINE_KUBE_CLIENT_H
#define COALMINE_KUBE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/clock.h"
#include "adapters/base/json.h"
#include "adapters/http/http.h"
#include "adapters/kube/config.h"

/* What kind of object. `group` is "" for the core API. */
struct kube_resource {
    const char *group, *version, *plural, *kind;
    bool cluster_scoped;
};

extern const struct kube_resource kube_configmaps, kube_secrets, kube_services, kube_events,
    kube_namespaces, kube_pods;
extern const struct kube_resource kube_deployments, kube_daemonsets,
    kube_horizontal_pod_autoscalers, kube_leases;
extern const struct kube_resource kube_canaries, kube_metric_templates, kube_alert_providers,
    kube_crds;

/* Why a call failed; from Status.reason, else from the HTTP status. */
enum kube_reason {
    KUBE_OK,
    KUBE_BAD_REQUEST,
    KUBE_UNAUTHORIZED,
    KUBE_FORBIDDEN,
    KUBE_NOT_FOUND,
    KUBE_METHOD_NOT_ALLOWED,
    KUBE_ALREADY_EXISTS,
    KUBE_CONFLICT,
    KUBE_GONE, /* Gone and Expired: the resourceVersion asked for is too old */
    KUBE_INVALID,
    KUBE_TOO_MANY_REQUESTS,
    KUBE_TIMEOUT,   /* Timeout and ServerTimeout: it may or may not have happened */
    KUBE_SERVER,    /* InternalError, ServiceUnavailable and other 5xx */
    KUBE_OTHER,     /* an answer that fits none of these */
    KUBE_MALFORMED, /* an answer that is no JSON object */
    KUBE_TRANSPORT, /* no answer: see code */
    KUBE_REFUSED,   /* not sent: the guard said no (kube_client_guard) */
    KUBE_CANCELED
};

struct kube_error {
    enum kube_reason reason;
    int code;               /* HTTP status, or the -Exxx of the transport */
    int64_t retry_after_ms; /* what the server asked for, 0 = nothing */
    char message[1024];     /* longer texts are cut at a character and end in "..." */
};

/* "NotFound", "Conflict", … as in Status.reason. */
const char *kube_reason_name(enum kube_reason reason);
/*
 * The -Exxx every call below returns for a reason: NotFound -ENOENT, AlreadyExists -EEXIST,
 * Conflict -EBUSY, Gone -ESTALE, Forbidden and Refused -EACCES, Unauthorized -EPERM, Invalid and
 * BadRequest -EINVAL, TooManyRequests -EAGAIN, Canceled -ECANCELED, Timeout -ETIMEDOUT, Malformed
 * -EPROTO, Transport its own, others -EIO.
 */
int kube_reason_errno(enum kube_reason reason);
/* Read an answer of status >= 300 (body: a Status object or anything else). `what` names the call
 * for bodies that say nothing. */
void kube_error_parse(int http_status, const char *body, size_t len, const char *retry_after,
                      const char *what, struct kube_error *ret_error);

enum kube_verb {
    KUBE_GET,
    KUBE_LIST,
    KUBE_WATCH,
    KUBE_CREATE,
    KUBE_UPDATE,
    KUBE_PATCH,
    KUBE_DELETE
};
#define KUBE_VERB_COUNT 7
const char *kube_verb_name(enum kube_verb verb);

/* What was asked of the API server since the start. */
struct kube_counts {
    uint64_t requests[KUBE_VERB_COUNT]; /* sent, retries included */
    uint64_t failures[KUBE_VERB_COUNT]; /* no answer or a status >= 400 */
    uint64_t lease_requests;            /* of the above, those on Leases */
    uint64_t retries;
    uint64_t throttled;   /* calls that waited for their turn ... */
    int64_t throttled_ms; /* ... and how long in all */
};

struct kube_client_options {
    double qps;             /* token bucket; <= 0 = 100 */
    int burst;              /* <= 0 = 250 */
    const char *user_agent; /* "flagger/… "; the part before the slash becomes the field manager.
                               NULL = "coalmine" */
    bool dry_run;       /* every write carries dryRun=All: checked by the server, never stored */
    int64_t timeout_ms; /* for one request; 0 = 30 s */
};

struct kube_client;

/* All arguments are borrowed for the life of the client (options are copied). NULL when memory is
 * out. */
struct kube_client *kube_client_new(struct kube_config *config, struct http_client *http,
                                    const struct clock *clock,
                                    const struct kube_client_options *options);
/* NULL is fine. */
void kube_client_free(struct kube_client *c);
const struct kube_counts *kube_client_counts(const struct kube_client *c);
/*
 * Ask `may_write` right before each write is sent, after all waiting: false ends the call with
 * KUBE_REFUSED. So a leader that lost its lease while it was throttled writes nothing more. Leases
 * themselves are exempt.
 */
void kube_client_guard(struct kube_client *c, bool (*may_write)(void *ctx), void *ctx);
/* Called once per request with its outcome, for histograms by verb; status 0 = no answer. */
void kube_client_observe(struct kube_client *c,
                         void (*observe)(void *ctx, enum kube_verb verb,
                                         const struct kube_resource *r, int status, int64_t ms),
                         void *ctx);

/*
 * Asked with the name and version of an answer's object before it is parsed: a share of the tree of
 * just that version, or NULL. A watch is often faster than the answer to a write.
 */
typedef cJSON *kube_recall(void *ctx, const struct kube_resource *r, const char *ns,
                           const char *name, const char *version);
void kube_client_recall(struct kube_client *c, kube_recall *recall, void *ctx);

/*
 * The calls. `ns` is ignored for cluster-scoped kinds. `ret_object` may be NULL when the answer is
 * of no interest; else the caller frees it with json_free, and json_owns it to change it. `reterr`
 * is always filled. 0 or the errno of the reason.
 */
int kube_get(struct kube_client *c, const struct kube_resource *r, const char *ns, const char *name,
             cJSON **ret_object, struct kube_error *reterr);
/* namespace and, for kube_update, name and resourceVersion are read from `object`, which is not
 * changed. */
int kube_create(struct kube_client *c, const struct kube_resource *r, const cJSON *object,
                cJSON **ret_object, struct kube_error *reterr);
int kube_update(struct kube_client *c, const struct kube_resource *r, const cJSON *object,
                cJSON **ret_object, struct kube_error *reterr);
int kube_update_status(struct kube_client *c, const struct kube_resource *r, const cJSON *object,
                       cJSON **ret_object, struct kube_error *reterr);

enum kube_patch { KUBE_PATCH_MERGE, KUBE_PATCH_JSON, KUBE_PATCH_STRATEGIC };
/* `subresource`: "status", "scale", or NULL. */
int kube_patch(struct kube_client *c, const struct kube_resource *r, const char *ns,
               const char *name, const char *subresource, enum kube_patch kind, const cJSON *patch,
               cJSON **ret_object, struct kube_error *reterr);

/* Delete only the object with this uid and resourceVersion; NULL = whatever it has. `propagation`:
 * "Background", … or NULL. */
int kube_delete(struct kube_client *c, const struct kube_resource *r, const char *ns,
                const char *name, const char *uid, const char *resource_version,
                const char *propagation, struct kube_error *reterr);

struct kube_list_options {
    const char *label_selector, *field_selector; /* NULL = none */
    const char *resource_version;                /* NULL = the newest */
    int64_t page_size;                           /* limit= per request; 0 = 100 */
    bool metadata_only;                          /* PartialObjectMetadata: no spec, no data */
};
/*
 * Every item, page by page; each is handed over (the callee frees it). Return false to stop: 0
 * then, too. `ns` NULL or "" = all. Items get apiVersion and kind. A page that expired (410) ends
 * with KUBE_GONE after items were already handed over. ret_resource_version   of the list, to watch
 * from; released by the caller with free(). May be NULL.
 */
typedef bool kube_on_item(void *ctx, cJSON *item);
int kube_list(struct kube_client *c, const struct kube_resource *r, const char *ns,
              const struct kube_list_options *options, kube_on_item *on_item, void *ctx,
              char **ret_resource_version, struct kube_error *reterr);

/* Any path, such as "/version". */
int kube_get_path(struct kube_client *c, const char *path, cJSON **ret_object,
                  struct kube_error *reterr);

/*
 * GET, change, PUT; on Conflict again from the top. `change` edits the object in place and returns
 * 0 to write it, 1 to leave it as it is (success, nothing written), or -Exxx to give up. Other
 * errors are not retried.
 */
enum kube_retry {
    KUBE_RETRY_NONE,
    KUBE_RETRY_DEFAULT, /* client-go's DefaultRetry: 5 attempts, 10 ms apart */
    KUBE_RETRY_BACKOFF  /* client-go's DefaultBackoff: 4 attempts after 10, 50 and 250 ms */
};
typedef int kube_change(void *ctx, cJSON *object);
int kube_modify(struct kube_client *c, const struct kube_resource *r, const char *ns,
                const char *name, bool status, enum kube_retry retry, kube_change *change,
                void *ctx, cJSON **ret_object, struct kube_error *reterr);
/* The pause before attempt `attempt` (from 1 = the first retry), or -1 when attempts have run out.
 */
int64_t kube_retry_pause_ms(enum kube_retry retry, int attempt, uint64_t random);

/* ---- parts shared with watch.c and tests
 * ---------------------------------------------------------------- */

/* "/apis/apps/v1/namespaces/test/deployments/podinfo/status"; ns, name and subresource may be NULL.
 */
void kube_path(struct strbuf *out, const struct kube_resource *r, const char *ns, const char *name,
               const char *subresource);
/* `key=value`, percent-encoded, with "?" or "&" before it as `out` needs. */
void kube_path_add_query(struct strbuf *out, const char *key, const char *value);
/*
 * Compare two resourceVersions as the decimal numbers they are, of any length: <0, 0, >0. What is
 * no number is older than any number.
 */
int kube_version_compare(const char *a, const char *b);
/* Open a watch: as http_client's stream, with our credentials, limits and counts. */
int kube_stream(struct kube_client *c, const struct kube_resource *r, const char *path_and_query,
                bool metadata_only, int64_t idle_ms, http_on_data *on_data, void *ctx,
                struct kube_error *reterr);
const struct clock *kube_client_clock(const struct kube_client *c);

#endif
