#!/usr/bin/env bash
# coalmine mutate, tune and diff: verdicts, exit codes, and evidence that holds when it is checked.
set -u
coalmine=${BUILD:-build}/coalmine
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "$*"; failed=1; }
expect() { # EXIT TEXT WORDS...
    want=$1 text=$2
    shift 2
    got=$("$coalmine" "$@" 2>&1)
    rc=$?
    if [ $rc -ne "$want" ] || [[ $got != *"$text"* ]]; then fail "$*: exit $rc, said: $got"; fi
}
two=tests/golden/whatif/two-metrics.yaml

# a policy without a latency check promotes the slow release; with one it does not
expect 1 'PROMOTED must slow-10x' mutate docs/whatif/istio.yaml --runs 1000
expect 0 '6 of 6 that must be' mutate "$two" --runs 1000
"$coalmine" mutate "$two" --runs 1000 --output json |
    jq -e '(.faults | length) == 12 and (.faults[0] | .fault == "all-errors" and .caught and .promote.p == 0)' >/dev/null ||
    fail 'mutate: JSON'
# a policy that checks nothing promotes everything that is not a matter of traffic
sed '/metrics:/,$d' docs/whatif/istio.yaml >"$work/blind.yaml"
expect 1 'PROMOTED must all-errors' mutate "$work/blind.yaml" --runs 100
expect 0 'PROMOTED      slow-10x' mutate docs/whatif/istio.yaml --runs 500 --must all-errors
expect 2 'did you mean all-errors' mutate docs/whatif/istio.yaml --must all-error

# what tune recommends holds when it is swept with another seed
"$coalmine" tune docs/whatif/gloo.yaml --rps 5 --runs 2000 >"$work/tuned" || fail "tune: exit $?"
sed -n '/^spec:/,$p' "$work/tuned" >"$work/patch.yaml"
interval=$(sed -n 's/^    interval: //p' "$work/patch.yaml") threshold=$(sed -n 's/^    threshold: //p' "$work/patch.yaml")
step=$(sed -n 's/^    stepWeight: //p' "$work/patch.yaml") window=$(sed -n 's/^    - interval: //p' "$work/patch.yaml")
"$coalmine" sweep docs/whatif/gloo.yaml --rps 5 --error-rate 0.001,0.05 --seed 99 --output json --set "analysis.interval=$interval" \
    --set "analysis.threshold=$threshold" --set "analysis.stepWeight=$step" --set "analysis.metrics[0].interval=$window" |
    jq -e '.cells[0].rollback.p < 0.015 and .cells[1].rollback.p > 0.94 and .cells[0].durationSeconds.p90 <= 1800' >/dev/null ||
    fail "tune: the evidence does not hold: $(cat "$work/patch.yaml")"
few=(tune docs/whatif/gloo.yaml --runs 400 --max-false-rollback 2% --set analysis.threshold=2,3 --set analysis.interval=1m)
expect 1 'requests per second one does' "${few[@]}" --rps 0.05
expect 1 'more traffic does not help' "${few[@]}" --rps 30000 --max-duration 1s
expect 2 'ERRORS@CHANCE' "${few[@]}" --catch 5%
# the primary must hold when traffic returns: a smaller maxWeight, not another threshold, is the answer
hold=(tune docs/whatif/istio.yaml --rps 100 --runs 400 --set analysis.maxWeight=20,50 --pods 3..30 --pod-rps 10 --pod-load 1 --scale-down-after 0s)
expect 0 'maxWeight: 20' "${hold[@]}" --min-capacity 80%
expect 0 '# the primary can serve 80% of its load' "${hold[@]}" --min-capacity 80%
expect 1 'more traffic does not help' "${hold[@]}" --min-capacity 95%
expect 2 'needs --pods' tune docs/whatif/istio.yaml --min-capacity 90%

"$coalmine" diff docs/whatif/gloo.yaml docs/whatif/nginx.yaml --runs 2000 >"$work/diff.md" || fail "diff: exit $?"
grep -q '^| 20 | 5 % | bad | 100.0 % | 0.0 % | 1m10s → \*\*2m00s\*\* |' "$work/diff.md" || fail "diff: $(cat "$work/diff.md")"
"$coalmine" diff docs/whatif/gloo.yaml docs/whatif/gloo.yaml --runs 500 | grep -q '→ \*\*' && fail 'diff of one with itself'

# diff over a corpus: what the releases in it come to under either policy
mkdir "$work/corpus"
sed 's/threshold: 5/threshold: 1/; s/interval: 10s/interval: 1m/' docs/whatif/gloo.yaml >"$work/strict.yaml"
sed 's/threshold: 5/threshold: 9/; s/interval: 10s/interval: 1m/' docs/whatif/gloo.yaml >"$work/mild.yaml"
cat >"$work/corpus/blip.yaml" <<'EOF'
title: one bad minute | and no more
canary: {provider: nginx, analysis: {interval: 30s, threshold: 3, stepWeight: 50, maxWeight: 50}}
metrics: {request-success-rate: 100x3 90 100x40}
expect: {phase: Failed, hooks: {nobody: 1}}
EOF
cat >"$work/corpus/slow.yaml" <<'EOF'
title: users fail in a tenth of the canary's requests
canary: {analysis: {interval: 30s, threshold: 3, stepWeight: 50, maxWeight: 50}}
model: {requests: 100, load: 50, versions: {v2: {errors: 10%}}}
EOF
cat >"$work/corpus/two.yaml" <<'EOF'
manifests:
  - {apiVersion: flagger.app/v1beta1, kind: Canary, metadata: {name: web, namespace: test}, spec: &spec {targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, service: {port: 80}, analysis: {interval: 1m, threshold: 2, stepWeight: 50, maxWeight: 50}}}
  - {apiVersion: flagger.app/v1beta1, kind: Canary, metadata: {name: api, namespace: test}, spec: *spec}
EOF
corpus=(diff "$work/strict.yaml" "$work/mild.yaml" --runs 200 --scenarios "$work/corpus")
"$coalmine" "${corpus[@]}" --output json >"$work/corpus.json" || fail "diff --scenarios: exit $?"
jq -e '.corpus | .ends == 1 and .costs == 1 and .same == 0 and .unknown == 1
    and .releases[0].a.phase == "Failed" and .releases[0].b.phase == "Succeeded" and .releases[0].a.badRequests == null
    and (.releases[1] | .a.notPlayed == "none of its Canaries (web, api) is called gloo")' "$work/corpus.json" >/dev/null ||
    fail "diff --scenarios: $(jq -c .corpus "$work/corpus.json")"
# the strict policy turns back after its first step: two minutes at 5 % of 100 requests a second, a tenth fails
jq -e '.corpus.releases[2].a | .highestWeight == 5 and .canaryTrafficSeconds == 6 and .badRequests == 60' "$work/corpus.json" >/dev/null ||
    fail "diff --scenarios: what users see: $(jq -c '.corpus.releases[2]' "$work/corpus.json")"
"$coalmine" "${corpus[@]}" >"$work/corpus.md"
grep -q '^| one bad minute \\| and no more<br>`.*/blip.yaml` | Failed → \*\*Succeeded\*\* |' "$work/corpus.md" || fail "diff --scenarios: $(cat "$work/corpus.md")"
grep -q '^Of 3 releases in the corpus 1 ends differently, 1 ends the same way at another time or cost, 0 play out the same, and 1 cannot' "$work/corpus.md" ||
    fail "diff --scenarios: $(head -4 "$work/corpus.md")"
expect 1 'ends Failed → Succeeded; at ' "${corpus[@]}" --output text --exit-code
expect 0 '1 plays out the same' diff "$work/mild.yaml" "$work/mild.yaml" --runs 50 --scenarios "$work/corpus/blip.yaml" --exit-code
printf 'gibt: es\ncanary: {analysis: {interval: 1m}}\n' >"$work/broken.yaml"
expect 3 'gibt: unknown field' diff "$work/mild.yaml" "$work/mild.yaml" --runs 50 --scenarios "$work/broken.yaml"
expect 3 'no scenarios there' diff "$work/mild.yaml" "$work/mild.yaml" --runs 50 --scenarios docs/pictures
# a scenario played with its own Canary is what simulate plays; judges in annotations come along
for file in scenarios/judges/anytime.yaml scenarios/judges/k-of-n.yaml scenarios/strategies/gate-promotion-bad.yaml; do
    "$coalmine" simulate "$file" --output json | jq '.[0].canaries[0] | [.phase, .checks, .failedCheckCount]' >"$work/own"
    "$coalmine" diff "$file" docs/whatif/gloo.yaml --runs 1 --scenarios "$file" --output json 2>/dev/null |
        jq '.corpus.releases[0].a | [.phase, .checks, .failedChecks]' | cmp -s - "$work/own" || fail "$file: not as simulated: $(cat "$work/own")"
done

# a scenario's autoscaler: the expectation can fail, and needs a load
sed 's/capacity: 50%/capacity: 51%/' scenarios/strategies/capacity-dip.yaml >"$work/dip.yaml"
expect 1 'expect.capacity: the primary could serve 50% of its load at the worst moment, expected at least 51%' test "$work/dip.yaml"
sed '/^model:/,/requests/d' scenarios/strategies/capacity-dip.yaml >"$work/dip.yaml"
expect 3 'there is no `model:` with requests' test "$work/dip.yaml"
# a scenario's latency out of a recorded histogram
expect 0 '1 passed' test tests/golden/whatif/latency.yaml
sed 's/latency.txt/recorded.yaml/' tests/golden/whatif/latency.yaml >tests/golden/whatif/.broken.yaml
expect 3 'recorded.yaml:1:1: error: expected a bound, a comma and a count' test tests/golden/whatif/.broken.yaml
rm -f tests/golden/whatif/.broken.yaml

# a judge that its source of values cannot feed is refused, not ignored
sed 's/^model:/unused:/; /^unused:/,/^timeline:/{/^timeline:/!d}' scenarios/judges/anytime.yaml |
    sed 's/^timeline:/metrics: {request-success-rate: 99.9x40}\ntimeline:/' >"$work/unfed.yaml"
expect 3 "unfed.yaml:22:33: error: the judge of metric request-success-rate wants counts" simulate "$work/unfed.yaml"
sed '/primary: {/d; s/canary: {series: \(.*\)}/series: \1/' scenarios/judges/mann-whitney.yaml >"$work/unfed.yaml"
expect 3 'compares the canary with the primary, whose values this source does not give' simulate "$work/unfed.yaml"
sed 's/interval: 1m$/interval: 20s/' scenarios/judges/anytime.yaml >"$work/overlap.yaml"
expect 3 'alpha no longer bounds the false alarms' simulate "$work/overlap.yaml"
expect 3 'alpha no longer bounds the false alarms' sweep "$work/overlap.yaml"
exit $failed
