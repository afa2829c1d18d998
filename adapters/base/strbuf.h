/*
 * adapters/base/strbuf.h — a growing byte string that is always NUL-terminated.
 *
 * `struct strbuf b = STRBUF_INIT;` then append; strbuf_release() at the end. Running out of memory
 * sets `failed` and leaves the text as it was; callers check once, when they use the result.
 */
#ifndef COALMINE_BASE_STRBUF_H
#define COALMINE_BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *data; /* never NULL after the first append; "" while empty */
    size_t len;
    size_t cap;
    bool failed;
};
#define STRBUF_INIT                                                                                \
    {                                                                                              \
        (char *)0, 0, 0, false                                                                     \
    }

void strbuf_release(struct strbuf *b);
/* Empty it, keep its memory. */
void strbuf_clear(struct strbuf *b);
void strbuf_add(struct strbuf *b, const char *bytes, size_t len);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_addv(struct strbuf *b, const char *format, va_list args);
/* `s` as a JSON string with quotes, escaped as encoding/json does with HTML escaping off. */
void strbuf_add_json(struct strbuf *b, const char *s, size_t len);
/* `s` with each byte as %XX that is neither unreserved (RFC 3986 §2.3) nor one of `keep`. */
void strbuf_add_percent(struct strbuf *b, const char *s, size_t len, const char *keep);
/* Where to write `len` bytes at the end; the NUL is there already. NULL when memory is out. */
char *strbuf_extend(struct strbuf *b, size_t len);
/* The text so far; "" when nothing was appended. */
const char *strbuf_str(const struct strbuf *b);
/* Hand the memory to the caller, who frees it; the buffer is empty again. NULL when memory was out.
 */
char *strbuf_detach(struct strbuf *b);

#endif
