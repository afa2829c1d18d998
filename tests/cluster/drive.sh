# shellcheck shell=bash
# What the drives share; each sources it first. A drive gets the administrator's kubeconfig as $1, works in a namespace named after
# itself, and its operators have the rights of the chart and no more. tests/cluster/run sets PROMETHEUS and SHOP, the addresses of a
# real Prometheus and of the server that stands for all pods. KEEP=FOLDER keeps the logs there.
# A drive prints `ok NAME: WHAT` lines; the first thing that is not so prints FAILED and ends it.
set -u
shopt -s lastpipe # what ends a pipeline may end the drive
config=${1:?usage: $0 KUBECONFIG}
cluster=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$cluster/../.." && pwd)
build=$(cd "${BUILD:-$root/build}" && pwd)
ns=$(basename "$0" .sh)
mine=
dir=$(mktemp -d)
pids=()

finish() {
    [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
    wait
    [ -z "${KEEP:-}" ] || { mkdir -p "$KEEP/$ns" && cp -r "$dir"/. "$KEEP/$ns"; }
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM
ok() { echo "ok $ns: $*"; }
fail() {
    echo "FAILED $ns: $*"
    {
        k get canaries -n "$ns" -o wide
        k get events -n "$ns" --field-selector involvedObject.kind=Canary -o custom-columns=T:.lastTimestamp,O:.involvedObject.name,M:.message | tail -n 12
        for log in "$dir"/*.log; do echo "$log:"; tail -n 6 "$log" | cut -c1-300; done
    } 2>&1 | sed 's/^/    /'
    exit 1
}
k() { kubectl --kubeconfig "$config" "$@"; }
kn() { kubectl --kubeconfig "$config" -n "$ns" "$@"; }
apply() { kn apply -f - >/dev/null || fail "a manifest was refused"; }
# await SECONDS WHAT COMMAND...: until the command succeeds
await() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt "$until" ] || fail "waited in vain: $what"
        sleep 1
    done
}

# ---- an operator with the rights of the chart -------------------------------------------------------------
# rights NAME [HELM OPTION]...: an identity of that name; its kubeconfig is $mine
rights() {
    local name=$1
    shift
    helm template "$name" "$root/charts/coalmine" -n "$ns" -s templates/rbac.yaml "$@" >"$dir/rbac.yaml" || fail "the chart was not rendered"
    k apply -f "$dir/rbac.yaml" >/dev/null || fail "the chart's rights were refused"
    mine=$dir/$name.kubeconfig
    k config view --raw --minify --flatten >"$mine"
    kubectl --kubeconfig "$mine" config set-credentials "$name" --token="$(kn create token "$name" --duration 6h)" >/dev/null || fail "no token"
    kubectl --kubeconfig "$mine" config set-context --current --user="$name" >/dev/null
}
# operator NAME [OPTION]...: started in the background; its process id is $operator, its log $dir/NAME.log
operator() {
    local name=$1
    shift
    "$build/coalmine" operator --kubeconfig "$mine" --namespace "$ns" --metrics-server "${PROMETHEUS:?}" --port "$("$cluster/free_port")" "$@" \
        2>>"$dir/$name.log" &
    operator=$!
    pids+=("$operator")
}
stop() { # stop PID [SIGNAL]
    kill "${2:--TERM}" "$1"
    wait "$1" 2>/dev/null
}
# the load tester: gates and commands for hooks, at $hooks
loadtester() {
    "$build/coalmine" loadtester --port 0 --address 127.0.0.1 >"$dir/loadtester.out" 2>"$dir/loadtester.log" &
    pids+=($!)
    await 60 "the load tester's port" grep -q '^listening on port' "$dir/loadtester.out"
    hooks=http://127.0.0.1:$(sed -n 's/^listening on port //p' "$dir/loadtester.out")
}
gate() { # gate gate|rollback open|close CANARY
    curl -sf --noproxy '*' -d "{\"name\":\"$3\",\"namespace\":\"$ns\"}" "$hooks/$1/$2" >/dev/null || fail "gate $1 $2"
}

# ---- manifests ----------------------------------------------------------------------------------------------
deployment() { # NAME IMAGE [MORE OF THE CONTAINER]
    cat <<D
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: 2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec: {containers: [{name: app, image: "$2", ports: [{name: http, containerPort: 9898}]${3:+, $3}}]}
D
}
push() { # NAME IMAGE: a new version, and nothing else changed
    kn set image "deployment/$1" "app=$2" >/dev/null || fail "no $2 for $1"
}
canary() { # NAME PROVIDER ANALYSIS [SPEC]: both as members of a YAML flow mapping, and so is SERVICE
    cat <<C
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: $1}
spec: {provider: "$2", targetRef: {apiVersion: apps/v1, kind: Deployment, name: $1}, progressDeadlineSeconds: 300,
  service: {port: 80, targetPort: 9898${SERVICE:+, $SERVICE}}, analysis: {interval: 10s, threshold: 2, $3}${4:+, $4}}
C
}
success_rate="metrics: [{name: request-success-rate, thresholdRange: {min: 99}, interval: 10s}]"

# ---- traffic on loopback ------------------------------------------------------------------------------------
# traffic NAME...: requests to these workloads of the namespace, some 50 a second to all, until the drive ends
traffic() {
    local names=$* lua=$dir/paths.lua
    {
        echo "local names, n = {}, 0"
        echo "for name in string.gmatch('$names', '%S+') do names[#names + 1] = '/$ns/' .. name end"
        echo "request = function() n = n + 1; return wrk.format('GET', names[n % #names + 1]) end"
        echo "delay = function() return 20 end"
    } >"$lua"
    wrk -t1 -c1 -d3600s -s "$lua" "${SHOP:?}" >"$dir/wrk.out" 2>&1 &
    pids+=($!)
}
errors() { # NAME PERCENT
    curl -sf --noproxy '*' -X PUT "$SHOP/$ns/$1?errors=$2" || fail "the shop is closed"
}

# ---- what is true now -----------------------------------------------------------------------------------------
get() { kn get "$1" "$2" -o "jsonpath=$3"; } # get KIND NAME JSONPATH
phase() { get canary "$1" '{.status.phase}'; }
is() { [ "$("${@:2}")" = "$1" ]; } # is VALUE COMMAND...
image() { get deployment "$1" '{.spec.template.spec.containers[0].image}'; }
# phase_of SECONDS NAME PHASE: wait for it
phase_of() { await "$1" "$2 is $3" is "$3" phase "$2"; }
want() { # want WHAT VALUE COMMAND...
    local got
    got=$("${@:3}")
    [ "$got" = "$2" ] || fail "$1: wanted '$2', got '$got'"
}

k create namespace "$ns" >/dev/null 2>&1
