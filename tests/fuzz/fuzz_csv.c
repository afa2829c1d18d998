/* CSV: times never go back, and mistakes stand in a line that exists. */
#include "adapters/scenario/series.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(64u << 20);
    const struct metric_point *points = NULL;
    struct series_error error = {0};
    size_t count = 0, lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    if (arena && csv_parse(arena, (const char *)data, size, &points, &count, &error) == 0) {
        for (size_t i = 1; i < count; i++)
            if (points[i].at_ms < points[i - 1].at_ms)
                abort();
    } else if (error.what && (error.line < 1 || error.line > lines)) {
        abort();
    }
    arena_free(arena);
    return 0;
}
