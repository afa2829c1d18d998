#!/usr/bin/env bash
# The purity check finds what it is there to find: each of these libraries must be refused.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
try() { # EXIT TEXT SOURCE
    printf '%s\n' "$3" >"$work/x.c"
    rm -f "$work/x.a"
    "${CC:-cc}" -std=c11 -fPIE -O1 -c -o "$work/x.o" "$work/x.c" && ar rcs "$work/x.a" "$work/x.o" || exit 1
    got=$(scripts/purity.sh "$work/x.a")
    rc=$?
    if [ $rc -ne "$1" ] || [[ $got != *"$2"* ]]; then
        echo "exit $rc for: $3"
        echo "$got"
        failed=1
    fi
}
try 0 '' '#include <string.h>
int f(const char *a, const char *b, unsigned long n) { return memcmp(a, b, n); }'
try 0 '' 'const char *const names[] = {"a", "b"}; const char *f(int i) { return names[i]; }'
try 1 'calls time' '#include <time.h>
long f(void) { return time(0); }'
try 1 'calls malloc' '#include <stdlib.h>
void *f(void) { return malloc(3); }'
try 1 'writable data: count' 'static int count; int f(void) { return count++; }'
try 1 'writable data: start' 'int start = 7; int f(void) { return start; }'
try 1 'writable data: names' 'const char *names[] = {"a"}; const char *f(void) { return names[0]; }'
try 1 'writable data: mine' 'static _Thread_local int mine; int f(void) { return ++mine; }'
exit $failed
