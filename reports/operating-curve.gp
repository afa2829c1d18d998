# The operating curve of a sweep: the chance of a rollback against the true error rate, one line for each rate of
# traffic, with 95 % intervals. Of the first settings of the last sweep in the database:
#   coalmine sweep CANARY.yaml --error-rate 0.001,0.002,0.005,0.01,0.02,0.05 --db w.db
#   gnuplot -e "db='w.db'; out='curve.png'" reports/operating-curve.gp
set terminal pngcairo size 1100,700 font "sans,11"
set output out
set title "How often is a release rolled back?" font "sans,16"
set xlabel "true error rate of the new version"
set ylabel "P(rollback)"
set logscale x
set format x "%g"
set yrange [-0.02:1.02]
set key right bottom title "requests per second"
set grid lc rgb "#e6e9ed"
set datafile separator "|"
first = "sweep = (SELECT max(sweep) FROM sweeps) AND settings = (SELECT settings FROM sweep_cells WHERE sweep = (SELECT max(sweep) FROM sweeps) ORDER BY cell LIMIT 1)"
query(where) = sprintf("< sqlite3 '%s' \"SELECT error_rate, 1.0 * rolled_back / runs, rollback_low, rollback_high FROM sweep_cells WHERE %s %s AND error_rate > 0 ORDER BY error_rate\"", db, first, where)
rates = system(sprintf("sqlite3 '%s' \"SELECT DISTINCT rps FROM sweep_cells WHERE %s ORDER BY rps\"", db, first))
plot for [r in rates] query("AND rps = ".r) using 1:2:3:4 with yerrorlines lw 2 pt 7 title r
