/* The data behind a picture: figures of the run, and no text that gnuplot would take for a command.
 */
#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/store/page.h"
#include "adapters/store/picture.h"
#include "adapters/store/store.h"

static const struct metric_spec metric = {
    .name = "it's `touch x`\n", .interval = "1m", .has_range = true, .range = {true, false, 99, 0}};
static const struct spec spec = {
    .name = "podinfo",
    .ns = "test",
    .target_name = "podinfo",
    .target_kind_name = "Deployment",
    .provider = "istio",
    .analysis = {.present = true,
                 .interval_ms = 60000,
                 .threshold = 5,
                 .step_weight = 10,
                 .metrics = &metric,
                 .metric_count = 1},
};
static const struct run_info info = {
    .name = "bad", .title = "it's `touch y`", .profile = "default", .epoch_ms = 1000};

static void put(const struct sink *sink, enum row_kind kind, ms_t at_ms, struct row row)
{
    row.kind = (uint8_t)kind;
    row.rollout = row.tick = 1;
    row.at_ms = info.epoch_ms + at_ms;
    row.spec = &spec;
    row.text_len = row.text ? (uint32_t)strlen(row.text) : 0;
    sink->put(sink->self, &row);
}

static void put_check(const struct sink *sink, ms_t at_ms, enum check_verdict verdict, double value)
{
    put(sink, ROW_CHECK, at_ms,
        (struct row){.u.check = {.metric = METRIC_TEMPLATE,
                                 .verdict = (uint8_t)verdict,
                                 .event = EVENT_COUNT,
                                 .has_value = verdict != VERDICT_NO_VALUE,
                                 .value = value,
                                 .has_min = true,
                                 .min = 99}});
}

/* A rollout of four minutes: 10 %, a good check, two bad ones and one without values, back. */
static sqlite3 *make_database(void)
{
    char path[] = "/tmp/coalmine-picture-XXXXXX", error[256] = "";
    struct store *s = NULL;
    sqlite3 *db = NULL;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(store_open(path, STORE_REPLACE, &s, error, sizeof error), 0);
    struct sink sink = store_sink(s, false);
    store_begin_run(s, &info, NULL);
    put(&sink, ROW_CANARY, 0, (struct row){0});
    put(&sink, ROW_WORLD, 0, (struct row){.text = "deploy \"v2\" `touch z`"});
    put(&sink, ROW_ROLLOUT, 0, (struct row){.text = "v2"});
    put(&sink, ROW_ROUTES, 60000, (struct row){.u.routes = {90, 10, false, OUTCOME_OK}});
    put_check(&sink, 120000, VERDICT_PASS, 99.9);
    put_check(&sink, 180000, VERDICT_FAIL, 97.125);
    put_check(&sink, 240000, VERDICT_FAIL, 97.5);
    put_check(&sink, 300000, VERDICT_NO_VALUE, 0);
    put(&sink, ROW_ROUTES, 300000, (struct row){.u.routes = {100, 0, false, OUTCOME_OK}});
    put(&sink, ROW_STATUS, 300000, (struct row){.u.status = {.after = {.phase = PHASE_FAILED}}});
    put(&sink, ROW_ROLLOUT_END, 300000, (struct row){.u.rollout_end = {ROLLOUT_FAILED}});
    store_end_run(s, info.epoch_ms + 360000);
    ck_assert_int_eq(store_commit(s), 0);
    store_close(s);
    ck_assert_int_eq(store_open_read(path, &db, error, sizeof error), 0);
    unlink(path);
    return db;
}

static const char *file_of(const struct picture *p, const char *name)
{
    for (size_t i = 0; i < p->file_count; i++)
        if (strcmp(p->files[i].name, name) == 0)
            return strbuf_str(&p->files[i].text);
    ck_abort_msg("no file %s", name);
    return "";
}

static struct picture make(sqlite3 *db, enum picture_format format)
{
    const struct picture_style style = {.format = format, .output = "out.png"};
    struct picture p;
    char error[256] = "";

    ck_assert_msg(picture_timeline(db, 1, 0, &style, &p, error, sizeof error) == 0, "%s", error);
    return p;
}

START_TEST(data_are_the_figures_of_the_run)
{
    sqlite3 *db = make_database();
    struct picture p = make(db, PICTURE_PNG);

    ck_assert_str_eq(
        file_of(&p, "traffic.dat"),
        "# seconds canary mirrored\n0 0 0\n60 0 0\n60 10 0\n300 10 0\n300 0 0\n360 0 0\n");
    ck_assert_str_eq(file_of(&p, "steps.dat"),
                     "# seconds height label\n-1e+09 0 \"\"\n60 10 \"10 %\"\n");
    ck_assert_str_eq(
        file_of(&p, "metric1.dat"),
        "# seconds value verdict (0 pass, 1 fail, 2 no value or error, 3 wait) label\n-1e+09 0 9 "
        "\"\"\n\n"
        "120 99.9 0 \"\"\n180 97.125 1 \"97.12\"\n240 97.5 1 \"\"\n300 NaN 2 \"no value\"\n");
    ck_assert_str_eq(file_of(&p, "bounds1.dat"),
                     "# seconds min max\nNaN NaN NaN\n0 99 1e+99\n360 99 1e+99\n");
    ck_assert_str_eq(file_of(&p, "phases.dat"),
                     "# from to color label\n-1e+09 -1e+09 0 \"\"\n300 360 0xf5b8b3 \"Failed\"\n");
    ck_assert_ptr_nonnull(
        strstr(file_of(&p, "picture.gp"), "verdict = 'rolled back after 5m0s'\n"));
    picture_release(&p);
    sqlite3_close(db);
}
END_TEST

START_TEST(no_text_becomes_a_command)
{
    sqlite3 *db = make_database();
    struct picture p = make(db, PICTURE_SVG);
    const char *script = file_of(&p, "picture.gp");

    ck_assert_ptr_nonnull(strstr(script, "title = 'it’s `touch y`'\n"));
    ck_assert_ptr_nonnull(strstr(script, "name[1] = 'it’s `touch x` '\n"));
    ck_assert_ptr_nonnull(strstr(file_of(&p, "marks.dat"), " \"deploy 'v2' `touch z`\"\n"));
    picture_release(&p);
    sqlite3_close(db);
}
END_TEST

START_TEST(the_same_run_gives_the_same_bytes)
{
    sqlite3 *db = make_database();
    struct picture a = make(db, PICTURE_PDF), b = make(db, PICTURE_PDF);

    ck_assert_uint_eq(a.file_count, b.file_count);
    for (size_t i = 0; i < a.file_count; i++)
        ck_assert_str_eq(strbuf_str(&a.files[i].text), strbuf_str(&b.files[i].text));
    picture_release(&a);
    picture_release(&b);
    sqlite3_close(db);
}
END_TEST

START_TEST(a_canary_that_is_not_there_is_told)
{
    sqlite3 *db = make_database();
    const struct picture_style style = {.output = "x"};
    struct picture p;
    char error[256] = "";

    ck_assert_int_eq(picture_timeline(db, 1, 7, &style, &p, error, sizeof error), -ENOENT);
    ck_assert_int_eq(picture_timeline(db, 2, 0, &style, &p, error, sizeof error), -ENOENT);
    ck_assert_str_ne(error, "");
    sqlite3_close(db);
}
END_TEST

/* ---- pages ---- */

static void check_html(const char *text, const char *want)
{
    struct strbuf b = STRBUF_INIT;

    html_add(&b, text);
    ck_assert_str_eq(strbuf_str(&b), want);
    strbuf_release(&b);
}

START_TEST(texts_are_escaped)
{
    check_html("", "");
    check_html("a < b && \"c\" > 'd'", "a &lt; b &amp;&amp; &quot;c&quot; &gt; &#39;d&#39;");
    check_html("</script><!-- ü € 😀 -->", "&lt;/script&gt;&lt;!-- ü € 😀 --&gt;");
    /* no UTF-8: a lone byte, an overlong slash, half of a pair, a cut sequence, beyond the end */
    check_html("a\xff"
               "b",
               "a\xef\xbf\xbd"
               "b");
    check_html("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
    check_html("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check_html("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");
    check_html("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check_html("\x1b[1m\x7f\t\n", "\xef\xbf\xbd[1m\xef\xbf\xbd\t\n");
}
END_TEST

START_TEST(base64_is_that_of_rfc_4648)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xff\xfe\xfd", "//79"}};

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct strbuf b = STRBUF_INIT;
        base64_add(&b, pairs[i][0], strlen(pairs[i][0]));
        ck_assert_str_eq(strbuf_str(&b), pairs[i][1]);
        strbuf_release(&b);
    }
}
END_TEST

struct drawn {
    int count, rc;
};

static int draw_nothing(void *self, const struct picture *p, struct strbuf *ret_svg)
{
    struct drawn *d = self;

    ck_assert_str_eq(p->files[0].name, "picture.gp");
    d->count++;
    strbuf_adds(ret_svg, "<svg><text font-family=\"DejaVu Sans\">");
    return d->rc;
}

START_TEST(a_page_tells_the_verdict_and_why)
{
    sqlite3 *db = make_database();
    struct drawn drawn = {0};
    struct page_artist artist = {draw_nothing, &drawn, "picture.svg"};
    struct strbuf page = STRBUF_INIT;
    char error[256] = "";

    ck_assert_msg(page_run(&page, db, 1, 0, &artist, error, sizeof error) == 0, "%s", error);
    const char *html = strbuf_str(&page);
    ck_assert_int_eq(drawn.count, 2); /* wide, and for a phone */
    ck_assert_ptr_nonnull(strstr(
        html,
        "<h1 class=\"bad\">v2 was caught and rolled back after 5m0s, at 10 % of the traffic"));
    ck_assert_ptr_nonnull(strstr(html, "<p>it&#39;s `touch x`\n fell to 97.12 where at least 99 is "
                                       "asked for: 3 of 4 checks failed, the first at 0:03:00 with "
                                       "0 % of the traffic"));
    ck_assert_ptr_nonnull(strstr(html, ">deploy &quot;v2&quot; `touch z`</span>"));
    ck_assert_ptr_nonnull(strstr(html, "<span>no values</span>"));
    /* <svg><text font-family="DejaVu Sans,Verdana,Helvetica,Arial,sans-serif"> */
    ck_assert_ptr_nonnull(
        strstr(html, "base64,PHN2Zz48dGV4dCBmb250LWZhbWlseT0iRGVqYVZ1IFNhbnMsVmVy"));
    ck_assert_ptr_null(strstr(html, "{{"));
    ck_assert_ptr_null(strstr(html, "<h2>Webhooks")); /* there were none */
    strbuf_release(&page);
    drawn.rc = 4; /* what the artist says is what the page says */
    ck_assert_int_eq(page_run(&page, db, 1, 0, &artist, error, sizeof error), 4);
    ck_assert_int_eq(page_run(&page, db, 1, 3, &artist, error, sizeof error), -ENOENT);
    ck_assert_uint_eq(page.len, 0);
    strbuf_release(&page);
    sqlite3_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("picture");
    TCase *tc = tcase_create("picture");

    tcase_add_test(tc, data_are_the_figures_of_the_run);
    tcase_add_test(tc, no_text_becomes_a_command);
    tcase_add_test(tc, the_same_run_gives_the_same_bytes);
    tcase_add_test(tc, a_canary_that_is_not_there_is_told);
    tcase_add_test(tc, texts_are_escaped);
    tcase_add_test(tc, base64_is_that_of_rfc_4648);
    tcase_add_test(tc, a_page_tells_the_verdict_and_why);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
