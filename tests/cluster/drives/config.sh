#!/usr/bin/env bash
# A ConfigMap and a Secret that the pods read belong to the version: a change of either is a release, and the primary reads copies that
# follow only at the promotion.
. "$(dirname "$0")/../drive.sh"
rights config --set 'providers={}'
operator operator

maps() { # COLOUR PASSWORD
    cat <<M
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: $1}}
---
{apiVersion: v1, kind: Secret, metadata: {name: password}, stringData: {word: $2}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: free, annotations: {flagger.app/config-tracking: disabled}}, data: {colour: $1}}
M
}
{
    maps red one
    deployment shop app:1 "envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: password}}, {configMapRef: {name: free}}]"
    canary shop kubernetes "iterations: 1"
} | apply
phase_of 300 shop Initialized
want "the maps that the primary reads" "settings-primary free" get deployment shop-primary \
    '{.spec.template.spec.containers[0].envFrom[*].configMapRef.name}'
want "the Secret that the primary reads" password-primary get deployment shop-primary \
    '{.spec.template.spec.containers[0].envFrom[*].secretRef.name}'
ok "the primary reads copies, but of what is not tracked"

# changed NAME KIND JSONPATH VALUE: a release of the change of this object, which the primary gets only at its end
changed() {
    phase_of 300 shop Progressing
    phase_of 300 shop Succeeded
    want "the primary's $1" "$4" get "$2" "$1-primary" "$3"
}
want "the copy" red get configmap settings-primary '{.data.colour}'
maps blue one | apply
changed settings configmap '{.data.colour}' blue
ok "a changed ConfigMap is a release"
want "the copied Secret" b25l get secret password-primary '{.data.word}'
maps blue two | apply
changed password secret '{.data.word}' dHdv
ok "a changed Secret is a release"
kn patch configmap free --type merge -p '{"data":{"colour":"grey"}}' >/dev/null
deployment shop app:2 "envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: password}}, {configMapRef: {name: free}}]" | apply
changed settings configmap '{.data.colour}' blue
want "the primary's image" app:2 image shop-primary
kn get configmap free-primary >/dev/null 2>&1 && fail "an untracked map was copied"
ok "an untracked map is neither copied nor a release"
