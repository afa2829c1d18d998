#include "adapters/whatif/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "engine/num.h"

#define POINTS_MAX 10000000u

struct point {
    ms_t at_ms;
    double value;
};

static int wrong(struct diags *diags, const char *file, uint32_t line, const char *what)
{
    diags_add(diags, &(struct diag){.file = file, .line = line, .col = line ? 1 : 0, .what = what});
    return -EINVAL;
}

/* Days since 1970-01-01 (H. Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* 2018-04-25T00:00:00Z or with a blank between, or seconds since 1970. */
static bool read_time(const char *s, size_t len, ms_t *ret_ms)
{
    static const uint8_t places[6][2] = {{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}};
    int64_t part[6];
    double seconds;

    if (num_parse(s, len, &seconds) && seconds >= 0 && seconds < 1e12) {
        *ret_ms = (ms_t)(seconds * 1000 + 0.5);
        return true;
    }
    if (len < 19 || s[4] != '-' || s[7] != '-' || s[13] != ':')
        return false;
    for (int i = 0; i < 6; i++)
        if (!num_parse_int(s + places[i][0], places[i][1], &part[i]))
            return false;
    *ret_ms = ((days_of(part[0], part[1], part[2]) * 24 + part[3]) * 60 + part[4]) * 60000 +
              part[5] * 1000;
    return true;
}

/* One field of a CSV line, quotes taken off; *at moves behind its comma. */
static size_t field(const char **at, const char *end, const char **ret_field)
{
    const char *s = *at, *stop = memchr(s, ',', (size_t)(end - s));
    size_t len = (size_t)((stop ? stop : end) - s);

    *at = stop ? stop + 1 : end;
    if (len >= 2 && s[0] == '"' && s[len - 1] == '"') {
        s++;
        len -= 2;
    }
    *ret_field = s;
    return len;
}

static int read_csv(struct arena *arena, struct diags *diags, const char *file, const char *text,
                    size_t len, struct point *points, uint32_t *ret_count)
{
    const char *end = text + len;
    uint32_t line = 1, count = 0;
    int rc = 0;

    for (const char *at = text; at < end; line++) {
        const char *eol = memchr(at, '\n', (size_t)(end - at)), *stop = eol ? eol : end, *time,
                   *value;
        size_t time_len, value_len;

        if (stop > at && stop[-1] == '\r')
            stop--;
        time_len = field(&at, stop, &time);
        value_len = field(&at, stop, &value);
        at = eol ? eol + 1 : end;
        if (time_len == 0 || (line == 1 && !read_time(time, time_len, &points[0].at_ms)))
            continue; /* an empty line, or the names of the columns */
        if (!read_time(time, time_len, &points[count].at_ms))
            rc = wrong(diags, file, line,
                       arena_printf(arena, "'%.*s' is no time",
                                    (int)(time_len < 60 ? time_len : 60), time));
        else if (!num_parse(value, value_len, &points[count].value) ||
                 !num_is_finite(points[count].value) || points[count].value < 0)
            rc = wrong(diags, file, line, "the value is no number of at least 0");
        else if (count > 0 && points[count].at_ms == points[count - 1].at_ms)
            diags_add(diags, &(struct diag){.severity = SEVERITY_WARNING,
                                            .file = file,
                                            .line = line,
                                            .col = 1,
                                            .what = "the time of the line before once more, as "
                                                    "when clocks are set back: left out"});
        else if (count > 0 && points[count].at_ms < points[count - 1].at_ms)
            rc = wrong(diags, file, line, "times must grow from line to line");
        else
            count++;
    }
    *ret_count = count;
    return rc;
}

static int read_range(struct diags *diags, const char *file, const cJSON *root,
                      struct point *points, uint32_t max, uint32_t *ret_count)
{
    const cJSON *result = json_at(root, "data", "result", NULL), *pair;
    const cJSON *series = cJSON_GetArrayItem(result, 0);
    uint32_t count = 0;

    if (cJSON_GetArraySize(result) > 1) {
        diags_add(diags, &(struct diag){.file = file,
                                        .what = "the answer holds more than one series",
                                        .hint = "ask for their sum: sum(rate(…[1m]))"});
        return -EINVAL;
    }

    cJSON_ArrayForEach(pair, json_get(series, "values"))
    {
        const cJSON *time = cJSON_GetArrayItem(pair, 0), *value = cJSON_GetArrayItem(pair, 1);
        double at, v;
        char *text = time ? json_print(time) : NULL;
        bool ok = text && cJSON_IsString(value) && num_parse(text, strlen(text), &at) &&
                  num_parse(value->valuestring, strlen(value->valuestring), &v);

        free(text);
        if (!ok || count == max)
            return wrong(diags, file, 0, "a point of the range is not [time, \"value\"]");
        if (!num_is_finite(v) || v < 0)
            continue; /* NaN is a gap */
        points[count++] = (struct point){(ms_t)(at * 1000 + 0.5), v};
    }
    *ret_count = count;
    return count > 0 ? 0 : wrong(diags, file, 0, "no values: not the answer of a range query");
}

static int fill_slots(struct trace *t, struct arena *arena, struct diags *diags, const char *file,
                      const struct point *points, uint32_t count)
{
    uint64_t slots;

    if (count < 2)
        return wrong(diags, file, 0, "a trace needs at least two points");
    t->step_ms = points[1].at_ms - points[0].at_ms;
    if (t->step_ms <= 0)
        return wrong(diags, file, 0, "times must grow from point to point");
    slots = (uint64_t)((points[count - 1].at_ms - points[0].at_ms) / t->step_ms) + 1;
    if (slots > POINTS_MAX)
        return wrong(diags, file, 0, "the trace has too many slots");
    t->count = (uint32_t)slots;
    t->values = arena_alloc(arena, slots * sizeof *t->values);
    if (!t->values)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        ms_t at = points[i].at_ms - points[0].at_ms;
        if (at >= 0 && (uint64_t)(at / t->step_ms) < slots)
            t->values[at / t->step_ms] = points[i].value;
    }
    return 0;
}

int trace_read(struct trace *ret_trace, struct arena *arena, struct diags *diags, const char *file,
               const char *text, size_t len)
{
    size_t first = strspn(text, " \t\r\n"), lines = 2;
    struct trace t = {0};
    struct point *points;
    uint32_t count = 0;
    int rc;

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n' || text[i] == '[';
    if (lines > POINTS_MAX)
        return wrong(diags, file, 0, "the trace has too many lines");
    points = arena_alloc(arena, lines * sizeof *points);
    if (!points)
        return -ENOMEM;
    if (text[first] == '{') {
        cJSON *root = json_parse(text, len, NULL);
        rc = root ? read_range(diags, file, root, points, (uint32_t)lines, &count)
                  : wrong(diags, file, 0, "not valid JSON");
        json_free(root);
    } else {
        rc = read_csv(arena, diags, file, text, len, points, &count);
    }
    if (rc == 0)
        rc = fill_slots(&t, arena, diags, file, points, count);
    if (rc == 0)
        *ret_trace = t;
    return rc;
}
