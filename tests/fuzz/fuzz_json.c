/* Any bytes as JSON: what is read prints, and reads back as the same value. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* cJSON keeps every one of two members with the same name, so such objects equal nothing. */
static bool has_twins(const cJSON *v)
{
    for (const cJSON *m = v->child; m; m = m->next) {
        if (has_twins(m) || (cJSON_IsObject(v) && json_get(v, m->string) != m))
            return true;
    }
    return false;
}

static void check_round_trip(const cJSON *v)
{
    char *text = json_print(v), *sorted = json_print_sorted(v), *again;
    cJSON *back, *copy;

    assert(text && sorted);
    back = json_parse(text, strlen(text), NULL);
    assert(back && json_equal(v, back));
    again = json_print(back);
    assert(strcmp(text, again) == 0);
    free(again);
    json_free(back);
    back = json_parse(sorted, strlen(sorted), NULL);
    assert(back && json_equal(v, back));
    again = json_print_sorted(back);
    assert(strcmp(sorted, again) == 0);
    free(again);
    copy = json_copy(v);
    assert(json_equal(copy, back));
    json_free(copy);
    json_free(back);
    free(text);
    free(sorted);
}

/* A merge patch done twice is a merge patch done once. */
static void check_patch(const cJSON *a, const cJSON *b)
{
    cJSON *once = json_merge_patch(json_copy(a), b);
    cJSON *twice = json_merge_patch(json_copy(once), b);

    assert(once && json_equal(once, twice));
    json_free(once);
    json_free(twice);
}

/* What is read strictly is read the same; what is read of the rest can be written and read again. */
static void check_tolerant(const char *text, size_t len, const cJSON *strict)
{
    bool changed;
    cJSON *v = json_parse_tolerant(text, len, &changed);

    assert(v || !strict);
    assert(!strict || (!changed && json_equal(v, strict)));
    if (v && !has_twins(v))
        check_round_trip(v);
    json_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *bar = memchr(text, '|', size);
    size_t offset = 0, len = bar ? (size_t)(bar - text) : size;
    cJSON *v = json_parse(text, len, &offset);
    cJSON *patch = bar ? json_parse(bar + 1, size - len - 1, NULL) : NULL;

    assert(v || offset <= len);
    if (v && !has_twins(v)) {
        check_round_trip(v);
        if (patch && !has_twins(patch))
            check_patch(v, patch);
    }
    check_tolerant(text, len, v);
    json_free(v);
    json_free(patch);
    return 0;
}
