/* engine/checksum.c — FNV-1a over the text that Go's spew prints of a status, in safe digits. */
#include "engine/checksum.h"

#include <string.h>

uint32_t fnv1a_32(uint32_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        hash ^= (unsigned char)bytes[i];
        hash *= 16777619u;
    }
    return hash;
}

void checksum_encode(uint32_t hash, char out[CHECKSUM_SIZE])
{
    static const char safe[] = "456789bcdf";
    char reversed[CHECKSUM_SIZE];
    size_t n = 0;

    do {
        reversed[n++] = safe[hash % 10];
        hash /= 10;
    } while (hash);
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    out[n] = '\0';
}

static uint32_t add(uint32_t hash, const char *s)
{
    return fnv1a_32(hash, s, strlen(s));
}

void checksum_of_status(const struct checksum_config *configs, size_t count,
                        const char *last_applied_spec, char out[CHECKSUM_SIZE])
{
    uint32_t h =
        add(FNV1A_32_INIT, "(struct { TrackedConfigs *map[string]string; LastAppliedSpec string })"
                           "{TrackedConfigs:(*map[string]string)");

    if (!configs) {
        h = add(h, "<nil>");
    } else {
        h = add(h, "map[");
        for (size_t i = 0; i < count; i++) {
            h = add(h, i ? " " : "");
            h = add(h, configs[i].key);
            h = add(h, ":");
            h = add(h, configs[i].hash);
        }
        h = add(h, "]");
    }
    h = add(h, " LastAppliedSpec:(string)");
    h = add(h, last_applied_spec ? last_applied_spec : "");
    h = add(h, "}");
    checksum_encode(h, out);
}
