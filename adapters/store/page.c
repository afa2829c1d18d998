#include "adapters/store/page_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/num.h"
#include "engine/text.h"
#include "reports/page.html.h"

/* ---- bytes ---- */

/* Length of the UTF-8 sequence at `p`, 0 when it is none that may stand in HTML. */
static size_t sequence(const unsigned char *p)
{
    size_t len = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

    if (len == 1)
        return *p >= ' ' || *p == '\n' || *p == '\t' ? (size_t)(*p != 0x7f) : 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f) ||
        (p[0] == 0xc2 && p[1] < 0xa0))
        return 0;
    return len;
}

void html_add(struct strbuf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t len = sequence(p);

        if (*p == '&')
            strbuf_adds(out, "&amp;");
        else if (*p == '<')
            strbuf_adds(out, "&lt;");
        else if (*p == '>')
            strbuf_adds(out, "&gt;");
        else if (*p == '"')
            strbuf_adds(out, "&quot;");
        else if (*p == '\'')
            strbuf_adds(out, "&#39;");
        else if (len > 0)
            strbuf_add(out, (const char *)p, len);
        else
            strbuf_adds(out, "\xef\xbf\xbd");
        p += len > 0 ? len : 1;
    }
}

void base64_add(struct strbuf *out, const char *bytes, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        unsigned long v = 0;
        char four[4];
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (i + k < len ? (unsigned char)bytes[i + k] : 0);
        for (int k = 0; k < 4; k++)
            four[k] = letters[v >> (18 - 6 * k) & 63];
        if (i + 1 >= len)
            four[2] = '=';
        if (i + 2 >= len)
            four[3] = '=';
        strbuf_add(out, four, 4);
    }
}

/* ---- templates ---- */

struct strbuf *page_slot(struct page *p, const char *name)
{
    struct page_slot *s = &p->slots[p->slot_count++];

    s->name = name;
    return &s->text;
}

static const struct strbuf *slot_of(const struct page *p, const char *name, size_t len)
{
    for (size_t i = 0; i < p->slot_count; i++)
        if (strlen(p->slots[i].name) == len && memcmp(p->slots[i].name, name, len) == 0)
            return &p->slots[i].text;
    return NULL;
}

/* Behind `{{/name}}`; sections do not stand in each other. */
static const char *skip_section(const char *text, const char *name, size_t len)
{
    for (const char *p = text; (p = strstr(p, "{{/")); p++)
        if (strncmp(p + 3, name, len) == 0 && strncmp(p + 3 + len, "}}", 2) == 0)
            return p + 3 + len + 2;
    return text + strlen(text);
}

/* `{{x}}` is slot x; what stands between `{{?x}}` and `{{/x}}` is left out where slot x is empty.
 */
static void fill(struct strbuf *out, const struct page *p, const char *template)
{
    const char *open, *close;

    while ((open = strstr(template, "{{")) && (close = strstr(open, "}}"))) {
        const char *name = open + 2;
        char kind = *name == '?' || *name == '/' ? *name++ : 0;
        size_t len = (size_t)(close - name);
        const struct strbuf *slot = slot_of(p, name, len);

        strbuf_add(out, template, (size_t)(open - template));
        template = close + 2;
        if (kind == 0 && slot)
            strbuf_add(out, strbuf_str(slot), slot->len);
        else if (kind == '?' && (!slot || slot->len == 0))
            template = skip_section(template, name, len);
    }
    strbuf_adds(out, template);
}

void page_begin(struct page *p, sqlite3 *db, const struct page_artist *artist, char *reterr,
                size_t reterr_size)
{
    memset(p, 0, sizeof *p);
    p->artist = artist;
    p->d = (struct drawing){.db = db, .reterr = reterr, .reterr_size = reterr_size};
    if (reterr_size > 0)
        reterr[0] = 0;
}

int page_end(struct page *p, struct strbuf *out, const char *template)
{
    struct strbuf main = STRBUF_INIT;
    int rc = p->rc != 0 ? p->rc : p->d.failed;

    fill(&main, p, template);
    *page_slot(p, "main") = main;
    strbuf_adds(page_slot(p, "version"), COALMINE_VERSION);
    if (rc == 0)
        fill(out, p, page_html);
    for (size_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i].text.failed && rc == 0)
            rc = -ENOMEM;
        strbuf_release(&p->slots[i].text);
    }
    return rc == 0 && out->failed ? -ENOMEM : rc;
}

/* ---- pictures ---- */

/* The fonts of a reader who does not have ours. */
static void add_data_uri(struct strbuf *out, const struct strbuf *svg)
{
    static const char ours[] = "font-family=\"DejaVu Sans";
    static const char others[] = ",Verdana,Helvetica,Arial,sans-serif";
    struct strbuf text = STRBUF_INIT;
    const char *p = strbuf_str(svg), *at;

    while ((at = strstr(p, ours))) {
        size_t len = strcspn(at + sizeof ours - 1, "\"") + sizeof ours - 1;
        strbuf_add(&text, p, (size_t)(at - p) + len);
        strbuf_adds(&text, others);
        p = at + len;
    }
    strbuf_adds(&text, p);
    strbuf_adds(out, "data:image/svg+xml;base64,");
    base64_add(out, strbuf_str(&text), text.len);
    if (text.failed)
        out->failed = true;
    strbuf_release(&text);
}

/* Draw in one width; false when there is nothing to show, or it failed. */
static bool draw(struct page *p, page_drawing *drawing, const void *of, int width,
                 struct strbuf *out)
{
    struct picture_style style = {
        .format = PICTURE_SVG, .output = p->artist->output, .width = width, .bare = true};
    struct strbuf svg = STRBUF_INIT;
    struct picture picture;
    char error[512];
    int rc;

    if (p->rc != 0 || p->d.failed)
        return false;
    rc = drawing(p->d.db, of, &style, &picture, error, sizeof error);
    if (rc == -ENOENT)
        return false; /* a part of the page that this database has nothing for */
    if (rc == 0) {
        rc = p->artist->draw(p->artist->self, &picture, &svg);
        picture_release(&picture);
    } else {
        drawing_fail(&p->d, rc, "%s", error);
    }
    if (rc == 0)
        add_data_uri(out, &svg);
    strbuf_release(&svg);
    p->rc = rc;
    return rc == 0;
}

void page_figure(struct page *p, struct strbuf *out, page_drawing *drawing, const void *of,
                 const char *alt, const char *caption)
{
    struct strbuf wide = STRBUF_INIT, narrow = STRBUF_INIT;

    if (draw(p, drawing, of, 0, &wide) && draw(p, drawing, of, PICTURE_WIDTH_PHONE, &narrow)) {
        strbuf_addf(out,
                    "<figure>\n<picture>\n<source media=\"(max-width: 640px)\" srcset=\"%s\">\n",
                    strbuf_str(&narrow));
        strbuf_addf(out, "<img src=\"%s\" alt=\"", strbuf_str(&wide));
        html_add(out, alt);
        strbuf_adds(out, "\">\n</picture>\n<figcaption>");
        html_add(out, caption);
        strbuf_adds(out, "</figcaption>\n</figure>\n");
    }
    if (wide.failed || narrow.failed)
        out->failed = true;
    strbuf_release(&wide);
    strbuf_release(&narrow);
}

/* ---- facts and tables ---- */

void page_fact(struct strbuf *out, const char *name, const char *value)
{
    strbuf_adds(out, "<div><dt>");
    html_add(out, name);
    strbuf_adds(out, "</dt><dd>");
    html_add(out, *value ? value : "–");
    strbuf_adds(out, "</dd></div>\n");
}

void page_add_clock(struct strbuf *out, double seconds)
{
    int64_t s = (int64_t)seconds;

    strbuf_addf(out, "%lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
}

static void add_value(struct page *p, struct strbuf *b, sqlite3_stmt *st, int i,
                      enum page_kind kind)
{
    double value = sqlite3_column_double(st, i);

    if (sqlite3_column_type(st, i) == SQLITE_NULL) {
        strbuf_adds(b, "–");
        return;
    }
    switch (kind) {
    case PAGE_CLOCK:
        page_add_clock(b, value);
        break;
    case PAGE_DURATION:
        add_duration_text(b, value);
        break;
    case PAGE_PERCENT:
        strbuf_addf(b, "%.2f %%", value * 100);
        break;
    case PAGE_NUMBER:
        add_rounded(b, value);
        break;
    case PAGE_SETTINGS:
        p->add_settings(p, b, sqlite3_column_int64(st, i));
        break;
    case PAGE_TEXT:
    case PAGE_WORD:
    default:
        strbuf_adds(b, column_text(st, i));
    }
}

static const char *class_of(enum page_kind kind)
{
    switch (kind) {
    case PAGE_CLOCK:
    case PAGE_WORD:
        return " class=\"clock\"";
    case PAGE_DURATION:
    case PAGE_PERCENT:
    case PAGE_NUMBER:
        return " class=\"number\"";
    case PAGE_TEXT:
    case PAGE_SETTINGS:
    default:
        return "";
    }
}

static void add_head(struct strbuf *out, const struct page_column *columns, int count,
                     const char *caption)
{
    strbuf_addf(out, "<table%s role=\"table\">\n<caption>", count > 3 ? " class=\"cards\"" : "");
    html_add(out, caption);
    strbuf_adds(out, "</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">");
    for (int i = 0; i < count; i++) {
        strbuf_addf(out, "<th scope=\"col\" role=\"columnheader\"%s>", class_of(columns[i].kind));
        html_add(out, columns[i].name);
        strbuf_adds(out, "</th>");
    }
    strbuf_adds(out, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

/* A word that would make a column wider than a page has room for. */
static bool has_long_word(const char *text)
{
    size_t len;

    for (; *text; text += len + (text[len] != 0)) {
        len = strcspn(text, " \n\t");
        if (len > 28)
            return true;
    }
    return false;
}

static void add_cell(struct page *p, struct strbuf *out, sqlite3_stmt *st, int i,
                     const struct page_column *c)
{
    struct strbuf text = STRBUF_INIT;
    const char *class = class_of(c->kind);

    add_value(p, &text, st, i, c->kind);
    if (*class == 0 && has_long_word(strbuf_str(&text)))
        class = " class=\"long\"";
    strbuf_adds(out, "<td role=\"cell\" data-label=\"");
    html_add(out, c->name);
    strbuf_addf(out, "\"%s>", class);
    strbuf_adds(out, "<span>");
    html_add(out, strbuf_str(&text));
    strbuf_adds(out, "</span></td>");
    strbuf_release(&text);
}

void page_table(struct page *p, struct strbuf *out, sqlite3_stmt *st,
                const struct page_column *columns, int count, const char *caption, int limit)
{
    int rows = 0;

    for (; drawing_next(&p->d, st); rows++) {
        if (rows == 0)
            add_head(out, columns, count, caption);
        if (rows >= limit)
            continue;
        strbuf_adds(out, "<tr role=\"row\">");
        for (int i = 0; i < count; i++)
            add_cell(p, out, st, i, &columns[i]);
        strbuf_adds(out, "</tr>\n");
    }
    sqlite3_finalize(st);
    if (rows > 0)
        strbuf_adds(out, "</tbody>\n</table>\n");
    if (rows > limit)
        strbuf_addf(out, "<p class=\"more\">… and %d more in the database.</p>\n", rows - limit);
}
