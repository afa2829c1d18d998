/* The calls of workload.h, by kind of target. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/workload/plan.h"
#include "engine/checksum.h"

typedef int step(struct plan *p);
struct steps {
    step *deployment_and_daemonset, *service, *knative;
};

static int do_nothing(struct plan *p)
{
    (void)p;
    return 0;
}

static int run(const struct workload_request *q, const struct steps *s, struct router_result *ret)
{
    struct plan p;
    int code;

    plan_begin(&p, q, ret);
    code = p.kind == KIND_SERVICE   ? s->service(&p)
           : p.kind == KIND_KNATIVE ? s->knative(&p)
                                    : s->deployment_and_daemonset(&p);
    ret->code = code;
    return plan_end(&p);
}

int workload_initialize(const struct workload_request *q, struct router_result *ret_result)
{
    static const struct steps s = {pods_initialize, core_service_initialize, knative_initialize};

    return run(q, &s, ret_result);
}

int workload_promote(const struct workload_request *q, struct router_result *ret_result)
{
    static const struct steps s = {pods_promote, core_service_promote, knative_promote};

    return run(q, &s, ret_result);
}

int workload_scale_up(const struct workload_request *q, struct router_result *ret_result)
{
    static const struct steps s = {pods_scale_up, do_nothing, do_nothing};

    return run(q, &s, ret_result);
}

int workload_scale_zero(const struct workload_request *q, struct router_result *ret_result)
{
    static const struct steps s = {pods_scale_zero, do_nothing, do_nothing};

    return run(q, &s, ret_result);
}

int workload_revert(const struct workload_request *q, struct router_result *ret_result)
{
    static const struct steps s = {pods_revert, do_nothing, do_nothing};

    return run(q, &s, ret_result);
}

void workload_metadata_release(struct workload_metadata *m)
{
    free(m->label);
    free(m->value);
    json_free(m->pod_spec);
    memset(m, 0, sizeof(*m));
}

int workload_metadata(const struct workload_request *q, struct workload_metadata *ret_metadata,
                      struct router_result *ret_result)
{
    cJSON *target = NULL;
    struct plan p;
    int code = 0;

    memset(ret_metadata, 0, sizeof(*ret_metadata));
    plan_begin(&p, q, ret_result);
    if (p.kind == KIND_DEPLOYMENT || p.kind == KIND_DAEMONSET) {
        code = plan_get(&p, plan_pods_resource(&p), p.target, &target);
        if (code != 0)
            plan_fail(&p, code, "%s %s.%s get query error: %s", plan_pods_word(&p), p.target, p.ns,
                      plan_api_error(&p));
        else if ((code = plan_select(&p, target)) != 0)
            plan_fail(&p, code, "getSelectorLabel failed: %s", plan_api_error(&p));
    }
    if (code == 0) {
        ret_metadata->label = build_dup(strbuf_str(&p.label));
        ret_metadata->value = build_dup(strbuf_str(&p.value));
        ret_metadata->pod_spec = build_copy(json_at(target, "spec", "template", "spec", NULL));
    }
    json_free(target);
    return plan_end(&p);
}

/* ---- what makes a revision ---------------------------------------------------------------------
 */

/*
 * Flagger's hashes use the characters 456789bcdf; the 'm' tells ours from them. The text hashed is
 * the canonical JSON of the same part of the object.
 */
#define HASH_MARK "cm"

bool workload_revision_is_ours(const char *hash)
{
    return strncmp(hash, HASH_MARK, strlen(HASH_MARK)) == 0;
}

static void hash_json(const cJSON *v, char out[WORKLOAD_HASH_SIZE])
{
    char *text = json_print_sorted(v), low[CHECKSUM_SIZE], high[CHECKSUM_SIZE];

    if (text == NULL)
        abort();
    checksum_encode(fnv1a_32(FNV1A_32_INIT, text, strlen(text)), low);
    checksum_encode(fnv1a_32(fnv1a_32(FNV1A_32_INIT, "2", 1), text, strlen(text)), high);
    snprintf(out, WORKLOAD_HASH_SIZE, HASH_MARK "%s%s", low, high);
    free(text);
}

void pods_revision_hash(const struct plan *p, const cJSON *target, char out[WORKLOAD_HASH_SIZE])
{
    cJSON *part = pods_revision_of(p, target);

    hash_json(part, out);
    json_free(part);
}

static void hash_knative(const cJSON *service, char out[WORKLOAD_HASH_SIZE])
{
    const char *latest = json_text(json_get(service, "status"), "latestCreatedRevisionName");
    uint32_t hash = fnv1a_32(FNV1A_32_INIT, "(string)", 8);

    checksum_encode(fnv1a_32(hash, latest, strlen(latest)), out);
}

int workload_revision(const struct workload_request *q, char ret_hash[WORKLOAD_HASH_SIZE],
                      struct strbuf *reterr_text)
{
    struct router_result unused;
    const struct resource *r;
    cJSON *target = NULL;
    struct plan p;
    int code;

    plan_begin(&p, q, &unused);
    r = p.kind == KIND_SERVICE   ? &RESOURCE_SERVICE
        : p.kind == KIND_KNATIVE ? &RESOURCE_KNATIVE_SERVICE
                                 : plan_pods_resource(&p);
    code = plan_get(&p, r, p.target, &target);
    if (code != 0) {
        strbuf_addf(reterr_text, "%s %s.%s get query error: %s",
                    p.kind == KIND_SERVICE   ? "service"
                    : p.kind == KIND_KNATIVE ? "Knative Service"
                                             : plan_pods_word(&p),
                    p.target, p.ns, plan_api_error(&p));
    } else if (p.kind == KIND_KNATIVE) {
        hash_knative(target, ret_hash);
    } else if (p.kind == KIND_SERVICE) {
        hash_json(json_get(target, "spec"), ret_hash);
    } else {
        pods_revision_hash(&p, target, ret_hash);
    }
    json_free(target);
    (void)plan_end(&p);
    router_result_release(&unused);
    return code;
}

int workload_configs(const struct workload_request *q, cJSON **ret_configs,
                     struct strbuf *reterr_text)
{
    struct router_result result;
    cJSON *target = NULL;
    struct plan p;
    int code = 0;

    *ret_configs = NULL;
    plan_begin(&p, q, &result);
    if ((p.kind == KIND_DEPLOYMENT || p.kind == KIND_DAEMONSET) && !p.o->no_config_tracking) {
        code = plan_get(&p, plan_pods_resource(&p), p.target, &target);
        if (code != 0)
            plan_fail(&p, code, "%s %s.%s get query error: %s", plan_pods_word(&p), p.target, p.ns,
                      plan_api_error(&p));
        else
            code = configs_find(&p, json_at(target, "spec", "template", "spec", NULL), ret_configs);
        if (code != 0)
            strbuf_addf(reterr_text, "GetTargetConfigs failed: %s", strbuf_str(&result.error));
    }
    json_free(target);
    (void)plan_end(&p);
    router_result_release(&result);
    return code;
}

int workload_made_of(const struct workload_request *q, char ret_hash[WORKLOAD_HASH_SIZE],
                     cJSON **ret_configs)
{
    struct router_result unused;
    cJSON *primary = NULL, *made_of = NULL;
    const char *text, *revision;
    struct plan p;
    int code = -ENOENT;

    *ret_configs = NULL;
    plan_begin(&p, q, &unused);
    if (p.kind == KIND_DEPLOYMENT || p.kind == KIND_DAEMONSET)
        code = plan_get(&p, plan_pods_resource(&p), p.primary, &primary);
    text = json_text(json_at(primary, "metadata", "annotations", NULL), MADE_OF_ANNOTATION);
    made_of = json_parse(text, strlen(text), NULL);
    revision = json_text(made_of, "revision");
    if (code == 0 &&
        (!workload_revision_is_ours(revision) || strlen(revision) >= WORKLOAD_HASH_SIZE))
        code = -ENOENT;
    if (code == 0) {
        snprintf(ret_hash, WORKLOAD_HASH_SIZE, "%s", revision);
        if (json_get(made_of, "configs"))
            *ret_configs = build_copy(json_get(made_of, "configs"));
    }
    json_free(made_of);
    json_free(primary);
    (void)plan_end(&p);
    router_result_release(&unused);
    return code;
}
