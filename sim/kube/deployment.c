/*
 * The Deployment controller. Source: pkg/controller/deployment of Kubernetes 1.35 (rolling.go,
 * recreate.go, progress.go, sync.go).
 */
#include "sim/kube/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTOR "system:serviceaccount:kube-system:deployment-controller"
#define HASH_LABEL "pod-template-hash"
#define REVISION "deployment.kubernetes.io/revision"
#define DESIRED "deployment.kubernetes.io/desired-replicas"
#define MAXIMUM "deployment.kubernetes.io/max-replicas"
#define SETS_MAX 128

/* One look at a Deployment and its ReplicaSets, oldest first. */
struct rollout {
    struct simkube *k;
    struct sk_object *d; /* referenced */
    cJSON *tree;         /* the Deployment as it will be stored */
    const cJSON *spec;
    int64_t replicas, surge, unavailable;
    struct sk_object *sets[SETS_MAX]; /* referenced */
    size_t count;
    struct sk_object *new_set; /* one of sets, or NULL */
};

static int64_t wanted(const struct sk_object *rs)
{
    return json_int(json_get(rs->tree, "spec"), "replicas", 1);
}

static int64_t seen(const struct sk_object *rs, const char *count)
{
    return json_int(json_get(rs->tree, "status"), count, 0);
}

static int64_t annotation(const cJSON *tree, const char *name, int64_t otherwise)
{
    const char *s = json_str(json_at(tree, "metadata", "annotations", (char *)NULL), name);

    return s ? strtol(s, NULL, 10) : otherwise;
}

static void annotate(cJSON *tree, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    json_set_str(json_child_object(json_get(tree, "metadata"), "annotations"), name, text);
}

static bool same_labels(const cJSON *a, const cJSON *b)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, a)
    {
        if (strcmp(m->string, HASH_LABEL) != 0 && !sk_same(m, json_get(b, m->string)))
            return false;
    }
    cJSON_ArrayForEach(m, b)
    {
        if (strcmp(m->string, HASH_LABEL) != 0 && !json_get(a, m->string))
            return false;
    }
    return true;
}

static bool same_template(const cJSON *a, const cJSON *b)
{
    const cJSON *x = json_get(a, "metadata"), *y = json_get(b, "metadata");
    const cJSON *spec_a = json_get(a, "spec"), *spec_b = json_get(b, "spec");
    const cJSON *notes_a = json_get(x, "annotations"), *notes_b = json_get(y, "annotations");

    if (!same_labels(json_get(x, "labels"), json_get(y, "labels")))
        return false;
    if (!sk_same(notes_a, notes_b) && !(notes_a && notes_b && json_equal(notes_a, notes_b)))
        return false;
    return sk_same(spec_a, spec_b) || (spec_a && spec_b && json_equal(spec_a, spec_b));
}

/* ---- setting up
 * -------------------------------------------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
    const struct sk_object *x = *(struct sk_object *const *)a, *y = *(struct sk_object *const *)b;

    if (x->born_ms != y->born_ms)
        return x->born_ms < y->born_ms ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void find_sets(struct rollout *r)
{
    const cJSON *template = json_get(r->spec, "template");
    size_t at = 0;
    struct sk_object *rs;

    while ((rs = sk_next_owned(r->k, r->d->uid, r->k->replicasets, &at)) != NULL &&
           r->count < SETS_MAX)
        r->sets[r->count++] = sk_object_ref(rs);
    qsort(r->sets, r->count, sizeof(r->sets[0]), by_age);
    r->new_set = NULL;
    for (size_t i = 0; i < r->count && !r->new_set; i++) {
        if (same_template(json_at(r->sets[i]->tree, "spec", "template", (char *)NULL), template))
            r->new_set = r->sets[i];
    }
}

static void begin(struct rollout *r, struct simkube *k, struct sk_object *d)
{
    const cJSON *strategy, *rolling;

    memset(r, 0, sizeof(*r));
    r->k = k;
    r->d = sk_object_ref(d);
    r->tree = sk_edit_status(d);
    r->spec = json_get(r->tree, "spec");
    r->replicas = json_int(r->spec, "replicas", 1);
    strategy = json_get(r->spec, "strategy");
    rolling = json_get(strategy, "rollingUpdate");
    if (strcmp(json_str_or(strategy, "type", ""), "Recreate") != 0) {
        r->surge = sk_share(json_get(rolling, "maxSurge"), r->replicas, true, 1);
        r->unavailable = sk_share(json_get(rolling, "maxUnavailable"), r->replicas, false, 1);
        if (r->surge == 0 && r->unavailable == 0)
            r->unavailable = 1;
        if (r->unavailable > r->replicas)
            r->unavailable = r->replicas;
    }
    find_sets(r);
}

static void end(struct rollout *r)
{
    for (size_t i = 0; i < r->count; i++)
        sk_object_unref(r->sets[i]);
    sk_object_unref(r->d);
    json_free(r->tree);
}

/* ---- changing ReplicaSets
 * ------------------------------------------------------------------------------------ */

static void replace_set(struct rollout *r, size_t i, struct sk_object *stored)
{
    if (!stored || stored == r->sets[i])
        return;
    if (r->new_set == r->sets[i])
        r->new_set = stored;
    sk_object_ref(stored);
    sk_object_unref(r->sets[i]);
    r->sets[i] = stored;
}

/* Give a ReplicaSet a size and its annotations. Returns true when the size changed. */
static bool scale_set(struct rollout *r, size_t i, int64_t size)
{
    cJSON *tree;
    int64_t was = wanted(r->sets[i]);

    if (was == size && annotation(r->sets[i]->tree, DESIRED, -1) == r->replicas &&
        annotation(r->sets[i]->tree, MAXIMUM, -1) == r->replicas + r->surge)
        return false;
    tree = sk_edit(r->sets[i]);
    annotate(tree, DESIRED, r->replicas);
    annotate(tree, MAXIMUM, r->replicas + r->surge);
    if (was != size) {
        json_set_int(json_get(tree, "spec"), "replicas", size);
        json_set_int(json_get(tree, "metadata"), "generation",
                     json_int(json_get(tree, "metadata"), "generation", 1) + 1);
    }
    replace_set(r, i, sk_update(r->k, ACTOR, r->sets[i], tree, false));
    return was != size;
}

static size_t index_of(const struct rollout *r, const struct sk_object *rs)
{
    size_t i = 0;

    while (i < r->count && r->sets[i] != rs)
        i++;
    return i;
}

static int64_t sum_wanted(const struct rollout *r, bool old_only)
{
    int64_t n = 0;

    for (size_t i = 0; i < r->count; i++)
        n += old_only && r->sets[i] == r->new_set ? 0 : wanted(r->sets[i]);
    return n;
}

static int64_t sum_seen(const struct rollout *r, const char *count)
{
    int64_t n = 0;

    for (size_t i = 0; i < r->count; i++)
        n += seen(r->sets[i], count);
    return n;
}

static bool recreates(const struct rollout *r)
{
    return strcmp(json_str_or(json_get(r->spec, "strategy"), "type", ""), "Recreate") == 0;
}

/* How many replicas the new set should have now. */
static int64_t new_size(const struct rollout *r, int64_t have)
{
    int64_t room;

    if (recreates(r))
        return r->replicas;
    room = r->replicas + r->surge - sum_wanted(r, false);
    if (room <= 0)
        return have;
    return have + (room < r->replicas - have ? room : r->replicas - have);
}

/* ---- conditions
 * -------------------------------------------------------------------------------------------------
 */

static void set_condition(struct rollout *r, const char *type, bool yes, const char *reason,
                          const char *message, bool fresh)
{
    cJSON *status = json_child_object(r->tree, "status"), *list = json_get(status, "conditions"),
          *old, *c;
    char now[32];

    if (!list) {
        json_set(status, "conditions", cJSON_CreateArray());
        list = json_get(status, "conditions");
    }
    cJSON_ArrayForEach(old, list)
    {
        if (strcmp(json_str_or(old, "type", ""), type) == 0)
            break;
    }
    if (old && !fresh && strcmp(json_str_or(old, "reason", ""), reason) == 0 &&
        (strcmp(json_str_or(old, "status", ""), "True") == 0) == yes)
        return;
    sk_timestamp(r->k, now);
    c = cJSON_CreateObject();
    json_set_str(c, "type", type);
    json_set_str(c, "status", yes ? "True" : "False");
    json_set_str(c, "lastUpdateTime", now);
    json_set_str(c, "lastTransitionTime",
                 old && (strcmp(json_str_or(old, "status", ""), "True") == 0) == yes
                     ? json_str_or(old, "lastTransitionTime", now)
                     : now);
    json_set_str(c, "reason", reason);
    json_set_str(c, "message", message);
    if (old)
        cJSON_Delete(cJSON_DetachItemViaPointer(list, old));
    cJSON_AddItemToArray(list, c);
}

static void progressing(struct rollout *r, bool yes, const char *reason, const char *format,
                        bool fresh)
{
    char message[400];
    const char *name = r->new_set ? r->new_set->name : r->d->name;

    if (!json_get(r->spec, "progressDeadlineSeconds"))
        return;
    snprintf(message, sizeof(message), "%s \"%.253s\"%s",
             r->new_set ? (strchr(format, '%') ? "ReplicaSet" : format) : "Deployment", name,
             strchr(format, '%') ? format + 2 : "");
    set_condition(r, "Progressing", yes, reason, message, fresh);
}

/* ---- the new ReplicaSet
 * --------------------------------------------------------------------------------------- */

static int64_t max_revision(const struct rollout *r, const struct sk_object *but)
{
    int64_t max = 0;

    for (size_t i = 0; i < r->count; i++) {
        int64_t n = r->sets[i] == but ? 0 : annotation(r->sets[i]->tree, REVISION, 0);

        max = n > max ? n : max;
    }
    return max;
}

static bool inherited(const char *name)
{
    return strcmp(name, "kubectl.kubernetes.io/last-applied-configuration") != 0 &&
           strcmp(name, REVISION) != 0 &&
           strcmp(name, "deployment.kubernetes.io/revision-history") != 0 &&
           strcmp(name, DESIRED) != 0 && strcmp(name, MAXIMUM) != 0 &&
           strcmp(name, "deprecated.deployment.rollback.to") != 0;
}

static void inherit_annotations(const struct rollout *r, cJSON *tree)
{
    const cJSON *note;

    cJSON_ArrayForEach(note, json_at(r->d->tree, "metadata", "annotations", (char *)NULL))
    {
        if (inherited(note->string) && note->valuestring)
            json_set_str(json_child_object(json_get(tree, "metadata"), "annotations"), note->string,
                         note->valuestring);
    }
}

static cJSON *owner_reference(const struct sk_object *d)
{
    cJSON *ref = cJSON_CreateObject();

    json_set_str(ref, "apiVersion", "apps/v1");
    json_set_str(ref, "kind", "Deployment");
    json_set_str(ref, "name", d->name);
    json_set_str(ref, "uid", d->uid);
    json_set_bool(ref, "controller", true);
    json_set_bool(ref, "blockOwnerDeletion", true);
    return ref;
}

static void create_set(struct rollout *r)
{
    const cJSON *template = json_get(r->spec, "template");
    cJSON *tree = cJSON_CreateObject(), *meta = json_child_object(tree, "metadata"),
          *spec = json_child_object(tree, "spec");
    cJSON *refs = cJSON_CreateArray(), *copy = json_copy(template),
          *selector = json_copy(json_get(r->spec, "selector"));
    int64_t collisions = json_int(json_get(r->tree, "status"), "collisionCount", 0);
    char hash[16], name[280];
    struct sk_object *stored;

    sk_template_hash(template, (uint64_t)collisions, hash);
    snprintf(name, sizeof(name), "%.253s-%s", r->d->name, hash);
    json_set_str(meta, "name", name);
    json_set_str(meta, "namespace", r->d->ns);
    json_set_str(json_child_object(json_child_object(copy, "metadata"), "labels"), HASH_LABEL,
                 hash);
    json_set(meta, "labels", json_copy(json_at(copy, "metadata", "labels", (char *)NULL)));
    inherit_annotations(r, tree);
    annotate(tree, DESIRED, r->replicas);
    annotate(tree, MAXIMUM, r->replicas + r->surge);
    annotate(tree, REVISION, max_revision(r, NULL) + 1);
    cJSON_AddItemToArray(refs, owner_reference(r->d));
    json_set(meta, "ownerReferences", refs);
    json_set_int(spec, "replicas", new_size(r, 0));
    if (json_int(r->spec, "minReadySeconds", 0))
        json_set_int(spec, "minReadySeconds", json_int(r->spec, "minReadySeconds", 0));
    json_set_str(json_child_object(selector, "matchLabels"), HASH_LABEL, hash);
    json_set(spec, "selector", selector);
    json_set(spec, "template", copy);
    stored = r->count < SETS_MAX ? sk_create(r->k, ACTOR, r->k->replicasets, tree) : NULL;
    if (!stored) { /* another template has this name: try the next one at the next look */
        json_set_int(json_child_object(r->tree, "status"), "collisionCount", collisions + 1);
        return;
    }
    r->new_set = sk_object_ref(stored);
    r->sets[r->count++] = stored;
    progressing(r, true, "NewReplicaSetCreated", "Created new replica set", true);
}

/* The new set exists: its revision is the highest, its annotations follow the Deployment's. */
static void refresh_set(struct rollout *r)
{
    size_t i = index_of(r, r->new_set);
    int64_t revision = max_revision(r, r->new_set) + 1;
    cJSON *tree;

    if (annotation(r->new_set->tree, REVISION, 0) < revision ||
        json_int(json_get(r->new_set->tree, "spec"), "minReadySeconds", 0) !=
            json_int(r->spec, "minReadySeconds", 0)) {
        tree = sk_edit(r->new_set);
        if (annotation(r->new_set->tree, REVISION, 0) < revision)
            annotate(tree, REVISION, revision);
        sk_set_count(json_get(tree, "spec"), "minReadySeconds",
                     json_int(r->spec, "minReadySeconds", 0), true);
        replace_set(r, i, sk_update(r->k, ACTOR, r->new_set, tree, false));
    }
    if (!sk_condition(r->tree, "Progressing"))
        progressing(r, true, "FoundNewReplicaSet", "Found new replica set", true);
}

static void ensure_new_set(struct rollout *r, bool create)
{
    if (r->new_set)
        refresh_set(r);
    else if (create)
        create_set(r);
    if (r->new_set)
        annotate(r->tree, REVISION, annotation(r->new_set->tree, REVISION, 1));
}

/* ---- rolling
 * ------------------------------------------------------------------------------------------------------
 */

static bool grow_new(struct rollout *r)
{
    size_t i = index_of(r, r->new_set);
    int64_t have;

    if (i == r->count)
        return false;
    have = wanted(r->new_set);
    if (have == r->replicas)
        return scale_set(r, i, have);
    return scale_set(r, i, have > r->replicas ? r->replicas : new_size(r, have));
}

static bool shrink_old(struct rollout *r)
{
    int64_t min_available = r->replicas - r->unavailable, limit, done = 0, available;
    bool changed = false;

    if (sum_wanted(r, true) == 0)
        return false;
    limit = sum_wanted(r, false) - min_available;
    if (r->new_set)
        limit -= wanted(r->new_set) - seen(r->new_set, "availableReplicas");
    if (limit <= 0)
        return false;
    for (size_t i = 0; i < r->count && done < limit; i++) { /* first those that never worked */
        int64_t have = wanted(r->sets[i]), sick = have - seen(r->sets[i], "availableReplicas");

        if (r->sets[i] == r->new_set || have == 0 || sick <= 0)
            continue;
        sick = sick < limit - done ? sick : limit - done;
        done += sick;
        changed = scale_set(r, i, have - sick) || changed;
    }
    available = sum_seen(r, "availableReplicas");
    limit = available - min_available;
    for (size_t i = 0, n = 0; i < r->count && limit > 0; i++) {
        int64_t have = wanted(r->sets[i]), cut;

        (void)n;
        if (r->sets[i] == r->new_set || have == 0)
            continue;
        cut = have < limit ? have : limit;
        limit -= cut;
        changed = scale_set(r, i, have - cut) || changed;
    }
    return changed;
}

static bool old_pods_run(const struct rollout *r)
{
    for (size_t i = 0; i < r->count; i++) {
        size_t at = 0;

        if (r->sets[i] != r->new_set && sk_next_owned(r->k, r->sets[i]->uid, r->k->pods, &at))
            return true;
    }
    return false;
}

static void roll(struct rollout *r)
{
    if (recreates(r)) {
        bool changed = false;

        ensure_new_set(r, false);
        for (size_t i = 0; i < r->count; i++) {
            if (r->sets[i] != r->new_set && wanted(r->sets[i]) > 0)
                changed = scale_set(r, i, 0) || changed;
        }
        if (changed || old_pods_run(r))
            return;
        ensure_new_set(r, true);
        grow_new(r);
        return;
    }
    ensure_new_set(r, true);
    if (grow_new(r))
        return;
    shrink_old(r);
}

/* ---- scaling
 * --------------------------------------------------------------------------------------------------------
 */

static bool is_scaling(const struct rollout *r)
{
    for (size_t i = 0; i < r->count; i++) {
        int64_t desired = annotation(r->sets[i]->tree, DESIRED, -1);

        if (wanted(r->sets[i]) > 0 && desired >= 0 && desired != r->replicas)
            return true;
    }
    return false;
}

/* This set's part of a change of size in the middle of a rollout. */
static int64_t fraction(const struct rollout *r, const struct sk_object *rs, int64_t left)
{
    int64_t have = wanted(rs), base = annotation(rs->tree, MAXIMUM, 0), want, change;

    if (base == 0)
        base = json_int(json_get(r->tree, "status"), "replicas", 0);
    if (base == 0)
        return 0;
    want = (2 * have * (r->replicas + r->surge) + base) / (2 * base); /* rounded */
    change = want - have;
    if (left > 0)
        return change < 0 ? 0 : (change < left ? change : left);
    return change > 0 ? 0 : (change > left ? change : left);
}

static void scale_all(struct rollout *r)
{
    size_t active = 0, only = r->count;
    int64_t change, left;

    for (size_t i = 0; i < r->count; i++) {
        if (wanted(r->sets[i]) > 0) {
            active++;
            only = i;
        }
    }
    if (active <= 1) {
        if (active == 0)
            only = r->new_set ? index_of(r, r->new_set) : r->count - 1;
        if (only < r->count)
            scale_set(r, only, r->replicas);
        return;
    }
    if (r->new_set && seen(r->new_set, "availableReplicas") == r->replicas &&
        wanted(r->new_set) == r->replicas) {
        for (size_t i = 0; i < r->count; i++) {
            if (r->sets[i] != r->new_set)
                scale_set(r, i, 0);
        }
        return;
    }
    change = (r->replicas > 0 ? r->replicas + r->surge : 0) - sum_wanted(r, false);
    left = change;
    for (size_t n = r->count; n-- > 0;) { /* newest first */
        int64_t part = wanted(r->sets[n]) > 0 && left != 0 ? fraction(r, r->sets[n], left) : 0;

        left -= part;
        if (wanted(r->sets[n]) > 0) {
            int64_t size = wanted(r->sets[n]) + part;

            if (n == 0 || left == 0)
                size += n == 0 ? left : 0;
            scale_set(r, n, size < 0 ? 0 : size);
        }
    }
}

/* ---- status
 * ------------------------------------------------------------------------------------------------------------
 */

struct counts {
    int64_t replicas, updated, ready, available;
};

static struct counts old_counts(const cJSON *status)
{
    return (struct counts){json_int(status, "replicas", 0), json_int(status, "updatedReplicas", 0),
                           json_int(status, "readyReplicas", 0),
                           json_int(status, "availableReplicas", 0)};
}

static bool moved(const struct counts *was, const struct counts *is)
{
    return is->updated > was->updated ||
           is->replicas - is->updated < was->replicas - was->updated ||
           is->available > was->available || is->ready > was->ready;
}

static bool complete(const struct rollout *r, const struct counts *c)
{
    return c->updated == r->replicas && c->replicas == r->replicas && c->available == r->replicas;
}

static void judge_progress(struct rollout *r, const struct counts *was, const struct counts *is)
{
    const cJSON *c = sk_condition(r->tree, "Progressing");
    const char *reason = json_str_or(c, "reason", "");
    int64_t deadline = json_int(r->spec, "progressDeadlineSeconds", 0), since;

    if (!json_get(r->spec, "progressDeadlineSeconds"))
        return;
    if (is->replicas == is->updated && strcmp(reason, "NewReplicaSetAvailable") == 0)
        return;
    if (complete(r, is)) {
        progressing(r, true, "NewReplicaSetAvailable", "%s has successfully progressed.", true);
        return;
    }
    if (moved(was, is)) {
        progressing(r, true, "ReplicaSetUpdated", "%s is progressing.", true);
        sk_task_add(r->k, r->k->now_ms + deadline * 1000, SK_TASK_DEPLOYMENT, r->k->deployments,
                    r->d->key, NULL);
        return;
    }
    if (!c || strcmp(reason, "NewReplicaSetAvailable") == 0 ||
        !sk_time_parse(json_str_or(c, "lastUpdateTime", ""), &since))
        return;
    if (strcmp(reason, "ProgressDeadlineExceeded") == 0)
        return;
    since -= r->k->wall_offset_ms;
    if (r->k->now_ms >= since + deadline * 1000)
        progressing(r, false, "ProgressDeadlineExceeded", "%s has timed out progressing.", false);
    else
        sk_task_add(r->k, since + deadline * 1000, SK_TASK_DEPLOYMENT, r->k->deployments, r->d->key,
                    NULL);
}

static void update_status(struct rollout *r, bool judge)
{
    cJSON *status = json_child_object(r->tree, "status");
    struct counts was = old_counts(status), is;
    int64_t missing;

    is.replicas = sum_seen(r, "replicas");
    is.updated = r->new_set ? seen(r->new_set, "replicas") : 0;
    is.ready = sum_seen(r, "readyReplicas");
    is.available = sum_seen(r, "availableReplicas");
    missing = sum_wanted(r, false) - is.available;
    json_set_int(status, "observedGeneration",
                 json_int(json_get(r->tree, "metadata"), "generation", 0));
    sk_set_count(status, "replicas", is.replicas, true);
    sk_set_count(status, "updatedReplicas", is.updated, true);
    sk_set_count(status, "readyReplicas", is.ready, true);
    sk_set_count(status, "availableReplicas", is.available, true);
    sk_set_count(status, "unavailableReplicas", missing > 0 ? missing : 0, true);
    if (is.available >= r->replicas - r->unavailable)
        set_condition(r, "Available", true, "MinimumReplicasAvailable",
                      "Deployment has minimum availability.", false);
    else
        set_condition(r, "Available", false, "MinimumReplicasUnavailable",
                      "Deployment does not have minimum availability.", false);
    if (judge)
        judge_progress(r, &was, &is);
    if (judge && complete(r, &is)) {
        int64_t spare = -json_int(r->spec, "revisionHistoryLimit", 10);

        for (size_t i = 0; i < r->count; i++)
            spare += r->sets[i] != r->new_set;
        for (size_t i = 0; i < r->count && spare > 0; i++) {
            if (r->sets[i] == r->new_set || wanted(r->sets[i]) > 0 ||
                seen(r->sets[i], "replicas") > 0)
                continue;
            if (sk_find(r->k->replicasets, r->sets[i]->key) == r->sets[i])
                sk_delete(r->k, ACTOR, r->sets[i], "Background");
            spare--;
        }
    }
}

void sk_deployment_sync(struct simkube *k, const char *key)
{
    struct sk_object *d = sk_find(k->deployments, key);
    struct rollout r;

    if (!d)
        return;
    begin(&r, k, d);
    if (d->deleting) {
        update_status(&r, false);
    } else if (json_bool(r.spec, "paused", false)) {
        ensure_new_set(&r, false);
        scale_all(&r);
        progressing(&r, true, "DeploymentPaused", "Deployment is paused", false);
        update_status(&r, false);
    } else if (is_scaling(&r)) {
        ensure_new_set(&r, false);
        scale_all(&r);
        update_status(&r, true);
    } else {
        roll(&r);
        update_status(&r, true);
    }
    if (sk_find(k->deployments, key) == r.d) {
        sk_update(k, ACTOR, r.d, r.tree, true);
        r.tree = NULL;
    }
    end(&r);
}
