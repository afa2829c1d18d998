/*
 * OpenMetrics and Prometheus JSON: the first line is the selector (empty = the only series), the
 * rest the text. Times never go back and begin at 0.
 */
#include "adapters/scenario/series.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(const struct metric_point *points, size_t count)
{
    if (count > 0 && points[0].at_ms != 0)
        abort();
    for (size_t i = 1; i < count; i++)
        if (points[i].at_ms < points[i - 1].at_ms)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(64u << 20);
    const struct metric_point *points = NULL;
    struct series_error error = {0};
    const char *text = (const char *)data, *end = size > 0 ? memchr(text, '\n', size) : NULL;
    char *selector = NULL;
    size_t count = 0;

    if (arena && end) {
        if (end > text)
            selector = arena_strndup(arena, text, (size_t)(end - text));
        if (openmetrics_parse(arena, end + 1, size - (size_t)(end + 1 - text), selector, &points,
                              &count, &error) == 0)
            hold(points, count);
    }
    count = 0;
    if (arena && prometheus_parse(arena, text, size, &points, &count, &error) == 0)
        hold(points, count);
    arena_free(arena);
    return 0;
}
