#!/usr/bin/env bash
# revertOnDeletion: after the Canary is gone the target serves as before it came, and everything made for it is collected. Without it,
# the garbage collector alone works.
. "$(dirname "$0")/../drive.sh"
rights deletion --set 'providers={istio}'
operator operator

service() { # NAME: one that was there before
    echo "---"
    echo "{apiVersion: v1, kind: Service, metadata: {name: $1}, spec: {selector: {app: $1}, ports: [{name: http, port: 80, targetPort: 9898}]}}"
}
{
    for name in mesh plain gone; do deployment $name app:1; done
    service plain
    canary mesh istio "stepWeight: 50, maxWeight: 50" "revertOnDeletion: true"
    canary plain kubernetes "iterations: 1" "revertOnDeletion: true"
    canary gone kubernetes "iterations: 1"
} | apply
for name in mesh plain gone; do phase_of 300 $name Initialized; done
want "the Service that was there" plain-primary get service plain '{.spec.selector.app}'
for name in mesh plain; do want "the finalizer" finalizer.flagger.app get canary $name '{.metadata.finalizers[0]}'; done
want "no finalizer without revertOnDeletion" "" get canary gone '{.metadata.finalizers[0]}'
ok "installed, with finalizers where a revert was asked for"

# one of them in the middle of a release
push mesh app:2
await 300 "half of the traffic goes to the new version" is "50 50" get virtualservices.networking.istio.io mesh '{.spec.http[0].route[*].weight}'
kn delete canaries --all --wait=false >/dev/null
nothing() { ! kn get "$@" 2>/dev/null | grep -q .; }
await 300 "the Canaries go" nothing canaries -o name
want "pods of the target" 2 get deployment mesh '{.spec.replicas}'
want "pods of the target" 2 get deployment plain '{.spec.replicas}'
want "the Service that was there selects the target" plain get service plain '{.spec.selector.app}'
ok "the targets serve again"
want "pods of a target that nobody reverts" 0 get deployment gone '{.spec.replicas}'
await 300 "primaries, Services and routes are collected" nothing deployment/mesh-primary deployment/plain-primary deployment/gone-primary \
    service/mesh-primary service/plain-canary service/gone virtualservices.networking.istio.io/mesh destinationrule/mesh-primary -o name
kn get deployment mesh plain gone >/dev/null || fail "a target was deleted"
kn get service plain >/dev/null || fail "the Service that was there before was deleted"
ok "what was made for them is collected"
