#!/usr/bin/env bash
# coalmine sweep and merge: the published table, the same bytes for any threads and shards, located mistakes.
set -u
coalmine=${BUILD:-build}/coalmine
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "$*"; failed=1; }

# P(rollback) at error rates 0.1 % / 0.5 % and P(promote) at 5 %, for 0.2, 1, 5, 20 and 100 requests a second
table() { # PAGE HEALTHY1 HEALTHY2 MISSED
    "$coalmine" sweep "docs/whatif/$1.yaml" --rps 0.2,1,5,20,100 --error-rate 0.001,0.005,0.05 --runs 4000 \
        --output json >"$work/$1.json" || fail "sweep $1: exit $?"
    for rate in 0.001 0.005 0.05; do
        case $rate in 0.001) want=$2 field=rollback ;; 0.005) want=$3 field=rollback ;; *) want=$4 field=promote ;; esac
        # 0.035 is three standard errors of the published 1500 runs at .3, and of ours
        jq -e --arg want "$want" --argjson rate $rate --arg field $field '
            [.cells[] | select(.errorRate == $rate) | .[$field].p] as $got |
            ($want | split(" ") | map(tonumber)) as $w |
            ([range(5)] | all(. as $i | ($got[$i] - $w[$i]) | fabs < 0.035))' "$work/$1.json" >/dev/null ||
            fail "$1 at $rate: $(jq -c --argjson rate $rate --arg field $field \
                '[.cells[] | select(.errorRate == $rate) | .[$field].p]' "$work/$1.json"), published $want"
    done
}
table docs '.36 0 0 0 0' '.39 0 .12 .01 0' '.25 0 0 0 0'
table istio '0 0 0 0 0' '.01 0 .02 0 0' '.94 .25 0 0 0'
table nginx '.38 .01 0 0 0' '.37 .04 .09 .04 .01' '.52 .41 0 0 0'
table gloo '.63 .10 .06 .02 0' '.63 .21 .32 .23 .06' '.27 .22 0 0 0'
# failed requests before the rollback at 100 requests a second and 5 % errors: 74, 180, 30 and 17
for pair in docs:74 istio:180 nginx:30 gloo:17; do
    jq -e --argjson want "${pair#*:}" '.cells[-1].badRequests.rolledBack | . > 0.94 * $want and . < 1.06 * $want' \
        "$work/${pair%:*}.json" >/dev/null || fail "$pair: $(jq -c '.cells[-1].badRequests' "$work/${pair%:*}.json")"
done
# where windows overlap, the closed form is told to be one of independent checks, and why
jq -e '.cells[0].rollback | .why == "windows overlap: one request is judged by several checks" and .differs' \
    "$work/gloo.json" >/dev/null || fail 'gloo: no reason for the difference'
jq -e '.cells | all(.rollback | has("why") | not)' "$work/docs.json" >/dev/null || fail 'docs: a reason without need'

grid=(docs/whatif/gloo.yaml --set analysis.threshold=2..8:3 --set analysis.interval=10s,1m --rps 1,20 --runs 9000 --output json)
"$coalmine" sweep "${grid[@]}" --threads 1 >"$work/one"
for threads in 2 3 40; do
    "$coalmine" sweep "${grid[@]}" --threads $threads | cmp - "$work/one" || fail "$threads threads: other bytes"
done
"$coalmine" sweep docs/whatif/gloo.yaml --rps 1 --error-rate 0.005 --runs 200000 --precision 0.005 --output json --threads 1 >"$work/p1"
"$coalmine" sweep docs/whatif/gloo.yaml --rps 1 --error-rate 0.005 --runs 200000 --precision 0.005 --output json --threads 3 | cmp - "$work/p1" ||
    fail 'precision: other bytes'
jq -e '.cells[0].runs | . < 60000 and . > 10000' "$work/p1" >/dev/null || fail "precision: $(jq .cells[0].runs "$work/p1") runs"
for i in 0 1 2 3 4; do "$coalmine" sweep "${grid[@]}" --shard $i/5 >"$work/s$i"; done
"$coalmine" merge "$work"/s3 "$work"/s[01] "$work"/s4 "$work"/s2 | cmp - "$work/one" || fail 'merge: other bytes'
"$coalmine" merge "$work/one" | cmp - "$work/one" || fail 'merge of one whole: other bytes'

expect() { # EXIT TEXT WORDS...
    want=$1 text=$2
    shift 2
    got=$("$coalmine" "$@" 2>&1)
    rc=$?
    if [ $rc -ne "$want" ] || [[ $got != *"$text"* ]]; then fail "$*: exit $rc, said: $got"; fi
}
expect 3 '4 of 5 shards' merge "$work"/s[0-3]
expect 3 'given before' merge "$work"/s0 "$work"/s0
expect 3 'another sweep' merge "$work"/s0 "$work/p1"
expect 3 'not the JSON of a sweep' merge docs/whatif/gloo.yaml
expect 2 '--set analysis.treshold=5: error: .spec.analysis.treshold: unknown field' sweep docs/whatif/gloo.yaml --set analysis.treshold=5
expect 2 'did you mean threshold' sweep docs/whatif/gloo.yaml --set analysis.treshold=5
expect 2 'did you mean analysis.threshold?' sweep docs/whatif/gloo.yaml --set threshold=1..3
expect 2 'did you mean analysis.metrics[0].thresholdRange.min?' sweep docs/whatif/gloo.yaml --set thresholdRange.min=98
expect 2 'did you mean consecutive?' sweep docs/whatif/gloo.yaml --set 'judge.request-success-rate=threshold,consecutiv k=3'
expect 2 'alpha no longer bounds' sweep docs/whatif/gloo.yaml --set 'judge.request-success-rate=anytime'
expect 0 '{"judge.request-success-rate":"consecutive k=3"}' sweep docs/whatif/gloo.yaml --set 'judge.request-success-rate=threshold,consecutive k=3' --runs 100
expect 2 'one rate' tune docs/whatif/gloo.yaml --rps 1,5
expect 2 'one rate' mutate docs/whatif/gloo.yaml --rps 1,5
expect 2 'no element 3' sweep docs/whatif/gloo.yaml --set 'analysis.metrics[3].interval=5m'
expect 2 'the range is empty' sweep docs/whatif/gloo.yaml --set analysis.threshold=9..2
expect 2 'PATH=VALUES' sweep docs/whatif/gloo.yaml --set analysis.threshold
expect 2 'must be numbers' sweep docs/whatif/gloo.yaml --rps 1,x
expect 2 'from 0 to N-1' sweep docs/whatif/gloo.yaml --shard 5/5
expect 3 'no Canary' sweep .clang-format
expect 0 'request-duration is not' sweep tests/golden/whatif/two-metrics.yaml --runs 10 --metric request-duration=passes
expect 0 'P(rollback)' sweep scenarios/bad-release.yaml --runs 100
printf 'TimeStamp,Value,Label\n"2018-04-25T00:00:00Z","20","0"\n"2018-04-25T00:01:00Z","40","0"\n' >"$work/trace.csv"
expect 0 'rates change with time' sweep docs/whatif/gloo.yaml --runs 100 --trace "$work/trace.csv" --rps 0
printf 'TimeStamp,Value\n2018-04-25T00:00:00Z,20\n2018-04-25T00:00:00Z,x\n' >"$work/bad.csv"
expect 3 'bad.csv:3:1: error: the value is no number' sweep docs/whatif/gloo.yaml --trace "$work/bad.csv"
# a local clock: the hour that comes twice in autumn counts once, the one that is missing in spring holds no request
printf 'TimeStamp,Value,Label\n"2017-11-05T00:00:00Z",20,0\n"2017-11-05T01:00:00Z",30,0\n"2017-11-05T01:00:00Z",31,0\n"2017-11-05T03:00:00Z",9,0\n' >"$work/autumn.csv"
expect 0 'autumn.csv:4:1: warning: the time of the line before once more' sweep docs/whatif/gloo.yaml --runs 50 --trace "$work/autumn.csv" --rps 0
printf 'TimeStamp,Value\n2018-04-25T01:00:00Z,20\n2018-04-25T00:00:00Z,3\n' >"$work/back.csv"
expect 3 'back.csv:3:1: error: times must grow' sweep docs/whatif/gloo.yaml --trace "$work/back.csv"
printf '{"data":{"result":[{"values":[[1,"5"],[16,"7.5"],[31,"NaN"]]}]}}' >"$work/range.json"
expect 0 'rates change' sweep docs/whatif/gloo.yaml --runs 100 --trace "$work/range.json"
# what a real Prometheus answered, as traffic: about 40 requests a second, of which the canary sees its weight
recorded=tests/golden/whatif/prometheus-range.json
"$coalmine" sweep docs/whatif/gloo.yaml --runs 2000 --trace $recorded --rps 0 --error-rate 0 --output json >"$work/recorded.json" || fail "recorded: exit $?"
mean=$(jq '[.data.result[0].values[][1] | tonumber] | add / length' $recorded)
# ten steps of ten seconds at 5, 10, ... 50 %: 27.5 seconds' worth of all requests; the next tick promotes, another ten at 50 %
jq -e --argjson mean "$mean" '.cells[0] | .promote.p > 0.99 and .canaryRequests > 26 * $mean and .canaryRequests < 42 * $mean' "$work/recorded.json" >/dev/null ||
    fail "recorded: mean $mean, $(jq -c .cells[0] "$work/recorded.json")"
"$coalmine" sweep docs/whatif/gloo.yaml --runs 200 --trace $recorded --rps 0 --error-rate 0.01 --output json |
    jq -e '.cells[0].errorBudget > 0' >/dev/null || fail 'recorded: no share of the error budget'
expect 0 '1 passed' test tests/golden/whatif/recorded.yaml
printf '{"data":{"result":[{"values":[[1,"5"],[2,"5"]]},{"values":[[1,"5"],[2,"5"]]}]}}' >"$work/two.json"
expect 3 'more than one series' sweep docs/whatif/gloo.yaml --trace "$work/two.json"


# recorded latency: P99 is beyond the bound of 500 ms when more than one in a hundred is, whatever the errors
printf 'le,count\n50,900\n500,%s\n+Inf,1000\n' 985 >"$work/slow.csv"
printf 'le,count\n50,900\n500,%s\n+Inf,1000\n' 998 >"$work/fast.csv"
two=(sweep tests/golden/whatif/two-metrics.yaml --rps 20 --error-rate 0.001 --runs 1000 --output json)
"$coalmine" "${two[@]}" --latency-histogram "$work/slow.csv" >"$work/slow.json"
"$coalmine" "${two[@]}" --latency-histogram "$work/fast.csv" >"$work/fast.json"
jq -es '.[0].cells[0].release == "bad" and .[0].cells[0].rollback.p > 0.99 and .[1].cells[0].release == "healthy" and .[1].cells[0].rollback.p < 0.01' \
    "$work/slow.json" "$work/fast.json" >/dev/null || fail "histogram: $(cat "$work/slow.json" "$work/fast.json")"
expect 2 'exclude each other' "${two[@]}" --latency-histogram "$work/slow.csv" --latency 50,200
expect 3 'slow.json: error: no requests: this is no histogram' "${two[@]}" --latency-histogram "$work/slow.json"

# capacity: settled at 100 rps and 10 rps a pod, half of the traffic away; it returns to half of the pods
pods=(sweep docs/whatif/istio.yaml --rps 100 --error-rate 0.001 --runs 500 --output json --pods 3..30 --pod-rps 10 --pod-load 1)
"$coalmine" "${pods[@]}" --scale-down-after 0s | jq -e '.cells[0].capacity == {leastMean: 0.5, leastWorst: 0.5,
    short: {p: 1, low: 0.992376, high: 1}, shortSeconds: 30, requestsOver: 1500}' >/dev/null || fail 'capacity'
"$coalmine" "${pods[@]}" --scale-down-after 15m | jq -e '.cells[0].capacity | .leastWorst == 1 and .short.p == 0' >/dev/null ||
    fail 'capacity: the window of stabilization'
"$coalmine" "${pods[@]}" --scale-down-after 0s --threads 3 | cmp -s - <("$coalmine" "${pods[@]}" --scale-down-after 0s --threads 1) ||
    fail 'capacity: other bytes'
expect 2 'needs --pod-rps' sweep docs/whatif/istio.yaml --pods 3..30
expect 2 'must be MIN..MAX' sweep docs/whatif/istio.yaml --pods 30..3 --pod-rps 10

for i in 1 2; do "$coalmine" sweep docs/whatif/istio.yaml --runs 500 --db "$work/w.db" >/dev/null || fail "db: exit $?"; done
if command -v sqlite3 >/dev/null; then
    rows=$(sqlite3 "$work/w.db" 'SELECT sweep, count(*), sum(runs), min(cell), max(cell) FROM sweep_cells GROUP BY sweep ORDER BY sweep' | tr '\n' ' ')
    [ "$rows" = '1|8|4000|0|7 2|8|4000|0|7 ' ] || fail "db: rows $rows"
fi

# ---- the database: the same bytes in one piece, by more threads, in shards ----
sql() { sqlite3 -separator ' ' "$1" "$2"; }
same() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || fail "$1: got"$'\n'"$2"$'\n'"wanted"$'\n'"$3"
}
grid=(docs/whatif/gloo.yaml --set analysis.threshold=2,5,10 --set analysis.interval=10s,1m --rps 1,5
    --error-rate 0.001,0.005,0.02,0.05 --runs 700 --fan)
"$coalmine" sweep "${grid[@]}" --threads 1 --db "$work/g.db" >/dev/null || fail "sweep: exit $?"
"$coalmine" sweep "${grid[@]}" --threads 3 --db "$work/g3.db" >/dev/null || fail "sweep: exit $?"
cmp "$work/g.db" "$work/g3.db" || fail '3 threads: another database'
for i in 0 1 2; do "$coalmine" sweep "${grid[@]}" --shard $i/3 --output json >"$work/s$i" || fail "shard: exit $?"; done
"$coalmine" merge "$work"/s[012] --db "$work/m.db" >"$work/out" || fail "merge --db: exit $?"
cmp "$work/g.db" "$work/m.db" || fail 'merged: another database'
[ -s "$work/out" ] && fail 'merge --db printed'

# ---- rows that add up ----
same 'cells' "$(sql "$work/g.db" 'SELECT count(*), cells FROM sweep_cells JOIN sweeps USING (sweep)')" '48 48'
same 'runs after each tick' "$(sql "$work/g.db" 'SELECT DISTINCT runs FROM sweep_fan')" 700
# every column is the member it is named for
figures() { awk -F'|' '{ for (i = 1; i <= NF; i++) printf "%s ", $i ~ /^[-0-9.e+]+$/ ? sprintf("%.5g", $i) : $i; print "" }'; }
same 'columns' "$(sqlite3 "$work/g.db" 'SELECT cell, rps, error_rate, release, runs, rolled_back, promoted, unfinished, rollback_low, rollback_high,
    rollback_exact, exact_flaw, promote_low, promote_high, detection_median_s, detection_p90_s, rollback_median_s, rollback_p90_s, duration_median_s,
    duration_p90_s, bad_requests, bad_requests_rolled_back, canary_requests, users_exposed, error_budget FROM sweep_cells ORDER BY cell' | figures)" \
    "$("$coalmine" sweep "${grid[@]}" --output json | jq -r '.cells[] | [.cell, .rps, .errorRate, .release, .runs, .rollback.count, .promote.count, .unfinished,
        .rollback.low, .rollback.high, .rollback.exact, .rollback.why, .promote.low, .promote.high, .detectionSeconds.median, .detectionSeconds.p90,
        .rollbackSeconds.median, .rollbackSeconds.p90, .durationSeconds.median, .durationSeconds.p90, .badRequests.mean, .badRequests.rolledBack,
        .canaryRequests, .usersExposed, .errorBudget] | map(. // "" | tostring) | join("|")' | figures)"
# after the last tick every run has ended: promoted ones have all the traffic, the others none
same 'ends' "$(sql "$work/g.db" 'SELECT count(*) FROM sweep_cells c WHERE
    rolled_back <> (SELECT total(runs) FROM sweep_weights w WHERE w.cell = c.cell AND weight = 0 AND tick = (SELECT max(tick) FROM sweep_weights x WHERE x.cell = c.cell))
    OR promoted <> (SELECT total(runs) FROM sweep_weights w WHERE w.cell = c.cell AND weight = 100 AND tick = (SELECT max(tick) FROM sweep_weights x WHERE x.cell = c.cell))')" 0
same 'the first tick' "$(sql "$work/g.db" 'SELECT DISTINCT tick, at_s, p10, p90 FROM sweep_fan WHERE tick = 0')" '0 0.0 0 0'
# where nothing can fail all runs climb the ladder that explain prints
"$coalmine" sweep docs/whatif/gloo.yaml --rps 1000 --error-rate 0 --runs 10 --fan --db "$work/ladder.db" >/dev/null || fail "sweep: exit $?"
same 'the ladder' "$(sql "$work/ladder.db" "SELECT group_concat(CAST(at_s AS INTEGER) || 's' || median) FROM sweep_fan WHERE p10 = p90")" \
    '0s0,10s5,20s10,30s15,40s20,50s25,60s30,70s35,80s40,90s45,100s50,110s100'
# quantiles by another way: the runs one by one, in order
same 'quantiles' "$(sql "$work/g.db" 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700),
    one AS (SELECT cell, tick, weight, row_number() OVER (PARTITION BY cell, tick ORDER BY weight) AS place FROM sweep_weights JOIN n ON i <= runs),
    q AS (SELECT cell, tick, total(iif(place = 70, weight, 0)) AS p10, total(iif(place = 350, weight, 0)) AS median, total(iif(place = 630, weight, 0)) AS p90 FROM one GROUP BY cell, tick)
    SELECT count(*), total(q.p10 <> f.p10 OR q.median <> f.median OR q.p90 <> f.p90) FROM q JOIN sweep_fan f USING (cell, tick)' | sed 's/^[1-9][0-9]* /some /')" 'some 0.0'
# the front by its definition: nobody has as few false rollbacks and as few failed requests, and less of one
same 'front' "$(sql "$work/g.db" 'SELECT healthy_cell, bad_cell FROM sweep_front WHERE front_bad_requests ORDER BY 1, 2')" \
    "$(sql "$work/g.db" 'WITH g AS (SELECT * FROM sweep_policies WHERE miss <= 0.05) SELECT healthy_cell, bad_cell FROM g p WHERE NOT EXISTS (
        SELECT 1 FROM g q WHERE q.rps = p.rps AND q.healthy_error_rate = p.healthy_error_rate AND q.bad_error_rate = p.bad_error_rate
        AND q.false_rollback <= p.false_rollback AND q.bad_requests <= p.bad_requests
        AND (q.false_rollback < p.false_rollback OR q.bad_requests < p.bad_requests)) ORDER BY 1, 2')"
# ties: equal policies are beaten by nobody, one that is as good in one figure and worse in the other is
ties() { # SETTING FALSE-ROLLBACKS BAD-REQUESTS, a row for the healthy release and one for the bad
    sql "$work/ties.db" "INSERT INTO sweep_cells (sweep, cell, settings, rps, error_rate, release, runs, rolled_back, promoted, unfinished, bad_requests)
        VALUES (1, $((2 * $1)), '{\"n\":$1}', 1, 0, 'healthy', 10, $2, $((10 - $2)), 0, 0), (1, $((2 * $1 + 1)), '{\"n\":$1}', 1, 0.05, 'bad', 10, 10, 0, 0, $3)"
}
cp "$work/g.db" "$work/ties.db"
sql "$work/ties.db" 'DELETE FROM sweep_cells; DELETE FROM sweep_weights'
ties 0 1 10; ties 1 2 10; ties 2 2 5; ties 3 2 5; ties 4 3 5; ties 5 3 4.5; ties 6 1 12; ties 7 4 4.5
same 'front with ties' "$(sql "$work/ties.db" 'SELECT group_concat(settings) FROM sweep_front WHERE front_bad_requests')" \
    '{"n":0},{"n":2},{"n":3},{"n":5}'
"$coalmine" report "$work/ties.db" --picture pareto --keep "$work/kept" -o "$work/ties.svg" || fail "ties: exit $?"
same 'front with ties, drawn' "$(awk 'NR > 3' "$work/kept/front.dat" | tr '\n' ' ')" '10 10 "1" 20 5 "2, 3" 20 5 "" 30 4.5 "4" '
# the ranking is the order of the printed table
same 'ranking' "$(sql "$work/g.db" "SELECT settings FROM sweep_ranking ORDER BY rank")" \
    "$("$coalmine" sweep "${grid[@]}" | sed -n 's/^[0-9]*\. //p')"

# shards that are not what they say: the database stays as it was
got=$("$coalmine" merge "$work"/s[01] --db "$work/g.db" 2>&1)
[ $? -eq 3 ] && [[ $got == *'2 of 3 shards'* ]] && cmp "$work/g.db" "$work/m.db" || fail "merge of two of three: $got"
sed 's/"release":"[a-z]*",//' "$work/s0" >"$work/t0"
got=$("$coalmine" merge "$work"/t0 "$work"/s[12] --db "$work/g.db" 2>&1)
[ $? -eq 3 ] && [[ $got == *'not the JSON of a sweep'* ]] && cmp "$work/g.db" "$work/m.db" || fail "merge of a broken shard: $got"
sed 's/"release":"[a-z]*"//' "$work/s0" >"$work/t0"
got=$("$coalmine" merge "$work"/t0 "$work"/s[12] 2>&1)
[ $? -eq 3 ] && [[ $got == *'cell 0 is no JSON'* ]] || fail "merge of what is no JSON: $got"
echo text >"$work/foreign.db"
got=$("$coalmine" merge "$work"/s[012] --db "$work/foreign.db" 2>&1)
[ $? -eq 4 ] && [ "$(cat "$work/foreign.db")" = text ] || fail "merge into another file: $got"
exit $failed
