/* Numbers and durations against what Go printed and parsed (tests/conformance/go-formats.jsonl). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "engine/num.h"
#include "engine/text.h"

static char line[8192];

static void float_prints_and_reads(const cJSON *record)
{
    uint64_t bits = strtoull(json_str(record, "bits"), NULL, 16);
    char buffer[512];
    struct text t;
    double value, back = 0;

    memcpy(&value, &bits, sizeof value);
    text_init(&t, buffer, sizeof buffer);
    text_add_float(&t, value);
    ck_assert_str_eq(buffer, json_str(record, "%v"));
    if (num_is_finite(value)) {
        ck_assert(num_parse(buffer, t.len, &back));
        ck_assert_int_eq(memcmp(&back, &value, sizeof back), 0);
    }
    text_init(&t, buffer, sizeof buffer);
    text_add_fixed2(&t, value);
    ck_assert_str_eq(buffer, json_str(record, "%.2f"));
}

static bool recorded_ns(const cJSON *record, int64_t *ret_ns)
{
    const char *text = json_str(record, "ns");

    return num_parse_int(text, strlen(text), ret_ns);
}

static void duration_prints(const cJSON *record)
{
    char buffer[64];
    struct text t;
    int64_t ns = 0;

    ck_assert(recorded_ns(record, &ns));
    text_init(&t, buffer, sizeof buffer);
    text_add_duration(&t, ns);
    ck_assert_str_eq(buffer, json_str(record, "text"));
}

static void duration_reads(const cJSON *record)
{
    const char *in = json_str(record, "in"), *error = json_str(record, "error"), *unit;
    char buffer[256];
    struct text t;
    size_t unit_len;
    int64_t ns = 0, want = 0;
    enum duration_error e = duration_parse(in, strlen(in), &ns, &unit, &unit_len);

    text_init(&t, buffer, sizeof buffer);
    duration_error_text(&t, e, in, strlen(in), unit, unit_len);
    if (error) {
        ck_assert_str_eq(buffer, error);
        return;
    }
    ck_assert_msg(e == DURATION_OK, "%s: %s", in, buffer);
    ck_assert(recorded_ns(record, &want));
    ck_assert_int_eq(ns, want);
}

START_TEST(every_recorded_format_is_reproduced)
{
    FILE *f = fopen("tests/conformance/go-formats.jsonl", "r");
    int floats = 0, durations = 0, inputs = 0;

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        cJSON *record = json_parse(line, strlen(line), NULL);
        ck_assert_ptr_nonnull(record);
        if (json_get(record, "bits")) {
            float_prints_and_reads(record);
            floats++;
        } else if (json_get(record, "text")) {
            duration_prints(record);
            durations++;
        } else {
            duration_reads(record);
            inputs++;
        }
        json_free(record);
    }
    fclose(f);
    ck_assert_int_eq(floats, 428);
    ck_assert_int_eq(durations, 300);
    ck_assert_int_eq(inputs, 34);
}
END_TEST

START_TEST(shortest_digits_read_back_and_no_shorter_ones_do)
{
    uint64_t state = 88172645463325252u;

    for (int i = 0; i < 20000; i++) {
        char buffer[64], shorter[64];
        struct text t;
        double value, back;
        int digits = 1;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(&value, &state, sizeof value);
        if (i % 2 == 0)
            value = (double)(state >> 11) / 9007199254740992.0 * 100;
        if (!num_is_finite(value))
            continue;
        text_init(&t, buffer, sizeof buffer);
        text_add_float(&t, value);
        ck_assert(num_parse(buffer, t.len, &back));
        ck_assert_msg(back == value, "%s", buffer);
        while (snprintf(shorter, sizeof shorter, "%.*e", digits - 1, value),
               strtod(shorter, NULL) != value)
            digits++;
        text_init(&t, shorter, sizeof shorter);
        for (const char *c = buffer; *c && *c != 'e'; c++) {
            if (*c >= '0' && *c <= '9' && (t.len > 0 || *c != '0'))
                text_addc(&t, *c);
        }
        ck_assert_msg((int)t.len <= digits, "%s has more than %d digits", buffer, digits);
    }
}
END_TEST

START_TEST(bytes_beyond_ascii_are_numbers_in_the_error_of_a_duration)
{
    static const char in[] = "+\xce\xbcs\n\"";
    char buffer[128];
    struct text t;

    text_init(&t, buffer, sizeof buffer);
    duration_error_text(&t, DURATION_INVALID, in, sizeof in - 1, "", 0);
    ck_assert_str_eq(buffer, "time: invalid duration \"+\\xce\\xbcs\\x0a\\\"\"");
}
END_TEST

START_TEST(text_is_cut_at_the_end_of_its_buffer)
{
    char buffer[8];
    struct text t;

    text_init(&t, buffer, sizeof buffer);
    text_adds(&t, "four");
    ck_assert(!t.cut);
    text_adds(&t, "teen eggs");
    ck_assert(t.cut);
    ck_assert_str_eq(buffer, "fourtee");
    ck_assert_uint_eq(t.len, 13);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("num");
    TCase *tc = tcase_create("num");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, every_recorded_format_is_reproduced);
    tcase_add_test(tc, shortest_digits_read_back_and_no_shorter_ones_do);
    tcase_add_test(tc, bytes_beyond_ascii_are_numbers_in_the_error_of_a_duration);
    tcase_add_test(tc, text_is_cut_at_the_end_of_its_buffer);
    suite_add_tcase(s, tc);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
