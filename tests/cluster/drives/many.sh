#!/usr/bin/env bash
# Many canaries at once: all are installed and then released at the same moment by one operator.
#   COUNT=200
. "$(dirname "$0")/../drive.sh"
count=${COUNT:-200}
rights many --set 'providers={}'
# each first tick makes three Services, whose addresses the API server gives out one by one
operator operator -ticks=16
reached() { # PHASE: by all
    [ "$(kn get canaries -o jsonpath='{range .items[*]}{.status.phase}{"\n"}{end}' | grep -c "^$1\$")" = "$count" ]
}
for i in $(seq "$count"); do
    deployment app-$i app:1 | sed "s/replicas: 2/replicas: 1/; s/{name: app-$i}/{name: app-$i, labels: {role: target}}/"
    canary app-$i kubernetes "iterations: 1"
done | kn apply --server-side -f - >/dev/null || fail "a manifest was refused"
await 600 "all are installed" reached Initialized
ok "$count canaries are installed at once"
kn set image deployment -l role=target app=app:2 >/dev/null || fail "no new image"
await 600 "all are released" reached Succeeded
want "the images of the primaries" "$count" bash -c "kubectl --kubeconfig '$config' -n $ns get deployments -o jsonpath='{range .items[*]}{.metadata.name} {.spec.template.spec.containers[0].image}{\"\\n\"}{end}' | grep -c 'primary app:2\$'"
ok "$count canaries are released at once"
