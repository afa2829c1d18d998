/* adapters/base/plain.h — the bytes of a string that JSON writes as they are. */
#ifndef COALMINE_BASE_PLAIN_H
#define COALMINE_BASE_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PLAIN_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * The high bit of each byte of the eight that is a control character, a quote, a backslash, or not
 * ASCII. Behind the first of them others may be marked too, by its borrow.
 */
static inline uint64_t plain_marks(uint64_t eight)
{
    uint64_t quote = eight ^ PLAIN_EACH('"'), backslash = eight ^ PLAIN_EACH('\\');
    uint64_t found =
        (eight - PLAIN_EACH(0x20)) | (quote - PLAIN_EACH(1)) | (backslash - PLAIN_EACH(1)) | eight;

    return found & PLAIN_EACH(0x80);
}

/* Those of eight bytes of memory, the first of them lowest, whatever the order of bytes. */
static inline uint64_t plain_marks_at(const char *s)
{
    uint64_t eight;

    memcpy(&eight, s, sizeof(eight));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return plain_marks(eight);
}

static inline size_t plain_first(uint64_t marks)
{
    return (size_t)__builtin_ctzll(marks) / 8;
}

/* How many bytes from `s` on need no look: ASCII, no control character, quote or backslash. */
static inline size_t plain_bytes(const char *s, size_t len)
{
    size_t i = 0;

    for (; len - i >= 8; i += 8) {
        uint64_t marks = plain_marks_at(s + i);

        if (marks != 0)
            return i + plain_first(marks);
    }
    if (i < len && len >= 8) { /* the last eight, some of which were looked at */
        uint64_t marks = plain_marks_at(s + len - 8);

        return marks != 0 ? len - 8 + plain_first(marks) : len;
    }
    for (; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return i;
}

#endif
