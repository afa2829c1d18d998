#!/usr/bin/env bash
# The chart with a real helm: it lints, every set of values renders to what the API server takes, and a release is installed, upgraded and
# removed.
. "$(dirname "$0")/../drive.sh"
chart=$root/charts/coalmine
h() { helm --kubeconfig "$config" -n "$ns" "$@"; }
all=istio,gatewayapi,appmesh,smi,contour,gloo,nginx,skipper,traefik,kuma,apisix,knative
helm lint --strict "$chart" >"$dir/lint" 2>&1 || fail "helm lint: $(cat "$dir/lint")"
ok "helm lint"
sets=0
while read -r values; do
    # shellcheck disable=SC2086
    h template coalmine "$chart" $values >"$dir/rendered.yaml" 2>"$dir/helm.err" || fail "helm template $values: $(cat "$dir/helm.err")"
    kn apply --dry-run=server --validate=strict -f "$dir/rendered.yaml" >/dev/null 2>"$dir/apply.err" || fail "helm template $values: $(cat "$dir/apply.err")"
    sets=$((sets + 1))
done <<VALUES

--set providers={$all} --set keda=true --set leaderElection=true --set replicas=2 --set clusterName=blue --set envSecret=chat
--set providers={} --set configTracking=false --set namespace=$ns --set extraArgs[0]=-ticks=8
$(tr , '\n' <<<"$all" | sed 's/.*/--set providers={&}/')
VALUES
ok "$sets sets of values render to what the API server takes"
h install coalmine "$chart" --set providers={istio} >/dev/null || fail "helm install"
await 120 "the operator's pod is ready" is 1 get deployment coalmine '{.status.readyReplicas}'
h upgrade coalmine "$chart" --set providers={istio} --set leaderElection=true --set replicas=2 >/dev/null || fail "helm upgrade"
await 120 "two pods are ready" is 2 get deployment coalmine '{.status.readyReplicas}'
want "the role for the lease" "get create update" get role coalmine-leader '{.rules[0].verbs[*]}'
h uninstall coalmine >/dev/null || fail "helm uninstall"
kn get deployment,role,serviceaccount coalmine -o name 2>/dev/null | grep . && fail "something is left"
ok "installed, upgraded and removed"
