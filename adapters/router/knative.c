/*
 * Knative: the traffic block of the target Service, between its latest revision (the canary) and
 * the one that an annotation names (the primary). Weights only.
 */
#include <errno.h>
#include <string.h>

#include "adapters/router/build.h"

#define PRIMARY_ANNOTATION "flagger.app/primary-revision"

static const char *target_name(const struct call *c)
{
    return json_text(json_get(c->spec, "targetRef"), "name");
}

/* The target, or the call's error, which begins with `what`. */
static int read_target(struct call *c, const char *what, cJSON **ret_service)
{
    int code = call_get(c, &RESOURCE_KNATIVE_SERVICE, target_name(c), ret_service);

    if (code == 0)
        return 0;
    return call_fail(c, code, "%s %s.%s get query error: %s", what, target_name(c), c->ns,
                     call_api_error(c));
}

static const char *primary_revision(const cJSON *service)
{
    return json_str(json_at(service, "metadata", "annotations", NULL), PRIMARY_ANNOTATION);
}

/* Takes over `service`. */
static void put_target(struct call *c, cJSON *service, const char *error)
{
    call_write(c, ROUTER_PUT, &RESOURCE_KNATIVE_SERVICE, target_name(c), service,
               "Knative Service %s.%s %s", target_name(c), c->ns, error);
}

static int knative_reconcile(struct call *c)
{
    cJSON *service = NULL, *annotations;
    int code = read_target(c, "Knative Service", &service);

    if (code != 0)
        return code;
    if (primary_revision(service) != NULL) {
        json_free(service);
        return 0;
    }
    service = build_own(service);
    annotations = build_child(build_child(service, "metadata"), "annotations");
    build_set(annotations, PRIMARY_ANNOTATION,
              build_str(json_text(json_get(service, "status"), "latestCreatedRevisionName")));
    put_target(c, service, "update query error: ");
    return 0;
}

/* The first entry of status.traffic that points at the newest revision, or at `revision` when that
 * is given. */
static const cJSON *find_traffic(const struct call *c, const cJSON *traffic, const char *revision)
{
    for (const cJSON *t = traffic == NULL ? NULL : traffic->child; t != NULL; t = t->next) {
        bool latest = json_bool(t, "latestRevision", false);

        if (revision == NULL && latest)
            return t;
        if (revision != NULL && strcmp(json_text(t, "revisionName"), revision) == 0 &&
            (!latest || call_has(c, QUIRK_LATEST_IS_PRIMARY)))
            return t;
    }
    return NULL;
}

/*
 * Right after a promotion the annotation names the newest revision, which no entry is pinned to
 * yet: all that does not go to "latest" still goes to the primary of before.
 */
static bool latest_was_promoted(const struct call *c, const cJSON *latest, const char *revision)
{
    return latest != NULL && !call_has(c, QUIRK_LATEST_IS_PRIMARY) &&
           strcmp(json_text(latest, "revisionName"), revision) == 0;
}

static int read_traffic(struct call *c, const cJSON *service, struct routing *ret_routing)
{
    const char *target = target_name(c), *revision = primary_revision(service);
    const cJSON *traffic = json_at(service, "status", "traffic", NULL), *canary, *primary;

    if (revision == NULL)
        return call_fail(c, -ENODATA, "service %s.%s annotation not found", target, c->ns);
    canary = find_traffic(c, traffic, NULL);
    primary = find_traffic(c, traffic, revision);
    if (primary == NULL && latest_was_promoted(c, canary, revision)) {
        int64_t weight = json_int(canary, "percent", 0);

        *ret_routing = (struct routing){100 - weight, weight, false};
        return 0;
    }
    if (canary == NULL || primary == NULL)
        return call_fail(c, -ENODATA, "Knative Service %s.%s traffic spec invalid", target, c->ns);
    if (json_get(primary, "percent") == NULL)
        return call_fail(c, -ENODATA,
                         "Knative Service %s.%s primary revision traffic percent does not exist",
                         target, c->ns);
    if (json_get(canary, "percent") == NULL)
        return call_fail(c, -ENODATA,
                         "Knative Service %s.%s canary revision traffic percent does not exist",
                         target, c->ns);
    *ret_routing =
        (struct routing){json_int(primary, "percent", 0), json_int(canary, "percent", 0), false};
    return 0;
}

static int knative_get(struct call *c, struct routing *ret_routing)
{
    cJSON *service = NULL;
    int code = read_target(c, "service", &service);

    if (code == 0)
        code = read_traffic(c, service, ret_routing);
    json_free(service);
    return code;
}

static int knative_set(struct call *c, const struct routing *routing)
{
    cJSON *service = NULL, *traffic;
    int code = read_target(c, "Knative Service", &service);
    const char *revision;

    if (code != 0)
        return code;
    revision = primary_revision(service);
    if (revision == NULL) {
        json_free(service);
        return call_fail(c, -ENODATA, "Knative Service %s.%s annotation not found", target_name(c),
                         c->ns);
    }
    service = build_own(service);
    revision = primary_revision(service);
    traffic = build_list(build_object("latestRevision", build_bool(true), "percent",
                                      build_int(routing->canary), NULL),
                         build_object("revisionName", build_str(revision), "percent",
                                      build_int(routing->primary), NULL),
                         NULL);
    build_set(build_child(service, "spec"), "traffic", traffic);
    put_target(c, service, "update query error ");
    return 0;
}

static int knative_finalize(struct call *c)
{
    cJSON *service = NULL;
    int code = read_target(c, "Knative Service", &service);

    if (code != 0)
        return code;
    if (primary_revision(service) == NULL) {
        json_free(service);
        return 0;
    }
    service = build_own(service);
    json_remove(json_at(service, "metadata", "annotations", NULL), PRIMARY_ANNOTATION);
    put_target(c, service, "update query error: ");
    return 0;
}

const struct router router_knative = {"knative", knative_reconcile, knative_get, knative_set,
                                      knative_finalize};
