# HAProxy's configuration out of the HTTPRoute and the EndpointSlices of a namespace, as they stand in the API:
#   kubectl get httproutes,endpointslices -o json | jq -r --arg users ADDRESS --arg proxy ADDRESS -f haproxy.jq
# Users come in at $users, HAProxy's own metrics are at $proxy/metrics. One rule, backends by weight; no weight is 1, as in Gateway API.
(.items | map(select(.kind == "EndpointSlice"))) as $slices
| [.items[] | select(.kind == "HTTPRoute") | .spec.rules[0].backendRefs[] | {name, weight: (.weight // 1)}] as $backends
| ($backends | map(.weight) | add // 0) as $all
| def servers($name): [$slices[] | select(.metadata.labels["kubernetes.io/service-name"] == $name) | .ports[0].port as $port
    | (.endpoints // [])[] | select(.conditions.ready) | "    server \(.addresses[0]) \(.addresses[0]):\($port)"] | sort[];
"defaults",
"    mode http",
"    timeout connect 10s",
"    timeout client 60s",
"    timeout server 60s",
"frontend users",
"    bind \($users)",
(if $all > 0 then
  "    http-request set-var(txn.dice) rand(\($all))",
  (foreach $backends[] as $b (0; . + $b.weight; "    use_backend \($b.name) if { var(txn.dice) -m int lt \(.) }"))
else "    http-request return status 503" end),
"frontend metrics",
"    bind \($proxy)",
"    http-request use-service prometheus-exporter if { path /metrics }",
($backends[] | "backend \(.name)", servers(.name))
