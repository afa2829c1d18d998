#!/usr/bin/env bash
# Two operators, one leader. The lease is handed over in the middle of a release, once by an orderly stop and once from a leader that
# stands still: when that one wakes up it must write no more and end. Each has an identity of its own, so that the audit log tells them apart.
. "$(dirname "$0")/../drive.sh"
start() { # NAME: an operator that stands for election as NAME
    rights "$1" --set 'providers={}' --set leaderElection=true --set namespace="$ns"
    operator "$1" --enable-leader-election --leader-election-namespace "$ns"
}
start one
one=$operator
{
    deployment web app:1
    canary web kubernetes "iterations: 3"
} | apply
phase_of 300 web Initialized
start two
two=$operator
await 60 "the second stands for election" grep -q . "$dir/two.log"
push web app:2
phase_of 300 web Progressing
stop "$one"
want "the exit of an orderly stop" 0 echo $?
phase_of 300 web Succeeded
want "the primary's image" app:2 image web-primary
grep -q '"canary":"web' "$dir/two.log" || fail "the second did nothing"
ok "a leader that stops hands over in the middle of a release"

start three
three=$operator
push web app:3
phase_of 300 web Progressing
kill -STOP "$two"
holder() { get lease "$(kn get lease -o jsonpath='{.items[0].metadata.name}')" '{.spec.holderIdentity}'; }
before=$(holder)
moved() { [ "$(holder)" != "$before" ]; }
await 300 "the lease moves from a leader that stands still" moved
since=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
phase_of 300 web Succeeded
want "the primary's image" app:3 image web-primary
push web app:4
phase_of 300 web Progressing
kill -CONT "$two"
wait "$two"
want "the exit of a leader that lost its lease" 1 echo $?
phase_of 300 web Succeeded
want "the primary's image" app:4 image web-primary
grep "\"username\":\"system:serviceaccount:$ns:two\"" "$(dirname "$config")/audit.jsonl" | jq -r --arg since "$since" 'select(.requestReceivedTimestamp > $since
    and (.verb | IN("create", "update", "patch", "delete")) and .objectRef.resource != "leases") | "\(.verb) \(.objectRef.resource)/\(.objectRef.name)"' >"$dir/late"
want "writes of a deposed leader" "" cat "$dir/late"
ok "a leader that stood still writes no more and ends"
: "$three"
