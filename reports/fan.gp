# The fan chart: over many rollouts, the share of the traffic that meets the new version. Half of the rollouts lie in
# the dark band, four of five in the light one; a rollback goes to 0 %, a promotion to 100 %.
#
# `coalmine report` writes the variables used here in front of this file, and the .dat files beside it:
#   title, subtitle                   texts
#   panels, name[], outcome[]         fan1.dat, ...: seconds, p10, p25, median, p75, p90
#   shade[]                           0 = blue, 1 = orange
#   x1, x_step, x_format, x_words     time axis, in seconds from the start of the rollout
#   top, plot_height                  pixels
#   narrow                            1 = for a phone

set encoding utf8
set border 3 lc rgb "#8c959f"
set style fill solid 1.0 noborder
set grid xtics ytics lt 1 lw 1 lc rgb "#e6e9ed"
set xrange [0:x1]
set yrange [0:104]
set ytics 25 nomirror scale 0.5 format "%g %%" textcolor rgb "#57606a"
set xtics x_step nomirror scale 0.5 format x_format textcolor rgb "#57606a"
set xtics time
unset mxtics
unset key
set lmargin at screen (narrow ? 62 : 92) / width
set rmargin at screen 1 - (narrow ? 18 : 40) / width
gap = narrow ? 92 : 64
set multiplot
if (title ne "") {
    set label 1 title at screen 36.0 / width, screen 1 - 36.0 / height font font_title textcolor rgb "#1f2328"
    set label 2 subtitle at screen 36.0 / width, screen 1 - 68.0 / height textcolor rgb "#57606a"
}
do for [i = 1:panels] {
    light = shade[i] ? "#fbe3d1" : "#d3e6f3"
    dark = shade[i] ? "#f0a875" : "#86bbdf"
    line = shade[i] ? "#b34500" : "#0072b2"
    y = top + (i - 1) * (plot_height + gap)
    set tmargin at screen 1 - y / height
    set bmargin at screen 1 - (y + plot_height) / height
    set label 10 name[i] at graph 0, graph 1 offset 0,(narrow ? 2 : 0.9) font font_bold textcolor rgb "#1f2328"
    set label 11 outcome[i] at graph 1, graph 1 right offset 0,0.9 font font_small textcolor rgb "#57606a"
    if (narrow) {
        set label 11 outcome[i] at graph 0, graph 1 left offset 0,0.8 font font_small textcolor rgb "#57606a"
    }
    if (i == panels) {
        set label 12 "time since the rollout began (".x_words.")" at graph 1, screen 1 - (y + plot_height + 44) / height right font font_small textcolor rgb "#57606a"
        set key at screen (narrow ? 10 : 92) / width, screen (narrow ? 44 : 40) / height left center horizontal maxrows 1 samplen 2 width (narrow ? -3 : 0) Left reverse
    }
    file = sprintf("fan%d.dat", i)
    plot file using 1:2:6 with filledcurves lc rgb light notitle, \
         "" using 1:3:5 with filledcurves lc rgb dark notitle, \
         "" using 1:4 with lines lw 2.5 lc rgb line notitle, \
         keyentry with lines lw 2.5 lc rgb "#57606a" title "median", \
         keyentry with boxes fs solid 1.0 noborder lc rgb "#b9c0c8" title "half of them (p25–p75)", \
         keyentry with boxes fs solid 1.0 noborder lc rgb "#e3e6ea" title "four of five (p10–p90)"
    unset label 1; unset label 2
}
unset multiplot
