/* adapters/cli/explain.h — a forecast as text, Markdown or JSON. */
#ifndef COALMINE_CLI_EXPLAIN_H
#define COALMINE_CLI_EXPLAIN_H

#include <stdio.h>

#include "adapters/base/strbuf.h"
#include "sim/forecast.h"

/* What the Canary is: one paragraph. */
void explain_head(struct strbuf *out, const struct spec *spec);
/* The ladder, the times, releases that turn bad, and the webhooks. */
void explain_text(struct strbuf *out, const struct spec *spec, const struct forecast *f,
                  bool color);
/* The ladder, the times and releases that turn bad, as lists and tables for a comment under a
 * change. */
void explain_markdown(struct strbuf *out, const struct spec *spec, const struct forecast *f);
/* The same facts as one JSON object, without a newline. */
void explain_json(struct strbuf *out, const struct spec *spec, const struct forecast *f);

#endif
