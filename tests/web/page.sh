#!/usr/bin/env bash
# coalmine report --html: one page that asks for nothing, opened in headless Chromium with the network off, on a phone,
# on a desk, in the dark and on paper (tests/web/look.pl says what is held). Names and texts of a run that look like
# HTML stay texts.
set -u
coalmine=${BUILD:-build}/coalmine
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "$*"; failed=1; }

"$coalmine" simulate scenarios/demo/good.yaml tests/web/hostile.yaml --db "$work/run.db" >/dev/null || fail "simulate: exit $?"
"$coalmine" sweep docs/whatif/gloo.yaml --set analysis.threshold=2,5,10 --set analysis.interval=10s,1m --rps 1,5 \
    --error-rate 0.001,0.005,0.02,0.05 --runs 300 --fan --db "$work/sweep.db" >/dev/null || fail "sweep: exit $?"
"$coalmine" sweep docs/whatif/gloo.yaml --rps 5 --error-rate 0 --runs 50 --db "$work/one.db" >/dev/null || fail "sweep: exit $?"
sqlite3 "$work/sweep.db" "UPDATE sweeps SET canary = '<script>alert(3)</script>'; UPDATE sweep_cells SET settings =
    replace(settings, '10s', '<b onclick=alert(4)>10s</b>')" || fail 'sqlite3'
page() { # DATABASE NAME ARGUMENTS...
    "$coalmine" report "$work/$1" --html -o "$work/$2.html" "${@:3}" >"$work/said" 2>&1 || fail "$2: exit $?: $(cat "$work/said")"
    # the same database gives the same page
    "$coalmine" report "$work/$1" -o "$work/again.html" "${@:3}" 2>/dev/null
    cmp "$work/$2.html" "$work/again.html" || fail "$2: another page the second time"
    grep -q '<script\|<b onclick\|<svg\|<img src=x\|<i>' "$work/$2.html" && fail "$2: a text became HTML"
    grep -q "Content-Security-Policy\" content=\"default-src 'none'; img-src data:" "$work/$2.html" || fail "$2: lets the network in"
    grep -Eq '(src|href|srcset)="?(https?:|//|file:)|@import|url\(' "$work/$2.html" && fail "$2: refers to something outside"
}
page run.db good --run good
page run.db hostile --run 2
page sweep.db sweep
page one.db one # a single cell: no curve, no map, no front
grep -q "{{" "$work/good.html" "$work/sweep.html" && fail "a slot of the template is not filled"
for words in 'v2 was promoted after 8m0s' 'All 10 checks of 2 metrics passed.' 'at most 500 ms'; do
    grep -q "$words" "$work/good.html" || fail "good: does not say $words"
done
grep -q '<h2>The operating curve\|<h2>What is worth\|<h2>Two settings' "$work/one.html" && fail 'one cell: parts without a picture'
grep -q '<h2>Checks that failed' "$work/good.html" && fail 'good: a part without rows'
[ $failed -eq 0 ] || exit 1

# the checker itself: each of these faults is seen
cat >"$work/faulty.html" <<'H'
<html><head><title>x</title></head><body><p style="width:900px">wide</p><img src="http://127.0.0.1:9/x.png"><p style="color:#ccc">pale</p>
<p style="font-size:8px">small</p><script>console.log("said")</script><table><tr><td>a</td></tr></table></body></html>
H
seen=$(perl tests/web/look.pl --text 'not there' "$work/faulty.html")
rc=$?
[ $rc -eq 77 ] && { echo "$seen"; exit 77; }
for fault in 'px wide on a screen' 'does not load' 'has no words' 'asks for http' 'contrast' 'small letters' '1 scripts' 'logs' 'without headers' \
    'needs one h1' 'does not say: not there'; do
    [[ $seen == *"$fault"* ]] || fail "the checker does not see: $fault"
done

perl tests/web/look.pl --text 'v2<i> was caught and rolled back after 8m0s, at 30 % of the traffic' \
    --text '<script>document.title = "taken"</script> & "it'"'"'s" {{main}} </title>' \
    --text '<img src=x onerror=alert(1)> fell to 97.00 where at least 99 is asked for' \
    --text '</td></table><h1>gone</h1> a-word-of' --text '"><svg onload=alert(2)>' "$work/hostile.html" || fail "hostile: exit $?"
perl tests/web/look.pl --text 'Of 6 settings, the one that errs least: threshold 5, interval 1m' --text 'What-if of <script>alert(3)</script>' \
    --text 'interval <b onclick=alert(4)>10s</b>' --text 'How far a release comes' "$work/sweep.html" || fail "sweep: exit $?"
exit $failed
