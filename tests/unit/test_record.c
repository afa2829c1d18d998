#include "sim/record.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(rows_keep_their_order_and_their_own_texts)
{
    struct record r;
    struct sink sink;
    char text[32];

    record_init(&r);
    sink = record_sink(&r, false);
    for (int i = 0; i < 1000; i++) {
        struct row row = {.kind = ROW_WORLD, .at_ms = i, .text = text};

        row.text_len = (uint32_t)snprintf(text, sizeof text, "deploy v%d", i);
        sink.put(sink.self, &row);
    }
    memset(text, 'x', sizeof text);
    ck_assert_uint_eq(r.count, 1000);
    ck_assert(!r.failed);
    ck_assert_int_eq(r.rows[0].at_ms, 0);
    ck_assert_str_eq(r.rows[0].text, "deploy v0");
    ck_assert_int_eq(r.rows[999].at_ms, 999);
    ck_assert_str_eq(r.rows[999].text, "deploy v999");
    record_release(&r);
}
END_TEST

START_TEST(a_note_is_copied_with_its_texts)
{
    struct record r;
    char text[] = "boom", subject[] = "vault";
    struct row row = {.kind = ROW_EVENT};

    row.u.note = (struct note){
        .kind = NOTE_EVENT, .id = EVENT_RAW, .text = text, .text_len = 4, .subject = subject};
    record_init(&r);
    record_put(&r, &row);
    memset(text, 'x', 4);
    memset(subject, 'x', 5);
    ck_assert_str_eq(r.rows[0].u.note.text, "boom");
    ck_assert_str_eq(r.rows[0].u.note.subject, "vault");
    ck_assert_ptr_eq(r.rows[0].text, r.rows[0].u.note.text);
    record_release(&r);
}
END_TEST

START_TEST(an_ask_is_copied_with_its_answer)
{
    struct record r;
    struct ask ask = {.id = 7, .kind = ASK_METRIC};
    double samples[] = {1, 2, 3};
    struct status status = {.failed_checks = 4};
    struct answer answer = {.id = 7,
                            .value = 99.5,
                            .canary_samples = samples,
                            .canary_sample_count = 3,
                            .status = &status};
    struct row row = {.kind = ROW_ASK};

    row.u.ask.ask = &ask;
    row.u.ask.answer = &answer;
    record_init(&r);
    record_put(&r, &row);
    ask.id = 0;
    answer.value = 0;
    samples[2] = 0;
    status.failed_checks = 0;
    ck_assert_uint_eq(r.rows[0].u.ask.ask->id, 7);
    ck_assert_double_eq(r.rows[0].u.ask.answer->value, 99.5);
    ck_assert_double_eq(r.rows[0].u.ask.answer->canary_samples[2], 3);
    ck_assert_int_eq(r.rows[0].u.ask.answer->status->failed_checks, 4);
    record_release(&r);
}
END_TEST

START_TEST(a_cleared_record_is_empty_and_can_be_filled_again)
{
    struct record r;
    struct row row = {.kind = ROW_WORLD, .text = "deploy v2", .text_len = 9};

    record_init(&r);
    for (int i = 0; i < 2000; i++)
        record_put(&r, &row);
    record_clear(&r);
    ck_assert_uint_eq(r.count, 0);
    record_put(&r, &row);
    ck_assert_uint_eq(r.count, 1);
    ck_assert_str_eq(r.rows[0].text, "deploy v2");
    record_release(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("record");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, rows_keep_their_order_and_their_own_texts);
    tcase_add_test(tc, a_note_is_copied_with_its_texts);
    tcase_add_test(tc, an_ask_is_copied_with_its_answer);
    tcase_add_test(tc, a_cleared_record_is_empty_and_can_be_filled_again);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
