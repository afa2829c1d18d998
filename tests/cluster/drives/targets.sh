#!/usr/bin/env bash
# Targets other than Deployments: a DaemonSet, a core Service, a Knative Service (a few lines here do what Knative's controller does to
# its objects; the CRDs are the real ones).
. "$(dirname "$0")/../drive.sh"
rights targets --set 'providers={istio,knative}'
operator operator
target() { # NAME PROVIDER TARGET_REF ANALYSIS
    canary "$1" "$2" "$4" | sed "s|targetRef: {[^}]*}|targetRef: {$3}|"
}

# ---- a DaemonSet -----------------------------------------------------------------------------------------------
daemonset() { deployment "$1" "$2" | sed 's/kind: Deployment/kind: DaemonSet/; /replicas:/d'; }
{
    daemonset agent app:1
    target agent kubernetes "apiVersion: apps/v1, kind: DaemonSet, name: agent" "iterations: 1"
} | apply
phase_of 300 agent Initialized
want "pods of the primary" 3 get daemonset agent-primary '{.status.numberReady}'
await 60 "the target has no pods" is 0 get daemonset agent '{.status.currentNumberScheduled}'
daemonset agent app:2 | apply
await 300 "the target has pods again" is 3 get daemonset agent '{.status.numberReady}'
phase_of 300 agent Succeeded
want "the primary's image" app:2 get daemonset agent-primary '{.spec.template.spec.containers[0].image}'
await 60 "the target has no pods" is 0 get daemonset agent '{.status.currentNumberScheduled}'
ok "a DaemonSet is released"

# ---- a core Service --------------------------------------------------------------------------------------------
service() { # VERSION
    cat <<S
---
{apiVersion: v1, kind: Service, metadata: {name: front, labels: {team: a}}, spec: {selector: {app: front, version: $1},
  ports: [{name: http, port: 80, targetPort: 9898}]}}
S
}
{
    service v1
    target front istio "apiVersion: v1, kind: Service, name: front" "stepWeight: 50, maxWeight: 50"
} | apply
phase_of 300 front Initialized
for clone in front-primary front-canary; do want "$clone" v1 get service $clone '{.spec.selector.version}'; done
want "three addresses for three Services" 3 bash -c "kubectl --kubeconfig '$config' -n $ns get service front front-primary front-canary -o jsonpath='{.items[*].spec.clusterIP}' | tr ' ' '\n' | sort -u | grep -c ."
want "the route" "100 0" get virtualservices.networking.istio.io front '{.spec.http[0].route[*].weight}'
service v2 | apply
await 300 "half of the traffic goes to the new version" is "50 50" get virtualservices.networking.istio.io front '{.spec.http[0].route[*].weight}'
want "the canary while the release runs" v2 get service front-canary '{.spec.selector.version}'
want "the primary while the release runs" v1 get service front-primary '{.spec.selector.version}'
phase_of 300 front Succeeded
want "the primary" v2 get service front-primary '{.spec.selector.version}'
want "its owner" front get service front-primary '{.metadata.ownerReferences[0].name}'
want "the route" "100 0" get virtualservices.networking.istio.io front '{.spec.http[0].route[*].weight}'
ok "a core Service is released"

# ---- a Knative Service -------------------------------------------------------------------------------------------
knative_service() { # IMAGE
    echo "{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: fn}, spec: {template: {spec: {containers: [{image: \"$1\"}]}}}}"
}
status() { kn patch "$1" "$2" --subresource status --type merge -p "$3" >/dev/null; }
# What Knative's controllers do: a revision for each new template, and the traffic as it stands.
knative() {
    local service template known='' count=0
    while sleep 0.3; do
        service=$(kn get services.serving.knative.dev fn -o json 2>/dev/null) || continue
        template=$(jq -c .spec.template <<<"$service")
        if [ "$template" != "$known" ]; then
            count=$((count + 1)) known=$template
            jq -c --arg n fn-0000$count '{apiVersion, kind: "Revision", metadata: {name: $n}, spec: .spec.template.spec}' <<<"$service" | kn apply -f - >/dev/null
            status revision fn-0000$count '{"status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}}'
        fi
        status services.serving.knative.dev fn "$(jq -c --arg n fn-0000$count '{status: {latestCreatedRevisionName: $n, latestReadyRevisionName: $n,
            traffic: [(.spec.traffic // [{latestRevision: true, percent: 100}])[] | .revisionName //= $n | .latestRevision //= false]}}' <<<"$service")"
    done
}
knative 2>"$dir/knative.log" &
pids+=($!)
{
    knative_service app:1
    target fn knative "apiVersion: serving.knative.dev/v1, kind: Service, name: fn" "stepWeight: 50, maxWeight: 50"
} | apply
phase_of 300 fn Initialized
traffic_of() { get services.serving.knative.dev fn '{range .spec.traffic[*]}{.revisionName}={.percent} {end}'; }
want "the traffic" "=0 fn-00001=100 " traffic_of
knative_service app:2 | apply
await 300 "half of the traffic goes to the new revision" is "=50 fn-00001=50 " traffic_of
phase_of 300 fn Succeeded
want "the primary revision" fn-00002 get services.serving.knative.dev fn '{.metadata.annotations.flagger\.app/primary-revision}'
await 60 "all traffic goes to it" is "=0 fn-00002=100 " traffic_of
ok "a Knative Service is released"
