#include "adapters/store/drawing.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/num.h"
#include "engine/text.h"

/* ---- queries ---- */

void drawing_fail(struct drawing *d, int error, const char *format, ...)
{
    va_list args;

    if (d->failed)
        return;
    d->failed = error;
    va_start(args, format);
    vsnprintf(d->reterr, d->reterr_size, format, args);
    va_end(args);
}

sqlite3_stmt *drawing_query(struct drawing *d, const char *sql)
{
    sqlite3_stmt *st = NULL;

    if (d->failed)
        return NULL;
    if (sqlite3_prepare_v2(d->db, sql, -1, &st, NULL) != SQLITE_OK) {
        drawing_fail(d, -EIO, "%s", sqlite3_errmsg(d->db));
        return NULL;
    }
    for (int i = 0; i < 2 && i < sqlite3_bind_parameter_count(st); i++)
        sqlite3_bind_int64(st, i + 1, d->keys[i]);
    return st;
}

bool drawing_next(struct drawing *d, sqlite3_stmt *st)
{
    int rc;

    if (!st)
        return false;
    rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        drawing_fail(d, -EIO, "%s", sqlite3_errmsg(d->db));
    return rc == SQLITE_ROW;
}

double drawing_number(struct drawing *d, const char *sql, double otherwise)
{
    sqlite3_stmt *st = drawing_query(d, sql);
    double value = otherwise;

    if (drawing_next(d, st) && column_finite(st, 0))
        value = sqlite3_column_double(st, 0);
    sqlite3_finalize(st);
    return value;
}

const char *column_text(sqlite3_stmt *st, int i)
{
    const char *text = (const char *)sqlite3_column_text(st, i);
    return text ? text : "";
}

bool column_finite(sqlite3_stmt *st, int i)
{
    return sqlite3_column_type(st, i) != SQLITE_NULL && num_is_finite(sqlite3_column_double(st, i));
}

/* ---- texts for gnuplot ---- */

void add_number(struct strbuf *b, double value)
{
    char text[64];
    struct text t;

    text_init(&t, text, sizeof text);
    text_add_float(&t, value);
    strbuf_adds(b, text);
}

void add_rounded(struct strbuf *b, double value)
{
    char text[64];

    if (!num_is_finite(value)) {
        strbuf_adds(b, "NaN");
        return;
    }
    snprintf(text, sizeof text, "%.5e", value);
    num_parse(text, strlen(text), &value);
    add_number(b, value);
}

void add_column(struct strbuf *b, sqlite3_stmt *st, int i)
{
    if (column_finite(st, i))
        add_number(b, sqlite3_column_double(st, i));
    else
        strbuf_adds(b, "NaN");
}

void add_quoted(struct strbuf *b, const char *text)
{
    strbuf_addc(b, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            strbuf_adds(b, "’");
        else
            strbuf_addc(b, (unsigned char)*p < ' ' ? ' ' : *p);
    }
    strbuf_addc(b, '\'');
}

void add_tic_label(struct strbuf *b, const char *text)
{
    struct strbuf doubled = STRBUF_INIT;

    for (const char *p = text; *p; p++)
        strbuf_adds(&doubled, *p == '%' ? "%%" : (const char[]){*p, 0});
    add_quoted(b, strbuf_str(&doubled));
    strbuf_release(&doubled);
}

void add_text_variable(struct strbuf *b, const char *name, const char *text)
{
    strbuf_addf(b, "%s = ", name);
    add_quoted(b, text);
    strbuf_addc(b, '\n');
}

void add_number_variable(struct strbuf *b, const char *name, double value)
{
    strbuf_addf(b, "%s = ", name);
    add_number(b, value);
    strbuf_addc(b, '\n');
}

void add_data_string(struct strbuf *b, const char *text, size_t len)
{
    strbuf_addc(b, '"');
    for (size_t i = 0; i < len && text[i]; i++)
        strbuf_addc(b, text[i] == '"'                                    ? '\''
                       : (unsigned char)text[i] < ' ' || text[i] == '\\' ? ' '
                                                                         : text[i]);
    strbuf_addc(b, '"');
}

void add_duration_text(struct strbuf *b, double seconds)
{
    char text[64];
    struct text t;

    text_init(&t, text, sizeof text);
    text_add_duration(&t, (int64_t)(seconds * 1000) * 1000000);
    strbuf_adds(b, text);
}

int time_step(double span_s, int marks)
{
    static const int steps[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400};
    int step = steps[sizeof steps / sizeof *steps - 1];

    for (size_t i = sizeof steps / sizeof *steps; i-- > 0;)
        if (span_s / steps[i] <= marks)
            step = steps[i];
    return step;
}

double tick_step(double span)
{
    double step = 1;

    while (step * 4 > span * 1.5 && step > 1e-9)
        step /= 10;
    while (step * 10 * 4 <= span * 1.5 && step < 1e12)
        step *= 10;
    if (span / step > 12)
        return step * 5;
    return span / step > 6 ? step * 2 : step;
}

/* ---- files ---- */

struct strbuf *drawing_file(struct drawing *d, const char *name)
{
    struct picture_file *f = &d->picture->files[d->picture->file_count++];

    snprintf(f->name, sizeof f->name, "%s", name);
    return &f->text;
}

void drawing_begin(struct drawing *d, sqlite3 *db, struct picture *picture,
                   const struct picture_style *style, char *reterr, size_t reterr_size)
{
    *picture = (struct picture){.file_count = 0};
    *d = (struct drawing){.db = db,
                          .picture = picture,
                          .style = *style,
                          .script = STRBUF_INIT,
                          .reterr = reterr,
                          .reterr_size = reterr_size};
    if (reterr_size > 0)
        reterr[0] = 0;
    drawing_file(d, "picture.gp");
}

static void add_terminal(struct strbuf *b, const struct picture_style *style, int height)
{
    int width = style->width;
    bool svg = style->format == PICTURE_SVG, pdf = style->format == PICTURE_PDF;

    switch (style->format) {
    case PICTURE_PNG:
        strbuf_addf(b,
                    "set terminal pngcairo noenhanced size %d,%d background '#ffffff' font 'DejaVu "
                    "Sans,11'\n",
                    width, height);
        break;
    case PICTURE_SVG:
        strbuf_addf(b,
                    "set terminal svg noenhanced size %d,%d dynamic background '#ffffff' font "
                    "'DejaVu Sans,14'\n",
                    width, height);
        break;
    case PICTURE_PDF:
        strbuf_addf(b,
                    "set terminal pdfcairo noenhanced size %d.%02din,%d.%02din background "
                    "'#ffffff' font 'DejaVu Sans,10.5' linewidth 0.8\n",
                    width / 125, width * 100 / 125 % 100, height / 125, height * 100 / 125 % 100);
        break;
    }
    strbuf_addf(b,
                "font_title = 'DejaVu Sans Bold,%s'\nfont_bold = 'DejaVu Sans Bold,%s'\n"
                "font_small = 'DejaVu Sans,%s'\n",
                svg   ? "21"
                : pdf ? "16"
                      : "17",
                svg   ? "15"
                : pdf ? "11"
                      : "12",
                svg   ? "12"
                : pdf ? "9"
                      : "9.5");
    /* points of the SVG terminal are larger than those of the others */
    strbuf_addf(b, "mark = %s\n", !svg ? "1" : width < PICTURE_WIDTH / 2 ? "0.6" : "0.75");
    strbuf_adds(b, "set output ");
    add_quoted(b, style->output);
    strbuf_addf(b, "\nwidth = %d.0\nheight = %d.0\n", width, height);
}

int drawing_end(struct drawing *d, int height, const char *fixed)
{
    struct strbuf *whole = &d->picture->files[0].text;

    add_terminal(whole, &d->style, height);
    strbuf_adds(whole, strbuf_str(&d->script));
    strbuf_adds(whole, fixed);
    if (d->script.failed)
        drawing_fail(d, -ENOMEM, "out of memory");
    strbuf_release(&d->script);
    for (size_t i = 0; i < d->picture->file_count; i++)
        if (d->picture->files[i].text.failed)
            drawing_fail(d, -ENOMEM, "out of memory");
    if (d->failed)
        picture_release(d->picture);
    return d->failed;
}

void picture_release(struct picture *p)
{
    for (size_t i = 0; i < p->file_count; i++)
        strbuf_release(&p->files[i].text);
    p->file_count = 0;
}
