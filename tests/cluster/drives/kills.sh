#!/usr/bin/env bash
# kill -9 at random calls: a canary, a blue/green and a rollback end as where nobody was killed, with the same status, routes and
# workloads, and no hook, alert or event is lost. A life ends when the audit log shows its n-th call, n being drawn from the seed.
#   SEED=NUMBER KILLS=40
. "$(dirname "$0")/../drive.sh"
seed=${SEED:-$(date +%s)} kills=${KILLS:-40}
echo "seed $seed, $kills kills (SEED=$seed KILLS=$kills repeats the draws)"
audit=$(dirname "$config")/audit.jsonl

world() { # the receiver of all hooks, alerts and events, with a Prometheus that finds `-bad` bad; its log is $dir/$ns.world
    local port
    port=$("$cluster/free_port") metrics=$("$cluster/free_port")
    "$build/cluster/world" "$dir/$ns.world" "$port" "$metrics" &
    pids+=($!)
    hooks=http://127.0.0.1:$port PROMETHEUS=http://127.0.0.1:$metrics
    await 60 "the world answers" curl -sf --noproxy '*' -d null "$hooks"
}
config_map() { echo "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: red}}"; }
release() { # IMAGE
    for name in canary green rollback-bad; do deployment $name "$1" "envFrom: [{configMapRef: {name: settings}}]"; done | apply
}
install() {
    local around="$success_rate, alerts: [{name: chat, severity: info, providerRef: {name: chat}}], webhooks: [
      {name: smoke, type: pre-rollout, url: '$hooks', metadata: {hook: smoke}}, {name: load, type: rollout, url: '$hooks', metadata: {hook: load}},
      {name: confirm, type: confirm-promotion, url: '$hooks', metadata: {hook: confirm}}, {name: after, type: post-rollout, url: '$hooks', metadata: {hook: after}}]"
    {
        config_map
        echo "---"
        echo "{apiVersion: flagger.app/v1beta1, kind: AlertProvider, metadata: {name: chat}, spec: {type: slack, channel: c, username: u, address: '$hooks'}}"
        canary canary istio "stepWeight: 20, maxWeight: 40, $around"
        canary green kubernetes "iterations: 2, $around"
        canary rollback-bad istio "stepWeight: 20, maxWeight: 40, $around"
    } | apply
}
life() { operator "$1" --event-webhook "$hooks"; }
phases() { kn get canaries -o jsonpath='{range .items[*]}{.metadata.name}={.status.phase} {end}'; }
# ended IMAGE APPLIED: the release of this image ended for all; APPLIED is what the rollback's Canary held before
ended() {
    is "canary=Succeeded green=Succeeded rollback-bad=Failed " phases && is "$1" image canary-primary && is "$1" image green-primary &&
        ! is "$2" get canary rollback-bad '{.status.lastAppliedSpec}'
}
# told FROM FILE: what the world heard since line FROM, each thing once. How often pods are not yet ready depends on the machine.
told() {
    tail -n +"$1" "$dir/$ns.world" | jq -rc --arg ns "$ns" '.hook | select(. != null) | del(.checksum, .metadata.timestamp, .attachments[]?.ts)
        | tojson | gsub("\\b" + $ns + "\\b"; "NS")' | grep -v 'not ready' | sort -u >"$2"
}
# state FILE: what is left in the cluster, without what belongs to one cluster alone
state() {
    kn get canaries,deployments,services,virtualservices.networking.istio.io,destinationrules,configmaps -o json | jq -S --arg ns "$ns" '[.items[]
        | select(.metadata.name != "kube-root-ca.crt")
        | {kind, name: .metadata.name, labels: .metadata.labels, state: .metadata.annotations["coalmine.dev/state"],
           owners: [.metadata.ownerReferences[]?.name], data, spec: (.spec | del(.clusterIP?, .clusterIPs?)),
           status: (if .kind == "Canary" then .status | del(.lastTransitionTime, .conditions[]?.lastTransitionTime, .conditions[]?.lastUpdateTime) else null end)}]
        | tojson | gsub("\\b" + $ns + "\\b"; "NS") | gsub("http://127.0.0.1:[0-9]+"; "HOOKS") | fromjson' >"$1"
}
# The last words of a release follow its last status; the annotation says that they are still to come.
settled() { ! kn get canaries -o jsonpath='{.items[*].metadata.annotations}' | grep -q redo; }
applied() { get canary rollback-bad '{.status.lastAppliedSpec}'; }
lines() { wc -l <"$dir/$ns.world"; }

# Nobody is killed here.
calm=$ns-calm interrupted=$ns
ns=$calm
k create namespace "$ns" >/dev/null 2>&1
# several of these Canaries read one ConfigMap: its copy gets each as an owner
rights calm --set 'providers={istio}' --set ownerReferencesEnforced=true
world
release app:1
install
life calm
for name in canary green rollback-bad; do phase_of 300 $name Initialized; done
before=$(applied) from=$(($(lines) + 1))
release app:2
await 600 "the calm releases end" ended app:2 "$before"
await 120 "all is told" settled
told "$from" "$dir/calm.told"
[ "$(grep -c . "$dir/calm.told")" -gt 15 ] || fail "the world heard next to nothing"
calm_hooks=$hooks calm_metrics=$PROMETHEUS

ns=$interrupted
rights kills --set 'providers={istio}' --set ownerReferencesEnforced=true
world
release app:1
install
life first
for name in canary green rollback-bad; do phase_of 300 $name Initialized; done
stop "$operator"
draw() { # 1 to $1
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((1 + seed / 8 % $1))
}
count=0 version=1
while [ "$count" -lt "$kills" ]; do
    version=$((version + 1)) before=$(applied) from=$(($(lines) + 1))
    release app:$version
    until ended app:$version "$before" || [ "$count" -ge "$kills" ]; do
        draw 45
        grep -c -m "$drawn" "\"username\":\"system:serviceaccount:$ns:kills\"" < <(exec timeout 30 tail -n 0 -f "$audit") >"$dir/calls" &
        watcher=$!
        sleep 0.1
        life killed
        wait "$watcher"
        stop "$operator" -KILL 2>/dev/null
        count=$((count + 1))
    done
    life last
    await 600 "the releases of app:$version end" ended app:$version "$before"
    await 120 "all is told" settled
    stop "$operator"
    told "$from" "$dir/kills.told"
    comm -23 "$dir/calm.told" "$dir/kills.told" >"$dir/lost"
    [ ! -s "$dir/lost" ] || fail "lost in the release of app:$version, after $count kills: $(head -n 3 "$dir/lost" | cut -c1-500)"
done
ok "$kills kills in $((version - 1)) times three releases: no hook, alert or event is lost"
state "$dir/kills.state"

ns=$calm hooks=$calm_hooks PROMETHEUS=$calm_metrics
if [ "$version" != 2 ]; then # where it is already
    before=$(applied)
    release app:$version
    await 600 "the calm releases end" ended app:$version "$before"
    await 120 "all is told" settled
fi
state "$dir/calm.state"
diff "$dir/calm.state" "$dir/kills.state" >"$dir/differences" || fail "the end differs: $(head -n 40 "$dir/differences")"
ok "$kills kills: status, routes and workloads end as where nobody was killed"
