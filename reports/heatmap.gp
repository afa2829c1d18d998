# Heat maps of a sweep: two swept parameters; one panel for each figure. The lighter, the better.
#
# `coalmine report` writes the variables used here in front of this file, and the .dat files beside it:
#   title, subtitle, x_title, y_title          texts
#   panels, name[]                             cells1.dat, ...: column, row, value, colour, colour of the text, label
#   x_count, y_count and the tics              the values of the two parameters
#   left, top, panel_width, panel_height, below   pixels
#   labelled                                   0 = the figures do not fit; scale1.dat and marks1.dat say what colours mean
#   narrow                                     1 = for a phone: panels stand below each other

set encoding utf8
unset key
set border 0
set tics scale 0 textcolor rgb "#1f2328"
set style fill solid 1.0 noborder
set xrange [-0.5:x_count - 0.5]
set yrange [-0.5:y_count - 0.5]
set multiplot
if (title ne "") {
    set label 1 title at screen 36.0 / width, screen 1 - 36.0 / height font font_title textcolor rgb "#1f2328"
    set label 2 subtitle at screen 36.0 / width, screen 1 - 68.0 / height textcolor rgb "#57606a"
}
do for [i = 1:panels] {
    x = (narrow ? 0 : (i - 1) * (left + panel_width + 16)) + left + (narrow ? 4 : 24)
    y = top + (narrow ? (i - 1) * (panel_height + below) : 0)
    set lmargin at screen x / width
    set rmargin at screen (x + panel_width) / width
    set tmargin at screen 1 - y / height
    set bmargin at screen 1 - (y + panel_height) / height
    set label 10 name[i] at graph 0, graph 1 offset 0,1.9 font font_bold textcolor rgb "#1f2328"
    set label 11 y_title." ↑" at graph 0, graph 1 offset 0,0.7 font font_small textcolor rgb "#57606a"
    set label 12 x_title." →" at graph 1, screen 1 - (y + panel_height + 42) / height right font font_small textcolor rgb "#57606a"
    file = sprintf("cells%d.dat", i)
    plot file using 1:2:($1 - 0.5):($1 + 0.5):($2 - 0.5):($2 + 0.5):4 with boxxyerror lc rgb variable, \
         "" using 1:2:6:5 with labels textcolor rgb variable
    unset label 1; unset label 2
}

# what the colours mean, where the figures do not fit
if (!labelled) {
    unset label
    unset tics
    set xrange [0:1]
    set yrange [0:1]
    do for [i = 1:panels] {
        x = (narrow ? 0 : (i - 1) * (left + panel_width + 16)) + left + (narrow ? 4 : 24)
        y = top + (narrow ? (i - 1) * (panel_height + below) : 0)
        set lmargin at screen x / width
        set rmargin at screen (x + panel_width) / width
        set tmargin at screen 1 - (y + panel_height + 62) / height
        set bmargin at screen 1 - (y + panel_height + 74) / height
        plot sprintf("scale%d.dat", i) using 1:(0):1:2:(0):(1):3 with boxxyerror lc rgb variable, \
             sprintf("marks%d.dat", i) using 1:(0):2 with labels center offset 0,-0.9 font font_small textcolor rgb "#57606a"
    }
}
unset multiplot
