#!/usr/bin/env bash
# lint.sh finds what is banned, and only that.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/engine" "$dir/sim" "$dir/adapters/base"
cat >"$dir/engine/a.c" <<'C'
/* malloc( in a comment
   and strtod( on its second line */
double f(const char *s) { return strtod(s, 0); }
const char *g = "malloc(1)"; int h = '"'; // free(x)
int i(struct clock *c) { return c->time(c) + x.time(1) + my_time(2); }
void *j(void) { return malloc (1); }
double k(const char *s) { return strtod(s, 0); } /* lint: ok, an example */
C
printf 'int t(void) { return (int)time(0); }\nvoid *m(void) { return malloc(1); }\n' >"$dir/sim/b.c"
printf 'void c(void) { clock_gettime(0, 0); }\n' >"$dir/adapters/base/clock.c"
printf 'void c(void) { clock_gettime(0, 0); }\n' >"$dir/adapters/base/other.c"
want='adapters/base/other.c:1: clock_gettime is banned, use struct clock
engine/a.c:3: strtod is banned, use num_parse
engine/a.c:6: malloc is banned, use memory of the caller
sim/b.c:1: time is banned, use the time of the event'
if got=$(scripts/lint.sh "$dir"); then
    echo "lint.sh found nothing wrong"
    exit 1
fi
if [ "$got" != "$want" ]; then
    diff <(echo "$want") <(echo "$got")
    exit 1
fi
