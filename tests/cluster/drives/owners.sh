#!/usr/bin/env bash
# The control plane runs the admission plugin OwnerReferencesPermissionEnforcement, as OpenShift does: who changes an owner must be allowed to
# delete what is owned. A Canary that went without its copies and comes again becomes their owner, with the chart's value for that plugin.
. "$(dirname "$0")/../drive.sh"
rights owners --set 'providers={}' --set ownerReferencesEnforced=true
operator operator

owned() { canary shop kubernetes "iterations: 1" | apply; }
cat <<M | apply
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: red}}
---
{apiVersion: v1, kind: Secret, metadata: {name: password}, stringData: {word: one}}
$(deployment shop app:1 "envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: password}}]")
M
owned
phase_of 300 shop Initialized
owner_of() { get "$1" "$2" '{.metadata.ownerReferences[0].uid}'; }
first=$(get canary shop '{.metadata.uid}')
want "the owner of the copy" "$first" owner_of configmap settings-primary
ok "the copies have an owner that their garbage collector waits for"

kn delete canary shop --cascade=orphan >/dev/null
await 300 "the copy stays without an owner" is "" owner_of configmap settings-primary
owned
phase_of 300 shop Initialized
second=$(get canary shop '{.metadata.uid}')
[ "$first" != "$second" ] || fail "it is the same Canary"
push shop app:2
phase_of 300 shop Succeeded
for kind in configmap/settings-primary secret/password-primary; do
    want "the new owner of $kind" "$second" owner_of "${kind%/*}" "${kind#*/}"
done
ok "a Canary that comes again becomes their owner at its first promotion"
