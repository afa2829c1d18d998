#!/bin/sh
# The simulated API answers the call list as the real control plane did when it was recorded.
set -eu
build=${BUILD:-build}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$build/calls" tests/cluster/calls.jsonl sim >"$out"
diff -u tests/cluster/calls.recorded "$out"
echo "$(wc -l <"$out") calls answered as recorded"
