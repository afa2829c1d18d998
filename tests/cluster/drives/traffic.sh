#!/usr/bin/env bash
# Real traffic, in a network namespace where pods have addresses that answer (tests/cluster/netns): HAProxy splits it as the HTTPRoute stands
# in the API, over the endpoints that stand there; wrk is the users; Prometheus scrapes every pod and HAProxy.
# A version that answers 5 % of its requests with errors is rolled back by what the users saw; a good one passes.
. "$(dirname "$0")/../drive.sh"
[ "$(ip -o route get 10.128.0.7 2>/dev/null | cut -d' ' -f1)" = local ] || { echo "skipped traffic: pods have no addresses outside tests/cluster/netns"; exit 77; }
rights traffic --set 'providers={gatewayapi}'
users=127.0.0.1:$("$cluster/free_port") proxy=127.0.0.1:$("$cluster/free_port") prometheus=127.0.0.1:$("$cluster/free_port")

"$build/cluster/shop" 0.0.0.0 9898 >"$dir/shop.port" &
pids+=($!)
await 60 "the pods answer" grep -q . "$dir/shop.port"

# Debian's Prometheus is built without the discovery of pods in the API: the loop below writes a file of them.
echo '[]' >"$dir/pods.json"
cat >"$dir/prometheus.yaml" <<P
global: {scrape_interval: 1s}
scrape_configs:
- {job_name: pods, file_sd_configs: [{files: ["$dir/pods.json"]}]}
- {job_name: haproxy, static_configs: [{targets: ["$proxy"]}]}
P
prometheus --config.file "$dir/prometheus.yaml" --storage.tsdb.path "$dir/tsdb" --web.listen-address "$prometheus" >"$dir/prometheus.log" 2>&1 &
pids+=($!)
await 60 "Prometheus" curl -sf --noproxy '*' "http://$prometheus/-/ready"
PROMETHEUS=http://$prometheus operator operator

# HAProxy follows the HTTPRoute and the endpoints, Prometheus the pods, and the pods of a bad version answer with errors.
follow() {
    while sleep 0.3; do
        kn get pods -o json | jq -c '[.items[] | select(.status.podIP) | {targets: ["\(.status.podIP):9898"],
            labels: {kubernetes_namespace: .metadata.namespace, kubernetes_pod_name: .metadata.name, image: .spec.containers[0].image}}]' >"$dir/pods.next" || continue
        jq -r '.[] | "\(.targets[0] | sub(":.*"; "")) \(if .labels.image | endswith("-bad") then 5 else 0 end)"' "$dir/pods.next" | while read -r address share; do
            curl -s --noproxy '*' -X PUT "http://127.0.0.1:9898/$address?errors=$share"
        done
        cmp -s "$dir/pods.next" "$dir/pods.json" || mv "$dir/pods.next" "$dir/pods.json"
        kn get httproutes,endpointslices -o json | jq -r --arg users "$users" --arg proxy "$proxy" -f "$cluster/haproxy.jq" >"$dir/next.cfg"
        [ "${PIPESTATUS[*]}" = "0 0" ] && ! cmp -s "$dir/next.cfg" "$dir/haproxy.cfg" || continue
        cp "$dir/next.cfg" "$dir/haproxy.cfg"
        [ ! -s "$dir/haproxy.pid" ] || kill -USR2 "$(cat "$dir/haproxy.pid")"
    done
}
{
    cat <<M
---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: seen-by-users}
spec:
  provider: {type: prometheus, address: "http://$prometheus"}
  query: |
    sum(rate(haproxy_server_http_responses_total{proxy="{{ target }}-canary",code!="5xx"}[{{ interval }}]))
    / sum(rate(haproxy_server_http_responses_total{proxy="{{ target }}-canary"}[{{ interval }}])) * 100
M
    deployment app app:1
    SERVICE="hosts: [app.example.com], gatewayRefs: [{name: public}]" canary app gatewayapi:v1 "stepWeight: 20, maxWeight: 40, metrics: [
      {name: seen-by-users, templateRef: {name: seen-by-users}, thresholdRange: {min: 98}, interval: 10s},
      {name: request-success-rate, thresholdRange: {min: 90}, interval: 10s},
      {name: request-duration, thresholdRange: {max: 500}, interval: 10s}]"
} | apply
phase_of 300 app Initialized
follow 2>"$dir/follow.log" &
pids+=($!)
await 60 "a route for HAProxy" grep -q '^    server' "$dir/haproxy.cfg"
haproxy -W -f "$dir/haproxy.cfg" -p "$dir/haproxy.pid" >"$dir/haproxy.log" 2>&1 &
pids+=($!)
await 60 "HAProxy serves users" curl -sf --noproxy '*' "http://$users/"
echo 'delay = function() return 20 end' >"$dir/users.lua"
wrk -t2 -c8 -d3600s -s "$dir/users.lua" "http://$users/" >"$dir/users.log" 2>&1 &
wrk=$!
pids+=("$wrk")
ok "users reach version 1 through HAProxy"

ask() { # ask QUERY: the first value, without decimals
    curl -sf --noproxy '*' "http://$prometheus/api/v1/query" --data-urlencode "query=$1" | jq -r '.data.result[0].value[1] // 0 | tonumber | floor'
}
some() { [ "$(ask "$1")" -gt 0 ]; }
push app app:2-bad
await 300 "users reach the new version" some 'haproxy_server_http_responses_total{proxy="app-canary",code="2xx"}'
phase_of 300 app Failed
want "the primary's image" app:1 image app-primary
want "the route" "100 0" get httproute app '{.spec.rules[0].backendRefs[*].weight}'
kn get events -o jsonpath='{range .items[*]}{.message}{"\n"}{end}' >"$dir/events"
grep -E '^Halt app.traffic advancement seen-by-users 9[3-7][.0-9]* < 98' "$dir/events" >"$dir/halts" ||
    fail "no event tells that users saw some 95 %: $(grep Halt "$dir/events" | tail -n 2)"
ok "a version with 5 % errors is rolled back: $(tail -n 1 "$dir/halts")"

await 60 "HAProxy has the route of the rollback" bash -c "! grep -q 'use_backend app-canary if { var(txn.dice) -m int lt [0-9]* }' '$dir/haproxy.cfg' || grep -q 'use_backend app-primary if { var(txn.dice) -m int lt 100 }' '$dir/haproxy.cfg'"
push app app:3
phase_of 400 app Succeeded
want "the primary's image" app:3 image app-primary
want "the route" "100 0" get httproute app '{.spec.rules[0].backendRefs[*].weight}'
ok "a good version passes under the same load"
kill -INT "$wrk"
wait "$wrk"
ok "what the users saw: $(grep -E 'requests in|Non-2xx' "$dir/users.log" | tr -s ' \n' ' ')"
