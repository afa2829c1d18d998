#include "sim/kube/types.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const char *const type_lines[] = {
"ObjectMeta name:s generateName:s namespace:s selfLink:s uid:s resourceVersion:s generation:l creationTimestamp:s "
    "deletionTimestamp:s deletionGracePeriodSeconds:l labels:m annotations:m ownerReferences:[OwnerReference/uid] "
    "finalizers:[s/] managedFields:[*]",
"OwnerReference apiVersion:s kind:s name:s uid:s controller:b blockOwnerDeletion:b",
"LabelSelector matchLabels:m matchExpressions:[LabelSelectorRequirement]",
"LabelSelectorRequirement key:s operator:s values:[s]",
"LocalObjectReference name:s",
"ObjectReference kind:s namespace:s name:s uid:s apiVersion:s resourceVersion:s fieldPath:s",
"Condition type:s status:s observedGeneration:l lastTransitionTime:s lastUpdateTime:s lastProbeTime:s reason:s message:s",

"Namespace apiVersion:s kind:s metadata:ObjectMeta spec:NamespaceSpec status:NamespaceStatus",
"NamespaceSpec finalizers:[s]",
"NamespaceStatus phase:s conditions:[Condition/type]",

"ConfigMap apiVersion:s kind:s metadata:ObjectMeta immutable:b data:m binaryData:m",
"Secret apiVersion:s kind:s metadata:ObjectMeta immutable:b data:m stringData:m type:s",
"ServiceAccount apiVersion:s kind:s metadata:ObjectMeta secrets:[ObjectReference/name] "
    "imagePullSecrets:[LocalObjectReference] automountServiceAccountToken:b",
"Event apiVersion:s kind:s metadata:ObjectMeta involvedObject:ObjectReference reason:s message:s source:EventSource "
    "firstTimestamp:s lastTimestamp:s count:i type:s eventTime:s series:EventSeries action:s related:ObjectReference "
    "reportingComponent:s reportingInstance:s",
"EventSource component:s host:s",
"EventSeries count:i lastObservedTime:s",

"Service apiVersion:s kind:s metadata:ObjectMeta spec:ServiceSpec status:ServiceStatus",
"ServiceSpec ports:[ServicePort/port] selector:m clusterIP:s clusterIPs:[s] type:s externalIPs:[s] sessionAffinity:s "
    "loadBalancerIP:s loadBalancerSourceRanges:[s] externalName:s externalTrafficPolicy:s healthCheckNodePort:i "
    "publishNotReadyAddresses:b sessionAffinityConfig:* ipFamilies:[s] ipFamilyPolicy:s "
    "allocateLoadBalancerNodePorts:b loadBalancerClass:s internalTrafficPolicy:s trafficDistribution:s",
"ServicePort name:s protocol:s appProtocol:s port:i targetPort:x nodePort:i",
"ServiceStatus loadBalancer:LoadBalancerStatus conditions:[Condition/type]",
"LoadBalancerStatus ingress:[LoadBalancerIngress]",
"LoadBalancerIngress ip:s hostname:s ipMode:s ports:[*]",

"Endpoints apiVersion:s kind:s metadata:ObjectMeta subsets:[*]",
"Node apiVersion:s kind:s metadata:ObjectMeta spec:* status:*",

"Pod apiVersion:s kind:s metadata:ObjectMeta spec:PodSpec status:PodStatus",
"PodTemplateSpec metadata:ObjectMeta spec:PodSpec",
"PodSpec volumes:[Volume/name] initContainers:[Container/name] containers:[Container/name] "
    "ephemeralContainers:[Container/name] restartPolicy:s terminationGracePeriodSeconds:l activeDeadlineSeconds:l "
    "dnsPolicy:s nodeSelector:m serviceAccountName:s serviceAccount:s automountServiceAccountToken:b nodeName:s "
    "hostNetwork:b hostPID:b hostIPC:b shareProcessNamespace:b securityContext:PodSecurityContext "
    "imagePullSecrets:[LocalObjectReference/name] hostname:s subdomain:s affinity:Affinity schedulerName:s "
    "tolerations:[Toleration] hostAliases:[HostAlias/ip] priorityClassName:s priority:i dnsConfig:PodDNSConfig "
    "readinessGates:[PodReadinessGate] runtimeClassName:s enableServiceLinks:b preemptionPolicy:s overhead:mq "
    "topologySpreadConstraints:[TopologySpreadConstraint/topologyKey] setHostnameAsFQDN:b os:* hostUsers:b "
    "schedulingGates:[*] resourceClaims:[*] resources:ResourceRequirements hostnameOverride:s",
"PodSecurityContext seLinuxOptions:* windowsOptions:* runAsUser:l runAsGroup:l runAsNonRoot:b supplementalGroups:[l] "
    "supplementalGroupsPolicy:s fsGroup:l sysctls:[*] fsGroupChangePolicy:s seccompProfile:* appArmorProfile:* "
    "seLinuxChangePolicy:s",
"Affinity nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAffinity",
"NodeAffinity requiredDuringSchedulingIgnoredDuringExecution:* preferredDuringSchedulingIgnoredDuringExecution:[*]",
"PodAffinity requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm] "
    "preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]",
"PodAffinityTerm labelSelector:LabelSelector namespaces:[s] topologyKey:s namespaceSelector:LabelSelector "
    "matchLabelKeys:[s] mismatchLabelKeys:[s]",
"WeightedPodAffinityTerm weight:i podAffinityTerm:PodAffinityTerm",
"Toleration key:s operator:s value:s effect:s tolerationSeconds:l",
"HostAlias ip:s hostnames:[s]",
"PodDNSConfig nameservers:[s] searches:[s] options:[*]",
"PodReadinessGate conditionType:s",
"TopologySpreadConstraint maxSkew:i topologyKey:s whenUnsatisfiable:s labelSelector:LabelSelector minDomains:i "
    "nodeAffinityPolicy:s nodeTaintsPolicy:s matchLabelKeys:[s]",
"Container name:s image:s command:[s] args:[s] workingDir:s ports:[ContainerPort/containerPort] envFrom:[EnvFromSource] "
    "env:[EnvVar/name] resources:ResourceRequirements resizePolicy:[*] restartPolicy:s restartPolicyRules:[*] "
    "volumeMounts:[VolumeMount/mountPath] volumeDevices:[VolumeDevice/devicePath] livenessProbe:Probe "
    "readinessProbe:Probe startupProbe:Probe lifecycle:* terminationMessagePath:s terminationMessagePolicy:s "
    "imagePullPolicy:s securityContext:SecurityContext stdin:b stdinOnce:b tty:b targetContainerName:s",
"SecurityContext capabilities:Capabilities privileged:b seLinuxOptions:* windowsOptions:* runAsUser:l runAsGroup:l "
    "runAsNonRoot:b readOnlyRootFilesystem:b allowPrivilegeEscalation:b procMount:s seccompProfile:* appArmorProfile:*",
"Capabilities add:[s] drop:[s]",
"ContainerPort name:s hostPort:i containerPort:i protocol:s hostIP:s",
"EnvFromSource prefix:s configMapRef:EnvSourceRef secretRef:EnvSourceRef",
"EnvSourceRef name:s optional:b",
"EnvVar name:s value:s valueFrom:EnvVarSource",
"EnvVarSource fieldRef:ObjectFieldSelector resourceFieldRef:* configMapKeyRef:KeySelector secretKeyRef:KeySelector fileKeyRef:*",
"ObjectFieldSelector apiVersion:s fieldPath:s",
"KeySelector name:s key:s optional:b",
"ResourceRequirements limits:mq requests:mq claims:[*]",
"VolumeMount name:s readOnly:b recursiveReadOnly:s mountPath:s subPath:s mountPropagation:s subPathExpr:s",
"VolumeDevice name:s devicePath:s",
"Probe exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:* initialDelaySeconds:i timeoutSeconds:i "
    "periodSeconds:i successThreshold:i failureThreshold:i terminationGracePeriodSeconds:l",
"ExecAction command:[s]",
"HTTPGetAction path:s port:x host:s scheme:s httpHeaders:[HTTPHeader]",
"HTTPHeader name:s value:s",
"TCPSocketAction port:x host:s",
"Volume name:s configMap:ConfigMapVolume secret:SecretVolume emptyDir:EmptyDir hostPath:HostPath projected:Projected "
    "downwardAPI:DownwardVolume persistentVolumeClaim:* csi:* ephemeral:* nfs:* image:* gcePersistentDisk:* "
    "awsElasticBlockStore:* azureFile:* azureDisk:* cephfs:* cinder:* fc:* flexVolume:* flocker:* gitRepo:* glusterfs:* "
    "iscsi:* photonPersistentDisk:* portworxVolume:* quobyte:* rbd:* scaleIO:* storageos:* vsphereVolume:*",
"ConfigMapVolume name:s items:[KeyToPath] defaultMode:i optional:b",
"SecretVolume secretName:s items:[KeyToPath] defaultMode:i optional:b",
"KeyToPath key:s path:s mode:i",
"EmptyDir medium:s sizeLimit:q",
"HostPath path:s type:s",
"DownwardVolume items:[*] defaultMode:i",
"Projected sources:[VolumeProjection] defaultMode:i",
"VolumeProjection secret:ProjectedRef configMap:ProjectedRef downwardAPI:* serviceAccountToken:* clusterTrustBundle:* podCertificate:*",
"ProjectedRef name:s items:[KeyToPath] optional:b",
"PodStatus observedGeneration:l phase:s conditions:[Condition/type] message:s reason:s nominatedNodeName:s hostIP:s hostIPs:[*] "
    "podIP:s podIPs:[PodIP/ip] startTime:s initContainerStatuses:[*] containerStatuses:[*] qosClass:s "
    "ephemeralContainerStatuses:[*] resize:s resourceClaimStatuses:[*]",
"PodIP ip:s",

"Deployment apiVersion:s kind:s metadata:ObjectMeta spec:DeploymentSpec status:DeploymentStatus",
"DeploymentSpec replicas:i selector:LabelSelector template:PodTemplateSpec strategy:DeploymentStrategy minReadySeconds:i "
    "revisionHistoryLimit:i paused:b progressDeadlineSeconds:i",
"DeploymentStrategy type:s rollingUpdate:RollingUpdateDeployment",
"RollingUpdateDeployment maxUnavailable:x maxSurge:x",
"DeploymentStatus observedGeneration:l replicas:i updatedReplicas:i readyReplicas:i availableReplicas:i "
    "unavailableReplicas:i terminatingReplicas:i conditions:[Condition/type] collisionCount:i",
"ReplicaSet apiVersion:s kind:s metadata:ObjectMeta spec:ReplicaSetSpec status:ReplicaSetStatus",
"ReplicaSetSpec replicas:i minReadySeconds:i selector:LabelSelector template:PodTemplateSpec",
"ReplicaSetStatus replicas:i fullyLabeledReplicas:i readyReplicas:i availableReplicas:i terminatingReplicas:i "
    "observedGeneration:l conditions:[Condition/type]",
"DaemonSet apiVersion:s kind:s metadata:ObjectMeta spec:DaemonSetSpec status:DaemonSetStatus",
"DaemonSetSpec selector:LabelSelector template:PodTemplateSpec updateStrategy:DaemonSetUpdateStrategy minReadySeconds:i "
    "revisionHistoryLimit:i",
"DaemonSetUpdateStrategy type:s rollingUpdate:RollingUpdateDeployment",
"DaemonSetStatus currentNumberScheduled:i numberMisscheduled:i desiredNumberScheduled:i numberReady:i observedGeneration:l "
    "updatedNumberScheduled:i numberAvailable:i numberUnavailable:i collisionCount:i conditions:[Condition/type]",
"Scale apiVersion:s kind:s metadata:ObjectMeta spec:ScaleSpec status:ScaleStatus",
"ScaleSpec replicas:i",
"ScaleStatus replicas:i selector:s",

"HorizontalPodAutoscaler apiVersion:s kind:s metadata:ObjectMeta spec:HorizontalPodAutoscalerSpec status:HorizontalPodAutoscalerStatus",
"HorizontalPodAutoscalerSpec scaleTargetRef:CrossVersionObjectReference minReplicas:i maxReplicas:i metrics:[MetricSpec] "
    "behavior:HorizontalPodAutoscalerBehavior",
"CrossVersionObjectReference kind:s name:s apiVersion:s",
"MetricSpec type:s object:* pods:* resource:ResourceMetricSource containerResource:* external:*",
"ResourceMetricSource name:s target:MetricTarget",
"MetricTarget type:s value:q averageValue:q averageUtilization:i",
"HorizontalPodAutoscalerBehavior scaleUp:HPAScalingRules scaleDown:HPAScalingRules",
"HPAScalingRules stabilizationWindowSeconds:i selectPolicy:s policies:[HPAScalingPolicy] tolerance:q",
"HPAScalingPolicy type:s value:i periodSeconds:i",
"HorizontalPodAutoscalerStatus observedGeneration:l lastScaleTime:s currentReplicas:i desiredReplicas:i currentMetrics:[*] "
    "conditions:[Condition/type]",

"Lease apiVersion:s kind:s metadata:ObjectMeta spec:LeaseSpec",
"LeaseSpec holderIdentity:s leaseDurationSeconds:i acquireTime:s renewTime:s leaseTransitions:i strategy:s preferredHolder:s",

"Ingress apiVersion:s kind:s metadata:ObjectMeta spec:IngressSpec status:IngressStatus",
"IngressSpec ingressClassName:s defaultBackend:IngressBackend tls:[IngressTLS] rules:[IngressRule]",
"IngressBackend service:IngressServiceBackend resource:*",
"IngressServiceBackend name:s port:ServiceBackendPort",
"ServiceBackendPort name:s number:i",
"IngressTLS hosts:[s] secretName:s",
"IngressRule host:s http:HTTPIngressRuleValue",
"HTTPIngressRuleValue paths:[HTTPIngressPath]",
"HTTPIngressPath path:s pathType:s backend:IngressBackend",
"IngressStatus loadBalancer:LoadBalancerStatus",

"Role apiVersion:s kind:s metadata:ObjectMeta rules:[PolicyRule]",
"ClusterRole apiVersion:s kind:s metadata:ObjectMeta rules:[PolicyRule] aggregationRule:*",
"PolicyRule verbs:[s] apiGroups:[s] resources:[s] resourceNames:[s] nonResourceURLs:[s]",
"RoleBinding apiVersion:s kind:s metadata:ObjectMeta subjects:[Subject] roleRef:RoleRef",
"ClusterRoleBinding apiVersion:s kind:s metadata:ObjectMeta subjects:[Subject] roleRef:RoleRef",
"Subject kind:s apiGroup:s name:s namespace:s",
"RoleRef apiGroup:s kind:s name:s",

"CustomResourceDefinition apiVersion:s kind:s metadata:ObjectMeta spec:* status:*",
"SelfSubjectAccessReview apiVersion:s kind:s metadata:ObjectMeta spec:* status:*",
NULL,
};
/* clang-format on */

static const char *find_line(const char *name, size_t len)
{
    for (size_t i = 0; type_lines[i]; i++) {
        if (strncmp(type_lines[i], name, len) == 0 && type_lines[i][len] == ' ')
            return type_lines[i] + len + 1;
    }
    return NULL;
}

static struct sk_schema *schema_new(struct arena *arena, enum sk_type type)
{
    struct sk_schema *s = arena_alloc(arena, sizeof(*s));

    if (s) {
        s->type = type;
        s->min_length = s->max_length = s->min_items = s->max_items = s->min_props = s->max_props =
            -1;
    }
    return s;
}

static struct sk_schema *map_of(struct arena *arena, enum sk_type type)
{
    struct sk_schema *s = schema_new(arena, SK_OBJECT);

    if (s)
        s->additional = schema_new(arena, type);
    return s && s->additional ? s : NULL;
}

static struct sk_schema *parse_type(struct arena *arena, struct sk_map *done, const char *text,
                                    size_t len);

/* "[T]", "[T/key]", "[s/]" */
static struct sk_schema *parse_list(struct arena *arena, struct sk_map *done, const char *text,
                                    size_t len)
{
    const char *slash = memchr(text, '/', len);
    size_t item_len = slash ? (size_t)(slash - text) : len;
    struct sk_schema *s = schema_new(arena, SK_LIST);

    if (!s)
        return NULL;
    s->items = parse_type(arena, done, text, item_len);
    if (!s->items)
        return NULL;
    if (slash && item_len + 1 == len)
        s->is_set = true;
    else if (slash)
        s->list_keys[s->list_key_count++] = arena_strndup(arena, slash + 1, len - item_len - 1);
    return s;
}

static struct sk_schema *parse_type(struct arena *arena, struct sk_map *done, const char *text,
                                    size_t len)
{
    struct sk_schema *s;

    if (text[0] == '[')
        return parse_list(arena, done, text + 1, len - 2);
    if (len == 2 && memcmp(text, "mq", 2) == 0)
        return map_of(arena, SK_QUANTITY);
    if (len == 1) {
        switch (text[0]) {
        case 's':
            return schema_new(arena, SK_STRING);
        case 'i':
            return schema_new(arena, SK_INTEGER);
        case 'l':
            s = schema_new(arena, SK_INTEGER);
            if (s)
                s->format = "int64";
            return s;
        case 'n':
            return schema_new(arena, SK_NUMBER);
        case 'b':
            return schema_new(arena, SK_BOOLEAN);
        case 'q':
            return schema_new(arena, SK_QUANTITY);
        case 'x':
            return schema_new(arena, SK_INT_OR_STRING);
        case 'm':
            return map_of(arena, SK_STRING);
        default:
            s = schema_new(arena, SK_ANY);
            if (s)
                s->preserve_unknown = true;
            return s;
        }
    }
    {
        char name[64];

        if (len >= sizeof(name))
            return NULL;
        memcpy(name, text, len);
        name[len] = '\0';
        return sk_types_compile(arena, done, name);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sk_prop *)a)->name, ((const struct sk_prop *)b)->name);
}

static size_t field_count(const char *line)
{
    size_t n = 0;

    for (; *line; line++)
        n += *line == ':';
    return n;
}

struct sk_schema *sk_types_compile(struct arena *arena, struct sk_map *done, const char *name)
{
    const char *line = find_line(name, strlen(name));
    struct sk_schema *s = sk_map_get(done, name);

    if (s || !line)
        return s;
    s = schema_new(arena, SK_OBJECT);
    if (!s || !sk_map_put(done, name, s))
        return NULL;
    s->type_name = arena_strdup(arena, name);
    s->props = arena_alloc(arena, field_count(line) * sizeof(*s->props));
    if (!s->props)
        return NULL;
    while (*line) {
        const char *colon = strchr(line, ':');
        size_t len = strcspn(colon + 1, " ");
        struct sk_prop *p = &s->props[s->prop_count];

        p->name = arena_strndup(arena, line, (size_t)(colon - line));
        p->schema = parse_type(arena, done, colon + 1, len);
        if (!p->name || !p->schema)
            return NULL;
        s->prop_count++;
        line = colon + 1 + len;
        line += *line == ' ';
    }
    qsort(s->props, s->prop_count, sizeof(*s->props), by_name);
    return s;
}
