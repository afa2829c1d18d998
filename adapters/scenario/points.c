/* Values at given times: CSV, Prometheus JSON and OpenMetrics. */
#include "adapters/base/json.h"
#include "adapters/scenario/series.h"
#include "engine/num.h"

#include <errno.h>
#include <string.h>

struct points {
    struct arena *arena;
    struct metric_point *items;
    size_t count, cap;
    struct series_error *error;
    bool based;  /* `base` is set: times are absolute */
    double base; /* the first time, in seconds */
};

static int fail(struct points *p, uint32_t line, size_t col, const char *what)
{
    p->error->line = line;
    p->error->col = (uint32_t)col;
    p->error->what = what;
    return -EINVAL;
}

static int append(struct points *p, uint32_t line, ms_t at_ms, double value)
{
    if (p->count == SERIES_SAMPLES_MAX)
        return fail(p, line, 1, "more than 1000000 samples");
    if (p->count > 0 && at_ms < p->items[p->count - 1].at_ms)
        return fail(p, line, 1, "time goes back");
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        struct metric_point *items = arena_alloc(p->arena, cap * sizeof *items);

        if (!items)
            return -ENOMEM;
        if (p->count > 0)
            memcpy(items, p->items, p->count * sizeof *items);
        p->items = items;
        p->cap = cap;
    }
    p->items[p->count++] = (struct metric_point){.at_ms = at_ms, .value = value};
    return 0;
}

/* Seconds to ms, to the nearest; false when out of any sensible range. */
static bool to_ms(double seconds, ms_t *ret_ms)
{
    double ms = seconds * 1000;

    if (!(ms > -4e15 && ms < 4e15))
        return false;
    *ret_ms = (ms_t)(ms < 0 ? ms - 0.5 : ms + 0.5);
    return true;
}

static bool relative(struct points *p, double seconds, ms_t *ret_ms)
{
    if (!p->based) {
        p->based = true;
        p->base = seconds;
    }
    return to_ms(seconds - p->base, ret_ms);
}

static double not_a_number(void)
{
    double value = 0;

    num_parse("NaN", 3, &value);
    return value;
}

/* ---- lines
 * ------------------------------------------------------------------------------------------ */

struct line {
    const char *text;
    size_t len;
    uint32_t number;
};

/* The next line without its end; false past the last one. */
static bool next_line(const char *text, size_t len, size_t *at, struct line *l)
{
    const char *end;

    if (*at >= len)
        return false;
    l->text = text + *at;
    end = memchr(l->text, '\n', len - *at);
    l->len = end ? (size_t)(end - l->text) : len - *at;
    *at += l->len + 1;
    l->number++;
    if (l->len > 0 && l->text[l->len - 1] == '\r')
        l->len--;
    return true;
}

static void trim(const char **s, size_t *len)
{
    while (*len > 0 && (**s == ' ' || **s == '\t')) {
        (*s)++;
        (*len)--;
    }
    while (*len > 0 && ((*s)[*len - 1] == ' ' || (*s)[*len - 1] == '\t'))
        (*len)--;
    if (*len >= 2 && **s == '"' && (*s)[*len - 1] == '"') {
        (*s)++;
        *len -= 2;
    }
}

/* ---- CSV
 * -------------------------------------------------------------------------------------------- */

static bool two_digits(const char *s, int *ret)
{
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
        return false;
    *ret = (s[0] - '0') * 10 + (s[1] - '0');
    return true;
}

/* Days since 1970-01-01 of a proleptic Gregorian date. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* 2024-01-01T00:00:00Z, with a fraction, an offset, or a blank in place of the T. */
static bool rfc3339(const char *s, size_t len, double *ret_seconds)
{
    int century, year, month, day, hour, minute, second, oh = 0, om = 0;
    double fraction = 0, scale = 0.1;
    size_t at = 19;

    if (len < 20 || !two_digits(s, &century) || !two_digits(s + 2, &year) || s[4] != '-' ||
        !two_digits(s + 5, &month) || s[7] != '-' || !two_digits(s + 8, &day) ||
        (s[10] != 'T' && s[10] != ' ') || !two_digits(s + 11, &hour) || s[13] != ':' ||
        !two_digits(s + 14, &minute) || s[16] != ':' || !two_digits(s + 17, &second))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60)
        return false;
    if (s[at] == '.')
        for (at++; at < len && s[at] >= '0' && s[at] <= '9'; at++, scale /= 10)
            fraction += (s[at] - '0') * scale;
    if (at + 1 == len && s[at] == 'Z') {
        oh = 0;
    } else if (at + 6 == len && (s[at] == '+' || s[at] == '-') && two_digits(s + at + 1, &oh) &&
               s[at + 3] == ':' && two_digits(s + at + 4, &om)) {
        if (s[at] == '-') {
            oh = -oh;
            om = -om;
        }
    } else {
        return false;
    }
    *ret_seconds = (double)(days_of(century * 100 + year, month, day) * 86400 + (hour - oh) * 3600 +
                            (minute - om) * 60 + second) +
                   fraction;
    return true;
}

static bool csv_time(struct points *p, const char *s, size_t len, ms_t *ret_ms)
{
    const char *unit;
    size_t unit_len;
    double seconds;
    int64_t ns;

    if (num_parse(s, len, &seconds))
        return num_is_finite(seconds) && to_ms(seconds, ret_ms);
    if (duration_parse(s, len, &ns, &unit, &unit_len) == DURATION_OK) {
        *ret_ms = ns / NS_PER_MS;
        return true;
    }
    return rfc3339(s, len, &seconds) && relative(p, seconds, ret_ms);
}

static int csv_line(struct points *p, const struct line *l, bool first)
{
    const char *comma = memchr(l->text, ',', l->len), *time = l->text, *value;
    size_t time_len, value_len;
    double number;
    ms_t at;

    if (!comma)
        return fail(p, l->number, 1, "expected time,value");
    time_len = (size_t)(comma - l->text);
    value = comma + 1;
    value_len = l->len - time_len - 1;
    trim(&time, &time_len);
    trim(&value, &value_len);
    if (!csv_time(p, time, time_len, &at)) {
        if (first)
            return 0; /* a header */
        return fail(p, l->number, 1,
                    "expected a time: seconds, a duration such as 5m, or an RFC 3339 time");
    }
    if (value_len == 0)
        number = not_a_number();
    else if (!num_parse(value, value_len, &number))
        return fail(p, l->number, (size_t)(value - l->text) + 1, "expected a number");
    return append(p, l->number, at, number);
}

int csv_parse(struct arena *arena, const char *text, size_t len,
              const struct metric_point **ret_points, size_t *ret_count,
              struct series_error *reterr_error)
{
    struct points p = {.arena = arena, .error = reterr_error};
    struct line l = {0};
    size_t at = 0;
    bool first = true;

    while (next_line(text, len, &at, &l)) {
        int rc;

        if (l.len == 0 || l.text[0] == '#')
            continue;
        rc = csv_line(&p, &l, first);
        if (rc)
            return rc;
        first = false;
    }
    *ret_points = p.items;
    *ret_count = p.count;
    return 0;
}

/* ---- Prometheus JSON
 * -------------------------------------------------------------------------------- */

static int json_pair(struct points *p, const cJSON *pair)
{
    const cJSON *time = cJSON_GetArrayItem(pair, 0), *value = cJSON_GetArrayItem(pair, 1);
    double number;
    ms_t at;

    if (!cJSON_IsArray(pair) || cJSON_GetArraySize(pair) != 2 || !cJSON_IsString(value) ||
        !num_parse(value->valuestring, strlen(value->valuestring), &number))
        return fail(p, 1, 1, "a sample is not [time, \"value\"]");
    if (cJSON_IsNumber(time)) {
        if (!relative(p, time->valuedouble, &at))
            return fail(p, 1, 1, "a time is out of range");
    } else {
        int64_t whole;

        if (!json_as_int(time, &whole) || !relative(p, (double)whole, &at))
            return fail(p, 1, 1, "a sample is not [time, \"value\"]");
    }
    return append(p, 1, at, number);
}

static int json_samples(struct points *p, const cJSON *root)
{
    const char *status = json_str(root, "status");
    const cJSON *data = json_get(root, "data"), *result, *series, *values, *pair;

    if (!status || strcmp(status, "success") != 0)
        return fail(p, 1, 1, "the answer's status is not success");
    result = json_get(data, "result");
    if (!cJSON_IsArray(result))
        return fail(p, 1, 1, "there is no data.result");
    if (cJSON_GetArraySize(result) == 0)
        return 0;
    if (cJSON_GetArraySize(result) > 1)
        return fail(p, 1, 1, "there is more than one series; aggregate them in the query");
    series = cJSON_GetArrayItem(result, 0);
    values = json_get(series, "values");
    if (!values) {
        values = json_get(series, "value");
        return values ? json_pair(p, values) : fail(p, 1, 1, "the series has no values");
    }
    if (!cJSON_IsArray(values))
        return fail(p, 1, 1, "values is not a list");
    cJSON_ArrayForEach(pair, values)
    {
        int rc = json_pair(p, pair);

        if (rc)
            return rc;
    }
    return 0;
}

int prometheus_parse(struct arena *arena, const char *text, size_t len,
                     const struct metric_point **ret_points, size_t *ret_count,
                     struct series_error *reterr_error)
{
    struct points p = {.arena = arena, .error = reterr_error};
    size_t offset = 0;
    cJSON *root = json_parse(text, len, &offset);
    int rc;

    if (!root) {
        uint32_t line = 1;
        size_t col = 1;

        for (size_t i = 0; i < offset && i < len; i++) {
            col = text[i] == '\n' ? 1 : col + 1;
            line += text[i] == '\n';
        }
        return fail(&p, line, col, "this is no JSON");
    }
    rc = json_samples(&p, root);
    json_free(root);
    if (rc)
        return rc;
    *ret_points = p.items;
    *ret_count = p.count;
    return 0;
}

/* ---- OpenMetrics
 * ------------------------------------------------------------------------------------ */

/* name{a="b",…} as it stands in a line. */
struct series_name {
    const char *name, *labels; /* labels: what stands between the braces */
    size_t name_len, labels_len;
};

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

/* Returns the length of name and labels, 0 when there is no name. */
static size_t read_name(const char *s, size_t len, struct series_name *n)
{
    size_t at = 0;
    bool quoted = false;

    memset(n, 0, sizeof *n);
    while (at < len && name_char(s[at]))
        at++;
    n->name = s;
    n->name_len = at;
    if (at == 0 || at == len || s[at] != '{')
        return at;
    n->labels = s + ++at;
    for (; at < len; at++) {
        if (quoted && s[at] == '\\')
            at++;
        else if (s[at] == '"')
            quoted = !quoted;
        else if (!quoted && s[at] == '}')
            break;
    }
    if (at >= len)
        return 0;
    n->labels_len = (size_t)(s + at - n->labels);
    return at + 1;
}

/* The next a="b" of a label list, as written; false at the end or where it cannot be read. */
static bool next_label(const char *s, size_t len, size_t *at, const char **label, size_t *label_len)
{
    size_t start;

    while (*at < len && (s[*at] == ',' || s[*at] == ' '))
        (*at)++;
    start = *at;
    while (*at < len && s[*at] != '"')
        (*at)++;
    if (*at >= len)
        return false;
    for ((*at)++; *at < len && s[*at] != '"'; (*at)++)
        if (s[*at] == '\\')
            (*at)++;
    if (*at >= len)
        return false;
    (*at)++;
    *label = s + start;
    *label_len = *at - start;
    return true;
}

static bool has_label(const struct series_name *n, const char *label, size_t label_len)
{
    const char *own;
    size_t own_len, at = 0;

    while (next_label(n->labels, n->labels_len, &at, &own, &own_len))
        if (own_len == label_len && memcmp(own, label, label_len) == 0)
            return true;
    return false;
}

static bool matches(const struct series_name *wanted, const struct series_name *n)
{
    const char *label;
    size_t label_len, at = 0;

    if (wanted->name_len != n->name_len || memcmp(wanted->name, n->name, n->name_len) != 0)
        return false;
    while (wanted->labels &&
           next_label(wanted->labels, wanted->labels_len, &at, &label, &label_len))
        if (!has_label(n, label, label_len))
            return false;
    return true;
}

static bool same_series(const struct series_name *a, const struct series_name *b)
{
    return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0 &&
           a->labels_len == b->labels_len &&
           (a->labels_len == 0 || memcmp(a->labels, b->labels, a->labels_len) == 0);
}

/* A blank-separated word. */
static bool next_word(const char *s, size_t len, size_t *at, const char **word, size_t *word_len)
{
    while (*at < len && s[*at] == ' ')
        (*at)++;
    *word = s + *at;
    while (*at < len && s[*at] != ' ')
        (*at)++;
    *word_len = (size_t)(s + *at - *word);
    return *word_len > 0;
}

/* OpenMetrics counts in seconds, the older text format in whole milliseconds. */
static bool metric_time(const char *s, size_t len, double *ret_seconds)
{
    if (!num_parse(s, len, ret_seconds) || !num_is_finite(*ret_seconds))
        return false;
    if (*ret_seconds > 1e11)
        *ret_seconds /= 1000;
    return true;
}

int openmetrics_parse(struct arena *arena, const char *text, size_t len, const char *selector,
                      const struct metric_point **ret_points, size_t *ret_count,
                      struct series_error *reterr_error)
{
    struct points p = {.arena = arena, .error = reterr_error};
    struct series_name wanted, found = {0}, name;
    struct line l = {0};
    size_t at = 0;

    if (selector && read_name(selector, strlen(selector), &wanted) != strlen(selector))
        return fail(&p, 0, 0, "the name of the series cannot be read");
    while (next_line(text, len, &at, &l)) {
        const char *word;
        size_t word_len, in;
        double value, seconds;
        ms_t at_ms;
        int rc;

        if (l.len == 0 || l.text[0] == '#')
            continue;
        in = read_name(l.text, l.len, &name);
        if (in == 0)
            return fail(&p, l.number, 1, "expected the name of a series");
        if (selector && !matches(&wanted, &name))
            continue;
        if (found.name && !same_series(&found, &name))
            return fail(&p, l.number, 1, "a second series matches; name more labels");
        found = name;
        if (!next_word(l.text, l.len, &in, &word, &word_len) || !num_parse(word, word_len, &value))
            return fail(&p, l.number, in + 1, "expected a value");
        if (!next_word(l.text, l.len, &in, &word, &word_len) || word[0] == '#')
            return fail(&p, l.number, in + 1, "the sample has no timestamp");
        if (!metric_time(word, word_len, &seconds) || !relative(&p, seconds, &at_ms))
            return fail(&p, l.number, in + 1, "expected a timestamp");
        rc = append(&p, l.number, at_ms, value);
        if (rc)
            return rc;
    }
    *ret_points = p.items;
    *ret_count = p.count;
    return 0;
}
