# The operating curve of a sweep: the chance of a rollback against the true error rate of the new version.
#
# `coalmine report` writes the variables used here in front of this file, and the .dat files beside it:
#   title, subtitle, key_title        texts
#   lines, name[]                     line1.dat, line2.dat, ...: percent, P(rollback), interval
#   x0, x1, logarithmic               error rates, in percent
#   healthy_to, bad_from              the highest healthy error rate and the lowest bad one; -1 = there is none
#   narrow                            1 = for a phone

set encoding utf8
set border 3 lc rgb "#8c959f"
set style fill transparent solid 0.22 noborder
set grid xtics ytics lt 1 lw 1 lc rgb "#e6e9ed"
set xrange [x0:x1]
set yrange [0:1.001]
set ytics 0.2 nomirror scale 0.5 textcolor rgb "#57606a"
set ytics ("0 %%" 0, "20 %%" 0.2, "40 %%" 0.4, "60 %%" 0.6, "80 %%" 0.8, "100 %%" 1)
set xtics nomirror scale 0.5 textcolor rgb "#57606a"
if (logarithmic) set logscale x
array color[7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333"]
array shape[7] = [7, 5, 9, 13, 11, 6, 4]

bare = title eq ""
set tmargin at screen 1 - (bare ? 40 : 122) / height
set bmargin at screen (narrow ? 124 : 84) / height
set lmargin at screen (narrow ? 58 : 84) / width
set rmargin at screen 1 - (narrow ? 18 : 200) / width
if (!bare) {
    set label 1 title at screen 36.0 / width, screen 1 - 36.0 / height font font_title textcolor rgb "#1f2328"
    set label 2 subtitle at screen 36.0 / width, screen 1 - 68.0 / height textcolor rgb "#57606a"
}
set label 3 "true error rate of the new version" at graph 0.5, screen (narrow ? 80 : 30) / height center textcolor rgb "#1f2328"
set label 4 "P(rollback)" at screen (narrow ? 4 : 36) / width, graph 1 offset 0,1 font font_bold textcolor rgb "#1f2328"
if (narrow) {
    set key at screen 0.5, screen 34.0 / height center horizontal maxrows 2 samplen 1 width -1 title key_title.":"
} else {
    set key at screen 1 - 16.0 / width, graph 0.98 right top Left reverse samplen 2 spacing 1.3 title key_title left
}

# where a release is healthy, and where it is bad
if (healthy_to > x0 * 1.1) {
    set object 1 rectangle from x0, 0 to healthy_to, 1 behind fc rgb "#eef7f3" fs solid noborder
    set label 5 "healthy" at x0, graph 0.96 left offset 0.8,0 textcolor rgb "#00795a"
}
if (bad_from >= 0) {
    set object 2 rectangle from bad_from, 0 to x1, 1 behind fc rgb "#fdf1ea" fs solid noborder
    set label 6 "bad" at x1, graph 0.04 right offset -0.8,0 textcolor rgb "#a84300"
}

plot for [i = 1:lines] sprintf("line%d.dat", i) using 1:3:4 with filledcurves lc rgb color[i] notitle, \
     for [i = 1:lines] sprintf("line%d.dat", i) using 1:2 with linespoints lw 2 pt shape[i] ps 1.1 * mark lc rgb color[i] title name[i]
