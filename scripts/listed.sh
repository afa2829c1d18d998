#!/bin/sh
# Every source and test script is listed in the Makefile or called by another script: a file that no target names is never
# built or run, and nothing else would tell.
set -eu
cd "$(dirname "$0")/.."
failed=0
for file in $(find engine sim adapters bench tests scripts -name '*.c' -o -name '*.sh' -o -name '*.pl' | sort); do
    grep -q "${file%.c}\b" Makefile && continue
    # called by a script beside it, by its base name
    grep -rlF --exclude="$(basename "$file")" "$(basename "$file")" Makefile tests scripts >/dev/null && continue
    echo "$file: no target names it"
    failed=1
done
[ $failed -eq 0 ] && echo "every source is listed"
exit $failed
