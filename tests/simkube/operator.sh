#!/usr/bin/env bash
# The real program on `coalmine cluster`: /healthz, /readyz, /metrics, the log's keys, people's commands, an orderly stop,
# Flagger's flags with one dash, and what it says when there is nothing to talk to.
set -u
build=${BUILD:-build}
coalmine=$build/coalmine
dir=$(mktemp -d)
cluster= operator=
trap '[ -z "$operator" ] || kill "$operator" 2>/dev/null; [ -z "$cluster" ] || kill "$cluster" 2>/dev/null; wait; rm -rf "$dir"' EXIT
failed=0
fail() { echo "FAILED - $*"; failed=1; }
ok() { echo "ok - $*"; }
until_true() { for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }

cat >"$dir/all.yaml" <<'Y'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "x:1"}]}
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web, namespace: default}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis: {interval: 10s, threshold: 2, iterations: 2}
Y
"$coalmine" cluster --port 0 --apply crds/canary.yaml --apply crds/metrictemplate.yaml --apply crds/alertprovider.yaml \
    --apply "$dir/all.yaml" --write-kubeconfig "$dir/kubeconfig" >"$dir/url" 2>"$dir/err" &
cluster=$!
until_true test -s "$dir/url" || { cat "$dir/err"; exit 1; }
api=$(grep -o 'http://[^ ]*' "$dir/url" | head -n 1)

"$coalmine" operator -kubeconfig "$dir/kubeconfig" -mesh-provider=kubernetes -port 0 -log-level=info -threadiness=4 \
    -enable-config-tracking -kubeconfig-qps 50 --kube-api-burst=60 -selector-labels=app -zap-replace-globals=true -v=2 \
    2>"$dir/log" &
operator=$!
until_true grep -q 'listening on port' "$dir/log" || { fail "does not start"; cat "$dir/log"; exit 1; }
port=$(sed -n 's/^listening on port //p' "$dir/log")
at() { curl -s -o "$dir/body" -w '%{http_code} %{content_type}' "http://127.0.0.1:$port$1"; }
[ "$(at /healthz)" = "200 text/plain; charset=utf-8" ] && [ "$(cat "$dir/body")" = OK ] || fail "/healthz"
until_true curl -sf "http://127.0.0.1:$port/readyz" || fail "/readyz"
[ "$(at /nothing | cut -c1-3)" = 404 ] || fail "/nothing is there"
ok "/healthz and /readyz answer"

has_status() { curl -s "http://127.0.0.1:$port/metrics" | grep -q '^flagger_canary_status'; }
until_true has_status || fail "no tick has ended" # the first one ends with an unready primary
[ "$(at /metrics)" = "200 text/plain; version=0.0.4; charset=utf-8" ] || fail "/metrics has another type"
for name in flagger_info flagger_canary_total flagger_canary_status \
    coalmine_asks_total coalmine_ticks_total coalmine_tick_seconds_sum coalmine_tick_queue_seconds_count \
    coalmine_api_requests_total process_cpu_seconds_total process_resident_memory_bytes; do
    grep -q "^$name[{ ]" "$dir/body" || fail "/metrics has no $name"
done
# every line is a comment or a sample, every family has its type
grep -vE '^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^}]*\})? [-+0-9.eInfNa]+)$' "$dir/body" && fail "a line that Prometheus cannot read"
ok "/metrics has Flagger's series and ours"

grep '^{' "$dir/log" | while read -r line; do
    printf '%s\n' "$line" | grep -qE '^\{"level":"(info|warn|error)","ts":"[0-9]{4}-[0-9-]+T[0-9:.]+Z","caller":"[a-z]+/[a-z_]+\.c:[0-9]+","msg":".*"(,"canary":"[a-z.]+")?\}$' ||
        { echo "$line"; exit 1; }
done || fail "a line of the log has other keys"
ok "the log has Flagger's keys"

# commands: the wish is an annotation, the operator acts and says who and why
events() { curl -s "$api/api/v1/namespaces/default/events"; }
"$coalmine" pause default/web --kubeconfig "$dir/kubeconfig" --who ann --reason 'INC-1' >"$dir/out" 2>&1 || fail "pause: $(cat "$dir/out")"
told() { events | grep -q "$1"; }
until_true told 'pause asked for by ann: INC-1' && ok "who asked and why is in an Event" || { fail "no Event of the pause"; tail -n 3 "$dir/log"; }
"$coalmine" abort default/nobody --kubeconfig "$dir/kubeconfig" >"$dir/out" 2>&1
[ $? -eq 4 ] && grep -q 'default/nobody: .*not found' "$dir/out" || fail "abort of nobody: $(cat "$dir/out")"
"$coalmine" abort web --kubeconfig "$dir/kubeconfig" >"$dir/out" 2>&1
[ $? -eq 2 ] && grep -q "'web' is not NAMESPACE/NAME" "$dir/out" || fail "abort without a namespace: $(cat "$dir/out")"
"$coalmine" abort default/web --kubeconfig "$dir/none" >"$dir/out" 2>&1
[ $? -eq 3 ] || fail "abort without a kubeconfig: $(cat "$dir/out")"
ok "commands have their exit codes"

kill "$operator"; wait "$operator"
rc=$?
operator=
[ $rc -eq 0 ] && grep -q 'Shutting down operator workers' "$dir/log" && ok "SIGTERM ends it in order" || fail "SIGTERM: exit $rc"

# nothing to talk to
kill "$cluster"; wait "$cluster" 2>/dev/null; cluster=
"$coalmine" operator --kubeconfig "$dir/kubeconfig" --port 0 >"$dir/out" 2>&1
[ $? -eq 4 ] && grep -q 'Error calling Kubernetes API: .*connection refused' "$dir/out" || fail "no server: $(cat "$dir/out")"
"$coalmine" operator --kubeconfig "$dir/none" >"$dir/out" 2>&1
[ $? -eq 4 ] && grep -q 'none' "$dir/out" || fail "no kubeconfig: $(cat "$dir/out")"
ok "what is missing is said"
exit $failed
