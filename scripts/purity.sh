#!/usr/bin/env bash
# Proves that the engine is pure: it calls nothing but a few functions of the freestanding C library, holds
# no writable data, and includes only its own headers and the freestanding ones.
#   scripts/purity.sh [LIBRARY]     default: $BUILD/libengine.a; prints every breach, exit 1 when there is one
set -eu
library=${1:-${BUILD:-build}/libengine.a}
# __assert_fail: asserts stay in release builds; no input reaches one.
allowed=' __assert_fail memchr memcmp memcpy memmove memset strchr strcmp strlen strncmp '
failed=0

[ -n "$(ar t "$library")" ] || { echo "$library is empty"; exit 1; }
if nm "$library" 2>/dev/null | grep -qE '__(asan|ubsan|msan|sanitizer|llvm_prf|gcov)'; then
    echo "$library is instrumented: its symbols are not the engine's"
    exit 77
fi

defined=$(nm -g --defined-only "$library" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
undefined=$(nm -u "$library" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u)
[ -n "$defined" ] || { echo "$library defines nothing"; exit 1; }
for symbol in $(comm -13 <(echo "$defined") <(echo "$undefined")); do
    case $symbol in _GLOBAL_OFFSET_TABLE_) continue ;; esac
    case $allowed in *" $symbol "*) continue ;; esac
    echo "$library: calls $symbol, which is not on the list:$allowed"
    failed=1
done

# Constant tables of pointers stand in .data.rel.ro: the loader writes them once, the program never.
writable=$(objdump -t "$library" | awk '
    /:     file format/ { object = $1 }
    $0 !~ / d / { for (i = 1; i <= NF; i++)
        if (($i ~ /^\.(data|bss|tdata|tbss)/ && $i !~ /^\.data\.rel\.ro/) || $i == "*COM*") print object " " $NF }')
if [ -n "$writable" ]; then
    echo "$writable" | sed 's/:\{0,1\} /: writable data: /'
    failed=1
fi

if [ $# -eq 0 ]; then
    strange=$(grep -nE '^[[:space:]]*#[[:space:]]*include' engine/*.[ch] |
        grep -vE 'include ("engine/[a-z_]+\.h"|<(assert|float|limits|stdbool|stddef|stdint|string)\.h>)' || true)
    if [ -n "$strange" ]; then
        echo "$strange" | sed 's/$/   is not a header of the engine/'
        failed=1
    fi
fi
exit $failed
