#!/usr/bin/env bash
# coalmine render: each tests/golden/render/NAME.yaml is rendered with the arguments of its first line and
# compared with NAME.out. `tests/golden/render.sh --update` rewrites them: read the difference before you commit it.
set -u
coalmine=${BUILD:-build}/coalmine
here=$(dirname "$0")/render
failed=0
fail() { echo "$*"; failed=1; }

for input in "$here"/*.yaml; do
    args=$(sed -n '1s/^# args: *//p' "$input")
    # shellcheck disable=SC2086
    if [ "${1:-}" = --update ]; then
        "$coalmine" render $args "$input" >"${input%.yaml}.out" || fail "$input: exit $?"
    else
        "$coalmine" render $args "$input" | diff -u "${input%.yaml}.out" - || fail "$input: differs"
    fi
done

# what render prints, it can read; and the same input gives the same bytes
"$coalmine" render --weight 30 "$here"/istio-canary.yaml | cmp - <("$coalmine" render --weight 30 - <"$here"/istio-canary.yaml) ||
    fail "standard input differs from a file"

expect() { # EXIT STDERR-LINE WORDS...
    want=$1 line=$2
    shift 2
    got=$("$coalmine" render "$@" 2>&1 >/dev/null)
    rc=$?
    [ "$rc" -eq "$want" ] || fail "render $*: exit $rc, want $want"
    [ "$(printf %s "$got" | head -n 1)" = "$line" ] || fail "render $*: said: $got"
}
expect 1 'coalmine render: podinfo: the rollout has no step 9; its last one is 5' --step 9 "$here"/istio-canary.yaml
expect 1 'coalmine render: podinfo: ingress selector is empty' --provider nginx "$here"/istio-canary.yaml
expect 2 "coalmine render: unknown provider 'istoi'" --provider istoi "$here"/istio-canary.yaml
expect 2 'coalmine render: --weight and --step exclude each other' --weight 1 --step 1 "$here"/istio-canary.yaml
expect 3 'coalmine render: no Canary other in the files' --name other "$here"/istio-canary.yaml
expect 3 'coalmine render: no-such-file.yaml: No such file or directory' no-such-file.yaml
exit $failed
