#!/usr/bin/env bash
# coalmine report draws whole pictures of the three kinds, or none.
set -u
coalmine=$(readlink -f "${BUILD:-build}/coalmine")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "$*"; failed=1; }
"$coalmine" simulate scenarios/demo/good.yaml scenarios/demo/bad.yaml --db "$work/run.db" >/dev/null || fail "simulate: exit $?"
cd "$work" || exit 1
for kind in png svg pdf; do
    "$coalmine" report run.db --run bad -o "bad.$kind" >out 2>&1 || { fail "$kind: exit $?"; cat out; }
    [ -s out ] && { fail "$kind: gnuplot said:"; cat out; }
done
[ "$(head -c 8 bad.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] || fail "bad.png is no PNG"
grep -q 'rolled back after 9m0s' bad.svg || fail "bad.svg does not say how it ended"
grep -q 'request-success-rate' bad.svg || fail "bad.svg does not name the metric"
[ "$(head -c 5 bad.pdf)" = %PDF- ] || fail "bad.pdf is no PDF"
"$coalmine" report run.db -o first.svg 2>err || fail "first run: exit $?"
grep -q 'this is good: test/podinfo' err || fail "which one it drew: $(cat err)"
"$coalmine" report run.db --run 2 -o x.svg --keep kept || fail "--keep: exit $?"
[ -s kept/picture.gp ] && [ -s kept/traffic.dat ] || fail "--keep left nothing"
# runs without a rollout, without a check, without a value: gnuplot has nothing to draw in some panel
cat >idle.yaml <<'Y'
canary: {provider: istio, analysis: {interval: 1m, threshold: 1, stepWeight: 50, maxWeight: 50}}
Y
cat >silent.yaml <<'Y'
canary:
  provider: istio
  analysis:
    {interval: 1m, threshold: 1, stepWeight: 50, maxWeight: 50,
     metrics: [{name: request-success-rate, thresholdRange: {min: 99}}]}
timeline: [{at: 0s, deploy: v2}]
metrics: {request-success-rate: none}
Y
for name in idle silent; do
    "$coalmine" simulate $name.yaml --db $name.db >/dev/null || fail "$name: exit $?"
    "$coalmine" report $name.db -o $name.png >out 2>&1 || { fail "report of $name: exit $?"; cat out; }
    [ -s out ] && { fail "report of $name:"; cat out; }
done
expect() { # EXIT TEXT WORDS...
    want=$1 text=$2
    shift 2
    got=$("$coalmine" report "$@" 2>&1)
    rc=$?
    [ $rc -eq "$want" ] && [[ $got == *"$text"* ]] || fail "report $*: exit $rc, said: $got"
}
expect 2 'is missing' run.db
expect 2 'must end in .png, .svg, .pdf or .html' run.db -o run.gif
expect 3 'No such file' nosuch.db -o run.png
expect 3 'not a Coalmine database' bad.png -o run.png
expect 3 'no such run' run.db --run nosuch -o run.png
expect 4 'No such file' run.db --run bad -o nosuch/run.png
PATH=/nonexistent expect 4 'gnuplot is not installed' run.db --run bad -o run.png
[ ! -e run.png ] || fail "a picture was left behind"
ls | grep -q tmp && fail "left behind: $(ls)"
exit $failed
