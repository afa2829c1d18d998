#include "adapters/base/json_node.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOLED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOLED 0
#endif
#endif
#ifndef POOLED
#define POOLED 1
#endif
#ifndef JSON_SHARES_CHECKED
#define JSON_SHARES_CHECKED !POOLED
#endif

/* ---- blocks
 * ------------------------------------------------------------------------------------------ */

#if POOLED

#define STEP 16u           /* sizes of blocks, their head included */
#define CLASS_COUNT 9u     /* a node takes 72 bytes; longer texts are malloc's */
#define CHUNK_BYTES 16384u /* cut into blocks; at an address that is a multiple of it */

/* At the start of each chunk. */
struct chunk {
    struct chunk *next;
    const struct pool *owner;
    uint32_t cut, free; /* blocks; the latter while json_trim counts */
};

/* Before each block: its class, or CLASS_COUNT when it is malloc's. */
union head {
    uint64_t class;
    union head *next; /* while it is free */
};

struct pool {
    union head *free[CLASS_COUNT];
    struct chunk *chunks; /* the first is the one that blocks are cut from */
    size_t chunk_left;
    bool registered;
};

static _Thread_local struct pool pool;

/* What threads that have ended leave behind, for those that come. */
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static union head *left[CLASS_COUNT];
static pthread_key_t thread_end;

static void give_back(void *ended)
{
    struct pool *p = ended;

    pthread_mutex_lock(&left_lock);
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        while (p->free[i]) {
            union head *block = p->free[i];

            p->free[i] = block->next;
            block->next = left[i];
            left[i] = block;
        }
    }
    pthread_mutex_unlock(&left_lock);
    p->registered = false;
}

static union head *cut(struct pool *p, size_t class)
{
    size_t size = (class + 1) * STEP;
    union head *block;

    if (!p->registered) { /* the first block of this thread */
        p->registered = true;
        pthread_setspecific(thread_end, p);
        pthread_mutex_lock(&left_lock);
        for (size_t i = 0; i < CLASS_COUNT; i++) {
            if (p->free[i] == NULL) {
                p->free[i] = left[i];
                left[i] = NULL;
            }
        }
        pthread_mutex_unlock(&left_lock);
        block = p->free[class];
        if (block) {
            p->free[class] = block->next;
            return block;
        }
    }
    if (p->chunk_left < size) {
        struct chunk *chunk = aligned_alloc(CHUNK_BYTES, CHUNK_BYTES);

        if (chunk == NULL)
            return NULL;
        *chunk = (struct chunk){p->chunks, p, 0, 0};
        p->chunks = chunk;
        p->chunk_left = CHUNK_BYTES - (sizeof(*chunk) + STEP - 1) / STEP * STEP;
    }
    block = (union head *)(void *)((char *)p->chunks + CHUNK_BYTES - p->chunk_left);
    p->chunk_left -= size;
    p->chunks->cut++;
    return block;
}

static struct chunk *chunk_of(union head *block)
{
    return (struct chunk *)(void *)((char *)block - ((uintptr_t)block & (CHUNK_BYTES - 1)));
}

/* All its blocks are in this thread's lists. */
static bool is_idle(const struct pool *p, const struct chunk *c)
{
    return c->owner == p && c != p->chunks && c->free == c->cut;
}

static void count_free(struct pool *p)
{
    for (struct chunk *c = p->chunks; c; c = c->next)
        c->free = 0;
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        for (union head *b = p->free[i]; b; b = b->next) {
            if (chunk_of(b)->owner == p)
                chunk_of(b)->free++;
        }
    }
}

void json_trim(void)
{
    struct pool *p = &pool;

    count_free(p);
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        union head **at = &p->free[i];

        while (*at) {
            if (is_idle(p, chunk_of(*at)))
                *at = (*at)->next;
            else
                at = &(*at)->next;
        }
    }
    for (struct chunk **at = &p->chunks; *at;) {
        struct chunk *c = *at;

        if (is_idle(p, c)) {
            *at = c->next;
            free(c);
        } else {
            at = &c->next;
        }
    }
}

static void *block_new(size_t size)
{
    size_t class = (size + sizeof(union head) - 1) / STEP;
    struct pool *p = &pool;
    union head *block;

    if (class >= CLASS_COUNT) {
        block = size < SIZE_MAX / 2 ? malloc(size + sizeof(*block)) : NULL;
        class = CLASS_COUNT;
    } else {
        block = p->free[class];
        if (block)
            p->free[class] = block->next;
        else
            block = cut(p, class);
    }
    if (block == NULL)
        return NULL;
    block->class = class;
    return block + 1;
}

static void block_free(void *memory)
{
    union head *block = memory;
    size_t class;

    if (block == NULL)
        return;
    block--;
    class = (size_t)block->class;
    if (class >= CLASS_COUNT) {
        free(block);
        return;
    }
    block->next = pool.free[class];
    pool.free[class] = block;
}

#else

static void *block_new(size_t size)
{
    return malloc(size);
}

static void block_free(void *memory)
{
    free(memory);
}

void json_trim(void)
{
}

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
#if POOLED
    pthread_key_create(&thread_end, give_back);
#endif
    cJSON_InitHooks(&(cJSON_Hooks){block_new, block_free});
}

/* ---- nodes
 * ------------------------------------------------------------------------------------------- */

cJSON *json_node_new(int type)
{
    cJSON *v = block_new(sizeof(*v));

    if (v) {
        memset(v, 0, sizeof(*v));
        v->type = type;
    }
    return v;
}

char *json_text_new(size_t size)
{
    return block_new(size);
}

void json_text_free(char *text)
{
    block_free(text);
}

static char *text_copy(const char *s, size_t len)
{
    char *copy = block_new(len + 1);

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

        if (!(v->type & cJSON_IsReference)) {
            if (v->child)
                json_free(v->child);
            if (v->valuestring)
                block_free(v->valuestring);
        }
        if (v->string && !(v->type & cJSON_StringIsConst))
            block_free(v->string);
        block_free(v);
        v = next;
    }
}

cJSON *json_copy(const cJSON *v)
{
    cJSON *copy, *last = NULL;

    if (v == NULL)
        return NULL;
    copy = json_node_new(v->type & ~(cJSON_IsReference | SHARED));
    if (copy == NULL)
        return NULL;
    copy->valueint = v->type & SHARED ? 0 : v->valueint;
    copy->valuedouble = v->valuedouble;
    if (v->valuestring) {
        copy->valuestring = text_copy(v->valuestring, strlen(v->valuestring));
        if (copy->valuestring == NULL)
            goto fail;
    }
    if (v->string && v->type & cJSON_StringIsConst) {
        copy->string = v->string;
    } else if (v->string) {
        if (!json_node_name(copy, v->string, strlen(v->string)))
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
