/* A Knative Service as target: revisions instead of copies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/workload/plan.h"

static int get_service(struct plan *p, cJSON **ret_service)
{
    int code = plan_get(p, &RESOURCE_KNATIVE_SERVICE, p->target, ret_service);

    if (code != 0)
        plan_fail(p, code, "Knative Service %s.%s get query error: %s", p->target, p->ns,
                  plan_api_error(p));
    return code;
}

/* Remember the latest revision as the primary's, and pin all traffic to it where `pin`. */
static int set_primary(struct plan *p, bool pin)
{
    cJSON *service = NULL;
    const char *latest;
    int code = get_service(p, &service);

    if (code != 0)
        return code;
    service = build_own(service);
    latest = json_text(json_get(service, "status"), "latestCreatedRevisionName");
    if (*latest == '\0' && !cluster_has(p->o->quirks, CLUSTER_REVISION_FIRST)) {
        json_free(service);
        return plan_fail(p, -EAGAIN, "Knative Service %s.%s has no revision yet", p->target, p->ns);
    }
    build_set(build_child(build_child(service, "metadata"), "annotations"),
              "flagger.app/primary-revision", build_str(latest));
    if (pin)
        build_set(
            build_child(service, "spec"), "traffic",
            build_list(
                build_object("latestRevision", build_bool(true), "percent", build_int(0), NULL),
                build_object("revisionName", build_str(latest), "percent", build_int(100), NULL),
                NULL));
    plan_write(p, ROUTER_PUT, &RESOURCE_KNATIVE_SERVICE, p->target, service,
               "Knative Service %s.%s update query error ", p->target, p->ns);
    return 0;
}

int knative_initialize(struct plan *p)
{
    const char *phase = json_text(json_get(p->q->canary, "status"), "phase");

    if (*phase != '\0' && strcmp(phase, "Initializing") != 0)
        return 0;
    return set_primary(p, true);
}

int knative_promote(struct plan *p)
{
    return set_primary(p, false);
}
