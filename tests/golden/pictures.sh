#!/usr/bin/env bash
# The pictures of a sweep: data that are the rows of its database, scripts that gnuplot takes, mistakes told with the
# nearest name. Plots are never compared, what they are made of is.
set -u
coalmine=$(readlink -f "${BUILD:-build}/coalmine")
root=$PWD
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "$*"; failed=1; }
sql() { sqlite3 -separator ' ' "$1" "$2"; }
same() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || fail "$1: got"$'\n'"$2"$'\n'"wanted"$'\n'"$3"
}

grid=(docs/whatif/gloo.yaml --set analysis.threshold=2,5,10 --set analysis.interval=10s,1m --rps 1,5
    --error-rate 0.001,0.005,0.02,0.05 --runs 700 --fan)
"$coalmine" sweep "${grid[@]}" --db "$work/w.db" >/dev/null || fail "sweep: exit $?"
cd "$work" || exit 1

# ---- data that are those rows ----
keep() { # PICTURE ARGUMENTS...
    rm -rf kept
    "$coalmine" report w.db --picture "$@" -o "$1.svg" --keep kept >said 2>&1 || fail "$1: exit $?"
    [ -s said ] && fail "$*: $(cat said)"
    # the script is its variables and, below, the file in reports/
    tail -n "$(wc -l <"$root/reports/$1.gp")" kept/picture.gp | cmp - "$root/reports/$1.gp" || fail "$1: another script"
    grep -c '</svg>' "$1.svg" | grep -qx 1 || fail "$1: not one SVG"
}
# numbers to six digits, without trailing zeros
rows() { sql w.db "$1" | awk '{ for (i = 1; i <= NF; i++) printf "%s%.5g", (i > 1 ? " " : ""), $i; print "" }'; }
dat() { grep -v '^#' "kept/$1" | awk '{ for (i = 1; i <= NF && i <= '"$2"'; i++) printf "%s%.5g", (i > 1 ? " " : ""), $i; print "" }'; }

keep curve --only interval=1m --only threshold=5
for i in 1 2; do
    rps=$((i == 1 ? 1 : 5))
    same "curve, line $i" "$(dat line$i.dat 4)" "$(rows "SELECT 100 * error_rate, 1.0 * rolled_back / runs, rollback_low, rollback_high
        FROM sweep_cells WHERE rps = $rps AND settings LIKE '%:5,%1m%' ORDER BY error_rate")"
done
grep -q "^subtitle = 'gloo; threshold 5, interval 1m; bands: intervals of 95 %'$" kept/picture.gp || fail "curve: $(grep subtitle kept/picture.gp)"
grep -qx 'healthy_to = 0.5' kept/picture.gp && grep -qx 'bad_from = 2' kept/picture.gp || fail 'curve: where bad begins'
keep curve --by threshold --only rps=5
same 'curve by threshold' "$(grep -c . kept/line3.dat)" 5
grep -qx "name\[3\] = '10'" kept/picture.gp || fail 'curve by threshold: names'

keep heatmap --only rps=5
same 'heat map' "$(dat cells1.dat 3)" "$(rows "SELECT CASE WHEN settings LIKE '%:2,%' THEN 0 WHEN settings LIKE '%:5,%' THEN 1 ELSE 2 END AS x,
    settings LIKE '%1m%' AS y, 1.0 * rolled_back / runs FROM sweep_cells WHERE rps = 5 AND error_rate = 0.005 ORDER BY y, x")"
same 'heat map, misses' "$(dat cells2.dat 3 | cut -d' ' -f3)" "$(rows "SELECT 1.0 * promoted / runs FROM sweep_cells WHERE rps = 5 AND error_rate = 0.02
    ORDER BY settings LIKE '%1m%', settings LIKE '%:10,%', settings LIKE '%:5,%'")"
same 'heat map, names' "$(sed -n 's/^name\[[0-9]\] = //p' kept/picture.gp)" \
    "$(printf '%s\n' "'P(false rollback) (0.5 % errors)'" "'P(miss) (2 % errors)'" "'failed requests (2 % errors)'")"
keep heatmap --x rps --y error-rate
same 'heat map of traffic and errors' "$(dat cells1.dat 3 | wc -l)" 8

keep pareto --only rps=5
same 'front' "$(grep -v '^#' kept/front.dat | awk 'NR > 2 { printf "%.5g %.5g\n", $1, $2 }')" \
    "$(rows 'SELECT 100 * false_rollback, bad_requests FROM sweep_front WHERE rps = 5 AND healthy_error_rate = 0.005 AND bad_error_rate = 0.02 AND front_bad_requests ORDER BY false_rollback')"
same 'every policy once' "$(cat kept/front.dat kept/dominated.dat kept/missing.dat | grep -vc '^#\|^-1e+09\|^$')" 6
keep pareto --figure duration --only rps=5 --only interval=1m # the front among those shown
same 'held' "$(cat kept/front.dat kept/dominated.dat kept/missing.dat | grep -vc '^#\|^-1e+09\|^$')" 3

keep fan --only rps=5 --only threshold=5 --only interval=1m
cell=$(sql w.db "SELECT cell FROM sweep_cells WHERE rps = 5 AND error_rate = 0.02 AND settings LIKE '%:5,%1m%'")
same 'fan' "$(dat fan2.dat 6 | awk '{ last[$1] = $0; if (!($1 in at)) { at[$1] = 1; order[++n] = $1 } } END { for (i = 1; i < n; i++) print last[order[i]] }')" \
    "$(rows "SELECT at_s, p10, p25, median, p75, p90 FROM sweep_fan WHERE cell = $cell ORDER BY tick")"

# ---- what is drawn when nobody says what ----
default() { # PICTURE ARGUMENTS...
    rm -rf kept
    "$coalmine" report "${@:2}" -o d.svg --keep kept 2>said || fail "default: exit $?: $(cat said)"
    tail -n 5 kept/picture.gp | cmp -s - <(tail -n 5 "$root/reports/$1.gp") || fail "${*:2}: not a $1"
}
default heatmap w.db
default curve w.db --only interval=1m
cd "$root" || exit 1
"$coalmine" simulate scenarios/demo/good.yaml scenarios/demo/bad.yaml --db "$work/run.db" >/dev/null || fail "simulate: exit $?"
"$coalmine" sweep docs/whatif/gloo.yaml --runs 100 --rps 5 --db "$work/plain.db" >/dev/null || fail "sweep: exit $?"
"$coalmine" sweep docs/whatif/gloo.yaml --runs 100 --rps 5 --error-rate 0.05 --db "$work/bad.db" >/dev/null || fail "sweep: exit $?"
cp "$work/run.db" "$work/both.db"
"$coalmine" sweep docs/whatif/gloo.yaml --runs 100 --rps 5 --db "$work/both.db" >/dev/null || fail "sweep into a database of runs: exit $?"
cd "$work" || exit 1
default timeline run.db
default curve plain.db
default timeline both.db
default curve both.db --sweep 1
default fan run.db --picture fan
# two rollouts, one promoted after eight minutes, one rolled back after nine
same 'fan of rollouts' "$(grep -v '^#' kept/fan1.dat | awk '{ last[$1] = $0 } END { print last[0]; print last[180]; print last[540] }')" \
    "$(printf '%s\n' '0 0 0 0 0 0' '180 30 30 30 30 30' '540 0 0 0 100 100')"

# ---- all kinds of files ----
for picture in curve heatmap pareto fan; do
    for kind in png pdf; do
        "$coalmine" report w.db --picture $picture -o $picture.$kind >said 2>&1 || fail "$picture.$kind: exit $?"
        [ -s said ] && fail "$picture.$kind: $(cat said)"
    done
    [ "$(head -c 4 $picture.png | tail -c 3)" = PNG ] && [ "$(head -c 5 $picture.pdf)" = %PDF- ] || fail "$picture: no picture"
done

# ---- mistakes ----
expect() { # EXIT TEXT WORDS...
    want=$1 text=$2
    shift 2
    got=$("$coalmine" report "$@" 2>&1)
    rc=$?
    [ $rc -eq "$want" ] && [[ $got == *"$text"* ]] || fail "report $*: exit $rc, said: $got"
}
expect 2 'did you mean heatmap?' w.db --picture heatmp -o x.png
expect 2 'did you mean threshold?' w.db --only treshold=5 -o x.png
expect 2 'did you mean error-rate?' w.db --picture curve --by eror-rate -o x.png
expect 2 'there are analysis.threshold, analysis.interval, rps, error-rate' w.db --x wholly-other -o x.png
expect 2 'threshold has 2, 5, 10' w.db --only threshold=6 -o x.png
expect 2 'must be KEY=VALUE' w.db --only threshold -o x.png
expect 2 'either a run or a sweep' both.db --run good --picture curve -o x.png
expect 2 'a page has all pictures' w.db --html --picture curve -o x.html
expect 2 'must end in .html' w.db --html -o x.png
expect 3 'no sweep 7' w.db --sweep 7 -o x.png
expect 3 'holds runs and no sweep' run.db --picture curve -o x.png
expect 3 'holds a sweep and no run' w.db --picture timeline -o x.png
expect 3 'hint: --run=good' run.db --run godo -o x.png
expect 3 'hint: --canary=test/podinfo' run.db --canary test/podinf -o x.png
expect 3 'two parameters with more than one value' plain.db --picture heatmap -o x.png
expect 3 'a healthy and of a bad release' bad.db --picture pareto -o x.png
expect 3 'coalmine sweep --fan' plain.db --picture fan -o x.png
[ -e x.png ] && fail 'a mistake left a picture'
exit $failed
