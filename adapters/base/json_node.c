#include "adapters/base/json_node.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/base/json_pool.h"

#ifndef JSON_SHARES_CHECKED
#define JSON_SHARES_CHECKED !JSON_POOLED
#endif

/* ---- names
 * ------------------------------------------------------------------------------------------- */

static const char *const names[] = {
    "",
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "controller",
    "blockOwnerDeletion",
    "managedFields",
    "manager",
    "operation",
    "time",
    "fieldsType",
    "fieldsV1",
    "subresource",
    "type",
    "object",
    "items",
    "continue",
    "remainingItemCount",
    "generateName",
    "selfLink",
    "replicas",
    "selector",
    "matchLabels",
    "matchExpressions",
    "template",
    "containers",
    "initContainers",
    "image",
    "imagePullPolicy",
    "ports",
    "containerPort",
    "hostPort",
    "protocol",
    "port",
    "targetPort",
    "nodePort",
    "env",
    "envFrom",
    "value",
    "valueFrom",
    "configMapKeyRef",
    "secretKeyRef",
    "fieldRef",
    "fieldPath",
    "key",
    "optional",
    "command",
    "args",
    "resources",
    "requests",
    "limits",
    "cpu",
    "memory",
    "volumes",
    "volumeMounts",
    "mountPath",
    "configMap",
    "secret",
    "secretName",
    "emptyDir",
    "readOnly",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "httpGet",
    "exec",
    "path",
    "scheme",
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "dnsPolicy",
    "securityContext",
    "schedulerName",
    "serviceAccountName",
    "serviceAccount",
    "affinity",
    "nodeName",
    "tolerations",
    "effect",
    "operator",
    "strategy",
    "rollingUpdate",
    "maxUnavailable",
    "maxSurge",
    "minReadySeconds",
    "revisionHistoryLimit",
    "progressDeadlineSeconds",
    "observedGeneration",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "fullyLabeledReplicas",
    "conditions",
    "lastUpdateTime",
    "lastTransitionTime",
    "lastProbeTime",
    "reason",
    "message",
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "internalTrafficPolicy",
    "sessionAffinity",
    "loadBalancer",
    "targetRef",
    "autoscalerRef",
    "service",
    "analysis",
    "interval",
    "threshold",
    "maxWeight",
    "stepWeight",
    "stepWeights",
    "iterations",
    "match",
    "metrics",
    "webhooks",
    "url",
    "timeout",
    "provider",
    "thresholdRange",
    "min",
    "max",
    "canaryWeight",
    "failedChecks",
    "phase",
    "lastAppliedSpec",
    "lastPromotedSpec",
    "trackedConfigs",
    "gateways",
    "hosts",
    "http",
    "route",
    "destination",
    "host",
    "subset",
    "weight",
    "headers",
    "exact",
    "prefix",
    "regex",
    "retries",
    "rules",
    "parentRefs",
    "hostnames",
    "matches",
    "backendRefs",
    "group",
    "filters",
    "trafficPolicy",
    "mirror",
    "involvedObject",
    "reportingComponent",
    "reportingInstance",
    "source",
    "component",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "eventTime",
    "data",
    "binaryData",
    "stringData",
    "result",
    "resultType",
    "metric",
    "app",
    "pod-template-hash",
    "deployment.kubernetes.io/revision",
    "coalmine.dev/state",
    "holderIdentity",
    "leaseDurationSeconds",
    "acquireTime",
    "renewTime",
    "leaseTransitions",
    "allowPrivilegeEscalation",
    "progressDeadline",
    "hostIP",
    "hostIPs",
    "podIP",
    "podIPs",
    "startTime",
    "qosClass",
    "containerStatuses",
    "state",
    "running",
    "startedAt",
    "lastState",
    "ready",
    "restartCount",
    "imageID",
    "containerID",
    "started",
    "code",
    "details",
    "causes",
    "field",
};

#define NAME_COUNT (sizeof(names) / sizeof(names[0]))
#define SLOTS 1024u /* a power of two */

/* Filled once before main, read only from then on. */
static uint8_t slots[SLOTS]; /* index into names, 0 = empty */
static uint8_t name_lengths[NAME_COUNT];

static size_t name_hash(const char *s, size_t len)
{
    size_t h = len * 31 + (unsigned char)s[0] * 7u + (unsigned char)s[len - 1] * 131u +
               (unsigned char)s[len / 2] * 523u;

    return (h ^ h >> 7) & (SLOTS - 1);
}

/* The constant that says the same, or NULL. */
static const char *name_find(const char *s, size_t len)
{
    if (len == 0)
        return names[0];
    for (size_t i = name_hash(s, len); slots[i] != 0; i = (i + 1) & (SLOTS - 1)) {
        if (name_lengths[slots[i]] == len && memcmp(names[slots[i]], s, len) == 0)
            return names[slots[i]];
    }
    return NULL;
}

__attribute__((constructor)) static void json_node_init(void)
{
    _Static_assert(NAME_COUNT < 256, "a slot is one byte");
    for (size_t n = 1; n < NAME_COUNT; n++) {
        size_t len = strlen(names[n]), i = name_hash(names[n], len);

        while (slots[i] != 0)
            i = (i + 1) & (SLOTS - 1);
        slots[i] = (uint8_t)n;
        name_lengths[n] = (uint8_t)len;
    }
    cJSON_InitHooks(&(cJSON_Hooks){json_block_any, json_block_free});
}

/* ---- nodes
 * ------------------------------------------------------------------------------------------- */

cJSON *json_node_new(int type)
{
    cJSON *v = json_block_node();

    if (v)
        *v = (cJSON){.type = type};
    return v;
}

char *json_text_new(size_t size)
{
    return json_block_text(size);
}

void json_text_free(char *text)
{
    json_block_free(text);
}

static char *text_copy(const char *s, size_t len)
{
    char *copy = json_block_text(len + 1);

    if (copy) {
        memcpy(copy, s, len);
        copy[len] = '\0';
    }
    return copy;
}

bool json_node_name(cJSON *v, const char *name, size_t len)
{
    const char *constant = name_find(name, len);

    if (constant) {
        memcpy(&v->string, &constant, sizeof(constant)); /* never written to, being const */
        v->type |= cJSON_StringIsConst;
        return true;
    }
    v->string = text_copy(name, len);
    return v->string != NULL;
}

bool json_node_rename(cJSON *v, const char *name, size_t len)
{
    char *old = v->type & cJSON_StringIsConst ? NULL : v->string;
    bool named;

    v->type &= ~cJSON_StringIsConst;
    named = json_node_name(v, name, len);
    json_block_free(old); /* only now: it may be what `name` is */
    return named;
}

cJSON *json_node_text(const char *s, size_t len)
{
    cJSON *v = json_node_new(cJSON_String);

    if (v == NULL)
        return NULL;
    v->valuestring = text_copy(s, len);
    if (v->valuestring == NULL) {
        json_free(v);
        return NULL;
    }
    return v;
}

void json_node_append(cJSON *parent, cJSON *last, cJSON *child)
{
    if (last) {
        last->next = child;
        child->prev = last;
    } else {
        parent->child = child;
    }
    parent->child->prev = child; /* cJSON keeps the last one there */
}

void json_node_replace(cJSON *parent, cJSON *old, cJSON *child)
{
    bool first = parent->child == old;

    child->next = old->next;
    child->prev = old->prev == old ? child : old->prev;
    if (first)
        parent->child = child;
    else
        old->prev->next = child;
    if (child->next)
        child->next->prev = child;
    else
        parent->child->prev = child; /* cJSON keeps the last one there */
    old->next = old->prev = NULL;
    json_free(old);
}

/*
 * Shares are counted in the root: valueint, which objects have no use for, is how many there are
 * besides the first.
 */
#define SHARED (1 << 16)

#if JSON_SHARES_CHECKED
/* What the tree looked like when it was first shared, in the place of a number's value. */
static uint64_t look_of(cJSON *v)
{
    double number = v->valuedouble;
    char *text = json_print(v);
    uint64_t hash = 14695981039346656037u;

    for (const char *c = text; c && *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    free(text);
    v->valuedouble = number;
    return hash;
}

static void check_shared(cJSON *v)
{
    uint64_t before;

    memcpy(&before, &v->valuedouble, sizeof(before));
    if (look_of(v) != before)
        abort(); /* somebody changed what is not theirs alone */
}
#endif

cJSON *json_share(cJSON *v)
{
    if (!cJSON_IsObject(v))
        return NULL;
#if JSON_SHARES_CHECKED
    if (v->type & SHARED) {
        check_shared(v);
    } else {
        uint64_t look = look_of(v);

        memcpy(&v->valuedouble, &look, sizeof(look));
    }
#endif
    v->type |= SHARED;
    v->valueint++;
    return v;
}

/* True when others still hold it. */
static bool give_up_share(cJSON *v)
{
#if JSON_SHARES_CHECKED
    check_shared(v);
#endif
    return v->valueint-- > 0;
}

cJSON *json_own(cJSON *v)
{
    cJSON *own;

    if (v == NULL || !(v->type & SHARED))
        return v;
    if (v->valueint == 0) { /* the others have given theirs up */
        v->type &= ~SHARED;
        return v;
    }
    own = json_copy(v);
    json_free(v);
    return own;
}

void json_free(cJSON *v)
{
    if (v && v->type & SHARED && give_up_share(v))
        return;
    while (v) {
        cJSON *next = v->next;

        __builtin_prefetch(next, 1); /* on its way while this one is taken apart */

        if (!(v->type & cJSON_IsReference)) {
            if (v->child)
                json_free(v->child);
            if (v->valuestring)
                json_block_free(v->valuestring);
        }
        if (v->string && !(v->type & cJSON_StringIsConst))
            json_block_free(v->string);
        json_block_free(v);
        v = next;
    }
}

cJSON *json_copy(const cJSON *v)
{
    cJSON *copy, *last = NULL;

    if (v == NULL)
        return NULL;
    copy = json_block_node();
    if (copy == NULL)
        return NULL;
    *copy = (cJSON){.type = v->type & ~(cJSON_IsReference | SHARED),
                    .valueint = v->type & SHARED ? 0 : v->valueint,
                    .valuedouble = v->valuedouble};
    if (v->valuestring) {
        copy->valuestring = text_copy(v->valuestring, strlen(v->valuestring));
        if (copy->valuestring == NULL)
            goto fail;
    }
    if (v->string && v->type & cJSON_StringIsConst) {
        copy->string = v->string;
    } else if (v->string) {
        copy->string = text_copy(v->string, strlen(v->string));
        if (copy->string == NULL)
            goto fail;
    }
    for (const cJSON *child = v->child; child; child = child->next) {
        cJSON *member = json_copy(child);

        if (member == NULL)
            goto fail;
        json_node_append(copy, last, member);
        last = member;
    }
    return copy;
fail:
    json_free(copy);
    return NULL;
}
