#!/usr/bin/env bash
# A real API server and `coalmine check` agree about crds/: it takes the CRDs and every manifest of
# tests/golden/check/features.yaml under strict validation, and refuses what the check calls a schema error.
#   check_agrees.sh KUBECONFIG
set -u
export KUBECONFIG=$1
command -v kubectl >/dev/null || { echo "no kubectl"; exit 77; }
program=${BUILD:-build}/coalmine
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

kubectl apply --validate=strict -f crds/ >/dev/null || fail "the CRDs are refused"
kubectl wait --for=condition=Established crd/canaries.flagger.app crd/metrictemplates.flagger.app \
    crd/alertproviders.flagger.app --timeout=30s >/dev/null || fail "the CRDs are not established"
kubectl create namespace test >/dev/null 2>&1
for _ in $(seq 50); do kubectl get canaries >/dev/null 2>&1 && break; sleep 0.2; done
kubectl apply --dry-run=server --validate=strict -f tests/golden/check/features.yaml >/dev/null || fail "features.yaml is refused"

# each line: a sed script that breaks docs/checks/base.yaml
while IFS= read -r change; do
    sed "$change" docs/checks/base.yaml >"$work/bad.yaml"
    cmp -s "$work/bad.yaml" docs/checks/base.yaml && fail "nothing changed by: $change"
    kubectl apply --dry-run=server --validate=strict -f "$work/bad.yaml" >/dev/null 2>&1 && fail "the API server takes: $change"
    "$program" check -o json "$work/bad.yaml" 2>/dev/null | grep -q '"group": "schema"' || fail "the check takes: $change"
done <<'END'
s/stepWeight: 10/stepWieght: 10/
s/threshold: 5/threshold: 2.5/
s/threshold: 5/threshold: "5"/
s/port: 9898/port: 98980/
s/port: 9898/port: 0/
s/provider: istio/provider: istoi/
s/kind: Deployment/kind: StatefulSet/
/maxWeight/s/.*/    iterations: 5/
/stepWeight/d
/interval: 1m$/s/1m/10minutes/
/    threshold: 5/d
s/    port: 9898/    hosts: [a]/
s/      - name: request-success-rate/      - title: x/
s/name: podinfo$/name: Pod_Info/
s/    port: 9898/&\n    mirror: [{backendRef: {group: "", kind: Service, name: x}}]/
s/    port: 9898/&\n    match: [{uri: {exact: a, prefix: b}}]/
s/    port: 9898/&\n    gatewayRefs: [{name: g, namespace: "Not Valid"}]/
END
[ $failed = 0 ] && echo "crds/: the API server and the check agree"
exit $failed
