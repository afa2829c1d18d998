/*
 * adapters/store/page.h — one self-contained HTML page of a run or of a sweep.
 *
 * It asks the network for nothing: pictures stand in it as data, there is no script, and its own
 * policy forbids both. The words stand in reports/page-run.html and reports/page-sweep.html.
 */
#ifndef COALMINE_STORE_PAGE_H
#define COALMINE_STORE_PAGE_H

#include "adapters/store/picture.h"

/* Who draws: the SVG of a picture that was made with PICTURE_SVG and output page_output. */
struct page_artist {
    int (*draw)(void *self, const struct picture *p, struct strbuf *ret_svg); /* 0, or what page_*
                                                                                 returns */
    void *self;
    const char *output;
};

/*
 * Append the page to `out`. 0; -ENOENT or -EIO with the reason in `reterr`; -ENOMEM; or what the
 * artist returned, which is above 0.
 */
int page_run(struct strbuf *out, struct sqlite3 *db, int64_t run, int64_t canary,
             const struct page_artist *artist, char *reterr, size_t reterr_size);
int page_sweep(struct strbuf *out, struct sqlite3 *db, const struct sweep_data *sweep,
               const struct sweep_choice *choice, const struct page_artist *artist, char *reterr,
               size_t reterr_size);

/* ---- for the pages themselves */

/* Text between tags and in double-quoted attributes; what is no UTF-8 becomes U+FFFD. */
void html_add(struct strbuf *out, const char *text);
void base64_add(struct strbuf *out, const char *bytes, size_t len);

#endif
