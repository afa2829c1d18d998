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

"$coalmine" diff docs/whatif/gloo.yaml docs/whatif/nginx.yaml --runs 2000 >"$work/diff.md" || fail "diff: exit $?"
grep -q '^| 20 | 5 % | bad | 100.0 % | 0.0 % | 1m10s → \*\*2m00s\*\* |' "$work/diff.md" || fail "diff: $(cat "$work/diff.md")"
"$coalmine" diff docs/whatif/gloo.yaml docs/whatif/gloo.yaml --runs 500 | grep -q '→ \*\*' && fail 'diff of one with itself'

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
