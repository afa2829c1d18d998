#!/bin/sh
# Every mistake of a scenario is reported in one run, those of its Canary and those of the rest.
out=$("${BUILD:-build}/coalmine" simulate tests/golden/scenario/wrong.yaml 2>&1)
rc=$?
[ "$rc" -eq 3 ] || { echo "exit $rc, wanted 3"; exit 1; }
printf '%s\n' "$out" | diff tests/golden/scenario/wrong.txt -
