#include "adapters/scenario/series.h"

#include "engine/num.h"

#include <errno.h>
#include <string.h>

struct series_reader {
    struct arena *arena;
    const char *text;
    size_t len, at;
    struct series_sample *samples;
    size_t count, cap;
    struct series_error *error;
};

static int fail_at(struct series_reader *r, size_t at, const char *what)
{
    r->error->line = 1;
    r->error->col = 1;
    for (size_t i = 0; i < at && i < r->len; i++) {
        r->error->col++;
        if (r->text[i] == '\n') {
            r->error->line++;
            r->error->col = 1;
        }
    }
    r->error->what = what;
    return -EINVAL;
}

static int append(struct series_reader *r, double value, bool present)
{
    if (r->count == SERIES_SAMPLES_MAX)
        return fail_at(r, r->at, "more than 1000000 samples");
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 32;
        struct series_sample *samples = arena_alloc(r->arena, cap * sizeof *samples);

        if (!samples)
            return -ENOMEM;
        if (r->count > 0)
            memcpy(samples, r->samples, r->count * sizeof *samples);
        r->samples = samples;
        r->cap = cap;
    }
    r->samples[r->count++] = (struct series_sample){.value = value, .present = present};
    return 0;
}

static char peek(const struct series_reader *r)
{
    return r->at < r->len ? r->text[r->at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_digits(struct series_reader *r)
{
    while (is_digit(peek(r)))
        r->at++;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool word_is(const char *word, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (!name[i] || lower(word[i]) != name[i])
            return false;
    return name[len] == '\0';
}

/* Whole numbers are read as in Go with base 0: a leading zero means octal where that is possible.
 */
static bool number_value(const char *s, size_t len, double *ret_value)
{
    uint64_t octal = 0;
    size_t i = 0;

    if (len > 1 && s[0] == '0') {
        while (i < len && s[i] >= '0' && s[i] <= '7' && octal < (uint64_t)1 << 60)
            octal = octal * 8 + (uint64_t)(s[i++] - '0');
        if (i == len) {
            *ret_value = (double)octal;
            return true;
        }
    }
    return num_parse(s, len, ret_value);
}

/* NUMBER of the grammar, without a sign: digits, Inf or NaN. */
static int read_number(struct series_reader *r, double *ret_value)
{
    size_t start = r->at;

    if (is_alpha(peek(r))) {
        while (is_alpha(peek(r)) || is_digit(peek(r)) || peek(r) == ':')
            r->at++;
        if (!word_is(r->text + start, r->at - start, "inf") &&
            !word_is(r->text + start, r->at - start, "nan"))
            return fail_at(r, start, "expected a number, _ or stale");
        return num_parse(r->text + start, r->at - start, ret_value)
                   ? 0
                   : fail_at(r, start, "expected a number, _ or stale");
    }
    if (!is_digit(peek(r)) && peek(r) != '.')
        return fail_at(r, start, "expected a number, _ or stale");
    skip_digits(r);
    if (peek(r) == '.') {
        r->at++;
        skip_digits(r);
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        skip_digits(r);
    }
    if (peek(r) != 'x' && (is_alpha(peek(r)) || is_digit(peek(r))))
        return fail_at(r, start, "bad number");
    if (!number_value(r->text + start, r->at - start, ret_value))
        return fail_at(r, start, "bad number");
    return 0;
}

static int read_signed(struct series_reader *r, double *ret_value)
{
    bool negative = peek(r) == '-';
    int rc;

    if (peek(r) == '-' || peek(r) == '+')
        r->at++;
    rc = read_number(r, ret_value);
    if (rc == 0 && negative)
        *ret_value = -*ret_value;
    return rc;
}

/* xN, already at the x. */
static int read_times(struct series_reader *r, uint64_t *ret_times)
{
    size_t start = ++r->at;
    uint64_t n = 0;

    if (!is_digit(peek(r)))
        return fail_at(r, start, "expected a count after x");
    while (is_digit(peek(r))) {
        n = n * 10 + (uint64_t)(peek(r) - '0');
        if (n > SERIES_SAMPLES_MAX)
            return fail_at(r, start, "more than 1000000 samples");
        r->at++;
    }
    *ret_times = n;
    return 0;
}

static int read_gap(struct series_reader *r)
{
    uint64_t times = 1;
    int rc = 0;

    r->at++;
    if (peek(r) == 'x')
        rc = read_times(r, &times);
    for (uint64_t i = 0; rc == 0 && i < times; i++)
        rc = append(r, 0, false);
    return rc;
}

static int read_values(struct series_reader *r)
{
    double value, step = 0;
    uint64_t times = 0;
    int rc = read_signed(r, &value);

    if (rc == 0 && (peek(r) == '+' || peek(r) == '-')) {
        rc = read_signed(r, &step);
        if (rc == 0 && peek(r) != 'x')
            return fail_at(r, r->at, "expected x and a count after the step");
    }
    if (rc == 0 && peek(r) == 'x')
        rc = read_times(r, &times);
    for (uint64_t i = 0; rc == 0 && i <= times; i++) {
        rc = append(r, value, true);
        value += step; /* added up as promtool does */
    }
    return rc;
}

static int read_item(struct series_reader *r)
{
    static const char stale[] = "stale";

    if (peek(r) == '{')
        return fail_at(r, r->at, "histograms are not supported");
    if (peek(r) == '_')
        return read_gap(r);
    if (r->len - r->at >= sizeof stale - 1 &&
        memcmp(r->text + r->at, stale, sizeof stale - 1) == 0 &&
        !(r->at + 5 < r->len && (is_alpha(r->text[r->at + 5]) || is_digit(r->text[r->at + 5])))) {
        r->at += sizeof stale - 1;
        return append(r, 0, false);
    }
    return read_values(r);
}

int series_parse(struct arena *arena, const char *text, size_t len,
                 const struct series_sample **ret_samples, size_t *ret_count,
                 struct series_error *reterr_error)
{
    struct series_reader r = {.arena = arena, .text = text, .len = len, .error = reterr_error};

    for (;;) {
        int rc;

        while (is_space(peek(&r)))
            r.at++;
        if (r.at == len)
            break;
        rc = read_item(&r);
        if (rc)
            return rc;
        if (r.at < len && !is_space(peek(&r)))
            return fail_at(&r, r.at, "expected a blank between values");
    }
    *ret_samples = r.samples;
    *ret_count = r.count;
    return 0;
}
