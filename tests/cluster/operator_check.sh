#!/bin/sh
# The operator against a real control plane: first install, release, rollback, a config as a release, hand-over of two operators,
# the rights of the chart and no more, kill -9 at random moments, deletion with revert.
#   operator_check.sh KUBECONFIG
set -u
config=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}
command -v kubectl >/dev/null || { echo "skipped operator_check: no kubectl"; exit 0; }
dir=$(mktemp -d)
world= operator= second=
finish() {
  for p in $operator $second $world; do kill "$p" 2>/dev/null; done
  wait
  [ -z "${KEEP:-}" ] || cp "$dir"/*.log "$KEEP"
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM
k() { kubectl --kubeconfig "$config" "$@"; }
fail() { echo "FAILED operator_check: $*"; for log in "$dir"/*.log; do tail -n 5 "$log" | cut -c1-400; done; exit 1; }
ok() { echo "ok operator_check: $*"; }

k apply -f "$root/crds/" >/dev/null || fail "the CRDs were refused"
for crd in $("$here/crds" istio); do k apply --server-side -f "$crd" >/dev/null || fail "$crd was refused"; done
k create namespace op >/dev/null 2>&1

# An identity with the rights of the chart for providers istio and kubernetes, leader election included, and nothing else.
k apply -f - >/dev/null <<RIGHTS || fail "the rights were refused"
apiVersion: v1
kind: ServiceAccount
metadata: {name: coalmine, namespace: op}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coalmine-op}
rules:
- {apiGroups: [flagger.app], resources: [canaries], verbs: [get, list, watch, patch]}
- {apiGroups: [flagger.app], resources: [canaries/status, canaries/finalizers], verbs: [update]}
- {apiGroups: [flagger.app], resources: [metrictemplates, alertproviders], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments, daemonsets], verbs: [get, list, watch, create, update, patch]}
- {apiGroups: [""], resources: [services], verbs: [get, list, watch, create, update]}
- {apiGroups: [""], resources: [events], verbs: [create, patch]}
- {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [get, list, watch, create, update]}
- {apiGroups: [""], resources: [configmaps, secrets], verbs: [get, list, watch, create, update]}
- {apiGroups: [networking.istio.io], resources: [virtualservices, destinationrules], verbs: [get, list, watch, create, update]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
- {nonResourceURLs: [/version], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coalmine-op}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coalmine-op}
subjects: [{kind: ServiceAccount, name: coalmine, namespace: op}]
RIGHTS
token=$(k create token coalmine -n op) || fail "no token"
mine=$dir/kubeconfig
k config view --raw --minify --flatten > "$mine"
kubectl --kubeconfig "$mine" config set-credentials coalmine --token="$token" >/dev/null
kubectl --kubeconfig "$mine" config set-context --current --user=coalmine >/dev/null

"$build/cluster/world" "$dir/world.jsonl" 26701 26702 & world=$!
start() { # NAME PORT [OPTION]...
  name=$1 port=$2; shift 2
  "$build/coalmine" operator --kubeconfig "$mine" --metrics-server http://127.0.0.1:26702 --port "$port" \
    --enable-leader-election --leader-election-namespace op "$@" 2>> "$dir/$name.log" &
  started=$!
}
start first 26703; operator=$started

workload() { # NAME IMAGE
  cat <<W
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1, namespace: op}
spec:
  replicas: 2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec: {containers: [{name: app, image: "$2", envFrom: [{configMapRef: {name: $1}}]}]}
W
}
canary() { # NAME PROVIDER STRATEGY
  cat <<C
---
apiVersion: v1
kind: ConfigMap
metadata: {name: $1, namespace: op}
data: {color: red}
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: $1, namespace: op}
spec:
  provider: $2
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: $1}
  revertOnDeletion: true
  service: {port: 80}
  analysis:
    interval: 10s
    threshold: 2
    $3
    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}]
    webhooks: [{name: smoke, type: pre-rollout, url: "http://127.0.0.1:26701/"}]
C
}
phases() { k get canaries -n op -o jsonpath='{range .items[*]}{.metadata.name}={.status.phase} {end}'; }
await() { # SECONDS PHASES
  seconds=$1; shift
  while [ "$(phases)" != "$* " ]; do
    [ "$seconds" -gt 0 ] || fail "want $*, got $(phases)"
    sleep 1; seconds=$((seconds - 1))
  done
}
{ for n in a-canary b-green c-bad; do workload $n app:1; done
  canary a-canary istio 'stepWeight: 50
    maxWeight: 50'
  canary b-green kubernetes 'iterations: 2'
  canary c-bad istio 'stepWeight: 50
    maxWeight: 50'; } | k apply -f - >/dev/null || fail "the manifests were refused"
await 60 a-canary=Initialized b-green=Initialized c-bad=Initialized
ok "first install, under the rights of the chart"

for n in a-canary b-green c-bad; do workload $n app:2; done | k apply -f - >/dev/null
await 150 a-canary=Succeeded b-green=Succeeded c-bad=Failed
[ "$(k get deployment a-canary-primary -n op -o jsonpath='{.spec.template.spec.containers[0].image}')" = app:2 ] || fail "not promoted"
[ "$(k get deployment c-bad-primary -n op -o jsonpath='{.spec.template.spec.containers[0].image}')" = app:1 ] || fail "promoted"
[ "$(k get virtualservice c-bad -n op -o jsonpath='{.spec.http[0].route[0].weight}')" = 100 ] || fail "traffic is not at the primary"
ok "canary and blue/green succeed, bad metrics roll back"

start second 26704; second=$started
sleep 2
kill "$operator"; wait "$operator"; operator=$second second=
k patch configmap a-canary -n op --type merge -p '{"data":{"color":"blue"}}' >/dev/null
seconds=60
while ! grep -q 'New revision detected! Scaling up a-canary.op' "$dir/second.log"; do
  [ "$seconds" -gt 0 ] || fail "the second operator did not take over"
  sleep 1; seconds=$((seconds - 1))
done
await 150 a-canary=Succeeded b-green=Succeeded c-bad=Failed
[ "$(k get configmap a-canary-primary -n op -o jsonpath='{.data.color}')" = blue ] || fail "the config was not promoted"
ok "the lease is handed over, and a config is a release"

# kill -9 at moments drawn from a seed; the operator without a Lease, so that nobody waits for one to expire
kill "$operator"; wait "$operator"; operator=
seed=${SEED:-$(date +%s)} kills=${KILLS:-40}
echo "seed $seed, $kills kills"
for n in a-canary b-green c-bad; do workload $n app:3; done | k apply -f - >/dev/null
count=0
while [ "$count" -lt "$kills" ]; do
  "$build/coalmine" operator --kubeconfig "$mine" --metrics-server http://127.0.0.1:26702 --port 0 2>> "$dir/killed.log" & operator=$!
  seed=$(( (seed * 1103515245 + 12345) % 2147483648 ))
  sleep "$(awk "BEGIN { print 0.05 + ($seed % 3000) / 1000 }")"
  kill -9 "$operator"; wait "$operator" 2>/dev/null; operator=
  count=$((count + 1))
done
"$build/coalmine" operator --kubeconfig "$mine" --metrics-server http://127.0.0.1:26702 --port 26703 2>> "$dir/last.log" & operator=$!
await 200 a-canary=Succeeded b-green=Succeeded c-bad=Failed
[ "$(k get deployment a-canary-primary -n op -o jsonpath='{.spec.template.spec.containers[0].image}')" = app:3 ] || fail "not promoted after kills"
[ "$(k get deployment b-green-primary -n op -o jsonpath='{.spec.template.spec.containers[0].image}')" = app:3 ] || fail "not promoted after kills"
[ "$(k get deployment c-bad-primary -n op -o jsonpath='{.spec.template.spec.containers[0].image}')" = app:1 ] || fail "promoted after kills"
ok "$kills kills change nothing in the end"

k delete canaries --all -n op --wait=false >/dev/null
seconds=60
while [ -n "$(phases)" ]; do
  [ "$seconds" -gt 0 ] || fail "deletion hangs: $(phases)"
  sleep 1; seconds=$((seconds - 1))
done
[ "$(k get deployment a-canary -n op -o jsonpath='{.spec.replicas}')" = 2 ] || fail "the target was not brought back"
ok "deletion reverts"
grep -hE 'is forbidden|Forbidden' "$dir"/*.log | head -3 | grep . && fail "a right was missing"
ok "no request was forbidden"
exit 0
