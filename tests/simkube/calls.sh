#!/bin/sh
# The simulated API answers the call list as the real control plane did when it was recorded.
set -eu
build=${BUILD:-build}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$build/calls" tests/cluster/calls.jsonl sim >"$out"
diff -u tests/cluster/calls.recorded "$out" || {
    echo "if crds/ or the list changed, record anew where a control plane runs: RECORD=1 tests/cluster/calls.sh"
    exit 1
}
echo "$(wc -l <"$out") calls answered as recorded"
