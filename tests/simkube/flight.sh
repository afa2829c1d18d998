#!/usr/bin/env bash
# The flight recorder of the real program: `coalmine operator --record` on `coalmine cluster`, killed with -9 while it
# writes, started again, stopped; the record is whole after each, and `coalmine replay` decides it the same.
set -u
build=${BUILD:-build}
coalmine=$build/coalmine
dir=$(mktemp -d)
cluster= operator=
trap '[ -z "$operator" ] || kill "$operator" 2>/dev/null; [ -z "$cluster" ] || kill "$cluster" 2>/dev/null; wait; rm -rf "$dir"' EXIT
failed=0
fail() { echo "FAILED - $*"; failed=1; }
ok() { echo "ok - $*"; }
# until COMMAND...: it succeeds within a minute
until_true() { for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }

{
    for n in 1 2 3 4 5 6 7 8; do
        cat <<Y
apiVersion: apps/v1
kind: Deployment
metadata: {name: web$n, namespace: default}
spec:
  selector: {matchLabels: {app: web$n}}
  template:
    metadata: {labels: {app: web$n}}
    spec: {containers: [{name: c, image: "x:1"}]}
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web$n, namespace: default}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web$n}
  service: {port: 80}
  analysis: {interval: 10s, threshold: 2, iterations: 2}
---
Y
    done
} >"$dir/all.yaml"
"$coalmine" cluster --port 0 --apply crds/canary.yaml --apply crds/metrictemplate.yaml --apply crds/alertprovider.yaml \
    --apply "$dir/all.yaml" --write-kubeconfig "$dir/kubeconfig" >"$dir/url" 2>"$dir/err" &
cluster=$!
until_true test -s "$dir/url" || { cat "$dir/err"; exit 1; }

start() {
    "$coalmine" operator --kubeconfig "$dir/kubeconfig" --mesh-provider kubernetes --port 0 --record "$dir/flight.db" "$@" \
        2>>"$dir/log" &
    operator=$!
}
more_than() { [ "$("$coalmine" replay "$dir/flight.db" --output json 2>/dev/null | grep -c '"tick"')" -gt "$1" ]; }

start
until_true more_than 3 || { fail "nothing is recorded"; tail -n 5 "$dir/log"; }
ok "the record can be replayed while the operator writes"
kill -9 "$operator"; wait "$operator" 2>/dev/null
"$coalmine" replay "$dir/flight.db" >"$dir/out" 2>&1 && grep -q 'bit for bit the same' "$dir/out" &&
    ok "after kill -9 the record is whole" || { fail "after kill -9"; tail -n 3 "$dir/out"; }

start --record-size 8
until_true grep -q "Initialization done! web8" "$dir/log" || { fail "web8 is not initialised"; tail -n 5 "$dir/log"; }
kill "$operator"; wait "$operator" || fail "an orderly stop exits $?"
operator=
[ ! -e "$dir/flight.db-wal" ] && ok "an orderly stop leaves one file" || fail "a log is left beside the file"
"$coalmine" replay "$dir/flight.db" default/web8 >"$dir/out" && grep -q "Initialization done! web8.default" "$dir/out" &&
    ok "one Canary is replayed" || { fail "web8"; tail -n 3 "$dir/out"; }
grep -q web7 "$dir/out" && fail "another Canary is replayed too"

# A record elsewhere, or none at all, is said before anything is done
"$coalmine" operator --kubeconfig "$dir/kubeconfig" --port 0 --record "$dir/none/flight.db" 2>"$dir/err"
[ $? -eq 4 ] && grep -q 'coalmine operator: --record: .*none/flight.db: unable to open' "$dir/err" &&
    ok "a place that cannot be written is refused" || { fail "no directory"; cat "$dir/err"; }
for case in "$dir/none:3" "$dir/flight.db x:2" "$dir/flight.db default/nobody:3" "$dir/flight.db --since now:2" \
    "$dir/flight.db --set threshold:2" "$dir/flight.db --set analysis.treshold=1:3" "$dir/all.yaml:3"; do
    # shellcheck disable=SC2086
    "$coalmine" replay ${case%:*} >"$dir/out" 2>"$dir/err"
    rc=$?
    [ $rc -eq "${case##*:}" ] && [ -s "$dir/err" ] || { fail "replay ${case%:*} exits $rc"; cat "$dir/err"; }
done
ok "wrong usage and unreadable input have their own exit codes"
exit $failed
