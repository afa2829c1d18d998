#!/usr/bin/env bash
# coalmine check on the command line: inputs, exit status, outputs, and a cluster.
set -u
program=$(realpath "${BUILD:-build}")/coalmine
here=$PWD/tests/golden/check
base=$PWD/docs/checks/base.yaml
crds=$PWD/crds
work=$(mktemp -d)
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
# expect STATUS ARGUMENT...: the status, and the output kept in out and err
expect() {
    local want=$1; shift
    "$program" check --color never "$@" >out 2>err </dev/null; local rc=$?
    [ $rc = "$want" ] || { echo "FAILED: check $*: exit $rc, not $want"; cat out err; failed=1; }
}
has() { grep -qF -- "$1" "${2:-out}" || { echo "FAILED: no '$1' in:"; cat "${2:-out}"; failed=1; }; }

mkdir -p deploy/sub deploy/.hidden chart/templates
cp "$base" deploy/good.yaml
sed 's/stepWeight: 10/stepWeight: 110/; s/podinfo/bad/' "$base" >deploy/sub/bad.yml
echo 'not: [yaml' >deploy/.hidden/x.yaml
touch chart/Chart.yaml
echo '{{ broken' >chart/templates/x.yaml
echo 'a: 1' >chart/values.yaml

# every feature of the API, and nothing wrong with the schema
expect 0 "$here/features.yaml"
has '0 errors, 2 warnings'
expect 1 --fail-on warning "$here/features.yaml"
# inputs
expect 0 deploy/good.yaml
has 'no findings in 1 document (1 Canary)'
expect 1 deploy
has 'deploy/sub/bad.yml:19:17: error: .spec.analysis.stepWeight: 110 is more than 100 [CM101]'
has '2 documents (2 Canary)'
expect 1 'deploy/**/*.yml'
expect 0 --exclude '*.yml' deploy
expect 0 --exclude 'deploy/sub/**' deploy
"$program" check --color never - <deploy/sub/bad.yml >out; [ $? = 1 ] || { echo "FAILED: stdin"; failed=1; }
has '-:19:17: error'
expect 0 chart
has 'chart/templates left out' err
# what cannot be read
expect 3 missing.yaml
has 'missing.yaml: No such file or directory' err
expect 3 'none/*.yaml'
expect 2 --rps nine deploy
has "try 'coalmine check --help'" err
expect 2 --explain CM999
expect 0 --explain CM204
has '# CM204: one burst of errors is enough to roll back'
expect 0 --list
[ "$(wc -l <out)" = "$(ls "$OLDPWD"/docs/checks/CM*.md | wc -l)" ] || { echo "FAILED: --list and pages differ"; failed=1; }
# configuration and baseline
printf 'ignore:\n  - id: CM101\n    paths: [deploy/sub/*]\n    reason: legacy\n' >.coalmine.yaml
expect 0 deploy
has '1 suppressed'
expect 1 --no-config deploy
rm .coalmine.yaml
"$program" check -o json deploy >known.json 2>/dev/null
expect 0 --baseline known.json deploy
has '1 known from the baseline'
echo '[]' >wrong.json
expect 3 --baseline wrong.json deploy
# the other outputs are what they claim to be
expect 1 -o json deploy
jq -e '.findings[0] | .file and .line and .col and .severity and .id and .group and .path and .message and .hint' out >/dev/null || { echo "FAILED: json"; failed=1; }
expect 1 -o sarif deploy
jq -e '.runs[0].results[0].locations[0].physicalLocation.region.startColumn == 17' out >/dev/null || { echo "FAILED: sarif"; failed=1; }
"$program" schema canary | jq -e '.properties.spec.properties.analysis.properties.stepWeight.description' >/dev/null || { echo "FAILED: schema"; failed=1; }

# a cluster
cat >objects.yaml <<'END'
apiVersion: v1
kind: Namespace
metadata: {name: test}
---
END
sed 's/name: request-success-rate/name: latency\n        templateRef: {name: missing}/' "$base" >>objects.yaml
"$program" cluster --port 0 --write-kubeconfig kube.yaml --apply "$crds/canary.yaml" --apply "$crds/metrictemplate.yaml" \
    --apply "$crds/alertprovider.yaml" --apply objects.yaml >url 2>server.err &
server=$!
for _ in $(seq 100); do [ -s kube.yaml ] && [ -s url ] && break; sleep 0.1; done
expect 1 --kubeconfig kube.yaml
has 'test/canaries/podinfo:'
has 'MetricTemplate test/missing is not in the cluster [CM703]'
expect 0 --kubeconfig kube.yaml --namespace other
kill "$server"; wait "$server" 2>/dev/null; server=
expect 4 --kubeconfig kube.yaml
has 'connection refused' err
[ $failed = 0 ] && echo "coalmine check: inputs, outputs, exit status and a cluster"
exit $failed
