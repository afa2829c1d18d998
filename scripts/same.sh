#!/usr/bin/env bash
# The same bytes from gcc and clang, at -O0 and -O3, twice each: every scenario's JSON report and what
# coalmine test says of it, one hash.
#   scripts/same.sh            builds below $BUILD/same
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}/same
mapfile -t scenarios < <(find scenarios -name '*.yaml' -not -path '*/manifests/*' | LC_ALL=C sort)
say() { # what one build says of all scenarios; a verb that fails is no answer
    export TZ=Pacific/Kiritimati LC_ALL=C.UTF-8
    "$1" simulate --output json "${scenarios[@]}"
    "$1" test --output json scenarios
}

first=
for compiler in gcc clang; do
    for level in -O0 -O3; do
        here=$build/$compiler$level
        # warnings are counted at the level that is shipped: others see less, or guess more
        make -s WERROR= BUILD="$here" CC=$compiler OPT=$level "$here/coalmine"
        for round in 1 2; do
            hash=$(say "$here/coalmine" | sha256sum)
            hash=${hash%% *}
            echo "$hash  $compiler $level, round $round, ${#scenarios[@]} scenarios"
            [ -n "$first" ] || first=$hash
            [ "$hash" = "$first" ] || { echo "the reports differ"; exit 1; }
        done
    done
done
echo "all the same"
