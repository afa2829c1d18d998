#!/usr/bin/env bash
# Autoscalers: the primary has a copy of the target's, which follows at a promotion; the target's own is at rest with it. HPA v2 under
# the real controller, and a KEDA ScaledObject (no KEDA runs: its objects are checked by its CRD).
. "$(dirname "$0")/../drive.sh"
rights autoscaler --set 'providers={}' --set keda=true
operator operator

hpa() { # MAX PERCENT
    cat <<H
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: $1,
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: $2}}}]}
H
}
scaled_object() { # MAX
    cat <<S
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: queue, annotations: {scaledobject.keda.sh/transfer-hpa-ownership: "true"}}
spec: {scaleTargetRef: {name: queue}, minReplicaCount: 2, maxReplicaCount: $1, initialCooldownPeriod: 30,
  triggers: [{type: prometheus, name: rate, metadata: {serverAddress: "http://prometheus:9090", threshold: "100", query: 'sum(rate(http_requests_total{app="queue-canary"}[2m]))'}}]}
S
}
{
    for name in web queue; do deployment $name app:1; done
    hpa 4 80
    scaled_object 5
    canary web kubernetes "iterations: 2" \
        "autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: web, primaryScalerReplicas: {minReplicas: 3, maxReplicas: 6}}"
    canary queue kubernetes "iterations: 2" "autoscalerRef: {apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: queue}"
} | apply
for name in web queue; do phase_of 300 $name Initialized; done

primary_hpa='{.spec.scaleTargetRef.name} {.spec.minReplicas} {.spec.maxReplicas} {.spec.metrics[0].resource.target.averageUtilization}'
want "the primary's HPA" "web-primary 3 6 80" get hpa web-primary "$primary_hpa"
await 300 "the primary is scaled by its HPA" is 3 get deployment web-primary '{.status.readyReplicas}'
want "pods of the target, whose HPA has nothing to scale" 0 get deployment web '{.spec.replicas}'
ok "HPA: the primary has its own, with the replicas asked for"
paused() { get scaledobject "$1" '{.metadata.annotations.autoscaling\.keda\.sh/paused-replicas}'; }
primary_keda='{.spec.scaleTargetRef.name} {.spec.minReplicaCount} {.spec.maxReplicaCount} {.spec.triggers[0].metadata.query}'
want "the primary's ScaledObject" 'queue-primary 2 5 sum(rate(http_requests_total{app="queue-primary"}[2m]))' get scaledobject queue-primary "$primary_keda"
want "the target's is paused" 0 paused queue
want "the primary's is not" "" paused queue-primary
want "a field that is none of our business" 30 get scaledobject queue '{.spec.initialCooldownPeriod}'
ok "KEDA: the primary has its own, the target's is paused"

{
    hpa 5 70
    scaled_object 8
} | apply
for name in web queue; do push $name app:2; done
await 300 "the target runs as many pods as its HPA wants at least" is 2 get deployment web '{.status.readyReplicas}'
want "the primary's HPA while the release runs" "web-primary 3 6 80" get hpa web-primary "$primary_hpa"
await 300 "the target's ScaledObject is resumed" is "" paused queue
for name in web queue; do
    phase_of 300 $name Succeeded
    want "the primary's image" app:2 image $name-primary
    want "pods of the target" 0 get deployment $name '{.spec.replicas}'
done
want "the primary's HPA after the promotion" "web-primary 3 6 70" get hpa web-primary "$primary_hpa"
want "pods of the primary" 3 get deployment web-primary '{.spec.replicas}'
ok "HPA: the primary's follows at the promotion, and its pods stay"
want "the primary's ScaledObject after the promotion" 'queue-primary 2 8 sum(rate(http_requests_total{app="queue-primary"}[2m]))' get scaledobject queue-primary "$primary_keda"
want "the target's is paused again" 0 paused queue
ok "KEDA: resumed for the release, paused after it"
