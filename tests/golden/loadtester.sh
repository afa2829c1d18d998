#!/usr/bin/env bash
# The load tester over real HTTP: gates, rollback switches, tasks, refusals.
set -u
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
pid= short=
trap 'kill $pid $short 2>/dev/null; rm -rf "$dir"' EXIT
# start NAME TIMEOUT: its output goes to $dir/NAME.out and .log
start() {
    "${BUILD:-build}"/coalmine loadtester --port 0 --address 127.0.0.1 --timeout "$2" \
        --namespace-regexp '^(test|prod)' >"$dir/$1.out" 2>"$dir/$1.log" &
}
# listening NAME: its port
listening() {
    for _ in $(seq 200); do
        sed -n 's/^listening on port //p' "$dir/$1.out" | grep . && return
        sleep 0.05
    done
    cat "$dir/$1.log" >&2
    exit 1
}
start long 1m
pid=$!
start short 200ms
short=$!
port=$(listening long) || exit 1
failed=0
# expect NAME STATUS BODY PATH [PAYLOAD]
expect() {
    got=$(curl -s --noproxy '*' -w '|%{http_code}' "http://127.0.0.1:$port$4" ${5+-d "$5"})
    if [ "$got" != "$3|$2" ]; then
        echo "$1: expected '$3|$2', got '$got'"
        failed=1
    fi
}
who='{"name":"podinfo","namespace":"test"}'
task() { printf '{"name":"podinfo","namespace":"test","metadata":%s}' "$1"; }

expect 'healthy' 200 OK /healthz
expect 'approve always passes' 200 OK /gate/approve
expect 'halt never passes' 403 Forbidden /gate/halt
expect 'a gate starts closed' 403 Forbidden /gate/check "$who"
expect 'a gate opens' 202 '' /gate/open "$who"
expect 'an open gate passes' 200 Approved /gate/check "$who"
expect 'a rollback switch is not the gate' 403 Forbidden /rollback/check "$who"
expect 'a canary named rollback.x is not the switch of x' 202 '' /gate/open '{"name":"rollback.podinfo","namespace":"test"}'
expect 'the switch is still closed' 403 Forbidden /rollback/check "$who"
expect 'a switch opens' 202 '' /rollback/open "$who"
expect 'an open switch rolls back' 200 Approved /rollback/check "$who"
expect 'keys match without case' 200 Approved /gate/check '{"Name":"podinfo","NAMESPACE":"test"}'
expect 'a gate closes' 202 '' /gate/close "$who"
expect 'a closed gate does not pass' 403 Forbidden /gate/check "$who"
expect 'another namespace is refused' 403 Forbidden /gate/open '{"name":"podinfo","namespace":"other"}'
expect 'no JSON' 400 '' /gate/check 'open sesame'
expect 'an empty body' 400 '' /gate/check ''
expect 'no metadata' 400 'metadata not found in payload' / "$who"
expect 'no command' 400 'cmd not found in metadata' / "$(task '{"type":"cmd"}')"
expect 'an unknown task' 400 'unknown task type nope' / "$(task '{"type":"nope"}')"
expect 'a failing test' 500 'command false failed: : exit status 1' / "$(task '{"type":"bash","cmd":"false"}')"
expect 'output is returned when asked for' 200 'some output' / \
    "$(task '{"type":"bash","cmd":"printf \"some output\"","returnCmdOutput":"true"}')"
expect 'output is not returned otherwise' 200 '' / "$(task '{"type":"bash","cmd":"echo x"}')"
expect 'output of a failure is told' 500 'command echo a; echo b >&2; exit 3 failed: a
b
: exit status 3' / "$(task '{"type":"bash","cmd":"echo a; echo b >&2; exit 3"}')"
run="$(task "{\"cmd\":\"echo run >>$dir/runs; until [ -e $dir/go ]; do sleep 0.05; done\"}")"
expect 'a task runs in the background' 202 '' / "$run"
expect 'the same task is accepted again' 202 '' / "$run"
expect 'and again' 202 '' / "$run"
touch "$dir/go"
for _ in $(seq 100); do
    grep -q 'command finished' "$dir/long.log" && [ -s "$dir/runs" ] && break
    sleep 0.05
done
if [ "$(grep -c run "$dir/runs")" != 1 ] || [ "$(grep -c 'is already running' "$dir/long.log")" != 2 ]; then
    echo 'the same task did not run once'
    failed=1
fi
port=$(listening short) || exit 1
expect 'time is up for the whole group' 500 'command sleep 60 | sleep 60 failed: : signal: killed' / \
    "$(task '{"type":"bash","cmd":"sleep 60 | sleep 60"}')"
kill -TERM $pid
wait $pid || { echo "exit status $? after SIGTERM"; failed=1; }
[ $failed -eq 0 ] || tail -n 20 "$dir/long.log"
exit $failed
