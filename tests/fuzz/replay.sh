#!/usr/bin/env bash
# Every input in tests/fuzz/corpus once through its target: what fuzzing found stays fixed.
set -u
cd "$(dirname "$0")/../.."
build=${BUILD:-build} failures=0
for corpus in tests/fuzz/corpus/*/; do
    name=$(basename "$corpus")
    if [ ! -x "$build/replay/$name" ]; then
        echo "FAILED: $corpus has no target tests/fuzz/fuzz_$name.c in FUZZ_TARGETS"
        failures=$((failures + 1))
    elif ! found=$("$build/replay/$name" "$corpus"* 2>&1); then
        echo "FAILED: $name"
        printf '%s\n' "$found" | tail -n 30
        failures=$((failures + 1))
    fi
done
[ "$failures" -eq 0 ]
