/*
 * adapters/store/drawing.h — what the pictures share: queries, texts that gnuplot takes for texts,
 * the terminal. Internal to adapters/store.
 */
#ifndef COALMINE_STORE_DRAWING_H
#define COALMINE_STORE_DRAWING_H

#include <sqlite3.h>
#include <stdbool.h>

#include "adapters/store/picture.h"

/* A point that no picture shows: gnuplot crashes on labels without any point to stand at. */
#define NOWHERE "-1e+09"

#define CHAR_WIDTH 9 /* of the labels, about */

struct drawing {
    sqlite3 *db;
    int64_t keys[2]; /* run and Canary, or sweep and cell: ?1 and ?2 of every query */
    struct picture *picture;
    struct picture_style style;
    struct strbuf script; /* the variables in front of the fixed script */
    int failed;
    char *reterr;
    size_t reterr_size;
};

/* A statement with ?1 and ?2 bound to the keys, or NULL with the failure kept. */
sqlite3_stmt *drawing_query(struct drawing *d, const char *sql);
bool drawing_next(struct drawing *d, sqlite3_stmt *st);
/* The first column of the first row, or `otherwise`. */
double drawing_number(struct drawing *d, const char *sql, double otherwise);
void drawing_fail(struct drawing *d, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *column_text(sqlite3_stmt *st, int i); /* "" for NULL */
bool column_finite(sqlite3_stmt *st, int i);

/* A number as Go prints it. */
void add_number(struct strbuf *b, double value);
/* To six digits: 0.07 * 100 is no 7. */
void add_rounded(struct strbuf *b, double value);
/* A column as such a number; "NaN" is a gap. */
void add_column(struct strbuf *b, sqlite3_stmt *st, int i);
/*
 * A string of a script: in single quotes, where gnuplot substitutes nothing; a quote in it
 * becomes a typographic one, for gnuplot reads some doubled ones as an end. Control characters
 * become blanks.
 */
void add_quoted(struct strbuf *b, const char *text);
/* The same for the label of a tic, which gnuplot takes for a format. */
void add_tic_label(struct strbuf *b, const char *text);
/* "name = 'text'" and "name = 1.5" on lines of their own. */
void add_text_variable(struct strbuf *b, const char *name, const char *text);
void add_number_variable(struct strbuf *b, const char *name, double value);
/* A string of a data file: gnuplot knows no escape there. */
void add_data_string(struct strbuf *b, const char *text, size_t len);
void add_duration_text(struct strbuf *b, double seconds);
/* Seconds between two marks of a time axis of `span_s`, at most `marks` of them. */
int time_step(double span_s, int marks);
/* 1, 2 or 5 times a power of ten, about `span` / 4. */
double tick_step(double span);

/* A new file of the picture; the first is the script. */
struct strbuf *drawing_file(struct drawing *d, const char *name);
/* Begin with the script file; then end with the fixed part of it and the picture's height. */
void drawing_begin(struct drawing *d, sqlite3 *db, struct picture *picture,
                   const struct picture_style *style, char *reterr, size_t reterr_size);
int drawing_end(struct drawing *d, int height, const char *fixed);

#endif
