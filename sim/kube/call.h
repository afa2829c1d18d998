/*
 * sim/kube/call.h — one request on its way through the server: api.c takes it apart and hands it to
 * a verb of write.c or read.c, which answers it.
 */
#ifndef COALMINE_SIM_KUBE_CALL_H
#define COALMINE_SIM_KUBE_CALL_H

#include "sim/kube/internal.h"

#define PARAMS_MAX 24

struct call {
    struct simkube *k;
    const struct simkube_request *req;
    struct simkube_reply *r;
    char *text; /* the target, cut into the pieces below */
    char *group, *version, *ns, *plural, *name, *sub;
    struct {
        char *name, *value;
    } params[PARAMS_MAX];
    size_t param_count;
    struct sk_kind *kind;
    const struct sk_version *v;
    const char *verb;
    enum sk_form form;
    bool dry_run;
    char qualified[256]; /* sk_call_qualified */
};

/* "deployments.apps", made when first needed. */
const char *sk_call_qualified(struct call *c);

/* A query parameter, or NULL when it is absent or empty. */
const char *sk_call_param(const struct call *c, const char *name);
bool sk_call_flag(const struct call *c, const char *name);

/* ---- answers
 * -------------------------------------------------------------------------------------------- */

void sk_call_fail(struct call *c, int code, const char *reason, const char *name, const char *text);
void sk_call_not_found(struct call *c, const char *name);
void sk_call_bad(struct call *c, const char *text);
void sk_call_conflict(struct call *c, const char *name, const char *why);
void sk_call_reply(struct call *c, int status, struct sk_object *o);
void sk_call_reply_tree(struct call *c, int status, const cJSON *tree);

/* ---- the verbs; each fills c->r
 * -------------------------------------------------------------------------- */

void sk_do_create(struct call *c);
void sk_do_update(struct call *c);
void sk_do_patch(struct call *c);
void sk_do_scale(struct call *c);
void sk_do_delete(struct call *c);
void sk_do_get(struct call *c);
void sk_do_list(struct call *c);
void sk_do_watch(struct call *c);
void sk_do_delete_collection(struct call *c);
/* Delete one object as this request asks; `options` is its DeleteOptions or NULL. */
void sk_call_delete_one(struct call *c, struct sk_object *o, const char *policy,
                        const cJSON *options);
const char *sk_call_delete_policy(const struct call *c, const cJSON *options);

#endif
