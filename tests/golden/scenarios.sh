#!/usr/bin/env bash
# The library of scenarios holds, and coalmine test says no when it should: wrong expectations, mistakes in
# a file, missing golden traces; each with its exit code and its place.
set -u
cd "$(dirname "$0")/../.."
coalmine=${BUILD:-build}/coalmine
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
# expect CODE PATTERN COMMAND...: exit code, and a line of its output
expect() {
    local code=$1 pattern=$2 got
    shift 2
    "$@" >"$work/out" 2>&1
    got=$?
    [ "$got" -eq "$code" ] || { fail "$* exited $got, not $code"; cat "$work/out"; }
    grep -q -- "$pattern" "$work/out" || { fail "$* did not say: $pattern"; cat "$work/out"; }
}

expect 0 ' 0 failed, 0 unreadable' "$coalmine" test scenarios

base='canary: {provider: istio, analysis: {interval: 1m, threshold: 5, maxWeight: 50, stepWeight: 50}}'
printf '%s\nexpect: {phase: Failed, weights: [50, 10, 0], finished: 9m}\n' "$base" >"$work/wrong.yaml"
expect 1 'wrong.yaml:2: expect: phase is Succeeded, expected Failed' "$coalmine" test "$work/wrong.yaml"
expect 1 '  expected  50, 10, 0' "$coalmine" test "$work/wrong.yaml"
expect 1 '  actual    50, \[0\]' "$coalmine" test "$work/wrong.yaml"
expect 1 'finished at 4m00s, expected 9m00s' "$coalmine" test "$work/wrong.yaml"
expect 1 'Advance podinfo.test canary weight 50' "$coalmine" test "$work/wrong.yaml"
expect 1 '^not ok 1 - ' "$coalmine" test -o tap "$work/wrong.yaml"
expect 1 '<failure message="3 expectations were not met">' "$coalmine" test -o junit "$work/wrong.yaml"
expect 1 '"outcome":"failed"' "$coalmine" test -o json "$work/wrong.yaml"

printf '%s\nexpect:\n  never:\n    canaryWeight: {above: 40}\n    event: /Advance/\n' "$base" >"$work/never.yaml"
expect 1 'never.yaml:4: expect.never: at 1m00s, never expected: canary weight was 50' "$coalmine" test "$work/never.yaml"
expect 1 'never expected: Advance podinfo.test canary weight 50' "$coalmine" test "$work/never.yaml"

cat >"$work/mistakes.yaml" <<'END'
canary: {provider: istio, analysis: {interval: 1m, threshold: 5, maxWeight: 50, stepWeigth: 50}}
END
expect 3 'mistakes.yaml:1:.*stepWeigth' "$coalmine" test "$work/mistakes.yaml"
cat >"$work/mistakes.yaml" <<'END'
canary:
  provider: istio
  analysis:
    interval: 1m
    threshold: 5
    maxWeight: 50
    stepWeight: 50
    metrics: [{name: cpu, query: "x", thresholdRange: {max: 1}, interval: 1m}]
tineline: []
world: {replicas: many, startup: 5}
timeline:
  - {at: 5, deploy: v2}
  - {at: 1m, command: promot}
hooks: {gate: 200}
metrics: {request-success-rate: 99x3y}
expect: {phase: Suceeded, weights: 50}
END
for line in 'mistakes.yaml:9:1: error: .tineline: unknown field' 'hint: did you mean timeline?' \
    'mistakes.yaml:10:19: error: .world.replicas: expected a whole number' \
    'mistakes.yaml:10:34: error: .world.startup: expected a duration' \
    'mistakes.yaml:12:10: error: .timeline\[0\].at: expected a duration' \
    'mistakes.yaml:13:23: error: .timeline\[1\].command: unknown command "promot"' \
    'hint: did you mean promote?' 'Canary podinfo has no webhook "gate"' \
    'metric cpu of Canary podinfo has no source of values' \
    'mistakes.yaml:15:33: error: .metrics.request-success-rate: at character 5' \
    'mistakes.yaml:16:17: error: .expect.phase: unknown phase "Suceeded"' 'hint: did you mean Succeeded?' \
    'mistakes.yaml:16:36: error: .expect.weights: expected a list'; do
    expect 3 "$line" "$coalmine" test "$work/mistakes.yaml"
done

# the example of the reference is played, and holds
awk '/^```yaml/ {p = 1; next} /^```/ {if (p) exit} p' docs/reference/scenario.md >"$work/reference.yaml"
expect 0 '3 expectations: 1 passed\|2 expectations: 1 passed' "$coalmine" test "$work/reference.yaml"
expect 0 '1 passed' "$coalmine" test - <"$work/reference.yaml"

printf '%s\ntrace: true\n' "$base" >"$work/golden.yaml"
expect 1 'golden.trace is missing' "$coalmine" test "$work/golden.yaml"
expect 0 '1 passed' "$coalmine" test --update "$work/golden.yaml"
expect 0 '1 passed' "$coalmine" test "$work/golden.yaml"
grep -q 'event Normal Progressing Advance podinfo.test canary weight 50' "$work/golden.trace" || fail 'the trace lacks an event'
sed -i 's/canary weight 50/canary weight 60/' "$work/golden.trace"
expect 1 '    - .*canary weight 60' "$coalmine" test "$work/golden.yaml"
expect 1 '    + .*canary weight 50' "$coalmine" test "$work/golden.yaml"

expect 3 'no scenario to test' "$coalmine" test --run nothing-like-this scenarios
expect 2 "try 'coalmine test --help'" "$coalmine" test --output yaml scenarios
expect 3 'No such file' "$coalmine" simulate "$work/absent.yaml"
expect 0 'Rolling back podinfo.test failed checks threshold reached 2' "$coalmine" simulate scenarios/bad-release.yaml
expect 0 'WaitingPromotion ✓' "$coalmine" simulate scenarios/strategies/gate-promotion.yaml
expect 0 '"phase":"Failed"' "$coalmine" simulate -o json scenarios/bad-release.yaml
"$coalmine" simulate -o json scenarios/*/*.yaml scenarios/bad-release.yaml | jq -e 'length > 60' >/dev/null || fail 'the JSON of all scenarios is no JSON'
expect 0 'played\|Succeeded' "$coalmine" simulate scenarios/manifests/podinfo-istio.yaml
expect 0 '✗ podinfo.test: Failed' "$coalmine" simulate --db "$work/run.db" scenarios/bad-release.yaml
[ "$(sqlite3 "$work/run.db" 'select count(*) from checks')" = 4 ] || fail 'the database does not hold the four checks'

[ "$failures" -eq 0 ] && echo "all passed"
[ "$failures" -eq 0 ]
