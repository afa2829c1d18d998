#!/usr/bin/env bash
# Every deviation of engine/deviation.h has a scenario of its name, and that scenario is about it: without the
# deviation the default profile's run fails, and with it alone Flagger's run fails.
set -u
cd "$(dirname "$0")/../.."
coalmine=${BUILD:-build}/coalmine
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

names=$(tr '\n' ' ' <engine/deviation.h | grep -o 'X([A-Z0-9_]*, *"[a-z-]*"' | cut -d'"' -f2)
count=0
for name in $names; do
    file=scenarios/deviations/$name.yaml
    count=$((count + 1))
    [ -f "$file" ] || { fail "$name has no scenario"; continue; }
    "$coalmine" test "$file" >/dev/null 2>&1 || { fail "$file fails"; continue; }
    # Of the old name of spec.analysis Flagger's process dies, which no run can show.
    [ "$name" = analysis-alias ] && continue
    grep -q 'profile: flagger-1.44' "$file" ||
        fail "$file does not show what Flagger does"
    "$coalmine" test --comply "$name" "$file" >/dev/null 2>&1 && fail "$file passes without $name"
    "$coalmine" test --deviate "$name" "$file" >/dev/null 2>&1 && fail "Flagger's run of $file passes with $name"
done
[ "$count" -ge 29 ] || fail "only $count names were found in engine/deviation.h"
for file in scenarios/deviations/*.yaml; do
    case " $(echo $names) " in
    *" $(basename "$file" .yaml) "*) ;;
    *) fail "$file is named after no deviation" ;;
    esac
done
[ "$failures" -eq 0 ] && echo "$count deviations"
exit "$failures"
