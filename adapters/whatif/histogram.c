#include "adapters/whatif/histogram.h"

#include <errno.h>
#include <string.h>

#include "adapters/base/json.h"
#include "engine/num.h"

/* Counts by bound while they are read, in order of bounds. */
struct buckets {
    struct arena *arena;
    struct diags *diags;
    const char *file;
    const char *name; /* of the histogram, NULL = not said */
    size_t name_len;
    uint32_t count;
    double bounds[MODEL_HISTOGRAM_MAX], counts[MODEL_HISTOGRAM_MAX];
    bool has_rest; /* le="+Inf": all requests */
    double rest;
};

static int wrong(struct buckets *b, uint32_t line, const char *what, const char *hint)
{
    diags_add(b->diags,
              &(struct diag){
                  .file = b->file, .line = line, .col = line ? 1 : 0, .what = what, .hint = hint});
    return -EINVAL;
}

/* So many requests took at most `bound`; several series add up. */
static int add(struct buckets *b, uint32_t line, double bound, double count)
{
    uint32_t i = 0;

    if (!(count >= 0) || !num_is_finite(count))
        return wrong(b, line, "the count is no number of at least 0", NULL);
    if (!num_is_finite(bound)) {
        if (num_is_nan(bound) || bound < 0)
            return wrong(b, line, "the bound is no number", "a bound is a number or +Inf");
        b->has_rest = true;
        b->rest += count;
        return 0;
    }
    if (bound <= 0)
        return count > 0 ? wrong(b, line, "a bound of 0 or less holds requests", NULL) : 0;
    while (i < b->count && b->bounds[i] < bound)
        i++;
    if (i < b->count && b->bounds[i] <= bound) {
        b->counts[i] += count;
        return 0;
    }
    if (b->count == MODEL_HISTOGRAM_MAX)
        return wrong(b, line, "too many buckets", "at most 64 bounds are read");
    memmove(&b->bounds[i + 1], &b->bounds[i], (b->count - i) * sizeof(double));
    memmove(&b->counts[i + 1], &b->counts[i], (b->count - i) * sizeof(double));
    b->bounds[i] = bound;
    b->counts[i] = count;
    b->count++;
    return 0;
}

/* ---- the answer of a query
 * ------------------------------------------------------------------------------ */

static bool pair_value(const cJSON *pair, double *ret_value)
{
    const cJSON *value = cJSON_GetArrayItem(pair, 1);

    return cJSON_IsString(value) &&
           num_parse(value->valuestring, strlen(value->valuestring), ret_value);
}

static int read_name(struct buckets *b, uint32_t line, const char *name, size_t len)
{
    if (b->name && (b->name_len != len || memcmp(b->name, name, len) != 0))
        return wrong(b, line,
                     arena_printf(b->arena, "a second histogram, %.*s beside %.*s", (int)len, name,
                                  (int)b->name_len, b->name),
                     "keep the lines of one");
    b->name = name;
    b->name_len = len;
    return 0;
}

static int read_json(struct buckets *b, const cJSON *root)
{
    const cJSON *series;

    cJSON_ArrayForEach(series, json_at(root, "data", "result", NULL))
    {
        const cJSON *values = json_get(series, "values");
        const char *le = json_str(json_get(series, "metric"), "le");
        const char *name = json_str(json_get(series, "metric"), "__name__");
        int last = cJSON_GetArraySize(values) - 1;
        double bound, count, before = 0;
        int rc = 0;

        if (!le || !num_parse(le, strlen(le), &bound))
            return wrong(b, 0, "a series without a bound: its label le is missing or no number",
                         "ask for sum by (le) (increase(NAME_bucket[1h]))");
        if (!pair_value(values ? cJSON_GetArrayItem(values, last) : json_get(series, "value"),
                        &count) ||
            (values && !pair_value(cJSON_GetArrayItem(values, 0), &before)))
            return wrong(b, 0, "a value is not [time, \"value\"]", NULL);
        if (name) {
            const char *kept = arena_printf(b->arena, "%s", name);
            rc = kept ? read_name(b, 0, kept, strlen(kept)) : -ENOMEM;
        }
        if (rc == 0)
            rc = add(b, 0, bound, last > 0 ? count - before : count);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- lines
 * ---------------------------------------------------------------------------------------------- */

/* The value of label `le` in `a="b",le="5"`. */
static bool find_bound(const char *labels, size_t len, double *ret_bound)
{
    for (size_t i = 0; i + 4 < len; i++) {
        size_t end = i + 4;

        if ((i > 0 && labels[i - 1] != ',' && labels[i - 1] != '{' && labels[i - 1] != ' ') ||
            memcmp(labels + i, "le=\"", 4) != 0)
            continue;
        while (end < len && labels[end] != '"')
            end++;
        return num_parse(labels + i + 4, end - i - 4, ret_bound);
    }
    return false;
}

static bool ends_with(const char *s, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && memcmp(s + len - n, with, n) == 0;
}

/* NAME_bucket{…,le="5"} 12 [time] */
static int read_exposed(struct buckets *b, uint32_t line, const char *s, size_t len)
{
    const char *brace = memchr(s, '{', len), *close = brace;
    size_t value;
    double bound, count;
    int rc;

    while (close && close < s + len && *close != '}') /* a brace within quotes is rare: not read */
        close++;
    if (!brace || close == s + len || !ends_with(s, (size_t)(brace - s), "_bucket"))
        return 0; /* another series */
    if (!find_bound(brace, (size_t)(close - brace), &bound))
        return wrong(b, line, "the bucket has no label le that is a number", NULL);
    rc = read_name(b, line, s, (size_t)(brace - s));
    if (rc != 0)
        return rc;
    for (close++; close < s + len && *close == ' ';)
        close++;
    for (value = 0; close + value < s + len && close[value] != ' ';)
        value++;
    if (!num_parse(close, value, &count))
        return wrong(b, line, "expected a count behind the labels", NULL);
    return add(b, line, bound, count);
}

/* le,count; the first line may name the columns */
static int read_row(struct buckets *b, uint32_t line, const char *s, size_t len)
{
    const char *comma = memchr(s, ',', len);
    double bound, count;

    if (!comma)
        return wrong(b, line, "expected a bound, a comma and a count",
                     "or lines NAME_bucket{le=\"5\"} 12, or the answer of a query");
    if (!num_parse(s, (size_t)(comma - s), &bound))
        return line == 1 ? 0 : wrong(b, line, "the bound is no number", NULL);
    if (!num_parse(comma + 1, (size_t)(s + len - comma - 1), &count))
        return wrong(b, line, "the count is no number of at least 0", NULL);
    return add(b, line, bound, count);
}

static int read_lines(struct buckets *b, const char *text, size_t len)
{
    bool exposed = false;
    uint32_t line = 0;
    int rc = 0;

    for (size_t i = 0; i + 7 < len && !exposed; i++)
        exposed = memcmp(text + i, "_bucket{", 8) == 0;
    for (const char *at = text, *end = text + len; at < end && rc == 0;) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((eol ? eol : end) - at);

        line++;
        if (n > 0 && at[n - 1] == '\r')
            n--;
        if (n > 0 && at[0] != '#')
            rc = exposed ? read_exposed(b, line, at, n) : read_row(b, line, at, n);
        at = eol ? eol + 1 : end;
    }
    return rc;
}

/* ---- all of it
 * ---------------------------------------------------------------------------------------- */

static int finish(struct buckets *b, double unit_ms, struct model_histogram *out)
{
    double total = b->has_rest ? b->rest : b->count > 0 ? b->counts[b->count - 1] : 0, before = 0;

    if (unit_ms <= 0)
        unit_ms = b->name && ends_with(b->name, b->name_len, "_seconds_bucket") ? 1000 : 1;
    if (b->count == 0 || total <= 0)
        return wrong(b, 0, "no requests: this is no histogram of latencies", NULL);
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->counts[i] < before || b->counts[i] > total)
            return wrong(b, 0,
                         arena_printf(b->arena, "the counts do not grow with their bounds, at %g",
                                      b->bounds[i]),
                         "each counts the requests that took at most its bound");
        before = b->counts[i];
        out->bounds_ms[i] = b->bounds[i] * unit_ms;
        out->shares[i] = b->counts[i] / total;
    }
    out->count = b->count;
    return 0;
}

int histogram_read(struct model_histogram *ret_histogram, struct arena *arena, struct diags *diags,
                   const char *file, const char *text, size_t len, double unit_ms)
{
    struct buckets b = {.arena = arena, .diags = diags, .file = file};
    size_t first = 0;
    int rc;

    while (first < len && (text[first] == ' ' || text[first] == '\n' || text[first] == '\t'))
        first++;
    if (first < len && text[first] == '{') {
        cJSON *root = json_parse(text, len, NULL);

        rc = root ? read_json(&b, root) : wrong(&b, 0, "not valid JSON", NULL);
        json_free(root);
    } else {
        rc = read_lines(&b, text, len);
    }
    if (rc == 0)
        rc = finish(&b, unit_ms, ret_histogram);
    return rc;
}
