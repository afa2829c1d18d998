# The picture of one rollout: phases, traffic, metrics against their bounds, webhooks, alerts and warnings.
#
# `coalmine report` writes the variables used here in front of this file, and the .dat files beside it:
#   title, subtitle, verdict, verdict_color   header
#   x0, x1, x_step, x_format                  time axis, in seconds since the run began
#   left, right                               margins, in pixels
#   height, top_traffic, bottom_traffic, ...  where the panels stand, in pixels from the upper edge
#   metrics, name[], unit[], y0[], y1[], ...  one panel per metric
# Keep it readable: `coalmine report --keep DIR` hands it to people who want their own picture.

set encoding utf8
unset key
set border 0
set style fill solid 1.0 noborder
set samples 2
set xrange [x0:x1]
set xtics x_step scale 0 format "" textcolor rgb "#57606a"
set ytics scale 0 textcolor rgb "#57606a"
set grid xtics lt 1 lw 1 lc rgb "#e6e9ed"
set multiplot

at(pixels) = 1.0 - pixels / height
margin = right < 40 ? 2 : 40 # where the names begin
set lmargin at screen left / width
set rmargin at screen 1.0 - right / width

# ---- header -----------------------------------------------------------------------------------------------
set label 1 title at screen margin / width, screen at(40) font font_title textcolor rgb "#1f2328"
set label 2 subtitle at screen margin / width, screen at(72) textcolor rgb "#57606a"
set label 3 verdict at screen 1.0 - right / width, screen at(40) right font font_title textcolor rgb verdict_color

# ---- what happened from outside, as labels above the phases ------------------------------------------------
set tmargin at screen at(top_marks)
set bmargin at screen at(bottom_marks)
set yrange [0:mark_rows]
unset ytics
unset grid
plot "marks.dat" using ($4 == 0 ? $1 : NaN):(mark_rows - $3 - 0.5):5:2 with labels left offset 0.6,0 textcolor rgb variable, \
     "" using ($4 == 1 ? $1 : NaN):(mark_rows - $3 - 0.5):5:2 with labels right offset -0.6,0 textcolor rgb variable, \
     "" using 1:(0):(0):(mark_rows - $3):2 with vectors nohead lw 1.5 lc rgb variable
unset label 1; unset label 2; unset label 3

# ---- phases ------------------------------------------------------------------------------------------------
set tmargin at screen at(top_phases)
set bmargin at screen at(bottom_phases)
set yrange [0:1]
plot "phases.dat" using 1:(0):1:2:(0):(1):3 with boxxyerror lc rgb variable, \
     "" using (($1 + $2) / 2):(0.5):4 with labels textcolor rgb "#1f2328", \
     "marks.dat" using 1:(0):(0):(1):2 with vectors nohead lw 1.5 lc rgb variable

# ---- traffic -----------------------------------------------------------------------------------------------
set tmargin at screen at(top_traffic)
set bmargin at screen at(bottom_traffic)
set yrange [0:100]
set ytics 25 nomirror scale 0 format "%g %%" textcolor rgb "#57606a"
set label 10 "traffic" at screen margin / width, screen at(top_traffic - 14) font font_bold textcolor rgb "#1f2328"
set label 11 "primary" at screen 1.0 - (right + 75) / width, screen at(top_traffic - 14) right textcolor rgb "#7b90a8"
set label 12 "canary" at screen 1.0 - right / width, screen at(top_traffic - 14) right font font_bold textcolor rgb "#d19a00"
plot "traffic.dat" using 1:(100):2 with filledcurves lc rgb "#dfe6ee", \
     "" using 1:3:(0) with filledcurves fs pattern 4 lc rgb "#f7c325", \
     "" using 1:2:(0) with filledcurves lc rgb "#f7c325", \
     for [y = 25:75:25] y with lines lw 1 lc rgb "#40ffffff", \
     "" using 1:2 with lines lw 2 lc rgb "#d19a00", \
     "steps.dat" using 1:2:3 with labels left offset 0.3,0.7 textcolor rgb "#8a6500", \
     "outages.dat" using 1:(0):1:2:(0):(100) with boxxyerror lc rgb "#80cf222e", \
     "" using 1:(94):3 with labels left offset 0.5,0 textcolor rgb "#82071e", \
     "marks.dat" using 1:(0):(0):(100):2 with vectors nohead lw 1.5 lc rgb variable
unset label 10; unset label 11; unset label 12

# ---- metrics -----------------------------------------------------------------------------------------------
set grid xtics ytics lt 1 lw 1 lc rgb "#e6e9ed"
do for [i = 1:metrics] {
    set tmargin at screen at(top_metric[i])
    set bmargin at screen at(bottom_metric[i])
    set yrange [y0[i]:y1[i]]
    set ytics y_step[i] nomirror scale 0 format "%.6g".unit[i] textcolor rgb "#57606a"
    file = sprintf("metric%d.dat", i)
    bounds = sprintf("bounds%d.dat", i)
    set label 10 name[i] at screen margin / width, screen at(top_metric[i] - 14) font font_bold textcolor rgb "#1f2328"
    set label 11 bound_text[i] at screen 1.0 - right / width, screen at(top_metric[i] - 14) right textcolor rgb "#cf222e"
    plot bounds using 1:(y0[i]):($2 > y0[i] ? $2 : y0[i]) with filledcurves lc rgb "#fdeceb", \
         bounds using 1:(y1[i]):($3 < y1[i] ? $3 : y1[i]) with filledcurves lc rgb "#fdeceb", \
         bounds using 1:($2 > y0[i] ? $2 : NaN) with lines dt 2 lw 1.5 lc rgb "#cf222e", \
         bounds using 1:($3 < y1[i] ? $3 : NaN) with lines dt 2 lw 1.5 lc rgb "#cf222e", \
         file using 1:2 with lines lw 2 lc rgb "#57606a", \
         file using 1:($3 == 0 ? $2 : NaN) with points pt 7 ps 1.1 * mark lc rgb "#009e73", \
         file using 1:($3 == 1 ? $2 : NaN) with points pt 13 ps 1.7 * mark lc rgb "#cf222e", \
         file using 1:($3 == 3 ? $2 : NaN) with points pt 6 ps 1.2 * mark lw 1.5 lc rgb "#57606a", \
         file using 1:($3 == 2 ? y0[i] + 0.08 * (y1[i] - y0[i]) : NaN) with points pt 2 ps 1.4 * mark lw 2.5 lc rgb "#cf222e", \
         file using 1:($3 == 2 ? y0[i] + 0.08 * (y1[i] - y0[i]) : $2):4 with labels left offset 0.5,0.9 textcolor rgb "#cf222e", \
         "marks.dat" using 1:(y0[i]):(0):(y1[i] - y0[i]):2 with vectors nohead lw 1.5 lc rgb variable
    unset label 10; unset label 11
}

# ---- webhooks, warnings, alerts -----------------------------------------------------------------------------
set tmargin at screen at(top_lanes)
set bmargin at screen at(bottom_lanes)
set yrange [0.4:3.6]
set ytics ("webhooks" 3, "warnings" 2, "alerts" 1) nomirror scale 0 textcolor rgb "#57606a"
set grid xtics noytics
set xtics x_step format x_format
set xtics time
set label 10 x_words at screen margin / width, screen at(bottom_lanes + 18) textcolor rgb "#8c959f"
plot "marks.dat" using 1:(0.4):(0):(3.2):2 with vectors nohead lw 1.5 lc rgb variable, \
     "lanes.dat" using 1:2:3 with points pt 7 ps 1.3 * mark lc rgb variable
unset multiplot
