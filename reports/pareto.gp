# The Pareto front of a sweep: each point is one setting of the swept fields. Left is fewer false rollbacks, down is
# cheaper; those on the line are beaten by none.
#
# `coalmine report` writes the variables used here in front of this file, and the .dat files beside it:
#   title, subtitle, y_title, heading     texts
#   x1, y1 and the tics                   x is the root of the chance in percent
#   numbered, unnumbered, table                       rows of the table below, and its height in pixels
#   narrow                                1 = for a phone

set encoding utf8
set border 3 lc rgb "#8c959f"
set grid xtics ytics lt 1 lw 1 lc rgb "#e6e9ed"
set xrange [-0.015 * x1:x1]
set yrange [0:y1]
set xtics nomirror scale 0.5 textcolor rgb "#57606a"
set ytics nomirror scale 0.5 format "%g" textcolor rgb "#57606a"
bare = title eq ""
set tmargin at screen 1 - (bare ? 40 : 122) / height
set bmargin at screen (table + (narrow ? 132 : 100)) / height
set lmargin at screen (narrow ? 48 : 84) / width
set rmargin at screen 1 - (narrow ? 18 : 40) / width
if (!bare) {
    set label 1 title at screen 36.0 / width, screen 1 - 36.0 / height font font_title textcolor rgb "#1f2328"
    set label 2 subtitle at screen 36.0 / width, screen 1 - 68.0 / height textcolor rgb "#57606a"
}
set label 3 "P(false rollback)" at graph 0.5, screen (table + (narrow ? 90 : 52)) / height center font font_bold textcolor rgb "#1f2328"
set label 4 y_title at screen (narrow ? 4 : 36) / width, graph 1 offset 0,1 font font_bold textcolor rgb "#1f2328"
set key at screen 0.5, screen (table + (narrow ? 40.0 : 30.0)) / height center horizontal samplen 1 width (narrow ? -2 : 1) maxrows (narrow ? 3 : 1) Left reverse
if (numbered == 0) {
    set label 5 "no setting catches 95 % of the bad releases" at graph 0.5, graph 0.5 center font font_bold textcolor rgb "#a84300"
}

if (table > 0 && numbered > 0) {
    top = table - 6
    set label 10 "settings on the front" at screen 76.0 / width, screen top / height font font_bold textcolor rgb "#1f2328"
    set label 11 "false rollbacks" at screen 1 - 340.0 / width, screen top / height right font font_bold textcolor rgb "#1f2328"
    set label 12 "misses" at screen 1 - 220.0 / width, screen top / height right font font_bold textcolor rgb "#1f2328"
    set label 13 heading at screen 1 - 40.0 / width, screen top / height right font font_bold textcolor rgb "#1f2328"
    if (unnumbered > 0) {
        set label 14 sprintf("and %d more of them", unnumbered) at screen 76.0 / width, screen (table - 6 - 26 * (numbered + 1)) / height textcolor rgb "#57606a"
    }
    row(n) = (table - 6 - 26 * n) / height
    do for [n = 1:numbered] {
        set label 20 + 5 * n sprintf("%d", n) at screen 48.0 / width, screen row(n) center font font_bold textcolor rgb "#0072b2"
    }
}
if (table > 0) {
    # the table's rows are labels of an invisible second plot, placed in pixels
    set multiplot
}
plot "dominated.dat" using (sqrt($1)):2 with points pt 7 ps 1.2 * mark lc rgb "#b6bec7" title "beaten by others", \
     "missing.dat" using (sqrt($1)):2 with points pt 2 ps 1.2 * mark lw 1.5 lc rgb "#d55e00" title "misses over 5 % of bad releases", \
     "front.dat" using (sqrt($1)):2 with steps lw 1.5 dt 3 lc rgb "#0072b2" notitle, \
     "" using (sqrt($1)):2 with points pt 7 ps 1.6 * mark lc rgb "#0072b2" title "beaten by none", \
     "" using (sqrt($1)):2:3 with labels offset 1.1,0.9 font font_bold textcolor rgb "#0072b2" notitle
if (table > 0) {
    unset label; unset border; unset tics; unset key; unset grid
    set lmargin at screen 0
    set rmargin at screen 1
    set bmargin at screen 0
    set tmargin at screen table / height
    set xrange [0:width]
    set yrange [0:table]
    y(n) = table - 6 - 26 * n
    plot "legend.dat" using (76):(y($1)):2 with labels left textcolor rgb "#1f2328" notitle, \
         "" using (width - 340):(y($1)):3 with labels right textcolor rgb "#1f2328" notitle, \
         "" using (width - 220):(y($1)):4 with labels right textcolor rgb "#1f2328" notitle, \
         "" using (width - 40):(y($1)):5 with labels right textcolor rgb "#1f2328" notitle
    unset multiplot
}
