/* adapters/metrics/gotext.h — the words of Go's library that reach users through error texts. */
#ifndef COALMINE_METRICS_GOTEXT_H
#define COALMINE_METRICS_GOTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "adapters/base/arena.h"
#include "adapters/base/strbuf.h"

/* `s` quoted as strconv.Quote does; characters beyond ASCII are kept where they are valid UTF-8. */
void go_quote(struct strbuf *out, const char *s, size_t len);
/* `s` as encoding/json prints a string: with \u003c for <, and so on for > & U+2028 U+2029. */
void go_json_string(struct strbuf *out, const char *s);
/*
 * strconv.ParseFloat. Returns 0, or -EINVAL with *reterr: `strconv.ParseFloat: parsing "x": invalid
 * syntax`, or `value out of range`.
 */
int go_parse_float(struct arena *arena, const char *s, size_t len, double *ret_value,
                   const char **reterr);
/* strconv.ParseInt(s, 10, 64), in the same way. */
int go_parse_int(struct arena *arena, const char *s, size_t len, int64_t *ret_value,
                 const char **reterr);
/* time.ParseDuration, in nanoseconds: `time: invalid duration ""`. */
int go_parse_duration(struct arena *arena, const char *s, int64_t *ret_ns, const char **reterr);
/* http.StatusText: "Not Found"; "" for a code without a name. */
const char *go_status_text(int status);
/* Every run of white space as one blank (regexp `\s+`). */
const char *go_fold_space(struct arena *arena, const char *s);

#endif
