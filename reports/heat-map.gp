# A heat map of two swept parameters, by the JSON paths of --set: the chance of a rollback at one rate of traffic and
# one error rate.
#   gnuplot -e "db='w.db'; out='map.png'; x='analysis.threshold'; y='analysis.stepWeight'; rps=5; errors=0.005" \
#       reports/heat-map.gp
set terminal pngcairo size 1000,700 font "sans,11"
set output out
set title sprintf("P(rollback) at %g requests per second, %g %% errors", rps, 100 * errors) font "sans,16"
set xlabel x
set ylabel y
set cbrange [0:1]
set palette defined (0 "#f6f8fa", 0.05 "#fff3c4", 0.3 "#f7c325", 1 "#b42318")
set datafile separator "|"
set xtics scale 0
set ytics scale 0
unset key
pick(path) = sprintf("json_extract(settings, '\\$.\\\"%s\\\"')", path)
rows = sprintf("< sqlite3 '%s' \"SELECT dense_rank() OVER (ORDER BY %s) - 1, dense_rank() OVER (ORDER BY %s) - 1, %s, %s, 1.0 * rolled_back / runs FROM sweep_cells WHERE sweep = (SELECT max(sweep) FROM sweeps) AND rps = %g AND error_rate = %g\"", db, pick(x), pick(y), pick(x), pick(y), rps, errors)
plot rows using 1:2:5:xtic(3):ytic(4) with image, "" using 1:2:(sprintf("%.3f", $5)) with labels textcolor rgb "#1f2328"
