/* adapters/base/plain.h — the bytes of a string that JSON writes as they are. */
#ifndef COALMINE_BASE_PLAIN_H
#define COALMINE_BASE_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PLAIN_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Some byte of the eight is a control character, a quote, a backslash, or not ASCII. */
static inline int plain_ends_in(uint64_t eight)
{
    uint64_t quote = eight ^ PLAIN_EACH('"'), backslash = eight ^ PLAIN_EACH('\\');
    uint64_t found =
        (eight - PLAIN_EACH(0x20)) | (quote - PLAIN_EACH(1)) | (backslash - PLAIN_EACH(1)) | eight;

    return (found & PLAIN_EACH(0x80)) != 0;
}

/* How many bytes from `s` on need no look: ASCII, no control character, quote or backslash. */
static inline size_t plain_bytes(const char *s, size_t len)
{
    size_t i = 0;

    for (; len - i >= 8; i += 8) {
        uint64_t eight;

        memcpy(&eight, s + i, 8);
        if (plain_ends_in(eight))
            break;
    }
    for (; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return i;
}

#endif
