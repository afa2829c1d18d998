/* Heat maps of a sweep: two of its axes, the chance of a wrong verdict and its cost. */
#include "adapters/store/drawing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/heatmap.gp.h"

#define PANELS_MAX 3
#define NAME_MAX_Y 14   /* letters of the name of a row */
#define LABEL_WIDTH 44  /* a cell is labelled where it is at least that wide, in pixels, */
#define LABEL_HEIGHT 17 /* ... and high */

enum shown { SHOWN_ROLLBACK, SHOWN_FALSE_ROLLBACK, SHOWN_MISS, SHOWN_BAD_REQUESTS };

struct heatmap {
    struct drawing d;
    const struct sweep_data *sweep;
    const struct sweep_choice *choice;
    size_t x, y;
    size_t place[SWEEP_AXES_MAX];
    int panels, panel_width, panel_height;
    bool narrow, labelled; /* labelled: the figures stand in the cells */
};

/* ---- which axes ---- */

static bool varies(const struct heatmap *h, size_t axis)
{
    return h->sweep->axes[axis].count > 1 && h->choice->only[axis] == SWEEP_NONE;
}

/* The first axis that varies and is not `other`: swept fields, then traffic, then error rates. */
static size_t choose_axis(const struct heatmap *h, size_t wanted, size_t other, size_t another)
{
    if (wanted != SWEEP_NONE)
        return wanted;
    for (size_t i = 0; i < h->sweep->axis_count; i++)
        if (i != other && i != another && varies(h, i))
            return i;
    return SWEEP_NONE;
}

static bool choose_axes(struct heatmap *h)
{
    const struct sweep_choice *c = h->choice;

    h->x = choose_axis(h, c->x, c->y, SWEEP_NONE);
    h->y = choose_axis(h, c->y, h->x, SWEEP_NONE);
    if (h->x != SWEEP_NONE && h->y != SWEEP_NONE && h->x != h->y)
        return true;
    drawing_fail(&h->d, -ENOENT,
                 "a heat map needs two parameters with more than one value each, and they must "
                 "not be held with --only: --set, --rps or --error-rate of coalmine sweep");
    return false;
}

/* ---- colours ---- */

/* From white over blue to near black: one hue, so that lightness alone tells (ColorBrewer Blues).
 */
static int color_at(double share)
{
    static const unsigned char stops[][3] = {
        {247, 251, 255}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}};
    double at = share <= 0 ? 0 : share >= 1 ? 4 : share * 4;
    int i = at >= 4 ? 3 : (int)at, color = 0;

    for (int k = 0; k < 3; k++) {
        double v = stops[i][k] + (at - i) * (stops[i + 1][k] - stops[i][k]);
        color = color << 8 | (int)(v + 0.5);
    }
    return color;
}

static void add_cell_text(struct strbuf *b, enum shown shown, double value)
{
    char text[32];

    if (shown == SHOWN_BAD_REQUESTS)
        snprintf(text, sizeof text, value >= 100 ? "%.0f" : "%.1f", value);
    else if (value > 0 && value < 0.0005)
        snprintf(text, sizeof text, "<.1 %%");
    else
        snprintf(text, sizeof text, value >= 0.9995 || value <= 0 ? "%.0f %%" : "%.1f %%",
                 value * 100);
    add_data_string(b, text, sizeof text);
}

/* ---- panels ---- */

static double value_of(const struct sweep_point *p, enum shown shown)
{
    if (!p)
        return (double)NAN;
    return shown == SHOWN_BAD_REQUESTS ? p->bad_requests
           : shown == SHOWN_MISS       ? p->promote
                                       : p->rollback;
}

static double value_at(struct heatmap *h, size_t x, size_t y, enum shown shown)
{
    h->place[h->x] = x;
    h->place[h->y] = y;
    return value_of(sweep_point_at(h->sweep, h->place), shown);
}

static double largest(struct heatmap *h, enum shown shown)
{
    double most = 0;

    for (size_t y = 0; y < h->sweep->axes[h->y].count; y++)
        for (size_t x = 0; x < h->sweep->axes[h->x].count; x++) {
            double v = value_at(h, x, y, shown);
            most = v > most ? v : most;
        }
    return most;
}

static void add_cells(struct heatmap *h, enum shown shown)
{
    size_t columns = h->sweep->axes[h->x].count, rows = h->sweep->axes[h->y].count;
    double scale = shown == SHOWN_BAD_REQUESTS ? largest(h, shown) : 1;
    char name[32];

    snprintf(name, sizeof name, "cells%d.dat", h->panels);
    struct strbuf *b = drawing_file(&h->d, name);
    strbuf_adds(b, "# column row value color text-color label\n");
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < columns; x++) {
            double v = value_at(h, x, y, shown);
            if (isnan(v))
                continue;
            /* The root shows small chances, which matter most. */
            double share = scale > 0 ? sqrt(v / scale) : 0;
            strbuf_addf(b, "%zu %zu ", x, y);
            add_rounded(b, v);
            strbuf_addf(b, " 0x%06x %s ", (unsigned)color_at(share),
                        share > 0.62 ? "0xffffff" : "0x1f2328");
            if (h->labelled)
                add_cell_text(b, shown, v);
            else
                strbuf_adds(b, "\"\"");
            strbuf_addc(b, '\n');
        }
}

/* What the colours mean, where no figures say it: a strip from the least to the most. */
static void add_scale(struct heatmap *h, enum shown shown)
{
    static const double shares[] = {0, 0.1, 0.25, 0.5, 1};
    double scale = shown == SHOWN_BAD_REQUESTS ? largest(h, shown) : 1;
    char name[32];

    snprintf(name, sizeof name, "scale%d.dat", h->panels);
    struct strbuf *b = drawing_file(&h->d, name);
    strbuf_adds(b, "# from to color\n");
    for (int i = 0; i < 50; i++)
        strbuf_addf(b, "%.2f %.2f 0x%06x\n", i / 50.0, (i + 1) / 50.0,
                    (unsigned)color_at((i + 0.5) / 50));
    snprintf(name, sizeof name, "marks%d.dat", h->panels);
    b = drawing_file(&h->d, name);
    strbuf_adds(b, "# place value\n");
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        add_rounded(b, sqrt(shares[i]));
        strbuf_addc(b, ' ');
        add_cell_text(b, shown, shares[i] * scale);
        strbuf_addc(b, '\n');
    }
}

static void add_panel(struct heatmap *h, enum shown shown, const char *what)
{
    const struct sweep_data *s = h->sweep;
    struct strbuf text = STRBUF_INIT;

    h->panels++;
    strbuf_adds(&text, what);
    if (h->x != s->error_axis && h->y != s->error_axis) {
        double rate = 0;
        for (size_t i = 0; i < s->point_count; i++)
            if (s->points[i].place[s->error_axis] == h->place[s->error_axis])
                rate = s->points[i].error_rate;
        strbuf_adds(&text, " (");
        sweep_add_percent(&text, rate);
        strbuf_adds(&text, " errors)");
    }
    strbuf_addf(&h->d.script, "name[%d] = ", h->panels);
    add_quoted(&h->d.script, strbuf_str(&text));
    strbuf_addc(&h->d.script, '\n');
    add_cells(h, shown);
    if (!h->labelled)
        add_scale(h, shown);
    strbuf_release(&text);
}

static void add_panels(struct heatmap *h)
{
    const struct sweep_data *s = h->sweep;
    size_t healthy = sweep_hardest(s, h->choice, false), bad = sweep_hardest(s, h->choice, true);

    if (h->x == s->error_axis || h->y == s->error_axis) {
        add_panel(h, SHOWN_ROLLBACK, "P(rollback)");
        return;
    }
    if (healthy != SWEEP_NONE) {
        h->place[s->error_axis] = healthy;
        add_panel(h, SHOWN_FALSE_ROLLBACK, "P(false rollback)");
    }
    if (bad != SWEEP_NONE) {
        h->place[s->error_axis] = bad;
        add_panel(h, SHOWN_MISS, "P(miss)");
        add_panel(h, SHOWN_BAD_REQUESTS, "failed requests");
    }
}

static void add_name(struct strbuf *b, const char *name, size_t max)
{
    struct strbuf text = STRBUF_INIT;

    if (strlen(name) <= max) {
        add_tic_label(b, name);
        return;
    }
    strbuf_add(&text, name, max - 1);
    strbuf_adds(&text, "…");
    add_tic_label(b, strbuf_str(&text));
    strbuf_release(&text);
}

/* Names of columns and rows; every k-th where they would run into each other. */
static void add_names(struct heatmap *h, const char *variable, const struct sweep_axis *a, int room,
                      bool upright)
{
    struct strbuf *b = &h->d.script;
    size_t longest = 1, skip = 1;

    for (size_t i = 0; i < a->count; i++)
        longest = strlen(a->values[i]) > longest ? strlen(a->values[i]) : longest;
    double need = upright ? 17 : (double)(longest * CHAR_WIDTH + 8);
    /* Long ones are cut instead, for each of them says something else. */
    size_t room_each = upright ? NAME_MAX_Y : (size_t)room / a->count / CHAR_WIDTH;
    bool cut = longest > (upright ? NAME_MAX_Y : 6) && longest > room_each && room_each >= 4;
    if (cut)
        need = 0;
    while ((double)room / (double)a->count * (double)skip < need && skip < a->count)
        skip++;
    strbuf_addf(b, "%s_count = %zu\nset %stics (", variable, a->count, variable);
    for (size_t i = 0; i < a->count; i += skip) {
        strbuf_adds(b, i ? ", " : "");
        add_name(b, a->values[i], cut ? room_each : longest);
        strbuf_addf(b, " %zu", i);
    }
    strbuf_adds(b, ")\n");
}

static void add_header(struct heatmap *h)
{
    struct strbuf text = STRBUF_INIT;

    add_text_variable(&h->d.script, "title", h->d.style.bare ? "" : "Which settings err, and how?");
    strbuf_adds(&text, h->sweep->canary);
    sweep_add_held(&text, h->sweep, h->place, h->x, h->y);
    strbuf_adds(&text, "; lighter is better");
    add_text_variable(&h->d.script, "subtitle", strbuf_str(&text));
    add_text_variable(&h->d.script, "x_title", sweep_axis_label(&h->sweep->axes[h->x]));
    add_text_variable(&h->d.script, "y_title", sweep_axis_label(&h->sweep->axes[h->y]));
    strbuf_release(&text);
}

/* How many panels there will be, to know how wide each is. */
static int count_panels(const struct heatmap *h)
{
    const struct sweep_data *s = h->sweep;

    if (h->x == s->error_axis || h->y == s->error_axis)
        return 1;
    return (sweep_hardest(s, h->choice, false) != SWEEP_NONE) +
           2 * (sweep_hardest(s, h->choice, true) != SWEEP_NONE);
}

static int draw(struct heatmap *h)
{
    size_t rows = h->sweep->axes[h->y].count, longest = 1;
    int count = count_panels(h), left, below, top = h->d.style.bare ? 58 : 140;

    for (size_t i = 0; i < rows; i++) {
        size_t len = strlen(h->sweep->axes[h->y].values[i]);
        longest = len > longest ? len : longest;
    }
    left = 24 + (int)(longest < NAME_MAX_Y ? longest : NAME_MAX_Y) * CHAR_WIDTH;
    int columns = h->narrow ? 1 : count;
    h->panel_width = (h->d.style.width - 40) / columns - left - 16;
    h->panel_height = rows * 40 < 160 ? 160 : rows * 40 > 480 ? 480 : (int)rows * 40;
    h->labelled = h->panel_width / (int)h->sweep->axes[h->x].count >= LABEL_WIDTH &&
                  h->panel_height / (int)rows >= LABEL_HEIGHT;
    strbuf_addf(&h->d.script, "labelled = %d\n", h->labelled);
    for (size_t i = 0; i < h->sweep->axis_count; i++)
        h->place[i] = sweep_held(h->sweep, h->choice, i);
    strbuf_addf(&h->d.script, "narrow = %d\nleft = %d.0\ntop = %d.0\n", h->narrow, left, top);
    strbuf_addf(&h->d.script, "panel_width = %d.0\npanel_height = %d.0\n", h->panel_width,
                h->panel_height);
    strbuf_addf(&h->d.script, "array name[%d]\n", PANELS_MAX);
    add_panels(h);
    strbuf_addf(&h->d.script, "panels = %d\n", h->panels);
    add_header(h);
    add_names(h, "x", &h->sweep->axes[h->x], h->panel_width, false);
    add_names(h, "y", &h->sweep->axes[h->y], h->panel_height, true);
    below = h->labelled ? 104 : 144;
    strbuf_addf(&h->d.script, "below = %d.0\n", below);
    return top + (h->narrow ? count : 1) * (h->panel_height + below) - 36;
}

int picture_heatmap(sqlite3 *db, const struct sweep_data *sweep, const struct sweep_choice *choice,
                    const struct picture_style *style, struct picture *ret_picture, char *reterr,
                    size_t reterr_size)
{
    struct heatmap h = {.sweep = sweep, .choice = choice};
    int height = 400;

    drawing_begin(&h.d, db, ret_picture, style, reterr, reterr_size);
    if (h.d.style.width == 0)
        h.d.style.width = PICTURE_WIDTH_SWEEP;
    h.narrow = h.d.style.width < PICTURE_WIDTH_SWEEP / 2;
    if (choose_axes(&h))
        height = draw(&h);
    return drawing_end(&h.d, height, heatmap_gp);
}
