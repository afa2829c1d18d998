/*
 * adapters/metrics/template.h — query templates: Go's text/template as MetricTemplate queries use
 * it.
 *
 * The words of struct metric_model are functions without arguments (`{{ target }}`, `{{
 * variables.zone }}`); a missing map key is an error. What is here renders as Go renders it, and
 * fails with Go's own text. What is not here (complex numbers, `call`, letters beyond ASCII outside
 * of strings, odd printf verbs, very deep or very long runs) is refused with a located error and
 * never rendered differently.
 */
#ifndef COALMINE_METRICS_TEMPLATE_H
#define COALMINE_METRICS_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/arena.h"
#include "adapters/base/strbuf.h"
#include "adapters/metrics/metric.h"

#define TEMPLATE_BYTES_MAX (64u * 1024u)
#define TEMPLATE_OUTPUT_MAX (256u * 1024u)

struct template;

struct template_error {
    size_t offset;      /* bytes from the start of the template */
    uint32_t line, col; /* from 1, col in characters */
    bool unsupported;   /* Go would go on; this subset does not */
    const char *what;   /* "function \"foo\" not defined" */
    const char *text;   /* the whole error as Flagger words it; in the arena */
};

/*
 * Parse. The result, and all texts, live in `arena`; `text` is copied. NULL on failure, with
 * *reterr set.
 */
struct template *template_parse(struct arena *arena, const char *text, size_t len,
                                struct template_error *reterr);
/*
 * Render into `out` (appended). Scratch values live in `arena`. Returns 0; -EINVAL with *reterr
 * set; -ENOMEM.
 */
int template_render(const struct template *t, const struct metric_model *model, struct arena *arena,
                    struct strbuf *out, struct template_error *reterr);

/* A word the template speaks: of the model, a built-in function, or a key of `variables`. */
enum template_word { TEMPLATE_FUNCTION, TEMPLATE_VARIABLE };
typedef void template_on_word(void *ctx, enum template_word kind, const char *name, size_t offset);
/* Every word in the order of the text. `variables.x` and `index variables "x"` report x as a
 * variable. */
void template_each_word(const struct template *t, template_on_word *on_word, void *ctx);
/* Names that a template may call, NULL-terminated: for suggestions. */
const char *const *template_function_names(void);
/* The line and column (from 1, in characters) of a byte of `text`. */
void template_locate(const char *text, size_t len, size_t offset, uint32_t *ret_line,
                     uint32_t *ret_col);

#endif
