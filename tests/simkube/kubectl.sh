#!/usr/bin/env bash
# Real kubectl 1.35 against `coalmine cluster`: it gets, applies, patches, watches and deletes Canaries, Deployments and
# Services. Where no kubectl is to be had (tests/cluster/tools) the test is skipped.
set -u
build=${BUILD:-build}
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT

tools=$(tests/cluster/tools) || { echo "$tools"; exit 77; }
export PATH=$tools:$PATH

crd=crds/canary.yaml
"$build/coalmine" cluster --port 0 --apply $crd --write-kubeconfig "$dir/kubeconfig" >"$dir/url" 2>"$dir/err" &
pid=$!
for _ in $(seq 100); do [ -s "$dir/url" ] && break; sleep 0.05; done
[ -s "$dir/url" ] || { echo "the cluster did not start"; cat "$dir/err"; exit 1; }

failed=0
k() { kubectl --kubeconfig "$dir/kubeconfig" --cache-dir "$dir/cache" "$@" 2>&1; }
# expect WHAT PATTERN COMMAND...: its output must contain the pattern
expect() {
    local what=$1 pattern=$2 out; shift 2
    out=$(k "$@")
    if grep -qE -- "$pattern" <<<"$out"; then echo "ok - $what"; else
        echo "FAILED - $what: no '$pattern' in:"; sed 's/^/    /' <<<"$out"; failed=1
    fi
}

cat >"$dir/all.yaml" <<'Y'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "x:1", ports: [{containerPort: 80, name: http}], env: [{name: A, value: b}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http, name: http}]
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web}
spec:
  provider: kubernetes
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis: {interval: 10s, threshold: 5, iterations: 3}
Y
sed 's/x:1/x:2/; s/threshold: 5/threshold: 7/; s/name: A, value: b/name: A, value: c/' "$dir/all.yaml" >"$dir/new.yaml"
sed 's/threshold: 5/treshold: 5/' "$dir/all.yaml" >"$dir/typo.yaml"

expect "version" 'Server Version: v1.35' version
expect "apply refuses an unknown field" 'strict decoding error: unknown field "spec.analysis.treshold"' apply -f "$dir/typo.yaml"
k delete deployment,service --all >/dev/null
expect "apply creates" 'canary.flagger.app/web created' apply -f "$dir/all.yaml"
expect "apply again changes nothing" 'deployment.apps/web unchanged' apply -f "$dir/all.yaml"
expect "a Deployment becomes available" 'condition met' wait --for=condition=Available deployment/web --timeout=20s
expect "get prints columns" 'web +2/2 +2 +2' get deployment web
expect "get prints a Service" 'web +ClusterIP +10\.96\.' get service web
expect "get prints a Canary's columns" 'NAME +STATUS +WEIGHT' get canary web
(k get canaries --watch --no-headers --output-watch-events >"$dir/watch") & watcher=$!
sleep 1
expect "apply patches" 'deployment.apps/web configured' apply -f "$dir/new.yaml"
expect "a strategic merge finds the container" '^x:2 c$' get deployment web -o 'jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].value}'
expect "a rollout ends" 'successfully rolled out' rollout status deployment/web --timeout=20s
expect "patch by merge" 'canary.flagger.app/web patched' patch canary web --type=merge -p '{"spec":{"analysis":{"iterations":9}}}'
expect "patch by JSON patch" 'service/web patched' patch service web --type=json -p '[{"op":"replace","path":"/spec/ports/0/port","value":81}]'
expect "a bad value is refused" 'spec.analysis.threshold: Invalid value: "string"' patch canary web --type=merge -p '{"spec":{"analysis":{"threshold":"x"}}}'
expect "what was patched is there" '^9 81$' get canary/web service/web -o 'jsonpath={.items[0].spec.analysis.iterations} {.items[1].spec.ports[0].port}'
expect "the status has its own door" 'canary.flagger.app/web patched' patch canary web --subresource=status --type=merge -p '{"status":{"phase":"Initialized","canaryWeight":0,"failedChecks":0,"iterations":0}}'
expect "scale" 'deployment.apps/web scaled' scale deployment web --replicas=3
expect "server-side apply" 'web serverside-applied' apply --server-side --force-conflicts -f "$dir/new.yaml"
expect "dry run" 'created \(server dry run\)' create --dry-run=server -f <(sed 's/name: web/name: other/' "$dir/all.yaml")
expect "dry run stored nothing" 'NotFound' get deployment other
expect "delete a Canary" 'canary.flagger.app "web" deleted' delete canary web
sleep 0.3
kill $watcher 2>/dev/null; wait $watcher 2>/dev/null
expect "delete by file" 'service "web" deleted' delete -f "$dir/new.yaml" --ignore-not-found
sleep 0.5
expect "nothing is left" 'No resources found' get deployments,replicasets,pods,canaries
for event in ADDED MODIFIED DELETED; do
    grep -q "^$event +*web\|^$event  *web" "$dir/watch" && echo "ok - the watch told $event" || { echo "FAILED - the watch told no $event"; cat "$dir/watch"; failed=1; }
done
exit $failed
