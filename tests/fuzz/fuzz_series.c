/*
 * Series notation: whatever is accepted holds no more samples than promised, and what is refused is
 * refused within the text. A text that was accepted is accepted again behind another.
 */
#include "adapters/scenario/series.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(64u << 20);
    const struct series_sample *samples = NULL, *twice = NULL;
    struct series_error error = {0};
    size_t count = 0, twice_count = 0;
    char *text, *both;

    if (size > 4096 || !arena) {
        arena_free(arena);
        return 0;
    }
    text = arena_strndup(arena, (const char *)data, size);
    if (series_parse(arena, text, size, &samples, &count, &error) != 0) {
        if (error.what && (error.line < 1 || error.col < 1 || error.col > size + 1))
            abort();
    } else {
        if (count > SERIES_SAMPLES_MAX)
            abort();
        both = arena_alloc(arena, 2 * size + 2);
        if (both && count < SERIES_SAMPLES_MAX / 2) {
            memcpy(both, text, size);
            both[size] = ' ';
            memcpy(both + size + 1, text, size);
            if (series_parse(arena, both, 2 * size + 1, &twice, &twice_count, &error) != 0) {
                if (!arena_failed(arena))
                    abort();
            } else if (twice_count != 2 * count) {
                abort();
            }
        }
    }
    arena_free(arena);
    return 0;
}
