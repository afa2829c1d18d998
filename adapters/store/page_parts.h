/*
 * adapters/store/page_parts.h — what the pages share: slots of a template, figures, tables.
 * Internal to adapters/store.
 */
#ifndef COALMINE_STORE_PAGE_PARTS_H
#define COALMINE_STORE_PAGE_PARTS_H

#include "adapters/store/drawing.h"
#include "adapters/store/page.h"

#define PAGE_SLOTS_MAX 24

struct page {
    struct drawing d; /* for its queries; the keys are run and Canary, or sweep */
    const struct page_artist *artist;
    struct page_slot {
        const char *name;
        struct strbuf text; /* HTML */
    } slots[PAGE_SLOTS_MAX];
    size_t slot_count;
    void (*add_settings)(struct page *p, struct strbuf *out, int64_t cell); /* for PAGE_SETTINGS */
    int rc;                                                                 /* of a picture */
};

void page_begin(struct page *p, sqlite3 *db, const struct page_artist *artist, char *reterr,
                size_t reterr_size);
/* A new part of the page, to be filled with HTML. */
struct strbuf *page_slot(struct page *p, const char *name);
/* The template with its slots, inside of reports/page.html. */
int page_end(struct page *p, struct strbuf *out, const char *template);

/* A picture in two widths, with a text for who cannot see it. Nothing where there is none to draw.
 */
typedef int page_drawing(sqlite3 *db, const void *of, const struct picture_style *style,
                         struct picture *ret_picture, char *reterr, size_t reterr_size);
void page_figure(struct page *p, struct strbuf *out, page_drawing *drawing, const void *of,
                 const char *alt, const char *caption);

/* Below, texts are plain: they are escaped here. */
void page_fact(struct strbuf *out, const char *name, const char *value);
void page_add_clock(struct strbuf *out, double seconds); /* h:mm:ss */

enum page_kind {
    PAGE_TEXT,
    PAGE_WORD,     /* a text that is not broken over lines */
    PAGE_CLOCK,    /* seconds as h:mm:ss */
    PAGE_DURATION, /* seconds as 1m30s */
    PAGE_PERCENT,  /* a share */
    PAGE_NUMBER,
    PAGE_SETTINGS, /* a cell of a sweep */
};
struct page_column {
    const char *name;
    enum page_kind kind;
};
/* The rows of a statement, which is finalized; nothing where there is none. */
void page_table(struct page *p, struct strbuf *out, sqlite3_stmt *st,
                const struct page_column *columns, int count, const char *caption, int limit);

#endif
