#!/usr/bin/env bash
# The chart with a real helm: it lints, renders with every set of values, gives each provider rights for its own objects and no others, and
# the (simulated) API server takes what it renders. Where helm is not to be had (tests/cluster/tools) the test is skipped.
set -u
build=${BUILD:-build}
tools=$(tests/cluster/tools) || { echo "$tools"; exit 77; }
PATH=$tools:$PATH
command -v helm >/dev/null || { echo "no helm: npm is missing"; exit 77; }
chart=charts/coalmine
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
failed=0
fail() { echo "FAILED - $*"; failed=1; }
"$build/coalmine" cluster --port 0 --write-kubeconfig "$dir/kubeconfig" >"$dir/url" 2>"$dir/err" &
pid=$!
for _ in $(seq 200); do [ -s "$dir/url" ] && break; sleep 0.05; done

helm lint --strict $chart >"$dir/lint" 2>&1 || fail "helm lint: $(cat "$dir/lint")"
# render VALUES...: to $dir/all.yaml, and to the API server
render() {
    helm template coalmine $chart "$@" >"$dir/all.yaml" 2>"$dir/err" || fail "helm template $*: $(cat "$dir/err")"
    kubectl --kubeconfig "$dir/kubeconfig" --cache-dir "$dir/cache" apply --dry-run=server -f "$dir/all.yaml" >"$dir/applied" 2>&1 ||
        fail "helm template $*: $(cat "$dir/applied")"
}
# groups VALUES...: the API groups of the role that the chart has without any provider
groups() {
    helm template coalmine $chart -s templates/rbac.yaml "$@" | sed -n 's/^- apiGroups: \[\(.*\)\]$/\1/p' | sort -u | tr '\n' ' '
}
none=$(groups --set 'providers={}')
[ "$none" = '"" apps autoscaling flagger.app ' ] || fail "without a provider: $none"
count=0
while read -r provider own; do
    render --set "providers={$provider}"
    got=$(comm -13 <(tr ' ' '\n' <<<"$none" | sort) <(groups --set "providers={$provider}" | tr ' ' '\n' | sort) | tr '\n' ' ')
    [ "$got" = "$own " ] || fail "$provider: rights for '$got', wanted '$own '"
    count=$((count + 1))
done <<END
istio networking.istio.io
gatewayapi gateway.networking.k8s.io
appmesh appmesh.k8s.aws
smi split.smi-spec.io
contour projectcontour.io
gloo gateway.solo.io gloo.solo.io
nginx networking.k8s.io
skipper networking.k8s.io
traefik traefik.io
kuma kuma.io
apisix apisix.apache.org
knative serving.knative.dev
END
render
render --set 'providers={istio,gatewayapi,appmesh,smi,contour,gloo,nginx,skipper,traefik,kuma,apisix,knative}' --set keda=true \
    --set leaderElection=true --set replicas=2 --set clusterName=blue --set envSecret=chat
render --set configTracking=false --set namespace=shop --set 'extraArgs={-ticks=8}'
# Deleting is a right for the admission plugin alone, over the kinds whose copies change their owners.
deletes() { helm template coalmine $chart -s templates/rbac.yaml "$@" | grep -B1 'verbs:.*delete' | sed -n 's/^  resources: //p' | tr '\n' ' '; }
[ -z "$(deletes)" ] || fail "by default the operator may delete: $(deletes)"
[ "$(deletes --set ownerReferencesEnforced=true)" = '[configmaps, secrets] ' ] ||
    fail "ownerReferencesEnforced: it may delete $(deletes --set ownerReferencesEnforced=true)"
helm template coalmine $chart -s templates/rbac.yaml | grep -A1 'resources: \[canaries/finalizers\]' | grep -q 'update' ||
    fail "objects that block the deletion of their Canary could not be made under the plugin"
helm template coalmine $chart --set namespace=shop --set leaderElection=true -n op | awk '/^kind: Role$/ { r = 1 } r && /namespace:/ { print $2; exit }' |
    grep -qx op || fail "the role for the lease is not where the operator looks for its lease"
[ $failed = 0 ] && echo "the chart renders; $count providers have rights of their own"
exit $failed
