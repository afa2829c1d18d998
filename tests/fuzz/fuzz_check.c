/* Bytes through the whole check: reading, schema, rules, cross checks, every output. Nothing may
 * crash. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "adapters/base/json.h"
#include "adapters/check/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum check_format formats[] = {FORMAT_TEXT,  FORMAT_JSON, FORMAT_SARIF,
                                                FORMAT_JUNIT, FORMAT_TAP,  FORMAT_GITHUB};
    struct check_options options = {.rps = 1, .whole_cluster = size > 0 && (data[0] & 1) != 0};
    struct check_config config = {NULL, NULL};
    struct check *c = check_new(&options);
    struct strbuf out = STRBUF_INIT;
    cJSON *json;

    if (size > 1 && data[0] == '!') /* as a configuration */
        check_configure(c, "config", (const char *)data + 1, size - 1, &config);
    else
        check_add(c, "fuzz.yaml", (const char *)data, size);
    check_finish(c);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        strbuf_clear(&out);
        check_write(c, formats[i], i == 0, &out);
        if (formats[i] != FORMAT_JSON && formats[i] != FORMAT_SARIF)
            continue;
        json = json_parse(strbuf_str(&out), out.len, NULL);
        if (json == NULL)
            abort(); /* what we write must be readable */
        json_free(json);
    }
    check_summary(c, &out);
    strbuf_release(&out);
    check_free(c);
    return 0;
}
