#!/usr/bin/env bash
# What people tell a rollout: pause, resume, abort, retry and promote, with who and why kept in Events.
. "$(dirname "$0")/../drive.sh"
rights commands --set 'providers={istio}'
operator operator
tell() { # COMMAND WHY: and wait until an Event says so
    "$build/coalmine" "$1" "$ns/web" --kubeconfig "$config" --who dora --reason "$2" >/dev/null || fail "coalmine $1"
    await 120 "an Event of $1" told "$2"
}
told() { kn get events --field-selector reason=Command -o jsonpath='{range .items[*]}{.message}{"\n"}{end}' | grep -qF " asked for by dora: $1"; }
weights() { get virtualservices.networking.istio.io web '{.spec.http[0].route[*].weight}'; }
{
    deployment web app:1
    canary web istio "stepWeight: 5, maxWeight: 50"
} | apply
phase_of 300 web Initialized
push web app:2
await 300 "the first step" is "95 5" weights
tell pause "lunch is ready"
held=$(weights)
sleep 25
want "the route of a paused rollout" "$held" weights
tell resume "lunch is over"
moved() { [ "$(weights)" != "$held" ]; }
await 120 "the next step" moved
ok "pause holds a rollout, resume lets it go on"
tell abort "customers call"
phase_of 120 web Failed
want "the route" "100 0" weights
want "the primary's image" app:1 image web-primary
ok "abort rolls back"
tell retry "it was the cable"
phase_of 120 web Progressing
ok "retry begins again"
tell promote "seen it work"
phase_of 300 web Succeeded
want "the primary's image" app:2 image web-primary
kn get events -o jsonpath='{range .items[*]}{.message}{"\n"}{end}' | grep -q 'weight 50' && fail "the analysis went to its end all the same"
ok "promote ends the analysis"
